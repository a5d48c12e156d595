"""What lies around a site: the nearest body of a label volume, such as a mitochondrion, and how much of the surroundings are bodies.

Does not belong here: reading label volumes (`volumes`), which body a site lies in by itself.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.voxels import (
    Float64,
    Int32,
    Int64,
    Xyz,
    ball_rows,
    length_of,
    points_of,
    spacing_of,
    voxel_of,
)
from synapse_assets.errors import BadInput

# Rows of voxels that are gone through at once: few enough for the processor to have them at hand.
_ROWS_AT_ONCE = 100_000


class Surroundings(NamedTuple):
    """What lies within the radius of each of N points.

    body         int64 (N,): the label of the nearest labelled voxel; 0 for none
    distance_nm  float64 (N,): how far that voxel is away, 0 for a point in it; NaN for none
    share        float64 (N,): the share of the ball's voxels that are labelled; NaN where less than half of the ball is in the box
    """

    body: Int64
    distance_nm: Float64
    share: Float64


def bodies_near(
    points_nm: npt.ArrayLike,
    labels: npt.NDArray[np.integer],
    low_voxels: tuple[int, int, int],
    voxel_size_nm: Xyz,
    radius_nm: float,
) -> Surroundings:
    """The bodies around points (N, 3), x, y, z in nm, in a box of labels (z, y, x), 0 for none.

    `low_voxels` is the first voxel of the box, x, y, z. The distance is to the nearest place of the nearest labelled voxel. The ball is
    made of the voxels whose centre lies within the radius, and the one that the point lies in, as `balls.ball_mask` has it; of a ball that
    leaves the box the part in the box is counted.

    Raises BadInput for points that are no numbers, labels that are no integers, below 0 or above 2^63, or lengths that are none.
    """
    spacing = spacing_of(voxel_size_nm)
    points = points_of(points_nm, "points")
    radius = length_of(radius_nm, "the radius around a point")
    _require_labels(labels)
    local = points / spacing - np.asarray(low_voxels, dtype=np.float64)
    body = np.zeros(len(local), dtype=np.int64)
    distance = np.full(len(local), np.nan)
    share = np.full(len(local), np.nan)
    if labels.size:
        _nearest(local, labels, spacing, radius, body, distance)
        _shares(local, labels, spacing, radius, share)
    return Surroundings(body, distance, share)


def _require_labels(labels: npt.NDArray[np.integer]) -> None:
    if labels.ndim != 3 or not np.issubdtype(labels.dtype, np.integer):
        raise BadInput(
            f"labels are integers with the axes z, y, x; these are {labels.dtype} of the shape {labels.shape}"
        )
    if not labels.size:
        return
    if labels.dtype == np.uint64 and int(labels.max()) > np.iinfo(np.int64).max:
        raise BadInput(
            f"a label is {int(labels.max())}, above the largest whole number of 64 bits with a sign: number them anew"
        )
    if np.issubdtype(labels.dtype, np.signedinteger) and int(labels.min()) < 0:
        raise BadInput(f"labels are 0 for none and above 0 for bodies; the lowest is {int(labels.min())}")


def _shares(local: Float64, labels: npt.NDArray[np.integer], spacing: Float64, radius: float, share: Float64) -> None:
    """Fills in the share of each ball that is labelled."""
    deep, high, wide = labels.shape
    # labelled voxels up to each place of a row
    up_to = np.zeros((deep, high, wide + 1), dtype=np.int32)
    np.cumsum(labels > 0, axis=2, out=up_to[:, :, 1:])
    for rows in ball_rows(local, spacing, radius):
        whole = (rows.past - rows.first).sum(axis=1)
        inside = (rows.z >= 0) & (rows.z < deep) & (rows.y >= 0) & (rows.y < high)
        z, y = np.where(inside, rows.z, 0), np.where(inside, rows.y, 0)
        first, past = np.clip(rows.first, 0, wide), np.clip(rows.past, 0, wide)
        seen = np.where(inside, past - first, 0).sum(axis=1)
        labelled = np.where(inside, up_to[z, y, past] - up_to[z, y, first], 0).sum(axis=1)
        enough = 2 * seen >= whole
        share[rows.points] = np.where(enough, labelled / np.maximum(seen, 1), np.nan)


def _nearest(
    local: Float64,
    labels: npt.NDArray[np.integer],
    spacing: Float64,
    radius: float,
    body: Int64,
    distance: Float64,
) -> None:
    """Fills in the nearest body of each point and its distance."""
    deep, high, wide = labels.shape
    left, right = _neighbours(labels)
    reach = np.floor(radius / spacing).astype(np.int64) + 1
    rows_y, rows_z = (np.arange(-reach[axis], reach[axis] + 1) for axis in (1, 2))
    offset_z, offset_y = (offsets.ravel() for offsets in np.meshgrid(rows_z, rows_y, indexing="ij"))
    step = max(1, _ROWS_AT_ONCE // len(offset_z))
    for start in range(0, len(local), step):
        part = slice(start, min(start + step, len(local)))
        x, y, z = local[part].T[:, :, None]
        own = voxel_of(local[part])
        own_x = np.broadcast_to(np.clip(own[:, :1], 0, wide - 1), (len(own), len(offset_z)))
        row_z, row_y = own[:, 2:] + offset_z, own[:, 1:2] + offset_y
        inside = (row_z >= 0) & (row_z < deep) & (row_y >= 0) & (row_y < high)
        place = (np.where(inside, row_z, 0), np.where(inside, row_y, 0), own_x)
        before, after = left[place], right[place]
        to_left = np.where(before < 0, np.inf, _gap(before, x))
        to_right = np.where(after >= wide, np.inf, _gap(after, x))
        away = (np.minimum(to_left, to_right) * spacing[0]) ** 2
        away += (_gap(row_y, y) * spacing[1]) ** 2 + (_gap(row_z, z) * spacing[2]) ** 2
        away[~inside] = np.inf
        rows = np.arange(len(own))
        best = away.argmin(axis=1)
        least = away[rows, best]
        near = least <= radius**2 * (1 + 1e-9)
        nearest_x = np.where(to_left <= to_right, before, after)[rows, best]
        found = labels[place[0][rows, best], place[1][rows, best], np.clip(nearest_x, 0, wide - 1)].astype(np.int64)
        body[part] = np.where(near, found, 0)
        distance[part] = np.where(near, np.sqrt(np.where(near, least, 0)), np.nan)


def _gap(voxel: Int64 | Int32, coordinate: Float64) -> Float64:
    """How far, in voxels of one axis, a coordinate is outside of a voxel."""
    return np.maximum(np.maximum(voxel - coordinate, coordinate - (voxel + 1)), 0)


def _neighbours(labels: npt.NDArray[np.integer]) -> tuple[Int32, Int32]:
    """The nearest labelled voxel of the row that is at or before each voxel (-1: none), and at or after it (the width: none)."""
    wide = labels.shape[2]
    numbers = np.arange(wide, dtype=np.int32)
    left = np.where(labels > 0, numbers, np.int32(-1))
    np.maximum.accumulate(left, axis=2, out=left)
    right = np.where(labels > 0, numbers, np.int32(wide))[:, :, ::-1]
    return left, np.minimum.accumulate(right, axis=2)[:, :, ::-1]
