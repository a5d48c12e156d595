"""One table as every kind of file that can be read, written as labs write them: by pandas, with its defaults."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd


def _sqlite(table: pd.DataFrame, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        table.to_sql("synapses", connection, index=False)
    connection.close()


def _parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


def _feather(table: pd.DataFrame, path: Path) -> None:
    table.to_feather(path)


def _csv(separator: str, **how: object) -> Callable[[pd.DataFrame, Path], None]:
    return lambda table, path: table.to_csv(path, sep=separator, index=False, **how)  # type: ignore[call-overload]


def _json(table: pd.DataFrame, path: Path) -> None:
    table.to_json(path, orient="records", double_precision=15)


def _hive(table: pd.DataFrame, path: Path) -> None:
    path = path.parent / "part=1" / path.name
    path.parent.mkdir()
    _parquet(table, path)


# By the end of the file's name, and what else is peculiar.
WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "points.csv": _csv(","),
    "points.txt": _csv(","),
    "points.csv.gz": _csv(","),
    "semicolons.csv": _csv(";"),
    "all_quoted.csv": _csv(",", quoting=1),
    "byte_order_mark.csv": _csv(",", encoding="utf-8-sig"),
    "windows_lines.csv": _csv(",", lineterminator="\r\n"),
    "nothing_is_NA.csv": _csv(",", na_rep="NA"),
    "nothing_is_nan.csv": _csv(",", na_rep="nan"),
    "points.tsv": _csv("\t"),
    "points.tsv.gz": _csv("\t"),
    "points.parquet": _parquet,
    "points.pq": _parquet,
    "points.feather": _feather,
    "points.arrow": _feather,
    "points.json": _json,
    "points.json.gz": _json,
    "points.db": _sqlite,
    "points.sqlite": _sqlite,
    "points.sqlite3": _sqlite,
    "partitioned.parquet": _hive,
}


def write(folder: Path, name: str, table: pd.DataFrame) -> Path:
    """The table as that file; the path to give a source."""
    path = folder / name
    WRITERS[name](table, path)
    return path if path.exists() else path.parent / "part=1" / name
