"""Trained networks of a dataset, from labels to cards: honest predictions, no training twice, and what happens where labels are few."""

import logging
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import Result
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from PIL import Image
from typer.testing import CliRunner

from synapse_assets.analysis.evaluation.network_card import NetworkCard
from synapse_assets.analysis.evaluation.tested_networks import NetworkTest, load_features
from synapse_assets.artifacts import NoModel
from synapse_assets.cli import app
from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.em_chain import EM
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.background import draw_background
from synapse_assets.pipeline.em.classifier_comparison import compare_with_networks, write_cards
from synapse_assets.pipeline.em.classify import predict_region, split_labelled
from synapse_assets.pipeline.em.explanations import check_explanations, explain_region
from synapse_assets.pipeline.em.networks import (
    MODEL,
    NETWORK_FILE,
    fit_networks,
    predict_networks,
    softmax,
    train_without,
)
from synapse_assets.pipeline.em.promotions import decide_on_candidates
from synapse_assets.pipeline.em.release import build_release
from synapse_assets.pipeline.em.transfer import try_others
from synapse_assets.schema import (
    CLASSIFIER_COMPARISON,
    EXPLANATION_CHECKS,
    EXPLANATIONS,
    NETWORK_CARDS,
    NETWORK_PREDICTIONS,
    SPLITS,
    SYNAPSE_LABELS,
    TRANSFER,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.vision import devices
from synapse_assets.vision.classifier import SynapseNetwork, read_network
from synapse_assets.vision.training.supervised import LabelledTiles, train_network
from synapse_assets.volumes import decode_tiles
from synapse_assets_tests.conftest import (
    CLASSES,
    REGIONS,
    VOXEL_SIZE_NM,
    Lab,
    few_pictures,
    planted_points,
    tiny_dataset,
)

SMALL = {"architecture": "test_resnet", "steps": 6, "batch_size": 6, "learning_rate": 0.01}
LOG = logging.getLogger("test")


@pytest.fixture(scope="module")
def made(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, dict[str, Any]]]:
    """The tiny dataset with one network, through Dagster; and what each asset showed."""
    with dg.DagsterInstance.ephemeral() as instance:
        folder = tmp_path_factory.mktemp("networks")
        lab = Lab(tiny_inputs, folder, instance, networks={"small": SMALL})
        lab.materialize("synapse_table", "alignment")
        lab.everywhere("synapses", "synapse_labels", "tile_plan", "tiles")
        lab.materialize("encoder", "splits")
        lab.everywhere("embeddings")
        lab.materialize("synapse_classifier")
        fitted = lab.materialize(MODEL)
        lab.everywhere("network_predictions")
        compared = lab.materialize("classifier_comparison", "network_cards")
        yield lab, {"fitted": fitted, "compared": compared}


@pytest.fixture
def store(made: tuple[Lab, Any], tmp_path: Path) -> DatasetStore:
    """A copy of what was made, to change."""
    shutil.copytree(made[0].root, tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "tiny")


