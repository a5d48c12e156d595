"""Writes a release as a web site of plain files: which entries and pages it has, in which order its files are written.

What the files hold belongs to `browse`, `vectors`, `packs` and `pages`; the folder they go into to `folder`.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from logging import Logger
from pathlib import Path
from typing import Any

import numpy as np

from synapse_assets import __version__
from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.explorer import pages
from synapse_assets.explorer.releases import ExplorerEntry, explorer_entries
from synapse_assets.explorer.templating import LOOK
from synapse_assets.query import Warehouse
from synapse_assets.site.browse import described_entry, write_cards, write_points
from synapse_assets.site.exported import SITE_PAGES
from synapse_assets.site.folder import SiteFolder, check_out, site_folder
from synapse_assets.site.front import about_content, data_content, title_content
from synapse_assets.site.packs import write_packs
from synapse_assets.site.pages import Pages
from synapse_assets.site.public import PublicRelease, public_release
from synapse_assets.site.supplement import SuppliedTable, write_supplement
from synapse_assets.site.vectors import write_vectors
from synapse_assets.stores import DatasetStore

_HERE = Path(__file__).parent
# Folders of every site, which no entry may be named as.
_FOLDERS = ("about", "data", "look")


@dataclass(frozen=True)
class Entry:
    """One entry of a site: what the explorer shows under a name, its release, and the pages of it that the site has, by their titles."""

    name: str
    title: str
    warehouse: Warehouse
    pages: Mapping[str, str]


@dataclass(frozen=True)
class Exported:
    """A site that was written. out: its folder. rows: of its tables, all together. pages: titles of the pages of each entry, by its
    title. told: where values of private columns stand in others that are published, as sentences."""

    out: Path
    files: int
    bytes: int
    rows: int
    tables: int
    pages: Mapping[str, tuple[str, ...]]
    told: tuple[str, ...]


def export_site(
    dataset: Dataset, data_root: str | Path, out: Path, log: Logger, release: str | None = None
) -> Exported:
    """Writes a release of a dataset as a site into `out`, which may not be there yet, be empty, or hold its earlier export.

    release: name of a frozen release; None: the current one. What the dataset file leaves out is in none of the files. A killed export
    goes on when it is called again, and the same release gives the same bytes. Raises BadInput, and leaves `out` as it is, where nothing
    was published yet, where the release has no synapse, where its pictures or vectors are damaged or gone, and where `out` holds anything
    else.
    """
    store = DatasetStore(str(data_root), dataset.name)
    check_out(out.absolute(), dataset.name)
    with public_release(store, dataset, release) as public, ExitStack() as opened:
        entries = _entries(public, opened)
        first = entries[0].warehouse
        with site_folder(out, dataset.name, first.release_id, _made_as(dataset)) as folder:
            site = _pages(folder, entries, public)
            _copy_look(folder)
            # Without it GitHub Pages would make pages of its own of some files.
            folder.write(".nojekyll", "")
            described = [_write_entry(folder, site, entry, public, log) for entry in entries if entry.pages]
            log.info(f"{dataset.name}: tables")
            tables = write_supplement(folder, public, dataset)
            _render_front(site, entries, public, described, tables)
    files = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    rows = sum(table.rows for table in tables)
    shown = {entry.title: tuple(entry.pages.values()) for entry in entries if entry.pages}
    return Exported(out, len(files), sum(files), rows, len(tables), shown, public.told)


def _made_as(dataset: Dataset) -> str:
    """A hash of what else decides the files of a site: unfinished ones of another are not gone on with."""
    publish = None if dataset.publish is None else dataset.publish.model_dump(mode="json")
    return hashlib.sha256(json.dumps([__version__, publish]).encode()).hexdigest()[:12]


def _entries(public: PublicRelease, opened: ExitStack) -> list[Entry]:
    """The entries of a dataset; those of its parts that have no map are left out. Raises BadInput where there is nothing to show."""
    if public.dataset.name in _FOLDERS:
        raise BadInput(
            f"a dataset named {public.dataset.name} cannot be a site, which has a folder of that name: publish it under another name"
        )
    entries: list[Entry] = []
    missing: BadInput | None = None
    for entry in explorer_entries([public.dataset]):
        warehouse = opened.enter_context(public.warehouse(entry.group))
        try:
            entries.append(Entry(entry.name, entry.title, warehouse, _pages_of(entry, warehouse)))
        except BadInput as error:
            if entry.group is None:
                raise
            missing = error
    if not entries:
        raise missing or BadInput(f"{public.dataset.name} has no part yet: materialise its tables")
    return entries


def _pages_of(entry: ExplorerEntry, warehouse: Warehouse) -> dict[str, str]:
    """The pages of an entry that have something to show. Raises BadInput for a release without a synapse."""
    shown = chain_of(entry.dataset).pages_of(entry.dataset)
    if not set(SITE_PAGES) & set(shown):
        return {}
    points = warehouse.points
    if not len(points):
        noun = chain_of(entry.dataset).in_words("synapse")
        raise BadInput(f"the release of {entry.name} has no {noun}: there is nothing to show on a site")
    there = {
        "map": not np.isnan(points.map).all(),
        "search": warehouse.has_pictures,
        "gallery": True,
        "clusters": "cluster" in points.categories,
        "classes": "target" in points.categories,
    }
    return {name: title for name, title in shown.items() if there.get(name)}


def _pages(folder: SiteFolder, entries: list[Entry], public: PublicRelease) -> Pages:
    words = chain_of(public.dataset).in_words
    release = entries[0].warehouse
    return Pages(
        folder,
        {entry.name: entry.title for entry in entries if entry.pages},
        {entry.name: entry.pages for entry in entries if entry.pages},
        {
            "words": words,
            "noun": words("synapse"),
            "without_paths": public.describe,
            "release_id": release.release_id,
            "released": release.release["created"],
        },
    )


def _copy_look(folder: SiteFolder) -> None:
    """The stylesheets, the icon and the scripts."""
    for path in (LOOK / "explorer.css", LOOK / "icon.svg", *(_HERE / "look").iterdir(), *(_HERE / "app").iterdir()):
        with folder.file(f"look/{path.name}") as stream, path.open("rb") as source:
            shutil.copyfileobj(source, stream)


def _write_entry(
    folder: SiteFolder,
    site: Pages,
    entry: Entry,
    public: PublicRelease,
    log: Logger,
) -> dict[str, Any]:
    """Writes what an entry has, and gives the content of its site.json."""
    dataset, warehouse, under = public.dataset, entry.warehouse, f"{entry.name}/browse"
    points = warehouse.points
    has_vector, pictures = np.zeros(len(points), dtype=bool), np.full(len(points), -1, dtype=np.int32)
    stored: dict[str, Any] = {"vectors": None, "tiles": None, "sections": None}
    if warehouse.has_pictures:
        log.info(f"{entry.name}: vectors of {len(points):,} points")
        vectors = write_vectors(folder, f"{under}/vectors.i8", warehouse, public.store, dataset.seed)
        log.info(f"{entry.name}: pictures")
        packs = write_packs(folder, under, warehouse, dataset.seed, log)
        has_vector, pictures = warehouse.stored_vectors.present, packs.numbers
        stored = {"vectors": vectors.described(), **packs.described()}
    write_points(folder, under, points, has_vector, pictures)
    write_cards(folder, under, warehouse, dataset)
    content = {
        **described_entry(warehouse, dataset),
        "entry": entry.name,
        "title": entry.title,
        "pages": dict(entry.pages),
        "datasets": site.titles,
        "pages_of": site.pages_of,
        "has_pictures": warehouse.has_pictures,
        **stored,
    }
    folder.write_json(f"{under}/site.json", content)
    _render_entry(site, entry, lambda synapse_id: int(pictures[points.row(synapse_id)]))
    return content


def _render_front(
    site: Pages,
    entries: Sequence[Entry],
    public: PublicRelease,
    described: Sequence[Mapping[str, Any]],
    tables: Sequence[SuppliedTable],
) -> None:
    """The pages of the whole site. described: the site.json of every entry with pages."""
    warehouse, dataset = entries[0].warehouse, public.dataset
    shown = [
        {"name": content["entry"], **{name: content[name] for name in ("title", "pages", "rows", "noun")}}
        for content in described
    ]
    site.render("index.html", "title.html", **title_content(public, warehouse, dataset, shown))
    site.render("about/index.html", "about.html", **about_content(public, warehouse, dataset, described, tables))
    site.render("data/index.html", "data.html", **data_content(tables))
    site.render_missing()


def _render_entry(site: Pages, entry: Entry, picture_of: Callable[[str], int]) -> None:
    """The pages of an entry: what reads without a script in full, of the others what the script fills. picture_of: the number of the
    picture of a synapse in the packs."""
    warehouse, name, points = entry.warehouse, entry.name, entry.warehouse.points
    first, title = next(iter(entry.pages.items()))
    site.render(f"{name}/index.html", "landing.html", dataset=name, first=first, title=title)
    for page, title in {**entry.pages, "synapse": site.common["noun"].capitalize()}.items():
        if page not in ("clusters", "classes"):
            active = page if page in entry.pages else ""
            site.render(f"{name}/{page}/index.html", "shell.html", dataset=name, active=active, page=page, title=title)
    if "clusters" in entry.pages:
        content = pages.clusters(warehouse)
        site.render(
            f"{name}/clusters/index.html", "clusters.html", picture_of, dataset=name, active="clusters", **content
        )
        for number in points.categories["cluster"].names:
            path, title = f"{name}/clusters/{number}/index.html", f"Cluster {number}"
            values: dict[str, Any] = {
                "dataset": name,
                "active": "clusters",
                "page": "cluster",
                "number": number,
                "title": title,
            }
            site.render(path, "shell.html", **values)
    if "classes" in entry.pages:
        content = pages.classes(warehouse)
        site.render(f"{name}/classes/index.html", "classes.html", picture_of, dataset=name, active="classes", **content)
