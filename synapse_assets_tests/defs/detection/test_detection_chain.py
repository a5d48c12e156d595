"""The detection chain through Dagster, once: from a volume and its annotations to a release of synapses and mitochondria."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from synapse_assets.datasets import DetectionDataset
from synapse_assets.definitions import build_definitions
from synapse_assets.pipeline.detection.stored import MODEL
from synapse_assets.schema.detection import ANNOTATED_OBJECTS, DETECTIONS, DETECTOR_SCORES, MITOCHONDRIA
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import failure_reason
from synapse_assets_tests.planted_volumes import TINY, plant, planted_dataset, write_planted

BLOCKS = ("block_0_0_0", "block_1_0_0", "block_0_1_0", "block_1_1_0")
DETECTORS = {
    "clefts": {"targets": ["cleft"], **TINY, "steps": 30},
    "mito": {"targets": ["mitochondria"], "pixel_nm": 16, **TINY, "steps": 15},
}
BY_BLOCK = ("probability_maps", "detections", "mitochondria")


class Searched:
    """An installation of the planted volume."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.files, self.root, self.instance = root / "files", root / "data", instance
        write_planted(self.files, plant())
        self.use(planted_dataset(self.files, detectors=DETECTORS, block_nm=(520, 520, 480)))

    def use(self, dataset: DetectionDataset) -> None:
        """Takes that dataset from now on."""
        settings = Settings(data_root=str(self.root), datasets=[], device="cpu")
        self.definitions = build_definitions(settings, datasets=[dataset])
        self.dataset, self.store = dataset, DatasetStore(str(self.root), dataset.name)

    def materialize(self, *names: str, block: str | None = None, raises: bool = True) -> dg.ExecuteInProcessResult:
        """Runs these assets together."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(["planted", name]) for name in names],
            partition_key=block,
            instance=self.instance,
            raise_on_error=raises,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def facts(self, name: str) -> dict[str, Any]:
        """What the UI shows of the last materialisation."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(["planted", name]))
        assert event is not None
        assert event.asset_materialization is not None
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    """From files to a release; in the order of the tests below."""
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Searched(tmp_path_factory.mktemp("searched"), instance)
        lab.materialize("volume_blocks", "annotated_objects")
        lab.materialize("detector")
        lab.materialize("detector_scores")
        for block in BLOCKS:
            lab.materialize(*BY_BLOCK, block=block)
        lab.materialize("promotions")
        lab.materialize("warehouse")
        yield lab


def test_blocks_are_partitions(searched: Searched) -> None:
    assert sorted(searched.instance.get_dynamic_partitions("planted_block")) == sorted(BLOCKS)


def test_a_release_holds_what_was_found(searched: Searched) -> None:
    release = searched.store.release()
    assert release is not None
    current = searched.store.models(MODEL).current
    assert release["models"] == {MODEL: current}
    assert set(release["tables"]) == {
        "volume_blocks", "annotated_objects", "detector_scores", "examined_sites", "probability_maps", "synapses", "mitochondria",
        "promotions",
    }  # fmt: skip
    rows = {name: table["rows"] for name, table in release["tables"].items()}
    assert (rows["volume_blocks"], rows["annotated_objects"], rows["probability_maps"]) == (4, 64, 8)
    assert rows["synapses"] == searched.store.results(DETECTIONS).read().num_rows > 0
    assert rows["mitochondria"] == searched.store.results(MITOCHONDRIA).read().num_rows
    assert rows["detector_scores"] == searched.store.results(DETECTOR_SCORES).read().num_rows > 0
    assert set(release["scores"][MODEL]) >= {"score", "clefts_cleft_f1", "mito_mitochondria_dice", "clefts_seconds"}


def test_the_ui_shows_how_a_detector_was_trained_and_tested(searched: Searched) -> None:
    facts = searched.facts("detector")
    assert {"clefts_training", "clefts_precision_recall", "mito_training", "version", "score"} <= set(facts)
    observed = searched.instance.fetch_observations(dg.AssetKey(["planted", "detector"]), limit=50).records
    assert any("training 1 of" in str(one.asset_observation.description) for one in observed if one.asset_observation)
    assert "clefts of planted, cleft: F1" in searched.facts("detector_scores")["scores"]


