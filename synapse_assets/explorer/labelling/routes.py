"""The routes of the labelling pages, all below /labelling and all but the login behind a token. They exist with `--labelling` alone.

Who is let in is decided by `access`, what a batch is by `batches`, what is kept by `answers`.
"""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from synapse_assets.explorer.labelling import contents
from synapse_assets.explorer.labelling.access import COOKIE, PATH, Access, NotLoggedIn
from synapse_assets.explorer.labelling.answers import ChangedTile, PostedAnswer, Refused, keep, read_posted
from synapse_assets.explorer.labelling.batches import UnknownBatch
from synapse_assets.explorer.labelling.box_routes import box_router
from synapse_assets.explorer.labelling.desk import NEVER_KEPT, Desk
from synapse_assets.explorer.server import Site
from synapse_assets.pipeline.labelling.spreadsheets import export_answers
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.annotation_log import BadAnswer
from synapse_assets.stores.annotators import Annotators

# Of a page below /labelling, as it stands in a header.
_OWN_ADDRESS = re.compile(rf"{PATH}(?:[/?][!-~]*)?")
_LONGEST_FIELD = 500
_Field = Annotated[str, Form(max_length=_LONGEST_FIELD)]


def add_labelling(app: FastAPI, site: Site, data_root: str) -> None:
    """Adds the labelling pages of an explorer of the datasets under `data_root`."""
    local_root = Settings(data_root=data_root).local_root
    desk = Desk(
        site,
        Access(Annotators(Path(local_root)).name_of),
        lambda dataset: DatasetStore(data_root, dataset, local_root),
    )
    _add_login(app, desk)
    router = APIRouter(prefix=PATH, dependencies=[Depends(desk.enter)])
    _add_answers(router, desk)
    _add_batches(router, desk)
    _add_pages(router, desk)
    # Those of a named dataset before those of any.
    for name, boxes in desk.boxes.items():
        app.router.routes.extend(box_router(desk, name, boxes).routes)
    # One by one: an included router would hide them from whoever lists the routes of the application.
    app.router.routes.extend(router.routes)


def _add_login(app: FastAPI, desk: Desk) -> None:
    access = desk.access

    @app.exception_handler(UnknownBatch)
    async def missing(request: Request, error: UnknownBatch) -> Response:
        return desk.site.refusal(request, str(error), 404)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return JSONResponse({"error": error.detail, "refused": True}, error.status_code, NEVER_KEPT)

    @app.exception_handler(BadAnswer)
    async def not_kept(_: Request, error: BadAnswer) -> Response:
        return JSONResponse({"error": str(error), "refused": True}, 400, NEVER_KEPT)

    @app.exception_handler(NotLoggedIn)
    async def login(request: Request, error: NotLoggedIn) -> Response:
        if request.headers.get("accept") == "application/json":
            return JSONResponse({"error": error.detail}, 401, NEVER_KEPT)
        is_wrong = request.method == "POST" or COOKIE in request.cookies
        query = request.scope["query_string"].decode("latin-1")
        asked = quote(request.scope["path"]) + (f"?{query}" if query else "")
        to = asked if request.method == "GET" and len(asked) <= _LONGEST_FIELD else PATH
        content = {"dataset": "", "to": to, "reason": error.detail if is_wrong else ""}
        return desk.page(request, "labelling_login.html", "", 401, **content)

    @app.post(f"{PATH}/login")
    def log_in(request: Request, token: _Field = "", to: _Field = PATH) -> Response:
        access.named(token.strip())
        answer = RedirectResponse(to if _OWN_ADDRESS.fullmatch(to) else PATH, 303, NEVER_KEPT)
        # Behind a reverse proxy the page's own address says it.
        over_https = "https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0])
        access.let_in(answer, token.strip(), over_https)
        return answer

    @app.post(f"{PATH}/logout")
    def log_out(request: Request, csrf: _Field = "") -> Response:
        access.person(request)
        access.check_proof(request, csrf)
        answer = RedirectResponse(PATH, 303, NEVER_KEPT)
        access.let_out(answer)
        return answer


