"""What `inspect` makes of tables as labs export them: planted look-alikes, their YAML pasted, filled in and read."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from synapse_assets.cli import app
from synapse_assets.datasets import EmDataset, MorphologyDataset, load_dataset
from synapse_assets.datasets.yaml_text import FILL_IN
from synapse_assets.errors import BadInput
from synapse_assets.sample.workbook import draw_sample_workbook
from synapse_assets.sources import RegionNames, Tally, read_neurons, read_source
from synapse_assets.sources.inspect import Inspection, inspect_file
from synapse_assets.sources.workbooks import read_workbooks
from synapse_assets_tests.sources.tables import column, write, write_sqlite
from synapse_assets_tests.sources.test_inspect import pasted

RNG = np.random.default_rng(3)
COUNT = 40


def sites(count: int = COUNT) -> dict[str, Any]:
    """Positions in nm, in sections of 40 nm."""
    return {
        "x": RNG.integers(400_000, 500_000, count),
        "y": RNG.integers(100_000, 200_000, count),
        "z": 40 * RNG.integers(1_000, 5_000, count),
    }


def inspected(folder: Path, columns: dict[str, Any], suffix: str = ".parquet") -> Inspection:
    return inspect_file(str(write(folder, suffix, pa.table(columns))))


def source_of(found: Inspection) -> dict[str, Any]:
    """The fields of the printed source."""
    content = yaml.safe_load(found.source)
    fields: dict[str, Any] = next(iter(content.values()))[0]
    return fields


def read_as_printed(found: Inspection, folder: Path, fill_in: dict[str, str] | None = None) -> pa.Table:
    """The rows that a dataset with the printed source reads; `fill_in` is what a person writes in a field that asks."""
    printed = found.source
    for field, value in (fill_in or {}).items():
        printed, times = re.subn(rf"(?m)^(\s*{field}: .*?){FILL_IN}", rf"\g<1>{value}", printed)
        assert times == 1, f"{field} is not asked for: {printed}"
    path = folder / "filled.yaml"
    path.write_text(HEAD + printed + REST)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    source = dataset.sources[0]
    regions = RegionNames(dataset.missing_region, dataset.region_names)
    return pa.concat_tables(read_source(source, dataset.volumes[source.volume], regions, Tally()))


HEAD = """
name: mine
title: Mine
description: A dataset that a source was pasted into.
volumes:
  em: {kind: zarr, url: /somewhere/em.zarr, voxel_size_nm: [4, 4, 40], space: local}
