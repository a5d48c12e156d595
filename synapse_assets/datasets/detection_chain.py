"""The chain from a volume to its synapses and mitochondria: the facts of its assets, and nothing else."""

from enum import StrEnum

from synapse_assets.datasets.chain import AssetFacts, Chain, Role, register
from synapse_assets.datasets.detection import DetectionDataset
from synapse_assets.datasets.publishing import site_facts
from synapse_assets.schema import PROMOTIONS, detection, labelling


class Stage(StrEnum):
    """The groups of the lineage, in their order."""

    VOLUME = "2_volume"
    DETECTOR = "3_detector"
    OBJECTS = "4_objects"
    LABELLING = "5_labelling"
    MODELS = "5_models"
    PUBLISH = "6_publish"


def _trains(dataset: DetectionDataset) -> bool:
    return dataset.detector_from is None


def _finds_synapses(dataset: DetectionDataset) -> bool:
    return dataset.synapse_detector is not None


def _finds_mitochondria(dataset: DetectionDataset) -> bool:
    return dataset.mitochondria_detector is not None


def _is_labelled(dataset: DetectionDataset) -> bool:
    return dataset.labelling is not None


ASSETS = (
    AssetFacts(
        "volume_blocks",
        Stage.VOLUME,
        Role.READ,
        detection.VOLUME_BLOCKS,
        job="ingest",
        released=("volume_blocks",),
        awaited=False,
    ),
    AssetFacts(
        "annotated_objects",
        Stage.VOLUME,
        Role.READ,
        detection.ANNOTATED_OBJECTS,
        job="ingest",
        released=("annotated_objects",),
        awaited=False,
        exists=_trains,
    ),
    # All named detectors are one model: which there are, and how they compare, belongs together.
    AssetFacts(
        "detector",
        Stage.DETECTOR,
        Role.MODEL,
        kinds=("pytorch",),
        job="fit",
        refitted_after="reviewed_boxes",
        exists=_trains,
    ),
    # A release does not wait for it: nothing is made from it. Each row names its version.
    AssetFacts(
        "detector_scores",
        Stage.DETECTOR,
        Role.APPLY,
        detection.DETECTOR_SCORES,
        beside=(detection.EXAMINED_SITES,),
        released=("detector_scores", "examined_sites"),
        awaited=False,
        page="detectors",
        exists=_trains,
    ),
    AssetFacts(
        "probability_maps",
        Stage.OBJECTS,
        Role.APPLY,
        detection.PROBABILITY_MAPS,
        kinds=("pytorch", "parquet"),
        by_part=True,
        job="apply",
        released=("probability_maps",),
        page="sections",
    ),
    AssetFacts(
        "detections",
        Stage.OBJECTS,
        Role.APPLY,
        detection.DETECTIONS,
        by_part=True,
        job="apply",
        released=("synapses",),
        page="sections",
        exists=_finds_synapses,
    ),
    AssetFacts(
        "mitochondria",
        Stage.OBJECTS,
        Role.APPLY,
        detection.MITOCHONDRIA,
        by_part=True,
        job="apply",
        released=("mitochondria",),
        page="sections",
        exists=_finds_mitochondria,
    ),
    AssetFacts(
        "query_suggestions",
        Stage.LABELLING,
        Role.ASK,
        labelling.BOX_SUGGESTIONS,
        beside=(labelling.SUGGESTED_SITES,),
        by_round=True,
        fitted_on="detector",
        exists=_is_labelled,
    ),
    AssetFacts(
        "annotations",
        Stage.LABELLING,
        Role.READ,
        labelling.ANNOTATIONS,
        by_round=True,
        exists=_is_labelled,
    ),
    # What the detector learns from beside the annotations of the YAML. A release does not wait for it.
    AssetFacts(
        "reviewed_boxes",
        Stage.LABELLING,
        Role.READ,
        labelling.REVIEWED_BOXES,
        beside=(labelling.REVIEWED_SITES,),
        released=("reviewed_boxes", "reviewed_sites"),
        awaited=False,
        exists=_is_labelled,
    ),
    # Candidates have a score too.
    AssetFacts(
        "label_curve",
        Stage.LABELLING,
        Role.COMPARE,
        labelling.LABEL_CURVE,
        released=("label_curve",),
        awaited=False,
        exists=_is_labelled,
    ),
    AssetFacts("promotions", Stage.MODELS, Role.DECIDE, PROMOTIONS, released=("promotions",), exists=_trains),
    AssetFacts("warehouse", Stage.PUBLISH, Role.PUBLISH, kinds=("duckdb",)),
    AssetFacts("report", Stage.PUBLISH, Role.REPORT, kinds=("html",)),
    site_facts(Stage.PUBLISH),
)

DETECTION = register(
    Chain(
        name="detection",
        dataset_type=DetectionDataset,
        part="block",
        assets=ASSETS,
        jobs={
            "ingest": "Divide the volumes of {title} into blocks and read its annotations. Run this first.",
            "apply": "Search one block of {title} with the detectors in use.",
            "fit": "Train the detectors of {title} again. On unchanged content nothing happens; otherwise there is a candidate, which "
            "'promotions' decides on.",
        },
        lineage="synapse_assets.defs.detection:LINEAGE",
        pages={"sections": "Sections", "sites": "Sites", "detectors": "Detectors"},
        own_pages="synapse_assets.explorer.detection:add_pages",
    )
)
