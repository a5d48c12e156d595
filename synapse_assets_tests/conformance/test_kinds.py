"""Whole files of other kinds, versions and flavours: read where they can be, else named with the step to take, never as damaged."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from openpyxl.styles import PatternFill

from synapse_assets.datasets import Columns, NeuronTable, SynisterNeurons
from synapse_assets.datasets.sources import SynisterSource
from synapse_assets.errors import BadInput
from synapse_assets.sources import RegionNames, read_neurons, read_source
from synapse_assets.sources.files import JsonText
from synapse_assets.sources.inspect import inspect_file
from synapse_assets_tests.conformance.formats import write
from synapse_assets_tests.sources import test_workbooks as books
from synapse_assets_tests.sources.tables import VOLUME, source

TABLE = pd.DataFrame({"id": ["a", "b"], "x": [1.5, 2.0], "y": [3, 4], "z": [5, 6], "body": [7, 8], "score": [0.5, 1.0]})
DAMAGED = re.compile("damaged|corrupt|cut short|whole|broken|fetch it again", re.IGNORECASE)


def read(path: Path) -> list[dict[str, Any]]:
    columns = Columns(synapse_id="id", neuron_id="body", score="score")
    batches = read_source(source(path, units="nm", columns=columns), VOLUME, RegionNames("U"))
    return pa.concat_tables(batches).to_pylist()


def told(path: Path) -> str:
    """What reading and inspecting the file say, which is the same."""
    with pytest.raises(BadInput) as error:
        read(path)
    with pytest.raises(BadInput) as other:
        inspect_file(str(path))
    assert str(other.value) == str(error.value)
    return str(error.value)


# Other kinds ---------------------------------------------------------------------------------------------------------------


def arrow_stream(path: Path) -> None:
    table = pa.Table.from_pandas(TABLE)
    with path.open("wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def feather_1(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pa.feather.write_feather(pa.Table.from_pandas(TABLE), str(path), version=1)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("points.csv", TABLE.to_csv(index=False))


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]


def numpy_array(path: Path) -> None:
    with path.open("wb") as sink:
        np.save(sink, np.zeros(3))


CSV = TABLE.to_csv(index=False).encode()
OTHER: dict[str, tuple[str, Any, str]] = {
    "Feather 1": ("points.feather", feather_1, r"is a Feather file of version 1: write it anew: pyarrow\.feather"),
    "an Arrow stream": ("points.arrow", arrow_stream, r"is an Arrow stream: write it as a file: pyarrow\.feather"),
    "an Arrow stream in .feather": ("points.feather", arrow_stream, "is an Arrow stream"),
    "Parquet in .feather": ("points.feather", TABLE.to_parquet, r"is a Parquet file, .*rename it, to points\.parquet"),
    "Parquet in .csv": ("points.csv", TABLE.to_parquet, r"is a Parquet file, .*rename it, to points\.parquet"),
    "Feather in .parquet": ("points.parquet", TABLE.to_feather, r"is a Feather file, .*rename it, to points\.feather"),
    "Feather in .json": ("points.json", TABLE.to_feather, "is a Feather file"),
    "SQLite in .csv": (
        "points.csv",
        lambda path: write(path.parent, "points.db", TABLE).rename(path),
        r"is an SQLite file, .*points\.sqlite",
    ),
    "a workbook in .csv": (
        "points.csv",
        lambda path: books.excel(path, books.rows()),
        "is a workbook, or another zip archive: .*'CSV UTF-8'",
    ),
    "a workbook in .parquet": (
        "points.parquet",
        lambda path: books.excel(path, books.rows()),
        "is a workbook, or another zip archive",
    ),
    "an old workbook in .csv": (
        "points.csv",
        bytes.fromhex("D0CF11E0A1B11AE1") + bytes(600),
        "is a workbook of Excel 97 to 2003.*'CSV UTF-8'",
    ),
    "zip in .csv": ("points.csv", zipped, "another zip archive"),
    "bzip2 in .csv": ("points.csv", bz2.compress(CSV), "is compressed with bzip2: unpack it"),
    "xz in .csv": ("points.csv", lzma.compress(CSV), "is compressed with xz: unpack it"),
    "gzip in .parquet": ("points.parquet", gzip.compress(CSV), "is compressed with gzip: unpack it"),
    "zstd in .tsv": ("points.tsv", pa.compress(CSV, "zstd", asbytes=True), "is compressed with zstd: unpack it"),
    "HDF5 in .db": ("points.db", hdf5, "is an HDF5 file: write its table as Parquet or CSV"),
    "NumPy in .csv": ("points.csv", numpy_array, "is a NumPy array"),
    "a pickle in .parquet": (
        "points.parquet",
        lambda path: path.write_bytes(pickle.dumps(TABLE)),
        "is a pickled Python object",
    ),
    "ORC in .parquet": (
        "points.parquet",
        lambda path: pa.orc.write_table(pa.Table.from_pandas(TABLE), str(path)),
        "is an ORC file",
    ),
    "a web page": ("points.csv", b"<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page"),
    "a web page in .json": ("points.json", b"\n<html><body>Sign in</body></html>", "is a web page"),
    "JSON lines": (
        "points.json",
        b'{"id": 1, "x": 1}\n{"id": 2, "x": 2}\n',
        r"one JSON object a line \(JSON lines\): put the objects into one list",
    ),
    "JSON lines, packed": ("points.json.gz", gzip.compress(b'{"id": 1}\n\n{"id": 2}\n'), r"\(JSON lines\)"),
    "JSON lines with a mark": ("points.json", b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2}\r\n', r"\(JSON lines\)"),
    "JSON in UTF-16": (
        "points.json",
        TABLE.to_json(orient="records").encode("utf-16"),
        "is UTF-16 text: save it as UTF-8",
    ),
    "JSON of Python": ("points.json", str(TABLE.to_dict("records")).encode(), "It is not valid JSON there"),
    "a trailing comma in JSON": ("points.json", b'[{"id": 1, "x": 1, "y": 1, "z": 1,}]', "It is not valid JSON there"),
    ".xlsb": ("points.xlsb", b"PK\x03\x04", "Save the sheet"),
    ".jsonl": ("points.jsonl", b'{"id": 1}\n{"id": 2}\n', "These are lines of JSON: put the objects into one list"),
    ".h5": ("points.h5", hdf5, "Write its table as Parquet or CSV"),
    ".csv.zip": ("points.csv.zip", zipped, "Unpack it"),
    ".csv.bz2": ("points.csv.bz2", bz2.compress(CSV), "Unpack it"),
    ".arrows": ("points.arrows", arrow_stream, "If it is an Arrow stream, write it as a file"),
}


@pytest.mark.parametrize(("name", "content", "message"), OTHER.values(), ids=OTHER)
def test_another_kind_is_named_with_the_step_to_take(tmp_path: Path, name: str, content: Any, message: str) -> None:
    path = tmp_path / name
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    said = told(path)
    assert re.search(message, said), said
    assert not DAMAGED.search(said.replace(str(tmp_path), "")), said


def test_a_workbook_is_no_source_of_points_and_inspect_says_what_it_is(tmp_path: Path) -> None:
    path = books.excel(tmp_path / "points.xlsx", books.rows())
    with pytest.raises(BadInput, match="Save the sheet that holds the table as 'CSV UTF-8'"):
        read(path)
    assert inspect_file(str(path)).source.startswith("chain: morphology")
    pd.DataFrame(TABLE).to_excel(path, index=False)
    assert any("save the sheet as 'CSV UTF-8'" in problem for problem in inspect_file(str(path)).problems)


@pytest.mark.parametrize("name", ["stream.arrow", "old.feather"])
def test_the_step_to_take_makes_a_file_that_is_read(tmp_path: Path, name: str) -> None:
    old, new = tmp_path / name, tmp_path / "new.feather"
    (arrow_stream if name == "stream.arrow" else feather_1)(old)
    step = re.search(r"(pyarrow\.feather\.write_feather\(.*\)), or as Parquet", told(old))
    assert step
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eval(step[1], {"pyarrow": pa, "old": str(old), "new": str(new)})  # noqa: S307 -- what a person would run
    assert [row["synapse_id"] for row in read(new)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "header"),
    [("points.csv", "PAR1"), ("points.csv", "ORC"), ("points.tsv", "Obj"), ("points.csv", "BZh"), ("points.csv", "PK")],
)
def test_text_that_begins_like_another_kind_is_text(tmp_path: Path, name: str, header: str) -> None:
    separator = "\t" if name.endswith("tsv") else ","
    TABLE.rename(columns={"id": header}).to_csv(tmp_path / name, sep=separator, index=False)
    one = source(tmp_path / name, units="nm", columns=Columns(synapse_id=header))
    assert pa.concat_tables(read_source(one, VOLUME, RegionNames("U"))).num_rows == 2


def test_an_encrypted_database_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "points.db").write_bytes(np.random.default_rng(0).bytes(8192))
    with pytest.raises(BadInput, match="It is no SQLite file, or encrypted"):
        read(tmp_path / "points.db")


def test_parquet_of_other_writers_is_read(tmp_path: Path) -> None:
    for index, how in enumerate(
        [{"compression": "zstd"}, {"version": "1.0"}, {"data_page_version": "2.0"}, {"use_dictionary": False}]
    ):
        path = tmp_path / f"{index}.parquet"
        pq.write_table(pa.Table.from_pandas(TABLE), path, **how)
        assert [row["synapse_id"] for row in read(path)] == ["a", "b"]


@pytest.mark.parametrize("name", ["points.parquet", "points.feather"])
def test_a_name_twice_that_nobody_reads_is_no_hindrance(tmp_path: Path, name: str) -> None:
    table = pa.Table.from_pandas(TABLE).append_column("note", pa.array([1, 2])).append_column("note", pa.array([3, 4]))
    if name.endswith("parquet"):
        pq.write_table(table, tmp_path / name)
    else:
        with pa.OSFile(str(tmp_path / name), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    assert [row["synapse_id"] for row in read(tmp_path / name)] == ["a", "b"]
    assert "several columns are called 'note'" in inspect_file(str(tmp_path / name)).problems


# JSON ----------------------------------------------------------------------------------------------------------------------


def python_json(**changes: list[Any]) -> list[dict[str, Any]]:
    rows = TABLE.to_dict("records")
    for name, values in changes.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows


@pytest.mark.parametrize("row", [1, 2])
@pytest.mark.parametrize("name", ["points.json", "points.json.gz"])
@pytest.mark.parametrize("twice", ['"x": 9', '"\\u0078": 9', '"x": null', '"id": "c"', '"x" : 1, "x":2'])
def test_a_field_twice_in_a_row_is_refused(tmp_path: Path, row: int, name: str, twice: str) -> None:
    rows = [json.dumps(fields)[:-1] for fields in python_json()]
    rows[row - 1] += f", {twice}"
    content = f"[{', '.join(fields + '}' for fields in rows)}]".encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    field = "id" if "id" in twice else "x"
    with pytest.raises(BadInput, match=f"{name}, row {row}: the field '{field}' comes more than once; keep one"):
        read(tmp_path / name)


def test_a_field_twice_that_nobody_reads_is_no_hindrance(tmp_path: Path) -> None:
    rows = [f'{json.dumps(fields)[:-1]}, "memo": 1, "memo": 2}}' for fields in python_json()]
    (tmp_path / "points.json").write_text(f"[{', '.join(rows)}]")
    assert [row["synapse_id"] for row in read(tmp_path / "points.json")] == ["a", "b"]


@pytest.mark.parametrize("name", ["points.json", "points.json.gz"])
@pytest.mark.parametrize("indent", [None, 1])
def test_nan_in_json_is_nothing(tmp_path: Path, name: str, indent: int | None) -> None:
    rows = python_json(score=[float("nan"), 1.0], body=[float("nan"), 8], note=['NaN "quoted" NaN\\', "Infinity"])
    content = json.dumps(rows, indent=indent).encode()
    assert b": NaN" in content
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = read(tmp_path / name)
    assert [(row["neuron_id"], row["score"]) for row in found] == [(None, None), (8, 1.0)]
    one = source(tmp_path / name, units="nm", columns=Columns(synapse_id="id", object_id="note"))
    notes = pa.concat_tables(read_source(one, VOLUME, RegionNames("U"))).column("object_id").to_pylist()
    assert notes == ['NaN "quoted" NaN\\', "Infinity"]
    assert inspect_file(str(tmp_path / name)).rows == 2


def test_infinity_in_json_is_what_it_is_elsewhere(tmp_path: Path) -> None:
    scores = [float("inf"), float("-inf")]
    (tmp_path / "points.json").write_text(json.dumps(python_json(score=scores)))
    assert [row["score"] for row in read(tmp_path / "points.json")] == scores
    assert [row["score"] for row in read(write(tmp_path, "points.parquet", TABLE.assign(score=scores)))] == scores
    (tmp_path / "points.json").write_text(json.dumps(python_json(x=[1.0, float("inf")])))
    with pytest.raises(BadInput, match="row 2: x is no number"):
        read(tmp_path / "points.json")


@pytest.mark.parametrize("size", range(1, 40))
@pytest.mark.parametrize("indent", [None, 1])
def test_a_word_at_the_end_of_a_block_is_read_whole(size: int, indent: int | None) -> None:
    rows = [{"a": float("nan"), "b": 'NaN, \\"Infinity\\', "c": float("-inf"), "d": [float("nan"), True, None, -1]}] * 3
    text = JsonText(io.BytesIO(b"\xef\xbb\xbf" + json.dumps(rows, indent=indent).encode()), Path("x.json"))
    blocks = []
    while block := text.read(size):
        blocks.append(block)
    wanted = {"a": None, "b": rows[0]["b"], "c": "-Infinity", "d": [None, True, None, -1]}
    assert json.loads(b"".join(blocks)) == [wanted] * 3


def test_a_byte_order_mark_in_json_is_no_damage(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "points.json").write_bytes(mark + TABLE.to_json(orient="records").encode())
    assert len(read(tmp_path / "points.json")) == 2
    synapses = {"1": {"x": 1, "y": 2, "z": 3, "skeleton_id": 16, "brain_region": "EB"}}
    (tmp_path / "v3.json").write_bytes(mark + json.dumps(synapses).encode())
    v3 = SynisterSource(name="s", format="synister_v3", path=str(tmp_path / "v3.json"), volume="em")
    assert pa.concat_tables(read_source(v3, VOLUME, RegionNames("U"))).column("neuron_id").to_pylist() == [16]
    assert inspect_file(str(tmp_path / "v3.json")).format == "synister_v3"
    (tmp_path / "s.json").write_bytes(mark + json.dumps({"16": {"hemi_lineage_id": 1, "nt_known": ["gaba"]}}).encode())
    (tmp_path / "h.json").write_bytes(mark + json.dumps({"1": {"hemi_lineage_name": "A"}}).encode())
    neurons = SynisterNeurons(
        name="n", format="synister_v3_skeletons", path=str(tmp_path / "s.json"), hemi_lineages=str(tmp_path / "h.json")
    )
    assert read_neurons(neurons).column("target").to_pylist() == ["gaba"]
    (tmp_path / "v3.json").write_text('{"1": {"x": 1}}\n{"2": {"x": 1}}\n')
    with pytest.raises(BadInput, match=r"\(JSON lines\)"):
        list(read_source(v3, VOLUME, RegionNames("U")))


@pytest.mark.parametrize("orient", ["columns", "index", "split", "table"])
def test_other_shapes_of_pandas_are_told(tmp_path: Path, orient: Any) -> None:
    (tmp_path / "points.json").write_text(TABLE.to_json(orient=orient))
    with pytest.raises(BadInput, match=r"is a JSON object where a list of objects is wanted.*orient='records'"):
        read(tmp_path / "points.json")


def test_neurons_of_json_with_nan(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text('[{"id": 1, "nt": NaN}, {"id": 2, "nt": "gaba"}]')
    values = {"name": "n", "format": "neurons", "path": str(tmp_path / "n.json")}
    table = NeuronTable.model_validate({**values, "columns": {"neuron_id": "id", "known_classes": "nt"}})
    assert read_neurons(table).column("target").to_pylist() == [None, "gaba"]


# Workbooks -----------------------------------------------------------------------------------------------------------------


def changed_archive(path: Path, change: Any) -> Path:
    """The workbook with other parts."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in change(parts).items():
            archive.writestr(name, content)
    return path


