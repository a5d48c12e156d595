"""The command `reproduce` before it starts: what it says, whom it asks, and that nothing is fetched until somebody said yes."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from synapse_assets.cli import app, reproduction
from synapse_assets.pipeline.em.reproduction import Number
from synapse_assets_tests.published import NEURONS, TABLE, PublicServer, dataset_file, public_server, publish


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublicServer]:
    folder = tmp_path_factory.mktemp("public")
    publish(folder)
    with public_server(folder) as server:
        yield server


@pytest.fixture
def file(published: PublicServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    published.asked.clear()
    for name in ("DATA_ROOT", "LOCAL_ROOT"):
        monkeypatch.setenv(f"SYNAPSE_{name}", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return dataset_file(published, tmp_path / "tiny.yaml")


def test_where_nobody_can_be_asked_it_says_how_to_start(published: PublicServer, file: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["reproduce", str(file)])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert f"nobody can be asked here whether to start: `synapse-assets reproduce {file} --yes` starts" in said
    for part in (
        f"{TABLE}, checked by SHA-256, from {published.url}/{TABLE}",
        NEURONS,
        "volume for 60 tiles",
        "hours",
        "disk",
    ):
        assert part in said
    assert f"licence {TABLE}: none. Cite: nobody" in said
    assert published.asked == []
    assert not (tmp_path / "data" / "tiny_public").exists()


def test_no_is_an_answer(published: PublicServer, file: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).with_name("synapse-assets")), "reproduce", str(file)]
    os.write(ours, b"n\n")
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=120, check=False)
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Nothing was fetched.\n")
    assert published.asked == []
    assert not (tmp_path / "data" / "tiny_public").exists()


def test_a_dataset_without_a_subset_is_refused(file: Path) -> None:
    result = CliRunner().invoke(app, ["reproduce", "sample", "--yes"])
    assert result.exit_code == 2
    assert "sample says of no published tables what is taken from them" in " ".join(result.output.split())
    assert reproduction.reproduce.__defaults__ == ("fafb_10k", False)


def test_the_comparison_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = [
        Number("sites", "60", "60", True),
        Number("tiles", "60", "59", False, "one is missing"),
        Number("verdict on the clusters", "", "stable", None),
    ]
    reproduction._compare(Console(highlight=False), numbers)
    said = capsys.readouterr().out
    assert "as expected sites: 60\n" in said
    assert "differs     tiles: 59; expected: 60 (one is missing)\n" in said
    assert said.index("What only your run can tell") < said.index("verdict on the clusters: stable")
