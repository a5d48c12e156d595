"""From pictures to vectors: the fitted `encoder` and the `embeddings` of each region."""

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import embeddings as steps
from synapse_assets.pipeline.em.encoder import fit_encoder


def embedding_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    choice = dataset.tile_encoder
    knows_synapses = choice.positives == "neuron" or bool(choice.invariant_to)

    @asset(dataset, "encoder", deps=["tiles", *(["synapses"] if knows_synapses else [])], pool="gpu")
    def encoder(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What turns a tile into a vector, fitted once for all regions.

        By default a fixed bank of filters, of whose responses it keeps what tells the dataset's own tiles apart, without labels; a
        network that is trained on them, a published one or a local checkpoint can be named in the dataset's YAML. Everything that it
        takes to apply it is stored with it.
        """
        store = installation.store(dataset.name)
        return materialized(context, fit_encoder(store, dataset, installation.device, context.log))

    @asset(
        dataset,
        "embeddings",
        deps=["tiles", "encoder"],
        pool="gpu",
        checks=[
            CheckSpec(
                "one_vector_per_tile",
                "Every tile of the region has exactly one vector, made from the picture that is stored now.",
                blocking=True,
            ),
            CheckSpec(
                "finite_and_of_one_model",
                "All vectors are finite numbers, none is zero, and all come from the encoder in use.",
                blocking=True,
            ),
        ],
    )
    def embeddings(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The vector of each tile of one brain region. A row is one synapse; similar pictures have similar vectors.

        Only tiles that are new or changed since the encoder in use last saw them are computed. An interrupted run resumes
        where it stopped.
        """
        store = installation.store(dataset.name)
        engine = installation.engine()
        report = steps.embed_region(store, context.partition_key, installation.device, context.log, engine)
        return materialized(context, report)

    return [encoder, embeddings]
