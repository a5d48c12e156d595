"""A running explorer of the tiny lab, and a browser that notes every request."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI

from synapse_assets.explorer import create_app
from synapse_assets.web import server_config
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.explorer.labelled import Labelled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page


# A machine that does much else at once takes its time.
PATIENCE_MS = 120_000


class Served:
    """An application on a free port of this machine, in a thread of its own."""

    def __init__(self, app: FastAPI) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(server_config(app, "127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it."""
        self._server.should_exit = True
        self._thread.join(20)


@pytest.fixture(scope="session")
def explorer(finished_lab: Lab) -> Iterator[str]:
    """Address of an explorer of the tiny lab."""
    served = Served(create_app([finished_lab.dataset], finished_lab.root))
    yield served.url
    served.stop()


@pytest.fixture(scope="session")
def labelled_once(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """What tests of labelling have copies of."""
    return Labelled(tmp_path_factory.mktemp("labelled"))


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A page in a window 1000 pixels wide; it fails the test if anything outside this machine was asked for, or a script failed
    or opened a dialog."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    outside: list[str] = []
    errors: list[str] = []
    opened.on("request", lambda request: outside.append(request.url) if _is_outside(request.url) else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))

    def dialog(asked: "Dialog") -> None:
        errors.append(f"a dialog: {asked.message}")
        asked.dismiss()

    # Hostile names of the tests try to open one.
    opened.on("dialog", dialog)
    yield opened
    context.close()
    assert outside == []
    assert errors == []


def _is_outside(url: str) -> bool:
    found = urlsplit(url)
    return found.scheme not in ("data", "blob", "about") and found.hostname != "127.0.0.1"
