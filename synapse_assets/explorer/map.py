"""The map page of a dataset: all its synapses in the plane, to colour, filter, look at, pick and surround.

A Panel application within the explorer's server; a page that is opened has its own `_MapPage`, which lives as long as it is open.
What is drawn and found belongs to `map_points`, the texts to `map_html`; other pages to `server`.
"""

import asyncio
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import numpy as np
import numpy.typing as npt

from synapse_assets.explorer import map_html as html
from synapse_assets.explorer.map_points import Colouring, Plane, Window, warm_up
from synapse_assets.query.points import CATEGORIES, NONE, NUMBERS, Filters
from synapse_assets.schema import BadInput

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure as Figure
    from fastapi import FastAPI

    from synapse_assets.query.warehouse import Warehouse

_REACH_PX = 12
_TIP_PX = 300
_TILES = 60
_IDS_IN_TEXT = 10_000
_NEIGHBOURS = 10
_CHOICES = 300
_LOOK_FOR_NEWER_MS = 30_000


def site_header(dataset: str, active: str) -> str:
    """Links to the pages of a dataset, as HTML: a stand-in until the server hands its own over."""
    pages = {"Map": "map", "Search": "search", "Clusters": "clusters", "Classes": "classes"}
    links = "".join(
        f'<a href="/{quote(dataset, safe="")}/{path}"{" aria-current=page" if path == active else ""}>{title}</a>'
        for title, path in pages.items()
    )
    return f"<header><strong>{html.escape(dataset)}</strong><nav>{links}</nav></header>"


