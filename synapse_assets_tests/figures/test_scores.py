"""Scores: what was planted is seen in their pixels."""

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import Score
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.errors import BadInput
from synapse_assets.figures.scores import confusion_figure, confusions_sheet, score_figure, training_curve
from synapse_assets.figures.style import verdict_colour
from synapse_assets.schema.colours import PALETTE
from synapse_assets_tests.figures.pixels import (
    largest,
    middle,
    of_colour,
    opened,
    opened_sheet,
    spots,
)
from synapse_assets_tests.figures.planted import SENTENCE, VERDICTS

DARKEST = "#08306b"


def test_confusions_are_shaded_by_share_of_the_known_class() -> None:
    right = of_colour(opened(confusion_figure([[9, 0], [0, 4000]], ["a", "b"])), DARKEST)
    places = np.argwhere(right)
    assert np.corrcoef(places.T)[0, 1] > 0.5, "the diagonal goes down to the right"
    assert right[:, : int(places[:, 1].mean())].sum() == pytest.approx(right.sum() / 2, rel=0.1), "9 weigh as 4000"
    # all of the second class are named as the first: below, left
    taken = of_colour(opened(confusion_figure([[5, 5], [4000, 0]], ["a", "b"])), DARKEST)
    row, column = middle(taken)
    assert (row > places[:, 0].mean(), column < places[:, 1].mean()) == (True, True)
    assert taken.sum() == pytest.approx(right.sum() / 2, rel=0.1)
    assert not of_colour(opened(confusion_figure(np.zeros((2, 2)), ["a", "b"])), DARKEST).any()


def test_confusions_are_shaded_by_share_with_outliers_last() -> None:
    darkest = "#08306b"
    names = ["cluster 0", "cluster 1"]
    right = of_colour(opened_sheet(confusions_sheet({"xgboost": [[9, 0, 0], [0, 4000, 0]]}, names)), darkest)
    rejected = of_colour(opened_sheet(confusions_sheet({"xgboost": [[0, 0, 9], [0, 0, 4000]]}, names)), darkest)
    places = [np.argwhere(where) for where in (right, rejected)]
    assert min(len(place) for place in places) > 3000
    assert places[1][:, 1].min() > places[0][:, 1].max()
    # the diagonal goes down to the right
    assert np.corrcoef(places[0].T)[0, 1] > 0.5
    twice = opened_sheet(confusions_sheet({"a": [[9, 0, 0], [0, 4, 0]], "b": [[9, 0, 0], [0, 4, 0]]}, names))
    wide = twice.shape[1] // 2
    assert of_colour(twice[:, :wide], darkest).sum() == pytest.approx(
        of_colour(twice[:, wide:], darkest).sum(), rel=0.1
    )
    with pytest.raises(BadInput, match=r"'a' is \(2, 2\), but 2 classes .* make \(2, 3\)"):
        confusions_sheet({"a": np.eye(2)}, names)


def test_confusions_of_clusters_stand_under_the_verdict_on_these() -> None:
    matrices, names = {"xgboost": [[9, 0, 0], [0, 4000, 0]]}, ["cluster 0", "cluster 1"]
    plain = opened_sheet(confusions_sheet(matrices, names))
    for word, verdict in VERDICTS.items():
        pixels = opened_sheet(confusions_sheet(matrices, names, verdict))
        words = np.argwhere(of_colour(pixels, verdict_colour(word)))
        assert len(words) > 50
        assert np.ptp(words[:, 1]) < pixels.shape[1] - 20, "within the picture"
        assert words[:, 0].max() < np.argwhere(of_colour(pixels, DARKEST))[:, 0].min()
        assert not of_colour(plain, verdict_colour(word)).any()


def test_confusions_of_any_number() -> None:
    opened_sheet(confusions_sheet({}, ["a"]))
    opened_sheet(confusions_sheet({"a": np.zeros((0, 1))}, []))
    opened_sheet(confusions_sheet({"nothing tested": np.zeros((3, 4))}, ["a", "b", "c"]))
    opened_sheet(confusions_sheet({"one": [[1, 0]]}, ["a"]))
    opened_sheet(confusions_sheet({f"{SENTENCE[:80]} {i}": np.ones((5, 6)) for i in range(12)}, list("abcde")))
    opened_sheet(confusions_sheet({str(i): np.eye(40, 41) for i in range(6)}, [f"cluster {i}" for i in range(40)]))


