"""What other processes do in the tests of the stores. Spawned, not forked: Lance does not survive a fork."""

import contextlib
import itertools
import multiprocessing
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synapse_assets.artifacts import read_artifact, write_artifact
from synapse_assets.schema import TILES, UMAP_COORDINATES
from synapse_assets.stores import DatasetStore, Provenance, build_warehouse, maintain
from synapse_assets.stores.annotation_log import Answer
from synapse_assets.stores.region_table import RegionTable
from synapse_assets_tests.stores.samples import coordinates, names, source_rows, synapses, tiles, wanted

SPAWN = multiprocessing.get_context("spawn")
ROWS = 200


def reporting(results: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Calls the function and puts (error or None, what it returned) into the queue."""
    try:
        results.put((None, function(*arguments)))
    except BaseException:
        results.put((traceback.format_exc(), None))


def together(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Runs the function with each of the arguments in a process of its own, all at once; gives what they return, or
    fails.
    """
    results = SPAWN.Queue()
    processes = [SPAWN.Process(target=reporting, args=(results, function, one)) for one in arguments]
    for process in processes:
        process.start()
    found = [results.get(timeout=150) for _ in processes]
    for process in processes:
        process.join()
    errors = [error for error, _ in found if error]
    assert not errors, "\n".join(errors)
    return [value for _, value in found]


def call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Calls the function, so that `together` can run different ones."""
    return function(*arguments)


def write_same_new_rows(folder: str, barrier: Barrier, rounds: int) -> None:
    """Every round makes a new table and writes the same new region into it, at the same moment as the others."""
    for number in range(rounds):
        table = RegionTable(f"{folder}/{number}.lance", TILES)
        rows = tiles("A", names("a", 100))
        barrier.wait(timeout=20)
        table.replace_region("A", rows, [])


def write_same_new_rows_unlocked(folder: str, barrier: Barrier, rounds: int) -> None:
    """The same without the lock of this machine, and a second new region at once."""
    RegionTable._lock = lambda self: contextlib.nullcontext()  # type: ignore[method-assign]
    for number in range(rounds):
        table = RegionTable(f"{folder}/{number}.lance", TILES)
        for region, rows in {"A": tiles("A", names("a", 100)), "B": tiles("B", ["b"])}.items():
            barrier.wait(timeout=100)
            table.replace_region(region, rows, [])


def write_part(table: RegionTable, region: str, rows: pa.Table) -> str:
    """Writes the rows as a part and gives its text."""
    return table.write_part(region, rows).to_json()


def write_part_for_ever(table: RegionTable, region: str, begun: Event) -> None:
    """Writes a part that never ends, and tells when some of its rows are in a file."""

    def endless() -> Iterator[pa.RecordBatch]:
        for number in itertools.count():
            yield from tiles(region, [f"w{number}"], size=2**20).to_batches()
            if number > 64:
                begun.set()

    table.write_part(region, pa.RecordBatchReader.from_batches(TILES.arrow, endless()))


def write_regions(uri: str, region: str, rounds: int) -> int:
    """Re-materialises one region again and again, with other content and one synapse coming and one going each time."""
    table = RegionTable(uri, TILES)
    for number in range(rounds):
        ids = [*names(region, 50), f"{region}-{number}"]
        changed, gone = table.changes(region, wanted(ids, str(number)), "tile_hash")
        assert len(changed) == 51
        table.replace_region(region, tiles(region, changed.to_pylist(), str(number)), gone)
    return rounds


def keep_optimising(uri: str, rounds: int) -> int:
    """Optimises the table again and again."""
    for _ in range(rounds):
        RegionTable(uri, TILES).optimize()
    return rounds


def keep_maintaining(store: DatasetStore, rounds: int) -> int:
    """Looks after the dataset again and again."""
    for _ in range(rounds):
        maintain(store)
    return rounds


def write_often(store: DatasetStore, kinds: Sequence[str], rounds: int) -> int:
    """Writes generation after generation of each kind."""
    for generation in range(rounds):
        for kind in kinds:
            write(store, kind, generation)
    return rounds


def hold_warehouse_open(path: str, opened: Event, rebuilt: Event) -> tuple[int, int]:
    """Rows of `synapses` as a connection sees them that was open during a rebuild, and as a new one sees them."""
    import duckdb

    count = "SELECT count(*) FROM synapses"
    with duckdb.connect(path, read_only=True) as old:
        old.execute(count).fetchall()
        opened.set()
        assert rebuilt.wait(30)
        before = old.execute(count).fetchall()[0][0]
    with duckdb.connect(path, read_only=True) as new:
        return before, new.execute(count).fetchall()[0][0]


def prepare(store: DatasetStore, kind: str) -> None:
    """What is there before the first write of that kind."""
    store.tiles.replace_region("B", tiles("B", names("b", 20)), [])
    if kind == "warehouse":
        store.synapses.replace_region("A", synapses("A", names("a", ROWS)), [])
    write(store, kind, 0)


def write(store: DatasetStore, kind: str, generation: int) -> None:
    """One write of that kind; the generation can be told from what is stored."""
    if kind == "region":
        rows = tiles("A", [*names("a", ROWS), f"x{generation}"], f"g{generation}-", size=4096)
        store.tiles.replace_region("A", rows, [f"x{generation - 1}"])
    elif kind == "parquet":
        store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", names("a", ROWS * 10), float(generation)))
    elif kind == "split":
        with store.synapse_table.replace() as writer:
            for region in "AB":
                writer.write(source_rows(region, names(region, ROWS), f"g{generation}"))
    elif kind == "model":

        def fit(folder: Path) -> None:
            write_artifact(folder, "numbers", 1, facts={}, arrays={"weights": np.full(20_000, generation)})
            (folder / "notes.txt").write_text(f"{generation}")

        version = f"v{generation:06d}"
        store.models("m").save(version, fit, Provenance("m", version, {"x": "1"}, {}, 0))
        store.models("m").promote(version)
    elif kind == "answers":
        store.annotation_log.append([Answer(f"g{generation}-{n}", "anna", "r", f"s{n}", "gaba") for n in range(ROWS)])
    elif kind == "staging":
        store.staging("tiles", "A", "k").append(tiles("A", names(f"g{generation}-", ROWS)))
    else:
        store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", names("a", ROWS), float(generation)))
        build_warehouse(
            store, [store.synapses, store.tiles, store.results(UMAP_COORDINATES)], {"generation": generation}
        )


def write_until_killed(store: DatasetStore, kind: str, acknowledged: Any) -> None:
    """Writes generation after generation and tells after each that it is done."""
    for generation in itertools.count(1):
        write(store, kind, generation)
        acknowledged.value = generation


def stored_generations(store: DatasetStore, kind: str) -> set[int]:
    """The generations that can be read, after asserting that what is read is whole."""
    if kind == "region":
        rows = store.tiles.read("A", TILES.names)
        found = {int(one.split("-")[0].removeprefix("g")) for one in rows.column("tile_hash").to_pylist()}
        (generation,) = found
        expected = tiles("A", [*names("a", ROWS), f"x{generation}"], f"g{generation}-", size=4096).sort_by("synapse_id")
        assert rows.equals(expected)
        assert store.tiles.read("B", TILES.names).equals(tiles("B", names("b", 20)).sort_by("synapse_id"))
        return found
    if kind == "parquet":
        rows = store.results(UMAP_COORDINATES).read()
        assert rows.num_rows == ROWS * 10
        return {int(value) for value in set(rows.column("umap_1").to_pylist())}
    if kind == "split":
        parts = [store.synapse_table.read(region) for region in "AB"]
        assert [part.num_rows for part in parts] == [ROWS, ROWS]
        return {int(name.removeprefix("g")) for name in set(pa.concat_tables(parts).column("source_file").to_pylist())}
    if kind == "model":
        models = store.models("m")
        for version in models.versions():
            weights = read_artifact(models.path(version), "numbers", 1).arrays["weights"]
            assert set(weights.tolist()) == {int(version[1:])}
            assert (models.path(version) / "notes.txt").read_text() == f"{int(version[1:])}"
        assert models.current in models.versions()
        return {int(str(models.current)[1:])}
    if kind == "answers":
        ids = store.annotation_log.rows().column("answer_id").to_pylist()
        latest = len(ids) // ROWS - 1
        assert ids == [f"g{generation}-{n}" for generation in range(latest + 1) for n in range(ROWS)]
        return {latest}
    if kind == "staging":
        staging = store.staging("tiles", "A", "k")
        reader = staging.reader()
        assert reader is not None
        staged = reader.read_all().column("synapse_id").to_pylist()
        assert staging.done_ids() == set(staged)
        generations = {int(one.split("-")[0].removeprefix("g")) for one in staged}
        assert sorted(staged) == sorted(one for g in generations for one in names(f"g{g}-", ROWS))
        assert generations == set(range(max(generations) + 1))
        return {max(generations)}
    import duckdb

    with duckdb.connect(str(store.warehouse_path), read_only=True) as connection:
        rows = connection.execute("SELECT count(*), min(umap_1), max(umap_1) FROM umap_coordinates").fetchall()
        inside = connection.execute("SELECT content->>'generation' FROM release").fetchall()
    release = store.release()
    assert release is not None
    assert rows == [(ROWS, float(inside[0][0]), float(inside[0][0]))]
    assert release["generation"] in (int(inside[0][0]), int(inside[0][0]) - 1)
    return {int(inside[0][0])}
