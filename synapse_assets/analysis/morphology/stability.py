"""How far the clusters of a group can be trusted, and the verdict.

Belongs here: comparing the clusters with those of shuffled features, the interval, the verdict and its sentence. Does not
belong here: the runs and the clusters themselves (`sweep`, `consensus`).
"""

from dataclasses import dataclass

import numpy as np

from synapse_assets.analysis.morphology.consensus import Consensus
from synapse_assets.analysis.morphology.maps import GroupMaps
from synapse_assets.analysis.morphology.sweep import Float64, cluster_runs, grid
from synapse_assets.analysis.outcome import NoModel

STABLE, FRAGILE, NOISE = "stable", "fragile", "not distinguishable from noise"
RESAMPLES = 2_000
INDEPENDENT = 0.95
"""Of the issue: two consensus clusterings that share no seed agree at least so far."""
TYPICAL = 0.8


@dataclass(frozen=True)
class Stability:
    """How far the clusters of one investigation group can be trusted.

    verdict          'stable', 'fragile' or 'not distinguishable from noise'
    sentence         the verdict with its figures, in words
    clusters         of the consensus
    noise_fraction   share of the synapses in none of them; None where nothing was clustered, as are the following
    stability_ari    mean adjusted Rand index of two runs
    interval         its 95 % interval: percentile bootstrap over runs
    independent_ari  of the consensus of either half of the runs
    null_ari         stability of shuffled features, each at its best setting, mean over the shuffles
    null_ari_highest the highest of them
    null_p           (1 + shuffles at least as stable as the data) / (1 + shuffles)
    pair_aris        adjusted Rand index of every pair of runs
    null_aris        stability of every shuffle
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


def assess(maps: GroupMaps | NoModel, found: Consensus | NoModel) -> Stability:
    """The verdict on the clusters that were found in `maps`.

    TO BE FILLED
    """
    if isinstance(found, NoModel) or isinstance(maps, NoModel):
        reason = next(one.reason for one in (found, maps) if isinstance(one, NoModel))
        return _nothing(f"There are no clusters: {reason}.", None)
    if not found.clusters:
        return _nothing(f"There are no clusters: {maps.reason or 'the runs agree on none'}.", found.noise_fraction)
    nulls = null_aris(maps, found)
    typical = float(found.pair_aris.mean())
    low, high = interval(found.agreement, maps.seed)
    reached = int((nulls >= low).sum())
    beyond_chance = reached <= max(0, (len(nulls) + 1) // 10 - 1)
    reproduced = found.independent_ari >= INDEPENDENT
    verdict = NOISE if not beyond_chance else STABLE if reproduced and low >= TYPICAL else FRAGILE
    p = (1 + int((nulls >= typical).sum())) / (1 + len(nulls))
    runs = (
        f"two runs, each with a seed and a subsample of its own, agree at ARI {typical:.2f} "
        f"(95 % interval {low:.2f} to {high:.2f})"
    )
    halves = f"two consensus clusterings that share no seed at {found.independent_ari:.2f}"
    shuffles = (
        f"{len(nulls)} shuffles of the features, which have no kinds, reach {nulls.mean():.2f} in the mean and "
        f"{nulls.max():.2f} at most (p = {p:.2f})"
    )
    if verdict == NOISE:
        sentence = f"Shuffled features give groups that are as stable: {runs}, {halves}, but {shuffles}. Do not read the clusters as kinds."
    elif verdict == STABLE:
        sentence = f"Other seeds and subsamples give the same clusters: {runs}, {halves}; {shuffles}."
    else:
        short = [] if reproduced else [f"independent clusterings should agree at {INDEPENDENT}"]
        short += [] if low >= TYPICAL else [f"the interval of runs should lie above {TYPICAL}"]
        sentence = (
            f"There is more than chance, but another seed would draw other borders: {runs}, {halves}; {shuffles}. "
            f"To be stable, {' and '.join(short)}."
        )
    return Stability(
        verdict=verdict,
        sentence=sentence,
        clusters=found.clusters,
        noise_fraction=found.noise_fraction,
        stability_ari=typical,
        interval=(low, high),
        independent_ari=found.independent_ari,
        null_ari=float(nulls.mean()),
        null_ari_highest=float(nulls.max()),
        null_p=p,
        pair_aris=found.pair_aris,
        null_aris=nulls,
    )


def _nothing(sentence: str, noise_fraction: float | None) -> Stability:
    none = np.zeros(0)
    return Stability(NOISE, sentence, 0, noise_fraction, None, (None, None), None, None, None, None, none, none)


def null_aris(maps: GroupMaps, found: Consensus) -> Float64:
    """Stability (N,) of each shuffle at its best setting, of those that the data had and under the same conditions; 0 where
    none finds clusters.

    Without the same freedom of choice the data would be flattered: of ten settings, one always looks stable.
    """
    settings = sorted({*grid(len(maps.points)), found.setting})
    out = np.zeros(len(maps.null_rows))
    for null, (rows, places) in enumerate(zip(maps.null_rows, maps.null_places, strict=True)):
        for setting in settings:
            runs = cluster_runs(rows, places, len(maps.points), setting)
            if runs.eligible:
                out[null] = max(out[null], runs.stability)
    return out


def interval(agreement: Float64, seed: int) -> tuple[float, float]:
    """95 % interval of the mean agreement over pairs of runs: runs drawn with replacement, a run not paired with itself."""
    runs = len(agreement)
    counts = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES).astype(np.float64)
    pairs = agreement - np.diag(np.diag(agreement))
    total = np.einsum("bi,ij,bj->b", counts, pairs, counts)
    weight = counts.sum(axis=1) ** 2 - np.square(counts).sum(axis=1)
    low, high = np.quantile(total / np.maximum(weight, 1.0), (0.025, 0.975))
    return float(low), float(high)
