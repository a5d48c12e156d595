"""One very large brain region through Dagster: table, synapses, plan and tiles, and what they hold in memory.

    python -m benchmarks.region [points, default 1000000]

A tenth of the points first, then all of them, each in a process of its own: what is held per point is the difference. Tiles are
tiny (8 x 8 x 1 voxels), so that the figure is that of the bookkeeping and not of the disk.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorstore as ts

SHAPE_ZYX = (64, 1024, 1024)
ASSETS = ("synapse_table", "synapses", "synapse_labels", "tile_plan", "tiles", "tiles")


def _inputs(folder: Path, points: int) -> None:
    rng = np.random.default_rng(0)
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{folder}/em/",
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "resolution": [4, 4, 40],
                "size": SHAPE_ZYX[::-1],
                "chunk_size": [64, 64, 64],
                "encoding": "raw",
            },
        },
        create=True,
    ).result()
    store[..., 0] = rng.integers(1, 255, SHAPE_ZYX[::-1], dtype=np.uint8)
    z, y, x = rng.integers(8, np.array(SHAPE_ZYX) - 8, (points, 3)).T
    table = {"id": np.arange(points), "x": x, "y": y, "z": z, "neuron": rng.integers(0, 1000, points) + 2**60}
    pq.write_table(pa.table(table), folder / "points.parquet")


def _run(points: int, answer: Any) -> None:
    import dagster as dg

    from synapse_assets.datasets import EmDataset
    from synapse_assets.definitions import build_definitions
    from synapse_assets.settings import Settings

    with tempfile.TemporaryDirectory() as name, dg.DagsterInstance.ephemeral() as instance:
        folder = Path(name)
        _inputs(folder, points)
        source = {"name": "table", "format": "points", "volume": "em", "path": str(folder / "points.parquet")}
        columns = {"synapse_id": "id", "neuron_id": "neuron"}
        values = {
            "name": "bench",
            "title": "One region",
            "description": "A region of many points.",
            "volumes": {"em": {"kind": "precomputed", "url": str(folder / "em"), "voxel_size_nm": [4, 4, 40]}},
            "sources": [{**source, "units": "voxel", "columns": columns, "brain_region": "ME_R"}],
            "grouping": ["neuron_id"],
            "tile": {"size_px": 8, "sections": 1},
        }
        settings = Settings(data_root=str(folder / "data"), datasets=[], device="cpu")
        definitions = build_definitions(settings, datasets=[EmDataset.model_validate(values)])
        job = definitions.resolve_implicit_global_asset_job_def()
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        for asset in ("synapse_table", "alignment"):
            began = time.perf_counter()
            job.execute_in_process(asset_selection=[dg.AssetKey(["bench", asset])], instance=instance, run_config=quiet)
            answer.put((asset, time.perf_counter() - began, _peak_mb()))
        for asset in ASSETS[1:]:
            began = time.perf_counter()
            job.execute_in_process(
                asset_selection=[dg.AssetKey(["bench", asset])],
                partition_key="ME_R",
                instance=instance,
                run_config=quiet,
            )
            answer.put((asset, time.perf_counter() - began, _peak_mb()))
        answer.put(None)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(points: int) -> list[tuple[str, float, float]]:
    """Asset, seconds, and peak memory of the process so far in MB; the last `tiles` finds nothing to do."""
    spawn = multiprocessing.get_context("spawn")
    answer = spawn.Queue()
    process = spawn.Process(target=_run, args=(points, answer))
    process.start()
    rows = list(iter(lambda: answer.get(timeout=1800), None))
    process.join()
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", nargs="?", type=int, default=1_000_000)
    points = parser.parse_args().points
    few, many = measure(points // 10), measure(points)
    print(f"{'':18s}{points // 10:>12,} points{'':9s}{points:>12,} points")
    print(f"{'asset':18s}{'seconds':>12s}{'peak MB':>10s}{'seconds':>18s}{'peak MB':>10s}{'times':>8s}")
    for (name, a, mb_a), (_, b, mb_b) in zip(few, many, strict=True):
        print(f"{name:18s}{a:12.1f}{mb_a:10.0f}{b:18.1f}{mb_b:10.0f}{b / a:8.1f}")
    bytes_a_point = (many[-1][2] - few[-1][2]) * 2**20 / (points * 0.9)
    print(f"held per further point: {bytes_a_point:,.0f} bytes")


if __name__ == "__main__":
    main()
