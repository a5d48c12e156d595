"""A server on this machine that answers as a test tells it: too busy, gone, slow, with garbage."""

import functools
import http.server
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from synapse_assets.datasets import VolumeSpec
from synapse_assets_tests.volumes.conftest import smooth_grey, write_precomputed, zyx_values


class FaultyServer(http.server.ThreadingHTTPServer):
    """Serves a folder; `fault` answers the first `times` requests of every chunk file whose name contains `only`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), functools.partial(_Handler, directory=str(folder)))
        self.folder = folder
        self.url = f"http://{host}:{self.server_address[1]}/volume"
        self.fault: int | str | None = None
        self.only = ""
        self.times = 10**6
        self.requests: dict[str, list[float]] = defaultdict(list)
        self.over = threading.Event()

    def tries(self, name: str) -> list[float]:
        """Seconds between the requests for one chunk file."""
        times = next(times for path, times in self.requests.items() if path.endswith(name))
        return [b - a for a, b in pairwise(times)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that this test cuts are no news."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, FaultyServer)
        if self.path.endswith("info") and server.only != "info":
            return super().do_GET()
        server.requests[self.path].append(time.monotonic())
        if server.fault is None or server.only not in self.path or len(server.requests[self.path]) > server.times:
            return super().do_GET()
        if isinstance(server.fault, int):
            self._send(server.fault, b"no")
        elif server.fault == "garbage":
            self._send(200, b"this is no picture")
        elif server.fault == "slow":
            server.over.wait(10)
        else:
            if server.fault == "cut short":
                self.send_response(200)
                self.send_header("Content-Length", "4096")
                self.end_headers()
                self.wfile.write(b"x" * 100)
            self.close_connection = True
        return None

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def faulty_server(folder: Path) -> Iterator[FaultyServer]:
    """Serves `folder` on this machine, without fault until told otherwise."""
    with FaultyServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def served_spec(server: FaultyServer, encoding: str = "raw", **fields: Any) -> VolumeSpec:
    """The position volume (for JPEG: the smooth one), written into the server's folder and read through it."""
    values = zyx_values(smooth_grey) if encoding == "jpeg" else zyx_values()
    spec = write_precomputed(server.folder / "volume", values, encoding=encoding)
    return spec.model_copy(update={"url": server.url, **fields})
