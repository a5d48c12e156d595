// The content of each page, as plain values that the templates show. The port of `explorer/pages.py`.

import { BadInput } from "./errors";
import { CATEGORIES, type Category, type Filters, NUMBERS, type Points } from "./points";
import { filterOptions, type Parameters, PLAIN_QUESTION, type Question, readFilters, readQuestion } from "./question";
import type { Release } from "./release";
import { counterfactual, type Neighbours, similar, Vectors } from "./search";
import type { CardFacts } from "./site";
import { repr, strip, thousands } from "./text";
import { quotePath, urlencode } from "./urls";

// Tiles of a page: of the most typical synapses, and of a random sample.
const TYPICAL = 6;
const SAMPLE = 48;
const NEAREST = 8;
// Lines of a composition; the rest is summed.
const LINES = 8;
const COMPOSED = ["target", "predicted", "answer", "neuron_type", "synapse_type", "brain_region", "cluster"];

export type Content = Record<string, unknown>;
type Fact = { name: string; title: string; value: string; colour: string };
export type Facts = Content & { synapse_id: string; neuron_id: string | null; classes: Fact[]; tile: number };

/** What content is made of beside the points. */
export type Source = Pick<Release, "site" | "numbers" | "vectors" | "random" | "card">;

/** The pages of an entry. */
export class Pages {
  private readonly counted = new Map<string, [string, number][]>();
  private searched: Vectors | null = null;

  constructor(
    private readonly release: Source,
    private readonly points: Points,
  ) {}

  /** The form, the query and, in columns, the most similar synapses; a search that cannot run has its `reason`. */
  async search(parameters: Parameters): Promise<Content> {
    const pairs = [...parameters];
    let question = this.defaultQuestion;
    try {
      question = readQuestion(pairs, question);
      if (!question.synapseId) return this.searchForm(question);
      const answer = await this.similar(question);
      const query = { facts: this.facts(this.points.row(question.synapseId)) };
      return { ...this.searchForm(question), query, found: this.sideBySide(question, answer) };
    } catch (error) {
      if (error instanceof BadInput) return { ...this.searchForm(question), reason: error.message };
      throw error;
    }
  }

  /** The card of one synapse. Throws BadInput for an unknown id. */
  async synapse(synapseId: string): Promise<Content> {
    const { points, release } = this;
    const row = points.row(synapseId);
    const card = await release.card(row);
    const content: Content = {
      facts: this.facts(row, await release.numbers()),
      place_nm: points.placesNm.map((axis) => axis[row]!),
      neuron_synapses: points.ofSameNeuron(row),
      probabilities: falling(card.probabilities ?? {}),
      calibrated: card.calibrated && { ...card.calibrated, probabilities: falling(card.calibrated.probabilities) },
      colours: points.categories.get("predicted")?.colours ?? new Map(),
      cluster_verdict: points.clusterVerdict,
      ...this.inVolume(row, card),
    };
    const { tiles } = release.site;
    if (!tiles) return content;
    // What a synapse lacks is explained in its place; the rest of the card stays.
    if (points.tiles[row]! >= 0) content.sections = Array.from({ length: tiles.sections }, (_, section) => section);
    else content.no_picture = `there is no picture of synapse '${points.ids[row]}' in this release`;
    const question = {
      ...PLAIN_QUESTION,
      synapseId: points.ids[row]!,
      k: NEAREST,
      nearNm: this.defaultQuestion.nearNm,
    };
    try {
      content.nearest = (await this.similar(question)).flatMap((list) => this.withDistances(list));
      content.question = question;
      const other = counterfactual(points, (await this.vectors())!, question, release.site.dataset);
      if (other) {
        content.counterfactual = { ...this.facts(other.row), distance: other.distance, of_class: other.ofClass };
      }
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      content.no_neighbours = error.message;
    }
    return content;
  }

  /** The filtered synapses: the most typical, a random sample, their classes, and their neurons. Throws BadInput if the filters leave
   * nothing. */
  async gallery(parameters: Parameters): Promise<Content> {
    const pairs = [...parameters];
    return this.selection(readFilters(pairs), readSeed(pairs));
  }

  /** One cluster: its card, medoids, and what `gallery` shows. Throws BadInput for an unknown number. */
  async cluster(number: string, parameters: Parameters): Promise<Content> {
    if (number.startsWith("-")) {
      throw new BadInput("synapses in no cluster are noise; they are on the map in grey");
    }
    const filters = { anyOf: new Map([["cluster", [number]]]), least: new Map() };
    const content = await this.selection(filters, readSeed([...parameters]));
    const { site } = this.release;
    const card = site.cluster_pages[number]?.card ?? null;
    return {
      ...content,
      number,
      card: card && { ...card, medoids: card.medoids.map((row) => this.facts(row)) },
      stability: site.stability,
    };
  }

  private get defaultQuestion(): Question {
    const { columns, near_nm } = this.release.site.default_question;
    return { ...PLAIN_QUESTION, columns, nearNm: near_nm };
  }

