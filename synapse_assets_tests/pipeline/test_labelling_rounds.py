"""How far people have got in a round, when another is due, and the answers of a round as a table."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.pipeline.labelling.annotations import log_version, read_round
from synapse_assets.pipeline.labelling.rounds import (
    answers_read,
    is_asked_twice,
    is_done,
    last_round,
    next_round,
    progress,
    round_name,
    round_number,
)
from synapse_assets.schema.labelling import ADJUDICATION, ANNOTATIONS, LABEL_CURVE, QUERY_SUGGESTIONS, SKIP, UNDO
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotation_log import Answer
from synapse_assets.stores.models import Provenance
from synapse_assets_tests.conftest import tiny_dataset
from synapse_assets_tests.stores.samples import tiles

ITEMS = tuple(f"s{i}" for i in range(6))


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    """The tiny dataset with an encoder in use and the first round chosen."""
    store = DatasetStore(str(tmp_path / "data"), "tiny")
    provenance = Provenance("encoder", "v1", {}, {}, 0, {}, "")
    store.models("encoder").save("v1", lambda folder: folder.mkdir(exist_ok=True, parents=True), provenance)
    store.models("encoder").promote("v1")
    store.tiles.replace_region("EB", tiles("EB", ITEMS), [])
    return store


def dataset(**labelling: object) -> EmDataset:
    return tiny_dataset(Path("/nowhere"), Path("/nowhere/points.csv"), labelling={"twice_share": 0, **labelling})


def ask(store: DatasetStore, round: str, items: Sequence[str] = ITEMS) -> None:
    rows = [
        {
            **dict.fromkeys(QUERY_SUGGESTIONS.names),
            "round": round,
            "rank": rank,
            "synapse_id": item,
            "brain_region": "EB",
            "volume": "em",
            "x_nm": 0.0,
            "y_nm": 0.0,
            "z_nm": 0.0,
            "tile_hash": "t",
            "origin": "random",
            "strategy": "random",
        }
        for rank, item in enumerate(items)
    ]
    table = pa.Table.from_pylist(rows, schema=QUERY_SUGGESTIONS.arrow)
    store.results(QUERY_SUGGESTIONS).write_partition(round, table)


def say(store: DatasetStore, item: str, answer: str, by: str = "ada", round: str = "round_001", **other: str) -> str:
    answer_id = uuid4().hex
    store.annotation_log.append([Answer(answer_id, by, round, item, answer, **other)])
    return answer_id


def curve(store: DatasetStore, *stops: bool) -> None:
    """What `label_curve` says of the rounds so far, made from the answers that `annotations` has now."""
    for round in store.annotation_log.rounds():
        read_round(store, round)
    rows = [
        {
            **dict.fromkeys(LABEL_CURVE.names),
            "round": round_name(number),
            "number": number,
            "labels": 1,
            "tested": 1,
            "measure": "balanced accuracy",
            "split": "neuron_id",
            "stop": stop,
            "sentence": "x",
        }
        for number, stop in enumerate(stops, start=1)
    ]
    store.results(LABEL_CURVE).write(pa.Table.from_pylist(rows, schema=LABEL_CURVE.arrow), answers_read(store))


def test_names_of_rounds() -> None:
    assert [round_name(n) for n in (1, 42, 1234)] == ["round_001", "round_042", "round_1234"]
    assert [round_number(round_name(n)) for n in (1, 42, 1234)] == [1, 42, 1234]
    assert [round_number(name) for name in ("errors", "round_1", "round_001b", "")] == [None] * 4


def test_what_is_open_for_whom(store: DatasetStore) -> None:
    ask(store, "round_001", ITEMS[::-1])
    assert progress(store, dataset(), "round_001").open_for("ada") == ITEMS[::-1]
    first = say(store, "s5", "gaba")
    say(store, "s4", SKIP)
    say(store, "s3", "unsure", by="bob")
    now = progress(store, dataset(), "round_001")
    assert now.open_for("ada") == ("s2", "s1", "s0"), "answered, skipped by her, and answered by another"
    assert now.open_for("bob") == ("s4", "s2", "s1", "s0"), "what one person skips is asked of another"
    assert (now.answered, now.people, now.done) == (2, {"ada", "bob"}, False)
    store.annotation_log.append([Answer("back", "ada", "round_001", "s5", None, kind=UNDO, undoes=first)])
    assert "s5" in progress(store, dataset(), "round_001").open_for("ada")


def test_the_last_answer_of_a_person_stands(store: DatasetStore) -> None:
    ask(store, "round_001")
    say(store, "s0", "gaba")
    say(store, "s0", SKIP)
    item = progress(store, dataset(), "round_001").items[0]
    assert (item.answered_by, item.skipped_by) == (set(), {"ada"})


def test_one_person_alone_finishes_a_round_and_two_are_waited_for_where_two_are_asked(store: DatasetStore) -> None:
    ask(store, "round_001")
    alone, both = dataset(twice_share=1), dataset(people=2)
    for item in ITEMS[1:]:
        say(store, item, "gaba")
    assert not progress(store, alone, "round_001").done
    say(store, "s0", SKIP)
    assert progress(store, alone, "round_001").done, "nobody else takes part"
    assert not progress(store, both, "round_001").done
    assert progress(store, alone, "round_001").open_for("bob") == ITEMS, "a second answer is welcome still"
    say(store, "s1", "gaba", by="bob")
    assert not progress(store, alone, "round_001").done, "and once bob takes part, he is waited for"
    for item in (ITEMS[0], *ITEMS[2:]):
        say(store, item, "gaba", by="bob")
    assert progress(store, alone, "round_001").done
    assert progress(store, both, "round_001").done


def test_an_adjudicated_item_is_answered(store: DatasetStore) -> None:
    ask(store, "round_001", ["s0"])
    say(store, "s0", "gaba", kind=ADJUDICATION)
    assert progress(store, dataset(people=3), "round_001").done


def test_who_is_asked_twice_is_the_same_for_everybody() -> None:
    tiny = dataset()
    twice = [is_asked_twice(tiny, "round_001", f"s{i}", 0.1) for i in range(5_000)]
    assert sum(twice) == pytest.approx(500, abs=4 * (5_000 * 0.1 * 0.9) ** 0.5)
    assert twice == [is_asked_twice(tiny, "round_001", f"s{i}", 0.1) for i in range(5_000)]
    assert twice != [is_asked_twice(tiny, "round_002", f"s{i}", 0.1) for i in range(5_000)]
    assert not any(is_asked_twice(tiny, "round_001", f"s{i}", 0.0) for i in range(50))
    assert all(is_asked_twice(tiny, "round_001", f"s{i}", 1.0) for i in range(50))


def test_the_first_round_waits_for_the_encoder_only(store: DatasetStore, tmp_path: Path) -> None:
    assert next_round(store, dataset()) == "round_001"
    assert last_round(store, dataset()) is None
    assert next_round(DatasetStore(str(tmp_path / "other"), "tiny"), dataset()) is None
    assert next_round(store, tiny_dataset(Path("/nowhere"), Path("/nowhere/points.csv"))) is None


def test_another_round_is_due_when_the_last_is_done_and_its_answers_are_known(store: DatasetStore) -> None:
    ask(store, "round_001")
    for item in ITEMS[:-1]:
        say(store, item, "gaba")
    curve(store, False)
    assert next_round(store, dataset()) is None, "one item is open"
    say(store, ITEMS[-1], "gaba")
    assert next_round(store, dataset()) is None, "the curve does not know the last answer"
    curve(store, False)
    assert next_round(store, dataset()) == "round_002"
    curve(store, True)
    assert next_round(store, dataset()) is None, "labelling may stop"


def test_a_round_that_found_nothing_to_ask_is_the_last(store: DatasetStore) -> None:
    ask(store, "round_001", [])
    assert not progress(store, dataset(), "round_001").done
    assert next_round(store, dataset()) is None


def test_a_synapse_without_a_tile_holds_no_round_up(store: DatasetStore) -> None:
    """The sources take synapses away while a round is being answered: nobody is shown them, so nobody can answer or skip them."""
    ask(store, "round_001")
    for item in ITEMS[:-2]:
        say(store, item, "gaba")
    store.tiles.replace_region("EB", tiles("EB", []), [ITEMS[-1]])
    assert not is_done(store, dataset(), "round_001"), "one of the two that are left can be answered"
    say(store, ITEMS[-2], SKIP)
    curve(store, False)
    assert is_done(store, dataset(), "round_001")
    assert progress(store, dataset(), "round_001").unsettled == ITEMS[-1:]
    assert next_round(store, dataset()) == "round_002"


def test_a_round_all_of_whose_tiles_are_gone_is_followed_by_another(store: DatasetStore) -> None:
    ask(store, "round_001")
    read_round(store, "round_001")
    curve(store)
    assert next_round(store, dataset()) is None
    store.tiles.replace_region("EB", tiles("EB", []), list(ITEMS))
    assert next_round(store, dataset()) == "round_002"


def test_other_batches_are_no_rounds(store: DatasetStore) -> None:
    ask(store, "round_002")
    ask(store, "errors")
    assert last_round(store, dataset()) == "round_002"


def test_answers_become_a_table_as_they_were_given(store: DatasetStore) -> None:
    first = say(store, "s0", "gaba", note="dark")
    store.annotation_log.append([Answer("back", "ada", "round_001", "s0", None, kind=UNDO, undoes=first)])
    say(store, "s1", "gaba", round="errors")
    report = read_round(store, "round_001")
    rows = store.results(ANNOTATIONS).read("round_001").to_pylist()
    assert [(row["kind"], row["answer"], row["note"]) for row in rows] == [
        ("answer", "gaba", "dark"),
        ("undo", None, None),
    ]
    assert report.rows == 2
    assert answers_read(store) == {"round_001": log_version(store, "round_001")}
    assert read_round(store, "round_001").content_version == report.content_version
    say(store, "s2", "gaba")
    assert read_round(store, "round_001").content_version != report.content_version
    assert read_round(store, "round_009").rows == 0
