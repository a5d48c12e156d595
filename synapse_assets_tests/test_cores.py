"""A process of the project takes its share of the cores, and leaves alone what a person has set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from synapse_assets.cores import RUNS_SIDE_BY_SIDE, cores

SET = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
AFFINITY = cores(Path("/nowhere"))
SHARE = str(max(1, cores() // RUNS_SIDE_BY_SIDE))


def printed(program: str, **given: str) -> str:
    """What a program prints in a process in which nobody has set anything but `given`."""
    bare = {name: value for name, value in os.environ.items() if name not in (*SET, "OMP_WAIT_POLICY")}
    return subprocess.run(
        [sys.executable, "-c", f"import os\n{program}"], env=bare | given, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_as_many_runs_side_by_side_as_dagster_starts() -> None:
    settings = yaml.safe_load((Path(__file__).parents[1] / "dagster.yaml").read_text())
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == RUNS_SIDE_BY_SIDE


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, 99),
        ({"cpu.max": "max 100000\n"}, 99),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "6400000 100000\n"}, 64),
        ({"cpu.max": ""}, 99),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 99),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000\n"}, 99),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "0\n"}, 99),
    ],
)
def test_a_container_is_asked_what_it_allows(tmp_path: Path, files: dict[str, str], allowed: int) -> None:
    (tmp_path / "cpu").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert cores(tmp_path) == min(AFFINITY, allowed)


def test_what_dagster_loads_and_every_command_share_the_cores() -> None:
    shown = f"print(*[os.environ.get(name) for name in {SET}], os.environ.get('OMP_WAIT_POLICY'))"
    loaded = printed(f"from synapse_assets.definitions import defs\ndefs()\n{shown}", SYNAPSE_DATASETS="sample_cbp")
    assert loaded == f"{SHARE} {SHARE} {SHARE} {SHARE} PASSIVE"
    command = "from typer.testing import CliRunner\nfrom synapse_assets.cli import app\nCliRunner().invoke(app, ['inspect', '/nowhere'])"
    assert printed(f"{command}\n{shown}") == f"{SHARE} {SHARE} {SHARE} {SHARE} PASSIVE"


def test_torch_and_numba_take_it() -> None:
    program = (
        "from synapse_assets.cores import share_cores\nshare_cores()\n"
        "import numba, torch\nprint(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)"
    )
    assert printed(program) == f"{SHARE} {SHARE}"
    assert printed(program, OMP_NUM_THREADS="2") == "2 2"
    assert printed(program, NUMBA_NUM_THREADS="2") == f"{SHARE} 2"


def test_a_script_that_asks_the_warehouse_keeps_its_own() -> None:
    program = f"import synapse_assets.query\nprint([name for name in {SET} if name in os.environ])"
    assert printed(program) == "[]"
