"""The chain without images: workbooks of synapses to features, clusters with their stability, classifiers and predictions."""

import dagster as dg

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.defs.chain import Lineage
from synapse_assets.defs.morphology.classify import classifier_assets
from synapse_assets.defs.morphology.clusters import cluster_assets
from synapse_assets.defs.morphology.content import group_content
from synapse_assets.defs.morphology.publish import publish_assets
from synapse_assets.defs.morphology.recipes import recipe_assets
from synapse_assets.defs.morphology.synapses import synapse_assets
from synapse_assets.pipeline.morphology.inputs import morphology_inputs

__all__ = ["LINEAGE"]


def morphology_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """Every asset of one dataset, in the order of its chain."""
    return [
        *synapse_assets(dataset),
        group_content(dataset).assets(),
        *cluster_assets(dataset),
        *recipe_assets(dataset),
        *classifier_assets(dataset),
        *publish_assets(dataset),
    ]


LINEAGE = Lineage(assets=morphology_assets, inputs=morphology_inputs, content=lambda dataset: [group_content(dataset)])
