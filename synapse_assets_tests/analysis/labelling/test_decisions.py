"""What is decided from answers: by a majority, by adjudication, or not at all."""

import random
from collections import Counter
from typing import Any

import pytest

from synapse_assets.analysis.labelling.decisions import Decided, decide, standing_answers
from synapse_assets.schema.labelling import LABEL_DECISIONS
from synapse_assets_tests.analysis.labelling.answers import CLASSES, given, known, undo

ADJUDICATED = {"kind": "adjudication"}
OTHER_TILE = {"tile_hash": "tile of before"}


def decided(*rows: Any, renamed: dict[str, str] | None = None) -> Decided:
    return decide(given(*rows), known(["s1", "s2", "s3"]), CLASSES, renamed or {})


def only(*rows: Any) -> tuple[Any, ...]:
    """Decision, class, answers and share about the one item that the rows are about."""
    (row,) = decided(*rows).table.to_pylist()
    return row["decision"], row["target"], row["answers"], round(row["share"], 3)


def test_answers_that_stand() -> None:
    rows = given(
        ("anna", "s1", "gaba"),
        ("anna", "s1", None, undo("a0")),
        ("anna", "s2", "gaba"),
        ("bea", "s2", "gaba"),
        ("anna", "s2", "glutamate"),
        ("anna", "s2", "acetylcholine", ADJUDICATED),
        ("bea", "s2", "skip"),
    )
    assert standing_answers(rows).column("answer_id").to_pylist() == ["a4", "a5", "a6"]
    assert standing_answers(rows.slice(0, 0)).num_rows == 0
    # Taking back the later one brings the earlier one back.
    again = given(("anna", "s1", "gaba"), ("anna", "s1", "glutamate"), ("anna", "s1", None, undo("a1")))
    assert standing_answers(again).column("answer_id").to_pylist() == ["a0"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["gaba"], ("class", "gaba", 1, 1)),
        (["gaba", "gaba", "glutamate"], ("class", "gaba", 3, 0.667)),
        (["gaba", "glutamate"], ("disagreement", None, 2, 0.5)),
        (["gaba", "gaba", "glutamate", "acetylcholine"], ("disagreement", None, 4, 0.5)),
        (["gaba", "glutamate", "acetylcholine"], ("disagreement", None, 3, 0.333)),
        (["gaba", "unsure"], ("disagreement", None, 2, 0.5)),
        (["unsure", "unsure", "gaba"], ("unsure", None, 3, 0.667)),
        (["not a synapse"], ("not a synapse", None, 1, 1)),
        (["gaba", "skip", "skip", "skip"], ("class", "gaba", 1, 1)),
    ],
)
def test_more_than_half_decides(answers: list[str], expected: tuple[Any, ...]) -> None:
    assert only(*((f"p{number}", "s1", answer) for number, answer in enumerate(answers))) == expected


def test_an_adjudication_decides() -> None:
    rows = [("anna", "s1", "gaba"), ("bea", "s1", "glutamate"), ("carl", "s1", "acetylcholine", ADJUDICATED)]
    assert only(*rows) == ("class", "acetylcholine", 2, 1)
    assert only(*rows, ("anna", "s1", "not a synapse", ADJUDICATED)) == ("not a synapse", None, 2, 1)
    assert only(*rows, ("carl", "s1", None, undo("a2"))) == ("disagreement", None, 2, 0.5)
    assert only(*rows[:2], ("carl", "s1", "gaba", ADJUDICATED | OTHER_TILE)) == ("disagreement", None, 2, 0.5)
    assert only(rows[2]) == ("class", "acetylcholine", 0, 1)


def test_an_answer_to_another_tile_does_not_count_and_is_told() -> None:
    found = decided(("anna", "s1", "gaba", OTHER_TILE), ("bea", "s2", "gaba", OTHER_TILE), ("carl", "s2", "glutamate"))
    assert [(row["decision"], row["target"], row["answers"]) for row in found.table.to_pylist()] == [
        ("outdated", None, 0),
        ("class", "glutamate", 1),
    ]
    assert found.outdated == 2
    assert found.remarks == [
        "2 answers to tiles that are others since: they do not count, and the synapses are shown again"
    ]
    # Shown again and answered, it counts; what came without a tile always does.
    assert only(("anna", "s1", "gaba", OTHER_TILE), ("anna", "s1", "glutamate")) == ("class", "glutamate", 1, 1)
    assert only(("anna", "s1", "gaba", {"tile_hash": None})) == ("class", "gaba", 1, 1)


