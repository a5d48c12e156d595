"""What the user hovers over, picks and surrounds on a map: the tip, the card, and the synapses inside a shape.

The points belong to `model`, the target of a double click to `explorer`, the texts to `html`.
"""

import asyncio
import io
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from synapse_assets.errors import BadInput
from synapse_assets.explorer.map import html
from synapse_assets.explorer.map.controls import WIDE, Controls
from synapse_assets.explorer.map.model import MapModel
from synapse_assets.explorer.map.rendering import is_outline
from synapse_assets.explorer.map.style import PANES
from synapse_assets.explorer.map.viewport import Viewport
from synapse_assets.explorer.urls import search_url
from synapse_assets.stores.spreadsheets import csv_text

_TIP_PX = 300
_TILES = 60
_IDS_IN_TEXT = 10_000


class Selection:
    """The hovered, the picked and the surrounded synapses of one page. Events are those of Bokeh's figure."""

    def __init__(self, dataset: str, model: MapModel, viewport: Viewport, controls: Controls, document: Any) -> None:
        self._dataset, self._model = dataset, model
        self._viewport, self._controls, self._document = viewport, controls, document
        self._hovered: int | None = None
        self._picked: int | None = None

    def on_move(self, event: Any) -> None:
        """Shows the tip of the synapse under the mouse."""
        row, window = self._viewport.at(event), self._viewport.window
        if row is None or window is None:
            self.leave()
        elif row != self._hovered:
            self._hovered = row
            self._viewport.mark("hovered", [row])
            left = event.sx > window.width_px / 2
            where = {"right" if left else "left": f"{(window.width_px - event.sx if left else event.sx) + 18:.0f}px"}
            where["top"] = f"{max(4, min(event.sy - 60, window.height_px - _TIP_PX)):.0f}px"
            self._controls.tip.param.update(
                object=html.tip(self._dataset, self._model.picture_release, self._model.points, row, self._model.words),
                styles={"position": "absolute", "width": "fit-content", **where},
                visible=True,
            )

    def leave(self) -> None:
        """The mouse is on no synapse."""
        if self._hovered is not None:
            self._hovered = None
            self._viewport.mark("hovered", [])
            self._controls.tip.visible = False

    def on_tap(self, event: Any) -> None:
        """Picks the clicked synapse."""
        row = self._viewport.at(event)
        if row is not None:
            self.pick(row)

    def on_double_tap(self, event: Any) -> None:
        """Searches with a synapse clicked twice. Bokeh takes any two quick clicks as a double click: on different synapses this picks."""
        row = self._viewport.at(event)
        if row is not None and row == self._picked and self._model.picture_release is not None:
            self._viewport.leave_for(search_url(self._dataset, self._model.points.ids[row].as_py()))
        else:
            self.on_tap(event)

    def pick(self, row: int) -> None:
        """Shows the card of a synapse and marks it."""
        self._picked = row
        model = self._model
        self._controls.picked.object = html.card(self._dataset, model.picture_release, model.points, row, model.words)
        self._viewport.mark("picked", [row])

    def go_to(self, synapse_id: str) -> None:
        """Picks the synapse of an id and centres it; shows a notice for an unknown id, does nothing for a blank text."""
        if not synapse_id.strip():
            return
        try:
            row = self._model.points.row(synapse_id)
        except BadInput as error:
            self._controls.picked.object = html.notice(str(error))
            return
        self.pick(row)
        self._viewport.go_to(row)

    def on_outline(self, event: Any) -> None:
        """Selects the synapses inside the shape, once it is finished."""
        if event.final and is_outline(event.geometry):
            self._select_soon(event.geometry)

    def select_view(self) -> None:
        """Selects all synapses in view."""
        window = self._viewport.window
        if window is not None:
            (x0, x1), (y0, y1) = window.x, window.y
            self._select_soon({"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1})

    def _select_soon(self, shape: Mapping[str, Any]) -> None:
        self._document.add_next_tick_callback(partial(self._select, shape))

    async def _select(self, shape: Mapping[str, Any]) -> None:
        """Shows the surrounded synapses, in the order of the release."""
        import panel as pn

        points, plane, colouring = self._model.points, self._model.plane, self._model.colouring
        selected = self._controls.selected
        indices = await asyncio.to_thread(plane.inside, shape, self._model.shown)
        indices = indices[np.argsort(plane.rows[indices])]
        rows = plane.rows[indices]
        selected.visible = True
        if not len(rows):
            selected[:] = [
                pn.pane.HTML(html.notice(self._model.words("no shown synapse lies inside")), stylesheets=[PANES])
            ]
            return
        ids = points.ids.take(rows[:_IDS_IN_TEXT]).to_pylist()
        pictures = self._model.picture_release
        tiles = html.tiles(self._dataset, pictures, ids[:_TILES], indices[:_TILES], colouring, len(rows))
        bars = html.composition(colouring, colouring.counts(indices), self._model.words)
        card = f'<div class="card"><div>{bars}{html.id_list(ids, len(rows))}</div><div>{tiles}</div></div>'

        async def table() -> io.StringIO:
            # In a thread: a million rows take seconds.
            return io.StringIO(await asyncio.to_thread(lambda: csv_text(points.frame(rows))))

        selected[:] = [
            pn.pane.HTML(card, **WIDE),
            pn.widgets.FileDownload(
                label="Download as CSV",
                filename=f"{self._dataset}_selection.csv",
                callback=table,
                **WIDE,
            ),
        ]
