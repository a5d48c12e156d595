import { describe, expect, it } from "vitest";
import { asFolder, cardOfPermalink, placeOf, servingCommand } from "../src/places";

const root = new URL("https://host/papers/tiny/");

describe("which page a URL is", () => {
  it.each([
    ["https://host/papers/tiny/my%20entry/search?x=1", { page: "search", cluster: "" }],
    ["https://host/papers/tiny/my%20entry/gallery/", { page: "gallery", cluster: "" }],
    ["https://host/papers/tiny/my%20entry/synapse/index.html?synapse_id=a%2Fb", { page: "synapse", cluster: "" }],
    ["https://host/papers/tiny/my%20entry/clusters/12/#x", { page: "cluster", cluster: "12" }],
    ["https://host/papers/tiny/my%20entry/clusters", null],
    ["https://host/papers/tiny/my%20entry/map", null],
    ["https://host/papers/tiny/my%20entry/search/more", null],
    ["https://host/papers/tiny/other/search", null],
    ["https://host/papers/tinymy%20entry/search", null],
    ["https://elsewhere/papers/tiny/my%20entry/search", null],
    ["https://host/papers/tiny/%zz/search", null],
  ])("%s", (url, place) => expect(placeOf(new URL(url), root, "my entry")).toEqual(place));
});

it("a page is a folder", () => {
  expect(asFolder(new URL("https://host/e/search?a=1#b")).href).toBe("https://host/e/search/?a=1#b");
  expect(asFolder(new URL("https://host/e/search/index.html")).href).toBe("https://host/e/search/");
  expect(asFolder(new URL("https://host/e/search/")).href).toBe("https://host/e/search/");
});

it.each([
  ["file:///home/me/out/", "/home/me/out"],
  ["file:///home/me/a%20b%27s/", `'/home/me/a b'"'"'s'`],
  ["file:///C:/out/", "C:/out"],
  ["file:///", "/"],
])("serves %s", (url, folder) => {
  expect(servingCommand(new URL(url))).toBe(`python3 -m http.server --bind 127.0.0.1 --directory ${folder} 8000`);
});

describe("a permalink of the explorer", () => {
  const entries = ["sample", "my entry"];
  it.each([
    ["/papers/sample/synapse/s1", "/papers/sample/synapse/?synapse_id=s1"],
    ["/my%20entry/synapse/a%2Fb/c", "/my%20entry/synapse/?synapse_id=a%2Fb%2Fc"],
    ["/sample/synapse/a+b&c=d%3F%22%C3%A9", "/sample/synapse/?synapse_id=a%2Bb%26c%3Dd%3F%22%C3%A9"],
    ["/sample/synapse/100%", "/sample/synapse/?synapse_id=100%25"],
    ["/synapse/sample/synapse/sample/synapse/x", "/synapse/sample/synapse/?synapse_id=sample%2Fsynapse%2Fx"],
    ["/sample/synapse/", null],
    ["/sample/synapse", null],
    ["/other/synapse/s1", null],
    ["/sample/gallery", null],
  ])("%s", (path, card) => expect(cardOfPermalink(path, entries)).toBe(card));
});
