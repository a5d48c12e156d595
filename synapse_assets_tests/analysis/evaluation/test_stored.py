"""Stored evaluations; what earlier releases wrote is read in `test_artifacts`."""

import math
from pathlib import Path

import numpy as np

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import Score
from synapse_assets.analysis.evaluation.stored import (
    load_classifier_evaluation,
    load_probe_evaluation,
    save_classifier_evaluation,
    save_probe_evaluation,
)


def test_an_evaluation_comes_back(evaluation: Evaluation, tmp_path: Path) -> None:
    save_probe_evaluation(evaluation, tmp_path)
    loaded = load_probe_evaluation(tmp_path)
    assert loaded.metrics() == evaluation.metrics()
    assert np.array_equal(loaded.probabilities, evaluation.probabilities)
    assert np.array_equal(loaded.splits["neuron_id"].confusion, evaluation.splits["neuron_id"].confusion)
    assert loaded.splits["neuron_id"].classes == evaluation.splits["neuron_id"].classes
    assert loaded.gap_interval == evaluation.gap_interval
    assert not any(math.isnan(v) for v in loaded.metrics().values())


def test_all_that_is_known_of_classifiers_comes_back(tmp_path: Path) -> None:
    confusion = np.array([[5, 1, 2], [3, 7, 0]])
    on_map, honest = (
        Score(
            "xgboost",
            inputs,
            split,
            groups=9,
            confusion=confusion,
            balanced_accuracy=0.6,
            macro_f1=0.7,
            accuracy_interval=interval,
            interval_over=None if interval is None else "neurons",
            trained=40,
            rejected=1,
            left_out=2,
            unnameable=3,
            settings='{"a": 1}',
        )
        for inputs, split, interval in (
            ("map", "random_80_20", None),
            ("features", "leave_one_neuron_out", (0.5, 0.75)),
        )
    )
    evaluation = Evaluation(
        ("0", "4"), (on_map, honest), honest, ("a warning",), ("a note",), sizes=(8, 10), neurons={"n1": 18}, noise=2
    )
    save_classifier_evaluation(evaluation, tmp_path)
    loaded = load_classifier_evaluation(tmp_path)
    for before, after in zip(evaluation.scores, loaded.scores, strict=True):
        assert after.confusion.tolist() == confusion.tolist()
        assert {k: v for k, v in vars(after).items() if k != "confusion"} == {
            k: v for k, v in vars(before).items() if k != "confusion"
        }
    assert loaded.headline is loaded.scores[1]
    for name in ("classes", "warnings", "notes", "sizes", "neurons", "noise"):
        assert getattr(loaded, name) == getattr(evaluation, name)


def test_a_probes_scores_come_back_but_for_the_interval_of_the_accuracy(evaluation: Evaluation, tmp_path: Path) -> None:
    save_probe_evaluation(evaluation, tmp_path)
    loaded = load_probe_evaluation(tmp_path)
    assert list(loaded.splits) == list(evaluation.splits)
    for before, after in zip(evaluation.scores, loaded.scores, strict=True):
        assert after.accuracy == before.accuracy
        without = {"confusion", "accuracy_interval", "interval_over"}
        assert {k: v for k, v in vars(after).items() if k not in without} == {
            k: v for k, v in vars(before).items() if k not in without
        }
