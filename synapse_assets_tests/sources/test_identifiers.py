"""Identifiers in columns of numbers: kept to the last digit, or refused by name where the column's type cannot hold them."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import Columns
from synapse_assets.datasets.sources import NeuronTable
from synapse_assets.errors import BadInput
from synapse_assets.sources import read_neurons
from synapse_assets.sources.inspect import inspect_file
from synapse_assets_tests.sources.tables import column, read, source
from synapse_assets_tests.sources.tables import write as write_table

EXACT_BELOW = {np.float16: 2**11, np.float32: 2**24, np.float64: 2**53}
TYPED = [".parquet", ".feather", ".arrow"]
PLACE = {"x": pa.array([1, 2, 3]), "y": pa.array([1, 2, 3]), "z": pa.array([1, 2, 3])}


def write(folder: Path, suffix: str, columns: dict[str, pa.Array]) -> Path:
    path = folder / f"points{suffix}"
    table = pa.table(columns)
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pa.feather.write_feather(table, str(path), compression="uncompressed")
    return path


def ids(width: type[np.floating], *, last: int) -> pa.Array:
    """Three ids in floating-point numbers of that width; the last one is rounded if the width cannot hold it."""
    return pa.array(np.array([last - 1, 5, last], width))


@pytest.mark.parametrize("suffix", TYPED)
@pytest.mark.parametrize("use", ["synapse_id", "neuron_id", "partner_id", "section", "object_id", "id_from"])
@pytest.mark.parametrize("width", EXACT_BELOW)
def test_ids_that_a_width_cannot_hold_are_refused_by_name(
    tmp_path: Path, width: type[np.floating], use: str, suffix: str
) -> None:
    first_inexact = EXACT_BELOW[width]
    given: dict[str, object] = (
        {"id_from": ["mine"], "columns": Columns()} if use == "id_from" else {"columns": Columns(**{use: "mine"})}
    )
    for last in (first_inexact, first_inexact + 2):
        path = write(tmp_path, suffix, {**PLACE, "mine": ids(width, last=last)})
        bits = re.escape(f"of {np.dtype(width).itemsize * 8} bits")
        with pytest.raises(BadInput, match=rf"row [13], column 'mine' holds .* floating-point numbers {bits}"):
            read(source(path, units="nm", **given))
    path = write(tmp_path, suffix, {**PLACE, "mine": ids(width, last=first_inexact - 1)})
    table = read(source(path, units="nm", **given))
    wanted = [first_inexact - 2, 5, first_inexact - 1]
    name = {"id_from": "synapse_id", "partner_id": None}.get(use, use)
    if name is not None:
        assert [int(value) for value in column(table, name)] == wanted


def test_three_neurons_stay_three_or_are_refused(tmp_path: Path) -> None:
    true = [16_777_217, 16_777_216, 16_777_219]
    columns = {**PLACE, "skeleton_id": pa.array(true)}
    mapped = {"units": "nm", "columns": Columns(neuron_id="skeleton_id")}
    whole = read(source(write(tmp_path, ".parquet", columns), **mapped))
    assert column(whole, "neuron_id") == true
    narrow = write(tmp_path, ".parquet", {**columns, "skeleton_id": pa.array(np.array(true, np.float32))})
    with pytest.raises(
        BadInput, match=r"row 1, column 'skeleton_id' .*2\^24 only, and 16777216 may .*integers or text"
    ):
        read(source(narrow, **mapped))
    assert any("column 'skeleton_id'" in problem for problem in inspect_file(str(narrow)).problems)


@pytest.mark.parametrize("values", ["dictionary", "large", "negative"])
def test_other_ways_to_hold_narrow_numbers(tmp_path: Path, values: str) -> None:
    narrow = {
        "dictionary": ids(np.float32, last=2**24).dictionary_encode(),
        "large": pa.array(np.array([1, 2, 3e38], np.float32)),
        "negative": pa.array(np.array([1, 2, -(2**24)], np.float32)),
    }[values]
    path = write(tmp_path, ".feather", {**PLACE, "mine": narrow})
    with pytest.raises(BadInput, match=r"row 3, column 'mine' holds .* of 32 bits"):
        read(source(path, units="nm", columns=Columns(neuron_id="mine")))


@pytest.mark.parametrize("width", EXACT_BELOW)
def test_a_table_of_neurons_in_narrow_numbers(tmp_path: Path, width: type[np.floating]) -> None:
    first_inexact = EXACT_BELOW[width]
    neurons = {"name": "n", "format": "neurons", "columns": {"neuron_id": "body"}}
    path = write(tmp_path, ".parquet", {"body": ids(width, last=first_inexact)})
    with pytest.raises(BadInput, match=r"row 3, column 'body' holds .* floating-point numbers"):
        read_neurons(NeuronTable.model_validate({**neurons, "path": str(path)}))
    path = write(tmp_path, ".parquet", {"body": ids(width, last=first_inexact - 1)})
    found = read_neurons(NeuronTable.model_validate({**neurons, "path": str(path)}))
    assert column(found, "neuron_id") == [first_inexact - 2, 5, first_inexact - 1]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, False, True]),
        pa.array([1, 2, 3], pa.timestamp("us")),
        pa.array([1, 2, 3], pa.duration("s")),
        pa.array([1, 2, 3], pa.time64("us")),
        pa.array([1, 2, 3], pa.date32()),
        pa.array([[1], [2], [3]]),
    ],
    ids=lambda values: str(values.type),
)
def test_what_is_no_number_is_no_neuron(tmp_path: Path, values: pa.Array) -> None:
    path = write(tmp_path, ".parquet", {**PLACE, "mine": values})
    with pytest.raises(BadInput, match=r"column 'mine' holds .*; it is not a whole number"):
        read(source(path, units="nm", columns=Columns(neuron_id="mine")))


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()], ids=str)
def test_background_and_what_is_below_it_is_no_neuron(tmp_path: Path, kind: pa.DataType) -> None:
    for given, wanted in (([0, -1, 1], [None, None, 1]), ([-5, 2, -(2**40)], [None, 2, None])):
        path = write(tmp_path, ".parquet", {**PLACE, "mine": pa.array(given).cast(kind)})
        table = read(source(path, units="nm", columns=Columns(neuron_id="mine")))
        assert column(table, "neuron_id") == wanted


def test_exact_decimals_are_ids(tmp_path: Path) -> None:
    big = 720575940612345679
    for kind, suffix in ((pa.decimal128(20), ".parquet"), (pa.decimal128(38, 2), ".feather")):
        path = write(tmp_path, suffix, {**PLACE, "mine": pa.array([big, None, 3]).cast(kind, safe=False)})
        assert column(read(source(path, units="nm", columns=Columns(neuron_id="mine"))), "neuron_id") == [big, None, 3]


@pytest.mark.parametrize("kind", ["floats", "spreadsheets", "exact"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_ids_that_were_rounded_before_are_seen(tmp_path: Path, kind: str, suffix: str) -> None:
    exact = [720575940612345679 + 7919 * index for index in range(8)]
    given = {
        "exact": exact,
        "floats": [int(float(one)) for one in exact],
        "spreadsheets": [one // 1000 * 1000 for one in exact],
    }
    rows = {axis: pa.array(range(8)) for axis in "xyz"} | {"neuron_id": pa.array(given[kind])}
    problems = inspect_file(str(write_table(tmp_path, suffix, pa.table(rows)))).problems
    assert any(f"are those that {kind} round to" in problem for problem in problems) is (kind != "exact")


def test_positions_in_half_precision_are_refused_where_they_are_rounded(tmp_path: Path) -> None:
    def place(highest: float) -> dict[str, pa.Array]:
        return {**PLACE, "x": pa.array(np.array([1, 0.5, highest], np.float16))}

    read(source(write(tmp_path, ".parquet", place(2047)), columns=Columns()))
    with pytest.raises(BadInput, match=r"row 3, column 'x' .* of 16 bits"):
        read(source(write(tmp_path, ".parquet", place(2049)), columns=Columns()))
    with pytest.raises(BadInput, match=r"column 'x' holds bool; it is no number"):
        read(source(write(tmp_path, ".parquet", {**PLACE, "x": pa.array([True, False, True])}), columns=Columns()))
    lists = pa.array([np.array([1, 2, last], np.float16) for last in (3, 4, 30_001)], pa.list_(pa.float16()))
    with pytest.raises(BadInput, match=r"row 3, column 'at' .* of 16 bits"):
        read(source(write(tmp_path, ".feather", {"at": lists}), columns=Columns(position="at")))
