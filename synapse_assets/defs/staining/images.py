"""From folders of pictures to their windows: `image_table`, `images`, `windows`, and the content of the table by plate."""

from typing import Any

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.inputs import Reading, observe_gone
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.defs.partitions import partitions_of
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.inputs import SOURCES_GONE
from synapse_assets.pipeline.staining import images as steps
from synapse_assets.pipeline.staining.inputs import image_source
from synapse_assets.pipeline.staining.windows import cut_windows
from synapse_assets.schema.staining import PLATES
from synapse_assets.stores import DatasetStore


def plate_content(dataset: StainingDataset) -> PartitionContent:
    """What `image_table` holds of each plate. A plate that the sources no longer name has content too: none."""
    plates = partitions_of(dataset)
    assert isinstance(plates, dg.DynamicPartitionsDefinition)  # noqa: S101 -- the YAML of no such dataset lists plates
    name = str(plates.name)

    def find_plates(store: DatasetStore, instance: dg.DagsterInstance) -> list[str]:
        present = sorted(store.results(PLATES).read(columns=["plate"]).column("plate").to_pylist())
        instance.add_dynamic_partitions(name, present)
        return sorted({*present, *instance.get_dynamic_partitions(name)})

    descriptions = {steps.PLATE_IMAGES: "The pictures of each plate: their files, and what is said of them"}
    return PartitionContent(dataset, "image_table", descriptions, find_plates, steps.plate_versions)


def image_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    return [_image_table(dataset), _images(dataset), _windows(dataset)]


def _image_table(dataset: StainingDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "image_table",
        hashed_fields(dataset, include={"sources", "classes"}),
        deps=["image_source"],
        checks=[
            CheckSpec(
                "labels_known", "Every label is one of the dataset's classes. Others are kept, and not learned from."
            )
        ],
    )
    def image_table(
        context: dg.AssetExecutionContext, installation: Installation, config: Reading
    ) -> dg.MaterializeResult:
        """All pictures of the dataset as its folders and tables list them, with plate, well, label and compound. A row is one picture.

        Start here: materialise this asset and the plates appear as partitions of the assets downstream. No picture is opened yet.
        Nothing is stored unless every source could be read. Where all files of a source are gone, its rows go only if `gone` names
        it.
        """
        store = installation.store(dataset.name)
        report = steps.read_image_table(store, dataset, config.gone, context.log)
        if SOURCES_GONE in report.details:
            observe_gone(context, dataset.name, image_source(dataset))
        for observation in plate_content(dataset).observations(store, context.instance):
            context.log_event(observation)
        return materialized(context, report)

    return image_table


def _images(dataset: StainingDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "images",
        _seen_of_a_picture(dataset) | hashed_fields(dataset, include={"classes"}),
        deps=[steps.PLATE_IMAGES],
        checks=[
            # What is made of all plates waits for a blocking check, and so for the first plate.
            CheckSpec("one_row_per_picture", "Every listed picture of the plate has exactly one row.", blocking=True),
            CheckSpec("has_images", "The plate has at least one usable picture."),
            CheckSpec(
                "readable", "Every file of the plate can be read. Those that cannot are named, and the others go on."
            ),
            CheckSpec("two_classes", "The plate has pictures of two of the dataset's classes."),
            CheckSpec("one_depth", "All files of the plate have 8 bits, or all 16."),
            CheckSpec("on_one_plate", "No picture of the plate has the same pixels as one of another plate."),
        ],
    )
    def images(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The pictures of one plate: size, hash of the pixels, quality, and whether each is used. A row is one picture.

        Left out is only what cannot be used: unreadable, smaller than a window, without a channel that is asked for, of another scale,
        blank, or the same pixels twice; `why_not` says which. What is blurred, saturated or nearly empty is used, with a remark.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.register_images(store, dataset, context.partition_key, context.log))

    return images


def _windows(dataset: StainingDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "windows",
        _seen_of_a_picture(dataset) | {**hashed_fields(dataset, include={"classes"}), "grouping": dataset.grouping[0]},
        deps=["images"],
        checks=[
            CheckSpec(
                "one_tile_per_window", "Every whole window of the usable pictures has exactly one tile.", blocking=True
            )
        ],
    )
    def windows(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Whole windows of the usable pictures of one plate, side by side, as 8-bit tiles. A row is one window; channels lie one behind the
        other as sections do.

        Only windows whose pixels have changed are cut again. An interrupted run resumes where it stopped.
        """
        store = installation.store(dataset.name)
        return materialized(context, cut_windows(store, dataset, context.partition_key, context.log))

    return windows


def _seen_of_a_picture(dataset: StainingDataset) -> dict[str, Any]:
    """What decides which pixels of a picture are used, and as which values."""
    return hashed_fields(dataset, include={"channels", "pixel_nm", "white_level", "window_px"})
