"""Clusters that the resampled maps of a group agree on.

Belongs here: from the runs' clusters to one clustering, and how well runs support it. Does not belong here: which setting
(`parameter_sweep`), the comparison with redrawn features and the verdict (`stability_verdict`), numbers over releases
(`cluster_numbers`).

Evidence accumulation: Fred & Jain, IEEE TPAMI 27:835, 2005; consensus clustering: Monti et al., Machine Learning 52:91, 2003;
stability of a cluster: Hennig, Comput Stat Data Anal 52:258, 2007.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.agreement import ABSENT, Float64, adjusted_rand, recovery
from synapse_assets.analysis.clustering.hdbscan_model import NOISE
from synapse_assets.analysis.clustering.parameter_sweep import Runs, Setting, choose, cluster_runs, grid
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps, Int32, Names
from synapse_assets.artifacts import read_artifact, write_artifact

Float32 = npt.NDArray[np.float32]

TOGETHER = 0.5
"""Synapses that are more often together than apart are one cluster."""
WAYS = 20
"""Number of ways to split the runs into halves: a single split may agree by chance, and another seed then would not."""
IN_MOST_RUNS = "noise in at least half of the runs"
TOO_FEW = "more often with too few others to be a cluster"


@dataclass(frozen=True)
class Consensus:
    """The clusters of one investigation group.

    ids                     (n,) strings, as in the maps
    labels                  (n,) int32, clusters by falling size from 0; -1 is noise
    membership_probability  (n,) HDBSCAN's, mean over the runs that the synapse took part in, 0 where it was noise
    consensus               (n,) how often it was grouped with the others of its cluster when both took part; 0 if in none
    reasons                 (n,) strings, why it is in no cluster; empty if it is in one
    cluster_stability       (K,) Jaccard index of each cluster with the most similar one of a run, mean over runs
    agreement               (R, R) adjusted Rand index of every pair of runs at the setting
    setting                 of HDBSCAN
    independent_ari         adjusted Rand index of two consensus clusterings that share no seed and no subsample, the lowest
                            of 20 pairs: the runs are cut into halves in 20 ways, and each half chooses its setting itself, as
                            another seed would
    """

    ids: Names
    labels: Int32
    membership_probability: Float64
    consensus: Float64
    reasons: Names
    cluster_stability: Float64
    agreement: Float64
    setting: Setting
    independent_ari: float

    @property
    def clusters(self) -> int:
        """Number of clusters, noise not counted."""
        return len(self.cluster_stability)

    @property
    def noise_fraction(self) -> float:
        """Share of the synapses that is in no cluster."""
        return float((self.labels < 0).mean())

    @property
    def pair_aris(self) -> Float64:
        """Agreement of every pair of runs, (R (R - 1) / 2,)."""
        return self.agreement[np.triu_indices(len(self.agreement), 1)]

    def scores(self) -> dict[str, float]:
        """The main figures; only the first two where there were no runs."""
        scores = {"clusters": float(self.clusters), "noise_fraction": self.noise_fraction}
        if self.pair_aris.size:
            scores |= {"stability_ari": float(self.pair_aris.mean()), "independent_ari": self.independent_ari}
        return scores

    def save(self, folder: Path) -> None:
        """Writes the artifact cluster_consensus into `folder` (made if absent)."""
        write_artifact(
            folder,
            *_KIND,
            facts={"setting": self.setting, "independent_ari": self.independent_ari},
            arrays={name: getattr(self, name) for name in _ARRAYS},
        )

    @classmethod
    def load(cls, folder: Path) -> "Consensus":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        stored = read_artifact(folder, *_KIND)
        return cls(setting=Setting(*stored.facts["setting"]), **stored.values(*_ARRAYS, "independent_ari"))


_KIND = ("cluster_consensus", 1)
_ARRAYS = tuple(field.name for field in fields(Consensus))[:7]


def consensus(maps: GroupMaps, setting: tuple[int, int]) -> Consensus:
    """The clusters that the runs of `maps` agree on at `setting` (min_cluster_size, min_samples).

    How often two synapses were in one cluster, of the runs that include both, is their co-association. A synapse that was noise in
    more than half of its runs is noise. The others are joined by average linkage as long as two groups are more often
    together than apart (0.5), and what is smaller than min_cluster_size is noise again. Equal synapses share a label, and one
    that the fitted sample left out has that of its nearest fitted one.
    """
    selected = Setting(*setting)
    points = len(maps.points)
    if maps.reason:
        return _no_clusters(maps, selected)
    settings = [selected, *(candidate for candidate in grid(points) if candidate != selected)]
    runs = [cluster_runs(maps.rows, maps.places, points, candidate) for candidate in settings]
    return consensus_of(maps, selected, runs[0], _independent_agreement(settings, runs, maps.seed))


def consensus_of(maps: GroupMaps, setting: Setting, runs: Runs, independent_ari: float) -> Consensus:
    """What `consensus` gives, of `runs` at that setting and with an agreement of halves that is known, or NaN where it is not asked for."""
    sizes = np.bincount(maps.point_of, minlength=len(maps.points))
    labels, mostly_noise = agreed(runs.labels, setting.min_cluster_size)
    labels = _number_by_size(labels, sizes)
    runs_taken = np.maximum((runs.labels != ABSENT).sum(axis=0), 1)
    reasons = np.where(labels >= 0, "", np.where(mostly_noise, IN_MOST_RUNS, TOO_FEW)).astype(np.str_)
    return Consensus(
        ids=maps.ids,
        labels=labels[maps.point_of],
        membership_probability=(runs.probabilities.sum(axis=0) / runs_taken)[maps.point_of],
        consensus=_support(runs.labels, labels)[maps.point_of],
        reasons=reasons[maps.point_of],
        cluster_stability=recovery(runs.labels, labels, int(labels.max()) + 1),
        agreement=runs.agreement,
        setting=setting,
        independent_ari=independent_ari,
    )


def agreed(runs: Int32, smallest: int) -> tuple[Int32, npt.NDArray[np.bool_]]:
    """Clusters (u,) that `runs` (R, u; -1 noise, -2 left out) agree on, in arbitrary order, and which points most runs call
    noise."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    runs_taken = (runs != ABSENT).sum(axis=0)
    mostly_noise = 2 * (runs == NOISE).sum(axis=0) >= np.maximum(runs_taken, 1)
    labels = np.full(runs.shape[1], NOISE, dtype=np.int32)
    clear = np.flatnonzero(~mostly_noise)
    if len(clear) < max(2, smallest):
        return labels, mostly_noise
    distances = 1.0 - _co_association(runs[:, clear])
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), "average")
    group = fcluster(tree, TOGETHER, "distance")
    large = np.flatnonzero(np.bincount(group) >= smallest)
    for number, label in enumerate(large):
        labels[clear[group == label]] = number
    return labels, mostly_noise


