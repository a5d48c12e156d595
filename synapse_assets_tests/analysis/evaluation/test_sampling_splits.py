"""Samples and folds: what a person relies on is that they depend on content and seed alone, and keep groups whole."""

from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from synapse_assets.analysis.evaluation.sampling import stratified_sample
from synapse_assets.analysis.evaluation.splits import RANDOM, inner_folds, make_splits, programme_folds
from synapse_assets.errors import BadInput
from synapse_assets.sample import brain
from synapse_assets.stores.rows import content_key
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


def test_another_seed_makes_other_folds() -> None:
    synapses, _ = styled()
    ours, same, other = (make_splits(synapses, ["neuron_id"], seed)[0] for seed in (4, 4, 5))
    assert ours.equals(same)
    for split in ("neuron_id", RANDOM):
        folds = [[row["fold"] for row in table.to_pylist() if row["split"] == split] for table in (ours, other)]
        assert np.mean(np.array(folds[0]) != np.array(folds[1])) > 0.5


@pytest.mark.parametrize(("neurons", "folds"), [(2, 2), (8, 8), (9, 5)])
def test_of_eight_groups_each_is_a_fold(neurons: int, folds: int) -> None:
    table, report = make_splits(styled(neurons=neurons, each=3, classes=2)[0], ["neuron_id"], 0)
    assert report.folds["neuron_id"] == folds
    pairs = {(row["group"], row["fold"]) for row in table.to_pylist() if row["split"] == "neuron_id"}
    assert len(pairs) == neurons
    assert {fold for _, fold in pairs} == set(range(folds))


def test_the_random_split_deals_each_class_evenly() -> None:
    synapses, _ = styled(neurons=17, each=7)
    rows = [row for row in make_splits(synapses, ["neuron_id"], 0)[0].to_pylist() if row["split"] == RANDOM]
    counts = np.array(
        [
            [sum(r["fold"] == fold and r["target"] == target for r in rows) for fold in range(5)]
            for target in ("acetylcholine", "gaba", "glutamate")
        ]
    )
    assert counts.sum() == 17 * 7
    assert np.ptp(counts, axis=1).max() <= 1
    assert np.ptp(counts.sum(axis=0)) <= 1


