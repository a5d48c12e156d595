"""`inspect`: what it says of a file is so, and the YAML that it prints reads the file."""

import gzip
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import yaml
from typer.testing import CliRunner

from synapse_assets.cli import app
from synapse_assets.datasets import EmDataset, load_dataset
from synapse_assets.datasets.sources import format_names, read_format
from synapse_assets.datasets.yaml_text import FILL_IN
from synapse_assets.errors import BadInput
from synapse_assets.schema.detection import DETECTIONS
from synapse_assets.sources import RegionNames, Tally, read_neurons, read_source
from synapse_assets.sources.guesses import scale_of
from synapse_assets.sources.inspect import Inspection, inspect_file
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.detected import BLOCKS, FINDER, detections, write_detections
from synapse_assets_tests.sources.tables import BIG_ID, KINDS, ROWS, synful, write, write_sqlite

DATASET = """
name: mine
title: Mine
description: A dataset that a source was pasted into.
volumes:
  em: {{kind: zarr, url: /somewhere/em.zarr, voxel_size_nm: [4, 4, 40], space: "{space}"}}
{parts}
grouping: [brain_region]
tile: {{size_px: 64, sections: 3}}
"""
# Beside a table of neurons a dataset needs one of synapses.
OTHER = "sources:\n  - {name: other, format: points, volume: em, path: /somewhere.csv, units: nm}\n"


def pasted(found: Inspection, folder: Path, space: str = "local") -> EmDataset:
    """The dataset with the printed source in it."""
    parts = found.source + (OTHER if found.source.startswith("neurons") else "")
    path = folder / "mine.yaml"
    path.write_text(DATASET.format(space=space, parts=parts))
    return load_dataset(str(path), "/nowhere")


def rows_read(dataset: EmDataset, tally: Tally | None = None) -> int:
    source = dataset.sources[0]
    batches = read_source(source, dataset.volumes[source.volume], RegionNames("UNASGD"), tally)
    return sum(batch.num_rows for batch in batches)


def by_name(found: Inspection) -> dict[str, Any]:
    return {column.name: column for column in found.columns}


# Any table -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", KINDS)
def test_an_unknown_table_is_described_and_its_yaml_reads_it(tmp_path: Path, suffix: str) -> None:
    found = inspect_file(str(write(tmp_path, suffix, pa.table(ROWS))))
    assert (found.format, found.rows, found.estimated, found.looked_at) == (None, 3, False, 3)
    assert [column.name for column in found.columns] == list(ROWS)
    assert by_name(found)["body"].empty == 1
    assert by_name(found)["body"].examples == (str(BIG_ID), "3")
    assert by_name(found)["nt"].examples == ("gaba", "acetylcholine")
    assert found.coordinates is not None
    assert found.coordinates.columns == ("x", "y", "z")
    assert (found.coordinates.lowest, found.coordinates.highest) == ((100.0, 200.0, 5.0), (102.0, 202.0, 7.0))
    assert found.coordinates.units == "voxel"
    assert f"ids up to {BIG_ID}, beyond 2^53" in found.counts["neurons"]
    assert found.counts["regions"] == "2 in roi (2 known neuropils): LH_L 1, ME(R) 1"
    assert found.counts["classes"] == "2 in nt: acetylcholine 1, gaba 1"
    assert "1 rows have no neuron in body: 1 empty" in found.problems
    source = pasted(found, tmp_path).sources[0].model_dump()
    wanted = {"synapse_id": "id", "neuron_id": "body", "brain_region": "roi", "target": "nt"}
    assert {use: column for use, column in source["columns"].items() if use in wanted} == wanted
    assert rows_read(pasted(found, tmp_path)) == 3


def test_types_of_text_and_of_typed_columns(tmp_path: Path) -> None:
    table = pa.table(
        {
            "whole": ["1", "-2", None],
            "number": ["1", "2.5", None],
            "text": ["1", "a", "b"],
            "nothing": pa.array([None] * 3, pa.string()),
        }
    )
    types = {column.name: column.type for column in inspect_file(str(write(tmp_path, ".csv", table))).columns}
    assert types == {"whole": "whole numbers", "number": "numbers", "text": "text", "nothing": "empty"}
    typed = pa.table({"a": pa.array([1], pa.uint64()), "b": [1.5], "c": pa.array(["x"]).dictionary_encode()})
    found = inspect_file(str(write(tmp_path, ".parquet", typed)))
    assert [column.type for column in found.columns] == ["uint64", "double", "text"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".json"])
