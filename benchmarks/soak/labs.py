"""What the parts run on: the tests' tiny dataset, and labs that share a table of points but not their results."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.em_chain import EM
from synapse_assets.stores import DatasetStore
from synapse_assets_tests import conftest
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.stores import object_store as storage
from synapse_assets_tests.stores.object_store import ObjectStore

MODELS = ("encoder", "umap_model", "cluster_model", "synapse_classifier")
# Released tables that lie in Parquet files, by name.
RESULTS = {
    name: EM.tables[name]
    for facts in EM.assets
    for name in facts.released
    if name not in ("synapses", "tiles", "embeddings")
}
PARTITIONS = "tiny_brain_region"
# Everything that follows from new points, in order; None: one run for all regions.
CHAIN: tuple[tuple[str, bool], ...] = (
    ("synapse_table", False),
    ("alignment", False),
    ("synapses", True),
    ("synapse_labels", True),
    ("tile_plan", True),
    ("tiles", True),
    ("encoder", False),
    ("splits", False),
    ("embeddings", True),
    ("umap_model", False),
    ("cluster_model", False),
    ("synapse_classifier", False),
    ("umap_coordinates", True),
    ("clusters", True),
    ("synapse_predictions", True),
    ("cluster_cards", False),
    ("neuron_predictions", False),
    ("vector_index", False),
    ("warehouse", False),
)


class _Folders:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mktemp(self, name: str) -> Path:
        made = self._folder / name
        made.mkdir()
        return made


def tiny_inputs(folder: Path) -> Path:
    """The inputs of the tiny dataset, in that folder: the fixture of the tests, outside of pytest."""
    return Path(conftest.tiny_inputs.__wrapped__(_Folders(folder)))  # type: ignore[attr-defined]


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """The S3-compatible storage of the tests, outside of pytest."""
    yield from storage.object_store.__wrapped__()  # type: ignore[attr-defined]


def quiet() -> None:
    """Nothing but figures is printed, and a process computes in one thread: several of them share the cores.

    Asked to end, it ends what it has started as well.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # UMAP sets the threads of all OpenMP users to numba's number, and a trained encoder depends on theirs in the last bits.
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    os.environ.setdefault("MPLBACKEND", "agg")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    logging.disable(logging.ERROR)


class SoakLab(Lab):
    """A lab at `root`, a folder or an address, of a dataset whose points lie somewhere already."""

    def __init__(self, dataset: EmDataset, root: str, instance: dg.DagsterInstance) -> None:
        self.root = root  # type: ignore[assignment]
        self.points = Path(dataset.sources[0].path)  # type: ignore[union-attr]
        self.instance = instance
        self.use(dataset)

    def step(self, name: str, region: str | None, raises: bool = True) -> dg.ExecuteInProcessResult:
        """One asset, of a region where it has regions."""
        return self.materialize(name, region=region if dict(CHAIN)[name] else None, raises=raises)


def duplicates(ids: list[Any]) -> int:
    """How many of them are there once more."""
    return len(ids) - len(set(ids))


def contents(store: DatasetStore, asset: str | None = None) -> dict[str, pa.Table]:
    """Every table, or those that an asset makes, as a reader of the stores finds it, by name, its rows in a fixed order.

    Raises if one cannot be read.
    """
    from synapse_assets.query import open_warehouse
    from synapse_assets.schema import SYNAPSES
    from synapse_assets.stores.rows import vectors_in_use
    from synapse_assets.stores.warehouse import read_released

    found: dict[str, pa.Table] = {}
    if asset in (None, "synapse_table"):
        found["synapse_table"] = pa.concat_tables(
            store.synapse_table.read(region) for region in store.synapse_table.regions()
        )
    for name in {"synapses", "tiles", "embeddings"} & {asset} if asset else ("synapses", "tiles", "embeddings"):
        table = vectors_in_use(store) if name == "embeddings" else getattr(store, name)
        found[name] = table.read(None, table.table.names)
    for name in RESULTS:
        if asset in (None, name):
            found[name] = store.results(RESULTS[name]).read()
    for name in MODELS:
        if asset in (None, name):
            found[name] = _versions(store, name)
    if asset in (None, "warehouse"):
        with open_warehouse(store.dataset, store.data_root) as warehouse:
            released = set(warehouse.release["tables"])
        for name, table in {"synapses": SYNAPSES, **RESULTS}.items():
            if name in released:
                found[f"warehouse.{name}"] = read_released(store, table)
    return {name: in_order(table) for name, table in found.items()}


def _versions(store: DatasetStore, name: str) -> pa.Table:
    models = store.models(name)
    versions = [models.current, models.candidate]
    for version in versions:
        if version is not None:
            models.provenance(version)
            models.path(version)
    return pa.table({"what": ["in use", "candidate"], "version": pa.array(versions, pa.string())})


def in_order(table: pa.Table) -> pa.Table:
    """The rows sorted by all columns that can be."""
    keys = [field.name for field in table.schema if pa.types.is_string(field.type) or pa.types.is_integer(field.type)]
    return table.sort_by([(key, "ascending") for key in keys]) if keys and table.num_rows else table


def shifted(points: pd.DataFrame, region: str, dx: int, dy: int, generation: int) -> pd.DataFrame:
    """All points of a region lie elsewhere, and its first synapse has another name: one is gone, one is new."""
    points = points.copy()
    rows = points["region"] == region
    points.loc[rows, "x"] += dx
    points.loc[rows, "y"] += dy
    first = points.index[rows][0]
    points.loc[first, "id"] = f"{points.loc[first, 'id'].split('g')[0]}g{generation}"
    return points
