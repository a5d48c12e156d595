import { describe, expect, it } from "vitest";
import { Pages } from "../src/content";
import { planted, type Row } from "./planted";

type Line = { value: string; count: number; share: number };
type Part = { name: string; title: string; lines: Line[]; count: number };

const rows: Row[] = Array.from({ length: 120 }, (_, at) => ({
  id: `s${String(at).padStart(3, "0")}`,
  vector: [at % 10, 5],
  target: at < 100 ? `t${String(at % 10).padStart(2, "0")}` : null,
  region: at % 3 ? "EB" : "FB",
  cluster: at % 4 ? String(at % 4) : null,
  neuron: at < 90 ? `n${at % 3}` : null,
  score: at,
}));

function pages(more: Parameters<typeof planted>[2] = {}, changed = rows) {
  const { points, source } = planted(changed, [1, 1], more);
  return { pages: new Pages(source, points), source, points };
}

const asked = (address: string) => new URLSearchParams(address);
const idsOf = (found: unknown) => (found as { synapse_id: string }[]).map((facts) => facts.synapse_id);

describe("a gallery", () => {
  it("says what its synapses are made of, the largest classes first", async () => {
    const content = await pages().pages.gallery(asked("brain_region=EB&score_least=10"));
    const expected = rows.filter((row, at) => row.region === "EB" && at >= 10);
    expect([content.count, content.share]).toEqual([expected.length, expected.length / 120]);
    expect(content.filters).toEqual([
      ["brain region", "EB"],
      ["least detection score", "10.0"],
    ]);
    expect(content.address).toBe("brain_region=EB&score_least=10.0");
    const parts = content.compositions as Part[];
    expect(parts.map((part) => part.name)).toEqual(["target", "cluster"]);
    const [target] = parts;
    expect(target!.lines.map((line) => line.value).at(-1)).toBe("3 others");
    expect(target!.lines.reduce((sum, line) => sum + line.share, 0)).toBeCloseTo(1, 12);
    expect(target!.lines.reduce((sum, line) => sum + line.count, 0)).toBe(expected.length);
    const counts = target!.lines.slice(0, -1).map((line) => line.count);
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
    const all = (await pages().pages.gallery([])).compositions as Part[];
    const regions = all.find((part) => part.name === "brain_region")!;
    expect(regions.lines.map(({ value, count }) => [value, count])).toEqual([
      ["EB", 80],
      ["FB", 40],
    ]);
    const neurons = content.neurons as Part;
    expect(neurons.count).toBe(2);
    expect(neurons.title).toBe("neurons: 2, and 20 synapses of none");
  });

  it("none comes last, however many they are", async () => {
    const content = await pages().pages.gallery(asked("score_least=90"));
    const [target] = content.compositions as Part[];
    expect(target!.lines.at(-2)!.count).toBe(1);
    expect(target!.lines.map((line) => line.value)).not.toContain("(none)");
    const few = await pages().pages.gallery(asked("target=t00&target=(none)"));
    const [, clusters] = few.compositions as Part[];
    expect(clusters!.lines.at(-1)!.value).toBe("(none)");
  });

  it("refuses filters that leave nothing, and seeds that are none", async () => {
    await expect(pages().pages.gallery(asked("score_least=1e6"))).rejects.toThrow("no synapse fulfils these filters");
    await expect(pages().pages.gallery(asked("seed=many"))).rejects.toThrow(
      "seed: 'many' is no whole number that means something here",
    );
    await expect(pages().pages.gallery(asked("seed=1e3"))).rejects.toThrow("is no whole number");
  });
});

describe("a random sample", () => {
  const tiles = { size_px: 8, sections: 3, per_pack: 20, random: 100, random_start: 200 };
  const permuted = rows.map((_, at) => (at * 7) % 120).slice(0, 100);

  it("is the first of a permutation whose pictures lie together, from a pack that the seed names", async () => {
    const { pages: made, source } = pages({ tiles });
    source.permuted = permuted;
    for (const seed of [0, 1, -4, 7]) {
      const content = await made.gallery(asked(`seed=${seed}`));
      const start = (Math.abs(seed) % 5) * 20;
      const places = Array.from({ length: 48 }, (_, at) => (start + at) % 100);
      const sample = content.sample as { synapse_id: string; tile: number }[];
      const expected = places
        .map((place) => ({ id: rows[permuted[place]!]!.id, tile: 200 + place }))
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      expect(sample.map(({ synapse_id, tile }) => ({ id: synapse_id, tile }))).toEqual(expected);
    }
  });

  it("is of all synapses where the permutation has too few", async () => {
    const { pages: made, source } = pages({ tiles });
    source.permuted = permuted.slice(0, 60);
    const drawn = [];
    for (const seed of [0, 1, 2, 1]) {
      const content = await made.gallery(asked(`brain_region=EB&seed=${seed}`));
      const sample = content.sample as { synapse_id: string; tile: number; brain_region: { value: string } }[];
      expect(new Set(idsOf(sample)).size).toBe(48);
      expect(sample.every((facts) => facts.brain_region.value === "EB" && facts.tile < 120)).toBe(true);
      drawn.push(idsOf(sample).join());
    }
    expect(new Set(drawn).size).toBe(3);
    expect(drawn[3]).toBe(drawn[1]);
  });

  it("draws every synapse equally often", async () => {
    const { pages: made } = pages();
    const times = new Map<string, number>();
    for (let seed = 0; seed < 200; seed++) {
      for (const id of idsOf((await made.gallery(asked(`seed=${seed}`))).sample)) {
        times.set(id, (times.get(id) ?? 0) + 1);
      }
    }
    // 80 are expected; a synapse lies beyond these limits once in ten thousand.
    expect(times.size).toBe(120);
    expect(Math.min(...times.values())).toBeGreaterThan(52);
    expect(Math.max(...times.values())).toBeLessThan(108);
  });

  it("is everyone where there are few", async () => {
    const content = await pages({ tiles }).pages.gallery(asked("target=t03"));
    expect(idsOf(content.sample)).toEqual(rows.filter((row) => row.target === "t03").map((row) => row.id));
  });
});

