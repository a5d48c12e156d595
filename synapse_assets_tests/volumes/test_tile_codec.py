"""The stored form of a tile, and sheets of tiles."""

import io
import re
import struct
import textwrap

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from PIL import Image

from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import (
    decode_tile,
    decode_tiles,
    encode_tile,
    encode_tiles,
    tile_codec,
    tile_hash,
    tile_sheet,
)

RNG = np.random.default_rng(0)
CODECS: list[TileCodec] = ["png", "zstd"]


def pictures(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Four tiles: noise, black, white, and a slope that passes 255."""
    slope = np.indices(shape).sum(axis=0) * 3 % 256
    noise = RNG.integers(0, 256, shape)
    return np.stack([noise, np.zeros(shape), np.full(shape, 255), slope]).astype(np.uint8)


@pytest.mark.parametrize("shape", [(3, 128, 128), (1, 8, 8), (2, 9, 9), (64, 300, 300)])
def test_a_stored_tile_comes_back_exactly(shape: tuple[int, int, int]) -> None:
    tile = RNG.integers(0, 256, size=shape, dtype=np.uint8)
    data = encode_tile(tile)
    back = decode_tile(data)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, tile)
    assert tile_hash(back) == tile_hash(tile)
    assert encode_tile(back) == data
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (shape[0] * shape[2], shape[1])
        np.testing.assert_array_equal(np.asarray(image.convert("L"))[:, : shape[2]], tile[0])


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 8, 8), (3, 8, 8), (9, 8, 8), (1, 2, 2), (3, 97, 97), (9, 64, 64), (3, 256, 256)]
)
def test_tiles_of_every_shape_and_content_come_back_exactly(shape: tuple[int, int, int], codec: TileCodec) -> None:
    tiles = pictures(shape)
    stored = encode_tiles(tiles, codec)
    assert stored.type == pa.binary()
    np.testing.assert_array_equal(decode_tiles(stored), tiles)
    np.testing.assert_array_equal(decode_tiles(pa.chunked_array([stored[:1], stored[1:]])), tiles)
    assert stored.to_pylist() == [encode_tile(tile, codec) for tile in tiles]
    # A part of a larger array, whose rows do not lie side by side in memory.
    wide = np.pad(tiles, ((0, 0), (0, 0), (2, 3), (5, 7)))
    view = wide[:, :, 2:-3, 5:-7]
    assert encode_tiles(view, codec).equals(stored)


def test_what_zstd_stores_is_the_documented_form() -> None:
    tile = pictures((3, 40, 40))[0]
    data = encode_tile(tile, "zstd")
    assert struct.unpack("<4sHH", data[:8]) == (b"ZTL1", 3, 40)
    steps = np.diff(np.diff(tile.astype(int), axis=1, prepend=0), axis=2, prepend=0) % 256
    assert pa.Codec("zstd").decompress(data[8:], tile.size, asbytes=True) == steps.astype(np.uint8).tobytes()


@pytest.mark.parametrize("shape", [(3, 256, 256), (1, 8, 8), (9, 33, 33)])
def test_the_lines_in_the_docstring_read_a_tile_without_this_package(shape: tuple[int, int, int]) -> None:
    lines = re.search(r"((?:^    .*\n)+)", str(tile_codec.__doc__), re.MULTILINE)
    assert lines is not None
    program = textwrap.dedent(lines[1])
    assert program.count("\n") == 5
    for tile in pictures(shape):
        names = {"data": encode_tile(tile, "zstd")}
        exec(compile(program, "tile_codec.py", "exec"), names)  # noqa: S102 -- our own docstring
        np.testing.assert_array_equal(names["tile"], tile)


def test_both_codecs_are_read_at_once() -> None:
    tiles = np.concatenate([pictures((3, 24, 24)), pictures((3, 24, 24))])
    stored = [encode_tile(tile, CODECS[row % 3 > 0]) for row, tile in enumerate(tiles)]
    assert {data[:4] for data in stored} == {b"\x89PNG", b"ZTL1"}
    np.testing.assert_array_equal(decode_tiles(pa.array(stored, pa.binary())), tiles)
    np.testing.assert_array_equal(decode_tiles(pa.array(stored[::-1], pa.binary())), tiles[::-1])
    other = encode_tile(np.zeros((1, 24, 24), np.uint8), "zstd")
    with pytest.raises(BadInput, match=r"differ in shape: \(3, 24, 24\) and \(1, 24, 24\)"):
        decode_tiles(pa.array([*stored, other], pa.binary()))


NOISE = RNG.integers(0, 256, (3, 64, 64), dtype=np.uint8)
ZSTD = encode_tile(NOISE, "zstd")
BLACK = encode_tile(np.zeros((3, 64, 64), np.uint8), "zstd")


def claiming(sections: int, size_px: int, data: bytes = ZSTD) -> bytes:
    """The stored picture with another shape in its header."""
    return data[:4] + struct.pack("<HH", sections, size_px) + data[8:]


@pytest.mark.parametrize(
    "data",
    [
        *(ZSTD[:length] for length in (4, 7, 8, 9, 20, len(ZSTD) // 2, len(ZSTD) - 1)),
        ZSTD + b"\0",
        ZSTD[8:],
        ZSTD[:8] + RNG.bytes(2000),
        ZSTD[:8] + bytes(2000),
        b"ZTL2" + ZSTD[4:],
        claiming(3, 63),
        claiming(3, 65),
        claiming(2, 64),
        claiming(4, 64),
        claiming(0, 64),
        claiming(3, 0),
        claiming(12, 64, BLACK),
    ],
)
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match=rf"the stored picture of a tile \({len(data)} bytes\) cannot be decoded"):
        decode_tile(data)


@pytest.mark.parametrize(
    "data",
    [claiming(65_535, 65_535), claiming(64, 2049), claiming(64, 1024, BLACK), claiming(65_535, 65_535, BLACK)],
)
def test_a_header_that_claims_too_much_takes_no_memory(data: bytes) -> None:
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    with pytest.raises(BadInput, match="which these bytes cannot hold"):
        decode_tile(data)
    assert pool.max_memory() - before < 2**20


def test_a_png_that_claims_too_much_is_refused() -> None:
    data = encode_tile(NOISE)
    # Width and height stand after the signature, the length and the name of the first chunk; its CRC is not looked at before.
    huge = data[:16] + struct.pack(">II", 2**30, 2**30) + data[24:]
    with pytest.raises(BadInput, match="cannot be decoded"):
        decode_tile(huge)


def test_a_tile_too_large_to_be_read_back_is_not_stored() -> None:
    tile = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (65, 2048, 2048))
    with pytest.raises(BadInput, match="65 sections of 2048 px is too large"):
        encode_tile(tile, "zstd")


@pytest.mark.parametrize("codec", CODECS)
def test_more_tiles_than_an_array_holds_are_refused(codec: TileCodec) -> None:
    tiles = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (8000, 3, 256, 256))
    with pytest.raises(BadInput, match=r"8,000 tiles are 1\.6 GB of grey values"):
        encode_tiles(tiles, codec)


def test_the_hash_is_of_pixels_and_shape() -> None:
    tile = RNG.integers(0, 256, size=(3, 16, 16), dtype=np.uint8)
    other = tile.copy()
    other[2, 15, 15] ^= 1
    assert len({tile_hash(tile), tile_hash(other), tile_hash(tile.reshape(12, 8, 8))}) == 3
    assert tile_hash(tile[:, :, ::-1]) == tile_hash(np.ascontiguousarray(tile[:, :, ::-1]))


def test_tiles_that_are_stored_keep_their_hash() -> None:
    """Stored tables hold these: by another value every embedding of every installation would be computed again."""
    tile = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    assert tile_hash(tile) == "e61ba46c95ff66e74a6d00fe3b3c6700"


def test_what_is_no_tile_is_refused() -> None:
    for wrong in (np.zeros((16, 16), np.uint8), np.zeros((3, 16, 8), np.uint8), np.zeros((3, 16, 16), np.float32)):
        with pytest.raises(BadInput, match="a tile is uint8"):
            encode_tile(wrong)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="a tile is uint8"):
            encode_tile(wrong, "zstd")  # type: ignore[arg-type]
    for data in (b"", b"nothing", encode_tile(np.zeros((1, 16, 16), np.uint8))[:20]):
        with pytest.raises(BadInput, match="cannot be decoded"):
            decode_tile(data)


def test_a_sheet_shows_the_middle_sections_in_order() -> None:
    tiles = np.stack([np.full((3, 20, 20), value, dtype=np.uint8) for value in (10, 60, 110)])
    tiles[:, 0] = tiles[:, 2] = 200
    sheet = np.asarray(
        Image.open(io.BytesIO(tile_sheet(tiles, columns=2, labels=["a", "b", "a label that is too long"])))
    )
    assert sheet[10, 10] == 10
    assert sheet[10, 35] == 60
    assert sheet[50, 10] == 110
    assert sheet.shape == (2 * (20 + 4 + 14) + 4, 2 * (20 + 4) + 4)
    assert (sheet[:4] == 255).all()
    assert (sheet[42:62, 28:48] == 255).all()
    # Labels: one that fits is below its tile, one that does not is cut to it.
    assert (sheet[24:38, 4:24] < 128).any()
    assert (sheet[62:76, 4:24] < 128).any()
    assert (sheet[62:76, 28:] == 255).all()
    without = np.asarray(Image.open(io.BytesIO(tile_sheet(tiles[:, 1], columns=5))))
    assert without.shape == (20 + 2 * 4, 3 * 24 + 4)
    assert without[10, [10, 35, 60]].tolist() == [10, 60, 110]
    with pytest.raises(BadInput, match="a sheet needs"):
        tile_sheet(tiles, 0)
    with pytest.raises(BadInput, match="2 labels for 3"):
        tile_sheet(tiles, 2, ["a", "b"])
    with pytest.raises(BadInput, match="a sheet needs"):
        tile_sheet(tiles[:0], 2)
