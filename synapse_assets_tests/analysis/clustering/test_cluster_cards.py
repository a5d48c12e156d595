"""Cluster cards: typical members, composition, and clusters that one neuron makes up."""

import json

import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.cluster_cards import cluster_cards


def test_cards_say_who_a_cluster_belongs_to() -> None:
    rows = pa.table(
        {
            "synapse_id": [f"s{i:02d}" for i in range(40)],
            "cluster": pa.array([0] * 9 + [1] * 8 + [-1] * 23, pa.int32()),
            "brain_region": ["AL", "EB"] * 20,
            "target": ["gaba"] * 5 + [None] * 4 + ["gaba", "glutamate"] * 4 + [None] * 23,
            "neuron_id": pa.array([2**60 + 1] * 6 + [2**60] * 3 + [None] * 28 + [5, 6, 7], pa.int64()),
            "valid_fraction": [1.0] * 9 + [0.9] * 6 + [1.0] * 25,
            "reduced": [[float(i), 0.0] for i in range(40)],
        }
    )
    noise, first, second = cluster_cards(rows, "fragile").to_pylist()
    assert [card["verdict"] for card in (noise, first, second)] == [None, "fragile", "fragile"]
    assert set(cluster_cards(rows).column("verdict").to_pylist()) == {None}
    assert (noise["cluster"], noise["medoids"], noise["one_neuron"]) == (-1, [], False)
    assert first["medoids"] == ["s04", "s03", "s05", "s02", "s06"]
    assert (first["synapses"], first["share"], first["neurons"]) == (9, 0.225, 2)
    assert (first["one_neuron"], json.loads(first["explained_by"])) == (True, {"one neuron": 6})
    assert first["explanation"] == f"67 % of its synapses are of neuron {2**60 + 1} (15 % of all)"
    assert json.loads(second["explained_by"]) == {"padded": 6}
    assert (noise["explained_by"], noise["explanation"]) == (None, None)
    assert first["top_neuron_share"] == pytest.approx(6 / 9)
    assert json.loads(first["targets"]) == {"gaba": 5}
    assert (second["neurons"], second["top_neuron_share"], second["one_neuron"]) == (0, None, False)
    assert (noise["share"], noise["neurons"]) == (0.575, 3)
    assert list(json.loads(second["targets"]).items()) == [("gaba", 4), ("glutamate", 4)]
    assert cluster_cards(rows.slice(0, 0)).num_rows == 0


@pytest.mark.parametrize(
    ("of_one", "of_others", "one_neuron"), [(5, 4, True), (4, 0, False), (5, 5, False), (6, 5, True)]
)
def test_a_cluster_is_of_one_neuron_with_more_than_half_and_five(of_one: int, of_others: int, one_neuron: bool) -> None:
    """Where it has few of the others: of noise that is all of its own neuron nothing is said."""
    rows = of_one + of_others
    table = pa.table(
        {
            "synapse_id": [f"s{i:04d}" for i in range(1000 + rows)],
            "cluster": pa.array([0] * rows + [-1] * 1000, pa.int32()),
            "brain_region": ["AL"] * (1000 + rows),
            "target": pa.nulls(1000 + rows, pa.string()),
            "neuron_id": pa.array([1] * of_one + [2 + i for i in range(of_others)] + [0] * 1000, pa.int64()),
            "reduced": [[0.0]] * (1000 + rows),
        }
    )
    noise, card = cluster_cards(table).to_pylist()
    assert (card["one_neuron"], noise["one_neuron"]) == (one_neuron, False)
    assert (card["top_neuron_share"], noise["top_neuron_share"]) == (of_one / rows, 1)
    everywhere = table.set_column(4, "neuron_id", pa.array([1] * (1000 + rows), pa.int64()))
    assert not any(cluster_cards(everywhere).column("one_neuron").to_pylist())
