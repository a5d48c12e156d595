// What stands in `browse/site.json` of an entry, which `synapse_assets/site` writes.

/** The number of the format that this script reads. */
export const FORMAT = 1;

export interface CategoryFacts {
  name: string;
  title: string;
  names: string[];
  /** Of every name, and of the name for none. */
  colours: Record<string, string>;
}

/** A card of a cluster as the explorer has it; `medoids` are rows of the points. */
export type ClusterCard = Record<string, unknown> & { medoids: number[] };

export interface SiteFile {
  format: number;
  dataset: string;
  entry: string;
  title: string;
  noun: string;
  /** Words of other chains, and what they are called here, in the order in which they are replaced. */
  words: [string, string][];
  release: { id: string; created: string };
  rows: number;
  /** Titles of the exported pages by name, in their order. */
  pages: Record<string, string>;
  datasets: Record<string, string>;
  pages_of: Record<string, Record<string, string>>;
  categories: CategoryFacts[];
  numbers: { name: string; title: string }[];
  cluster_verdict: string | null;
  has_pictures: boolean;
  has_neurons: boolean;
  has_volumes: boolean;
  has_space: boolean;
  example: string;
  default_question: { columns: string; near_nm: number };
  metrics: Record<string, string>;
  none: string;
  noise_colour: string;
  vectors: { dimensions: number; scale: number[] } | null;
  /** random: pictures that lie in packs of their own once more, from the number `random_start` on. */
  tiles: { size_px: number; sections: number; per_pack: number; random: number; random_start: number } | null;
  /** Pictures of all sections, one below the other; null where there is one section. */
  sections: { per_pack: number } | null;
  cards_per_file: number;
  /** By name; neuroglancer: an address in which {x} {y} {z}, in voxels, and {id} are to be filled in. */
  volumes: Record<string, { voxel_size_nm: string; sizes_nm: number[]; neuroglancer: string | null }>;
  cluster_pages: Record<string, { card: ClusterCard | null }>;
  stability: Record<string, unknown>;
}

/** What a file in `browse/cards` says of a synapse; what is not known is absent. */
export interface CardFacts {
  probabilities?: Record<string, number>;
  calibrated?: (Record<string, unknown> & { answer: string; probabilities: Record<string, number> }) | null;
  volume?: string;
  voxel?: number[];
}
