"""Ids as Arrow arrays give what lists and sets of texts give."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.stores.ids import are_unique, first_of_each, without


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
