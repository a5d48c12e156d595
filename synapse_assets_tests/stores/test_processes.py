"""Several processes at once, and processes killed in the middle of a write. Real ones."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.schema import TILES, UMAP_COORDINATES
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.region_table import RegionTable
from synapse_assets_tests.stores import workers
from synapse_assets_tests.stores.samples import coordinates, names, synapses, tiles

WRITERS = 4
KILLS = 3


def test_four_that_make_a_table_and_write_the_same_new_rows_at_once_leave_each_row_once(tmp_path: Path) -> None:
    rounds = 6
    barrier = workers.SPAWN.Barrier(WRITERS)
    workers.together(workers.write_same_new_rows, [(str(tmp_path), barrier, rounds)] * WRITERS)
    for number in range(rounds):
        table = RegionTable(f"{tmp_path}/{number}.lance", TILES)
        assert table.read("A", TILES.names).equals(tiles("A", names("a", 100)).sort_by("synapse_id"))


def test_optimising_while_regions_are_written_fails_nobody(tmp_path: Path) -> None:
    uri, rounds = f"{tmp_path}/tiles.lance", 15
    table = RegionTable(uri, TILES)
    for region in "AB":
        table.replace_region(region, tiles(region, names(region, 50)), [])
    jobs: list[tuple[Any, tuple[Any, ...]]] = [(workers.write_regions, (uri, region, rounds)) for region in "AB"]
    jobs += [(workers.keep_optimising, (uri, rounds))]
    workers.together(workers.call, jobs)
    for region in "AB":
        ids = sorted([*names(region, 50), f"{region}-{rounds - 1}"])
        stored = table.read(region, ["synapse_id", "tile_hash"])
        assert stored.column("synapse_id").to_pylist() == ids
        assert stored.column("tile_hash").to_pylist() == [f"{rounds - 1}{one}" for one in ids]


def test_a_reader_of_the_warehouse_and_its_rebuild_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path), "sample")
    store.synapses.replace_region("A", synapses("A", ["s1", "s2"]), [])
    build_warehouse(store, [store.synapses], {})
    opened, rebuilt = workers.SPAWN.Event(), workers.SPAWN.Event()
    results = workers.SPAWN.Queue()
    arguments = (str(store.warehouse_path), opened, rebuilt)
    process = workers.SPAWN.Process(target=workers.reporting, args=(results, workers.hold_warehouse_open, arguments))
    process.start()
    assert opened.wait(30)
    store.synapses.replace_region("A", synapses("A", ["s3"]), [])
    build_warehouse(store, [store.synapses], {})
    rebuilt.set()
    error, found = results.get(timeout=30)
    process.join()
    assert error is None, error
    assert found == (2, 3)


@pytest.mark.parametrize("kind", ["region", "parquet", "split", "model", "staging", "warehouse", "answers"])
def test_a_kill_in_the_middle_loses_doubles_and_tears_nothing(tmp_path: Path, kind: str) -> None:
    stores = [DatasetStore(str(tmp_path / str(number)), "sample") for number in range(KILLS)]
    acknowledged = [workers.SPAWN.Value("q", 0, lock=False) for _ in stores]
    processes = []
    for store, done in zip(stores, acknowledged, strict=True):
        workers.prepare(store, kind)
        process = workers.SPAWN.Process(target=workers.write_until_killed, args=(store, kind, done))
        process.start()
        processes.append(process)
    for process, done in zip(processes, acknowledged, strict=True):
        deadline = time.monotonic() + 30
        while done.value < 1 and process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.2))
        assert process.is_alive(), "the writer failed; its error stands in the captured output"
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    for store, done in zip(stores, acknowledged, strict=True):
        (generation,) = workers.stored_generations(store, kind)
        assert generation in (done.value, done.value + 1)
        workers.write(store, kind, generation + 1)
        assert workers.stored_generations(store, kind) == {generation + 1}
        left = list(Path(store.data_root).rglob(".tmp-*"))
        assert not left


def test_a_kill_before_the_first_write_is_done_leaves_an_empty_table_that_can_be_written(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path), "sample")
    done = workers.SPAWN.Value("q", 0, lock=False)
    process = workers.SPAWN.Process(target=workers.write_until_killed, args=(store, "region", done))
    process.start()
    while not Path(store.tiles.uri).exists() and process.is_alive():
        time.sleep(0.0005)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert store.tiles.count() in (0, workers.ROWS + 1)
    workers.write(store, "region", 7)
    assert "a1" in store.tiles.read("A", ["synapse_id"]).column(0).to_pylist()


def test_staging_of_a_killed_run_is_resumed(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path), "sample")
    store.staging("tiles", "A", "key").append(tiles("A", names("a", 5)))
    resumed = DatasetStore(str(tmp_path), "sample").staging("tiles", "A", "key")
    assert resumed.done_ids() == set(names("a", 5))
    resumed.append(tiles("A", names("b", 5)))
    reader = resumed.reader()
    assert reader is not None
    store.tiles.replace_region("A", reader, [])
    resumed.clear()
    assert store.tiles.count("A") == 10
    assert resumed.reader() is None
    store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", []))
