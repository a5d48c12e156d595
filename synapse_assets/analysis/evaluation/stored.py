"""Evaluations as files. There are two formats, since there are releases with either.

Belongs here: what of an evaluation each format holds. Does not belong here: files as such, and how earlier releases named
them (`artifacts`).

`probe_evaluation` holds intervals of balanced accuracy, macro F1 and classes, the gap to a random split and out-of-fold
probabilities; `classifier_evaluation` holds the interval of the accuracy, what was rejected and left out, the settings, and
the clusters. What a format does not hold is at its default in an evaluation that was loaded.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.linear_probe import LINEAR_PROBE, VECTORS
from synapse_assets.analysis.evaluation.scores import ClassScore, Interval, Score
from synapse_assets.artifacts import read_artifact, write_artifact

_PROBE = ("probe_evaluation", 1)
_CLASSIFIERS = ("classifier_evaluation", 1)


def save_probe_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Writes the artifact probe_evaluation (the json holds all scores, for a reader too) into `folder` (made if absent)."""
    facts: dict[str, Any] = {
        "classes": evaluation.classes,
        "headline_split": evaluation.headline_split,
        "gap": evaluation.gap,
        "gap_interval": evaluation.gap_interval,
        "warnings": evaluation.warnings,
        "splits": {name: _probe_facts(score) for name, score in evaluation.splits.items()},
    }
    arrays = {"synapse_ids": evaluation.synapse_ids, "probabilities": evaluation.probabilities}
    write_artifact(folder, *_PROBE, facts=facts, arrays=arrays)


def load_probe_evaluation(folder: Path) -> Evaluation:
    """What `save_probe_evaluation` or an earlier release wrote; BadInput as `read_artifact`."""
    stored = read_artifact(folder, *_PROBE)
    facts = stored.facts
    head = facts["headline_split"]
    scores = {name: _probe_score(score) for name, score in facts["splits"].items()}
    return Evaluation(
        classes=tuple(facts["classes"]),
        scores=tuple(scores.values()),
        headline=scores[head],
        warnings=tuple(facts["warnings"]),
        gap=facts["gap"],
        gap_interval=_interval(facts["gap_interval"]),
        **stored.values("synapse_ids", "probabilities"),
    )


def out_of_fold(folder: Path) -> dict[str, np.ndarray]:
    """Only synapse_ids (M,), sorted, and probabilities (M, C) of a probe_evaluation; BadInput as `read_artifact`."""
    return read_artifact(folder, *_PROBE).values("synapse_ids", "probabilities")


def save_classifier_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Writes the artifact classifier_evaluation into `folder` (made if absent)."""
    head = evaluation.headline
    facts: dict[str, Any] = {
        "clusters": [int(name) for name in evaluation.classes],
        "sizes": evaluation.sizes,
        "neurons": evaluation.neurons,
        "noise": evaluation.noise,
        "scores": [
            classifier_score_row(score)
            | {
                "confusion": score.confusion.tolist(),
                "left_out": score.left_out,
                "unnameable": score.unnameable,
            }
            for score in evaluation.scores
        ],
        "best": None if head is None else head.classifier,
        "best_by": None if head is None else head.split,
        "warnings": evaluation.warnings,
        "notes": evaluation.notes,
    }
    write_artifact(folder, *_CLASSIFIERS, facts=facts, arrays={})


def load_classifier_evaluation(folder: Path) -> Evaluation:
    """What `save_classifier_evaluation` or an earlier release wrote; BadInput as `read_artifact`."""
    stored = read_artifact(folder, *_CLASSIFIERS)
    facts = stored.facts
    scores = tuple(_classifier_score(score) for score in facts["scores"])
    # of a classifier the headline is the score from all features, never from the map
    best = (facts["best"], "features", facts["best_by"])
    return Evaluation(
        classes=tuple(str(number) for number in facts["clusters"]),
        scores=scores,
        headline=next((s for s in scores if (s.classifier, s.inputs, s.split) == best), None),
        warnings=tuple(facts["warnings"]),
        notes=tuple(facts["notes"]),
        sizes=tuple(facts["sizes"]),
        **stored.values("neurons", "noise"),
    )


def classifier_score_row(score: Score) -> dict[str, Any]:
    """A score by the columns of `schema.morphology.CLASSIFIER_SCORES`, without investigation_group, published_accuracy and
    classifier_model."""
    low, high = score.accuracy_interval or (None, None)
    return {
        "classifier": score.classifier,
        "inputs": score.inputs,
        "split": score.split,
        "trained": score.trained,
        "tested": score.rows,
        "neurons": score.groups,
        "accuracy": score.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "interval_over": score.interval_over,
        "balanced_accuracy": score.balanced_accuracy,
        "macro_f1": score.macro_f1,
        "outliers": score.rejected,
        "accuracy_of_accepted": score.accuracy_of_accepted,
        "guessing": score.guessing,
        "settings": score.settings,
    }


def _probe_facts(score: Score) -> dict[str, Any]:
    """A score as JSON can hold it: NaN becomes null."""
    return {
        "split": score.split,
        "rows": score.rows,
        "groups": score.groups,
        "confusion": score.confusion.tolist(),
        "balanced_accuracy": _nan_to_none(score.balanced_accuracy),
        "balanced_accuracy_interval": score.balanced_accuracy_interval,
        "macro_f1": _nan_to_none(score.macro_f1),
        "macro_f1_interval": score.macro_f1_interval,
        "classes": [{name: _nan_to_none(value) for name, value in asdict(c).items()} for c in score.classes],
    }


def _nan_to_none(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def _probe_score(facts: Mapping[str, Any]) -> Score:
    """The reverse; facts that later releases add are ignored."""
    return Score(
        classifier=LINEAR_PROBE,
        inputs=VECTORS,
        split=facts["split"],
        groups=facts["groups"],
        confusion=np.array(facts["confusion"], dtype=np.int64),
        balanced_accuracy=_none_to_nan(facts["balanced_accuracy"]),
        macro_f1=_none_to_nan(facts["macro_f1"]),
        balanced_accuracy_interval=_interval(facts["balanced_accuracy_interval"]),
        macro_f1_interval=_interval(facts["macro_f1_interval"]),
        classes=tuple(_class_score(c) for c in facts["classes"]),
    )


def _class_score(facts: Mapping[str, Any]) -> ClassScore:
    values = {f.name: facts[f.name] for f in fields(ClassScore)}
    intervals = {name: _interval(value) for name, value in values.items() if name.endswith("_interval")}
    numbers = {name: _none_to_nan(values[name]) for name in ("recall", "precision", "f1")}
    return ClassScore(**values | intervals | numbers)


def _classifier_score(facts: Mapping[str, Any]) -> Score:
    low, high = facts["accuracy_low"], facts["accuracy_high"]
    return Score(
        classifier=facts["classifier"],
        inputs=facts["inputs"],
        split=facts["split"],
        groups=facts["neurons"],
        confusion=np.array(facts["confusion"], dtype=np.int64),
        balanced_accuracy=facts["balanced_accuracy"],
        macro_f1=facts["macro_f1"],
        accuracy_interval=None if low is None else (low, high),
        interval_over=facts["interval_over"],
        trained=facts["trained"],
        rejected=facts["outliers"],
        left_out=facts["left_out"],
        unnameable=facts["unnameable"],
        settings=facts["settings"],
    )


def _interval(stored: Any) -> Interval | None:
    return None if stored is None else (stored[0], stored[1])


def _none_to_nan(stored: float | None) -> float:
    return float("nan") if stored is None else stored
