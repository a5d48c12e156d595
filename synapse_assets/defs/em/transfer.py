"""Classifiers of other datasets, tried on this one: `transfer`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import transfer as steps


def transfer_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset: none where no other dataset is named."""
    if not dataset.transfer_from:
        return []
    models = [
        dg.AssetKey([name, model]) for name in dataset.transfer_from for model in ("encoder", "synapse_classifier")
    ]

    @asset(
        dataset,
        "transfer",
        {name: source.voxel_size_nm for name, source in dataset.transfer_from.items()},
        deps=["tiles", "synapse_classifier", "splits", *models],
    )
    def transfer(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How well classifiers of other datasets, which never saw this one, name its known classes. A row is one class of one dataset.

        Only classes that both have are tried, by name; tiles are resampled to the voxel size that the other was fitted at. The drop
        against this dataset's own classifier, out of fold on the same synapses, is what the move costs.
        """
        stores = {name: installation.store(name) for name in dataset.transfer_from}
        store = installation.store(dataset.name)
        return materialized(context, steps.try_others(store, dataset, stores, installation.device, context.log))

    return [transfer]
