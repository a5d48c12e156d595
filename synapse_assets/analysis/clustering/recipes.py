"""Recipes: the clusters of one group by a named way, from its features to labels, with how stable they are.

Belongs here: fitting a recipe. Does not belong here: the dataset's own clusters (`consensus`), the features
(`analysis.morphology.features`), setting recipes side by side (`recurrence`, `analysis.morphology.recipe_comparison`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.clustering import resampled_maps
from synapse_assets.analysis.clustering.agreement import ABSENT, agreement
from synapse_assets.analysis.clustering.consensus import Consensus, consensus, consensus_of
from synapse_assets.analysis.clustering.hdbscan_model import NOISE, Labels
from synapse_assets.analysis.clustering.null_features import redrawn
from synapse_assets.analysis.clustering.parameter_sweep import cluster_runs, sweep
from synapse_assets.analysis.clustering.projection import FEWEST_FOR_UMAP, Float32
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps, fit_maps
from synapse_assets.analysis.clustering.stability_verdict import LIKE_NOISE, Stability, assess, interval, judge_refits
from synapse_assets.artifacts import NoModel, read_artifact, write_artifact
from synapse_assets.datasets.morphology import HdbscanSetting, Recipe, RecipeResampling, SingleMap

Float64 = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

SEEDS = 4
"""Maps of all synapses, the recipe's own among them, each with the next seed: what another seed would have published."""
MAPS_A_NULL = 2
RUN_EPOCHS = 200
"""Rounds of optimisation of the maps that a recipe of one map is judged by, as umap takes for large data; the recipe's own map has 500.
In 40 % of the time they agree alike: over ten groups of the study and its look-alike at ARI 0.52 in the mean (500 rounds: 0.51), those of
redrawn features at 0.49 (0.45)."""
_RUN, _NULL = range(2)  # purposes of seeds


