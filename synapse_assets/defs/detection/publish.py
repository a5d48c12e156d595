"""What scripts, people and other datasets read: `warehouse`, one DuckDB file and the release that says which versions belong together."""

import dagster as dg

from synapse_assets.datasets import DetectionDataset, chain_of
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.reporting import report_asset
from synapse_assets.defs.resources import Installation
from synapse_assets.defs.site import site_assets
from synapse_assets.pipeline.detection.release import build_release


def publish_assets(dataset: DetectionDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    awaited = [facts.name for facts in chain_of(dataset).assets_of(dataset) if facts.released and facts.awaited]

    @asset(
        dataset,
        "warehouse",
        deps=awaited,
        pool="warehouse",
        checks=[
            CheckSpec("every_block_searched", "Every block of the volumes has been searched by the detectors in use.")
        ],
    )
    def warehouse(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """All tables of the dataset in one DuckDB file, with a comment on every table and column, for scripts and notebooks.

        Built beside the old file and put in its place in one step: whoever has the old one open keeps reading it. `release.json`
        beside it names the table versions and models that belong together.
        """
        explorer_page = f"{installation.explorer_url}/{dataset.name}"
        return materialized(context, build_release(installation.store(dataset.name), dataset, explorer_page))

    return [warehouse, report_asset(dataset), *site_assets(dataset)]
