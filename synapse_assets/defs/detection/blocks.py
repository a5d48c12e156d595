"""Volumes divided into what is searched by itself: `volume_blocks`, and its content by block."""

import dagster as dg

from synapse_assets.datasets import DetectionDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.asset import asset, materialized
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.defs.partitions import partitions_of
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.detection import blocks as steps
from synapse_assets.pipeline.inputs import UNWATCHED
from synapse_assets.stores import DatasetStore


def block_content(dataset: DetectionDataset) -> PartitionContent:
    """What `volume_blocks` holds of each block. A block that there is not any more has content too: none."""
    blocks = partitions_of(dataset)
    assert isinstance(blocks, dg.DynamicPartitionsDefinition)  # noqa: S101 -- the YAML of no such dataset lists blocks
    name = str(blocks.name)

    def find_blocks(store: DatasetStore, instance: dg.DagsterInstance) -> list[str]:
        present = steps.find_blocks(store)
        instance.add_dynamic_partitions(name, present)
        return sorted({*present, *instance.get_dynamic_partitions(name)})

    descriptions = {steps.BLOCK_BOXES: "The box of each block, and the volume that it is of"}
    return PartitionContent(dataset, "volume_blocks", descriptions, find_blocks, steps.block_versions)


def block_assets(dataset: DetectionDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    volumes = {name: hashed_fields(spec, exclude=PATIENCE) for name, spec in dataset.searched.items()}

    @asset(
        dataset,
        "volume_blocks",
        {**hashed_fields(dataset, include={"block_nm"}), "volumes": volumes},
        deps=[UNWATCHED],
    )
    def volume_blocks(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The volumes divided into blocks, which are searched one by one. A row is one block.

        Start here: materialise this asset and the blocks appear as partitions of the assets downstream. No voxel is read yet: `plan` says
        what searching all of them takes in core-hours, gigabytes to fetch and gigabytes of maps. More voxels than `voxel_ceiling` of the
        dataset's YAML are refused.
        """
        store = installation.store(dataset.name)
        report = steps.plan_blocks(store, dataset, context.log)
        for observation in block_content(dataset).observations(store, context.instance):
            context.log_event(observation)
        return materialized(context, report)

    return [volume_blocks]
