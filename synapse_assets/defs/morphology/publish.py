"""What scripts and people read: `warehouse`, one DuckDB file and the release that says which versions belong together."""

import dagster as dg

from synapse_assets.datasets import MORPHOLOGY, MorphologyDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.reporting import report_asset
from synapse_assets.defs.resources import Installation
from synapse_assets.defs.site import site_assets
from synapse_assets.pipeline.morphology.release import build_release


def publish_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "warehouse",
        deps=[facts.name for facts in MORPHOLOGY.assets_of(dataset) if facts.released and facts.awaited],
        pool="warehouse",
        checks=[CheckSpec("every_group_complete", "Every investigation group has its clusters and predictions.")],
    )
    def warehouse(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """All tables of the dataset in one DuckDB file, with a comment on every table and column, for scripts and notebooks.

        Built beside the old file and put in its place in one step: whoever has the old one open keeps reading it. From then on
        the cluster numbers in it are the ones that later clusterings are matched to.
        """
        report = build_release(installation.store(dataset.name), dataset, installation.explorer_url)
        return materialized(context, report)

    return [warehouse, report_asset(dataset), *site_assets(dataset)]
