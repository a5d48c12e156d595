"""Calibration: a planted temperature and planted offsets are found again, held-out groups never help themselves, the floor is chance."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from synapse_assets.analysis.evaluation import calibration as c
from synapse_assets.errors import BadInput
from synapse_assets_tests.analysis.evaluation.planted_answers import correlated, held_out, tempered


def test_a_planted_temperature_is_found() -> None:
    probabilities, true, neuron = correlated(300, 10, 0.3, 2.0, seed=0, classes=3)
    found = c.fit_calibration(held_out(tempered(probabilities, 2.5), true, neuron)).calibration
    assert found.scale == pytest.approx([1 / 2.5] * 3, rel=0.1)
    if not found.by_class:
        assert found.offset.tolist() == [0, 0, 0]
    # few groups of a class: a temperature, whatever the classes would say
    few = held_out(tempered(probabilities, 2.5), true, neuron).where(neuron < 21)
    assert not c.fit_calibration(few).calibration.by_class


def test_the_temperature_is_the_maximum_of_the_penalised_likelihood() -> None:
    """Few neurons, where the prior counts; the objective written out."""
    probabilities, true, neuron = correlated(6, 4, 0.3, 3.0, seed=5)
    rows = held_out(tempered(probabilities, 0.2), true, neuron)

    def loss(logarithm: float) -> float:
        scaled = rows.probabilities ** np.exp(logarithm)
        of_known = (scaled / scaled.sum(axis=1, keepdims=True))[np.arange(len(true)), true]
        return float(-sum(np.log(of_known[neuron == one]).mean() for one in range(6)) + logarithm**2 / 2)

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded").x
    assert np.log(c.fit_calibration(rows).calibration.scale[0]) == pytest.approx(best, abs=1e-3)
    assert best > 0.3


def test_planted_offsets_are_chosen_and_found() -> None:
    """A classifier trained with equal classes, on data where one is rare: offsets are the logarithms of the shares."""
    probabilities, true, neuron = correlated(600, 6, 0.2, 2.0, seed=1)
    kept = (true == 0) | (neuron % 8 == 1)
    rows = held_out(probabilities[kept], true[kept], neuron[kept])
    fitted = c.fit_calibration(rows)
    found, calibrated = fitted.calibration, fitted.out_of_fold(rows)
    assert found.by_class
    # of 300 neurons and 75
    assert found.offset[0] - found.offset[1] == pytest.approx(np.log(4), abs=0.3)
    before, after = (c.calibration_errors(part.probabilities, part.true) for part in (rows, calibrated))
    assert after[1] < before[1] / 2
    scores = np.log(rows.probabilities) * found.scale + found.offset
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.apply(rows.probabilities), expected, rtol=1e-9)


def test_a_fold_is_calibrated_on_the_others_only() -> None:
    probabilities, true, neuron = correlated(40, 5, 0.2, 2.0, seed=2)
    rows = held_out(probabilities, true, neuron)
    spoilt = c.HeldOut(rows.classes, rows.probabilities, np.where(rows.folds == 0, 1 - true, true), neuron, rows.folds)
    right, wrong = (c.fit_calibration(part).out_of_fold(part) for part in (rows, spoilt))
    same = (right.probabilities == wrong.probabilities).all(axis=1)
    assert same[rows.folds == 0].all()
    assert not same[rows.folds != 0].any()


def test_groups_count_alike() -> None:
    """A thousand equal synapses of one neuron weigh what one does."""
    probabilities, true, neuron = correlated(60, 5, 0.2, 2.0, seed=3)

    def with_loud(rows: int) -> c.Calibration:
        parts = (np.tile([[0.999, 0.001]], (rows, 1)), np.ones(rows, dtype=np.int64), np.full(rows, 60))
        return c.fit_calibration(
            held_out(*(np.concatenate(pair) for pair in zip((probabilities, true, neuron), parts, strict=True)))
        ).calibration

    assert with_loud(1000).scale == pytest.approx(with_loud(1).scale, rel=1e-3)


def test_separable_unknown_and_no_rows_stay_finite() -> None:
    sure = held_out(np.eye(2)[np.arange(20) % 2], np.arange(20) % 2, np.arange(20))
    for rows in (sure, sure.where(np.zeros(20, dtype=bool))):
        assert np.isfinite(c.fit_calibration(rows).calibration.scale).all()
    # what no model of the fold knew cannot be scaled, and does not count
    probabilities, true, neuron = correlated(60, 4, 0.2, 2.0, seed=4)
    wider = np.column_stack([probabilities, np.zeros(len(true))])
    unknown = np.where(neuron == 7, 2, true)
    scale = c.fit_calibration(held_out(wider, unknown, neuron)).calibration.scale[0]
    assert scale == pytest.approx(
        c.fit_calibration(held_out(probabilities, true, neuron)).calibration.scale[0], rel=0.2
    )


def test_the_error_is_that_of_its_formula() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], 400)
    true = rng.integers(0, 3, 400)
    order = np.argsort(probabilities[:, 1], kind="stable")
    parts = np.array_split(order, 15)
    expected = sum(len(part) / 400 * abs(probabilities[part, 1].mean() - (true[part] == 1).mean()) for part in parts)
    assert c.calibration_errors(probabilities, true)[1] == pytest.approx(expected)
    rows = c.reliability_rows("before", held_out(probabilities, true, np.arange(400)))
    assert len(rows) == 4 * 15
    of_class = [row for row in rows if row["class_name"] == "c1"]
    assert [row["synapses"] for row in of_class] == [len(part) for part in parts]
    assert of_class[3]["share_right"] == pytest.approx((true[parts[3]] == 1).mean())
    assert len(c.reliability_rows("before", held_out(probabilities[:4], true[:4], np.arange(4)))) == 4 * 4
    assert c.reliability_rows("before", held_out(probabilities[:0], true[:0], np.arange(0))) == []


def test_the_floor_is_what_a_perfect_model_shows() -> None:
    """Labels drawn from the probabilities, neuron by neuron alike or one by one, err within what is simulated."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([2, 1], 100).repeat(8, axis=0)
    group = np.arange(100).repeat(8)
    for shared in (True, False):
        draws = rng.random(100).repeat(8) if shared else rng.random(800)
        rows = held_out(probabilities, (draws > probabilities[:, 0]).astype(np.int64), group)
        simulated = c.simulated_errors(rows, seed=0)[:, -1]
        error = c.calibration_errors(rows.probabilities, rows.true)[-1]
        assert simulated.min() <= error <= simulated.max()
        assert np.array_equal(simulated, c.simulated_errors(rows, seed=0)[:, -1])
        if shared:
            of_groups = simulated.mean()
    assert of_groups > 1.5 * simulated.mean(), "dependent synapses are fewer than they look"


