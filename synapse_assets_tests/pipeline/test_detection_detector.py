"""Detectors of planted discs: trained, tested on parts that they never saw, stored, taken up after a kill, and promoted."""

import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.compute as pc
import pytest
from safetensors.numpy import load_file

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.annotated import register_annotations
from synapse_assets.pipeline.detection.detector import fit_detectors, fits, stored_detectors
from synapse_assets.pipeline.detection.scores import TILE_PX, score_detectors
from synapse_assets.pipeline.detection.stored import MODEL, detector_in_use
from synapse_assets.pipeline.detection.tested import BLOCK, NEXT_SECTIONS, DetectorTest
from synapse_assets.pipeline.em.promotions import decide_on_candidates
from synapse_assets.pipeline.report import Picture, Report
from synapse_assets.schema.detection import DETECTOR_SCORES, EXAMINED_SITES
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import decode_tile
from synapse_assets_tests.planted_volumes import SHAPE, TINY, VOXEL_NM, mask, plant, planted_dataset, write_planted

LOG = logging.getLogger(__name__)
CLEFTS = {"clefts": {"targets": ["cleft"], **TINY}}
SITES = {
    "sites": {
        "targets": ["presynaptic", "postsynaptic"], "learns_from": "points", "ball_nm": 32, "apart_nm": 80, "pair_nm": 150, **TINY,
    }
}  # fmt: skip
HASTY = {"steps": 1, "channels": [2, 2, 2], "batch_size": 1}
"""Of a network whose training takes no time and that learns nothing."""


def fit(store: DatasetStore, dataset: DetectionDataset, watch: Callable[..., None] = lambda *_: None) -> Report:
    register_annotations(store, dataset, [], LOG)
    return fit_detectors(store, dataset, "cpu", LOG, watch)


