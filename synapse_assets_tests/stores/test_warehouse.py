"""The published DuckDB file and its release."""

import json
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from synapse_assets.schema import CLUSTERS, SYNAPSE_LABELS, SYNAPSES, UMAP_COORDINATES, VERDICT
from synapse_assets.stores import DatasetStore, ParquetTable, RegionTable, build_warehouse
from synapse_assets.stores.warehouse import read_released
from synapse_assets_tests.stores.samples import coordinates, synapses, tiles, vectors


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    """A synapse `s` that moved from A to B, with the old results of A still there."""
    store = DatasetStore(str(tmp_path / "it's here"), "sample")
    store.synapses.replace_region("A", synapses("A", ["a1"]), [])
    store.synapses.replace_region("B", synapses("B", ["s", "b1"]), [])
    store.tiles.replace_region("A", tiles("A", ["a1", "s"]), [])
    store.vectors("m1", 4).replace_region("A", vectors("A", ["a1"]), [])
    store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", ["a1", "s", "long gone"]))
    store.results(UMAP_COORDINATES).write_partition("B", coordinates("B", ["s"]))
    return store


def test_it_holds_what_belongs_together_and_says_what_it_is(store: DatasetStore) -> None:
    tables: list[RegionTable | ParquetTable] = [
        store.results(UMAP_COORDINATES),
        store.tiles,
        store.vectors("m1", 4),
        store.synapses,
    ]
    path = build_warehouse(store, tables, {"models": {"encoder": "m1"}})
    assert path == str(store.warehouse_path)
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute("SELECT synapse_id, brain_region FROM umap_coordinates ORDER BY ALL").fetchall()
        assert rows == [("a1", "A"), ("s", "B")]
        assert connection.execute("SELECT synapse_id FROM tiles").fetchall() == [("a1",)]
        columns = connection.execute("DESCRIBE tiles").fetchall()
        assert "image" not in {name for name, *_ in columns}
        assert "vector" not in {name for name, *_ in connection.execute("DESCRIBE embeddings").fetchall()}
        assert connection.execute("SELECT DISTINCT neuron_id FROM synapses").fetchall() == [(2**60 + 1,)]
        assert connection.execute("SELECT table_name FROM duckdb_tables() WHERE comment IS NULL").fetchall() == []
        bare = "SELECT column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
        assert connection.execute(bare).fetchall() == []
        comment = connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'synapses'").fetchall()
        assert comment == [(SYNAPSES.description,)]
        inside = connection.execute("SELECT dataset, content FROM release").fetchall()
    release = store.release()
    assert release is not None
    assert inside[0][0] == "sample"
    assert json.loads(inside[0][1]) == release
    assert release["models"] == {"encoder": "m1"}
    assert release["tables"]["synapses"] == {"rows": 3, "version": store.synapses.version}
    assert release["tables"]["umap_coordinates"] == {"rows": 2, "version": store.results(UMAP_COORDINATES).version}


def test_labels_stand_beside_every_synapse_in_its_own_region(store: DatasetStore) -> None:
    """The label that a moved synapse had in its old region does not count, and one without a label is there."""
    for region, classes in {"A": {"a1": "gaba", "s": "wrong"}, "B": {"s": "glutamate"}}.items():
        rows = [{"synapse_id": one, "brain_region": region, "target": name} for one, name in classes.items()]
        store.results(SYNAPSE_LABELS).write_partition(region, pa.Table.from_pylist(rows, schema=SYNAPSE_LABELS.arrow))
    build_warehouse(store, [store.results(SYNAPSE_LABELS), store.synapses], {})
    with duckdb.connect(str(store.warehouse_path), read_only=True) as connection:
        rows = connection.execute(
            "SELECT synapse_id, brain_region, target FROM labelled_synapses ORDER BY ALL"
        ).fetchall()
        assert rows == [("a1", "A", "gaba"), ("b1", "B", None), ("s", "B", "glutamate")]
        assert connection.execute("SELECT count(*) FROM synapse_labels").fetchall() == [(2,)]
    assert read_released(store, SYNAPSE_LABELS).num_rows == 2


def test_a_verdict_stands_beside_every_row_of_its_clustering(store: DatasetStore) -> None:
    """A synapse that moved is left out as ever; of a clustering without a verdict nothing is said; other tables stay as they are."""
    of_model = {"A": {"a1": "new", "s": "new"}, "B": {"s": "old", "b1": "new"}}
    for region, models in of_model.items():
        rows = [
            {"synapse_id": one, "brain_region": region, "cluster": 0, "cluster_model": model}
            for one, model in models.items()
        ]
        store.results(CLUSTERS).write_partition(region, pa.Table.from_pylist(rows, schema=CLUSTERS.arrow))
    tables = [store.synapses, store.results(CLUSTERS), store.results(UMAP_COORDINATES)]
    verdicts = pa.table({"verdict": ["fragile", None], "cluster_model": ["new", None]})
    build_warehouse(store, tables, {}, {"clusters": verdicts})
    with duckdb.connect(str(store.warehouse_path), read_only=True) as connection:
        rows = connection.execute("SELECT synapse_id, cluster_model, verdict FROM clusters ORDER BY ALL").fetchall()
        assert rows == [("a1", "new", "fragile"), ("b1", "new", "fragile"), ("s", "old", None)]
        names = [name for name, *_ in connection.execute("DESCRIBE clusters").fetchall()]
        assert names == [*CLUSTERS.names, "verdict"]
        assert "verdict" not in {name for name, *_ in connection.execute("DESCRIBE umap_coordinates").fetchall()}
        comment = "SELECT comment FROM duckdb_columns() WHERE column_name = 'verdict'"
        assert connection.execute(comment).fetchall() == [(VERDICT.description,)]
    assert read_released(store, CLUSTERS).column_names == CLUSTERS.names


def test_what_was_released_stays_readable(store: DatasetStore) -> None:
    build_warehouse(store, [store.synapses], {})
    release = store.release()
    assert release is not None
    store.synapses.replace_region("B", SYNAPSES.empty(), ["s"])
    store.synapses.optimize(keep=timedelta(0))
    assert store.synapses.at_version(release["tables"]["synapses"]["version"]).count() == 3


def test_tables_of_which_nothing_is_there_yet_are_empty(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path), "empty")
    assert store.release() is None
    path = build_warehouse(store, [store.synapses, store.tiles, store.results(UMAP_COORDINATES)], {})
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM umap_coordinates").fetchall() == [(0,)]
    assert store.folder.names() == ["release.json", "warehouse.duckdb"]
