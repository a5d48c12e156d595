"""Recipes side by side: the clusters of a group by every recipe of the dataset's YAML, and what they have in common.

The methods belong to `analysis.clustering` and `analysis.morphology.recipe_comparison`.
"""

from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.morphology import OWN_RECIPE
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.morphology.figures import save_picture
from synapse_assets.pipeline.morphology.group import Group, fitted_synapses, recipe_model
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch, markdown_table, progress_logger
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.clustering.recipes import RecipeClusters
    from synapse_assets.analysis.morphology.recipe_comparison import ComparedRecipe, Comparison


def fit_recipes(store: DatasetStore, dataset: MorphologyDataset, group_name: str, log: Logger) -> Report:
    """Clusters a group by every recipe of the dataset's YAML; a refit is in use at once.

    Raises BadInput where the features are of other synapses than there are, and where a recipe's features cannot be computed.
    """
    from synapse_assets.analysis.morphology.recipe_comparison import recipe_cluster_rows

    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    features = {name: _features(group, name) for name in dataset.recipes}
    for name in dataset.recipes:
        _fit_recipe(group, name, features[name], log)
    parts, lines = [], []
    for name, version in group.recipe_versions.items():
        fitted = _fitted(group, name)
        parts.append(recipe_cluster_rows(features[name], fitted, group.name, name, version))
        if isinstance(fitted, NoModel):
            lines.append([name, "", "", fitted.reason])
        else:
            verdict = fitted.verdict or "not judged"
            lines.append([name, f"{fitted.clusters}", f"{fitted.noise_fraction:.0%}", f"{verdict}: {fitted.sentence}"])
    table = morphology.RECIPE_CLUSTERS.conform(pa.concat_tables(parts))
    group.write(morphology.RECIPE_CLUSTERS, table)
    return Report(
        details={"recipes": Markdown(markdown_table(["recipe", "clusters", "in none", "verdict"], lines))},
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table),
    )


def _features(group: Group, name: str) -> pa.Table:
    """The features of a group by that recipe."""
    from synapse_assets.analysis.morphology.recipe_comparison import recipe_features

    fitted_on = fitted_synapses(group.store.results(morphology.SYNAPSES).read())
    try:
        return recipe_features(fitted_on, group.rows.synapses, group.dataset.recipes[name].features)
    except BadInput as error:
        raise BadInput(f"recipes.{name} of {group.dataset.name}: {error}") from error


def _fit_recipe(group: Group, name: str, features: pa.Table, log: Logger) -> None:
    from synapse_assets.analysis.clustering.recipes import SEEDS, fit_recipe, maps_of
    from synapse_assets.analysis.morphology.tables import scaled_matrix

    dataset, recipe = group.dataset, group.dataset.recipes[name]
    setting = dataset.setting_of(name, group.name)
    # Other seeds of the whole sample are compared with published labels only.
    seeds = SEEDS if dataset.published_labels else 1
    usable = features.filter(pc.is_null(features.column("left_out")))
    ids, matrix = usable.column("synapse_id").to_pylist(), scaled_matrix(usable)

    def fit(folder: Path) -> Fitted:
        progress = progress_logger(log.info, f"{group.name}: maps of the recipe {name}", maps_of(recipe, seeds))
        fitted = fit_recipe(matrix, ids, recipe, setting, dataset.seed, seeds, progress)
        fitted.save(folder)
        if isinstance(fitted, NoModel):
            return Fitted(notes=[f"no clusters: {fitted.reason}"])
        scores = {"clusters": float(fitted.clusters), "noise_fraction": fitted.noise_fraction}
        return Fitted(scores=scores | ({} if fitted.stability_ari is None else {"stability_ari": fitted.stability_ari}))

    fit_once(
        group.store,
        recipe_model(group.name, name),
        log,
        # The order too: one UMAP depends on it.
        inputs={"features": content_key(pa.table({"features": [repr(row) for row in matrix.tolist()]}), *ids)},
        parameters={
            "recipe": hashed_fields(recipe),
            "setting": None if setting is None else hashed_fields(setting),
            "seeds": seeds,
        },
        seed=dataset.seed,
        fit=fit,
    )


def _fitted(group: Group, name: str) -> "RecipeClusters | NoModel":
    from synapse_assets.analysis.clustering.recipes import RecipeClusters

    models = group.recipe_models(name)
    return load_or_no_model(models.path(str(models.current)), RecipeClusters.load)


def compare_recipes(store: DatasetStore, dataset: MorphologyDataset, group_name: str) -> Report:
    """Sets every recipe of a group side by side, the dataset's own among them: stability, what clusters are made of, agreement, and
    which groups of synapses appear whatever the choices.

    Raises BadInput where the clusters of a recipe, or their verdict, are missing or of other inputs than there are.
    """
    from synapse_assets.analysis.morphology.recipe_comparison import WHATEVER, compare

    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    if dataset.recipes:
        group.read(morphology.RECIPE_CLUSTERS)
    recipes = [_own_recipe(group), *(_named_recipe(group, name) for name in dataset.recipes)]
    published, unmatched = _published(group)
    compared = compare(group.name, recipes, published)
    for table, rows in compared.tables.items():
        group.write(table, rows)
    title = f"{dataset.title}, group {group.name}: which synapses {len(recipes)} recipes put together"
    counts = {name: compared.summary[name] for name in ("whatever_the_choices", "by_one_choice", "one_neuron")}
    kinds = [row for row in compared.group_rows if row["appears"] == WHATEVER and not row["one_neuron"]]
    return Report(
        details={
            "what_to_believe": Markdown(compared.paragraph),
            "recipes": save_picture(store, f"{group.name}_recipes", _figure(compared, title)),
            "side_by_side": Markdown(_side_by_side(compared)),
            **counts,
        },
        seconds=watch.seconds,
        rows=len(recipes),
        content_version=fingerprint({}, {table.name: content_key(rows) for table, rows in compared.tables.items()}),
        checks=[
            Check("groups_whatever_the_choices", bool(kinds), compared.paragraph, warn=True, numbers=counts),
            Check(
                "published_labels_match",
                not unmatched,
                "; ".join(unmatched)
                or ("no published labels" if published is None else "every row and synapse matches"),
                warn=True,
            ),
        ],
    )