def _add_answers(router: APIRouter, desk: Desk) -> None:
    @router.post("/{dataset}/answers")
    async def answers(request: Request, dataset: str) -> Response:
        posted = await read_posted(request, PostedAnswer)
        return await run_in_threadpool(kept, request.state.person, dataset, posted)

    def kept(person: str, dataset: str, posted: PostedAnswer) -> Response:
        batches = desk.batches(dataset)
        batch = batches.kept(posted.round, posted.item)
        # Of all of the batch: then the next answer needs no search.
        tile_hash = batches.tiles.hashes(list(batch.items)).get(posted.item)
        is_new = keep(posted, person, batch, batches.classes, tile_hash, batches.store.annotation_log)
        item = batch.items.get(posted.item)
        shows = batch.guess == "after" and posted.undoes is None and item is not None
        return JSONResponse({"new": is_new} | (contents.guess_of(item) if shows and item else {}), headers=NEVER_KEPT)

    @router.get("/{dataset}/answers.csv")
    def downloaded(dataset: str) -> Response:
        text = export_answers(desk.batches(dataset).store)
        headers = NEVER_KEPT | {"Content-Disposition": f'attachment; filename="{quote(dataset, safe="")}_answers.csv"'}
        return Response(text, media_type="text/csv", headers=headers)


def _add_batches(router: APIRouter, desk: Desk) -> None:
    @router.get("/{dataset}/tiles/{synapse_id:anytext}.png")
    def tile(dataset: str, synapse_id: str, hash: str) -> Response:
        picture = desk.batches(dataset).tiles.picture(synapse_id, hash)
        if picture is None:
            raise ChangedTile()
        return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=86400, immutable"})

    @router.get("/{dataset}/{name}/items")
    def items(request: Request, dataset: str, name: str, synapse_id: str = "") -> Response:
        batches, person = desk.batches(dataset), request.state.person
        batch = batches.batch(name, synapse_id, desk.site.releases)
        content = contents.items(batches, dataset, batch, person)
        left = contents.left_for(batches, batch, person)
        content["start"] = desk.places.start((dataset, batch.name), person, left)
        return JSONResponse(content, headers=NEVER_KEPT)

    @router.get("/{dataset}/{name}/state")
    def state(request: Request, dataset: str, name: str, at: str = "") -> Response:
        batches, person = desk.batches(dataset), request.state.person
        batch = batches.kept(name)
        if at:
            desk.places.stand((dataset, batch.name), person, at[:500])
        content = contents.state(batches, batch, person, desk.places.busy((dataset, batch.name), person))
        return JSONResponse(content, headers=NEVER_KEPT)


def _add_pages(router: APIRouter, desk: Desk) -> None:
    @router.get("")
    def start(request: Request) -> Response:
        return desk.page(request, "labelling.html", request.state.person, dataset="", titles=desk.titles)

    @router.get("/{dataset}")
    def overview(request: Request, dataset: str) -> Response:
        content = contents.overview(desk.batches(dataset), request.state.person)
        return desk.page(request, "labelling.html", request.state.person, dataset=dataset, **content)

    @router.get("/{dataset}/agreement")
    def agreement(request: Request, dataset: str) -> Response:
        content = contents.agreed(desk.batches(dataset))
        return desk.page(request, "labelling_agreement.html", request.state.person, dataset=dataset, **content)

    @router.get("/{dataset}/{name}")
    def batch(request: Request, dataset: str, name: str, synapse_id: str = "") -> Response:
        desk.batches(dataset).check(name)
        content: dict[str, Any] = {"dataset": dataset, "name": name, "synapse_id": synapse_id}
        return desk.page(request, "labelling_batch.html", request.state.person, **content)
