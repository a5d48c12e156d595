"""What marks synapses and mitochondria: `detector`, and how well, `detector_scores`."""

from collections.abc import Mapping

import dagster as dg

from synapse_assets.datasets import DetectionDataset
from synapse_assets.defs.asset import CheckSpec, asset, asset_key, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.detection import detector as steps
from synapse_assets.pipeline.detection.scores import score_detectors
from synapse_assets.pipeline.inputs import UNWATCHED


def detector_assets(dataset: DetectionDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none for one that takes another's detectors."""
    if dataset.detector_from is not None:
        return []

    @asset(
        dataset,
        "detector",
        deps=["annotated_objects", *(["reviewed_boxes"] if dataset.labelling is not None else []), UNWATCHED],
        pool="fit",
        checks=[
            CheckSpec(
                "finds_what_it_never_saw", "Every detector finds some of what is annotated in parts that were held out."
            ),
        ],
    )
    def detector(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The networks that mark synapses and mitochondria in a volume, and the rules by which objects are made of what they mark.

        Each is trained once for every part of the annotated volumes, without the part and without every object that reaches into it, and
        tested on it. The one that is applied is trained on everything. Probability and size from which something counts are chosen on maps
        of parts that the network of the map never saw, for the test without the part that is tested. One more is trained on the first
        sections and tested on the last, to show how much that would flatter. While a network trains, loss, rate and remaining time are
        observations, so the plots of this asset grow. A killed run goes on where it was; a detector whose choice, annotations and volumes
        did not change is not trained again.
        """

        def watch(what: str, numbers: Mapping[str, float]) -> None:
            context.log_event(
                dg.AssetObservation(asset_key(dataset, "detector"), description=what, metadata=dict(numbers))
            )

        store = installation.store(dataset.name)
        return materialized(context, steps.fit_detectors(store, dataset, installation.device, context.log, watch))

    @asset(dataset, "detector_scores", deps=["detector", UNWATCHED])
    def detector_scores(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """How well each detector marks and finds what it was not trained on. A row is one measure of one detector, target and split.

        Objects are matched one to one: sites within the tolerance in nanometres; structures where they overlap by a tenth (IoU), or
        else lie as near. Intervals are over objects. `examined_sites` has every site of the test as a picture: found, missed or invented.
        Parts of the volume that are held out are the headline; later sections show the objects that were trained on, and flatter.
        """
        store = installation.store(dataset.name)
        return materialized(context, score_detectors(store, dataset, context.log))

    return [detector, detector_scores]
