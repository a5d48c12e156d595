/**
 * The synapses of a release as points of a plane: which is nearest to a position, which lie inside a shape, which are seen.
 *
 * Arrays in, arrays out. How they are drawn belongs to `painter`, what surrounds them to `page`.
 */

import { insidePolygon } from "./polygon";
import { type Range, unitOf, type Window } from "./window";

/** First view of a space: turned around its upright axis, and tilted, in degrees. */
export const FIRST_TURN: Turn = [30, 20];
// Far more than a user draws by hand.
const MOST_CORNERS = 5_000;
const POINTS_PER_CELL = 4;
const MOST_CELLS_ALONG = 1_024;
/** So many points one after the other, from a multiple of this on, are a fair sample of all. */
export const SAMPLE = 50_000;
const LINES = 1_024;

export type Turn = readonly [aroundDegrees: number, tiltDegrees: number];

export type Shape =
  | { readonly type: "rect"; readonly x: Range; readonly y: Range }
  | { readonly type: "poly"; readonly x: readonly number[]; readonly y: readonly number[] };

/**
 * The M points of a release that are on its map; or on its map in three dimensions, as seen from one side (`turn`).
 *
 * rows: their rows in the release, in samples of `SAMPLE` points, each from low to high: what is drawn one after the other lies near to each
 * other, in the memory too. x, y, depth: (M,), depth larger
 * for what is farther away, null in the plane. axes: (3 M,), x, y, z of each point around the middle, before any turn.
 */
export class Plane {
  readonly rows: Uint32Array;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly depth: Float32Array | null;
  readonly axes: Float32Array;
  readonly #indexOf: Int32Array;
  readonly #sides: readonly [Range, Range];
  #turned: Turn = [0, 0];
  #grid: Grid | null = null;

  /** @param coordinates two columns for a plane, three for a space; where one is not finite a row is not on the map */
  constructor(coordinates: readonly Float32Array[]) {
    const [first, second, third] = coordinates;
    this.rows = fromLowToHigh(shuffled(rowsWithPlace(coordinates)), third ?? second!);
    this.#indexOf = new Int32Array(first!.length).fill(-1);
    for (let index = 0; index < this.count; index++) this.#indexOf[this.rows[index]!] = index;
    if (third === undefined) {
      [this.x, this.y] = [valuesAt(first!, this.rows), valuesAt(second!, this.rows)];
      this.depth = null;
      this.axes = new Float32Array(3 * this.count);
      for (let index = 0; index < this.count; index++) {
        this.axes[3 * index] = this.x[index]!;
        this.axes[3 * index + 2] = this.y[index]!;
      }
      this.#sides = [rangeOf(this.x), rangeOf(this.y)];
    } else {
      this.axes = new Float32Array(3 * this.count);
      coordinates.forEach((column, axis) => {
        const along = valuesAt(column, this.rows);
        const [low, high] = rangeOf(along);
        // As the explorer, whose numbers have the same precision.
        const middle = Math.fround(Math.fround(low + high) / 2);
        for (let index = 0; index < this.count; index++) this.axes[3 * index + axis] = along[index]! - middle;
      });
      let reach = 0;
      for (let at = 0; at < this.axes.length; at += 3) {
        reach = Math.max(reach, this.axes[at]! ** 2 + this.axes[at + 1]! ** 2 + this.axes[at + 2]! ** 2);
      }
      const side: Range = [-Math.sqrt(reach), Math.sqrt(reach)];
      this.#sides = [side, side];
      [this.x, this.y] = [new Float32Array(this.count), new Float32Array(this.count)];
      this.depth = new Float32Array(this.count);
      this.turn(...FIRST_TURN);
    }
  }

  get count(): number {
    return this.rows.length;
  }

  get turned(): Turn {
    return this.#turned;
  }

  /** Turns a space: around its upright axis, then tilted towards the viewer. */
  turn(aroundDegrees: number, tiltDegrees: number): void {
    if (this.depth === null) return;
    const [around, tilt] = [(aroundDegrees * Math.PI) / 180, (tiltDegrees * Math.PI) / 180];
    const [cosA, sinA, cosT, sinT] = [Math.cos(around), Math.sin(around), Math.cos(tilt), Math.sin(tilt)];
    const { axes, x, y, depth } = this;
    for (let index = 0, at = 0; index < x.length; index++, at += 3) {
      const [px, py, pz] = [axes[at]!, axes[at + 1]!, axes[at + 2]!];
      const away = px * sinA + py * cosA;
      x[index] = px * cosA - py * sinA;
      y[index] = pz * cosT + away * sinT;
      depth[index] = away * cosT - pz * sinT;
    }
    this.#turned = [aroundDegrees, tiltDegrees];
    this.#grid = null;
  }

  /** Range of the points along x and y; in space over all turns. */
  get sides(): readonly [Range, Range] {
    return this.#sides;
  }

  /** Index of a row of the release on the map, null if it has no place there. */
  indexOf(row: number): number | null {
    const index = this.#indexOf[row] ?? -1;
    return index < 0 ? null : index;
  }

