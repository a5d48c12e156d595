"""Workbooks of synapses without images, Excel or CSV, read as `schema.morphology.SYNAPSES`; local files or http(s) addresses.

A workbook is small (thousands of rows) and made by hand, so it is read whole, cell by cell, and errors are reported by file,
sheet, row and column. Rows are numbered as Excel shows them: the header is row 1. What the numbers mean, and leaving out any of
them, belongs to `analysis/morphology`.
"""

import difflib
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from synapse_assets.datasets import MorphologyDataset, Workbook, WorkbookColumns
from synapse_assets.errors import BadInput
from synapse_assets.schema import morphology
from synapse_assets.sources.checks import NoRows, existing_file
from synapse_assets.sources.fetching import shown_address
from synapse_assets.sources.files import open_table
from synapse_assets.sources.listing import SourceFile, local_files, unchanged
from synapse_assets.sources.values import EXACT_IN_FLOAT64, NO_VALUE, Place, plain_text

__all__ = ["is_excel", "read_sheets", "read_workbook", "read_workbooks", "shown_address", "workbook_columns"]

_EXCEL, _CSV = (".xlsx", ".xlsm"), (".csv",)
# A workbook is small; beyond this it is no table of synapses, or was made to fill the memory.
_LARGEST_FILE = 200 << 20
_LARGEST_UNPACKED = 256 << 20
_MOST_ROWS, _MOST_CELLS = 200_000, 20_000_000
_OLE2 = bytes.fromhex("D0CF11E0A1B11AE1")  # compound file: .xls before 2007, and every encrypted workbook
_ZIP = b"PK\x03\x04"
_IDS = ("neuron_id", "synapse_type", "brain_region")
_AREAS = ("synapse_area", "bouton_area")
# What counts as empty in CSV does so in Excel; #NV is the German Excel's #N/A.
_NO_VALUE = NO_VALUE | {"#NV"}
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?)", re.IGNORECASE)
# Excel's rows end there, and its columns at XFD.
_LAST_ROW = 1_048_576
_FAR_COLUMN_XML = re.compile(rb"""\sr\s*=\s*["'][A-Za-z]{4}""")
_FORMULA_XML = re.compile(rb"<(?:\w+:)?f[ >/]")


_SPLIT = "delete what is not needed, save it in Excel, or split it"


class _Formula:
    """Stands for a cell with a formula of which the file holds no value."""


@dataclass(frozen=True)
class _Grid:
    """The mapped cells of one sheet: `cells[field]` has one entry a row (None: empty), `rows` its number in the file."""

    where: str
    sheet: str | None
    names: dict[str, str]  # field of the mapping -> column of the sheet
    cells: dict[str, list[Any]]
    rows: np.ndarray

    def place(self, field: str) -> Place:
        return Place(self.where, self.names[field], self.rows)


@dataclass(frozen=True)
class _Read:
    """One file as read: what it is called in messages, its rows, the row of `WORKBOOKS`, and the numbers of its rows."""

    label: str
    synapses: pa.Table
    provenance: pa.Table
    rows: np.ndarray


def read_workbooks(dataset: MorphologyDataset, raw: Path) -> tuple[pa.Table, pa.Table]:
    """All synapses of the dataset and where they were read from: `schema.morphology.SYNAPSES` and `WORKBOOKS`.

    Rows are in the order of the workbooks, their files and sheets. Raises BadInput like `read_workbook`, and where two files
    have a synapse of the same id.
    """
    read_files = [file for workbook in dataset.workbooks for file in _read_files(workbook, dataset, raw)]
    synapses = pa.concat_tables([morphology.SYNAPSES.empty(), *(file.synapses for file in read_files)]).combine_chunks()
    ids = synapses.column("synapse_id").to_pylist()
    labels = [file.label for file in read_files for _ in range(len(file.rows))]
    rows = [row for file in read_files for row in file.rows.tolist()]
    repeated = _repeated(ids)
    if repeated:
        first, second = repeated[0]
        total = f" ({len(repeated):,} synapses in all)" if len(repeated) > 1 else ""
        raise BadInput(
            f"synapse '{ids[first]}' is in workbook {labels[first]} (row {rows[first]}) and in workbook {labels[second]} "
            f"(row {rows[second]}){total}: give one of them an id_prefix in the dataset's YAML, or fix the file"
        )
    return synapses, _provenance(read_files)


