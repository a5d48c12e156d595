"""The chain of synapse points and electron-microscopy volumes: the facts of its assets, and nothing else."""

from enum import StrEnum

from synapse_assets.datasets.chain import AssetFacts, Chain, Role, register
from synapse_assets.datasets.em import EmDataset
from synapse_assets.datasets.publishing import site_facts
from synapse_assets.datasets.vector_stages import embedding_facts, map_facts
from synapse_assets.schema import (
    ALIGNMENT,
    BRAIN_REGIONS,
    CALIBRATED_SYNAPSES,
    CALIBRATION,
    CALIBRATION_SCORES,
    CLASS_DIFFERENCES,
    CLASSIFIER_COMPARISON,
    COMPRESSION_REPORT,
    DRIFT,
    EXPLANATION_CHECKS,
    EXPLANATIONS,
    LEAKAGE_REPORT,
    NETWORK_CARDS,
    NETWORK_PREDICTIONS,
    NEURON_ANSWERS,
    NEURON_PREDICTIONS,
    NEURON_SOURCES,
    NEURONS,
    PROMOTIONS,
    RELIABILITY,
    RETRIEVAL_SCORECARD,
    SPLITS,
    SYNAPSE_ANSWERS,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
    SYNAPSE_SOURCES,
    SYNAPSE_TABLE,
    SYNAPSES,
    TILE_ATTRIBUTES,
    TILE_PLAN,
    TILES,
    TRANSFER,
)
from synapse_assets.schema import labelling as labelling_tables
from synapse_assets.schema.detection import SYNAPSE_MITOCHONDRIA


class Stage(StrEnum):
    """The groups of the lineage, in their order."""

    SYNAPSES = "2_synapses"
    TILES = "3_tiles"
    EMBEDDINGS = "4_embeddings"
    MAPS = "5_maps"
    CLASSIFY = "6_classify"
    LABELLING = "6_labelling"
    MODELS = "7_models"
    PUBLISH = "8_publish"


def _has_neurons(dataset: EmDataset) -> bool:
    return dataset.has_neurons


def _has_neuron_tables(dataset: EmDataset) -> bool:
    return bool(dataset.neurons)


def _tries_others(dataset: EmDataset) -> bool:
    return bool(dataset.transfer_from)


def _looks_for_mitochondria(dataset: EmDataset) -> bool:
    return dataset.mitochondria_from is not None


def _is_labelled(dataset: EmDataset) -> bool:
    return dataset.labelling is not None


def _has_vae(dataset: EmDataset) -> bool:
    return dataset.labelling is not None and dataset.labelling.vae is not None


def _has_networks(dataset: EmDataset) -> bool:
    return bool(dataset.networks)


