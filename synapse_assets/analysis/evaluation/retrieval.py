"""How well vectors retrieve synapses of the same kind: recall, precision, average precision, nearest neighbours that vote.

Belongs here: ranking the synapses of a sample by their distance from each of them, and what is counted in that order. Does not
belong here: which vectors are compared and where they come from (`pipeline.em.scorecard`), search for a person (`query`).

A synapse always resembles its own neuron, and tiles of near places show the same pixels; either would be counted as knowledge of
the class. So both are left out, as in a search.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.projection import unit_rows
from synapse_assets.analysis.evaluation.scores import Interval, bootstrap_groups, percentile_interval
from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
RetrievalMetric = Literal["cosine", "euclidean"]

KS = (1, 5, 10)
"""Numbers of neighbours that recall and precision are taken of."""
VOTERS = 10
"""Neighbours that vote for a class."""
RECALL, PRECISION, AVERAGE_PRECISION, KNN = "recall", "precision", "mean average precision", "k-NN balanced accuracy"
# Numbers of a block of the matrix of distances; there are about ten arrays of its size at a time.
_BLOCK_NUMBERS = 4 * 2**20


@dataclass(frozen=True)
class Exclusion:
    """Which of N synapses are not to be retrieved by which.

    neurons    (N,) int64, the neuron of each; -1 where it is not known
    places_nm  (N, 3) float64; volumes (N,) int64, the volume that each lies in
    near_nm    synapses of one volume as near as this are left out; 0 leaves out those at the same place
    """

    neurons: Int64
    places_nm: Float64
    volumes: Int64
    near_nm: float

    def of(self, rows: Int64) -> Bool:
        """Which are left out for each of these rows, itself included, (n, N)."""
        left_out: Bool = (self.neurons[rows, None] == self.neurons[None]) & (self.neurons[rows, None] >= 0)
        squared = np.zeros(left_out.shape)
        for axis in range(3):
            squared += (self.places_nm[rows, axis, None] - self.places_nm[None, :, axis]) ** 2
        left_out |= (squared <= self.near_nm**2) & (self.volumes[rows, None] == self.volumes[None])
        left_out[np.arange(len(rows)), rows] = True
        return left_out


@dataclass(frozen=True)
class RetrievalScore:
    """One score of one set of vectors.

    score      `RECALL`: the share of queries with at least one of their kind among the k nearest. `PRECISION`: the mean share of
               their kind among these (purity). `AVERAGE_PRECISION`: the mean over queries of the precision at the rank of each of
               their kind (Manning et al. 2008, chapter 8.4); k is None. `KNN`: the class with most votes of the k nearest, each
               weighted by its cosine similarity; recall of every class, averaged
    value      0 to 1; interval: 95 %, percentile bootstrap over groups; None below 8 of them
    queries    how many were counted; groups: their independent groups; left_out: labelled queries without any of their kind
               left to retrieve
    resampled  (2000,) the score of each bootstrap sample, for paired differences from another score of the same queries
    """

    score: str
    k: int | None
    value: float
    interval: Interval | None
    queries: int
    groups: int
    left_out: int
    resampled: Float64 | None = field(default=None, repr=False, compare=False)


def score_retrieval(
    vectors: npt.ArrayLike,
    labels: Mapping[str, Sequence[str | None]],
    exclusion: Exclusion,
    groups: npt.NDArray[Any],
    metric: RetrievalMetric,
    seed: int,
) -> dict[str, list[RetrievalScore]]:
    """The scores of `vectors` (N, D) by each column of `labels` (N values; None or "" is unknown), by its name.

    Every labelled synapse is a query among all others with a label of that column, but for those of `exclusion`; a query that has
    none of its kind left to retrieve is left out and counted, and a column without queries has no scores. `groups` (N,) are the
    independent units of the intervals, such as neurons; `seed` is that of their bootstrap. The order of equal distances is not defined.

    The N x N distances are worked through in blocks of rows. Raises BadInput for NaN or infinite values, and another number of
    labels, groups or places than of vectors.
    """
    unit, nearness = _nearness(vectors, metric)
    codes = {name: _codes(values) for name, values in labels.items()}
    sizes = {len(unit), len(groups), len(exclusion.neurons), len(exclusion.places_nm), len(exclusion.volumes)}
    if len(sizes | {len(code) for code, _ in codes.values()}) > 1:
        raise BadInput(f"retrieval: {len(unit)} vectors, but labels, groups or places of other numbers")
    tallies = {name: _Tally(code, classes) for name, (code, classes) in codes.items()}
    for rows in _blocks(len(unit)):
        left_out = exclusion.of(rows)
        order = np.argsort(np.where(left_out, np.inf, -nearness(rows)), axis=1)
        present = np.arange(len(unit))[None] < len(unit) - left_out.sum(axis=1, keepdims=True)
        for tally in tallies.values():
            tally.count(rows, order, present, unit)
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    return {name: tally.scores(group, seed) for name, tally in tallies.items()}


class _Tally:
    """What is counted of the queries of one column of labels, block by block."""

    def __init__(self, code: Int64, classes: int) -> None:
        self._code, self._classes = code, classes
        self._relevant = np.zeros(len(code), dtype=np.int64)
        self._hits = np.zeros((len(code), len(KS)), dtype=np.int64)
        self._ranked = np.zeros((len(code), len(KS)), dtype=np.int64)
        self._average_precision = np.zeros(len(code))
        self._voted = np.full(len(code), -1, dtype=np.int64)

    def count(self, rows: Int64, order: Int64, present: Bool, unit: npt.NDArray[np.float32]) -> None:
        """Counts the queries `rows` (n,), given all synapses by nearness, `order` (n, N), of which those `present` count."""
        labelled = self._code[rows] >= 0
        if not labelled.any():
            return
        if not labelled.all():
            rows, order, present = rows[labelled], order[labelled], present[labelled]
        kinds = self._code[order]
        ranked = present & (kinds >= 0)
        hit = ranked & (kinds == self._code[rows, None])
        rank = ranked.cumsum(axis=1, dtype=np.int32)
        of_hit = np.nonzero(hit)[0]
        precision = hit.cumsum(axis=1, dtype=np.int32)[hit] / rank[hit]
        total = np.bincount(of_hit, minlength=len(rows))
        self._relevant[rows] = total
        summed = np.bincount(of_hit, weights=precision, minlength=len(rows))
        self._average_precision[rows] = summed / np.maximum(total, 1)
        query, column = np.nonzero(ranked & (rank <= max(*KS, VOTERS)))
        position, is_hit = rank[query, column], hit[query, column]
        for i, k in enumerate(KS):
            self._ranked[rows, i] = np.bincount(query[position <= k], minlength=len(rows))
            self._hits[rows, i] = np.bincount(query[is_hit & (position <= k)], minlength=len(rows))
        query, column = query[position <= VOTERS], column[position <= VOTERS]
        voter = order[query, column]
        # From 0 for the opposite to 1 for the same direction.
        weight = (1 + (unit[rows[query]].astype(np.float64) * unit[voter]).sum(axis=1)) / 2
        # One number for each query and class that got a vote; of equal votes the first class wins.
        pair, of_pair = np.unique(query * max(1, self._classes) + self._code[voter], return_inverse=True)
        votes = np.bincount(of_pair, weights=weight, minlength=len(pair))
        best = np.lexsort((pair, -votes, pair // max(1, self._classes)))
        first = np.unique(pair[best] // max(1, self._classes), return_index=True)
        self._voted[rows[first[0]]] = pair[best][first[1]] % max(1, self._classes)

    def scores(self, group: Int64, seed: int) -> list[RetrievalScore]:
        """The scores, with intervals over `group` (N,); none without a query."""
        counted = self._relevant > 0
        queries, left_out = int(counted.sum()), int(((self._code >= 0) & ~counted).sum())
        if not queries:
            return []
        names, of_query = np.unique(group[counted], return_inverse=True)
        hits, ranked = self._hits[counted], self._ranked[counted]
        columns = [
            *((RECALL, k, hits[:, i] > 0) for i, k in enumerate(KS)),
            *((PRECISION, k, hits[:, i] / ranked[:, i]) for i, k in enumerate(KS)),
            (AVERAGE_PRECISION, None, self._average_precision[counted]),
        ]
        sums = np.zeros((len(names), len(columns) + 1))
        np.add.at(sums, of_query, np.column_stack([*(values for _, _, values in columns), np.ones(queries)]))
        totals = sums.sum(axis=0)
        resampled = bootstrap_groups(sums, seed)
        means = None if resampled is None else resampled[:, :-1] / resampled[:, -1:]

        def score(name: str, k: int | None, value: float, values: Float64 | None) -> RetrievalScore:
            interval = None if values is None else percentile_interval(values)
            return RetrievalScore(name, k, value, interval, queries, len(names), left_out, values)

        scores = [
            score(name, k, float(totals[i] / totals[-1]), None if means is None else means[:, i])
            for i, (name, k, _) in enumerate(columns)
        ]
        # Votes that are right and all queries, by group and class: no matrices of all classes, of which there may be hundreds.
        kind = self._code[counted]
        right = np.zeros((len(names), self._classes, 2))
        np.add.at(right, (of_query, kind), np.column_stack([self._voted[counted] == kind, np.ones(queries)]))
        of_samples = bootstrap_groups(right, seed)
        value = float(_mean_recall(right.sum(axis=0)[None])[0])
        return [*scores, score(KNN, VOTERS, value, None if of_samples is None else _mean_recall(of_samples))]


def _mean_recall(right: Float64) -> Float64:
    """The mean (B,) over the classes that occur of their recall, from (B, C, 2): right and all. At least one class occurs."""
    occurs = right[..., 1] > 0
    recall = right[..., 0] / np.where(occurs, right[..., 1], 1)
    mean: Float64 = recall.sum(axis=1, where=occurs) / occurs.sum(axis=1)
    return mean


def _nearness(vectors: npt.ArrayLike, metric: RetrievalMetric) -> tuple[npt.NDArray[np.float32], Any]:
    """The vectors with length 1, float32 (N, D), and a function of rows (n,) to a matrix (n, N) that is higher the nearer."""
    unit = unit_rows(vectors)
    if metric == "cosine":
        return unit, lambda rows: unit[rows] @ unit.T
    if metric != "euclidean":
        raise BadInput(f"no metric '{metric}' of retrieval; there are {', '.join(get_args(RetrievalMetric))}")
    # Around their mean, and in double precision: the difference of two large squares has few digits.
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0) if len(centred) else centred
    squares = np.square(centred).sum(axis=1)
    return unit, lambda rows: 2 * centred[rows] @ centred.T - squares[rows, None] - squares[None]


def _codes(values: Sequence[str | None]) -> tuple[Int64, int]:
    """The class number of each value, from 0 in the order of the names, -1 without a value; and the number of classes."""
    known = np.array([bool(value) for value in values], dtype=bool)
    code = np.full(len(known), -1, dtype=np.int64)
    names, code[known] = np.unique(np.array([value for value in values if value], dtype=str), return_inverse=True)
    return code, len(names)


def _blocks(rows: int) -> Iterator[Int64]:
    step = max(1, _BLOCK_NUMBERS // max(1, rows))
    for start in range(0, rows, step):
        yield np.arange(start, min(start + step, rows))
