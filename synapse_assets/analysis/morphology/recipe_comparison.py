"""Recipes side by side: what each finds in a group, what its clusters are made of, and which groups appear whatever the choices.

Belongs here: rows of `schema.morphology` about recipes, and the paragraph that says what to believe. Does not belong here: fitting a
recipe (`analysis.clustering.recipes`), matching clusters (`analysis.clustering.recurrence`), drawing (`figures`).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.clustering.agreement import ABSENT, adjusted_rand, agreement_with_published
from synapse_assets.analysis.clustering.explanations import FALSE_ALARMS, LEAST_SYNAPSES, MOST
from synapse_assets.analysis.clustering.hdbscan_model import NOISE, Labels
from synapse_assets.analysis.clustering.recipes import RecipeClusters
from synapse_assets.analysis.clustering.recurrence import RecurringGroup, recurring_groups, share_between_clusters
from synapse_assets.analysis.clustering.stability_verdict import LIKE_NOISE, STABLE
from synapse_assets.analysis.morphology.features import PLACE, fit_features
from synapse_assets.analysis.morphology.tables import unassigned_features
from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.morphology import FeatureChoice, Recipe
from synapse_assets.schema import Table, morphology

Float64 = npt.NDArray[np.float64]

WHATEVER, ONE_CHOICE, SOME, ONE_RECIPE = "whatever the choices", "by one choice", "in some recipes", "in one recipe"


def recipe_features(fitted_synapses: pa.Table, group: pa.Table, choice: FeatureChoice) -> pa.Table:
    """`schema.morphology.FEATURES` of a group as `choice` says, fitted on all `fitted_synapses` (rows of `schema.morphology.SYNAPSES`,
    in the order of the workbooks); `group` holds the rows of the group, its others are left out.

    Neuron by neuron, and within a neuron in the order of the workbook, as in the published study: one UMAP depends on it. Raises
    BadInput as `fit_features` does.
    """
    rows = fitted_synapses.filter(
        pc.is_in(fitted_synapses.column("synapse_id"), group.column("synapse_id").combine_chunks())
    )
    rows = rows.take(np.argsort(np.array(rows.column("neuron_id").to_pylist(), dtype=str), kind="stable"))
    model = fit_features(fitted_synapses, choice)
    return unassigned_features(rows, model.reason, "") if isinstance(model, NoModel) else model.apply(rows, "")


def recipe_cluster_rows(
    features: pa.Table, fitted: RecipeClusters | NoModel, group: str, recipe: str, version: str
) -> pa.Table:
    """`schema.morphology.RECIPE_CLUSTERS` of one recipe: a row for every row of `features` (`recipe_features`)."""
    row_of = {} if isinstance(fitted, NoModel) else {name: row for row, name in enumerate(fitted.ids.tolist())}
    rows = []
    for synapse_id, left_out in zip(
        *(features.column(name).to_pylist() for name in ("synapse_id", "left_out")), strict=True
    ):
        row: dict[str, Any] = {
            "investigation_group": group,
            "recipe": recipe,
            "synapse_id": synapse_id,
            "cluster": NOISE,
            "membership_probability": 0.0,
            "recipe_model": version,
        }
        if isinstance(fitted, NoModel):
            row["reason"] = left_out or fitted.reason
        elif left_out is not None:
            row["reason"] = left_out
        else:
            index = row_of[synapse_id]
            row["cluster"] = int(fitted.labels[index])
            row["membership_probability"] = float(fitted.membership_probability[index])
            row["verdict"] = fitted.verdict or None
            row["reason"] = None if row["cluster"] >= 0 else "noise: no cluster is dense enough around it"
            if fitted.map.shape[1]:
                row["map_1"], row["map_2"] = (float(value) for value in fitted.map[index])
        rows.append(row)
    return morphology.RECIPE_CLUSTERS.conform(pa.Table.from_pylist(rows, schema=morphology.RECIPE_CLUSTERS.arrow))


@dataclass(frozen=True)
class ComparedRecipe:
    """One recipe of a group, as it is compared.

    features  `schema.morphology.FEATURES` of the group by this recipe
    choices   what it does, in words, by choice: 'scaling' -> 'columns scaled by their interquartile range'
    fitted    its clusters; NoModel with the reason where there are none
    version   of what was fitted
    """

    name: str
    features: pa.Table
    choices: Mapping[str, str]
    fitted: RecipeClusters | NoModel
    version: str

    @cached_property
    def label_of(self) -> dict[str, int]:
        """The cluster by synapse; empty without clusters."""
        if isinstance(self.fitted, NoModel):
            return {}
        return dict(zip(self.fitted.ids.tolist(), self.fitted.labels.tolist(), strict=True))


def choices_of(recipe: Recipe) -> dict[str, str]:
    """What a recipe does, in words that end 'where ...', by choice."""
    features, single_map = recipe.features, recipe.single_map
    scaling = {
        "none": "columns are not scaled",
        "robust": "columns are scaled by their interquartile range",
        "standard": "columns are scaled by their standard deviation",
    }
    signs = {"away_from_soma": "axes point away from the soma", "as_traced": "axes point as traced"}
    return {
        "scaling": scaling[features.scaling],
        "axes": signs[features.axis_signs],
        "weights": f"place weighs {features.place_weight:g} and shape {features.shape_weight:g}",
        "measures": f"shape is {' and '.join(features.shape).replace('_', ' ') or 'left out'}",
        "map": (
            f"clusters are a consensus over resampled maps of {recipe.resampling.dimensions} dimensions"
            if single_map is None
            else f"clusters are read from one map of {single_map.dimensions} dimensions"
        ),
    }


@dataclass(frozen=True)
class Comparison:
    """What a group's recipes find, side by side.

    recipes       in their order
    labels        (n,) int32 by recipe: the cluster of each synapse in `ids`; -1 noise, -2 where the recipe left it out
    ids, neurons  (n,) texts, every synapse that a recipe clusters, by id
    groups        the groups of synapses behind all clusters (`recurring_groups`)
    tables        rows by table of `schema.morphology`
    conclusion    what to believe, in one sentence
    paragraph     the same with what it rests on
    """

    recipes: Sequence[ComparedRecipe]
    labels: dict[str, Labels]
    ids: list[str]
    neurons: list[str]
    groups: list[RecurringGroup]
    tables: dict[Table, pa.Table]
    conclusion: str
    paragraph: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of `schema.morphology.RECIPE_COMPARISON`."""
        rows: list[dict[str, Any]] = self.tables[morphology.RECIPE_COMPARISON].to_pylist()
        return rows

    @property
    def group_rows(self) -> list[dict[str, Any]]:
        """Rows of `schema.morphology.RECURRING_GROUPS`, in the order of `groups`."""
        rows: list[dict[str, Any]] = self.tables[morphology.RECURRING_GROUPS].to_pylist()
        return rows

    @property
    def summary(self) -> dict[str, Any]:
        """The row of `schema.morphology.RECIPE_SUMMARY`."""
        row: dict[str, Any] = self.tables[morphology.RECIPE_SUMMARY].to_pylist()[0]
        return row


