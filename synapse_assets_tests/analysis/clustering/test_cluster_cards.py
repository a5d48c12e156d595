"""Cluster cards: typical members, composition, and clusters that one neuron makes up."""

import json

import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.cluster_cards import cluster_cards


def test_cards_say_who_a_cluster_belongs_to() -> None:
    rows = pa.table(
        {
            "synapse_id": [f"s{i}" for i in range(20)],
            "cluster": pa.array([0] * 9 + [1] * 8 + [-1] * 3, pa.int32()),
            "brain_region": ["AL", "EB"] * 10,
            "target": ["gaba"] * 5 + [None] * 4 + ["gaba", "glutamate"] * 4 + [None] * 3,
            "neuron_id": pa.array([2**60 + 1] * 6 + [2**60] * 3 + [None] * 8 + [5, 6, 7], pa.int64()),
            "reduced": [[float(i), 0.0] for i in range(20)],
        }
    )
    noise, first, second = cluster_cards(rows, "fragile").to_pylist()
    assert [card["verdict"] for card in (noise, first, second)] == [None, "fragile", "fragile"]
    assert set(cluster_cards(rows).column("verdict").to_pylist()) == {None}
    assert (noise["cluster"], noise["medoids"], noise["one_neuron"]) == (-1, [], False)
    assert first["medoids"] == ["s4", "s3", "s5", "s2", "s6"]
    assert (first["synapses"], first["share"], first["neurons"]) == (9, 0.45, 2)
    assert first["one_neuron"]
    assert first["top_neuron_share"] == pytest.approx(6 / 9)
    assert json.loads(first["targets"]) == {"gaba": 5}
    assert (second["neurons"], second["top_neuron_share"], second["one_neuron"]) == (0, None, False)
    assert (noise["share"], noise["neurons"]) == (0.15, 3)
    assert list(json.loads(second["targets"]).items()) == [("gaba", 4), ("glutamate", 4)]
    assert cluster_cards(rows.slice(0, 0)).num_rows == 0


@pytest.mark.parametrize(
    ("of_one", "of_others", "one_neuron"), [(5, 4, True), (4, 0, False), (5, 5, False), (6, 5, True)]
)
def test_a_cluster_is_of_one_neuron_with_more_than_half_and_five(of_one: int, of_others: int, one_neuron: bool) -> None:
    rows = of_one + of_others
    table = pa.table(
        {
            "synapse_id": [f"s{i}" for i in range(2 * rows)],
            "cluster": pa.array([0] * rows + [-1] * rows, pa.int32()),
            "brain_region": ["AL"] * 2 * rows,
            "target": pa.nulls(2 * rows, pa.string()),
            "neuron_id": pa.array(([1] * of_one + [2 + i for i in range(of_others)]) * 2, pa.int64()),
            "reduced": [[0.0]] * 2 * rows,
        }
    )
    noise, card = cluster_cards(table).to_pylist()
    assert (card["one_neuron"], noise["one_neuron"]) == (one_neuron, False)
    assert card["top_neuron_share"] == noise["top_neuron_share"] == of_one / rows
