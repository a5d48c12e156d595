"""What separation can the verdict see? Two planted groups at the sizes of the study's investigation groups, and none.

    python -m benchmarks.verdict_power [synapses ...]

Measures what the table shipped with the package (`analysis/clustering/verdict_power.csv`) lacks, and writes each line as soon as it is
known, so that an interrupted run goes on where it stopped; to measure anew, take lines out. Of each number of synapses and
separation ten data sets are drawn, mapped, clustered and judged as an investigation group is: for all, 45 minutes of one core.
Then prints the table of docs/methods/clusters.md, and draws docs/images/verdict_power.png. A row is one number of synapses; a column one
distance of the groups, in within-group standard deviations:

9 / 2 / 10   so many of ten data sets were called more than noise, of these so many stable, and in so many the clusters agree with the
             planted groups at an adjusted Rand index of 0.8 or more, noise as one more group
seen from    the distance from which on at least 8 in 10 were called more than noise; stable from: called stable
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.stability import run
from synapse_assets.analysis.clustering.agreement import adjusted_rand
from synapse_assets.analysis.clustering.stability_verdict import FRAGILE, LIKE_NOISE, STABLE
from synapse_assets.analysis.clustering.verdict_power import COLUMNS, TABLE, Cell, power, read_cells
from synapse_assets.datasets import Resampling
from synapse_assets.datasets.morphology import FeatureChoice
from synapse_assets.figures.stability import power_figure
from synapse_assets.pipeline.report import markdown_table

Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "verdict_power.png"
SYNAPSES = (28, 120, 60, 250)
SEPARATIONS_SD = (4, 3, 5, 2, 6, 0)
REPEATS = 10
RECOVERED_ARI = 0.8
NEURONS = (250, 178, 68)
"""Synapses of three neurons of one type in the sample workbook: their shares are those of the planted neurons."""
GROUPS = (0.6, 0.4)
LOG_AREAS = np.array([[0.22, -0.08], [0.22, 0.08]])
"""What a standard deviation of size, which moves both areas alike, and one of their ratio add to the log areas (a column each), as
`sample.workbook` draws cb."""
NEURON_SHIFT_SD = 0.3
PLACE_SPREAD = (0.85, 1.15)


@dataclass(frozen=True)
class Planted:
    """Synapses with two planted groups.

    places    (n, 3) float64, along the axes of their neuron, in its usual spreads
    areas     (n, 2) float64, log-normal within a group and neuron
    neurons   (n,) int32, 0 to 2
    groups    (n,) int32, 0 or 1
    """

    places: Float64
    areas: Float64
    neurons: Int32
    groups: Int32

    def features(self) -> Float64:
        """Features (n, 5) as `analysis.morphology.features` makes them: less the median, by interquartile range, weighted."""
        choice = FeatureChoice()
        values = np.hstack([self.places, self.areas])
        low, middle, high = np.percentile(values, (25, 50, 75), axis=0)
        return (values - middle) / (high - low) * np.repeat([choice.place_weight, choice.shape_weight], (3, 2))


def planted(synapses: int, separation_sd: float, repeat: int) -> Planted:
    """So many synapses on three neurons of uneven size, six in ten of each in one group and four in another.

    The means of the groups' log areas lie `separation_sd` apart in a random direction, counted in the standard deviations of one
    group on one neuron along the axis that tells them apart best (Mahalanobis distance). A neuron has its own shift of the log
    areas, 0.3 of these standard deviations, and its own spreads of place.
    """
    random = np.random.default_rng([repeat, synapses, round(10 * separation_sd)])
    borders = np.round(np.cumsum(NEURONS) / sum(NEURONS) * synapses).astype(int)
    neurons = np.searchsorted(borders, np.arange(synapses), side="right").astype(np.int32)
    groups = np.zeros(synapses, dtype=np.int32)
    for neuron in range(len(NEURONS)):
        members = random.permutation(np.flatnonzero(neurons == neuron))
        groups[members[: max(1, round(GROUPS[1] * len(members)))]] = 1
    angle = random.uniform(0, 2 * np.pi)
    apart = separation_sd * np.array([np.cos(angle), np.sin(angle)])
    shifts = NEURON_SHIFT_SD * random.normal(size=(len(NEURONS), 2))
    standard = random.normal(size=(synapses, 2)) + np.outer(groups, apart) + shifts[neurons]
    spreads = random.uniform(*PLACE_SPREAD, size=(len(NEURONS), 3))
    places = random.normal(size=(synapses, 3)) * spreads[neurons]
    return Planted(places, np.exp(standard @ LOG_AREAS.T), neurons, groups)


def measured(synapses: int, separation_sd: float) -> Cell:
    """How the data sets of one size and separation came out."""
    counts: Counter[str] = Counter()
    recovered = 0
    for repeat in range(REPEATS):
        data = planted(synapses, separation_sd, repeat)
        labels, verdict = run(data.features(), repeat, Resampling())
        counts[verdict.verdict] += 1
        recovered += separation_sd > 0 and adjusted_rand(labels, data.groups) >= RECOVERED_ARI
    return Cell(synapses, separation_sd, REPEATS, counts[STABLE], counts[FRAGILE], counts[LIKE_NOISE], recovered)


def table(cells: Sequence[Cell]) -> str:
    """The table of docs/methods/clusters.md."""
    by_place = {(cell.synapses, cell.separation_sd): cell for cell in cells}
    sizes, distances = (sorted(set(of_cells)) for of_cells in zip(*by_place, strict=True))
    lines = []
    for synapses in sizes:
        line = [by_place.get((synapses, distance)) for distance in distances]
        counts = [f"{cell.above_noise} / {cell.stable} / {cell.recovered}" if cell else None for cell in line]
        found = power(int(synapses), cells)
        limits = ["-" if limit is None else f"{limit:g}" for limit in (found.detectable_sd, found.stable_sd)]
        lines.append([f"{synapses:g}", *counts, *limits])
    head = [f"{distance:g} apart" if distance else "no groups" for distance in distances]
    return markdown_table(["synapses", *head, "seen from", "stable from"], lines)


def main() -> None:
    """Measures what is missing, and shows the table."""
    if not TABLE.exists():
        TABLE.write_text(",".join(COLUMNS) + "\n")
    done = {(cell.synapses, cell.separation_sd) for cell in read_cells()}
    for synapses in [int(text) for text in sys.argv[1:]] or SYNAPSES:
        for separation_sd in SEPARATIONS_SD:
            if (synapses, separation_sd) in done:
                continue
            began = time.perf_counter()
            cell = measured(synapses, separation_sd)
            with TABLE.open("a") as stream:
                stream.write(",".join(map(str, astuple(cell))) + "\n")
            print(f"{synapses} synapses, {separation_sd} apart: {time.perf_counter() - began:.0f} s", flush=True)
    cells = read_cells()
    print("\n" + table(cells))
    PICTURE.write_bytes(power_figure(cells))


if __name__ == "__main__":
    main()
