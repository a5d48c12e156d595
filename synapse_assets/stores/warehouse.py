"""The published snapshot: one DuckDB file with the tables of a dataset that belong together, described, and
`release.json`.

Pictures and vectors stay in their Lance tables. Asking the warehouse questions belongs to `query`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES, Column, Table
from synapse_assets.stores.dataset_store import RELEASE_FILE, WAREHOUSE_FILE, DatasetStore
from synapse_assets.stores.parquet_table import ParquetTable
from synapse_assets.stores.region_table import RegionTable

if TYPE_CHECKING:
    import duckdb

_TAG = "release"
_LABELLED_SYNAPSES = """
    CREATE VIEW labelled_synapses AS
        SELECT s.*, l.target, l.known_classes, l.hemilineage, l.cell_type
        FROM synapses s LEFT JOIN synapse_labels l USING (synapse_id, brain_region);
    COMMENT ON VIEW labelled_synapses IS 'One row per synapse: synapses, and what synapse_labels knows of each.'
"""


def build_warehouse(store: DatasetStore, tables: Sequence[RegionTable | ParquetTable], release: dict[str, Any]) -> str:
    """Builds `warehouse.duckdb` anew from these tables and puts it in place in one step; gives its path or address.

    Rows whose (synapse_id, brain_region) is not among `synapses` are left out: they belong to a synapse that moved or
    went. `release` (such as {"models": {...}}) is completed with the dataset, the time, and rows and version of every
    table; it is stored as the table `release` and, afterwards, as `release.json`. The Lance versions in it are kept by
    a tag. A connection that is open for reading meanwhile keeps seeing the old file.
    """
    import duckdb

    ordered = sorted(tables, key=lambda one: one.table.name != "synapses")
    described: dict[str, dict[str, Any]] = {}
    folder = store.folder
    with folder.scratch() as scratch:
        path = scratch / WAREHOUSE_FILE
        with duckdb.connect(str(path)) as connection:
            spill = str(scratch / "spill").replace("'", "''")
            connection.execute("SET memory_limit = '2GB'; SET preserve_insertion_order = false")
            connection.execute(f"SET temp_directory = '{spill}'")
            for source in ordered:
                known = "synapses" in described
                described[source.table.name] = _copy(connection, source, known)
            if {"synapses", "synapse_labels"} <= set(described):
                connection.execute(_LABELLED_SYNAPSES)
                for column in (*SYNAPSES.columns, *SYNAPSE_LABELS.columns):
                    named = f"labelled_synapses.{_identifier(column.name)}"
                    connection.execute(f"COMMENT ON COLUMN {named} IS {_text(column.description)}")
            content = {
                **release,
                "dataset": store.dataset,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "tables": described,
            }
            _write_release(connection, content)
        folder.put(path, WAREHOUSE_FILE)
    folder.write_json(RELEASE_FILE, content)
    return folder.address(WAREHOUSE_FILE)


def read_released(store: DatasetStore, table: Table) -> pa.Table:
    """The rows of that table in the release; none where nothing was released, or not that table."""
    import duckdb

    path = store.warehouse_path
    if path.exists():
        with duckdb.connect(str(path), read_only=True) as connection:
            known = connection.execute(
                "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [table.name]
            ).fetchall()
            if known[0][0]:
                columns = ", ".join(_identifier(name) for name in table.names)
                found = connection.sql(f"SELECT {columns} FROM {_identifier(table.name)}").to_arrow_table()  # noqa: S608
                return table.conform(found)
    return table.empty()


def _copy(connection: "duckdb.DuckDBPyConnection", source: RegionTable | ParquetTable, known: bool) -> dict[str, Any]:
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
    by_synapse = known and {"synapse_id", "brain_region"} <= set(source.table.names)
    current = "SEMI JOIN synapses USING (synapse_id, brain_region)" if by_synapse else ""
    selected = ", ".join(_identifier(column.name) for column in columns)
    table = _identifier(name)
    connection.execute(f"CREATE TABLE {table} AS SELECT {selected} FROM source_rows {current}")  # noqa: S608
    connection.execute(f"COMMENT ON TABLE {table} IS {_text(source.table.description)}")
    for column in columns:
        connection.execute(f"COMMENT ON COLUMN {table}.{_identifier(column.name)} IS {_text(column.description)}")
    connection.unregister("source_rows")
    counted = connection.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608
    return {"rows": counted[0][0], "version": version}


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
