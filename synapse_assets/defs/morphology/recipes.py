"""Other ways to cluster an investigation group, and all of them side by side: `recipe_clusters`, `recipe_comparison`."""

import dagster as dg

from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import CheckSpec, asset, materialized
from synapse_assets.defs.morphology.content import FITTED_FEATURES
from synapse_assets.defs.resources import Installation
from synapse_assets.pipeline.morphology import recipes as steps


def recipe_assets(dataset: MorphologyDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset; none without recipes and published labels."""
    recipes = [_recipe_clusters(dataset)] if dataset.recipes else []
    return [*recipes, _recipe_comparison(dataset)] if dataset.recipes or dataset.published_labels else []


def _recipe_clusters(dataset: MorphologyDataset) -> dg.AssetsDefinition:
    conditions = {name: group.conditions for name, group in dataset.groups.items()}
    recipes = {name: hashed_fields(recipe) for name, recipe in dataset.recipes.items()}
    settings = [
        [name, group, str(dataset.setting_of(name, group))] for name in dataset.recipes for group in dataset.groups
    ]

    @asset(
        dataset,
        "recipe_clusters",
        [recipes, settings, conditions, dataset.seed, bool(dataset.published_labels)],
        deps=[FITTED_FEATURES, "feature_model"],
        pool="fit",
    )
    def recipe_clusters(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The clusters of one investigation group by every recipe under `recipes` in the dataset's YAML. A row is a synapse by a recipe.

        Each recipe has features of its own, and clusters of one map, as a study publishes them, or a consensus. The recipe of
        `clusters` is not among them. Only `recipe_comparison` reads this; nothing is predicted from it.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.fit_recipes(store, dataset, context.partition_key, context.log))

    return recipe_clusters


def _recipe_comparison(dataset: MorphologyDataset) -> dg.AssetsDefinition:
    @asset(
        dataset,
        "recipe_comparison",
        deps=[
            *(FITTED_FEATURES, "clusters", "cluster_stability"),
            *(["recipe_clusters"] if dataset.recipes else []),
            *(["published_labels"] if dataset.published_labels else []),
        ],
        checks=[
            CheckSpec(
                "groups_whatever_the_choices",
                "Some group of synapses, not one neuron's, is found by every recipe.",
            ),
            CheckSpec(
                "published_labels_match",
                "Every published label is of a synapse of its group, and every such synapse has one.",
            ),
        ],
    )
    def recipe_comparison(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """Every recipe of one investigation group side by side, that of `clusters` among them as `ours`. A row is one recipe.

        Start with `what_to_believe`: which groups of synapses appear whatever the choices, which one choice makes, and which are one
        neuron's. The warehouse also has `recipe_agreement` (pairs of recipes), `recurring_groups` and `recipe_summary`.
        """
        store = installation.store(dataset.name)
        return materialized(context, steps.compare_recipes(store, dataset, context.partition_key))

    return recipe_comparison
