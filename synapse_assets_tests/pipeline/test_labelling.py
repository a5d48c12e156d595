"""What people answer becomes labels, region by region; what a strategy chose trains and never tests; what labels are worth."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from logging import getLogger
from pathlib import Path
from uuid import uuid4

import dagster as dg
import duckdb
import numpy as np
import pandas as pd
import pytest

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.stored import load_probe_evaluation
from synapse_assets.datasets import EM
from synapse_assets.datasets.labelling import LabellingChoice
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em import answers, classify, labels, networks
from synapse_assets.pipeline.em.encoder_vectors import sampled_synapses
from synapse_assets.pipeline.em.labelling import decisions
from synapse_assets.pipeline.em.labelling.errors import find_label_errors
from synapse_assets.pipeline.em.labelling.label_curve import Labelled, curve_rows, draw_label_curve
from synapse_assets.pipeline.em.labelling.suggestions import suggest_round
from synapse_assets.pipeline.em.promotions import COMPARISONS
from synapse_assets.pipeline.em.release import released_tables
from synapse_assets.pipeline.labelling.annotations import read_round
from synapse_assets.pipeline.labelling.rounds import answers_read
from synapse_assets.pipeline.report import Report
from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.schema.labelling import (
    ANNOTATIONS,
    ANNOTATOR_AGREEMENT,
    BY_CHANCE,
    BY_ERROR,
    BY_STRATEGY,
    LABEL_CURVE,
    LABEL_DECISIONS,
    LABEL_ERRORS,
    NOT_A_SYNAPSE,
    QUERY_SUGGESTIONS,
    UNDO,
    UNSURE,
)
from synapse_assets.stores import DatasetStore, build_warehouse, maintain
from synapse_assets.stores.annotation_log import Answer
from synapse_assets_tests.conftest import REGIONS, Kept, Lab, planted_points, tiny_dataset

LOG = getLogger(__name__)
DATASET = tiny_dataset(Path("/nowhere"), Path("/nowhere/points.csv"), labelling={})


@pytest.fixture(scope="module")
def once(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The tiny brain up to the predictions of its classifier, which people label from now on."""
    root = tmp_path_factory.mktemp("labelled")
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab(tiny_inputs, root, instance, labelling={"batch": 6})
        lab.materialize("synapse_table", "alignment")
        lab.everywhere("synapses", "tile_plan", "tiles")
        lab.materialize("encoder", "label_decisions")
        lab.everywhere("synapse_labels", "embeddings")
        lab.materialize("splits", "synapse_classifier")
        lab.everywhere("synapse_predictions")
        yield Kept(tiny_inputs, root, instance)


@pytest.fixture
def lab(once: Kept, tmp_path: Path) -> Iterator[Lab]:
    """A copy of it."""
    with once.again(tmp_path) as lab:
        lab.use(lab.dataset.model_copy(update={"labelling": LabellingChoice(batch=6)}))
        yield lab


def say(
    lab: Lab, said: dict[str, str], round: str = "round_001", by: str = "ada", origin: str = BY_STRATEGY
) -> list[str]:
    """People's answers, as the page stores them."""
    tiles = lab.store.tiles.read_ids(list(said), ["synapse_id", "tile_hash"]).to_pylist()
    hashes = {row["synapse_id"]: row["tile_hash"] for row in tiles}
    new = [
        Answer(uuid4().hex, by, round, item, answer, origin=origin, tile_hash=hashes.get(item))
        for item, answer in said.items()
    ]
    lab.store.annotation_log.append(new)
    return [answer.answer_id for answer in new]


def decide(lab: Lab) -> Report:
    """Everything from the log to the decisions."""
    for round in lab.store.annotation_log.rounds():
        read_round(lab.store, round)
    return decisions.decide_labels(lab.store, lab.dataset, LOG)


def relabel(lab: Lab) -> None:
    for region in REGIONS:
        labels.label_region(lab.store, lab.dataset, region)
    classify.split_labelled(lab.store, lab.dataset, LOG)


