"""The stored form of one tile, as `tile: {codec: ...}` of the dataset file chooses it; a table may hold both.

`png`: one grey PNG, the sections side by side, left to right by rising z, for any viewer. `zstd`: 8 bytes (`ZTL1`, then sections
and size_px, each an unsigned 16-bit number, low byte first) and one Zstandard frame of the differences along y and x modulo 256,
in the order section, y, x; what lies before the first row and column counts as 0. So `data`, the bytes of such a tile, are read
without this package by

    import numpy as np, pyarrow as pa
    sections, size_px = np.frombuffer(data, "<u2", 2, offset=4).tolist()
    steps = pa.Codec("zstd").decompress(data[8:], sections * size_px**2)
    steps = np.frombuffer(steps, np.uint8).reshape(sections, size_px, size_px)
    tile = steps.cumsum(axis=1, dtype=np.uint8).cumsum(axis=2, dtype=np.uint8)

Both are lossless, because a tile's hash and its embedding must come out the same wherever it is decoded: JPEG at quality 90 is
1.7 times smaller, but moves each grey value by about 3, also where the volume itself is JPEG. The Zstandard form has no
checksum; the table's `tile_hash` is one. Of the forms that any viewer opens, PNG with run-length matching is smallest and
quickest to write. On 256 x 256 x 3 tiles of real sections (larval nerve cord, one core of a busy machine, CPU seconds;
`benchmarks.tiles --sections` measures again):

    png    PNG, run-length matching      196 a second written    405 read    155 kB
    zstd   Zstandard of differences     4048                    2995         156 kB
           PNG, zlib's own matching      125                     407         155 kB
           WebP lossless, method 0       149                     603         189 kB
           JPEG, quality 90             1567                    1077          93 kB

The default is `png`, for dataset files of before and new ones alike: scripts that read the table with a picture library go on
working, and up to some ten thousand tiles the time is minutes. `zstd` is for large tables: a million tiles of that size take an
hour and a half of one core to encode as PNG, and decoding them keeps an encoder on a GPU waiting.

What does not belong here: cutting tiles (`volume.py`), sheets of many tiles (`pictures.py`).
"""

import hashlib
import io
import struct
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.errors import BadInput

_Tiles = npt.NDArray[np.uint8]

_RUN_LENGTH = 3  # zlib's Z_RLE: longer matches are rare in noisy pictures
_PNG_START = b"\x89PNG\r\n\x1a\n"
_ZSTD_HEADER = struct.Struct("<4sHH")  # magic bytes, sections, size_px
_ZSTD_START = b"ZTL1"
_ZSTD = pa.Codec("zstd", compression_level=1)
# A block of a Zstandard frame takes at least 4 bytes and gives at most 128 KiB (RFC 8878, 3.1.1.2).
_ZSTD_MOST_RATIO = 128 * 1024 // 4
_MOST_VOXELS = 64 * 2048 * 2048  # the largest that a dataset file may ask for
_MOST_AT_A_TIME = 10**9  # a binary array holds 2 GiB


def encode_tiles(tiles: _Tiles, codec: TileCodec = "png") -> pa.Array:
    """The stored form of each of `tiles`, uint8 (N, sections, size_px, size_px), as a binary array (N).

    `decode_tiles` gives back the same grey values. Raises BadInput for another shape or type.
    """
    if tiles.ndim != 4 or tiles.shape[2] != tiles.shape[3] or 0 in tiles.shape[1:] or tiles.dtype != np.uint8:
        raise BadInput(f"a tile is uint8 of (sections, size_px, size_px), not {tiles.dtype} of {tiles.shape[1:]}")
    if tiles.size > _MOST_AT_A_TIME:
        raise BadInput(
            f"{len(tiles):,} tiles are {tiles.size / 1e9:.1f} GB of grey values: encode at most 1 GB of them at a time"
        )
    if codec == "png":
        return pa.array([_png(tile) for tile in tiles], pa.binary())
    _, sections, size_px, _ = tiles.shape
    if sections * size_px**2 > _MOST_VOXELS:
        raise BadInput(
            f"a tile of {sections} sections of {size_px} px is too large: it may have {_MOST_VOXELS:,} voxels"
        )
    header = _ZSTD_HEADER.pack(_ZSTD_START, sections, size_px)
    parts: list[bytes | pa.Buffer] = []
    room = np.empty((2, *tiles.shape[1:]), dtype=np.uint8)
    for tile in tiles:
        parts += header, _ZSTD.compress(_differences(tile, room))
    ends = np.cumsum([0, *map(len, parts)])[::2].astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(tiles), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))])


def decode_tiles(images: pa.Array | pa.ChunkedArray) -> _Tiles:
    """The tiles of stored pictures of either codec, uint8 (N, sections, size_px, size_px), axes tile, z, y, x.

    Raises BadInput for bytes that are no tile, and for tiles of different shapes.
    """
    tiles = np.zeros((len(images), 0, 0, 0), dtype=np.uint8)
    for row, image in enumerate(images):
        values, are_differences = _stored_values(image.as_buffer())
        if row == 0:
            tiles = np.empty((len(images), *values.shape), dtype=np.uint8)
            room = np.empty((2, *values.shape), dtype=np.uint8)
        if values.shape != tiles.shape[1:]:
            raise BadInput(f"stored tiles differ in shape: {tiles.shape[1:]} and {values.shape} (sections, y, x)")
        if are_differences:
            _sum_up(values, room, tiles[row])
        else:
            tiles[row] = values
    return tiles


