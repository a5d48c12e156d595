"""What would change a neuron's answer, against pooling every other set of synapses anew."""

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.answer_changes import AnswerChanges, answer_changes

CLASSES = ["a", "b", "c"]


def named(rows: np.ndarray, dependence: float, prior: np.ndarray) -> str:
    """The class that synapses with these probabilities name: their odds beyond the prior, each to the power of their share in what they
    are worth, multiplied."""
    worth = len(rows) / (1 + (len(rows) - 1) * dependence)
    odds = np.prod((rows / prior) ** (worth / len(rows)), axis=0) * prior
    return CLASSES[int(odds.argmax())]


@pytest.mark.parametrize("prior", [(1 / 3, 1 / 3, 1 / 3), (0.6, 0.3, 0.1)])
@pytest.mark.parametrize("seed", range(4))
def test_each_change_is_what_pooling_the_others_gives(seed: int, prior: tuple[float, ...]) -> None:
    rng = np.random.default_rng(seed)
    rows, shares = rng.dirichlet((2.5, 2, 1), 15), np.array(prior)
    regions = np.array(["EB", "FB", "LH"], dtype=object)[rng.integers(3, size=15)]
    dependence = 0.15
    worth = 15 / (1 + 14 * dependence)
    found = answer_changes(rows, worth, shares, regions, CLASSES)
    assert found is not None
    assert found.predicted == named(rows, dependence, shares)

    first, second = CLASSES.index(found.predicted), CLASSES.index(found.runner_up)
    margin = np.log(rows[:, first] / rows[:, second])
    assert found.supporting == (margin > 0).sum()
    falling = rows[np.argsort(-margin)]
    left = [named(falling[count:], dependence, shares) for count in range(15)]
    changed = [count for count, name in enumerate(left) if name != found.predicted]
    assert found.removed == (changed[0] if changed else None)
    assert found.instead == (left[changed[0]] if changed else None)

    supporting = rows[margin > 0][np.argsort(margin[margin > 0])]
    typical = supporting[len(supporting) // 2].copy()
    typical[[first, second]] = typical[[second, first]]
    two = [first, second]

    def turned(count: int) -> bool:
        more = np.concatenate([rows, np.tile(typical, (count, 1))])
        worth = len(more) / (1 + (len(more) - 1) * dependence)
        odds = np.prod((more[:, two] / shares[two]) ** (worth / len(more)), axis=0) * shares[two]
        return bool(odds[1] > odds[0])

    assert found.added == next(count for count in range(1, 300) if turned(count))
    others = {region: named(rows[regions != region], dependence, shares) for region in set(regions)}
    assert found.without_region == {region: name for region, name in others.items() if name != found.predicted}
    assert found.regions == len(set(regions))


def test_a_neuron_that_is_sure_says_so() -> None:
    rows = np.tile([0.97, 0.02, 0.01], (9, 1))
    found = answer_changes(rows, 9.0, np.full(3, 1 / 3), np.array(["EB"] * 9, dtype=object), CLASSES)
    assert found == AnswerChanges("a", "b", 9, 9, None, None, 10, {}, 1)
    assert found.sentences == [
        "9 of 9 synapses speak more for a than for b, the next class.",
        "No number of synapses taken away changes it: even the one that speaks least for it names a.",
        "10 more synapses, as sure of b as its typical synapse is of a, would make b the more probable.",
    ]


def test_one_synapse_and_none() -> None:
    shares = np.full(3, 1 / 3)
    one = answer_changes(np.array([[0.2, 0.5, 0.3]]), 1.0, shares, np.array(["EB"], dtype=object), CLASSES)
    assert one is not None
    assert (one.predicted, one.runner_up, one.removed, one.without_region) == ("b", "c", None, {})
    assert one.sentences[-1] == "The answer rests on one synapse: another one could change it."
    assert answer_changes(np.empty((0, 3)), 0.0, shares, np.array([], dtype=object), CLASSES) is None
    alone = answer_changes(np.ones((2, 1)), 2.0, np.ones(1), np.array(["EB", "EB"], dtype=object), ["a"])
    assert alone is None


def test_impossible_classes_and_thousands_of_synapses_stay_finite() -> None:
    rows = np.tile([1.0, 0.0, 0.0], (3_000, 1))
    rows[:10] = [0.0, 1.0, 0.0]
    found = answer_changes(rows, 3_000.0, np.full(3, 1 / 3), np.array(["EB"] * 3_000, dtype=object), CLASSES)
    assert found is not None
    assert (found.predicted, found.removed, found.instead, found.added) == ("a", 2981, "b", 2981)
