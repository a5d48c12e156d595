"""How far clusters can be trusted: how they agree with refits, and the verdict.

Belongs here: comparing clusters with those of redrawn features, the interval, the verdict and its
sentence. Does not belong here: the runs and the clusters themselves (`parameter_sweep`, `consensus`, `hdbscan_model`),
refits (`refits`).
"""

from dataclasses import dataclass, replace

import numpy as np

from synapse_assets.analysis.clustering.agreement import Float64, adjusted_rand, agreement, recovery
from synapse_assets.analysis.clustering.consensus import Consensus
from synapse_assets.analysis.clustering.hdbscan_model import NOISE, ClusterModel, Labels, cluster_sizes
from synapse_assets.analysis.clustering.null_features import redrawn
from synapse_assets.analysis.clustering.parameter_sweep import cluster_runs, grid
from synapse_assets.analysis.clustering.projection import Float32, Projection, unit_rows
from synapse_assets.analysis.clustering.refits import SHARE, quick_refits
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps
from synapse_assets.artifacts import NoModel

STABLE, FRAGILE, LIKE_NOISE = "stable", "fragile", "not distinguishable from noise"
RESAMPLES = 2_000
INDEPENDENT = 0.97
"""Of two consensus clusterings that share no seed, so that those of another seed agree as far (see `assess`)."""
TYPICAL = 0.85
"""Of two single runs, at the lower end of the interval (see `assess`)."""
REFITTED_ROWS = 1_000
REFITS = 6
NULLS = 9
REFITS_A_NULL = 3
REPRODUCED = 0.9
"""Of two refits, at the lower end of the interval, and of the clustering itself with its refits (see `assess_fit`)."""


@dataclass(frozen=True)
class Stability:
    """How far clusters can be trusted: those of an investigation group, or those of a fitted sample.

    verdict          'stable', 'fragile' or 'not distinguishable from noise'
    sentence         a sentence with the verdict and its figures
    clusters         of the consensus
    noise_fraction   share of the synapses in none of them; None where nothing was clustered, as are the following
    stability_ari    mean adjusted Rand index of two runs
    interval         its 95 % interval: percentile bootstrap over runs
    independent_ari  of two consensus clusterings that share no seed and no subsample, the lowest of 20 pairs
    null_ari         stability of redrawn features (`null_features`), each at its best setting, mean
    null_ari_highest the highest of them
    null_p           (1 + draws at least as stable as the data) / (1 + draws)
    pair_aris        adjusted Rand index of every pair of runs
    null_aris        stability of every draw
    fitted_ari       mean adjusted Rand index of the clustering with its refits; None where it is a consensus of them
    weakest          the cluster that comes back least in the refits, and its mean Jaccard index there; None for a consensus
    """

    verdict: str
    sentence: str
    clusters: int
    noise_fraction: float | None
    stability_ari: float | None
    interval: tuple[float | None, float | None]
    independent_ari: float | None
    null_ari: float | None
    null_ari_highest: float | None
    null_p: float | None
    pair_aris: Float64
    null_aris: Float64
    fitted_ari: float | None = None
    weakest: tuple[int, float] | None = None

    @property
    def title(self) -> str:
        """The verdict with its two figures, for the title of a figure."""
        if self.stability_ari is None or self.null_ari is None:
            return self.verdict
        return f"{self.verdict}: refits agree at ARI {self.stability_ari:.2f}, without groups at {self.null_ari:.2f}"