def shown(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    [found] = result.asset_materializations_for_node(f"tiny__{name}")
    return {key: value.value for key, value in found.metadata.items()}


def nothing(what: str, numbers: Mapping[str, float]) -> None:
    pass


def with_networks(lab: Lab, **networks: dict[str, Any]) -> EmDataset:
    """The dataset with other networks; {} for one like `SMALL`."""
    return EmDataset.model_validate(
        {**lab.dataset.model_dump(), "networks": {name: {**SMALL, **choice} for name, choice in networks.items()}}
    )


def relabel(store: DatasetStore, dataset: EmDataset, of_neuron: Callable[[int], str | None]) -> None:
    """Other classes, by the number of the neuron, and the splits anew."""
    first = planted_points()["neuron"].min()
    for region in REGIONS:
        rows = store.results(SYNAPSE_LABELS).read(region)
        classes = [of_neuron(neuron - first) for neuron in rows.column("neuron_id").to_pylist()]
        place = rows.column_names.index("target")
        rows = rows.set_column(place, "target", pa.array(classes, pa.string()))
        store.results(SYNAPSE_LABELS).write_partition(region, rows)
    split_labelled(store, dataset, LOG)


def predictions(store: DatasetStore) -> pd.DataFrame:
    return store.results(NETWORK_PREDICTIONS).read().to_pandas()


def folder_in_use(store: DatasetStore) -> Path:
    return store.models(MODEL).path(str(store.models(MODEL).current))


# Through Dagster


def test_every_synapse_is_predicted_and_labelled_ones_by_a_network_that_never_saw_their_neuron(
    made: tuple[Lab, dict[str, Any]],
) -> None:
    lab, results = made
    rows = predictions(lab.store)
    assert len(rows) == 72
    assert set(rows["network"]) == {"small"}
    assert rows["out_of_fold"].all()
    probabilities = np.array([[p for _, p in pairs] for pairs in rows["probabilities"]])
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert {tuple(name for name, _ in pairs) for pairs in rows["probabilities"]} == {tuple(sorted(CLASSES))}
    assert (rows["predicted"] == np.array(sorted(CLASSES))[probabilities.argmax(axis=1)]).all()
    assert all(check.passed for check in results["compared"].get_asset_check_evaluations())
    facts = shown(results["fitted"], MODEL)
    assert facts["fitted_now"]
    assert facts["small_balanced_accuracy"] == facts["balanced_accuracy"]
    assert {"small_training", "small_scores", "small_confusion"} <= set(facts)
    [check] = results["fitted"].get_asset_check_evaluations()
    assert check.check_name == "better_than_chance"


def test_plots_grow_while_it_trains(made: tuple[Lab, dict[str, Any]]) -> None:
    lab, _ = made
    key = dg.AssetKey(["tiny", MODEL])
    seen = [record.asset_observation for record in lab.instance.fetch_observations(key, limit=100).records]
    # Each of five folds, and all labelled synapses.
    described = [str(entry and entry.description) for entry in seen]
    assert len(set(described)) == 6
    assert "small, training 1 of 6 (neuron_id, fold 1)" in described
    assert "small, training 6 of 6 (all labelled synapses)" in described
    assert {name for entry in seen if entry for name in entry.metadata} >= {"step", "loss", "rate", "remaining_s"}
    assert all(isinstance(value.value, float) for entry in seen if entry for value in entry.metadata.values())


def test_the_comparison_and_the_card_say_what_was_measured(made: tuple[Lab, dict[str, Any]]) -> None:
    lab, results = made
    table = lab.store.results(CLASSIFIER_COMPARISON).read().to_pandas()
    headline = table.set_index("classifier")
    assert list(headline.index) == ["linear probe", "small", "small beside the vectors"]
    provenance = lab.store.models("synapse_classifier").provenance(lab.store.models("synapse_classifier").current)
    assert headline.loc["linear probe", "balanced_accuracy"] == provenance.scores["balanced_accuracy"]
    assert headline["synapses"].tolist() == [72, 72, 72]
    named = predictions(lab.store).merge(planted_points(), left_on="synapse_id", right_on="id")
    recalls = [(named[named["nt"] == c]["predicted"] == c).mean() for c in CLASSES]
    assert headline.loc["small", "balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert headline.loc["small", "training_seconds"] > 0
    assert "The linear probe is not beaten" in shown(results["compared"], "classifier_comparison")["result"]
    [card] = lab.store.results(NETWORK_CARDS).read().to_pylist()
    for text in (
        "| gaba | 24 | 4 |", "Seed 0", "fixed beforehand", "small beside the vectors", "nothing is promised of it",
        "synapse-assets predict --model", "24 x 24 px, 4 nm a pixel and 40 nm a section", "torch ",
    ):  # fmt: skip
        assert text in card["card"], text
    assert "## Scores" in (folder_in_use(lab.store) / "small" / "card.md").read_text()


def test_unchanged_nothing_is_trained_again_and_nothing_unfinished_is_left(made: tuple[Lab, Any]) -> None:
    lab, _ = made
    before = lab.store.models(MODEL).versions()
    assert shown(lab.materialize(MODEL), MODEL)["fitted_now"] is False
    assert lab.store.models(MODEL).versions() == before
    assert not (lab.root / "tiny" / "staging" / MODEL).exists()


# Honest predictions


def test_a_fold_is_predicted_by_what_was_trained_on_the_other_folds(made: tuple[Lab, Any], tmp_path: Path) -> None:
    lab, _ = made
    test = NetworkTest.load(folder_in_use(lab.store) / "small")
    ids = test.synapse_ids
    tiles = decode_tiles(lab.store.tiles.read_ids(ids.tolist(), ["image"]).column("image"))
    codes = np.searchsorted(test.classes, test.targets)
    groups = np.unique(test.groups, return_inverse=True)[1]
    fold = 2
    trained = train_network(
        lab.dataset.networks["small"], test.classes, lab.dataset.tile, (4.0, 4.0, 40.0),
        LabelledTiles(lambda rows: tiles[rows], codes, groups), np.flatnonzero(test.folds != fold),
        seed=0, device="cpu", folder=tmp_path,
    )  # fmt: skip
    assert not isinstance(trained, NoModel)
    features, logits = trained[0].answers(tiles, "cpu")
    held_out = test.folds == fold
    stored = test.out_of_sample["neuron_id"]
    assert stored.synapse_ids.tolist() == ids.tolist()
    assert np.allclose(stored.probabilities[held_out], softmax(logits, "again")[held_out], atol=1e-6)
    assert np.allclose(load_features(folder_in_use(lab.store) / "small", fold), features, atol=1e-2)
    neurons = planted_points().set_index("id").loc[ids.tolist(), "neuron"].to_numpy()
    assert not set(neurons[held_out]) & set(neurons[~held_out])


def test_labelled_synapses_without_a_neuron_are_predicted_by_one_that_was_trained_without_them(
    made: tuple[Lab, Any], store: DatasetStore
) -> None:
    dataset = with_networks(made[0], other={"steps": 2, "origin": "encoder"})
    splits = store.results(SPLITS).read()
    orphans = [f"s{number:03d}" for number in (0, 30, 60)]
    is_orphan = pc.and_(
        pc.is_in(splits.column("synapse_id"), pa.array(orphans)), pc.equal(splits.column("split"), "neuron_id")
    )
    store.results(SPLITS).write(splits.filter(pc.invert(is_orphan)))
    fit_networks(store, dataset, "cpu", LOG, nothing)
    models = store.models(MODEL)
    models.promote(str(models.candidate))
    assert models.provenance(str(models.current)).inputs["encoder"] == store.models("encoder").current, (
        "it begins there"
    )
    test = NetworkTest.load(folder_in_use(store) / "other")
    assert not set(orphans) & set(test.synapse_ids.tolist())
    assert len(test.every.synapse_ids) == 72
    for region in REGIONS:
        predict_networks(store, dataset, region, "cpu", LOG)
    assert predictions(store)["out_of_fold"].all()


# Nothing twice, nothing half


def test_a_network_that_is_added_leaves_the_others_as_they_are(made: tuple[Lab, Any], store: DatasetStore) -> None:
    lab = made[0]
    models = store.models(MODEL)
    before = str(models.current)
    trained: list[str] = []
    dataset = with_networks(lab, small={}, second={"steps": 2, "splits": ["random", "neuron_id"]})
    fit_networks(store, dataset, "cpu", LOG, lambda what, _: trained.append(what))
    assert {what.split(",")[0] for what in trained} == {"second"}
    assert len(trained) == 11, "five folds of two splits, and all labelled synapses"
    candidate = str(models.candidate)
    assert models.current == before
    files = [models.path(version) / "small" / NETWORK_FILE for version in (before, candidate)]
    assert files[0].read_bytes() == files[1].read_bytes()
    scores = models.provenance(candidate).scores
    assert scores["balanced_accuracy"] == max(scores["small_balanced_accuracy"], scores["second_balanced_accuracy"])

    # Not where the tiles are others now; else it is used, as one of its networks is as good as the one in use.
    other = dataset.model_copy(update={"tile": dataset.tile.model_copy(update={"size_px": 16})})
    with pytest.raises(BadInput, match="trained on tiles of another size, depth or voxel than tiny has now"):
        predict_networks(store, other, REGIONS[0], "cpu", LOG)
    decided = decide_on_candidates(store, other, "cpu", LOG, lambda *_: pytest.fail("promoted"))
    assert "trained on tiles of another size" in str(decided.details["decisions"])
    models.set_candidate(candidate)
    promoted: list[tuple[str, str]] = []
    decide_on_candidates(store, dataset, "cpu", LOG, lambda *what: promoted.append(what))
    assert (MODEL, candidate) in promoted

    # Under a random split the probe is tested anew, as it was when it was fitted.
    models.promote(candidate)
    compare_with_networks(store, dataset, LOG)
    table = store.results(CLASSIFIER_COMPARISON).read().to_pandas().set_index(["split", "classifier"])
    assert set(table.loc["random"].index) == {"linear probe", "second"}
    classifiers = store.models("synapse_classifier")
    known = classifiers.provenance(str(classifiers.current)).scores["balanced_accuracy_random"]
    assert table.loc[("random", "linear probe"), "balanced_accuracy"] == pytest.approx(known)
    cards = [(models.path(candidate) / name / "card.md").read_text() for name in ("small", "second")]
    assert ["For this network the random split claims" in card for card in cards] == [False, True]
    assert ["it overstates" in card for card in cards] == [False, True]


class KilledError(Exception):
    pass


def killed_at(number: int) -> Callable[[str, Mapping[str, float]], None]:
    def watch(what: str, numbers: Mapping[str, float]) -> None:
        if f"training {number} of" in what:
            raise KilledError

    return watch


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(made: tuple[Lab, Any], store: DatasetStore) -> None:
    lab = made[0]
    whole = folder_in_use(lab.store)
    shutil.rmtree(Path(store.data_root) / "tiny" / "models" / MODEL)
    with pytest.raises(KilledError):
        fit_networks(store, lab.dataset, "cpu", LOG, killed_at(3))
    assert store.models(MODEL).current is None
    told: list[str] = []
    fit_networks(store, lab.dataset, "cpu", LOG, lambda what, _: told.append(what))
    assert [what.split()[2] for what in told] == ["3", "4", "5", "6"], "two were finished before"
    assert folder_in_use(store).name == whole.name
    weights = [read_network(folder / "small" / NETWORK_FILE)[1] for folder in (whole, folder_in_use(store))]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    tests = [NetworkTest.load(folder / "small") for folder in (whole, folder_in_use(store))]
    assert np.array_equal(tests[0].every.probabilities, tests[1].every.probabilities)


def test_labels_that_change_during_training_begin_it_anew(made: tuple[Lab, Any], store: DatasetStore) -> None:
    dataset = with_networks(made[0], other={"steps": 2})
    with pytest.raises(KilledError):
        fit_networks(store, dataset, "cpu", LOG, killed_at(1))
    [before] = (Path(store.data_root) / "tiny" / "staging" / MODEL / "other").iterdir()
    relabel(store, dataset, lambda neuron: CLASSES[(neuron + neuron // 6) % 3])
    told: list[str] = []

    def watch(what: str, numbers: Mapping[str, float]) -> None:
        told.append(what)
        assert not before.exists()

    fit_networks(store, dataset, "cpu", LOG, watch)
    assert len(told) == 6
    test = NetworkTest.load(store.models(MODEL).path(str(store.models(MODEL).candidate)) / "other")
    first = planted_points()["neuron"].min()
    neurons = planted_points().set_index("id").loc[test.synapse_ids.tolist(), "neuron"] - first
    assert test.targets.tolist() == [CLASSES[(n + n // 6) % 3] for n in neurons]


def test_a_killed_prediction_goes_on(
    made: tuple[Lab, Any], store: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = made[0]
    before = predictions(store)
    monkeypatch.setattr("synapse_assets.pipeline.em.networks.READ_ROWS", 8)
    calls = 0

    def read(images: pa.ChunkedArray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KilledError
        return decode_tiles(images)

    with monkeypatch.context() as patched:
        patched.setattr("synapse_assets.volumes.decode_tiles", read)
        with pytest.raises(KilledError):
            predict_networks(store, lab.dataset, REGIONS[0], "cpu", LOG)
    report = predict_networks(store, lab.dataset, REGIONS[0], "cpu", LOG)
    assert (report.details["resumed_rows"], report.computed_rows, report.rows) == (16, 8, 24)
    pd.testing.assert_frame_equal(
        predictions(store).drop(columns="probabilities"), before.drop(columns="probabilities")
    )


def test_regions_are_predicted_in_the_precision_of_the_first(
    made: tuple[Lab, Any], store: DatasetStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab = made[0]
    shutil.rmtree(folder_in_use(store) / "first_use", ignore_errors=True)
    for region in REGIONS:
        store.results(NETWORK_PREDICTIONS).remove_partition(region)
    native = []
    for region, has in zip(REGIONS, (False, True, False), strict=True):
        monkeypatch.setattr(devices, "has_native_bf16", lambda device, has=has: has)
        native.append(predict_networks(store, lab.dataset, region, "cpu", LOG).details["precision"])
    assert native == ["float32 on cpu"] * 3
    assert not caplog.text
    shutil.rmtree(folder_in_use(store) / "first_use")
    predict_networks(store, lab.dataset, REGIONS[0], "cpu", LOG)
    assert "predictions are computed in float32 on cpu; earlier ones of these networks were not, or in" in caplog.text


# Few labels, other labels, other tiles


@pytest.mark.parametrize(
    ("of_neuron", "reason"),
    [(lambda _: None, "no labelled synapses with a tile"), (lambda _: "gaba", "all labelled synapses are 'gaba'")],
)
def test_without_two_classes_there_is_no_network_and_it_is_said_why(
    of_neuron: Callable[[int], str | None], reason: str, made: tuple[Lab, Any], store: DatasetStore
) -> None:
    lab = made[0]
    relabel(store, lab.dataset, of_neuron)
    kept = fit_networks(store, lab.dataset, "cpu", LOG, nothing)
    assert reason in str(kept.details["notes"])
    models = store.models(MODEL)
    decide_on_candidates(store, lab.dataset, "cpu", LOG, lambda *_: pytest.fail("a candidate without a network"))
    models.promote(str(models.candidate))
    report = predict_networks(store, lab.dataset, REGIONS[0], "cpu", LOG)
    assert (report.rows, report.details["networks"]) == (0, reason)
    compared = compare_with_networks(store, lab.dataset, LOG)
    assert (compared.rows, reason in str(compared.details["result"])) == (0, True)
    assert write_cards(store).rows == 0
    assert fit_networks(store, lab.dataset, "cpu", LOG, nothing).details["status"] == "in use"


def few(neuron: int) -> str:
    """One neuron of dopamine, three of serotonin, the others of gaba and glutamate."""
    return {0: "dopamine", 1: "serotonin", 2: "serotonin", 3: "serotonin"}.get(
        neuron, ("gaba", "glutamate")[neuron % 2]
    )


def test_classes_of_few_neurons_are_trained_without_a_promise(made: tuple[Lab, Any], store: DatasetStore) -> None:
    dataset = with_networks(made[0], other={"steps": 2})
    relabel(store, dataset, few)
    report = fit_networks(store, dataset, "cpu", LOG, nothing)
    assert "class 'dopamine' has 1 group" in str(report.details["notes"])
    folder = store.models(MODEL).path(str(store.models(MODEL).candidate)) / "other"
    card, test = NetworkCard.load(folder), NetworkTest.load(folder)
    assert card.classes["dopamine"] == [6, 1]
    assert not card.early_stopping
    dopamine = test.targets == "dopamine"
    assert (test.every.probabilities[dopamine][:, test.classes.index("dopamine")] == 0).all(), (
        "no other neuron taught it"
    )
    assert SynapseNetwork.load(folder / NETWORK_FILE).spec.classes == ("dopamine", "gaba", "glutamate", "serotonin")
    text = (folder / "card.md").read_text()
    assert "only 1 group of neuron_id trained it, so its score says nothing" in text
    assert "The class serotonin: only 3 groups" in text
    assert "fewer than 5: no early stopping" in text

    # The probe in use knows the classes of before: they are compared by name.
    decided = decide_on_candidates(store, dataset, "cpu", LOG, lambda *_: None)
    differ = "classes differ, new are ['dopamine', 'serotonin'] and gone are ['acetylcholine']"
    assert differ in str(decided.details["decisions"])
    store.models(MODEL).promote(str(store.models(MODEL).candidate))
    compare_with_networks(store, dataset, LOG)
    table = store.results(CLASSIFIER_COMPARISON).read().to_pandas().set_index("classifier")
    assert table.loc["linear probe", "balanced_accuracy"] <= 2 / 4, "dopamine and serotonin are called something else"
    assert (
        table.loc["other", "rare_classes"]
        == "dopamine (1 group), gaba (4 groups), glutamate (4 groups), serotonin (3 groups)"
    )


def test_a_network_that_cannot_start_is_refused(made: tuple[Lab, Any], store: DatasetStore, tmp_path: Path) -> None:
    absent = {"origin": "checkpoint", "checkpoint": str(tmp_path / "absent.safetensors")}
    with pytest.raises(BadInput, match=r"there is no weight file .*absent\.safetensors"):
        fit_networks(store, with_networks(made[0], other=absent), "cpu", LOG, nothing)
    encoder = {"architecture": "em_resnet10", "origin": "encoder"}
    with pytest.raises(BadInput, match="the encoder in use is test_resnet"):
        fit_networks(store, with_networks(made[0], other=encoder), "cpu", LOG, nothing)


# A network as a file


@pytest.fixture
def command(store: DatasetStore, made: tuple[Lab, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:  # type: ignore[type-arg]
    """`synapse-assets predict` for the tiny dataset, in which fields may be others."""
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", store.data_root)
    monkeypatch.setenv("SYNAPSE_LOCAL_ROOT", store.data_root)
    monkeypatch.setenv("SYNAPSE_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)

    def run(model: Path, out: str = "named.parquet", **changes: object) -> Result:
        fields = {**made[0].dataset.model_dump(mode="json", exclude={"networks"}, exclude_none=True), **changes}
        file = tmp_path / "tiny.yaml"
        file.write_text(yaml.safe_dump(fields))
        return CliRunner().invoke(app, ["predict", "--model", str(model), "--dataset", str(file), "--out", out])

    return run


def test_another_lab_names_its_synapses_with_a_network_file(
    command: Callable, store: DatasetStore, tmp_path: Path
) -> None:  # type: ignore[type-arg]
    result = command(folder_in_use(store))
    assert (result.exit_code, "72 synapses" in result.output) == (0, True), result.output
    table = pq.read_table(tmp_path / "named.parquet")
    assert table.column_names == ["synapse_id", "brain_region", "predicted", "probability", "probabilities"]
    network = SynapseNetwork.load(folder_in_use(store) / "small" / NETWORK_FILE)
    ids = table.column("synapse_id").to_pylist()
    expected = softmax(
        network.logits(decode_tiles(store.tiles.read_ids(ids, ["image"]).column("image")), "cpu"), "again"
    )
    found = np.array([[p for _, p in pairs] for pairs in table.column("probabilities").to_pylist()])
    assert np.allclose(found, expected, atol=1e-6)
    assert table.column("predicted").to_pylist() == [network.spec.classes[k] for k in expected.argmax(axis=1)]
    assert set(table.column("brain_region").to_pylist()) == set(REGIONS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tile": {"size_px": 32, "sections": 3}}, "takes tiles of 3 sections and 24 px, tiny has 3 sections and 32 px: set tile"),
        ({"tile": {"size_px": 24, "sections": 1}}, "tiny has 1 sections and 24 px"),
        ({"volumes": {"em": {"kind": "n5", "url": "/v", "voxel_size_nm": [8, 8, 40]}}}, "a pixel of 4 nm, tiny has 8 nm"),
        ({"volumes": {"em": {"kind": "n5", "url": "/v", "voxel_size_nm": [4, 4, 8]}}}, "a section of 40 nm, tiny has 8 nm"),
        ({"name": "empty"}, "empty has no tiles yet: materialise its asset 'tiles' first"),
    ],
)  # fmt: skip
def test_a_dataset_that_the_network_does_not_fit_is_told_what_to_do(
    changes: dict[str, Any],
    message: str,
    command: Callable,  # type: ignore[type-arg]
    store: DatasetStore,
    tmp_path: Path,
) -> None:
    result = command(folder_in_use(store) / "small" / NETWORK_FILE, **changes)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "named.parquet").exists()


def test_a_file_that_is_no_network_is_refused(
    command: Callable, store: DatasetStore, tiny_inputs: Path, tmp_path: Path
) -> None:  # type: ignore[type-arg]
    pickled = tmp_path / "pickled.safetensors"
    pickled.write_bytes(pickle.dumps({"a": Path("/")}))
    shutil.copytree(folder_in_use(store) / "small", tmp_path / "two" / "a")
    shutil.copytree(folder_in_use(store) / "small", tmp_path / "two" / "b")
    for model, message in (
        (tiny_inputs / "weights.safetensors", "is not a network of this program"),
        (pickled, "is damaged or no safetensors file"),
        (tmp_path / "absent", "there is no file"),
        (tiny_inputs, "there is no network.safetensors in that folder"),
        (tmp_path / "two", "holds several networks"),
    ):
        result = command(model)
        assert (result.exit_code, message in result.output) == (2, True), result.output
    result = command(folder_in_use(store), out="nowhere/named.parquet")
    assert (result.exit_code, "there is no folder nowhere" in result.output) == (2, True), result.output


# In the graph and in a release


def test_trained_networks_are_up_to_date_and_follow_their_tiles_and_labels(made: tuple[Lab, Any]) -> None:
    lab, _ = made
    graph = lab.definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(lab.instance, graph, LoadingContextForTest(lab.instance))
    for name, part in ((MODEL, None), ("network_predictions", "EB"), ("classifier_comparison", None)):
        assert resolver.get_status(dg.AssetKey(["tiny", name]), part) == StaleStatus.FRESH, name
    parents = {key.path[-1] for key in graph.get(dg.AssetKey(["tiny", MODEL])).parent_keys}
    assert parents == {"splits", "tiles"}, "the encoder does not count where no network starts from it"
    assert MODEL in {key.path[-1] for key in graph.get(dg.AssetKey(["tiny", "promotions"])).parent_keys}
    pool = lab.definitions.resolve_assets_def(dg.AssetKey(["tiny", MODEL])).op.pool
    assert pool == "fit", "one training at a time, of whatever dataset"


def test_a_dataset_without_networks_knows_none(tiny_inputs: Path) -> None:
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    assert EM.models_of(dataset) == ("encoder", "umap_model", "cluster_model", "synapse_classifier")
    assert not {facts.name for facts in EM.assets_of(dataset)} & {MODEL, "network_predictions", "network_cards"}


def test_a_release_has_what_networks_in_use_say_and_nothing_of_others(
    made: tuple[Lab, Any], store: DatasetStore
) -> None:
    dataset = made[0].dataset
    tables = ("network_predictions", "classifier_comparison", "network_cards")
    build_release(store, dataset, "")
    release = store.release()
    assert release is not None
    assert [release["tables"][name]["rows"] for name in tables] == [72, 3, 1]
    assert release["models"][MODEL] == store.models(MODEL).current
    results = store.results(NETWORK_PREDICTIONS)
    for region in REGIONS:
        rows = results.read(region)
        older = pa.array(["older"] * rows.num_rows, pa.string())
        results.write_partition(region, rows.set_column(rows.column_names.index(MODEL), MODEL, older))
    report = build_release(store, dataset, "")
    release = store.release()
    assert release is not None
    assert [name in release["tables"] for name in tables] == [False, True, True]
    assert [check.name for check in report.checks] == ["every_synapse_everywhere"]


def test_a_training_that_diverges_is_told_and_stores_nothing(made: tuple[Lab, Any], store: DatasetStore) -> None:
    dataset = with_networks(made[0], other={"learning_rate": 1e18})
    told = r"other; .* the loss was not a number after 1 steps, at synapses s.*: its outputs are no finite numbers: .* lower"
    with pytest.raises(BadInput, match=told):
        fit_networks(store, dataset, "cpu", LOG, nothing)
    assert store.models(MODEL).candidate is None


def test_a_network_is_tried_on_another_dataset(made: tuple[Lab, Any], store: DatasetStore, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "data" / "tiny", tmp_path / "data" / "other")
    other = DatasetStore(str(tmp_path / "data"), "other")

    def tried(voxel_size_nm: tuple[float, float, float]) -> dict[str, dict[str, Any]]:
        source = {"other": {"voxel_size_nm": voxel_size_nm}}
        dataset = EmDataset.model_validate({**made[0].dataset.model_dump(), "transfer_from": source})
        try_others(store, dataset, {"other": other}, "cpu", LOG)
        rows = store.results(TRANSFER).read().to_pylist()
        return {row["model"]: row for row in rows if row["class_name"] is None}

    rows = tried(VOXEL_SIZE_NM)
    assert set(rows) == {"linear probe", "small"}
    # It was trained on these very synapses, so it does here what it does in training; at home its score is out of fold.
    labels = {row["synapse_id"]: row["target"] for row in store.results(SYNAPSE_LABELS).read().to_pylist()}
    tiles = store.tiles.read_ids(sorted(labels), ["synapse_id", "image"])
    logits = SynapseNetwork.load(folder_in_use(other) / "small" / NETWORK_FILE).logits(
        decode_tiles(tiles.column("image"))
    )
    right = np.array(sorted(CLASSES))[logits.argmax(1)] == [labels[i] for i in tiles.column("synapse_id").to_pylist()]
    assert rows["small"]["value"] == pytest.approx(right.mean())
    held_out = predictions(store)
    assert rows["small"]["home"] == pytest.approx((held_out["predicted"] == held_out["synapse_id"].map(labels)).mean())
    assert rows["small"]["own"] == rows["linear probe"]["own"], "both are held against the own probe"
    assert rows["small"]["from_classifier"] == other.models(MODEL).current
    with pytest.raises(BadInput, match="its network small was fitted at 4 nm a pixel, not at 8 nm"):
        tried((8, 8, 40))
    with pytest.raises(BadInput, match="its network small was fitted at 40 nm a section, not at 8 nm"):
        tried((4, 4, 8))


def test_random_places_are_one_class_more(store: DatasetStore, made: tuple[Lab, Any]) -> None:
    dataset = with_networks(made[0], small={}, wary={"background_places": 15})
    fit_networks(store, dataset, "cpu", LOG, nothing)
    folder = store.models(MODEL).path(str(store.models(MODEL).candidate or store.models(MODEL).current))
    classes = tuple(sorted([*CLASSES, "not a synapse"]))
    assert SynapseNetwork.load(folder / "wary" / NETWORK_FILE).spec.classes == classes
    assert SynapseNetwork.load(folder / "small" / NETWORK_FILE).spec.classes == tuple(sorted(CLASSES))
    test = NetworkTest.load(folder / "wary")
    assert (test.targets == "not a synapse").sum() == 15
    # Each place is tested by a network that did not learn it, in folds of much the same size.
    assert sorted(np.bincount(test.folds[test.targets == "not a synapse"])) == [3, 3, 3, 3, 3]
    assert NetworkCard.load(folder / "wary").classes["not a synapse"] == [15, 15]
    store.models(MODEL).promote(folder.name)
    for region in REGIONS:
        predict_networks(store, dataset, region, "cpu", LOG)
    rows = predictions(store)
    assert len(rows) == 2 * 72, "places are no synapses"
    assert {tuple(name for name, _ in pairs) for pairs in rows[rows["network"] == "wary"]["probabilities"]} == {classes}
    compare_with_networks(store, dataset, LOG)
    compared = store.results(CLASSIFIER_COMPARISON).read().to_pylist()
    assert {row["classifier"]: row["synapses"] for row in compared if row["split"] == "neuron_id"}["wary"] == 72


def test_places_lie_away_from_synapses_and_whole_in_the_volume(store: DatasetStore, made: tuple[Lab, Any]) -> None:
    dataset = made[0].dataset
    drawn, again = (draw_background(store, dataset, 30) for _ in range(2))
    np.testing.assert_array_equal(drawn.tiles, again.tiles)
    assert drawn.tiles.shape == (30, 3, 24, 24)
    assert len(set(drawn.ids)) == 30
    assert set(drawn.regions) <= set(REGIONS)
    # Where each was cut, found again in the volume.
    names = sorted(Path(dataset.volumes["em"].url).glob("*.png"))
    volume = np.stack([np.array(Image.open(name)) for name in names])
    synapses = store.synapses.read(None, ["x_nm", "y_nm", "z_nm"]).to_pandas().to_numpy()
    for tile in drawn.tiles[:10]:
        windows = np.lib.stride_tricks.sliding_window_view(volume, (3, 24, 24))
        same = (windows[..., 0, 0, :8] == tile[0, 0, :8]).all(-1) & (windows[..., 2, 23, :8] == tile[2, 23, :8]).all(-1)
        z, y, x = (places[0] for places in np.nonzero(same))
        np.testing.assert_array_equal(volume[z : z + 3, y : y + 24, x : x + 24], tile)
        # Anywhere in the voxel of the middle: give or take one voxel.
        place_nm = (np.array([x + 12, y + 12, z + 1]) + 0.5) * VOXEL_SIZE_NM
        apart_nm = np.linalg.norm(synapses - place_nm, axis=1).min()
        assert apart_nm > 48 - np.linalg.norm(np.array(VOXEL_SIZE_NM) / 2)
    with pytest.raises(BadInput, match=r"places were found that lie 48 nm .* set a lower background_places"):
        draw_background(store, with_deep_tiles(dataset), 10)


def with_deep_tiles(dataset: EmDataset) -> EmDataset:
    """Tiles deeper than the volume, so that none is whole."""
    return EmDataset.model_validate({**dataset.model_dump(), "tile": {"size_px": 24, "sections": 11}})


def test_background_cannot_be_asked_for_where_it_means_nothing(store: DatasetStore, made: tuple[Lab, Any]) -> None:
    networks = {"wary": {**SMALL, "background_places": 5}}
    with pytest.raises(ValueError, match="name a network without background_places"):
        EmDataset.model_validate({**made[0].dataset.model_dump(), "networks": networks, "answers_from": "wary"})
    relabel(store, made[0].dataset, lambda neuron: ["not a synapse", "gaba"][neuron % 2])
    with pytest.raises(BadInput, match="leave out background_places, or give that class another name"):
        fit_networks(store, with_networks(made[0], wary={"background_places": 5}), "cpu", LOG, nothing)


def test_a_network_is_judged_by_one_that_is_trained_again_without_the_pictures(
    store: DatasetStore, made: tuple[Lab, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, version = made[0].dataset, store.models(MODEL).current
    seen: list[list[int]] = []

    def watched(*args: Any, **options: Any) -> Any:
        seen.append([*args[5].tolist(), options["seed"]])
        return train_network(*args, **options)

    monkeypatch.setattr("synapse_assets.vision.training.supervised.train_network", watched)
    with few_pictures():
        check_explanations(store, dataset, "cpu", LOG)
    checks = store.results(EXPLANATION_CHECKS).read()
    of_network = checks.filter(pc.equal(checks.column("classifier"), "small"))
    assert set(of_network.column("version").to_pylist()) == {version}
    assert {"grad_cam", "occlusion", "gradients"} <= set(of_network.column("method").to_pylist())
    assert set(checks.column("classifier").to_pylist()) == {"linear_probe", "small"}
    [[*rows, seed]] = seen
    assert seed == dataset.seed + 1
    pictures = max(of_network.column("pictures").to_pylist())
    assert 8 <= pictures <= 72 - len(rows), "none of the pictures was trained on"
    for region in REGIONS:
        predict_region(store, region)
    report = explain_region(store, dataset, "EB", "cpu", LOG)
    maps = store.results(EXPLANATIONS).read("EB").to_pylist()
    assert {row["classifier"] for row in maps} == {"linear_probe", "small"}
    assert {row["version"] for row in maps if row["classifier"] == "small"} == {version}
    named = predictions(store).set_index("synapse_id")["predicted"]
    assert all(row["class_name"] == named[row["synapse_id"]] for row in maps if row["classifier"] == "small")
    assert report.rows == len(maps) <= 24
    with pytest.raises(BadInput, match="no longer names the network 'gone'"):
        train_without(store, dataset, "gone", [], 1, tmp_path / "work", "cpu", LOG)
