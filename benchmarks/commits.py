"""How fast tiles are committed, how many bytes they take, and what an incremental commit saves.

Run it by itself: `python -m benchmarks.commits [tiles]`. Pictures are random bytes of the size of a
coded tile, so nothing compresses; four figures are of drawn membranes, 256 x 256 x 3, encoding included, in CPU seconds. The
memory is the peak of the process; every commit runs in a process of its own.

The last figures are of a million small rows, half of them new, written beforehand and committed to a table of four million: as it is
done now, and with the search of before, which indexed the ids anew for every batch.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import ndimage

from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.schema import TILES, embedding_table
from synapse_assets.stores import DatasetStore, WrittenPart, region_table
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.row_search import Search
from synapse_assets.volumes import encode_tiles, tile_hash
from synapse_assets.volumes.cropping import section_contrast

if TYPE_CHECKING:
    from lance import LanceDataset

    from synapse_assets.stores.row_search import Offsets

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


def _in_own_process(function: Callable[..., None], *arguments: Any) -> dict[str, float]:
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    process = spawn.Process(target=function, args=(*arguments, results))
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


def _ids(start: int, count: int) -> list[str]:
    return [f"flywire_{number:012d}" for number in range(start, start + count)]


def _vectors(region: str, start: int, count: int) -> pa.RecordBatchReader:
    """Rows of a small vector each, in pieces."""
    schema = embedding_table(4).arrow

    def pieces() -> Iterator[pa.RecordBatch]:
        for first in range(start, start + count, 65_536):
            ids = _ids(first, min(65_536, start + count - first))
            columns = {
                "synapse_id": ids,
                "brain_region": [region] * len(ids),
                "tile_hash": ["0123456789abcdef"] * len(ids),
                "model_id": ["m"] * len(ids),
                "vector": np.full((len(ids), 4), 0.5, np.float16).tolist(),
            }
            yield pa.RecordBatch.from_pydict(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, pieces())


class _SearchOfBefore(Search):
    """The search as it was: once a version, the ids indexed anew for each batch of 65,536 rows."""

    def look(self, dataset: "LanceDataset") -> "tuple[Offsets, Offsets]":
        """As `Search.look`."""
        if dataset.version not in self._seen:
            places: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
            scanner = dataset.scanner(columns=["synapse_id", "brain_region"], with_row_address=True, batch_size=65_536)
            written, gone = self._written.cast(pa.string()), self._gone.cast(pa.string())
            for batch in scanner.to_reader():
                new = pc.is_in(batch.column("synapse_id"), value_set=written)
                old = pc.and_(
                    pc.is_in(batch.column("synapse_id"), value_set=gone),
                    pc.equal(batch.column("brain_region"), self._region),
                )
                for offsets, mask in zip(places, (new, pc.and_not(old, new)), strict=True):
                    for address in batch.column("_rowaddr").filter(mask).to_pylist():
                        offsets.setdefault(address >> 32, []).append(address & 0xFFFFFFFF)
            replaced, deleted = ({number: np.array(at) for number, at in kind.items()} for kind in places)
            self._seen = {dataset.version: (replaced, deleted)}  # type: ignore[dict-item]
        return self._seen[dataset.version]  # type: ignore[index,return-value]


def _peak_mb() -> float:
    """Of this process alone; `getrusage` begins with the peak of the one that started it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _commit_parts(uri: str, texts: list[str], before: bool, results: Any) -> None:
    if before:
        region_table.Search = _SearchOfBefore  # type: ignore[misc]
    table, parts = RegionTable(uri, embedding_table(4)), [WrittenPart.from_json(text) for text in texts]
    table.count("R0")
    base = _peak_mb()
    started = time.perf_counter()
    done = table.commit("R0", parts, _ids(0, 10))
    seconds = time.perf_counter() - started
    results.put(
        {"seconds": seconds, "extra_mb": _peak_mb() - base, "rows": table.count(), "deleted": done.rows_deleted}
    )


def shown_beside_before(stored: int = 4_000_000, written: int = 1_000_000) -> dict[str, float]:
    """Seconds and peak memory of committing `written` rows, half of them there already, to a table of `stored` rows."""
    with tempfile.TemporaryDirectory() as root:
        table = RegionTable(f"{root}/now.lance", embedding_table(4))
        share = stored // 4
        for number in range(4):
            table.replace_region(f"R{number}", _vectors(f"R{number}", number * share, share), [])
        part = written // 4
        starts = range(stored - written // 2, stored + written // 2, part)
        texts = [table.write_part("R0", _vectors("R0", start, part)).to_json() for start in starts]
        shutil.copytree(table.uri, f"{root}/before.lance")
        now = _in_own_process(_commit_parts, f"{root}/now.lance", texts, False)
        before = _in_own_process(_commit_parts, f"{root}/before.lance", texts, True)
        for found in (now, before):
            assert (found["rows"], found["deleted"]) == (stored + written // 2 - 10, 10), found
        return {
            "million_into_four_seconds": round(now["seconds"], 2),
            "million_into_four_seconds_before": round(before["seconds"], 2),
            "million_into_four_times_faster": round(before["seconds"] / now["seconds"], 1),
            "million_into_four_extra_peak_mb": round(now["extra_mb"]),
            "million_into_four_extra_peak_mb_before": round(before["extra_mb"]),
        }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(tiles: int) -> dict[str, float]:
    """Figures for a region of that many tiles of 40 kB; times leave out the drawing of the pictures."""
    with tempfile.TemporaryDirectory() as root:
        first = _in_own_process(_commit, root, tiles, "a")
        size = _size(Path(root))
        full = _in_own_process(_commit, root, tiles, "b")
        before = _size(Path(root))
        part = _in_own_process(_commit, root, max(1, tiles // 100), "c")
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
    figures |= shown_beside_before()
    print(json.dumps(figures, indent=2))
