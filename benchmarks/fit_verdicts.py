"""Do verdicts on the clusters of a fitted sample keep their word? Planted groups of vectors, and noise, through map and clusters.

    python -m benchmarks.fit_verdicts [repeats] [rows ...]

A row is one kind of data at one number of rows, over 20 repeats with 64, 128 and 256 features in turn:

data        groups @ S: three or four groups of uneven size, S standard deviations apart; normal: none, equal variance in every direction;
            long, steep: none, the k-th direction has 1 / sqrt(k), 1 / k of the first one's standard deviation
verdicts    how often each came out
promise     what the limits were chosen for: 18 of 20 stable at 8 standard deviations, noise of equal variance never stable
refits      mean agreement of two refits, lowest and highest of the repeats; with these clusters: of the clustering with its refits
redrawn     the same of vectors redrawn without groups, the highest draw
seconds     of the verdict alone, mean
"""

import sys
import time
from collections import Counter

import numpy as np

from synapse_assets.analysis.clustering.hdbscan_model import fit_clusters
from synapse_assets.analysis.clustering.projection import Projection, neighbour_graph, umap_layout, unit_rows
from synapse_assets.analysis.clustering.stability_verdict import FRAGILE, LIKE_NOISE, STABLE, Stability, assess_fit
from synapse_assets_tests.analysis.planted import Array, normal_groups

FEATURES = (64, 128, 256)
DATA = ("groups @ 8", "normal", "groups @ 6", "long", "steep")


def planted(kind: str, rows: int, repeat: int) -> Array:
    """Vectors of that kind."""
    features = FEATURES[repeat % len(FEATURES)]
    if kind.startswith("groups"):
        return normal_groups(rows, features, 3 + repeat % 2, float(kind.split()[-1]), repeat)
    power = {"normal": 0.0, "long": -0.5, "steep": -1.0}[kind]
    return normal_groups(rows, features, 1, 0.0, repeat) * np.arange(1, features + 1) ** power


def judged(vectors: Array, seed: int) -> tuple[Stability, float]:
    """The verdict on the clusters of `vectors`, and the seconds it took. The map is as `fit_projection` makes it, without that for
    the eye."""
    sample = np.unique(unit_rows(vectors), axis=0)
    reduced = umap_layout(sample, neighbour_graph(sample, 15), 10, 0.0, seed)
    projection = Projection(sample, reduced[:, :2], reduced, "umap", 15, seed)
    model = fit_clusters(projection, seed)
    began = time.perf_counter()
    return assess_fit(projection, model), time.perf_counter() - began


def span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}" if values else ""


def main() -> None:
    """Prints the counts."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    sizes = [int(text) for text in sys.argv[2:]] or [300, 2_000]
    head = ("refits", "with these", "redrawn")
    print(
        f"{'data':<14}{'rows':>6}{'stable':>8}{'fragile':>9}{'noise':>7}  {'promise':<9}"
        f"{''.join(f'{name:<15}' for name in head)}{'seconds':>7}"
    )
    for rows in sizes:
        for kind in DATA:
            found = [judged(planted(kind, rows, repeat), repeat) for repeat in range(repeats)]
            counts = Counter(verdict.verdict for verdict, _ in found)
            promised = {"groups": counts[STABLE] >= 0.9 * repeats, "normal": counts[STABLE] == 0}
            kept = {True: "kept", False: "BROKEN", None: ""}[None if "6" in kind else promised.get(kind.split()[0])]
            figures = [
                span([value for verdict, _ in found if (value := getattr(verdict, name)) is not None])
                for name in ("stability_ari", "fitted_ari", "null_ari_highest")
            ]
            print(
                f"{kind:<14}{rows:>6}{counts[STABLE]:>8}{counts[FRAGILE]:>9}{counts[LIKE_NOISE]:>7}  {kept:<9}"
                f"{figures[0]:<15}{figures[1]:<15}{figures[2]:<15}{np.mean([seconds for _, seconds in found]):>7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
