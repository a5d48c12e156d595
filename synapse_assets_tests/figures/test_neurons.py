"""Synapses around the soma of each neuron."""

import numpy as np

from synapse_assets.figures.neurons import neuron_positions_figure
from synapse_assets.figures.style import INK, cluster_colour
from synapse_assets_tests.figures.pixels import (
    opened_sheet,
    spots,
)
from synapse_assets_tests.figures.planted import features


def test_each_neuron_is_drawn_around_its_soma() -> None:
    arms = np.array([[40, 0, 0], [-40, 0, 0], [0, 40, 0], [0, -40, 0], [0, 0, 40], [0, 0, -40]])
    table = features({"cb10": arms, "cb2": 2 * arms, "pv1": arms[:3]}, new=("pv1/as/0",))
    clusters = {f"cb10/as/{i}": 0 for i in range(6)} | {f"cb2/as/{i}": -1 for i in range(2)} | {"cb2/as/2": 1}
    pixels = opened_sheet(neuron_positions_figure(table, clusters))
    assert spots(pixels, INK, least=30) == 3 + 1
    # hollow points, such as the newly observed one of pv1, have no face
    assert [spots(pixels, cluster_colour(c)) for c in (0, 1, -1)] == [6 + 1, 1 + 1, 5 + 2 + 1]
    plain = opened_sheet(neuron_positions_figure(table, None))
    assert [spots(plain, cluster_colour(c)) for c in (0, 1, -1)] == [14 + 1, 0, 0]


def test_neurons_of_any_number() -> None:
    random = np.random.default_rng(0)
    assert opened_sheet(neuron_positions_figure(features({}), {})).shape[0] < 200
    opened_sheet(neuron_positions_figure(features({"cb1": [[1, 2, 3]]}), None))
    opened_sheet(neuron_positions_figure(features({"cb1": [[0, 0, 0]]}), {"cb1/as/0": 3}))
    many = {f"n{i}": random.normal(size=(2 if i < 5 else 1, 3)) for i in range(33)}
    pixels = opened_sheet(neuron_positions_figure(features(many), {f"n{i}/as/0": i for i in range(33)}))
    assert spots(pixels, INK, least=30) == 30 + 1
