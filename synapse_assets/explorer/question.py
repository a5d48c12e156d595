"""The search of a page, read from its URL: the query, the metric, and which synapses take part.

The URL holds the whole search, so it can be bookmarked, sent, and returned to. Running it belongs to `query`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from synapse_assets.errors import BadInput
from synapse_assets.explorer.uploads import Uploads
from synapse_assets.query import METRICS, Filters, SearchRequest
from synapse_assets.query.points import CATEGORIES, NO_FILTERS, NUMBERS

MOST_IN_A_COLUMN = 50
IN_ONE_LIST = 24
# With more classes, those with the nearest synapses are shown.
_MOST_COLUMNS = 40
_LEAST = "_least"
_LONGEST_TEXT = 300

Parameters = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Question:
    """A search. At most one of `synapse_id`, `place_nm` and `upload` (the name of a picture that the server keeps) is given.

    columns: a column of classes, or "" for one list. near_nm: synapses nearer to the query than this are left out.
    """

    synapse_id: str = ""
    place_nm: tuple[float, float, float] | None = None
    upload: str = ""
    columns: str = ""
    k: int = 4
    metric: str = "cosine"
    own_neuron: bool = False
    near_nm: float = 0.0
    filters: Filters = NO_FILTERS

    @property
    def is_asked(self) -> bool:
        """Whether there is something to search for."""
        return bool(self.synapse_id or self.upload or self.place_nm)

    def request(self, uploads: Uploads) -> SearchRequest:
        """The request for `Warehouse.similar`. Raises BadInput if it has no query, or for a picture that is not kept any more."""
        return SearchRequest(
            self.synapse_id or None,
            image=uploads.picture(self.upload) if self.upload else None,
            place_nm=self.place_nm,
            k=self.k,
            most_columns=_MOST_COLUMNS,
            columns=self.columns or None,
            metric=self.metric,  # type: ignore[arg-type]
            filters=self.filters,
            leave_out_own_neuron=not self.own_neuron,
            leave_out_within_nm=self.near_nm,
        )

    def query_string(self, **changes: object) -> str:
        """The part of a URL after the `?` for this search, with `changes` to its fields."""
        question = replace(self, **changes)  # type: ignore[arg-type]
        return urlencode(
            [
                *([("synapse_id", question.synapse_id)] if question.synapse_id else []),
                *([("place", ",".join(repr(x) for x in question.place_nm))] if question.place_nm else []),
                *([("upload", question.upload)] if question.upload else []),
                *question.options(),
            ]
        )

    def options(self) -> list[tuple[str, str]]:
        """Name and value of every option except the query itself, as in a URL."""
        return [
            ("columns", self.columns),
            ("k", str(self.k)),
            ("metric", self.metric),
            ("own_neuron", "in" if self.own_neuron else "out"),
            ("near_nm", repr(self.near_nm)),
            *filter_options(self.filters),
        ]


def filter_options(filters: Filters) -> list[tuple[str, str]]:
    """Name and value of each filter, as in a URL."""
    chosen = [(name, value) for name, values in filters.any_of.items() for value in values]
    return [*chosen, *((f"{name}{_LEAST}", repr(least)) for name, least in filters.least.items())]


def read_filters(parameters: Parameters) -> Filters:
    """The filters in a URL: `brain_region=EB&brain_region=FB&score_least=50`. Raises BadInput for what is not a number."""
    any_of: dict[str, list[str]] = {}
    least = {}
    for name, text in parameters:
        if name in CATEGORIES and text:
            any_of.setdefault(name, []).append(text)
        elif name.removesuffix(_LEAST) in NUMBERS and text.strip():
            number = name.removesuffix(_LEAST)
            least[number] = _number(f"least {NUMBERS[number]}", text)
    return Filters(any_of, least)


def read_question(parameters: Parameters, default: Question) -> Question:
    """The search in a URL; options that it lacks are as in `default`.

    Of several queries a typed place counts first, then an id. Raises BadInput for what is not a number, and for an unknown
    metric or column.
    """
    pairs = list(parameters)
    # Blanks around an id may be part of it: the release decides.
    values: Mapping[str, str] = {name: text if name == "synapse_id" else text.strip() for name, text in pairs}
    metric = values.get("metric") or default.metric
    if metric not in METRICS:
        raise BadInput(f"no metric '{_short(metric)}'; there are {', '.join(METRICS)}")
    columns = values.get("columns", default.columns)
    if columns and columns not in CATEGORIES:
        raise BadInput(f"no column '{_short(columns)}' of classes; there are {', '.join(CATEGORIES)}")
    k = _number("number in a column", values["k"]) if values.get("k") else default.k if columns else IN_ONE_LIST
    if not 1 <= k <= MOST_IN_A_COLUMN or k != int(k):
        raise BadInput(f"a column shows 1 to {MOST_IN_A_COLUMN} synapses, not {k:g}")
    near_nm = _number("distance in space", values["near_nm"] or "0") if "near_nm" in values else default.near_nm
    if near_nm < 0:
        raise BadInput(f"distance in space: it is zero or more, not {near_nm:g} nm")
    # What the user typed wins over what the page kept of the previous search.
    queries = ("place", "synapse_id", "place_before", "upload")
    query_name = next((name for name in queries if values.get(name, "").strip()), "synapse_id")
    return Question(
        synapse_id=values.get(query_name, "") if query_name == "synapse_id" else "",
        place_nm=read_place(values[query_name]) if query_name.startswith("place") else None,
        upload=values[query_name] if query_name == "upload" else "",
        columns=columns,
        k=int(k),
        metric=metric,
        own_neuron=values.get("own_neuron", "in" if default.own_neuron else "out") == "in",
        near_nm=near_nm,
        filters=read_filters(pairs),
    )


def read_place(text: str) -> tuple[float, float, float]:
    """A place x, y, z in nanometres, separated by commas or blanks, perhaps in brackets. Raises BadInput for anything else."""
    parts = text.strip(" ()[]").replace(",", " ").replace(";", " ").split()
    if len(parts) != 3:
        raise BadInput(f"a place is three numbers, x y z in nanometres, not '{_short(text)}'")
    x, y, z = (_number("place", part) for part in parts)
    return x, y, z


def _number(what: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise BadInput(f"{what}: '{_short(text)}' is no number") from None
    if not abs(number) < 1e15:
        raise BadInput(f"{what}: '{_short(text)}' is no finite number")
    return number


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
