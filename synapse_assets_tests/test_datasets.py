"""Dataset files: the packaged ones are valid, a fourth one needs no code, and mistakes name file and field."""

from pathlib import Path

import pytest

from synapse_assets.datasets import MorphologyDataset, load_dataset
from synapse_assets.schema import BadInput

FOURTH = """
name: mine
title: My brain
description: A fourth dataset.
volumes:
  em: {kind: zarr, url: /somewhere/em.zarr, voxel_size_nm: [8, 8, 8]}
sources:
  - {name: table, format: points, volume: em, path: "${MY_FOLDER}/points.csv", units: nm}
grouping: [brain_region]
has_neurons: false
tile: {size_px: 64, sections: 3}
"""


@pytest.mark.parametrize("name", ["sample", "sample_cbp", "cbp", "fafb", "flywire", "vnc_sstem"])
def test_packaged_datasets_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_CBP_WORKBOOK", "/somewhere.xlsx")
    monkeypatch.setenv("SYNAPSE_FAFB_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_FLYWIRE_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_VNC_SSTEM_FOLDER", "/somewhere")
    assert load_dataset(name, "/nowhere").name == name


def test_a_dataset_of_ones_own_needs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FOURTH)
    monkeypatch.setenv("MY_FOLDER", "/tables")
    dataset = load_dataset(str(path), "/nowhere")
    assert dataset.sources[0].model_dump()["path"] == "/tables/points.csv"


def test_an_unset_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FOURTH)
    monkeypatch.delenv("MY_FOLDER", raising=False)
    with pytest.raises(BadInput, match=r"mine\.yaml.*environment variable MY_FOLDER is not set"):
        load_dataset(str(path), "/nowhere")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("volume: em,", "volume: other,", "source 'table' lies in volume 'other'"),
        ("size_px: 64", "size_pixels: 64", r"tile\.size_px: this field is missing"),
        ("units: nm", "unit: nm", r"sources 'table'\.unit: there is no such field; did you mean 'units'\?"),
        ("format: points", "format: synfulcsv", r"no format 'synfulcsv'; did you mean 'synful_csv'\?"),
        (
            "[brain_region]\nhas_neurons: false",
            "[neuron_id]",
            "grouping names neuron_id, but no source has a column for it",
        ),
        ("[8, 8, 8]", "[8, 8, -8]", r"volumes\.em\.voxel_size_nm"),
        ("grouping: [brain_region]", "grouping: [neuron_id]", "needs neurons"),
    ],
)
def test_mistakes_name_file_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FOURTH.replace(old, new))
    monkeypatch.setenv("MY_FOLDER", "/tables")
    with pytest.raises(BadInput, match=message) as error:
        load_dataset(str(path), "/nowhere")
    assert "mine.yaml" in str(error.value)


def spaced(tmp_path: Path, volume: str, source: str) -> str:
    path = tmp_path / "mine.yaml"
    text = FOURTH.replace("[8, 8, 8]}", f"[8, 8, 8]{volume}}}").replace("units: nm}", f"units: nm{source}}}")
    path.write_text(text.replace("${MY_FOLDER}", "/tables"))
    return str(path)


