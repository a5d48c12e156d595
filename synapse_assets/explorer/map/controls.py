"""The widgets of an open map, the panes of text beside it, and their layout on the page.

They hold what the user chose; what follows from a choice is wired in `page`. Texts are in `html`, styles in `style`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.explorer.map import html
from synapse_assets.explorer.map.rendering import FIRST_TURN, Colouring
from synapse_assets.explorer.map.state import MapState
from synapse_assets.explorer.map.style import FRAME, LEGEND, PANES, TEMPLATE, WIDGETS
from synapse_assets.explorer.map.viewport import Viewport
from synapse_assets.query.points import CATEGORIES, NUMBERS, Filters, Points

# Layouts: as wide as there is room, the same with gaps between the children, or as wide as the content.
WIDE: dict[str, Any] = {"stylesheets": [PANES, WIDGETS], "margin": 0, "sizing_mode": "stretch_width"}
_SPACED: dict[str, Any] = {**WIDE, "styles": {"gap": "10px"}}
_FIXED: dict[str, Any] = {**WIDE, "sizing_mode": None}
_SMALL: dict[str, Any] = {**_FIXED, "stylesheets": [*_FIXED["stylesheets"], ".bk-btn { padding: 2px 8px; }"]}
_CHOICES = 300
_DRAG_MODES = ["Move", "Lasso", "Box"]
_PIXELS_PER_DEGREE = 3


class Controls:
    """Widgets and panes of one page. Filter widgets exist once the release is known (`fill`)."""

    def __init__(self, viewport: Viewport, words: html.Words) -> None:
        import panel as pn

        self._viewport, self._words = viewport, words
        self._plot = pn.pane.Bokeh(viewport.figure, sizing_mode="stretch_both", margin=0, visible=True)
        self.notice, self.link = pn.pane.HTML("", **WIDE), pn.pane.HTML("", **WIDE)
        self.status = pn.pane.HTML('<p class="quiet">Loading the map …</p>', **WIDE)
        self.tip = pn.pane.HTML("", visible=False, stylesheets=[PANES], margin=0)
        self.picked = pn.pane.HTML("", **WIDE)
        self.selected = pn.Column(visible=False, **_SPACED)
        self.colour = pn.widgets.Select(label="Colour by", **WIDE)
        self.legend = pn.widgets.CheckBoxGroup(label="Legend", options=[], value=[], **WIDE)
        self._filters = pn.Column(visible=False, **_SPACED)
        self._with_filters = pn.widgets.Toggle(label="Filters", **WIDE)
        self._with_filters.link(self._filters, value="visible")
        self._any_of: dict[str, Any] = {}
        self._least: dict[str, Any] = {}
        self.find = pn.widgets.TextInput(label=words("Go to synapse"), placeholder="id, then Enter", **WIDE)
        self.sides = pn.widgets.RadioButtonGroup(options=["2-D", "3-D"], value="2-D", visible=False, **_FIXED)
        around, tilt = FIRST_TURN
        self.around: Any = pn.widgets.IntSlider(label="Turn (degrees)", start=-180, end=180, value=around, **WIDE)
        self.tilt: Any = pn.widgets.IntSlider(label="Tilt (degrees)", start=-90, end=90, value=tilt, **WIDE)
        self.mode = pn.widgets.RadioButtonGroup(options=_DRAG_MODES, value="Move", **_FIXED)
        self._turns = pn.Row(self.around, self.tilt, **_SPACED)
        self._turn_before_drag = around, tilt

    # Chosen values

    @property
    def turn_degrees(self) -> tuple[int, int] | None:
        """From where the points are seen in space, turned around and tilted; None in the plane."""
        return (self.around.value, self.tilt.value) if self.sides.value == "3-D" else None

    @property
    def filters(self) -> Filters:
        """The filters that are set."""
        return Filters(
            {name: widget.value for name, widget in self._any_of.items() if widget.value},
            {name: widget.value for name, widget in self._least.items() if widget.value is not None},
        )

    @property
    def hidden(self) -> list[str]:
        """The lines of the legend that are switched off."""
        return [name for name in self.legend.options if name not in self.legend.value]

    # Choices

    def fill(self, points: Points, columns: Mapping[str, str], state: MapState, refilter: Callable[[], None]) -> None:
        """Widgets for what this release has, set to a state. columns: what can be coloured by; refilter: on a change of a filter."""
        self.colour.options = {self._words(title): name for name, title in columns.items()}
        self.colour.value = state.colour
        self._any_of = {
            name: _choice_of(points, name, self._words(CATEGORIES[name]), state.filters.any_of.get(name, []))
            for name in CATEGORIES
            if name in points.categories
        }
        self._least = {
            name: _least_of(self._words(NUMBERS[name]), state.filters.least.get(name))
            for name in NUMBERS
            if name in points.numbers
        }
        widgets = [*self._any_of.values(), *self._least.values()]
        self._filters[:] = widgets
        self._with_filters.value = any(widget.value not in (None, []) for widget in widgets)
        for widget in widgets:
            widget.param.watch(lambda _: refilter(), "value")
        self.sides.visible = points.space is not None
        if state.turn_degrees is not None:
            self.sides.value = "3-D"
            self.around.value, self.tilt.value = state.turn_degrees

    def offer_drags(self) -> None:
        """What dragging can do in the plane, or in space; the first of it is chosen."""
        in_space = self.turn_degrees is not None
        self._turns.visible = in_space
        self.mode.options = [*(["Turn"] if in_space else []), *_DRAG_MODES]
        self.mode.value = self.mode.options[0]

    def count_classes(self, colouring: Colouring, counts: npt.NDArray[np.int64]) -> None:
        """Colours and numbers (classes,) beside the lines of the legend."""
        self.legend.stylesheets = [PANES, WIDGETS, LEGEND, html.legend_style(colouring, counts)]

    # A drag that turns

    def begin_drag(self) -> None:
        """A drag begins: it turns from here."""
        self._turn_before_drag = self.around.value, self.tilt.value

    def drag(self, right_px: float, down_px: float) -> None:
        """Turns by a degree for every three pixels from where the drag began, if that is what dragging does."""
        if self.mode.value == "Turn":
            around, tilt = self._turn_before_drag
            self.around.value = (around + round(right_px / _PIXELS_PER_DEGREE) + 180) % 360 - 180
            self.tilt.value = max(-90, min(90, tilt - round(down_px / _PIXELS_PER_DEGREE)))

    # The page

    def template(self, header: str, style_url: str, select_view: Callable[[], None]) -> Any:
        """The page as Panel serves it. header: HTML; style_url: of the folder of explorer.css; select_view: selects all that is in view."""
        import panel as pn

        viewport = self._viewport
        buttons = (_button(name, partial(self._switch, on), **WIDE) for name, on in (("All", True), ("None", False)))
        side = pn.Column(
            self.colour,
            pn.Row(*buttons, **_SPACED),
            self.legend,
            self._with_filters,
            self._filters,
            self.find,
            self.link,
            **_SPACED,
        )
        in_view = _button("All in view", select_view, **_FIXED)
        tools = pn.FlexBox(self.sides, self.mode, in_view, gap="4px", margin=0)
        moves: dict[str, Callable[[], None]] = {
            "+": partial(viewport.zoom, 0.6),
            "−": partial(viewport.zoom, 1 / 0.6),
            "←": partial(viewport.move, -1, 0),
            "↑": partial(viewport.move, 0, 1),
            "↓": partial(viewport.move, 0, -1),
            "→": partial(viewport.move, 1, 0),
            "Whole map": viewport.fit,
        }
        steers = pn.FlexBox(*(_button(name, move, **_SMALL) for name, move in moves.items()), gap="4px", margin=0)
        self._when_ready = [side, tools, steers]
        for part in (*self._when_ready, self._turns):
            part.visible = False

        page = pn.Template(TEMPLATE)
        for name, part in {
            "side": side,
            "notice": self.notice,
            "status": self.status,
            "tools": tools,
            "turns": self._turns,
            "plot": self._plot,
            "steers": steers,
            "tip": self.tip,
            "picked": self.picked,
            "selected": self.selected,
        }.items():
            page.add_panel(name, part)
        page.add_variable("header", header)
        page.add_variable("frame", FRAME)
        # Instead of Panel's own icons.
        for name, value in {"look": style_url, "app_favicon": "", "apple_icon": ""}.items():
            page.add_variable(name, value)
        return page

    def appear(self) -> None:
        """Shows what is hidden until the map can be used."""
        for part in self._when_ready:
            part.visible = True

    def _switch(self, on: bool) -> None:
        self.legend.value = list(self.legend.options) if on else []


def _button(label: str, action: Callable[[], None], **style: Any) -> Any:
    import panel as pn

    button = pn.widgets.Button(label=label, **style)
    button.on_click(lambda _: action())
    return button


def _choice_of(points: Points, name: str, title: str, values: Sequence[str]) -> Any:
    """The filter of a column of classes."""
    import panel as pn

    counts = points.categories[name].counts()
    common = set(sorted(counts, key=lambda value: -counts[value])[:_CHOICES])
    return pn.widgets.MultiChoice(
        label=title,
        # Bokeh shows the labels of this widget as HTML.
        options={escape(value): value for value in counts if value in common or value in values},
        value=list(values),
        placeholder="any" if len(common) == len(counts) else f"any, or of the {_CHOICES} most common",
        **WIDE,
    )


def _least_of(title: str, value: float | None) -> Any:
    """The filter of a column of numbers."""
    import panel as pn

    return pn.widgets.FloatInput(label=f"{title}, at least", value=value, step=0.05, **WIDE)
