"""The scorecard on a real store: every encoder and baseline has its rows, a candidate is judged before it is promoted, and a sentence
says why where nothing can be judged."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.encoder import fit_encoder
from synapse_assets.pipeline.em.scorecard import _centre_pixels, _principal_components, score_encoders
from synapse_assets.pipeline.report import Markdown, Report
from synapse_assets.schema import RETRIEVAL_SCORECARD, SYNAPSE_LABELS, SYNAPSES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_rows, vectors_in_use
from synapse_assets_tests.conftest import REGIONS, Lab, tiny_dataset

LOG = logging.getLogger(__name__)
BASELINES = {"raw pixels": "baseline", "untrained network": "baseline", "random": "baseline"}


@pytest.fixture
def store(finished_lab: Lab, tmp_path: Path) -> DatasetStore:
    """A copy of the finished lab's, to change."""
    shutil.copytree(finished_lab.root, tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "tiny")


@pytest.fixture
def dataset(finished_lab: Lab) -> EmDataset:
    return finished_lab.dataset


def scored(store: DatasetStore, dataset: EmDataset) -> tuple[Report, pd.DataFrame]:
    report = score_encoders(store, dataset, "cpu", LOG)
    rows = store.results(RETRIEVAL_SCORECARD).read().to_pandas()
    assert rows[["value", "queries", "groups"]].notna().all(axis=None)
    return report, rows


def value(rows: pd.DataFrame, encoder: str, score: str, metric: str | None = "cosine") -> float:
    of_metric = rows["metric"].isna() if metric is None else rows["metric"] == metric
    [found] = rows[(rows["encoder"] == encoder) & (rows["score"] == score) & of_metric]["value"].unique()
    return float(found)


def set_neurons(store: DatasetStore, neuron: int | None) -> None:
    """Every synapse becomes one of that neuron."""
    for region in REGIONS:
        rows = store.synapses.read(region, SYNAPSES.names)
        neurons = pa.array([neuron] * rows.num_rows, pa.int64())
        at = rows.column_names.index("neuron_id")
        store.synapses.replace_region(region, rows.set_column(at, SYNAPSES.arrow.field("neuron_id"), neurons), [])


def without_classes(store: DatasetStore) -> None:
    labels = store.results(SYNAPSE_LABELS)
    at = SYNAPSE_LABELS.names.index("target")
    for region in REGIONS:
        rows = labels.read(region)
        labels.write_partition(region, rows.set_column(at, "target", pa.nulls(rows.num_rows, pa.string())))


def test_every_encoder_and_baseline_is_judged_on_the_same_synapses(finished_lab: Lab) -> None:
    store = finished_lab.store
    rows = store.results(RETRIEVAL_SCORECARD).read().to_pandas()
    in_use = str(store.models("encoder").current)
    assert dict(zip(rows["encoder"], rows["role"], strict=True)) == {in_use: "in use", **BASELINES}
    assert set(rows["queries"]) == {72}
    assert set(rows["groups"]) == {12}
    assert set(rows["left_out"]) == {0}
    assert set(rows["label"]) == {"class"}, "no cell type or hemilineage is known"
    assert rows.groupby("encoder").size().tolist() == [2 * 8 + 1] * 4
    assert ((rows["low"] <= rows["value"]) & (rows["value"] <= rows["high"])).all()
    # The asset `synapse_classifier` has tested the same probe of the same vectors.
    classifiers = store.models("synapse_classifier")
    accuracy = classifiers.provenance(str(classifiers.current)).scores["balanced_accuracy"]
    assert value(rows, in_use, "linear balanced accuracy", None) == pytest.approx(accuracy)
    random = value(rows, "random", "k-NN balanced accuracy")
    assert random < 0.6 < value(rows, in_use, "k-NN balanced accuracy")