def targets(lab: Lab) -> dict[str, str | None]:
    rows = lab.store.results(SYNAPSE_LABELS).read(columns=["synapse_id", "target"])
    return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def test_decisions_are_labels_of_their_region_and_an_undo_takes_them_back(lab: Lab) -> None:
    decide(lab)
    before = {region: decisions.region_decisions(lab.store, region) for region in REGIONS}
    labelled = targets(lab)
    by_region = lab.store.synapses.read("EB", ["synapse_id"]).column("synapse_id").to_pylist()[:3]
    said = dict(zip(by_region, ("dopamine", NOT_A_SYNAPSE, UNSURE), strict=True))
    lab.use(lab.dataset.model_copy(update={"labelling": LabellingChoice(classes=["dopamine", "gaba"])}))
    given = say(lab, said)
    report = decide(lab)
    after = {region: decisions.region_decisions(lab.store, region) for region in REGIONS}
    assert {region for region in REGIONS if after[region] != before[region]} == {"EB"}
    assert after["EB"][decisions.REGION_DECISIONS][1] == 2, "unsure changes no label"
    assert all(check.passed for check in report.checks)
    relabel(lab)
    assert targets(lab) == {**labelled, by_region[0]: "dopamine", by_region[1]: None}
    known = lab.store.results(SYNAPSE_LABELS).read("EB", ["synapse_id", "known_classes"]).to_pylist()
    assert {row["synapse_id"]: row["known_classes"] for row in known}[by_region[0]] == ["dopamine"]

    undos = [
        Answer(uuid4().hex, "ada", "round_001", item, None, kind=UNDO, undoes=undone)
        for item, undone in zip(said, given, strict=True)
    ]
    lab.store.annotation_log.append(undos)
    decide(lab)
    assert {region: decisions.region_decisions(lab.store, region) for region in REGIONS} == before
    relabel(lab)
    assert targets(lab) == labelled


def test_what_is_wrong_with_answers_is_said_with_the_remedy(lab: Lab) -> None:
    ids = sorted(targets(lab))
    say(lab, {ids[0]: "gaba", ids[1]: "gaba", ids[2]: "gaba", ids[3]: "serotonin"})
    say(lab, {ids[0]: "glutamate", ids[1]: "glutamate", ids[2]: "gaba"}, by="bob")
    lab.store.annotation_log.append([Answer("old", "ada", "round_001", ids[9], "gaba", tile_hash="another")])
    checks = {check.name: check for check in decide(lab).checks}
    assert not any(check.passed for check in checks.values())
    assert all(check.warn for check in checks.values())
    assert "'serotonin' (1). Add each to `classes`" in checks["classes_known"].description
    assert "2 synapses wait to be settled" in checks["people_agree"].description
    assert "agree first on what each class looks like" in checks["people_agree"].description
    assert checks["tiles_unchanged"].description.startswith("1 answer to tiles that are others since")
    assert lab.store.results(LABEL_DECISIONS).read().num_rows == 4, "of 'serotonin' nothing follows"


def test_nobody_having_answered_is_ordinary(lab: Lab) -> None:
    report = decide(lab)
    assert (report.rows, all(check.passed for check in report.checks)) == (0, True)
    assert decisions.untested_labels(lab.store) == frozenset()
    curve = draw_label_curve(lab.store, lab.dataset, LOG)
    assert curve.rows == 1
    assert str(curve.details["result"]).startswith("Before any round, with 72 labels: balanced accuracy ")


def test_classes_are_those_of_the_file_or_of_the_sources(lab: Lab) -> None:
    assert decisions.classes_now(lab.store, lab.dataset) == ["acetylcholine", "gaba", "glutamate"]
    chosen = lab.dataset.model_copy(update={"labelling": LabellingChoice(classes=["b", "a"])})
    assert decisions.classes_now(lab.store, chosen) == ["b", "a"]
    with pytest.raises(BadInput, match=r"tiny is not labelled here: add 'labelling: \{\}' to its file"):
        decisions.decide_labels(lab.store, lab.dataset.model_copy(update={"labelling": None}), LOG)