def test_intraclass_correlation() -> None:
    rng = np.random.default_rng(1)
    group = np.arange(400).repeat(6)
    values = np.sqrt(0.4) * rng.standard_normal(400)[group] + np.sqrt(0.6) * rng.standard_normal(2400)
    assert c.intraclass_correlation(values, group) == pytest.approx(0.4, abs=0.06)
    assert c.intraclass_correlation(values[:5], np.arange(5)) == 0
    assert c.intraclass_correlation(np.ones(6), np.arange(6) // 2) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"probabilities": np.full((4, 2), 0.6)}, "4 of 4 rows do not add up to one"),
        ({"probabilities": np.full((4, 2), np.nan)}, "4 of 4 rows do not add up to one"),
        ({"probabilities": np.array([[1.5, -0.5]] * 4)}, "do not add up to one"),
        ({"classes": ("a", "b", "c")}, "do not fit 3 classes"),
        ({"groups": np.zeros(3, dtype=np.int64)}, "do not fit 2 classes"),
        ({"true": np.array([0, 1, 2, 0])}, "numbered from 0 to 1, but there is 2"),
    ],
)
def test_bad_input(change: dict[str, object], told: str) -> None:
    good = {
        "classes": ("a", "b"),
        "probabilities": np.full((4, 2), 0.5),
        "true": np.array([0, 1, 0, 1]),
        "groups": np.arange(4),
        "folds": np.zeros(4, dtype=np.int64),
    }
    with pytest.raises(BadInput, match=told):
        c.HeldOut(**(good | change))  # type: ignore[arg-type]
