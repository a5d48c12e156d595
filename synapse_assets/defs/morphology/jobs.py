"""Jobs beside the assets: `<dataset>_ingest` for workbooks and features, `<dataset>_groups` for one investigation group."""

from typing import Any

import dagster as dg

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.defs.morphology.groups import ASSETS_OF_GROUP
from synapse_assets.defs.partitions import investigation_groups

INGESTED = ["synapses", "feature_model", "features"]


def morphology_jobs(dataset: MorphologyDataset) -> list[Any]:
    """The jobs of one dataset."""
    return [
        dg.define_asset_job(
            f"{dataset.name}_ingest",
            selection=[dg.AssetKey([dataset.name, name]) for name in INGESTED],
            description=f"Read the workbooks of {dataset.title} and compute the features. Run this first.",
        ),
        dg.define_asset_job(
            f"{dataset.name}_groups",
            selection=[dg.AssetKey([dataset.name, name]) for name in ASSETS_OF_GROUP],
            partitions_def=investigation_groups(dataset),
            description=f"Maps, clusters, stability, classifiers and predictions of one investigation group of {dataset.title}.",
        ),
    ]
