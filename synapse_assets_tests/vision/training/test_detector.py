"""Detectors trained on planted objects: what they learn, that a killed training ends equal, what views are, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.detection import DetectorChoice
from synapse_assets.errors import BadInput
from synapse_assets.vision.detection import Corner, DetectorNetwork
from synapse_assets.vision.training import loop
from synapse_assets.vision.training.detector import TrainingVolume, augmented, factor_of, train_detector
from synapse_assets.vision.training.labelled import Training

VOXEL_NM = (4.0, 4.0, 40.0)
CHOICE = DetectorChoice(
    targets=["cleft"],
    architecture="unet_2d",
    sections=3,
    channels=[4, 8, 8],
    pixel_nm=8.0,
    window_px=32,
    steps=100,
    batch_size=4,
    learning_rate=1e-2,
)
BRIEF = CHOICE.model_copy(update={"steps": 6, "batch_size": 2})


def planted(seed: int, shape: Corner = (8, 101, 120), blobs: int = 14) -> TrainingVolume:
    """Dark blobs some sections deep in noise, and dark specks that are none; a side that is no multiple of the pixel."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    grey = rng.normal(150, 12, shape)
    inside = np.zeros(shape, bool)
    for centre in rng.uniform(0, 1, (blobs, 3)) * shape:
        inside |= ((z - centre[0]) / 1.5) ** 2 + ((y - centre[1]) / 8) ** 2 + ((x - centre[2]) / 8) ** 2 < 1
    grey[inside] -= 60
    grey[rng.random(shape) < 0.01] -= 60
    rows, columns = -(-shape[1] // 2), -(-shape[2] // 2)
    padded = np.pad(inside, ((0, 0), (0, 2 * rows - shape[1]), (0, 2 * columns - shape[2])), mode="edge")
    truth = padded.reshape(shape[0], rows, 2, columns, 2).mean((2, 4)) >= 0.5
    return TrainingVolume(
        grey.clip(1, 255).astype(np.uint8), None, truth[None].astype(np.uint8), np.ones(truth.shape, bool)
    )


def trained(folder: Path, choice: DetectorChoice = BRIEF, *volumes: TrainingVolume, **options):
    torch.set_num_threads(1)
    arguments = {"seed": 3, "device": "cpu", "folder": folder} | options
    return train_detector(choice, volumes or [planted(1)], VOXEL_NM, **arguments)


class Held:
    """A volume in memory."""

    def __init__(self, grey: np.ndarray) -> None:
        self.grey, self.bounds = grey, ((0, 0, 0), grey.shape)

    def read(self, low: Corner, high: Corner) -> tuple[np.ndarray, np.ndarray]:
        box = self.grey[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        return box, np.ones(box.shape, bool)


def dice(detector: DetectorNetwork, volume: TrainingVolume) -> float:
    said = detector.map_box(Held(volume.grey), (0, 0, 0), volume.known.shape, "cpu") > 0.5
    return float(2 * (said & (volume.truth > 0)).sum() / (said.sum() + volume.truth.sum()))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectorNetwork, Training]:
    return trained(tmp_path_factory.mktemp("learnt"), CHOICE)


def test_it_learns_what_was_planted(learnt: tuple[DetectorNetwork, Training]) -> None:
    detector, training = learnt
    assert dice(detector, planted(2)) > 0.7
    assert (training.steps, training.stopped, training.remark) == (100, "steps", "")
    spec = detector.spec
    assert (spec.factor, spec.voxel_size_nm, spec.halo, spec.stride) == (2, VOXEL_NM, (1, 20, 20), (1, 4, 4))
    grey = planted(1).grey.astype(float)
    assert spec.mean == pytest.approx(grey.mean(), abs=0.5)
    assert 0.4 * grey.std() < spec.std < grey.std()  # of means of four voxels


def test_in_three_dimensions_too(tmp_path: Path) -> None:
    choice = CHOICE.model_copy(update={"architecture": "unet_3d", "sections": 5, "steps": 50})
    detector, _ = trained(tmp_path, choice)
    assert dice(detector, planted(2)) > 0.6


# --- interrupted, and what is looked at


class KilledError(Exception):
    """The end of a process, as far as a training can tell."""


def equal(one: DetectorNetwork, other: DetectorNetwork) -> bool:
    weights = other.network.state_dict()
    return all(torch.equal(tensor, weights[name]) for name, tensor in one.network.state_dict().items())


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectorNetwork, Training]:
    return trained(tmp_path_factory.mktemp("brief"))


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(
    brief: tuple[DetectorNetwork, Training], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    told: list[str] = []

    def kill(row: dict[str, float]) -> None:
        if row["step"] == 4:
            raise KilledError

    with pytest.raises(KilledError):
        trained(tmp_path, progress=kill)
    # What is made of maps is no matter of the training.
    resumed, after = trained(tmp_path, BRIEF.model_copy(update={"threshold": 0.7, "min_nm3": 1e5}), log=told.append)
    assert told[0].startswith("training: goes on from step 3 of 6")
    assert equal(brief[0], resumed)
    assert [row["loss"] for row in after.history] == [row["loss"] for row in brief[1].history]
    # Another volume is another training, which the checkpoint is not of.
    grey = planted(1).grey.copy()
    grey[0, 0, 0] ^= 1
    anew, _ = trained(tmp_path, BRIEF, replace(planted(1), grey=grey), log=told.append)
    assert not [line for line in told[1:] if "goes on" in line]
    assert not equal(anew, resumed)
    assert not equal(trained(tmp_path / "other", seed=4)[0], resumed)


def test_nothing_is_seen_that_may_not_be(tmp_path: Path) -> None:
    """Other voxels where none are valid, and other truth where it is not known, train the same network to the bit."""
    volume = planted(1)
    valid = np.ones(volume.grey.shape, bool)
    valid[:, :40, 60:] = False
    known = np.ones(volume.known.shape, bool)
    known[:, 30:, :20] = False
    held = replace(volume, valid=valid, known=known)
    one, _ = trained(tmp_path / "one", BRIEF, held)
    grey, truth = volume.grey.copy(), volume.truth.copy()
    rng = np.random.default_rng(5)
    grey[~valid] = rng.integers(0, 256, int((~valid).sum()))
    truth[:, ~known] = rng.integers(0, 2, int((~known).sum()))
    truth[:, :, :20, 30:] = rng.integers(0, 2, truth[:, :, :20, 30:].shape)
    other, _ = trained(tmp_path / "other", BRIEF, replace(held, grey=grey, truth=truth))
    assert equal(one, other)
    assert one.spec == other.spec
    grey[valid] ^= 1
    assert not equal(one, trained(tmp_path / "seen", BRIEF, replace(held, grey=grey))[0])


def test_of_a_target_that_is_not_known_somewhere_nothing_is_learnt_there(tmp_path: Path) -> None:
    choice = BRIEF.model_copy(update={"targets": ["presynaptic", "postsynaptic"]})
    both, one_side = planted(1), planted(2)
    both = replace(both, truth=both.truth.repeat(2, 0))
    truth = np.concatenate([one_side.truth, np.zeros_like(one_side.truth)])
    told = replace(one_side, truth=truth, targets_known=(True, False))
    one, _ = trained(tmp_path / "one", choice, both, told)
    # Whatever is said of it.
    other, _ = trained(tmp_path / "other", choice, both, replace(told, truth=one_side.truth.repeat(2, 0)))
    assert equal(one, other)
    # Were it known that there is none, another network would come of it; and the other target is learnt there.
    assert not equal(one, trained(tmp_path / "none", choice, both, replace(told, targets_known=()))[0])
    assert not equal(one, trained(tmp_path / "less", choice, both, replace(told, truth=truth * 0))[0])
    all_known = replace(both, targets_known=(True, True))
    assert equal(trained(tmp_path / "all", choice, all_known)[0], trained(tmp_path / "said", choice, both)[0])
    nowhere = trained(tmp_path / "nowhere", choice, told)
    assert isinstance(nowhere, NoModel)
    assert "a detector of 'postsynaptic' needs at least one object" in nowhere.reason


# --- views


@pytest.mark.parametrize("deep", [1, 5])
def test_truth_stays_on_what_it_is_the_truth_of(deep: int) -> None:
    """Discs that are bright in the picture too: after all turns, bends and slips the bright pixels are those of the truth."""
    rows, columns = np.mgrid[:82, :82]
    disc = (rows - 35) ** 2 + (columns - 47) ** 2 < 20**2
    stack = np.zeros((64, 5, 82, 82), np.float16)
    stack[:, :, disc] = 200
    truth = np.broadcast_to(disc, (64, 1, deep, 82, 82)).astype(np.uint8)
    known = np.broadcast_to(columns < 60, (64, deep, 82, 82)).astype(np.uint8)
    told = np.ones((64, 1), np.uint8)
    inputs = tuple(torch.from_numpy(part.copy()) for part in (stack, truth, known, told))
    views, there, looked, _ = augmented(inputs, 48, 0.0, 255.0, torch.Generator().manual_seed(0))
    assert views.shape == (64, 5, 48, 48)
    assert there.shape == (64, 1, deep, 48, 48)
    assert looked.shape == (64, deep, 48, 48)
    bright = (views > 0.4).float()
    middle = bright if deep == 5 else bright[:, 2:3]
    wrong = (middle != there[:, 0]).float().mean((2, 3))
    # A section that was lost shows its neighbour, and has its own truth.
    assert (wrong < 0.03).float().mean() > 0.9
    assert wrong[:, deep // 2].max() < 0.03
    if deep == 5:
        beside = (bright[:, 1] != bright[:, 2]).float().mean((1, 2))
        assert 2 < int((beside > 0.02).sum()) < 32  # slips
    assert set(looked.unique().tolist()) == {0.0, 1.0}
    assert 0.5 < looked.mean() < 0.95


# --- objects


def test_objects_are_what_touches(tmp_path: Path) -> None:
    volume = planted(1)
    truth = np.zeros_like(volume.truth)
    truth[0, 2, 5, 5] = 1  # a pixel
    truth[0, 3, 20, 20] = truth[0, 3, 21, 21] = truth[0, 4, 22, 22] = 1  # at corners, one in the next section
    truth[0, 6, 40, 10:30] = 1
    truth[0, 6, 40, 20] = 0  # split in two
    detector, training = trained(tmp_path, BRIEF, replace(volume, truth=truth), volume)
    assert detector.spec.source.startswith("random weights; trained on 2 volumes with objects: ")
    alone, _ = trained(tmp_path / "alone", BRIEF, replace(volume, truth=truth))
    assert "with objects: 4 of cleft; seed 3" in alone.spec.source
    assert training.remark == ""


def test_one_object_will_do_with_a_remark(tmp_path: Path) -> None:
    volume = planted(1)
    truth = np.zeros_like(volume.truth)
    truth[0, 2:4, 20:25, 30:34] = 1
    two = BRIEF.model_copy(update={"targets": ["cleft", "presynaptic"]})
    both = replace(volume, truth=np.concatenate([truth, volume.truth]))
    _, training = trained(tmp_path, two, both)
    assert training.remark == "one object of cleft only: what is learnt may hold for it alone"


@pytest.mark.parametrize("kind", ["none", "not known", "no picture"])
def test_without_an_object_there_is_no_network(kind: str, tmp_path: Path) -> None:
    volume = planted(1)
    empty = {
        "none": replace(volume, truth=np.zeros_like(volume.truth)),
        "not known": replace(volume, known=volume.truth[0] == 0),
        "no picture": replace(volume, valid=np.zeros(volume.grey.shape, bool)),
    }[kind]
    answer = trained(tmp_path, BRIEF, empty)
    assert isinstance(answer, NoModel)
    assert "a detector of 'cleft' needs at least one object" in answer.reason


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path) -> None:
    detector, training = trained(tmp_path, BRIEF.model_copy(update={"learning_rate": 1e30}))
    assert training.stopped.startswith("not a number at step ")
    assert all(bool(tensor.isfinite().all()) for tensor in detector.network.state_dict().values())


# --- what is refused


def wrong(name: str) -> TrainingVolume:
    volume = planted(1)
    return {
        "no volume": replace(volume, grey=volume.grey[:0]),
        "float": replace(volume, grey=volume.grey / 255),
        "a picture": replace(volume, grey=volume.grey[0]),
        "valid of another shape": replace(volume, valid=np.ones((8, 51, 60), bool)),
        "valid as numbers": replace(volume, valid=volume.grey),
        "truth of voxels": replace(volume, truth=np.zeros((1, 8, 101, 120), np.uint8)),
        "truth rounded down": replace(volume, truth=volume.truth[:, :, :50]),
        "truth of two": replace(volume, truth=volume.truth.repeat(2, 0)),
        "truth without targets": replace(volume, truth=volume.truth[0]),
        "0 to 255": replace(volume, truth=volume.truth * 255),
        "0 to 1": replace(volume, truth=volume.truth * np.float32(0.9)),
        "a section too few": replace(volume, truth=volume.truth[:, 1:], known=volume.known[1:]),
        "known of voxels": replace(volume, known=np.ones(volume.grey.shape, bool)),
        "known as numbers": replace(volume, known=volume.truth[0]),
        "targets of two": replace(volume, targets_known=(True, False)),
    }[name]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no volume", "at least one voxel"),
        ("float", "must be uint8"),
        ("a picture", "must be uint8"),
        ("valid of another shape", "valid must be bool"),
        ("valid as numbers", "valid must be bool"),
        ("truth of voxels", r"needs masks of \(1, 8, 51, 60\)"),
        ("truth rounded down", r"needs masks of \(1, 8, 51, 60\)"),
        ("truth of two", r"targets \(cleft\)"),
        ("truth without targets", "needs masks"),
        ("0 to 255", "of 0 and 1, not uint8 up to 255"),
        ("0 to 1", "of 0 and 1, not float32"),
        ("a section too few", r"they are \(1, 7, 51, 60\)"),
        ("known of voxels", "known must be bool"),
        ("known as numbers", "known must be bool"),
        ("targets of two", "targets_known must say it of each of cleft, not of 2 targets"),
    ],
)
def test_volumes_that_do_not_fit_are_refused(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"training volume 1.*{told}"):
        trained(tmp_path / "run", BRIEF, planted(1), wrong(name))
    assert not (tmp_path / "run").exists()


