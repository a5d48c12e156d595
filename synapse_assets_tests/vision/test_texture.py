"""What the texture of a tile depends on, and what it does not."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
import scipy.ndimage
import torch

from synapse_assets.vision import texture
from synapse_assets.vision.texture import TextureFeatures, texture_crop_px
from synapse_assets_tests.vision.conftest import planted_tiles

Floats = npt.NDArray[np.float32]
# Of features that differ between tiles by about 1: float32 through the logarithm of covariances of a condition of a thousand.
ROUNDING = 4e-3


def features(pictures: npt.NDArray[np.floating], pixel_nm: float = 4.0) -> Floats:
    module = TextureFeatures(pictures.shape[-1], pixel_nm).eval()
    with torch.inference_mode():
        return module(torch.from_numpy(np.ascontiguousarray(pictures, np.float32))).numpy()


@pytest.fixture(scope="module")
def pictures() -> Floats:
    """Six tiles of three kinds, grey values 0..1."""
    return planted_tiles(6, seed=3)[0].astype(np.float32) / 255


@pytest.mark.parametrize(("side", "pixel_nm"), [(48, 4), (47, 4), (46, 2), (45, 1.5), (24, 30), (8, 4), (9, 1)])
def test_orientation_changes_nothing(pictures: Floats, side: int, pixel_nm: float) -> None:
    crop = pictures[..., :side, :side]
    expected = features(crop, pixel_nm)
    assert np.abs(expected[1:] - expected[:-1]).mean() > 50 * ROUNDING
    for turned in (np.rot90(crop, 1, (2, 3)), np.rot90(crop, 2, (2, 3)), crop[..., ::-1], crop[..., ::-1, :]):
        np.testing.assert_allclose(features(turned, pixel_nm), expected, atol=ROUNDING)


def test_brightness_and_contrast_of_a_section_change_nothing(pictures: Floats) -> None:
    scale = np.array([0.1, 1.5, 0.7], np.float32)[:, None, None]
    shift = np.array([0.3, -0.2, 0.05], np.float32)[:, None, None]
    np.testing.assert_allclose(features(pictures * scale + shift), features(pictures), atol=ROUNDING)
    np.testing.assert_allclose(features(pictures / 500), features(pictures), atol=ROUNDING)


@pytest.mark.parametrize("black", [0, 1, 2])
def test_a_black_section_counts_for_nothing(pictures: Floats, black: int) -> None:
    damaged = pictures.copy()
    damaged[:, black] = 0
    of_sections = [np.split(features(pictures[:, [section]]), 2, axis=1)[0] for section in range(3)]
    mean = np.mean([part for section, part in enumerate(of_sections) if section != black], axis=0)
    middle = mean if black == 1 else of_sections[1]
    np.testing.assert_allclose(features(damaged), np.hstack([mean, middle]), atol=ROUNDING)
    # Compression leaves noise where nothing was.
    damaged[:, black] += np.random.default_rng(0).normal(0, 0.002, damaged[:, black].shape)
    np.testing.assert_allclose(features(damaged), np.hstack([mean, middle]), atol=ROUNDING)


def test_features_by_their_definition(pictures: Floats) -> None:
    """A few of them, in float64: of the Laplacian of the finest scale, and of the second derivatives of the coarsest."""
    picture = pictures[0, 1].astype(np.float64)
    normal = (picture - picture.mean()) / picture.std()

    def bank(width: float, side: int) -> tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.float64]]]:
        y, x = np.mgrid[:side, :side] - (side - 1) / 2
        kernels = [((x * x + y * y) / width**2 - 2) * np.exp(-(x * x + y * y) / (2 * width**2))]
        for order in (1, 2):
            for angle in np.pi / 4 * np.arange(4):
                across, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
                gauss = np.exp(-(across**2 + along**2 / 4) / (2 * width**2))
                kernels.append((-across if order == 1 else across**2 / width**2 - 1) * gauss)
        kernels = [kernel - kernel.mean() for kernel in kernels]
        return [kernel / np.linalg.norm(kernel) for kernel in kernels], []

    def filtered(
        image: npt.NDArray[np.float64], kernel: npt.NDArray[np.float64], margin: int, stride: int
    ) -> npt.NDArray[np.float64]:
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, margin, mode="reflect"), kernel.shape)
        return np.einsum("abij,ij->ab", windows, kernel)[::stride, ::stride]

    tap = np.array([1, 3, 3, 1]) / 8
    low = filtered(normal, np.outer(tap, tap), 1, 2)
    maps = [filtered(normal, kernel, 5, 2) for width in (0.8, 1.3) for kernel in bank(width, 12)[0]]
    maps += [filtered(low, kernel, 5, 1) for width in (1.05, 1.7) for kernel in bank(width, 11)[0]]
    responses = np.array([image.ravel() for image in maps])  # 4 scales of 1 + 4 + 4 filters
    line = np.exp(-0.5 * ((np.arange(24) - 11.5) / (26 / 4 / 2)) ** 2)
    window = np.outer(line, line).ravel() / np.outer(line, line).sum()

    row = features(pictures[:1, [1]])[0]
    half = row[: len(row) // 2]
    np.testing.assert_array_equal(half, row[len(row) // 2 :])  # of a single section the mean is the middle
    laplacian = responses[0]
    for place, part in enumerate((laplacian.clip(0), (-laplacian).clip(0))):
        assert half[place] == pytest.approx(np.log((window * part).sum() + 1e-3), abs=ROUNDING)
    # Both signs and all four angles of the first derivatives are one feature.
    parts = [sign * responses[1:5] for sign in (1, -1)]
    assert half[2] == pytest.approx(np.mean([np.log(part.clip(0) @ window + 1e-3) for part in parts]), abs=ROUNDING)

    sizes = np.abs(responses)
    centred = sizes - (sizes @ window)[:, None]
    covariance = (centred * window) @ centred.T
    covariance += (1e-3 * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))
    logarithm = scipy.linalg.logm(covariance)
    orbits = TextureFeatures(48, 4.0).pair_average.shape[1]
    second_order = half[-6 - 3 * orbits : -6 - 2 * orbits]  # of the first window; six grey moments come last
    assert second_order[0] == pytest.approx(logarithm[0, 0], abs=ROUNDING)
    assert second_order[-1] == pytest.approx(np.mean([logarithm[i, i + 2] for i in (32, 33)]), abs=ROUNDING)
    assert half[-6] == pytest.approx(_about_centre(normal, 26 / 4), abs=ROUNDING)


def _about_centre(normal: npt.NDArray[np.float64], width_px: float) -> float:
    line = np.exp(-0.5 * ((np.arange(48) - 23.5) / width_px) ** 2)
    return float((normal * np.outer(line, line)).sum() / np.outer(line, line).sum())


def test_size_is_in_nanometres() -> None:
    """One smooth picture sampled every 4, 2 and 1 nm."""
    noise = np.random.default_rng(0).normal(size=(8, 3, 256, 256))
    fine = scipy.ndimage.gaussian_filter(noise, (0, 0, 8, 8))
    by_pixel_nm = {1.0: fine}
    for pixel_nm in (2.0, 4.0):
        side = int(256 / pixel_nm)
        by_pixel_nm[pixel_nm] = fine.reshape(8, 3, side, int(pixel_nm), side, int(pixel_nm)).mean((3, 5))
    found = {pixel_nm: features(pictures, pixel_nm) for pixel_nm, pictures in by_pixel_nm.items()}
    between_tiles = np.linalg.norm(found[4.0][1:] - found[4.0][:-1], axis=1).mean()
    for pixel_nm in (1.0, 2.0):
        assert np.linalg.norm(found[pixel_nm] - found[4.0], axis=1).mean() < 0.02 * between_tiles
    taken_for_another = features(by_pixel_nm[2.0], 4.0)
    assert np.linalg.norm(taken_for_another - found[4.0], axis=1).mean() > 0.5 * between_tiles
    assert [texture_crop_px(1_000, pixel_nm) for pixel_nm in (1.0, 4.0, 8.0, 30.0)] == [352, 88, 44, 24]
    assert texture_crop_px(64, 4.0) == 64


def test_a_tile_does_not_depend_on_its_companions(pictures: Floats) -> None:
    together = features(np.concatenate([pictures, pictures[::-1]]))
    np.testing.assert_allclose(
        together[:6], np.concatenate([features(pictures[i : i + 1]) for i in range(6)]), atol=ROUNDING
    )
    np.testing.assert_allclose(together[6:], together[5::-1], atol=ROUNDING)


@pytest.mark.parametrize("sections", [1, 2, 4, 9])
def test_the_middle_of_any_number_of_sections(pictures: Floats, sections: int) -> None:
    deep = np.concatenate([pictures[0], pictures[1], pictures[2]])[None, :sections]
    single = np.array([np.split(features(deep[:, [section]])[0], 2)[0] for section in range(sections)])
    np.testing.assert_allclose(
        features(deep)[0], np.concatenate([single.mean(0), single[sections // 2]]), atol=ROUNDING
    )


def test_beyond_the_volume_its_mirror_image_is_seen(pictures: Floats) -> None:
    padded = pictures.copy()
    padded[..., :20, :] = 0
    padded[..., 40:] = 0
    inside = padded[..., 20:, :40]
    side = padded.shape[-1]
    mirrored = np.pad(inside, ((0, 0), (0, 0), (20, 0), (0, side - 40)), mode="symmetric")
    normal, contrast = texture._normalised(torch.from_numpy(padded[:, 0:1]))
    np.testing.assert_allclose(contrast, mirrored[:, 0].std((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(normal.mean((2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(features(padded), features(mirrored), atol=ROUNDING)


def test_a_sliver_of_the_volume_is_mirrored_again_and_again(pictures: Floats) -> None:
    sliver = np.zeros_like(pictures)
    sliver[..., 5:8] = pictures[..., 5:8]
    side = sliver.shape[-1]
    repeated = np.pad(pictures[..., 5:8], ((0, 0), (0, 0), (0, 0), (5, side - 8)), mode="symmetric")
    np.testing.assert_allclose(features(sliver), features(repeated), atol=ROUNDING)


EDGES = {
    "black": np.zeros((2, 3, 24, 24)),
    "white": np.ones((2, 3, 24, 24)),
    "grey, in float32": np.full((2, 3, 24, 24), 0.1),
    "one bright pixel": np.eye(576)[:2].reshape(2, 1, 24, 24).repeat(3, 1),
    "stripes": np.indices((2, 3, 24, 24))[3] % 2,
    "a gradient": np.indices((2, 3, 24, 24))[2] / 24,
    "two grey levels": np.random.default_rng(0).integers(100, 102, (2, 3, 24, 24)) / 255,
}


@pytest.mark.parametrize("name", EDGES)
def test_every_tile_has_finite_features(name: str) -> None:
    assert np.isfinite(features(EDGES[name])).all()


def test_few_grey_levels_are_seen() -> None:
    """Of a volume in 16 bit that was stretched over more than it uses: three levels are left of its many."""
    tiles, _ = planted_tiles(12, seed=5)
    rich = tiles / 255
    poor = np.round((rich - rich.mean((2, 3), keepdims=True)) * 4 + 100) / 255
    assert len(np.unique(poor)) < 8
    found, expected = features(poor), features(rich)
    distance = np.linalg.norm(found[:, None] - expected[None], axis=2)
    assert (distance.argmin(1) == np.arange(12)).mean() >= 0.75


def test_what_is_stored_does_not_change_with_the_program(
    pictures: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synapse_assets.vision.encoder import Encoder
    from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec

    tiles = planted_tiles(12, seed=3)[0]
    encoder = fit_with_head(texture_spec(3, 48, 2.5), None, tiles, 5, device="cpu")
    encoder.save(tmp_path)
    expected = encoder.embed(tiles, "cpu")
    np.testing.assert_array_equal(Encoder.load(tmp_path).embed(tiles, "cpu"), expected)
    for name, value in {
        "_FINE_PX": (0.9, 1.4, 2.0),
        "_ANGLES": 6,
        "_FILTER_RADIUS_PX": 4,
        "_PIXEL_NM": 9.0,
        "_WINDOWS_NM": (60.0, 200.0),
        "_FLOOR": 0.1,
        "_LEAST_CONTRAST": 0.9,
    }.items():
        monkeypatch.setattr(texture, name, value)
    monkeypatch.setattr("synapse_assets.vision.head._CLIP", 1.0)
    assert features(pictures).shape[1] != TextureFeatures(48, 4.0).fine.shape[0]
    tiles[:, 2] = tiles[:, 2] // 8 + 100
    np.testing.assert_array_equal(Encoder.load(tmp_path).embed(tiles, "cpu"), encoder.embed(tiles, "cpu"))


def test_a_constant_tile_has_no_contrast_whatever_its_grey() -> None:
    """The mean of equal numbers need not be that number."""
    grey = np.arange(0, 256, 5, dtype=np.float32).reshape(-1, 1, 1, 1) / 255
    normal, contrast = texture._normalised(torch.from_numpy(np.tile(grey, (1, 1, 23, 23))))
    assert not normal.any()
    assert not contrast.any()
