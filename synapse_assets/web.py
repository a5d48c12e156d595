"""What stands between a browser and every page that we serve, the explorer's and Dagster's: who is answered, and for how long.

A port on 127.0.0.1 is within reach of every web page that is open on the same machine: it can send requests there, and with a
name of its own that it lets point to 127.0.0.1 (DNS rebinding) it could read the answers. `Guard` answers our own pages alone;
`serve` ends requests that are never completed. What the pages are belongs to `explorer` and to Dagster; docs/threat_model.md
says what is trusted and what is not.
"""

import asyncio
import logging
import re
import signal
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h11
import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from synapse_assets.settings import NETLOC, server_of

# From its first byte to its last; a tile is uploaded in seconds.
REQUEST_DEADLINE_S = 60.0
# What the library of websockets takes, less what it adds.
_LONGEST_LINE = 8_000
# Browsers send us clicks and outlines.
_LONGEST_FRAME = 2**20
# When a server ends, open maps are asked to close, and then dropped.
_GRACE_S = 5
_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 -- nothing is bound here
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LOG = logging.getLogger(__name__)
# Defaults of every page: no embedding, framing, type guessing or opener for pages of other sites.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
# What a refusal may load.
_NOTHING = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}


@dataclass(frozen=True)
class Place:
    """Under which names a server is reached.

    url: the address that people use. setting: the variable that holds it, for the advice in a refusal. host: where it listens.
    Raises ValueError for a url that is no http(s) address of one server.
    """

    url: str
    setting: str
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        server_of(self.url)

    @property
    def is_this_machine(self) -> bool:
        """Whether people use it on the machine that it runs on, as far as `url` says."""
        return self._public[0] in _THIS_MACHINE

    @cached_property
    def _public(self) -> tuple[str, int]:
        _, name, port = server_of(self.url)
        return name, port

    def is_ours(self, host: str) -> bool:
        """Whether the value of a Host header is a name of this server."""
        bound = () if self.host in EVERYWHERE else (f"[{self.host}]" if ":" in self.host else self.host.lower(),)
        match = NETLOC.fullmatch(host.lower())
        return match is not None and match[1] in (*_THIS_MACHINE, *bound, self._public[0])

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether the value of an Origin header is the origin of our own pages: this server's, or that of `url`."""
        try:
            scheme, *origin_server = server_of(origin)
            _, *own_server = server_of(f"{scheme}://{host}")
        except ValueError:
            return False
        # What has more than scheme, name and port is no origin.
        is_origin = origin.count("/") == 2 and not set("?#\\") & set(origin)
        # On this machine other ports are other servers.
        is_public = origin_server == list(self._public) and self._public[0] not in _THIS_MACHINE
        return is_origin and (origin_server == own_server or is_public)


def is_this_machine(host: str) -> bool:
    """Whether the value of a Host header is a name that every machine has for itself."""
    match = NETLOC.fullmatch(host.lower())
    return match is not None and match[1] in _THIS_MACHINE


@dataclass(frozen=True)
class Lent:
    """What the pages of one other site may read of a server on the same machine, by GET.

    paths: the whole path of an address. origin: of that site.
    """

    paths: re.Pattern[str]
    origin: str


