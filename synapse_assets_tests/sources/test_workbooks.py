"""Workbooks as labs save them: read right, or refused with one sentence that says what is wrong, where, and how to fix it."""

import contextlib
import datetime
import hashlib
import http.server
import io
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msoffcrypto.format.ooxml
import openpyxl
import pyarrow as pa
import pytest

from synapse_assets.datasets import MorphologyDataset, Workbook
from synapse_assets.errors import BadInput, SynapseAssetsError
from synapse_assets.schema import morphology
from synapse_assets.sources import fetching, listing
from synapse_assets.sources.workbooks import read_workbook, read_workbooks

XYZ = ("x", "y", "z")
PLACES = (*XYZ, *(f"soma_{a}" for a in XYZ), *(f"corr_{a}" for a in XYZ), *(f"corr_soma_{a}" for a in XYZ))
MICRONS = (*(f"corr_{a}_micron" for a in XYZ), *(f"corr_soma_{a}_micron" for a in XYZ))
COLUMNS = ("NeuronId", "SynType", "SynId", *PLACES, "SynArea", "BoutonArea", "BoutonVolume", *MICRONS)
KEYS = (("pv1", "as", 1), ("pv1", "as", 2), ("pv1", "ss", 1), ("cb2", "as", 1))
Rows = list[dict[str, Any]]


def rows(keys: tuple[tuple[str, str, Any], ...] = KEYS) -> Rows:
    """One row a key, every number in it different."""
    listed = []
    for index, key in enumerate(keys):
        numbers = {name: 100.0 * (index + 1) + place + 0.25 for place, name in enumerate(COLUMNS[3:])}
        listed.append(dict(zip(COLUMNS, key, strict=False)) | numbers)
    return listed


def changed(row: int, **cells: Any) -> Rows:
    """The usual rows, with other cells in that row (Excel's number of it)."""
    listed = rows()
    listed[row - 2] |= cells
    return listed


Sheets = dict[str, list[list[Any]]]


def cells(listed: Rows, columns: tuple[str, ...] = COLUMNS) -> list[list[Any]]:
    return [list(columns), *([row.get(name) for name in columns] for row in listed)]