def test_rows_of_a_large_text_file_are_estimated(tmp_path: Path, suffix: str) -> None:
    count = 260_000
    rng = np.random.default_rng(0)
    rows = pa.table({axis: pa.array(rng.integers(0, 7_000, count)) for axis in "xyz"})
    found = inspect_file(str(write(tmp_path, suffix, rows)))
    assert found.estimated
    assert found.looked_at == 200_000
    assert found.rows is not None
    assert abs(found.rows - count) < 0.05 * count
    assert "about" in dict(found.facts())["file"]


@pytest.mark.parametrize("suffix", [".feather", ".parquet", ".db"])
def test_rows_of_a_large_typed_file_are_counted(tmp_path: Path, suffix: str) -> None:
    count = 210_000
    found = inspect_file(str(write(tmp_path, suffix, pa.table({axis: np.arange(count) for axis in "xyz"}))))
    assert (found.rows, found.estimated, found.looked_at) == (count, False, 200_000)


# Known formats -------------------------------------------------------------------------------------------------------------


def look_alike(name: str, folder: Path) -> Path:
    """A small file with the columns that a format is known by."""
    mapping = read_format(name)["source"]
    header = mapping.get("header")
    columns = header or read_format(name)["recognise"]
    table = {column: pa.array([1000 * place + 40 * row for row in (1, 2)]) for place, column in enumerate(columns, 1)}
    for column in set(columns) & {"neuropil", "roi"}:
        table[column] = pa.array(["EB", "ME_R"])
    for column in set(columns) & {"side"}:
        table[column] = pa.array(["left", "right"])
    for column, values in mapping.get("only", {}).items():
        table[column] = pa.array([values[0]] * 2)
    if mapping.get("columns", {}).get("position"):
        for column in ("location_pre", "location_post"):
            table[column] = pa.array([[200_000, 140_000, 410_001], [200_040, 140_003, 410_005]])
    if "sqlite" in name:
        return write_sqlite(folder / "links.db", {"a_table": pa.table({"a": [1]}), mapping["table"]: pa.table(table)})
    suffix = (
        ".json" if "json" in name else ".feather" if name == "flywire_v783" else ".tsv" if "annot" in name else ".csv"
    )
    path = write(folder, suffix, pa.table(table))
    if header:
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    return path


@pytest.mark.parametrize("name", format_names())
def test_every_format_is_recognised_and_its_yaml_reads_the_file(tmp_path: Path, name: str) -> None:
    found = inspect_file(str(look_alike(name, tmp_path)))
    mapping = read_format(name)
    assert found.format == name
    assert mapping["title"] in found.why
    if mapping["source"]["format"] == "neurons":
        dataset = pasted(found, tmp_path)
        assert dataset.neurons[0].name == yaml.safe_load(found.source)["neurons"][0]["name"]
        assert read_neurons(dataset.neurons[0]).num_rows == 2
    else:
        assert found.coordinates is not None
        assert found.coordinates.units == mapping["source"]["units"]
        space = mapping["source"].get("space")
        assert found.coordinates.reason == "as the format says" + (f", space {space}" if space else "")
        assert rows_read(pasted(found, tmp_path, space or "local")) == 2
        asked = [line.split(":")[0].strip("# ") for line in found.source.splitlines() if line.strip().startswith("#")]
        assert asked == [field for field in ("brain_region", "target_value", "id_prefix") if field in mapping["about"]]


def test_a_table_that_lacks_a_column_of_a_format_says_which(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("body,x,y,z,conf\n14419,25957,11537,17630,0.936\n")
    found = inspect_file(str(path))
    assert (found.format, found.why) == (None, "nearest is malevnc_synapses, which also has syn_id")


V3 = {
    "x": 400_000,
    "y": 160_001,
    "z": 120_040,
    "skeleton_id": 16,
    "brain_region": ["EB"],
    "splits": {"skeleton": "train"},
}
V4 = {"skid": 16, "connector_id": 5, "x": 4.5, "y": 8.0, "z": 40.0, "region": "EB", "neurotransmitter": "gaba"}


@pytest.mark.parametrize(
    ("name", "content", "format_", "part"),
    [
        ("synapses_v3", {"7": V3, "8": {**V3, "x": 400_004, "brain_region": None}}, "synister_v3", "sources"),
        ("skeletons_v3", {"16": {"hemi_lineage_id": 1, "nt_known": ["gaba"]}}, "synister_v3_skeletons", "neurons"),
        (
            "v4",
            [{**V4, "hemilineage": "ALad1", "lineage": None, "compartment": None, "flywire_id": None}],
            "synister_v4",
            "sources",
        ),
        ("hemi_lineages_v3", {"1": {"nt_guess": ["gaba"], "hemi_lineage_name": "ALad1"}}, None, ""),
    ],
)
def test_exports_of_synister(tmp_path: Path, name: str, content: Any, format_: str | None, part: str) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(content))
    (tmp_path / "hemi_lineages_v3.json").write_text(json.dumps({"1": {"nt_guess": None, "hemi_lineage_name": "ALad1"}}))
    found = inspect_file(str(path))
    assert (found.format, found.rows) == (format_, len(content))
    if not part:
        assert found.source == ""
        assert "hemi_lineages of its skeletons' source" in found.why
        return
    dataset = pasted(found, tmp_path)
    if part == "neurons":
        assert read_neurons(dataset.neurons[0]).num_rows == len(content)
    else:
        assert rows_read(dataset) == len(content)


