"""Which pictures are held out together when classifiers are tested: `image_splits`."""

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.staining import labelled as steps


def split_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""

    @asset(
        dataset,
        "image_splits",
        {"classes": list(dataset.classes), "grouping": list(dataset.grouping), "seed": dataset.seed},
        deps=["images"],
        checks=[CheckSpec("classes_in_every_fold", "Every class has pictures in every fold of every split.")],
    )
    def image_splits(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The folds of the labelled pictures: whole plates, wells or cultures are held out together, never single crops.

        A row is one labelled picture under one way of splitting. Pictures that were given a compound are scored, never trained on: they
        are in no fold.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.split_images(store, dataset, context.log))

    return [image_splits]
