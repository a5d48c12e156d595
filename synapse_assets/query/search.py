"""Which vectors are nearest to a vector: by four metrics, the best of each class side by side.

Where vectors and facts come from belongs to `similarity` and `released_points`; building an index to `stores.vector_index`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput
from synapse_assets.query.points import Category
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import vector_matrix
from synapse_assets.stores.vector_index import roughly_nearest, row_ids

Metric = Literal["cosine", "l2", "l1", "inner_product"]
METRICS: Mapping[str, str] = {
    "cosine": "cosine distance, 0 to 2",
    "l2": "Euclidean distance",
    "l1": "Manhattan distance",
    "inner_product": "negative inner product",
}
# Rows of a stored table that are held at once: 64 MB at 1,000 dimensions.
_ROWS_AT_ONCE = 16_384
# Rows whose differences from the query are held at once: few enough for the processor's cache.
_ROWS_COMPARED_AT_ONCE = 2_048
# Up to so many vectors are all compared, without the index.
_FEW_ROWS = 20_000
# So many candidates are taken from an index, which takes milliseconds, and more if a class comes short.
_REACHES = (2_000, 20_000)
# Candidates that are compared exactly, as a multiple of k.
_COMPARED = 8


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of one class (None: of all), nearest first, and their distances."""

    name: str | None
    rows: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]


class Vectors(Protocol):
    """The vectors of N synapses, in the order of their points. `present` bool (N,): which synapses have one."""

    present: npt.NDArray[np.bool_]

    def at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The vectors of those rows, in their order, float32 (n, dimensions)."""

    def nearest(
        self,
        query: npt.NDArray[np.float32],
        metric: Metric,
        selected: npt.NDArray[np.bool_],
        k: int,
        columns: Category | None,
    ) -> list[Neighbours]:
        """The `k` nearest of the rows `selected` (N,): of all as one list, or of each class of `columns`.

        Classes without a selected row are left out; a class with fewer than `k` has all of its rows. Raises BadInput for
        an unknown metric.
        """


class VectorsInMemory:
    """Vectors as one matrix, float32 (N, dimensions): exact, and quicker than any index until memory is short."""

    def __init__(self, matrix: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> None:
        self.present = present
        self._matrix = matrix
        self._lengths = _lengths(matrix)

    def at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """See `Vectors`."""
        return self._matrix[rows]

    def nearest(
        self,
        query: npt.NDArray[np.float32],
        metric: Metric,
        selected: npt.NDArray[np.bool_],
        k: int,
        columns: Category | None,
    ) -> list[Neighbours]:
        """See `Vectors`. Equal distances keep the order of the rows."""
        return nearest_rows(distances(self._matrix, query, metric, self._lengths), selected, k, columns)


class StoredVectors:
    """Vectors that stay in their Lance table, searched through its index: for more than memory should hold.

    numbers: int64 (N,), the row of each point in the table, -1 where it has none. For cosine distance the index gives candidates,
    which are compared exactly; classes with too few candidates are read in full, and so are all vectors for the other
    metrics.
    """

    def __init__(self, table: RegionTable, numbers: npt.NDArray[np.int64]) -> None:
        self.present = numbers >= 0
        self._table, self._numbers = table, numbers
        ids = row_ids(table)
        points = np.full(len(ids), -1, dtype=np.int64)
        points[numbers[self.present]] = np.flatnonzero(self.present)
        order = np.argsort(ids)
        self._row_ids, self._points = ids[order], points[order]

    def at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """See `Vectors`."""
        return vector_matrix(self._table.take(self._numbers[rows].tolist(), ["vector"]))

    def nearest(
        self,
        query: npt.NDArray[np.float32],
        metric: Metric,
        selected: npt.NDArray[np.bool_],
        k: int,
        columns: Category | None,
    ) -> list[Neighbours]:
        """See `Vectors`; nearly exact for cosine distance: more index candidates are compared than in the index's own check."""
        compared = selected
        if metric == "cosine" and selected.sum() > _FEW_ROWS:
            compared = self._candidates(query, selected, k, columns)
        values = np.full(len(selected), np.inf, dtype=np.float32)
        rows = np.flatnonzero(compared)
        rows = rows[np.argsort(self._numbers[rows])]
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chunk = rows[start : start + _ROWS_AT_ONCE]
            values[chunk] = distances(self.at(chunk), query, metric)
        return nearest_rows(values, compared, k, columns)

    def _candidates(
        self, query: npt.NDArray[np.float32], selected: npt.NDArray[np.bool_], k: int, columns: Category | None
    ) -> npt.NDArray[np.bool_]:
        """Rows (N,) to compare: of each class several times `k` that the index gives as near, or all where it gives too few."""
        if columns is not None:
            selected = selected & (columns.codes >= 0)
        if not selected.any():
            return selected
        classes = np.zeros(len(selected), dtype=np.int64) if columns is None else columns.codes
        sizes = np.bincount(classes[selected], minlength=1 if columns is None else len(columns.names))
        for reach in _REACHES:
            ids, rough = roughly_nearest(self._table, query, min(reach, len(selected)))
            points = self._points[np.searchsorted(self._row_ids, ids)]
            values = np.full(len(selected), np.inf, dtype=np.float32)
            values[points[points >= 0]] = rough[points >= 0]
            near = selected & np.isfinite(values)
            counts = np.bincount(classes[near], minlength=len(sizes))
            if (counts >= np.minimum(_COMPARED * k, sizes)).all():
                break
        too_few = counts < np.minimum(k, sizes)
        compared = selected & too_few[classes]
        for neighbours in nearest_rows(values, near, _COMPARED * k, columns):
            compared[neighbours.rows] = True
        return compared


