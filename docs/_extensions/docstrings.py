"""Docstrings of the house as lists: where a paragraph explains parameters or fields in a row (`k: how many. metric: ...`), each gets
a line of its own."""

import inspect
import re
from typing import Any

from sphinx.application import Sphinx


def _names(subject: Any) -> list[str]:
    """Parameters of a function or fields of a class."""
    if inspect.isclass(subject) and getattr(subject, "__annotations__", None):
        return list(subject.__annotations__)
    try:
        return list(inspect.signature(subject).parameters)
    except (TypeError, ValueError):
        return []


def listed(paragraph: str, names: list[str]) -> list[str]:
    """The lines of a paragraph: as they are, or what stands before the first name and then an item for each."""
    if not names or paragraph.lstrip().startswith(("- ", "* ", ">>>")):
        return paragraph.split("\n")
    name = "|".join(map(re.escape, names))
    text = " ".join(paragraph.split())
    first, *rest = re.split(rf"(?:^|(?<=[.;] ))((?:{name})(?:(?:, | and )(?:{name}))*): ", text)
    if not rest:
        return paragraph.split("\n")
    items = [
        f"- {', '.join(f'`{one}`' for one in re.split(', | and ', names_of))}: {meaning.strip()}"
        for names_of, meaning in zip(rest[::2], rest[1::2], strict=True)
    ]
    return [*([first.strip(), ""] if first.strip() else []), *items]


def _process(app: Sphinx, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    paragraphs = "\n".join(lines).split("\n\n")
    lines[:] = [line for paragraph in paragraphs for line in (*listed(paragraph, _names(subject)), "")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Has every docstring that autodoc reads go through `listed`."""
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
