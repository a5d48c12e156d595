"""What a visitor of the repository meets before any code: citation, hooks, workflow and issue forms name what there is."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import synapse_assets
from synapse_assets.cli import app

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def parsed(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version_and_licence() -> None:
    citation = parsed(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == synapse_assets.__version__
    assert citation["message"]
    [author] = citation["authors"]
    first_lines = (ROOT / "LICENSE").read_text(encoding="utf-8").splitlines()[:3]
    assert first_lines[0] == f"{citation['license']} License"
    assert first_lines[2].lower().endswith(author["name"].lower())
    assert f'license = "{citation["license"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_hooks_run_what_is_installed_and_fetch_nothing() -> None:
    repositories = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("ruff-check", "ruff-format", "lint-imports"):
        program = Path(shlex.split(hooks[name]["entry"])[0])
        assert hooks[name]["language"] == "system"
        assert program.parent == Path(".venv/bin")
        assert f"$(BIN)/{program.name}" in makefile
    forbidden = re.compile(hooks["no-data"]["files"])
    assert forbidden.search("data/tiles.parquet")
    assert not [path for path in (ROOT / "synapse_assets").rglob("*") if forbidden.search(path.name)]


def test_the_workflow_runs_make_targets_and_may_only_read() -> None:
    workflow = parsed(GITHUB / "workflows" / "test.yml")
    assert workflow["permissions"] == {"contents": "read"}
    [job] = workflow["jobs"].values()
    commands = [shlex.split(step["run"]) for step in job["steps"] if "run" in step]
    assert commands == [["make", "test"], ["make", "docs"]]
    assert {target for _, target in commands} <= TARGETS
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)


@pytest.mark.parametrize("path", FORMS, ids=[path.stem for path in FORMS])
def test_an_issue_form_asks_for_something_and_names_commands_that_exist(path: Path) -> None:
    form = parsed(path)
    assert form["name"]
    assert form["description"]
    fields = form["body"]
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids)
    assert any(field.get("validations", {}).get("required") for field in fields)
    assert all(field["type"] in ("input", "textarea") and field["attributes"]["label"] for field in fields)
    commands = set(typer.main.get_group(app).commands)
    asked = re.findall(r"synapse-assets ([a-z]+)", path.read_text(encoding="utf-8"))
    assert asked
    assert set(asked) <= commands


def test_blank_issues_are_off_and_the_template_of_changes_names_make_targets() -> None:
    assert parsed(GITHUB / "ISSUE_TEMPLATE" / "config.yml") == {"blank_issues_enabled": False}
    template = (GITHUB / "pull_request_template.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"`make ([a-z-]+)`", template))
    assert {"test", "docs"} <= targets <= TARGETS
