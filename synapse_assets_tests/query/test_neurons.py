"""Neurons of a release: their answers, the synapses behind them, the list, and which look alike."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.query import NeuronRequest, Warehouse, open_warehouse
from synapse_assets.query import similarity as similarity_module
from synapse_assets.query.neurons import UnknownNeuron
from synapse_assets.query.search import StoredVectors
from synapse_assets.schema import CALIBRATION, NEURON_ANSWERS, SYNAPSE_ANSWERS
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.conftest import FIRST_NEURON, Lab
from synapse_assets_tests.query.answers import ANSWERS, plant_answers, publish

NEURON = FIRST_NEURON + 3


@pytest.fixture(scope="module")
def store(finished_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> DatasetStore:
    """The tiny lab with planted answers in its release."""
    root = tmp_path_factory.mktemp("answered") / "data"
    shutil.copytree(finished_lab.root, root)
    planted = DatasetStore(str(root), "tiny")
    plant_answers(planted)
    publish(planted)
    return planted


@pytest.fixture(scope="module")
def warehouse(store: DatasetStore) -> Iterator[Warehouse]:
    with open_warehouse("tiny", store.data_root) as opened:
        yield opened


def answers_of(store: DatasetStore, neuron: int) -> dict[str, dict[str, float]]:
    """Calibrated probabilities of the synapses of a neuron, by id."""
    rows = store.results(SYNAPSE_ANSWERS).read().to_pylist()
    synapses = store.synapses.read(None, ["synapse_id", "neuron_id"]).to_pylist()
    own = {row["synapse_id"] for row in synapses if row["neuron_id"] == neuron}
    return {row["synapse_id"]: dict(row["probabilities"]) for row in rows if row["synapse_id"] in own}


def test_a_neuron_has_its_row_and_its_synapses_the_surest_first(store: DatasetStore, warehouse: Warehouse) -> None:
    found = warehouse.neuron(NEURON)
    [stored] = [row for row in store.results(NEURON_ANSWERS).read().to_pylist() if row["neuron_id"] == NEURON]
    assert found.answer is not None
    for name in set(stored) - {"probabilities", "votes", "region_answers"}:
        assert found.answer[name] == stored[name], name
    for name in ("probabilities", "votes", "region_answers"):
        assert found.answer[name] == dict(stored[name]), name
    probabilities = answers_of(store, NEURON)
    main = stored["predicted"]
    expected = sorted(probabilities, key=lambda one: (-probabilities[one][main], one))
    assert found.synapses["synapse_id"].tolist() == expected
    np.testing.assert_allclose(found.synapses["support"], [probabilities[one][main] for one in expected])
    assert [warehouse.points.ids[int(row)].as_py() for row in found.rows] == expected
    assert set(found.synapses["neuron_id"]) == {NEURON}
    assert found.changes is not None
    assert (found.changes.predicted, found.changes.synapses) == (main, len(expected))


def test_the_prior_of_a_calibration_by_class_is_that_of_the_groups(store: DatasetStore, tmp_path: Path) -> None:
    """With it, the evidence that is added up names the class that was released; and rows seen in training do not count."""
    shutil.copytree(store.data_root, tmp_path / "data")
    changed = DatasetStore(str(tmp_path / "data"), "tiny")
    names = ("acetylcholine", "gaba", "glutamate")
    rows = [
        {"class_name": name, "scale": 1.0, "offset": offset, "threshold": None, "promised": True, "synapses": 24,
         "groups": groups, "classifier": "c1"}
        for name, offset, groups in zip(names, (0.5, 0.0, -0.5), (997, 2, 1), strict=True)
    ]  # fmt: skip
    changed.results(CALIBRATION).write(pa.Table.from_pylist(rows, schema=CALIBRATION.arrow))
    flat = {"acetylcholine": 0.4, "gaba": 0.35, "glutamate": 0.25}
    for region in changed.results(SYNAPSE_ANSWERS).partitions():
        own = changed.results(SYNAPSE_ANSWERS).read(region).to_pylist()
        told = [{**row, "probabilities": list(flat.items()), "out_of_fold": row["synapse_id"] != "s018"} for row in own]
        changed.results(SYNAPSE_ANSWERS).write_partition(
            region, pa.Table.from_pylist(told, schema=SYNAPSE_ANSWERS.arrow)
        )
    publish(changed)
    with open_warehouse("tiny", changed.data_root) as opened:
        found = opened.neuron(NEURON).changes
    assert found is not None
    # 0.4 is little where 997 of 1,000 neurons have the class, and 0.25 is much where one has it.
    assert found.predicted == "glutamate"
    assert found.synapses == 5, "s018 was in training"


@pytest.mark.parametrize("neuron", [0, 7, -1, 2**63, -(2**63), 10**30, FIRST_NEURON + 12])
def test_an_unknown_neuron_is_said(warehouse: Warehouse, neuron: int) -> None:
    with pytest.raises(
        UnknownNeuron, match=f"no neuron {neuron} has a synapse .*; its 12 neurons have ids like {FIRST_NEURON}"
    ):
        warehouse.neuron(neuron)
    assert issubclass(UnknownNeuron, BadInput)


def test_without_answers_there_are_still_its_synapses(finished_lab: Lab, tmp_path: Path) -> None:
    shutil.copytree(finished_lab.root, tmp_path / "data")
    publish(DatasetStore(str(tmp_path / "data"), "tiny"), without=ANSWERS)
    with open_warehouse("tiny", tmp_path / "data") as opened:
        found = opened.neuron(NEURON)
        assert (found.answer, found.changes, len(found.synapses)) == (None, None, 6)
        assert (opened.neurons(), opened.count_neurons(), opened.neuron_counts("answer")) == ([], 0, {})
        assert (opened.calibration_scores(), opened.classifiers(), opened.network_cards()) == ([], [], {})
        assert (opened.synapse_answer("s010"), len(opened.codex_neurons())) == (None, 0)
        assert opened.similar_neurons(NEURON, 3).columns.tolist() == ["neuron_id", "similarity", "synapses"]


def test_the_list_is_filtered_ordered_and_cut(store: DatasetStore, warehouse: Warehouse) -> None:
    rows = store.results(NEURON_ANSWERS).read().to_pylist()

    def listed(limit: int | None = None, offset: int = 0, **asked: str) -> list[int]:
        request = NeuronRequest(**asked)
        found = [row["neuron_id"] for row in warehouse.neurons(request, limit, offset)]
        if limit is None:
            assert warehouse.count_neurons(request) == len(found)
        return found

    ids = sorted(row["neuron_id"] for row in rows)
    assert listed() == ids
    assert listed(5, 10) == ids[10:15]
    surest = sorted(rows, key=lambda row: (-row["probability"], row["neuron_id"]))
    assert listed(order="surest") == [row["neuron_id"] for row in surest]
    assert listed(target="gaba") == [row["neuron_id"] for row in rows if row["target"] == "gaba"]
    assert listed(answer="glutamate") == [row["neuron_id"] for row in rows if row["answer"] == "glutamate"]
    assert listed(only="unclear") == [row["neuron_id"] for row in rows if row["answer"] == "unclear"]
    wrong = [row["neuron_id"] for row in rows if row["answer"] not in ("unclear", row["target"])]
    assert listed(only="wrong") == wrong
    assert listed(only="disagreement") == [row["neuron_id"] for row in rows if row["disagreement"]]
    assert listed(id=str(FIRST_NEURON)[:-1]) == [one for one in ids if str(one).startswith(str(FIRST_NEURON)[:-1])]
    assert listed(answer="' or 1=1 --") == []
    assert sum(warehouse.neuron_counts("target").values()) == 12


@pytest.mark.parametrize(
    "asked", [{"only": "odd"}, {"order": "size; drop table"}, {"id": "1.5"}, {"id": "x%"}, {"id": "²"}]
)
def test_a_list_that_cannot_be_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(BadInput, match=next(iter(asked))):
        NeuronRequest(**asked)


@pytest.mark.parametrize("stored", [False, True])
def test_neurons_alike_are_those_of_the_nearest_mean_vectors(
    store: DatasetStore, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    if stored:
        monkeypatch.setattr(similarity_module, "EXACT_BELOW", 10)
        monkeypatch.setattr(similarity_module, "_ROWS_AT_ONCE", 7)
    with open_warehouse("tiny", store.data_root) as opened:
        assert isinstance(opened.vectors, StoredVectors) == stored
        points = opened.points
        matrix = opened.vectors.at(np.arange(72)).astype(np.float64)
        means = np.stack([matrix[points.neurons == code].mean(axis=0) for code in range(12)])
        unit = means / np.linalg.norm(means, axis=1, keepdims=True)
        cosine = unit @ unit[NEURON - FIRST_NEURON]
        order = [code for code in np.argsort(-cosine) if code != NEURON - FIRST_NEURON][:4]
        found = opened.similar_neurons(NEURON, 4)
        assert len(opened.similar_neurons(NEURON, 50)) == 11, "never itself"
    assert found["neuron_id"].tolist() == [FIRST_NEURON + code for code in order]
    np.testing.assert_allclose(found["similarity"], cosine[order], atol=1e-6)
    assert found["synapses"].tolist() == [6] * 4
    targets = {row["neuron_id"]: row["target"] for row in store.results(NEURON_ANSWERS).read().to_pylist()}
    assert found["target"].tolist() == [targets[one] for one in found["neuron_id"]]


def test_what_is_calibrated_stands_beside_what_is_not(store: DatasetStore, warehouse: Warehouse) -> None:
    stored = store.results(SYNAPSE_ANSWERS).read().to_pylist()
    [row] = [row for row in stored if row["synapse_id"] == "s010"]
    found = warehouse.synapse_answer("s010")
    assert found is not None
    assert found["probabilities"] == dict(row["probabilities"])
    assert (found["answer"], found["class_set"]) == (row["answer"], row["class_set"])
    shown = warehouse.similar("s011", k=71, leave_out_own_neuron=False).set_index("synapse_id")
    assert shown.loc["s010", "answer"] == row["answer"]
    assert shown.loc["s010", "calibrated_probability"] == pytest.approx(row["probability"], rel=1e-6)
    codex = warehouse.codex_neurons()
    assert codex.columns[:4].tolist() == ["root_id", "group", "nt_type", "nt_type_score"]
    assert codex["root_id"].tolist() == [FIRST_NEURON + code for code in range(12)]
