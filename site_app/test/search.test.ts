import { describe, expect, it } from "vitest";
import { METRICS, PLAIN_QUESTION, type Question } from "../src/question";
import { counterfactual, nearestRows, similar, Vectors } from "../src/search";
import { planted, type Row, randomNumbers } from "./planted";

/** `a` is asked for, `b` is of its neuron, `c` 10 nm away, `e` of its direction, `f` near its vector. */
function few() {
  const spread = { a: [2, 0], b: [4, 4], c: [2, 4], d: [0, 6], e: [18, 0], f: [2, 1] };
  const rows = Object.entries(spread).map(
    ([id, vector]): Row => ({
      id,
      vector,
      neuron: "ab".includes(id) ? "1" : "2",
      place: [{ a: 0, c: 10 }[id] ?? 5e3, 0, 0],
      target: "ace".includes(id) ? "gaba" : "dopamine",
      region: id === "d" ? "FB" : "EB",
    }),
  );
  return planted(rows, [0.5, 0.5]);
}

const any = (name: string, ...values: string[]) => ({ anyOf: new Map([[name, values]]), least: new Map() });

it.each<[Partial<Question>, string]>([
  [{}, "efcd"],
  [{ ownNeuron: true }, "efbcd"],
  [{ nearNm: 9 }, "efcd"],
  [{ nearNm: 10 }, "efd"],
  [{ k: 2 }, "ef"],
  [{ metric: "l2" }, "fcde"],
  [{ filters: any("brain_region", "FB") }, "d"],
  [
    {
      filters: {
        ...any("brain_region", "FB", "EB"),
        anyOf: new Map([
          ["brain_region", ["FB", "EB"]],
          ["target", ["gaba"]],
        ]),
      },
    },
    "ec",
  ],
  [{ columns: "target", k: 1 }, "fe"],
])("all of a question reaches the search: %j", (changes, found) => {
  const { points, vectors } = few();
  const question = { ...PLAIN_QUESTION, synapseId: "a", k: 10, ...changes };
  const lists = similar(points, new Vectors(vectors), question, null, "tiny");
  expect(lists.flatMap((list) => list.rows.map((row) => points.ids[row])).join("")).toBe(found);
});

describe("against brute force", () => {
  const [count, dimensions] = [300, 7];
  const codes = randomNumbers(count * dimensions, 256).map((code) => code - 128);
  const scale = [0.5, 0.01, 3, 1, 0.2, 0.7, 0.05];
  const vectorOf = (row: number) =>
    codes.slice(row * dimensions, (row + 1) * dimensions).map((code, axis) => code * scale[axis]!);
  const rows = Array.from(
    { length: count },
    (_, row): Row => ({
      id: `s${String(row).padStart(3, "0")}`,
      vector: codes.slice(row * dimensions, (row + 1) * dimensions),
      target: `t${row % 5}`,
    }),
  );
  const { points, vectors } = planted(rows, scale);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const measures = {
    cosine: (a: number[], b: number[]) =>
      1 - sum(a.map((x, axis) => x * b[axis]!)) / Math.hypot(...a) / Math.hypot(...b),
    l2: (a: number[], b: number[]) => Math.hypot(...a.map((x, axis) => x - b[axis]!)),
    l1: (a: number[], b: number[]) => sum(a.map((x, axis) => Math.abs(x - b[axis]!))),
    inner_product: (a: number[], b: number[]) => -sum(a.map((x, axis) => x * b[axis]!)),
  };

  it.each(METRICS)("%s", (metric) => {
    const expected = rows
      .map((_, row) => ({ row, distance: measures[metric](vectorOf(17), vectorOf(row)) }))
      .filter(({ row }) => row !== 17)
      .sort((a, b) => a.distance - b.distance);
    const question = { ...PLAIN_QUESTION, synapseId: "s017", k: 20, metric };
    const [list] = similar(points, new Vectors(vectors), question, null, "tiny");
    expect(list!.rows).toEqual(expected.slice(0, 20).map(({ row }) => row));
    const relative = list!.distances.map((distance, at) => distance / expected[at]!.distance);
    expect(Math.max(...relative) - Math.min(...relative)).toBeLessThan(1e-6);
    expect(relative[0]).toBeCloseTo(1, 6);
    const columns = similar(points, new Vectors(vectors), { ...question, k: 3, columns: "target" }, null, "tiny");
    expect(columns.map((column) => column.name)).toEqual(["t0", "t1", "t2", "t3", "t4"]);
    for (const [code, column] of columns.entries()) {
      const nearest = expected.filter(({ row }) => row % 5 === code).slice(0, 3);
      expect(column.rows).toEqual(nearest.map(({ row }) => row));
    }
  });

  it("the most typical point where the mean of all points", () => {
    const chosen = randomNumbers(80, count, 5);
    const units = chosen.map((row) => vectorOf(row).map((x) => x / Math.hypot(...vectorOf(row))));
    const mean = scale.map((_, axis) => sum(units.map((unit) => unit[axis]!)) / chosen.length);
    const order = chosen
      .map((row, at) => ({ row, value: -sum(units[at]!.map((x, axis) => x * mean[axis]!)) }))
      .sort((a, b) => a.value - b.value);
    expect(new Vectors(vectors).typical(chosen, 6)).toEqual(order.slice(0, 6).map(({ row }) => row));
  });
});