def test_windows_that_cannot_be_halved_are_refused(tmp_path: Path) -> None:
    for window_px in (30, 4):
        with pytest.raises(BadInput, match="a multiple of 4, at least 8"):
            trained(tmp_path, BRIEF.model_copy(update={"window_px": window_px}))
    with pytest.raises(BadInput, match="at least one"):
        train_detector(BRIEF, [], VOXEL_NM, seed=0, device="cpu", folder=tmp_path)


@pytest.mark.parametrize(
    ("pixel_nm", "voxel_nm", "factor"),
    [(None, (4.6, 4.6, 45), 1), (9.2, (4.6, 4.6, 45), 2), (18.4, (4.6, 4.6, 45), 4), (9.21, (4.6, 4.6, 45), 2)],
)
def test_a_pixel_is_a_whole_number_of_voxels(pixel_nm, voxel_nm, factor: int) -> None:
    assert factor_of(BRIEF.model_copy(update={"pixel_nm": pixel_nm}), voxel_nm) == factor


@pytest.mark.parametrize(
    ("pixel_nm", "voxel_nm", "told"),
    [
        (10.0, (4.6, 4.6, 45.0), "such as pixel_nm: 9.2"),
        (2.0, (4.6, 4.6, 45.0), "such as pixel_nm: 4.6"),
        (8.0, (4.0, 8.0, 40.0), "as wide as high"),
        (8.0, (4.0, 4.0, 0.0), "as wide as high"),
    ],
)
def test_other_pixels_are_refused(pixel_nm: float, voxel_nm, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        factor_of(BRIEF.model_copy(update={"pixel_nm": pixel_nm}), voxel_nm)
