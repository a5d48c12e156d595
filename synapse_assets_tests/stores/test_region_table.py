"""One commit per region: what is written, what is left alone, and what is refused."""

import pickle
import subprocess
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.schema import TILES, Column
from synapse_assets.stores.commits import retried
from synapse_assets.stores.files import lost_race, storage_explained
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.row_search import Search
from synapse_assets_tests.stores.samples import names, synapses, tiles, vectors, wanted

# A commit looks for the rows that it replaces once beforehand, and once more when it is its turn.
LAST_LOOK = 2


@pytest.fixture
def table(tmp_path: Path) -> RegionTable:
    return RegionTable(f"{tmp_path}/vectors/tiles.lance", TILES)


def changes(table: RegionTable, region: str, desired: pa.Table) -> tuple[list[str], list[str]]:
    changed, gone = table.changes(region, desired, "tile_hash")
    return changed.to_pylist(), gone.to_pylist()


def apply(table: RegionTable, region: str, ids: list[str], content: str = "a") -> tuple[int, int]:
    """What an asset does: compare, write what changed, drop what is gone."""
    changed, gone = changes(table, region, wanted(ids, content))
    done = table.replace_region(region, tiles(region, changed, content), gone)
    return done.rows_written, done.rows_deleted


def held(table: RegionTable) -> dict[str, list[str]]:
    return {region: table.read(region, ["synapse_id"]).column(0).to_pylist() for region in table.regions()}


def test_importing_the_stores_is_cheap() -> None:
    heavy = "{'lancedb', 'lance', 'duckdb', 'torch', 'dagster'}"
    code = f"import sys, synapse_assets.stores; heavy = {heavy} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_table_that_was_never_written_reads_as_empty(table: RegionTable) -> None:
    assert (table.version, table.count(), table.regions()) == (0, 0, {})
    assert table.read("A", ["image", "synapse_id"]).schema.names == ["image", "synapse_id"]
    assert list(table.batches(None, ["synapse_id"], 10)) == []
    assert changes(table, "A", wanted(["s1"])) == (["s1"], [])
    assert table.replace_region("A", TILES.empty(), ["s1"]).version == 0
    assert not Path(table.uri).exists()
    table.optimize()


def test_writing_a_region_again_changes_nothing_not_even_the_version(table: RegionTable) -> None:
    assert apply(table, "A", names("a", 20)) == (20, 0)
    version, before = table.version, table.read(None, TILES.names)
    assert apply(table, "A", names("a", 20)) == (0, 0)
    assert table.version == version
    assert table.read(None, TILES.names).equals(before)


@pytest.mark.parametrize("optimised", [False, True])
def test_fewer_synapses_remove_exactly_the_gone_ones_in_one_commit(table: RegionTable, optimised: bool) -> None:
    for region in "CAB":
        apply(table, region, names(region, 20))
    assert list(table.regions()) == ["A", "B", "C"]
    if optimised:
        table.optimize()
        dataset = table.lance()
        assert dataset is not None
        assert len(dataset.get_fragments()) == 1
    others = {region: table.read(region, TILES.names) for region in "AC"}
    version = table.version
    assert apply(table, "B", [*names("B", 15), "B99"]) == (1, 5)
    assert table.version == version + 1
    assert held(table)["B"] == sorted([*names("B", 15), "B99"])
    for region, rows in others.items():
        assert table.read(region, TILES.names).equals(rows)
    assert apply(table, "B", []) == (0, 16)
    assert table.regions() == {"A": 20, "C": 20}