def encode_tile(tile: _Tiles, codec: TileCodec = "png") -> bytes:
    """The stored form of one tile, uint8 (sections, size_px, size_px); see `encode_tiles`."""
    encoded: bytes = encode_tiles(tile[None], codec)[0].as_py()
    return encoded


def decode_tile(data: bytes) -> _Tiles:
    """The tile uint8 (sections, size_px, size_px) of a stored picture; see `decode_tiles`."""
    return decode_tiles(pa.array([data], pa.binary()))[0]


def tile_hash(tile: _Tiles) -> str:
    """Hash of the grey values and shape of a tile: 32 hexadecimal digits (BLAKE2b). Equal tiles have equal hashes."""
    digest = hashlib.blake2b(repr((tile.dtype.str, tile.shape)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(tile).data)
    return digest.hexdigest()


def _png(tile: _Tiles) -> bytes:
    sections, height, width = tile.shape
    image = Image.fromarray(np.ascontiguousarray(tile.transpose(1, 0, 2)).reshape(height, sections * width))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_type=_RUN_LENGTH)
    return buffer.getvalue()


def _stored_values(data: pa.Buffer) -> tuple[_Tiles, bool]:
    """The grey values of a stored picture, or the differences that it holds, and whether it is the latter."""
    start = bytes(data[: len(_PNG_START)])
    try:
        if start.startswith(_ZSTD_START):
            return _zstd_values(data), True
        if start == _PNG_START:
            return _png_values(data), False
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"the stored picture of a tile ({data.size} bytes) cannot be decoded: {error}") from error
    raise BadInput(
        f"the stored picture of a tile ({data.size} bytes) cannot be decoded: it is neither PNG nor what codec zstd stores"
    )


def _png_values(data: pa.Buffer) -> _Tiles:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        grey = np.asarray(image)
    if grey.ndim != 2 or grey.dtype != np.uint8 or grey.shape[1] % grey.shape[0]:
        raise ValueError(f"a picture of shape {grey.shape} is no row of square grey sections")
    height, width = grey.shape
    return grey.reshape(height, width // height, height).transpose(1, 0, 2)


def _zstd_values(data: pa.Buffer) -> _Tiles:
    if data.size < _ZSTD_HEADER.size:
        raise ValueError("it ends within its header")
    _, sections, size_px = _ZSTD_HEADER.unpack(data[: _ZSTD_HEADER.size])
    frame = data[_ZSTD_HEADER.size :]
    voxels = sections * size_px**2
    # Memory is taken for what the header says.
    if not 0 < voxels <= min(_MOST_VOXELS, frame.size * _ZSTD_MOST_RATIO):
        raise ValueError(f"its header says {sections} sections of {size_px} px, which these bytes cannot hold")
    return np.frombuffer(_ZSTD.decompress(frame, voxels), np.uint8).reshape(sections, size_px, size_px)


def _differences(tile: _Tiles, room: _Tiles) -> _Tiles:
    """The differences of `tile` (sections, size_px, size_px) along x and y modulo 256; they lie in `room`, which holds two tiles.

    Neighbours are taken in the order of memory, which is several times faster; first columns and rows are put right after.
    """
    along_x, along_both = room
    size_px = tile.shape[-1]
    flat, flat_x, flat_both = (array.reshape(-1) for array in (tile, along_x, along_both))
    np.subtract(flat[1:], flat[:-1], out=flat_x[1:])
    along_x[:, :, 0] = tile[:, :, 0]
    np.subtract(flat_x[size_px:], flat_x[:-size_px], out=flat_both[size_px:])
    along_both[:, 0] = along_x[:, 0]
    return along_both


def _sum_up(differences: _Tiles, room: _Tiles, tile: _Tiles) -> None:
    """Writes into `tile` the tile that has these `_differences`; `room` holds two tiles.

    Running sums by doubling: after the pass of a distance every value is the sum of twice as many differences as before.
    numpy's own `cumsum` waits for each sum before the next and takes six times as long.
    """
    passes = _passes(tile.shape[-1])
    if not passes:
        tile[...] = differences
    values, flat = differences, differences.reshape(-1)
    for number, (first, apart) in enumerate(passes, 1):
        sums = tile if number == len(passes) else room[number % 2]
        flat_sums = sums.reshape(-1)
        np.add(flat[apart:], flat[:-apart], out=flat_sums[apart:])
        sums[first] = values[first]
        values, flat = sums, flat_sums


@lru_cache(maxsize=8)
def _passes(size_px: int) -> list[tuple[tuple[slice, ...], int]]:
    """Of each pass of `_sum_up`, first along y, then along x: where there is nothing to add, and how far apart in memory the values
    lie that are added."""
    distances = [2**power for power in range((size_px - 1).bit_length())]
    everything = slice(None)
    along_y = [((everything, slice(distance)), distance * size_px) for distance in distances]
    return [*along_y, *(((everything, everything, slice(distance)), distance) for distance in distances)]
