"""Drift: what is new, strange, noisy or relabelled is told from what is ordinary, region by region, with planted changes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.drift import (
    NOTHING_NEW,
    Drift,
    Fit,
    RegionNow,
    _lower_share,
    _median_bound,
    load_known_labels,
    measure_drift,
    save_known_labels,
)
from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
from synapse_assets.analysis.clustering.projection import FittedSample, Projection, unit_rows
from synapse_assets.analysis.evaluation.sampling import stratified_sample
from synapse_assets.artifacts import NoModel
from synapse_assets_tests.analysis.planted import Array, blobs

NAMES = {"umap_model": "m", "cluster_model": "c", "classifier": "k"}


def table(ids: Sequence[str], region: str) -> pa.Table:
    return pa.table({"synapse_id": list(ids), "brain_region": [region] * len(ids), "tile_hash": [f"h{i}" for i in ids]})


@pytest.fixture
def fit(projection: Projection, clusters: ClusterModel) -> Fit:
    """The map of 300 synapses: a000 to a199 in AL, e200 to e299 in EB, all labelled."""
    vectors = blobs(300, 5)[0]
    rows = pa.concat_tables(
        [table([f"a{i:03d}" for i in range(200)], "AL"), table([f"e{i}" for i in range(200, 300)], "EB")]
    )
    sample = FittedSample.of(rows, vectors, {"AL": 200, "EB": 100})
    labels = dict.fromkeys(sample.synapse_ids.tolist(), "gaba")
    return Fit(projection, sample, clusters, labels, 3, NAMES)


def region(
    fit: Fit, name: str, vectors: Array, ids: Sequence[str], noise: float | None = None, target: str = "gaba"
) -> RegionNow:
    """A region that holds these; the clusters are those of the model, or `noise` of the synapses in none."""
    assert isinstance(fit.projection, Projection)
    assert isinstance(fit.clusters, ClusterModel)
    wide = vectors.astype(np.float32)
    labels = fit.clusters.apply(fit.projection.apply(wide)[1])
    if noise is not None:
        labels = np.where(np.arange(len(ids)) < noise * len(ids), -1, 0).astype(np.int32)
    where = {one: row for row, one in enumerate(ids)}

    def read(wanted: Sequence[str]) -> npt.NDArray[np.float32]:
        return wide[[where[one] for one in wanted]]

    return RegionNow(
        name,
        table(ids, name),
        pa.table({"synapse_id": list(ids), "cluster": labels}),
        pa.table({"synapse_id": list(ids), "target": [target] * len(ids)}),
        read,
    )


def both(fit: Fit, more: int, seed: int = 5, spread: float = 0.35) -> Drift:
    """Drift when EB has so many more synapses."""
    vectors = blobs(300, 5)[0]
    new = blobs(more, 5, spread=spread, seed=seed)[0]
    old_ids = fit.sample.synapse_ids.tolist()
    eb = region(fit, "EB", np.concatenate([vectors[200:], new]), [*old_ids[200:], *(f"n{i}" for i in range(more))])
    return measure_drift(fit, [region(fit, "AL", vectors[:200], old_ids[:200]), eb])


def test_a_region_as_it_was_fitted(fit: Fit) -> None:
    found = both(fit, 0)
    assert found.advised == {}
    for row, name, rows in zip(found.table.to_pylist(), ("AL", "EB"), (200, 100), strict=True):
        assert (row["brain_region"], row["synapses"], row["known_synapses"], row["new_synapses"]) == (
            name,
            rows,
            rows,
            0,
        )
        assert row["distance_ratio"] == pytest.approx(1), "leave-one-out: a fitted synapse is not its own neighbour"
        assert row["noise_fraction"] is None, "no synapse outside the sample"
        assert (row["new_labels"], row["reason"], row["classifier"]) == (0, NOTHING_NEW, "k")


@pytest.mark.parametrize("seed", range(8))
def test_a_few_ordinary_synapses_advise_nothing(fit: Fit, seed: int) -> None:
    found = both(fit, 25, seed)
    assert found.advised == {}
    assert found.table.to_pylist()[1]["new_synapses"] == 25
    assert found.table.to_pylist()[1]["new_fraction"] == 0.25


def test_many_new_synapses(fit: Fit) -> None:
    found = both(fit, 120)
    assert "120 of 220 synapses are new or changed" in found.advised["EB"]
    assert set(found.advised) == {"EB"}, "of all 420 it is less than a third beyond chance"
    assert "all regions" in both(fit, 400).advised


def test_new_synapses_are_estimated_where_the_sample_is_a_part(fit: Fit) -> None:
    ids = [f"s{i:05d}" for i in range(6000)]
    chosen = stratified_sample(["AL"] * 6000, 300, 3, ids)
    rows = table([ids[i] for i in chosen], "AL")
    partial = replace(fit, sample=FittedSample.of(rows, blobs(300, 5)[0], {"AL": 6000}), labels=None)
    now = [*ids[1000:], *(f"t{i:05d}" for i in range(2500))]
    row = measure_drift(partial, [region(partial, "AL", np.ones((len(now), 32)), now)]).table.to_pylist()[0]
    assert row["new_synapses"] == pytest.approx(2500, rel=0.2)
    changed = region(partial, "AL", np.ones((6000, 32)), ids)
    others = changed.synapses.set_column(2, "tile_hash", pa.array([f"other{i}" for i in range(6000)]))
    row = measure_drift(partial, [replace(changed, synapses=others)]).table.to_pylist()[0]
    assert row["new_synapses"] == 6000, "every picture is another one"


def test_distances_are_measured_on_others_than_the_fitted_synapses(fit: Fit) -> None:
    """Of 6,000, 300 are fitted. Measured are 500 of all, of which about 25 are fitted; those have no say of their own."""
    ids = [f"s{i:05d}" for i in range(6000)]
    chosen = stratified_sample(["AL"] * 6000, 300, 3, ids)
    vectors = blobs(300, 5)[0]
    partial = replace(
        fit, sample=FittedSample.of(table([ids[i] for i in chosen], "AL"), vectors, {"AL": 6000}), labels=None
    )
    now = np.random.default_rng(1).normal(size=(6000, 32))
    now[chosen] = vectors
    measured: list[str] = []
    there = region(partial, "AL", now, ids)

    def read(wanted: Sequence[str]) -> npt.NDArray[np.float32]:
        measured.extend(wanted)
        return there.vectors(wanted)

    found = measure_drift(partial, [replace(there, vectors=read)])
    assert len(measured) == len(set(measured)) == 500
    assert len(set(measured) & {ids[i] for i in chosen}) < 60
    assert "look strange" in found.advised["AL"], "though the fitted ones look as they did"


def test_pictures_unlike_any_fitted_one(fit: Fit) -> None:
    strange = np.random.default_rng(1).normal(size=(100, 32))
    ids = fit.sample.synapse_ids.tolist()
    regions = [region(fit, "AL", blobs(300, 5)[0][:200], ids[:200]), region(fit, "EB", strange, ids[200:])]
    found = measure_drift(fit, regions)
    assert set(found.advised) == {"EB"}
    assert "look strange" in found.advised["EB"]
    assert found.table.to_pylist()[1]["distance_ratio"] > 1.5
    assert found.table.to_pylist()[1]["new_synapses"] == 0


@pytest.mark.parametrize(("spread", "strange"), [(0.4, False), (0.75, True)])
def test_strange_is_a_quarter_farther(fit: Fit, spread: float, strange: bool) -> None:
    names = [f"n{i}" for i in range(300)]
    found = measure_drift(fit, [region(fit, "AL", blobs(300, 5, spread=spread, seed=5)[0], names)])
    row = found.table.to_pylist()[0]
    assert 1 < row["distance_ratio"] < 1.9
    assert (row["distance_ratio"] > 1.25) == ("look strange" in row["reason"]) == strange


def test_more_noise_among_new_synapses_than_among_fitted_ones_placed_alike(fit: Fit) -> None:
    vectors, ids = blobs(60, 5, seed=8)[0], [f"n{i}" for i in range(60)]
    found = measure_drift(fit, [region(fit, "AL", vectors, ids, noise=0.6)])
    assert "60% of those that are not in the fitted sample are in no cluster" in found.advised["AL"]
    ordinary = measure_drift(fit, [region(fit, "AL", vectors, ids)]).table.to_pylist()[0]
    assert "in no cluster" not in ordinary["reason"]
    assert abs(ordinary["noise_fraction"] - ordinary["fitted_noise_fraction"]) < 0.1


def test_new_and_corrected_labels(fit: Fit) -> None:
    ids, vectors = fit.sample.synapse_ids.tolist(), blobs(300, 5)[0]
    found = measure_drift(fit, [region(fit, "EB", vectors[200:], ids[200:], target="glutamate")])
    assert "100 of 100 labels are new or changed" in found.advised["EB"]
    few = {**fit.labels, **dict.fromkeys(ids[200:220], "glutamate")}  # type: ignore[dict-item]
    assert measure_drift(replace(fit, labels=few), [region(fit, "EB", vectors[200:], ids[200:])]).advised == {}


@pytest.mark.parametrize("rows", [1, 5, 19])
def test_a_small_region_does_not_cry_wolf(fit: Fit, rows: int) -> None:
    strange = np.random.default_rng(1).normal(size=(rows, 32))
    ids = fit.sample.synapse_ids.tolist()
    regions = [region(fit, "AL", blobs(300, 5)[0][:200], ids[:200])]
    regions.append(region(fit, "PB", strange, [f"p{i}" for i in range(rows)], noise=1.0))
    found = measure_drift(fit, regions)
    assert found.advised == {}
    row = found.table.to_pylist()[1]
    assert (row["known_synapses"], row["new_synapses"], row["new_fraction"]) == (0, rows, None)
    assert row["reason"] == "too few synapses to advise a refit"


def test_fitted_synapses_are_treated_as_if_they_were_new(fit: Fit) -> None:
    """Where clusters reach nowhere, all but fitted places are noise: so are fitted synapses placed by the others."""
    assert isinstance(fit.clusters, ClusterModel)
    narrow = replace(fit, clusters=replace(fit.clusters, reach=np.full(5, 1e-9)))
    found = measure_drift(narrow, [region(narrow, "AL", blobs(60, 5, seed=8)[0], [f"n{i}" for i in range(60)])])
    row = found.table.to_pylist()[0]
    assert (row["noise_fraction"], row["fitted_noise_fraction"]) == (1.0, 1.0)
    assert "in no cluster" not in row["reason"]


def test_a_new_synapse_that_equals_a_fitted_one_is_at_no_distance(fit: Fit) -> None:
    vectors, names = blobs(300, 5)[0][200:], [f"n{i}" for i in range(100)]
    assert measure_drift(fit, [region(fit, "EB", vectors, names)]).table.to_pylist()[0]["distance_ratio"] == 0


def test_new_labels_are_judged_beyond_chance_of_all_regions_together(fit: Fit) -> None:
    """86 of 200: 43 %, above a third in one region, not in one of a hundred that were looked at."""
    ids, vectors = fit.sample.synapse_ids.tolist(), blobs(300, 5)[0]
    labels = {**fit.labels, **dict.fromkeys(ids[:86], "glutamate")}  # type: ignore[dict-item]
    changed = replace(fit, labels=labels)
    al = region(fit, "AL", vectors[:200], ids[:200])
    assert set(measure_drift(changed, [al]).advised) == {"AL", "all regions"}
    others = [region(fit, f"R{i}", vectors[200 + i : 201 + i], [ids[200 + i]]) for i in range(99)]
    assert measure_drift(changed, [al, *others]).advised == {}


def test_synapses_without_a_label_and_few_labels_do_not_count(fit: Fit) -> None:
    ids, vectors = fit.sample.synapse_ids.tolist(), blobs(300, 5)[0]

    def targets(region_: RegionNow, values: list[str | None]) -> RegionNow:
        return replace(
            region_,
            targets=pa.table(
                {"synapse_id": region_.synapses.column("synapse_id"), "target": pa.array(values, pa.string())}
            ),
        )

    eb = region(fit, "EB", vectors[200:], ids[200:])
    half = targets(eb, ["gaba"] * 50 + [None] * 30 + [""] * 20)
    row = measure_drift(fit, [half]).table.to_pylist()[0]
    assert (row["labelled_synapses"], row["new_labels"]) == (50, 0)
    nineteen = targets(eb, ["glutamate"] * 19 + [None] * 81)
    found = measure_drift(fit, [region(fit, "AL", vectors[:200], ids[:200]), nineteen])
    assert found.table.to_pylist()[1]["new_labels"] == 19
    assert found.advised == {}
    twenty = targets(eb, ["glutamate"] * 20 + [None] * 80)
    assert "20 of 20 labels" in measure_drift(fit, [twenty]).advised["EB"]


def test_a_region_of_less_than_a_hundredth_advises_nothing_by_itself(fit: Fit) -> None:
    ids = [f"a{i:04d}" for i in range(4000)]
    many = region(fit, "AL", blobs(4000, 5, seed=6)[0], ids)
    known = replace(fit, sample=replace(fit.sample, known={}), labels=dict.fromkeys(ids, "gaba"))
    strange = np.random.default_rng(1).normal(size=(60, 32))

    def advised(rows: int) -> set[str]:
        small = region(fit, "PB", strange[:rows], [f"p{i}" for i in range(rows)], noise=1.0, target="glutamate")
        return set(measure_drift(known, [many, small]).advised)

    assert advised(60) == {"PB"}
    assert advised(30) == set(), "30 of 4,030"


def test_noise_of_fewer_than_twenty_new_synapses_says_nothing(fit: Fit) -> None:
    vectors, ids = blobs(300, 5)[0], fit.sample.synapse_ids.tolist()

    def advised(more: int) -> dict[str, str]:
        wide = np.concatenate([vectors[200:], blobs(more, 5, seed=8)[0]])
        eb = region(fit, "EB", wide, [*ids[200:], *(f"n{i}" for i in range(more))])
        numbers = np.where(np.arange(100 + more) < 100, 0, -1)
        names = eb.clusters.column("synapse_id")
        return measure_drift(fit, [replace(eb, clusters=pa.table({"synapse_id": names, "cluster": numbers}))]).advised

    assert advised(19) == {}
    assert "100% of those that are not in the fitted sample" in advised(20)["EB"]


@pytest.mark.parametrize("fitted", [40, 5])
def test_distances_are_compared_with_those_of_the_same_region_unless_it_has_few(fitted: int) -> None:
    """EB is wider than AL by itself; with few fitted synapses in EB, all of the sample stand for it."""
    random = np.random.default_rng(0)
    wide = np.eye(32)[0] * 3 + random.normal(size=(400, 32))
    vectors = unit_rows(np.concatenate([np.eye(32)[1] * 3 + 0.2 * random.normal(size=(160, 32)), wide[:fitted]]))
    rows = pa.concat_tables(
        [table([f"a{i:03d}" for i in range(160)], "AL"), table([f"e{i:03d}" for i in range(fitted)], "EB")]
    )
    sample = FittedSample.of(rows, vectors, {"AL": 160, "EB": 400})
    places = np.zeros((len(vectors), 2), dtype=np.float32)
    map_ = Projection(np.unique(vectors, axis=0), places, places, "umap", 15, 0)
    fit = Fit(map_, sample, NoModel("-"), None, 0, NAMES)
    ids = [f"n{i}" for i in range(300)]
    now = unit_rows(wide[100:]).astype(np.float64)
    eb = RegionNow(
        "EB",
        table(ids, "EB"),
        pa.table({"synapse_id": ids, "cluster": [0] * 300}),
        pa.table({"synapse_id": ids, "target": [""] * 300}),
        lambda wanted: now[[int(one[1:]) for one in wanted]].astype(np.float32),
    )
    ratio = measure_drift(fit, [eb]).table.to_pylist()[0]["distance_ratio"]
    assert ratio == pytest.approx(1, abs=0.1) if fitted == 40 else ratio > 2


def test_bounds_are_those_of_the_textbooks() -> None:
    from scipy.stats import binomtest

    z = 2.5758293035489004
    for count, rows in ((43, 100), (0, 30), (30, 30), (7, 20)):
        wilson = binomtest(count, rows).proportion_ci(0.99, "wilson").low
        assert _lower_share(count, rows, z) == pytest.approx(wilson, abs=1e-12)
    assert _lower_share(0, 0, z) == 0.0
    values = np.random.default_rng(0).permutation(np.arange(101.0))
    assert [_median_bound(values, sign * 2.0) for sign in (-1, 1)] == [39.0, 61.0]
    assert [_median_bound(np.arange(3.0), sign * 9.0) for sign in (-1, 1)] == [0.0, 2.0]


def test_no_models_no_synapses(fit: Fit) -> None:
    none = NoModel("nothing fitted")
    ids, vectors = fit.sample.synapse_ids.tolist(), blobs(300, 5)[0]
    now = [region(fit, "AL", vectors[:200], ids[:200]), region(fit, "PB", vectors[:0], [])]
    without = Fit(none, FittedSample.nothing(), none, None, 0, dict.fromkeys(NAMES))
    found = measure_drift(without, now)
    assert (found.advised, found.table.column("synapses").to_pylist()) == ({}, [200, 0])
    assert found.table.column("umap_model").to_pylist() == [None, None]
    assert measure_drift(without, []).table.num_rows == 0
    assert measure_drift(fit, []).advised == {}
    assert measure_drift(fit, now).advised == {}
    no_map = replace(fit, projection=none, clusters=none)
    assert measure_drift(no_map, now).table.column("new_synapses").to_pylist() == [0, 0]


def test_known_labels_come_back(tmp_path: Path) -> None:
    assert load_known_labels(tmp_path) is None
    save_known_labels(tmp_path, {"b": "gaba", "a": "acétylcholine"})
    assert load_known_labels(tmp_path) == {"a": "acétylcholine", "b": "gaba"}
