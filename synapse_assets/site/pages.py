"""Renders the pages of a site: the explorer's templates with addresses that work in any folder of any host.

The content of pages belongs to `explorer.pages`, or to the module that asks for the page.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from synapse_assets.explorer.templating import template_environment
from synapse_assets.site.folder import SiteFolder

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = Path(__file__).parent / "app"
# What a page may load: what lies beside it. Pictures are cut out of packs and shown as blobs.
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; form-action 'self'; base-uri 'none'"
)


@dataclass(frozen=True)
class Addresses:
    """Addresses from a page that lies so deep that `root` leads to the site's folder, such as `../..`. picture_of: the number
    in the packs of the picture of a synapse, by its id."""

    root: str
    picture_of: Callable[[str], int]

    def at(self, dataset: str) -> str:
        """See `explorer.urls.at`."""
        return f"{self.root}/{quote(dataset, safe='')}"

    def card_url(self, dataset: str, synapse_id: str) -> str:
        """See `explorer.urls.card_url`. A folder for each synapse would be too many: the id is asked for."""
        return f"{self.at(dataset)}/synapse/?synapse_id={quote(synapse_id, safe='')}"

    def tile_src(self, dataset: str, release: str, synapse_id: str, section: int | None = None) -> Markup:
        """Which picture an <img> shows, by its number: the script cuts it out of a pack when it is seen."""
        picture = Markup('data-tile="{}"').format(self.picture_of(synapse_id))
        return picture if section is None else picture + Markup(' data-section="{}"').format(section)


def no_picture(synapse_id: str) -> int:
    """The number for a synapse without a picture, and for every synapse on a page that is of no entry."""
    return -1


@dataclass(frozen=True)
class Pages:
    """Writes pages into a site. titles: of its entries, by name. pages_of: the titles of the pages of each, by the last part of their
    addresses. common: values for every template, such as `noun` and `words`."""

    folder: SiteFolder
    titles: Mapping[str, str]
    pages_of: Mapping[str, Mapping[str, str]]
    common: Mapping[str, Any]

    @cached_property
    def environment(self) -> Environment:
        """The templates: those of `site/templates`, else the explorer's."""
        return template_environment((), "", self.titles, self.pages_of, before=[TEMPLATES])

    def render(self, path: str, template: str, picture_of: Callable[[str], int] = no_picture, **values: Any) -> None:
        """Writes a page, by its path in the site, such as `about/index.html`.

        It gets `values`, `root` and functions that make addresses; `dataset`
        is the entry and `active` the page that the header marks, both empty for a page of the whole site. picture_of: the number
        in the packs of the picture of a synapse, by its id.
        """
        depth = path.count("/")
        addresses = Addresses("/".join([".."] * depth) or ".", picture_of)
        functions = {name: getattr(addresses, name) for name in ("root", "at", "card_url", "tile_src")}
        given = {"dataset": "", "active": "", "policy": POLICY, **self.common, **values, **functions}
        self.folder.write(path, self.environment.get_template(template).render(given) + "\n")

    def render_missing(self) -> None:
        """Writes 404.html, which is shown at any address that is missing: it loads nothing, and its script alone may run."""
        script = (SCRIPTS / "lost.js").read_text(encoding="utf-8").strip()
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'"
        values = {**self.common, "policy": policy, "script": Markup(script), "entries": json.dumps(list(self.titles))}  # noqa: S704 -- ours
        page = self.environment.get_template("404.html").render(values)
        self.folder.write("404.html", page + "\n")
