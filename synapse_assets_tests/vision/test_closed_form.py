"""Encoders that are fitted without training: on ordinary tiles, and on such as nobody hopes for."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.datasets import EncoderChoice, TileSpec
from synapse_assets.errors import BadInput
from synapse_assets.vision.building import TrainingTiles, build_encoder
from synapse_assets.vision.encoder import HEAD_FILE, TEXTURE_FILE, Encoder
from synapse_assets.vision.training import closed_form
from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec
from synapse_assets_tests.vision.conftest import planted_tiles

Tiles = npt.NDArray[np.uint8]


def fitted(tiles: Tiles, pixel_nm: float = 4.0, dimensions: int = 8, seed: int = 0) -> Encoder:
    return fit_with_head(
        texture_spec(tiles.shape[1], tiles.shape[2], pixel_nm), None, tiles, dimensions, seed=seed, device="cpu"
    )


@pytest.fixture(scope="module")
def some() -> tuple[Tiles, npt.NDArray[np.int64]]:
    tiles, kinds = planted_tiles(90, seed=4)
    return tiles[..., 8:40, 8:40], kinds


def nearest_are_of_the_kind(vectors: npt.NDArray[np.float32], kinds: npt.NDArray[np.int64]) -> float:
    """Share of tiles whose most similar tile is of their kind."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -2)
    return float((kinds[similarity.argmax(1)] == kinds).mean())


def test_kinds_are_told_apart_that_neither_pixels_nor_brightness_tell(
    some: tuple[Tiles, npt.NDArray[np.int64]],
) -> None:
    tiles, kinds = some
    encoder = fitted(tiles)
    assert (encoder.spec.origin, encoder.spec.has_network, encoder.dimensions) == ("texture", False, 8)
    assert nearest_are_of_the_kind(encoder.embed(tiles, "cpu"), kinds) > 0.9
    assert nearest_are_of_the_kind(tiles.reshape(90, -1) - tiles.reshape(90, -1).mean(0), kinds) < 0.6


