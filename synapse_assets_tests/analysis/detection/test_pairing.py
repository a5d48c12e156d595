"""Pairs of planted sites and objects against loops over all distances."""

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.analysis.detection.components import Components, components
from synapse_assets.analysis.detection.pairing import drop_unpaired, pair_objects, pair_sites
from synapse_assets.errors import BadInput

SIZE = (4.6, 4.6, 45.0)


def test_every_postsynaptic_site_goes_to_the_nearest_presynaptic_one() -> None:
    rng = np.random.default_rng(0)
    pre, post = rng.uniform(0, 1000, (30, 3)), rng.uniform(0, 1000, (80, 3))
    expected = []
    for row, site in enumerate(post):
        away = np.linalg.norm(pre - site, axis=1)
        if away.min() <= 180:
            expected.append([int(away.argmin()), row])
    pairs = pair_sites(pre, post, 180)
    assert pairs.dtype == np.int64
    assert pairs.tolist() == expected
    assert 20 < len(pairs) < 80
    assert np.bincount(pairs[:, 0]).max() > 1, "a presynaptic site has several partners"
    assert np.bincount(pairs[:, 1]).max() == 1, "a postsynaptic site has one"


def test_a_tbar_with_four_partners_and_one_with_none() -> None:
    pre = [[0, 0, 0], [1000, 0, 0]]
    post = [[100, 0, 0], [0, 100, 0], [-100, 0, 0], [0, 0, 100], [500, 500, 500]]
    pairs = pair_sites(pre, post, 100)
    assert pairs.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]], "as far away as asked is near enough"
    assert len(pair_sites(pre, post, 99.9)) == 0
    kept, renumbered = drop_unpaired(pair_sites(pre[::-1], post, 100), 2)
    assert kept.tolist() == [1]
    assert renumbered.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


def test_nothing_pairs_with_nothing() -> None:
    for pre, post in (([], [[0, 0, 0]]), ([[0, 0, 0]], []), ([], [])):
        pairs = pair_sites(pre, post, 100)
        assert pairs.shape == (0, 2)
        kept, renumbered = drop_unpaired(pairs, len(pre))
        assert kept.shape == (0,)
        assert renumbered.shape == (0, 2)
    for rows, sites in (([[2, 0]], 2), ([[-1, 0]], 2), ([[0, 0]], 0)):
        with pytest.raises(BadInput, match="sites"):
            drop_unpaired(np.array(rows), sites)
    with pytest.raises(BadInput, match="no numbers"):
        pair_sites([[0, 0, np.nan]], [[0, 0, 0]], 100)
    with pytest.raises(BadInput, match="largest distance of a pair"):
        pair_sites([[0, 0, 0]], [[0, 0, 0]], 0)


def boxes(*corners: tuple, shape: tuple = (8, 40, 60)) -> Components:
    """Objects that are boxes: first voxel and one past the last, z, y, x."""
    mask = np.zeros(shape, dtype=bool)
    for low, past in corners:
        mask[tuple(slice(a, b) for a, b in zip(low, past, strict=True))] = True
    return components(mask, 0.5, SIZE)


def surface_distance(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Of all pairs of voxels, as boxes, the least distance."""
    a, b = np.argwhere(first)[:, None], np.argwhere(second)[None]
    gap = np.maximum(np.abs(a - b) - 1, 0) * SIZE[::-1]
    return float(np.sqrt((gap**2).sum(axis=2)).min())


def test_objects_that_touch_are_paired_and_the_nearest_comes_first() -> None:
    pre = boxes(((1, 5, 5), (3, 10, 10)), ((5, 20, 40), (7, 26, 46)))
    post = boxes(
        ((1, 5, 10), (3, 10, 14)),  # by a face
        ((3, 10, 2), (4, 12, 5)),  # by a corner
        ((1, 16, 5), (2, 20, 9)),  # 6 voxels away
        ((5, 26, 49), (6, 28, 52)),  # 3 voxels from the other
        ((1, 35, 55), (2, 37, 57)),  # near none
    )
    pairs, distance = pair_objects(pre, post, SIZE, 40)
    names = {tuple(np.floor(post.box[row, 0]).astype(int)): row for row in range(len(post))}
    face, corner, six, three = (names[key] for key in ((10, 5, 1), (2, 10, 3), (5, 16, 1), (49, 26, 5)))
    assert pairs.tolist() == [[0, min(face, corner)], [0, max(face, corner)], [1, three], [0, six]]
    assert distance == pytest.approx([0, 0, 3 * 4.6, 6 * 4.6])
    touching, nothing = pair_objects(pre, post, SIZE, 0)
    assert touching.tolist() == pairs[:2].tolist()
    assert nothing.tolist() == [0, 0]


def test_pairs_of_objects_are_those_of_all_distances() -> None:
    rng = np.random.default_rng(1)
    shape = (9, 45, 50)
    for seed in range(3):
        pre_mask, post_mask = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for mask in (pre_mask, post_mask):
            for low in rng.integers(0, [7, 40, 45], (9, 3)):
                z, y, x = low + rng.integers(1, 5, 3)
                mask[low[0] : z, low[1] : y, low[2] : x] = True
        pre, post = components(pre_mask, 0.5, SIZE), components(post_mask, 0.5, SIZE)
        most = [30, 60, 120][seed]
        pairs, distance = pair_objects(pre, post, SIZE, most)
        assert distance.tolist() == sorted(distance)
        partner = dict(
            zip(pairs[:, 1].tolist(), zip(pairs[:, 0].tolist(), distance.tolist(), strict=True), strict=True)
        )
        for row in range(len(post)):
            away = [surface_distance(pre.labels == label, post.labels == row + 1) for label in range(1, len(pre) + 1)]
            assert (row in partner) == (min(away) <= most)
            if row in partner:
                assert partner[row][1] == pytest.approx(min(away))
                assert away[partner[row][0]] == pytest.approx(min(away))


def test_masks_that_overlap_are_nothing_apart_and_empty_ones_have_no_pairs() -> None:
    pre, post = boxes(((1, 5, 5), (3, 10, 10))), boxes(((2, 8, 8), (4, 12, 12)))
    assert [part.tolist() for part in pair_objects(pre, post, SIZE, 0)] == [[[0, 0]], [0]]
    none = boxes()
    for first, second in ((pre, none), (none, post), (none, none)):
        pairs, distance = pair_objects(first, second, SIZE, 100)
        assert pairs.shape == (0, 2)
        assert distance.shape == (0,)
    with pytest.raises(BadInput, match="of one box"):
        pair_objects(pre, boxes(shape=(8, 40, 61)), SIZE, 10)
    for most in (-1, np.nan, np.inf):
        with pytest.raises(BadInput, match="0 or more"):
            pair_objects(pre, post, SIZE, most)
