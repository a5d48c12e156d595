"""What a web page of somebody else's, or a crafted request, can do to the explorer. See docs/threat_model.md."""

import csv
import io
import json
import logging
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import dagster as dg
import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bokeh.util.token import generate_jwt_token, get_session_id
from fastapi import FastAPI
from PIL import Image
from starlette.routing import Match, Mount
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from synapse_assets import web
from synapse_assets.errors import BadInput
from synapse_assets.explorer import create_app, pages
from synapse_assets.explorer.map import add_maps
from synapse_assets.explorer.map import sessions as map_sessions
from synapse_assets.explorer.map.page import MapPage
from synapse_assets.explorer.map.rendering import MOST_CORNERS, MOST_PIXELS, Plane, Window
from synapse_assets.explorer.messages import ErrorMessages
from synapse_assets.explorer.uploads import most_bytes, read_picture
from synapse_assets.query import Warehouse, open_warehouse
from synapse_assets.settings import Settings
from synapse_assets.stores.spreadsheets import csv_text
from synapse_assets_tests.conftest import TILE_PX, Lab
from synapse_assets_tests.explorer.bokeh_client import Client, changed, joined, token_of
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.explorer.labelled import ROUND, Labelled
from synapse_assets_tests.explorer.test_map import FIGURE, UPLOADS, Planted, no_header, planted
from synapse_assets_tests.explorer.test_uploads import BOMBS
from synapse_assets_tests.foreign import ForeignSite, foreign_browser, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SHAPE = (3, TILE_PX, TILE_PX)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium that finds the foreign page; in the place of the plain one."""
    with foreign_browser() as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[ForeignSite]:
    """The foreign page."""
    served = ForeignSite()
    yield served
    served.stop()


@pytest.fixture
def visitor(browser: "Browser") -> Iterator["Page"]:
    """The page of a person who visits somebody else's site."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def client(explorer: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=explorer, timeout=60) as opened_client:
        yield opened_client


