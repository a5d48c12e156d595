"""What was detected and what is true, one to one: as many pairs as there can be, and of all such choices the nearest.

Belongs here: the assignment, and the counts and scores that follow from any of them. Does not belong here: when two sites
(`site_scores`) or two objects (`object_scores`) may be a pair.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.scores import (
    FEWEST_GROUPS,
    Interval,
    group_draws,
    percentile_interval,
)
from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

OBJECTS = "objects"
"""What an interval is over where no other groups are named."""
_REPLICATES = 2000
# Above, a group of candidates that hang together is solved sparsely: as a matrix it would take its square in memory.
_DENSE_CELLS = 250_000


@dataclass(frozen=True)
class Matches:
    """Detections and truth, one to one.

    pairs     int64 (M, 2): row of the detection and row of the truth, in the order of the detections
    cost      float64 (M,): what each pair costs: a distance in nm, or 1 - IoU
    missed    int64: rows of the truth without a detection, ascending
    invented  int64: rows of detections without a truth, ascending
    """

    pairs: Int64
    cost: Float64
    missed: Int64
    invented: Int64

    @property
    def detected(self) -> int:
        """Number of detections."""
        return len(self.pairs) + len(self.invented)

    @property
    def true(self) -> int:
        """Number of what is to be detected."""
        return len(self.pairs) + len(self.missed)


@dataclass(frozen=True)
class DetectionScore:
    """How well something is detected: counts, scores and their 95 % intervals.

    precision is NaN where nothing was detected, recall where there is nothing to detect, F1 where both. Intervals are None where they are
    over fewer than 8 `interval_over`.
    """

    right: int
    missed: int
    invented: int
    precision: float
    recall: float
    f1: float
    precision_interval: Interval | None
    recall_interval: Interval | None
    f1_interval: Interval | None
    interval_over: str


def match_edges(first: Int64, second: Int64, cost: Float64, firsts: int, seconds: int) -> Matches:
    """Matches along edges (E,), from the row `first` of so many to the row `second` of so many, each at most once: a maximum matching, and
    of those one with the least sum of costs, which are finite and not below 0.

    Solved for each group of rows that edges connect (Hungarian algorithm: Kuhn 1955; Crouse, IEEE Trans Aerosp Electron Syst
    52:1679, 2016).
    """
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    if not len(first):
        return _matches(np.zeros(0, dtype=np.int64), first, second, cost, firsts, seconds)
    graph = sparse.coo_array((np.ones(len(first)), (first, firsts + second)), shape=(firsts + seconds,) * 2)
    _, group_of = connected_components(graph, directed=False)
    group = group_of[first]
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(group[order]) > 0))
    ends = np.append(starts[1:], len(order))
    chosen = [order[starts[ends - starts == 1]]]
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist(), strict=True):
        edges = order[start:end]
        chosen.append(edges[_cheapest(first[edges], second[edges], cost[edges])])
    return _matches(np.concatenate(chosen), first, second, cost, firsts, seconds)


def _cheapest(first: Int64, second: Int64, cost: Float64) -> Int64:
    """Which edges of one group are a maximum matching of the least cost."""
    from scipy import sparse
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    edge = np.arange(len(first))
    # to leave a row alone costs more than any set of pairs
    alone = (cost.max() + 1) * (min(len(rows), len(columns)) + 1)
    if len(rows) * len(columns) <= _DENSE_CELLS:
        table = np.zeros((len(rows), len(columns)))
        which = np.full(table.shape, -1)
        table[row, column], which[row, column] = cost - alone, edge
        chosen = which[linear_sum_assignment(table)]
        return chosen[chosen >= 0]
    # each row may take a column of its own instead; a stored 0 would be no edge
    own = np.arange(len(rows))
    weights = np.concatenate([cost + 1, np.full(len(rows), alone + 1)])
    places = (np.concatenate([row, own]), np.concatenate([column, len(columns) + own]))
    graph = sparse.csr_array((weights, places), shape=(len(rows), len(columns) + len(rows)))
    left, right = min_weight_full_bipartite_matching(graph)
    taken = right < len(columns)
    edges = dict(zip(zip(row.tolist(), column.tolist(), strict=True), edge.tolist(), strict=True))
    return np.array([edges[pair] for pair in zip(left[taken].tolist(), right[taken].tolist(), strict=True)])


def _matches(chosen: Int64, first: Int64, second: Int64, cost: Float64, firsts: int, seconds: int) -> Matches:
    chosen = chosen[np.argsort(first[chosen], kind="stable")]
    pairs = np.stack([first[chosen], second[chosen]], axis=1).astype(np.int64)
    return Matches(
        pairs=pairs,
        cost=cost[chosen],
        missed=np.setdiff1d(np.arange(seconds), pairs[:, 1]),
        invented=np.setdiff1d(np.arange(firsts), pairs[:, 0]),
    )


def detection_score(
    matches: Matches,
    *,
    seed: int,
    groups: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    interval_over: str = OBJECTS,
) -> DetectionScore:
    """Precision, recall and F1, with percentile bootstrap intervals (Efron 1979).

    What is resampled are objects: a true one, detected or missed, and an invented one, are a unit each. With `groups`, the names of a
    group for each detection and for each truth, whole groups are resampled instead, such as blocks of the volume in which errors go
    together; a pair belongs to the group of its truth, and `interval_over` says what a group is. Below 8 units there is no interval.

    Raises BadInput for groups that are not one a detection and one a truth.
    """
    counts = np.array([len(matches.pairs), len(matches.missed), len(matches.invented)], dtype=np.float64)
    draws = _draws(matches, counts, groups, seed)
    precision, recall, f1 = (float(values[0]) for values in _scores(counts[None]))
    intervals: list[Interval | None] = [None] * 3
    if draws is not None:
        intervals = [percentile_interval(values) for values in _scores(draws)]
    return DetectionScore(
        right=len(matches.pairs),
        missed=len(matches.missed),
        invented=len(matches.invented),
        precision=precision,
        recall=recall,
        f1=f1,
        precision_interval=intervals[0],
        recall_interval=intervals[1],
        f1_interval=intervals[2],
        interval_over=interval_over,
    )


def _draws(
    matches: Matches, counts: Float64, groups: tuple[npt.ArrayLike, npt.ArrayLike] | None, seed: int
) -> Float64 | None:
    """Right, missed and invented (B, 3) of bootstrap samples."""
    if groups is None:
        units = int(counts.sum())
        if units < FEWEST_GROUPS:
            return None
        return np.random.default_rng(seed).multinomial(units, counts / units, size=_REPLICATES).astype(np.float64)
    of_detections, of_truth = (np.asarray(names) for names in groups)
    if of_detections.shape != (matches.detected,) or of_truth.shape != (matches.true,):
        raise BadInput(
            f"groups are named for each detection and each truth, {matches.detected} and {matches.true}; there are "
            f"{of_detections.shape} and {of_truth.shape}"
        )
    units_of = (of_truth[matches.pairs[:, 1]], of_truth[matches.missed], of_detections[matches.invented])
    names, group = np.unique(np.concatenate(units_of), return_inverse=True)
    kind = np.repeat(np.arange(3), [len(units) for units in units_of])
    tallies = np.zeros((len(names), 3))
    np.add.at(tallies, (group, kind), 1)
    times = group_draws(len(names), seed)
    return None if times is None else times @ tallies


def _scores(counts: Float64) -> tuple[Float64, Float64, Float64]:
    """Precision, recall and F1 (B,) of right, missed and invented (B, 3)."""
    right, missed, invented = counts.T
    with np.errstate(invalid="ignore"):
        return right / (right + invented), right / (right + missed), 2 * right / (2 * right + missed + invented)
