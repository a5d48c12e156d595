"""A report as one HTML file: styles and pictures inside, no script, nothing to load; printed, it is A4 with numbered pages."""

import base64
import numbers
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from synapse_assets.report.content import Block, Figure, Section, Table, Text

# Characters of a word that is never broken.
_LONGEST_WORD = 22
# Lines of a text from which it is printed in two columns.
_MANY_LINES = 24


def render(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The HTML of a report. facts: what stands below the title, by name."""
    environment = Environment(
        loader=PackageLoader("synapse_assets.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    numbered = Numbers()
    return environment.get_template("report.html").render(
        title=title,
        facts=facts,
        numbers={section.anchor: place for place, section in enumerate(sections, start=1)},
        sections=[(section, [numbered.block(block) for block in section.blocks]) for section in sections],
        queries=numbered.queries,
        running_title=_css_text(title),
        cell=cell,
        is_long=_is_long,
    )


class Numbers:
    """Numbers of tables, figures and queries, in the order of the report; a query that is used twice keeps its number."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self._tables = self._figures = 0

    def block(self, block: Block) -> dict[str, Any]:
        """A block as the template takes it: its kind, number and the number of its query."""
        shown: dict[str, Any] = {"kind": type(block).__name__.lower(), "block": block, "query": None, "number": None}
        if not isinstance(block, Text) and block.query:
            if block.query not in self.queries:
                self.queries.append(block.query)
            shown["query"] = self.queries.index(block.query) + 1
        if isinstance(block, Text):
            shown["long"] = block.text.count("\n") >= _MANY_LINES
        if isinstance(block, Table):
            self._tables += 1
            shown["number"] = self._tables
            shown["numeric"] = [_is_numeric([row[at] for row in block.rows]) for at in range(len(block.columns))]
        if isinstance(block, Figure):
            self._figures += 1
            shown["number"] = self._figures
            shown["tall"] = _is_tall(block.png)
            shown["address"] = "data:image/png;base64," + base64.b64encode(block.png).decode()
        return shown


def _is_tall(png: bytes) -> bool:
    """Whether a picture is nearly as high as wide, or higher; its size stands at the start of every PNG."""
    width, height = struct.unpack(">II", png[16:24])
    return bool(height > 0.8 * width)


def cell(value: Any) -> str:
    """The text of a cell: whole numbers with commas, others with up to four digits, and a dash for nothing."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        return f"{float(value):.4g}"
    if isinstance(value, list):
        return ", ".join(cell(each) for each in value)
    return str(value)


def _is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column of cells is to be aligned as numbers."""
    texts = [cell(value) for value in values if value not in (None, "")]
    return (
        bool(texts)
        and all(text[:1].isdigit() or text[:2].lstrip("-")[:1].isdigit() for text in texts)
        and all(len(text) < 16 for text in texts)
    )


def _is_long(text: str) -> bool:
    """Whether a word of it would not fit into a column."""
    return max(map(len, text.split()), default=0) > _LONGEST_WORD


def _css_text(text: str) -> Markup:
    """A text as a string of CSS, every character but letters and digits of ASCII as its number: nothing in it can end the string."""
    escaped = "".join(one if one.isascii() and one.isalnum() else f"\\{ord(one):06x}" for one in text)
    return Markup(f'"{escaped}"')  # noqa: S704 -- hexadecimal digits, letters and backslashes
