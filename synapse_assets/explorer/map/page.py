"""The page /<dataset>/map: joins the content of an open map, its widgets, its view and its search.

A Panel application within the explorer's server; a page that is opened has its own `MapPage`, which lives as long as it is open.
Other pages belong to `explorer.server`.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from synapse_assets.errors import BadInput
from synapse_assets.explorer.map import html
from synapse_assets.explorer.map.controls import Controls
from synapse_assets.explorer.map.model import MapModel, PlaneCache
from synapse_assets.explorer.map.search import MapSearch, PageCallbacks
from synapse_assets.explorer.map.selection import Selection
from synapse_assets.explorer.map.state import MapState, StateReader
from synapse_assets.explorer.map.viewport import Viewport
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.question import Question
from synapse_assets.explorer.uploads import Uploads

if TYPE_CHECKING:
    from fastapi import FastAPI

    from synapse_assets.query.warehouse import Warehouse

_POLL_MS = 30_000
_ERROR_MESSAGES = ErrorMessages()


def add_maps(
    app: "FastAPI",
    releases: Callable[[str], "Warehouse"],
    datasets: Sequence[str],
    header: Callable[[str, str], str],
    uploads: Uploads,
    style_url: str = "/look",
    describe_error: ErrorMessages = _ERROR_MESSAGES,
    words: Callable[[str], html.Words] = lambda _: str,
) -> None:
    """Adds the page /<dataset>/map of each dataset, and below /static what these pages load.

    releases: the release of a dataset to use now; a page keeps the release it began with. header(dataset, "map"): the HTML that
    all pages begin with. uploads: the pictures that a search may be for. style_url: of the folder of explorer.css and icon.svg; not
    below /static, which is Bokeh's. describe_error: gives the message for an error. words: of a dataset, gives a text in its words.
    """
    import panel as pn
    from bokeh.core.validation import silence
    from bokeh.core.validation.warnings import EMPTY_LAYOUT

    from synapse_assets.explorer.map.sessions import add_pages

    pn.extension()
    # Columns for what the user picks are empty until then.
    silence(EMPTY_LAYOUT)
    planes = PlaneCache()

    def page_of(dataset: str) -> Callable[[], Any]:
        def page() -> Any:
            parameters = {
                name: [value.decode(errors="replace") for value in values]
                for name, values in pn.state.session_args.items()
            }
            opened = MapPage(
                dataset, lambda: releases(dataset), planes, uploads, describe_error, parameters, words(dataset)
            )
            return opened.template(header(dataset, "map"), style_url)

        return page

    paths = {dataset: f"/{dataset}/map" for dataset in datasets}
    add_pages(
        app,
        {path: page_of(dataset) for dataset, path in paths.items()},
        {path: f"Map of {dataset}" for dataset, path in paths.items()},
    )


class MapPage:
    """One open page. Everything runs in the event loop of the server, but what takes long, in threads."""

    def __init__(
        self,
        dataset: str,
        release: Callable[[], "Warehouse"],
        planes: PlaneCache,
        uploads: Uploads,
        describe_error: ErrorMessages,
        parameters: Mapping[str, Sequence[str]],
        words: html.Words,
    ) -> None:
        import panel as pn

        self._dataset, self._release, self._planes, self._uploads = dataset, release, planes, uploads
        self._describe_error = partial(describe_error, what=f"the map of {dataset}")
        self._parameters, self._words = parameters, words
        self._messages: list[str] = []
        # Set once the release is read.
        self._ready = self._setting_up = False
        self._warehouse: Warehouse
        self._model: MapModel
        self._selection: Selection
        self._search: MapSearch | None = None
        self._polling: asyncio.Task[None] | None = None

        # By the document's own queue: it holds the lock that changes need, also across an await.
        self._document: Any = pn.state.curdoc
        self._viewport = Viewport(self._document, self._update_link)
        self._controls = Controls(self._viewport, words)
        self._wire_figure()
        self._wire_controls()
        pn.state.on_session_destroyed(self._end)
        pn.state.onload(self._begin)

    def template(self, header: str, style_url: str) -> Any:
        """The page as Panel serves it. header: HTML; style_url: of the folder of explorer.css."""
        return self._controls.template(header, style_url, self._select_view)

    def _wire_figure(self) -> None:
        events: dict[str, Callable[[Any], None]] = {
            "mousemove": lambda event: self._selection.on_move(event),
            "mouseleave": lambda _: self._selection.leave(),
            "tap": lambda event: self._selection.on_tap(event),
            "doubletap": lambda event: self._selection.on_double_tap(event),
            "selectiongeometry": lambda event: self._selection.on_outline(event),
            "panstart": lambda _: self._controls.begin_drag(),
            "pan": lambda event: self._controls.drag(event.delta_x, event.delta_y),
        }
        for name, react in events.items():
            self._viewport.figure.on_event(name, partial(self._when_ready, react))

    def _wire_controls(self) -> None:
        controls = self._controls
        controls.colour.param.watch(lambda _: self._recolour(), "value")
        controls.legend.param.watch(lambda _: self._refresh(), "value")
        controls.find.param.watch(lambda _: self._go_to(controls.find.value or ""), "enter_pressed")
        controls.mode.param.watch(lambda _: self._viewport.drag_as(controls.mode.value), "value")
        controls.sides.param.watch(lambda _: self._change_sides(), "value")
        for slider in (controls.around, controls.tilt):
            slider.param.watch(lambda _: self._turn(), "value")

    def _when_ready(self, react: Callable[[Any], None], event: Any) -> None:
        if self._ready:
            react(event)

    # From its opening to its end

    def _begin(self) -> None:
        self._document.add_next_tick_callback(self._load)

    async def _load(self) -> None:
        try:
            self._warehouse = await asyncio.to_thread(self._release)
            plane = await asyncio.to_thread(self._planes.of, self._dataset, self._warehouse)
        except Exception as error:
            self._stop(self._describe_error(error))
            return
        if not len(plane):
            self._stop(
                f"no {self._words('synapse')} of this release of {self._dataset} has a place on a map yet: "
                f"materialise its map coordinates, then {self._dataset}/warehouse"
            )
        elif not plane.columns():
            self._stop(f"this release of {self._dataset} has no classes and no scores to colour a map by")
        else:
            self._model = MapModel(self._warehouse, plane, self._words)
            self._open()

    def _open(self) -> None:
        """The release is there: widgets for what it has, the map as the URL asks for it, and its search."""
        model, controls, columns = self._model, self._controls, self._model.flat.columns()
        reader = StateReader(self._parameters, model.points, columns)
        state = reader.read()
        self._messages += reader.messages
        self._selection = Selection(self._dataset, model, self._viewport, controls, self._document)
        page = PageCallbacks(self._document, self._describe_error, self._warn, self._update)
        self._search = MapSearch(self._warehouse, model, self._uploads, self._viewport, self._selection, page)
        self._viewport.begin_at(state.viewport)
        controls.fill(model.points, columns, state, self._refilter)
        self._project()
        self._ready = True
        self._recolour(state.hidden)
        controls.appear()
        controls.picked.object = html.hint(model.picture_release is not None)
        # Not Bokeh's periodic callback, which holds a closed page until its time has come once more.
        self._polling = asyncio.create_task(self._poll_for_newer())
        if state.question.is_asked:
            self._search.begin(state.question, controls.filters)

    def _stop(self, why: str) -> None:
        self._controls.notice.object = html.notice(why)
        self._controls.status.object = self._controls.picked.object = ""
        self._viewport.figure.visible = False

    def _end(self, _: Any) -> None:
        """The page was closed: cancels a search and the poll for newer releases."""
        if self._search is not None:
            self._search.cancel()
        if self._polling is not None:
            self._polling.cancel()

    async def _poll_for_newer(self) -> None:
        """Says once that a newer release was published."""
        is_newer = False
        while not is_newer:
            await asyncio.sleep(_POLL_MS / 1000)
            with suppress(BadInput):
                is_newer = await asyncio.to_thread(self._release) is not self._warehouse
        newer = "a newer release is out: open this page again to see it"
        self._document.add_next_tick_callback(partial(self._warn, newer))

    # After a choice of the user

    def _recolour(self, hidden: Iterable[str] = ()) -> None:
        """Colours by the chosen column, with these lines of the legend switched off."""
        if not self._ready:
            return
        self._model.colour_by(self._controls.colour.value)
        names = list(self._model.colouring.names)
        self._setting_up = True
        self._controls.legend.param.update(options=names, value=[name for name in names if name not in set(hidden)])
        self._setting_up = False
        self._refresh()

    def _refilter(self) -> None:
        """Applies the filters to the points shown, and to the search."""
        if self._ready:
            self._refresh()
            if self._search is not None and self._search.question.is_asked:
                self._search.search_among(self._controls.filters)

    def _refresh(self) -> None:
        """Updates which points are shown, after any change of filters or legend."""
        if self._setting_up or not self._ready:
            return
        model, controls = self._model, self._controls
        counts = model.show(controls.filters, controls.legend.value)
        controls.count_classes(model.colouring, counts)
        self._selection.leave()
        self._update()
        self._viewport.show(model.plane, model.colouring, model.shown)

    def _change_sides(self) -> None:
        """From the plane to space, or back: another plane of the same points, legend and filters as they are."""
        if self._ready:
            hidden = self._controls.hidden
            self._project()
            self._recolour(hidden)

    def _project(self) -> None:
        self._controls.offer_drags()
        self._model.project(self._controls.turn_degrees)

    def _turn(self) -> None:
        turn = self._controls.turn_degrees
        if self._ready and turn is not None:
            self._viewport.turn(*turn)
            self._update_link()

    def _go_to(self, synapse_id: str) -> None:
        if self._ready:
            self._selection.go_to(synapse_id)

    def _select_view(self) -> None:
        if self._ready:
            self._selection.select_view()

    # Messages of the page

    def _update(self) -> None:
        """Says how much is shown, and what is wrong."""
        model, search = self._model, self._search
        shown_count = int(model.shown.sum())
        caption = "" if search is None else search.caption
        filters = self._controls.filters
        by_cluster = model.points.are_of_clusters([self._controls.colour.value, *filters.any_of, *filters.least])
        trust = html.trust(self._dataset, model.points) if by_cluster else ""
        self._controls.status.object = html.status(
            shown_count, len(model.plane), len(model.points), trust, caption, self._words
        )
        self._update_link()
        none = self._words("no synapse is left: the filters, or the legend, leave out all of them")
        nothing_left = [] if shown_count else [none]
        self._controls.notice.object = html.notice(*self._messages, *nothing_left)

    def _update_link(self) -> None:
        """After each drawing too: a pan changes what the link has to show."""
        self._controls.link.object = f'<a href="?{escape(self._state().query_string())}">Link to this view</a>'

    def _state(self) -> MapState:
        controls = self._controls
        question = Question() if self._search is None else self._search.question
        return MapState(
            controls.colour.value,
            controls.hidden,
            controls.turn_degrees,
            self._viewport.view,
            controls.filters,
            question,
        )

    def _warn(self, sentence: str) -> None:
        self._messages.append(sentence)
        self._update()