def add_maps(
    app: "FastAPI",
    releases: Callable[[str], "Warehouse"],
    datasets: Sequence[str],
    header: Callable[[str, str], str] = site_header,
    stylesheet: str | None = None,
    hosts: Sequence[str] = ("127.0.0.1:*", "localhost:*"),
) -> None:
    """Adds the page /<dataset>/map of each dataset, and below /static what these pages load.

    releases: the release of a dataset to use now; a page keeps the one it began with. header(dataset, "map"): the HTML that
    all pages begin with, and `stylesheet` the address of what it looks like. hosts: "name:port" under which people reach the
    server; pages of others may not talk to it.
    """
    import panel as pn
    from panel.io.fastapi import add_applications

    pn.extension()
    planes = _Planes()
    # Datashader compiles what it needs on first use, seconds that nobody should wait for.
    threading.Thread(target=warm_up, daemon=True).start()

    def page_of(dataset: str) -> Callable[[], Any]:
        def page() -> Any:
            asked = {name: [value.decode() for value in values] for name, values in pn.state.session_args.items()}
            return _MapPage(dataset, lambda: releases(dataset), planes, asked).template(header, stylesheet)

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

        self._figure, self._image, self._discs, self._mark_source, self._drag_tools = _figure()
        self._figure.on_event("mousemove", self._on_move)
        self._figure.on_event("mouseleave", lambda _: self._hover(None))
        self._figure.on_event("tap", self._on_tap)
        self._figure.on_event("selectiongeometry", self._on_selection)
        for part, names in (
            (self._figure.x_range, ("start", "end")),
            (self._figure.y_range, ("start", "end")),
            (self._figure, ("inner_width", "inner_height")),
        ):
            for name in names:
                part.on_change(name, self._on_view)
        self._fitted: Window | None = None

        style: dict[str, Any] = {"stylesheets": [html.STYLE, _WIDGETS], "margin": 0, "sizing_mode": "stretch_width"}
        self._notice, self._link = pn.pane.HTML("", **style), pn.pane.HTML("", **style)
        self._status = pn.pane.HTML('<p class="quiet">Loading the map …</p>', **style)
        self._colour = pn.widgets.Select(name="Colour by", **style)
        self._legend = pn.widgets.CheckBoxGroup(name="Legend", options=[], value=[], **style)
        self._all, self._none = (pn.widgets.Button(name=name, **style) for name in ("All", "None"))
        self._filters = pn.Column(visible=False, **{**style, "styles": {"gap": "10px"}})
        self._with_filters = pn.widgets.Toggle(name="Filters", **style)
        self._with_filters.link(self._filters, value="visible")
        self._find = pn.widgets.TextInput(name="Go to synapse", placeholder="id, then Enter", **style)
        spaced: dict[str, Any] = {**style, "styles": {"gap": "10px"}}
        self._side = pn.Column(
            self._colour,
            pn.Row(self._all, self._none, **spaced),
            self._legend,
            self._with_filters,
            self._filters,
            self._find,
            self._link,
            visible=False,
            **spaced,
        )
        fixed = {**style, "sizing_mode": None}
        self._mode = pn.widgets.RadioButtonGroup(options=["Move", "Lasso", "Box"], value="Move", **fixed)
        buttons = {"+": 0.6, "−": 1 / 0.6}
        zooms = [pn.widgets.Button(name=name, description=f"zoom {'in' if by < 1 else 'out'}", **fixed) for name, by in buttons.items()]
        whole = pn.widgets.Button(name="Whole map", **fixed)
        self._tools = pn.FlexBox(self._mode, *zooms, whole, visible=False, gap="4px", margin=0)
        self._plot = pn.pane.Bokeh(self._figure, sizing_mode="stretch_both", margin=0)
        self._tip = pn.pane.HTML("", visible=False, stylesheets=[html.STYLE], margin=0)
        self._picked = pn.pane.HTML(_HELP, **style)
        self._selected = pn.Column(visible=False, **style)

        self._colour.param.watch(lambda _: self._recolour(), "value")
        self._legend.param.watch(lambda _: self._refresh(), "value")
        self._all.on_click(lambda _: self._legend.param.update(value=list(self._colouring.names)))
        self._none.on_click(lambda _: self._legend.param.update(value=[]))
        self._find.param.watch(lambda _: self._go(self._find.value.strip()), "value")
        self._mode.param.watch(self._on_mode, "value")
        for button, by in zip(zooms, buttons.values(), strict=True):
            button.on_click(lambda _, by=by: self._zoom(by))
        whole.on_click(lambda _: self._fit())
        # By the document's own queue: it holds the lock that changes need, also across an await.
        self._document = pn.state.curdoc
        pn.state.onload(lambda: self._document.add_next_tick_callback(self._load))

    def template(self, header: Callable[[str, str], str], stylesheet: str | None) -> Any:
        """The page as Panel serves it."""
        import panel as pn

        page = pn.Template(_TEMPLATE)
        parts = {"side": self._side, "notice": self._notice, "status": self._status, "tools": self._tools, "plot": self._plot}
        parts |= {"tip": self._tip, "picked": self._picked, "selected": self._selected}
        for name, part in parts.items():
            page.add_panel(name, part)
        page.add_variable("header", header(self._dataset, "map"))
        page.add_variable("stylesheet", stylesheet or "")
        return page

    async def _load(self) -> None:
        import panel as pn

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
        pn.state.add_periodic_callback(self._look_for_newer, _LOOK_FOR_NEWER_MS)
        if query := self._asked.get("synapse_id", [""])[0]:
            await self._mark_query(query)

    def _set_up(self) -> None:
        """Widgets for what this release has, as the address of the page asks."""
        import panel as pn

        columns = self._plane.columns()
        asked = self._asked.get("colour", [""])[0]
        if asked and asked not in columns:
            self._messages.append(f"there is no column '{asked}' to colour by; there are {', '.join(columns)}")
        self._colour.options = {title: name for name, title in columns.items()}
        self._colour.value = asked if asked in columns else next(iter(columns))
        style: dict[str, Any] = {"stylesheets": [html.STYLE, _WIDGETS], "margin": 0, "sizing_mode": "stretch_width"}
        self._any_of: dict[str, Any] = {}
        for name in CATEGORIES:
            values = self._agreeable(name, self._asked.get(name, []), lambda value: value)
            if name in self._points.categories:
                counts = self._points.categories[name].counts()
                common = sorted(counts, key=lambda value: -counts[value])[:_CHOICES]
                options = [value for value in counts if value in common or value in values]
                self._any_of[name] = pn.widgets.MultiChoice(
                    name=self._points.categories[name].title, options=options, value=values, placeholder="any", **style
                )
        self._least: dict[str, Any] = {}
        for name in NUMBERS:
            values = self._agreeable(name, self._asked.get(f"{name}_least", []), float)
            if name in self._points.numbers:
                self._least[name] = pn.widgets.FloatInput(
                    name=f"{NUMBERS[name]}, at least", value=values[0] if values else None, step=0.05, **style
                )
        widgets = [*self._any_of.values(), *self._least.values()]
        self._filters[:] = widgets
        self._with_filters.value = any(widget.value for widget in widgets)
        for widget in widgets:
            widget.param.watch(lambda _: self._refresh(), "value")

    def _agreeable(self, name: str, values: Sequence[str], read: Callable[[str], Any]) -> list[Any]:
        """Those values of the address that this dataset has; a message for each other."""
        good = []
        for value in values:
            try:
                chosen = read(value)
                self._points.select(Filters(any_of={name: [chosen]}) if name in CATEGORIES else Filters(least={name: chosen}))
                good.append(chosen)
            except BadInput as error:
                self._messages.append(f"a filter was left out, because {error}")
            except ValueError:
                self._messages.append(f"a filter was left out, because {name}_least={value} is not a number")
        return good

    def _stop(self, why: str) -> None:
        self._notice.object = html.notice(why)
        self._status.object = self._picked.object = ""

    # What is shown

    def _recolour(self) -> None:
        if self._setting_up:
            return
        self._colouring: Colouring = self._plane.colouring(self._colour.value)
        self._setting_up = True
        self._legend.param.update(options=list(self._colouring.names), value=list(self._colouring.names))
        self._setting_up = False
        self._refresh()

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
        self._legend.stylesheets = [html.STYLE, _WIDGETS, _LEGEND, html.legend_style(self._colouring, self._colouring.counts(among))]
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
        self._link.object = f'<a href="?{html.escape(self._address())}">Link to this view</a>'
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
            self._messages.append(newer)
            self._say()

    # The picture

    def _window(self) -> Window | None:
        """What the figure shows; None before a browser has laid it out."""
        figure = self._figure
        width, height = figure.inner_width, figure.inner_height
        if not isinstance(width, int) or not isinstance(height, int) or width < 1 or height < 1:
            return None
        return Window((figure.x_range.start, figure.x_range.end), (figure.y_range.start, figure.y_range.end), width, height)

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
        if self._fitted is None or (self._fitted.width_px, self._fitted.height_px) != (window.width_px, window.height_px):
            self._fit()
            return
        drawing = await asyncio.to_thread(self._plane.draw, self._colouring, self._shown, window)
        images = [] if drawing.picture is None else [drawing.picture]
        (x0, x1), (y0, y1), count = window.x, window.y, len(images)
        self._image.data = {"image": images, "x": [x0] * count, "y": [y0] * count, "dw": [x1 - x0] * count, "dh": [y1 - y0] * count}
        size = 9 if len(drawing.x) <= 1_000 else 6
        self._discs.data = {"x": drawing.x, "y": drawing.y, "colour": drawing.colours, "size": np.full(len(drawing.x), size)}

    def _fit(self) -> None:
        """The whole map, one unit as long across as up."""
        window = self._window()
        if window is None:
            return
        self._fitted = window
        sides = [(float(values.min()), float(values.max())) for values in (self._plane.x, self._plane.y)]
        sizes = window.width_px, window.height_px
        unit = max(1.08 * (high - low) / size for (low, high), size in zip(sides, sizes, strict=True)) or 1.0
        self._look_at([(low + high) / 2 for low, high in sides], unit)

    def _zoom(self, by: float) -> None:
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
        self._figure.toolbar.active_drag = self._drag_tools[self._mode.value]

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
        self._mark("hovered", [] if place is None else [place])
        if place is None:
            self._tip.visible = False
            return
        window = self._window()
        assert window is not None
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
        self._mark("picked", [place for place in [self._plane.place(row)] if place is not None])

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
        style: dict[str, Any] = {"stylesheets": [html.STYLE, _WIDGETS], "margin": 0, "sizing_mode": "stretch_width"}
        tiles = html.selection(self._dataset, ids[:_TILES], places[:_TILES], self._colouring, len(rows))
        bars = html.composition(self._colouring, self._colouring.counts(places))
        self._selected[:] = [
            pn.pane.HTML(f'<div class="card"><div>{tiles}</div><div>{bars}{html.id_list(ids, len(rows))}</div></div>', **style),
            pn.widgets.FileDownload(
                label="Download as CSV",
                filename=f"{self._dataset}_selection.csv",
                callback=lambda: io.StringIO(self._points.frame(rows).to_csv(index=False)),
                **style,
            ),
        ]

    # Marks

    async def _mark_query(self, synapse_id: str) -> None:
        """The synapse that was searched for, and what resembles it most."""
        try:
            row = self._points.row(synapse_id)
            self._pick(row)
            place = self._plane.place(row)
            self._mark("query", [] if place is None else [place])
            self._mark("picked", [])
            name = html.escape(synapse_id)
            self._caption = f"★ query {name}" if place is not None else f"query {name} has no place on the map"
            self._say()
            found = await asyncio.to_thread(self._warehouse.similar, synapse_id, k=_NEIGHBOURS)
            near = [self._plane.place(self._points.row(one)) for one in found["synapse_id"]]
            on_map = [one for one in near if one is not None]
            self._mark("near", on_map)
            self._caption += f" · ◯ its {len(on_map)} nearest of other neurons, by cosine distance"
        except BadInput as error:
            self._messages.append(str(error))
        self._say()

    def _mark(self, kind: str, places: list[int]) -> None:
        self._marks[kind] = places
        every = [(place, *_MARKS[kind]) for kind, places in self._marks.items() for place in places]
        at = np.array([place for place, *_ in every], dtype=np.int64)
        self._mark_source.data = {
            "x": self._plane.x[at],
            "y": self._plane.y[at],
            "marker": [marker for _, marker, _ in every],
            "size": [size for *_, size in every],
        }


