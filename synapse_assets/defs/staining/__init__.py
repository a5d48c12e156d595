"""The chain of pictures of stained neurons."""

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.defs.chain import Lineage
from synapse_assets.defs.staining.images import image_assets, plate_content
from synapse_assets.pipeline.staining.inputs import staining_inputs

__all__ = ["LINEAGE"]


def staining_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """Every asset of one dataset, in the order of its chain."""
    return [*image_assets(dataset), plate_content(dataset).assets()]


LINEAGE = Lineage(assets=staining_assets, inputs=staining_inputs, content=plate_content)
