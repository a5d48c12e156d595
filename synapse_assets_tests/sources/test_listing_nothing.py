"""A source in which nothing would be read: its files are found where there is one meaning, else it says what lies there."""

import gzip
import os
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import Columns, NeuronTable, Workbook
from synapse_assets.errors import BadInput
from synapse_assets.sources import RegionNames, Tally, provenance, read_neurons, read_source
from synapse_assets.sources.inspect import inspect_file
from synapse_assets.sources.listing import listed, signatures
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.defs.test_alignment_and_plan import check_of
from synapse_assets_tests.sources.tables import VOLUME, column, source

ROWS = pa.table({"id": [1, 2, 3], "x": [1, 2, 3], "y": [1, 2, 3], "z": [1, 2, 3], "body": [7, 8, 9]})
TEXT = "id,x,y,z,body\n1,1,2,3,5\n"


def read(path: Path | str, **columns: str) -> pa.Table:
    one = source(Path("unused"), columns=Columns(**{"synapse_id": "id", **columns})).model_copy(
        update={"path": str(path)}
    )
    tally = Tally()
    batches = list(read_source(one, VOLUME, RegionNames("U"), tally))
    assert column(provenance(one, tally), "rows") == [file.rows for file in tally.files]
    return pa.concat_tables(batches)


