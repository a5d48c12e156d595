"""How fast tiles are committed, how many bytes they take, and what an incremental commit saves.

Run it by itself: `python -m benchmarks.commits [tiles]`. Pictures are random bytes of the size of a
coded tile, so nothing compresses; the last four figures are of drawn membranes, 256 x 256 x 3, encoding included, in CPU seconds. The
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
import numpy.typing as npt
import pyarrow as pa
from scipy import ndimage

from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.schema import TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import encode_tiles, tile_hash
from synapse_assets.volumes.cropping import section_contrast

IMAGE_BYTES = 40_000
BATCH = 256
READ_BYTES = 2**24  # as many grey values as a volume gives at a time


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


def encoded_and_committed(tiles: npt.NDArray[np.uint8], count: int, codec: TileCodec) -> tuple[float, float]:
    """CPU microseconds and stored bytes a tile from grey values to the commit: hashed, encoded, staged, committed, on one core.

    The `tiles` (N, sections, size_px, size_px) are stored over and over, until there are `count`. CPU time is of all
    threads and of the kernel, which writes the files.
    """
    tiles = tiles[: READ_BYTES // tiles[0].size]
    with tempfile.TemporaryDirectory() as root:
        store = DatasetStore(root, "bench")
        store.tiles.count()
        staging = store.staging("tiles", "R", "k")
        started = time.process_time()
        for first in range(0, count, len(tiles)):
            columns = {
                "synapse_id": [f"s{first + number}" for number in range(len(tiles))],
                "brain_region": ["R"] * len(tiles),
                "tile_hash": [tile_hash(tile) for tile in tiles],
                "crop_hash": ["c"] * len(tiles),
                "image": encode_tiles(tiles, codec),
                "valid_fraction": [1.0] * len(tiles),
                "section_contrast": list(section_contrast(tiles)),
            }
            staging.append(pa.RecordBatch.from_pydict(columns, schema=TILES.arrow))
        store.tiles.replace_region("R", staging.reader() or TILES.empty(), [])
        seconds = time.process_time() - started
        staging.clear()
        stored = store.tiles.count()
        return seconds / stored * 1e6, _size(Path(root)) / stored


def membranes(count: int) -> npt.NDArray[np.uint8]:
    """Tiles (count, 3, 256, 256) of drawn membranes with grain."""
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.standard_normal((3, 1024, 1024), dtype=np.float32), (0.5, 6, 6))
    ridges = 100 * np.exp(-np.square(smooth / smooth.std() * 4))
    sections = np.clip(160 - ridges + 14 * random.standard_normal(smooth.shape, dtype=np.float32), 0, 255)
    places = random.integers(0, 1024 - 256, (count, 2))
    return np.stack([sections[:, y : y + 256, x : x + 256] for y, x in places]).astype(np.uint8)


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
    figures = measure(count)
    codecs: dict[TileCodec, int] = {"png": 200, "zstd": 2000}
    for codec, tiles in codecs.items():
        microseconds, size = encoded_and_committed(membranes(85), tiles, codec)
        figures[f"{codec}_encoded_and_committed_per_cpu_second"] = round(1e6 / microseconds)
        figures[f"{codec}_bytes_per_tile"] = round(size)
    print(json.dumps(figures, indent=2))
