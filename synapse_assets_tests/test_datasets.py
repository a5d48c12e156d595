"""Dataset files: the packaged ones are valid, a fourth one needs no code, and mistakes name file and field."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from synapse_assets.datasets import (
    CaveSource,
    CremiSource,
    Dataset,
    EmDataset,
    EncoderChoice,
    MorphologyDataset,
    NeuronTable,
    PointsSource,
    SynisterNeurons,
    SynisterSource,
    Workbook,
    load_dataset,
)
from synapse_assets.datasets.morphology import HdbscanSetting
from synapse_assets.datasets.spaces import TRANSFORMS, mismatch
from synapse_assets.errors import BadInput

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

TABLE = "\n  - {name: table, format: points, volume: em, path: /more.csv, units: nm}"
NEURONS = "\n  - {name: known, format: neurons, path: /neurons.csv, columns: {neuron_id: id}}"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "sample",
            "sample_cbp",
            "sample_deep",
            "sample_detection",
            "sample_labelling",
            "sample_staining",
            "cbp",
            "fafb",
            "fafb_10k",
            "flywire",
            "vnc_sstem",
        ),
        *("cremi", "em_r50", "lucchi", "vnc_detection"),
    ],
)
def test_packaged_datasets_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_CBP_WORKBOOK", "/somewhere.xlsx")
    monkeypatch.setenv("SYNAPSE_FAFB_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_FLYWIRE_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_VNC_SSTEM_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_CREMI_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_EM_R50_FOLDER", "/somewhere")
    monkeypatch.setenv("SYNAPSE_LUCCHI_FOLDER", "/somewhere")
    assert load_dataset(name, "/nowhere").name == name


def test_a_dataset_of_ones_own_needs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FOURTH)
    monkeypatch.setenv("MY_FOLDER", "/tables")
    dataset = load_dataset(str(path), "/nowhere")
    assert dataset.sources[0].model_dump()["path"] == "/tables/points.csv"


SUBSET = """
subset:
  downloads: [{url: "http://127.0.0.1/t.feather", path: /t.feather, bytes: 5, licence: none, cite: nobody}]
  table: {name: whole, format: flywire_v783, volume: em, space: local, path: /t.feather}
  sites: 4
  classes: [gaba, glutamate]
  neurons_per_class: 2
  salt: mine
