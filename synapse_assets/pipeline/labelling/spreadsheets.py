"""Answers as CSV, out and in: what a lab backs up, counts for itself, or brings from another program.

The answers are stored by `stores.annotation_log`; how cells are written so that they compute nothing belongs to `stores.spreadsheets`.
"""

import csv
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

from synapse_assets.datasets import Dataset, EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.labelling.rounds import item_column
from synapse_assets.schema.labelling import (
    ACCEPT,
    ADD,
    ADJUDICATION,
    ANNOTATIONS,
    ANSWER,
    BOX_SUGGESTIONS,
    BY_STRATEGY,
    DONE,
    MOVE,
    NOT_A_SYNAPSE,
    REJECT,
    SKIP,
    SUGGESTED_SITES,
    UNDO,
    UNSURE,
)
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotation_log import Answer
from synapse_assets.stores.spreadsheets import csv_text, text_of_cell

IMPORTED = "imported"
"""The round of answers from a file that names none."""

_SYNAPSE_ID, _GIVEN_AT = "synapse_id", "given_at"
_COLUMNS = tuple(field.name for field in fields(Answer))
_NUMBERS = ("seconds", "x_nm", "y_nm", "z_nm")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_DELIMITERS = ",;\t"
_SHOWN = 5

Row = Mapping[str, str]


def export_answers(store: DatasetStore) -> str:
    """Every row of the log as CSV, with the columns of `ANNOTATIONS`, in the order in which they were given.

    A cell that a spreadsheet would compute begins with a quote, which `import_answers` takes away again.
    """
    rows = store.annotation_log.rows().to_pandas()
    return csv_text(rows.assign(given_at=[time.isoformat() for time in rows["given_at"]]))


def import_answers(store: DatasetStore, dataset: Dataset, file: Path, annotator: str | None = None) -> int:
    """Stores the answers in a CSV file and says how many of them are new; all, or none where anything is wrong with one.

    Columns are those of `ANNOTATIONS` (given_at is left aside: the log says when it stored a row); at least item, or synapse_id, and
    answer. annotator: whose answers they are where the file does not say. Without a round they are of the round 'imported', and without
    an origin they count as chosen by a strategy, which never tests. A row that is stored already, by its answer_id, or without one by
    all that it says, is no second row: so a file that was exported adds nothing.

    Raises BadInput that lists the first lines that are wrong: of synapses, boxes or classes that there are not, twice the same, without
    a name, or not to be read. The separator may be a comma, a semicolon or a tab.
    """
    lines = list(_lines(file))
    stored = set(store.annotation_log.rows().column("answer_id").to_pylist())
    rules = _rules(store, dataset)
    known = rules.known({item for _, row in lines if (item := row.get("item"))})
    problems: list[str] = []
    answers: dict[str, Answer] = {}
    first: dict[tuple[str, ...], int] = {}
    for line, row in lines:
        try:
            answer = _answer(row, annotator)
            if answer.answer_id not in stored:
                rules.check(answer, known)
        except BadInput as error:
            problems.append(f"line {line}: {error}")
            continue
        of_row = (answer.annotator, answer.round, answer.item, answer.kind)
        key = (answer.answer_id,) if "answer_id" in row else of_row
        if (same := first.setdefault(key, line)) != line:
            problems.append(
                f"line {line}: the same {'answer_id' if len(key) == 1 else 'person and item'} as line {same}"
            )
        answers[answer.answer_id] = answer
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise BadInput(
            f"{file} was not taken, nothing of it is stored: {'; '.join(problems[:_SHOWN])}{more}. Correct or leave out these lines"
        )
    return sum(store.annotation_log.append(list(answers.values())))


@dataclass(frozen=True)
class _Rules:
    """What answers of a dataset may say. answers: the words; placed: those with a position; known: which of these items there are."""

    answers: Sequence[str]
    placed: Collection[str]
    known: Callable[[Collection[str]], Collection[str]]

    def check(self, answer: Answer, known: Collection[str]) -> None:
        """Raises BadInput for an answer about nothing that there is, with a word that is none, or without its position."""
        if answer.item not in known:
            raise BadInput(f"there is no {answer.item!r:.80} in this dataset")
        if answer.kind != UNDO and answer.answer not in self.answers:
            raise BadInput(f"{answer.answer!r} is none of the answers {', '.join(self.answers)}")
        if answer.answer in self.placed and answer.x_nm is None:
            raise BadInput(f"{answer.answer!r} needs volume, x_nm, y_nm and z_nm")


