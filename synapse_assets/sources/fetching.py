"""Files at http(s) addresses: a cheap signature to tell a change by, and a local copy that is complete or not there.

An address may carry a secret in its query, so every message names it as `shown_address` gives it. What the files mean, and
which addresses there are, belongs to `listing`.
"""

import hashlib
import http.client
import os
import re
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as DeadlineError
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from synapse_assets.schema import BadInput, Unreachable

# Of one answer that is waited for: of a file that is fetched, and of a question that a sensor asks.
TIMEOUT_S = 60.0
ASKING_TIMEOUT_S = 5.0
# All questions about the files of one source together, so that a sensor is done long before its 60 s.
ASKING_DEADLINE_S = 20.0
_ASKED_AT_ONCE = 16
# A server may not allow HEAD: then the beginning of the file itself is asked for.
_NO_HEAD = frozenset({400, 403, 405, 501})
_UNFINISHED = ".part-"
_ABANDONED_S = 86_400.0


def is_address(path: str) -> bool:
    """Whether that is an http(s) address rather than a path."""
    return re.match(r"https?://", path, re.IGNORECASE) is not None


def shown_address(address: str) -> str:
    """A path, or an address as it may be shown and stored: without a user, password or query, which may be secret."""
    if not is_address(address):
        return address
    return re.sub(r"[?#].*", "?...", re.sub(r"//[^/?#]*@", "//", address), flags=re.DOTALL)


def last_part(address: str) -> str:
    """The part of an address that is the name of the file, as the address writes it; '' if it ends in a slash."""
    return re.sub(r"^[^/]*//[^/?#]*|[?#].*", "", address, flags=re.DOTALL).rpartition("/")[2]


def remote_signatures(addresses: Sequence[str]) -> list[str]:
    """ETag, Last-Modified and length of each file, as its server tells them now, as one text; '' where it tells none.

    All servers are asked at the same time, without fetching the files. Raises BadInput where one does not answer soon.
    """
    pool = ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="ask")
    try:
        return list(pool.map(_remote_signature, addresses, timeout=ASKING_DEADLINE_S))
    except DeadlineError as error:
        raise BadInput(
            f"the servers of {len(addresses)} addresses, such as {shown_address(addresses[0])}, take longer than "
            f"{ASKING_DEADLINE_S:g} s to say whether the files have changed: download them and give the folder"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _remote_signature(address: str) -> str:
    with _explained(address):
        try:
            with _opened(address, ASKING_TIMEOUT_S, "HEAD") as answer:
                return _signature(answer)
        except urllib.error.HTTPError as error:
            if error.code not in _NO_HEAD:
                raise
        with _opened(address, ASKING_TIMEOUT_S) as answer:
            return _signature(answer)


def fetch_text(address: str, most_bytes: int) -> bytes:
    """The content of a small file. Raises BadInput where it cannot be fetched, or is larger than `most_bytes`."""
    with _explained(address), _opened(address, ASKING_TIMEOUT_S) as answer:
        content: bytes = answer.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ValueError(f"it is larger than {most_bytes / 2**20:.4g} MiB")
        return content


class Fetched:
    """A folder of fetched files, each of them as it was at one signature; `knows` says of a name whether it is of a kind
    that can be read, `wanted` names those kinds."""

    def __init__(self, folder: Path, knows: Callable[[str], bool], wanted: str) -> None:
        self._folder, self._knows, self._wanted = folder, knows, wanted

    def file(self, address: str, signature: str, largest: int) -> Path:
        """The local copy of the file; fetched only if there is none of that signature, as complete file or not at all.

        Raises BadInput where it cannot be fetched, is larger than `largest` bytes, a web page, or of no kind that is read.
        """
        present = sorted(self._folder.glob(f"{_digest(address, signature)}-*")) if signature else []
        if present:
            return present[0]
        with _explained(address):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)
            unfinished = Path(name)
            try:
                with os.fdopen(handle, "wb") as target, _opened(address, TIMEOUT_S) as answer:
                    _copy(answer, target, largest)
                    names = [
                        *(urllib.parse.unquote(last_part(one)) for one in (address, answer.url)),
                        answer.headers.get_filename() or "",
                    ]
                    told = _signature(answer)
                name = self._name(unfinished, [re.sub(r"[^A-Za-z0-9._-]+", "_", Path(one).name) for one in names])
                unfinished.chmod(0o644)
                file = self._folder / f"{_digest(address, told)}-{name}"
                os.replace(unfinished, file)
            finally:
                unfinished.unlink(missing_ok=True)
        return file

    def keep_only(self, files: Sequence[Path]) -> None:
        """Removes copies that are no longer asked for, and what killed processes have left."""
        kept = {file.name for file in files}
        now = time.time()
        for file in self._folder.iterdir() if self._folder.is_dir() else ():
            unfinished = file.name.startswith(_UNFINISHED)
            if unfinished and now - file.stat().st_mtime > _ABANDONED_S:
                file.unlink(missing_ok=True)
            if not unfinished and file.name not in kept and re.match(r"[0-9a-f]{16}-", file.name):
                file.unlink(missing_ok=True)

    def _name(self, file: Path, names: Sequence[str]) -> str:
        """The first of the names that can be read, or a name by the content; short enough for every disk."""
        with file.open("rb") as stream:
            start = stream.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
        if start.startswith(b"<"):
            raise ValueError("it is a web page or other XML text, not a table")
        for name in names:
            if self._knows(name):
                return name[-80:]
        if start.startswith(b"PK\x03\x04") and self._knows("table.xlsx"):
            return "table.xlsx"
        raise ValueError(f"neither its name nor what it sends is a table: one ends in {self._wanted}")


