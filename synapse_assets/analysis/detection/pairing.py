"""Which presynaptic and postsynaptic sites, or objects, are one synapse.

Belongs here: pairs by distance. Does not belong here: finding sites (`peaks`) and objects (`components`), whose neuron a site is of.

Synapses of insects are polyadic: one presynaptic site with several partners. So a presynaptic site may be in many pairs, a postsynaptic one
is in one at most.
"""

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.components import Components
from synapse_assets.analysis.detection.voxels import Float64, Int64, Xyz, length_of, points_of, spacing_of
from synapse_assets.errors import BadInput


def pair_sites(pre_nm: npt.ArrayLike, post_nm: npt.ArrayLike, most_nm: float) -> Int64:
    """Pairs (P, 2), row of `pre_nm` (N, 3) and row of `post_nm` (M, 3): every postsynaptic site with its nearest presynaptic one, unless
    that is further away than `most_nm`. In the order of the postsynaptic sites.

    Presynaptic sites without a partner are in no pair; `drop_unpaired` leaves them out. Raises BadInput for points that are no numbers, or
    a distance that is none.
    """
    from scipy.spatial import cKDTree

    pre, post = points_of(pre_nm, "presynaptic sites"), points_of(post_nm, "postsynaptic sites")
    most = length_of(most_nm, "the largest distance of a pair")
    if not len(pre) or not len(post):
        return np.zeros((0, 2), dtype=np.int64)
    distance, nearest = cKDTree(pre).query(post)
    near = np.flatnonzero(distance <= most)
    return np.stack([nearest[near], near], axis=1).astype(np.int64)


def drop_unpaired(pairs: Int64, sites: int) -> tuple[Int64, Int64]:
    """The rows, of so many presynaptic sites, that are in a pair (ascending), and the pairs (P, 2) with their first column counted among
    these rows.

    Raises BadInput for a pair of a site that is not there.
    """
    if len(pairs) and not (pairs[:, 0].min() >= 0 and pairs[:, 0].max() < sites):
        raise BadInput(f"a pair names the presynaptic row {int(pairs[:, 0].max())}, but there are {sites} sites")
    kept, rows = np.unique(pairs[:, 0], return_inverse=True)
    return kept.astype(np.int64), np.stack([rows, pairs[:, 1]], axis=1).astype(np.int64)


def pair_objects(pre: Components, post: Components, voxel_size_nm: Xyz, most_nm: float) -> tuple[Int64, Float64]:
    """Pairs (P, 2), row of `pre` and row of `post`, and their distances in nm (P,), the nearest pair first: every postsynaptic object with
    the nearest presynaptic one of the same box, unless that is further away than `most_nm`.

    The distance is from surface to surface, of voxels as the boxes that they are: objects that touch (by a corner is enough) or
    overlap are 0 apart. Of several that are equally near it is one, always the same. `most_nm` may be 0. Raises BadInput for
    boxes that differ, or a distance that is none.
    """
    from scipy import ndimage

    if pre.labels.shape != post.labels.shape:
        raise BadInput(
            f"presynaptic and postsynaptic objects are of one box; these are of {pre.labels.shape} and {post.labels.shape} voxels"
        )
    if not 0 <= most_nm < np.inf:
        raise BadInput(f"the largest distance of a pair is 0 or more, in nm; it is {most_nm}")
    spacing = spacing_of(voxel_size_nm)
    reach = np.floor(most_nm / spacing).astype(np.int64) + 2
    size = np.asarray(pre.labels.shape[::-1])
    pairs, distances = [], []
    for row, (low, past) in enumerate(post.box):
        first, end = np.maximum(low - reach, 0), np.minimum(past + reach, size)
        window = tuple(slice(int(a), int(b)) for a, b in zip(first[::-1], end[::-1], strict=True))
        near = pre.labels[window]
        if not near.any():
            continue
        # between centres, from one voxel around: by as much the faces are nearer
        grown = ndimage.grey_dilation(near, size=(3, 3, 3), mode="constant")
        inside = post.labels[window] == row + 1
        away, where = ndimage.distance_transform_edt(grown == 0, sampling=spacing[::-1], return_indices=True)
        nearest = np.argmin(np.where(inside, away, np.inf))
        distance = float(away.flat[nearest])
        if distance <= most_nm * (1 + 1e-9):
            pairs.append((int(grown[tuple(axis.flat[nearest] for axis in where)]) - 1, row))
            distances.append(distance)
    order = np.argsort(distances, kind="stable")
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)[order], np.array(distances, dtype=np.float64)[order]
