"""Answers are kept for ever: through kills, several writers, re-sending, and whoever opens the file with another program."""

import itertools
import sqlite3
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.errors import BadInput, StorageError
from synapse_assets.schema.labelling import ANNOTATIONS
from synapse_assets.stores import DatasetStore, maintain
from synapse_assets.stores.annotation_log import LOG_FILE, AnnotationLog, Answer
from synapse_assets_tests.stores.answering import SERVER, answer, answer_at_once, losses, seconds_of_an_answer
from synapse_assets_tests.stores.test_full_disk import remount, small_disk  # noqa: F401

FULL = Answer(
    "a1",
    "Åsa <b>",
    "round-1",
    "s1",
    "gaba",
    "adjudication",
    None,
    "random",
    "hash",
    "glutamate",
    True,
    "v1",
    1.5,
    "vnc",
    1.0,
    -2.0,
    3.25,
    "dark\nand = large",
)


@pytest.fixture
def log(tmp_path: Path) -> AnnotationLog:
    return AnnotationLog(tmp_path / "lab" / LOG_FILE)


def undo(number: int, of: Answer, **changes: Any) -> Answer:
    return replace(
        Answer(f"u{number}", of.annotator, of.round, of.item, None, kind="undo", undoes=of.answer_id), **changes
    )


def test_what_was_given_is_read_as_it_was_given(log: AnnotationLog) -> None:
    assert {"given_at", *(field.name for field in fields(Answer))} == set(ANNOTATIONS.names)
    plain = Answer("a2", "Åsa <b>", "round-2", "s2", None, kind="undo", undoes="a3")
    others = [Answer("a3", "Åsa <b>", "round-2", "s2", "skip"), plain]
    assert log.append([FULL, *others]) == [True, True, True]
    rows = log.rows()
    assert rows.schema.equals(ANNOTATIONS.arrow)
    given = [Answer(**{name: value for name, value in row.items() if name != "given_at"}) for row in rows.to_pylist()]
    assert given == [FULL, *others]
    assert log.rows("round-2").column("answer_id").to_pylist() == ["a3", "a2"]
    assert log.rows("round-3").num_rows == 0
    assert log.rows(item="s2").column("answer_id").to_pylist() == ["a3", "a2"]
    assert log.rows(FULL.round, "s2").num_rows == 0
    assert log.count == 3


def test_an_absent_log_has_no_rows_and_is_not_made_by_reading(tmp_path: Path) -> None:
    log = DatasetStore(str(tmp_path), "a/b").annotation_log
    assert log.path == tmp_path / "a%2Fb" / LOG_FILE
    assert (log.rows().num_rows, log.rounds(), log.count) == (0, {}, 0)
    assert log.append([]) == []
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_sent_again_is_one_row(log: AnnotationLog) -> None:
    assert log.append([FULL]) == [True]
    assert log.append([FULL, answer("anna", 1), answer("anna", 1)]) == [False, True, False]
    with pytest.raises(BadInput, match=r"a1 is stored already, with another answer and note.*answer_id of its own"):
        log.append([answer("anna", 2), replace(FULL, answer="glutamate", note=None)])
    assert log.rows().column("answer_id").to_pylist() == ["a1", "anna-1"]


def test_an_undo_takes_back_a_standing_answer_of_the_same_person_and_round(log: AnnotationLog) -> None:
    first, second = answer("anna", 1), answer("anna", 2)
    assert log.append([first, undo(1, first), second]) == [True, True, True]
    assert log.append([undo(1, first)]) == [False]
    for wrong, why in (
        (undo(2, first), "taken back already"),
        (undo(2, undo(1, first)), "no answer of 'anna'"),
        (undo(2, second, undoes="never"), "no answer of 'anna'"),
        (undo(2, second, annotator="bea"), "no answer of 'bea' about 's2'"),
        (undo(2, second, round="round-2"), "in round 'round-2'"),
        (undo(2, second, item="s3"), "about 's3'"),
    ):
        with pytest.raises(BadInput, match=why):
            log.append([wrong])
    assert log.count == 3
    assert log.append([undo(2, second)]) == [True]