def test_a_candidate_is_judged_before_it_is_promoted_and_an_earlier_encoder_after(
    store: DatasetStore, dataset: EmDataset, tiny_inputs: Path
) -> None:
    before = str(store.models("encoder").current)
    trained = {"origin": "self_supervised", "architecture": "em_resnet10", "crop_px": 16, "training_steps": 2}
    other = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv", encoder=trained)
    fit_encoder(store, other, "cpu", LOG)
    candidate = str(store.models("encoder").candidate)
    report, rows = scored(store, dataset)
    roles = dict(zip(rows["encoder"], rows["role"], strict=True))
    assert roles == {before: "in use", candidate: "candidate", **BASELINES}
    assert set(rows[rows["encoder"] == candidate]["origin"]) == {"self-supervised em_resnet10, 2 steps"}
    result = str(report.details["result"])
    assert result.startswith("of 2 encoders ")
    assert before in result
    assert candidate in result
    assert "% interval" in result
    assert result.endswith(("separates the two", "does not separate the two"))
    table = report.details["scores"]
    assert isinstance(table, Markdown)
    heads = [line.split(" | ")[0] for line in table.text.splitlines()[2:]]
    assert heads == [f"| {name} ({role})" for name, role in roles.items()]

    store.models("encoder").promote(candidate)
    _, after = scored(store, dataset)
    swapped = dict(zip(after["encoder"], after["role"], strict=True))
    assert swapped == {candidate: "in use", before: "earlier", **BASELINES}
    keys = ["encoder", "metric", "score", "k"]
    both = rows.merge(after, on=keys)
    assert len(both) == len(rows) == 17 * 5
    np.testing.assert_array_equal(both["value_x"], both["value_y"])


def test_an_encoder_that_pixels_beat_fails_its_check(store: DatasetStore, dataset: EmDataset) -> None:
    vectors, encoder = vectors_in_use(store), str(store.models("encoder").current)
    rng = np.random.default_rng(0)
    for region in REGIONS:
        stored = vectors.read(region, ["synapse_id", "tile_hash"])
        ids, hashes = (stored.column(name).to_pylist() for name in ("synapse_id", "tile_hash"))
        dimensions = vectors.table.arrow.field("vector").type.list_size
        noise = rng.normal(size=(len(ids), dimensions)).astype(np.float32)
        vectors.replace_region(region, vector_rows(vectors.table, ids, region, hashes, encoder, noise), [])
    report, rows = scored(store, dataset)
    [check] = report.checks
    assert (check.name, check.passed, check.warn) == ("better_than_pixels", False, True)
    for name in (encoder, "raw pixels"):
        assert f"{value(rows, name, 'k-NN balanced accuracy'):.3f}" in check.description
        assert f"{value(rows, name, 'linear balanced accuracy', None):.3f}" in check.description


@pytest.mark.parametrize("side", [8, 24, 40])
def test_pixels_are_those_around_the_centre_of_the_middle_section(side: int) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (6, 4, side, side), dtype=np.uint8)
    seen = slice(4, 36) if side == 40 else slice(None)
    np.testing.assert_array_equal(_centre_pixels(tiles), tiles[:, 2, seen, seen].reshape(6, -1))


def test_components_are_those_of_scikit_learn_and_constant_tiles_have_none() -> None:
    rows = (np.random.default_rng(0).normal(size=(40, 200)) * np.arange(200)).astype(np.float32)
    expected = PCA(40, svd_solver="full").fit_transform(rows.astype(np.float64))
    np.testing.assert_allclose(
        np.abs(_principal_components(rows))[:, :39], np.abs(expected)[:, :39], rtol=1e-3, atol=1e-2
    )
    assert _principal_components(np.repeat(rows, 5, axis=0)).shape == (200, 128)
    with np.errstate(all="raise"):
        assert not _principal_components(np.full((7, 64), 90, dtype=np.float32)).any()


@pytest.mark.parametrize(
    ("change", "grouping", "reason"),
    [
        (without_classes, ["neuron_id"], "no class, cell type or hemilineage of any synapse with a tile is known"),
        (lambda store: set_neurons(store, 7), ["neuron_id"], "no synapse has another of its kind to find"),
        (
            lambda store: shutil.rmtree(Path(store.data_root) / "tiny" / "models" / "encoder"),
            ["neuron_id"],
            "no encoder",
        ),
    ],
)
def test_a_sentence_says_why_nothing_is_judged(
    store: DatasetStore, dataset: EmDataset, change: Any, grouping: list[str], reason: str
) -> None:
    change(store)
    report, rows = scored(store, dataset)
    assert len(rows) == report.rows == 0
    assert reason in str(report.details["result"])
    assert [(check.passed, reason in check.description) for check in report.checks] == [(True, True)]


def test_without_neurons_intervals_are_over_the_first_grouping(store: DatasetStore, dataset: EmDataset) -> None:
    set_neurons(store, None)
    other = dataset.model_copy(update={"has_neurons": False, "grouping": ["brain_region"]})
    report, rows = scored(store, other)
    assert set(rows["groups"]) == {3}
    assert rows[["low", "high"]].isna().all(axis=None)
    assert "over 3 groups (brain_region)" in str(report.details["sample"])
    assert "3 groups are too few for an interval" in str(report.details["result"])
