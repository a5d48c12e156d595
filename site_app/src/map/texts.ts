// The texts of the map page: cards, grids of tiles, bars. The port of `explorer/map/html.py`; what is selected belongs to `page`.

import { CATEGORIES, NUMBERS, type Points } from "../points";
import { fixed, thousands } from "../text";
import type { Colouring } from "./colouring";
import { element } from "./dom";

export const NOT_ASSESSED = "not assessed";
const TIP_FACTS = ["target", "predicted", "brain_region", "cluster", "score"];

/** What the texts are made of: the points, their numbers by column, and addresses. */
export interface Facts {
  readonly points: Points;
  readonly numbers: ReadonlyMap<string, Float32Array>;
  readonly hasPictures: boolean;
  words(text: string): string;
  cardUrl(synapseId: string): string;
  searchUrl(synapseId: string): string;
  readonly clustersUrl: string | null;
}

/** The tip while the mouse rests on a point. */
export function tip(facts: Facts, row: number): HTMLElement {
  const titles = titlesOf(facts).filter(([name]) => TIP_FACTS.includes(name));
  return element("div", { class: "tip" }, tile(facts, row), list(facts, row, titles));
}

/** The text where a picked synapse will be. */
export function hint({ hasPictures }: Facts): HTMLElement {
  const click = hasPictures ? "click it to keep it here, twice to search with it" : "click it to keep it here";
  const text = `Rest on a point to see it; ${click}. Lasso and Box select many.`;
  return element("div", { class: "card" }, element("p", { class: "quiet" }, text));
}

/** The card of a picked synapse. */
export function card(facts: Facts, row: number): HTMLElement {
  const id = facts.points.ids[row]!;
  const [x, y, z] = facts.points.placesNm;
  const place = [x, y, z].map((axis) => thousands(axis[row]!)).join(", ");
  const titles = titlesOf(facts).filter(([name]) => name !== "probability");
  const search = facts.hasPictures ? element("a", { href: facts.searchUrl(id) }, "Search similar") : null;
  return element(
    "div",
    { class: "card" },
    element("div", {}, element("h2", {}, `${capitalized(facts.words("synapse"))} ${id}`), tile(facts, row)),
    element(
      "div",
      {},
      list(facts, row, [["neuron_id", "neuron"], ...titles], [["x, y, z in nm", place]]),
      element("div", { class: "actions" }, search, element("a", { href: facts.cardUrl(id) }, "Open card")),
    ),
  );
}

/** Pictures of the first of `count` surrounded synapses, underlined in their colours; their ids in a dataset without pictures. */
export function tiles(facts: Facts, rows: readonly number[], colours: readonly string[], count: number): HTMLElement[] {
  const title =
    rows.length < count ? `The first ${thousands(rows.length)} of ${thousands(count)}` : `All ${thousands(count)}`;
  const links = rows.map((row, at) => {
    const id = facts.points.ids[row]!;
    const link = element("a", { href: facts.cardUrl(id), title: id }, tile(facts, row) ?? id);
    link.style.borderColor = colours[at]!;
    return link;
  });
  return [element("h2", {}, title), element("div", { class: facts.hasPictures ? "grid" : "list" }, ...links)];
}

/** How many were surrounded, and bars with counts and percent by class, the most common first. */
export function composition(facts: Facts, colouring: Colouring, counts: Uint32Array): HTMLElement[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const most = counts.reduce((largest, count) => Math.max(largest, count), 0);
  const order = Array.from(counts.keys()).sort((a, b) => counts[b]! - counts[a]! || a - b);
  const lines = order
    .filter((line) => counts[line]! > 0)
    .map((line) => {
      const bar = element("i");
      bar.style.width = `${fixed((100 * counts[line]!) / most, 1)}%`;
      bar.style.background = colouring.colours[line]!;
      return element(
        "tr",
        {},
        element("td", { class: "name" }, colouring.names[line]!),
        element("td", { class: "bar" }, bar),
        element("td", { class: "number" }, thousands(counts[line]!)),
        element("td", { class: "number" }, `${fixed((100 * counts[line]!) / all, 1)}\u2009%`),
      );
    });
  const title = `${thousands(all)} selected, by ${facts.words(colouring.title)}`;
  return [element("h2", {}, title), element("table", {}, ...lines)];
}

