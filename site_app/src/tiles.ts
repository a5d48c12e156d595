// Pictures: many lie in one file (a pack), of which the part that a screen needs is fetched when it is seen.

import type { SiteFile } from "./site";

type Kind = "tiles" | "sections";
/** Where the pictures of a pack that are wanted begin and end. */
interface Part {
  pack: number;
  first: number;
  last: number;
}

// Pictures that are kept: 30 MB or so.
const KEPT = 8192;
const MARGIN_PX = 400;

/** The pictures of an entry. */
export class Pictures {
  private readonly kept = new Map<string, Blob>();
  private readonly ends = new Map<Kind, Promise<Uint32Array>>();
  private readonly seen = new Set<HTMLImageElement>();
  private observer: IntersectionObserver | null = null;

  /** folder: URL of `browse/`, with a slash at the end. */
  constructor(
    private readonly folder: string,
    private readonly site: () => Promise<SiteFile>,
  ) {}

  /** Fills every <img data-tile="N"> below an element, once it is seen; `data-section` asks for one of its sections. */
  fill(root: ParentNode): void {
    this.observer ??= new IntersectionObserver((entries) => this.saw(entries), { rootMargin: `${MARGIN_PX}px` });
    for (const image of root.querySelectorAll<HTMLImageElement>("img[data-tile]")) this.observer.observe(image);
  }

  /** Pictures by their numbers; those that cannot be had are left out. Asks once for each pack that has some of them. */
  async blobs(kind: Kind, numbers: Iterable<number>): Promise<Map<number, Blob>> {
    const wanted = new Set(numbers);
    const missing = [...wanted].filter((number) => !this.kept.has(`${kind}${number}`));
    if (missing.length) {
      const ends = await this.endsOf(kind);
      const parts = partsOf(
        missing.filter((number) => number >= 0 && number < ends.length),
        await this.perPack(kind),
      );
      await Promise.allSettled(parts.map((part) => this.fetch(kind, part, ends)));
    }
    return new Map(
      [...wanted].flatMap((number) => {
        const blob = this.kept.get(`${kind}${number}`);
        return blob ? [[number, blob] as const] : [];
      }),
    );
  }

  private saw(entries: IntersectionObserverEntry[]): void {
    const waiting = this.seen.size > 0;
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.observer?.unobserve(target);
      this.seen.add(target as HTMLImageElement);
    }
    // All that come to be seen in one frame are fetched together.
    if (!waiting && this.seen.size) requestAnimationFrame(() => this.show());
  }

  private async show(): Promise<void> {
    const images = [...this.seen];
    this.seen.clear();
    const { tiles, sections } = await this.site().catch(() => ({ tiles: null, sections: null }));
    for (const kind of ["tiles", "sections"] as const) {
      const ofAll = (image: HTMLImageElement) => sections !== null && image.dataset.section !== undefined;
      const group = images.filter((image) => ofAll(image) === (kind === "sections"));
      if (!group.length) continue;
      let blobs = new Map<number, Blob>();
      try {
        blobs = await this.blobs(
          kind,
          group.map((image) => Number(image.dataset.tile)),
        );
      } catch {
        // Without the index no picture can be found: each says so.
      }
      for (const image of group) place(image, blobs.get(Number(image.dataset.tile)), tiles?.sections ?? 1);
    }
  }

  private async endsOf(kind: Kind): Promise<Uint32Array> {
    let ends = this.ends.get(kind);
    if (!ends) {
      ends = (async () => new Uint32Array(await (await this.request(`${kind}.index`)).arrayBuffer()))();
      this.ends.set(kind, ends);
      ends.catch(() => this.ends.delete(kind));
    }
    return ends;
  }

  private async perPack(kind: Kind): Promise<number> {
    const site = await this.site();
    return site[kind]!.per_pack;
  }

  private async fetch(kind: Kind, part: Part, ends: Uint32Array): Promise<void> {
    const perPack = await this.perPack(kind);
    const firstOfPack = part.pack * perPack;
    const start = (number: number) => (number === firstOfPack ? 0 : ends[number - 1]!);
    const [begin, end] = [start(part.first), ends[part.last]!];
    const name = `${kind}/${String(part.pack).padStart(5, "0")}.jpgs`;
    const answer = await this.request(name, `bytes=${begin}-${end - 1}`);
    const data = await answer.blob();
    // A server that knows no ranges gives the whole pack.
    const whole = answer.status === 200;
    const offset = whole ? 0 : begin;
    const [first, last] = whole
      ? [firstOfPack, Math.min(firstOfPack + perPack, ends.length) - 1]
      : [part.first, part.last];
    for (let number = first; number <= last; number++) {
      if (ends[number]! - offset > data.size) break;
      this.keep(`${kind}${number}`, data.slice(start(number) - offset, ends[number]! - offset, "image/jpeg"));
    }
  }

  private async request(name: string, range?: string): Promise<Response> {
    const { release } = await this.site();
    const headers = range ? { Range: range } : undefined;
    const answer = await fetch(`${this.folder}${name}?release=${release.id}`, { headers });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return answer;
  }

  private keep(key: string, blob: Blob): void {
    this.kept.set(key, blob);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value!);
  }
}

/** For each pack the first and the last of the pictures that are wanted of it. */
export function partsOf(numbers: Iterable<number>, perPack: number): Part[] {
  const parts = new Map<number, Part>();
  for (const number of numbers) {
    const pack = Math.floor(number / perPack);
    const part = parts.get(pack) ?? { pack, first: number, last: number };
    parts.set(pack, { pack, first: Math.min(part.first, number), last: Math.max(part.last, number) });
  }
  return [...parts.values()];
}

/** Shows a picture; says in its place where there is none. sections: how many lie below each other in a picture of all. */
function place(image: HTMLImageElement, blob: Blob | undefined, sections: number): void {
  if (!blob) {
    const missing = document.createElement("span");
    missing.className = "nothing";
    missing.textContent = Number(image.dataset.tile) < 0 ? "no picture" : "this picture could not be fetched";
    image.replaceWith(missing);
    return;
  }
  const url = URL.createObjectURL(blob);
  const forget = () => URL.revokeObjectURL(url);
  image.addEventListener("load", forget, { once: true });
  image.addEventListener("error", forget, { once: true });
  if (image.dataset.section !== undefined && sections > 1) {
    image.style.objectFit = "cover";
    image.style.objectPosition = `0 ${(100 * Number(image.dataset.section)) / (sections - 1)}%`;
  }
  image.src = url;
}
