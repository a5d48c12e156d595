"""Query strategies: which items of a pool to ask about, best first.

Belongs here: one function for all strategies of `datasets.labelling.Strategy`, and what they need of vectors. Two streams are in
`two_stream`; caps by neuron and place, and items by chance, in `batches`. Margin, entropy, BADGE, core-set and TypiClust are those of
scikit-activeml (Kottke et al., 2021), whose memory and repetitions are bounded here.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

NEEDS_CLASSIFIER = ("margin", "entropy", "badge")
COLD_START = "k_means"
"""What is asked by instead, as long as no classifier tells two classes apart."""
MOST_COMPONENTS = 64
"""Principal components that distances are taken in."""

_AXES_ROWS = 5_000
# Numbers of eight bytes in the largest array that a strategy of the library makes: 256 MB.
_MOST_NUMBERS = 32 * 2**20
# The library keeps an array of items x batch: larger batches are asked for in pieces.
_AT_ONCE = 500
# Larger pools are clustered in steps of some rows (Sculley, WWW 2010).
_ALL_ROWS = 10_000
# TypiClust measures all pairs within a cluster; and it and k-means make a cluster for each labelled item.
_TYPICLUST_ROWS = 20_000
_CLUSTERS_LABELLED = 2_000
_MOST_LABELLED = 20_000


@dataclass(frozen=True)
class Items:
    """What strategies see of N items, of a pool or labelled.

    features       (N, D) float64 of the supervised stream, as `distance_features` makes them
    unsupervised   (N, E) float64 of the unsupervised stream, which two_stream alone looks at: the means of an autoencoder, or where
                   there is none the encoder's vectors as they are
    probabilities  (N, C) float64 of the classifier in use; None as long as there is none
    """

    features: Float64
    unsupervised: Float64
    probabilities: Float64 | None = None

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Int64) -> "Items":
        """These rows (M,)."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Items(self.features[rows], self.unsupervised[rows], probabilities)


@dataclass(frozen=True)
class Suggestion:
    """What a strategy asks about.

    rows      distinct positions in the pool, best first: as many as were wanted, or the whole pool
    strategy  the strategy that chose them: another one than wanted where that cannot be asked yet
    note      in words why it is another one; None where it is not
    """

    rows: Int64
    strategy: str
    note: str | None = None


def suggest(strategy: str, pool: Items, labelled: Items, count: int, seed: int) -> Suggestion:
    """`count` items of the pool in the order in which the strategy wants them; all where there are no more.

    The result depends on the order of the rows, so callers sort them by id. Margin, entropy and BADGE need probabilities of two classes
    or more: without them k-means on features is asked by instead, and the note says so. Those of NaN or another number of columns raise
    BadInput. Memory grows with the pool and never with its square: BADGE sees at most as many items as keep its array of gradients (items
    x classes x features) below 256 MB, TypiClust 20,000, each a uniform sample by `seed`; of the labelled items 20,000 count, in clusters
    with as many centres 2,000.

    random       uniform. margin, entropy: where the classifier is least sure (Settles 2009).
    badge        uncertain and diverse (Ash et al., ICLR 2020). core_set: the farthest from all labelled (Sener & Savarese, ICLR 2018).
    typiclust    the most typical of clusters without labels (Hacohen et al., ICML 2022).
    k_means      the same clusters, as many as labelled and wanted items together; of those without a label, the largest first, the item
                 nearest to the centre. Clusters of the pool alone would ask next to what is labelled already, round after round.
    two_stream   see `two_stream.two_stream`.
    """
    _check(strategy, pool, labelled, count)
    note = None
    if strategy in NEEDS_CLASSIFIER and (pool.probabilities is None or pool.probabilities.shape[1] < 2):
        known = "no classifier yet" if pool.probabilities is None else "labels of one class only"
        note = f"{strategy} needs a classifier that tells classes apart, and there are {known}: asked by {COLD_START}"
        note = note.replace("there are no", "there is no")
        strategy = COLD_START
    if count >= len(pool) or not count:
        ordered = np.random.default_rng(seed).permutation(len(pool))[:count]
        return Suggestion(ordered.astype(np.int64), strategy, note)
    # one thread: with more the order of sums, and so the last bit, is left to chance; and threads that wait for each other took twenty
    # times as long on a busy machine
    with _threads().limit(limits=1):
        rows = _asked(strategy, pool, labelled, count, seed)
    return Suggestion(_completed(rows, len(pool), count, seed), strategy, note)


def _asked(strategy: str, pool: Items, labelled: Items, count: int, seed: int) -> Sequence[int] | Int64:
    """Positions in the pool, repetitions and fewer than `count` included."""
    if strategy in ("margin", "entropy"):
        return _least_sure(strategy, pool, count, seed)
    if strategy == "k_means":
        return _middles_without_label(pool, labelled.take(_some(len(labelled), _CLUSTERS_LABELLED, seed)), count, seed)
    labelled = labelled.take(_some(len(labelled), _MOST_LABELLED, seed))
    if strategy == "two_stream":
        from synapse_assets.analysis.labelling.two_stream import two_stream

        return two_stream(pool, labelled, count, seed)
    return [] if strategy == "random" else _in_pieces(strategy, pool, labelled, count, seed)


