"""Tables that were stored under an earlier schema: what of them can still be read as it is, and what has to be made anew.

A new column that may be empty reads as empty, a column that is no more is left out; anything else is refused with the step
to take. Changing what is stored belongs to the stores.
"""

from collections.abc import Sequence

import pyarrow as pa

from synapse_assets.errors import BadInput
from synapse_assets.schema import Table


def stored_columns(table: Table, stored: pa.Schema, columns: Sequence[str], where: str, step: str) -> list[str]:
    """Those of `columns` that are stored; the others can be read as empty.

    Raises BadInput naming `where`, the column, both types and the `step` to take, for a column of another type, and for one
    that is not stored and may not be empty.
    """
    there = []
    for name in columns:
        now = table.arrow.field(name)
        at = stored.get_field_index(name)
        if at < 0 and now.nullable:
            continue
        if at < 0 or not stored.field(at).type.equals(now.type):
            was = "missing there" if at < 0 else f"{stored.field(at).type} there"
            raise BadInput(
                f"table {table.name}: {where} is of another version of this program: column '{name}' is {was} and "
                f"{now.type} now; {step}"
            )
        there.append(name)
    return there


def as_now(table: Table, found: pa.Table, columns: Sequence[str], where: str, step: str) -> pa.Table:
    """`found` with exactly `columns`, typed as the schema has them; a column that is not there is empty.

    Raises BadInput for a column with empty values that may have none now.
    """
    schema = pa.schema([table.arrow.field(name) for name in columns])
    arrays = []
    for field in schema:
        if field.name not in found.column_names:
            arrays.append(pa.chunked_array([pa.nulls(found.num_rows, field.type)]))
            continue
        values = found.column(field.name)
        if values.null_count and not field.nullable:
            raise BadInput(
                f"table {table.name}: {where} is of another version of this program: column '{field.name}' has empty values, "
                f"which it may not have now; {step}"
            )
        arrays.append(values.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
