import { describe, expect, it } from "vitest";
import { fixed, general, printf, readFloat, repr, strip, stripId, thousands } from "../src/text";

describe("numbers are written as Python writes them", () => {
  it.each([
    [320, "320.0"],
    [0.001, "0.001"],
    [1e-5, "1e-05"],
    [1.5e-7, "1.5e-07"],
    [1e16, "1e+16"],
    [123456789012345680, "1.2345678901234568e+17"],
    [1e15, "1000000000000000.0"],
    [-0.25, "-0.25"],
    [0, "0.0"],
    [-0, "-0.0"],
    [0.1 + 0.2, "0.30000000000000004"],
  ])("repr(%s)", (x, text) => expect(repr(x)).toBe(text));

  it.each([
    [0.125, 2, "0.12"],
    [0.375, 2, "0.38"],
    [0.5, 0, "0"],
    [1.5, 0, "2"],
    [2.5, 0, "2"],
    [-2.5, 0, "-2"],
    [2.675, 2, "2.67"],
    [99.95, 1, "100.0"],
    [0.0625, 3, "0.062"],
    [12.25, 1, "12.2"],
    [-0.04, 1, "-0.0"],
  ])("%s with %s digits", (x, digits, text) => expect(fixed(x, digits)).toBe(text));

  it.each([
    [48, 6, "48"],
    [0.0001, 6, "0.0001"],
    [0.00001, 6, "1e-05"],
    [1234567, 6, "1.23457e+06"],
    [0.12345, 3, "0.123"],
    [1500, 3, "1.5e+03"],
    [999.9, 3, "1e+03"],
    [0, 3, "0"],
  ])("%s in general, %s digits", (x, digits, text) => expect(general(x, digits)).toBe(text));

  it("sets thousands apart", () => {
    expect([0, 999, 1000, 1234567.4, -12345].map(thousands)).toEqual(["0", "999", "1,000", "1,234,567", "-12,345"]);
  });

  it("fills patterns", () => {
    expect(printf("%.1f %% of %s, %g", 12.345, "all", 0.5)).toBe("12.3 % of all, 0.5");
  });
});

it.each([
  [" 1e3 ", 1000],
  ["1_000.5", 1000.5],
  [".5", 0.5],
  ["5.", 5],
  ["+2", 2],
  ["many", null],
  ["", null],
  ["0x10", null],
  ["1__0", null],
  ["-inf", -Infinity],
])("reads %j as a number", (text, x) => expect(readFloat(text)).toBe(x));

it("strips what Python strips", () => {
  expect(strip("\x1f a\u00a0\u2003")).toBe("a");
  expect(strip("\ufeffa")).toBe("\ufeffa");
  expect(stripId("\u200b\ufeff a b \u3000")).toBe("a b");
});
