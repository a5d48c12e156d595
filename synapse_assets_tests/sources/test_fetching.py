"""Servers that lead elsewhere, and servers without end: who is connected to, and for how long."""

import contextlib
import ipaddress
import itertools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synapse_assets.errors import BadInput, SynapseAssetsError, Unreachable
from synapse_assets.sources import fetching
from synapse_assets.sources.fetching import Fetched, fetch_text, remote_signatures

Say = Callable[[socket.socket, str], None]


class Server:
    """A server that says what it likes: `say(connection, request)` answers, `asked` are the first lines of the requests."""

    def __init__(self, say: Say, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
        self.port = int(self._listening.getsockname()[1])
        self._own = ("127.0.0.2" if host == "127.0.0.2" else "127.0.0.1", self.port)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.say, self.tls = say, tls
        self.connected, self.asked = 0, list[str]()
        self.stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                if self.stopped.is_set():
                    return
                self.connected += 1
                self._threads.append(threading.Thread(target=self._answer, args=(connection,)))
                self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                request = b""
                while b"\r\n\r\n" not in request and (block := connection.recv(4096)):
                    request += block
                self.asked.append(request.decode().partition(" HTTP/")[0])
                self.say(connection, request.decode())

    def drip(self, connection: socket.socket, content: bytes, pause_s: float = 0.02) -> None:
        """Sends one byte after the other, for ever the last."""
        for byte in itertools.chain(content, itertools.repeat(content[-1])):
            connection.sendall(bytes([byte]))
            if self.stopped.wait(pause_s):
                return

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            socket.create_connection(self._own, 1).close()
        self._listening.close()
        for thread in self._threads:
            thread.join()


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers, which end with the test; afterwards no thread of ours is left."""
    with contextlib.ExitStack() as stack:

        def started(say: Say, *arguments: object, **options: object) -> Server:
            server = Server(say, *arguments, **options)  # type: ignore[arg-type]
            stack.callback(server.stop)
            return server

        yield started
        left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("ask", "look up"))]
        assert left == []


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


TABLE = b"id,x,y,z\n1,2,3,4\n"


def answer(content: bytes = TABLE, **headers: str) -> Say:
    """A whole answer."""
    told = {"Content-Length": str(len(content)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "HTTP/1.1 200 OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "\r\n"

    def say(connection: socket.socket, request: str) -> None:
        connection.sendall(head.encode() + (b"" if request.startswith("HEAD") else content))

    return say


def redirect(*targets: str, code: int = 302) -> Say:
    """A redirect to the first target, then to the second, ...; after the last a whole answer."""
    left = list(targets)

    def say(connection: socket.socket, request: str) -> None:
        if left:
            target = left.pop(0).encode()
            connection.sendall(f"HTTP/1.1 {code} Found\r\nLocation: ".encode() + target + b"\r\n\r\n")
        else:
            answer()(connection, request)

    return say


def fetch_file(address: str, folder: Path) -> bytes:
    def knows(name: str) -> bool:
        return name.endswith(".csv")

    return Fetched(folder / "fetched", knows, ".csv").file(address, "", 1 << 30).read_bytes()


def ask(address: str, folder: Path) -> bytes:
    return remote_signatures([address])[0].encode()


def read_text(address: str, folder: Path) -> bytes:
    return fetch_text(address, 1 << 20)


WAYS = {"question": ask, "text": read_text, "file": fetch_file}


def refused(way: str, address: str, folder: Path) -> str:
    """The sentence with which an address is refused; nothing is left behind."""
    with pytest.raises(SynapseAssetsError) as error:
        WAYS[way](address, folder)
    assert [file for file in folder.rglob("*") if file.is_file()] == []
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)
    return str(error.value)


# Redirects -----------------------------------------------------------------------------------------------------------------

# PORT is that of another server of this machine, which no one may ask.
ELSEWHERE = [
    "http://127.0.0.1:PORT/a.csv?token=s3cret",
    "HTTP://127.0.0.1:PORT/a.csv",
    "//127.0.0.1:PORT/a.csv",
    "http://127.0.0.2:PORT/a.csv",
    "http://127.255.255.254:PORT/a.csv",
    "http://localhost:PORT/a.csv",
    "http://LocalHost:PORT/a.csv#s3cret",
    "http://2130706433:PORT/a.csv",
    "http://0x7f000001:PORT/a.csv",
    "http://0177.0.0.1:PORT/a.csv",
    "http://127.1:PORT/a.csv",
    "http://0:PORT/a.csv",
    "http://0.0.0.0:PORT/a.csv",
    "http://[::1]:PORT/a.csv",
    "http://[::]:PORT/a.csv",
    "http://[0:0:0:0:0:0:0:1]:PORT/a.csv",
    "http://[::ffff:127.0.0.1]:PORT/a.csv",
    "http://[::ffff:7f00:1]:PORT/a.csv",
    "http://[64:ff9b::7f00:1]:PORT/a.csv",
    "http://[2002:7f00:1::]:PORT/a.csv",
    "https://127.0.0.1:PORT/a.csv",
    "http://10.0.0.1/a.csv",
    "http://172.16.0.1/a.csv",
    "http://192.168.1.1/a.csv",
    "http://100.64.0.1/a.csv",
    "http://100.100.100.200/latest",
    "http://169.254.169.254/latest/meta-data?s3cret",
    "http://192.0.0.192/opc",
    "http://[fd00:ec2::254]/latest",
    "http://[fe80::1]/a.csv",
    "http://[fec0::1]/a.csv",
    "http://224.0.0.1/a.csv",
    "http://255.255.255.255/a.csv",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_redirect_to_another_local_address_is_refused_before_anything_is_sent(
    way: str, target: str, start: Start, tmp_path: Path
) -> None:
    other = start(answer(), "::" if socket.has_dualstack_ipv6() else "0.0.0.0")
    server = start(redirect(target.replace("PORT", str(other.port))))
    told = refused(way, f"{server.url}/a.csv?token=s3cret", tmp_path)
    assert told.startswith(f"{server.url}/a.csv?... cannot be fetched: it leads to ")
    assert "no public address: give that address itself if it is meant" in told
    assert (server.connected, other.connected) == (1, 0)
    if "127.0.0.1:PORT" in target and not target.startswith("https"):
        assert WAYS[way](f"http://127.0.0.1:{other.port}/a.csv", tmp_path) != b"", "given by a person it is meant"


@pytest.mark.parametrize("way", WAYS)
def test_a_redirect_after_redirects_is_looked_at_too(way: str, start: Start, tmp_path: Path) -> None:
    other = start(answer())
    server = start(redirect("/b.csv", "/c.csv", f"{other.url}/d.csv"))
    assert "no public address" in refused(way, f"{server.url}/a.csv", tmp_path)
    assert (server.connected, other.connected) == (3, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target", ["/b.csv", "b.csv", "?b", "//127.0.0.1:PORT/b.csv", "http://127.0.0.1:PORT/ b\u00e4.csv"]
)
def test_a_redirect_on_the_same_server_is_followed(
    way: str, code: int, target: str, start: Start, tmp_path: Path
) -> None:
    server = start(answer())
    server.say = redirect(target.replace("PORT", str(server.port)), code=code)
    assert WAYS[way](f"{server.url}/a.csv", tmp_path) in (TABLE, str(len(TABLE)).encode())
    assert server.asked[0].endswith(" /a.csv")
    assert server.asked[1].startswith("GET /")
    assert server.connected == 2


def test_a_name_of_this_machine_may_lead_to_itself(start: Start, tmp_path: Path) -> None:
    server = start(answer())
    address = f"http://localhost:{server.port}"
    server.say = redirect(f"{address}/b.csv")
    assert read_text(f"{address}/a.csv", tmp_path) == TABLE


@pytest.mark.parametrize("way", WAYS)
def test_redirects_have_an_end(way: str, start: Start, tmp_path: Path) -> None:
    server = start(redirect(*(f"/{number}.csv" for number in range(10))))
    assert WAYS[way](f"{server.url}/a.csv", tmp_path) in (TABLE, str(len(TABLE)).encode())
    assert server.connected == 11
    endless, empty = start(redirect(*["/again.csv"] * 50)), tmp_path / "empty"
    assert "it leads from address to address, more than 10 times" in refused(way, f"{endless.url}/a.csv", empty)
    assert endless.connected == 11


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "target",
    [
        "ftp://127.0.0.1:PORT/a.csv?s3cret",
        "FTP://127.0.0.1:PORT/a.csv",
        "ftps://127.0.0.1:PORT/a.csv",
        "file:///etc/passwd",
        "file://127.0.0.1:PORT/etc/passwd",
        "data:text/csv,id",
        "gopher://127.0.0.1:PORT/_s3cret",
        "s3://bucket/s3cret",
        "jar:http://127.0.0.1:PORT/a.csv",
        "javascript:s3cret",
        "unix:/var/run/s3cret",
    ],
)
def test_a_redirect_to_another_scheme_connects_to_nothing(way: str, target: str, start: Start, tmp_path: Path) -> None:
    other = start(lambda connection, _: connection.sendall(b"220 ready\r\n"))
    server = start(redirect(target.replace("PORT", str(other.port))))
    assert "it leads to an address that is not http(s)" in refused(way, f"{server.url}/a.csv", tmp_path)
    assert (server.connected, other.connected) == (1, 0)


@pytest.mark.parametrize(
    "target",
    [
        "http://me:s3cret@127.0.0.1:PORT/a.csv",
        "http://s3cret@127.0.0.1:PORT/",
        "http://8.8.8.8\\@127.0.0.1:PORT/s3cret",
        "http://127.0.0.1:s3cret/",
        "http://[s3cret",
        "http://%31%32%37.0.0.1:PORT/s3cret",
        "http://127.0.0.1%3APORT/s3cret",
        "http://127.0.0.1%2F:PORT/s3cret",
        "http://\uff11\uff12\uff17.0.0.1:PORT/s3cret",
    ],
)
def test_a_redirect_to_what_is_no_address_is_told_without_it(target: str, start: Start, tmp_path: Path) -> None:
    server = start(answer())
    server.say = redirect(target.replace("PORT", str(server.port)))
    assert "it leads to something that is no address" in refused("text", f"{server.url}/a.csv", tmp_path)
    assert server.connected == 1


def test_the_body_of_a_redirect_is_not_waited_for(start: Start, tmp_path: Path) -> None:
    def say(connection: socket.socket, request: str) -> None:
        if "/a.csv" in request:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /b.csv\r\n\r\n")
            server.drip(connection, b"x")
        else:
            answer()(connection, request)

    server = start(say)
    began = time.monotonic()
    assert read_text(f"{server.url}/a.csv", tmp_path) == TABLE
    assert time.monotonic() - began < 5


def test_a_name_that_means_another_address_when_it_is_looked_up_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The redirect stays on the host and port that were given, but the name has come to mean another server."""
    server = start(answer(), "127.0.0.2")
    other = start(answer(), "127.0.0.1", server.port)
    server.say = redirect(f"http://lab.example:{server.port}/b.csv")
    real, asked = socket.getaddrinfo, []

    def changing(host: str, *arguments: object, **options: object) -> object:
        asked.append(host)
        named = "127.0.0.2" if len(asked) == 1 else "127.0.0.1"
        return real(named if host == "lab.example" else host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    assert "no public address" in refused("text", f"http://lab.example:{server.port}/a.csv", tmp_path)
    assert (server.connected, other.connected) == (1, 0)
    assert asked == ["lab.example"] * 2


# Proxies -------------------------------------------------------------------------------------------------------------------


def proxied(monkeypatch: pytest.MonkeyPatch, proxy: Server) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:s3cret@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "127.0.0.3")


@pytest.mark.parametrize("way", WAYS)
def test_a_proxy_is_asked_for_public_addresses_and_those_that_were_given(
    way: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = start(redirect("http://8.8.8.8/b.csv", "http://lab.example/c.csv"))
    proxied(monkeypatch, proxy)
    assert WAYS[way]("http://lab.example/a.csv", tmp_path) in (TABLE, str(len(TABLE)).encode())
    assert [line.partition(" ")[2] for line in proxy.asked] == [
        "http://lab.example/a.csv",
        "http://8.8.8.8/b.csv",
        "http://lab.example/c.csv",
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:PORT/b.csv?s3cret",
        "http://localhost/b.csv",
        "http://2130706433/b.csv",
        "http://169.254.169.254/latest",
        "http://10.0.0.1:8080/",
        "http://[::1]/b.csv",
        "https://192.168.0.1/b.csv",
        "http://127.0.0.3:PORT/b.csv",
        "http://nowhere/b.csv",
    ],
)
def test_a_proxy_is_not_asked_for_what_is_not_public(
    way: str, target: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def without_nowhere(host: str, *arguments: object, **options: object) -> object:
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", without_nowhere)
    other = start(answer(), "0.0.0.0")
    proxy = start(redirect(target.replace("PORT", str(other.port))))
    proxied(monkeypatch, proxy)
    assert "no public address" in refused(way, "http://lab.example/a.csv", tmp_path)
    assert (proxy.connected, other.connected) == (1, 0)


def test_a_password_of_a_proxy_is_not_sent_to_where_it_leads(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def say(connection: socket.socket, request: str) -> None:
        said.append(request)
        redirect(*([f"http://lab.example:{proxy.port}/b.csv"] if len(said) == 1 else []))(connection, request)

    proxy = start(say)
    proxied(monkeypatch, proxy)
    monkeypatch.setattr(fetching, "ASKING_TIMEOUT_S", 2)
    assert read_text(f"http://lab.example:{proxy.port}/a.csv", tmp_path) == TABLE
    assert ["Proxy-Authorization: Basic" in request for request in said] == [True, True]
    assert said[1].count("Proxy-Authorization") == 1


# Time ----------------------------------------------------------------------------------------------------------------------

DRIPS = {
    "status line": (b"", b"HTTP/1.1 200 OK"),
    "header": (b"HTTP/1.1 200 OK\r\n", b"X: xxxx"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "status line of the file": (b"HTTP/1.1 302 Found\r\nLocation: /b.csv\r\n\r\n", b"HTTP/1.1 200 OK"),
}
BODIES = {
    "body of known length": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "body to the end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunk header": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0000"),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", b"x"),
    "small chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
    "trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000),
}


def dripping(start: Start, start_with: bytes, drip: bytes, **options: object) -> Server:
    """A server that says something at once and then one byte after the other."""
    left = [part for part in start_with.partition(b"\r\n\r\n") if start_with.startswith(b"HTTP/1.1 302")]

    def say(connection: socket.socket, request: str) -> None:
        if left and "/b.csv" not in request:
            connection.sendall(start_with)
            return
        connection.sendall(b"" if left else start_with)
        server.drip(connection, drip)

    server = start(say, **options)
    return server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.25)
    monkeypatch.setattr(fetching, "FIRST_S", 0.2)
    monkeypatch.setattr(fetching, "ASKING_TIMEOUT_S", 0.25)
    monkeypatch.setattr(fetching, "ASKING_DEADLINE_S", 0.25)


def given_up(way: str, address: str, folder: Path) -> str:
    began = time.monotonic()
    told = refused(way, address, folder)
    assert time.monotonic() - began < 5
    return told


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("part", DRIPS)
def test_a_server_that_drips_before_it_answers_is_given_up(way: str, part: str, start: Start, tmp_path: Path) -> None:
    server = dripping(start, *DRIPS[part])
    told = given_up(way, f"{server.url}/a.csv?token=s3cret", tmp_path)
    assert "longer than 0.25 s" in told


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("way", ["text", "file"])
@pytest.mark.parametrize("part", BODIES)
def test_a_body_that_drips_is_given_up(way: str, part: str, start: Start, tmp_path: Path) -> None:
    server = dripping(start, *BODIES[part])
    told = given_up(way, f"{server.url}/a.csv?token=s3cret", tmp_path)
    assert ("longer than 0.25 s" if way == "text" else "it sends less than 10 kB a second") in told


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_says_nothing_more_is_given_up(way: str, start: Start, tmp_path: Path) -> None:
    silent = start(lambda _, __: silent.stopped.wait(5))
    assert "cannot be fetched: " in given_up(way, f"{silent.url}/a.csv", tmp_path)
    with pytest.raises(Unreachable):
        read_text(f"{silent.url}/a.csv", tmp_path)


def test_questions_of_many_addresses_end_together(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "ASKING_DEADLINE_S", 0.5)
    server = dripping(start, *DRIPS["header"])
    began = time.monotonic()
    with pytest.raises(
        BadInput, match=rf"servers of 50 addresses, such as {server.url}/0\.csv\?\.\.\., take longer than 0\.5 s"
    ):
        remote_signatures([f"{server.url}/{number}.csv?s3cret" for number in range(50)])
    assert time.monotonic() - began < 5


def test_a_signature_changes_with_each_thing_that_tells_of_content_and_with_nothing_else(start: Start) -> None:
    told = {"ETag": '"1"', "Last_Modified": "Mon, 02 Mar 2026 10:00:00 GMT"}
    others = [
        {**told, "ETag": '"2"'},
        {**told, "Last_Modified": "Mon, 02 Mar 2026 10:00:01 GMT"},
        {"ETag": told["ETag"]},
        {"Last_Modified": told["Last_Modified"]},
    ]
    same = {**told, "Date": "Tue, 03 Mar 2026 10:00:00 GMT", "Server": "another", "Age": "7"}
    servers = [start(answer(TABLE, **headers)) for headers in (told, same, *others)]
    longer = start(answer(TABLE + b"5,6,7,8\n", **told))
    found = remote_signatures([f"{server.url}/a.csv" for server in (*servers, longer)])
    assert found[0] == found[1]
    assert len(set(found)) == len(found) - 1 == 6


def test_a_file_is_kept_by_its_address_and_signature(start: Start, tmp_path: Path) -> None:
    asked: list[str] = []

    def say(connection: socket.socket, request: str) -> None:
        asked.append(request.split()[1])
        answer(f"id,x,y,z\n{len(asked)},2,3,4\n".encode(), ETag='"1"')(connection, request)

    server = start(say)
    fetched = Fetched(tmp_path / "fetched", lambda name: name.endswith(".csv"), ".csv")
    first, *_ = remote_signatures([f"{server.url}/a.csv"])
    asked.clear()
    one, other = (fetched.file(f"{server.url}/{name}.csv", first, 1 << 20) for name in "ab")
    assert one.read_bytes() != other.read_bytes()
    assert fetched.file(f"{server.url}/a.csv", first, 1 << 20) == one
    assert asked == ["/a.csv", "/b.csv"], "what is there is not fetched again"
    fetched.file(f"{server.url}/a.csv", first.replace("1", "2", 1), 1 << 20)
    assert asked == ["/a.csv", "/b.csv", "/a.csv"]
    fetched.keep_only([other])
    assert [file.name for file in (tmp_path / "fetched").iterdir()] == [other.name]


def test_the_first_address_that_fails_is_told(start: Start) -> None:
    server = start(answer(ETag='"1"'))
    gone = f"http://127.0.0.1:{server.port}0000/b.csv"
    with pytest.raises(BadInput, match=r"/b\.csv cannot be fetched: it is no http\(s\) address"):
        remote_signatures([f"{server.url}/a.csv", gone, f"{server.url}/c.csv"])


def test_a_slow_file_that_keeps_up_is_fetched(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes twice as long as one that does not would be given, and as one silence."""
    monkeypatch.setattr(fetching, "FIRST_S", 0.6)
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.6)
    content = b"id,x\n" + b"1,2\n" * 24_000

    def say(connection: socket.socket, _: str) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        for first in range(0, len(content), 4000):
            connection.sendall(content[first : first + 4000])
            time.sleep(0.05)

    began = time.monotonic()
    assert fetch_file(f"{start(say).url}/a.csv", tmp_path) == content
    assert time.monotonic() - began > 1.2


@pytest.mark.usefixtures("impatient")
def test_a_file_that_begins_fast_has_to_keep_up_as_well(start: Start, tmp_path: Path) -> None:
    def say(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 20_000_000)
        server.drip(connection, b"x")

    server = start(say)
    assert "it sends less than 10 kB a second" in given_up("file", f"{server.url}/a.csv", tmp_path)


# TLS -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server of 127.0.0.1 needs, with a certificate that this process trusts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return context


@pytest.mark.parametrize("way", WAYS)
def test_https_is_the_same(way: str, start: Start, tls: ssl.SSLContext, tmp_path: Path) -> None:
    server = start(redirect("/b.csv"), tls=tls)
    assert WAYS[way](f"{server.url}/a.csv", tmp_path) in (TABLE, str(len(TABLE)).encode())
    other = start(answer())
    leading = start(redirect(f"{other.url}/b.csv"), tls=tls)
    assert "no public address" in refused(way, f"{leading.url}/a.csv", tmp_path / "empty")
    assert other.connected == 0


@pytest.mark.parametrize("way", WAYS)
def test_https_goes_through_a_proxy(
    way: str, start: Start, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def relay(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65_536):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def connect(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.port)) as onward:
            back = threading.Thread(target=relay, args=(onward, connection))
            back.start()
            relay(connection, onward)
            back.join()

    server, other = start(redirect("/b.csv"), tls=tls), start(answer())
    proxy = start(connect)
    proxied(monkeypatch, proxy)
    assert WAYS[way](f"{server.url}/a.csv", tmp_path) in (TABLE, str(len(TABLE)).encode())
    assert proxy.asked == [f"CONNECT 127.0.0.1:{server.port}"] * 2
    server.say = redirect(f"https://127.0.0.1:{other.port}/b.csv")
    assert "no public address" in refused(way, f"{server.url}/a.csv", tmp_path / "empty")
    assert (len(proxy.asked), other.connected) == (3, 0)


def test_a_certificate_is_checked(
    start: Start, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(answer(), tls=tls)
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "CERTIFICATE_VERIFY_FAILED" in refused("text", f"{server.url}/a.csv", tmp_path)
    assert server.asked == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("way", ["text", "file"])
def test_https_that_drips_is_given_up(way: str, start: Start, tls: ssl.SSLContext, tmp_path: Path) -> None:
    server = dripping(start, *BODIES["body to the end"], tls=tls)
    told = given_up(way, f"{server.url}/a.csv", tmp_path)
    assert ("longer than 0.25 s" if way == "text" else "it sends less than 10 kB a second") in told


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("greeting", [b"", b"\x16\x03\x03\xff\xff"], ids=["silent", "dripping"])
def test_tls_that_is_never_agreed_on_is_given_up(way: str, greeting: bytes, start: Start, tmp_path: Path) -> None:
    server = start(lambda _, __: None)

    def answers(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if greeting:
                server.drip(connection, greeting + b"\x02\x00")
            server.stopped.wait(5)

    server._answer = answers  # type: ignore[method-assign]
    given_up(way, f"https://127.0.0.1:{server.port}/a.csv", tmp_path)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("way", WAYS)
def test_a_proxy_that_drips_is_given_up(
    way: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = dripping(start, b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000)
    proxied(monkeypatch, proxy)
    assert "longer than 0.25 s" in given_up(way, "https://lab.example/a.csv", tmp_path)
    assert proxy.asked == ["CONNECT lab.example:443"]
