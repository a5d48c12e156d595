"""What a visitor of a site waits for: the first result of a search, cold, and every further one.

    python -m benchmarks.site_visit FOLDER [ENTRY]

FOLDER is an exported site (`benchmarks.site --keep` leaves one). Headless Chromium opens a search in columns by class, each time with an
empty cache, from a host of plain files on this machine, with ranges and without: seconds until the results are there, and until the
first picture is; bytes sent, of which pictures; then many searches one after the other, from the click until the results are drawn.
"""

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from synapse_assets_tests.site.hosts import PlainHost, generous_host

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COLD, WARM = 3, 40
# Follows a search as a link does, and gives the milliseconds until its results are drawn.
_SEARCHED = """async address => {
  const began = performance.now();
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  const main = document.querySelector("main");
  await new Promise(done => {
    const observer = new MutationObserver(() => main.ariaBusy === "false" && (observer.disconnect(), done()));
    observer.observe(main, { attributes: true });
  });
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def visit(folder: Path, entry: str) -> None:
    """Print what a visitor of an entry of a site waits for."""
    from playwright.sync_api import sync_playwright

    browse = folder / entry / "browse"
    described = json.loads((browse / "site.json").read_text(encoding="utf-8"))
    ids = pq.read_table(browse / "points.parquet", columns=["synapse_id"]).column(0).to_pylist()
    chosen = [ids[int(row)] for row in np.random.default_rng(0).choice(len(ids), COLD + WARM, replace=False)]
    vectors = described["vectors"]
    print(f"\n{len(ids):,} synapses, {vectors['dimensions']} numbers each in int8, columns by class, cosine distance")
    for name, of in (("int8 against floats of that width", "recall_int8"), ("against the full width", "recall_full")):
        recall = vectors[of]
        print(f"  recall@10 {name}: {recall['value']:.3f} ({recall['low']:.3f} to {recall['high']:.3f})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        # The browser itself is warm.
        browser.new_context().new_page().close()
        for title, make in (("with ranges", generous_host), ("without ranges", PlainHost)):
            _visit_host(browser, title, make(folder), entry, chosen)
        browser.close()


def _visit_host(browser: "Browser", title: str, host: PlainHost, entry: str, ids: list[str]) -> None:
    first, pictured, sizes, packs, warm = [], [], [], [], []
    for synapse_id in ids[:COLD]:
        del host.sent[:], host.asked[:]
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        page = context.new_page()
        began = time.perf_counter()
        page.goto(f"{host.url}/{entry}/search/?columns=target&synapse_id={synapse_id}")
        page.wait_for_selector(".results figure.tile")
        first.append(time.perf_counter() - began)
        page.wait_for_selector(".results img[src^=blob]")
        pictured.append(time.perf_counter() - began)
        page.wait_for_load_state("networkidle")
        sizes.append(sum(host.sent) / 1e6)
        packs.append(sum(".jpgs" in path for _, path, _ in host.asked))
        if not warm:
            searches = [f"?columns=target&synapse_id={one}" for one in ids[COLD:]]
            # Pictures would be fetched meanwhile; what is measured is the search.
            context.route("**/*.jpgs*", lambda route: route.abort())
            warm = [page.evaluate(_SEARCHED, search) for search in searches]
        context.close()
    host.stop()
    print(
        f"{title:16s} first result {statistics.median(first):.2f} s ({max(first):.2f} at most), first picture "
        f"{statistics.median(pictured):.2f} s; {statistics.median(sizes):.1f} MB, of pictures {statistics.median(packs):.0f} requests; "
        f"a search {statistics.median(warm):.0f} ms (9 of 10 within {np.quantile(warm, 0.9):.0f})",
        flush=True,
    )


def _chromium() -> str:
    return next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an exported site")
    parser.add_argument("entry", nargs="?", default="planted", help="which of its entries")
    options = parser.parse_args()
    visit(options.folder, options.entry)


if __name__ == "__main__":
    main()