def distance_features(*parts: npt.ArrayLike) -> list[Float64]:
    """Each of `parts` (N_i, D) as rows of unit length in one space (N_i, at most 64), in which distances are taken.

    Principal components of the standardised features of all parts together, axes from at most 5,000 rows; distances of rows of unit
    length are those of the cosine about the mean. A row in the very middle stays 0, a feature that does not vary counts nothing.
    Raises BadInput for NaN or infinite values.
    """
    rows = [np.asarray(part, dtype=np.float64) for part in parts]
    together = np.concatenate(rows)
    if not np.isfinite(together).all():
        raise BadInput("vectors hold NaN or infinite values: make the tiles' vectors again")
    if not len(together):
        return rows
    sample = together[_some(len(together), _AXES_ROWS, 0)]
    mean, scale = sample.mean(axis=0), sample.std(axis=0)
    # A feature that varies no more than rounding does would become noise of full size.
    weight = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), 1 / np.maximum(scale, 1e-300), 0.0)
    scaled = (sample - mean) * weight
    values, axes = np.linalg.eigh(scaled.T @ scaled)
    kept = axes[:, np.argsort(values)[::-1][: min(MOST_COMPONENTS, len(sample))]]
    kept = kept * np.where(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])] < 0, -1.0, 1.0)
    turned = [((part - mean) * weight) @ kept for part in rows]
    lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in turned]
    return [part / np.where(length > 1e-12, length, 1.0) for part, length in zip(turned, lengths, strict=True)]


