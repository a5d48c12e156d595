"""What detectors find in each block: `probability_maps`, and of these `detections` and `mitochondria`."""

from typing import Any

import dagster as dg

from synapse_assets.datasets import DetectionDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.detection.blocks import BLOCK_BOXES
from synapse_assets.pipeline.detection.maps import map_block
from synapse_assets.pipeline.detection.objects import detect_block, find_mitochondria
from synapse_assets.pipeline.detection.stored import MODEL


def map_assets(dataset: DetectionDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset: synapses and mitochondria as far as they are looked for."""
    return [
        _probability_maps(dataset),
        *([_detections(dataset)] if dataset.synapse_detector is not None else []),
        *([_mitochondria(dataset)] if dataset.mitochondria_detector is not None else []),
    ]


def _probability_maps(dataset: DetectionDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "probability_maps",
        {"applied": dataset.applied, "volumes": _volumes(dataset)},
        deps=[BLOCK_BOXES, _detector(dataset)],
        pool="gpu",
        checks=[CheckSpec("block_complete", "Every pixel of the block is mapped by each detector.", blocking=True)],
    )
    def probability_maps(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What the detectors in use say of every pixel of one block, as volumes that Neuroglancer opens. A row is one map.

        Maps are made in chunks, each once, whichever block needs it first; what a pixel is said to be does not depend on where blocks end.
        An interrupted run goes on where it stopped. Rate, remaining time and memory stand in the log. Maps of earlier versions of a
        detector are removed once no block and not the last release names them.
        """
        store = installation.store(dataset.name)
        report = map_block(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return probability_maps


def _detections(dataset: DetectionDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "detections",
        {"detector": dataset.synapse_detector, "volumes": _volumes(dataset), **_labels(dataset)},
        deps=["probability_maps", _detector(dataset)],
        # Maps beyond the end of a block are made here where they are absent.
        pool="gpu",
        checks=[
            CheckSpec("inside_their_block", "Every synapse lies in its block.", blocking=True),
            CheckSpec("has_synapses", "At least one synapse was found in the block. In some blocks there is none."),
        ],
    )
    def detections(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The synapses of one block, as the detector in use marks them. A row is one synapse.

        All blocks together have the synapses of the whole volume, each once. Brain region and neurons are those of the dataset's volumes of
        labels (`labels_from`); without one of regions the block is the region. Blocks without synapses are ordinary.
        """
        store = installation.store(dataset.name)
        report = detect_block(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return detections


def _mitochondria(dataset: DetectionDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "mitochondria",
        {"detector": dataset.mitochondria_detector, "volumes": _volumes(dataset), **_labels(dataset)},
        deps=["probability_maps", _detector(dataset)],
        pool="gpu",
        checks=[CheckSpec("has_mitochondria", "At least one mitochondrion begins in the block.")],
    )
    def mitochondria(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The mitochondria that begin in one block, followed beyond it. A row is one mitochondrion.

        All blocks together have those of the whole volume, each once. What reaches more than 4 um beyond is cut, and what lies in each
        block is a row of its own; `cut_off` marks it, and what ends where the volume does.
        """
        store = installation.store(dataset.name)
        report = find_mitochondria(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return mitochondria


def _detector(dataset: DetectionDataset) -> str | dg.AssetKey:
    """The asset of the detectors that are applied."""
    return MODEL if dataset.detector_from is None else dg.AssetKey([dataset.detector_from, MODEL])


def _volumes(dataset: DetectionDataset) -> dict[str, Any]:
    return {name: hashed_fields(spec, exclude=PATIENCE) for name, spec in dataset.searched.items()}


def _labels(dataset: DetectionDataset) -> dict[str, Any]:
    return hashed_fields(dataset, include={"labels_from", "missing_region"})
