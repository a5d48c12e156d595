"""The ready-made mappings: each reads a file written like the real one, and the real tables that there are."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pytest

from synapse_assets.datasets.sources import FORMATS, format_names, read_format
from synapse_assets.datasets.spaces import SPACES
from synapse_assets.schema.detection import DETECTIONS
from synapse_assets.sources import RegionNames, Tally, read_source
from synapse_assets.sources.files import open_table
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import FIRST_NEURON
from synapse_assets_tests.detected import BLOCKS, FINDER, detections, write_detections
from synapse_assets_tests.sources.tables import BIG_ID, VOLUME, column, read, shipped, synful, write_sqlite

OFFSET = 720575940 * 10**9
POINTS = [name for name in format_names() if read_format(name)["source"]["format"] == "points"]


@pytest.mark.parametrize("name", POINTS)
def test_a_mapping_says_what_it_is_and_loads(name: str, tmp_path: Path) -> None:
    mapping = read_format(name)
    assert set(mapping) == {"title", "about", "recognise", "source"}
    assert mapping["title"]
    assert len(mapping["about"]) > 100
    source = shipped(name, tmp_path / "table.csv")
    # Detected synapses lie in the space of the volume that they were found in.
    assert source.space in SPACES or source.space == ("minnie65" if name.startswith("microns") else None)
    # What it reads, it is known by, or names itself.
    used = {value for value in source.columns.model_dump().values() if value}
    assert used <= set(mapping["recognise"]) | set(source.header or ()) | {"post_pt_root_id"}
    assert (FORMATS / f"{name}.yaml").read_text().isascii()


def test_no_two_mappings_recognise_the_same_columns() -> None:
    known = {name: frozenset(read_format(name)["recognise"]) for name in format_names()}
    for name, columns in known.items():
        others = [other for other in known if other != name and columns and columns <= known[other]]
        assert others == [], f"a file of {others} is also known as {name}"


def test_fields_of_the_source_win_over_the_mapping(tmp_path: Path) -> None:
    source = shipped("flywire_v783", tmp_path / "t", columns={"score": "connection_score"}, minimum={}, space="mine")
    assert source.columns.score == "connection_score"
    assert source.columns.neuron_id == "pre_pt_root_id"
    assert (source.minimum, source.space) == ({}, "mine")


def test_malevnc(tmp_path: Path) -> None:
    path = tmp_path / "gaba.csv"
    path.write_text("body,x,y,z,conf,syn_id\n14419,25957,11537,17630,0.936,77537584185632101\n")
    table = read(shipped("malevnc_synapses", path, target_value="gaba"))
    row = table.to_pylist()[0]
    assert (row["synapse_id"], row["neuron_id"], row["target"]) == ("77537584185632101", 14419, "gaba")
    assert [row["x_nm"], row["y_nm"], row["z_nm"]] == [25957.5 * 8, 11537.5 * 8, 17630.5 * 8]
    assert row["score"] == 0.936


def test_buhmann(tmp_path: Path) -> None:
    names = ["pre_x", "pre_y", "pre_z", "post_x", "post_y", "post_z", "scores", "cleft_scores"]
    links = pa.table(
        {
            # The second and third leave the same site of the same segment for two places of another.
            **{name: pa.array([10, 20, 20, 30]) + 1000 * at for at, name in enumerate(names[:3])},
            "post_x": [1, 2, 3, 4],
            "post_y": [1.0, 2.0, 3.0, 4.0],
            "post_z": [7, 7, 7, 7],
            "scores": [8.5, 9.0, 9.5, 10.0],
            "cleft_scores": [100, 110, 120, 130],
            "segmentid_pre": [710435991, 5, 5, 6],
            "segmentid_post": [0, 8, 8, 6],
        }
    )
    path = write_sqlite(tmp_path / "links.db", {"synlinks": links, "meta": pa.table({"key": ["a"]})})
    tally = Tally()
    table = read(shipped("buhmann_sqlite", path), tally=tally)
    assert column(table, "synapse_id") == ["10_1010_2010_1_1_7", "20_1020_2020_2_2_7", "20_1020_2020_3_3_7"]
    assert column(table, "neuron_id") == [710435991, 5, 5]
    assert column(table, "z_nm") == [2010.0, 2020.0, 2020.0]
    assert tally.left_out == {"autapse": 1}


def flywire_rows(count: int) -> pa.Table:
    at = np.arange(count)
    positions = {
        f"{side}_pt_position_{axis}": pa.array(at + 1000 * place)
        for side in ("pre", "post")
        for place, axis in enumerate("xyz")
    }
    return pa.table(
        {
            "id": pa.array(at + 10**9),
            "pre_pt_root_id": pa.array(OFFSET + 600_000_000 + at),
            "post_pt_root_id": pa.array(OFFSET + 700_000_000 + at),
            "connection_score": pa.array(at / 7, pa.float32()),
            "cleft_score": pa.array(np.full(count, 100)),
            **{name: pa.array(at / 9, pa.float32()) for name in ("gaba", "ach", "glut", "oct", "ser", "da")},
            "neuropil": pa.array(["ME_R", "EB"] * (count // 2)).dictionary_encode(),
            **positions,
        }
    )


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_flywire(tmp_path: Path, compression: str) -> None:
    rows = flywire_rows(6)
    for name, values in {
        "cleft_score": pa.array([100, 49, 50, 100, 100, 100]),
        "pre_pt_root_id": pa.array([BIG_ID, BIG_ID, BIG_ID, 0, 5, 6]),
        "post_pt_root_id": pa.array([BIG_ID - 1, 1, 1, 1, 0, 6]),
        "neuropil": pa.array(["ME_R", "ME_R", None, "ME_R", "ME_R", "ME_R"]),
    }.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    path = tmp_path / "flywire_synapses_783.feather"
    pa.feather.write_feather(rows, str(path), compression=compression)
    tally = Tally()
    table = read(shipped("flywire_v783", path), tally=tally)
    assert column(table, "synapse_id") == ["1000000000", "1000000002"]
    assert column(table, "neuron_id") == [BIG_ID, BIG_ID]
    assert column(table, "brain_region") == ["ME_R", "UNASSIGNED"]
    assert column(table, "x_nm") == [0.0, 2.0]
    assert tally.left_out == {
        "cleft_score below 50": 1,
        "pre_pt_root_id below 1": 1,
        "post_pt_root_id below 1": 1,
        "autapse": 1,
    }


@pytest.mark.parametrize("compression", ["lz4", "uncompressed"])
def test_a_feather_file_is_taken_batch_by_batch(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "flywire.feather"
    count = 400_000
    pa.feather.write_feather(flywire_rows(count), str(path), compression=compression, chunksize=20_000)
    size = path.stat().st_size
    before = pa.total_allocated_bytes()
    held, rows = [], 0
    for batch in read_source(shipped("flywire_v783", path), VOLUME, RegionNames("U")):
        held.append(pa.total_allocated_bytes() - before)
        rows += batch.num_rows
    assert rows == count
    assert max(held) < min(size, 12_000_000), "memory grows with the file"


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_columns_that_are_not_asked_for_are_not_unpacked(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "wide.feather"
    count = 200_000
    rows = pa.table({"id": np.arange(count), **{f"other_{index}": np.arange(count) for index in range(20)}})
    pa.feather.write_feather(rows, str(path), compression=compression, chunksize=count)
    usual = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counting)
    try:
        assert sum(batch.num_rows for batch in open_table(str(path)).batches(["id"])) == count
    finally:
        pa.set_memory_pool(usual)
    assert counting.max_memory() < 3 * 8 * count


def test_princeton(tmp_path: Path) -> None:
    header = "pre_x,pre_y,pre_z,ctr_x,ctr_y,ctr_z,post_x,post_y,post_z,size"
    header += ",pre_root_id_720575940,post_root_id_720575940,neuropil"
    rows = [
        "1,2,3,4,5,6,7,8,9,40,612345679,612345680,ME_R",
        "1,2,3,4,5,6,7,8,10,40,45,612345680,",
        "1,2,3,4,5,6,7,8,10,40,45,45,EB",
    ]
    path = tmp_path / "fafb_v783_princeton_synapse_table.csv.gz"
    path.write_bytes(gzip.compress("\r\n".join([header, *rows, ""]).encode()))
    tally = Tally()
    table = read(shipped("princeton_v783", path), tally=tally)
    assert column(table, "neuron_id") == [BIG_ID, 720575940000000045]
    assert column(table, "brain_region") == ["ME_R", "UNASSIGNED"]
    assert column(table, "synapse_id") == ["1_2_3_7_8_9", "1_2_3_7_8_10"]
    assert tally.left_out == {"autapse": 1}


def test_neuprint(tmp_path: Path) -> None:
    path = tmp_path / "synapses.csv"
    path.write_text(
        ",bodyId,type,roi,x,y,z,confidence\n"
        "0,5812983094,pre,SIP(R),15300,25268,14043,0.992\n"
        "1,764377593,post,LH(R),8043,21587,15146,0.804\n"
        "2,5812983094,pre,,15301,25268,14043,0.9\n"
    )
    tally = Tally()
    table = read(shipped("hemibrain_neuprint", path), tally=tally)
    assert column(table, "synapse_id") == ["15300_25268_14043_5812983094", "15301_25268_14043_5812983094"]
    assert column(table, "brain_region") == ["SIP_R", "UNASSIGNED"]
    assert column(table, "x_nm") == [15300.5 * 8, 15301.5 * 8]
    assert tally.left_out == {"type is not pre": 1}


def test_microns(tmp_path: Path) -> None:
    root = 864691135341362885
    path = tmp_path / "synapses_pni_2.csv"
    rows = [
        [4503, "t", 100, 200, 300, 104, 204, 301, 102, 202, 300, 9007199254740993, 2, root, root + 1, 40],
        [4504, "t", 100, 200, 300, 104, 204, 301, 102, 202, 300, 1, 2, 0, root, 40],
        [4505, "t", 100, 200, 300, 104, 204, 301, 102, 202, 300, 1, 2, root, root, 40],
    ]
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    table = read(shipped("microns_pni_2", path))
    assert column(table, "synapse_id") == ["4503"]
    assert column(table, "neuron_id") == [root]
    # Voxels of 4 x 4 x 40 nm, whatever those of the volume.
    assert [column(table, f"{axis}_nm")[0] for axis in "xyz"] == [402.0, 802.0, 12020.0]


# Real tables: ground truth and predictions of FAFB partners ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows", "sites", "without_neuron"),
    [
        ("calyx_gt", 173, 165, 0),
        ("eb_gt", 538, 534, 0),
        ("lh_done_gt", 8_198, 904, 0),
        ("pb_gt", 102, 99, 0),
        ("calyx_pred", 179, 179, 13),
        ("eb_pred", 502, 502, 35),
        ("pb_pred", 88, 88, 5),
    ],
)
def test_real_synful_tables(tmp_path: Path, name: str, rows: int, sites: int, without_neuron: int) -> None:
    path = synful(f"{name}.csv")
    scored = {"columns": {"score": "score"}} if name.endswith("pred") else {}
    table = read(shipped("synful_csv", path, brain_region="PB", **scored))
    assert table.num_rows == rows
    assert len(set(column(table, "synapse_id"))) == rows
    places = list(zip(*(column(table, f"{axis}_nm") for axis in "xyz"), strict=True))
    assert len(set(places)) == sites
    assert table.column("neuron_id").null_count == without_neuron
    assert table.column("score").null_count == (0 if scored else rows)
    assert set(column(table, "brain_region")) == {"PB"}

    # The same partners as the benchmark exchanges them, z first, are the same rows.
    with path.open() as stream:
        links = [as_json(row) for row in csv.DictReader(stream)]
    exchanged = tmp_path / path.name.replace(".csv", ".json")
    exchanged.write_text(json.dumps(links))
    again = read(shipped("synful_json", exchanged, brain_region="PB", **scored))
    assert again.drop_columns("source_file").equals(table.drop_columns("source_file"))

    # A neuron may reach the same partner twice from one site: an id of its own takes the partner's place as well.
    ends = [f"{side}_{axis}" for side in ("pre", "post") for axis in "xyz"]
    made = read(shipped("synful_csv", path, columns={"synapse_id": None}, id_from=ends))
    assert len(set(column(made, "synapse_id"))) == rows


def as_json(row: dict[str, str]) -> dict[str, Any]:
    """One row of a synful CSV as an object of its JSON format."""
    link: dict[str, Any] = {"id": int(row["id"])}
    for side in ("pre", "post"):
        skeleton = row[f"{side}_skel_id"]
        link[f"id_skel_{side}"] = int(float(skeleton)) if skeleton else None
        link[f"location_{side}"] = [int(row[f"{side}_{axis}"]) for axis in "zyx"]
    return {**link, "score": float(row["score"])} if "score" in row else link


# Detected synapses ---------------------------------------------------------------------------------------------------------


def found(root: Path, **changes: object) -> Path:
    """The folder of a table of two blocks, nothing found in the second."""
    store = DatasetStore(str(root), FINDER)
    write_detections(store, BLOCKS[0], detections(BLOCKS[0], **changes))
    write_detections(store, BLOCKS[1], DETECTIONS.empty())
    return root / FINDER / "tables" / "synapses"


def test_detections_are_read_from_the_folder_of_their_blocks(tmp_path: Path) -> None:
    rows, tally = detections(BLOCKS[0]), Tally()
    table = read(shipped("detections", found(tmp_path)), tally=tally)
    for name in ("synapse_id", "brain_region", "neuron_id", "x_nm", "y_nm", "z_nm", "score"):
        assert column(table, name) == column(rows, name)
    assert [(file.name, file.rows) for file in tally.files] == [
        (f"block={block}/data.parquet", count) for block, count in zip(BLOCKS, (36, 0), strict=True)
    ]


def test_the_least_sure_detections_are_left_out(tmp_path: Path) -> None:
    scores, tally = detections(BLOCKS[0]).column("score").to_numpy(), Tally()
    table = read(shipped("detections", found(tmp_path), minimum={"score": 0.5}), tally=tally)
    assert column(table, "score") == scores[scores >= 0.5].tolist()
    assert tally.left_out == {"score below 0.5": int(np.sum(scores < 0.5))}


def test_detections_without_label_volumes_have_their_blocks_for_regions(tmp_path: Path) -> None:
    unknown = pa.nulls(36, pa.int64())
    folder = found(tmp_path, brain_region=[BLOCKS[0]] * 36, neuron_id=unknown, partner_id=unknown, partners=unknown)
    table = read(shipped("detections", folder))
    assert set(column(table, "brain_region")) == {BLOCKS[0]}
    assert table.column("neuron_id").null_count == 36


def test_detections_of_a_neuron_with_itself_are_left_out_where_that_is_said(tmp_path: Path) -> None:
    own = detections(BLOCKS[0]).column("neuron_id").to_numpy() == FIRST_NEURON
    folder = found(tmp_path, partner_id=pa.array(np.where(own, FIRST_NEURON, FIRST_NEURON - 1)))
    tally = Tally()
    read(shipped("detections", folder, leave_out_autapses=True), tally=tally)
    assert own.sum() == 3
    assert tally.left_out == {"autapse": 3}


def test_one_of_several_volumes_is_taken(tmp_path: Path) -> None:
    folder = found(tmp_path, volume=["em"] * 20 + ["other"] * 16)
    assert read(shipped("detections", folder, only={"volume": ["em"]})).num_rows == 20
