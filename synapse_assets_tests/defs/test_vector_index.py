"""The asset `vector_index`: exact while vectors are few, an index once they are many, released with the vectors."""

from typing import Any

import dagster as dg
import pytest

from synapse_assets.stores import vector_index
from synapse_assets.stores.releases import released_tables
from synapse_assets.stores.rows import vectors_in_use
from synapse_assets_tests.conftest import REGIONS, Lab

FEW = 20


def made(lab: Lab) -> tuple[dict[str, Any], dg.AssetCheckEvaluation, str]:
    """Metadata, the check on recall, and the data version of a materialisation that must succeed."""
    result = lab.materialize("vector_index")
    (event,) = result.asset_materializations_for_node("tiny__vector_index")
    (recall,) = result.get_asset_check_evaluations()
    return {name: one.value for name, one in event.metadata.items()}, recall, str(event.tags["dagster/data_version"])


def test_without_encoder_or_vectors_there_is_nothing_to_search(lab: Lab) -> None:
    metadata, recall, _ = made(lab)
    assert metadata["note"] == recall.description == "there is no encoder yet, and so nothing to search"
    lab.materialize("synapse_table", "alignment")
    lab.everywhere("synapses", "tile_plan", "tiles")
    lab.materialize("encoder")
    metadata, recall, _ = made(lab)
    assert metadata["note"] == recall.description == "there are no vectors yet, and so nothing to search"
    assert (metadata["rows"], metadata["kind"], recall.passed) == (0, "exact", True)


def test_few_vectors_are_searched_exactly(finished_lab: Lab) -> None:
    event = finished_lab.instance.get_latest_materialization_event(dg.AssetKey(["tiny", "vector_index"]))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert (metadata["kind"].value, metadata["rows"].value, metadata["lists"].value) == ("exact", 72, 0)
    record = finished_lab.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(dg.AssetKey(["tiny", "vector_index"]), "recall_at_10_per_region")]
    )
    (found,) = record.values()
    assert found.event is not None
    evaluation = found.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
    assert evaluation.passed
    assert evaluation.description == "search is exact: 72 vectors need no index, which pays from 300,000 on"


def test_many_vectors_get_an_index_that_is_released_with_them(whole_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = whole_lab
    monkeypatch.setattr(vector_index, "EXACT_BELOW", FEW)
    lab.materialize("vector_index", "warehouse")
    (released,) = [one for one in released_tables(lab.store, lab.store.release()) if one.table.name == "embeddings"]
    state = vector_index.index_state(released)
    assert (state.kind, state.rows, state.unindexed_rows) == (vector_index.INDEXED, 72, 0)

    metadata, recall, version = made(lab)
    assert (metadata["kind"], metadata["rows"], metadata["unindexed_rows"]) == ("IVF_RQ, 5 bits", 72, 0)
    assert metadata["lists"] == state.lists > 1
    assert recall.passed
    assert set(REGIONS) == {line.split(" | ")[0].strip("| ") for line in metadata["recall_at_10"].splitlines()[2:]}
    assert recall.metadata["lowest_region"].value in REGIONS

    # Vectors that go leave the index complete, and are new content; the same again is not.
    gone = vectors_in_use(lab.store).read("EB", ["synapse_id"]).column(0).to_pylist()[:5]
    vectors_in_use(lab.store).replace_region("EB", vectors_in_use(lab.store).table.empty(), gone)
    metadata, _, fewer = made(lab)
    assert (metadata["rows"], metadata["unindexed_rows"]) == (67, 0)
    assert fewer != version
    assert made(lab)[2] == fewer


def test_an_index_that_finds_too_little_is_told_and_holds_nothing_back(
    whole_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = whole_lab
    monkeypatch.setattr(vector_index, "EXACT_BELOW", FEW)
    monkeypatch.setattr(vector_index, "_BITS", 1)
    monkeypatch.setattr(vector_index, "_CANDIDATES", 1)
    _, recall, _ = made(lab)
    assert not recall.passed
    assert recall.severity == dg.AssetCheckSeverity.WARN
    lowest = recall.metadata["lowest_region"].value
    assert f"lowest {recall.metadata['lowest_recall'].value:.3f} in {lowest}" in str(recall.description)
    assert lab.materialize("warehouse").success
