import { describe, expect, it } from "vitest";
import { Pages } from "../src/content";
import { renderer } from "../src/render";
import { planted, type Row } from "./planted";

const HOSTILE = "\"><img src=x onerror=alert(1)>&'`{{ 7 * 7 }}";
const render = renderer("https://host/sub");
const shared = {
  dataset: "tiny",
  datasets: { tiny: "Tiny & co" },
  release: "0123456789ab",
  noun: "synapse",
  words: [
    ["synapse", "contact"],
    ["contact", "point"],
  ],
  pages_of: { tiny: { map: "Map" } },
};

async function pageOf(
  page: "search" | "synapse",
  query: string,
  rows: Row[],
): Promise<{ title: string; html: string }> {
  const { points, source } = planted(rows);
  source.cards[0] = { probabilities: { constructor: 0.5, items: 0.5 } };
  const pages = new Pages(source, points);
  const content = page === "search" ? await pages.search(new URLSearchParams(query)) : await pages.synapse(query);
  return render({ template: `${page}.html`, content: { ...shared, ...content } });
}

it("names in data cannot be markup, in text or in attributes", async () => {
  const rows = ["a", "b"].map(
    (name): Row => ({
      id: name + HOSTILE,
      vector: [1, name === "a" ? 1 : 2],
      target: name + HOSTILE,
      region: `EB${HOSTILE}`,
      neuron: `${name}${HOSTILE}`,
    }),
  );
  for (const { title, html } of [
    await pageOf("search", `synapse_id=${encodeURIComponent(`a${HOSTILE}`)}`, rows),
    await pageOf("search", `synapse_id=${encodeURIComponent(HOSTILE)}`, rows),
    await pageOf("synapse", `a${HOSTILE}`, rows),
  ]) {
    expect(html).not.toContain("<img src=x");
    expect(html).not.toContain("49");
    expect(html).toContain("&lt;img src=x onerror=alert(1)&gt;");
    if (title.startsWith("Synapse")) expect(title).toBe(`Synapse a${HOSTILE} – Tiny & co`);
  }
});

describe("templates mean what Jinja means by them", () => {
  const facts = { synapse_id: "s1", neuron_id: null, classes: [], numbers: [], tile: 3 };
  const gallery = {
    ...shared,
    filters: [],
    count: 1,
    share: 1,
    address: "",
    compositions: [],
    neurons: { title: "neurons: 0", lines: [], largest: 1 },
    typical: [],
    sample: [facts],
    seed: 0,
    pictures: true,
  };

  it("empty lists and dicts are false", () => {
    const { html, title } = render({ template: "gallery.html", content: gallery });
    expect(html).toContain("<h1>All synapses</h1>");
    expect(html).not.toContain("Most typical");
    expect(title).toBe("Gallery – Tiny & co");
    expect(render({ template: "synapse.html", content: { ...shared, facts, place_nm: [1, 2, 3] } }).html).not.toContain(
      "Probability",
    );
  });

  it("a class may be called like a method", async () => {
    const { html } = await pageOf("synapse", "a", [{ id: "a", vector: [1, 0] }]);
    expect(html).toContain(">constructor</th>");
    expect(html).toContain(">items</th>");
    expect(html).not.toContain("function");
  });

  it("pictures are named by their numbers, those of a sample by where they lie together", () => {
    const { html } = render({ template: "gallery.html", content: { ...gallery, typical: [{ ...facts, tile: 3 }] } });
    expect(html.match(/data-tile="3"/g)).toHaveLength(2);
    expect(html).not.toContain("data-section");
  });

  it("words of the chain replace shared ones, in their order", () => {
    const part = { name: "synapse_type", title: "synapse type", lines: [], largest: 1 };
    expect(render({ template: "gallery.html", content: { ...gallery, compositions: [part] } }).html).toContain(
      "<h3>point type</h3>",
    );
  });

  it("links stay within the site", async () => {
    const { html } = await pageOf("search", "synapse_id=a&columns=", [
      { id: "a", vector: [1, 0], neuron: "7" },
      { id: "b/c", vector: [1, 1] },
    ]);
    const links = [...html.matchAll(/href="([^"]*)"/g)].map((match) => match[1]!);
    expect(links.every((link) => link.startsWith("https://host/sub/tiny/"))).toBe(true);
    expect(links).toContain("https://host/sub/tiny/synapse/?synapse_id=b%2Fc");
    expect(links.some((link) => link.includes("/neuron/") || link.includes("/alike"))).toBe(false);
    expect(html).not.toContain('type="file"');
  });
});
