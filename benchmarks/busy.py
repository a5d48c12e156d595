"""What a second busy program on the same cores costs: training an encoder and fitting a UMAP map, alone and beside one.

    python -m benchmarks.busy

The other program multiplies matrices on every core and never rests. The same work is timed with the threads that the pipeline
sets for its processes, and with what the libraries take by themselves; alone and beside the other take turns. A machine shared
fairly makes it 1.5 to 2 times as slow; threads that wait for each other, spinning, made it many times as slow.
"""

import argparse
import os
import subprocess
import sys
from statistics import median

from synapse_assets.cores import cores, share_cores

_OTHER = "import numpy as np\na = np.ones((1500, 1500), np.float32)\nprint('busy', flush=True)\nwhile True: a @ a"
_WORK = """
import resource, sys, time
import numpy as np
if sys.argv[1] == "encoder":
    from synapse_assets.vision.training.simclr import PretrainingSettings, pretrain
    tiles = np.random.default_rng(0).integers(0, 256, (256, 3, 72, 72), dtype=np.uint8)
    pretrain(tiles, PretrainingSettings(max_steps=1), device="cpu")
    work = lambda: pretrain(tiles, PretrainingSettings(max_steps=10), device="cpu")
else:
    from synapse_assets.analysis.clustering.projection import fit_projection
    rows = np.random.default_rng(0).standard_normal((4000, 32)).astype(np.float32)
    fit_projection(rows[:300], 0)
    work = lambda: fit_projection(rows, 0)
started = time.perf_counter()
work()
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def seconds(work: str, environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds of the work in a process of its own, imports and compiling left out; its peak memory in GB."""
    done = subprocess.run(
        [sys.executable, "-c", _WORK, work], env=environment, check=True, capture_output=True, text=True
    )
    taken, peak = map(float, done.stdout.split())
    return taken, peak


def beside(work: str, environment: dict[str, str], all_cores: dict[str, str]) -> tuple[float, float]:
    """The same while another program holds every core."""
    with subprocess.Popen([sys.executable, "-c", _OTHER], env=all_cores, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            return seconds(work, environment)
        finally:
            other.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bare = {name: value for name, value in os.environ.items() if "THREADS" not in name and name != "OMP_WAIT_POLICY"}
    all_cores = bare | {"OPENBLAS_NUM_THREADS": str(cores())}
    share_cores()
    shared = dict(os.environ)
    print(f"{cores()} cores, {shared['OMP_NUM_THREADS']} threads each run, medians of {arguments.rounds} rounds")
    print(f"{'':<34}{'alone':>9}{'beside':>9}{'ratio':>7}{'peak':>9}")
    for work in ("encoder", "map"):
        for name, environment in (("the pipeline's threads", shared), ("the libraries' own", bare)):
            alone, other, peaks = [], [], []
            for _ in range(arguments.rounds):
                taken, peak = seconds(work, environment)
                alone.append(taken)
                peaks.append(peak)
                other.append(beside(work, environment, all_cores)[0])
            ratio = median(later / before for before, later in zip(alone, other, strict=True))
            print(
                f"{work + ', ' + name:<34}{median(alone):>7.1f} s{median(other):>7.1f} s{ratio:>7.2f}{max(peaks):>6.2f} GB"
            )


if __name__ == "__main__":
    main()