it("equal distances keep the order of the rows", () => {
  const values = Float32Array.from([2, 1, 1, 0, 1, 2, 1]);
  expect(nearestRows(values, new Uint8Array(7).fill(1), 4, null)[0]!.rows).toEqual([3, 1, 2, 4]);
});

it("of more than forty columns those with the nearest synapses are shown, in their order", () => {
  const rows = Array.from(
    { length: 60 },
    (_, at): Row => ({ id: `s${at}`, vector: [at, 1], target: `t${String(at).padStart(2, "0")}` }),
  );
  const { points, vectors } = planted([...rows, { id: "x", vector: [59, 1] }]);
  const question: Question = { ...PLAIN_QUESTION, synapseId: "x", columns: "target", metric: "l2" };
  const lists = similar(points, new Vectors(vectors), question, null, "tiny");
  expect(lists.map((list) => list.name)).toEqual(rows.slice(20).map((row) => row.target));
});

it("what is near is left out in its own volume only", () => {
  const rows: Row[] = [
    { id: "a", vector: [1, 0], volume: "em1" },
    { id: "b", vector: [1, 1], volume: "em1" },
    { id: "c", vector: [1, 2], volume: "em2" },
  ];
  const { points, vectors } = planted(rows);
  const [list] = similar(points, new Vectors(vectors), { ...PLAIN_QUESTION, synapseId: "a", nearNm: 5 }, null, "tiny");
  expect(list!.rows).toEqual([2]);
});

it.each<[Partial<Question>, string]>([
  [{ synapseId: "nobody" }, "no synapse 'nobody' in this release; its 6 ids look like a, b"],
  [{ filters: any("brain_region", "XX") }, "no synapse has brain region 'XX'; there are EB, FB"],
  [
    { filters: any("hemilineage", "XX") },
    "this dataset has no column 'hemilineage' of classes; there are target, brain_region",
  ],
  [{ nearNm: 1e6 }, "no synapse is left to compare with: the filters, or what is left out, take all of them"],
  [{ columns: "target", filters: any("target", "(none)") }, "no synapse is left to compare with"],
  [
    { filters: { anyOf: new Map(), least: new Map([["score", 1]]) } },
    "this dataset has no column 'score' of numbers; there are ",
  ],
])("what cannot be searched is told: %j", (changes, told) => {
  const { points, vectors } = few();
  expect(() =>
    similar(points, new Vectors(vectors), { ...PLAIN_QUESTION, synapseId: "a", ...changes }, null, "tiny"),
  ).toThrow(told);
});

it("a synapse without a vector cannot be searched with, and is not found", () => {
  const { points, vectors } = planted([
    { id: "a", vector: [1, 0] },
    { id: "b", vector: null },
    { id: "c", vector: [0, 1] },
  ]);
  const search = (synapseId: string) =>
    similar(points, new Vectors(vectors), { ...PLAIN_QUESTION, synapseId }, null, "tiny");
  expect(() => search("b")).toThrow("synapse 'b' has no vector in the release of tiny");
  expect(search("a")[0]!.rows).toEqual([2]);
  expect(search(" a\u200b")[0]!.rows).toEqual([2]);
});

it("the nearest of another class is of another neuron too", () => {
  const { points, vectors } = few();
  const question = { ...PLAIN_QUESTION, synapseId: "a" };
  const other = counterfactual(points, new Vectors(vectors), question, "tiny");
  expect([points.ids[other!.row], other!.ofClass]).toEqual(["f", "dopamine"]);
  const several = planted([
    { id: "a", vector: [1, 0], target: "gaba" },
    { id: "b", vector: [0, 1], target: "acetylcholine" },
    { id: "c", vector: [2, 1], target: "glutamate" },
    { id: "d", vector: [1, 1], target: "serotonin" },
  ]);
  const nearest = counterfactual(several.points, new Vectors(several.vectors), question, "tiny");
  expect([nearest!.row, nearest!.ofClass]).toEqual([2, "glutamate"]);
  const alone = planted([
    { id: "a", vector: [1, 0], target: "gaba" },
    { id: "b", vector: [1, 1], target: "gaba" },
  ]);
  expect(counterfactual(alone.points, new Vectors(alone.vectors), question, "tiny")).toBeNull();
  const unknown = planted([
    { id: "a", vector: [1, 0] },
    { id: "b", vector: [1, 1], target: "gaba" },
  ]);
  expect(counterfactual(unknown.points, new Vectors(unknown.vectors), question, "tiny")).toBeNull();
});
