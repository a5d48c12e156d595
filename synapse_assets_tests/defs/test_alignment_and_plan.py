"""What stands before cutting: coordinates that mean something else stop it, and the plan says what it takes."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from synapse_assets.schema import ALIGNMENT, BRAIN_REGIONS, SYNAPSE_SOURCES, TILE_PLAN
from synapse_assets_tests.conftest import REGIONS, Lab, failure_reason, tiny_dataset
from synapse_assets_tests.volumes.test_alignment import FLAT, T_BARS, plant, texture, write_stack


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack of sections with a T-bar, one section deep, at each of `T_BARS`."""
    values = texture(FLAT, 3)
    plant(values, T_BARS, 14, [18, 75, 18])
    folder = tmp_path_factory.mktemp("planted") / "em"
    write_stack(folder, values)
    return folder


@pytest.fixture
def planted_lab(tiny_inputs: Path, planted: Path, tmp_path: Path) -> Iterator[Lab]:
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab(tiny_inputs, tmp_path, instance)
        use(lab, tiny_inputs, planted)
        yield lab


def use(lab: Lab, inputs: Path, planted: Path, **changes: object) -> None:
    volume = {"kind": "images", "url": str(planted), "voxel_size_nm": [4, 4, 40], "space": "FAFB14"}
    lab.use(tiny_dataset(inputs, lab.points, volumes={"em": volume}, **changes))


def t_bars(lab: Lab, sections_off: int = 0) -> None:
    rows = [
        {"id": f"t{i}", "x": x, "y": y, "z": z + sections_off, "neuron": i, "region": REGIONS[i % 3], "nt": "gaba"}
        for i, (x, y, z) in enumerate(T_BARS.tolist())
    ]
    lab.write(pd.DataFrame(rows))


