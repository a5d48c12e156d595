"""The data beside the pages of a site: the tables of its release as Parquet, what their columns mean, and what belongs together.

What of a release is public is decided in `public`; sums of files are written by `folder`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from synapse_assets import __version__
from synapse_assets.datasets import Dataset
from synapse_assets.query import Warehouse
from synapse_assets.site.folder import SiteFolder
from synapse_assets.site.public import PublicRelease

if TYPE_CHECKING:
    import duckdb

DICTIONARY, RELEASE, README = "data_dictionary.json", "release.json", "README.md"
_ROW_GROUP = 131_072
# Rows that are held in memory.
_BATCH = 16_384
_UNITS = {
    "nm3": "nm³",
    "um3": "µm³",
    "um2": "µm²",
    "nm": "nm",
    "um": "µm",
    "px": "pixel",
    "voxels": "voxel",
    "seconds": "s",
    "bytes": "byte",
    "bits": "bit",
}


@dataclass(frozen=True)
class SuppliedColumn:
    """A column of a table of the supplement. type: as Arrow names it. unit: empty for what has none, or has it in its meaning."""

    column: str
    type: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class SuppliedTable:
    """A table of the supplement. file: its path in the site."""

    table: str
    file: str
    rows: int
    bytes: int
    meaning: str
    columns: tuple[SuppliedColumn, ...]


def write_supplement(folder: SiteFolder, public: PublicRelease, dataset: Dataset) -> list[SuppliedTable]:
    """Writes data/<table>.parquet of every table of a release, data_dictionary.json, release.json and README.md; gives the tables by name.

    Rows stand as they are stored; the same release gives the same bytes. Columns that are left out are in none of the files. Needs the
    memory of one row group, 131,072 rows of a table.
    """
    with public.warehouse() as warehouse, public.connection() as connection:
        released = sorted(warehouse.release["tables"])
        tables = [
            table for name in released if (table := _written(folder, connection, public, name, _units_of(dataset)))
        ]
        folder.write(RELEASE, _json(_release(public, warehouse, dataset, tables)))
        folder.write(DICTIONARY, _json({"format": 1, "tables": [asdict(table) for table in tables]}))
        folder.write(README, _readme(warehouse, dataset, tables))
    return tables


def _written(
    folder: SiteFolder,
    connection: "duckdb.DuckDBPyConnection",
    public: PublicRelease,
    name: str,
    units: Mapping[str, str],
) -> SuppliedTable | None:
    """Writes a table; None for one of which every column is private."""
    described = {
        column: meaning
        for column, meaning in connection.execute(
            "SELECT column_name, coalesce(comment, '') FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
            [name],
        ).fetchall()
        if (name, column) not in public.left_out
    }
    if not described:
        return None
    [meaning] = connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = ?", [name]).fetchall()[0]
    selected = ", ".join('"' + column.replace('"', '""') + '"' for column in described)
    reader = connection.sql(f'SELECT {selected} FROM "{name}"').to_arrow_reader(_BATCH)  # noqa: S608
    schema = pa.schema([field.with_metadata({"description": described[field.name]}) for field in reader.schema])
    file, rows = f"data/{name}.parquet", 0
    with folder.file(file) as stream:
        with pq.ParquetWriter(
            stream, schema.with_metadata({"description": meaning or ""}), compression="zstd"
        ) as writer:
            for group in _row_groups(reader):
                writer.write_table(pa.Table.from_batches(group, reader.schema).cast(schema), row_group_size=_ROW_GROUP)
                rows += sum(batch.num_rows for batch in group)
        size = stream.tell()
    columns = [
        SuppliedColumn(field.name, str(field.type), described[field.name], _unit(field, units)) for field in schema
    ]
    return SuppliedTable(name, file, rows, size, meaning or "", tuple(columns))


def _row_groups(reader: pa.RecordBatchReader) -> Iterator[list[pa.RecordBatch]]:
    """The batches of each row group; an empty one for a table of no rows, so that its file has its columns."""
    group: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        group.append(batch)
        rows += batch.num_rows
        if rows >= _ROW_GROUP - _BATCH:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _unit(field: pa.Field, units: Mapping[str, str]) -> str:
    """The unit of a column: of measures as the dataset file says it, else as its name ends."""
    if not (pa.types.is_floating(field.type) or pa.types.is_integer(field.type)):
        return ""
    measure = field.name.removeprefix("median_")
    return units.get(measure) or _UNITS.get(field.name.rpartition("_")[2], "")


def _units_of(dataset: Dataset) -> dict[str, str]:
    return {str(measure): unit for measure, unit in getattr(dataset, "units", {}).items()}


def _release(
    public: PublicRelease, warehouse: Warehouse, dataset: Dataset, tables: Sequence[SuppliedTable]
) -> dict[str, Any]:
    """What belongs together: the release, its models and scores, the files, and how it is cited."""
    content = warehouse.release
    publish = dataset.publish
    said = {} if publish is None else publish.model_dump(include={"authors", "doi", "licence", "citation"})
    return {
        "format": 1,
        "dataset": dataset.name,
        "title": title_of(dataset),
        "description": dataset.description,
        **{name: value for name, value in said.items() if value},
        "release": {"id": warehouse.release_id, "name": public.name, "created": content["created"]},
        "program": {"name": "synapse_assets", "version": __version__},
        "models": content.get("models", {}),
        "scores": _described(content.get("scores", {}), public),
        "tables": {
            table.table: {
                "file": table.file,
                "rows": table.rows,
                "bytes": table.bytes,
                "version": content["tables"][table.table]["version"],
            }
            for table in tables
        },
    }


def _described(value: Any, public: PublicRelease) -> Any:
    """Plain values whose texts name no path of this machine."""
    if isinstance(value, Mapping):
        return {name: _described(item, public) for name, item in value.items()}
    return public.describe(value) if isinstance(value, str) else value


def title_of(dataset: Dataset) -> str:
    """The title of what is published."""
    return (dataset.publish and dataset.publish.title) or dataset.title


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=float) + "\n"


def _readme(warehouse: Warehouse, dataset: Dataset, tables: Sequence[SuppliedTable]) -> str:
    publish = dataset.publish
    authors = ", ".join(author.name for author in publish.authors) if publish else ""
    said = {
        "Authors": authors,
        "DOI": publish.doi if publish else "",
        "Licence": (publish.licence if publish else "") or "not stated: ask the authors before you use it",
        "Release": f"{warehouse.release_id} of {warehouse.release['created'][:10]}",
    }
    facts = "\n".join(f"- {name}: {value}" for name, value in said.items() if value)
    lines = "\n".join(f"| [{table.table}]({table.file}) | {table.rows:,} | {table.meaning} |" for table in tables)
    cite = f"\n## How to cite\n\n{publish.citation.strip()}\n" if publish and publish.citation else ""
    example = next((table for table in tables if table.rows), None)
    read = (
        f"""
```python
import pyarrow.parquet as pq

print(pq.read_table("{example.file}").to_pandas())
```
"""
        if example
        else ""
    )
    return f"""# {title_of(dataset)}

{dataset.description.strip()}

{facts}
{cite}
## What is here

The folder is a web site of plain files and the data behind it. Pages need a web host; this one shows them on your own machine:

```
python3 -m http.server --bind 127.0.0.1 --directory . 8000
```

Then open http://127.0.0.1:8000/. The tables are Parquet files, which pandas, R (arrow), DuckDB and others read:

| table | rows | one row |
|---|---:|---|
{lines}
{read}
`data_dictionary.json` says what every column means, with type and unit. `release.json` says which models and tables belong together, with
their scores. `sha256sum -c SHA256SUMS` tells whether every file is as it was written.

Folders named `browse` hold what the pages load: positions, classes, shortened vectors and pictures as JPEG. They are for the pages; for
calculations use the tables.
"""
