"""What the staining chain does when a run is killed, a picture changes, a network is added, there is one class, or several channels."""

import logging
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import StainingDataset
from synapse_assets.pipeline.em.promotions import decide_on_candidates
from synapse_assets.pipeline.staining.explanations import explain_plate
from synapse_assets.pipeline.staining.images import read_image_table, register_images
from synapse_assets.pipeline.staining.networks import MODEL, fit_classifiers, network_file
from synapse_assets.pipeline.staining.predictions import predict_plate
from synapse_assets.pipeline.staining.scores import score_classifiers
from synapse_assets.pipeline.staining.tested import StainTest
from synapse_assets.pipeline.staining.window_maps import map_plate
from synapse_assets.pipeline.staining.windows import cut_windows
from synapse_assets.schema.staining import (
    IMAGE_PREDICTIONS,
    IMAGES,
    STAIN_EXPLANATIONS,
    STAIN_SCORES,
    STAIN_THRESHOLDS,
    WINDOW_MAPS,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.vision.staining import StainNetwork
from synapse_assets_tests.defs.staining.conftest import NETWORKS
from synapse_assets_tests.defs.staining.planted import PLATES, StainLab, picture, seed_of, staining_dataset

LOG = logging.getLogger(__name__)
FEW = {"A01": ("control", None), "B01": ("treated", None)}
QUICK = {"small": {"architecture": "small_stain", "head": "linear", "steps": 2, "batch_size": 4}}


@pytest.fixture
def copied(stain_lab: StainLab, tmp_path: Path) -> tuple[DatasetStore, StainingDataset, Path]:
    """The data and pictures of the finished lab in a place of their own."""
    shutil.copytree(stain_lab.root / "data", tmp_path / "data")
    shutil.copytree(stain_lab.root / "pictures", tmp_path / "pictures")
    dataset = staining_dataset(tmp_path, networks=NETWORKS, answers_from="small")
    store = DatasetStore(str(tmp_path / "data"), dataset.name)
    read_image_table(store, dataset, [], LOG)
    for plate in PLATES:
        register_images(store, dataset, plate, LOG)
    return store, dataset, tmp_path


def nothing(what: str, numbers: Mapping[str, float]) -> None:
    """Watches no training."""


def killed(run: Callable[[str, str], None], root: Path, argument: str) -> None:
    """Runs that in a process of its own, which is killed."""
    child = multiprocessing.get_context("spawn").Process(target=run, args=(str(root), argument))
    child.start()
    child.join(240)
    assert child.exitcode == -signal.SIGKILL


def die() -> None:
    """Kills this process as a loss of power does."""
    os.kill(os.getpid(), signal.SIGKILL)


def _train_until_killed(root: str, key: str) -> None:
    def watch(what: str, _: Mapping[str, float]) -> None:
        if "training 2 of" in what:
            die()

    dataset = staining_dataset(Path(root), networks=NETWORKS, answers_from="small")
    fit_classifiers(DatasetStore(f"{root}/data", "stain"), dataset, "cpu", LOG, watch)


def _map_until_killed(root: str, plate: str) -> None:
    dense, calls = StainNetwork.dense, []

    def seen(self: StainNetwork, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            die()
        return dense(self, *arguments, **options)

    StainNetwork.dense = seen  # type: ignore[method-assign]
    dataset = staining_dataset(Path(root), networks=NETWORKS, answers_from="small")
    map_plate(DatasetStore(f"{root}/data", "stain"), dataset, plate, "cpu", LOG)


def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(
    copied: tuple[DatasetStore, StainingDataset, Path], stain_lab: StainLab
) -> None:
    store, dataset, root = copied
    version = str(store.models(MODEL).current)
    shutil.rmtree(root / "data" / "stain" / "models" / MODEL)
    killed(_train_until_killed, root, "")
    assert store.models(MODEL).current is None
    told: list[str] = []
    fit_classifiers(store, dataset, "cpu", LOG, lambda what, _: told.append(what))
    # The last one may stop early, and then tells nothing in so short a time.
    assert [what.split(" (")[0] for what in told[:2]] == ["small, training 2 of 4", "small, training 3 of 4"]
    assert store.models(MODEL).current == version
    mine, whole = (of.models(MODEL).path(version) / "small" for of in (store, stain_lab.store))
    pixels = picture(True, 5)[None]
    for fold in range(3):
        maps = [StainNetwork.load(network_file(folder, fold)).dense(pixels, "cpu") for folder in (mine, whole)]
        assert (maps[0].logits == maps[1].logits).all()
    tests = [StainTest.load(folder, "small", version) for folder in (mine, whole)]
    assert np.array_equal(tests[0].of("image").probabilities, tests[1].of("image").probabilities)
    assert tests[0].thresholds == tests[1].thresholds
    assert not [path for path in (root / "data" / "stain" / "staging").rglob("*") if path.is_file()]


def test_killed_maps_go_on(copied: tuple[DatasetStore, StainingDataset, Path]) -> None:
    store, dataset, root = copied
    maps = store.results(WINDOW_MAPS)
    before = maps.read("P1")
    maps.remove_partition("P1")
    killed(_map_until_killed, root, "P1")
    assert maps.read("P1").num_rows == 0, "nothing of a killed run may be seen"
    report = map_plate(store, dataset, "P1", "cpu", LOG)
    assert (report.details["resumed_rows"], report.computed_rows, report.rows) == (2, 4, 6)
    assert maps.read("P1").equals(before)


def test_only_a_changed_picture_is_mapped_again(copied: tuple[DatasetStore, StainingDataset, Path]) -> None:
    store, dataset, root = copied
    before = store.results(WINDOW_MAPS).read("P2").to_pandas().set_index("image_id")["probabilities"]
    Image.fromarray(picture(True, seed_of("another"))).save(root / "pictures" / "P2_A01_0.png")
    register_images(store, dataset, "P2", LOG)
    report = map_plate(store, dataset, "P2", "cpu", LOG)
    assert (report.details["kept_rows"], report.computed_rows, report.rows) == (5, 1, 6)
    after = store.results(WINDOW_MAPS).read("P2").to_pandas().set_index("image_id")["probabilities"]
    other = [image_id for image_id in after.index if not np.array_equal(after[image_id], before[image_id])]
    assert other == ["P2_A01_0.png"]


def test_a_plate_whose_files_are_gone_leaves_nothing(copied: tuple[DatasetStore, StainingDataset, Path]) -> None:
    store, dataset, root = copied
    table = pd.read_csv(root / "pictures" / "pictures.csv")
    table[table["plate"] != "P2"].to_csv(root / "pictures" / "pictures.csv", index=False)
    layers = root / "data" / "stain" / "layers" / "explanations" / "P2"
    assert list(layers.iterdir())
    read_image_table(store, dataset, [], LOG)
    reports = [register_images(store, dataset, "P2", LOG), cut_windows(store, dataset, "P2", LOG)]
    reports += [step(store, dataset, "P2", "cpu", LOG) for step in (map_plate, predict_plate, explain_plate)]
    assert [report.rows for report in reports] == [0] * 5
    for name in (IMAGES, WINDOW_MAPS, IMAGE_PREDICTIONS, STAIN_EXPLANATIONS):
        assert store.results(name).read("P2").num_rows == 0
        assert store.results(name).read("P1").num_rows > 0
    assert store.tiles.count("P2") == store.synapses.read("P2", ["synapse_id"]).num_rows == 0
    assert not list(layers.iterdir())


def test_a_network_that_is_added_trains_alone(copied: tuple[DatasetStore, StainingDataset, Path]) -> None:
    store, _, root = copied
    dataset = staining_dataset(root, networks={**NETWORKS, "other": QUICK["small"]}, answers_from="small")
    told: set[str] = set()
    fit_classifiers(store, dataset, "cpu", LOG, lambda what, _: told.add(what.split(",")[0]))
    assert told == {"other"}
    models = store.models(MODEL)
    before, after = (models.path(str(version)) for version in (models.current, models.candidate))
    for name in ("small/fold_0.safetensors", "small/stain_test.npz", "texture_probe/stain_test.npz"):
        assert (before / name).read_bytes() == (after / name).read_bytes()

    # It is as good as the one in use, so it is put in use; maps of the network that stayed the same stay.
    decided: list[str] = []
    candidate = str(models.candidate)
    decide_on_candidates(store, dataset, "cpu", LOG, lambda model, version: decided.append(f"{model} {version}"))
    assert decided == [f"{MODEL} {candidate}"]
    models.promote(candidate)
    report = map_plate(store, dataset, "P1", "cpu", LOG)
    assert (report.details["kept_rows"], report.computed_rows) == (6, 0)
    assert set(store.results(WINDOW_MAPS).read("P1", ["version"]).column("version").to_pylist()) == {candidate}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance of its own."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_one_class_gives_no_model_and_says_why(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    lab = StainLab(tmp_path, instance, networks=QUICK)
    for plate in PLATES:
        lab.add(plate, {"A01": ("control", None)})
    lab.to_vectors()
    report = fit_classifiers(lab.store, lab.dataset, "cpu", LOG, nothing)
    assert "all labelled pictures are 'control'" in str(report.details["notes"])
    models = lab.store.models(MODEL)
    assert isinstance(NoModel.found(models.path(str(models.current))), NoModel)
    assert [check.passed for check in report.checks] == [False]
    assert score_classifiers(lab.store, lab.dataset, LOG).rows == 0
    assert map_plate(lab.store, lab.dataset, "P1", "cpu", LOG).rows == 0
    assert predict_plate(lab.store, lab.dataset, "P1", "cpu", LOG).rows == 0
    assert lab.store.results(STAIN_THRESHOLDS).read().num_rows == 0


@pytest.mark.parametrize(("plates", "said"), [(1, "so none can be held out"), (2, "")])
def test_few_plates(instance: dg.DagsterInstance, tmp_path: Path, plates: int, said: str) -> None:
    """One cannot be held out; of two, wells of the other are set aside for thresholds."""
    lab = StainLab(tmp_path, instance, grouping=["plate"])
    for plate in PLATES[:plates]:
        lab.add(
            plate,
            {
                f"{row}{n:02d}": (label, None)
                for row, label in zip("AB", lab.dataset.classes, strict=True)
                for n in (1, 2)
            },
        )
    lab.to_vectors()
    report = fit_classifiers(lab.store, lab.dataset, "cpu", LOG, nothing)
    assert said in str(report.details["notes"])
    score_classifiers(lab.store, lab.dataset, LOG)
    limits = lab.store.results(STAIN_THRESHOLDS).read().to_pandas()
    assert limits["wells"].tolist() == ([] if plates == 1 else [4] * 4)


@pytest.mark.parametrize("channels", [3, 5])
def test_colours_and_many_channels(instance: dg.DagsterInstance, tmp_path: Path, channels: int) -> None:
    chosen = list(range(channels)) if channels == 3 else [0, 4]
    lab = StainLab(tmp_path, instance, networks=QUICK, channels=chosen)
    for plate in PLATES:
        lab.add(plate, FEW, channels=channels)
    lab.to_vectors()
    fit_classifiers(lab.store, lab.dataset, "cpu", LOG, nothing)
    version = str(lab.store.models(MODEL).current)
    network = StainNetwork.load(network_file(lab.store.models(MODEL).path(version) / "small", 0))
    assert network.spec.channels == len(chosen)
    assert score_classifiers(lab.store, lab.dataset, LOG).rows
    assert map_plate(lab.store, lab.dataset, "P1", "cpu", LOG).rows == len(FEW)
    predict_plate(lab.store, lab.dataset, "P1", "cpu", LOG)
    predictions = lab.store.results(IMAGE_PREDICTIONS).read("P1").to_pandas()
    assert sorted(predictions["classifier"].unique()) == ["small", "texture_probe"]
    assert len(predictions) == 2 * len(FEW)
    assert lab.store.results(STAIN_SCORES).read(columns=["classifier"]).num_rows
