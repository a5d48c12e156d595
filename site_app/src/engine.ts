// Answers what a page asks: with the name of a template and its content, as plain values that a worker can send.

import { type Content, Pages } from "./content";
import { BadInput, Unreadable } from "./errors";
import { type Progress, Release } from "./release";
import type { SiteFile } from "./site";

export type PageName = "search" | "gallery" | "synapse" | "cluster";

/** What a page asks. cluster: the number in the address of a cluster's page. */
export interface Request {
  page: PageName;
  parameters: [string, string][];
  cluster: string;
}

export interface Answer {
  template: string;
  content: Content;
}

/** The release of one entry, and the answers that are made of it. */
export class Engine {
  private opened: Promise<{ release: Release; pages: Pages }> | null = null;

  /** A sign of life. */
  isThere(): boolean {
    return true;
  }

  /** The answer to a request about the entry whose files are in a folder; what cannot be answered is answered with the reason. */
  async answer(folder: string, request: Request, progress: Progress): Promise<Answer> {
    let shared: Content = {};
    try {
      const { release, pages } = await this.open(folder, progress);
      shared = sharedContent(release.site);
      return await answerOf(pages, request, shared);
    } catch (error) {
      if (error instanceof BadInput || error instanceof Unreadable) {
        return { template: "sorry.html", content: { ...shared, reason: error.message } };
      }
      throw error;
    }
  }

  private async open(folder: string, progress: Progress): Promise<{ release: Release; pages: Pages }> {
    this.opened ??= (async () => {
      const release = await Release.open(folder, progress);
      // Fetched at once, read when they are needed.
      release.vectors().catch(() => {});
      return { release, pages: new Pages(release, await release.points()) };
    })();
    try {
      return await this.opened;
    } catch (error) {
      this.opened = null;
      throw error;
    }
  }
}

async function answerOf(pages: Pages, request: Request, shared: Content): Promise<Answer> {
  const { page, parameters, cluster } = request;
  const template = `${page}.html`;
  if (page === "search") return { template, content: { ...shared, ...(await pages.search(parameters)) } };
  if (page === "gallery") return { template, content: { ...shared, ...(await pages.gallery(parameters)) } };
  if (page === "cluster") return { template, content: { ...shared, ...(await pages.cluster(cluster, parameters)) } };
  const synapseId = parameters.find(([name]) => name === "synapse_id")?.[1];
  if (synapseId === undefined) throw new BadInput("The address lacks synapse_id=");
  return { template, content: { ...shared, ...(await pages.synapse(synapseId)) } };
}

/** What every page of an entry has. */
function sharedContent(site: SiteFile): Content {
  return {
    dataset: site.entry,
    release: site.release.id,
    noun: site.noun,
    words: site.words,
    datasets: site.datasets,
    pages_of: site.pages_of,
  };
}
