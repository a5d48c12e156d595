"""What one open map can send: values that unfold, endless messages, outlines that are none, long addresses."""

import base64
import gzip
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from synapse_assets.explorer.map import add_maps
from synapse_assets.explorer.map.rendering import is_outline
from synapse_assets_tests.explorer.bokeh_client import Client, changed
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.explorer.test_map import UPLOADS, Planted, no_header, planted


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a map of few points."""
    release: Any = Planted(planted(500))
    app = FastAPI()
    add_maps(app, lambda _: release, ["few"], no_header, UPLOADS)
    served = Served(app)
    yield f"{served.url}/few/map"
    served.stop()


def unpacked_to(megabytes: int) -> dict[str, Any]:
    """A value that unfolds when it is read."""
    data = base64.b64encode(gzip.compress(bytes(megabytes * 2**20), 1)).decode()
    shape = {"shape": [megabytes * 2**20], "dtype": "uint8", "order": "little"}
    return {"type": "ndarray", "array": {"type": "bytes", "data": data}, **shape}


def test_values_that_unfold_are_not_read(address: str, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(address)
    client.ready()
    (figure,) = client.models("figure") or client.models("Figure")
    ranges = client.models("Range1d")
    bomb = unpacked_to(40)
    geometry = {"type": "map", "entries": [["type", "poly"], ["x", {**bomb, "type": "typed_array"}], ["y", [0]]]}
    values = {"type": "map", "entries": [["model", {"id": figure}], ["geometry", geometry], ["final", True]]}
    event = {"type": "event", "name": "selectiongeometry", "values": values}
    before = psutil.Process().memory_info().rss
    for attack in (
        changed(ranges[0], "start", bomb),
        changed(figure, "inner_width", bomb["array"]),
        {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event},
    ):
        client.patch(attack)
    assert psutil.Process().memory_info().rss - before < 30 * 2**20
    refused = [record for record in caplog.records if "wanted to change what it may not" in record.getMessage()]
    assert len(refused) == 3
    client.socket.close()


def test_many_changes_and_long_messages_end_the_connection(address: str) -> None:
    bystander = Client(address)
    many, long, endless = (Client(address) for _ in range(3))
    started = time.perf_counter()
    with suppress(ConnectionClosed):
        many.send("PATCH-DOC", {"events": [{"kind": "x", "n": at} for at in range(16_000)]})
    with suppress(ConnectionClosed):
        long.send("PATCH-DOC", {"events": [{"kind": "x", "text": "x" * (2**20 + 1)}]})
    with suppress(ConnectionClosed):
        for part in ({"msgid": "1", "msgtype": "PATCH-DOC", "num_buffers": 10**9}, {}, {"events": []}):
            endless.socket.send(json.dumps(part))
        for at in range(40):
            endless.socket.send(json.dumps({"id": str(at)}))
            endless.socket.send(bytes(2**19))
    for client in (many, long, endless):
        with pytest.raises(ConnectionClosed):
            client.message()
    assert "Map of few" in bystander.document()
    assert time.perf_counter() - started < 10
    bystander.socket.close()


def test_what_fails_in_a_page_tells_no_folder(address: str) -> None:
    client = Client(address)
    client.ready()
    told = []
    for value in ("no number", True, ["x"], None):
        client.send("PATCH-DOC", {"events": [changed(client.models("Range1d")[0], "start", value)]})
        while "reqid" not in (answer := client.message())[0]:
            pass
        told.append(json.dumps(answer))
    assert any("this could not be done" in text for text in told), told
    assert not any("site-packages" in text or "Traceback" in text or "/synapse_assets" in text for text in told)
    client.socket.close()


@pytest.mark.parametrize(
    "geometry",
    [
        {},
        {"type": "poly"},
        {"type": "poly", "x": [], "y": []},
        {"type": "poly", "x": [1, 2], "y": [1]},
        {"type": "rect", "x0": 1},
        {"type": "poly", "x": [float("nan")], "y": [1]},
        {"type": "rect", "x0": float("inf"), "x1": 1, "y0": 0, "y1": 1},
        {"type": "poly", "x": "ab", "y": "cd"},
        {"type": "poly", "x": [[1, 2]], "y": [[1, 2]]},
        {"type": "poly", "x": 1, "y": 2},
        None,
        5,
        "poly",
    ],
    ids=repr,
)
def test_what_is_no_outline_surrounds_nothing(geometry: Any) -> None:
    assert not is_outline(geometry)


def test_outlines_are_told() -> None:
    assert is_outline({"type": "rect", "x0": 1, "x1": 2.5, "y0": np.float32(0), "y1": 3})
    assert is_outline({"type": "poly", "x": np.zeros(3, dtype=np.float32), "y": [1, 2, 3]})


@pytest.mark.parametrize("length", [100, 3_900, 4_100, 9_000])
def test_long_addresses_work_or_are_told(address: str, length: int) -> None:
    """What is asked for goes into the token, which the handshake of a websocket has to hold."""
    letters = np.random.default_rng(length).choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), length)
    asked = f"{address}?colour={''.join(letters)}"
    if length > 4_000:
        assert httpx.get(asked, timeout=60).status_code >= 400
    else:
        Client(asked).socket.close()


def test_a_websocket_with_a_long_address_is_answered(address: str) -> None:
    with pytest.raises(InvalidStatus, match="400"):
        connect(f"{address.replace('http', 'ws')}/ws?{'x' * 9_000}", open_timeout=5)
