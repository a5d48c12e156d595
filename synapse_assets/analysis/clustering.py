"""Clusters: groups of synapses that look alike, and who they belong to.

Belongs here: fitting, applying and doubting a clustering, and the cards that describe its clusters. Does not belong
here: the reduction that clusters are found in (`projection`), drawing (`figures`).

HDBSCAN (Campello, Moulavi & Sander, PAKDD 2013; McInnes & Healy, ICDMW 2017) on the fitted sample. A synapse like no
group stays noise.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.matching import match_numbers
from synapse_assets.analysis.projection import (
    FittedSample,
    Float32,
    Float64,
    Projection,
    neighbour_graph,
    umap_layout,
)
from synapse_assets.artifacts import read_artifact, write_artifact
from synapse_assets.errors import BadInput
from synapse_assets.schema import CLUSTER_CARDS

NOISE = -1
MEDOIDS = 5
ONE_NEURON_SHARE = 0.5
ONE_NEURON_SYNAPSES = 5
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
        below a chosen cluster belong to it (hdbscan calls them noise). A row's label does not depend on its companions:
        a kd-tree answers each row by itself.
        """
        from scipy.spatial import cKDTree

        rows = np.asarray(reduced, dtype=np.float32)
        if not len(rows):
            return np.zeros(0, dtype=np.int32)
        if rows.ndim != 2 or rows.shape[1] != self.points.shape[1]:
            raise BadInput(f"coordinates {rows.shape} do not fit a clustering of {self.points.shape[1]} dimensions")
        k = min(2 * self.min_samples, len(self.points))
        found = cKDTree(self.points.astype(np.float64)).query(rows.astype(np.float64), k=k)
        distances, neighbours = (np.asarray(part).reshape(len(rows), k) for part in found)
        fitted = distances[:, 0] == 0.0
        labels = self.labels[neighbours[:, 0]].copy()
        if not self.clusters:
            return np.full(len(rows), NOISE, dtype=np.int32)
        own = distances[:, min(self.min_samples, k) - 1]
        reachable = np.maximum(np.maximum(own[:, None], self.core[neighbours]), distances)
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
        ones above `highest`, the highest number ever used (`matching.match_numbers`)."""
        # Rows whose synapses are not known have no counterpart, but their clusters need numbers as well.
        now = {f"row {row}": label for row, label in enumerate(self.labels.tolist())} | self.labels_of(sample)
        number_of = match_numbers(now, previous, highest)
        named = np.array([number_of[number] for number in self.numbers.tolist()], dtype=np.int32)
        order = np.argsort(named)
        labels = self.labels.copy()
        clustered = self.labels >= 0
        labels[clustered] = named[np.searchsorted(self.numbers, self.labels[clustered])]
        return replace(self, labels=labels, numbers=named[order], reach=self.reach[order])

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

    A cluster has at least max(5, sqrt(N) / 2) points unless told otherwise (24 of 2,400; 50 of 10,000), and a point is
    as dense as its min(10, that) nearest. HDBSCAN draws no random numbers; `seed` is not used but kept with those of
    the other fits.
    """
    del seed
    points = projection.reduced
    size = min_cluster_size or max(5, round(len(points) ** 0.5 / 2))
    samples = min_samples or min(10, size)
    nothing = np.full(len(points), NOISE, dtype=np.int32)
    none = np.zeros(0, dtype=np.int32)
    if len(points) < max(2 * size, samples + 1):
        reason = f"{len(points)} points are too few for two clusters of {size}"
        return ClusterModel(points, nothing, np.zeros(len(points)), none, np.zeros(0), size, samples, reason)
    labels, reach = _hdbscan(points, size, samples)
    if not len(reach):
        reason = f"no group of at least {size} points is denser than what lies around it"
        return ClusterModel(points, nothing, np.zeros(len(points)), none, np.zeros(0), size, samples, reason)
    numbers = np.arange(len(reach), dtype=np.int32)
    return ClusterModel(points, labels, _core_distances(points, samples), numbers, reach, size, samples, "")


