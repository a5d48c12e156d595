"""Result tables as Parquet: one file a brain region, or one file for a table that has no regions.

What belongs in a table is its schema's affair, and which rows are current is decided when the warehouse is built.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synapse_assets.schema import BadInput, Table
from synapse_assets.stores.files import Files, segment

_FILE = "data.parquet"
_PREFIX = "brain_region="


def region_folder(region: str) -> str:
    """The folder of a region, named as Hive names partitions."""
    return _PREFIX + segment(region)


def region_of(folder: str) -> str | None:
    """The region whose folder it is; None for any other name."""
    return unquote(folder.removeprefix(_PREFIX)) if folder.startswith(_PREFIX) else None


@dataclass(frozen=True)
class ParquetTable:
    """The table `table` in `folder`: either `brain_region=<R>/data.parquet` for every region, or one `data.parquet`.

    The column brain_region stands in the files too, so a single file can be read by itself.
    """

    folder: Files
    table: Table

    def write_region(self, region: str, rows: pa.Table) -> None:
        """Replaces the rows of one region in one step; no rows is a file of no rows.

        Raises BadInput for rows that do not fit the schema or belong to another region.
        """
        if self.folder.exists(_FILE):
            raise BadInput(
                f"table {self.table.name} is stored as one file; remove {self.files()[0]} to store it by region"
            )
        rows = self.table.conform(rows)
        others = [name for name in pc.unique(rows.column("brain_region")).to_pylist() if name != region]
        if others:
            raise BadInput(f"table {self.table.name}, region '{region}': there are rows of {others} to write")
        self._put(self.folder.child(region_folder(region)), rows)

    def write(self, rows: pa.Table) -> None:
        """Replaces the whole table, kept as one file, in one step. Raises BadInput for rows that do not fit."""
        if self._regions():
            raise BadInput(
                f"table {self.table.name} is stored by region; remove the regions in {self.folder.root} first"
            )
        self._put(self.folder, self.table.conform(rows))

    def read(self, region: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a region, or of all; empty where nothing was written. Raises BadInput for an unknown column."""
        names = self.table.names if columns is None else list(columns)
        unknown = [name for name in names if name not in self.table.names]
        if unknown:
            raise BadInput(f"table {self.table.name} has no column {unknown}; there are {self.table.names}")
        if self.folder.exists(_FILE):
            wanted = names if region is None else list(dict.fromkeys([*names, "brain_region"]))
            found = self._get(self.folder, wanted)
            if region is not None:
                found = found.filter(pc.equal(found.column("brain_region"), region))
            return found.select(names)
        regions = self._regions() if region is None else [region]
        parts = [self._get(self.folder.child(region_folder(name)), names) for name in regions]
        return pa.concat_tables(parts) if parts else self._schema(names).empty_table()

    def regions(self) -> dict[str, int]:
        """Number of rows of every region that was written, also of empty ones; none for a table kept as one file."""
        counts = {}
        for region in self._regions():
            with self.folder.child(region_folder(region)).open(_FILE) as source:
                counts[region] = pq.read_metadata(source).num_rows
        return counts

    def remove_region(self, region: str) -> None:
        """Removes a region, if it was written."""
        self.folder.remove(region_folder(region))

    def files(self) -> list[str]:
        """Paths of the files that hold the table now."""
        if self.folder.exists(_FILE):
            return [f"{self.folder.root}/{_FILE}"]
        return [f"{self.folder.child(region_folder(region)).root}/{_FILE}" for region in self._regions()]

    @property
    def version(self) -> str:
        """Hash of the files' bytes and regions; empty before anything was written."""
        digest = hashlib.sha256()
        for path in (found := self.files()):
            folder, name = path.rsplit("/", 1)
            digest.update(path.removeprefix(self.folder.root).encode())
            with Files(folder).open(name) as source:
                while block := source.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()[:12] if found else ""

    def _regions(self) -> list[str]:
        found = [(region_of(name), name) for name in self.folder.names()]
        return sorted(region for region, name in found if region is not None and self.folder.child(name).exists(_FILE))

    def _schema(self, columns: Sequence[str]) -> pa.Schema:
        return pa.schema([self.table.arrow.field(name) for name in columns])

    @staticmethod
    def _put(folder: Files, rows: pa.Table) -> None:
        with folder.replace(_FILE) as stream:
            pq.write_table(rows, stream, compression="zstd")

    def _get(self, folder: Files, columns: Sequence[str]) -> pa.Table:
        try:
            with folder.open(_FILE) as source:
                found = pq.ParquetFile(source).read(columns=list(columns))
        except FileNotFoundError:
            return self._schema(columns).empty_table()
        missing = [name for name in columns if name not in found.column_names]
        if missing:
            raise BadInput(
                f"{folder.root}/{_FILE} has no column {missing}: it is of an older version; materialise it again"
            )
        return found.select(list(columns)).cast(self._schema(columns))
