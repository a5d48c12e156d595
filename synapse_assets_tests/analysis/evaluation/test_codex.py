"""The shape of Codex's neurons.csv, column by column."""

import json

import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.codex import LEFT_OUT, codex_table
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURON_ANSWERS


def neurons(rows: list[tuple[int, str, dict[str, float]]]) -> pa.Table:
    columns = {name: NEURON_ANSWERS.arrow.field(name).type for name in ("neuron_id", "answer", "probabilities")}
    values = [dict(zip(columns, (neuron, answer, list(of.items())), strict=True)) for neuron, answer, of in rows]
    return pa.Table.from_pylist(values, schema=pa.schema(list(columns.items())))


def test_columns_and_names() -> None:
    table = codex_table(
        neurons(
            [
                (720575940600000001, "acetylcholine", {"acetylcholine": 0.8, "gaba": 0.1, "histamine": 0.1}),
                (720575940600000002, "unclear", {"acetylcholine": 0.4, "gaba": 0.5, "histamine": 0.1}),
                (720575940600000003, "histamine", {"acetylcholine": 0.1, "gaba": 0.1, "histamine": 0.8}),
            ]
        )
    )
    header = "root_id,group,nt_type,nt_type_score,da_avg,ser_avg,gaba_avg,glut_avg,ach_avg,oct_avg"
    assert table.column_names == header.split(",")
    assert table.column("root_id").to_pylist() == [720575940600000001 + row for row in range(3)]
    assert table.column("nt_type").to_pylist() == ["ACH", None, None]
    assert table.column("nt_type_score").to_pylist() == [0.8, None, None]
    assert table.column("ach_avg").to_pylist() == [0.8, 0.4, 0.1]
    assert table.column("gaba_avg").to_pylist() == [0.1, 0.5, 0.1]
    for name in ("group", "da_avg", "ser_avg", "glut_avg", "oct_avg"):
        assert table.column(name).null_count == 3, name
    assert json.loads(table.schema.metadata[LEFT_OUT]) == ["histamine"]


def test_every_class_of_codex() -> None:
    full = {"dopamine": 0.3, "serotonin": 0.2, "gaba": 0.1, "glutamate": 0.15, "acetylcholine": 0.05, "octopamine": 0.2}
    table = codex_table(neurons([(1, name, full) for name in full]))
    assert table.column("nt_type").to_pylist() == ["DA", "SER", "GABA", "GLUT", "ACH", "OCT"]
    assert table.column("nt_type_score").to_pylist() == list(full.values())
    assert json.loads(table.schema.metadata[LEFT_OUT]) == []
    assert codex_table(neurons([])).num_rows == 0


def test_other_tables_are_refused() -> None:
    with pytest.raises(BadInput, match=r"has no column \['answer'\]"):
        codex_table(neurons([]).drop_columns(["answer"]))
