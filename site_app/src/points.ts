// Every synapse of an entry: its place, classes and neuron, and filters over them. The port of `query/points.py`.

import { BadInput } from "./errors";
import type { CategoryFacts, SiteFile } from "./site";
import { stripId, thousands } from "./text";

/** Every column of classes that filters may name, with its title; an entry has those that it has values for. */
export const CATEGORIES: Record<string, string> = {
  target: "known class",
  predicted: "predicted class",
  answer: "calibrated answer",
  brain_region: "brain region",
  cluster: "cluster",
  hemilineage: "hemilineage",
  cell_type: "cell type",
  neuron_type: "neuron type",
  synapse_type: "synapse type",
  used_for: "used for",
  out_of_fold: "predicted out of fold",
};
export const NUMBERS: Record<string, string> = {
  score: "detection score",
  probability: "probability of the prediction",
  calibrated_probability: "calibrated probability",
  valid_fraction: "share of the tile inside the volume",
  membership_probability: "membership in the cluster",
  mitochondrion_distance_nm: "distance to the nearest mitochondrion in nm",
  mitochondrion_nm3: "volume of the nearest mitochondrion in nm³",
  mitochondria_near_share: "share of the surroundings that is mitochondria",
};

/** Which synapses take part: any of the named values of a column, of every named column; and lowest numbers, by column. */
export interface Filters {
  anyOf: Map<string, string[]>;
  least: Map<string, number>;
}

export const NO_FILTERS: Filters = { anyOf: new Map(), least: new Map() };

/** A column of classes: codes (N) point into the names; -1 is none. */
export class Category {
  readonly name: string;
  readonly title: string;
  readonly names: readonly string[];
  private readonly byName: Map<string, number>;
  private readonly colourOf: Map<string, string>;

  constructor(
    facts: CategoryFacts,
    readonly codes: Int32Array,
    private readonly none: string,
  ) {
    this.name = facts.name;
    this.title = facts.title;
    this.names = facts.names;
    this.byName = new Map(facts.names.map((name, code) => [name, code]));
    this.colourOf = new Map(Object.entries(facts.colours));
  }

  /** Synapses by value, of all or of the selected (N); none comes last, and only if there are any. */
  counts(selected?: Uint8Array): [string, number][] {
    const sizes = new Uint32Array(this.names.length + 1);
    for (let row = 0; row < this.codes.length; row++) if (!selected || selected[row]) sizes[this.codes[row]! + 1]!++;
    const counts = this.names.map((name, code): [string, number] => [name, sizes[code + 1]!]);
    return sizes[0] ? [...counts, [this.none, sizes[0]]] : counts;
  }

  /** The code of a value. Throws BadInput for one that does not occur. */
  code(value: string): number {
    const code = value === this.none ? -1 : this.byName.get(value);
    if (code !== undefined) return code;
    const known = this.names.slice(0, 12).join(", ") + (this.names.length > 12 ? " ..." : "");
    throw new BadInput(`no synapse has ${this.title} '${value}'; there are ${known || "none"}`);
  }

  /** The value of a synapse; null where there is none. */
  value(row: number): string | null {
    const code = this.codes[row]!;
    return code < 0 ? null : this.names[code]!;
  }

  /** The colour (#rrggbb) of a value, or of none. */
  colour(value: string): string {
    return this.colourOf.get(value) ?? this.colourOf.get(this.none) ?? "#888";
  }

  /** The colours of all values. */
  get colours(): ReadonlyMap<string, string> {
    return this.colourOf;
  }
}

/** Columns of the table of points as they are read. */
export interface PointColumns {
  ids: string[];
  /** Codes of neurons in their order, -1 where none is known; and their ids. */
  neurons: Int32Array;
  neuronIds: ArrayLike<string | null>;
  placesNm: [Float64Array, Float64Array, Float64Array];
  volumes: ArrayLike<string | null> | null;
  codes: Map<string, Int32Array>;
  hasVector: Uint8Array;
  tiles: Int32Array;
}

/** The synapses of an entry, N of them, sorted by id. */
export class Points {
  readonly ids: string[];
  readonly placesNm: [Float64Array, Float64Array, Float64Array];
  readonly categories: Map<string, Category>;
  readonly hasVector: Uint8Array;
  /** The number of the picture of each in the packs; -1 where it has none. */
  readonly tiles: Int32Array;
  /** Codes (N) that point into `neuronIds`, -1 where no neuron is known. */
  readonly neurons: Int32Array;
  readonly neuronIds: readonly string[];
  readonly clusterVerdict: string | null;
  readonly none: string;
  readonly noiseColour: string;
  private readonly volumes: ArrayLike<string | null> | null;
  private readonly numberNames: string[];
  private byId: Map<string, number> | null = null;

