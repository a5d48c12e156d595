"""Files with named columns, opened as record batches of bounded size: CSV, TSV, Parquet, Feather, JSON lists, SQLite.

`open_table` reads no more than the names of the columns; `TableFile.batches` streams the rows of those asked for. What the
columns mean belongs to the readers beside this module.
"""

import csv
import gzip
import io
import re
import sqlite3
import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from sys import getsizeof
from typing import IO, Any
from urllib.parse import quote, unquote

import ijson
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from synapse_assets.errors import BadInput
from synapse_assets.schema import MADE_FROM
from synapse_assets.sources.checks import existing_file
from synapse_assets.sources.content import START_BYTES, refuse_json_lines, refuse_other_content, step_for
from synapse_assets.sources.dialects import HEAD_BYTES, dialect_of, is_number, with_decimal_points
from synapse_assets.sources.unfolding import UnfoldedText, Unfolding, dictionary_columns, is_gzip
from synapse_assets.sources.values import NO_VALUE, Place, numbers

BATCH_ROWS = 65_536
# Larger batches of JSON are slower: Python's collector then walks over all of their objects.
_JSON_ROWS = 16_384
_BLOCK_BYTES = 2 << 20
# Fewer rows are a batch where their texts are long.
_BATCH_BYTES = 64 << 20
_SQLITE_ROWS = 64
# No table nests deeper, or holds a longer text.
JSON_DEPTH = 100
_LONGEST_TEXT = 4 << 20
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_REST_OF_TEXT = re.compile(rb'(?:[^"\\]|\\.)*"?', re.DOTALL)
_TEXT_OR_NAME = re.compile(rb'"(?:[^"\\]|\\.)*"?|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_NAMES_OF_JSON = {b"NaN": b"null", b"-NaN": b"null", b"Infinity": b'"Infinity"', b"-Infinity": b'"-Infinity"'}
_WORD_AT_END = re.compile(rb"(?:-?[A-Za-z]{1,9}|-)\Z")
_LONGEST_WORD = 10
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"{}[]'))
# How long to wait for another program that holds a database.
_BUSY_SECONDS = 2.0
_COUNTING_SECONDS = 5.0
KINDS = {
    ".csv": "CSV",
    ".tsv": "TSV",
    ".txt": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".feather": "Feather",
    ".arrow": "Feather",
    ".json": "JSON",
    ".db": "SQLite",
    ".sqlite": "SQLite",
    ".sqlite3": "SQLite",
}

# A folder of a partitioned table: neuropil=EB; and what such folders are called where the value is empty.
HIVE_FOLDER = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def open_table(path: str, header: Sequence[str] | None = None, table: str | None = None) -> "TableFile":
    """The file at `path`, its kind known by its suffix (before .gz, for text).

    header: names of the columns of a CSV or TSV file without a header. table: table of an SQLite file with several. The folders
    of a partitioned table give their columns, as text (neuropil=EB/part.parquet). Raises BadInput where the file is absent, no
    table, or broken.
    """
    opened = _opened(existing_file(path), kind_of(path), header, table)
    opened.add_columns(_hive_columns(Path(path)))
    return opened


def _hive_columns(path: Path) -> dict[str, str | None]:
    """The columns that the folders directly above a file give."""
    columns: dict[str, str | None] = {}
    for folder in path.parents:
        match = HIVE_FOLDER.fullmatch(folder.name)
        if match is None:
            break
        columns.setdefault(unquote(match[1]), None if match[2] == _HIVE_NULL else unquote(match[2]))
    return columns


def _opened(file: Path, kind: str, header: Sequence[str] | None, table: str | None) -> "TableFile":
    with reading(file):
        refuse_other_content(_start_of(file, kind), kind, file)
        if kind in ("CSV", "TSV"):
            return _Delimited(file, kind, header)
        if header is not None:
            raise BadInput(f"{file}: header is for CSV and TSV files; a {kind} file names its columns itself")
        if kind == "SQLite":
            return _Sqlite(file, table)
        return {"Parquet": _Parquet, "Feather": _Feather, "JSON": _Json}[kind](file)


def table_names(path: str) -> list[str]:
    """Tables and views of an SQLite file. Raises BadInput where it cannot be read."""
    file = existing_file(path)
    refuse_other_content(_start_of(file, "SQLite"), "SQLite", file)
    with reading(file), _connected(file) as connection:
        return _tables(connection)


def kind_of(path: str) -> str:
    """CSV, TSV, Parquet, Feather, JSON or SQLite, by the suffix. Raises BadInput for another one."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    suffix = ([suffix for suffix in suffixes if suffix != ".gz"] or [""])[-1]
    if suffix not in KINDS or (suffixes[-1] == ".gz" and KINDS[suffix] not in ("CSV", "TSV", "JSON")):
        known = f"{path}: a table is a file that ends in one of {', '.join(KINDS)} (text also .gz)"
        raise BadInput(known + step_for(suffixes[-1] if suffixes else ""))
    return KINDS[suffix]


def is_table(name: str) -> bool:
    """Whether a file of that name is one that `open_table` opens."""
    try:
        return bool(kind_of(name))
    except BadInput:
        return False


class NotUtf8(BadInput):
    """A column of a text file that is not UTF-8.

    What to do: save the file as UTF-8, for example with `iconv -f latin1 -t utf-8 old.csv > new.csv`, and name the new one.
    """

    def __init__(self, file: Path, column: str) -> None:
        super().__init__(
            f"{file} is no UTF-8 text (invalid UTF8 data in column '{column}'), but Latin-1 or Windows text, or broken: save it as "
            "UTF-8 (Excel: 'CSV UTF-8')"
        )
        self.column = column


class TableFile:
    """A file with named columns.

    names: its columns; own_names: those that are in the file itself. kind: what sort of file it is. delimiter: what separates
    the cells of a text file. made_from: JSON that a Parquet file of this pipeline says of itself (`schema.MADE_FROM`).
    """

    delimiter: str | None = None
    made_from: str | None = None

    def __init__(self, file: Path, kind: str, names: Sequence[str]) -> None:
        self.file, self.kind, self.names = file, kind, list(names)
        self.own_names = list(names)
        self._same_everywhere: dict[str, str | None] = {}

    def add_columns(self, columns: Mapping[str, str | None]) -> None:
        """Columns of one text (or null) for all rows, where the file has none of that name."""
        self._same_everywhere = {name: value for name, value in columns.items() if name not in self.names}
        self.names += self._same_everywhere

    def require(self, columns: Mapping[str, str]) -> None:
        """Raises BadInput naming the columns (by what they are for) that the file lacks, or has twice."""
        columns = {use: self._own_name(column) for use, column in columns.items()}
        missing = {use: column for use, column in columns.items() if column not in self.names}
        if missing:
            missing_columns = ", ".join(f"'{column}' (for {use})" for use, column in missing.items())
            raise BadInput(
                f"{self.file} has no column {missing_columns}; its columns are {self.names}. {self._remedy()}Fix 'columns' in the "
                "dataset's YAML, or see 'synapse-assets inspect'"
            )
        twice = sorted({column for column in columns.values() if self.names.count(column) > 1})
        if twice:
            raise BadInput(f"{self.file} has the columns {twice} more than once: rename them")

    def batches(self, columns: Collection[str], as_numbers: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """The rows of these columns, in file order, at most about 100,000 at a time.

        Typed files give their own types. Text gives text, and float64 for the columns of `as_numbers`. Raises BadInput where
        the file is broken, unfolds to more than a table can hold, or a column of `as_numbers` is none.
        """
        requested = set(columns)
        own_columns = {self._own_name(column) for column in requested}
        as_numbers = {self._own_name(column) for column in as_numbers}
        added = {name: value for name, value in self._same_everywhere.items() if name in own_columns}
        # Something of the file has to be read, to know how many rows it has.
        own = sorted(own_columns - set(added)) or self.own_names[:1]
        unfolding = Unfolding(self.file)
        with reading(self.file):
            for batch in self._read(own, frozenset(as_numbers - set(added))):
                for start in range(0, batch.num_rows, 2 * BATCH_ROWS):
                    part = unfolding.plain(batch.slice(start, 2 * BATCH_ROWS))
                    for name, value in added.items():
                        part = part.append_column(name, pa.repeat(pa.scalar(value, pa.string()), part.num_rows))
                    for column in requested - own_columns:
                        part = part.append_column(column, part.column(self._own_name(column)))
                    yield part

    def rows(self) -> int | None:
        """How many rows there are, where the file says so without being read (SQLite counts them, for seconds); otherwise None."""
        return None

    @property
    def looks_headerless(self) -> bool:
        """Whether the first line of a text file, taken for its header, is numbers rather than names."""
        return False

    def _read(self, columns: list[str], as_numbers: frozenset[str]) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def _remedy(self) -> str:
        return ""

    def _own_name(self, column: str) -> str:
        """The file's name of a column that the dataset's YAML names."""
        return column


class JsonText:
    """A stream of JSON text for ijson, which needs memory by the square of the nesting, by the longest text and by the
    largest entry: one that no table has is refused, before it is parsed. position: bytes that were read."""

    def __init__(self, stream: IO[bytes], file: Path) -> None:
        self._stream, self.file = stream, file
        self._held = b""
        self._begun = False
        self._depth = self._length = self._entry = 0
        self.position = 0
        self._inside = self._escaped = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes, about `size`, with null for NaN, as Python writes it for nothing, and Infinity in quotes.

        Raises BadInput where they nest deeper than `JSON_DEPTH`, or a text, number or entry does not end.
        """
        if size == 0:  # ijson asks so whether it gets bytes
            return b""
        block = self._next(size)
        names = b"NaN" in block or b"Infinity" in block
        block = self._with_names_of_json(block) if names else block
        self._check_structure(block)
        self.position += len(block)
        return block

    def _next(self, size: int) -> bytes:
        """The next bytes without a byte order mark; a word at their end is held back until all of it is there."""
        while True:
            data = self._stream.read(size)
            block = self._held + data
            if not self._begun:
                block = block.removeprefix(b"\xef\xbb\xbf")
                self._begun = True
            word = _WORD_AT_END.search(block, max(0, len(block) - _LONGEST_WORD)) if data else None
            self._held = word[0] if word else b""
            block = block[: len(block) - len(self._held)]
            if block or not data:
                return block

    def _with_names_of_json(self, block: bytes) -> bytes:
        text_ends = _REST_OF_TEXT.match(block, int(self._escaped)) if self._inside else None
        start = text_ends.end() if text_ends else 0
        return block[:start] + _TEXT_OR_NAME.sub(lambda match: _NAMES_OF_JSON.get(match[0], match[0]), block[start:])

    def _check_structure(self, block: bytes) -> None:
        text = block[1:] if self._escaped else block
        self._escaped = False
        if b"\\" in text:
            text = _ESCAPE.sub(b"", text)
            self._escaped = text.endswith(b"\\")
        structure = text.translate(None, _NOT_STRUCTURE)
        # Whatever is between quotes is text; texts without brackets are two quotes by now.
        parts = (b'"' * self._inside + structure).replace(b'""', b"").split(b'"')
        brackets = np.frombuffer(b"".join(parts[::2]), np.uint8)
        # Of the two pairs, { [ are 123 and 91, } ] are 125 and 93.
        depths = self._depth + np.cumsum(np.where((brackets == 123) | (brackets == 91), 1, -1))
        # At depth 1 are the entries of the outermost list or object.
        self._entry = 0 if min(self._depth, depths.min(initial=self._depth)) <= 1 else self._entry + len(block)
        if depths.size:
            self._depth = int(depths[-1])
            if depths.max() > JSON_DEPTH:
                raise BadInput(
                    f"{self.file} nests deeper than {JSON_DEPTH} brackets: it is no table of synapses or neurons"
                )
        goes_on = b'"' not in structure and (self._inside or not structure)
        self._length = self._length + len(block) if goes_on else 0
        self._inside = len(parts) % 2 == 0
        if self._length > _LONGEST_TEXT:
            raise BadInput(
                f"{self.file} has a text or number longer than {_LONGEST_TEXT >> 20} MiB: it is broken, or no table of synapses or neurons"
            )
        if self._entry > _LONGEST_TEXT:
            raise BadInput(
                f"{self.file} has one object or list longer than {_LONGEST_TEXT >> 20} MiB where one synapse or neuron is wanted: write "
                "a list of objects, one for each, [{...}, ...]"
            )


class _Object(dict[str, Any]):
    """An object of a JSON file. `twice`: the fields that it names more than once."""

    twice: frozenset[str] = frozenset()

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            self.twice |= {key}
        super().__setitem__(key, value)


def json_items(
    text: JsonText, keyed: bool = False, read: Collection[str] | None = None
) -> Iterator[tuple[str | None, Any]]:
    """What a JSON list holds, without a key; or, `keyed`, the fields of a JSON object with their names. Streamed; whole numbers stay
    whole, to the last digit.

    Raises BadInput where an object among them names a field twice that is `read` (default: any): which value is meant cannot be known.
    """
    options = {"use_float": True, "map_type": _Object}
    pairs = (
        ijson.kvitems(text, "", **options) if keyed else ((None, item) for item in ijson.items(text, "item", **options))
    )
    for number, (key, item) in enumerate(pairs, start=1):
        twice = item.twice if isinstance(item, _Object) else frozenset()
        if unclear := sorted(twice if read is None else twice.intersection(read)):
            where = f"'{key}'" if keyed else f"row {number}"
            raise BadInput(f"{text.file}, {where}: the field '{unclear[0]}' comes more than once; keep one")
        yield key, item


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turns what libraries raise for a broken file into BadInput."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ijson.JSONError, csv.Error, UnicodeDecodeError) as error:
        # Parsers show the place in the text over several lines.
        message = " ".join(str(error).split()).rstrip(".")
        if "straddles" in message:
            message = f"a line, or a text in quotes, is longer than {_BLOCK_BYTES >> 20} MiB; is a quote never closed?"
            raise BadInput(f"{file} cannot be read: {message}") from error
        raise BadInput(f"{file} cannot be read: {message}. {_remedy(error, message)}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{file} is broken or cut short: {error}. Fetch it again") from error
    except sqlite3.Error as error:
        raise BadInput(f"{file} cannot be read: {error}. {_sqlite_remedy(error)}") from error
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error}. Cut short, or no right to read it? Fetch it again") from error