def test_no_score_counts_what_a_strategy_chose(lab: Lab) -> None:
    """Half of the labels are people's, at a strategy's wish."""
    before = scores(lab)
    ids = sorted(targets(lab))
    flattering = {one: str(targets(lab)[one]) for one in ids[:36]}
    say(lab, flattering)
    say(lab, {ids[40]: str(targets(lab)[ids[40]])}, origin=BY_CHANCE)
    say(lab, {ids[41]: str(targets(lab)[ids[41]])}, origin=BY_ERROR)
    decide(lab)
    relabel(lab)
    assert decisions.untested_labels(lab.store) == set(flattering)
    after = scores(lab)
    assert (before["labelled_synapses"], after["labelled_synapses"]) == (72, 72), "all of them train"
    assert after["untested_synapses"] == 36
    assert "untested_synapses" not in before

    models = lab.store.models("synapse_classifier")
    stored = load_probe_evaluation(models.path(models.versions()[-1]))
    assert stored.headline is not None
    assert stored.headline.rows == 36, "the other half is scored"
    assert len(stored.synapse_ids) == 72, "and all are predicted out of fold"
    assert after["balanced_accuracy"] == pytest.approx(accuracy_of(stored, lab, set(ids) - set(flattering)))

    for region in REGIONS:
        classify.predict_region(lab.store, region)
    judged = answers.Labelled.of(lab.store, lab.dataset)
    assert set(judged.ids) == set(ids) - set(flattering)  # type: ignore[union-attr]
    sample = sampled_synapses(lab.store, ["neuron_id"], 1_000, 0)
    assert set(sample.column("synapse_id").to_pylist()) == set(ids) - set(flattering)
    votes = classify.predict_neurons(lab.store, lab.dataset)
    assert votes.details["neurons_scored"] == 6
    assert networks.Labelled.of(lab.store).untested == tuple(sorted(flattering))


def test_classifiers_are_compared_on_the_same_labels(lab: Lab) -> None:
    """A round's random items are harder than all before, here wrong: a refit that knows them is no worse for it."""
    before = scores(lab)
    models = lab.store.models("synapse_classifier")
    in_use = str(models.current)
    compare = COMPARISONS["synapse_classifier"]
    everybody = targets(lab)
    others = {"gaba": "glutamate", "glutamate": "acetylcholine", "acetylcholine": "gaba"}
    wrong = {one: others[str(everybody[one])] for one in sorted(everybody)[::9]}
    say(lab, wrong, origin=BY_CHANCE)
    decide(lab)
    relabel(lab)
    after = scores(lab)
    candidate = str(models.candidate)
    assert after["balanced_accuracy"] < before["balanced_accuracy"] - 0.05, "on its own labels it is worse"
    compared = compare(lab.store, lab.dataset, "cpu", in_use, candidate)
    now = targets(lab)
    stored = [load_probe_evaluation(models.path(version)) for version in (in_use, candidate)]
    assert (compared.in_use, compared.candidate) == pytest.approx([accuracy_of(one, lab, set(now)) for one in stored])
    assert compared.reason.endswith("both on the same 72 labels")
    assert compare(lab.store, lab.dataset, "cpu", in_use, in_use).promote


def scores(lab: Lab) -> dict[str, float]:
    """Of the classifier of the labels now, which is fitted again where they are others."""
    version = str(classify.fit_classifier(lab.store, lab.dataset, LOG).details["version"])
    return dict(lab.store.models("synapse_classifier").provenance(version).scores)


def accuracy_of(stored: Evaluation, lab: Lab, scored: set[str]) -> float:
    """Balanced accuracy of the stored out-of-fold probabilities of some synapses, in a few lines of its own."""
    label = targets(lab)
    right: dict[str, list[bool]] = {}
    for one, row in zip(stored.synapse_ids.tolist(), stored.probabilities, strict=True):
        if one in scored:
            right.setdefault(str(label[one]), []).append(stored.classes[int(row.argmax())] == label[one])
    return float(np.mean([np.mean(of_class) for of_class in right.values()]))


def test_labels_of_the_sources_alone_are_fitted_as_ever(lab: Lab) -> None:
    """An entry for what does not test is there only where there is any: versions of labs that nobody labels stay what they were."""
    models = lab.store.models("synapse_classifier")
    assert set(models.provenance(str(models.current)).inputs) == {"encoder", "embeddings", "splits"}
    assert classify.untested_input([]) == {}
    assert classify.untested_input(["b", "a"]) == classify.untested_input(["a", "b"]) != {}


