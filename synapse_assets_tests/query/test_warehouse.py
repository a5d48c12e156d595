"""Questions asked of a release: exact neighbours, filters before the search, the query's own neuron left out."""

import dataclasses
import functools
import hashlib
import inspect
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.query import Filters, SearchRequest, Warehouse, open_warehouse
from synapse_assets.schema import CLUSTER_CARDS, SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES
from synapse_assets.schema.morphology import PROJECTION
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.releases import freeze_release
from synapse_assets.stores.rows import vector_matrix, vectors_in_use
from synapse_assets.volumes import decode_tile
from synapse_assets_tests.conftest import FIRST_NEURON, REGIONS, Lab
from synapse_assets_tests.stores.samples import coordinates, synapses, vectors


@pytest.fixture
def warehouse(finished_lab: Lab) -> Warehouse:
    return open_warehouse("tiny", finished_lab.root)


def test_neighbours_are_the_exact_ones(warehouse: Warehouse, finished_lab: Lab) -> None:
    rows = vectors_in_use(finished_lab.store).read(None, ["synapse_id", "vector"])
    vectors = vector_matrix(rows)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = rows.column("synapse_id").to_pylist()
    distance = dict(zip(ids, 1 - vectors @ vectors[ids.index("s010")], strict=True))
    found = warehouse.similar("s010", k=5, leave_out_own_neuron=False)
    expected = sorted((value, name) for name, value in distance.items() if name != "s010")[:5]
    np.testing.assert_allclose(found["distance"], [value for value, _ in expected], atol=1e-6)
    assert found["distance"].is_monotonic_increasing
    assert len(warehouse.similar("s010")) == 10


def test_the_own_neuron_is_left_out(warehouse: Warehouse) -> None:
    own = warehouse.sql("select neuron_id from synapses where synapse_id = 's010'")["neuron_id"].iloc[0]
    found = warehouse.similar("s010", k=71)
    assert own not in set(found["neuron_id"])
    assert len(found) == 66


