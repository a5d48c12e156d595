"""People look through boxes of the volumes: `query_suggestions`, `annotations`, `reviewed_boxes`, `label_curve`."""

import dagster as dg

from synapse_assets.datasets import DetectionDataset
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.labelling import annotation_assets
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.detection.labelling.curve import score_rounds
from synapse_assets.pipeline.detection.labelling.reviews import review_boxes
from synapse_assets.pipeline.detection.labelling.suggestions import suggest_boxes


def labelling_assets(dataset: DetectionDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none for one that nobody labels."""
    if dataset.labelling is None:
        return []
    return [_query_suggestions(dataset), *annotation_assets(dataset), _reviewed_boxes(dataset), _label_curve(dataset)]


def _query_suggestions(dataset: DetectionDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "query_suggestions",
        # What the answers before it led to is made first: a round waits for all of these.
        deps=["probability_maps", "detections", "detector", "annotations", "reviewed_boxes", "promotions"],
        # Maps beyond the end of a block are made here where they are absent.
        pool="gpu",
        checks=[CheckSpec("round_is_full", "There are as many boxes left to ask about as a round has.")],
    )
    def query_suggestions(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The boxes that one round asks people to look through, and what was detected in them. A row is one box.

        They are chosen where the map of the detector in use is least sure (mean entropy), and some at random. None lies near what the
        dataset annotates, which detectors are tested on; none is asked about twice. A round that was chosen stays as it is, and shows as
        out of date once maps are others.
        """
        store = installation.store(dataset.name)
        report = suggest_boxes(store, dataset, context.partition_key, installation.device, context.log)
        return materialized(context, report)

    return query_suggestions


def _reviewed_boxes(dataset: DetectionDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "reviewed_boxes",
        # Not on what was asked, which never changes: the detector that it is chosen by learns from these boxes.
        deps=["annotations"],
        checks=[
            CheckSpec(
                "boxes_complete", "In every box that is done all sites are answered, and none lies outside of it."
            ),
            CheckSpec("people_agree", "Whoever looked through the same box came to the same."),
        ],
    )
    def reviewed_boxes(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The boxes that somebody has looked through and marked as done: all sites in them are known. A row is one box.

        The detector that was asked about learns from them as from what the dataset annotates, and is never tested on them. `reviewed_sites`
        has their sites: accepted, moved, rejected or added. Of a box that several people looked through, what the last of them said counts.
        """
        return materialized(context, review_boxes(installation.store(dataset.name), dataset, context.log))

    return reviewed_boxes


def _label_curve(dataset: DetectionDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "label_curve",
        deps=["annotations", "detector", "reviewed_boxes"],
        checks=[CheckSpec("more_labels_pay", "A round of the last three gained something beyond its interval.")],
    )
    def label_curve(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """What each round was worth: F1 of the detector that knows all boxes up to it. A row is one round.

        F1 is of parts that were held out of what the dataset annotates, never of boxes that people looked through. Each gain has a 95 %
        interval, paired over the annotated objects. `stop`: three rounds in a row gained nothing beyond it.
        """
        return materialized(context, score_rounds(installation.store(dataset.name), dataset, context.log))

    return label_curve
