// The page of a round of boxes: step through the sections of each, judge what was detected, add what was missed. Everything by keys.
"use strict";

const BOX_LEGEND = [
  ["← →", "sections"], ["Tab", "next site"], ["a", "accept"], ["r", "reject, or take out what was added"], ["Shift ← ↑ → ↓", "move the site"],
  ["+", "add: click where a site is"], ["d", "the rest is right: done, next box"], ["z", "take back"], ["m", "what the map marks"],
  ["j k", "next, previous box"], ["l", "more like the site, where a dataset has tiles of it"],
];
const BOX_POLLED_MS = 3000;
const NUDGE_VOXELS = 2;
const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

class BoxPage {
  constructor(root) {
    const { dataset, batch, person, proof } = root.dataset;
    Object.assign(this, { root, dataset, batch, person });
    this.address = `/labelling/${encodeURIComponent(dataset)}`;
    this.stored = [];
    this.full = new Set();
    this.busy = new Set();
    this.groups = [];
    this.at = -1;
    this.adding = false;
    this.showsMarked = true;
    this.pictures = new Map();
    this.shownAt = performance.now();
    this.keptCount = 0;
    this.queue = new AnswerQueue(`${this.address}/answers`, person, proof, {
      kept: (body) => this.kept(body),
      refused: (body, status, reply) => this.refused(body, status, reply),
      changed: () => this.update(),
    });
  }

  async load() {
    const { status, content } = await asked(`${this.address}/${encodeURIComponent(this.batch)}/items`);
    if (status !== 200) {
      const reason = content.error || "The server does not answer; trying again.";
      this.root.replaceChildren(element("p", { className: "reason", textContent: reason, attributes: { role: "alert" } }));
      if (status === 0 || status >= 500) setTimeout(() => this.load(), 2000);
      return;
    }
    // Somebody else has logged in in another tab.
    if (content.person !== this.person) return location.reload();
    this.content = content;
    this.items = content.items;
    this.index = new Map(this.items.map((item, at) => [item.item, at]));
    this.boxOf = new Map(this.items.flatMap((item, at) => item.sites.map((site) => [site.item, at])));
    this.build();
    await this.poll();
    const start = this.index.get(content.start);
    this.show(start !== undefined && this.isOpen(start) ? start : this.next(-1));
    setInterval(() => this.poll(), BOX_POLLED_MS);
  }

  // How far the round is. What was kept while the server was asked is newer than its reply.
  async poll() {
    const kept = this.keptCount;
    const at = this.item ? `?at=${encodeURIComponent(this.item.item)}` : "";
    const { status, content } = await asked(`${this.address}/${encodeURIComponent(this.batch)}/state${at}`);
    if (status === 200 && content.person !== this.person) return location.reload();
    if (status === 200 && kept === this.keptCount) {
      this.stored = content.mine;
      this.full = new Set(content.full);
      this.busy = new Set(content.busy);
      this.update();
    }
  }

  get item() {
    return this.items?.[this.at];
  }

  // The person's rows that stand, in their order: what is stored, and what waits in any tab.
  rows() {
    const rows = [...this.stored];
    for (const [, { body }] of this.queue.waiting()) {
      if (body.round === this.batch) take(rows, body);
    }
    return rows;
  }

  kept(body) {
    if (body.round !== this.batch) return;
    this.keptCount++;
    take(this.stored, body);
    this.update();
  }

  refused(body, status, reply) {
    // It may be about another round, sent from here.
    const at = body.round === this.batch ? this.boxAt(body.item) : undefined;
    if (at !== undefined) this.show(at, at === this.at ? this.z : undefined);
    this.told = reply.error;
    this.update();
  }

  // The box that an item is, lies in, or was added to.
  boxAt(item) {
    return this.index?.get(item) ?? this.boxOf?.get(item) ?? this.index?.get(item.split("/")[0]);
  }

  isOpen(at) {
    const { item } = this.items[at];
    return this.standing.get(item)?.answer !== "done" && !this.full.has(item);
  }

  // The next box that is left after one: at first those that nobody else looks at. -1 where none is left.
  next(after) {
    this.standing = last(this.rows());
    const order = this.items.map((_, step) => (after + 1 + step) % this.items.length).filter((at) => this.isOpen(at));
    return order.find((at) => !this.busy.has(this.items[at].item)) ?? order[0] ?? -1;
  }