def test_the_same_bits_on_any_number_of_cores(
    some: tuple[Tiles, npt.NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = some[0][:28]
    monkeypatch.setattr(closed_form, "_BATCH", 8)
    found = []
    for cores in (1, 4):
        monkeypatch.setattr(closed_form, "cores", lambda cores=cores: cores)
        found.append(fitted(tiles))
    assert fitted(tiles, seed=1).network.head.matrix.ne(found[0].network.head.matrix).any()
    np.testing.assert_array_equal(found[0].network.head.matrix, found[1].network.head.matrix)
    np.testing.assert_array_equal(found[0].embed(tiles, "cpu"), found[1].embed(tiles, "cpu"))


def few_levels(tiles: Tiles) -> Tiles:
    """As of a volume in 16 bit that uses a small part of what it was stretched over."""
    return (tiles // 50 + 100).astype(np.uint8)


def padded(tiles: Tiles) -> Tiles:
    """A third of the tiles half beyond the volume, and a third without their first section."""
    tiles = tiles.copy()
    tiles[::3, :, :16] = 0
    tiles[1::3, 0] = 0
    return tiles


STRANGE = {
    "one section": (lambda tiles: tiles[:, :1], 4.0),
    "two sections": (lambda tiles: tiles[:, :2], 4.0),
    "nine sections": (lambda tiles: np.concatenate([tiles, tiles[::-1], np.roll(tiles, 1, 0)], 1), 4.0),
    "8 px": (lambda tiles: tiles[..., 12:20, 12:20], 4.0),
    "9 px": (lambda tiles: tiles[..., 12:21, 12:21], 4.0),
    "1 nm": (lambda tiles: tiles, 1.0),
    "30 nm": (lambda tiles: tiles, 30.0),
    "few grey levels": (few_levels, 4.0),
    "padded": (padded, 4.0),
    "two tiles": (lambda tiles: tiles[:2], 4.0),
    "fewer than dimensions": (lambda tiles: tiles[:6], 4.0),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_tiles_have_vectors_all_the_same(name: str, some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    change, pixel_nm = STRANGE[name]
    tiles = np.ascontiguousarray(change(some[0][:28]))
    encoder = fitted(tiles, pixel_nm)
    vectors = encoder.embed(tiles, "cpu")
    assert vectors.shape == (len(tiles), min(8, len(tiles) - 1))
    assert np.isfinite(vectors).all()
    assert (np.linalg.norm(vectors.astype(np.float16).astype(np.float32), axis=1) > 1e-3).all()
    assert len(np.unique(vectors, axis=0)) == len(tiles)


def test_padding_does_not_make_a_kind_of_its_own(some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    tiles, kinds = some
    damaged = tiles.copy()
    damaged[::3, :1] = 0
    vectors = fitted(damaged).embed(damaged, "cpu")
    assert nearest_are_of_the_kind(vectors, kinds) > 0.85
    assert nearest_are_of_the_kind(vectors, (np.arange(90) % 3 == 0).astype(np.int64)) < 0.75


def test_some_constant_tiles(some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    tiles = some[0][:28].copy()
    for grey, row in enumerate((0, 5, 6)):
        tiles[row] = grey * 100
    vectors = fitted(tiles).embed(tiles, "cpu")
    assert np.isfinite(vectors).all()
    assert (np.linalg.norm(vectors, axis=1) > 1e-2).all()
    np.testing.assert_allclose(vectors[[5, 6]], vectors[[0, 0]], atol=1e-4)
    # A constant tile that comes later, to an encoder that never saw one.
    later = fitted(some[0][:28]).embed(tiles[:1], "cpu")
    assert np.isfinite(later).all()
    assert np.linalg.norm(later) > 1e-2


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_nothing_but_constant_tiles(grey: int) -> None:
    with pytest.raises(
        BadInput, match=r"all 70 tiles that it is fitted on look the same\. Is there anything in the volume"
    ):
        fitted(np.full((70, 3, 24, 24), grey, np.uint8))


def test_tiles_that_cannot_be_used_are_refused(some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    spec = texture_spec(3, 32, 4.0)
    for tiles, message in (
        (some[0][:1], "at least 2 of them, not 1"),
        (some[0][:, :2], r"must be uint8 \(N, \(3, 32, 32\)\)"),
        (some[0].astype(np.float32), "not float32"),
    ):
        with pytest.raises(BadInput, match=message):
            fit_with_head(spec, None, tiles, 8, device="cpu")


def test_what_the_yaml_asks_for_reaches_the_encoder(some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    tiles = some[0][:28]
    rows = np.arange(28)
    training = TrainingTiles(tiles, np.stack([rows[:14], rows[14:]], 1), [rows % 3])
    choice = EncoderChoice.model_validate({"origin": "texture", "dimensions": 5, "crop_px": 24})
    encoder, history = build_encoder(choice, TileSpec(size_px=32, sections=3), 4.0, training, 0, "cpu", lambda _: None)
    assert not history
    assert (encoder.dimensions, encoder.spec.texture_px, encoder.spec.pixel_nm) == (5, 24, 4.0)
    without, _ = build_encoder(
        choice, TileSpec(size_px=32, sections=3), 4.0, TrainingTiles(tiles), 0, "cpu", lambda _: None
    )
    assert not np.allclose(without.embed(tiles[:9], "cpu"), encoder.embed(tiles[:9], "cpu"), atol=0.1)


def test_a_file_that_is_damaged_or_gone_is_named(some: tuple[Tiles, npt.NDArray[np.int64]], tmp_path: Path) -> None:
    fitted(some[0][:9]).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.json", HEAD_FILE, TEXTURE_FILE]
    for file, other in ((HEAD_FILE, TEXTURE_FILE), (TEXTURE_FILE, HEAD_FILE)):
        kept = (tmp_path / file).read_bytes()
        (tmp_path / file).write_bytes((tmp_path / other).read_bytes())
        with pytest.raises(BadInput, match=rf"{file} is not of this version: it holds "):
            Encoder.load(tmp_path)
        (tmp_path / file).unlink()
        with pytest.raises(BadInput, match=rf"there is no weight file .*{file}"):
            Encoder.load(tmp_path)
        (tmp_path / file).write_bytes(kept)
    assert Encoder.load(tmp_path).dimensions == 8
