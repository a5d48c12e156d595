// The page of a batch of tiles: one by one, or as a grid. Everything by keys; see LEGEND.
"use strict";

const LEGEND = [
  ["[ ]", "sections"], ["← →", "sections; in the grid the tile"], ["j k", "next, previous"], ["l", "more like this one"],
  ["Space", "select in the grid"], ["Esc", "select none"],
];
const PRELOADED = 10;
const POLLED_MS = 3000;

class BatchPage {
  constructor(root) {
    const { dataset, batch, about, person, proof, noun } = root.dataset;
    Object.assign(this, { root, dataset, batch, person, noun });
    this.address = `/labelling/${encodeURIComponent(dataset)}`;
    this.query = about ? `?synapse_id=${encodeURIComponent(about)}` : "";
    this.items = [];
    this.stored = new Map();
    this.full = new Set();
    this.busy = new Set();
    this.pictures = new Map();
    this.groups = [];
    this.selected = new Set();
    this.at = -1;
    this.shownAt = performance.now();
    this.keptCount = 0;
    this.queue = new AnswerQueue(`${this.address}/answers`, person, proof, {
      kept: (body, reply) => this.kept(body, reply),
      refused: (body, status, reply) => this.refused(body, status, reply),
      changed: () => this.update(),
    });
  }

  async load() {
    const { status, content } = await asked(`${this.address}/${encodeURIComponent(this.batch)}/items${this.query}`);
    if (status !== 200) {
      const reason = content.error || "The server does not answer; trying again.";
      const back = element("a", { className: "button", href: this.address, textContent: "All batches" });
      this.root.replaceChildren(element("p", { className: "reason", textContent: reason, attributes: { role: "alert" } }), back);
      if (status === 0 || status >= 500) setTimeout(() => this.load(), 2000);
      return;
    }
    // Somebody else has logged in in another tab.
    if (content.person !== this.person) return location.reload();
    const before = this.item && this.item.item;
    this.content = content;
    this.items = content.items;
    this.index = new Map(this.items.map((item, at) => [item.item, at]));
    this.keys = new Map(content.answers.map((one) => [one.key, one.answer]));
    this.colours = new Map(content.answers.map((one) => [one.answer, one.colour]));
    this.pictures.clear();
    this.selected.clear();
    const isFirst = this.parts === undefined;
    if (isFirst) this.grid = this.batch === "like_another";
    this.build();
    await this.poll();
    // What waits in the browser is answered too, though the server does not know.
    const start = this.index.get(content.start);
    this.answers = this.mine();
    this.show(this.index.get(before) ?? (start !== undefined && this.isOpen(start) ? start : this.next(-1)));
    if (isFirst) setInterval(() => this.poll(), POLLED_MS);
  }

  // How far the batch is. What was kept while the server was asked is newer than its reply.
  async poll() {
    const kept = this.keptCount;
    const query = this.item ? `?at=${encodeURIComponent(this.item.item)}` : "";
    const { status, content } = await asked(`${this.address}/${encodeURIComponent(this.batch)}/state${query}`);
    if (status === 200 && content.person !== this.person) return location.reload();
    if (status === 200 && kept === this.keptCount) {
      this.stored = new Map(content.mine.map((one) => [one.item, one]));
      this.full = new Set(content.full);
      this.busy = new Set(content.busy);
      this.update();
    }
  }

  get item() {
    return this.items[this.at];
  }

  // The person's standing answers by item, the last one last: what is stored, and what waits in any tab.
  mine() {
    const answers = new Map(this.stored);
    for (const [, { body }] of this.queue.waiting()) {
      if (body.round === this.content.batch) applied(answers, body, {});
    }
    return answers;
  }

  kept(body, reply) {
    if (body.round !== this.content?.batch) return;
    this.keptCount++;
    applied(this.stored, body, reply);
    this.update();
  }

