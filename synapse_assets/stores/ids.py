"""Ids of synapses as Arrow arrays: a region has millions, of which a Python text each takes five times the memory.

What the ids are of belongs to the stores.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def without(ids: pa.Array, others: pa.Array) -> pa.Array:
    """Those of `ids` that are none of `others`, in their order."""
    return ids.filter(pc.invert(pc.is_in(ids, value_set=others)))


def are_unique(ids: pa.Array) -> bool:
    """Whether no id is there twice."""
    return len(pc.unique(ids)) == len(ids)


def first_of_each(ids: pa.Array) -> pa.Array:
    """Whether an id is the first of its kind: truth values (n,)."""
    return pc.equal(pc.index_in(ids, value_set=ids), pa.array(np.arange(len(ids), dtype=np.int32)))


def alone(ids: pa.Array) -> pa.Array:
    """The ids in memory of their own: as part of what was read they would keep the pictures beside them there."""
    return pa.concat_arrays([ids])
