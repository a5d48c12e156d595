"""The file of one release: opened, queried in SQL, and distinguished from the release that follows it.

What its rows mean belongs to `points` and `warehouse`; what a query may reach, to `stores.warehouse`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput, StorageError
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.dataset_store import WAREHOUSE_FILE
from synapse_assets.stores.files import storage_explained
from synapse_assets.stores.region_table import VersionIsGone
from synapse_assets.stores.releases import frozen_release
from synapse_assets.stores.warehouse import check_question, cursor_of, open_file, release_content

# What a condition of a user may name beside the synapses, where the release has it, and by which name.
_BESIDE = {"clusters": "c", "synapse_predictions": "p"}


class ReleaseFile:
    """The tables of one release of a dataset, read-only.

    dataset: its name. release: content of its release.json. where: address of the file. remedy: what the user does to
    get a file that this program can read. copy: a local file of the same tables to read in its place, as for a web site, which has only
    what is public. Raises BadInput if nothing was published, or nothing of that name.
    """

    def __init__(self, store: DatasetStore, release: str | None, copy: Path | None = None) -> None:
        self.dataset = store.dataset
        folder = store.folder if release is None else frozen_release(store, release)
        self.where = folder.address(WAREHOUSE_FILE)
        self.remedy = (
            f"materialise the asset {store.dataset}/warehouse again"
            if release is None
            else "read this frozen release with plain duckdb, or with the version of this program that froze it"
        )
        try:
            path = copy or folder.local_copy(WAREHOUSE_FILE)
        except FileNotFoundError:
            raise BadInput(f"no warehouse at {self.where}: materialise the asset {store.dataset}/warehouse") from None
        # Only the current release can be followed by another.
        self._opened = None if release or copy else (folder, _identity(path))
        self._connection = open_file(path, self.where, self.remedy)
        # The release is read from the same file as the tables, so that both belong to the same build.
        self.release: dict[str, Any] = release_content(self._connection, self.where, self.remedy)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def is_outdated(self) -> bool:
        """Whether another release was published since this one was opened."""
        if self._opened is None:
            return False
        folder, identity = self._opened
        with suppress(FileNotFoundError):
            return _identity(folder.local_copy(WAREHOUSE_FILE)) != identity
        return False

    def table(self, query: str, parameters: Any = None) -> pa.Table:
        """The rows of a query of this program. Raises duckdb.Error for one that does not fit the file."""
        return cursor_of(self._connection).sql(query, params=parameters).to_arrow_table()

    def sql(self, query: str, parameters: list[Any] | None) -> pd.DataFrame:
        """The rows of a user's query; see `Warehouse.sql`."""
        check_question(query)
        rows = cursor_of(self._connection).sql(query, params=parameters)
        return pd.DataFrame() if rows is None else _frame(rows.to_arrow_table())

    def fulfilling(self, condition: str, ids: pa.Array) -> npt.NDArray[np.bool_]:
        """Which of these synapses, N ids, fulfil a user's condition, (N,). Raises BadInput for what is not a condition."""
        import duckdb

        beside = {table: name for table, name in _BESIDE.items() if table in self.release["tables"]}
        joins = " ".join(f"left join {table} {name} using (synapse_id)" for table, name in beside.items())
        query = f"select s.synapse_id from labelled_synapses s {joins} where (\n{condition}\n)"  # noqa: S608
        try:
            duckdb.SQLExpression(condition)  # one expression, which the brackets hold
            check_question(query)
            rows = self.table(query)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            *tables, last = ["labelled_synapses (s)", *(f"{table} ({name})" for table, name in beside.items())]
            known = f"{', '.join(tables)} and {last}" if tables else last
            raise BadInput(f"where cannot be taken as a condition on {known}: {reason}") from error
        indices = pc.index_in(rows.column("synapse_id"), value_set=ids)
        marked = np.zeros(len(ids), dtype=bool)
        marked[indices.drop_null().to_numpy()] = True
        return marked

    def other_version(self, what: str) -> BadInput:
        """The error that this file was written by another version of this program. what: the evidence."""
        return BadInput(f"{self.where} is of another version of this program ({what}); {self.remedy}")

    @contextmanager
    def damage_explained(self, what: str, where: str, asset: str) -> Iterator[None]:
        """Says what to do where files beside this file are damaged or gone, for which their readers raise errors of many kinds.

        what: their content. where: their folder. asset: that writes them. Raises BadInput in place of any error inside.
        """
        try:
            with storage_explained(where):
                yield
        except BadInput as error:
            if not isinstance(error, VersionIsGone):
                raise
            raise self._damaged(what, where, asset) from error
        except StorageError as error:
            raise BadInput(str(error)) from error
        except Exception as error:
            raise self._damaged(what, where, asset) from error

    def _damaged(self, what: str, where: str, asset: str) -> BadInput:
        name = self.dataset
        return BadInput(
            f"the {what} of {name} cannot be read: files in {where} are damaged or gone. Restore that folder from a backup, or "
            f"remove it and materialise {name}/{asset} of every region, then {self.remedy}"
        )


def _identity(path: Path) -> tuple[str, int, int]:
    """Identifies a published file, so that its replacement is recognised."""
    status = path.stat()
    return str(path), status.st_ino, status.st_mtime_ns


def _frame(table: pa.Table) -> pd.DataFrame:
    """As pandas; integer columns with gaps stay integers: floating point would round neuron ids."""
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