def clusters_of(features: Float64, count: int, seed: int) -> tuple[Int64, Float64]:
    """The cluster (N,) of each row and the centres (count, D), by k-means with k-means++ (Arthur & Vassilvitskii 2007).

    Where fewer than `count` rows differ, some clusters are empty.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    kind = KMeans if len(features) <= _ALL_ROWS else MiniBatchKMeans
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=Warning, module="sklearn")
        fitted = kind(n_clusters=count, n_init=1, random_state=seed).fit(features)
    return fitted.labels_.astype(np.int64), fitted.cluster_centers_.astype(np.float64)


def nearest_to_centres(features: Float64, count: int, seed: int) -> list[int]:
    """The row nearest to each of `count` centres, those of large clusters first; fewer where fewer rows differ."""
    cluster, centres = clusters_of(features, count, seed)
    distance = np.square(features - centres[cluster]).sum(axis=1)
    sizes = np.bincount(cluster, minlength=count)
    order = np.lexsort((np.arange(len(features)), distance, cluster))
    first = order[np.searchsorted(cluster[order], np.flatnonzero(sizes))]
    return [int(row) for row in first[np.argsort(-sizes[sizes > 0], kind="stable")]]


def _middles_without_label(pool: Items, labelled: Items, count: int, seed: int) -> list[int]:
    """The item nearest to the centre of each cluster that holds no labelled one, large clusters first."""
    together = np.concatenate([pool.features, labelled.features])
    cluster, centres = clusters_of(together, min(len(labelled) + count, len(together)), seed)
    open_clusters = np.setdiff1d(cluster[: len(pool)], cluster[len(pool) :])
    sizes = np.bincount(cluster, minlength=len(centres))
    middles = []
    for number in open_clusters[np.argsort(-sizes[open_clusters], kind="stable")]:
        rows = np.flatnonzero(cluster == number)
        middles.append(int(rows[np.square(together[rows] - centres[number]).sum(axis=1).argmin()]))
    return middles


@cache
def _threads() -> Any:
    """What sets the threads of BLAS and OpenMP; looking for the libraries takes longer than a small fit."""
    import sklearn.cluster  # noqa: F401 -- or its library is not found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _check(strategy: str, pool: Items, labelled: Items, count: int) -> None:
    if count < 0:
        raise BadInput(f"{count} items cannot be asked about: give a number of 0 or more")
    known = ("random", "core_set", "typiclust", "two_stream", COLD_START, *NEEDS_CLASSIFIER)
    if strategy not in known:
        raise BadInput(f"there is no query strategy '{strategy}'; there are {sorted(known)}")
    for name in ("features", "unsupervised", "probabilities"):
        of_pool, of_labelled = getattr(pool, name), getattr(labelled, name)
        for values in (of_pool, of_labelled):
            if values is not None and not np.isfinite(values).all():
                raise BadInput(f"{name} hold NaN or infinite values")
        if of_pool is not None and of_labelled is not None and of_pool.shape[1] != of_labelled.shape[1]:
            raise BadInput(
                f"{name} of the pool have {of_pool.shape[1]} columns, of the labelled {of_labelled.shape[1]}"
            )


def _some(rows: int, most: int, seed: int) -> Int64:
    """All of so many rows, or a uniform sample of them (sorted)."""
    if rows <= most:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng([seed, rows]).choice(rows, most, replace=False)).astype(np.int64)


def _completed(rows: Sequence[int] | Int64, pool: int, count: int, seed: int) -> Int64:
    """The rows without repetitions, and after them others at random, `count` in all."""
    first = np.asarray(rows, dtype=np.int64)
    chosen = first[np.sort(np.unique(first, return_index=True)[1])][:count]
    free = np.ones(pool, dtype=bool)
    free[chosen] = False
    others = np.random.default_rng(seed).permutation(np.flatnonzero(free))
    return np.concatenate([chosen, others[: count - len(chosen)]]).astype(np.int64)


def _least_sure(strategy: str, pool: Items, count: int, seed: int) -> Int64:
    from skactiveml.pool import uncertainty_scores
    from skactiveml.utils import simple_batch

    method = "margin_sampling" if strategy == "margin" else strategy
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = uncertainty_scores(pool.probabilities, method=method)
    rows: Int64 = simple_batch(scores, np.random.RandomState(seed), batch_size=count)
    return rows


def _in_pieces(strategy: str, pool: Items, labelled: Items, count: int, seed: int) -> list[int]:
    """What the library suggests, at most 500 at once; what earlier pieces chose counts as labelled."""
    free = np.arange(len(pool), dtype=np.int64)
    chosen: list[int] = []
    while len(chosen) < count and len(free):
        asked = min(_AT_ONCE, count - len(chosen), len(free))
        most = _rows_within(strategy, pool, asked)
        seen = free[_some(len(free), max(most, asked), seed + len(chosen))]
        candidates = pool.take(seen)
        known = np.concatenate([labelled.features, pool.features[np.array(chosen, dtype=np.int64)]])
        picked = np.unique(_by_library(strategy, candidates, known, asked, seed + len(chosen)), return_index=True)
        rows = seen[picked[0][np.argsort(picked[1])]]
        if not len(rows):
            break
        chosen += [int(row) for row in rows]
        free = np.setdiff1d(free, rows)
    return chosen


def _rows_within(strategy: str, pool: Items, asked: int) -> int:
    """Items of the pool that the library may see at once."""
    if strategy == "typiclust":
        return _TYPICLUST_ROWS
    classes = 1 if strategy == "core_set" or pool.probabilities is None else pool.probabilities.shape[1]
    return _MOST_NUMBERS // max(2 * asked, classes * max(1, pool.features.shape[1]))


def _by_library(strategy: str, pool: Items, known: Float64, count: int, seed: int) -> Int64:
    """Positions in the pool that scikit-activeml suggests, repetitions included; `known` (n, D) are the features of labelled items."""
    from skactiveml.pool import Badge, CoreSet, TypiClust

    if strategy == "badge":
        numbers = np.arange(len(pool), dtype=np.float64)[:, None]
        return np.asarray(
            Badge(random_state=seed).query(
                numbers, np.full(len(pool), np.nan), _of_known_probabilities(pool), fit_clf=False, batch_size=count
            ),
            dtype=np.int64,
        )
    if strategy == "typiclust":
        known = known[_some(len(known), _CLUSTERS_LABELLED, seed)]
    features = np.concatenate([pool.features, known])
    labels = np.concatenate([np.full(len(pool), np.nan), np.zeros(len(known))])
    query: Any = CoreSet(random_state=seed)
    if strategy == "typiclust":
        query = TypiClust(random_state=seed, cluster_algo=_Clusters, cluster_algo_dict={"random_state": seed})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=Warning, module="sklearn")
        try:
            return np.asarray(query.query(features, labels, batch_size=count), dtype=np.int64)
        except UnboundLocalError:  # of TypiClust, where each cluster has a labelled item
            return np.zeros(0, dtype=np.int64)


class _Clusters:
    """`clusters_of` as the library asks for it; never more clusters than rows."""

    def __init__(self, n_clusters: int, random_state: int) -> None:
        self.n_clusters, self.random_state = n_clusters, random_state

    def fit_predict(self, features: Float64) -> Int64:
        return clusters_of(features, min(self.n_clusters, len(features)), self.random_state)[0]


def _of_known_probabilities(pool: Items) -> Any:
    """A classifier, as the library asks for one, that answers about the pool's positions with what is known already."""
    from skactiveml.base import SkactivemlClassifier

    class OfKnown(SkactivemlClassifier):
        def fit(self, features: Float64, labels: Float64) -> "OfKnown":
            return self

        def predict_proba(self, numbers: Float64) -> tuple[Float64, Float64]:
            rows = numbers[:, 0].astype(np.int64)
            assert pool.probabilities is not None  # noqa: S101 -- `suggest` asks for them first
            return pool.probabilities[rows], pool.features[rows]

    return OfKnown()
