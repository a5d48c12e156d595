"""Columns as labs write them, made numbers, ids and text: what cannot be converted exactly is refused, by file, row and column.

A value is the same whatever kind of file it comes from: 12, 12.0 and '12.0' are 12, True is true, blanks around a text are none of
it, and what stands for an empty cell in CSV does so everywhere.
Identifiers of neurons go beyond 2^53, so no identifier passes through a float here; a floating-point column is taken only
where no digit can have been lost.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from synapse_assets.errors import BadInput

# Below it every integer is exact in a float64; and of each width in bits, the power of two.
EXACT_IN_FLOAT64 = 2**53
_EXACT_POWER = {16: 11, 32: 24, 64: 53}
# What stands for an empty cell; the last two are what Python and pandas write there.
NO_VALUE = frozenset(pyarrow.csv.ConvertOptions().null_values) | {"None", "<NA>"}
# Blanks around a text, without line ends.
_BLANKS = " \t\r\u00a0\u2007\u202f\u3000\u200b\ufeff"
# Truth values as pandas and R write them.
_TRUTH = (("true", r"^(True|TRUE)$"), ("false", r"^(False|FALSE)$"))
_SEPARATED = re.compile(r"\s*[+-]?[0-9]+([., '\u00a0\u202f][0-9]+)+\s*")
_WHOLE = r"^\+?(-?[0-9]+)\.0*$"


@dataclass(frozen=True)
class Place:
    """Where values come from, for messages: `rows` are their row numbers in the file, from 1, the header not counted."""

    file: str
    column: str
    rows: range | np.ndarray

    def at(self, index: int) -> str:
        """'<file>, row <n>, column <name>' of the value at that index."""
        return f"{self.file}, row {int(self.rows[index])}, column '{self.column}'"


def numbers(values: pa.Array, place: Place) -> pa.Array:
    """As float64; null where there is nothing, NaN included. Raises BadInput at the first value that is no number."""
    values = _plain(values)
    if pa.types.is_integer(values.type):
        return _cast(values, pa.float64(), place, "is no number")
    try:
        floats = values.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        plain = _nothing_as_null(pc.utf8_trim_whitespace(values)) if pa.types.is_string(values.type) else values
        floats = _cast(plain, pa.float64(), place, "is no number", original=values)
    nan = pc.is_nan(floats)
    return pc.if_else(nan, pa.scalar(None, pa.float64()), floats) if pc.any(nan).as_py() else floats


def coordinates(values: pa.Array, place: Place) -> pa.Array:
    """As `numbers`. Raises BadInput also for truth values, and for half precision where it rounds by a unit and more."""
    values = _plain(values)
    if pa.types.is_boolean(values.type):
        raise BadInput(f"{place.file}, column '{place.column}' holds {values.type}; it is no number")
    if pa.types.is_float16(values.type):
        _refuse_rounded(values, place, "coordinates")
    return numbers(values, place)


def whole_numbers(values: pa.Array, place: Place) -> pa.Array:
    """As int64; empty text and NaN become null, and pandas' '10814.0' is 10814. Raises BadInput at the first other value."""
    values = _plain(values)
    if pa.types.is_floating(values.type):
        values = _whole_floats(values, place)
    if not pa.types.is_string(values.type):
        if pa.types.is_boolean(values.type) or pa.types.is_temporal(values.type):
            raise BadInput(f"{place.file}, column '{place.column}' holds {values.type}; it is not a whole number")
        return _cast(values, pa.int64(), place, "is not a whole number of 64 bits")
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        digits = pc.replace_substring_regex(_nothing_as_null(pc.utf8_trim_whitespace(values)), _WHOLE, r"\1")
        return _cast(digits, pa.int64(), place, "is not a whole number of 64 bits", original=values)


