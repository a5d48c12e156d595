"""What the labelling pages of one explorer share. Routes are in `routes`, what stands on the pages of tiles in `contents`."""

from collections.abc import Callable
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from synapse_assets.datasets import DetectionDataset, EmDataset
from synapse_assets.datasets.labelling import BoxLabellingChoice, LabellingChoice
from synapse_assets.explorer.labelling.access import Access
from synapse_assets.explorer.labelling.batches import Batches
from synapse_assets.explorer.labelling.boxes import Boxes, readers_of
from synapse_assets.explorer.labelling.places import Places
from synapse_assets.explorer.labelling.scripts import SCRIPTS, integrity, policy
from synapse_assets.explorer.server import Site
from synapse_assets.stores import DatasetStore

NEVER_KEPT = {"Cache-Control": "no-store"}


class Desk:
    """Who is let in, what is labelled, and where people are. store_of: the store of an entry of the explorer."""

    def __init__(self, site: Site, access: Access, store_of: Callable[[str], DatasetStore]) -> None:
        self.site, self.access, self.places = site, access, Places()
        self._batches = {
            name: Batches(store_of(name), cast(EmDataset, entry.dataset), choice)
            for name, entry in site.releases.entries.items()
            if isinstance(choice := getattr(entry.dataset, "labelling", None), LabellingChoice)
        }
        tiles = [batches.dataset for batches in self._batches.values()]
        self.boxes = {
            name: Boxes(store_of(name), cast(DetectionDataset, entry.dataset), readers_of(store_of(name), tiles))
            for name, entry in site.releases.entries.items()
            if isinstance(getattr(entry.dataset, "labelling", None), BoxLabellingChoice)
        }

    @property
    def titles(self) -> dict[str, str]:
        """Titles of the datasets that are labelled, by name."""
        entries = self.site.releases.entries
        return {name: entry.title for name, entry in entries.items() if name in self._batches or name in self.boxes}

    def batches(self, dataset: str) -> Batches:
        """The batches of a dataset whose tiles are labelled. Raises HTTPException (404) for another."""
        if dataset not in self._batches:
            raise HTTPException(404)
        return self._batches[dataset]

    def enter(self, request: Request) -> None:
        """Lets a request in: `request.state.person` is who asks. What changes something has to prove that a page of ours sends it.

        Raises like `Access.person` and `Access.check_proof`.
        """
        request.state.person = self.access.person(request)
        if request.method not in ("GET", "HEAD"):
            self.access.check_proof(request)

    def page(self, request: Request, template: str, person: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A labelling page with its scripts, for a person ("" for nobody). No cache keeps it."""
        scripts = [(script, integrity(script)) for script in SCRIPTS[template]]
        shared = {"active": "labelling", "person": person, "scripts": scripts, "proof": self.access.proof(request)}
        page = self.site.page(request, template, status, **shared, **values)
        page.headers.update({**NEVER_KEPT, "Content-Security-Policy": policy(template)})
        return page
