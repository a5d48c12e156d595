"""The last step finds what tells tiles apart, and nothing that was not there."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
import torch
from sklearn.cluster import HDBSCAN
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from synapse_assets.errors import BadInput
from synapse_assets.vision.head import Head, Views, fit_head

Floats = npt.NDArray[np.float32]
NO_PAIRS = np.empty((0, 2), np.int64)


def vectors(head: Head, features: Floats) -> Floats:
    return head(torch.from_numpy(features)).numpy()


def views_of(features: Floats, spread: npt.ArrayLike, count: int = 4, seed: int = 1) -> Floats:
    """Features of views (tiles, views, D), which differ from their tile by normal deviates."""
    noise = np.random.default_rng(seed).normal(size=(len(features), count, features.shape[1]))
    return (features[:, None] + noise * spread).astype(np.float32)


def explained(found: Floats, values: npt.NDArray[np.float64]) -> float:
    """Share of the variance of the values that a linear map of vectors explains (R2)."""
    return float(LinearRegression().fit(found, values).score(found, values))


@pytest.fixture
def cloud() -> Floats:
    return np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)


def test_what_views_change_is_left_out_and_the_rest_is_found(cloud: Floats) -> None:
    """All features vary alike from tile to tile; views leave the first as it is, turned into none of the axes."""
    turn = scipy.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0]
    spread = np.array([0.05, 2, 2, 2, 2, 2])
    views = views_of(cloud, spread) @ turn
    head = fit_head((cloud @ turn).astype(np.float32), Views(views.astype(np.float32), NO_PAIRS), 1)
    [found] = vectors(head, (cloud @ turn).astype(np.float32)).T
    assert abs(np.corrcoef(found, cloud[:, 0])[0, 1]) > 0.99
    blind = fit_head((cloud @ turn).astype(np.float32), Views(views[:, :1].astype(np.float32), NO_PAIRS), 1)
    assert abs(np.corrcoef(vectors(blind, (cloud @ turn).astype(np.float32))[:, 0], cloud[:, 0])[0, 1]) < 0.9


def test_directions_by_their_definition() -> None:
    """24 tiles are too few for neighbours; no value is clipped."""
    rng = np.random.default_rng(3)
    features = (rng.uniform(-1, 1, (24, 4)) @ rng.normal(size=(4, 4))).astype(np.float32)
    pairs = np.array([[0, 1], [2, 3], [4, 9]])
    views = views_of(features, [0.1, 0.4, 0.2, 0.1], 3)
    head = fit_head(features, Views(views, pairs), 3)

    deviation = features.std(0, dtype=np.float64)
    rows, seen = (features - features.mean(0, dtype=np.float64)) / deviation, views / deviation
    between = np.cov(rows.T)
    within = np.mean([np.cov(of_tile.T) for of_tile in seen], 0)
    within += np.mean([np.cov(rows[pair].T) for pair in pairs], 0)
    within += 0.05 * np.trace(within) / 4 * np.eye(4)
    values, directions = np.linalg.eig(np.linalg.solve(within, between))
    order = np.argsort(-values)[:3]
    values, directions = values[order], directions[:, order]
    directions /= np.sqrt(np.einsum("ij,ik,kj->j", directions, within, directions))
    assert values.min() > 1.01
    found = vectors(head, features).astype(np.float64)
    expected = rows @ directions * np.sqrt((values - 1) / values)
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-4)
    np.testing.assert_allclose(found.var(0, ddof=1), values - 1, rtol=1e-3)


def test_partners_count_as_views_of_each_other(cloud: Floats) -> None:
    """Both tiles of a pair agree in the first feature alone."""
    features = np.concatenate([cloud, np.random.default_rng(5).normal(size=cloud.shape).astype(np.float32)])
    features[400:, 0] = cloud[:, 0]
    pairs = np.arange(800).reshape(2, 400).T
    views = views_of(features[:50], 0.3)
    with_partners, without = (
        vectors(fit_head(features, Views(views, which), 1), features)[:, 0] for which in (pairs, NO_PAIRS)
    )
    assert abs(np.corrcoef(with_partners, features[:, 0])[0, 1]) > 0.95
    assert abs(np.corrcoef(without, features[:, 0])[0, 1]) < 0.9


@pytest.mark.parametrize(("groups", "size"), [(10, 60), (150, 4)], ids=["ten of contrast", "many small sections"])
def test_what_is_to_be_ignored_disappears(groups: int, size: int) -> None:
    """A property of the group is the strongest feature; a class, which no group knows, and the noise of single tiles lie beside it."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(groups), size)
    of_group = rng.normal(size=groups)[group]
    kind = rng.integers(0, 2, len(group)) * 2.0 - 1
    features = rng.normal(size=(len(group), 20))
    features[:, :8] += 2 * of_group[:, None] * rng.uniform(0.5, 1, 8)
    features[:, 6:14] += 1.5 * kind[:, None]
    features = features.astype(np.float32)
    views = views_of(features, 0.5)
    kept = vectors(fit_head(features, Views(views, NO_PAIRS), 6), features)
    ignored = vectors(fit_head(features, Views(views, NO_PAIRS, [group]), 6), features)
    assert explained(kept, of_group) > 0.9
    assert explained(ignored, of_group) < 0.1
    assert explained(ignored, kind) > 0.85
    # Nothing is lost where the groups have nothing to do with the tiles, however small they are.
    shuffled = vectors(fit_head(features, Views(views, NO_PAIRS, [rng.permutation(group)]), 6), features)
    assert min(explained(shuffled, of_group), explained(shuffled, kind)) > 0.75
    nobody = vectors(fit_head(features, Views(views, NO_PAIRS, [np.full(len(group), -1)]), 6), features)
    np.testing.assert_array_equal(nobody, kept)


