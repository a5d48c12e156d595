"""Text files as labs write them: one meaning is read, two are refused in a sentence; inspect and reading agree on every file."""

import gzip
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synapse_assets.datasets import Columns, PointsSource
from synapse_assets.datasets.yaml_text import parse_yaml
from synapse_assets.errors import BadInput
from synapse_assets.sources import RegionNames, read_source
from synapse_assets.sources.dialects import dialect_of
from synapse_assets.sources.inspect import inspect_file
from synapse_assets_tests.sources.tables import VOLUME, source

PLAIN = "id,x,y,z,neuropil\n1,10,20.5,3,EB\n2,11,21,4,\n"
WANTED = [("1", 10.0, 20.5, 3.0, "EB"), ("2", 11.0, 21.0, 4.0, "U")]
USUAL = {"synapse_id": "id", "brain_region": "neuropil"}
GERMAN = PLAIN.replace(",", ";").replace(".", ",")
WIDE = PLAIN.replace("neuropil\n", "neuropil,{}\n").replace("EB\n", "EB,a\n").replace(",\n2,", ",\n2,")


def with_columns(names: str, cells: str) -> str:
    """The usual rows with more columns at their end."""
    header, *rows = PLAIN.splitlines()
    return "\n".join([f"{header},{names}", *(f"{row},{cells}" for row in rows)]) + "\n"


def rows_of(one: PointsSource) -> list[tuple[Any, ...]]:
    table = pa.concat_tables(read_source(one, VOLUME, RegionNames("U")))
    names = ("synapse_id", "x_nm", "y_nm", "z_nm", "brain_region")
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def written(folder: Path, content: str | bytes, name: str) -> Path:
    path = folder / name
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


READ: dict[str, tuple[str | bytes, str]] = {
    "plain": (PLAIN, "points.csv"),
    "blanks behind separators": (PLAIN.replace(",", ", "), "points.csv"),
    "blanks before separators": (PLAIN.replace(",", " ,"), "points.csv"),
    "tabs around names": (PLAIN.replace("id,x", "\tid ,\tx\t"), "points.csv"),
    "a line end in a header cell": (with_columns('"size\n(nm)"', "7"), "points.csv"),
    "a line end in the first header cell": (
        '"a\r\nb",' + PLAIN.replace("\n1", "\nq,1").replace("\n2", "\nq,2"),
        "points.csv",
    ),
    "line ends in header and rows": (with_columns('"size\n(nm)",note', '7,"a\nb"'), "points.csv"),
    "two unnamed columns": (with_columns(",", "7,8"), "points.csv"),
    "a name twice": (with_columns("note,note", "7,8"), "points.csv"),
    "a name twice but for blanks": (with_columns("note, note", "7,8"), "points.csv"),
    "an unnamed index": (PLAIN.replace("id,", ",id,").replace("\n1", "\n0,1").replace("\n2", "\n1,2"), "points.csv"),
    "a trailing separator": (PLAIN.replace("\n", ",\n"), "points.csv"),
    "sep line": ("sep=;\n" + PLAIN.replace(",", ";"), "points.csv"),
    "sep line of Windows": ("\ufeffsep=;\r\n" + GERMAN.replace("\n", "\r\n"), "points.csv"),
    "sep line in quotes": ('"sep=,"\n' + PLAIN, "points.csv"),
    "sep line of a tab": ("sep=\t\n" + PLAIN.replace(",", "\t"), "points.csv"),
    "semicolons": (PLAIN.replace(",", ";"), "points.csv"),
    "bars": (PLAIN.replace(",", "|"), "points.csv"),
    "tabs in .csv": (PLAIN.replace(",", "\t"), "points.csv"),
    "commas in .tsv": (PLAIN, "points.tsv"),
    "commas in .txt": (PLAIN, "points.txt"),
    "semicolons, packed": (GERMAN, "points.csv.gz"),
    "a comma inside a semicolon header": (
        PLAIN.replace(",", ";").replace("neuropil", "neuropil;x,y").replace("EB", "EB;q").replace("4;", "4;;q"),
        "points.csv",
    ),
    "commas in semicolon rows": (
        PLAIN.replace(",", ";")
        .replace("neuropil", "neuropil;note, of")
        .replace("EB", "EB;a, b, c")
        .replace("4;", "4;;d"),
        "points.csv",
    ),
    "semicolons in comma rows": (with_columns("note", "a;b;c"), "points.csv"),
    "quoted commas among semicolons": (
        PLAIN.replace(",", ";")
        .replace("neuropil", 'neuropil;"a,b,c,d,e,f"')
        .replace("EB", "EB;1")
        .replace("4;", "4;;1"),
        "points.csv",
    ),
    "decimal commas": (GERMAN, "points.csv"),
    "decimal commas in a .txt": (GERMAN, "points.txt"),
    "decimal commas and a blank": (GERMAN.replace("20,5", " 20,5 "), "points.csv"),
    "blank lines first": ("\n\n" + PLAIN, "points.csv"),
    "lines of blanks first": ("  \n\t\n" + PLAIN, "points.csv"),
    "comments first": ("# made by hand, on Monday\n# version 2\n" + PLAIN, "points.csv"),
    "comments and blank lines first": ("\n# made by hand\n\n" + PLAIN, "points.csv"),
    "a comment of as many cells": ("# a,b,c,d,e\n" + PLAIN, "points.csv"),
    "a comment with a quote": ('# 5" wide\n' + PLAIN, "points.csv"),
    "a comment in Latin-1": ("# Größe\n".encode("latin-1") + PLAIN.encode(), "points.csv"),
    "blank lines between": (PLAIN.replace("\n2", "\n\n2") + "\n\n", "points.csv"),
    "no line end at the end": (PLAIN.rstrip("\n"), "points.csv"),
    "old Mac": (PLAIN.replace("\n", "\r"), "points.csv"),
    "Windows": (PLAIN.replace("\n", "\r\n"), "points.csv"),
    "byte order mark": ("\ufeff" + PLAIN, "points.csv"),
    "Latin-1 in rows that nobody reads": (with_columns("note", "Größe").encode("latin-1"), "points.csv"),
    "other alphabets": (with_columns("Größe,突触", "µm,🧠"), "points.csv"),
    "quotes everywhere": ('"' + PLAIN.strip().replace(",", '","').replace("\n", '"\n"') + '"\n', "points.csv"),
}


