"""The explorer's server: its routes, and the responses to errors.

The content of a page is put together in `pages`; the map is in `map`; access control, in `web`. The server never requests anything
from another machine.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from pkgutil import resolve_name
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.explorer import explanations as explanation_pages
from synapse_assets.explorer import neuroglancer, pages, precomputed, urls
from synapse_assets.explorer.classifiers import classifiers as classifiers_page
from synapse_assets.explorer.map import add_maps
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.neurons import neuron as neuron_page
from synapse_assets.explorer.neurons import neurons as neurons_page
from synapse_assets.explorer.neurons import read_neuron_id
from synapse_assets.explorer.question import Question, read_filters, read_question
from synapse_assets.explorer.releases import Releases, explorer_entries
from synapse_assets.explorer.scorecard import Choice
from synapse_assets.explorer.scorecard import scorecard as scorecard_page
from synapse_assets.explorer.templating import LOOK, template_environment
from synapse_assets.explorer.uploads import Uploads, most_bytes, read_picture
from synapse_assets.query import NeuronRequest, Warehouse
from synapse_assets.query.neurons import UnknownNeuron
from synapse_assets.query.stained_pictures import UnknownPicture
from synapse_assets.report import REPORT_FILE
from synapse_assets.settings import local_root_of
from synapse_assets.stores.spreadsheets import csv_text, plain_rows
from synapse_assets.web import Guard, Lent, Place

# Larger numbers mean nothing here, and texts of thousands of digits cannot be parsed at all.
_Whole = Annotated[int, Query(ge=-(2**63), lt=2**63)]
_Number = Annotated[int, Path(ge=-(2**63), lt=2**63)]
_LONGEST_PATH = 200
# Bytes that the other fields of an upload may add to the picture.
_FORM_BYTES = 2**16
# What a page may load: nothing from elsewhere, and no script.
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
)
# Bokeh on the page of the map needs inline script and style, and evaluates its callbacks.
_MAP_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
)
# The report of a release is one file that loads nothing.
_REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; "
    "frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
)


class _AnyText(Convertor[str]):
    """A part of a URL that may hold anything, slashes and line ends too: ids come from labs."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anytext", _AnyText())


