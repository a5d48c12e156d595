"""Sections of a volume as PNG: the grey values, and the map of a detector to lie over them. Reading them belongs to `query.detection`."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from synapse_assets.query.detection import Section

# The colour of each structure that is marked, on grey (`schema.colours`: those that stand out of it).
TARGET_COLOURS = {
    "presynaptic": "#E69F00",
    "postsynaptic": "#56B4E9",
    "cleft": "#D55E00",
    "mitochondria": "#009E73",
}
# Where nothing is: stripes, a pixel in so many.
_STRIPE_PX = 14
_NO_MAP = (128, 128, 128, 90)
_NO_DATA = 46
_WORDS_PX = 26
_FILL = 36


def grey_png(section: Section) -> bytes:
    """The section as 8-bit grey PNG; where the volume has nothing, dark stripes, and words where it has nothing at all, or only black."""
    grey = section.grey.copy()
    grey[_striped(grey.shape) & ~section.valid] = _NO_DATA
    picture = Image.fromarray(grey)
    words = "missing" if section.is_missing else "black" if section.is_black else ""
    if words:
        _write(picture, f"section {section.z} is {words} here")
    return _png(picture)


def map_png(section: Section, colour: str, threshold: float | None) -> bytes:
    """The map of a section as a PNG to lie over it: `colour` (#rrggbb), as opaque as its probability, and a white outline around what
    reaches the threshold, if one is given; where there is no map, grey stripes."""
    rgba = np.zeros((*section.probability.shape, 4), np.uint8)
    rgba[..., :3] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    rgba[..., 3] = section.probability
    if threshold is not None:
        rgba[_edges(section.probability >= threshold * 255)] = (255, 255, 255, 255)
    rgba[_striped(section.mapped.shape) & ~section.mapped] = _NO_MAP
    return _png(Image.fromarray(rgba))


def outlined(inside: npt.NDArray[np.bool_], colour: str) -> npt.NDArray[np.uint8]:
    """Objects (H, W) as outlines in `colour` (#rrggbb) over nothing, uint8 (H, W, 4), faintly filled."""
    rgba = np.zeros((*inside.shape, 4), np.uint8)
    rgba[..., :3] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    rgba[inside, 3] = _FILL
    rgba[_edges(inside), 3] = 255
    return rgba


def _edges(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels of objects (H, W) that have a neighbour outside of them."""
    around = np.pad(inside, 1, mode="edge")
    return inside & ~(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])


def _striped(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows + columns) % _STRIPE_PX < 2


def _write(picture: Image.Image, words: str) -> None:
    """Words in the middle of a picture, as large as fits."""
    draw = ImageDraw.Draw(picture)
    size = _WORDS_PX
    while size > 6 and draw.textlength(words, font=ImageFont.load_default(size=size)) > picture.width - 8:
        size -= 2
    middle = picture.width / 2, picture.height / 2
    draw.text(middle, words, fill=215, font=ImageFont.load_default(size=size), anchor="mm")


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
