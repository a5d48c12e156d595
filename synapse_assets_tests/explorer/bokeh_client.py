"""A page of the map without a browser: speaks Bokeh's protocol as a page does, or as it should not."""

import json
import re
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect


def token_of(address: str) -> str:
    """The token that a map's page was given."""
    page = httpx.get(address, timeout=60).raise_for_status().text
    return str(re.findall(r'"token":"([^"]+)"', page)[0])


def joined(address: str, token: str, origin: str | None) -> ClientConnection:
    """A websocket as a page opens it."""
    return connect(
        address.replace("http", "ws").partition("?")[0] + "/ws",
        subprotocols=["bokeh", token],  # type: ignore[list-item]
        origin=origin,  # type: ignore[arg-type]
        max_size=2**27,
        open_timeout=20,
    )


class Client:
    """An open map. `pictures`: the sizes in bytes of all that it was sent beside texts."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self.socket = joined(address, token or token_of(address), "/".join(address.split("/")[:3]))
        assert self.message()[0]["msgtype"] == "ACK"
        self.pictures: list[int] = []

    def message(self, seconds: float = 20) -> tuple[dict[str, Any], Any]:
        header, _, content = (json.loads(self.socket.recv(seconds)) for _ in range(3))
        for _ in range(header.get("num_buffers", 0)):
            self.socket.recv(seconds)
            self.pictures.append(len(self.socket.recv(seconds)))
        return header, content

    def send(self, kind: str, content: Any) -> None:
        for part in ({"msgid": "1", "msgtype": kind}, {}, content):
            self.socket.send(json.dumps(part))

    def ask(self, kind: str, content: Any) -> Any:
        """The reply, whatever is sent in between."""
        self.send(kind, content)
        while True:
            header, answer = self.message()
            if "reqid" in header:
                return answer

    def document(self) -> str:
        return json.dumps(self.ask("PULL-DOC-REQ", {}))

    def patch(self, *events: dict[str, Any]) -> None:
        self.ask("PATCH-DOC", {"events": list(events)})

    def ready(self) -> None:
        """As a page does once it stands."""
        event = {"type": "event", "name": "document_ready", "values": {"type": "map"}}
        self.patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event})

    def models(self, name: str) -> list[str]:
        """Ids of the parts of that kind."""
        return re.findall(rf'"name": "{re.escape(name)}", "id": "(p\d+)"', self.document())


def changed(model: str, attr: str, new: Any) -> dict[str, Any]:
    return {"kind": "ModelChanged", "model": {"id": model}, "attr": attr, "new": new}