  private searchForm(question: Question): Content {
    const { points } = this;
    const { site } = this.release;
    const { anyOf, least } = question.filters;
    return {
      question,
      columns: new Map([...points.categories.values()].map((column) => [column.name, column.title])),
      metrics: new Map(Object.entries(site.metrics)),
      filters: [...points.categories.values()].map((column) => ({
        name: column.name,
        title: column.title,
        values: this.counts(column).map(([value, count]) => ({
          value,
          count,
          chosen: anyOf.get(column.name)?.includes(value) ?? false,
        })),
      })),
      numbers: site.numbers.map(({ name, title }) => ({
        name: `${name}_least`,
        title,
        value: least.has(name) ? repr(least.get(name)!) : "",
      })),
      filtered: filterOptions(question.filters).length > 0,
      by_cluster: points.areOfClusters([question.columns, ...anyOf.keys(), ...least.keys()]),
      cluster_verdict: points.clusterVerdict,
      has_neurons: points.neuronIds.length > 0,
      example: points.length ? points.ids[Math.floor(points.length / 2)]! : "",
      synapses: points.length,
    };
  }

  private async selection(filters: Filters, seed: number): Promise<Content> {
    const { points, release } = this;
    const selected = points.select(filters, await this.numbersOf(filters));
    const rows: number[] = [];
    for (let row = 0; row < selected.length; row++) if (selected[row]) rows.push(row);
    if (!rows.length) throw new BadInput("no synapse fulfils these filters");
    const vectors = await this.vectors();
    const compared = rows.filter((row) => points.hasVector[row]);
    const typical = vectors?.typical(compared, TYPICAL) ?? [];
    const sample = await this.sample(rows, selected, seed);
    return {
      filters: filterOptions(filters).map(([name, value]) => [
        CATEGORIES[name] ?? `least ${NUMBERS[name.replace(/_least$/, "")]}`,
        value,
      ]),
      by_cluster: points.areOfClusters([...filters.anyOf.keys(), ...filters.least.keys()]),
      cluster_verdict: points.clusterVerdict,
      address: urlencode(filterOptions(filters)),
      seed,
      count: rows.length,
      share: rows.length / points.length,
      typical: typical.map((row) => this.facts(row)),
      sample: sample.map(({ row, tile }) => ({ ...this.facts(row), tile })),
      pictures: release.site.has_pictures,
      compositions: COMPOSED.filter((name) => points.categories.has(name) && !filters.anyOf.has(name)).map((name) =>
        this.composition(points.category(name), selected),
      ),
      neurons: this.neurons(rows),
    };
  }

  /** Rows of a uniform random sample, in their order, and the numbers of their pictures. */
  private async sample(rows: number[], selected: Uint8Array, seed: number): Promise<{ row: number; tile: number }[]> {
    const { points, release } = this;
    const { tiles } = release.site;
    const wanted = Math.min(SAMPLE, rows.length);
    let sample: { row: number; tile: number }[] = [];
    if (tiles?.random && rows.length > wanted) {
      // Pictures of a random permutation lie together, so that a sample comes from few packs.
      const permuted = await release.random();
      const start = (Math.abs(seed) % Math.ceil(permuted.length / tiles.per_pack)) * tiles.per_pack;
      for (let at = 0; at < permuted.length && sample.length < wanted; at++) {
        const place = (start + at) % permuted.length;
        const row = permuted[place]!;
        if (selected[row]) sample.push({ row, tile: tiles.random_start + place });
      }
    }
    if (sample.length < wanted) {
      sample = shuffled(rows, wanted, Math.abs(seed)).map((row) => ({ row, tile: points.tiles[row]! }));
    }
    return sample.sort((a, b) => a.row - b.row);
  }

  private composition(column: Category, selected: Uint8Array): Content {
    const { none, noiseColour } = this.points;
    const counts = column.counts(selected).filter(([, count]) => count);
    const largest = counts.toSorted(([a, x], [b, y]) => Number(a === none) - Number(b === none) || y - x);
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    const lines = largest.slice(0, LINES).map(([value, count]) => ({
      value,
      count,
      share: count / total,
      colour: column.colour(value),
      link: urlencode([[column.name, value]]),
    }));
    const rest = largest.slice(LINES).reduce((sum, [, count]) => sum + count, 0);
    if (rest) {
      const value = `${largest.length - LINES} others`;
      lines.push({ value, count: rest, share: rest / total, colour: noiseColour, link: "" });
    }
    return { name: column.name, title: column.title, lines, largest: most(lines) };
  }

  /** The number of neurons of these synapses, and the neurons with most of them, like a composition. */
  private neurons(rows: number[]): Content {
    const { points } = this;
    const counts = new Map<number, number>();
    for (const row of rows) counts.set(points.neurons[row]!, (counts.get(points.neurons[row]!) ?? 0) + 1);
    const without = counts.get(-1) ?? 0;
    counts.delete(-1);
    const lines = [...counts]
      .sort(([a, x], [b, y]) => y - x || a - b)
      .slice(0, LINES)
      .map(([neuron, count]) => ({
        value: points.neuronIds[neuron]!,
        count,
        share: count / rows.length,
        colour: "var(--quiet)",
        link: "",
        neuron: true,
      }));
    const title = `neurons: ${thousands(counts.size)}${without ? `, and ${thousands(without)} synapses of none` : ""}`;
    return { title, count: counts.size, lines, largest: most(lines) };
  }

