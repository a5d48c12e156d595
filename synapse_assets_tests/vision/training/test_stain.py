"""Networks of windows trained with labels: what they learn, which windows they see, what they start from, and what is refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.staining import StainNetworkChoice
from synapse_assets.errors import BadInput
from synapse_assets.vision.networks.stain import build_body
from synapse_assets.vision.staining import StainNetwork, StainSpec, WindowNetwork, picture_probabilities
from synapse_assets.vision.training import loop
from synapse_assets.vision.training.labelled import Training
from synapse_assets.vision.training.stain import KeptPictures, Windows, train_stain_network
from synapse_assets_tests.vision.training.small import SETTINGS, small, task_of

CLASSES = ("control", "treated")
WINDOW, PIXEL_NM, WHITE = 32, 325.0, 4095
CHOICE = StainNetworkChoice(architecture="small_stain", head="linear", steps=36, batch_size=8, learning_rate=3e-3)
BRIEF = CHOICE.model_copy(update={"steps": 2, "batch_size": 4})
CODES = np.arange(40) % 2
GROUPS = np.arange(40) // 4
TRAIN = np.flatnonzero(GROUPS < 8)
TEST = np.flatnonzero(GROUPS >= 8)


def picture(code: int, seed: int) -> np.ndarray:
    """uint16 (1, 70, 83): as much light in both classes, in blots or in beads."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(800, 60, (70, 83))
    rows, columns = np.mgrid[:70, :83]
    width, height = ((6.0, 900.0), (2.0, 8100.0))[code]
    for y, x in zip(rng.uniform(0, 70, 5), rng.uniform(0, 83, 5), strict=True):
        pixels += height / 3 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))
    return pixels.clip(0, 4500).astype(np.uint16)[None]


PICTURES = [picture(code, seed) for seed, code in enumerate(CODES)]


def trained(folder: Path, choice: StainNetworkChoice = BRIEF, **options) -> tuple[StainNetwork, Training]:
    arguments = {"classes": CLASSES, "window_px": WINDOW, "pixel_nm": PIXEL_NM, "white_level": WHITE}
    arguments |= {"pictures": PICTURES.__getitem__, "codes": CODES, "groups": GROUPS, "train": TRAIN}
    arguments |= {"seed": 3, "device": "cpu", "folder": folder} | options
    torch.set_num_threads(1)
    return train_stain_network(choice, **arguments)


def weights(network: StainNetwork) -> dict[str, torch.Tensor]:
    return network.network.state_dict()


def equal(one: StainNetwork, other: StainNetwork) -> bool:
    return all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[StainNetwork, Training, set[int]]:
    """A trained network, how its training went, and every picture that was read for it."""
    seen: set[int] = set()
    return *trained(
        tmp_path_factory.mktemp("learnt"), CHOICE, pictures=lambda row: seen.add(row) or PICTURES[row]
    ), seen


def test_it_learns_what_was_planted(learnt: tuple[StainNetwork, Training, set[int]]) -> None:
    network, training, _ = learnt
    answers = [picture_probabilities(network.dense(PICTURES[row], "cpu")).argmax() for row in TEST]
    assert np.mean(answers == CODES[TEST]) >= 7 / 8
    assert training.score == max(row["validation"] for row in training.history if "validation" in row)
    spec = network.spec
    assert (spec.window_px, spec.halo_px, spec.pixel_nm, spec.white_level) == (WINDOW, 32, PIXEL_NM, WHITE)
    assert (spec.classes, spec.channels) == (CLASSES, 1)
    assert spec.source == "random weights; trained on 24 pictures of 6 groups, seed 3"
    values = np.stack([np.minimum(PICTURES[row] / WHITE, 1) for row in np.setdiff1d(TRAIN, training.validation)])
    assert (spec.mean[0], spec.std[0]) == pytest.approx((values.mean(), values.std()))