def compare(group: str, recipes: Sequence[ComparedRecipe], published: pa.Table | None) -> Comparison:
    """Sets the recipes of a group side by side. published: `schema.morphology.PUBLISHED_LABELS` of the group; None without."""
    neuron_of = dict(
        pair
        for recipe in recipes
        for pair in zip(
            *(recipe.features.column(name).to_pylist() for name in ("synapse_id", "neuron_id")), strict=True
        )
    )
    ids = sorted({synapse for recipe in recipes for synapse in recipe.label_of})
    labels = {
        recipe.name: np.array([recipe.label_of.get(synapse, ABSENT) for synapse in ids], dtype=np.int32)
        for recipe in recipes
    }
    neurons = [neuron_of[synapse] for synapse in ids]
    groups = recurring_groups(labels)
    group_rows = [_group_row(group, number, found, recipes, neurons) for number, found in enumerate(groups, start=1)]
    rows = [_recipe_row(group, recipe, published) for recipe in recipes]
    agreements = [
        {
            "investigation_group": group,
            "recipe": first,
            "other_recipe": second,
            "ari": adjusted_rand(labels[first], labels[second]),
            "synapses": int(((labels[first] != ABSENT) & (labels[second] != ABSENT)).sum()),
        }
        for first, second in combinations(labels, 2)
    ]
    conclusion = _conclusion(rows, group_rows)
    paragraph = f"{_paragraph(group, rows, group_rows, len(ids), len(set(neurons)))} {conclusion}"
    summary = {
        "investigation_group": group,
        "recipes": len(recipes),
        "whatever_the_choices": sum(row["appears"] == WHATEVER for row in group_rows),
        "by_one_choice": sum(row["appears"] == ONE_CHOICE for row in group_rows),
        "one_neuron": sum(row["one_neuron"] for row in group_rows),
        "paragraph": paragraph,
    }
    rows_of = {
        morphology.RECIPE_COMPARISON: rows,
        morphology.RECIPE_AGREEMENT: agreements,
        morphology.RECURRING_GROUPS: group_rows,
        morphology.RECIPE_SUMMARY: [summary],
    }
    tables = {table: table.conform(pa.Table.from_pylist(part, schema=table.arrow)) for table, part in rows_of.items()}
    return Comparison(recipes, labels, ids, neurons, groups, tables, conclusion, paragraph)


