"""The settings of HDBSCAN, what each finds on the resampled maps, how far the runs agree, and which setting is chosen.

Belongs here: clustering a map at one setting, the agreement of runs, the choice. Does not belong here: the maps
(`resampled_maps`), HDBSCAN itself (`hdbscan_model`), the clusters (`consensus`), the verdict (`stability_verdict`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.agreement import ABSENT, agreement
from synapse_assets.analysis.clustering.hdbscan_model import NOISE, fit_hdbscan
from synapse_assets.analysis.clustering.resampled_maps import Float32, GroupMaps, Int32

Float64 = npt.NDArray[np.float64]

SIZES = (0.03, 0.06, 0.11, 0.2)
"""min_cluster_size as a share of the points: the published study's lie between 0.06 and 0.10."""
SAMPLES = (0.5, 1.0)
"""min_samples as a share of min_cluster_size: the published study's lie between 0.18 and 0.27."""
SMALLEST = 5
"""Fewest synapses in a cluster, and fewest neighbours that measure density: with 2, small groups break at random."""
MOST_NOISE = 0.5
"""A setting that leaves more than this share in no cluster says nothing about most synapses."""


TOLERANCE = 0.02
"""Settings whose stability differs by less are equally stable: of 120 synapses, a single one that changes cluster costs that much."""


class Setting(NamedTuple):
    """A setting of HDBSCAN."""

    min_cluster_size: int
    min_samples: int

    def __str__(self) -> str:
        return f"{self.min_cluster_size}/{self.min_samples}"


@dataclass(frozen=True)
class Runs:
    """One setting on several maps.

    labels          (R, u) int32, cluster of each point in each run; -1 noise, -2 left out
    probabilities   (R, u) float64, membership probability, 0 for noise and where left out
    agreement       (R, R) float64, adjusted Rand index of each pair (see `agreement`)
    """

    labels: Int32
    probabilities: Float64
    agreement: Float64

    @property
    def clusters(self) -> float:
        """Clusters found, median over the runs."""
        return float(np.median(self.labels.max(axis=1) + 1))

    @property
    def noise_fraction(self) -> float:
        """Share of the points of a run that are in no cluster, mean over the runs."""
        return float(np.mean((self.labels == NOISE).sum(axis=1) / (self.labels != ABSENT).sum(axis=1)))

    @property
    def mean_probability(self) -> float:
        """Membership probability of clustered points, mean over the runs; 0 if there are none."""
        clustered = (self.labels >= 0).sum(axis=1)
        return float(np.mean(self.probabilities.sum(axis=1) / np.maximum(clustered, 1)))

    @property
    def pairs(self) -> Float64:
        """Agreement of every pair of runs, (R (R - 1) / 2,)."""
        return self.agreement[np.triu_indices(len(self.agreement), 1)]

    @property
    def stability(self) -> float:
        """Mean agreement over pairs of runs."""
        return float(self.pairs.mean())

    @property
    def error(self) -> float:
        """Standard error of `stability` over the runs: jackknife, since pairs share runs (Efron & Stein, Ann Stat 9:586, 1981)."""
        runs = len(self.agreement)
        if runs < 3:
            return 0.0
        sum_by_run = self.agreement.sum(axis=1) - 1.0
        without = (self.pairs.sum() - sum_by_run) / ((runs - 1) * (runs - 2) / 2)
        return float(np.sqrt((runs - 1) / runs * np.square(without - without.mean()).sum()))

    @property
    def eligible(self) -> bool:
        """Finds at least two clusters in most runs, and leaves at most half as noise."""
        return self.clusters >= 2 and self.noise_fraction <= MOST_NOISE

    def of(self, runs: npt.NDArray[np.int64]) -> "Runs":
        """The same for some of the runs."""
        return Runs(self.labels[runs], self.probabilities[runs], self.agreement[np.ix_(runs, runs)])


