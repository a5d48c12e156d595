"""What another dataset's detector found around synapses: `synapse_mitochondria`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import mitochondria as steps


def mitochondria_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset: none where no dataset is named whose mitochondria are looked for."""
    if dataset.mitochondria_from is None:
        return []
    other = dataset.mitochondria_from

    @asset(
        dataset,
        "synapse_mitochondria",
        hashed_fields(dataset, include={"mitochondria_from", "mitochondria_radius_nm"}),
        deps=["synapses", dg.AssetKey([other, "mitochondria"])],
        checks=[
            CheckSpec("rows_match_upstream", "The region has one row for each of its synapses.", blocking=True),
            CheckSpec("mapped", "The surroundings of every synapse of the region were searched for mitochondria."),
        ],
    )
    def synapse_mitochondria(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The nearest mitochondrion of each synapse of one brain region, and the share of its surroundings that is mitochondria. A row is
        one synapse.

        Distances are from the synapse to the nearest place of the mitochondrion, as far as the dataset's radius reaches. Everything is
        empty for a synapse whose surroundings the other dataset has not searched.
        """
        store = installation.store(dataset.name)
        report = steps.look_around(store, dataset, installation.store(other), context.partition_key, context.log)
        return materialized(context, report)

    return [synapse_mitochondria]