def check_of(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    return found


def test_right_coordinates_are_cut(planted_lab: Lab) -> None:
    lab = planted_lab
    t_bars(lab)
    result = lab.materialize("synapse_table", "alignment")
    assert check_of(result, "coordinates_fit").passed
    rows = lab.store.results(ALIGNMENT).read().to_pylist()
    assert {row["verdict"] for row in rows} == {"fits"}
    assert rows[0]["reading"] == "as given"
    assert rows[0]["score"] > 2 * rows[0]["random_score"]
    lab.materialize("synapses", "tile_plan", "tiles", region=REGIONS[0])
    assert lab.store.tiles.count() == 37


def test_one_section_off_stops_the_cutting_until_it_is_mended_or_accepted(
    planted_lab: Lab, tiny_inputs: Path, planted: Path
) -> None:
    lab = planted_lab
    t_bars(lab, sections_off=1)
    result = lab.materialize("synapse_table", "alignment", raises=False)
    evaluation = check_of(result, "coordinates_fit")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    lab.materialize("synapses", region=REGIONS[0])
    result = lab.materialize("tiles", region=REGIONS[0], raises=False)
    text = failure_reason(result)
    assert "source table" in text
    assert "one section too deep" in text
    assert "transform: catmaid_to_n5" in text
    assert lab.store.tiles.count() == 0

    # Mended as the message says.
    values = lab.dataset.model_dump()
    values["sources"][0] |= {"space": "FAFB14_CATMAID", "transform": "catmaid_to_n5"}
    lab.use(type(lab.dataset).model_validate(values))
    assert check_of(lab.materialize("synapse_table", "alignment"), "coordinates_fit").passed
    lab.materialize("synapses", "tiles", region=REGIONS[0])
    assert lab.store.tiles.count() == 37
    (source,) = lab.store.results(SYNAPSE_SOURCES).read().to_pylist()
    assert (source["space"], source["transform"], source["rows"]) == ("FAFB14_CATMAID", "catmaid_to_n5", 110)

    # Or accepted by one who knows better: a check stays amber, and nothing is held up.
    use(lab, tiny_inputs, planted, accept_alignment=True)
    result = lab.materialize("synapse_table", "alignment")
    assert check_of(result, "coordinates_fit").passed
    evaluation = check_of(result, "verdict_clear")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    lab.materialize("synapses", "tiles", region=REGIONS[1])
    assert lab.store.tiles.regions() == {REGIONS[0]: 37, REGIONS[1]: 37}


def test_a_verdict_is_about_what_was_examined(planted_lab: Lab, tiny_inputs: Path, planted: Path) -> None:
    """New rows, another mapping, another volume or name: the verdict before is about something else."""
    lab = planted_lab
    t_bars(lab)
    lab.materialize("synapse_table", "alignment")
    t_bars(lab, sections_off=1)
    lab.materialize("synapse_table")
    lab.materialize("synapses", region=REGIONS[0])
    text = failure_reason(lab.materialize("tiles", region=REGIONS[0], raises=False))
    assert "source table or their volume have changed since they were examined" in text
    t_bars(lab)
    lab.materialize("synapse_table")
    lab.materialize("synapses", "tiles", region=REGIONS[0])
    values = lab.dataset.model_dump()
    values["volumes"]["em"]["offset_voxels"] = (0, 0, 1)
    lab.use(type(lab.dataset).model_validate(values))
    text = failure_reason(lab.materialize("tiles", region=REGIONS[0], raises=False))
    assert "have changed since they were examined" in text
    values["volumes"]["em"]["offset_voxels"] = None
    values["sources"][0]["name"] = "renamed"
    lab.use(type(lab.dataset).model_validate(values))
    lab.materialize("synapse_table")
    text = failure_reason(lab.materialize("tiles", region=REGIONS[0], raises=False))
    assert "source renamed have not been examined" in text


def test_what_a_volume_leaves_open_is_told_before_tiles_are_cut(
    planted_lab: Lab, tiny_inputs: Path, planted: Path, tmp_path: Path
) -> None:
    lab = planted_lab
    t_bars(lab)
    for i, section in enumerate(sorted(planted.iterdir())):
        (tmp_path / "wafers").mkdir(exist_ok=True)
        (tmp_path / "wafers" / f"w{i // 10}_s{i % 10}.png").symlink_to(section)
    use(lab, tiny_inputs, tmp_path / "wafers")
    told = [lab.materialize("synapse_table", "alignment")]
    told.append(lab.materialize("synapses", "tile_plan", region=REGIONS[0]))
    for result, name in zip(told, ("alignment", "tile_plan"), strict=True):
        (made,) = result.asset_materializations_for_node(f"tiny__{name}")
        assert "- **em**: the numbers in the file names start anew" in made.metadata["please_check"].value


def test_each_source_is_examined_by_itself(planted_lab: Lab, tmp_path: Path) -> None:
    """Two files of one name in two folders: a wrong one does not hide behind a right one."""
    lab = planted_lab
    t_bars(lab, sections_off=1)
    (tmp_path / "other").mkdir()
    pd.read_csv(lab.points).to_csv(tmp_path / "other" / "points.csv", index=False)
    t_bars(lab)
    values = lab.dataset.model_dump()
    other = {"name": "other", "path": str(tmp_path / "other" / "points.csv"), "id_prefix": "o_"}
    values["sources"].append({**values["sources"][0], **other})
    lab.use(type(lab.dataset).model_validate(values))
    lab.materialize("synapse_table", "alignment", raises=False)
    verdicts = {row["source"]: row["verdict"] for row in lab.store.results(ALIGNMENT).read().to_pylist()}
    assert verdicts == {"table": "fits", "other": "contradicted"}
    lab.materialize("synapses", region=REGIONS[0])
    text = failure_reason(lab.materialize("tiles", region=REGIONS[0], raises=False))
    assert "source other seem to mean something else" in text


def test_tiles_of_a_volume_that_is_gone_do_not_pass(lab: Lab, tiny_inputs: Path) -> None:
    lab.materialize("synapse_table", "alignment")
    lab.materialize("synapses", "tiles", region=REGIONS[0])
    values = lab.dataset.model_dump()
    values["volumes"]["em2"] = values["volumes"].pop("em")
    values["sources"][0]["volume"] = "em2"
    lab.use(type(lab.dataset).model_validate(values))
    lab.materialize("synapse_table", "alignment")
    text = failure_reason(lab.materialize("tiles", region=REGIONS[0], raises=False))
    assert "synapses lie in volume ['em'], but the dataset has ['em2']" in text
    lab.materialize("synapses", "tiles", region=REGIONS[0])


def test_the_plan_leaves_staged_work_alone(lab: Lab) -> None:
    lab.materialize("synapse_table", "alignment")
    lab.materialize("synapses", region=REGIONS[0])
    staging = lab.store.staging("tiles", REGIONS[0], "of a run that was killed")
    staging.append(lab.store.synapses.read(REGIONS[0], ["synapse_id"]))
    lab.materialize("tile_plan", region=REGIONS[0])
    assert len(lab.store.staged_ids("tiles", REGIONS[0], "of a run that was killed")) == 24


def test_nothing_is_cut_before_the_coordinates_were_examined(lab: Lab) -> None:
    lab.materialize("synapse_table")
    lab.materialize("synapses", region=REGIONS[0])
    text = failure_reason(lab.materialize("tiles", region=REGIONS[0], raises=False))
    assert "materialise the asset 'alignment' first" in text


def test_the_plan_counts_what_is_still_to_be_cut(lab: Lab) -> None:
    lab.materialize("synapse_table", "alignment")
    lab.materialize("synapses", region=REGIONS[0])
    event = lab.materialize("tile_plan", region=REGIONS[0]).get_asset_materialization_events()[0]
    plan = lab.store.results(TILE_PLAN).read(REGIONS[0]).to_pylist()
    assert {row["reader"] for row in plan} == {"grouped", "one by one"}
    assert {row["tiles"] for row in plan} == {24}
    grouped = plan[0]
    assert grouped["block_tiles"] + grouped["cached_tiles"] + grouped["single_tiles"] == 24
    shown = event.step_materialization_data.materialization.metadata
    assert shown["hours"].value == grouped["hours"] != plan[1]["hours"]
    assert grouped["decoded_gigavoxels"] <= plan[1]["decoded_gigavoxels"]
    # 24 pixels of 4 nm, and 3 sections of 40 nm.
    span = "A tile is 96 x 96 nm wide and 3 sections = 120 nm deep."
    assert span in shown["plan"].value
    cut = lab.materialize("tiles", region=REGIONS[0]).get_asset_materialization_events()[0]
    sheet = cut.step_materialization_data.materialization.metadata["tile_sheet"].value
    assert sheet.startswith(
        f"{span} Shown is the middle section.\n\n![the first tiles of the region](data:image/png;base64,"
    )
    lab.materialize("tile_plan", region=REGIONS[0])
    assert lab.store.results(TILE_PLAN).read(REGIONS[0]).num_rows == 0
    values = lab.dataset.model_dump()
    values["volumes"]["em"]["voxel_size_nm"] = (4, 4, 36)
    lab.use(type(lab.dataset).model_validate(values))
    event = lab.materialize("tile_plan", region=REGIONS[0]).get_asset_materialization_events()[0]
    told = event.step_materialization_data.materialization.metadata["plan"].value
    assert "A tile is 96 x 96 nm wide and 3 sections = 108 nm deep." in told


def test_region_names_follow_the_vocabulary_and_unknown_ones_are_told(lab: Lab) -> None:
    points = pd.read_csv(lab.points)
    names = {REGIONS[0]: "AL(L)", REGIONS[1]: "ellipsoid body", REGIONS[2]: "my 'region'; DROP TABLE"}
    lab.write(points.assign(region=points["region"].map(names)))
    lab.use(lab.dataset.model_copy(update={"region_vocabulary": "flywire"}))
    result = lab.materialize("synapse_table")
    evaluation = check_of(result, "regions_known")
    assert not evaluation.passed
    assert evaluation.metadata["unknown"].value == 1
    unknown = "my_region_DROP_TABLE"
    assert set(lab.instance.get_dynamic_partitions("tiny_brain_region")) == {"AL_L", "EB", unknown}
    rows = {row["brain_region"]: row for row in lab.store.results(BRAIN_REGIONS).read().to_pylist()}
    assert (rows["AL_L"]["source_name"], rows["AL_L"]["region_group"]) == ("AL(L)", "antennal lobe")
    assert (rows[unknown]["source_name"], rows[unknown]["known"]) == ("my 'region'; DROP TABLE", False)
    assert rows["EB"]["synapses"] == 24


def test_partners_at_one_site_are_told_and_merged_on_request(lab: Lab) -> None:
    points = pd.read_csv(lab.points)
    lab.write(pd.concat([points, points.head(6).assign(id=[f"p{i}" for i in range(6)])]))
    evaluation = check_of(lab.materialize("synapse_table"), "one_row_per_site")
    assert not evaluation.passed
    assert "78 synapses at 72 positions; merge_partners: true" in str(evaluation.description)
    lab.use(lab.dataset.model_copy(update={"merge_partners": True}))
    result = lab.materialize("synapse_table")
    assert check_of(result, "one_row_per_site").passed
    assert sum(lab.store.synapse_table.regions().values()) == 72
