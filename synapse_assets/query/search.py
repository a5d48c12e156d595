"""Which vectors are nearest to a vector: exact, by four measures, the best of each class side by side.

Where vectors and facts come from belongs to `warehouse`; an index over more vectors than memory holds to `stores`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from synapse_assets.query.points import Category
from synapse_assets.schema import BadInput

Metric = Literal["cosine", "l2", "l1", "inner_product"]
METRICS: Mapping[str, str] = {
    "cosine": "cosine distance, 0 to 2",
    "l2": "Euclidean distance",
    "l1": "Manhattan distance",
    "inner_product": "negative inner product",
}
# Rows whose differences are held at once where a measure needs them: 64 MB at 1,000 dimensions.
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class Vectors:
    """The vectors of N synapses in memory: float32 (N, dimensions). `present` bool (N,): who has one."""

    matrix: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.float32]

    @classmethod
    def of(cls, matrix: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> "Vectors":
        """With their lengths."""
        return cls(matrix, present, np.sqrt(np.einsum("ij,ij->i", matrix, matrix)))

    def distances(
        self, query: npt.NDArray[np.float32], metric: Metric, among: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        """Distance of the query (dimensions,) to each vector, float32 (N,); meaningful for those `among` only.

        Raises BadInput for an unknown metric.
        """
        if metric not in get_args(Metric):
            raise BadInput(f"no metric '{metric}'; there are {', '.join(get_args(Metric))}")
        if metric == "l1":
            found = np.full(len(self.matrix), np.inf, dtype=np.float32)
            rows = np.flatnonzero(among)
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                some = rows[start : start + _ROWS_AT_ONCE]
                found[some] = np.abs(self.matrix[some] - query).sum(axis=1)
            return found
        products = self.matrix @ query
        if metric == "inner_product":
            return np.asarray(-products)
        length = np.linalg.norm(query)
        if metric == "cosine":
            return np.asarray(1 - products / np.maximum(self.lengths * length, np.finfo(np.float32).tiny))
        return np.asarray(np.sqrt(np.maximum(self.lengths**2 + length**2 - 2 * products, 0)))


def nearest_rows(
    distances: npt.NDArray[np.float32], among: npt.NDArray[np.bool_], k: int, columns: Category | None
) -> list[tuple[str | None, npt.NDArray[np.int64]]]:
    """The `k` nearest rows of those `among`, nearest first: of all as one list (None), or of each class of `columns`.

    Classes of which nothing is among them are left out; a class with fewer than `k` has all of its rows. Equal distances keep
    the order of the rows.
    """
    rows = np.flatnonzero(among)
    if columns is None:
        return [(None, _first(distances, rows, k))]
    codes = columns.codes[rows]
    found = [(value, rows[codes == code]) for code, value in enumerate(columns.names)]
    return [(value, _first(distances, of_class, k)) for value, of_class in found if len(of_class)]


def _first(distances: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
    values = distances[rows]
    if k < len(rows):
        limit = np.partition(values, k - 1)[k - 1]
        rows, values = rows[values <= limit], values[values <= limit]
    return rows[np.argsort(values, kind="stable")[:k]]
