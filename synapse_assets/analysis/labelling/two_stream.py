"""Two-stream query suggestion (Lin, Wei, Lichtman & Pfister, ECCV 2020): hierarchical clustering of supervised, then unsupervised features.

Belongs here: the published algorithm. Does not belong here: what gives the features (`vision`), other strategies (`strategies`).
"""

import math

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.labelling.strategies import Items, clusters_of, nearest_to_centres

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

FARTHEST_SHARE = 0.2
"""Of an over-sampled cluster, the share of its items, farthest from the labelled, that may still be asked about."""


def two_stream(pool: Items, labelled: Items, count: int, seed: int) -> Int64:
    """At most `count` distinct positions in the pool (fewer where items do not differ), in turn from each cluster, largest first.

    N1, the root of `count`, clusters of the supervised features of all items, labelled ones too: the probabilities of the classifier, or
    the features as long as there is none. Each cluster gives N2 = count / N1 items, or as many as it has that are unlabelled; what is
    left of `count` is dealt to the largest. A cluster is over-sampled where more of its items are labelled than N2 a round so far
    (labelled items / count, rounded down); of it only those farthest from its labelled items in the unsupervised features stay, a
    fifth, but as many as it gives. Those items that stay are clustered by their unsupervised features into as many clusters as it
    gives, and the nearest to each centre is taken.
    """
    first = max(1, math.isqrt(count))
    together = np.concatenate(_supervised(pool, labelled))
    cluster = clusters_of(together, min(first, len(together)), seed)[0]
    of_pool, of_labelled = cluster[: len(pool)], cluster[len(pool) :]
    sizes = np.bincount(of_pool, minlength=first)
    seats = deal(sizes, count)
    rounds_so_far = len(labelled) // count
    given = []
    for number in np.argsort(-sizes, kind="stable"):
        if not seats[number]:
            continue
        rows = np.flatnonzero(of_pool == number).astype(np.int64)
        near = labelled.unsupervised[of_labelled == number]
        if len(near) > rounds_so_far * (count // first):
            most = max(int(FARTHEST_SHARE * len(rows)), int(seats[number]))
            rows = np.sort(rows[np.argsort(-_nearest_distance(pool.unsupervised[rows], near), kind="stable")[:most]])
        given.append(rows[nearest_to_centres(pool.unsupervised[rows], int(seats[number]), seed)])
    longest = max((len(rows) for rows in given), default=0)
    in_turn = [rows[place] for place in range(longest) for rows in given if place < len(rows)]
    return np.array(in_turn, dtype=np.int64)


def deal(sizes: Int64, count: int) -> Int64:
    """How many items each cluster gives (K,), from its unlabelled items `sizes` (K,): an equal share, and what small ones cannot give one
    by one to the largest that still can. In all `count`, or all items where there are no more."""
    seats = np.minimum(count // len(sizes), sizes)
    largest_first = np.argsort(-sizes, kind="stable")
    while (left := min(count, int(sizes.sum())) - int(seats.sum())) > 0:
        can_give = largest_first[seats[largest_first] < sizes[largest_first]]
        seats[can_give[:left]] += 1
    return seats.astype(np.int64)


def _supervised(pool: Items, labelled: Items) -> tuple[Float64, Float64]:
    """The supervised stream of both: probabilities where both have them."""
    if pool.probabilities is None or (labelled.probabilities is None and len(labelled)):
        return pool.features, labelled.features
    return pool.probabilities, pool.probabilities[:0] if labelled.probabilities is None else labelled.probabilities


def _nearest_distance(rows: Float64, others: Float64) -> Float64:
    """Squared distance (N,) of each row to the nearest of `others`, at least one."""
    from sklearn.metrics import pairwise_distances_argmin_min

    return pairwise_distances_argmin_min(rows, others, metric="sqeuclidean")[1]
