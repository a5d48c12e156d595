"""Content keys tell equal content from other content, and nothing else."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.stores import rows as stored_rows
from synapse_assets.stores.rows import content_key

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


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("synapse_id", 0, "A"),
        ("place", 0, np.nextafter(1.5, 2)),
        ("place", 2, 0.0),
        ("neuron_id", 0, 2**60 + 1),
        ("neuron_id", 2, 0),
        ("target", 1, ""),
        ("target", 2, None),
        ("classes", 3, ["gaba", "dopamine"]),
        ("good", 2, False),
    ],
)
def test_every_change_shows(column: str, row: int, value: object) -> None:
    """Also an empty value where there was a zero or an empty text, and a neuron id that a float would round to the same."""
    values = ROWS.column(column).to_pylist()
    values[row] = value
    place = ROWS.column_names.index(column)
    changed = ROWS.set_column(place, column, pa.array(values, ROWS.column(column).type))
    assert content_key(changed) != content_key(ROWS)


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
