"""How should a row that was not fitted be placed on the map, and how stable are clusters? One run, planted data.

    python -m benchmarks.projection

Data: 12 overlapping curved sheets (3 intrinsic dimensions in 512) of uneven size, 2,400 fitted rows and 600 held out.
Columns of the first table, all for held-out rows:

trust      trustworthiness among the fitted rows (Venna & Kaski 2001), 15 neighbours
label      share whose 10 nearest fitted rows on the map mostly carry the row's planted sheet
hood       overlap of the 15 nearest fitted rows on the map with the 15 nearest in the full space
to full    distance from the row to the mean place, on this map, of the 15 fitted rows that surround it in a full refit
           of all 3,000 rows, as a share of the map's standard deviation; median
moved      the same row placed alone and among all, largest difference in the same units
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering import hdbscan_model as c
from synapse_assets.analysis.clustering import projection as p
from synapse_assets.analysis.clustering.projection import Float32
from synapse_assets.analysis.clustering.refits import refit_agreement

Place = Callable[[Float32], Float32]


def planted(rows: int, seed: int, features: int = 512, sheets: int = 12) -> tuple[Float32, npt.NDArray[np.int64]]:
    """Rows on `sheets` curved sheets, with their sheet."""
    shape, points = np.random.default_rng(0), np.random.default_rng(seed)
    centre = shape.normal(size=(sheets, features)) * 0.25
    linear = shape.normal(size=(sheets, 3, features)) * 0.5
    bend = shape.normal(size=(sheets, 3, features)) * 0.25
    sheet = points.choice(sheets, size=rows, p=np.arange(1, sheets + 1) / (sheets * (sheets + 1) / 2))
    place = points.normal(size=(rows, 3))
    x = centre[sheet] + np.einsum("nk,nkd->nd", place, linear[sheet])
    x += np.einsum("nk,nkd->nd", place**2 - 1, bend[sheet]) + points.normal(size=(rows, features)) * 0.9
    return p.unit_rows(x), sheet


def by_landmarks(fitted: Float32, sample: Float32, k: int, power: int, rows: Float32) -> Float32:
    """Weighted mean of the k nearest fitted rows' places."""
    return p.blend(*p.nearest(rows, sample, k), fitted, power)


def by_regression(model: Any, rows: Float32) -> Float32:
    """A fitted regression's places."""
    return np.asarray(model.predict(rows), dtype=np.float32)


def compare(dimensions: int, sample: Float32, sheet: npt.NDArray[np.int64], new: Float32, truth: npt.NDArray[np.int64],
            fitted: Float32, full: p.Projection) -> None:  # fmt: skip
    """Prints a line for each way of placing `new` on the map `fitted`."""
    import umap
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge

    reducer = umap.UMAP(
        n_neighbors=16, n_components=dimensions, min_dist=0.1 if dimensions == 2 else 0.0, random_state=0, n_jobs=1,
        init="pca",
    )  # fmt: skip
    own = np.asarray(reducer.fit(sample).embedding_, dtype=np.float32)
    whole = full.xy if dimensions == 2 else full.reduced
    true_neighbours, _ = p.nearest(new, sample, 15)
    ranks = np.argsort(np.argsort(-(new @ sample.T), axis=1), axis=1) + 1
    at_sample, at_new = (p.nearest(x, full.sample, 1)[0][:, 0] for x in (sample, new))
    around, _ = p.nearest(whole[at_new], whole[at_sample], 15)

    ways: dict[str, tuple[Place, Float32]] = {"umap.transform": (lambda x: np.asarray(reducer.transform(x)), own)}
    for k in (1, 3, 5, 10, 15):
        ways[f"landmarks k={k} 1/d2"] = (partial(by_landmarks, fitted, sample, k, 1), fitted)
    for k in (5, 15):
        ways[f"landmarks k={k} 1/d8"] = (partial(by_landmarks, fitted, sample, k, 4), fitted)
    ways["ridge"] = (partial(by_regression, Ridge(1e-2).fit(sample, fitted)), fitted)
    kernel = KernelRidge(kernel="rbf", gamma=2.0, alpha=1e-2).fit(sample, fitted)
    ways["kernel ridge (rbf)"] = (partial(by_regression, kernel), fitted)
    print(f"\n{dimensions}-D {'':<20}{'trust':>8}{'label':>8}{'hood':>8}{'to full':>9}{'moved':>9}{'seconds':>9}")
    for name, (place, base) in ways.items():
        spread = float(np.sqrt(base.var(axis=0).sum()))
        started = time.perf_counter()
        placed = place(new)
        seconds = time.perf_counter() - started
        alone = np.concatenate([place(new[i : i + 1]) for i in range(20)])
        near, _ = p.nearest(placed, base, 15)
        beyond = np.maximum(np.take_along_axis(ranks, near, axis=1) - 15, 0).sum()
        trust = 1 - 2 / (len(new) * 15 * (2 * len(sample) - 46)) * beyond
        votes = np.array([np.bincount(sheet[row[:10]], minlength=12).argmax() for row in near])
        hood = np.mean([len(np.intersect1d(a, b)) / 15 for a, b in zip(near, true_neighbours, strict=True)])
        off = np.median(np.linalg.norm(placed - base[around].mean(axis=1), axis=1)) / spread
        moved = np.abs(alone - placed[:20]).max() / spread
        print(
            f"{name:<24}{trust:8.4f}{np.mean(votes == truth):8.3f}{hood:8.3f}{off:9.3f}{moved:9.1e}{seconds:9.2f}",
            flush=True,
        )


def steadiness(name: str, vectors: Float32) -> None:
    """Prints how far clusterings agree, by other seeds alone and with a tenth left out too."""
    started = time.perf_counter()
    model = p.fit_projection(vectors, 0)
    fitted = time.perf_counter() - started
    if isinstance(model, p.NoModel):
        return
    found = c.fit_clusters(model, 0)
    for left_out in (0.0, 0.1):
        started = time.perf_counter()
        result = refit_agreement(model, found, left_out=left_out)
        seconds = time.perf_counter() - started
        scores = " ".join(f"{k.removeprefix('stability_')} {v:.3f}" for k, v in result.scores().items())
        print(
            f"{name}: {found.clusters} clusters, noise {found.noise_fraction:.2f}; left out {left_out:.0%}: {scores} "
            f"clusters {result.clusters} {result.reason} (fit {fitted:.1f} s, stability {seconds:.1f} s)",
            flush=True,
        )


def main() -> None:
    """Prints both tables."""
    sample, sheet = planted(2400, 1)
    order = np.lexsort(sample.T[::-1])
    sample, sheet = sample[order], sheet[order]
    new, truth = planted(600, 2)
    model = p.fit_projection(sample, 0)
    full = p.fit_projection(np.concatenate([sample, new]), 0)
    if isinstance(model, p.NoModel) or isinstance(full, p.NoModel):
        raise SystemExit("no map")
    compare(2, sample, sheet, new, truth, model.xy, full)
    compare(10, sample, sheet, new, truth, model.reduced, full)
    steadiness("sheets", sample)
    steadiness("no structure", p.unit_rows(np.random.default_rng(0).normal(size=(2400, 512))))


if __name__ == "__main__":
    main()
