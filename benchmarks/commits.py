"""How fast tiles are committed, how many bytes they take, and what an incremental commit saves.

Run it by itself: `python -m benchmarks.commits [tiles]`. Pictures are random bytes of the size of a
coded tile, so nothing compresses; the last two figures are of drawn membranes, 256 x 256 x 3, encoding included. The
memory is the peak of the process; every commit runs in a process of its own.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import ndimage

from synapse_assets.schema import TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import encode_tile, tile_hash

IMAGE_BYTES = 40_000
BATCH = 256


def _batches(start: int, stop: int, content: str) -> Iterator[pa.RecordBatch]:
    random = np.random.default_rng(0)
    for first in range(start, stop, BATCH):
        ids = [f"s{number}" for number in range(first, min(first + BATCH, stop))]
        columns = {
            "synapse_id": ids,
            "brain_region": ["R"] * len(ids),
            "tile_hash": [content + one for one in ids],
            "crop_hash": [content] * len(ids),
            "image": [random.bytes(IMAGE_BYTES) for _ in ids],
            "valid_fraction": [1.0] * len(ids),
            "section_contrast": [[20.0]] * len(ids),
        }
        yield pa.RecordBatch.from_pydict(columns, schema=TILES.arrow)


def _commit(root: str, stop: int, content: str, results: Any) -> None:
    store = DatasetStore(root, "bench")
    store.tiles.count()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    drawn = time.perf_counter()
    for _ in _batches(0, stop, content):
        pass
    drawing = time.perf_counter() - drawn
    started = time.perf_counter()
    store.tiles.replace_region("R", pa.RecordBatchReader.from_batches(TILES.arrow, _batches(0, stop, content)), [])
    seconds = time.perf_counter() - started - drawing
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put({"seconds": max(seconds, 1e-9), "peak_mb": peak, "base_mb": before})


def _in_own_process(root: str, stop: int, content: str) -> dict[str, float]:
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    process = spawn.Process(target=_commit, args=(root, stop, content, results))
    process.start()
    found: dict[str, float] = results.get(timeout=600)
    process.join()
    return found


def encoded_and_committed(tiles: int) -> dict[str, float]:
    """Tiles a second and bytes a tile from grey values to the commit: hashed, encoded, staged, committed. One core encodes."""
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.standard_normal((3, 1024, 1024), dtype=np.float32), (0.5, 6, 6))
    ridges = 100 * np.exp(-np.square(smooth / smooth.std() * 4))
    sections = np.clip(160 - ridges + 14 * random.standard_normal(smooth.shape, dtype=np.float32), 0, 255)
    places = random.integers(0, 1024 - 256, (tiles, 2))
    with tempfile.TemporaryDirectory() as root:
        store = DatasetStore(root, "bench")
        store.tiles.count()
        staging = store.staging("tiles", "R", "k")
        started = time.perf_counter()
        for first in range(0, tiles, BATCH):
            cut = [sections[:, y : y + 256, x : x + 256].astype(np.uint8) for y, x in places[first : first + BATCH]]
            columns = {
                "synapse_id": [f"s{first + number}" for number in range(len(cut))],
                "brain_region": ["R"] * len(cut),
                "tile_hash": [tile_hash(tile) for tile in cut],
                "crop_hash": ["c"] * len(cut),
                "image": [encode_tile(tile) for tile in cut],
                "valid_fraction": [1.0] * len(cut),
                "section_contrast": [[20.0] * 3] * len(cut),
            }
            staging.append(pa.RecordBatch.from_pydict(columns, schema=TILES.arrow))
        store.tiles.replace_region("R", staging.reader() or TILES.empty(), [])
        seconds = time.perf_counter() - started
        staging.clear()
        return {
            "encoded_and_committed_per_second": round(tiles / seconds),
            "encoded_bytes_per_tile": round(_size(Path(root)) / tiles),
        }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(tiles: int) -> dict[str, float]:
    """Figures for a region of that many tiles of 40 kB; times leave out the drawing of the pictures."""
    with tempfile.TemporaryDirectory() as root:
        first = _in_own_process(root, tiles, "a")
        size = _size(Path(root))
        full = _in_own_process(root, tiles, "b")
        before = _size(Path(root))
        part = _in_own_process(root, max(1, tiles // 100), "c")
        return {
            "tiles": tiles,
            "tiles_per_second": round(tiles / first["seconds"]),
            "bytes_per_tile": round(size / tiles),
            "overhead_ratio": round(size / tiles / IMAGE_BYTES, 4),
            "peak_rss_mb": round(first["peak_mb"]),
            "rss_before_mb": round(first["base_mb"]),
            "full_rewrite_seconds": round(full["seconds"], 3),
            "one_percent_seconds": round(part["seconds"], 3),
            "incremental_to_full_time": round(part["seconds"] / full["seconds"], 4),
            "incremental_to_full_bytes": round((_size(Path(root)) - before) / size, 4),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", nargs="?", type=int, default=5000)
    count = parser.parse_args().tiles
    print(json.dumps({**measure(count), **encoded_and_committed(min(count, 2000))}, indent=2))
