"""Bad tables: each is one clear error that says what is wrong, where, and how to fix it."""

import gzip
import json
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from synapse_assets.datasets import Columns
from synapse_assets.errors import BadInput
from synapse_assets.sources import RegionNames, read_source
from synapse_assets_tests.sources.tables import (
    BIG_ID,
    KINDS,
    ROWS,
    VOLUME,
    column,
    read,
    shipped,
    source,
    synful,
    write,
    write_sqlite,
)

HEADER = "id,x,y,z,body,roi,nt\n"


def written(folder: Path, content: str | bytes, name: str = "points.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# The file itself -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-LFS pointer")],
)
def test_a_file_without_data_says_so(tmp_path: Path, suffix: str, content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(source(written(tmp_path, content, f"points{suffix}")))


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (HEADER, "points.csv", "has a header but no rows"),
        ("[]", "points.json", "holds an empty list"),
        ("\n\n", "points.csv", "has no column"),
        (
            json.dumps({"1": {"x": 1}}),
            "points.json",
            r"is a JSON object where a list of objects is wanted.*synister_v3",
        ),
        ("nothing", "points.json", "is no JSON where a list of objects is wanted"),
        ("[1, 2]", "points.json", "row 1: 1 is no object"),
        ('[{"id": 1, "x": 1, "y": 1, "z"', "points.json", "points.json cannot be read"),
        ("id,x,y,z", "points.xlsx", r"ends in one of \.csv"),
        ("id,x,y,z", "points.feather.gz", r"ends in one of \.csv"),
        (HEADER.encode("utf-16"), "points.csv", "UTF-16 text: save it as UTF-8"),
        (HEADER.encode() + b"1,2,3,4,5,\xe9\xe9,gaba\n", "points.csv", "UTF8"),
        (HEADER + "1,2,3,4,5,EB,gaba\n1,2,3,4\n", "points.csv", "Expected 7 columns, got 4"),
        ("not a parquet file", "points.parquet", "points.parquet cannot be read"),
        ("not a feather file", "points.feather", "points.feather cannot be read"),
        ("this is no database " * 100, "points.db", "It is no SQLite file"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path: Path, content: str | bytes, name: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as error:
        read(source(written(tmp_path, content, name)))
    assert name in str(error.value)


@pytest.mark.parametrize("suffix", [".csv.gz", ".parquet", ".feather", ".db"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    count = 30_000
    rows = pa.table({"id": range(count), "x": range(count), "y": range(count), "z": range(count)})
    path = write(tmp_path, suffix, rows)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadInput, match=rf"points{re.escape(suffix)} (cannot be read|is broken)"):
        read(source(path, columns=Columns(synapse_id="id")))


def test_a_gz_that_a_browser_has_unpacked_is_read(tmp_path: Path) -> None:
    packed = write(tmp_path, ".csv.gz", pa.table(ROWS))
    wanted = read(source(packed))
    packed.write_bytes(gzip.decompress(packed.read_bytes()))
    assert read(source(packed)).equals(wanted)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.csv"):
        read(source(tmp_path / "nowhere.csv"))


# Headers -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", KINDS)
def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path, suffix: str) -> None:
    table = pa.table(ROWS).rename_columns(["id", "pre_x", "y", "z", "body", "roi", "nt"])
    with pytest.raises(BadInput, match=r"no column 'x' \(for x\); its columns are .*pre_x") as error:
        read(source(write(tmp_path, suffix, table)))
    assert f"points{suffix}" in str(error.value)


@pytest.mark.parametrize("conditions", [{"minimum": {"cleft": 1}}, {"only": {"cleft": ["a"]}}])
def test_a_condition_on_a_missing_column_is_named(tmp_path: Path, conditions: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"no column 'cleft' \(for (minimum|only) cleft\)"):
        read(source(write(tmp_path, ".csv", pa.table(ROWS)), **conditions))


def test_crlf_byte_order_mark_and_quotes_change_nothing(tmp_path: Path) -> None:
    plain = written(tmp_path, HEADER + f"1,10,20,3,{BIG_ID},EB,gaba\n2,11,21,4,,FB,dopamine\n")
    wanted = read(source(plain))
    quoted = '"id","x","y","z","body","roi","nt"\r\n'
    quoted += f'"1","10","20","3","{BIG_ID}","EB","gaba"\r\n"2",11,21,4,,"FB","dopamine"\r\n'
    assert read(source(written(tmp_path, b"\xef\xbb\xbf" + quoted.encode()))).equals(wanted)


def test_quoted_fields_may_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + '1,10,20,3,5,"a, b\nc","ga""ba"\n2,10,20,3,5,EB,gaba\n')
    table = read(source(path, columns=Columns(synapse_id="id", object_id="roi")))
    assert column(table, "object_id") == ["a, b\nc", "EB"]


def test_line_ends_inside_quotes_end_no_block_of_reading(tmp_path: Path) -> None:
    count = 60_000
    note = "one line\nanother\nand a third, all of one field\n" * 2
    path = written(tmp_path, "id,x,y,z,note\n" + "".join(f'{row},1,2,3,"{note}"\n' for row in range(count)))
    table = read(source(path, columns=Columns(synapse_id="id", object_id="note")))
    assert column(table, "synapse_id") == [str(row) for row in range(count)]
    assert set(column(table, "object_id")) == {note}


def test_other_delimiters_are_seen(tmp_path: Path) -> None:
    rows = HEADER + "1,10,20,3,5,EB,gaba\n"
    wanted = read(source(written(tmp_path, rows)))
    for delimiter in "\t;":
        assert read(source(written(tmp_path, rows.replace(",", delimiter)))).equals(wanted)


def test_a_file_without_header_says_how_to_give_one(tmp_path: Path) -> None:
    path = written(tmp_path, "1,10,20,3,5,EB,gaba\n2,11,21,4,6,EB,gaba\n")
    with pytest.raises(BadInput, match=r"The first line looks like data: name the columns in order, header: \["):
        read(source(path))
    table = read(source(path, header=["id", "x", "y", "z", "body", "roi", "nt"]))
    assert column(table, "synapse_id") == ["1", "2"]


def test_a_header_of_another_length_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "1,10,20,3,5,EB,gaba\n")
    with pytest.raises(BadInput, match=r"header names 4 columns, but the first row has 7: 1, 10, 20"):
        read(source(path, header=["id", "x", "y", "z"]))


