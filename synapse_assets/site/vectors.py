"""The vectors of a site: the fewest bytes in which they still find what the full ones find, and what they lose by it.

How vectors are shortened belongs to `analysis.evaluation.compression`, the rule by which a way is chosen to `pipeline.em.compression`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.compression import (
    Compression,
    compressions,
    int8_scale,
    score_neighbours,
    to_int8,
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
_ROWS = 8_192


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

    way: in int8. scale: the step of each number, float32 (dimensions,). reported: whether the asset compression_report chose the way.
    recall_int8: against the same width in float32; recall_full: against all `full_dimensions`.
    """

    way: Compression
    scale: npt.NDArray[np.float32]
    reported: bool
    full_dimensions: int
    recall_int8: Recall | None
    recall_full: Recall | None

    def described(self) -> dict[str, Any]:
        """As it stands in site.json."""
        return {
            "dimensions": self.way.dimensions,
            "scale": [float(step) for step in self.scale],
            "directions_of": self.way.method,
            "full_dimensions": self.full_dimensions,
            "chosen_by": "compression_report" if self.reported else "neighbours",
            "recall_int8": _plain(self.recall_int8),
            "recall_full": _plain(self.recall_full),
        }


def write_vectors(folder: SiteFolder, name: str, warehouse: Warehouse, store: DatasetStore, seed: int) -> SiteVectors:
    """Writes the vectors of the points of a release, int8 (N, dimensions), zeros where a synapse has none. Gives how they are stored.

    Vectors are read in batches, twice. Raises BadInput where no synapse has one, and where they are damaged.
    """
    vectors = warehouse.stored_vectors
    present = np.flatnonzero(vectors.present)
    if not len(present):
        raise BadInput(
            f"no synapse of the release of {store.dataset} has a vector: materialise its embeddings, then its warehouse"
        )
    drawn = _drawn(warehouse, vectors, present, seed)
    way, reported = _chosen(drawn, warehouse, store, seed)
    largest = np.zeros((1, way.dimensions), dtype=np.float32)
    for _, short in _batches(vectors, way):
        np.maximum(largest, np.abs(short).max(axis=0, initial=0), out=largest)
    scale = int8_scale(largest)
    way = replace(way, scale=scale)
    with folder.file(name) as stream:
        for rows, short in _batches(vectors, way):
            codes = np.zeros((len(rows), way.dimensions), dtype=np.int8)
            codes[vectors.present[rows]] = to_int8(short, scale)
            stream.write(codes.tobytes())
    return SiteVectors(way, scale, reported, drawn.vectors.shape[1], *_recalls(drawn, way, seed))


def _drawn(warehouse: Warehouse, vectors: Vectors, present: npt.NDArray[np.int64], seed: int) -> Drawn:
    rows = np.sort(np.random.default_rng(seed).permutation(present)[:FITTED])
    neurons = warehouse.points.neurons[rows]
    groups = np.where(neurons >= 0, neurons, -1 - rows).astype(str)
    return Drawn(vectors.at(rows), groups)


def _chosen(drawn: Drawn, warehouse: Warehouse, store: DatasetStore, seed: int) -> tuple[Compression, bool]:
    """The smallest way in int8 that is good enough by the release's compression_report, else by the same rule on these vectors; all numbers
    where none is. Whether it was reported."""
    encoder, full = str(warehouse.release["models"]["encoder"]), drawn.vectors.shape[1]
    report = [row for row in warehouse.compression_report() if row["encoder"] == encoder]
    best = smallest(report, "int8") if report else None
    falling = best["method"] == "leading numbers" if best else not report and in_falling_order(store, encoder)
    ways = compressions(drawn.vectors, falling)
    if not report and len(drawn.vectors) > 1:
        best = smallest(judged_by_neighbours(drawn, ways, encoder, seed), "int8")
    wanted = (best["method"], best["dimensions"]) if best else ("full", full)
    return next(way for way in ways if way.number == "int8" and (way.method, way.dimensions) == wanted), bool(report)


def _batches(vectors: Vectors, way: Compression) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """All rows in their order, and the vectors of those that have one, shortened."""
    for start in range(0, len(vectors.present), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(vectors.present)))
        with_vector = rows[vectors.present[rows]]
        full = vectors.at(with_vector) if len(with_vector) else np.zeros((0, 0), dtype=np.float32)
        yield rows, _short(full, way) if len(with_vector) else np.zeros((0, way.dimensions), dtype=np.float32)


def _short(full: npt.NDArray[np.float32], way: Compression) -> npt.NDArray[np.float32]:
    return full[:, : way.dimensions] if way.directions is None else full @ way.directions


def _recalls(drawn: Drawn, way: Compression, seed: int) -> tuple[Recall | None, Recall | None]:
    queries = np.sort(np.random.default_rng(seed).permutation(len(drawn.vectors))[:QUERIES])

    def recall(full: npt.NDArray[np.float32]) -> Recall | None:
        scores = score_neighbours(full, [way.restored(drawn.vectors)], queries, drawn.groups[queries], seed)
        return None if not scores else Recall(scores[0].value, scores[0].interval, len(queries), len(full))

    return recall(_short(drawn.vectors, way)), recall(drawn.vectors)


def _plain(recall: Recall | None) -> dict[str, Any] | None:
    if recall is None:
        return None
    low, high = recall.interval or (None, None)
    return {"value": recall.value, "low": low, "high": high, "queries": recall.queries, "among": recall.among}
