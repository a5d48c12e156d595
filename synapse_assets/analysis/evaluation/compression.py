"""Shorter vectors, and what they lose: the leading numbers or principal components of a vector, in half precision or in one byte each.

Belongs here: fitting and applying a compression, and how many neighbours it keeps. Does not belong here: retrieval of synapses of the same
kind (`retrieval`), or which vectors are compressed (`pipeline.em.compression`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import scipy.linalg

from synapse_assets.analysis.clustering.projection import unit_rows
from synapse_assets.analysis.evaluation.retrieval import RetrievalScore
from synapse_assets.analysis.evaluation.scores import bootstrap_groups, percentile_interval
from synapse_assets.errors import BadInput

Float32 = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]
Method = Literal["full", "leading numbers", "principal components"]
Number = Literal["float16", "int8"]

SIZES = (128, 64, 32, 16)
"""Dimensions that vectors are shortened to, where they have more."""
NEIGHBOURS = 10
NEIGHBOUR_RECALL = "neighbour recall"
# By how much equal similarities may differ: another order of summation, in float32.
_TOLERANCE = 1e-5
# Similarities of a block of queries in memory at once.
_BLOCK_NUMBERS = 4 * 2**20


@dataclass(frozen=True)
class Compression:
    """One way to make vectors (N, D) shorter.

    method: "full" leaves them as they are, "leading numbers" keeps the first ones, and "principal components" are vectors @ `directions`
    (D, dimensions). number: what each is stored as. scale: float32 (dimensions,), of int8 only: see `to_int8`.
    """

    method: Method
    dimensions: int
    number: Number
    directions: Float32 | None = None
    scale: Float32 | None = None

    @property
    def bytes(self) -> int:
        """Bytes of a vector, without what is stored once for all: directions and scale."""
        return self.dimensions * (1 if self.number == "int8" else 2)

    def restored(self, vectors: npt.ArrayLike) -> Float32:
        """The vectors (N, D) as they are read after they were stored so, float32 (N, dimensions)."""
        if self.scale is not None:
            return from_int8(self.codes(vectors), self.scale)
        largest = np.finfo(np.float16).max
        return self.shortened(vectors).clip(-largest, largest).astype(np.float16).astype(np.float32)

    def shortened(self, vectors: npt.ArrayLike) -> Float32:
        """The vectors (N, D) with so many numbers, but as they are: float32 (N, dimensions)."""
        rows = np.asarray(vectors, dtype=np.float32)
        return rows[:, : self.dimensions] if self.directions is None else rows @ self.directions

    def codes(self, vectors: npt.ArrayLike) -> Int8:
        """The vectors (N, D) as they are stored in int8 (N, dimensions). Raises ValueError for a way that is not of int8."""
        if self.scale is None:
            raise ValueError(f"{self.method} in {self.number} has no codes of one byte")
        return to_int8(self.shortened(vectors), self.scale)


def compressions(vectors: npt.ArrayLike, in_falling_order: bool) -> list[Compression]:
    """What vectors (N, D) can be compressed to, fitted on them: in full first, then each of `SIZES` below D, largest first.

    `in_falling_order`: whether the numbers of a vector come in falling order of what they tell, so that the leading ones may stand for
    all. Each is given in half precision and in int8. Raises BadInput for NaN or infinite values, and for no vectors.
    """
    unit = unit_rows(vectors)
    if not unit.size:
        raise BadInput(f"compression: nothing to fit, the vectors are a table of {unit.shape}")
    rows, width = np.asarray(vectors, dtype=np.float32), unit.shape[1]
    sizes = [size for size in SIZES if size < width]
    directions = principal_directions(unit, max(sizes, default=0))
    half: list[Compression] = [Compression("full", width, "float16")]
    for size in sizes:
        if in_falling_order:
            half.append(Compression("leading numbers", size, "float16"))
        half.append(Compression("principal components", size, "float16", directions[:, :size]))
    both: list[Compression] = []
    for entry in half:
        scale = int8_scale(entry.restored(rows))
        both += [entry, Compression(entry.method, entry.dimensions, "int8", entry.directions, scale)]
    return both


def principal_directions(unit: Float32, count: int) -> Float32:
    """The `count` orthonormal directions, float32 (D, count), on which vectors of length 1 (N, D) have the largest mean square.

    They are principal components about the origin, not about the mean, as cosine distance is measured from there: vectors of rank
    `count` keep every cosine. Signs are such that the largest entry of each is positive.
    """
    width = unit.shape[1]
    if not count:
        return np.zeros((width, 0), dtype=np.float32)
    rows = unit.astype(np.float64)
    vectors = scipy.linalg.eigh(rows.T @ rows, subset_by_index=(width - count, width - 1))[1][:, ::-1]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    return cast(Float32, (vectors * signs).astype(np.float32))


def int8_scale(vectors: Float32) -> Float32:
    """The step of each column of vectors (N, D) in int8, float32 (D,): its largest absolute value / 127; 1 for a column of zeros."""
    largest = np.abs(vectors).max(axis=0)
    # Below that a step would be no normal float32.
    return np.where(largest > 127 * np.finfo(np.float32).tiny, largest / 127, 1).astype(np.float32)


def to_int8(vectors: Float32, scale: Float32) -> Int8:
    """Vectors (N, D) in one byte a number: round(value / scale of its column), from -127 to 127.

    Within 127 scales `from_int8` gives back each number to half a scale; numbers beyond become the largest.
    """
    return np.rint(vectors / scale).clip(-127, 127).astype(np.int8)


def from_int8(codes: Int8, scale: Float32) -> Float32:
    """What `to_int8` encoded, float32 (N, D): code * scale of its column."""
    return codes.astype(np.float32) * scale


def score_neighbours(
    full: npt.ArrayLike,
    compressed: Sequence[npt.ArrayLike],
    queries: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
    seed: int,
) -> list[RetrievalScore]:
    """For each of the compressed vectors (N, any) which share of the ten nearest others by the full vectors (N, D) they find, by cosine.

    The share is a mean over `queries` (n,), rows; its interval is over `groups` (n,), those of the queries. All others are found where
    there are at most ten. A neighbour counts by its full distance, so one of several equal pictures is as good as the other. No
    scores without queries, or below two vectors. Raises BadInput for NaN or infinite values.
    """
    unit, units = unit_rows(full), [unit_rows(vectors) for vectors in compressed]
    most = min(NEIGHBOURS, len(unit) - 1)
    if most < 1 or not len(queries):
        return []
    kept = np.zeros((len(queries), len(units)))
    step = max(1, _BLOCK_NUMBERS // len(unit))
    for start in range(0, len(queries), step):
        rows = queries[start : start + step]
        alike = _similarities(unit, rows)
        limit = np.partition(alike, -most, axis=1)[:, -most, None] - _TOLERANCE
        for column, short in enumerate(units):
            nearest = np.argpartition(_similarities(short, rows), -most, axis=1)[:, -most:]
            kept[start : start + step, column] = (np.take_along_axis(alike, nearest, axis=1) >= limit).mean(axis=1)
    return shares_with_intervals(kept, groups, seed)


def shares_with_intervals(
    kept: npt.NDArray[np.float64], groups: npt.NDArray[np.str_], seed: int
) -> list[RetrievalScore]:
    """The neighbour recall of each column of `kept` (n, columns), the shares that n queries keep of their nearest: the mean, with an
    interval over `groups` (n,), those of the queries."""
    names, of_query = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), kept.shape[1] + 1))
    np.add.at(sums, of_query, np.column_stack([kept, np.ones(len(kept))]))
    resampled = bootstrap_groups(sums, seed)
    scores = []
    for column, value in enumerate(kept.mean(axis=0)):
        values = None if resampled is None else resampled[:, column] / resampled[:, -1]
        interval = None if values is None else percentile_interval(values)
        scores.append(
            RetrievalScore(
                NEIGHBOUR_RECALL, NEIGHBOURS, float(value), interval, len(kept), len(names), 0, resampled=values
            )
        )
    return scores


class RunningRecall:
    """Which share of the ten nearest others by one kind of vectors n queries find by shorter ones, by cosine, where all vectors come in
    batches: as `score_neighbours` counts it for vectors that are in memory.

    queries: float32 (n, D) and (n, any), the vectors of the queries by each kind. rows: the row of each query among all, which is none of
    its own neighbours.
    """

    def __init__(self, queries: npt.ArrayLike, short: npt.ArrayLike, rows: npt.NDArray[np.int64]) -> None:
        self._queries, self._short, self._rows = unit_rows(queries), unit_rows(short), rows
        # Of each query the largest similarities so far; and those by the shorter vectors, each with that of the same row by the others.
        self._largest = np.full((len(rows), NEIGHBOURS), -2, dtype=np.float32)
        self._found = np.full((2, len(rows), NEIGHBOURS), -2, dtype=np.float32)

    def add(self, rows: npt.NDArray[np.int64], vectors: npt.ArrayLike, short: npt.ArrayLike) -> None:
        """Takes further rows (m,), with their vectors of both kinds, (m, D) and (m, any)."""
        if not len(rows):
            return
        alike, alike_short = self._queries @ unit_rows(vectors).T, self._short @ unit_rows(short).T
        own = self._rows[:, None] == rows
        alike[own] = alike_short[own] = -2
        largest = np.concatenate([self._largest, alike], axis=1)
        self._largest = np.partition(largest, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        found = np.concatenate([self._found, np.stack([alike_short, alike])], axis=2)
        nearest = np.argpartition(found[0], -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        self._found = np.take_along_axis(found, nearest[None], axis=2)

    @property
    def kept(self) -> npt.NDArray[np.float64]:
        """The share of each query, (n,); of all others where there are at most ten."""
        there = self._largest > -2
        limit = np.where(there, self._largest, np.inf).min(axis=1, keepdims=True) - _TOLERANCE
        return np.asarray(((self._found[1] >= limit) & (self._found[1] > -2)).sum(axis=1) / there.sum(axis=1))


def _similarities(unit: Float32, rows: npt.NDArray[np.int64]) -> Float32:
    """Cosine similarity of those rows to all (n, N); of a row to itself below all others."""
    alike: Float32 = unit[rows] @ unit.T
    alike[np.arange(len(rows)), rows] = -2
    return alike