def test_inner_folds_hold_whole_groups_spread_the_classes_and_follow_the_seed() -> None:
    group = np.repeat(np.arange(12), 5)
    code = np.repeat(np.arange(12) // 6, 5)
    fold = inner_folds(code, group, 0)
    assert fold is not None
    assert all(len(np.unique(fold[group == one])) == 1 for one in range(12))
    for k in range(3):
        assert [np.unique(group[(fold == k) & (code == one)]).size for one in (0, 1)] == [2, 2]
    other = inner_folds(code, group, 1)
    assert other is not None
    assert not np.array_equal(fold, other)
    assert np.array_equal(fold, inner_folds(code, group * 7 + 3, 0))  # type: ignore[arg-type]
    three = inner_folds(code[:15], group[:15], 0)
    assert three is not None
    assert sorted(np.unique(three).tolist()) == [0, 1, 2]
    assert inner_folds(code[:10], group[:10], 0) is None


def test_a_sample_draws_anew_with_another_seed_and_keeps_small_strata_first() -> None:
    strata = ["AL"] * 40 + ["EB"] * 3 + ["FB"] * 5
    first, other = stratified_sample(strata, 12, 0), stratified_sample(strata, 12, 1)
    assert first.tolist() != other.tolist()
    assert first.tolist() == stratified_sample(strata, 12, 0, [str(i) for i in range(48)]).tolist()
    # with fewer seats than strata the largest are represented
    assert {strata[i] for i in stratified_sample(strata, 2, 0)} == {"AL", "FB"}
    # 9 more after one each: 7.8, 0.4 and 0.8 of 9; the largest remainders get what is left
    assert [sum(strata[i] == name for i in first) for name in ("AL", "EB", "FB")] == [9, 1, 2]


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
    # an empty text is no group either, and a class with as many groups as folds is not spoken of
    names = [f"n{i // 2}" for i in range(24)]
    named = table.set_column(3, "neuron_id", pa.array(["", *names[1:22], "", ""]))
    splits, report = make_splits(named, ["neuron_id"], 0)
    assert "2 labelled synapses have no neuron_id" in " ".join(report.warnings)
    assert "" not in splits.column("group").to_pylist()
    four = styled(neurons=10, each=2, classes=2)[0]
    assert make_splits(four, ["neuron_id"], 0)[1].warnings == ()
    assert "has 4 groups for 5 folds" in " ".join(make_splits(four.slice(0, 18), ["neuron_id"], 0)[1].warnings)


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


def spread(counts: np.ndarray) -> pa.Table:
    """Synapses of as many groups (`hemilineage`) as `counts` (groups, classes) has rows, with so many of each class."""
    group = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    code = np.concatenate([np.repeat(np.arange(counts.shape[1]), row) for row in counts])
    return pa.table(
        {
            "synapse_id": [f"s{i:05d}" for i in range(len(group))],
            "brain_region": ["AL"] * len(group),
            "target": [f"class {c}" for c in code],
            "hemilineage": [f"h{g:03d}" for g in group],
        }
    )


def ninety_hemilineages(seed: int) -> np.ndarray:
    """(90, 6): four classes in many hemilineages each, two in six that are of other classes too."""
    random = np.random.default_rng(seed)
    counts = np.zeros((90, 6), dtype=np.int64)
    counts[np.arange(90), random.integers(0, 4, 90)] = np.maximum(2, random.lognormal(3, 1, 90).astype(int))
    rare = random.choice(90, 12, replace=False)
    counts[rare[:6], 4], counts[rare[6:], 5] = [40, 2, 2, 1, 1, 1], [30, 2, 1, 1, 1, 1]
    return counts


def shares(table: pa.Table) -> np.ndarray:
    """(folds, classes): the share of each class that lies in each fold of the hemilineages."""
    rows = table.to_pandas().query("split == 'hemilineage'")
    assert len(rows[["group", "fold"]].drop_duplicates()) == len(set(rows["group"])), "groups stay whole"
    counts = pd.crosstab(rows["fold"], rows["target"]).to_numpy()
    return counts / counts.sum(axis=0)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_class_with_groups_enough_is_in_every_fold(seed: int) -> None:
    synapses = spread(ninety_hemilineages(seed))
    frame = synapses.to_pandas()
    greedy = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(frame, frame["target"], frame["hemilineage"])
    assert min(frame.iloc[test]["target"].nunique() for _, test in greedy) < 6, "what is to be mended"
    table, report = make_splits(synapses, ["hemilineage"], 0)
    share = shares(table)
    assert share.shape == (5, 6)
    assert (share > 0).all()
    assert report.warnings == ()
    assert report.programmed == ("hemilineage",)
    worst = np.abs(share - 1 / 5).max(axis=0)
    assert report.deviations["hemilineage"] == pytest.approx(worst.max())
    # the largest group of a rare class alone is as much: no folds of whole groups can be better
    assert worst[4:] == pytest.approx([40 / 47 - 1 / 5, 30 / 36 - 1 / 5])
    assert worst[:4].mean() < 0.12
    said = f"by at most {worst.max():.3f}, the least that whole groups allow"
    assert said in " ".join(report.sentences)
    shuffled = synapses.take(np.random.default_rng(1).permutation(synapses.num_rows))
    assert make_splits(shuffled, ["hemilineage"], 0)[0].equals(table)


@pytest.mark.parametrize("seed", range(4))
def test_the_programme_finds_what_trying_everything_finds(seed: int) -> None:
    """Seven groups of several classes in three folds: 2,187 assignments."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 9, (7, 3)) * (random.random((7, 3)) < 0.5)
    counts[0, 2], counts[:, 1] = 4, counts[:, 1] * (np.arange(7) < 3)
    counts[1, 1] = counts[3, 0] = 2
    best = (np.inf, np.inf)
    for fold in product(range(3), repeat=7):
        if len(set(fold)) == 3:
            best = min(best, quality(counts, np.array(fold)))
    fold = programme_folds(counts, 3, seed)
    assert fold is not None
    absent, worst = quality(counts, fold)
    assert absent == best[0]
    assert best[1] - 1e-9 <= worst <= best[1] + 0.005


def quality(counts: np.ndarray, fold: np.ndarray) -> tuple[float, float]:
    """How often a class is absent from a fold, and the worst deviation of its share."""
    share = np.stack([counts[fold == k].sum(axis=0) for k in range(3)]) / counts.sum(axis=0)
    return float((share == 0).sum()), float(np.abs(share - 1 / 3).max())


def test_one_group_with_nearly_all_rows_and_as_many_groups_as_folds() -> None:
    counts = np.zeros((30, 3), dtype=np.int64)
    counts[np.arange(30), np.arange(30) % 3] = 2
    counts[0, 0] = 3_000
    table, report = make_splits(spread(counts), ["hemilineage"], 0)
    assert (shares(table) > 0).all()
    assert report.deviations["hemilineage"] == pytest.approx(3_000 / 3_018 - 1 / 5, abs=0.01)
    fold = programme_folds(counts, 5, 0)
    assert fold is not None
    assert sorted(set(fold.tolist())) == [0, 1, 2, 3, 4]

    nine = np.eye(9, 3, dtype=np.int64)[np.arange(9) % 3] * 4
    fold = programme_folds(nine, 9, 0)
    assert fold is not None
    assert sorted(fold.tolist()) == list(range(9))
    table, report = make_splits(spread(nine), ["hemilineage"], 0, folds=9)
    assert report.folds["hemilineage"] == 9
    # only what cannot be in every fold is warned about
    assert sorted(report.warnings) == [
        f"hemilineage: class 'class {k}' has 3 groups for 9 folds and is absent from some" for k in range(3)
    ]


def test_what_cannot_be_everywhere_is_said() -> None:
    """Three classes of which two each share a group: in two folds one of them is always absent from one."""
    counts = np.zeros((12, 4), dtype=np.int64)
    counts[:, 3] = 5
    counts[0, [0, 1]], counts[1, [1, 2]], counts[2, [0, 2]] = 3, 3, 3
    _, report = make_splits(spread(counts), ["hemilineage"], 0, folds=2)
    [said] = report.warnings
    assert "has 2 groups and is in 1 of 2 folds: no better assignment of whole groups was found" in said


def test_folds_of_the_sample_stay_what_they_were() -> None:
    """Where StratifiedGroupKFold leaves no class out, folds are its own: installations keep theirs."""
    neurons = brain._neurons(brain.LAYOUT, np.random.default_rng([0, brain.LAYOUT.version]))
    known = [neuron.known[0] if neuron.known and len(neuron.known) == 1 else None for neuron in neurons]
    each = np.repeat(np.arange(len(neurons)), 20)
    labels = pa.table(
        {
            "synapse_id": [f"{neurons[n].id}_{i % 20}" for i, n in enumerate(each)],
            "brain_region": ["EB"] * len(each),
            "target": [known[n] for n in each],
            "neuron_id": [neurons[n].id for n in each],
            "hemilineage": [str(neurons[n].hemilineage_id) for n in each],
        }
    )
    tables = [make_splits(labels, ["neuron_id", "hemilineage"], seed)[0] for seed in (0, 1)]
    assert [content_key(table) for table in tables] == ["cba161de526352ce", "8091aecdfc10ccf5"]
