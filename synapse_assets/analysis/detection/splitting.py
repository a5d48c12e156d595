"""Objects that touch, parted where they are narrow.

Belongs here: where the cut is, and when there is none. Does not belong here: what the parts measure (`components`).

The watershed of the distance to the border parts objects at their necks, and cuts long ones wherever they are a little narrower. So basins
are merged again, in the order in which a falling water level would part them, unless (the dynamics of a maximum: Grimaud, SPIE 1769:292,
1992) the neck between them is narrow beside the smaller of them, and their middles are far enough apart.

The distance is the one within the section, not the one in space: a cleft or a vesicle cloud is a few sections thick, and of thick sections
the distance in space is nowhere more than one or two, so that two discs side by side would be one plateau. Where objects touch above one
another, the widths of their sections have a neck as well.
"""

import numpy as np

from synapse_assets.analysis.detection.voxels import Bool, Float64, Int32, Int64, Xyz, length_of, spacing_of

NECK = 0.5
"""Two objects are two where the neck is at most so wide, as a share of the narrower of them, ..."""
NECK_VOXELS = 1.5
"""... and its half width is at least so many voxels less: below that the grid makes necks of its own."""


def split_touching(labels: Int32, boxes: Int64, voxel_size_nm: Xyz, split_nm: float) -> int:
    """Splits the objects of `labels` (z, y, x) in place; gives the number of objects after that.

    `boxes` (N, 2, 3), x, y, z, hold labels 1 to N. Middles of two objects are at least `split_nm` apart. The part with the widest section
    keeps the label; the others get labels from N + 1 on.
    """
    spacing = spacing_of(voxel_size_nm)[::-1]
    apart = length_of(split_nm, "split_nm")
    count = len(boxes)
    for label, (low, past) in enumerate(boxes[:, :, ::-1], start=1):
        if np.sqrt((((past - low - 1) * spacing) ** 2).sum()) < apart:
            continue
        window = tuple(
            slice(max(0, int(first) - 1), min(int(end) + 1, side))
            for first, end, side in zip(low, past, labels.shape, strict=True)
        )
        view = labels[window]
        parts = _parts(view == label, spacing, apart)
        others = parts > 1
        view[others] = count - 1 + parts[others]
        count += max(0, int(parts.max()) - 1)
    return count


def _parts(inside: Bool, spacing: Float64, apart: float) -> Int32:
    """One object (z, y, x) as parts 1 to n, the widest first; 0 outside."""
    from scipy import ndimage
    from skimage.morphology import local_maxima
    from skimage.segmentation import watershed

    around = np.ones((3, 3, 3))
    width = _half_width(inside, spacing)
    markers, count = ndimage.label(local_maxima(width, connectivity=3), around)
    if count < 2:
        return inside.astype(np.int32)
    basins = watershed(-width, markers, connectivity=around, mask=inside)
    names = np.arange(1, count + 1)
    height = ndimage.maximum(width, markers, names)
    middle = np.array(ndimage.center_of_mass(markers > 0, markers, names)) * spacing
    step = NECK_VOXELS * max(spacing[1:])
    # where each basin has gone; the highest of those that are one stands for them
    parent = list(range(count))

    def top_of(basin: int) -> int:
        while parent[basin] != basin:
            parent[basin] = parent[parent[basin]]
            basin = parent[basin]
        return basin

    for first, second, neck in _necks(basins, width):
        higher, lower = sorted((top_of(first), top_of(second)), key=lambda basin: (-height[basin], basin))
        narrow = neck <= NECK * height[lower] and height[lower] - neck >= step
        far = np.sqrt(((middle[higher] - middle[lower]) ** 2).sum()) >= apart
        if not (narrow and far):
            parent[lower] = higher
    tops = [top_of(basin) for basin in range(count)]
    order = sorted(set(tops), key=lambda basin: (-height[basin], basin))
    number = {basin: part for part, basin in enumerate(order, start=1)}
    part_of = np.array([0, *(number[basin] for basin in tops)], dtype=np.int32)
    parts: Int32 = part_of[basins]
    return parts


def _half_width(inside: Bool, spacing: Float64) -> Float64:
    """The distance in nm of each voxel of an object to the nearest one outside of it in its section; 0 outside."""
    from scipy import ndimage

    width = np.zeros(inside.shape)
    for z, section in enumerate(inside):
        if section.all():
            width[z] = np.hypot(*(np.asarray(section.shape) * spacing[1:]))
        elif section.any():
            width[z] = ndimage.distance_transform_edt(section, sampling=spacing[1:])
    return width


def _necks(basins: Int32, width: Float64) -> list[tuple[int, int, float]]:
    """Which basins (numbered from 0) touch, and the half width of the widest place where they do, the widest first."""
    count = int(basins.max()) + 1
    keys, levels = [], []
    half = [(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0)]
    for offset in half:
        here = tuple(slice(max(0, -step), side - max(0, step)) for step, side in zip(offset, basins.shape, strict=True))
        there = tuple(
            slice(max(0, step), side - max(0, -step)) for step, side in zip(offset, basins.shape, strict=True)
        )
        first, second = basins[here], basins[there]
        touching = (first != second) & (first > 0) & (second > 0)
        a, b = first[touching].astype(np.int64), second[touching].astype(np.int64)
        keys.append(np.minimum(a, b) * count + np.maximum(a, b))
        levels.append(np.minimum(width[here][touching], width[there][touching]))
    pairs, index = np.unique(np.concatenate(keys), return_inverse=True)
    widest = np.zeros(len(pairs))
    np.maximum.at(widest, index, np.concatenate(levels))
    order = np.argsort(-widest, kind="stable")
    return [(int(pairs[i]) // count - 1, int(pairs[i]) % count - 1, float(widest[i])) for i in order]
