"""A data root on object storage: everything that a dataset stores, over a real S3-compatible server on this machine."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.schema import TILES, UMAP_COORDINATES
from synapse_assets.settings import Settings, local_root_of
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.files import Files, segment
from synapse_assets.stores.region_table import RegionTable
from synapse_assets_tests.stores import workers
from synapse_assets_tests.stores.object_store import ObjectStore, object_store  # noqa: F401 -- a fixture
from synapse_assets_tests.stores.samples import coordinates, names, source_rows, synapses, tiles

KINDS = ["region", "parquet", "split", "model", "staging", "warehouse"]
WRITERS = 3


@pytest.fixture
def store(object_store: ObjectStore, tmp_path: Path) -> DatasetStore:  # noqa: F811
    return object_store.store(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_store_works_there(store: DatasetStore, kind: str) -> None:
    workers.prepare(store, kind)
    for generation in (1, 2, 3):
        workers.write(store, kind, generation)
        assert workers.stored_generations(store, kind) == {generation}


def test_only_caches_and_raw_inputs_lie_on_the_local_disk(
    store: DatasetStore,
    object_store: ObjectStore,  # noqa: F811
    tmp_path: Path,
) -> None:
    for kind in KINDS:
        workers.prepare(store, kind)
        workers.write(store, kind, 1)
        workers.stored_generations(store, kind)
    assert store.raw == tmp_path / "local/sample/raw"
    assert [path.name for path in (tmp_path / "local").iterdir()] == ["cache"]
    found = object_store.keys(store.folder.root)
    assert {"release.json", "warehouse.duckdb", "models/m/current.json", "models/m/v000001/provenance.json"} <= set(
        found
    )
    assert {name.split("/")[0] for name in found} == {
        "models", "release.json", "staging", "tables", "vectors", "warehouse.duckdb",
    }  # fmt: skip
    assert not [name for name in found if ".tmp-" in name]


def test_what_goes_there_needs_no_room_beside_the_local_root(
    store: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", ["a", "b"]))
    assert store.results(UMAP_COORDINATES).read("A").num_rows == 2
    assert not [file for file in store.folder.local_folder.rglob("*") if file.is_file()]


def test_regions_of_any_name_stay_apart(store: DatasetStore) -> None:
    for region in ("B(L)/2", "a=b", "100%", "α", "a b", "a+b"):
        store.tiles.replace_region(region, tiles(region, [region]), [])
        store.results(UMAP_COORDINATES).write_partition(region, coordinates(region, [region]))
        staging = store.staging("tiles", region, region)
        staging.append(tiles(region, [region]))
        assert store.staging("tiles", region, region).done_ids() == {region}
    assert list(store.results(UMAP_COORDINATES).partitions()) == sorted(store.tiles.regions())
    with store.synapse_table.replace() as writer:
        for region in store.tiles.regions():
            writer.write(source_rows(region, [region]))
    for region in store.tiles.regions():
        assert store.synapse_table.read(region, ["synapse_id"]).to_pylist() == [{"synapse_id": region}]
    assert store.synapse_table.sample("table", 10, 0).num_rows == 6
    store.vectors("a/b c", 4)
    assert store.results(UMAP_COORDINATES).read("100%").num_rows == 1
    store.results(UMAP_COORDINATES).remove_partition("100%")
    assert "100%" not in store.results(UMAP_COORDINATES).partitions()


@pytest.mark.parametrize("where", ["object storage", "a disk without its lock"])
def test_three_that_make_a_table_and_write_the_same_new_rows_at_once_leave_each_row_once(
    object_store: ObjectStore,  # noqa: F811
    tmp_path: Path,
    where: str,
) -> None:
    rounds = 1
    folder = object_store.store(tmp_path).folder.root if where == "object storage" else str(tmp_path)
    barrier = workers.SPAWN.Barrier(WRITERS)
    workers.together(workers.write_same_new_rows_unlocked, [(folder, barrier, rounds)] * WRITERS)
    for number in range(rounds):
        table = RegionTable(f"{folder}/{number}.lance", TILES)
        assert table.read("A", TILES.names).equals(tiles("A", names("a", 100)).sort_by("synapse_id"))
        assert table.read("B", ["synapse_id"]).column(0).to_pylist() == ["b"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_in_the_middle_loses_doubles_and_tears_nothing(store: DatasetStore, kind: str) -> None:
    workers.prepare(store, kind)
    done = workers.SPAWN.Value("q", 0, lock=False)
    process = workers.SPAWN.Process(target=workers.write_until_killed, args=(store, kind, done))
    process.start()
    deadline = time.monotonic() + 40
    while done.value < 1 and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.3))
    assert process.is_alive(), "the writer failed; its error stands in the captured output"
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    (generation,) = workers.stored_generations(store, kind)
    assert generation in (done.value, done.value + 1)
    workers.write(store, kind, generation + 1)
    assert workers.stored_generations(store, kind) == {generation + 1}
    assert not list(store.folder.local_folder.rglob(".tmp-*"))


def test_what_a_killed_process_left_goes_though_its_model_was_stored(store: DatasetStore) -> None:
    workers.write(store, "model", 1)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    unfinished = store.models("m").folder.local_folder / f".tmp-{segment(socket.gethostname())}+{gone.pid}+0+folder"
    unfinished.mkdir()
    workers.write(store, "model", 1)
    assert not unfinished.exists()


# What is refused: every request, the last write before the one that makes the new things visible, and that one itself.
OUTAGES = [
    ("region", ""), ("region", "/data/"), ("region", "/_versions/"),
    ("parquet", ""), ("parquet", "data.parquet"),
    ("split", "region=B/"), ("split", "current.json"),
    ("model", "numbers.npz"), ("model", "notes.txt"), ("model", "provenance.json"), ("model", "current.json"),
    ("staging", ".arrow"),
    ("warehouse", "warehouse.duckdb"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "refused"), OUTAGES)
def test_storage_that_is_down_for_a_while_fails_the_write_with_its_address_and_leaves_nothing_half(
    store: DatasetStore,
    object_store: ObjectStore,  # noqa: F811
    kind: str,
    refused: str,
) -> None:
    workers.prepare(store, kind)
    workers.write(store, kind, 1)

    def refuses(method: str, path: str) -> bool:
        return not refused or (method in ("PUT", "POST") and refused in unquote(path))

    with object_store.down(refuses), pytest.raises(OSError, match="run again") as caught:
        workers.write(store, kind, 2)
    assert store.folder.root in str(caught.value)
    assert object_store.url in str(caught.value)
    assert object_store.refused
    assert workers.stored_generations(store, kind) == {1}
    workers.write(store, kind, 2)
    assert workers.stored_generations(store, kind) == {2}


def test_a_new_release_is_fetched_and_an_open_connection_keeps_the_old(store: DatasetStore) -> None:
    def count(connection: duckdb.DuckDBPyConnection) -> Any:
        return connection.execute("SELECT count(*) FROM synapses").fetchall()[0][0]

    assert not store.warehouse_path.exists()
    store.synapses.replace_region("A", synapses("A", ["s1", "s2"]), [])
    address = build_warehouse(store, [store.synapses], {})
    assert address == f"{store.folder.root}/warehouse.duckdb"
    path = store.warehouse_path
    assert store.warehouse_path == path
    with duckdb.connect(str(path), read_only=True) as old:
        for number in range(3, 6):
            store.synapses.replace_region("A", synapses("A", [f"s{number}"]), [])
            build_warehouse(store, [store.synapses], {})
            with duckdb.connect(str(store.warehouse_path), read_only=True) as new:
                assert count(new) == number
        assert count(old) == 2
    assert len(list(path.parent.parent.iterdir())) == 2


def test_a_half_fetched_or_half_stored_model_is_none(store: DatasetStore, tmp_path: Path) -> None:
    workers.write(store, "model", 1)
    models = store.models("m")
    models.folder.remove("v000001/provenance.json")
    assert not models.exists("v000001")
    assert models.versions() == []
    with pytest.raises(BadInput, match="no version"):
        models.path("v000001")
    workers.write(store, "model", 1)
    path = models.path("v000001")
    assert sorted(one.name for one in path.iterdir()) == ["notes.txt", "numbers.json", "numbers.npz", "provenance.json"]
    assert path.is_relative_to(tmp_path / "local" / "cache")
    assert models.path("v000001") == path


def test_what_the_bucket_refuses_is_told(object_store: ObjectStore, tmp_path: Path) -> None:  # noqa: F811
    store = DatasetStore("s3://no-such-bucket/x", "sample", str(tmp_path))
    with pytest.raises(OSError, match=r"s3://no-such-bucket/x/sample.*check the address"):
        store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", ["a"]))
    with pytest.raises(OSError, match=r"s3://no-such-bucket/x/sample.*check the address"):
        store.synapses.replace_region("A", synapses("A", ["a"]), [])


def test_settings_take_an_address_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SYNAPSE_LOCAL_ROOT", raising=False)
    settings = Settings(data_root="s3://lab/synapses/")
    assert settings.data_root == "s3://lab/synapses"
    assert settings.local_root == local_root_of("s3://lab/synapses")
    assert Path(settings.local_root).parent == Path.home() / ".synapse"
    monkeypatch.setenv("SYNAPSE_LOCAL_ROOT", str(tmp_path / "here"))
    assert Settings(data_root="s3://lab/synapses").local_root == str(tmp_path / "here")
    monkeypatch.delenv("SYNAPSE_LOCAL_ROOT")
    assert Settings(data_root=str(tmp_path)).local_root == str(tmp_path)
    assert DatasetStore(str(tmp_path), "sample").raw == tmp_path / "sample/raw"
    store = DatasetStore("s3://lab/synapses", "sample")
    assert store.raw == Path(settings.local_root) / "sample/raw"
    assert store.models("m").folder.local_folder.is_relative_to(settings.local_root)
    assert Files("s3://lab/x").child("a%2Fb").root == "s3://lab/x/a%2Fb"