"""
CLASSES = "neurons:\n  - {name: known, format: neurons, path: /neurons.csv, columns: {neuron_id: id}}\n"


def test_a_subset_says_what_becomes_the_source(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = FOURTH.replace("${MY_FOLDER}", "/tables").replace("has_neurons: false", "") + SUBSET
    path.write_text(text + CLASSES)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    assert dataset.subset is not None
    assert dataset.subset.table.columns.x == "pre_pt_position_x"
    assert dataset.subset.quotas == {"gaba": 2, "glutamate": 2}
    path.write_text(text)
    with pytest.raises(BadInput, match="subset needs one source, format points"):
        load_dataset(str(path), "/nowhere")
    other = "\n  other: {kind: n5, url: /o, voxel_size_nm: [8, 8, 8]}\nsources:"
    path.write_text(text.replace("\nsources:", other).replace("volume: em, space: local", "volume: other") + CLASSES)
    with pytest.raises(BadInput, match=r"table lies in volume 'other', its source in 'em'"):
        load_dataset(str(path), "/nowhere")


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
        ("kind: zarr, url:", "kind: zarr, path:", r"volumes\.em\.path: there is no such field here, only elsewhere"),
        ("format: points", "format: synfulcsv", r"no format 'synfulcsv'; did you mean 'synful_csv'\?"),
        (
            "[brain_region]\nhas_neurons: false",
            "[neuron_id]",
            "grouping names neuron_id, but no source has a column for it",
        ),
        ("[8, 8, 8]", "[8, 8, -8]", r"volumes\.em\.voxel_size_nm"),
        ("grouping: [brain_region]", "grouping: [neuron_id]", "needs neurons"),
        ("grouping: [brain_region]", "grouping: [brain_region, neuron_id]", "needs neurons"),
        (
            "[brain_region]\nhas_neurons: false",
            "[brain_region, neuron_id]",
            "grouping names neuron_id, but no source has a column for it",
        ),
        ("\nsources:", "\n  other: {kind: n5, url: /o, voxel_size_nm: [8, 8, 9]}\nsources:", "different voxel sizes"),
        ("\nsources:", "\n  other: {kind: n5, url: /o, voxel_size_nm: [9, 8, 8]}\nsources:", "different voxel sizes"),
        ("\ngrouping:", f"{TABLE}\ngrouping:", "two sources have the same name"),
        ("\ngrouping:", f"\nneurons:{NEURONS}\ngrouping:", "neurons are given, but has_neurons is false"),
        (
            "\ngrouping: [brain_region]\nhas_neurons: false",
            f"\nneurons:{NEURONS.replace('known', 'table')}\ngrouping: [brain_region]",
            "two sources have the same name",
        ),
        ("kind: zarr,", "kind: zarr, reader: cloud-volume,", "cloud-volume is for precomputed volumes"),
        ("kind: zarr,", "kind: hdf5, axis_order: xyz,", "axis_order is for zarr and n5"),
        ("units: nm}", "units: nm, voxel_size_nm: [4, 4, 40]}", "voxel_size_nm is for coordinates in voxels"),
        ("units: nm}", "units: nm, axis_order: zyx}", "axis_order zyx is for a position column"),
        ("units: nm}", "units: nm, columns: {z: null}}", "columns name neither x, y and z nor one position"),
        ("units: nm}", "units: nm, columns: {position: at, z: depth}}", r"columns name both position and \['z'\]"),
        ("units: nm}", "units: nm, target_value: gaba, columns: {target: nt}}", "target_value is for files without"),
        ("units: nm}", "units: nm, neuron_id_offset: 10}", "neuron_id_offset needs the column neuron_id"),
        ("units: nm}", "units: nm, id_from: [a], columns: {synapse_id: id}}", "id_from is for files without ids"),
        ("units: nm}", "units: nm, leave_out_autapses: true, columns: {neuron_id: pre}}", "leave_out_autapses needs"),
        ("units: nm}", "units: nm, leave_out_autapses: true, columns: {partner_id: post}}", "leave_out_autapses needs"),
        ("\ntile:", "\nencoder: {origin: hub}\ntile:", "encoder origin 'hub' needs the name of a timm architecture"),
        (
            "\ntile:",
            "\nencoder: {origin: checkpoint, architecture: a}\ntile:",
            "a checkpoint file is given exactly when",
        ),
        ("\ntile:", "\nencoder: {checkpoint: /w.pt}\ntile:", "a checkpoint file is given exactly when"),
        (
            "\ntile:",
            "\nencoder: {origin: texture, architecture: resnet18, training_steps: 5}\ntile:",
            "encoder: .*'texture' has no network: leave out architecture, training_steps",
        ),
        (
            "\ntile:",
            "\nencoder: {beside_texture: true}\ntile:",
            "encoder beside_texture needs a network: name its origin",
        ),
        ("\ntile:", "\nencoder: {positives: neuron}\ntile:", "encoder positives: neuron needs neurons"),
        ("\ntile:", "\nencoder: {positives: class}\ntile:", r"encoder\.positives"),
        ("\ntile:", "\nencoder: {invariant_to: [brightness]}\ntile:", r"encoder\.invariant_to"),
        ("\ntile:", "\nencoder: {origin: textures}\ntile:", r"encoder\.origin"),
        ("size_px: 64", "size_px: 7", r"tile\.size_px"),
        ("sections: 3", "sections: 0", r"tile\.sections"),
        ("sections: 3", "sections: 3, codec: jpeg", r"tile\.codec"),
        ("\ntile:", "\ntrial_limit: 0\ntile:", "trial_limit"),
    ],
)
def test_mistakes_name_file_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    assert old in FOURTH
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
    with pytest.raises(
        BadInput,
        match="'cbp', 'cremi', 'em_r50', 'fafb', 'fafb_10k', 'flywire', 'lucchi', 'sample', 'sample_cbp', 'sample_deep', "
        "'sample_detection', 'sample_labelling', 'sample_staining', 'vnc_detection', 'vnc_sstem'",
    ):
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
    every = {"synapse_type": "[as, ss]", "neuron_type": "calbindin", "neuron_id": "[cb1, cb2]", "brain_region": "V1"}
    text = MORPHOLOGY.replace("{synapse_type: as}", f"{{{', '.join(f'{k}: {v}' for k, v in every.items())}}}")
    dataset = load_dataset(written(tmp_path, text), "/nowhere")
    assert isinstance(dataset, MorphologyDataset)
    assert dataset.groups["as"].conditions == {
        "synapse_type": ["as", "ss"],
        "neuron_type": ["calbindin"],
        "neuron_id": ["cb1", "cb2"],
        "brain_region": ["V1"],
    }


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "neuron_type: parvalbumin",
            "neuron_type: parvalbumine",
            "group 'as-pv' asks for neuron_type \\['parvalbumine'\\]",
        ),
        ("neuron_type: parvalbumin", "neurontype: parvalbumin", "did you mean 'neuron_type'"),
        (
            "neuron_type: parvalbumin",
            "neuron_type: [parvalbumin, somatostatin]",
            r"asks for neuron_type \['somatostatin'\], but there are \['calbindin', 'parvalbumin'\]",
        ),
        ("as: {synapse_type: as}", "as: {synapse_type: [ss, xs]}", r"group 'as' asks for synapse_type \['xs'\]"),
        (
            "[{name: study, path: /data/study.xlsx}]",
            "[{name: study, path: /a.xlsx}, {name: study, path: /b.xlsx}]",
            "two workbooks have the same name",
        ),
        (
            "path: /data/study.xlsx",
            "path: /data/study.xlsx, used_for: prediction",
            "no workbook to fit on: give the path of at least one with used_for: fit",
        ),
        ("\nsynapse_types", "\nfeatures: {shape: [bouton_area, bouton_area]}\nsynapse_types", "names a measure twice"),
        ("\nsynapse_types", "\nfeatures: {fewest_for_alignment: 3}\nsynapse_types", "fewest_for_alignment"),
        ("\nsynapse_types", "\nresampling: {runs: 5}\nsynapse_types", "resampling.runs"),
        ("\nsynapse_types", "\nresampling: {share: 1}\nsynapse_types", "resampling.share"),
        ("\nsynapse_types", "\nunits: {synapse_size: µm²}\nsynapse_types", "units.synapse_size.*'synapse_area'"),
        ("\nsynapse_types", "\nunits: {synapse_area: ''}\nsynapse_types", "units.synapse_area.*at least 1 character"),
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


def test_a_lab_gives_the_units_of_its_measures(tmp_path: Path) -> None:
    dataset = load_dataset(
        written(tmp_path, MORPHOLOGY + "units: {synapse_area: nm², bouton_volume: fl}\n"), "/nowhere"
    )
    assert isinstance(dataset, MorphologyDataset)
    assert dataset.units == {"synapse_area": "nm²", "bouton_volume": "fl"}


def test_the_study_dataset_needs_one_workbook_and_may_have_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNAPSE_CBP_WORKBOOK", raising=False)
    with pytest.raises(BadInput, match="SYNAPSE_CBP_WORKBOOK is not set"):
        load_dataset("cbp", "/nowhere")
    monkeypatch.setenv("SYNAPSE_CBP_WORKBOOK", "/data/study.xlsx")
    assert [book.name for book in load_dataset("cbp", "/nowhere").workbooks] == ["study"]
    monkeypatch.setenv("SYNAPSE_CBP_NEW_WORKBOOK", "https://lab.example/new.xlsx")
    books = load_dataset("cbp", "/nowhere").workbooks
    assert [(book.name, book.used_for) for book in books] == [("study", "fit"), ("new", "prediction")]


# Variables -----------------------------------------------------------------------------------------------------------------

# Every field of a dataset on the chain of volumes that is a path or an address.
EVERY_LOCATION = """
name: mine
title: Mine
description: Every kind of source.
volumes:
  em: {kind: zarr, url: LOCATION, voxel_size_nm: [8, 8, 8]}
