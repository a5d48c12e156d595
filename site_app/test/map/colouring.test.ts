// Numbers and expectations computed by `explorer/map/rendering.py`.
import { expect, test } from "vitest";
import { Raster } from "../../src/map/canvas";
import { colouringByClass, colouringByNumber, countLines, numberSteps } from "../../src/map/colouring";
import { windowAt } from "../../src/map/window";
import { Category } from "../../src/points";

const NONE = { name: "(none)", colour: "#c8c8c8" };

test.each([
  [0, 1, 11, 0.1],
  [Math.fround(0.03), Math.fround(0.88), 10, 0.1],
  [-7, 130, 9, 20],
  [5, 5, 2, 1],
  [0, 2_500_000, 6, 500_000],
])("round steps from %s to %s", (low, high, edges, step) => {
  const steps = numberSteps(low, high);
  expect(steps.length).toBe(edges);
  expect(steps[1]! - steps[0]!).toBeCloseTo(step);
  expect(steps[0]).toBeLessThanOrEqual(low);
  expect(steps.at(-1)).toBeGreaterThanOrEqual(high);
});

test("numbers are coloured by their steps", () => {
  const values = Float32Array.of(0, 0.5, 0.95, 1, Number.NaN);
  const colouring = colouringByNumber({ name: "score", title: "score", values }, Uint32Array.of(4, 3, 2, 1, 0), NONE);
  expect([...colouring.codes].map((code) => colouring.names[code])).toEqual([
    "(none)",
    "0.90 to 1.00",
    "0.90 to 1.00",
    "0.50 to 0.60",
    "0.00 to 0.10",
  ]);
  expect([colouring.colours[0], colouring.colours[9], colouring.colours[10]]).toEqual([
    "#440154",
    "#fde724",
    "#c8c8c8",
  ]);
});

test("rare classes share a line of the legend", () => {
  const names = Array.from({ length: 90 }, (_, at) => `type ${at}`);
  const codes = Int32Array.from({ length: 1_000 }, (_, at) => (at < 990 ? at % 90 : -1));
  const facts = { name: "cell_type", title: "cell type", names, colours: {} };
  const colouring = colouringByClass(new Category(facts, codes, "(none)"), Uint32Array.from(codes.keys()), NONE);
  expect(colouring.names.length).toBe(62);
  expect(colouring.names.slice(-2)).toEqual(["30 rarer ones", "(none)"]);
  expect(colouring.colours.slice(-2)).toEqual(["#8f8f8f", "#c8c8c8"]);
  expect([...countLines(colouring, new Uint8Array(1_000).fill(1)).slice(-3)]).toEqual([11, 330, 10]);
});

test("a picture has each point where it is, in the mean colour of its pixel, as the explorer's", () => {
  const [x, y] = [Float32Array.of(0.5, 0.5, 0.5, 3.5, 3.5, 9.5), Float32Array.of(0.5, 0.5, 0.5, 2.5, 2.5, 5.5)];
  const colouring = {
    column: "target",
    title: "",
    names: ["a", "b"],
    colours: ["#0072B2", "#E69F00"],
    codes: Uint16Array.of(0, 0, 1, 0, 1, 1),
  };
  const raster = new Raster(10, 6);
  // What was drawn before leaves no trace.
  raster.draw(y, x, colouring, Uint32Array.of(0, 1, 2, 3, 4, 5), windowAt([3, 3, 0.6], 10, 6), 6);
  raster.draw(x, y, colouring, Uint32Array.of(0, 1, 2, 3, 4, 5), windowAt([5, 3, 1], 10, 6), 6);
  const { pixels } = raster;
  const none = [0, 0, 0, 0];
  const [few, two, three, five] = [
    [230, 159, 0, 187],
    [115, 136, 89, 217],
    [76, 129, 118, 247],
    [92, 132, 106, 255],
  ];
  const fill = (count: number, pixel: number[] | undefined) => Array.from({ length: count }, () => pixel!);
  expect(Array.from({ length: 60 }, (_, at) => [...pixels.slice(4 * at, 4 * at + 4)])).toEqual([
    ...[...fill(7, none), ...fill(3, few)],
    ...[...fill(2, none), ...fill(3, two), ...fill(2, none), ...fill(3, few)],
    ...[...fill(1, none), ...fill(5, two), ...fill(2, none), ...fill(2, few)],
    ...[three!, five!, ...fill(4, two), ...fill(4, none)],
    ...[three!, five!, five!, ...fill(3, two), ...fill(4, none)],
    ...[three!, three!, five!, ...fill(2, two), ...fill(5, none)],
  ]);
});
