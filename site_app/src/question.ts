// The search of a page, read from its URL: the query, the metric, and which synapses take part. The port of
// `explorer/question.py`; a place and an uploaded picture need the encoder, which the site does not have.

import { BadInput } from "./errors";
import { CATEGORIES, type Filters, NO_FILTERS, NUMBERS } from "./points";
import { general, readFloat, repr, shortened, strip } from "./text";
import { urlencode } from "./urls";

export const MOST_IN_A_COLUMN = 50;
export const IN_ONE_LIST = 24;
/** With more classes, those with the nearest synapses are shown. */
export const MOST_COLUMNS = 40;
export const METRICS = ["cosine", "l2", "l1", "inner_product"] as const;
const LEAST = "_least";
const LONGEST_TEXT = 300;

export type Metric = (typeof METRICS)[number];
export type Parameters = Iterable<readonly [string, string]>;

/** A search. columns: a column of classes, or "" for one list. nearNm: synapses nearer to the query than this are left out. */
export interface Question {
  synapseId: string;
  columns: string;
  k: number;
  metric: Metric;
  ownNeuron: boolean;
  nearNm: number;
  filters: Filters;
}

export const PLAIN_QUESTION: Question = {
  synapseId: "",
  columns: "",
  k: 4,
  metric: "cosine",
  ownNeuron: false,
  nearNm: 0,
  filters: NO_FILTERS,
};

/** Name and value of every option except the query itself, as in a URL. */
export function options(question: Question): [string, string][] {
  return [
    ["columns", question.columns],
    ["k", String(question.k)],
    ["metric", question.metric],
    ["own_neuron", question.ownNeuron ? "in" : "out"],
    ["near_nm", repr(question.nearNm)],
    ...filterOptions(question.filters),
  ];
}

/** The part of a URL after the `?` for a search. */
export function queryString(question: Question): string {
  const query: [string, string][] = question.synapseId ? [["synapse_id", question.synapseId]] : [];
  return urlencode([...query, ...options(question)]);
}

/** Name and value of each filter, as in a URL. */
export function filterOptions(filters: Filters): [string, string][] {
  return [
    ...[...filters.anyOf].flatMap(([name, values]) => values.map((value): [string, string] => [name, value])),
    ...[...filters.least].map(([name, least]): [string, string] => [`${name}${LEAST}`, repr(least)]),
  ];
}

/** The filters in a URL: `brain_region=EB&brain_region=FB&score_least=50`. Throws BadInput for what is not a number. */
export function readFilters(parameters: Parameters): Filters {
  const anyOf = new Map<string, string[]>();
  const least = new Map<string, number>();
  for (const [name, text] of parameters) {
    const number = name.endsWith(LEAST) ? name.slice(0, -LEAST.length) : name;
    if (Object.hasOwn(CATEGORIES, name) && text) anyOf.set(name, [...(anyOf.get(name) ?? []), text]);
    else if (Object.hasOwn(NUMBERS, number) && strip(text))
      least.set(number, asNumber(`least ${NUMBERS[number]}`, text));
  }
  return { anyOf, least };
}

/** The search in a URL; options that it lacks are as in `other`. Throws BadInput for what is not a number, and for an unknown
 * metric or column. */
export function readQuestion(parameters: Parameters, other: Question): Question {
  const pairs = [...parameters];
  // Blanks around an id may be part of it: the release decides.
  const values = new Map(pairs.map(([name, text]) => [name, name === "synapse_id" ? text : strip(text)]));
  const metric = values.get("metric") || other.metric;
  if (!isMetric(metric)) {
    throw new BadInput(`no metric '${shortened(metric, LONGEST_TEXT)}'; there are ${METRICS.join(", ")}`);
  }
  const columns = values.get("columns") ?? other.columns;
  if (columns && !Object.hasOwn(CATEGORIES, columns)) {
    const known = Object.keys(CATEGORIES).join(", ");
    throw new BadInput(`no column '${shortened(columns, LONGEST_TEXT)}' of classes; there are ${known}`);
  }
  const asked = values.get("k");
  const k = asked ? asNumber("number in a column", asked) : columns ? other.k : IN_ONE_LIST;
  if (!(k >= 1 && k <= MOST_IN_A_COLUMN) || k !== Math.trunc(k)) {
    throw new BadInput(`a column shows 1 to ${MOST_IN_A_COLUMN} synapses, not ${general(k)}`);
  }
  const near = values.get("near_nm");
  const nearNm = near === undefined ? other.nearNm : asNumber("distance in space", near || "0");
  if (nearNm < 0) throw new BadInput(`distance in space: it is zero or more, not ${general(nearNm)} nm`);
  const ownNeuron = (values.get("own_neuron") ?? (other.ownNeuron ? "in" : "out")) === "in";
  const synapseId = values.get("synapse_id") ?? "";
  const isNamed = strip(synapseId) !== "";
  // What the user typed wins over what the page kept of the previous search.
  const unanswerable = isNamed ? ["place"] : ["place", "place_before", "upload"];
  if (unanswerable.some((name) => values.get(name))) {
    throw new BadInput(
      "a search with a place or a picture needs the encoder, which this site does without: search with the id of a synapse",
    );
  }
  return {
    synapseId: isNamed ? synapseId : "",
    columns,
    k,
    metric,
    ownNeuron,
    nearNm,
    filters: readFilters(pairs),
  };
}

function isMetric(name: string): name is Metric {
  return (METRICS as readonly string[]).includes(name);
}

function asNumber(what: string, text: string): number {
  const number = readFloat(text);
  if (number === null) throw new BadInput(`${what}: '${shortened(text, LONGEST_TEXT)}' is no number`);
  if (!(Math.abs(number) < 1e15)) {
    throw new BadInput(`${what}: '${shortened(text, LONGEST_TEXT)}' is no finite number`);
  }
  return number;
}