def identifiers(values: pa.Array, place: Place, offset: int = 0) -> pa.Array:
    """Ids of neurons as int64, `offset` added; 0 (background) and below become null. Raises BadInput like `whole_numbers`."""
    ids = whole_numbers(values, place)
    if pc.any(pc.less(ids, 1)).as_py():
        ids = pc.if_else(pc.less(ids, 1), pa.scalar(None, pa.int64()), ids)
    if not offset:
        return ids
    try:
        return pc.add_checked(ids, pa.scalar(offset, pa.int64()))
    except (pa.ArrowInvalid, OverflowError) as error:
        raise BadInput(
            f"{place.file}, column '{place.column}': neuron_id_offset {offset} makes ids that do not fit 64 bits; is it the common "
            "part that the file leaves out?"
        ) from error


def text(values: pa.Array, place: Place, known_names: Collection[str] = (), blanks: str = _BLANKS) -> pa.Array:
    """As string without blanks around it; whole numbers without a fraction of zeros (a floating-point column holds nothing else), truth
    values as true and false.

    Empty text becomes null, and so does what stands for an empty cell, such as NA, unless it is one of `known_names`, which the
    dataset's YAML gives. Raises BadInput where floats have been rounded, or for values that are no text.
    """
    values = _plain(values)
    if pa.types.is_floating(values.type):
        values = _whole_floats(values, place)
    texts = _cast(values, pa.string(), place, "is no text")
    if pa.types.is_integer(values.type) or pc.all(pc.ascii_is_decimal(texts)).as_py() is not False:
        return texts
    # Names repeat: each distinct text is converted once.
    encoded = texts.dictionary_encode()
    return _plain_texts(encoded.dictionary, known_names, blanks).take(encoded.indices)


def _plain_texts(texts: pa.Array, known_names: Collection[str], blanks: str) -> pa.Array:
    texts = _nothing_as_null(pc.utf8_trim(texts, blanks), known_names)
    for truth, pattern in _TRUTH:
        texts = pc.replace_substring_regex(texts, pattern, truth)
    return pc.replace_substring_regex(texts, _WHOLE, r"\1")


def synapse_ids(values: pa.Array, place: Place) -> pa.Array:
    """As `text`, and without line ends around it either: nobody sees them, and whoever asks for an id leaves them out."""
    return text(values, place, blanks=_BLANKS + "\n\x0b\x0c\x85\u2028\u2029")


def is_one_of(values: pa.Array, place: Place, accepted: Collection[str]) -> pa.Array:
    """Whether each value is one of those that a dataset's YAML gives, as `text` reads both.

    Raises BadInput like `text`.
    """
    plain = sorted({plain_text(value) for value in accepted})
    return pc.is_in(text(values, place, accepted), pa.array(plain, pa.string()))


def plain_text(value: str) -> str:
    """One text as `text` gives it: to compare what a dataset's YAML names with what a file holds."""
    value = value.strip(_BLANKS)
    for truth, pattern in _TRUTH:
        value = truth if re.fullmatch(pattern, value) else value
    whole_number = re.fullmatch(_WHOLE, value)
    return whole_number[1] if whole_number else value


