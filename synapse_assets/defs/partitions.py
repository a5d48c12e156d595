"""What is worked on piece by piece: brain regions, a set that `synapse_table` fills, and investigation groups, which a YAML lists."""

import dagster as dg

from synapse_assets.datasets import EmDataset, MorphologyDataset


def brain_regions(dataset: EmDataset) -> dg.DynamicPartitionsDefinition:
    """The brain regions of a dataset as a dynamic partition set, `<dataset>_brain_region`."""
    return dg.DynamicPartitionsDefinition(name=f"{dataset.name}_brain_region")


def investigation_groups(dataset: MorphologyDataset) -> dg.StaticPartitionsDefinition:
    """The investigation groups of a dataset, as its YAML lists them."""
    return dg.StaticPartitionsDefinition(list(dataset.groups))


def every_partition() -> dg.PartitionMapping:
    """An asset for the whole dataset looks at all regions or groups that exist."""
    return dg.AllPartitionMapping()
