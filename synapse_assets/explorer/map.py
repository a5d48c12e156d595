"""The map page of a dataset: all its synapses in the plane, to colour, filter, look at, pick and surround.

A Panel application within the explorer's server; a page that is opened has its own `_MapPage`, which lives as long as it is open.
What is seen of the plane belongs to `map_view`, what is drawn and found to `map_points`, the texts to `map_html`; other pages
to `server`.
"""

import asyncio
import io
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput
from synapse_assets.explorer import map_html as html
from synapse_assets.explorer.addresses import search_address
from synapse_assets.explorer.asking import Question, answered, filter_options, read_question
from synapse_assets.explorer.downloads import csv_text
from synapse_assets.explorer.map_look import LEGEND, TEMPLATE, WIDGETS
from synapse_assets.explorer.map_points import FIRST_TURN, Colouring, Plane, is_outline
from synapse_assets.explorer.map_view import View
from synapse_assets.explorer.telling import Telling
from synapse_assets.explorer.uploads import Uploads
from synapse_assets.query import METRICS
from synapse_assets.query.points import CATEGORIES, NUMBERS, Filters

if TYPE_CHECKING:
    from fastapi import FastAPI

    from synapse_assets.query.warehouse import Warehouse

# How the parts stand: as wide as there is room, with space between what they hold, or as wide as they are.
_WIDE: dict[str, Any] = {"stylesheets": [html.STYLE, WIDGETS], "margin": 0, "sizing_mode": "stretch_width"}
_SPACED: dict[str, Any] = {**_WIDE, "styles": {"gap": "10px"}}
_FIXED: dict[str, Any] = {**_WIDE, "sizing_mode": None}
_TIP_PX = 300
_TILES = 60
_IDS_IN_TEXT = 10_000
_CHOICES = 300
_LOOK_FOR_NEWER_MS = 30_000
# Maps reach from about -20 to 20 (UMAP); what is asked for beyond this is a slip, or would leave the range of numbers.
_FARTHEST = 1e9
_TELL = Telling()


def add_maps(
    app: "FastAPI",
    releases: Callable[[str], "Warehouse"],
    datasets: Sequence[str],
    header: Callable[[str, str], str],
    uploads: Uploads,
    look: str = "/look",
    tell: Telling = _TELL,
) -> None:
    """Adds the page /<dataset>/map of each dataset, and below /static what these pages load.

    releases: the release of a dataset to use now; a page keeps the one it began with. header(dataset, "map"): the HTML that
    all pages begin with. uploads: the pictures that a search may be for. look: the address of explorer.css and icon.svg; not
    below /static, which is Bokeh's. tell: says what went wrong.
    """
    import panel as pn
    from bokeh.core.validation import silence
    from bokeh.core.validation.warnings import EMPTY_LAYOUT

    from synapse_assets.explorer.map_sessions import add_pages

    pn.extension()
    # Columns for what a person picks are empty until then.
    silence(EMPTY_LAYOUT)
    planes = _Planes()

    def page_of(dataset: str) -> Callable[[], Any]:
        def page() -> Any:
            asked = {
                name: [value.decode(errors="replace") for value in values]
                for name, values in pn.state.session_args.items()
            }
            return _MapPage(dataset, lambda: releases(dataset), planes, uploads, tell, asked).template(header, look)

        return page

    paths = {dataset: f"/{dataset}/map" for dataset in datasets}
    add_pages(
        app,
        {path: page_of(dataset) for dataset, path in paths.items()},
        {path: f"Map of {dataset}" for dataset, path in paths.items()},
    )


class _Planes:
    """The planes that were asked for last, two of each dataset: its release, and the one before where a page still shows it."""

    def __init__(self) -> None:
        self._made: dict[str, list[Plane]] = {}
        self._lock = threading.Lock()

    def of(self, dataset: str, warehouse: "Warehouse") -> Plane:
        with self._lock:
            made = self._made.get(dataset, [])
            known = next((one for one in made if one.points is warehouse.points), None) or Plane(warehouse.points)
            self._made[dataset] = [known, *(one for one in made if one is not known)][:2]
            return known


