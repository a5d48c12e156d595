"""HDBSCAN: the clustering of a fitted sample, and the cluster of any other synapse.

Belongs here: the only call of hdbscan, the fitted clustering, applying it. Does not belong here: the reduction that clusters
are found in (`projection`), how far they can be trusted (`stability_verdict`), their cards (`cluster_cards`).

HDBSCAN (Campello, Moulavi & Sander, PAKDD 2013; McInnes & Healy, ICDMW 2017) on the fitted sample. A synapse that fits
no group stays noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.cluster_numbers import match_numbers
from synapse_assets.analysis.clustering.projection import (
    FittedSample,
    Float32,
    Float64,
    Projection,
)
from synapse_assets.artifacts import read_artifact, write_artifact
from synapse_assets.errors import BadInput

NOISE = -1
Labels = npt.NDArray[np.int32]
_KIND = ("cluster_model", 1)
_ARRAYS = ("points", "labels", "core", "numbers", "reach")
_FACTS = ("min_cluster_size", "min_samples", "reason")


@dataclass(frozen=True)
class ClusterModel:
    """A fitted clustering.

    points   (N, R) float32, the fitted sample in the reduced space
    labels   (N,) int32, the number of its cluster; -1 is noise
    core     (N,) float64, distance to the min_samples-th nearest fitted point
    numbers  (K,) int32, rising: the clusters. By falling size from 0, unless numbered after another clustering
    reach    (K,) float64, largest mutual reachability distance at which a point joins the cluster
    reason   why there is no cluster; empty if there is one
    """

    points: Float32
    labels: Labels
    core: Float64
    numbers: Labels
    reach: Float64
    min_cluster_size: int
    min_samples: int
    reason: str

    @property
    def clusters(self) -> int:
        """Number of clusters, noise not counted."""
        return len(self.reach)

    @property
    def noise_fraction(self) -> float:
        """Share of the fitted points that are noise; 1.0 if there are none."""
        return float((self.labels < 0).mean()) if len(self.labels) else 1.0

    def apply(self, reduced: npt.ArrayLike) -> Labels:
        """The cluster of each row of `reduced` (M, R), int32; raises BadInput for another width.

        A fitted point gets exactly its fitted label. Any other takes the label of the fitted point that it reaches
        first: the least mutual reachability distance max(own core, neighbour's core, distance) among its 2 min_samples
        nearest, if that is within the cluster's reach (1 / lambda at which the condensed tree gives birth to it), else
        noise. This is hdbscan.approximate_predict without its prediction data, but for two points: the core distance of
        a new row is that to its min_samples-th neighbour (hdbscan takes one further), and rows that fall into a branch
        below a chosen cluster belong to it (hdbscan calls them noise). A row's label does not depend on the other rows:
        a kd-tree answers each row by itself.
        """
        from scipy.spatial import cKDTree

        rows = np.asarray(reduced, dtype=np.float32)
        if not len(rows):
            return np.zeros(0, dtype=np.int32)
        if rows.ndim != 2 or rows.shape[1] != self.points.shape[1]:
            raise BadInput(f"coordinates {rows.shape} do not fit a clustering of {self.points.shape[1]} dimensions")
        k = min(2 * self.min_samples, len(self.points))
        query = cKDTree(self.points.astype(np.float64)).query(rows.astype(np.float64), k=k)
        distances, neighbours = (np.asarray(values).reshape(len(rows), k) for values in query)
        fitted = distances[:, 0] == 0.0
        labels = self.labels[neighbours[:, 0]].copy()
        if not self.clusters:
            return np.full(len(rows), NOISE, dtype=np.int32)
        own_core = distances[:, min(self.min_samples, k) - 1]
        reachable = np.maximum(np.maximum(own_core[:, None], self.core[neighbours]), distances)
        first = reachable.argmin(axis=1)
        joined = self.labels[np.take_along_axis(neighbours, first[:, None], axis=1)[:, 0]]
        reach = self.reach[np.searchsorted(self.numbers, np.maximum(joined, self.numbers[0]))]
        within = np.take_along_axis(reachable, first[:, None], axis=1)[:, 0] <= reach
        return np.where(fitted, labels, np.where((joined >= 0) & within, joined, NOISE)).astype(np.int32)

    def labels_of(self, sample: FittedSample) -> dict[str, int]:
        """The cluster of each synapse that the map below was fitted on, by id; -1 is noise."""
        return dict(zip(sample.synapse_ids.tolist(), self.labels[sample.rows].tolist(), strict=True))

    def numbered_after(self, sample: FittedSample, previous: Mapping[str, int], highest: int) -> "ClusterModel":
        """The same clusters with the numbers that `previous` (synapse -> number) gives most of their synapses, else new
        ones above `highest`, the highest number ever used (`cluster_numbers.match_numbers`)."""
        # Rows of unknown synapses have no counterpart, but their clusters need numbers as well.
        current = {f"row {row}": label for row, label in enumerate(self.labels.tolist())} | self.labels_of(sample)
        number_of = match_numbers(current, previous, highest)
        new_numbers = np.array([number_of[number] for number in self.numbers.tolist()], dtype=np.int32)
        order = np.argsort(new_numbers)
        labels = self.labels.copy()
        clustered = self.labels >= 0
        labels[clustered] = new_numbers[np.searchsorted(self.numbers, self.labels[clustered])]
        return replace(self, labels=labels, numbers=new_numbers[order], reach=self.reach[order])

    def save(self, folder: Path) -> None:
        """Writes the artifact cluster_model into `folder` (made if absent)."""
        facts, arrays = ({name: getattr(self, name) for name in names} for names in (_FACTS, _ARRAYS))
        write_artifact(folder, *_KIND, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "ClusterModel":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        return cls(**read_artifact(folder, *_KIND).values(*_ARRAYS, *_FACTS))


def fit_clusters(
    projection: Projection, seed: int, min_cluster_size: int | None = None, min_samples: int | None = None
) -> ClusterModel:
    """Clusters of the fitted sample of `projection`, in its reduced space. All noise is an ordinary outcome, with a
    reason.

    A cluster has at least max(5, sqrt(N) / 2) points unless given (24 of 2,400; 50 of 10,000), and a point is
    as dense as its min(10, that) nearest. HDBSCAN draws no random numbers; `seed` is not used but kept with those of
    the other fits.
    """
    del seed
    points = projection.reduced
    size, samples = cluster_sizes(len(points))
    size, samples = min_cluster_size or size, min_samples or samples
    all_noise = np.full(len(points), NOISE, dtype=np.int32)
    no_numbers = np.zeros(0, dtype=np.int32)
    fitted = fit_hdbscan(points, size, samples)
    if fitted is None:
        reason = f"{len(points)} points are too few for two clusters of {size}"
        return ClusterModel(points, all_noise, np.zeros(len(points)), no_numbers, np.zeros(0), size, samples, reason)
    labels, reach = labels_by_size(fitted, points)
    if not len(reach):
        reason = f"no group of at least {size} points is denser than what lies around it"
        return ClusterModel(points, all_noise, np.zeros(len(points)), no_numbers, np.zeros(0), size, samples, reason)
    numbers = np.arange(len(reach), dtype=np.int32)
    return ClusterModel(points, labels, _core_distances(points, samples), numbers, reach, size, samples, "")


def cluster_sizes(points: int) -> tuple[int, int]:
    """Fewest members of a cluster among so many points, and how many nearest neighbours measure density."""
    size = max(5, round(points**0.5 / 2))
    return size, min(10, size)


def fit_hdbscan(points: Float32, min_cluster_size: int, min_samples: int) -> Any | None:
    """The fitted `hdbscan.HDBSCAN` of `points` (N, R), exact and on one thread; None where they are too few for two
    clusters."""
    import warnings

    import hdbscan

    if len(points) < max(2 * min_cluster_size, min_samples + 1):
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        return hdbscan.HDBSCAN(
            min_cluster_size=min_cluster_size, min_samples=min_samples, approx_min_span_tree=False, core_dist_n_jobs=1
        ).fit(points.astype(np.float64))


def labels_by_size(fitted: Any, points: Float32) -> tuple[Labels, Float64]:
    """Labels (N,) of what `fit_hdbscan` made of `points`, clusters by falling size from 0, and the reach (K,) of each (see
    `ClusterModel`)."""
    raw = np.asarray(fitted.labels_)
    clusters, counts = np.unique(raw[raw >= 0], return_counts=True)
    first = np.array([np.flatnonzero(raw == label)[0] for label in clusters], dtype=np.int64)
    order = np.lexsort((first, -counts)) if len(clusters) else np.zeros(0, dtype=np.int64)
    labels = np.full(len(raw), NOISE, dtype=np.int32)
    reach = np.zeros(len(clusters))
    tree = fitted.condensed_tree_.to_numpy()
    parent = dict(zip(tree["child"].tolist(), tree["parent"].tolist(), strict=True))
    birth = dict(zip(tree["child"].tolist(), tree["lambda_val"].tolist(), strict=True))
    for number, label in enumerate(clusters[order]):
        members = np.flatnonzero(raw == label)
        labels[members] = number
        birth_lambda = birth.get(_common_branch({parent[m] for m in members.tolist()}, parent), 0.0)
        reach[number] = 1.0 / birth_lambda if birth_lambda > 0 else np.inf
    # points with equal coordinates have one label, so that `apply` can give every fitted point its own
    _, point_of = np.unique(points, axis=0, return_inverse=True)
    _, first_row = np.unique(point_of, return_index=True)
    return labels[first_row[point_of]], reach


def _common_branch(branches: set[int], parent: dict[int, int]) -> int:
    """The lowest node of the condensed tree above (or at) all `branches`. A child's number is greater than its
    parent's."""
    nodes = set(branches)
    while len(nodes) > 1:
        deepest = max(nodes)
        nodes.remove(deepest)
        nodes.add(parent[deepest])
    return nodes.pop()


def _core_distances(points: Float32, samples: int) -> Float64:
    """Distance of each point to its `samples`-th nearest other point."""
    from scipy.spatial import cKDTree

    points64 = points.astype(np.float64)
    distances = np.asarray(cKDTree(points64).query(points64, k=samples + 1)[0])
    return np.ascontiguousarray(distances[:, -1])
