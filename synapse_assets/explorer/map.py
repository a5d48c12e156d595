"""The map page of a dataset: all its synapses in the plane, to colour, filter, look at, pick and surround.

A Panel application within the explorer's server; a page that is opened has its own `_MapPage`, which lives as long as it is open.
What is drawn and found belongs to `map_points`, the texts to `map_html`; other pages to `server`.
"""

import asyncio
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from synapse_assets.explorer import map_html as html
from synapse_assets.explorer.map_look import LEGEND, MARKS, TEMPLATE, WIDGETS, Canvas
from synapse_assets.explorer.map_points import Colouring, Plane, Window, warm_up
from synapse_assets.query.points import CATEGORIES, NUMBERS, Filters
from synapse_assets.schema import BadInput

if TYPE_CHECKING:
    from fastapi import FastAPI

    from synapse_assets.query.warehouse import Warehouse

# How the parts stand: as wide as there is room, with space between what they hold, or as wide as they are.
_WIDE: dict[str, Any] = {"stylesheets": [html.STYLE, WIDGETS], "margin": 0, "sizing_mode": "stretch_width"}
_SPACED: dict[str, Any] = {**_WIDE, "styles": {"gap": "10px"}}
_FIXED: dict[str, Any] = {**_WIDE, "sizing_mode": None}
_REACH_PX = 12
_TIP_PX = 300
_TILES = 60
_IDS_IN_TEXT = 10_000
_NEIGHBOURS = 10
_CHOICES = 300
_LOOK_FOR_NEWER_MS = 30_000


def add_maps(
    app: "FastAPI",
    releases: Callable[[str], "Warehouse"],
    datasets: Sequence[str],
    header: Callable[[str, str], str],
    look: str = "/look",
    hosts: Sequence[str] = ("127.0.0.1:*", "localhost:*"),
) -> None:
    """Adds the page /<dataset>/map of each dataset, and below /static what these pages load.

    releases: the release of a dataset to use now; a page keeps the one it began with. header(dataset, "map"): the HTML that
    all pages begin with. look: the address of explorer.css and icon.svg; not below /static, which is Bokeh's. hosts: "name:port"
    under which people reach the server; pages of others may not talk to it.
    """
    import panel as pn
    from panel.io.fastapi import add_applications

    pn.extension()
    planes = _Planes()
    # Datashader compiles what it needs on first use, seconds that nobody should wait for.
    threading.Thread(target=warm_up, daemon=True).start()

    def page_of(dataset: str) -> Callable[[], Any]:
        def page() -> Any:
            asked = {
                name: [value.decode(errors="replace") for value in values]
                for name, values in pn.state.session_args.items()
            }
            return _MapPage(dataset, lambda: releases(dataset), planes, asked).template(header, look)

        return page

    add_applications(
        {f"/{dataset}/map": page_of(dataset) for dataset in datasets},
        app=app,
        title={f"/{dataset}/map": f"Map of {dataset}" for dataset in datasets},
        location=False,
        websocket_origin=list(hosts),
    )


class _Planes:
    """The plane of each dataset's release, made once for all pages that show it."""

    def __init__(self) -> None:
        self._made: dict[str, Plane] = {}
        self._lock = threading.Lock()

    def of(self, dataset: str, warehouse: "Warehouse") -> Plane:
        with self._lock:
            made = self._made.get(dataset)
            if made is None or made.points is not warehouse.points:
                made = self._made[dataset] = Plane(warehouse.points)
            return made


