"""The search of a map: its query and the most similar synapses, marked on the map and described beside the number of points.

Similarity search belongs to `query`; the search page to `explorer.server`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from synapse_assets.errors import BadInput
from synapse_assets.explorer.map.model import MapModel
from synapse_assets.explorer.map.selection import Selection
from synapse_assets.explorer.map.viewport import Viewport
from synapse_assets.explorer.question import Question
from synapse_assets.explorer.uploads import Uploads
from synapse_assets.query import METRICS
from synapse_assets.query.points import CATEGORIES, Filters

if TYPE_CHECKING:
    from synapse_assets.query.warehouse import Warehouse


@dataclass(frozen=True)
class PageCallbacks:
    """What a search needs of its page. explain: the message for an error; update: shows the caption."""

    document: Any
    explain: Callable[[Exception], str]
    warn: Callable[[str], None]
    update: Callable[[], None]


class MapSearch:
    """The search of one page. question: the current search; caption: HTML that describes it, empty while there is none."""

    def __init__(
        self,
        warehouse: "Warehouse",
        model: MapModel,
        uploads: Uploads,
        viewport: Viewport,
        selection: Selection,
        page: PageCallbacks,
    ) -> None:
        self._warehouse, self._model, self._uploads = warehouse, model, uploads
        self._viewport, self._selection, self._page = viewport, selection, page
        self._task: asyncio.Task[None] | None = None
        self._query_caption = ""
        self.caption = ""
        self.question = Question()

    def begin(self, question: Question, filters: Filters) -> None:
        """Marks the query, if it is on the map; the most similar synapses follow when the search is done."""
        if question.synapse_id:
            try:
                row = self._model.points.row(question.synapse_id)
            except BadInput as error:
                self._page.warn(str(error))
                return
            self._selection.pick(row)
            self._viewport.mark("query", [row])
            self._viewport.mark("picked", [])
            on_map = self._model.plane.index_of(row) is not None
            caption = f"★ query {escape(question.synapse_id)}" + ("" if on_map else ", which has no place on the map")
        else:
            caption = "query: " + ("an uploaded picture" if question.upload else "a place in the volume")
        self.question, self.caption, self._query_caption = question, caption, caption
        self._page.update()
        self.search_among(filters)

    def search_among(self, filters: Filters) -> None:
        """Searches for synapses similar to the query, within the filters; does nothing in a dataset without pictures."""
        self.question = replace(self.question, filters=filters)
        if self._model.picture_release is not None:
            # Beside the document's queue, which would draw nothing meanwhile: a first search reads all vectors.
            self._task = asyncio.create_task(self._search(self.question))

    def cancel(self) -> None:
        """Cancels a running search."""
        if self._task is not None:
            self._task.cancel()

    async def _search(self, question: Question) -> None:
        try:
            answer = await asyncio.to_thread(lambda: self._warehouse.similar(question.request(self._uploads)))
            rows = [self._model.points.row(synapse_id) for synapse_id in answer["synapse_id"]]
            then = partial(self._mark_similar, question, rows)
        except Exception as error:
            then = partial(self._mark_none, question, self._page.explain(error))
        self._page.document.add_next_tick_callback(then)

    def _mark_similar(self, question: Question, rows: list[int]) -> None:
        if question is not self.question:
            return
        self._viewport.mark("near", rows)
        count = sum(self._model.plane.index_of(row) is not None for row in rows)
        of_each = f" of each {self._model.words(CATEGORIES[question.columns])}" if question.columns else ""
        has_neurons = len(self._model.points.neuron_ids) > 0
        others = " of other neurons" if has_neurons and question.synapse_id and not question.own_neuron else ""
        each = f"{question.k} nearest{of_each}" if question.columns else f"{len(rows)} nearest"
        self.caption = f"{self._query_caption} · ◯ its {each}{others}, by {METRICS[question.metric].split(',')[0]}"
        if count < len(rows):
            self.caption += f" ({count} have a place on the map)"
        self._page.update()

    def _mark_none(self, question: Question, why: str) -> None:
        if question is self.question:
            self._viewport.mark("near", [])
            self.caption = f"{self._query_caption} · {escape(why)}"
            self._page.update()
