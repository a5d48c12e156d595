"""Answers as CSV: what goes out comes in again, computes nothing in a spreadsheet, and stores nothing where a line is wrong."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from openpyxl import Workbook, load_workbook

from synapse_assets.datasets import Dataset, EmDataset, load_dataset
from synapse_assets.datasets.labelling import BoxLabellingChoice
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.labelling.spreadsheets import export_answers, import_answers
from synapse_assets.schema.labelling import ANNOTATIONS, BOX_SUGGESTIONS, SUGGESTED_SITES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotation_log import Answer
from synapse_assets_tests.conftest import tiny_dataset
from synapse_assets_tests.stores.samples import synapses

CLASSES = ["gaba", "glutamate", "=1+1"]
NOTES = [
    "=cmd|' /C calc'!A0",
    "'=1",
    "''=1",
    "'plain",
    "-",
    'two\nlines, "quoted"; and more',
    "\tx",
    " spaces ",
    "＝1",
    None,
]


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    """Twenty synapses, and answers of two people with everything that an answer can have."""
    store = DatasetStore(str(tmp_path / "data"), "tiny")
    store.synapses.replace_region("A", synapses("A", [f"s{number}" for number in range(20)]), [])
    answers = [
        Answer(
            f"a{number}", ("=SUM(A1)", "Åsa <b>")[number % 2], "round_001", f"s{number}", CLASSES[number % 3], note=note
        )
        for number, note in enumerate(NOTES)
    ]
    answers[3] = replace(answers[3], origin="random", tile_hash="h", guess="gaba", guess_seen=True, seconds=0.1 + 0.2)
    answers.append(Answer("u", "=SUM(A1)", "round_001", "s0", None, kind="undo", undoes="a0"))
    answers.append(Answer("d", "Åsa <b>", "round_001", "s0", "gone class", kind="adjudication"))
    store.annotation_log.append(answers)
    return store


@pytest.fixture
def dataset() -> EmDataset:
    return tiny_dataset(
        Path("/nowhere"), Path("/nowhere/points.csv"), labelling={"classes": CLASSES, "renamed": {"GABA": "gaba"}}
    )


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def answers_of(store: DatasetStore) -> list[dict[str, Any]]:
    return store.annotation_log.rows().drop_columns(["given_at"]).to_pylist()


def test_what_was_exported_and_comes_back_adds_nothing(store: DatasetStore, dataset: EmDataset, tmp_path: Path) -> None:
    before = store.annotation_log.rows()
    file = written(tmp_path / "answers.csv", export_answers(store))
    assert import_answers(store, dataset, file) == 0
    # What is about a synapse or class that is gone by now is no obstacle either.
    store.synapses.replace_region("A", synapses("A", ["s19"]), [f"s{number}" for number in range(19)])
    assert import_answers(store, dataset, file) == 0
    assert store.annotation_log.rows().equals(before)


def test_another_lab_gets_the_same_answers(store: DatasetStore, dataset: EmDataset, tmp_path: Path) -> None:
    other = DatasetStore(str(tmp_path / "other"), "tiny")
    other.synapses.replace_region("A", synapses("A", [f"s{number}" for number in range(20)]), [])
    with_gone = dataset.model_copy(
        update={"labelling": dataset.labelling.model_copy(update={"classes": [*CLASSES, "gone class"]})}
    )
    file = written(tmp_path / "answers.csv", export_answers(store))
    assert import_answers(other, with_gone, file) == 12
    assert answers_of(other) == answers_of(store)


def test_no_cell_computes_and_every_column_is_there(store: DatasetStore, tmp_path: Path) -> None:
    with written(tmp_path / "answers.csv", export_answers(store)).open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header == ANNOTATIONS.names
    assert len(rows) == 12
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "＝"))]
    given = {row[1]: row[2] for row in rows}
    assert given["a0"].endswith("+00:00")
    # Through a workbook, as a person who saves it there sends it.
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "answers.xlsx")
    kinds = {cell.data_type for row in load_workbook(tmp_path / "answers.xlsx").active for cell in row}
    assert "f" not in kinds


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_people_write_themselves(
    store: DatasetStore, dataset: EmDataset, tmp_path: Path, delimiter: str, encoding: str
) -> None:
    rows = [
        ("synapse_id", "answer", "seconds", "guess_seen", "note"),
        ("s1", "GABA", "1.5", "TRUE", "é"),
        ("s2", "not a synapse", "", "", '"two\r\nlines"'),
        (),
        ("s3", "skip", "", "0", ""),
    ]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    file = written(tmp_path / "own.csv", text, encoding)
    assert import_answers(store, dataset, file, "bea") == 3
    assert import_answers(store, dataset, file, "bea") == 0
    one, two, three = answers_of(store)[-3:]
    assert (one["annotator"], one["round"], one["kind"], one["origin"]) == ("bea", "imported", "answer", "strategy")
    assert (one["item"], one["answer"], one["seconds"], one["guess_seen"], one["note"]) == (
        "s1",
        "GABA",
        1.5,
        True,
        "é",
    )
    assert (two["answer"], two["seconds"], two["guess_seen"], two["note"]) == (
        "not a synapse",
        None,
        False,
        "two\nlines",
    )
    assert (three["answer"], three["guess_seen"]) == ("skip", False)
    # Of somebody else, or otherwise, the same rows are others.
    assert import_answers(store, dataset, file, "carl") == 3


def test_columns_say_who_when_and_why(store: DatasetStore, dataset: EmDataset, tmp_path: Path) -> None:
    text = "annotator,round,item,answer,origin\ncarl,old_001,s1,gaba,random\n,,s2,gaba,\ncarl,,s2,gaba,\n"
    assert import_answers(store, dataset, written(tmp_path / "own.csv", text), "bea") == 3
    rows = [(row["annotator"], row["round"], row["origin"]) for row in answers_of(store)[-3:]]
    assert rows == [("carl", "old_001", "random"), ("bea", "imported", "strategy"), ("carl", "imported", "strategy")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("item,answer\ns1,gaba\nnone,gaba\ns3,gaba\nnobody,gaba\n", r"line 3: there is no 'none' in this dataset; line 5: .*'nobody'"),
        ("item,answer\ns1,gaba\ns2,octopamine\n", r"line 3: 'octopamine' is none of the answers gaba, glutamate, =1\+1, GABA, not a"),
        ("item,answer\ns1,gaba\ns2,gaba\ns1,glutamate\n", "line 4: the same person and item as line 2"),
        ("item,answer,answer_id\ns1,gaba,x\ns2,gaba,x\n", "line 3: the same answer_id as line 2"),
        ('item,answer,note\ns1,gaba,"a\nb"\nnone,gaba,\n', "line 4: there is no 'none'"),
        ("item,answer\n" + "none,gaba\n" * 9, "line 6: .*; and 4 more. Correct or leave out these lines"),
        ("item,answer\ns1,\n", "line 2: it has no answer about 's1'"),
        ("item,answer\n,gaba\n", "line 2: it names no item"),
        ("item,answer,seconds\ns1,gaba,\"1,5\"\n", "line 2: seconds is '1,5': write a number, with a point"),
        ("item,answer,seconds\ns1,gaba,nan\n", "line 2: 'seconds' of answer .* is nan: give a finite number"),
        ("item,answer,guess_seen\ns1,gaba,ja\n", "line 2: guess_seen is 'ja': write true or false"),
        ("item,answer,origin\ns1,gaba,chance\n", "line 2: origin 'chance'"),
        ("item,answer,kind\ns1,gaba,guess\n", "line 2: kind 'guess'"),
        ("item,answer,answer_id\ns1,gaba,a 1\n", "line 2: answer_id 'a 1'"),
        ("item,answer,answer_id,round\ns1,gaba,a1,round_001\n", "a1 is stored already, with another"),
        ("item,answer,kind,undoes\ns1,,undo,a1\n", "takes back 'a1', which is no answer of 'bea'"),
        ("item,answer\ns1,gaba,x\n", "line 2: 3 cells, but the header has 2"),
        ("item,answer\n\"s1,gaba\n", "line 2: .*: save it as CSV again"),
        ("item;answr\ns1;gaba\n", r"unknown 'answr'; missing 'answer'\. It needs item .or synapse_id. and answer, and may have round"),
        ("item,synapse_id,answer\ns1,s1,gaba\n", "twice 'item'"),
        ("", "missing 'item', 'answer'"),
        ("s1,gaba\n", "unknown 's1', 'gaba'; missing"),
    ],
)  # fmt: skip
def test_nothing_is_stored_where_a_line_is_wrong(
    store: DatasetStore, dataset: EmDataset, tmp_path: Path, text: str, why: str
) -> None:
    before = store.annotation_log.count
    with pytest.raises(BadInput, match=why):
        import_answers(store, dataset, written(tmp_path / "own.csv", text), "bea")
    assert store.annotation_log.count == before


def test_files_that_are_none(store: DatasetStore, dataset: EmDataset, tmp_path: Path) -> None:
    text = "item,answer,note\ns1,gaba,é\n"
    for file, why in (
        (tmp_path / "none.csv", "none.csv cannot be read: No such file or directory; give the path"),
        (tmp_path, "Is a directory"),
        (written(tmp_path / "old.csv", text, "latin-1"), "is not in UTF-8: save it as CSV UTF-8"),
    ):
        with pytest.raises(BadInput, match=why):
            import_answers(store, dataset, file, "bea")
    assert import_answers(store, dataset, written(tmp_path / "empty.csv", "item,answer\n")) == 0
    with pytest.raises(
        BadInput, match="line 2: it does not say whose answer it is: add a column annotator, or give --annotator"
    ):
        import_answers(store, dataset, written(tmp_path / "own.csv", text))
    unlabelled = dataset.model_copy(update={"labelling": None})
    with pytest.raises(BadInput, match=r"nobody labels tiny: add 'labelling: \{\}' to its file"):
        import_answers(store, unlabelled, written(tmp_path / "own.csv", text), "bea")


@pytest.fixture
def boxes(tmp_path: Path) -> tuple[DatasetStore, Dataset]:
    """A detection dataset that asked about one box with one site."""
    dataset = load_dataset("sample_detection", str(tmp_path)).model_copy(update={"labelling": BoxLabellingChoice()})
    store = DatasetStore(str(tmp_path / "data"), dataset.name)
    asked = {"round": "round_001", "box": "em 0 0 0", "volume": "em"}
    texts = {"origin": "random", "strategy": "random", "model_version": "v1", "marked": None}
    box = dict.fromkeys(BOX_SUGGESTIONS.names, 0) | asked | texts
    site = asked | {"site": "d1", "target": "presynaptic", "x_nm": 1.0, "y_nm": 2.0, "z_nm": 3.0}
    for table, row in ((BOX_SUGGESTIONS, box), (SUGGESTED_SITES, site)):
        rows = pa.Table.from_pylist([{name: row.get(name) for name in table.names}], schema=table.arrow)
        store.results(table).write_partition("round_001", rows)
    return store, dataset


def test_answers_about_boxes_go_out_and_come_in(boxes: tuple[DatasetStore, Dataset], tmp_path: Path) -> None:
    store, dataset = boxes
    added = "em 0 0 0/presynaptic/x7"
    place = {"volume": "em", "x_nm": -1.25, "y_nm": 1e6 / 3, "z_nm": 0.0}
    store.annotation_log.append(
        [
            Answer("a1", "bea", "round_001", "d1", "move", **place),
            Answer("a2", "bea", "round_001", added, "add", **place),
            Answer("a3", "bea", "round_001", "em 0 0 0", "done", seconds=12.5),
        ]
    )
    file = written(tmp_path / "answers.csv", export_answers(store))
    assert import_answers(store, dataset, file) == 0
    kept = answers_of(store)
    store.annotation_log.path.unlink()
    assert import_answers(store, dataset, file) == 3
    assert answers_of(store) == kept
    for text, why in (
        ("item,answer\nd1,gaba\n", "'gaba' is none of the answers accept, reject, move, add, done"),
        ("item,answer\nd1,move\n", "'move' needs volume, x_nm, y_nm and z_nm"),
        ("item,answer\nd2,accept\n", "there is no 'd2'"),
        ("item,answer,x_nm\nd1,accept,1\n", "give volume, x_nm, y_nm and z_nm, or none of them"),
    ):
        with pytest.raises(BadInput, match=why):
            import_answers(store, dataset, written(tmp_path / "own.csv", text), "bea")
