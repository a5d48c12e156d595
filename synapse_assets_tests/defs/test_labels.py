"""Labels are apart from pictures: a change of labels alone re-runs what depends on labels, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.stores.rows import labelled_synapses
from synapse_assets_tests.conftest import REGIONS, REPORTS, Lab, failure_reason


def neuron_table(lab: Lab, folder: Path) -> Path:
    """The classes of the tiny brain as a table of neurons, taken out of the table of synapses."""
    points = pd.read_csv(lab.points)
    path = folder / "neurons.csv"
    if "nt" in points:
        known = points.drop_duplicates("neuron")[["neuron", "nt"]].rename(columns={"neuron": "root_id"})
        known.assign(lineage=[f"L{i % 6}" for i in range(len(known))]).to_csv(path, index=False)
        lab.write(points.drop(columns=["nt"]))
    return path


@pytest.fixture
def neuron_lab(make_lab: Callable[..., Lab], tmp_path: Path) -> Lab:
    lab = make_lab(grouping=["neuron_id", "hemilineage"])
    path = neuron_table(lab, tmp_path)
    columns = {"neuron_id": "root_id", "known_classes": "nt", "hemilineage": "lineage"}
    values = lab.dataset.model_dump()
    values["neurons"] = [{"name": "known", "format": "neurons", "path": str(path), "columns": columns}]
    del values["sources"][0]["columns"]["target"]
    lab.use(type(lab.dataset).model_validate(values))
    return lab


def stale(lab: Lab) -> set[str]:
    """Names of the assets of which some partition is not up to date."""
    graph = lab.definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(lab.instance, graph, LoadingContextForTest(lab.instance))
    found = set()
    # The nightly look is the clock's affair, and the report that of the release.
    for key in graph.materializable_asset_keys - {dg.AssetKey(["tiny", name]) for name in ("input_files", "report")}:
        node = graph.get(key)
        partitions = sorted(lab.instance.get_dynamic_partitions("tiny_brain_region")) if node.is_partitioned else [None]
        if any(resolver.get_status(key, partition) != StaleStatus.FRESH for partition in partitions):
            found.add(key.path[-1])
    return found


def test_a_change_of_labels_touches_only_what_depends_on_labels(neuron_lab: Lab, tmp_path: Path) -> None:
    lab = neuron_lab
    lab.whole_chain(*REPORTS, answers=True, explained=True)
    labels = lab.store.results(SYNAPSE_LABELS).read(None, ["target", "hemilineage"])
    assert labels.column("target").null_count == 0
    assert set(labels.column("hemilineage").to_pylist()) == {f"L{i}" for i in range(6)}
    assert stale(lab) == set()

    # The same tables read again change nothing.
    lab.materialize("synapse_table", "neurons", "alignment")
    lab.everywhere("synapses", "synapse_labels", "tile_plan", "tiles")
    assert stale(lab) == set()

    neurons = pd.read_csv(tmp_path / "neurons.csv")
    neurons.loc[0, "nt"] = "gaba" if neurons.loc[0, "nt"] != "gaba" else "glutamate"
    neurons.to_csv(tmp_path / "neurons.csv", index=False)
    lab.materialize("neurons")
    assert stale(lab) == {"synapse_labels", "warehouse"}
    lab.everywhere("synapse_labels")
    explained = {"explanations", "class_differences"}
    of_labels = {
        "splits",
        *REPORTS,
        "cluster_cards",
        "neuron_predictions",
        "drift",
        "neuron_answers",
        "warehouse",
        *explained,
    }
    assert stale(lab) == of_labels
    lab.materialize("splits", "cluster_cards", "neuron_predictions", "drift", *REPORTS)
    of_splits = {"synapse_classifier", "calibration", "explanation_checks"}
    assert stale(lab) == {*of_splits, "neuron_answers", "warehouse", *explained}
    lab.answers()
    lab.explained()
    # The classifier fitted on the new labels is a candidate: no region changes until it is promoted.
    lab.materialize("synapse_classifier", "warehouse")
    assert stale(lab) == set()


def test_a_change_of_the_yaml_shows(neuron_lab: Lab) -> None:
    neuron_lab.materialize("synapse_table", "neurons", "alignment")
    neuron_lab.everywhere("synapses", "tile_plan", "tiles")
    values = neuron_lab.dataset.model_dump()
    values["volumes"]["em"]["offset_voxels"] = (1, 0, 0)
    neuron_lab.use(type(neuron_lab.dataset).model_validate(values))
    assert {"alignment", "tile_plan", "tiles"} <= stale(neuron_lab)
    assert "neurons" not in stale(neuron_lab)


def test_neurons_of_another_segmentation_are_told(neuron_lab: Lab, tmp_path: Path) -> None:
    lab = neuron_lab
    lab.materialize("synapse_table")
    text = failure_reason(lab.materialize("synapse_labels", region=REGIONS[0], raises=False))
    assert "materialise the asset 'neurons' first" in text
    neurons = pd.read_csv(tmp_path / "neurons.csv")
    neurons.assign(root_id=range(1, len(neurons) + 1)).to_csv(tmp_path / "neurons.csv", index=False)
    lab.materialize("neurons")
    result = lab.materialize("synapse_labels", region=REGIONS[0])
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not checks["neurons_known"].passed
    assert "0 of the region's 12 neurons" in str(checks["neurons_known"].description)
    assert "such as 7205759406" in str(checks["neurons_known"].description)


def test_a_label_follows_a_synapse_that_moves(neuron_lab: Lab) -> None:
    """Its old region, which is not materialised again, still has a label row of it."""
    lab = neuron_lab
    lab.materialize("synapse_table", "neurons")
    lab.everywhere("synapses", "synapse_labels")
    points = pd.read_csv(lab.points)
    moved = points.loc[points["region"] == REGIONS[0], "id"].iloc[0]
    points.loc[points["id"] == moved, "region"] = REGIONS[1]
    lab.write(points)
    lab.materialize("synapse_table")
    lab.materialize("synapses", "synapse_labels", region=REGIONS[1])
    rows = labelled_synapses(lab.store, ["target"]).to_pylist()
    (row,) = [row for row in rows if row["synapse_id"] == moved]
    assert row["brain_region"] == REGIONS[1]
    assert row["target"] is not None
    assert all(row["target"] is not None for row in rows)


def test_classes_that_disagree_are_counted(lab: Lab, tmp_path: Path) -> None:
    points = pd.read_csv(lab.points)
    other = points.drop_duplicates("neuron")[["neuron", "nt"]].assign(nt="dopamine")
    other.to_csv(tmp_path / "other.csv", index=False)
    values = lab.dataset.model_dump()
    columns = {"neuron_id": "neuron", "known_classes": "nt"}
    values["neurons"] = [
        {"name": "other", "format": "neurons", "path": str(tmp_path / "other.csv"), "columns": columns}
    ]
    lab.use(type(lab.dataset).model_validate(values))
    lab.materialize("synapse_table", "neurons")
    result = lab.materialize("synapse_labels", region=REGIONS[0])
    (evaluation,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "labels_agree"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["disagreeing"].value == 24
    assert set(lab.store.results(SYNAPSE_LABELS).read(REGIONS[0], ["target"]).column(0).to_pylist()) <= set(
        points["nt"]
    )
