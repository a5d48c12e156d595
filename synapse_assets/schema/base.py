"""What a table is: its columns, their Arrow types and what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from synapse_assets.errors import BadInput

MADE_FROM = b"made_from"
"""The key of a stored Parquet file under which it says what its rows were made from: JSON of versions by name."""


@dataclass(frozen=True)
class Column:
    """One column: name, Arrow type, one sentence for a reader who did not write it, and whether it may be null."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table: what a row is, and its columns in order."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, nullability included."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]

    def conform(self, table: pa.Table) -> pa.Table:
        """`table` with exactly these columns, in this order and of these types.

        Raises BadInput naming the missing column, the column that cannot be cast, or the column with nulls that may have none.
        """
        arrays = []
        for column in self.columns:
            if column.name not in table.column_names:
                raise BadInput(f"table {self.name}: column '{column.name}' is missing; there are {table.column_names}")
            values = table.column(column.name)
            try:
                values = values.cast(column.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise BadInput(f"table {self.name}: column '{column.name}' is not {column.type}: {error}") from error
            if values.null_count and not column.nullable:
                raise BadInput(f"table {self.name}: column '{column.name}' has {values.null_count} empty values")
            arrays.append(values)
        return pa.Table.from_arrays(arrays, schema=self.arrow)

    def empty(self) -> pa.Table:
        """A table of no rows."""
        return self.arrow.empty_table()

    def with_columns(self, columns: Sequence[Column]) -> "Table":
        """This table with more columns at its end."""
        return Table(self.name, self.description, self.columns + tuple(columns))


VERDICT = Column(
    "verdict",
    pa.string(),
    "How far the clusters can be trusted: stable, fragile, or not distinguishable from noise; empty where they were not assessed, or "
    "not since they were last found.",
    nullable=True,
)
"""Stands in a release beside every cluster; it is not stored with the rows, since clusters are assessed after they are found."""

INPUT_FILES = Table(
    "input_files",
    "One row per file that the dataset is read from, at the last nightly look.",
    (
        Column("input", pa.string(), "The asset that stands for these files, such as synapse_source."),
        Column("source", pa.string(), "Name of the source in the dataset's YAML."),
        Column("file", pa.string(), "Path or address."),
        Column("signature", pa.string(), "Size and time of change, or what the server says of it."),
        Column(
            "content", pa.string(), "SHA-256 of the bytes; of very large files and those at addresses, the signature."
        ),
    ),
)
