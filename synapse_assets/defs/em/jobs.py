"""Jobs beside the assets: `<dataset>_ingest` for the tables, `_apply` for one region, `_fit` for what is fitted, `_promote`."""

from typing import Any

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.em.promotions import promote
from synapse_assets.defs.em.publish import MODELS
from synapse_assets.defs.partitions import brain_regions
from synapse_assets.defs.resources import Installation

APPLIED = [
    "synapses",
    "synapse_labels",
    "tile_plan",
    "tiles",
    "embeddings",
    "umap_coordinates",
    "clusters",
    "synapse_predictions",
]
FITTED = ["encoder", "umap_model", "cluster_model", "splits", "synapse_classifier"]


class Promotion(dg.Config):
    """Which model to promote."""

    model: str
    version: str | None = None


def em_jobs(dataset: EmDataset) -> list[Any]:
    """The jobs of one dataset."""

    @dg.op(name=f"{dataset.name}_promote_model")
    def promote_model(context: dg.OpExecutionContext, config: Promotion, installation: Installation) -> None:
        """Put a candidate in use. The asset then shows a new version, and what it is applied to shows as out of date."""
        version = promote(context, installation, dataset.name, config.model, config.version)
        context.log.info(f"{config.model} {version} is in use")

    @dg.job(
        name=f"{dataset.name}_promote",
        description=f"Put a refitted model of {dataset.title} in use by hand, whatever 'promotions' decided. "
        f"Config: model ({', '.join(MODELS)}), and a version or the candidate.",
    )
    def promote_job() -> None:
        promote_model()

    first = ["synapse_table", *(["neurons"] if dataset.neurons else []), "alignment"]
    return [
        dg.define_asset_job(
            f"{dataset.name}_ingest",
            selection=[dg.AssetKey([dataset.name, name]) for name in first],
            description=f"Read the tables of {dataset.title}, register its regions, and examine the coordinates. Run this first.",
        ),
        dg.define_asset_job(
            f"{dataset.name}_apply",
            selection=[dg.AssetKey([dataset.name, name]) for name in APPLIED],
            partitions_def=brain_regions(dataset),
            description=f"Everything that is applied to one brain region of {dataset.title}, with the models in use.",
        ),
        dg.define_asset_job(
            f"{dataset.name}_fit",
            selection=[dg.AssetKey([dataset.name, name]) for name in FITTED],
            description=f"Fit the models of {dataset.title} again. On unchanged content nothing happens; otherwise there are "
            "candidates, which 'promotions' decides on.",
        ),
        promote_job,
    ]
