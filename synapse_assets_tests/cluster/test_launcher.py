"""Runs that are sent to a real Ray cluster: the tests of `launched.py`, in a network of their own; a part of `make soak`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synapse_assets_tests.cluster.harness import isolated


@pytest.mark.skipif("SYNAPSE_SOAK_REPORT" not in os.environ, reason="part of make soak: it takes minutes")
@pytest.mark.timeout(900)
def test_runs_go_to_a_cluster_and_end_as_they_should(tmp_path: Path) -> None:
    pytest.importorskip("dagster_ray", reason="clusters are tested with Ray: pip install 'synapse-assets[ray]'")
    pytest.importorskip("moto.server", reason="object storage is tested with moto: pip install 'moto[server]'")
    tests = Path(__file__).with_name("launched.py")
    folders = ["--basetemp", str(tmp_path / "inside"), "-o", f"cache_dir={tmp_path / 'cache'}"]
    command = isolated(sys.executable, "-m", "pytest", "-n", "0", "--timeout", "400", *folders, str(tests))
    # The process that asks may be one of several workers of pytest; this one is not.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert " skipped" not in done.stdout