def test_what_is_fitted_again_on_the_same_is_the_same(searched: Searched) -> None:
    searched.materialize("detector")
    assert searched.facts("detector")["fitted_now"] is False


def test_jobs_schedules_and_automation_are_declared(searched: Searched) -> None:
    repository = searched.definitions.get_repository_def()
    names = {job.name for job in repository.get_all_jobs()}
    assert {f"planted_{job}" for job in ("ingest", "apply", "fit", "promote", "release", "reconcile")} <= names
    members = {
        job: {key.path[-1] for key in repository.get_job(f"planted_{job}").asset_layer.selected_asset_keys}
        for job in ("ingest", "apply", "fit")
    }
    assert members == {"ingest": {"volume_blocks", "annotated_objects"}, "apply": set(BY_BLOCK), "fit": {"detector"}}
    assert "planted_weekly_refit" in {schedule.name for schedule in repository.schedule_defs}
    graph = searched.definitions.resolve_asset_graph()
    for name in ("annotated_objects", "detector", "detector_scores", *BY_BLOCK, "promotions", "warehouse"):
        assert graph.get(dg.AssetKey(["planted", name])).automation_condition is not None, name


def test_points_outside_are_a_warning_in_the_ui(searched: Searched) -> None:
    before = (searched.files / "pre.csv").read_text()
    (searched.files / "pre.csv").write_text(f"{before}99,900,4,4\n")
    result = searched.materialize("annotated_objects")
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert (checks["points_inside_volume"].passed, checks["has_objects"].passed) == (False, True)
    assert checks["points_inside_volume"].severity == dg.AssetCheckSeverity.WARN
    (searched.files / "pre.csv").write_text("id,x,y,z\n1,9000,4,4\n")
    failed = searched.materialize("annotated_objects", raises=False)
    assert "all of its 1 points lie outside of volume 'block'" in failure_reason(failed)
    assert searched.store.results(ANNOTATED_OBJECTS).read().num_rows == 64, "what was read stays"
    (searched.files / "pre.csv").write_text(before)
    searched.materialize("annotated_objects")


def test_a_release_is_refused_where_blocks_were_searched_by_another_detector(searched: Searched) -> None:
    hasty = {name: choice | {"steps": 1, "channels": [2, 2, 2]} for name, choice in DETECTORS.items()}
    before, release = searched.dataset, searched.store.release()
    searched.use(before.model_copy(update={"detectors": planted_dataset(searched.files, detectors=hasty).detectors}))
    searched.materialize("detector")
    candidate = searched.store.models(MODEL).candidate
    assert candidate is not None, "a refit waits to be compared"
    searched.store.models(MODEL).promote(candidate)
    failed = searched.materialize("warehouse", raises=False)
    reason = failure_reason(failed)
    assert f"but {candidate} is in use: materialise these blocks again" in reason
    assert "block_0_0_0" in reason
    assert searched.store.release() == release
    for block in BLOCKS:
        searched.materialize(*BY_BLOCK, block=block)
    searched.materialize("warehouse")
    # What no release waits for is of the detector before, and left out until it is made again.
    assert "detector_scores" in searched.facts("warehouse")["left_out"]
    assert "detector_scores" not in searched.store.release()["tables"]  # type: ignore[index]


def test_a_dataset_that_takes_another_s_detectors_trains_none(searched: Searched) -> None:
    plain = searched.dataset.model_dump(mode="json", exclude_none=True)
    for name in ("annotations", "detectors"):
        del plain[name]
    taken = DetectionDataset.model_validate(
        plain | {"name": "taken", "detector_from": "planted", "synapses_from": "clefts", "mitochondria_from": "mito"}
    )
    settings = Settings(data_root=str(searched.root), datasets=[], device="cpu")
    graph = build_definitions(settings, datasets=[taken]).resolve_asset_graph()
    names = {key.path[-1] for key in graph.get_all_asset_keys() if key.path[0] == "taken"}
    assert {"detector", "annotated_objects", "detector_scores", "promotions", "annotation_source"}.isdisjoint(names)
    assert {"volume_blocks", "probability_maps", "detections", "mitochondria", "warehouse"} <= names