@dataclass(frozen=True)
class Site:
    """What the pages of one explorer share: the open releases, uploaded pictures, templates, and error messages.

    lends: whether Neuroglancer's pages may fetch volumes and maps from here.
    """

    releases: Releases
    uploads: Uploads
    templates: Jinja2Templates
    describe_error: ErrorMessages
    lends: bool = False

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page from a template."""
        dataset = str(values.get("dataset"))
        words = self.words(dataset)
        values = {
            "words": words,
            "noun": words("synapse"),
            "without_paths": self.describe_error.without_paths,
            **values,
        }
        return self.templates.TemplateResponse(request, template, values, status_code=status)

    def words(self, dataset: str) -> Callable[[str], str]:
        """What gives a text in the words of the chain of an entry; as it is for no entry."""
        entry = self.releases.entries.get(dataset)
        return chain_of(entry.dataset).in_words if entry else str

    def opened(self, dataset: str, page: str) -> tuple[Warehouse, Dataset]:
        """The release and the dataset of an entry whose chain has that page. Raises HTTPException (404) for another."""
        warehouse, described = self.releases(dataset), self.releases.entries[dataset].dataset
        if page not in chain_of(described).pages:
            raise HTTPException(404)
        return warehouse, described

    def refusal(self, request: Request, reason: str, status: int) -> Response:
        """An error response: a page, or JSON below /api and for who asks for that."""
        if request.url.path.startswith("/api/") or request.headers.get("accept") == "application/json":
            return JSONResponse({"error": reason}, status_code=status)
        name = request.path_params.get("dataset", "")
        return self.page(request, "sorry.html", status, dataset=name, active="", reason=reason)

    def header(self, dataset: str, active: str) -> str:
        """The top of every page, as HTML."""
        return self.templates.get_template("header.html").render(dataset=dataset, active=active)

    def default_question(self, dataset: str, warehouse: Warehouse) -> Question:
        """The search unless the URL says otherwise."""
        return pages.default_question(self.releases.entries[dataset].dataset, warehouse)


def create_app(
    datasets: Sequence[Dataset],
    data_root: str | FilePath,
    url: str = "http://127.0.0.1:8050",
    host: str = "127.0.0.1",
    labelling: bool = False,
) -> FastAPI:
    """The explorer of these datasets as an ASGI application. `url`: where users reach it, if not on this machine itself.
    `host`: where it listens. `labelling`: whether who has a token may label; without it nothing here writes.

    A page that cannot be made says why in a sentence, with status 404 for what does not exist and 400 for invalid requests.
    Raises ValueError for a `url` that is no http(s) address.
    """
    entries = explorer_entries(datasets)
    releases = Releases(entries, data_root)
    titles = {entry.name: entry.title for entry in entries}
    pages_of = {entry.name: chain_of(entry.dataset).pages_of(entry.dataset) for entry in entries}
    templates = Jinja2Templates(env=template_environment(urls.IN_TEMPLATES, "", titles, pages_of))
    labelled = [entry.name for entry in entries if labelling and getattr(entry.dataset, "labelling", None)]
    templates.env.globals["labelled"] = labelled
    place = Place(url, "SYNAPSE_EXPLORER_URL", host)
    messages = ErrorMessages([str(data_root), local_root_of(str(data_root))])
    site = Site(releases, Uploads(), templates, messages, lends=place.is_this_machine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        releases.close()

    app = FastAPI(title="synapse_assets explorer", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    # Bokeh has its own files at /static.
    app.mount("/look", StaticFiles(directory=LOOK), name="look")
    mapped = [entry.name for entry in entries if "map" in chain_of(entry.dataset).pages]
    _add_policy(app, site, {f"/{name}/map" for name in mapped})
    # The outermost layer.
    app.add_middleware(Guard, place=place, lent=Lent(precomputed.LENT, neuroglancer.VIEWER) if site.lends else None)
    _add_refusals(app, site)
    # Before the others, whose paths match any text.
    if labelling:
        resolve_name("synapse_assets.explorer.labelling:add_labelling")(app, site, str(data_root))
    for path in dict.fromkeys(chain_of(dataset).own_pages for dataset in datasets):
        if path:
            resolve_name(path)(app, site)
    _add_pages(app, site)
    _add_neurons(app, site)
    _add_explanations(app, site)
    _add_search(app, site)
    _add_pictures(app, site)
    _add_records(app, site)
    add_maps(app, releases, mapped, site.header, site.uploads, "/look", site.describe_error, site.words)
    return app


def _add_policy(app: FastAPI, site: Site, maps: Collection[str]) -> None:
    @app.middleware("http")
    async def whole_answers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Sets what the page may load; answers any error with an error page."""
        try:
            response = await call_next(request)
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:
            response = site.refusal(request, site.describe_error(error, request.url.path), 500)
        # Pages with scripts of their own have brought theirs.
        response.headers.setdefault("Content-Security-Policy", _MAP_POLICY if request.url.path in maps else _POLICY)
        return response


def _add_refusals(app: FastAPI, site: Site) -> None:
    def missing(request: Request) -> str:
        path = request.url.path
        return f"There is no such page: {path if len(path) <= _LONGEST_PATH else f'{path[:_LONGEST_PATH]}...'}"

    @app.exception_handler(BadInput)
    async def sorry(request: Request, error: BadInput) -> Response:
        status = 404 if isinstance(error, (UnknownNeuron, UnknownPicture)) else 400
        return site.refusal(request, site.describe_error(error, request.url.path), status)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        reason = missing(request) if error.status_code == 404 else str(error.detail)
        return site.refusal(request, reason, error.status_code)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        where, *names = error.errors()[0]["loc"]
        if where == "query":
            name = str(names[0])
            value = request.query_params.get(name)
            if value is None:
                return site.refusal(request, f"The address lacks {name}=", 400)
            reason = f"{name}: '{value[:40]}' is no whole number that means something here"
            return site.refusal(request, reason, 400)
        return site.refusal(request, missing(request), 404)