def strict(parts: dict[str, bytes]) -> dict[str, bytes]:
    """As Excel saves a 'Strict Open XML Spreadsheet': the same parts in other namespaces."""
    names = (
        (
            b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
            b"http://purl.oclc.org/ooxml/spreadsheetml/main",
        ),
        (
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        ),
    )
    for old, new in names:
        parts = {name: content.replace(old, new) for name, content in parts.items()}
    return parts


ARCHIVES: dict[str, tuple[Any, str]] = {
    "strict": (strict, "is a 'Strict Open XML Spreadsheet': open it, and save it as 'Excel Workbook"),
    "xlsb": (lambda _: {"[Content_Types].xml": b"<a/>", "xl/workbook.bin": b"x"}, r"is a binary workbook \(\.xlsb\)"),
    "ods": (
        lambda _: {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<a/>"},
        "is a spreadsheet of LibreOffice",
    ),
    "numbers": (lambda _: {"Index/Document.iwa": b"x"}, "is a spreadsheet of Numbers"),
    "another archive": (lambda _: {"a.txt": b"x"}, "is a zip archive, but no workbook"),
    "a style that openpyxl does not know": (
        lambda parts: parts | {"xl/styles.xml": parts["xl/styles.xml"].replace(b"<font>", b'<font nobody="1">', 1)},
        "open it in Excel and save it as .xlsx",
    ),
}


@pytest.mark.parametrize(("change", "message"), ARCHIVES.values(), ids=ARCHIVES)
def test_workbooks_of_other_flavours_are_named(tmp_path: Path, change: Any, message: str) -> None:
    said = books.refused(changed_archive(books.excel(tmp_path / "book.xlsx", books.rows()), change))
    assert re.search(message, said), said
    assert not DAMAGED.search(said.replace(str(tmp_path), "")), said


@pytest.mark.parametrize("suffix", [".xlsb", ".xls", ".ods", ".numbers"])
def test_workbooks_of_other_suffixes_are_named(tmp_path: Path, suffix: str) -> None:
    path = Path(shutil.copy(books.excel(tmp_path / "book.xlsx", books.rows()), tmp_path / f"book{suffix}"))
    assert "Open it in Excel and save it as .xlsx" in books.refused(path)


@pytest.mark.parametrize("row", [250_001, 1_048_576])
def test_a_coloured_cell_far_down_is_no_row(tmp_path: Path, row: int) -> None:
    path = books.excel(tmp_path / "book.xlsx", books.rows())
    book = openpyxl.load_workbook(path)
    book.active.cell(row, 1).fill = PatternFill("solid", fgColor="FFFF00")
    book.save(path)
    assert books.read(path).num_rows == len(books.KEYS)
    book.active.cell(row, 1).value = "pv1"
    book.save(path)
    assert f"row {row}, column" in books.refused(path)
