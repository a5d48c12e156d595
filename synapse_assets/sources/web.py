"""One request to a server over http(s): answered within a known time, and by the server that was meant.

Which files are requested and how a failure is reported belongs to `fetching` and other callers.
"""

import http.client
import io
import ipaddress
import re
import socket
import string
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError

MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
# Where Python's `is_global` includes too much: addresses of protocols, and those of IPv6 beyond what is given out.
_NO_PUBLIC_IPV4 = ipaddress.IPv4Network("192.0.0.0/24")
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_Server = tuple[str, int]  # host and port
_SocketAddress = tuple[Any, ...]  # what a socket connects to: IP address, port, and more for IPv6


class TooSlowError(TimeoutError):
    """A server that does not answer a request in time."""


def is_address(path: str) -> bool:
    """Whether that is an http(s) address rather than a path."""
    return re.match(r"https?://", path, re.IGNORECASE) is not None


def shown_address(address: str) -> str:
    """A path, or an address as it may be shown and stored: without a user, password or query, which may be secret."""
    if not is_address(address):
        return address
    return re.sub(r"[?#].*", "?...", re.sub(r"//[^/?#]*@", "//", address), flags=re.DOTALL)


def is_public(ip: str) -> bool:
    """Whether an IP address is one of the internet: not of this machine, of its network, or of a private one."""
    address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        nat64 = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        inner = address.ipv4_mapped or address.sixtofour or nat64
        if inner is None:
            return address in _PUBLIC_IPV6 and address.is_global
        address = inner
    return address.is_global and not address.is_multicast and address not in _NO_PUBLIC_IPV4


def host_and_port(address: str) -> tuple[str, int]:
    """The server of an http(s) address. Raises ValueError where it has none, or a user or password, which are not sent."""
    try:
        parts = urllib.parse.urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is no http(s) address") from None
    if not host or "@" in parts.netloc or parts.scheme not in _PORTS:
        raise ValueError("it is no http(s) address")
    return host, _PORTS[parts.scheme] if port is None else port