def test_changed_content_is_rewritten_and_nothing_else(table: RegionTable) -> None:
    apply(table, "A", names("a", 5))
    assert changes(table, "A", wanted(["a1", "a0"], "b")) == (["a1", "a0"], ["a2", "a3", "a4"])
    table.replace_region("A", tiles("A", ["a1"], "b"), [])
    hashes = dict(zip(*table.read("A", ["synapse_id", "tile_hash"]).to_pydict().values(), strict=True))
    assert hashes == {"a0": "aa0", "a1": "ba1", "a2": "aa2", "a3": "aa3", "a4": "aa4"}


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_a_synapse_that_moves_ends_in_one_region_whatever_the_order(table: RegionTable, order: str) -> None:
    apply(table, "A", ["s", "a1"])
    apply(table, "B", ["b1"])
    after = {"A": ["a1"], "B": ["b1", "s"]}
    for region in order:
        apply(table, region, after[region])
    assert held(table) == after
    for region in "ABA":
        assert apply(table, region, after[region]) == (0, 0)


def test_a_stale_deletion_leaves_the_synapse_in_its_new_region(table: RegionTable) -> None:
    apply(table, "A", ["s", "a1"])
    _, gone = table.changes("A", wanted(["a1"]), "tile_hash")
    apply(table, "B", ["s"])
    assert table.replace_region("A", TILES.empty(), gone).rows_deleted == 0
    assert held(table) == {"A": ["a1"], "B": ["s"]}


def test_a_stale_writer_never_doubles_a_synapse_and_the_next_run_mends_it(table: RegionTable) -> None:
    stale = tiles("A", ["s", "a1"])
    apply(table, "B", ["s"])
    table.replace_region("A", stale, [])
    assert table.count() == 2
    for region, ids in {"B": ["s"], "A": ["a1"]}.items():
        apply(table, region, ids)
    assert held(table) == {"A": ["a1"], "B": ["s"]}


def test_names_with_quotes_are_data(table: RegionTable) -> None:
    region, ids = "A' OR '1'='1", ["it's", 'a"b', "c;--"]
    apply(table, "plain", ["p"])
    apply(table, region, ids)
    assert table.count(region) == 3
    assert table.read_ids(["c;--", "none", "it's"], ["synapse_id"]).column(0).to_pylist() == ["c;--", "it's"]
    assert apply(table, region, ids[:1]) == (0, 2)
    assert table.regions() == {region: 1, "plain": 1}


def test_rows_that_do_not_fit_are_refused_before_anything_changes(table: RegionTable) -> None:
    apply(table, "A", ["a1"])
    good = tiles("A", ["x"])
    cases = {
        "rows of \\['B'\\]": pa.concat_tables([good, tiles("B", ["y"])]),
        "'x' is to be written more than once": pa.concat_tables([good, good]),
        "column 'image' is missing": good.drop_columns(["image"]),
        "columns \\['more'\\]": good.append_column("more", pa.array([1])),
        "empty values": good.set_column(2, "tile_hash", pa.array([None], pa.string())),
        "is not double": good.set_column(5, "valid_fraction", pa.array(["much"])),
    }
    for message, rows in cases.items():
        with pytest.raises(BadInput, match=message):
            table.replace_region("A", rows, [])
    late = pa.RecordBatchReader.from_batches(TILES.arrow, [*good.to_batches(), *tiles("B", ["y"]).to_batches()])
    with pytest.raises(BadInput, match="rows of \\['B'\\]"):
        table.replace_region("A", late, ["a1"])
    assert held(table) == {"A": ["a1"]}
    with pytest.raises(BadInput, match="wanted more than once"):
        table.changes("A", wanted(["a", "a"]), "tile_hash")
    with pytest.raises(BadInput, match="no column \\['nose'\\]"):
        table.read("A", ["nose"])


def test_a_stream_is_written_and_read_in_batches(table: RegionTable) -> None:
    parts = [tiles("A", names(f"p{part}-", 50)).combine_chunks().to_batches()[0] for part in range(4)]
    table.replace_region("A", pa.RecordBatchReader.from_batches(TILES.arrow, parts), [])
    apply(table, "B", names("b", 10))
    batches = list(table.batches("A", ["image", "synapse_id"], 30))
    assert max(batch.num_rows for batch in batches) <= 30
    assert sum(batch.num_rows for batch in batches) == 200
    assert batches[0].schema.names == ["image", "synapse_id"]
    assert len(list(table.batches(None, ["synapse_id"], 1000))) >= 1


