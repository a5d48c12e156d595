"""Model cards: a biologist reads what to trust first, and both ways of testing beside each other."""

import numpy as np
import pytest

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.morphology import classifiers as c
from synapse_assets.analysis.morphology import evaluation as e
from synapse_assets.analysis.morphology.features import HeldOut
from synapse_assets.analysis.morphology.model_card import model_card
from synapse_assets.artifacts import NoModel

VERDICT = "fragile: two runs agree at an adjusted Rand index of 0.61."


@pytest.fixture(scope="module")
def parts() -> tuple[c.ClusterClassifiers, Evaluation]:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = rng.normal(size=(60, 5)) + 5.0 * labels[:, None]
    labels[:4] = -1
    owner = np.array([f"pv{1 + i % 3}" for i in range(60)])
    ids = np.array([f"s{i:02d}" for i in range(60)])

    def held_out(neuron: str) -> HeldOut:
        out = owner == neuron
        return HeldOut(ids[~out].tolist(), features[~out], ids[out].tolist(), features[out], {})

    model = c.fit_classifiers(features, labels, 0, owner, trees=5)
    assert isinstance(model, c.ClusterClassifiers)
    return model, e.evaluate_classifiers(features, features[:, :2], labels, owner, ids, held_out, 0, trees=5)


def test_both_evaluations_and_the_published_figures_are_beside_each_other(
    parts: tuple[c.ClusterClassifiers, Evaluation],
) -> None:
    model, evaluation = parts
    card = model_card("pv", model, evaluation, VERDICT, {"xgboost": 0.957}, "a study")
    lines = card.splitlines()
    head = next(i for i, line in enumerate(lines) if "| Published |" in line)
    for offset, (title, name) in enumerate(
        [("k nearest neighbours", c.NEIGHBOURS), ("random forest", c.FOREST), ("XGBoost", c.BOOSTING)]
    ):
        cells = [cell.strip() for cell in lines[head + 2 + offset].strip("|").split("|")]
        on_map, on_features, honest = (
            evaluation.score(name, inputs, split)
            for inputs, split in (
                (e.MAP, e.RANDOM_80_20),
                (e.FEATURES, e.RANDOM_80_20),
                (e.FEATURES, e.LEAVE_ONE_NEURON_OUT),
            )
        )
        assert on_map is not None
        assert on_map.accuracy_interval is not None
        assert on_features is not None
        assert honest is not None
        assert cells[0] == title
        assert cells[1] == ("0.957" if name == c.BOOSTING else "-")
        assert cells[2].startswith(f"{on_map.accuracy:.3f} ({on_map.accuracy_interval[0]:.3f} to ")
        assert cells[3].startswith(f"{on_features.accuracy:.3f} (")
        assert cells[4] == f"{honest.accuracy:.3f} (no interval)"
        detail = next(line for line in lines if line.startswith(f"| {title} | One neuron left out, features |"))
        assert [cell.strip() for cell in detail.strip("|").split("|")][-3:] == [
            str(honest.rejected),
            str(honest.left_out),
            f"{honest.accuracy_of_accepted:.3f}",
        ]
    assert card.index(VERDICT) < card.index("##")
    for text in (
        "56 clustered synapses on 3 neurons: pv1 (18), pv2 (19), pv3 (19)",
        "4 more are in no cluster",
        "| 0 | 28 | 50% |",
        "it does not say that the groups are biology",
        "Published: a study.",
        "3 neurons, no interval below 8 neurons",
        "flatters it slightly",
        f"neighbours {model.settings[c.NEIGHBOURS]['n_neighbors']} |",
    ):
        assert text in card
    assert "nan" not in card.lower().replace("names", "")


def test_a_group_without_classifiers_has_a_card_too() -> None:
    rows = np.zeros((3, 5))
    evaluation = e.evaluate_classifiers(
        rows, rows[:, :2], [0, 0, -1], ["a", "a", "b"], ["1", "2", "3"], lambda _: NoModel("-"), 0
    )
    card = model_card("cr", NoModel("there is one cluster only (0)"), evaluation, VERDICT)
    assert "No classifier was fitted: there is one cluster only (0)." in card
    assert "2 clustered synapses on 1 neurons: a (2)" in card
    assert "nothing to tell apart" in card
    assert VERDICT in card
