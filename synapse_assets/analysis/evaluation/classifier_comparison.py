"""Several classifiers on the same synapses: their scores side by side, and whether one differs from the linear probe beyond chance.

Belongs here: rows of `schema.CLASSIFIER_COMPARISON` from out-of-fold predictions, and what they say in words. Does not belong here:
fitting (`linear_probe`, networks in `vision`), how a score is made (`scores`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.evaluation.calibration import HeldOut, calibration_errors, simulated_errors
from synapse_assets.analysis.evaluation.cross_validation import Predictions
from synapse_assets.analysis.evaluation.evaluation import OutOfSample
from synapse_assets.analysis.evaluation.scores import (
    ClassScore,
    Score,
    confusion_scores,
    percentile_interval,
    score_predictions,
)
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.schema import CLASSIFIER_COMPARISON

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

LINEAR_PROBE = "linear probe"
NEURON = "neuron_id"
FEWEST_GROUPS_OF_CLASS = 5
"""Groups below which a class is called rare: fewer than one in each of five folds."""


@dataclass(frozen=True)
class Contestant:
    """A classifier with its out-of-fold probabilities by split.

    classes           C names, in the order of the probabilities
    about             architecture, origin and input in words
    training_seconds  by split, where they were counted
    """

    name: str
    version: str
    about: str
    classes: tuple[str, ...]
    out_of_sample: Mapping[str, OutOfSample]
    training_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Truth:
    """The synapses of one split (N,), sorted by id: class as a position in `classes`, group, and neuron (-1 where unknown)."""

    synapse_ids: npt.NDArray[np.str_]
    classes: tuple[str, ...]
    true: Int64
    group: Int64
    neuron: Int64


def compare_classifiers(
    probe: Contestant, others: Sequence[Contestant], splits: pa.Table, headline: str, seed: int
) -> pa.Table:
    """`schema.CLASSIFIER_COMPARISON`: the linear probe and the others under every split of the probe, the headline first.

    `splits` is `schema.SPLITS`, the classes as they are known now. A classifier is scored on the synapses that the probe was
    tested on too; a class that it does not know counts as wrong. The difference is paired: both are resampled by the same draws of
    whole groups (Efron 1979). The random split is scored over the groups of the headline, as the probe's own is.
    """
    rows: list[dict[str, Any]] = []
    names = sorted(probe.out_of_sample, key=lambda split: (split != headline, split == RANDOM, split))
    for split in names:
        truth = _truth(splits, split, headline)
        if truth is None:
            continue
        of_split = [_row(probe, probe, truth, split, seed)]
        of_split += [_row(other, probe, truth, split, seed) for other in others if split in other.out_of_sample]
        of_split = [row for row in of_split if row["synapses"]]
        if not of_split or of_split[0]["classifier"] != LINEAR_PROBE:
            continue
        best = max(of_split, key=lambda row: row["difference"] if (row["difference_low"] or 0) > 0 else 0)
        rows += [{**row, "best": row is best} for row in of_split]
    return CLASSIFIER_COMPARISON.conform(pa.Table.from_pylist(rows, schema=CLASSIFIER_COMPARISON.arrow))


def comparison_sentence(comparison: pa.Table, headline: str) -> str:
    """What the comparison says under the headline split, in words."""
    rows = [row for row in comparison.to_pylist() if row["split"] == headline]
    if not rows:
        return "Nothing could be compared: no classifier was tested."
    probe, others = rows[0], rows[1:]
    of_probe = (
        f"the linear probe has {probe['balanced_accuracy']:.3f}{_range(probe['low'], probe['high'])} balanced accuracy"
    )
    where = f"with {headline} held out"
    if not others:
        return f"There is no network to compare with: {of_probe} {where}."
    best = next(row for row in rows if row["best"])
    closest = max(others, key=lambda row: row["difference"]) if best is probe else best
    differs = f"{closest['difference']:+.3f}{_range(closest['difference_low'], closest['difference_high'])}"
    if best is not probe:
        return f"{best['classifier']} beats the linear probe: it differs by {differs}, and {of_probe} {where}."
    why = ""
    if closest["difference"] > 0:
        why = (
            ", which may be chance"
            if closest["difference_low"] is not None
            else ", and there are too few groups to tell that from chance"
        )
    return f"The linear probe is not beaten: {of_probe} {where}; {closest['classifier']} differs by {differs}{why}."


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"


def _truth(splits: pa.Table, split: str, headline: str) -> _Truth | None:
    """The synapses to be scored under a split, with its groups; the random split over those of the headline. None without any."""
    group_of = _groups(splits, split)
    if split == RANDOM != headline:
        of_headline = _groups(splits, headline)
        group_of = {synapse: of_headline[synapse] for synapse in group_of if synapse in of_headline}
    if not group_of:
        return None
    target_of = dict(zip(splits.column("synapse_id").to_pylist(), splits.column("target").to_pylist(), strict=True))
    neuron_of = _groups(splits, NEURON)
    ids = np.array(sorted(group_of), dtype=str)
    classes, true = np.unique(np.array([target_of[i] for i in ids.tolist()], dtype=str), return_inverse=True)
    group = np.unique(np.array([group_of[i] for i in ids.tolist()], dtype=str), return_inverse=True)[1]
    neurons = np.array([neuron_of.get(i, "") for i in ids.tolist()], dtype=str)
    names, neuron = np.unique(neurons, return_inverse=True)
    return _Truth(ids, tuple(classes.tolist()), true, group, np.where(names[neuron] == "", -1, neuron))


def _groups(splits: pa.Table, split: str) -> dict[str, str]:
    of_split = splits.filter(pc.equal(splits.column("split"), split))
    return dict(zip(of_split.column("synapse_id").to_pylist(), of_split.column("group").to_pylist(), strict=True))


def _row(contestant: Contestant, probe: Contestant, truth: _Truth, split: str, seed: int) -> dict[str, Any]:
    """A row of the comparison, but for which is best."""
    # Both as far as both were tested, so that the difference is of the same synapses.
    shared = np.intersect1d(contestant.out_of_sample[split].synapse_ids, probe.out_of_sample[split].synapse_ids)
    at = np.flatnonzero(np.isin(truth.synapse_ids, shared))
    facts: dict[str, Any] = {
        "classifier": contestant.name,
        "version": contestant.version,
        "about": contestant.about,
        "split": split,
        "synapses": len(at),
        "training_seconds": contestant.training_seconds.get(split),
    }
    if not len(at):
        return facts
    probabilities = _probabilities(contestant, truth, at, split)
    score, resampled = _score(probabilities, truth, at, split, seed)
    low, high = score.balanced_accuracy_interval or (None, None)
    facts |= {
        "groups": score.groups,
        "balanced_accuracy": score.balanced_accuracy,
        "low": low,
        "high": high,
        "macro_f1": score.macro_f1,
        "neuron_accuracy": _neuron_accuracy(probabilities, truth, at),
        **_calibration(probabilities, truth, at, seed),
        "rare_classes": _rare(score.classes),
        "difference": None,
        "difference_low": None,
    }
    if contestant is not probe:
        of_probe, probe_resampled = _score(_probabilities(probe, truth, at, split), truth, at, split, seed)
        facts["difference"] = score.balanced_accuracy - of_probe.balanced_accuracy
        if resampled is not None and probe_resampled is not None:
            differences = (
                confusion_scores(resampled)["balanced_accuracy"]
                - confusion_scores(probe_resampled)["balanced_accuracy"]
            )
            facts["difference_low"], facts["difference_high"] = percentile_interval(differences) or (None, None)
    return facts


def _probabilities(contestant: Contestant, truth: _Truth, at: Int64, split: str) -> Float64:
    """Its probabilities (n, C) of the classes of the truth, and in a last column of all classes that the truth does not have."""
    tested = contestant.out_of_sample[split]
    given = tested.probabilities[np.searchsorted(tested.synapse_ids, truth.synapse_ids[at])]
    probabilities = np.zeros((len(at), len(truth.classes) + 1))
    for column, name in enumerate(contestant.classes):
        place = truth.classes.index(name) if name in truth.classes else len(truth.classes)
        probabilities[:, place] += given[:, column]
    return probabilities


def _score(probabilities: Float64, truth: _Truth, at: Int64, split: str, seed: int) -> tuple[Score, Float64 | None]:
    labels = probabilities.argmax(axis=1)
    labels[labels == len(truth.classes)] = -1
    return score_predictions(
        # Rejected or not, so that all matrices have the column of foreign classes and can be subtracted.
        Predictions(labels, rejected=np.zeros(len(labels), dtype=bool)),
        truth.true[at],
        truth.group[at],
        truth.classes,
        seed,
        classifier="",
        inputs="",
        split=split,
        interval_over=split,
    )


def _neuron_accuracy(probabilities: Float64, truth: _Truth, at: Int64) -> float | None:
    """Share of neurons whose class has the most votes of their synapses, ties going to the more probable class; None without."""
    known = truth.neuron[at] >= 0
    if not known.any():
        return None
    neuron = np.unique(truth.neuron[at][known], return_inverse=True)[1]
    shape = (int(neuron.max()) + 1, probabilities.shape[1])
    votes, total, classes = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(votes, (neuron, probabilities[known].argmax(axis=1)), 1)
    np.add.at(total, neuron, probabilities[known])
    np.add.at(classes, (neuron, truth.true[at][known]), 1)
    winner = np.where(votes == votes.max(axis=1, keepdims=True), total, -1.0).argmax(axis=1)
    return float((winner == classes.argmax(axis=1)).mean())


def _calibration(probabilities: Float64, truth: _Truth, at: Int64, seed: int) -> dict[str, float]:
    """The expected calibration error of the most probable class and its floor, as given, without calibration."""
    classes = (*truth.classes, "another class")
    folds = np.zeros(len(at), dtype=np.int64)
    held_out = HeldOut(classes, probabilities, truth.true[at], truth.group[at], folds)
    return {
        "calibration_error": float(calibration_errors(probabilities, truth.true[at])[-1]),
        "calibration_floor": float(simulated_errors(held_out, seed)[:, -1].mean()),
    }


def _rare(classes: Sequence[ClassScore]) -> str:
    rare = [c for c in classes if c.groups < FEWEST_GROUPS_OF_CLASS]
    return ", ".join(f"{c.name} ({c.groups} group{'s' * (c.groups != 1)})" for c in rare)