def _digest(address: str, signature: str) -> str:
    return hashlib.sha256(f"{address}\n{signature}".encode()).hexdigest()[:16]


def _signature(answer: Any) -> str:
    told = [answer.headers.get(name) or "" for name in ("ETag", "Last-Modified", "Content-Length")]
    return " ".join(told).strip()


def _copy(answer: Any, target: IO[bytes], largest: int) -> None:
    length = answer.headers.get("Content-Length", "")
    announced = int(length) if length.isdigit() else None
    while (announced or 0) <= largest and (block := answer.read(1 << 20)):
        target.write(block)
        if target.tell() > largest:
            break
    if max(announced or 0, target.tell()) > largest:
        raise ValueError(f"it is larger than {largest / 2**20:.4g} MiB, too large to be fetched")
    # http.client gives what came where a connection ends early, and says nothing.
    if announced not in (None, target.tell()):
        raise ValueError(f"the connection ended after {target.tell():,} of {announced:,} bytes, try again")
    target.flush()
    os.fsync(target.fileno())


@contextmanager
def _opened(address: str, timeout_s: float, method: str = "GET") -> Iterator[Any]:
    plain = urllib.parse.quote(address, safe="%/:?=&#+,;@!$'()*[]~")
    request = urllib.request.Request(plain, headers={"User-Agent": "synapse-assets"}, method=method)  # noqa: S310 -- it is http(s)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 -- it is http(s)
        if not is_address(answer.url):
            raise ValueError("it leads to an address that is not http(s)")
        yield answer


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turns what can go wrong with an address into BadInput that names it, without its secrets; Unreachable, if it may pass."""
    shown = shown_address(address)
    if re.match(r"[^/]*//[^/?#]*@", address):
        raise BadInput(f"{shown} is given with a user or password: download it, and give its path")
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        status = f"the server answers {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
        refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
        passing = isinstance(error, OSError | http.client.HTTPException) and not refused
        raise (Unreachable if passing else BadInput)(
            f"{shown} cannot be fetched: {status}{reason}. Check the address (does it ask for a login?), or download the file and "
            "give its path"
        ) from error
