"""Peaks of planted balls, level maps and noise; the filter of distances by loops."""

import time

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.analysis.detection.balls import ball_mask
from synapse_assets.analysis.detection.peaks import peaks, reach_nm, spaced
from synapse_assets.errors import BadInput

SIZE = (4.6, 4.6, 45.0)
SHAPE = (12, 150, 160)
SIDES = np.array(SHAPE[::-1]) * SIZE
# no two nearer than 200 nm
SITES = np.array([[120, 110, 100], [120, 420, 100], [500, 120, 200], [430, 400, 460], [150, 300, 380], [640, 600, 20]])


def map_of(sites: npt.ArrayLike, radius: float = 60) -> npt.NDArray[np.float32]:
    return ball_mask(sites, (0, 0, 0), SHAPE, SIZE, radius).astype(np.float32)


def nearest(position: np.ndarray, sites: npt.ArrayLike) -> np.ndarray:
    return np.linalg.norm(position[:, None] - np.asarray(sites)[None], axis=2).min(axis=0)


def test_the_peaks_of_balls_are_their_sites() -> None:
    for size_of_map in (map_of(SITES), (map_of(SITES) * 255).astype(np.uint8), map_of(SITES).astype(bool)):
        position, score = peaks(size_of_map, SIZE, radius_nm=60, threshold=0.5, apart_nm=100)
        assert len(position) == len(SITES)
        # thick sections hide where in a section a site was
        assert nearest(position, SITES).max() < 25
        assert np.abs(position[:, None] - SITES[None])[..., :2].max(axis=2).min(axis=0).max() < 5
        assert score.max() <= 1
        assert score.min() > 0.85


def test_the_score_is_that_of_a_certain_ball() -> None:
    centre = [[75.5 * 4.6, 70.5 * 4.6, 6.5 * 45]]
    _, whole = peaks(map_of(centre), SIZE, radius_nm=60, threshold=0.1, apart_nm=100)
    _, doubtful = peaks(map_of(centre) * 0.6, SIZE, radius_nm=60, threshold=0.1, apart_nm=100)
    _, small = peaks(map_of(centre, 30), SIZE, radius_nm=60, threshold=0.01, apart_nm=100)
    assert whole == pytest.approx([1], abs=1e-5)
    assert doubtful == pytest.approx([0.6], abs=1e-5)
    assert 0 < small[0] < 0.5


def test_sites_at_the_faces_and_beyond() -> None:
    edge = [[1, 1, 1], [730, 300, 535], [400, 689, 260]]
    position, score = peaks(map_of(edge), SIZE, radius_nm=60, threshold=0.4, apart_nm=100)
    assert len(position) == 3
    assert nearest(position, edge).max() < 30
    assert ((position > 0) & (position < SIDES)).all()
    outside, _ = peaks(map_of([[-30, 300, 260]]), SIZE, radius_nm=60, threshold=0.3, apart_nm=100)
    assert len(outside) == 1, "its ball reaches in, and has its highest place at the face"
    assert outside[0, 0] < 5
    assert score.shape == (3,)


@pytest.mark.parametrize("value", [0.9, 1.0, 230])
def test_a_level_map_has_one_peak_in_its_middle(value: float) -> None:
    level = np.full((5, 21, 31), value, dtype=np.float32 if value <= 1 else np.uint8)
    position, _ = peaks(level, (10, 10, 40), radius_nm=30, threshold=0.5, apart_nm=20)
    assert position.tolist() == [[155, 105, 100]]


def test_a_plateau_is_one_peak_in_its_middle() -> None:
    probability = np.zeros((9, 80, 80), dtype=np.float32)
    probability[2:7, 20:60, 30:70] = 1
    position, score = peaks(probability, (10, 10, 40), radius_nm=50, threshold=0.5, apart_nm=20)
    assert position.tolist() == [pytest.approx([500, 400, 180])]
    assert score.tolist() == [1]
    # a level ring has its middle where nothing is
    y, x = np.mgrid[:121, :121]
    ring = (np.abs(np.hypot(y - 60, x - 60) - 45) < 6)[None].astype(np.float32)
    position, _ = peaks(ring, (10, 10, 40), radius_nm=20, threshold=0.5, apart_nm=5000)
    assert len(position) == 1
    assert np.hypot(*(position[0, :2] - 605)) == pytest.approx(450, abs=60)


def test_two_near_sites_are_one_or_two_as_asked() -> None:
    near = [[300, 300, 247], [420, 300, 247]]
    both = peaks(map_of(near, 50), SIZE, radius_nm=50, threshold=0.5, apart_nm=100)[0]
    assert nearest(both, near).max() < 20
    assert len(both) == 2
    assert len(peaks(map_of(near, 50), SIZE, radius_nm=50, threshold=0.5, apart_nm=150)[0]) == 1