def asked(url: str, request: bytes, seconds: float = 10) -> bytes:
    """What the server answers to bytes, until it ends the connection: a reset where it has left some of them unread."""
    host, _, port = url.removeprefix("http://").partition(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as connection, suppress(ConnectionError):
        connection.sendall(request)
        while block := connection.recv(65_536):
            answer += block
    return answer


def status(url: str, *headers: str, method: str = "GET", path: str = "/") -> int:
    """Status of a request with exactly these headers."""
    lines = [f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]
    return int(asked(url, "\r\n".join(lines).encode("latin-1")).split()[1])


# Which routes there are


ROUTES = {
    "/": {"GET"},
    "/favicon.ico": {"GET"},
    "/{dataset}": {"GET"},
    "/{dataset}/search": {"GET", "POST"},
    "/{dataset}/synapse": {"GET"},
    "/{dataset}/synapse/": {"GET"},
    "/{dataset}/synapse/{synapse_id:anytext}": {"GET"},
    "/{dataset}/gallery": {"GET"},
    "/{dataset}/report": {"GET"},
    "/{dataset}/clusters": {"GET"},
    "/{dataset}/clusters/{number}": {"GET"},
    "/{dataset}/classes": {"GET"},
    "/{dataset}/neurons": {"GET"},
    "/{dataset}/neuron/{neuron_id:anytext}": {"GET"},
    "/{dataset}/neuron_answers.csv": {"GET"},
    "/{dataset}/neurons.csv": {"GET"},
    "/{dataset}/classifiers": {"GET"},
    "/{dataset}/explanations": {"GET"},
    "/{dataset}/differences": {"GET"},
    "/{dataset}/alike": {"GET"},
    "/{dataset}/alike.png": {"GET"},
    "/{dataset}/explain/{synapse_id:anytext}.png": {"GET"},
    "/{dataset}/explained/{synapse_id:anytext}.png": {"GET"},
    "/{dataset}/scorecard": {"GET"},
    "/{dataset}/tiles/{synapse_id:anytext}.png": {"GET"},
    "/{dataset}/uploads/{name}.png": {"GET"},
    "/{dataset}/place.png": {"GET"},
    "/api/{dataset}/similar": {"GET"},
    "/api/{dataset}/synapses/{synapse_id:anytext}": {"GET"},
    "/tiny/map": {"GET"},
    "/tiny/map/ws": {"websocket"},
    "/look": {"files"},
    "/static": {"files"},
    "/static/extensions/panel": {"files"},
}


def test_there_are_exactly_these_routes(finished_lab: Lab) -> None:
    """A package that adds one is noticed here. Every route is behind the guard, which is the first layer."""
    app = create_app([finished_lab.dataset], finished_lab.root)
    found: dict[str, set[str]] = {}
    for route in app.routes:
        methods = {"files"} if isinstance(route, Mount) else set(getattr(route, "methods", None) or {"websocket"})
        found.setdefault(route.path, set()).update(methods)  # type: ignore[attr-defined]
    assert {path: methods for path, methods in found.items() if "files" in methods} == {
        path: methods for path, methods in ROUTES.items() if "files" in methods
    }
    assert found == ROUTES
    assert app.user_middleware[0].cls is web.Guard


EXAMPLES = [
    "/", "/favicon.ico", "/tiny", "/tiny/search", "/tiny/search?synapse_id=s010", "/tiny/synapse/s010", "/tiny/gallery", "/tiny/report",
    "/tiny/clusters", "/tiny/clusters/0", "/tiny/classes", "/tiny/tiles/s010.png", "/tiny/uploads/x.png", "/tiny/place.png?at=0,0,0",
    "/api/tiny/similar?synapse_id=s010", "/api/tiny/synapses/s010", "/tiny/map", "/look/explorer.css", "/static/js/bokeh.min.js",
    "/static/extensions/panel/panel.min.js", "/nothing/at/all", "/tiny/gallery?seed=x",
    "/tiny/scorecard", "/tiny/scorecard?synapse_id=s010&metric=euclidean", "/tiny/neurons", "/tiny/neuron/720575940600000001",
    "/tiny/neurons.csv", "/tiny/neuron_answers.csv", "/tiny/classifiers", "/tiny/explanations", "/tiny/differences",
    "/tiny/alike?synapse_id=s010&other=s020", "/tiny/alike.png?synapse_id=s010&other=s020",
    "/tiny/synapse?synapse_id=s010", "/tiny/synapse/?synapse_id=s010",
    "/tiny/explain/s010.png?classifier=linear_probe&method=occlusion", "/tiny/explained/s010.png?classifier=linear_probe&method=occlusion",
]  # fmt: skip


def test_every_route_has_an_example(finished_lab: Lab) -> None:
    app = create_app([finished_lab.dataset], finished_lab.root)
    asked_for: set[str] = set()
    for address in EXAMPLES:
        scope = {"type": "http", "method": "GET", "path": address.partition("?")[0], "root_path": "", "headers": []}
        asked_for.update(route.path for route in app.routes if route.matches(scope)[0] is Match.FULL)  # type: ignore[attr-defined]
    assert asked_for == {path for path, methods in ROUTES.items() if methods != {"websocket"}}


@pytest.mark.parametrize("path", EXAMPLES)
def test_every_route_has_the_headers_and_refuses_other_sites(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (200, 307, 400, 404)
    for name, value in web.HEADERS.items():
        assert answer.headers[name] == value, name
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert ("script-src" in policy) == (path == "/tiny/map")
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert client.get(path, headers=embedded).status_code == 403
    assert client.get(path, headers={"Origin": "http://evil.test"}).status_code == 403
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get(path, headers=followed).status_code == answer.status_code, "a link from a mail is followed"


# One address ends the server


@pytest.mark.parametrize(
    "path",
    [
        "/components/typer.__main__/x/__css__/y",
        "/components/antigravity/x/__css__/y",
        "/components/panel.template/Template/_resources/css/y",
        "/components/%74yper.__main__/x/__css__/y",
        "/component-resources/typer.__main__/x/__css__/y",
        "/static/components/typer.__main__/x/__css__/y",
        "/tiny/map/components/typer.__main__/x/__css__/y",
        "/autoload.js",
        "/tiny/map/autoload.js",
        "/tiny/map/metadata",
        "/admin",
        "/liveness",
        "/rest/session_info",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_address_imports_or_tells_more(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (400, 404)
    assert client.get("/").status_code == 200


def test_an_image_on_a_foreign_page_does_not_end_the_server(
    visitor: "Page", site: ForeignSite, explorer: str, client: httpx.Client
) -> None:
    opened(visitor, site, f'<img src="{explorer}/components/typer.__main__/x/__css__/y">')
    assert client.get("/").status_code == 200


# Names of the server


@pytest.mark.parametrize(
    "host",
    [
        "evil.test", "evil.test:{port}", "127.0.0.1.evil.test", "localhost.evil.test", "evil-localhost", "localhost.", "127.0.0.2",
        "127.1", "2130706433", "0x7f000001", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "127.0.0.1@evil.test", "evil.test#127.0.0.1",
        "127.0.0.1/evil", "127.0.0.1:80:80", "127.0.0.1:x", "*", "", " ", "127.0.0.1, evil.test", "localhost\t.evil.test",
        "127.0.0.1\\@evil.test",         "LOCALHOST.EVIL.TEST", "127.0.0.1%00", "[127.0.0.1]", "localhost:99999999",
    ],
)  # fmt: skip
def test_other_names_of_this_machine_are_not_answered(explorer: str, host: str) -> None:
    assert status(explorer, f"Host: {host.replace('{port}', explorer.rpartition(':')[2])}") == 400


def test_names_of_this_machine_are_answered(explorer: str) -> None:
    port = explorer.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", "127.0.0.1", "localhost", f"LocalHost:{port}", "[::1]:9"):
        assert status(explorer, f"Host: {host}") == 200, host
    assert status(explorer, "Host: localhost", "Host: evil.test") == 400
    assert status(explorer, "Host: localhost", "X-Forwarded-Host: evil.test") == 200
    assert int(asked(explorer, b"GET / HTTP/1.0\r\n\r\n").split()[1]) == 400


@pytest.mark.parametrize(
    ("url", "host", "answered"),
    [
        ("https://synapses.lab.org", "synapses.lab.org", True),
        ("https://synapses.lab.org", "synapses.lab.org:443", True),
        ("https://synapses.lab.org", "lab.org", False),
        ("https://synapses.lab.org", "evil.synapses.lab.org", False),
        ("http://192.168.1.5:8050", "192.168.1.5:8050", True),
        ("http://[fd00::5]:8050", "[fd00::5]:8050", True),
    ],
)
def test_the_name_that_the_lab_gives_is_answered(url: str, host: str, answered: bool) -> None:
    assert web.Place(url, "SYNAPSE_EXPLORER_URL").is_ours(host) is answered


def test_only_a_public_name_is_an_origin_beside_the_one_that_is_asked() -> None:
    """The default address is that of a development server where ours listens on another port."""
    place = web.Place("http://127.0.0.1:8050", "SYNAPSE_EXPLORER_URL")
    assert place.is_own_origin("http://127.0.0.1:9000", "127.0.0.1:9000")
    assert not place.is_own_origin("http://127.0.0.1:8050", "127.0.0.1:9000")
    public = web.Place("https://synapses.lab.org", "SYNAPSE_EXPLORER_URL")
    assert public.is_own_origin("https://synapses.lab.org", "127.0.0.1:8050")
    assert public.is_own_origin("https://synapses.lab.org:443", "synapses.lab.org")
    assert not public.is_own_origin("http://synapses.lab.org", "127.0.0.1:8050")


def test_where_it_listens_is_a_name_of_it() -> None:
    assert web.Place("http://127.0.0.1:8050", "X", "10.1.2.3").is_ours("10.1.2.3:8050")
    for everywhere in ("0.0.0.0", "::"):
        assert not web.Place("http://127.0.0.1:8050", "X", everywhere).is_ours(everywhere)


@pytest.mark.parametrize(
    "url",
    ["http://*", "http://*.lab.org", "*", "lab.org", "ftp://lab.org", "http://", "http://a b", "http://u:p@lab.org", "http://lab.org:99999",
     "http://lab,org", "javascript:alert(1)"],
)  # fmt: skip
def test_an_address_that_would_open_the_server_to_all_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, finished_lab: Lab
) -> None:
    for name in ("SYNAPSE_EXPLORER_URL", "SYNAPSE_UI_URL"):
        with monkeypatch.context() as patch:
            patch.setenv(name, url)
            with pytest.raises(BadInput, match=f"^{name}: .*https://synapses.example.org"):
                Settings()
    with pytest.raises(ValueError, match="has to be an http"):
        create_app([finished_lab.dataset], finished_lab.root, url)


def test_a_name_that_points_here_shows_nothing(visitor: "Page", explorer: str) -> None:
    """DNS rebinding: evil.test is 127.0.0.1, so the page would be of the same origin as the explorer."""
    answer = visitor.goto(explorer.replace("127.0.0.1", "evil.test") + "/tiny/search?synapse_id=s010")
    assert answer is not None
    assert answer.status == 400
    assert "This server is not called 'evil.test" in visitor.inner_text("body")
    assert "s010" not in visitor.inner_text("body")


# Requests of other pages


def test_a_foreign_page_loads_and_sends_nothing(
    visitor: "Page", site: ForeignSite, explorer: str, client: httpx.Client
) -> None:
    statuses: dict[str, int] = {}
    failed: list[str] = []
    visitor.on("response", lambda answer: statuses.update({answer.url.removeprefix(explorer): answer.status}))
    visitor.on("requestfailed", lambda request: failed.append(request.url.removeprefix(explorer)))
    opened(
        visitor,
        site,
        f"""<img id=tile src="{explorer}/tiny/tiles/s010.png"><script src="{explorer}/api/tiny/similar?synapse_id=s010"></script>
        <link rel=stylesheet href="{explorer}/look/explorer.css"><iframe id=frame src="{explorer}/tiny/map"></iframe>
        <object data="{explorer}/tiny/search"></object><embed src="{explorer}/tiny/gallery">
        <script>fetch("{explorer}/tiny/classes", {{mode: "no-cors"}}).catch(() => 0)</script>""",
    )
    assert visitor.evaluate("document.getElementById('tile').naturalWidth") == 0
    assert {answer for address, answer in statuses.items() if address.startswith("/")} == {403}, statuses
    assert {"/tiny/tiles/s010.png", "/api/tiny/similar?synapse_id=s010", "/look/explorer.css", "/tiny/classes"} <= set(
        failed
    )
    # A form, with a picture that would be kept.
    image = io.BytesIO()
    Image.new("L", (3 * TILE_PX, TILE_PX), 77).save(image, format="PNG")
    name = UPLOADS.keep(read_picture(image.getvalue(), SHAPE))
    script = f"""async bytes => {{
        const form = new FormData();
        form.append("picture", new Blob([new Uint8Array(bytes)]), "a.png");
        await fetch("{explorer}/tiny/search", {{method: "POST", body: form, mode: "no-cors"}}).catch(() => 0);
    }}"""
    visitor.evaluate(script, list(image.getvalue()))
    assert client.get(f"/tiny/uploads/{name}.png").status_code == 400, "it was not kept"
    # A link is followed.
    opened(visitor, site, f'<a href="{explorer}/tiny/synapse/s010">look</a>')
    visitor.get_by_text("look").click()
    visitor.wait_for_url("**/tiny/synapse/s010")
    assert "s010" in visitor.inner_text("h1, h2")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": "file://"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.test"},
        {"Origin": "http://127.0.0.1:{port}/"},
        {"Origin": "http://127.0.0.1:{port}#evil"},
        {"Origin": "http://evil@127.0.0.1:{port}"},
        {"Origin": "chrome-extension://abc"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_what_is_sent_by_other_pages_is_refused(client: httpx.Client, explorer: str, headers: dict[str, str]) -> None:
    sent = {name: value.replace("{port}", explorer.rpartition(":")[2]) for name, value in headers.items()}
    assert client.post("/tiny/search", files={"picture": b"x"}, headers=sent).status_code == 403
    own = {"Origin": explorer, "Sec-Fetch-Site": "same-origin"}
    assert client.post("/tiny/search", files={"picture": b"x"}, headers=own).status_code == 400, "it is no picture"
    assert client.post("/tiny/search", files={"picture": b"x"}).status_code == 400, "a program says no origin"


def test_behind_a_proxy_the_public_origin_is_ours(finished_lab: Lab) -> None:
    """A reverse proxy asks for 127.0.0.1 and passes on the Origin of the page."""
    served = Served(create_app([finished_lab.dataset], finished_lab.root, "https://synapses.lab.org"))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as proxy:
            for origin, expected in (("https://synapses.lab.org", 400), ("https://other.lab.org", 403)):
                found = proxy.post("/tiny/search", files={"picture": b"x"}, headers={"Origin": origin})
                assert found.status_code == expected
                assert ("SYNAPSE_EXPLORER_URL=https://other.lab.org" in found.text) == (expected == 403)
    finally:
        served.stop()


def test_a_foreign_page_labels_nothing(
    browser: "Browser", site: ForeignSite, labelled_once: Labelled, tmp_path: Path
) -> None:
    """Though the person who visits it is logged in, and though it knows an item and its tile. Other routes: `test_labelling`."""
    lab = labelled_once.again(tmp_path / "data")
    served = Served(create_app([lab.dataset], lab.root, labelling=True))
    context = browser.new_context()
    person = context.new_page()
    try:
        person.goto(f"{served.url}/labelling#token={lab.tokens['Ada']}")
        person.wait_for_selector(".labeller")
        tile_hash = lab.store.tiles.read_ids(["s000"], ["tile_hash"]).column(0)[0].as_py()
        answer = {"answer_id": "a", "round": ROUND, "item": "s000", "answer": "gaba", "tile_hash": tile_hash}
        opened(
            person,
            site,
            f"""<form id=form method=post enctype=text/plain action="{served.url}/labelling/tiny/answers">
            <input name='{json.dumps(answer)[:-1]}, "x": "' value='"}}'></form><form id=out method=post
            action="{served.url}/labelling/logout"></form><iframe name=inside></iframe>
            <img src="{served.url}/labelling/tiny/answers.csv"><iframe src="{served.url}/labelling/tiny"></iframe>
            <script>document.getElementById("out").target = "inside"; document.getElementById("out").submit()</script>""",
        )
        for mode in ("no-cors", "cors"):
            sent = {"method": "POST", "body": json.dumps(answer), "credentials": "include", "mode": mode}
            person.evaluate(
                "([url, options]) => fetch(url, options).catch(() => 0)", [f"{served.url}/labelling/tiny/answers", sent]
            )
        with person.expect_navigation():
            person.evaluate("document.getElementById('form').submit()")
        assert "answers its own pages alone" in person.inner_text("body")
        person.goto(f"{served.url}/labelling")
        assert person.inner_text(".labeller b") == "Ada", "it is still logged in"
    finally:
        context.close()
        served.stop()
    assert not lab.store.annotation_log.path.exists()


# Websockets and sessions


@pytest.fixture(scope="module")
def maps() -> Iterator[str]:
    """A server of maps of few and of many points."""
    releases: dict[str, Any] = {"few": Planted(planted(500)), "many": Planted(planted(30_000))}
    app = FastAPI()
    add_maps(app, lambda name: releases[name], list(releases), no_header, UPLOADS)
    app.add_middleware(web.Guard, place=web.Place("http://127.0.0.1:8050", "SYNAPSE_EXPLORER_URL"))
    served = Served(app)
    yield served.url
    served.stop()


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", "file://", None, "http://127.0.0.1:1", "http://localhost:{port}", "http://127.0.0.1.evil.test"]
)  # fmt: skip
def test_other_pages_join_no_map(explorer: str, origin: str | None) -> None:
    address = f"{explorer}/tiny/map"
    said = origin.replace("{port}", explorer.rpartition(":")[2]) if origin else None
    with pytest.raises(InvalidStatus, match="403"):
        joined(address, token_of(address), said)
    joined(address, token_of(address), explorer).close()


def test_a_foreign_page_reads_no_map(visitor: "Page", site: ForeignSite, explorer: str) -> None:
    token = token_of(f"{explorer}/tiny/map")
    opened(visitor, site, "")
    found = visitor.evaluate(
        """([url, token]) => new Promise(done => {
            const socket = new WebSocket(url, ["bokeh", token]);
            socket.onmessage = message => done(message.data);
            socket.onerror = () => done("refused");
        })""",
        [explorer.replace("http", "ws") + "/tiny/map/ws", token],
    )
    assert found == "refused"


def test_tokens_that_are_not_ours_open_nothing(maps: str) -> None:
    address = f"{maps}/few/map"
    made = {
        "unsigned": generate_jwt_token("fixed", signed=False),
        "other key": generate_jwt_token("fixed", b"x" * 32, signed=True),
    }
    real = token_of(address)
    expired = generate_jwt_token("fixed", b"x" * 32, signed=True, expiration=-10)
    for token in (*made.values(), real[:-2] + "xx", real.split(".")[0], "", "x", "." * 9, expired, "é".encode().hex()):
        with pytest.raises((InvalidStatus, ValueError)):
            joined(address, token or "-", maps)
    with pytest.raises(InvalidStatus, match="403"):
        connect(address.replace("http", "ws") + "/ws", origin=maps)  # type: ignore[arg-type]
    joined(address, real, maps).close()


def test_a_session_is_not_chosen_by_the_address(maps: str) -> None:
    found = {
        get_session_id(token_of(f"{maps}/few/map{query}"))
        for query in ("?bokeh_session_id=fixed", "?bokeh_session_id=fixed", "?bokeh-session-id=fixed", "")
    }
    assert len(found) == 4
    assert "fixed" not in found


def test_a_page_that_comes_back_after_a_restart_breaks_nothing() -> None:
    """A websocket before the first page is opened: refused if of another server, and what follows works."""

    def started() -> Served:
        app = FastAPI()
        releases: dict[str, Any] = {name: Planted(planted(100)) for name in ("few", "more")}
        add_maps(app, lambda name: releases[name], list(releases), no_header, UPLOADS)
        return Served(app)

    before, after = started(), started()
    try:
        token = token_of(f"{before.url}/few/map")
        with pytest.raises(InvalidStatus, match="403"):
            joined(f"{after.url}/few/map", token, after.url)
        other = token_of(f"{after.url}/few/map")
        for name in ("few", "more"):
            client = Client(f"{after.url}/{name}/map", other)
            client.ready()
            assert f"Map of {name}" in client.document()
            client.socket.close()
    finally:
        before.stop()
        after.stop()


def test_a_client_changes_only_what_widgets_change(maps: str) -> None:
    address = f"{maps}/few/map"
    client = Client(address)
    client.ready()
    before = client.document()
    (figure,) = client.models("figure") or client.models("Figure")
    panes = re.findall(r'"name": "panel.models.markup.HTML", "id": "(p\d+)"', before)
    marker = "<b>hacked</b>"
    attacks = [
        changed(figure, "tags", ["javascript:hacked"]),
        changed(figure, "title", {"type": "object", "name": "Title", "id": "x1", "attributes": {"text": marker}}),
        changed(figure, "js_property_callbacks", {"type": "map", "entries": []}),
        changed(figure, "inner_width", {"type": "object", "name": "CustomJS", "id": "x2", "attributes": {"code": "hacked"}}),
        changed(figure, "stylesheets", ["hacked"]),
        changed(figure, "name", "hacked"),
        *(changed(pane, "text", marker) for pane in panes),
        *(changed(pane, "stylesheets", ["hacked"]) for pane in panes[:1]),
        {"kind": "TitleChanged", "title": "hacked"},
        {"kind": "RootAdded", "model": {"type": "object", "name": "Div", "id": "x3", "attributes": {"text": marker}}},
        {"kind": "RootRemoved", "model": {"id": figure}},
        {"kind": "ColumnDataChanged", "model": {"id": figure}, "attr": "data", "data": {"type": "map", "entries": []}},
        {"kind": "MessageSent", "msg_type": "other", "msg_data": {"name": "hacked"}},
        {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": {"type": "event", "name": "hacked"}},
    ]  # fmt: skip
    assert len(panes) > 3
    for attack in attacks:
        client.patch(attack)
    after = client.document()
    assert "hacked" not in after
    assert len(after) > 0.9 * len(before)
    # What a widget does still arrives, also beside an attack.
    (select,) = client.models("panel.models.widgets.CustomSelect")
    client.patch(changed(figure, "tags", ["javascript:hacked"]), changed(select, "value", "cluster"))
    found = client.document()
    assert "hacked" not in found
    assert '"value": "cluster"' in found
    client.socket.close()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("PUSH-DOC", {"doc": {"version": "3.9.2", "title": "hacked", "roots": []}}),
        ("NONSENSE", {}),
        ("PATCH-DOC", {}),
        ("PATCH-DOC", {"events": 1}),
        ("PATCH-DOC", {"events": ["x"]}),
        ("PATCH-DOC", {"events": [{}]}),
        ("PATCH-DOC", []),
    ],
)
def test_other_messages_end_the_connection_and_no_other(
    maps: str, kind: str, content: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bystander, client = Client(f"{maps}/few/map"), Client(f"{maps}/few/map")
    with suppress(ConnectionClosed):  # the server may end it before all is sent
        client.send(kind, content)
    with pytest.raises(ConnectionClosed):
        client.message()
    assert "Map of few" in bystander.document()
    assert "hacked" not in bystander.document()
    bystander.socket.close()
    assert not [record for record in caplog.records if record.exc_info], "nothing for the log"


@pytest.mark.parametrize("frame", ["no json", "[1, 2", b"\x00\xff", "null", '{"msgtype": 5}'])
def test_frames_that_are_no_messages_end_the_connection(maps: str, frame: str | bytes) -> None:
    client = Client(f"{maps}/few/map")
    with suppress(ConnectionClosed):  # the server may end it before all is sent
        for _ in range(3):
            client.socket.send(frame)
    with pytest.raises(ConnectionClosed):
        client.message()


def test_a_page_goes_only_to_addresses_of_this_server(visitor: "Page", maps: str) -> None:
    visitor.goto(f"{maps}/few/map")
    visitor.get_by_text("synapses shown").wait_for(timeout=60_000)
    for address in (
        "javascript:window.hacked=1", "//evil.test/x", "/\\evil.test/x", "/\t/evil.test/x", "\\\\evil.test", "http://evil.test",
        "data:text/html,x", "/\n/evil.test", " javascript:window.hacked=1", "few/map",
    ):  # fmt: skip
        visitor.evaluate(f"address => {{ {FIGURE}.tags = [address] }}", address)
        visitor.wait_for_timeout(50)
        assert visitor.url == f"{maps}/few/map", address
        assert visitor.evaluate("window.hacked") is None
    visitor.evaluate(f"{FIGURE}.tags = ['/many/map?colour=target']")
    visitor.wait_for_url(f"{maps}/many/map?colour=target")


# Sizes that a client says


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (12_000, 12_000),
        (10**9, 1),
        (1, 10**9),
        (10**9, 10**9),
        (4_000, 4_001),
        (16_000_000, 2),
        (3, 15_999_999),
        (10**15, 10**15),
    ],
)
def test_a_picture_has_at_most_16_megapixels(width: int, height: int) -> None:
    window = Window((0.0, 1.0), (2.0, 4.0), width, height).at_most(MOST_PIXELS)
    assert window.width_px >= 1 <= window.height_px
    assert window.width_px * window.height_px <= MOST_PIXELS == 16_000_000
    assert (window.x, window.y) == ((0.0, 1.0), (2.0, 4.0)), "the same part is seen"
    if max(width, height) < 100_000:
        assert window.width_px / window.height_px == pytest.approx(width / height, rel=0.001), "as wide as it is high"


def test_a_usual_window_stays_as_it_is() -> None:
    for width, height in ((696, 451), (3_840, 2_160), (4_000, 4_000)):
        window = Window((0.0, 1.0), (0.0, 1.0), width, height)
        assert window.at_most(MOST_PIXELS) == window


def test_a_map_that_says_to_be_huge_is_sent_a_bounded_picture(maps: str) -> None:
    client = Client(f"{maps}/many/map")
    client.ready()
    (figure,) = client.models("figure") or client.models("Figure")
    client.patch(changed(figure, "inner_width", 12_000), changed(figure, "inner_height", 12_000))
    deadline = time.monotonic() + 60
    while not client.pictures and time.monotonic() < deadline:
        client.document()
        time.sleep(0.2)
    assert 0 < max(client.pictures) <= 4 * MOST_PIXELS
    # And ranges that are none draw nothing, and end nothing.
    for model in client.models("Range1d"):
        client.patch(changed(model, "start", {"type": "number", "value": "nan"}), changed(model, "end", 1e308))
        client.patch(changed(model, "start", "text"))
    assert "Map of many" in client.document()
    client.socket.close()


def test_a_lasso_of_a_million_corners_is_thinned() -> None:
    plane = Plane(planted(2_000))
    shown = np.ones(len(plane), dtype=bool)
    turns = np.linspace(0, 2 * np.pi, 1_000_000)
    started = time.perf_counter()
    found = plane.inside({"type": "poly", "x": 0.5 * np.cos(turns), "y": 0.5 * np.sin(turns)}, shown)
    assert time.perf_counter() - started < 3
    inside = np.flatnonzero(plane.x**2 + plane.y**2 <= 0.25)
    assert len(np.setxor1d(found, inside)) <= 2
    assert MOST_CORNERS == 5_000


# What stays


def test_closed_maps_go_and_leave_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import gc

    from bokeh.server.contexts import ApplicationContext

    monkeypatch.setattr(map_sessions, "UNUSED_MS", 300)
    monkeypatch.setattr(map_sessions, "POLL_MS", 100)
    app = FastAPI()
    release: Any = Planted(planted(2_400))
    add_maps(app, lambda _: release, ["closed"], no_header, UPLOADS)
    served = Served(app)

    def pages_left() -> int:
        gc.collect()
        return sum(type(one) is MapPage and one._dataset == "closed" for one in gc.get_objects())

    def sessions() -> int:
        """Those of this server; others may have some."""
        found = [one for one in gc.get_objects() if type(one) is ApplicationContext and one.url == "/closed/map"]
        return len(list(found[0].sessions))

    try:
        with caplog.at_level(logging.WARNING):
            kept = Client(f"{served.url}/closed/map")
            for number in range(16):
                client = Client(
                    f"{served.url}/closed/map?synapse_id={quote(release.points.ids[number].as_py(), safe='')}"
                )
                client.ready()
                if number % 2:
                    client.socket.close()
                else:
                    # As where a machine falls asleep.
                    client.socket.socket.shutdown(socket.SHUT_RDWR)
            deadline = time.monotonic() + 20
            assert sessions() >= 1, "one is still open"
            kept.socket.close()
            while sessions() and time.monotonic() < deadline:
                time.sleep(0.2)
        assert sessions() == 0
        while (left := pages_left()) and time.monotonic() < deadline + 10:
            time.sleep(0.5)
        assert left <= 1, "the last may be held by a timer of Panel's"
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    finally:
        served.stop()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"POST /tiny/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf",
        b"POST /tiny/search HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nx",
    ],
    ids=["nothing", "one byte", "headers", "body", "chunks", "no body", "a second request"],
)
def test_half_sent_requests_are_ended(
    explorer: str, monkeypatch: pytest.MonkeyPatch, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(web, "REQUEST_DEADLINE_S", 0.6)
    host, _, port = explorer.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=8) as connection:
        connection.settimeout(0.3)
        ended, due = False, sent
        for _ in range(20):
            try:
                connection.sendall(due)
                due = b""
                if not connection.recv(65_536):
                    ended = True
                    break
            except TimeoutError:
                # A byte now and then does not make it last.
                due = b"x"
            except ConnectionError:
                ended = True
                break
        assert ended, "it is still open"
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_an_upload_of_100_megabytes_is_refused_before_it_is_read(explorer: str, client: httpx.Client) -> None:
    answer = asked(explorer, b"POST /tiny/search HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                             b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000000\r\n\r\n--x")  # fmt: skip
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"too large" in answer
    chunked = ["Host: 127.0.0.1", "Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=x"]
    assert status(explorer, *chunked, method="POST", path="/tiny/search") == 400
    assert status(explorer, *chunked, "Content-Length: 10", method="POST", path="/tiny/search") == 400
    for length in ("9" * 5_000, "-1", "1e3", "１２"):
        found = status(
            explorer,
            "Host: 127.0.0.1",
            f"Content-Length: {length.encode('utf-8').decode('latin-1')}",
            method="POST",
            path="/tiny/search",
        )
        assert found == 400
    assert most_bytes(SHAPE) < 2 * 2**20
    assert client.get("/").status_code == 200


