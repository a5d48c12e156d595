import { describe, expect, it } from "vitest";
import { BadInput } from "../src/errors";
import { IN_ONE_LIST, PLAIN_QUESTION, type Question, queryString, readFilters, readQuestion } from "../src/question";

const DEFAULT: Question = { ...PLAIN_QUESTION, columns: "target", nearNm: 48 };
const WHOLE: Question = {
  synapseId: "s 1&x=y/é'(!)*",
  columns: "cluster",
  k: 7,
  metric: "l1",
  ownNeuron: true,
  nearNm: 0.25,
  filters: {
    anyOf: new Map([
      ["brain_region", ["EB", "FB"]],
      ["target", ["gaba"]],
    ]),
    least: new Map([
      ["score", 50.5],
      ["probability", 1e-3],
    ]),
  },
};

function asked(address: string, other = DEFAULT): Question {
  return readQuestion(new URLSearchParams(address), other);
}

it.each([
  {},
  { synapseId: "" },
  { columns: "" },
  { k: 50 },
  { metric: "cosine" as const },
  { ownNeuron: false },
  { nearNm: 0 },
  { filters: { anyOf: new Map(), least: new Map() } },
])("a question comes back from its address: %j", (changes) => {
  const question = { ...WHOLE, ...changes };
  for (const other of [DEFAULT, { ...PLAIN_QUESTION, ownNeuron: true, k: 2, metric: "l2" as const }]) {
    const again = asked(queryString(question), other);
    expect(again).toEqual(question);
    expect(queryString(again)).toBe(queryString(question));
  }
});

it("writes the address that the explorer writes", () => {
  expect(queryString(WHOLE)).toBe(
    "synapse_id=s+1%26x%3Dy%2F%C3%A9%27%28%21%29%2A&columns=cluster&k=7&metric=l1&own_neuron=in&near_nm=0.25" +
      "&brain_region=EB&brain_region=FB&target=gaba&score_least=50.5&probability_least=0.001",
  );
});

it("what an address does not name is as before", () => {
  expect(asked("synapse_id=s1")).toEqual({ ...DEFAULT, synapseId: "s1" });
  expect(asked("synapse_id=s1", { ...PLAIN_QUESTION, ownNeuron: true }).ownNeuron).toBe(true);
  expect(asked("synapse_id=s1&own_neuron=out", { ...PLAIN_QUESTION, ownNeuron: true }).ownNeuron).toBe(false);
  expect(asked("synapse_id=s1&columns=").k).toBe(IN_ONE_LIST);
  expect(asked("synapse_id=s1&near_nm=").nearNm).toBe(0);
  expect(asked("k=3").synapseId).toBe("");
  expect(asked("synapse_id=%20s1%20").synapseId).toBe(" s1 ");
});

it("filters of one column add up and numbers are least", () => {
  const filters = readFilters(
    new URLSearchParams(
      "brain_region=EB&brain_region=FB&target=&target=gaba&score_least=5&probability_least=+&k=3&x=1",
    ),
  );
  expect(filters).toEqual({
    anyOf: new Map([
      ["brain_region", ["EB", "FB"]],
      ["target", ["gaba"]],
    ]),
    least: new Map([["score", 5]]),
  });
});

describe("what cannot be read is told in the explorer's words", () => {
  it.each([
    ["metric=euclid", "no metric 'euclid'; there are cosine, l2, l1, inner_product"],
    [
      "columns=size",
      "no column 'size' of classes; there are target, predicted, answer, brain_region, cluster, hemilineage, cell_type, neuron_type, synapse_type, used_for, out_of_fold",
    ],
    ["columns=toString", "no column 'toString'"],
    ["k=many", "number in a column: 'many' is no number"],
    ["k=0", "a column shows 1 to 50 synapses, not 0"],
    ["k=51", "a column shows 1 to 50 synapses, not 51"],
    ["k=2.5", "a column shows 1 to 50 synapses, not 2.5"],
    ["near_nm=nan", "distance in space: 'nan' is no finite number"],
    ["near_nm=-1", "distance in space: it is zero or more, not -1 nm"],
    ["score_least=many", "least detection score: 'many' is no number"],
    [`k=${"x".repeat(400)}`, `number in a column: '${"x".repeat(300)}...' is no number`],
  ])("%s", (address, told) => {
    expect(() => asked(`synapse_id=s1&${address}`)).toThrow(BadInput);
    expect(() => asked(`synapse_id=s1&${address}`)).toThrow(told);
  });

  it.each(["place=1,2,3&synapse_id=s1", "place_before=1,2,3", "upload=abc"])("%s needs the encoder", (address) => {
    expect(() => asked(address)).toThrow("needs the encoder");
  });

  it("an id that was typed wins over what the page kept", () => {
    expect(asked("synapse_id=s1&place=&place_before=1,2,3&upload=u").synapseId).toBe("s1");
  });
});
