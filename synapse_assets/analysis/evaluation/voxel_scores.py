"""How well a mask agrees with the true one, voxel by voxel: Dice, IoU, and how far off clefts are.

Belongs here: scores that do not ask which object a voxel is of. Does not belong here: objects (`object_scores`), sites (`site_scores`).

A mask of many small objects can have a good Dice and miss half of them: read these beside the scores of objects.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.components import labelled
from synapse_assets.analysis.detection.voxels import Bool, Float64, Int64, Xyz, spacing_of
from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, Interval, percentile_interval
from synapse_assets.errors import BadInput

Mask = npt.NDArray[np.bool_] | npt.NDArray[np.integer]
_REPLICATES = 2000
# Draws times objects that are held at once.
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class VoxelScore:
    """How much two masks overlap. Both scores are 1 for two empty masks: they agree.

    objects    connected components of what is in either mask; below 8 of them the 95 % intervals are None
    """

    dice: float
    iou: float
    dice_interval: Interval | None
    iou_interval: Interval | None
    objects: int


def voxel_score(found: Mask, truth: Mask, *, seed: int) -> VoxelScore:
    """Dice (2 |F and T| / (|F| + |T|)) and intersection over union of two masks (z, y, x), bool or integers that are above 0 inside.

    Voxels of one object are right or wrong together, so intervals are a percentile bootstrap over objects: the connected components (26) of
    what is in either mask, to which both scores are ratios of sums. Each has all voxels of the true objects and detections that overlap or
    touch, so none is right in one and wrong in another. One blob over everything is one object, and has no interval.

    Raises BadInput for shapes that differ, or what is no mask.
    """
    detected, true = _masks(found, truth)
    either = labelled(detected | true, (1.0, 1.0, 1.0))
    count = int(either.max(initial=0))
    both = np.bincount(either[detected & true], minlength=count + 1)[1:]
    sums = np.bincount(either[detected], minlength=count + 1)[1:] + np.bincount(either[true], minlength=count + 1)[1:]
    dice, iou = _ratios(np.array([both.sum()]), np.array([sums.sum()]))
    intervals: tuple[Interval | None, Interval | None] = (None, None)
    if count >= FEWEST_GROUPS:
        drawn = _drawn(both, sums, seed)
        intervals = percentile_interval(drawn[0]), percentile_interval(drawn[1])
    return VoxelScore(float(dice[0]), float(iou[0]), *intervals, count)


@dataclass(frozen=True)
class CleftDistances:
    """How far off a mask of clefts is, in nm.

    adgt_nm   the mean distance of detected voxels to the nearest true one: how much was invented, and how far away
    adf_nm    the mean distance of true voxels to the nearest detected one: how much was missed
    score_nm  the mean of the two, by which CREMI ranks; less is better
    reason    why all three are NaN; None where they are not
    """

    adgt_nm: float
    adf_nm: float
    score_nm: float
    reason: str | None = None


def cleft_distances(found: Mask, truth: Mask, voxel_size_nm: Xyz) -> CleftDistances:
    """The distances by which CREMI scores clefts (cremi.org/metrics; ADGT and ADF of its leaderboard), of masks (z, y, x).

    Distances are Euclidean in nm, between the centres of voxels; a voxel that is in both masks is 0 away. They have no threshold.
    CREMI also counts voxels that are further away than 200 nm, which is not given here. An empty mask has no distance to
    anything: the scores are NaN and `reason` says why.

    Raises BadInput for shapes that differ, what is no mask, or a voxel size that is none.
    """
    detected, true = _masks(found, truth)
    spacing = spacing_of(voxel_size_nm)
    if empty := [name for name, mask in (("detected", detected), ("true", true)) if not mask.any()]:
        reason = f"there is no {' and no '.join(empty)} voxel, so that there are no distances"
        return CleftDistances(np.nan, np.nan, np.nan, reason)
    window = _around(detected | true)
    detected, true = detected[window], true[window]
    adgt, adf = _mean_distance(detected, true, spacing), _mean_distance(true, detected, spacing)
    return CleftDistances(adgt, adf, (adgt + adf) / 2)


def _mean_distance(from_mask: Bool, to_mask: Bool, spacing: Float64) -> float:
    from scipy import ndimage

    return float(ndimage.distance_transform_edt(~to_mask, sampling=spacing[::-1])[from_mask].mean())


def _around(mask: Bool) -> tuple[slice, ...]:
    """The smallest box that holds a mask."""
    window = []
    for axis in range(mask.ndim):
        places = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        window.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(window)


def _masks(found: Mask, truth: Mask) -> tuple[Bool, Bool]:
    if found.shape != truth.shape or found.ndim != 3:
        raise BadInput(
            f"masks are compared in the same box (z, y, x); the detected one is of {found.shape} voxels, the true one of {truth.shape}"
        )
    masks = []
    for mask, name in ((found, "detected"), (truth, "true")):
        if mask.dtype != np.bool_ and not np.issubdtype(mask.dtype, np.integer):
            raise BadInput(
                f"the {name} mask is {mask.dtype}: of a map of probabilities, take those of at least the threshold"
            )
        masks.append(mask > 0)
    return masks[0], masks[1]


def _ratios(both: npt.NDArray[np.number], sums: npt.NDArray[np.number]) -> tuple[Float64, Float64]:
    """Dice and IoU (B,) from shared voxels and the voxels of the two masks together."""
    empty = sums == 0
    dice = np.where(empty, 1.0, 2 * both / np.where(empty, 1, sums))
    return dice, np.where(empty, 1.0, both / np.where(empty, 1, sums - both))


def _drawn(both: Int64, sums: Int64, seed: int) -> Float64:
    """Dice and IoU (2, B) of bootstrap samples of objects."""
    rng = np.random.default_rng(seed)
    count = len(both)
    step = max(1, _AT_ONCE // count)
    parts = []
    for start in range(0, _REPLICATES, step):
        times = rng.multinomial(count, np.full(count, 1 / count), size=min(step, _REPLICATES - start))
        parts.append(_ratios(times @ both, times @ sums))
    return np.concatenate(parts, axis=1)