def _hdbscan(points: Float32, size: int, samples: int) -> tuple[Labels, Float64]:
    """Labels by falling size, and each cluster's reach."""
    import warnings

    import hdbscan

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        fitted: Any = hdbscan.HDBSCAN(
            min_cluster_size=size, min_samples=samples, approx_min_span_tree=False, core_dist_n_jobs=1
        ).fit(points.astype(np.float64))
    raw = np.asarray(fitted.labels_)
    found, counts = np.unique(raw[raw >= 0], return_counts=True)
    first = np.array([np.flatnonzero(raw == label)[0] for label in found], dtype=np.int64)
    order = np.lexsort((first, -counts)) if len(found) else np.zeros(0, dtype=np.int64)
    labels = np.full(len(raw), NOISE, dtype=np.int32)
    reach = np.zeros(len(found))
    tree = fitted.condensed_tree_.to_numpy()
    parent = dict(zip(tree["child"].tolist(), tree["parent"].tolist(), strict=True))
    birth = dict(zip(tree["child"].tolist(), tree["lambda_val"].tolist(), strict=True))
    for number, label in enumerate(found[order]):
        members = np.flatnonzero(raw == label)
        labels[members] = number
        born = birth.get(_common_branch({parent[m] for m in members.tolist()}, parent), 0.0)
        reach[number] = 1.0 / born if born > 0 else np.inf
    # points at one place have one label, so that `apply` can give every fitted point its own
    _, place = np.unique(points, axis=0, return_inverse=True)
    _, leader = np.unique(place, return_index=True)
    return labels[leader[place]], reach


def _common_branch(branches: set[int], parent: dict[int, int]) -> int:
    """The lowest node of the condensed tree above (or at) all `branches`. A child's number is greater than its
    parent's."""
    open_ = set(branches)
    while len(open_) > 1:
        deepest = max(open_)
        open_.remove(deepest)
        open_.add(parent[deepest])
    return open_.pop()


def _core_distances(points: Float32, samples: int) -> Float64:
    """Distance of each point to its `samples`-th nearest other point."""
    from scipy.spatial import cKDTree

    wide = points.astype(np.float64)
    distances = np.asarray(cKDTree(wide).query(wide, k=samples + 1)[0])
    return np.ascontiguousarray(distances[:, -1])


@dataclass(frozen=True)
class Stability:
    """How far clusterings of the same data agree: adjusted Rand index (Hubert & Arabie 1985), 1 the same grouping, 0
    chance.

    pairs       one index a pair of clusterings, noise counted as one more group
    clustered   the same over points that are noise in neither; NaN where there are fewer than two
    clusters    number of clusters of the model and of each refit
    reason      why nothing was measured; empty otherwise
    """

    pairs: tuple[float, ...]
    clustered: tuple[float, ...]
    clusters: tuple[int, ...]
    reason: str = ""

    def scores(self) -> dict[str, float]:
        """Mean and lowest index of both kinds, without those that could not be measured."""
        clustered = [value for value in self.clustered if not np.isnan(value)]
        named = {"stability_ari": self.pairs, "stability_ari_clustered": clustered}
        out = {}
        for name, values in named.items():
            if len(values):
                out[name] = float(np.mean(values))
                out[f"{name}_lowest"] = float(np.min(values))
        return out