def test_a_thousand_requests_and_six_pictures_at_once_are_answered(explorer: str) -> None:
    paths = ("/", "/tiny/search?synapse_id=s010", "/tiny/tiles/s010.png", "/nothing", "/tiny/gallery?seed=x")

    def ask(number: int) -> int:
        with httpx.Client(base_url=explorer, timeout=60) as asking:
            found = {asking.get(paths[(number + at) % len(paths)]).status_code for at in range(50)}
        return max(found)

    def send(number: int) -> int:
        data = list(BOMBS.values())[number]()
        return httpx.post(f"{explorer}/tiny/search", files={"picture": ("x.png", data)}, timeout=60).status_code

    with ThreadPoolExecutor(20) as people:
        asked = [people.submit(ask, number) for number in range(20)]
        sent = [people.submit(send, number) for number in range(6)]
        assert {one.result() for one in asked} == {400}, "the highest is that of a page that there is not"
        assert {one.result() for one in sent} == {400}


# What is told


def test_no_reason_names_a_folder(finished_lab: Lab, make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    served = Served(create_app([lab.dataset], lab.root))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as asking:
            for path in (
                "/",
                *(f"/tiny/{name}" for name in ("search", "gallery", "clusters", "classes", "synapse/s010")),
                "/api/tiny/similar",
            ):
                text = unescape(asking.get(path).text)
                assert (
                    "no warehouse at <data root>/tiny/warehouse.duckdb: materialise the asset tiny/warehouse" in text
                ), path
                assert str(lab.root) not in text
                assert str(lab.root.parent) not in text
    finally:
        served.stop()


def test_paths_are_shortened_and_names_are_not(tmp_path: Any) -> None:
    tell = ErrorMessages([f"{tmp_path}/my data/", "s3://bucket/lab"])

    def told(text: str) -> str:
        return tell(BadInput(text), "it")

    assert (
        told(f"no warehouse at {tmp_path}/my data/a/w.duckdb: do it") == "no warehouse at <data root>/a/w.duckdb: do it"
    )
    assert told("no warehouse at s3://bucket/lab/a/w.duckdb") == "no warehouse at <data root>/a/w.duckdb"
    assert told("s3://bucket/lab2/w and s3://bucket/lab.old") == "s3://bucket/lab2/w and s3://bucket/lab.old"
    assert told("it is s3://bucket/lab.") == "it is <data root>."
    relative = ErrorMessages(["data", "/"])
    assert relative.without_paths("no dataset 'data' in 1/2") == "no dataset 'data' in 1/2"
    assert relative.without_paths(f"{Path.cwd()}/data/x is gone") == "<data root>/x is gone"
    assert told("'/etc/passwd' cannot be read") == "'…/passwd' cannot be read"
    assert told("open /usr/lib/x.so, then /etc/hosts; (/tmp)") == "open …/x.so, then …/hosts; (…/tmp)"
    for name in (
        "materialise sample/warehouse",
        "no synapse '/nowhere/at/all'",
        "see https://a.b/usr/lib",
        "a/usr/lib",
        "1/2",
        "either / or",
    ):
        assert told(name) == name


def test_what_nobody_foresaw_is_in_the_log_alone(
    finished_lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("lance error at /home/somebody/secret.lance: <script>alert(1)</script>")

    monkeypatch.setattr(pages, "classes", fails)
    monkeypatch.setattr(pages, "records", fails)
    served = Served(create_app([finished_lab.dataset], finished_lab.root))
    try:
        for path in ("/tiny/classes", "/api/tiny/synapses/s010"):
            answer = httpx.get(served.url + path, timeout=60)
            assert answer.status_code == 500
            assert "secret" not in answer.text
            assert "lance" not in answer.text
            reference = re.findall(r"at ([0-9a-f]{8})", answer.text)[0]
            assert any(reference in record.getMessage() and record.exc_info for record in caplog.records)
            assert set(web.HEADERS) <= {name.title() for name in answer.headers} | {"X-Content-Type-Options"}
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    finally:
        served.stop()


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/tiny/gallery?seed={seed}"
            for seed in ("9" * 4_300, "-" + "9" * 5_000, "9" * 20, "1e3", "x", "", "1.5", "٣" * 30)
        ),
        *(f"/tiny/clusters/0?seed={seed}" for seed in ("9" * 4_300, "nan")),
        f"/tiny/tiles/s010.png?section={'9' * 4_300}",
        "/tiny/tiles/s010.png?section=x",
        f"/tiny/clusters/{'9' * 4_300}",
        "/tiny/place.png",
        f"/tiny/search?synapse_id=s010&k={'9' * 4_300}",
        f"/tiny/search?place={'9' * 4_300},1,1",
        f"/tiny/search?synapse_id=s010&near_nm={'9' * 4_300}",
        f"/tiny/gallery?score_least={'9' * 4_300}",
    ],
    ids=lambda path: path[:40],
)
def test_numbers_that_mean_nothing_are_told(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    (reason,) = re.findall(r'<p class="reason" role="alert">(.*?)</p>', answer.text, re.DOTALL)
    assert len(reason) < 500


def damaged(folder: Path) -> None:
    """Cuts every data file of a Lance table in half."""
    files = [file for file in folder.rglob("*.lance") if file.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])


