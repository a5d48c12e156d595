// What runs on the page of the map.

import frameStyle from "../../../synapse_assets/explorer/static/map.css";
import { type Ask, connect } from "../connection";
import { BadInput, Unreadable } from "../errors";
import { Release } from "../release";
import { Pictures } from "../tiles";
import { addresses, quote } from "../urls";
import controlsStyle from "./controls.css";
import { element } from "./dom";
import { Frame, MapPage } from "./page";
import type { Similar } from "./search";

const root = new URL(`${document.body.dataset.root ?? "."}/`, document.baseURI);
const entry = document.body.dataset.entry ?? "";
const main = document.querySelector("main");

// From a file nothing can be fetched: `app.ts` says so.
if (main !== null && location.protocol !== "file:") void open(main);

async function open(place: HTMLElement): Promise<void> {
  const data = new URL(`${quote(entry)}/browse/`, root).href;
  document.head.append(element("style", {}, frameStyle, controlsStyle));
  const frame = new Frame(place);
  try {
    const release = await Release.open(data, (loaded, total) => frame.loading(loaded, total));
    const { site } = release;
    const [points, numbers, positions] = await Promise.all([release.points(), release.numbers(), release.map()]);
    const pictures = new Pictures(data, () => Promise.resolve(site));
    const { at, card_url } = addresses(root.href.replace(/\/$/, ""));
    const parameters = new URLSearchParams(location.search);
    const page = {
      site,
      points,
      numbers,
      positions,
      similar: asker(data),
      addresses: {
        cardUrl: (id: string) => card_url(entry, id),
        searchUrl: (id: string) => `${at(entry)}/search/?synapse_id=${quote(id)}`,
        clustersUrl: "clusters" in site.pages ? `${at(entry)}/clusters/` : null,
      },
      fill: (part: ParentNode) => pictures.fill(part),
    };
    new MapPage(frame, page, parameters);
  } catch (error) {
    if (!(error instanceof BadInput || error instanceof Unreadable)) console.error(error);
    const unknown =
      "the map could not be shown, because something failed here that should not; the browser's console says what";
    frame.stop(error instanceof BadInput || error instanceof Unreadable ? error.message : unknown);
  }
}

/** Asks as the page of the search does, in its worker. */
function asker(data: string): Similar {
  let connected: Promise<Ask> | null = null;
  return async (parameters) => {
    connected ??= connect(new URL("look/", root).href, data);
    const ask = await connected;
    const { content } = await ask({ page: "search", parameters: [...parameters], cluster: "" }, () => {});
    if (typeof content.reason === "string") throw new BadInput(content.reason);
    const columns = content.found as { tiles: { synapse_id: string }[] }[];
    return columns.flatMap(({ tiles }) => tiles.map((tile) => tile.synapse_id));
  };
}