class Patience:
    """How long a server is waited for: `silence_s` for its next sign of life, `whole_s` for everything, from now or from `since`
    of `time.monotonic` on. After `keep_up` there is no end while enough comes.
    """

    def __init__(self, silence_s: float, whole_s: float, since: float | None = None) -> None:
        self._silence_s, self._whole_s = silence_s, whole_s
        self._bytes_per_s: float | None = None
        self._waited_until = time.monotonic()
        self._end = (self._waited_until if since is None else since) + whole_s

    def keep_up(self, bytes_per_s: float, first_s: float) -> None:
        """From now on so many bytes have to come in a second; what is missing or above is made up for within `first_s`."""
        self._bytes_per_s, self._whole_s = bytes_per_s, first_s
        self._waited_until = time.monotonic()
        self._end = self._waited_until + first_s

    def left_s(self) -> float:
        """Seconds that may be waited now. Raises TooSlowError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            if self._bytes_per_s is not None:
                raise TooSlowError(f"it sends less than {self._bytes_per_s / 1000:g} kB a second")
            raise TooSlowError(f"it takes longer than {self._whole_s:g} s")
        return min(self._silence_s, left)

    @contextmanager
    def waiting(self, connection: socket.socket) -> Iterator[None]:
        """Around one wait for a socket. Raises TimeoutError for silence, TooSlowError at the end."""
        if self._bytes_per_s is not None:
            # What was done meanwhile, such as writing to a slow disk, is not the server's time.
            self._end += time.monotonic() - self._waited_until
        connection.settimeout(self.left_s())
        try:
            yield
        except TimeoutError:
            self.left_s()
            raise
        finally:
            self._waited_until = time.monotonic()

    def received(self, count: int) -> None:
        """So many bytes have come."""
        if self._bytes_per_s is not None:
            self._end = min(self._end + count / self._bytes_per_s, time.monotonic() + self._whole_s)


@contextmanager
def opened(
    address: str,
    patience: Patience,
    method: str = "GET",
    content: bytes | None = None,
    content_type: str | None = None,
    first_byte: int = 0,
) -> Iterator[Any]:
    """The answer of an http(s) address, with `status`, `headers`, `read`, and the `url` that it came from; asked through the proxies
    that the environment names. From `first_byte` on, where that is not 0 and the server can: then its status is 206.

    A redirect of GET or HEAD is followed to the same host and port, or to a public address; what counts is the address that is
    connected to, not its name. A proxy looks names up by itself: there, all addresses that the name has here must be public.
    Raises HTTPError for another answer than success, OSError where none comes (TooSlowError: not in time), and ValueError for what is
    no address, and for a redirect elsewhere.
    """
    headers = {"User-Agent": "synapse-assets", **({"Content-Type": content_type} if content_type else {})}
    if first_byte:
        headers["Range"] = f"bytes={first_byte}-"
    url = urllib.parse.quote(address, safe="%/:?=&#+,;@!$'()*[]~")
    route = _Route(url, patience)
    for _ in range(1 + MOST_REDIRECTS):
        request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 -- `_Route` asks http(s) only
        try:
            answer = route.opener.open(request)
        except HTTPError as error:
            error.close()
            target = error.headers.get("Location")
            if target is None or error.code not in _REDIRECTS or method not in ("GET", "HEAD"):
                raise
        except URLError as error:
            raise error.reason if isinstance(error.reason, OSError) else error from None
        else:
            with answer:
                yield answer
            return
        # What a HEAD leads to is asked for with GET and left after its headers: not every server allows HEAD.
        url, method = route.redirected(url, target), "GET"
    raise ValueError(f"it leads from address to address, more than {MOST_REDIRECTS} times")


class _Route:
    """From the address that was given to where its redirects lead: who may be connected to."""

    def __init__(self, url: str, patience: Patience) -> None:
        self._patience = patience
        self._given = self._server = host_and_port(url)
        self._given_address: _SocketAddress | None = None
        self._leads_to = ""  # as it may be shown; empty at the address that was given
        self.opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            _Handler(self, patience),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ):
            self.opener.add_handler(handler)

    def redirected(self, url: str, target: str) -> str:
        """The address that a redirect from `url` names. Raises ValueError if it is none that can be asked."""
        try:
            # http.client reads headers as Latin-1: so this quotes the bytes that were sent.
            url = urllib.parse.urljoin(url, urllib.parse.quote(target, safe=string.punctuation, encoding="latin-1"))
            server = host_and_port(url) if is_address(url) else None
        except ValueError:
            raise ValueError("it leads to something that is no address") from None
        if server is None:
            raise ValueError("it leads to an address that is not http(s)")
        if "%" in server[0]:
            raise ValueError("it leads to something that is no address")  # it hides its host
        self._server, self._leads_to = server, shown_address(url)
        return url

    def connect(self, server: _Server, *_: object) -> socket.socket:
        """A connection to that host and port, which are those of the address that the route has reached."""
        addresses = [address for address in _resolved(server, self._patience) if self._may_reach(address[-1])]
        if not addresses:
            self._refuse()
        connection = _connected(addresses, self._patience)
        if not self._leads_to:
            self._given_address = connection.getpeername()[:2]
        return connection

    def connect_proxy(self, proxy: _Server, *_: object) -> socket.socket:
        """A connection to a proxy, to ask it for the address that the route has reached."""
        if self._leads_to and self._server != self._given:
            try:
                addresses = _resolved(self._server, self._patience)
            except socket.gaierror:
                self._refuse()
            if not all(is_public(address[-1][0]) for address in addresses):
                self._refuse()
        return _connected(_resolved(proxy, self._patience), self._patience)

    def _may_reach(self, address: _SocketAddress) -> bool:
        if not self._leads_to or is_public(address[0]):
            return True
        return self._server == self._given and address[:2] == self._given_address

    def _refuse(self) -> NoReturn:
        raise ValueError(f"it leads to {self._leads_to}, no public address: give that address itself if it is meant")


def _resolved(server: _Server, patience: Patience) -> list[tuple[Any, ...]]:
    """What `socket.getaddrinfo` says of a host and port. Raises TooSlowError where that takes too long: it cannot be broken off."""
    results: list[Any] = []

    def resolve() -> None:
        try:
            results.append(socket.getaddrinfo(*server, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            results.append(error)

    left_s = patience.left_s()
    thread = threading.Thread(target=resolve, name="look up", daemon=True)
    thread.start()
    thread.join(left_s)
    if not results:
        raise TooSlowError("its name is not found in time")
    if isinstance(results[0], Exception):
        raise results[0]
    addresses: list[tuple[Any, ...]] = results[0]
    return addresses


def _connected(addresses: list[tuple[Any, ...]], patience: Patience) -> socket.socket:
    """A connection to the first of the addresses that accepts one, as `_resolved` gives them."""
    failed = OSError("its name has no address")
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            with patience.waiting(connection):
                connection.connect(address)
            connection.settimeout(patience.left_s())  # for what TLS says first
            return connection
        except OSError as error:
            connection.close()
            failed = error
    raise failed


class _Handler(urllib.request.AbstractHTTPHandler):
    """http and https of urllib, by our own connections."""

    def __init__(self, route: _Route, patience: Patience) -> None:
        super().__init__()
        self._route, self._patience = route, patience

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(_Connection, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(_SecureConnection, request)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def _open(self, kind: Any, request: urllib.request.Request) -> http.client.HTTPResponse:
        through_proxy = request.has_proxy() or getattr(request, "_tunnel_host", None) is not None
        connect = self._route.connect_proxy if through_proxy else self._route.connect
        return self.do_open(partial(kind, connect=connect, patience=self._patience), request)


class _Connection(http.client.HTTPConnection):
    """A connection whose every wait is one of a `Patience`."""

    def __init__(self, host: str, *, connect: Callable[..., socket.socket], patience: Patience, **options: Any) -> None:
        super().__init__(host, **options)
        self._patience = patience
        self._create_connection = connect
        self.response_class = partial(_Answer, patience)  # type: ignore[assignment]

    def connect(self) -> None:
        try:
            super().connect()
        except TimeoutError:
            self._patience.left_s()
            raise

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        with self._patience.waiting(self.sock):
            super().send(data)


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same with TLS, and the server's certificate checked."""


class _Answer(http.client.HTTPResponse):
    def __init__(self, patience: Patience, connection: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(connection, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Received(connection, patience))


class _Received(io.RawIOBase):
    """What a socket receives. `socket.makefile` alone would give each byte the whole time anew."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._connection, self._patience = connection, patience
        self._stream = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        with self._patience.waiting(self._connection):
            count = self._stream.readinto(buffer)
        self._patience.received(count or 0)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
