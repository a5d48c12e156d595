"""How far clusterings of the same points agree, those of a published study included.

Belongs here: indices of agreement, and the conventions about noise and points that a run left out. Does not belong here: what follows
from it (`parameter_sweep`, `stability_verdict`).

Adjusted Rand index: Hubert & Arabie, J Classif 2:193, 1985; 1 is the same grouping, 0 chance.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.clustering.hdbscan_model import Labels
from synapse_assets.schema.morphology import NOISE_LABEL

Float64 = npt.NDArray[np.float64]

ABSENT = -2
"""Label of a point that a run left out."""


def agreement(labels: Labels) -> Float64:
    """Adjusted Rand index (R, R) between runs with `labels` (R, u), over the points that are in both.

    Noise counts as one more group. Two runs that find no cluster agree on nothing: 0, not 1.
    """
    indices = np.eye(len(labels))
    for first in range(len(labels)):
        for second in range(first):
            indices[first, second] = indices[second, first] = adjusted_rand(labels[first], labels[second])
    return indices


def adjusted_rand(first: Labels, second: Labels) -> float:
    """Adjusted Rand index of two labellings (u,) over the points labelled in both (not -2), noise as one more group; 0 if
    either has no cluster there.

    To the bit as scikit-learn's `adjusted_rand_score`, whose checks of what it is given take 20 times as long as the counting.
    """
    shared = (first != ABSENT) & (second != ABSENT)
    a, b = first[shared], second[shared]
    if not len(a) or a.max() < 0 or b.max() < 0:
        return 0.0
    width = int(b.max()) + 2
    counts = np.bincount((a.astype(np.int64) + 1) * width + b + 1, minlength=(int(a.max()) + 2) * width).reshape(
        -1, width
    )
    points, in_both = len(a), int(np.square(counts).sum())
    in_first, in_second = (int(np.square(counts.sum(axis=axis)).sum()) for axis in (1, 0))
    together, only_first, only_second = in_both - points, in_first - in_both, in_second - in_both
    apart = points**2 - only_first - only_second - in_both
    if only_first == only_second == 0:
        return 1.0
    return (
        2.0
        * (together * apart - only_first * only_second)
        / ((together + only_first) * (only_first + apart) + (together + only_second) * (only_second + apart))
    )


def agreement_with_published(labels: pa.Table, ids: Sequence[str], clusters: Labels) -> tuple[float | None, int]:
    """Adjusted Rand index of the clusters (u,) of these synapses and the published labels of their group, and the number of
    synapses that both have, over which it is taken; None where they are fewer than two.

    labels: `schema.morphology.PUBLISHED_LABELS` of the one group; -1 is noise in both. Conventions as in `adjusted_rand`.
    """
    label_of = dict(zip(labels.column("synapse_id").to_pylist(), labels.column("label").to_pylist(), strict=True))
    shared = [
        (label_of[synapse], cluster) for synapse, cluster in zip(ids, clusters, strict=True) if synapse in label_of
    ]
    if len(shared) < 2:
        return None, len(shared)
    names = sorted({label for label, _ in shared} - {NOISE_LABEL})
    number_of = {label: number for number, label in enumerate(names)} | {NOISE_LABEL: -1}
    published = np.array([number_of[label] for label, _ in shared], np.int32)
    return adjusted_rand(np.array([cluster for _, cluster in shared], np.int32), published), len(shared)


def recovery(runs: Labels, labels: Labels, clusters: int) -> Float64:
    """How far each of so many clusters (K,) of `labels` (u,) comes back in `runs` (R, u): its Jaccard index with the most similar cluster
    of a run over the points in that run, mean over runs (Hennig, Comput Stat Data Anal 52:258, 2007)."""
    jaccard = np.zeros((len(runs), clusters))
    for run, run_labels in enumerate(runs):
        for cluster in range(jaccard.shape[1]):
            members = (labels == cluster) & (run_labels != ABSENT)
            shared = np.bincount(run_labels[members & (run_labels >= 0)], minlength=run_labels.max() + 1)
            size = np.bincount(run_labels[run_labels >= 0], minlength=run_labels.max() + 1)
            union = members.sum() + size - shared
            jaccard[run, cluster] = (shared / np.maximum(union, 1)).max(initial=0.0)
    return jaccard.mean(axis=0)
