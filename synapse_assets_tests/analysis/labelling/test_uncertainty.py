"""How unsure a map is, box by box, against sums over its pixels one by one."""

import math
from itertools import product

import numpy as np
import pytest

from synapse_assets.analysis.labelling.uncertainty import entropy_bits, mean_entropy


def bits(value: int) -> float:
    """Of one pixel, 255 being certain."""
    p = value / 255
    return sum(-share * math.log2(share) for share in (p, 1 - p) if share > 0)


def test_entropy_is_that_of_a_coin() -> None:
    assert entropy_bits([0, 0.5, 1]).tolist() == [0, 1, 0]
    assert entropy_bits(0.11) == pytest.approx(0.4999, abs=1e-4)
    assert np.allclose(entropy_bits(np.arange(256) / 255), [bits(value) for value in range(256)])


def test_means_of_boxes_do_not_depend_on_how_the_map_is_read() -> None:
    rng = np.random.default_rng(0)
    first, values = (3, -2, 5), rng.integers(0, 256, (7, 20, 30), dtype=np.uint8)
    edges = (np.array([3, 5, 10]), np.array([-2, 6, 18]), np.array([5, 12, 20, 35]))
    expected = np.zeros((2, 2, 3))
    for cell in np.ndindex(expected.shape):
        box = tuple(
            slice(along[at] - start, along[at + 1] - start) for along, at, start in zip(edges, cell, first, strict=True)
        )
        expected[cell] = np.mean([bits(value) for value in values[box].ravel().tolist()])
    for cuts in (([0, 7], [0, 20], [0, 30]), ([0, 1, 4, 7], [0, 9, 20], [0, 2, 16, 17, 30])):
        parts = [
            (
                (first[0] + cuts[0][z], first[1] + cuts[1][y], first[2] + cuts[2][x]),
                values[cuts[0][z] : cuts[0][z + 1], cuts[1][y] : cuts[1][y + 1], cuts[2][x] : cuts[2][x + 1]],
            )
            for z, y, x in product(*(range(len(cut) - 1) for cut in cuts))
        ]
        assert np.allclose(mean_entropy(parts, edges), expected)
    without = mean_entropy(parts[:-1], edges)
    assert np.isnan(without[1, 1, 2]), "a box of which a part is not there has no mean"
    assert np.allclose(without[0, 0, 0], expected[0, 0, 0])
    assert np.isnan(mean_entropy([], edges)).all()
    beyond = [((90, 0, 0), values)]
    assert np.isnan(mean_entropy(beyond, edges)).all()
