"""Maps against planted places: a bright spot at each of them, elsewhere, and noise."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from synapse_assets.analysis.evaluation.localisation import places_reached, pointing_game, precision_recall_area
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
SHAPE = (60, 80)
PLACES = np.array([[10, 12], [30, 60], [50, 20], [45, 70]])
# none within 12 px of a place
ELSEWHERE = np.array([[10, 40], [35, 35], [52, 45], [12, 74]])


def spots(places: npt.ArrayLike, heights: npt.ArrayLike) -> Float64:
    """A map with a spot of that height at each place."""
    image = np.zeros(SHAPE)
    for (y, x), height in zip(np.asarray(places), np.asarray(heights), strict=True):
        image[y, x] = height
    return ndimage.gaussian_filter(image, 2)


def area_by_hand(image: Float64, places: npt.ArrayLike, tolerance: int, foreground: npt.NDArray[np.bool_]) -> float:
    """Average precision of peaks by loops."""
    peaks = []
    for y, x in np.argwhere(foreground):
        around = np.s_[max(0, y - tolerance) : y + tolerance + 1, max(0, x - tolerance) : x + tolerance + 1]
        if image[y, x] >= image[around][foreground[around]].max():
            peaks.append((image[y, x], y, x))
    area, before = 0.0, 0.0
    for level in sorted({peak[0] for peak in peaks}, reverse=True):
        so_far = [(y, x) for value, y, x in peaks if value >= level]
        close = np.array([[np.hypot(y - py, x - px) <= tolerance for py, px in places] for y, x in so_far])
        recall = close.any(axis=0).mean()
        area += (recall - before) * close.any(axis=1).mean()
        before = recall
    return area


def test_the_brightest_pixel_points_or_does_not() -> None:
    maps = np.stack(
        [spots(PLACES, [1, 2, 1, 1]), spots(ELSEWHERE, [1, 1, 2, 1]), spots(PLACES + np.array([0, 5]), [1, 2, 1, 1])]
    )
    assert pointing_game(maps, [PLACES] * 3, 6).tolist() == [1, 0, 1]
    assert pointing_game(maps, [PLACES] * 3, 4).tolist() == [1, 0, 0]
    assert pointing_game(maps[:1], [[[10.4, 11.7]]], 3).tolist() == [0], "the brightest spot is at another place"


def test_a_constant_map_has_what_chance_has() -> None:
    flat = np.ones(SHAPE)
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    chance = np.mean([[np.hypot(PLACES[:, 0] - y, PLACES[:, 1] - x).min() <= 7 for x in xx[0]] for y in yy[:, 0]])
    assert places_reached(SHAPE, PLACES, 7) == pytest.approx(chance)
    assert pointing_game(flat[None], [PLACES], 7)[0] == pytest.approx(chance)
    assert precision_recall_area(flat, PLACES, 7) == (pytest.approx(chance), pytest.approx(chance))
    left = xx < 30
    expected = places_reached((60, 30), [[10, 12], [50, 20]], 7)
    assert places_reached(SHAPE, PLACES, 7, left) == pytest.approx(expected, abs=0.01)


def test_the_area_is_that_of_loops() -> None:
    rng = np.random.default_rng(0)
    everywhere = np.ones(SHAPE, dtype=bool)
    some = ndimage.gaussian_filter(rng.normal(size=SHAPE), 5) > -0.01
    for seed in range(4):
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2)
        image = spots(PLACES, [1, 2, 3, 0]) * 4 + noise * (1 + seed)
        for foreground in (everywhere, some):
            area, _ = precision_recall_area(image, PLACES, 5, foreground)
            assert area == pytest.approx(area_by_hand(image, PLACES, 5, foreground))
    assert precision_recall_area(image, PLACES, 5) == precision_recall_area(image, PLACES, 5, everywhere)


def test_spots_at_the_places_find_all_and_noise_finds_what_chance_does() -> None:
    right, chance = precision_recall_area(spots(PLACES, [1, 2, 3, 4]), PLACES, 6)
    assert right == 1
    both = np.concatenate([PLACES, ELSEWHERE])
    after, _ = precision_recall_area(spots(both, [8, 7, 6, 5, 4, 3, 2, 1]), PLACES, 6)
    before, _ = precision_recall_area(spots(both, [4, 3, 2, 1, 8, 7, 6, 5]), PLACES, 6)
    assert after == 1
    assert before == pytest.approx((1 / 5 + 2 / 6 + 3 / 7 + 4 / 8) / 4)
    one_missing, _ = precision_recall_area(spots(PLACES[:3], [1, 2, 3]), PLACES, 6)
    assert 0.75 < one_missing < 0.85, "what is left is found in the flat rest, by chance"
    noise = [precision_recall_area(np.random.default_rng(seed).normal(size=SHAPE), PLACES, 6)[0] for seed in range(60)]
    assert np.mean(noise) == pytest.approx(chance, abs=0.06)


def test_what_cannot_be_compared_is_refused() -> None:
    image = np.zeros(SHAPE)
    with pytest.raises(BadInput, match=r"places are given as \(n, 2\)"):
        pointing_game(image[None], [np.zeros((0, 2))], 5)
    with pytest.raises(BadInput, match="there are 1 maps and 2"):
        pointing_game(image[None], [PLACES, PLACES], 5)
    with pytest.raises(BadInput, match="foreground"):
        precision_recall_area(image, PLACES, 5, np.zeros(SHAPE, dtype=bool))
    image[0, 0] = np.nan
    with pytest.raises(BadInput, match="no numbers"):
        precision_recall_area(image, PLACES, 5)


def test_one_point_of_a_place_is_enough() -> None:
    """Two stretches of three points: one peak in each, the brighter one first, and a false one between."""
    image = np.zeros((60, 60))
    image[10, 12], image[30, 30], image[50, 44] = 3.0, 2.0, 1.0
    points = [(10, 4), (10, 12), (10, 20), (50, 36), (50, 44), (50, 52)]
    of_stretches, _ = precision_recall_area(image, points, 3, image > 0, place_of=[7, 7, 7, 2, 2, 2])
    assert of_stretches == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    of_points, _ = precision_recall_area(image, points, 3, image > 0)
    assert of_points == pytest.approx(1 / 6 * 1 + 1 / 6 * 2 / 3)