@dataclass(frozen=True)
class Sweep:
    """What every setting finds.

    settings   those tried, by min_cluster_size and min_samples
    runs       what each finds; empty if there are no runs
    chosen     number of the chosen setting; None if none is eligible
    published  number of the published setting; None if there is none
    reason     why nothing was tried; empty otherwise
    """

    settings: tuple[Setting, ...]
    runs: tuple[Runs, ...]
    chosen: int | None
    published: int | None
    reason: str

    @property
    def setting(self) -> Setting | None:
        """The chosen setting."""
        return None if self.chosen is None else self.settings[self.chosen]

    def why(self, number: int) -> str:
        """Why that setting was or was not chosen."""
        run = self.runs[number]
        if run.clusters < 2:
            return "not eligible: finds fewer than two clusters in most runs"
        if run.noise_fraction > MOST_NOISE:
            return f"not eligible: leaves {run.noise_fraction:.0%} of the synapses in no cluster"
        assert self.chosen is not None  # noqa: S101  (one is eligible, so one was chosen)
        chosen = self.runs[self.chosen]
        best = max((run for run in self.runs if run.eligible), key=lambda run: run.stability)
        if number == self.chosen and run is best:
            return f"chosen: the runs agree best (ARI {run.stability:.2f})"
        if number == self.chosen:
            return (
                f"chosen: the runs agree as well as at the best setting, give or take {TOLERANCE} (ARI {run.stability:.2f} "
                f"against {best.stability:.2f}), and on at least as many clusters ({run.clusters:g})"
            )
        setting = self.settings[self.chosen]
        if run.stability < best.stability - TOLERANCE:
            return (
                f"the runs agree less well than at {setting} (ARI {run.stability:.2f} against {chosen.stability:.2f})"
            )
        if run.clusters < chosen.clusters:
            return f"the runs agree as well as at {setting}, but on fewer clusters ({run.clusters:g} against {chosen.clusters:g})"
        return f"no better than {setting}: as many clusters, and the runs agree no better (ARI {run.stability:.2f})"

    def rows(self) -> list[dict[str, Any]]:
        """Rows of `schema.morphology.PARAMETER_SWEEP` without group and model; none if there are no runs."""
        return [
            {
                "min_cluster_size": setting.min_cluster_size,
                "min_samples": setting.min_samples,
                "clusters": run.clusters,
                "noise_fraction": run.noise_fraction,
                "mean_probability": run.mean_probability,
                "stability_ari": run.stability,
                "stability_error": run.error,
                "published": number == self.published,
                "chosen": number == self.chosen,
                "why": self.why(number),
            }
            for number, (setting, run) in enumerate(zip(self.settings, self.runs, strict=True))
        ]


def sweep(maps: GroupMaps, extra: tuple[int, int] | None = None) -> Sweep:
    """Every setting of the grid, and `extra` (min_cluster_size, min_samples: the published one), on every run of `maps`."""
    if maps.reason:
        return Sweep((), (), None, None, maps.reason)
    published = Setting(*extra) if extra else None
    settings = tuple(sorted({*grid(len(maps.points)), *([published] if published else [])}))
    runs = tuple(cluster_runs(maps.rows, maps.places, len(maps.points), setting) for setting in settings)
    return Sweep(settings, runs, choose(runs), settings.index(published) if published else None, "")


def grid(points: int) -> tuple[Setting, ...]:
    """The settings tried on a group of so many points: four sizes of cluster, each with two densities."""
    sizes = sorted({max(SMALLEST, round(share * points)) for share in SIZES})
    return tuple(
        Setting(size, samples)
        for size in sizes
        for samples in sorted({max(SMALLEST, round(size * q)) for q in SAMPLES})
    )


def choose(runs: Sequence[Runs]) -> int | None:
    """The number of the setting to choose; None if none is eligible.

    Of those on which runs agree as well as on the best, give or take 0.02, the one with most clusters: a grouping that is as
    reproducible and finer says more. Then the one on which runs agree best, then the first.

    A margin that does not come from the runs themselves, such as their standard error, because that varies with the seed and
    the choice with it: over 79 planted data sets of two or three seeds, the consensus clusterings of two seeds agreed below
    0.95 in 16 % of the pairs with 0.02, in 17 % with the standard error, 18 % with no margin.
    """
    eligible = [number for number, run in enumerate(runs) if run.eligible]
    if not eligible:
        return None
    best = max(eligible, key=lambda number: runs[number].stability)
    lowest = runs[best].stability - TOLERANCE
    equally_stable = [number for number in eligible if runs[number].stability >= lowest]
    return max(equally_stable, key=lambda number: (runs[number].clusters, runs[number].stability))


def cluster_runs(rows: Int32, places: Float32, points: int, setting: Setting) -> Runs:
    """HDBSCAN at one setting on every map: `rows` (R, m) of so many `points`, with coordinates `places` (R, m, d)."""
    labels = np.full((len(rows), points), ABSENT, dtype=np.int32)
    probabilities = np.zeros((len(rows), points))
    for run, (run_rows, coordinates) in enumerate(zip(rows, places, strict=True)):
        fitted = fit_hdbscan(coordinates, *setting)
        labels[run, run_rows] = NOISE if fitted is None else fitted.labels_
        probabilities[run, run_rows] = 0.0 if fitted is None else fitted.probabilities_
    return Runs(labels, probabilities, agreement(labels))
