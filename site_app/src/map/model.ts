// The content of an open map: the synapses of a release, from which side, in which colours, and which of them.
//
// No elements: those are in `controls` and `viewport`.

import { type Filters, NUMBERS, type Points } from "../points";
import type { MapPositions } from "../release";
import { type Colouring, colouringByClass, colouringByNumber, countLines } from "./colouring";
import type { Content } from "./painter";
import { Plane, type Turn } from "./plane";

/** The synapses of a release as a page shows them. `shown` marks points of `plane`, 1 or 0. */
export class MapModel {
  readonly flat: Plane;
  plane: Plane;
  colouring!: Colouring;
  shown = new Uint8Array(0);
  #space: Plane | null = null;
  readonly #colourings = new Map<Plane, Map<string, Colouring>>();

  constructor(
    readonly points: Points,
    readonly numbers: ReadonlyMap<string, Float32Array>,
    readonly positions: MapPositions,
  ) {
    this.flat = this.plane = new Plane(positions.map);
  }

  /** What points can be coloured by: column and title. */
  get columns(): Map<string, string> {
    const classes = [...this.points.categories.values()].map(({ name, title }): [string, string] => [name, title]);
    return new Map([...classes, ...[...this.numbers.keys()].map((name): [string, string] => [name, NUMBERS[name]!])]);
  }

  /** Shows the points in space from a side, or flat for null; they have to be coloured again. */
  project(turn: Turn | null): void {
    if (turn === null || this.positions.space === null) {
      this.plane = this.flat;
      return;
    }
    this.#space ??= new Plane(this.positions.space);
    this.plane = this.#space;
    this.plane.turn(...turn);
  }

  colourBy(column: string): void {
    const known = this.#colourings.get(this.plane) ?? new Map<string, Colouring>();
    this.#colourings.set(this.plane, known);
    this.colouring = known.get(column) ?? this.#colouringBy(column);
    known.set(column, this.colouring);
  }

  /** Shows the points that fulfil the filters and are of these lines of the legend. Gives the number of filtered points by line. */
  show(filters: Filters, lines: ReadonlySet<string>): Uint32Array {
    const selected = this.points.select(filters, this.numbers);
    const { rows } = this.plane;
    const { codes, names } = this.colouring;
    const on = Uint8Array.from(names, (name) => Number(lines.has(name)));
    const among = new Uint8Array(rows.length);
    this.shown = new Uint8Array(rows.length);
    for (let index = 0; index < rows.length; index++) {
      among[index] = selected[rows[index]!]!;
      this.shown[index] = among[index]! & on[codes[index]!]!;
    }
    return countLines(this.colouring, among);
  }

  /** What is drawn of it. */
  get content(): Content {
    const shown = new Uint32Array(this.shown.length);
    let count = 0;
    for (let index = 0; index < shown.length; index++) if (this.shown[index]) shown[count++] = index;
    return { plane: this.plane, colouring: this.colouring, shown: shown.slice(0, count), none: this.points.none };
  }

  #colouringBy(column: string): Colouring {
    const none = { name: this.points.none, colour: this.points.noiseColour };
    const category = this.points.categories.get(column);
    if (category !== undefined) return colouringByClass(category, this.plane.rows, none);
    const values = this.numbers.get(column)!;
    return colouringByNumber({ name: column, title: NUMBERS[column]!, values }, this.plane.rows, none);
  }
}
