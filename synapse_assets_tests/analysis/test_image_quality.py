"""Measures of a picture against planted truth and against the same formulas, written once more."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from synapse_assets.analysis.image_quality import (
    Quality,
    Wanted,
    bits_used,
    focus,
    foreground_fraction,
    is_blank,
    quality_of,
    remarks,
    saturated_fraction,
    why_not_used,
)

WANTED = Wanted((0, 1), window_px=32, pixel_nm=325.0)


def test_focus_is_the_share_of_variance_within_squares_of_four_pixels() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 65_536, (2, 21, 34), dtype=np.uint16)
    within = total = 0.0
    for channel in picture[:, :20, :32].astype(float):
        squares = [channel[y : y + 4, x : x + 4] for y in range(0, 20, 4) for x in range(0, 32, 4)]
        within += float(np.mean([square.var() for square in squares]))
        total += float(channel.var())
    assert focus(picture) == pytest.approx(within / total, rel=1e-9)
    # The inside of a square of 16 equal noises has 15 of 16 parts of the variance.
    assert focus(rng.integers(0, 255, (1, 400, 400), dtype=np.uint8)) == pytest.approx(15 / 16, abs=0.005)
    assert focus(np.zeros((1, 40, 40), np.uint8)) == focus(np.arange(6, dtype=np.uint8).reshape(1, 3, 2)) == 0


def test_a_blurred_picture_is_less_in_focus() -> None:
    lines = np.zeros((1, 128, 128))
    lines[0, ::9] = 200
    shares = [focus(gaussian_filter(lines, (0, sd, sd)).astype(np.uint16) + 1) for sd in (0, 1, 2, 6)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.5 > 0.05 > shares[-1]


def test_saturated_pixels_are_counted_wherever_the_camera_clips() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 5_000, (2, 100, 100), dtype=np.uint16)
    clipped = np.minimum(picture, 4_095)
    assert saturated_fraction(clipped) == pytest.approx((clipped == 4_095).mean(axis=(1, 2)).max())
    assert saturated_fraction(clipped) > 0.15
    assert saturated_fraction(picture) < 0.001


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.6])
def test_foreground_is_what_lies_above_the_background(share: float) -> None:
    rng = np.random.default_rng(2)
    picture = rng.normal(300, 15, (200, 200))
    stained = rng.permutation(picture.size).reshape(picture.shape) < share * picture.size
    picture[stained] = rng.uniform(600, 3_000, stained.sum())
    assert foreground_fraction(picture[None].astype(np.uint16)) == pytest.approx(share, abs=0.002)


def test_foreground_in_any_channel_counts_and_a_black_background_has_no_spread() -> None:
    picture = np.zeros((2, 10, 10), np.uint8)
    picture[0, :2], picture[1, 1:4] = 9, 200
    assert foreground_fraction(picture) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("highest", "bits"), [(0, 8), (255, 8), (256, 10), (1_023, 10), (1_024, 12), (4_095, 12), (4_096, 14), (16_384, 16), (65_535, 16)]
)  # fmt: skip
def test_bits_are_those_that_hold_the_highest_value(highest: int, bits: int) -> None:
    assert bits_used(np.array([[[0, highest]]], np.uint16)) == bits


def test_only_what_cannot_be_used_is_left_out() -> None:
    assert why_not_used((32, 32), 2, [], blank=False, wanted=WANTED) is None
    assert why_not_used((32, 90), 3, [325.0, 326.0], blank=False, wanted=WANTED) is None
    assert (
        why_not_used((90, 90), 1, [], blank=False, wanted=WANTED)
        == "has 1 channel, but the dataset uses channel 1, counted from 0"
    )
    assert why_not_used((31, 90), 2, [], blank=False, wanted=WANTED) == "is 90 x 31 px, smaller than a window of 32 px"
    assert "has pixels of 650 nm, but the dataset's are 325 nm" in str(
        why_not_used((90, 90), 2, [325.0, 650.0], False, WANTED)
    )
    assert why_not_used((90, 90), 2, [], blank=True, wanted=WANTED) == "is blank: every pixel has the same value"


def test_what_is_odd_is_remarked() -> None:
    rng = np.random.default_rng(3)
    good = rng.normal(300, 15, (1, 64, 64))
    good[0, 10:20] += 500
    quality = quality_of(good.astype(np.uint16))
    assert quality == Quality(quality.focus, quality.saturated_fraction, quality.foreground_fraction, 10, blank=False)
    assert remarks(quality) == []
    assert [text.partition(":")[0] for text in remarks(Quality(0.01, 0.5, 0.0, 8, blank=False))] == [
        "blurred", "saturated", "nearly empty",
    ]  # fmt: skip
    assert is_blank(np.stack([np.full((4, 4), 3), np.full((4, 4), 9)]).astype(np.uint8))
    assert not is_blank(np.stack([np.full((4, 4), 3), np.eye(4)]).astype(np.uint8))