def stability(projection: Projection, model: ClusterModel, refits: int = 2, left_out: float = 0.1) -> Stability:
    """`model` against `refits` clusterings of its sample, each with another seed and a tenth of the rows left out.

    Reduction and clustering are both refitted, and pairs are compared on the rows that both have. Leaving rows out asks
    whether another sample would have said the same; by figures (bench/projection.py, 2,400 rows of 512) both other
    seeds alone and this tell planted sheets (ARI 1.00 and 1.00) from no structure (0.09 and 0.07, though HDBSCAN names
    12 clusters there): without this number a clustering says nothing.
    """
    if projection.method != "umap":
        return Stability((), (), (model.clusters,), "too few points for a refit")
    if not model.clusters:
        return Stability((), (), (0,), f"no clusters to compare: {model.reason}")
    from sklearn.metrics import adjusted_rand_score

    rows = len(projection.sample)
    runs = [(np.arange(rows), model.labels)]
    for step in range(1, refits + 1):
        seed = projection.seed + step
        kept = np.sort(np.random.default_rng(seed).permutation(rows)[: max(2, round(rows * (1 - left_out)))])
        sample = projection.sample[kept]
        knn = neighbour_graph(sample, min(projection.neighbours, len(kept) - 1))
        again = umap_layout(sample, knn, projection.reduced.shape[1], 0.0, seed)
        labels = np.full(len(kept), NOISE, dtype=np.int32)
        if len(kept) >= max(2 * model.min_cluster_size, model.min_samples + 1):
            labels, _ = _hdbscan(again, model.min_cluster_size, model.min_samples)
        runs.append((kept, labels))
    pairs, clustered = [], []
    for (rows_a, labels_a), (rows_b, labels_b) in combinations(runs, 2):
        _, at_a, at_b = np.intersect1d(rows_a, rows_b, assume_unique=True, return_indices=True)
        a, b = labels_a[at_a], labels_b[at_b]
        both = (a >= 0) & (b >= 0)
        pairs.append(float(adjusted_rand_score(a, b)))
        clustered.append(float(adjusted_rand_score(a[both], b[both])) if both.sum() >= 2 else float("nan"))
    return Stability(tuple(pairs), tuple(clustered), tuple(len(np.unique(found[found >= 0])) for _, found in runs))


def cluster_cards(assignments: pa.Table) -> pa.Table:
    """One row per cluster (`schema.CLUSTER_CARDS`), by cluster number, noise first.

    `assignments` has synapse_id, cluster, brain_region, target, neuron_id and reduced (a list of numbers). Shares are
    of all rows, noise included. Medoids are the five synapses nearest the cluster's mean in the reduced space, nearest
    first, ties by id; noise has no middle and none. A cluster is of one neuron if that has more than half of its
    synapses and at least five. Unknown classes are not listed.
    """
    if not assignments.num_rows:
        return CLUSTER_CARDS.empty()
    rows = assignments.sort_by("synapse_id")
    ids = rows.column("synapse_id").to_numpy(zero_copy_only=False)
    cluster = rows.column("cluster").to_numpy(zero_copy_only=False)
    regions = rows.column("brain_region").to_numpy(zero_copy_only=False)
    targets = rows.column("target").to_pylist()
    neurons = rows.column("neuron_id").cast(pa.int64()).combine_chunks()
    neuron_known = neurons.is_valid().to_numpy(zero_copy_only=False)
    neuron = neurons.fill_null(0).to_numpy(zero_copy_only=False)
    reduced = np.array(rows.column("reduced").to_pylist(), dtype=np.float64)
    cards = []
    for number in np.unique(cluster).tolist():
        members = np.flatnonzero(cluster == number)
        medoids: list[str] = []
        if number != NOISE:
            away = np.square(reduced[members] - reduced[members].mean(axis=0)).sum(axis=1)
            medoids = [str(i) for i in ids[members[np.argsort(away, kind="stable")[:MEDOIDS]]]]
        owners, counts = np.unique(neuron[members[neuron_known[members]]], return_counts=True)
        top = int(counts.max()) if len(owners) else 0
        cards.append(
            {
                "cluster": number,
                "synapses": len(members),
                "share": len(members) / len(ids),
                "medoids": medoids,
                "targets": _composition([targets[i] for i in members if targets[i]]),
                "regions": _composition(regions[members].tolist()),
                "neurons": len(owners),
                "top_neuron_share": top / len(members) if len(owners) else None,
                "one_neuron": number != NOISE and top >= ONE_NEURON_SYNAPSES and top > ONE_NEURON_SHARE * len(members),
            }
        )
    return CLUSTER_CARDS.conform(pa.Table.from_pylist(cards, schema=CLUSTER_CARDS.arrow))


def _composition(names: list[str]) -> str:
    """JSON {name: count}, the most frequent first, ties by name."""
    values, counts = np.unique(np.array(names, dtype=str), return_counts=True)
    order = np.lexsort((values, -counts))
    return json.dumps({str(values[i]): int(counts[i]) for i in order}, ensure_ascii=False)
