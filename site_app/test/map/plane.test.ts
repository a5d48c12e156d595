// Numbers and expectations computed by `explorer/map/rendering.py`.
import { expect, test } from "vitest";
import { Plane, SAMPLE } from "../../src/map/plane";
import { insidePolygon } from "../../src/map/polygon";
import { windowAt } from "../../src/map/window";

const SPACE = [
  [
    0.004000000189989805, -2.671999931335449, 0.18000000715255737, -1.8609999418258667, 0.3160000145435333,
    2.0859999656677246,
  ],
  [
    0.8960000276565552, -1.3639999628067017, 4.020999908447266, 1.4700000286102295, -2.7909998893737793,
    -4.0329999923706055,
  ],
  [
    -0.8220000267028809, -2.9749999046325684, -1.4769999980926514, 1.0709999799728394, -0.08799999952316284,
    -1.3730000257492065,
  ],
].map((column) => Float32Array.from(column));

function byRow(plane: Plane, values: Float32Array): number[] {
  return Array.from(SPACE[0]!, (_, row) => values[plane.indexOf(row)!]!);
}

test.each([
  [
    30,
    20,
    [-0.19379, -1.38127, -1.60387, -2.09593, 1.91991, 4.07377],
    [0.44012, -2.71007, 0.78034, 2.07004, 0.09113, -1.18157],
    [0.82913, -1.53099, 3.67896, -0.22746, -2.2758, -2.01541],
  ],
  [
    -75,
    60,
    [0.94813, -1.92746, 4.0122, 1.01988, -2.53248, -3.27405],
    [0.01873, 0.67418, 0.24446, 2.65399, -0.70168, -3.1032],
    [-0.1393, 2.7252, 0.74735, -0.80368, -1.40278, -1.3055],
  ],
  [
    180,
    -90,
    [-0.297, 2.379, -0.473, 1.568, -0.609, -2.379],
    [0.902, -1.358, 4.027, 1.476, -2.785, -4.027],
    [0.13, -2.023, -0.525, 2.023, 0.864, -0.421],
  ],
])("a space turned by %s, %s shows the side that the explorer shows", (around, tilt, x, y, depth) => {
  const plane = new Plane(SPACE);
  plane.turn(around, tilt);
  for (const [values, expected] of [
    [plane.x, x],
    [plane.y, y],
    [plane.depth!, depth],
  ] as const) {
    byRow(plane, values).forEach((value, row) => {
      expect(value).toBeCloseTo(expected[row]!, 4);
    });
  }
  expect(plane.sides[0][1]).toBeCloseTo(4.69613, 4);
});

test.each([
  [
    [
      7.47, 2.58, 7.35, 0.43, 5.59, 7.55, 5.96, 0.14, 8.3, 4.43, 9.96, 3.21, 6.12, 7.68, 1.1, 6.09, 4.34, 0.71, 3.88,
      9.8, 11.74, 7.26, 8.12, 5.28, 4.83, 11.61, 8.06, 10.49, 1.58, 11.34, 6.84, 2.31, 6.63, 10.61, 6.84, 4.93, 0.46,
      5.61, 3.87, 0.3,
    ],
    [
      11.87, 1.92, 0.53, 6.18, 11.01, 6.17, 2.97, 2.31, 2.41, 0.04, 1.85, 10.56, 10.17, 8.9, 6.49, 10.46, 7.18, 4.65,
      1.8, 4.55, 7.08, 7.66, 1.81, 2.87, 1.16, 2.58, 3.61, 7.95, 10.14, 10.85, 1.75, 11.13, 2.17, 7.7, 4.52, 2.87,
      10.51, 6.57, 9.02, 4.47,
    ],
    [
      [0.36, 1.47],
      [11.61, 7.89],
      [5.14, 6.28],
      [10.47, 4.13],
      [7.08, 8.2],
      [4.26, 6.23],
      [9.18, 10.91],
    ],
    [19, 21, 37],
  ],
  // Points on edges and corners.
  [
    [
      7, 3, 2, 4, 5, 5, 6, 6, 7, 6, 3, 7, 0, 1, 1, 7, 0, 3, 2, 6, 7, 1, 0, 1, 1, 1, 7, 7, 6, 4, 6, 7, 2, 5, 0, 1, 1, 4,
      5, 6, 5, 2, 1, 7, 2, 4, 5, 1, 3, 2, 6, 4, 5, 7, 1, 3, 3, 1, 6, 1,
    ],
    [
      1, 7, 0, 6, 6, 1, 3, 6, 0, 5, 6, 4, 5, 1, 1, 2, 1, 2, 7, 4, 2, 2, 7, 3, 7, 4, 4, 7, 5, 4, 3, 7, 3, 7, 0, 3, 4, 7,
      2, 6, 5, 5, 5, 7, 2, 3, 1, 0, 1, 7, 6, 0, 4, 3, 4, 5, 2, 7, 3, 5,
    ],
    [
      [3, 5],
      [0, 1],
      [5, 0],
      [5, 3],
      [0, 6],
      [5, 6],
    ],
    [3, 5, 10, 13, 14, 16, 17, 21, 32, 38, 41, 44, 45, 46, 48, 56],
  ],
])("a polygon holds what it holds in the explorer", (x, y, corners, inside) => {
  const all = Uint32Array.from(x, (_, index) => index);
  const [xs, ys] = [corners.map((corner) => corner[0]!), corners.map((corner) => corner[1]!)];
  expect([...insidePolygon(Float32Array.from(x), Float32Array.from(y), all, xs, ys)]).toEqual(inside);
});

