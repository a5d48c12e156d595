// The map page of an entry: joins the content of an open map, its controls, its view and its search.

import panesStyle from "../../../synapse_assets/explorer/static/map_panes.css";
import { BadInput } from "../errors";
import { NUMBERS, type Points } from "../points";
import type { MapPositions } from "../release";
import type { SiteFile } from "../site";
import { countLines } from "./colouring";
import { Controls } from "./controls";
import { element, Pane } from "./dom";
import { listen } from "./gestures";
import { MapModel } from "./model";
import type { Shape } from "./plane";
import { MapSearch, type Similar } from "./search";
import { type MapState, readState, stateQuery } from "./state";
import { csv } from "./table";
import * as texts from "./texts";
import { Viewport } from "./viewport";

const TIP_PX = 300;
const TILES = 60;
const IDS_IN_TEXT = 10_000;
// Browsers refuse more than a hundred changes of the address in half a minute.
const ADDRESS_MS = 350;
const FURTHER_STYLE = `
.actions a { text-decoration: none; }
.nothing { display: grid; place-items: center; aspect-ratio: 1; max-width: 272px; border-radius: 6px; background: var(--line);
  color: var(--quiet); font-size: 11px; text-align: center; }
.download { width: 100%; margin-top: 10px; padding: 6px 12px; font-size: 13px; }`;

/** What a map is opened with. */
export interface Opened {
  readonly site: SiteFile;
  readonly points: Points;
  readonly numbers: ReadonlyMap<string, Float32Array>;
  readonly positions: MapPositions;
  readonly similar: Similar;
  readonly addresses: Pick<texts.Facts, "cardUrl" | "searchUrl" | "clustersUrl">;
  /** Shows the tiles of all pictures below an element, once they are seen. */
  fill(root: ParentNode): void;
}

/** The frame of the page, before and after there is a map in it. */
export class Frame {
  readonly notice: Pane;
  readonly status: Pane;
  readonly tip: Pane;
  readonly picked: Pane;
  readonly selected: Pane;
  readonly bar = element("div", { class: "map-bar" });
  readonly plot = element("div", { class: "map-plot" });
  readonly middle = element("section", { class: "map-main", "aria-label": "Map" });
  readonly main: HTMLElement;
  readonly #loaded = element("p", { class: "quiet" }, "Loading the map …");

  constructor(main: HTMLElement) {
    const style = new CSSStyleSheet();
    style.replaceSync(panesStyle + FURTHER_STYLE);
    [this.notice, this.status, this.tip, this.picked, this.selected] = Array.from(
      { length: 5 },
      () => new Pane(style),
    ) as [Pane, Pane, Pane, Pane, Pane];
    this.main = main;
    main.classList.add("map-page");
    this.bar.append(this.status.element);
    this.middle.append(this.notice.element, this.bar, this.plot);
    const details = element("section", { class: "map-details", "aria-label": "Picked points" });
    details.append(this.picked.element, this.selected.element);
    main.replaceChildren(this.middle, details);
    this.notice.element.setAttribute("role", "status");
    this.status.show(this.#loaded);
  }

  /** Says how many bytes of the map have come; total: null where the server does not say. */
  loading(loaded: number, total: number | null): void {
    const megabytes = (count: number) => (count / 1e6).toFixed(1);
    this.#loaded.textContent = `Loading the map … ${megabytes(loaded)}${total === null ? "" : ` of ${megabytes(total)}`} MB`;
  }

  /** Says why there is no map. */
  stop(why: string): void {
    this.notice.show(...texts.notice([why]));
    this.status.show();
    this.plot.remove();
  }
}

export class MapPage {
  readonly #model: MapModel;
  readonly #viewport: Viewport;
  readonly #controls: Controls;
  readonly #search: MapSearch;
  readonly #facts: texts.Facts;
  readonly #messages: string[];
  #hovered: number | null = null;
  #picked: number | null = null;
  #address: string | null = null;
  #addressTimer = 0;

