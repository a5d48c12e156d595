"""The documentation is true: its code runs, its YAML is valid, its commands and variables exist, and its links lead somewhere.

A block is found by what stands in it. Python runs on the tiny dataset in the place of the sample, page by page; what needs another
installation is run by the tests that `ELSEWHERE` names. A new kind of block fails until a test here knows what to do with it.
"""

import ast
import json
import re
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dagster as dg
import numpy as np
import pytest
import typer.main
import yaml

import synapse_assets.datasets
from synapse_assets.cli import app
from synapse_assets.cli.materialization import waves
from synapse_assets.datasets import (
    DetectionDataset,
    EmDataset,
    MorphologyDataset,
    StainingDataset,
    load_dataset,
    sources,
    variables_named,
)
from synapse_assets.datasets.variables import names_in
from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.definitions import build_definitions
from synapse_assets.pipeline.em.inputs import synapse_source
from synapse_assets.pipeline.inputs import made_by_others
from synapse_assets.query import open_warehouse
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.releases import freeze_release, released_names
from synapse_assets.volumes import decode_tiles, encode_tiles
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.documentation import ROOT, Block, anchors, block_with, blocks, commands, links, pages
from synapse_assets_tests.sources.tables import read, shipped

# What a fence may say, and the test that holds what stands behind it.
KINDS = {
    "python": "test_the_python_of_a_page_runs",
    "yaml": "test_a_block_of_yaml_is_valid",
    "sql": "test_a_query_runs",
    "json": "test_a_block_of_json_is_json",
    "": "test_commands_exist",
    "sh": "test_commands_exist",
    "console": "test_commands_exist",
    "text": "test_commands_exist",
}
# Blocks that need another installation than the tiny one: their kind, words that stand in them, and the file that runs them.
ELSEWHERE = {
    ("python", "sample_cbp"): "defs/morphology/test_chain.py",
    ("sql", "synapse_mitochondria"): "pipeline/test_synapse_mitochondria.py",
    ("python", "test_lab_boutons"): "test_docs.py",
    ("yaml", "Boutons of our lab"): "test_docs.py",
}
# YAML that is no whole dataset: the field it begins with, and the dataset of the documentation or the package that it is added to.
ADDED_TO = {
    "encoder": "my_brain.yaml",
    "labels_from": "my_brain.yaml",
    "networks": "sample_deep.yaml",
    "transfer_from": "my_brain.yaml",
    "labelling": "my_brain.yaml",
    "trial_limit": "my_brain.yaml",
    "publish": "my_brain.yaml",
}
# Variables that compose.yaml and the tests read.
OTHER_VARIABLES = {"SYNAPSE_LOCAL_FOLDER", "SYNAPSE_ASSETS_UPDATE_SNAPSHOT"}


def elsewhere(block: Block) -> bool:
    return any(block.kind == kind and words in block.text for kind, words in ELSEWHERE)


def here(kind: str) -> list[Block]:
    return [block for block in blocks(kind) if not elsewhere(block)]


def program(block: Block, root: str) -> Any:
    """The compiled block, whose lines are those of its page, with the tiny dataset of `root` in the place of the sample."""
    text = block.text.replace("data/sample/", f"{root}/tiny/").replace('"sample"', '"tiny"')
    return compile("\n" * (block.line - 1) + text, block.page, "exec")


# Blocks --------------------------------------------------------------------------------------------------------------------


def test_every_kind_of_block_is_known() -> None:
    directives = re.compile(r"\{[a-z:-]+\}.*")  # of the pages that Sphinx builds, which fails on an unknown one
    unknown = {
        str(block): block.kind
        for block in blocks()
        if block.kind not in KINDS and not (block.page.startswith("docs/") and directives.fullmatch(block.kind))
    }
    assert unknown == {}, f"say what it is, one of {list(KINDS)}, or add a test for it"
    assert all(name in globals() for name in KINDS.values())


@pytest.mark.parametrize(("kind", "words"), ELSEWHERE)
def test_what_runs_elsewhere_does(kind: str, words: str) -> None:
    source = (ROOT / "synapse_assets_tests" / ELSEWHERE[kind, words]).read_text(encoding="utf-8")
    assert f'block_with("{kind}", "{words}")' in source
    assert block_with(kind, words)


@pytest.mark.parametrize("page", sorted({block.page for block in here("python")}))
def test_the_python_of_a_page_runs(
    page: str, finished_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(finished_lab.root))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in here("python"):
        if block.page != page:
            continue
        for release in re.findall(r'release="([^"]+)"', block.text):
            if release not in released_names(finished_lab.store):
                freeze_release(finished_lab.store, release)
        exec(program(block, str(finished_lab.root)), names)  # noqa: S102 -- our own pages


@pytest.mark.parametrize("block", here("sql"), ids=str)
def test_a_query_runs(block: Block, finished_lab: Lab) -> None:
    with open_warehouse("tiny", finished_lab.root) as warehouse:
        assert len(warehouse.sql(block.text)) > 0


