"""How far calibrated probabilities, sets and pooled answers can be taken at their word: the scores, on groups held out.

Belongs here: putting the scores together. Does not belong here: what they score (`calibration`, `conformal`, `neuron_answers`), words
for them.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.calibration import (
    HeldOut,
    calibration_errors,
    simulated_errors,
)
from synapse_assets.analysis.evaluation.conformal import coverage_by_group
from synapse_assets.analysis.evaluation.neuron_answers import Evidence, accuracy_by_count, pool_neurons
from synapse_assets.analysis.evaluation.scores import bootstrap_groups, percentile_interval

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

ERROR, FLOOR = "expected calibration error", "floor"
COVERED, LOWEST_COVERED, SET_SIZE = "coverage", "lowest coverage of a neuron", "set size"
NEURON_ACCURACY, NEURON_COVERED, NEURON_SET_SIZE = "neuron accuracy", "neuron coverage", "neuron set size"

# A row of `schema.CALIBRATION_SCORES` without the classifier.
Row: TypeAlias = dict[str, Any]


def measure(
    before: HeldOut, after: HeldOut, sets: Bool, neurons: Int64, ids: Sequence[str], prior: Float64, seed: int
) -> "CalibrationScores":
    """The scores of labelled rows before and after calibration, of their sets (M, C), and of their neurons (M,; -1: none).

    All are out of fold: `after` and `sets` of the calibration and sets of the other folds, and so is what the neurons are pooled with.
    `ids` are those of the synapses, `prior` (C,) the class shares in the calibrated probabilities.
    """
    rows = [*_error_rows("before", before, seed), *_error_rows("after", after, seed), *_set_rows(after, sets, seed)]
    chosen = np.flatnonzero(neurons >= 0)
    if len(chosen):
        evidence = Evidence.of(
            after.probabilities[chosen], neurons[chosen], [ids[row] for row in chosen.tolist()], prior, seed, chosen
        )
        rows += _neuron_rows(evidence, after, neurons[chosen], after.true[chosen], seed)
    return CalibrationScores(rows)


def _score(score: str, value: float, held_out: HeldOut, **others: Any) -> Row:
    """A row over all labelled synapses, but for what `others` say."""
    row = {"stage": "", "class_name": None, "synapses_of_neuron": None, "low": None, "high": None}
    return {
        **row,
        "score": score,
        "value": float(value),
        "synapses": len(held_out),
        "groups": len(np.unique(held_out.groups)),
        **others,
    }


def _error_rows(stage: str, held_out: HeldOut, seed: int) -> list[Row]:
    errors, simulated = calibration_errors(held_out.probabilities, held_out.true), simulated_errors(held_out, seed)
    low, high = np.percentile(simulated, [2.5, 97.5], axis=0)
    rows = []
    for place, name in enumerate((*held_out.classes, None)):
        of = {"stage": stage, "class_name": name}
        rows.append(_score(ERROR, errors[place], held_out, **of))
        interval = {"low": float(low[place]), "high": float(high[place])}
        rows.append(_score(FLOOR, simulated[:, place].mean(), held_out, **of, **interval))
    return rows


def _set_rows(after: HeldOut, sets: npt.NDArray[np.bool_], seed: int) -> list[Row]:
    """Coverage and size of the sets, groups counting alike."""
    coverage = coverage_by_group(sets, after)
    group = np.unique(after.groups, return_inverse=True)[1]
    size = np.bincount(group, sets.sum(axis=1)) / np.bincount(group)
    rows = [
        _score(COVERED, coverage.mean(), after, **_interval(coverage, seed)),
        _score(LOWEST_COVERED, coverage.min(), after),
        _score(SET_SIZE, size.mean(), after, **_interval(size, seed)),
    ]
    for place in np.unique(after.true):
        members = after.true == place
        of_class = coverage_by_group(sets[members], after.where(members))
        of = {"class_name": after.classes[place], **_interval(of_class, seed)}
        rows.append(_score(COVERED, of_class.mean(), after.where(members), **of))
    return rows


def _interval(by_group: Float64, seed: int) -> dict[str, float | None]:
    """The 95 % interval of a mean over groups, by bootstrap; none below 8 groups."""
    resampled = bootstrap_groups(by_group[:, None], seed)
    interval = None if resampled is None else percentile_interval(resampled[:, 0] / len(by_group))
    low, high = interval or (None, None)
    return {"low": low, "high": high}


def _neuron_rows(evidence: Evidence, after: HeldOut, neurons: Int64, true: Int64, seed: int) -> list[Row]:
    """How often neurons are named rightly from so many of their synapses, and the sets of whole neurons."""
    counts = np.zeros((len(evidence.neurons), len(after.classes)), dtype=np.int64)
    np.add.at(counts, (np.searchsorted(evidence.neurons, neurons), true), 1)
    known, folds = counts.argmax(axis=1), after.folds[evidence.rows[evidence.starts]]
    pooled = pool_neurons(evidence, after.classes, known, folds)
    of = {"groups": len(known), "synapses": len(evidence.rows)}
    rows = []
    for count, right in accuracy_by_count(evidence, known, pooled.dependence, seed).items():
        interval = _interval(right, seed)
        rows.append(_score(NEURON_ACCURACY, right.mean(), after, **of, **interval, synapses_of_neuron=count))
    covered = pooled.sets[np.arange(len(known)), known].astype(np.float64)
    size = pooled.sets.sum(axis=1).astype(np.float64)
    rows.append(_score(NEURON_COVERED, covered.mean(), after, **of, **_interval(covered, seed)))
    rows.append(_score(NEURON_SET_SIZE, size.mean(), after, **of, **_interval(size, seed)))
    return rows


class CalibrationScores:
    """Rows of `schema.CALIBRATION_SCORES`, without the classifier, and each of them by what it is of."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self._rows = {(row["score"], row["stage"], row["class_name"], row["synapses_of_neuron"]): row for row in rows}

    def row(self, score: str, stage: str = "", name: str | None = None, count: int | None = None) -> Row | None:
        """That row, if there is one."""
        return self._rows.get((score, stage, name, count))

    def value(self, score: str, stage: str = "", name: str | None = None, count: int | None = None) -> float:
        """The value of that row, NaN without it."""
        found = self.row(score, stage, name, count)
        return float("nan") if found is None else float(found["value"])

    def text(self, score: str, name: str | None = None, count: int | None = None) -> str:
        """The value of a row of one stage with its interval, in words; empty without it."""
        row = self.row(score, "", name, count)
        if row is None:
            return ""
        interval = f"{row['groups']} groups are too few for an interval"
        if row["low"] is not None:
            interval = f"95 % interval {row['low']:.3f} to {row['high']:.3f}"
        return f"{row['value']:.3f} ({interval})"