def _rules(store: DatasetStore, dataset: Dataset) -> _Rules:
    choice = getattr(dataset, "labelling", None)
    if choice is None:
        raise BadInput(f"nobody labels {dataset.name}: add 'labelling: {{}}' to its file")
    if item_column(dataset) == "box":
        from synapse_assets.pipeline.detection.labelling.boxes import added_to

        boxes = set(store.results(BOX_SUGGESTIONS).read(columns=["box"]).column("box").to_pylist())
        sites = set(store.results(SUGGESTED_SITES).read(columns=["site"]).column("site").to_pylist())

        def known(items: Collection[str]) -> Collection[str]:
            return {item for item in items if item in boxes | sites or (added_to(item) or ("",))[0] in boxes}

        return _Rules((ACCEPT, REJECT, MOVE, ADD, DONE), (MOVE, ADD), known)
    from synapse_assets.pipeline.em.labelling.decisions import classes_now

    def synapses(items: Collection[str]) -> Collection[str]:
        return set(store.synapses.read_ids(sorted(items), [_SYNAPSE_ID]).column(_SYNAPSE_ID).to_pylist())

    words = (*classes_now(store, cast(EmDataset, dataset)), *choice.renamed, NOT_A_SYNAPSE, UNSURE, SKIP)
    return _Rules(words, (), synapses)


def _lines(file: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a file with the number of their first line; cells that are empty are left out."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            start = stream.readline()
            stream.seek(0)
            reader = csv.reader(stream, delimiter=max(_DELIMITERS, key=start.count), strict=True)
            header = _header(file, next(reader, []))
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) not in (0, len(header)):
                    raise BadInput(
                        f"{file}, line {line}: {len(cells)} cells, but the header has {len(header)}: give a cell for every column"
                    )
                if cells:
                    yield line, {name: text_of_cell(cell) for name, cell in zip(header, cells, strict=True) if cell}
                line = reader.line_num + 1
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}; give the path of a CSV file") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not in UTF-8: save it as CSV UTF-8") from error
    except csv.Error as error:
        raise BadInput(f"{file}, line {reader.line_num}: {error}: save it as CSV again") from error


def _header(file: Path, cells: Sequence[str]) -> list[str]:
    names = ["item" if cell.strip() == _SYNAPSE_ID else cell.strip() for cell in cells]
    unknown = [name for name in names if name not in ANNOTATIONS.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in ("item", "answer") if name not in names]
    problems = [
        f"{text} {', '.join(map(repr, found))}"
        for text, found in (("unknown", unknown), ("twice", twice), ("missing", missing))
        if found
    ]
    if problems:
        raise BadInput(
            f"{file}, columns: {'; '.join(problems)}. It needs item (or synapse_id) and answer, and may have "
            f"{', '.join(name for name in ANNOTATIONS.names if name not in ('item', 'answer'))}"
        )
    return names


def _answer(row: Row, annotator: str | None) -> Answer:
    """The answer of a row. Raises BadInput, without the line, for what is no answer."""
    if "item" not in row:
        raise BadInput("it names no item")
    if "annotator" not in row and annotator is None:
        raise BadInput("it does not say whose answer it is: add a column annotator, or give --annotator NAME")
    values: dict[str, str | float | bool | None] = {**dict.fromkeys(_COLUMNS), **row}
    values.pop(_GIVEN_AT, None)
    values["annotator"] = row.get("annotator", annotator)
    values["round"] = row.get("round", IMPORTED)
    values["kind"] = row.get("kind", ANSWER)
    values["origin"] = row.get("origin", BY_STRATEGY)
    if "note" in row:
        # Spreadsheets write ends of lines of their own.
        values["note"] = row["note"].replace("\r\n", "\n")
    if values["kind"] in (ANSWER, ADJUDICATION) and "answer" not in row:
        raise BadInput(f"it has no answer about {row['item']!r:.80}")
    seen = row.get("guess_seen", "false").lower()
    if seen not in _TRUTH:
        raise BadInput(f"guess_seen is {seen!r:.80}: write true or false")
    values["guess_seen"] = _TRUTH[seen]
    for name in _NUMBERS:
        if name in row:
            try:
                values[name] = float(row[name])
            except ValueError:
                raise BadInput(f"{name} is {row[name]!r:.80}: write a number, with a point") from None
    if "answer_id" not in row:
        said = "\x1f".join(f"{name}={values[name]}" for name in _COLUMNS)
        values["answer_id"] = hashlib.sha256(said.encode()).hexdigest()[:32]
    return Answer(**values)  # type: ignore[arg-type]
