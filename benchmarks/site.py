"""What it takes to publish a release as a web site, and what a visitor waits for.

    python -m benchmarks.site [--keep FOLDER] [--million]

A planted release of 100,000 synapses of 6 classes, 40 regions and 2,000 neurons, with tiles of 10 sections of 64 pixels and vectors of
384 numbers, of which the report on compression recommends 64 principal components in int8, is exported in a process of its own: seconds,
and the largest memory of the process. Then a browser visits it (`site_visit`). With --million, another release has a million synapses and
no pictures, for the map: seconds until it is drawn, and milliseconds until a frame after a hand moved it, zoomed it or let go of it, in
headless Chromium without a graphics card. --keep: the sites stay in that folder, as `site_100k` and `site_1m`.
"""

import argparse
import http.server
import logging
import multiprocessing
import resource
import shutil
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.ndimage import gaussian_filter

from benchmarks.explorer import CLASSES, NEURONS, REGIONS, SHARES
from benchmarks.search import WIDTH, drawn
from benchmarks.site_visit import visit
from synapse_assets.schema import (
    CLUSTERS,
    COMPRESSION_REPORT,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
    SYNAPSES,
    TILES,
    UMAP_COORDINATES,
    Table,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_rows
from synapse_assets.stores.warehouse import build_warehouse
from synapse_assets.volumes import encode_tiles

NAME = "planted"
SYNAPSES_OF_A_SITE = 100_000
DIMENSIONS, SECTIONS, SIZE_PX = 64, 10, 64
# Different pictures; each stands for many synapses.
_PICTURES = 1_000


def plant(root: str, rows: int, pictured: bool) -> None:
    """A release of that many synapses. pictured: with tiles and vectors."""
    store, random = DatasetStore(root, NAME), np.random.default_rng(0)
    vectors = store.vectors("encoder", WIDTH)
    images = encode_tiles(_tiles(random), "zstd") if pictured else None
    ids = random.choice(10**9, rows, replace=False).astype(str)
    centres = random.normal(size=(30, 2)) * 8
    for number, mine in enumerate(np.array_split(np.arange(rows), REGIONS)):
        count, region = len(mine), f"R{number:02d}"
        target = random.choice(CLASSES, count, p=SHARES)
        cluster = random.integers(-1, 30, count)
        places = centres[cluster] + random.normal(size=(count, 2)) * np.where(cluster < 0, 8, 1)[:, None]
        about: dict[str, Any] = {
            "synapse_id": ids[mine],
            "brain_region": [region] * count,
            "volume": ["v"] * count,
            **{axis: random.uniform(0, 2e5, count).round() for axis in ("x_nm", "y_nm", "z_nm")},
            "neuron_id": 720_575_940_600_000_000 + random.integers(0, NEURONS, count),
            "source": ["s"] * count,
            "source_file": ["f"] * count,
            "target": target,
            "predicted": target,
            "probability": random.uniform(0.2, 1, count),
            "probabilities": [dict(zip(CLASSES, shares, strict=True)) for shares in random.dirichlet([0.5] * 6, count)],
            "reduced": [[0.0]] * count,
            "known_classes": [[]] * count,
            "out_of_fold": [True] * count,
            "classifier": ["c"] * count,
            "umap_1": places[:, 0],
            "umap_2": places[:, 1],
            "umap_model": ["u"] * count,
            "cluster": cluster,
            "cluster_model": ["k"] * count,
        }
        store.synapses.replace_region(region, _table(SYNAPSES, about), [])
        for table in (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES, CLUSTERS):
            store.results(table).write_partition(region, _table(table, about))
        if images is not None:
            about |= {"tile_hash": ["h"] * count, "crop_hash": ["h"] * count, "valid_fraction": [1.0] * count}
            about |= {"section_contrast": [[30.0]] * count, "image": images.take(pa.array(mine % _PICTURES))}
            store.tiles.replace_region(region, _table(TILES, about), [])
            rows_of = vector_rows(
                vectors.table, list(ids[mine]), region, ["h"] * count, "encoder", drawn(count, number)
            )
            vectors.replace_region(region, rows_of, [])
    results = [store.results(one) for one in (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES, CLUSTERS)]
    if not pictured:
        build_warehouse(store, [store.synapses, *results], {"models": {}, "scores": {}})
        return
    report = store.results(COMPRESSION_REPORT)
    report.write(_report())
    named = {"models": {"encoder": "encoder"}, "scores": {"encoder": {"dimensions": WIDTH}}}
    build_warehouse(store, [store.synapses, store.tiles, vectors, *results, report], named)


def _tiles(random: np.random.Generator) -> np.ndarray:
    noise = random.normal(size=(_PICTURES, SECTIONS, SIZE_PX, SIZE_PX))
    return (gaussian_filter(noise, (0, 0.5, 1.2, 1.2)) * 250 + 128).clip(0, 255).astype(np.uint8)


def _report() -> pa.Table:
    """A report that recommends `DIMENSIONS` principal components in int8."""
    ways = [("full", WIDTH, "float16", 2 * WIDTH), ("principal components", DIMENSIONS, "int8", DIMENSIONS)]
    rows = [
        {
            "encoder": "encoder", "method": method, "dimensions": dimensions, "number": number, "bytes": size, "label": "class",
            "score": "precision", "k": 10, "value": 0.9, "queries": 1000, "groups": NEURONS, "loss": 0.0,
        }
        for method, dimensions, number, size in ways
    ]  # fmt: skip
    return COMPRESSION_REPORT.conform(pa.Table.from_pylist(rows, schema=COMPRESSION_REPORT.arrow))


def _table(table: Table, about: dict[str, Any]) -> pa.Table:
    count = len(about["synapse_id"])
    return pa.table(
        {
            field.name: pa.array(about[field.name], field.type) if field.name in about else pa.nulls(count, field.type)
            for field in table.arrow
        },
        schema=table.arrow,
    )


def _export(root: str, out: str, answer: Any) -> None:
    from synapse_assets.datasets import load_dataset
    from synapse_assets.site.export import export_site

    dataset = load_dataset("sample", root).model_copy(update={"name": NAME, "title": "Planted brain"})
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    export_site(dataset, root, Path(out), logging.getLogger(__name__))
    answer.put((time.perf_counter() - began, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def measure(rows: int, pictured: bool, out: Path) -> None:
    """Print what the export of that many synapses takes."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=out.parent) as root:
        began = time.perf_counter()
        plant(root, rows, pictured)
        print(f"\n{rows:,} synapses planted in {time.perf_counter() - began:.0f} s", flush=True)
        answer = spawn.Queue()
        process = spawn.Process(target=_export, args=(root, str(out), answer))
        process.start()
        seconds, before, peak = answer.get(timeout=3600)
        process.join()
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(
        f"exported in {seconds:.0f} s, peak {peak:.0f} MB ({before:.0f} MB before), {len(files):,} files, {size / 1e6:.0f} MB"
    )
    browse = out / NAME / "browse"
    searched = [
        browse / name for name in ("site.json", "points.parquet", "vectors.i8", "map.parquet", "numbers.parquet")
    ]
    for path in searched:
        if path.exists():
            print(f"  {path.name:20s}{path.stat().st_size / 1e6:8.2f} MB")


# In the page: milliseconds until the second frame after each step, which is when what was drawn in the first can be seen.
_STEPS = """async () => {
  const map = document.querySelector('.map-canvas'), {left, top} = map.getBoundingClientRect();
  const frame = () => new Promise(requestAnimationFrame), later = ms => new Promise(done => setTimeout(done, ms));
  map.setPointerCapture = () => {};
  const mouse = (type, x, y) => map.dispatchEvent(
    new PointerEvent(type, {clientX: left + x, clientY: top + y, pointerId: 1, pointerType: 'mouse'}));
  const wheel = by => map.dispatchEvent(
    new WheelEvent('wheel', {deltaY: by, clientX: left + 350, clientY: top + 300, cancelable: true}));
  const timed = async step => { const began = performance.now(); step(); await frame(); await frame(); return performance.now() - began; };
  const took = {pan: [], zoom: [], still: []};
  mouse('pointerdown', 300, 300);
  for (let step = 1; step <= 30; step++) took.pan.push(await timed(() => mouse('pointermove', 300 + 10 * step, 300 + 4 * step)));
  mouse('pointerup', 600, 420);
  for (let step = 0; step < 30; step++) took.zoom.push(await timed(() => wheel(step < 15 ? -100 : 100)));
  for (let step = 0; step < 10; step++) {
    wheel(step % 2 ? 100 : -100);
    await frame();
    // All points are drawn when the map has stood still for 120 ms.
    const began = performance.now();
    await later(120);
    await frame();
    await frame();
    took.still.push(performance.now() - began - 120);
  }
  return took;
}"""


def map_in_browser(out: Path) -> None:
    """Print how long a browser needs for the map of a site, by WebGL in software or whatever it takes instead, and without WebGL."""
    from playwright.sync_api import sync_playwright

    handler = partial(_Quiet, directory=str(out))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        for flags in ([], ["--disable-3d-apis"]):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox", *flags]
            )
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            began = time.perf_counter()
            page.goto(f"http://127.0.0.1:{server.server_port}/{NAME}/map/")
            page.get_by_text("synapses shown").wait_for(timeout=120_000)
            drawn_after = time.perf_counter() - began
            page.wait_for_timeout(1_000)
            painter = page.locator(".map-canvas").get_attribute("data-painter")
            figures = ", ".join(
                f"{step} {np.median(each):.0f} ms (at most {max(each):.0f})"
                for step, each in page.evaluate(_STEPS).items()
            )
            browser.close()
            print(f"map {' '.join(flags) or 'with WebGL':18s} {drawn_after:.1f} s until drawn; by {painter}: {figures}")
    server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="a map of a million synapses too")
    parser.add_argument("--keep", type=Path, help="folder in which the sites stay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        at = options.keep or Path(folder)
        measure(SYNAPSES_OF_A_SITE, True, at / "site_100k")
        visit(at / "site_100k", NAME)
        if options.million:
            measure(1_000_000, False, at / "site_1m")
            map_in_browser(at / "site_1m")


if __name__ == "__main__":
    main()
