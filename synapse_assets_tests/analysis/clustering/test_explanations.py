"""What explains a cluster: planted neurons, padding, sections, files, volumes and contrasts, and none where there is nothing."""

from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering import explanations as e

TYPES = {"neuron_id": pa.int64(), "section": pa.int64(), "valid_fraction": pa.float64(), "contrast": pa.float64()}


def table(**columns: Any) -> pa.Table:
    """Facts of synapses; empty values among them."""
    return pa.table({name: pa.array(values, TYPES.get(name, pa.string())) for name, values in columns.items()})


def found(cluster: Any, **columns: Any) -> dict[int, dict[str, int]]:
    """What explains each cluster: synapses by name."""
    explained = e.explanations(np.array(cluster, dtype=np.int32), table(**columns))
    return {number: {one.name: one.synapses for one in several} for number, several in explained.items()}


def test_what_explains_a_cluster_is_told_with_its_shares() -> None:
    """Cluster 0: 21 of 25 in section 12 of vnc, where 4 of the 75 others are too. Cluster 1: 40 of 50 from one file."""
    section = [12] * 21 + list(range(4)) + [12] * 4 + [20 + i for i in range(71)]
    file = ["a.csv", "c.csv"] * 12 + ["a.csv"] + ["b.csv"] * 40 + ["a.csv", "c.csv"] * 17 + ["c.csv"]
    facts = table(volume=["vnc"] * 100, section=section, source=["table"] * 100, source_file=file)
    cluster = np.array([0] * 25 + [1] * 50 + [-1] * 25, dtype=np.int32)
    assert e.explanations(cluster, facts) == {
        0: [e.Explanation("one section", 21, "84 % of its synapses lie in section 12 of vnc (25 % of all)")],
        1: [e.Explanation("one file", 40, "80 % of its synapses come from the file b.csv (40 % of all)")],
    }


def test_padded_tiles_are_named_with_their_section() -> None:
    """As serial sections give them: the first and the last section have no neighbour."""
    section = [0] * 30 + [9] * 30 + [1 + i % 8 for i in range(240)]
    valid = [2 / 3] * 60 + [1.0] * 240
    whole = {"volume": ["stack"] * 300, "section": section, "valid_fraction": valid}
    together = [0] * 60 + [1] * 240
    assert found(together, **whole) == {0: {"padded": 60}, 1: {}}
    each = [0] * 30 + [1] * 30 + [2] * 240
    assert found(each, **whole) == {0: {"padded": 30, "one section": 30}, 1: {"padded": 30, "one section": 30}, 2: {}}
    (padded, _) = e.explanations(np.array(each, dtype=np.int32), table(**whole))[0]
    assert padded.sentence == "the tiles of 100 % of its synapses reach beyond the volume and are padded (20 % of all)"


@pytest.mark.parametrize(("in_first", "explained"), [(45, False), (46, True)])
def test_of_two_volumes_more_than_three_quarters_explain(in_first: int, explained: bool) -> None:
    volume = ["a"] * in_first + ["b"] * (60 - in_first) + ["a"] * (150 - in_first) + ["b"] * (90 + in_first)
    cluster = [0] * 60 + [1 + i % 3 for i in range(240)]
    assert found(cluster, volume=volume)[0] == ({"one volume": in_first} if explained else {})


def test_what_all_have_explains_nothing() -> None:
    cluster = [i % 4 for i in range(200)]
    same: dict[str, Any] = {"volume": ["v"] * 200, "source": ["s"] * 200, "source_file": ["f"] * 200}
    same |= {"neuron_id": [7] * 200, "section": [3] * 200, "valid_fraction": [0.5] * 200, "contrast": [20.0] * 200}
    assert found(cluster, **same) == {0: {}, 1: {}, 2: {}, 3: {}}