@dataclass(frozen=True)
class RecipeClusters:
    """What one recipe makes of a group.

    ids                     (n,) strings, the synapses in the order they were given
    labels                  (n,) int32, clusters by falling size from 0; -1 is noise
    membership_probability  (n,) float64, HDBSCAN's; of a consensus the mean over the runs
    map                     (n, 2) float32, the first two coordinates of the one map; (n, 0) of a consensus
    refits                  (S, n) int32, the clusters of other seeds: of a recipe of one map, maps of all synapses, if asked for; of a
                            consensus its runs; -2 where left out
    min_cluster_size, min_samples   of HDBSCAN
    verdict, sentence       on the clusters, as `stability_verdict`; verdict is empty where there are clusters, but no features without
                            groups were drawn
    stability_ari, stability_ari_low, stability_ari_high   mean adjusted Rand index of two runs, each with a seed and a subsample of
                            its own, and its 95 % interval; None without clusters
    null_ari, null_p        the mean of features redrawn without groups, and the share at least as stable; None where none were drawn
    """

    ids: Names
    labels: Labels
    membership_probability: Float64
    map: Float32
    refits: Labels
    min_cluster_size: int
    min_samples: int
    verdict: str
    sentence: str
    stability_ari: float | None
    stability_ari_low: float | None
    stability_ari_high: float | None
    null_ari: float | None
    null_p: float | None

    @property
    def clusters(self) -> int:
        """Number of clusters, noise not counted."""
        return int(self.labels.max(initial=NOISE)) + 1

    @property
    def noise_fraction(self) -> float:
        """Share of the synapses that is in no cluster."""
        return float((self.labels < 0).mean())

    def save(self, folder: Path) -> None:
        """Writes the artifact recipe_clusters into `folder` (made if absent)."""
        facts, arrays = ({name: getattr(self, name) for name in names} for names in (_FACTS, _ARRAYS))
        write_artifact(folder, *_KIND, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "RecipeClusters":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        return cls(**read_artifact(folder, *_KIND).values(*_ARRAYS, *_FACTS))


_KIND = ("recipe_clusters", 1)
_ARRAYS = tuple(field.name for field in fields(RecipeClusters))[:5]
_FACTS = tuple(field.name for field in fields(RecipeClusters))[5:]


def fit_recipe(
    features: npt.ArrayLike,
    ids: Sequence[str],
    recipe: Recipe,
    setting: HdbscanSetting | None,
    seed: int,
    seeds: int = SEEDS,
    progress: Callable[[int], None] = lambda _: None,
) -> RecipeClusters | NoModel:
    """The clusters that `recipe` makes of synapses with `features` (n, F), scaled and weighted as it says.

    setting: of HDBSCAN, for a recipe of one map; a consensus chooses its own. seed: of subsamples and draws; the one map has the
    recipe's. seeds: maps of all synapses by a recipe of one map, its own and those of the next seeds (`refits`). NoModel, with the
    reason, for synapses that are too few for a map or have equal features, and where no setting of a consensus finds clusters. The
    clusters of one map depend on the order of the rows, as UMAP does. `progress` is called with the number of maps made so far
    (`maps_of`).
    """
    rows = np.asarray(features, dtype=np.float64)
    if len(rows) < FEWEST_FOR_UMAP:
        return NoModel(f"{len(rows)} synapses are too few for a map: it takes {FEWEST_FOR_UMAP}")
    if not np.ptp(rows, axis=0).any():
        return NoModel(f"all {len(rows)} synapses have the same features: there is nothing to tell apart")
    if recipe.single_map is None:
        return _by_consensus(rows, ids, recipe.resampling, seed, progress)
    if setting is None:
        raise ValueError("a recipe of one map needs a setting of HDBSCAN")
    return _by_single_map(rows, ids, recipe.single_map, setting, recipe.resampling, seed, seeds, progress)


def maps_of(recipe: Recipe, seeds: int = SEEDS) -> int:
    """How many maps `fit_recipe` makes."""
    if recipe.single_map is None:
        return recipe.resampling.runs + recipe.resampling.nulls * resampled_maps.MAPS_A_NULL
    return seeds + recipe.resampling.runs + recipe.resampling.nulls * MAPS_A_NULL


def _by_single_map(
    features: Float64,
    ids: Sequence[str],
    choice: SingleMap,
    setting: HdbscanSetting,
    resampling: RecipeResampling,
    seed: int,
    seeds: int,
    progress: Callable[[int], None],
) -> RecipeClusters | NoModel:
    maps_made = 0

    def clusters_of(rows: Float64, map_seed: int, epochs: int | None = None) -> tuple[Float32, Labels, Float64]:
        nonlocal maps_made
        coordinates = single_map(rows, choice, map_seed, epochs)
        maps_made += 1
        progress(maps_made)
        return coordinates, *_hdbscan(coordinates, setting)

    def runs_of(rows: Float64, runs: int, random: np.random.Generator) -> Labels:
        labels = np.full((runs, len(rows)), ABSENT, dtype=np.int32)
        size = max(FEWEST_FOR_UMAP - 1, round(len(rows) * resampling.share))
        for run in labels:
            subset = np.sort(random.permutation(len(rows))[:size])
            run[subset] = clusters_of(rows[subset], int(random.integers(2**31)), RUN_EPOCHS)[1]
        return labels

    own, *others = [clusters_of(features, choice.seed + step) for step in range(seeds)]
    coordinates, labels, probability = own
    fitted = RecipeClusters(
        ids=np.array(list(ids), dtype=np.str_),
        labels=labels,
        membership_probability=probability,
        map=np.ascontiguousarray(coordinates[:, :2]),
        refits=np.array([other[1] for other in others], dtype=np.int32).reshape(len(others), len(labels)),
        min_cluster_size=setting.min_cluster_size,
        min_samples=setting.min_samples,
        **_NOT_JUDGED,
    )
    if not fitted.clusters:
        return replace(fitted, **_NOTHING_FOUND)
    runs = runs_of(features, resampling.runs, _generator(seed, _RUN))
    if not resampling.nulls:
        return replace(fitted, **_stability(agreement(runs), seed))
    nulls = []
    for null in range(resampling.nulls):
        random = _generator(seed, _NULL, null)
        pairs = agreement(runs_of(redrawn(features, random), MAPS_A_NULL, random))
        nulls.append(pairs[np.triu_indices(len(pairs), 1)].mean())
    return replace(fitted, **_judged(judge_refits(labels, runs, np.array(nulls), seed, "features")))


def single_map(features: Float64, choice: SingleMap, seed: int, epochs: int | None = None) -> Float32:
    """UMAP (McInnes, Healy & Melville, arXiv:1802.03426) of `features` (n, F) as the library makes it by default, but for the
    choice's neighbours, min_dist and dimensions: (n, dimensions) float32. Seeded, so on one thread. epochs: as in umap."""
    import warnings

    import umap

    neighbours = min(choice.neighbours, len(features) - 1)
    # The spectral start needs more rows than dimensions to spare.
    start = "spectral" if len(features) > choice.dimensions + 2 else "random"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="umap", category=UserWarning)
        warnings.filterwarnings("ignore", module="sklearn", category=UserWarning)
        reducer: Any = umap.UMAP(
            n_components=choice.dimensions,
            n_neighbors=neighbours,
            min_dist=choice.min_dist,
            metric="euclidean",
            init=start,
            random_state=seed,
            n_epochs=epochs,
            n_jobs=1,
        )
        return np.ascontiguousarray(reducer.fit_transform(features), dtype=np.float32)


