"""A whole installation with Postgres for Dagster's history and S3 for the data: new files arrive, and everything follows; and one whose
runs go to a Ray cluster.

    python -m benchmarks.soak.installed

The tests are that of `synapse_assets_tests.test_installation`, which the suite runs with nothing but files, and that of
`synapse_assets_tests.cluster.test_launcher`.
"""

import os
import tempfile
from pathlib import Path

import pytest

from benchmarks.soak.report import FILE, Report

TESTS = Path(__file__).parents[2] / "synapse_assets_tests"
CHOSEN = "postgres or go_to_a_cluster"


def main() -> None:
    """Runs them."""
    report = Report("installed")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault(FILE, str(Path(folder) / "figures.jsonl"))
        code = pytest.main(
            [
                *map(str, (TESTS / "test_installation.py", TESTS / "cluster" / "test_launcher.py")),
                "-k",
                CHOSEN,
                "-n",
                "0",
            ]
        )
        report.promise("tests that failed", int(code))
        report.close()


if __name__ == "__main__":
    main()
