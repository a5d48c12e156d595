"""A batch as a person wants it: what chance drew is a fair sample, nothing comes twice from one place, neighbours come together."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from synapse_assets.analysis.labelling.batches import Batch, Places, drawn_by_chance, make_batch
from synapse_assets.errors import BadInput


def places(count: int = 300, neurons: int = 40, seed: int = 0, side_nm: float = 20_000.0) -> Places:
    rng = np.random.default_rng(seed)
    return Places(
        [f"s{number}" for number in range(count)],
        [("AL", "EB")[n] for n in rng.integers(0, 2, size=count)],
        [("left", "right")[n] for n in rng.integers(0, 2, size=count)],
        [None if n == 0 else int(n) for n in rng.integers(0, neurons + 1, size=count)],
        rng.uniform(0, side_nm, size=(count, 3)),
    )


def in_turn(rows: np.ndarray, count: int) -> np.ndarray:
    """A strategy that wants the first of the pool."""
    return np.arange(count)


def batch(pool: Places, propose=in_turn, size: int = 40, **options: float) -> Batch:
    chosen = {"random_share": 0.25, "most_per_neuron": 5, "apart_nm": 0.0, "seed": 0} | options
    return make_batch(pool, propose, size, **chosen)  # type: ignore[arg-type]


def test_the_share_by_chance_is_the_same_whatever_the_strategy_wants() -> None:
    pool = places()

    def backwards(rows: np.ndarray, count: int) -> np.ndarray:
        return np.arange(len(rows))[::-1][:count]

    drawn = [
        {pool.ids[row] for row, origin in zip(made.rows, made.origins, strict=True) if origin == "random"}
        for made in (batch(pool), batch(pool, backwards), batch(pool, most_per_neuron=1, apart_nm=5000.0))
    ]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 10
    assert batch(pool).origins.count("strategy") == 30


def test_what_chance_and_the_strategy_both_want_is_by_chance() -> None:
    pool = places()
    lucky = drawn_by_chance(pool.ids, 10, 0)

    def wants_the_lucky(rows: np.ndarray, count: int) -> np.ndarray:
        assert not set(rows) & set(lucky)
        return np.arange(count)

    made = batch(pool, wants_the_lucky)
    assert {row for row, origin in zip(made.rows, made.origins, strict=True) if origin == "random"} == set(lucky)


def test_chance_knows_no_caps_and_is_uniform() -> None:
    """Half of all are of one neuron, and so are half of those drawn; with a cap of one there would be one."""
    pool = dataclasses.replace(places(200), neurons=[7] * 100 + [None] * 100)
    often = np.zeros(200)
    for seed in range(400):
        made = batch(pool, size=20, random_share=0.5, most_per_neuron=1, seed=seed)
        by_chance = [row for row, origin in zip(made.rows, made.origins, strict=True) if origin == "random"]
        often[by_chance] += 1
        # chance has filled the neuron's share: the strategy gets no more of it
        of_neuron = [row for row in made.rows if row < 100 and row not in by_chance]
        assert len(of_neuron) <= (0 if min(by_chance) < 100 else 1)
    assert often.sum() == 4000
    assert abs(often[:100].sum() / 4000 - 0.5) < 0.03
    assert often.std() < 1.25 * np.sqrt(20)


def test_no_neuron_and_no_place_comes_too_often() -> None:
    pool = places(600, neurons=12)
    made = batch(pool, size=60, random_share=0.0, most_per_neuron=4, apart_nm=900.0)
    assert len(made.rows) == 60
    neurons = [pool.neurons[row] for row in made.rows if pool.neurons[row] is not None]
    assert max(neurons.count(neuron) for neuron in neurons) == 4
    away = np.linalg.norm(pool.positions_nm[made.rows][:, None] - pool.positions_nm[made.rows], axis=2)
    same = np.array(pool.volumes)[made.rows][:, None] == np.array(pool.volumes)[made.rows]
    assert away[same & ~np.eye(60, dtype=bool)].min() >= 900
    # in another volume the same place is another one
    one_place = dataclasses.replace(places(50), positions_nm=np.zeros((50, 3)))
    assert {one_place.volumes[row] for row in batch(one_place, random_share=0.0, apart_nm=900.0).rows} == {
        "left",
        "right",
    }
    assert len(batch(one_place, random_share=0.0, apart_nm=900.0).rows) == 2
    # without a neuron there is no cap
    nobody = batch(dataclasses.replace(pool, neurons=[None] * 600), size=60, random_share=0.0, most_per_neuron=1)
    assert sorted(nobody.rows) == sorted(np.argsort(pool.ids)[:60])


def test_the_strategy_is_asked_again_for_what_the_caps_refused() -> None:
    pool = dataclasses.replace(places(100), neurons=[number // 10 for number in range(100)])
    calls = []

    def first(rows: np.ndarray, count: int) -> np.ndarray:
        calls.append((len(rows), count))
        return np.arange(count)

    made = batch(pool, first, size=20, random_share=0.0, most_per_neuron=2)
    assert len(made.rows) == 20
    assert calls[0] == (100, 20)
    assert all(left < 100 for left, _ in calls[1:])
    assert [count for _, count in calls] == sorted((count for _, count in calls), reverse=True)
    assert not made.notes


def test_a_pool_that_cannot_fill_the_batch_gives_fewer_and_says_why() -> None:
    pool = dataclasses.replace(places(100), neurons=[number % 3 for number in range(100)])
    made = batch(pool, size=20, random_share=0.0, most_per_neuron=2)
    assert len(made.rows) == 6
    [note] = made.notes
    assert note.startswith(
        "The batch has 6 items and not 20: of the 94 others 94 are of neurons that are in it 2 times, and 0 nearer"
    )
    assert "labelling.most_per_neuron" in note
    crowded = dataclasses.replace(pool, neurons=[None] * 100, volumes=["v"] * 100, positions_nm=np.zeros((100, 3)))
    [note] = batch(crowded, size=20, random_share=0.0, apart_nm=10.0).notes
    assert "of the 99 others 0 are of neurons" in note
    assert "99 nearer than 10 nm" in note
    few = batch(places(7), size=20)
    assert sorted(few.rows) == list(range(7))
    assert few.notes == ("There are only 7 items to ask about, fewer than the 20 of a batch.",)
    none = batch(places(0), size=20)
    assert len(none.rows) == 0
    assert none.notes == ("There are only 0 items to ask about, fewer than the 20 of a batch.",)


def test_neighbours_come_together() -> None:
    pool = places(2000)
    made = batch(pool, size=200)
    sites = [(pool.regions[row], pool.volumes[row]) for row in made.rows]
    assert sum(a != b for a, b in pairwise(sites)) == 3  # two regions in two volumes: one piece each
    assert sites == sorted(sites)
    steps = np.linalg.norm(np.diff(pool.positions_nm[made.rows], axis=0), axis=1)
    shuffled = np.random.default_rng(0).permutation(made.rows)
    assert steps.mean() < 0.45 * np.linalg.norm(np.diff(pool.positions_nm[shuffled], axis=0), axis=1).mean()


def test_the_order_of_the_pool_does_not_matter() -> None:
    pool = places(400, neurons=20)
    order = np.random.default_rng(1).permutation(400)
    shuffled = Places(
        *([getattr(pool, name)[row] for row in order] for name in ("ids", "regions", "volumes", "neurons")),
        pool.positions_nm[order],
    )
    made, again = (batch(of, most_per_neuron=2, apart_nm=800.0) for of in (pool, shuffled))
    assert [pool.ids[row] for row in made.rows] == [shuffled.ids[row] for row in again.rows]
    assert made.origins == again.origins
    other = batch(pool, most_per_neuron=2, apart_nm=800.0, seed=1)
    assert [pool.ids[row] for row in other.rows] != [pool.ids[row] for row in made.rows]


def test_later_rounds_go_on_where_chance_stopped() -> None:
    ids = places(50).ids
    first = {ids[row] for row in drawn_by_chance(ids, 10, 3)}
    left = [name for name in ids if name not in first]
    second = {left[row] for row in drawn_by_chance(left, 10, 3)}
    assert first | second == {ids[row] for row in drawn_by_chance(ids, 20, 3)}


def test_pools_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match="2 items are twice in the pool, first a"):
        Places(["a", "a", "b", "b"], ["AL"] * 4, ["v"] * 4, [None] * 4, np.zeros((4, 3)))
    with pytest.raises(BadInput, match="'neurons': 1"):
        Places(["a", "b"], ["AL"] * 2, ["v"] * 2, [None], np.zeros((2, 3)))
