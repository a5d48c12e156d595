"""What a classifier of one dataset is worth on another: over the classes that both have, beside the other's own classifier.

Belongs here: the scores. Does not belong here: bringing tiles to the other voxel size (`volumes.resampling`), making vectors of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.scores import (
    Interval,
    bootstrap_groups,
    confusion_by_group,
    confusion_scores,
    percentile_interval,
)

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Probabilities:
    """What a classifier says of M synapses: its classes, and their probabilities (M, C) float64; NaN in the row of a synapse that it says
    nothing of."""

    classes: Sequence[str]
    values: Float64

    def choose(self, classes: Sequence[str]) -> Int64:
        """The most probable of `classes`, all of them among its own, as their number (M,); -1 where it says nothing."""
        columns = self.values[:, [list(self.classes).index(name) for name in classes]]
        said = np.atleast_1d(np.isfinite(columns).all(axis=1))
        return np.where(said, np.where(said[:, None], columns, 0).argmax(axis=1), -1)


@dataclass(frozen=True)
class TransferScore:
    """A score on synapses of the other dataset, the balanced accuracy over shared classes or the recall of one.

    own: the same of the own classifier there, drop: what it is better by; None where it says nothing of a synapse. Intervals (95 %, over
    groups) are None below 8 groups.
    """

    class_name: str | None
    value: float
    interval: Interval | None
    own: float | None
    drop: float | None
    drop_interval: Interval | None
    synapses: int
    groups: int


def shared_classes(*classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that all have, by name, sorted."""
    first, *others = (set(names) for names in classes)
    return tuple(sorted(first.intersection(*others)))


def score_transfer(
    shared: Sequence[str],
    targets: Sequence[str],
    groups: Sequence[str],
    moved: Probabilities,
    own: Probabilities | None,
    seed: int,
) -> list[TransferScore]:
    """The balanced accuracy over the `shared` classes, then the recall of each that occurs, of M synapses of these classes and groups.

    Both classifiers choose among the shared classes. Where `own` is None or leaves out a synapse, nothing is compared. Intervals resample
    whole groups, the same for both classifiers.
    """
    true = np.array([list(shared).index(name) for name in targets], dtype=np.int64)
    group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    here = _Scores(true, moved.choose(shared), group, len(shared), seed)
    own_choice = None if own is None else own.choose(shared)
    at_home = None
    if own_choice is not None and (own_choice >= 0).all():
        at_home = _Scores(true, own_choice, group, len(shared), seed)
    scores = []
    for number, name in [(None, None), *enumerate(shared)]:
        of_class = np.ones(len(true), dtype=bool) if number is None else true == number
        if not of_class.any():
            continue
        value, resampled = here.of(number)
        own_value, own_resampled = (None, None) if at_home is None else at_home.of(number)
        paired = None if resampled is None or own_resampled is None else own_resampled - resampled
        scores.append(
            TransferScore(
                name,
                value,
                None if resampled is None else percentile_interval(resampled),
                own_value,
                None if own_value is None else own_value - value,
                None if paired is None else percentile_interval(paired),
                int(of_class.sum()),
                len(np.unique(group[of_class])),
            )
        )
    return scores


class _Scores:
    """The scores of a choice of classes, and the same resampled over groups."""

    def __init__(self, true: Int64, chosen: Int64, group: Int64, classes: int, seed: int) -> None:
        by_group = confusion_by_group(true, chosen, group, classes)
        resampled = bootstrap_groups(by_group, seed)
        self._value = confusion_scores(by_group.sum(axis=0)[None])
        self._resampled = None if resampled is None else confusion_scores(resampled)

    def of(self, class_number: int | None) -> tuple[float, Float64 | None]:
        """The recall of a class, or the balanced accuracy, and its resampled values (B,)."""

        def pick(scores: dict[str, Float64]) -> Float64:
            return scores["balanced_accuracy"] if class_number is None else scores["recall"][:, class_number]

        return float(pick(self._value)[0]), None if self._resampled is None else pick(self._resampled)
