"""The commands of labelling: who may label, and answers as CSV."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from synapse_assets.cli import app
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotation_log import Answer
from synapse_assets.stores.annotators import ANNOTATORS_FILE, Annotators
from synapse_assets_tests.stores.samples import synapses
from synapse_assets_tests.test_cli import mode, root  # noqa: F401

DATASET = """
name: lab
title: Lab
description: Of a test.
volumes: {em: {kind: images, url: em, voxel_size_nm: [4, 4, 40]}}
sources: [{name: table, format: points, volume: em, path: points.csv, units: nm, columns: {neuron_id: neuron}}]
region_vocabulary: flywire
target: neurotransmitter
grouping: [neuron_id]
tile: {size_px: 32, sections: 3}
labelling: {classes: [gaba, glutamate]}
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_person_is_added_listed_and_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("SYNAPSE_EXPLORER_URL", "https://synapses.example.org")
    added = run("annotator", "add", "[b]<b>Åsa</b>")
    assert added.exit_code == 0
    told = re.search(r"token of \[b\]<b>Åsa</b>, shown this once: (\S+)\n", added.output)
    assert told is not None
    assert "log in at https://synapses.example.org/labelling" in added.output
    assert Annotators(root).name_of(told[1]) == "[b]<b>Åsa</b>"
    assert mode(root / ANNOTATORS_FILE) == 0o600
    assert run("annotator", "add", "bea").exit_code == 0
    assert run("annotator", "list").output == "[b]<b>Åsa</b>\nbea\n"
    assert run("annotator", "remove", "[b]<b>Åsa</b>").exit_code == 0
    assert Annotators(root).name_of(told[1]) is None
    assert run("annotator", "list").output == "bea\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("annotator", "add", ""), "the name '' cannot be taken: give 1 to 60 printable characters"),
        (("annotator", "add", "BEA"), "there is an annotator 'bea' already"),
        (("annotator", "remove", "carl"), "there is no annotator 'carl'; there are 'bea'"),
        (("labels", "export", "nothing", "x.csv"), "no dataset 'nothing'"),
        (("labels", "export", "lab.yaml", "none/x.csv"), "none/x.csv: there is no folder none; make it, or name another"),
        (("labels", "import", "lab.yaml", "none.csv"), "none.csv cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(root: Path, words: tuple[str, ...], told: str) -> None:  # noqa: F811
    Path("lab.yaml").write_text(DATASET)
    run("annotator", "add", "bea")
    result = run(*words)
    assert result.exit_code == 2
    assert result.output.startswith(told)
    assert result.output.count("\n") == 1


def test_help_is_given_without_a_command() -> None:
    for group in ("annotator", "labels"):
        assert "Commands" in run(group).output
        assert run(group, "--help").exit_code == 0


def test_answers_go_out_and_come_in(root: Path) -> None:  # noqa: F811
    Path("lab.yaml").write_text(DATASET)
    store = DatasetStore(str(root), "lab", Settings().local_root)
    store.synapses.replace_region("A", synapses("A", ["s1", "s2", "s3"]), [])
    store.annotation_log.append([Answer("a1", "anna", "round_001", "s1", "gaba", note="=1")])
    exported = run("labels", "export", "lab.yaml", "out.csv")
    assert exported.output == "1 row: out.csv\n"
    assert mode(Path("out.csv")) == 0o600
    assert run("labels", "import", "lab.yaml", "out.csv").output == "0 new answers\n"
    Path("own.csv").write_text("synapse_id,answer\ns2,glutamate\ns3,skip\n")
    refused = run("labels", "import", "lab.yaml", "own.csv")
    assert refused.exit_code == 2
    assert (
        "line 2: it does not say whose answer it is: add a column annotator, or give --annotator NAME" in refused.output
    )
    # Pasted, the advice works.
    assert run("labels", "import", "lab.yaml", "own.csv", "--annotator", "bea").output == "2 new answers\n"
    assert store.annotation_log.rows().column("annotator").to_pylist() == ["anna", "bea", "bea"]
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []
