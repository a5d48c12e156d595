import { expect, test } from "vitest";
import { type MapState, type Offered, readState, stateQuery } from "../../src/map/state";
import { Points } from "../../src/points";
import { PLAIN_QUESTION } from "../../src/question";
import type { SiteFile } from "../../src/site";

const NAMES = { target: ["gaba", "glutamate"], brain_region: ["EB", "LH_L"], cluster: ["0", "1"] };
const SITE = {
  categories: Object.entries({ target: "known class", brain_region: "brain region", cluster: "cluster" }).map(
    ([name, title]) => ({ name, title, names: NAMES[name as keyof typeof NAMES], colours: {} }),
  ),
  numbers: [{ name: "score", title: "detection score" }],
  none: "(none)",
  noise_colour: "#c8c8c8",
  cluster_verdict: null,
} as unknown as SiteFile;
const POINTS = new Points(SITE, {
  ids: ["a", "b"],
  neurons: new Int32Array(2).fill(-1),
  neuronIds: [],
  placesNm: [new Float64Array(2), new Float64Array(2), new Float64Array(2)],
  volumes: null,
  codes: new Map(Object.keys(NAMES).map((name) => [name, Int32Array.of(0, -1)])),
  hasVector: new Uint8Array(2),
  tiles: new Int32Array(2),
});
const SCORES = new Map([["score", Float32Array.of(0.1, 0.9)]]);

function offered(hasSpace = true): Offered {
  return {
    columns: new Map([
      ["target", "known class"],
      ["brain_region", "brain region"],
      ["cluster", "cluster"],
      ["score", "detection score"],
    ]),
    classes: new Map(Object.entries(NAMES)),
    hasSpace,
    check: (filters) => void POINTS.select(filters, SCORES),
  };
}

test.each([
  ["colour=nonsense", "there is no column 'nonsense' to colour by; there are target, brain_region, cluster, score"],
  [
    "brain_region=<b>X</b>",
    "a filter was left out, because no synapse has brain region '<b>X</b>'; there are EB, LH_L",
  ],
  [
    "cell_type=x",
    "a filter was left out, because this dataset has no column 'cell_type' of classes; there are target, brain_region, cluster",
  ],
  ["score_least=high", "a filter was left out, because score_least=high is not a number"],
  ["score_least=nan", "a filter was left out, because score_least=nan is not a number"],
  [
    "probability_least=0.5",
    "a filter was left out, because this dataset has no column 'probability' of numbers; there are score",
  ],
  ["look=1,2", "the place to look at of this address, look=1,2, was left out: it needs 3 numbers, separated by commas"],
  [
    "look=1,2,1e307",
    "the place to look at of this address, look=1,2,1e307, was left out: it needs 3 numbers, separated by commas",
  ],
  ["turned=a,nan", "the turn of this address, turned=a,nan, was left out: it needs 2 numbers, separated by commas"],
  [
    `look=${"x".repeat(200)}`,
    `the place to look at of this address, look=${"x".repeat(80)}, was left out: it needs 3 numbers, separated by commas`,
  ],
  ["synapse_id=1&k=many", "number in a column: 'many' is no number"],
  ["synapse_id=1&metric=taxi", "no metric 'taxi'; there are cosine, l2, l1, inner_product"],
])("%s is left out, and said", (query, sentence) => {
  const [state, messages] = readState(new URLSearchParams(query), offered());
  expect(messages).toEqual([sentence]);
  expect(state).toEqual({
    colour: "target",
    hidden: [],
    turn: null,
    view: null,
    filters: { anyOf: new Map(), least: new Map() },
    question: expect.objectContaining({ synapseId: "" }),
  });
});

test("what an address asks for", () => {
  const query =
    "colour=score&off=gaba&off=(none)&turned=200.4,-0.5&look=0.3,-1e-3,.01&brain_region=EB&brain_region=LH_L&cluster=(none)" +
    "&score_least=0.25&synapse_id=+a/b&k=7&metric=l2&own_neuron=in&near_nm=40";
  const [state, messages] = readState(new URLSearchParams(query), offered());
  expect(messages).toEqual([]);
  expect(state).toEqual({
    colour: "score",
    hidden: ["gaba", "(none)"],
    turn: [180, 0],
    view: [0.3, -0.001, 0.01],
    filters: {
      anyOf: new Map([
        ["brain_region", ["EB", "LH_L"]],
        ["cluster", ["(none)"]],
      ]),
      least: new Map([["score", 0.25]]),
    },
    question: { ...PLAIN_QUESTION, synapseId: " a/b", k: 7, metric: "l2", ownNeuron: true, nearNm: 40 },
  });
});

test.each([
  ["-200,95", [-180, 90]],
  ["2.5,-0.5", [2, 0]],
  ["-3.5,89.6", [-4, 90]],
])("turned=%s is whole degrees within half a turn, as Python rounds them", (text, turn) => {
  expect(readState(new URLSearchParams({ turned: text }), offered())[0].turn).toEqual(turn);
});

test("a turn of a map without a space, and a view without a size, are none", () => {
  const [state, messages] = readState(new URLSearchParams("turned=10,10&look=1,1,0"), offered(false));
  expect([state.turn, state.view, messages]).toEqual([null, null, []]);
});

test("a column of one class is not what a map begins with", () => {
  const one = { ...offered(), classes: new Map([["target", ["gaba"]]]) };
  expect(readState(new URLSearchParams(), one)[0].colour).toBe("brain_region");
});

test("the address is that of the explorer", () => {
  const state: MapState = {
    colour: "target",
    hidden: ["(none)", "a&b"],
    turn: [50, -10],
    view: [0.123456789, -12.5, 0.0000123456],
    filters: { anyOf: new Map([["brain_region", ["EB"]]]), least: new Map([["score", 0.5]]) },
    question: PLAIN_QUESTION,
  };
  const shared = "colour=target&off=%28none%29&off=a%26b&turned=50%2C-10&look=0.123457%2C-12.5%2C1.23456e-05";
  expect(stateQuery(state)).toBe(`brain_region=EB&score_least=0.5&${shared}`);
  expect(stateQuery({ ...state, question: { ...PLAIN_QUESTION, synapseId: "s 1", k: 10 } })).toBe(
    `synapse_id=s+1&columns=&k=10&metric=cosine&own_neuron=out&near_nm=0.0&brain_region=EB&score_least=0.5&${shared}`,
  );
  expect(readState(new URLSearchParams(stateQuery(state)), offered())[0]).toEqual({
    ...state,
    view: [0.123457, -12.5, 0.0000123456],
    question: { ...PLAIN_QUESTION, k: 24 },
  });
});
