"""Looking around: which datasets there are, what an installation is like, what a shell completes, and the help of every command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "import sys; sys.argv[0] = 'synapse-assets'; from synapse_assets.cli import app; app()"
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


def completed(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What bash is told when somebody presses TAB at the end of that line."""
    words = line.split(" ")
    asked = {
        "_SYNAPSE_ASSETS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **asked, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("synapse-assets promote sample_c", ["sample_cbp"]),
        ("synapse-assets promote sample syn", ["synapse_classifier"]),
        ("synapse-assets labels export nothing", []),
        ("synapse-assets predict --dataset own", ["own.yaml"]),
        ("synapse-assets anno", ["annotator"]),
    ],
)
def test_a_shell_completes_names(line: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    result = completed(line, SYNAPSE_DATASETS="sample,own.yaml", SYNAPSE_DATA_ROOT=str(tmp_path))
    assert (result.stdout.split(), result.stderr) == (names, "")


def test_completion_is_silent_where_settings_are_wrong(tmp_path: Path) -> None:
    result = completed("synapse-assets promote s", SYNAPSE_DEVICE="abacus", SYNAPSE_DATA_ROT=str(tmp_path))
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "", "")
