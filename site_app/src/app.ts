// What runs on every page of a site: it fills pictures, and where a page is made in the browser, makes it and follows links within the
// entry without loading a page again. The page of the map has a script of its own (`map/`).

import { type Ask, connect } from "./connection";
import type { Answer } from "./engine";
import { Unreadable } from "./errors";
import { asFolder, placeOf, servingCommand } from "./places";
import { renderer } from "./render";
import type { SiteFile } from "./site";
import { Pictures } from "./tiles";
import { quote } from "./urls";

// A page that comes sooner says nothing of what it waits for.
const PATIENCE_MS = 150;
const SCROLL_KEPT_MS = 200;

const root = new URL(`${document.body.dataset.root ?? "."}/`, document.baseURI);
const entry = document.body.dataset.entry ?? "";
const main = document.querySelector("main")!;

function start(): void {
  const look = new URL("look/", root).href;
  const data = new URL(`${quote(entry)}/browse/`, root).href;
  let site: Promise<SiteFile> | null = null;
  const pictures = new Pictures(data, () => {
    site ??= fetch(`${data}site.json`).then((answer) => answer.json());
    return site;
  });
  if (placeOf(new URL(location.href), root, entry)) new Shell(connect(look, data), pictures).start();
  else pictures.fill(document);
}

/** A page that is made in the browser, and those that links in it lead to. */
class Shell {
  private readonly render = renderer(root.href.replace(/\/$/, ""));
  // Counts navigations: an answer that comes after the next question was asked is dropped.
  private asked = 0;
  private shown = "";

  constructor(
    private readonly ask: Promise<Ask>,
    private readonly pictures: Pictures,
  ) {}

  start(): void {
    // The address of the page changes, and with it what its relative links mean.
    for (const link of document.querySelectorAll<HTMLAnchorElement>("a[href]")) link.href = String(link.href);
    history.scrollRestoration = "manual";
    document.addEventListener("click", (event) => this.clicked(event));
    document.addEventListener("submit", (event) => this.submitted(event));
    window.addEventListener("popstate", () => this.movedInHistory());
    let waiting = 0;
    window.addEventListener("scroll", () => {
      clearTimeout(waiting);
      waiting = window.setTimeout(keepScroll, SCROLL_KEPT_MS);
    });
    this.show(new URL(location.href), null);
  }

  private clicked(event: MouseEvent): void {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[href]");
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || link.target || !isPlain || event.defaultPrevented) return;
    const url = new URL(link.href);
    if (url.hash && withoutHash(url) === withoutHash(new URL(location.href))) return;
    if (!placeOf(url, root, entry)) return;
    event.preventDefault();
    this.go(url);
  }

  private submitted(event: SubmitEvent): void {
    const form = event.target as HTMLFormElement;
    const url = new URL(form.action);
    if (form.method !== "get" || !placeOf(url, root, entry)) return;
    event.preventDefault();
    const values = [...new FormData(form, event.submitter)];
    url.search = new URLSearchParams(values.map(([name, value]): [string, string] => [name, String(value)])).toString();
    this.go(url);
  }

  private go(url: URL): void {
    keepScroll();
    const next = asFolder(url);
    if (next.href === location.href) history.replaceState(null, "", next);
    else history.pushState(null, "", next);
    this.show(next, 0);
  }

  private movedInHistory(): void {
    if (withoutHash(new URL(location.href)) === this.shown) return;
    this.show(new URL(location.href), (history.state as { scroll?: number } | null)?.scroll ?? 0);
  }

  /** Shows a page. scroll: where to, in pixels; null on the first page, which the browser scrolls. */
  private async show(url: URL, scroll: number | null): Promise<void> {
    const place = placeOf(url, root, entry)!;
    const asked = ++this.asked;
    this.shown = withoutHash(url);
    main.ariaBusy = "true";
    const patience = new Waiting(scroll === null ? 0 : PATIENCE_MS);
    let answer: Answer;
    try {
      const parameters = [...url.searchParams];
      answer = await (await this.ask)({ ...place, parameters }, (loaded, total) => patience.loaded(loaded, total));
    } catch (error) {
      answer = { template: "sorry.html", content: { reason: reasonOf(error) } };
    }
    patience.over();
    if (asked !== this.asked) return;
    const { title, html } = this.render(answer);
    main.innerHTML = html;
    main.ariaBusy = "false";
    document.title = title;
    markPage(place.page === "cluster" ? "clusters" : place.page);
    this.pictures.fill(main);
    if (scroll !== null) {
      main.tabIndex = -1;
      main.focus({ preventScroll: true });
      scrollTo({ top: scroll, behavior: "instant" });
    } else {
      scrollTo({ top: (history.state as { scroll?: number } | null)?.scroll ?? 0, behavior: "instant" });
    }
  }
}

/** Says in <main> what is being waited for, if it takes its time. */
class Waiting {
  private readonly timer: number;
  private element: HTMLElement | null = null;
  private text = "Loading ...";

  constructor(patienceMs: number) {
    this.timer = window.setTimeout(() => this.show(), patienceMs);
  }

  loaded(bytes: number, total: number | null): void {
    const megabytes = (count: number) => (count / 1e6).toFixed(1);
    this.text = `Loading ${megabytes(bytes)}${total === null ? "" : ` of ${megabytes(total)}`} MB ...`;
    if (this.element) this.element.textContent = this.text;
  }

  over(): void {
    clearTimeout(this.timer);
    this.element?.remove();
  }

  private show(): void {
    this.element = document.createElement("p");
    this.element.className = "quiet";
    this.element.setAttribute("role", "status");
    this.element.textContent = this.text;
    main.prepend(this.element);
  }
}

/** Marks the page in the header that is open. */
function markPage(page: string): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>("header nav a")) {
    const isOpen = new URL(link.href).pathname.replace(/\/$/, "").endsWith(`/${page}`);
    if (isOpen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function keepScroll(): void {
  history.replaceState({ scroll: window.scrollY }, "");
}

function withoutHash(url: URL): string {
  return asFolder(url).href.replace(/#.*$/, "");
}

function reasonOf(error: unknown): string {
  if (error instanceof Unreadable) return error.message;
  console.error(error);
  return "this could not be shown, because something failed here that should not; the browser's console says what";
}

function sayThatAHostIsNeeded(): void {
  const reason = document.createElement("p");
  reason.className = "reason";
  reason.setAttribute("role", "alert");
  const command = document.createElement("code");
  command.textContent = servingCommand(root);
  reason.append(
    "This site was opened from a file, and a browser lets no file load others: search, map and pictures need a web server. This serves it ",
    "here, at http://127.0.0.1:8000/: ",
    command,
  );
  main.prepend(reason);
}

if (location.protocol === "file:") sayThatAHostIsNeeded();
else if (entry) start();