@pytest.mark.parametrize("codec", ["png", "zstd"])
def test_a_stored_tile_is_read_without_the_package(codec: TileCodec, finished_lab: Lab, tmp_path: Path) -> None:
    store, copy = finished_lab.store, DatasetStore(str(tmp_path), "tiny")
    rows = store.tiles.read("EB", store.tiles.table.names)
    tiles = decode_tiles(rows.column("image"))
    at = rows.column_names.index("image")
    copy.tiles.replace_region("EB", rows.set_column(at, rows.schema.field(at), encode_tiles(tiles, codec)), [])
    names: dict[str, Any] = {}
    exec(program(block_with("python", "def tile("), str(tmp_path)), names)  # noqa: S102 -- our own page
    for expected, stored in zip(tiles, copy.tiles.read("EB", ["image"]).column(0).to_pylist(), strict=True):
        np.testing.assert_array_equal(names["tile"](stored), expected)


def test_the_first_change_of_a_contributor_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats = tmp_path / "formats"
    shutil.copytree(sources.FORMATS, formats)
    (formats / "lab_boutons.yaml").write_text(block_with("yaml", "Boutons of our lab").text)
    monkeypatch.setattr(sources, "FORMATS", formats)
    names: dict[str, Any] = {"Path": Path, "read": read, "shipped": shipped}
    exec(block_with("python", "test_lab_boutons").text, names)  # noqa: S102 -- our own page
    names["test_lab_boutons"](tmp_path)


def test_code_is_marked_as_code() -> None:
    code = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.With | ast.For
    for block in blocks("", "text", "sh", "console"):
        with suppress(SyntaxError):
            assert not [node for node in ast.parse(block.text).body if isinstance(node, code)], f"{block} is python"
        with suppress(yaml.YAMLError):
            assert not isinstance(yaml.safe_load(block.text), dict), f"{block} is yaml"


def test_a_block_of_json_is_json() -> None:
    for block in blocks("json"):
        json.loads(block.text)


# Dataset files -------------------------------------------------------------------------------------------------------------


def written(name: str, folder: Path) -> str:
    """The dataset file whose block begins with its name, written into `folder`."""
    block = block_with("yaml", f"# {name}\n")
    path = folder / name
    path.write_text(block.text)
    return str(path)


def alternatives(block: Block) -> list[dict[str, Any]]:
    """The fields of a part of a dataset file; where it gives one of them several times, one of them at a time."""
    parts = [part for part in re.split(r"^(?=\w)", block.text, flags=re.MULTILINE) if part.strip("# \n")]
    read = [yaml.safe_load(part) for part in parts]
    names = [next(iter(fields)) for fields in read if fields]
    return [fields for fields in read if fields] if len({*names}) < len(names) else [yaml.safe_load(block.text)]


@pytest.mark.parametrize("block", here("yaml"), ids=str)
def test_a_block_of_yaml_is_valid(block: Block, tmp_path: Path) -> None:
    if name := re.match(r"# (\w+\.yaml)\n", block.text):
        assert load_dataset(written(name[1], tmp_path), "/nowhere").name == Path(name[1]).stem
        return
    for fields in alternatives(block):
        first = next(iter(fields))
        assert first in ADDED_TO, "say which dataset this is added to, or begin with `# name.yaml`"
        packaged = Path(synapse_assets.datasets.__file__).with_name(ADDED_TO[first])
        text = packaged.read_text() if packaged.is_file() else block_with("yaml", f"# {ADDED_TO[first]}\n").text
        whole = yaml.safe_load(text)
        path = tmp_path / "whole.yaml"
        path.write_text(yaml.safe_dump({**whole, **fields}))
        assert load_dataset(str(path), "/nowhere").name == whole["name"]


def test_the_yaml_of_interneurons_says_what_is_meant(tmp_path: Path) -> None:
    dataset = load_dataset(written("my_interneurons.yaml", tmp_path), "/nowhere")
    assert isinstance(dataset, MorphologyDataset)
    assert list(dataset.groups) == ["as", "as-pv"]
    assert dataset.workbooks[0].columns.synapse_area == "Syn Area"


def test_the_yaml_of_stained_neurons_says_what_is_meant(tmp_path: Path) -> None:
    dataset = load_dataset(written("my_stain.yaml", tmp_path), "/nowhere")
    assert isinstance(dataset, StainingDataset)
    assert dataset.treated == "treated"
    assert dataset.map_network == dataset.answering == "vgg"
    assert dataset.networks["vgg"].later_learning_rate == 2e-5
    assert dataset.names_compounds


