// The view of a page on a plane: which part of it is seen, when it is drawn, and what is marked on it.
//
// The points and their colours belong to `model`, drawing them to the painters, what a hand does to `gestures`.

import { CanvasPainter } from "./canvas";
import { drawMarks, drawOutline, type Mark } from "./marks";
import type { Content, Painter } from "./painter";
import type { Plane, Shape, Turn } from "./plane";
import { WebglPainter } from "./webgl";
import { toPlane, unitOf, type View, type Window, wholeView, windowAt } from "./window";

const REACH_PX = 12;
// How far one press of an arrow moves the view, as a share of it.
const STEP = 0.3;
// A synapse is centred with this share of the whole map around it, unless the view is closer already.
const AROUND = 0.15;
// All points are drawn when the map has stood still for so long.
const STILL_MS = 120;
const PREPARED_MS = 300;
// Below so many points any way of drawing is fast.
const MANY = 100_000;
// A graphics card that needs longer for all points is none: without it they are drawn faster.
const SLOW_MS = 150;

export class Viewport {
  /** What is seen fills this element. */
  readonly element = document.createElement("div");
  readonly #marked = document.createElement("canvas");
  readonly #drawn: () => void;
  readonly #marks = new Map<Mark, readonly number[]>();
  #painter: Painter;
  #content: Content | null = null;
  #shown: Uint8Array = new Uint8Array(0);
  #view: View | null;
  #outline: Shape | null = null;
  #size: [number, number] | null = null;
  #frame = 0;
  #still = 0;
  #isMoving = false;

