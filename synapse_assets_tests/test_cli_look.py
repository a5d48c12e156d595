"""Looking around: which datasets there are, what an installation is like, what a shell completes, and the help of every command."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner, Result

from synapse_assets.cli import app, diagnosis, probes
from synapse_assets.cli.completion import complete_asset, complete_region
from synapse_assets.cli.probes import Finding, Level
from synapse_assets.explorer import create_app
from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.stores.object_store import BUCKET, ObjectStore, object_store  # noqa: F401

OWN = """
name: own
title: Own brain
description: Of a test.
volumes: {em: {kind: images, url: "${LAB_FOLDER}/em", voxel_size_nm: [4, 4, 40]}}
sources: [{name: table, format: points, volume: em, path: "${LAB_FOLDER}/points.csv", units: nm, columns: {neuron_id: neuron}}]
target: neurotransmitter
grouping: [neuron_id]
tile: {size_px: 32, sections: 3}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root of an installation with the sample and a dataset of its own, whose variable is not set."""
    (tmp_path / "own.yaml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SYNAPSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("LAB_FOLDER", raising=False)
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("SYNAPSE_DATASETS", "sample,own.yaml")
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def completed(line: str, **variables: str) -> Result:
    """What bash is told when somebody presses TAB at the end of that line."""
    asked = {
        "_SYNAPSE_ASSETS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    return CliRunner().invoke(app, [], env={**asked, **variables}, prog_name="synapse-assets")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("synapse-assets promote sample_c", ["sample_cbp"]),
        ("synapse-assets promote sample syn", ["synapse_classifier"]),
        ("synapse-assets promote nothing syn", []),
        ("synapse-assets labels export nothing", []),
        ("synapse-assets predict --dataset own", ["own.yaml"]),
        ("synapse-assets datasets sample_d", ["sample_deep", "sample_detection"]),
        ("synapse-assets anno", ["annotator"]),
    ],
)
def test_a_shell_completes_names(line: str, names: list[str], root: Path) -> None:
    result = completed(line)
    assert (result.output.split(), result.stderr) == (names, "")


def test_completion_is_silent_where_settings_are_wrong(root: Path) -> None:
    result = completed("synapse-assets promote s", SYNAPSE_DEVICE="abacus", SYNAPSE_DATA_ROT="x")
    assert (result.exit_code, result.stdout.strip(), result.stderr) == (0, "", "")


def test_regions_and_assets_are_completed_behind_what_stands_before_them(root: Path) -> None:
    context = typer.Context(get_command(app), info_name="synapse-assets")
    DatasetStore(str(root), "sample").results(SYNAPSE_LABELS).write_partition("EB", SYNAPSE_LABELS.empty())
    DatasetStore(str(root), "sample").results(SYNAPSE_LABELS).write_partition("AL_L", SYNAPSE_LABELS.empty())
    context.params = {"datasets": ["sample"]}
    assert complete_region(ctx=context, incomplete="") == [("AL_L", "sample"), ("EB", "sample")]
    assert complete_region(ctx=context, incomplete="EB,A") == [("EB,AL_L", "sample")]
    assert [name for name, _ in complete_asset(ctx=context, incomplete="synapses or +til")] == [
        "synapses or +tile_plan",
        "synapses or +tiles",
        "synapses or +tile_attributes",
    ]
    context.params = {"dataset": "cbp"}
    assert [name for name, _ in complete_region(ctx=context, incomplete="c")] == ["cb", "cr"]
    context.params = {"datasets": None}
    assert ("EB", "sample") in complete_region(ctx=context, incomplete="")


def test_bash_itself_completes(root: Path) -> None:
    program = root / "synapse-assets"
    program.write_text(f"#!{sys.executable}\nfrom synapse_assets.cli import app\napp(prog_name='synapse-assets')\n")
    program.chmod(0o755)
    script = (
        'eval "$(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 synapse-assets --show-completion bash)"\n'
        "COMP_WORDS=(synapse-assets promote sample_c) COMP_CWORD=2\n"
        '_synapse_assets_completion synapse-assets\necho "${COMPREPLY[@]}"'
    )
    search = f"{root}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("sample_cbp\n", "")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def line_of(text: str, name: str) -> str:
    """The row of a dataset, or of what `doctor` looked at."""
    [row] = [row for row in map(str.split, text.splitlines()) if name in row[:2]]
    return " ".join(row)


def test_the_datasets_are_listed_with_what_they_need(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = run("datasets")
    assert listed.exit_code == 0
    assert line_of(listed.output, "sample") == "on sample em nothing: drawn here nothing Sample brain"
    assert line_of(listed.output, "own") == "on own em LAB_FOLDER (not set) nothing Own brain"
    assert line_of(listed.output, "fafb").startswith("fafb em SYNAPSE_FAFB_FOLDER (not set), fetches up to 20 GB")
    monkeypatch.setenv("LAB_FOLDER", str(root))
    assert "LAB_FOLDER (set), 2 of 2 files or folders are missing" in line_of(run("datasets").output, "own")
    DatasetStore(str(root), "sample").results(SYNAPSE_LABELS).write_partition("EB", SYNAPSE_LABELS.empty())
    assert line_of(run("datasets").output, "sample").endswith("drawn here 1 brain region Sample brain")
    with DatasetStore(str(root), "sample").folder.replace("release.json") as stream:
        stream.write(b'{"created": "2026-11-30T21:00:14+00:00"}')
    assert "1 brain region, released 2026-11-30 21:00" in line_of(run("datasets").output, "sample")


def test_a_dataset_that_cannot_be_read_is_listed_with_the_reason(root: Path) -> None:
    Path("own.yaml").write_text(OWN.replace("grouping:", "groupings:"))
    listed = run("datasets")
    assert listed.exit_code == 0
    assert "there is no such field; did you mean 'grouping'?" in line_of(listed.output, "own.yaml")
    assert run("datasets", "own.yaml").exit_code == 2


@pytest.mark.parametrize("name", ["own", "own.yaml"])
def test_one_dataset_is_shown_with_what_to_run_next(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = " ".join(run("datasets", name).output.split())
    assert "tile 32 x 32 px in 3 sections: 128 nm wide, 120 nm deep" in shown
    assert "volume em: images, voxels of 4 x 4 x 40 nm" in shown
    assert "sources[0].path ${LAB_FOLDER}/points.csv not set" in shown
    assert shown.endswith("next export LAB_FOLDER=... # see above synapse-assets materialize own.yaml")
    monkeypatch.setenv("LAB_FOLDER", "https://lab:s3cret@example.org/x")
    shown = run("datasets", name).output
    assert "fetched from there" in shown
    assert "s3cret" not in shown
    assert "no dataset 'sampel'" in run("datasets", "sampel").output


def test_a_healthy_installation_has_no_problems(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DATASETS", "sample")
    monkeypatch.setenv("SYNAPSE_UNHEARD_OF", "1")
    monkeypatch.setattr(probes, "_PORTS", ())
    page = run("doctor")
    assert page.exit_code == 0, page.output
    assert page.output.endswith("no problems, 1 warning\n")
    assert "SYNAPSE_UNHEARD_OF: no setting, and no dataset names it" in page.output
    assert "computes in" in line_of(page.output, "device")
    assert "written, read and removed" in line_of(page.output, "SYNAPSE_DATA_ROOT")
    assert list(root.iterdir()) == []


def test_no_secret_and_no_user_is_on_the_page(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7",
        "HF_TOKEN": "hf_abcdef",
        "SYNAPSE_WEBHOOK_URL": "https://hooks.example.org/T000/B000",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SYNAPSE_POSTGRES_URL", "postgresql://synapse:pa55word@127.0.0.1:9/wJalrXUtnFEMI/K7")
    monkeypatch.setenv("LAB_FOLDER", "https://lab:s3cret@example.org/x?signature=abcd")
    monkeypatch.setenv("HOME", str(root.parent))
    monkeypatch.setattr(diagnosis, "_user", lambda: "anna")
    for name in ("anna", "work"):
        (root.parent / name).mkdir()
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(root.parent / "anna" / "data"))
    Path("own.yaml").write_text(OWN.replace("title: Own brain", "titel: hf_abcdef"))
    page = run("doctor")
    assert page.exit_code == 1
    assert "Postgres does not let us in" in page.output
    assert "~/<user>/data" in page.output
    for secret in (*secrets.values(), "pa55word", "s3cret", "abcd", "anna", str(root.parent)):
        assert secret not in page.output


def test_a_dataset_that_cannot_run_is_a_problem_with_its_remedy(root: Path) -> None:
    _, own = probes.datasets(Settings())
    assert (own.level, own.about, own.remedy) == (Level.PROBLEM, "own", "synapse-assets datasets own.yaml")
    Path(".env").write_text(f"LAB_FOLDER={root}\n")
    sample, own = probes.datasets(Settings())
    assert (sample.level, sample.text) == (Level.OK, "em chain; needs nothing: drawn here")
    assert own.text == "em chain; needs LAB_FOLDER (not set)"
    assert own.remedy == "export LAB_FOLDER: .env is read for settings, not for what datasets name"


def test_wrong_settings_are_a_finding(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_DEVICE", "abacus")
    page = run("doctor")
    assert page.exit_code == 1
    assert "problem  settings" in page.output
    assert "SYNAPSE_DEVICE: 'abacus' is no device" in page.output
    Path(".env").write_bytes(b"SYNAPSE_DEVICE=\xff\n")
    page = run("doctor")
    assert page.exit_code == 1
    assert "problem  settings            'utf-8' codec can't decode byte 0xff" in page.output


@pytest.mark.parametrize(
    ("root_of", "told"),
    [
        ("own.yaml/data", "cannot be made: Not a directory"),
        ("own.yaml", "own.yaml is no folder"),
        ("/proc/data", "/proc/data cannot be made in /proc: "),
    ],
)
def test_a_data_root_that_cannot_be_one_is_a_problem(
    root_of: str, told: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", root_of)
    findings = diagnosis._looked("storage", lambda: probes.storage(Settings()))
    assert [finding.level for finding in findings if finding.about != "disk"] == [Level.PROBLEM]
    assert told in findings[0].text


def test_object_storage_is_written_to_and_left_as_it_was(
    object_store: ObjectStore,  # noqa: F811
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", f"s3://{BUCKET}/doctor")
    monkeypatch.setenv("SYNAPSE_LOCAL_ROOT", str(root))
    [data, local] = probes.storage(Settings())
    assert (data.level, local.level) == (Level.OK, Level.OK)
    assert data.text.startswith(f"s3://{BUCKET}/doctor at {object_store.url}; written, read and removed")
    assert object_store.keys(f"s3://{BUCKET}/doctor") == []
    with object_store.down(lambda method, path: True):
        [data, local] = probes.storage(Settings())
    assert (data.level, local.level) == (Level.PROBLEM, Level.OK)
    assert "cannot be reached or refuses" in data.text


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_who_is_at_a_port_is_said(listener: int, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = Served(create_app([], str(root)))
    monkeypatch.setattr(probes, "_ANSWER_S", 0.5)
    monkeypatch.setattr(
        probes, "_PORTS", (("explorer", listener), ("explorer", explorer.port), ("Dagster UI", listener))
    )
    other, ours, no_ui = probes.ports()
    explorer.stop()
    assert other == Finding(
        Level.WARNING,
        f"port {listener}",
        "in use by another program; the explorer wants it",
        f"give another: synapse-assets explore --port {listener + 1}",
    )
    assert (ours.level, ours.text) == (Level.OK, "in use, by the explorer")
    assert no_ui.remedy == f"give another: synapse-assets ui --port {listener + 1}"


def test_a_probe_that_fails_or_hangs_is_a_problem_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Iterator[Finding]:
        yield probes.ok("one", "fine")
        raise ZeroDivisionError("by zero")

    def hangs() -> Iterator[Finding]:
        yield probes.ok("one", "fine")
        time.sleep(5)

    monkeypatch.setattr(diagnosis, "_PATIENCE_S", 0.1)
    fine, failed = diagnosis._looked("it", fails)
    assert (fine.level, failed.text) == (Level.OK, "could not be looked at: ZeroDivisionError: by zero")
    fine, hung = diagnosis._looked("it", hangs)
    assert (hung.level, hung.text) == (Level.PROBLEM, "no answer in 0 s: a drive or a server hangs")


def test_a_network_drive_is_known_by_its_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    (tmp_path / "a b").mkdir()
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/lab {tmp_path}/a\\040b nfs4 rw 0 0\n")
    assert probes._file_system(tmp_path / "a b", mounts) == "nfs4"
    assert probes._file_system(tmp_path, mounts) == "ext4"
    assert probes._file_system(tmp_path, tmp_path / "none") == "local"