@pytest.mark.parametrize(
    ("name", "format_"), [("calyx_gt", "synful_csv"), ("pb_pred", "synful_csv"), ("lh_done_gt", "synful_csv")]
)
def test_real_tables(tmp_path: Path, name: str, format_: str) -> None:
    path = synful(f"{name}.csv")
    found = inspect_file(str(path))
    assert found.format == format_
    assert ("columns: {score: score}" in found.source) == name.endswith("pred")
    dataset = pasted(found, tmp_path, "FAFB14")
    assert rows_read(dataset) == found.rows
    # Without being told, the numbers alone say as much.
    plain = tmp_path / "renamed.csv"
    table = pa.csv.read_csv(path)
    plain.write_text(
        ",".join(n.replace("skel", "s") for n in table.column_names) + "\n" + path.read_text().split("\n", 1)[1]
    )
    guessed = inspect_file(str(plain))
    assert guessed.format is None
    assert guessed.coordinates is not None
    assert guessed.coordinates.columns == ("pre_x", "pre_y", "pre_z")
    assert guessed.coordinates.units == "nm"
    assert "multiple of 40 nm" in guessed.coordinates.reason


# Guesses -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positions", "units", "axis_order", "certain"),
    [
        ([[421_776, 144_620, 211_160], [427_340, 143_468, 213_120]], "nm", "xyz", True),
        ([[211_160, 144_620, 421_777], [213_120, 143_468, 427_340]], "nm", "zyx", True),
        ([[105_444, 36_155, 5_279], [106_835, 35_867, 5_328]], "voxel", "xyz", True),
        ([[5_279, 36_155, 105_444], [5_328, 35_867, 106_835]], "voxel", "zyx", True),
        ([[25_957, 11_537, 17_630], [24_001, 11_111, 16_003]], "voxel", "xyz", False),
        ([[421_776.5, 144_620.25, 211_160.1]], "nm", "xyz", False),
        ([[1_002.6, 512.4, 0.0], [87.25, 33.1, 13.6]], "voxel", "xyz", False),
        ([[207_656, 92_296, 141_043]], "nm", "xyz", False),
    ],
)
def test_units_and_axis_order_by_the_numbers(
    positions: list[list[float]], units: str, axis_order: str, certain: bool
) -> None:
    scale = scale_of(np.array(positions, dtype=float))
    assert (scale.units, scale.axis_order, scale.certain) == (units, axis_order, certain)


def test_a_format_whose_numbers_look_otherwise_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "links.json"
    link = {"id": 1, "id_skel_pre": 1, "id_skel_post": 2, "location_pre": [421_777, 144_620, 211_160]}
    path.write_text(json.dumps([{**link, "location_post": [1, 2, 3]}]))
    found = inspect_file(str(path))
    assert any(problem.startswith("synful_json has nm in zyx; these look like nm in xyz") for problem in found.problems)
    x_and_z = tmp_path / "points.csv"
    x_and_z.write_text("x,y,z\n211160,144620,421777\n213120,143468,427340\n")
    assert any(problem.startswith("x looks like z") for problem in inspect_file(str(x_and_z)).problems)


# Problems ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": [11, 11, 13]}, "1 rows repeat an id (id)"),
        ({"id": [11, None, 13]}, "1 rows have no id (id)"),
        ({"id": [11, None, 13]}, "read like this it is refused"),
        ({"x": [1, 1, 2], "y": [1, 1, 2], "z": [1, 1, 2]}, "1 rows have the position of another row"),
        ({"y": [1, None, 2]}, "1 rows lack a coordinate"),
        ({"x": ["1", "here", "2"]}, "row 2, column 'x': 'here' is no number"),
        ({"body": [float(BIG_ID), None, 1.0]}, "holds identifiers as floating-point numbers"),
        ({"body": [0, 5, 6]}, "1 rows have no neuron"),
        ({"roi": ["EB", "lobe of mine", "FB"]}, "no known neuropils: lobe of mine (roi)"),
        ({"roi": ["EB", None, "FB"]}, "1 rows are empty in roi"),
    ],
)
def test_problems_are_seen(tmp_path: Path, changes: dict[str, list[Any]], problem: str) -> None:
    path = write(
        tmp_path, ".parquet", pa.table({**ROWS, **{name: pa.array(values) for name, values in changes.items()}})
    )
    found = inspect_file(str(path))
    assert any(problem in said for said in found.problems), found.problems