def test_a_version_can_be_read_later_and_a_tag_keeps_it(table: RegionTable) -> None:
    apply(table, "A", ["a1", "a2"])
    kept = table.tag("release")
    apply(table, "A", ["a1"])
    apply(table, "A", ["a3"])
    between = table.version - 1
    table.optimize(keep=timedelta(0))
    assert table.at_version(kept).count() == 2
    assert held(table) == {"A": ["a3"]}
    with pytest.raises(BadInput, match=f"no version {between}"):
        table.at_version(between).count()
    with pytest.raises(BadInput, match="is for reading"):
        table.at_version(kept).replace_region("A", tiles("A", ["a1"]), [])
    assert table.tag("release") == table.version


def test_the_table_can_be_pickled_and_opened_with_lancedb(table: RegionTable) -> None:
    import lancedb

    apply(table, "A", ["a1"])
    assert pickle.loads(pickle.dumps(table)).count() == 1  # noqa: S301
    assert lancedb.connect(str(Path(table.uri).parent)).open_table("tiles").count_rows() == 1


def test_other_columns_than_those_on_disk_are_named(table: RegionTable) -> None:
    apply(table, "A", ["a1"])
    other = RegionTable(table.uri, TILES.with_columns([Column("more", pa.int64(), "One more.")]))
    with pytest.raises(
        BadInput, match=r"column 'more' is missing there and int64 now; move .* away and materialise tiles again"
    ):
        other.replace_region("A", tiles("A", ["a1"]).append_column("more", pa.array([1])), [])


def test_synapses_and_vectors_are_stored_too(tmp_path: Path) -> None:
    from synapse_assets.stores import DatasetStore

    store = DatasetStore(str(tmp_path), "sample")
    store.synapses.replace_region("A", synapses("A", ["s1"]), [])
    store.vectors("m1", 4).replace_region("A", vectors("A", ["s1"]), [])
    assert store.synapses.read("A", ["source_file", "neuron_id"]).to_pylist() == [
        {"source_file": "points.csv", "neuron_id": 2**60 + 1}
    ]
    assert store.vectors("m1", 4).read("A", ["vector"]).column(0).to_pylist() == [[0.0, 1.0, 2.0, 3.0]]


