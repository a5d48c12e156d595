"""Verdicts on methods of explanation, from planted agreements, and their intervals against a loop."""

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.explanation_checks import MethodCheck, PlantedPlaces, check_rows, judge
from synapse_assets.errors import BadInput
from synapse_assets.schema import EXPLANATION_CHECKS

PICTURES, DRAWS = 24, 3


def measured(pictures: int = PICTURES, **changes: float) -> dict[str, np.ndarray]:
    """Of a method that passes everything, but for `changes` of means."""
    rng = np.random.default_rng(0)
    means = {
        "retrained": 0.8,
        "other_picture": 0.1,
        "other_class": -0.4,
        "all_random": 0.05,
        "all_shuffled": 0.05,
        "head_shuffled": 0.1,
        "deletion": 0.2,
        "insertion": 0.8,
        "centre_deletion": 0.4,
        "centre_insertion": 0.6,
        "random_order": 0.5,
    } | changes
    drawn = ("all_random", "all_shuffled", "head_shuffled", "random_order")
    arrays = {
        name: mean + rng.normal(0, 0.05, (DRAWS, pictures) if name in drawn else pictures)
        for name, mean in means.items()
    }
    return arrays | {"maps": rng.random((pictures, 16, 16)).astype(np.float32)}


def failed(check: MethodCheck) -> set[str]:
    return {row.check for row in check.rows if row.passed is False}


@pytest.mark.parametrize(
    ("changes", "verdict", "failures"),
    [
        ({}, "trustworthy", set()),
        # Weights that were never loaded: another random network's maps are as much alike as the trained one's.
        ({"retrained": 0.05, "other_class": -0.4}, "not", {"randomisation", "head"}),
        ({"all_random": 0.68}, "not", {"randomisation"}),  # more than .10, but not beyond its interval
        ({"head_shuffled": 0.95, "other_class": 0.85, "all_random": 0.4}, "not", {"head", "other_class"}),
        ({"other_class": 0.82}, "partly", {"other_class"}),
        ({"deletion": 0.5}, "partly", {"deletion"}),
        ({"deletion": 0.45, "centre_deletion": 0.3}, "partly", {"deletion"}),  # a blob in the centre does better
        ({"insertion": 0.5, "centre_insertion": 0.4}, "partly", {"insertion"}),
        (
            {"deletion": 0.4, "insertion": 0.6},
            "trustworthy",
            set(),
        ),  # as good as a blob, where everything is in the centre
    ],
)
def test_the_verdict_of_planted_agreements(changes: dict[str, float], verdict: str, failures: set[str]) -> None:
    check = judge("grad_cam", measured(**changes))
    assert (check.verdict, failed(check)) == (verdict, failures)
    assert check.sentence.startswith("grad_cam")
    assert ("passes every test" in check.sentence) == (verdict == "trustworthy")


def test_intervals_are_over_pictures_and_draws() -> None:
    arrays = measured()
    # Draws that differ much more than pictures do.
    arrays["all_random"] = np.array([[0.0], [0.3], [0.6]]) + np.linspace(0, 0.1, PICTURES)
    row = judge("grad_cam", arrays).row("randomisation")
    rng = np.random.default_rng(5)
    means = []
    for _ in range(2000):
        pictures, draws = rng.integers(0, PICTURES, PICTURES), rng.integers(0, DRAWS, DRAWS)
        means.append((arrays["retrained"] - arrays["all_random"])[draws][:, pictures].mean())
    assert row.value == pytest.approx((arrays["retrained"] - arrays["all_random"]).mean())
    assert row.interval == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))), abs=0.03)
    assert row.interval[1] - row.interval[0] > 0.4  # three draws are few


def test_nothing_is_said_of_fewer_than_eight_pictures() -> None:
    check = judge("grad_cam", measured(pictures=7))
    assert check.verdict == "not"
    assert "fewer than 8 pictures" in check.sentence
    assert all(row.interval is None for row in check.rows)
    assert judge("grad_cam", measured(pictures=8)).verdict == "trustworthy"


def test_planted_places_are_asked_for_where_they_are_known() -> None:
    arrays = measured()
    places = np.random.default_rng(1).integers(2, 14, (PICTURES, 1, 2))
    blind = judge("grad_cam", arrays, PlantedPlaces(places, 2))
    assert (blind.verdict, failed(blind)) == ("partly", {"pointing_game", "area_under_precision"})
    assert 0.02 < blind.row("pointing_game").chance < 0.07  # 13 of 256 pixels, fewer at the edge
    for image, (y, x) in zip(arrays["maps"], places[:, 0], strict=True):
        image[y, x] = 2
    seeing = judge("grad_cam", arrays, PlantedPlaces(places, 2))
    assert (seeing.verdict, seeing.row("pointing_game").value) == ("trustworthy", 1)
    with pytest.raises(BadInput, match="24 maps and the planted places of 23"):
        judge("grad_cam", arrays, PlantedPlaces(places[1:], 2))


def test_rows_are_those_of_the_table() -> None:
    checks = [judge("grad_cam", measured()), judge("gradients", measured(pictures=4, other_class=0.8))]
    table = check_rows("small", "v1", checks)
    assert EXPLANATION_CHECKS.conform(table).equals(table)
    rows = {(row["method"], row["check"]): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == 20
    row = rows["grad_cam", "randomisation"]
    assert (row["classifier"], row["version"], row["pictures"], row["draws"]) == ("small", "v1", PICTURES, DRAWS)
    assert (row["passed"], row["verdict"], rows["grad_cam", "retrained"]["passed"]) == (True, "trustworthy", None)
    assert row["low"] < row["value"] < row["high"]
    assert rows["gradients", "head"]["low"] is None
    assert rows["grad_cam", "retrained"]["chance"] == pytest.approx(rows["grad_cam", "other_picture"]["value"])
