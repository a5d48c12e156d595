"""How releases before `artifacts` stored what it stores now. Frozen releases point at such files, so they can be read for ever.

Belongs here: their names, and what of their content has changed since. Does not belong here: reading (`artifacts`), and
formats with a version. Nothing is added here: a kind that is new has no older files.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

OLDER_FILES: Mapping[str, tuple[str, ...]] = {
    "classifier_evaluation": ("evaluation.json",),
    "cluster_classifiers": ("classifiers.json",),
    "cluster_consensus": ("consensus.json", "consensus.npz"),
    "cluster_model": ("clusters.json", "clusters.npz"),
    "feature_model": ("features.json", "features.npz"),
    "fitted_projection": ("projection.json", "projection.npz"),
    "fitted_sample": ("sample.json", "sample.npz"),
    "group_maps": ("maps.json", "maps.npz"),
    "known_labels": ("labels.json",),
    "linear_probe": ("probe.json", "probe.npz"),
    "probe_evaluation": ("evaluation.json", "out_of_fold.npz"),
}
"""By kind: the file of facts, and that of arrays if it had one."""


def as_written_now(
    kind: str, facts: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The facts and arrays of older files of that kind, named as its first version names them."""
    if kind == "known_labels":
        return {"labels": facts}, arrays
    if kind == "cluster_model" and "numbers" not in arrays and "reach" in arrays:
        return facts, arrays | {"numbers": np.arange(len(arrays["reach"]), dtype=np.int32)}
    return facts, arrays
