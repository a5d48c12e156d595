"""Pictures that lie in the Parquet tables beside the file of a release: previews, pictures and maps of explanations.

Tiles of synapses belong to `pictures`; what is computed when it is asked for, to `explanations`.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from synapse_assets.errors import BadInput
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.schema import Table
from synapse_assets.stores import DatasetStore

# Columns that say which row it is, and what it was made from: those of them that a table has.
_IDENTITY = ("image_id", "synapse_id", "site_id", "image_hash", "tile_hash", "classifier", "version", "method")
# Of the parts of tables that were read last.
_KEPT_BYTES = 2**28

_Part = tuple[dict[tuple[Any, ...], int], pa.ChunkedArray]


class KeptPictures:
    """The pictures in the Parquet tables of one release; the parts that were read last are kept, up to 256 MB and at least one."""

    def __init__(self, store: DatasetStore, file: ReleaseFile) -> None:
        self._store, self._file = store, file
        self._parts: OrderedDict[tuple[str, str, str | None], _Part] = OrderedDict()
        self._lock = threading.Lock()

    def picture(self, table: Table, column: str, row: Mapping[str, Any]) -> bytes | None:
        """What stands in a binary column of the stored row that a released row is of; None where that is empty.

        row: a row of that table in the release. Raises BadInput where the stored row was made anew or removed since: the release then
        speaks of another picture.
        """
        results = self._store.results(table)
        names = [name for name in _IDENTITY if name in table.names]
        with self._lock, self._file.damage_explained("pictures", results.folder.root, table.name):
            part = str(row[results.by]) if results.by in table.names else None
            numbers, pictures = self._part(table, column, part, names)
        number = numbers.get(tuple(row[name] for name in names))
        if number is None:
            raise BadInput(
                f"{table.name} of '{row[names[0]]}' was made again, or removed, since this release was built: materialise "
                f"{self._file.dataset}/warehouse, then open the page again"
            )
        picture: bytes | None = pictures[number].as_py()
        return picture

    def _part(self, table: Table, column: str, part: str | None, names: list[str]) -> _Part:
        key = (table.name, column, part)
        if key in self._parts:
            self._parts.move_to_end(key)
            return self._parts[key]
        rows = self._store.results(table).read(part, [*names, column])
        numbers = {tuple(one[name] for name in names): at for at, one in enumerate(rows.select(names).to_pylist())}
        self._parts[key] = numbers, rows.column(column)
        while len(self._parts) > 1 and sum(pictures.nbytes for _, pictures in self._parts.values()) > _KEPT_BYTES:
            self._parts.popitem(last=False)
        return self._parts[key]