ASSETS = (
    AssetFacts(
        "synapse_table",
        Stage.SYNAPSES,
        Role.READ,
        SYNAPSE_TABLE,
        beside=(BRAIN_REGIONS, SYNAPSE_SOURCES),
        job="ingest",
        released=("brain_regions", "synapse_sources"),
        awaited=False,
    ),
    AssetFacts(
        "neurons",
        Stage.SYNAPSES,
        Role.READ,
        NEURONS,
        beside=(NEURON_SOURCES,),
        job="ingest",
        released=("neurons", "neuron_sources"),
        exists=_has_neuron_tables,
    ),
    AssetFacts(
        "synapses",
        Stage.SYNAPSES,
        Role.APPLY,
        SYNAPSES,
        kinds=("lancedb",),
        by_part=True,
        job="apply",
        released=("synapses",),
    ),
    AssetFacts(
        "synapse_labels",
        Stage.SYNAPSES,
        Role.APPLY,
        SYNAPSE_LABELS,
        by_part=True,
        job="apply",
        released=("synapse_labels",),
    ),
    AssetFacts("alignment", Stage.TILES, Role.APPLY, ALIGNMENT, job="ingest", released=("alignment",), awaited=False),
    AssetFacts("tile_plan", Stage.TILES, Role.APPLY, TILE_PLAN, by_part=True, job="apply"),
    AssetFacts(
        "tiles",
        Stage.TILES,
        Role.APPLY,
        TILES,
        kinds=("lancedb",),
        by_part=True,
        job="apply",
        released=("tiles",),
        points=("valid_fraction",),
        page="gallery",
    ),
    # A release does not wait for it, as it waits for another dataset; there is another release once it is made.
    AssetFacts(
        "synapse_mitochondria",
        Stage.TILES,
        Role.APPLY,
        SYNAPSE_MITOCHONDRIA,
        by_part=True,
        job="apply",
        released=("synapse_mitochondria",),
        awaited=False,
        released_again=True,
        points=("mitochondrion_distance_nm", "mitochondrion_nm3", "mitochondria_near_share"),
        page="map",
        exists=_looks_for_mitochondria,
    ),
    *embedding_facts(Stage.EMBEDDINGS),
    # A release does not wait for it: its rows are judgements, and nothing else is made from them.
    AssetFacts(
        "retrieval_scorecard",
        Stage.EMBEDDINGS,
        Role.COMPARE,
        RETRIEVAL_SCORECARD,
        released=("retrieval_scorecard",),
        awaited=False,
        page="scorecard",
    ),
    # A release does not wait for it: nothing is made from it.
    AssetFacts(
        "compression_report",
        Stage.EMBEDDINGS,
        Role.APPLY,
        COMPRESSION_REPORT,
        released=("compression_report",),
        awaited=False,
    ),
    *map_facts(Stage.MAPS),
    AssetFacts("splits", Stage.CLASSIFY, Role.FIT, SPLITS, job="fit", released=("splits",)),
    # A release does not wait for it: it says what figures are worth, and nothing is made from it.
    AssetFacts(
        "leakage_report",
        Stage.CLASSIFY,
        Role.APPLY,
        LEAKAGE_REPORT,
        released=("leakage_report",),
        awaited=False,
    ),
    AssetFacts(
        "synapse_classifier",
        Stage.CLASSIFY,
        Role.MODEL,
        kinds=("scikitlearn",),
        job="fit",
        fitted_on="encoder",
        refitted_after="label_decisions",
        page="classifiers",
    ),
    AssetFacts(
        "synapse_predictions",
        Stage.CLASSIFY,
        Role.APPLY,
        SYNAPSE_PREDICTIONS,
        by_part=True,
        job="apply",
        applied=("synapse_classifier", "classifier"),
        released=("synapse_predictions",),
        points=("predicted", "probability", "out_of_fold"),
        page="classes",
    ),
    AssetFacts(
        "neuron_predictions",
        Stage.CLASSIFY,
        Role.APPLY,
        NEURON_PREDICTIONS,
        released=("neuron_predictions",),
        exists=_has_neurons,
    ),
    # A release does not wait for it: nothing is made from it.
    AssetFacts(
        "transfer",
        Stage.CLASSIFY,
        Role.APPLY,
        TRANSFER,
        released=("transfer",),
        awaited=False,
        exists=_tries_others,
    ),
    # All named networks are one model: which of them are there, what they were trained on and how they compare belongs together.
    AssetFacts("synapse_network", Stage.CLASSIFY, Role.MODEL, kinds=("pytorch",), job="fit", exists=_has_networks),
    # A release waits for none of the three: training takes long, and nothing is made from them. Each row names its version.
    AssetFacts(
        "network_predictions",
        Stage.CLASSIFY,
        Role.APPLY,
        NETWORK_PREDICTIONS,
        kinds=("pytorch", "parquet"),
        by_part=True,
        job="apply",
        released=("network_predictions",),
        awaited=False,
        exists=_has_networks,
    ),
    AssetFacts(
        "classifier_comparison",
        Stage.CLASSIFY,
        Role.APPLY,
        CLASSIFIER_COMPARISON,
        released=("classifier_comparison",),
        awaited=False,
        exists=_has_networks,
    ),
    AssetFacts(
        "network_cards",
        Stage.CLASSIFY,
        Role.APPLY,
        NETWORK_CARDS,
        released=("network_cards",),
        awaited=False,
        exists=_has_networks,
    ),
    # A release does not wait for these three: it has them once they are made of the classifier in use.
    AssetFacts(
        "calibration",
        Stage.CLASSIFY,
        Role.FIT,
        CALIBRATION,
        beside=(RELIABILITY, CALIBRATION_SCORES, CALIBRATED_SYNAPSES),
        released=("calibration", "reliability", "calibration_scores"),
        awaited=False,
    ),
    AssetFacts(
        "synapse_answers",
        Stage.CLASSIFY,
        Role.APPLY,
        SYNAPSE_ANSWERS,
        by_part=True,
        released=("synapse_answers",),
        awaited=False,
        points=("answer", "probability as calibrated_probability"),
        page="classes",
    ),
    AssetFacts(
        "neuron_answers",
        Stage.CLASSIFY,
        Role.APPLY,
        NEURON_ANSWERS,
        released=("neuron_answers",),
        awaited=False,
        released_again=True,
        page="neurons",
        exists=_has_neurons,
    ),
    # A release waits for none of these four: they say what classifiers see, and nothing is made from them.
    AssetFacts(
        "explanation_checks",
        Stage.CLASSIFY,
        Role.APPLY,
        EXPLANATION_CHECKS,
        kinds=("pytorch", "parquet"),
        released=("explanation_checks",),
        awaited=False,
        page="explanations",
    ),
    AssetFacts(
        "explanations",
        Stage.CLASSIFY,
        Role.APPLY,
        EXPLANATIONS,
        kinds=("pytorch", "parquet"),
        by_part=True,
        released=("explanations",),
        awaited=False,
        page="explanations",
    ),
    AssetFacts(
        "tile_attributes",
        Stage.CLASSIFY,
        Role.APPLY,
        TILE_ATTRIBUTES,
        by_part=True,
        released=("tile_attributes",),
        awaited=False,
    ),
    AssetFacts(
        "class_differences",
        Stage.CLASSIFY,
        Role.APPLY,
        CLASS_DIFFERENCES,
        released=("class_differences",),
        awaited=False,
        page="differences",
    ),
    # A release waits for none of these. What people were asked and who answered stays out of it.
    AssetFacts("tile_vae", Stage.LABELLING, Role.FIT, kinds=("pytorch",), job="label", exists=_has_vae),
    AssetFacts(
        "strategy_benchmark",
        Stage.LABELLING,
        Role.FIT,
        labelling_tables.STRATEGY_BENCHMARK,
        beside=(labelling_tables.STRATEGY_CURVES,),
        job="label",
        released=("strategy_benchmark", "strategy_curves"),
        awaited=False,
        exists=_is_labelled,
    ),
    AssetFacts(
        "query_suggestions",
        Stage.LABELLING,
        Role.ASK,
        labelling_tables.QUERY_SUGGESTIONS,
        by_round=True,
        fitted_on="encoder",
        exists=_is_labelled,
    ),
    AssetFacts(
        "annotations",
        Stage.LABELLING,
        Role.READ,
        labelling_tables.ANNOTATIONS,
        by_round=True,
        exists=_is_labelled,
    ),
    AssetFacts(
        "label_decisions",
        Stage.LABELLING,
        Role.READ,
        labelling_tables.LABEL_DECISIONS,
        beside=(labelling_tables.LABEL_AGREEMENT, labelling_tables.ANNOTATOR_AGREEMENT),
        released=("label_decisions", "label_agreement"),
        awaited=False,
        exists=_is_labelled,
    ),
    AssetFacts(
        "label_curve",
        Stage.LABELLING,
        Role.APPLY,
        labelling_tables.LABEL_CURVE,
        released=("label_curve",),
        awaited=False,
        exists=_is_labelled,
    ),
    AssetFacts(
        "label_errors",
        Stage.LABELLING,
        Role.APPLY,
        labelling_tables.LABEL_ERRORS,
        released=("label_errors",),
        awaited=False,
        exists=_is_labelled,
    ),
    AssetFacts("drift", Stage.MODELS, Role.ADVISE, DRIFT, released=("drift",)),
    AssetFacts("promotions", Stage.MODELS, Role.DECIDE, PROMOTIONS, released=("promotions",)),
    AssetFacts("warehouse", Stage.PUBLISH, Role.PUBLISH, kinds=("duckdb",)),
    AssetFacts("report", Stage.PUBLISH, Role.REPORT, kinds=("html",)),
    site_facts(Stage.PUBLISH),
)

EM = register(
    Chain(
        name="em",
        dataset_type=EmDataset,
        part="brain_region",
        assets=ASSETS,
        jobs={
            "ingest": "Read the tables of {title}, register its regions, and examine the coordinates. Run this first.",
            "apply": "Everything that is applied to one brain region of {title}, with the models in use.",
            "fit": "Fit the models of {title} again. On unchanged content nothing happens; otherwise there are candidates, which "
            "'promotions' decides on.",
            "label": "What chooses the next synapses to label of {title}: which query strategy is best, and the network that two-stream "
            "suggestion needs.",
        },
        lineage="synapse_assets.defs.em:LINEAGE",
        pages={
            "map": "Map",
            "search": "Search",
            "gallery": "Gallery",
            "clusters": "Clusters",
            "classes": "Classes",
            "neurons": "Neurons",
            "classifiers": "Classifiers",
            "explanations": "Explanations",
            "differences": "Differences",
            "scorecard": "Scorecard",
        },
    )
)
