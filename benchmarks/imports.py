"""Seconds to import the definitions in a fresh process, beside dagster alone: every Dagster step pays this."""

import statistics
import subprocess
import sys
import time


def seconds(program: str, rounds: int = 5) -> float:
    """Median wall seconds of a fresh interpreter running `program`."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    empty = seconds("pass")
    dagster = seconds("import dagster")
    ours = seconds("import synapse_assets.definitions as d; d.build_definitions()")
    print(
        f"python {empty:.2f} s   dagster {dagster:.2f} s   definitions built {ours:.2f} s   ratio {ours / dagster:.2f}"
    )


if __name__ == "__main__":
    main()
