"""The whole synapse source, split by brain region in one step: what every region's `synapses` start from.

Reading and cleaning the source is not done here.
"""

import fcntl
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_TABLE, SYNAPSES
from synapse_assets.stores.files import Files, storage_explained
from synapse_assets.stores.parquet_table import partition_folder
from synapse_assets.stores.schema_evolution import stored_columns, to_current_schema

_POINTER = "current.json"
_FILE = "data.parquet"
# Rows held before the fullest regions are written: about 200 bytes each.
_BUFFERED_ROWS = 1_000_000
_ROW_GROUP_ROWS = 100_000
# Decides which of several rows of one site stays: the id, and where ids are equal everything else.
_MERGE_ORDER = "synapse_id, score DESC, source_file, section, object_id, target, hemilineage, known_classes::VARCHAR"
_MEMORY_LIMIT = "1GB"
# Columns of a row that a change of labels alone leaves as they are.
_SITE_COLUMNS = [name for name in SYNAPSES.names if name != "brain_region"]
_PLACE = ["x_nm", "y_nm", "z_nm"]
_LABEL_COLUMNS = [name for name in SYNAPSE_TABLE.names if name not in SYNAPSES.names]


@dataclass(frozen=True)
class PartitionedSource:
    """The split in `folder`: `<version>/brain_region=<R>/data.parquet`, and `current.json` naming the version in use.

    The previous version is kept for readers that are still open; older versions are removed.
    """

    folder: Files

    @contextmanager
    def replace(self, merge_partners: bool = False) -> Iterator["SplitWriter"]:
        """Gives a writer for the rows of the whole source; at the end of the block they become the split, all at once.

        With `merge_partners`, of the rows of a region that share volume, neuron and position only the one with the smallest
        id stays; rows of unknown neurons all stay. Raises BadInput, and leaves the split as it is, if a synapse id is there
        twice, or if another run is splitting now.
        """
        root = self.folder.local_folder
        with storage_explained(str(root)):
            root.mkdir(parents=True, exist_ok=True)
            handle = (root / ".lock").open("w")
        with handle as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BadInput(
                    f"another run is splitting into {self.folder.root} now; wait for it and start again"
                ) from None
            with self.folder.scratch() as parts:
                writer = SplitWriter(parts)
                try:
                    yield writer
                finally:
                    writer.close()
                if merge_partners:
                    _merge_partners(parts)
                self._promote(parts)

    @property
    def version(self) -> str | None:
        """Hash of the content of the split, the same for the same rows in any order; None before the first."""
        pointer = self.folder.read_json(_POINTER)
        return None if pointer is None else str(pointer["version"])

    def regions(self) -> dict[str, int]:
        """Number of rows of every region. Raises BadInput before the first split."""
        return {region: int(entry["rows"]) for region, entry in self._pointer()["regions"].items()}

    def places(self) -> int:
        """Number of distinct positions, over all regions; fewer than rows where partners share a presynaptic site."""
        return int(self._pointer()["places"])

    def sources(self) -> list[str]:
        """Names of the sources that it has rows of; none before the first split."""
        return sorted((self.folder.read_json(_POINTER) or {}).get("sources", {}))

    def source_hash(self, source: str) -> str:
        """Hash of the places of a source's rows, whatever their order; empty for a source without rows.

        Raises BadInput before the first split.
        """
        return str(self._pointer()["sources"].get(source, ""))

    def site_hash(self, region: str) -> str:
        """Hash of place and neuron of a region's rows, whatever their order; empty for a region without rows.

        Raises BadInput before the first split.
        """
        return str(self._pointer()["regions"].get(region, {"sites": ""})["sites"])

    def label_hash(self, region: str) -> str:
        """Hash of the classes of a region's rows, by synapse id, whatever their order; empty without rows.

        Raises BadInput before the first split.
        """
        return str(self._pointer()["regions"].get(region, {"labels": ""})["labels"])

    def read(self, region: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a region in the order of the source; none for a region that the source does not have (any more).

        Raises BadInput before the first split.
        """
        names = list(columns) if columns is not None else SYNAPSE_TABLE.names
        pointer = self._pointer()
        if region not in pointer["regions"]:
            return SYNAPSE_TABLE.empty().select(names)
        batches = list(self._batches(pointer, region, names))
        return pa.Table.from_batches(batches, _schema(names))

    def sample(self, source: str, rows: int, seed: int) -> pa.Table:
        """At most `rows` (synapse_id, x_nm, y_nm, z_nm) of that source, drawn by the seed.

        The same content gives the same sample, in whatever order it was written. Raises BadInput before the first split.
        """
        import duckdb

        pointer = self._pointer()
        if not pointer["regions"]:
            return SYNAPSE_TABLE.empty().select(["synapse_id", *_PLACE])
        columns = ["synapse_id", "source", *_PLACE]
        batches = (batch for region in sorted(pointer["regions"]) for batch in self._batches(pointer, region, columns))
        reader = pa.RecordBatchReader.from_batches(_schema(columns), batches)
        with duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
            connection.register("source_rows", reader)
            drawn: pa.Table = connection.sql(
                f"SELECT synapse_id, {', '.join(_PLACE)} FROM source_rows "  # noqa: S608
                "WHERE source = $1 ORDER BY md5(synapse_id || $2), synapse_id LIMIT $3",
                params=[source, f"|{seed}", rows],
            ).to_arrow_table()
        return drawn

    def _batches(self, pointer: dict[str, Any], region: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        folder = self.folder.child(pointer["version"], partition_folder("brain_region", region))
        where, step = folder.address(_FILE), "materialise synapse_table again"
        with folder.open(_FILE) as source:
            file = pq.ParquetFile(source)
            stored = stored_columns(SYNAPSE_TABLE, file.schema_arrow, columns, where, step)
            for batch in file.iter_batches(columns=stored or ["synapse_id"]):
                yield from to_current_schema(
                    SYNAPSE_TABLE, pa.Table.from_batches([batch]), columns, where, step
                ).to_batches()

    def _pointer(self) -> dict[str, Any]:
        pointer: dict[str, Any] | None = self.folder.read_json(_POINTER)
        if pointer is None:
            raise BadInput(f"there is no synapse table in {self.folder.root} yet; materialise synapse_table first")
        if "sources" not in pointer:
            raise BadInput(
                f"the synapse table in {self.folder.root} is of an older version; materialise synapse_table again"
            )
        return pointer

    def _promote(self, parts: Path) -> None:
        content = _check_and_hash(parts)
        before = self.folder.read_json(_POINTER) or {}
        previous = before.get("version")
        version = hashlib.sha256(json.dumps(content["regions"], sort_keys=True).encode()).hexdigest()[:12]
        self.folder.adopt(parts, version)
        if version == previous:
            return
        self.folder.write_json(_POINTER, {"version": version, "previous": previous, **content})
        # On object storage another machine may be uploading a split: only versions known to be old are removed there.
        old = self.folder.names() if self.folder.is_local else [before.get("previous")]
        for name in old:
            if name not in (None, version, previous, _POINTER, ".lock"):
                self.folder.remove(name)


class SplitWriter:
    """Writes the rows of all regions, in any order, into one file a region; holds a bounded number in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._buffers: dict[str, list[pa.Table]] = {}
        self._waiting: Counter[str] = Counter()

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Adds rows of the schema SYNAPSE_TABLE. Raises BadInput for rows that do not fit it."""
        table = SYNAPSE_TABLE.conform(pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows)
        if not table.num_rows:
            return
        codes = table.column("brain_region").combine_chunks().dictionary_encode()
        indices = codes.indices.to_numpy()
        order = np.argsort(indices, kind="stable")
        start = 0
        for region, count in zip(codes.dictionary.to_pylist(), np.bincount(indices).tolist(), strict=True):
            # Rows of their own: a slice would keep the whole batch in memory until the region is written.
            self._buffers.setdefault(region, []).append(table.take(pa.array(order[start : start + count])))
            self._waiting[region] += count
            start += count
        if self._waiting.total() >= _BUFFERED_ROWS:
            for region, _ in self._waiting.most_common():
                self._flush(region)
                if self._waiting.total() <= _BUFFERED_ROWS // 2:
                    break

    def close(self) -> None:
        """Completes the files."""
        for region in list(self._buffers):
            self._flush(region)
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _flush(self, region: str) -> None:
        if region not in self._writers:
            path = self._folder / partition_folder("brain_region", region) / _FILE
            path.parent.mkdir()
            self._writers[region] = pq.ParquetWriter(path, SYNAPSE_TABLE.arrow, compression="zstd")
        self._writers[region].write_table(pa.concat_tables(self._buffers.pop(region)))
        del self._waiting[region]


def _merge_partners(parts: Path) -> None:
    """Rewrites every region's file with one row for each volume, neuron and position."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
        connection.execute(f"SET temp_directory = '{_quoted(parts / '.spill')}'")
        for file in sorted(parts.glob(f"*/{_FILE}")):
            merged = file.with_suffix(".merged")
            reader = connection.sql(
                f"SELECT * FROM read_parquet('{_quoted(file)}', hive_partitioning = false) "  # noqa: S608
                f"QUALIFY row_number() OVER (PARTITION BY volume, neuron_id, {', '.join(_PLACE)} ORDER BY {_MERGE_ORDER}) = 1 "
                "OR neuron_id IS NULL "
                "ORDER BY synapse_id"
            ).to_arrow_reader(_ROW_GROUP_ROWS)
            with pq.ParquetWriter(merged, SYNAPSE_TABLE.arrow, compression="zstd") as writer:
                for batch in reader:
                    writer.write_table(SYNAPSE_TABLE.conform(pa.Table.from_batches([batch])))
            merged.replace(file)
    shutil.rmtree(parts / ".spill", ignore_errors=True)


def _check_and_hash(parts: Path) -> dict[str, Any]:
    """Rows and content hashes of every region in the parts, `places` of all, and a hash of the places of every source.

    Raises BadInput if a synapse id is there twice.

    The hashes are sums of DuckDB's row hashes. Another version of DuckDB may hash differently: then every region counts as
    changed once, and the steps downstream find nothing to do.
    """
    import duckdb

    if not any(parts.iterdir()):
        return {"regions": {}, "places": 0, "sources": {}}
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'; SET preserve_insertion_order = false")
        connection.execute(f"SET temp_directory = '{_quoted(parts / '.spill')}'")
        rows = _rows_of(parts)
        # By 8-byte hashes first: ids are compared only where two hashes are equal.
        repeated_ids = connection.execute(
            f"WITH repeated AS (SELECT hash(synapse_id) AS h FROM {rows} GROUP BY h HAVING count(*) > 1) "  # noqa: S608
            "SELECT synapse_id, string_agg(DISTINCT source_file, ', ' ORDER BY source_file), count(*) OVER () "
            f"FROM {rows} "
            "WHERE hash(synapse_id) IN (FROM repeated) GROUP BY synapse_id HAVING count(*) > 1 ORDER BY synapse_id LIMIT 5"
        ).fetchall()
        if repeated_ids:
            examples = "; ".join(f"'{synapse}' in {files}" for synapse, files, _ in repeated_ids)
            raise BadInput(
                f"synapse ids are not unique, for instance {examples} ({repeated_ids[0][2]:,} ids in all). "
                "Where ids repeat between files, give the source an id_prefix in the dataset's YAML; where they are made from "
                "the position, name further columns in id_from, or set merge_partners; else remove the repeated rows."
            )
        regions = connection.execute(
            f"SELECT brain_region, count(*), sum(hash({', '.join(_SITE_COLUMNS)})), "  # noqa: S608
            f"sum(hash(synapse_id, {', '.join(_LABEL_COLUMNS)})) FROM {rows} GROUP BY 1 ORDER BY 1"
        ).fetchall()
        sources = connection.execute(
            f"SELECT source, sum(hash(synapse_id, volume, {', '.join(_PLACE)})) FROM {rows} GROUP BY 1 ORDER BY 1"  # noqa: S608
        ).fetchall()
        place_hash = f"hash(volume, {', '.join(_PLACE)})"
        places = connection.execute(f"SELECT count(DISTINCT {place_hash}) FROM {rows}").fetchall()[0][0]  # noqa: S608
    shutil.rmtree(parts / ".spill", ignore_errors=True)
    return {
        "regions": {
            region: {"rows": count, "sites": _short(sites), "labels": _short(labels)}
            for region, count, sites, labels in regions
        },
        "places": int(places),
        "sources": {source: _short(total) for source, total in sources},
    }


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([SYNAPSE_TABLE.arrow.field(name) for name in columns])


def _short(total: Any) -> str:
    return f"{int(total) % 2**64:016x}"


def _rows_of(folder: Path) -> str:
    return f"read_parquet('{_quoted(folder)}/*/{_FILE}', hive_partitioning = false)"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