@pytest.mark.parametrize(("content", "name"), READ.values(), ids=READ)
def test_one_meaning_is_read(tmp_path: Path, content: str | bytes, name: str) -> None:
    path = written(tmp_path, content, name)
    assert rows_of(source(path, units="nm", columns=Columns(**USUAL))) == WANTED
    found = inspect_file(str(path))
    assert found.rows == 2
    expected = re.compile("columns are called|'note'.*save it as UTF-8|are empty in")
    assert [problem for problem in found.problems if not expected.search(problem)] == []
    fields = parse_yaml(found.source.encode())["sources"][0] | {"units": "nm"}
    assert rows_of(PointsSource.model_validate(fields)) == WANTED


REFUSED: dict[str, tuple[str | bytes, str, str]] = {
    "UTF-16": (PLAIN.encode("utf-16"), "points.csv", "is UTF-16 text: save it as UTF-8"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), "points.csv", "is UTF-16 text: save it as UTF-8"),
    "UTF-32": (PLAIN.encode("utf-32"), "points.csv", "is UTF-16 text|save it as UTF-8"),
    "Latin-1 in the header": (
        with_columns("Größe", "1").encode("latin-1"),
        "points.csv",
        r"is no UTF-8 text \(byte 0xF6 in its first line, 'Größe' if it is Latin-1 or Windows text\): save it as UTF-8",
    ),
    "Latin-1 in a column that is read": (
        PLAIN.replace("EB", "Größe").encode("latin-1"),
        "points.csv",
        r"is no UTF-8 text \(invalid UTF8 data in column 'neuropil'\), but Latin-1 or Windows text.*save it as UTF-8",
    ),
    "decimal commas in quotes": (
        PLAIN.replace("20.5", '"20,5"'),
        "points.csv",
        r"row 1, column 'y': '20,5' is no number; write numbers with a decimal point",
    ),
    "thousands": (
        PLAIN.replace("20.5", '"1,020.5"'),
        "points.csv",
        r"'1,020\.5' is no number; write numbers with a decimal point, and without separators of thousands",
    ),
    "decimal commas behind tabs": (
        GERMAN.replace(";", "\t"),
        "points.tsv",
        r"'20,5' is no number; write numbers with a decimal point",
    ),
    "commas and points": (
        GERMAN.replace("21;", "21.5;"),
        "points.csv",
        r"column 'y',? has numbers with a comma, such as '20,5', and others with a point, such as '21\.5'",
    ),
    "thousands and decimal commas": (
        GERMAN.replace("20,5", "1.020,5"),
        "points.csv",
        "write one decimal sign throughout",
    ),
    "several commas": (
        GERMAN.replace("20,5", "1,020,500"),
        "points.csv",
        "numbers with several commas, such as '1,020,500'",
    ),
    "columns separated by blanks": (
        PLAIN.replace(",", " "),
        "points.txt",
        "If blanks separate its columns, save it with commas or tabs",
    ),
    "blanks before quotes": (
        '"id", "x", "y", "z", "neuropil"\n"1", "2", "3", "4", "EB"\n',
        "points.csv",
        "has blanks between separators and quotes",
    ),
    "a quote that is never closed": (
        '"id,x,y,z,neuropil\n' + "1,10,20,3,EB\n" * 100_000,
        "points.csv",
        "is a quote never closed",
    ),
    "rows of other lengths": (PLAIN + "3,4\n", "points.csv", "Expected 5 columns, got 2"),
    "only blank lines": ("\n \n\n", "points.csv", "has no column 'x'|has columns .* but no rows"),
    "only a header": ("id,x,y,z,neuropil\n", "points.csv", "but no rows"),
    "only a header and blank lines": ("\n# a\nid,x,y,z,neuropil\n\n\n", "points.csv", "but no rows"),
}


