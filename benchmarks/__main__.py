"""All measurements, one after the other: `make bench`. Each module can be run by itself with `python -m`.

Two need real data, and run if they are told where it lies: the encoder study by SYNAPSE_VNC_SSTEM_FOLDER, half an hour, and the real cells
by SYNAPSE_GEOMSTATS, the wheel of geomstats or its folder, a quarter of an hour.
"""

import os
import subprocess
import sys

from synapse_assets.caches import keep_caches
from synapse_assets.settings import Settings

MODULES = (
    "imports",
    "automation",
    "tiles",
    "commits",
    "ingest",
    "region",
    "planning",
    "long_ids",
    "embedding",
    "training",
    "explanations",
    "dense_maps",
    "detection",
    "labelling",
    "busy",
    "projection",
    "stability",
    "verdict_power",
    "fit_verdicts",
    "search",
    "explorer",
    "site",
    "label_batch",
    "demo",
)
STUDY_FOLDER = os.environ.get("SYNAPSE_VNC_SSTEM_FOLDER")
GEOMSTATS = os.environ.get("SYNAPSE_GEOMSTATS")


def main() -> None:
    keep_caches(Settings().local_root)
    commands = [[name] for name in MODULES]
    if STUDY_FOLDER:
        commands.append(["encoder_study", "--data", STUDY_FOLDER])
    else:
        print("encoder_study is left out: SYNAPSE_VNC_SSTEM_FOLDER is not set")
    if GEOMSTATS:
        commands.append(["real_cells", GEOMSTATS])
    else:
        print("real_cells is left out: SYNAPSE_GEOMSTATS is not set")
    for name, *arguments in commands:
        print(f"\n=== {name} ===", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()
