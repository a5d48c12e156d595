"""Questions asked of a release: exact neighbours, filters before the search, the query's own neuron left out."""

import duckdb
import numpy as np
import pytest

from synapse_assets.query import Warehouse, open_warehouse
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
