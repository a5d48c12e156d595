"""Tiles at another voxel size: places in nanometres stay, and what does not reach far enough is refused with a size that does."""

import re

import numpy as np
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.volumes.resampling import resample_tiles

FAFB_NM, HEMIBRAIN_NM = (4.0, 4.0, 40.0), (8.0, 8.0, 8.0)


def ramp(shape: tuple[int, int, int], voxel_nm: tuple[float, float, float]) -> np.ndarray:
    """A tile whose grey value is a plane in nanometres, 100 at the synapse."""
    z, y, x = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    return 100 + 0.25 * x * voxel_nm[0] - 0.125 * y * voxel_nm[1] + 0.05 * z * voxel_nm[2]


@pytest.mark.parametrize(
    ("here", "there", "shape", "wanted"),
    [
        (HEMIBRAIN_NM, FAFB_NM, (17, 40, 40), (3, 32, 32)),
        (FAFB_NM, HEMIBRAIN_NM, (5, 65, 65), (9, 30, 30)),
        (FAFB_NM, (6.0, 6.0, 40.0), (3, 64, 64), (3, 40, 40)),
        (FAFB_NM, FAFB_NM, (4, 40, 40), (3, 32, 32)),
    ],
)
def test_a_plane_of_grey_stays_where_it_was(here, there, shape, wanted) -> None:
    tiles = np.rint(ramp(shape, here))[None].astype(np.uint8)
    got = resample_tiles(tiles, here, there, wanted)
    assert got.shape == (1, *wanted)
    assert got.dtype == np.uint8
    inside = (slice(None), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(got[0][inside], ramp(wanted, there)[inside], atol=1.1)


def test_the_voxel_of_the_synapse_stays_in_its_place() -> None:
    tiles = np.zeros((2, 9, 33, 33), np.uint8)
    tiles[:, 4, 16, 16] = 200
    finer = resample_tiles(tiles, HEMIBRAIN_NM, (4.0, 4.0, 8.0), (9, 32, 32))
    assert [tuple(index) for index in np.argwhere(finer == 200)] == [(0, 4, 16, 16), (1, 4, 16, 16)]
    coarser = resample_tiles(tiles, HEMIBRAIN_NM, (16.0, 16.0, 8.0), (9, 12, 12))
    assert np.unravel_index(coarser[0].argmax(), coarser[0].shape) == (4, 6, 6)


def test_larger_voxels_average_what_they_cover() -> None:
    stripes = np.tile(np.array([0, 200], np.uint8), 32)[None, None, None, :].repeat(64, 2).repeat(3, 1)
    coarser = resample_tiles(stripes, FAFB_NM, (8.0, 8.0, 40.0), (3, 24, 24))
    np.testing.assert_allclose(coarser, 100, atol=1)


def test_at_the_same_size_nothing_changes() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
    np.testing.assert_array_equal(resample_tiles(tiles, FAFB_NM, FAFB_NM, (3, 16, 16)), tiles)
    np.testing.assert_array_equal(resample_tiles(tiles, FAFB_NM, FAFB_NM, (1, 8, 8)), tiles[:, 1:2, 4:12, 4:12])
    assert resample_tiles(tiles[:0], FAFB_NM, HEMIBRAIN_NM, (5, 4, 4)).shape == (0, 5, 4, 4)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.3, 2.0, 5.0])
@pytest.mark.parametrize("wanted", [1, 2, 3, 16, 17])
def test_the_size_that_is_named_is_the_least_that_will_do(ratio: float, wanted: int) -> None:
    there = (ratio, ratio, ratio)

    def tile(size: int) -> np.ndarray:
        return np.zeros((1, size, size, size), np.uint8)

    with pytest.raises(BadInput) as refused:
        resample_tiles(np.zeros((1, 0, 0, 0), np.uint8), (1, 1, 1), there, (wanted, wanted, wanted))
    size = int(re.search(r"size_px: (\d+)", str(refused.value)).group(1))
    assert resample_tiles(tile(size), (1, 1, 1), there, (wanted,) * 3).shape == (1, *(wanted,) * 3)
    with pytest.raises(BadInput, match="are smaller than"):
        resample_tiles(tile(size - 1), (1, 1, 1), there, (wanted,) * 3)