  /** Opens the map as an address asks for it. Throws BadInput where there is nothing to show, with the reason. */
  constructor(
    private readonly frame: Frame,
    private readonly opened: Opened,
    parameters: URLSearchParams,
  ) {
    const { site, points, numbers, positions } = opened;
    const words = (text: string) => site.words.reduce((changed, [word, here]) => changed.replaceAll(word, here), text);
    const known = new Map([...numbers].filter(([name]) => Object.hasOwn(NUMBERS, name)));
    this.#model = new MapModel(points, known, positions);
    this.#facts = { points, numbers: known, hasPictures: site.has_pictures, words, ...opened.addresses };
    const { columns } = this.#model;
    if (this.#model.flat.count === 0) {
      throw new BadInput(`no ${words("synapse")} of this release of ${site.entry} has a place on a map`);
    }
    if (columns.size === 0)
      throw new BadInput(`this release of ${site.entry} has no classes and no scores to colour a map by`);
    const [state, messages] = readState(parameters, {
      columns,
      classes: new Map([...points.categories.values()].map(({ name, names }) => [name, names])),
      hasSpace: positions.space !== null,
      check: (filters) => void points.select(filters, known),
    });
    this.#messages = messages;
    if (parameters.has("place") || parameters.has("upload")) {
      messages.push(
        "a place or a picture of your own cannot be searched with here: that needs the explorer, and its encoder",
      );
    }
    this.#viewport = new Viewport(state.view, () => this.#updateLink());
    this.#controls = new Controls(points, columns, state, positions.space !== null, words, {
      recolour: () => this.#recolour(),
      refresh: () => this.#refresh(),
      refilter: () => this.#refilter(),
      goTo: (id) => this.#goTo(id),
      changeSides: () => this.#changeSides(),
      turn: () => this.#turn(),
      selectView: () => this.#selectView(),
      zoom: (by) => this.#viewport.zoom(by),
      move: (right, up) => this.#viewport.move(right, up),
      fit: () => this.#viewport.fit(),
    });
    this.#search = new MapSearch(site, this.#model, this.#viewport, opened.similar, words, () => this.#update());
    this.#build();
    this.#model.project(this.#controls.turn);
    this.#recolour(state.hidden);
    if (state.question.synapseId) this.#beginSearch(state);
    window.addEventListener("pagehide", () => this.#writeAddress());
  }

  #build(): void {
    const { frame } = this;
    frame.main.prepend(this.#controls.side);
    frame.bar.append(this.#controls.tools);
    frame.plot.before(this.#controls.turns);
    const tip = element("div", { class: "map-tip" }, this.frame.tip.element);
    frame.plot.append(this.#viewport.element, this.#controls.steers, tip);
    frame.picked.show(texts.hint(this.#facts));
    const { element: canvas } = this.#viewport;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", "Map: arrow keys move it, plus and minus zoom, Home shows all of it");
    listen(this.#viewport, {
      mode: () => this.#controls.mode,
      hover: (place) => this.#hover(place),
      click: (left, top) => {
        const row = this.#viewport.at(left, top);
        if (row !== null) this.#pick(row);
      },
      doubleClick: (left, top) => this.#searchWith(left, top),
      turnBegins: () => this.#controls.beginTurn(),
      turn: (right, down) => this.#controls.dragTurn(right, down),
      draw: (shape) => this.#select(shape),
    });
  }

  // After a choice of the user

  #recolour(hidden: Iterable<string> = []): void {
    this.#model.colourBy(this.#controls.colour);
    this.#controls.offerLines(this.#model.colouring, hidden);
    this.#refresh();
  }

  #refilter(): void {
    this.#refresh();
    if (this.#search.question.synapseId) void this.#search.searchAmong(this.#controls.filters);
  }

  /** Updates which points are shown, after any change of filters or legend. */
  #refresh(): void {
    const counts = this.#model.show(this.#controls.filters, this.#controls.on);
    this.#controls.countLines(counts);
    this.#leave();
    this.#viewport.show(this.#model.content, this.#model.shown);
    this.#update();
  }

  #changeSides(): void {
    const { hidden } = this.#controls;
    this.#model.project(this.#controls.turn);
    this.#recolour(hidden);
  }

  #turn(): void {
    const { turn } = this.#controls;
    if (turn !== null) this.#viewport.turn(turn);
  }

  // What is hovered over, picked and surrounded

