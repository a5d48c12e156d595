"""One very large brain region through Dagster, from the table to the release: what each stage holds in memory.

    python -m benchmarks.region [points, default 1000000] [--fewer 100000] [--stages tiles ...]

The fewer points first, then all of them, each stage in a process of its own: what a stage holds a row is the difference of its peaks. Tiles
are 32 x 32 x 1 voxels and the network is the smallest there is, so that the figure is that of the bookkeeping. The last `tiles` and the
last `embeddings` find nothing to do. With `--stages` only these are measured of the larger number, on what a run with `--keep FOLDER` left.
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorstore as ts

SHAPE_ZYX = (64, 1024, 1024)
TILE_PX = 32
WHOLE = ("synapse_table", "alignment", "encoder", "vector_index", "warehouse")
STAGES = (
    "synapse_table",
    "alignment",
    "synapses",
    "synapse_labels",
    "tile_plan",
    "tiles",
    "tiles",
    "encoder",
    "embeddings",
    "embeddings",
    "vector_index",
    "warehouse",
)
REGION = "ME_R"


def _inputs(folder: Path, points: int) -> None:
    import timm
    import torch
    from safetensors.torch import save_file

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
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", in_chans=1, num_classes=0)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, folder / "weights.safetensors"
    )


def _run(folder: Path, asset: str, answer: Any) -> None:
    """One stage: seconds, and the peak of this process's memory in MB before and after it."""
    import dagster as dg

    from synapse_assets.datasets import EmDataset
    from synapse_assets.definitions import build_definitions
    from synapse_assets.settings import Settings

    source = {"name": "table", "format": "points", "volume": "em", "path": str(folder / "points.parquet")}
    columns = {"synapse_id": "id", "neuron_id": "neuron"}
    encoder = {"origin": "checkpoint", "architecture": "test_resnet", "checkpoint": str(folder / "weights.safetensors")}
    values = {
        "name": "bench",
        "title": "One region",
        "description": "A region of many points.",
        "volumes": {"em": {"kind": "precomputed", "url": str(folder / "em"), "voxel_size_nm": [4, 4, 40]}},
        "sources": [{**source, "units": "voxel", "columns": columns, "brain_region": REGION}],
        "grouping": ["neuron_id"],
        "tile": {"size_px": TILE_PX, "sections": 1},
        "encoder": encoder,
    }
    settings = Settings(data_root=str(folder / "data"), datasets=[], device="cpu")
    job = build_definitions(
        settings, datasets=[EmDataset.model_validate(values)]
    ).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.local_temp(str(folder / "instance")) as instance:
        instance.add_dynamic_partitions("bench_brain_region", [REGION])
        before, began = _peak_mb(), time.perf_counter()
        job.execute_in_process(
            asset_selection=[dg.AssetKey(["bench", asset])],
            partition_key=None if asset in WHOLE else REGION,
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        answer.send((time.perf_counter() - began, before, _peak_mb()))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder: Path, points: int, stages: Sequence[str]) -> list[tuple[str, float, float, float]]:
    """Of each stage: its asset, seconds, and the peak of its process before and after it, in MB."""
    spawn = multiprocessing.get_context("spawn")
    if not (folder / "points.parquet").exists():
        (folder / "instance").mkdir(parents=True)
        _inputs(folder, points)
    rows = []
    for asset in stages:
        here, there = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_run, args=(folder, asset, there))
        process.start()
        there.close()
        rows.append((asset, *here.recv()))
        process.join()
        print(f"{points:12,} {asset:16s}{rows[-1][1]:10.1f} s{rows[-1][3]:8.0f} MB", flush=True)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--fewer", type=int)
    parser.add_argument("--stages", nargs="*", default=STAGES)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    points, stages = arguments.points, arguments.stages
    fewer = arguments.fewer or points // 10
    with tempfile.TemporaryDirectory() as name:
        root = arguments.keep or Path(name)
        few = measure(root / str(fewer), fewer, stages)
        if not arguments.keep:
            shutil.rmtree(root / str(fewer))
        many = measure(root / str(points), points, stages)
    print(f"{'':16s}{fewer:>14,} points{'':11s}{points:>12,} points")
    print(f"{'asset':16s}{'seconds':>12s}{'peak MB':>10s}{'seconds':>18s}{'peak MB':>10s}{'bytes a row':>14s}")
    for (asset, a, _, mb_a), (_, b, _, mb_b) in zip(few, many, strict=True):
        slope = (mb_b - mb_a) * 2**20 / (points - fewer)
        print(f"{asset:16s}{a:12.1f}{mb_a:10.0f}{b:18.1f}{mb_b:10.0f}{slope:14,.0f}")


if __name__ == "__main__":
    main()
