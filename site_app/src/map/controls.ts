// The controls of an open map and their layout on the page. They hold what the user chose; what follows from it is wired in `page`.

import { CATEGORIES, type Filters, NUMBERS, type Points } from "../points";
import { readFloat, repr, thousands } from "../text";
import type { Colouring } from "./colouring";
import { element } from "./dom";
import type { Mode } from "./gestures";
import { FIRST_TURN, type Turn } from "./plane";
import type { MapState } from "./state";

const CHOICES = 300;
const PIXELS_PER_DEGREE = 3;
const DRAG_MODES: readonly Mode[] = ["Move", "Lasso", "Box"];

/** What happens when a user chooses. */
export interface Choices {
  recolour(): void;
  refresh(): void;
  refilter(): void;
  goTo(synapseId: string): void;
  changeSides(): void;
  turn(): void;
  selectView(): void;
  zoom(by: number): void;
  move(right: number, up: number): void;
  fit(): void;
}

export class Controls {
  readonly side: HTMLElement;
  readonly tools: HTMLElement;
  readonly turns: HTMLElement;
  readonly steers: HTMLElement;
  readonly link = element("a", { href: "?" }, "Link to this view");
  #mode: Mode = "Move";
  #isInSpace = false;
  #lines: HTMLInputElement[] = [];
  #turnBeforeDrag: Turn = FIRST_TURN;
  readonly #colour = element("select");
  readonly #legend = element("div", { class: "map-legend", role: "group", "aria-label": "Legend" });
  readonly #anyOf = new Map<string, HTMLInputElement[]>();
  readonly #least = new Map<string, HTMLInputElement>();
  readonly #modes = element("div", { class: "map-buttons", role: "group", "aria-label": "What dragging does" });
  readonly #sides = element("div", { class: "map-buttons", role: "group", "aria-label": "Dimensions" });
  readonly #around = slider("Turn (degrees)", 180, FIRST_TURN[0]);
  readonly #tilt = slider("Tilt (degrees)", 90, FIRST_TURN[1]);

