"""What a mapping of columns makes of a table: units, ids, regions, classes, rows left out, and the record of where it came from."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from synapse_assets.datasets import Columns
from synapse_assets.schema import SYNAPSE_SOURCES, SYNAPSE_TABLE
from synapse_assets.sources import RegionLimit, RegionNames, Tally, provenance, read_source, source_files
from synapse_assets_tests.sources.tables import BIG_ID, KINDS, ROWS, VOLUME, column, read, source, write


@pytest.mark.parametrize("suffix", KINDS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    table = read(source(write(tmp_path, suffix, pa.table(ROWS))))
    assert table.schema.equals(SYNAPSE_TABLE.arrow)
    assert column(table, "synapse_id") == ["11", "12", "13"]
    assert column(table, "brain_region") == ["ME_R", "UNASSIGNED", "LH_L"]
    assert column(table, "neuron_id") == [BIG_ID, None, 3]
    assert column(table, "target") == ["gaba", "acetylcholine", None]
    assert column(table, "known_classes") == [["gaba"], ["acetylcholine"], []]
    # A whole voxel number names a voxel; its middle is the point.
    assert column(table, "x_nm") == [402.0, 406.0, 410.0]
    assert column(table, "z_nm") == [220.0, 260.0, 300.0]
    assert set(column(table, "source_file")) == {f"points{suffix}"}


def test_nanometres_are_taken_as_they_are(tmp_path: Path) -> None:
    table = read(source(write(tmp_path, ".csv", pa.table(ROWS)), units="nm"))
    assert column(table, "x_nm") == [100.0, 101.0, 102.0]


def test_voxels_may_have_a_size_of_their_own(tmp_path: Path) -> None:
    table = read(source(write(tmp_path, ".csv", pa.table(ROWS)), voxel_size_nm=(8, 16, 40)))
    assert column(table, "x_nm")[0] == 100.5 * 8
    assert column(table, "y_nm")[0] == 200.5 * 16


def test_a_transform_moves_the_points(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv", pa.table(ROWS))
    plain = read(source(path, units="nm"))
    moved = read(source(path, units="nm", space="FAFB14_CATMAID", transform="catmaid_to_n5"))
    assert column(moved, "z_nm") == [5.0 - 40, 6.0 - 40, 7.0 - 40]
    assert moved.drop_columns("z_nm").equals(plain.drop_columns("z_nm"))
    assert moved.schema.equals(SYNAPSE_TABLE.arrow)


# A position in one column --------------------------------------------------------------------------------------------------

POSITIONS: dict[str, pa.Array] = {
    "list": pa.array([[1, 2, 3], [4, 5, 6]]),
    "fixed": pa.array([[1, 2, 3], [4, 5, 6]], pa.list_(pa.int32(), 3)),
    "floats": pa.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "brackets": pa.array(["[1 2 3]", "[ 4  5 6 ]"]),
    "commas": pa.array(["1,2,3", "(4, 5, 6)"]),
}


@pytest.mark.parametrize(
    ("how", "suffix"),
    [*((how, ".parquet") for how in POSITIONS), ("brackets", ".csv"), ("commas", ".csv"), ("list", ".json")],
)
def test_a_position_column_gives_x_y_and_z(tmp_path: Path, how: str, suffix: str) -> None:
    path = write(tmp_path, suffix, pa.table({"id": [1, 2], "at": POSITIONS[how]}))
    columns = Columns(synapse_id="id", position="at")
    table = read(source(path, columns=columns, units="nm"))
    assert [column(table, f"{axis}_nm") for axis in "xyz"] == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    turned = read(source(path, columns=columns, units="nm", axis_order="zyx"))
    assert [column(turned, f"{axis}_nm") for axis in "zyx"] == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]


def test_an_axis_order_is_for_a_position_only(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="axis_order zyx is for a position column"):
        source(tmp_path / "points.csv", axis_order="zyx")


# Ids -----------------------------------------------------------------------------------------------------------------------


def test_ids_carry_the_prefix_of_their_source(tmp_path: Path) -> None:
    table = read(source(write(tmp_path, ".csv", pa.table(ROWS)), id_prefix="calyx_"))
    assert column(table, "synapse_id") == ["calyx_11", "calyx_12", "calyx_13"]


@pytest.mark.parametrize("suffix", KINDS)
def test_made_ids_follow_position_and_neuron_in_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    columns = Columns(brain_region="roi", neuron_id="body")
    table = read(source(write(tmp_path, suffix, pa.table(ROWS).take([2, 1, 0])), columns=columns))
    assert column(table, "synapse_id") == ["102_202_7_3", "101_201_6_", f"100_200_5_{BIG_ID}"]


def test_made_ids_of_exact_positions_keep_their_fractions(tmp_path: Path) -> None:
    rows = pa.table({"x": [100.0, 100.25], "y": [1e6, 1e17], "z": [-5.0, 0.1]})
    table = read(source(write(tmp_path, ".parquet", rows), columns=Columns()))
    assert column(table, "synapse_id") == ["100_1000000_-5", "100.25_1e+17_0.1"]
    again = read(source(write(tmp_path, ".csv", rows), columns=Columns()))
    assert column(again, "synapse_id") == column(table, "synapse_id")


def test_several_partners_at_one_site_are_several_synapses(tmp_path: Path) -> None:
    rows = pa.table({"x": [1, 1, 1], "y": [2, 2, 2], "z": [3, 3, 3], "pre": [7, 7, 8], "post": [9, 10, 9]})
    path = write(tmp_path, ".csv", rows)
    table = read(source(path, columns=Columns(neuron_id="pre", partner_id="post")))
    assert column(table, "synapse_id") == ["1_2_3_7_9", "1_2_3_7_10", "1_2_3_8_9"]
    named = read(source(path, columns=Columns(neuron_id="pre"), id_from=["post", "x"]))
    assert column(named, "synapse_id") == ["9_1", "10_1", "9_1"]


def test_ids_do_not_depend_on_where_a_batch_ends(tmp_path: Path) -> None:
    count = 300_000
    rows = pa.table(
        {"x": np.arange(count), "y": np.full(count, 2), "z": np.arange(count) % 7, "pre": np.arange(count) + 1}
    )
    for suffix in (".feather", ".csv"):
        source_ = source(write(tmp_path, suffix, rows), columns=Columns(neuron_id="pre"))
        batches = list(read_source(source_, VOLUME, RegionNames("U")))
        assert len(batches) > 1
        assert max(batch.num_rows for batch in batches) <= 140_000
        ids = column(pa.concat_tables(batches), "synapse_id")
        assert ids == [f"{i}_2_{i % 7}_{i + 1}" for i in range(count)]


@pytest.mark.parametrize("suffix", KINDS)
def test_the_common_part_of_neuron_ids_is_added_as_a_number(tmp_path: Path, suffix: str) -> None:
    # A suffix of fewer than nine digits is a smaller number, not a shorter text; zero stays background.
    rows = pa.table({"x": [1] * 4, "y": [2] * 4, "z": [3, 4, 5, 6], "pre": pa.array([612345679, 45, 0, None])})
    offset = 720575940 * 10**9
    table = read(source(write(tmp_path, suffix, rows), columns=Columns(neuron_id="pre"), neuron_id_offset=offset))
    assert column(table, "neuron_id") == [BIG_ID, 720575940000000045, None, None]
    # Of the partners too, as ids made of them are of whole ids.
    both = rows.append_column("post", pa.array([45, 0, 612345679, 45]))
    columns = Columns(neuron_id="pre", partner_id="post")
    (tmp_path / "both").mkdir()
    table = read(source(write(tmp_path / "both", suffix, both), columns=columns, neuron_id_offset=offset))
    assert column(table, "synapse_id") == [
        f"1_2_3_{BIG_ID}_720575940000000045",
        "1_2_4_720575940000000045_",
        f"1_2_5__{BIG_ID}",
        "1_2_6__720575940000000045",
    ]


def test_small_float_ids_are_taken(tmp_path: Path) -> None:
    floats = pa.table(ROWS).set_column(4, "body", pa.array([7.0, None, float("nan")]))
    assert column(read(source(write(tmp_path, ".parquet", floats))), "neuron_id") == [7, None, None]


def test_pandas_floats_in_csv_text_keep_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(f"id,x,y,z,body,roi,nt\n1,10,20,3,{BIG_ID}.0,EB,gaba\n2,10,20,4,,EB,gaba\n3,10,20,4, 5,EB,gaba\n")
    assert column(read(source(path)), "neuron_id") == [BIG_ID, None, 5]


def test_ids_of_dictionary_and_unsigned_columns_are_exact(tmp_path: Path) -> None:
    rows = pa.table(
        {
            **ROWS,
            "body": pa.array([BIG_ID, 2**63 - 1, 3], pa.uint64()),
            "roi": pa.array(["EB", "FB", "EB"]).dictionary_encode(),
        }
    )
    table = read(source(write(tmp_path, ".feather", rows)))
    assert column(table, "neuron_id") == [BIG_ID, 2**63 - 1, 3]
    assert column(table, "brain_region") == ["EB", "FB", "EB"]


# Classes -------------------------------------------------------------------------------------------------------------------


def test_class_names_are_translated(tmp_path: Path) -> None:
    rows = pa.table({**ROWS, "nt": ["GABA", "kc_acetylcholine", " unknown"]})
    path = write(tmp_path, ".csv", rows)
    table = read(source(path, class_names={"kc_acetylcholine": "acetylcholine"}))
    assert column(table, "target") == ["gaba", "acetylcholine", None]


def test_a_name_counts_for_the_whole_text_and_then_for_each_part(tmp_path: Path) -> None:
    rows = pa.table({**ROWS, "nt": ["kc_ach;GABA", "a;b", "b/a"]})
    names = {"kc_ach": "acetylcholine", "a;b": "mixed", "a": "alpha"}
    table = read(source(write(tmp_path, ".parquet", rows), class_names=names))
    assert column(table, "known_classes") == [["acetylcholine", "gaba"], ["mixed"], ["alpha", "b"]]
    assert column(table, "target") == [None, "mixed", None]


def test_a_synapse_with_two_known_classes_has_no_single_one(tmp_path: Path) -> None:
    rows = pa.table({**ROWS, "nt": ["gaba;dopamine", "gaba", None]})
    table = read(source(write(tmp_path, ".csv", rows)))
    assert column(table, "target") == [None, "gaba", None]
    assert column(table, "known_classes") == [["dopamine", "gaba"], ["gaba"], []]


def test_a_file_of_one_class(tmp_path: Path) -> None:
    columns = Columns(synapse_id="id", hemilineage="roi")
    table = read(source(write(tmp_path, ".csv", pa.table(ROWS)), columns=columns, target_value="glutamate"))
    assert column(table, "target") == ["glutamate"] * 3
    assert column(table, "known_classes") == [["glutamate"]] * 3
    assert column(table, "brain_region") == ["UNASSIGNED"] * 3


# Rows left out -------------------------------------------------------------------------------------------------------------

LINKS = {
    "id": pa.array([1, 2, 3, 4, 5, 6]),
    "x": pa.array([10, 11, 12, 13, 14, 15]),
    "y": pa.array([0] * 6),
    "z": pa.array([0] * 6),
    "pre": pa.array([7, 7, 0, 8, 8, None]),
    "post": pa.array([9, 7, 0, 8, 7, 7]),
    "cleft": pa.array([60, 60, 50, 10, None, 50]),
    "type": pa.array(["pre", "pre", "pre", "pre", "pre", "post"]),
}


@pytest.mark.parametrize("suffix", KINDS)
def test_rows_are_left_out_by_the_first_reason(tmp_path: Path, suffix: str) -> None:
    columns = Columns(synapse_id="id", neuron_id="pre", partner_id="post", score="cleft")
    tally = Tally()
    table = read(
        source(
            write(tmp_path, suffix, pa.table(LINKS)),
            columns=columns,
            minimum={"cleft": 50},
            only={"type": ["pre"]},
            leave_out_autapses=True,
        ),
        tally=tally,
    )
    # Background (0) is no neuron, so that a row from it to it is no autapse.
    assert column(table, "synapse_id") == ["1", "3"]
    assert column(table, "neuron_id") == [7, None]
    assert column(table, "score") == [60.0, 50.0], "the lowest value that may stay stays"
    assert tally.rows == 2
    assert tally.left_out == {"type is not pre": 1, "cleft empty": 1, "cleft below 50": 1, "autapse": 1}


def test_a_row_number_counts_what_was_left_out(tmp_path: Path) -> None:
    rows = pa.table({**LINKS, "x": pa.array([10.0, None, 12.0, 13.0, 14.0, None])})
    columns = Columns(synapse_id="id", neuron_id="pre", partner_id="post")
    path = write(tmp_path, ".parquet", rows)
    with pytest.raises(ValueError, match=r"row 6: x is no number \(synapse 6\)"):
        read(source(path, columns=columns, leave_out_autapses=True))


# Provenance and trials -----------------------------------------------------------------------------------------------------


def test_provenance_names_hash_units_axes_and_space(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv", pa.table(LINKS))
    columns = Columns(synapse_id="id", neuron_id="pre", partner_id="post")
    one = source(path, columns=columns, voxel_size_nm=(8, 8, 8), space="MANC", leave_out_autapses=True)
    tally = Tally()
    read(one, tally=tally)
    table = provenance(one, tally)
    assert table.schema.equals(SYNAPSE_SOURCES.arrow)
    row: dict[str, Any] = table.to_pylist()[0]
    assert (row["source"], row["file"], row["bytes"]) == ("table", "points.csv", path.stat().st_size)
    assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (row["rows"], json.loads(row["left_out"])) == (4, {"autapse": 2})
    assert (row["units"], row["axis_order"]) == ("voxel of 8 x 8 x 8 nm", "xyz")
    assert (row["space"], row["transform"], row["volume"]) == ("MANC", None, "em")
    assert source_files(one) == [str(path)]


@pytest.mark.parametrize("limit", [None, 0, 1, 2, 5, 100])
def test_a_trial_keeps_the_first_of_each_region(limit: int | None) -> None:
    regions = ["A", "B", "A", "A", "C", "B", "A", "C", "A", "B", "A"]
    keep = RegionLimit(limit)
    kept: list[int] = []
    for start, stop in ((0, 4), (4, 4), (4, 9), (9, 11)):
        batch = pa.table({"brain_region": pa.array(regions[start:stop], pa.string()), "row": list(range(start, stop))})
        kept += column(keep.keep(batch), "row")
    wanted = [row for row, region in enumerate(regions) if limit is None or regions[:row].count(region) < limit]
    assert kept == wanted