/** Ids to copy, one a line: the first of `count`. */
export function idList(ids: readonly string[], count: number): HTMLElement[] {
  const area = element("textarea", { readonly: true, rows: 4, "aria-label": "Ids" });
  area.value = ids.join("\n");
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", () => {
    area.select();
    // Not navigator.clipboard, which browsers offer for this machine and https only.
    document.execCommand("copy");
    copy.textContent = "Copied";
  });
  const first = ids.length < count ? `, the first ${thousands(ids.length)}` : "";
  return [element("h2", { class: "ids" }, `Ids${first} `, copy), area];
}

/** How many of the synapses on the map are shown, how many of all `count` are not on it, and further sentences. */
export function status(
  { words }: Pick<Facts, "words">,
  shown: number,
  onMap: number,
  count: number,
  ...further: (Node | string | null)[]
): HTMLElement {
  const line = element("p", { style: "margin:0" }, element("strong", {}, thousands(shown)));
  line.append(` of ${thousands(onMap)} ${words("synapses")} shown`);
  if (count > onMap) line.append(` · ${thousands(count - onMap)} have no place on the map`);
  for (const part of further) if (part !== null && part !== "") line.append(" · ", part);
  return line;
}

/** How far the clusters can be trusted, and where the reason stands. */
export function trust({ points, clustersUrl }: Facts): Node {
  const verdict = points.clusterVerdict ?? NOT_ASSESSED;
  const text = clustersUrl === null ? verdict : element("a", { href: clustersUrl }, verdict);
  return element("span", {}, "clusters: ", text);
}

/** Sentences that the user should not miss. */
export function notice(sentences: readonly string[]): HTMLElement[] {
  return sentences.map((text) => element("p", { class: "notice" }, `${text.charAt(0).toUpperCase()}${text.slice(1)}.`));
}

function titlesOf({ points, numbers, words }: Facts): [string, string][] {
  return Object.entries({ ...CATEGORIES, ...NUMBERS })
    .filter(([name]) => points.categories.has(name) || numbers.has(name))
    .map(([name, title]) => [name, words(title)]);
}

/** A picture that is filled once it is in the page and seen; null in a dataset without pictures. */
function tile(facts: Facts, row: number): HTMLImageElement | null {
  if (!facts.hasPictures) return null;
  return element("img", { class: "tile", alt: "", "data-tile": facts.points.tiles[row]! });
}

function list(
  facts: Facts,
  row: number,
  titles: readonly [string, string][],
  extra: readonly [string, string][] = [],
): HTMLElement {
  const { points, numbers } = facts;
  const lines: [string, string][] = [];
  for (const [name, title] of titles) {
    const number = numbers.get(name)?.[row];
    const value = name === "neuron_id" ? points.neuronId(row) : (points.categories.get(name)?.value(row) ?? null);
    if (number !== undefined && !Number.isNaN(number)) lines.push([title, fixed(number, 3)]);
    else if (value !== null) lines.push([title, value + beside(facts, name, row)]);
  }
  return element(
    "dl",
    {},
    ...[...lines, ...extra].flatMap(([title, text]) => [element("dt", {}, title), element("dd", {}, text)]),
  );
}

/** How sure a prediction is, and how far a cluster can be trusted. */
function beside({ points, numbers }: Facts, name: string, row: number): string {
  const probability = numbers.get("probability")?.[row] ?? Number.NaN;
  if (name === "predicted" && !Number.isNaN(probability)) return ` (${fixed(100 * probability, 0)}%)`;
  return name === "cluster" ? ` (${points.clusterVerdict ?? NOT_ASSESSED})` : "";
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();
}
