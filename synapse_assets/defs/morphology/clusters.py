"""Maps and clusters of an investigation group: `projection`, `parameter_sweep`, `clusters`, `cluster_stability`."""

import dagster as dg

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.morphology.content import FITTED_FEATURES
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.morphology import clusters as steps


def cluster_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    resampling = hashed_fields(dataset.resampling)
    conditions = {name: group.conditions for name, group in dataset.groups.items()}
    published = {
        name: (group.published.min_cluster_size, group.published.min_samples)
        for name, group in dataset.groups.items()
        if group.published
    }

    @asset(
        dataset,
        "projection",
        [resampling, conditions, dataset.seed],
        deps=[FITTED_FEATURES],
        pool="fit",
        checks=[CheckSpec("enough_synapses", "The group has enough synapses for maps and clusters.")],
    )
    def projection(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The maps of one investigation group: UMAP in two and three dimensions for the eye. A row is one synapse.

        The same step makes the resampled maps that clusters are found in: many, each with a seed and a subsample of its own,
        and more of features redrawn without groups, so that what follows can tell structure from chance. Do not read distances between
        far-away islands off a UMAP.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.map_group(store, dataset, context.partition_key, context.log))

    @asset(dataset, "parameter_sweep", {"published": published}, deps=["projection"])
    def parameter_sweep(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What HDBSCAN finds at each setting, and how stable that is over the resampled maps. A row is one setting.

        The setting that clusters are found with is chosen here; `why` says why, for every setting.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.sweep_settings(store, dataset, context.partition_key))

    @asset(
        dataset,
        "clusters",
        deps=[FITTED_FEATURES, "parameter_sweep", "projection"],
        pool="fit",
        checks=[
            CheckSpec("found_clusters", "The resampled maps agree on clusters."),
            CheckSpec(
                "every_synapse_has_a_row",
                "Every synapse of the group that is used for the fit has one row, those left out too.",
                blocking=True,
            ),
        ],
    )
    def clusters(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The consensus of HDBSCAN over all resampled maps of one investigation group. A row is one synapse; -1 is in no cluster.

        Numbers are matched to the previous release, so a cluster keeps its number as long as most of its synapses stay
        together; a new one gets a number never used before. Read `cluster_stability` before you read biology into them.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.cluster_group(store, dataset, context.partition_key, context.log))

    @asset(
        dataset,
        "cluster_stability",
        deps=[FITTED_FEATURES, "clusters", "projection"],
        checks=[
            CheckSpec(
                "clusters_are_stable",
                "The clustering is called stable; a fragile one should not be read as kinds of synapses.",
            )
        ],
    )
    def cluster_stability(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How far the clusters of one investigation group can be trusted: stable, fragile, or not distinguishable from noise.

        The agreement between runs with other seeds and subsamples, with its interval; between two consensus clusterings that
        share nothing; and the same for features redrawn without groups. `cluster_profiles` in the warehouse has one row a cluster.
        The pictures of the clusters are drawn again with the verdict; those that are not stable are greyer.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.assess_clusters(store, dataset, context.partition_key))

    return [projection, parameter_sweep, clusters, cluster_stability]
