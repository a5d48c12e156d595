"""The index over vectors: when there is one, what it finds, and that it stays right while regions are written."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.schema import embedding_table
from synapse_assets.stores import DatasetStore, Provenance, maintain, vector_index
from synapse_assets.stores.commits import retried
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import vector_matrix, vector_rows
from synapse_assets.stores.vector_index import EXACT, INDEXED, build_or_refresh, index_state, nearest, recall_at_10
from synapse_assets_tests.stores import workers
from synapse_assets_tests.stores.samples import names

WIDTH = 16
ROWS = 900
REGIONS = ("A", "B", "C")
SMALL = 1000


def clustered(count: int, seed: int, groups: int = 30) -> np.ndarray:
    """Vectors float32 (count, WIDTH) around the same centres whatever the seed."""
    centres = np.random.default_rng(0).normal(size=(groups, WIDTH))
    random = np.random.default_rng([seed, count])
    picked = centres[random.integers(0, groups, count)]
    return (picked + 0.4 * random.normal(size=(count, WIDTH))).astype(np.float32)


def rows(region: str, ids: list[str], seed: int) -> pa.Table:
    return vector_rows(embedding_table(WIDTH), ids, region, ["h"] * len(ids), "m1", clustered(len(ids), seed))


def write(table: RegionTable, region: str, ids: list[str], seed: int) -> None:
    """Re-materialises a region with other vectors; what is not in `ids` goes."""
    stored = set(table.read(region, ["synapse_id"]).column(0).to_pylist())
    table.replace_region(region, rows(region, ids, seed), sorted(stored - set(ids)))


def all_distances(table: RegionTable, queries: np.ndarray, region: str | None = None) -> tuple[list[str], np.ndarray]:
    """Ids of all rows of a region, and their cosine distances (queries, rows), by numpy alone."""
    stored = table.read(region, ["synapse_id", "vector"])
    matrix, queries = vector_matrix(stored).astype(np.float64), queries.astype(np.float64)
    lengths = np.outer(np.linalg.norm(queries, axis=1), np.linalg.norm(matrix, axis=1))
    return stored.column("synapse_id").to_pylist(), 1 - queries @ matrix.T / lengths


def share_found(table: RegionTable, queries: np.ndarray, region: str | None = None) -> float:
    """Mean share of the ten nearest that the search returns, after asserting that its distances are exact."""
    where = None if region is None else f"brain_region = '{region}'"
    ids, distances = all_distances(table, queries, region)
    shares = []
    for query, of_query in zip(queries, distances, strict=True):
        found = nearest(table, query, 10, where)
        answer, expected = found.column("synapse_id").to_pylist(), dict(zip(ids, of_query, strict=True))
        given = found.column("distance").to_numpy()
        np.testing.assert_allclose(given, [expected[one] for one in answer], atol=1e-6)
        assert given.tolist() == sorted(given)
        assert len(set(answer)) == len(answer) == 10
        shares.append(len({ids[place] for place in np.argsort(of_query)[:10]} & set(answer)) / 10)
    return float(np.mean(shares))


@pytest.fixture
def table(tmp_path: Path) -> RegionTable:
    found = DatasetStore(str(tmp_path), "sample").vectors("m1", WIDTH)
    for seed, region in enumerate(REGIONS):
        write(found, region, names(region, ROWS), seed)
    return found


def test_few_rows_get_no_index_and_are_searched_exactly(table: RegionTable) -> None:
    version = table.version
    state = build_or_refresh(table)
    assert (state.kind, state.rows, state.lists, state.unindexed_rows) == (EXACT, 3 * ROWS, 0, 0)
    assert table.version == state.version == version
    assert share_found(table, clustered(10, 77)) == 1.0
    assert share_found(table, clustered(5, 77), "B") == 1.0


def test_many_rows_get_an_index_once(table: RegionTable) -> None:
    state = build_or_refresh(table, SMALL)
    assert (state.kind, state.rows, state.indexed_rows, state.unindexed_rows) == (INDEXED, 3 * ROWS, 3 * ROWS, 0)
    assert 7 <= state.lists <= 26
    assert "ANNSubIndex" in plan(table)
    assert share_found(table, clustered(40, 77)) >= 0.99
    assert build_or_refresh(table, SMALL) == state == index_state(table)
    assert table.version == state.version


def plan(table: RegionTable) -> str:
    asked = {"column": "vector", "q": np.ones(WIDTH, np.float32), "k": 1, "metric": "cosine"}
    return str(table.lance().scanner(nearest=asked).explain_plan())  # type: ignore[union-attr]


@pytest.mark.parametrize("refreshed", [False, True])
def test_a_region_made_again_is_found_as_it_is_now(table: RegionTable, refreshed: bool) -> None:
    before = build_or_refresh(table, SMALL)
    old = vector_matrix(table.read("B", ["vector"]))[:30]
    write(table, "B", [*names("B", 300), *names("new", 200)], 50)
    assert index_state(table).unindexed_rows == 500
    if refreshed:
        after = build_or_refresh(table, SMALL)
        assert after.unindexed_rows == 0
        assert after.rows == after.indexed_rows == 2 * ROWS + 500
        # Lance joins small lists unless it is told how large they are meant to be.
        assert after.lists >= before.lists / 2
    new = vector_matrix(table.read_ids(names("new", 30), ["vector"]))
    assert share_found(table, new) >= 0.99
    assert share_found(table, old) >= 0.99
    for name, vector in zip(names("new", 30), new, strict=True):
        assert nearest(table, vector, 1).column("synapse_id").to_pylist() == [name]
    gone = {f"B{number}" for number in range(300, ROWS)}
    assert not gone & set(nearest(table, old[0], table.count()).column("synapse_id").to_pylist())


def test_a_table_that_doubled_is_trained_again(table: RegionTable) -> None:
    before = build_or_refresh(table, SMALL)
    write(table, "D", names("D", 6 * ROWS), 3)
    after = build_or_refresh(table, SMALL)
    assert (after.rows, after.unindexed_rows) == (9 * ROWS, 0)
    assert before.lists < after.lists < 2.5 * before.lists
    details = {one.name: one.details for one in table.lance().describe_indices()}  # type: ignore[union-attr]
    assert details["vector_index"]["target_partition_size"] == 4 * 90
    assert share_found(table, clustered(20, 77)) >= 0.99


def test_an_index_outlives_its_rows(table: RegionTable) -> None:
    build_or_refresh(table, SMALL)
    for region in REGIONS:
        write(table, region, [], 0)
    state = build_or_refresh(table, SMALL)
    assert (state.kind, state.rows, state.unindexed_rows) == (INDEXED, 0, 0)
    assert nearest(table, clustered(1, 0)[0], 3).num_rows == 0
    assert recall_at_10(table, REGIONS) == {}
    write(table, "A", names("A", 700), 9)
    assert build_or_refresh(table, SMALL).unindexed_rows == 0
    assert share_found(table, clustered(20, 77)) >= 0.99


@pytest.mark.parametrize("selected", [0, 10**6])
def test_a_filter_is_applied_before_the_search(
    table: RegionTable, selected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly, or, where it leaves many rows, by the index."""
    monkeypatch.setattr(vector_index, "EXACT_SELECTED", selected)
    monkeypatch.setattr(vector_index, "_LIST_ROWS", 1)
    build_or_refresh(table, SMALL)
    assert share_found(table, clustered(30, 77), "C") >= 0.99
    monkeypatch.setattr(vector_index, "_probes", lambda *_: 1)
    few = nearest(table, clustered(1, 77)[0], 10, "synapse_id in ('A1', 'B2', 'C3')")
    assert sorted(few.column("synapse_id").to_pylist()) == ["A1", "B2", "C3"]


