"""The published snapshot: one DuckDB file with the tables of a dataset that belong together, described, and
`release.json`.

Pictures and vectors stay in their Lance tables. Querying the warehouse belongs to `query`.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES, VERDICT, Column, Table
from synapse_assets.stores.dataset_store import RELEASE_FILE, WAREHOUSE_FILE, DatasetStore
from synapse_assets.stores.parquet_table import ParquetTable
from synapse_assets.stores.region_table import RegionTable

if TYPE_CHECKING:
    import duckdb

_TAG = "release"
_ATTACHED = "published"
# Closes a connection to everything but the attached file, for good; large sorts still go to the temporary folder.
_CLOSED = "SET enable_external_access = false; SET python_enable_replacements = false; SET lock_configuration = true"
# Statements that read, and statements that DuckDB itself refuses on a file that is attached for reading.
_READING_STATEMENTS = frozenset({"SELECT", "EXPLAIN", "MULTI", "PREPARE", "EXECUTE", "SET", "TRANSACTION"})
_WRITING_STATEMENTS = frozenset({"CREATE", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE", "MERGE_INTO"})
# Functions that run a text as SQL, or read a memory address as a table.
_FORBIDDEN_FUNCTIONS = re.compile(
    r"query|json_execute_serialized_sql|\w+_external_resource\w*|\w*(arrow|pandas)_scan\w*|python_map_\w+"
)
_LABELLED_SYNAPSES = """
    CREATE VIEW labelled_synapses AS
        SELECT s.*, l.target, l.known_classes, l.hemilineage, l.cell_type
        FROM synapses s LEFT JOIN synapse_labels l USING (synapse_id, brain_region);
    COMMENT ON VIEW labelled_synapses IS 'One row per synapse: synapses, and what synapse_labels knows of each.'