def test_the_version_of_a_round_changes_with_its_rows_and_no_others(log: AnnotationLog, tmp_path: Path) -> None:
    log.append([answer("anna", 1), Answer("b1", "anna", "round-2", "s1", "gaba")])
    before = log.rounds()
    assert set(before) == {"round-1", "round-2"}
    assert log.rounds() == before
    log.append([answer("anna", 1)])
    assert log.rounds() == before
    log.append([undo(1, answer("anna", 1))])
    after = log.rounds()
    assert after["round-2"] == before["round-2"]
    assert after["round-1"] != before["round-1"]
    other = AnnotationLog(tmp_path / "other.sqlite")
    other.append([answer("bea", 9), Answer("b1", "anna", "round-2", "s1", "glutamate")])
    assert not set(other.rounds().values()) & set(before.values())


def test_the_times_of_rows_rise_with_them(log: AnnotationLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append([answer("anna", number) for number in range(500)])
    monkeypatch.setattr("time.time_ns", lambda: 0)
    log.append([answer("bea", 1)])
    times = log.rows().column("given_at").to_pylist()
    assert all(early < late for early, late in itertools.pairwise(times))
    assert log.rows().column("annotator").to_pylist()[-1] == "bea"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE answers SET answer = 'glutamate'",
        "UPDATE OR REPLACE answers SET number = 9",
        "DELETE FROM answers",
        "DELETE FROM answers WHERE number = 1",
        "INSERT OR REPLACE INTO answers SELECT * FROM answers WHERE number = 1",
        "REPLACE INTO answers (number, given_at, answer_id, guess_seen) VALUES (1, 5, 'new', 0)",
        "REPLACE INTO answers (given_at, answer_id, guess_seen) VALUES (5, 'a1', 0)",
        "REPLACE INTO answers (given_at, answer_id, guess_seen) SELECT given_at, 'new', 0 FROM answers",
    ],
)
def test_the_database_itself_refuses_to_change_or_remove(log: AnnotationLog, statement: str) -> None:
    log.append([FULL])
    before = log.rows()
    with (
        closing(sqlite3.connect(log.path, isolation_level=None)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="answers are kept as they were given"),
    ):
        connection.execute(statement)
    assert log.rows().equals(before)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"answer_id": "a b"}, "answer_id 'a b': give 1 to 64"),
        ({"answer_id": "x" * 65}, "give 1 to 64"),
        ({"answer_id": ""}, "'answer_id'"),
        ({"annotator": " "}, "'annotator' of an answer is ' ': give 1 to 60"),
        ({"annotator": "x" * 61}, "'annotator'"),
        ({"annotator": "an\nna"}, "control characters"),
        ({"annotator": "an‮na"}, "printable"),
        ({"annotator": None}, "'annotator'"),
        ({"round": ""}, "'round'"),
        ({"round": "a...b"}, "no partition with"),
        ({"item": 7}, "'item'"),
        ({"item": "s\x00"}, "control characters"),
        ({"item": "\ud800"}, "control characters"),
        ({"answer": "x" * 201}, "'answer' of an answer"),
        ({"answer": None}, "an undo has"),
        ({"undoes": "a0"}, "an undo has"),
        ({"kind": "undo"}, "an undo has"),
        ({"kind": "remove"}, "kind 'remove'.*answer, undo, adjudication"),
        ({"origin": "chance"}, "origin 'chance'.*random"),
        ({"guess_seen": None}, "guess_seen"),
        ({"seconds": float("nan")}, "'seconds' of answer a1 is nan: give a finite number"),
        ({"seconds": True}, "'seconds'"),
        ({"seconds": -1}, "0 or more"),
        ({"x_nm": float("inf")}, "'x_nm'"),
        ({"y_nm": 10**400}, "'y_nm'"),
        ({"z_nm": None}, "give volume, x_nm, y_nm and z_nm, or none of them"),
        ({"volume": None}, "or none of them"),
        ({"note": "x" * 2001}, "'note' of an answer"),
        ({"note": "\x1b[2J"}, "control characters"),
    ],
)
def test_what_cannot_be_an_answer_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        replace(FULL, **changes)


