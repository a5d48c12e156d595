"""Points tables: every format gives the same rows, and bad input is one clear error."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import Columns, PointsSource, VolumeSpec
from synapse_assets.schema import SYNAPSES, BadInput
from synapse_assets.sources import RegionNames, read_source

VOLUME = VolumeSpec(kind="images", url="unused", voxel_size_nm=(4, 4, 40))
BIG_ID = 720575940612345679  # above 2^53: a float would make it ...680
ROWS = {
    "id": pa.array([11, 12, 13]),
    "x": pa.array([100, 101, 102]),
    "y": pa.array([200, 201, 202]),
    "z": pa.array([5, 6, 7]),
    "body": pa.array([BIG_ID, None, 3], pa.int64()),
    "roi": pa.array(["ME(R)", None, "LH_L"]),
    "nt": pa.array(["gaba", "acetylcholine", None]),
}


def source(path: Path, **changes: object) -> PointsSource:
    values: dict[str, object] = {
        "name": "table",
        "format": "points",
        "volume": "em",
        "path": str(path),
        "units": "voxel",
        "columns": Columns(synapse_id="id", neuron_id="body", brain_region="roi", target="nt"),
    }
    return PointsSource.model_validate({**values, **changes})


def write(folder: Path, suffix: str, table: pa.Table) -> Path:
    path = folder / f"points{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix == ".feather":
        pa.feather.write_feather(table, str(path))
    else:
        delimiter = "\t" if suffix == ".tsv" else ","
        pa.csv.write_csv(table, path, pa.csv.WriteOptions(delimiter=delimiter))
    return path


def read(source_: PointsSource) -> pa.Table:
    return pa.concat_tables(read_source(source_, VOLUME, RegionNames("UNASSIGNED")))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".feather"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    table = read(source(write(tmp_path, suffix, pa.table(ROWS))))
    assert table.schema.equals(SYNAPSES.arrow)
    assert table.column("synapse_id").to_pylist() == ["11", "12", "13"]
    assert table.column("brain_region").to_pylist() == ["ME_R", "UNASSIGNED", "LH_L"]
    assert table.column("neuron_id").to_pylist() == [BIG_ID, None, 3]
    assert table.column("target").to_pylist() == ["gaba", "acetylcholine", None]
    # A whole voxel number names a voxel; its middle is the point.
    assert table.column("x_nm").to_pylist() == [402.0, 406.0, 410.0]
    assert table.column("z_nm").to_pylist() == [220.0, 260.0, 300.0]
    assert set(table.column("source_file").to_pylist()) == {f"points{suffix}"}


def test_nanometres_are_taken_as_they_are(tmp_path: Path) -> None:
    table = read(source(write(tmp_path, ".csv", pa.table(ROWS)), units="nm"))
    assert table.column("x_nm").to_pylist() == [100.0, 101.0, 102.0]


def test_ids_carry_the_prefix_of_their_source(tmp_path: Path) -> None:
    table = read(source(write(tmp_path, ".csv", pa.table(ROWS)), id_prefix="calyx_"))
    assert table.column("synapse_id").to_pylist() == ["calyx_11", "calyx_12", "calyx_13"]


def test_without_an_id_column_ids_follow_the_position(tmp_path: Path) -> None:
    columns = Columns(brain_region="roi")
    once = read(source(write(tmp_path, ".csv", pa.table(ROWS)), columns=columns))
    reversed_rows = pa.table(ROWS).take([2, 1, 0])
    again = read(source(write(tmp_path, ".parquet", reversed_rows), columns=columns))
    assert once.column("synapse_id").to_pylist() == again.column("synapse_id").to_pylist()[::-1]
    assert len(set(once.column("synapse_id").to_pylist())) == 3


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    table = pa.table(ROWS).rename_columns(["id", "pre_x", "y", "z", "body", "roi", "nt"])
    for suffix in (".csv", ".parquet", ".feather"):
        with pytest.raises(BadInput, match=r"no column 'x' \(for x\); its columns are .*pre_x") as error:
            read(source(write(tmp_path, suffix, table)))
        assert f"points{suffix}" in str(error.value)


def test_a_coordinate_that_is_no_number_is_named_by_row_and_id(tmp_path: Path) -> None:
    table = pa.table(ROWS).set_column(2, "y", pa.array([200.0, float("nan"), 202.0]))
    with pytest.raises(BadInput, match=r"row 2: y is no number \(synapse 12\)"):
        read(source(write(tmp_path, ".parquet", table)))
    with pytest.raises(BadInput, match=r"row 2: y is no number \(synapse 12\)"):
        read(source(write(tmp_path, ".csv", table.set_column(2, "y", pa.array([200.0, None, 202.0])))))


def test_text_in_a_number_column_names_the_column(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("id,x,y,z,body,roi,nt\n1,10,oops,3,4,EB,gaba\n")
    with pytest.raises(BadInput, match="oops"):
        read(source(path))


def test_rounded_neuron_ids_are_refused(tmp_path: Path) -> None:
    rounded = pa.table(ROWS).set_column(4, "body", pa.array([float(BIG_ID), None, 3.0]))
    with pytest.raises(BadInput, match=r"column 'body' holds identifiers as floating-point numbers"):
        read(source(write(tmp_path, ".parquet", rounded)))


def test_small_float_ids_are_taken(tmp_path: Path) -> None:
    floats = pa.table(ROWS).set_column(4, "body", pa.array([7.0, None, float("nan")]))
    assert read(source(write(tmp_path, ".parquet", floats))).column("neuron_id").to_pylist() == [7, None, None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-LFS pointer"),
        (b"id,x,y,z,body,roi,nt\n", "has a header but no rows"),
    ],
)
def test_files_without_data_say_so(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read(source(path))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.csv"):
        read(source(tmp_path / "nowhere.csv"))


def test_pandas_floats_in_csv_text_keep_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(f"id,x,y,z,body,roi,nt\n1,10,20,3,{BIG_ID}.0,EB,gaba\n2,10,20,4,,EB,gaba\n")
    assert read(source(path)).column("neuron_id").to_pylist() == [BIG_ID, None]


@pytest.mark.parametrize(
    ("name", "rows"), [("calyx_gt", 173), ("eb_gt", 538), ("lh_done_gt", 8_198), ("pb_gt", 102), ("pb_pred", None)]
)
def test_real_synful_tables_are_read(name: str, rows: int | None) -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / "fafb_synful"
    if not folder.is_dir():
        pytest.skip("the real tables are not on this machine")
    columns = Columns(synapse_id="id", neuron_id="pre_skel_id", x="pre_x", y="pre_y", z="pre_z")
    table = read(source(folder / f"{name}.csv", columns=columns, units="nm", brain_region="PB"))
    assert rows is None or table.num_rows == rows
    assert set(table.column("brain_region").to_pylist()) == {"PB"}
    assert 180_000 < table.column("z_nm")[0].as_py() < 200_000 or name != "pb_gt"
