"""What people answered, row by row as it was given, in one SQLite file that is only ever added to.

An answer is on the disk when `append` returns, and is never changed or removed after: taking one back is a row too. What follows from
the answers belongs to `analysis.labelling`, who may answer to `stores.annotators`.
"""

import errno
import hashlib
import os
import re
import sqlite3
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa

from synapse_assets.errors import BadInput, StorageError
from synapse_assets.schema.labelling import (
    ADJUDICATION,
    ANNOTATIONS,
    ANSWER,
    BY_CHANCE,
    BY_ERROR,
    BY_LIKENESS,
    BY_STRATEGY,
    UNDO,
)
from synapse_assets.stores.files import Files, storage_explained, sync

LOG_FILE = "annotations.sqlite"
ORIGINS = (BY_STRATEGY, BY_CHANCE, BY_ERROR, BY_LIKENESS)
MOST_NAME = 60
"""Characters of a person's name."""
MOST_NOTE = 2_000
"""Characters of a note."""

_KINDS = (ANSWER, UNDO, ADJUDICATION)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LENGTHS = {"annotator": MOST_NAME, "round": 100, "item": 500, "note": MOST_NOTE}
_LENGTH = 200
_APPLICATION = 0x53594E41  # marks the file as such a log
_VERSION = 1
_WAIT_S = 30.0
_ROWS = 50_000
_MOST_NUMBER = 1e15
_REFUSED = "SELECT RAISE(ABORT, 'answers are kept as they were given: an undo is a row of its own')"


class BadAnswer(BadInput):
    """An answer that cannot be stored as it is, however often it is sent; not one that the log fails to store.

    What to do: correct the answer, or the line of the CSV file, that the message names. Nothing of it was stored.
    """


@dataclass(frozen=True)
class Answer:
    """One answer, undo or adjudication of a person, with the columns of `ANNOTATIONS` but for `given_at`, which the log sets.

    answer_id is made by who sends it (1 to 64 of A-Z, a-z, 0-9, - and _) and is the same when it is sent again. Of an undo, `undoes`
    names what is taken back and `answer` is None. Positions are given for sites that were moved or added, in nanometres, with their
    volume. Raises BadAnswer for what cannot be stored.
    """

    answer_id: str
    annotator: str
    round: str
    item: str
    answer: str | None
    kind: str = ANSWER
    undoes: str | None = None
    origin: str = BY_STRATEGY
    tile_hash: str | None = None
    guess: str | None = None
    guess_seen: bool = False
    model_version: str | None = None
    seconds: float | None = None
    volume: str | None = None
    x_nm: float | None = None
    y_nm: float | None = None
    z_nm: float | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        self._check_texts()
        if not _ID.fullmatch(self.answer_id):
            raise BadAnswer(f"answer_id {self.answer_id[:80]!r}: give 1 to 64 of A-Z, a-z, 0-9, - and _")
        if self.kind not in _KINDS:
            raise BadAnswer(f"kind {self.kind!r} of answer {self.answer_id}: give one of {', '.join(_KINDS)}")
        if self.origin not in ORIGINS:
            raise BadAnswer(f"origin {self.origin!r} of answer {self.answer_id}: give one of {', '.join(ORIGINS)}")
        if (self.kind == UNDO) != (self.answer is None) or (self.kind == UNDO) != (self.undoes is not None):
            raise BadAnswer(f"answer {self.answer_id}: an undo has 'undoes' and no 'answer', all others the reverse")
        if not isinstance(self.guess_seen, bool):
            raise BadAnswer(f"guess_seen of answer {self.answer_id} is {self.guess_seen!r}: give true or false")
        if "..." in self.round:
            raise BadAnswer(
                f"round {self.round!r} of answer {self.answer_id}: Dagster has no partition with ... in its name"
            )
        self._check_numbers()

    def _check_texts(self) -> None:
        required = ("answer_id", "annotator", "round", "kind", "item", "origin")
        for name in (*required, "answer", "undoes", "tile_hash", "guess", "model_version", "volume", "note"):
            value = getattr(self, name)
            if value is None and name not in required:
                continue
            most = _LENGTHS.get(name, _LENGTH)
            if not isinstance(value, str) or not value.strip() or len(value) > most:
                raise BadAnswer(f"'{name}' of an answer is {value!r:.80}: give 1 to {most} characters")
            allowed = "\n\t" if name == "note" else ""
            if any(unicodedata.category(one) in ("Cc", "Cs") and one not in allowed for one in value):
                raise BadAnswer(f"'{name}' of an answer is {value!r:.80}: leave out control characters")
        if not self.annotator.isprintable():
            raise BadAnswer(f"'annotator' of an answer is {self.annotator!r}: give printable characters")

    def _check_numbers(self) -> None:
        position = (self.x_nm, self.y_nm, self.z_nm)
        for name in ("seconds", "x_nm", "y_nm", "z_nm"):
            if (value := getattr(self, name)) is None:
                continue
            if type(value) not in (int, float) or not abs(value) < _MOST_NUMBER:
                raise BadAnswer(f"'{name}' of answer {self.answer_id} is {value!r:.80}: give a finite number, or none")
            object.__setattr__(self, name, float(value))
        if self.seconds is not None and self.seconds < 0:
            raise BadAnswer(f"answer {self.answer_id} took {self.seconds} seconds: give 0 or more, or none")
        if len({value is None for value in (*position, self.volume)}) > 1:
            raise BadAnswer(f"answer {self.answer_id}: give volume, x_nm, y_nm and z_nm, or none of them")