def assess(maps: GroupMaps | NoModel, consensus: Consensus | NoModel) -> Stability:
    """The verdict on the clusters `consensus` of `maps`.

    - not distinguishable from noise: no clusters, or more than one in ten of the redrawn features (of 19: more than one) is at
      least as stable as the lower end of the interval of the data. Redrawn features may choose their best setting, as the data
      did.
    - stable: beyond that, two consensus clusterings that share no seed agree at 0.97 in the worst of 20 pairs, and the
      interval of two single runs lies above 0.85.
    - fragile: everything between.

    Measured with 36 runs on planted data, each run twice with other seeds: of 91 data sets of noise (normal, uniform,
    log-normal; 40, 120 and, only 7 of them, 500 rows) none was called stable and 90 were called noise. 159 data sets with planted
    groups (2 to 4, 4 to 8 standard deviations apart, in one measure or several, mostly 120 rows) were called stable; in none did the
    clusters of the other seed agree below 0.95. The limit was chosen on 86 of these; 73 were drawn afterwards. It errs towards
    fragile: three groups 6 apart were called stable in 10 of 14, 7 or 8 apart in 20 of 20.
    """
    if isinstance(consensus, NoModel) or isinstance(maps, NoModel):
        reason = next(result.reason for result in (consensus, maps) if isinstance(result, NoModel))
        return _no_clusters(f"There are no clusters: {reason}.", None)
    if not consensus.clusters:
        return _no_clusters(
            f"There are no clusters: {maps.reason or 'the runs agree on none'}.", consensus.noise_fraction
        )
    nulls = null_aris(maps, consensus)
    mean_ari = float(consensus.pair_aris.mean())
    low, high = interval(consensus.agreement, maps.seed)
    beyond_chance = _beyond_chance(low, nulls)
    reproduced = consensus.independent_ari >= INDEPENDENT
    verdict = LIKE_NOISE if not beyond_chance else STABLE if reproduced and low >= TYPICAL else FRAGILE
    p = _p_value(mean_ari, nulls)
    runs = (
        f"two runs, each with a seed and a subsample of its own, agree at ARI {mean_ari:.2f} "
        f"(95 % interval {low:.2f} to {high:.2f})"
    )
    halves = f"two consensus clusterings that share no seed at {consensus.independent_ari:.2f}"
    draws = _describe_nulls("features", nulls, p)
    if verdict == LIKE_NOISE:
        sentence = f"Features without groups give clusters about as stable: {runs}, {halves}; {draws}. Do not read them as kinds."
    elif verdict == STABLE:
        sentence = f"Other seeds and subsamples give the same clusters: {runs}, {halves}; {draws}."
    else:
        shortfalls = [] if reproduced else [f"independent clusterings should agree at {INDEPENDENT}"]
        shortfalls += [] if low >= TYPICAL else [f"the interval of runs should lie above {TYPICAL}"]
        sentence = (
            f"There is more than chance, but another seed would draw other borders: {runs}, {halves}; {draws}. "
            f"To be stable, {' and '.join(shortfalls)}."
        )
    return Stability(
        verdict=verdict,
        sentence=sentence,
        clusters=consensus.clusters,
        noise_fraction=consensus.noise_fraction,
        stability_ari=mean_ari,
        interval=(low, high),
        independent_ari=consensus.independent_ari,
        null_ari=float(nulls.mean()),
        null_ari_highest=float(nulls.max()),
        null_p=p,
        pair_aris=consensus.pair_aris,
        null_aris=nulls,
    )


def assess_fit(projection: Projection, model: ClusterModel) -> Stability:
    """The verdict on the clusters `model` of the fitted sample of `projection`, from at most 1,000 of its rows.

    Six refits (`quick_refits`), and three for each of nine draws of vectors that have the sample's means, spreads and
    correlations but no groups (`null_features`).

    - not distinguishable from noise: no clusters, or the refits of a draw agree as well as those of the sample do at the lower end
      of their interval.
    - stable: beyond that, this lower end and the agreement of `model` itself with its refits both reach 0.9.
    - fragile: everything between.

    Measured on planted data of 64, 128 and 256 dimensions, 20 sets each of 300 and of 2,000 rows (`benchmarks/fit_verdicts.py`), and fixed
    then: three or four groups 8 standard deviations apart were called stable in 40 of 40 (refits agreed at 0.99 and more), normal
    noise of equal variance was called noise in 40 of 40 (0.05 at most). Noise that is longer in some directions is cut in the same
    places by many refits: of 20 sets (300 rows, spreads falling with the root of the direction's number) none was called stable
    and 4 were called fragile.

    It judges what 1,000 rows show: clusters that take more rows to come out are called noise. The sample dataset's four (2,400 rows)
    are: refits of all its rows agree at 0.84, of redrawn ones at 0.35 and 0.39 (two draws), but refits of 1,000 at 0.29.
    """
    if not model.clusters:
        return _no_clusters(f"There are no clusters: {model.reason}.", model.noise_fraction)
    random = np.random.default_rng([projection.seed, len(projection.sample)])
    subset = np.sort(random.permutation(len(projection.sample))[:REFITTED_ROWS])
    sample, labels = projection.sample[subset], model.labels[subset]
    runs = quick_refits(sample, REFITS, projection.neighbours, random)
    nulls = np.array([_null_ari(sample, projection.neighbours, random) for _ in range(NULLS)])
    judged = judge_refits(labels, runs, nulls, projection.seed, "vectors")
    weakest = _weakest(model, labels, runs)
    sentence = judged.sentence
    if weakest is not None and judged.verdict != LIKE_NOISE:
        sentence += f" Cluster {weakest[0]} comes back least (Jaccard index {weakest[1]:.2f})."
    if len(subset) < len(model.labels):
        sentence += f" Judged on {len(subset):,} of {len(model.labels):,} synapses."
    return replace(
        judged, sentence=sentence, clusters=model.clusters, noise_fraction=model.noise_fraction, weakest=weakest
    )


