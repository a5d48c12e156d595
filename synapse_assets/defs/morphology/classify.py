"""Clusters carried to new synapses: `cluster_classifier`, `predictions`."""

import dagster as dg

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.morphology.content import FITTED_FEATURES, NEW_FEATURES
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.morphology import classify as steps


def classifier_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "cluster_classifier",
        hashed_fields(dataset, include={"groups", "features"}),
        deps=[FITTED_FEATURES, "projection", "clusters", "cluster_stability"],
        pool="fit",
        checks=[
            CheckSpec("trained_on_stable_clusters", "The clusters that the classifiers learn are called stable."),
            CheckSpec(
                "carries_over_to_other_neurons",
                "On neurons that were not trained on, the best classifier beats naming the largest cluster.",
            ),
        ],
    )
    def cluster_classifier(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Three classifiers that name the cluster of a new synapse, each tested twice. A row is one classifier and test.

        Once in the published study's way (a random fifth, seed 42, from the two coordinates of the map) and once honestly: one
        neuron left out, the feature chain fitted without it, on features. Synapses that the one-class SVM rejects count as
        wrong. The model card sets both beside each other.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.fit_cluster_classifiers(store, dataset, context.partition_key, context.log))

    @asset(
        dataset,
        "predictions",
        deps=[NEW_FEATURES, "projection", "clusters", "cluster_classifier"],
        checks=[
            CheckSpec(
                "every_new_synapse_has_a_row",
                "Every newly observed synapse of the group has one row, unassigned ones too, with the reason.",
                blocking=True,
            )
        ],
    )
    def predictions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The cluster of each newly observed synapse of one investigation group. A row is one synapse.

        New synapses pass through exactly the fitted chain. -1 is no cluster, and `reason` says why: an extreme measure, a
        neuron with too few synapses, or unlike everything that was fitted.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.predict_clusters(store, dataset, context.partition_key))

    return [cluster_classifier, predictions]
