"""Static hosts of a site, as people have them: one that serves files and nothing more, and one that knows ranges and a page for what is
missing."""

import http.server
import re
import threading
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit


class PlainHost:
    """Serves a folder from a sub-path of this machine, as `python3 -m http.server` does: no ranges.

    asked: method, path and status of every request so far. sent: bytes of what was answered, without headers.
    """

    def __init__(self, folder: Path, handler: type["_Plain"] | None = None) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.sent: list[int] = []
        made = partial(handler or _Plain, directory=str(folder), asked=self.asked, sent=self.sent)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{PREFIX}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(20)


PREFIX = "papers/tiny"


class _Plain(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, asked: list[tuple[str, str, int]], sent: list[int], **options: Any) -> None:
        self._asked, self._sent = asked, sent
        super().__init__(*args, **options)

    def translate_path(self, path: str) -> str:
        prefix = f"/{PREFIX}"
        return super().translate_path(path.removeprefix(prefix)) if path.startswith(prefix) else "/nowhere"

    def send_header(self, keyword: str, value: str) -> None:
        super().send_header(keyword, value)
        if keyword == "Content-Length":
            self._sent.append(int(value))

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        self._asked.append((self.command, self.path, int(code)))

    def log_message(self, *_: Any) -> None:
        pass


class _Generous(_Plain):
    """Knows ranges of one part, and shows 404.html for what is missing, as most hosts of static sites do."""

    def send_head(self) -> Any:
        path = Path(self.translate_path(urlsplit(self.path).path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None or not path.is_file():
            return super().send_head()
        first, last = int(wanted[1]), min(int(wanted[2]), path.stat().st_size - 1)
        self.send_response(206)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Range", f"bytes {first}-{last}/{path.stat().st_size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        stream = path.open("rb")
        stream.seek(first)
        self._left = last - first + 1
        return stream

    def copyfile(self, source: Any, outputfile: BinaryIO) -> None:
        left = getattr(self, "_left", None)
        if left is None:
            super().copyfile(source, outputfile)
            return
        del self._left
        outputfile.write(source.read(left))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        missing = Path(self.directory) / "404.html"
        if code != 404 or not missing.is_file():
            super().send_error(code, message, explain)
            return
        page = missing.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)


def generous_host(folder: Path) -> PlainHost:
    """A host of that folder that knows ranges, and has a page of the site's own for what is missing."""
    return PlainHost(folder, _Generous)
