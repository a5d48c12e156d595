"""The share of the cores that a process of the project takes: how many threads it computes with, and how idle ones wait.

Said once, by whatever begins a process (the command line, what Dagster loads, measurements); processes that it starts inherit
it. Importing the package changes nothing: a script that queries the results keeps its own threads.
"""

import math
import os
from pathlib import Path

# Runs that go on side by side in an installation: `max_concurrent_runs` in dagster.yaml.
RUNS_SIDE_BY_SIDE = 2
# OpenMP (torch, scikit-learn, xgboost), numba (UMAP), OpenBLAS and MKL (numpy, scipy, torch).
_COUNTS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def share_cores() -> None:
    """Sets, for this process and those it starts, the threads of every numerical library and that idle ones sleep.

    Each library takes all cores for itself by default, and lets threads that wait for each other spin. Where two runs, or
    anything else, share the cores, the threads of one wait for those of the other and most of the time is lost. What a person
    has set in the environment stays. Each library reads it when it is loaded: torch, numba and scikit-learn, which are
    loaded where they are used, take it in this process too; numpy, which is there by then, in those that it starts.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    threads = str(max(1, cores() // RUNS_SIDE_BY_SIDE))
    given = os.environ.get("OMP_NUM_THREADS", threads)
    for name in _COUNTS:
        os.environ.setdefault(name, given)


def cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores that this process may use: its affinity, and what a container allows it (cgroup 2 `cpu.max`, cgroup 1 `cpu.cfs_quota_us`).

    groups: where the kernel shows control groups.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota_file, period_file in (("cpu.max", "cpu.max"), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = (groups / quota_file).read_text().split()[0], (groups / period_file).read_text().split()[-1]
        except (OSError, IndexError):
            continue
        if quota.isdigit() and int(period) > 0:
            count = min(count, math.ceil(int(quota) / int(period)))
    return max(1, count)
