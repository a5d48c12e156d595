"""Scores from confusion matrices, and their intervals over independent groups.

Belongs here: what every classifier is scored by. Does not belong here: which synapses are held out (`splits`), fitting.
"""

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Interval = tuple[float, float]

FEWEST_GROUPS = 8
"""Independent groups below which no interval is given."""
_REPLICATES = 2000


def balanced_accuracy(confusion: Float64) -> float:
    """Mean recall over the classes that occur (Brodersen et al., ICPR 2010); NaN without rows."""
    return float(confusion_scores(confusion[None])["balanced_accuracy"][0])


def confusion_scores(confusion: Float64) -> dict[str, Float64]:
    """Scores of (B, C, C) confusion matrices (row: true class): balanced_accuracy and macro_f1 (B,), recall, precision,
    f1 (B, C).

    A class without rows has NaN for recall and F1 and is left out of the means; one never named has precision NaN and
    F1 0.
    """
    hits = np.diagonal(confusion, axis1=1, axis2=2).astype(np.float64)
    true, named = confusion.sum(axis=2), confusion.sum(axis=1)
    occurs = true > 0
    recall = np.where(occurs, hits / np.where(occurs, true, 1), np.nan)
    precision = np.where(named > 0, hits / np.where(named > 0, named, 1), np.nan)
    f1 = np.where(occurs, 2 * hits / np.where(occurs, true + named, 1), np.nan)
    count = occurs.sum(axis=1)
    safe = np.where(count > 0, count, 1)
    balanced = np.where(count > 0, np.nansum(recall, axis=1) / safe, np.nan)
    macro = np.where(count > 0, np.nansum(f1, axis=1) / safe, np.nan)
    return {"balanced_accuracy": balanced, "macro_f1": macro, "recall": recall, "precision": precision, "f1": f1}


def confusion_by_group(true: Int64, named: Int64, groups: Int64, classes: int) -> Float64:
    """Confusion matrices (G, C, C) of each group (numbered from 0)."""
    out = np.zeros((int(groups.max()) + 1 if len(groups) else 0, classes, classes))
    np.add.at(out, (groups, true, named), 1)
    return out


def bootstrap_groups(by_group: Float64, seed: int) -> Float64 | None:
    """Confusion matrices (B, C, C) of bootstrap samples of whole groups (Efron 1979; cluster bootstrap); None for under
    8 groups."""
    groups = len(by_group)
    if groups < FEWEST_GROUPS:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(groups, np.full(groups, 1.0 / groups), size=_REPLICATES).astype(np.float64)
    flat: Float64 = drawn @ by_group.reshape(groups, -1)
    return flat.reshape(_REPLICATES, *by_group.shape[1:])


def percentile_interval(values: Float64) -> Interval | None:
    """The 2.5th and 97.5th percentile, NaN left out; None if nothing is left."""
    known = values[~np.isnan(values)]
    return (float(np.percentile(known, 2.5)), float(np.percentile(known, 97.5))) if len(known) else None
