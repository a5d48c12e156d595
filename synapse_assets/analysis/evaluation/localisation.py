"""Whether a map is bright where the truth is, for pictures in which the places that matter are known.

Belongs here: the pointing game and the area under precision and recall, with what chance reaches. Does not belong here: making maps
(`vision`), where places were planted (`sample`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]


def pointing_game(maps: npt.NDArray[np.floating], places: Sequence[npt.ArrayLike], tolerance_px: float) -> Float64:
    """Whether the brightest pixel of each map (N, H, W) lies within the tolerance of one of its places (n, 2), y and x in pixels (Zhang
    et al., IJCV 126:1084, 2018): 0 or 1; of several brightest pixels the share that does, so that a constant map has what chance has.

    `places_reached` is chance. Raises BadInput for a picture without places, or a map with values that are no numbers.
    """
    if len(maps) != len(places):
        raise BadInput(f"the pointing game needs the places of each map: there are {len(maps)} maps and {len(places)}")
    hits = np.zeros(len(maps))
    for i, (image, of_image) in enumerate(zip(maps, places, strict=True)):
        _require_numbers(image)
        near = _near(image.shape, of_image, tolerance_px)
        hits[i] = near[image == image.max()].mean()
    return hits


def places_reached(
    shape: tuple[int, int], places_px: npt.ArrayLike, tolerance_px: float, foreground: Bool | None = None
) -> float:
    """The share of the pixels (of the foreground (H, W), if given) that lie within the tolerance of a place: what a random pixel hits."""
    near = _near(shape, places_px, tolerance_px)
    return float(near.mean() if foreground is None else near[foreground].mean())


def precision_recall_area(
    image: npt.NDArray[np.floating],
    places_px: npt.ArrayLike,
    tolerance_px: float,
    foreground: Bool | None = None,
    place_of: npt.ArrayLike | None = None,
) -> tuple[float, float]:
    """The area under precision and recall of a map (H, W) by planted place, and that of a constant map, which is chance.

    What a map names are its peaks, brightest first: pixels (of the foreground (H, W), if given) with no brighter one up to the tolerance
    up, down, left and right of them. A place (n, 2), y and x in pixels, is found by a peak within the tolerance. Precision is the share
    of the peaks so far that lie within the tolerance of a place, recall the share of the places that they found; the area is the sum of
    the precision at each step times what recall gains (average precision). Peaks that are equally bright come together. Where a place has
    several points, such as the beads of a neurite, `place_of` (n,) says by number which place each is of: one of them is enough.

    Raises BadInput for no places, no foreground, or values that are no numbers.
    """
    from scipy import ndimage, spatial

    _require_numbers(image)
    chosen = np.ones(image.shape, dtype=bool) if foreground is None else foreground
    if not chosen.any():
        raise BadInput("no pixel of the picture is in the foreground: there is nothing to find places in")
    values = np.where(chosen, image, -np.inf)
    peaks = chosen & (values >= ndimage.maximum_filter(values, size=2 * int(tolerance_px) + 1, mode="nearest"))
    chance = places_reached(image.shape, places_px, tolerance_px, chosen)
    coordinates = np.argwhere(peaks)
    order = np.argsort(-image[peaks], kind="stable")
    brightness = image[peaks][order]
    # the peaks up to and with each different brightness
    last = np.flatnonzero(np.append(brightness[1:] != brightness[:-1], True))
    near = _near(image.shape, places_px, tolerance_px)[peaks][order]
    precision = np.cumsum(near)[last] / (last + 1)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    within = spatial.cKDTree(coordinates).query_ball_point(_places(places_px), tolerance_px)
    found_at = np.array([rank[np.asarray(peaks_near, dtype=np.int64)].min(initial=len(order)) for peaks_near in within])
    if place_of is not None:
        place = np.unique(np.asarray(place_of), return_inverse=True)[1]
        first = np.full(place.max() + 1, len(order))
        np.minimum.at(first, place, found_at)
        found_at = first
    recall = (found_at[None, :] <= last[:, None]).mean(axis=1)
    return float((np.diff(recall, prepend=0.0) * precision).sum()), chance


def _places(places: npt.ArrayLike) -> Float64:
    found = np.asarray(places, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2 or not len(found):
        raise BadInput(f"places are given as (n, 2), y and x in pixels, and one at least; these are {found.shape}")
    return found


def _near(shape: tuple[int, ...], places: npt.ArrayLike, tolerance_px: float) -> Bool:
    """Where (H, W) a pixel lies within the tolerance of a place."""
    near = np.zeros(shape, dtype=bool)
    reach = int(np.ceil(tolerance_px))
    for y, x in _places(places):
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        part = near[top : max(0, int(y) + reach + 2), left : max(0, int(x) + reach + 2)]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part |= (rows - y) ** 2 + (columns - x) ** 2 <= tolerance_px**2
    return near


def _require_numbers(image: npt.NDArray[np.floating]) -> None:
    if not np.isfinite(image).all():
        raise BadInput("a map has values that are no numbers: it cannot be compared with the truth")
