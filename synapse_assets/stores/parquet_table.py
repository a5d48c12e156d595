"""Result tables as Parquet: one file a partition (brain region, investigation group), or one file for a table without any.

What belongs in a table is defined by its schema; which rows are current is decided when the warehouse is built.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synapse_assets.errors import BadInput
from synapse_assets.schema import MADE_FROM, Table
from synapse_assets.stores.files import Files, segment
from synapse_assets.stores.schema_evolution import stored_columns, to_current_schema
from synapse_assets.stores.texts import with_room

_FILE = "data.parquet"


def partition_folder(by: str, key: str) -> str:
    """The folder of a partition, named as Hive names them: `brain_region=EB`."""
    return f"{by}={segment(key)}"


def partition_of(by: str, folder: str) -> str | None:
    """The partition whose folder it is; None for any other name."""
    return unquote(folder.removeprefix(f"{by}=")) if folder.startswith(f"{by}=") else None


@dataclass(frozen=True)
class ParquetTable:
    """The table `table` in `folder`: either `<by>=<key>/data.parquet` for every partition, or one `data.parquet`.

    The column `by` is in the files too, so a single file can be read by itself. A file can hold what its rows were made
    from: versions by name, given when it is written. With `keys`, only those partitions count.
    """

    folder: Files
    table: Table
    by: str = "brain_region"
    keys: tuple[str, ...] | None = None

    def of(self, keys: Collection[str]) -> "ParquetTable":
        """The same table with only those partitions."""
        return replace(self, keys=tuple(keys))

    def write_partition(self, key: str, rows: pa.Table, made_from: Mapping[str, str] | None = None) -> None:
        """Replaces the rows of one partition in one step; no rows is a file of no rows.

        Raises BadInput for rows that do not fit the schema or belong to another partition.
        """
        if self.folder.exists(_FILE):
            raise BadInput(
                f"table {self.table.name} is stored as one file; remove {self.files()[0]} to store it by {self.by}"
            )
        rows = self.table.conform(rows)
        other_partitions = [name for name in pc.unique(rows.column(self.by)).to_pylist() if name != key]
        if other_partitions:
            raise BadInput(f"table {self.table.name}, {self.by} '{key}': there are rows of {other_partitions} to write")
        self._put(self.folder.child(partition_folder(self.by, key)), rows, made_from or {})

    def write(self, rows: pa.Table, made_from: Mapping[str, str] | None = None) -> None:
        """Replaces the whole table, kept as one file, in one step. Raises BadInput for rows that do not fit."""
        if self._keys():
            raise BadInput(
                f"table {self.table.name} is stored by {self.by}; remove the partitions in {self.folder.root} first"
            )
        self._put(self.folder, self.table.conform(rows), made_from or {})

    def made_from(self, key: str | None = None) -> dict[str, str] | None:
        """What the stored rows were made from, as given when they were written; None if nothing was written."""
        folder = self.folder if key is None else self.folder.child(partition_folder(self.by, key))
        try:
            with folder.open(_FILE) as source:
                metadata = pq.read_schema(source).metadata or {}
        except FileNotFoundError:
            return None
        versions: dict[str, str] = json.loads(metadata.get(MADE_FROM, b"{}"))
        return versions

    def read(self, key: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a partition, or of all; empty where nothing was written.

        A column of more than a gigabyte of text comes with 64-bit offsets, see `texts`. Raises BadInput for an unknown column.
        """
        names = self.table.names if columns is None else list(columns)
        unknown = [name for name in names if name not in self.table.names]
        if unknown:
            raise BadInput(f"table {self.table.name} has no column {unknown}; there are {self.table.names}")
        if self.folder.exists(_FILE):
            needed = names if key is None else list(dict.fromkeys([*names, self.by]))
            rows = self._get(self.folder, needed)
            if key is not None:
                rows = rows.filter(pc.equal(rows.column(self.by), key))
            return with_room(rows.select(names))
        keys = self._keys() if key is None else [key]
        parts = [self._get(self.folder.child(partition_folder(self.by, partition)), names) for partition in keys]
        return with_room(pa.concat_tables(parts)) if parts else self._schema(names).empty_table()

    def reader(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Streams these columns of all rows. Raises BadInput for an unknown column."""
        folders = [Files(path.rsplit("/", 1)[0], self.folder.local_root) for path in self.files()]
        rows = (part for folder in folders for part in self._parts(folder, columns, 65_536))
        return pa.RecordBatchReader.from_batches(self._schema(columns), (b for part in rows for b in part.to_batches()))

    def partitions(self) -> dict[str, int]:
        """Number of rows of every partition that was written, also of empty ones; none for a table kept as one file."""
        counts = {}
        for key in self._keys():
            with self.folder.child(partition_folder(self.by, key)).open(_FILE) as source:
                counts[key] = pq.read_metadata(source).num_rows
        return counts

    def remove_partition(self, key: str) -> None:
        """Removes a partition, if it was written."""
        self.folder.remove(partition_folder(self.by, key))

    def files(self) -> list[str]:
        """Paths of the files that hold the table now."""
        if self.folder.exists(_FILE):
            return [f"{self.folder.root}/{_FILE}"]
        return [f"{self.folder.child(partition_folder(self.by, key)).root}/{_FILE}" for key in self._keys()]

    @property
    def version(self) -> str:
        """Hash of the files' bytes and partitions; empty before anything was written."""
        digest = hashlib.sha256()
        for path in (files := self.files()):
            folder, name = path.rsplit("/", 1)
            digest.update(path.removeprefix(self.folder.root).encode())
            with Files(folder).open(name) as source:
                while block := source.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()[:12] if files else ""

    def _keys(self) -> list[str]:
        folders = [(partition_of(self.by, name), name) for name in self.folder.names()]
        stored = sorted(key for key, name in folders if key is not None and self.folder.child(name).exists(_FILE))
        return stored if self.keys is None else [key for key in stored if key in self.keys]

    def _schema(self, columns: Sequence[str]) -> pa.Schema:
        return pa.schema([self.table.arrow.field(name) for name in columns])

    @staticmethod
    def _put(folder: Files, rows: pa.Table, made_from: Mapping[str, str]) -> None:
        if made_from:
            rows = rows.replace_schema_metadata({MADE_FROM: json.dumps(dict(made_from), sort_keys=True)})
        with folder.replace(_FILE) as stream:
            pq.write_table(rows, stream, compression="zstd")

    def _get(self, folder: Files, columns: Sequence[str]) -> pa.Table:
        parts = list(self._parts(folder, columns, 1 << 30))
        return pa.concat_tables(parts) if parts else self._schema(columns).empty_table()

    def _parts(self, folder: Files, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """The rows of one file, at most `rows` at a time, as the schema has them now; none where there is no file."""
        where = f"{folder.root}/{_FILE}"
        again = f"for every {self.by}" if folder.root != self.folder.root else ""
        step = f"materialise {self.table.name} again {again}".strip()
        try:
            source = folder.open(_FILE)
        except FileNotFoundError:
            return
        with source:
            file = pq.ParquetFile(source)
            stored = stored_columns(self.table, file.schema_arrow, columns, where, step)
            if rows >= file.metadata.num_rows:
                yield to_current_schema(self.table, file.read(columns=stored or [self.by]), columns, where, step)
                return
            for batch in file.iter_batches(rows, columns=stored or [self.by]):
                yield to_current_schema(self.table, pa.Table.from_batches([batch]), columns, where, step)
