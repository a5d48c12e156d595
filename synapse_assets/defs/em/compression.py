"""What shorter vectors would lose: `compression_report`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import compression as steps


def compression_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "compression_report",
        deps=["embeddings", "encoder", "synapses", "synapse_labels"],
    )
    def compression_report(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How short the vectors of the encoder in use may become, and what they lose. A row is one score of one way to store them.

        Leading numbers, principal components and one byte a number in place of two are held against the full vectors: by the
        neighbours that are kept, and, where classes are known, by how well synapses of the same kind are found. The stored vectors stay
        as they are.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.report_compression(store, dataset, context.log))

    return [compression_report]
