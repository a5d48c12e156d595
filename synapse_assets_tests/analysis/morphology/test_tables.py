"""Rows in, rows of the schema out: who is named, who is left out and why."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.consensus import Consensus
from synapse_assets.analysis.clustering.parameter_sweep import Setting
from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import Score
from synapse_assets.analysis.morphology import classifiers as c
from synapse_assets.analysis.morphology import evaluation as e
from synapse_assets.analysis.morphology import tables as t
from synapse_assets.artifacts import NoModel
from synapse_assets.schema import morphology


def features(rows: list[dict[str, Any]]) -> pa.Table:
    """A table of `morphology.FEATURES`; what a row does not say is ordinary."""
    ordinary: dict[str, Any] = dict.fromkeys(morphology.FEATURES.names) | {
        "neuron_id": "pv1",
        "used_for": "fit",
        "distance_to_soma_um": 10.0,
        "synapse_area": 1.0,
        "bouton_area": 2.0,
        "scaled": [0.0, 0.0],
        "feature_model": "f1",
        **{f"{axis}_from_soma_um": 1.0 for axis in "xyz"},
    }
    return pa.Table.from_pylist([ordinary | row for row in rows], schema=morphology.FEATURES.arrow)


def clusters_of(numbers: dict[str, int]) -> pa.Table:
    """A table of `morphology.CLUSTERS`."""
    rows = [
        {"synapse_id": one, "investigation_group": "as", "cluster": number, "membership_probability": 0.25 * (number + 2),
         "consensus": 1.0, "reason": None, "cluster_model": "c1"}
        for one, number in numbers.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=morphology.CLUSTERS.arrow)


def consensus(ids: list[str], labels: list[int]) -> Consensus:
    """A clustering with those labels."""
    rows = len(ids)
    return Consensus(
        ids=np.array(ids),
        labels=np.array(labels, dtype=np.int32),
        membership_probability=np.linspace(0.5, 1, rows),
        consensus=np.linspace(0.6, 0.9, rows),
        reasons=np.array(["" if label >= 0 else "noise in at least half of the runs" for label in labels]),
        cluster_stability=np.linspace(0.9, 0.7, max(labels) + 1),
        agreement=np.eye(2),
        setting=Setting(5, 5),
        independent_ari=1.0,
    )


def test_a_group_fulfils_every_condition() -> None:
    synapses = pa.table({"neuron_id": ["pv1", "pv1", "cb1"], "synapse_type": ["as", "ss", "as"], "n": [0, 1, 2]})
    assert t.in_group(synapses, {"synapse_type": ["as"]}).column("n").to_pylist() == [0, 2]
    both = {"synapse_type": ["as", "ss"], "neuron_id": ["pv1"]}
    assert t.in_group(synapses, both).column("n").to_pylist() == [0, 1]
    assert t.in_group(synapses, {**both, "synapse_type": ["as"]}).column("n").to_pylist() == [0]


def test_clustered_are_the_fitted_ones_that_are_not_left_out() -> None:
    table = features(
        [
            {"synapse_id": "c", "scaled": [3.0, 4.0]},
            {"synapse_id": "new", "used_for": "prediction"},
            {"synapse_id": "a", "scaled": [1.0, 2.0]},
            {"synapse_id": "b", "left_out": "too large"},
        ]
    )
    assert t.clustered(table).column("synapse_id").to_pylist() == ["a", "c"]
    assert t.scaled_matrix(t.clustered(table)).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert t.of_synapses(table, ["c", "nobody", "a"]).column("synapse_id").to_pylist() == ["c", "a"]


def test_every_fitted_synapse_has_a_row_with_its_matched_number_or_a_reason() -> None:
    table = features(
        [
            {"synapse_id": "a"},
            {"synapse_id": "b"},
            {"synapse_id": "c", "left_out": "too large"},
            {"synapse_id": "d"},
            {"synapse_id": "new", "used_for": "prediction"},
        ]
    )
    found = consensus(["d", "a", "b"], [0, 1, -1])
    rows = t.cluster_rows(table, found, {0: 7, 1: 3}, "as", "c1").to_pylist()
    assert [(row["synapse_id"], row["cluster"], row["reason"]) for row in rows] == [
        ("a", 3, None),
        ("b", -1, "noise in at least half of the runs"),
        ("c", -1, "too large"),
        ("d", 7, None),
    ]
    assert [row["membership_probability"] for row in rows] == [0.75, 1.0, 0.0, 0.5]
    assert [row["consensus"] for row in rows] == pytest.approx([0.75, 0.9, 0.0, 0.6])
    assert t.stability_by_number(found, clusters_of({"a": 3, "b": -1, "d": 7})) == pytest.approx({7: 0.9, 3: 0.7})
    none = t.cluster_rows(table, NoModel("no setting finds clusters"), {}, "as", "c1").to_pylist()
    assert [row["reason"] for row in none] == [
        *["no setting finds clusters"] * 2,
        "too large",
        "no setting finds clusters",
    ]
    assert t.stability_by_number(NoModel("-"), clusters_of({})) == {}


def test_profiles_are_what_one_counts_by_hand() -> None:
    owners = ["pv1"] * 6 + ["pv2"] * 4 + ["pv3"] * 5 + ["pv1"] * 5 + ["pv1", "pv2"]
    numbers = {f"s{i:02d}": number for i, number in enumerate([0] * 10 + [4] * 10 + [-1] * 2)}
    table = features(
        [
            {"synapse_id": one, "neuron_id": owner, "synapse_area": float(i), "distance_to_soma_um": 100.0 - i}
            for i, (one, owner) in enumerate(zip(numbers, owners, strict=True))
        ]
    )
    first, second = t.profile_rows(table, clusters_of(numbers), {0: 0.9, 4: 0.5}, "as", "c1").to_pylist()
    assert (first["cluster"], first["synapses"], first["share"], first["stability"]) == (0, 10, 10 / 22, 0.9)
    assert json.loads(first["neurons"]) == {"pv1": 6, "pv2": 4}
    assert (first["top_neuron_share"], first["one_neuron"]) == (0.6, True)
    assert (first["median_synapse_area"], first["median_distance_to_soma_um"]) == (4.5, 95.5)
    assert (first["membership_probability"], second["membership_probability"]) == (0.5, 1.5)
    assert (second["cluster"], second["top_neuron_share"], second["one_neuron"]) == (4, 0.5, False), "half is not most"
    alone = features([{"synapse_id": one} for one in numbers])
    assert not any(
        row["one_neuron"] for row in t.profile_rows(alone, clusters_of(numbers), {0: 1, 4: 1}, "as", "c1").to_pylist()
    )
    few = {f"s{i:02d}": (0 if i < 4 else 1) for i in range(12)}
    rows = t.profile_rows(table.slice(0, 12), clusters_of(few), {0: 1, 1: 1}, "as", "c1").to_pylist()
    assert not rows[0]["one_neuron"], "four synapses of one neuron are too few to say"


def test_agreement_with_the_release_is_over_the_synapses_that_both_have() -> None:
    before = {f"s{i}": i % 2 for i in range(20)} | {"gone": 5}
    now = {f"s{i}": 1 - i % 2 for i in range(20)} | {"new": 5}
    assert t.released_agreement(clusters_of(before), clusters_of(now)) == 1.0
    assert t.released_agreement(clusters_of({"s1": 0}), clusters_of(now)) is None
    assert t.released_agreement(clusters_of({}), clusters_of(now)) is None
    turned = {f"s{i}": i // 10 for i in range(20)}
    found = t.released_agreement(clusters_of(before), clusters_of(turned))
    assert found is not None
    assert abs(found) < 0.1


@pytest.fixture(scope="module")
def model() -> c.ClusterClassifiers:
    """Clusters 2 at (0, 0) and 5 at (6, 0)."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 2)) + np.repeat([[0, 0], [6, 0]], 30, axis=0)
    fitted = c.fit_classifiers(rows, np.repeat([2, 5], 30), 0, trees=3)
    assert isinstance(fitted, c.ClusterClassifiers)
    return fitted


