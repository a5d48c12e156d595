"""The leakage report on a real store: its table is released, its check says the gap in words, and what is not known is said."""

import logging
import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.leakage import report_leakage
from synapse_assets.pipeline.report import Markdown, Report
from synapse_assets.query import open_warehouse
from synapse_assets.schema import LEAKAGE_REPORT, SPLITS, SYNAPSES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_rows, vectors_in_use
from synapse_assets_tests.conftest import REGIONS, Lab

LOG = logging.getLogger(__name__)


@pytest.fixture
def store(finished_lab: Lab, tmp_path: Path) -> DatasetStore:
    """A copy of the finished lab's, to change."""
    shutil.copytree(finished_lab.root, tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "tiny")


def reported(store: DatasetStore, dataset: EmDataset) -> tuple[Report, pd.DataFrame]:
    report = report_leakage(store, dataset, LOG)
    rows = store.results(LEAKAGE_REPORT).read().to_pandas()
    assert rows["value"].isna().equals(rows["synapses"] == 0)
    assert (rows["sentence"].str.len() > 20).all()
    return report, rows


def test_the_report_is_released_and_its_check_recorded(finished_lab: Lab) -> None:
    with open_warehouse(finished_lab.dataset, str(finished_lab.root)) as warehouse:
        rows = warehouse.sql("select * from leakage_report")
    encoder = finished_lab.store.models("encoder").current
    assert set(rows["encoder"]) == {encoder}
    assert set(rows[rows["probe"] == "class"]["split"]) == {"random", "neuron_id", "brain_region"}
    # The asset `synapse_classifier` has tested the same probe of the same vectors.
    models = finished_lab.store.models("synapse_classifier")
    scores = models.provenance(str(models.current)).scores
    by_split = rows[rows["probe"] == "class"].set_index("split")["value"]
    assert by_split["neuron_id"] == pytest.approx(scores["balanced_accuracy_neuron_id"])
    assert by_split["random"] == pytest.approx(scores["balanced_accuracy_random"])
    [gap] = rows[(rows["probe"] == "class_gap") & (rows["split"] == "neuron_id")].to_dict("records")
    assert gap["value"] == pytest.approx(scores["random_split_gap"])
    assert set(rows["probe"]) >= {
        "neuron",
        "section",
        "brain_region",
        "volume",
        "source_file",
        "padding",
        "x",
        "contrast",
    }

    key = dg.AssetKey(["tiny", "leakage_report"])
    records = finished_lab.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(key, "random_split_gap_small")]
    )
    [check] = [record.event.asset_check_evaluation for record in records.values() if record.event is not None]
    assert check is not None
    assert check.passed == (gap["value"] <= 0.05)
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == gap["sentence"]


def set_vectors(store: DatasetStore, vectors: np.ndarray, ids: list[str]) -> None:
    """Other vectors (N, 96) of the synapses `ids`."""
    table, encoder = vectors_in_use(store), str(store.models("encoder").current)
    row_of = {synapse_id: row for row, synapse_id in enumerate(ids)}
    for region in REGIONS:
        stored = table.read(region, ["synapse_id", "tile_hash"])
        names, hashes = (stored.column(name).to_pylist() for name in ("synapse_id", "tile_hash"))
        rows = vector_rows(table.table, names, region, hashes, encoder, vectors[[row_of[name] for name in names]])
        table.replace_region(region, rows, [])


def test_recognition_of_neurons_fails_the_check(store: DatasetStore, finished_lab: Lab) -> None:
    rows = store.synapses.read(None, ["synapse_id", "neuron_id"])
    neuron = np.unique(rows.column("neuron_id").to_numpy(), return_inverse=True)[1]
    vectors = np.random.default_rng(0).normal(size=(72, 96)).astype(np.float32)
    vectors[:, :12] += 12 * np.eye(12, dtype=np.float32)[neuron]
    set_vectors(store, vectors, rows.column("synapse_id").to_pylist())
    report, table = reported(store, finished_lab.dataset)
    [gap] = table[(table["probe"] == "class_gap") & (table["split"] == "neuron_id")].to_dict("records")
    assert gap["low"] > 0.1
    [check] = report.checks
    assert not check.passed
    assert check.warn
    claimed, held_out = (
        table[(table["probe"] == "class") & (table["split"] == split)]["value"].item()
        for split in ("random", "neuron_id")
    )
    assert f"{gap['value']:.2f} of what a random split would claim is recognition of neurons" in check.description
    assert f"{claimed:.2f} with a random split, {held_out:.2f} with neurons held out" in check.description
    words = report.details["in_words"]
    assert isinstance(words, Markdown)
    assert words.text.startswith(f"- {check.description}\n")
    assert table[table["probe"] == "neuron"]["value"].item() > 0.8


def test_a_dataset_without_neurons_and_labels_says_so(store: DatasetStore, finished_lab: Lab) -> None:
    for region in REGIONS:
        rows = store.synapses.read(region, SYNAPSES.names)
        at = rows.column_names.index("neuron_id")
        unknown = rows.set_column(at, SYNAPSES.arrow.field("neuron_id"), pa.nulls(rows.num_rows, pa.int64()))
        store.synapses.replace_region(region, unknown, [])
    splits = store.results(SPLITS).read()
    store.results(SPLITS).write(splits.slice(0, 0))
    dataset = finished_lab.dataset.model_copy(update={"grouping": ["brain_region"], "has_neurons": False})
    report, rows = reported(store, dataset)
    assert set(rows[rows["probe"] == "class"]["split"]) == {"random", "brain_region"}
    assert rows[rows["probe"] == "contrast"]["split"].item() == "place"
    [check] = report.checks
    assert "with brain regions held out" in check.description

    labels = store.folder.child("tables", "synapse_labels")
    for name in labels.names():
        labels.remove(name)
    report, rows = reported(store, dataset)
    [check] = report.checks
    assert check.passed
    assert check.description == "The class was not asked for: no labelled synapses have a vector."
    assert rows[rows["probe"] == "contrast"]["value"].notna().all()


def test_no_vectors_is_an_ordinary_outcome(store: DatasetStore, finished_lab: Lab) -> None:
    table = vectors_in_use(store)
    for region in REGIONS:
        rows = table.read(region, table.table.names)
        table.replace_region(region, rows.slice(0, 0), rows.column("synapse_id").to_pylist())
    report, rows = reported(store, finished_lab.dataset)
    assert rows["value"].isna().all()
    assert report.details["sampled_synapses"] == 0