# Marker and size of what is marked.
_MARKS = {"near": ("circle", 13), "picked": ("square", 14), "hovered": ("circle", 11), "query": ("star", 24)}
_HELP = (
    '<div class="card"><p class="quiet">Rest on a point to see it; click it to keep it here. '
    "Lasso and Box select many.</p></div>"
)


def _figure() -> "tuple[Figure, ColumnDataSource, ColumnDataSource, ColumnDataSource, dict[str, Any]]":
    """An empty map without axes: the figure; the sources of its picture, discs and marks; what dragging does, by mode."""
    from bokeh.models import BoxSelectTool, ColumnDataSource, LassoSelectTool, PanTool, Range1d, WheelZoomTool
    from bokeh.plotting import figure

    outline = {"line_color": "#0b6bcb", "line_width": 1.5, "line_dash": "solid", "fill_color": "#0b6bcb", "fill_alpha": 0.08}
    drag = {
        "Move": PanTool(),
        "Lasso": LassoSelectTool(continuous=False, renderers=[], persistent=True),
        "Box": BoxSelectTool(continuous=False, renderers=[], persistent=True),
    }
    for mode in ("Lasso", "Box"):
        drag[mode].overlay.update(**outline)
    plot = figure(
        sizing_mode="stretch_both",
        x_range=Range1d(0, 1),
        y_range=Range1d(0, 1),
        tools=[*drag.values(), wheel := WheelZoomTool(zoom_on_axis=False)],
        active_drag=drag["Move"],
        active_scroll=wheel,
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=0,
        lod_threshold=None,
        stylesheets=[":host, .bk-Canvas, .bk-events, .bk-canvas-events { outline: none !important; }"],
    )
    plot.axis.visible = False
    plot.grid.visible = False
    picture = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
    discs = ColumnDataSource({"x": [], "y": [], "colour": [], "size": []})
    marks = ColumnDataSource({"x": [], "y": [], "marker": [], "size": []})
    plot.image_rgba("image", "x", "y", "dw", "dh", source=picture)
    plot.scatter("x", "y", size="size", fill_color="colour", fill_alpha=0.85, line_color=None, source=discs)
    # Dark around light: to be seen on every colour, in light and dark.
    for colour, width in (("#111111", 4.5), ("#ffffff", 1.8)):
        plot.scatter("x", "y", size="size", marker="marker", fill_color=None, line_color=colour, line_width=width, source=marks)
    return plot, picture, discs, marks, drag