def test_the_yaml_of_a_volume_and_of_its_synapses_says_what_is_meant(tmp_path: Path) -> None:
    volume = load_dataset(written("my_volume.yaml", tmp_path), "/nowhere")
    assert isinstance(volume, DetectionDataset)
    assert list(volume.searched) == ["em"]
    assert (volume.synapse_detector, volume.mitochondria_detector) == ("synapses", "mitochondria")
    synapses = load_dataset(written("my_synapses.yaml", tmp_path), "/nowhere")
    assert isinstance(synapses, EmDataset)
    assert made_by_others(synapse_source(synapses), synapses.name, "/nowhere") == [(volume.name, "detections")]
    assert synapses.mitochondria_from == volume.name
    assert synapses.volumes["em"].voxel_size_nm == volume.voxel_size_nm
    both = build_definitions(Settings(data_root="/nowhere", datasets=[]), datasets=[synapses, volume])
    graph = both.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["my_synapses", "synapse_source"])).parent_keys == {
        dg.AssetKey([volume.name, "detections"])
    }
    assert list(dict.fromkeys(keys[0].path[0] for _, keys in waves(both))) == [volume.name, synapses.name]


def test_the_yaml_of_a_brain_says_what_is_meant(tmp_path: Path) -> None:
    path = Path(written("my_brain.yaml", tmp_path))
    path.write_text(path.read_text() + block_with("yaml", "labels_from:\n  - of: brain_region").text)
    dataset = load_dataset(str(path), "/nowhere")
    assert isinstance(dataset, EmDataset)
    assert dataset.grouping == ["neuron_id", "hemilineage"]
    assert [source.name for source in dataset.neurons] == ["known"]
    assert [labels.of for labels in dataset.labels_from] == ["brain_region", "neuron_id"]
    assert dataset.labels_from[0].names == {1: "ME_R", 2: "LO_R"}


# Commands, targets and variables -------------------------------------------------------------------------------------------


def parse(words: list[str], whole: bool) -> None:
    """Read a command line as the command would, without running it; not `whole`: its arguments may be left out."""
    from typer._click.exceptions import MissingParameter

    group: Any = typer.main.get_command(app)
    while words and hasattr(group, "commands"):
        if words[0] in ("--help", "--version", "--install-completion", "--show-completion"):
            return
        assert words[0] in group.commands, f"no command {words[0]!r}: there are {list(group.commands)}"
        group, words = group.commands[words[0]], words[1:]
    if hasattr(group, "commands") or "--help" in words:
        return
    try:
        group.make_context(group.name, list(words))
    except MissingParameter:
        assert not whole, f"an argument is missing: {words}"


def command_lines(page: str) -> list[tuple[int, list[str], bool]]:
    """What `synapse-assets` is asked for on a page: line, words, and whether it is a line to paste."""
    found = []
    of_blocks = {
        block.line + at for block in blocks() if block.page == page for at in range(block.text.count("\n") + 1)
    }
    for line, code in commands(page):
        for match in re.finditer(r"(?:^|[\s/(])(synapse-assets) ([a-z-][^#|&>;\n)]*)", code):
            words = shlex.split(re.sub(r"\$\([^)]*\)?", "value", match[2]))
            found.append((line, words, line in of_blocks))
    return found


@pytest.mark.parametrize("page", pages())
def test_commands_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line, words, whole in command_lines(page):
        try:
            parse(words, whole)
        except Exception as error:
            pytest.fail(f"{page}:{line}: synapse-assets {' '.join(words)}: {error}")
    for line, code in commands(page):
        asked = re.findall(r"(?:^|[\s/(])make ([a-z][a-z-]*)(?![\w.=])", code.split("#")[0])
        assert {*asked} <= targets, f"{page}:{line}: the Makefile has {sorted(targets)}"


def test_commands_that_do_not_exist_are_noticed() -> None:
    for words in (
        ["materialise"],
        ["explore", "--labeling"],
        ["labels", "write"],
        ["serve", "postgres"],
        ["promote", "sample"],
    ):
        with pytest.raises(Exception, match=r"no command|No such option|is not one of|missing"):
            parse(words, whole=True)
    parse(["labels", "export", "sample", "answers.csv"], whole=True)


@pytest.mark.parametrize("page", pages())
def test_variables_are_read_by_something(page: str) -> None:
    text = pages()[page]
    settings = {f"SYNAPSE_{name.upper()}" for name in Settings.model_fields}
    known = settings | variables_named([]) | names_in(text) | OTHER_VARIABLES
    assert {*re.findall(r"(?<![\w.])SYNAPSE_[A-Z0-9_]*[A-Z0-9]", text)} <= known


# Links ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_something(page: str) -> None:
    for line, address in links(page):
        if re.match(r"[a-z]+:", address):
            continue
        path, _, anchor = unquote(address).partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), f"{page}:{line}: no file {path}"
        if anchor:
            assert anchor in anchors(str(target.relative_to(ROOT))), f"{page}:{line}: no heading #{anchor}"


def test_the_readme_is_read_to_its_end() -> None:
    assert len(pages()["README.md"].splitlines()) <= 150