  /** The shown point nearest to a position as seen on the screen, if there is one within that many pixels. */
  nearest(x: number, y: number, window: Window, withinPx: number, shown: Uint8Array): number | null {
    const within = withinPx * unitOf(window);
    let best = within ** 2;
    let nearest: number | null = null;
    this.#visit([x - within, x + within], [y - within, y + within], (index) => {
      const away = (this.x[index]! - x) ** 2 + (this.y[index]! - y) ** 2;
      if (away <= best && shown[index] && (away < best || nearest === null || index < nearest)) {
        best = away;
        nearest = index;
      }
    });
    return nearest;
  }

  /**
   * The shown points inside a shape that was drawn, in the order of the release.
   *
   * Of a polygon with more than `MOST_CORNERS` corners some are skipped, evenly.
   */
  inside(shape: Shape, shown: Uint8Array): Uint32Array {
    const step = shape.type === "rect" ? 1 : Math.ceil(shape.x.length / MOST_CORNERS) || 1;
    const [xs, ys] = [shape.x, shape.y].map((side) => side.filter((_, at) => at % step === 0)) as [number[], number[]];
    const [across, up] = [rangeOf(xs), rangeOf(ys)];
    let inBox = new Uint32Array(this.count);
    let count = 0;
    this.#visit(across, up, (index) => {
      const [x, y] = [this.x[index]!, this.y[index]!];
      if (shown[index] && x >= across[0] && x <= across[1] && y >= up[0] && y <= up[1]) inBox[count++] = index;
    });
    inBox = inBox.slice(0, count);
    const indices = shape.type === "rect" ? inBox : insidePolygon(this.x, this.y, inBox, xs, ys);
    return this.#byRow(indices);
  }

  /** Builds what `nearest` and `inside` need, so that the first of them is not slow. */
  prepare(): void {
    this.#grid ??= new Grid(this.x, this.y);
  }

  #byRow(indices: Uint32Array): Uint32Array {
    const rows = indices.map((index) => this.rows[index]!).sort();
    return rows.map((row) => this.#indexOf[row]!);
  }

  #visit(x: Range, y: Range, visit: (index: number) => void): void {
    this.prepare();
    this.#grid!.visit(x, y, visit);
  }
}

/** Points by the cell of a grid that they lie in. */
class Grid {
  readonly #along: number;
  readonly #x: Range;
  readonly #y: Range;
  readonly #starts: Uint32Array;
  readonly #order: Uint32Array;

  constructor(x: Float32Array, y: Float32Array) {
    this.#along = Math.max(1, Math.min(MOST_CELLS_ALONG, Math.ceil(Math.sqrt(x.length / POINTS_PER_CELL))));
    [this.#x, this.#y] = [rangeOf(x), rangeOf(y)];
    const cells = new Uint32Array(x.length);
    this.#starts = new Uint32Array(this.#along ** 2 + 1);
    for (let index = 0; index < x.length; index++) {
      const cell = this.#cell(y[index]!, this.#y) * this.#along + this.#cell(x[index]!, this.#x);
      cells[index] = cell;
      this.#starts[cell + 1]!++;
    }
    for (let cell = 0; cell < this.#along ** 2; cell++) this.#starts[cell + 1]! += this.#starts[cell]!;
    const next = this.#starts.slice();
    this.#order = new Uint32Array(x.length);
    for (let index = 0; index < x.length; index++) this.#order[next[cells[index]!]!++] = index;
  }

  /** Calls `visit` for every point with x and y in these ranges, and for some others near to them. */
  visit(x: Range, y: Range, visit: (index: number) => void): void {
    const [left, right] = [this.#cell(x[0], this.#x), this.#cell(x[1], this.#x)];
    const [low, high] = [this.#cell(y[0], this.#y), this.#cell(y[1], this.#y)];
    for (let line = low; line <= high; line++) {
      const end = this.#starts[line * this.#along + right + 1]!;
      for (let at = this.#starts[line * this.#along + left]!; at < end; at++) visit(this.#order[at]!);
    }
  }

  #cell(value: number, [low, high]: Range): number {
    const cell = Math.floor((this.#along * (value - low)) / (high - low || 1));
    return Math.max(0, Math.min(this.#along - 1, cell));
  }
}

function valuesAt(column: Float32Array, rows: Uint32Array): Float32Array {
  const values = new Float32Array(rows.length);
  for (let index = 0; index < rows.length; index++) values[index] = column[rows[index]!]!;
  return values;
}

/** The lowest and highest value; 0 and 0 of none. */
function rangeOf(values: ArrayLike<number>): Range {
  let [low, high] = [Infinity, -Infinity];
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

function rowsWithPlace(coordinates: readonly Float32Array[]): Uint32Array {
  const rows = new Uint32Array(coordinates[0]!.length);
  const [first, second, third = first] = coordinates as [Float32Array, Float32Array, Float32Array?];
  let count = 0;
  for (let row = 0; row < rows.length; row++) {
    // Infinite or no number if any of them is.
    if (Number.isFinite(first[row]! * 0 + second[row]! * 0 + third[row]! * 0)) rows[count++] = row;
  }
  return rows.slice(0, count);
}

/** The same rows, those of each sample sorted by their value in `column`, nearly. */
function fromLowToHigh(rows: Uint32Array, column: Float32Array): Uint32Array {
  const [low, high] = rangeOf(valuesAt(column, rows));
  const lines = new Uint32Array(rows.length);
  const starts = new Uint32Array(LINES * Math.ceil(rows.length / SAMPLE) + 1);
  for (let at = 0; at < rows.length; at++) {
    const line = Math.floor(((LINES - 1) * (column[rows[at]!]! - low)) / (high - low || 1));
    lines[at] = LINES * Math.floor(at / SAMPLE) + line;
    starts[lines[at]! + 1]!++;
  }
  for (let line = 1; line < starts.length; line++) starts[line]! += starts[line - 1]!;
  const sorted = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at++) sorted[starts[lines[at]!]!++] = rows[at]!;
  return sorted;
}

/** The same numbers in a random order, the same every time (Fisher and Yates; random numbers by mulberry32). */
function shuffled(numbers: Uint32Array): Uint32Array {
  let state = 0x9e3779b9;
  for (let last = numbers.length - 1; last > 0; last--) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    const at = ((mixed ^ (mixed >>> 14)) >>> 0) % (last + 1);
    [numbers[last], numbers[at]] = [numbers[at]!, numbers[last]!];
  }
  return numbers;
}