  refused(body, status, reply) {
    this.told = reply.error;
    // It may be about another batch, sent from here.
    const at = body.round === this.content?.batch ? this.index.get(body.item) : undefined;
    if (at === undefined) return this.update();
    this.at = at;
    this.grid = false;
    // Of many that are refused at once, one look at the tiles that there are now.
    if (status === 409) this.loading ??= this.load().finally(() => (this.loading = undefined));
    else this.show(at);
  }

  isOpen(at) {
    const { item } = this.items[at];
    return !this.answers.has(item) && !this.full.has(item);
  }

  // The next item that is left after one: at first those that nobody else looks at. -1 where none is left.
  next(after) {
    this.answers = this.mine();
    const order = this.items.map((_, step) => (after + 1 + step) % this.items.length).filter((at) => this.isOpen(at));
    return order.find((at) => !this.busy.has(this.items[at].item)) ?? order[0] ?? -1;
  }

  picture(at) {
    const { item, picture } = this.items[at];
    if (!this.pictures.has(item)) {
      const image = element("img", { src: picture, alt: `${this.noun} ${item}`, draggable: false });
      image.addEventListener("error", () => setTimeout(() => this.retried(at, image), 1500));
      image.addEventListener("load", () => this.update());
      this.pictures.set(item, image);
    }
    return this.pictures.get(item);
  }

  // A picture that did not come: the server is away, or the tile is another one by now.
  async retried(at, image) {
    const { status } = await asked(this.items[at]?.picture ?? "");
    if (status === 409) this.load();
    else image.src = this.items[at].picture;
  }

  show(at) {
    this.at = at;
    this.section = undefined;
    this.shownAt = performance.now();
    for (let step = 0, next = at; at >= 0 && step < PRELOADED; step++) {
      this.picture(next);
      next = this.next(next);
      if (next < 0) break;
    }
    this.update();
  }

  // Answers about the selected tiles of the grid, or about the one that is shown.
  answer(answer) {
    const chosen = this.grid && this.selected.size ? [...this.selected] : this.item ? [this.item.item] : [];
    if (!chosen.length || (!this.grid && !this.picture(this.at).complete)) return;
    // Of several that are answered at once, an equal part of the time each.
    const seconds = (performance.now() - this.shownAt) / 1000 / chosen.length;
    this.told = "";
    const group = chosen.map((item) => {
      const { tile_hash } = this.items[this.index.get(item)];
      const body = { answer_id: newId(), round: this.content.batch, item, answer, tile_hash, seconds };
      this.queue.add(body);
      return body;
    });
    this.groups.push(group);
    this.selected.clear();
    const next = this.next(this.at);
    if (next >= 0 || !this.grid) this.show(next);
    else this.show(this.at);
  }

  undo() {
    const answers = this.mine();
    const group = this.groups.pop()?.filter(({ item, answer_id }) => answers.get(item)?.answer_id === answer_id);
    const last = [...answers.values()].filter(({ item }) => this.index.has(item)).at(-1);
    const taken = group?.length ? group : last ? [last] : [];
    for (const { item, answer_id } of taken) {
      this.queue.add({ answer_id: newId(), round: this.content.batch, item, undoes: answer_id });
    }
    if (taken.length) this.show(this.index.get(taken[0].item));
  }

  step(by) {
    const { length } = this.items;
    if (length) this.show((Math.max(this.at, 0) + by + length) % length);
  }

  stepSection(by) {
    const image = this.item && this.picture(this.at);
    if (!image?.complete || !image.naturalWidth) return;
    const sections = Math.round(image.naturalHeight / image.naturalWidth);
    this.section = Math.min(sections - 1, Math.max(0, (this.section ?? Math.floor(sections / 2)) + by));
    this.update();
  }

  select(item) {
    if (!this.selected.delete(item)) this.selected.add(item);
    this.update();
  }

  pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea")) return;
    const digit = event.code.match(/^(?:Digit|Numpad)([1-9])$/)?.[1];
    const key = digit ?? (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    const across = this.grid ? this.columns() : 0;
    const does = {
      z: () => this.undo(),
      g: () => this.toggle(),
      j: () => this.step(1),
      k: () => this.step(-1),
      l: () => this.item && location.assign(this.likeAddress(this.item.item)),
      "[": () => this.stepSection(-1),
      "]": () => this.stepSection(1),
      ArrowLeft: () => (this.grid ? this.step(-1) : this.stepSection(-1)),
      ArrowRight: () => (this.grid ? this.step(1) : this.stepSection(1)),
      ...(this.grid && {
        ArrowUp: () => this.at - across >= 0 && this.show(this.at - across),
        ArrowDown: () => this.at + across < this.items.length && this.show(this.at + across),
        " ": () => this.item && this.select(this.item.item),
        a: () => this.selectAll(),
        Escape: () => this.selected.clear() || this.update(),
      }),
    }[key];
    const answer = this.keys?.get(key);
    if (!does && answer === undefined) return;
    if (key === " " && event.target.matches("button, a")) return;
    event.preventDefault();
    if (event.repeat && answer !== undefined) return;
    if (answer !== undefined) this.answer(answer);
    else does();
  }

  selectAll() {
    const open = this.items.filter((_, at) => this.isOpen(at)).map(({ item }) => item);
    this.selected = new Set(this.selected.size === open.length ? [] : open);
    this.update();
  }

  toggle() {
    this.grid = !this.grid;
    this.selected.clear();
    if (this.at < 0 && this.items.length) this.at = 0;
    this.update();
  }

  columns() {
    return getComputedStyle(this.parts.cells).gridTemplateColumns.split(" ").length;
  }

  likeAddress(item) {
    return `${this.address}/like_another?synapse_id=${encodeURIComponent(item)}`;
  }

  build() {
    const part = (tag, className, attributes = {}) => element(tag, { className, attributes });
    this.parts = {
      progress: part("progress", "", { "aria-label": "Answered" }),
      count: part("span", "number"),
      saved: part("span", "saved", { role: "status" }),
      told: part("p", "reason", { role: "alert" }),
      frame: part("div", "frame"),
      sections: part("p", "quiet"),
      facts: part("div", "about"),
      last: part("div", "last"),
      like: part("div", "last like"),
      cells: part("div", "cells", { role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "Tiles" }),
      left: part("div", "one"),
    };
    const { parts } = this;
    Object.assign(parts.told, { textContent: this.told || "", hidden: !this.told });
    const buttons = this.content.answers.map(({ answer, key, colour }) => {
      const button = element(
        "button",
        { type: "button", className: "answer", attributes: { "aria-keyshortcuts": key } },
        element("kbd", { textContent: key }), element("i", {}), answer,
      );
      button.querySelector("i").style.background = colour;
      // The second click of two would be about the next tile.
      button.addEventListener("click", ({ detail }) => detail < 2 && this.answer(answer));
      return button;
    });
    const act = (key, text, does) => {
      const button = element("button", { type: "button", attributes: { "aria-keyshortcuts": key } }, element("kbd", { textContent: key }), text);
      button.addEventListener("click", does);
      return button;
    };
    parts.toggle = act("g", "Grid", () => this.toggle());
    parts.all = act("a", "Select all", () => this.selectAll());
    parts.left.append(parts.frame, parts.sections);
    this.cells = this.items.map((item, at) => this.cell(item, at));
    parts.cells.replaceChildren(...this.cells.map(({ cell }) => cell));
    const side = element(
      "div", { className: "side" },
      parts.like,
      parts.facts,
      element("div", { className: "answers", attributes: { role: "group", "aria-label": "Answers" } }, ...buttons),
      element("p", { className: "links" }, act("z", "Take back", () => this.undo()), parts.toggle, parts.all),
      parts.last,
      element(
        "details", { className: "keys", open: true }, element("summary", { textContent: "More keys" }),
        element("dl", {}, ...LEGEND.flatMap(([key, text]) => [
          element("dt", {}, element("kbd", { textContent: key })), element("dd", { textContent: text }),
        ])),
      ),
    );
    // What the batch is like, beside its tiles.
    const { like } = this.content;
    if (like) {
      const image = element("img", { src: like.picture, alt: `${this.noun} ${like.item}` });
      image.addEventListener("load", () => placed(image, undefined));
      parts.like.append(element("div", { className: "frame" }, image), element("p", { className: "quiet", textContent: `${this.noun} ${like.item}, which these are like` }));
    }
    const missing = this.content.without_tile;
    const note = missing ? element("p", { className: "quiet", textContent: `${missing} more have no tile now.` }) : "";
    this.root.replaceChildren(
      element("div", { className: "top" }, element("h1", { textContent: this.content.title }), parts.progress, parts.count, parts.saved),
      parts.told,
      note,
      element("div", { className: "desk" }, element("div", { className: "view" }, parts.left, parts.cells), side),
    );
  }

