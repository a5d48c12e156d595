"""Calibration and answers through the real chain, and what becomes of them where there is nothing to promise or the inputs do not fit."""

import io
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image

from synapse_assets.analysis.evaluation.codex import codex_table
from synapse_assets.analysis.evaluation.predictions import UNCLEAR, probability_column, probability_matrix
from synapse_assets.cli.materialization import waves
from synapse_assets.datasets import EmDataset
from synapse_assets.defs.em.answers import answer_assets
from synapse_assets.errors import BadInput
from synapse_assets.figures.calibration import calibration_figure
from synapse_assets.pipeline.em.answers import answer_neurons, answer_region, calibrate
from synapse_assets.pipeline.em.release import build_release
from synapse_assets.pipeline.report import Markdown, Picture, Report
from synapse_assets.query import open_warehouse
from synapse_assets.schema import (
    CALIBRATED_SYNAPSES,
    CALIBRATION,
    CALIBRATION_SCORES,
    NETWORK_PREDICTIONS,
    NEURON_ANSWERS,
    RELIABILITY,
    SPLITS,
    SYNAPSE_ANSWERS,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import Provenance
from synapse_assets_tests.conftest import CLASSES, FIRST_NEURON, REGIONS, Lab

LOG = logging.getLogger(__name__)


@pytest.fixture
def store(finished_lab: Lab, tmp_path: Path) -> DatasetStore:
    """A copy of the finished lab's, to change."""
    shutil.copytree(finished_lab.root, tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "tiny")


def text_of(report: Report) -> str:
    result = report.details["result"]
    return result.text if isinstance(result, Markdown) else str(result)


def change_predictions(store: DatasetStore, how: Callable[[pa.Table], pa.Table]) -> None:
    """Other predictions of every region."""
    results = store.results(SYNAPSE_PREDICTIONS)
    for region in REGIONS:
        results.write_partition(region, how(results.read(region)))


def test_from_the_probe_to_the_release(finished_lab: Lab) -> None:
    store = finished_lab.store
    with open_warehouse(finished_lab.dataset, str(finished_lab.root)) as warehouse:
        released = {
            table.name: warehouse.sql(f"select * from {table.name}")  # noqa: S608 -- ours
            for table in (CALIBRATION, RELIABILITY, CALIBRATION_SCORES, SYNAPSE_ANSWERS, NEURON_ANSWERS)
        }
        assert CALIBRATED_SYNAPSES.name not in warehouse.release["tables"]
    classifier = store.models("synapse_classifier").current
    assert all(set(table["classifier"]) == {classifier} for table in released.values())
    calibration = released["calibration"]
    assert calibration["class_name"].tolist() == list(CLASSES)
    assert calibration["groups"].tolist() == [4, 4, 4]
    assert not calibration["promised"].any(), "four neurons of a class promise nothing of it alone"
    assert calibration["threshold"].notna().all(), "twelve neurons do, of all together"
    answers = released["synapse_answers"].set_index("synapse_id").sort_index()
    assert len(answers) == 72
    assert answers["out_of_fold"].all()
    clear = answers["class_set"].map(len) == 1
    assert (answers["answer"][~clear] == UNCLEAR).all()
    assert (answers["answer"][clear] == answers["class_set"][clear].map(lambda held: held[0])).all()
    # a labelled synapse has what a calibration without its fold makes of it
    held = store.results(CALIBRATED_SYNAPSES).read().sort_by("synapse_id")
    stored = store.results(SYNAPSE_ANSWERS).read().sort_by("synapse_id")
    np.testing.assert_array_equal(probability_matrix(held)[1], probability_matrix(stored)[1])
    assert held.column("class_set").equals(stored.column("class_set"))
    neurons = released["neuron_answers"]
    assert neurons["neuron_id"].tolist() == [FIRST_NEURON + place for place in range(12)]
    assert (neurons["synapses"] == 6).all()
    assert neurons["target"].tolist() == [CLASSES[place % 3] for place in range(12)]
    assert codex_table(store.results(NEURON_ANSWERS).read()).num_rows == 12
    scores = released["calibration_scores"].set_index(["score", "stage", "class_name", "synapses_of_neuron"])
    assert {"coverage", "set size", "neuron accuracy", "neuron coverage"} <= set(scores.index.get_level_values(0))
    accuracy = scores.loc["neuron accuracy"]["value"]
    assert accuracy.iloc[-1] == (neurons["predicted"] == neurons["target"]).mean()


def test_the_same_inputs_are_the_same_content(store: DatasetStore, finished_lab: Lab) -> None:
    """Otherwise automation would make what follows again and again."""
    first, second = (calibrate(store, finished_lab.dataset, LOG) for _ in range(2))
    assert first.content_version == second.content_version
    assert text_of(first) == text_of(second)
    assert "72 labelled synapses of 12 groups (neuron), out of fold" in text_of(first)
    assert "nothing is promised of acetylcholine, gaba, glutamate alone" in text_of(first)
    picture = first.details["reliability"]
    assert isinstance(picture, Picture)
    assert Image.open(io.BytesIO(picture.png)).width > 600
    before = [answer_region(store, finished_lab.dataset, region).content_version for region in REGIONS]
    change_predictions(store, lambda rows: rows.take(list(range(rows.num_rows))[::-1]))
    assert calibrate(store, finished_lab.dataset, LOG).content_version == first.content_version
    assert [answer_region(store, finished_lab.dataset, region).content_version for region in REGIONS] == before


def test_a_synapse_without_a_label_gets_the_calibration_of_all(store: DatasetStore, finished_lab: Lab) -> None:
    splits = store.results(SPLITS).read()
    left_out = store.results(SYNAPSE_PREDICTIONS).read("EB").column("synapse_id")[0].as_py()
    store.results(SPLITS).write(splits.filter(pc.not_equal(splits.column("synapse_id"), left_out)))
    calibrate(store, finished_lab.dataset, LOG)
    answer_region(store, finished_lab.dataset, "EB")
    table = store.results(CALIBRATION).read()
    raw = store.results(SYNAPSE_PREDICTIONS).read("EB")
    raw = probability_matrix(raw.filter(pc.equal(raw.column("synapse_id"), left_out)))[1][0]
    scores = np.exp(np.log(raw) * table.column("scale").to_numpy() + table.column("offset").to_numpy())
    rows = store.results(SYNAPSE_ANSWERS).read("EB")
    row = rows.filter(pc.equal(rows.column("synapse_id"), left_out))
    np.testing.assert_allclose(probability_matrix(row)[1][0], scores / scores.sum(), rtol=1e-9)
    assert row.column("out_of_fold").to_pylist() == [False]
    expected = {
        name
        for name, value, threshold in zip(
            CLASSES, scores / scores.sum(), table.column("threshold").to_pylist(), strict=True
        )
        if 1 - value <= threshold
    }
    assert set(row.column("class_set").to_pylist()[0]) == expected


def nothing_is_answered(store: DatasetStore, lab: Lab, reason: str) -> None:
    report = calibrate(store, lab.dataset, LOG)
    assert reason in text_of(report)
    assert report.rows == 0
    assert all(check.passed for check in report.checks)
    for region in REGIONS:
        answered = answer_region(store, lab.dataset, region)
        assert answered.rows == 0
        assert "nothing was calibrated" in text_of(answered)
    assert "nothing was calibrated" in text_of(answer_neurons(store, lab.dataset, LOG))
    for table in (CALIBRATION, RELIABILITY, CALIBRATION_SCORES, CALIBRATED_SYNAPSES, SYNAPSE_ANSWERS, NEURON_ANSWERS):
        assert store.results(table).read().num_rows == 0, table.name


def test_without_labels_there_are_no_rows_and_a_reason(store: DatasetStore, finished_lab: Lab) -> None:
    store.results(SPLITS).write(SPLITS.empty())
    nothing_is_answered(store, finished_lab, "no labelled synapse has an out-of-fold prediction")


def test_one_class_is_nothing_to_tell_apart(store: DatasetStore, finished_lab: Lab) -> None:
    splits = store.results(SPLITS).read()
    store.results(SPLITS).write(splits.filter(pc.equal(splits.column("target"), "gaba")))
    nothing_is_answered(store, finished_lab, "all labelled synapses are 'gaba'")


def test_without_predictions_there_are_no_rows(store: DatasetStore, finished_lab: Lab) -> None:
    change_predictions(store, lambda rows: rows.slice(0, 0))
    nothing_is_answered(store, finished_lab, "no labelled synapse has an out-of-fold prediction")


def test_too_few_neurons_promise_nothing(store: DatasetStore, finished_lab: Lab) -> None:
    splits = store.results(SPLITS).read()
    few = pc.is_in(splits.column("group"), pa.array([str(FIRST_NEURON + place) for place in range(7)]))
    # one of gaba's neurons is the only one
    lonely = pc.and_(few, pc.invert(pc.equal(splits.column("group"), str(FIRST_NEURON + 4))))
    store.results(SPLITS).write(splits.filter(lonely))
    report = calibrate(store, finished_lab.dataset, LOG)
    assert (
        "no coverage is promised, and every set holds all classes: 6 groups are below the 9 that 90% takes"
        in text_of(report)
    )
    table = store.results(CALIBRATION).read()
    assert table.column("threshold").null_count == 3
    assert not any(table.column("promised").to_pylist())
    assert table.column("groups").to_pylist() == [3, 1, 2]
    for region in REGIONS:
        answer_region(store, finished_lab.dataset, region)
    answers = store.results(SYNAPSE_ANSWERS).read()
    assert set(map(len, answers.column("class_set").to_pylist())) == {3}
    assert set(answers.column("answer").to_pylist()) == {UNCLEAR}
    answer_neurons(store, finished_lab.dataset, LOG)
    neurons = store.results(NEURON_ANSWERS).read()
    assert set(neurons.column("answer").to_pylist()) == {UNCLEAR}
    assert neurons.column("synapses_needed").null_count == neurons.num_rows == 12


def test_where_no_group_is_known_each_synapse_is_its_own(store: DatasetStore, finished_lab: Lab) -> None:
    splits = store.results(SPLITS).read()
    store.results(SPLITS).write(splits.filter(pc.equal(splits.column("split"), "random")))
    report = calibrate(store, finished_lab.dataset, LOG)
    assert "72 labelled synapses of 72 groups" in text_of(report)
    assert all(store.results(CALIBRATION).read().column("promised").to_pylist())


def test_nothing_was_calibrated_yet(store: DatasetStore, finished_lab: Lab) -> None:
    shutil.rmtree(Path(store.data_root) / "tiny" / "tables" / "calibration")
    for step in (
        lambda: answer_region(store, finished_lab.dataset, "EB"),
        lambda: answer_neurons(store, finished_lab.dataset, LOG),
    ):
        with pytest.raises(BadInput, match="no calibration yet: materialise the asset 'calibration' first"):
            step()


def test_predictions_of_another_classifier_or_other_classes(store: DatasetStore, finished_lab: Lab) -> None:
    before = store.results(SYNAPSE_ANSWERS).read("EB")
    place = SYNAPSE_PREDICTIONS.names.index("classifier")
    rows = store.results(SYNAPSE_PREDICTIONS).read("EB")
    other = rows.set_column(place, "classifier", pa.array(["other"] * rows.num_rows))
    store.results(SYNAPSE_PREDICTIONS).write_partition("EB", other)
    with pytest.raises(
        BadInput, match=r"predictions of EB are of classifier other, but .* was calibrated: materialise"
    ):
        answer_region(store, finished_lab.dataset, "EB")
    # it is not calibrated on them either
    assert "48 labelled synapses" in text_of(calibrate(store, finished_lab.dataset, LOG))
    names = ("acetylcholine", "gaba", "histamine")
    renamed = rows.set_column(
        SYNAPSE_PREDICTIONS.names.index("probabilities"),
        "probabilities",
        probability_column(names, probability_matrix(rows)[1]),
    )
    store.results(SYNAPSE_PREDICTIONS).write_partition("EB", renamed)
    with pytest.raises(
        BadInput, match=r"name the classes .*histamine.* but .*glutamate.* were calibrated: materialise the asset"
    ):
        answer_region(store, finished_lab.dataset, "EB")
    assert store.results(SYNAPSE_ANSWERS).read("EB").equals(before), "what was stored stays"


def test_answers_of_another_classifier_are_not_released(store: DatasetStore, finished_lab: Lab) -> None:
    rows = store.results(SYNAPSE_ANSWERS).read("EB")
    place = SYNAPSE_ANSWERS.names.index("classifier")
    store.results(SYNAPSE_ANSWERS).write_partition(
        "EB", rows.set_column(place, "classifier", pa.array(["old"] * rows.num_rows))
    )
    report = build_release(store, finished_lab.dataset, "")
    assert report.details["left_out"] == "made with another classifier than the one in use: synapse_answers"
    release = store.release()
    assert release is not None
    assert {"calibration", "neuron_answers"} <= set(release["tables"])
    assert "synapse_answers" not in release["tables"]
    # never made, or not everywhere: a release has what there is, and warns of nothing
    shutil.rmtree(Path(store.data_root) / "tiny" / "tables" / "synapse_answers")
    report = build_release(store, finished_lab.dataset, "")
    assert [check.description for check in report.checks] == ["complete"]
    assert "left_out" not in report.details


def test_neurons_of_other_classes_than_the_classifier_knows(store: DatasetStore, finished_lab: Lab) -> None:
    """A label that came after the fit: its synapses are answered, and nothing is learnt from it."""
    splits, labels = store.results(SPLITS), store.results(SYNAPSE_LABELS)
    first = str(FIRST_NEURON)
    table = splits.read()
    is_first = pc.equal(table.column("group"), first)
    target = pc.if_else(is_first, "histamine", table.column("target"))
    splits.write(table.set_column(SPLITS.names.index("target"), "target", target))
    for region in REGIONS:
        rows = labels.read(region)
        target = pc.if_else(pc.equal(rows.column("neuron_id"), FIRST_NEURON), "histamine", rows.column("target"))
        labels.write_partition(region, rows.set_column(SYNAPSE_LABELS.names.index("target"), "target", target))
    ids = set(table.filter(is_first).column("synapse_id").to_pylist())
    calibrate(store, finished_lab.dataset, LOG)
    assert not ids & set(store.results(CALIBRATED_SYNAPSES).read().column("synapse_id").to_pylist())
    for region in REGIONS:
        answer_region(store, finished_lab.dataset, region)
    answer_neurons(store, finished_lab.dataset, LOG)
    row = store.results(NEURON_ANSWERS).read().to_pylist()[0]
    assert (row["target"], row["covered_share"], row["in_training"]) == ("histamine", 0.0, False)


def test_the_figure_without_neurons() -> None:
    assert calibration_figure([], []).startswith(b"\x89PNG")


def test_a_release_is_made_after_what_it_does_not_wait_for(finished_lab: Lab) -> None:
    names_by_wave = [[key.path[-1] for key in keys] for _, keys in waves(finished_lab.definitions)]
    assert names_by_wave[-1] == ["warehouse", "report"]
    made = [name for wave in names_by_wave for name in wave]
    assert made.index("calibration") < made.index("synapse_answers") < made.index("neuron_answers")


def test_who_is_made_from_whom(finished_lab: Lab) -> None:
    graph = finished_lab.definitions.resolve_asset_graph()
    parents = {
        name: {key.path[-1] for key in graph.get(dg.AssetKey(["tiny", name])).parent_keys}
        for name in ("calibration", "synapse_answers", "neuron_answers")
    }
    assert parents == {
        "calibration": {"synapse_predictions", "splits", "synapses"},
        "synapse_answers": {"synapse_predictions", "calibration"},
        "neuron_answers": {"synapse_answers", "calibration", "synapses", "synapse_labels"},
    }
    assert not any("answers" in key.path[-1] for key in graph.get(dg.AssetKey(["tiny", "warehouse"])).parent_keys)


def test_answers_can_be_those_of_a_network(store: DatasetStore, finished_lab: Lab) -> None:
    """The same probabilities under the name of a network give the same answers; those of another network beside it do not count."""
    calibrate(store, finished_lab.dataset, LOG)
    by_probe = answer_region(store, finished_lab.dataset, "EB").details["answers"]
    probe = store.results(SYNAPSE_ANSWERS).read("EB").to_pylist()
    version = "f" * 16
    rows = store.results(SYNAPSE_PREDICTIONS)
    for region in REGIONS:
        predictions = rows.read(region)
        named = predictions.rename_columns(
            ["synapse_network" if name == "classifier" else name for name in predictions.column_names]
        ).set_column(
            predictions.column_names.index("classifier"), "synapse_network", pa.array([version] * len(predictions))
        )
        wrong = named.set_column(
            4, "probabilities", pa.array(named.column("probabilities").to_pylist()[::-1], named.schema[4].type)
        )
        both = [
            NETWORK_PREDICTIONS.conform(part.append_column("network", pa.array([name] * len(part))))
            for name, part in (("wanted", named), ("other", wrong))
        ]
        store.results(NETWORK_PREDICTIONS).write_partition(region, pa.concat_tables(both))
    provenance = Provenance("synapse_network", version, {}, {}, 0, {}, "")
    store.models("synapse_network").save(version, lambda folder: folder.mkdir(parents=True, exist_ok=True), provenance)
    store.models("synapse_network").promote(version)
    networks = {name: {"architecture": "em_resnet10"} for name in ("wanted", "other")}
    dataset = EmDataset.model_validate(
        {**finished_lab.dataset.model_dump(), "networks": networks, "answers_from": "wanted"}
    )
    with pytest.raises(BadInput, match="materialise network_predictions of all regions"):
        answer_region(store, dataset, "EB")
    report = calibrate(store, dataset, LOG)
    assert report.details["probabilities_of"] == "network wanted"
    assert answer_region(store, dataset, "EB").details["answers"] == by_probe
    answered = store.results(SYNAPSE_ANSWERS).read("EB").to_pylist()
    assert [{**row, "classifier": ""} for row in answered] == [{**row, "classifier": ""} for row in probe]
    assert {row["classifier"] for row in answered} == {version}
    with pytest.raises(ValueError, match="answers_from names 'absent', which is none of the networks"):
        EmDataset.model_validate({**dataset.model_dump(), "answers_from": "absent"})
    keys = {
        spec.key.path[-1]: {dep.asset_key.path[-1] for dep in spec.deps}
        for a in answer_assets(dataset)
        for spec in a.specs
    }
    assert keys["calibration"] >= {"network_predictions"} <= keys["synapse_answers"]