def test_a_header_is_for_text_files_only(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="header is for CSV and TSV files"):
        read(source(write(tmp_path, ".parquet", pa.table(ROWS)), header=["id"]))


def test_a_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "id,x,x,y,z\n1,2,3,4,5\n")
    with pytest.raises(BadInput, match=r"columns \['x'\] more than once"):
        read(source(path, columns=Columns(synapse_id="id")))


# Values --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", KINDS)
def test_an_empty_coordinate_is_named_by_row_and_id(tmp_path: Path, suffix: str) -> None:
    table = pa.table(ROWS).set_column(2, "y", pa.array([200.0, None, 202.0]))
    with pytest.raises(BadInput, match=r"row 2: y is no number \(synapse 12\)"):
        read(source(write(tmp_path, suffix, table)))


def test_nan_is_no_coordinate(tmp_path: Path) -> None:
    table = pa.table(ROWS).set_column(2, "y", pa.array([200.0, float("nan"), 202.0]))
    with pytest.raises(BadInput, match=r"row 2: y is no number \(synapse 12\)"):
        read(source(write(tmp_path, ".parquet", table)))


@pytest.mark.parametrize(
    ("suffix", "wrong"),
    [*((suffix, "body") for suffix in KINDS), (".csv", "x"), (".csv", "cleft"), (".json", "section")],
)
def test_a_wrong_kind_of_value_is_named_by_row_and_column(tmp_path: Path, suffix: str, wrong: str) -> None:
    # More rows than one batch has, in every kind of file.
    good = pa.array(range(1, 80_001)).cast(pa.string())
    bad = pa.concat_arrays([good.slice(0, 77_776), pa.array(["oops"]), good.slice(77_777)])
    names = ("id", "x", "y", "z", "body", "section", "cleft")
    columns = Columns(synapse_id="id", neuron_id="body", section="section", score="cleft")
    path = write(tmp_path, suffix, pa.table({name: bad if name == wrong else good for name in names}))
    with pytest.raises(BadInput, match=rf"points{re.escape(suffix)}, row 77777, column '{wrong}': 'oops' is "):
        read(source(path, columns=columns))


@pytest.mark.parametrize(
    "values",
    [["[1 2 3]", "[4 5]"], ["[1 2 3]", "[4 5 6 7]"], ["[1 2 3]", None], ["[1 2 3]", "[4 5 six]"], ["1,2,3", "4"]],
)
def test_a_position_that_has_not_three_numbers_is_named(tmp_path: Path, values: list[str | None]) -> None:
    path = write(tmp_path, ".parquet", pa.table({"id": [1, 2], "at": pa.array(values, pa.string())}))
    with pytest.raises(BadInput, match=r"row 2, column 'at': .* is no (position of three numbers|number)"):
        read(source(path, columns=Columns(synapse_id="id", position="at")))


def test_a_position_of_another_type_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ".parquet", pa.table({"id": [1, 2], "at": [1.5, 2.5]}))
    with pytest.raises(BadInput, match=r"column 'at' holds double, not positions of three numbers"):
        read(source(path, columns=Columns(synapse_id="id", position="at")))


# Identifiers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["body", "id"])
def test_rounded_ids_are_refused(tmp_path: Path, name: str) -> None:
    index = pa.table(ROWS).column_names.index(name)
    for values in ([3.0, None, float(BIG_ID)], [3.0, None, 1.5]):
        rounded = pa.table(ROWS).set_column(index, name, pa.array(values))
        with pytest.raises(BadInput, match=rf"row 3, column '{name}' holds identifiers as floating-point numbers"):
            read(source(write(tmp_path, ".parquet", rounded)))


