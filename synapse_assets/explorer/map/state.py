"""What a map keeps in its URL: colours, filters, the view and the search, so that a link shows the same again.

Parameters of the search itself are read and written by `explorer.question`; widgets belong to `controls`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np

from synapse_assets.errors import BadInput
from synapse_assets.explorer.question import Question, filter_options, read_question
from synapse_assets.query.points import CATEGORIES, NUMBERS, Filters, Points

# Maps reach from about -20 to 20 (UMAP); a position beyond this is a mistake, or would leave the range of numbers.
_FARTHEST = 1e9


@dataclass(frozen=True)
class MapState:
    """The state of an open map.

    colour: a column. hidden: lines of the legend that are switched off. turn_degrees: around the upright axis and tilted, None in the
    plane. viewport: the middle x, y and units per pixel, None for the whole map. question: without filters; those are `filters`.
    """

    colour: str
    hidden: Sequence[str]
    turn_degrees: tuple[int, int] | None
    viewport: tuple[float, float, float] | None
    filters: Filters
    question: Question

    def query_string(self) -> str:
        """The part of a URL after the `?` that shows the same: the query and its answer too, if there is one."""
        options = [("colour", self.colour), *(("off", name) for name in self.hidden)]
        if self.turn_degrees is not None:
            around, tilt = self.turn_degrees
            options.append(("turned", f"{around},{tilt}"))
        if self.viewport is not None:
            options.append(("look", ",".join(f"{number:.6g}" for number in self.viewport)))
        if self.question.is_asked:
            return f"{replace(self.question, filters=self.filters).query_string()}&{urlencode(options)}"
        return urlencode([*filter_options(self.filters), *options])


class StateReader:
    """Reads the state that a URL asks for, as far as the release has it. messages: a sentence for each part that was left out."""

    def __init__(self, parameters: Mapping[str, Sequence[str]], points: Points, columns: Mapping[str, str]) -> None:
        self.messages: list[str] = []
        self._parameters, self._points, self._columns = parameters, points, columns

    def read(self) -> MapState:
        """The state; what the URL lacks, or has wrong, is as on a map that is opened without it."""
        viewport, colour = self._viewport(), self._colour()
        filters, turn = self._filters(), self._turn()
        return MapState(colour, self._parameters.get("off", ()), turn, viewport, filters, self._question())

    def _viewport(self) -> tuple[float, float, float] | None:
        x, y, unit = self._numbers("look", "the place to look at", 3) or (0.0, 0.0, 0.0)
        return (x, y, unit) if unit > 1 / _FARTHEST else None

    def _turn(self) -> tuple[int, int] | None:
        turn = self._numbers("turned", "the turn", 2)
        if turn is None or self._points.space is None:
            return None
        around, tilt = turn
        return round(max(-180, min(180, around))), round(max(-90, min(90, tilt)))

    def _colour(self) -> str:
        columns, categories = self._columns, self._points.categories
        colour = self._parameters.get("colour", [""])[0]
        if colour in columns:
            return colour
        if colour:
            self.messages.append(f"there is no column '{colour}' to colour by; there are {', '.join(columns)}")
        several = [name for name in columns if name not in categories or len(categories[name].names) > 1]
        return next(iter(several or columns))

    def _filters(self) -> Filters:
        any_of = {name: self._usable(name, self._parameters.get(name, []), str) for name in CATEGORIES}
        least = {name: self._usable(name, self._parameters.get(f"{name}_least", []), _finite) for name in NUMBERS}
        return Filters(
            {name: values for name, values in any_of.items() if values},
            {name: values[0] for name, values in least.items() if values},
        )

    def _usable(self, name: str, texts: Sequence[str], read: Callable[[str], Any]) -> list[Any]:
        """The values of a filter that this dataset has; a message for every other value."""
        usable = []
        for text in texts:
            try:
                value = read(text)
                self._points.select(
                    Filters(any_of={name: [value]}) if name in CATEGORIES else Filters(least={name: value})
                )
                usable.append(value)
            except BadInput as error:
                self.messages.append(f"a filter was left out, because {error}")
            except ValueError:
                self.messages.append(f"a filter was left out, because {name}_least={text} is not a number")
        return usable

    def _question(self) -> Question:
        # The filters of a search are those of the map, which its widgets have.
        filters = {*CATEGORIES, *(f"{name}_least" for name in NUMBERS)}
        parameters = [
            (name, value) for name, values in self._parameters.items() for value in values if name not in filters
        ]
        try:
            return read_question(parameters, Question())
        except BadInput as error:
            self.messages.append(str(error))
            return Question()

    def _numbers(self, name: str, what: str, count: int) -> list[float] | None:
        """Finite numbers separated by commas; None with a message for anything else."""
        text = self._parameters.get(name, [""])[0]
        if not text:
            return None
        try:
            numbers = [_finite(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != count or max(map(abs, numbers)) > _FARTHEST:
            self.messages.append(
                f"{what} of this address, {name}={text[:80]}, was left out: it needs {count} numbers, separated by commas"
            )
            return None
        return numbers


def _finite(text: str) -> float:
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(text)
    return number
