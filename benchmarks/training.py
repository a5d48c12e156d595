"""How fast a network is trained with labels, whether a Lance table of tiles keeps up with it, and what memory that takes.

    python -m benchmarks.training [--tiles 100000] [--device cuda] [--codec zstd]

Membranes are not needed for this: a few hundred smooth random tiles of 3 x 160 x 160 are stored over and over, as bytes of their own.
Each figure is taken in a process of its own, so that its peak of memory is its. On a shared machine the ratios are worth more than rates.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import ndimage

from synapse_assets.datasets import NetworkChoice, TileSpec
from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.schema import TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import decode_tiles, encode_tiles

TILE = TileSpec(size_px=160, sections=3)
DISTINCT = 256
ROWS = 512  # of a written batch
CLASSES = ("a", "b", "c", "d", "e", "f")
# Multiply-adds of resnet18 for 160 x 160 px, forwards and twice that backwards, two operations each.
FLOP_A_TILE = 0.93e9 * 3 * 2
SPAWN = multiprocessing.get_context("spawn")


def smooth_tiles() -> npt.NDArray[np.uint8]:
    """About as compressible as sections."""
    shape = (DISTINCT, TILE.sections, TILE.size_px, TILE.size_px)
    values = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape, np.float32), (0, 0, 2, 2))
    noise = np.random.default_rng(1).standard_normal(shape, np.float32) * 8
    return np.clip(values / values.std() * 30 + 128 + noise, 0, 255).astype(np.uint8)


def write_table(root: Path, count: int, codec: TileCodec) -> None:
    """A table of tiles in one region."""
    images = encode_tiles(smooth_tiles(), codec)

    def batches() -> Iterator[pa.RecordBatch]:
        for first in range(0, count, ROWS):
            numbers = range(first, min(first + ROWS, count))
            columns = {
                "synapse_id": [f"s{number:09d}" for number in numbers],
                "brain_region": ["R"] * len(numbers),
                "tile_hash": [str(number % DISTINCT) for number in numbers],
                "crop_hash": ["c"] * len(numbers),
                "image": images.take(pa.array([number % DISTINCT for number in numbers])),
                "valid_fraction": [1.0] * len(numbers),
                "section_contrast": [[20.0] * TILE.sections] * len(numbers),
            }
            yield pa.RecordBatch.from_pydict(columns, schema=TILES.arrow)

    reader = pa.RecordBatchReader.from_batches(TILES.arrow, batches())
    DatasetStore(str(root), "bench").tiles.replace_region("R", reader, [])


def stored_tiles(root: Path) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]]:
    """Reads rows of the table, in any order."""
    table = DatasetStore(str(root), "bench").tiles
    table = table.at_version(table.version)
    return lambda rows: decode_tiles(table.take(rows.tolist(), ["image"]).column("image"))


def measured_reading(root: Path, count: int, batches: int, batch: int) -> dict[str, float]:
    """Tiles a second, of random rows."""
    tiles, rng = stored_tiles(root), np.random.default_rng(2)
    tiles(rng.integers(0, count, batch))
    began, processor = time.perf_counter(), time.process_time()
    for _ in range(batches):
        tiles(rng.integers(0, count, batch))
    done = batches * batch
    return {"wall": done / (time.perf_counter() - began), "a core": done / (time.process_time() - processor)}


def measured_training(
    root: Path, count: int, steps: int, batch: int, device: str, from_table: bool
) -> dict[str, float]:
    """Seconds until the first step is done, and tiles a second of the others."""
    from synapse_assets.vision.training.supervised import LabelledTiles, train_network

    began = time.perf_counter()
    held = smooth_tiles()
    tiles = stored_tiles(root) if from_table else (lambda rows: held[rows % DISTINCT])
    data = LabelledTiles(tiles, np.arange(count) % len(CLASSES), np.arange(count) // (count // 4))
    finished: list[float] = []
    train_network(
        NetworkChoice(architecture="resnet18", steps=steps, batch_size=batch),
        CLASSES,
        TILE,
        (4.0, 4.0, 40.0),
        data,
        np.arange(count),
        seed=0,
        device=device,
        folder=root / f"checkpoints_{from_table}",
        progress=lambda row: finished.append(time.perf_counter()),
    )
    return {"start": finished[0] - began, "tiles": (steps - 1) * batch / (finished[-1] - finished[0])}


def _measure(measure: Callable[..., dict[str, float]], arguments: tuple[Any, ...], results: Any) -> None:
    found = measure(*arguments)
    results.put(found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2})


def alone(measure: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """What it measures in a process of its own, and its peak of memory in GB."""
    results = SPAWN.Queue()
    process = SPAWN.Process(target=_measure, args=(measure, arguments, results))
    process.start()
    found: dict[str, float] = results.get(timeout=1800)
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiles", type=int, default=4000, help="of the larger table; the smaller has a tenth")
    parser.add_argument("--steps", type=int, default=6, help="at most 100, of each training")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--codec", choices=["png", "zstd"], default="png")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "small", Path(name) / "large"
        write_table(small, asked.tiles // 10, asked.codec)
        write_table(large, asked.tiles, asked.codec)
        reading = alone(measured_reading, large, asked.tiles, 20, asked.batch)
        options = (asked.steps, asked.batch, asked.device)
        memory = alone(measured_training, large, asked.tiles, *options, False)
        from_large = alone(measured_training, large, asked.tiles, *options, True)
        from_small = alone(measured_training, small, asked.tiles // 10, *options, True)
    print(
        f"resnet18, {TILE.sections} x {TILE.size_px} px, batches of {asked.batch}, {asked.codec}; device {asked.device}\n"
        f"  random rows of {asked.tiles:,}: {reading['wall']:.0f} tiles/s, {reading['a core']:.0f} a core\n"
        f"  training from memory: {memory['tiles']:.1f} tiles/s, {memory['tiles'] * FLOP_A_TILE / 1e12:.2f} TFLOP/s\n"
        f"  the table reads x{reading['wall'] / memory['tiles']:.1f} as fast as the network takes\n"
        f"  training from the table: {from_large['tiles']:.1f} tiles/s, x{from_large['tiles'] / memory['tiles']:.2f}\n"
        f"  first step after {from_large['start']:.1f} s, peak {from_large['peak']:.2f} GB; with a tenth of the tiles "
        f"{from_small['start']:.1f} s, {from_small['peak']:.2f} GB"
    )


if __name__ == "__main__":
    main()
