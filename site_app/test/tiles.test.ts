import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SiteFile } from "../src/site";
import { Pictures, partsOf } from "../src/tiles";

// Five pictures in packs of three: picture n is n + 1 times the byte n.
const packs = [
  [0, 1, 2],
  [3, 4],
].map((numbers) => Buffer.from(numbers.flatMap((n) => Array(n + 1).fill(n))));
const ends = Uint32Array.from([1, 3, 6, 4, 9]);
const site = { release: { id: "r1" }, tiles: { per_pack: 3, sections: 1 }, sections: null } as SiteFile;

let server: Server;
let asked: string[] = [];
let ranges = true;
let broken = "";

beforeEach(async () => {
  [asked, ranges, broken] = [[], true, ""];
  server = createServer((request, answer) => {
    const path = new URL(request.url!, "http://host").pathname;
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
    asked.push(`${path}${range ? ` ${range[1]}-${range[2]}` : ""}`);
    const data = path === "/tiles.index" ? Buffer.from(ends.buffer) : packs[Number(path.match(/(\d+)\.jpgs/)?.[1])];
    if (!data || path.includes(broken || "none")) answer.writeHead(404).end();
    else if (range && ranges) answer.writeHead(206).end(data.subarray(Number(range[1]), Number(range[2]) + 1));
    else answer.writeHead(200).end(data);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
});
afterEach(() => void server.close());

function pictures(): Pictures {
  const address = server.address() as { port: number };
  return new Pictures(`http://127.0.0.1:${address.port}/`, async () => site);
}

async function bytes(found: Map<number, Blob>): Promise<Record<number, number[]>> {
  const entries = [...found].map(async ([number, blob]) => [number, [...new Uint8Array(await blob.arrayBuffer())]]);
  return Object.fromEntries(await Promise.all(entries));
}

const whole = (number: number) => Array(number + 1).fill(number);

describe.each([true, false])("a server that knows ranges: %s", (knows) => {
  it("gives pictures with one request a pack, and none twice", async () => {
    ranges = knows;
    const made = pictures();
    expect(await bytes(await made.blobs("tiles", [4, 1, 2, 2]))).toEqual({ 1: whole(1), 2: whole(2), 4: whole(4) });
    expect(asked.sort()).toEqual(["/tiles.index", "/tiles/00000.jpgs 1-5", "/tiles/00001.jpgs 4-8"]);
    asked = [];
    expect(await bytes(await made.blobs("tiles", [1, 4]))).toEqual({ 1: whole(1), 4: whole(4) });
    expect(asked).toEqual([]);
    // A whole pack that came is kept too.
    expect(await bytes(await made.blobs("tiles", [0, 3]))).toEqual({ 0: whole(0), 3: whole(3) });
    expect(asked.length).toBe(knows ? 2 : 0);
  });
});

it("leaves out what there is not, and asks again for what failed", async () => {
  broken = "00001";
  const made = pictures();
  expect(await bytes(await made.blobs("tiles", [-1, 0, 3, 99]))).toEqual({ 0: whole(0) });
  broken = "";
  expect(await bytes(await made.blobs("tiles", [3]))).toEqual({ 3: whole(3) });
});

it("fails without an index, and finds it later", async () => {
  broken = "index";
  const made = pictures();
  await expect(made.blobs("tiles", [0])).rejects.toThrow("tiles.index: 404");
  broken = "";
  expect(await bytes(await made.blobs("tiles", [0]))).toEqual({ 0: whole(0) });
});

it("asks for the smallest part of each pack", () => {
  expect(partsOf([5, 300, 7, 256, 6], 256)).toEqual([
    { pack: 0, first: 5, last: 7 },
    { pack: 1, first: 256, last: 300 },
  ]);
});
