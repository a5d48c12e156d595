"""Compression: what is planted in few dimensions is kept, what is not is lost; bytes come back; neighbours counted by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.analysis.evaluation.compression import (
    Compression,
    RunningRecall,
    compressions,
    from_int8,
    int8_scale,
    principal_directions,
    score_neighbours,
    shares_with_intervals,
    to_int8,
)
from synapse_assets.errors import BadInput

Float32 = npt.NDArray[np.float32]


def normal(*shape: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def recalls(vectors: Float32, ways: list[Compression]) -> dict[tuple[str, int, str], float]:
    queries = np.arange(len(vectors))
    scores = score_neighbours(vectors, [way.restored(vectors) for way in ways], queries, queries.astype(str), 0)
    return {(way.method, way.dimensions, way.number): score.value for way, score in zip(ways, scores, strict=True)}


def test_vectors_of_rank_20_lose_nothing_in_32_components_and_something_in_16() -> None:
    vectors = normal(400, 20) @ normal(20, 150, seed=1) + 3
    found = recalls(vectors, compressions(vectors, in_falling_order=False))
    assert [key[:2] for key in list(found)[::2]] == [
        ("full", 150),
        *(("principal components", size) for size in (128, 64, 32, 16)),
    ]
    assert found["full", 150, "int8"] > 0.98
    for size in (128, 64, 32):
        assert found["principal components", size, "float16"] > 0.98
    assert found["principal components", 16, "float16"] < 0.9


def test_of_noise_every_halving_loses_and_bytes_fall() -> None:
    vectors = normal(500, 130)
    ways = compressions(vectors, in_falling_order=True)
    found = recalls(vectors, ways)
    for method in ("principal components", "leading numbers"):
        falling = [found[method, size, "float16"] for size in (128, 64, 32, 16)]
        assert falling == sorted(falling, reverse=True)
        assert falling[-1] < 0.3
    assert {(way.dimensions, way.number, way.bytes) for way in ways if way.dimensions > 100} == {
        (130, "float16", 260),
        (130, "int8", 130),
        (128, "float16", 256),
        (128, "int8", 128),
    }


def test_leading_numbers_lose_nothing_where_the_rest_says_nothing() -> None:
    vectors = normal(300, 40)
    vectors[:, 16:] *= 1e-4
    found = recalls(vectors, compressions(vectors, in_falling_order=True))
    assert found["leading numbers", 16, "float16"] > 0.99
    assert found["leading numbers", 16, "int8"] > 0.9
    turned = recalls(vectors[:, ::-1], compressions(vectors[:, ::-1], in_falling_order=True))
    assert turned["leading numbers", 16, "float16"] < 0.2
    assert turned["principal components", 16, "float16"] > 0.99


def test_directions_are_the_right_singular_vectors() -> None:
    unit = normal(60, 30) * np.arange(1, 31)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    directions = principal_directions(unit.astype(np.float32), 7)
    expected = np.linalg.svd(unit.astype(np.float64))[2][:7].T
    np.testing.assert_allclose(np.abs((directions * expected).sum(axis=0)), 1, atol=1e-5)
    assert (directions[np.abs(directions).argmax(axis=0), np.arange(7)] > 0).all()


def test_bytes_come_back_to_half_a_step_and_what_is_beyond_is_the_largest() -> None:
    vectors = normal(1_000, 5) * np.array([1e-6, 0.1, 1, 1e4, 0], dtype=np.float32)
    scale = int8_scale(vectors)
    np.testing.assert_allclose(scale[:4], np.abs(vectors).max(axis=0)[:4] / 127, rtol=1e-6)
    codes = to_int8(vectors, scale)
    assert codes.dtype == np.int8
    assert codes[:, :4].min() >= -127
    assert set(np.abs(codes).max(axis=0)) == {127, 0}
    error = np.abs(from_int8(codes, scale) - vectors)
    assert (error <= scale / 2 * (1 + 1e-5)).all()
    assert error[:, 2].max() > 0.45 * scale[2], "the bound is reached, so it is the right one"
    np.testing.assert_array_equal(to_int8(np.full((1, 5), -1e9, np.float32), scale)[0], np.full(5, -127))


def test_neighbours_by_hand() -> None:
    """Twelve directions on a half circle: all but the farthest of the other eleven are neighbours of each."""
    angle = np.arange(12) * np.pi / 12
    full = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    # The first and the last change places.
    swapped = full[[11, *range(1, 11), 0]]
    same, changed = score_neighbours(full, [full * 7, swapped], np.array([1, 10, 0]), np.array(list("aab")), 0)
    assert (same.value, same.queries, same.groups, same.interval) == (1.0, 3, 2, None)
    # 1 is farthest from 11, and now from 0: it misses 0. 10 likewise misses 11. 0 and 11 are as far apart as before.
    assert changed.value == pytest.approx((9 + 9 + 10) / 30)


def test_one_of_several_equal_pictures_is_as_good_as_the_other() -> None:
    # Equal but for their lengths, and so but for the last digit of what has length 1.
    full = np.repeat(normal(3, 4), 30, axis=0) * np.random.default_rng(1).uniform(0.5, 2, (90, 1)).astype(np.float32)
    shuffled = full + 1e-3 * normal(90, 4, seed=2)
    [score] = score_neighbours(full, [shuffled], np.arange(90), np.arange(90).astype(str), 0)
    assert score.value == 1.0


@pytest.mark.parametrize("rows", [7, 400])
def test_what_comes_in_batches_is_counted_as_what_is_in_memory(rows: int) -> None:
    random = np.random.default_rng(3)
    full = random.normal(size=(rows, 24)).astype(np.float32)
    full[rows // 2 :] = full[: rows - rows // 2]  # equal pictures
    short = full[:, :6]
    queries, groups = np.arange(0, rows, 3), np.arange(0, rows, 3).astype(str)
    recall = RunningRecall(full[queries], short[queries], queries)
    for start in range(0, rows, 64):
        part = np.arange(start, min(start + 64, rows))
        recall.add(part, full[part], short[part])
        recall.add(part[:0], full[:0], short[:0])
    expected = score_neighbours(full, [short], queries, groups, 0)[0]
    (counted,) = shares_with_intervals(recall.kept[:, None], groups, 0)
    assert counted.value == pytest.approx(expected.value, abs=1e-9)
    assert (counted.interval, counted.queries, counted.groups) == (
        expected.interval if expected.interval is None else pytest.approx(expected.interval),
        expected.queries,
        expected.groups,
    )
    assert rows == 7 or 0.2 < counted.value < 0.9


def test_intervals_are_over_groups() -> None:
    full, groups = normal(60, 20), np.repeat(np.arange(10), 6).astype(str)
    short = full.copy()
    short[:30] = normal(30, 20, seed=5)
    [score] = score_neighbours(full, [short], np.arange(60), groups, 0)
    [alone] = score_neighbours(full, [short], np.arange(60), np.arange(60).astype(str), 0)
    assert score.interval is not None
    assert alone.interval is not None
    assert score.interval[0] < score.value < score.interval[1]
    assert np.diff(score.interval) > np.diff(alone.interval)
    assert score_neighbours(full, [short], np.arange(60), groups, 0)[0].interval == score.interval


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("width", [1, 16, 40])
def test_few_vectors(rows: int, width: int) -> None:
    vectors = normal(rows, width)
    ways = compressions(vectors, in_falling_order=True)
    assert {way.dimensions for way in ways} == ({40, 32, 16} if width == 40 else {width})
    assert {way.restored(vectors).shape for way in ways} == {(rows, way.dimensions) for way in ways}
    assert all(np.isfinite(way.restored(vectors)).all() for way in ways)
    found = recalls(vectors, ways) if rows > 1 else {}
    assert all(value == 1.0 for value in found.values()), "all others are neighbours"
    assert rows > 1 or not score_neighbours(vectors, [vectors], np.array([0]), np.array(["a"]), 0)


def test_constant_and_very_long_vectors() -> None:
    with np.errstate(all="raise", under="ignore"):
        for vectors in (np.zeros((20, 40)), np.ones((20, 40)), np.full((20, 40), 60_000.0)):
            for way in compressions(vectors.astype(np.float32), in_falling_order=True):
                assert np.isfinite(way.restored(vectors)).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [(np.full((3, 4), np.nan), "row 0 holds NaN"), (np.zeros((0, 4)), "nothing to fit"), (np.zeros(4), "a table")],
)
def test_bad_vectors(vectors: npt.NDArray[np.float64], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        compressions(vectors, in_falling_order=True)