def test_a_damaged_table_takes_down_only_what_it_holds(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    lab.whole_chain()
    tiles, vectors = next(lab.root.rglob("tiles.lance")), next((lab.root / "tiny" / "vectors").glob("*.lance"))
    kept = shutil.copytree(tiles, lab.root / "kept")
    damaged(tiles)
    served = Served(create_app([lab.dataset], lab.root))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as asking:
            card = asking.get("/tiny/synapse/s010")
            assert card.status_code == 200
            assert "the pictures of tiny cannot be read" in unescape(card.text)
            assert str(lab.root) not in card.text
            assert len(re.findall("<figure", card.text)) >= 8, (
                "what resembles it is found by the vectors, which are whole"
            )
            assert asking.get("/tiny/tiles/s010.png").status_code == 400
            for name in ("search?synapse_id=s010", "gallery", "clusters", "classes", "map"):
                assert asking.get(f"/tiny/{name}").status_code == 200, name
    finally:
        served.stop()
    # The advice: the folder from a backup, or removed and made again; both work.
    for restore in (lambda: shutil.copytree(kept, tiles), lambda: lab.everywhere("tiles")):
        shutil.rmtree(tiles)
        restore()
        lab.materialize("warehouse")
        served = Served(create_app([lab.dataset], lab.root))
        assert httpx.get(f"{served.url}/tiny/tiles/s010.png", timeout=60).status_code == 200
        served.stop()
    damaged(vectors)
    served = Served(create_app([lab.dataset], lab.root))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as asking:
            for name, said in (
                ("synapse/s010", "No neighbours are shown"),
                ("gallery", "The most typical are not shown"),
            ):
                page = asking.get(f"/tiny/{name}")
                assert page.status_code == 200
                assert f"{said}: the vectors of tiny cannot be read" in unescape(page.text)
            for name in ("clusters", "classes", "map", "tiles/s010.png"):
                assert asking.get(f"/tiny/{name}").status_code == 200, name
            assert asking.get("/tiny/search?synapse_id=s010").status_code == 400
    finally:
        served.stop()


@pytest.mark.parametrize(
    "hostile",
    [
        "\n",
        "\r\n",
        "\n\n/",
        "a\nb",
        " \n",
        "\t",
        "/a//b/",
        "?x=1#y",
        "%0a%2e",
        "\\",
        "é😀",
        ".png",
        "/map",
        "\u2028",
        "+ &;=,",
    ],
    ids=repr,
)
def test_ids_of_every_kind_have_an_address(hostile: str) -> None:
    """Read from an address as they are: the routes of cards, tiles and the interface for programs."""
    from synapse_assets.explorer.urls import card_url, tile_url

    app = create_app([], "nowhere")
    synapse_id = f"s010{hostile}x{hostile}"
    for address, name in ((card_url("d", synapse_id), "synapse"), (tile_url("d", "r", synapse_id), "tile")):
        request = httpx.Request("GET", f"http://127.0.0.1{address}")
        path = request.url.path
        scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
        first = next(route for route in app.routes if route.matches(scope)[0] is Match.FULL)
        assert first.name == name  # type: ignore[attr-defined]
        assert first.matches(scope)[1]["path_params"] == {"dataset": "d", "synapse_id": synapse_id}


# Ids as labs made them and older versions kept them, with the blanks around them; some are others without them.
KEPT = (
    "s0 ", " s1", "\ts2", "\u00a0s3\u00a0", "s4\u3000", "s5\x1f", "\u200bs6", "s7\n", "s010\nsecond line", "same", "same ", " same",
    "caf\u00e9", "cafe\u0301", "007", "7", "1e5", "100000", "a+b", "a b", "a%20b", "True", "12.0", " ",
)  # fmt: skip


@pytest.fixture(scope="module")
def kept_ids(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Warehouse]]:
    """Address of an explorer, and the release, of a lab whose ids were read as they stood in the file."""
    with pytest.MonkeyPatch.context() as patched, dg.DagsterInstance.ephemeral() as instance:
        patched.setattr("synapse_assets.sources.points.synapse_ids", lambda values, place: values.cast(pa.string()))
        lab = Lab(tiny_inputs, tmp_path_factory.mktemp("kept"), instance)
        points = pd.read_csv(lab.points)
        points["id"] = [*KEPT, *points["id"][len(KEPT) :]]
        points.to_csv(lab.points, index=False, quoting=csv.QUOTE_NONNUMERIC)
        lab.whole_chain()
    served = Served(create_app([lab.dataset], lab.root))
    with open_warehouse(lab.dataset, lab.root) as warehouse:
        yield served.url, warehouse
    served.stop()


