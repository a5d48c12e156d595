// What a hand does on the map: drag, wheel, pinch, click, draw, and keys. What follows from it belongs to `page`.

import type { Shape } from "./plane";
import type { Viewport } from "./viewport";
import { toPlane } from "./window";

export type Mode = "Turn" | "Move" | "Lasso" | "Box";

export interface Reactions {
  mode(): Mode;
  /** The mouse rests at a place on the map, null when it left. */
  hover(place: readonly [left: number, top: number] | null): void;
  click(left: number, top: number): void;
  doubleClick(left: number, top: number): void;
  /** A drag that turns begins; then so many pixels from where it began. */
  turnBegins(): void;
  turn(rightPx: number, downPx: number): void;
  /** A shape was drawn, and let go of. */
  draw(shape: Shape): void;
}

// A finger or mouse that moved no farther than this has clicked.
const CLICK_PX = 4;
const WHEEL_PER_PX = 0.0015;
const ARROWS: Readonly<Record<string, readonly [right: number, up: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Listens on the element of a viewport. */
export function listen(viewport: Viewport, reactions: Reactions): void {
  const { element } = viewport;
  const pointers = new Map<number, [number, number]>();
  let began: [number, number] | null = null;
  let drawn: [number, number][] = [];
  let hasMoved = false;
  let mode: Mode = "Move";

  const placeOf = (event: MouseEvent): [number, number] => {
    const { left, top } = element.getBoundingClientRect();
    return [event.clientX - left - element.clientLeft, event.clientY - top - element.clientTop];
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
    if (pointers.size > 1) {
      // A second finger: pinch, whatever the first had begun.
      began = null;
      if (drawn.length > 0) viewport.outline(null);
      drawn = [];
      return;
    }
    began = placeOf(event);
    hasMoved = false;
    mode = reactions.mode();
    drawn = [];
    if (mode === "Turn") reactions.turnBegins();
  });

  element.addEventListener("pointermove", (event) => {
    const place = placeOf(event);
    const before = pointers.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType !== "touch") reactions.hover(place);
      return;
    }
    if (pointers.size === 2) pinch(viewport, [...pointers.values()], event.pointerId, pointers, place);
    pointers.set(event.pointerId, place);
    if (began === null || pointers.size > 1) return;
    if (!hasMoved && Math.hypot(place[0] - began[0], place[1] - began[1]) <= CLICK_PX) return;
    if (!hasMoved) reactions.hover(null);
    const from = hasMoved ? before : began;
    hasMoved = true;
    if (mode === "Move") viewport.drag(place[0] - from[0], place[1] - from[1]);
    else if (mode === "Turn") reactions.turn(place[0] - began[0], place[1] - began[1]);
    else {
      drawn = mode === "Box" ? [began, place] : [...(drawn.length > 0 ? drawn : [began]), place];
      viewport.outline(shapeOf(viewport, mode, drawn));
    }
  });

  const release = (event: PointerEvent): void => {
    const place = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (place === undefined || began === null) return;
    began = null;
    if (event.type === "pointercancel") {
      if (drawn.length > 0) viewport.outline(null);
    } else if (!hasMoved) {
      reactions.click(...place);
    } else if (drawn.length > 0) {
      const shape = shapeOf(viewport, mode, drawn);
      if (shape !== null) reactions.draw(shape);
    }
    drawn = [];
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("pointerleave", () => reactions.hover(null));
  element.addEventListener("dblclick", (event) => reactions.doubleClick(...placeOf(event)));
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 16;
      const away = Math.max(-300, Math.min(300, event.deltaY * lines * (event.ctrlKey ? 6 : 1)));
      viewport.zoom(Math.exp(away * WHEEL_PER_PX), ...placeOf(event));
    },
    { passive: false },
  );
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow !== undefined) viewport.move(...arrow);
    else if (event.key === "+" || event.key === "=") viewport.zoom(0.6);
    else if (event.key === "-") viewport.zoom(1 / 0.6);
    else if (event.key === "0" || event.key === "Home") viewport.fit();
    else if (event.key === "Escape") viewport.outline(null);
    else return;
    event.preventDefault();
  });
}

/** One of two fingers moved: what lies between them moves, and comes nearer as they part. */
function pinch(
  viewport: Viewport,
  before: [number, number][],
  moved: number,
  pointers: ReadonlyMap<number, [number, number]>,
  to: [number, number],
): void {
  const after = [...pointers].map(([id, place]) => (id === moved ? to : place));
  const middle = (places: [number, number][]) => [0, 1].map((side) => (places[0]![side]! + places[1]![side]!) / 2);
  const apart = (places: [number, number][]) =>
    Math.hypot(places[0]![0] - places[1]![0], places[0]![1] - places[1]![1]) || 1;
  const [from, now] = [middle(before), middle(after)];
  viewport.drag(now[0]! - from[0]!, now[1]! - from[1]!);
  viewport.zoom(apart(before) / apart(after), now[0]!, now[1]!);
}

function shapeOf(viewport: Viewport, mode: Mode, drawn: readonly [number, number][]): Shape | null {
  const window = viewport.window;
  if (window === null) return null;
  const corners = drawn.map((place) => toPlane(window, ...place));
  const [x, y] = [corners.map((corner) => corner[0]), corners.map((corner) => corner[1])];
  if (mode === "Lasso") return { type: "poly", x, y };
  return { type: "rect", x: [Math.min(...x), Math.max(...x)], y: [Math.min(...y), Math.max(...y)] };
}
