"""Do the verdicts keep their word? Planted groups of graded separation, and noise, through maps, clusters and verdict.

    python -m benchmarks.stability [synapses] [repeats]

Every data set is run twice with seeds that share nothing. A row is one data set and repeat:

data        groups N @ S: N groups S standard deviations apart in all five features; one area @ S: two groups in one area alone;
            skewed @ S: three groups in two log-normal areas; the others have no groups. Places weigh 0.2, areas 1.
clusters    of either run
truth       adjusted Rand index of the first run's clusters to the planted groups
stability   mean agreement of two resampled maps, with its 95 % interval
null        highest stability among the shuffles
verdict     of the first run
again       adjusted Rand index between the clusters of the two runs: at least 0.95 is promised where the verdict is stable
"""

import sys
import time

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering.agreement import adjusted_rand
from synapse_assets.analysis.clustering.consensus import Consensus, consensus
from synapse_assets.analysis.clustering.parameter_sweep import sweep
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps, fit_maps
from synapse_assets.analysis.clustering.stability_verdict import STABLE, Stability, assess
from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import Resampling

Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
WEIGHTS = np.array([0.2, 0.2, 0.2, 1.0, 1.0])
DATA = (
    *(("groups 3", separation) for separation in (3.0, 4.0, 5.0, 6.0, 8.0)),
    *(("groups 4", separation) for separation in (5.0, 8.0)),
    *(("one area", separation) for separation in (3.0, 5.0, 8.0)),
    *(("skewed", separation) for separation in (4.0, 6.0, 8.0)),
    *((kind, 0.0) for kind in ("gaussian", "uniform", "log-normal")),
)


def planted(kind: str, separation: float, rows: int, seed: int) -> tuple[Float64, Int32 | None]:
    """Features (rows, 5), scaled and weighted, and the planted group of each row."""
    random = np.random.default_rng([seed, rows, int(separation * 10), len(kind)])
    group: Int32 | None = None
    if kind.startswith("groups"):
        count = int(kind[-1])
        group = random.choice(count, rows, p=np.arange(1, count + 1) / (count * (count + 1) / 2)).astype(np.int32)
        axes = np.linalg.qr(random.normal(size=(5, 5)))[0][:count]
        return axes[group] * separation / np.sqrt(2) + random.normal(size=(rows, 5)), group
    places = random.normal(size=(rows, 3))
    if kind == "one area":
        group = (random.random(rows) < 0.4).astype(np.int32)
        areas = random.normal(size=(rows, 2)) + np.outer(group, (separation, 0))
    elif kind == "skewed":
        group = random.choice(3, rows, p=(0.5, 0.3, 0.2)).astype(np.int32)
        centres = np.array([[0, 0], [1, 0], [0, 1]]) * separation
        areas = 4 * np.exp(0.25 * (centres[group] + random.normal(size=(rows, 2))))
    elif kind == "gaussian":
        areas = random.normal(size=(rows, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    elif kind == "uniform":
        places, areas = random.uniform(size=(rows, 3)), random.uniform(size=(rows, 2))
    else:
        areas = np.exp(0.5 * random.normal(size=(rows, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]]))
    features = np.hstack([places, areas])
    low, middle, high = np.percentile(features, (25, 50, 75), axis=0)
    return (features - middle) / (high - low) * WEIGHTS, group


def run(features: Float64, seed: int, resampling: Resampling) -> tuple[Int32, Stability]:
    """Clusters (n,) and the verdict of one run."""
    maps = fit_maps(features, [f"s{i:05d}" for i in range(len(features))], seed, resampling)
    assert isinstance(maps, GroupMaps)
    setting = sweep(maps).setting
    found: Consensus | NoModel = NoModel("no setting") if setting is None else consensus(maps, setting)
    labels = np.full(len(features), -1, np.int32) if isinstance(found, NoModel) else found.labels
    return labels, assess(maps, found)


def main() -> None:
    rows, repeats = (int(a) for a in (*sys.argv[1:], *("120", "1")[len(sys.argv) - 1 :]))
    print(f"{rows} synapses, {Resampling()}")
    print(f"{'data':<16}{'clusters':>9}{'truth':>7}{'stability':>21}{'null':>6}  {'verdict':<32}{'again':>6}{'s':>6}")
    broken = 0
    for kind, separation in DATA:
        for repeat in range(repeats):
            features, group = planted(kind, separation, rows, repeat)
            began = time.perf_counter()
            labels, verdict = run(features, 1000, Resampling())
            seconds = time.perf_counter() - began
            others, _ = run(features, 2000, Resampling())
            again = adjusted_rand(labels, others)
            truth = "" if group is None else f"{adjusted_rand(labels, group):.2f}"
            low, high = (np.nan if end is None else end for end in verdict.interval)
            stability = np.nan if verdict.stability_ari is None else verdict.stability_ari
            null = np.nan if verdict.null_ari_highest is None else verdict.null_ari_highest
            broken += verdict.verdict == STABLE and again < 0.95
            print(
                f"{kind + (f' @ {separation:g}' if separation else ''):<16}{f'{labels.max() + 1} {others.max() + 1}':>9}{truth:>7}"
                f"{f'{stability:.2f} [{low:.2f}, {high:.2f}]':>21}{null:>6.2f}  {verdict.verdict:<32}{again:>6.2f}{seconds:>6.1f}",
                flush=True,
            )
    print(f"called stable, but another seed agrees below 0.95: {broken}")


if __name__ == "__main__":
    main()
