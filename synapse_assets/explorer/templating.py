"""The environment that pages are rendered in: their templates, and what every template calls by name.

The content of pages belongs to `pages`, addresses to `urls`. Nothing here serves.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

TEMPLATES = Path(__file__).parent / "templates"
LOOK = Path(__file__).parent / "static"


def template_environment(
    addresses: Sequence[Callable[..., str]],
    root: str,
    titles: Mapping[str, str],
    pages_of: Mapping[str, Mapping[str, str]],
    before: Sequence[Path] = (),
) -> Environment:
    """The explorer's templates, ready to be rendered; texts in them are escaped.

    addresses: functions that templates call by their names, as `urls.IN_TEMPLATES`. root: what stands before the address of every
    file, without a slash at its end. titles: of the entries, by name. pages_of: titles of the pages of each entry, by the last part of
    their addresses. before: folders whose templates go before those of the explorer of the same name.
    """
    environment = Environment(loader=FileSystemLoader([*before, TEMPLATES]), autoescape=select_autoescape())
    environment.globals.update({function.__name__: function for function in addresses})
    environment.globals.update(root=root, datasets=titles, pages_of=pages_of, labelled=[])
    environment.filters["thousands"] = thousands
    return environment


def thousands(number: float) -> str:
    """A number without decimals, its thousands set apart."""
    return f"{number:,.0f}"
