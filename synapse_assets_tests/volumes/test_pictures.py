"""Pictures of cells as 8-bit values and as PNG."""

import io

import numpy as np
import pytest
from PIL import Image

from synapse_assets.volumes.pictures import eight_bit, picture_png


@pytest.mark.parametrize("white_level", [255, 1_023, 4_095, 65_535, 3_000])
def test_values_are_scaled_to_the_white_level_and_clipped(white_level: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 65_536, (2, 30, 20), dtype=np.uint16)
    expected = np.clip(np.floor(pixels.astype(float) * 255 / white_level + 0.5), 0, 255)
    np.testing.assert_array_equal(eight_bit(pixels, white_level), expected)
    assert eight_bit(pixels, white_level).dtype == np.uint8


def test_a_picture_of_eight_bits_stays_as_it_is() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(eight_bit(pixels, 255), pixels)


def test_a_png_shows_one_two_or_three_channels_and_is_no_wider_than_asked() -> None:
    pixels = np.random.default_rng(1).integers(0, 4_096, (4, 40, 60), dtype=np.uint16)
    grey, pair, colours = (np.asarray(Image.open(io.BytesIO(picture_png(pixels[:n], 4_095)))) for n in (1, 2, 4))
    scaled = np.moveaxis(eight_bit(pixels, 4_095), 0, 2)
    np.testing.assert_array_equal(grey, scaled[..., 0])
    np.testing.assert_array_equal(pair, scaled[..., [0, 1, 0]])
    np.testing.assert_array_equal(colours, scaled[..., :3])
    assert Image.open(io.BytesIO(picture_png(pixels, 4_095, most_px=30))).size == (30, 20)
    assert Image.open(io.BytesIO(picture_png(pixels, 4_095, most_px=60))).size == (60, 40)
