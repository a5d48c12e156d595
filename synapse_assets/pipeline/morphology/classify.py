"""Clusters carried to new synapses: fitting and testing the classifiers of an investigation group, and its predictions.

The methods and the model card belong to `analysis.morphology`.
"""

from dataclasses import replace
from itertools import count
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.morphology.figures import save_picture, shown_verdict
from synapse_assets.pipeline.morphology.group import Group, fitted_synapses, measured_key
from synapse_assets.pipeline.report import Check, Detail, Markdown, Report, Stopwatch, markdown_table, progress_logger
from synapse_assets.schema import morphology
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import NOT_ASSESSED
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.morphology.features import HeldOut


def fit_cluster_classifiers(store: DatasetStore, dataset: MorphologyDataset, group_name: str, log: Logger) -> Report:
    """Fits three classifiers of a group's clusters and tests each in two ways; a refit is in use at once.

    Raises BadInput if features, maps, clusters or their stability are missing or made from other inputs than there are.
    """
    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    report = _fit_classifiers(group, log)
    models = store.models(f"cluster_classifier_{group.name}")
    folder = models.path(group.classifier_version)
    trained = NoModel.found(folder) is None
    details: dict[str, Detail] = {}
    table = morphology.CLASSIFIER_SCORES.empty()
    if trained:
        table, details = _scores(group, folder)
    group.write(morphology.CLASSIFIER_SCORES, table)
    return replace(
        report,
        details={**details, **report.details},
        seconds=watch.seconds,
        rows=table.num_rows,
        checks=_checks(group, trained, models.provenance(group.classifier_version).scores),
    )


def _fit_classifiers(group: Group, log: Logger) -> Report:
    from synapse_assets.analysis.clustering.resampled_maps import GroupMaps
    from synapse_assets.analysis.evaluation.stored import save_classifier_evaluation
    from synapse_assets.analysis.morphology.classifiers import fit_classifiers
    from synapse_assets.analysis.morphology.evaluation import evaluate_classifiers
    from synapse_assets.analysis.morphology.features import held_out_features
    from synapse_assets.analysis.morphology.model_card import model_card
    from synapse_assets.analysis.morphology.tables import headline_scores, labels_of, scaled_matrix

    dataset, rows, maps = group.dataset, group.rows, group.maps
    verdict, sentence = group.stability["verdict"], group.stability["sentence"]
    labels = labels_of(group.clusters, rows.ids)
    # Leaving a neuron out fits the whole feature chain again, so all groups' synapses are needed.
    synapses = fitted_synapses(group.store.results(morphology.SYNAPSES).read())
    published = dataset.groups[group.name].published

    def fit(folder: Path) -> Fitted:
        matrix = scaled_matrix(rows.fitted)
        model = fit_classifiers(matrix, labels, dataset.seed, rows.neurons)
        model.save(folder)
        if isinstance(model, NoModel) or not isinstance(maps, GroupMaps):
            return Fitted(notes=[f"no classifier: {model.reason}"] if isinstance(model, NoModel) else [])
        progress = progress_logger(log.info, f"{group.name}: neurons left out", len(set(rows.neurons)))
        neurons = count(1)

        def held_out(neuron: str) -> "HeldOut | NoModel":
            progress(next(neurons))
            return held_out_features(synapses, neuron, dataset.features)

        evaluation = evaluate_classifiers(matrix, maps.map, labels, rows.neurons, rows.ids, held_out, dataset.seed)
        save_classifier_evaluation(evaluation, folder)
        card = model_card(
            f"{group.name} ({dataset.title})",
            model,
            evaluation,
            f"{verdict}. {sentence}",
            _published_accuracy(group),
            published.source if published else "",
        )
        (folder / "model_card.md").write_text(card, encoding="utf-8")
        return Fitted(scores=headline_scores(evaluation), notes=[*model.warnings, *evaluation.warnings])

    return fit_once(
        group.store,
        f"cluster_classifier_{group.name}",
        log,
        inputs={
            "features": rows.key,
            "clusters": group.clusters_key,
            "synapses": measured_key(synapses),
            "stability": sentence,
        },
        parameters={
            "published": hashed_fields(published) if published else None,
            "features": hashed_fields(dataset.features),
        },
        seed=dataset.seed,
        fit=fit,
    )


