"""Similar pictures found fast where there are many: `vector_index`, kept with the vectors of the encoder in use."""

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import vector_index as steps


def vector_index_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "vector_index",
        deps=["embeddings"],
        # The job `upkeep` is all else that rewrites whole tables; either would make the other start again.
        pool="upkeep",
        checks=[
            CheckSpec(
                "recall_at_10_per_region",
                "Of the ten exact nearest neighbours, the index finds nearly all, in every brain region.",
            )
        ],
    )
    def vector_index(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How the vectors of the encoder in use are searched: exactly while they are few, by an index once they are many.

        The index lies with the vectors and finds nearly the same neighbours in a fraction of the time. New vectors are found
        at once, and fast after the next materialisation; the warehouse releases vectors and index together.
        """
        return materialized(context, steps.index_vectors(installation.store(dataset.name), dataset, context.log))

    return [vector_index]