  // The sites of the box that is shown, in voxels: detected ones where they are now, then those that were added.
  sites() {
    const { item, sites } = this.item;
    const [x_nm, y_nm, z_nm] = this.content.voxel_nm;
    const at = (row) => ({ x: row.x_nm / x_nm, y: row.y_nm / y_nm, z: row.z_nm / z_nm });
    const detected = sites.map((site) => {
      const row = this.standing.get(site.item);
      return { ...site, ...(row?.answer === "move" ? at(row) : {}), outcome: row?.answer ?? "open" };
    });
    const added = [...this.standing.values()]
      .filter((row) => row.answer === "add" && row.item.startsWith(`${item}/`))
      .map((row) => ({ item: row.item, ...at(row), outcome: "add" }));
    return [...detected, ...added];
  }

  show(at, z) {
    this.at = at;
    this.shownAt = performance.now();
    this.told = "";
    this.selected = undefined;
    if (this.item) {
      this.standing = last(this.rows());
      const first = this.sites().find(({ outcome }) => outcome === "open");
      const { low, high } = this.item;
      this.z = z ?? (first ? Math.floor(first.z) : Math.floor((low[2] + high[2]) / 2));
      this.selected = first?.item;
      this.preload(at);
      const next = this.next(at);
      if (next >= 0) this.preload(next);
    }
    this.update();
  }

  preload(at) {
    const item = this.items[at];
    if (this.pictures.has(item.item)) return;
    const stack = new Map();
    for (const z of item.sections) {
      const inside = z >= item.low[2] && z < item.high[2];
      const load = (kind) => {
        const image = element("img", { src: `${item.pictures}/${z}/${kind}.png`, alt: "", draggable: false, className: kind });
        image.addEventListener("error", () => setTimeout(() => (image.src = `${image.src.split("?")[0]}?again=${Date.now()}`), 1500));
        image.addEventListener("load", () => this.update());
        return image;
      };
      stack.set(z, { grey: load("grey"), marked: inside && item.marked ? load("marked") : null });
    }
    this.pictures.set(item.item, stack);
  }

  say(item, answer, place) {
    const seconds = (performance.now() - this.shownAt) / 1000;
    this.shownAt = performance.now();
    const body = { answer_id: newId(), round: this.batch, item, answer, seconds };
    if (place) {
      const [x_nm, y_nm, z_nm] = this.content.voxel_nm;
      Object.assign(body, { x_nm: place.x * x_nm, y_nm: place.y * y_nm, z_nm: place.z * z_nm });
    }
    this.told = "";
    this.queue.add(body);
    return body;
  }

  // Accepts or rejects the selected site, and goes to the next that is open.
  judge(answer) {
    const site = this.sites().find(({ item }) => item === this.selected);
    if (!site || (site.outcome === "add" && answer !== "reject")) return;
    this.groups.push([this.say(site.item, answer)]);
    this.standing = last(this.rows());
    const sites = this.sites();
    const from = sites.findIndex(({ item }) => item === site.item);
    const order = sites.map((_, step) => sites[(from + 1 + step + sites.length) % sites.length]);
    const next = order.find(({ outcome }) => outcome === "open");
    if (next) this.select(next);
    else this.update();
  }

  isInside({ x, y, z }) {
    const { low, high } = this.item;
    return [x, y, z].every((value, axis) => value >= low[axis] && value < high[axis]);
  }

  move(item, place) {
    if (!this.isInside(place)) {
      this.told = "The site would lie outside of the box.";
      return this.update();
    }
    const isAdded = this.standing.get(item)?.answer === "add";
    this.groups.push([this.say(item, isAdded ? "add" : "move", place)]);
    this.update();
  }

  nudge(x, y) {
    const site = this.item && this.sites().find(({ item }) => item === this.selected);
    if (site) this.move(site.item, { x: site.x + NUDGE_VOXELS * x, y: site.y + NUDGE_VOXELS * y, z: this.placeZ(site) });
  }

  // A site that is moved stays in its section, or comes to the one that is shown.
  placeZ(site) {
    return Math.floor(site.z) === this.z ? site.z : this.z + 0.5;
  }

  add(place) {
    if (!this.isInside(place)) {
      this.told = "Only what is inside of the box is asked about.";
      return this.update();
    }
    const item = `${this.item.item}/${this.content.target}/${newId()}`;
    this.groups.push([this.say(item, "add", place)]);
    this.selected = item;
    this.update();
  }

  // What is open is right, nothing is missing: the box is done.
  finish() {
    if (!this.item || !this.isOpen(this.at)) return;
    const open = this.sites().filter(({ outcome }) => outcome === "open");
    this.groups.push([...open.map(({ item }) => this.say(item, "accept")), this.say(this.item.item, "done")]);
    this.adding = false;
    this.show(this.next(this.at));
  }

