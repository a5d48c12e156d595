// The data of an entry, fetched when they are needed: `browse/` of an exported site. Nothing of a page belongs here.

import { parquetRead } from "hyparquet";
import { Unreadable } from "./errors";
import { Points } from "./points";
import { type CardFacts, FORMAT, type SiteFile } from "./site";

/** Bytes that were asked for so far: those that came, and all; null where the server does not say how many. */
export type Progress = (loaded: number, total: number | null) => void;

/** Vectors of an entry: int8 (N, dimensions), row by row; a value is code * scale of its dimension. */
export interface StoredVectors {
  codes: Int8Array;
  scale: Float64Array;
  dimensions: number;
}

export interface MapPositions {
  /** float32 (N) each; NaN where a synapse is not on the map. */
  map: [Float32Array, Float32Array];
  space: [Float32Array, Float32Array, Float32Array] | null;
}

type Column = ArrayLike<unknown>;

/** One entry of an exported release. What it gives is fetched once and kept. */
export class Release {
  private readonly kept = new Map<string, Promise<unknown>>();

  private constructor(
    private readonly folder: string,
    readonly site: SiteFile,
    private readonly transfers: Transfers,
  ) {}

  /** Opens the entry whose files are in a folder (a URL that ends in a slash).
   *
   * Throws Unreadable where they cannot be fetched, and where they are of another format.
   */
  static async open(folder: string, progress: Progress = () => {}): Promise<Release> {
    const transfers = new Transfers(progress);
    const site = readJson<SiteFile>(await transfers.fetch(`${folder}site.json`, "no-cache"), `${folder}site.json`);
    if (site.format !== FORMAT) {
      throw new Unreadable(
        `the data of this site are of format ${site.format}, and its scripts read format ${FORMAT}: they are of different versions. ` +
          "Load the page again without the browser's cache; if that does not help, the site has to be exported again",
      );
    }
    return new Release(folder, site, transfers);
  }

  points(): Promise<Points> {
    return this.once("points", async () => {
      const { site } = this;
      const columns = await this.table("points.parquet");
      const numbers = (name: string) => new Float64Array(columns.get(name) as ArrayLike<number>);
      const codes = (name: string) => new Int32Array(columns.get(name) as ArrayLike<number>);
      return new Points(site, {
        ids: columns.get("synapse_id") as string[],
        neurons: codes("neuron"),
        neuronIds: columns.get("neuron_id") as ArrayLike<string | null>,
        placesNm: [numbers("x_nm"), numbers("y_nm"), numbers("z_nm")],
        volumes: (columns.get("volume") ?? null) as ArrayLike<string | null> | null,
        codes: new Map(site.categories.map(({ name }) => [name, codes(name)])),
        hasVector: new Uint8Array(columns.get("has_vector") as ArrayLike<number>),
        tiles: codes("tile"),
      });
    });
  }

  /** Numbers by column, float32 (N); NaN where there is none. */
  numbers(): Promise<Map<string, Float32Array>> {
    return this.once("numbers", async () => {
      if (!this.site.numbers.length) return new Map();
      const columns = await this.table("numbers.parquet");
      return new Map(this.site.numbers.map(({ name }) => [name, floats(columns.get(name)!)]));
    });
  }

  map(): Promise<MapPositions> {
    return this.once("map", async () => {
      const columns = await this.table("map.parquet");
      const column = (name: string) => floats(columns.get(name)!);
      const space: MapPositions["space"] = columns.has("space_1")
        ? [column("space_1"), column("space_2"), column("space_3")]
        : null;
      return { map: [column("map_1"), column("map_2")], space };
    });
  }

  /** The vectors; null for an entry without pictures. */
  vectors(): Promise<StoredVectors | null> {
    return this.once("vectors", async () => {
      const { vectors, rows } = this.site;
      if (!vectors) return null;
      const { dimensions } = vectors;
      const codes = new Int8Array(await this.file("vectors.i8"));
      if (codes.length !== rows * dimensions) {
        throw new Unreadable(
          `vectors.i8 has ${codes.length} bytes and should have ${rows * dimensions}: the site is not whole, export it again`,
        );
      }
      return { codes, dimensions, scale: Float64Array.from(vectors.scale) };
    });
  }

  /** Rows whose pictures are stored once more, in the order of a random permutation; see `SiteFile.tiles.random`. */
  random(): Promise<Uint32Array> {
    return this.once("random", async () => new Uint32Array(await this.file("random.u32")));
  }