def _published_accuracy(group: Group) -> dict[str, float]:
    """The accuracies that a publication reports of the group, by classifier; empty for none."""
    published = group.dataset.groups[group.name].published
    return {str(name): value for name, value in published.accuracy.items()} if published else {}


def _scores(group: Group, folder: Path) -> tuple[pa.Table, dict[str, Detail]]:
    """Rows of `schema.morphology.CLASSIFIER_SCORES` for the classifiers in the folder, and details for the report."""
    from synapse_assets.analysis.evaluation.stored import load_classifier_evaluation
    from synapse_assets.analysis.morphology.model_card import name_of_test
    from synapse_assets.analysis.morphology.tables import score_rows
    from synapse_assets.figures.scores import confusions_sheet

    evaluation = load_classifier_evaluation(folder)
    table = score_rows(evaluation, group.name, _published_accuracy(group), group.classifier_version)
    matrices = {name_of_test(score): score.confusion for score in evaluation.scores}
    png = confusions_sheet(matrices, list(evaluation.classes), shown_verdict(group.stability))
    details: dict[str, Detail] = {
        "model_card": Markdown((folder / "model_card.md").read_text(encoding="utf-8")),
        "confusion": save_picture(group.store, f"{group.name}_confusion", png),
    }
    return table, details


def _checks(group: Group, trained: bool, scores: dict[str, float]) -> list[Check]:
    verdict, sentence = group.stability["verdict"], group.stability["sentence"]
    accuracy, guessing = (scores.get(f"{name}_neuron_left_out") for name in ("accuracy", "guessing"))
    return [
        Check(
            "trained_on_stable_clusters",
            not trained or verdict == "stable",
            f"{verdict}: {sentence}" if trained else "nothing was trained",
            warn=True,
        ),
        Check(
            "carries_over_to_other_neurons",
            accuracy is not None and guessing is not None and accuracy > guessing,
            "not tested on other neurons"
            if accuracy is None
            else f"accuracy {accuracy:.3f}, naming the largest cluster gives {guessing:.3f}",
            warn=True,
        ),
    ]


def predict_clusters(store: DatasetStore, dataset: MorphologyDataset, group_name: str) -> Report:
    """Predicts the cluster of each newly observed synapse of a group, or gives the reason why it is in none.

    Raises BadInput if features, maps, clusters or classifiers are missing or made from other inputs than there are.
    """
    from synapse_assets.analysis.evaluation.stored import load_classifier_evaluation
    from synapse_assets.analysis.morphology.classifiers import ClusterClassifiers
    from synapse_assets.analysis.morphology.tables import labels_of, prediction_rows, training_agreement

    watch = Stopwatch()
    group = Group(store, dataset, group_name)
    rows, version = group.rows, group.classifier_version
    folder = store.models(f"cluster_classifier_{group.name}").path(version)
    model = load_or_no_model(folder, ClusterClassifiers.load)
    headline = None if isinstance(model, NoModel) else load_classifier_evaluation(folder).headline
    best = None if headline is None else headline.classifier
    predicted = prediction_rows(rows.used_for("prediction"), model, best, group.maps, group.name, version)
    group.write(morphology.PREDICTIONS, predicted)
    table = group.read(morphology.PREDICTIONS)
    unassigned = table.filter(pc.equal(table.column("cluster"), -1)).num_rows
    observed = rows.synapses.filter(pc.equal(rows.synapses.column("used_for"), "prediction"))
    expected_ids = sorted(observed.column("synapse_id").to_pylist())
    return Report(
        details={
            "verdict": group.verdict_on(morphology.PREDICTIONS) or NOT_ASSESSED,
            "predicted": Markdown(_predicted_table(table)),
            "unassigned": unassigned,
            "classifier": best or "none",
            "classifier_model": version,
            **training_agreement(model, rows.fitted, labels_of(group.clusters, rows.ids)),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table),
        checks=[
            Check(
                "every_new_synapse_has_a_row",
                sorted(table.column("synapse_id").to_pylist()) == expected_ids,
                f"{table.num_rows:,} rows for {len(expected_ids):,} newly observed synapses, {unassigned:,} unassigned",
            )
        ],
    )


def _predicted_table(table: pa.Table) -> str:
    counts = table.group_by(["neuron_id", "cluster"]).aggregate([([], "count_all")]).to_pylist()
    rows = sorted((row["neuron_id"], str(row["cluster"]), f"{row['count_all']:,}") for row in counts)
    return markdown_table(["neuron", "cluster", "synapses"], rows)
