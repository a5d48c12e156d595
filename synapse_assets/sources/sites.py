"""Which rows of a table are presynaptic sites, where it has a row for each site of a synapse, pre and post."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput
from synapse_assets.sources.guesses import side_and_stem
from synapse_assets.sources.values import Place, figures

# What a cell says of its row, letters in lower case: neuPrint (pre, PreSyn), CATMAID (presynaptic_to), natverse, navis.
_PRE, _POST = r"pre|presites?|presyn[a-z]*|tbars?", r"post|postsites?|postsyn[a-z]*|psds?"
# The same, seen from the neuron; only in a column that is called so.
_OUT, _IN = r"outputs?|out|outgoing", r"inputs?|in|incoming"
_OTHERS = r"ctr|cleft|gap|gapjunction|gapjunctionwith|abutting|attachedto|unknown|none|other|"
# Columns that say it by a name of their own, and those whose numbers may mean it.
_NAMED = frozenset(
    (
        *("type", "kind", "prepost", "relation", "relationtype", "relationname", "connectortype", "connectorrelation"),
        *("sitetype", "nodetype", "pointtype", "syntype", "synapsetype", "role", "synapticrole", "direction"),
        *("polarity", "side", "elementtype", "tag"),
    )
)
_CODED = _NAMED - {"syntype", "synapsetype", "side", "tag"} | {"relationid", "typeid"}
_ALWAYS_SITES = frozenset(("prepost", "relation", "relationid", "connectortype", "connectorrelation", "synapticrole"))
_MOST_CODES = 4
_TRUE, _FALSE = frozenset(("true", "t", "yes", "y", "1")), frozenset(("false", "f", "no", "n", "0"))
_LOOKED_AT = 2_000


@dataclass(frozen=True)
class Sites:
    """The column that says which site of a synapse a row is, and how many rows have each of its values.

    pre: its values for presynaptic sites, if there are any. coded: its values are numbers whose meaning is not known.
    """

    column: str
    rows: dict[str, int]
    pre: tuple[str, ...]
    coded: bool = False

    def row_counts(self) -> str:
        """How many rows have each value: 'post in 11,520 rows, pre in 3,316'."""
        first, *others = [f"{value} in {rows:,}" for value, rows in self.rows.items()]
        return ", ".join([f"{first} rows", *others])


def sites_of(table: pa.Table, positions: Collection[str]) -> Sites | None:
    """The column of the table that distinguishes pre- from postsynaptic sites, or may; None where every row is a synapse.

    positions: the columns of the positions. Where these are those of one side, numbers mean something else.
    """
    candidates = (_by_words(table.column(name), name) for name in table.column_names if name not in positions)
    by_words = next((sites for sites in candidates if sites is not None), None)
    if by_words is not None or any(side_and_stem(name)[0] for name in positions):
        return by_words
    coded = (_by_codes(table.column(name), name) for name in table.column_names if name not in positions)
    return next((sites for sites in coded if sites is not None), None)


def _by_words(column: pa.ChunkedArray, name: str) -> Sites | None:
    stem = _letters(name)
    if re.fullmatch(rf"(is)?({_PRE}|{_POST})", stem):
        return _by_truth(column, name)
    if not _is_text(column.type):
        return None
    is_site_column = stem in _NAMED
    pre, post = (f"{_PRE}|{_OUT}", f"{_POST}|{_IN}") if is_site_column else (_PRE, _POST)
    first = {_letters(value) for value in column.drop_null().slice(0, _LOOKED_AT).unique().to_pylist()}
    if not any(re.fullmatch(f"{pre}|{post}", word) for word in first):
        return None
    rows = _row_counts(column, name)
    # In a column of another name, the words have to be of this kind alone.
    if not is_site_column and not all(re.fullmatch(f"{pre}|{post}|{_OTHERS}", _letters(value)) for value in rows):
        return None
    return Sites(name, rows, tuple(value for value in rows if re.fullmatch(pre, _letters(value))))


def _by_truth(column: pa.ChunkedArray, name: str) -> Sites | None:
    """Of a column such as is_pre: true; pre alone may hold ids, so 1 and 0 are no truth values there."""
    stem = _letters(name)
    allowed = _TRUE | _FALSE if stem.startswith("is") else frozenset(("true", "false"))
    first = column.drop_null().slice(0, _LOOKED_AT).unique() if not pa.types.is_nested(column.type) else []
    rows = _row_counts(column, name) if 0 < len(first) <= _MOST_CODES else {}
    if not rows or not {value.casefold() for value in rows} <= allowed:
        return None
    pre_words = _TRUE if re.fullmatch(rf"(is)?({_PRE})", stem) else _FALSE
    return Sites(name, rows, tuple(value for value in rows if value.casefold() in pre_words))


def _by_codes(column: pa.ChunkedArray, name: str) -> Sites | None:
    stem = _letters(name)
    if stem not in _CODED or pa.types.is_nested(column.type):
        return None
    first = column.drop_null().slice(0, _LOOKED_AT).unique()
    if len(first) > _MOST_CODES:
        return None
    rows = _row_counts(column, name)
    is_code = r"-?[0-9]+" if stem in _ALWAYS_SITES else r"-?[0-2]"
    fewest = 1 if stem in _ALWAYS_SITES else 2
    if not fewest <= len(rows) <= _MOST_CODES or not all(re.fullmatch(is_code, value) for value in rows):
        return None
    return Sites(name, rows, (), True)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _row_counts(column: pa.ChunkedArray, name: str) -> dict[str, int]:
    """Rows by value, as a dataset's YAML names it, the most frequent first; without those that are empty."""
    values = column.combine_chunks()
    try:
        texts = figures(values, Place("", name, range(1, len(values) + 1))).drop_null()
    except BadInput:
        return {}
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(texts).to_pylist()}
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
