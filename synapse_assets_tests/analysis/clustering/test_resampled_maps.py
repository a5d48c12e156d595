"""Maps of a group: resampled as asked, the same whatever the order of rows, and exact for what was fitted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synapse_assets.analysis.clustering import resampled_maps as maps_module
from synapse_assets.analysis.clustering.projection import nearest
from synapse_assets.analysis.clustering.resampled_maps import MAPS_A_NULL, NEAR, GroupMaps, fit_maps
from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.morphology import Resampling
from synapse_assets.errors import BadInput
from synapse_assets_tests.analysis.morphology.grouped import FEW, KINDS, found, grouped, maps_of, names

FEWEST = Resampling(runs=4, share=0.8, nulls=1)


def arrays(maps: GroupMaps) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(maps).items() if isinstance(value, np.ndarray)}


def test_shapes_and_subsamples() -> None:
    maps = found("groups")[0]
    rows = sum(KINDS)
    taken = round(0.8 * rows)
    assert (maps.method, maps.reason, maps.share) == ("umap", "", 0.8)
    assert maps.map.shape == (rows, 2)
    assert maps.space.shape == (rows, 3)
    assert maps.rows.shape == (FEW.runs, taken)
    assert maps.places.shape == (FEW.runs, taken, 3)
    assert maps.null_rows.shape == (FEW.nulls, MAPS_A_NULL, taken)
    assert maps.null_places.shape == (FEW.nulls, MAPS_A_NULL, taken, 3)
    assert np.isfinite(maps.places).all()
    assert (np.diff(maps.rows, axis=1) > 0).all()
    assert len({tuple(row) for row in maps.rows.tolist()}) == FEW.runs
    assert len({tuple(row) for row in maps.null_rows.reshape(-1, taken).tolist()}) == FEW.nulls * MAPS_A_NULL


def test_planted_groups_lie_apart_on_both_maps_for_the_eye() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    maps, group = found("groups")[0], grouped()[1]
    for places in (maps.map, maps.space):
        assert KNeighborsClassifier(5).fit(places, group).score(places, group) > 0.97


def test_fitted_synapses_get_exactly_their_places_and_new_ones_do_not_need_companions() -> None:
    maps, (features, group) = found("groups")[0], grouped()
    flat, space = maps.place(features)
    assert np.array_equal(flat, maps.map)
    assert np.array_equal(space, maps.space)
    new, _ = grouped(seed=0)
    new += 0.05
    together = maps.place(new)
    alone = [maps.place(row[None]) for row in new[:5]]
    assert np.array_equal(together[0][:5], np.concatenate([one[0] for one in alone]))
    centre = np.stack([maps.map[group == one].mean(axis=0) for one in range(3)])
    nearest = np.linalg.norm(together[0][:, None] - centre, axis=2).argmin(axis=1)
    assert (nearest == group).mean() > 0.95
    assert maps.place(np.zeros((0, 5)))[0].shape == (0, 2)


def test_the_order_of_rows_does_not_matter_and_equal_rows_share_a_place() -> None:
    features, _ = grouped((20, 15))
    features[7] = features[3]
    one = maps_of(features, resampling=FEWEST)
    turned = maps_of(features[::-1], resampling=FEWEST)
    assert len(one.points) == 34
    assert np.array_equal(one.map[7], one.map[3])
    assert np.array_equal(one.map, turned.map[::-1])
    assert np.array_equal(one.places, turned.places)
    assert np.array_equal(one.null_places, turned.null_places)


def test_another_seed_shares_no_subsample_and_the_same_seed_is_the_same() -> None:
    features, _ = grouped((20, 15))
    one, same, other = (maps_of(features, seed, FEWEST) for seed in (1, 1, 2))
    assert all(np.array_equal(value, vars(same)[name]) for name, value in arrays(one).items())
    assert not {tuple(row) for row in one.rows.tolist()} & {tuple(row) for row in other.rows.tolist()}
    assert not np.array_equal(one.map, other.map)


def test_each_draw_is_another_its_maps_are_of_it_and_no_two_maps_share_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    resampled, layout = maps_module._resampled_map, maps_module.umap_layout
    taken: list[tuple[np.ndarray, np.ndarray]] = []
    laid: list[tuple[np.ndarray, int]] = []

    def noted(points: Any, near: Any, *others: Any) -> Any:
        taken.append((points, near))
        return resampled(points, near, *others)

    def drawn(sample: Any, knn: Any, dimensions: int, min_dist: float, seed: int, epochs: int | None = None) -> Any:
        if epochs is not None:
            laid.append((sample, seed))
        return layout(sample, knn, dimensions, min_dist, seed, epochs)

    monkeypatch.setattr(maps_module, "_resampled_map", noted)
    monkeypatch.setattr(maps_module, "umap_layout", drawn)
    maps = maps_of(grouped((20, 15))[0], 3, Resampling(runs=4, share=0.8, nulls=2))
    assert len(taken) == len(laid) == 4 + 2 * MAPS_A_NULL
    assert len({seed for _, seed in laid}) == len(laid)
    runs, first, second = (taken[part] for part in (slice(4), slice(4, 9), slice(9, 14)))
    assert all(points is maps.points for points, _ in runs)
    assert all(points is first[0][0] for points, _ in first)
    assert all(points is second[0][0] for points, _ in second)
    assert len({points.tobytes() for points, _ in taken}) == 3
    for points, near in taken:
        assert np.array_equal(near, nearest(points, points, NEAR + 1)[0])
    # a run moves each point by half the difference of two near ones
    for (points, near), (sample, _), kept in zip(runs, laid[:4], maps.rows, strict=True):
        moved = np.linalg.norm(sample - points[kept], axis=1)
        apart = np.linalg.norm(points[near[kept]][:, :, None] - points[near[kept]][:, None], axis=3).max(axis=(1, 2))
        assert (moved <= 0.5 * apart + 1e-5).all()
        assert np.median(moved / apart) > 0.15


@pytest.mark.parametrize("rows", [10, 12, 19])
def test_fewer_rows_than_neighbours_are_mapped(rows: int) -> None:
    maps = maps_of(grouped((rows // 2, rows - rows // 2))[0], resampling=FEWEST)
    assert maps.method == "umap"
    assert np.isfinite(maps.map).all()
    assert np.isfinite(maps.places).all()
    assert maps.rows.shape[1] < rows


@pytest.mark.parametrize("rows", [2, 3, 9])
def test_very_few_rows_get_principal_components_and_no_runs(rows: int) -> None:
    features = grouped((rows,))[0]
    maps = maps_of(features, resampling=FEWEST)
    assert maps.method == "pca"
    assert str(rows) in maps.reason
    assert maps.rows.shape[0] == maps.null_rows.shape[0] == 0
    assert np.array_equal(maps.place(features)[1], maps.space)
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    assert (np.linalg.norm(maps.map[:, None] - maps.map[None], axis=2) <= distances + 1e-4).all()


def test_no_map_of_nothing_or_of_one_place() -> None:
    for features in (np.zeros((0, 5)), np.zeros((0, 0)), np.ones((1, 5)), np.ones((30, 5))):
        outcome = fit_maps(features, names(len(features)), 0, FEWEST)
        assert isinstance(outcome, NoModel)
        assert "at least 2" in outcome.reason


def test_more_rows_than_the_ceiling_are_placed() -> None:
    features, group = grouped((60, 40))
    maps = maps_of(features, resampling=FEWEST, ceiling=50)
    assert len(maps.points) == 50
    assert maps.map.shape == (100, 2)
    drawn = np.isin(np.unique(features.astype(np.float32), axis=0)[:, 0], maps.points[:, 0])
    assert 10 < drawn[:50].sum() < 40, "the sample is of all, not of the first"
    assert np.array_equal(maps.map, maps.place(features)[0])
    of_point = np.array([np.bincount(group[maps.point_of == one], minlength=2).argmax() for one in range(50)])
    assert (of_point[maps.point_of] == group).all()


def test_bad_input() -> None:
    features, _ = grouped((20, 15))
    broken = features.copy()
    broken[4, 2] = np.nan
    with pytest.raises(BadInput, match="row 4 "):
        fit_maps(broken, names(35), 0, FEWEST)
    with pytest.raises(BadInput, match="34 ids for 35 rows"):
        fit_maps(features, names(34), 0, FEWEST)
    with pytest.raises(BadInput, match="must be a table"):
        fit_maps(features[:, 0], names(35), 0, FEWEST)
    with pytest.raises(BadInput, match="4 features; the map was fitted on 5"):
        found("groups")[0].place(features[:, :4])


def test_saved_and_loaded_to_the_bit(tmp_path: Path) -> None:
    maps = found("groups")[0]
    maps.save(tmp_path)
    again = GroupMaps.load(tmp_path)
    assert all(np.array_equal(value, vars(again)[name]) for name, value in arrays(maps).items())
    assert (again.method, again.reason, again.seed, again.share) == ("umap", "", 1, 0.8)