class _MapPage:
    """One open page. Everything runs in the event loop of the server, but what takes long, in threads."""

    def __init__(
        self,
        dataset: str,
        release: Callable[[], "Warehouse"],
        planes: _Planes,
        asked: Mapping[str, Sequence[str]],
    ) -> None:
        import panel as pn

        self._dataset, self._release, self._planes, self._asked = dataset, release, planes, asked
        self._messages: list[str] = []
        self._caption = ""
        self._hovered: int | None = None
        self._marks: dict[str, list[int]] = {}
        self._ready = self._setting_up = self._drawing_asked = False

        self._canvas = Canvas()
        self._figure = self._canvas.figure
        self._figure.on_event("mousemove", self._on_move)
        self._figure.on_event("mouseleave", lambda _: self._hover(None))
        # Of two quick clicks Bokeh tells the second by another name, wherever it is.
        for name in ("tap", "doubletap"):
            self._figure.on_event(name, self._on_tap)
        self._figure.on_event("selectiongeometry", self._on_selection)
        for part, names in (
            (self._figure.x_range, ("start", "end")),
            (self._figure.y_range, ("start", "end")),
            (self._figure, ("inner_width", "inner_height")),
        ):
            for name in names:
                part.on_change(name, self._on_view)
        self._fitted: Window | None = None

        self._notice, self._link = pn.pane.HTML("", **_WIDE), pn.pane.HTML("", **_WIDE)
        self._status = pn.pane.HTML('<p class="quiet">Loading the map …</p>', **_WIDE)
        self._colour = pn.widgets.Select(label="Colour by", **_WIDE)
        self._legend = pn.widgets.CheckBoxGroup(label="Legend", options=[], value=[], **_WIDE)
        self._all, self._none = (pn.widgets.Button(label=name, **_WIDE) for name in ("All", "None"))
        self._filters = pn.Column(visible=False, **_SPACED)
        self._with_filters = pn.widgets.Toggle(label="Filters", **_WIDE)
        self._with_filters.link(self._filters, value="visible")
        self._find = pn.widgets.TextInput(label="Go to synapse", placeholder="id, then Enter", **_WIDE)
        self._side = pn.Column(
            self._colour,
            pn.Row(self._all, self._none, **_SPACED),
            self._legend,
            self._with_filters,
            self._filters,
            self._find,
            self._link,
            visible=False,
            **_SPACED,
        )
        self._sides = pn.widgets.RadioButtonGroup(options=["2-D", "3-D"], value="2-D", visible=False, **_FIXED)
        self._around: Any = pn.widgets.IntSlider(label="Turn (degrees)", start=-180, end=180, value=30, **_WIDE)
        self._tilt: Any = pn.widgets.IntSlider(label="Tilt (degrees)", start=-90, end=90, value=20, **_WIDE)
        self._turns = pn.Row(self._around, self._tilt, visible=False, **_SPACED)
        self._mode = pn.widgets.RadioButtonGroup(options=["Move", "Lasso", "Box"], value="Move", **_FIXED)
        buttons = {"+": 0.6, "−": 1 / 0.6}
        zooms = [pn.widgets.Button(label=label, **_FIXED) for label in buttons]
        whole = pn.widgets.Button(label="Whole map", **_FIXED)
        self._tools = pn.FlexBox(self._sides, self._mode, *zooms, whole, visible=False, gap="4px", margin=0)
        self._plot = pn.pane.Bokeh(self._figure, sizing_mode="stretch_both", margin=0, visible=True)
        self._tip = pn.pane.HTML("", visible=False, stylesheets=[html.STYLE], margin=0)
        self._picked = pn.pane.HTML(html.HELP, **_WIDE)
        self._selected = pn.Column(visible=False, **_SPACED)

        self._colour.param.watch(lambda _: self._recolour(), "value")
        self._legend.param.watch(lambda _: self._refresh(), "value")
        self._all.on_click(lambda _: self._switch(True))
        self._none.on_click(lambda _: self._switch(False))
        self._find.param.watch(lambda event: self._go(event.new.strip()), "value")
        self._mode.param.watch(self._on_mode, "value")
        self._sides.param.watch(lambda _: self._change_sides(), "value")
        for slider in (self._around, self._tilt):
            slider.param.watch(lambda _: self._turn(), "value")
        self._figure.on_event("panstart", self._begin_drag)
        self._figure.on_event("pan", self._on_drag)
        for button, by in zip(zooms, buttons.values(), strict=True):
            button.on_click(partial(self._zoom, by))
        whole.on_click(lambda _: self._fit())
        # By the document's own queue: it holds the lock that changes need, also across an await.
        self._document: Any = pn.state.curdoc
        pn.state.onload(self._begin)

    def template(self, header: Callable[[str, str], str], look: str) -> Any:
        """The page as Panel serves it."""
        import panel as pn

        page = pn.Template(TEMPLATE)
        parts = {
            "side": self._side,
            "notice": self._notice,
            "status": self._status,
            "tools": self._tools,
            "turns": self._turns,
            "plot": self._plot,
        }
        parts |= {"tip": self._tip, "picked": self._picked, "selected": self._selected}
        for name, part in parts.items():
            page.add_panel(name, part)
        page.add_variable("header", header(self._dataset, "map"))
        # Instead of Panel's own icons.
        for name, value in {"look": look, "app_favicon": "", "apple_icon": ""}.items():
            page.add_variable(name, value)
        return page

    def _begin(self) -> None:
        self._document.add_next_tick_callback(self._load)

    async def _load(self) -> None:
        try:
            self._warehouse = await asyncio.to_thread(self._release)
            self._plane = await asyncio.to_thread(self._planes.of, self._dataset, self._warehouse)
        except BadInput as error:
            self._stop(str(error))
            return
        self._points = self._plane.points
        if not len(self._plane):
            self._stop(
                f"no synapse of this release of {self._dataset} has a place on a map yet: "
                f"materialise its map coordinates, then {self._dataset}/warehouse"
            )
            return
        if not self._plane.columns():
            self._stop(f"this release of {self._dataset} has no classes and no scores to colour a map by")
            return
        self._setting_up = True
        self._set_up()
        self._setting_up = False
        self._recolour()
        self._ready = True
        self._ask_drawing()
        self._side.visible = self._tools.visible = True
        self._sides.visible = self._points.space is not None
        self._document.add_periodic_callback(self._look_for_newer, _LOOK_FOR_NEWER_MS)
        if query := self._asked.get("synapse_id", [""])[0]:
            self._mark_query(query)

    def _set_up(self) -> None:
        """Widgets for what this release has, as the address of the page asks."""
        import panel as pn

        columns = self._plane.columns()
        asked = self._asked.get("colour", [""])[0]
        if asked and asked not in columns:
            self._messages.append(f"there is no column '{asked}' to colour by; there are {', '.join(columns)}")
        self._colour.options = {title: name for name, title in columns.items()}
        categories = self._points.categories
        several = [name for name in columns if name not in categories or len(categories[name].names) > 1]
        self._colour.value = asked if asked in columns else next(iter(several or columns))
        self._any_of: dict[str, Any] = {}
        for name in CATEGORIES:
            values = self._agreeable(name, self._asked.get(name, []), lambda value: value)
            if name in self._points.categories:
                counts = self._points.categories[name].counts()
                common = set(sorted(counts, key=lambda value: -counts[value])[:_CHOICES])
                self._any_of[name] = pn.widgets.MultiChoice(
                    label=self._points.categories[name].title,
                    # Bokeh shows the labels of this widget as HTML.
                    options={escape(value): value for value in counts if value in common or value in values},
                    value=values,
                    placeholder="any" if len(common) == len(counts) else f"any, or of the {_CHOICES} most common",
                    **_WIDE,
                )
        self._least: dict[str, Any] = {}
        for name in NUMBERS:
            values = self._agreeable(name, self._asked.get(f"{name}_least", []), _finite)
            if name in self._points.numbers:
                self._least[name] = pn.widgets.FloatInput(
                    label=f"{NUMBERS[name]}, at least", value=values[0] if values else None, step=0.05, **_WIDE
                )
        widgets = [*self._any_of.values(), *self._least.values()]
        self._filters[:] = widgets
        self._with_filters.value = any(widget.value not in (None, []) for widget in widgets)
        for widget in widgets:
            widget.param.watch(lambda _: self._refresh(), "value")

    def _agreeable(self, name: str, values: Sequence[str], read: Callable[[str], Any]) -> list[Any]:
        """Those values of the address that this dataset has; a message for each other."""
        good = []
        for value in values:
            try:
                chosen = read(value)
                self._points.select(
                    Filters(any_of={name: [chosen]}) if name in CATEGORIES else Filters(least={name: chosen})
                )
                good.append(chosen)
            except BadInput as error:
                self._messages.append(f"a filter was left out, because {error}")
            except ValueError:
                self._messages.append(f"a filter was left out, because {name}_least={value} is not a number")
        return good

    def _stop(self, why: str) -> None:
        self._notice.object = html.notice(why)
        self._status.object = self._picked.object = ""
        self._figure.visible = False

    # What is shown

    def _recolour(self) -> None:
        if self._setting_up:
            return
        self._colouring: Colouring = self._plane.colouring(self._colour.value)
        self._setting_up = True
        self._legend.param.update(options=list(self._colouring.names), value=list(self._colouring.names))
        self._setting_up = False
        self._refresh()

    def _switch(self, on: bool) -> None:
        self._legend.value = list(self._colouring.names) if on else []

    def _refresh(self) -> None:
        """Which points are shown, after anything about that has changed."""
        if self._setting_up:
            return
        chosen = Filters(
            {name: widget.value for name, widget in self._any_of.items()},
            {name: widget.value for name, widget in self._least.items() if widget.value is not None},
        )
        among = self._points.select(chosen)[self._plane.rows]
        on = np.isin(self._colouring.names, self._legend.value)
        self._shown: npt.NDArray[np.bool_] = among & on[self._colouring.codes]
        self._legend.stylesheets = [
            html.STYLE,
            WIDGETS,
            LEGEND,
            html.legend_style(self._colouring, self._colouring.counts(among)),
        ]
        self._hover(None)
        self._say()
        self._ask_drawing()

    def _say(self) -> None:
        shown, away = int(self._shown.sum()), len(self._points) - len(self._plane)
        text = f"<strong>{shown:,}</strong> of {len(self._plane):,} synapses shown"
        if away:
            text += f" · {away:,} have no place on the map"
        if self._caption:
            text += f" · {self._caption}"
        self._status.object = f'<p style="margin:0">{text}</p>'
        self._link.object = f'<a href="?{escape(self._address())}">Link to this view</a>'
        nothing = [] if shown else ["no synapse is left: the filters, or the legend, leave out all of them"]
        self._notice.object = html.notice(*self._messages, *nothing)

    def _address(self) -> str:
        asked: dict[str, Any] = {"colour": self._colour.value}
        asked |= {name: widget.value for name, widget in self._any_of.items() if widget.value}
        asked |= {f"{name}_least": widget.value for name, widget in self._least.items() if widget.value is not None}
        if query := self._asked.get("synapse_id"):
            asked["synapse_id"] = query[0]
        return urlencode(asked, doseq=True)

    async def _look_for_newer(self) -> None:
        newer = "a newer release is out: open this page again to see it"
        try:
            is_newer = await asyncio.to_thread(self._release) is not self._warehouse
        except BadInput:
            return
        if is_newer and newer not in self._messages:
            self._warn(newer)

    def _warn(self, sentence: str) -> None:
        self._messages.append(sentence)
        self._say()

    # In three dimensions

    def _change_sides(self) -> None:
        """From the plane to space, or back: another plane of the same points, legend and filters as they are."""
        in_space = self._sides.value == "3-D"
        self._turns.visible = in_space
        if in_space:
            self._mode.options = ["Turn", "Move", "Lasso", "Box"]
            self._mode.value = "Turn"
            self._plane = Plane(self._points, in_space=True)
            self._plane.turn(self._around.value, self._tilt.value)
        else:
            self._mode.options = ["Move", "Lasso", "Box"]
            self._mode.value = "Move"
            self._plane = self._planes.of(self._dataset, self._warehouse)
        self._colouring = self._plane.colouring(self._colour.value)
        self._refresh()
        self._fit()

    def _turn(self) -> None:
        if self._sides.value == "3-D":
            self._plane.turn(self._around.value, self._tilt.value)
            self._ask_drawing()

    def _on_drag(self, event: Any) -> None:
        """A drag of three pixels turns by a degree. Its events tell how far it is from where it began."""
        if self._mode.value == "Turn":
            around, tilt = self._before_drag
            self._around.value = (around + round(event.delta_x / 3) + 180) % 360 - 180
            self._tilt.value = max(-90, min(90, tilt - round(event.delta_y / 3)))

    def _begin_drag(self, _: Any) -> None:
        self._before_drag = self._around.value, self._tilt.value

    # The picture

    def _window(self) -> Window | None:
        """What the figure shows; None before a browser has laid it out."""
        figure = self._figure
        width, height = figure.inner_width, figure.inner_height
        if not isinstance(width, int) or not isinstance(height, int) or width < 1 or height < 1:
            return None
        return Window(
            (figure.x_range.start, figure.x_range.end), (figure.y_range.start, figure.y_range.end), width, height
        )

    def _on_view(self, attr: str, old: Any, new: Any) -> None:
        self._ask_drawing()

    def _ask_drawing(self) -> None:
        """Draws soon, once for all that changes until then; in the meantime a range may move on."""
        if self._ready and not self._drawing_asked:
            self._drawing_asked = True
            self._document.add_next_tick_callback(self._draw)

    async def _draw(self) -> None:
        self._drawing_asked = False
        window = self._window()
        if window is None:
            return
        if self._fitted is None or (self._fitted.width_px, self._fitted.height_px) != (
            window.width_px,
            window.height_px,
        ):
            self._fit()
            return
        drawing = await asyncio.to_thread(self._plane.draw, self._colouring, self._shown, window)
        images = [] if drawing.picture is None else [drawing.picture]
        (x0, x1), (y0, y1), count = window.x, window.y, len(images)
        self._canvas.picture.data = {
            "image": images,
            "x": [x0] * count,
            "y": [y0] * count,
            "dw": [x1 - x0] * count,
            "dh": [y1 - y0] * count,
        }
        size = 9 if len(drawing.x) <= 1_000 else 6
        self._draw_marks()
        self._canvas.discs.data = {
            "x": drawing.x,
            "y": drawing.y,
            "colour": drawing.colours,
            "size": np.full(len(drawing.x), size),
        }

    def _fit(self) -> None:
        """The whole map, one unit as long across as up."""
        window = self._window()
        if window is None:
            return
        self._fitted = window
        sides = self._plane.sides()
        sizes = window.width_px, window.height_px
        unit = max(1.08 * (high - low) / size for (low, high), size in zip(sides, sizes, strict=True)) or 1.0
        self._look_at([(low + high) / 2 for low, high in sides], unit)

    def _zoom(self, by: float, _: Any) -> None:
        window = self._window()
        if window is not None:
            self._look_at([sum(window.x) / 2, sum(window.y) / 2], window.unit_px[0] * by)

    def _look_at(self, centre: Sequence[float], unit: float) -> None:
        figure = self._figure
        for middle, size, side in zip(
            centre, (figure.inner_width, figure.inner_height), (figure.x_range, figure.y_range), strict=True
        ):
            side.update(start=middle - unit * size / 2, end=middle + unit * size / 2)
        self._ask_drawing()

    # What the mouse does

    def _on_mode(self, _: Any) -> None:
        self._figure.toolbar.active_drag = self._canvas.drags.get(self._mode.value)

    def _at(self, event: Any) -> int | None:
        window = self._window()
        if window is None or not self._ready:
            return None
        return self._plane.nearest(event.x, event.y, window, _REACH_PX, self._shown)

    def _on_move(self, event: Any) -> None:
        self._hover(self._at(event), event)

    def _hover(self, place: int | None, event: Any = None) -> None:
        if place == self._hovered:
            return
        self._hovered = place
        self._mark("hovered", [] if place is None else [int(self._plane.rows[place])])
        window = self._window()
        if place is None or window is None:
            self._tip.visible = False
            return
        left = event.sx > window.width_px / 2
        where = {"right" if left else "left": f"{(window.width_px - event.sx if left else event.sx) + 18:.0f}px"}
        where["top"] = f"{max(4, min(event.sy - 60, window.height_px - _TIP_PX)):.0f}px"
        self._tip.param.update(
            object=html.tip(self._dataset, self._points, int(self._plane.rows[place])),
            styles={"position": "absolute", "width": "fit-content", **where},
            visible=True,
        )

    def _on_tap(self, event: Any) -> None:
        place = self._at(event)
        if place is not None:
            self._pick(int(self._plane.rows[place]))

    def _pick(self, row: int) -> None:
        self._picked.object = html.card(self._dataset, self._points, row)
        self._mark("picked", [row])

    def _go(self, synapse_id: str) -> None:
        if not synapse_id:
            return
        try:
            row = self._points.row(synapse_id)
        except BadInput as error:
            self._picked.object = html.notice(str(error))
            return
        self._pick(row)

    def _on_selection(self, event: Any) -> None:
        if self._ready and event.final and event.geometry:
            self._document.add_next_tick_callback(partial(self._select, event.geometry))

    async def _select(self, shape: Mapping[str, Any]) -> None:
        """Shows what was surrounded, in the order of the release."""
        import panel as pn

        places = await asyncio.to_thread(self._plane.inside, shape, self._shown)
        places = places[np.argsort(self._plane.rows[places])]
        rows = self._plane.rows[places]
        self._selected.visible = True
        if not len(rows):
            self._selected[:] = [pn.pane.HTML(html.notice("no shown synapse lies inside"), stylesheets=[html.STYLE])]
            return
        ids = self._points.ids.take(rows[:_IDS_IN_TEXT]).to_pylist()
        tiles = html.tiles(self._dataset, ids[:_TILES], places[:_TILES], self._colouring, len(rows))
        bars = html.composition(self._colouring, self._colouring.counts(places))
        shown = f'<div class="card"><div>{bars}{html.id_list(ids, len(rows))}</div><div>{tiles}</div></div>'
        self._selected[:] = [
            pn.pane.HTML(shown, **_WIDE),
            pn.widgets.FileDownload(
                label="Download as CSV",
                filename=f"{self._dataset}_selection.csv",
                callback=lambda: io.StringIO(self._points.frame(rows).to_csv(index=False)),
                **_WIDE,
            ),
        ]

    # Marks

    def _mark_query(self, synapse_id: str) -> None:
        """The synapse that was searched for; what resembles it most follows when it is found."""
        try:
            row = self._points.row(synapse_id)
        except BadInput as error:
            self._warn(str(error))
            return
        self._pick(row)
        self._mark("query", [row])
        self._mark("picked", [])
        on_map = self._plane.place(row) is not None
        self._caption = f"★ query {escape(synapse_id)}" + ("" if on_map else ", which has no place on the map")
        self._say()
        # Beside the document's queue, which would draw nothing meanwhile: a first search reads all vectors.
        self._search = asyncio.create_task(self._find_near(synapse_id))

    async def _find_near(self, synapse_id: str) -> None:
        try:
            found = await asyncio.to_thread(self._warehouse.similar, synapse_id, k=_NEIGHBOURS)
            then = partial(self._mark_near, [self._points.row(one) for one in found["synapse_id"]])
        except BadInput as error:
            then = partial(self._warn, str(error))
        self._document.add_next_tick_callback(then)

    def _mark_near(self, rows: list[int]) -> None:
        self._mark("near", rows)
        count = sum(self._plane.place(row) is not None for row in rows)
        self._caption += f" · ◯ its {len(rows)} nearest of other neurons, by cosine distance"
        if count < len(rows):
            self._caption += f" ({count} have a place on the map)"
        self._say()

    def _mark(self, kind: str, rows: list[int]) -> None:
        self._marks[kind] = rows
        self._draw_marks()

    def _draw_marks(self) -> None:
        every = [(self._plane.place(row), *MARKS[kind]) for kind, rows in self._marks.items() for row in rows]
        every = [one for one in every if one[0] is not None]
        at = np.array([place for place, *_ in every], dtype=np.int64)
        self._canvas.marks.data = {
            "x": self._plane.x[at],
            "y": self._plane.y[at],
            "marker": [marker for _, marker, _ in every],
            "size": [size for *_, size in every],
        }


def _finite(text: str) -> float:
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(text)
    return number