def test_ids_in_scientific_notation_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "1,10,20,3,7.205759406e+17,EB,gaba\n")
    with pytest.raises(BadInput, match=r"row 1, column 'body': '7.205759406e\+17' is not a whole number"):
        read(source(path))


def test_ids_beyond_64_bits_are_refused(tmp_path: Path) -> None:
    rows = [{"id": 1, "x": 1, "y": 1, "z": 1, "body": 5}, {"id": 2, "x": 1, "y": 1, "z": 1, "body": 2**63}]
    path = written(tmp_path, json.dumps(rows), "points.json")
    with pytest.raises(BadInput, match=r"points\.json cannot be read: .*integer overflow"):
        read(source(path, columns=Columns(synapse_id="id", neuron_id="body")))


@pytest.mark.parametrize("suffix", [".json", ".db"])
def test_ids_of_several_kinds_in_one_column(tmp_path: Path, suffix: str) -> None:
    rows = [{"id": id_, "x": 1, "y": 2, "z": 3, "body": body} for id_, body in ((1, BIG_ID), ("a", "7"), (3, 4.0))]
    path = tmp_path / f"points{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE synapses (id, x, y, z, body)")
            connection.executemany("INSERT INTO synapses VALUES (:id, :x, :y, :z, :body)", rows)
        connection.close()
    table = read(source(path, columns=Columns(synapse_id="id", neuron_id="body")))
    assert column(table, "synapse_id") == ["1", "a", "3"]
    assert column(table, "neuron_id") == [BIG_ID, 7, 4]
    with pytest.raises(BadInput, match=r"row 2, column 'id': 'a' is not a whole number"):
        read(source(path, columns=Columns(synapse_id="body", neuron_id="id")))


@pytest.mark.parametrize("suffix", KINDS)
def test_an_empty_synapse_id_is_named_with_the_way_out(tmp_path: Path, suffix: str) -> None:
    rows = pa.table(ROWS).set_column(0, "id", pa.array([11, None, 13]))
    with pytest.raises(BadInput, match=r"row 2: the synapse id is empty; .* leave synapse_id out of 'columns'"):
        read(source(write(tmp_path, suffix, rows)))


def test_an_offset_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv", pa.table(ROWS))
    for offset in (2**63 - 10, 2**64):
        with pytest.raises(
            BadInput, match=rf"column 'body': neuron_id_offset {offset} makes ids that do not fit 64 bits"
        ):
            read(source(path, neuron_id_offset=offset))


def test_real_ids_repeat_between_files_and_a_prefix_tells_them_apart() -> None:
    ids = {}
    for name in ("eb", "pb", "lh_done"):
        for prefix in ("", f"{name}_"):
            table = read(shipped("synful_csv", synful(f"{name}_gt.csv"), id_prefix=prefix))
            ids[name, bool(prefix)] = set(column(table, "synapse_id"))
    assert ids["eb", False] & ids["lh_done", False]
    assert not ids["eb", True] & ids["lh_done", True]


# SQLite --------------------------------------------------------------------------------------------------------------------


def test_a_locked_database_says_so_soon(tmp_path: Path) -> None:
    path = write(tmp_path, ".db", pa.table(ROWS))
    holder = sqlite3.connect(path)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        began = time.perf_counter()
        with pytest.raises(
            BadInput, match=r"points\.db cannot be read: database is locked\. Another program is writing"
        ):
            read(source(path))
        assert time.perf_counter() - began < 10
    finally:
        holder.close()


def test_another_thread_may_read_on_in_a_database(tmp_path: Path) -> None:
    path = write(tmp_path, ".db", pa.table(ROWS))
    batches = read_source(source(path), VOLUME, RegionNames("UNASSIGNED"))
    assert column(next(batches), "synapse_id") == ["11", "12", "13"]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(list, batches).result() == []


def test_a_database_of_several_tables_wants_a_name(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "points.db", {"synapses": pa.table(ROWS), "other": pa.table({"a": [1]})})
    with pytest.raises(BadInput, match=r"has the tables \['other', 'synapses'\]: name one, table: <name>"):
        read(source(path))
    with pytest.raises(BadInput, match=r"has no table 'synlinks'; its tables are \['other', 'synapses'\]"):
        read(source(path, table="synlinks"))
    with pytest.raises(BadInput, match=r"has no column 'x' .*'id' \(for synapse_id\).*its columns are \['a'\]"):
        read(source(path, table="other"))
    assert read(source(path, table="synapses")).num_rows == 3


def test_reading_a_database_leaves_it_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, ".db", pa.table(ROWS))
    before = path.read_bytes()
    path.chmod(0o444)
    read(source(path))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["points.db"]


def test_every_row_left_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"every one of 3 rows was left out: \{'z below 100': 3\}"):
        read(source(write(tmp_path, ".csv", pa.table(ROWS)), minimum={"z": 100}))
