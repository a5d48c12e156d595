"""From a map of balls to sites: peaks, no two of them too near.

Belongs here: the way back from `balls`. Does not belong here: which sites belong together (`pairing`), scores against the truth
(`analysis.evaluation.site_scores`).

Peaks and a filter of distances are what SimpSyn reads its maps by (Mohinta et al. 2025, arXiv 2509.17041).
"""

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.voxels import (
    Bool,
    Float64,
    Map,
    Xyz,
    length_of,
    points_of,
    require_map,
    require_threshold,
    spacing_of,
)
from synapse_assets.errors import BadInput

# Differences below a sixteenth of those that a map of 8 bits can have are rounding, not a slope.
_STEPS = 4096
_TRUNCATE = 3.0  # standard deviations


def peaks(
    probability: Map, voxel_size_nm: Xyz, *, radius_nm: float, threshold: float, apart_nm: float
) -> tuple[Float64, Float64]:
    """Positions (N, 3), x, y, z in nm from the low corner of the map, and scores (N,) of the sites in a map of balls of that radius.

    The map (z, y, x) is smoothed by a Gaussian whose standard deviation is half the radius in each axis, and divided by what the
    centre of a ball of certainty has then: the score is 1 for such a ball and for all that is more, less for one that is
    doubtful, broken or smaller. Beyond the faces the map is mirrored. A peak is a place of at least the threshold that is higher
    than all around it; a level one is one peak, in its middle. Then, the highest first, peaks nearer than `apart_nm` to one that
    is kept are left out; raising the threshold leaves out the lowest of those that are kept, and changes nothing else. A voxel is
    influenced by others up to `reach_nm` away.

    Raises BadInput for a map as `require_map` says, a threshold outside of 0 to 1, or lengths that are none.
    """
    from scipy import ndimage
    from skimage.morphology import local_maxima

    require_map(probability)
    require_threshold(threshold)
    spacing = spacing_of(voxel_size_nm)
    radius = length_of(radius_nm, "the radius of a ball")
    if not probability.size:
        return np.zeros((0, 3)), np.zeros(0)
    smoothed = _smoothed(probability, spacing, radius)
    smoothed /= np.float32(255 if probability.dtype == np.uint8 else 1)
    smoothed /= _centre_of_ball(spacing, radius)
    levels = np.where(smoothed >= threshold, np.rint(smoothed * _STEPS), 0).astype(np.int16)
    # of a level map no voxel is higher than those around it
    level = (levels == levels[0, 0, 0]).all()
    tops = levels > 0 if level else local_maxima(levels, connectivity=3).astype(bool)
    plateaus, count = ndimage.label(tops, np.ones((3, 3, 3)))
    voxels = np.argwhere(plateaus)
    plateau = plateaus[tuple(voxels.T)] - 1
    score = np.full(count, -np.inf)
    np.maximum.at(score, plateau, smoothed[tuple(voxels.T)].astype(np.float64))
    sizes = np.bincount(plateau, minlength=count)
    centre = np.stack([np.bincount(plateau, voxels[:, axis], count) / sizes for axis in range(3)], axis=1)
    # a level ring has its middle outside of it
    distance = (((voxels - centre[plateau]) * spacing[::-1]) ** 2).sum(axis=1)
    order = np.lexsort((distance, plateau))
    nearest = voxels[order[np.cumsum(sizes) - sizes]] if count else voxels
    middle = np.floor(centre + 0.5).astype(np.int64)
    outside = plateaus[tuple(middle.T)] != np.arange(1, count + 1)
    position = (np.where(outside[:, None], nearest, centre) + 0.5)[:, ::-1] * spacing
    kept = spaced(position, score, apart_nm)
    # balls that run into each other add up to more than one
    return position[kept], np.minimum(score[kept], 1)


def reach_nm(voxel_size_nm: Xyz, radius_nm: float) -> Xyz:
    """How far away, x, y, z, a voxel can change a peak: the halo that a map needs which is read block by block, beside `apart_nm`."""
    spacing = spacing_of(voxel_size_nm)
    sigma = length_of(radius_nm, "the radius of a ball") / 2
    x, y, z = ((np.floor(_TRUNCATE * sigma / spacing + 0.5) + 1) * spacing).tolist()
    return x, y, z


def spaced(position_nm: npt.ArrayLike, score: npt.ArrayLike, apart_nm: float) -> Bool:
    """Which of the positions (N, 3) are kept so that no two are nearer than `apart_nm`: the highest score (N,) first, of equal ones the
    first row.

    Raises BadInput for positions or scores that are no numbers, or lengths that differ.
    """
    from scipy.spatial import cKDTree

    positions = points_of(position_nm, "positions")
    scores = np.asarray(score, dtype=np.float64)
    if scores.shape != (len(positions),) or np.isnan(scores).any():
        raise BadInput(f"each of {len(positions)} positions needs a score that is a number; there are {scores.shape}")
    apart = length_of(apart_nm, "the least distance of two sites")
    kept = np.ones(len(positions), dtype=bool)
    if len(positions) < 2:
        return kept
    near = cKDTree(positions).query_pairs(apart, output_type="ndarray")
    near = near[((positions[near[:, 0]] - positions[near[:, 1]]) ** 2).sum(axis=1) < apart**2]
    neighbours = np.concatenate([near, near[:, ::-1]])
    neighbours = neighbours[np.argsort(neighbours[:, 0], kind="stable")]
    starts = np.searchsorted(neighbours[:, 0], np.arange(len(positions) + 1))
    for row in np.argsort(-scores, kind="stable").tolist():
        if kept[row] and starts[row] < starts[row + 1]:
            kept[neighbours[starts[row] : starts[row + 1], 1]] = False
    return kept


def _smoothed(probability: Map, spacing: Float64, radius: float) -> npt.NDArray[np.float32]:
    from scipy import ndimage

    smoothed: npt.NDArray[np.float32] = ndimage.gaussian_filter(
        probability.astype(np.float32), radius / 2 / spacing[::-1], mode="reflect", truncate=_TRUNCATE
    )
    return smoothed


def _centre_of_ball(spacing: Float64, radius: float) -> np.float32:
    """What a ball of ones around the centre of a voxel has there once it is smoothed."""
    from scipy import ndimage

    weights, distances = [], []
    for length in spacing[::-1].tolist():
        reach = int(radius / length)
        impulse = np.zeros(2 * (reach + int(_TRUNCATE * radius / length) + 2) + 1)
        impulse[len(impulse) // 2] = 1
        kernel = ndimage.gaussian_filter1d(impulse, radius / 2 / length, truncate=_TRUNCATE)
        offsets = np.arange(-reach, reach + 1)
        weights.append(kernel[len(impulse) // 2 + offsets])
        distances.append((offsets * length) ** 2)
    z, y, x = np.ix_(*distances)
    within = z + y + x <= radius**2 * (1 + 1e-9)
    return np.float32(np.einsum("zyx,z,y,x", within.astype(np.float64), *weights))
