"""Serves the maps: one session for each open page, which only that page joins, and which ends with it.

Panel's own integration with FastAPI is not used: it adds a route that imports any module named in a URL, takes the session from
the URL, opens websockets to any origin, and keeps closed sessions. What a map is belongs to `page`.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import panel.io.fastapi  # noqa: F401 -- makes bokeh_fastapi render pages of Panel
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.contexts import ApplicationContext
from bokeh.util.token import check_token_signature, get_token_payload
from bokeh_fastapi import BokehFastAPI
from bokeh_fastapi.handler import DocHandler, WSHandler
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import HTMLResponse
from panel.io.application import build_applications
from panel.io.document import extra_socket_handlers
from starlette.websockets import WebSocketDisconnect
from tornado.ioloop import IOLoop

from synapse_assets.errors import BadInput

if TYPE_CHECKING:
    from bokeh.protocol.message import Message

# How long a session without a page is kept, for slow browsers, and how often that is checked.
UNUSED_MS, POLL_MS = 10_000, 2_000
_LOG = logging.getLogger(__name__)
# Properties of its own session that a page may change, by type of model; everything else is changed by the server alone.
_CHANGED_BY_PAGES: Mapping[str, frozenset[str]] = {
    "figure": frozenset({"inner_width", "inner_height", "outer_width", "outer_height"}),
    "Range1d": frozenset({"start", "end"}),
    "CustomSelect": frozenset({"value"}),
    "CheckboxGroup": frozenset({"active"}),
    "FileDownload": frozenset({"clicks"}),
    "MultiChoice": frozenset({"value"}),
    "RadioButtonGroup": frozenset({"active"}),
    "Slider": frozenset({"value", "value_throttled"}),
    "Spinner": frozenset({"value", "value_throttled"}),
    "TextInput": frozenset({"value", "value_input"}),
    "Toggle": frozenset({"active"}),
}
_EVENTS_OF_PAGES = frozenset(
    {
        "button_click",
        "document_ready",
        "doubletap",
        "enter-pressed",
        "mouseleave",
        "mousemove",
        "pan",
        "panstart",
        "selectiongeometry",
        "tap",
    }
)
_MESSAGES_OF_PAGES = frozenset({"PATCH-DOC", "PULL-DOC-REQ", "SERVER-INFO-REQ"})
# Kinds of event values that create no object.
_PLAIN_KINDS = frozenset({"bytes", "event", "map", "number", "typed_array"})
# Limits of one message: its changes, and the bytes of all its parts.
_MOST_CHANGES, _MOST_BYTES = 1_000, 4 * 2**20
# The URL of a map goes into its token, which has to fit one websocket header.
_LONGEST_ADDRESS = 4_000


def add_pages(app: FastAPI, pages: Mapping[str, Callable[[], Any]], titles: Mapping[str, str]) -> None:
    """Adds a page at each path, and below /static what pages of Bokeh and Panel load.

    pages: by path, the function that makes a page. titles: of the browser window, by path.
    """
    # A key of this process alone: nobody else can make a session id or the token that joins it.
    server = BokehFastAPI(
        {},
        app=app,
        secret_key=secrets.token_bytes(32),
        sign_sessions=True,
        check_unused_sessions_milliseconds=POLL_MS,
        unused_session_lifetime_milliseconds=UNUSED_MS,
        include_headers=[],
        include_cookies=[],
    )
    for path, application in build_applications(dict(pages), title=dict(titles), location=False).items():
        application.add(DocumentLifecycleHandler())
        context = server._applications[path] = ApplicationContext(application, url=path)
        _add_page(app, path, server, context)


def _add_page(app: FastAPI, path: str, server: BokehFastAPI, context: ApplicationContext) -> None:
    @app.get(path, response_class=HTMLResponse)
    async def page(request: Request) -> HTMLResponse:
        if len(request.url.query) > _LONGEST_ADDRESS:
            raise BadInput(
                f"the address of this map is too long, {len(request.url.query):,} characters of at most {_LONGEST_ADDRESS:,}: open the "
                "map without it, and choose there"
            )
        # Always a session of its own, whatever the URL requests.
        answer: HTMLResponse = await DocHandler(server, context).get(request, None)
        return answer

    @app.websocket(f"{path}/ws")
    async def socket(websocket: WebSocket) -> None:
        await _Socket(server, context).ws_connect(websocket)


class _Socket(WSHandler):
    """The websocket of one open page."""

    async def ws_connect(self, websocket: WebSocket) -> None:
        """Joins the page's session until the page is closed; a token of another server is refused."""
        token = self._token(websocket)
        if token is None:
            await websocket.close(1008, "this map was opened by another server: open it again")
            return
        if self.application_context.io_loop is None:
            # After a restart a page may come back before any is opened.
            self.application_context._loop = IOLoop.current()
        self._socket = websocket
        await websocket.accept("bokeh")
        try:
            await self._async_open(websocket, token)
            await self._receive_loop()
        except (WebSocketDisconnect, ProtocolError) as error:
            _LOG.debug("a map was closed: %r", error)
        except Exception:
            _LOG.exception("the connection of a map failed")
        finally:
            if self.connection is not None:
                self.application.client_lost(self.connection)

    def _token(self, websocket: WebSocket) -> str | None:
        """The token of the page, if this server signed it and it has not expired."""
        protocols = websocket.scope["subprotocols"]
        if len(protocols) != 2 or protocols[0] != "bokeh":
            return None
        token = str(protocols[1])
        try:
            signed = check_token_signature(token, secret_key=self.application.secret_key, signed=True)
            expires = get_token_payload(token).get("session_expiry", 0) if signed else 0
        except Exception:
            # A text that is not a token fails in many ways.
            return None
        return token if expires > time.time() else None

    async def _protocol_error(self, message: str) -> None:
        raise ProtocolError(message)

    async def _internal_error(self, message: str) -> None:
        raise ProtocolError(message)

    async def _receive_loop(self) -> None:
        size = 0
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            part = frame["text"] if frame.get("text") is not None else frame["bytes"]
            size += len(part)
            if size > _MOST_BYTES:
                raise ProtocolError("the message is too long")
            try:
                message = await self._receive(part)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise ProtocolError(f"no message of Bokeh's: {error!r}") from error
            if message is None:
                continue
            size = 0
            if message.msgtype not in _MESSAGES_OF_PAGES:
                raise ProtocolError(f"{message.msgtype} is not for pages")
            if message.msgtype == "PATCH-DOC":
                self._keep_what_pages_may_change(message)
            reply = await self._handle(message)
            if reply and reply.msgtype == "ERROR":
                # Bokeh has logged the error; pages must not see the program's paths.
                reply.content = {"text": "this could not be done", "traceback": None}
            if reply:
                await self.send_message(reply)

    def _keep_what_pages_may_change(self, message: "Message[Any]") -> None:
        """Removes changes from a message that only the server may make: texts of panes, addresses to open, whole models."""
        models = self.connection.session.document.models

        def is_allowed(event: Any) -> bool:
            if event["kind"] == "MessageSent":
                data = event["msg_data"]
                return event["msg_type"] == "bokeh_event" and data["name"] in _EVENTS_OF_PAGES and _is_plain(data)
            if event["kind"] == "ModelChanged":
                kind = type(models.get_by_id(event["model"]["id"])).__name__
                return event["attr"] in _CHANGED_BY_PAGES.get(kind, ()) and _is_simple(event["new"])
            return False

        allowed: list[Any] = []
        refused: list[Any] = []
        try:
            if len(message.content["events"]) > _MOST_CHANGES:
                raise ProtocolError("a message has too many changes")
            for event in message.content["events"]:
                (allowed if is_allowed(event) else refused).append(event)
        except (AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ProtocolError(f"no change of Bokeh's: {error!r}") from error
        if refused:
            _LOG.warning("a page wanted to change what it may not, %d times: %.300r", len(refused), refused[0])
            message.content["events"] = allowed


# Panel looks up how to send changes by the type of socket.
extra_socket_handlers[_Socket] = extra_socket_handlers[WSHandler]


def _is_simple(value: Any) -> bool:
    """Whether the value of a widget is a number or a text, or a list of them."""
    parts = value if isinstance(value, list) else [value]
    return all(part is None or isinstance(part, bool | int | float | str) for part in parts)


def _is_plain(value: Any) -> bool:
    """Whether the data of an event consists of numbers, texts, lists and ids of models: nothing that creates an object.

    Bytes inside the text are unpacked when they are read, to any size; browsers send bytes beside the text.
    """
    if isinstance(value, dict):
        kind = value.get("type")
        if set(value) != {"id"} and kind not in _PLAIN_KINDS:
            return False
        if kind == "bytes" and not isinstance(value.get("data"), dict):
            return False
        return all(_is_plain(part) for part in value.values())
    return all(_is_plain(part) for part in value) if isinstance(value, list) else _is_simple(value)
