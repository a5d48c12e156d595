"""Networks trained with labels: what they learn, which rows they see, what they start from, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import NetworkChoice, TileSpec
from synapse_assets.errors import BadInput
from synapse_assets.vision.classifier import SynapseNetwork
from synapse_assets.vision.encoder import Encoder
from synapse_assets.vision.training.simclr import PretrainingSettings, untrained_encoder
from synapse_assets.vision.training.supervised import ClassBalancedRows, LabelledTiles, Training, train_network
from synapse_assets_tests.vision.conftest import CROP, SECTIONS, SIDE, planted_tiles

CLASSES = ("fine", "coarse", "blotched")
TILE = TileSpec(size_px=SIDE, sections=SECTIONS)
VOXEL_NM = (4.0, 4.0, 40.0)
CHOICE = NetworkChoice(architecture="em_resnet10", crop_nm=CROP * 4.0, steps=60, batch_size=20, learning_rate=2e-3)
TILES, KINDS = planted_tiles(480, seed=4)
GROUPS = np.arange(480) // 12
TRAIN = np.flatnonzero(GROUPS < 30)
TEST = np.flatnonzero(GROUPS >= 30)
DATA = LabelledTiles(lambda rows: TILES[rows], KINDS, GROUPS)
BRIEF = CHOICE.model_copy(update={"steps": 2})


def trained(folder: Path, choice: NetworkChoice = BRIEF, **options) -> tuple[SynapseNetwork, Training]:
    arguments = {"classes": CLASSES, "tile": TILE, "voxel_size_nm": VOXEL_NM, "data": DATA, "train": TRAIN}
    arguments |= {"seed": 3, "device": "cpu", "folder": folder} | options
    torch.set_num_threads(1)
    return train_network(choice, **arguments)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[SynapseNetwork, Training, set[int]]:
    """A trained network, how its training went, and every row that was read for it."""
    seen: set[int] = set()

    def read(rows: np.ndarray) -> np.ndarray:
        seen.update(rows.tolist())
        return TILES[rows]

    return *trained(tmp_path_factory.mktemp("learnt"), CHOICE, data=replace(DATA, tiles=read)), seen


def test_it_learns_what_was_planted(learnt: tuple[SynapseNetwork, Training, set[int]]) -> None:
    network, training, _ = learnt
    right = network.logits(TILES[TEST]).argmax(1) == KINDS[TEST]
    assert right.mean() > 0.6
    assert training.score == max(row["validation"] for row in training.history if "validation" in row)
    assert network.spec.source == "random weights; trained on 288 tiles of 24 groups, seed 3"


def test_it_sees_no_row_but_those_to_train_on_and_validates_on_whole_groups(
    learnt: tuple[SynapseNetwork, Training, set[int]],
) -> None:
    _, training, seen = learnt
    assert seen <= set(TRAIN.tolist())
    assert not seen & set(TEST.tolist())
    assert training.early_stopping
    held = set(GROUPS[training.validation].tolist())
    assert len(held) == 6  # a fifth of 30
    assert set(np.flatnonzero(np.isin(GROUPS, list(held))).tolist()) == set(training.validation.tolist())
    assert set(KINDS[training.validation]) == {0, 1, 2}


def test_validation_rows_are_not_trained_on(tmp_path: Path) -> None:
    asked: list[np.ndarray] = []
    data = replace(DATA, tiles=lambda rows: asked.append(rows) or TILES[rows])
    _, training = trained(tmp_path, data=data)
    batches = [rows for rows in asked if len(rows) == BRIEF.batch_size]
    assert len(batches) >= 2
    assert not any(np.isin(rows, training.validation).any() for rows in batches)


def test_draws_are_balanced_between_classes_and_even_within() -> None:
    codes = np.repeat([0, 1, 2], [30, 6, 3])
    rows = np.arange(39)
    draw = ClassBalancedRows(codes, rows, batch_size=16, seed=1)
    drawn = np.array([draw(step) for step in range(600)])
    counts = np.array([np.bincount(codes[batch], minlength=3) for batch in drawn])
    assert counts.min() == 5
    assert counts.max() == 6
    assert counts.mean(0) == pytest.approx(np.full(3, 16 / 3), abs=0.1)
    times = np.bincount(drawn.ravel(), minlength=39)
    for code, expected in enumerate(3200 / np.array([30, 6, 3])):
        assert np.abs(times[codes == code] - expected).max() < 5 * np.sqrt(expected)
    again = ClassBalancedRows(codes, rows, batch_size=16, seed=1)
    assert np.array_equal(again(77), drawn[77])
    assert not np.array_equal(ClassBalancedRows(codes, rows, 16, seed=2)(77), drawn[77])
    assert set(ClassBalancedRows(codes, rows[::2], 16, seed=1)(0)) <= set(rows[::2].tolist())


def test_a_class_of_few_groups_gets_all_steps_in_place_of_early_stopping(tmp_path: Path) -> None:
    kinds = np.where((KINDS == 2) & (GROUPS >= 4), 0, KINDS)
    network, training = trained(tmp_path, data=replace(DATA, codes=kinds))
    assert not training.early_stopping
    assert training.remark == "'blotched' has only 4 groups, fewer than 5: no early stopping"
    assert (training.steps, training.stopped, training.score, len(training.validation)) == (2, "steps", None, 0)
    assert network.spec.classes == CLASSES


def test_one_class_is_no_model(tmp_path: Path) -> None:
    only = trained(tmp_path, data=replace(DATA, codes=np.ones_like(KINDS)))
    assert only == NoModel(
        "a network needs synapses of at least two classes to tell apart; of those to train on there is only 'coarse'"
    )
    assert isinstance(trained(tmp_path, train=TRAIN[:0]), NoModel)


def test_other_labels_are_another_training(tmp_path: Path) -> None:
    """Two synapses of a group change their labels, so the groups set aside stay the same."""
    told: list[str] = []
    _, before = trained(tmp_path)
    kinds = KINDS.copy()
    group = next(group for group in range(30) if not np.isin(np.flatnonzero(group == GROUPS), before.validation).any())
    first = np.flatnonzero(group == GROUPS)[0]
    second = next(row for row in np.flatnonzero(group == GROUPS) if KINDS[row] != KINDS[first])
    kinds[[first, second]] = kinds[[second, first]]
    _, after = trained(tmp_path, data=replace(DATA, codes=kinds), log=told.append)
    assert np.array_equal(before.validation, after.validation)
    assert "is of another training: removed" in told[0]


def test_a_loss_without_number_names_the_tiles(tmp_path: Path) -> None:
    network, training = trained(tmp_path, BRIEF.model_copy(update={"learning_rate": 1e30, "steps": 30}))
    assert training.stopped.startswith(f"not a number at step {training.steps + 1}, tiles {training.bad_rows[0]}, ")
    assert len(training.bad_rows) == BRIEF.batch_size
    assert not np.isin(training.bad_rows, TEST).any()
    assert network.spec.classes == CLASSES


def test_three_layers_and_volumes(tmp_path: Path) -> None:
    options = {"architecture": "vgg_3d", "head": "three_layers", "crop_nm": 64}
    network, _ = trained(tmp_path, BRIEF.model_copy(update=options))
    assert [tuple(p.shape) for n, p in network.network.named_parameters() if n.startswith("head") and p.ndim == 2] == [
        (2048, 96),
        (2048, 2048),
        (3, 2048),
    ]
    assert network.logits(TILES[:5], device="cpu").shape == (5, 3)


# --- what it starts from


def untouched(folder: Path, **options) -> SynapseNetwork:
    """A network after a step that changed next to nothing."""
    choice = CHOICE.model_copy(update={"steps": 1, "learning_rate": 1e-12} | options.pop("choice"))
    return trained(folder, choice, **options)[0]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return untrained_encoder(TILES, PretrainingSettings(architecture="em_resnet10", crop_px=CROP, seed=77))


def test_from_the_encoder_in_use(tmp_path: Path, encoder: Encoder) -> None:
    network = untouched(tmp_path, choice={"origin": "encoder"}, encoder=encoder)
    for name, parameter in encoder.network.backbone.named_parameters():
        torch.testing.assert_close(network.network.backbone.get_parameter(name), parameter, rtol=0, atol=1e-6)
    assert (network.spec.origin, network.spec.mean) == ("encoder", encoder.spec.mean)


def test_from_a_checkpoint_of_weights_or_of_a_whole_network(tmp_path: Path, encoder: Encoder) -> None:
    encoder.save(tmp_path / "encoder")
    file = tmp_path / "encoder" / "weights.safetensors"
    network = untouched(tmp_path / "1", choice={"origin": "checkpoint", "checkpoint": str(file)})
    network.save(tmp_path / "network.safetensors")
    whole = {"origin": "checkpoint", "checkpoint": str(tmp_path / "network.safetensors")}
    second = untouched(tmp_path / "2", choice=whole, seed=8)
    for name, parameter in encoder.network.backbone.named_parameters():
        for started in (network, second):
            torch.testing.assert_close(started.network.backbone.get_parameter(name), parameter, rtol=0, atol=1e-6)
    assert second.spec.source.startswith("network.safetensors; ")
    with pytest.raises(BadInput, match=r"network.safetensors was trained on another input: crop_px is 24, here 20"):
        untouched(tmp_path / "3", choice=whole | {"crop_nm": 80})
    with pytest.raises(BadInput, match=r"another input: pixel_nm is 4.0, here 8.0"):
        untouched(tmp_path / "3", choice=whole | {"crop_nm": CROP * 8}, voxel_size_nm=(8, 8, 40))
    with pytest.raises(BadInput, match="another input: architecture is em_resnet10, here em_resnet18"):
        untouched(tmp_path / "3", choice=whole | {"architecture": "em_resnet18"})
    with pytest.raises(BadInput, match="does not hold weights of the architecture 'em_resnet18'"):
        untouched(
            tmp_path / "3",
            choice={"origin": "checkpoint", "checkpoint": str(file), "architecture": "em_resnet18"},
        )


def test_what_cannot_be_started_from_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    with pytest.raises(
        BadInput, match="the encoder in use is em_resnet10 that sees 3 sections at once, not em_resnet18"
    ):
        untouched(tmp_path, choice={"origin": "encoder", "architecture": "em_resnet18"}, encoder=encoder)
    with pytest.raises(BadInput, match="the encoder in use has no network"):
        untouched(tmp_path, choice={"origin": "encoder"})
    with pytest.raises(BadInput, match="there is no weight file"):
        untouched(tmp_path, choice={"origin": "checkpoint", "checkpoint": "/nowhere/weights.safetensors"})
    with pytest.raises(BadInput, match="timm has no published weights for 'em_resnet10'"):
        untouched(tmp_path, choice={"origin": "hub"})
    with pytest.raises(BadInput, match="knows no architecture 'resnet_of_doom'"):
        untouched(tmp_path, choice={"architecture": "resnet_of_doom"})


# --- what does not fit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"choice": BRIEF.model_copy(update={"crop_nm": 200})},
            r"crop of 50 px \(200 nm\) does not fit tiles of 48 px \(192 nm\)",
        ),
        ({"tile": TileSpec(size_px=SIDE, sections=5)}, r"as the dataset says, not uint8 \(\d+, 3, 48, 48\)"),
        ({"data": replace(DATA, codes=KINDS + 1)}, "has class 3, but there are 3 class names"),
        ({"data": replace(DATA, codes=KINDS - 1)}, "has class -1, but there are 3 class names"),
        ({"data": replace(DATA, groups=GROUPS[:-1])}, "480 codes came with 479 groups"),
        ({"train": np.array([0, 480])}, "different numbers from 0 to 479"),
        ({"train": np.array([0, 1, 1])}, "different numbers from 0 to 479"),
        ({"classes": ("one", "one", "two")}, "at least two different names"),
    ],
)
def test_bad_input(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        trained(tmp_path, **options)
