"""Retrieval: the values of a re-implementation query by query, own neurons and near places left out, and small or odd samples."""

from typing import Any

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.retrieval import (
    AVERAGE_PRECISION,
    KNN,
    PRECISION,
    RECALL,
    Exclusion,
    RetrievalScore,
    score_retrieval,
)
from synapse_assets.errors import BadInput


def nothing_excluded(count: int) -> Exclusion:
    places = np.arange(count, dtype=float)[:, None] * [1e6, 0, 0]
    return Exclusion(np.full(count, -1), places, np.zeros(count, dtype=np.int64), 0.0)


def values(scores: list[RetrievalScore]) -> dict[tuple[str, int | None], float]:
    return {(entry.score, entry.k): entry.value for entry in scores}


@pytest.fixture(scope="module")
def planted() -> dict[str, Any]:
    """90 synapses of 15 neurons, each neuron of one of three classes, some without a class or a neuron, in two volumes."""
    rng = np.random.default_rng(4)
    neuron = np.repeat(np.arange(15), 6)
    kinds = np.array(["a", "b", "c"])[neuron % 3]
    vectors = rng.normal(size=(90, 5)) + 0.8 * np.eye(5)[neuron % 3] + rng.normal(size=(15, 5))[neuron]
    labels: list[str | None] = [None if row % 13 == 0 else str(kind) for row, kind in enumerate(kinds)]
    neuron[[5, 50]] = -1
    exclusion = Exclusion(neuron, rng.uniform(0, 900, (90, 3)), rng.integers(0, 2, 90), 150.0)
    return {"vectors": vectors, "labels": labels, "exclusion": exclusion}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("block", [1 << 22, 7 * 90])
