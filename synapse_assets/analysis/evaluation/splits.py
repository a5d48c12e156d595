"""Which synapses are held out together when a classifier is scored.

Belongs here: folds. Does not belong here: fitting or scoring (`cross_validation`).

Synapses of one neuron resemble each other, so a random split scores memory of neurons as well as knowledge of classes
(Eckstein et al., Cell 187:2574, 2024 hold out whole neurons, hemilineages and brain regions for that reason). Every
grouping column gets its own folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.sampling import content_keys
from synapse_assets.errors import BadInput
from synapse_assets.schema import SPLITS

RANDOM = "random"
LEAVE_ONE_OUT_GROUPS = 8
"""With this many groups or fewer, each group is a fold of its own."""


@dataclass(frozen=True)
class SplitReport:
    """What a reader must know of the folds: folds by split (0 where there is none) and warnings in plain words."""

    folds: dict[str, int]
    warnings: tuple[str, ...]


def make_splits(synapses: pa.Table, grouping: Sequence[str], seed: int, folds: int = 5) -> tuple[pa.Table, SplitReport]:
    """Folds for each grouping column and for a random split, as a long table (`schema.SPLITS`), with a report.

    `synapses` has synapse_id, brain_region, target and the grouping columns. Only rows with a target count, and for a
    grouping column only rows with a group. Group folds are scikit-learn's StratifiedGroupKFold; with 8 groups or fewer
    each group is a fold. The random split deals the synapses of each class, ordered by a hash of their id, to the folds
    in turn. The table depends on content and seed alone, not on row order. No labelled rows, or one group only: no rows
    for that split and a warning.

    Raises BadInput if a column is missing or a synapse occurs twice.
    """
    for name in ("synapse_id", "brain_region", "target", *grouping):
        if name not in synapses.column_names:
            raise BadInput(f"splits: column '{name}' is missing; there are {synapses.column_names}")
    if RANDOM in grouping:
        raise BadInput(f"splits: a grouping column may not be called '{RANDOM}'")
    target = np.array(synapses.column("target").to_pylist(), dtype=object)
    labelled = np.array([t is not None and t != "" for t in target], dtype=bool)
    rows = synapses.filter(pa.array(labelled)).sort_by("synapse_id")
    ids = np.array(rows.column("synapse_id").to_pylist(), dtype=str)
    if len(np.unique(ids)) != len(ids):
        values, counts = np.unique(ids, return_counts=True)
        raise BadInput(f"splits: synapse '{values[counts > 1][0]}' occurs more than once; synapse ids must be unique")
    regions = np.array(rows.column("brain_region").to_pylist(), dtype=str)
    targets = np.array(rows.column("target").to_pylist(), dtype=str)

    parts: list[pa.Table] = []
    folds_by_split: dict[str, int] = {}
    warnings: list[str] = []
    for split in (*grouping, RANDOM):
        if split == RANDOM:
            chosen = np.arange(len(ids))
            groups = ids
            fold_count = min(folds, len(ids))
            fold = _random_folds(ids, targets, fold_count, seed) if fold_count >= 2 else None
        else:
            values = rows.column(split).to_pylist()
            chosen = np.flatnonzero(np.array([v is not None and v != "" for v in values], dtype=bool))
            groups = np.array([str(values[i]) for i in chosen], dtype=str)
            if len(chosen) < len(ids):
                warnings.append(
                    f"{split}: {len(ids) - len(chosen)} labelled synapses have no {split} and are not scored"
                )
            fold, fold_count = _group_folds(groups, targets[chosen], folds, seed)
            warnings.extend(_group_warnings(split, groups, targets[chosen], fold_count))
        if fold is None:
            folds_by_split[split] = 0
            warnings.append(
                f"{split}: no folds, because there are {len(np.unique(groups))} groups of labelled synapses"
            )
            continue
        folds_by_split[split] = fold_count
        parts.append(
            pa.table(
                {
                    "synapse_id": ids[chosen],
                    "brain_region": regions[chosen],
                    "split": np.full(len(chosen), split),
                    "group": groups,
                    "fold": fold,
                    "target": targets[chosen],
                }
            )
        )
    classes = np.unique(targets)
    if len(classes) == 1:
        warnings.append(f"all labelled synapses are '{classes[0]}': nothing to tell apart")
    table = SPLITS.conform(pa.concat_tables(parts)) if parts else SPLITS.empty()
    return table, SplitReport(folds_by_split, tuple(warnings))


def _random_folds(
    ids: npt.NDArray[np.str_], targets: npt.NDArray[np.str_], fold_count: int, seed: int
) -> npt.NDArray[np.int32]:
    """Fold of each synapse, classes dealt out in turn; each class goes on where the one before stopped."""
    order = np.lexsort((content_keys(ids, seed), targets))
    fold = np.empty(len(ids), dtype=np.int32)
    fold[order] = np.arange(len(ids)) % fold_count
    return fold


def _group_folds(
    groups: npt.NDArray[np.str_], targets: npt.NDArray[np.str_], folds: int, seed: int
) -> tuple[npt.NDArray[np.int32] | None, int]:
    """Fold of each row (rows sorted by id) and the number of folds; None if there are fewer than two groups."""
    names, group_index = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None, 0
    if len(names) <= LEAVE_ONE_OUT_GROUPS:
        return group_index.astype(np.int32), len(names)
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    fold_count = min(folds, len(names))
    fold = np.full(len(groups), -1, dtype=np.int32)
    # scikit-learn refuses only when every class is smaller than the number of folds; then classes are ignored
    _, classes, counts = np.unique(targets, return_inverse=True, return_counts=True)
    if counts.max() < fold_count:
        classes = np.zeros(len(targets), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splitter = StratifiedGroupKFold(n_splits=fold_count, shuffle=True, random_state=seed)
        for k, (_, test) in enumerate(splitter.split(np.zeros((len(groups), 1)), classes, group_index)):
            fold[test] = k
    # a fold may stay empty when the classes are very uneven: number the folds without gaps
    return np.unique(fold, return_inverse=True)[1].astype(np.int32), len(np.unique(fold))


def _group_warnings(
    split: str, groups: npt.NDArray[np.str_], targets: npt.NDArray[np.str_], fold_count: int
) -> list[str]:
    """Classes with fewer groups than folds."""
    messages = []
    for name in np.unique(targets):
        count = len(np.unique(groups[targets == name]))
        if count == 1:
            messages.append(
                f"{split}: class '{name}' has 1 group: where it is tested no other trains it, so it counts as wrong"
            )
        elif count < fold_count:
            messages.append(
                f"{split}: class '{name}' has {count} groups for {fold_count} folds and is absent from some"
            )
    return messages


def inner_folds(code: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64] | None:
    """Three folds of whole groups, the groups of each main class dealt out in turn; None for fewer than three
    groups.

    scikit-learn's StratifiedGroupKFold deals differently: it would change settings, and so the fitted models."""
    _, group_index = np.unique(groups, return_inverse=True)
    group_count = int(group_index.max()) + 1
    if group_count < 3:
        return None
    counts = np.zeros((group_count, int(code.max()) + 1), dtype=np.int64)
    np.add.at(counts, (group_index, code), 1)
    order = np.lexsort(
        (np.random.default_rng(seed).permutation(group_count), -counts.sum(axis=1), counts.argmax(axis=1))
    )
    fold = np.empty(group_count, dtype=np.int64)
    fold[order] = np.arange(group_count) % 3
    return fold[group_index]
