/** Which points a polygon holds. Only arithmetic: what was drawn, and on which plane, belongs to `plane`. */

const STRIPS = 1024;

/**
 * Which of these points a polygon holds, as their positions in `indices`' order. The polygon is closed by itself; where it crosses itself,
 * what it runs around twice is outside (even-odd rule). A point on an edge may be either.
 *
 * @param indices which points of `x` and `y` are asked for
 * @param xs corners, as long as `ys`
 */
export function insidePolygon(
  x: Float32Array,
  y: Float32Array,
  indices: Uint32Array,
  xs: readonly number[],
  ys: readonly number[],
): Uint32Array {
  if (xs.length < 3) return new Uint32Array(0);
  const low = Math.min(...ys);
  const high = Math.max(...ys);
  const strips = edgesByStrip(ys, low, high);
  const perUnit = STRIPS / (high - low || 1);
  const held = new Uint32Array(indices.length);
  let count = 0;
  for (const index of indices) {
    const px = x[index]!;
    const py = y[index]!;
    let inside = false;
    for (const edge of strips[stripOf(py, low, perUnit)] ?? []) {
      const x1 = xs[edge]!;
      const y1 = ys[edge]!;
      const x0 = xs[edge === 0 ? xs.length - 1 : edge - 1]!;
      const y0 = ys[edge === 0 ? ys.length - 1 : edge - 1]!;
      const rising = y1 > y0;
      // The upper end of an edge belongs to it, the lower does not: a ray through a corner crosses once.
      if (py <= Math.min(y0, y1) || py > Math.max(y0, y1)) continue;
      if ((y1 - py) * (x0 - x1) >= (x1 - px) * (y0 - y1) === rising) inside = !inside;
    }
    if (inside) held[count++] = index;
  }
  return held.slice(0, count);
}

function stripOf(y: number, low: number, perUnit: number): number {
  return Math.max(0, Math.min(STRIPS - 1, Math.floor((y - low) * perUnit)));
}

/** The edges that reach into each of many strips across the polygon, so that a point is compared with few of them. */
function edgesByStrip(ys: readonly number[], low: number, high: number): number[][] {
  const perUnit = STRIPS / (high - low || 1);
  const strips: number[][] = Array.from({ length: STRIPS }, () => []);
  ys.forEach((y1, edge) => {
    const y0 = ys[edge === 0 ? ys.length - 1 : edge - 1]!;
    const last = stripOf(Math.max(y0, y1), low, perUnit);
    for (let strip = stripOf(Math.min(y0, y1), low, perUnit); strip <= last; strip++) strips[strip]!.push(edge);
  });
  return strips;
}
