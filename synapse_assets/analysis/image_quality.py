"""What a picture is worth: focus, saturation, foreground, bits in use, and whether that or its size keeps it from being used.

Takes arrays and numbers; reading pictures, and comparing those of a plate, belong elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BITS = (8, 10, 12, 14, 16)
# Pixels of a square whose inside counts as fine: see `focus`.
FINE_PX = 4
# Scales that are further apart are different scales: a share.
SCALE_TOLERANCE = 0.01
# Remarks beyond these. Neurons of the sample have a focus of .12, blurred by 4 px (sd) one of .03; what keeps it from 0 is the noise of
# the camera. One pixel in a hundred at the highest value is more than hot pixels are. One in a thousand above the background is less
# than a single cell of a field.
LEAST_FOCUS = 0.03
MOST_SATURATED = 0.01
LEAST_FOREGROUND = 0.001
_ABOVE_BACKGROUND = 4.0
_SAMPLED_PIXELS = 1 << 17
_MAD_OF_NORMAL = 1.4826

_Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class Quality:
    """The measures of a picture, each as the function of its name gives it. blank: no channel has two different values."""

    focus: float
    saturated_fraction: float
    foreground_fraction: float
    bits: int
    blank: bool


@dataclass(frozen=True)
class Wanted:
    """What a dataset wants of a picture: its channels (counted from 0), the side of a window, and of a pixel."""

    channels: Sequence[int]
    window_px: int
    pixel_nm: float


def quality_of(pixels: _Pixels) -> Quality:
    """All measures of a picture, uint8 or uint16 (channels, height, width), of at least one channel and pixel."""
    return Quality(
        focus(pixels), saturated_fraction(pixels), foreground_fraction(pixels), bits_used(pixels), is_blank(pixels)
    )


def focus(pixels: _Pixels) -> float:
    """Share of the variance of (channels, height, width) that is finer than four pixels, 0 to 1: that within squares of 4 x 4 pixels, of
    that of all pixels; over all channels together. 0 where nothing varies. Low where a picture is blurred, near 15/16 where it is
    all noise."""
    channels, height, width = pixels.shape
    rows, columns = height // FINE_PX, width // FINE_PX
    if not rows or not columns:
        return 0.0
    squares = pixels[:, : rows * FINE_PX, : columns * FINE_PX].astype(np.float64)
    squares = squares.reshape(channels, rows, FINE_PX, columns, FINE_PX)
    whole = squares.var(axis=(1, 2, 3, 4)).sum()
    between = squares.mean(axis=(2, 4)).var(axis=(1, 2)).sum()
    return float(np.clip(1 - between / whole, 0, 1)) if whole > 0 else 0.0


def saturated_fraction(pixels: _Pixels) -> float:
    """Share of the pixels of (channels, height, width), 0 to 1, at the highest value of their channel, in the channel with most of them.

    The highest value that is there, not that of the number of bits: cameras clip at 4095 of 65,535, or anywhere. What is not clipped
    reaches its highest value in hardly a pixel.
    """
    return float(max((channel == channel.max()).mean() for channel in pixels))


def foreground_fraction(pixels: _Pixels) -> float:
    """Share of the pixels of (channels, height, width), 0 to 1, that are above the background in any channel.

    The background of a channel is the middle of the narrowest range of values that a quarter of its pixels lie in; its spread is taken from
    the values below (the median distance, times 1.4826 as for a normal distribution), which no stain reaches. Above is what lies more
    than four spreads, and more than one value, higher: of noise alone, 3 pixels in 100,000.
    """
    above = np.zeros(pixels.shape[1:], dtype=bool)
    for channel in pixels:
        values = np.sort(channel.reshape(-1)[:: max(1, channel.size // _SAMPLED_PIXELS)]).astype(np.float64)
        share = len(values) // 4
        widths = values[share:] - values[: len(values) - share]
        # Whole numbers have many ranges of one width: the one in the middle.
        at = int(np.median(np.flatnonzero(widths == widths.min())))
        background = (values[at] + values[min(at + share, len(values) - 1)]) / 2
        spread = _MAD_OF_NORMAL * float(np.median(background - values[values <= background]))
        above |= channel > background + max(1.0, _ABOVE_BACKGROUND * spread)
    return float(above.mean())


def bits_used(pixels: _Pixels) -> int:
    """8, 10, 12, 14 or 16: the fewest of these that hold the highest value of the picture; 8 for uint8."""
    highest = int(pixels.max())
    return next(bits for bits in BITS if highest < 1 << bits)


def is_blank(pixels: _Pixels) -> bool:
    """Whether every channel of (channels, height, width) has one value throughout."""
    return bool((pixels.min(axis=(1, 2)) == pixels.max(axis=(1, 2))).all())


def why_not_used(
    shape: tuple[int, int], file_channels: int, scales_nm: Sequence[float], blank: bool, wanted: Wanted
) -> str | None:
    """Why a picture cannot be used, in words; None where it can.

    shape: height and width. scales_nm: the sides of a pixel that the table and the file state; none where neither does. Only what
    cannot be used is kept out: a picture that lacks a channel, has no room for a window, is of another scale (networks know one scale
    only) or holds nothing. What is blurred, saturated or nearly empty is for a person to judge: see `remarks`.
    """
    if max(wanted.channels) >= file_channels:
        has = "1 channel" if file_channels == 1 else f"{file_channels} channels"
        return f"has {has}, but the dataset uses channel {max(wanted.channels)}, counted from 0"
    if min(shape) < wanted.window_px:
        return f"is {shape[1]} x {shape[0]} px, smaller than a window of {wanted.window_px} px"
    for scale_nm in scales_nm:
        if abs(scale_nm / wanted.pixel_nm - 1) > SCALE_TOLERANCE:
            return f"has pixels of {scale_nm:g} nm, but the dataset's are {wanted.pixel_nm:g} nm: rescale it, or put it in another dataset"
    return "is blank: every pixel has the same value" if blank else None


def remarks(quality: Quality) -> list[str]:
    """What is odd about a picture that is used all the same, in words: conservative, since a treatment may do that to cells."""
    found = []
    if quality.focus < LEAST_FOCUS:
        found.append(f"blurred: {quality.focus:.1%} of its variance is finer than {FINE_PX} px")
    if quality.saturated_fraction > MOST_SATURATED:
        found.append(f"saturated: {quality.saturated_fraction:.1%} of its pixels have the highest value")
    if quality.foreground_fraction < LEAST_FOREGROUND:
        found.append(f"nearly empty: {quality.foreground_fraction:.2%} of its pixels are above the background")
    return found