  /** Id, neuron, each class with its colour, the number of its picture, and numbers where they are given. */
  private facts(row: number, numbers: ReadonlyMap<string, Float32Array> = new Map()): Facts {
    const { points } = this;
    const classes: Fact[] = [];
    for (const column of points.categories.values()) {
      const value = column.value(row);
      if (value === null || column.name === "out_of_fold") continue;
      classes.push({ name: column.name, title: column.title, value, colour: column.colour(value) });
    }
    return {
      synapse_id: points.ids[row]!,
      neuron_id: points.neuronId(row),
      classes,
      numbers: [...numbers]
        .filter(([, values]) => !Number.isNaN(values[row]!))
        .map(([name, values]) => [NUMBERS[name] ?? name, values[row]!]),
      tile: points.tiles[row]!,
      ...Object.fromEntries(classes.map((fact) => [fact.name, fact])),
    };
  }

  /** The place of a synapse in its volume, and its address in Neuroglancer; empty where that is unknown. */
  private inVolume(row: number, card: CardFacts): Content {
    const volume = card.volume === undefined ? undefined : this.release.site.volumes[card.volume];
    if (!volume) return {};
    const { voxel_size_nm, sizes_nm, neuroglancer } = volume;
    const place = ["x", "y", "z"].map((axis, at): [string, string] => [
      axis,
      repr(this.points.placesNm[at]![row]! / sizes_nm[at]!),
    ]);
    const filled = new Map([...place, ["id", quotePath(jsonText(this.points.ids[row]!))]]);
    const link = neuroglancer?.replace(/\{(x|y|z|id)\}/g, (whole, name: string) => filled.get(name) ?? whole);
    return { volume: card.volume, voxel: card.voxel, voxel_size_nm, neuroglancer: link };
  }

  private sideBySide(question: Question, lists: Neighbours[]): Content[] {
    const column = question.columns ? this.points.category(question.columns) : null;
    return lists.map((list) => ({
      title: list.name === null ? "" : question.columns === "cluster" ? `cluster ${list.name}` : list.name,
      colour: list.name === null ? "" : column!.colour(list.name),
      tiles: this.withDistances(list),
    }));
  }

  private withDistances(list: Neighbours): Content[] {
    return list.rows.map((row, at) => ({ ...this.facts(row), distance: list.distances[at]! }));
  }

  private async similar(question: Question): Promise<Neighbours[]> {
    const { dataset } = this.release.site;
    const vectors = await this.vectors();
    if (!vectors) {
      throw new BadInput(
        `${dataset} has no pictures of its synapses, and so nothing to search with: similarity is for datasets with a volume`,
      );
    }
    return similar(this.points, vectors, question, await this.numbersOf(question.filters), dataset);
  }

  private async vectors(): Promise<Vectors | null> {
    const stored = await this.release.vectors();
    if (stored) this.searched ??= new Vectors(stored);
    return this.searched;
  }

  private async numbersOf(filters: Filters): Promise<Map<string, Float32Array> | null> {
    return filters.least.size ? this.release.numbers() : null;
  }

  private counts(column: Category): [string, number][] {
    const counts = this.counted.get(column.name) ?? column.counts();
    this.counted.set(column.name, counts);
    return counts;
  }
}

/** The seed of a random sample in a URL; 0 where it names none. Throws BadInput for what is no whole number. */
function readSeed(parameters: Parameters): number {
  const text = [...parameters].findLast(([name]) => name === "seed")?.[1];
  if (text === undefined) return 0;
  const seed = /^[+-]?\d+$/.test(strip(text)) ? Number(strip(text)) : Number.NaN;
  if (Number.isSafeInteger(seed)) return seed;
  throw new BadInput(`seed: '${[...text].slice(0, 40).join("")}' is no whole number that means something here`);
}

/** A text inside of a JSON text of ASCII. */
function jsonText(text: string): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\u007f-\uffff]/g, escaped);
}

/** Probabilities by class, the most probable first. */
function falling(probabilities: Record<string, number>): Map<string, number> {
  return new Map(Object.entries(probabilities).sort(([, a], [, b]) => b - a));
}

function most(lines: { share: number }[]): number {
  return lines.length ? Math.max(...lines.map((line) => line.share)) : 1;
}

/** `count` of the rows, drawn at random: the same for the same seed. */
function shuffled(rows: number[], count: number, seed: number): number[] {
  const left = [...rows];
  const random = mulberry32(seed);
  for (let at = 0; at < count; at++) {
    const other = at + Math.floor(random() * (left.length - at));
    [left[at], left[other]] = [left[other]!, left[at]!];
  }
  return left.slice(0, count);
}

/** Uniform random numbers in [0, 1) of a seed (Tommy Ettinger's Mulberry32). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
