"""The compression report on a real store: its full vectors score as on the scorecard, it is released, and it says what is not known."""

import json
import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.pipeline.em.compression import report_compression
from synapse_assets.pipeline.report import Markdown, Report
from synapse_assets.query import open_warehouse
from synapse_assets.schema import COMPRESSION_REPORT, RETRIEVAL_SCORECARD, SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_matrix, vector_rows, vectors_in_use
from synapse_assets.vision.encoder_spec import SPEC_FILE, read_spec
from synapse_assets_tests.conftest import REGIONS, Lab

LOG = logging.getLogger(__name__)
KEYS = ["label", "score", "k"]


@pytest.fixture
def store(finished_lab: Lab, tmp_path: Path) -> DatasetStore:
    """A copy of the finished lab's, to change."""
    shutil.copytree(finished_lab.root, tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "tiny")


def reported(store: DatasetStore, lab: Lab) -> tuple[Report, pd.DataFrame]:
    report = report_compression(store, lab.dataset, LOG)
    rows = store.results(COMPRESSION_REPORT).read().to_pandas()
    assert rows[["value", "loss", "queries", "groups", "bytes"]].notna().all(axis=None)
    return report, rows


def set_vectors(store: DatasetStore, vectors: np.ndarray) -> None:
    """Other vectors (72, 96) of the synapses, region by region."""
    table, encoder = vectors_in_use(store), str(store.models("encoder").current)
    parts = np.array_split(vectors.astype(np.float32), len(REGIONS))
    for region, part in zip(REGIONS, parts, strict=True):
        stored = table.read(region, ["synapse_id", "tile_hash"])
        ids, hashes = (stored.column(name).to_pylist() for name in ("synapse_id", "tile_hash"))
        table.replace_region(region, vector_rows(table.table, ids, region, hashes, encoder, part), [])


def test_the_report_is_released_and_full_vectors_score_as_on_the_scorecard(finished_lab: Lab) -> None:
    with open_warehouse(finished_lab.dataset, str(finished_lab.root)) as warehouse:
        rows = warehouse.sql("select * from compression_report")
    encoder = finished_lab.store.models("encoder").current
    assert set(rows["encoder"]) == {encoder}
    assert set(zip(rows["method"], rows["dimensions"], rows["number"], rows["bytes"], strict=True)) == {
        (method, size, number, size * width)
        for method, size in [("full", 96), *(("principal components", size) for size in (64, 32, 16))]
        for number, width in (("float16", 2), ("int8", 1))
    }, "the vectors of a network come in no order: no leading numbers"
    full = rows[rows["bytes"] == 192]
    assert (full["loss"] == 0).all()
    assert full[full["score"] == "neighbour recall"]["value"].tolist() == [1.0]
    scorecard = finished_lab.store.results(RETRIEVAL_SCORECARD).read().to_pandas()
    scorecard = scorecard[(scorecard["encoder"] == encoder) & (scorecard["metric"] == "cosine")]
    both = full.dropna(subset=["label"]).merge(scorecard, on=KEYS)
    assert len(both) == 3
    for name in ("value", "low", "high", "queries", "groups"):
        np.testing.assert_allclose(both[f"{name}_x"], both[f"{name}_y"], rtol=1e-12)
    losses = rows.merge(full, on=["label", "score"])
    np.testing.assert_allclose(losses["loss_x"], losses["value_y"] - losses["value_x"], atol=1e-12)
    assert (rows["loss_low"] <= rows["loss"]).all()
    assert (rows["loss"] <= rows["loss_high"]).all()


