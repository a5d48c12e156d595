"""The dialect of a delimited text file, detected from its first bytes: what lies before the header, the separator, the names.

A file that has two readings is refused, with the dialect and the step to take. Reading the rows belongs to `files`.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput

# How much of a file is examined.
HEAD_BYTES = 1 << 20
_LOOKED_AT = 20
_DELIMITERS = (",", "\t", ";", "|")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINE = re.compile(r"[^\r\n]*(\r\n|\r|\n)?")
_LONG_LINE = 1 << 14
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_QUOTED_BEHIND_BLANKS = re.compile(r'\s+".*"\s*', re.DOTALL)
_DECIMAL_COMMA = r"^\s*[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?\s*$"
_PLAIN_NUMBER = r"^\s*([+-]?[0-9]+)?\s*$"


@dataclass(frozen=True)
class Dialect:
    """The separator; the cells of the first record, without blanks around them; and where it and what follows it begin, in bytes."""

    delimiter: str
    first: tuple[str, ...]
    first_at: int
    rest_at: int


def dialect_of(head: bytes, usual: str, where: str) -> Dialect:
    """The dialect of a file that begins with `head`, at most `HEAD_BYTES` of it; `usual` is the separator that its suffix says.

    Passed over before the first record: a byte order mark, blank lines, lines that begin with # (unless such a line is the header), and
    Excel's sep=; line. Raises BadInput for text that is not UTF-8, and for a first record that does not end.
    """
    if head.startswith(_UTF16) or b"\0" in head[:4]:
        raise BadInput(f"{where} is UTF-16 text: save it as UTF-8 (Excel: 'CSV UTF-8')")
    is_complete = len(head) < HEAD_BYTES
    text = head.decode("utf-8", errors="surrogateescape")
    start, stated_delimiter = _before_first(text, usual)
    delimiter = stated_delimiter or _separator(text[start:], usual, is_complete)
    records, ends = _records(text[start:], delimiter, 1)
    first = records[0] if records else []
    end = start + (ends[0] if ends else len(text) - start)
    if (not is_complete and end == len(text)) or (not records and text[start:].strip()):
        raise BadInput(
            f"{where} has a first line that does not end (field larger than field limit): is a quote never closed?"
        )
    _refuse_other_text(first, where)
    if any(map(_QUOTED_BEHIND_BLANKS.fullmatch, first)):
        raise BadInput(
            f"{where} has blanks between separators and quotes: {', '.join(first[:4])}; save it without the blanks"
        )
    return Dialect(delimiter, tuple(name.strip() for name in first), _bytes(text[:start]), _bytes(text[:end]))


def with_decimal_points(values: pa.Array, where: str) -> pa.Array:
    """Texts of numbers that are separated by semicolons, as Excel writes them where the comma is the decimal sign: with points.

    Raises BadInput where there are commas and points, or several commas in one: then one of them separates thousands.
    """
    commas = pc.match_substring(values, ",")
    if not pc.any(commas).as_py():
        return values
    several = pc.index(pc.match_substring_regex(values, ",.*,"), True).as_py()
    if several >= 0:
        raise BadInput(
            f"{where} has numbers with several commas, such as {values[several].as_py()!r}: write them without separators of thousands"
        )
    points = pc.index(pc.match_substring(values, "."), True).as_py()
    if points >= 0:
        comma = values[pc.index(commas, True).as_py()].as_py()
        raise BadInput(
            f"{where} has numbers with a comma, such as {comma!r}, and others with a point, such as {values[points].as_py()!r}: "
            "write one decimal sign throughout, and no separators of thousands"
        )
    return pc.replace_substring(values, ",", ".")


def has_decimal_commas(values: pa.Array) -> bool:
    """Whether all texts are numbers, and some of them have a decimal comma."""
    commas = pc.match_substring_regex(values, _DECIMAL_COMMA)
    plain_numbers = pc.match_substring_regex(values, _PLAIN_NUMBER)
    return bool(pc.any(commas).as_py()) and pc.all(pc.or_(commas, plain_numbers)).as_py() is not False


def _before_first(text: str, usual: str) -> tuple[int, str | None]:
    """Where the first record begins, and the separator that a sep= line gives."""
    start = 1 if text.startswith("\ufeff") else 0
    delimiter = None
    while start < len(text):
        match = _LINE.match(text, start)
        line = match[0] if match else ""
        sep = _SEP.fullmatch(line.strip("\r\n"))
        comment = line.lstrip().startswith("#") and not _is_header(
            line, text[start + len(line) : start + len(line) + _LONG_LINE], usual
        )
        if sep and delimiter is None:
            delimiter = sep[1]
        elif line.strip() and not comment:
            break
        start += len(line)
    return start, delimiter


def _is_header(line: str, after: str, usual: str) -> bool:
    """Whether a line that begins with # names the columns of the numbers in the next one."""
    delimiter = _separator(line, usual, True)
    names = next(csv.reader([line.strip("\r\n")], delimiter=delimiter), [])
    following = next((line_after for line_after in io.StringIO(after, newline=None) if line_after.strip()), "")
    cells = next(csv.reader([following.strip("\n")], delimiter=delimiter), [])
    return len(names) == len(cells) > 1 and 2 * sum(map(is_number, cells)) >= len(cells) > 2 * sum(
        map(is_number, names)
    )


def _separator(text: str, usual: str, is_complete: bool) -> str:
    """The separator that gives all of the first rows the same number of cells, and most of them; else the one that the header
    has most of."""
    counts: dict[str, list[int]] = {}
    quotes_inside: dict[str, bool] = {}
    for delimiter in _DELIMITERS:
        records, _ = _records(text, delimiter, _LOOKED_AT)
        complete = records if is_complete or len(records) == _LOOKED_AT else records[:-1]
        # A quote within a cell is mostly one that begins a cell by another separator.
        quotes_inside[delimiter] = any('"' in cell for record in complete for cell in record)
        counts[delimiter] = [len(record) for record in complete if record] or [0]
    fitting = [delimiter for delimiter, cells in counts.items() if cells[0] > 1 and len(set(cells)) == 1]
    if not fitting and counts[usual][0] > 1:
        return usual
    return max(
        fitting or _DELIMITERS,
        key=lambda delimiter: (not quotes_inside[delimiter], counts[delimiter][0], delimiter == usual),
    )


def _records(text: str, delimiter: str, most: int) -> tuple[list[list[str]], list[int]]:
    """The first records, and where in the text each of them ends."""
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for line in io.StringIO(text, newline=""):
            consumed += len(line)
            yield line

    records: list[list[str]] = []
    ends: list[int] = []
    try:
        for record in islice(csv.reader(lines(), delimiter=delimiter), most):
            records.append(record)
            ends.append(consumed)
    except csv.Error:  # a quote that is never closed: what came before it counts
        pass
    return records, ends


def _refuse_other_text(cells: list[str], where: str) -> None:
    for cell in cells:
        try:
            cell.encode()
        except UnicodeEncodeError as error:
            byte = ord(cell[error.start]) - 0xDC00
            decoded = cell.encode("utf-8", "surrogateescape").decode("latin-1")
            raise BadInput(
                f"{where} is no UTF-8 text (byte 0x{byte:02X} in its first line, {decoded!r} if it is Latin-1 or Windows text): save it "
                "as UTF-8 (Excel: 'CSV UTF-8')"
            ) from error


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", errors="surrogateescape"))


def is_number(value: str) -> bool:
    """Whether a cell of a text file is a number, with a point or a decimal comma."""
    try:
        float(value.replace(",", "."))
    except ValueError:
        return False
    return True
