/** The colours of a column: a line of the legend for each class, or for each step of a number. What is drawn belongs to `painter`. */

import type { Category } from "../points";
import { fixed, thousands } from "../text";

/** Classes in a legend; rarer classes share one line, because nobody reads hundreds. */
export const LEGEND_CLASSES = 60;
export const OTHERS_COLOUR = "#8f8f8f";
const STEPS_OF_NUMBERS = 10;

/** Classes of a column and their colours. codes: an index into `names` for each point of the plane. */
export interface Colouring {
  readonly column: string;
  readonly title: string;
  readonly names: readonly string[];
  readonly colours: readonly string[];
  readonly codes: Uint16Array;
}

/** A column of numbers of all rows; NaN is none. */
export interface NumberColumn {
  readonly name: string;
  readonly title: string;
  readonly values: Float32Array;
}

/** What stands for a missing value, and its colour. */
export interface None {
  readonly name: string;
  readonly colour: string;
}

export function colouringByClass(column: Category, rows: Uint32Array, none: None): Colouring {
  const sizes = new Uint32Array(column.names.length);
  let without = 0;
  for (let index = 0; index < rows.length; index++) {
    const code = column.codes[rows[index]!]!;
    if (code < 0) without++;
    else sizes[code]!++;
  }
  const byCount = Array.from(column.names, (_, code) => code).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  const largest = byCount.slice(0, LEGEND_CLASSES).sort((a, b) => a - b);
  const rarer = column.names.length - largest.length;
  const names = largest.map((code) => column.names[code]!);
  const colours = names.map((name) => column.colour(name));
  const lineOf = new Uint16Array(column.names.length).fill(largest.length);
  for (const [line, code] of largest.entries()) lineOf[code] = line;
  if (rarer > 0) {
    names.push(`${thousands(rarer)} rarer ones`);
    colours.push(OTHERS_COLOUR);
  }
  const lineOfNone = names.length;
  if (without > 0) {
    names.push(none.name);
    colours.push(none.colour);
  }
  const codes = new Uint16Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    const code = column.codes[rows[index]!]!;
    codes[index] = code < 0 ? lineOfNone : lineOf[code]!;
  }
  return { column: column.name, title: column.title, names, colours, codes };
}

export function colouringByNumber(column: NumberColumn, rows: Uint32Array, none: None): Colouring {
  let [low, high] = [Infinity, -Infinity];
  let without = 0;
  for (let index = 0; index < rows.length; index++) {
    const value = column.values[rows[index]!]!;
    if (!Number.isFinite(value)) without++;
    else {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const edges = low <= high ? numberSteps(low, high) : [0];
  const steps = edges.length - 1;
  const decimals = steps > 0 ? Math.max(0, -Math.floor(Math.log10(edges[1]! - edges[0]!) + 1e-9)) + 1 : 0;
  const names = edges.slice(1).map((end, step) => `${fixed(edges[step]!, decimals)} to ${fixed(end, decimals)}`);
  const colours = viridis(steps);
  const lineOfNone = names.length;
  if (without > 0) {
    names.push(none.name);
    colours.push(none.colour);
  }
  const codes = new Uint16Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    const value = column.values[rows[index]!]!;
    codes[index] = Number.isFinite(value) ? stepOf(value, edges) : lineOfNone;
  }
  return { column: column.name, title: column.title, names, colours, codes };
}

function stepOf(value: number, edges: readonly number[]): number {
  let step = 0;
  while (step < edges.length - 2 && edges[step + 1]! <= value) step++;
  return step;
}

/** Round edges of at most ten equal steps that hold all values from `low` to `high`; two edges at least. */
export function numberSteps(low: number, high: number): number[] {
  if (high <= low) return [low, low + 1];
  const exponent = Math.floor(Math.log10((high - low) / STEPS_OF_NUMBERS));
  let [step, first, last] = [0, 0, 0];
  for (const times of [1, 2, 5, 10, 20]) {
    step = times * Number(`1e${exponent}`);
    [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
    if (last - first <= STEPS_OF_NUMBERS) break;
  }
  return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
}

/** Points by line of the legend, of those marked in `selected`. */
export function countLines(colouring: Colouring, selected: Uint8Array): Uint32Array {
  const counts = new Uint32Array(colouring.names.length);
  const { codes } = colouring;
  for (let index = 0; index < codes.length; index++) if (selected[index]) counts[codes[index]!]!++;
  return counts;
}

/** Red, green and blue, 0 to 255, of a colour #rrggbb. */
export function rgb(colour: string): [number, number, number] {
  const number = Number.parseInt(colour.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

function viridis(steps: number): string[] {
  return VIRIDIS[steps - 1]?.match(/.{6}/g)?.map((hex) => `#${hex}`) ?? [];
}

// Viridis in one to ten steps, as in the explorer.
const VIRIDIS: readonly string[] = [
  "440154",
  "440154fde724",
  "440154208f8cfde724",
  "44015430678d35b778fde724",
  "4401543b518a208f8c5bc862fde724",
  "44015440438729788e22a78479d151fde724",
  "44015444398230678d208f8c35b7788dd644fde724",
  "44015446317e365a8c277e8e1ea08749c16d9dd93afde724",
  "440154472b7a3b518a2c718e208f8c27ad805bc862aadb32fde724",
  "4401544727773e498930678d25828e1e9c8935b7786bcd59b2dd2cfde724",
];