def excel(path: Path, content: Rows | Sheets) -> Path:
    """An .xlsx file of those rows, or of those sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, listed in (content if isinstance(content, dict) else {"Tabelle1": cells(content)}).items():
        sheet = book.create_sheet(title)
        for row in listed:
            sheet.append(row)
    book.save(path)
    return path


def csv(
    path: Path, content: list[list[Any]], delimiter: str = ",", comma: bool = False, encoding: str = "utf-8"
) -> Path:
    def text(cell: Any) -> str:
        if cell is None:
            return ""
        return str(cell).replace(".", ",") if comma and isinstance(cell, float) else str(cell)

    path.write_bytes("\r\n".join(delimiter.join(map(text, row)) for row in [*content, []]).encode(encoding))
    return path


def dataset(*paths: Path | str, **changes: Any) -> MorphologyDataset:
    """A dataset of those workbooks; `changes` are fields of the first workbook (sheet, columns, id_prefix), or of the dataset."""
    book = {name: changes.pop(name) for name in ("sheet", "columns", "id_prefix", "used_for") if name in changes}
    listed = [
        {"name": f"book{n}", "path": str(path)} | (book if n == 1 else {}) for n, path in enumerate(paths, start=1)
    ]
    fields: dict[str, Any] = {
        "chain": "morphology",
        "name": "test",
        "title": "Test",
        "description": "Planted rows.",
        "workbooks": listed,
        "neuron_types": {"cb": "calbindin", "cr": "calretinin", "pv": "parvalbumin"},
        "synapse_types": ["as", "ss"],
        "brain_region": "V1",
        "groups": {"as": {"synapse_type": "as"}},
    }
    return MorphologyDataset.model_validate(fields | changes)


def read(path: Path | str, **changes: Any) -> pa.Table:
    """The synapses of one workbook."""
    one = dataset(path, **changes)
    return read_workbook(one.workbooks[0], one, Path("unused"))[0]


def refused(path: Path | str, **changes: Any) -> str:
    """The sentence with which the workbook is refused."""
    with pytest.raises(BadInput) as error:
        read(path, **changes)
    message = str(error.value)
    assert "\n" not in message
    assert Path(path).name in message
    return message


@pytest.fixture
def book(tmp_path: Path) -> Callable[[Rows | Sheets], Path]:
    return lambda content: excel(tmp_path / "book.xlsx", content)


Book = Callable[[Rows | Sheets], Path]

# What is read ---------------------------------------------------------------------------------------------------------------


def expected(listed: Rows) -> list[dict[str, Any]]:
    """The planted rows as `schema.morphology.SYNAPSES` names them."""
    types = {"pv1": "parvalbumin", "cb2": "calbindin"}
    names = {f"corr_{a}_micron": f"{a}_um" for a in XYZ} | {f"corr_soma_{a}_micron": f"soma_{a}_um" for a in XYZ}
    names |= {f"corr_{a}": f"corrected_{a}" for a in XYZ} | {f"corr_soma_{a}": f"corrected_soma_{a}" for a in XYZ}
    names |= {"SynArea": "synapse_area", "BoutonArea": "bouton_area", "BoutonVolume": "bouton_volume"}
    out = []
    for row in listed:
        neuron, kind, number = row["NeuronId"], row["SynType"], row["SynId"]
        made = {names.get(name, name): row[name] for name in COLUMNS[3:]}
        made |= {"synapse_id": f"{neuron}/{kind}/{number}", "neuron_id": neuron, "neuron_type": types[neuron]}
        made |= {"synapse_type": kind, "number": number, "brain_region": "V1", "used_for": "fit", "workbook": "book1"}
        out.append({name: made[name] for name in morphology.SYNAPSES.names})
    return out


def test_every_column_arrives_where_it_belongs(book: Book) -> None:
    path = book(rows())
    table = read(path)
    assert table.schema.equals(morphology.SYNAPSES.arrow)
    assert table.to_pylist() == expected(rows())


def test_where_the_rows_came_from_is_told(book: Book, tmp_path: Path) -> None:
    path = book(rows())
    one = dataset(path, used_for="fit")
    told = read_workbook(one.workbooks[0], one, tmp_path)[1]
    assert told.schema.equals(morphology.WORKBOOKS.arrow)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    facts = {"file": "book.xlsx", "origin": str(path), "sheet": "Tabelle1", "bytes": len(content), "sha256": digest}
    assert told.to_pylist() == [{"workbook": "book1", **facts, "rows": 4, "used_for": "fit"}]
    at_csv = dataset(csv(tmp_path / "book.csv", cells(rows())))
    assert read_workbook(at_csv.workbooks[0], at_csv, tmp_path)[1].column("sheet").to_pylist() == [None]


def test_a_file_address_and_other_suffixes_are_read(book: Book, tmp_path: Path) -> None:
    path = book(rows())
    assert read(f"file://{path}").num_rows == 4
    for name in ("book.xlsm", "BOOK.XLSX"):
        assert read(shutil.copy(path, tmp_path / name)).num_rows == 4


def test_whole_numbers_in_number_columns_become_floats(book: Book) -> None:
    listed = rows()
    for row in listed:
        row |= {"z": int(row["z"]), "corr_soma_z_micron": 7, "SynArea": 2}
    table = read(book(listed))
    assert table.column("z").type == pa.float64()
    assert table.column("z").to_pylist() == [102.0, 202.0, 302.0, 402.0]
    assert table.column("soma_z_um").to_pylist() == [7.0] * 4


def test_blanks_around_names_and_ids_are_ignored(book: Book) -> None:
    listed = [dict(row, NeuronId=f" {row['NeuronId']} ", SynType=f"{row['SynType']}\xa0") for row in rows()]
    sheet = cells(listed)
    sheet[0] = [f" {name} " for name in COLUMNS]
    assert read(book({"Tabelle1": sheet})).column("synapse_id").to_pylist() == [
        e["synapse_id"] for e in expected(rows())
    ]


def test_empty_rows_and_columns_are_passed_over_and_rows_keep_their_number(book: Book) -> None:
    sheet = [[None, *row, None, "note" if n == 2 else None] for n, row in enumerate(cells(rows()))]
    nothing: list[Any] = [None] * len(sheet[0])
    sheet = [*sheet[:3], nothing, ["", "  ", *nothing[2:]], *sheet[3:], nothing, [*nothing[:-1], "sum"], nothing]
    assert read(book({"Tabelle1": sheet})).to_pylist() == expected(rows())
    sheet[6][COLUMNS.index("SynArea") + 1] = "large"
    assert "row 7, column 'SynArea'" in refused(book({"Tabelle1": sheet}))


def test_rows_beyond_a_wrong_dimension_are_read(book: Book) -> None:
    path = book(rows())
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert b'ref="A1:X5"' in sheet
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b'ref="A1:X5"', b'ref="A1:C2"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert read(path).num_rows == 4


@pytest.mark.parametrize(("cell", "number"), [(1.0, 1), ("7", 7), (" 7.0 ", 7), (0, 0)])
def test_numbers_of_synapses_are_whole_however_they_are_stored(book: Book, cell: Any, number: int) -> None:
    table = read(book(changed(4, SynId=cell)))
    assert table.column("number").to_pylist() == [1, 2, number, 1]
    assert table.column("synapse_id")[2].as_py() == f"pv1/ss/{number}"


def test_columns_that_the_mapping_leaves_out_are_empty(book: Book) -> None:
    kept = tuple(name for name in COLUMNS if name not in PLACES and name != "BoutonVolume")
    path = book({"Tabelle1": cells(rows(), kept)})
    left_out = [name.replace("corr_", "corrected_") for name in PLACES]
    table = read(path, columns=dict.fromkeys(left_out))
    for name in [*left_out, "bouton_volume"]:
        assert table.column(name).null_count == 4
    assert table.column("x_um").to_pylist() == [row["corr_x_micron"] for row in rows()]


def test_the_volume_may_be_absent_or_partly_empty(book: Book) -> None:
    listed = rows()
    for row, cell in zip(listed, (None, "NA", " ", 4.5), strict=True):
        row["BoutonVolume"] = cell
    assert read(book(listed)).column("bouton_volume").to_pylist() == [None, None, None, 4.5]
    assert read(book(listed), columns={"bouton_volume": None}).column("bouton_volume").null_count == 4


def test_the_brain_region_is_the_columns_or_else_the_datasets(book: Book) -> None:
    listed = [dict(row, Area=area) for row, area in zip(rows(), ("V1", " V2", None, ""), strict=True)]
    path = book({"Tabelle1": cells(listed, (*COLUMNS, "Area"))})
    found = read(path, columns={"brain_region": "Area"}, brain_region="S1").column("brain_region").to_pylist()
    assert found == ["V1", "V2", "S1", "S1"]
    assert read(path, brain_region="S1").column("brain_region").to_pylist() == ["S1"] * 4


def test_the_longest_prefix_with_all_letters_tells_the_type(book: Book) -> None:
    listed = rows((("pv1", "as", 1), ("pv_b1", "as", 1), ("pv_b", "as", 1), ("pv", "as", 1)))
    types = {"pv": "short", "pv_b": "long"}
    assert read(book(listed), neuron_types=types).column("neuron_type").to_pylist() == [
        "short",
        "long",
        "long",
        "short",
    ]
    assert "'pvb1' begins with none" in refused(book(rows((("pvb1", "as", 1),))), neuron_types=types)


def test_a_formula_gives_its_stored_value(book: Book) -> None:
    path = book(changed(3, SynArea="=1+1", BoutonVolume='=""'))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    sheet = sheet.replace("<f>1+1</f><v></v>", "<f>1+1</f><v>2</v>").replace("<f>1+1</f><v />", "<f>1+1</f><v>2</v>")
    assert "<v>2</v>" in sheet
    # Excel's way of storing that a formula gave the empty text.
    at = sheet.index('<c r="R3"')
    sheet = sheet[:at] + sheet[at:].replace('<c r="R3"', '<c r="R3" t="str"', 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"xl/worksheets/sheet1.xml": sheet.encode()}).items():
            archive.writestr(name, content)
    table = read(path)
    assert table.column("synapse_area")[1].as_py() == 2.0
    assert table.column("bouton_volume")[1].as_py() is None


# CSV ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delimiter", "comma", "encoding"),
    [
        (",", False, "utf-8"),
        (";", True, "utf-8"),
        (";", True, "utf-8-sig"),
        (";", False, "utf-8"),
        ("\t", False, "utf-8"),
    ],
)
def test_csv_gives_what_excel_gives(tmp_path: Path, delimiter: str, comma: bool, encoding: str) -> None:
    path = csv(tmp_path / "book.csv", cells(rows()), delimiter, comma, encoding)
    assert (b"100,25" in path.read_bytes()) == comma
    assert read(path).to_pylist() == expected(rows())


def test_german_csv_with_whole_numbers_exponents_and_quotes(tmp_path: Path) -> None:
    sheet = cells(changed(2, NeuronId='" pv1 "', SynArea="1,5E-3", BoutonArea="-0,0E+0", x="7", SynId="1,0"))
    sheet[1][COLUMNS.index("BoutonArea")] = "2"
    row = read(csv(tmp_path / "book.csv", sheet, ";", comma=True)).to_pylist()[0]
    assert (row["synapse_id"], row["synapse_area"], row["bouton_area"], row["x"]) == ("pv1/as/1", 0.0015, 2.0, 7.0)


@pytest.mark.parametrize(
    ("cell", "delimiter", "comma"),
    [
        ("1.234,5", ";", True),
        ("12.5", ";", True),
        ('"1,234"', ",", False),
        ("12,5", "\t", False),
        ("12 um", ",", False),
    ],
)
def test_csv_text_that_could_be_another_number_is_refused(
    tmp_path: Path, cell: str, delimiter: str, comma: bool
) -> None:
    path = csv(tmp_path / "book.csv", cells(changed(3, SynArea=cell)), delimiter, comma)
    message = refused(path)
    assert f"row 3, column 'SynArea': {cell.strip(chr(34))!r} is text where a number is wanted" in message
    assert "thousands separator" in message


def test_empty_lines_of_csv_are_passed_over(tmp_path: Path) -> None:
    sheet = cells(rows())
    nothing = [None] * len(COLUMNS)
    path = csv(tmp_path / "book.csv", [*sheet[:3], nothing, *sheet[3:], nothing], ";", comma=True)
    assert read(path).to_pylist() == expected(rows())
    sheet[4][COLUMNS.index("SynArea")] = "#DIV/0!"
    path = csv(tmp_path / "book.csv", [*sheet[:3], nothing, *sheet[3:]], ";", comma=True)
    assert "row 6, column 'SynArea': '#DIV/0!' is an error of Excel" in refused(path)


@pytest.mark.parametrize("cell", ["", "NaN", "#N/A", "#NV", "  "])
def test_missing_values_of_csv_are_named(tmp_path: Path, cell: str) -> None:
    assert "row 3, column 'SynArea': the cell is empty" in refused(
        csv(tmp_path / "book.csv", cells(changed(3, SynArea=cell)))
    )


def test_csv_has_no_sheets_and_needs_whole_rows(tmp_path: Path) -> None:
    path = csv(tmp_path / "book.csv", cells(rows()))
    assert "has no sheets" in refused(path, sheet="Tabelle1")
    path.write_bytes(path.read_bytes() + b"pv1,as\r\n")
    assert "Expected 24 columns, got 2" in refused(path)
    assert "has a header but no rows" in refused(csv(path, cells([])))


# Several workbooks ----------------------------------------------------------------------------------------------------------


def test_workbooks_follow_one_another(tmp_path: Path) -> None:
    first = excel(tmp_path / "a.xlsx", rows())
    second = csv(tmp_path / "b.csv", cells(rows((("cb2", "as", 2), ("cr1", "ss", 1)))))
    both = dataset(first, second)
    synapses, provenance = read_workbooks(both, tmp_path)
    assert synapses.column("workbook").to_pylist() == ["book1"] * 4 + ["book2"] * 2
    assert synapses.column("synapse_id").to_pylist()[-2:] == ["cb2/as/2", "cr1/ss/1"]
    assert provenance.column("rows").to_pylist() == [4, 2]
    assert synapses.schema.equals(morphology.SYNAPSES.arrow)
    assert provenance.schema.equals(morphology.WORKBOOKS.arrow)


def test_the_same_synapse_in_two_workbooks_needs_a_prefix(tmp_path: Path) -> None:
    first = excel(tmp_path / "a.xlsx", rows((("cr1", "as", 1), *KEYS)))
    second = excel(tmp_path / "b.xlsx", rows((("cb2", "ss", 9), *KEYS[1:])))
    with pytest.raises(BadInput) as error:
        read_workbooks(dataset(first, second), tmp_path)
    assert "synapse 'pv1/as/2' is in workbook 'book1' (row 4) and in workbook 'book2' (row 3)" in str(error.value)
    assert "(3 synapses in all)" in str(error.value)
    assert "id_prefix" in str(error.value)
    found = read_workbooks(dataset(first, second, id_prefix="old/"), tmp_path)[0].column("synapse_id").to_pylist()
    assert found == [f"old/{n}/{t}/{i}" for n, t, i in (("cr1", "as", 1), *KEYS)] + [
        f"{n}/{t}/{i}" for n, t, i in (("cb2", "ss", 9), *KEYS[1:])
    ]


# Columns and sheets ---------------------------------------------------------------------------------------------------------


def test_all_missing_columns_are_named_with_the_nearest(book: Book) -> None:
    sheet = cells(rows())
    for old, new in (("SynArea", "Syn Area"), ("corr_x_micron", "Corr_X_Micron"), ("SynId", "Number")):
        sheet[0][sheet[0].index(old)] = new
    message = refused(book({"Tabelle1": sheet}))
    assert "sheet 'Tabelle1' has no column" in message
    assert "'SynArea' (for synapse_area; did you mean 'Syn Area'?)" in message
    assert "'corr_x_micron' (for x_um; did you mean 'Corr_X_Micron'?)" in message
    assert "'SynId' (for number)" in message
    assert "'columns'" in message
    mapping = {"synapse_area": "Syn Area", "x_um": "Corr_X_Micron", "number": "Number"}
    assert read(book({"Tabelle1": sheet}), columns=mapping).to_pylist() == expected(rows())


def test_a_column_in_use_is_not_suggested_for_another(book: Book) -> None:
    path = book({"Tabelle1": cells(rows(), tuple(name for name in COLUMNS if name != "corr_x_micron"))})
    message = refused(path)
    assert "'corr_x_micron' (for x_um)" in message
    assert "did you mean" not in message


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_a_column_that_is_there_twice_is_refused_if_it_is_meant(tmp_path: Path, suffix: str) -> None:
    def write(extra: str) -> Path:
        path, sheet = tmp_path / f"book.{suffix}", [[*row, 1.0, 2.0] for row in cells(rows())]
        sheet[0][-2:] = [extra, "note"]
        return excel(path, {"Tabelle1": sheet}) if suffix == "xlsx" else csv(path, sheet)

    assert "has the columns ['SynArea'] more than once" in refused(write("SynArea "))
    assert read(write("note")).num_rows == 4


def test_two_sheets_with_rows_need_a_name(book: Book) -> None:
    other = rows((("cr3", "ss", 5),))
    path = book({"Tabelle1": cells(rows()), "Leer": [], "Alt": cells(other), "Kopf": [["NeuronId"]]})
    message = refused(path)
    assert "has 2 sheets that hold rows, 'Tabelle1', 'Alt': name the one to read" in message
    assert read(path, sheet="Alt").column("synapse_id").to_pylist() == ["cr3/ss/5"]
    assert read(path, sheet="Tabelle1").num_rows == 4
    assert "has no sheet 'tabelle 1', did you mean 'Tabelle1'?" in refused(path, sheet="tabelle 1")


def test_a_hidden_sheet_with_rows_is_said_to_be_hidden(book: Book) -> None:
    path = book({"Tabelle1": cells(rows()), "Alt": cells(rows())})
    hiding = openpyxl.load_workbook(path)
    hiding["Alt"].sheet_state = "hidden"
    hiding.save(path)
    assert "'Tabelle1', 'Alt' (hidden)" in refused(path)


@pytest.mark.parametrize("first", [True, False])
def test_empty_sheets_beside_the_one_are_ignored(book: Book, first: bool) -> None:
    sheets: Sheets = {"Tabelle2": [], "Tabelle3": [[None, " "], [None]]}
    full: Sheets = {"Daten": cells(rows())}
    assert read(book(full | sheets if first else sheets | full)).to_pylist() == expected(rows())


def test_a_sheet_without_rows_is_refused(book: Book) -> None:
    assert "sheet 'Tabelle1' has a header but no rows" in refused(book([]))
    assert "'Tabelle2'] hold nothing" in refused(book({"Tabelle1": [], "Tabelle2": []}))
    assert "has a header but no rows" in refused(book({"A": cells(rows()), "B": cells([])}), sheet="B")
    assert "sheet 'B' has no column" in refused(book({"A": cells(rows()), "B": []}), sheet="B")


# Cells ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("SynArea", "large", "'large' is text where a number is wanted"),
        ("corr_z_micron", "12.5", "'12.5' is text where a number is wanted"),
        ("x", "?", "'?' is text where a number is wanted"),
        ("SynArea", None, "the cell is empty"),
        ("corr_soma_y_micron", float("nan"), "the cell is empty"),
        ("BoutonArea", "#DIV/0!", "'#DIV/0!' is an error of Excel"),
        ("BoutonVolume", "#VALUE!", "'#VALUE!' is an error of Excel"),
        ("corr_x_micron", "#N/A", "the cell is empty, NaN or #N/A"),
        ("NeuronId", "#REF!", "'#REF!' is an error of Excel"),
        ("SynArea", 0, "'0' is no area above 0"),
        ("BoutonArea", -1.5, "'-1.5' is no area above 0"),
        ("BoutonVolume", -1.5, "'-1.5' is negative"),
        ("SynArea", True, "'True' is a truth value where a number is wanted"),
        ("SynArea", datetime.date(2021, 5, 1), "is a date or time where a number is wanted"),
        ("SynId", 1.5, "'1.5' is no whole number"),
        ("SynId", "one", "'one' is text where a number is wanted"),
        ("SynId", None, "the cell is empty"),
        ("SynId", 2**53, "is too large"),
        ("SynArea", "=1+1", "the cell is a formula without a stored value: open the workbook in Excel and save it"),
        ("BoutonVolume", "=1+1", "the cell is a formula without a stored value"),
        ("NeuronId", None, "the cell is empty"),
        ("NeuronId", "  ", "the cell is empty"),
        ("NeuronId", datetime.datetime(2021, 5, 1), "is a date or time where text is wanted"),
        ("NeuronId", "xy7", "'xy7' begins with none of the known prefixes ['cb', 'cr', 'pv']"),
        ("NeuronId", 7.0, "'7' begins with none of the known prefixes"),
        ("NeuronId", "pvx1", "'pvx1' begins with none of the known prefixes"),
        ("SynType", "sa", "'sa' is none of the known types ['as', 'ss']"),
        ("SynType", None, "the cell is empty"),
    ],
)
def test_a_wrong_cell_is_named(book: Book, column: str, cell: Any, message: str) -> None:
    path = book(changed(3, **{column: cell}))
    assert f"{path}, sheet 'Tabelle1', row 3, column '{column}': " in (said := refused(path))
    assert message in said


def test_the_remedy_names_the_field_of_the_yaml(book: Book) -> None:
    assert "'neuron_types' in the dataset's YAML" in refused(book(changed(3, NeuronId="xy7")))
    assert "'synapse_types' in the dataset's YAML" in refused(book(changed(3, SynType="sa")))


@pytest.mark.parametrize("cell", ["inf", "1e999"])
def test_infinite_values_are_refused(tmp_path: Path, cell: str) -> None:
    message = refused(csv(tmp_path / "book.csv", cells(changed(3, corr_x_micron=cell))))
    assert "row 3, column 'corr_x_micron': " in message
    assert "is not finite" in message


def test_many_wrong_cells_are_counted_and_the_first_rows_named(book: Book) -> None:
    listed = rows(tuple(("pv1", "as", n) for n in range(20)))
    for index in (3, 5, 6, 9, 11, 12, 19):
        listed[index]["SynArea"] = None
    listed[7]["SynArea"] = "x"
    assert "(7 such cells: rows 5, 7, 8, 11, 13, ...)" in refused(book(listed))


def test_a_row_of_formulas_without_values_is_not_passed_over(book: Book) -> None:
    sheet = cells(rows())
    sheet.insert(3, [f"=Alt!A{n}" for n in range(len(COLUMNS))])
    assert "row 4, column 'NeuronId': the cell is a formula" in refused(book({"Tabelle1": sheet}))
    only = [list(COLUMNS), [f"=Alt!A{n}" for n in range(len(COLUMNS))]]
    assert "row 2, column 'NeuronId': the cell is a formula" in refused(book({"Tabelle1": only}), sheet="Tabelle1")


def test_the_same_key_twice_names_both_rows(book: Book) -> None:
    message = refused(book(rows((*KEYS, ("pv1", "as", 2), ("pv1", "as", 2.0)))))
    assert "rows 3 and 6 are the same synapse (NeuronId pv1, SynType as, SynId 2), and 1 more rows" in message
    assert read(book(rows((*KEYS, ("pv2", "as", 2), ("cb2", "ss", 1))))).num_rows == 6


# Files that are no workbooks ------------------------------------------------------------------------------------------------


def test_a_workbook_with_a_password_is_told_from_an_old_one(book: Book, tmp_path: Path) -> None:
    plain = book(rows()).read_bytes()
    secret = tmp_path / "secret.xlsx"
    with secret.open("wb") as stream:
        msoffcrypto.format.ooxml.OOXMLFile(io.BytesIO(plain)).encrypt("password", stream)
    assert "is protected by a password" in refused(secret)
    old = tmp_path / "old.xlsx"
    old.write_bytes(bytes.fromhex("D0CF11E0A1B11AE1") + "Workbook".encode("utf-16-le") * 100)
    assert "Excel 97 to 2003" in refused(old)
    assert "save it as .xlsx" in refused(Path(shutil.copy(old, tmp_path / "old.xls")))


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "book.xlsx", "is a web page"),
        (b"\xef\xbb\xbf\r\n <html>Sign in", "book.csv", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "book.xlsx", "is a git-LFS pointer"),
        (b"NeuronId,SynType\n", "book.xlsx", "but is no Excel workbook"),
        (b"", "book.xlsx", "is empty"),
        (b"PK\x03\x04 is how it begins", "book.xlsx", "is corrupt or cut short"),
        (b"NeuronId", "book.txt", "ends in .xlsx, .xlsm or .csv"),
        (b"NeuronId", "book.ods", "Open it in Excel and save it as .xlsx"),
        ("NeuronId;SynType".encode("utf-16"), "book.csv", "save it in Excel as 'CSV UTF-8'"),
        ("NeuronId;Größe".encode("cp1252"), "book.csv", "save it in Excel as 'CSV UTF-8'"),
    ],
)
def test_other_content_is_told_for_what_it_is(tmp_path: Path, content: bytes, name: str, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert message in refused(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    assert "there is no file" in refused(tmp_path / "book.xlsx")


def test_a_folder_is_all_of_its_workbooks(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    folder.mkdir()
    one = dataset(folder)
    synapses, told = read_workbooks(one, tmp_path)
    assert synapses.schema.equals(morphology.SYNAPSES.arrow)
    assert (synapses.num_rows, told.num_rows) == (0, 0)
    excel(folder / "b.xlsx", rows(KEYS[:2]))
    csv(folder / "a.csv", cells(rows(KEYS[2:])))
    csv(folder / "none.csv", [list(COLUMNS)])
    for name in ("~$b.xlsx", ".hidden.xlsx", "c.xlsx.part", "notes.md"):
        (folder / name).write_text("no workbook")
    synapses, told = read_workbooks(one, tmp_path)
    assert synapses.column("synapse_id").to_pylist() == ["pv1/ss/1", "cb2/as/1", "pv1/as/1", "pv1/as/2"]
    assert told.select(["file", "rows"]).to_pylist() == [{"file": "a.csv", "rows": 2}, {"file": "b.xlsx", "rows": 2}]
    excel(folder / "z.xlsx", rows(KEYS[:1]))
    with pytest.raises(
        BadInput, match=r"'pv1/as/1' is in workbook 'book1', file 'b\.xlsx' \(row 2\) and .* file 'z\.xlsx'"
    ):
        read_workbooks(one, tmp_path)


def test_a_workbook_named_csv_is_refused(book: Book, tmp_path: Path) -> None:
    assert "name it .xlsx" in refused(Path(shutil.copy(book(rows()), tmp_path / "book.csv")))


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.97])
def test_a_workbook_cut_short_is_refused(book: Book, kept: float) -> None:
    path = book(rows())
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert "is corrupt or cut short" in refused(path)


def test_damage_inside_the_archive_is_refused(book: Book) -> None:
    path = book(rows())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("xl/worksheets/sheet1.xml").header_offset + 60
    content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    assert "is corrupt or cut short" in refused(path)


def test_another_archive_is_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    assert "is a zip archive, but no workbook" in refused(path)


# Addresses ------------------------------------------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Answers every request with `body`; `says` are more headers, `length` a Content-Length that may lie."""

    daemon_threads = True
    body = b""
    status = 200
    says: dict[str, str]
    length: int | None = None
    wait: threading.Event | None = None
    chunked = False
    asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked += self.command == "GET"
        if server.wait is not None:
            server.wait.wait(10)
        elsewhere = server.says.get("Location") if self.path.startswith("/moved") else None
        self.send_response(302 if elsewhere else server.status)
        for name, value in server.says.items():
            self.send_header(name, value)
        if not server.chunked:
            self.send_header("Content-Length", str(0 if elsewhere else server.length or len(server.body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"" if elsewhere or self.command == "HEAD" else server.body)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.says = {}
        server.body = excel(tmp_path / "served.xlsx", rows()).read_bytes()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        if server.wait is not None:
            server.wait.set()
        server.shutdown()
        thread.join()


def fetch(address: str, raw: Path, **changes: Any) -> tuple[pa.Table, dict[str, Any]]:
    one = dataset(address, **changes)
    synapses, told = read_workbook(one.workbooks[0], one, raw)
    return synapses, told.to_pylist()[0]


def not_fetched(address: str, raw: Path) -> str:
    """The sentence with which the address is refused; nothing is left behind."""
    before = sorted(raw.rglob("*.*"))
    with pytest.raises(SynapseAssetsError) as error:
        fetch(address, raw)
    assert sorted(raw.rglob("*.*")) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_address_is_fetched_again_when_it_has_changed(server: Server, tmp_path: Path) -> None:
    raw = tmp_path / "data" / "raw"
    for _ in range(2):
        synapses, told = fetch(f"{server.url}/lab/table 1.xlsx", raw)
        assert synapses.to_pylist() == expected(rows())
        assert (told["origin"], told["file"]) == (f"{server.url}/lab/table 1.xlsx", "table 1.xlsx")
        assert (told["bytes"], told["sha256"]) == (len(server.body), hashlib.sha256(server.body).hexdigest())
        (copy,) = (raw / "book1").iterdir()
        assert copy.read_bytes() == server.body
    assert server.asked == 1
    server.body = excel(tmp_path / "served.xlsx", rows(KEYS[:2])).read_bytes()
    server.says = {"ETag": '"2"'}
    assert fetch(f"{server.url}/lab/table 1.xlsx", raw)[0].num_rows == 2
    (copy,) = (raw / "book1").iterdir()
    assert copy.read_bytes() == server.body
    assert server.asked == 2


def test_what_a_query_or_password_says_is_not_told(server: Server, tmp_path: Path) -> None:
    _, told = fetch(f"{server.url}/table.xlsx?token=s3cret#s3cret", tmp_path / "raw")
    assert told["origin"] == f"{server.url}/table.xlsx?..."
    server.status = 403
    assert "s3cret" not in not_fetched(f"{server.url}/table.xlsx?token=s3cret", tmp_path / "raw")
    for address in (f"http://me:s3cret@127.0.0.1:{server.server_address[1]}/a.xlsx", "https://s3cret@example.org"):
        message = not_fetched(address, tmp_path / "raw")
        assert "is given with a user or password" in message
        assert "s3cret" not in message


def test_the_kind_of_file_is_the_addresss_or_the_servers(server: Server, tmp_path: Path) -> None:
    raw = tmp_path / "raw"

    def copy() -> str:
        (file,) = (raw / "book1").iterdir()
        return file.name.partition("-")[2]

    assert fetch(f"{server.url}/download/3", raw)[1]["file"] == "3"
    assert copy() == "table.xlsx"
    server.says = {"Location": f"{server.url}/other.xlsx"}
    fetch(f"{server.url}/moved", raw)
    assert copy() == "other.xlsx"
    server.body = csv(tmp_path / "b.csv", cells(rows()), ";", comma=True).read_bytes()
    assert fetch(f"{server.url}/table.csv", raw)[0].to_pylist() == expected(rows())
    server.says = {"Content-Disposition": 'attachment; filename="../../evil.csv"'}
    fetch(f"{server.url}/download/3", raw)
    assert copy() == "evil.csv"
    server.says = {"ETag": "3"}
    assert "one ends in .xlsx, .xlsm, .csv" in not_fetched(f"{server.url}/download/3", raw)


def test_a_failure_is_told_with_address_and_reason(server: Server, tmp_path: Path) -> None:
    address = f"{server.url}/table.xlsx"
    server.status = 404
    message = not_fetched(address, tmp_path)
    assert f"{address} cannot be fetched: the server answers 404 Not Found. Check the address" in message
    for nowhere in (
        "http://127.0.0.1:9/table.xlsx",
        "http://127.0.0.1:port/table.xlsx",
        "http://[/table.xlsx",
        "http://",
    ):
        assert f"{nowhere} cannot be fetched: " in not_fetched(nowhere, tmp_path)


def test_a_page_for_signing_in_is_no_workbook_and_replaces_none(server: Server, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    fetch(f"{server.url}/table.xlsx", raw)
    server.body = b"<!doctype html><html>Sign in</html>"
    assert "is a web page" in not_fetched(f"{server.url}/table.xlsx", raw)
    assert "is a web page" in not_fetched(f"{server.url}/download/3", raw)


def test_half_a_file_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.length = len(server.body) + 1000
    message = not_fetched(f"{server.url}/table.xlsx", tmp_path)
    assert f"the connection ended after {len(server.body):,} of {server.length:,} bytes" in message


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_file_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    monkeypatch.setattr(listing, "LARGEST_WORKBOOK", len(server.body) - 1)
    server.chunked = chunked
    assert "too large to be fetched" in not_fetched(f"{server.url}/table.xlsx", tmp_path)
    monkeypatch.setattr(listing, "LARGEST_WORKBOOK", len(server.body))
    assert fetch(f"{server.url}/table.xlsx", tmp_path)[0].num_rows == 4


def test_a_server_that_does_not_answer_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "ASKING_TIMEOUT_S", 0.2)
    server.wait = threading.Event()
    assert "timed out" in not_fetched(f"{server.url}/table.xlsx", tmp_path)


def test_an_address_in_any_case_of_letters_is_one(server: Server, tmp_path: Path) -> None:
    book = Workbook(name="book", path=server.url.replace("http", "HTTP") + "/TABLE.XLSX")
    assert read_workbook(book, dataset(book.path), tmp_path)[1].column("file").to_pylist() == ["TABLE.XLSX"]
