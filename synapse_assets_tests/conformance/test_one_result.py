"""One table in every kind of file that can be read gives one result: synapses, neurons, what is left out, what inspect says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import Columns, NeuronTable
from synapse_assets.errors import BadInput
from synapse_assets.sources import RegionNames, Tally, read_neurons, read_source
from synapse_assets.sources.files import KINDS
from synapse_assets.sources.inspect import inspect_file
from synapse_assets_tests.conformance.formats import WRITERS, write
from synapse_assets_tests.sources import test_workbooks as books
from synapse_assets_tests.sources.tables import BIG_ID, VOLUME, column, source

NAN = float("nan")
# Whole numbers beside empty cells become floats in pandas; blanks and other ways to write nothing are a lab's everyday.
TABLE = pd.DataFrame(
    {
        "id": [11.0, 12.0, 13.0, 14.0, 15.0],
        "label": ["s0 ", " s1", "s2", "\ts3", "s 4"],
        "x": [100, 101, 102, 103, 104],
        "y": [200.5, 201.0, 202.0, 203.0, 204.25],
        "z": [5, 6, 7, 8, 9],
        "body": pd.array([BIG_ID, None, 3, BIG_ID + 2, 5], dtype="Int64"),
        "partner": [1.0, 2.0, NAN, 4.0, 5.0],
        "layer": [1.0, 2.0, NAN, 2.0, 10.0],
        "kind": [1.0, 2.0, NAN, 1.0, 2.0],
        "roi": ["ME(R)", None, " LH_L ", "EB", "1.0"],
        "nt": ["GABA", "ach", None, "unknown", "dopamine "],
        "lineage": ["ALad1", None, "NA", " ALad1 ", "unknown2"],
        "object": ["o1", "o1 ", None, "2.0", "007"],
        "score": [0.5, NAN, 0.25, 1.0, 1e-7],
        "cleft": [60, 60, 40, 70, 80],
        "sure": [True, False, True, True, True],
        "code": ["010", "1e3", "NO", "1:20", "x"],
    }
)
MAPPED = {
    "synapse_id": "id",
    "neuron_id": "body",
    "partner_id": "partner",
    "brain_region": "roi",
    "target": "nt",
    "hemilineage": "lineage",
    "section": "layer",
    "object_id": "object",
    "score": "score",
}


def read(
    path: Path, columns: dict[str, str | None] | None = None, **changes: Any
) -> tuple[list[dict[str, Any]], Tally]:
    tally = Tally()
    one = source(path, columns=Columns(**(MAPPED if columns is None else columns)), **changes)
    table = pa.concat_tables(read_source(one, VOLUME, RegionNames("U"), tally))
    return table.drop_columns(["source_file"]).to_pylist(), tally


def test_every_kind_of_file_that_is_claimed_is_here() -> None:
    written = {"." + name.split(".", 1)[1].removesuffix(".gz") for name in WRITERS}
    assert written == set(KINDS)


@pytest.mark.parametrize("name", WRITERS)
def test_every_column_is_the_same(tmp_path: Path, name: str) -> None:
    rows, _ = read(write(tmp_path, name, TABLE))

    def told(field: str) -> list[Any]:
        return [row[field] for row in rows]

    assert told("synapse_id") == ["11", "12", "13", "14", "15"]
    assert told("neuron_id") == [BIG_ID, None, 3, BIG_ID + 2, 5]
    assert told("brain_region") == ["ME_R", "U", "LH_L", "EB", "1"]
    assert told("target") == ["gaba", "acetylcholine", None, None, "dopamine"]
    assert told("known_classes") == [["gaba"], ["acetylcholine"], [], [], ["dopamine"]]
    assert told("hemilineage") == ["ALad1", None, None, "ALad1", None]
    assert told("section") == [1, 2, None, 2, 10]
    assert told("object_id") == ["o1", "o1", None, "2", "007"]
    assert told("score") == [0.5, None, 0.25, 1.0, 1e-7]
    assert told("x_nm") == [402.0, 406.0, 410.0, 414.0, 418.0]
    assert told("y_nm") == [802.0, 806.0, 810.0, 814.0, 817.0]


@pytest.mark.parametrize("name", WRITERS)
def test_numbers_as_classes_have_one_name(tmp_path: Path, name: str) -> None:
    columns = {"synapse_id": "id", "target": "kind"}
    path = write(tmp_path, name, TABLE)
    for one, two in (("1", "2"), ("1.0", "2.0"), ("1", "2.0")):
        rows, _ = read(path, columns, class_names={one: "asymmetric", two: "symmetric"})
        assert [row["target"] for row in rows] == ["asymmetric", "symmetric", None, "asymmetric", "symmetric"]
    rows, _ = read(path, columns)
    assert [row["target"] for row in rows] == ["1", "2", None, "1", "2"]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({"only": {"kind": ["1"]}}, ["11", "14"]),
        ({"only": {"kind": ["1.0"]}}, ["11", "14"]),
        ({"only": {"kind": ["1", "2"]}}, ["11", "12", "14", "15"]),
        ({"only": {"layer": ["10"]}}, ["15"]),
        ({"only": {"label": ["s0", "s1 "]}}, ["11", "12"]),
        ({"only": {"code": ["NO", "010"]}}, ["11", "13"]),
        ({"only": {"code": ["1e3", "1:20"]}}, ["12", "14"]),
        ({"only": {"lineage": ["NA"]}}, ["13"]),
        ({"minimum": {"score": 0.3}}, ["11", "14"]),
        ({"minimum": {"layer": 2}}, ["12", "14", "15"]),
        ({"minimum": {"cleft": 60}}, ["11", "12", "14", "15"]),
    ],
    ids=str,
)
def test_conditions_leave_the_same_rows(tmp_path: Path, name: str, conditions: dict[str, Any], left: list[str]) -> None:
    table = TABLE
    if "NA" in str(conditions) and "nothing_is" in name:
        pytest.skip("there NA cannot be told from an empty cell")
    rows, tally = read(write(tmp_path, name, table), {"synapse_id": "id"}, **conditions)
    assert [row["synapse_id"] for row in rows] == left
    assert sum(tally.left_out.values()) == 5 - len(left)
    if "layer" in conditions.get("minimum", {}):
        assert tally.left_out == {"layer empty": 1, "layer below 2": 1}


@pytest.mark.parametrize("name", [name for name in WRITERS if not name.endswith((".db", ".sqlite", ".sqlite3"))])
@pytest.mark.parametrize("written", ["true", "True", "TRUE"])
def test_truth_has_one_name_in_conditions(tmp_path: Path, name: str, written: str) -> None:
    path = write(tmp_path, name, TABLE)
    rows, _ = read(path, {"synapse_id": "id"}, only={"sure": [written]})
    assert [row["synapse_id"] for row in rows] == ["11", "13", "14", "15"]
    rows, _ = read(path, {"synapse_id": "id", "target": "sure"}, class_names={written: "sure"})
    assert [row["target"] for row in rows] == ["sure", "false", "sure", "sure", "sure"]


@pytest.mark.parametrize("name", WRITERS)
def test_blanks_around_an_id_are_none_of_it(tmp_path: Path, name: str) -> None:
    rows, _ = read(write(tmp_path, name, TABLE), {"synapse_id": "label"}, id_prefix="a_")
    assert [row["synapse_id"] for row in rows] == ["a_s0", "a_s1", "a_s2", "a_s3", "a_s 4"]


BLANKS = ["s0 ", " s0", "  s0  ", "\ts0", "s0\u00a0", "s0\u3000", "\ufeffs0", "s0\u200b", "s0\n", "\ns0 "]


@pytest.mark.parametrize("name", ["points.csv", "points.parquet", "points.json", "points.db", "points.feather"])
@pytest.mark.parametrize("written", BLANKS, ids=repr)
def test_every_blank_around_an_id_is_none_of_it(tmp_path: Path, name: str, written: str) -> None:
    table = pd.DataFrame({"id": ["a", written], "x": [1, 2], "y": [1, 2], "z": [1, 2]})
    rows, _ = read(write(tmp_path, name, table), {"synapse_id": "id"})
    assert [row["synapse_id"] for row in rows] == ["a", "s0"]


@pytest.mark.parametrize("name", WRITERS)
def test_an_id_of_blanks_only_is_empty(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"id": ["a", "  "], "x": [1, 2], "y": [1, 2], "z": [1, 2]})
    with pytest.raises(BadInput, match="row 2: the synapse id is empty"):
        read(write(tmp_path, name, table), {"synapse_id": "id"})


@pytest.mark.parametrize("name", WRITERS)
def test_made_ids_are_the_same(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, TABLE)
    rows, _ = read(path, {"neuron_id": "body", "partner_id": "partner"})
    assert [row["synapse_id"] for row in rows] == [
        f"100_200.5_5_{BIG_ID}_1",
        "101_201_6__2",
        "102_202_7_3_",
        f"103_203_8_{BIG_ID + 2}_4",
        "104_204.25_9_5_5",
    ]
    rows, _ = read(path, {}, id_from=["kind", "label", "object", "y", "layer"])
    assert [row["synapse_id"] for row in rows] == [
        *("1_s0_o1_200.5_1", "2_s1_o1_201_2", "_s2__202_", "1_s3_2_203_2", "2_s 4_007_204.25_10"),
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_neurons_are_the_same(tmp_path: Path, name: str) -> None:
    neurons = TABLE.assign(
        body=[BIG_ID, 2, 3, BIG_ID + 2, 5], side=["L", "right", None, " rhs", "unknown"], type=[1.0, NAN, 2.0, 3.0, 2.5]
    )
    columns = {
        "neuron_id": "body",
        "known_classes": "nt",
        "hemilineage": "lineage",
        "cell_type": "type",
        "side": "side",
    }
    values = {"name": "n", "format": "neurons", "path": str(write(tmp_path, name, neurons)), "columns": columns}
    found = read_neurons(NeuronTable.model_validate(values))
    assert column(found, "neuron_id") == [BIG_ID, 2, 3, BIG_ID + 2, 5]
    assert column(found, "target") == ["gaba", "acetylcholine", None, None, "dopamine"]
    assert column(found, "hemilineage") == ["ALad1", None, None, "ALad1", None]
    assert column(found, "cell_type") == ["1", None, "2", "3", "2.5"]
    assert column(found, "side") == ["left", "right", None, "right", None]
    sure = {**values, "columns": {**columns, "known_classes": "kind"}, "class_names": {"1": "asymmetric"}}
    sure["known_class_from"] = {"layer": ["1.0", "10"]}
    assert column(read_neurons(NeuronTable.model_validate(sure)), "target") == ["asymmetric", None, None, None, "2"]


@pytest.mark.parametrize("name", WRITERS)
def test_inspect_says_the_same(tmp_path: Path, name: str) -> None:
    table = TABLE.rename(columns={"roi": "neuropil", "nt": "known_nt", "body": "neuron_id"})
    found = inspect_file(str(write(tmp_path, name, table)))
    assert found.rows == 5
    assert {one.name: one.empty for one in found.columns if one.name != "part"} == {
        **dict.fromkeys(table.columns, 0),
        **dict.fromkeys(("neuron_id", "partner", "layer", "kind", "neuropil", "known_nt", "object", "score"), 1),
        "lineage": 2,
    }
    assert found.counts["neurons"].startswith("4 in neuron_id")
    assert found.counts["regions"].startswith("4 in neuropil (3 known neuropils): 1 1, EB 1, LH_L 1, ME(R) 1")
    assert found.counts["classes"] == "4 in known_nt: GABA 1, ach 1, dopamine 1, unknown 1"


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_dataset_names_is_no_empty_cell(tmp_path: Path, name: str) -> None:
    if "nothing_is" in name:
        pytest.skip("there NA cannot be told from an empty cell")
    table = pd.DataFrame({"id": [1, 2, 3], "roi": ["NA", "null", "EB"], "nt": ["NA", "n/a", "null"]})
    path = write(tmp_path, name, table.assign(x=1, y=2, z=[1, 2, 3]))
    one = source(
        path,
        columns=Columns(synapse_id="id", brain_region="roi", target="nt"),
        class_names={"NA": "noradrenaline", "null": "nothing"},
    )
    found = pa.concat_tables(read_source(one, VOLUME, RegionNames("U", {"NA": "NAcc"})))
    assert column(found, "brain_region") == ["NAcc", "U", "EB"]
    assert column(found, "target") == ["noradrenaline", None, "nothing"]


def test_two_names_for_one_value_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "points.csv", TABLE)
    with pytest.raises(BadInput, match="class_names gives 1 two names, 'a' and 'b'"):
        read(path, {"synapse_id": "id", "target": "kind"}, class_names={"1": "a", "1.0": "b"})
    with pytest.raises(BadInput, match="region_names gives the region '1' two keys, A and B"):
        RegionNames("U", {"1": "A", "1.0": "B"})


@pytest.mark.parametrize(
    "number", [np.int8, np.int32, np.uint64, np.float16, np.float32, np.float64, pa.decimal128(30, 2)]
)
def test_every_type_of_number_gives_the_same_text(tmp_path: Path, number: Any) -> None:
    values = pa.array([1, 2, 100]).cast(number if isinstance(number, pa.DataType) else pa.from_numpy_dtype(number))
    table = pa.table({"id": values, "x": [1, 2, 3], "y": [1, 2, 3], "z": [1, 2, 3], "kind": values})
    path = tmp_path / "points.parquet"
    pq.write_table(table, path)
    rows, _ = read(path, {"synapse_id": "id", "target": "kind", "neuron_id": "id"}, only={"kind": ["1", "100.0"]})
    assert [(row["synapse_id"], row["target"], row["neuron_id"]) for row in rows] == [
        ("1", "1", 1),
        ("100", "100", 100),
    ]


@pytest.mark.parametrize(
    "write_book", [books.excel, lambda path, rows: books.csv(path.with_suffix(".csv"), books.cells(rows))]
)
def test_a_workbook_is_the_same_in_excel_and_csv(tmp_path: Path, write_book: Callable[..., Path]) -> None:
    rows = books.rows()
    for index, row in enumerate(rows):
        row |= {"region": (1.0, " V1 ", None, "2.0")[index], "SynId": float(row["SynId"])}
    names = (*books.COLUMNS, "region")
    path = tmp_path / "book.xlsx"
    path = (
        books.excel(path, {"a": books.cells(rows, names)})
        if write_book is books.excel
        else books.csv(path.with_suffix(".csv"), books.cells(rows, names))
    )
    dataset = books.dataset(path, columns={"brain_region": "region"})
    found = books.read_workbook(dataset.workbooks[0], dataset, tmp_path)[0]
    assert column(found, "brain_region") == ["1", "V1", dataset.brain_region, "2"]
    assert column(found, "number") == [1, 2, 1, 1]
