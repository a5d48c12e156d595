"""The chain from a volume to its synapses and mitochondria: annotations, detectors, maps of probabilities, objects."""

import dagster as dg

from synapse_assets.datasets import DetectionDataset
from synapse_assets.defs.chain import Lineage
from synapse_assets.defs.detection.annotations import annotation_assets
from synapse_assets.defs.detection.blocks import block_assets, block_content
from synapse_assets.defs.detection.detectors import detector_assets
from synapse_assets.defs.detection.labelling import labelling_assets
from synapse_assets.defs.detection.maps import map_assets
from synapse_assets.defs.detection.publish import publish_assets
from synapse_assets.defs.em.promotions import promotion_assets
from synapse_assets.defs.labelling import log_content
from synapse_assets.defs.partition_content import PartitionContent
from synapse_assets.pipeline.detection.inputs import detection_inputs

__all__ = ["LINEAGE"]


def detection_assets(dataset: DetectionDataset) -> list[dg.AssetsDefinition]:
    """Every asset of one dataset, in the order of its chain."""
    trains = dataset.detector_from is None
    return [
        *block_assets(dataset),
        block_content(dataset).assets(),
        *annotation_assets(dataset),
        *detector_assets(dataset),
        *map_assets(dataset),
        *labelling_assets(dataset),
        *(promotion_assets(dataset) if trains else []),
        *publish_assets(dataset),
    ]


def detection_content(dataset: DetectionDataset) -> list[PartitionContent]:
    """What there is of each block, and what people answered in each round."""
    return [block_content(dataset), *([log_content(dataset)] if dataset.labelling is not None else [])]


LINEAGE = Lineage(assets=detection_assets, inputs=detection_inputs, content=detection_content)