"""
REST = "grouping: [brain_region]\ntile: {size_px: 64, sections: 3}\n"


# Pre and post --------------------------------------------------------------------------------------------------------------

WORDS = {
    "pre and post": ("type", "pre", "post"),
    "neuPrint": ("kind", "PreSyn", "PostSyn"),
    "CATMAID": ("relation", "presynaptic_to", "postsynaptic_to"),
    "long words": ("connector_type", "presynaptic", "postsynaptic"),
    "upper case": ("Type", "PRE", "POST"),
    "prepost in words": ("prepost", "pre", "post"),
    "structures": ("type", "TBar", "PSD"),
    "hyphens": ("role", "pre-synaptic", "post-synaptic"),
    "seen from the neuron": ("direction", "output", "input"),
    "another name": ("what", "pre", "post"),
    "a side": ("side", "pre", "post"),
    "a label": ("label", "presynaptic", "postsynaptic"),
    "sites": ("annotation", "presynaptic site", "postsynaptic site"),
    "parts": ("structure", "presynaptic terminal", "postsynaptic terminal"),
    "abbreviated": ("kind", "pre-syn.", "post-syn."),
    "truth": ("is_pre", "true", "false"),
    "truth by number": ("is_presynaptic", "1", "0"),
    "truth of the other": ("is_postsynaptic", "False", "True"),
    "truth without is": ("presynaptic", "True", "False"),
    "yes and no": ("isPre", "yes", "no"),
    "YAML's own words": ("is_pre", "y", "n"),
}


@pytest.mark.parametrize(("name", "pre", "post"), WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_only_presynaptic_rows_are_proposed(tmp_path: Path, suffix: str, name: str, pre: str, post: str) -> None:
    which = np.array([pre] * 13 + [post] * 27)[RNG.permutation(COUNT)]
    table = {"connector_id": np.arange(COUNT), "node_id": np.arange(COUNT) + 7, name: which, **sites()}
    table |= {"roi": ["EB", "FB"] * 20, "confidence": np.full(COUNT, 0.9)}
    found = inspected(tmp_path, table, suffix)
    told = " ".join(found.problems)
    assert re.search(rf"{name} has \S+( \w+)? in 27 rows, \S+( \w+)? in 13: only the presynaptic", told)
    rows = read_as_printed(found, tmp_path)
    wanted = sorted(str(number) for number in np.flatnonzero(which == pre))
    assert sorted(column(rows, "synapse_id")) == wanted
    assert set(column(rows, "target")) == {None}
    assert sum(found.left_out.values()) == 27


@pytest.mark.parametrize("name", ["prepost", "type", "relation", "connector_type", "kind", "pre_post", "relation_id"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_codes_of_sites_are_asked_for(tmp_path: Path, suffix: str, name: str) -> None:
    codes = np.array([0] * 13 + [1] * 27)[RNG.permutation(COUNT)]
    found = inspected(tmp_path, {"connector_id": np.arange(COUNT), name: codes, **sites()}, suffix)
    assert any(
        f"{name} has 1 in 27 rows, 0 in 13" in problem and "write the value" in problem for problem in found.problems
    )
    assert source_of(found)["only"] == {name: [FILL_IN]}
    with pytest.raises(BadInput, match=rf"mine\.yaml: sources 'points'\.only\.{name} still says FILL_IN: write in its"):
        pasted(found, tmp_path)
    assert read_as_printed(found, tmp_path, {"only": "0"}).num_rows == 13


def test_other_relations_are_left_out_too(tmp_path: Path) -> None:
    words = ["presynaptic_to"] * 10 + ["postsynaptic_to"] * 20 + ["gapjunction_with"] * 6 + [None] * 4
    found = inspected(tmp_path, {**sites(), "relation": words})
    assert read_as_printed(found, tmp_path).num_rows == 10
    assert found.left_out == {"relation is not presynaptic_to": 30}


def test_postsynaptic_sites_alone_are_no_source(tmp_path: Path) -> None:
    found = inspected(tmp_path, {**sites(), "type": ["post"] * COUNT})
    assert found.source == ""
    assert any("these are postsynaptic sites" in problem for problem in found.problems)


@pytest.mark.parametrize(("first", "later"), [("pre", "post"), ("post", "pre")])
def test_sites_that_come_later_than_the_sample(tmp_path: Path, first: str, later: str) -> None:
    count = 200_000
    which = pa.array([first] * count + [later] * 10)
    found = inspected(tmp_path, {"type": which, **{axis: 40 * np.arange(count + 10) for axis in "xyz"}})
    rows = read_as_printed(found, tmp_path, {} if first == "pre" else {"only": "pre"})
    assert rows.num_rows == (count if first == "pre" else 10)


def test_presynaptic_sites_alone_are_all_read(tmp_path: Path) -> None:
    found = inspected(tmp_path, {**sites(), "type": ["pre"] * COUNT})
    assert not any("type has" in problem for problem in found.problems)
    assert read_as_printed(found, tmp_path).num_rows == COUNT


@pytest.mark.parametrize(
    "more",
    [
        {"type": ["symmetric", "asymmetric"] * 20},
        {"label": ["presynaptic", "mitochondrion"] * 20},
        {"type": ["KCg", "MBON01"] * 20},
        {"note": ["pre-processed", "post"] * 20},
        {"side": ["left", "right"] * 20},
        {"type": np.arange(COUNT)},
        {"synapse_type": [1, 2] * 20},
        {"pre": np.arange(COUNT) + 1, "post": np.arange(COUNT) + 2},
        {"kind": [0.5, 1.0] * 20},
    ],
    ids=lambda more: " and ".join(f"{name} {values[0]}" for name, values in more.items()),
)
def test_columns_that_say_something_else_leave_no_row_out(tmp_path: Path, more: dict[str, Any]) -> None:
    found = inspected(tmp_path, {**sites(), **more})
    assert "only" not in source_of(found)
    assert read_as_printed(found, tmp_path).num_rows == COUNT


def test_a_format_counts_the_rows_that_it_reads(tmp_path: Path) -> None:
    table = {"bodyId": np.arange(COUNT) + 1, "type": ["pre"] * 10 + ["post"] * 30, "roi": ["EB"] * 10 + ["FB"] * 30}
    found = inspected(tmp_path, {**table, **sites(), "confidence": np.ones(COUNT)}, ".csv")
    assert found.format == "hemibrain_neuprint"
    assert found.counts["regions"] == "1 in roi (1 known neuropils): EB 10"
    assert found.left_out == {"type is not pre": 30}
    assert ("left out", "30 rows: type is not pre") in found.facts()


# Names of columns ----------------------------------------------------------------------------------------------------------

PAIRS = {
    "neuPrint": ("bodyId_pre", "bodyId_post", "roi_pre", "confidence_pre"),
    "CAVE": ("pre_pt_root_id", "post_pt_root_id", "neuropil", "cleft_score"),
    "Codex": ("pre_root_id", "post_root_id", "neuropil", "score"),
    "MICrONS phase 1": ("presyn_segid", "postsyn_segid", "region", "confidence"),
    "synful": ("pre_skel_id", "post_skel_id", "brain_region", "score"),
    "synful JSON": ("id_skel_pre", "id_skel_post", "brain_region", "scores"),
    "Buhmann": ("segmentid_pre", "segmentid_post", "neuropil_pre", "cleft_scores"),
    "CATMAID": ("pre_skid", "post_skid", "roi", "conf"),
    "camel case": ("preBodyId", "postBodyId", "preRoi", "preConfidence"),
    "words in full": ("presynaptic_neuron_id", "postsynaptic_neuron_id", "presynaptic_region", "confidence"),
    "two words": ("pre_synaptic_body_id", "post_synaptic_body_id", "pre_roi", "score"),
    "cells": ("pre_cell_id", "post_cell_id", "region_name", "probability"),
    "alone": ("pre", "post", "ROI", "Score"),
    "behind": ("root_id_pre", "root_id_post", "neuropil_pre", "connection_score"),
    "skeletons": ("skeleton_id_pre", "skeleton_id_post", "primary_roi", "score_pre"),
}


@pytest.mark.parametrize("names", PAIRS.values(), ids=PAIRS)
def test_names_of_neurons_region_and_score_are_known(tmp_path: Path, names: tuple[str, ...]) -> None:
    pre, post, region, score = names
    table = {pre: np.arange(COUNT) + 1, post: np.arange(COUNT) + 100, region: ["EB", "FB"] * 20}
    if region.endswith("_pre") or region.startswith("pre"):
        table[region.replace("pre", "post")] = ["GNG"] * COUNT
    table |= {f"{axis}_pre": values for axis, values in sites().items()} | {score: np.full(COUNT, 0.5)}
    table |= {f"{axis}_post": values for axis, values in sites().items()}
    found = inspected(tmp_path, table)
    columns = source_of(found)["columns"]
    assert [columns[use] for use in ("neuron_id", "partner_id", "brain_region", "score")] == list(names)
    rows = read_as_printed(found, tmp_path)
    assert column(rows, "neuron_id") == list(range(1, COUNT + 1))
    assert set(column(rows, "brain_region")) == {"EB", "FB"}
    assert column(rows, "x_nm") == table["x_pre"].tolist()


@pytest.mark.parametrize(
    "name",
    [
        *("gt_neurotransmitter", "nt_class", "verified_nt", "known_nt", "nt_known", "gt_nt", "knownNt", "true_nt"),
        *("neurotransmitter_verified", "known.classic.transmitter", "gt_label", "Neurotransmitter"),
    ],
)
def test_names_of_known_classes(tmp_path: Path, name: str) -> None:
    found = inspected(tmp_path, {**sites(), name: ["gaba", "ach"] * 20})
    assert source_of(found)["columns"]["target"] == name
    assert set(column(read_as_printed(found, tmp_path), "target")) == {"gaba", "acetylcholine"}


@pytest.mark.parametrize("known", ["gt_neurotransmitter", "verified_nt", "known_nt"])
@pytest.mark.parametrize("other", ["neurotransmitter", "nt", "class"])
def test_what_is_known_comes_before_what_may_be_predicted(tmp_path: Path, known: str, other: str) -> None:
    found = inspected(tmp_path, {**sites(), other: ["b"] * COUNT, known: ["a"] * COUNT})
    assert source_of(found)["columns"]["target"] == known


@pytest.mark.parametrize("name", ["predicted_nt", "nt_type", "top_nt", "conf_nt", "predictedNt", "nt_predicted"])
def test_what_is_predicted_is_no_class(tmp_path: Path, name: str) -> None:
    found = inspected(tmp_path, {**sites(), name: ["gaba", "ach"] * 20})
    assert "target" not in source_of(found)["columns"]


def test_tables_of_neurons_of_neuprint(tmp_path: Path) -> None:
    neurons = {"bodyId": [5, 6], "instance": ["a_R", "b_L"], "type": ["KCg", "MBON01"], "pre": [10, 20], "post": [7, 8]}
    found = inspected(tmp_path, {**neurons, "somaSide": ["R", "L"], "knownNt": ["ach", None]})
    table = read_neurons(pasted(found, tmp_path).neurons[0])
    assert column(table, "cell_type") == ["KCg", "MBON01"]
    assert column(table, "side") == ["right", "left"]
    assert column(table, "target") == ["acetylcholine", None]


def test_ids_without_their_common_part_get_it_back(tmp_path: Path) -> None:
    table = {"pre_root_id_720575940": [621, 45], **sites(2)}
    rows = read_as_printed(inspected(tmp_path, table), tmp_path)
    assert column(rows, "neuron_id") == [720575940000000621, 720575940000000045]


def test_source_and_target_are_neurons_where_they_are_ids(tmp_path: Path) -> None:
    found = inspected(tmp_path, {"source": np.arange(COUNT) + 1, "target": np.arange(COUNT) + 9, **sites()})
    assert {**source_of(found)["columns"]} == {
        "neuron_id": "source",
        "partner_id": "target",
        **{axis: axis for axis in "xyz"},
    }
    named = inspected(tmp_path, {"source": ["by hand"] * COUNT, "target": ["gaba"] * COUNT, **sites()})
    assert source_of(named)["columns"]["target"] == "target"


# Units ---------------------------------------------------------------------------------------------------------------------


def lists(columns: dict[str, Any]) -> list[list[int]]:
    return [list(map(int, row)) for row in zip(*columns.values(), strict=True)]


def around(low: tuple[int, int, int], size: tuple[int, int, int]) -> dict[str, Any]:
    return {axis: RNG.integers(start, start + span, COUNT) for axis, start, span in zip("xyz", low, size, strict=True)}


CAVE = {
    "MICrONS": around((180_000, 140_000, 15_000), (200_000, 120_000, 12_000)),
    "a corner of MICrONS": around((300_000, 200_000, 20_000), (500, 500, 50)),
    "small numbers": around((100, 120, 90), (400, 400, 300)),
    "small and thin": around((1_000, 1_200, 10), (4_000, 4_000, 30)),
    "FlyWire": around((100_000, 50_000, 2_000), (100_000, 60_000, 3_000)),
    "H01": around((20_000, 30_000, 100), (400_000, 300_000, 5_000)),
    "looks like zyx": around((100, 500, 8_000), (300, 4_000, 12_000)),
}


@pytest.mark.parametrize("positions", CAVE.values(), ids=CAVE)
@pytest.mark.parametrize("name", ["pre_pt_position", "ctr_pt_position"])
@pytest.mark.parametrize("split", [False, True])
def test_voxels_of_cave_are_never_taken_for_nm(
    tmp_path: Path, name: str, positions: dict[str, Any], split: bool
) -> None:
    table: dict[str, Any] = {"id": np.arange(COUNT), "pre_pt_root_id": np.arange(COUNT) + 1}
    if split:
        table |= {f"{name}_{axis}": values for axis, values in positions.items()}
    else:
        table |= {name: lists(positions)}
        table |= {"post_pt_position": lists(around((1, 1, 1), (9, 9, 9)))}
    found = inspected(tmp_path, table)
    fields = source_of(found)
    if fields["units"] == FILL_IN:
        assert "desired_resolution" in found.source
        rows = read_as_printed(found, tmp_path, {"units": "voxel\n    voxel_size_nm: [4, 4, 40]"})
    else:
        assert fields["units"] == "voxel"
        assert fields["voxel_size_nm"] == FILL_IN
        rows = read_as_printed(found, tmp_path, {"voxel_size_nm": "[4, 4, 40]"})
    for axis, size in zip("xyz", (4, 4, 40), strict=True):
        assert column(rows, f"{axis}_nm") == ((positions[axis] + 0.5) * size).tolist()


@pytest.mark.parametrize(
    ("resolution", "units", "size"),
    [
        ([4, 4, 40], "voxel", [4, 4, 40]),
        ([4.0, 4.0, 45.0], "voxel", [4, 4, 45]),
        ([1, 1, 1], FILL_IN, None),
        ("mixed_resolutions", FILL_IN, None),
        (None, FILL_IN, None),
        ([0, 4, 40], FILL_IN, None),
    ],
)
def test_the_resolution_that_caveclient_gives_is_taken(
    tmp_path: Path, resolution: Any, units: str, size: list[int] | None
) -> None:
    table = pd.DataFrame({"id": range(COUNT), "pre_pt_position": lists(CAVE["MICrONS"])})
    table.attrs = {"table_name": "synapses", "dataframe_resolution": resolution}
    table.to_parquet(tmp_path / "cave.parquet")
    fields = source_of(inspect_file(str(tmp_path / "cave.parquet")))
    assert (fields["units"], fields.get("voxel_size_nm")) == (units, size)


def test_voxels_in_the_columns_of_a_format_in_nm_are_asked_for(tmp_path: Path) -> None:
    table: dict[str, Any] = {"id": np.arange(COUNT), "pre_pt_root_id": np.arange(COUNT) + 1, "neuropil": ["EB"] * COUNT}
    table |= {"post_pt_root_id": np.arange(COUNT) + 900, "cleft_score": [90] * COUNT}
    table |= {f"pre_pt_position_{axis}": values for axis, values in CAVE["FlyWire"].items()}
    found = inspected(tmp_path, table)
    assert found.format == "flywire_v783"
    (entry,) = yaml.safe_load(found.source)["sources"]
    assert entry["units"] == FILL_IN
    local = {**entry, "units": "voxel", "voxel_size_nm": [4, 4, 40], "space": "local"}
    path = tmp_path / "filled.yaml"
    path.write_text(HEAD + yaml.safe_dump({"sources": [local]}) + REST)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    rows = pa.concat_tables(read_source(dataset.sources[0], dataset.volumes["em"], RegionNames("U")))
    assert column(rows, "z_nm") == ((CAVE["FlyWire"]["z"] + 0.5) * 40).tolist()


def test_nanometres_of_cave_that_say_so_are_read(tmp_path: Path) -> None:
    nm = {axis: values * size for (axis, values), size in zip(CAVE["MICrONS"].items(), (4, 4, 40), strict=True)}
    found = inspected(tmp_path, {"id": np.arange(COUNT), "pre_pt_position": lists(nm)})
    assert source_of(found)["units"] == "nm"
    assert column(read_as_printed(found, tmp_path), "z_nm") == nm["z"].tolist()


STATED: dict[str, tuple[dict[str, Any], str, list[int] | None]] = {
    "nm in the names": ({"x_nm": [5, 6], "y_nm": [7, 8], "z_nm": [9, 10]}, "nm", None),
    "nm in brackets": ({"x [nm]": [5, 6], "y [nm]": [7, 8], "z [nm]": [9, 10]}, "nm", None),
    "nm without a blank": ({"xnm": [5, 6], "ynm": [7, 8], "znm": [9, 10]}, "nm", None),
    "nm before": ({"pre_nm_x": [5, 6], "pre_nm_y": [7, 8], "pre_nm_z": [9, 10]}, "nm", None),
    "nm of a list": ({"position_nm": [[5, 7, 9], [6, 8, 10]]}, "nm", None),
    "voxels in the names": ({"x_vox": [900_005, 6], "y_vox": [7, 8], "z_vox": [9, 10]}, "voxel", None),
    "pixels": ({"x_px": [900_005, 6], "y_px": [7, 8], "z_px": [9, 10]}, "voxel", None),
    "voxels of a list": ({"voxel_position": [[900_005, 7, 9], [6, 8, 10]]}, "voxel", None),
    "a column of units": (
        {"x": [900_005, 6], "y": [7, 8], "z": [9, 10], "units": ["voxels"] * 2},
        "voxel",
        None,
    ),
    "a column of nm": ({"x": [5, 6], "y": [7, 8], "z": [9, 10], "unit": ["nm"] * 2}, "nm", None),
    "a resolution": (
        {"pre_pt_position": [[900_005, 7, 9], [6, 8, 10]], "resolution": [[4, 4, 40]] * 2},
        "voxel",
        [4, 4, 40],
    ),
    "a resolution in words": (
        {"x": [900_005, 6], "y": [7, 8], "z": [9, 10], "voxel_resolution": ["[4 4 40]"] * 2},
        "voxel",
        [4, 4, 40],
    ),
    "a resolution of 1 nm": ({"x": [5, 6], "y": [7, 8], "z": [9, 10], "resolution": ["1,1,1"] * 2}, "nm", None),
    "a resolution by axis": (
        {
            "x": [900_005, 6],
            "y": [7, 8],
            "z": [9, 10],
            "voxel_size_x": [4, 4],
            "voxel_size_y": [4, 4],
            "voxel_size_z": [40, 40],
        },
        "voxel",
        [4, 4, 40],
    ),
}


@pytest.mark.parametrize(("table", "units", "size"), STATED.values(), ids=STATED)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_the_table_states_is_taken(
    tmp_path: Path, suffix: str, table: dict[str, Any], units: str, size: list[int] | None
) -> None:
    if suffix == ".csv":
        table = {name: [str(one) if isinstance(one, list) else one for one in values] for name, values in table.items()}
    found = inspected(tmp_path, table, suffix)
    fields = source_of(found)
    assert (fields["units"], fields.get("voxel_size_nm")) == (units, size)
    assert read_as_printed(found, tmp_path).num_rows == 2


@pytest.mark.parametrize("unit", ["um", "µm", "micron", "microns"])
def test_micrometres_are_named(tmp_path: Path, unit: str) -> None:
    found = inspected(tmp_path, {f"{axis}_{unit}": [1.5, 2.5] for axis in "xyz"})
    assert found.source == ""
    assert any("are micrometres" in problem and "times 1,000" in problem for problem in found.problems)


def test_a_statement_that_the_numbers_contradict_is_told(tmp_path: Path) -> None:
    found = inspected(tmp_path, {f"{axis}_vox": values for axis, values in sites().items()})
    assert any("x_vox says so: voxel; but these look like nm" in problem for problem in found.problems)


UNCERTAIN = {
    "isotropic": around((20_000, 10_000, 15_000), (9_000, 9_000, 9_000)),
    "a small block": around((0, 0, 0), (250, 250, 250)),
    "large": around((200_000, 90_000, 140_000), (9_000, 9_000, 9_000)),
    "fractions": {axis: values + 0.25 for axis, values in around((400_000, 140_000, 210_000), (9, 9, 9)).items()},
    "a thin stack of nm": {axis: values * 4 for axis, values in around((0, 0, 0), (5_000, 5_000, 50)).items()},
    "numbers beside nm": {f"{axis}_8nm": values for axis, values in around((9, 9, 9), (900_000, 9_000, 9_000)).items()},
    "a thin stack": {axis: values + 0.25 for axis, values in around((10, 10, 1), (900, 900, 14)).items()},
}


@pytest.mark.parametrize("positions", UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_is_not_certain_is_asked_where_it_is_written(tmp_path: Path, positions: dict[str, Any]) -> None:
    found = inspected(tmp_path, {"id": np.arange(COUNT), **positions})
    fields = source_of(found)
    asked = [name for name, value in fields.items() if value == FILL_IN]
    assert len(asked) == 1
    assert re.search(rf"\n    {asked[0]}: FILL_IN  # .*nm", found.source)
    with pytest.raises(BadInput, match=rf"sources 'points'\.{asked[0]} still says FILL_IN: write in its place") as told:
        pasted(found, tmp_path)
    assert len(str(told.value).splitlines()) == 1
    filled = {"units": "nm"} if asked == ["units"] else {"voxel_size_nm": "[8, 8, 8]"}
    rows = read_as_printed(found, tmp_path, filled)
    along_x = next(values for name, values in positions.items() if name.startswith("x"))
    wanted = along_x if asked == ["units"] else (along_x + 0.5) * 8
    assert column(rows, "x_nm") == wanted.tolist()
    names = list(fields)
    assert names.index("units") == names.index("volume") + 1
    assert "voxel_size_nm" not in names or names.index("voxel_size_nm") == names.index("units") + 1


def test_the_voxels_of_neuprint_are_known(tmp_path: Path) -> None:
    positions = around((20_000, 10_000, 15_000), (9_000, 9_000, 9_000))
    found = inspected(tmp_path, {"bodyId_pre": np.arange(COUNT) + 1, **positions})
    assert source_of(found)["voxel_size_nm"] == [8, 8, 8]
    assert column(read_as_printed(found, tmp_path), "x_nm") == ((positions["x"] + 0.5) * 8).tolist()


def test_sections_of_40_nm_in_a_small_block_are_nm(tmp_path: Path) -> None:
    positions = around((0, 0, 0), (9_000, 9_000, 50))
    found = inspected(tmp_path, positions | {"z": positions["z"] * 40})
    assert source_of(found)["units"] == "nm"


def test_a_table_of_somas_is_told(tmp_path: Path) -> None:
    for name, position in (("pt_root_id", "pt_position"), ("root_id", "position"), ("bodyId", "somaLocation")):
        found = inspected(tmp_path, {name: np.arange(COUNT) + 1, position: lists(CAVE["FlyWire"])})
        assert any(one.startswith(f"each row has a neuron of its own ({name})") for one in found.problems)
    found = inspected(tmp_path, {"root_id": np.arange(COUNT) // 2 + 1, "position": lists(CAVE["FlyWire"])})
    assert not any("a neuron of its own" in one for one in found.problems)


def test_the_corners_of_a_box_are_no_position(tmp_path: Path) -> None:
    box = {"bb_start_position": lists(CAVE["FlyWire"]), "bbox_end": lists(CAVE["FlyWire"])}
    assert inspected(tmp_path, box).source == ""
    found = inspected(tmp_path, {**box, "a_long_name_of_the_position": lists(CAVE["FlyWire"])})
    assert source_of(found)["columns"]["position"] == "a_long_name_of_the_position"


def test_a_list_of_three_sizes_is_no_position(tmp_path: Path) -> None:
    table = {"resolution": [[4, 4, 40]] * COUNT, "ctr_pt_position": lists(CAVE["FlyWire"])}
    assert source_of(inspected(tmp_path, table))["columns"]["position"] == "ctr_pt_position"


# What is no table of synapses ----------------------------------------------------------------------------------------------

IDS = np.arange(COUNT) + 720575940600000000
CONNECTIONS: dict[str, dict[str, Any]] = {
    "Codex": {"pre_root_id": IDS, "post_root_id": IDS, "neuropil": ["EB"] * COUNT, "syn_count": [5] * COUNT},
    "FlyWire": {"pre_pt_root_id": IDS, "post_pt_root_id": IDS, "syn_count": [5] * COUNT, "gaba_avg": [0.5] * COUNT},
    "neuPrint": {"bodyId_pre": IDS, "bodyId_post": IDS, "weight": [5] * COUNT},
    "neuPrint by region": {"bodyId_pre": IDS, "bodyId_post": IDS, "roi": ["EB"] * COUNT, "weight": [5] * COUNT},
    "edges": {"source": IDS, "target": IDS, "weight": [5] * COUNT},
    "from and to": {"from": IDS, "to": IDS, "count": [5] * COUNT},
    "short": {"pre": IDS, "post": IDS, "n": [5] * COUNT},
    "natverse": {"pre_id": IDS, "post_id": IDS, "weight": [5] * COUNT},
    "upstream": {"upstream_id": IDS, "downstream_id": IDS, "synapses": [5] * COUNT},
    "CATMAID": {"pre_skid": IDS, "post_skid": IDS, "n_syn": [5] * COUNT},
    "without a number": {"presynaptic_id": IDS, "postsynaptic_id": IDS},
    "names of cells": {"pre": ["KC"] * COUNT, "post": ["MBON"] * COUNT, "weight": [5] * COUNT},
    "partners": {"neuron": IDS, "partner": IDS, "syn_count": [5] * COUNT},
    "with a link": {"id": np.arange(COUNT), "pre_root_id": IDS, "post_root_id": IDS},
}


@pytest.mark.parametrize("table", CONNECTIONS.values(), ids=CONNECTIONS)
@pytest.mark.parametrize("suffix", [".csv", ".feather"])
def test_a_table_of_connections_is_named(tmp_path: Path, suffix: str, table: dict[str, Any]) -> None:
    found = inspected(tmp_path, table, suffix)
    assert found.source == ""
    names = [name for name in table if name not in ("id", "neuropil", "roi")]
    told = next(problem for problem in found.problems if problem.startswith("a table of connections"))
    assert f"{names[0]} and {names[1]}" in told
    assert "with " + names[2] in told if len(names) > 2 else ", with " not in told


@pytest.mark.parametrize(
    "table",
    [
        {"a": [1, 2], "b": [3, 4]},
        {"x": [1, 2], "y": [3, 4]},
        {"name": ["KCg", "MBON"], "count": [5, 6]},
        {"probability": [0.5, 0.6]},
        {"x0": [1, 2], "y0": [3, 4], "z": [5, 6]},
    ],
    ids=lambda table: " ".join(table),
)
def test_a_table_of_nothing_known_says_what_is_wanted(tmp_path: Path, table: dict[str, Any]) -> None:
    found = inspected(tmp_path, table)
    assert found.source == ""
    assert any(problem.startswith("no positions (x, y and z") for problem in found.problems)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"root_id": [1, 1], "side": ["left", "right"]}, "rows of neuron 1 tell different things of its side"),
        ({"root_id": [1, 0], "side": ["left", "right"]}, "row 2, column 'root_id': the id of the neuron is 0"),
        ({"root_id": [1, -2], "side": ["left", "right"]}, "row 2, column 'root_id': the id of the neuron is -2"),
        ({"root_id": [1, None], "side": ["left", "right"]}, "row 2, column 'root_id': the id of the neuron is empty"),
        ({"root_id": [1, 2], "side": ["upper", "lower"]}, "read like this it is refused"),
    ],
)
def test_tables_of_neurons_are_tried(tmp_path: Path, table: dict[str, Any], problem: str) -> None:
    found = inspected(tmp_path, table)
    told = next(one for one in found.problems if problem in one)
    assert told.startswith("read like this it is refused: ")
    with pytest.raises(BadInput) as error:
        read_neurons(pasted(found, tmp_path).neurons[0])
    assert told.endswith(str(error.value))


# Regions and neurons that are none -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["None", "<NA>", "NA", "NaN", "null", "NULL", "N/A", " None ", ""])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".db"])
def test_what_stands_for_nothing_is_no_region(tmp_path: Path, suffix: str, word: str) -> None:
    table = {**sites(), "roi": ["EB", word] * 20, "neuron_id": ["7", word.strip()] * 20}
    found = inspected(tmp_path, table, suffix)
    assert found.counts["regions"] == "1 in roi (1 known neuropils): EB 20"
    assert "20 rows are empty in roi" in found.problems
    assert "20 rows have no neuron in neuron_id: 20 empty" in found.problems
    rows = read_as_printed(found, tmp_path)
    assert sorted(set(column(rows, "brain_region"))) == ["EB", "UNASSIGNED"]
    assert column(rows, "neuron_id") == [7, None] * 20


@pytest.mark.parametrize(
    "word",
    [
        *("none", "unknown", "Unknown", "<unspecified>", "NotPrimary", "unassigned", "UNASGD", "undefined", "outside"),
        *("-", "?", "no ROI", "0", "-1", "nil", "Null"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_what_may_be_no_region_is_told_with_what_to_write(tmp_path: Path, suffix: str, word: str) -> None:
    found = inspected(tmp_path, {**sites(), "roi": ["EB", word] * 20}, suffix)
    told = next(one for one in found.problems if one.startswith(f"roi has {word} in 20 rows: if that is no region"))
    assert not any(f"no known neuropils: {word}" in one for one in found.problems)
    path = tmp_path / "advised.yaml"
    path.write_text(HEAD + found.source + told[told.index("region_names:") :] + "\n" + REST)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    regions = RegionNames(dataset.missing_region, dataset.region_names)
    rows = pa.concat_tables(read_source(dataset.sources[0], dataset.volumes["em"], regions))
    assert sorted(set(column(rows, "brain_region"))) == ["EB", "UNASSIGNED"]


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([-2, 5, 6], "1 rows have no neuron in body: 1 with -2"),
        ([-1, -1, 6], "2 rows have no neuron in body: 2 with -1"),
        ([0, -2, 6], "2 rows have no neuron in body: 1 with"),
        ([None, 0, 6], "2 rows have no neuron in body: 1 empty, 1 with 0"),
        ([-9999, 5, 6], "1 rows have no neuron in body: 1 with -9999"),
        ([-(2**63), 5, 6], "1 rows have no neuron in body: 1 with -9223372036854775808"),
        ([None, 5, 6], "1 rows have no neuron in body: 1 empty"),
        ([0, 5, 6], "1 rows have no neuron in body: 1 with 0"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_without_a_neuron_are_counted_by_what_they_hold(
    tmp_path: Path, suffix: str, ids: list[int | None], told: str
) -> None:
    found = inspected(tmp_path, {**sites(3), "body": pa.array(ids, pa.int64())}, suffix)
    assert any(problem.startswith(told) for problem in found.problems), found.problems


def test_several_words_for_no_region_are_one_advice(tmp_path: Path) -> None:
    found = inspected(tmp_path, {**sites(), "roi": ["EB", "unknown", "NotPrimary", "None"] * 10})
    told = [one for one in found.problems if "region_names" in one]
    assert len(told) == 1
    assert "NotPrimary in 10 rows, unknown in 10 rows" in told[0]
    assert yaml.safe_load(told[0].rpartition("region_names: ")[2]) == dict.fromkeys(
        ("NotPrimary", "unknown"), "UNASSIGNED"
    )


def test_rows_without_a_partner_are_told(tmp_path: Path) -> None:
    found = inspected(tmp_path, {**sites(3), "pre_id": [1, 2, 3], "post_id": [5, -1, None]})
    assert "2 rows have no partner in post_id: 1 empty, 1 with -1" in found.problems


def test_coordinates_below_0_are_told(tmp_path: Path) -> None:
    found = inspected(tmp_path, {"x": [-1, 5, 6], "y": [-1, 5, 6], "z": [-1, 5, 7]})
    assert "1 rows have a coordinate below 0" in found.problems


# Workbooks -----------------------------------------------------------------------------------------------------------------


def of_morphology(found: Inspection, folder: Path) -> pa.Table:
    """The synapses of the dataset that is printed."""
    path = folder / "morphology.yaml"
    path.write_text("name: mine\ntitle: Mine\ndescription: A workbook.\n" + found.source)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, MorphologyDataset)
    return read_workbooks(dataset, folder)[0]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    draw_sample_workbook(folder)
    return folder / "neuron_synapse_raw_data.xlsx"


@pytest.fixture(scope="module")
def book(study: Path) -> pd.DataFrame:
    """Some rows of the workbook."""
    return pd.read_excel(study).iloc[::20]


def test_a_workbook_gets_a_dataset_of_the_chain_without_images(study: Path, tmp_path: Path) -> None:
    found = inspect_file(str(study))
    assert (found.kind, found.rows, found.problems) == ("Excel", 764, ())
    assert found.source.startswith("chain: morphology\nworkbooks:\n  - name: neuron_synapse_raw_data\n")
    rows = of_morphology(found, tmp_path)
    assert rows.num_rows == 764
    assert sorted(set(column(rows, "neuron_type"))) == ["cb", "cr", "pv"]
    assert sorted(set(column(rows, "synapse_type"))) == ["as", "ss"]


CHANGES: dict[str, Any] = {
    "as CSV": lambda book: book,
    "names in another case": lambda book: book.rename(columns=str.lower),
    "names with blanks": lambda book: book.rename(columns=lambda name: name.replace("_", " ")),
    "names of the fields": lambda book: book.rename(columns={"NeuronId": "neuron_id", "SynType": "synapse_type"}),
    "without raw positions": lambda book: book.drop(columns=["x", "y", "z", "soma_x", "soma_y", "soma_z"]),
    "without volumes": lambda book: book.drop(columns="BoutonVolume"),
    "columns in another order": lambda book: book[sorted(book.columns)],
    "more columns": lambda book: book.assign(note="a", who="b"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_workbooks_as_labs_write_them(book: pd.DataFrame, tmp_path: Path, change: Any, suffix: str) -> None:
    book = change(book)
    path = tmp_path / f"book{suffix}"
    if suffix == ".csv":
        book.to_csv(path, index=False)
    else:
        book.to_excel(path, index=False)
    found = inspect_file(str(path))
    assert found.problems == ()
    assert of_morphology(found, tmp_path).num_rows == found.rows == len(book)


def test_the_sheet_of_a_workbook_is_found_and_named(book: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "several.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_excel(writer, sheet_name="notes", index=False)
        book.to_excel(writer, sheet_name="synapses", index=False)
    found = inspect_file(str(path))
    assert found.tables == ("notes", "synapses")
    assert "sheet: synapses" in found.source
    assert of_morphology(found, tmp_path).num_rows == len(book)
    assert inspect_file(str(path), table="notes").source == ""
    with pytest.raises(BadInput, match="no sheet 'absent' with rows"):
        inspect_file(str(path), table="absent")


def test_a_workbook_of_points_is_named_with_the_step_to_take(tmp_path: Path) -> None:
    path = tmp_path / "points.xlsx"
    pd.DataFrame(sites()).to_excel(path, index=False)
    found = inspect_file(str(path))
    assert found.source == ""
    assert found.coordinates is not None
    assert any("save the sheet as 'CSV UTF-8', and inspect that" in one and "SynArea" in one for one in found.problems)


def test_neurons_whose_ids_do_not_tell_their_type_are_told(book: pd.DataFrame, tmp_path: Path) -> None:
    book.assign(NeuronId=range(len(book))).to_excel(tmp_path / "book.xlsx", index=False)
    found = inspect_file(str(tmp_path / "book.xlsx"))
    assert any("NeuronId do not begin with letters" in one for one in found.problems)
    assert of_morphology(found, tmp_path).num_rows == len(book)


def test_a_workbook_that_is_refused_says_why(book: pd.DataFrame, tmp_path: Path) -> None:
    book = book.copy()
    book.loc[book.index[3], "SynArea"] = -1
    path = tmp_path / "book.xlsx"
    book.to_excel(path, index=False)
    found = inspect_file(str(path))
    assert any("read like this it is refused" in one and "is no area above 0" in one for one in found.problems)
    with pytest.raises(BadInput, match="is no area above 0"):
        of_morphology(found, tmp_path)


# What is no file -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("http://lab.org/a.csv", "download it and name the copy"),
        ("https://lab.org/a.csv?key=secret", "download it and name the copy"),
        ("HTTPS://user:pass@lab.org/a.parquet", "download it and name the copy"),
        ("https://lab.org/", "download it and name the copy"),
        ("s3://bucket/a.parquet", "download the file and name the copy"),
        ("s3://bucket/a.csv?X-Amz-Signature=secret", "download the file and name the copy"),
        ("gs://bucket/em", "the address of a volume is written in volumes"),
        ("precomputed://gs://bucket/em", "the address of a volume is written in volumes"),
        ("ftp://lab.org/a.csv", "download the file and name the copy"),
        ("cave://minnie65/synapses", "download the file and name the copy"),
        ("abfs://container/a.csv", "download the file and name the copy"),
    ],
)
def test_an_address_says_what_to_do(path: str, told: str) -> None:
    result = CliRunner().invoke(app, ["inspect", path])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert told in said
    assert "no file" not in said
    assert "secret" not in said
    assert "pass@" not in said


def test_what_is_no_table_is_named_with_the_step_to_take(tmp_path: Path) -> None:
    told = {
        "00.tif": "sections of a volume: write their folder in volumes",
        "00.png": "sections of a volume: write their folder in volumes",
        "em.h5": "a volume is written in volumes",
        "all.manifest": "name one of them",
        "README.md": "a table is a file that ends in one of",
        "LICENSE": "a table is a file that ends in one of",
        "old.xls": "Save the sheet",
        "a.zip": "Unpack it",
    }
    for name, step in told.items():
        (tmp_path / name).write_text("something")
        with pytest.raises(BadInput, match=step):
            inspect_file(str(tmp_path / name))
    for mark, kind in ((".zarray", "zarr"), ("zarr.json", "zarr"), ("attributes.json", "n5"), ("info", "precomputed")):
        folder = tmp_path / f"volume{mark}"
        folder.mkdir()
        (folder / mark).write_text(json.dumps({}))
        with pytest.raises(BadInput, match=f"this one is a volume, kind: {kind}"):
            inspect_file(str(folder))
    with pytest.raises(BadInput, match="names several files, or none: name one of them"):
        inspect_file(str(tmp_path / "*.csv"))
    with pytest.raises(BadInput, match="there is no file"):
        inspect_file(str(tmp_path / "absent.csv"))


def test_fields_to_fill_in_are_named_together(tmp_path: Path) -> None:
    table = {**around((20_000, 10_000, 15_000), (9_000, 9_000, 9_000)), "prepost": [0, 1] * 20}
    found = inspect_file(str(write_sqlite(tmp_path / "points.db", {"places": pa.table(table)})))
    with pytest.raises(BadInput, match=r"voxel_size_nm and sources 'points'\.only\.prepost still say FILL_IN"):
        pasted(found, tmp_path)
