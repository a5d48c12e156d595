"""Dataset files: the packaged ones are valid, a fourth one needs no code, and mistakes name file and field."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from synapse_assets.datasets import Dataset, MorphologyDataset, load_dataset
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

TABLE = "\n  - {name: table, format: points, volume: em, path: /more.csv, units: nm}"
NEURONS = "\n  - {name: known, format: neurons, path: /neurons.csv, columns: {neuron_id: id}}"


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
        ("size_px: 64", "size_px: 7", r"tile\.size_px"),
        ("sections: 3", "sections: 0", r"tile\.sections"),
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