  /** What is known of a synapse beside the columns of all. */
  async card(row: number): Promise<CardFacts> {
    const perFile = this.site.cards_per_file;
    const name = `cards/${String(Math.floor(row / perFile)).padStart(5, "0")}.json`;
    const cards = await this.once(name, async () => readJson<CardFacts[]>(await this.file(name), name));
    return cards[row % perFile] ?? {};
  }

  private once<T>(name: string, make: () => Promise<T>): Promise<T> {
    let made = this.kept.get(name) as Promise<T> | undefined;
    if (!made) {
      made = make();
      this.kept.set(name, made);
      // What failed may succeed when it is asked for again.
      made.catch(() => this.kept.delete(name));
    }
    return made;
  }

  private file(name: string): Promise<ArrayBuffer> {
    // Files of two releases are never mixed by a cache.
    return this.transfers.fetch(`${this.folder}${name}?release=${this.site.release.id}`);
  }

  private async table(name: string): Promise<Map<string, Column>> {
    const file = await this.file(name);
    const columns = new Map<string, Column>();
    try {
      await parquetRead({
        file,
        parsers: { stringFromBytes: textOf },
        onChunk: ({ columnName, columnData, rowStart, rowEnd }) => {
          const data = columnData as Column;
          if (rowStart === 0 && rowEnd === this.site.rows) {
            columns.set(columnName, data);
            return;
          }
          const whole = columns.get(columnName) ?? wholeOf(data, this.site.rows);
          if (isTyped(whole)) whole.set(data as ArrayLike<number>, rowStart);
          else for (let at = rowStart; at < rowEnd; at++) (whole as unknown[])[at] = data[at - rowStart];
          columns.set(columnName, whole);
        },
      });
    } catch (error) {
      throw new Unreadable(`${name} cannot be read: ${String(error)}`);
    }
    return columns;
  }
}

/** Fetches files and says how much of them has come. */
class Transfers {
  private loaded = 0;
  private total: number | null = 0;

  constructor(private readonly progress: Progress) {}

  async fetch(url: string, cache: RequestCache = "default"): Promise<ArrayBuffer> {
    const name = new URL(url).pathname;
    let answer: Response;
    try {
      answer = await fetch(url, { cache });
    } catch {
      throw new Unreadable(`${name} could not be fetched: is the connection there? Load the page again`);
    }
    if (!answer.ok) {
      throw new Unreadable(`${name} could not be fetched: the server answered ${answer.status}`);
    }
    // The length of what is sent compressed says nothing of what comes out.
    const length = answer.headers.has("Content-Encoding") ? null : answer.headers.get("Content-Length");
    this.total = this.total === null || length === null ? null : this.total + Number(length);
    const parts: Uint8Array[] = [];
    const reader = answer.body!.getReader();
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        parts.push(part.value);
        this.loaded += part.value.length;
        this.progress(this.loaded, this.total);
      }
    } catch {
      throw new Unreadable(`${name} came only in part: load the page again`);
    }
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole.buffer;
  }
}

function readJson<T>(data: ArrayBuffer, name: string): T {
  try {
    return JSON.parse(new TextDecoder().decode(data)) as T;
  } catch {
    throw new Unreadable(`${name} is no JSON: the site is not whole, export it again`);
  }
}

/** The text of UTF-8 bytes. Those of ASCII are cut out of their page, which is decoded once: a call for each takes several times as long. */
export function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  if (bytes.buffer !== page.buffer) page = { buffer: bytes.buffer, text: A_CHARACTER_A_BYTE.decode(bytes.buffer) };
  const text = page.text.substring(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return ASCII.test(text) ? text : UTF8.decode(bytes);
}

const ASCII = /^[\0-\x7f]*$/;
const A_CHARACTER_A_BYTE = new TextDecoder("latin1");
const UTF8 = new TextDecoder();
let page: { buffer: ArrayBufferLike | null; text: string } = { buffer: null, text: "" };

type Typed = Int32Array | Float32Array | Float64Array;

function isTyped(column: Column): column is Typed {
  return column instanceof Int32Array || column instanceof Float32Array || column instanceof Float64Array;
}

/** Room for a column of so many rows, of the kind of its first part. */
function wholeOf(part: Column, rows: number): Column {
  return isTyped(part) ? new (part.constructor as new (length: number) => Typed)(rows) : new Array<unknown>(rows);
}

/** float32 (N); NaN where there is no number. */
function floats(column: Column): Float32Array {
  return column instanceof Float32Array
    ? column
    : Float32Array.from(column as ArrayLike<number | null>, (value) => value ?? Number.NaN);
}
