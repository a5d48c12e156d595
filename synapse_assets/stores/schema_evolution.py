"""Tables that were stored under an earlier schema: what can still be read as it is, and what has to be computed again.

A new column that may be empty reads as empty, a column that no longer exists is left out; anything else is refused with the
step to take. Changing what is stored belongs to the stores.
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
    present = []
    for name in columns:
        field = table.arrow.field(name)
        index = stored.get_field_index(name)
        if index < 0 and field.nullable:
            continue
        if index < 0 or not stored.field(index).type.equals(field.type):
            was = "missing there" if index < 0 else f"{stored.field(index).type} there"
            raise BadInput(
                f"table {table.name}: {where} is of another version of this program: column '{name}' is {was} and "
                f"{field.type} now; {step}"
            )
        present.append(name)
    return present


def to_current_schema(table: Table, rows: pa.Table, columns: Sequence[str], where: str, step: str) -> pa.Table:
    """`rows` with exactly `columns`, of the types in the schema; a missing column is empty.

    Raises BadInput for a column with empty values that may not have any now.
    """
    schema = pa.schema([table.arrow.field(name) for name in columns])
    arrays = []
    for field in schema:
        if field.name not in rows.column_names:
            arrays.append(pa.chunked_array([pa.nulls(rows.num_rows, field.type)]))
            continue
        values = rows.column(field.name)
        if values.null_count and not field.nullable:
            raise BadInput(
                f"table {table.name}: {where} is of another version of this program: column '{field.name}' has empty values, "
                f"which it may not have now; {step}"
            )
        arrays.append(values.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
