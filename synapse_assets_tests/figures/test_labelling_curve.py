"""The label curve: what was planted is seen in its pixels."""

from typing import Any

import numpy as np

from synapse_assets.figures.labelling import growing_curve_figure
from synapse_assets.schema.colours import PALETTE
from synapse_assets_tests.figures.pixels import middle, of_colour, opened


def rounds(*scores: float | None, stop: int | None = None) -> list[dict[str, Any]]:
    """A round of 40 labels after the other, each with an interval of .1 on either side."""
    return [
        {
            "round": f"round_{number:03d}",
            "labels": 40 * number,
            "score": score,
            "low": None if score is None else score - 0.1,
            "high": None if score is None else score + 0.1,
            "stop": number == stop,
            "measure": "balanced accuracy",
            "split": "neuron_id",
        }
        for number, score in enumerate(scores)
    ]


def test_the_curve_rises_with_the_score_and_grows_by_a_point() -> None:
    rising, falling = (
        of_colour(opened(growing_curve_figure(rounds(*s))), PALETTE[0]) for s in ((0.2, 0.9), (0.9, 0.2))
    )
    (low, _), (high, _) = (middle(picture[:, picture.shape[1] // 2 :]) for picture in (rising, falling))
    assert low < high, "on the right the rising one is higher up"
    longer = of_colour(opened(growing_curve_figure(rounds(0.2, 0.9, 0.2))), PALETTE[0])
    assert longer.sum() > rising.sum()


def test_where_labelling_may_stop_there_is_a_ring() -> None:
    without, ringed = (
        of_colour(opened(growing_curve_figure(rounds(0.5, 0.5, stop=stop))), PALETTE[1]) for stop in (None, 1)
    )
    assert not without.any()
    assert ringed.any()
    assert middle(ringed)[1] > without.shape[1] / 2


def test_rounds_without_a_score_are_not_drawn() -> None:
    assert np.array_equal(opened(growing_curve_figure(rounds(None, None))), opened(growing_curve_figure([])))
