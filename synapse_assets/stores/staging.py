"""Unfinished work of one part of an asset, so that a killed run resumes: rows that were computed but not committed, or files.

Nothing else reads it; committing the rows belongs to the stores that hold the tables.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from synapse_assets.stores.files import Files, segment
from synapse_assets.stores.ids import alone, are_unique, first_of_each

_KEY = "synapse_id"


@dataclass(frozen=True)
class Staging:
    """Row batches (with a column synapse_id) in `<region>/<key>/`, where the key stands for what the rows are made from."""

    region_folder: Files
    key: str

    @staticmethod
    def open(region_folder: Files, key: str) -> "Staging":
        """The staging of that key; leftovers of other keys in the same region are removed."""
        for name in region_folder.names():
            if name != segment(key):
                region_folder.remove(name)
        staging = Staging(region_folder, key)
        staging._folder.sweep()
        return staging

    @property
    def _folder(self) -> Files:
        return self.region_folder.child(segment(self.key))

    def append(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Adds a part, in one step. All parts have the same columns."""
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.arrow"
        with self._folder.replace(name, sweep=False) as stream, pa.ipc.new_file(stream, rows.schema) as writer:
            writer.write(rows)

    def ids(self) -> pa.Array:
        """Ids of the synapses whose rows are there, in the order of staging."""
        return self._ids(self._parts())

    def done_ids(self) -> set[str]:
        """The same as a set, where they are few."""
        return set(self.ids().to_pylist())

    def reader(self) -> pa.RecordBatchReader | None:
        """Streams all rows, a part at a time, each synapse once (as it was staged first); None if there are none."""
        parts = self._parts()
        if not parts:
            return None
        with self._folder.open(parts[0]) as source:
            schema = pa.ipc.open_file(source).schema
        return pa.RecordBatchReader.from_batches(schema, self._batches(parts))

    def clear(self) -> None:
        """Removes everything staged under this key."""
        self.region_folder.remove(segment(self.key))

    def _batches(self, parts: list[str]) -> Iterator[pa.RecordBatch]:
        ids = self._ids(parts)
        first = None if are_unique(ids) else first_of_each(ids)
        start = 0
        for name in parts:
            with self._folder.open(name, mapped=True) as source:
                reader = pa.ipc.open_file(source)
                for number in range(reader.num_record_batches):
                    batch = reader.get_batch(number)
                    fresh = None if first is None else first.slice(start, batch.num_rows)
                    start += batch.num_rows
                    yield batch if fresh is None else batch.filter(fresh)

    def _ids(self, parts: list[str]) -> pa.Array:
        ids = [pa.array([], pa.string())]
        for name in parts:
            with self._folder.open(name) as source:
                index = pa.ipc.open_file(source).schema.get_field_index(_KEY)
                reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=[index]))
                ids += [alone(reader.get_batch(number).column(0)) for number in range(reader.num_record_batches)]
        return pa.concat_arrays(ids)

    def _parts(self) -> list[str]:
        """Names of the complete parts, in the order of writing; a torn part (after a loss of power) is removed."""
        whole = []
        for name in self._folder.names():
            try:
                with self._folder.open(name) as source:
                    pa.ipc.open_file(source)
                whole.append(name)
            except pa.ArrowInvalid:
                self._folder.remove(name)
        return whole


def work_folder(part: Files, key: str) -> Path:
    """A local folder for unfinished files, such as the checkpoints of a training, of that key; those of other keys of the part are
    removed."""
    local = Files(str(part.local_folder))
    for name in local.names():
        if name != segment(key):
            local.remove(name)
    folder = local.path / segment(key)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
