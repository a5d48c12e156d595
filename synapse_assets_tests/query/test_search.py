"""Nearest vectors by four measures and by class, in memory and through a stored index, against brute force."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.query import search
from synapse_assets.query.points import Category, points_from_table
from synapse_assets.query.search import METRICS, Metric, StoredVectors, Vectors, VectorsInMemory, distances
from synapse_assets.schema import embedding_table
from synapse_assets.stores import vector_index
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.vector_index import build_or_refresh

ROWS, DIMENSIONS, K = 6000, 24, 4
QUERY = 7
IDS = pa.array([f"{at:05d}" for at in range(ROWS)])


def planted() -> tuple[np.ndarray, np.ndarray, Category]:
    """Vectors around 40 centres, which of them take part, and their classes: one of them rare, one far from the query."""
    rng = np.random.default_rng(3)
    centre = rng.integers(0, 40, ROWS)
    matrix = (rng.normal(size=(40, DIMENSIONS))[centre] * 3 + rng.normal(size=(ROWS, DIMENSIONS))).astype(np.float16)
    names = np.where(centre == (centre[QUERY] + 1) % 40, "far", rng.choice(["common", "frequent"], ROWS))
    names[rng.choice(ROWS, 9, replace=False)] = "rare"
    table = pa.table({"synapse_id": IDS, "neuron_id": pa.nulls(ROWS, pa.int64()), "target": names.tolist()})
    return matrix.astype(np.float32), rng.random(ROWS) < 0.6, points_from_table(table).categories["target"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> RegionTable:
    """The planted vectors in a Lance table with an index."""
    schema = embedding_table(DIMENSIONS)
    table = RegionTable(str(tmp_path_factory.mktemp("vectors") / "planted.lance"), schema)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(planted()[0].ravel(), pa.float16()), DIMENSIONS)
    columns = {"synapse_id": IDS, "brain_region": ["EB"] * ROWS, "tile_hash": ["0"] * ROWS, "model_id": ["m"] * ROWS}
    table.replace_region("EB", pa.table({**columns, "vector": vectors}).select(schema.names).cast(schema.arrow), [])
    assert build_or_refresh(table, exact_below=100).indexed_rows == ROWS
    return table.at_version(table.version)


@pytest.fixture(params=["in memory", "stored"])
def vectors(request: pytest.FixtureRequest, stored: RegionTable) -> Vectors:
    matrix, _, _ = planted()
    if request.param == "in memory":
        return VectorsInMemory(matrix, np.ones(ROWS, dtype=bool))
    return StoredVectors(stored, stored.numbers_of(IDS))


def brute(query: np.ndarray, metric: str) -> np.ndarray:
    big, q = planted()[0].astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        return 1 - (big @ q) / np.linalg.norm(big, axis=1) / np.linalg.norm(q)
    if metric == "inner_product":
        return -(big @ q)
    return np.linalg.norm(big - q, ord={"l1": 1, "l2": 2}[metric], axis=1)


@pytest.mark.parametrize(("metric", "reaches"), [*((one, (20, 100)) for one in METRICS), ("cosine", (2_000, 20_000))])
def test_the_best_of_each_class_whatever_its_size(
    vectors: Vectors, metric: Metric, reaches: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_REACHES", reaches)
    monkeypatch.setattr(search, "_FEW_ROWS", 10)
    _, among, column = planted()
    query = vectors.at(np.array([QUERY]))[0]
    expected = brute(query, metric)
    found = {one.name: one for one in vectors.nearest(query, metric, among, K, column)}
    assert set(found) == {"common", "frequent", "rare", "far"}
    for code, name in enumerate(column.names):
        members = np.flatnonzero(among & (column.codes == code))
        nearest = members[np.argsort(expected[members], kind="stable")][:K]
        np.testing.assert_allclose(found[name].distances, expected[nearest], rtol=1e-3, atol=1e-3)
        if metric == "cosine":
            assert set(found[name].rows) == set(nearest)
    assert 0 < len(found["rare"].rows) <= K


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_long_vectors_that_are_nearly_the_same(metric: Metric) -> None:
    """Of length 1,000 and 0.001, 0.002, ... from the query, in any order."""
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(ROWS + 1, DIMENSIONS))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    query = (1000 * directions[-1]).astype(np.float32)
    apart = 0.001 * (1 + rng.permutation(ROWS))[:, None]
    matrix = (query + apart * directions[:-1]).astype(np.float32)
    expected = np.linalg.norm(matrix.astype(np.float64) - query, ord={"l1": 1, "l2": 2}[metric], axis=1)
    everyone = np.ones(ROWS, dtype=bool)
    (found,) = VectorsInMemory(matrix, everyone).nearest(query, metric, everyone, ROWS, None)
    np.testing.assert_allclose(found.distances, expected[found.rows], rtol=1e-5)
    if metric == "l2":
        assert found.rows.tolist() == np.argsort(expected).tolist()


def test_candidates_are_compared_and_not_all(stored: RegionTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW_ROWS", 10)
    monkeypatch.setattr(vector_index, "_LEAST_PROBES", 10_000)
    vectors, (_, among, column) = StoredVectors(stored, stored.numbers_of(IDS)), planted()
    compared = []
    monkeypatch.setattr(
        search, "distances", lambda matrix, *rest: compared.append(len(matrix)) or distances(matrix, *rest)
    )
    vectors.nearest(vectors.at(np.array([QUERY]))[0], "cosine", among, K, column)
    # Of the rare class there are few; of the others the nearest eight times as many as are asked for.
    rare = (among & (column.codes == column.names.index("rare"))).sum()
    assert sum(compared) == 3 * 8 * K + rare


def test_filters_may_leave_out_any_class(vectors: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW_ROWS", 10)
    _, among, column = planted()
    query = vectors.at(np.array([QUERY]))[0]
    for code, name in enumerate(column.names):
        (found,) = vectors.nearest(query, "cosine", among & (column.codes == code), K, column)
        assert found.name == name
    # Nor need any have a class.
    without = Category("target", np.full(ROWS, -1, np.int32), column.names, column.typed)
    assert vectors.nearest(query, "cosine", among, K, without) == []


def test_all_of_them_in_one_list(vectors: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW_ROWS", 10)
    _, among, _ = planted()
    (found,) = vectors.nearest(vectors.at(np.array([QUERY]))[0], "cosine", among, ROWS, None)
    assert len(found.rows) == among.sum()
    assert (np.diff(found.distances) >= 0).all()


def test_an_unknown_metric_is_told(vectors: Vectors) -> None:
    with pytest.raises(BadInput, match="no metric 'euclid'; there are cosine, l2, l1, inner_product"):
        vectors.nearest(np.ones(DIMENSIONS, np.float32), "euclid", np.ones(ROWS, dtype=bool), 3, None)  # type: ignore[arg-type]
