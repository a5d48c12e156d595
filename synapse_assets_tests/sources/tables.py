"""A small table of synapses, written as every kind of file and read back."""

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import Columns, PointsSource, VolumeSpec
from synapse_assets.datasets.sources import fill_in_format
from synapse_assets.sources import RegionNames, Tally, read_source

VOLUME = VolumeSpec(kind="images", url="unused", voxel_size_nm=(4, 4, 40))
BIG_ID = 720575940612345679  # above 2^53: a float would make it ...680
ROWS = {
    "id": pa.array([11, 12, 13]),
    "x": pa.array([100, 101, 102]),
    "y": pa.array([200, 201, 202]),
    "z": pa.array([5, 6, 7]),
    "body": pa.array([BIG_ID, None, 3], pa.int64()),
    "roi": pa.array(["ME(R)", None, "LH_L"]),
    "nt": pa.array(["gaba", "acetylcholine", None]),
}
KINDS = [".csv", ".tsv", ".csv.gz", ".parquet", ".feather", ".json", ".db"]
SYNFUL = Path(__file__).parents[3] / "shared" / "data" / "fafb_synful"


def source(path: Path, **changes: object) -> PointsSource:
    """A points source for `ROWS`, in voxels of `VOLUME`; `changes` are fields of it."""
    values: dict[str, object] = {
        "name": "table",
        "format": "points",
        "volume": "em",
        "path": str(path),
        "units": "voxel",
        "columns": Columns(synapse_id="id", neuron_id="body", brain_region="roi", target="nt"),
    }
    return PointsSource.model_validate({**values, **changes})


def shipped(name: str, path: Path, **changes: object) -> PointsSource:
    """A points source by a ready-made mapping."""
    given = {"name": "table", "format": name, "volume": "em", "path": str(path), **changes}
    return PointsSource.model_validate(fill_in_format(given))


def write(folder: Path, suffix: str, table: pa.Table) -> Path:
    """The table as a file of that kind."""
    path = folder / f"points{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix == ".feather":
        pa.feather.write_feather(table, str(path))
    elif suffix == ".json":
        path.write_text(json.dumps(table.to_pylist()))
    elif suffix == ".db":
        write_sqlite(path, {"synapses": table})
    else:
        delimiter = "\t" if ".tsv" in suffix else ","
        sink = pa.BufferOutputStream()
        pa.csv.write_csv(table, sink, pa.csv.WriteOptions(delimiter=delimiter))
        content = sink.getvalue().to_pybytes()
        path.write_bytes(gzip.compress(content, 1) if suffix.endswith(".gz") else content)
    return path


def write_sqlite(path: Path, tables: dict[str, pa.Table]) -> Path:
    """The tables as an SQLite file, columns without a declared type."""
    with sqlite3.connect(path) as connection:
        for name, table in tables.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(table.column_names)})")
            rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * table.num_columns)})", rows)  # noqa: S608
    connection.close()
    return path


def read(source_: PointsSource, volume: VolumeSpec = VOLUME, tally: Tally | None = None) -> pa.Table:
    """All rows of a source, as one table."""
    return pa.concat_tables(read_source(source_, volume, RegionNames("UNASSIGNED"), tally))


def column(table: pa.Table, name: str) -> list[Any]:
    """The values of one column."""
    values: list[Any] = table.column(name).to_pylist()
    return values


def synful(name: str) -> Path:
    """One of the real tables; skips the test where they are not on this machine."""
    if not SYNFUL.is_dir():
        pytest.skip("the real tables are not on this machine")
    return SYNFUL / name
