"""Sites, pairs and thresholds of planted detections: some right, some moved, some missed and some invented."""

import time

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import linear_sum_assignment

from synapse_assets.analysis.evaluation.one_to_one import detection_score
from synapse_assets.analysis.evaluation.site_scores import (
    Candidates,
    best_threshold,
    by_score,
    match_pairs,
    match_sites,
    middle_of_best,
)
from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]


def matched_by_hand(found: Float64, truth: Float64, tolerance: float) -> tuple[int, float]:
    """Pairs and their distances by one large table."""
    distance = np.linalg.norm(found[:, None] - truth[None], axis=2)
    near = distance <= tolerance
    rows, columns = linear_sum_assignment(np.where(near, distance - 1e6, 0))
    taken = near[rows, columns]
    return int(taken.sum()), float(distance[rows, columns][taken].sum())


def test_matches_are_those_of_one_large_table() -> None:
    rng = np.random.default_rng(0)
    for density in (300, 700, 2000):
        found, truth = rng.uniform(0, density, (60, 3)), rng.uniform(0, density, (50, 3))
        matches = match_sites(found, truth, 150)
        pairs, distance = matched_by_hand(found, truth, 150)
        assert len(matches.pairs) == pairs
        assert matches.cost.sum() == pytest.approx(distance)
        assert matches.cost == pytest.approx(
            np.linalg.norm(found[matches.pairs[:, 0]] - truth[matches.pairs[:, 1]], axis=1)
        )
        assert matches.cost.max() <= 150


def test_planted_errors_are_counted() -> None:
    rng = np.random.default_rng(1)
    truth = np.stack(np.meshgrid(*[np.arange(6) * 500.0] * 3), axis=-1).reshape(-1, 3)
    moved = truth[:150] + rng.uniform(-80, 80, (150, 3))
    twice = truth[:10] + np.array([0, 0, 100])
    nowhere = truth[:20] + 250
    matches = match_sites(np.concatenate([moved, twice, nowhere]), truth, 150)
    assert matches.missed.tolist() == list(range(150, 216))
    assert len(matches.invented) == 30, "the second detection of a site, and those between sites"
    assert matches.invented[matches.invented >= 160].tolist() == list(range(160, 180))
    score = detection_score(matches, seed=0)
    assert score.precision == pytest.approx(150 / 180)
    assert score.recall == pytest.approx(150 / 216)
    assert score.f1 == pytest.approx(300 / (180 + 216))
    assert score.f1_interval is not None
    assert score.f1_interval[0] < score.f1 < score.f1_interval[1]


def test_one_detection_amid_many_sites_finds_one() -> None:
    truth = np.random.default_rng(0).uniform(0, 100, (40, 3))
    matches = match_sites([[50, 50, 50]], truth, 200)
    assert len(matches.pairs) == 1
    assert matches.cost[0] == pytest.approx(np.linalg.norm(truth - 50, axis=1).min())
    assert len(matches.missed) == 39
    assert len(match_sites(np.full((30, 3), 50.0), truth[:1], 200).invented) == 29


def test_the_tolerance_is_included_and_an_exact_hit_is_a_match() -> None:
    assert len(match_sites([[0, 0, 0]], [[30, 40, 0]], 50).pairs) == 1
    assert len(match_sites([[0, 0, 0]], [[30, 40, 0]], 49.99).pairs) == 0
    exact = match_sites([[1, 2, 3], [1, 2, 3]], [[1, 2, 3]], 1)
    assert len(exact.pairs) == 1
    assert exact.cost.tolist() == [0]


