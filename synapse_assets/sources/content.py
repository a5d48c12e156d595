"""What a file is by its first bytes, whatever its name says, and the step to take where it is not read as it is."""

import json
import re
from pathlib import Path

from synapse_assets.errors import BadInput

START_BYTES = 1 << 16
_TEXT_KINDS = ("CSV", "TSV", "JSON")
_AS_TABLE = "write its table as Parquet or CSV"
_UNPACK = "unpack it, and name what was in it"
_OLD_FEATHER = "write it anew: pyarrow.feather.write_feather(pyarrow.feather.read_table(old), new), or as Parquet"
_STREAM = (
    "write it as a file: pyarrow.feather.write_feather(pyarrow.ipc.open_stream(old).read_all(), new), or as Parquet"
)
_PICTURE = "pictures are sections of a volume: write their folder in volumes (kind: images)"
_SHEET = "save the sheet that holds the table as 'CSV UTF-8'"
JSON_LINES = "put the objects into one list: [{...}, {...}] (pandas: to_json with orient='records' and without lines)"
# First bytes, what the file is, and the kind of table that it is read as, or the step to take.
_FIRST_BYTES: tuple[tuple[bytes, str, str | None, str], ...] = (
    (b"PAR1", "a Parquet file", "Parquet", ".parquet"),
    (b"PARE", "an encrypted Parquet file", None, "write it without encryption"),
    (b"ARROW1", "a Feather file", "Feather", ".feather"),
    (b"FEA1", "a Feather file of version 1", None, _OLD_FEATHER),
    (b"\xff\xff\xff\xff", "an Arrow stream", None, _STREAM),
    (b"SQLite format 3\0", "an SQLite file", "SQLite", ".sqlite"),
    (bytes.fromhex("D0CF11E0A1B11AE1"), "a workbook of Excel 97 to 2003, or one with a password", None, _SHEET),
    (b"PK\x03\x04", "a workbook, or another zip archive", None, f"of a workbook, {_SHEET}; an archive, unpack"),
    (b"\x1f\x8b", "compressed with gzip", None, _UNPACK),
    (b"BZh", "compressed with bzip2", None, _UNPACK),
    (b"\xfd7zXZ\0", "compressed with xz", None, _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", None, _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", None, _UNPACK),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", None, _AS_TABLE),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", None, _AS_TABLE),
    (b"\x93NUMPY", "a NumPy array", None, _AS_TABLE),
    (b"ORC", "an ORC file", None, _AS_TABLE),
    (b"Obj\x01", "an Avro file", None, _AS_TABLE),
    (b"\x80\x04", "a pickled Python object", None, _AS_TABLE),
    (b"\x80\x05", "a pickled Python object", None, _AS_TABLE),
    (b"%PDF", "a PDF document", None, _AS_TABLE),
)
_XML = re.compile(rb"<(!doctype|html|\?xml)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")
_STEPS = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".numbers"), _SHEET),
    **dict.fromkeys((".jsonl", ".ndjson"), f"these are lines of JSON: {JSON_LINES}"),
    **dict.fromkeys((".arrows", ".ipc"), f"if it is an Arrow stream, {_STREAM}"),
    **dict.fromkeys((".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".rar"), _UNPACK),
    **dict.fromkeys((".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp"), _PICTURE),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), f"{_AS_TABLE}; a volume is written in volumes (kind: hdf5)"),
    ".manifest": "it lists the files of a source: name one of them",
    **dict.fromkeys((".mat", ".npy", ".npz", ".pkl", ".pickle", ".rds", ".orc", ".avro"), _AS_TABLE),
}


def step_for(suffix: str) -> str:
    """The step to take with a file of that suffix, which is no kind of table, as a sentence to add; empty where none is known."""
    step = _STEPS.get(suffix.lower())
    return f". {step[0].upper()}{step[1:]}" if step else ""


def refuse_other_content(start: bytes, kind: str, file: Path) -> None:
    """Raises BadInput where a file of that kind of table, by its suffix, begins as something else does.

    `start` are its first bytes, of compressed text the unpacked ones. Text that says nothing of itself passes.
    """
    if kind in _TEXT_KINDS and _XML.match(start.removeprefix(b"\xef\xbb\xbf").lstrip()):
        raise BadInput(f"{file} is a web page or other XML text, not a table: does the download ask for a login?")
    # What only begins like another kind may be text: a column may be called PAR1.
    if kind in _TEXT_KINDS and not _CONTROL.search(start):
        return
    for first, description, its_kind, step in _FIRST_BYTES:
        if not start.startswith(first) or its_kind == kind:
            continue
        if its_kind is not None:
            raise BadInput(f"{file} is {description}, not what its name says: rename it, to {file.stem}{step}")
        raise BadInput(f"{file} is {description}: {step}")


def refuse_json_lines(start: bytes, file: Path) -> None:
    """Raises BadInput where a file begins with one JSON object a line."""
    lines = [line for line in start.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    if len(lines) < 2 or not lines[1].lstrip().startswith(b"{"):
        return
    try:
        first_row = json.loads(lines[0])
    except ValueError:
        return
    if isinstance(first_row, dict):
        raise BadInput(f"{file} has one JSON object a line (JSON lines): {JSON_LINES}")