_COLUMNS = tuple(field.name for field in fields(Answer))
_TYPES = {"guess_seen": "INTEGER NOT NULL", **dict.fromkeys(("seconds", "x_nm", "y_nm", "z_nm"), "REAL")}
_TABLE = f"""
PRAGMA journal_mode = WAL;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
CREATE TABLE answers (
    number INTEGER PRIMARY KEY,
    given_at INTEGER NOT NULL UNIQUE,
    {", ".join(f'"{name}" {_TYPES.get(name, "TEXT")}' for name in _COLUMNS)},
    UNIQUE (answer_id)
) STRICT;
CREATE INDEX answers_by_round ON answers ("round");
CREATE INDEX answers_by_undone ON answers ("undoes") WHERE "undoes" IS NOT NULL;
CREATE TRIGGER never_changed BEFORE UPDATE ON answers BEGIN {_REFUSED}; END;
CREATE TRIGGER never_removed BEFORE DELETE ON answers BEGIN {_REFUSED}; END;
CREATE TRIGGER never_replaced BEFORE INSERT ON answers
    WHEN EXISTS (SELECT 1 FROM answers WHERE answer_id = NEW.answer_id OR number = NEW.number OR given_at = NEW.given_at)
    BEGIN {_REFUSED}; END;
"""  # noqa: S608


