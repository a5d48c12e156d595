"""Maps of volumes: that no box shows in them, what stands in for missing sections, files, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synapse_assets.errors import BadInput
from synapse_assets.vision import detection
from synapse_assets.vision.detection import (
    Corner,
    DetectorNetwork,
    DetectorSpec,
    build,
    is_detector_file,
    read_pixels,
    thickness_px,
)
from synapse_assets.vision.networks.volume_unet import reach

SPEC = DetectorSpec(
    architecture="unet_2d",
    targets=("cleft", "mitochondrion"),
    sections=3,
    channels=(4, 4, 8),
    factor=2,
    voxel_size_nm=(4.0, 4.0, 40.0),
    mean=128.0,
    std=50.0,
    halo=(1, 20, 20),
    stride=(1, 4, 4),
)


@dataclass
class Volume:
    """A volume that begins at a voxel which is none of the first, nor on any grid."""

    grey: np.ndarray
    valid: np.ndarray
    first: Corner = (5, 37, -11)
    most: int = field(default=0)

    @property
    def bounds(self) -> tuple[Corner, Corner]:
        return self.first, tuple(int(sum(pair)) for pair in zip(self.first, self.grey.shape, strict=True))

    def read(self, low: Corner, high: Corner) -> tuple[np.ndarray, np.ndarray]:
        first, last = self.bounds
        assert all(a <= b < c <= d for a, b, c, d in zip(first, low, high, last, strict=True))
        self.most = max(self.most, int(np.prod(np.subtract(high, low))))
        box = tuple(slice(b - a, c - a) for a, b, c in zip(first, low, high, strict=True))
        return self.grey[box], self.valid[box]


def volume(shape: Corner, seed: int = 0, **options) -> Volume:
    grey = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Volume(grey, np.ones(shape, bool), **options)


def network(architecture: str = "unet_2d", **options) -> DetectorNetwork:
    """One with random weights, whose answers are far from being all the same."""
    spec = replace(SPEC, architecture=architecture, **options)
    torch.manual_seed(1)
    made = build(architecture, spec.channels, len(spec.targets), spec.sections, thickness_px(spec))
    for name, tensor in made.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    return DetectorNetwork(replace(spec, halo=reach(made), stride=made.stride), made)


@pytest.fixture(scope="module")
def flat() -> DetectorNetwork:
    return network()


@pytest.fixture(scope="module")
def deep() -> DetectorNetwork:
    return network("unet_3d")


def whole(detector: DetectorNetwork, source: Volume) -> tuple[Corner, Corner, np.ndarray]:
    low, high = detector.spec.pixel_bounds(source.bounds)
    return low, high, detector.map_box(source, low, high, "cpu")


# --- boxes


SHAPES: dict[str, Corner] = {
    "even": (4, 96, 64),
    "odd": (5, 61, 83),
    "one section": (1, 40, 40),
    "thinner than the halo": (2, 9, 70),
    "a line": (3, 1, 90),
    "a voxel wide and long": (2, 1, 1),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["flat", "deep"])
def test_a_map_in_boxes_is_the_map_in_one(
    architecture: str, shape: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector: DetectorNetwork = request.getfixturevalue(architecture)
    source = volume(SHAPES[shape])
    low, high, expected = whole(detector, source)
    assert expected.dtype == np.float32
    assert expected.shape == (2, *np.subtract(high, low))
    if shape != "a voxel wide and long":
        assert expected.std() > 0.02
    monkeypatch.setattr(detection, "_TILE", dict.fromkeys(detection._TILE, (2, 20, 16)))
    rng = np.random.default_rng(3)
    boxes = [(low, high)]
    for _ in range(6):
        corners = [sorted(rng.choice(np.arange(a, b + 1), 2, replace=False)) for a, b in zip(low, high, strict=True)]
        boxes.append((tuple(int(a) for a, _ in corners), tuple(int(b) for _, b in corners)))
    for start, end in boxes:
        box = tuple(slice(a - o, b - o) for a, b, o in zip(start, end, low, strict=True))
        got = detector.map_box(source, start, end, "cpu")
        np.testing.assert_allclose(got, expected[:, *box], rtol=0, atol=1e-5)


def test_it_is_the_network_over_the_reflected_picture(flat: DetectorNetwork) -> None:
    """Without a box at all: numpy reflects and averages, and the network that was trained (not its folded copy) answers."""
    source = volume((4, 70, 54), first=(0, 0, 0))
    padded = np.pad(source.grey.astype(np.float32), ((1, 1), (40, 50), (40, 50)), mode="reflect")  # of 160 x 144 voxels
    pixels = padded.reshape(6, 80, 2, 72, 2).mean((2, 4))
    stacks = np.stack([pixels[z : z + 3] for z in range(4)])
    with torch.inference_mode():
        logits = flat.network((torch.from_numpy(stacks) - 128) / 50)[:, :, 0, 20:55, 20:47]
    expected = logits.sigmoid().numpy().swapaxes(0, 1)
    np.testing.assert_allclose(flat.map_box(source, (0, 0, 0), (4, 35, 27), "cpu"), expected, rtol=0, atol=1e-5)


def test_memory_follows_the_tile_and_not_the_box(flat: DetectorNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "_TILE", {"unet_2d": (2, 40, 40)})
    source = volume((12, 420, 420), first=(0, 0, 0))
    flat.map_box(source, (5, 80, 80), (7, 120, 120), "cpu")
    most = source.most
    flat.map_box(source, (0, 40, 40), (12, 160, 120), "cpu")
    assert source.most <= 1.5 * most < source.grey.size / 2


# --- missing sections


def nearest(source: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Section by section: the picture with missing ones replaced by the nearest within two, the lower on ties, and where there is one."""
    good = [bool(source.valid[z].all()) and len(np.unique(source.grey[z])) > 1 for z in range(len(source.grey))]
    grey, known = source.grey.copy(), np.zeros(len(good), bool)
    for z in range(len(good)):
        near = sorted((abs(other - z), other) for other in range(len(good)) if good[other] and abs(other - z) <= 2)
        if near:
            grey[z], known[z] = source.grey[near[0][1]], True
    return grey, known


