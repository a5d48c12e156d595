"""What tells the classes of pictures: `stain_network`, and how well, `stain_scores`."""

from collections.abc import Mapping

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.defs.asset import CheckSpec, asset, asset_key, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.staining import networks as steps
from synapse_assets.pipeline.staining.scores import score_classifiers


def network_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "stain_network",
        deps=["image_splits", "images", "windows", "encoder", "embeddings"],
        pool="fit",
        checks=[
            CheckSpec(
                "better_than_chance",
                "On held-out groups the best classifier beats guessing (balanced accuracy above one over the classes).",
            )
        ],
    )
    def stain_network(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What names the class of a picture from its windows: the texture probe, and every network that the dataset names.

        Each is trained once for every fold: tested on the fold, its thresholds chosen on the next one by Youden's J, trained on all others.
        All of these are kept and applied: a picture is asked of the one that never saw its group, a group that came later of the first.
        Each is trained once more with crops dealt out at random, to show what such a split would claim. While a network trains, loss,
        validation score, rate and remaining time are observations, so the plots of this asset grow. A killed run goes on where it was; a
        classifier whose choice, pictures and folds did not change is not trained again.
        """

        def watch(what: str, numbers: Mapping[str, float]) -> None:
            context.log_event(
                dg.AssetObservation(asset_key(dataset, "stain_network"), description=what, metadata=dict(numbers))
            )

        store = installation.store(dataset.name)
        return materialized(context, steps.fit_classifiers(store, dataset, installation.device, context.log, watch))

    @asset(dataset, "stain_scores", {"seed": dataset.seed}, deps=["stain_network"])
    def stain_scores(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How well each classifier tells the classes of pictures that it never saw. A row is one score of one classifier and split.

        F1, balanced accuracy and area under ROC, by picture and by window, with intervals over wells; every network beside the texture
        probe, with the paired interval of their difference; the split by crops beside, which overstates. `stain_thresholds` has the
        probability from which each class is named, with the interval within which the answer is 'uncertain'.
        """
        store = installation.store(dataset.name)
        return materialized(context, score_classifiers(store, dataset, context.log))

    return [stain_network, stain_scores]