def test_it_sees_no_picture_but_those_to_train_on_and_validates_on_whole_groups(
    learnt: tuple[StainNetwork, Training, set[int]],
) -> None:
    _, training, seen = learnt
    assert seen == set(TRAIN.tolist())
    assert training.early_stopping
    held = set(GROUPS[training.validation].tolist())
    assert len(held) == 2  # of 8
    assert set(np.flatnonzero(np.isin(GROUPS, list(held))).tolist()) == set(training.validation.tolist())


class KilledError(Exception):
    """The end of a process, as far as a training can tell."""


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    choice = CHOICE.model_copy(update={"steps": 6})
    told: list[str] = []
    undisturbed, training = trained(tmp_path / "undisturbed", choice)

    def kill(row: dict[str, float]) -> None:
        if row["step"] == 4:
            raise KilledError

    with pytest.raises(KilledError):
        trained(tmp_path / "killed", choice, progress=kill)
    resumed, after = trained(tmp_path / "killed", choice, log=told.append)
    assert told[0].startswith("training: goes on from step 3 of 6")
    assert equal(undisturbed, resumed)
    assert [row["loss"] for row in after.history] == [row["loss"] for row in training.history]
    other, _ = trained(tmp_path / "other", choice, seed=4)
    assert not equal(undisturbed, other)


def test_a_later_learning_rate_is_for_what_follows_the_frozen_steps() -> None:
    settings = loop.Settings(steps=100, frozen_steps=40, warm_up_steps=1, later_learning_rate=1e-5)
    same = replace(settings, later_learning_rate=None)
    assert settings.rate(39) == same.rate(39)
    assert settings.rate(40) == pytest.approx(same.rate(40) / 100)


def test_without_one_checkpoints_of_before_stay_valid(tmp_path: Path) -> None:
    """The settings of the loop were these ten fields."""
    loop.train(network := small(), task_of(network), replace(SETTINGS, steps=8), folder=tmp_path, fingerprint="small")
    fields = {
        "steps": 8,
        "learning_rate": 3e-3,
        "seed": 5,
        "frozen_steps": 6,
        "warm_up_steps": 4,
        "weight_decay": 0.05,
        "averaging": 0.99,
        "validate_every": 4,
        "patience": 50,
    }
    named = hashlib.sha256(json.dumps([1, [1, "small", fields]], sort_keys=True).encode()).hexdigest()[:16]
    with safe_open(tmp_path / "checkpoint.safetensors", framework="pt") as stored:
        assert stored.metadata()["training"] == named


# --- which windows are seen


PLACES = np.arange(60 * 70, dtype=np.uint16).reshape(1, 60, 70)  # each pixel says where it is
SPEC = StainSpec("small_stain", CLASSES, 1, WINDOW, 32, PIXEL_NM, WHITE, (0.5,), (0.2,))


def corner_of(window: np.ndarray) -> tuple[int, int]:
    """Of a window with its halo, whichever way it was turned."""
    return divmod(int(window[0, 32:-32, 32:-32].min()), 70)


def test_windows_lie_anywhere_in_the_picture_and_are_seen_all_ways_round() -> None:
    windows = Windows(KeptPictures(lambda row: PLACES, WINDOW), SPEC, None)
    rng = np.random.default_rng(0)
    views = [windows.view(0, rng) for _ in range(1500)]
    corners = np.array([corner_of(view) for view in views])
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == ([0, 0], [28, 38])
    assert {view.shape for view in views} == {(1, 96, 96)}
    padded = np.pad(PLACES[0], 32, mode="reflect")
    ways = []
    for view, (y, x) in zip(views, corners, strict=True):
        upright = padded[y : y + 96, x : x + 96]
        all_ways = [np.rot90(one, turns) for one in (upright, upright.T) for turns in range(4)]
        ways.append([np.array_equal(view[0], way) for way in all_ways].index(True))
    assert np.bincount(ways, minlength=8).min() > 120  # of 187 each
    assert np.abs(corners.mean(0) - [14, 19]).max() < 1.5