def _add_pages(app: FastAPI, site: Site) -> None:
    releases = site.releases

    @app.get("/", response_class=HTMLResponse)
    def start(request: Request) -> HTMLResponse:
        summaries = [pages.summary(releases, entry, site.describe_error) for entry in releases.entries.values()]
        return site.page(request, "start.html", dataset="", active="", entries=summaries)

    @app.get("/favicon.ico", response_class=RedirectResponse)
    def icon() -> str:
        return "/look/icon.svg"

    @app.get("/{dataset}/report", response_class=HTMLResponse)
    def report(dataset: str) -> HTMLResponse:
        releases(dataset)
        name = releases.entries[dataset].dataset.name
        try:
            with releases.folder(dataset).open(REPORT_FILE) as stream:
                return HTMLResponse(stream.read(), headers={"Content-Security-Policy": _REPORT_POLICY})
        except FileNotFoundError:
            raise BadInput(f"{name} has no report yet: `synapse-assets report {name}` writes it") from None

    @app.get("/{dataset}", response_class=RedirectResponse)
    def front(dataset: str) -> str:
        releases(dataset)
        return f"/{dataset}/{next(iter(chain_of(releases.entries[dataset].dataset).pages))}"

    @app.get("/{dataset}/synapse", response_class=RedirectResponse)
    @app.get("/{dataset}/synapse/", response_class=RedirectResponse)
    def synapse_of_site(dataset: str, synapse_id: str) -> str:
        """Where a link to a card leads that comes from a web site of plain files (`site`), which has no address of its own for each."""
        releases(dataset)
        return urls.card_url(dataset, synapse_id)

    @app.get("/{dataset}/synapse/{synapse_id:anytext}", response_class=HTMLResponse)
    def synapse(request: Request, dataset: str, synapse_id: str, explain: str = "", method: str = "") -> HTMLResponse:
        warehouse, described = releases(dataset), releases.entries[dataset].dataset
        content = pages.synapse(warehouse, described, synapse_id, site.describe_error)
        if "explanations" in chain_of(described).pages and "sections" in content:
            own_id = content["facts"]["synapse_id"]
            content |= explanation_pages.of_card(warehouse, dataset, own_id, explain, method, site.describe_error)
        if "pictures" in chain_of(described).pages and warehouse.points.volumes is not None:
            content["of_picture"] = warehouse.points.volumes[warehouse.points.row(synapse_id)].as_py()
        return site.page(request, "synapse.html", dataset=dataset, active="", **content)

    @app.get("/{dataset}/gallery", response_class=HTMLResponse)
    def gallery(request: Request, dataset: str, seed: _Whole = 0) -> HTMLResponse:
        filters = read_filters(request.query_params.multi_items())
        content = pages.gallery(releases(dataset), filters, seed, site.describe_error)
        return site.page(request, "gallery.html", dataset=dataset, active="gallery", **content)

    @app.get("/{dataset}/clusters", response_class=HTMLResponse)
    def clusters(request: Request, dataset: str) -> HTMLResponse:
        content = pages.clusters(releases(dataset))
        return site.page(request, "clusters.html", dataset=dataset, active="clusters", **content)

    @app.get("/{dataset}/clusters/{number}", response_class=HTMLResponse)
    def cluster(request: Request, dataset: str, number: _Number, seed: _Whole = 0) -> HTMLResponse:
        content = pages.cluster(releases(dataset), number, seed, site.describe_error)
        return site.page(request, "cluster.html", dataset=dataset, active="clusters", **content)

    @app.get("/{dataset}/classes", response_class=HTMLResponse)
    def classes(request: Request, dataset: str) -> HTMLResponse:
        content = pages.classes(releases(dataset))
        return site.page(request, "classes.html", dataset=dataset, active="classes", **content)

    @app.get("/{dataset}/scorecard", response_class=HTMLResponse)
    def scorecard(
        request: Request,
        dataset: str,
        label: str = "",
        metric: str = "",
        synapse_id: str = "",
        left: str = "",
        right: str = "",
    ) -> HTMLResponse:
        warehouse, described = releases(dataset), releases.entries[dataset].dataset
        choice = Choice(label, metric, synapse_id, left, right)
        content = scorecard_page(warehouse, described, dataset, choice, site.describe_error)
        return site.page(request, "scorecard.html", dataset=dataset, active="scorecard", **content)


