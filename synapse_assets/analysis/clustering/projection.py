"""Maps: vectors to two coordinates for display and about ten for clustering.

Belongs here: fitting a map on a sample, placing any synapse on it, measuring how far the map can be trusted. Does not
belong here: finding clusters in it (`hdbscan_model`), drawing it (`figures`).

UMAP (McInnes, Healy & Melville, arXiv:1802.03426) is fitted once on a sample. Its own `transform` moves a row when the
other rows change (umap issue 158), which a pipeline that works region by region cannot have; so a row is placed from
its nearest fitted rows instead (see `Projection.apply`).
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.artifacts import NoModel, find_artifact, read_artifact, write_artifact
from synapse_assets.errors import BadInput

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

FEWEST_FOR_UMAP = 10
"""With fewer different vectors than this, a map is made of principal components."""
LANDMARKS = 5
"""Fitted rows that place a new row (chosen by measurement, see `Projection.apply`)."""
_BLOCK_BYTES = 64 * 2**20
_SAMPLE_COLUMNS = ("synapse_id", "brain_region", "tile_hash")
_PROJECTION = ("fitted_projection", 1)
_SAMPLE = ("fitted_sample", 1)


@dataclass(frozen=True)
class Projection:
    """A fitted map.

    sample    (N, D) float32, different vectors of length 1, in ascending order
    xy        (N, 2) float32, coordinates on the map for display
    reduced   (N, R) float32, coordinates in the space for clustering
    method    'umap', or 'pca' where there were fewer than 10 different vectors
    neighbours, seed   as fitted (`neighbours` is less than asked for where there were fewer rows)
    """

    sample: Float32
    xy: Float32
    reduced: Float32
    method: str
    neighbours: int
    seed: int

    def apply(self, vectors: npt.ArrayLike) -> tuple[Float32, Float32]:
        """Coordinates (M, 2) and (M, R), float32, of `vectors` (M, D); raises BadInput for another width or for NaN.

        A fitted row gets exactly its fitted coordinates. Any other gets the mean of those of its 5 nearest fitted rows,
        weighted by the inverse square of the distance (Shepard, ACM 1968): the point where umap's own transform starts
        before it optimises. To the bit, a row's coordinates depend on the row and the fitted map only: neighbours are
        found by a matrix product, then measured again pair by pair, and every sum runs in a fixed order.

        Chosen by measurement (bench/projection.py: 600 held-out rows on a map of 2,400; 2-D / 10-D). 'Off' is the distance
        to where a full refit puts the row's neighbours, 'moved' what other rows change, both in map deviations:

        ====================  ===============  ===============  ===============  =================
        way                   trustworthiness  neighbours kept  off              moved
        ====================  ===============  ===============  ===============  =================
        umap.transform        0.962 / 0.988    0.52 / 0.59      0.013 / 0.012    0.018 / 0.010
        1 landmark            0.972 / 0.985    0.49 / 0.53      0.011 / 0.008    0
        3 landmarks           0.953 / 0.985    0.50 / 0.55      0.009 / 0.007    0
        5 landmarks           0.950 / 0.986    0.50 / 0.56      0.008 / 0.007    0
        15 landmarks          0.925 / 0.982    0.47 / 0.57      0.010 / 0.009    0
        kernel ridge          0.571 / 0.659    0.07 / 0.14      0.237 / 0.261    1e-6
        ====================  ===============  ===============  ===============  =================

        What it cannot do: put a row of a kind that was not in the sample anywhere but among the kinds that were; and a
        row between two kinds may land in the empty space between them.
        """
        rows = unit_rows(vectors)
        if rows.shape[1] != self.sample.shape[1]:
            raise BadInput(f"vectors have {rows.shape[1]} features; the map was fitted on {self.sample.shape[1]}")
        indices, squares = nearest(rows, self.sample, min(LANDMARKS, len(self.sample)))
        return blend(indices, squares, self.xy), blend(indices, squares, self.reduced)

    def save(self, folder: Path) -> None:
        """Writes the artifact fitted_projection into `folder` (made if absent)."""
        write_artifact(
            folder,
            *_PROJECTION,
            facts={"method": self.method, "neighbours": self.neighbours, "seed": self.seed},
            arrays={"sample": self.sample, "xy": self.xy, "reduced": self.reduced},
        )

    @classmethod
    def load(cls, folder: Path) -> "Projection":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        return cls(**read_artifact(folder, *_PROJECTION).values(*(field.name for field in fields(cls))))


@dataclass(frozen=True)
class FittedSample:
    """Which synapses a map was fitted on, and how many there were to choose them from. Empty where that was not stored.

    synapse_ids, brain_regions, tile_hashes   (N,) texts, in the order of the ids
    rows     (N,) int64, the row of `Projection.sample` that holds the synapse's vector; synapses with equal vectors share one
    known    number of synapses in each brain region at the fit, the sample among them
    """

    synapse_ids: npt.NDArray[np.str_]
    brain_regions: npt.NDArray[np.str_]
    tile_hashes: npt.NDArray[np.str_]
    rows: npt.NDArray[np.int64]
    known: dict[str, int]

    @classmethod
    def of(cls, sample: pa.Table, vectors: npt.ArrayLike, known: dict[str, int]) -> "FittedSample":
        """The rows of `sample` (synapse_id, brain_region, tile_hash), sorted by id, with the vectors a map is fitted on."""
        ids, regions, hashes = (np.array(sample.column(name).to_pylist(), dtype=str) for name in _SAMPLE_COLUMNS)
        rows = np.unique(unit_rows(vectors), axis=0, return_inverse=True)[1] if sample.num_rows else np.zeros(0)
        return cls(ids, regions, hashes, rows.astype(np.int64).reshape(-1), known)

    @classmethod
    def nothing(cls) -> "FittedSample":
        """The empty sample."""
        texts = np.zeros(0, dtype=str)
        return cls(texts, texts, texts, np.zeros(0, dtype=np.int64), {})

    def save(self, folder: Path) -> None:
        """Writes the artifact fitted_sample into `folder` (made if absent)."""
        texts = (self.synapse_ids, self.brain_regions, self.tile_hashes)
        arrays = {**dict(zip(_SAMPLE_COLUMNS, texts, strict=True)), "rows": self.rows}
        write_artifact(folder, *_SAMPLE, facts={"known": dict(sorted(self.known.items()))}, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "FittedSample":
        """What `save` wrote; an empty sample if nothing was written there; BadInput as `find_artifact`."""
        stored = find_artifact(folder, *_SAMPLE)
        if stored is None:
            return cls.nothing()
        ids, regions, hashes = (stored.arrays[name] for name in _SAMPLE_COLUMNS)
        return cls(ids, regions, hashes, stored.arrays["rows"], stored.facts["known"])


def fit_projection(
    vectors: npt.ArrayLike, seed: int, neighbours: int = 15, dimensions: int = 10
) -> Projection | NoModel:
    """A map fitted on `vectors` (N, D); NoModel for fewer than two different vectors, BadInput for NaN or infinite
    values.

    Vectors are scaled to length 1 (so distance is cosine distance) and rows that are then equal are fitted once; the
    result depends on the set of rows and the seed, not on their order. Neighbours are exact (N^2 D operations: meant
    for samples to about 50,000 rows).
    """
    sample = np.unique(unit_rows(vectors), axis=0) if np.size(vectors) else np.zeros((0, 0), dtype=np.float32)
    if len(sample) < 2:
        return NoModel(f"{len(sample)} different vectors: a map needs at least 2")
    if len(sample) < FEWEST_FOR_UMAP:
        plane = principal_components(sample, max(2, dimensions)).astype(np.float32)
        return Projection(sample, plane[:, :2].copy(), plane[:, :dimensions].copy(), "pca", len(sample) - 1, seed)
    knn = neighbour_graph(sample, min(neighbours, len(sample) - 1))
    xy = umap_layout(sample, knn, 2, 0.1, seed)
    reduced = umap_layout(sample, knn, dimensions, 0.0, seed)
    return Projection(sample, xy, reduced, "umap", knn[0].shape[1] - 1, seed)


def reduced_matrix(table: pa.Table) -> Float32:
    """The column `reduced` of a table of coordinates as (M, R) float32; (0, 0) for no rows. BadInput if widths
    differ."""
    column = table.column("reduced").combine_chunks()
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    width = len(values) // len(column) if len(column) else 0
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    if (lengths != width).any():
        raise BadInput(f"coordinates of different maps are mixed: {sorted(set(lengths.tolist()))} dimensions")
    return np.ascontiguousarray(values.reshape(len(column), width))


def unit_rows(vectors: npt.ArrayLike) -> Float32:
    """`vectors` as float32 rows of length 1 (a row of zeros stays one); BadInput if not a table of finite numbers."""
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2:
        raise BadInput(f"vectors must be a table (rows, features); the shape is {rows.shape}")
    unit = np.empty_like(rows, order="C")
    step = max(1, _BLOCK_BYTES // (8 * max(1, rows.shape[1])))
    for start in range(0, len(rows), step):
        block = np.ascontiguousarray(rows[start : start + step], dtype=np.float64)
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            raise BadInput(f"vector in row {start + int(np.argmin(finite))} holds NaN or an infinite value")
        length = np.sqrt(np.square(block).sum(axis=1))
        unit[start : start + step] = block / np.where(length > 0, length, 1.0)[:, None] + 0.0  # + 0.0: no negative zero
    return unit


def nearest(queries: Float32, sample: Float32, k: int) -> tuple[npt.NDArray[np.int64], Float64]:
    """The k nearest rows of `sample` for each query: indices (M, k) and squared distances (M, k), nearest first, ties
    by index.

    Exact, and to the bit independent of which queries come together: a blocked float64 matrix product proposes k + 8
    candidates, whose squared distances are then summed pair by pair. The product's rounding error is bounded (Higham,
    Accuracy and Stability of Numerical Algorithms, eq. 3.5); where the proposal is not certain to hold the k nearest,
    the whole sample is measured pair by pair.
    """
    sample64 = sample.astype(np.float64)
    lengths = np.square(sample64).sum(axis=1)
    features = sample64.shape[1]
    error = 8.0 * (features + 4) * np.finfo(np.float64).eps * max(1.0, float(lengths.max()))
    candidate_count = min(len(sample64), k + 8)
    indices = np.empty((len(queries), k), dtype=np.int64)
    squares = np.empty((len(queries), k), dtype=np.float64)
    step = max(1, int(_BLOCK_BYTES // (8 * max(len(sample64), candidate_count * features))))
    for start in range(0, len(queries), step):
        block = queries[start : start + step].astype(np.float64)
        approximate = np.square(block).sum(axis=1)[:, None] + lengths - 2.0 * (block @ sample64.T)
        if candidate_count < len(sample64):
            candidates = np.sort(np.argpartition(approximate, candidate_count - 1, axis=1)[:, :candidate_count], axis=1)
            proposed = np.sort(np.take_along_axis(approximate, candidates, axis=1), axis=1)
            uncertain = np.flatnonzero(proposed[:, -1] <= proposed[:, k - 1] + 2.0 * error)
        else:
            candidates = np.broadcast_to(np.arange(len(sample64)), (len(block), len(sample64)))
            uncertain = np.zeros(0, dtype=np.int64)
        exact = _pair_squares(block[:, None, :], sample64[candidates])
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        indices[start : start + step] = np.take_along_axis(candidates, order, axis=1)
        squares[start : start + step] = np.take_along_axis(exact, order, axis=1)
        for row in uncertain:
            all_squares = _pair_squares(block[row][None, :], sample64)
            best = np.argsort(all_squares, kind="stable")[:k]
            indices[start + row] = best
            squares[start + row] = all_squares[best]
    return indices, squares


def _pair_squares(left: Float64, right: Float64) -> Float64:
    """Squared distances along the last axis: one contiguous sum a pair, so that no pair affects another."""
    difference = np.ascontiguousarray(right - left)
    np.square(difference, out=difference)
    flat = difference.reshape(-1, difference.shape[-1])
    summed: Float64 = np.add.reduce(flat, axis=1).reshape(difference.shape[:-1])
    return summed


def blend(indices: npt.NDArray[np.int64], squares: Float64, coordinates: Float32, power: int = 1) -> Float32:
    """Mean of the neighbours' coordinates with weights 1 / squared distance ** `power`; a neighbour at distance 0 is
    used alone."""
    coincident = squares[:, 0] == 0.0
    weights = 1.0 / np.where(coincident[:, None], 1.0, squares) ** power
    total = np.zeros(len(indices), dtype=np.float64)
    summed = np.zeros((len(indices), coordinates.shape[1]), dtype=np.float64)
    for column in range(indices.shape[1]):
        total = total + weights[:, column]
        summed = summed + weights[:, column, None] * coordinates[indices[:, column]].astype(np.float64)
    placed = (summed / total[:, None]).astype(np.float32)
    placed[coincident] = coordinates[indices[coincident, 0]]
    return placed


def neighbour_graph(sample: Float32, neighbours: int) -> tuple[npt.NDArray[np.int32], Float32]:
    """Exact neighbours of each row of `sample`, itself first: indices and distances (N, neighbours + 1), as umap expects
    them."""
    indices, squares = nearest(sample, sample, neighbours + 1)
    return indices.astype(np.int32), np.sqrt(squares).astype(np.float32)


def umap_layout(
    sample: Float32,
    knn: tuple[npt.NDArray[np.int32], Float32],
    dimensions: int,
    min_dist: float,
    seed: int,
    epochs: int | None = None,
) -> Float32:
    """UMAP coordinates (N, dimensions) of the rows of `sample`, whose neighbours are given. Seeded, on one thread.

    `epochs` rounds of optimisation; None: the default of umap (500 to 10,000 rows, 200 above).

    The layout starts from principal components (Kobak & Linderman, Nat Biotechnol 39:156, 2021: as good a start as the
    spectral one, and it exists for every N and for a graph in pieces).
    """
    import warnings

    import umap

    start = principal_components(sample, dimensions)
    start *= 10.0 / max(float(np.abs(start).max()), 1e-12)
    start += np.random.default_rng(seed).normal(scale=1e-4, size=start.shape)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        warnings.filterwarnings("ignore", message="n_neighbors is larger", category=UserWarning)
        warnings.filterwarnings("ignore", module="umap", category=UserWarning)
        reducer: Any = umap.UMAP(
            n_components=dimensions,
            n_neighbors=knn[0].shape[1],
            min_dist=min_dist,
            metric="euclidean",
            init=start.astype(np.float32),
            random_state=seed,
            n_epochs=epochs,
            n_jobs=1,
            precomputed_knn=knn,
            force_approximation_algorithm=True,
        )
        return np.ascontiguousarray(reducer.fit_transform(sample), dtype=np.float32)


def principal_components(sample: Float32, dimensions: int) -> Float64:
    """The first principal components (N, dimensions), signs fixed by the largest loading, missing ones zero."""
    centred = sample.astype(np.float64)
    centred = centred - centred.mean(axis=0)
    components = np.zeros((len(centred), dimensions))
    # eigenvectors of the smaller of the two Gram matrices
    if centred.shape[1] <= len(centred):
        values, axes = np.linalg.eigh(centred.T @ centred)
    else:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        axes = centred.T @ vectors
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-300)
    keep = np.argsort(values)[::-1][:dimensions]
    keep = keep[values[keep] > 1e-12 * max(float(values.max()), 1e-300)]
    axes = axes[:, keep]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(keep))] < 0, -1.0, 1.0)
    components[:, : len(keep)] = centred @ axes
    return components