def test_only_allowed_windows_are_seen() -> None:
    allowed = np.array([[0, 0], [5, 38], [28, 7]])
    windows = Windows(KeptPictures(lambda row: PLACES, WINDOW), SPEC, lambda row: allowed)
    rng = np.random.default_rng(0)
    assert {corner_of(windows.view(0, rng)) for _ in range(60)} == {(0, 0), (5, 38), (28, 7)}
    assert sorted(corner_of(window) for window in windows.drawn(0, 9, rng)) == [(0, 0), (5, 38), (28, 7)]


@pytest.mark.parametrize("corners", [[[0, 39]], [[-1, 0]], [], [0, 0]])
def test_allowed_windows_that_do_not_fit_are_refused(corners: list) -> None:
    windows = Windows(KeptPictures(lambda row: PLACES, WINDOW), SPEC, lambda row: np.array(corners, np.int64))
    with pytest.raises(BadInput, match=r"allowed windows of picture 7 must be .* from 0 to \[28, 38\]"):
        windows.view(7, np.random.default_rng(0))


def test_other_allowed_windows_are_another_training(tmp_path: Path) -> None:
    told: list[str] = []
    one, _ = trained(tmp_path, allowed=lambda row: np.array([[0, 0], [16, 16]]))
    again, _ = trained(tmp_path, allowed=lambda row: np.array([[0, 0], [16, 16]]), log=told.append)
    assert equal(one, again)
    other, _ = trained(tmp_path, allowed=lambda row: np.array([[0, 0], [16, 32]]), log=told.append)
    assert not equal(one, other)
    assert [line for line in told if "is of another training: removed" in line]


def test_pictures_are_kept_up_to_a_bound() -> None:
    asked: list[int] = []
    kept = KeptPictures(lambda row: asked.append(row) or PLACES, WINDOW, most_bytes=2 * PLACES.nbytes)
    for row in (1, 2, 1, 3, 1, 2):
        kept(row)
    assert asked == [1, 2, 3, 2]  # 2 made room for 3, as 1 had been asked for since


# --- what it starts from


def untouched(folder: Path, **options) -> StainNetwork:
    """A network after a step that changed next to nothing."""
    choice = BRIEF.model_copy(update={"steps": 1, "learning_rate": 1e-12} | options.pop("choice"))
    return trained(folder, choice, **options)[0]


def body_of(network: StainNetwork) -> dict[str, torch.Tensor]:
    return dict(network.network.body.named_parameters())


