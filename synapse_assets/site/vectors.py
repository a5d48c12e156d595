"""The vectors of a site: the fewest bytes in which they still find what the full ones find, and what they lose by it.

How vectors are shortened belongs to `analysis.evaluation.compression`, the rule by which a way is chosen to `pipeline.em.compression`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.compression import (
    Compression,
    RunningRecall,
    compressions,
    shares_with_intervals,
)
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.compression import (
    FITTED,
    QUERIES,
    Drawn,
    in_falling_order,
    judged_by_neighbours,
    smallest,
)
from synapse_assets.query import Warehouse
from synapse_assets.query.search import Vectors
from synapse_assets.site.folder import SiteFolder
from synapse_assets.stores import DatasetStore

# Rows in memory at once.
_ROWS = 2_048
# Up to so many bytes more numbers than are needed are stored: a visitor hardly waits for them, and finds what the lab finds.
_ROOM_BYTES = 8_000_000


@dataclass(frozen=True)
class Recall:
    """Which share of the ten nearest by other vectors the vectors of the site find too, by cosine: a mean over `queries` synapses among
    `among`. interval: 95 %, over neurons; None where these are too few."""

    value: float
    interval: tuple[float, float] | None
    queries: int
    among: int


@dataclass(frozen=True)
class SiteVectors:
    """How the vectors of a site are stored.

    way: in int8. reported: whether the asset compression_report chose it. recall_int8: against the same width in float32; recall_full:
    against all `full_dimensions`.
    """

    way: Compression
    reported: bool
    full_dimensions: int
    recall_int8: Recall | None
    recall_full: Recall | None

    def described(self) -> dict[str, Any]:
        """As it stands in site.json."""
        return {
            "dimensions": self.way.dimensions,
            "scale": [] if self.way.scale is None else [float(step) for step in self.way.scale],
            "directions_of": self.way.method,
            "full_dimensions": self.full_dimensions,
            "chosen_by": "compression_report" if self.reported else "neighbours",
            "recall_int8": _plain(self.recall_int8),
            "recall_full": _plain(self.recall_full),
        }


@dataclass(frozen=True)
class _Sample(Drawn):
    """rows: of the points."""

    rows: npt.NDArray[np.int64]


def write_vectors(folder: SiteFolder, name: str, warehouse: Warehouse, store: DatasetStore, seed: int) -> SiteVectors:
    """Writes the vectors of the points of a release, int8 (N, dimensions), zeros where a synapse has none. Gives how they are stored.

    Vectors are read in batches. Raises BadInput where no synapse has one, and where they are damaged.
    """
    from threadpoolctl import threadpool_limits

    # The order in which threads sum decides the last bit, and so, here and there, a code.
    with threadpool_limits(1):
        return _write(folder, name, warehouse, store, seed)


def _write(folder: SiteFolder, name: str, warehouse: Warehouse, store: DatasetStore, seed: int) -> SiteVectors:
    vectors = warehouse.stored_vectors
    present = np.flatnonzero(vectors.present)
    if not len(present):
        raise BadInput(
            f"no synapse of the release of {store.dataset} has a vector: materialise its embeddings, then its warehouse"
        )
    drawn = _drawn(warehouse, vectors, present, seed)
    way, reported = _chosen(drawn, warehouse, store, len(vectors.present), seed)
    recalls = _Recalls(drawn, way, seed)
    with folder.file(name) as stream:
        for rows, full in _batches(vectors):
            codes = np.zeros((len(rows), way.dimensions), dtype=np.int8)
            with_vector = vectors.present[rows]
            codes[with_vector] = way.codes(full)
            stream.write(codes.tobytes())
            recalls.add(rows[with_vector], full)
    return SiteVectors(way, reported, drawn.vectors.shape[1], *recalls.scores(len(present), seed))


def _drawn(warehouse: Warehouse, vectors: Vectors, present: npt.NDArray[np.int64], seed: int) -> "_Sample":
    rows = np.sort(np.random.default_rng(seed).permutation(present)[:FITTED])
    neurons = warehouse.points.neurons[rows]
    groups = np.where(neurons >= 0, neurons, -1 - rows).astype(str)
    return _Sample(vectors.at(rows), groups, rows)


def _chosen(drawn: Drawn, warehouse: Warehouse, store: DatasetStore, rows: int, seed: int) -> tuple[Compression, bool]:
    """The smallest way in int8 that is good enough by the release's compression_report, else by the same rule on these vectors, or the
    longest of its kind that fits into `_ROOM_BYTES`; all numbers where none is good enough. Whether it was reported."""
    encoder, full = str(warehouse.release["models"]["encoder"]), drawn.vectors.shape[1]
    report = [row for row in warehouse.compression_report() if row["encoder"] == encoder]
    best = smallest(report, "int8") if report else None
    falling = best["method"] == "leading numbers" if best else not report and in_falling_order(store, encoder)
    ways = compressions(drawn.vectors, falling)
    if not report and len(drawn.vectors) > 1:
        best = smallest(judged_by_neighbours(drawn, ways, encoder, seed), "int8")
    method, dimensions = (best["method"], best["dimensions"]) if best else ("full", full)
    good = [way for way in ways if way.number == "int8" and way.dimensions >= dimensions]
    good = [way for way in good if way.method in (method, "full")]
    fitting = [way for way in good if way.dimensions * rows <= _ROOM_BYTES]
    return max(fitting, default=min(good, key=_width), key=_width), bool(report)


def _width(way: Compression) -> int:
    return way.dimensions


def _batches(vectors: Vectors) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """All rows in their order, and the vectors of those that have one."""
    width = vectors.at(np.flatnonzero(vectors.present)[:1]).shape[1]
    for start in range(0, len(vectors.present), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(vectors.present)))
        with_vector = rows[vectors.present[rows]]
        yield rows, vectors.at(with_vector) if len(with_vector) else np.zeros((0, width), dtype=np.float32)


class _Recalls:
    """What the stored vectors find again, among all of them: against the same width in float32, and against all numbers."""

    def __init__(self, drawn: _Sample, way: Compression, seed: int) -> None:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(drawn.rows))[:QUERIES])
        full, rows = drawn.vectors[chosen], drawn.rows[chosen]
        stored = way.restored(full)
        self._way, self._groups = way, drawn.groups[chosen]
        self._against = [RunningRecall(way.shortened(full), stored, rows), RunningRecall(full, stored, rows)]

    def add(self, rows: npt.NDArray[np.int64], full: npt.NDArray[np.float32]) -> None:
        """Takes further rows and their vectors."""
        stored = self._way.restored(full)
        self._against[0].add(rows, self._way.shortened(full), stored)
        self._against[1].add(rows, full, stored)

    def scores(self, among: int, seed: int) -> tuple[Recall | None, Recall | None]:
        """Both, among that many; None where none has a neighbour."""
        if among < 2:
            return None, None
        kept = np.column_stack([against.kept for against in self._against])
        short, full = shares_with_intervals(kept, self._groups, seed)
        return Recall(short.value, short.interval, len(kept), among), Recall(
            full.value, full.interval, len(kept), among
        )


def _plain(recall: Recall | None) -> dict[str, Any] | None:
    if recall is None:
        return None
    low, high = recall.interval or (None, None)
    return {"value": recall.value, "low": low, "high": high, "queries": recall.queries, "among": recall.among}