@pytest.fixture(scope="session")
def planted_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is planted, as files; for reading only."""
    folder = tmp_path_factory.mktemp("planted") / "files"
    write_planted(folder, plant())
    return folder


@pytest.fixture(scope="session")
def fitted(
    planted_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DatasetStore, DetectionDataset, Report]:
    """Detectors of clefts from masks, and of both sites from points; for reading only."""
    store = DatasetStore(str(tmp_path_factory.mktemp("detectors")), "planted")
    dataset = planted_dataset(planted_files, detectors=CLEFTS | SITES)
    return store, dataset, fit(store, dataset)


def test_detectors_find_what_is_planted_where_they_never_were(
    fitted: tuple[DatasetStore, DetectionDataset, Report],
) -> None:
    store, _, report = fitted
    folder = store.models(MODEL).path(str(store.models(MODEL).current))
    assert [check.passed for check in report.checks] == [True]
    clefts, sites = (DetectorTest.load(folder / name) for name in ("clefts", "sites"))
    assert clefts.value("cleft", "recall") >= 0.8  # type: ignore[operator]
    assert clefts.value("cleft", "f1") >= 0.6  # type: ignore[operator]
    assert sites.value("presynaptic", "f1") >= 0.2  # type: ignore[operator]
    assert (clefts.parts, set(clefts.choices[BLOCK]), set(clefts.choices[NEXT_SECTIONS])) == ((2, 2), {0, 1}, {-1})
    assert all("the other parts" in choice.by for choice in clefts.choices[BLOCK].values())
    assert "all parts" in clefts.applied.by
    every = [measure for measure in clefts.measures[NEXT_SECTIONS] if measure.measure == "f1"]
    assert [(measure.objects, measure.annotated > 0) for measure in every] == [("all", True), ("limited", True)]
    scores = store.models(MODEL).provenance(str(store.models(MODEL).current)).scores
    assert scores["clefts_cleft_f1"] == clefts.value("cleft", "f1")
    assert scores["score"] == pytest.approx(np.mean([clefts.score(), sites.score()]))  # type: ignore[list-item]
    assert scores["clefts_seconds"] > 0
    pictures = {name for name, detail in report.details.items() if isinstance(detail, Picture)}
    assert pictures == {f"{name}_{what}" for name in ("clefts", "sites") for what in ("training", "precision_recall")}


def test_what_is_in_use_has_the_rules_that_were_chosen(fitted: tuple[DatasetStore, DetectionDataset, Report]) -> None:
    store, dataset, _ = fitted
    clefts, sites = (detector_in_use(store, dataset, name) for name in ("clefts", "sites"))
    test = DetectorTest.load(store.models(MODEL).path(clefts.version) / "clefts")
    assert clefts.rules.threshold == test.applied.threshold
    assert clefts.rules.limits.min_nm3 == test.applied.min_nm3
    assert (clefts.rules.balls, sites.rules.balls, sites.rules.ball_nm) == (False, True, 32)
    assert sites.network.spec.targets == ("presynaptic", "postsynaptic")
    with pytest.raises(BadInput, match=r"no detector 'mito'; there are \['clefts', 'sites'\]"):
        detector_in_use(store, dataset, "mito")


def test_scores_are_tabled_with_what_they_are_of(
    fitted: tuple[DatasetStore, DetectionDataset, Report], planted_files: Path
) -> None:
    store, dataset, _ = fitted
    report = score_detectors(store, dataset, LOG)
    scores = store.results(DETECTOR_SCORES).read().to_pylist()
    assert report.rows == len(scores)
    assert {(row["detector"], row["target"], row["split"]) for row in scores} == {
        (detector, target, split)
        for detector, target in (("clefts", "cleft"), ("sites", "presynaptic"), ("sites", "postsynaptic"))
        for split in ("block", "next_sections")
    }
    by_name = {(r["detector"], r["target"], r["split"], r["measure"], r["objects"]): r for r in scores}
    f1 = by_name["clefts", "cleft", "block", "f1", "limited"]
    assert f1["low"] <= f1["value"] <= f1["high"]
    assert (f1["annotated"], f1["tolerance_nm"]) == (16, 60)
    assert f1["sentence"].startswith(f"clefts of planted, cleft: F1 {f1['value']:.3f} [")
    assert "2 of 2 parts" in f1["sentence"]
    assert "seed 0" in f1["sentence"]
    assert "flatters" in by_name["clefts", "cleft", "next_sections", "f1", "all"]["sentence"]
    assert by_name["clefts", "cleft", "block", "adgt_nm", "limited"]["tolerance_nm"] is None
    assert ("sites", "postsynaptic", "block", "pair_f1", "limited") in by_name

    sites = store.results(EXAMINED_SITES).read()
    assert len(set(sites.column("site_id").to_pylist())) == sites.num_rows
    clefts = sites.filter(pc.equal(sites.column("detector"), "clefts")).to_pylist()
    by_outcome = {kind: [row for row in clefts if row["outcome"] == kind] for kind in ("found", "missed", "invented")}
    assert len(by_outcome["found"]) + len(by_outcome["missed"]) == 16
    assert len(by_outcome["found"]) == round(by_name["clefts", "cleft", "block", "recall", "limited"]["value"] * 16)
    planted = plant()
    for row in by_outcome["found"]:
        number = int(row["object_id"].removeprefix("clefts_"))
        z, y, x = planted.sites[number - 1].tolist()
        assert (row["x_nm"], row["y_nm"], row["z_nm"]) == ((x + 0.5) * 8, (y + 0.5) * 8, (z + 0.5) * 40)
        assert row["fold"] == (x >= 64)
        assert 0 < row["score"] <= 1
        tile = decode_tile(row["tile"])
        assert tile.shape == (1, TILE_PX, TILE_PX)
        near = TILE_PX // 2
        assert tile[0, near, near] == planted.grey[z, y, x]
    assert all(row["score"] is None and row["object_id"] for row in by_outcome["missed"])
    assert all(row["object_id"] is None and row["distance_nm"] is not None for row in by_outcome["invented"])


def test_the_same_content_is_not_trained_again_nor_is_a_detector_that_stays(
    planted_files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DatasetStore(str(tmp_path), "planted")
    first = {"clefts": CLEFTS["clefts"] | HASTY}
    report = fit(store, planted_dataset(planted_files, detectors=first))
    assert fit(store, planted_dataset(planted_files, detectors=first)).details["fitted_now"] is False
    caplog.set_level(logging.INFO)
    second = {"named_anew": first["clefts"], "mito": {"targets": ["mitochondria"], "pixel_nm": 16, **TINY, **HASTY}}
    added = fit(store, planted_dataset(planted_files, detectors=second))
    assert "named_anew: of the same choice, annotations and volumes as in" in caplog.text
    models = store.models(MODEL)
    files = [
        models.path(str(version)) / name / "network.safetensors"
        for version, name in ((report.details["version"], "clefts"), (added.details["version"], "named_anew"))
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert set(stored_detectors(models, str(added.details["version"]))) == {"named_anew", "mito"}
    assert models.path(str(added.details["version"])).joinpath("mito", "rules.json").is_file()


def test_a_refit_that_is_worse_stays_a_candidate_and_one_of_other_voxels_is_dropped(
    fitted: tuple[DatasetStore, DetectionDataset, Report], planted_files: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(Path(fitted[0].data_root), tmp_path / "data")
    store, promoted = DatasetStore(str(tmp_path / "data"), "planted"), []
    models = store.models(MODEL)
    worse = planted_dataset(planted_files, detectors={"clefts": CLEFTS["clefts"] | HASTY})
    report = fit(store, worse)
    assert models.candidate == report.details["version"] != models.current
    decide_on_candidates(store, worse, "cpu", LOG, lambda *what: promoted.append(what))
    [row] = store.results(_promotions()).read().to_pylist()
    assert (row["decision"], promoted) == ("kept", [])
    assert "each on its own annotations: clefts" in row["reason"]
    assert row["score_candidate"] < row["score_in_use"]
    other = planted_dataset(planted_files, detectors=CLEFTS)
    other = other.model_copy(
        update={"volumes": {"block": other.volumes["block"].model_copy(update={"voxel_size_nm": (4.0, 4.0, 40.0)})}}
    )
    assert not fits(models.provenance(str(models.candidate)), other)
    decide_on_candidates(store, other, "cpu", LOG, lambda *what: promoted.append(what))
    [row] = store.results(_promotions()).read().to_pylist()
    assert (row["decision"], models.candidate) == ("dropped", None)
    assert "voxels of another size" in row["reason"]
    with pytest.raises(BadInput, match="4 x 4 x 40 nm"):
        detector_in_use(store, other, "clefts")


def _promotions() -> Any:
    from synapse_assets.schema import PROMOTIONS

    return PROMOTIONS


def small_mask(folder: Path, planted: Path, objects: int) -> dict[str, Any]:
    """The volume with a mask of so many of the clefts, in a file of its own."""
    values = np.where(plant().clefts <= objects, plant().clefts, 0)
    with h5py.File(folder / "mask.h5", "w") as file:
        file["few"] = values
    return mask(planted, "few", "cleft", url=str(folder / "mask.h5"))


def test_one_object_is_learnt_with_a_remark_and_without_an_interval(planted_files: Path, tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path / "data"), "planted")
    few = small_mask(tmp_path, planted_files, 1)
    dataset = planted_dataset(planted_files, annotations=[few], detectors={"clefts": CLEFTS["clefts"] | HASTY})
    report = fit(store, dataset)
    notes = str(report.details["notes"])
    assert "on everything: one object of cleft only" in notes
    assert "part 0 was not tested: without it a detector of 'cleft' needs at least one object" in notes
    assert [check.passed for check in report.checks] == [False]
    score_detectors(store, dataset, LOG)
    rows = store.results(DETECTOR_SCORES).read().to_pylist()
    recall = [row for row in rows if (row["split"], row["measure"]) == ("block", "recall")]
    assert [(row["value"], row["low"], row["annotated"]) for row in recall] == [(None, None, 0)] * 2
    assert "could not be asked" in recall[0]["sentence"]


def test_one_part_is_trained_on_and_not_tested(planted_files: Path, tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path / "data"), "planted")
    detectors = {"clefts": CLEFTS["clefts"] | HASTY | {"threshold": 0.4, "min_nm3": 100}}
    dataset = planted_dataset(planted_files, hold_out=(1, 1, 1), detectors=detectors)
    report = fit(store, dataset)
    assert "clefts: it was not tested, as nothing that is annotated could be held out" in str(report.details["notes"])
    test = DetectorTest.load(store.models(MODEL).path(str(report.details["version"])) / "clefts")
    assert (test.measures[BLOCK], test.parts, test.score()) == ([], (0, 1), None)
    assert (test.applied.threshold, test.applied.min_nm3, test.applied.by) == (0.4, 100, "the dataset's YAML")
    score_detectors(store, dataset, LOG)
    assert {row["split"] for row in store.results(DETECTOR_SCORES).read().to_pylist()} == {"next_sections"}
    assert store.results(EXAMINED_SITES).read().num_rows == 0


def test_nothing_annotated_is_no_model(planted_files: Path, tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path / "data"), "planted")
    none = small_mask(tmp_path, planted_files, 0)
    dataset = planted_dataset(planted_files, annotations=[none], detectors={"clefts": CLEFTS["clefts"] | HASTY})
    report = fit(store, dataset)
    missing = NoModel.found(store.models(MODEL).path(str(report.details["version"])))
    assert missing is not None
    assert "no detector clefts: a detector of 'cleft' needs at least one object to learn from" in missing.reason
    assert score_detectors(store, dataset, LOG).rows == 0
    with pytest.raises(BadInput, match="has no detectors: no detector clefts"):
        detector_in_use(store, dataset, "clefts")


def test_a_pixel_that_is_no_multiple_of_the_voxel_is_refused(planted_files: Path, tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path / "data"), "planted")
    detectors = {"clefts": CLEFTS["clefts"] | HASTY | {"pixel_nm": 12}}
    with pytest.raises(BadInput, match=r"pixel_nm is 12, which is 1\.5 voxels of 8 nm"):
        fit(store, planted_dataset(planted_files, detectors=detectors))
    assert store.models(MODEL).versions() == []


def _killed_in_training(files: str, root: str) -> None:
    """Dies by SIGKILL in the middle of the second training."""
    trained: list[float] = []

    def watch(what: str, numbers: dict[str, float]) -> None:
        trained.append(numbers["step"])
        if "training 2 of" in what and numbers["step"] > 1:
            os.kill(os.getpid(), signal.SIGKILL)

    from synapse_assets.pipeline.em import networks
    from synapse_assets.vision.training import loop

    networks._WATCH_SECONDS = 0.0
    loop.CHECKPOINT_SECONDS = 0.0
    fit(DatasetStore(root, "planted"), _to_be_killed(Path(files)), watch)


def _to_be_killed(files: Path) -> DetectionDataset:
    return planted_dataset(files, detectors={"clefts": CLEFTS["clefts"] | HASTY | {"steps": 25}})


def test_a_training_that_was_killed_goes_on(
    planted_files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, dataset = DatasetStore(str(tmp_path / "killed"), "planted"), _to_be_killed(planted_files)
    child = multiprocessing.get_context("spawn").Process(
        target=_killed_in_training, args=(str(planted_files), str(tmp_path / "killed"))
    )
    child.start()
    child.join(240)
    assert child.exitcode == -signal.SIGKILL
    assert store.models(MODEL).versions() == [], "nothing of a killed fit may be seen"
    caplog.set_level(logging.INFO)
    report = fit(store, dataset)
    assert "training: goes on from step 25 of 25" in caplog.text, "the first training was complete"
    assert caplog.text.count("training: goes on from step") == 2
    whole = DatasetStore(str(tmp_path / "whole"), "planted")
    assert fit(whole, dataset).details["version"] == report.details["version"]
    one, other = (one.models(MODEL).path(str(report.details["version"])) / "clefts" for one in (store, whole))
    weights, expected = (load_file(folder / "network.safetensors") for folder in (one, other))
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)
    assert (one / "rules.json").read_bytes() == (other / "rules.json").read_bytes()
    assert not list((Path(store.data_root) / "planted" / "staging").glob("detector/*")), "unfinished work is gone"


def test_a_test_is_stored_without_pickle(fitted: tuple[DatasetStore, DetectionDataset, Report]) -> None:
    store, _, _ = fitted
    folder = store.models(MODEL).path(str(store.models(MODEL).current)) / "clefts"
    assert {path.name for path in folder.iterdir()} == {
        "network.safetensors",
        "rules.json",
        "detector_test.json",
        "detector_test.npz",
    }
    facts = json.loads((folder / "detector_test.json").read_text())["facts"]
    assert facts["targets"] == ["cleft"]
    with np.load(folder / "detector_test.npz", allow_pickle=False) as arrays:
        assert arrays["cleft_position_nm"].shape[1] == 3
    (folder / "detector_test.json").rename(folder / "elsewhere")
    try:
        with pytest.raises(BadInput, match=r"detector_test\.json"):
            DetectorTest.load(folder)
    finally:
        (folder / "elsewhere").rename(folder / "detector_test.json")


def test_the_planted_volume_is_as_the_tests_take_it() -> None:
    planted = plant()
    assert (planted.grey.shape, planted.clefts.max(), planted.mitochondria.max()) == (SHAPE, 16, 16)
    assert (planted.clefts > 0).sum() < (planted.mitochondria > 0).sum()
    assert VOXEL_NM[0] == VOXEL_NM[1]
