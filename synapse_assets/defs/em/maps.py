"""Maps and clusters of the vectors: `umap_model`, `umap_coordinates`, `cluster_model`, `clusters`, `cluster_cards`."""

import dagster as dg

from synapse_assets.datasets import Dataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import clusters as cluster_steps
from synapse_assets.pipeline.em import maps as map_steps

_ROWS_MATCH = CheckSpec(
    "rows_match_upstream", "The region has one row for each row of the table it is made from.", blocking=True
)


def map_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(dataset, "umap_model", deps=["encoder", "embeddings"], pool="fit")
    def umap_model(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The map, fitted once on a sample of all regions, so that every region lies in the same frame.

        Two UMAP reductions: two dimensions to look at and about ten for clustering. New synapses are placed among the
        fitted ones; their place does not depend on which others are placed with them.
        """
        store = installation.store(dataset.name)
        return materialized(context, map_steps.fit_map(store, dataset, context.log))

    @asset(dataset, "umap_coordinates", deps=["embeddings", "umap_model"], checks=[_ROWS_MATCH])
    def umap_coordinates(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Where each synapse of one brain region lies on the map. A row is one synapse."""
        store = installation.store(dataset.name)
        return materialized(context, map_steps.place_region(store, dataset, context.partition_key))

    @asset(
        dataset,
        "cluster_model",
        deps=["umap_model"],
        pool="fit",
        checks=[
            CheckSpec("found_clusters", "Groups denser than the noise, on which refits agree: the verdict is stable.")
        ],
    )
    def cluster_model(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Groups of synapses that look alike, found by HDBSCAN in the ten-dimensional reduction. Noise stays noise.

        `verdict` says how far to trust them: *stable*, *fragile*, or *not distinguishable from noise*, from how refits agree and
        how refits of vectors redrawn without groups do. `stability_ari` says how far two runs with other seeds agree (adjusted
        Rand index: 1 is the same grouping, 0 is chance). Only stable groups should be read as kinds of synapses.

        A refit keeps the numbers: a cluster that most synapses of an old one stayed together in has its number, and a new
        one gets a number that was never used in this dataset. So the numbers, not the groups, depend on what was in use
        before, which is therefore among the inputs of the version (`numbered_after`).
        """
        store = installation.store(dataset.name)
        return materialized(context, cluster_steps.fit_clustering(store, dataset, context.log))

    @asset(dataset, "clusters", deps=["umap_coordinates", "cluster_model"], checks=[_ROWS_MATCH])
    def clusters(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The cluster of each synapse of one brain region; -1 is noise. A row is one synapse."""
        store = installation.store(dataset.name)
        return materialized(context, cluster_steps.assign_region(store, context.partition_key))

    @asset(dataset, "cluster_cards", deps=["clusters", "synapses", "synapse_labels", "tiles"])
    def cluster_cards(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """A card for each cluster: typical members, known classes, regions and neurons. A row is one cluster.

        A cluster that one neuron, padded tiles, one section, file, source, volume or contrast explains is flagged, in words:
        it is likely no kind of synapse.
        """
        store = installation.store(dataset.name)
        return materialized(context, cluster_steps.make_cards(store, dataset))

    return [umap_model, umap_coordinates, cluster_model, clusters, cluster_cards]
