"""The picture of an alignment: tiles and scores of planted readings."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synapse_assets.figures.alignment import alignment_figure
from synapse_assets.volumes.alignment import EXAMPLES, Alignment, Reading, ReadingTiles, Verdict
from synapse_assets_tests.figures.pixels import Pixels, middle, of_colour

BLUE, RED = "#0072b2", "#d55e00"


def drawn(verdict: Verdict, better: str | None, readings: list[Reading], tiles: list[ReadingTiles]) -> Pixels:
    """The pixels of the picture."""
    found = Alignment(verdict, "Why. " * 40, better, tuple(readings), (0.1, 0.2), 9, None, tuple(tiles))
    png = alignment_figure(found)
    assert png == alignment_figure(found)
    assert len(png) < 500_000
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    assert picture.width > 1000
    return np.asarray(picture.convert("RGB"))


def tiles(name: str, **changes: Any) -> ReadingTiles:
    """Tiles of a dark square in the middle."""
    tile = np.zeros((32, 32))
    tile[12:20, 12:20] = -9.0
    return ReadingTiles(name, **({"mean": tile, "examples": np.stack([tile] * EXAMPLES)} | changes))


def black(pixels: Pixels) -> int:
    """Pixels of the tiles that are black."""
    return int((pixels[100:, 130 : int(0.6 * pixels.shape[1])].max(axis=2) < 5).sum())


def reddish(pixels: Pixels) -> int:
    """Pixels of the tiles that are red, if only faintly."""
    part = pixels[100:, 130 : int(0.6 * pixels.shape[1])].astype(int)
    return int((part[..., 0] - part[..., 2] > 50).sum())


def test_each_reading_has_a_row_of_tiles_and_its_score() -> None:
    readings = [Reading("as given", 1.0, 0.5), Reading("z-1", 1.0, 2.0)]
    two = drawn("contradicted", "z-1", readings, [tiles("z-1"), tiles("as given")])
    without = drawn("contradicted", "z-1", readings, [tiles("z-1"), tiles("as given", mean=np.zeros((32, 32)))])
    assert black(without) / black(two) == pytest.approx(1 - 1 / (2 * (EXAMPLES + 1)), abs=0.02)
    assert reddish(two) > 100, "crosses on the middle of the tiles"
    chart = two[:, int(0.75 * two.shape[1]) :]
    assert middle(of_colour(chart, RED))[1] > middle(of_colour(chart, BLUE))[1] + 50


def test_where_nothing_was_scored_there_are_shares_and_no_tiles() -> None:
    shares = [Reading("as given", 0.02, None, "outside"), Reading("axes zyx", 1.0, None, "not read")]
    pixels = drawn("contradicted", None, shares, [])
    assert reddish(pixels) == 0
    assert of_colour(pixels, BLUE).any()
