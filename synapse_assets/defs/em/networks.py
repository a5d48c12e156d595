"""Networks trained on tiles: `synapse_network`, `network_predictions`, `classifier_comparison`, `network_cards`."""

from collections.abc import Mapping

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.asset import CheckSpec, asset, asset_key, materialized
from synapse_assets.defs.em.classify import people_of
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.em import classifier_comparison as comparison_steps
from synapse_assets.pipeline.em import networks as steps


def network_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none for one that names no networks."""
    if not dataset.networks:
        return []
    from_encoder = ["encoder"] if any(choice.origin == "encoder" for choice in dataset.networks.values()) else []

    @asset(
        dataset,
        "synapse_network",
        deps=["splits", "tiles", *from_encoder, *people_of(dataset)],
        pool="fit",
        checks=[
            CheckSpec(
                "better_than_chance",
                "On held-out groups the best network beats guessing (balanced accuracy above one over the classes).",
            )
        ],
    )
    def synapse_network(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The networks that the dataset names, trained to name the class of a synapse from its tile and tested on groups held out.

        Each is trained once for every fold, tested on the fold, and once on all labelled synapses, which is what is applied. While it
        trains, loss, validation score, rate and remaining time are observations, so the plots of this asset grow. A killed run goes on
        where it was; a network whose choice, tiles and labels did not change is not trained again.
        """

        def watch(what: str, numbers: Mapping[str, float]) -> None:
            context.log_event(
                dg.AssetObservation(asset_key(dataset, "synapse_network"), description=what, metadata=dict(numbers))
            )

        store = installation.store(dataset.name)
        return materialized(context, steps.fit_networks(store, dataset, installation.device, context.log, watch))

    return [synapse_network, *_applied(dataset), *_compared(dataset)]


def _applied(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    @asset(
        dataset,
        "network_predictions",
        deps=["tiles", "synapse_network"],
        pool="gpu",
        checks=[CheckSpec("probabilities_add_up", "The probabilities of every row add up to one.", blocking=True)],
    )
    def network_predictions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The class that each network names for each synapse of one brain region. A row is one synapse and network.

        A synapse that was labelled when the network was trained gets the prediction of one that never saw its group. Probabilities are
        not calibrated. An interrupted run resumes where it stopped.
        """
        store = installation.store(dataset.name)
        report = steps.predict_networks(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return [network_predictions]


def _compared(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    @asset(dataset, "classifier_comparison", deps=["synapse_classifier", "synapse_network", "splits", "embeddings"])
    def classifier_comparison(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Every network beside the linear probe, on the same synapses. A row is one classifier under one split.

        Where the probe wins, the table says so: a network is best only if the paired interval of its difference from the probe excludes
        zero. A probe on the network's features together with the vectors in use is one more row.
        """
        store = installation.store(dataset.name)
        return materialized(context, comparison_steps.compare_with_networks(store, dataset, context.log))

    @asset(dataset, "network_cards", deps=["synapse_network", "classifier_comparison", "leakage_report"])
    def network_cards(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The model card of each network. A row is one network.

        Data, scores with intervals, calibration, leakage, how training stopped, what it may not be used for, and how to use it.
        """
        return materialized(context, comparison_steps.write_cards(installation.store(dataset.name)))

    return [classifier_comparison, network_cards]
