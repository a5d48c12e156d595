"""What the classifiers say of the pictures of a plate: `window_maps` and `image_predictions`."""

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.staining.predictions import predict_plate
from synapse_assets.pipeline.staining.window_maps import map_plate


def map_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; no maps without networks."""
    return [*(_window_maps(dataset) if dataset.networks else []), *_image_predictions(dataset)]


def _window_maps(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    @asset(
        dataset,
        "window_maps",
        {"network": dataset.map_network},
        deps=["images", "stain_network"],
        pool="gpu",
        checks=[CheckSpec("one_map_per_picture", "Every usable picture of the plate has a map.", blocking=True)],
    )
    def window_maps(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The probabilities of every window of each picture of one plate, in one dense pass. A row is one picture.

        By a network that never saw the picture's group. Only pictures that are new or changed, or that the network in use has not seen,
        are computed. An interrupted run resumes where it stopped.
        """
        store = installation.store(dataset.name)
        report = map_plate(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return [window_maps]


def _image_predictions(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    @asset(
        dataset,
        "image_predictions",
        deps=["images", "embeddings", "stain_network", *(["window_maps"] if dataset.networks else [])],
        pool="gpu",
        checks=[
            CheckSpec("probabilities_add_up", "The probabilities of every row add up to one.", blocking=True),
            CheckSpec("one_row_per_picture_and_classifier", "Every usable picture was asked of every classifier."),
        ],
    )
    def image_predictions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The class that each classifier names for each picture of one plate. A row is one picture and classifier.

        The probability is the mean over the picture's windows, by a classifier that never saw the picture's group. The answer is a class
        only where its probability is above the whole interval of its threshold; else it is 'uncertain'.
        """
        store = installation.store(dataset.name)
        report = predict_plate(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return [image_predictions]
