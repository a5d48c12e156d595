"""Refits: a clustering repeated with another seed and another sample.

Belongs here: refitting map and clusters, and how far refits agree with the clustering in use. Does not belong here: what
follows from it (`stability_verdict`), the runs that a consensus is made of (`resampled_maps`).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from synapse_assets.analysis.clustering.agreement import ABSENT, adjusted_rand
from synapse_assets.analysis.clustering.hdbscan_model import (
    NOISE,
    ClusterModel,
    Labels,
    cluster_sizes,
    fit_hdbscan,
    labels_by_size,
)
from synapse_assets.analysis.clustering.projection import Float32, Projection, neighbour_graph, umap_layout
from synapse_assets.analysis.clustering.resampled_maps import DIMENSIONS, EPOCHS

SHARE = 0.8
"""Share of the rows in the subsample of a quick refit."""


@dataclass(frozen=True)
class RefitAgreement:
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
        values_by_name = {"stability_ari": self.pairs, "stability_ari_clustered": clustered}
        scores = {}
        for name, values in values_by_name.items():
            if len(values):
                scores[name] = float(np.mean(values))
                scores[f"{name}_lowest"] = float(np.min(values))
        return scores


def refit_agreement(
    projection: Projection, model: ClusterModel, refits: int = 2, left_out: float = 0.1
) -> RefitAgreement:
    """`model` against `refits` clusterings of its sample, each with another seed and a tenth of the rows left out.

    Reduction and clustering are both refitted, and pairs are compared on the rows that both have. Leaving rows out asks
    whether another sample would have given the same; as measured (bench/projection.py, 2,400 rows of 512) both other
    seeds alone and this distinguish planted sheets (ARI 1.00 and 1.00) from no structure (0.09 and 0.07, though HDBSCAN names
    12 clusters there): without this number a clustering says nothing.
    """
    if projection.method != "umap":
        return RefitAgreement((), (), (model.clusters,), "too few points for a refit")
    if not model.clusters:
        return RefitAgreement((), (), (0,), f"no clusters to compare: {model.reason}")
    rows = len(projection.sample)
    runs = [(np.arange(rows), model.labels)]
    for step in range(1, refits + 1):
        seed = projection.seed + step
        subset = np.sort(np.random.default_rng(seed).permutation(rows)[: max(2, round(rows * (1 - left_out)))])
        sample = projection.sample[subset]
        knn = neighbour_graph(sample, min(projection.neighbours, len(subset) - 1))
        layout = umap_layout(sample, knn, projection.reduced.shape[1], 0.0, seed)
        fitted = fit_hdbscan(layout, model.min_cluster_size, model.min_samples)
        all_noise = np.full(len(subset), NOISE, dtype=np.int32)
        runs.append((subset, all_noise if fitted is None else labels_by_size(fitted, layout)[0]))
    pairs, clustered = [], []
    for (rows_a, labels_a), (rows_b, labels_b) in combinations(runs, 2):
        _, at_a, at_b = np.intersect1d(rows_a, rows_b, assume_unique=True, return_indices=True)
        a, b = labels_a[at_a], labels_b[at_b]
        in_clusters = (a >= 0) & (b >= 0)
        pairs.append(adjusted_rand(a, b))
        clustered.append(adjusted_rand(a[in_clusters], b[in_clusters]) if in_clusters.sum() >= 2 else float("nan"))
    return RefitAgreement(
        tuple(pairs), tuple(clustered), tuple(len(np.unique(labels[labels >= 0])) for _, labels in runs)
    )


def quick_refits(sample: Float32, refits: int, neighbours: int, random: np.random.Generator) -> Labels:
    """Clusters (refits, N) of rows of length 1 (N, D), N >= 10, each of another four fifths of them with a seed of its own; noise
    is -1, a row that a refit left out -2.

    A refit maps to three dimensions in 80 rounds, not to ten in 500, which takes a fifth of the time and finds the same planted
    groups: refits of three or four groups 8 standard deviations apart (300 rows of 64 and 256) agreed at ARI 0.98 to 1.00 either
    way. Points are not moved (as `resampled_maps` does): in 256 dimensions that blurs such groups to ARI 0.09.
    """
    labels = np.full((refits, len(sample)), ABSENT, dtype=np.int32)
    subsample_size = round(len(sample) * SHARE)
    size, samples = cluster_sizes(subsample_size)
    for run in labels:
        subset = np.sort(random.permutation(len(sample))[:subsample_size])
        rows = sample[subset]
        knn = neighbour_graph(rows, min(neighbours, subsample_size - 1))
        layout = umap_layout(rows, knn, DIMENSIONS, 0.0, int(random.integers(2**31)), EPOCHS)
        fitted = fit_hdbscan(layout, size, samples)
        run[subset] = NOISE if fitted is None else fitted.labels_
    return labels