def _published(group: Group) -> tuple[pa.Table | None, list[str]]:
    """The published labels of a group, None where the dataset has none, and what of the file does not match what is clustered."""
    from synapse_assets.analysis.morphology.tables import clustered, in_group, of_synapses
    from synapse_assets.sources.published_labels import read_published_labels

    file = group.dataset.label_file
    if file is None:
        return None, []
    synapses = group.store.results(morphology.SYNAPSES).read()
    ids = clustered(group.store.results(morphology.FEATURES).read()).column("synapse_id").to_pylist()
    rows = of_synapses(synapses, ids)
    members = {
        name: in_group(rows, of.conditions).column("synapse_id").to_pylist()
        for name, of in group.dataset.groups.items()
    }
    labels, unmatched = read_published_labels(file, synapses, members, group.store.raw)
    return labels.filter(pc.equal(labels.column("investigation_group"), group.name)), unmatched.notes()


def _named_recipe(group: Group, name: str) -> "ComparedRecipe":
    from synapse_assets.analysis.morphology.recipe_comparison import ComparedRecipe, choices_of

    recipe = group.dataset.recipes[name]
    return ComparedRecipe(
        name, _features(group, name), choices_of(recipe), _fitted(group, name), group.recipe_versions[name]
    )


def _own_recipe(group: Group) -> "ComparedRecipe":
    """The recipe of `clusters`, with the verdict that `cluster_stability` gave."""
    from synapse_assets.analysis.clustering.recipes import RecipeClusters, run_labels
    from synapse_assets.analysis.morphology.recipe_comparison import ComparedRecipe, choices_of

    maps, consensus, stability = group.maps, group.consensus, group.stability
    fitted: RecipeClusters | NoModel
    if isinstance(maps, NoModel):
        fitted = maps
    elif isinstance(consensus, NoModel):
        fitted = consensus
    else:
        measured = (
            "verdict",
            "sentence",
            "stability_ari",
            "stability_ari_low",
            "stability_ari_high",
            "null_ari",
            "null_p",
        )
        fitted = RecipeClusters(
            ids=consensus.ids,
            labels=consensus.labels,
            membership_probability=consensus.membership_probability,
            map=np.zeros((len(consensus.ids), 0), dtype=np.float32),
            refits=run_labels(maps, consensus),
            min_cluster_size=consensus.setting.min_cluster_size,
            min_samples=consensus.setting.min_samples,
            **{name: stability[name] for name in measured},
        )
    choices = choices_of(group.dataset.own_recipe)
    return ComparedRecipe(OWN_RECIPE, group.rows.used_for("fit"), choices, fitted, group.clusters_version)


def _side_by_side(compared: "Comparison") -> str:
    """The recipes as a table of a report."""

    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    lines = [
        [
            row["recipe"],
            row["choices"],
            str(row["clusters"]),
            number(row["noise_fraction"], ".0%"),
            number(row["stability_ari"], ".2f"),
            number(row["null_ari"], ".2f"),
            row["verdict"] or "not judged",
            *(number(row[f"{name}_share"], ".0%") for name in ("place", "shape", "neuron")),
            number(row["published_ari"], ".2f"),
        ]
        for row in compared.rows
    ]
    head = [
        "recipe",
        "choices",
        "clusters",
        "in none",
        "stability",
        "without groups",
        "verdict",
        "place",
        "shape",
        "neuron",
        "published",
    ]
    return markdown_table(head, lines)


def _figure(compared: "Comparison", title: str) -> bytes:
    from synapse_assets.analysis.morphology.recipe_comparison import WHATEVER
    from synapse_assets.figures.recipes import RecipeRow, recipes_figure

    lines = []
    for row in compared.rows:
        label = compared.labels[row["recipe"]]
        groups = np.minimum(label, -1).astype(np.int64)
        for number, found in enumerate(compared.groups):
            if row["recipe"] in found.clusters:
                groups[label == found.clusters[row["recipe"]]] = number
        stability = "" if row["stability_ari"] is None else f", runs agree at {row['stability_ari']:.2f}"
        null = "" if row["null_ari"] is None else f" (chance {row['null_ari']:.2f})"
        facts = f"{row['clusters']} clusters{stability}{null}"
        shares = {name: row[f"{name}_share"] for name in ("place", "shape", "neuron")}
        lines.append(RecipeRow(row["recipe"], groups, row["verdict"], facts, shares))
    names, kept = [], []
    for row in compared.group_rows:
        who = "every recipe" if row["appears"] == WHATEVER else f"{row['recipes']} of {row['of_recipes']} recipes"
        neuron = f", {row['top_neuron_share']:.0%} on {row['top_neuron']}" if row["one_neuron"] else ""
        names.append(f"{row['synapses']:,} synapses, found by {who}{neuron}")
        kept.append(row["appears"] == WHATEVER)
    return recipes_figure(lines, compared.neurons, names, kept, title, compared.conclusion)
