"""Maps: the same row lands in the same place whatever comes with it, and fitted rows stay where they were fitted."""

from pathlib import Path

import numpy as np
import pytest

from synapse_assets.analysis.clustering.projection import (
    NoModel,
    Projection,
    blend,
    fit_projection,
    nearest,
    principal_components,
    reduced_matrix,
    unit_rows,
)
from synapse_assets.errors import BadInput
from synapse_assets.schema import UMAP_COORDINATES
from synapse_assets_tests.analysis.planted import blobs


def test_fitted_rows_get_exactly_their_fitted_coordinates(projection: Projection) -> None:
    xy, reduced = projection.apply(projection.sample)
    assert np.array_equal(xy, projection.xy)
    assert np.array_equal(reduced, projection.reduced)
    vectors = blobs(300, 5)[0].astype(np.float32)
    assert {tuple(p) for p in projection.apply(vectors)[0].tolist()} == {tuple(p) for p in projection.xy.tolist()}


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_row_does_not_depend_on_its_companions_to_the_bit(projection: Projection, kind: type) -> None:
    vectors = blobs(67, 5, seed=8, spread=0.9)[0].astype(kind)
    xy, reduced = projection.apply(vectors)
    assert xy.dtype == reduced.dtype == np.float32
    assert (xy.shape, reduced.shape) == ((67, 2), (67, 10))
    for size in (1, 2, 3, 5, 8, 31):
        for start in range(0, 67, size):
            part_xy, part = projection.apply(vectors[start : start + size])
            assert np.array_equal(part_xy, xy[start : start + size])
            assert np.array_equal(part, reduced[start : start + size])
    order = np.random.default_rng(0).permutation(67)
    assert np.array_equal(projection.apply(np.asfortranarray(vectors[order]))[1], reduced[order])


def test_new_rows_land_among_their_kind(projection: Projection) -> None:
    old, old_kind = blobs(300, 5)
    new, kind = blobs(200, 5, seed=4)
    places, around = projection.apply(new)[0], projection.apply(old)[0]
    closest = np.linalg.norm(places[:, None] - around[None], axis=2).argmin(axis=1)
    assert (old_kind[closest] == kind).mean() > 0.98


def test_a_place_is_the_mean_of_the_neighbours_by_inverse_squares_of_the_distance() -> None:
    coordinates = np.array([[0.0, 100.0], [10.0, 100.0], [30.0, 200.0]], dtype=np.float32)
    # at distances 1 and 2: weights 4 to 1
    assert blend(np.array([[0, 1]]), np.array([[1.0, 4.0]]), coordinates).tolist() == [[2.0, 100.0]]
    assert blend(np.array([[1, 2]]), np.array([[0.0, 4.0]]), coordinates).tolist() == [[10.0, 100.0]]
    assert blend(np.array([[1, 0], [0, 2]]), np.array([[1.0, 1.0], [2.0, 18.0]]), coordinates).tolist() == [
        [5.0, 100.0],
        [3.0, 110.0],
    ]


def test_a_new_row_is_placed_by_its_five_nearest(projection: Projection) -> None:
    row = blobs(1, 5, seed=8, spread=0.9)[0]
    unit = (row / np.linalg.norm(row)).astype(np.float32).astype(np.float64)
    distance = np.linalg.norm(projection.sample.astype(np.float64) - unit, axis=1)
    near = np.argsort(distance)[:5]
    for found, places in zip(projection.apply(row), (projection.xy, projection.reduced), strict=True):
        expected = np.average(places[near].astype(np.float64), axis=0, weights=distance[near] ** -2)
        assert np.allclose(found[0], expected, rtol=1e-5)


def test_nearest_is_exact_even_where_rows_lie_too_close_for_a_matrix_product() -> None:
    random = np.random.default_rng(0)
    sample = unit_rows(1.0 + 1e-6 * random.normal(size=(80, 24)))
    queries = unit_rows(1.0 + 1e-6 * random.normal(size=(9, 24)))
    indices, squares = nearest(queries, sample, 4)
    wide = np.square(queries[:, None].astype(np.float64) - sample[None].astype(np.float64)).sum(axis=2)
    assert np.array_equal(indices, np.argsort(wide, axis=1, kind="stable")[:, :4])
    assert np.array_equal(nearest(queries[3:4], sample, 4)[1], squares[3:4])


def test_of_neighbours_at_one_distance_the_first_come_first() -> None:
    random = np.random.default_rng(0)
    sample, queries = (random.integers(-1, 2, size=(rows, 6)).astype(np.float32) for rows in (300, 40))
    indices, squares = nearest(queries, sample, 4)
    every = np.square(queries[:, None] - sample[None]).sum(axis=2)
    assert np.array_equal(indices, np.argsort(every, axis=1, kind="stable")[:, :4])
    assert np.array_equal(squares, np.sort(every, axis=1)[:, :4])


