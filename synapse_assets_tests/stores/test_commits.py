"""Parts that are written by some and committed by another: what is shown, what is refused, and what happens when it is tried again."""

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import lance
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.schema import TILES, embedding_table
from synapse_assets.stores import DatasetStore, WrittenPart
from synapse_assets.stores.region_table import RegionTable
from synapse_assets_tests.stores import workers
from synapse_assets_tests.stores.object_store import ObjectStore, object_store  # noqa: F401 -- a fixture
from synapse_assets_tests.stores.samples import names, tiles, vectors

AGE_SECONDS = 9 * 24 * 3600


@pytest.fixture
def table(tmp_path: Path) -> RegionTable:
    table = RegionTable(f"{tmp_path}/tiles.lance", TILES)
    table.replace_region("A", tiles("A", names("a", 6)), [])
    table.replace_region("B", tiles("B", names("b", 3)), [])
    return table


def part(table: RegionTable, ids: list[str], content: str = "new", region: str = "A") -> WrittenPart:
    return table.write_part(region, tiles(region, ids, content))


def contents(table: RegionTable) -> dict[str, str]:
    """The hash of every synapse's picture, after asserting that each is there once and no file twice."""
    rows = table.read(None, ["synapse_id", "tile_hash"])
    dataset = table.lance()
    assert dataset is not None
    files = Counter(file.path for fragment in dataset.get_fragments() for file in fragment.data_files())
    assert set(files.values()) <= {1}
    hashes = dict(zip(*rows.to_pydict().values(), strict=True))
    assert len(hashes) == rows.num_rows
    return hashes


def test_parts_of_several_processes_are_what_one_process_would_have_written(
    object_store: ObjectStore,  # noqa: F811
    tmp_path: Path,
) -> None:
    """On object storage, in a table whose name has to be quoted; the parts are carried as text."""
    table = object_store.store(tmp_path).vectors("a/b c", 4)
    alone = RegionTable(f"{tmp_path}/alone.lance", embedding_table(4))
    for one in (table, alone):
        one.replace_region("A", vectors("A", names("a", 30)), [])
        one.replace_region("B", vectors("B", names("b", 5)), [])
    rows = vectors("A", [*names("a", 20), *names("new", 20), "b3"])
    pieces = [rows.slice(0, 25), rows.slice(25)]
    texts = workers.together(workers.write_part, [(table, "A", piece) for piece in pieces])
    assert table.count() == 35
    done = table.commit("A", [WrittenPart.from_json(text) for text in texts], names("a", 30)[20:])
    assert (done.rows_written, done.rows_deleted) == (41, 10)
    alone.replace_region("A", rows, names("a", 30)[20:])
    assert table.read(None, table.table.names).equals(alone.read(None, table.table.names))
    assert table.regions() == {"A": 41, "B": 4}


def test_parts_that_do_not_belong_together_are_refused_before_anything_changes(table: RegionTable) -> None:
    version, before = table.version, contents(table)
    cases = {
        "'x' is to be written more than once": [part(table, ["x", "y"]), part(table, ["x"])],
        r"written for \['B'\]": [part(table, ["x"]), part(table, ["z"], region="B")],
    }
    for message, parts in cases.items():
        with pytest.raises(BadInput, match=message):
            table.commit("A", parts, ["a1"])
    with pytest.raises(BadInput, match="more than once"):
        part(table, ["x", "x"])
    assert (table.version, contents(table)) == (version, before)


def test_empty_parts_change_nothing(table: RegionTable) -> None:
    version = table.version
    empty = WrittenPart.from_json(part(table, []).to_json())
    assert (len(empty.ids), empty.fragments, table.missing_files(empty)) == (0, (), [])
    for parts in ([], [empty], [empty, empty]):
        done = table.commit("A", parts, [])
        assert (done.rows_written, done.rows_deleted, done.version) == (0, 0, version)
    assert table.commit("A", [empty, part(table, ["x"])], ["a0"]).rows_deleted == 1
    assert sorted(contents(table)) == sorted([*names("a", 6)[1:], *names("b", 3), "x"])