def test_the_smallest_vectors_that_lose_little_are_named(store: DatasetStore, finished_lab: Lab) -> None:
    rng = np.random.default_rng(0)
    set_vectors(store, rng.normal(size=(72, 12)) @ rng.normal(size=(12, 96)))
    report, rows = reported(store, finished_lab)
    small = rows[(rows["dimensions"] == 16) & (rows["number"] == "float16")]
    assert small[small["score"] == "neighbour recall"]["value"].item() > 0.99
    allowed = rows[(rows["score"] == "precision") & (rows["loss"] <= 0.01) & (rows["bytes"] < 192)]
    fewest = int(allowed["bytes"].min())
    assert report.details["smallest_bytes"] == fewest <= 32
    result = str(report.details["result"])
    assert (
        f"lose at most 0.01 in precision@10 by class: 16 principal components in {'int8' if fewest == 16 else 'float16'}"
        in result
    )
    assert f"{fewest} bytes each in place of 192" in result
    assert "95 % interval" in result
    kept = rows[(rows["bytes"] == fewest) & (rows["dimensions"] == 16) & (rows["score"] == "neighbour recall")][
        "value"
    ].item()
    assert result.endswith(f"They keep {kept:.3f} of the ten nearest")
    table = report.details["losses"]
    assert isinstance(table, Markdown)
    heads = [line.split(" | ")[0] for line in table.text.splitlines()]
    assert heads[0] == "| vectors"
    assert heads[2:5] == [
        "| all 96 numbers in float16",
        "| all 96 numbers in int8",
        "| 64 principal components in float16",
    ]
    assert "neighbour recall@10 | class: precision@10 | class: mAP | class: 10-NN |" in table.text.splitlines()[0]


def test_leading_numbers_are_offered_where_a_last_step_made_the_vectors(store: DatasetStore, finished_lab: Lab) -> None:
    vectors = np.random.default_rng(0).normal(size=(72, 96))
    vectors[:, 16:] *= 1e-3
    set_vectors(store, vectors)
    models = store.models("encoder")
    folder = models.path(str(models.current))
    (folder / SPEC_FILE).write_text(json.dumps(asdict(replace(read_spec(folder), head_dimensions=96))))
    _, rows = reported(store, finished_lab)
    leading = rows[(rows["method"] == "leading numbers") & (rows["score"] == "neighbour recall")]
    assert leading["dimensions"].tolist() == [64, 64, 32, 32, 16, 16]
    assert (leading["value"] > 0.95).all()


def without_classes(store: DatasetStore) -> None:
    labels = store.results(SYNAPSE_LABELS)
    at = SYNAPSE_LABELS.names.index("target")
    for region in REGIONS:
        rows = labels.read(region)
        labels.write_partition(region, rows.set_column(at, "target", pa.nulls(rows.num_rows, pa.string())))


def test_without_classes_neighbour_recall_counts(store: DatasetStore, finished_lab: Lab) -> None:
    without_classes(store)
    set_vectors(store, np.random.default_rng(0).normal(size=(72, 96)))
    report, rows = reported(store, finished_lab)
    assert set(rows["score"]) == {"neighbour recall"}
    assert rows["label"].isna().all()
    assert "loses at most 0.01 in neighbour recall@10 (1.000 in full)" in str(report.details["result"])
    assert report.details["smallest_bytes"] == 192
    assert "retrieval" not in report.details


@pytest.mark.parametrize("kept", [0, 1, 2, 5])
def test_few_vectors(store: DatasetStore, finished_lab: Lab, kept: int) -> None:
    table = vectors_in_use(store)
    for region in REGIONS:
        ids = table.read(region, ["synapse_id"]).column("synapse_id").to_pylist()
        table.replace_region(region, table.table.empty(), ids[kept:] if region == REGIONS[0] else ids)
    assert vector_matrix(table.read(None, ["vector"])).shape == (kept, 96)
    report, rows = reported(store, finished_lab)
    if kept < 2:
        assert rows.empty
        assert f"{kept} vectors: none has a neighbour" in str(report.details["result"])
        return
    neighbours = rows[rows["score"] == "neighbour recall"]
    assert (neighbours["value"] == 1).all()
    assert set(neighbours["queries"]) == {kept}
    assert rows["loss_low"].isna().all()


def test_without_an_encoder_a_sentence_says_so(store: DatasetStore, finished_lab: Lab) -> None:
    shutil.rmtree(Path(store.data_root) / "tiny" / "models" / "encoder")
    report, rows = reported(store, finished_lab)
    assert rows.empty
    assert report.rows == 0
    assert "no encoder is in use" in str(report.details["result"])