def found_everywhere(kept_ids: tuple[str, Warehouse], asked: str) -> set[str]:
    """The ids that an explorer and the interface of Python find for a text, wherever an id may be given."""
    url, warehouse = kept_ids
    path, query = quote(asked, safe=""), urlencode({"synapse_id": asked})
    found = []
    with httpx.Client(base_url=url, timeout=60) as asking:
        for page in (f"/tiny/synapse/{path}", f"/tiny/search?{query}"):
            html = asking.get(page).raise_for_status().text
            cards = re.findall(r'<h1>Synapse (.*?)</h1>|<h2><a href="[^"]*">(.*?)</a></h2>', html, re.DOTALL)
            found.append(unescape("".join(cards[0])))
        found.append(asking.get(f"/api/tiny/synapses/{path}").raise_for_status().json()["synapse_id"])
        picture = asking.get(f"/tiny/tiles/{path}.png").raise_for_status().content
        similar = asking.get(f"/api/tiny/similar?{query}&columns=&k=5").raise_for_status().json()
    near = warehouse.similar(asked, k=5, leave_out_within_nm=TILE_PX * 4 / 2)
    assert [one["synapse_id"] for one in similar] == near["synapse_id"].tolist()
    known = found[0]
    assert picture == pages.section_png(warehouse.tile(known), None) == pages.section_png(warehouse.tile(asked), None)
    assert warehouse.probabilities(asked) == warehouse.probabilities(known) != {}
    return {*found, warehouse.points.frame([warehouse.points.row(asked)])["synapse_id"][0]}


