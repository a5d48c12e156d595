"""Differences of classes are drawn where they are, and only those that stand are filled."""

from typing import Any

import numpy as np

from synapse_assets.figures.attributes import difference_figure
from synapse_assets.schema.colours import PALETTE
from synapse_assets_tests.figures.pixels import opened


def row(attribute: str, label: str, effect: float | None, differs: bool) -> dict[str, Any]:
    ends = (None, None) if effect is None else (effect - 0.5, effect + 0.5)
    return {
        "attribute": attribute,
        "class_name": label,
        "effect": effect,
        "low": ends[0],
        "high": ends[1],
        "differs": differs,
    }


def of_colour(rows: list[dict[str, Any]]) -> np.ndarray:
    """Columns of the picture where something is drawn in the colour of what stands."""
    pixels = np.asarray(opened(difference_figure(rows)))[..., :3].astype(int)
    wanted = np.array([int(PALETTE[0][at : at + 2], 16) for at in (1, 3, 5)])
    return np.flatnonzero((np.abs(pixels - wanted).sum(axis=2) < 30).any(axis=0))


def test_what_stands_is_coloured_and_lies_on_its_side() -> None:
    def rows(effect: float, differs: bool) -> list[dict[str, Any]]:
        return [row("vesicle_number", "gaba", effect, differs), row("vesicle_number", "dopamine", None, False)]

    more, less = of_colour(rows(2.0, True)), of_colour(rows(-2.0, True))
    assert less.max() < more.min()
    assert not len(of_colour(rows(2.0, False)))


def test_nothing_to_compare_is_a_picture_too() -> None:
    assert np.asarray(opened(difference_figure([]))).ndim == 3
