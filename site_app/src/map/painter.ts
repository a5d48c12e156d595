// What draws the points of a plane, and what both ways of drawing share: which points are discs, and which are a picture.

import type { Colouring } from "./colouring";
import type { Plane, Turn } from "./plane";
import type { Window } from "./window";

/** Up to so many points in view are drawn as sharp discs; more points as a picture of how many of which colour fall on a pixel. */
export const DISCS = 8_000;
/** Points on a picture are a pixel wider on each side below each of these numbers. */
export const SPREAD_BELOW = [400_000, 40_000];
/** Opacity, of 255, of a pixel with the fewest points. */
export const LEAST_OPAQUE = 150;
/** Opacity of a disc. */
export const DISC_OPACITY = 0.85;

/** What is drawn. shown: indices of the points of the plane that are, in their order. */
export interface Content {
  readonly plane: Plane;
  readonly colouring: Colouring;
  readonly shown: Uint32Array;
  readonly none: string;
}

/** A way of drawing: by the graphics card, or without. The element that it draws on fills its place. */
export interface Painter {
  readonly kind: "webgl" | "canvas";
  readonly element: HTMLCanvasElement;
  /** Draws this content from now on. */
  show(content: Content): void;
  /** Turns a space; the plane was turned already. */
  turn(turn: Turn): void;
  /** Draws what is in a window. moving: another drawing follows at once, so that a part of the points is enough. */
  draw(window: Window, moving: boolean): void;
  /** Frees what it holds, when another takes its place. */
  dispose(): void;
}

/** How many pixels a point of a picture is wider on each side. */
export function spread(count: number): number {
  return SPREAD_BELOW.filter((limit) => count <= limit).length;
}

/** The diameter of a disc in CSS pixels. */
export function discPx(count: number): number {
  return count <= 1_000 ? 9 : 6;
}

/**
 * The points to draw as discs, the lowest first; null where there are too many of them in view.
 *
 * Where few are shown, those beyond the window too. Points without a class lie below points with one; in space, farther points below nearer
 * ones.
 */
export function discsIn({ plane, colouring, shown, none }: Content, window: Window): Uint32Array | null {
  const discs = shown.length <= DISCS ? shown.slice() : inView(plane, shown, window, DISCS);
  if (discs === null) return null;
  const { depth } = plane;
  if (depth !== null) return discs.sort((a, b) => depth[b]! - depth[a]! || a - b);
  const lineOfNone = colouring.names.indexOf(none);
  const isNone = (index: number) => (colouring.codes[index] === lineOfNone ? 0 : 1);
  return discs.sort((a, b) => isNone(a) - isNone(b) || plane.rows[a]! - plane.rows[b]!);
}

/** The points in a window, null if there are more than `most`. */
function inView({ x, y }: Plane, shown: Uint32Array, window: Window, most: number): Uint32Array | null {
  const [[left, right], [low, high]] = [window.x, window.y];
  const found = new Uint32Array(most);
  let count = 0;
  for (const index of shown) {
    if (x[index]! < left || x[index]! > right || y[index]! < low || y[index]! > high) continue;
    if (count === most) return null;
    found[count++] = index;
  }
  return found.slice(0, count);
}