@pytest.mark.parametrize("others", [20, 40])
def test_a_small_cluster_is_explained_beyond_chance_only(others: int) -> None:
    """All five of a cluster in one of three sections that have a third of the synapses each."""
    sections = [1] * 5 + [1, 2, 3] * others
    cluster = [0] * 5 + [-1] * 3 * others
    chance = comb(others + 5, 5) / comb(3 * others + 5, 5)
    assert 0.001 < chance < 0.01 < 3 * chance, "of one section; there are three"
    assert found(cluster, volume=["v"] * len(cluster), section=sections) == {0: {}}
    rare = [1] * 5 + [2, 3, 4] * others
    assert found(cluster, volume=["v"] * len(cluster), section=rare) == {0: {"one section": 5}}


def test_synapses_of_one_neuron_are_one_observation_of_its_section() -> None:
    """Three neurons of 20 synapses that share a section prove nothing, sixty neurons do; nor is any of them most of it."""
    section = [0] * 60 + [1 + i // 60 for i in range(240)]
    cluster = [0] * 60 + [-1] * 240
    few = [i // 20 for i in range(300)]
    facts: dict[str, Any] = {"volume": ["v"] * 300, "section": section}
    assert found(cluster, neuron_id=few, **facts) == {0: {}}
    assert found(cluster, neuron_id=list(range(300)), **facts) == {0: {"one section": 60}}
    assert found(cluster, neuron_id=[None] * 300, **facts) == {0: {"one section": 60}}
    one = [0] * 40 + [1 + i for i in range(260)]
    assert found(cluster, neuron_id=one, **facts) == {0: {"one neuron": 40, "one section": 60}}


def test_what_follows_is_not_told_unless_it_covers_more() -> None:
    """A section lies in its volume, a file is of its source. Source a has one file, b has two, c is what is left."""
    source = ["a"] * 40 + ["b"] * 40 + ["c"] * 120
    file = ["a.csv"] * 40 + ["b1.csv", "b2.csv"] * 20 + ["c.csv"] * 120
    cluster = [0] * 40 + [1] * 40 + [-1] * 120
    assert found(cluster, source=source, source_file=file) == {0: {"one file": 40}, 1: {"one source": 40}}
    for in_section, told in ((37, {}), (36, {"one volume": 40}), (30, {"one volume": 40})):
        section = [5] * in_section + list(range(6, 46 - in_section)) + [5] * 160
        assert found(cluster, volume=source, section=section)[0] == {"one section": in_section, **told}


def test_what_most_have_explains_nothing_however_pure_the_cluster() -> None:
    """Two volumes in three clusters: those of the large volume lack those of the small one, which is no explanation."""
    for of_large, explained in ((68, False), (66, True)):
        rest = 100 - of_large
        volume = ["large"] * 3 * of_large + ["small"] * 3 * rest
        cluster = [i % 2 for i in range(3 * of_large)] + [2] * 3 * rest
        named = {"one volume": 3 * of_large // 2} if explained else {}
        assert found(cluster, volume=volume) == {0: named, 1: named, 2: {"one volume": 3 * rest}}


def surplus(members: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float:
    """The largest surplus of any range from one value to another, by trying them all."""
    values = np.concatenate([members, others])
    inside = (values[None, None] >= values[:, None, None]) & (values[None, None] <= values[None, :, None])
    of_members, of_others = inside[..., : len(members)].mean(axis=2), inside[..., len(members) :].mean(axis=2)
    return float((of_members - of_others).max())


def test_a_cluster_is_one_contrast_if_a_range_holds_it_and_few_others() -> None:
    random = np.random.default_rng(0)
    outcomes = set()
    for spread in np.linspace(0.05, 1.2, 24):
        members, others = random.normal(20, spread, 30).round(1), random.normal(20.5, 2.0, 70).round(1)
        explained = found([0] * 30 + [-1] * 70, contrast=np.concatenate([members, others]))[0]
        # Tenths: below the limit by more than rounding.
        expected = surplus(members, others) > 0.8 - 1e-9
        assert bool(explained) == expected, spread
        outcomes.add(expected)
    assert outcomes == {True, False}


def test_a_contrast_is_told_by_its_range() -> None:
    contrast = [10 + i / 10 for i in range(19)] + [40.0] + [11.0] * 4 + [30 + i / 100 for i in range(76)]
    explained = e.explanations(np.array([0] * 20 + [-1] * 80, dtype=np.int32), table(contrast=contrast))
    sentence = "it is one contrast: 95 % of its synapses have a standard deviation of 10.0 to 11.8 grey values (5 % of the others)"
    assert explained == {0: [e.Explanation("one contrast", 19, sentence)]}


def test_a_contrast_takes_ten_neurons_and_no_more_than_half_of_all() -> None:
    contrast = [10.0] * 30 + [20.0] * 30
    one: dict[int, dict[str, int]] = {0: {"one contrast": 30}}
    assert found([0] * 30 + [-1] * 30, contrast=contrast) == one
    assert found([0] * 31 + [-1] * 29, contrast=contrast) == {0: {}}
    assert found([0] * 9 + [-1] * 50, contrast=contrast[:9] + contrast[10:]) == {0: {}}
    assert found([0] * 10 + [-1] * 50, contrast=[10.0] * 10 + [20.0] * 50) == {0: {"one contrast": 10}}
    assert found([0] * 30 + [-1] * 30, contrast=contrast, neuron_id=[i % 9 for i in range(60)]) == {0: {}}
    assert found([0] * 30 + [-1] * 30, contrast=contrast, neuron_id=[i % 10 for i in range(60)]) == one
    assert found([0] * 30 + [-1] * 30, contrast=[None] * 60) == {0: {}}
    assert found([0] * 30 + [-1] * 30, contrast=[None] * 5 + contrast[5:]) == {0: {"one contrast": 25}}


@pytest.mark.parametrize("of_neurons", [False, True])
def test_random_clusters_are_not_explained(of_neurons: bool) -> None:
    """As many and as large as a small brain has, of synapses and of whole neurons, which lie in one section and have a
    contrast of their own."""
    random = np.random.default_rng(1)
    neuron = np.repeat(np.arange(120), 20)
    facts: dict[str, Any] = {"neuron_id": neuron, "volume": ["v"] * 2400, "section": neuron // 40}
    facts |= {"contrast": random.lognormal(3, 0.3, 120)[neuron] + random.normal(0, 1, 2400)}
    facts |= {"source": ["s"] * 2400, "source_file": [f"f{i % 2}" for i in range(2400)]}
    facts |= {"valid_fraction": np.where(random.random(2400) < 0.05, 0.5, 1.0)}
    examined, explained = 0, 0
    for _ in range(25):
        if of_neurons:
            # Of two neurons at least: one is no chance.
            cluster = random.permutation(np.repeat(np.arange(-1, 14), random.multinomial(90, [1 / 15] * 15) + 2)[:120])[
                neuron
            ]
        else:
            cluster = random.integers(-1, 14, 2400)
        clusters = found(cluster, **facts)
        examined += len(clusters)
        explained += sum(map(bool, clusters.values()))
    assert examined >= 300
    assert explained < 0.01 * examined


def test_nothing_there_to_compare_with() -> None:
    one: dict[str, Any] = {
        "neuron_id": [1],
        "volume": ["v"],
        "section": [1],
        "valid_fraction": [0.5],
        "contrast": [9.0],
    }
    assert found([0], **one) == {0: {}}
    assert found([-1], **one) == {}
    assert found([], **{name: [] for name in one}) == {}
    many = {name: values * 60 for name, values in one.items()}
    assert found([0] * 60, **many) == {0: {}}
    assert found([-1] * 60, **many) == {}
    empty = {name: [None] * 60 for name in [*one, "source", "source_file"]}
    assert found([0, 1] * 30, **empty) == {0: {}, 1: {}}
    assert found([0] * 30 + [1] * 30, source=["a"] * 30 + ["b"] * 30) == {0: {"one source": 30}, 1: {"one source": 30}}
    assert found([0, 1] * 30, other=["a"] * 60) == {0: {}, 1: {}}


def test_a_share_is_rounded_to_none_or_all_only_where_it_is() -> None:
    facts = table(volume=["a"] * 401 + ["b"] * 399 + ["b"] * 1)
    cluster = np.array([0] * 400 + [1] + [1] * 399 + [0], dtype=np.int32)
    assert [one.sentence for one in e.explanations(cluster, facts)[0]] == [
        "over 99 % of its synapses lie in the volume a (50 % of all)"
    ]