def test_the_curve_grows_with_what_each_round_added(lab: Lab) -> None:
    """The sources know two neurons of each class; a round names a third of each, another one that is no help."""
    ids = sorted(targets(lab))
    hide(lab, ids[36:])
    truth = dict(zip(ids, planted(), strict=True))
    say(lab, {one: truth[one] for one in ids[36:54]}, round="round_001")
    say(lab, {one: truth[one] for one in ids[54:60]}, round="more like this", origin=BY_CHANCE)
    decide(lab)
    relabel(lab)
    report = draw_label_curve(lab.store, lab.dataset, LOG)
    rows = lab.store.results(LABEL_CURVE).read().to_pylist()
    assert [(row["round"], row["number"], row["labels"]) for row in rows] == [
        ("before", 0, 36),
        ("round_001", 1, 54),
        ("more like this", 2, 60),
    ]
    assert {row["tested"] for row in rows} == {42}, "all on the same labels, those of the strategy apart"
    assert rows[0]["gain"] is None
    assert [row["gain"] for row in rows[1:]] == pytest.approx(np.diff([row["score"] for row in rows]))
    assert not any(row["stop"] for row in rows)
    assert lab.store.results(LABEL_CURVE).made_from() == answers_read(lab.store)
    assert "curve" in report.details
    assert report.content_version == draw_label_curve(lab.store, lab.dataset, LOG).content_version


def planted() -> list[str]:
    return planted_points()["nt"].tolist()


def hide(lab: Lab, ids: list[str]) -> None:
    """Takes the classes of some synapses out of the sources."""
    points = pd.read_csv(lab.points)
    points.loc[points["id"].isin(ids), "nt"] = None
    lab.write(points)
    lab.materialize("synapse_table")


def test_labelling_may_stop_after_three_rounds_without_gain() -> None:
    """Thirty-two neurons of two classes that two numbers tell apart: after the first, rounds can add nothing."""
    rng = np.random.default_rng(0)
    size = 128
    codes, neuron = np.arange(size) // 4 % 2, np.arange(size) // 4
    labelled = Labelled(
        [f"s{i:03d}" for i in range(size)],
        (codes[:, None] * 4 + rng.normal(size=(size, 2))).astype(np.float32),
        neuron.astype(str),
        neuron % 5,
        [("a", "b")[code] for code in codes],
        [("a", "b")[code] if i < 64 else None for i, code in enumerate(codes)],
        [None if i < 64 else f"round_{1 + (i - 64) // 13:03d}" for i in range(size)],
        np.arange(size) % 3 > 0,
    )
    rounds = [f"round_{number:03d}" for number in range(1, 6)]
    rows = curve_rows(labelled, rounds, DATASET)
    assert [row["stop"] for row in rows] == [False, False, False, True, True, True]
    assert "labelling may stop" in rows[-1]["sentence"]
    unfinished = curve_rows(labelled, rounds[:3], DATASET, unfinished="round_003")
    assert not unfinished[-1]["stop"], "people are still answering in the third"
    empty = curve_rows(labelled, [*rounds[:2], "round_006"], DATASET)
    assert not empty[-1]["stop"], "a round that added no label is no round without gain"
    batches = replace(labelled, round=[of and of.replace("round", "like") for of in labelled.round])
    others = curve_rows(batches, [name.replace("round", "like") for name in rounds], DATASET)
    assert [row["labels"] for row in others] == [row["labels"] for row in rows]
    assert not any(row["stop"] for row in others), "what was like another says nothing of what rounds are worth"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"target": ["a"] * 8}, "labels of at least two classes are needed"),
        ({"folds": np.zeros(8, dtype=np.int64)}, "nothing can be held out by neuron_id"),
        ({"tests": np.zeros(8, dtype=bool)}, "a strategy chose all labels, so none may test"),
    ],
)
def test_where_nothing_can_be_scored_the_curve_says_why(change: dict[str, object], why: str) -> None:
    target = ["a", "b"] * 4
    fields = {"target": target, "folds": np.arange(8) % 2, "tests": np.ones(8, dtype=bool), **change}
    labelled = Labelled(
        [f"s{i}" for i in range(8)],
        np.zeros((8, 2), dtype=np.float32),
        np.arange(8).astype(str),
        source=[None] * 8,
        round=["round_001"] * 8,
        **fields,  # type: ignore[arg-type]
    )
    rows = curve_rows(labelled, ["round_001"], DATASET)
    assert [(row["labels"], row["score"], row["stop"]) for row in rows] == [(0, None, False), (8, None, False)]
    assert why in rows[-1]["sentence"]