test("what a polygon runs around twice is outside", () => {
  const star = [0, 1, 2, 3, 4].map((corner) => (corner * 4 * Math.PI) / 5);
  const held = insidePolygon(
    Float32Array.of(0, 0),
    Float32Array.of(0, 0.8),
    Uint32Array.of(0, 1),
    star.map(Math.sin),
    star.map(Math.cos),
  );
  expect([...held]).toEqual([1]);
});

/** Points at random in clumps, every tenth without a place. */
function planted(count: number): Plane {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
  const clump = Array.from({ length: 9 }, () => [20 * random(), 20 * random()]);
  const at = Array.from({ length: count }, (_, row) => {
    const [x, y] = clump[Math.floor(9 * random())]!;
    return row % 10 === 9 ? [Number.NaN, Number.NaN] : [x! + random() + random(), y! + random() * random()];
  });
  return new Plane([Float32Array.from(at, ([x]) => x!), Float32Array.from(at, ([, y]) => y!)]);
}

test("the nearest shown point, and what a box holds, are those of a full scan", () => {
  const plane = planted(5_000);
  expect(plane.count).toBe(4_500);
  const shown = Uint8Array.from(plane.rows, (row) => row % 2);
  const window = windowAt([10, 10, 0.05], 400, 400);
  let hits = 0;
  for (let step = 0; step < 400; step++) {
    const [x, y] = [(step % 20) * 1.1, Math.floor(step / 20) * 1.1];
    let best: number | null = null;
    let away = (6 * 0.05) ** 2;
    for (let index = 0; index < plane.count; index++) {
      const distance = (plane.x[index]! - x) ** 2 + (plane.y[index]! - y) ** 2;
      if (shown[index] && distance < away) [best, away] = [index, distance];
    }
    expect(plane.nearest(x, y, window, 6, shown)).toBe(best);
    hits += Number(best !== null);
    const inside = plane.inside({ type: "rect", x: [x, x + 2], y: [y, y + 1] }, shown);
    const rows = [...inside].map((index) => plane.rows[index]!);
    const expected = [...plane.rows.keys()].filter(
      (at) => shown[at] && plane.x[at]! >= x && plane.x[at]! <= x + 2 && plane.y[at]! >= y && plane.y[at]! <= y + 1,
    );
    expect(rows).toEqual(expected.map((at) => plane.rows[at]!).sort((a, b) => a - b));
  }
  expect(hits).toBeGreaterThan(20);
  expect(hits).toBeLessThan(400);
});

test("the first points are a sample of all, from low to high, and the same every time", () => {
  const plane = planted(120_000);
  const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value / values.length, 0);
  expect(Math.abs(mean(plane.rows.subarray(0, SAMPLE)) - 60_000)).toBeLessThan(1_000);
  expect(mean(plane.x.subarray(0, SAMPLE))).toBeCloseTo(mean(plane.x), 1);
  for (let at = 100; at < SAMPLE; at += 100) expect(plane.y[at]!).toBeGreaterThan(plane.y[at - 100]! - 0.03);
  expect([...planted(5_000).rows]).toEqual([...planted(5_000).rows]);
});

test("a million points: the nearest in a few milliseconds", () => {
  const plane = planted(1_000_000);
  const shown = new Uint8Array(plane.count).fill(1);
  plane.prepare();
  const window = windowAt([10, 10, 0.02], 1_000, 1_000);
  const began = performance.now();
  for (let step = 0; step < 100; step++) plane.nearest(10 + step * 0.05, 10, window, 12, shown);
  expect((performance.now() - began) / 100).toBeLessThan(5);
});
