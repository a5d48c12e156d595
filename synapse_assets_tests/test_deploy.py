"""The files in `deploy/` are true: scripts are valid, settings and commands exist, every file is told of, and none holds a secret."""

import configparser
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from synapse_assets.cli.cluster import check_cluster
from synapse_assets.settings import Settings
from synapse_assets_tests.documentation import ROOT, pages
from synapse_assets_tests.test_docs import parse

DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
PROGRAM = "/opt/synapse/.venv/bin/synapse-assets"
SETTINGS_FILE = "/etc/synapse/cluster.env"


def settings_lines(*, optional: bool) -> dict[str, str]:
    """Names and values of the settings file; with those that are there to be switched on."""
    lines = [line.removeprefix("#") if optional else line for line in (DEPLOY / "cluster.env").read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if re.fullmatch(r"[A-Z][A-Z0-9_]*=\S+", line))


def test_every_file_is_told_of_in_a_guide() -> None:
    files = {str(path.relative_to(ROOT)) for path in DEPLOY.rglob("*") if path.is_file()}
    told = {match for text in pages().values() for match in re.findall(r"\]\((?:\.\./)*(deploy/[^)]+)\)", text)}
    assert files == told
    for path in (DEPLOY / "not_run").iterdir():
        assert "Not run by the project" in path.read_text()


@pytest.mark.parametrize("optional", [False, True])
def test_the_settings_are_those_of_a_cluster(optional: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SYNAPSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    lines = settings_lines(optional=optional)
    known = {f"SYNAPSE_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in lines if name.startswith("SYNAPSE_")} <= known
    assert ("SYNAPSE_RAY_GPUS" in lines) == optional
    for name, value in lines.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.unused() == []
    check_cluster(settings.model_copy(update={"datasets": []}))  # its dataset file is the reader's own
    secret = {name for name in lines if "SECRET" in name or "ACCESS_KEY" in name or "POSTGRES" in name}
    assert {name for name in secret if "change-me" not in lines[name]} == set()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_exists(unit: Path) -> None:
    # Like systemd: names of options keep their capitals.
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(unit.read_text())
    service = read["Service"]
    assert service["EnvironmentFile"] == SETTINGS_FILE
    program, *words = shlex.split(service["ExecStart"])
    assert program == PROGRAM
    instances = ["code", "webserver", "daemon"] if "@" in unit.name else [""]
    for instance in instances:
        filled = [word.replace("%i", instance) for word in words]
        for name, value in settings_lines(optional=False).items():
            filled = [word.replace(f"${{{name}}}", value) for word in filled]
        assert not any("$" in word for word in filled)
        parse(filled, whole=True)
    assert f"/etc/systemd/system/{unit.name}" in unit.read_text()
    assert service["WorkingDirectory"] == settings_lines(optional=False)["SYNAPSE_LOCAL_ROOT"]


@pytest.mark.parametrize("script", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_valid_and_its_commands_exist(script: Path) -> None:
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    text = script.read_text().replace("\\\n", " ")
    assert {*re.findall(r"SYNAPSE_[A-Z_]*[A-Z]", text)} <= {f"SYNAPSE_{name.upper()}" for name in Settings.model_fields}
    asked = re.findall(r"^(?!\s*#).*?\bsynapse-assets ([^#|&>;\n]*)", text, re.MULTILINE)
    assert len(asked) >= 3
    for words in asked:
        parse(shlex.split(re.sub(r"\$\w+", "value", words.replace("$address", "10.0.0.1"))), whole=True)


def test_the_cluster_for_kubernetes_takes_its_token_from_a_secret() -> None:
    cluster = yaml.safe_load((DEPLOY / "not_run" / "ray_cluster.yaml").read_text())
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    locked = (ROOT / "requirements.lock").read_text()
    assert f"ray=={cluster['spec']['rayVersion']}" in locked
    for group in groups:
        [container] = group["template"]["spec"]["containers"]
        variables = {one["name"]: one for one in container["env"]}
        assert variables["RAY_AUTH_MODE"]["value"] == "token"
        assert "secretKeyRef" in variables["RAY_AUTH_TOKEN"]["valueFrom"]
        assert container["envFrom"] == [{"secretRef": {"name": "synapse-settings"}}]
