"""Simulated rounds: the annotator errs as often as stated, all strategies are compared on the same, and the test is never asked about."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.preprocessing import StandardScaler

from synapse_assets.analysis.labelling import simulated
from synapse_assets.analysis.labelling.simulated import ALL_LABELS, Known, LabelCurve, simulate, simulated_answers
from synapse_assets.errors import BadInput
from synapse_assets_tests.analysis.labelling.planted import clouds


def lopsided(each: int = 120, folds: int = 3) -> Known:
    """Three classes, the rarest a twelfth of all, each a cloud."""
    codes = np.repeat([0, 1, 2], [each, each, each // 6])
    centres = np.array([[0.0, 0, 0, 0], [2, 0, 0, 0], [0, 4, 0, 0]])
    vectors = np.concatenate([clouds(centres[[code]], 1, spread=1.0, seed=row) for row, code in enumerate(codes)])
    return Known(vectors, codes, ("a", "b", "rare"), np.arange(len(codes)) % folds)


def run(
    known: Known, *strategies: str, error_rate: float = 0.0, seeds: tuple[int, ...] = (0, 1), rounds: int = 3
) -> dict:
    curves = simulate(known, strategies, error_rate, seeds=seeds, rounds=rounds)
    return {(curve.strategy, curve.fold, curve.seed): curve for curve in curves}


def test_answers_are_wrong_as_often_as_stated_in_any_other_class_alike() -> None:
    codes = np.repeat([0, 1, 2, 3], 5000)
    answers = simulated_answers(codes, 4, 0.1, 0)
    assert (answers != codes).mean() == pytest.approx(0.1, abs=0.01)
    for code in range(4):
        of_class = np.bincount(answers[codes == code], minlength=4) / 5000
        assert np.delete(of_class, code) == pytest.approx(0.1 / 3, abs=0.01)
    assert np.array_equal(answers, simulated_answers(codes, 4, 0.1, 0))
    assert not np.array_equal(answers, simulated_answers(codes, 4, 0.1, 1))
    assert np.array_equal(simulated_answers(codes, 4, 0.0, 0), codes)
    assert np.array_equal(simulated_answers(np.zeros(9, dtype=np.int64), 1, 0.4, 0), np.zeros(9))


def test_scores_are_those_of_a_probe_of_the_labels_on_the_held_out_fold() -> None:
    known = lopsided()
    curves = run(known, "random")
    assert sorted({key[0] for key in curves}) == [ALL_LABELS, "random"]
    assert curves["random", 0, 0].labels.tolist() == [20, 40, 60, 80]
    test = known.folds == 1
    scaler = StandardScaler().fit(known.vectors[~test])
    probe = LogisticRegression(class_weight="balanced", C=simulated.STRENGTH, max_iter=1000)
    probe.fit(scaler.transform(known.vectors[~test]), known.codes[~test])
    predicted = probe.predict(scaler.transform(known.vectors[test]))
    of_all = curves[ALL_LABELS, 1, 0]
    assert of_all.labels.tolist() == [(~test).sum()]
    assert of_all.score[0] == pytest.approx(balanced_accuracy_score(known.codes[test], predicted), abs=0.01)
    rare = recall_score(known.codes[test], predicted, labels=[2], average=None)[0]
    assert of_all.rare_recall[0] == pytest.approx(rare, abs=0.01)


def test_all_strategies_begin_alike_and_seeds_differ() -> None:
    curves = run(lopsided(), "random", "margin", "k_means", rounds=1)
    for fold in range(3):
        first = {curves[name, fold, 0].score[0] for name in ("random", "margin", "k_means")}
        assert len(first) == 1
    assert not np.array_equal(curves["random", 0, 0].score, curves["random", 0, 1].score)
    again = run(lopsided(), "random", "margin", "k_means", rounds=1)
    assert all(np.array_equal(curves[key].score, again[key].score) for key in curves)


def test_the_held_out_fold_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its vectors are, and whatever it would answer, the same items are asked about."""
    known = lopsided()
    seen: list[list[np.ndarray]] = []
    real = simulated.suggest

    def watched(strategy, pool, labelled, count, seed):  # type: ignore[no-untyped-def]
        found = real(strategy, pool, labelled, count, seed)
        seen[-1].append(pool.features[found.rows])
        return found

    monkeypatch.setattr(simulated, "suggest", watched)
    for changed in (False, True):
        vectors, codes = known.vectors.copy(), known.codes.copy()
        if changed:
            vectors[known.folds == 0] = 1e3
            codes[known.folds == 0] = 2
        seen.append([])
        curves = simulate(
            Known(vectors, codes, known.classes, known.folds), ("margin", "core_set"), 0.1, seeds=(0,), rounds=2
        )
        for _ in range(3):  # all labels and two strategies, of the first fold
            next(curves)
    assert len(seen[0]) == 4
    assert all(np.array_equal(a, b) for a, b in zip(*seen, strict=True))


def test_a_pool_that_is_used_up_ends_the_curve() -> None:
    known = lopsided(each=21, folds=3)
    curve = run(known, "random", rounds=9)["random", 0, 0]
    assert curve.labels.tolist() == [20, (known.folds != 0).sum()]
    assert len(curve.score) == len(curve.rare_recall) == 2


def test_wrong_answers_cost_and_doubt_finds_the_rare_class() -> None:
    known = lopsided(each=240)
    seeds = (0, 1, 2)
    right, wrong = (run(known, "random", error_rate=rate, seeds=seeds, rounds=5) for rate in (0.0, 0.4))

    def mean(curves: dict[tuple[str, int, int], LabelCurve], name: str, field: str) -> float:
        return float(np.mean([getattr(curve, field) for key, curve in curves.items() if key[0] == name]))

    assert mean(right, "random", "score") > mean(wrong, "random", "score") + 0.05
    assert mean(right, ALL_LABELS, "score") > mean(wrong, ALL_LABELS, "score")
    found = run(known, "random", "core_set", seeds=seeds, rounds=5)
    assert mean(found, "core_set", "rare_recall") > mean(found, "random", "rare_recall")


def test_a_fold_without_the_rarest_class_has_no_recall_of_it() -> None:
    known = lopsided()
    folds = np.where(known.codes == 2, np.arange(len(known.codes)) % 2, known.folds)
    curves = run(Known(known.vectors, known.codes, known.classes, folds), "random")
    assert np.isnan(curves["random", 2, 0].rare_recall).all()
    assert not np.isnan(curves["random", 0, 0].rare_recall).any()
    assert np.isfinite(curves["random", 2, 0].score).all()


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="one entry each"):
        Known(np.zeros((3, 2)), np.zeros(3, dtype=np.int64), ("a",), np.zeros(2, dtype=np.int64))
    with pytest.raises(BadInput, match="one entry each"):
        Known(np.zeros((3, 2)), np.zeros(3, dtype=np.int64), ("a",), np.zeros(3, dtype=np.int64), np.zeros((2, 2)))
