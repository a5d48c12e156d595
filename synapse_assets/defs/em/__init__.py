"""The long chain: synapse points and electron-microscopy volumes to tiles, embeddings, maps, clusters and classifiers."""

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.defs.chain import Lineage
from synapse_assets.defs.em.alignment import alignment_assets
from synapse_assets.defs.em.answers import answer_assets
from synapse_assets.defs.em.attributes import attribute_assets
from synapse_assets.defs.em.classify import classify_assets
from synapse_assets.defs.em.compression import compression_assets
from synapse_assets.defs.em.drift import drift_assets
from synapse_assets.defs.em.embeddings import embedding_assets
from synapse_assets.defs.em.explanations import explanation_assets
from synapse_assets.defs.em.labelling import labelling_assets, labelling_contents
from synapse_assets.defs.em.labels import label_assets
from synapse_assets.defs.em.leakage import leakage_assets
from synapse_assets.defs.em.maps import map_assets
from synapse_assets.defs.em.mitochondria import mitochondria_assets
from synapse_assets.defs.em.networks import network_assets
from synapse_assets.defs.em.promotions import promotion_assets
from synapse_assets.defs.em.publish import publish_assets
from synapse_assets.defs.em.scorecard import scorecard_assets
from synapse_assets.defs.em.synapses import region_content, synapse_assets
from synapse_assets.defs.em.tiles import tile_assets
from synapse_assets.defs.em.transfer import transfer_assets
from synapse_assets.defs.em.vector_index import vector_index_assets
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.pipeline.em.inputs import em_inputs

__all__ = ["LINEAGE"]


def em_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """Every asset of one dataset, in the order of its chain."""
    return [
        *synapse_assets(dataset),
        region_content(dataset).assets(),
        *label_assets(dataset),
        *alignment_assets(dataset),
        *tile_assets(dataset),
        *mitochondria_assets(dataset),
        *embedding_assets(dataset),
        *vector_index_assets(dataset),
        *scorecard_assets(dataset),
        *compression_assets(dataset),
        *map_assets(dataset),
        *classify_assets(dataset),
        *answer_assets(dataset),
        *leakage_assets(dataset),
        *transfer_assets(dataset),
        *network_assets(dataset),
        *explanation_assets(dataset),
        *attribute_assets(dataset),
        *labelling_assets(dataset),
        *drift_assets(dataset),
        *promotion_assets(dataset),
        *publish_assets(dataset),
    ]


def em_contents(dataset: EmDataset) -> list[PartitionContent]:
    """What tables hold of each brain region, and the log of answers of each round."""
    return [region_content(dataset), *labelling_contents(dataset)]


LINEAGE = Lineage(assets=em_assets, inputs=em_inputs, content=em_contents)
