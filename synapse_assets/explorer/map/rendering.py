"""The synapses of a release as points of a plane: which is nearest to a position, which lie inside a shape, in what colours, as a picture.

Arrays in, arrays out. What does not belong here: widgets and browsers (`controls`, `viewport`), texts of pages (`html`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput
from synapse_assets.query.points import NONE, NUMBERS, Points
from synapse_assets.schema.colours import NOISE_COLOUR

# Classes in a legend; rarer classes share one line, because nobody reads hundreds.
LEGEND_CLASSES = 60
OTHERS_COLOUR = "#8f8f8f"
# Up to so many points in view are drawn as sharp discs by the browser; more points as one picture.
DISCS = 8_000
# Limit for a picture of the map, whatever size a browser reports.
MOST_PIXELS = 16_000_000
# Far more than a user draws by hand.
MOST_CORNERS = 5_000
_STEPS_OF_NUMBERS = 10
# Points on a picture are a pixel wider on each side below each of these numbers.
_SPREAD_BELOW = (400_000, 40_000)
# Opacity, of 255, of a pixel with the fewest points.
_LEAST_OPAQUE = 150
# First view of a space: turned around its upright axis, and tilted, in degrees.
FIRST_TURN = (30, 20)


@dataclass(frozen=True)
class Colouring:
    """Classes of a column and their colours. codes: uint16 (M,), an index into `names` for each point of the map."""

    column: str
    title: str
    names: tuple[str, ...]
    colours: tuple[str, ...]
    codes: npt.NDArray[np.uint16]

    def counts(self, selected: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Points by class, (classes,), of those `selected`: a mask (bool) or indices (int)."""
        return np.bincount(self.codes[selected], minlength=len(self.names))


