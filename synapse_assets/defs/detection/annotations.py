"""What is known of the volumes: `annotated_objects`."""

import dagster as dg

from synapse_assets.datasets import DetectionDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.inputs import Reading, observe_gone
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.detection import annotated as steps
from synapse_assets.pipeline.detection.inputs import ANNOTATIONS, annotation_source
from synapse_assets.pipeline.inputs import SOURCES_GONE, UNWATCHED


def annotation_assets(dataset: DetectionDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none for one that trains no detectors."""
    if dataset.detector_from is not None:
        return []
    volumes = {name: hashed_fields(spec, exclude=set(PATIENCE)) for name, spec in dataset.volumes.items()}

    @asset(
        dataset,
        "annotated_objects",
        {**hashed_fields(dataset, include={"annotations", "hold_out"}), "volumes": volumes},
        deps=[ANNOTATIONS, UNWATCHED],
        checks=[
            CheckSpec("points_inside_volume", "Every annotated point lies in its volume. Others are left out."),
            CheckSpec("has_objects", "Every annotation has objects."),
        ],
    )
    def annotated_objects(
        context: dg.AssetExecutionContext, installation: Installation, config: Reading
    ) -> dg.MaterializeResult:
        """What is annotated in the volumes, as masks or points, each checked to fit its volume. A row is one object.

        An object of a mask is one of its ids, or what is connected where it has one id only. A mask may cover a part of its volume: beyond
        it nothing is known, and nothing is learnt. `fold` is the part of the volume that is held out together with the object.
        """
        store = installation.store(dataset.name)
        report = steps.register_annotations(store, dataset, config.gone, context.log)
        if SOURCES_GONE in report.details:
            observe_gone(context, dataset.name, annotation_source(dataset))
        return materialized(context, report)

    return [annotated_objects]