def _recipe_row(group: str, recipe: ComparedRecipe, published: pa.Table | None) -> dict[str, Any]:
    fitted = recipe.fitted
    row: dict[str, Any] = {
        "investigation_group": group,
        "recipe": recipe.name,
        "choices": "; ".join(recipe.choices.values()),
        "synapses": len(recipe.label_of),
        "clusters": 0,
        "one_neuron_clusters": 0,
        "recipe_model": recipe.version,
    }
    if isinstance(fitted, NoModel):
        return {**row, "verdict": LIKE_NOISE, "sentence": f"There are no clusters: {fitted.reason}."}
    copied = (
        "min_cluster_size",
        "min_samples",
        "stability_ari",
        "stability_ari_low",
        "stability_ari_high",
        "null_ari",
        "null_p",
    )
    features = recipe.features.filter(pc.is_in(recipe.features.column("synapse_id"), pa.array(fitted.ids.tolist())))
    label = np.array(
        [recipe.label_of[synapse] for synapse in features.column("synapse_id").to_pylist()], dtype=np.int32
    )
    neurons = np.array(features.column("neuron_id").to_pylist(), dtype=str)
    return {
        **row,
        **{name: getattr(fitted, name) for name in copied},
        "clusters": fitted.clusters,
        "noise_fraction": fitted.noise_fraction,
        "verdict": fitted.verdict or None,
        "sentence": fitted.sentence,
        "place_share": share_between_clusters(label, _columns(features, PLACE)),
        "shape_share": share_between_clusters(
            label, _standardised(_columns(features, ("synapse_area", "bouton_area")))
        ),
        "neuron_share": share_between_clusters(label, (neurons[:, None] == np.unique(neurons)).astype(np.float64)),
        "one_neuron_clusters": sum(
            _of_one_neuron(neurons[label == number], neurons)[2] for number in range(fitted.clusters)
        ),
        **_agreement_with_published(fitted, published),
    }


def _agreement_with_published(fitted: RecipeClusters, published: pa.Table | None) -> dict[str, Any]:
    """Adjusted Rand index to published labels, of the clusters and the lowest and highest over refits."""
    if published is None:
        return {}
    ids = fitted.ids.tolist()
    own, count = agreement_with_published(published, ids, fitted.labels)
    if own is None:
        return {"published_synapses": count}
    refits = [agreement_with_published(published, ids, refit)[0] for refit in fitted.refits]
    values = [own, *(value for value in refits if value is not None)]
    return {
        "published_ari": own,
        "published_ari_low": min(values),
        "published_ari_high": max(values),
        "published_synapses": count,
    }


def _group_row(
    group: str, number: int, found: RecurringGroup, recipes: Sequence[ComparedRecipe], neurons: Sequence[str]
) -> dict[str, Any]:
    all_neurons = np.array(neurons, dtype=str)
    top_neuron, share, one_neuron = _of_one_neuron(all_neurons[found.members], all_neurons)
    appears, choice = _appears(set(found.clusters), {recipe.name: recipe.choices for recipe in recipes})
    return {
        "investigation_group": group,
        "number": number,
        "synapses": int(found.members.sum()),
        "recipes": len(found.clusters),
        "of_recipes": len(recipes),
        "clusters": json.dumps(found.clusters),
        "overlap": found.overlap,
        "appears": appears,
        "choice": choice,
        "top_neuron": top_neuron,
        "top_neuron_share": share,
        "one_neuron": one_neuron,
    }


