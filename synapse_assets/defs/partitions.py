"""Brain regions as partitions: one set a dataset, filled by the asset `synapse_table`."""

import dagster as dg

from synapse_assets.datasets import Dataset


def brain_regions(dataset: Dataset) -> dg.DynamicPartitionsDefinition:
    """The brain regions of a dataset as a dynamic partition set, `<dataset>_brain_region`."""
    return dg.DynamicPartitionsDefinition(name=f"{dataset.name}_brain_region")


def every_region() -> dg.PartitionMapping:
    """A fitted asset looks at all regions that exist."""
    return dg.AllPartitionMapping()