@dataclass(frozen=True)
class Window:
    """The part of the plane that is seen, in its own units, and its size on the screen."""

    x: tuple[float, float]
    y: tuple[float, float]
    width_px: int
    height_px: int

    @property
    def unit_px(self) -> tuple[float, float]:
        """Length of a pixel along x and y."""
        return (self.x[1] - self.x[0]) / self.width_px, (self.y[1] - self.y[0]) / self.height_px

    def at_most(self, pixels: int) -> "Window":
        """The same part of the plane on so few pixels that a picture of it does not become large; it is stretched then."""
        share = min(1.0, (pixels / (self.width_px * self.height_px)) ** 0.5)
        width, height = (max(1, min(pixels, int(side * share))) for side in (self.width_px, self.height_px))
        return replace(self, width_px=min(width, pixels // height), height_px=height)

    @property
    def middle(self) -> tuple[float, float]:
        """The middle, x and y."""
        return (self.x[0] + self.x[1]) / 2, (self.y[0] + self.y[1]) / 2


@dataclass(frozen=True)
class Drawing:
    """What a browser draws: a picture (uint32 RGBA (height, width), lowest row first), or discs where there are few."""

    picture: npt.NDArray[np.uint32] | None
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    colours: npt.NDArray[np.object_]


class Plane:
    """The M points of a release that are on its map; or on its map in three dimensions, as seen from one side (`turn`).

    rows: int64 (M,), their rows in the release. x, y: float32 (M,). `shown` below marks points of the map, bool (M,).
    """

    def __init__(self, points: Points, in_space: bool = False) -> None:
        coordinates = points.space if in_space and points.space is not None else points.map
        rows = np.flatnonzero(np.isfinite(coordinates).all(axis=1))
        self.points = points
        # Sorted by x in the plane, so that points near a position are found without a full scan; in space x changes with each turn.
        self._along_x = not in_space
        self.rows = rows[np.argsort(coordinates[rows, 0], kind="stable")] if self._along_x else rows
        self._index_of = np.full(len(points), -1, dtype=np.int32)
        self._index_of[self.rows] = np.arange(len(rows))
        self._colourings: dict[str, Colouring] = {}
        self._depth: npt.NDArray[np.float32] | None = None
        if in_space:
            self._space = coordinates[self.rows] - (coordinates[rows].max(axis=0) + coordinates[rows].min(axis=0)) / 2
            self.turn(*FIRST_TURN)
        else:
            self.x, self.y = (np.ascontiguousarray(coordinates[self.rows, axis]) for axis in (0, 1))

    def turn(self, around_degrees: float, tilt_degrees: float) -> None:
        """Turns the space: around its upright axis, then tilted towards the viewer."""
        around, tilt = np.deg2rad([around_degrees, tilt_degrees])
        x, y, z = self._space.T
        across, away = x * np.cos(around) - y * np.sin(around), x * np.sin(around) + y * np.cos(around)
        self.x, self.y = across, z * np.cos(tilt) + away * np.sin(tilt)
        self._depth = away * np.cos(tilt) - z * np.sin(tilt)

    def sides(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Range of the points along x and y; in space over all rotations."""
        if self._depth is not None:
            reach = float(np.sqrt((self._space**2).sum(axis=1).max()))
            return (-reach, reach), (-reach, reach)
        return (float(self.x.min()), float(self.x.max())), (float(self.y.min()), float(self.y.max()))

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self) -> dict[str, str]:
        """What points can be coloured by: column and title."""
        titles = {name: column.title for name, column in self.points.categories.items()}
        return titles | {name: NUMBERS[name] for name in self.points.numbers}

    def colouring(self, column: str) -> Colouring:
        """The colours by a column. Raises BadInput for a column that the dataset does not have."""
        if column not in self._colourings:
            if column not in self.columns():
                raise BadInput(f"there is no column '{column}' to colour by; there are {', '.join(self.columns())}")
            by_classes = column in self.points.categories
            self._colourings[column] = self._by_class(column) if by_classes else self._by_number(column)
        return self._colourings[column]

    def index_of(self, row: int) -> int | None:
        """Index of a row of the release on the map, if it is there."""
        index = int(self._index_of[row])
        return None if index < 0 else index

    def nearest(self, x: float, y: float, window: Window, within_px: float, shown: npt.NDArray[np.bool_]) -> int | None:
        """The shown point nearest to a position as seen on the screen, if there is one within that many pixels."""
        unit_x, unit_y = window.unit_px
        part = self._between(x - within_px * unit_x, x + within_px * unit_x)
        away = ((self.x[part] - x) / unit_x) ** 2 + ((self.y[part] - y) / unit_y) ** 2
        away[~shown[part]] = np.inf
        if not len(away) or away.min() > within_px**2:
            return None
        return int(part.start + away.argmin())

    def inside(self, shape: Mapping[str, Any], shown: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """The shown points inside a shape that was drawn: a rectangle (x0, x1, y0, y1) or a polygon (lists x and y).

        Of a polygon with more than `MOST_CORNERS` corners some are skipped, evenly.
        """
        rectangle = shape["type"] == "rect"
        step = 1 if rectangle else -(-len(shape["x"]) // MOST_CORNERS) or 1
        xs, ys = (
            ((shape["x0"], shape["x1"]), (shape["y0"], shape["y1"]))
            if rectangle
            else (shape["x"][::step], shape["y"][::step])
        )
        part = self._between(min(xs), max(xs))
        x, y = self.x[part], self.y[part]
        within = (x >= min(xs)) & (x <= max(xs)) & (y >= min(ys)) & (y <= max(ys))
        indices = part.start + np.flatnonzero(shown[part] & within)
        if rectangle or not len(indices):
            return indices
        return indices[inside_polygon(self.x[indices], self.y[indices], np.column_stack([xs, ys]))]

    def draw(self, colouring: Colouring, shown: npt.NDArray[np.bool_], window: Window) -> Drawing:
        """The shown points in a window. Where few are shown, discs of those beyond it too, so that nothing is missing on a pan."""
        part = self._between(*window.x)
        in_view = np.flatnonzero(shown) if shown.sum() <= DISCS else None
        if in_view is None:
            within = shown[part].copy()
            for values, (low, high) in ((self.x[part], window.x), (self.y[part], window.y)):
                within &= (values >= low) & (values <= high)
            in_view = part.start + np.flatnonzero(within)
        if len(in_view) <= DISCS:
            codes = colouring.codes[in_view]
            # Points without a class below points with one; in space, farther points below nearer ones.
            has_class = np.asarray(colouring.names, dtype=object)[codes] != NONE
            order = np.argsort(has_class if self._depth is None else -self._depth[in_view], kind="stable")
            indices = in_view[order]
            colours = np.asarray(colouring.colours, dtype=object)[codes[order]]
            return Drawing(None, self.x[indices], self.y[indices], colours)
        picture = _picture(self.x[in_view], self.y[in_view], colouring, colouring.codes[in_view], window)
        nothing = np.empty(0, dtype=np.float32)
        return Drawing(picture, nothing, nothing, np.empty(0, dtype=object))

    def _between(self, low: float, high: float) -> slice:
        """Slice of the points with x from low to high, and perhaps others."""
        if not self._along_x:
            return slice(0, len(self.x))
        # As float32: all of x would be converted otherwise.
        ends = np.float32(low), np.float32(high)
        return slice(int(np.searchsorted(self.x, ends[0])), int(np.searchsorted(self.x, ends[1], side="right")))

    def _by_class(self, column: str) -> Colouring:
        category = self.points.category(column)
        codes = category.codes[self.rows]
        sizes = np.bincount(codes[codes >= 0], minlength=len(category.names))
        largest = np.sort(np.argsort(-sizes, kind="stable")[:LEGEND_CLASSES])
        rarer = len(category.names) - len(largest)
        names = [category.names[code] for code in largest]
        colours = [self.points.colours(column)[name] for name in names]
        # The last entry is for points without a class, which have code -1.
        legend_index = np.full(len(category.names) + 1, len(largest), dtype=np.uint16)
        legend_index[largest] = np.arange(len(largest))
        legend_index[-1] = len(largest) + bool(rarer)
        if rarer:
            names, colours = [*names, f"{rarer:,} rarer ones"], [*colours, OTHERS_COLOUR]
        if (codes < 0).any():
            names, colours = [*names, NONE], [*colours, NOISE_COLOUR]
        return Colouring(column, category.title, tuple(names), tuple(colours), legend_index[codes])

    def _by_number(self, column: str) -> Colouring:
        from bokeh.palettes import viridis

        values = self.points.numbers[column][self.rows]
        known = np.isfinite(values)
        edges = number_steps(values[known]) if known.any() else np.zeros(1)
        steps = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
        decimals = max(0, -int(np.floor(np.log10(edges[1] - edges[0]) + 1e-9))) + 1 if len(edges) > 1 else 0
        names = [f"{low:.{decimals}f} to {high:.{decimals}f}" for low, high in pairwise(edges)]
        colours = list(viridis(max(len(names), 1)))[: len(names)]
        if not known.all():
            steps[~known] = len(names)
            names, colours = [*names, NONE], [*colours, NOISE_COLOUR]
        return Colouring(column, NUMBERS[column], tuple(names), tuple(colours), steps.astype(np.uint16))


def is_outline(shape: Any) -> bool:
    """Whether what a browser says was drawn is a rectangle or a polygon as `Plane.inside` takes it."""
    try:
        rectangle = shape["type"] == "rect"
        sides = [[shape["x0"], shape["x1"]], [shape["y0"], shape["y1"]]] if rectangle else [shape["x"], shape["y"]]
        corners = np.array(sides, dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        return False
    return corners.ndim == 2 and corners.shape[1] > 0 and bool(np.isfinite(corners).all())


def inside_polygon(x: npt.NDArray[Any], y: npt.NDArray[Any], corners: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which of the points x, y (N,) a polygon with corners (K, 2) holds, bool (N,). It is closed by itself; where it crosses itself,
    what it runs around twice is outside (even-odd rule). A point on an edge may be either."""
    ends = np.asarray(corners, dtype=np.float64)
    inside = np.zeros(len(x), dtype=np.bool_)
    if len(ends) < 3:
        return inside
    # Upwards, so that an edge is crossed by the ray of one stretch of points only.
    upwards = np.argsort(y, kind="stable")
    x, y = np.asarray(x, dtype=np.float64)[upwards], np.asarray(y, dtype=np.float64)[upwards]
    beyond = np.searchsorted(y, ends[:, 1], side="right")
    crossings = np.zeros(len(x), dtype=np.bool_)
    for at in range(len(ends)):
        (x0, y0), (x1, y1) = ends[at - 1], ends[at]
        first, last = sorted((beyond[at - 1], beyond[at]))
        part = slice(first, last)
        rising = y1 > y0
        crossings[part] ^= ((y1 - y[part]) * (x0 - x1) >= (x1 - x[part]) * (y0 - y1)) == rising
    inside[upwards] = crossings
    return inside


def number_steps(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Round edges of at most ten equal steps that hold all values; two edges at least."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.array([low, low + 1])
    rough = (high - low) / _STEPS_OF_NUMBERS
    unit = 10 ** np.floor(np.log10(rough))
    for step in (unit, 2 * unit, 5 * unit, 10 * unit, 20 * unit):
        first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
        if last - first <= _STEPS_OF_NUMBERS:
            break
    return np.arange(first, last + 1) * step


def _picture(
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    colouring: Colouring,
    codes: npt.NDArray[np.uint16],
    window: Window,
) -> npt.NDArray[np.uint32]:
    """Colours mixed by how many points of each fall on a pixel; the stronger, the more pixels hold fewer points."""
    wider = sum(len(x) <= limit for limit in _SPREAD_BELOW)
    (unit_x, unit_y), (left, low) = window.unit_px, (window.x[0], window.y[0])
    column, line = ((x - left) / unit_x).astype(np.int32), ((y - low) / unit_y).astype(np.int32)
    inside = (column >= 0) & (column < window.width_px) & (line >= 0) & (line < window.height_px)
    # With a margin, so that points spread beyond one side do not appear at the other.
    width, height = window.width_px + 2 * wider, window.height_px + 2 * wider
    pixel, codes = ((line + wider) * width + column + wider)[inside], codes[inside]
    if wider:
        steps_y, steps_x = np.mgrid[-wider : wider + 1, -wider : wider + 1]
        disc = (steps_y * width + steps_x)[steps_y**2 + steps_x**2 <= (wider + 0.5) ** 2]
        pixel, codes = np.add.outer(disc, pixel).ravel(), np.tile(codes, len(disc))
    points = np.bincount(pixel, minlength=width * height)
    filled = np.flatnonzero(points)
    points = points[filled]
    rank = np.cumsum(np.bincount(points)) / max(len(points), 1)
    picture = np.zeros((width * height, 4), dtype=np.uint8)
    for channel in range(3):
        strength = np.array([int(colour[1 + 2 * channel : 3 + 2 * channel], 16) for colour in colouring.colours], float)
        picture[filled, channel] = np.bincount(pixel, strength[codes], width * height)[filled] / points
    picture[filled, 3] = _LEAST_OPAQUE + (255 - _LEAST_OPAQUE) * rank[points]
    rows = picture.view(np.uint32).reshape(height, width)
    return np.ascontiguousarray(rows[wider : height - wider, wider : width - wider])