def read_workbook(workbook: Workbook, dataset: MorphologyDataset, raw: Path) -> tuple[pa.Table, pa.Table]:
    """The synapses of one workbook and its provenance: `schema.morphology.SYNAPSES`, and of `WORKBOOKS` one row a file.

    workbook.path names files (.xlsx, .xlsm or .csv), see `listing`; those at addresses are fetched into the dataset's local
    folder `raw` when they have changed.
    synapse_id is '<id_prefix><neuron>/<synapse type>/<number>'. Coordinates and measures are float64 in the workbook's units.
    Rows that are empty in all mapped columns are passed over. CSV may be the German Excel's: semicolons and decimal commas.

    Raises BadInput where a file cannot be fetched, is no workbook, or is written while it is read, where several sheets hold
    rows and none is named, where columns are missing or double, where a required cell is empty or of the wrong kind, an area is
    not above 0, a neuron or synapse type is unknown, or two rows of a file have the same key (neuron, synapse type, number).
    """
    read_files = _read_files(workbook, dataset, raw)
    return pa.concat_tables([morphology.SYNAPSES.empty(), *(file.synapses for file in read_files)]), _provenance(
        read_files
    )


def read_sheets(path: str) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """The sheets of an Excel workbook that hold anything, by title: the cells of the first row, and those of the rows below.

    Raises BadInput where it cannot be read.
    """
    file = existing_file(path)
    if file.stat().st_size > _LARGEST_FILE:
        raise BadInput(f"{path} is larger than {_LARGEST_FILE >> 20} MiB, too large for a workbook: split it")
    content = file.read_bytes()
    _refuse_other_content(content, file.suffix.lower(), path)
    with _parsing(path, content):
        _has_formulas(content, path)
        sheets = _sheets(content, None)
    contents = {}
    for title, sheet in sheets.items():
        first, *rows = [[_stripped(cell) for cell in sheet.rows[number]] for number in sorted(sheet.rows)] or [[]]
        if first:
            names = ["" if cell is None else str(cell) for cell in first]
            contents[title] = (names, [(row + [None] * len(names))[: len(names)] for row in rows])
    return contents


def is_excel(path: str) -> bool:
    """Whether a file is an Excel workbook that is read here, by its suffix."""
    return Path(path).suffix.lower() in _EXCEL