def test_every_score_is_that_of_each_query_by_itself(
    planted: dict[str, Any], metric: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synapse_assets.analysis.evaluation.retrieval._BLOCK_NUMBERS", block)
    vectors, labels, exclusion = planted.values()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    of_query: dict[tuple[str, int | None], list[float]] = {}
    right: dict[str, list[bool]] = {}
    for query in range(90):
        if labels[query] is None:
            continue
        distance = 1 - unit @ unit[query] if metric == "cosine" else np.linalg.norm(vectors - vectors[query], axis=1)
        others = []
        for row in np.argsort(distance):
            same_neuron = exclusion.neurons[row] == exclusion.neurons[query] != -1
            apart = np.linalg.norm(exclusion.places_nm[row] - exclusion.places_nm[query])
            near = apart <= 150 and exclusion.volumes[row] == exclusion.volumes[query]
            if row != query and labels[row] is not None and not same_neuron and not near:
                others.append(row)
        hit = [labels[row] == labels[query] for row in others]
        for k in (1, 5, 10):
            of_query.setdefault((RECALL, k), []).append(any(hit[:k]))
            of_query.setdefault((PRECISION, k), []).append(sum(hit[:k]) / k)
        at_hits = [sum(hit[: rank + 1]) / (rank + 1) for rank in range(len(hit)) if hit[rank]]
        of_query.setdefault((AVERAGE_PRECISION, None), []).append(np.mean(at_hits))
        votes = dict.fromkeys("abc", 0.0)
        for row in others[:10]:
            votes[str(labels[row])] += 1 + unit[row] @ unit[query]
        right.setdefault(str(labels[query]), []).append(max(votes, key=lambda kind: votes[kind]) == labels[query])
    expected = {key: np.mean(one) for key, one in of_query.items()}
    expected[KNN, 10] = np.mean([np.mean(of_class) for of_class in right.values()])

    scores = score_retrieval(vectors, {"class": labels}, exclusion, exclusion.neurons, metric, 0)["class"]
    assert values(scores) == pytest.approx(expected)
    assert {entry.queries for entry in scores} == {sum(label is not None for label in labels)}
    assert all(0.05 < value < 0.99 for value in values(scores).values()), "a score at its limit shows nothing"


def test_a_neuron_that_only_knows_itself_scores_as_guessing() -> None:
    """Copies within each neuron, and nothing in common between neurons of a class."""
    rng = np.random.default_rng(0)
    neuron = np.repeat(np.arange(60), 12)
    labels = {"class": [f"c{n % 4}" for n in neuron]}
    vectors = rng.normal(size=(60, 16))[neuron] + rng.normal(scale=0.01, size=(720, 16))
    kept, out = nothing_excluded(720), nothing_excluded(720)
    out = Exclusion(neuron, out.places_nm, out.volumes, 0.0)
    with_own = values(score_retrieval(vectors, labels, kept, neuron, "cosine", 0)["class"])
    without = score_retrieval(vectors, labels, out, neuron, "cosine", 0)["class"]
    assert with_own[KNN, 10] == with_own[RECALL, 1] == with_own[PRECISION, 10] == 1
    for entry in without:
        if entry.score in (PRECISION, KNN):
            assert entry.interval is not None
            assert entry.interval[0] < 0.25 < entry.interval[1]
            assert abs(entry.value - 0.25) < 0.15


def test_copies_at_near_places_of_a_volume_are_left_out() -> None:
    """Pairs at 10 nm with the same vector: found unless near places are left out, and found in another volume."""
    rng = np.random.default_rng(1)
    pair = np.repeat(np.arange(100), 2)
    places = rng.uniform(0, 1e6, (100, 3))[pair] + np.tile([[0.0], [6.0]], (100, 1))
    vectors, labels = rng.normal(size=(100, 8))[pair], {"class": [f"c{n}" for n in pair % 50]}

    def first_hit(volumes: np.ndarray, near_nm: float) -> float:
        exclusion = Exclusion(np.full(200, -1), places, volumes, near_nm)
        return values(score_retrieval(vectors, labels, exclusion, pair, "euclidean", 0)["class"])[RECALL, 1]

    one, two = np.zeros(200, dtype=np.int64), np.tile([0, 1], 100)
    assert first_hit(one, 0.0) == first_hit(one, 10.0) == first_hit(two, 50.0) == 1
    assert first_hit(one, 11.0) < 0.1


def test_intervals_are_over_groups_and_cover_the_truth() -> None:
    """Ten neurons of one synapse are the nearest of every other of their class; of 40 neurons of 5, each resembles the right class
    with probability 0.7."""
    covered = 0
    neuron = np.concatenate([np.arange(20), np.repeat(np.arange(20, 60), 5)])
    kind = neuron % 2
    for seed in range(30):
        rng = np.random.default_rng(seed)
        resembles = np.where((rng.random(60) < 0.7) | (np.arange(60) < 20), np.arange(60) % 2, 1 - np.arange(60) % 2)
        own_direction = np.where(neuron[:, None] < 20, 0.0, 0.3) * np.eye(60)[neuron]
        vectors = np.column_stack([np.eye(2)[resembles[neuron]], own_direction])
        exclusion = Exclusion(neuron, nothing_excluded(220).places_nm, np.zeros(220, dtype=np.int64), 0.0)
        scores = score_retrieval(vectors, {"class": [f"c{k}" for k in kind]}, exclusion, neuron, "cosine", 0)["class"]
        knn = next(entry for entry in scores if entry.score == KNN)
        assert knn.interval is not None
        assert (knn.groups, knn.queries) == (60, 220)
        assert knn.value == pytest.approx(np.mean(resembles[neuron] == kind), abs=0.02)
        covered += knn.interval[0] <= (20 + 200 * 0.7) / 220 <= knn.interval[1]
        assert knn.interval[1] - knn.interval[0] > 0.2, "over 220 synapses it would be 0.12"
    assert covered >= 26


def test_labels_of_a_single_neuron_are_left_out_and_counted() -> None:
    neuron = np.array([0, 0, 1, 1, 2, 2, 3])
    exclusion = Exclusion(neuron, nothing_excluded(7).places_nm, np.zeros(7, dtype=np.int64), 0.0)
    labels = {"cell_type": ["x", "x", "x", "x", "y", "y", ""]}
    scores = score_retrieval(np.eye(7)[:, :4] + 1, labels, exclusion, neuron, "cosine", 0)["cell_type"]
    assert {(entry.queries, entry.groups, entry.left_out) for entry in scores} == {(4, 2, 2)}
    assert all(entry.interval is None for entry in scores)


@pytest.mark.parametrize(
    ("vectors", "labels", "neurons"),
    [
        (np.zeros((0, 4)), [], []),
        (np.ones((1, 4)), ["a"], [0]),
        (np.ones((2, 4)), ["a", "b"], [0, 1]),
        (np.ones((2, 4)), ["a", "a"], [5, 5]),
        (np.ones((5, 4)), ["a", "b", "a", "b", "a"], [0] * 5),
        (np.ones((5, 4)), [None] * 5, range(5)),
        (np.zeros((5, 0)), [None, "", None, "", "a"], range(5)),
    ],
)
def test_nothing_to_retrieve_has_no_scores(vectors: np.ndarray, labels: list[str | None], neurons: Any) -> None:
    exclusion = Exclusion(
        np.array(neurons, dtype=np.int64), nothing_excluded(len(labels)).places_nm, np.zeros(len(labels), int), 0.0
    )
    assert score_retrieval(vectors, {"class": labels}, exclusion, np.arange(len(labels)), "cosine", 0) == {"class": []}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_votes_are_weighted_by_cosine_similarity(metric: Any) -> None:
    """Five of one class in one direction and six of another at a right angle: of the ten others no more than half are of the query's
    class, and yet it wins, as each of them counts twice."""
    vectors = np.repeat(np.eye(2), [5, 6], axis=0)
    labels = {"class": ["a"] * 5 + ["b"] * 6}
    scores = values(score_retrieval(vectors, labels, nothing_excluded(11), np.arange(11), metric, 0)["class"])
    assert scores[KNN, 10] == 1
    assert scores[PRECISION, 10] == pytest.approx((5 * 0.4 + 6 * 0.5) / 11)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_constant_vectors_guess_and_one_class_is_always_found(metric: Any) -> None:
    vectors = np.zeros((400, 6))
    labels = {"four": [f"c{row // 100}" for row in range(400)], "one": ["a"] * 400}
    scores = score_retrieval(vectors, labels, nothing_excluded(400), np.arange(400), metric, 0)
    assert values(scores["four"])[PRECISION, 10] == pytest.approx(0.25, abs=0.05)
    assert values(scores["one"]) == dict.fromkeys(values(scores["one"]), 1.0)
    assert all(np.isfinite([entry.value, *(entry.interval or ())]).all() for entry in scores["four"])


def test_what_is_no_sample_is_refused() -> None:
    three = nothing_excluded(3)
    with pytest.raises(BadInput, match="row 1 holds NaN"):
        score_retrieval([[1.0], [np.nan], [0.0]], {"class": ["a"] * 3}, three, np.arange(3), "cosine", 0)
    with pytest.raises(BadInput, match="3 vectors, but labels, groups or places of other numbers"):
        score_retrieval(np.ones((3, 2)), {"class": ["a"] * 2}, three, np.arange(3), "cosine", 0)
    with pytest.raises(BadInput, match="no metric 'l1' of retrieval; there are cosine, euclidean"):
        score_retrieval(np.ones((3, 2)), {"class": ["a"] * 3}, three, np.arange(3), "l1", 0)  # type: ignore[arg-type]
