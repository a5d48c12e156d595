"""Questions asked of a release: exact neighbours, filters before the search, the query's own neuron left out."""

from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.query import Filters, Warehouse, open_warehouse
from synapse_assets.schema import BadInput
from synapse_assets.stores.rows import vector_matrix, vectors_in_use
from synapse_assets.volumes import decode_tile
from synapse_assets_tests.conftest import FIRST_NEURON, REGIONS, Lab


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


def test_the_own_neuron_is_left_out(warehouse: Warehouse) -> None:
    own = warehouse.sql("select neuron_id from synapses where synapse_id = 's010'")["neuron_id"].iloc[0]
    found = warehouse.similar("s010", k=71)
    assert own not in set(found["neuron_id"])
    assert len(found) == 66


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


def test_vectors_of_two_encoders_are_refused(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    lab.whole_chain()
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
