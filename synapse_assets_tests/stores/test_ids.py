"""Ids as Arrow arrays give what lists and sets of texts give."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.stores.ids import alone, are_unique, first_of_each, without


@pytest.mark.parametrize("seed", range(3))
def test_arrays_give_what_sets_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids, others = ([f"s{number}" for number in rng.integers(0, 80, count)] for count in (60, 40))
    array = pa.array(ids)
    assert without(array, pa.array(others)).to_pylist() == [one for one in ids if one not in set(others)]
    assert first_of_each(array).to_pylist() == [one not in ids[:place] for place, one in enumerate(ids)]
    assert not are_unique(array)
    assert are_unique(array.filter(first_of_each(array)))


def test_no_ids() -> None:
    none = pa.array([], pa.string())
    assert are_unique(none)
    assert len(first_of_each(none)) == 0
    assert without(pa.array(["a"]), none).to_pylist() == ["a"]
    assert without(none, pa.array(["a"])).to_pylist() == []


def test_ids_alone_keep_nothing_else_in_memory() -> None:
    with pa.BufferOutputStream() as stream:
        rows = pa.table({"synapse_id": ["a", "b"], "image": [b"x" * 1000] * 2})
        with pa.ipc.new_file(stream, rows.schema) as writer:
            writer.write(rows)
        column = pa.ipc.open_file(stream.getvalue()).get_batch(0).column(0)
    data = alone(column).buffers()[2]
    assert alone(column).equals(column)
    assert data.address != column.buffers()[2].address
