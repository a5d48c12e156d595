"""What is known of a synapse: its own label first, then its neuron's, joined by id."""

import pyarrow as pa

from synapse_assets.schema import NEURONS, SYNAPSE_LABELS, SYNAPSE_TABLE
from synapse_assets.sources.labels import label_rows

LARGE = 720575940600000001  # above 2^53: as a float it would be its neighbour's id


def rows(**labels: list[object]) -> pa.Table:
    count = 5
    neurons = [LARGE, LARGE + 1, None, 3, LARGE]
    values = {column.name: pa.nulls(count, column.type) for column in SYNAPSE_TABLE.columns}
    values |= {"synapse_id": pa.array([f"s{i}" for i in range(count)]), "brain_region": pa.array(["EB"] * count)}
    values |= {name: pa.array(["x"] * count) for name in ("volume", "source", "source_file")}
    values |= {name: pa.array([0.0] * count) for name in ("x_nm", "y_nm", "z_nm")}
    values["neuron_id"] = pa.array(neurons, pa.int64())
    for name, given in labels.items():
        values[name] = pa.array(given, SYNAPSE_TABLE.arrow.field(name).type)
    return SYNAPSE_TABLE.conform(pa.table(values))


def neurons() -> pa.Table:
    return NEURONS.conform(
        pa.table(
            {
                "neuron_id": pa.array([LARGE + 1, LARGE, 99], pa.int64()),
                "target": [None, "gaba", "dopamine"],
                "known_classes": [["dopamine", "gaba"], ["gaba"], ["dopamine"]],
                "hemilineage": ["07B", None, "ALad1"],
                "cell_type": [None, "PN", "KC"],
                "side": [None, "left", None],
                "source_file": ["a.csv"] * 3,
            }
        )
    )


def test_labels_come_from_the_neuron_by_id() -> None:
    table, disagreeing = label_rows(rows(), neurons())
    assert table.schema.equals(SYNAPSE_LABELS.arrow)
    assert table.column("target").to_pylist() == ["gaba", None, None, None, "gaba"]
    assert table.column("known_classes").to_pylist() == [["gaba"], ["dopamine", "gaba"], None, None, ["gaba"]]
    assert table.column("hemilineage").to_pylist() == [None, "07B", None, None, None]
    assert table.column("cell_type").to_pylist() == ["PN", None, None, None, "PN"]
    assert disagreeing == 0


def test_a_label_of_its_own_stays_and_disagreement_is_counted() -> None:
    own = rows(
        target=["glutamate", "gaba", "gaba", None, None],
        known_classes=[["glutamate"], ["gaba"], ["gaba"], ["octopamine", "gaba"], []],
        hemilineage=["12A", None, None, "01A", None],
    )
    table, disagreeing = label_rows(own, neurons())
    assert table.column("target").to_pylist() == ["glutamate", "gaba", "gaba", None, "gaba"]
    assert table.column("known_classes").to_pylist()[3:] == [["octopamine", "gaba"], ["gaba"]]
    assert table.column("hemilineage").to_pylist() == ["12A", "07B", None, "01A", None]
    # The first row and its neuron name other classes; of the second the neuron names one more.
    assert disagreeing == 2


def test_no_neurons_and_no_rows() -> None:
    table, _ = label_rows(rows(target=["gaba"] * 5), NEURONS.empty())
    assert table.column("target").to_pylist() == ["gaba"] * 5
    assert label_rows(SYNAPSE_TABLE.empty(), neurons())[0].num_rows == 0
