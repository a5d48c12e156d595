"""The facts of the stages that every chain of images has: vectors of its tiles, and their map and clusters."""

from synapse_assets.datasets.chain import AssetFacts, Role
from synapse_assets.schema import CLUSTER_CARDS, CLUSTERS, UMAP_COORDINATES, embedding_table


def embedding_facts(stage: str) -> tuple[AssetFacts, ...]:
    """From tiles to vectors and their index, as assets of that stage."""
    return (
        AssetFacts("encoder", stage, Role.MODEL, kinds=("pytorch",), job="fit"),
        AssetFacts(
            "embeddings",
            stage,
            Role.APPLY,
            embedding_table(None),
            kinds=("pytorch", "lancedb"),
            by_part=True,
            job="apply",
            released=("embeddings",),
        ),
        AssetFacts("vector_index", stage, Role.APPLY, kinds=("lancedb",), page="search"),
    )


def map_facts(stage: str) -> tuple[AssetFacts, ...]:
    """From vectors to a map, clusters and their cards, as assets of that stage."""
    return (
        AssetFacts("umap_model", stage, Role.MODEL, kinds=("python",), job="fit", fitted_on="encoder"),
        AssetFacts(
            "umap_coordinates",
            stage,
            Role.APPLY,
            UMAP_COORDINATES,
            by_part=True,
            job="apply",
            applied=("umap_model", "umap_model"),
            released=("umap_coordinates",),
            points=("umap_1 as map_1", "umap_2 as map_2"),
            page="map",
        ),
        AssetFacts("cluster_model", stage, Role.MODEL, kinds=("scikitlearn",), job="fit", fitted_on="umap_model"),
        AssetFacts(
            "clusters",
            stage,
            Role.APPLY,
            CLUSTERS,
            by_part=True,
            job="apply",
            applied=("cluster_model", "cluster_model"),
            released=("clusters",),
            points=("cluster",),
            page="clusters",
        ),
        AssetFacts("cluster_cards", stage, Role.APPLY, CLUSTER_CARDS, released=("cluster_cards",), page="clusters"),
    )
