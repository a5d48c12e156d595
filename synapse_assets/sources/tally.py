"""Counts that a reader keeps while it reads, for the record of where the rows came from."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FileRead:
    """A file that was read: its name in the source, where it lies (fetched files: their copy), its signature when it was
    read, its rows, and what it was made from (`files.TableFile.made_from`)."""

    name: str
    path: Path
    signature: str
    rows: int
    left_out: dict[str, int]
    made_from: str | None = None


@dataclass
class Tally:
    """Rows that a reader has given, and rows that it left out, by reason; the files that were read to their end; and, of one file,
    what it was made from."""

    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    files: list[FileRead] = field(default_factory=list)
    made_from: str | None = None
