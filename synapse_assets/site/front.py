"""What the pages of the whole site say: its title page, how its numbers came about, and which tables it has.

Their layout is in the templates; pages of entries have the content of the explorer's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from synapse_assets import __version__
from synapse_assets.datasets import Dataset
from synapse_assets.query import Warehouse
from synapse_assets.report import summary as reported
from synapse_assets.report.content import Block, Caution, Sentence
from synapse_assets.report.release import Release
from synapse_assets.site.exported import not_exported
from synapse_assets.site.public import PublicRelease
from synapse_assets.site.supplement import SuppliedTable, title_of

SERVE = "python3 -m http.server --bind 127.0.0.1 --directory {out} 8000"
"""The command that serves a site on this machine, of the folder `out`."""
# An identifier of a licence of the SPDX list, and not a sentence.
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{2,40}")
# Views of the release, by the tables whose columns they have.
_OF_VIEWS = {"synapses": "labelled_synapses", "synapse_labels": "labelled_synapses"}


def title_content(
    public: PublicRelease, warehouse: Warehouse, dataset: Dataset, entries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The title page: what is published, by whom, and what the release says, with its splits, intervals and stability.

    entries: what there is to look at, each `name`, `title`, `pages` (titles by the last part of their addresses), `rows` and `noun`.
    """
    publish = dataset.publish
    release = Release(warehouse, public.store, dataset, public.name)
    licence = (publish and publish.licence) or ""
    return {
        "title": title_of(dataset),
        "description": dataset.description,
        "authors": [] if publish is None else publish.authors,
        "doi": publish and publish.doi,
        "licence": licence,
        "licence_url": f"https://spdx.org/licenses/{licence}.html" if _SPDX.fullmatch(licence) else "",
        "citation": publish and publish.citation,
        "text": markdown(publish.text) if publish else "",
        "entries": entries,
        "sentences": [
            block.text for block in _public(reported.summary(release), public) if isinstance(block, Sentence)
        ],
        "cautions": [block for block in _public(reported.limits(release), public) if isinstance(block, Caution)],
        "release_name": public.name,
    }


def about_content(
    public: PublicRelease,
    warehouse: Warehouse,
    dataset: Dataset,
    entries: Iterable[Mapping[str, Any]],
    tables: Iterable[SuppliedTable],
) -> dict[str, Any]:
    """The page on how the numbers came about. entries: the content of `site.json` of each entry. tables: those beside the pages."""
    private = {column for _, column in public.left_out}
    return {
        "entries": list(entries),
        "not_exported": not_exported(dataset),
        "tables": {table.table for table in tables},
        "something_private": bool(private),
        "without_neurons": "neuron_id" in private,
        "serve": SERVE.format(out="."),
        "version": __version__,
        "models": {name: version for name, version in warehouse.release.get("models", {}).items() if version},
    }


def data_content(tables: Sequence[SuppliedTable]) -> dict[str, Any]:
    """The page of the tables."""
    return {"tables": tables, "total": sum(table.bytes for table in tables)}


def markdown(text: str) -> Markup:
    """Markdown as HTML. HTML in it is shown as it was typed, links lead to http(s) addresses only, and there are no pictures."""
    parser = MarkdownIt("js-default", {"html": False}).disable("image")
    parser.validateLink = lambda url: re.match(r"https?://", url, re.IGNORECASE) is not None  # type: ignore[method-assign]
    return Markup(parser.render(text))  # noqa: S704 -- the parser escapes everything that is no markup of its own


def _public(blocks: Iterable[Block], public: PublicRelease) -> list[Block]:
    """Those of the sentences that are not about a column that is left out; in texts no path of this machine."""
    return [block for block in blocks if not _asks_for(getattr(block, "query", ""), public.left_out)]


def _asks_for(query: str, columns: Iterable[tuple[str, str]]) -> bool:
    words = set(re.findall(r"\w+", query))
    return any(column in words and words & {table, _OF_VIEWS.get(table, table)} for table, column in columns)
