"""The chain of synapses without images: the facts of its assets, and nothing else."""

from enum import StrEnum

from synapse_assets.datasets.chain import AssetFacts, Chain, Role, register
from synapse_assets.datasets.morphology import MorphologyDataset
from synapse_assets.datasets.publishing import site_facts
from synapse_assets.schema import morphology


class Stage(StrEnum):
    """The groups of the lineage, in their order."""

    SYNAPSES = "2_synapses"
    FEATURES = "3_features"
    CLUSTERS = "4_clusters"
    CLASSIFY = "5_classify"
    PUBLISH = "6_publish"


def _has_recipes(dataset: MorphologyDataset) -> bool:
    return bool(dataset.recipes)


def _has_comparison(dataset: MorphologyDataset) -> bool:
    return bool(dataset.recipes or dataset.published_labels)


ASSETS = (
    AssetFacts(
        "synapses",
        Stage.SYNAPSES,
        Role.READ,
        morphology.SYNAPSES,
        beside=(morphology.WORKBOOKS,),
        job="ingest",
        released=("synapses", "workbooks"),
    ),
    AssetFacts("feature_model", Stage.FEATURES, Role.FIT, kinds=("numpy",), job="ingest"),
    AssetFacts("features", Stage.FEATURES, Role.APPLY, morphology.FEATURES, job="ingest", released=("features",)),
    AssetFacts(
        "projection",
        Stage.CLUSTERS,
        Role.FIT,
        morphology.PROJECTION,
        by_part=True,
        job="groups",
        released=("projection",),
        page="map",
    ),
    AssetFacts(
        "parameter_sweep",
        Stage.CLUSTERS,
        Role.APPLY,
        morphology.PARAMETER_SWEEP,
        by_part=True,
        job="groups",
        released=("parameter_sweep",),
    ),
    AssetFacts(
        "clusters",
        Stage.CLUSTERS,
        Role.FIT,
        morphology.CLUSTERS,
        by_part=True,
        job="groups",
        released=("clusters",),
        page="clusters",
    ),
    AssetFacts(
        "cluster_stability",
        Stage.CLUSTERS,
        Role.APPLY,
        morphology.CLUSTER_STABILITY,
        beside=(morphology.CLUSTER_PROFILES,),
        by_part=True,
        job="groups",
        released=("cluster_profiles", "cluster_stability"),
        page="clusters",
    ),
    AssetFacts(
        "recipe_clusters",
        Stage.CLUSTERS,
        Role.FIT,
        morphology.RECIPE_CLUSTERS,
        by_part=True,
        job="groups",
        released=("recipe_clusters",),
        awaited=False,
        page="clusters",
        exists=_has_recipes,
    ),
    AssetFacts(
        "recipe_comparison",
        Stage.CLUSTERS,
        Role.APPLY,
        morphology.RECIPE_COMPARISON,
        beside=(morphology.RECIPE_AGREEMENT, morphology.RECURRING_GROUPS, morphology.RECIPE_SUMMARY),
        by_part=True,
        job="groups",
        released=("recipe_comparison", "recipe_agreement", "recurring_groups", "recipe_summary"),
        awaited=False,
        page="clusters",
        exists=_has_comparison,
    ),
    AssetFacts(
        "cluster_classifier",
        Stage.CLASSIFY,
        Role.FIT,
        morphology.CLASSIFIER_SCORES,
        kinds=("scikitlearn", "xgboost"),
        by_part=True,
        job="groups",
        released=("classifier_scores",),
    ),
    AssetFacts(
        "predictions",
        Stage.CLASSIFY,
        Role.APPLY,
        morphology.PREDICTIONS,
        by_part=True,
        job="groups",
        released=("predictions",),
        page="map",
    ),
    AssetFacts("warehouse", Stage.PUBLISH, Role.PUBLISH, kinds=("duckdb",)),
    AssetFacts("report", Stage.PUBLISH, Role.REPORT, kinds=("html",)),
    site_facts(Stage.PUBLISH),
)

MORPHOLOGY = register(
    Chain(
        name="morphology",
        dataset_type=MorphologyDataset,
        part="investigation_group",
        assets=ASSETS,
        jobs={
            "ingest": "Read the workbooks of {title} and compute the features. Run this first.",
            "groups": "Maps, clusters, stability, classifiers and predictions of one investigation group of {title}.",
        },
        lineage="synapse_assets.defs.morphology:LINEAGE",
        pages={"map": "Map", "gallery": "Gallery", "clusters": "Clusters"},
        page_by_part=True,
    )
)
