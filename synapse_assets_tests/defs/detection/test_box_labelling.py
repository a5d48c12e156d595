"""One round of boxes through Dagster: asked, answered, learnt from, scored, and the next one due."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from synapse_assets.definitions import build_definitions
from synapse_assets.pipeline.detection.stored import MODEL
from synapse_assets.pipeline.labelling.rounds import next_round, progress
from synapse_assets.schema.labelling import (
    ACCEPT,
    ANNOTATIONS,
    BOX_SUGGESTIONS,
    DONE,
    LABEL_CURVE,
    REVIEWED_BOXES,
    SUGGESTED_SITES,
)
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotation_log import Answer
from synapse_assets_tests.pipeline import box_labelling as planted

ROUND = "round_001"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What runs assets of a volume that was searched by a network set by hand; in the order of the tests below."""
    root = tmp_path_factory.mktemp("lab")
    planted.plant(root)
    dataset, store = planted.dataset(root), DatasetStore(str(root / "data"), "own")
    planted.search(store, dataset)
    definitions = build_definitions(
        Settings(data_root=str(root / "data"), datasets=[], device="cpu"), datasets=[dataset]
    )
    with dg.DagsterInstance.ephemeral() as instance:

        def run(name: str, partition: str | None = None) -> None:
            definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                asset_selection=[dg.AssetKey(["own", name])],
                partition_key=partition,
                instance=instance,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )

        yield dataset, store, instance, run, definitions


def test_the_first_round_is_due_once_there_is_a_detector(lab: Any) -> None:
    dataset, store, instance, run, _ = lab
    assert next_round(store, dataset) == ROUND
    instance.add_dynamic_partitions("own_round", [ROUND])
    run("query_suggestions", ROUND)
    assert store.results(BOX_SUGGESTIONS).read(ROUND).num_rows == 5
    assert next_round(store, dataset) is None, "a round is not done before people have answered"
    assert not progress(store, dataset, ROUND).done


def test_answers_in_the_log_become_boxes_that_are_done(lab: Any) -> None:
    dataset, store, _, run, _ = lab
    names = store.results(BOX_SUGGESTIONS).read(ROUND).sort_by("rank").column("box").to_pylist()
    given = [(row["site"], ACCEPT) for row in store.results(SUGGESTED_SITES).read(ROUND).to_pylist()]
    given += [(name, DONE) for name in names]
    store.annotation_log.append(
        [Answer(f"id_{number}", "Ada", ROUND, item, answer) for number, (item, answer) in enumerate(given)]
    )
    assert progress(store, dataset, ROUND).done
    run("annotations", ROUND)
    run("reviewed_boxes")
    assert store.results(ANNOTATIONS).read(ROUND).num_rows == len(given)
    assert sorted(store.results(REVIEWED_BOXES).read().column("box").to_pylist()) == sorted(names)


def test_the_next_round_waits_for_a_detector_that_knows_the_answers(lab: Any) -> None:
    dataset, store, _, run, _ = lab
    run("label_curve")
    assert next_round(store, dataset) is None
    run("annotated_objects")
    run("detector")
    models = store.models(MODEL)
    assert (models.current, models.candidate is not None) == ("by_hand", True)
    run("label_curve")
    rows = store.results(LABEL_CURVE).read().to_pylist()
    assert [row["round"] for row in rows] == ["before", ROUND]
    assert rows[1]["score"] is not None
    assert next_round(store, dataset) == "round_002"


def test_nothing_of_people_is_in_a_release(lab: Any) -> None:
    _, store, _, run, _ = lab
    run("warehouse")
    release = store.release()
    assert release is not None
    assert {"reviewed_boxes", "reviewed_sites", "label_curve"} <= set(release["tables"])
    assert not {"annotations", "query_suggestions", "suggested_sites"} & set(release["tables"])
    assert not any("Ada" in str(store.results(table).read().to_pylist()) for table in (REVIEWED_BOXES, LABEL_CURVE))


def test_only_a_dataset_that_is_labelled_has_these_assets(lab: Any, tmp_path: Path) -> None:
    _, _, _, _, definitions = lab
    names = {"query_suggestions", "annotations", "annotation_log", "reviewed_boxes", "label_curve"}
    graph = definitions.resolve_asset_graph()
    assert all(graph.has(dg.AssetKey(["own", name])) for name in names)
    planted.plant(tmp_path)
    without = build_definitions(
        Settings(data_root=str(tmp_path / "data"), datasets=[], device="cpu"),
        datasets=[planted.dataset(tmp_path, labelling=None)],
    ).resolve_asset_graph()
    assert not any(without.has(dg.AssetKey(["own", name])) for name in names)
    assert dg.AssetKey(["own", "reviewed_boxes"]) not in without.get(dg.AssetKey(["own", "detector"])).parent_keys
