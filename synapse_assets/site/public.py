"""What of a release the public may see: everything that a site is made from passes through here.

Which columns are private says the dataset file (`datasets.columns_left_out`). Writing files belongs to the other modules.
"""

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from synapse_assets.datasets import Dataset, columns_left_out
from synapse_assets.errors import BadInput
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.query import Warehouse
from synapse_assets.settings import local_root_of
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.dataset_store import WAREHOUSE_FILE
from synapse_assets.stores.releases import frozen_release

if TYPE_CHECKING:
    import duckdb

# Types of columns by name, in their order, by table.
_Types: TypeAlias = dict[str, dict[str, str]]
# Where a view (`labelled_synapses`) has a column from: of the first of these that has it.
_OF_A_VIEW = ("synapses", "synapse_labels")
# Beside what is copied, the memory that sorting and counting take.
_MEMORY = "512MB"
# Texts that may hold a path of this machine or a secret of an address; ids and names of columns that hold ids are never touched.
_SUSPICIOUS = r"(^|[^\w.:/~%-])/[^\s/]|\w://"
_IDS = re.compile(r"(^|_)ids?$|^(group|medoids|item|site|box|object|partner)$")
# User and password, and what follows the question mark or the hash, of an address; addresses of files of this machine.
_USER = re.compile(r"(?<=://)[^/?#\s]+@")
_QUERY = re.compile(r"(://[^?#\s]*)([?#])\S+")
_LOCAL = re.compile(r"\b[a-z+]*(?:file)?:///+")
# Values that are looked for in other columns: as whole values; and, where they are few and long enough, inside of texts.
_MOST_INSIDE, _SHORTEST = 500, 4


@dataclass(frozen=True)
class PublicRelease:
    """One release without what is private. file: a DuckDB file of its own, with the tables of the release.

    left_out: columns (table, column) that have no value in it, and are in no file or page. told: other columns in which values of
    these stand, as sentences for who publishes. describe: takes paths of this machine and secrets of addresses out of a text.
    """

    store: DatasetStore
    dataset: Dataset
    name: str | None
    file: Path
    left_out: frozenset[tuple[str, str]]
    told: tuple[str, ...]
    describe: Callable[[str], str]

    def warehouse(self, group: str | None = None) -> Warehouse:
        """The release, open for the pages of the explorer and for searches, of an investigation group where there are such. Columns that
        are left out are empty in it: `points` has no such category or number. Close it."""
        return Warehouse(self.store, self.name, self.dataset, group, self.file)

    def connection(self) -> "duckdb.DuckDBPyConnection":
        """The tables for reading, with little memory and in the order in which rows are stored. Close it."""
        import duckdb

        # Attached, since DuckDB knows a file by its path, and `warehouse` may have it open.
        connection = duckdb.connect(config={"memory_limit": _MEMORY, "threads": "1"})
        path = str(self.file).replace("'", "''")
        return connection.execute(f"ATTACH '{path}' AS public (READ_ONLY); USE public")


@contextmanager
def public_release(store: DatasetStore, dataset: Dataset, name: str | None = None) -> Iterator[PublicRelease]:
    """Gives a release without what is private: a copy of its DuckDB file, removed at the end, in which columns that the dataset file
    leaves out are empty and texts name no path of this machine and no secret of an address.

    Whatever is written to a site is read from it, or from tables of vectors and pictures at the ids that it has. name: of a frozen release;
    None: the current one. Raises BadInput where nothing was released, and for a column that does not exist or cannot be left out.
    """
    left_out = columns_left_out(dataset)
    folder = store.folder if name is None else frozen_release(store, name)
    try:
        source = folder.local_copy(WAREHOUSE_FILE)
    except FileNotFoundError:
        raise BadInput(
            f"no release of {store.dataset} to publish: materialise {store.dataset}/warehouse, or run "
            f"`synapse-assets materialize {store.dataset}`"
        ) from None
    # Its own opening says what is wrong with a damaged file, or one of another version.
    Warehouse(store, name, dataset).close()
    messages = ErrorMessages([store.data_root, store.local_root or local_root_of(store.data_root)])
    with store.folder.scratch() as scratch:
        file = scratch / WAREHOUSE_FILE
        shutil.copyfile(source, file)
        names = {name.rpartition(".")[2] for name in dataset.publish.leave_out} if dataset.publish else set()
        told = _made_public(file, left_out, names, messages.without_paths)
        yield PublicRelease(
            store, dataset, name, file, left_out, told, lambda text: cleaned(text, messages.without_paths)
        )


