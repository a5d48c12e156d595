"""The commands of labelling: who may label."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from synapse_assets.cli import app
from synapse_assets.stores.annotators import ANNOTATORS_FILE, Annotators
from synapse_assets_tests.test_cli import mode, root  # noqa: F401


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
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(root: Path, words: tuple[str, ...], told: str) -> None:  # noqa: F811
    run("annotator", "add", "bea")
    result = run(*words)
    assert result.exit_code == 2
    assert result.output.startswith(told)
    assert result.output.count("\n") == 1


def test_help_is_given_without_a_command() -> None:
    assert "Commands" in run("annotator").output
    assert run("annotator", "--help").exit_code == 0
