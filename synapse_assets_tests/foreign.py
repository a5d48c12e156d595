"""A web page of somebody else's, http://evil.test, which a person has open beside ours; and a browser that has it."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME = "evil.test"


class ForeignSite:
    """Serves one HTML page at every address; a test says what stands in it."""

    def __init__(self) -> None:
        self.html = ""
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = f"<!doctype html><meta charset=utf-8><body>{site.html}".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://{NAME}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def foreign_browser() -> Iterator["Browser"]:
    """Chromium in which evil.test is this machine: as where its owner has let the name point to 127.0.0.1."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed on this machine")
    with sync_playwright() as playwright:
        rules = f"--host-resolver-rules=MAP {NAME} 127.0.0.1"
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", rules])
        yield running
        running.close()


def opened(page: "Page", site: ForeignSite, html: str) -> "Page":
    """The page with that content, once it has loaded what it can."""
    site.html = html
    page.goto(site.url)
    page.wait_for_load_state("networkidle")
    return page