def test_a_commit_that_loses_a_race_against_an_optimisation_is_repeated(
    table: RegionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for region in "AB":
        apply(table, region, names(region, 20))
    look = Search.look
    looks: list[Search] = []

    def interrupt(search: Search, dataset: Any) -> Any:
        looks.append(search)
        if len(looks) == LAST_LOOK:
            table.optimize()
        return look(search, dataset)

    monkeypatch.setattr(Search, "look", interrupt)
    assert apply(table, "A", names("A", 15), "b") == (15, 5)
    assert table.regions() == {"A": 15, "B": 20}
    assert set(table.read("A", ["tile_hash"]).column(0).to_pylist()) == {f"b{one}" for one in names("A", 15)}


@pytest.mark.parametrize("before", ["no table", "other regions", "a table that was emptied"])
def test_a_commit_between_reading_and_committing_is_noticed_without_any_lock(
    table: RegionTable, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """As on object storage, where nothing keeps two machines apart."""
    if before != "no table":
        apply(table, "B", names("b", 5))
    if before == "a table that was emptied":
        apply(table, "B", [])
    look = Search.look
    looks: list[Search] = []

    def interrupt(search: Search, dataset: Any) -> Any:
        found = look(search, dataset)
        looks.append(search)
        if len(looks) == LAST_LOOK:
            table.replace_region("A", tiles("A", names("a", 10), "other"), [])
        return found

    monkeypatch.setattr(Search, "look", interrupt)
    monkeypatch.setattr(RegionTable, "_lock", lambda self: nullcontext())
    table.replace_region("A", tiles("A", names("a", 10), "own"), [])
    assert table.regions() == {"A": 10, **({"B": 5} if before == "other regions" else {})}
    assert set(table.read("A", ["tile_hash"]).column(0).to_pylist()) == {f"own{one}" for one in names("a", 10)}


@pytest.mark.parametrize("at_once", [1, 20, 1_000_000])
def test_rows_of_chosen_synapses_come_in_their_order(
    table: RegionTable, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synapse_assets.stores.row_search._BATCH_ROWS", at_once)
    apply(table, "A", names("a", 30))
    apply(table, "B", names("b", 30))
    apply(table, "A", names("a", 25), "c")
    ids = ["a7", "b3", "none", "a1", "a24", "a25", "a7"]
    rows = table.read_ids(ids, ["tile_hash", "synapse_id"])
    assert rows.column("synapse_id").to_pylist() == ["a7", "b3", "a1", "a24", "a7"]
    assert rows.column("tile_hash").to_pylist() == ["ca7", "ab3", "ca1", "ca24", "ca7"]
    numbers = table.numbers_of(pa.array(["b3", "none", "a7"])).tolist()
    assert numbers[1] == -1
    assert table.take([numbers[2], numbers[0]], ["tile_hash", "synapse_id"]).to_pylist() == [
        {"tile_hash": "ca7", "synapse_id": "a7"},
        {"tile_hash": "ab3", "synapse_id": "b3"},
    ]
    assert table.take([], ["tile_hash"]).to_pydict() == {"tile_hash": []}
    batches = list(table.batches_of("A", ids, ["synapse_id", "image"], 2))
    assert [batch.column(0).to_pylist() for batch in batches] == [["a7", "a1"], ["a24", "a7"]]
    assert list(table.batches_of("A", ["none"], ["synapse_id"], 2)) == []


def test_two_that_make_a_table_at_once_lose_a_race_and_no_more(tmp_path: Path) -> None:
    """What Lance says to a writer whose empty table was made once more by another meanwhile."""
    import lance

    uri, empty = str(tmp_path / "tiles.lance"), TILES.empty()
    mine = lance.write_dataset(empty, uri)
    lance.write_dataset(empty, uri, mode="overwrite")
    operation = lance.LanceOperation.Merge([], mine.lance_schema)
    with pytest.raises(Exception, match="transaction") as error:
        lance.LanceDataset.commit(mine, operation, read_version=1)
    assert lost_race(error.value)
    failures = [error.value]

    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "written"

    with storage_explained("s3://lab/tiles.lance"):
        assert retried(attempt) == "written"
    assert not lost_race(OSError("connection refused"))


@pytest.mark.parametrize("older", [False, True])
def test_pictures_are_not_compressed_once_more(tmp_path: Path, older: bool) -> None:
    """Also into a table that was made before, when Lance tried."""
    table = RegionTable(str(tmp_path / "tiles.lance"), TILES)
    if older:
        lance.write_dataset(TILES.empty(), table.uri, mode="create")
    rows = tiles("EB", names("s", 20), size=100_000)
    table.replace_region("EB", rows, [])
    files = [path.stat().st_size for path in (tmp_path / "tiles.lance" / "data").iterdir()]
    # Each is the same 32 bytes over and over.
    assert sum(files) > 20 * 99_000
    stored = table.read("EB", TILES.names)
    assert stored.equals(rows.sort_by("synapse_id"))
    table.replace_region("EB", tiles("EB", names("s", 10), content="b", size=100_000), [])
    table.optimize()
    images = dict(
        zip(*(table.read("EB", ["synapse_id", "image"]).column(at).to_pylist() for at in (0, 1)), strict=True)
    )
    wanted_images = dict(zip(names("s", 20), rows.column("image").to_pylist(), strict=True))
    later = tiles("EB", names("s", 10), content="b", size=100_000).column("image").to_pylist()
    assert images == wanted_images | dict(zip(names("s", 10), later, strict=True))