@pytest.mark.parametrize(("found", "truth"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_matches_nothing(found: int, truth: int) -> None:
    matches = match_sites(np.zeros((found, 3)), np.zeros((truth, 3)), 100)
    assert len(matches.pairs) == 0
    assert (len(matches.invented), len(matches.missed)) == (found, truth)
    empty = match_sites([], np.zeros((truth, 3)), 100)
    assert empty.detected == 0


@pytest.mark.parametrize(
    ("found", "tolerance", "message"),
    [
        ([[np.nan, 0, 0]], 100, "1 of 1 points"),
        ([[0, np.inf, 0]], 100, "no numbers"),
        ([[0, 0]], 100, r"\(N, 3\)"),
        ([0, 0, 0], 100, r"\(N, 3\)"),
        ([[0, 0, 0]], 0, "tolerance of a match"),
        ([[0, 0, 0]], -5, "tolerance of a match"),
        ([[0, 0, 0]], np.nan, "tolerance of a match"),
        ([[0, 0, 0]], np.inf, "tolerance of a match"),
    ],
)
def test_what_cannot_be_matched_is_refused(found: list, tolerance: float, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        match_sites(found, [[0, 0, 0]], tolerance)


def test_two_thousand_sites_take_less_than_a_second_and_many_take_seconds() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 5000, (2000, 3))
    started = time.process_time()
    matches = match_sites(truth + rng.normal(0, 60, truth.shape), truth, 150)
    assert time.process_time() - started < 1
    assert len(matches.pairs) > 1500
    many = rng.uniform(0, 33_000, (30_000, 3))
    started = time.process_time()
    matches = match_sites(many + rng.normal(0, 100, many.shape), many, 300)
    assert time.process_time() - started < 5
    assert len(matches.pairs) > 27_000


def test_sites_that_all_hang_together_are_matched_too() -> None:
    """Everything within the tolerance of something: one group of all."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1000, (700, 3))
    found = truth + rng.normal(0, 5, truth.shape)
    matches = match_sites(found, truth, 150)
    assert (len(matches.pairs), matches.cost.sum()) == pytest.approx(matched_by_hand(found, truth, 150))


def test_a_pair_is_right_when_both_ends_are_those_of_one_pair() -> None:
    pre = np.array([[0, 0, 0], [1000, 0, 0], [2000, 0, 0.0]])
    post = np.array([[100, 0, 0], [0, 100, 0], [1100, 0, 0], [2100, 0, 0.0]])
    true_pairs = [[0, 0], [0, 1], [1, 2], [2, 3]]
    # both sites in another order, moved by 20 nm; one postsynaptic site is missed
    found_pre, found_post = pre[[2, 0, 1]] + 20, post[[3, 0, 1]] + [0, 20, 0]
    sites = match_sites(found_pre, pre, 50), match_sites(found_post, post, 50)
    right = [[0, 0], [1, 1], [1, 2]]
    matches = match_pairs(right, true_pairs, *sites)
    assert matches.pairs.tolist() == [[0, 3], [1, 0], [2, 1]]
    assert matches.missed.tolist() == [2]
    assert matches.cost == pytest.approx([20 * np.sqrt(3)] * 3)
    # the right sites with the wrong partner, and a presynaptic site that is matched by nothing
    wrong = match_pairs([[0, 1], [1, 0], [2, 2]], true_pairs, *sites)
    assert len(wrong.pairs) == 0
    score = detection_score(matches, seed=0)
    assert (score.precision, score.recall) == (1, 0.75)


def test_no_pairs_and_pairs_that_are_none() -> None:
    sites = match_sites(np.zeros((2, 3)), np.zeros((2, 3)), 50)
    assert match_pairs([], [[0, 0]], sites, sites).missed.tolist() == [0]
    assert match_pairs(np.zeros((0, 2)), [], sites, sites).true == 0
    for pairs, message in (
        ([[0, 2]], "rows up to"),
        ([[-1, 0]], "rows up to"),
        ([[0, 1], [0, 1]], "1 are there twice"),
    ):
        with pytest.raises(BadInput, match=message):
            match_pairs(pairs, [[0, 0]], sites, sites)
        with pytest.raises(BadInput, match=message):
            match_pairs([[0, 0]], pairs, sites, sites)


def test_the_best_threshold_parts_right_from_wrong() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 20_000, (60, 3))
    right, wrong = truth + rng.normal(0, 20, truth.shape), rng.uniform(0, 20_000, (80, 3))
    score = np.concatenate([rng.uniform(0.7, 1, 60), rng.uniform(0, 0.5, 80)])
    thresholds = np.round(np.arange(0.05, 1, 0.05), 2).tolist()
    best = best_threshold(by_score(np.concatenate([right, wrong]), score, thresholds), truth, 150)
    # all of .5 to .7 are as good: the middle of those
    assert best.threshold == pytest.approx(0.6)
    assert best.f1 == 1
    assert best.min_nm3 == 0
    assert best.table.shape == (19, 1)
    for row in (0, 10, 18):
        kept = np.concatenate([right, wrong])[score >= thresholds[row]]
        assert best.table[row, 0] == detection_score(match_sites(kept, truth, 150), seed=0).f1


def test_the_least_volume_is_chosen_with_the_threshold() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 20_000, (30, 3))
    dust = rng.uniform(0, 20_000, (200, 3))
    # at .3 there is dust, which is small; at .9 a third of the synapses is gone
    volume = np.concatenate([np.full(30, 5e5), np.full(200, 1e4)])
    candidates = [
        Candidates(0.3, np.concatenate([truth, dust]), volume),
        Candidates(0.9, truth[:20], np.full(20, 4e5)),
    ]
    volumes = [0, 2e4, 1e5, 3e5, 4.5e5, 1e6]
    best = best_threshold(candidates, truth, 150, volumes)
    assert (best.threshold, best.min_nm3, best.f1) == (0.3, 1e5, 1)
    assert best.table[1].tolist() == pytest.approx([0.8, 0.8, 0.8, 0.8, 0, 0])
    assert best_threshold(candidates, truth, 150).threshold == 0.9


def test_the_middle_of_the_best_is_one_of_the_best() -> None:
    assert middle_of_best(np.array([0, 1, 1, 1, 0.0])) == (2,)
    assert middle_of_best(np.array([1.0, 0, 0, 0, 1])) == (0,), "of two equally near the middle the first"
    assert middle_of_best(np.array([np.nan, 0.2, 0.1])) == (1,)
    table = np.zeros((5, 7))
    table[1:4, 2:5] = 0.7
    assert middle_of_best(table) == (2, 3)
    with pytest.raises(BadInput, match="none of these choices"):
        middle_of_best(np.full((2, 2), np.nan))


def test_a_threshold_is_not_chosen_on_nothing() -> None:
    site = [[0, 0, 0]]
    for arguments, message in (
        (([], site, 100), "there are none"),
        (([Candidates(0.5, site)], [], 100), "there is none"),
        (([Candidates(0.5, site)], site, 100, []), "there are none"),
        (([Candidates(0.5, site)], site, 100, [0, 10]), "threshold 0.5 have none"),
        (([Candidates(0.5, site, [1, 2])], site, 100, [10]), "1 positions"),
    ):
        with pytest.raises(BadInput, match=message):
            best_threshold(*arguments)
    nothing = best_threshold([Candidates(0.5, []), Candidates(0.7, []), Candidates(0.9, [])], site, 100)
    assert (nothing.threshold, nothing.f1) == (0.7, 0)
