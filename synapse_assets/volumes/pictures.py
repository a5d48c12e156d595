"""Pictures of tiles, and of whole pictures of cells, for people. What does not belong here: charts of numbers (`figures/`)."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from synapse_assets.errors import BadInput

_GAP_PX = 4
_LABEL_PX = 14


def tile_sheet(tiles: npt.NDArray[np.uint8], columns: int, labels: Sequence[str] | None = None) -> bytes:
    """A PNG of the middle section of each tile, row by row, each with its label below it.

    `tiles` is uint8 (n, sections, size_px, size_px) or (n, size_px, size_px); `labels` has one text a tile (cut to
    its width). Raises BadInput where there are no tiles, or not one label a tile.
    """
    if tiles.ndim == 4:
        tiles = tiles[:, tiles.shape[1] // 2]
    if tiles.ndim != 3 or tiles.size == 0 or tiles.dtype != np.uint8 or columns < 1:
        raise BadInput(
            f"a sheet needs uint8 tiles of (n, sections, size_px, size_px), not {tiles.dtype} of {tiles.shape}"
        )
    if labels is not None and len(labels) != len(tiles):
        raise BadInput(f"{len(labels)} labels for {len(tiles)} tiles")
    count, height, width = tiles.shape
    columns = min(columns, count)
    step_x, step_y = width + _GAP_PX, height + _GAP_PX + (_LABEL_PX if labels is not None else 0)
    sheet = Image.new("L", (columns * step_x + _GAP_PX, -(-count // columns) * step_y + _GAP_PX), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for index, tile in enumerate(tiles):
        x, y = _GAP_PX + index % columns * step_x, _GAP_PX + index // columns * step_y
        sheet.paste(Image.fromarray(np.ascontiguousarray(tile)), (x, y))
        if labels is not None:
            text = labels[index]
            while text and draw.textlength(text, font=font) > width:
                text = text[:-1]
            draw.text((x, y + height), text, fill=0, font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()


def eight_bit(pixels: npt.NDArray[Any], white_level: int) -> npt.NDArray[np.uint8]:
    """`pixels`, uint8 or uint16 of any shape, as uint8: value x 255 / white_level, rounded; what is above `white_level` is 255."""
    highest = np.iinfo(pixels.dtype).max
    levels = np.minimum(np.floor(np.arange(highest + 1) * (255 / white_level) + 0.5), 255).astype(np.uint8)
    values: npt.NDArray[np.uint8] = levels[pixels]
    return values


def picture_png(pixels: npt.NDArray[Any], white_level: int, most_px: int | None = None) -> bytes:
    """A picture, uint8 or uint16 (channels, height, width), as 8-bit PNG; smaller where it is wider than `most_px`.

    One channel is grey, two are magenta and green, of more the first three are red, green and blue.
    """
    planes = eight_bit(pixels, white_level)
    colours = planes[[0, 1, 0]] if len(planes) == 2 else planes[:3]
    image = Image.fromarray(np.ascontiguousarray(planes[0] if len(planes) == 1 else np.moveaxis(colours, 0, 2)))
    if most_px is not None and image.width > most_px:
        size = (most_px, max(1, round(image.height * most_px / image.width)))
        image = image.resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
