// Which vectors are nearest to a vector: by four metrics, the best of each class side by side. The port of `query/search.py` and
// `query/similarity.py`, exact on int8 with a scale per dimension.

import { BadInput } from "./errors";
import { CATEGORIES, type Category, type Points } from "./points";
import { type Metric, MOST_COLUMNS, type Question } from "./question";
import type { StoredVectors } from "./release";

// Vectors shorter than this have no direction, as in `query/search.py`.
const TINY = 1.1754943508222875e-38;

/** The nearest rows of a class (null: of all), nearest first, and their distances. */
export interface Neighbours {
  name: string | null;
  rows: number[];
  distances: number[];
}

/** Vectors that are searched. */
export class Vectors {
  private readonly squares: Float64Array;
  private lengths: Float64Array | null = null;

  constructor(private readonly stored: StoredVectors) {
    this.squares = stored.scale.map((scale) => scale * scale);
  }

  /** The distance of a row to each row, float32 (N). */
  distances(row: number, metric: Metric): Float32Array {
    const { codes, dimensions, scale } = this.stored;
    const query = codes.subarray(row * dimensions, (row + 1) * dimensions);
    if (metric === "l1") return manhattan(codes, query, scale);
    if (metric === "l2") return euclidean(codes, query, this.squares);
    const products = dotProducts(
      codes,
      this.squares.map((square, axis) => square * query[axis]!),
    );
    const distances = new Float32Array(products.length);
    const lengths = metric === "cosine" ? this.rowLengths() : null;
    const own = lengths ? lengths[row]! : 0;
    for (let other = 0; other < products.length; other++) {
      const product = products[other]!;
      distances[other] = lengths ? 1 - product / Math.max(lengths[other]! * own, TINY) : -product;
    }
    return distances;
  }

  /** The `k` of the rows whose vectors point most nearly where the mean of all of theirs points. */
  typical(rows: ArrayLike<number>, k: number): number[] {
    const { codes, dimensions } = this.stored;
    const lengths = this.rowLengths();
    const mean = new Float64Array(dimensions);
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      const length = Math.max(lengths[row]!, TINY);
      for (let axis = 0; axis < dimensions; axis++) mean[axis]! += codes[row * dimensions + axis]! / length;
    }
    const weights = mean.map((sum, axis) => sum * this.squares[axis]!);
    const values = new Float64Array(rows.length);
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      let sum = 0;
      for (let axis = 0; axis < dimensions; axis++) sum += weights[axis]! * codes[row * dimensions + axis]!;
      values[at] = -sum / Math.max(lengths[row]!, TINY);
    }
    const best = new Nearest(k);
    for (let at = 0; at < rows.length; at++) best.add(rows[at]!, values[at]!);
    return best.rows;
  }

  private rowLengths(): Float64Array {
    if (this.lengths) return this.lengths;
    const { codes, dimensions } = this.stored;
    const lengths = new Float64Array(codes.length / dimensions);
    for (let row = 0, at = 0; row < lengths.length; row++) {
      let sum = 0;
      for (let axis = 0; axis < dimensions; axis++, at++) sum += this.squares[axis]! * codes[at]! * codes[at]!;
      lengths[row] = Math.sqrt(sum);
    }
    this.lengths = lengths;
    return lengths;
  }
}

// Each of these loops has one purpose: a browser compiles it to a few instructions for a number.

function dotProducts(codes: Int8Array, weights: Float64Array): Float64Array {
  const products = new Float64Array(codes.length / weights.length);
  for (let row = 0, at = 0; row < products.length; row++) {
    let sum = 0;
    for (let axis = 0; axis < weights.length; axis++, at++) sum += weights[axis]! * codes[at]!;
    products[row] = sum;
  }
  return products;
}

function manhattan(codes: Int8Array, query: Int8Array, scale: Float64Array): Float32Array {
  const distances = new Float32Array(codes.length / query.length);
  for (let row = 0, at = 0; row < distances.length; row++) {
    let sum = 0;
    for (let axis = 0; axis < query.length; axis++, at++) sum += scale[axis]! * Math.abs(codes[at]! - query[axis]!);
    distances[row] = sum;
  }
  return distances;
}

function euclidean(codes: Int8Array, query: Int8Array, squares: Float64Array): Float32Array {
  const distances = new Float32Array(codes.length / query.length);
  for (let row = 0, at = 0; row < distances.length; row++) {
    let sum = 0;
    for (let axis = 0; axis < query.length; axis++, at++) {
      const difference = codes[at]! - query[axis]!;
      sum += squares[axis]! * (difference * difference);
    }
    distances[row] = Math.sqrt(sum);
  }
  return distances;
}