def test_the_training_curve_falls_and_its_running_median_is_bold() -> None:
    random = np.random.default_rng(0)
    loss = np.linspace(9, 1, 300) + np.where(random.random(300) < 0.2, 5.0, 0.0)
    pixels = opened(training_curve([{"step": float(i), "loss": float(one)} for i, one in enumerate(loss)]))
    bold = np.argwhere(of_colour(pixels, PALETTE[0]))
    left, right = bold[:, 1].min(), bold[:, 1].max()
    assert right - left > 0.8 * pixels.shape[1] * 0.9
    top = [bold[bold[:, 1] == column][:, 0].mean() for column in range(left + 5, right - 5)]
    assert np.corrcoef(top, np.arange(len(top)))[0, 1] > 0.99, "lower at each step, outliers or not"
    assert of_colour(pixels, PALETTE[0], alpha=0.35).sum() > 500, "what was recorded is there, faintly"


def test_a_score_of_validation_has_its_own_line() -> None:
    history = [{"step": float(i), "loss": 1.0} for i in range(40)]
    assert not of_colour(opened(training_curve(history)), PALETTE[1]).any()
    rising = [{**row, "validation": row["step"] / 40} if row["step"] % 10 == 0 else row for row in history]
    line = np.argwhere(of_colour(opened(training_curve(rising)), PALETTE[1]))
    inside = line[line[:, 1] < 0.85 * line[:, 1].max()]  # not the name of its axis
    assert np.corrcoef(inside[:, 1], inside[:, 0])[0, 1] < -0.95


@pytest.mark.parametrize("length", [0, 1, 4])
def test_training_curves_of_any_length(length: int) -> None:
    pixels = opened(training_curve([{"step": i, "loss": 1 / (i + 1)} for i in range(length)]))
    assert of_colour(pixels, PALETTE[0]).any() == (length > 1)
    tall, wide, _ = pixels.shape
    words = pixels[2 * tall // 5 : 3 * tall // 5, 2 * wide // 5 : 3 * wide // 5].max(axis=2) < 180
    assert length or words.any(), "no training steps"


def evaluation(scores: dict[str, tuple[float, tuple[float, float] | None]], classes: int = 4) -> Evaluation:
    """An evaluation with that balanced accuracy by split, the first the headline."""
    names = tuple("abcdefgh"[:classes])
    confusion = np.eye(classes, dtype=np.int64)
    made = tuple(
        Score("probe", "vectors", name, 9, confusion, value, value, balanced_accuracy_interval=interval)
        for name, (value, interval) in scores.items()
    )
    return Evaluation(names, made, made[0])


def test_scores_lie_where_they_are_the_headline_first_and_the_random_split_last() -> None:
    found = evaluation({"neuron_id": (0.25, (0.15, 0.45)), RANDOM: (0.9, None), "brain_region": (0.65, None)}, 8)
    pixels = opened(score_figure(found))
    blue, grey = of_colour(pixels, PALETTE[0]), of_colour(pixels, "#8a8a8a")
    half = int(middle(blue)[0])
    upper, lower = blue.copy(), blue.copy()
    upper[half:], lower[:half] = False, False
    markers = [middle(largest(marker)) for marker in (upper, lower, grey)]
    (row, column), (row_region, column_region), (row_random, column_random) = markers
    assert row < row_region < row_random
    assert (column_random - column) / (column_region - column) == pytest.approx(0.65 / 0.4, abs=0.03)
    interval = np.argwhere(of_colour(pixels, PALETTE[0], alpha=0.35))
    assert abs(interval[:, 0].mean() - row) < 3, "of the headline, the only one with an interval"
    unit = (column_region - column) / 0.4
    assert (interval[:, 1].min() - column) / unit == pytest.approx(-0.1, abs=0.01)
    assert (interval[:, 1].max() - column) / unit == pytest.approx(0.2, abs=0.01)
    # chance, an eighth of eight classes, is a line of dashes
    left = int(column - 0.24 * unit)
    between = pixels[int(row) + 15 : int(row_region) - 15, left : int(column_region)]
    dashes = (between.max(axis=2) < 200).sum(axis=0)
    assert (left + int(dashes.argmax()) - column) / unit == pytest.approx(0.125 - 0.25, abs=0.005)
    assert dashes.max() >= 5


def test_a_headline_that_is_the_random_split_is_shown_once() -> None:
    pixels = opened(score_figure(evaluation({RANDOM: (0.5, None)})))
    assert spots(pixels, "#8a8a8a", least=20) == 1
    assert not of_colour(pixels, PALETTE[0]).any()