def test_from_a_network_that_was_trained_before(
    tmp_path: Path, learnt: tuple[StainNetwork, Training, set[int]]
) -> None:
    before = learnt[0]
    before.save(tmp_path / "stain.safetensors")
    choice = {"origin": "checkpoint", "checkpoint": str(tmp_path / "stain.safetensors")}
    dark = [one // 2 for one in PICTURES]
    network = untouched(tmp_path / "1", choice=choice, pictures=dark.__getitem__)
    for name, parameter in body_of(before).items():
        torch.testing.assert_close(body_of(network)[name], parameter, rtol=0, atol=1e-6)
    assert (network.spec.mean, network.spec.std) == (before.spec.mean, before.spec.std)
    assert network.spec.source.startswith("stain.safetensors; ")
    with pytest.raises(BadInput, match=r"stain.safetensors was trained on another input: pixel_nm is 325.0, here 650"):
        untouched(tmp_path / "2", choice=choice, pixel_nm=650.0)
    with pytest.raises(BadInput, match="another input: architecture is small_stain, here resnet18"):
        untouched(tmp_path / "2", choice=choice | {"architecture": "resnet18"})


def test_from_weights_for_colour(tmp_path: Path) -> None:
    """The first convolution has the sum over colours; the normalisation is that of the published weights."""
    whole = timm.create_model("resnet18", num_classes=5)
    save_file({name: tensor.contiguous() for name, tensor in whole.state_dict().items()}, tmp_path / "w.safetensors")
    choice = {"architecture": "resnet18", "origin": "checkpoint", "checkpoint": str(tmp_path / "w.safetensors")}
    network = untouched(tmp_path, choice=choice)
    started = network.network.body.layers.conv1.weight
    torch.testing.assert_close(started, whole.conv1.weight.sum(1, keepdim=True), rtol=0, atol=1e-6)
    assert network.spec.mean == pytest.approx((np.mean([0.485, 0.456, 0.406]),))
    with pytest.raises(BadInput, match=r"w.safetensors does not hold weights of the architecture 'resnet34'"):
        untouched(tmp_path, choice=choice | {"architecture": "resnet34"})


def test_frozen_weights_stay_and_then_follow_the_later_rate(
    tmp_path: Path, learnt: tuple[StainNetwork, Training, set[int]]
) -> None:
    learnt[0].save(tmp_path / "stain.safetensors")
    choice = BRIEF.model_copy(
        update={
            "origin": "checkpoint",
            "checkpoint": str(tmp_path / "stain.safetensors"),
            "steps": 4,
            "frozen_steps": 2,
            "later_learning_rate": 1e-12,
            "learning_rate": 0.1,
        }
    )
    network, _ = trained(tmp_path, choice, groups=np.zeros(40, np.int64))  # the weights of the last step
    for name, parameter in body_of(learnt[0]).items():
        torch.testing.assert_close(body_of(network)[name], parameter, rtol=0, atol=1e-6)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        head = WindowNetwork(network.spec, build_body("small_stain", 1)).head.weight
    assert (network.network.head.weight - head).abs().max() > 1e-3


def test_what_cannot_be_started_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="timm has no published weights for 'small_stain'"):
        untouched(tmp_path, choice={"origin": "hub"})
    with pytest.raises(BadInput, match="there is no weight file"):
        untouched(tmp_path, choice={"origin": "checkpoint", "checkpoint": "/nowhere/weights.safetensors"})
    with pytest.raises(BadInput, match="'seresnet18' gives no features 16 px apart"):
        untouched(tmp_path, choice={"architecture": "seresnet18"})


def test_vgg19_takes_steps(tmp_path: Path) -> None:
    """As wide and deep as the study had it."""
    choice = StainNetworkChoice(architecture="vgg19", steps=1, batch_size=2, learning_rate=1e-4)
    network, training = trained(tmp_path, choice, train=TRAIN[:4])
    assert (network.spec.halo_px, training.steps) == (128, 1)
    of_colour = 2 * 9 * 64  # weights of two more channels
    assert sum(p.numel() for p in network.network.parameters()) + of_colour == pytest.approx(25.27e6, rel=1e-3)


# --- what does not fit


def test_one_class_is_no_model(tmp_path: Path) -> None:
    assert trained(tmp_path, codes=np.ones_like(CODES)) == NoModel(
        "a network needs pictures of at least two classes to tell apart; of those to train on there is only 'treated'"
    )
    assert isinstance(trained(tmp_path, train=TRAIN[:0]), NoModel)


def test_a_loss_without_number_names_the_pictures(tmp_path: Path) -> None:
    _, training = trained(tmp_path, BRIEF.model_copy(update={"learning_rate": 1e30, "steps": 30}))
    assert training.stopped.startswith(f"not a number at step {training.steps + 1}, pictures {training.bad_rows[0]}, ")


def with_one(other: np.ndarray) -> list[np.ndarray]:
    return [*PICTURES[:5], other, *PICTURES[6:]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pictures": with_one(PICTURES[5][:, :31]).__getitem__}, "picture 5 of 31 x 83 px is smaller than a window"),
        ({"pictures": with_one(PICTURES[5].repeat(2, 0)).__getitem__}, "picture 5 has 2 channels, and the network"),
        ({"pictures": with_one(PICTURES[5].astype(float)).__getitem__}, "picture 5 must be uint8 or uint16"),
        ({"codes": CODES + 1}, "has class 2, but there are 2 class names"),
        ({"groups": GROUPS[:-1]}, "40 codes came with 39 groups"),
        ({"train": np.array([0, 40])}, "different numbers from 0 to 39"),
        ({"window_px": 40}, "must be multiples of 16"),
        ({"classes": ("one", "one")}, "at least two different names"),
    ],
)
def test_bad_input(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        trained(tmp_path, **options)
