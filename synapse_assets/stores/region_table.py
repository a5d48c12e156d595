"""Lance tables that hold all brain regions of a dataset, on disk or object storage; a region's rows are replaced in one commit.

What a row means is defined in `schema`; which rows there should be is decided by the caller.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput
from synapse_assets.schema import Table
from synapse_assets.stores.commit_queue import SUFFIX, turn
from synapse_assets.stores.commits import Commit, WrittenPart, files_of, ids_of, not_shown, replace_rows, retried
from synapse_assets.stores.files import Files, lost_race, storage_explained
from synapse_assets.stores.ids import alone, are_unique, without
from synapse_assets.stores.row_search import Search, long_texts, row_numbers
from synapse_assets.stores.schema_evolution import stored_columns, to_current_schema
from synapse_assets.stores.texts import with_room

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from lance import LanceDataset
    from lance.fragment import FragmentMetadata

_KEY = "synapse_id"
_REGION = "brain_region"
_PRIMARY_KEY = {b"lance-schema:unenforced-primary-key": b"true"}
# Pictures are compressed already: trying it once more takes Lance five times as long as writing them (pylance 14.0). What the
# stored table says of its columns counts, so one of before is told too.
_AS_THEY_ARE = {"lance-encoding:compression": "none"}
_FRAGMENT_BYTES = 512 * 1024**2
# Requests at once when files are looked for.
_LOOKS = 16


def _only_now_nullable(stored: pa.Field, table: Table) -> bool:
    return table.arrow.field(stored.name).nullable and not stored.nullable


class VersionIsGone(BadInput):
    """A version of a table that is not there any more, or the table itself.

    What to do: materialise the table and then the warehouse of its dataset, so that the release names what is there; if files were moved or
    deleted by hand, put them back.
    """


def sql_text(text: str) -> str:
    """The text as it stands in an SQL condition."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class RegionTable:
    """One Lance table at `uri` with the rows of all regions; cheap to make and to pickle, opened at each call.

    A table that was never written reads as empty, with version 0. `pinned` names the version it reads, None the latest.
    """

    uri: str
    table: Table
    pinned: int | None = None

    def at_version(self, version: int) -> "RegionTable":
        """This table as it was at that version, for reading only."""
        return replace(self, pinned=version)

    @property
    def version(self) -> int:
        """The version that is read: it grows by one with every commit, 0 if there is no table yet."""
        dataset = self._open()
        return 0 if dataset is None else int(dataset.version)

    def lance(self) -> "LanceDataset | None":
        """The table as pylance gives it, for queries and indices; None if it was never written."""
        return self._open()

    def count(self, region: str | None = None) -> int:
        """Number of rows, of one region or of all."""
        dataset = self._open()
        return 0 if dataset is None else int(dataset.count_rows(filter=self._filter(region)))

    def regions(self) -> dict[str, int]:
        """Number of rows of every region that has any, by name."""
        counts: dict[str, int] = {}
        for batch in self.batches(None, [_REGION], 65_536):
            for entry in pc.value_counts(batch.column(0)).to_pylist():
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
        return dict(sorted(counts.items()))

    def batches(self, region: str | None, columns: Sequence[str], batch_size: int) -> Iterator[pa.RecordBatch]:
        """Streams the rows of a region (None: all) in batches of at most `batch_size`, in no particular order.

        Holds a few batches in memory, never the region. Raises BadInput for an unknown column.
        """
        self._check_columns(columns)
        dataset = self._open()
        if dataset is None:
            return
        scanner = dataset.scanner(
            columns=self._stored(dataset, columns),
            filter=self._filter(region),
            batch_size=batch_size,
            batch_readahead=2,
            fragment_readahead=1,
        )
        for batch in scanner.to_reader():
            rows = self._plain(pa.Table.from_batches([batch]), columns)
            yield from rows.to_batches(max_chunksize=batch_size)

    def reader(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Streams these columns of all rows, in no particular order. Raises BadInput for an unknown column."""
        return pa.RecordBatchReader.from_batches(self._schema(columns), self.batches(None, columns, 65_536))

    def read(self, region: str | None, columns: Sequence[str]) -> pa.Table:
        """The rows of a region (None: all) in memory, sorted by synapse_id. For pictures use `batches`.

        A column of more than a gigabyte of text comes with 64-bit offsets, see `texts`. Raises BadInput for an unknown column.
        """
        self._check_columns(columns)
        dataset = self._open()
        if dataset is None:
            return self._schema(columns).empty_table()
        names = list(dict.fromkeys([*columns, _KEY]))
        rows = dataset.to_table(columns=self._stored(dataset, names), filter=self._filter(region))
        return with_room(self._plain(rows, names)).sort_by(_KEY).select(list(columns))

    def read_ids(self, ids: Sequence[str] | pa.Array, columns: Sequence[str]) -> pa.Table:
        """The rows of those synapses, in the order of `ids`; a synapse that is not in the table is left out.

        Raises BadInput for an unknown column.
        """
        self._check_columns(columns)
        dataset = self._open()
        if dataset is None or not len(ids):
            return self._schema(columns).empty_table()
        rows = dataset.take(self._rows_of(dataset, ids, None), columns=self._stored(dataset, columns))
        return self._plain(rows, columns)

    def numbers_of(self, ids: pa.Array) -> "npt.NDArray[np.int64]":
        """The number of each of those synapses' rows in the version that is read, for `take`; -1 where there is none."""
        import numpy as np

        dataset = self._open()
        return np.full(len(ids), -1, dtype=np.int64) if dataset is None else row_numbers(dataset, ids)

    def take(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of those numbers, in their order. Raises BadInput for an unknown column."""
        self._check_columns(columns)
        dataset = self._open()
        if dataset is None or not len(numbers):
            return self._schema(columns).empty_table()
        return self._plain(dataset.take(list(numbers), columns=self._stored(dataset, columns)), columns)

    def batches_of(
        self, region: str, ids: Sequence[str] | pa.Array, columns: Sequence[str], batch_size: int
    ) -> Iterator[pa.RecordBatch]:
        """Streams the rows of those synapses of a region, in the order of `ids`, `batch_size` at a time.

        Reads nothing of other rows but their ids. A synapse that is not in the region is left out. Raises BadInput for
        an unknown column.
        """
        self._check_columns(columns)
        dataset = self._open()
        if dataset is None or not len(ids):
            return
        rows, stored = self._rows_of(dataset, ids, region), self._stored(dataset, columns)
        for start in range(0, len(rows), batch_size):
            batch_rows = self._plain(dataset.take(rows[start : start + batch_size], columns=stored), columns)
            yield from batch_rows.combine_chunks().to_batches()

    def changes(self, region: str, desired: pa.Table, hash_column: str) -> tuple[pa.Array, pa.Array]:
        """The changes after which the region holds exactly the rows `desired` (synapse_id and the column `hash_column`).

        Gives the ids to compute, in the order of `desired` (new, with another hash, or now in another region), and the
        ids that are gone from this region. Raises BadInput if an id is there twice.
        """
        ids = desired.column(_KEY).cast(pa.string()).combine_chunks()
        if not are_unique(ids):
            raise BadInput(f"{self._name(region)}: {self._repeated(ids)} is wanted more than once; ids must be unique")
        stored = self.read(region, [_KEY, hash_column])
        stored_ids = stored.column(_KEY).combine_chunks()
        same = pc.equal(
            desired.column(hash_column).combine_chunks(),
            stored.column(hash_column).combine_chunks().take(pc.index_in(ids, value_set=stored_ids)),
        )
        return ids.filter(pc.invert(pc.fill_null(same, False))), without(stored_ids, ids)

    def replace_region(self, region: str, changed: "pa.Table | pa.RecordBatchReader", gone: Sequence[str]) -> Commit:
        """Writes the changed and new rows of a region and deletes its gone ones, in one commit or not at all.

        A synapse that lay in another region moves here; an id in `gone` that meanwhile lies in another region stays
        there. With nothing to write and nothing to delete there is no commit. Raises BadInput, and changes nothing,
        for rows of another region, other columns or types, empty values where none may be, or an id twice.
        """
        return self.commit(region, [self.write_part(region, changed)], gone)

    def write_part(self, region: str, rows: "pa.Table | pa.RecordBatchReader") -> WrittenPart:
        """Writes some rows of a region into data files that nobody reads before `commit` shows them.

        Any machine may write; parts of one region can be written side by side. What is not committed within a week is removed by
        `optimize`. Raises BadInput as `replace_region` does.
        """
        self._check_writable(region)
        with storage_explained(self.uri):
            fragments, ids = self._write_rows(region, rows)
        return WrittenPart.of(region, ids, fragments)

    def missing_files(self, part: WrittenPart) -> list[str]:
        """Paths of the part's data files that are gone: it has then to be written again."""
        return self._missing([part])

    def commit(self, region: str, parts: Sequence[WrittenPart], gone: Sequence[str]) -> Commit:
        """Shows the rows of those parts of a region in place of the ones they replace, and deletes its gone ones, in one commit.

        As `replace_region`, which is this for a single part. A part whose files the table shows already is left as it is and counts as
        written, so a commit whose answer was lost can be repeated. Raises BadInput, and changes nothing, for a part of another region,
        for an id that two parts have, and for a part that has lost a file: a version without it could not be read.
        """
        self._check_writable(region)
        others = sorted({part.region for part in parts} - {region})
        if others:
            raise BadInput(f"{self._name(region)}: a part was written for {others}; commit each region by itself")
        self._check_unique(region, ids_of(parts))
        with storage_explained(self.uri):
            return self._commit(region, parts, pa.array(gone, pa.string()))

    def tag(self, name: str) -> int:
        """Names the version that is read, so that `optimize` keeps it, and gives it; a name in use moves."""
        dataset = self._open()
        if dataset is None:
            return 0
        with storage_explained(self.uri):
            if name in dataset.tags.list():
                dataset.tags.update(name, dataset.version)
            else:
                dataset.tags.create(name, dataset.version)
        return int(dataset.version)

    def optimize(self, keep: timedelta = timedelta(days=7)) -> int:
        """Merges small files, updates indices and removes versions older than `keep`, except tagged ones; gives bytes freed.

        Yields to writers: it retries after losing a race and, if it keeps losing, leaves the rest to the next run. It takes no turn
        among them, since they would wait as long as it rewrites files.
        """
        dataset = self._open()
        if dataset is None:
            return 0
        files = [file for fragment in dataset.get_fragments() for file in fragment.data_files()]
        rows = max(1, dataset.count_rows())
        row_bytes = max(1, sum(file.file_size_bytes or 0 for file in files) // rows)
        target = min(1_048_576, max(1, _FRAGMENT_BYTES // row_bytes))

        def compact() -> None:
            dataset.checkout_latest()
            dataset.optimize.compact_files(
                target_rows_per_fragment=target, batch_size=max(1, min(8192, 32 * 1024**2 // row_bytes)), num_threads=1
            )
            dataset.optimize.optimize_indices()

        try:
            retried(compact)
        except (OSError, RuntimeError, ValueError) as error:
            if not lost_race(error):
                raise
        dataset.checkout_latest()
        with storage_explained(self.uri):
            freed = dataset.cleanup_old_versions(older_than=keep, error_if_tagged_old_versions=False)
        return int(freed.bytes_removed)

    def _open(self) -> "LanceDataset | None":
        import lance

        try:
            with storage_explained(self.uri):
                return lance.dataset(self.uri, version=self.pinned)
        except (ValueError, FileNotFoundError) as error:
            if "was not found" not in str(error) and not isinstance(error, FileNotFoundError):
                raise
            if self.pinned is not None:
                raise VersionIsGone(
                    f"{self.uri}: there is no version {self.pinned}; it may have been cleaned up"
                ) from error
            return None

    def _open_or_create(self) -> "LanceDataset":
        """The table with the columns of the current schema; a table of an earlier schema gets or loses columns here."""
        dataset = self._open()
        if dataset is not None and next(self._changes_of_schema(dataset), None) is None:
            return dataset
        with self._lock():
            return retried(self._created)

    def _created(self) -> "LanceDataset":
        import lance

        dataset = self._open()
        if dataset is None:
            try:
                return lance.write_dataset(self._stored_schema().empty_table(), self.uri, mode="create")
            except OSError as error:
                if "already exists" not in str(error).lower() or (dataset := self._open()) is None:
                    raise
        for change in self._changes_of_schema(dataset):
            change()
        return dataset

    def _changes_of_schema(self, dataset: "LanceDataset") -> Iterator[Callable[[], object]]:
        """What brings the stored columns to the current schema, step by step: each is taken before the next is asked for."""
        stored = self._stored(dataset, self.table.names)
        added = [field for field in self.table.arrow if field.name not in stored]
        if added:
            yield partial(dataset.add_columns, pa.schema(added))
        loosened = [name for name in stored if _only_now_nullable(dataset.schema.field(name), self.table)]
        if loosened:
            yield partial(dataset.alter_columns, *({"path": name, "nullable": True} for name in loosened))
        pictures = [field.name for field in dataset.schema if field.type == pa.binary() and not field.metadata]
        if pictures:
            yield partial(dataset.update_field_metadata, dict.fromkeys(pictures, _AS_THEY_ARE))
        obsolete = [name for name in dataset.schema.names if name not in self.table.names]
        if obsolete:
            yield partial(dataset.drop_columns, obsolete)

    def _stored(self, dataset: "LanceDataset", columns: Sequence[str]) -> list[str]:
        """Those of the columns that the stored table has, but at least one; see `schema_evolution`."""
        names = stored_columns(self.table, dataset.schema, columns, self.uri, self._step)
        return names or [_KEY]

    @property
    def _step(self) -> str:
        return f"move {self.uri} away and materialise {self.table.name} again for every region"

    def _stored_schema(self) -> pa.Schema:
        fields = [
            field.with_metadata(_AS_THEY_ARE) if field.type == pa.binary() else field for field in self.table.arrow
        ]
        fields[self.table.names.index(_KEY)] = fields[self.table.names.index(_KEY)].with_metadata(_PRIMARY_KEY)
        return pa.schema(fields)

    def _schema(self, columns: Sequence[str]) -> pa.Schema:
        return pa.schema([self.table.arrow.field(name) for name in columns])

    def _plain(self, rows: pa.Table, columns: Sequence[str]) -> pa.Table:
        return to_current_schema(self.table, rows, columns, self.uri, self._step)

    def _check_columns(self, columns: Sequence[str]) -> None:
        unknown = [name for name in columns if name not in self.table.names]
        if unknown:
            raise BadInput(f"table {self.table.name} has no column {unknown}; there are {self.table.names}")

    @staticmethod
    def _filter(region: str | None) -> str | None:
        return None if region is None else f"{_REGION} = {sql_text(region)}"

    def _name(self, region: str) -> str:
        return f"table {self.table.name}, region '{region}'"

    @staticmethod
    def _repeated(ids: pa.Array | pa.ChunkedArray) -> str:
        counts = pc.value_counts(ids)
        return repr(counts.field("values").filter(pc.greater(counts.field("counts"), 1))[0].as_py())

    def _write_rows(
        self, region: str, rows: "pa.Table | pa.RecordBatchReader"
    ) -> "tuple[list[FragmentMetadata], pa.Array]":
        """Streams checked rows into data files that no version refers to yet; gives the files and the ids in them."""
        from lance.fragment import write_fragments

        ids: list[pa.Array] = []
        checked = self._checked(region, rows, ids)
        first = next(checked, None)
        if first is None:
            return [], pa.array([], pa.large_string())
        # In the order of the stored columns: a column that was added to the schema later is at the end there.
        order = self._open_or_create().schema.names
        schema = pa.schema([self._stored_schema().field(name) for name in order])
        errors: list[BadInput] = []

        def flow() -> Iterator[pa.RecordBatch]:
            yield first.select(order)
            try:
                for batch in checked:
                    yield batch.select(order)
            except BadInput as error:
                errors.append(error)
                raise

        reader = pa.RecordBatchReader.from_batches(schema, flow())
        try:
            fragments = write_fragments(reader, self.uri, schema=schema, mode="append")
        except Exception:
            if errors:
                raise errors[0] from None
            raise
        written = long_texts(pa.chunked_array(ids, pa.string())).combine_chunks()
        self._check_unique(region, written)
        return fragments, written

    def _check_writable(self, region: str) -> None:
        if self.pinned is not None:
            raise BadInput(f"{self._name(region)}: version {self.pinned} is for reading; write to the table itself")
        if not region:
            raise BadInput(f"{self._name(region)}: the region has no name")

    def _check_unique(self, region: str, ids: pa.Array | pa.ChunkedArray) -> None:
        if pc.count_distinct(ids).as_py() != len(ids):
            raise BadInput(
                f"{self._name(region)}: {self._repeated(ids)} is to be written more than once; ids must be unique"
            )

    def _checked(
        self, region: str, rows: "pa.Table | pa.RecordBatchReader", ids: list[pa.Array]
    ) -> Iterator[pa.RecordBatch]:
        extra = [column for column in rows.schema.names if column not in self.table.names]
        if extra:
            raise BadInput(f"{self._name(region)}: columns {extra} are none of {self.table.names}")
        for piece in rows.to_batches(max_chunksize=1024) if isinstance(rows, pa.Table) else rows:
            conformed = self.table.conform(pa.Table.from_batches([piece]))
            others = [name for name in pc.unique(conformed.column(_REGION)).to_pylist() if name != region]
            if others:
                raise BadInput(
                    f"{self._name(region)}: there are rows of {others} to write; write each region by itself"
                )
            for batch in conformed.to_batches():
                ids.append(alone(batch.column(_KEY)))
                yield pa.RecordBatch.from_arrays(batch.columns, schema=self._stored_schema())

    @property
    def _plain_uri(self) -> str:
        """Where the files are: Lance decodes an address."""
        return unquote(self.uri) if "://" in self.uri else self.uri

    def _missing(self, parts: Sequence[WrittenPart]) -> list[str]:
        names = [path for part in parts for path in files_of(part.metadata())]
        folder = Files(self._plain_uri).child("data")
        with ThreadPoolExecutor(_LOOKS) as looks:
            there = list(looks.map(folder.exists, names))
        return [folder.address(name) for name, exists in zip(names, there, strict=True) if not exists]

    def _check_complete(self, region: str, parts: Sequence[WrittenPart]) -> None:
        lost = self._missing(parts)
        if lost:
            raise BadInput(
                f"{self._name(region)}: {len(lost)} files of rows that were to be shown are gone, first {lost[0]}; nothing was changed. "
                "Unfinished work is kept for a week: materialise the asset again, and they are made anew"
            )

    def _commit(self, region: str, parts: Sequence[WrittenPart], gone: pa.Array) -> Commit:
        """Shows the new files and hides the rows they replace and the gone rows, in one commit.

        Not `merge_insert`: it holds about as much as it writes in memory (4 GB for 3 GB of pictures, measured).

        Lance lets two commits of new rows pass side by side, though both may bring the same ids. So every commit here
        conflicts with every other: it counts the first fragment as changed or, while there is none, is of the kind (Merge)
        that nothing may overtake. A commit that lost is prepared and committed again; the lock only saves that work.
        """
        rows = sum(len(part.ids) for part in parts)
        dataset = self._open()
        if dataset is None:
            return Commit(0, 0, 0)
        fresh = not_shown(dataset, parts)
        search = Search(region, ids_of(fresh), gone)
        # The long search goes on outside of the lock; within it only what others committed meanwhile is searched.
        search.look(dataset)

        def attempt() -> Commit:
            nonlocal fresh, search
            dataset = self._open()
            if dataset is None:
                return Commit(0, 0, 0)
            if len(still := not_shown(dataset, fresh)) < len(fresh):
                fresh, search = still, Search(region, ids_of(still), gone)
            replaced, deleted = search.look(dataset)
            fragments = [fragment for part in fresh for fragment in part.metadata()]
            if not fragments and not deleted:
                return Commit(rows, 0, int(dataset.version))
            committed = replace_rows(dataset, fragments, [replaced, deleted])
            return Commit(rows, sum(map(len, deleted.values())), committed)

        with self._lock():
            self._check_complete(region, fresh)
            return retried(attempt)

    @staticmethod
    def _rows_of(dataset: "LanceDataset", ids: Sequence[str] | pa.Array, region: str | None) -> pa.Array:
        """Row numbers of those synapses, in the order of `ids`, for `take`; of one that is not there none."""
        wanted = ids if isinstance(ids, pa.Array) else pa.array(ids, pa.string())
        numbers = row_numbers(dataset, wanted, region)
        return pa.array(numbers[numbers >= 0])

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One commit at a time, which saves retries: among the processes of this machine, on object storage among all. A kill frees it.

        Nothing depends on it: see `_commit`. Data is written outside of it.
        """
        if "://" in self.uri:
            with turn(Files(self._plain_uri + SUFFIX)):
                yield
            return
        path = Path(self.uri + ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
