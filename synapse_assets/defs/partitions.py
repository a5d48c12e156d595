"""What is worked on piece by piece: the parts of a dataset that its YAML lists or that the data fill, and the rounds of labelling."""

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of


def partitions_of(dataset: Dataset) -> dg.PartitionsDefinition:
    """The parts of a dataset: investigation groups as its YAML lists them, or the dynamic set `<dataset>_brain_region`."""
    if dataset.parts is not None:
        return dg.StaticPartitionsDefinition(list(dataset.parts))
    return dg.DynamicPartitionsDefinition(name=f"{dataset.name}_{chain_of(dataset).part}")


def rounds_of(dataset: Dataset) -> dg.DynamicPartitionsDefinition:
    """The rounds in which people label a dataset, and other batches that they answered: the dynamic set `<dataset>_round`."""
    return dg.DynamicPartitionsDefinition(name=f"{dataset.name}_round")