def test_a_class_that_a_round_did_not_know_yet_counts_as_wrong() -> None:
    labelled = Labelled(
        [f"s{i:02d}" for i in range(40)],
        np.repeat(np.arange(2), 20)[:, None].astype(np.float32),
        np.arange(40).astype(str),
        np.arange(40) % 4,
        ["a"] * 20 + ["b"] * 20,
        ["a"] * 20 + [None] * 20,
        [None] * 20 + ["round_001"] * 20,
        np.ones(40, dtype=bool),
    )
    before, after = curve_rows(labelled, ["round_001"], DATASET)
    assert (before["score"], after["score"]) == (0.5, 1.0)
    assert after["gain"] == pytest.approx(0.5)


def test_a_label_that_others_contradict_is_suspected(lab: Lab) -> None:
    ids = sorted(targets(lab))
    wrong = {one: "gaba" if truth != "gaba" else "glutamate" for one, truth in zip(ids[:2], planted(), strict=False)}
    say(lab, wrong, origin=BY_CHANCE)
    decide(lab)
    relabel(lab)
    version = str(classify.fit_classifier(lab.store, lab.dataset, LOG).details["version"])
    lab.store.models("synapse_classifier").promote(version)
    for region in REGIONS:
        classify.predict_region(lab.store, region)
    report = find_label_errors(lab.store)
    rows = lab.store.results(LABEL_ERRORS).read().to_pylist()
    assert {row["synapse_id"] for row in rows} >= set(wrong)
    assert {row["origin"] for row in rows if row["synapse_id"] in wrong} == {"people"}
    assert {row["origin"] for row in rows if row["synapse_id"] not in wrong} <= {"sources"}
    assert [row["rank"] for row in rows] == list(range(len(rows)))
    assert report.rows == len(rows)


def test_without_predictions_nothing_is_suspected(tmp_path: Path) -> None:
    report = find_label_errors(DatasetStore(str(tmp_path / "data"), "tiny"))
    assert (report.rows, report.details["result"]) == (
        0,
        "no labelled synapse has an out-of-fold prediction of the classifier in use",
    )


def test_no_release_names_people_or_has_what_they_noted(lab: Lab) -> None:
    released = set(released_tables(DATASET))
    assert {"label_decisions", "label_agreement", "label_curve", "label_errors", "strategy_benchmark"} <= released
    assert not released & {"annotations", "query_suggestions", "annotator_agreement", "tile_vae"}
    columns = {name for table in released for name in EM.tables.get(table, LABEL_CURVE).names}
    assert not columns & {"annotator", "first", "second", "note"}

    ids = sorted(targets(lab))
    for person in ("Zenobia", "Balthasar"):
        say(lab, dict.fromkeys(ids[:3], "gaba"), by=person, origin=BY_CHANCE)
    note = Answer("noted", "Zenobia", "round_001", ids[3], "gaba", note="Melchior said so", origin=BY_CHANCE)
    lab.store.annotation_log.append([note])
    decide(lab)
    draw_label_curve(lab.store, lab.dataset, LOG)
    find_label_errors(lab.store)
    assert lab.store.results(ANNOTATOR_AGREEMENT).read().num_rows, "here people are named"
    tables = [lab.store.results(EM.tables[name]) for name in sorted(released - {"synapses", "tiles", "embeddings"})]
    build_warehouse(lab.store, [lab.store.synapses, *tables], {"models": {}, "scores": {}})
    with duckdb.connect(lab.store.warehouse_address, read_only=True) as warehouse:
        names = {name for (name,) in warehouse.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert warehouse.execute("SELECT count(*) FROM label_decisions").fetchone() == (4,)
        text = str([warehouse.execute(f'SELECT * FROM "{name}"').fetchall() for name in names])  # noqa: S608
    assert not names & {"annotations", "query_suggestions", "annotator_agreement"}
    text += json.dumps(lab.store.release())
    assert "gaba" in text
    assert not [word for word in ("Zenobia", "Balthasar", "Melchior", "noted") if word in text]


def test_upkeep_keeps_what_people_were_asked_and_said(lab: Lab) -> None:
    ids = sorted(targets(lab))
    suggest_round(lab.store, lab.dataset, "round_001", "cpu", LOG)
    say(lab, {ids[0]: "gaba"})
    decide(lab)
    kept = [lab.store.results(table) for table in (QUERY_SUGGESTIONS, ANNOTATIONS, LABEL_DECISIONS)]
    before = [table.version for table in kept], lab.store.annotation_log.rows()
    maintain(lab.store, timedelta(0))
    assert ([table.version for table in kept], lab.store.annotation_log.rows()) == before