def _remedy(error: Exception, message: str) -> str:
    if "overflow" in message:
        return "Write numbers that are too large as text, in quotes"
    if isinstance(error, ijson.JSONError) and not re.search(r"premature|incomplete", message, re.IGNORECASE):
        return "It is not valid JSON there: write it with a program that exports JSON"
    if "CSV parse error" in message:
        return "Give that row as many cells as the header has, and put texts with separators in quotes"
    if isinstance(error, pa.ArrowNotImplementedError):
        return "It uses what is not read here: write it anew, for instance as Parquet with pyarrow"
    return "Is it whole, and of the kind that its suffix says?"


class _Delimited(TableFile):
    """CSV and TSV, plain or compressed with gzip (known by its first bytes)."""

    def __init__(self, file: Path, kind: str, header: Sequence[str] | None) -> None:
        self._gzip = is_gzip(file)
        with _text_start(file, self._gzip) as stream:
            head = stream.read(HEAD_BYTES)
        dialect = dialect_of(head, "\t" if kind == "TSV" else ",", str(file))
        self.delimiter, self._first = dialect.delimiter, dialect.first
        self._rows_at = dialect.rest_at if header is None else dialect.first_at
        self._has_header = header is None
        if header is not None and len(header) != len(self._first):
            raise BadInput(
                f"{file}: header names {len(header)} columns, but the first row has {len(self._first)}: {_short(self._first)}"
            )
        super().__init__(file, kind, self._first if header is None else header)

    @property
    def looks_headerless(self) -> bool:
        return self._has_header and 2 * sum(map(is_number, self._first)) >= len(self._first) > 0

    def _remedy(self) -> str:
        if self.looks_headerless:
            return "The first line looks like data: name the columns in order, header: [id, x, y, ...]. "
        if len(self._first) == 1 and len(self._first[0].split()) > 2:
            return "If blanks separate its columns, save it with commas or tabs. "
        return ""

    def _own_name(self, column: str) -> str:
        # Blanks around a name are none of it, neither in the file nor in the YAML.
        return column if column in self.names or column.strip() not in self.names else column.strip()

    def _read(self, columns: list[str], as_numbers: frozenset[str]) -> Iterator[pa.RecordBatch]:
        # Excel separates by semicolons where the comma is its decimal sign.
        commas = as_numbers if self.delimiter == ";" else frozenset()
        sign: set[str] = set()
        try:
            first_row = 1
            for batch in self._open(columns, as_numbers - commas):
                for column in commas & set(columns):
                    rows = range(first_row, first_row + batch.num_rows)
                    batch = self._with_decimal_points(batch, column, Place(str(self.file), column, rows), sign)
                first_row += batch.num_rows
                yield batch
        except pa.ArrowInvalid as error:
            message = str(error)
            if "invalid UTF8" in message:
                raise NotUtf8(self.file, self.own_names[int(re.findall(r"column #(\d+)", message)[0])]) from error
            if "conversion error" in message:
                self._name_the_wrong_number(as_numbers)
            raise

    def _with_decimal_points(self, batch: pa.RecordBatch, column: str, place: Place, sign: set[str]) -> pa.RecordBatch:
        """The batch with that column as numbers; `sign` keeps the decimal signs of the batches so far."""
        index = batch.schema.names.index(column)
        values = with_decimal_points(batch.column(index), f"{self.file}, column '{column}',")
        for mark in ",.":
            if pc.any(pc.match_substring(batch.column(index), mark)).as_py():
                sign.add(f"{mark}{column}")
        if {f",{column}", f".{column}"} <= sign:
            raise BadInput(
                f"{self.file}, column '{column}', has numbers with a comma and others with a point: write one decimal sign throughout, "
                "and no separators of thousands"
            )
        return batch.set_column(index, column, numbers(values, place))

    def _open(self, columns: list[str], as_numbers: frozenset[str]) -> Iterator[pa.RecordBatch]:
        # By their places: names of columns that nobody reads may be anything.
        column_indices = [str(self.names.index(column)) for column in columns]
        types = {
            index: pa.float64() if column in as_numbers else pa.string()
            for index, column in zip(column_indices, columns, strict=True)
        }
        unfolding = Unfolding(self.file)
        # Not a stream of Python's: Arrow reads ahead in threads, which could not end without Python.
        with pa.input_stream(str(self.file), compression="gzip" if self._gzip else None) as stream:
            stream.read(self._rows_at)
            try:
                reader = pyarrow.csv.open_csv(
                    stream,
                    read_options=pyarrow.csv.ReadOptions(
                        block_size=_BLOCK_BYTES, column_names=list(map(str, range(len(self.own_names))))
                    ),
                    parse_options=pyarrow.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                    convert_options=pyarrow.csv.ConvertOptions(
                        include_columns=column_indices, column_types=types, null_values=sorted(NO_VALUE)
                    ),
                )
            except pa.ArrowInvalid as error:
                if "Empty CSV file" in str(error):
                    return
                raise
            with reader:
                for batch in reader:
                    if self._gzip:
                        unfolding.add(_BLOCK_BYTES)  # a batch is what a block holds, be it blank lines
                    yield batch.rename_columns(columns)

    def _name_the_wrong_number(self, as_numbers: frozenset[str]) -> None:
        """Reads the columns again as text, for the row of the value that is no number."""
        first_row = 1
        for batch in self._open(sorted(as_numbers), frozenset()):
            for column in batch.schema.names:
                rows = range(first_row, first_row + batch.num_rows)
                numbers(batch.column(column), Place(str(self.file), column, rows))
            first_row += batch.num_rows


