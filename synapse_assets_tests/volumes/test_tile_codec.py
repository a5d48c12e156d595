"""The stored form of a tile, and sheets of tiles."""

import io

import numpy as np
import pytest
from PIL import Image

from synapse_assets.errors import BadInput
from synapse_assets.volumes import decode_tile, encode_tile, tile_hash, tile_sheet

RNG = np.random.default_rng(0)


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