  #hover(place: readonly [number, number] | null): void {
    const row = place === null ? null : this.#viewport.at(...place);
    const window = this.#viewport.window;
    if (row === null || place === null || window === null) {
      this.#leave();
      return;
    }
    if (row === this.#hovered) return;
    this.#hovered = row;
    this.#viewport.mark("hovered", [row]);
    this.#viewport.element.style.cursor = "pointer";
    const [left, top] = place;
    const { tip } = this.frame;
    const isLeft = left > window.widthPx / 2;
    tip.element.style.left = isLeft ? "" : `${left + 18}px`;
    tip.element.style.right = isLeft ? `${window.widthPx - left + 18}px` : "";
    tip.element.style.top = `${Math.max(4, Math.min(top - 60, window.heightPx - TIP_PX))}px`;
    tip.show(texts.tip(this.#facts, row));
    this.opened.fill(tip.root);
  }

  #leave(): void {
    if (this.#hovered === null) return;
    this.#hovered = null;
    this.#viewport.mark("hovered", []);
    this.#viewport.element.style.cursor = "";
    this.frame.tip.show();
  }

  #pick(row: number): void {
    this.#picked = row;
    this.frame.picked.show(texts.card(this.#facts, row));
    this.opened.fill(this.frame.picked.root);
    this.#viewport.mark("picked", [row]);
  }

  /** Searches with a synapse clicked twice; two quick clicks on different ones only pick. */
  #searchWith(left: number, top: number): void {
    const row = this.#viewport.at(left, top);
    if (row === null || row !== this.#picked || !this.#facts.hasPictures) return;
    this.#writeAddress();
    location.assign(this.#facts.searchUrl(this.#model.points.ids[row]!));
  }

  #goTo(synapseId: string): void {
    if (!synapseId.trim()) return;
    try {
      const row = this.#model.points.row(synapseId);
      this.#pick(row);
      this.#viewport.goTo(row);
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      this.frame.picked.show(...texts.notice([error.message]));
    }
  }

  #selectView(): void {
    const { window } = this.#viewport;
    if (window !== null) this.#select({ type: "rect", x: window.x, y: window.y });
  }

  /** Shows the surrounded synapses, in the order of the release. */
  #select(shape: Shape): void {
    const { points, plane, colouring, shown } = this.#model;
    const { selected } = this.frame;
    const indices = plane.inside(shape, shown);
    const rows = indices.map((index) => plane.rows[index]!);
    if (rows.length === 0) {
      selected.show(...texts.notice([this.#facts.words("no shown synapse lies inside")]));
      return;
    }
    const marked = new Uint8Array(plane.count);
    for (const index of indices) marked[index] = 1;
    const ids = Array.from(rows.subarray(0, IDS_IN_TEXT), (row) => points.ids[row]!);
    const first = Array.from(rows.subarray(0, TILES));
    const colours = Array.from(indices.subarray(0, TILES), (index) => colouring.colours[colouring.codes[index]!]!);
    const bars = texts.composition(this.#facts, colouring, countLines(colouring, marked));
    const download = element("button", { type: "button", class: "download" }, "Download as CSV");
    download.addEventListener("click", () => this.#download(rows));
    selected.show(
      element(
        "div",
        { class: "card" },
        element("div", {}, ...bars, ...texts.idList(ids, rows.length)),
        element("div", {}, ...texts.tiles(this.#facts, first, colours, rows.length)),
      ),
      download,
    );
    this.opened.fill(selected.root);
  }

  #download(rows: Uint32Array): void {
    const { site } = this.opened;
    const table = csv(this.#model.points, this.#facts.numbers, this.#model.positions.map, rows);
    const url = URL.createObjectURL(table);
    element("a", { href: url, download: `${site.entry}_selection.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  // The search

  #beginSearch(state: MapState): void {
    try {
      const row = this.#search.begin(state.question, this.#controls.filters);
      this.#pick(row);
      this.#viewport.mark("picked", []);
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      this.#messages.push(error.message);
    }
    this.#update();
  }

  // Messages of the page

  /** Says how much is shown, and what is wrong. */
  #update(): void {
    const { points, plane, shown } = this.#model;
    const { filters } = this.#controls;
    const count = shown.reduce((sum, each) => sum + each, 0);
    const isOfClusters = points.areOfClusters([
      this.#controls.colour,
      ...filters.anyOf.keys(),
      ...filters.least.keys(),
    ]);
    const trust = isOfClusters ? texts.trust(this.#facts) : null;
    this.frame.status.show(texts.status(this.#facts, count, plane.count, points.length, trust, this.#search.caption));
    const none = this.#facts.words("no synapse is left: the filters, or the legend, leave out all of them");
    this.frame.notice.show(...texts.notice(count > 0 ? this.#messages : [...this.#messages, none]));
    this.#updateLink();
  }

  /** After each drawing too: a pan changes what the link has to show. */
  #updateLink(): void {
    const query = stateQuery({
      colour: this.#controls.colour,
      hidden: this.#controls.hidden,
      turn: this.#controls.turn,
      view: this.#viewport.view,
      filters: this.#controls.filters,
      question: this.#search.question,
    });
    this.#controls.link.setAttribute("href", `?${query}`);
    // The address with which the page was opened stays until something changes.
    this.#address ??= query;
    if (query === this.#address) return;
    this.#address = query;
    clearTimeout(this.#addressTimer);
    this.#addressTimer = window.setTimeout(() => this.#writeAddress(), ADDRESS_MS);
  }

  #writeAddress(): void {
    if (this.#addressTimer === 0) return;
    clearTimeout(this.#addressTimer);
    this.#addressTimer = 0;
    history.replaceState(history.state, "", `?${this.#address}`);
  }
}
