"""The whole synapse source, split by brain region in one step: what every region's `synapses` start from.

Reading and cleaning the source is not done here.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synapse_assets.schema import SYNAPSES, BadInput
from synapse_assets.stores.files import Files
from synapse_assets.stores.parquet_table import region_folder

_POINTER = "current.json"
_FILE = "data.parquet"
_BUFFERED_ROWS = 200_000


@dataclass(frozen=True)
class SplitTable:
    """The split in `folder`: `<version>/brain_region=<R>/data.parquet`, and `current.json` naming the version in use.

    The version before is kept for those who still read it; older ones are removed.
    """

    folder: Files

    @contextmanager
    def replace(self) -> Iterator["SplitWriter"]:
        """Gives a writer for the rows of the whole source; at the end of the block they become the split, all at once.

        Raises BadInput, and leaves the split as it is, if a synapse id is there twice, or if another run is splitting
        now.
        """
        root = self.folder.path
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BadInput(f"another run is splitting into {root} now; wait for it and start again") from None
            with self.folder.scratch() as parts:
                writer = SplitWriter(parts)
                try:
                    yield writer
                finally:
                    writer.close()
                self._promote(parts)

    @property
    def version(self) -> str | None:
        """Hash of the content of the split, the same for the same rows in any order; None before the first."""
        pointer = self.folder.read_json(_POINTER)
        return None if pointer is None else str(pointer["version"])

    def regions(self) -> dict[str, int]:
        """Number of rows of every region. Raises BadInput before the first split."""
        return {region: int(entry["rows"]) for region, entry in self._pointer()["regions"].items()}

    def region_hash(self, region: str) -> str:
        """Hash of the rows of a region, whatever their order; empty for a region that the source does not have.

        Raises BadInput before the first split.
        """
        return str(self._pointer()["regions"].get(region, {"hash": ""})["hash"])

    def read(self, region: str) -> pa.Table:
        """The rows of a region in the order of the source; none for a region that the source does not have (any more).

        Raises BadInput before the first split.
        """
        pointer = self._pointer()
        if region not in pointer["regions"]:
            return SYNAPSES.empty()
        with self.folder.child(pointer["version"], region_folder(region)).open(_FILE) as source:
            return SYNAPSES.conform(pq.ParquetFile(source).read())

    def _pointer(self) -> dict[str, Any]:
        pointer: dict[str, Any] | None = self.folder.read_json(_POINTER)
        if pointer is None:
            raise BadInput(f"there is no synapse table in {self.folder.root} yet; materialise synapse_table first")
        return pointer

    def _promote(self, parts: Path) -> None:
        regions = _check_and_hash(parts)
        previous = self.version
        version = hashlib.sha256(json.dumps(regions, sort_keys=True).encode()).hexdigest()[:12]
        self.folder.adopt(parts, version)
        if version == previous:
            return
        self.folder.write_json(_POINTER, {"version": version, "previous": previous, "regions": regions})
        for name in self.folder.names():
            if name not in (version, previous, _POINTER, ".lock"):
                self.folder.remove(name)


class SplitWriter:
    """Writes the rows of all regions, in any order, into one file a region; holds a bounded number in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._buffers: dict[str, list[pa.Table]] = {}
        self._buffered = 0

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Adds rows of the schema SYNAPSES. Raises BadInput for rows that do not fit it."""
        table = SYNAPSES.conform(pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows)
        for region in pc.unique(table.column("brain_region")).to_pylist():
            part = table.filter(pc.equal(table.column("brain_region"), region))
            self._buffers.setdefault(region, []).append(part)
        self._buffered += table.num_rows
        if self._buffered >= _BUFFERED_ROWS:
            self._flush()

    def close(self) -> None:
        """Completes the files."""
        self._flush()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _flush(self) -> None:
        for region, tables in self._buffers.items():
            if region not in self._writers:
                path = self._folder / region_folder(region) / _FILE
                path.parent.mkdir()
                self._writers[region] = pq.ParquetWriter(path, SYNAPSES.arrow, compression="zstd")
            self._writers[region].write_table(pa.concat_tables(tables).combine_chunks())
        self._buffers.clear()
        self._buffered = 0


def _check_and_hash(parts: Path) -> dict[str, dict[str, Any]]:
    """Rows and content hash of every region in the parts; raises BadInput if a synapse id is there twice."""
    import duckdb

    if not any(parts.iterdir()):
        return {}
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '1GB'; SET preserve_insertion_order = false")
        connection.execute(f"SET temp_directory = '{_quoted(parts / '.spill')}'")
        rows = f"read_parquet('{_quoted(parts)}/*/{_FILE}', hive_partitioning = false)"
        twice = connection.execute(
            f"SELECT synapse_id, string_agg(DISTINCT source_file, ', ' ORDER BY source_file) FROM {rows} "  # noqa: S608
            "GROUP BY synapse_id HAVING count(*) > 1 ORDER BY synapse_id LIMIT 5"
        ).fetchall()
        if twice:
            named = "; ".join(f"'{synapse}' in {files}" for synapse, files in twice)
            raise BadInput(
                f"synapse ids are not unique, for instance {named}. "
                "Give the source an id_prefix in the dataset's YAML, or remove the repeated rows."
            )
        found = connection.execute(
            f"SELECT brain_region, count(*), bit_xor(md5_number(to_json(t)::VARCHAR)) FROM {rows} t "  # noqa: S608
            "GROUP BY 1 ORDER BY 1"
        ).fetchall()
    shutil.rmtree(parts / ".spill", ignore_errors=True)
    return {region: {"rows": count, "hash": f"{digest:032x}"[:16]} for region, count, digest in found}


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