def _appears(finders: set[str], choices: Mapping[str, Mapping[str, str]]) -> tuple[str, str | None]:
    """Whether all recipes find a group, one, or exactly those that share one choice, and that choice in words."""
    if len(finders) == 1:
        return ONE_RECIPE, None
    if finders == set(choices):
        return WHATEVER, None
    shared = [
        value
        for name in next(iter(choices.values()))
        for value in dict.fromkeys(of[name] for of in choices.values())
        if finders == {recipe for recipe, of in choices.items() if of[name] == value}
    ]
    return (ONE_CHOICE, " and ".join(shared)) if shared else (SOME, None)


def _of_one_neuron(inside: npt.NDArray[np.str_], all_neurons: npt.NDArray[np.str_]) -> tuple[str, float, bool]:
    """The neuron with most of these synapses (m,), its share, and whether they are that neuron's: it has more than half of them, at
    least five, and so many that a draw from all synapses would have them in fewer than 1 of 100 cases (hypergeometric)."""
    from scipy.stats import hypergeom

    if not len(inside):
        return "", 0.0, False
    neuron, count = Counter(inside.tolist()).most_common(1)[0]
    in_all = int((all_neurons == neuron).sum())
    by_chance = hypergeom.sf(count - 1, len(all_neurons), in_all, len(inside))
    of_one = count >= LEAST_SYNAPSES and count > MOST * len(inside) and by_chance < FALSE_ALARMS
    return neuron, count / len(inside), bool(of_one)


def _columns(features: pa.Table, names: Sequence[str]) -> Float64:
    return np.column_stack([features.column(name).to_numpy(zero_copy_only=False) for name in names]).astype(np.float64)


def _standardised(values: Float64) -> Float64:
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _paragraph(
    group: str, rows: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], synapses: int, neurons: int
) -> str:
    """What was found, and what it is made of, for a reader who does not know the methods."""
    counts = [row["clusters"] for row in rows]
    found = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    about = f"Group {group}, {synapses:,} synapses of {_counted(neurons, 'neuron')}"
    if len(rows) == 1:
        [row] = rows
        only = f"{about}: one recipe was run, and finds {found} clusters."
        verdict = [f"Verdict: {row['verdict']}."] if row["verdict"] else []
        return " ".join([only, *_made_of(rows), *verdict, *_published_sentence(rows)])
    sentences = [f"{about}: {len(rows)} recipes find {found} clusters each."]
    everywhere = [row for row in groups if row["appears"] == WHATEVER]
    if everywhere:
        sentences.append(
            f"{_counted(len(everywhere), 'group')} of synapses {_verb(everywhere, 'appears', 'appear')} whatever the choices: "
            f"{_listed(everywhere, synapses)}."
        )
    else:
        sentences.append("No group of synapses appears whatever the choices.")
    by_choice: dict[str, list[Mapping[str, Any]]] = {}
    alone: Counter[str] = Counter()
    for row in groups:
        if row["appears"] == ONE_CHOICE:
            by_choice.setdefault(row["choice"], []).append(row)
        elif row["appears"] == ONE_RECIPE:
            alone.update(json.loads(row["clusters"]).keys())
    for choice, made in by_choice.items():
        names = _joined([f"`{name}`" for name in json.loads(made[0]["clusters"])])
        sentences.append(
            f"One choice makes {_counted(len(made), 'group')}, which {_verb(made, 'appears', 'appear')} only where {choice} ({names}): "
            f"{_listed(made, synapses)}."
        )
    some = [row for row in groups if row["appears"] == SOME]
    if some:
        sentences.append(
            f"{_counted(len(some), 'group')} {_verb(some, 'appears', 'appear')} in several recipes, but not by one choice: "
            f"{_listed(some, synapses)}."
        )
    if alone:
        parts = [f"{_counted(count, 'group')} in `{name}`" for name, count in sorted(alone.items())]
        sentences.append(f"Found by one recipe alone: {_joined(parts)}.")
    sentences += _made_of(rows)
    judged = [row for row in rows if row["verdict"]]
    if judged:
        sentences.append("Verdicts: " + "; ".join(f"`{row['recipe']}` {row['verdict']}" for row in judged) + ".")
    sentences += _published_sentence(rows)
    return " ".join(sentences)