def test_predictions_name_the_best_classifiers_cluster_or_say_why_not(model: c.ClusterClassifiers) -> None:
    new = features(
        [
            {"synapse_id": "near", "used_for": "prediction", "alignment": "own", "scaled": [6.0, 0.0]},
            {"synapse_id": "out", "used_for": "prediction", "left_out": "too large", "scaled": None},
            {"synapse_id": "far", "used_for": "prediction", "scaled": [0.0, 500.0]},
            {"synapse_id": "first", "used_for": "prediction", "scaled": [0.0, 0.1]},
        ]
    )
    turned = replace(model, models={**model.models, c.FOREST: Contrary()})
    near, out, far, first = t.prediction_rows(new, turned, c.NEIGHBOURS, NoModel("-"), "as", "k1").to_pylist()
    assert (near["cluster"], near["classifier"], near["alignment"], near["reason"]) == (5, c.NEIGHBOURS, "own", None)
    assert (near[c.NEIGHBOURS], near[c.FOREST], first["cluster"]) == (5, 2, 2)
    assert near["probability"] == 1.0
    assert (out["cluster"], out["reason"], out[c.FOREST]) == (-1, "too large", None)
    assert (far["cluster"], far["probability"], far["classifier"]) == (-1, None, None)
    assert far["reason"].startswith("unlike the fitted synapses")
    other = t.prediction_rows(new, turned, c.FOREST, NoModel("-"), "as", "k1").to_pylist()
    assert [row["cluster"] for row in other] == [2, -1, -1, 5]
    for none, best, why in (
        (NoModel("one cluster"), None, "one cluster"),
        (model, None, "no classifier could be tested"),
    ):
        rows = t.prediction_rows(new, none, best, NoModel("-"), "as", "k1").to_pylist()
        assert [row["cluster"] for row in rows] == [-1] * 4
        assert [row["reason"] for row in rows] == [f"no classifier: {why}", "too large", *[f"no classifier: {why}"] * 2]


