"""Seconds and peak memory of `make demo` on an empty data root, dataset by dataset; the stages are the lines that it prints."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    for dataset in ("sample_cbp", "sample"):
        with tempfile.TemporaryDirectory() as folder:
            command = [str(Path(sys.executable).with_name("synapse-assets")), "materialize"]
            settings = {**os.environ, "SYNAPSE_DATA_ROOT": folder, "SYNAPSE_DATASETS": dataset}
            start = time.perf_counter()
            subprocess.run(command, check=True, env=settings)
            # The largest of the children so far, so the smaller dataset comes first.
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"demo, {dataset}: {time.perf_counter() - start:.0f} s, peak memory so far {peak:,.0f} MB")


if __name__ == "__main__":
    main()
