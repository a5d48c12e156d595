// Content becomes HTML, by the templates of the explorer. Names in data are escaped by the templates' engine.

import templates from "explorer-templates";
import nunjucks from "nunjucks";
import type { Answer } from "./engine";
import { options, type Question, queryString } from "./question";
import { printf, thousands } from "./text";
import { addresses, quotePath } from "./urls";

const { runtime } = nunjucks as unknown as { runtime: Record<string, unknown> & { markSafe(text: string): string } };

// What the compiled templates call (see templates.mjs): Python's notions in the place of JavaScript's.
Object.assign(runtime, {
  truth(value: unknown): boolean {
    if (Array.isArray(value)) return value.length > 0;
    if (value instanceof Map) return value.size > 0;
    if (isPlain(value)) return Object.keys(value).length > 0;
    return Boolean(value);
  },
  memberLookup(target: unknown, name: string): unknown {
    const dict = asMap(target);
    if (dict && name === "items") return () => [...dict];
    if (dict && name === "get") return (key: unknown, other: unknown) => dict.get(key) ?? other;
    return isObject(target) && Object.hasOwn(target, name) ? (target as Record<string, unknown>)[name] : undefined;
  },
  item(target: unknown, key: unknown): unknown {
    if (target instanceof Map) return target.get(key);
    return isObject(target) && Object.hasOwn(target, String(key))
      ? (target as Record<string, unknown>)[String(key)]
      : undefined;
  },
  inOperator(key: unknown, target: unknown): boolean {
    if (Array.isArray(target)) return target.includes(key);
    return asMap(target)?.has(key) ?? false;
  },
});

/** Gives the title of a page and the HTML of its <main>. root: URL of the folder of the site, without a slash at the end. */
export function renderer(root: string): (answer: Answer) => { title: string; html: string } {
  const { PrecompiledLoader } = nunjucks as unknown as { PrecompiledLoader: new (made: unknown) => nunjucks.ILoader };
  const environment = new nunjucks.Environment(new PrecompiledLoader(templates), { autoescape: true });
  environment.addFilter("format", printf);
  environment.addFilter("thousands", thousands);
  environment.addFilter("urlencode", quotePath);
  environment.addFilter("min", (values: number[]) => Math.min(...values));
  for (const [name, value] of Object.entries({ ...addresses(root), root, labelled: [] }))
    environment.addGlobal(name, value);
  return ({ template, content }) => {
    const pictures = picturesOf(content);
    const context = {
      ...content,
      words: inWords((content.words ?? []) as [string, string][]),
      question: content.question && asked(content.question as Question),
      tile_src: (_: string, __: string, synapseId: string, section?: number) =>
        runtime.markSafe(
          `data-tile="${pictures.get(synapseId) ?? -1}"${section === undefined ? "" : ` data-section="${section}"`}`,
        ),
    };
    const [title = "", html = ""] = environment.render(template, context).split("\f");
    const titles = content.datasets as Record<string, string> | undefined;
    const ofEntry = titles?.[content.dataset as string];
    return { title: plainText(title) + (ofEntry === undefined ? "" : ` – ${ofEntry}`), html };
  };
}

/** A question as templates use it. */
function asked(question: Question) {
  return {
    synapse_id: question.synapseId,
    columns: question.columns,
    k: question.k,
    metric: question.metric,
    own_neuron: question.ownNeuron,
    near_nm: question.nearNm,
    query_string: (changes: { synapse_id?: string } = {}) =>
      queryString(changes.synapse_id === undefined ? question : { ...question, synapseId: changes.synapse_id }),
    options: () => options(question),
  };
}

function inWords(words: [string, string][]): (text: string) => string {
  return (text) => words.reduce((changed, [word, here]) => changed.replaceAll(word, here), text);
}

/** The number of the picture of every synapse that stands in a content. */
function picturesOf(content: unknown, pictures = new Map<string, number>()): Map<string, number> {
  if (Array.isArray(content)) for (const part of content) picturesOf(part, pictures);
  else if (isPlain(content)) {
    if (typeof content.synapse_id === "string" && typeof content.tile === "number") {
      pictures.set(content.synapse_id, content.tile);
    }
    for (const part of Object.values(content)) picturesOf(part, pictures);
  }
  return pictures;
}

/** The text of what the templates' engine has escaped. */
function plainText(html: string): string {
  const signs: Record<string, string> = { amp: "&", quot: '"', "#39": "'", lt: "<", gt: ">", "#96": "`", "#92": "\\" };
  return html.replace(/&(amp|quot|lt|gt|#\d\d);/g, (whole, sign: string) => signs[sign] ?? whole);
}

function asMap(value: unknown): Map<unknown, unknown> | null {
  return value instanceof Map ? value : isPlain(value) ? new Map(Object.entries(value)) : null;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return isObject(value) && Object.getPrototypeOf(value) === Object.prototype;
}