def _co_association(runs: Int32) -> Float32:
    """Co-association: how often two points were in one cluster, of the runs that include both: (u, u), 0 where none does."""
    in_run = (runs != ABSENT).astype(np.float32)
    shared_runs = in_run.T @ in_run
    together = np.zeros_like(shared_runs)
    for labels in runs:
        inside = (labels[None, :] == np.arange(labels.max() + 1)[:, None]).astype(np.float32)
        together += inside.T @ inside
    return together / np.maximum(shared_runs, 1.0)


def _number_by_size(labels: Int32, sizes: npt.NDArray[np.int64]) -> Int32:
    """The same clusters numbered by falling number of synapses; ties by their first point."""
    count = labels.max() + 1
    synapses = [int(sizes[labels == label].sum()) for label in range(count)]
    first = [int(np.argmax(labels == label)) for label in range(count)]
    number = np.full(count + 1, NOISE, dtype=np.int32)  # the last is that of noise, -1
    number[np.lexsort((first, [-size for size in synapses]))] = np.arange(count)
    return number[labels]


def _support(runs: Int32, labels: Int32) -> Float64:
    """Mean co-association (u,) of each point to the others of its cluster; 0 for noise."""
    support = np.zeros(len(labels))
    for label in range(labels.max() + 1):
        members = np.flatnonzero(labels == label)
        co_association = _co_association(runs[:, members]).astype(np.float64)
        np.fill_diagonal(co_association, 0.0)
        support[members] = co_association.sum(axis=1) / max(len(members) - 1, 1)
    return support


def _independent_agreement(settings: list[Setting], runs: list[Runs], seed: int) -> float:
    """The lowest agreement of two consensus clusterings, each of one half of the runs at the setting that it chooses."""
    random = np.random.default_rng(seed)
    half = len(runs[0].labels) // 2
    lowest = 1.0
    for way in range(WAYS):
        order = np.arange(2 * half) if way == 0 else random.permutation(2 * half)
        first, second = (
            _consensus_of(settings, [run.of(np.sort(part)) for run in runs]) for part in (order[:half], order[half:])
        )
        lowest = min(lowest, adjusted_rand(first, second))
    return lowest


def _consensus_of(settings: list[Setting], runs: list[Runs]) -> Int32:
    """The consensus of some of the runs, at the setting that they choose."""
    chosen = choose(runs)
    if chosen is None:
        return np.full(runs[0].labels.shape[1], NOISE, dtype=np.int32)
    return agreed(runs[chosen].labels, settings[chosen].min_cluster_size)[0]


def _no_clusters(maps: GroupMaps, setting: Setting) -> Consensus:
    """No clusters, because there are no runs."""
    rows = len(maps.ids)
    return Consensus(
        ids=maps.ids,
        labels=np.full(rows, NOISE, dtype=np.int32),
        membership_probability=np.zeros(rows),
        consensus=np.zeros(rows),
        reasons=np.array([maps.reason] * rows, dtype=np.str_),
        cluster_stability=np.zeros(0),
        agreement=np.zeros((0, 0)),
        setting=setting,
        independent_ari=0.0,
    )
