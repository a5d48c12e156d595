"""The loop of labelling: a round is opened, answered and followed, by the sensor and automation as the daemon runs them."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pandas as pd
import pytest

from synapse_assets.defs import labelling
from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.schema.labelling import LABEL_CURVE, QUERY_SUGGESTIONS, UNDO, UNSURE
from synapse_assets.settings import Settings
from synapse_assets.stores.annotation_log import Answer
from synapse_assets_tests.conftest import Kept, Lab, planted_points
from synapse_assets_tests.defs.test_automation import Automation, change, made, moved, times

LABELLING = {"batch": 6, "twice_share": 0, "strategy": "random", "random_share": 0.5}
# What labels and rounds have to do with; maps, clusters and explanations take long and have nothing to do with them.
LEFT_OUT = {
    *("umap_model", "umap_coordinates", "cluster_model", "clusters", "cluster_cards", "warehouse", "vector_index"),
    *("explanations", "explanation_checks", "tile_attributes", "class_differences", "retrieval_scorecard"),
    *("compression_report", "leakage_report", "calibration", "synapse_answers", "neuron_answers", "input_files"),
    *("neuron_predictions", "label_errors"),
}
PICTURES = {"synapse_table", "synapses", "alignment", "tile_plan", "tiles", "encoder", "embeddings"}


@dataclass
class Loop:
    """A lab, automation, and the sensor's part played by hand."""

    automation: Automation
    cursor: str | None = None

    @property
    def lab(self) -> Lab:
        return self.automation.lab

    def sense(self) -> str:
        """One look of the sensor; what it says is recorded as the daemon does. Why there was nothing to record; else empty."""
        settings = Settings(data_root=str(self.lab.root), datasets=[])
        sensor = labelling.labelling_sensor(self.lab.dataset, settings)
        instance = self.lab.instance
        result: Any = sensor(dg.build_sensor_context(instance=instance, cursor=self.cursor))
        for event in result.asset_events:
            instance.report_runless_asset_event(event)
        for request in result.dynamic_partitions_requests or ():
            instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        self.cursor = result.cursor
        return "" if result.asset_events else str(result.skip_reason.skip_message)

    def settle(self) -> list[dict[str, set[str]]]:
        return self.automation.settle()

    def asked(self, round: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.lab.store.results(QUERY_SUGGESTIONS).read(round).to_pylist()
        return rows

    def answer(self, round: str, rows: list[dict[str, Any]], only: str | None = None) -> list[Answer]:
        """The planted class of what is asked; 'unsure' of what lies in other regions than `only`."""
        truth = dict(zip(planted_points()["id"], planted_points()["nt"], strict=True))
        answers = [
            Answer(
                uuid4().hex,
                "ada",
                round,
                row["synapse_id"],
                truth[row["synapse_id"]] if only in (None, row["brain_region"]) else UNSURE,
                origin=row["origin"],
                tile_hash=row["tile_hash"],
            )
            for row in rows
        ]
        self.lab.store.annotation_log.append(answers)
        return answers

    def labels(self) -> dict[str, str | None]:
        rows = self.lab.store.results(SYNAPSE_LABELS).read(columns=["synapse_id", "target"])
        return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))

    def read_splits(self, name: str) -> str:
        """Of which splits an asset was made, by their version."""
        return self._tags(name)[f"dagster/input_data_version/{self.lab.dataset.name}/splits"]

    def made_splits(self) -> str:
        """The version of the splits that there are now."""
        return self._tags("splits")["dagster/data_version"]

    def _tags(self, name: str) -> Mapping[str, str]:
        event = self.lab.instance.get_latest_materialization_event(dg.AssetKey([self.lab.dataset.name, name]))
        assert event is not None
        assert event.asset_materialization is not None
        return event.asset_materialization.tags or {}

    def curve(self) -> list[tuple[str, int]]:
        rows = self.lab.store.results(LABEL_CURVE).read().to_pylist()
        return [(row["round"], row["labels"]) for row in rows]


def few_assets(lab: Lab) -> None:
    """Leaves out of the definitions what these tests need not make."""
    whole = lab.definitions
    kept = [one for one in whole.assets or () if not _names(one) & LEFT_OUT]
    lab.definitions = dg.Definitions(assets=kept, resources=whole.resources, executor=whole.executor)


def _names(asset: Any) -> set[str]:
    keys = asset.keys if isinstance(asset, dg.AssetsDefinition) else {asset.key}
    return {key.path[-1] for key in keys}


@dataclass(frozen=True)
class Begun:
    """A lab of two regions, of which half of the synapses have no class, at its first round: where it was, the lab, cursors, what was
    made."""

    place: Path
    kept: Kept
    cursors: tuple[Any, str | None]
    before: list[dict[str, set[str]]]
    first: list[dict[str, set[str]]]