  constructor(site: SiteFile, columns: PointColumns) {
    this.ids = columns.ids;
    this.placesNm = columns.placesNm;
    this.volumes = columns.volumes;
    this.hasVector = columns.hasVector;
    this.tiles = columns.tiles;
    this.none = site.none;
    this.noiseColour = site.noise_colour;
    this.clusterVerdict = site.cluster_verdict;
    this.numberNames = site.numbers.map((number) => number.name);
    this.categories = new Map(
      site.categories.map((facts) => [facts.name, new Category(facts, columns.codes.get(facts.name)!, site.none)]),
    );
    this.neurons = columns.neurons;
    const neuronIds: string[] = [];
    for (let row = 0; row < this.neurons.length; row++) {
      const neuron = this.neurons[row]!;
      if (neuron >= 0) neuronIds[neuron] ??= columns.neuronIds[row]!;
    }
    this.neuronIds = neuronIds;
  }

  get length(): number {
    return this.ids.length;
  }

  /** Row of a synapse: of exactly that id, else of the id without blanks around it. Throws BadInput for an id that is not here. */
  row(synapseId: string): number {
    this.byId ??= new Map(this.ids.map((id, row) => [id, row]));
    const row = this.byId.get(synapseId) ?? this.byId.get(stripId(synapseId));
    if (row !== undefined) return row;
    const examples = this.ids.slice(0, 2).join(", ") || "nothing: it is empty";
    throw new BadInput(
      `no synapse '${synapseId}' in this release; its ${thousands(this.length)} ids look like ${examples}`,
    );
  }

  /** A column of classes. Throws BadInput for one that the entry does not have. */
  category(name: string): Category {
    const column = this.categories.get(name);
    if (column) return column;
    const known = [...this.categories.keys()].join(", ");
    throw new BadInput(`this dataset has no column '${name}' of classes; there are ${known}`);
  }

  /** Whether any of these columns is of clusters; so is the probability where no class is predicted. */
  areOfClusters(names: Iterable<string>): boolean {
    const ofClusters = new Set(["cluster", "membership_probability"]);
    if (!this.categories.has("predicted")) ofClusters.add("probability");
    return [...names].some((name) => ofClusters.has(name));
  }

  /** Which synapses fulfil the filters (N), 1 or 0. Throws BadInput for a column or value that does not occur. */
  select(filters: Filters, numbers: ReadonlyMap<string, Float32Array> | null = null): Uint8Array {
    const chosen = new Uint8Array(this.length).fill(1);
    for (const [name, values] of filters.anyOf) {
      if (!values.length) continue;
      const { codes } = this.category(name);
      const wanted = new Set(values.map((value) => this.category(name).code(value)));
      for (let row = 0; row < codes.length; row++) if (!wanted.has(codes[row]!)) chosen[row] = 0;
    }
    for (const [name, least] of filters.least) {
      const values = numbers?.get(name);
      if (!values) {
        throw new BadInput(`this dataset has no column '${name}' of numbers; there are ${this.numberNames.join(", ")}`);
      }
      const lowest = Math.fround(least);
      for (let row = 0; row < values.length; row++) if (!(values[row]! >= lowest)) chosen[row] = 0;
    }
    return chosen;
  }

  /** Marks those of `rows` (N) that lie within that distance of a synapse, in the same volume. */
  markNear(row: number, withinNm: number, rows: Uint8Array): void {
    const [x, y, z] = this.placesNm;
    const farthest = withinNm ** 2;
    for (let other = 0; other < this.length; other++) {
      const dx = x[other]! - x[row]!;
      const dy = y[other]! - y[row]!;
      const dz = z[other]! - z[row]!;
      if (dx * dx + dy * dy + dz * dz > farthest) continue;
      if (this.volumes && this.volumes[row] !== null && this.volumes[other] !== this.volumes[row]) continue;
      rows[other] = 1;
    }
  }

  /** How many synapses are of the neuron of a synapse; 0 where none is known. */
  ofSameNeuron(row: number): number {
    const neuron = this.neurons[row]!;
    return neuron < 0 ? 0 : this.neurons.reduce((count, other) => count + (other === neuron ? 1 : 0), 0);
  }

  /** The neuron of a synapse; null where none is known. */
  neuronId(row: number): string | null {
    const neuron = this.neurons[row]!;
    return neuron < 0 ? null : this.neuronIds[neuron]!;
  }
}
