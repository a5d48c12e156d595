"""The first rows of any file with a table in it, and how many there are, without reading all of it."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synapse_assets.datasets.sources import format_names, read_format
from synapse_assets.errors import BadInput
from synapse_assets.sources.checks import existing_file
from synapse_assets.sources.content import START_BYTES, refuse_json_lines
from synapse_assets.sources.dialects import has_decimal_commas
from synapse_assets.sources.files import (
    JsonText,
    NotUtf8,
    TableFile,
    arrow_column,
    json_items,
    kind_of,
    open_table,
    reading,
    table_names,
)
from synapse_assets.sources.listing import partitioned_table
from synapse_assets.sources.workbooks import is_excel, read_sheets, workbook_columns

SAMPLE_ROWS = 200_000
# Bytes of a text file that its rows are estimated from.
_HEAD_BYTES = 4 << 20
# Larger databases are not counted: SQLite would read all of them.
_COUNTED_BYTES = 1 << 30


@dataclass(frozen=True)
class Sample:
    """The first rows of a file. Text files give text; `keyed` is a JSON object of objects, with its keys as column `key`.

    folder: the partitioned table whose first file with rows it is. rows: how many the file, or that table, has; None where it is not
    known. whole: whether the sample is all of them. header: names of the columns where the file has none; they are those of the format
    `header_of`, or made up where that is None. unread: why columns are left out that cannot be read. part: the table of a database, or the
    sheet of a workbook. attributes: what pandas wrote of the table, as caveclient's resolution.
    """

    file: Path
    kind: str
    table: pa.Table
    rows: int | None
    estimated: bool
    keyed: bool = False
    header: tuple[str, ...] | None = None
    header_of: str | None = None
    tables: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    part: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def place(self) -> Path:
        """What a source names: the folder of the partitioned table that the file is of, else the file."""
        return (self.folder or self.file).resolve()

    @property
    def whole(self) -> bool:
        """Whether these are all rows of the table."""
        return self.table.num_rows == self.rows and not self.estimated


def take_sample(path: str, header: Sequence[str] | None = None, table: str | None = None) -> Sample:
    """The first `SAMPLE_ROWS` rows of the file at `path`, or of the first file with rows where it is the folder of a partitioned table.

    Raises BadInput for a file that cannot be read, or has no rows.
    """
    if parts := partitioned_table(path):
        return _sample_of_parts(path, parts, header)
    file = existing_file(path)
    if is_excel(path):
        return _sheet_sample(file, path, table)
    kind = kind_of(path)
    if kind == "JSON" and _first_letter(file) == "{":
        return _keyed_sample(file)
    header_of = None
    tables: tuple[str, ...] = ()
    if kind == "SQLite":
        tables = tuple(table_names(path))
        table = table or _known_table(tables)
    opened = open_table(path, header, table)
    if opened.looks_headerless and header is None:
        header_of, header = _known_header(len(opened.own_names))
        opened = open_table(path, header)
    names = [name for name in opened.names if opened.names.count(name) == 1]
    unread = [f"several columns are called '{name}'" for name in dict.fromkeys(opened.names) if name not in names]
    while True:
        try:
            rows = _first_rows(opened, names)
            break
        except NotUtf8 as error:
            names.remove(error.column)
            unread.append(str(error))
    countable = kind != "SQLite" or file.stat().st_size <= _COUNTED_BYTES
    count, estimated = opened.rows() if countable else None, False
    if rows.num_rows < SAMPLE_ROWS:
        count = rows.num_rows
    elif kind in ("CSV", "TSV", "JSON"):
        count, estimated = _estimated_rows(file, b"{" if kind == "JSON" else b"\n"), True
    column_names = None if header is None else tuple(header)
    attributes = _attributes(file) if kind == "Parquet" else {}
    return Sample(
        file, kind, rows, count, estimated, False, column_names, header_of, tables, tuple(unread), table, attributes
    )


def _sample_of_parts(path: str, parts: Sequence[str], header: Sequence[str] | None) -> Sample:
    counts = {part: open_table(part, header).rows() for part in parts}
    first = next((part for part, rows in counts.items() if rows != 0), None)
    if first is None:
        raise BadInput(f"none of the {len(parts):,} files in {path} has rows: inspect it again when there are some")
    sample = take_sample(first, header)
    known = [rows for rows in counts.values() if rows is not None]
    rows = sum(known) if len(known) == len(parts) else None
    return replace(sample, rows=rows, estimated=False, folder=Path(path))


def _attributes(file: Path) -> dict[str, Any]:
    """What pandas wrote of the table as a whole into a Parquet file (DataFrame.attrs)."""
    try:
        attributes = json.loads((pq.read_schema(file).metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    except ValueError:
        return {}
    return attributes if isinstance(attributes, dict) else {}


def _first_rows(opened: TableFile, names: Sequence[str]) -> pa.Table:
    batches: list[pa.Table] = []
    left = SAMPLE_ROWS
    for batch in opened.batches(names) if names else ():
        batches.append(pa.Table.from_batches([batch.slice(0, left)]))
        left -= batches[-1].num_rows
        if not left:
            break
    if left == SAMPLE_ROWS:
        raise BadInput(f"{opened.file} has columns ({', '.join(opened.names)}) but no rows")
    # Batches of JSON and SQLite may differ in type: what cannot be put together is text.
    columns = {}
    for name in names:
        chunks = [batch.column(name) for batch in batches]
        kinds = {chunk.type for chunk in chunks}
        columns[name] = (
            pa.chunked_array([chunk for column in chunks for chunk in column.chunks], kinds.pop())
            if len(kinds) == 1
            else pa.chunked_array([arrow_column([value for column in chunks for value in column.to_pylist()])])
        )
        if opened.delimiter == ";" and has_decimal_commas(columns[name].combine_chunks()):
            columns[name] = pa.chunked_array([pc.replace_substring(columns[name].combine_chunks(), ",", ".")])
    return pa.table(columns)


def _keyed_sample(file: Path) -> Sample:
    def objects() -> Iterator[dict[str, Any]]:
        with file.open("rb") as stream:
            for key, fields in json_items(JsonText(stream, file), keyed=True):
                if not isinstance(fields, dict):
                    raise BadInput(
                        f"{file}, '{key}': {fields!r} is no object; exports of Synister are objects of objects"
                    )
                yield {"key": key, **fields}

    with file.open("rb") as stream:
        refuse_json_lines(stream.read(START_BYTES), file)
    with reading(file):
        rows = list(islice(objects(), SAMPLE_ROWS))
    if not rows:
        raise BadInput(f"{file} holds an empty object")
    # How a synapse was split for training is nested, and nothing that is read.
    names = [name for name in rows[0] if name != "splits"]
    table = pa.table({name: arrow_column([row.get(name) for row in rows]) for name in names})
    is_complete = len(rows) < SAMPLE_ROWS
    count = len(rows) if is_complete else _estimated_rows(file, b'"x"')
    return Sample(file, "JSON", table, count, not is_complete, keyed=True)


def _sheet_sample(file: Path, path: str, sheet: str | None) -> Sample:
    """The sheet of that title, else the first that is a workbook of the chain without images, else the first with rows."""
    sheets = {title: (names, rows) for title, (names, rows) in read_sheets(path).items() if rows}
    if sheet is not None and sheet not in sheets:
        raise BadInput(f"{file} has no sheet '{sheet}' with rows; there are {list(sheets)}")
    if not sheets:
        raise BadInput(f"{file} has no sheet with rows below a header: is it the right file?")
    fitting = [title for title, (names, _) in sheets.items() if not workbook_columns(names)[1]]
    title = sheet or next(iter(fitting or sheets))
    names, rows = sheets[title]
    columns = {
        name: arrow_column([row[at] for row in rows])
        for at, name in enumerate(names)
        if name and names.count(name) == 1
    }
    unread = tuple(f"several columns are called '{name}'" for name in dict.fromkeys(names) if names.count(name) > 1)
    table = pa.table(columns)
    return Sample(file, "Excel", table, len(rows), False, tables=tuple(sheets), unread=unread, part=title)


def _known_table(tables: Sequence[str]) -> str | None:
    """The table that a format names, else the first."""
    known = [read_format(name)["source"].get("table") for name in format_names()]
    return next((table for table in known if table in tables), next(iter(tables), None))


def _known_header(columns: int) -> tuple[str | None, list[str]]:
    """The format whose file has no header and as many columns, and its names; or made-up names."""
    for name in format_names():
        header = read_format(name)["source"].get("header")
        if header and len(header) == columns:
            return name, list(header)
    return None, [f"column_{index}" for index in range(1, columns + 1)]


def _estimated_rows(file: Path, mark: bytes) -> int | None:
    """Rows of a text file, compressed or not, from how many `mark`s its beginning has: only two digits are meaningful."""
    with file.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        head = gzip.GzipFile(fileobj=raw).read(_HEAD_BYTES) if compressed else raw.read(_HEAD_BYTES)
        used = raw.tell()
    marks = head.count(mark)
    return int(float(f"{marks * file.stat().st_size / used:.1e}")) if marks else None


def _first_letter(file: Path) -> str:
    with file.open("rb") as stream:
        start = stream.read(1 << 10)
    return start.decode("utf-8-sig", errors="replace").lstrip()[:1]
