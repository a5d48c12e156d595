"""The chain of pictures of stained neurons: windows to vectors, maps and clusters, and networks that say where the classes differ."""

import dagster as dg

from synapse_assets.datasets import StainingDataset
from synapse_assets.defs.chain import Lineage
from synapse_assets.defs.em.embeddings import embedding_assets
from synapse_assets.defs.em.maps import map_assets as vector_map_assets
from synapse_assets.defs.em.promotions import promotion_assets
from synapse_assets.defs.em.publish import publish_assets
from synapse_assets.defs.em.vector_index import vector_index_assets
from synapse_assets.defs.staining.compounds import compound_assets
from synapse_assets.defs.staining.explanations import explanation_assets
from synapse_assets.defs.staining.images import image_assets, plate_content
from synapse_assets.defs.staining.maps import map_assets
from synapse_assets.defs.staining.networks import network_assets
from synapse_assets.defs.staining.splits import split_assets
from synapse_assets.pipeline.staining.inputs import staining_inputs

__all__ = ["LINEAGE"]


def staining_assets(dataset: StainingDataset) -> list[dg.AssetsDefinition]:
    """Every asset of one dataset, in the order of its chain."""
    return [
        *image_assets(dataset),
        plate_content(dataset).assets(),
        *embedding_assets(dataset),
        *vector_index_assets(dataset),
        *vector_map_assets(dataset),
        *split_assets(dataset),
        *network_assets(dataset),
        *map_assets(dataset),
        *compound_assets(dataset),
        *explanation_assets(dataset),
        *promotion_assets(dataset),
        *publish_assets(dataset),
    ]


LINEAGE = Lineage(assets=staining_assets, inputs=staining_inputs, content=lambda dataset: [plate_content(dataset)])
