"""All measurements, one after the other: `make bench`. Each module can be run by itself with `python -m`."""

import subprocess
import sys

MODULES = ("imports", "tiles", "commits", "embedding", "projection", "encoder_study", "demo")


def main() -> None:
    for name in MODULES:
        print(f"\n=== {name} ===", flush=True)
        subprocess.run([sys.executable, "-m", f"synapse_assets_tests.bench.{name}"], check=True)


if __name__ == "__main__":
    main()