  /** @param words gives a text in the words of the dataset */
  constructor(
    readonly points: Points,
    readonly columns: ReadonlyMap<string, string>,
    state: MapState,
    hasSpace: boolean,
    words: (text: string) => string,
    readonly choices: Choices,
  ) {
    for (const [name, title] of columns) this.#colour.append(element("option", { value: name }, words(title)));
    this.#colour.value = state.colour;
    this.#colour.addEventListener("change", () => choices.recolour());
    this.side = element(
      "section",
      { class: "map-side map-controls", "aria-label": "Colours and filters" },
      element("label", {}, "Colour by", this.#colour),
      element(
        "div",
        { class: "map-row" },
        button("All", () => this.#switch(true)),
        button("None", () => this.#switch(false)),
      ),
      this.#legend,
      ...this.#filters(state.filters, words),
      this.#find(words("Go to synapse")),
      this.link,
    );
    if (state.turn !== null) {
      this.#isInSpace = true;
      [this.#around.input.valueAsNumber, this.#tilt.input.valueAsNumber] = state.turn;
    }
    for (const each of [this.#around, this.#tilt]) {
      each.show();
      each.input.addEventListener("input", () => this.#turned());
    }
    this.turns = element("div", { class: "map-row map-controls map-turns" }, this.#around.element, this.#tilt.element);
    for (const [name, isSpace] of [
      ["2-D", false],
      ["3-D", true],
    ] as const) {
      this.#sides.append(button(name, () => this.#changeSides(isSpace)));
    }
    this.#sides.hidden = !hasSpace;
    const inView = button("All in view", () => choices.selectView());
    this.tools = element("div", { class: "map-tools map-controls" }, this.#sides, this.#modes, inView);
    const moves: [string, string, () => void][] = [
      ["+", "nearer", () => choices.zoom(0.6)],
      ["−", "farther", () => choices.zoom(1 / 0.6)],
      ["←", "left", () => choices.move(-1, 0)],
      ["↑", "up", () => choices.move(0, 1)],
      ["↓", "down", () => choices.move(0, -1)],
      ["→", "right", () => choices.move(1, 0)],
      ["Whole map", "all points", () => choices.fit()],
    ];
    this.steers = element("div", { class: "map-steers map-controls" });
    for (const [name, title, move] of moves) this.steers.append(button(name, move, title));
    this.offerDrags();
  }

  // What was chosen

  get colour(): string {
    return this.#colour.value;
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** From where the points are seen in space; null in the plane. */
  get turn(): Turn | null {
    return this.#isInSpace ? [this.#around.input.valueAsNumber, this.#tilt.input.valueAsNumber] : null;
  }

  get filters(): Filters {
    const anyOf = new Map<string, string[]>();
    for (const [name, boxes] of this.#anyOf) {
      const values = boxes.filter((box) => box.checked).map((box) => box.value);
      if (values.length > 0) anyOf.set(name, values);
    }
    const least = new Map<string, number>();
    for (const [name, input] of this.#least) {
      const number = readFloat(input.value);
      if (number !== null && Number.isFinite(number)) least.set(name, number);
    }
    return { anyOf, least };
  }

  /** The lines of the legend that are switched on. */
  get on(): Set<string> {
    return new Set(this.#lines.filter((line) => line.checked).map((line) => line.value));
  }

  /** The lines of the legend that are switched off. */
  get hidden(): string[] {
    return this.#lines.filter((line) => !line.checked).map((line) => line.value);
  }

  // What is shown

  /** The lines of a legend, all switched on but these. */
  offerLines(colouring: Colouring, hidden: Iterable<string>): void {
    const off = new Set(hidden);
    this.#lines = [];
    this.#legend.replaceChildren(
      ...colouring.names.map((name, at) => {
        const box = element("input", { type: "checkbox", value: name });
        box.checked = !off.has(name);
        box.style.accentColor = colouring.colours[at]!;
        box.addEventListener("change", () => this.choices.refresh());
        this.#lines.push(box);
        return element("label", {}, box, element("span", {}, name), element("span", { class: "number quiet" }));
      }),
    );
  }

  /** Numbers beside the lines of the legend. */
  countLines(counts: Uint32Array): void {
    counts.forEach((count, at) => {
      this.#legend.children[at]!.lastElementChild!.textContent = thousands(count);
    });
  }

  /** What dragging can do in the plane, or in space; the first of it is chosen. */
  offerDrags(): void {
    this.turns.hidden = !this.#isInSpace;
    press(this.#sides, this.#isInSpace ? "3-D" : "2-D");
    const modes: readonly Mode[] = this.#isInSpace ? ["Turn", ...DRAG_MODES] : DRAG_MODES;
    this.#modes.replaceChildren(...modes.map((mode) => button(mode, () => this.#choose(mode))));
    this.#choose(modes[0]!);
  }

  // A drag that turns

  beginTurn(): void {
    this.#turnBeforeDrag = [this.#around.input.valueAsNumber, this.#tilt.input.valueAsNumber];
  }

  /** Turns by a degree for every three pixels from where the drag began. */
  dragTurn(rightPx: number, downPx: number): void {
    const [around, tilt] = this.#turnBeforeDrag;
    const turned = around + Math.round(rightPx / PIXELS_PER_DEGREE) + 180;
    this.#around.input.valueAsNumber = (((turned % 360) + 360) % 360) - 180;
    this.#tilt.input.valueAsNumber = Math.max(-90, Math.min(90, tilt - Math.round(downPx / PIXELS_PER_DEGREE)));
    this.#turned();
  }

  #turned(): void {
    this.#around.show();
    this.#tilt.show();
    this.choices.turn();
  }

  #changeSides(isSpace: boolean): void {
    if (isSpace === this.#isInSpace) return;
    this.#isInSpace = isSpace;
    this.offerDrags();
    this.choices.changeSides();
  }

  #choose(mode: Mode): void {
    this.#mode = mode;
    press(this.#modes, mode);
  }

  #switch(on: boolean): void {
    for (const line of this.#lines) line.checked = on;
    this.choices.refresh();
  }

  #find(label: string): HTMLElement {
    const input = element("input", {
      type: "text",
      placeholder: "id, then Enter",
      autocomplete: "off",
      spellcheck: "false",
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.choices.goTo(input.value);
    });
    return element("label", {}, label, input);
  }

  #filters(chosen: Filters, words: (text: string) => string): HTMLElement[] {
    const parts: HTMLElement[] = [];
    for (const name of Object.keys(CATEGORIES)) {
      if (!this.points.categories.has(name)) continue;
      parts.push(this.#choiceOf(name, words(CATEGORIES[name]!), chosen.anyOf.get(name) ?? []));
    }
    for (const name of Object.keys(NUMBERS)) {
      if (!this.columns.has(name)) continue;
      const input = element("input", { type: "number", step: "any" });
      const least = chosen.least.get(name);
      if (least !== undefined) input.value = repr(least);
      input.addEventListener("change", () => this.choices.refilter());
      this.#least.set(name, input);
      parts.push(element("label", {}, `${words(NUMBERS[name]!)}, at least`, input));
    }
    if (parts.length === 0) return [];
    const filters = element("div", { class: "map-filters" }, ...parts);
    const toggle = button("Filters", () => {
      filters.hidden = !filters.hidden;
      toggle.setAttribute("aria-expanded", String(!filters.hidden));
    });
    filters.hidden = chosen.anyOf.size + chosen.least.size === 0;
    toggle.setAttribute("aria-expanded", String(!filters.hidden));
    return [toggle, filters];
  }

  /** The filter of a column of classes: its values are listed when it is opened, because counting them takes time. */
  #choiceOf(name: string, title: string, chosen: readonly string[]): HTMLElement {
    const summary = element("summary");
    const choices = element("div", { class: "choices" });
    const details = element("details", { class: "filter", open: chosen.length > 0 }, summary, choices);
    const boxes: HTMLInputElement[] = [];
    this.#anyOf.set(name, boxes);
    const say = () => {
      const count = boxes.filter((box) => box.checked).length;
      summary.textContent = count > 0 ? `${title}: ${count} chosen` : title;
    };
    const fill = () => {
      if (boxes.length > 0) return;
      const counts = this.points.categories.get(name)!.counts();
      const common = new Set(
        [...counts]
          .sort((a, b) => b[1] - a[1])
          .slice(0, CHOICES)
          .map(([value]) => value),
      );
      for (const [value, count] of counts) {
        if (!common.has(value) && !chosen.includes(value)) continue;
        const box = element("input", { type: "checkbox", value });
        box.checked = chosen.includes(value);
        box.addEventListener("change", () => {
          say();
          this.choices.refilter();
        });
        boxes.push(box);
        const number = element("span", { class: "quiet number" }, thousands(count));
        choices.append(element("label", {}, box, element("span", {}, value), number));
      }
      if (common.size < counts.length) {
        choices.append(element("p", { class: "quiet" }, `The ${CHOICES} most common of ${thousands(counts.length)}.`));
      }
    };
    if (chosen.length > 0) fill();
    details.addEventListener("toggle", fill);
    say();
    return details;
  }
}

function button(name: string, action: () => void, title = ""): HTMLButtonElement {
  const made = element("button", { type: "button", title: title || null }, name);
  made.addEventListener("click", action);
  return made;
}

/** Shows which of several buttons is chosen. */
function press(group: HTMLElement, name: string): void {
  for (const each of group.children) each.setAttribute("aria-pressed", String(each.textContent === name));
}

function slider(title: string, most: number, value: number) {
  const input = element("input", { type: "range", min: -most, max: most, step: 1, value });
  const label = element("span");
  const show = () => {
    label.textContent = `${title}: ${input.value}`;
  };
  show();
  return { input, show, element: element("label", {}, label, input) };
}
