"""Which synapses are held out together when a classifier is scored.

Belongs here: folds. Does not belong here: fitting or scoring (`cross_validation`).

Synapses of one neuron resemble each other, so a random split scores memory of neurons as well as knowledge of classes
(Eckstein et al., Cell 187:2574, 2024 hold out whole neurons, hemilineages and brain regions for that reason). Every
grouping column gets its own folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.sampling import content_keys
from synapse_assets.errors import BadInput
from synapse_assets.schema import SPLITS

RANDOM = "random"
LEAVE_ONE_OUT_GROUPS = 8
"""With this many groups or fewer, each group is a fold of its own."""
_PROGRAMME_SECONDS = 10.0
"""For both steps of the integer programme together."""
_SHARE_TOLERANCE = 0.005
"""The integer programme stops once no assignment can be better by more than this share of a class."""


@dataclass(frozen=True)
class SplitReport:
    """What a reader must know of the folds.

    folds       number of folds by split, 0 where there is none
    warnings    in plain words
    deviations  by split: how far the share of a class in a fold is from one over the folds, at worst, 0 to 1
    programmed  splits that the integer programme made: no folds of whole groups have a deviation smaller by 0.005
    """

    folds: dict[str, int]
    warnings: tuple[str, ...]
    deviations: Mapping[str, float] = field(default_factory=dict)
    programmed: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """How even the folds of every split are."""
        return [
            f"{split}: {self.folds[split]} folds, in which the share of a class differs from 1/{self.folds[split]} by at most "
            f"{deviation:.3f}" + (", the least that whole groups allow" if split in self.programmed else "")
            for split, deviation in self.deviations.items()
        ]


def make_splits(synapses: pa.Table, grouping: Sequence[str], seed: int, folds: int = 5) -> tuple[pa.Table, SplitReport]:
    """Folds for each grouping column and for a random split, as a long table (`schema.SPLITS`), with a report.

    `synapses` has synapse_id, brain_region, target and the grouping columns. Only rows with a target count, and for a
    grouping column only rows with a group. Group folds are scikit-learn's StratifiedGroupKFold; where that leaves a class
    out of a fold that has groups enough to be in it, they are those of an integer programme. With 8 groups or fewer each
    group is a fold. The random split deals the synapses of each class, ordered by a hash of their id, to the folds
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
    deviations: dict[str, float] = {}
    programmed: list[str] = []
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
            fold, is_programmed = _group_folds(groups, targets[chosen], folds, seed)
            fold_count = 0 if fold is None else int(fold.max()) + 1
            programmed += [split] * is_programmed
            warnings.extend(group_warnings(split, groups, targets[chosen], fold))
        if fold is None:
            folds_by_split[split] = 0
            warnings.append(
                f"{split}: no folds, because there are {len(np.unique(groups))} groups of labelled synapses"
            )
            continue
        folds_by_split[split] = fold_count
        deviations[split] = _worst_deviation(_counts(fold, targets[chosen]))
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
    return table, SplitReport(folds_by_split, tuple(warnings), deviations, tuple(programmed))


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
) -> tuple[npt.NDArray[np.int32] | None, bool]:
    """Fold of each row (rows sorted by id), None if there are fewer than two groups; and whether the integer programme made
    them."""
    names, group_index = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None, False
    if len(names) <= LEAVE_ONE_OUT_GROUPS:
        return group_index.astype(np.int32), False
    return stratified_group_folds(groups, targets, min(folds, len(names)), seed)


def stratified_group_folds(
    groups: npt.NDArray[np.str_], targets: npt.NDArray[np.str_], fold_count: int, seed: int
) -> tuple[npt.NDArray[np.int32], bool]:
    """Fold (N,) of each row, whole groups together and classes spread over the folds: those of scikit-learn's StratifiedGroupKFold, or of
    an integer programme where those leave a class out of a fold that it has groups enough to be in; and whether it was the programme.

    There are at least as many groups as folds. Folds are numbered from 0 without gaps.
    """
    _, group_index = np.unique(groups, return_inverse=True)
    fold = _greedy_folds(group_index, targets, fold_count, seed)
    counts = _counts(group_index, targets)
    possible = np.minimum((counts > 0).sum(axis=0), fold_count)
    if ((_counts(fold, targets) > 0).sum(axis=0) < possible).any():
        fold_of_group = programme_folds(counts, fold_count, seed)
        if fold_of_group is not None:
            return fold_of_group[group_index], True
    # a fold may stay empty when the classes are very uneven: number the folds without gaps
    return np.unique(fold, return_inverse=True)[1].astype(np.int32), False


