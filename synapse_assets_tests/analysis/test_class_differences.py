"""How classes differ: planted differences are found, untouched attributes give none, and neurons are what counts."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.class_differences import class_differences
from synapse_assets.schema import CLASS_DIFFERENCES

CLASSES = ("acetylcholine", "gaba", "glutamate")
NEURONS, SYNAPSES = 12, 5
DRAWS = 400


def planted(seed: int, **shifts: float) -> tuple[dict[str, np.ndarray], list[str], list[int], list[str]]:
    """12 neurons a class with 5 synapses each. Neurons differ by 1, synapses of one by 0.3; gaba's neurons by the shift of an attribute."""
    rng = np.random.default_rng(seed)
    neuron = np.repeat(np.arange(len(CLASSES) * NEURONS), SYNAPSES)
    target = [CLASSES[n % 3] for n in neuron]
    gaba = np.array([name == "gaba" for name in target])
    values = {
        name: 50 + rng.normal(0, 1, neuron.max() + 1)[neuron] + rng.normal(0, 0.3, len(neuron)) + shift * gaba
        for name, shift in shifts.items()
    }
    return values, target, neuron.tolist(), [f"s{i:03d}" for i in range(len(neuron))]


def by_row(table: pa.Table) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["attribute"], row["class_name"]): row for row in table.to_pylist()}


def test_a_planted_difference_is_found_with_its_size() -> None:
    values, target, neuron, ids = planted(0, size=3.0, untouched=0.0)
    values["size"][:7] = np.nan
    table = class_differences(values, target, neuron, ids, seed=0, draws=DRAWS)
    assert table.schema == CLASS_DIFFERENCES.arrow
    rows = by_row(table)
    assert len(rows) == 6
    found = rows["size", "gaba"]
    # By hand: means of neurons, pooled spread.
    means = {n: np.nanmean(values["size"][np.array(neuron) == n]) for n in range(36) if n > 0}
    own, other = ([m for n, m in means.items() if (n % 3 == 1) == wanted] for wanted in (True, False))
    pooled = np.sqrt((np.var(own) * len(own) + np.var(other) * len(other)) / (len(own) + len(other) - 2))
    assert found["effect"] == pytest.approx((np.mean(own) - np.mean(other)) / pooled)
    assert found["low"] < found["effect"] < found["high"]
    assert (found["differs"], found["groups"], found["other_groups"]) == (True, 12, 23)
    assert found["p_value"] == pytest.approx(1 / (1 + DRAWS))
    assert "gaba: differs, +" in found["sentence"]
    assert not any(row["differs"] for (name, _), row in rows.items() if name == "untouched")
    assert (rows["size", "acetylcholine"]["effect"] or 0) < 0


def test_examples_are_the_extremes_of_different_neurons() -> None:
    values, target, neuron, ids = planted(1, size=0.0)
    row = by_row(class_differences(values, target, neuron, ids, seed=0, draws=20))["size", "gaba"]
    of_gaba = [i for i, name in enumerate(target) if name == "gaba"]
    lowest = {
        n: min((values["size"][i], ids[i]) for i in of_gaba if neuron[i] == n) for n in {neuron[i] for i in of_gaba}
    }
    assert row["lowest"] == [name for _, name in sorted(lowest.values())[:6]]
    highest = {n: max((values["size"][i], ids[i]) for i in of_gaba if neuron[i] == n) for n in lowest}
    assert row["highest"] == [name for _, name in sorted(highest.values(), reverse=True)[:6]]


def test_synapses_of_one_neuron_are_no_evidence() -> None:
    """Classes dealt out among neurons at random, 20 times: by synapse nearly all of them would be told apart."""
    by_neuron = by_synapse = 0
    for seed in range(20):
        values, target, neuron, ids = planted(seed, first=0.0, second=0.0, third=0.0)
        for groups in (neuron, None):
            table = class_differences(values, target, groups, ids, seed=seed, draws=100)
            said = any(table.column("differs").to_pylist())
            by_neuron, by_synapse = by_neuron + (said and groups is not None), by_synapse + (said and groups is None)
    assert by_neuron <= 3
    assert by_synapse >= 12


def test_without_neurons_it_says_what_that_is_worth() -> None:
    values, target, _, ids = planted(0, size=0.0)
    table = class_differences(values, target, None, ids, seed=0, draws=20)
    assert all("synapses of one neuron are not independent" in text for text in table.column("sentence").to_pylist())
    assert table.column("groups").to_pylist() == [60, 60, 60]


def test_too_few_neurons_are_not_tested() -> None:
    values, target, neuron, ids = planted(0, size=5.0, constant=0.0)
    values["constant"][:] = 7.0
    # Two neurons of gaba are left; one of acetylcholine is called gaba once, which its other synapses outvote.
    kept = [i for i, name in enumerate(target) if name != "gaba" or neuron[i] < 6]
    target[0] = "gaba"
    target[-1] = None  # type: ignore[call-overload]
    values = {name: column[kept] for name, column in values.items()}
    table = class_differences(
        values, *([column[i] for i in kept] for column in (target, neuron, ids)), seed=0, draws=20
    )
    rows = by_row(table)
    assert rows["size", "gaba"]["groups"] == 2
    assert rows["size", "gaba"]["effect"] is rows["size", "gaba"]["p_value"] is None
    assert "2 neurons against 24, not tested" in str(rows["size", "gaba"]["sentence"])
    assert "the same in all neurons" in str(rows["constant", "glutamate"]["sentence"])
    assert rows["size", "glutamate"]["effect"] is not None


def test_one_class_has_nothing_to_differ_from() -> None:
    values, target, neuron, ids = planted(0, size=0.0)
    one = ["gaba" if name == "gaba" else None for name in target]
    assert class_differences(values, one, neuron, ids, seed=0).num_rows == 0
    assert class_differences(values, [None] * len(ids), neuron, ids, seed=0).num_rows == 0
