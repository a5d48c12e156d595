"""What is marked at a synapse as a picture that can be compared with others: the object nearest the middle, turned to lie along x.

Maps of volumes and thresholds do not belong here (`pipeline`), nor what learns from the pictures (`vision`).
"""

import math

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

_INSIDE, _OUTSIDE = 255, 0


def aligned_mask(marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Of what is marked in a picture (side, side), bool, the object nearest the middle, moved there and turned so that its long axis lies
    along x and its longer end points to the right: uint8 (side, side), 255 inside, all 0 where nothing is marked.

    Objects are joined over corners too. The long axis is that of the largest second moment. Where the object reaches beyond the turned
    picture it is cut. Raises BadInput for a picture that is no square.
    """
    from scipy import ndimage

    if marked.ndim != 2 or marked.shape[0] != marked.shape[1]:
        raise BadInput(f"masks must be squares, not {marked.shape}")
    side = len(marked)
    picture = np.full((side, side), _OUTSIDE, np.uint8)
    if not marked.any():
        return picture
    labels, _ = ndimage.label(marked, np.ones((3, 3)))
    middle = side // 2
    pixels = np.argwhere(marked)
    nearest = pixels[((pixels - middle) ** 2).sum(axis=1).argmin()]
    of_object = labels == labels[tuple(nearest)]
    places = np.argwhere(of_object)[:, ::-1].astype(np.float64)  # x, y
    centre = places.mean(axis=0)
    along = _long_axis(places - centre)
    # From a pixel of the picture to where it is taken from.
    y, x = np.mgrid[:side, :side] - middle
    taken_x = centre[0] + along[0] * x - along[1] * y
    taken_y = centre[1] + along[1] * x + along[0] * y
    turned = ndimage.map_coordinates(of_object.astype(np.float64), [taken_y, taken_x], order=1)
    picture[turned >= 0.5] = _INSIDE
    return picture


def _long_axis(offsets: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Unit vector (x, y) along which offsets (N, 2) from their mean vary most, towards the longer end."""
    xx, yy = (offsets**2).mean(axis=0)
    angle = 0.5 * math.atan2(2 * float((offsets[:, 0] * offsets[:, 1]).mean()), float(xx - yy))
    axis = np.array([math.cos(angle), math.sin(angle)])
    skewed = float(((offsets @ axis) ** 3).sum())
    return -axis if skewed < 0 else axis