def test_a_class_renamed_counts_by_its_new_name_and_one_that_is_gone_is_told_with_the_remedy() -> None:
    rows = [("anna", "s1", "GABA"), ("bea", "s1", "gaba"), ("anna", "s2", "octopamine"), ("anna", "s3", "tyramine")]
    found = decided(*rows, ("bea", "s2", "octopamine"), renamed={"GABA": "gaba"})
    assert [(row["synapse_id"], row["target"], row["answers"]) for row in found.table.to_pylist()] == [
        ("s1", "gaba", 2)
    ]
    assert found.unknown_classes == {"octopamine": 2, "tyramine": 1}
    (remark,) = found.remarks
    assert "do not count: 'octopamine' (2), 'tyramine' (1). Add each to `classes` of `labelling`, or" in remark
    # Pasted, the advice works.
    cured = decide(
        given(*rows), known(["s1", "s2", "s3"]), [*CLASSES, "tyramine"], {"GABA": "gaba", "octopamine": "gaba"}
    )
    assert cured.table.column("target").to_pylist() == ["gaba", "gaba", "tyramine"]
    assert cured.remarks == []


def test_only_what_was_first_shown_by_chance_tests() -> None:
    by_strategy, later = {"origin": "strategy"}, {"round": "round-2"}
    rows = [
        ("anna", "s1", "gaba", by_strategy),
        ("bea", "s1", "gaba", later),
        # Skipped, or taken back: it was shown because a strategy chose it all the same.
        ("anna", "s2", "skip", by_strategy),
        ("bea", "s2", "gaba", later),
        ("anna", "s3", "gaba"),
        ("bea", "s3", "gaba", by_strategy | later),
    ]
    assert decided(*rows).table.select(["synapse_id", "origin", "round"]).to_pylist() == [
        {"synapse_id": "s1", "origin": "strategy", "round": "round-1"},
        {"synapse_id": "s2", "origin": "strategy", "round": "round-2"},
        {"synapse_id": "s3", "origin": "random", "round": "round-1"},
    ]
    undone = [
        ("anna", "s1", "gaba", by_strategy),
        ("anna", "s1", None, by_strategy | undo("a0")),
        ("bea", "s1", "gaba"),
    ]
    assert decided(*undone).table.column("origin").to_pylist() == ["strategy"]


def test_synapses_that_are_gone_are_counted() -> None:
    found = decided(("anna", "gone", "gaba"), ("bea", "gone", "gaba"), ("anna", "skipped", "skip"))
    assert found.table.num_rows == 0
    assert found.unknown_items == 1
    assert found.remarks[0].startswith("1 synapse that people answered about")


def test_ordinary_extremes() -> None:
    nobody = decide(given(), known([]), [], {})
    assert nobody.table.equals(LABEL_DECISIONS.empty())
    assert nobody.remarks == []
    assert decided(("anna", "s1", "skip")).table.num_rows == 0
    one_class = decided(*(("anna", f"s{number}", "gaba") for number in (1, 2, 3)))
    assert one_class.table.column("target").to_pylist() == ["gaba"] * 3
    unsure = decided(*((who, "s1", "unsure") for who in ("anna", "bea")))
    assert unsure.table.column("decision").to_pylist() == ["unsure"]
    assert unsure.table.schema.equals(LABEL_DECISIONS.arrow)


def test_people_who_disagree_on_everything_decide_nothing() -> None:
    rows = [(who, f"s{n}", CLASSES[(n + shift) % 3]) for n in range(30) for shift, who in enumerate(("a", "b", "c"))]
    found = decide(given(*rows), known([f"s{n}" for n in range(30)]), CLASSES, {})
    assert Counter(found.table.column("decision").to_pylist()) == {"disagreement": 30}
    assert found.table.column("target").null_count == 30


def test_many_answers_beside_a_count_by_hand() -> None:
    draw = random.Random(3)
    rows = [
        (f"p{draw.randrange(5)}", f"s{draw.randrange(60)}", draw.choice([*CLASSES, "not a synapse", "unsure", "skip"]))
        for _ in range(400)
    ]
    found = {
        row["synapse_id"]: row
        for row in decide(given(*rows), known([f"s{n}" for n in range(60)]), CLASSES, {}).table.to_pylist()
    }
    for item in {item for _, item, _ in rows}:
        votes = Counter(answer for answer in {who: a for who, i, a in rows if i == item}.values() if answer != "skip")
        winners = [answer for answer, count in votes.items() if count > votes.total() / 2]
        wanted = winners[0] if winners else "disagreement"
        assert (found[item]["target"] or found[item]["decision"]) == wanted
        assert found[item]["answers"] == votes.total()
        assert found[item]["share"] == pytest.approx(max(votes.values()) / votes.total())
