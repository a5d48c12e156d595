"""Which synapses of a release resemble a query, which are typical of a set, and which neurons look alike: a search request becomes rows.

Comparing vectors belongs to `search`, pictures and their encoder to `pictures`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput
from synapse_assets.query.pictures import PictureEncoder
from synapse_assets.query.points import CATEGORIES, Points
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.query.request import SearchRequest
from synapse_assets.query.search import Neighbours, StoredVectors, Vectors, VectorsInMemory
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.region_table import sql_text
from synapse_assets.stores.rows import vector_matrix
from synapse_assets.stores.vector_index import EXACT_BELOW

_ROWS_AT_ONCE = 16_384
_TYPICAL_OF = 20_000
# Synapses nearest to a neuron's mean vector, whose neurons are compared with it where not all are.
_NEAREST_OF_OTHERS = 200
# And so many of the vectors of each.
_OF_EACH = 100


class Similarity:
    """Similarity among the N synapses of one release.

    cut: the name of the volume that has a place (x, y, z in nanometres), and the tile there.
    """

    def __init__(
        self,
        file: ReleaseFile,
        points: Points,
        vectors: Vectors,
        encoder: PictureEncoder,
        cut: Callable[[npt.ArrayLike], tuple[str, npt.NDArray[np.uint8]]],
    ) -> None:
        self._file, self._points, self._vectors = file, points, vectors
        self._encoder, self._cut = encoder, cut

    def similar(self, request: SearchRequest) -> pd.DataFrame:
        """See `Warehouse.similar`."""
        points = self._points
        selected = self._vectors.present & points.select(request.filters)
        if request.where != "true":
            selected &= self._file.fulfilling(request.where, points.ids)
        query, left_out = self._query(request)
        selected &= ~left_out
        if not selected.any():
            raise BadInput("no synapse is left to compare with: the filters, or what is left out, take all of them")
        columns = None if request.columns is None else points.category(request.columns)
        lists = self._vectors.nearest(query, request.metric, selected, request.k, columns)
        if not lists:
            raise BadInput(
                f"none of the synapses that are left has a {CATEGORIES[str(request.columns)]}: ask for one list"
            )
        if request.most_columns is not None:
            lists = _nearest_lists(lists, request.most_columns)
        answer = points.frame(np.concatenate([neighbours.rows for neighbours in lists]))
        answer = answer.assign(distance=np.concatenate([neighbours.distances for neighbours in lists]))
        if columns is not None:
            answer.insert(0, "column", [neighbours.name for neighbours in lists for _ in neighbours.rows])
        return answer

    def typical(self, selected: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.int64]:
        """See `Warehouse.typical`."""
        rows = np.flatnonzero(selected & self._vectors.present)
        if len(rows) > _TYPICAL_OF:
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:_TYPICAL_OF])
        matrix = self._vectors.at(rows)
        unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return rows[np.argsort(-(unit @ unit.mean(axis=0)), kind="stable")[:k]] if len(rows) else rows

    def similar_neurons(self, code: int, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Codes of the `k` other neurons whose mean vectors point most nearly where that of a neuron does, and the cosines, float64 (k,).

        Among all neurons where the vectors are in memory; else among those of the synapses that are nearest to the mean vector, whose
        mean is that of their first 100 vectors.
        """
        own = self._points.neurons == code
        present = self._vectors.present & (self._points.neurons >= 0)
        if not (own & present).any():
            raise BadInput(
                f"no synapse of neuron {self._points.neuron_ids[code]} has a vector in the release of {self._file.dataset}"
            )
        query = self._mean_vectors(np.flatnonzero(own & present))[1][0]
        if isinstance(self._vectors, VectorsInMemory):
            codes, means = self._all_mean_vectors
        else:
            others = present & ~own
            nearest = self._vectors.nearest(query.astype(np.float32), "cosine", others, _NEAREST_OF_OTHERS, None)
            found = np.unique(
                self._points.neurons[np.concatenate([np.empty(0, np.int64), *(one.rows for one in nearest)])]
            )
            rows = np.flatnonzero(np.isin(self._points.neurons, found) & present)
            # Reading every vector of a large neuron would take seconds.
            rank = pd.Series(rows).groupby(self._points.neurons[rows]).cumcount().to_numpy()
            codes, means = self._mean_vectors(rows[rank < _OF_EACH])
        lengths = np.linalg.norm(means, axis=1) * np.linalg.norm(query)
        cosines = np.where(codes == code, -np.inf, means @ query / np.maximum(lengths, np.finfo(np.float64).tiny))
        order = np.argsort(-cosines, kind="stable")[: min(k, int((codes != code).sum()))]
        return codes[order], cosines[order]

    @cached_property
    def _all_mean_vectors(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        return self._mean_vectors(np.flatnonzero(self._vectors.present & (self._points.neurons >= 0)))

    def _mean_vectors(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The neurons that these rows are of, as codes (n,), and the mean of the rows' vectors of each, float64 (n, dimensions)."""
        rows = rows[np.argsort(self._points.neurons[rows], kind="stable")]
        codes, counts = np.unique(self._points.neurons[rows], return_counts=True)
        sums: npt.NDArray[np.float64] | None = None
        of_row = np.repeat(np.arange(len(codes)), counts)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            vectors = self._vectors.at(rows[part]).astype(np.float64)
            sums = np.zeros((len(codes), vectors.shape[1])) if sums is None else sums
            firsts = np.flatnonzero(np.diff(of_row[part], prepend=-1))
            sums[of_row[part][firsts]] += np.add.reduceat(vectors, firsts, axis=0)
        return codes.astype(np.int64), np.empty((0, 0)) if sums is None else sums / counts[:, None]

    def _query(self, request: SearchRequest) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """The query vector (dimensions,), and the synapses that are left out because of the query (N,)."""
        points, vectors, within_nm = self._points, self._vectors, request.leave_out_within_nm
        left_out = np.zeros(len(points), dtype=bool)
        if request.synapse_id is not None:
            row = points.row(request.synapse_id)
            if not vectors.present[row]:
                raise BadInput(f"synapse '{request.synapse_id}' has no vector in the release of {self._file.dataset}")
            left_out[row] = True
            if request.leave_out_own_neuron and points.neurons[row] >= 0:
                left_out |= points.neurons == points.neurons[row]
            if within_nm > 0:
                volume = None if points.volumes is None else points.volumes[row].as_py()
                left_out |= points.near(points.places_nm[row], within_nm, volume)
            return vectors.at(np.array([row]))[0], left_out
        if request.image is not None:
            return self._encoder.embed(np.asarray(request.image)), left_out
        place = np.asarray(request.place_nm, dtype=np.float64)
        volume, tile = self._cut(place)
        if within_nm > 0:
            left_out |= points.near(place, within_nm, volume)
        return self._encoder.embed(tile), left_out


def _nearest_lists(lists: list[Neighbours], count: int) -> list[Neighbours]:
    """Those of the classes with the nearest synapses, in the order of the classes."""
    if len(lists) <= count:
        return lists
    last = sorted(float(neighbours.distances[0]) for neighbours in lists)[count - 1]
    return [neighbours for neighbours in lists if neighbours.distances[0] <= last][:count]


def stored_encoders(store: DatasetStore) -> dict[str, int]:
    """The encoders that the store has vectors of now, newest first, and the dimensions of these."""
    models = store.models("encoder")
    dimensions = {name: int(models.provenance(name).scores["dimensions"]) for name in reversed(models.versions())}
    return {name: width for name, width in dimensions.items() if store.vectors(name, width).count()}


class ReleasedVectors:
    """The table of a release's vectors, or of the vectors that another encoder gave the same synapses, as they are stored now.

    Raises BadInput for a release that does not name its vectors, and for an encoder without any.
    """

    def __init__(self, store: DatasetStore, file: ReleaseFile, encoder: str | None = None) -> None:
        self._file = file
        try:
            self._encoder = file.release["models"]["encoder"]
            self._dimensions = int(file.release["scores"]["encoder"]["dimensions"])
            version = int(file.release["tables"]["embeddings"]["version"])
        except (KeyError, TypeError, ValueError):
            what = "its release does not name encoder, dimensions and version of the vectors"
            raise file.other_version(what) from None
        if encoder in (None, self._encoder):
            self._table = store.vectors(self._encoder, self._dimensions).at_version(version)
            return
        others = stored_encoders(store)
        if encoder not in others:
            raise BadInput(
                f"there are no vectors of encoder '{encoder}' of {file.dataset}; there are some of "
                f"{', '.join(dict.fromkeys([self._encoder, *others]))}"
            )
        self._encoder, self._dimensions = str(encoder), others[str(encoder)]
        self._table = store.vectors(self._encoder, self._dimensions)

    def read(self, points: Points) -> Vectors:
        """The vectors in the order of the points; in memory up to `EXACT_BELOW` of them.

        Raises BadInput where some were made with another encoder, and where their files are damaged.
        """
        with self._checked():
            return self._stored(points) if len(points) > EXACT_BELOW else self._in_memory(points)

    def stored(self, points: Points) -> StoredVectors:
        """The same, left in their table whatever their number."""
        with self._checked():
            return self._stored(points)

    @contextmanager
    def _checked(self) -> Iterator[None]:
        table, file = self._table, self._file
        with file.damage_explained("vectors", table.uri, "embeddings"):
            stored = table.lance()
            if stored is not None and stored.count_rows(filter=f"model_id != {sql_text(self._encoder)}"):
                raise BadInput(
                    f"{file.where}: not all of its vectors were made with its encoder {self._encoder}; materialise embeddings of "
                    f"every region of {file.dataset}, then {file.remedy}"
                )
            yield

    def _stored(self, points: Points) -> StoredVectors:
        return StoredVectors(self._table, self._table.numbers_of(points.ids))

    def _in_memory(self, points: Points) -> VectorsInMemory:
        matrix = np.zeros((len(points), self._dimensions), dtype=np.float32)
        present = np.zeros(len(points), dtype=bool)
        for batch in self._table.batches(None, ["synapse_id", "vector"], _ROWS_AT_ONCE):
            rows = pc.index_in(batch.column("synapse_id"), value_set=points.ids)
            known = batch.filter(pc.is_valid(rows))
            indices = rows.drop_null().to_numpy()
            matrix[indices], present[indices] = vector_matrix(pa.Table.from_batches([known])), True
        return VectorsInMemory(matrix, present)