class Guard:
    """An ASGI layer that answers requests of our own pages, of people who follow a link, and of programs; of no other web page.

    - The Host header has to name this server (`Place.is_ours`): a page that lets a name of its own point here gets nothing.
    - What a browser says comes from another origin (Origin, Sec-Fetch-Site) is answered only if it opens a page in a window: a
      link. Images, frames, scripts, forms and fetches of other sites are refused.
    - A websocket has to say its Origin, and has to be opened by one of our pages: no rule of the browser protects those.
    - What is `lent` to one other site is answered to its pages too, and says so to the browser (Access-Control-Allow-Origin), where the
      Host is a name of the browser's own machine.

    Programs send none of these headers, and are answered: whoever can run programs on this machine needs no trick. Every answer has
    `HEADERS`. Refusals are 400 (Host) and 403, with a sentence.
    """

    def __init__(self, app: ASGIApp, place: Place, lent: Lent | None = None) -> None:
        self._app, self._place, self._lent = app, place, lent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._is_lent(scope):
                    headers.add_vary_header("Origin")
                if refusal is None and self._borrows(scope) and self._lent is not None:
                    headers["Access-Control-Allow-Origin"] = self._lent.origin
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        elif scope["type"] == "websocket":
            _LOG.warning("a websocket was refused: %s", refusal[1])
            await send({"type": "websocket.close", "code": 1008, "reason": "not of this site"})
        else:
            status, reason = refusal
            answer = PlainTextResponse(f"{reason}\n", status, _NOTHING)
            await answer(scope, receive, with_headers)

    def _is_lent(self, scope: Scope) -> bool:
        """Whether it is an address of what another site may read."""
        return self._lent is not None and self._lent.paths.fullmatch(scope["path"]) is not None

    def _borrows(self, scope: Scope) -> bool:
        """Whether a page of the other site reads what it is lent."""
        if self._lent is None or scope["type"] != "http" or scope["method"] != "GET" or not self._is_lent(scope):
            return False
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        return len(hosts) == 1 and is_this_machine(hosts[0]) and origins == [self._lent.origin]

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason, if the request is not answered."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host = hosts[0] if len(hosts) == 1 else ""
        if "content-length" in headers and "transfer-encoding" in headers:
            return 400, "A request says how long it is once: by Content-Length or by Transfer-Encoding."
        if not self._place.is_ours(host):
            return 400, f"This server is not called {_quoted(host)}. {self._advice(f'http://{host}')}"
        if self._borrows(scope):
            return None
        foreign = [origin for origin in origins if not self._place.is_own_origin(origin, host)]
        if foreign or len(origins) > 1:
            reason = f"This server answers its own pages alone, not those of {_quoted(origins[-1])}."
            return 403, f"{reason} {self._advice(origins[-1])}"
        if scope["type"] == "websocket":
            return None if origins else (403, "A websocket that does not say its Origin is not opened.")
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return None
        follows_a_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if follows_a_link and scope["method"] in _SAFE_METHODS:
            return None
        return 403, "This server answers its own pages alone: open it in a window of its own."

    def _advice(self, address: str) -> str:
        """What to do if the refused name is right after all."""
        try:
            server_of(address)
        except ValueError:
            return "On this machine it is reached at 127.0.0.1 or localhost."
        return f"If people are meant to reach it there, start it with {self._place.setting}={address}"


def _quoted(value: str) -> str:
    return repr(value if len(value) <= 100 else f"{value[:100]}...") if value else "nothing"


class _DeadlineProtocol(H11Protocol):
    """HTTP/1.1 whose requests have to be complete within `REQUEST_DEADLINE_S` of their first byte, or of the connection."""

    _deadline: asyncio.TimerHandle | None = None
    _is_websocket = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if max(len(event.target), *(len(value) for _, value in event.headers)) > _LONGEST_LINE:
            # The protocol of websockets would neither answer nor end.
            self.send_400_response("The address or a header is too long for a websocket.")
            return
        self._is_websocket = True
        super().handle_websocket_upgrade(event)

    def _watch(self) -> None:
        incomplete = self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self._is_websocket
        if incomplete and self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_DEADLINE_S, self._end)
        elif not incomplete:
            self._forget()

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()


def server_config(app: ASGIApp, host: str, port: int, **options: Any) -> uvicorn.Config:
    """How we serve: incomplete requests are ended, messages of websockets bounded, and open maps do not hold up the end."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_DeadlineProtocol,
        log_level="warning",
        server_header=False,
        ws_max_size=_LONGEST_FRAME,
        timeout_graceful_shutdown=_GRACE_S,
        **options,
    )


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Serves until Ctrl-C or SIGTERM, which raise KeyboardInterrupt once open requests are answered."""
    end_on_signals()
    uvicorn.Server(server_config(app, host, port)).run()


def end_on_signals() -> None:
    """SIGTERM and a closed terminal do what Ctrl-C does, also where a shell has made its background deaf to that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