@pytest.mark.parametrize(
    ("missing", "black"),
    [((3,), ()), ((), (4,)), ((2, 3), ()), ((0,), (1,)), ((2, 3, 4, 5, 6), ()), ((5,), (3, 4, 6, 7)), ((8,), (7,))],
)
def test_missing_sections_are_replaced_by_the_nearest_one(
    flat: DetectorNetwork, missing: tuple[int, ...], black: tuple[int, ...]
) -> None:
    source = volume((9, 100, 150))
    source.valid[list(missing)] = False
    source.grey[list(missing)] = np.random.default_rng(9).integers(0, 256, (len(missing), 100, 150))  # of no meaning
    source.grey[list(black)] = 7 if len(black) > 1 else 0
    low, high, got = whole(flat, source)
    filled, known = nearest(source)
    _, _, expected = whole(flat, Volume(filled, np.ones(filled.shape, bool)))
    # Where no section is near enough the network sees the mean: its neighbours see a section of grey values as trained on.
    beyond = np.flatnonzero(~known)
    untouched = [z for z in range(9) if known[z] and not np.isin([z - 1, z + 1], beyond).any()]
    np.testing.assert_allclose(got[:, untouched], expected[:, untouched], rtol=0, atol=1e-5)
    assert not got[:, beyond].any()
    assert got[:, known].all()
    assert flat.missing(source, low, high) == sorted(z + 5 for z in missing + black)
    for z in range(9):
        box = (z + 5, low[1] + 11, low[2] + 3), (z + 6, low[1] + 29, low[2] + 70)
        part = flat.map_box(source, *box, "cpu")
        np.testing.assert_allclose(part, got[:, z : z + 1, 11:29, 3:70], rtol=0, atol=1e-5)


def test_a_place_without_a_picture_is_answered_for_by_its_neighbours_in_z(flat: DetectorNetwork) -> None:
    source = volume((7, 80, 90))
    source.valid[3, 20:40, 30:60] = False  # one section
    source.valid[:, 60:, 70:] = False  # all of them
    _, _, got = whole(flat, source)
    filled = source.grey.copy()
    filled[3, 20:40, 30:60] = filled[2, 20:40, 30:60]
    _, _, expected = whole(flat, Volume(filled, source.valid | (np.arange(7) == 3)[:, None, None] & source.valid[2]))
    np.testing.assert_array_equal(got, expected)
    # The volume begins at row 37 and column -11: pixels hold rows 36 and 37, columns -12 and -11.
    assert not got[:, :, 30:, 35:].any()
    assert got[:, :, :30].all()
    assert got[:, :, :, :35].all()


