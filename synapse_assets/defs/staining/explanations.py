"""Where in a picture a network sees its class: `explanation_checks` and `explanations`."""

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.staining import explanations as steps


def explanation_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none without networks."""
    if not dataset.networks:
        return []

    @asset(
        dataset,
        "explanation_checks",
        deps=["images", "image_splits", "stain_network"],
        pool="gpu",
        checks=[CheckSpec("a_method_to_show", "Each network has a method of explanation that passes the checks.")],
    )
    def explanation_checks(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Whether maps of where a network looks say anything of the network. A row is one network, method and check.

        Maps of a second network, which learnt from other pictures, should agree with its own; maps of networks with random weights should
        not. Methods that fail are offered with their verdict, and not shown by default.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.check_explanations(store, dataset, installation.device, context.log))

    @asset(
        dataset,
        "explanations",
        {"images": dataset.explained_images, "network": dataset.map_network},
        deps=["window_maps", "image_predictions", "explanation_checks"],
        pool="gpu",
        checks=[CheckSpec("maps_not_empty", "No map is zero everywhere.")],
    )
    def explanations(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Where in a chosen few pictures of one plate the network sees their class. A row is one picture.

        Brightness is an attribution that passed its checks, or carries its verdict; colour is the dense map: red like the treated, blue
        like the untreated, green uncertain. Chosen are typical pictures, errors and uncertain ones.
        """
        store = installation.store(dataset.name)
        report = steps.explain_plate(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return [explanation_checks, explanations]
