"""A whole installation with Postgres for Dagster's history and S3 for the data: new files arrive, and everything follows.

    python -m benchmarks.soak.installed

The test is that of `synapse_assets_tests.test_installation`, which the suite runs with nothing but files.
"""

import os
import tempfile
from pathlib import Path

import pytest

from benchmarks.soak.report import FILE, Report

TEST = Path(__file__).parents[2] / "synapse_assets_tests" / "test_installation.py"


def main() -> None:
    """Runs it."""
    report = Report("installed")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault(FILE, str(Path(folder) / "figures.jsonl"))
        code = pytest.main([str(TEST), "-k", "postgres", "-n", "0"])
        report.promise("tests that failed", int(code))
        report.close()


if __name__ == "__main__":
    main()
