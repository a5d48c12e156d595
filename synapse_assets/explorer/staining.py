"""The routes of the pages of stained pictures, which their chain names as its own pages.

What stands on them is put together in `stained_pages`, layers of a picture are made in `stained_layers`.
"""

from typing import Annotated, cast

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse

from synapse_assets.datasets import Dataset
from synapse_assets.datasets.staining import StainingDataset
from synapse_assets.explorer import stained_layers, stained_pages
from synapse_assets.explorer.server import Site, released_png
from synapse_assets.query.stained_pictures import PictureRequest

_Page = Annotated[int, Query(ge=-(2**63), lt=2**63)]


def add_pages(app: FastAPI, site: Site) -> None:
    """The pages of pictures, scores and compounds."""
    _add_pictures(app, site)
    _add_layers(app, site)
    _add_results(app, site)


def _add_pictures(app: FastAPI, site: Site) -> None:
    @app.get("/{dataset}/pictures", response_class=HTMLResponse)
    def pictures(
        request: Request,
        dataset: str,
        plate: str = "",
        label: str = "",
        answer: str = "",
        only: str = "",
        classifier: str = "",
        page: _Page = 1,
    ) -> HTMLResponse:
        warehouse, _ = site.opened(dataset, "pictures")
        wanted = PictureRequest(plate, label, answer, only)
        content = stained_pages.pictures(warehouse, dataset, wanted, classifier, page)
        return site.page(request, "pictures.html", dataset=dataset, active="pictures", **content)

    @app.get("/{dataset}/picture/{image_id:anytext}", response_class=HTMLResponse)
    def picture(request: Request, dataset: str, image_id: str, layer: str = "", palette: str = "") -> HTMLResponse:
        warehouse, described = site.opened(dataset, "pictures")
        choice = stained_layers.Choice(layer, palette or stained_layers.Choice.palette)
        content = stained_pages.picture(warehouse, _staining(described), dataset, image_id, choice)
        return site.page(request, "picture.html", dataset=dataset, active="pictures", **content)


def _add_layers(app: FastAPI, site: Site) -> None:
    @app.get("/{dataset}/previews/{image_id:anytext}.png")
    def preview(dataset: str, image_id: str, release: str | None = None) -> Response:
        site.opened(dataset, "pictures")
        return released_png(stained_layers.preview(site.releases.of(dataset, release), image_id), release)

    @app.get("/{dataset}/layers/{layer}/{image_id:anytext}.png")
    def layer(dataset: str, layer: str, image_id: str, palette: str = "", release: str | None = None) -> Response:
        _, described = site.opened(dataset, "pictures")
        choice = stained_layers.Choice(layer, palette or stained_layers.Choice.palette)
        opened = site.releases.of(dataset, release)
        return released_png(stained_layers.layer(opened, _staining(described), image_id, choice), release)

    @app.get("/{dataset}/legends/{layer}/{image_id:anytext}.png")
    def legend(dataset: str, layer: str, image_id: str, palette: str = "", release: str | None = None) -> Response:
        _, described = site.opened(dataset, "pictures")
        choice = stained_layers.Choice(layer, palette or stained_layers.Choice.palette)
        opened = site.releases.of(dataset, release)
        return released_png(stained_layers.legend(opened, _staining(described), image_id, choice), release)


def _add_results(app: FastAPI, site: Site) -> None:
    @app.get("/{dataset}/stain_scores", response_class=HTMLResponse)
    def stain_scores(request: Request, dataset: str) -> HTMLResponse:
        warehouse, _ = site.opened(dataset, "stain_scores")
        content = stained_pages.stain_scores(warehouse, dataset)
        return site.page(request, "stain_scores.html", dataset=dataset, active="stain_scores", **content)

    @app.get("/{dataset}/compounds", response_class=HTMLResponse)
    def compounds(request: Request, dataset: str) -> HTMLResponse:
        warehouse, described = site.opened(dataset, "compounds")
        content = stained_pages.compounds(warehouse, _staining(described), dataset)
        return site.page(request, "compounds.html", dataset=dataset, active="compounds", **content)

    @app.get("/{dataset}/compounds/doses.png")
    def doses(dataset: str, release: str | None = None) -> Response:
        _, described = site.opened(dataset, "compounds")
        return released_png(stained_pages.doses(site.releases.of(dataset, release), _staining(described)), release)

    @app.get("/{dataset}/compounds/plate.png")
    def plate(dataset: str, plate: str, release: str | None = None) -> Response:
        _, described = site.opened(dataset, "compounds")
        opened = site.releases.of(dataset, release)
        return released_png(stained_pages.plate(opened, _staining(described), plate), release)


def _staining(dataset: Dataset) -> StainingDataset:
    """The dataset as its chain knows it: no other chain has these pages."""
    return cast(StainingDataset, dataset)