/** The `k` rows with the smallest values among those added; equal values keep the order in which they came. */
class Nearest {
  readonly rows: number[] = [];
  readonly values: number[] = [];

  constructor(private readonly k: number) {}

  add(row: number, value: number): void {
    const { rows, values, k } = this;
    if (values.length === k && !(value < values[k - 1]!)) return;
    let at = values.length === k ? k - 1 : values.length;
    for (; at > 0 && values[at - 1]! > value; at--) {
      values[at] = values[at - 1]!;
      rows[at] = rows[at - 1]!;
    }
    values[at] = value;
    rows[at] = row;
  }
}

/** The selected rows with the smallest values: as one list, or of each class of `columns` that has any, in the order of the classes. */
export function nearestRows(
  values: Float32Array,
  selected: Uint8Array,
  k: number,
  columns: Category | null,
): Neighbours[] {
  const found: (Nearest | undefined)[] = [];
  for (let row = 0; row < values.length; row++) {
    if (!selected[row]) continue;
    const code = columns ? columns.codes[row]! : 0;
    if (code < 0) continue;
    let nearest = found[code];
    if (!nearest) {
      nearest = new Nearest(k);
      found[code] = nearest;
    }
    nearest.add(row, values[row]!);
  }
  return found.flatMap((nearest, code) =>
    nearest ? [{ name: columns ? columns.names[code]! : null, rows: nearest.rows, distances: nearest.values }] : [],
  );
}

/** What a question asks for. numbers: needed where it filters by them; dataset: its name, for messages.
 *
 * Throws BadInput for an unknown id, column or class, and where nothing is left to compare with.
 */
export function similar(
  points: Points,
  vectors: Vectors,
  question: Question,
  numbers: ReadonlyMap<string, Float32Array> | null,
  dataset: string,
): Neighbours[] {
  const selected = points.select(question.filters, numbers);
  const row = points.row(question.synapseId);
  if (!points.hasVector[row]) {
    throw new BadInput(`synapse '${question.synapseId}' has no vector in the release of ${dataset}`);
  }
  const leftOut = new Uint8Array(points.length);
  leftOut[row] = 1;
  if (question.nearNm > 0) points.markNear(row, question.nearNm, leftOut);
  const neuron = question.ownNeuron ? -1 : points.neurons[row]!;
  let some = false;
  for (let other = 0; other < selected.length; other++) {
    if (!points.hasVector[other] || leftOut[other] || (neuron >= 0 && points.neurons[other] === neuron))
      selected[other] = 0;
    else if (selected[other]) some = true;
  }
  if (!some) {
    throw new BadInput("no synapse is left to compare with: the filters, or what is left out, take all of them");
  }
  const columns = question.columns ? points.category(question.columns) : null;
  const lists = nearestRows(vectors.distances(row, question.metric), selected, question.k, columns);
  if (!lists.length) {
    throw new BadInput(`none of the synapses that are left has a ${CATEGORIES[question.columns]}: ask for one list`);
  }
  return nearestLists(lists, MOST_COLUMNS);
}

/** The nearest synapse of another class and another neuron, and its class: by known class where that is known, else by predicted class;
 * null where there is none. */
export function counterfactual(
  points: Points,
  vectors: Vectors,
  question: Question,
  dataset: string,
): { row: number; distance: number; ofClass: string } | null {
  const row = points.row(question.synapseId);
  const classes = ["target", "predicted"]
    .map((name) => points.categories.get(name))
    .find((column) => column && column.value(row) !== null);
  if (!classes) return null;
  const others = classes.names.filter((name) => name !== classes.value(row));
  if (!others.length) return null;
  const filters = { anyOf: new Map([[classes.name, others]]), least: new Map<string, number>() };
  try {
    const lists = similar(points, vectors, { ...question, k: 1, columns: classes.name, filters }, null, dataset);
    const nearest = lists.reduce((best, list) => (list.distances[0]! < best.distances[0]! ? list : best));
    return { row: nearest.rows[0]!, distance: nearest.distances[0]!, ofClass: nearest.name! };
  } catch (error) {
    if (error instanceof BadInput) return null;
    throw error;
  }
}

/** Those of the classes with the nearest synapses, in the order of the classes. */
function nearestLists(lists: Neighbours[], count: number): Neighbours[] {
  if (lists.length <= count) return lists;
  const last = lists.map((list) => list.distances[0]!).sort((a, b) => a - b)[count - 1]!;
  return lists.filter((list) => list.distances[0]! <= last).slice(0, count);
}
