"""Seconds and peak memory of `make demo` on an empty data root; the stages are the lines that it prints itself."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("synapse-assets")), "materialize"]
        start = time.perf_counter()
        subprocess.run(
            command, check=True, env={**os.environ, "SYNAPSE_DATA_ROOT": folder, "SYNAPSE_DATASETS": "sample"}
        )
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"demo: {time.perf_counter() - start:.0f} s, peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