def cleaned(text: str, without_paths: Callable[[str], str]) -> str:
    """A text without secrets of addresses and without paths of this machine."""
    return without_paths(_LOCAL.sub("/", _QUERY.sub(r"\1\2...", _USER.sub("...@", text))))


def _made_public(
    file: Path, left_out: frozenset[tuple[str, str]], names: Collection[str], without_paths: Callable[[str], str]
) -> tuple[str, ...]:
    """Empties private columns and cleans texts of the copy; gives where else values of those of these names stand."""
    import duckdb

    with duckdb.connect(str(file), config={"memory_limit": _MEMORY, "threads": "1"}) as connection:
        types: _Types = {}
        rows = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY table_name, column_index"
        )
        for table, column, kind in rows.fetchall():
            types.setdefault(table, {})[column] = kind
        views = {
            row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        }
        tables = {table: columns for table, columns in types.items() if table not in {"release", *views}}
        told = _told_elsewhere(connection, tables, left_out, names)
        if left_out:
            _empty(connection, types, views, left_out)
        for table, columns in tables.items():
            _clean(connection, table, columns, without_paths)
        connection.execute("CHECKPOINT")
    return told


def _empty(
    connection: "duckdb.DuckDBPyConnection", types: _Types, views: set[str], left_out: frozenset[tuple[str, str]]
) -> None:
    private = {(table, column) for table, column in left_out if column in types.get(table, ())}
    for view in views:
        # A view joins by what may be emptied below.
        connection.execute(f"CREATE TABLE kept AS FROM {_quoted(view)}; DROP VIEW {_quoted(view)}")
        connection.execute(f"ALTER TABLE kept RENAME TO {_quoted(view)}")
        for column in types[view]:
            source = next((table for table in _OF_A_VIEW if column in types.get(table, ())), None)
            if (source, column) in private:
                private.add((view, column))
    for table, column in sorted(private):
        connection.execute(f"UPDATE {_quoted(table)} SET {_quoted(column)} = NULL")  # noqa: S608


def _clean(
    connection: "duckdb.DuckDBPyConnection",
    table: str,
    columns: Mapping[str, str],
    without_paths: Callable[[str], str],
) -> None:
    for column, kind in columns.items():
        if kind != "VARCHAR" or _IDS.search(column):
            continue
        name = _quoted(column)
        query = f"SELECT DISTINCT {name} FROM {_quoted(table)} WHERE regexp_matches({name}, ?)"  # noqa: S608
        for (text,) in connection.execute(query, [_SUSPICIOUS]).fetchall():
            if (clean := cleaned(text, without_paths)) != text:
                connection.execute(f"UPDATE {_quoted(table)} SET {name} = ? WHERE {name} = ?", [clean, text])  # noqa: S608


def _told_elsewhere(
    connection: "duckdb.DuckDBPyConnection",
    tables: _Types,
    left_out: frozenset[tuple[str, str]],
    names: Collection[str],
) -> tuple[str, ...]:
    """Sentences on columns that are published and hold texts of columns of these names that are not."""
    published = [
        (table, column)
        for table, columns in tables.items()
        for column, kind in columns.items()
        if (table, column) not in left_out and ("VARCHAR" in kind or kind == "JSON")
    ]
    told = []
    for name in sorted(names):
        private = [
            f"SELECT {_quoted(name)}::VARCHAR AS v FROM {_quoted(table)}"  # noqa: S608
            for table, columns in tables.items()
            if (table, name) in left_out and columns.get(name) in ("VARCHAR", "BIGINT")
        ]
        if private:
            distinct = f"SELECT DISTINCT v FROM ({' UNION ALL '.join(private)}) WHERE length(v) >= {_SHORTEST}"  # noqa: S608
            connection.execute(f"CREATE OR REPLACE TEMP TABLE private AS {distinct}")
            if others := [".".join(other) for other in published if _occurs(connection, *other)]:
                told.append(f"values of {name} stand in {', '.join(others)}")
    return tuple(told)


def _occurs(connection: "duckdb.DuckDBPyConnection", table: str, column: str) -> bool:
    """Whether private values are values of a column, or, where they are few, stand in its texts."""
    texts = f"(SELECT DISTINCT {_quoted(column)}::VARCHAR AS t FROM {_quoted(table)})"  # noqa: S608
    inside = (
        f"(SELECT count(*) FROM private) <= {_MOST_INSIDE} AND EXISTS (FROM private JOIN {texts} ON contains(t, v))"  # noqa: S608
    )
    query = f"SELECT EXISTS (FROM private SEMI JOIN {texts} ON v = t) OR ({inside})"
    return bool(connection.execute(query).fetchall()[0][0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
