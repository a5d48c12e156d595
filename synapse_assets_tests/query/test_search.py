"""Nearest vectors by four measures and by class, against brute force."""

import numpy as np
import pytest

from synapse_assets.query.points import points_from_table
from synapse_assets.query.search import METRICS, Metric, Vectors, nearest_rows
from synapse_assets.schema import BadInput

ROWS, DIMENSIONS = 3000, 24


@pytest.fixture(scope="module")
def planted() -> tuple[Vectors, np.ndarray]:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(ROWS, DIMENSIONS)).astype(np.float32)
    return Vectors.of(matrix, np.ones(ROWS, dtype=bool)), rng.random(ROWS) < 0.4


def brute(matrix: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    big, q = matrix.astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        return 1 - (big @ q) / np.linalg.norm(big, axis=1) / np.linalg.norm(q)
    if metric == "inner_product":
        return -(big @ q)
    return np.linalg.norm(big - q, ord={"l1": 1, "l2": 2}[metric], axis=1)


@pytest.mark.parametrize("metric", METRICS)
def test_distances_are_those_of_brute_force(planted: tuple[Vectors, np.ndarray], metric: Metric) -> None:
    vectors, among = planted
    found = vectors.distances(vectors.matrix[7], metric, among)
    expected = brute(vectors.matrix, vectors.matrix[7], metric)
    np.testing.assert_allclose(found[among], expected[among], rtol=1e-4, atol=1e-3)


def test_the_best_of_each_class_whatever_its_size(planted: tuple[Vectors, np.ndarray]) -> None:
    import pyarrow as pa

    vectors, among = planted
    rng = np.random.default_rng(5)
    names = np.where(rng.random(ROWS) < 0.002, "rare", rng.choice(["common", "frequent"], ROWS)).tolist()
    ids = [f"{at:05d}" for at in range(ROWS)]
    table = pa.table({"synapse_id": ids, "neuron_id": pa.nulls(ROWS, pa.int64()), "target": names})
    column = points_from_table(table).categories["target"]
    distances = vectors.distances(vectors.matrix[7], "cosine", among)
    found = dict(nearest_rows(distances, among, 4, column))
    for name in ("common", "frequent", "rare"):
        members = [at for at in range(ROWS) if among[at] and names[at] == name]
        assert found[name].tolist() == sorted(members, key=lambda at: distances[at])[:4]
    assert 0 < len(found["rare"]) <= 4
    ((_, everything),) = nearest_rows(distances, among, ROWS, None)
    assert len(everything) == among.sum()


def test_an_unknown_metric_is_told(planted: tuple[Vectors, np.ndarray]) -> None:
    vectors, among = planted
    with pytest.raises(BadInput, match="no metric 'euclid'; there are cosine, l2, l1, inner_product"):
        vectors.distances(vectors.matrix[0], "euclid", among)  # type: ignore[arg-type]
