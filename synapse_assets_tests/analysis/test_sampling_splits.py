"""Samples and folds: what a person relies on is that they depend on content and seed alone, and keep groups whole."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.sampling import stratified_sample
from synapse_assets.analysis.splits import RANDOM, make_splits
from synapse_assets.schema import BadInput
from synapse_assets_tests.analysis.planted import styled


def test_a_sample_is_proportional_and_leaves_no_stratum_out() -> None:
    strata = ["AL"] * 900 + ["EB"] * 99 + ["FB"]
    chosen = stratified_sample(strata, 100, seed=1)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all()
    names, counts = np.unique(np.array(strata)[chosen], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {"AL": 88, "EB": 11, "FB": 1}


@pytest.mark.parametrize("size", [0, 1, 2, 7, 10, 11])
def test_a_sample_has_the_size_asked_for(size: int) -> None:
    assert len(stratified_sample(list("aaaaabbbbc"), size, seed=0)) == min(size, 10)
    assert len(stratified_sample([], size, seed=0)) == 0


def test_a_sample_depends_on_ids_and_not_on_the_order_of_rows() -> None:
    ids = np.array([f"s{i}" for i in range(500)])
    strata = np.array(["AL", "EB"])[np.arange(500) % 2]
    order = np.random.default_rng(0).permutation(500)
    first = set(ids[stratified_sample(strata, 60, 5, ids)])
    assert set(ids[order][stratified_sample(strata[order], 60, 5, ids[order])]) == first
    assert set(ids[stratified_sample(strata, 60, 6, ids)]) != first
    more_ids, more = np.append(ids, [f"n{i}" for i in range(10)]), np.append(strata, ["AL", "EB"] * 5)
    assert len(first - set(more_ids[stratified_sample(more, 60, 5, more_ids)])) <= 5


def test_groups_stay_whole_and_classes_are_spread() -> None:
    synapses, _ = styled()
    table, report = make_splits(synapses, ["neuron_id", "hemilineage", "brain_region"], seed=0)
    assert report.folds == {"neuron_id": 5, "hemilineage": 5, "brain_region": 3, RANDOM: 5}
    for split in report.folds:
        rows = table.filter(pa.array([s == split for s in table.column("split").to_pylist()])).to_pylist()
        assert len(rows) == synapses.num_rows
        folds_of_group: dict[str, set[int]] = {}
        for row in rows:
            folds_of_group.setdefault(row["group"], set()).add(row["fold"])
        assert all(len(folds) == 1 for folds in folds_of_group.values())
        for fold in range(report.folds[split]):
            assert {r["target"] for r in rows if r["fold"] == fold} == {"acetylcholine", "gaba", "glutamate"}


def test_folds_do_not_depend_on_the_order_of_rows() -> None:
    synapses, _ = styled()
    shuffled = synapses.take(np.random.default_rng(1).permutation(synapses.num_rows))
    assert make_splits(synapses, ["neuron_id"], 4)[0].equals(make_splits(shuffled, ["neuron_id"], 4)[0])


def test_unlabelled_rows_and_rows_without_a_group_are_left_out_and_said() -> None:
    table = pa.table(
        {
            "synapse_id": [f"s{i}" for i in range(24)],
            "brain_region": ["AL"] * 24,
            "target": [None, ""] + ["gaba", "glutamate"] * 10 + ["rare", "rare"],
            "neuron_id": pa.array([1, 2] + [i // 2 for i in range(18)] + [None, None, 77, 77], pa.int64()),
        }
    )
    splits, report = make_splits(table, ["neuron_id"], 0)
    assert len({*splits.column("synapse_id").to_pylist()}) == 22
    said = " ".join(report.warnings)
    assert "2 labelled synapses have no neuron_id" in said
    assert "class 'rare' has 1 group" in said


def test_nothing_to_split_is_an_ordinary_outcome() -> None:
    empty = pa.table(
        {"synapse_id": ["a"], "brain_region": ["AL"], "target": pa.array([None], pa.string()), "neuron_id": [1]}
    )
    splits, report = make_splits(empty, ["neuron_id"], 0)
    assert splits.num_rows == 0
    assert report.folds == {"neuron_id": 0, RANDOM: 0}


def test_wrong_input_is_named() -> None:
    synapses, _ = styled(neurons=4)
    with pytest.raises(BadInput, match="lineage"):
        make_splits(synapses, ["lineage"], 0)
    with pytest.raises(BadInput, match="s00000"):
        make_splits(pa.concat_tables([synapses, synapses]), ["neuron_id"], 0)
