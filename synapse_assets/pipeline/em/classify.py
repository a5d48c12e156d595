"""Known classes and predicted ones: the splits, fitting and testing the classifier, predictions of a region and of neurons."""

from collections.abc import Sequence
from dataclasses import replace
from logging import Logger
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.em.labelling.decisions import tested_labels, untested_labels
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Check, Json, Markdown, Picture, Report, Stopwatch
from synapse_assets.schema import NEURON_PREDICTIONS, SPLITS, SYNAPSE_PREDICTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint, model_in_use, require_same
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import content_key, labelled_synapses, vector_matrix, vectors_in_use

FOLDS = 5


def split_labelled(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Assigns the labelled synapses to folds, once by each grouping of the dataset and once at random."""
    from synapse_assets.analysis.evaluation.splits import make_splits

    watch = Stopwatch()
    labelled = labelled_synapses(store, sorted({"target", *dataset.grouping}))
    table, splits = make_splits(labelled, list(dataset.grouping), seed=dataset.seed, folds=FOLDS)
    store.results(SPLITS).write(SPLITS.conform(table))
    for warning in splits.warnings:
        log.warning(warning)
    return Report(
        details={
            "labelled_synapses": len(set(table.column("synapse_id").to_pylist())),
            "folds": Markdown("\n".join(f"- {sentence}" for sentence in splits.sentences) or "none"),
            "warnings": "; ".join(splits.warnings) or "none",
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table.drop_columns(["brain_region"])),
        checks=[
            Check(
                "classes_in_every_fold",
                not splits.warnings,
                "; ".join(splits.warnings) or "every class is in every fold",
                warn=True,
                numbers={"warnings": len(splits.warnings)},
            )
        ],
    )


def fit_classifier(store: DatasetStore, dataset: EmDataset, log: Logger) -> Report:
    """Tests a linear probe on the splits of the labelled synapses that have a vector, and fits it on all of them.

    Raises BadInput if no encoder is fitted.
    """
    from synapse_assets.analysis.evaluation.linear_probe import STRENGTHS

    encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    vectors, headline = vectors_in_use(store), dataset.grouping[0]
    folds = store.results(SPLITS).read()
    known = vectors.read(None, ["synapse_id", "tile_hash"])
    folds = folds.filter(pc.is_in(folds.column("synapse_id"), known.column("synapse_id").combine_chunks()))
    used = known.filter(pc.is_in(known.column("synapse_id"), folds.column("synapse_id").combine_chunks()))
    untested = sorted(untested_labels(store) & set(used.column("synapse_id").to_pylist()))
    report = fit_once(
        store,
        "synapse_classifier",
        log,
        inputs={
            "encoder": encoder,
            "embeddings": content_key(used),
            "splits": content_key(folds.drop_columns(["brain_region"])),
            **untested_input(untested),
        },
        parameters={"headline": headline, "folds": FOLDS, "strengths": list(STRENGTHS)},
        seed=dataset.seed,
        fit=lambda folder: _fit_probe(folder, vectors, used, folds, headline, dataset.seed, untested),
        fits_current_inputs=lambda provenance: provenance.inputs["encoder"] == encoder,
    )
    return replace(report, checks=[better_than_chance(store, "synapse_classifier")])


def untested_input(untested: Sequence[str]) -> dict[str, str]:
    """What labels that train and do not test add to the inputs of a fit; nothing where there are none, as it always was."""
    return {"untested": fingerprint({"synapses": sorted(untested)}, {})} if untested else {}


def _fit_probe(
    folder: Path,
    vectors: RegionTable,
    used: pa.Table,
    folds: pa.Table,
    headline: str,
    seed: int,
    untested: Sequence[str],
) -> Fitted:
    """Tests and saves the classifier of the labelled synapses `used` (synapse_id); `folds` is `schema.SPLITS` of them."""
    from synapse_assets.analysis.clustering.drift import save_known_labels
    from synapse_assets.analysis.evaluation.linear_probe import evaluate_probe, fit_probe
    from synapse_assets.analysis.evaluation.stored import save_probe_evaluation
    from synapse_assets.analysis.tables import targets_and_groups
    from synapse_assets.figures.scores import confusion_figure, score_figure

    ids = sorted(used.column("synapse_id").to_pylist())
    matrix = vector_matrix(vectors.read_ids(ids, ["vector"]))
    target_of, group_of = targets_and_groups(folds, headline)
    save_known_labels(folder, target_of)
    evaluation = evaluate_probe(ids, matrix, folds, headline, seed=seed, untested=untested)
    if isinstance(evaluation, NoModel):
        evaluation.save(folder)
        return Fitted(scores={"labelled_synapses": float(len(ids))}, notes=[f"no classifier: {evaluation.reason}"])
    probe = fit_probe(
        matrix,
        [target_of[synapse_id] for synapse_id in ids],
        seed,
        [group_of.get(synapse_id, synapse_id) for synapse_id in ids],
    )
    probe.save(folder)
    save_probe_evaluation(evaluation, folder)
    confusion = confusion_figure(evaluation.splits[headline].confusion, evaluation.classes)
    return Fitted(
        scores={
            "labelled_synapses": float(len(ids)),
            **({"untested_synapses": float(len(untested))} if untested else {}),
            "classes": float(len(evaluation.classes)),
            **evaluation.metrics(),
        },
        notes=list(evaluation.warnings),
        details={
            "scores": Picture(score_figure(evaluation), "score by split"),
            "confusion": Picture(confusion, "confusion"),
        },
    )


def better_than_chance(store: DatasetStore, model: str) -> Check:
    """Whether the classifier in use of that model beats guessing on groups that it was not trained on."""
    models = store.models(model)
    scores = models.provenance(str(models.current)).scores
    accuracy = scores.get("balanced_accuracy")
    chance = 1 / scores["classes"] if "classes" in scores else 1.0
    return Check(
        "better_than_chance",
        accuracy is not None and accuracy > chance,
        "no classifier was fitted"
        if accuracy is None
        else f"balanced accuracy {accuracy:.3f}, guessing gives {chance:.3f}",
        warn=True,
    )


def predict_region(store: DatasetStore, region: str) -> Report:
    """Predicts the class of the synapses of a region with the classifier in use.

    Raises BadInput if there is no classifier or no encoder, or the classifier was fitted on vectors of another encoder.
    """
    from synapse_assets.analysis.evaluation.predictions import Classifier, predict_rows

    watch = Stopwatch()
    models = store.models("synapse_classifier")
    version = model_in_use(models, "materialise the asset 'synapse_classifier' first")
    encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    require_same(models, version, "encoder", encoder)
    classifier = load_or_no_model(models.path(version), Classifier.load)
    rows = vectors_in_use(store).read(region, ["synapse_id", "brain_region", "tile_hash", "vector"])
    table = predict_rows(classifier, rows, vector_matrix(rows), version)
    results = store.results(SYNAPSE_PREDICTIONS)
    results.write_partition(region, table)
    sums = [
        sum(probability for _, probability in pairs)
        for pairs in results.read(region).column("probabilities").to_pylist()
    ]
    wrong = sum(abs(total - 1) > 1e-6 for total in sums)
    predicted = table.column("predicted").value_counts().to_pylist()
    return Report(
        details={
            "classifier": version,
            "out_of_fold_rows": sum(table.column("out_of_fold").to_pylist()),
            "predicted_classes": Json({item["values"]: item["counts"] for item in predicted}),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=f"{version}-{content_key(rows.select(['synapse_id', 'tile_hash']))}",
        checks=[
            Check(
                "probabilities_add_up",
                wrong == 0,
                f"{wrong:,} of {len(sums):,} rows do not",
                numbers={"wrong": wrong},
            )
        ],
    )


def predict_neurons(store: DatasetStore, dataset: EmDataset) -> Report:
    """Counts the votes of the synapses of every neuron, and measures how often they are right where the class is known."""
    from synapse_assets.analysis.evaluation.neuron_votes import neuron_accuracy, neuron_votes
    from synapse_assets.analysis.tables import current_rows

    watch = Stopwatch()
    synapses = labelled_synapses(store, ["neuron_id", "target"])
    predictions = current_rows(store.results(SYNAPSE_PREDICTIONS).read(), synapses)
    votes = neuron_votes(predictions, synapses)
    # A neuron whose class is known by what a strategy chose alone is not scored.
    scored = neuron_votes(predictions, tested_labels(store, synapses))
    store.results(NEURON_PREDICTIONS).write(votes)
    return Report(
        details=neuron_accuracy(scored, seed=dataset.seed),
        seconds=watch.seconds,
        rows=votes.num_rows,
        computed_rows=predictions.num_rows,
    )