def figures(values: pa.Array, place: Place, known_names: Collection[str] = (), *, of_ids: bool = False) -> pa.Array:
    """As string like `text`, but any number: 100.0 and 100 are '100', 0.25 is '0.25', whatever the other rows are.

    of_ids: ids are made of them, so that floats which may have been rounded are refused. Raises BadInput like `text`.
    """
    values = _plain(values)
    if not pa.types.is_floating(values.type):
        return text(values, place, known_names)
    if of_ids:
        _refuse_rounded(values, place)
    values = values.cast(pa.float64())
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), EXACT_IN_FLOAT64))
    digits = pc.if_else(whole, values, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
    return digits if digits.null_count == values.null_count else pc.coalesce(digits, values.cast(pa.string()))


def positions(values: pa.Array, place: Place) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The three numbers of each row, as three float64 columns in the order of the file.

    Takes lists, fixed-size lists and text such as '[1 2 3]' or '1,2,3'. Raises BadInput at the first row that has not three.
    """
    values = _plain(values)
    if pa.types.is_string(values.type):
        bare = pc.utf8_trim(pc.replace_substring_regex(values, r"[\s,;]+", " "), " []()")
        values = pc.split_pattern(bare, " ")
    elif not pa.types.is_nested(values.type) or pa.types.is_struct(values.type) or pa.types.is_map(values.type):
        raise BadInput(f"{place.file}, column '{place.column}' holds {values.type}, not positions of three numbers")
    three = pc.fill_null(pc.equal(pc.list_value_length(values), 3), False)
    wrong = pc.index(three, False).as_py()
    if wrong >= 0:
        raise BadInput(f"{place.at(wrong)}: {values[wrong].as_py()} is no position of three numbers")
    flat = pc.list_flatten(values)
    rows = np.repeat(np.asarray(place.rows), 3)
    triples = coordinates(flat, Place(place.file, place.column, rows)).to_numpy(zero_copy_only=False).reshape(-1, 3)
    first, second, third = (pa.array(np.ascontiguousarray(triples[:, axis])) for axis in range(3))
    return first, second, third


def _plain(values: pa.Array) -> pa.Array:
    """Without dictionary encoding, and text in the one type for text."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type) or pa.types.is_null(values.type):
        values = values.cast(pa.string())
    return values


def _nothing_as_null(values: pa.Array, known_names: Collection[str] = ()) -> pa.Array:
    """Text, null where it stands for an empty cell."""
    nothing = pc.is_in(values, pa.array(sorted(NO_VALUE - set(known_names)), pa.string()))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), values) if pc.any(nothing).as_py() else values


def _whole_floats(values: pa.Array, place: Place) -> pa.Array:
    """Floating-point ids as int64; NaN becomes null."""
    floats = _refuse_rounded(values, place)
    wrong = np.flatnonzero((floats != np.floor(floats)) & ~np.isnan(floats))
    if wrong.size:
        raise BadInput(
            f"{place.at(int(wrong[0]))} holds identifiers as floating-point numbers, and {floats[wrong[0]]:g} is not whole: export "
            "the column as integers or text, or name another one"
        )
    return pa.array(floats, pa.float64(), from_pandas=True).cast(pa.int64())


def _refuse_rounded(values: pa.Array, place: Place, what: str = "identifiers") -> np.ndarray:
    """Floating-point numbers as float64, null as NaN. Raises BadInput at the first that is too large to be exact in their width."""
    bits = values.type.bit_width
    floats: np.ndarray = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(np.abs(floats) >= 2 ** _EXACT_POWER[bits])
    if wrong.size:
        raise BadInput(
            f"{place.at(int(wrong[0]))} holds {what} as floating-point numbers of {bits} bits, which are exact below "
            f"2^{_EXACT_POWER[bits]} only, and {floats[wrong[0]]:.16g} may have been rounded: export the column as integers or text"
        )
    return floats


def _cast(values: pa.Array, kind: pa.DataType, place: Place, wrong: str, original: pa.Array | None = None) -> pa.Array:
    """`values` as that type. Raises BadInput naming the first value that cannot be, as `original` has it, and what is `wrong`."""
    # Integers above 2^53 may round where a number is asked for: it is a coordinate or a score then, never an identifier.
    safe = not pa.types.is_floating(kind)
    try:
        return values.cast(kind, safe=safe)
    except pa.ArrowNotImplementedError as error:
        raise BadInput(f"{place.file}, column '{place.column}' holds {values.type}; it {wrong}") from error
    except pa.ArrowInvalid as error:
        low, high = 0, len(values)
        while high - low > 1:
            middle = (low + high) // 2
            try:
                values.slice(low, middle - low).cast(kind, safe=safe)
                low = middle
            except pa.ArrowInvalid:
                high = middle
        value = (values if original is None else original)[low].as_py()
        remedy = "correct it in the file, or name another column"
        if isinstance(value, str) and _SEPARATED.fullmatch(value):
            remedy = "write numbers with a decimal point, and without separators of thousands"
        raise BadInput(f"{place.at(low)}: {value!r} {wrong}; {remedy}") from error
