"""Which query strategy needs the fewest labels on real EM, and what asking costs.

    python -m benchmarks.labelling --data ../shared/data/vnc_sstem [--features texture hog] [--errors 0 0.05] [--seeds 5] [--rounds 14]

Data: vnc_sstem (Gerhard et al., figshare, doi 10.6084/m9.figshare.856713), the 1,394 points of sections 01-13 of stack1 with one of four
labels (what lies at the point). One quadrant is held out and never asked about; 20 labels at random, then rounds of 20; a linear probe of
a simulated annotator's answers, scored by the true labels of the held-out quadrant. Vectors see no label: the texture of the tiles
(32 numbers, as an encoder of origin texture gives them), or for comparison the principal components of pixels and of HOG.

area         mean balanced accuracy under the label curve, minus that of random
rare         the same of the recall of the rarest class
to 95 %      labels to reach 95 % of the score with all labels, as a share of random's
core-s       processor seconds of a run (one quadrant and seed: all rounds, probes included)
Intervals of 95 % are Student's over the four quadrants, each the mean of its seeds; in brackets the lower end that holds for all strategies
together, by which one is recommended.

After that, for each strategy in a process of its own: a batch of 100 from 50,000 items of 64 features with 3,000 labelled, random numbers.
"""

import argparse
import multiprocessing
import os
import resource
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.labelling import simulated
from synapse_assets.analysis.labelling.benchmark import RANDOM, Outcome, Verdict, compare
from synapse_assets.analysis.labelling.simulated import Known
from synapse_assets.analysis.labelling.strategies import Items, suggest
from synapse_assets.datasets.labelling import Strategy

if TYPE_CHECKING:
    from benchmarks.encoder_study import Sites

STRATEGIES: tuple[Strategy, ...] = tuple(name for name in get_args(Strategy) if name != "recommended")
POOL, LABELLED, BATCH = 50_000, 3_000, 100
SPAWN = multiprocessing.get_context("spawn")
Float64 = npt.NDArray[np.float64]


def texture(sites: "Sites") -> Float64:
    """The texture of the tiles, (N, 32)."""
    from benchmarks.encoder_study import PIXEL_NM, TILE_PX
    from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec

    spec = texture_spec(3, TILE_PX, PIXEL_NM)
    return fit_with_head(spec, None, sites.tiles, 32, seed=0).embed(sites.tiles).astype(np.float64)


def hog(sites: "Sites") -> Float64:
    """Principal components of the pixels and of the HOG of the middle 64 x 64, (N, 128), the first of each of variance one."""
    from skimage.feature import hog as histograms
    from sklearn.decomposition import PCA

    from benchmarks.encoder_study import TILE_PX

    edge = (TILE_PX - 64) // 2
    pixels = sites.tiles[:, 1, edge:-edge, edge:-edge] / 255.0
    gradients = [histograms(tile, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)) for tile in pixels]
    parts = [
        PCA(64, random_state=0).fit_transform(rows) for rows in (pixels.reshape(len(pixels), -1), np.array(gradients))
    ]
    return np.concatenate([part / part.std() for part in parts], axis=1)


def with_ends(outcome: Outcome, digits: str) -> str:
    if outcome.value is None:
        return "not reached"
    ends = outcome.interval
    return f"{outcome.value:{digits}}" + (f" [{ends[0]:{digits}}, {ends[1]:{digits}}]" if ends else "")


def print_verdict(verdict: Verdict, seconds: dict[str, float]) -> None:
    by_key = {(outcome.strategy, outcome.measure): outcome for outcome in verdict.outcomes}
    print(f"{'':<12}{'area':<26}{'(all)':<10}{'ahead':<10}{'rare':<26}{'to 95 %':<22}core-s")
    for name in STRATEGIES:
        if name == RANDOM:
            print(f"{name:<94}{'':<12}{seconds[name]:.2f}")
            continue
        area, rare, share = (by_key[name, measure] for measure in ("area", "rare_recall", "labels_95"))
        bound = verdict.bounds[name]
        print(
            f"{name:<12}{with_ends(area, '+.3f'):<26}{'' if bound is None else f'({bound:+.3f})':<10}"
            f"{f'{area.ahead} of {area.runs}':<10}{with_ends(rare, '+.3f'):<26}{with_ends(share, '.2f'):<22}{seconds[name]:.2f}"
        )
    print(verdict.sentence)
    for outcome in verdict.outcomes:
        if outcome.measure == "labels_95" and (outcome.value is None or "needs more" in outcome.sentence):
            print(f"  {outcome.sentence}")


