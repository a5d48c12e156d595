"""What classifiers see, and whether a map of it can be trusted: `explanation_checks`, `explanations`."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import explanations as steps


def explanation_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    networks = ["synapse_network"] if dataset.networks else []
    predictions = ["network_predictions"] if dataset.networks else []

    @asset(
        dataset,
        "explanation_checks",
        deps=["encoder", "embeddings", "synapse_classifier", "splits", "tiles", *networks],
        method=steps.CHECKS_METHOD,
        pool="gpu",
    )
    def explanation_checks(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Which methods of explanation can be trusted for the linear probe and for each network. A row is one classifier, method and check.

        A map has to agree with that of a classifier that was trained again more than with that of random weights, of a shuffled last
        layer, of another class. Measured on 32 held-out pictures (occlusion: 12); a network is trained once more for it, which costs as
        much as a fold.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.check_explanations(store, dataset, installation.device, context.log))

    @asset(
        dataset,
        "explanations",
        # Synapses and tiles come by way of the predictions: with them alone it would be made too early, and then again.
        deps=["explanation_checks", "synapse_predictions", "synapse_labels", *predictions],
        method=steps.MAPS_METHOD,
        pool="gpu",
        checks=[
            CheckSpec("maps_not_empty", "Every map says something: it is neither zero everywhere nor without numbers.")
        ],
    )
    def explanations(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Where in its tile a classifier sees the class, for chosen synapses of one brain region. A row is one synapse and classifier.

        Chosen are those that it names most surely, its errors, and those that it is least sure of. Maps are of the method that does
        best for the classifier, with the verdict on it beside each.
        """
        store = installation.store(dataset.name)
        report = steps.explain_region(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return [explanation_checks, explanations]
