"""The webhook: what its server does wrong is told, in the tick too, and never what is secret in its address."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._utils.error import serializable_error_info_from_exc_info

from synapse_assets.defs import failures
from synapse_assets.defs.failures import failure_sensor, post_failure
from synapse_assets.errors import BadInput
from synapse_assets.settings import Settings

# In path, query, fragment, user and password.
SECRET = "s3cret"  # noqa: S105


class Chat:
    """A chat program's server that says `words` to whoever asks, and then one byte after the other of `drip`, for ever."""

    def __init__(self, words: bytes, drip: bytes = b"") -> None:
        self.words, self.drip = words, drip
        self.requests: list[str] = []
        self.stopped = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/{SECRET}?key={SECRET}#{SECRET}"

    def _serve(self) -> None:
        while not self.stopped.is_set():
            connection, _ = self._listening.accept()
            if not self.stopped.is_set():
                with contextlib.suppress(OSError), connection:
                    request = connection.recv(65_536)
                    if length := re.search(rb"Content-Length: (\d+)", request):
                        while len(request.partition(b"\r\n\r\n")[2]) < int(length[1]):
                            request += connection.recv(65_536)
                    self.requests.append(request.decode("latin-1"))
                    connection.sendall(self.words)
                    while self.drip and not self.stopped.wait(0.02):
                        connection.sendall(self.drip)

    def stop(self) -> None:
        self.stopped.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listening.close()


@pytest.fixture
def chat() -> Iterator[Callable[..., Chat]]:
    with contextlib.ExitStack() as stack:

        def started(*arguments: bytes) -> Chat:
            server = Chat(*arguments)
            stack.callback(server.stop)
            return server

        yield started


def refused(url: str) -> str:
    """What is told where posting fails: by the error, and by Dagster of all that led to it."""
    with pytest.raises((OSError, BadInput)) as error:
        post_failure(url, "tiny/tiles, partition EB: no")
    assert (error.value.__cause__, error.value.__context__) == (None, None)
    shown = serializable_error_info_from_exc_info((error.type, error.value, error.tb)).to_string()
    assert SECRET not in shown
    assert "services" not in shown.replace("services_", "")
    assert str(error.value) in shown
    return str(error.value)


