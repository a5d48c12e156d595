"""What is measured of drawn tiles, against what was drawn; all sizes in nanometres."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from synapse_assets.analysis.attributes import measure_tiles
from synapse_assets.schema import ATTRIBUTES

PIXEL_NM = 4.0
SIDE = 128
CYTOSOL, MEMBRANE = 0.65, 0.4
PLACES = [(32.0, 32.0), (32.0, 64.0), (32.0, 96.0), (96.0, 32.0), (96.0, 64.0), (96.0, 96.0)]

Picture = npt.NDArray[np.float64]


def away_from(y: float, x: float, side: int = SIDE) -> Picture:
    rows, columns = np.indices((side, side))
    return np.hypot(rows - y, columns - x)


def drawn(
    *,
    rims_nm: float = 0.0,
    cores_nm: float = 0.0,
    line_nm: float = 0.0,
    body_nm: float = 0.0,
    membrane: float = MEMBRANE,
    darkness: float = 0.3,
    pixel_nm: float = PIXEL_NM,
) -> Picture:
    """Cytosol between two membranes 8 nm thick (standard deviation), with what is asked for; grey values of 0 to 1."""
    side = round(SIDE * PIXEL_NM / pixel_nm)
    rows = np.arange(side)[:, None] * pixel_nm
    edges = [np.exp(-(((rows - place) / 8) ** 2) / 2) for place in (40.0, 472.0)]
    picture = np.full((side, side), CYTOSOL) - membrane * sum(edges)
    for y, x in PLACES:
        away_nm = away_from(y * PIXEL_NM / pixel_nm, x * PIXEL_NM / pixel_nm, side) * pixel_nm
        if rims_nm:
            picture -= darkness * np.exp(-(((away_nm - rims_nm / 2) / 5) ** 2))
        if cores_nm:
            picture -= 0.4 / (1 + np.exp((away_nm - cores_nm / 2) / 2))
    if line_nm:
        columns = np.arange(side)[None, :] * pixel_nm
        middle = (side - 1) / 2 * pixel_nm
        long = np.abs(columns - middle) <= line_nm / 2
        picture -= 0.6 * long * np.exp(-(((rows - middle) / 10) ** 2) / 2)
    if body_nm:
        picture -= 0.2 * (away_from(24, 100, side) * pixel_nm <= body_nm)
    return picture


def tiles(*pictures: Picture, seed: int = 0, contrast: float = 1.0, brightness: float = 0.0) -> npt.NDArray[np.uint8]:
    """Tiles of three sections, noise outside the middle one."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 256, (len(pictures), 3, *pictures[0].shape), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        noisy = ndimage.gaussian_filter(picture + rng.normal(0, 0.06, picture.shape), 0.7)
        found[row, 1] = np.clip(((noisy - CYTOSOL) * contrast + CYTOSOL + brightness) * 255, 0, 255)
    return found


@pytest.mark.parametrize("diameter_nm", [28.0, 40.0, 52.0])
def test_clear_vesicles_have_their_number_and_diameter(diameter_nm: float) -> None:
    found = measure_tiles(tiles(*[drawn(rims_nm=diameter_nm)] * 3), PIXEL_NM)
    assert found["vesicle_number"].mean() == pytest.approx(len(PLACES), abs=1)
    np.testing.assert_allclose(found["vesicle_diameter_nm"], diameter_nm, atol=3)


@pytest.mark.parametrize("diameter_nm", [40.0, 60.0])
def test_dense_cores_have_their_number_and_diameter(diameter_nm: float) -> None:
    found = measure_tiles(tiles(*[drawn(cores_nm=diameter_nm)] * 3), PIXEL_NM)
    assert found["vesicle_number"].mean() == pytest.approx(len(PLACES), abs=1)
    np.testing.assert_allclose(found["vesicle_diameter_nm"], diameter_nm, atol=4)