def test_of_neurons_that_nobody_knows_none_is_the_own(tmp_path: Path) -> None:
    """A query of no neuron finds the others of no neuron too; a synapse without a vector is never found."""
    store = DatasetStore(str(tmp_path), "sample")
    neurons = {"a": None, "b": None, "c": 7, "d": 7, "e": 8, "f": None, "dark": 8}
    rows = synapses("EB", list(neurons))
    place = rows.column_names.index("neuron_id")
    store.synapses.replace_region(
        "EB", rows.set_column(place, rows.schema.field(place), pa.array(neurons.values(), pa.int64())), []
    )
    store.vectors("m1", 4).replace_region("EB", vectors("EB", list("abcdef")), [])
    models = {"models": {"encoder": "m1"}, "scores": {"encoder": {"dimensions": 4}}}
    build_warehouse(store, [store.synapses, store.results(SYNAPSE_LABELS), store.vectors("m1", 4)], models)
    with Warehouse(store) as warehouse:

        def found(query: str, **asked: Any) -> str:
            return "".join(sorted(warehouse.similar(query, k=10, **asked)["synapse_id"]))

        assert found("a") == "bcdef"
        assert found("c") == "abef"
        assert found("e") == "abcdf"
        assert found("c", leave_out_own_neuron=False) == "abdef"
        with pytest.raises(BadInput, match="synapse 'dark' has no vector"):
            found("dark")


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Warehouse]:
    """Synapses at one place, of no neuron. Their vectors turn away from that of `q` by the angle in their id."""
    store = DatasetStore(str(tmp_path), "sample")
    known = {"q": "gaba", "a40": "alpha", "b10": "beta", "c50": "gaba", "d20": "delta", "e20": "epsilon"}
    ids = list(known)
    rows = synapses("EB", ids)
    for name, value in {"x_nm": 0.0, "y_nm": 0.0, "z_nm": 0.0, "neuron_id": None}.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.array([value] * len(ids), rows.schema.field(at).type))
    store.synapses.replace_region("EB", rows, [])
    angle = np.radians([0, 40, 10, 50, 20, 20])
    turned = pa.array(np.stack([np.cos(angle), np.sin(angle), 0 * angle, 0 * angle], axis=1).tolist())
    table = vectors("EB", ids)
    column = table.schema.get_field_index("vector")
    table = table.set_column(column, table.schema.field(column), turned.cast(table.schema.field(column).type))
    store.vectors("m1", 4).replace_region("EB", table, [])
    store.results(SYNAPSE_LABELS).write_partition(
        "EB",
        pa.table(
            {
                "synapse_id": ids,
                "brain_region": ["EB"] * len(ids),
                "neuron_id": pa.nulls(len(ids), pa.int64()),
                "target": list(known.values()),
                "known_classes": [[name] for name in known.values()],
                "hemilineage": pa.nulls(len(ids), pa.string()),
                "cell_type": pa.nulls(len(ids), pa.string()),
            },
            schema=SYNAPSE_LABELS.arrow,
        ),
    )
    predicted = {"q": {"alpha": 0.125, "gaba": 0.625, "beta": 0.25}, "b10": {"beta": 1.0}}
    store.results(SYNAPSE_PREDICTIONS).write_partition(
        "EB",
        pa.table(
            {
                "synapse_id": list(predicted),
                "brain_region": ["EB"] * 2,
                "predicted": ["gaba", "beta"],
                "probability": [0.625, 1.0],
                "probabilities": [list(one.items()) for one in predicted.values()],
                "out_of_fold": [True, True],
                "classifier": ["c1", "c1"],
            },
            schema=SYNAPSE_PREDICTIONS.arrow,
        ),
    )
    cards = [
        {
            "cluster": cluster, "synapses": 2, "share": 0.5, "medoids": ["q"], "targets": "{}", "regions": "{}", "neurons": 0,
            "top_neuron_share": None, "one_neuron": False,
        }
        for cluster in (10, -1, 3)
    ]  # fmt: skip
    store.results(CLUSTER_CARDS).write(pa.Table.from_pylist(cards, schema=CLUSTER_CARDS.arrow))
    tables = [store.synapses, store.vectors("m1", 4)]
    map_ = coordinates("EB", ids)
    for name, first in (("umap_1", 0.0), ("umap_2", 100.0)):
        values = pa.array([first + number for number in range(len(ids))], pa.float32())
        map_ = map_.set_column(map_.schema.get_field_index(name), map_.schema.field(name), values)
    store.results(UMAP_COORDINATES).write_partition("EB", map_)
    kinds = (SYNAPSE_LABELS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES, CLUSTER_CARDS)
    results = [store.results(table) for table in kinds]
    build_warehouse(store, [*tables, *results], {"models": {"encoder": "m1"}, "scores": {"encoder": {"dimensions": 4}}})
    with Warehouse(store) as warehouse:
        yield warehouse


def test_of_many_classes_those_with_the_nearest_synapses_are_shown(planted: Warehouse) -> None:
    def shown(most: int | None) -> list[tuple[str, str]]:
        found = planted.similar("q", k=1, columns="target", most_columns=most)
        return list(zip(found["column"], found["synapse_id"], strict=True))

    every = [("alpha", "a40"), ("beta", "b10"), ("delta", "d20"), ("epsilon", "e20"), ("gaba", "c50")]
    assert shown(None) == shown(5) == shown(9) == every
    assert shown(1) == [("beta", "b10")]
    assert shown(2) == [("beta", "b10"), ("delta", "d20")]
    assert shown(4) == every[:4]


def test_at_the_place_of_the_query_others_are_found_unless_neighbours_are_left_out(planted: Warehouse) -> None:
    assert len(planted.similar("q")) == 5
    with pytest.raises(BadInput, match="no synapse is left"):
        planted.similar("q", leave_out_within_nm=1)


