"""Precision over recall: the curve and the probability in use are where they are to be."""

import numpy as np

from synapse_assets.figures.detection import Curve, precision_recall_figure
from synapse_assets.figures.style import INK
from synapse_assets.schema.colours import PALETTE
from synapse_assets_tests.figures.pixels import middle, of_colour, opened

THRESHOLDS = [0.2, 0.5, 0.8]


def test_the_ring_moves_along_the_curve_with_the_probability() -> None:
    curves = {"cleft": (THRESHOLDS, [0.2, 0.5, 0.9], [0.9, 0.5, 0.2])}
    low, high = (of_colour(opened(precision_recall_figure(curves, chosen)), PALETTE[0]) for chosen in (0.2, 0.8))
    places = np.argwhere(low)
    assert np.asarray(np.corrcoef(places.T))[0, 1] > 0.5, "the curve goes down to the right"
    rings = [
        of_colour(opened(precision_recall_figure(curves, chosen)), INK)
        & ~of_colour(opened(precision_recall_figure(curves, other)), INK)
        for chosen, other in ((0.2, 0.8), (0.8, 0.2))
    ]
    (low_row, low_column), (high_row, high_column) = map(middle, rings)
    assert (low_row > high_row, low_column > high_column) == (True, True), (
        "a low probability finds more, and more that is wrong"
    )
    assert high.sum() > 100


def test_targets_have_colours_and_gaps_are_no_points() -> None:
    curves: dict[str, Curve] = {
        "presynaptic": (THRESHOLDS, [0.2, None, 0.9], [0.9, 0.5, 0.2]),
        "postsynaptic": (THRESHOLDS, [0.3, 0.6, 0.95], [0.8, 0.4, 0.1]),
    }
    pixels = opened(precision_recall_figure(curves, 0.5))
    assert all(of_colour(pixels, colour).sum() > 20 for colour in PALETTE[:2])


def test_nothing_to_find_is_said() -> None:
    nothing = opened(precision_recall_figure({"cleft": (THRESHOLDS, [None] * 3, [None] * 3)}, 0.5))
    assert not of_colour(nothing, PALETTE[0]).any()
    assert np.ptp(nothing) > 50, "there is a sentence"