def _add_neurons(app: FastAPI, site: Site) -> None:
    @app.get("/{dataset}/neurons", response_class=HTMLResponse)
    def neurons(
        request: Request,
        dataset: str,
        answer: str = "",
        target: str = "",
        id: str = "",
        only: str = "",
        order: str = "",
        page: _Whole = 1,
    ) -> HTMLResponse:
        warehouse, described = site.opened(dataset, "neurons")
        wanted = NeuronRequest(answer, target, id.strip(), only, order or NeuronRequest.order)
        content = neurons_page(warehouse, described, dataset, wanted, page)
        return site.page(request, "neurons.html", dataset=dataset, active="neurons", **content)

    @app.get("/{dataset}/neuron_answers.csv")
    def neuron_answers(dataset: str) -> Response:
        warehouse, _ = site.opened(dataset, "neurons")
        return _csv(csv_text(plain_rows(warehouse.neurons())), f"{dataset}_neuron_answers.csv")

    @app.get("/{dataset}/neurons.csv")
    def codex_neurons(dataset: str) -> Response:
        warehouse, _ = site.opened(dataset, "neurons")
        return _csv(csv_text(warehouse.codex_neurons()), f"{dataset}_neurons.csv")

    @app.get("/{dataset}/neuron/{neuron_id:anytext}", response_class=HTMLResponse)
    def neuron(request: Request, dataset: str, neuron_id: str, order: str = "", page: _Whole = 1) -> HTMLResponse:
        warehouse, described = site.opened(dataset, "neurons")
        number = read_neuron_id(warehouse, neuron_id)
        content = neuron_page(warehouse, described, dataset, number, order == "least", page, site.describe_error)
        return site.page(request, "neuron.html", dataset=dataset, active="", **content)

    @app.get("/{dataset}/classifiers", response_class=HTMLResponse)
    def classifiers(request: Request, dataset: str, split: str = "") -> HTMLResponse:
        warehouse, _ = site.opened(dataset, "classifiers")
        content = classifiers_page(warehouse, dataset, split)
        return site.page(request, "classifiers.html", dataset=dataset, active="classifiers", **content)


def _add_explanations(app: FastAPI, site: Site) -> None:
    @app.get("/{dataset}/explanations", response_class=HTMLResponse)
    def explanations(
        request: Request, dataset: str, classifier: str = "", method: str = "", chosen_as: str = "", page: _Whole = 1
    ) -> HTMLResponse:
        warehouse, _ = site.opened(dataset, "explanations")
        content = explanation_pages.explanations(warehouse, dataset, classifier, method, chosen_as, page)
        return site.page(request, "explanations.html", dataset=dataset, active="explanations", **content)

    @app.get("/{dataset}/differences", response_class=HTMLResponse)
    def differences(request: Request, dataset: str) -> HTMLResponse:
        warehouse, _ = site.opened(dataset, "differences")
        content = explanation_pages.differences(warehouse, dataset)
        return site.page(request, "differences.html", dataset=dataset, active="differences", **content)

    @app.get("/{dataset}/alike", response_class=HTMLResponse)
    def alike(request: Request, dataset: str, synapse_id: str, other: str) -> HTMLResponse:
        warehouse, _ = site.opened(dataset, "search")
        content = explanation_pages.compared(warehouse, dataset, synapse_id, other)
        return site.page(request, "alike.html", dataset=dataset, active="search", **content)

    @app.get("/{dataset}/explained/{synapse_id:anytext}.png")
    def explained(dataset: str, synapse_id: str, classifier: str, method: str, release: str | None = None) -> Response:
        site.opened(dataset, "explanations")
        opened = site.releases.of(dataset, release)
        return released_png(explanation_pages.stored_overlay(opened, synapse_id, classifier, method), release)

    @app.get("/{dataset}/explain/{synapse_id:anytext}.png")
    def explain(dataset: str, synapse_id: str, classifier: str, method: str, release: str | None = None) -> Response:
        site.opened(dataset, "explanations")
        opened = site.releases.of(dataset, release)
        return released_png(explanation_pages.computed_overlay(opened, synapse_id, classifier, method), release)

    @app.get("/{dataset}/alike.png")
    def alike_map(dataset: str, synapse_id: str, other: str, release: str | None = None) -> Response:
        site.opened(dataset, "search")
        return released_png(
            explanation_pages.alike_overlay(site.releases.of(dataset, release), synapse_id, other), release
        )


