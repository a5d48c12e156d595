"""How good the vectors of every encoder are: `retrieval_scorecard`, beside what pixels and chance give."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import scorecard as steps


def scorecard_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "retrieval_scorecard",
        deps=["embeddings", "encoder", "synapses", "synapse_labels"],
        pool="gpu",
        checks=[
            CheckSpec(
                "better_than_pixels",
                "The encoder in use tells classes apart better than the pixels at the centre of the tile do, by its nearest "
                "neighbours and by a linear probe.",
            )
        ],
    )
    def retrieval_scorecard(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How well the vectors of each encoder find synapses of the same class, cell type and hemilineage. A row is one score.

        The query's own neuron and near places are left out, since both resemble it whatever its class. The candidate is judged beside
        the encoder in use, before one is promoted, and below them what raw pixels, an untrained network and chance give.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.score_encoders(store, dataset, installation.device, context.log))

    return [retrieval_scorecard]
