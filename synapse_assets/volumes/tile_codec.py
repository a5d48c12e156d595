"""The stored form of one tile: one grey PNG, the sections side by side, left to right by rising z, for any viewer.

Lossless, because a tile's hash and its embedding must come out the same wherever it is decoded: JPEG at quality 90 is
ten times faster and 1.7 times smaller, but moves each grey value by about 3, also where the volume itself is JPEG. Of
the lossless ones PNG with run-length matching is smallest and quickest to write. On 256 x 256 x 3 tiles of real
sections (larval nerve cord, one core of a busy machine, CPU seconds; `benchmarks.tiles` measures
again):

    PNG, zlib's default matching    99 a second written   382 read   155 kB
    PNG, run-length matching       169                    378        155 kB
    WebP lossless, method 0        136                    497        189 kB
    JPEG, quality 90              1353                    948         93 kB

What does not belong here: cutting tiles (`volume.py`), sheets of many tiles (`pictures.py`).
"""

import hashlib
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from synapse_assets.errors import BadInput

# Names the stored form; it changes whenever the same tile would be stored otherwise.
CODEC = "png-1"
_RUN_LENGTH = 3  # zlib's Z_RLE: longer matches are rare in noisy pictures


def encode_tile(tile: npt.NDArray[np.uint8]) -> bytes:
    """The PNG file of `tile`, uint8 (sections, size_px, size_px); `decode_tile` gives back the same grey values.

    Raises BadInput for another shape or type.
    """
    if tile.ndim != 3 or tile.shape[1] != tile.shape[2] or 0 in tile.shape or tile.dtype != np.uint8:
        raise BadInput(f"a tile is uint8 of (sections, size_px, size_px), not {tile.dtype} of {tile.shape}")
    sections, height, width = tile.shape
    image = Image.fromarray(np.ascontiguousarray(tile.transpose(1, 0, 2)).reshape(height, sections * width))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_type=_RUN_LENGTH)
    return buffer.getvalue()


def decode_tile(data: bytes) -> npt.NDArray[np.uint8]:
    """The tile uint8 (sections, size_px, size_px) of a file written by `encode_tile`. Raises BadInput for anything
    else."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            grey = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"the stored picture of a tile ({len(data)} bytes) cannot be decoded: {error}") from error
    if grey.ndim != 2 or grey.dtype != np.uint8 or grey.shape[1] % grey.shape[0]:
        raise BadInput(f"a stored picture of shape {grey.shape} is no row of square grey sections")
    height, width = grey.shape
    return np.ascontiguousarray(grey.reshape(height, width // height, height).transpose(1, 0, 2))


def tile_hash(tile: npt.NDArray[np.uint8]) -> str:
    """Hash of the grey values and shape of a tile: 32 hexadecimal digits (BLAKE2b). Equal tiles have equal hashes."""
    digest = hashlib.blake2b(repr((tile.dtype.str, tile.shape)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(tile).data)
    return digest.hexdigest()
