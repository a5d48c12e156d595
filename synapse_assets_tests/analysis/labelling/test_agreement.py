"""How far people agree, beside scikit-learn's kappa and one of a few lines."""

import random
import warnings
from itertools import combinations
from typing import Any

import pyarrow as pa
import pytest
from sklearn.metrics import cohen_kappa_score

from synapse_assets.analysis.labelling.agreement import agreement
from synapse_assets.analysis.labelling.decisions import decide
from synapse_assets.schema.labelling import ANNOTATOR_AGREEMENT, LABEL_AGREEMENT
from synapse_assets_tests.analysis.labelling.answers import CLASSES, given, known, undo


def kappa(first: list[Any], second: list[Any]) -> float:
    """Cohen's kappa, from its definition."""
    n = len(first)
    observed = sum(one == other for one, other in zip(first, second, strict=True)) / n
    by_chance = sum(first.count(name) * second.count(name) for name in {*first, *second}) / n**2
    return (observed - by_chance) / (1 - by_chance)


def people_who_err(rates: dict[str, float], items: int, seed: int, answers: float = 1.0) -> dict[str, dict[str, str]]:
    """Answers by person and item: each errs at their own rate, and answers that share of the items."""
    draw = random.Random(seed)
    truth = {f"s{number}": draw.choice(CLASSES) for number in range(items)}
    return {
        who: {
            item: draw.choice([*CLASSES, "unsure"]) if draw.random() < rate else answer
            for item, answer in truth.items()
            if draw.random() < answers
        }
        for who, rate in rates.items()
    }


def table(people: dict[str, dict[str, str]]) -> pa.Table:
    return given(*((who, item, answer) for who, answers in people.items() for item, answer in answers.items()))


def by_class(found: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["class"]: row for row in found.to_pylist()}


@pytest.mark.parametrize("seed", range(4))
def test_kappa_is_that_of_others(seed: int) -> None:
    people = people_who_err({"anna": 0.1, "bea": 0.3, "carl": 0.6}, 90, seed, answers=0.7)
    all_people, pairs = agreement(table(people), CLASSES, {}, seed=0)
    assert all_people.schema.equals(LABEL_AGREEMENT.arrow)
    assert pairs.schema.equals(ANNOTATOR_AGREEMENT.arrow)
    of_pairs = {(row["first"], row["second"], row["class"]): row for row in pairs.to_pylist()}
    for name in ("all", *CLASSES, "unsure"):
        weighted, weights = 0.0, 0
        for first, second in combinations(sorted(people), 2):
            items = sorted(people[first].keys() & people[second].keys())
            one, other = ([people[who][i] for i in items] for who in (first, second))
            about = [a == name or b == name or name == "all" for a, b in zip(one, other, strict=True)]
            if name != "all":
                one, other = ([answer == name for answer in answers] for answers in (one, other))
            row = of_pairs[first, second, name]
            assert row["kappa"] == pytest.approx(kappa(one, other)) == pytest.approx(cohen_kappa_score(one, other))
            assert row["items"] == sum(about)
            agreed = sum(a == b for a, b, counted in zip(one, other, about, strict=True) if counted)
            assert row["observed"] == pytest.approx(agreed / sum(about))
            assert (row["low"] is None) == (sum(about) < 8)
            assert row["low"] is None or row["low"] <= row["kappa"] <= row["high"]
            weighted, weights = weighted + row["kappa"] * len(items), weights + len(items)
        assert by_class(all_people)[name]["kappa"] == pytest.approx(weighted / weights)
    assert "not a synapse" not in by_class(all_people)
    several = {item for a, b in combinations(people, 2) for item in people[a].keys() & people[b].keys()}
    assert by_class(all_people)["all"]["items"] == len(several)
    assert "3 people agree on" in by_class(all_people)["all"]["sentence"]


def test_the_interval_holds_the_kappa_of_many_items_in_nineteen_of_twenty_samples() -> None:
    rates = {"anna": 0.2, "bea": 0.4}
    truth = kappa(*(list(answers.values()) for answers in people_who_err(rates, 20_000, 99).values()))
    inside = 0
    for seed in range(60):
        row = agreement(table(people_who_err(rates, 60, seed)), CLASSES, {}, seed)[0].to_pylist()[0]
        inside += row["low"] <= truth <= row["high"]
    assert inside >= 51


def test_equal_seeds_give_equal_intervals() -> None:
    answers = table(people_who_err({"anna": 0.2, "bea": 0.3}, 40, 1))
    assert agreement(answers, CLASSES, {}, 5)[1].equals(agreement(answers, CLASSES, {}, 5)[1])
    assert not agreement(answers, CLASSES, {}, 5)[1].equals(agreement(answers, CLASSES, {}, 6)[1])


@pytest.mark.parametrize(("items", "has_interval"), [(7, False), (8, True)])
def test_there_is_no_interval_below_eight_items(items: int, has_interval: bool) -> None:
    row = agreement(table(people_who_err({"anna": 0.0, "bea": 0.5}, items, 2)), CLASSES, {}, 0)[0].to_pylist()[0]
    assert row["items"] == items
    assert (row["low"] is not None, row["high"] is not None) == (has_interval, has_interval)


def test_kappa_of_one_class_is_not_defined_and_is_told() -> None:
    people = {who: {f"s{n}": "gaba" for n in range(20)} for who in ("anna", "bea")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = by_class(agreement(table(people), CLASSES, {}, 0)[0])
    assert set(rows) == {"all", "gaba"}
    assert [rows["all"][name] for name in ("observed", "kappa", "low", "high")] == [1.0, None, None, None]
    assert rows["all"]["sentence"] == "kappa is not defined for 20 items: all answers are the same."


def test_people_who_disagree_on_everything_agree_less_than_by_chance() -> None:
    people = {who: {f"s{n}": CLASSES[(n + shift) % 3] for n in range(30)} for shift, who in enumerate(("anna", "bea"))}
    rows = by_class(agreement(table(people), CLASSES, {}, 0)[0])
    assert rows["all"]["observed"] == 0
    assert rows["all"]["kappa"] == pytest.approx(-0.5)
    assert all(row["kappa"] < 0 and "no more than by chance" in row["sentence"] for row in rows.values())
    decided = decide(table(people), known([f"s{n}" for n in range(30)]), CLASSES, {}).table
    assert set(decided.column("decision").to_pylist()) == {"disagreement"}


def test_what_nobody_else_answered_says_nothing() -> None:
    rows = [
        ("anna", "s1", "gaba"),
        ("bea", "s2", "gaba"),
        ("anna", "s3", "gaba"),
        ("bea", "s3", "skip"),
        ("bea", "s1", "gaba"),
    ]
    rows += [
        ("bea", "s1", None, undo("a4")),
        ("carl", "s1", "glutamate", {"kind": "adjudication"}),
        ("bea", "s3", "octopamine"),
    ]
    for answers in (given(), given(*rows)):
        all_people, pairs = agreement(answers, CLASSES, {}, 0)
        assert pairs.num_rows == 0
        (row,) = all_people.to_pylist()
        assert (row["class"], row["items"], row["observed"], row["kappa"]) == ("all", 0, None, None)
        assert "give `twice_share` above 0" in row["sentence"]
    renamed = agreement(given(*rows), CLASSES, {"octopamine": "gaba"}, 0)[0]
    assert by_class(renamed)["all"]["items"] == 1
    assert by_class(renamed)["gaba"]["sentence"] == "kappa is not defined for 1 item: all answers are the same."
