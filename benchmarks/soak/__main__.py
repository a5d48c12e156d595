"""What shows that the pipeline can be relied on, one part after the other: `make soak`. Each can be run by itself with `python -m`.

Some 35 minutes on two idle cores, no traffic but on this machine. Ends with 1 if a promise is broken.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.soak.report import FILE
from synapse_assets.caches import keep_caches
from synapse_assets.settings import Settings

PARTS = (
    "ticks",
    "kills",
    "training",
    "outages",
    "queue",
    "writers",
    "cluster",
    "hostile",
    "closed",
    "reproduced",
    "installed",
)


def main() -> None:
    """Runs the parts and prints one table."""
    keep_caches(Settings().local_root)
    broken, seconds = [], {}
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "figures.jsonl"
        told.touch()
        for part in PARTS:
            print(f"\n=== {part} ===", flush=True)
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", f"benchmarks.soak.{part}"],
                env={**os.environ, FILE: str(told)},
                check=False,
            )
            seconds[part] = time.perf_counter() - began
            if done.returncode:
                broken.append(part)
        rows = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    print("\n=== soak ===")
    print(f"{'part':9s} {'what':46s} {'':7s} figure")
    for part, name, value, verdict in rows:
        print(f"{part:9s} {name:46s} {verdict:7s} {value}")
    print(
        "; ".join(f"{part} {spent:.0f} s" for part, spent in seconds.items()) + f"; all {sum(seconds.values()):.0f} s"
    )
    print(f"broken: {', '.join(broken)}" if broken else "every promise was kept")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
