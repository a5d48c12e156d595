// How a page reaches the engine: through a worker, or without one where the browser has none or refuses it.

import { proxy, type Remote, wrap } from "comlink";
import type { Answer, Engine, Request } from "./engine";
import { Unreadable } from "./errors";
import type { Progress } from "./release";

export type Ask = (request: Request, progress: Progress) => Promise<Answer>;

/** Connects to the engine. look: the folder of the scripts; data: that of the entry's files; URLs that end in a slash. */
export async function connect(look: string, data: string): Promise<Ask> {
  const remote = await inWorker(`${look}worker.js`);
  if (remote) return (request, progress) => remote.answer(data, request, proxy(progress)) as Promise<Answer>;
  const engine = await inPage(`${look}worker.js`);
  return (request, progress) => engine.answer(data, request, progress);
}

async function inWorker(script: string): Promise<Remote<Engine> | null> {
  try {
    const worker = new Worker(script);
    const failed = new Promise<never>((_, reject) => worker.addEventListener("error", reject, { once: true }));
    const remote = wrap<Engine>(worker);
    await Promise.race([remote.isThere(), failed]);
    return remote;
  } catch {
    return null;
  }
}

function inPage(script: string): Promise<Engine> {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = script;
    element.addEventListener("load", () => resolve((globalThis as unknown as { siteEngine: Engine }).siteEngine));
    element.addEventListener("error", () =>
      reject(new Unreadable(`${script} could not be fetched: load the page again`)),
    );
    document.head.append(element);
  });
}
