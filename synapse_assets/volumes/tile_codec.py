"""The stored form of one tile: one lossless WebP picture, the sections side by side, left to right by rising z.

What does not belong here: cutting tiles (`volume.py`), sheets of many tiles (`pictures.py`).
"""

import hashlib
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from synapse_assets.schema import BadInput

# Names the stored form; it changes whenever the same tile would be stored as other bytes.
CODEC = "webp-lossless-1"
_WEBP_LIMIT_PX = 16_383


def encode_tile(tile: npt.NDArray[np.uint8]) -> bytes:
    """The picture file of `tile`, uint8 (sections, size_px, size_px); `decode_tile` gives back the same grey values.

    Tiles too wide for WebP (16,383 pixels over all sections) become PNG. Raises BadInput for another shape or type.
    """
    if tile.ndim != 3 or tile.shape[1] != tile.shape[2] or 0 in tile.shape or tile.dtype != np.uint8:
        raise BadInput(f"a tile is uint8 of (sections, size_px, size_px), not {tile.dtype} of {tile.shape}")
    sections, height, width = tile.shape
    image = Image.fromarray(np.ascontiguousarray(tile.transpose(1, 0, 2)).reshape(height, sections * width))
    buffer = io.BytesIO()
    if image.width <= _WEBP_LIMIT_PX:
        image.save(buffer, format="WEBP", lossless=True, method=0, quality=20)
    else:
        image.save(buffer, format="PNG")
    return buffer.getvalue()


def decode_tile(data: bytes) -> npt.NDArray[np.uint8]:
    """The tile uint8 (sections, size_px, size_px) in a picture file written by `encode_tile`. Raises BadInput for
    anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"the stored picture of a tile ({len(data)} bytes) cannot be decoded: {error}") from error
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    height, width = grey.shape
    if width % height:
        raise BadInput(f"a stored picture is {width} x {height} pixels, which is no row of square sections")
    return np.ascontiguousarray(grey.reshape(height, width // height, height).transpose(1, 0, 2))


def tile_hash(tile: npt.NDArray[np.uint8]) -> str:
    """Hash of the grey values and shape of a tile, 32 hexadecimal digits (BLAKE2b, 128 bits). Equal tiles have equal
    hashes."""
    digest = hashlib.blake2b(repr((tile.dtype.str, tile.shape)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(tile).data)
    return digest.hexdigest()