def test_recall_is_what_a_search_by_hand_gives(table: RegionTable, monkeypatch: pytest.MonkeyPatch) -> None:
    # An index that knows little of each vector, but is looked into everywhere: with every row a candidate nothing is missed.
    monkeypatch.setattr(vector_index, "_BITS", 1)
    monkeypatch.setattr(vector_index, "_LEAST_PROBES", 10_000)
    monkeypatch.setattr(vector_index, "_CANDIDATES", 1000)
    write(table, "it's small", ["one", "two"], 5)
    write(table, "D", names("D", 200), 6)
    table = table.at_version(build_or_refresh(table, SMALL).version)
    good = recall_at_10(table, [*REGIONS, "it's small", "nowhere"], queries=20)
    assert good == dict.fromkeys([*REGIONS, "it's small"], 1.0)

    monkeypatch.setattr(vector_index, "_CANDIDATES", 1)
    monkeypatch.setattr(vector_index, "EXACT_SELECTED", 1000)
    in_all = recall_at_10(table, ["D"], queries=200)["D"]
    assert in_all == pytest.approx(recall_by_hand(table, "D", None), abs=1e-3)
    assert in_all < 0.95
    # Of few rows the seed decides which.
    some = [recall_at_10(table, ["D"], queries=5, seed=seed)["D"] for seed in range(4)]
    assert len(set(some)) > 1
    assert recall_at_10(table, ["D"], queries=5, seed=3)["D"] == some[3]
    # In the region alone too, where it is large enough for the index.
    monkeypatch.setattr(vector_index, "EXACT_SELECTED", 1)
    both = recall_at_10(table, ["D", "it's small"], queries=200)
    assert set(both) == {"D", "it's small"}
    assert both["D"] == pytest.approx(min(in_all, recall_by_hand(table, "D", "D")), abs=1e-3)