  cell(item, at) {
    const image = element("img", { src: item.picture, alt: `${this.noun} ${item.item}`, loading: "lazy", draggable: false });
    image.addEventListener("load", () => placed(image, undefined));
    const badge = element("figcaption", {});
    const cell = element("figure", { className: "cell", id: `tile${at}`, attributes: { role: "option" } }, element("div", { className: "frame" }, image), badge);
    cell.addEventListener("click", () => {
      this.show(at);
      this.select(item.item);
    });
    cell.addEventListener("dblclick", () => {
      this.show(at);
      this.toggle();
    });
    return { cell, badge };
  }

  update() {
    if (this.parts === undefined) return;
    const { parts } = this;
    this.answers = this.mine();
    const left = this.items.filter((_, at) => this.isOpen(at)).length;
    parts.progress.max = this.items.length || 1;
    parts.progress.value = this.items.length - left;
    parts.count.textContent = `${this.items.length - left} of ${this.items.length}`;
    parts.count.title = `${left} left for you`;
    sayWhetherSaved(parts.saved, this.queue);
    parts.told.textContent = this.told || "";
    parts.told.hidden = !this.told;
    parts.left.hidden = this.grid;
    parts.cells.hidden = !this.grid;
    parts.all.hidden = !this.grid;
    parts.toggle.lastChild.textContent = this.grid ? "One by one" : "Grid";
    this.updateOne();
    if (this.grid) this.updateCells();
    this.updateLast();
  }

  updateOne() {
    const { parts } = this;
    const { item } = this;
    if (item === undefined) {
      const { length } = this.items;
      const text = length ? "Nothing is left for you in this batch." : "There is nothing in this batch.";
      parts.frame.replaceChildren(element("p", { className: "done" }, text, " ", element("a", { href: this.address, textContent: "All batches" })));
      parts.sections.textContent = "";
      parts.facts.replaceChildren();
      return;
    }
    const image = this.picture(this.at);
    if (parts.frame.firstChild !== image) parts.frame.replaceChildren(image);
    parts.frame.classList.toggle("loading", !image.complete);
    const [section, sections] = placed(image, this.section);
    parts.sections.textContent = sections > 1 ? `Section ${section + 1} of ${sections}` : "";
    if (parts.facts.dataset.item !== item.item + this.answers.has(item.item)) this.updateFacts(item);
  }

  updateFacts(item) {
    const { facts } = this.parts;
    const mine = this.answers.get(item.item);
    facts.dataset.item = item.item + this.answers.has(item.item);
    facts.replaceChildren(element("h2", { textContent: `${this.noun} ${item.item}` }));
    if (item.says) facts.append(element("p", { textContent: item.says }));
    if (item.guess) facts.append(element("p", {}, "The model says ", this.chip(item.guess), probability(item)));
    if (item.given) {
      facts.append(element("ul", { className: "plain" }, ...item.given.map((one) => element("li", {}, element("b", { textContent: one.person }), ": ", this.chip(one.answer)))));
    }
    if (mine) facts.append(element("p", {}, "You said ", this.chip(mine.answer)));
    const links = element("p", { className: "links" });
    if (item.neuroglancer) {
      links.append(element("a", { className: "button", href: item.neuroglancer, target: "_blank", rel: "noreferrer noopener", textContent: "Neuroglancer" }));
    }
    links.append(element("a", { className: "button", href: this.likeAddress(item.item), textContent: "More like this one" }));
    facts.append(links);
  }