"""


def build_warehouse(
    store: DatasetStore,
    tables: Sequence[RegionTable | ParquetTable],
    release: dict[str, Any],
    verdicts: Mapping[str, pa.Table] = MappingProxyType({}),
) -> str:
    """Builds `warehouse.duckdb` anew from these tables and puts it in place in one step; gives its path or address.

    Rows whose (synapse_id, brain_region) is not in `synapses` are left out: they belong to a synapse that moved or
    was removed. `release` (such as {"models": {...}}) is completed with the dataset, the time, and rows and version of every
    table; it is stored as the table `release` and, afterwards, as `release.json`. A tag keeps the
    Lance versions in it. A connection that is open for reading meanwhile keeps seeing the old file.

    `verdicts`: by name of each table whose rows are of clusters, or were made from clusters, the verdicts on these: a column that the
    rows have too, such as cluster_model, each value once, and `verdict`. The released table has `schema.VERDICT` as its last column.
    """
    import duckdb

    ordered = sorted(tables, key=lambda source: source.table.name != "synapses")
    described: dict[str, dict[str, Any]] = {}
    folder = store.folder
    with folder.scratch() as scratch:
        path = scratch / WAREHOUSE_FILE
        with duckdb.connect(str(path)) as connection:
            spill = str(scratch / "spill").replace("'", "''")
            connection.execute("SET memory_limit = '2GB'; SET preserve_insertion_order = false")
            connection.execute(f"SET temp_directory = '{spill}'")
            for source in ordered:
                has_synapses = "synapses" in described
                described[source.table.name] = _copy(connection, source, has_synapses, verdicts.get(source.table.name))
            if {"synapses", "synapse_labels"} <= set(described):
                connection.execute(_LABELLED_SYNAPSES)
                for column in (*SYNAPSES.columns, *SYNAPSE_LABELS.columns):
                    column_name = f"labelled_synapses.{_identifier(column.name)}"
                    connection.execute(f"COMMENT ON COLUMN {column_name} IS {_text(column.description)}")
            content = {
                **release,
                "dataset": store.dataset,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "tables": described,
            }
            _write_release(connection, content)
        folder.put(path, WAREHOUSE_FILE)
    folder.write_json(RELEASE_FILE, content)
    return store.warehouse_address


def content_version(release: Mapping[str, Any]) -> str:
    """A hash of what a release holds, whenever it was built; of the content of its release.json."""
    content = {name: value for name, value in release.items() if name != "created"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def read_released(store: DatasetStore, table: Table) -> pa.Table:
    """The rows of that table in the release; none where nothing was released, or not that table.

    Raises BadInput if the release is of another version of this program and does not have what the table needs.
    """
    path = store.warehouse_path
    if path.exists():
        where, step = store.warehouse_address, f"materialise {store.dataset}/warehouse again"
        with open_file(path, where, step) as connection:
            matches = connection.execute(
                "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [table.name]
            ).fetchall()
            if matches[0][0]:
                rows = connection.sql(f"SELECT * FROM {_identifier(table.name)}").to_arrow_table()  # noqa: S608
                for column in table.columns:
                    if column.nullable and column.name not in rows.column_names:
                        rows = rows.append_column(column.name, pa.nulls(rows.num_rows, column.type))
                try:
                    return table.conform(rows)
                except BadInput as error:
                    raise BadInput(f"{where} is of another version of this program: {error}; {step}") from error
    return table.empty()


def open_file(path: Path, where: str, step: str) -> "duckdb.DuckDBPyConnection":
    """A local copy of a published DuckDB file, for reading only, closed to other files and the network; query through
    `cursor_of`, and SQL written by users after `check_question`.

    Raises BadInput naming its address `where` and the `step` to take if it is damaged or of another version of DuckDB.
    """
    import duckdb

    # Within a process DuckDB knows a file by its path, and gives the open file even where another has replaced it.
    # So every opening is a database of its own that the file is attached to.
    connection = duckdb.connect()
    try:
        connection.execute(f"ATTACH {_text(str(path))} AS {_ATTACHED} (READ_ONLY); USE {_ATTACHED}; {_CLOSED}")
    except duckdb.Error as error:
        connection.close()
        if isinstance(error, duckdb.ConnectionException) or "lock" in str(error):
            raise
        raise BadInput(f"{where} cannot be read; {step}: {error}") from error
    return connection


def cursor_of(connection: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
    """Another connection to an opened file, for another thread or a result of its own."""
    return connection.cursor().execute(f"USE {_ATTACHED}")


def check_question(text: str) -> None:
    """Raises duckdb.PermissionException for SQL that could do more than read the tables of an opened file.

    DuckDB keeps it from other files, from the network and from settings. But it trusts the attached file itself: COPY could
    overwrite it, and once detached it could be attached for writing.
    """
    import duckdb

    for statement in duckdb.extract_statements(text):
        try:
            kind = str(statement.type.name)
        except ValueError:  # DuckDB has more kinds than its Python package
            kind = "this statement"
        if kind not in _READING_STATEMENTS | _WRITING_STATEMENTS:
            raise _refusal(duckdb, kind)
    words = list(_words(text))
    if "copy" in words:
        raise _refusal(duckdb, 'COPY (a name is written "copy")')
    for word, following in pairwise(words):
        name = word.strip('"`')
        if following == "(" and _FORBIDDEN_FUNCTIONS.fullmatch(name):
            raise _refusal(duckdb, f"the function {name}")


def _words(text: str) -> Iterator[str]:
    """The words and signs of SQL in lower case, without texts and comments."""
    import duckdb

    content = text.encode()
    tokens = duckdb.tokenize(text)
    for (start, kind), end in zip(tokens, [*(start for start, _ in tokens[1:]), len(content)], strict=True):
        if kind not in (duckdb.token_type.string_const, duckdb.token_type.comment):
            word = content[start:end].decode(errors="replace").strip().lower()
            # DuckDB takes blanks of other alphabets as blanks too.
            yield from [word] if word[:1] in ('"', "`") else re.findall(r"[!-~]+", word)


def _refusal(duckdb: Any, what: str) -> Exception:
    refusal: Exception = duckdb.PermissionException(
        f"{what} is not run here, where tables are read and nothing else: for anything else open the file with plain duckdb"
    )
    return refusal


def release_content(connection: "duckdb.DuckDBPyConnection", where: str, step: str) -> dict[str, Any]:
    """What an open DuckDB file was built from, as in its release.json.

    Raises BadInput naming its address `where` and the `step` to take if it has another layout.
    """
    import duckdb

    try:
        content = json.loads(connection.execute("SELECT content FROM release").fetchall()[0][0])
    except (duckdb.CatalogException, duckdb.BinderException, IndexError) as error:
        raise BadInput(f"{where} is of another version of this program (it names no release); {step}") from error
    if not isinstance(content, dict) or not isinstance(content.get("tables"), dict):
        raise BadInput(f"{where} is of another version of this program (its release names no tables); {step}")
    return content


def _copy(
    connection: "duckdb.DuckDBPyConnection",
    source: RegionTable | ParquetTable,
    has_synapses: bool,
    verdicts: pa.Table | None,
) -> dict[str, Any]:
    name = source.table.name
    columns = [column for column in source.table.columns if not _heavy(column)]
    names = [column.name for column in columns]
    version: int | str
    if isinstance(source, RegionTable):
        version = source.tag(_TAG)
        rows = source.at_version(version).reader(names) if version else source.table.empty()
    else:
        version = source.version
        rows = source.reader(names)
    # A reader of the light columns: DuckDB refuses a dataset with float16 columns, even if it needs none of them.
    connection.register("source_rows", rows)
    by_synapse = has_synapses and {"synapse_id", "brain_region"} <= set(source.table.names)
    joins = "SEMI JOIN synapses USING (synapse_id, brain_region)" if by_synapse else ""
    if verdicts is not None:
        [key] = set(verdicts.column_names) - {VERDICT.name}
        connection.register("verdicts", verdicts)
        joins += f" LEFT JOIN verdicts USING ({_identifier(key)})"
        columns.append(VERDICT)
    selected = ", ".join(_identifier(column.name) for column in columns)
    table = _identifier(name)
    connection.execute(f"CREATE TABLE {table} AS SELECT {selected} FROM source_rows {joins}")  # noqa: S608
    connection.execute(f"COMMENT ON TABLE {table} IS {_text(source.table.description)}")
    for column in columns:
        connection.execute(f"COMMENT ON COLUMN {table}.{_identifier(column.name)} IS {_text(column.description)}")
    connection.unregister("source_rows")
    row_count = connection.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608
    return {"rows": row_count[0][0], "version": version}


def _write_release(connection: "duckdb.DuckDBPyConnection", content: dict[str, Any]) -> None:
    connection.execute(
        "CREATE TABLE release (dataset VARCHAR, created TIMESTAMPTZ, content JSON);"
        "COMMENT ON TABLE release IS 'One row: what this file was built from.';"
        "COMMENT ON COLUMN release.dataset IS 'Name of the dataset.';"
        "COMMENT ON COLUMN release.created IS 'When this file was built.';"
        "COMMENT ON COLUMN release.content IS 'Rows and version of every table, and the models; as in release.json.'"
    )
    row = [content["dataset"], content["created"], json.dumps(content, sort_keys=True)]
    connection.execute("INSERT INTO release VALUES (?, ?, ?)", row)


def _heavy(column: Column) -> bool:
    return pa.types.is_binary(column.type) or pa.types.is_fixed_size_list(column.type)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
