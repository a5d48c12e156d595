"""Content keys and comparisons tell equal content from other content, and nothing else; labels and vectors of rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_LABELS, embedding_table
from synapse_assets.stores import DatasetStore
from synapse_assets.stores import rows as stored_rows
from synapse_assets.stores.rows import changed_rows, content_key, labelled_synapses, usable_vectors, vector_rows
from synapse_assets_tests.stores.samples import synapses

ROWS = pa.table(
    {
        "synapse_id": ["a", "b", "c", "d"],
        "place": [1.5, 2.5, None, 0.0],
        "neuron_id": pa.array([2**60, 2**60 + 1, None, 0], pa.int64()),
        "target": ["gaba", None, "", "gaba"],
        "classes": [["gaba"], [], None, ["dopamine", "gaba"]],
        "good": [True, False, None, True],
    }
)


def test_the_order_of_rows_and_of_pieces_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    key = content_key(ROWS)
    assert len(key) == 16
    assert content_key(ROWS.take([3, 1, 0, 2])) == key
    assert content_key(pa.concat_tables([ROWS.slice(2), ROWS.slice(0, 2)])) == key
    monkeypatch.setattr(stored_rows, "_HASHED_ROWS", 3)
    assert content_key(ROWS) == key
    assert content_key(pa.RecordBatchReader.from_batches(ROWS.schema, ROWS.to_batches(max_chunksize=3))) == key
    assert content_key(pa.RecordBatchReader.from_batches(ROWS.schema, [])) == content_key(ROWS.slice(0, 0)) != key


def with_value(column: str, row: int, value: object) -> pa.Table:
    values = ROWS.column(column).to_pylist()
    values[row] = value
    place = ROWS.column_names.index(column)
    return ROWS.set_column(place, column, pa.array(values, ROWS.column(column).type))


CHANGES = [
    ("synapse_id", 0, "A"),
    ("place", 0, np.nextafter(1.5, 2)),
    ("place", 2, 0.0),
    ("neuron_id", 0, 2**60 + 1),
    ("neuron_id", 2, 0),
    ("target", 1, ""),
    ("target", 1, "nan"),
    ("target", 1, "None"),
    ("target", 2, None),
    ("classes", 3, ["gaba", "dopamine"]),
    ("good", 2, False),
]


@pytest.mark.parametrize(("column", "row", "value"), CHANGES)
def test_every_change_shows(column: str, row: int, value: object) -> None:
    """Also an empty value where there was a zero or an empty text, and a neuron id that a float would round to the same."""
    assert content_key(with_value(column, row, value)) != content_key(ROWS)


@pytest.mark.parametrize(("column", "row", "value"), [*CHANGES, ("classes", 2, []), ("classes", 0, None)])
def test_a_row_that_differs_in_any_column_is_changed_and_no_other(column: str, row: int, value: object) -> None:
    stored, wanted = ROWS, with_value(column, row, value)
    for before, after in ((stored, wanted), (wanted, stored)):
        changed, gone = changed_rows(before.take([3, 1, 0, 2]), after)
        assert changed.equals(after.slice(row, 1))
        # Only an id that is another one is gone.
        assert gone == ([before.column("synapse_id")[row].as_py()] if column == "synapse_id" else [])


def test_rows_that_are_new_and_rows_that_are_gone() -> None:
    changed, gone = changed_rows(ROWS.take([2, 0]), ROWS.take([3, 0, 1]))
    assert (changed.column("synapse_id").to_pylist(), gone) == (["d", "b"], ["c"])
    for stored in (ROWS, ROWS.take([1, 3, 2, 0])):
        changed, gone = changed_rows(stored, ROWS)
        assert (changed.num_rows, gone) == (0, []), "two empty values are the same"
    changed, gone = changed_rows(ROWS.slice(0, 0), ROWS)
    assert (changed.equals(ROWS), gone) == (True, [])
    changed, gone = changed_rows(ROWS, ROWS.slice(0, 0))
    assert (changed.num_rows, gone) == (0, ["a", "b", "c", "d"])


def test_a_label_counts_in_the_region_of_its_synapse(tmp_path: Path) -> None:
    """Of a synapse that moved the old region has a row still; of one that is gone it has one too."""
    store = DatasetStore(str(tmp_path), "sample")
    for region, ids in (("A", ["a", "bare"]), ("B", ["moved"])):
        store.synapses.replace_region(region, synapses(region, ids), [])
    told = {"A": {"moved": "wrong", "a": "gaba", "gone": "gaba"}, "B": {"moved": "glutamate", "a": "wrong"}}
    for region, classes in told.items():
        rows = [{"synapse_id": one, "brain_region": region, "target": name} for one, name in classes.items()]
        store.results(SYNAPSE_LABELS).write_partition(region, pa.Table.from_pylist(rows, schema=SYNAPSE_LABELS.arrow))
    found = {row["synapse_id"]: row for row in labelled_synapses(store, ["target", "neuron_id"]).to_pylist()}
    assert {name: row["target"] for name, row in found.items()} == {"a": "gaba", "bare": None, "moved": "glutamate"}
    assert {row["neuron_id"] for row in found.values()} == {2**60 + 1}
    some = labelled_synapses(store, ["target"], ["moved", "bare", "gone"])
    assert some.select(["synapse_id", "target"]).to_pylist() == [
        {"synapse_id": "moved", "target": "glutamate"},
        {"synapse_id": "bare", "target": None},
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 65_520.0])
def test_one_vector_that_float16_cannot_hold_is_named(value: float) -> None:
    matrix = np.ones((3, 4), np.float32)
    matrix[1, 2] = value
    with pytest.raises(BadInput, match="no finite float16 vector for 1 tiles, first b"):
        vector_rows(embedding_table(4), ["a", "b", "c"], "EB", ["h"] * 3, "m1", matrix)


def test_vectors_without_a_number_are_not_usable() -> None:
    matrix = np.zeros((4, 3), np.float32)
    matrix[0, 1] = -1e-3
    matrix[3] = 65_504
    rows = vector_rows(embedding_table(3), list("abcd"), "EB", ["h"] * 4, "m1", matrix)
    assert usable_vectors(rows) == 2
    assert usable_vectors(rows.slice(0, 0)) == 0
    holes = pa.array([[1, np.nan, 1], [np.inf, 1, 1], [0, 0, 0], [0, 0, 1]], pa.list_(pa.float16(), 3))
    assert usable_vectors(rows.set_column(4, rows.schema.field("vector"), holes)) == 1


def test_keys_of_what_is_stored_stay() -> None:
    """A key that changes has everything made from such rows made again."""
    assert content_key(ROWS) == "08969cc81b03b550"


def test_names_numbers_of_rows_and_further_texts_count() -> None:
    keys = {
        content_key(ROWS),
        content_key(ROWS, "more"),
        content_key(ROWS.slice(1)),
        content_key(pa.concat_tables([ROWS, ROWS])),
        content_key(ROWS.rename_columns([name.upper() for name in ROWS.column_names])),
        content_key(ROWS.select(ROWS.column_names[::-1])),
        content_key(ROWS.slice(0, 0)),
    }
    assert len(keys) == 7
    # Values that change rows with one another are another content.
    swapped = ROWS.set_column(0, "synapse_id", pa.array(["b", "a", "c", "d"]))
    assert content_key(swapped) != content_key(ROWS)