  /**
   * @param view where to begin, null for the whole map
   * @param drawn called after each drawing
   */
  constructor(view: View | null, drawn: () => void) {
    this.#view = view;
    this.#drawn = drawn;
    this.element.className = "map-canvas";
    this.#painter =
      WebglPainter.in(document.createElement("canvas"), () => this.#doWithoutCard()) ?? new CanvasPainter();
    this.element.append(this.#painter.element, this.#marked);
    this.element.dataset.painter = this.#painter.kind;
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  /** Draws these points from now on, 1 in `shown` (M,) where a point is; another plane as a whole, the same plane in the same view. */
  show(content: Content, shown: Uint8Array): void {
    const before = this.#content?.plane;
    if (before !== undefined && before !== content.plane) {
      this.#view = null;
      this.#outline = null;
    }
    this.#content = content;
    this.#shown = shown;
    this.#painter.show(content);
    if (before !== content.plane) this.#choosePainter();
    this.drawSoon();
  }

  get plane(): Plane | null {
    return this.#content?.plane ?? null;
  }

  /** The window in view; null before there is something in it. */
  get window(): Window | null {
    if (this.#size === null || this.#content === null) return null;
    return windowAt(this.#view ?? wholeView(this.#content.plane.sides, ...this.#size), ...this.#size);
  }

  /** The middle and units per pixel of the view; null while it is the whole map. */
  get view(): View | null {
    return this.#view;
  }

  /** Shows the whole map, one unit as long across as up. */
  fit(): void {
    this.#view = null;
    this.drawSoon();
  }

  /** Shows `by` times as much on each side, around a place on the screen or the middle. */
  zoom(by: number, left?: number, top?: number): void {
    const window = this.window;
    if (window === null) return;
    const [x, y] = toPlane(window, left ?? window.widthPx / 2, top ?? window.heightPx / 2);
    const [middleX, middleY] = toPlane(window, window.widthPx / 2, window.heightPx / 2);
    this.#centre([x + (middleX - x) * by, y + (middleY - y) * by, unitOf(window) * by], true);
  }

  /** Moves the view by so many steps. */
  move(right: number, up: number): void {
    const window = this.window;
    if (window === null) return;
    const step = STEP * Math.min(window.widthPx, window.heightPx);
    this.drag(-right * step, up * step);
  }

  /** Moves the points by so many pixels. */
  drag(rightPx: number, downPx: number): void {
    const window = this.window;
    if (window === null) return;
    this.#centre(
      [...toPlane(window, window.widthPx / 2 - rightPx, window.heightPx / 2 - downPx), unitOf(window)],
      true,
    );
  }

  /** Centres a synapse, close enough to see it apart from others; does nothing if it is not on the map. */
  goTo(row: number): void {
    const [window, plane] = [this.window, this.plane];
    const index = plane?.indexOf(row) ?? null;
    if (window === null || plane === null || index === null) return;
    const closest = Math.max(...plane.sides.map(([low, high]) => AROUND * (high - low))) / window.widthPx;
    const unit = Math.min(unitOf(window), closest || unitOf(window));
    this.#centre([plane.x[index]!, plane.y[index]!, unit], false);
  }

  /** Turns a plane in space. */
  turn(turn: Turn): void {
    this.plane?.turn(...turn);
    this.#painter.turn(turn);
    this.#outline = null;
    this.#moved();
  }

  /** The row of the shown synapse at a place on the screen, null if there is none near it. */
  at(left: number, top: number): number | null {
    const [window, plane] = [this.window, this.plane];
    if (window === null || plane === null) return null;
    const index = plane.nearest(...toPlane(window, left, top), window, REACH_PX, this.#shown);
    return index === null ? null : plane.rows[index]!;
  }

  /** Marks these rows, and no others, in this way. */
  mark(kind: Mark, rows: readonly number[]): void {
    this.#marks.set(kind, rows);
    this.#drawMarks();
  }

  /** Shows a shape that is drawn or was, or none. */
  outline(shape: Shape | null): void {
    this.#outline = shape;
    this.#drawMarks();
  }

  /** Draws once for all changes until then. */
  drawSoon(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #centre(view: View, isMoving: boolean): void {
    // Beyond this, numbers of 32 bits can tell nothing apart, or overflow.
    if (!view.every((number) => Number.isFinite(number)) || view[2] < 1e-8 || view[2] > 1e6) return;
    this.#view = view;
    if (isMoving) this.#moved();
    else this.drawSoon();
  }

  #moved(): void {
    this.#isMoving = true;
    clearTimeout(this.#still);
    this.#still = window.setTimeout(() => {
      this.#isMoving = false;
      this.drawSoon();
    }, STILL_MS);
    this.drawSoon();
  }

  #draw(): void {
    this.#frame = 0;
    const window = this.window;
    if (window === null) return;
    this.#painter.draw(window, this.#isMoving);
    this.#drawMarks();
    this.#drawn();
    // Soon the mouse rests on a point, and should not wait for what finds it.
    if (!this.#isMoving) setTimeout(() => this.plane?.prepare(), PREPARED_MS);
  }

  #drawMarks(): void {
    const [window, plane] = [this.window, this.plane];
    if (window === null || plane === null) return;
    const scale = devicePixelRatio;
    this.#marked.width = Math.round(window.widthPx * scale);
    this.#marked.height = Math.round(window.heightPx * scale);
    const on = this.#marked.getContext("2d")!;
    on.scale(scale, scale);
    if (this.#outline !== null) drawOutline(on, this.#outline, window);
    for (const [kind, rows] of this.#marks) drawMarks(on, kind, rows, plane, window);
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth < 1 || clientHeight < 1) return;
    const isFirst = this.#size === null;
    this.#size = [clientWidth, clientHeight];
    if (isFirst) this.#choosePainter();
    // At once: a canvas of another size is empty.
    cancelAnimationFrame(this.#frame);
    this.#draw();
  }

  /** Draws without the graphics card where it is none, but emulated by the processor. */
  #choosePainter(): void {
    const window = this.window;
    if (window === null || this.#content === null || !(this.#painter instanceof WebglPainter)) return;
    if (this.#content.plane.count > MANY && this.#painter.measure(window) > SLOW_MS) this.#doWithoutCard();
  }

  #doWithoutCard(): void {
    if (this.#painter.kind === "canvas") return;
    const before = this.#painter;
    this.#painter = new CanvasPainter();
    before.element.before(this.#painter.element);
    before.dispose();
    this.element.dataset.painter = this.#painter.kind;
    if (this.#content !== null) this.#painter.show(this.#content);
    this.drawSoon();
  }
}