def test_a_dark_edge_or_a_bright_patch_is_a_picture(flat: DetectorNetwork) -> None:
    source = volume((3, 129, 129))
    source.grey[1, 30:60, 10:70] = 0
    source.grey[1, 128, 128] = 255
    pixels = read_pixels(source, *flat.spec.pixel_bounds(source.bounds), 2)
    assert pixels.known.all()
    assert pixels.grey[1, 20, 20] == 0


def test_pixels_are_means_of_voxels(flat: DetectorNetwork) -> None:
    source = volume((2, 12, 12), first=(0, 0, 0))
    for factor in (1, 2, 3):
        got = read_pixels(source, (0, 0, 0), (2, 12 // factor, 12 // factor), factor)
        split = source.grey.reshape(2, 12 // factor, factor, 12 // factor, factor)
        np.testing.assert_allclose(got.grey, split.astype(float).mean((2, 4)), rtol=1e-6)


# --- files


def test_a_saved_network_is_the_same_to_the_bit(flat: DetectorNetwork, deep: DetectorNetwork, tmp_path: Path) -> None:
    source = volume((3, 40, 50))
    for detector in (flat, deep):
        path = tmp_path / "folder" / f"{detector.spec.architecture}.safetensors"
        detector.save(path)
        again = DetectorNetwork.load(path)
        assert again.spec == detector.spec
        assert is_detector_file(path)
        np.testing.assert_array_equal(whole(again, source)[2], whole(detector, source)[2])


def test_other_files_are_refused(flat: DetectorNetwork, tmp_path: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("weights")
    for path, told in ((text, "damaged"), (tmp_path / "none.safetensors", "there is no file")):
        with pytest.raises(BadInput, match=told):
            DetectorNetwork.load(path)
    assert not is_detector_file(text)
    other = DetectorNetwork(replace(flat.spec, channels=(4, 8, 8)), flat.network)
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="does not hold the weights"):
        DetectorNetwork.load(tmp_path / "other.safetensors")


# --- what is refused


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((4.0, 4.0, 40.0), True),
        ((4.04, 4.04, 41.0), True),
        ((8.0, 8.0, 40.0), False),
        ((4.0, 4.0, 50.0), False),
        ((40.0, 4.0, 4.0), False),
        ((4.0, 4.0), False),
        ((4.0, 4.0, float("nan")), False),
    ],
)
def test_voxels_of_another_size_are_refused(flat: DetectorNetwork, size: tuple[float, ...], fits: bool) -> None:
    if fits:
        flat.check_voxel_size(size)
        return
    with pytest.raises(BadInput, match="trained on voxels of 4 x 4 x 40 nm"):
        flat.check_voxel_size(size)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((5, 18, -6), (5, 30, 10)),  # empty
        ((5, 30, -6), (8, 20, 10)),
        ((4, 18, -6), (8, 30, 10)),  # below, right of and above the volume
        ((5, 18, -6), (8, 30, 46)),
        ((5, 17, -6), (8, 30, 10)),
        ((5, 18, -7), (8, 30, 10)),
    ],
)
def test_boxes_outside_the_volume_are_refused(flat: DetectorNetwork, low: Corner, high: Corner) -> None:
    source = volume((4, 80, 100))
    for ask in (flat.map_box, flat.missing):
        with pytest.raises(BadInput, match=r"within the volume, whose pixels go from \[5, 18, -6\] to \[9, 59, 45\]"):
            ask(source, low, high)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: replace(SPEC, targets=()), "at least one"),
        (lambda: replace(SPEC, targets=("cleft", "cleft")), "different names"),
        (lambda: replace(SPEC, factor=0), "factor"),
        (lambda: replace(SPEC, voxel_size_nm=(4.0, 4.0, 0.0)), "above 0 nm"),
        (lambda: replace(SPEC, std=0.0), "deviation above zero"),
        (lambda: replace(SPEC, mean=float("nan")), "deviation above zero"),
        (lambda: build("unet_4d", [4, 4, 4], 1, 3, 5.0), "no architecture"),
    ],
)
def test_specifications_that_cannot_be_are_refused(make: Callable[[], object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        make()