  updateCells() {
    if (this.at >= 0) this.parts.cells.setAttribute("aria-activedescendant", `tile${this.at}`);
    this.cells.forEach(({ cell, badge }, at) => {
      const { item } = this.items[at];
      const mine = this.answers.get(item);
      cell.classList.toggle("current", at === this.at);
      cell.classList.toggle("answered", mine !== undefined);
      cell.classList.toggle("full", mine === undefined && this.full.has(item));
      cell.setAttribute("aria-selected", String(this.selected.has(item)));
      const text = mine ? `${mine.answer}${mine.guess ? ` · model: ${mine.guess}` : ""}` : "";
      if (badge.dataset.text !== text) {
        badge.dataset.text = text;
        badge.replaceChildren(...(mine ? [this.chip(mine.answer), ...(mine.guess ? [element("span", { className: "quiet", textContent: `model: ${mine.guess}` })] : [])] : []));
      }
      if (at === this.at) cell.scrollIntoView({ block: "nearest" });
    });
  }

  // What was answered last, with what the model says of it where that may be seen now.
  updateLast() {
    const last = [...this.answers.values()].filter(({ item }) => this.index.has(item)).at(-1);
    const { last: part } = this.parts;
    const text = last ? `${last.answer_id} ${last.guess ?? ""}` : "";
    if (part.dataset.text === text) return;
    part.dataset.text = text;
    part.replaceChildren();
    if (!last) return;
    const image = element("img", { src: this.items[this.index.get(last.item)].picture, alt: "" });
    image.addEventListener("load", () => placed(image, undefined));
    const words = element("div", {}, element("p", { className: "quiet", textContent: "Your last answer" }), element("p", {}, this.chip(last.answer)));
    if (last.guess) {
      const agrees = last.guess === last.answer;
      words.append(element("p", { className: agrees ? "quiet" : "" }, agrees ? "The model agrees" : "The model says ", agrees ? "" : this.chip(last.guess), probability(last)));
    }
    part.append(element("div", { className: "frame" }, image), words);
  }

  chip(answer) {
    const dot = element("i", {});
    dot.style.background = this.colours.get(answer) ?? "#888";
    return element("span", { className: "chip" }, dot, answer);
  }
}

// Lays the strip of sections so that one of them is in its frame. Gives that section, and how many there are.
function placed(image, section) {
  if (!image.naturalWidth) return [0, 1];
  const sections = Math.max(1, Math.round(image.naturalHeight / image.naturalWidth));
  const shown = section ?? Math.floor(sections / 2);
  image.style.transform = `translateY(${(-100 * shown) / sections}%)`;
  return [shown, sections];
}

function probability({ guess_probability }) {
  return typeof guess_probability === "number" ? ` (${guess_probability.toFixed(2)})` : "";
}

// What an answer or an undo makes of the standing answers.
function applied(answers, body, reply) {
  if (body.undoes !== undefined) {
    if (answers.get(body.item)?.answer_id === body.undoes) answers.delete(body.item);
  } else {
    answers.delete(body.item);
    answers.set(body.item, { item: body.item, answer: body.answer, answer_id: body.answer_id, guess: reply.guess, guess_probability: reply.guess_probability });
  }
}

{
  const root = document.getElementById("batch");
  const page = new BatchPage(root);
  document.addEventListener("keydown", (event) => page.pressed(event));
  page.load();
}
