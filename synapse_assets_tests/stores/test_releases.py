"""Frozen releases, and the upkeep that spares them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.artifacts import write_artifact
from synapse_assets.errors import BadInput
from synapse_assets.query import Warehouse, open_warehouse
from synapse_assets.schema import (
    CLUSTERS,
    SYNAPSE_LABELS,
    SYNAPSE_PREDICTIONS,
    UMAP_COORDINATES,
    Table,
    embedding_table,
)
from synapse_assets.stores import (
    DatasetStore,
    Provenance,
    build_warehouse,
    freeze_release,
    maintain,
    released_names,
)
from synapse_assets.stores.rows import vector_rows
from synapse_assets_tests.stores import workers
from synapse_assets_tests.stores.object_store import ObjectStore, object_store  # noqa: F401 -- a fixture
from synapse_assets_tests.stores.samples import coordinates, names, synapses, tiles

DIMENSIONS = 4
NOTHING = timedelta(0)


@pytest.fixture(params=["disk", "object storage"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetStore:
    if request.param == "disk":
        return DatasetStore(str(tmp_path / "data"), "sample")
    found: DatasetStore = request.getfixturevalue("object_store").store(tmp_path)
    return found


def opened(store: DatasetStore, monkeypatch: pytest.MonkeyPatch, release: str | None = None) -> Warehouse:
    """As a script opens it, by the environment."""
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", store.data_root)
    if store.local_root:
        monkeypatch.setenv("SYNAPSE_LOCAL_ROOT", store.local_root)
    return open_warehouse("sample", release=release)


def filled(table: Table, rows: int, **given: list[Any]) -> pa.Table:
    """Rows of that table: the given columns, empty values where they may be, and ones elsewhere."""
    columns = {}
    for column in table.columns:
        if column.name in given:
            columns[column.name] = pa.array(given[column.name], column.type)
        elif column.nullable:
            columns[column.name] = pa.nulls(rows, column.type)
        else:
            one = "x" if pa.types.is_string(column.type) else 1
            columns[column.name] = pa.array([one] * rows).cast(column.type)
    return table.conform(pa.table(columns))


def fit(store: DatasetStore, name: str, version: str, **inputs: str) -> None:
    """A model of some bytes."""
    scores = {"dimensions": float(DIMENSIONS)}
    provenance = Provenance(name, version, dict(inputs), {}, 0, scores)

    def write(folder: Path) -> None:
        write_artifact(folder, "numbers", 1, facts={}, arrays={"weights": np.ones(1000)})

    store.models(name).save(version, write, provenance)


def publish(store: DatasetStore, encoder: str, ids: Sequence[str], seed: int) -> None:
    """A small release with all that `similar` needs."""
    count = len(ids)
    fit(store, "encoder", encoder)
    store.models("encoder").promote(encoder)
    held = store.synapses.read("A", ["synapse_id"]).column(0).to_pylist()
    store.synapses.replace_region("A", synapses("A", ids), [one for one in held if one not in ids])
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)
    table = embedding_table(DIMENSIONS)
    store.vectors(encoder, DIMENSIONS).replace_region(
        "A", vector_rows(table, ids, "A", [f"h{seed}"] * count, encoder, vectors), []
    )
    regions = {"synapse_id": list(ids), "brain_region": ["A"] * count, "probabilities": [[("gaba", 1.0)]] * count}
    for one in (SYNAPSE_LABELS, CLUSTERS, SYNAPSE_PREDICTIONS):
        store.results(one).write_partition("A", filled(one, count, **regions))
    build_warehouse(
        store,
        [
            store.synapses,
            store.vectors(encoder, DIMENSIONS),
            *(store.results(one) for one in (SYNAPSE_LABELS, CLUSTERS, SYNAPSE_PREDICTIONS)),
        ],
        {"models": {"encoder": encoder}, "scores": {"encoder": {"dimensions": DIMENSIONS}}},
    )


def test_a_frozen_release_gives_its_old_answers_whatever_comes_after(
    store: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=r"nothing to freeze.*materialise sample/warehouse first"):
        freeze_release(store, "first")
    publish(store, "e1", names("s", 8), seed=1)
    with opened(store, monkeypatch) as warehouse:
        before = warehouse.similar("s3", k=5, leave_out_own_neuron=False)
    folder = freeze_release(store, "2027-01.draft")
    assert folder == store.folder.address("releases/2027-01.draft")
    # The same encoder with other vectors, other synapses, then another encoder.
    publish(store, "e1", names("s", 5), seed=2)
    publish(store, "e2", names("s", 6), seed=3)
    fit(store, "encoder", "e3")
    store.models("encoder").promote("e3")
    maintain(store, NOTHING)
    store.synapses.optimize(NOTHING)
    store.vectors("e1", DIMENSIONS).optimize(NOTHING)
    with opened(store, monkeypatch, "2027-01.draft") as warehouse:
        after = warehouse.similar("s3", k=5, leave_out_own_neuron=False)
        assert warehouse.sql("select count(*) as n from synapses")["n"].tolist() == [8]
        assert warehouse.release["models"] == {"encoder": "e1"}
    assert after.equals(before)
    assert len(after) == 5
    with opened(store, monkeypatch) as warehouse:
        assert warehouse.sql("select count(*) as n from synapses")["n"].tolist() == [6]
        assert not warehouse.similar("s3", k=5, leave_out_own_neuron=False).equals(before)
    assert store.models("encoder").versions() == ["e1", "e2", "e3"]
    assert released_names(store) == ["2027-01.draft"]


def test_a_release_name_is_taken_once_and_is_a_plain_word(store: DatasetStore) -> None:
    publish(store, "e1", names("s", 3), seed=1)
    freeze_release(store, "b")
    freeze_release(store, "a")
    assert released_names(store) == ["a", "b"]
    with pytest.raises(BadInput, match="has a release 'b' already"):
        freeze_release(store, "b")
    for name in ("", "..", "a/b", "a b", ".hidden", "x" * 200):
        with pytest.raises(BadInput, match="release name"):
            freeze_release(store, name)
    with pytest.raises(BadInput, match=r"sample has no release 'c'; there are \['a', 'b'\]"):
        Warehouse(store, "c")


def test_upkeep_keeps_what_is_in_use_and_removes_the_rest_when_it_is_old(store: DatasetStore) -> None:
    for encoder in ("old", "frozen", "out", "current", "candidate", "source"):
        fit(store, "encoder", encoder)
        publish(store, encoder, names("s", 3), seed=1)
        if encoder == "frozen":
            freeze_release(store, "kept")
    publish(store, "out", names("s", 3), seed=1)
    store.models("encoder").promote("current")
    store.models("encoder").set_candidate("candidate")
    fit(store, "umap_model", "u1", encoder="source")
    fit(store, "umap_model", "u2", encoder="old")
    store.models("umap_model").promote("u1")
    store.staging("tiles", "A", "key").append(tiles("A", names("a", 5)))
    store.tiles.replace_region("A", tiles("A", names("a", 5)), [])
    store.tiles.replace_region("A", tiles("A", names("a", 5), "b"), [])
    nothing = maintain(store)
    assert {name: number for name, number in nothing.items() if number} == {"tables compacted": 8}
    assert nothing.keys() == maintain(store, timedelta(days=1)).keys()
    done = maintain(store, NOTHING)
    assert set(store.models("encoder").versions()) == {"frozen", "out", "current", "candidate", "source"}
    assert store.models("umap_model").versions() == ["u1"]
    assert sorted(store.lance_tables()) == sorted(
        [
            *(f"embeddings_{one}.lance" for one in ("frozen", "out", "current", "candidate")),
            "synapses.lance",
            "tiles.lance",
        ]
    )
    assert store.staging("tiles", "A", "key").done_ids() == set()
    assert store.tiles.read("A", ["tile_hash"]).column(0).to_pylist() == [f"b{one}" for one in names("a", 5)]
    assert done.pop("bytes freed") > 16_000
    assert done == {
        "tables compacted": 6, "vector tables removed": 2, "model versions removed": 2, "stagings removed": 1,
        "leftovers removed": 0,
    }  # fmt: skip
    again = maintain(store, NOTHING)
    assert {name: number for name, number in again.items() if number} == {"tables compacted": 6}


def test_upkeep_sweeps_what_killed_processes_left(tmp_path: Path) -> None:
    from synapse_assets.stores.files import _temporary_name

    store = DatasetStore(str(tmp_path), "sample")
    store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", ["a"]))
    store.synapses.replace_region("A", synapses("A", ["a"]), [])
    folder = store.folder.path / "tables/umap_coordinates/brain_region=A"
    own = Path(_temporary_name("mine"))
    code = "from synapse_assets.stores.files import _temporary_name; print(_temporary_name('dead'), end='')"
    dead = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    planted = {
        folder / dead: False,
        folder / own: True,
        folder / ".tmp-elsewhere+1+abc+young": True,
        folder / ".tmp-elsewhere+1+abc+old": False,
        folder / ".tmp-unreadable": False,
        store.raw / "deep" / dead: False,
        store.folder.path / "not.tmp-": True,
    }
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
        if "old" in path.name or "unreadable" in path.name:
            os.utime(path, (1e9, 1e9))
    whole = store.folder.path / "models/m" / dead
    whole.mkdir(parents=True)
    (whole / "half.npz").write_bytes(b"x" * 100)
    done = maintain(store)
    assert {path: path.exists() for path in planted} == planted
    assert not whole.exists()
    assert done["leftovers removed"] == 5
    assert done["bytes freed"] >= 500
    assert store.results(UMAP_COORDINATES).read("A").num_rows == 1


def test_upkeep_sweeps_half_uploads(object_store: ObjectStore, tmp_path: Path) -> None:  # noqa: F811
    store = object_store.store(tmp_path)
    workers.write(store, "model", 1)
    for generation in (1, 2, 3):
        workers.write(store, "split", generation)
    models, split = store.models("m").folder, store.synapse_table.folder
    for folder in (models, split):
        with folder.child("half").replace("part") as stream:
            stream.write(b"x" * 100)
    assert maintain(store)["leftovers removed"] == 0
    done = maintain(store, NOTHING)
    assert (done["leftovers removed"], done["bytes freed"]) == (2, 200)
    assert models.names() == ["current.json", "v000001"]
    assert len(split.names()) == 3
    assert workers.stored_generations(store, "split") == {3}
    assert workers.stored_generations(store, "model") == {1}


def test_upkeep_while_regions_are_written_fails_nobody(tmp_path: Path) -> None:
    store, rounds = DatasetStore(str(tmp_path), "sample"), 8
    for region in "AB":
        store.tiles.replace_region(region, tiles(region, names(region, 50)), [])
    jobs: list[tuple[Any, tuple[Any, ...]]] = [
        (workers.write_regions, (store.tiles.uri, region, rounds)) for region in "AB"
    ]
    jobs += [
        (workers.keep_maintaining, (store, rounds)),
        (workers.write_often, (store, ["staging", "model", "split"], rounds)),
    ]
    workers.together(workers.call, jobs)
    for region in "AB":
        ids = sorted([*names(region, 50), f"{region}-{rounds - 1}"])
        assert store.tiles.read(region, ["synapse_id"]).column(0).to_pylist() == ids
    for kind in ("model", "split"):
        assert workers.stored_generations(store, kind) == {rounds - 1}
    assert len(store.staging("tiles", "A", "k").done_ids()) == rounds * workers.ROWS
