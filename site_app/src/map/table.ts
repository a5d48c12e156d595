// Synapses as a table for spreadsheets, as `stores/spreadsheets.py` writes it for the explorer.

import type { Points } from "../points";
import { repr } from "../text";

const MISSING = '""';
const ROWS_A_PART = 20_000;
// A cell that begins so is a formula to spreadsheets, and may fetch or start something; the last four are full-width forms.
const COMPUTED = /^'*[=+\-@\t\r\n＝＋－＠]/;

/** The synapses at these rows, in their order, as CSV: id, position, neuron, classes, numbers, and position on the map. */
export function csv(
  points: Points,
  numbers: ReadonlyMap<string, Float32Array>,
  map: readonly [Float32Array, Float32Array],
  rows: ArrayLike<number>,
): Blob {
  const columns: [string, (row: number) => string][] = [["synapse_id", (row) => textCell(points.ids[row]!)]];
  for (const [axis, name] of ["x_nm", "y_nm", "z_nm"].entries()) {
    columns.push([name, (row) => numberCell(points.placesNm[axis]![row]!)]);
  }
  columns.push(["neuron_id", (row) => valueCell(points.neuronId(row), points.neuronIds)]);
  for (const [name, category] of points.categories) {
    columns.push([name, (row) => valueCell(category.value(row), category.names)]);
    if (name === "cluster") columns.push(["cluster_verdict", () => textCell(points.clusterVerdict ?? "")]);
  }
  for (const [name, values] of numbers) columns.push([name, (row) => shortCell(values[row]!)]);
  for (const [axis, name] of ["map_1", "map_2"].entries()) columns.push([name, (row) => shortCell(map[axis]![row]!)]);
  const parts = [`${columns.map(([name]) => `"${name}"`).join(",")}\n`];
  for (let first = 0; first < rows.length; first += ROWS_A_PART) {
    let part = "";
    for (let at = first; at < Math.min(first + ROWS_A_PART, rows.length); at++) {
      part += `${columns.map(([, cell]) => cell(rows[at]!)).join(",")}\n`;
    }
    parts.push(part);
  }
  return new Blob(parts, { type: "text/csv" });
}

/** A text that a spreadsheet would take as a formula begins with a quote; every text is in quotation marks. */
export function textCell(text: string): string {
  return `"${(COMPUTED.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

/** A value of a column of texts, or of whole numbers where all are. */
function valueCell(value: string | null, values: readonly string[]): string {
  if (value === null) return MISSING;
  return areWhole(values) ? value : textCell(value);
}

const WHOLE = new WeakMap<readonly string[], boolean>();
function areWhole(values: readonly string[]): boolean {
  const known = WHOLE.get(values) ?? values.every((value) => /^-?\d{1,19}$/.test(value));
  WHOLE.set(values, known);
  return known;
}

function numberCell(number: number): string {
  return Number.isNaN(number) ? MISSING : repr(number);
}

/** The shortest text that reads back as the same number of 32 bits. */
function shortCell(number: number): string {
  if (Number.isNaN(number)) return MISSING;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(number.toPrecision(digits));
    if (Math.fround(short) === number) return repr(short);
  }
  return repr(Number(number.toPrecision(9)));
}
