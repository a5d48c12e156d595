"""Maps of explanations as pictures that lie over a tile: clear where the map is zero, a colour for each sign.

What maps say belongs to `query.explanations`; pictures with axes and legends, to `figures`.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from synapse_assets.errors import BadInput
from synapse_assets.schema.colours import PALETTE

# Speaks for the class, and against it: told apart with colour-blindness too, and neither is the grey of a tile.
FOR, AGAINST = PALETTE[5], PALETTE[4]
# Of a stored map: the grey values of zero and of the largest value.
_ZERO, _FULL = 128, 127


def overlay_png(values: npt.NDArray[np.floating], largest: float) -> bytes:
    """A map (H, W) as a PNG with transparency: opaque at `largest` and beyond, clear at zero, of its colour by sign.

    Raises BadInput for a map that is not finite.
    """
    if not np.isfinite(values).all():
        raise BadInput("the map has values that are no numbers: it cannot be shown")
    strength = np.clip(np.abs(values) / largest, 0, 1) if largest > 0 else np.zeros(values.shape)
    picture = np.empty((*values.shape, 4), dtype=np.uint8)
    picture[..., :3] = np.where((values >= 0)[..., None], _rgb(FOR), _rgb(AGAINST))
    picture[..., 3] = np.rint(255 * strength)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def stored_map(png: bytes) -> npt.NDArray[np.float64]:
    """A map as `explanations.map` holds it, from -1 to 1 in parts of its `largest`, float64 (H, W)."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        grey = np.asarray(picture.convert("L"), dtype=np.float64)
    return (grey - _ZERO) / _FULL


def _rgb(colour: str) -> npt.NDArray[np.uint8]:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], dtype=np.uint8)
