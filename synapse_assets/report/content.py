"""What a report is made of: sections, and in them sentences, tables, figures and texts, as plain values.

Everything that shows numbers carries the query or the file that they come from. Asking the release belongs to `release`, wording and
choice to the modules of the sections, HTML to `page`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Sentence:
    """A sentence that a query of the release gives, word for word. see: anchor of the section that says more; "" for none."""

    text: str
    query: str
    see: str = ""


@dataclass(frozen=True)
class Caution:
    """What limits how far the release can be trusted, as a query gives it. serious: red, otherwise amber."""

    text: str
    serious: bool
    query: str


@dataclass(frozen=True)
class Table:
    """A table: the result of `query`, or else content of the file `source`. columns: their titles. rows: cells, None for an empty one."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    query: str = ""
    source: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture that was drawn from the result of `query`. alt: what it shows, for a reader who does not see it. rows: those drawn."""

    caption: str
    png: bytes
    alt: str
    query: str
    rows: int


@dataclass(frozen=True)
class Text:
    """A paragraph, or what is printed as it stands (`verbatim`), such as a file or commands."""

    text: str
    verbatim: bool = False


Block: TypeAlias = Sentence | Caution | Table | Figure | Text


@dataclass(frozen=True)
class Section:
    """One section. anchor: its name in links, letters, digits and hyphens."""

    anchor: str
    title: str
    blocks: Sequence[Block]
