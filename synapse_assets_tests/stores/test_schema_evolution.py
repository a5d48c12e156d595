"""Tables, models and releases that an earlier version of the program stored."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.query import Warehouse
from synapse_assets.schema import CLUSTER_CARDS, CLUSTERS, SYNAPSE_TABLE, TILES, UMAP_COORDINATES, Column, Table
from synapse_assets.stores import DatasetStore, ParquetTable, build_warehouse
from synapse_assets.stores.models import NOT_ASSESSED
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.warehouse import read_released
from synapse_assets_tests.stores import workers
from synapse_assets_tests.stores.samples import coordinates, names, synapses, tiles, wanted

NOTE = Column("note", pa.string(), "A new one, which may be empty.", nullable=True)


def without(table: Table, name: str) -> Table:
    return replace(table, columns=tuple(column for column in table.columns if column.name != name))


def with_type(table: Table, name: str, kind: pa.DataType, nullable: bool = False) -> Table:
    changed = tuple(replace(c, type=kind, nullable=nullable) if c.name == name else c for c in table.columns)
    return replace(table, columns=changed)


def in_the_middle(table: Table, column: Column) -> Table:
    return replace(table, columns=(*table.columns[:2], column, *table.columns[2:]))


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    store = DatasetStore(str(tmp_path), "sample")
    store.tiles.replace_region("A", tiles("A", names("a", 5)), [])
    store.tiles.replace_region("B", tiles("B", names("b", 5)), [])
    store.results(UMAP_COORDINATES).write_partition("A", coordinates("A", names("a", 5)))
    return store


def test_a_new_column_reads_as_empty_and_is_there_after_the_next_write(store: DatasetStore) -> None:
    old = store.tiles
    table = replace(old, table=in_the_middle(TILES, NOTE))
    version = table.version
    assert table.read("A", ["note", "synapse_id"]).to_pylist() == [
        {"note": None, "synapse_id": one} for one in names("a", 5)
    ]
    assert table.read_ids(["b1"], ["note"]).to_pylist() == [{"note": None}]
    assert [batch.to_pydict() for batch in table.batches("A", ["note"], 10)] == [{"note": [None] * 5}]
    assert [batch.num_rows for batch in table.batches_of("A", ["a1", "a2"], ["note", "image"], 10)] == [2]
    assert table.reader(table.table.names).read_all().schema.equals(table.table.arrow)
    assert [*map(len, table.changes("A", wanted(names("a", 5)), "tile_hash"))] == [0, 0]
    assert table.version == version
    rows = tiles("A", ["a1"], "new").append_column("note", pa.array(["here"]))
    table.replace_region("A", rows, ["a2"])
    assert table.read("A", ["synapse_id", "note"]).to_pydict() == {
        "synapse_id": ["a0", "a1", "a3", "a4"],
        "note": [None, "here", None, None],
    }
    stored = table.lance()
    assert stored is not None
    assert "note" in stored.schema.names
    assert table.read("B", TILES.names).equals(tiles("B", names("b", 5)).sort_by("synapse_id"))
    table.replace_region("B", tiles("B", ["b9"]).append_column("note", pa.array([None], pa.string())), names("b", 5))
    table.optimize()
    assert table.read("B", ["note"]).to_pylist() == [{"note": None}]


def test_a_column_that_is_no_more_is_left_out_and_gone_after_the_next_write(store: DatasetStore) -> None:
    table = replace(store.tiles, table=without(TILES, "section_contrast"))
    assert table.read("A", table.table.names).column_names == table.table.names
    assert table.reader(table.table.names).read_all().num_rows == 10
    table.replace_region("A", tiles("A", ["a1"], "new").drop_columns(["section_contrast"]), [])
    stored = table.lance()
    assert stored is not None
    assert "section_contrast" not in stored.schema.names
    assert dict(zip(*table.read("A", ["synapse_id", "tile_hash"]).to_pydict().values(), strict=True))["a1"] == "newa1"
    assert table.read("B", ["image"]).equals(tiles("B", names("b", 5)).select(["image"]))


def test_a_column_that_may_be_empty_now_takes_empty_values(store: DatasetStore) -> None:
    table = replace(store.tiles, table=with_type(TILES, "valid_fraction", pa.float64(), nullable=True))
    rows = tiles("A", ["a1"], "new")
    empty = rows.set_column(5, table.table.arrow.field("valid_fraction"), pa.array([None], pa.float64()))
    table.replace_region("A", empty, [])
    assert table.read_ids(["a1"], ["valid_fraction"]).to_pylist() == [{"valid_fraction": None}]
    with pytest.raises(BadInput, match="'valid_fraction' has empty values, which it may not have now; move"):
        store.tiles.read("A", ["valid_fraction"])


@pytest.mark.parametrize("where", ["lance", "parquet"])
def test_what_cannot_be_read_as_it_is_is_refused_with_the_step_to_take(store: DatasetStore, where: str) -> None:
    base: RegionTable | ParquetTable = store.tiles if where == "lance" else store.results(UMAP_COORDINATES)
    column = "valid_fraction" if where == "lance" else "umap_1"
    step = "move .*tiles.lance away and materialise tiles again" if where == "lance" else "again for every brain_region"
    cases = {
        f"column '{column}' is (double|float) there and int16 now; .*{step}": with_type(base.table, column, pa.int16()),
        f"column 'must' is missing there and int64 now; .*{step}": base.table.with_columns(
            [Column("must", pa.int64(), "Never empty.")]
        ),
    }
    for message, table in cases.items():
        changed = replace(base, table=table)
        with pytest.raises(BadInput, match=f"table {base.table.name}: .*{message}"):
            changed.read("A", table.names)
        with pytest.raises(BadInput, match=message):
            changed.reader(table.names).read_all()
        assert changed.read("A", ["synapse_id"]).num_rows == 5
        if isinstance(changed, RegionTable):
            rows = pa.Table.from_pylist(
                [{**tiles("A", ["a1"]).to_pylist()[0], "valid_fraction": 1, "must": 1}], schema=table.arrow
            )
            version = changed.version
            with pytest.raises(BadInput, match=message):
                changed.replace_region("A", rows, [])
            assert changed.version == version


def test_older_parquet_is_read_and_published_with_the_columns_of_now(store: DatasetStore) -> None:
    old = store.results(UMAP_COORDINATES)
    table = replace(old, table=without(in_the_middle(UMAP_COORDINATES, NOTE), "umap_2"))
    assert table.read("A", ["note", "umap_1"]).to_pylist() == [{"note": None, "umap_1": 0.0}] * 5
    assert table.read(columns=["note"]).num_rows == 5
    assert old.read("A", ["synapse_id"]).num_rows == 5
    store.synapses.replace_region("A", synapses("A", names("a", 5)), [])
    build_warehouse(store, [store.synapses, table, replace(store.tiles, table=in_the_middle(TILES, NOTE))], {})
    with duckdb.connect(str(store.warehouse_path), read_only=True) as connection:
        for name in ("umap_coordinates", "tiles"):
            assert connection.execute(f"SELECT count(*), count(note) FROM {name}").fetchall() == [(5, 0)]  # noqa: S608


@pytest.mark.parametrize("added", [("explained_by", "explanation"), ("explained_by", "explanation", "verdict")])
def test_cluster_cards_of_before_these_columns_are_read(store: DatasetStore, added: tuple[str, ...]) -> None:
    assessed = store.results(CLUSTER_CARDS)
    before = assessed
    for name in added:
        before = replace(before, table=without(before.table, name))
    card = dict.fromkeys(("cluster", "synapses", "share", "neurons"), 1) | {"targets": "{}", "regions": "{}"}
    rows = [{**card, "medoids": ["a0"], "top_neuron_share": None, "one_neuron": False, "verdict": None}]
    before.write(pa.Table.from_pylist(rows, schema=before.table.arrow))
    assert assessed.read().select(added).to_pylist() == [dict.fromkeys(added)]
    store.synapses.replace_region("A", synapses("A", names("a", 5)), [])
    build_warehouse(store, [store.synapses, before], {})
    with Warehouse(store) as warehouse:
        assert [one["cluster"] for one in warehouse.cluster_cards()] == [1]
    assert read_released(store, CLUSTER_CARDS).select(added).to_pylist() == [dict.fromkeys(added)]


def test_a_model_of_another_version_is_refused_with_the_step_to_take(store: DatasetStore) -> None:
    workers.write(store, "model", 1)
    models = store.models("m")
    path = models.path("v000001") / "provenance.json"
    content = json.loads(path.read_text())
    cases = {
        rf"no \['{name}'\]": {other: value for other, value in content.items() if other != name}
        for name in ("name", "version", "inputs", "parameters", "seed", "libraries", "created")
    }
    cases["no .*'inputs'"] = ["a list"]
    for message, changed in cases.items():
        path.write_text(json.dumps(changed))
        for use in (lambda: models.provenance("v000001"), models.versions):
            with pytest.raises(BadInput, match=f"model m: .*{message}.*move the folder .* away and materialise"):
                use()
    path.write_text("{")
    with pytest.raises(BadInput, match=r"provenance.json holds no JSON"):
        models.versions()
    models.folder.write_json("current.json", {"id": "v000001"})
    with pytest.raises(BadInput, match=r"current.json is of another version .*names no version"):
        models.current  # noqa: B018


def test_a_model_stored_with_more_or_fewer_facts_is_read(store: DatasetStore) -> None:
    workers.write(store, "model", 1)
    models = store.models("m")
    path = models.path("v000001") / "provenance.json"
    made = models.provenance("v000001")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "colour": "red"}))
    assert models.provenance("v000001") == made
    assert (made.verdict, made.verdict_reason) == (NOT_ASSESSED, "")
    path.write_text(json.dumps({name: value for name, value in content.items() if not name.startswith("verdict")}))
    assert models.provenance("v000001") == made
    path.write_text(json.dumps({name: value for name, value in content.items() if name not in ("scores", "notes")}))
    assert models.provenance("v000001") == replace(made, scores={}, notes="")
    assert models.versions() == ["v000001"]


def test_a_release_of_another_layout_says_what_to_do(store: DatasetStore) -> None:
    again = "materialise the asset sample/warehouse again"
    path = store.folder.path / "warehouse.duckdb"
    for content in (b"", b"garbage" * 1000):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=f"warehouse.duckdb cannot be read; {again}"):
            Warehouse(store)
    path.unlink()
    statements = [
        "CREATE TABLE other AS SELECT 1 AS x",
        "CREATE TABLE release AS SELECT 'sample' AS dataset",
        "CREATE OR REPLACE TABLE release AS SELECT '[]' AS content",
    ]
    for statement in statements:
        with duckdb.connect(str(path)) as connection:
            connection.execute(statement)
        with pytest.raises(BadInput, match=f"is of another version of this program .*{again}"):
            Warehouse(store)
    path.unlink()
    store.synapses.replace_region("A", synapses("A", names("a", 5)), [])
    build_warehouse(store, [store.synapses], {})
    with Warehouse(store) as warehouse, pytest.raises(BadInput, match="no pictures of its synapses"):
        warehouse.similar("a1")
    with duckdb.connect(str(path)) as connection:
        connection.execute("""UPDATE release SET content = '{"tables": {"embeddings": {"version": 1}}}'""")
    with Warehouse(store) as warehouse, pytest.raises(BadInput, match=f"does not name encoder, dimensions .*{again}"):
        warehouse.similar("a1")


def test_a_released_table_of_older_columns_is_read_or_refused(store: DatasetStore) -> None:
    assert read_released(store, CLUSTERS).equals(CLUSTERS.empty())
    store.synapses.replace_region("A", synapses("A", names("a", 5)), [])
    build_warehouse(store, [store.synapses, store.results(UMAP_COORDINATES)], {})
    assert read_released(store, CLUSTERS).equals(CLUSTERS.empty())
    found = read_released(store, in_the_middle(UMAP_COORDINATES, NOTE))
    assert found.column("note").null_count == 5
    with pytest.raises(BadInput, match=r"column 'must' is missing.*materialise sample/warehouse again"):
        read_released(store, UMAP_COORDINATES.with_columns([Column("must", pa.int64(), "Never empty.")]))


def test_an_older_split_is_read_or_refused(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    workers.write(store, "split", 1)
    changed = in_the_middle(without(SYNAPSE_TABLE, "score"), NOTE)
    monkeypatch.setattr("synapse_assets.stores.partitioned_source.SYNAPSE_TABLE", changed)
    assert store.synapse_table.read("A").schema.equals(changed.arrow)
    assert store.synapse_table.read("A", ["note"]).column(0).null_count == workers.ROWS
    monkeypatch.setattr(
        "synapse_assets.stores.partitioned_source.SYNAPSE_TABLE", with_type(SYNAPSE_TABLE, "x_nm", pa.int64())
    )
    with pytest.raises(BadInput, match="column 'x_nm' is double there and int64 now; materialise synapse_table again"):
        store.synapse_table.read("A", ["x_nm"])
