"""The chain of pictures of stained neurons: the facts of its assets, and nothing else.

A window of a picture is to the stages of vectors, maps and clusters what the tile of a synapse is: `synapse_id` is the window,
`brain_region` its plate.
"""

from enum import StrEnum

from synapse_assets.datasets.chain import AssetFacts, Chain, Role, register
from synapse_assets.datasets.publishing import site_facts
from synapse_assets.datasets.staining import StainingDataset
from synapse_assets.datasets.vector_stages import embedding_facts, map_facts
from synapse_assets.schema import (
    EXPLANATION_CHECKS,
    PROMOTIONS,
    SYNAPSE_LABELS,
    SYNAPSES,
    TILES,
    staining,
)


class Stage(StrEnum):
    """The groups of the lineage, in their order."""

    IMAGES = "2_images"
    EMBEDDINGS = "3_embeddings"
    MAPS = "4_maps"
    CLASSIFY = "5_classify"
    EXPLAIN = "6_explain"
    MODELS = "7_models"
    PUBLISH = "8_publish"


def _has_networks(dataset: StainingDataset) -> bool:
    return bool(dataset.networks)


def _names_compounds(dataset: StainingDataset) -> bool:
    return dataset.names_compounds


ASSETS = (
    AssetFacts(
        "image_table",
        Stage.IMAGES,
        Role.READ,
        staining.IMAGE_TABLE,
        beside=(staining.PLATES,),
        job="ingest",
        released=("plates",),
        awaited=False,
    ),
    AssetFacts(
        "images",
        Stage.IMAGES,
        Role.APPLY,
        staining.IMAGES,
        by_part=True,
        job="apply",
        released=("images",),
        page="pictures",
    ),
    AssetFacts(
        "windows",
        Stage.IMAGES,
        Role.APPLY,
        TILES,
        beside=(SYNAPSES, SYNAPSE_LABELS),
        kinds=("lancedb",),
        by_part=True,
        job="apply",
        released=("synapses", "synapse_labels", "tiles"),
        points=("valid_fraction",),
        page="gallery",
    ),
    *embedding_facts(Stage.EMBEDDINGS),
    *map_facts(Stage.MAPS),
    AssetFacts(
        "image_splits",
        Stage.CLASSIFY,
        Role.FIT,
        staining.IMAGE_SPLITS,
        job="fit",
        released=("image_splits",),
    ),
    # The texture probe and all named networks are one model: which there are, and how they compare, belongs together.
    AssetFacts("stain_network", Stage.CLASSIFY, Role.MODEL, kinds=("pytorch",), job="fit", fitted_on="encoder"),
    # A release does not wait for these: training takes long. Each row names its version.
    AssetFacts(
        "stain_scores",
        Stage.CLASSIFY,
        Role.APPLY,
        staining.STAIN_SCORES,
        beside=(staining.STAIN_THRESHOLDS,),
        released=("stain_scores", "stain_thresholds"),
        awaited=False,
        page="stain_scores",
    ),
    AssetFacts(
        "window_maps",
        Stage.CLASSIFY,
        Role.APPLY,
        staining.WINDOW_MAPS,
        kinds=("pytorch", "parquet"),
        by_part=True,
        job="apply",
        released=("window_maps",),
        awaited=False,
        exists=_has_networks,
    ),
    AssetFacts(
        "image_predictions",
        Stage.CLASSIFY,
        Role.APPLY,
        staining.IMAGE_PREDICTIONS,
        by_part=True,
        job="apply",
        released=("image_predictions",),
        awaited=False,
        released_again=True,
        page="pictures",
    ),
    AssetFacts(
        "compounds",
        Stage.CLASSIFY,
        Role.APPLY,
        staining.COMPOUNDS,
        beside=(staining.COMPOUND_WELLS,),
        released=("compounds", "compound_wells"),
        awaited=False,
        released_again=True,
        page="compounds",
        exists=_names_compounds,
    ),
    AssetFacts(
        "explanation_checks",
        Stage.EXPLAIN,
        Role.APPLY,
        EXPLANATION_CHECKS,
        kinds=("pytorch", "parquet"),
        released=("explanation_checks",),
        awaited=False,
        exists=_has_networks,
    ),
    AssetFacts(
        "explanations",
        Stage.EXPLAIN,
        Role.APPLY,
        staining.STAIN_EXPLANATIONS,
        kinds=("pytorch", "parquet"),
        by_part=True,
        released=("explanations",),
        awaited=False,
        released_again=True,
        page="pictures",
        exists=_has_networks,
    ),
    AssetFacts("promotions", Stage.MODELS, Role.DECIDE, PROMOTIONS, released=("promotions",)),
    AssetFacts("warehouse", Stage.PUBLISH, Role.PUBLISH, kinds=("duckdb",)),
    AssetFacts("report", Stage.PUBLISH, Role.REPORT, kinds=("html",)),
    site_facts(Stage.PUBLISH),
)

STAINING = register(
    Chain(
        name="staining",
        dataset_type=StainingDataset,
        part="plate",
        assets=ASSETS,
        jobs={
            "ingest": "List the pictures of {title} and register its plates. Run this first.",
            "apply": "Everything that is applied to one plate of {title}, with the models in use.",
            "fit": "Fit the models of {title} again. On unchanged content nothing happens; otherwise there are candidates, which "
            "'promotions' decides on.",
        },
        lineage="synapse_assets.defs.staining:LINEAGE",
        pages={
            "pictures": "Pictures",
            "stain_scores": "Scores",
            "compounds": "Compounds",
            "map": "Map",
            "search": "Search",
            "gallery": "Gallery",
            "clusters": "Clusters",
        },
        own_pages="synapse_assets.explorer.staining:add_pages",
        words={
            "a tile, a vector, a place on the map, a cluster and a prediction": "a vector, a place on the map and a cluster",
            "brain region": "plate",
            "region": "plate",
            "synapse": "window",
            "tile": "window",
        },
    )
)