def put(path: Path, content: str | bytes = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Partitioned tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv"])
def test_a_partitioned_table_gives_the_column_of_its_folders(tmp_path: Path, suffix: str) -> None:
    table = ROWS.append_column("neuropil", pa.array(["EB", "FB", None]))
    folder = tmp_path / "synapses"
    pyarrow.dataset.write_dataset(
        table,
        folder,
        format=suffix,
        partitioning=pyarrow.dataset.partitioning(pa.schema([("neuropil", pa.string())]), flavor="hive"),
    )
    found = read(folder, brain_region="neuropil", neuron_id="body").sort_by("synapse_id")
    assert column(found, "synapse_id") == ["1", "2", "3"]
    assert column(found, "brain_region") == ["EB", "FB", "U"]
    assert column(found, "neuron_id") == [7, 8, 9]
    assert sorted(set(column(found, "source_file"))) == [
        f"neuropil=EB/part-0.{suffix}",
        f"neuropil=FB/part-0.{suffix}",
        f"neuropil=__HIVE_DEFAULT_PARTITION__/part-0.{suffix}",
    ]
    again = read(folder / "*" / f"*.{suffix}", brain_region="neuropil")
    assert sorted(column(again, "brain_region")) == ["EB", "FB", "U"]
    one = read(folder / "neuropil=FB" / f"part-0.{suffix}", brain_region="neuropil")
    assert column(one, "brain_region") == ["FB"]


def test_partitions_within_partitions_and_odd_values(tmp_path: Path) -> None:
    for index, (side, region) in enumerate([("left", "ME%20of%20mine"), ("right", "a=b"), ("right", "ME(R)")]):
        pq.write_table(ROWS.slice(index, 1), put(tmp_path / "t" / f"side={side}" / f"roi={region}" / "p.parquet"))
    put(tmp_path / "t" / "_SUCCESS", "")
    put(tmp_path / "t" / "side=left" / "notes.md")
    (tmp_path / "t" / "side=empty").mkdir()
    found = read(tmp_path / "t", brain_region="roi", object_id="side").sort_by("synapse_id")
    assert column(found, "brain_region") == ["ME_of_mine", "a_b", "ME_R"]
    assert column(found, "object_id") == ["left", "right", "right"]


def test_a_column_of_the_file_itself_counts_before_that_of_its_folder(tmp_path: Path) -> None:
    pq.write_table(ROWS.append_column("roi", pa.array(["A", "B", "C"])), put(tmp_path / "t" / "roi=X" / "p.parquet"))
    assert column(read(tmp_path / "t", brain_region="roi"), "brain_region") == ["A", "B", "C"]


def test_columns_of_folders_serve_for_every_use(tmp_path: Path) -> None:
    for section, rows in ((12, ROWS.slice(0, 2)), (40, ROWS.slice(2))):
        pq.write_table(rows.drop(["z"]), put(tmp_path / "t" / f"z={section}" / "p.parquet"))
    found = read(tmp_path / "t", section="z")
    assert (column(found, "section"), column(found, "z_nm")) == ([12, 12, 40], [500.0, 500.0, 1620.0])
    one = source(tmp_path / "t", columns=Columns(synapse_id="id"), only={"z": ["40"]}, minimum={"z": 13})
    assert column(pa.concat_tables(read_source(one, VOLUME, RegionNames("U"))), "synapse_id") == ["3"]
    wrong = source(tmp_path / "t", columns=Columns(synapse_id="id", brain_region="zone"))
    with pytest.raises(BadInput, match=r"no column 'zone' .*'body', 'z'\]"):
        list(read_source(wrong, VOLUME, RegionNames("U")))


def test_neurons_of_a_partitioned_table(tmp_path: Path) -> None:
    put(tmp_path / "n" / "nt=gaba" / "a.csv", "id\n1\n2\n")
    put(tmp_path / "n" / "nt=ach" / "a.csv", "id\n3\n")
    values = {"name": "n", "format": "neurons", "path": str(tmp_path / "n")}
    table = NeuronTable.model_validate({**values, "columns": {"neuron_id": "id", "known_classes": "nt"}})
    found = read_neurons(table).sort_by("neuron_id")
    assert column(found, "target") == ["gaba", "gaba", "acetylcholine"]


def test_inspect_shows_the_column_of_the_folder(tmp_path: Path) -> None:
    path = put(tmp_path / "t" / "neuropil=EB" / "p.parquet", b"")
    pq.write_table(ROWS, path)
    found = inspect_file(str(path))
    assert [one.name for one in found.columns][-1] == "neuropil"
    assert found.counts["regions"] == "1 in neuropil (1 known neuropils): EB 3"


def test_a_table_that_is_a_folder_is_read(tmp_path: Path) -> None:
    # As Spark and Dask write one table: a folder with the table's name.
    for name in ("a.parquet", "b.parquet"):
        for part in (0, 1):
            ids = pa.array([f"{name}{part}"])
            table = ROWS.slice(0, 1).set_column(0, "id", ids)
            pq.write_table(table, put(tmp_path / "t" / name / f"part-{part:05d}.snappy.parquet"))
        put(tmp_path / "t" / name / "_SUCCESS", "")
        put(tmp_path / "t" / name / ".part-00000.crc", "x")
    wanted = ["a.parquet0", "a.parquet1", "b.parquet0", "b.parquet1"]
    for path in (tmp_path / "t", tmp_path / "t" / "*.parquet", tmp_path / "t" / "**" / "*.parquet"):
        assert column(read(path), "synapse_id") == wanted
    assert column(read(tmp_path / "t" / "a.parquet"), "synapse_id") == wanted[:2]


def test_a_delta_table_is_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(ROWS, put(tmp_path / "t" / "part-0.parquet"))
    put(tmp_path / "t" / "_delta_log" / "0.json")
    with pytest.raises(BadInput, match="is a Delta table"):
        read(tmp_path / "t")


# Brackets in names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "pattern"),
    [
        ("run [2023]", "run [2023]/*.csv"),
        ("run [2023]", "run [2023]/p*.csv"),
        ("run [2023]/[a]", "run [2023]/[a]/*.csv"),
        ("in/run [2023]", "*/run [2023]/*.csv"),
        ("run [2023]/deeper", "run [2023]/**/*.csv"),
        ("[x]", "[x]/point?.csv"),
        ("a]b[", "a]b[/*.csv"),
    ],
)
def test_a_glob_below_a_folder_with_brackets(tmp_path: Path, place: str, pattern: str) -> None:
    put(tmp_path / place / "points.csv")
    assert column(read(tmp_path / pattern), "synapse_id") == ["1"]


def test_brackets_of_a_glob_still_are_a_choice(tmp_path: Path) -> None:
    for name in ("run1", "run2", "run3"):
        put(tmp_path / name / "points.csv", TEXT.replace("\n1,", f"\n{name},"))
    assert column(read(tmp_path / "run[12]" / "*.csv"), "synapse_id") == ["run1", "run2"]


# What lies there -----------------------------------------------------------------------------------------------------------

