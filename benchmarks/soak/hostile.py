"""Hostile input has no part of its own here: this says where it is tried."""

from benchmarks.soak.report import Report


def main() -> None:
    """Prints where."""
    report = Report("hostile")
    report.figure("hostile input", "tried by synapse_assets_tests/test_hostile_input.py, which `make test` runs")
    report.close()


if __name__ == "__main__":
    main()