sources:
  - {name: a, format: points, volume: em, path: LOCATION, units: nm, columns: {neuron_id: n}}
  - {name: b, format: synister_v4, volume: em, path: LOCATION}
  - name: c
    format: cave
    volume: em
    datastack: minnie65
    table: synapses
    materialization: 1
    server: LOCATION
    columns: {position: ctr_pt, neuron_id: n, partner_id: p}
  - {name: d, format: synful_csv, volume: em, space: local, path: LOCATION}
neurons:
  - {name: e, format: neurons, path: LOCATION, columns: {neuron_id: n}}
  - {name: f, format: synister_v3_skeletons, path: LOCATION, hemi_lineages: LOCATION}
  - {name: g, format: codex_cell_types, path: LOCATION}
grouping: [neuron_id]
tile: {size_px: 64}
encoder: {origin: checkpoint, architecture: resnet50, checkpoint: LOCATION}
"""


def loaded(folder: Path, text: str, *place: str | int, value: Any) -> Dataset:
    """The dataset of that YAML with another value at one place."""
    content = yaml.safe_load(text)
    inner = content
    for part in place[:-1]:
        inner = inner.setdefault(part, {}) if isinstance(inner, dict) else inner[part]
    inner[place[-1]] = value
    return load_dataset(written(folder, yaml.safe_dump(content)), "/data root")


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ("${LAB}/a.csv", "/lab/a.csv"),
        ("gs://${LAB_BUCKET}/em", "gs://lab-bucket/em"),
        ("${LAB}", "/lab"),
        ("${LAB}${LAB_BUCKET}", "/lablab-bucket"),
        ("${SYNAPSE_LOCAL_ROOT}/raw", "/data root/raw"),
        ("${LAB:-/other}/a", "/lab/a"),
        ("${LAB_UNSET:-/other}/a", "/other/a"),
        ("${LAB_UNSET:-}/a", "/a"),
        ("${LAB_UNSET:-a$b$$c:-d}", "a$b$$c:-d"),
        ("${LAB_EMPTY:-/other}/a", "/a"),
        ("${LAB_NESTED}/a", "${LAB}:${LAB_UNSET:-x}/a"),
        ("$LAB/a ${} ${1} $${ {LAB}", "$LAB/a ${} ${1} $${ {LAB}"),
        ("/größe/${LAB_BUCKET}/*.csv", "/größe/lab-bucket/*.csv"),
    ],
)
def test_variables_are_filled_in_once_in_every_path_and_address(
    given: str, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB", "/lab")
    monkeypatch.setenv("LAB_BUCKET", "lab-bucket")
    monkeypatch.setenv("LAB_EMPTY", "")
    monkeypatch.setenv("LAB_NESTED", "${LAB}:${LAB_UNSET:-x}")
    text = EVERY_LOCATION.replace("LOCATION", yaml.safe_dump(given, default_style='"').strip())
    found = strings(load_dataset(written(tmp_path, text), "/data root").model_dump())
    assert found.count(filled) == EVERY_LOCATION.count("LOCATION") == 10
    book = loaded(tmp_path, MORPHOLOGY, "workbooks", 0, "path", value=given)
    assert isinstance(book, MorphologyDataset)
    assert book.workbooks[0].path == filled
    labelled = loaded(tmp_path, MORPHOLOGY, "published_labels", value=given)
    assert isinstance(labelled, MorphologyDataset)
    assert labelled.published_labels == filled


def test_free_text_is_shown_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_POSTGRES_URL", "postgresql://me:s3cret@host/lab")
    given = "See ${SYNAPSE_POSTGRES_URL}, ${LAB_UNSET} and ${LAB_UNSET:-x}"
    for text in (MORPHOLOGY, EVERY_LOCATION):
        for field in ("title", "description"):
            assert getattr(loaded(tmp_path, text, field, value=given), field) == given


OTHER_FIELDS: list[tuple[str, tuple[str | int, ...], Any]] = [
    (EVERY_LOCATION, ("name",), "${LAB}"),
    (EVERY_LOCATION, ("target",), "transmitter of ${LAB}"),
    (EVERY_LOCATION, ("missing_region",), "${LAB:-x}"),
    (EVERY_LOCATION, ("chain",), "${LAB}"),
    (EVERY_LOCATION, ("seed",), "${LAB}"),
    (EVERY_LOCATION, ("trial_limit",), "${LAB}"),
    (EVERY_LOCATION, ("has_neurons",), "${LAB}"),
    (EVERY_LOCATION, ("grouping", 0), "${LAB}"),
    (EVERY_LOCATION, ("region_names",), {"a": "${LAB}"}),
    (EVERY_LOCATION, ("region_names",), {"${LAB}": "A"}),
    (EVERY_LOCATION, ("volumes",), {"${LAB}": {"kind": "zarr"}}),
    (EVERY_LOCATION, ("volumes", "em", "space"), "${LAB}"),
    (EVERY_LOCATION, ("volumes", "em", "dataset"), "${LAB}"),
    (EVERY_LOCATION, ("volumes", "em", "voxel_size_nm", 1), "${LAB}"),
    (EVERY_LOCATION, ("volumes", "em", "timeout_s"), "${LAB}"),
    (EVERY_LOCATION, ("volumes", "em", "${LAB}"), "x"),
    (EVERY_LOCATION, ("tile", "size_px"), "${LAB}"),
    (EVERY_LOCATION, ("encoder", "architecture"), "${LAB}"),
    (EVERY_LOCATION, ("encoder",), "${LAB}"),
    (EVERY_LOCATION, ("sources", 0), "${LAB}"),
    (EVERY_LOCATION, ("sources", 0, "name"), "${LAB}"),
    (EVERY_LOCATION, ("sources", 0, "format"), "${LAB}"),
    (EVERY_LOCATION, ("sources", 0, "columns", "neuron_id"), "${LAB}"),
    (EVERY_LOCATION, ("sources", 0, "id_prefix"), "${LAB}/"),
    (EVERY_LOCATION, ("sources", 0, "only"), {"nt": ["gaba", "${LAB}"]}),
    (EVERY_LOCATION, ("sources", 0, "minimum"), {"score": "${LAB}"}),
    (EVERY_LOCATION, ("sources", 0, "minimum"), {"${LAB}": 1}),
    (EVERY_LOCATION, ("sources", 2, "datastack"), "${LAB}"),
    (EVERY_LOCATION, ("sources", 2, "table"), "${LAB}"),
    (EVERY_LOCATION, ("sources", 3, "brain_region"), "${LAB}"),
    (EVERY_LOCATION, ("neurons", 0, "class_names"), {"a": "${LAB}"}),
    (EVERY_LOCATION, ("neurons", 0, "known_class_from"), {"${LAB}": ["a"]}),
    (EVERY_LOCATION, ("neurons", 1, "name"), "${LAB}"),
    (MORPHOLOGY, ("brain_region",), "${LAB}"),
    (MORPHOLOGY, ("neuron_types", "cb"), "${LAB}"),
    (MORPHOLOGY, ("neuron_types",), {"${LAB}": "calbindin"}),
    (MORPHOLOGY, ("synapse_types",), "${LAB}"),
    (MORPHOLOGY, ("groups", "as", "synapse_type"), "${LAB}"),
    (MORPHOLOGY, ("groups", "as", "neuron_id"), ["a", "${LAB}"]),
    (MORPHOLOGY, ("groups", "as", "published"), {"source": "${LAB}"}),
    (MORPHOLOGY, ("workbooks", 0, "sheet"), "${LAB}"),
    (MORPHOLOGY, ("workbooks", 0, "columns"), {"x": "${LAB}"}),
    (MORPHOLOGY, ("features", "shape"), ["${LAB}"]),
    (MORPHOLOGY, ("resampling", "share"), "${LAB}"),
]


@pytest.mark.parametrize(("text", "place", "value"), OTHER_FIELDS, ids=[f"{n}" for n in range(len(OTHER_FIELDS))])
def test_a_variable_elsewhere_is_refused_and_its_value_not_told(
    text: str, place: tuple[str | int, ...], value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB", "s3cret")
    with pytest.raises(BadInput) as error:
        loaded(tmp_path, text.replace("LOCATION", "/data/a.csv"), *place, value=value)
    told = str(error.value)
    where = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(part) for part in place))
    assert told.startswith(f"{tmp_path / 'mine.yaml'}: {where}"), told
    assert "names ${LAB}, but variables are filled in only in paths and addresses: write the value itself" in told
    assert "s3cret" not in told
    assert "\n" not in told


@pytest.mark.parametrize("given", ["${LAB_UNSET:-${LAB}}", "/a/${LAB:-${LAB_UNSET:-/b}}/c", "${LAB:-${}"])
def test_a_default_that_names_a_variable_is_refused(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB", "s3cret")
    with pytest.raises(
        BadInput, match=r"mine\.yaml: workbooks\[0\]\.path: the default of \$\{LAB.* is not filled in"
    ) as error:
        loaded(tmp_path, MORPHOLOGY, "workbooks", 0, "path", value=given)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("workbooks", 0, "pathe"), "${LAB}/a.xlsx", "no such field; did you mean 'path'"),
        (("workbooks", 0, "path"), {"a": "${LAB}"}, "path: Input should be a valid string"),
        (("workbooks", 0, "path"), ["${LAB}"], "path: Input should be a valid string"),
        (("title",), ["${LAB}"], "title: Input should be a valid string"),
    ],
)
def test_other_mistakes_beside_a_variable_are_told_as_before(
    place: tuple[str | int, ...], value: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB", "s3cret")
    with pytest.raises(BadInput, match=message) as error:
        loaded(tmp_path, MORPHOLOGY, *place, value=value)
    assert "s3cret" not in str(error.value)


# What a file leaves out, limits, and fields that go together ------------------------------------------------------------------

# Keys of stored data are made of what differs from the defaults, and a dataset file means what its defaults meant.
EM_DEFAULTS = {
    "seed": 0,
    "publish": None,
    "chain": "em",
    "generate": None,
    "neurons": [],
    "labels_from": [],
    "missing_region": "UNASSIGNED",
    "region_vocabulary": None,
    "region_names": {},
    "merge_partners": False,
    "leave_out_outside": False,
    "accept_alignment": False,
    "target": "class",
    "tile": {"size_px": 64, "sections": 3, "codec": "png"},
    "encoder": {
        "origin": None,
        "architecture": None,
        "checkpoint": None,
        "crop_px": None,
        "training_steps": None,
        "training_tiles": 20_000,
        "dimensions": None,
        "beside_texture": False,
        "section_by_section": False,
        "positives": "tile",
        "invariant_to": [],
    },
    "networks": {},
    "answers_from": None,
    "transfer_from": {},
    "mitochondria_from": None,
    "labelling": None,
    "subset": None,
    "mitochondria_radius_nm": 500.0,
    "trial_limit": None,
}
VOLUME_DEFAULTS = {
    "reader": None,
    "dataset": "volumes/raw",
    "offset_voxels": None,
    "axis_order": "zyx",
    "space": "local",
    "missing_chunks": "error",
    "timeout_s": 120.0,
    "requests_per_second": None,
    "download_ceiling_gb": 20.0,
}
SOURCE_DEFAULTS: dict[str, Any] = {
    "space": None,
    "transform": None,
    "id_prefix": "",
    "brain_region": None,
    "header": None,
    "table": None,
    "neuron_id_offset": 0,
    "class_names": {},
    "columns": {"x": "x", "y": "y", "z": "z"},
    "voxel_size_nm": None,
    "axis_order": "xyz",
    "target_value": None,
    "id_from": [],
    "minimum": {},
    "only": {},
    "leave_out_autapses": False,
}
MORPHOLOGY_DEFAULTS = {
    "seed": 0,
    "publish": None,
    "generate": None,
    "published_labels": "",
    "brain_region": "UNASSIGNED",
    "units": {},
    "features": {
        "scaling": "robust",
        "axis_signs": "away_from_soma",
        "place_weight": 0.2,
        "shape_weight": 1.0,
        "shape": ["synapse_area", "bouton_area"],
        "extreme_iqr": 3.0,
        "fewest_for_alignment": 5,
    },
    "resampling": {"runs": 36, "share": 0.8, "nulls": 19, "dimensions": 3},
    "recipes": {},
}
AXES_OF_A_WORKBOOK = {
    f"{corrected}{soma}{axis}": f"{short}{soma}{axis}"
    for corrected, short in (("", ""), ("corrected_", "corr_"))
    for soma in ("", "soma_")
    for axis in "xyz"
}
WORKBOOK_COLUMNS = {
    "neuron_id": "NeuronId",
    "synapse_type": "SynType",
    "number": "SynId",
    **AXES_OF_A_WORKBOOK,
    **{f"{soma}{axis}_um": f"corr_{soma}{axis}_micron" for soma in ("", "soma_") for axis in "xyz"},
    "synapse_area": "SynArea",
    "bouton_area": "BoutonArea",
    "bouton_volume": "BoutonVolume",
    "brain_region": None,
}
HERE = FOURTH.replace("${MY_FOLDER}", "/tables")


def left_out(values: dict[str, Any], *given: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in given}


def test_what_a_file_leaves_out_keeps_its_meaning(tmp_path: Path) -> None:
    found = load_dataset(written(tmp_path, HERE.replace(", sections: 3", "")), "/nowhere").model_dump()
    given = ("name", "title", "description", "volumes", "sources", "grouping", "has_neurons")
    assert left_out(found, *given) == EM_DEFAULTS
    assert left_out(found["volumes"]["em"], "kind", "url", "voxel_size_nm") == VOLUME_DEFAULTS
    (source,) = found["sources"]
    columns = {name: column for name, column in source["columns"].items() if column is not None}
    assert {**left_out(source, "name", "path", "format", "volume", "units"), "columns": columns} == SOURCE_DEFAULTS
    has_neurons = HERE.replace("units: nm}", "units: nm, columns: {neuron_id: n}}").replace("has_neurons: false\n", "")
    assert load_dataset(written(tmp_path, has_neurons), "/nowhere").model_dump()["has_neurons"] is True


@pytest.mark.parametrize(
    ("block", "origin"),
    [
        ({}, None),
        ({"training_tiles": 50}, None),
        ({"dimensions": 8, "invariant_to": ["section"]}, None),
        ({"architecture": "em_resnet10"}, "self_supervised"),
        ({"crop_px": 16}, "self_supervised"),
        ({"training_steps": 600}, "self_supervised"),
        ({"origin": None, "training_steps": 5}, "self_supervised"),
        ({"origin": "texture", "crop_px": 16}, "texture"),
    ],
)
def test_who_names_what_only_training_has_wants_training(block: dict[str, Any], origin: str | None) -> None:
    choice = EncoderChoice.model_validate(block)
    assert choice.origin == origin
    assert EncoderChoice.model_validate(choice.model_dump()) == choice


def test_what_a_file_without_images_leaves_out_keeps_its_meaning(tmp_path: Path) -> None:
    found = load_dataset(written(tmp_path, MORPHOLOGY), "/nowhere").model_dump()
    given = ("name", "title", "description", "chain", "workbooks", "neuron_types", "synapse_types", "groups")
    assert left_out(found, *given) == MORPHOLOGY_DEFAULTS
    (book,) = found["workbooks"]
    assert left_out(book, "name", "path") == {
        "sheet": None,
        "columns": WORKBOOK_COLUMNS,
        "used_for": "fit",
        "id_prefix": "",
    }


def test_what_is_published_is_said_whole(tmp_path: Path) -> None:
    block = {
        "authors": [{"name": "A. Lovelace", "orcid": "0000-0002-1825-0097"}],
        "leave_out": ["neuron_id", "splits.group"],
    }
    loaded = load_dataset(written(tmp_path, HERE + yaml.safe_dump({"publish": block})), "/nowhere")
    assert loaded.publish is not None
    assert loaded.publish.authors[0].orcid == "0000-0002-1825-0097"
    for wrong, says in (
        ({"leave_out": ["neuronid"]}, "publish.leave_out names 'neuronid', .*; did you mean neuron_id"),
        ({"authors": [{"name": "A", "orcid": "1825"}]}, "publish.authors.0.orcid"),
        ({"doi": "https://doi.org/10.1/x"}, "publish.doi"),
    ):
        with pytest.raises(BadInput, match=says):
            load_dataset(written(tmp_path, HERE + yaml.safe_dump({"publish": wrong})), "/nowhere")


SETTING = {"min_cluster_size": 5, "min_samples": 2}
WRONG_RECIPES: list[tuple[dict[str, Any], str]] = [
    ({"ours": {}}, "'ours' is the recipe of `clusters`"),
    ({"published": {"single_map": {}}}, r"says no setting of HDBSCAN for the groups \['as', 'as-pv'\]"),
    ({"published": {"single_map": {"settings": {"as": SETTING}}}}, r"no setting of HDBSCAN for the groups \['as-pv'\]"),
    (
        {"published": {"single_map": {"settings": {"as": SETTING, "as-pv": SETTING, "az": SETTING}}}},
        r"name the groups \['az'\]",
    ),
    ({"with space": {}}, "recipes"),
    ({"other": {"features": {"scaling": "robst"}}}, "scaling"),
    ({"other": {"features": {"scaling": None}}}, "scaling"),
    ({"other": {"resampling": {"runs": 5}}}, "runs"),
    ({"other": {"single_map": {}, "resampling": {"dimensions": 2}}}, r"give single_map\.dimensions"),
]


@pytest.mark.parametrize(("recipes", "message"), WRONG_RECIPES)
def test_a_recipe_that_cannot_be_meant_is_refused(recipes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        load_dataset(written(tmp_path, yaml.safe_dump({**yaml.safe_load(MORPHOLOGY), "recipes": recipes})), "/nowhere")


def test_the_advice_on_a_recipe_without_settings_works_when_pasted(tmp_path: Path) -> None:
    whole = yaml.safe_load(MORPHOLOGY) | {
        "groups": {"as": {"synapse_type": "as"}},
        "recipes": {"one": {"single_map": {}}},
    }
    with pytest.raises(BadInput) as refused:
        load_dataset(written(tmp_path, yaml.safe_dump(whole)), "/nowhere")
    advice = str(refused.value).split("such as ", 1)[1].split(", or as", 1)[0]
    whole["recipes"]["one"]["single_map"] = yaml.safe_load(advice)
    found = load_dataset(written(tmp_path, yaml.safe_dump(whole)), "/nowhere")
    assert isinstance(found, MorphologyDataset)
    assert found.setting_of("one", "as") == HdbscanSetting(min_cluster_size=15, min_samples=5)


def test_a_recipe_of_one_map_takes_the_published_settings_of_a_group(tmp_path: Path) -> None:
    published = {"source": "study", "min_cluster_size": 40, "min_samples": 8, "clusters": 4}
    whole = yaml.safe_load(MORPHOLOGY) | {
        "groups": {
            "as": {"synapse_type": "as", "published": published},
            "ss": {"synapse_type": "ss", "published": published},
        },
        "recipes": {"one": {"single_map": {"settings": {"ss": SETTING}}}, "other": {}},
    }
    found = load_dataset(written(tmp_path, yaml.safe_dump(whole)), "/nowhere")
    assert isinstance(found, MorphologyDataset)
    assert found.setting_of("one", "as") == HdbscanSetting(min_cluster_size=40, min_samples=8)
    assert found.setting_of("one", "ss") == HdbscanSetting(**SETTING)
    assert found.setting_of("other", "as") is None


def test_autapses_of_a_cave_table_are_left_out_unless_it_says_otherwise() -> None:
    fields = {**CAVE, "name": "c"}
    columns = {"position": "p", "neuron_id": "n", "partner_id": "m"}
    assert CaveSource.model_validate({**fields, "columns": columns}).leave_out_autapses
    with pytest.raises(ValidationError, match="needs the columns neuron_id and partner_id"):
        CaveSource.model_validate({**fields, "columns": {"position": "p", "neuron_id": "n"}})
    with pytest.raises(ValidationError, match=r"columns\.position"):
        CaveSource.model_validate({**fields, "columns": {}, "leave_out_autapses": False})


def test_a_dataset_cannot_be_changed(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, HERE), "/nowhere")
    with pytest.raises(ValidationError, match="frozen"):
        dataset.seed = 1  # type: ignore[misc]


# Field, the last values that are taken, and the first ones that are not.
LIMITS: list[tuple[str, list[object], list[object]]] = [
    ("tile: {size_px: VALUE}", [8, 2048], [7, 2049]),
    ("tile: {size_px: 64, sections: VALUE}", [1, 64], [0, 65]),
    ("encoder: {crop_px: VALUE}", [8], [7]),
    ("encoder: {training_steps: VALUE}", [1], [0]),
    ("encoder: {training_tiles: VALUE}", [2], [1]),
    ("encoder: {dimensions: VALUE}", [1, 4096], [0, 4097]),
    ("encoder: {invariant_to: [VALUE]}", ["contrast", "section", "volume"], ["neuron"]),
    ("trial_limit: VALUE", [1], [0]),
    ("volumes: {em: {kind: zarr, url: /v, voxel_size_nm: [8, 8, VALUE]}}", [0.01], [0, -1]),
    ("volumes: {em: {kind: zarr, url: /v, voxel_size_nm: [8, 8, 8], timeout_s: VALUE}}", [0.01], [0]),
    ("volumes: {em: {kind: zarr, url: /v, voxel_size_nm: [8, 8, 8], requests_per_second: VALUE}}", [0.01], [0]),
    ("volumes: {em: {kind: zarr, url: /v, voxel_size_nm: [8, 8, 8], download_ceiling_gb: VALUE}}", [0.01], [0]),
    ("volumes: {em: {kind: hdf5, url: /v, voxel_size_nm: [8, 8, 8], dataset: VALUE}}", ["a"], ["''"]),
    ("name: VALUE", ["a", "a_1"], ["A", "1a", "a-b", "''"]),
    ("features: {place_weight: VALUE}", [0], [-0.1]),
    ("features: {shape_weight: VALUE}", [0], [-0.1]),
    ("features: {extreme_iqr: VALUE}", [0.1], [0]),
    ("features: {fewest_for_alignment: VALUE}", [4], [3]),
    ("resampling: {runs: VALUE}", [4, 6], [2, 5]),
    ("resampling: {share: VALUE}", [0.01, 0.99], [0, 1]),
    ("resampling: {nulls: VALUE}", [1], [0]),
    ("resampling: {dimensions: VALUE}", [2, 10], [1, 11]),
    ("recipes: {other: {resampling: {nulls: VALUE}}}", [0], [-1]),
    ("recipes: {other: {single_map: {dimensions: VALUE, settings: SETTINGS}}}", [2, 10], [1, 11]),
    ("recipes: {other: {single_map: {neighbours: VALUE, settings: SETTINGS}}}", [2], [1]),
    ("recipes: {other: {single_map: {min_dist: VALUE, settings: SETTINGS}}}", [0, 1], [-0.1, 1.1]),
    ("groups: {a: {published: {source: s, min_cluster_size: VALUE, min_samples: 1, clusters: 2}}}", [2], [1]),
    ("groups: {a: {published: {source: s, min_cluster_size: 2, min_samples: VALUE, clusters: 2}}}", [1], [0]),
    ("groups: {VALUE: {synapse_type: as}}", ["a", "a-1"], ["A", "1a", "a_b"]),
]


@pytest.mark.parametrize(("field", "taken", "refused"), LIMITS)
def test_the_last_value_is_taken_and_the_next_one_refused(
    field: str, taken: list[object], refused: list[object], tmp_path: Path
) -> None:
    whole = MORPHOLOGY if field.split(":")[0] in ("features", "resampling", "recipes", "groups") else HERE
    field = field.replace(
        "SETTINGS", "{as: {min_cluster_size: 5, min_samples: 5}, as-pv: {min_cluster_size: 5, min_samples: 5}}"
    )
    for value in (*taken, *refused):
        changed = {**yaml.safe_load(whole), **yaml.safe_load(field.replace("VALUE", str(value)))}
        path = written(tmp_path, yaml.safe_dump(changed))
        if value in taken:
            load_dataset(path, "/nowhere")
        else:
            with pytest.raises(BadInput, match=field.split(":")[0]):
                load_dataset(path, "/nowhere")


# Fields of a points source that do not go together, and the least that makes them go together.
TOGETHER: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"leave_out_autapses": True}, {"columns": {"neuron_id": "n", "partner_id": "p"}}, "leave_out_autapses needs"),
    (
        {"leave_out_autapses": True, "columns": {"neuron_id": "n"}},
        {"leave_out_autapses": False},
        "leave_out_autapses needs",
    ),
    (
        {"leave_out_autapses": True, "columns": {"partner_id": "p"}},
        {"leave_out_autapses": False},
        "leave_out_autapses needs",
    ),
    ({"voxel_size_nm": [4, 4, 40]}, {"units": "voxel"}, "for coordinates in voxels"),
    ({"target_value": "gaba", "columns": {"target": "nt"}}, {"columns": {}}, "without a column of classes"),
    ({"target_value": "gaba", "columns": {"target": "nt"}}, {"target_value": None}, "without a column of classes"),
    ({"neuron_id_offset": 1}, {"columns": {"neuron_id": "n"}}, "needs the column neuron_id"),
    ({"id_from": ["x"], "columns": {"synapse_id": "i"}}, {"id_from": []}, "for files without ids"),
    ({"id_from": ["x"], "columns": {"synapse_id": "i"}}, {"columns": {}}, "for files without ids"),
    *(({"columns": {axis: None}}, {"columns": {}}, "neither x, y and z nor one position") for axis in "xyz"),
    ({"axis_order": "zyx"}, {"columns": {"position": "p"}}, "for a position column"),
    *(
        ({"columns": {"position": "p", axis: axis}}, {"columns": {"position": "p"}}, "both position and")
        for axis in "xyz"
    ),
]


@pytest.mark.parametrize(("wrong", "fixed", "message"), TOGETHER)
def test_fields_of_a_source_that_do_not_go_together(wrong: dict[str, Any], fixed: dict[str, Any], message: str) -> None:
    fields = {"format": "points", "name": "a", "volume": "em", "path": "/t.csv", "units": "nm", **wrong}
    with pytest.raises(ValidationError, match=message):
        PointsSource.model_validate(fields)
    PointsSource.model_validate({**fields, **fixed})


VOLUME = {"kind": "zarr", "url": "/v", "voxel_size_nm": [8, 8, 8]}
TABLE = {"name": "table", "format": "points", "volume": "em", "path": "/t.csv", "units": "nm"}
NEURONS = {"name": "known", "format": "neurons", "path": "/n.csv", "columns": {"neuron_id": "n"}}


@pytest.mark.parametrize(
    ("wrong", "fixed", "message"),
    [
        (
            {"sources": [TABLE, TABLE]},
            {"sources": [TABLE, {**TABLE, "name": "other"}]},
            "two sources have the same name",
        ),
        (
            {"has_neurons": True, "neurons": [{**NEURONS, "name": "table"}]},
            {"neurons": [NEURONS]},
            "two sources have the same name",
        ),
        ({"neurons": [NEURONS]}, {"has_neurons": True}, "has_neurons is false"),
        (
            {"volumes": {"em": VOLUME, "finer": {**VOLUME, "voxel_size_nm": [8, 8, 4]}}},
            {"volumes": {"em": VOLUME, "same": VOLUME}},
            "different voxel sizes",
        ),
        (
            {"encoder": {"origin": "hub"}},
            {"encoder": {"origin": "hub", "architecture": "resnet18"}},
            "needs the name of",
        ),
        (
            {"encoder": {"origin": "checkpoint", "architecture": "resnet18"}},
            {"encoder": {"origin": "checkpoint", "architecture": "resnet18", "checkpoint": "/w.pt"}},
            "a checkpoint file is given exactly when",
        ),
        ({"encoder": {"checkpoint": "/w.pt"}}, {"encoder": {}}, "a checkpoint file is given exactly when"),
        *(
            (
                {"encoder": {"origin": "texture", **field}},
                {"encoder": {"origin": "self_supervised", **field}},
                "leave out",
            )
            for field in (
                {"architecture": "em_resnet10"},
                {"training_steps": 600},
                {"beside_texture": True},
                {"section_by_section": True},
            )
        ),
        (
            {"encoder": {"section_by_section": True}},
            {"encoder": {"section_by_section": True, "crop_px": 16}},
            "section_by_section needs a network",
        ),
        (
            {"encoder": {"positives": "neuron"}},
            {"encoder": {"positives": "neuron"}, "has_neurons": True},
            "positives: neuron needs neurons",
        ),
        *(
            ({"networks": {name: {"architecture": "em_resnet10", **field}}, **beside}, {"networks": {}}, message)
            for name, field, beside, message in (
                ("linear_probe", {}, {}, "may not be called linear_probe"),
                (
                    "a",
                    {"splits": ["hemilineage"]},
                    {},
                    r"on the splits \['hemilineage'\]: they are not among the grouping",
                ),
                ("a", {"origin": "encoder"}, {"encoder": {"origin": "texture"}}, "'texture' has no network"),
                ("a", {"crop_nm": 4000}, {}, "is to see 4000 nm"),
                ("a", {"origin": "checkpoint"}, {}, "a checkpoint file is given exactly when"),
                ("a", {"frozen_steps": 5}, {}, "of no use from scratch"),
                ("a", {"origin": "hub", "frozen_steps": 5, "steps": 5}, {}, "must be fewer than steps"),
            )
        ),
        (
            {"volumes": {"em": {**VOLUME, "reader": "cloud-volume"}}},
            {"volumes": {"em": {**VOLUME, "kind": "precomputed", "reader": "cloud-volume"}}},
            "reader cloud-volume is for precomputed",
        ),
        (
            {"volumes": {"em": {**VOLUME, "kind": "hdf5", "axis_order": "xyz"}}},
            {"volumes": {"em": {**VOLUME, "kind": "n5", "axis_order": "xyz"}}},
            "axis_order is for zarr and n5",
        ),
        *(
            ({"labelling": wrong}, {"labelling": fixed}, message)
            for wrong, fixed, message in (
                ({"classes": ["a", "Unsure"]}, {"classes": ["a", "not sure"]}, r"may not be called \['unsure'\]"),
                ({"renamed": {"skip": "a"}}, {"renamed": {"b": "a"}}, r"may not be called \['skip'\]"),
                ({"renamed": {"a": "unsure"}}, {"renamed": {}}, r"may not be called \['unsure'\]"),
                ({"classes": ["a", " A"]}, {"classes": ["a"]}, "classes repeat"),
                ({"classes": list("abcdefghij")}, {"classes": list("abcdefghi")}, "at most 9 items"),
                (
                    {"classes": ["a"], "renamed": {"b": "c"}},
                    {"classes": ["a", "c"]},
                    r"leads to \['c'\], which are none",
                ),
                (
                    {"classes": ["a", "b"], "renamed": {"b": "a"}},
                    {"classes": ["a"]},
                    r"\['b'\], which are classes still",
                ),
                # Of a chain, and of a circle, nobody knows how often it is to be followed.
                (
                    {"renamed": {"a": "b", "b": "c"}},
                    {"renamed": {"a": "c", "b": "c"}},
                    r"leads to \['b'\], which it renames",
                ),
                (
                    {"renamed": {"a": "b", "b": "a"}},
                    {"renamed": {"a": "b"}},
                    r"leads to \['a', 'b'\], which it renames",
                ),
                ({"vae": {"latent_dim": 4, "LATENT_DIM": 4}}, {"vae": {"LATENT_DIM": 4}}, "given twice, in capitals"),
                ({"vae": {"width": 100}}, {"vae": {"width": 64}}, r"width \(100\) must be a multiple of 64"),
                (
                    {"vae": {"learns_from": "mask"}},
                    {"vae": {"learns_from": "image"}},
                    "masks_from is given exactly when",
                ),
            )
        ),
    ],
)
def test_parts_of_a_dataset_that_do_not_go_together(
    wrong: dict[str, Any], fixed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    whole = {**yaml.safe_load(HERE), "sources": [TABLE], "volumes": {"em": VOLUME}}
    with pytest.raises(BadInput, match=message):
        load_dataset(written(tmp_path, yaml.safe_dump({**whole, **wrong})), "/nowhere")
    load_dataset(written(tmp_path, yaml.safe_dump({**whole, **wrong, **fixed})), "/nowhere")


@pytest.mark.parametrize(
    ("target", "said", "transmitters"),
    [
        *((said_nothing, False, True) for said_nothing in ("class", "Classes", " label ", "LABELS", "target", "", " ")),
        ("neurotransmitter", True, True),
        ("Known Transmitter", True, True),
        ("nt", True, True),
        ("top NTs", True, True),
        ("endoplasmic_reticulum", True, False),
        ("morphology", True, False),
        ("intent", True, False),
    ],
)
def test_whether_the_classes_are_transmitters(target: str, said: bool, transmitters: bool, tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, f"{HERE}target: '{target}'\n"), "/nowhere")
    assert isinstance(dataset, EmDataset)
    assert (dataset.target_is_said, dataset.names_transmitters) == (said, transmitters)


def test_a_workbook_without_a_path_is_left_out_and_others_stay(tmp_path: Path) -> None:
    more = "path: /data/study.xlsx}, {name: absent, path: ''}, {name: new, path: /new.csv, used_for: prediction}"
    dataset = load_dataset(written(tmp_path, MORPHOLOGY.replace("path: /data/study.xlsx}", more)), "/nowhere")
    assert isinstance(dataset, MorphologyDataset)
    assert [book.name for book in dataset.workbooks] == ["study", "new"]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("}]", "}, {name: study, path: /other.xlsx}]", "two workbooks have the same name"),
        ("xlsx}", "xlsx, used_for: prediction}", "no workbook to fit on"),
        ("groups:", "features: {shape: [bouton_area, bouton_area]}\ngroups:", "names a measure twice"),
        (
            "synapse_type: as}",
            "synapse_type: [as, xx]}",
            r"asks for synapse_type \['xx'\], but there are \['as', 'ss'\]",
        ),
    ],
)
def test_parts_of_a_morphology_dataset_that_do_not_go_together(
    right: str, wrong: str, message: str, tmp_path: Path
) -> None:
    assert right in MORPHOLOGY
    with pytest.raises(BadInput, match=message):
        load_dataset(written(tmp_path, MORPHOLOGY.replace(right, wrong, 1)), "/nowhere")


def test_the_way_between_spaces_is_one_section() -> None:
    way = TRANSFORMS["catmaid_to_n5"]
    assert (way.source, way.target, way.shift_nm) == ("FAFB14_CATMAID", "FAFB14", (0.0, 0.0, -40.0))
    assert mismatch("FAFB14", "FAFB14", None) is None
    assert mismatch("FAFB14_CATMAID", "FAFB14", "catmaid_to_n5") is None
    told = mismatch("FAFB14_CATMAID", "MANC", None)
    assert told is not None
    assert "transform:" not in told
    assert "MANC: male adult nerve cord" in told


CAVE = {"format": "cave", "volume": "em", "datastack": "d", "table": "t", "materialization": 1}
NAMED: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (PointsSource, TABLE),
    (SynisterSource, {"format": "synister_v4", "volume": "em", "path": "/t.json"}),
    (CremiSource, {"format": "cremi", "volume": "em", "path": "/t.h5", "sites": "presynaptic"}),
    (CaveSource, {**CAVE, "columns": {"position": "p", "neuron_id": "n", "partner_id": "m"}}),
    (NeuronTable, NEURONS),
    (SynisterNeurons, {"format": "synister_v3_skeletons", "path": "/s", "hemi_lineages": "/h"}),
    (Workbook, {"path": "/w.xlsx"}),
]


@pytest.mark.parametrize(("model", "fields"), NAMED)
def test_names_of_sources_are_letters_digits_and_underscores(model: type[BaseModel], fields: dict[str, Any]) -> None:
    for name in ("a", "A_1", "9"):
        assert model.model_validate({**fields, "name": name}).model_dump()["name"] == name
    for name in ("", "a b", "a/b", "../a", "a-b", "a.b", "ä"):
        with pytest.raises(ValidationError, match="name"):
            model.model_validate({**fields, "name": name})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sources:", "tables:", "sources: this field is missing"),
        ("sources:", "neurons: 5\nsources:", "neurons: Input should be a valid list"),
        ("sources:", "neurons: [5]\nsources:", "neurons '0': "),
        ("name: table, ", "", r"sources '0'\.name: this field is missing"),
        (
            "units: nm}",
            "units: nm}\n  - {name: second, format: points, volume: em, units: nm}",
            r"sources 'second'\.path",
        ),
    ],
)
def test_a_mistake_in_a_source_names_it(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        load_dataset(written(tmp_path, HERE.replace(old, new, 1)), "/nowhere")