@pytest.mark.parametrize("away", [(90, 0, 0), (70, 70, 0), (0, 0, 135)])
def test_balls_that_run_into_each_other_are_two_sites(away: tuple) -> None:
    pair = np.array([[350.0, 300, 247], [350, 300, 247]]) + np.array([[0, 0, 0], away])
    position, score = peaks(map_of(pair, 60), SIZE, radius_nm=60, threshold=0.5, apart_nm=60)
    assert len(position) == 2
    assert nearest(position, pair).max() < 25
    assert score.max() <= 1


def test_a_threshold_afterwards_is_the_threshold_before() -> None:
    noise = np.random.default_rng(1).random((8, 70, 70), dtype=np.float32) ** 2
    position, score = peaks(noise, (8, 8, 40), radius_nm=20, threshold=0.05, apart_nm=60)
    assert len(position) > 100
    for threshold in np.quantile(score, [0.1, 0.5, 0.9]):
        again, _ = peaks(noise, (8, 8, 40), radius_nm=20, threshold=float(threshold), apart_nm=60)
        assert again.tolist() == position[score >= threshold].tolist()


def test_a_block_with_its_halo_has_the_peaks_of_the_whole() -> None:
    noise = np.random.default_rng(4).random((10, 120, 120), dtype=np.float32) ** 2
    size, radius = (8.0, 8.0, 40.0), 24.0
    x, y, z = (np.ceil(np.array(reach_nm(size, radius)) / size)).astype(int)
    whole, scores = peaks(noise, size, radius_nm=radius, threshold=0.1, apart_nm=1e-3)
    low = np.array([40, 30, 3])
    past = np.array([80, 70, 7])
    block = noise[low[2] - z : past[2] + z, low[1] - y : past[1] + y, low[0] - x : past[0] + x]
    position, of_block = peaks(block, size, radius_nm=radius, threshold=0.1, apart_nm=1e-3)
    position = position + (low - [x, y, z]) * size

    def core(points: np.ndarray) -> np.ndarray:
        return ((points >= low * size) & (points < past * size)).all(axis=1)

    assert core(whole).sum() > 20
    assert sorted(position[core(position)].tolist()) == sorted(whole[core(whole)].tolist())
    assert sorted(of_block[core(position)]) == pytest.approx(sorted(scores[core(whole)]), abs=1e-6)


def test_empty_maps_have_no_peaks() -> None:
    for empty in (np.zeros((3, 9, 9)), np.zeros((0, 9, 9)), np.zeros((3, 9, 9), np.uint8), np.full((1, 1, 1), 0.1)):
        position, score = peaks(empty, SIZE, radius_nm=60, threshold=0.5, apart_nm=100)
        assert position.shape == (0, 3)
        assert score.shape == (0,)
    one, _ = peaks(np.ones((1, 1, 1)), SIZE, radius_nm=60, threshold=0.5, apart_nm=100)
    assert one.tolist() == [[2.3, 2.3, 22.5]]
    flat, _ = peaks(map_of(SITES)[2:3], SIZE, radius_nm=60, threshold=0.5, apart_nm=100)
    assert len(flat) == 2, "one section is a map too"


def spaced_by_loops(position: np.ndarray, score: np.ndarray, apart: float) -> list[bool]:
    kept: list[int] = []
    for row in sorted(range(len(score)), key=lambda row: (-score[row], row)):
        if all(np.linalg.norm(position[row] - position[other]) >= apart for other in kept):
            kept.append(row)
    return [row in kept for row in range(len(score))]


def test_the_filter_of_distances_is_that_of_loops() -> None:
    rng = np.random.default_rng(0)
    for seed in range(6):
        position = rng.uniform(0, 500, (150, 3))
        score = np.round(rng.random(150), 1 + seed % 3)
        kept = spaced(position, score, 90)
        assert kept.tolist() == spaced_by_loops(position, score, 90)
        left = position[kept]
        apart = np.linalg.norm(left[:, None] - left[None], axis=2) + np.eye(len(left)) * 1e9
        assert apart.min() >= 90
        assert kept[np.argmax(score)]
    pair = np.array([[0.0, 0, 0], [3.0, 4.0, 0]])
    assert spaced(pair, [1, 1], 5).tolist() == [True, True], "as far apart as asked is far enough"
    assert spaced(pair, [1, 1], 5.001).tolist() == [True, False], "of equal ones the first"
    assert spaced(pair, [0.1, 0.2], 5.001).tolist() == [False, True]
    assert spaced(np.zeros((0, 3)), [], 5).tolist() == []
    assert spaced(np.zeros((4, 3)), [1, 2, 2, 1], 5).tolist() == [False, True, False, False]


def test_scores_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match="needs a score"):
        spaced(np.zeros((2, 3)), [1], 5)
    with pytest.raises(BadInput, match="needs a score"):
        spaced(np.zeros((2, 3)), [1, np.nan], 5)


def test_many_sites_are_filtered_fast() -> None:
    position = np.random.default_rng(0).uniform(0, 20_000, (100_000, 3))
    started = time.process_time()
    spaced(position, np.random.default_rng(1).random(100_000), 300)
    assert time.process_time() - started < 5