def make_old(table: RegionTable, files: list[str], store: ObjectStore | None) -> None:
    """As if those files had been written nine days ago."""
    if store is None:
        for path in files:
            os.utime(path, (time.time() - AGE_SECONDS,) * 2)
    else:
        for path in files:
            store.make_old(path, AGE_SECONDS)


@pytest.mark.parametrize("where", ["disk", "object storage"])
def test_a_part_whose_file_was_cleaned_up_is_refused_and_can_be_written_again(
    object_store: ObjectStore,  # noqa: F811
    tmp_path: Path,
    where: str,
) -> None:
    """Upkeep removes what nobody committed for a week; without the refusal the commit succeeds, and the region cannot be read."""
    store = DatasetStore(str(tmp_path), "sample") if where == "disk" else object_store.store(tmp_path)
    table = store.vectors("a/b c", 4)
    table.replace_region("A", vectors("A", names("a", 4)), [])
    late, fresh = (table.write_part("A", vectors("A", [one])) for one in ("late", "fresh"))
    assert table.missing_files(late) == []
    (file,) = late.metadata()[0].files
    address = store.folder.child("vectors", "embeddings_a%2Fb%20c.lance", "data").address(file.path)
    make_old(table, [address], None if where == "disk" else object_store)
    version = table.version
    table.optimize()
    assert table.missing_files(fresh) == []
    assert table.missing_files(late) == [address]
    before = table.version
    with pytest.raises(BadInput, match=r"1 files of rows .* are gone.*materialise the asset again") as refused:
        table.commit("A", [fresh, late], ["a1"])
    assert address in str(refused.value)
    assert table.version == before >= version
    assert table.read("A", ["synapse_id"]).column(0).to_pylist() == names("a", 4)
    table.commit("A", [fresh, table.write_part("A", vectors("A", ["late"]))], ["a1"])
    assert table.read("A", table.table.names).column(0).to_pylist() == ["a0", "a2", "a3", "fresh", "late"]


def test_a_commit_that_is_repeated_shows_nothing_twice_and_takes_nothing_back(table: RegionTable) -> None:
    first, second = part(table, ["a0", "x", "y"]), part(table, ["z"])
    done = table.commit("A", [first], ["a5"])
    after = contents(table)
    again = table.commit("A", [first], ["a5"])
    assert (again.rows_written, again.rows_deleted, again.version) == (3, 0, done.version)
    assert contents(table) == after
    # What came later stays, also where the part is committed once more beside a new one.
    table.replace_region("A", tiles("A", ["x"], "later"), [])
    assert table.commit("A", [first, second], []).rows_written == 4
    assert contents(table) == {**after, "x": "laterx", "z": "newz"}
    # No file of it is in the table any more: its rows take their own place.
    table.optimize()
    table.commit("A", [second], [])
    assert contents(table) == {**after, "x": "laterx", "z": "newz"}


def test_a_commit_whose_answer_was_lost_is_repeated_without_harm(
    table: RegionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage that did not answer in time is asked again, and finds the version that it was asked to make."""
    commit, lost = lance.LanceDataset.commit, [True]

    def answer_lost(*arguments: Any, **options: Any) -> Any:
        done = commit(*arguments, **options)
        if lost:
            lost.clear()
            raise OSError("Commit conflict for version 4: there is one already")
        return done

    monkeypatch.setattr(lance.LanceDataset, "commit", answer_lost)
    version = table.version
    assert table.replace_region("A", tiles("A", ["a0", "x"], "new"), ["a1"]).rows_written == 2
    assert (table.version, lost) == (version + 1, [])
    assert {one: content for one, content in contents(table).items() if one in ("a0", "a1", "x")} == {
        "a0": "newa0",
        "x": "newx",
    }


def test_a_writer_that_is_killed_leaves_nothing_that_can_be_seen(table: RegionTable) -> None:
    version, before = table.version, contents(table)
    begun = workers.SPAWN.Event()
    process = workers.SPAWN.Process(target=workers.write_part_for_ever, args=(table, "A", begun))
    process.start()
    assert begun.wait(60)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert len(list(Path(table.uri, "data").iterdir())) > 2
    assert (table.version, contents(table)) == (version, before)
    table.commit("A", [part(table, ["w0", "a0"])], [])
    assert contents(table) == {**before, "w0": "neww0", "a0": "newa0"}
