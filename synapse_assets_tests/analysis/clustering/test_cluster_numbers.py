"""Cluster numbers keep their meaning over releases."""

import numpy as np
import pytest

from synapse_assets.analysis.clustering.cluster_numbers import match_numbers


def clusters(*sizes: int, first: int = 0) -> dict[str, int]:
    """So many synapses in cluster 0, 1, ..., with ids in one sequence."""
    return {f"s{i}": int(c) + first for i, c in enumerate(np.repeat(np.arange(len(sizes)), sizes))}


def renumbered(labels: dict[str, int], numbers: dict[int, int]) -> dict[str, int]:
    return {one: numbers.get(label, -1) for one, label in labels.items()}


def test_without_a_previous_release_numbers_stay() -> None:
    assert match_numbers(clusters(10, 8, 5), {}, -1) == {0: 0, 1: 1, 2: 2}
    assert match_numbers({"a": -1}, {}, -1) == {}
    assert match_numbers({}, {}, -1) == {}


def test_permuted_labels_get_their_old_numbers_back() -> None:
    old = renumbered(clusters(10, 8, 5), {0: 4, 1: 0, 2: 7})
    assert match_numbers(clusters(10, 8, 5), old, 7) == {0: 4, 1: 0, 2: 7}


def test_matching_what_was_matched_changes_nothing() -> None:
    old = renumbered(clusters(10, 8, 5), {0: 3, 1: 1, 2: -1})
    numbers = match_numbers(clusters(10, 8, 5), old, 3)
    assert numbers == {0: 3, 1: 1, 2: 4}
    again = renumbered(clusters(10, 8, 5), numbers)
    assert match_numbers(again, again, 4) == {3: 3, 1: 1, 4: 4}
    assert match_numbers(clusters(10, 8, 5), again, 4) == numbers


def test_of_a_split_the_part_with_most_keeps_the_number() -> None:
    assert match_numbers(clusters(7, 5, 8), renumbered(clusters(12, 8), {0: 0, 1: 1}), 1) == {0: 0, 1: 2, 2: 1}


def test_of_an_even_split_no_part_keeps_it() -> None:
    assert match_numbers(clusters(6, 6), clusters(12), 0) == {0: 1, 1: 2}


def test_of_a_merger_the_one_that_is_most_of_it_gives_its_number() -> None:
    assert match_numbers(clusters(12, 8), clusters(7, 5, 8), 2) == {0: 0, 1: 2}
    assert match_numbers(clusters(12), clusters(6, 6), 1) == {0: 2}


def test_a_vanished_number_is_not_used_again() -> None:
    old = clusters(10, 8, 5)
    without = clusters(10, 8) | {f"s{i}": -1 for i in range(18, 23)}
    numbers = match_numbers(without, old, 2)
    assert numbers == {0: 0, 1: 1}
    later = renumbered(without, numbers)
    back = match_numbers(old, later, 2)
    assert back == {0: 0, 1: 1, 2: 3}, "number 2 belonged to another release's cluster"


def test_new_synapses_do_not_change_numbers_and_new_clusters_get_new_ones() -> None:
    old = clusters(10, 8)
    new = old | {f"n{i}": 0 for i in range(50)} | {f"m{i}": 2 for i in range(20)}
    assert match_numbers(new, old, 1) == {0: 0, 1: 1, 2: 2}
    assert match_numbers(new, old, 9) == {0: 0, 1: 1, 2: 10}


def test_no_synapse_in_common_or_all_noise_before() -> None:
    other = {f"other{one}": label for one, label in clusters(10, 8).items()}
    assert match_numbers(clusters(10, 8), other, 5) == {0: 6, 1: 7}
    assert match_numbers(clusters(10, 8), dict.fromkeys(clusters(10, 8), -1), 5) == {0: 6, 1: 7}


def test_most_of_a_cluster_that_was_noise_is_no_match() -> None:
    old = {one: (0 if int(one[1:]) < 4 else -1) for one in clusters(10)}
    assert match_numbers(clusters(10), old, 0) == {0: 1}


def test_most_of_an_old_cluster_that_is_noise_now_is_no_match() -> None:
    now = {one: (0 if int(one[1:]) < 5 else -1) for one in clusters(10)}
    assert match_numbers(now, clusters(10), 0) == {0: 1}
    assert match_numbers(now | {"s5": 0}, clusters(10), 0) == {0: 0}


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_never_given_twice(seed: int) -> None:
    random = np.random.default_rng(seed)
    new, old = ({f"s{i}": int(c) for i, c in enumerate(random.integers(-1, 4, 60))} for _ in range(2))
    numbers = match_numbers(new, old, 3)
    assert len(set(numbers.values())) == len(numbers) == 4
    assert all((number <= 3 and number in old.values()) or number > 3 for number in numbers.values())