def test_points_have_what_each_table_knows_of_them(planted: Warehouse) -> None:
    points = planted.points
    assert points.ids.to_pylist() == ["a40", "b10", "c50", "d20", "e20", "q"]
    assert points.map.tolist() == [[1, 101], [2, 102], [3, 103], [4, 104], [5, 105], [0, 100]]
    assert [points.categories["predicted"].value(row) for row in range(6)] == [None, "beta", None, None, None, "gaba"]
    assert [points.categories["out_of_fold"].value(row) for row in (0, 1)] == [None, "yes"]
    np.testing.assert_array_equal(points.numbers["probability"], np.float32([np.nan, 1, np.nan, np.nan, np.nan, 0.625]))


def test_a_frozen_release_is_never_outdated(planted: Warehouse) -> None:
    store = planted._store
    freeze_release(store, "kept")
    with Warehouse(store, "kept") as kept:
        build_warehouse(store, [store.synapses], {})
        assert planted.is_outdated()
        assert not kept.is_outdated()


def test_probabilities_come_the_most_probable_first(planted: Warehouse) -> None:
    assert list(planted.probabilities("q").items()) == [("gaba", 0.625), ("beta", 0.25), ("alpha", 0.125)]
    assert planted.probabilities("b10") == {"beta": 1.0}
    assert planted.probabilities("a40") == {}


def test_cards_of_clusters_come_in_their_order(planted: Warehouse, closed: "Closed") -> None:
    assert [card["cluster"] for card in planted.cluster_cards()] == [-1, 3, 10]
    assert closed.warehouse.cluster_cards() == []


def test_the_first_group_unless_one_is_asked_for(tmp_path: Path, planted: Warehouse) -> None:
    store = DatasetStore(str(tmp_path / "groups"), "sample")
    places = dict.fromkeys(("map_1", "map_2", "space_1", "space_2", "space_3"), 0.0)
    for group in ("ss", "as"):
        row = {"investigation_group": group, "synapse_id": "a", **places, "projection_model": "p1"}
        store.results(PROJECTION).of(["as", "ss"]).write_partition(
            group, pa.Table.from_pylist([row], schema=PROJECTION.arrow)
        )
    build_warehouse(store, [store.results(PROJECTION)], {})
    for asked, given in ((None, "as"), ("as", "as"), ("ss", "ss")):
        with Warehouse(store, group=asked) as warehouse:
            assert warehouse.group == given
    with Warehouse(store, group="is") as warehouse, pytest.raises(BadInput, match=r"no map of group 'is' .*as, ss"):
        warehouse.group  # noqa: B018
    assert planted.group is None


def test_filters_come_before_the_search(warehouse: Warehouse) -> None:
    found = warehouse.similar("s010", k=5, where=f"s.brain_region = '{REGIONS[1]}' and s.target = 'gaba'")
    assert len(found) == 5
    assert set(found["brain_region"]) == {REGIONS[1]}
    assert set(found["target"]) == {"gaba"}


def test_a_picture_finds_its_synapse(warehouse: Warehouse, finished_lab: Lab) -> None:
    image = finished_lab.store.tiles.read_ids(["s033"], ["image"]).column("image")[0].as_py()
    found = warehouse.similar(image=decode_tile(image), k=1)
    assert found["synapse_id"].tolist() == ["s033"]
    assert found["distance"].iloc[0] < 1e-3


def test_a_picture_of_another_size_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="32"):
        warehouse.similar(image=np.zeros((3, 32, 32), np.uint8))


def test_an_unknown_id_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(BadInput, match="no synapse 'nobody'"):
        warehouse.similar("nobody")


def test_nothing_published_says_what_to_do(finished_lab: Lab) -> None:
    with pytest.raises(BadInput, match="materialise the asset other/warehouse"):
        open_warehouse("other", finished_lab.root)


def test_neuron_ids_stay_exact_beside_gaps(warehouse: Warehouse) -> None:
    found = warehouse.sql("select min(neuron_id) as neuron_id from synapses union all select null")
    # As a Python integer: numpy would compare a rounded id as equal.
    assert int(found["neuron_id"].iloc[0]) == FIRST_NEURON
    assert found["neuron_id"].isna().iloc[1]


def test_the_file_is_read_only(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.Error):
        warehouse.sql("delete from synapses")


