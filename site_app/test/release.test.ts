import { expect, test } from "vitest";
import { textOf } from "../src/release";

test("texts that lie one after the other, in several alphabets", () => {
  const texts = ["s000", "", "Ähre", "シナプス", "a\u0000b", '"/<b>', "720575940600000001", "🧠"];
  const bytes = texts.map((text) => new TextEncoder().encode(text));
  const page = new Uint8Array(3 + bytes.reduce((sum, each) => sum + each.length, 0));
  page.set([0xff, 0x80, 0x00]);
  let at = 3;
  const parts = bytes.map((each) => {
    page.set(each, at);
    at += each.length;
    return page.subarray(at - each.length, at);
  });
  expect(parts.map(textOf)).toEqual(texts);
  expect(textOf(Uint8Array.of(0x61))).toBe("a");
  expect(textOf(undefined)).toBeUndefined();
});
