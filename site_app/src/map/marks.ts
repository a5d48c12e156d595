// Marks around points, and the shapes that are drawn by hand. Which points are marked belongs to `page`.

import type { Plane, Shape } from "./plane";
import { toScreen, type Window } from "./window";

/** What is marked, in this order of drawing: the nearest of a query, the picked, the hovered point, the query. */
export type Mark = "near" | "picked" | "hovered" | "query";

const SIZE_PX: Record<Mark, number> = { near: 13, picked: 14, hovered: 11, query: 24 };
// Dark around light: visible on every colour, in light and dark mode.
const LINES: readonly [string, number][] = [
  ["#111111", 4.5],
  ["#ffffff", 1.8],
];
const OUTLINE = "#0b6bcb";

export function drawMarks(
  on: CanvasRenderingContext2D,
  kind: Mark,
  rows: readonly number[],
  plane: Plane,
  window: Window,
): void {
  const path = new Path2D();
  for (const row of rows) {
    const index = plane.indexOf(row);
    if (index !== null) addMark(path, kind, ...toScreen(window, plane.x[index]!, plane.y[index]!));
  }
  for (const [colour, width] of LINES) {
    on.strokeStyle = colour;
    on.lineWidth = width;
    on.stroke(path);
  }
}

export function drawOutline(on: CanvasRenderingContext2D, shape: Shape, window: Window): void {
  const [xs, ys] =
    shape.type === "poly"
      ? [shape.x, shape.y]
      : [
          [shape.x[0], shape.x[1], shape.x[1], shape.x[0]],
          [shape.y[0], shape.y[0], shape.y[1], shape.y[1]],
        ];
  on.beginPath();
  xs.forEach((x, corner) => {
    on.lineTo(...toScreen(window, x, ys[corner]!));
  });
  on.closePath();
  on.strokeStyle = on.fillStyle = OUTLINE;
  on.lineWidth = 1.5;
  on.stroke();
  on.globalAlpha = 0.08;
  on.fill("evenodd");
  on.globalAlpha = 1;
}

function addMark(path: Path2D, kind: Mark, left: number, top: number): void {
  const radius = SIZE_PX[kind] / 2;
  if (kind === "picked") {
    path.rect(left - radius, top - radius, 2 * radius, 2 * radius);
  } else if (kind === "query") {
    const star = new Path2D();
    for (let corner = 0; corner < 10; corner++) {
      const away = corner % 2 === 0 ? radius : radius * 0.382;
      const turn = (corner * Math.PI) / 5;
      star.lineTo(left + away * Math.sin(turn), top - away * Math.cos(turn));
    }
    star.closePath();
    path.addPath(star);
  } else {
    path.moveTo(left + radius, top);
    path.arc(left, top, radius, 0, 2 * Math.PI);
  }
}