class _Parquet(TableFile):
    def __init__(self, file: Path) -> None:
        with pq.ParquetFile(file) as parquet:
            super().__init__(file, "Parquet", parquet.schema_arrow.names)
            self._rows = parquet.metadata.num_rows
            said = (parquet.schema_arrow.metadata or {}).get(MADE_FROM)
            self.made_from = None if said is None else said.decode(errors="replace")

    def rows(self) -> int | None:
        return int(self._rows)

    def _read(self, columns: list[str], as_numbers: frozenset[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.file) as parquet:
            Unfolding(self.file).add_parquet(parquet.metadata, columns)
            repeated = dictionary_columns(parquet.metadata, columns)
        with pq.ParquetFile(self.file, read_dictionary=repeated) as parquet:
            yield from parquet.iter_batches(BATCH_ROWS, columns=columns)


class _Feather(TableFile):
    """Arrow IPC files, mapped into memory and taken batch by batch; only the columns asked for are unpacked."""

    def __init__(self, file: Path) -> None:
        with pa.memory_map(str(file)) as mapped:
            Unfolding(file).add_feather(mapped)
        with self._mapped(file) as reader:
            super().__init__(file, "Feather", reader.schema.names)

    @contextmanager
    def _mapped(self, file: Path, columns: list[str] | None = None) -> Iterator[Any]:
        with pa.memory_map(str(file)) as mapped:
            with pa.ipc.open_file(mapped) as reader:
                fields = None if columns is None else sorted(map(reader.schema.names.index, columns))
            if fields is None:
                with pa.ipc.open_file(mapped) as reader:
                    yield reader
            else:
                options = pa.ipc.IpcReadOptions(included_fields=fields)
                with pa.ipc.open_file(mapped, options=options) as reader:
                    yield reader

    def rows(self) -> int | None:
        with self._mapped(self.file, self.names[:1]) as reader:
            return sum(reader.get_batch(index).num_rows for index in range(reader.num_record_batches))

    def _read(self, columns: list[str], as_numbers: frozenset[str]) -> Iterator[pa.RecordBatch]:
        with self._mapped(self.file, columns) as reader:
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index).select(columns)