ELSEWHERE = {
    "tables in sub-folders": (["deeper/a.csv"], "", r"its sub-folders do, such as deeper/a\.csv: .*\*\*/\*\.csv"),
    "far down": (["a/b/c/d.csv.gz"], "", r"such as a/b/c/d\.csv\.gz: .*\*\*/\*\.csv\.gz"),
    "workbooks": (
        ["a.xlsx", "b.xlsx"],
        "",
        r"nothing in the folder .* is a table: there are a\.xlsx, b\.xlsx; .*\.csv",
    ),
    "archives": (["a.csv.zip", "b.tar.gz"], "", r"there are a\.csv\.zip, b\.tar\.gz"),
    "other kinds": (["a.mat"], "", r"there are a\.mat"),
    "no suffix": (["part-00000"], "", "there are part-00000"),
    "lines of JSON": (["a.jsonl"], "", r"there are a\.jsonl"),
    "workbooks in sub-folders": (["deeper/a.xlsx"], "", r"there are deeper/a\.xlsx"),
    "many": ([f"{i}.dat" for i in range(9)], "", r"0\.dat, 1\.dat, 2\.dat, 3\.dat, 4\.dat, \.\.\.;"),
    "folders that match": (["in/a.csv"], "*", r"matches folders only, such as .*/in: name the files in them, .*\*/\*"),
    "another case": (["A.CSV"], "*.csv", r"matches nothing, but there is A\.CSV"),
    "another case of the name": (["Points_1.csv"], "points_*.csv", r"there is Points_1\.csv"),
}


@pytest.mark.parametrize(("names", "pattern", "message"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_lies_there_is_named(tmp_path: Path, names: list[str], pattern: str, message: str) -> None:
    for name in names:
        put(tmp_path / "my [tables]" / name, gzip.compress(TEXT.encode()) if name.endswith("gz") else TEXT)
    path = tmp_path / "my [tables]" / pattern
    for look in (lambda: read(path), lambda: signatures(source(path))):
        with pytest.raises(BadInput, match=message) as error:
            look()
    # What it says to write reads them.
    glob = re.search(r"(?:by a glob|files in them), (.*)$", str(error.value))
    if glob:
        assert column(read(glob[1]), "synapse_id") == ["1"]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["README.md", "notes.md", "how to.pdf", "LICENSE", "_SUCCESS"],
        ["a.csv.part", "b.tmp", ".hidden", "~$a.csv", "Thumbs.db", "desktop.ini"],
        ["all.manifest", "empty/.keep"],
    ],
)
def test_a_folder_to_which_nothing_has_come_yet_is_empty(tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "arrivals"
    folder.mkdir()
    for name in names:
        put(folder / name)
    for path in (folder, folder / "*.csv"):
        assert listed(source(path)) == []


def test_what_windows_leaves_is_no_table(tmp_path: Path) -> None:
    put(tmp_path / "t" / "a.csv")
    put(tmp_path / "t" / "Thumbs.db", b"\xd0\xcf\x11\xe0")
    assert column(read(tmp_path / "t"), "synapse_id") == ["1"]


@pytest.mark.parametrize("pattern", ["", "*.csv"])
def test_a_link_to_nothing_is_no_absent_table(tmp_path: Path, pattern: str) -> None:
    put(tmp_path / "t" / "a.csv")
    os.symlink(tmp_path / "not mounted" / "b.csv", tmp_path / "t" / "b.csv")
    with pytest.raises(BadInput, match=r"b\.csv is a link to nothing"):
        read(tmp_path / "t" / pattern)


def test_workbooks_in_sub_folders_are_named(tmp_path: Path) -> None:
    put(tmp_path / "t" / "deeper" / "a.xlsx")
    with pytest.raises(BadInput, match=r"sub-folders do, such as deeper/a\.xlsx: .*\*\*/\*\.xlsx"):
        listed(Workbook.model_validate({"name": "w", "path": str(tmp_path / "t")}))
    put(tmp_path / "u" / "a.ods")
    with pytest.raises(BadInput, match=r"there are a\.ods; a table is a file that ends in \.xlsx"):
        listed(Workbook.model_validate({"name": "w", "path": str(tmp_path / "u")}))


def test_no_synapses_are_no_green_check(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "arrivals"
    folder.mkdir()
    sources = [lab.dataset.sources[0].model_copy(update={"path": str(folder)})]
    lab.use(lab.dataset.model_copy(update={"sources": sources}))
    evaluation = check_of(lab.materialize("synapse_table"), "regions_known")
    assert not evaluation.passed
    assert "no synapses" in str(evaluation.description)
    pd.read_csv(lab.points).to_csv(folder / "a.csv", index=False)
    assert check_of(lab.materialize("synapse_table"), "regions_known").passed