def released_png(content: bytes, release: str | None) -> Response:
    """A picture of a release, which never changes; None: of the current one, after which the same id may have another picture."""
    caching = "no-cache" if release is None else "private, max-age=86400, immutable"
    return Response(content, media_type="image/png", headers={"Cache-Control": caching})


def _csv(text: str, filename: str) -> Response:
    """A table to save. filename: of letters, digits and signs that need no quoting in a header."""
    return Response(text, media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{filename}"'})


def _add_search(app: FastAPI, site: Site) -> None:
    releases, uploads = site.releases, site.uploads

    @app.get("/{dataset}/search", response_class=HTMLResponse)
    def search(request: Request, dataset: str) -> HTMLResponse:
        warehouse, described = releases(dataset), releases.entries[dataset].dataset
        default = site.default_question(dataset, warehouse)
        try:
            question = read_question(request.query_params.multi_items(), default)
            content = pages.search(warehouse, described, dataset, question, uploads)
        except BadInput as error:
            form = pages.search_form(warehouse, _as_far_as_clear(request, default), bool(described.tile_volumes))
            reason = site.describe_error(error, request.url.path)
            return site.page(request, "search.html", 400, dataset=dataset, active="search", reason=reason, **form)
        return site.page(request, "search.html", dataset=dataset, active="search", **content)

    @app.post("/{dataset}/search", response_class=RedirectResponse)
    async def upload(request: Request, dataset: str) -> Response:
        warehouse = await run_in_threadpool(releases, dataset)
        shape = await run_in_threadpool(lambda: warehouse.picture_shape)
        size = request.headers.get("content-length", "")
        if not size.isdigit() or len(size) > 12 or int(size) > most_bytes(shape) + _FORM_BYTES:
            raise BadInput(
                f"the file is too large, or does not say how large it is: at most {most_bytes(shape) / 2**20:.1f} MB are read"
            )
        async with request.form(max_files=1, max_fields=1000) as form:
            picture = form.get("picture")
            data = b"" if picture is None or isinstance(picture, str) else await picture.read()
            options = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]

        def search_query() -> str:
            if not data:
                raise BadInput("no file was chosen")
            changes = {"synapse_id": "", "place_nm": None, "upload": uploads.keep(read_picture(data, shape))}
            return read_question(options, site.default_question(dataset, warehouse)).query_string(**changes)

        return RedirectResponse(f"/{dataset}/search?{await run_in_threadpool(search_query)}", status_code=303)


def _add_pictures(app: FastAPI, site: Site) -> None:
    releases = site.releases

    @app.get("/{dataset}/tiles/{synapse_id:anytext}.png")
    def tile(dataset: str, synapse_id: str, section: _Whole | None = None, release: str | None = None) -> Response:
        return released_png(pages.section_png(releases.of(dataset, release).tile(synapse_id), section), release)

    @app.get("/{dataset}/uploads/{name}.png")
    def uploaded(dataset: str, name: str) -> Response:
        releases(dataset)
        return Response(pages.section_png(site.uploads.picture(name), None), media_type="image/png")

    @app.get("/{dataset}/place.png")
    def place(dataset: str, at: Annotated[str, "x,y,z in nanometres"]) -> Response:
        return Response(pages.place_png(releases(dataset), at), media_type="image/png")


def _add_records(app: FastAPI, site: Site) -> None:
    @app.get("/api/{dataset}/similar")
    def api_similar(request: Request, dataset: str) -> JSONResponse:
        warehouse = site.releases(dataset)
        question = read_question(request.query_params.multi_items(), site.default_question(dataset, warehouse))
        return JSONResponse(pages.similar_records(warehouse, question))

    @app.get("/api/{dataset}/synapses/{synapse_id:anytext}")
    def api_synapse(dataset: str, synapse_id: str) -> JSONResponse:
        warehouse = site.releases(dataset)
        return JSONResponse(pages.records(warehouse.points.frame([warehouse.points.row(synapse_id)]))[0])


def _as_far_as_clear(request: Request, default: Question) -> Question:
    """The search, so that the form keeps what the user filled in; the default where it cannot be read."""
    try:
        return read_question(request.query_params.multi_items(), default)
    except BadInput:
        return default