def run(vectors: Float64, sites: "Sites", error_rate: float, seeds: int, rounds: int) -> None:
    classes, codes = np.unique(sites.label, return_inverse=True)
    folds = np.unique(sites.region, return_inverse=True)[1]
    known = Known(vectors, codes.astype(np.int64), tuple(classes.tolist()), folds.astype(np.int64))
    seconds: dict[str, float] = defaultdict(float)
    curves = []
    before = time.process_time()
    for curve in simulated.simulate(known, STRATEGIES, error_rate, seeds=range(seeds), rounds=rounds):
        seconds[curve.strategy] += time.process_time() - before
        curves.append(curve)
        before = time.process_time()
    full = np.mean([curve.score[0] for curve in curves if curve.strategy == simulated.ALL_LABELS])
    of_random = np.mean([curve.score for curve in curves if curve.strategy == RANDOM], axis=0)
    points = ", ".join(f"{score:.3f}" for score in of_random)
    print(f"with all labels {full:.3f}; random with 20, 40, ...: {points}")
    runs = len(seconds) and seeds * len(np.unique(folds))
    print_verdict(compare(curves, classes[known.rarest]), {name: spent / runs for name, spent in seconds.items()})


def ask(strategy: Strategy) -> tuple[float, float]:
    """Core-seconds of a batch from a large pool, the library loaded, and the peak of memory in GB."""
    rng = np.random.default_rng(0)
    count = POOL + LABELLED
    everything = Items(
        rng.normal(size=(count, 64)), rng.normal(size=(count, 64)), rng.dirichlet(np.full(6, 0.3), size=count)
    )
    rows = np.arange(count)
    suggest(strategy, everything.take(rows[:200]), everything.take(rows[:20]), 5, 0)
    begun = time.process_time()
    suggest(strategy, everything.take(rows[:POOL]), everything.take(rows[POOL:]), BATCH, 0)
    return time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("SYNAPSE_VNC_SSTEM_FOLDER"), help="folder vnc_sstem"
    )
    parser.add_argument("--features", nargs="+", choices=("texture", "hog"), default=("texture", "hog"))
    parser.add_argument("--errors", nargs="+", type=float, default=(0.0, 0.05))
    parser.add_argument("--seeds", type=int, default=len(simulated.SEEDS))
    parser.add_argument("--rounds", type=int, default=14, help="of 20 labels, after the first 20")
    arguments = parser.parse_args()
    if arguments.data is None or not (arguments.data / "sites_stack1.csv").is_file():
        print(f"real sections are skipped: there is no sites_stack1.csv in {arguments.data}")
    else:
        from benchmarks.encoder_study import read_sites

        everything = read_sites(arguments.data, 1)
        sites = everything.take((everything.section >= 1) & (everything.section <= 13))
        print(f"{len(sites.label)} points, {arguments.seeds} seeds, {20 + 20 * arguments.rounds} labels at most")
        for name in arguments.features:
            vectors = {"texture": texture, "hog": hog}[name](sites)
            for error_rate in arguments.errors:
                print(f"\n{name}, {vectors.shape[1]} dimensions, {error_rate:.0%} of answers wrong")
                run(vectors, sites, error_rate, arguments.seeds, arguments.rounds)
    print(f"\na batch of {BATCH} from {POOL:,} items, {LABELLED:,} labelled")
    for strategy in STRATEGIES:
        with SPAWN.Pool(1) as pool:
            spent, peak = pool.apply(ask, (strategy,))
        print(f"{strategy:<12}{spent:>7.1f} core-s {peak:>6.2f} GB")


if __name__ == "__main__":
    main()