def test_a_single_cloud_stays_one() -> None:
    cloud = np.random.default_rng(6).normal(size=(600, 40)).astype(np.float32)
    cloud *= np.linspace(2, 0.5, 40, dtype=np.float32)
    found = vectors(fit_head(cloud, Views(views_of(cloud[:200], 0.7, 2), NO_PAIRS), 8), cloud)
    count = {
        name: HDBSCAN(min_cluster_size=15, copy=True).fit_predict(rows).max() + 1
        for name, rows in (("features", cloud), ("vectors", found))
    }
    assert count["vectors"] <= count["features"] <= 1
    # The same would find two that are there.
    apart = cloud.copy()
    apart[300:, :10] += 12
    two = vectors(fit_head(apart, Views(views_of(apart[:600:3], 0.7, 2), NO_PAIRS), 8), apart)
    assert HDBSCAN(min_cluster_size=15, copy=True).fit_predict(two).max() + 1 == 2


def test_the_same_tiles_give_the_same_head(cloud: Floats) -> None:
    views = views_of(cloud, 0.5)
    heads = [fit_head(cloud, Views(views, NO_PAIRS), 4).state_dict() for _ in range(2)]
    with threadpool_limits(1):
        heads.append(fit_head(cloud, Views(views, NO_PAIRS), 4).state_dict())
    for name, tensor in heads[0].items():
        assert all(torch.equal(tensor, other[name]) for other in heads[1:]), name


def test_an_outlier_counts_as_much_as_one_at_three_deviations(cloud: Floats) -> None:
    head = fit_head(cloud, Views(views_of(cloud, 0.5), NO_PAIRS), 4)
    far = np.tile((cloud.mean(0) + 3.01 * cloud.std(0)).astype(np.float32), (2, 1))
    far[1] *= 1_000
    near, farther = vectors(head, far)
    np.testing.assert_allclose(farther, near, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("tiles", "dimensions"), [(2, 1), (3, 2), (6, 5), (400, 6)])
def test_there_are_no_more_dimensions_than_tiles_or_features_allow(cloud: Floats, tiles: int, dimensions: int) -> None:
    head = fit_head(cloud[:tiles], Views(views_of(cloud[:tiles], 0.5), NO_PAIRS), 32)
    found = vectors(head, cloud[:tiles])
    assert found.shape == (tiles, dimensions)
    assert np.isfinite(found).all()
    assert (np.linalg.norm(found, axis=1) > 1e-3).all()


def test_features_that_do_not_vary_count_for_nothing(cloud: Floats) -> None:
    """Not even by the rounding of the mean of many."""
    many = np.random.default_rng(7).normal(size=(1_500, 6)).astype(np.float32)
    constant = np.hstack([many, np.full((len(many), 2), [-13.81551, 0.1], np.float32)])
    views = views_of(constant[:400], 0.5)
    head = fit_head(constant, Views(views, NO_PAIRS), 4)
    assert not head.matrix[6:].any()
    alone = fit_head(many, Views(views[..., :6], NO_PAIRS), 4)
    np.testing.assert_array_equal(vectors(head, constant[:100]), vectors(alone, many[:100]))


def test_what_cannot_be_told_apart_is_refused(cloud: Floats) -> None:
    with pytest.raises(BadInput, match="at least 2 of them, not 1"):
        fit_head(cloud[:1], Views(views_of(cloud[:1], 0.5), NO_PAIRS), 4)
    same = np.repeat(cloud[:1], 30, axis=0)
    with pytest.raises(BadInput, match=r"all 30 tiles that it is fitted on look the same.*tile_sheet"):
        fit_head(same, Views(views_of(same, 0.5), NO_PAIRS), 4)