def test_every_table_and_column_has_a_comment(warehouse: Warehouse) -> None:
    assert warehouse.sql("select table_name from duckdb_tables() where comment is null").empty
    assert warehouse.sql(
        "select table_name, column_name from duckdb_columns() where comment is null and not internal"
    ).empty


def test_columns_hold_the_best_of_each_class(warehouse: Warehouse) -> None:
    whole = warehouse.similar("s010", k=72)
    found = warehouse.similar("s010", k=3, columns="target")
    for name, rows in found.groupby("column"):
        expected = whole[whole["target"] == name]["synapse_id"].head(3).tolist()
        assert rows["synapse_id"].tolist() == expected
    assert found["column"].nunique() == 3


@pytest.mark.parametrize("most", [1, 2, 3, 9])
def test_of_many_classes_those_with_the_nearest_synapses_are_answered(warehouse: Warehouse, most: int) -> None:
    whole = warehouse.similar("s010", k=2, columns="target")
    nearest = whole.groupby("column")["distance"].min().nsmallest(most).index
    found = warehouse.similar("s010", k=2, columns="target", most_columns=most)
    assert found.equals(whole[whole["column"].isin(nearest)].reset_index(drop=True))
    assert found["column"].nunique() == min(most, 3)


def test_neighbours_in_space_can_be_left_out(warehouse: Warehouse) -> None:
    places = warehouse.points.places_nm
    row = warehouse.points.row("s010")
    far = np.linalg.norm(places - places[row], axis=1) > 150
    found = warehouse.similar("s010", k=72, leave_out_own_neuron=False, leave_out_within_nm=150)
    assert sorted(found["synapse_id"]) == sorted(warehouse.points.ids.to_numpy(zero_copy_only=False)[far])
    assert 1 < far.sum() < 71


def test_a_place_in_the_volume_is_cut_and_compared(finished_lab: Lab) -> None:
    with open_warehouse(finished_lab.dataset, finished_lab.root) as warehouse:
        row = warehouse.points.row("s033")
        found = warehouse.similar(place_nm=warehouse.points.places_nm[row], k=1)
        assert found["synapse_id"].tolist() == ["s033"]
        assert found["distance"].iloc[0] < 1e-3
        with pytest.raises(BadInput, match=r"lies in no volume of tiny"):
            warehouse.similar(place_nm=(-1e6, 0, 0))


@pytest.mark.parametrize("first", ["em", "other"])
def test_near_a_place_are_synapses_of_the_volume_it_was_cut_from(finished_lab: Lab, first: str) -> None:
    """Two volumes have the place; the synapses are those of one of them."""
    values = finished_lab.dataset.model_dump()
    volume = values["volumes"]["em"]
    dataset = EmDataset.model_validate({**values, "volumes": {first: volume, "em": volume, "other": volume}})
    with open_warehouse(dataset, finished_lab.root) as warehouse:
        place = warehouse.points.places_nm[warehouse.points.row("s033")]
        near = np.linalg.norm(warehouse.points.places_nm - place, axis=1) <= 150
        found = warehouse.similar(place_nm=place, k=72, leave_out_within_nm=150)
        left_out = near if first == "em" else np.zeros(72, dtype=bool)
        assert sorted(found["synapse_id"]) == sorted(warehouse.points.ids.to_numpy(zero_copy_only=False)[~left_out])
        assert near.sum() > 1