def test_another_file_in_its_place_is_refused_and_left_alone(log: AnnotationLog) -> None:
    log.path.parent.mkdir()
    for content in (b"", b"synapse_id,answer\n" * 500):
        log.path.write_bytes(content)
        for use in (log.rows, log.rounds, lambda: log.append([FULL])):
            with pytest.raises(BadInput, match=r"is no log of answers.*from a copy"):
                use()
        assert log.path.read_bytes() == content
    log.path.unlink()
    log.append([FULL])
    with closing(sqlite3.connect(log.path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(BadInput, match=r"later version of this program .2; this one knows 1.: update"):
        log.append([answer("anna", 1)])


def test_a_log_that_another_program_holds_is_told(log: AnnotationLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append([FULL])
    monkeypatch.setattr("synapse_assets.stores.annotation_log._WAIT_S", 0.05)
    with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"database is locked.: close what else has it open and try again"):
            log.append([answer("anna", 1)])
        assert log.count == 1
    assert log.append([answer("anna", 1)]) == [True]


def test_a_disk_that_may_only_be_read_is_told(small_disk: Path) -> None:  # noqa: F811
    log = AnnotationLog(small_disk / LOG_FILE)
    log.append([FULL])
    remount(small_disk, "ro")
    with pytest.raises(OSError, match=r"cannot be written .read-only file system.*set SYNAPSE_DATA_ROOT"):
        log.append([answer("anna", 1)])
    remount(small_disk, "rw")
    assert log.append([FULL, answer("anna", 1)]) == [False, True]


def test_maintenance_leaves_the_answers_alone(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path / "data"), "sample")
    store.annotation_log.append([FULL])
    # What a killed process leaves beside it belongs to SQLite.
    with closing(sqlite3.connect(store.annotation_log.path)) as connection:
        connection.execute("SELECT count(*) FROM answers").fetchone()
        maintain(store)
        beside = sorted(path.name for path in store.annotation_log.path.parent.glob("annotations*"))
        assert beside == [LOG_FILE, f"{LOG_FILE}-shm", f"{LOG_FILE}-wal"]
    assert store.annotation_log.rows().num_rows == 1
    assert store.model_names() == []


@pytest.fixture
def three(log: AnnotationLog) -> Iterator[AnnotationLog]:
    """A log that three processes make at the same moment and answer into."""
    start = SERVER.Barrier(3)
    processes = [
        SERVER.Process(target=answer_at_once, args=(str(log.path), who, 40, start)) for who in ("anna", "bea", "carl")
    ]
    for process in processes:
        process.start()
    yield log
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def test_three_processes_answer_at_once_while_a_fourth_reads(three: AnnotationLog) -> None:
    seen = 0
    while seen < 120:
        rows = three.rows()
        assert rows.num_rows >= seen
        seen = rows.num_rows
    for who in ("anna", "bea", "carl"):
        own = [
            item
            for name, item in zip(*(rows.column(c).to_pylist() for c in ("annotator", "item")), strict=True)
            if name == who
        ]
        assert own == [f"s{number}" for number in range(40)]


def test_threads_of_a_server_share_one_log(log: AnnotationLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda number: log.append([answer("anna", number // 2)]), range(80)))
    assert sum(one for (one,) in new) == log.count == 40


def test_nothing_acknowledged_is_lost_and_nothing_sent_again_is_doubled_by_kills(log: AnnotationLog) -> None:
    acknowledged, lost, doubled = losses(log.path, kills=50, seed=1)
    assert acknowledged > 50
    assert (lost, doubled) == (0, 0)
    with closing(sqlite3.connect(log.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    left = sorted(path.name for path in log.path.parent.iterdir())
    assert [name for name in left if name.startswith("annotations")] == [LOG_FILE]


def test_an_answer_is_on_the_disk_within_fifty_milliseconds(log: AnnotationLog) -> None:
    # The first quartile, since others may use the disk. Alone: median 1.7 ms, worst 13 ms of 300.
    assert statistics.quantiles(seconds_of_an_answer(log.path, 60), n=4)[0] < 0.05