@pytest.mark.parametrize(
    ("volume", "source", "message"),
    [
        (", space: FAFB14", ", space: FAFB14.1", r"in space FAFB14\.1, volume 'em' in FAFB14: .*no transform"),
        (", space: FAFB14", ", space: FAFB14_CATMAID", "transform: catmaid_to_n5"),
        (", space: FAFB14", ", transform: catmaid_to_n5", "leads from FAFB14_CATMAID to FAFB14, not from FAFB14"),
        (
            ", space: FAFB14",
            ", space: FAFB14_CATMAID, transform: by_eye",
            r"no transform 'by_eye'; there are \['catmaid",
        ),
        ("", ", space: MANC", "in space MANC, volume 'em' in local"),
    ],
)
def test_points_of_another_space_are_refused(tmp_path: Path, volume: str, source: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_dataset(spaced(tmp_path, volume, source), "/nowhere")


def test_a_named_transform_leads_from_space_to_space(tmp_path: Path) -> None:
    path = spaced(tmp_path, ", space: FAFB14", ", space: FAFB14_CATMAID, transform: catmaid_to_n5")
    assert load_dataset(path, "/nowhere").sources[0].transform == "catmaid_to_n5"


def test_a_ready_made_format_is_filled_in_and_can_be_changed(tmp_path: Path) -> None:
    table = "format: points, volume: em, path: /tables/points.csv, units: nm"
    assert table in FOURTH.replace("${MY_FOLDER}", "/tables").replace('"', "")
    ready = "format: flywire_v783, volume: em, path: /t.feather, minimum: {}, columns: {score: connection_score}"
    text = FOURTH.replace('"${MY_FOLDER}/points.csv"', "/tables/points.csv").replace(table, ready)
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("[8, 8, 8]", "[8, 8, 8], space: FAFB14.1"))
    source = load_dataset(str(path), "/nowhere").sources[0].model_dump()
    assert (source["format"], source["units"], source["space"]) == ("points", "nm", "FAFB14.1")
    assert (source["columns"]["x"], source["columns"]["score"]) == ("pre_pt_position_x", "connection_score")
    assert source["minimum"] == {}
    # FlyWire's points in a volume of no stated space are refused.
    path.write_text(text)
    with pytest.raises(BadInput, match=r"FAFB14\.1.*FlyWire's realigned"):
        load_dataset(str(path), "/nowhere")


def test_an_unknown_name_lists_the_packaged_ones() -> None:
    with pytest.raises(BadInput, match="'cbp', 'fafb', 'flywire', 'sample', 'sample_cbp', 'vnc_sstem'"):
        load_dataset("nothing", "/nowhere")


MORPHOLOGY = """
chain: morphology
name: mine
title: Mine
description: Synapses of two types.
workbooks: [{name: study, path: /data/study.xlsx}]
neuron_types: {cb: calbindin, pv: parvalbumin}
synapse_types: [as, ss]
groups:
  as: {synapse_type: as}
  as-pv: {synapse_type: as, neuron_type: parvalbumin}
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_lab_adds_its_own_investigation_group(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, MORPHOLOGY), "/nowhere")
    assert isinstance(dataset, MorphologyDataset)
    assert dataset.groups["as-pv"].conditions == {"synapse_type": ["as"], "neuron_type": ["parvalbumin"]}


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "neuron_type: parvalbumin",
            "neuron_type: parvalbumine",
            "group 'as-pv' asks for neuron_type \\['parvalbumine'\\]",
        ),
        ("neuron_type: parvalbumin", "neurontype: parvalbumin", "did you mean 'neuron_type'"),
        ("path: /data/study.xlsx", "path: ''", "no workbook to fit on"),
        ("path: /data/study.xlsx", "pathe: /data/study.xlsx", "workbooks 'study'.*did you mean 'path'"),
        ("  as-pv:", "  As PV:", "groups"),
        ("synapse_types: [as, ss]", "", "synapse_types: this field is missing"),
    ],
)
def test_mistakes_in_a_morphology_dataset(right: str, wrong: str, message: str, tmp_path: Path) -> None:
    assert right in MORPHOLOGY
    with pytest.raises(BadInput, match=message):
        load_dataset(written(tmp_path, MORPHOLOGY.replace(right, wrong)), "/nowhere")


def test_the_study_dataset_needs_one_workbook_and_may_have_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNAPSE_CBP_WORKBOOK", raising=False)
    with pytest.raises(BadInput, match="SYNAPSE_CBP_WORKBOOK is not set"):
        load_dataset("cbp", "/nowhere")
    monkeypatch.setenv("SYNAPSE_CBP_WORKBOOK", "/data/study.xlsx")
    assert [book.name for book in load_dataset("cbp", "/nowhere").workbooks] == ["study"]
    monkeypatch.setenv("SYNAPSE_CBP_NEW_WORKBOOK", "https://lab.example/new.xlsx")
    books = load_dataset("cbp", "/nowhere").workbooks
    assert [(book.name, book.used_for) for book in books] == [("study", "fit"), ("new", "prediction")]