class Contrary:
    """A forest that names the cluster on the other side."""

    classes_ = np.array([0, 1])

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        right = rows[:, 0] > 3
        return np.stack([right, ~right], axis=1).astype(float)


def test_training_agreement_counts_rejected_ones_as_lost(model: c.ClusterClassifiers) -> None:
    places = [[6.0, 0.0], [0.0, 0.0], [-500.0, 0.0], [6.0, 0.2], [6.0, 0.0], [500.0, 0.0]]
    fitted = features([{"synapse_id": f"s{i}", "scaled": place} for i, place in enumerate(places)])
    found = t.training_agreement(model, fitted, np.array([5, 2, 2, 2, -1, -1]))
    assert found[f"training_labels_agree_{c.NEIGHBOURS}"] == 0.5
    assert found["training_noise_put_into_clusters"] == 0.5
    assert "training_noise_put_into_clusters" not in t.training_agreement(model, fitted, np.array([5, 2, 2, 2, 5, 5]))
    assert t.training_agreement(NoModel("-"), fitted, np.zeros(6, dtype=np.int64)) == {}


def scored(classifier: str, inputs: str, split: str, right: int) -> Score:
    """So many of 20 right, of two clusters with 12 and 8."""
    confusion = np.array([[min(right, 12), 12 - min(right, 12), 0], [0, max(right - 12, 0), 20 - max(right, 12)]])
    return Score(classifier, inputs, split, 2, confusion, 0.5, 0.5, trained=8)


def test_published_figures_stand_beside_the_split_they_were_taken_with_and_the_best_is_told() -> None:
    ways = [(e.MAP, e.RANDOM_80_20), (e.FEATURES, e.RANDOM_80_20), (e.FEATURES, e.LEAVE_ONE_NEURON_OUT)]
    scores = tuple(
        scored(name, inputs, split, 2 * (1 + 3 * i + j))
        for i, name in enumerate(c.CLASSIFIERS)
        for j, (inputs, split) in enumerate(ways)
    )
    best = next(s for s in scores if (s.classifier, s.split) == (c.FOREST, e.LEAVE_ONE_NEURON_OUT))
    found = Evaluation(("0", "1"), scores, best)
    rows = t.score_rows(found, "as", {c.BOOSTING: 0.957, c.FOREST: 0.9}, "k1").to_pylist()
    published = {(row["classifier"], row["inputs"], row["split"]): row["published_accuracy"] for row in rows}
    assert {way: figure for way, figure in published.items() if figure is not None} == {
        (c.BOOSTING, *ways[0]): 0.957,
        (c.FOREST, *ways[0]): 0.9,
    }
    assert t.headline_scores(found) == pytest.approx(
        {
            "accuracy_random_map": 0.4, "guessing_random_map": 0.6,
            "accuracy_random_features": 0.5, "guessing_random_features": 0.6,
            "accuracy_neuron_left_out": 0.6, "guessing_neuron_left_out": 0.6,
        }
    )  # fmt: skip
    assert t.headline_scores(replace(found, headline=None)) == {}
