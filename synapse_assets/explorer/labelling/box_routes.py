"""The routes of the pages of boxes, below /labelling/<dataset> of every dataset whose volumes people look through.

What stands there and what is kept is decided by `boxes`, who is let in by `access`.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from synapse_assets.explorer.labelling.access import PATH
from synapse_assets.explorer.labelling.answers import read_posted
from synapse_assets.explorer.labelling.boxes import Boxes, PostedSite, left_for
from synapse_assets.explorer.labelling.desk import NEVER_KEPT, Desk
from synapse_assets.pipeline.labelling.spreadsheets import export_answers

_Section = Annotated[int, Path(ge=-(2**63), lt=2**63)]


def box_router(desk: Desk, name: str, boxes: Boxes) -> APIRouter:
    """The routes of one dataset."""
    router = APIRouter(prefix=f"{PATH}/{name}", dependencies=[Depends(desk.enter)])
    _add_answers(router, name, boxes)
    _add_pictures(router, boxes)
    _add_pages(router, desk, name, boxes)
    return router


def _add_answers(router: APIRouter, name: str, boxes: Boxes) -> None:
    @router.post("/answers")
    async def answers(request: Request) -> Response:
        posted = await read_posted(request, PostedSite)
        is_new = await run_in_threadpool(boxes.keep, posted, request.state.person)
        return JSONResponse({"new": is_new}, headers=NEVER_KEPT)

    @router.get("/answers.csv")
    def downloaded() -> Response:
        headers = NEVER_KEPT | {"Content-Disposition": f'attachment; filename="{name}_answers.csv"'}
        return Response(export_answers(boxes.store), media_type="text/csv", headers=headers)


def _add_pictures(router: APIRouter, boxes: Boxes) -> None:
    def picture(content: bytes) -> Response:
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    @router.get("/{round}/{box}/{z}/grey.png")
    def grey(round: str, box: str, z: _Section) -> Response:
        return picture(boxes.grey(round, box, z))

    @router.get("/{round}/{box}/{z}/marked.png")
    def marked(round: str, box: str, z: _Section) -> Response:
        return picture(boxes.marked(round, box, z))


def _add_pages(router: APIRouter, desk: Desk, name: str, boxes: Boxes) -> None:
    @router.get("")
    def overview(request: Request) -> Response:
        content = boxes.overview(request.state.person)
        return desk.page(request, "labelling_boxes.html", request.state.person, dataset=name, **content)

    @router.get("/{round}/items")
    def items(request: Request, round: str) -> Response:
        person = request.state.person
        content = boxes.items(round, person)
        content["start"] = desk.places.start((name, round), person, left_for(boxes, round, person))
        return JSONResponse(content, headers=NEVER_KEPT)

    @router.get("/{round}/state")
    def state(request: Request, round: str, at: str = "") -> Response:
        person = request.state.person
        boxes.round(round)
        if at:
            desk.places.stand((name, round), person, at[:500])
        return JSONResponse(boxes.state(round, person, desk.places.busy((name, round), person)), headers=NEVER_KEPT)

    @router.get("/{round}")
    def batch(request: Request, round: str) -> Response:
        boxes.round(round)
        content: dict[str, Any] = {"dataset": name, "name": round}
        return desk.page(request, "labelling_box.html", request.state.person, **content)