@pytest.mark.parametrize("kept", KEPT, ids=repr)
def test_an_id_is_found_as_it_is_kept(kept_ids: tuple[str, Warehouse], kept: str) -> None:
    assert found_everywhere(kept_ids, kept) == {kept}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (" s030", "s030"), ("s030 ", "s030"), ("\ts030\r\n", "s030"), ("\ufeffs030\u200b", "s030"), ("s030\u2003", "s030"),
        ("\u00a0s030", "s030"), ("same\t", "same"), ("  007", "007"), (" a+b ", "a+b"), ("a b ", "a b"), ("1e5\x1c", "1e5"),
    ],
    ids=repr,
)  # fmt: skip
def test_blanks_around_a_pasted_id_are_none_of_it(kept_ids: tuple[str, Warehouse], asked: str, meant: str) -> None:
    assert found_everywhere(kept_ids, asked) == {meant}


@pytest.mark.parametrize(
    "asked", ["s0", "07", "1E5", "12", "true", "a  b", "a\u00a0b", "cafe", "second line"], ids=repr
)
def test_another_id_is_not_taken_for_it(kept_ids: tuple[str, Warehouse], asked: str) -> None:
    url, warehouse = kept_ids
    with pytest.raises(BadInput, match="no synapse '"):
        warehouse.similar(asked)
    answer = httpx.get(f"{url}/tiny/search", params={"synapse_id": asked}, timeout=60)
    assert answer.status_code == 400
    assert f"no synapse '{asked}' in this release" in unescape(answer.text)