def test_typical_members_are_those_near_the_mean_direction(warehouse: Warehouse) -> None:
    among = warehouse.points.select(Filters({"target": ["gaba"]}))
    unit = warehouse.vectors.at(np.flatnonzero(among)) / np.linalg.norm(
        warehouse.vectors.at(np.flatnonzero(among)), axis=1, keepdims=True
    )
    expected = np.flatnonzero(among)[np.argsort(-(unit @ unit.mean(axis=0)))][:4]
    assert warehouse.typical(among, 4).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"k": 0}, "k has to be 1 or more"),
        ({"metric": "euclid"}, "no metric 'euclid'"),
        ({"columns": "size"}, "no column 'size' of classes"),
        ({"filters": Filters({}, {"probability": 2})}, "no synapse is left to compare with"),
        ({"image": np.zeros((3, 24, 24), np.uint8)}, "give one of these"),
    ],
)
def test_what_cannot_be_asked_is_told(warehouse: Warehouse, asked: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        warehouse.similar("s010", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "columns": "target", "metric": "l2", "most_columns": 2},
        {"where": "s.target = 'gaba'", "leave_out_own_neuron": False, "leave_out_within_nm": 150.0},
        {"filters": Filters({"brain_region": [REGIONS[1]]})},
    ],
)
def test_a_request_is_answered_like_its_parts(warehouse: Warehouse, options: dict[str, Any]) -> None:
    found = warehouse.similar(SearchRequest("s010", **options))
    pd.testing.assert_frame_equal(found, warehouse.similar("s010", **options))
    assert len(found) > 0
    assert not options or not found.equals(warehouse.similar("s010"))


def test_a_request_is_given_alone_and_whole(warehouse: Warehouse) -> None:
    with pytest.raises(BadInput, match="give it alone, and k, metric inside of it"):
        warehouse.similar(SearchRequest("s010"), k=5, metric="l2")
    with pytest.raises(BadInput, match="give one of these"):
        SearchRequest("s010", place_nm=(1, 2, 3))
    with pytest.raises(BadInput, match="k has to be 1 or more, not 0"):
        SearchRequest("s010", k=0)


def test_a_request_has_every_argument_of_a_search_with_its_default() -> None:
    arguments = inspect.signature(Warehouse.similar).parameters
    fields = {field.name: field.default for field in dataclasses.fields(SearchRequest)}
    assert {name: argument.default for name, argument in arguments.items() if name != "self"} == fields


def test_vectors_of_two_encoders_are_refused(whole_lab: Lab) -> None:
    lab = whole_lab
    vectors = vectors_in_use(lab.store)
    rows = vectors.read(REGIONS[0], vectors.table.names)
    others = pa.array(["another"] * rows.num_rows)
    rows = rows.set_column(rows.column_names.index("model_id"), "model_id", others)
    vectors.replace_region(REGIONS[0], rows, [])
    lab.materialize("warehouse")
    with (
        open_warehouse("tiny", lab.root) as warehouse,
        pytest.raises(BadInput, match="not all of its vectors were made"),
    ):
        warehouse.similar("s010")


