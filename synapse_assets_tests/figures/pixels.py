"""What can be seen in a picture: its pixels, those of one colour, and how many spots they make."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def opened(png: bytes) -> Pixels:
    """The pixels (height, width, 3), if it is a small PNG."""
    assert len(png) <= 300_000
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB"))


def opened_sheet(png: bytes) -> Pixels:
    """The pixels, if it is a small PNG as wide as the UI."""
    pixels = opened(png)
    assert 500 <= pixels.shape[1] <= 1330
    return pixels


def middle(where: Mask) -> tuple[float, float]:
    """The middle of the pixels: row, column."""
    assert where.any()
    row, column = np.argwhere(where).mean(axis=0)
    return float(row), float(column)


def of_colour(pixels: Pixels, colour: str, alpha: float = 1.0) -> Mask:
    """Where the pixels have exactly that colour, or what is left of it on white when it is transparent."""
    pure = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    wanted = alpha * pure + (1 - alpha) * 255
    return np.asarray((np.abs(pixels.astype(float) - wanted) <= (0 if alpha == 1.0 else 1.5)).all(axis=2))


def of_grey(pixels: Pixels, value: int) -> Mask:
    """The largest spot of about that grey: a tile."""
    return largest((np.abs(pixels.astype(int) - value) <= 2).all(axis=2))


def largest(where: Mask) -> Mask:
    """The largest spot; nothing where there is none of 20 pixels."""
    labelled, count = ndimage.label(where)
    sizes = np.bincount(labelled.ravel(), minlength=count + 1)[1:]
    return np.asarray(labelled == 1 + sizes.argmax()) if sizes.max(initial=0) >= 20 else np.zeros_like(where)


def vividness(pixels: Pixels) -> int:
    """How far the most vivid pixel is from grey, 0 to 255."""
    return int(np.ptp(pixels, axis=2).max())


def spots(pixels: Pixels, colour: str, least: int = 6, alpha: float = 1.0) -> int:
    """How many separate spots of that colour there are, of at least so many pixels."""
    labelled, count = ndimage.label(of_colour(pixels, colour, alpha))
    sizes = ndimage.sum_labels(np.ones_like(labelled), labelled, range(1, count + 1)) if count else []
    return int((np.asarray(sizes) >= least).sum())