def redirect(target: str, code: int = 302) -> bytes:
    return f"HTTP/1.1 {code} Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"HTTP/1.1 404 no /services/s3cret here\r\n\r\n", "it answers 404 Not Found"),
        (b"HTTP/1.1 403 s3cret\r\n\r\ns3cret", "it answers 403 Forbidden"),
        (b"HTTP/1.1 500 s3cret\r\n\r\n", "it answers 500 Internal Server Error"),
        (b"HTTP/1.1 599 s3cret\r\n\r\n", "it answers 599"),
        (redirect("/other/s3cret"), "it answers 302, which leads elsewhere and is not followed"),
        (redirect("http://127.0.0.1:1/s3cret", 307), "it answers 307, which leads elsewhere"),
        (redirect("file:///etc/s3cret", 301), "it answers 301, which leads elsewhere"),
        (redirect("ftp://me:s3cret@127.0.0.1/", 308), "it answers 308, which leads elsewhere"),
        (redirect("http://127.0.0.1:s3cret/", 303), "it answers 303, which leads elsewhere"),
        (b"HTTP/1.1 304 s3cret\r\n\r\n", "it answers 304, which leads elsewhere"),
        (b"/services/s3cret is no http\r\n\r\n", "there is no answer that can be read (BadStatusLine)"),
        (b"HTTP/1.1 abc s3cret\r\n\r\n", "there is no answer that can be read (BadStatusLine)"),
        (b"HTTP/1.1 200 OK\r\n" + b"s3cret: s3cret\r\n" * 200, "there is no answer that can be read (HTTPException)"),
        (b"", "there is no answer that can be read (RemoteDisconnected)"),
    ],
)
def test_what_the_server_answers_is_told_without_the_address(
    words: bytes, told: str, chat: Callable[..., Chat]
) -> None:
    server = chat(words)
    message = refused(server.url)
    assert message.startswith(f"the failure could not be posted to SYNAPSE_WEBHOOK_URL (127.0.0.1): {told}")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/s3cret",
        "ftp://127.0.0.1/s3cret",
        "s3cret",
        "",
        "http://",
        "http:///s3cret",
        "http://[s3cret",
        "http://127.0.0.1:s3cret/",
        "http://127.0.0.1:99999/s3cret",
        "http://me:s3cret@127.0.0.1/",
        "https://s3cret@127.0.0.1:8080/hook",
        "http://me:s3cret/rest@127.0.0.1/",
        "//127.0.0.1/s3cret",
    ],
)
def test_what_is_no_address_is_told_without_it(url: str) -> None:
    assert refused(url).startswith("SYNAPSE_WEBHOOK_URL is no http(s) address")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:PORT/s3cret", "SYNAPSE_WEBHOOK_URL (127.0.0.1): Connection refused"),
        ("HTTPS://127.0.0.1:PORT/s3cret", "SYNAPSE_WEBHOOK_URL (127.0.0.1): Connection refused"),
        ("http://127.0.0.1:PORT/s 3cret\ts3cret\n\x7f/ä", "SYNAPSE_WEBHOOK_URL (127.0.0.1): Connection refused"),
        ("http://127.0.0.1:PORT/@s3cret", "SYNAPSE_WEBHOOK_URL: Connection refused"),
        ("http://s3cret:PORT/rest@127.0.0.1", "SYNAPSE_WEBHOOK_URL: "),
        (f"http://{'x' * 64}/s3cret", "there is no answer that can be read (UnicodeError)"),
    ],
)
def test_a_server_that_is_not_there_is_told_without_the_address(
    url: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def without_names(host: str, *arguments: object, **options: object) -> object:
        if host == "s3cret":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", without_names)
    assert told in refused(url.replace("PORT", str(closed_port())))


def test_tls_that_is_none_is_told_without_the_address(chat: Callable[..., Chat]) -> None:
    server = chat(b"HTTP/1.1 400 s3cret\r\n\r\n")
    assert refused(server.url.replace("http", "https")).endswith("(127.0.0.1): TLS fails")


@pytest.mark.parametrize(
    ("words", "drip"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n", b"X"),
    ],
    ids=["status line", "header", "headers", "continue", "redirect"],
)
def test_a_server_that_drips_holds_up_nothing(
    words: bytes, drip: bytes, chat: Callable[..., Chat], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "WEBHOOK_DEADLINE_S", 0.3)
    server = chat(words, drip)
    began = time.monotonic()
    # Fewer than a hundred headers come in this time.
    assert refused(server.url).endswith("(127.0.0.1): it does not answer within 0.3 s")
    assert time.monotonic() - began < 5


def test_what_is_said_after_the_headers_is_not_waited_for(chat: Callable[..., Chat]) -> None:
    server = chat(b"HTTP/1.1 200 OK\r\n\r\n", b"x")
    began = time.monotonic()
    post_failure(server.url, "tiny/tiles, partition EB: no")
    assert time.monotonic() - began < 5
    assert server.requests[0].startswith(f"POST /services/{SECRET}?key={SECRET} HTTP/1.1\r\n")


def test_the_tick_of_the_sensor_shows_no_secret(chat: Callable[..., Chat], monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.asset
    def tiles() -> None:
        raise BadInput("row 3: fix it")

    server = chat(redirect(f"/{SECRET}"))
    monkeypatch.setenv("SYNAPSE_WEBHOOK_URL", server.url)
    sensor = failure_sensor(Settings())
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([tiles], instance=instance, raise_on_error=False)
        cursor = RunStatusSensorCursor(record_id=0).to_json()
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=dg.Definitions([tiles]))
        (reaction,) = sensor.evaluate_tick(context).dagster_run_reactions
    assert "row 3: fix it" in server.requests[0]
    assert reaction.error is not None
    shown = reaction.error.to_string()
    assert "SYNAPSE_WEBHOOK_URL (127.0.0.1): it answers 302" in shown
    assert SECRET not in shown
    assert (reaction.error.cause, reaction.error.context) == (None, None)
