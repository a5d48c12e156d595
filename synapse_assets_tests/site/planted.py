"""Small releases written straight into the stores: for sites of ids, names and numbers of pictures that the tiny lab does not have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import EmDataset
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
from synapse_assets_tests.conftest import tiny_dataset

WIDTH, SECTIONS, SIZE_PX = 24, 3, 16
REGION = "EB"


def planted_dataset(root: Path, **changes: object) -> EmDataset:
    """The dataset of a planted release; its volume is never opened."""
    return tiny_dataset(root, root / "points.csv", name="planted", **changes)


def planted_tiles(count: int, sections: int = SECTIONS) -> npt.NDArray[np.uint8]:
    """Tiles (count, sections, SIZE_PX, SIZE_PX) that differ in their grey, from each other and from section to section."""
    grey = np.linspace(20, 200, count)[:, None] + 15 * np.arange(sections)
    ramp = np.linspace(0, 20, SIZE_PX)
    return (grey[..., None, None] + ramp[:, None] + ramp).clip(0, 255).astype(np.uint8)


def plant(
    root: Path,
    ids: Sequence[str],
    target: Sequence[str | None] | None = None,
    sections: int = SECTIONS,
    reported: bool = True,
    without_picture: Sequence[int] = (),
) -> DatasetStore:
    """A release of these synapses. target: their known classes. without_picture: rows of `ids` without tile and vector. reported: whether
    the report on compression recommends 16 leading numbers in int8."""
    store, count, random = DatasetStore(str(root), "planted"), len(ids), np.random.default_rng(0)
    classes = list(target or [("gaba", "glutamate", None)[number % 3] for number in range(count)])
    about: dict[str, Any] = {
        "synapse_id": list(ids),
        "brain_region": [REGION] * count,
        "volume": ["em"] * count,
        **{axis: random.uniform(0, 1e4, count) for axis in ("x_nm", "y_nm", "z_nm")},
        "neuron_id": [None if number % 5 == 4 else 720_575_940_600_000_000 + number % 7 for number in range(count)],
        "source": ["s"] * count,
        "source_file": ["f"] * count,
        "target": classes,
        "predicted": [name or "gaba" for name in classes],
        "probability": random.uniform(0.3, 1, count),
        "probabilities": [{name or "gaba": 0.75, "other": 0.25} for name in classes],
        "reduced": [[0.0]] * count,
        "known_classes": [[]] * count,
        "out_of_fold": [True] * count,
        "classifier": ["c"] * count,
        "umap_1": random.normal(size=count),
        "umap_2": random.normal(size=count),
        "umap_model": ["u"] * count,
        "cluster": [number % 4 - 1 for number in range(count)],
        "cluster_model": ["k"] * count,
    }
    store.synapses.replace_region(REGION, _table(SYNAPSES, about), [])
    results = [store.results(one) for one in (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES, CLUSTERS)]
    for table in (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES, CLUSTERS):
        store.results(table).write_partition(REGION, _table(table, about))
    pictured = [number for number in range(count) if number not in without_picture]
    about |= {"tile_hash": ["h"] * count, "crop_hash": ["h"] * count, "valid_fraction": [1.0] * count}
    about |= {"section_contrast": [[30.0]] * count, "image": encode_tiles(planted_tiles(count, sections)).to_pylist()}
    store.tiles.replace_region(REGION, _table(TILES, about).take(pa.array(pictured, pa.int64())), [])
    vectors = store.vectors("encoder", WIDTH)
    matrix = (random.normal(size=(count, WIDTH)) / np.arange(1, WIDTH + 1)).astype(np.float32)
    # A table of vectors is never empty; this one is of no synapse of the release.
    known, matrix = [*(ids[row] for row in pictured), "of an older release"], matrix[[*pictured, 0]]
    rows = vector_rows(vectors.table, known, REGION, ["h"] * len(known), "encoder", matrix)
    vectors.replace_region(REGION, rows, [])
    report = store.results(COMPRESSION_REPORT)
    report.write(_report() if reported else COMPRESSION_REPORT.empty())
    named = {"models": {"encoder": "encoder"}, "scores": {"encoder": {"dimensions": WIDTH}}}
    build_warehouse(store, [store.synapses, store.tiles, vectors, *results, report], named)
    return store


def _report() -> pa.Table:
    ways = [
        ("full", WIDTH, "float16", 0.0),
        ("full", WIDTH, "int8", 0.0),
        ("leading numbers", 16, "float16", 0.001),
        ("leading numbers", 16, "int8", 0.002),
    ]
    rows = [
        {
            "encoder": "encoder", "method": method, "dimensions": size, "number": number, "bytes": size * (1 + (number == "float16")),
            "label": "class", "score": "precision", "k": 10, "value": 0.9 - loss, "queries": 100, "groups": 9, "loss": loss,
        }
        for method, size, number, loss in ways
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
