/** The part of the plane that is seen. Nothing here draws or listens. */

export type Range = readonly [low: number, high: number];

/** The middle x and y, and units of the plane per pixel, as `look=` in a permalink. */
export type View = readonly [x: number, y: number, unit: number];

/** The part of the plane that is seen, in its own units, and its size on the screen in CSS pixels. */
export interface Window {
  readonly x: Range;
  readonly y: Range;
  readonly widthPx: number;
  readonly heightPx: number;
}

export function windowAt([x, y, unit]: View, widthPx: number, heightPx: number): Window {
  const [across, up] = [(unit * widthPx) / 2, (unit * heightPx) / 2];
  return { x: [x - across, x + across], y: [y - up, y + up], widthPx, heightPx };
}

/** The view in which the whole of these sides is seen, one unit as long across as up. */
export function wholeView(sides: readonly [Range, Range], widthPx: number, heightPx: number): View {
  const [x, y] = sides;
  const unit = 1.08 * Math.max((x[1] - x[0]) / widthPx, (y[1] - y[0]) / heightPx) || 1;
  return [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2, unit];
}

export function unitOf(window: Window): number {
  return (window.x[1] - window.x[0]) / window.widthPx;
}

/** Where a position of the plane lies on the screen, in CSS pixels from the left and upper side. */
export function toScreen(window: Window, x: number, y: number): [number, number] {
  const unit = unitOf(window);
  return [(x - window.x[0]) / unit, (window.y[1] - y) / unit];
}

/** The position of the plane at a place on the screen. */
export function toPlane(window: Window, left: number, top: number): [number, number] {
  const unit = unitOf(window);
  return [window.x[0] + left * unit, window.y[1] - top * unit];
}
