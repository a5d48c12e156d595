"""Clusters that come back: which groups of synapses several clusterings of the same synapses find.

Belongs here: matching clusters over clusterings, and what share of a measure's variance lies between clusters. Does not belong here:
clustering (`recipes`, `consensus`), what it means for a study (`analysis.morphology.recipe_comparison`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.agreement import ABSENT
from synapse_assets.analysis.clustering.hdbscan_model import NOISE, Labels

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RECURS = 0.6
"""Overlap beyond chance at which two clusters are the same group: the Jaccard index below which Hennig (Comput Stat Data Anal
52:258, 2007) advises not to trust a cluster, taken beyond chance, since two clusters of most synapses overlap anyway."""


@dataclass(frozen=True)
class RecurringGroup:
    """A group of synapses that one or several clusterings find.

    clusters   number of its cluster by the name of the clustering
    members    (n,) bool, the synapses that are in more than half of those clusters
    overlap    mean overlap beyond chance of the clusters with the one that they were matched to; 1 for a single cluster
    """

    clusters: dict[str, int]
    members: Bools
    overlap: float


def recurring_groups(labels: Mapping[str, Labels]) -> list[RecurringGroup]:
    """The groups of synapses behind the clusters of `labels` (n,) by name of the clustering (-1 noise, -2 absent), those that most
    clusterings find first, larger ones before smaller ones. Every cluster is of exactly one group.

    The cluster that has a counterpart in most other clusterings is taken first, with its counterparts: in each clustering the
    cluster that overlaps with it most, if beyond chance by at least `RECURS`. Then the next among the clusters that are left.
    """
    clusters = [(name, number) for name, of in labels.items() for number in range(int(of.max(initial=NOISE)) + 1)]
    overlaps = {
        (a, b): overlap_beyond_chance(
            labels[a[0]] == a[1], labels[b[0]] == b[1], *(labels[c[0]] != ABSENT for c in (a, b))
        )
        for a in clusters
        for b in clusters
        if a[0] != b[0]
    }
    left, groups = list(clusters), []
    while left:
        families = {anchor: _counterparts(anchor, left, overlaps) for anchor in left}
        anchor = max(
            left, key=lambda c: (len(families[c]), sum(families[c].values()), int((labels[c[0]] == c[1]).sum()))
        )
        family = families[anchor]
        inside = np.stack([labels[name] == number for name, number in (anchor, *family)])
        overlap = float(np.mean(list(family.values()))) if family else 1.0
        groups.append(RecurringGroup(dict(sorted((anchor, *family))), inside.mean(axis=0) > 0.5, overlap))
        left = [cluster for cluster in left if cluster != anchor and cluster not in family]
    return sorted(groups, key=lambda group: (-len(group.clusters), -int(group.members.sum())))


def _counterparts(
    anchor: tuple[str, int],
    left: list[tuple[str, int]],
    overlaps: Mapping[tuple[tuple[str, int], tuple[str, int]], float],
) -> dict[tuple[str, int], float]:
    """The clusters of other clusterings that are the same group as `anchor`, one each, with their overlap."""
    best: dict[str, tuple[str, int]] = {}
    for cluster in left:
        if cluster[0] == anchor[0] or overlaps[anchor, cluster] < RECURS:
            continue
        if cluster[0] not in best or overlaps[anchor, cluster] > overlaps[anchor, best[cluster[0]]]:
            best[cluster[0]] = cluster
    return {cluster: overlaps[anchor, cluster] for cluster in best.values()}


def overlap_beyond_chance(first: Bools, second: Bools, first_known: Bools, second_known: Bools) -> float:
    """Jaccard index of two sets of synapses (n,), over the synapses known to both, less what two sets of their sizes share by chance,
    as a share of what is left to 1 (as Cohen's kappa is made of the agreement, doi 10.1177/001316446002000104). 0 is chance."""
    shared = first_known & second_known
    a, b, n = int((first & shared).sum()), int((second & shared).sum()), int(shared.sum())
    both = int((first & second & shared).sum())
    if not both:
        return 0.0
    if a == n and b == n:
        return 0.0  # both are everything: that says nothing
    by_chance = a * b / n
    expected = by_chance / (a + b - by_chance)
    return (both / (a + b - both) - expected) / (1 - expected)


def share_between_clusters(labels: Labels, values: Float64) -> float | None:
    """How much of the variance of `values` (n, F) lies between clusters, 0 to 1, over the synapses in a cluster; None for fewer than
    two clusters, for no more synapses than clusters, and for values that do not vary.

    Columns are taken together (the trace of the covariance), so give columns of one unit or standardised ones. Less what as many
    clusters drawn at random would have (Kelley's epsilon squared, PNAS 21:554, 1935). Of indicator columns it is Goodman and
    Kruskal's tau so adjusted (Light & Margolin, JASA 66:534, 1971).
    """
    inside = labels >= 0
    clustered, numbers = values[inside], labels[inside]
    names = np.unique(numbers)
    n, k = len(clustered), len(names)
    total = float(np.square(clustered - clustered.mean(axis=0)).sum()) if n else 0.0
    if k < 2 or n <= k or total <= 0:
        return None
    parts = (clustered[numbers == name] for name in names)
    within = sum(float(np.square(part - part.mean(axis=0)).sum()) for part in parts)
    return float(np.clip(1.0 - (within / total) * (n - 1) / (n - k), 0.0, 1.0))
