"""What a chain brings into the lineage: the part of `datasets.Chain` that needs Dagster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.pipeline.inputs import Input


@dataclass(frozen=True)
class Lineage:
    """assets: declares those of a dataset, in the order of the chain. inputs: what a dataset is read from and does not make.
    content: what tables for the whole dataset hold of each part, and what people answered of each round."""

    assets: Callable[[Any], Sequence[dg.AssetsDefinition]]
    inputs: Callable[[Any], list[Input]]
    content: Callable[[Any], Sequence[PartitionContent]]


def lineage_of(dataset: Dataset) -> Lineage:
    """The lineage of the chain of a dataset."""
    lineage = resolve_name(chain_of(dataset).lineage)
    assert isinstance(lineage, Lineage)  # noqa: S101 -- a chain that names something else is a fault of the program
    return lineage