@pytest.mark.parametrize("asked", ["\u00a0s3\u00a0"], ids=repr)
def test_the_map_finds_it_too(kept_ids: tuple[str, Warehouse], asked: str) -> None:
    url, warehouse = kept_ids
    known = warehouse.points.frame([warehouse.points.row(asked)])["synapse_id"][0]
    card = json.dumps(f"<h2>Synapse {known}</h2>")[1:-1]

    def wait_for(text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in unescape(unescape(client.document())):
            assert time.monotonic() < deadline, f"nothing shows {text}"
            time.sleep(0.05)

    client = Client(f"{url}/tiny/map?{urlencode({'synapse_id': asked})}")
    client.ready()
    wait_for(card)
    client.socket.close()
    client = Client(f"{url}/tiny/map")
    client.ready()
    wait_for("Rest on a point to see it")
    (find,) = client.models("panel.models.widgets.TextInput")
    values = {"type": "map", "entries": [["model", {"id": find}], ["value_input", asked]]}
    event = {"type": "event", "name": "enter-pressed", "values": values}
    client.patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event})
    wait_for(card)
    client.socket.close()


# Tables for spreadsheets


@pytest.mark.parametrize(
    "text",
    ["=HYPERLINK(\"http://evil.test\")", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "-"],
)  # fmt: skip
def test_cells_of_a_download_compute_nothing(text: str) -> None:
    rows = pd.DataFrame(
        {
            "synapse_id": [text, "plain"],
            "target": pd.Series([text, None], dtype="string"),
            "brain_region": pd.Categorical([text, "EB"]),
            "x_nm": [-1.5, 2.0],
            "cluster": pd.array([-1, None], dtype="Int32"),
        }
    )
    found = pd.read_csv(io.StringIO(csv_text(rows), newline=""), dtype=str, keep_default_na=False)
    assert found["synapse_id"].tolist() == [f"'{text}", "plain"]
    assert found["target"].tolist() == [f"'{text}", ""]
    assert found["brain_region"].tolist() == [f"'{text}", "EB"]
    assert found["x_nm"].astype(float).tolist() == [-1.5, 2.0], "a negative number is a number"
    assert found["cluster"].tolist() == ["-1", ""]


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/look/../server.py", "/look/%2e%2e/server.py", "/look/..%2fserver.py", "/look//etc/passwd", "/look/%2fetc%2fpasswd",
        "/static/..%2f..%2fetc/passwd", "/static/%00", "/static/extensions/panel/..%2f..%2f..%2f__init__.py",
        "/tiny/uploads/..%2f..%2fx.png",
        "/look/....//server.py", "/look/%c0%ae%c0%ae/server.py", "/static/js/..\\..\\x", "/look/.",
    ],
)  # fmt: skip
def test_no_path_leads_out(explorer: str, path: str) -> None:
    answer = asked(explorer, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert int(answer.split()[1]) in (400, 404, 405)
    assert b"root:" not in answer
    assert b"create_app" not in answer


@pytest.mark.parametrize("release", ["../x", "x' or '1'='1", "", "0" * 12, "%00", "*", "1; drop table synapses"])
def test_releases_and_filters_are_no_program(client: httpx.Client, release: str) -> None:
    assert client.get("/tiny/tiles/s010.png", params={"release": release}).status_code == 400
    for name in ("brain_region", "target", "cluster", "columns", "metric", "synapse_id"):
        assert (
            client.get(
                "/tiny/search", params={"synapse_id": "s010", name: f"{release}'); drop table synapses --"}
            ).status_code
            == 400
        )
    assert client.get("/tiny/synapse/s010").status_code == 200
