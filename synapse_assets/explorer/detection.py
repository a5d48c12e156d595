"""The routes of the pages of a detection dataset, which its chain names as its own pages, and of what is lent to Neuroglancer.

What stands on them is put together in `detection_pages`, pictures are made in `section_pictures`.
"""

from typing import Annotated, Any, cast

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from synapse_assets.datasets import Dataset, DetectionDataset
from synapse_assets.explorer import detection_pages, precomputed
from synapse_assets.explorer.detection_views import FIRST_SPAN, OPACITY, View, stepped, window_of
from synapse_assets.explorer.question import read_place
from synapse_assets.explorer.section_pictures import TARGET_COLOURS, grey_png, map_png
from synapse_assets.explorer.server import Site, released_png
from synapse_assets.query import Warehouse
from synapse_assets.query.detection import Section
from synapse_assets.web import is_this_machine

_Whole = Annotated[int, Query(ge=-(2**63), lt=2**63)]


def add_pages(app: FastAPI, site: Site) -> None:
    """The pages of sections, sites and detectors, their pictures, and what Neuroglancer fetches."""
    _add_sections(app, site)
    _add_results(app, site)
    _add_precomputed(app, site)


def _add_sections(app: FastAPI, site: Site) -> None:
    @app.get("/{dataset}/sections", response_class=HTMLResponse)
    def sections(
        request: Request,
        dataset: str,
        volume: str = "",
        layer: str = "",
        x: _Whole | None = None,
        y: _Whole | None = None,
        z: _Whole | None = None,
        span: _Whole = FIRST_SPAN,
        opacity: _Whole = OPACITY,
        hide: str = "",
        at: str = "",
        go: str = "",
    ) -> Response:
        warehouse, _ = site.opened(dataset, "sections")
        view = View(volume, layer, x, y, z, span, min(max(opacity, 0), 100), bool(hide))
        window = window_of(warehouse.detection, view, read_place(at) if at.strip() else None)
        if go:
            return RedirectResponse(stepped(window, go).address(dataset), status_code=303)
        base = _own_address(request) if site.lends else ""
        content = detection_pages.sections(warehouse, dataset, window, base, site.describe_error)
        return site.page(request, "sections.html", dataset=dataset, active="sections", **content)

    def section_of(
        dataset: str, volume: str, z: int, x: int, y: int, width: int, height: int, layer: str, release: str | None
    ) -> tuple[Warehouse, Section]:
        site.opened(dataset, "sections")
        opened = site.releases.of(dataset, release)
        return opened, detection_pages.section_of(opened, (volume, z, x, y, width, height), layer)

    @app.get("/{dataset}/sections/grey.png")
    def grey(
        dataset: str,
        volume: str,
        z: _Whole,
        x: _Whole,
        y: _Whole,
        width: _Whole,
        height: _Whole,
        release: str | None = None,
    ) -> Response:
        _, section = section_of(dataset, volume, z, x, y, width, height, "", release)
        return released_png(grey_png(section), release)

    @app.get("/{dataset}/sections/map.png")
    def map_(
        dataset: str,
        volume: str,
        z: _Whole,
        x: _Whole,
        y: _Whole,
        width: _Whole,
        height: _Whole,
        layer: str,
        release: str | None = None,
    ) -> Response:
        opened, section = section_of(dataset, volume, z, x, y, width, height, layer, release)
        colour = TARGET_COLOURS.get(layer.partition("/")[2], "#888888")
        return released_png(map_png(section, colour, detection_pages.threshold_of(opened, layer)), release)


def _add_results(app: FastAPI, site: Site) -> None:
    @app.get("/{dataset}/sites", response_class=HTMLResponse)
    def sites(request: Request, dataset: str, examined: str = "", page: _Whole = 1) -> HTMLResponse:
        warehouse, described = site.opened(dataset, "sites")
        content = detection_pages.sites(warehouse, _detection(described), dataset, examined, page)
        return site.page(request, "sites.html", dataset=dataset, active="sites", **content)

    @app.get("/{dataset}/examined/{site_id:anytext}.png")
    def examined(dataset: str, site_id: str, release: str | None = None) -> Response:
        site.opened(dataset, "sites")
        return released_png(site.releases.of(dataset, release).detection.examined_tile(site_id), release)

    @app.get("/{dataset}/detectors", response_class=HTMLResponse)
    def detectors(request: Request, dataset: str) -> HTMLResponse:
        warehouse, described = site.opened(dataset, "detectors")
        content = detection_pages.detectors(warehouse, _detection(described), dataset)
        return site.page(request, "detectors.html", dataset=dataset, active="detectors", **content)


def _add_precomputed(app: FastAPI, site: Site) -> None:
    def layer_of(dataset: str, key: str) -> precomputed.Layer:
        warehouse, _ = site.opened(dataset, "sections")
        layer = precomputed.layers_of(warehouse.detection).get(key)
        if layer is None:
            raise HTTPException(404)
        return layer

    # What is there changes with the next block: a browser asks again.
    fresh = {"Cache-Control": "no-cache"}

    @app.get("/{dataset}/precomputed/{key}/info")
    def info(dataset: str, key: str) -> JSONResponse:
        content: dict[str, Any] = layer_of(dataset, key).info()
        return JSONResponse(content, headers=fresh)

    @app.get("/{dataset}/precomputed/{key}/{scale}/{chunk}")
    def chunk(dataset: str, key: str, scale: str, chunk: str) -> Response:
        content = layer_of(dataset, key).chunk(scale, chunk)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type="application/octet-stream", headers=fresh)


def _own_address(request: Request) -> str:
    """Where this server was asked, "" unless that is the browser's own machine."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}" if is_this_machine(host) else ""


def _detection(dataset: Dataset) -> DetectionDataset:
    """The dataset as its chain knows it: no other chain has these pages."""
    return cast(DetectionDataset, dataset)