  undo() {
    const rows = this.rows();
    const group = this.groups.pop()?.filter(({ answer_id }) => rows.some((row) => row.answer_id === answer_id));
    const taken = group?.length ? group : rows.slice(-1);
    for (const { item, answer_id } of [...taken].reverse()) {
      this.queue.add({ answer_id: newId(), round: this.batch, item, undoes: answer_id });
    }
    if (!taken.length) return;
    const at = this.boxAt(taken[0].item);
    if (at !== undefined && at !== this.at) this.show(at);
    else this.update();
  }

  step(by) {
    const { length } = this.items;
    if (length) this.show((Math.max(this.at, 0) + by + length) % length);
  }

  stepSection(by) {
    if (!this.item) return;
    const { sections } = this.item;
    this.z = Math.min(sections.at(-1), Math.max(sections[0], this.z + by));
    this.update();
  }

  select(site) {
    this.selected = site.item;
    this.z = Math.floor(site.z);
    this.update();
  }

  selectNext(by) {
    const sites = this.item ? this.sites() : [];
    if (!sites.length) return;
    const now = sites.findIndex(({ item }) => item === this.selected);
    this.select(sites[now < 0 ? 0 : (now + by + sites.length) % sites.length]);
  }

  // Where what is like the selected site can be marked, many at once; "" where no dataset has tiles of it.
  alike() {
    const isDetected = this.content.alike && this.item?.sites.some(({ item }) => item === this.selected);
    return isDetected ? this.content.alike + encodeURIComponent(this.selected) : "";
  }

  toggle(name) {
    this[name] = !this[name];
    this.update();
  }

  pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea") || !this.items) return;
    const onControl = event.target.matches("button, a, summary");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const arrows = event.shiftKey
      ? { ArrowLeft: () => this.nudge(-1, 0), ArrowRight: () => this.nudge(1, 0), ArrowUp: () => this.nudge(0, -1), ArrowDown: () => this.nudge(0, 1) }
      : {
          ArrowLeft: () => this.stepSection(-1), ArrowRight: () => this.stepSection(1),
          ArrowUp: () => this.stepSection(-1), ArrowDown: () => this.stepSection(1),
        };
    const does = {
      ...arrows,
      a: () => this.item && this.judge("accept"),
      r: () => this.item && this.judge("reject"),
      d: () => this.finish(),
      z: () => this.undo(),
      "+": () => this.toggle("adding"),
      m: () => this.toggle("showsMarked"),
      j: () => this.step(1),
      k: () => this.step(-1),
      l: () => this.alike() && location.assign(this.alike()),
      "[": () => this.stepSection(-1),
      "]": () => this.stepSection(1),
      Escape: () => this.adding && this.toggle("adding"),
      // Elsewhere it goes from control to control, as on any page.
      ...(onControl ? {} : { Tab: () => this.selectNext(event.shiftKey ? -1 : 1) }),
    }[key];
    if (!does) return;
    event.preventDefault();
    if (event.repeat && ["a", "r", "d", "z", "+"].includes(key)) return;
    does();
  }

  // Where in the volume, in voxels, the pointer is; z is the middle of the section.
  pointed(event) {
    const { left, top, width, height } = this.parts.sites.getBoundingClientRect();
    const [x0, y0, across, down] = this.item.view;
    return {
      x: x0 + ((event.clientX - left) / width) * across,
      y: y0 + ((event.clientY - top) / height) * down,
      z: this.z + 0.5,
    };
  }

  pointerDown(event) {
    if (!this.item) return;
    const item = event.target.closest("[data-item]")?.dataset.item;
    if (!item) {
      if (this.adding) this.add(this.pointed(event));
      return;
    }
    event.preventDefault();
    this.selected = item;
    this.dragged = { item, x: event.clientX, y: event.clientY, moved: false };
    this.parts.sites.setPointerCapture(event.pointerId);
    this.update();
  }

  pointerMove(event) {
    if (!this.dragged) return;
    const { dragged } = this;
    dragged.moved ||= Math.hypot(event.clientX - dragged.x, event.clientY - dragged.y) > 3;
    if (dragged.moved) {
      dragged.place = this.pointed(event);
      this.update();
    }
  }

  pointerUp() {
    const { dragged } = this;
    this.dragged = undefined;
    if (dragged?.moved) this.move(dragged.item, dragged.place);
  }

  build() {
    const part = (tag, className, attributes = {}) => element(tag, { className, attributes });
    this.parts = {
      progress: part("progress", "", { "aria-label": "Boxes done" }),
      count: part("span", "number"),
      saved: part("span", "saved", { role: "status" }),
      told: part("p", "reason", { role: "alert" }),
      frame: part("div", "frame stage", { tabindex: "0", "aria-label": "Section" }),
      pictures: part("div", "pictures"),
      sites: drawn("svg", { role: "group", "aria-label": "Sites" }),
      sections: part("p", "quiet"),
      facts: part("div", "about"),
      list: part("ol", "sites"),
    };
    const { parts } = this;
    const act = (key, text, does, className = "") => {
      const button = element("button", { type: "button", className, attributes: { "aria-keyshortcuts": key } }, element("kbd", { textContent: key }), text);
      button.addEventListener("click", ({ detail }) => {
        // The second click of two would be about the next site or box.
        if (detail < 2 || !className) does();
        parts.frame.focus();
      });
      return button;
    };
    parts.accept = act("a", "Accept", () => this.judge("accept"), "answer");
    parts.reject = act("r", "Reject", () => this.judge("reject"), "answer");
    parts.adds = act("+", "Add a site", () => this.toggle("adding"), "answer");
    parts.done = act("d", "The rest is right: done, next", () => this.finish(), "answer main");
    parts.sites.addEventListener("pointerdown", (event) => this.pointerDown(event));
    parts.sites.addEventListener("pointermove", (event) => this.pointerMove(event));
    parts.sites.addEventListener("pointerup", () => this.pointerUp());
    parts.sites.addEventListener("pointercancel", () => (this.dragged = undefined));
    parts.frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.stepSection(Math.sign(event.deltaY));
    }, { passive: false });
    parts.left = element("div", { className: "one" }, parts.frame, parts.sections);
    const side = element(
      "div", { className: "side" },
      parts.facts,
      element("div", { className: "answers", attributes: { role: "group", "aria-label": "Answers" } }, parts.accept, parts.reject, parts.adds, parts.done),
      element("p", { className: "links" }, act("z", "Take back", () => this.undo()), act("m", "Map", () => this.toggle("showsMarked"))),
      // Below what is clicked on, which stays where it is.
      parts.told,
      parts.list,
      element(
        "details", { className: "keys", open: true }, element("summary", { textContent: "All keys" }),
        element("dl", {}, ...BOX_LEGEND.flatMap(([key, text]) => [
          element("dt", {}, element("kbd", { textContent: key })), element("dd", { textContent: text }),
        ])),
      ),
    );
    this.root.replaceChildren(
      element("div", { className: "top" }, element("h1", { textContent: this.content.title }), parts.progress, parts.count, parts.saved),
      element("div", { className: "desk" }, element("div", { className: "view" }, parts.left), side),
    );
    this.root.style.setProperty("--target", this.content.colour);
  }

  update() {
    if (this.parts === undefined) return;
    const { parts } = this;
    this.standing = last(this.rows());
    const left = this.items.filter((_, at) => this.isOpen(at)).length;
    parts.progress.max = this.items.length || 1;
    parts.progress.value = this.items.length - left;
    parts.count.textContent = `${this.items.length - left} of ${this.items.length}`;
    sayWhetherSaved(parts.saved, this.queue);
    parts.told.textContent = this.told || "";
    parts.told.hidden = !this.told;
    this.root.classList.toggle("adding", this.adding);
    parts.adds.setAttribute("aria-pressed", String(this.adding));
    if (this.item === undefined) {
      const text = this.items.length ? "Nothing is left for you in this round." : "There is nothing in this round.";
      parts.frame.replaceChildren(element("p", { className: "done" }, text, " ", element("a", { href: this.address, textContent: "All rounds" })));
      parts.sections.textContent = "";
      parts.facts.replaceChildren();
      parts.list.replaceChildren();
      return;
    }
    this.updateStage();
    this.updateSide();
  }

  updateStage() {
    const { parts, item } = this;
    const [x0, y0, width, height] = item.view;
    const { grey, marked } = this.pictures.get(item.item).get(this.z);
    if (parts.pictures.parentNode !== parts.frame) parts.frame.replaceChildren(parts.pictures, parts.sites);
    parts.frame.style.aspectRatio = `${width} / ${height}`;
    const shown = [grey, ...(marked && this.showsMarked ? [marked] : [])];
    if (shown.length !== parts.pictures.childNodes.length || shown.some((one, at) => parts.pictures.childNodes[at] !== one)) {
      parts.pictures.replaceChildren(...shown);
    }
    if (marked) {
      Object.assign(marked.style, {
        left: `${((item.low[0] - x0) / width) * 100}%`, top: `${((item.low[1] - y0) / height) * 100}%`,
        width: `${((item.high[0] - item.low[0]) / width) * 100}%`, height: `${((item.high[1] - item.low[1]) / height) * 100}%`,
      });
    }
    parts.frame.classList.toggle("loading", !grey.complete);
    const inside = this.z >= item.low[2] && this.z < item.high[2];
    parts.sites.setAttribute("viewBox", `${x0} ${y0} ${width} ${height}`);
    const unit = Math.max(width, height) / 100;
    const frame = drawn("rect", {
      class: inside ? "edge" : "edge outside", x: item.low[0], y: item.low[1], width: item.high[0] - item.low[0], height: item.high[1] - item.low[1],
    });
    parts.sites.replaceChildren(frame, ...this.sites().map((site) => this.mark(site, unit)).filter(Boolean));
    const number = this.z - item.low[2] + 1;
    const sections = item.high[2] - item.low[2];
    parts.sections.textContent = inside ? `Section ${number} of ${sections}` : `${number < 1 ? "Above" : "Below"} the box: to compare, not asked about`;
  }

  // A site as it is drawn on the section that is shown; null where it lies further than two sections away.
  mark(site, unit) {
    const place = this.dragged?.item === site.item && this.dragged.place ? this.dragged.place : site;
    const away = Math.abs(Math.floor(place.z) - this.z);
    if (away > 2) return null;
    const isSelected = site.item === this.selected;
    const group = drawn("g", { class: `site ${site.outcome}${isSelected ? " selected" : ""}`, "data-item": site.item, opacity: [1, 0.5, 0.25][away] });
    const radius = 2.4 * unit;
    const shape = { cx: place.x, cy: place.y, "stroke-width": (isSelected ? 0.75 : 0.45) * unit, r: radius };
    group.append(drawn("circle", { ...shape, class: "ring" }), drawn("circle", { cx: place.x, cy: place.y, r: 0.3 * unit, class: "dot" }));
    if (site.outcome === "reject") {
      const d = radius * 0.7;
      group.append(drawn("path", { d: `M${place.x - d} ${place.y - d}l${2 * d} ${2 * d}m0 ${-2 * d}l${-2 * d} ${2 * d}`, "stroke-width": 0.45 * unit }));
    }
    return group;
  }

  updateSide() {
    const { parts, item } = this;
    const sites = this.sites();
    const open = sites.filter(({ outcome }) => outcome === "open").length;
    const isDone = this.standing.get(item.item)?.answer === "done";
    const said = isDone ? "You are done with this box." : this.full.has(item.item) ? "Somebody else is done with this box." : `${open} of ${sites.length} sites are open.`;
    const links = element("p", { className: "links" });
    if (item.neuroglancer) {
      links.append(element("a", { className: "button", href: item.neuroglancer, target: "_blank", rel: "noreferrer noopener", textContent: "Neuroglancer" }));
    }
    if (this.alike()) links.append(element("a", { className: "button", href: this.alike(), textContent: "More like this one" }));
    parts.facts.replaceChildren(element("h2", { textContent: `Box ${this.at + 1} of ${this.items.length}` }), element("p", { textContent: said }), links);
    parts.done.disabled = !this.isOpen(this.at);
    const words = { open: "open", accept: "accepted", reject: "rejected", move: "moved", add: "added" };
    parts.list.replaceChildren(...sites.map((site) => {
      const score = typeof site.score === "number" ? ` · score ${site.score.toFixed(2)}` : "";
      const line = element("li", { className: `site ${site.outcome}`, textContent: `section ${Math.floor(site.z) - item.low[2] + 1}: ${words[site.outcome]}${score}` });
      line.classList.toggle("selected", site.item === this.selected);
      line.addEventListener("click", () => this.select(site));
      return line;
    }));
  }
}

// What an answer or an undo makes of the rows that stand.
function take(rows, body) {
  const at = rows.findIndex(({ answer_id }) => answer_id === (body.undoes ?? body.answer_id));
  if (body.undoes !== undefined) {
    if (at >= 0) rows.splice(at, 1);
  } else if (at < 0) {
    rows.push(body);
  }
}

// The last row about each item.
function last(rows) {
  return new Map(rows.map((row) => [row.item, row]));
}

{
  const page = new BoxPage(document.getElementById("boxes"));
  document.addEventListener("keydown", (event) => page.pressed(event));
  page.load();
}