_WIDGETS = """
:host { --bokeh-font-size: 13px; }
.bk-input-group > label { font: 500 13px system-ui, sans-serif; margin-bottom: 4px; white-space: normal; }
.bk-input, .choices__inner { border: 1px solid var(--line) !important; border-radius: 6px; background-color: var(--surface) !important;
  color: var(--text); font: 13px system-ui, sans-serif; min-height: 32px; }
.bk-input:focus-visible, .bk-btn:focus-visible, input:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; box-shadow: none; }
.bk-btn, .bk-btn-group .bk-btn { border: 1px solid var(--line); border-radius: 6px; background: var(--surface); color: var(--text);
  font: 13px system-ui, sans-serif; padding: 5px 12px; box-shadow: none; }
.bk-btn:hover { border-color: var(--accent); } .bk-btn-group { gap: 4px; }
.bk-btn.bk-active { background: var(--accent) !important; border-color: var(--accent) !important; color: var(--on-accent) !important;
  box-shadow: none !important; }
select.bk-input { appearance: auto !important; background-image: none !important; padding-right: 6px !important; }
.choices__list--multiple .choices__item { background: var(--accent) !important; border: none !important; color: var(--on-accent) !important; border-radius: 4px; }
.bk-btn a { color: inherit; text-decoration: none; }
"""
_LEGEND = """
.bk-input-group { display: block; max-height: 46vh; overflow-y: auto; }
.bk-input-group > label { display: flex; align-items: center; gap: 8px; font-weight: 400; margin: 0; padding: 2px 4px 2px 2px; }
.bk-input-group > label::after { margin-left: auto; color: var(--quiet); font-variant-numeric: tabular-nums; }
.bk-input-group > label > span, .bk-input-group > label::after { font: 13px/18px system-ui, sans-serif; }
.bk-input-group > label > span { margin: 0; overflow-wrap: anywhere; min-width: 0; }
input[type=checkbox] { accent-color: var(--chip); width: 15px; height: 15px; margin: 0; flex: none; }
"""
_TEMPLATE = """{% extends base %}
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
{% if stylesheet %}<link rel="stylesheet" href="{{ stylesheet }}">{% endif %}
<style>
:root { color-scheme: light dark;
  --page: light-dark(#ffffff, #16181c); --surface: light-dark(#f7f8f9, #1f2226); --text: light-dark(#1c2126, #e4e7ea);
  --quiet: light-dark(#67707a, #98a1ab); --line: light-dark(#dfe3e7, #343a41); --accent: light-dark(#0b62b8, #6cb2f5);
  --on-accent: light-dark(#ffffff, #0d1520); }
:root { --design-background-color: var(--page); --design-background-text-color: var(--text);
  --design-surface-color: var(--surface); --design-surface-text-color: var(--text); }
body { background: var(--page); color: var(--text); font: 14px/1.45 system-ui, sans-serif; }
header { display: flex; gap: 28px; align-items: center; padding: 12px 24px; border-bottom: 1px solid var(--line); }
header nav { display: flex; gap: 18px; } header a { color: var(--quiet); text-decoration: none; }
header a[aria-current] { color: var(--text); font-weight: 600; }
.map-page { display: grid; gap: 20px 24px; padding: 18px 24px; grid-template-columns: 232px minmax(0, 1fr) 300px;
  grid-template-areas: "side map details"; }
.map-side { grid-area: side; min-width: 0; } .map-details { grid-area: details; min-width: 0; display: grid; gap: 16px; align-content: start; }
.map-main { grid-area: map; min-width: 0; display: flex; flex-direction: column; gap: 8px; height: calc(100vh - 92px); min-height: 380px; }
.map-plot { position: relative; flex: 1; min-height: 0; border: 1px solid var(--line); border-radius: 10px; }
.map-bar { display: flex; gap: 16px; align-items: center; } .map-bar > :first-child { flex: 1; min-width: 0; }
.map-tip { position: absolute; inset: 0; pointer-events: none; z-index: 5; }
@media (max-width: 1200px) { .map-page { grid-template-columns: 232px minmax(0, 1fr); grid-template-areas: "side map" "side details"; grid-template-rows: auto 1fr; }
  .map-main { height: 62vh; } }
@media (max-width: 640px) { .map-page { grid-template-columns: minmax(0, 1fr); grid-template-areas: "map" "details" "side"; } }
</style>
{% endblock %}
{% block contents %}
{{ header | safe }}
<main class="map-page">
<section class="map-side" aria-label="Colours and filters">{{ embed(roots.side) }}</section>
<section class="map-main" aria-label="Map">{{ embed(roots.notice) }}
<div class="map-bar"><div>{{ embed(roots.status) }}</div><div>{{ embed(roots.tools) }}</div></div>
<div class="map-plot">{{ embed(roots.plot) }}<div class="map-tip">{{ embed(roots.tip) }}</div></div></section>
<section class="map-details" aria-label="Picked synapses">{{ embed(roots.picked) }}{{ embed(roots.selected) }}</section>
</main>
{% endblock %}
"""