def _made_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which of place, shape and neuron the clusters of each recipe differ in most."""
    by_measure: dict[str, list[str]] = {}
    for row in rows:
        if (most := _most_set_apart(row)) is not None:
            by_measure.setdefault(most, []).append(f"`{row['recipe']}` ({row[f'{most}_share']:.0%})")
    words = {"place": "place", "shape": "shape", "neuron": "the neuron they are on"}
    parts = [f"{words[name]} in {_joined(recipes)}" for name, recipes in by_measure.items()]
    return [f"What sets clusters apart most (share of its variance between them): {'; '.join(parts)}."] if parts else []


def _published_sentence(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    parts = [
        f"`{row['recipe']}` {row['published_ari']:.2f} ({row['published_ari_low']:.2f} to {row['published_ari_high']:.2f} over seeds)"
        for row in rows
        if row.get("published_ari") is not None
    ]
    return (
        [f"Agreement with the published labels (adjusted Rand index; 1 the same, 0 chance): {'; '.join(parts)}."]
        if parts
        else []
    )


def _conclusion(rows: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> str:
    """The sentence that says what may be read into a group's clusters."""
    everywhere = [row for row in groups if row["appears"] == WHATEVER]
    kinds = [row for row in everywhere if not row["one_neuron"]]
    judged = [row for row in rows if row["verdict"]]
    if len(rows) == 1:
        return "What other choices would find is not known."
    if not kinds and (by_choice := _stable_by_choice(rows, groups)):
        return by_choice
    if everywhere and not kinds:
        return "What comes back is single neurons, not kinds of synapses: do not read more into it."
    if not kinds:
        return "So which synapses belong together depends on how they are compared: do not read these clusters as kinds of synapses."
    if all(row["verdict"] == LIKE_NOISE for row in judged):
        return (
            "That comes back, and yet features without groups give clusters about as stable: take it as a tendency that more "
            "synapses have to confirm."
        )
    if any(row["verdict"] == STABLE for row in judged):
        return f"{'That group' if len(kinds) == 1 else 'Those groups'} may be read as kinds of synapses, within these neurons."
    return "That comes back, but its borders do not: the middle of a group may be trusted, a single synapse at its edge may not."


def _stable_by_choice(rows: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> str:
    """What may be read into groups that one choice makes, where the verdict on a recipe that finds them is stable; empty if none is."""
    for group in groups:
        if group["appears"] != ONE_CHOICE or group["one_neuron"]:
            continue
        for row in rows:
            measure = _most_set_apart(row)
            if (
                row["recipe"] in json.loads(group["clusters"])
                and row["verdict"] == STABLE
                and measure not in (None, "neuron")
            ):
                return (
                    f"No group survives every choice. But where {group['choice']}, clusters are stable, and {measure} sets them "
                    f"apart: they may be read as kinds by {measure}, and as nothing more."
                )
    return ""


def _most_set_apart(row: Mapping[str, Any]) -> str | None:
    """Which of place, shape and neuron the clusters of a recipe differ in most; None without two clusters."""
    shares = {name: row.get(f"{name}_share") for name in ("place", "shape", "neuron")}
    known = {name: share for name, share in shares.items() if share is not None}
    return max(known, key=lambda name: known[name]) if known else None


def _listed(rows: Sequence[Mapping[str, Any]], synapses: int) -> str:
    parts = []
    for row in rows:
        text = f"{row['synapses']:,} synapses ({row['synapses'] / max(1, synapses):.0%})"
        if row["one_neuron"]:
            text += f", {row['top_neuron_share']:.0%} of them of the one neuron {row['top_neuron']}"
        parts.append(text)
    return "; ".join(parts)


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _verb(rows: Sequence[Any], singular: str, plural: str) -> str:
    return singular if len(rows) == 1 else plural