def distances(
    matrix: npt.NDArray[np.float32],
    query: npt.NDArray[np.float32],
    metric: Metric,
    lengths: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Distance of the query (dimensions,) to each row of a matrix (n, dimensions), float32 (n,).

    `lengths` (n,) of the rows, for cosine distance, where they are known. Raises BadInput for an unknown metric.
    """
    if metric not in get_args(Metric):
        raise BadInput(f"no metric '{metric}'; there are {', '.join(get_args(Metric))}")
    if metric in ("l1", "l2"):
        # Not |a|^2 + |q|^2 - 2aq: for long vectors that are nearly equal no digit would be left.
        result = np.empty(len(matrix), dtype=np.float32)
        for start in range(0, len(matrix), _ROWS_COMPARED_AT_ONCE):
            chunk = slice(start, start + _ROWS_COMPARED_AT_ONCE)
            differences = matrix[chunk] - query
            result[chunk] = (
                np.abs(differences, out=differences).sum(axis=1) if metric == "l1" else _lengths(differences)
            )
        return result
    products = matrix @ query
    if metric == "inner_product":
        return np.asarray(-products)
    lengths = _lengths(matrix) if lengths is None else lengths
    return np.asarray(1 - products / np.maximum(lengths * np.linalg.norm(query), np.finfo(np.float32).tiny))


def nearest_rows(
    values: npt.NDArray[np.float32], selected: npt.NDArray[np.bool_], k: int, columns: Category | None
) -> list[Neighbours]:
    """The selected rows with the smallest values (N,), as `Vectors.nearest` gives them."""
    rows = np.flatnonzero(selected)
    if columns is None:
        return [_first(None, values, rows, k)]
    rows = rows[np.argsort(columns.codes[rows], kind="stable")]
    codes, starts = np.unique(columns.codes[rows], return_index=True)
    classes = zip(codes, np.split(rows, starts[1:]), strict=True) if len(rows) else ()
    return [_first(columns.names[code], values, class_rows, k) for code, class_rows in classes if code >= 0]


def _first(name: str | None, values: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int) -> Neighbours:
    row_values = values[rows]
    if k < len(rows):
        limit = np.partition(row_values, k - 1)[k - 1]
        rows, row_values = rows[row_values <= limit], row_values[row_values <= limit]
    order = np.argsort(row_values, kind="stable")[:k]
    return Neighbours(name, rows[order], row_values[order])


def _lengths(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", matrix, matrix)))