describe("a cluster", () => {
  const card = { cluster: 2, one_neuron: true, medoids: [2, 6] };

  it("has its card and medoids", async () => {
    const content = await pages({ cluster_pages: { 2: { card } }, stability: { verdict: "stable" } }).pages.cluster(
      "2",
      [],
    );
    expect(content.number).toBe("2");
    expect(idsOf((content.card as { medoids: unknown }).medoids)).toEqual(["s002", "s006"]);
    expect(content.stability).toEqual({ verdict: "stable" });
    expect(content.count).toBe(30);
  });

  it("may lack a card, and noise has no page", async () => {
    expect((await pages().pages.cluster("2", [])).card).toBeNull();
    await expect(pages().pages.cluster("9", [])).rejects.toThrow("no synapse has cluster '9'; there are 1, 2, 3");
    await expect(pages().pages.cluster("-1", [])).rejects.toThrow("in no cluster are noise");
  });
});

describe("a card", () => {
  it("has what is known of a synapse", async () => {
    const { pages: made, source } = pages(
      {
        volumes: {
          em: {
            voxel_size_nm: "4 x 4 x 40",
            sizes_nm: [4, 4, 40],
            neuroglancer: "https://viewer/#!%7B%22position%22%3A%5B{x}%2C{y}%2C{z}%5D%2C%22id%22%3A%22{id}%22%7D",
          },
        },
      },
      [{ ...rows[0]!, id: 'é"/1', place: [10, 20, 100] }, ...rows.slice(1)],
    );
    source.cards[0] = {
      volume: "em",
      voxel: [2, 5, 2],
      probabilities: { "2": 0.2, "1": 0.7, b: 0.1 },
      calibrated: { answer: "unclear", class_set: ["1"], probabilities: { a: 0.4, "7": 0.6 } },
    };
    const content = await made.synapse('é"/1');
    expect(content.neuron_synapses).toBe(30);
    expect([...(content.probabilities as Map<string, number>).keys()]).toEqual(["1", "2", "b"]);
    expect([...(content.calibrated as { probabilities: Map<string, number> }).probabilities.keys()]).toEqual([
      "7",
      "a",
    ]);
    expect([content.volume, content.voxel, content.voxel_size_nm]).toEqual(["em", [2, 5, 2], "4 x 4 x 40"]);
    const state = decodeURIComponent((content.neuroglancer as string).split("#!")[1]!);
    expect(JSON.parse(state)).toEqual({ position: [2.5, 5, 2.5], id: 'é"/1' });
    expect(content.sections).toEqual([0, 1, 2]);
    expect(idsOf(content.nearest)).toHaveLength(8);
    expect((content.facts as { numbers: unknown }).numbers).toEqual([["detection score", 0]]);
  });

  it("says what a synapse lacks, and shows the rest", async () => {
    const { pages: made } = pages({}, [{ ...rows[0]!, vector: null, neuron: null }, ...rows.slice(1)]);
    const content = await made.synapse("s000");
    expect(content.no_picture).toBe("there is no picture of synapse 's000' in this release");
    expect(content.no_neighbours).toBe("synapse 's000' has no vector in the release of tiny");
    expect([content.sections, content.neuroglancer, content.neuron_synapses]).toEqual([undefined, undefined, 0]);
  });

  it("has no pictures where the dataset has none", async () => {
    const { pages: made } = pages(
      {},
      rows.map((row) => ({ ...row, vector: null })),
    );
    const content = await made.synapse("s001");
    expect([content.sections, content.no_picture, content.nearest]).toEqual([undefined, undefined, undefined]);
    const search = await made.search(asked("synapse_id=s001"));
    expect(search.reason).toContain("tiny has no pictures of its synapses");
  });
});

it("a search that cannot run keeps the form as far as it could be read", async () => {
  const { pages: made } = pages();
  const unreadable = await made.search(asked("synapse_id=s001&k=many&metric=l2"));
  expect(unreadable.reason).toBe("number in a column: 'many' is no number");
  expect((unreadable.question as { metric: string }).metric).toBe("cosine");
  const unknown = await made.search(asked("synapse_id=nobody&metric=l2&target=t00"));
  expect(unknown.reason).toContain("no synapse 'nobody'");
  expect((unknown.question as { metric: string }).metric).toBe("l2");
  const [target] = unknown.filters as { values: { value: string; chosen: boolean }[] }[];
  expect(target!.values.filter((value) => value.chosen).map((value) => value.value)).toEqual(["t00"]);
});
