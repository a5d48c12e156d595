"""Balls around points: the mask that a detector of sites is trained on, where all that a lab has is points.

Belongs here: the mask. Does not belong here: which points (`sources`), training (`vision`), the way back (`peaks`).

That a network learns balls around pre- and postsynaptic sites, whose peaks are the sites, is SimpSyn's (Mohinta et al. 2025, arXiv
2509.17041).
"""

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.voxels import Bool, Xyz, ball_rows, length_of, points_of, spacing_of
from synapse_assets.errors import BadInput


def ball_mask(
    points_nm: npt.ArrayLike,
    low_voxels: tuple[int, int, int],
    shape: tuple[int, int, int],
    voxel_size_nm: Xyz,
    radius_nm: float,
) -> Bool:
    """Which voxels (z, y, x) of a box have their centre within the radius of a point (N, 3).

    `low_voxels` is the first voxel of the box, x, y, z; `shape` its size, z, y, x. A point always marks the voxel that it lies in, also
    where that voxel's centre is further away (thick sections). Balls of points outside the box reach into it.

    Raises BadInput for points that are no numbers, or a radius or voxel size that is no length.
    """
    spacing = spacing_of(voxel_size_nm)
    points = points_of(points_nm, "the centres of balls")
    radius = length_of(radius_nm, "the radius of a ball")
    if len(shape) != 3 or min(shape) < 0:
        raise BadInput(f"the box of a mask has three sides, z, y, x, in voxels; they are {shape}")
    local = points / spacing - np.asarray(low_voxels, dtype=np.float64)
    size = np.asarray(shape[::-1])
    # a point further away marks nothing: its own voxel is not of the box either
    reach = radius / spacing + 1
    local = local[((local > -reach) & (local < size + reach)).all(axis=1)]
    # +1 where a row begins, -1 where it is past: their sum along x counts the balls of a voxel
    steps = np.zeros((shape[0] * shape[1], shape[2] + 1), dtype=np.int32)
    for rows in ball_rows(local, spacing, radius):
        first, past = np.maximum(rows.first, 0), np.minimum(rows.past, shape[2])
        inside = (past > first) & (rows.z >= 0) & (rows.z < shape[0]) & (rows.y >= 0) & (rows.y < shape[1])
        row = (rows.z[inside] * shape[1] + rows.y[inside]) * (shape[2] + 1)
        np.add.at(steps.ravel(), row + first[inside], 1)
        np.subtract.at(steps.ravel(), row + past[inside], 1)
    np.cumsum(steps, axis=1, out=steps)
    mask: Bool = (steps[:, :-1] > 0).reshape(shape)
    return mask