class _MapPage:
    """One open page. Everything runs in the event loop of the server, but what takes long, in threads."""

    def __init__(
        self,
        dataset: str,
        release: Callable[[], "Warehouse"],
        planes: _Planes,
        uploads: Uploads,
        tell: Telling,
        asked: Mapping[str, Sequence[str]],
    ) -> None:
        import panel as pn

        self._dataset, self._release, self._planes, self._uploads = dataset, release, planes, uploads
        self._tell = partial(tell, what=f"the map of {dataset}")
        self._asked, self._question = asked, Question()
        self._messages: list[str] = []
        self._caption = self._asked_for = ""
        self._hovered: int | None = None
        self._picked_row: int | None = None
        self._ready = self._setting_up = False

        # By the document's own queue: it holds the lock that changes need, also across an await.
        self._document: Any = pn.state.curdoc
        self._view = View(self._document, self._say_link, self._asked_look())
        figure = self._view.figure
        figure.on_event("mousemove", lambda event: self._hover(self._view.at(event), event))
        figure.on_event("mouseleave", lambda _: self._hover(None))
        figure.on_event("tap", self._on_tap)
        figure.on_event("doubletap", self._on_double_tap)
        figure.on_event("selectiongeometry", self._on_selection)
        figure.on_event("panstart", self._begin_drag)
        figure.on_event("pan", self._on_drag)
        self._plot = pn.pane.Bokeh(figure, sizing_mode="stretch_both", margin=0, visible=True)

        self._notice, self._link = pn.pane.HTML("", **_WIDE), pn.pane.HTML("", **_WIDE)
        self._status = pn.pane.HTML('<p class="quiet">Loading the map …</p>', **_WIDE)
        self._tip = pn.pane.HTML("", visible=False, stylesheets=[html.STYLE], margin=0)
        self._picked = pn.pane.HTML("", **_WIDE)
        self._selected = pn.Column(visible=False, **_SPACED)
        self._colour = pn.widgets.Select(label="Colour by", **_WIDE)
        self._legend = pn.widgets.CheckBoxGroup(label="Legend", options=[], value=[], **_WIDE)
        self._filters = pn.Column(visible=False, **_SPACED)
        self._with_filters = pn.widgets.Toggle(label="Filters", **_WIDE)
        self._with_filters.link(self._filters, value="visible")
        self._find = pn.widgets.TextInput(label="Go to synapse", placeholder="id, then Enter", **_WIDE)
        self._sides = pn.widgets.RadioButtonGroup(options=["2-D", "3-D"], value="2-D", visible=False, **_FIXED)
        around, tilt = FIRST_TURN
        self._around: Any = pn.widgets.IntSlider(label="Turn (degrees)", start=-180, end=180, value=around, **_WIDE)
        self._tilt: Any = pn.widgets.IntSlider(label="Tilt (degrees)", start=-90, end=90, value=tilt, **_WIDE)
        self._mode = pn.widgets.RadioButtonGroup(options=["Move", "Lasso", "Box"], value="Move", **_FIXED)

        self._colour.param.watch(lambda _: self._recolour(), "value")
        self._legend.param.watch(lambda _: self._refresh(), "value")
        self._find.param.watch(lambda _: self._go(self._find.value or ""), "enter_pressed")
        self._mode.param.watch(lambda _: self._drag_as_chosen(), "value")
        self._sides.param.watch(lambda _: self._change_sides(), "value")
        for slider in (self._around, self._tilt):
            slider.param.watch(lambda _: self._turn(), "value")
        self._searching: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        pn.state.on_session_destroyed(self._end)
        pn.state.onload(self._begin)

    def _end(self, _: Any) -> None:
        """The page was closed: what is still looked for has no place to be shown."""
        for task in (self._searching, self._looking):
            if task is not None:
                task.cancel()

    def template(self, header: Callable[[str, str], str], look: str) -> Any:
        """The page as Panel serves it."""
        import panel as pn

        def button(label: str, action: Callable[[], None], **how: Any) -> Any:
            made = pn.widgets.Button(label=label, **how)
            made.on_click(lambda _: action())
            return made

        view = self._view
        every = (button(name, partial(self._switch, on), **_WIDE) for name, on in (("All", True), ("None", False)))
        side = pn.Column(
            self._colour,
            pn.Row(*every, **_SPACED),
            self._legend,
            self._with_filters,
            self._filters,
            self._find,
            self._link,
            **_SPACED,
        )
        in_view = button("All in view", self._select_view, **_FIXED)
        tools = pn.FlexBox(self._sides, self._mode, in_view, gap="4px", margin=0)
        turns = pn.Row(self._around, self._tilt, **_SPACED)
        moves: dict[str, Callable[[], None]] = {
            "+": partial(view.zoom, 0.6),
            "−": partial(view.zoom, 1 / 0.6),
            "←": partial(view.move, -1, 0),
            "↑": partial(view.move, 0, 1),
            "↓": partial(view.move, 0, -1),
            "→": partial(view.move, 1, 0),
            "Whole map": view.fit,
        }
        small = {**_FIXED, "stylesheets": [*_FIXED["stylesheets"], ".bk-btn { padding: 2px 8px; }"]}
        steers = pn.FlexBox(*(button(name, action, **small) for name, action in moves.items()), gap="4px", margin=0)
        self._when_ready = [side, tools, steers]
        self._turns = turns
        for part in (*self._when_ready, turns):
            part.visible = False

        page = pn.Template(TEMPLATE)
        for name, part in {
            "side": side,
            "notice": self._notice,
            "status": self._status,
            "tools": tools,
            "turns": turns,
            "plot": self._plot,
            "steers": steers,
            "tip": self._tip,
            "picked": self._picked,
            "selected": self._selected,
        }.items():
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
            self._flat = await asyncio.to_thread(self._planes.of, self._dataset, self._warehouse)
        except Exception as error:
            self._stop(self._tell(error))
            return
        self._points, self._plane = self._flat.points, self._flat
        self._pictures = self._warehouse.release_id if self._warehouse.has_pictures else None
        if not len(self._plane):
            self._stop(
                f"no synapse of this release of {self._dataset} has a place on a map yet: "
                f"materialise its map coordinates, then {self._dataset}/warehouse"
            )
            return
        if not self._plane.columns():
            self._stop(f"this release of {self._dataset} has no classes and no scores to colour a map by")
            return
        self._set_up()
        self._take_plane()
        self._ready = True
        self._recolour(self._asked.get("off", ()))
        for part in self._when_ready:
            part.visible = True
        self._picked.object = html.hint(self._pictures is not None)
        # Not Bokeh's periodic callback, which holds a closed page until its time has come once more.
        self._looking = asyncio.create_task(self._look_for_newer())
        try:
            self._question = read_question(self._asked_but_filters(), Question())
        except BadInput as error:
            self._warn(str(error))
        if self._question.is_asked:
            self._mark_query()

    # What the address of the page asks for

    def _asked_but_filters(self) -> list[tuple[str, str]]:
        """Those of the search are those of the map: its widgets have them."""
        taken = {*CATEGORIES, *(f"{name}_least" for name in NUMBERS)}
        return [(name, value) for name, values in self._asked.items() for value in values if name not in taken]

    def _asked_numbers(self, name: str, what: str, count: int) -> list[float] | None:
        """Numbers that a map may have, separated by commas; a message instead of others."""
        text = self._asked.get(name, [""])[0]
        if not text:
            return None
        try:
            numbers = [_finite(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != count or max(map(abs, numbers)) > _FARTHEST:
            self._messages.append(
                f"{what} of this address, {name}={text[:80]}, was left out: it needs {count} numbers, separated by commas"
            )
            return None
        return numbers

    def _asked_look(self) -> tuple[float, float, float] | None:
        x, y, unit = self._asked_numbers("look", "the place to look at", 3) or (0.0, 0.0, 0.0)
        return (x, y, unit) if unit > 1 / _FARTHEST else None

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
            widget.param.watch(lambda _: self._refilter(), "value")
        self._sides.visible = self._points.space is not None
        turned = self._asked_numbers("turned", "the turn", 2)
        if turned is not None and self._sides.visible:
            self._sides.value = "3-D"
            self._around.value = round(max(-180, min(180, turned[0])))
            self._tilt.value = round(max(-90, min(90, turned[1])))

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

    def _address(self) -> str:
        """The part of an address after the `?` that shows the same: the query and its answer too, if there is one."""
        asked: list[tuple[str, str]] = [("colour", self._colour.value)]
        asked += [("off", name) for name in self._off()]
        if self._sides.value == "3-D":
            asked.append(("turned", f"{self._around.value},{self._tilt.value}"))
        if look := self._view.look:
            asked.append(("look", ",".join(f"{number:.6g}" for number in look)))
        filters = self._chosen()
        if self._question.is_asked:
            return f"{replace(self._question, filters=filters).address()}&{urlencode(asked)}"
        return urlencode([*filter_options(filters), *asked])

    # What is shown

    def _stop(self, why: str) -> None:
        self._notice.object = html.notice(why)
        self._status.object = self._picked.object = ""
        self._view.figure.visible = False

    def _recolour(self, off: Iterable[str] = ()) -> None:
        """Colours by the chosen column, with these lines of the legend switched off."""
        if not self._ready:
            return
        self._colouring: Colouring = self._plane.colouring(self._colour.value)
        names = list(self._colouring.names)
        self._setting_up = True
        self._legend.param.update(options=names, value=[name for name in names if name not in set(off)])
        self._setting_up = False
        self._refresh()

    def _off(self) -> list[str]:
        """The lines of the legend that are switched off."""
        return [name for name in self._colouring.names if name not in self._legend.value]

    def _switch(self, on: bool) -> None:
        self._legend.value = list(self._colouring.names) if on else []

    def _chosen(self) -> Filters:
        return Filters(
            {name: widget.value for name, widget in self._any_of.items() if widget.value},
            {name: widget.value for name, widget in self._least.items() if widget.value is not None},
        )

    def _refilter(self) -> None:
        """The filters hold for what is shown, and for what was searched for."""
        if self._ready:
            self._refresh()
            if self._question.is_asked:
                self._search()

    def _refresh(self) -> None:
        """Which points are shown, after anything about that has changed."""
        if self._setting_up or not self._ready:
            return
        among = self._points.select(self._chosen())[self._plane.rows]
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
        self._view.show(self._plane, self._colouring, self._shown)

    def _say(self) -> None:
        shown, away = int(self._shown.sum()), len(self._points) - len(self._plane)
        text = f"<strong>{shown:,}</strong> of {len(self._plane):,} synapses shown"
        if away:
            text += f" · {away:,} have no place on the map"
        if self._caption:
            text += f" · {self._caption}"
        self._status.object = f'<p style="margin:0">{text}</p>'
        self._say_link()
        nothing = [] if shown else ["no synapse is left: the filters, or the legend, leave out all of them"]
        self._notice.object = html.notice(*self._messages, *nothing)

    def _say_link(self) -> None:
        """After each drawing too: a pan changes what the link has to show."""
        self._link.object = f'<a href="?{escape(self._address())}">Link to this view</a>'

    async def _look_for_newer(self) -> None:
        """Says once that another release is out."""
        is_newer = False
        while not is_newer:
            await asyncio.sleep(_LOOK_FOR_NEWER_MS / 1000)
            with suppress(BadInput):
                is_newer = await asyncio.to_thread(self._release) is not self._warehouse
        newer = "a newer release is out: open this page again to see it"
        self._document.add_next_tick_callback(partial(self._warn, newer))

    def _warn(self, sentence: str) -> None:
        self._messages.append(sentence)
        self._say()

    # In three dimensions

    def _change_sides(self) -> None:
        """From the plane to space, or back: another plane of the same points, legend and filters as they are."""
        if self._ready:
            off = self._off()
            self._take_plane()
            self._recolour(off)

    def _take_plane(self) -> None:
        in_space = self._sides.value == "3-D"
        self._turns.visible = in_space
        self._mode.options = [*(["Turn"] if in_space else []), "Move", "Lasso", "Box"]
        self._mode.value = self._mode.options[0]
        if in_space:
            self._plane = Plane(self._points, in_space=True)
            self._plane.turn(self._around.value, self._tilt.value)
        else:
            self._plane = self._flat

    def _turn(self) -> None:
        if self._ready and self._sides.value == "3-D":
            self._view.turn(self._around.value, self._tilt.value)
            self._say_link()

    def _on_drag(self, event: Any) -> None:
        """A drag of three pixels turns by a degree. Its events tell how far it is from where it began."""
        if self._mode.value == "Turn":
            around, tilt = self._before_drag
            self._around.value = (around + round(event.delta_x / 3) + 180) % 360 - 180
            self._tilt.value = max(-90, min(90, tilt - round(event.delta_y / 3)))

    def _begin_drag(self, _: Any) -> None:
        self._before_drag = self._around.value, self._tilt.value

    # What is picked and surrounded

    def _drag_as_chosen(self) -> None:
        toolbar, drag = self._view.figure.toolbar, self._view.canvas.drags.get(self._mode.value)
        self._document.add_next_tick_callback(lambda: toolbar.update(active_drag=drag))

    def _hover(self, row: int | None, event: Any = None) -> None:
        if row == self._hovered:
            return
        self._hovered = row
        self._view.mark("hovered", [] if row is None else [row])
        window = self._view.window
        if row is None or window is None:
            self._tip.visible = False
            return
        left = event.sx > window.width_px / 2
        where = {"right" if left else "left": f"{(window.width_px - event.sx if left else event.sx) + 18:.0f}px"}
        where["top"] = f"{max(4, min(event.sy - 60, window.height_px - _TIP_PX)):.0f}px"
        self._tip.param.update(
            object=html.tip(self._dataset, self._pictures, self._points, row),
            styles={"position": "absolute", "width": "fit-content", **where},
            visible=True,
        )

    def _on_tap(self, event: Any) -> None:
        row = self._view.at(event)
        if row is not None:
            self._pick(row)

    def _on_double_tap(self, event: Any) -> None:
        """Searches with what was clicked twice. Two quick clicks are a double one to Bokeh wherever they are: then it picks."""
        row = self._view.at(event)
        if row is not None and row == self._picked_row and self._pictures is not None:
            self._view.leave_for(search_address(self._dataset, self._points.ids[row].as_py()))
        else:
            self._on_tap(event)

    def _pick(self, row: int) -> None:
        self._picked_row = row
        self._picked.object = html.card(self._dataset, self._pictures, self._points, row)
        self._view.mark("picked", [row])

    def _go(self, synapse_id: str) -> None:
        if not synapse_id.strip():
            return
        try:
            row = self._points.row(synapse_id)
        except BadInput as error:
            self._picked.object = html.notice(str(error))
            return
        self._pick(row)
        self._view.go_to(row)

    def _on_selection(self, event: Any) -> None:
        if self._ready and event.final and is_outline(event.geometry):
            self._document.add_next_tick_callback(partial(self._select, event.geometry))

    def _select_view(self) -> None:
        window = self._view.window
        if window is not None:
            (x0, x1), (y0, y1) = window.x, window.y
            shape = {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1}
            self._document.add_next_tick_callback(partial(self._select, shape))

    async def _select(self, shape: Mapping[str, Any]) -> None:
        """Shows what was surrounded, in the order of the release."""
        import panel as pn

        plane, colouring = self._plane, self._colouring
        places = await asyncio.to_thread(plane.inside, shape, self._shown)
        places = places[np.argsort(plane.rows[places])]
        rows = plane.rows[places]
        self._selected.visible = True
        if not len(rows):
            self._selected[:] = [pn.pane.HTML(html.notice("no shown synapse lies inside"), stylesheets=[html.STYLE])]
            return
        ids = self._points.ids.take(rows[:_IDS_IN_TEXT]).to_pylist()
        tiles = html.tiles(self._dataset, self._pictures, ids[:_TILES], places[:_TILES], colouring, len(rows))
        bars = html.composition(colouring, colouring.counts(places))
        shown = f'<div class="card"><div>{bars}{html.id_list(ids, len(rows))}</div><div>{tiles}</div></div>'

        async def table() -> io.StringIO:
            # In a thread: a million rows take seconds.
            return io.StringIO(await asyncio.to_thread(lambda: csv_text(self._points.frame(rows))))

        self._selected[:] = [
            pn.pane.HTML(shown, **_WIDE),
            pn.widgets.FileDownload(
                label="Download as CSV",
                filename=f"{self._dataset}_selection.csv",
                callback=table,
                **_WIDE,
            ),
        ]

    # The query

    def _mark_query(self) -> None:
        """What was searched for, if it has a place here; what resembles it most follows when it is found."""
        question = self._question
        if question.synapse_id:
            try:
                row = self._points.row(question.synapse_id)
            except BadInput as error:
                self._question = Question()
                self._warn(str(error))
                return
            self._pick(row)
            self._view.mark("query", [row])
            self._view.mark("picked", [])
            on_map = self._plane.place(row) is not None
            self._caption = f"★ query {escape(question.synapse_id)}"
            self._caption += "" if on_map else ", which has no place on the map"
        else:
            self._caption = "query: " + ("an uploaded picture" if question.upload else "a place in the volume")
        self._asked_for = self._caption
        self._say()
        self._search()

    def _search(self) -> None:
        """Looks for what resembles the query, among what the filters leave; nothing in a dataset without pictures."""
        self._question = replace(self._question, filters=self._chosen())
        if self._pictures is not None:
            # Beside the document's queue, which would draw nothing meanwhile: a first search reads all vectors.
            self._searching = asyncio.create_task(self._find_near(self._question))

    async def _find_near(self, question: Question) -> None:
        try:
            found = await asyncio.to_thread(answered, self._warehouse, question, self._uploads)
            then = partial(self._mark_near, question, [self._points.row(one) for one in found["synapse_id"]])
        except Exception as error:
            then = partial(self._mark_none, question, self._tell(error))
        self._document.add_next_tick_callback(then)

    def _mark_near(self, question: Question, rows: list[int]) -> None:
        if question is not self._question:
            return
        self._view.mark("near", rows)
        count = sum(self._plane.place(row) is not None for row in rows)
        of_each = f" of each {CATEGORIES[question.columns]}" if question.columns else ""
        others = " of other neurons" if question.synapse_id and not question.own_neuron else ""
        each = f"{question.k} nearest{of_each}" if question.columns else f"{len(rows)} nearest"
        self._caption = f"{self._asked_for} · ◯ its {each}{others}, by {METRICS[question.metric].split(',')[0]}"
        if count < len(rows):
            self._caption += f" ({count} have a place on the map)"
        self._say()

    def _mark_none(self, question: Question, why: str) -> None:
        if question is self._question:
            self._view.mark("near", [])
            self._caption = f"{self._asked_for} · {escape(why)}"
            self._say()


def _finite(text: str) -> float:
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(text)
    return number