def workbook_columns(names: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
    """What to write in `columns` of a workbook with these names where the defaults do not fit, and the fields it lacks.

    Names are compared without case and separators.
    """
    by_key = {_key(name): name for name in reversed(names)}
    columns: dict[str, str | None] = {}
    missing = []
    for field, info in WorkbookColumns.model_fields.items():
        if info.default is None:
            continue
        name = by_key.get(_key(info.default), by_key.get(_key(field) if "_" in field else ""))
        if name is not None and name != info.default:
            columns[field] = name
        elif name is None and info.annotation is str:
            missing.append(field)
        elif name is None and field != "bouton_volume":
            columns[field] = None
    return columns, missing


def _key(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _provenance(read_files: list[_Read]) -> pa.Table:
    return pa.concat_tables([morphology.WORKBOOKS.empty(), *(file.provenance for file in read_files)]).combine_chunks()


def _read_files(workbook: Workbook, dataset: MorphologyDataset, raw: Path) -> list[_Read]:
    read_files = []
    for file in local_files(workbook, raw):
        try:
            with unchanged(file):
                read_files.append(_read(workbook, file, dataset))
        except NoRows:
            if file.alone:
                raise
    return read_files


def _read(workbook: Workbook, listed: SourceFile, dataset: MorphologyDataset) -> _Read:
    origin, file = listed.shown, existing_file(listed.place)
    suffix = file.suffix.lower()
    if suffix not in _EXCEL + _CSV:
        legacy = ". Open it in Excel and save it as .xlsx" if suffix in (".xls", ".xlsb", ".ods", ".numbers") else ""
        raise BadInput(f"{origin}: a workbook is a file that ends in .xlsx, .xlsm or .csv{legacy}")
    if file.stat().st_size > _LARGEST_FILE:
        raise BadInput(f"{origin} is larger than {_LARGEST_FILE >> 20} MiB, too large for a workbook: split it")
    content = file.read_bytes()
    _refuse_other_content(content, suffix, origin)
    grid = _excel(content, origin, workbook) if suffix in _EXCEL else _csv(file, origin, workbook)
    if not len(grid.rows):
        raise NoRows(f"{grid.where} has a header but no rows: is it the right file and sheet?")
    synapses = _synapses(grid, workbook, dataset)
    provenance = {
        "workbook": workbook.name,
        "file": listed.name,
        "origin": origin,
        "sheet": grid.sheet,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": synapses.num_rows,
        "used_for": workbook.used_for,
    }
    row = {column.name: pa.array([provenance[column.name]], column.type) for column in morphology.WORKBOOKS.columns}
    label = f"'{workbook.name}'" + ("" if listed.alone else f", file '{listed.name}'")
    return _Read(label, synapses, morphology.WORKBOOKS.conform(pa.table(row)), grid.rows)


# Files ---------------------------------------------------------------------------------------------------------------------


def _refuse_other_content(content: bytes, suffix: str, origin: str) -> None:
    """Raises BadInput where the first bytes are not those of a file with that suffix, saying what they are."""
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(_OLE2):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise BadInput(
                f"{origin} is protected by a password: save it without one (Excel: File, Info, Protect Workbook)"
            )
        raise BadInput(f"{origin} is a workbook of Excel 97 to 2003 (.xls): open it in Excel and save it as .xlsx")
    if start.startswith(b"version https://git-lfs"):
        raise BadInput(f"{origin} is a git-LFS pointer, not the data: fetch the file itself")
    if start.startswith(b"<"):
        raise BadInput(f"{origin} is a web page or other XML text, not a workbook: does the download ask for a login?")
    if suffix in _CSV and start.startswith(_ZIP):
        raise BadInput(f"{origin} ends in .csv but is an Excel workbook or another archive: name it .xlsx")
    if suffix in _CSV:
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{origin} is no UTF-8 text ({error}): save it in Excel as 'CSV UTF-8', or as .xlsx"
            ) from error
    if suffix in _EXCEL and not start.startswith(_ZIP):
        raise BadInput(f"{origin} ends in {suffix} but is no Excel workbook: name text .csv, or fetch it again")


# Cells ---------------------------------------------------------------------------------------------------------------------


_Row = list[Any]


class _Sheet(NamedTuple):
    rows: dict[int, _Row]  # by number; those that hold anything
    hidden: bool


def _excel(content: bytes, origin: str, workbook: Workbook) -> _Grid:
    """The mapped cells of the workbook's sheet, as Excel stored them: numbers, text, dates, booleans, errors as text."""
    with _parsing(origin, content):
        has_formulas = _has_formulas(content, origin)
        sheets = _sheets(content, workbook.sheet)
    title = _chosen_sheet(sheets, origin, workbook)
    where = f"{origin}, sheet '{title}'"
    rows = dict(sheets[title].rows)
    first = min(rows, default=1)
    names = ["" if cell is None else str(cell) for cell in rows.pop(first, ())]
    columns = _column_indices(names, workbook.columns, where)
    formulas: dict[int, _Row] = {}
    with _parsing(origin, content):
        if has_formulas:
            formulas = {
                number: row for number, row in _sheets(content, title, True)[title].rows.items() if number > first
            }
    numbers = sorted(rows.keys() | formulas.keys())

    def cell(number: int, at: int) -> Any:
        value, formula = (
            row[at] if at < len(row) else None for row in (rows.get(number, ()), formulas.get(number, ()))
        )
        return _Formula if value is None and formula is not None else _stripped(value)

    cells = {field: [cell(number, at) for number in numbers] for field, at in columns.items()}
    return _grid(where, title, columns, names, cells, numbers)


@contextmanager
def _parsing(origin: str, content: bytes) -> Iterator[None]:
    """Turns whatever a broken part of the archive makes openpyxl stumble over into BadInput."""
    try:
        yield
    except BadInput as error:
        raise BadInput(str(error) if origin in str(error) else f"{origin}: {error}") from error
    except Exception as error:
        if "Content_Types" in str(error) or "no valid workbook part" in str(error):
            raise BadInput(f"{origin} is a zip archive, but no workbook: is it the right file?") from error
        message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if _is_whole(content):
            raise BadInput(f"{origin} cannot be read ({message}): open it in Excel and save it as .xlsx") from error
        raise BadInput(
            f"{origin} is corrupt or cut short ({message}): fetch it again, or open and save it in Excel"
        ) from error


def _is_whole(content: bytes) -> bool:
    """Whether all parts of the archive are there, and unpack to what they were."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.testzip() is None and "xl/workbook.xml" in archive.namelist()
    except Exception:  # whatever is wrong with it, it is not whole
        return False


def _refuse_other_archive(archive: zipfile.ZipFile, origin: str) -> None:
    """Raises BadInput for a workbook that another program, or Excel in another format, has saved."""
    names = set(archive.namelist())
    is_strict = "xl/workbook.xml" in names and b"purl.oclc.org/ooxml" in archive.read("xl/workbook.xml")
    formats = {
        "a binary workbook (.xlsb)": "xl/workbook.bin" in names,
        "a 'Strict Open XML Spreadsheet'": is_strict,
        "a spreadsheet of LibreOffice (.ods)": "content.xml" in names and "mimetype" in names,
        "a spreadsheet of Numbers": "Index/Document.iwa" in names or "Index.zip" in names,
    }
    format_ = next((format_ for format_, is_format in formats.items() if is_format), None)
    if format_ is not None:
        raise BadInput(f"{origin} is {format_}: open it, and save it as 'Excel Workbook (.xlsx)'")


def _sheets(content: bytes, only: str | None, formulas: bool = False) -> dict[str, _Sheet]:
    """The sheets by title, without the rows of others than `only`, if given. formulas: in place of their values."""
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content), read_only=True, data_only=not formulas)
    sheets = {}
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # some programs write wrong ones, and rows beyond them would be lost
        rows = _bounded(sheet.iter_rows(), sheet.title) if only in (None, sheet.title) else ()
        # A formula whose value is the empty text has a value; one without a stored value has None.
        values = (
            (n, ["" if c.value is None and c.data_type in ("s", "str") else c.value for c in row]) for n, row in rows
        )
        filled = {n: row for n, row in values if any(_stripped(value) is not None for value in row)}
        sheets[sheet.title] = _Sheet(filled, sheet.sheet_state != "visible")
    book.close()
    return sheets


def _has_formulas(content: bytes, origin: str) -> bool:
    """Whether the workbook has formulas. Raises BadInput for an archive that unpacks to more than a workbook has."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # zipfile unpacks no more of a part than it is said to have.
        if sum(part.file_size for part in archive.infolist()) > _LARGEST_UNPACKED:
            raise BadInput(
                f"{origin} unpacks to more than {_LARGEST_UNPACKED >> 20} MiB, too large for a workbook: {_SPLIT}"
            )
        _refuse_other_archive(archive, origin)
        formulas = False
        for name in archive.namelist():
            if "worksheets/" in name and name.endswith(".xml"):
                sheet = archive.read(name)
                if _FAR_COLUMN_XML.search(sheet):
                    raise BadInput(
                        f"{origin} has cells beyond Excel's last column XFD, so it was not made by it: {_SPLIT}"
                    )
                formulas = formulas or _FORMULA_XML.search(sheet) is not None
    return formulas


def _bounded(rows: Iterable[_Row], title: str) -> Iterator[tuple[int, _Row]]:
    """The rows with their numbers from 1. Raises BadInput beyond what a workbook has; rows that are only coloured do not count."""
    cells = filled = 0
    for number, row in enumerate(rows, start=1):
        cells += len(row)
        filled += any(cell.value is not None for cell in row)
        if number > _LAST_ROW or filled > _MOST_ROWS or cells > _MOST_CELLS:
            raise BadInput(
                f"sheet '{title}' has more than {_MOST_ROWS:,} rows or {_MOST_CELLS:,} cells, too many for a workbook: {_SPLIT}"
            )
        yield number, row


def _chosen_sheet(sheets: dict[str, _Sheet], origin: str, workbook: Workbook) -> str:
    """The sheet named in the YAML, or the only sheet with rows below its header. Raises BadInput where there is none, or several."""
    if workbook.sheet is not None:
        if workbook.sheet not in sheets:
            raise BadInput(
                f"{origin} has no sheet '{workbook.sheet}'{_near(workbook.sheet, list(sheets))}; its sheets are {list(sheets)}: fix "
                f"'sheet' of workbook '{workbook.name}' in the dataset's YAML"
            )
        return workbook.sheet
    filled = [title for title, sheet in sheets.items() if len(sheet.rows) > 1]
    if len(filled) > 1:
        titles = ", ".join(f"'{title}'" + (" (hidden)" if sheets[title].hidden else "") for title in filled)
        raise BadInput(
            f"{origin} has {len(filled)} sheets that hold rows, {titles}: name the one to read, sheet: <name>, for workbook "
            f"'{workbook.name}' in the dataset's YAML"
        )
    begun = filled or [title for title, sheet in sheets.items() if sheet.rows]
    if not begun:
        raise BadInput(f"{origin} is empty: its sheets {list(sheets)} hold nothing; is it the right file?")
    return begun[0]


def _csv(file: Path, origin: str, workbook: Workbook) -> _Grid:
    """The mapped cells of a CSV file: numbers where the mapping wants numbers and the text is one, otherwise text."""
    if workbook.sheet is not None:
        raise BadInput(
            f"{origin}: a CSV file has no sheets; leave 'sheet' of workbook '{workbook.name}' out of the YAML"
        )
    table = open_table(str(file))
    columns = _column_indices(table.names, workbook.columns, origin)
    batches = list(table.batches([table.names[at] for at in columns.values()]))
    text = pa.Table.from_batches(batches) if batches else None
    cells = {
        field: [_stripped(cell) for cell in text.column(table.names[at]).to_pylist()] if text is not None else []
        for field, at in columns.items()
    }
    numeric = [field for field in cells if field not in _IDS]
    # Excel separates by semicolons exactly where the comma is its decimal sign.
    comma = table.delimiter == ";" and any(
        "," in cell for field in numeric for cell in cells[field] if cell is not None
    )
    cells |= {field: [_as_number(cell, comma) for cell in cells[field]] for field in numeric}
    count = 0 if text is None else text.num_rows
    return _grid(origin, None, columns, table.names, cells, range(2, count + 2))


def _grid(
    where: str,
    sheet: str | None,
    columns: dict[str, int],
    names: Sequence[str],
    cells: dict[str, list[Any]],
    rows: Sequence[int],
) -> _Grid:
    """Without the rows that hold nothing in any mapped column."""
    filled = [index for index in range(len(rows)) if any(column[index] is not None for column in cells.values())]
    return _Grid(
        where,
        sheet,
        {field: names[at].strip() for field, at in columns.items()},
        {field: [column[index] for index in filled] for field, column in cells.items()},
        np.array([rows[index] for index in filled], np.int64),
    )


def _stripped(cell: Any) -> Any:
    """Text without blanks around it; None for what counts as empty."""
    if isinstance(cell, str):
        cell = cell.strip()
        return None if cell in _NO_VALUE else cell
    return cell


def _as_number(cell: str | None, comma: bool) -> float | str | None:
    """The number that text is, with a decimal comma or a point; other text stays text."""
    if cell is None or (comma and "." in cell):
        return cell
    plain = cell.replace(",", ".") if comma else cell
    return float(plain) if _NUMBER.fullmatch(plain) else cell


# Columns -------------------------------------------------------------------------------------------------------------------


def _column_indices(names: Sequence[str], columns: WorkbookColumns, where: str) -> dict[str, int]:
    """Field of the mapping -> index of its column. Raises BadInput naming all columns that are missing, or double."""
    present = [name.strip() for name in names]
    mapped = {
        field: name.strip() for field in WorkbookColumns.model_fields if (name := getattr(columns, field)) is not None
    }
    if mapped.get("bouton_volume") not in present:
        mapped.pop("bouton_volume", None)
    missing = {field: name for field, name in mapped.items() if name not in present}
    if missing:
        free = [name for name in present if name not in mapped.values()]
        missing_columns = [f"'{name}' (for {field}{_near(name, free, '; ')})" for field, name in missing.items()]
        titles = [name for name in present if name]
        raise BadInput(
            f"{where} has no column {', '.join(missing_columns)}; its columns are {titles}: fix the sheet, or 'columns' of the workbook "
            "in the dataset's YAML"
        )
    double = sorted({name for name in mapped.values() if present.count(name) > 1})
    if double:
        raise BadInput(f"{where} has the columns {double} more than once: rename or delete those that are not meant")
    return {field: present.index(name) for field, name in mapped.items()}


def _near(name: str, present: Sequence[str], before: str = ", ") -> str:
    """'did you mean' the most similar name, whatever its case, if any is similar."""
    by_key = {_key(other): other for other in present if other}
    near = difflib.get_close_matches(_key(name), by_key, 1)
    return f"{before}did you mean '{by_key[near[0]]}'?" if near else ""


def _synapses(grid: _Grid, workbook: Workbook, dataset: MorphologyDataset) -> pa.Table:
    """The rows of one sheet as `schema.morphology.SYNAPSES`. Raises BadInput for the first cell that cannot be right."""
    count = len(grid.rows)
    neurons, types = _texts(grid, "neuron_id"), _texts(grid, "synapse_type")
    numbers = _whole_numbers(grid, "number")
    regions: list[str | None] = [None] * count
    if "brain_region" in grid.cells:
        regions = _texts(grid, "brain_region", required=False)
    known = {neuron: _neuron_type(neuron, dataset.neuron_types) for neuron in set(neurons)}
    prefixes = sorted(dataset.neuron_types)
    _refuse(
        grid,
        "neuron_id",
        [None if known[neuron] else f"begins with none of the known prefixes {prefixes}" for neuron in neurons],
        "correct the cell, or add the letters before the number to 'neuron_types' in the dataset's YAML",
    )
    allowed = list(dataset.synapse_types)
    _refuse(
        grid,
        "synapse_type",
        [None if kind in allowed else f"is none of the known types {allowed}" for kind in types],
        "correct the cell, or add the type to 'synapse_types' in the dataset's YAML",
    )
    _refuse_same_key(grid, list(zip(neurons, types, numbers, strict=True)))
    columns: dict[str, pa.Array] = {
        "synapse_id": pa.array(
            [f"{workbook.id_prefix}{n}/{t}/{i}" for n, t, i in zip(neurons, types, numbers, strict=True)], pa.string()
        ),
        "neuron_id": pa.array(neurons, pa.string()),
        "neuron_type": pa.array([known[neuron] for neuron in neurons], pa.string()),
        "synapse_type": pa.array(types, pa.string()),
        "number": pa.array(numbers, pa.int64()),
        "brain_region": pa.array([region or dataset.brain_region for region in regions], pa.string()),
        "used_for": pa.repeat(pa.scalar(workbook.used_for), count),
        "workbook": pa.repeat(pa.scalar(workbook.name), count),
    }
    for column in morphology.SYNAPSES.columns:
        if column.name in grid.cells and column.name not in columns:
            columns[column.name] = _floats(grid, column.name)
        elif column.name not in columns:
            columns[column.name] = pa.nulls(count, column.type)
    return morphology.SYNAPSES.conform(pa.table(columns))


def _neuron_type(neuron: str, types: dict[str, str]) -> str | None:
    """The type of the longest prefix that holds all letters before the number: 'cbx1' is no 'cb'."""
    fitting = [p for p in types if neuron.startswith(p) and not neuron[len(p) : len(p) + 1].isalpha()]
    return types[max(fitting, key=len)] if fitting else None


def _refuse_same_key(grid: _Grid, keys: list[tuple[str, str, int]]) -> None:
    repeated = _repeated(keys)
    if repeated:
        first, second = repeated[0]
        key_fields = zip(("neuron_id", "synapse_type", "number"), keys[first], strict=True)
        key = ", ".join(f"{grid.names[field]} {value}" for field, value in key_fields)
        further = f", and {len(repeated) - 1:,} more rows repeat another" if len(repeated) > 1 else ""
        raise BadInput(
            f"{grid.where}: rows {grid.rows[first]} and {grid.rows[second]} are the same synapse ({key}){further}: number them apart, or "
            "delete the copy"
        )


def _repeated(keys: Sequence[Any]) -> list[tuple[int, int]]:
    """Pairs of indices (first, repetition) of equal keys, in order of the repetition."""
    first_indices: dict[Any, int] = {}
    first = [first_indices.setdefault(key, index) for index, key in enumerate(keys)]
    return [(at, index) for index, at in enumerate(first) if at != index]


# Values --------------------------------------------------------------------------------------------------------------------


def _texts(grid: _Grid, field: str, *, required: bool = True) -> list[Any]:
    """The cells as text; Excel's number 7.0 is '7'."""

    def fault(cell: Any) -> str | None:
        if isinstance(cell, bool) or not isinstance(cell, str | int | float):
            return _odd(cell, required, "text")
        return "is an error of Excel" if isinstance(cell, str) and _is_error(cell) else None

    cells = grid.cells[field]
    _refuse(grid, field, [fault(cell) for cell in cells])
    plain_cells = [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in cells]
    return [None if cell is None else plain_text(str(cell)) for cell in plain_cells]


def _floats(grid: _Grid, field: str) -> pa.Array:
    """The cells as float64. Raises BadInput for what is no finite number, an area not above 0, or a negative volume."""
    required = not morphology.SYNAPSES.arrow.field(field).nullable

    def fault(cell: Any) -> str | None:
        if (odd := _odd_number(cell, required)) is not None or cell is None:
            return odd
        if field in _AREAS and cell <= 0:
            return "is no area above 0"
        return "is negative" if field == "bouton_volume" and cell < 0 else None

    _refuse(grid, field, [fault(cell) for cell in grid.cells[field]])
    return pa.array([None if cell is None else float(cell) for cell in grid.cells[field]], pa.float64())


def _whole_numbers(grid: _Grid, field: str) -> list[int]:
    """The cells as integers; 1.0 and the text '1' are 1."""
    cells: list[Any] = [_as_number(c, comma=False) if isinstance(c, str) else c for c in grid.cells[field]]

    def fault(cell: Any) -> str | None:
        if (odd := _odd_number(cell, required=True)) is not None:
            return odd
        if isinstance(cell, float) and not cell.is_integer():
            return "is no whole number"
        return "is too large for a number of a synapse" if abs(cell) >= EXACT_IN_FLOAT64 else None

    _refuse(grid, field, [fault(cell) for cell in cells])
    return [int(cell) for cell in cells]


def _odd_number(cell: Any, required: bool) -> str | None:
    if isinstance(cell, str):
        return "is an error of Excel" if _is_error(cell) else "is text where a number is wanted"
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return _odd(cell, required, "a number")
    return None if abs(cell) <= sys.float_info.max else "is not finite"


def _odd(cell: Any, required: bool, expected: str) -> str | None:
    """What is wrong with a cell that holds neither text nor a number."""
    if cell is None:
        return "is empty, NaN or #N/A" if required else None
    if cell is _Formula:
        return "is a formula without a stored value"
    return f"is {'a truth value' if isinstance(cell, bool) else 'a date or time'} where {expected} is wanted"


def _is_error(cell: str) -> bool:
    """Whether the text is one of Excel's errors, in any language: #DIV/0!, #REF!, #WERT!, #NAME?, #N/A."""
    return re.fullmatch(r"#[^\W\d_]+(?:/\w+)?[!?]?", cell) is not None


_REMEDIES: tuple[tuple[str, str], ...] = (
    ("is empty", "fill it in, or delete the row"),
    ("is an error", "fix the formula, or clear the cell where it may be empty"),
    ("is a formula", "open the workbook in Excel and save it, which stores the values"),
    (
        "is text",
        "write a plain number: no unit, no thousands separator, one decimal sign throughout, and not stored as text",
    ),
    ("is a date", "Excel may have taken a number for a date: format the column as numbers and type it again"),
    ("", "correct the cell"),
)


def _refuse(grid: _Grid, field: str, faults: list[str | None], remedy: str | None = None) -> None:
    """Raises BadInput for the first fault, with the rows of all faults of its kind, and how to fix it."""
    first = next((index for index, fault in enumerate(faults) if fault is not None), None)
    if first is None:
        return
    fault = str(faults[first])
    alike = [int(grid.rows[index]) for index, other in enumerate(faults) if other == fault]
    cell = grid.cells[field][first]
    cell_text = "" if cell is None or cell is _Formula else f" {str(cell)!r}"
    count_text = ""
    if len(alike) > 1:
        listed = ", ".join(map(str, alike[:5])) + (", ..." if len(alike) > 5 else "")
        count_text = f" ({len(alike):,} such cells: rows {listed})"
    remedy = remedy or next(remedy for start, remedy in _REMEDIES if fault.startswith(start))
    raise BadInput(f"{grid.place(field).at(first)}:{cell_text or ' the cell'} {fault}{count_text}: {remedy}")