@pytest.fixture(scope="module")
def begun(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """See the class."""
    place = tmp_path_factory.mktemp("labelling")
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab(tiny_inputs, place, instance, labelling=LABELLING)
        few_assets(lab)
        points = pd.read_csv(lab.points)
        points.loc[36:, "nt"] = None
        lab.write(points[points["region"] != "LH_L"])
        loop = Loop(Automation(lab))
        loop.automation.observe()
        before = loop.settle()
        assert loop.sense() == ""
        first = loop.settle()
        folder = place.rename(place.with_name("kept_labelling"))
        yield Begun(place, Kept(tiny_inputs, folder, instance), (loop.automation.cursor, loop.cursor), before, first)


@pytest.fixture
def loop(begun: Begun) -> Iterator[Loop]:
    """The lab with its first round, as it was and where it was."""
    shutil.rmtree(begun.place, ignore_errors=True)
    with begun.kept.again(begun.place) as lab:
        lab.use(type(lab.dataset).model_validate({**lab.dataset.model_dump(), "labelling": LABELLING}))
        few_assets(lab)
        yield Loop(Automation(lab, begun.cursors[0]), begun.cursors[1])


def test_the_first_round_is_opened_and_chosen_once(begun: Begun, loop: Loop) -> None:
    assert "query_suggestions" not in made(begun.before), "before there is a round nobody is asked"
    assert set(made(begun.before)) >= PICTURES | {"label_decisions", "label_curve", "strategy_benchmark", "promotions"}
    requested = made(begun.first)
    assert requested["query_suggestions"] == requested["annotations"] == {"round_001"}
    assert set(requested) == {"annotations", "label_decisions", "label_curve", "query_suggestions"}
    assert len(loop.asked("round_001")) == 6
    assert loop.sense() == "nothing new"
    assert loop.settle() == []


def test_a_round_is_answered_and_everything_follows_but_pictures(loop: Loop) -> None:
    rows, before = loop.asked("round_001"), loop.labels()
    loop.answer("round_001", rows[:-1], only="EB")
    assert loop.sense() == "answers are being given in round_001"
    loop.answer("round_001", rows[-1:], only="EB")
    assert loop.sense() == ""
    looks = loop.settle()
    requested = made(looks)
    assert requested["annotations"] == {"round_001"}
    assert requested["synapse_labels"] == {"EB"}, "only where decisions are others"
    assert requested.keys() >= {"label_decisions", "splits", "synapse_classifier", "promotions", "label_curve"}
    assert not requested.keys() & (PICTURES | {"query_suggestions"})
    assert times(looks, "synapse_classifier") == times(looks, "label_curve") == 1
    for name in ("synapse_classifier", "label_curve"):
        assert loop.read_splits(name) == loop.made_splits(), (
            f"{name} was made of the labels as they were before the answers"
        )
    in_eb = {row["synapse_id"] for row in rows if row["brain_region"] == "EB"}
    assert in_eb
    assert {one for one, target in loop.labels().items() if target != before[one]} == in_eb
    assert loop.curve() == [("before", 24), ("round_001", 24 + len(in_eb))]

    loop.cursor = None  # a cursor that is lost makes no difference
    assert loop.sense() == "", "the curve knows the answers: the next round is due"
    requested = made(loop.settle())
    assert requested["query_suggestions"] == requested["annotations"] == {"round_002"}
    assert not {row["synapse_id"] for row in loop.asked("round_002")} & {row["synapse_id"] for row in rows}
    assert not requested.keys() & (PICTURES | {"synapse_labels", "splits", "synapse_classifier"})

    # Rounds that were chosen by older models stay as they are, and hold nothing up.
    change(loop.automation, moved("EB"))
    requested = made(loop.settle())
    assert {name for name, parts in requested.items() if "EB" in parts} >= {"synapses", "tiles", "embeddings"}
    assert {"label_decisions", "label_curve", "strategy_benchmark"} <= requested.keys()
    assert "query_suggestions" not in requested
    assert loop.asked("round_001") == rows


def test_another_batch_is_followed_and_its_undo(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "QUIET_MINUTES", 0.0)
    before = loop.labels()
    rows = [row for row in loop.asked("round_001") if row["brain_region"] == "EB"]
    answers = loop.answer("like s050", rows)
    assert loop.sense() == ""
    requested = made(loop.settle())
    assert requested["annotations"] == {"like s050"}
    assert requested["synapse_labels"] == {"EB"}
    assert "query_suggestions" not in requested, "a batch that is no round asks nobody"
    assert [round for round, _ in loop.curve()] == ["before", "like s050"]
    assert loop.labels() != before

    undone = [
        Answer(uuid4().hex, "ada", "like s050", one.item, None, kind=UNDO, undoes=one.answer_id) for one in answers
    ]
    loop.lab.store.annotation_log.append(undone)
    assert loop.sense() == ""
    assert made(loop.settle())["synapse_labels"] == {"EB"}
    assert loop.labels() == before


def test_the_nightly_look_observes_answers_that_the_sensor_missed(loop: Loop) -> None:
    loop.answer("round_001", loop.asked("round_001")[:1])
    content = labelling.log_content(loop.lab.dataset)
    observed = list(content.observations(loop.lab.store, loop.lab.instance))
    assert [(one.asset_key.path[-1], one.partition) for one in observed] == [("annotation_log", "round_001")]
    assert observed[0].metadata["answers"].value == 1
    for event in observed:
        loop.lab.instance.report_runless_asset_event(event)
    assert list(content.observations(loop.lab.store, loop.lab.instance)) == []


def test_where_nobody_labels_there_is_nothing_of_it(lab: Lab) -> None:
    names = {key.path[-1] for key in lab.definitions.resolve_asset_graph().get_all_asset_keys()}
    assert not names & {"annotations", "annotation_log", "label_decisions", "region_decisions", "query_suggestions"}
    repository = lab.definitions.get_repository_def()
    assert "tiny_labelling" not in {sensor.name for sensor in repository.sensor_defs}
    assert "tiny_label" not in {job.name for job in repository.get_all_jobs()}
