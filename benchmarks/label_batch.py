"""A round of labelling: how long it takes to choose 100 synapses out of a million, and what that holds in memory.

    python -m benchmarks.label_batch [synapses, default 1000000] [--strategies k_means margin ...]

A planted store of a tenth of the synapses first, then of all of them: 10 regions, 20,000 neurons, vectors of 32 numbers in 30 clusters,
of which three each are a class; a tenth is labelled, and a linear probe fitted on 2,000 of these. Each round is chosen in a process of its
own.

seconds   from the stored tables to the stored round, with importing the libraries; CPU of all threads
peak MB   of the process, with what importing the libraries takes
"""

import argparse
import logging
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from synapse_assets.datasets import EmDataset
from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES, TILES, Table
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import Provenance
from synapse_assets.stores.rows import vector_rows

WIDTH, REGIONS, NEURONS, CLUSTERS, CLASSES = 32, 10, 20_000, 30, 10
BATCH = 100
STRATEGIES = ("k_means", "margin", "two_stream", "badge", "core_set", "typiclust", "random")
NAME = "planted"
Result = TypeVar("Result")


def dataset(strategy: str) -> EmDataset:
    """A dataset of which nothing is read but what stands here."""
    return EmDataset.model_validate(
        {
            "name": NAME,
            "title": "Planted synapses",
            "description": "Planted synapses.",
            "volumes": {"v": {"kind": "images", "url": "nowhere", "voxel_size_nm": (4.0, 4.0, 40.0)}},
            "sources": [
                {
                    "name": "s",
                    "format": "points",
                    "volume": "v",
                    "path": "nowhere.csv",
                    "units": "nm",
                    "columns": {"neuron_id": "neuron"},
                }
            ],
            "grouping": ["neuron_id"],
            "tile": {"size_px": 64, "sections": 3},
            "labelling": {"batch": BATCH, "strategy": strategy},
        }
    )


def plant(root: str, rows: int) -> None:
    """That many synapses with tiles (of a few bytes), vectors, labels, and a classifier."""
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe, fit_probe

    store, random = DatasetStore(root, NAME), np.random.default_rng(0)
    centres = random.normal(size=(CLUSTERS, WIDTH)).astype(np.float32)
    vectors = store.vectors("encoder", WIDTH)
    for number in range(REGIONS):
        count, region = rows // REGIONS, f"R{number}"
        cluster = random.integers(0, CLUSTERS, count)
        drawn = centres[cluster] + 0.5 * random.normal(size=(count, WIDTH)).astype(np.float32)
        target = np.char.add("class ", (cluster % CLASSES).astype(str)).astype(object)
        target[random.random(count) > 0.1] = None
        ids = [f"{region}-{at:06d}" for at in range(count)]
        about: dict[str, Any] = {
            "synapse_id": ids,
            "brain_region": [region] * count,
            "volume": ["v"] * count,
            **{f"{axis}_nm": random.uniform(0, 2e5, count) for axis in "xyz"},
            "neuron_id": random.integers(0, NEURONS, count),
            "source": ["s"] * count,
            "source_file": ["f"] * count,
            "target": target,
            "tile_hash": ids,
            "crop_hash": ids,
            "image": [b"0"] * count,
            "valid_fraction": [1.0] * count,
            "section_contrast": [[1.0]] * count,
        }
        store.synapses.replace_region(region, _table(SYNAPSES, about), [])
        store.tiles.replace_region(region, _table(TILES, about), [])
        store.results(SYNAPSE_LABELS).write_partition(region, _table(SYNAPSE_LABELS, about))
        vectors.replace_region(region, vector_rows(vectors.table, ids, region, ids, "encoder", drawn), [])
    known = np.flatnonzero(target != None)[:2_000]  # noqa: E711 -- of every element
    probe = fit_probe(drawn[known], list(target[known]), 0)
    assert isinstance(probe, LinearProbe)
    encoder = Provenance("encoder", "encoder", {}, {}, 0, {"dimensions": float(WIDTH)})
    classifier = Provenance("synapse_classifier", "probe", {"encoder": "encoder"}, {}, 0)
    for provenance, write in ((encoder, lambda folder: None), (classifier, probe.save)):
        models = store.models(provenance.name)
        models.save(provenance.version, write, provenance)
        models.promote(provenance.version)


def _table(table: Table, about: dict[str, Any]) -> pa.Table:
    count = len(about["synapse_id"])
    return pa.table(
        {
            field.name: pa.array(about[field.name], field.type) if field.name in about else pa.nulls(count, field.type)
            for field in table.arrow
        },
        schema=table.arrow,
    )


def _planted(root: str, rows: int) -> float:
    began = time.perf_counter()
    plant(root, rows)
    return time.perf_counter() - began


def _chosen(root: str, strategy: str) -> tuple[float, float, float]:
    from synapse_assets.pipeline.em.labelling.suggestions import suggest_round

    began = time.perf_counter()
    store = DatasetStore(root, NAME)
    report = suggest_round(store, dataset(strategy), f"by {strategy}", "cpu", logging.getLogger("quiet"))
    assert report.rows == BATCH
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _in_own_process(function: Callable[..., Result], *arguments: object) -> Result:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synapses", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, choices=STRATEGIES)
    asked = parser.parse_args()
    for rows in (asked.synapses // 10, asked.synapses):
        with tempfile.TemporaryDirectory() as root:
            print(f"\n{rows:,} synapses x {WIDTH}, planted in {_in_own_process(_planted, root, rows):.0f} s")
            print(f"{'':14s}{'seconds':>10s}{'CPU':>10s}{'peak MB':>10s}")
            for strategy in asked.strategies:
                seconds, cpu, peak = _in_own_process(_chosen, root, strategy)
                print(f"{strategy:14s}{seconds:10.1f}{cpu:10.1f}{peak:10.0f}", flush=True)


if __name__ == "__main__":
    main()