@dataclass(frozen=True)
class AnnotationLog:
    """The answers of one dataset in the SQLite file `path`, made on the first `append`. Touches nothing by itself.

    The file is opened for every call, so one log serves any number of threads and processes of a machine; it has to lie on a disk
    of that machine. Every method raises BadInput where the file is another one, and StorageError for a disk that fails.
    """

    path: Path

    def append(self, answers: Sequence[Answer]) -> list[bool]:
        """Stores answers in their order, all or none, on the disk when it returns; says which of them are new.

        One that is stored already, by its answer_id, is no second row. Raises BadAnswer where it then said something else, and
        for an undo of anything but a standing answer of the same person, round and item.
        """
        if not answers:
            return []
        if not self.path.exists():
            self._make()
        with self._opened() as connection:
            # Waits for other writers here: one that had read before it asks to write would fail at once.
            connection.execute("BEGIN IMMEDIATE")
            new = [self._add(connection, answer) for answer in answers]
            connection.execute("COMMIT")
            return new

    def rows(self, round: str | None = None, item: str | None = None) -> pa.Table:
        """The rows of a round, or of all, and of one item, or of all, as `ANNOTATIONS` in the order in which they were given."""
        if not self.path.exists():
            return ANNOTATIONS.empty()
        names = ", ".join(f'"{name}"' for name in ANNOTATIONS.names)
        asked = {name: value for name, value in (("round", round), ("item", item)) if value is not None}
        where = " AND ".join(f'"{name}" = ?' for name in asked) or "TRUE"
        batches = [ANNOTATIONS.empty()]
        with self._opened() as connection:
            cursor = connection.execute(
                f"SELECT {names} FROM answers WHERE {where} ORDER BY number",  # noqa: S608
                tuple(asked.values()),
            )
            while rows := cursor.fetchmany(_ROWS):
                columns = dict(zip(ANNOTATIONS.names, zip(*rows, strict=True), strict=True))
                columns["guess_seen"] = tuple(map(bool, columns["guess_seen"]))
                # a column of nothing has no type of its own, which casts to any
                batches.append(ANNOTATIONS.conform(pa.table({name: pa.array(v) for name, v in columns.items()})))
        return pa.concat_tables(batches)

    def rounds(self) -> dict[str, str]:
        """The content version of every round with answers, which any new row of it changes. Cheap: no row is read."""
        if not self.path.exists():
            return {}
        with self._opened() as connection:
            last = connection.execute(
                'SELECT "round", rows, last, given_at FROM (SELECT "round", count(*) AS rows, max(number) AS last FROM answers '
                'GROUP BY "round") JOIN answers USING ("round") WHERE number = last'
            ).fetchall()
        return {name: hashlib.sha256(repr(facts).encode()).hexdigest()[:12] for name, *facts in last}

    @property
    def count(self) -> int:
        """Number of rows."""
        if not self.path.exists():
            return 0
        with self._opened() as connection:
            return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def _add(self, connection: sqlite3.Connection, answer: Answer) -> bool:
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        values = tuple(getattr(answer, name) for name in _COLUMNS)
        stored = connection.execute(
            f"SELECT {names} FROM answers WHERE answer_id = ?",  # noqa: S608
            (answer.answer_id,),
        ).fetchone()
        if stored is not None:
            if stored == values:
                return False
            differing = [name for name, old, new in zip(_COLUMNS, stored, values, strict=True) if old != new]
            raise BadAnswer(
                f"answer {answer.answer_id} is stored already, with another {' and '.join(differing)}: answers stay as they were "
                "given; send a new one under an answer_id of its own"
            )
        if answer.kind == UNDO:
            self._check_undo(connection, answer)
        last = connection.execute("SELECT given_at FROM answers ORDER BY number DESC LIMIT 1").fetchone()
        given_at = max(time.time_ns() // 1000, last[0] + 1 if last else 0)
        connection.execute(
            f"INSERT INTO answers (given_at, {names}) VALUES (?{', ?' * len(_COLUMNS)})",  # noqa: S608
            (given_at, *values),
        )
        return True

    @staticmethod
    def _check_undo(connection: sqlite3.Connection, undo: Answer) -> None:
        undone = connection.execute(
            'SELECT kind, annotator, "round", item FROM answers WHERE answer_id = ?', (undo.undoes,)
        ).fetchone()
        if undone is None or undone[0] == UNDO or undone[1:] != (undo.annotator, undo.round, undo.item):
            raise BadAnswer(
                f"{undo.answer_id} takes back {undo.undoes!r}, which is no answer of {undo.annotator!r} about {undo.item!r} in round "
                f"{undo.round!r}: everybody takes back their own, in the round in which they gave it"
            )
        if connection.execute("SELECT 1 FROM answers WHERE undoes = ?", (undo.undoes,)).fetchone():
            raise BadAnswer(
                f"{undo.answer_id} takes back {undo.undoes!r}, which was taken back already: load the page again"
            )

    def _make(self) -> None:
        """Made whole beside its place and then linked into it, so that two that make it at once end with one."""
        folder = self.path.parent
        with Files(str(folder)).scratch() as temporary:
            whole = temporary / self.path.name
            with self._explained(), closing(sqlite3.connect(whole, isolation_level=None)) as connection:
                connection.executescript(_TABLE)
            with suppress(FileExistsError):
                os.link(whole, self.path)
            sync(folder)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        address = f"{self.path.resolve().as_uri()}?mode=rw"
        with (
            self._explained(),
            closing(sqlite3.connect(address, timeout=_WAIT_S, isolation_level=None, uri=True)) as connection,
        ):
            connection.execute("PRAGMA synchronous = FULL")
            application, version = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            if application != _APPLICATION:
                raise BadInput(
                    f"{self.path} is no log of answers: move it elsewhere, or bring the log back from a copy"
                )
            if version > _VERSION:
                raise BadInput(
                    f"{self.path} was written by a later version of this program ({version}; this one knows {_VERSION}): update "
                    "synapse_assets"
                )
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what SQLite says into an error with the remedy."""
        try:
            with storage_explained(str(self.path.parent)):
                try:
                    yield
                except sqlite3.OperationalError as error:
                    raise OSError(self._number(error), str(error)) from error
        except sqlite3.DatabaseError as error:
            raise BadInput(
                f"{self.path} is no log of answers, or is damaged ({error}): bring it back from a copy"
            ) from error
        except StorageError:
            raise
        except OSError as error:
            remedy = "close what else has it open" if error.errno == errno.EBUSY else "check the disk"
            raise StorageError(
                error.errno, f"{self.path} cannot be used ({error.strerror}): {remedy} and try again"
            ) from error

    def _number(self, error: sqlite3.OperationalError) -> int:
        """The number of the system's error behind that of SQLite, which does not hand it on."""
        name = error.sqlite_errorname
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")):
            return errno.ENOSPC
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            read_only = os.statvfs(self.path.parent).f_flag & os.ST_RDONLY
            return errno.EROFS if read_only else errno.EACCES
        return errno.EBUSY if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) else errno.EIO