@pytest.mark.parametrize(("content", "name", "message"), REFUSED.values(), ids=REFUSED)
def test_two_meanings_are_refused_with_the_dialect_and_the_remedy(
    tmp_path: Path, content: str | bytes, name: str, message: str
) -> None:
    path = written(tmp_path, content, name)
    with pytest.raises(BadInput, match=message) as error:
        rows_of(source(path, units="nm", columns=Columns(**USUAL)))
    assert "damaged" not in str(error.value)
    if name == "points.txt":
        return  # one column, of which inspect does not know what it should be
    try:
        told = " ".join(inspect_file(str(path)).problems)
    except BadInput as said:
        told = str(said)
    assert re.search(f"{message}|is no number; write numbers", told)


def test_a_hash_may_begin_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, "# mine\n#" + PLAIN, "points.csv")
    assert rows_of(source(path, units="nm", columns=Columns(**USUAL | {"synapse_id": "#id"}))) == WANTED
    assert [column.name for column in inspect_file(str(path)).columns][:2] == ["#id", "x"]


def test_a_comment_of_one_word_is_no_header_of_one_number() -> None:
    # pandas calls the only column of an unnamed series 0.
    assert dialect_of(b"# ids\n0\n7\n8\n", ",", "ids.csv").first == ("0",)
    assert dialect_of(b"# x,y\n7,8\n", ",", "ids.csv").first == ("# x", "y")


def test_a_yaml_that_names_a_column_with_its_blanks_still_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN.replace(",", ", "), "points.csv")
    named = Columns(synapse_id="id", x=" x", y=" y ", z=" z", brain_region=" neuropil")
    assert rows_of(source(path, units="nm", columns=named)) == WANTED
    assert len(rows_of(source(path, units="nm", columns=named, minimum={" z": 4}, only={" x ": ["11"]}))) == 1


def test_two_columns_of_one_name_cannot_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, with_columns("note, note", "7,8"), "points.csv")
    with pytest.raises(BadInput, match=r"has the columns \['note'\] more than once"):
        rows_of(source(path, units="nm", columns=Columns(**USUAL, object_id="note")))
    assert any("several columns are called 'note'" in problem for problem in inspect_file(str(path)).problems)


@pytest.mark.parametrize("before", ["", "sep=,\n", "# a\n\n", "\ufeff"])
def test_a_file_without_header(tmp_path: Path, before: str) -> None:
    path = written(tmp_path, before + PLAIN.split("\n", 1)[1], "points.csv")
    named = source(path, units="nm", columns=Columns(**USUAL), header=["id", "x", "y", "z", "neuropil"])
    assert rows_of(named) == WANTED
    with pytest.raises(BadInput, match="The first line looks like data"):
        rows_of(source(path, units="nm", columns=Columns(**USUAL)))


def test_a_decimal_sign_that_changes_far_into_the_file_is_refused(tmp_path: Path) -> None:
    count = 200_000
    rows = "".join(f"{row};{row};1;1\n" for row in range(count))
    path = written(tmp_path, f"id;x;y;z\na;1.5;1;1\n{rows}b;1,5;1;1\n", "points.csv")
    with pytest.raises(BadInput, match="column 'x', has numbers with a comma and others with a point"):
        rows_of(source(path, units="nm", columns=Columns(synapse_id="id")))
    path = written(tmp_path, f"id;x;y;z\n{rows}b;1,5;oops;1\n", "points.csv")
    with pytest.raises(BadInput, match=rf"row {count + 1}, column 'y': 'oops' is no number"):
        rows_of(source(path, units="nm", columns=Columns(synapse_id="id")))


NUMBERS = [
    "10",
    " 10 ",
    "+10",
    "1e1",
    "1E+1",
    "10.",
    ".5",
    "-3",
    "0x10",
    "10 nm",
    "1_0",
    "inf",
    "NaN",
    "",
    "NA",
    "true",
    "1/2",
    "ten",
]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_inspect_and_reading_agree_on_every_number(tmp_path: Path, number: str, delimiter: str) -> None:
    path = written(tmp_path, PLAIN.replace("20.5", number).replace(",", delimiter), "points.csv")
    try:
        read: Any = rows_of(source(path, units="nm", columns=Columns(**USUAL)))
    except BadInput as error:
        read = str(error)
    problems = inspect_file(str(path)).problems
    if isinstance(read, str):
        assert any("no number" in problem or "lack a coordinate" in problem for problem in problems)
    else:
        assert not any("number" in problem or "refused" in problem for problem in problems)
