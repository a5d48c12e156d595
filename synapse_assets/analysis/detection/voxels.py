"""What the modules of this folder agree on: voxel sizes, points, maps of probabilities, and the voxels of a ball.

Does not belong here: what is made of them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Map = npt.NDArray[np.floating] | npt.NDArray[np.uint8] | Bool
Xyz = tuple[float, float, float]

EDGE_SLACK_VOXELS = 1e-6
"""A coordinate so far below a voxel's edge counts as on it, as everywhere where points meet voxels."""
# Rows of voxels that are gone through at once: few enough for the processor to have them at hand.
_ROWS_AT_ONCE = 100_000


def spacing_of(voxel_size_nm: Xyz) -> Float64:
    """The voxel size (3,), x, y, z in nm. Raises BadInput unless these are three lengths above zero."""
    spacing = np.asarray(voxel_size_nm, dtype=np.float64)
    if spacing.shape != (3,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise BadInput(
            f"a voxel size is three lengths above zero in nm, x, y, z, such as (4, 4, 40); it is {voxel_size_nm}"
        )
    return spacing


def length_of(value_nm: float, name: str) -> float:
    """A length above zero, in nm. Raises BadInput for any other."""
    if not 0 < value_nm < np.inf:
        raise BadInput(f"{name} is a length above zero in nm; it is {value_nm}")
    return float(value_nm)


def points_of(points_nm: npt.ArrayLike, name: str) -> Float64:
    """Points (N, 3), x, y, z in nm; N may be 0. Raises BadInput for another shape and coordinates that are no numbers."""
    points = np.asarray(points_nm, dtype=np.float64)
    if points.size == 0:
        return np.zeros((0, 3))
    if points.ndim != 2 or points.shape[1] != 3:
        raise BadInput(f"{name} are points (N, 3), x, y, z in nm; they have the shape {points.shape}")
    if not (finite := np.isfinite(points).all(axis=1)).all():
        first = int(np.flatnonzero(~finite)[0])
        raise BadInput(
            f"{name}: {int((~finite).sum())} of {len(points)} points have coordinates that are no numbers, the first is row {first} "
            f"({points[first].tolist()}): leave them out"
        )
    return points


def require_map(probability: Map) -> None:
    """Raises BadInput unless this is a map of probabilities (z, y, x): floating point from 0 to 1, uint8 from 0 to 255, or bool.

    The type says which: a map in 0 to 255 as floating point would pass every threshold, and so is refused.
    """
    if probability.ndim != 3:
        raise BadInput(f"a map of probabilities has the axes z, y, x; this has the shape {probability.shape}")
    if probability.dtype in (np.bool_, np.uint8):
        return
    if not np.issubdtype(probability.dtype, np.floating):
        raise BadInput(
            f"a map of probabilities is floating point from 0 to 1, or uint8 from 0 to 255; this is {probability.dtype}. Of labels, take "
            "labels > 0"
        )
    if not probability.size:
        return
    low, high = float(probability.min()), float(probability.max())
    if np.isnan(low) or np.isnan(high):
        raise BadInput(
            "a map of probabilities has values that are no numbers (NaN): fill what was not predicted with 0"
        )
    if low < 0 or high > 1 + 1e-6:
        raise BadInput(
            f"a map of probabilities in floating point reaches from 0 to 1; this one reaches from {low:g} to {high:g}. Where it is in 0 to "
            "255, use .astype('uint8') or divide it by 255; where it holds logits, take the sigmoid first"
        )


def require_threshold(threshold: float) -> None:
    """Raises BadInput unless a threshold is above 0 and at most 1: it is a probability, of a map in 0 to 255 as well."""
    if not 0 < threshold <= 1:
        raise BadInput(
            f"a threshold is a probability above 0 and up to 1, of a map in 0 to 255 as well; it is {threshold:g}. {threshold:g} of 255 "
            f"would be {threshold / 255:.3f}"
        )


def at_least(probability: Map, threshold: float) -> Bool:
    """Where a map, as `require_map` wants it, has at least that probability."""
    if probability.dtype == np.bool_:
        return probability.astype(bool)
    if probability.dtype == np.uint8:
        # without the slack .2 of 255 would be a little above 51
        return probability >= np.uint8(np.ceil(threshold * 255 - 1e-9))
    return probability >= probability.dtype.type(threshold)


def voxel_of(local: Float64) -> Int64:
    """The voxel (N, 3) that each point (N, 3) in voxels lies in, x, y, z."""
    return np.floor(local + EDGE_SLACK_VOXELS).astype(np.int64)


class BallRows(NamedTuple):
    """The voxels of balls as rows along x, of a slice of the points.

    `points` says which; `z`, `y` (n, R) where each row runs; `first`, `past` (n, R) its first voxel and one past its last, equal for
    rows without any. Nothing is clipped to a box.
    """

    points: slice
    z: Int64
    y: Int64
    first: Int64
    past: Int64


def ball_rows(local: Float64, spacing: Float64, radius_nm: float) -> Iterator[BallRows]:
    """The voxels whose centre lies within the radius of each point (N, 3), x, y, z in voxels of that spacing, and the one it lies in."""
    reach = np.floor(radius_nm / spacing + 0.5 + EDGE_SLACK_VOXELS).astype(np.int64)
    rows_y, rows_z = (np.arange(-reach[axis], reach[axis] + 1) for axis in (1, 2))
    offset_z, offset_y = (offsets.ravel() for offsets in np.meshgrid(rows_z, rows_y, indexing="ij"))
    own_row = (offset_z == 0) & (offset_y == 0)
    step = max(1, _ROWS_AT_ONCE // len(offset_z))
    for start in range(0, len(local), step):
        part = slice(start, min(start + step, len(local)))
        x, y, z = local[part].T[:, :, None]
        own_x, own_y, own_z = voxel_of(local[part]).T[:, :, None]
        row_z, row_y = own_z + offset_z, own_y + offset_y
        left = radius_nm**2 - ((row_z + 0.5 - z) * spacing[2]) ** 2 - ((row_y + 0.5 - y) * spacing[1]) ** 2
        half = np.sqrt(np.maximum(left, 0)) / spacing[0] + EDGE_SLACK_VOXELS
        first = np.ceil(x - half - 0.5).astype(np.int64)
        past = np.where(left < 0, first, np.floor(x + half - 0.5).astype(np.int64) + 1)
        bare = own_row & (past <= first)
        first, past = np.where(bare, own_x, first), np.where(bare, own_x + 1, past)
        yield BallRows(part, row_z, row_y, first, np.maximum(past, first))
