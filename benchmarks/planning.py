"""What `synapse-assets plan` foretells against what a run takes: chunks, which have to be equal, and time.

    python -m benchmarks.planning [points, default 3000]

Random points, in three regions of unequal size, in a drawn volume of 2048 x 2048 x 64 voxels on this machine (JPEG, chunks of 64^3), tiles
of 160 x 160 x 3; one process, without Ray, by the steps that the assets call. Rates are measured before, as the command does. Beside other
programs a run takes longer: what it spent in the queue for a core is told apart, and the forecast is compared with
the rest and with the seconds of processors.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.tiles import _texture, _write
from synapse_assets.cores import cores, share_cores
from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.alignment import examine_sources
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.pipeline.em.encoder import fit_encoder
from synapse_assets.pipeline.em.planning import forecast as sums
from synapse_assets.pipeline.em.planning.forecast import Forecast, Machines, forecast
from synapse_assets.pipeline.em.planning.rates import GivenRates, find_rates
from synapse_assets.pipeline.em.planning.workload import count_work
from synapse_assets.pipeline.em.synapses import read_synapse_tables, store_region_synapses
from synapse_assets.pipeline.em.tiles import cut_tiles, plan_tiles
from synapse_assets.schema import TILE_PLAN
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes.cropping import plan_in_use

LOG = logging.getLogger(__name__)


def planned_dataset(folder: Path, points: int, codec: str = "png") -> EmDataset:
    """The dataset, whose volume and table are drawn into `folder`."""
    rng = np.random.default_rng(0)
    _write(folder / "em", _texture(rng), "jpeg", (64, 64, 64))
    x, y, z = rng.integers((128, 128, 1), (2048 - 128, 2048 - 128, 62), (points, 3)).T
    table = pd.DataFrame({"id": [f"s{row:07d}" for row in range(points)], "x": x, "y": y, "z": z, "neuron": 1})
    table["region"] = np.array(["EB", "FB", "NO"])[
        (np.arange(points) > points // 6) + (np.arange(points) > points // 2) * 1
    ]
    table.to_csv(folder / "points.csv", index=False)
    columns = {"synapse_id": "id", "neuron_id": "neuron", "brain_region": "region"}
    source = {"name": "table", "format": "points", "volume": "em", "path": str(folder / "points.csv"), "units": "voxel"}
    return EmDataset.model_validate(
        {
            "name": "planned",
            "title": "Planned",
            "description": "Random points in a drawn volume.",
            "volumes": {"em": {"kind": "precomputed", "url": str(folder / "em"), "voxel_size_nm": [4, 4, 40]}},
            "sources": [{**source, "columns": columns}],
            "grouping": ["neuron_id"],
            "tile": {"size_px": 160, "sections": 3, "codec": codec},
        }
    )


@dataclass
class Taken:
    """Seconds on the clock, those of them that the main thread waited for a core, and seconds of processors, that were taken so far."""

    seconds: float = 0.0
    queued: float = 0.0
    core_seconds: float = 0.0

    @property
    def alone(self) -> float:
        """Seconds on the clock, had there been no other program."""
        return self.seconds - self.queued

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Adds what is done within."""
        clock, processors, queued = time.perf_counter(), time.process_time(), _queued()
        yield
        self.queued += _queued() - queued
        self.seconds += time.perf_counter() - clock
        self.core_seconds += time.process_time() - processors


def _queued() -> float:
    """Seconds that this thread was ready to run and waited for a core, by Linux; 0 elsewhere."""
    path = Path("/proc/thread-self/schedstat")
    return int(path.read_text(encoding="ascii").split()[1]) / 1e9 if path.exists() else 0.0


def run(store: DatasetStore, dataset: EmDataset, regions: list[str]) -> tuple[dict[str, Taken], int]:
    """What the stages of a run take, by their name, and the chunks that the tile plans counted."""
    tiles, vectors, chunks = Taken(), Taken(), 0
    examine_sources(store, dataset, LOG)
    for region in regions:
        with tiles.counting():
            store_region_synapses(store, dataset, region)
        plan_tiles(store, dataset, region)
        chunks += sum(row["chunks"] for row in plan_in_use(store.results(TILE_PLAN).read(region)))
        with tiles.counting():
            cut_tiles(store, dataset, region, LOG)
    fit_encoder(store, dataset, "cpu", LOG)
    for region in regions:
        with vectors.counting():
            embed_region(store, region, "cpu", LOG)
    return {"tiles": tiles, "embeddings": vectors}, chunks


def seconds_of(found: Forecast, stage: str) -> float:
    """How long a stage was foretold to take."""
    return sum(one.seconds for one in found.stages if one.name == stage)


def measure(points: int, codec: str) -> None:
    """Print a line a stage."""
    with tempfile.TemporaryDirectory() as name:
        dataset = planned_dataset(Path(name), points, codec)
        store = DatasetStore(f"{name}/data", dataset.name)
        read_synapse_tables(store, dataset, [], LOG)
        started = time.perf_counter()
        work = count_work(store, dataset)
        counting = time.perf_counter() - started
        rates = find_rates(store, dataset, work, "cpu", GivenRates())
        measuring = time.perf_counter() - started - counting
        found = forecast(work, rates, Machines(1, on_ray=False))
        taken, chunks = run(store, dataset, [one.region for one in work.regions])
        assert chunks == work.whole.chunks, "the plan counts other chunks than tile_plan"
        core_s = {
            "tiles": sums.decode_s(work, rates, on_ray=False) + sums.encode_s(work, rates),
            "embeddings": sums.embed_s(work, rates) + work.tiles / rates.reread.value,
        }
        print(f"\n{points:,} tiles as {codec} on {cores()} cores: {chunks:,} chunks foretold and counted")
        print(f"counted in {counting:.1f} s, rates measured in {measuring:.1f} s")
        taken["all"] = Taken(*(sum(getattr(one, what) for one in taken.values()) for what in vars(Taken())))
        core_s["all"] = sum(core_s.values())
        print(
            f"{'':12s}{'seconds':>9s}{'queued':>8s}{'foretold':>10s}{'times':>7s}{'core-s':>9s}{'foretold':>10s}{'times':>7s}"
        )
        for stage, one in taken.items():
            foretold = found.hours * 3600 if stage == "all" else seconds_of(found, stage)
            print(
                f"{stage:12s}{one.seconds:9.1f}{one.queued:8.1f}{foretold:10.1f}{one.alone / foretold:7.2f}{one.core_seconds:9.1f}"
                f"{core_s[stage]:10.1f}{one.core_seconds / core_s[stage]:7.2f}"
            )


def main() -> None:
    """Print the tables."""
    share_cores()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", nargs="?", type=int, default=3000)
    points = parser.parse_args().points
    measure(points, "png")
    measure(points, "zstd")


if __name__ == "__main__":
    main()
