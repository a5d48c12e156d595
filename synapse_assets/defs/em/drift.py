"""Whether the fitted models still know the synapses they are applied to: `drift`, which advises refits."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.em_chain import EM
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.partitions import partitions_of
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import drift as steps


def drift_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    fitted_on_others = [name for name in EM.models_of(dataset) if EM.facts[name].fitted_on]

    @asset(
        dataset,
        "drift",
        deps=["embeddings", "umap_coordinates", "clusters", "synapse_labels", *fitted_on_others, "promotions"],
        checks=[
            CheckSpec(
                "refit_not_due",
                "No brain region, nor all together, differs much from what the models in use were fitted on, or from "
                "what a refit that `promotions` decided to keep out was fitted on.",
            )
        ],
    )
    def drift(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How far each brain region has moved away from what the models in use were fitted on. A row is one region.

        New synapses, pictures unlike any fitted one, more noise, new or corrected labels: where one of them is large and
        beyond chance, a refit is advised. A refit is a candidate; `promotions` decides on it. Once it has kept one out, none
        is due before newer data arrives.
        """
        regions = partitions_of(dataset).get_partition_keys(dynamic_partitions_store=context.instance)
        return materialized(context, steps.advise_refits(installation.store(dataset.name), regions))

    return [drift]