def judge_refits(labels: Labels, runs: Labels, nulls: Float64, seed: int, inputs: str) -> Stability:
    """The verdict on the clusters `labels` (n,), by the rules of `assess_fit`.

    runs (R, n): clusters of refits with other seeds and a part of the rows, -2 where left out; nulls (N,): how far refits of draws
    without groups agree; inputs: what is redrawn, in words. `labels` hold at least one cluster.
    """
    pairs = agreement(runs)
    mean_ari = _mean_of_pairs(pairs)
    low, high = interval(pairs, seed)
    fitted = float(np.mean([adjusted_rand(labels, run) for run in runs]))
    reproduced = min(low, fitted) >= REPRODUCED
    verdict = LIKE_NOISE if not _beyond_chance(low, nulls) else STABLE if reproduced else FRAGILE
    p = _p_value(mean_ari, nulls)
    refits = (
        f"refits with another seed and a fifth of the {inputs} left out agree at ARI {mean_ari:.2f} (95 % interval {low:.2f} to "
        f"{high:.2f}) with each other and at {fitted:.2f} with these clusters"
    )
    figures = f"{refits}; {_describe_nulls(inputs, nulls, p)}"
    if verdict == LIKE_NOISE:
        sentence = (
            f"{inputs.capitalize()} without groups give clusters about as stable: {figures}. Do not read them as kinds."
        )
    elif verdict == STABLE:
        sentence = f"Other seeds and subsamples give the same clusters: {figures}."
    else:
        sentence = (
            f"There is more than chance, but another seed would draw other borders: {figures}. To be stable, refits should agree "
            f"at {REPRODUCED:g}, with these clusters and at the lower end of the interval."
        )
    return Stability(
        verdict=verdict,
        sentence=sentence,
        clusters=len(np.unique(labels[labels >= 0])),
        noise_fraction=float((labels < 0).mean()),
        stability_ari=mean_ari,
        interval=(low, high),
        independent_ari=None,
        null_ari=float(nulls.mean()),
        null_ari_highest=float(nulls.max()),
        null_p=p,
        pair_aris=pairs[np.triu_indices(len(pairs), 1)],
        null_aris=nulls,
        fitted_ari=fitted,
    )


def _null_ari(sample: Float32, neighbours: int, random: np.random.Generator) -> float:
    """Mean agreement of the refits of one draw of vectors like `sample` without groups."""
    null_sample = unit_rows(redrawn(sample.astype(np.float64), random))
    return _mean_of_pairs(agreement(quick_refits(null_sample, REFITS_A_NULL, neighbours, random)))


def _weakest(model: ClusterModel, labels: Labels, runs: Labels) -> tuple[int, float] | None:
    """Number and recovery of the cluster that comes back least, of those that the refits had enough rows of to find."""
    position = np.where(labels >= 0, np.searchsorted(model.numbers, labels), NOISE)
    fewest = cluster_sizes(round(len(labels) * SHARE))[0]
    rows = np.bincount(position[position >= 0], minlength=model.clusters)
    recovered = np.where(rows * SHARE >= fewest, recovery(runs, position, model.clusters), np.inf)
    weakest = int(recovered.argmin())
    return (int(model.numbers[weakest]), float(recovered[weakest])) if np.isfinite(recovered[weakest]) else None


def _mean_of_pairs(pairs: Float64) -> float:
    return float(pairs[np.triu_indices(len(pairs), 1)].mean())


def _beyond_chance(low: float, nulls: Float64) -> bool:
    """Whether at most one in ten draws, the data counted with them, is as stable as the lower end of the data's interval."""
    return int((nulls >= low).sum()) <= max(0, (len(nulls) + 1) // 10 - 1)


def _p_value(mean_ari: float, nulls: Float64) -> float:
    return (1 + int((nulls >= mean_ari).sum())) / (1 + len(nulls))


def _describe_nulls(inputs: str, nulls: Float64, p: float) -> str:
    return (
        f"{inputs} redrawn without groups {len(nulls)} times reach {nulls.mean():.2f} in the mean and {nulls.max():.2f} at most "
        f"(p = {p:.2f})"
    )


def _no_clusters(sentence: str, noise_fraction: float | None) -> Stability:
    none = np.zeros(0)
    return Stability(LIKE_NOISE, sentence, 0, noise_fraction, None, (None, None), None, None, None, None, none, none)


def null_aris(maps: GroupMaps, consensus: Consensus) -> Float64:
    """Stability (N,) of each draw at its best setting, of those that the data had and under the same conditions; 0 where
    none finds clusters.

    Without the same freedom of choice the data would be flattered: of ten settings, one always looks stable.
    """
    settings = sorted({*grid(len(maps.points)), consensus.setting})
    stabilities = np.zeros(len(maps.null_rows))
    for null, (rows, places) in enumerate(zip(maps.null_rows, maps.null_places, strict=True)):
        for setting in settings:
            runs = cluster_runs(rows, places, len(maps.points), setting)
            if runs.eligible:
                stabilities[null] = max(stabilities[null], runs.stability)
    return stabilities


def interval(agreement: Float64, seed: int) -> tuple[float, float]:
    """95 % interval of the mean agreement over pairs of runs: runs drawn with replacement, a run not paired with itself."""
    runs = len(agreement)
    counts = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES).astype(np.float64)
    pairs = agreement - np.diag(np.diag(agreement))
    total = np.einsum("bi,ij,bj->b", counts, pairs, counts)
    weight = counts.sum(axis=1) ** 2 - np.square(counts).sum(axis=1)
    low, high = np.quantile(total / np.maximum(weight, 1.0), (0.025, 0.975))
    return float(low), float(high)