def recall_by_hand(table: RegionTable, region: str, searched: str | None) -> float:
    """Share of the ten nearest others of each row of a region that are found in another region, or in all."""
    stored, shares = table.read(region, ["synapse_id", "vector"]), []
    queries = vector_matrix(stored)
    ids, distances = all_distances(table, queries, searched)
    where = None if searched is None else f"brain_region = '{searched}'"
    for name, query, of_query in zip(stored.column(0).to_pylist(), queries, distances, strict=True):
        wanted = {ids[place] for place in np.argsort(of_query)[:11]} - {name}
        found = [one for one in nearest(table, query, 11, where).column("synapse_id").to_pylist() if one != name]
        shares.append(len(wanted & set(found[:10])) / 10)
    return float(np.mean(shares))


@pytest.mark.parametrize("near", [3, 12, 40])
def test_rows_that_are_all_farther_change_no_recall(tmp_path: Path, near: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read later than the nearest, a whole batch of them has nothing to add for any of a few rows asked for."""
    monkeypatch.setattr(vector_index, "_READ_ROWS", 16)
    table = DatasetStore(str(tmp_path), "sample").vectors("m1", WIDTH)
    towards = np.eye(1, WIDTH, dtype=np.float32) * 20
    for region, count, side in (("near", near, 1), ("far", 64, -1)):
        matrix = clustered(count, 1) + side * towards
        ids = names(region, count)
        table.replace_region(region, vector_rows(embedding_table(WIDTH), ids, region, ["h"] * count, "m1", matrix), [])
    assert recall_at_10(table, ["near"], queries=2) == {"near": 1.0}
    assert recall_at_10(table, ["far", "near"], queries=2, seed=1) == {"far": 1.0, "near": 1.0}


def test_equal_pictures_are_as_good_as_each_other(tmp_path: Path) -> None:
    table = DatasetStore(str(tmp_path), "sample").vectors("m1", WIDTH)
    same = np.repeat(clustered(20, 1), 100, axis=0)
    ids = names("A", len(same))
    table.replace_region("A", vector_rows(embedding_table(WIDTH), ids, "A", ["h"] * len(ids), "m1", same), [])
    assert build_or_refresh(table, SMALL).kind == INDEXED
    assert recall_at_10(table, ["A"]) == {"A": 1.0}


def test_a_single_row_and_no_table(tmp_path: Path) -> None:
    table = DatasetStore(str(tmp_path), "sample").vectors("m1", WIDTH)
    assert build_or_refresh(table, 0).rows == 0
    assert nearest(table, np.ones(WIDTH, np.float32), 3).schema.names == ["synapse_id", "distance"]
    assert recall_at_10(table, ["A"]) == {}
    write(table, "A", ["one"], 0)
    assert build_or_refresh(table, 0).kind == INDEXED
    assert nearest(table, np.ones(WIDTH, np.float32), 3).column("synapse_id").to_pylist() == ["one"]
    assert recall_at_10(table, ["A"]) == {"A": 1.0}


@pytest.mark.parametrize("query", [np.ones(WIDTH + 1), np.ones((2, WIDTH)), np.zeros(WIDTH), np.full(WIDTH, np.nan)])
def test_a_query_that_is_none(table: RegionTable, query: np.ndarray) -> None:
    with pytest.raises(BadInput, match="16 finite numbers"):
        nearest(table, query.astype(np.float32), 3)


def test_a_released_version_keeps_its_own_index(table: RegionTable) -> None:
    released = table.at_version(build_or_refresh(table, SMALL).version)
    queries = clustered(10, 77)
    before = [nearest(released, query, 10) for query in queries]
    write(table, "A", names("other", 100), 9)
    write(table, "B", [], 0)
    build_or_refresh(table, SMALL)
    assert [nearest(released, query, 10) for query in queries] == before
    assert index_state(released).rows == 3 * ROWS
    with pytest.raises(BadInput, match="for reading"):
        build_or_refresh(released)


def test_upkeep_leaves_a_complete_index(tmp_path: Path, table: RegionTable) -> None:
    store = DatasetStore(str(tmp_path), "sample")
    store.models("encoder").save("m1", lambda folder: None, Provenance("encoder", "m1", {}, {}, 0))
    store.models("encoder").promote("m1")
    before = build_or_refresh(table, SMALL)
    for generation in range(4):
        write(table, "A", names("A", 500 + generation), 20 + generation)
    files = len(table.lance().get_fragments())  # type: ignore[union-attr]
    maintain(store)
    state = index_state(table)
    assert (state.kind, state.rows, state.unindexed_rows) == (INDEXED, 2 * ROWS + 503, 0)
    assert state.lists >= before.lists / 2
    assert len(table.lance().get_fragments()) < files  # type: ignore[union-attr]
    assert share_found(table, clustered(20, 77)) >= 0.99
    assert share_found(table, clustered(5, 77), "A") >= 0.99


def test_an_index_that_upkeep_overtakes_is_built_again(table: RegionTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were merged between its look at the table and its commit are a conflict."""
    looks, look = [], vector_index._trained_on

    def overtaken(dataset: Any) -> int | None:
        looks.append(dataset.version)
        if len(looks) == 1:
            table.optimize()
        return look(dataset)

    monkeypatch.setattr(vector_index, "_trained_on", overtaken)
    state = build_or_refresh(table, SMALL)
    assert (state.kind, state.unindexed_rows) == (INDEXED, 0)
    assert len(set(looks)) > 2, "it looked again"
    assert share_found(table, clustered(20, 77)) >= 0.99


def keep_writing(table: RegionTable, region: str, rounds: int) -> None:
    for generation in range(rounds):
        write(table, region, names(f"{region}{generation}-", 300), 100 + generation)


def keep_indexing(table: RegionTable, rounds: int) -> None:
    """Builds from nothing and refreshes in turn; what it reports complete can be searched at that version."""
    for number in range(rounds):
        if number % 2 == 0 and index_state(table).kind == INDEXED:
            retried(lambda: table.lance().drop_index("vector_index"))  # type: ignore[union-attr]
        state = build_or_refresh(table, SMALL)
        there = set(table.at_version(state.version).read(None, ["synapse_id"]).column(0).to_pylist())
        found = nearest(table.at_version(state.version), clustered(1, number)[0], 50)
        assert set(found.column("synapse_id").to_pylist()) <= there


def test_writers_upkeep_and_the_index_do_not_disturb_each_other(table: RegionTable) -> None:
    rounds = 8
    jobs: list[tuple[Any, tuple[Any, ...]]] = [
        (keep_writing, (table, "A", rounds)),
        (keep_indexing, (table, rounds)),
        (workers.keep_optimising, (table.uri, rounds)),
    ]
    workers.together(workers.call, jobs)
    assert table.regions() == {"A": 300, "B": ROWS, "C": ROWS}
    assert share_found(table, clustered(20, 77)) >= 0.99
    assert build_or_refresh(table, SMALL).unindexed_rows == 0
    assert share_found(table, clustered(20, 77)) >= 0.99
    last = set(names(f"A{rounds - 1}-", 300))
    found = nearest(table, clustered(1, 77)[0], table.count(), "brain_region = 'A'")
    assert set(found.column("synapse_id").to_pylist()) == last
