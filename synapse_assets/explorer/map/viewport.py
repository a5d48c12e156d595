"""The figure of an open map: which part of the plane is in view, how it is drawn after each change, and which points are marked.

The points and their colours belong to `model`; drawing them, to `rendering`.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.explorer.map.rendering import MOST_PIXELS, Colouring, Plane, Window
from synapse_assets.explorer.map.style import MARKS, Canvas

_REACH_PX = 12
# How far one press of an arrow moves the view, as a share of it.
_STEP = 0.3
# A synapse is centred with this share of the whole map around it, unless the view is closer already.
_AROUND = 0.15


class Viewport:
    """The view of one browser on a plane. Everything runs in the event loop of the server, except drawing, in a thread.

    document: Bokeh's. The figure is changed only through its queue, which holds the required lock. drawn: called after each
    drawing.
    """

    def __init__(self, document: Any, drawn: Callable[[], None]) -> None:
        self._document, self._drawn = document, drawn
        self.canvas = Canvas()
        self.figure = self.canvas.figure
        for part, names in (
            (self.figure.x_range, ("start", "end")),
            (self.figure.y_range, ("start", "end")),
            (self.figure, ("inner_width", "inner_height")),
        ):
            for name in names:
                part.on_change(name, lambda attr, old, new: self.draw_soon())
        self.plane: Plane | None = None
        self._colouring: Colouring
        self._shown: npt.NDArray[np.bool_]
        self._marks: dict[str, list[int]] = {}
        self._drawing_asked = False
        self._view: tuple[float, float, float] | None = None
        self._size_px: tuple[int, int] | None = None
        self._whole: tuple[tuple[float, float], tuple[float, float]] | None = None

    def begin_at(self, view: tuple[float, float, float] | None) -> None:
        """Begins with this middle x, y and units per pixel, instead of the whole map."""
        self._view = view

    def show(self, plane: Plane, colouring: Colouring, shown: npt.NDArray[np.bool_]) -> None:
        """Draws these points from now on; a new plane as a whole, the same plane in the same view."""
        if self.plane is not None and self.plane is not plane:
            self._view, self._size_px = None, None
        self.plane, self._colouring, self._shown = plane, colouring, shown
        self.draw_soon()

    @property
    def window(self) -> Window | None:
        """The window in view; None before a browser has laid it out, or if the browser reports impossible values."""
        from bokeh.core.property.descriptors import UnsetValueError

        try:
            width, height = self.figure.inner_width, self.figure.inner_height
        except UnsetValueError:
            return None
        if not isinstance(width, int) or not isinstance(height, int) or width < 1 or height < 1:
            return None
        ranges = self._ranges()
        if not all(
            isinstance(low, float | int) and np.isfinite([low, high]).all() and low < high for low, high in ranges
        ):
            return None
        return Window(*ranges, width, height)

    @property
    def view(self) -> tuple[float, float, float] | None:
        """The middle x, y and units per pixel of the view; None while it is the whole map."""
        if self._size_px is None:
            return self._view
        (x0, x1), (y0, y1) = ranges = self._ranges()
        return None if ranges == self._whole else ((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / self._size_px[0])

    def _ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        x, y = self.figure.x_range, self.figure.y_range
        return (x.start, x.end), (y.start, y.end)

    def draw_soon(self) -> None:
        """Draws once for all changes until then; in the meantime a range may move on."""
        if self.plane is not None and not self._drawing_asked:
            self._drawing_asked = True
            self._document.add_next_tick_callback(self._draw)

    def fit(self) -> None:
        """Shows the whole map, one unit as long across as up."""
        self._document.add_next_tick_callback(self._fit)

    def _fit(self) -> None:
        window = self.window
        if window is None or self.plane is None:
            return
        sides = self.plane.sides()
        sizes = window.width_px, window.height_px
        unit = max(1.08 * (high - low) / size for (low, high), size in zip(sides, sizes, strict=True)) or 1.0
        self._centre_on([(low + high) / 2 for low, high in sides], unit)
        self._whole = self._ranges()

    def zoom(self, by: float) -> None:
        """Shows `by` times as much on each side, around the same middle."""
        window = self.window
        if window is not None:
            self._centre_soon(window.middle, window.unit_px[0] * by)

    def move(self, right: int, up: int) -> None:
        """Moves the view by so many steps."""
        window = self.window
        if window is not None:
            unit, (x, y) = window.unit_px[0], window.middle
            step = _STEP * unit * min(window.width_px, window.height_px)
            self._centre_soon([x + right * step, y + up * step], unit)

    def go_to(self, row: int) -> None:
        """Centres a synapse, close enough to see it apart from others; does nothing if it is not on the map."""
        window = self.window
        index = None if self.plane is None else self.plane.index_of(row)
        if window is None or self.plane is None or index is None:
            return
        closest_unit = max(_AROUND * (high - low) for low, high in self.plane.sides()) / window.width_px
        middle = [float(self.plane.x[index]), float(self.plane.y[index])]
        self._centre_soon(middle, min(window.unit_px[0], closest_unit or window.unit_px[0]))

    def turn(self, around_degrees: float, tilt_degrees: float) -> None:
        """Turns a plane in space."""
        if self.plane is not None:
            self.plane.turn(around_degrees, tilt_degrees)
            self.draw_soon()

    def at(self, event: Any) -> int | None:
        """The row of the shown synapse under the mouse, if there is one."""
        window = self.window
        if window is None or self.plane is None:
            return None
        index = self.plane.nearest(event.x, event.y, window, _REACH_PX, self._shown)
        return None if index is None else int(self.plane.rows[index])

    def mark(self, kind: str, rows: Sequence[int]) -> None:
        """Marks these rows, and no others, as `kind`: one of `MARKS`."""
        self._marks[kind] = list(rows)
        self._document.add_next_tick_callback(self._draw_marks)

    def drag_as(self, mode: str) -> None:
        """Sets what dragging does: a mode of the canvas, or nothing for any other."""
        toolbar, drag = self.figure.toolbar, self.canvas.drags.get(mode)
        self._document.add_next_tick_callback(lambda: toolbar.update(active_drag=drag))

    def leave_for(self, address: str) -> None:
        """Opens another page of this server in its place."""
        self._document.add_next_tick_callback(partial(self.figure.update, tags=[address]))

    def _centre_soon(self, middle: Sequence[float], unit: float) -> None:
        self._document.add_next_tick_callback(partial(self._centre_on, middle, unit))

    def _centre_on(self, middle: Sequence[float], unit: float) -> None:
        figure = self.figure
        for centre, size, side in zip(
            middle, (figure.inner_width, figure.inner_height), (figure.x_range, figure.y_range), strict=True
        ):
            side.update(start=centre - unit * size / 2, end=centre + unit * size / 2)
        self.draw_soon()

    async def _draw(self) -> None:
        self._drawing_asked = False
        window, plane = self.window, self.plane
        if window is None or plane is None:
            return
        if self._size_px != (window.width_px, window.height_px):
            view = self.view
            self._size_px = window.width_px, window.height_px
            if view is None:
                self._fit()
            else:
                self._centre_on(view[:2], view[2])
            return
        drawing = await asyncio.to_thread(plane.draw, self._colouring, self._shown, window.at_most(MOST_PIXELS))
        images = [] if drawing.picture is None else [drawing.picture]
        (x0, x1), (y0, y1), count = window.x, window.y, len(images)
        self.canvas.picture.data = {
            "image": images,
            "x": [x0] * count,
            "y": [y0] * count,
            "dw": [x1 - x0] * count,
            "dh": [y1 - y0] * count,
        }
        size = 9 if len(drawing.x) <= 1_000 else 6
        self._draw_marks()
        self.canvas.discs.data = {
            "x": drawing.x,
            "y": drawing.y,
            "colour": drawing.colours,
            "size": np.full(len(drawing.x), size),
        }
        self._drawn()

    def _draw_marks(self) -> None:
        plane = self.plane
        if plane is None:
            return
        marks = [(plane.index_of(row), *MARKS[kind]) for kind, rows in self._marks.items() for row in rows]
        marks = [mark for mark in marks if mark[0] is not None]
        indices = np.array([index for index, *_ in marks], dtype=np.int64)
        self.canvas.marks.data = {
            "x": plane.x[indices],
            "y": plane.y[indices],
            "marker": [marker for _, marker, _ in marks],
            "size": [size for *_, size in marks],
        }