def test_another_release_is_noticed(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    lab.whole_chain()
    with open_warehouse("tiny", lab.root) as warehouse:
        before = warehouse.similar("s010", k=5)
        assert not warehouse.is_outdated()
        lab.materialize("warehouse")
        assert warehouse.is_outdated()
        assert warehouse.similar("s010", k=5).equals(before), "who holds the old one keeps asking it"


def test_an_answer_becomes_a_picture(warehouse: Warehouse) -> None:
    answer = warehouse.similar("s010", k=2, columns="target")
    picture = np.asarray(warehouse.picture(answer))
    tiles = warehouse.tiles(answer["synapse_id"].tolist())
    side = tiles.shape[-1]
    for number, tile in enumerate(tiles):
        column, rank = divmod(number, 2)
        left, top = 4 + column * (side + 4), 4 + rank * (side + 4 + 14)
        assert (picture[top : top + side, left : left + side] == tile[len(tile) // 2]).all()
    with pytest.raises(BadInput, match="nothing to show"):
        warehouse.picture(answer.iloc[:0])


# What a question may reach --------------------------------------------------------------------------------------------------


class Closed:
    """A small warehouse, a folder with a file that is nobody's business, and a server; all as they were, at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        store = DatasetStore(str(folder / "data"), "sample")
        store.synapses.replace_region("EB", synapses("EB", ["a", "b"]), [])
        build_warehouse(store, [store.synapses], {})
        (folder / "private.csv").write_text("word\ns3cret\n")
        self.own = store.warehouse_path
        self.warehouse = Warehouse(store)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.before = self.files()

    def files(self) -> dict[str, str]:
        found = (file for file in sorted(self.folder.rglob("*")) if file.is_file())
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}

    def filled_in(self, query: str) -> str:
        places = {"OVERWRITE": "(format parquet, use_tmp_file false)", "FILE": f"{self.folder}/private.csv"}
        places |= {"OUT": f"{self.folder}/out", "OWN": str(self.own)}
        places["HTTP"] = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        for name, place in places.items():
            query = query.replace(name, place)
        return query

    def assert_as_before(self) -> None:
        assert self.files() == self.before
        assert self.warehouse.sql("select count(*) as n from synapses")["n"].tolist() == [2]
        with pytest.raises(BlockingIOError):
            self.server.accept()


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Closed]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    made = Closed(tmp_path)
    with made.warehouse:
        yield made
    made.server.close()


ATTACKS = [
    "select * from read_csv('FILE')",
    "from 'FILE'",
    "from read_text('FILE')",
    "from read_blob('FILE')",
    "from read_json('FILE')",
    "from read_parquet('FILE')",
    "from sniff_csv('FILE')",
    "from glob('OUT*')",
    "from query('from read_text(''FILE'')')",
    "from read_csv('HTTP/a.csv')",
    "from 'HTTP/a.parquet'",
    "from 's3://bucket/a.parquet'",
    "copy synapses to 'OUT'",
    "copy (select 1) to 'OUT.parquet'",
    "COPY synapses TO '/dev/stdout'",
    "copy synapses from 'FILE'",
    "explain analyze copy (select 1) to 'OUT'",
    "select 1; copy (select 1) to 'OUT'",
    "with a as (copy (select 1) to 'OUT') from a",
    "prepare a as copy (select 1) to 'OUT'; execute a",
    "copy (select 1) to 'OWN' OVERWRITE",
    "copy (select 1) to 'OWN.wal' (format csv)",
    "with a as (copy (select 1) to 'OWN' OVERWRITE) from a",
    "with\u00a0a as (\u00a0copy\u00a0(select 1) to 'OWN' OVERWRITE) from a",
    "with a as (/* */Copy/* */(select 1) to 'OWN' OVERWRITE) from a",
    "with \u00e4$$ as (copy (select 1) to 'OWN' OVERWRITE), b$$ as (select 1) from b$$",
    "with a as (copy (select 1) to 'OWN' OVERWRITE) select '--', * from a",
    "copy (pivot synapses on brain_region) to 'OWN' OVERWRITE",
    "explain analyze copy (pivot synapses on brain_region) to 'OWN' OVERWRITE",
    "from json_execute_serialized_sql(json_serialize_sql('with a as (copy (select 1) to ''OWN'' OVERWRITE) from a'))",
    "from \"JSON_execute_serialized_sql\" (json_serialize_sql('with a as (copy (select 1) to ''OWN'' OVERWRITE) from a'))",
    "from query('from json_' || 'execute_serialized_sql(json_serialize_sql(''with a as (copy (select 1) to OWN OVERWRITE) from a''))')",
    "from `query`\u00a0/* */ ('with a as (copy (select 1) to ''OWN'' OVERWRITE) from a')",
    "pragma json_execute_serialized_sql(json_serialize_sql('with a as (copy (select 1) to ''OWN'' OVERWRITE) from a'))",
    "attach 'OUT.duckdb' as other",
    "attach ':memory:' as other",
    "attach 'OWN' as other",
    "use memory; detach published; attach 'OWN' as other; create table other.main.a as select 1",
    "use memory; detach published",
    "from read_duckdb('OUT.duckdb')",
    "install httpfs",
    "force install httpfs from 'HTTP'",
    "load httpfs",
    "load 'OUT.duckdb_extension'",
    "update extensions",
    "export database 'OUT'",
    "import database 'OUT'",
    "copy from database published to memory",
    "create persistent secret a (type http, bearer_token 'b')",
    "set enable_external_access = true",
    "reset enable_external_access",
    "set lock_configuration = false",
    "set global allowed_paths = ['FILE']",
    "set allowed_directories = ['/']",
    "set allowed_configs = ['enable_external_access']",
    "set temp_directory = 'OUT'",
    "set home_directory = 'OUT'",
    "set secret_directory = 'OUT'",
    "set extension_directory = 'OUT'",
    "set custom_extension_repository = 'HTTP'",
    "set log_query_path = 'OUT'",
    "set profiling_output = 'OUT.json'",
    "pragma profiling_output = 'OUT.json'",
    "pragma enable_profiling = 'json'",
    "set python_enable_replacements = true",
    "set python_scan_all_frames = true",
    "set threads = 1",
    "call enable_logging(storage = 'file', storage_config = {'path': 'OUT'})",
    "from enable_logging(storage = 'file', storage_config = {'path': 'OUT'})",
    "from enable_profiling(save_location = 'OUT')",
    "from local_frame",
    "from self",
    "from query",
    "from parameters",
    "from arrow_scan(1, 2, 3)",
    "from python_map_function(1, 2)",
    "insert into synapses select * from synapses",
    "delete from synapses",
    "drop table synapses",
    "create table published.main.a as select 1",
    "create or replace view published.main.labelled_synapses as select 1",
]


@pytest.mark.parametrize("query", ATTACKS)
def test_sql_reaches_neither_files_nor_network_nor_settings(closed: Closed, query: str) -> None:
    local_frame = pd.DataFrame({"word": ["s3cret"]})
    with pytest.raises(duckdb.Error) as error:
        closed.warehouse.sql(closed.filled_in(query))
    assert "s3cret" in local_frame["word"].tolist()
    assert "s3cret" not in str(error.value)
    assert len(str(error.value)) > 20
    closed.assert_as_before()


def test_what_is_not_run_says_what_to_do(closed: Closed) -> None:
    for query in ("copy synapses to 'a.csv'", "attach 'a.duckdb'", "from query('select 1')", "pragma version"):
        with pytest.raises(duckdb.PermissionException, match="for anything else open the file with plain duckdb"):
            closed.warehouse.sql(query)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("select count(*) from synapses", 2),
        ("from synapses select count(*);", 2),
        ("with query as (select 7 as copied) select copied from query", 7),
        ("values (3), (4)", 3),
        ("select 1; select 2", 2),
        ("show tables", "release"),
        ("describe synapses", "synapse_id"),
        ("summarize synapses", "synapse_id"),
        ("table synapses order by all", "a"),
        ("pivot (select 'x' as name, 5 as number) on name using sum(number)", 5),
        ("explain select 1", "physical_plan"),
        ("explain analyze select 1", "analyzed_plan"),
        ("select 'to copy (a) query(b)' -- copy", "to copy (a) query(b)"),
        ('select 1 as "copy", 2 as \u00e4', 1),
        ("select $$copy$$", "copy"),
        ("/* copy /* from */ query (1) */ select 8", 8),
        ("select count(*) from range(1000) t(i) join generate_series(1, 3) on true", 3000),
        ("select unnest([9])", 9),
        ("select count(*) from duckdb_columns() where table_name = 'none'", 0),
        ("create temp table kept as select 6 as n; select n from kept", 6),
        ("begin; select 5", 5),
        ("prepare a as select 3; execute a", 3),
        ("set variable n = 4; select getvariable('n')", 4),
    ],
)
def test_questions_are_answered_as_before(closed: Closed, query: str, first: object) -> None:
    assert closed.warehouse.sql(query).iloc[0, 0] == first
    closed.assert_as_before()


def test_parameters_are_values_and_no_sql(closed: Closed) -> None:
    word = "'); copy (select 1) to 'out'; select ('"
    assert closed.warehouse.sql("select ? as word", [word])["word"].tolist() == [word]
    assert closed.warehouse.sql("use memory").empty
    closed.assert_as_before()


def test_a_large_sort_still_goes_to_disk(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    small: Callable[..., Any] = functools.partial(duckdb.connect, config={"memory_limit": "60MB", "threads": 1})
    monkeypatch.setattr(duckdb, "connect", small)
    with Warehouse(closed.warehouse._store) as warehouse:
        rows = warehouse.sql(
            "select a, b from (select range as a, hash(range) as b from range(6_000_000)) order by b, a limit 1 offset 3_000_000"
        )
        assert len(rows) == 1
        assert list((closed.folder / ".tmp").iterdir())
        with pytest.raises(duckdb.Error):
            warehouse.sql("copy (select 1) to '.tmp/a.csv' (format csv)")
        with pytest.raises(duckdb.Error):
            warehouse.sql("export database '.tmp/a'")


@pytest.mark.parametrize(
    "where",
    [
        "true); copy (select 1) to 'OUT'; select (1",
        "true); copy (select 1) to 'OWN' OVERWRITE; select (s.synapse_id",
        "true; copy (select 1) to 'OUT'",
        "true) union all select s.synapse_id from labelled_synapses s where (true",
        "true) or (true",
        "true) -- ",
        "true /*",
        "true order by 1",
        "true, false",
        "",
        "s.synapse_id in (select word from read_csv('FILE'))",
        "s.synapse_id in (from 'FILE')",
        "exists (from read_text('FILE'))",
        "exists (with a as (copy (select 1) to 'OWN' OVERWRITE) from a)",
        "exists (from json_execute_serialized_sql(json_serialize_sql('with a as (copy (select 1) to ''OWN'' OVERWRITE) from a')))",
        "exists (from query('select 1'))",
        "s.nothing = 1",
        "exists (from read_csv('HTTP/a.csv'))",
        "set threads = 1",
        "exists (from points)",
    ],
)
def test_a_condition_is_no_more_than_that(finished_lab: Lab, tmp_path: Path, where: str) -> None:
    own, out = finished_lab.store.warehouse_path, tmp_path / "out"
    private = tmp_path / "private.csv"
    private.write_text("word\ns3cret\n")
    before = own.read_bytes()
    places = {"OVERWRITE": "(format parquet, use_tmp_file false)", "OWN": own, "OUT": out, "FILE": private}
    for name, place in {**places, "HTTP": "http://127.0.0.1:9"}.items():
        where = where.replace(name, str(place))
    with open_warehouse("tiny", finished_lab.root) as warehouse:
        with pytest.raises(BadInput, match="where") as error:
            warehouse.similar("s010", where=where)
        assert len(warehouse.similar("s010", k=3)) == 3
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)
    assert own.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["private.csv"]


@pytest.mark.parametrize(
    "where",
    [
        "true -- all",
        "s.target = 'gaba' and s.synapse_id in (select synapse_id from clusters) /* copy */",
        "s.target = 'gaba' or s.target = 'copy'",
        "exists (from synapses x where x.synapse_id = s.synapse_id)",
    ],
)
def test_conditions_are_taken_as_before(warehouse: Warehouse, where: str) -> None:
    found = warehouse.similar("s010", k=72, where=where)
    assert len(found) > 10
    assert set(found["target"]) == ({"gaba"} if "gaba" in where else set(found["target"]))


LOOKED_AT = set(
    """
    add_parquet_key arrow_scan arrow_scan_dumb checkpoint collations copy_database create_external_resource
    database_list database_size deregister_external_resource destroy_external_resource extension_versions
    force_checkpoint functions generate_series glob icu_calendar_names import_database json_each
    json_execute_serialized_sql json_tree metadata_info pandas_scan pg_timezone_names platform python_arrow_scan
    python_map_function query query_table range register_external_resource register_external_resource_type repeat
    repeat_row seq_scan show show_databases show_tables show_tables_expanded sniff_csv storage_info summary
    table_info test_all_types test_vector_types truncate_duckdb_logs unnest user_agent verify_parallelism version
    which_secret
    """.split()  # noqa: SIM905
)


def test_every_function_of_duckdb_that_gives_a_table_was_looked_at() -> None:
    """A new one may run a text as SQL: look at it, and at `check_question`, before it is added here."""
    found = duckdb.connect().execute(
        "select distinct function_name from duckdb_functions() where function_type in ('table', 'pragma') order by 1"
    )
    names = {name for (name,) in found.fetchall()}
    harmless = {
        name for name in names if name.startswith(("duckdb_", "pragma_", "read_", "parquet_", "disable_", "enable_"))
    }
    assert names - harmless <= LOOKED_AT
