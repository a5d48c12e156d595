"""What a reader has to know of a group's classifiers before using their predictions, on one page.

Belongs here: the text and tables of the card. Does not belong here: computing any of its figures (`evaluation`,
stability of the clustering).
"""

from collections.abc import Mapping, Sequence

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import Score
from synapse_assets.analysis.morphology.classifiers import CLASSIFIERS, OUTLIERS, ClusterClassifiers
from synapse_assets.analysis.morphology.evaluation import FEATURES, LEAVE_ONE_NEURON_OUT, MAP, RANDOM_80_20
from synapse_assets.artifacts import NoModel

_NAMES = {"k_nearest_neighbours": "k nearest neighbours", "random_forest": "random forest", "xgboost": "XGBoost"}
_SETTINGS = {
    "n_neighbors": "neighbours",
    "min_samples_leaf": "fewest synapses in a leaf",
    "max_depth": "depth of a tree",
    "nu": "nu",
    "gamma": "gamma",
}


def model_card(
    group: str,
    fitted: ClusterClassifiers | NoModel,
    evaluation: Evaluation,
    stability: str,
    published: Mapping[str, float] | None = None,
    source: str = "",
) -> str:
    """The model card of an investigation group, as Markdown.

    stability  the verdict on the clustering with its reasons, in words (`sentence` of CLUSTER_STABILITY)
    published  accuracy by classifier that a publication reports for its random split of map coordinates; `source` names
               the publication
    """
    parts = [f"# Classifiers of group {group}", f"**How far the clusters can be trusted:** {stability}"]
    if isinstance(fitted, NoModel):
        parts += [
            f"No classifier was fitted: {fitted.reason}.",
            *_data_section(evaluation),
            *_limits_section([*evaluation.warnings]),
        ]
        return "\n\n".join(parts) + "\n"
    parts += [
        "## What they do",
        f"Each classifier names one of the clusters {_join_with_and(fitted.clusters)} for a synapse that was not clustered, from "
        f"the same {fitted.width} features that the clusters were found in. A one-class SVM rejects synapses that are like "
        "none of the fitted ones; they get -1.",
        "The labels are clusters of these features, not an independent observation. A good score says that the grouping "
        "carries over to synapses of a neuron never seen; it does not say that the groups are biology.",
        *_data_section(evaluation),
        *_performance_section(evaluation, published or {}, source),
        *_settings_section(fitted),
        *_limits_section([*evaluation.warnings, *fitted.warnings, *evaluation.notes]),
    ]
    return "\n\n".join(parts) + "\n"


def name_of_test(score: Score) -> str:
    """A classifier and the way it was tested, in the words of the card."""
    return f"{_NAMES[score.classifier]}: {_SPLITS[score.split].lower()}, {score.inputs}"


def _data_section(evaluation: Evaluation) -> list[str]:
    if not evaluation.classes:
        return ["## Data", f"No clustered synapses; {evaluation.noise} in no cluster."]
    neurons = ", ".join(f"{name} ({count})" for name, count in evaluation.neurons.items())
    sizes = list(zip(evaluation.classes, evaluation.sizes, strict=True))
    total = sum(evaluation.sizes)
    return [
        "## Data",
        f"{total} clustered synapses on {len(evaluation.neurons)} neurons: {neurons}. {evaluation.noise} more are in no "
        "cluster and are neither trained on nor tested.",
        _markdown_table(("Cluster", "Synapses", "Share"), [(name, str(n), f"{n / total:.0%}") for name, n in sizes]),
    ]


def _performance_section(evaluation: Evaluation, published: Mapping[str, float], source: str) -> list[str]:
    heading = "## How well they do"
    if not evaluation.scores:
        return [heading, "They could not be tested; see the limits below."]
    tests = [(MAP, RANDOM_80_20), (FEATURES, RANDOM_80_20), (FEATURES, LEAVE_ONE_NEURON_OUT)]
    accuracy = [
        (
            _NAMES[name],
            f"{published[name]:.3f}" if name in published else "-",
            *(_accuracy_cell(evaluation.score(name, inputs, split)) for inputs, split in tests),
        )
        for name in CLASSIFIERS
    ]
    titles = ("Classifier", "Published", "Random, map", "Random, features", "One neuron left out, features")
    details = []
    for inputs, split in tests:
        for name in CLASSIFIERS:
            score = evaluation.score(name, inputs, split)
            if score is not None:
                details.append(_details_row(name, f"{_SPLITS[split]}, {inputs}", score))
    chosen = ""
    best = evaluation.headline
    if best is not None:
        chosen = (
            f"Predictions are taken from **{_NAMES[best.classifier]}**, the best by balanced accuracy "
            f"({_SPLITS[best.split].lower()}, features)."
        )
    return [
        heading,
        "Accuracy: share of tested synapses named rightly, a rejected one counted as wrong; 95 % interval in brackets.",
        _markdown_table(titles, accuracy),
        *([f"Published: {source}."] if published and source else []),
        "- *Random, map*: as the published study tested. One fifth of the synapses is drawn at random (seed 42) and named "
        "from their two map coordinates. The map shows the very features that the clusters come from, and neighbours of "
        "every tested synapse are in the training set, so this column is expected to be high. (The study's clusters came "
        "from the two coordinates themselves, so its figures are expected to be higher still.)\n"
        "- *Random, features*: the same draw, named from the features.\n"
        "- *One neuron left out, features*: scaling, alignment, settings, rejection and classifier never saw the tested "
        "neuron. **Read this column for what to expect of a new neuron.**",
        *([chosen] if chosen else []),
        _markdown_table(
            (
                "Classifier",
                "Test",
                "Tested",
                "Neurons",
                "Always the largest cluster",
                "Balanced accuracy",
                "Macro F1",
                "Outliers",
                "Left out",
                "Accuracy of accepted",
            ),
            details,
        ),
    ]


_SPLITS = {RANDOM_80_20: "Random", LEAVE_ONE_NEURON_OUT: "One neuron left out"}


def _accuracy_cell(score: Score | None) -> str:
    if score is None:
        return "not tested"
    if score.accuracy_interval is None:
        return f"{score.accuracy:.3f} (no interval)"
    low, high = score.accuracy_interval
    return f"{score.accuracy:.3f} ({low:.3f} to {high:.3f}, over {score.interval_over})"


def _details_row(name: str, test: str, score: Score) -> tuple[str, ...]:
    accepted = "-" if score.accuracy_of_accepted is None else f"{score.accuracy_of_accepted:.3f}"
    return (
        _NAMES[name],
        test,
        str(score.rows),
        str(score.groups),
        f"{score.guessing:.3f}",
        f"{score.balanced_accuracy:.3f}",
        f"{score.macro_f1:.3f}",
        str(score.rejected),
        str(score.left_out),
        accepted,
    )


def _settings_section(fitted: ClusterClassifiers) -> list[str]:
    names = {**_NAMES, OUTLIERS: "one-class SVM"}
    chosen = [
        (names[name], ", ".join(f"{_SETTINGS[key]} {value:.3g}" for key, value in setting.items()))
        for name, setting in fitted.settings.items()
    ]
    return [
        "## Settings",
        "Chosen by cross-validation inside the training synapses.",
        _markdown_table(("Part", "Chosen"), chosen),
    ]


def _limits_section(sentences: Sequence[str]) -> list[str]:
    return ["## Limits", "\n".join(f"- {s}" for s in dict.fromkeys(sentences))] if sentences else []


def _join_with_and(numbers: Sequence[int]) -> str:
    return ", ".join(str(n) for n in numbers[:-1]) + f" and {numbers[-1]}"


def _markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
