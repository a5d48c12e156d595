"""YAML of a person's file: nothing that is written is lost or becomes something else, and every advice can be pasted."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

import synapse_assets
from synapse_assets.datasets import (
    CaveSource,
    Columns,
    CremiSource,
    EmDataset,
    EncoderChoice,
    MorphologyDataset,
    NeuronColumns,
    NeuronTable,
    PointsSource,
    SynisterSource,
    TileSpec,
    VolumeSpec,
    Workbook,
    load_dataset,
)
from synapse_assets.datasets.yaml_text import as_yaml, parse_yaml
from synapse_assets.errors import BadInput
from synapse_assets.sources import RegionNames, read_source
from synapse_assets.sources.inspect import inspect_file
from synapse_assets_tests.sources.tables import column

DATASET = """
name: mine
title: My brain
description: A dataset.
volumes:
  em: {kind: zarr, url: /somewhere/em.zarr, voxel_size_nm: [8, 8, 8]}
sources:
  - {name: sites, format: points, volume: em, path: /tables/points.csv, units: nm}
grouping: [brain_region]
has_neurons: false
tile: {size_px: 64, sections: 3}
"""


def loaded(folder: Path, text: str) -> EmDataset:
    path = folder / "mine.yaml"
    path.write_text(text)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    return dataset


# Given twice ---------------------------------------------------------------------------------------------------------------

TWICE = {
    "two blocks of sources": (
        DATASET + "sources:\n  - {name: other, format: points, volume: em, path: /b.csv, units: nm}\n",
        r"line 12 \(and line 7\): 'sources' is given twice, .*put the entries of both into one list",
    ),
    "a column": (DATASET.replace("units: nm", "units: nm, columns: {x: a, x: b}"), "line 8: 'x' is given twice"),
    "a volume": (
        DATASET.replace("sources:", "  em: {kind: zarr, url: /b, voxel_size_nm: [4, 4, 4]}\nsources:"),
        "line 7 .*'em' is given twice",
    ),
    "a field": (DATASET + "title: Another\n", r"line 12 \(and line 3\): 'title' is given twice.*keep one"),
    "a region": (DATASET + 'region_names: {"no": A, no: B}\n', "line 12: 'no' is given twice"),
    "a region in other quotes": (DATASET + "region_names:\n  'NO': A\n  NO: B\n", "line 14 .*'NO' is given twice"),
    "a class": (
        DATASET.replace("units: nm", "units: nm, class_names: {1: a, '1': b}"),
        "line 8: '1' is given twice",
    ),
    "a condition": (
        DATASET.replace("units: nm", "units: nm, only: {kind: [a], kind: [b]}"),
        "line 8: 'kind' is given twice.*put the entries of both",
    ),
    "of no value": (DATASET.replace("units: nm", "units: nm, header:, header: [a]"), "line 8: 'header' is given twice"),
    "in an alias": (DATASET + "encoder: &e {origin: hub, origin: hub}\n", "line 12: 'origin' is given twice"),
    "in a merge": (DATASET + "encoder: {<<: {origin: hub, origin: hub}}\n", "line 12: 'origin' is given twice"),
    "the same value": (DATASET + "seed: 1\nseed: 1\n", "line 13 .*'seed' is given twice"),
}


@pytest.mark.parametrize(("text", "message"), TWICE.values(), ids=TWICE)
def test_what_is_given_twice_is_one_sentence_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=rf"mine\.yaml: {message}") as error:
        loaded(tmp_path, text)
    assert "\n" not in str(error.value)


def test_what_an_anchor_gives_may_be_given_anew(tmp_path: Path) -> None:
    text = DATASET.replace("em: {", "em: &em {").replace("sources:", "  other: {<<: *em, url: /other}\nsources:")
    assert {name: volume.url for name, volume in loaded(tmp_path, text).volumes.items()} == {
        "em": "/somewhere/em.zarr",
        "other": "/other",
    }


# As written ----------------------------------------------------------------------------------------------------------------

ODD = [
    "a'b\"c`d",
    "a\nb",
    "a\x01\x1b[31mb\x7f",
    "a|b | --- |",
    "naïve Größe 突触 🧠",
    "x" * 300,
    "%2e",
    "=cmd|' /C calc'!A0",
    "${HOME}",
]
# What YAML 1.1 takes for truth values, octal, hexadecimal, binary and sexagesimal numbers, dates, numbers.
WRITTEN = [
    *("NO", "no", "No", "yes", "Yes", "on", "On", "OFF", "y", "Y", "n", "N", "true", "False"),
    *(
        "010",
        "0o10",
        "0x1F",
        "0b11",
        "1_000",
        "1:20",
        "190:20:30",
        "1.50",
        "1.0",
        "1e3",
        "1.e+3",
        ".5",
        "-0",
        "+1",
        "007",
    ),
    *("2023-01-02", "2023-01-02 10:00:00", ".inf", ".NaN", "=", "12", "720575940612345679"),
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_text_is_what_is_written_as_key_and_as_value(tmp_path: Path, text: str) -> None:
    key = text.strip()
    dataset = loaded(
        tmp_path,
        DATASET.replace(
            "units: nm", f"units: nm, brain_region: {text}, columns: {{x: {text}}}, class_names: {{{text}: {text}}}"
        )
        + f"region_names:\n  {text}: A\n",
    )
    source = dataset.sources[0]
    assert isinstance(source, PointsSource)
    assert source.brain_region == key
    assert source.columns.x == key
    assert source.class_names == {key: key}
    assert dataset.region_names == {key: "A"}
    quoted = loaded(tmp_path, DATASET + f"region_names: {{'{text}': \"A\"}}\n")
    assert quoted.region_names == {key: "A"}


@pytest.mark.parametrize("text", ["null", "Null", "NULL", "~"])
def test_nothing_is_a_key_like_any_other_and_no_value(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, DATASET + f"region_names: {{{text}: A}}\n").region_names == {text: "A"}
    assert loaded(tmp_path, DATASET + f"region_names: {{a: '{text}'}}\n").region_names == {"a": text}
    for empty in (text, ""):
        assert loaded(tmp_path, DATASET + f"trial_limit: {empty}\n").trial_limit is None
    with pytest.raises(BadInput, match=r"region_names\.a"):
        loaded(tmp_path, DATASET + f"region_names: {{a: {text}}}\n")


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("merge_partners", "yes", True),
        ("merge_partners", "True", True),
        ("merge_partners", "on", True),
        ("merge_partners", "NO", False),
        ("merge_partners", "off", False),
        ("seed", "7", 7),
        ("seed", "010", 10),
        ("seed", "1_000", 1000),
        ("trial_limit", "200", 200),
        ("trial_limit", "2.0", 2),
    ],
)
def test_fields_of_numbers_and_truth_take_them_from_the_text(
    tmp_path: Path, field: str, written: str, value: object
) -> None:
    given = getattr(loaded(tmp_path, DATASET + f"{field}: {written}\n"), field)
    assert (given, type(given)) == (value, type(value))


@pytest.mark.parametrize("written", ["1:20", "2023-01-02", "maybe", "[1]", "0x10", "1.5"])
def test_what_is_no_number_is_refused_by_name(tmp_path: Path, written: str) -> None:
    with pytest.raises(BadInput, match="seed: Input should be a valid integer"):
        loaded(tmp_path, DATASET + f"seed: {written}\n")


def test_numbers_of_volumes_and_conditions_stay_numbers(tmp_path: Path) -> None:
    dataset = loaded(
        tmp_path,
        DATASET.replace("[8, 8, 8]", "[4.6, 08, 4e1], offset_voxels: [0, -1, 2]").replace(
            "units: nm",
            "units: nm, minimum: {score: .5, cleft: 50}, neuron_id_offset: 720575940000000001, columns: {neuron_id: n}",
        ),
    )
    assert dataset.volumes["em"].voxel_size_nm == (4.6, 8.0, 40.0)
    assert dataset.volumes["em"].offset_voxels == (0, -1, 2)
    source = dataset.sources[0]
    assert isinstance(source, PointsSource)
    assert source.minimum == {"score": 0.5, "cleft": 50.0}
    assert source.neuron_id_offset == 720575940000000001


# Fields that say where something lies, by environment variables.
LOCATED = {"sources", "neurons", "workbooks", "volumes", "published_labels", "annotations", "labels_from", "subset"}
FOLDERS = ("CREMI", "EM_R50", "FAFB", "FLYWIRE", "LUCCHI", "VNC_SSTEM")


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
def test_the_packaged_datasets_say_what_they_always_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CBP_WORKBOOK", *(f"{data}_FOLDER" for data in FOLDERS)):
        monkeypatch.setenv(f"SYNAPSE_{variable}", "/somewhere")
    content = (Path(synapse_assets.__file__).parent / "datasets" / f"{name}.yaml").read_bytes()
    dataset = load_dataset(name, "/nowhere")
    usual = yaml.safe_load(content)
    for field in set(usual) - LOCATED:
        given = type(dataset).model_validate({**dataset.model_dump(exclude_unset=True), field: usual[field]})
        assert getattr(given, field) == getattr(dataset, field)


# Advice --------------------------------------------------------------------------------------------------------------------

KINDS = (
    *(EmDataset, VolumeSpec, TileSpec, EncoderChoice, MorphologyDataset, Workbook, PointsSource, Columns),
    *(SynisterSource, CremiSource, CaveSource, NeuronTable, NeuronColumns),
)
FIELDS = {name for kind in KINDS for name in kind.model_fields}
# What stands for what only the person knows.
PLACEHOLDER = re.compile(r"<\w+>|\{value\}")
ADVICE = re.compile(
    rf"(?<![\w.'\"])({'|'.join(sorted(FIELDS, key=len, reverse=True))}): "
    r"(true|false|\{[^{}]*\}|\[[^\[\]]*\]|<\w+>|(?:voxel|nm|zyx|xyz|black|images|fit|neurotransmitter|catmaid_to_n5)\b)"
)


def messages() -> Iterator[tuple[str, str]]:
    """Place and text of every text in the package but docstrings; what is filled in is {value}."""
    root = Path(synapse_assets.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if "explorer" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        passed_over = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                passed_over |= {id(part) for part in ast.walk(node) if part is not node}
        for node in ast.walk(tree):
            if id(node) in passed_over:
                continue
            where = f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield where, node.value
            elif isinstance(node, ast.JoinedStr):
                yield (
                    where,
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "{value}" for part in node.values),
                )


def accepted(field: str, value: Any) -> bool:
    """Whether some part of a dataset takes that value in that field."""
    for kind in KINDS:
        if field in kind.model_fields:
            info = kind.model_fields[field]
            try:
                TypeAdapter(info.annotation).validate_python(value)
            except ValidationError:
                continue
            return True
    return False


def test_every_piece_of_yaml_that_a_message_names_loads() -> None:
    pieces = [
        (where, match[1], match[2])
        for where, text in messages()
        for match in ADVICE.finditer(text)
        if match[2] != "{value}"
    ]
    wrong = []
    for where, field, written in pieces:
        content = parse_yaml(f"{field}: {PLACEHOLDER.sub('7', written)}".encode())
        if not accepted(field, content[field]):
            wrong.append(f"{where} {field}: {written}")
    assert wrong == []
    assert {field for _, field, _ in pieces} >= {
        *("has_neurons", "columns", "merge_partners", "leave_out_outside", "accept_alignment", "units", "header"),
        *("table", "sheet", "offset_voxels", "missing_chunks", "transform", "target"),
    }


PAIRS = {
    "a neuropil": ("NO", "no"),
    "its other spelling": ("no", "NO"),
    "truth": ("YES", "yes"),
    "on": ("on", "ON"),
    "y": ("y", "Y"),
    "brackets": ("ME(R)", "ME R"),
    "a colon": ("a: b", "a, b"),
    "a hash": ("a #1", "a.1"),
    "a bar and a quote": ("a'b", 'a"b'),
    "a number": ("1.0", "1 0"),
    "sexagesimal": ("1:20", "1 20"),
    "nothing": ("null", "NULL"),
    "a dash": ("- a", "a -"),
    "other alphabets": ("α lobe", "β lobe"),
    "an escape": ("a\x7fb", "a b"),
    "a next line": ("a\x85b", "a_b"),
    "a byte order mark": ("a\ufeffb", "a b"),
    "a date": ("2023-01-02", "2023 01 02"),
    "stars": ("*a", "&a"),
    "braces": ("{a}", "[a]"),
    "a percent sign": ("%a", "@a"),
}


@pytest.mark.parametrize("names", PAIRS.values(), ids=PAIRS)
def test_the_advice_for_two_regions_of_one_key_can_be_pasted(tmp_path: Path, names: tuple[str, str]) -> None:
    regions = pa.array(names)
    with pytest.raises(BadInput, match=r"would (both )?become") as error:
        RegionNames("U").keys(regions)
    advice = str(error.value).split("for instance ", 1)[1]
    assert advice.startswith("region_names: {")
    dataset = loaded(tmp_path, DATASET + advice + "\n")
    keys = RegionNames("U", dataset.region_names).keys(regions).to_pylist()
    assert len(set(keys)) == 1


@pytest.mark.parametrize("name", ["α", "", "a b", "null ", "~ ~"])
def test_the_advice_for_a_key_that_is_none_can_be_pasted(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="is no key of a region") as error:
        RegionNames("U", {"a": name})
    advice = str(error.value).rsplit("for instance ", 1)[1]
    dataset = loaded(tmp_path, DATASET + f"region_names: {{a: {advice}}}\n")
    assert RegionNames("U", dataset.region_names).keys(pa.array(["a"])).to_pylist() == [dataset.region_names["a"]]


@pytest.mark.parametrize("text", [*WRITTEN, *ODD, "null", "~", "", " a ", "a: b", "- a", "#a", "a\x85b"])
def test_what_is_printed_as_yaml_is_read_as_it_was(text: str) -> None:
    printed = as_yaml({text: [text]})
    assert "\n" not in printed
    assert parse_yaml(printed.encode()) == {text: [text]}


@pytest.mark.parametrize("text", [*WRITTEN, "a: b", "null", "~", "- a", "#a", "{a}", "a b", "Ünit", "*a"])
def test_the_source_that_inspect_prints_reads_columns_of_any_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / f"{text.replace(':', '_')}.tsv"
    path.write_text(f"id\tx\ty\tz\tneuropil\n1\t10\t20\t3\t{text}\n2\t10\t20\t4\t\n")
    dataset = loaded(
        tmp_path,
        DATASET[: DATASET.index("sources:")] + inspect_file(str(path)).source + DATASET[DATASET.index("grouping") :],
    )
    table = pa.concat_tables(read_source(dataset.sources[0], dataset.volumes["em"], RegionNames("U")))
    assert column(table, "synapse_id") == ["1", "2"]


def test_what_inspect_prints_of_two_files_is_not_lost_when_pasted(tmp_path: Path) -> None:
    printed = ""
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("id,x,y,z\n1,10,20,3\n")
        printed += inspect_file(str(tmp_path / f"{name}.csv")).source
    text = DATASET[: DATASET.index("sources:")] + printed + DATASET[DATASET.index("grouping") :]
    with pytest.raises(BadInput, match=r"'sources' is given twice.*put the entries of both into one list"):
        loaded(tmp_path, text)
    both = text.replace(printed, printed[::-1].replace("sources:\n"[::-1], "", 1)[::-1])
    assert [source.name for source in loaded(tmp_path, both).sources] == ["a", "b"]
