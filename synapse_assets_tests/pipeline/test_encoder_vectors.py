"""The vectors of a sample by any encoder: stored or computed from the stored tiles, they are the same."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.pipeline.em.encoder_vectors import embedder, sampled_synapses, stored_vectors, vectors_from_tiles
from synapse_assets.stores.rows import vector_matrix, vectors_in_use
from synapse_assets_tests.conftest import Lab


@pytest.fixture
def rows(finished_lab: Lab) -> pa.Table:
    return sampled_synapses(finished_lab.store, ["neuron_id", "x_nm"], 1_000, 0)


def test_a_sample_has_labels_places_and_the_present_tile(finished_lab: Lab, rows: pa.Table) -> None:
    store = finished_lab.store
    tiles = store.tiles.read(None, ["synapse_id", "tile_hash"]).to_pylist()
    assert rows.select(["synapse_id", "tile_hash"]).to_pylist() == tiles
    assert len(tiles) == 72
    assert set(rows.column("target").to_pylist()) == {"acetylcholine", "gaba", "glutamate"}
    assert rows.column("neuron_id").null_count == rows.column("x_nm").null_count == 0

    few = sampled_synapses(store, [], 10, 0)
    assert few.num_rows == 10
    assert len(set(few.column("brain_region").to_pylist())) == 3
    assert few.equals(sampled_synapses(store, [], 10, 0))
    assert not few.equals(sampled_synapses(store, [], 10, 1))


def test_stored_and_computed_vectors_are_the_same(finished_lab: Lab, rows: pa.Table) -> None:
    store = finished_lab.store
    encoder = str(store.models("encoder").current)
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    stored = vector_matrix(vectors_in_use(store).read_ids(shuffled.column("synapse_id").to_pylist(), ["vector"]))
    matrix, missing = stored_vectors(store, encoder, shuffled)
    np.testing.assert_array_equal(matrix, stored)
    assert not missing

    # The tiles of the first and last were cut anew since: what is stored is not of them.
    hashes = shuffled.column("tile_hash").to_pylist()
    changed = shuffled.set_column(
        shuffled.column_names.index("tile_hash"), "tile_hash", pa.array(["new", *hashes[1:-1], "new"])
    )
    matrix, missing = stored_vectors(store, encoder, changed)
    assert missing == [shuffled.column("synapse_id")[row].as_py() for row in (0, 71)]
    assert not matrix[[0, 71]].any()
    assert np.abs(matrix[1:-1]).max(axis=1).all()
    computed = vectors_from_tiles(store, missing, {encoder: embedder(store, encoder, "cpu")})[encoder]
    np.testing.assert_allclose(computed, stored[[0, 71]], atol=2e-3)
