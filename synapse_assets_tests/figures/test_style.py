"""The way to PNG bytes, and colours."""

import numpy as np

from synapse_assets.figures.style import as_png, cluster_colour, new_figure
from synapse_assets.schema.colours import NOISE_COLOUR
from synapse_assets_tests.figures.pixels import (
    opened,
)


def test_a_picture_too_large_for_a_log_gets_fewer_colours() -> None:
    figure, axes = new_figure(4.2, 4.2)
    axes.imshow(np.random.default_rng(0).random((420, 420, 3)))
    pixels = opened(as_png(figure))
    assert pixels.shape == (462, 462, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) <= 256


def test_clusters_keep_their_colour_and_noise_is_grey() -> None:
    colours = [cluster_colour(c) for c in range(18)]
    assert len(set(colours)) == 18
    assert cluster_colour(18) == colours[0]
    assert cluster_colour(-1) == NOISE_COLOUR
