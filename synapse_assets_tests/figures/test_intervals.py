"""Scores are drawn where they are, with their interval, and those to compare with are grey."""

import numpy as np

from synapse_assets.figures.intervals import Line, interval_figure
from synapse_assets.figures.style import printed
from synapse_assets.schema.colours import PALETTE
from synapse_assets_tests.figures.pixels import of_colour, opened


def drawn(line: Line) -> np.ndarray:
    """Columns of the picture where something has the colour of a score."""
    return np.flatnonzero(
        of_colour(opened(interval_figure([line, Line("other", 0.5, compared=True)], "accuracy")), PALETTE[0]).any(
            axis=0
        )
    )


def test_higher_scores_lie_further_right_and_intervals_are_as_wide_as_they_are() -> None:
    low, high, wide = drawn(Line("a", 0.2)), drawn(Line("a", 0.8)), drawn(Line("a", 0.2, 0.1, 0.7))
    assert low.max() < high.min()
    assert np.ptp(wide) > 5 * np.ptp(low)
    assert not len(drawn(Line("a", 0.2, 0.1, 0.7, compared=True)))


def test_nothing_scored_is_a_picture_too_and_on_paper_there_are_more_pixels() -> None:
    screen = opened(interval_figure([], "accuracy"))
    with printed():
        paper = opened(interval_figure([], "accuracy"))
    assert abs(paper.shape[1] - 2 * screen.shape[1]) <= 2
