"""The curves of query strategies: what was planted is seen in their pixels."""

import numpy as np
import pytest

from synapse_assets.figures.labelling import label_curves_figure
from synapse_assets.schema.colours import PALETTE
from synapse_assets_tests.figures.pixels import of_colour, opened

LABELS = [20, 40, 60, 80]
SCORES = {"random": [0.5, 0.6, 0.65, 0.7], "margin": [0.5, 0.7, 0.8, 0.82], "entropy": [0.5, 0.55, 0.6, 0.61]}


def test_the_recommended_curve_is_bold_and_where_its_scores_are() -> None:
    pixels = opened(label_curves_figure(LABELS, SCORES, "margin", 0.9, "neuron_id"))
    blue = of_colour(pixels, PALETTE[0])
    assert blue.sum() > 1500
    other = opened(label_curves_figure(LABELS, SCORES, "entropy", 0.9, "neuron_id"))
    lower = of_colour(other, PALETTE[0])
    assert np.argwhere(lower)[:, 0].mean() > np.argwhere(blue)[:, 0].mean() + 30, "entropy lies below margin"
    assert not of_colour(opened(label_curves_figure(LABELS, SCORES, "random", 0.9, "n")), PALETTE[1]).all()


@pytest.mark.parametrize("count", [1, 2])
def test_few_points_are_drawn(count: int) -> None:
    scores = {name: values[:count] for name, values in SCORES.items()}
    assert label_curves_figure(LABELS[:count], scores, "random", 0.9, "neuron_id").startswith(b"\x89PNG")
    alike = {"random": [0.5] * count}
    assert label_curves_figure(LABELS[:count], alike, "random", 0.5, "neuron_id").startswith(b"\x89PNG")