def _greedy_folds(
    group_index: npt.NDArray[np.int64], targets: npt.NDArray[np.str_], fold_count: int, seed: int
) -> npt.NDArray[np.int32]:
    """Fold of each row by scikit-learn's StratifiedGroupKFold; some may be empty."""
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.full(len(group_index), -1, dtype=np.int32)
    # scikit-learn refuses only when every class is smaller than the number of folds; then classes are ignored
    _, classes, counts = np.unique(targets, return_inverse=True, return_counts=True)
    if counts.max() < fold_count:
        classes = np.zeros(len(targets), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splitter = StratifiedGroupKFold(n_splits=fold_count, shuffle=True, random_state=seed)
        for k, (_, test) in enumerate(splitter.split(np.zeros((len(group_index), 1)), classes, group_index)):
            fold[test] = k
    return fold


def programme_folds(counts: npt.NDArray[np.int64], fold_count: int, seed: int) -> npt.NDArray[np.int32] | None:
    """Fold of each group (G,), from its rows of each class `counts` (G, C), by an integer programme; None where that is not
    solved in ten seconds. There are at least as many groups as folds.

    No fold is empty, and every class is in as many folds as whole groups allow. Then the worst deviation of a class's share
    of a fold from one over the folds is the least possible, within 0.005; and then, as time allows, the mean over the
    classes, since the worst is often that of one small class. Solved by HiGHS (Huangfu & Hall, Math. Prog. Comp. 10:119, 2018).
    """
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    # another seed gives other folds: it decides the order of the groups
    order = np.random.default_rng(seed).permutation(len(counts))
    group_count, class_count = counts.shape
    pairs, assigned = class_count * fold_count, group_count * fold_count
    folds = sparse.identity(fold_count)
    share = sparse.kron((counts[order] / counts.sum(axis=0)).T, folds)
    present = sparse.kron((counts[order] > 0).T.astype(float), folds)
    of_class = sparse.kron(sparse.identity(class_count), np.ones((fold_count, 1)))
    even = np.full(pairs, 1 / fold_count)
    # Variables: group in fold, group by group; class missing in fold; deviation of a class; the worst of these; and a
    # constant of 1, which makes of the solver's relative tolerance one of shares.
    rows = [
        [sparse.kron(sparse.identity(group_count), np.ones((1, fold_count))), None, None, None, None],
        [sparse.kron(np.ones((1, group_count)), folds), None, None, None, None],
        [present, sparse.identity(pairs), None, None, None],
        [share, None, of_class, None, None],
        [-share, None, of_class, None, None],
        [None, None, -sparse.identity(class_count), np.ones((class_count, 1)), None],
        [None, None, None, None, np.ones((1, 1))],
    ]
    least = [np.ones(group_count), np.ones(fold_count), np.ones(pairs), even, -even, np.zeros(class_count), np.ones(1)]
    lower = np.concatenate(least)
    upper = np.where(np.arange(len(lower)) < group_count, 1.0, np.inf)
    constraints = LinearConstraint(sparse.block_array(rows, format="csr"), lower, upper)
    fixed = np.concatenate([np.zeros(assigned), np.ones(pairs)])
    # first the worst deviation, then, at that, the mean
    costs = [np.array([*np.zeros(class_count), 1, 1]), np.array([*np.full(class_count, 1 / class_count), 0, 1])]
    largest = np.ones(len(fixed) + class_count + 2)
    best: npt.NDArray[np.int64] | None = None
    for cost in costs:
        solved = milp(
            np.concatenate([fixed, cost]),
            integrality=np.arange(len(largest)) < assigned,
            bounds=Bounds(0, largest),
            constraints=constraints,
            options={"time_limit": _PROGRAMME_SECONDS / len(costs), "mip_rel_gap": _SHARE_TOLERANCE},
        )
        if not solved.success:
            break
        largest[-2] = solved.x[-2]
        best = solved.x[:assigned].reshape(group_count, fold_count).argmax(axis=1)
    if best is None:
        return None
    fold = np.empty(group_count, dtype=np.int32)
    fold[order] = best
    return fold


def _counts(index: npt.NDArray[np.integer], targets: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Rows (n, C) of each class in each group or fold, numbered from 0; classes sorted by name."""
    code = np.unique(targets, return_inverse=True)[1]
    counts = np.zeros((int(index.max()) + 1, int(code.max()) + 1), dtype=np.int64)
    np.add.at(counts, (index, code), 1)
    return counts


def _worst_deviation(counts: npt.NDArray[np.int64]) -> float:
    """How far the share of a class in a fold is from one over the folds, at worst, from rows (F, C) by fold and class."""
    return float(np.abs(counts / counts.sum(axis=0) - 1 / len(counts)).max())


def group_warnings(
    split: str,
    groups: npt.NDArray[np.str_],
    targets: npt.NDArray[np.str_],
    fold: npt.NDArray[np.int32] | None,
) -> list[str]:
    """In plain words: classes with fewer groups than folds, and those absent from a fold although they have groups enough."""
    fold_count = 0 if fold is None else int(fold.max()) + 1
    messages = []
    for name in np.unique(targets):
        count = len(np.unique(groups[targets == name]))
        in_folds = 0 if fold is None else len(np.unique(fold[targets == name]))
        if count == 1:
            messages.append(
                f"{split}: class '{name}' has 1 group: where it is tested no other trains it, so it counts as wrong"
            )
        elif count < fold_count:
            messages.append(
                f"{split}: class '{name}' has {count} groups for {fold_count} folds and is absent from some"
            )
        elif in_folds < fold_count:
            messages.append(
                f"{split}: class '{name}' has {count} groups and is in {in_folds} of {fold_count} folds: no better assignment of whole "
                "groups was found"
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