def _hdbscan(coordinates: Float32, setting: HdbscanSetting) -> tuple[Labels, Float64]:
    """Labels (n,) by falling size and membership probabilities (n,), of the library's defaults but for the setting."""
    import warnings

    import hdbscan

    if len(coordinates) <= max(setting.min_cluster_size, setting.min_samples):
        return np.full(len(coordinates), NOISE, dtype=np.int32), np.zeros(len(coordinates))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        fitted = hdbscan.HDBSCAN(
            min_cluster_size=setting.min_cluster_size, min_samples=setting.min_samples, core_dist_n_jobs=1
        ).fit(coordinates)
    raw = np.asarray(fitted.labels_)
    clusters, counts = np.unique(raw[raw >= 0], return_counts=True)
    number = np.full(len(clusters) + 1, NOISE, dtype=np.int32)  # the last is that of noise, -1
    number[clusters[np.argsort(-counts, kind="stable")]] = np.arange(len(clusters))
    return number[raw], np.asarray(fitted.probabilities_, dtype=np.float64)


def _by_consensus(
    features: Float64, ids: Sequence[str], resampling: RecipeResampling, seed: int, progress: Callable[[int], None]
) -> RecipeClusters | NoModel:
    maps = fit_maps(features, ids, seed, resampling, progress=progress, for_the_eye=False)
    if isinstance(maps, NoModel) or maps.reason:
        return NoModel(maps.reason)
    swept = sweep(maps)
    if swept.chosen is None:
        return NoModel("no setting finds clusters in most resampled maps")
    setting, runs = swept.settings[swept.chosen], swept.runs[swept.chosen]
    # How far halves of the runs agree is part of the verdict, and of nothing else.
    agreed = consensus(maps, setting) if resampling.nulls else consensus_of(maps, setting, runs, float("nan"))
    fitted = RecipeClusters(
        ids=agreed.ids,
        labels=agreed.labels,
        membership_probability=agreed.membership_probability,
        map=np.zeros((len(agreed.ids), 0), dtype=np.float32),
        refits=runs.labels[:, maps.point_of],
        min_cluster_size=setting.min_cluster_size,
        min_samples=setting.min_samples,
        **_NOT_JUDGED,
    )
    if not fitted.clusters:
        return replace(fitted, **_NOTHING_FOUND)
    if not resampling.nulls:
        return replace(fitted, **_stability(agreed.agreement, seed))
    return replace(fitted, **_judged(assess(maps, agreed)))


def run_labels(maps: GroupMaps, agreed: Consensus) -> Labels:
    """The clusters (R, n) of every run of `maps` at the setting of `agreed`, by synapse; -1 noise, -2 left out."""
    if maps.reason:
        return np.zeros((0, len(maps.ids)), dtype=np.int32)
    return cluster_runs(maps.rows, maps.places, len(maps.points), agreed.setting).labels[:, maps.point_of]


_NOT_JUDGED: dict[str, Any] = {
    "verdict": "",
    "sentence": "",
    "stability_ari": None,
    "stability_ari_low": None,
    "stability_ari_high": None,
    "null_ari": None,
    "null_p": None,
}
_NOTHING_FOUND: dict[str, Any] = {
    "verdict": LIKE_NOISE,
    "sentence": "There are no clusters: no place is dense enough for one.",
}


def _judged(stability: Stability) -> dict[str, Any]:
    low, high = stability.interval
    return {
        "verdict": stability.verdict,
        "sentence": stability.sentence,
        "stability_ari": stability.stability_ari,
        "stability_ari_low": low,
        "stability_ari_high": high,
        "null_ari": stability.null_ari,
        "null_p": stability.null_p,
    }


def _stability(pairs: Float64, seed: int) -> dict[str, Any]:
    """The agreement of runs, without a comparison with features that have no groups."""
    low, high = interval(pairs, seed)
    mean = float(pairs[np.triu_indices(len(pairs), 1)].mean())
    sentence = (
        f"Two runs, each with a seed and a subsample of its own, agree at ARI {mean:.2f} (95 % interval {low:.2f} to {high:.2f}); no "
        "features without groups were drawn to hold that against (`nulls`)."
    )
    return {
        **_NOT_JUDGED,
        "sentence": sentence,
        "stability_ari": mean,
        "stability_ari_low": low,
        "stability_ari_high": high,
    }


def _generator(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))