class _Json(TableFile):
    """A list of objects, streamed; its columns are the fields of the first object."""

    def __init__(self, file: Path) -> None:
        self._gzip = is_gzip(file)
        content = _start_of(file, "JSON")
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise BadInput(f"{file} is UTF-16 text: save it as UTF-8")
        start = content.decode("utf-8-sig", errors="replace").lstrip()[:1]
        if start != "[":
            refuse_json_lines(content, file)
            raise BadInput(
                f"{file} is {'a JSON object' if start == '{' else 'no JSON'} where a list of objects is wanted: [{{...}}, ...] (pandas: "
                "to_json with orient='records'); exports of Synister are formats of their own (synister_v3, synister_v4)"
            )
        self.file = file
        _, first = next(self._objects([]), (0, None))
        if first is None:
            raise BadInput(f"{file} holds an empty list")
        super().__init__(file, "JSON", list(first))

    def _objects(self, columns: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The objects, each with how many bytes had been read by then."""
        with _text_start(self.file, self._gzip) as stream:
            content = JsonText(stream, self.file)
            for row, (_, item) in enumerate(json_items(content, read=columns), start=1):
                if not isinstance(item, dict):
                    raise BadInput(f"{self.file}, row {row}: {item!r} is no object; a list of objects is wanted")
                yield content.position, item

    def _read(self, columns: list[str], as_numbers: frozenset[str]) -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        began = 0
        for position, item in self._objects(columns):
            rows.append(item)
            if len(rows) == _JSON_ROWS or position - began > _BATCH_BYTES:
                yield self._batch(rows, columns)
                rows, began = [], position
        if rows:
            yield self._batch(rows, columns)

    def _batch(self, rows: list[dict[str, Any]], columns: list[str]) -> pa.RecordBatch:
        return pa.record_batch({name: arrow_column([row.get(name) for row in rows]) for name in columns})


class _Sqlite(TableFile):
    """One table or view of an SQLite file, opened for reading only."""

    def __init__(self, file: Path, table: str | None) -> None:
        with _connected(file) as connection:
            tables = _tables(connection)
            if table is None and len(tables) == 1:
                table = tables[0]
            if table is None:
                raise BadInput(f"{file} has the tables {tables}: name one, table: <name>")
            if table not in tables:
                raise BadInput(f"{file} has no table '{table}'; its tables are {tables}. Fix 'table' in the YAML")
            self.table = table
            names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({_quoted(table)})")]
        super().__init__(file, "SQLite", names)

    def rows(self) -> int | None:
        with reading(self.file), _connected(self.file) as connection:
            began = time.monotonic()
            # A view may have rows without end.
            connection.set_progress_handler(lambda: time.monotonic() - began > _COUNTING_SECONDS, 1_000_000)
            try:
                return self._count(connection)
            except sqlite3.OperationalError:
                if time.monotonic() - began > _COUNTING_SECONDS:
                    return None
                raise

    def _count(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {_quoted(self.table)}").fetchone()[0])  # noqa: S608

    def _read(self, columns: list[str], as_numbers: frozenset[str]) -> Iterator[pa.RecordBatch]:
        names = ", ".join(map(_quoted, columns))
        with _connected(self.file) as connection:
            cursor = connection.execute(f"SELECT {names} FROM {_quoted(self.table)}")  # noqa: S608
            rows: list[tuple[Any, ...]] = []
            size = 0
            while some := cursor.fetchmany(_SQLITE_ROWS):
                rows += some
                size += sum(map(getsizeof, chain.from_iterable(some)))
                if len(rows) >= BATCH_ROWS or size > _BATCH_BYTES:
                    yield self._batch(rows, columns)
                    rows, size = [], 0
            if rows:
                yield self._batch(rows, columns)

    def _batch(self, rows: list[tuple[Any, ...]], columns: list[str]) -> pa.RecordBatch:
        by_column = zip(columns, zip(*rows, strict=True), strict=True)
        return pa.record_batch({name: arrow_column(list(values)) for name, values in by_column})


def arrow_column(values: list[Any]) -> pa.Array:
    """Python values as one Arrow column; as text, exact to the digit, where they are of several kinds or beyond 64 bits."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _start_of(file: Path, kind: str) -> bytes:
    """The first bytes of a file, of compressed text unpacked."""
    packed = kind in ("CSV", "TSV", "JSON") and is_gzip(file)
    with _text_start(file, packed) as stream:
        return stream.read(START_BYTES)


def _text_start(file: Path, compressed: bool) -> IO[bytes]:
    return io.BufferedReader(UnfoldedText(gzip.open(file), file), 1 << 20) if compressed else file.open("rb")


def _short(values: Sequence[str]) -> str:
    listed = ", ".join(values[:6])
    return f"{listed}, ..." if len(values) > 6 else listed


@contextmanager
def _connected(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(
        f"file:{quote(str(file.resolve()))}?mode=ro", uri=True, timeout=_BUSY_SECONDS, check_same_thread=False
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_TEXT)
        yield connection
    finally:
        connection.close()


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    return [name for (name,) in rows if not name.startswith("sqlite_")]


def _quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _sqlite_remedy(error: sqlite3.Error) -> str:
    message = str(error)
    if "too big" in message:
        return f"A text or blob is longer than {_LONGEST_TEXT >> 20} MiB: name other columns, or another table"
    if "locked" in message:
        return "Another program is writing to it: close that one, or read a copy"
    if "not a database" in message:
        return "It is no SQLite file, or encrypted: check its suffix"
    return "Is it a whole SQLite file, in a folder that may be read?"