def test_sizes_are_nanometres_whatever_the_pixel() -> None:
    for pixel_nm in (3.0, 5.0):
        found = measure_tiles(tiles(drawn(rims_nm=48.0, body_nm=80.0, pixel_nm=pixel_nm)), pixel_nm)
        assert found["vesicle_diameter_nm"][0] == pytest.approx(48, abs=3)


def test_darker_rims_are_darker_and_nothing_else_changes() -> None:
    faint, dark = (measure_tiles(tiles(*[drawn(rims_nm=40.0, darkness=d)] * 3), PIXEL_NM) for d in (0.2, 0.4))
    assert dark["vesicle_darkness"].mean() > 1.6 * faint["vesicle_darkness"].mean()
    np.testing.assert_allclose(dark["vesicle_number"], faint["vesicle_number"], atol=1)
    np.testing.assert_allclose(dark["vesicle_diameter_nm"], faint["vesicle_diameter_nm"], atol=1.5)


@pytest.mark.parametrize("length_nm", [60.0, 100.0, 140.0])
def test_the_dark_line_at_the_centre_has_its_length(length_nm: float) -> None:
    found = measure_tiles(tiles(*[drawn(line_nm=length_nm)] * 3), PIXEL_NM)
    np.testing.assert_allclose(found["cleft_length_nm"], length_nm, atol=12)
    assert (found["tbar_darkness"] > 0.3).all()


def test_membranes_have_their_depth_in_grey_values() -> None:
    for depth in (0.25, 0.45):
        found = measure_tiles(tiles(drawn(membrane=depth)), PIXEL_NM)
        # The grain's smoothing takes a little of a line that is 2 pixels thick.
        assert found["membrane_contrast"][0] == pytest.approx(depth, rel=0.15)


def test_a_body_takes_its_share() -> None:
    with_body, without = (measure_tiles(tiles(*[drawn(body_nm=r)] * 3), PIXEL_NM) for r in (80.0, 0.0))
    np.testing.assert_allclose(with_body["mitochondria_share"], np.pi * 20**2 / SIDE**2, rtol=0.25)
    np.testing.assert_array_equal(without["mitochondria_share"], 0)


def test_brightness_and_contrast_of_the_section_do_not_count() -> None:
    picture = drawn(rims_nm=40.0, line_nm=100.0, body_nm=80.0)
    plain, changed = (
        measure_tiles(tiles(picture, contrast=contrast, brightness=brightness), PIXEL_NM)
        for contrast, brightness in ((1.0, 0.0), (0.6, -0.1))
    )
    for name in plain:
        factor = 0.6 if name == "membrane_contrast" else 1.0
        np.testing.assert_allclose(changed[name], factor * plain[name], rtol=0.06, atol=0.005, err_msg=name)


def test_what_cannot_be_measured_is_not_a_number() -> None:
    names = {column.name for column in ATTRIBUTES}
    nothing = measure_tiles(np.full((2, 3, SIDE, SIDE), 90, np.uint8), PIXEL_NM)
    small = measure_tiles(tiles(drawn(rims_nm=40.0))[..., :40, :40], PIXEL_NM)
    half = tiles(drawn(rims_nm=40.0))
    half[..., :70] = 0
    for found in (nothing, small, measure_tiles(half, PIXEL_NM)):
        assert set(found) == names
        assert all(np.isnan(values).all() for values in found.values())
    coarse = measure_tiles(tiles(drawn(rims_nm=40.0)), 12.0)
    assert {name for name in names if np.isnan(coarse[name]).all()} == names - {"tbar_darkness", "mitochondria_share"}
    empty = measure_tiles(tiles(drawn()), PIXEL_NM)
    assert empty["vesicle_number"][0] == 0
    assert np.isnan([empty[name][0] for name in ("vesicle_diameter_nm", "vesicle_darkness", "cleft_length_nm")]).all()
    with pytest.raises(ValueError, match="N, sections, H, W"):
        measure_tiles(np.zeros((3, SIDE, SIDE), np.uint8), PIXEL_NM)
    assert all(len(values) == 0 for values in measure_tiles(np.zeros((0, 3, SIDE, SIDE), np.uint8), PIXEL_NM).values())
