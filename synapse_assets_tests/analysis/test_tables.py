"""Rows in, rows of the schema out: each filter and each key counts."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis import tables as t
from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
from synapse_assets.analysis.clustering.projection import Projection
from synapse_assets.analysis.evaluation.sampling import stratified_sample
from synapse_assets.artifacts import NoModel
from synapse_assets.schema import CLUSTERS, SPLITS, UMAP_COORDINATES
from synapse_assets_tests.analysis.planted import blobs


def test_a_sample_of_rows_has_every_region_and_depends_on_ids_and_seed() -> None:
    rows = pa.table({"synapse_id": [f"s{i}" for i in range(200)], "brain_region": ["AL"] * 190 + ["EB"] * 10})
    chosen = t.stratified_rows(rows, 40, 1)
    assert t.region_counts(chosen) == {"AL": 37, "EB": 3}
    mixed = rows.take(np.random.default_rng(0).permutation(200))
    ids = [set(t.stratified_rows(r, 40, s).column("synapse_id").to_pylist()) for r, s in ((rows, 1), (mixed, 1))]
    assert ids[0] == ids[1] == set(chosen.column("synapse_id").to_pylist())
    assert set(t.stratified_rows(rows, 40, 2).column("synapse_id").to_pylist()) != ids[0]


@pytest.mark.parametrize("size", [-1, 0, 1, 2, 17, 299, 300, 1000])
def test_a_sample_of_rows_is_that_of_texts_however_it_is_cut(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t, "_AT_ONCE", 7)
    regions = np.random.default_rng(0).choice(["zeta", "B", "b", "é", "AL_R"], 300).tolist()
    rows = pa.table({"synapse_id": [f"s{i}" for i in range(300)], "brain_region": regions})
    rows = pa.concat_tables([rows.slice(0, 100), rows.slice(100)])
    expected = stratified_sample(regions, size, 3, rows.column("synapse_id").to_pylist())
    assert t.stratified_rows(rows, size, 3).to_pylist() == rows.take(expected).to_pylist()


def test_a_labelled_sample_has_a_class_a_group_and_a_vector() -> None:
    synapses = pa.table(
        {
            "synapse_id": ["a", "b", "c", "d", "e", "f"],
            "target": ["gaba", None, "", "gaba", "glutamate", "glutamate"],
            "neuron_id": pa.array([2**60 + 1, 2, 3, None, 5, 6], pa.int64()),
            "hemilineage": ["h1", "h2", "h3", "h4", "", "h6"],
        }
    )
    among = pa.table({"synapse_id": ["a", "b", "c", "d", "e"]})
    assert t.labelled_sample(synapses, among, "neuron_id", 9, 0) == (
        ["a", "e"],
        ["gaba", "glutamate"],
        [str(2**60 + 1), "5"],
    )
    assert t.labelled_sample(synapses, among, "hemilineage", 9, 0) == (["a", "d"], ["gaba", "gaba"], ["h1", "h4"])

    many = pa.table(
        {
            "synapse_id": [f"s{i:03d}" for i in range(300)],
            "target": ["gaba"] * 297 + ["rare"] * 3,
            "neuron_id": list(range(300)),
        }
    )
    ids, targets, groups = t.labelled_sample(many, many, "neuron_id", 30, 0)
    assert (len(ids), targets.count("rare")) == (30, 1)
    assert [int(one[1:]) for one in ids] == [int(group) for group in groups]
    assert ids != t.labelled_sample(many, many, "neuron_id", 30, 1)[0]


SYNAPSES = pa.table(
    {
        "synapse_id": ["a", "b", "c"],
        "brain_region": ["AL", "EB", "EB"],
        "target": ["gaba", None, "glutamate"],
        "neuron_id": pa.array([7, 8, None], pa.int64()),
    }
)


def test_rows_left_behind_in_an_old_region_and_of_synapses_that_are_gone_do_not_count() -> None:
    rows = pa.table({"synapse_id": ["b", "a", "b", "gone"], "brain_region": ["EB", "AL", "AL", "AL"], "n": range(4)})
    assert t.current_rows(rows, SYNAPSES).column("n").to_pylist() == [0, 1]
    assert t.current_rows(rows, SYNAPSES.slice(0, 0)).num_rows == 0
    assert t.values_of(rows.slice(1), "n", ["gone", "c", "a"]) == [3, None, 1]


def test_targets_are_of_all_splits_and_groups_of_one() -> None:
    rows = [("a", "random", "a"), ("b", "random", "b"), ("a", "neuron_id", "7")]
    splits = pa.Table.from_pylist(
        [
            {"synapse_id": one, "brain_region": "AL", "split": split, "group": group, "fold": 0, "target": f"of {one}"}
            for one, split, group in rows
        ],
        schema=SPLITS.arrow,
    )
    assert t.targets_and_groups(splits, "neuron_id") == ({"a": "of a", "b": "of b"}, {"a": "7"})


def test_places_and_clusters_are_those_of_the_models(projection: Projection, clusters: ClusterModel) -> None:
    vectors = blobs(3, 5, seed=2)[0].astype(np.float32)
    placed = t.place_rows(projection, SYNAPSES, vectors, "m1")
    xy, reduced = projection.apply(vectors)
    assert placed.schema == UMAP_COORDINATES.arrow
    assert placed.column("umap_1").to_pylist() == xy[:, 0].tolist()
    assert placed.column("umap_2").to_pylist() == xy[:, 1].tolist()
    assert placed.column("reduced").to_pylist() == reduced.tolist()
    assert set(placed.column("umap_model").to_pylist()) == {"m1"}
    named = t.assign_rows(clusters, placed, "c1")
    assert named.column("synapse_id").to_pylist() == ["a", "b", "c"]
    assert named.column("cluster").to_pylist() == clusters.apply(reduced).tolist()
    assert set(named.column("cluster_model").to_pylist()) == {"c1"}
    nothing = NoModel("-")
    assert t.place_rows(nothing, SYNAPSES, vectors, "m1").equals(UMAP_COORDINATES.empty())
    assert t.assign_rows(nothing, placed, "c1").equals(CLUSTERS.empty())
    assert t.assign_rows(clusters, placed.slice(0, 0), "c1").equals(CLUSTERS.empty())


def test_cards_are_made_of_what_is_there_now() -> None:
    """c has no place on the map, b has an old row in AL; classes and neurons are those of the synapse, whatever the order."""
    clusters = pa.table(
        {"synapse_id": ["c", "b", "b", "a"], "brain_region": ["EB", "EB", "AL", "AL"], "cluster": pa.array([1, 1, 0, 0], pa.int32())}
    )  # fmt: skip
    coordinates = pa.table(
        {"synapse_id": ["a", "b"], "brain_region": ["AL", "EB"], "reduced": [[0.0, 1.0], [5.0, 1.0]]}
    )
    first, second = t.card_rows(SYNAPSES, clusters, coordinates).to_pylist()
    assert (first["cluster"], first["medoids"], first["targets"], first["regions"]) == (
        0, ["a"], '{"gaba": 1}', '{"AL": 1}'
    )  # fmt: skip
    assert (second["cluster"], second["medoids"], second["targets"], second["neurons"], second["share"]) == (
        1, ["b"], "{}", 1, 0.5
    )  # fmt: skip
