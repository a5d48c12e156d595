// A release with planted answers, small enough to know by heart.

import type { Source } from "../src/content";
import { Points } from "../src/points";
import type { CardFacts, SiteFile } from "../src/site";

export interface Row {
  id: string;
  neuron?: string | null;
  place?: [number, number, number];
  target?: string | null;
  region?: string | null;
  cluster?: string | null;
  volume?: string;
  score?: number;
  vector?: number[] | null;
}

/** Points of those rows, their vectors with these scales, and the rest of a release. */
export function planted(rows: Row[], scale: number[] = [1, 1], more: Partial<SiteFile> = {}) {
  const columns = {
    target: rows.map((row) => row.target ?? null),
    brain_region: rows.map((row) => row.region ?? null),
  };
  const cluster = rows.map((row) => row.cluster ?? null);
  const named = { ...columns, ...(cluster.some((name) => name !== null) ? { cluster } : {}) };
  const titles: Record<string, string> = { target: "known class", brain_region: "brain region", cluster: "cluster" };
  const categories = Object.entries(named).map(([name, values]) => {
    const names = [...new Set(values.filter((value) => value !== null))].sort();
    const colours = Object.fromEntries([
      ...names.map((value, code) => [value, `#00000${code}`]),
      ["(none)", "#c8c8c8"],
    ]);
    return { name, title: titles[name]!, names, colours };
  });
  const codes = new Map(
    categories.map(({ name, names }) => [
      name,
      Int32Array.from(named[name as keyof typeof named]!, (value) => (value === null ? -1 : names.indexOf(value))),
    ]),
  );
  const hasScores = rows.some((row) => row.score !== undefined);
  const hasVectors = rows.some((row) => row.vector);
  const site: SiteFile = {
    format: 1,
    dataset: "tiny",
    entry: "tiny",
    title: "Tiny brain",
    noun: "synapse",
    words: [],
    release: { id: "0123456789ab", created: "2026-01-01T00:00:00" },
    rows: rows.length,
    pages: { map: "Map", search: "Search", gallery: "Gallery" },
    datasets: { tiny: "Tiny brain" },
    pages_of: { tiny: { map: "Map", search: "Search", gallery: "Gallery" } },
    categories,
    numbers: hasScores ? [{ name: "score", title: "detection score" }] : [],
    cluster_verdict: null,
    has_pictures: hasVectors,
    has_neurons: true,
    has_volumes: false,
    has_space: false,
    example: "",
    default_question: { columns: "target", near_nm: 0 },
    metrics: { cosine: "cosine distance, 0 to 2", l2: "Euclidean distance" },
    none: "(none)",
    noise_colour: "#c8c8c8",
    vectors: hasVectors ? { dimensions: scale.length, scale } : null,
    tiles: hasVectors ? { size_px: 8, sections: 3, per_pack: 4, random: 0, random_start: 0 } : null,
    sections: hasVectors ? { per_pack: 2 } : null,
    cards_per_file: 1024,
    volumes: {},
    cluster_pages: {},
    stability: {},
    ...more,
  };
  const neuronIds = [...new Set(rows.flatMap((row) => row.neuron ?? []))].sort();
  const places = rows.map((row) => row.place ?? [0, 0, 0]);
  const points = new Points(site, {
    ids: rows.map((row) => row.id),
    neurons: Int32Array.from(rows, (row) => (row.neuron ? neuronIds.indexOf(row.neuron) : -1)),
    neuronIds: rows.map((row) => row.neuron ?? null),
    placesNm: [0, 1, 2].map((axis) => Float64Array.from(places, (place) => place[axis]!)) as never,
    volumes: rows.some((row) => row.volume) ? rows.map((row) => row.volume ?? null) : null,
    codes,
    hasVector: Uint8Array.from(rows, (row) => (row.vector ? 1 : 0)),
    tiles: Int32Array.from(rows, (row, at) => (row.vector ? at : -1)),
  });
  const vectors = hasVectors
    ? {
        codes: Int8Array.from(rows.flatMap((row) => row.vector ?? scale.map(() => 0))),
        scale: Float64Array.from(scale),
        dimensions: scale.length,
      }
    : null;
  const cards: CardFacts[] = [];
  const source: Source & { cards: CardFacts[]; permuted: number[] } = {
    site,
    cards,
    permuted: [],
    numbers: async () =>
      new Map(hasScores ? [["score", Float32Array.from(rows, (row) => row.score ?? Number.NaN)]] : []),
    vectors: async () => vectors,
    random: async () => Uint32Array.from(source.permuted),
    card: async (row) => cards[row] ?? {},
  };
  return { points, vectors: vectors!, source };
}

/** Whole numbers from 0 to below a limit, the same every time. */
export function randomNumbers(count: number, limit: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  });
}
