"""Columns of text that may be of all synapses of a dataset. Which columns there are belongs to `schema`.

Arrow's texts have 32-bit offsets: no array of them holds more than 2 GiB, which 110 million ids of 20 bytes do. A column may, in
pieces, but fails as soon as it is joined, sorted or rows of it are taken.
"""

import pyarrow as pa

# Half of what an array can hold: whoever takes rows may take some of them twice.
MOST_BYTES = 2**30


def with_room(rows: pa.Table) -> pa.Table:
    """The rows, with 64-bit offsets in each column of text that is too long for others; every function takes both kinds."""
    for index, field in enumerate(rows.schema):
        column = rows.column(index)
        if field.type == pa.string() and column.nbytes > MOST_BYTES:
            rows = rows.set_column(index, field.with_type(pa.large_string()), column.cast(pa.large_string()))
    return rows
