"""The report of a release, which datasets of all chains have: `report`."""

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.defs.asset import asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.report import Detail, Report, Stopwatch, StoredAt


def report_asset(dataset: Dataset) -> dg.AssetsDefinition:
    """The asset for one dataset."""

    @asset(dataset, "report", deps=["warehouse"])
    def report(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The release as one HTML file for the supplement of a paper: it prints on some ten pages, and opens without a network.

        Inputs with their hashes, coverage, maps, clusters with their verdict, scores with splits and intervals, versions, how to cite; and
        with every table, figure and sentence the query that it is the result of. `synapse-assets report` writes that of a frozen release.
        """
        from synapse_assets.report import write_report

        watch = Stopwatch()
        written = write_report(installation.store(dataset.name), dataset)
        facts: dict[str, Detail] = {
            "file": StoredAt(written.address),
            "bytes": written.size_bytes,
            "sections": written.sections,
        }
        return materialized(context, Report(facts, watch.seconds))

    return report