def test_a_sound_table_has_no_problems(tmp_path: Path) -> None:
    sound = {**ROWS, "body": pa.array([BIG_ID, 2, 3]), "roi": ["EB", "ME_R", "LH_L"], "nt": ["gaba"] * 3}
    assert inspect_file(str(write(tmp_path, ".parquet", pa.table(sound)))).problems == ()


def test_a_file_without_header_is_read_with_names_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("1,10,20,3,EB\n2,11,21,4,FB\n")
    found = inspect_file(str(path))
    assert [column.name for column in found.columns] == [f"column_{index}" for index in range(1, 6)]
    assert any("no header" in problem for problem in found.problems)
    named = inspect_file(str(path), header=["id", "x", "y", "z", "roi"])
    assert named.problems == ()
    assert rows_read(pasted(named, tmp_path)) == 2


def test_the_tables_of_a_database_are_listed(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "many.db", {"other": pa.table({"a": [1]}), "places": pa.table(ROWS)})
    assert inspect_file(str(path)).tables == ("other", "places")
    found = inspect_file(str(path), table="places")
    assert "table: places" in found.source
    assert rows_read(pasted(found, tmp_path)) == 3


@pytest.mark.parametrize("suffix", KINDS)
def test_a_pointer_is_no_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"points{suffix}"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(BadInput, match="git-LFS pointer"):
        inspect_file(str(path))


def test_values_of_several_types_are_shown_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "mixed.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE places (id, x, y, z)")
        rows = [(row, row, row, row) for row in range(70_000)]
        connection.executemany("INSERT INTO places VALUES (?, ?, ?, ?)", [*rows, ("last", 1, 2, 3)])
    connection.close()
    found = inspect_file(str(path))
    assert by_name(found)["id"].type == "text"
    filled = replace(found, source=found.source.replace(FILL_IN, "nm"))
    assert (found.rows, rows_read(pasted(filled, tmp_path))) == (70_001, 70_001)


# Folders -------------------------------------------------------------------------------------------------------------------


def detected(root: Path, *rows: pa.Table) -> Path:
    store = DatasetStore(str(root), FINDER)
    for block, table in zip(BLOCKS, rows, strict=False):
        write_detections(store, block, table)
    return root / FINDER / "tables" / "synapses"


def test_the_folder_of_a_partitioned_table_is_one_table(tmp_path: Path) -> None:
    folder = detected(tmp_path, DETECTIONS.empty(), detections(BLOCKS[1]))
    result = CliRunner().invoke(app, ["inspect", str(folder)], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert "36 rows" in result.output
    found = inspect_file(str(folder))
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    assert (found.format, found.path, found.rows, found.bytes) == ("detections", str(folder), 36, size)
    written = yaml.safe_load(found.source)["sources"][0]
    assert written == {"name": "synapses", "format": "detections", "path": str(folder), "volume": "em"}
    detected(tmp_path, detections(BLOCKS[0]))
    assert rows_read(pasted(found, tmp_path)) == 72
    assert inspect_file(str(folder)).rows == 72


def test_a_partitioned_table_without_rows_says_so(tmp_path: Path) -> None:
    folder = detected(tmp_path, DETECTIONS.empty(), DETECTIONS.empty())
    with pytest.raises(BadInput, match=r"none of the 2 files in .*synapses has rows: inspect it again"):
        inspect_file(str(folder))


@pytest.mark.parametrize("folder", ["", "neuropil=EB", "block=a/b"])
def test_any_other_folder_is_refused_as_one(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "a.csv").write_text("x,y,z\n1,2,3\n")
    with pytest.raises(BadInput, match="is a folder: name the file in it"):
        inspect_file(str(tmp_path))


# On the screen -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flywire_v783", "microns_pni_2", "synful_json"])
def test_the_command_fits_a_screen_and_prints_what_can_be_pasted(tmp_path: Path, name: str) -> None:
    path = look_alike(name, tmp_path)
    result = CliRunner().invoke(app, ["inspect", str(path)], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) <= 50
    printed = result.output.split("(volume: the name of yours)\n")[1]
    assert yaml.safe_load(printed)["sources"][0]["format"] == name


def test_the_command_says_what_is_wrong_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress(b"x,y,z\n1,2,3\n" * 1000)[:-20])
    result = CliRunner().invoke(app, ["inspect", str(path)])
    assert result.exit_code == 2
    assert "points.csv.gz" in result.output
    assert "Fetch it again" in result.output
