"""Rows are found by their ids: exactly those, wherever they lie, in files with and without deleted rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.schema import TILES
from synapse_assets.stores import row_search
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.row_search import Search, row_numbers
from synapse_assets_tests.stores.samples import names, tiles


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegionTable:
    """Three regions in several files, some rows of which are deleted; read a few rows at a time."""
    monkeypatch.setattr(row_search, "_BATCH_ROWS", 7)
    table = RegionTable(f"{tmp_path}/tiles.lance", TILES)
    for region in "ABC":
        table.replace_region(region, tiles(region, names(region, 40)), [])
    table.replace_region("B", tiles("B", names("B", 10), "again"), names("B", 40)[30:])
    table.replace_region("C", tiles("C", names("C", 40)[35:], "again"), [])
    return table


def opened(table: RegionTable) -> Any:
    dataset = table.lance()
    assert dataset is not None
    return dataset


def rows_at(table: RegionTable, offsets: "row_search.Offsets") -> list[str]:
    """Ids of the rows at those offsets."""
    at = {number << 32 | int(offset) for number, some in offsets.items() for offset in some}
    rows = opened(table).to_table(columns=["synapse_id"], with_row_address=True)
    pairs = zip(rows.column("_rowaddr").to_pylist(), rows.column("synapse_id").to_pylist(), strict=True)
    found = [synapse_id for address, synapse_id in pairs if address in at]
    assert len(found) == len(at) == sum(map(len, offsets.values()))
    return sorted(found)


@pytest.mark.parametrize("known", [1, 30])
def test_a_search_finds_what_is_replaced_and_what_is_deleted_in_its_region(table: RegionTable, known: int) -> None:
    written = [*names("B", 20)[20 - known :], "A7", "new", *(f"other{number}" for number in range(known))]
    gone = ["B25", "B26", "A1", "C39", "B7", "B39", "none"]
    replaced, deleted = Search("B", pa.array(written), pa.array(gone)).look(opened(table))
    stored = {*names("A", 40), *names("B", 30), *names("C", 40)}
    assert rows_at(table, replaced) == sorted(set(written) & stored)
    assert rows_at(table, deleted) == sorted({"B25", "B26", "B7"} - set(written))
    nothing = Search("B", pa.array([], pa.string()), pa.array([], pa.string())).look(opened(table))
    assert nothing == ({}, {})


def test_the_next_look_reads_only_files_that_came_or_lost_rows(
    table: RegionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    search_files = Search._search

    def counted(search: Search, dataset: Any, fragments: Any) -> Any:
        read.append(len(fragments))
        return search_files(search, dataset, fragments)

    search = Search("A", pa.array(["A1", "A2", "C3", "later"]), pa.array(["A30", "B3"]))
    search.look(opened(table))
    monkeypatch.setattr(Search, "_search", counted)
    assert search.look(opened(table)) == search.look(opened(table))
    assert read == []
    table.replace_region("C", tiles("C", ["later", "C3"]), [])
    read.clear()
    replaced, deleted = search.look(opened(table))
    assert read == [2]
    assert len(opened(table).get_fragments()) > 2
    assert rows_at(table, replaced) == ["A1", "A2", "C3", "later"]
    assert rows_at(table, deleted) == ["A30"]
    table.optimize()
    assert rows_at(table, search.look(opened(table))[0]) == ["A1", "A2", "C3", "later"]


@pytest.mark.parametrize("region", [None, "B"])
def test_row_numbers_are_those_that_rows_are_taken_by(table: RegionTable, region: str | None) -> None:
    ids = ["C39", "B3", "none", "B29", "B30", "A0", "B3", *names("C", 30)]
    numbers = row_numbers(opened(table), pa.chunked_array([ids[:3], ids[3:]]), region)
    there = ["C39", "B3", "B29", "A0", "B3", *names("C", 30)]
    expected = [one for one in there if region is None or one.startswith(region)]
    taken = opened(table).take(numbers[numbers >= 0].tolist(), columns=["synapse_id"])
    assert taken.column(0).to_pylist() == expected
    assert [one for one, number in zip(ids, numbers, strict=True) if number >= 0] == expected
    assert numbers.dtype == np.int64
