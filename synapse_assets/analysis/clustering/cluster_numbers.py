"""Cluster numbers that keep their meaning from one clustering to the next.

Belongs here: which cluster of a new clustering is which of the previous one. Does not belong here: finding clusters, and
remembering which numbers were used.
"""

from collections.abc import Mapping

import numpy as np


def match_numbers(labels: Mapping[str, int], previous: Mapping[str, int], highest: int) -> dict[int, int]:
    """The number that each cluster of `labels` (id -> cluster) gets; noise, below 0, has none.

    `previous` is the same of the clustering before in its numbers (empty: there was none), `highest` the highest number ever
    used (-1: none yet). Clusters are matched over the synapses that both have, to the largest overlap in all (Hungarian
    method: Kuhn, Nav Res Logist Q 2:83, 1955), among the pairs where most of the new cluster was in the old one and most of
    the old one is in the new one (more than half of each, noise counted). So of a cluster that splits, the part that has most
    of it keeps its number; of two that merge, the one that is most of the result gives its number. Every other cluster gets a
    number above `highest`, in the order of its own, and no number is used for something else. Without a clustering before
    the numbers stay as they are. Matching what was matched changes nothing.
    """
    from scipy.optimize import linear_sum_assignment

    new = sorted({label for label in labels.values() if label >= 0})
    old = sorted({label for label in previous.values() if label >= 0})
    shared = sorted(labels.keys() & previous.keys())
    new_labels = np.array([labels[synapse] for synapse in shared], dtype=np.int64)
    old_labels = np.array([previous[synapse] for synapse in shared], dtype=np.int64)
    overlap = np.array([[np.sum((new_labels == a) & (old_labels == b)) for b in old] for a in new]).reshape(
        len(new), len(old)
    )
    of_new = np.array([np.sum(new_labels == a) for a in new]).reshape(-1, 1)
    of_old = np.array([np.sum(old_labels == b) for b in old]).reshape(1, -1)
    matchable = (2 * overlap > of_new) & (2 * overlap > of_old)
    pairs = zip(*linear_sum_assignment(np.where(matchable, overlap, 0), maximize=True), strict=True)
    numbers = {new[a]: old[b] for a, b in pairs if matchable[a, b]}
    following = max([highest, *old]) + 1
    for cluster in new:
        if cluster not in numbers:
            numbers[cluster] = following
            following += 1
    return dict(sorted(numbers.items()))