def test_a_fit_depends_on_content_and_seed_alone(projection: Projection, monkeypatch: pytest.MonkeyPatch) -> None:
    import umap

    made, settings = umap.UMAP, []
    monkeypatch.setattr(umap, "UMAP", lambda **given: settings.append(given) or made(**given))
    vectors = blobs(300, 5)[0]
    again = fit_projection(vectors[::-1], seed=3)
    assert isinstance(again, Projection)
    assert np.array_equal(again.xy, projection.xy)
    assert np.array_equal(again.reduced, projection.reduced)
    other = fit_projection(vectors, seed=4)
    assert isinstance(other, Projection)
    assert [one["random_state"] for one in settings] == [3, 3, 4, 4]
    assert not np.array_equal(settings[0]["init"], settings[2]["init"])
    assert not np.allclose(other.xy, projection.xy, atol=0.1)
    assert not np.allclose(other.reduced, projection.reduced, atol=0.1)


def test_the_map_for_clusters_is_denser_than_the_one_for_the_eye(projection: Projection) -> None:
    """min_dist 0 lets near neighbours lie together; 0.1 keeps them apart for the eye."""

    def nearest_other(places: np.ndarray) -> float:
        distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(len(places))
        return float(np.median(distances.min(axis=1)))

    flat = fit_projection(blobs(300, 5)[0], seed=3, dimensions=2)
    assert isinstance(flat, Projection)
    assert np.array_equal(flat.xy, projection.xy)
    assert nearest_other(flat.reduced) < 0.85 * nearest_other(flat.xy)


def test_a_saved_map_comes_back_to_the_bit(projection: Projection, tmp_path: Path) -> None:
    projection.save(tmp_path)
    loaded = Projection.load(tmp_path)
    for name, value in projection.__dict__.items():
        assert np.array_equal(getattr(loaded, name), value)


def test_too_few_rows_are_an_ordinary_outcome() -> None:
    for rows in (np.zeros((0, 0)), np.zeros((0, 8)), np.ones((1, 8)), np.ones((50, 8))):
        outcome = fit_projection(rows, seed=0)
        assert isinstance(outcome, NoModel)
        assert "at least 2" in outcome.reason


@pytest.mark.parametrize("rows", [2, 3, 9])
def test_few_rows_are_mapped_by_principal_components(rows: int) -> None:
    vectors = blobs(rows, 3, features=6)[0]
    model = fit_projection(vectors, seed=0)
    assert isinstance(model, Projection)
    assert model.method == "pca"
    xy, reduced = model.apply(vectors)
    assert (xy.shape, reduced.shape) == ((rows, 2), (rows, 10))
    assert np.isfinite(reduced).all()


@pytest.mark.parametrize(("rows", "features"), [(30, 5), (6, 20)])
@pytest.mark.parametrize("seed", range(4))
def test_principal_components_point_along_their_largest_loading(rows: int, features: int, seed: int) -> None:
    sample = np.random.default_rng(seed).normal(size=(rows, features)).astype(np.float32)
    wide = sample.astype(np.float64) - sample.astype(np.float64).mean(axis=0)
    _, size, axes = np.linalg.svd(wide, full_matrices=False)
    found = principal_components(sample, 3)
    expected = wide @ axes[:3].T
    turned = np.sign(axes[np.arange(3), np.abs(axes[:3]).argmax(axis=1)])
    assert np.allclose(found, expected * turned, atol=1e-5 * size[0])


@pytest.mark.parametrize("rows", [10, 12, 16])
def test_fewer_rows_than_neighbours_still_make_a_map(rows: int) -> None:
    model = fit_projection(blobs(rows, 2, features=4)[0], seed=0)
    assert isinstance(model, Projection)
    assert (model.method, model.neighbours) == ("umap", min(15, rows - 1))
    fewer = fit_projection(blobs(rows, 2, features=4)[0], seed=0, neighbours=5)
    assert isinstance(fewer, Projection)
    assert fewer.neighbours == 5
    assert not np.array_equal(fewer.xy, model.xy)
    assert np.isfinite(model.xy).all()
    assert np.isfinite(model.reduced).all()


def test_equal_vectors_are_one_point() -> None:
    vectors = np.repeat(blobs(12, 3)[0], 5, axis=0)
    model = fit_projection(vectors, seed=0)
    assert isinstance(model, Projection)
    assert len(model.sample) == 12
    assert len(np.unique(model.apply(vectors)[0], axis=0)) == 12


def test_wrong_input_is_named(projection: Projection) -> None:
    with pytest.raises(BadInput, match="32"):
        projection.apply(np.zeros((2, 31)))
    bad = np.ones((4, 32))
    bad[2, 1] = np.nan
    with pytest.raises(BadInput, match="row 2"):
        projection.apply(bad)
    with pytest.raises(BadInput, match="row 2"):
        fit_projection(bad, seed=0)
    assert projection.apply(np.zeros((0, 32)))[1].shape == (0, 10)


def test_reduced_coordinates_come_back_from_a_table() -> None:
    table = UMAP_COORDINATES.empty()
    assert reduced_matrix(table).shape == (0, 0)
