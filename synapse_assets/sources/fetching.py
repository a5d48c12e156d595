"""Files at http(s) addresses: a cheap signature that changes with the file, and a local copy that is complete or absent.

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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.sources.web import Patience, TooSlowError, is_address, opened, shown_address

__all__ = ["Fetched", "fetch_text", "is_address", "last_part", "remote_signatures", "shown_address"]

# A file that is fetched: until its first byte, redirects included, and for each silence after it.
TIMEOUT_S = 60.0
# From then on as many bytes a second, the first minute not counted.
SLOWEST_BYTES_PER_S = 10_000.0
FIRST_S = 60.0
# A sensor's request: for each silence, and for a small text, or all requests about the files of one source together, so that
# a sensor is done long before its 60 s.
ASKING_TIMEOUT_S = 5.0
ASKING_DEADLINE_S = 20.0
_ASKED_AT_ONCE = 16
# A server may not allow HEAD: then the beginning of the file itself is asked for.
_NO_HEAD = frozenset({400, 403, 405, 501})
_UNFINISHED = ".part-"
_ABANDONED_S = 86_400.0


def last_part(address: str) -> str:
    """The part of an address that is the name of the file, as the address writes it; '' if it ends in a slash."""
    return re.sub(r"^[^/]*//[^/?#]*|[?#].*", "", address, flags=re.DOTALL).rpartition("/")[2]


def remote_signatures(addresses: Sequence[str]) -> list[str]:
    """ETag, Last-Modified and length of each file, as its server reports them now, as one text; '' where it reports none.

    All servers are asked at the same time, without fetching the files. Raises BadInput where a server does not answer soon.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="ask") as pool:
        requests = [pool.submit(_remote_signature, address, began) for address in addresses]
        try:
            return [question.result() for question in requests]
        except Unreachable as error:
            if len(addresses) == 1 or not isinstance(error.__cause__, TooSlowError):
                raise
            raise BadInput(
                f"the servers of {len(addresses)} addresses, such as {shown_address(addresses[0])}, take longer than "
                f"{ASKING_DEADLINE_S:g} s to say whether the files have changed: download them and give the folder"
            ) from error
        finally:
            for question in requests:
                question.cancel()


def _remote_signature(address: str, began: float) -> str:
    patience = Patience(ASKING_TIMEOUT_S, ASKING_DEADLINE_S, since=began)
    with explained(address):
        try:
            with opened(address, patience, "HEAD") as answer:
                return _signature(answer)
        except urllib.error.HTTPError as error:
            if error.code not in _NO_HEAD:
                raise
        with opened(address, patience) as answer:
            return _signature(answer)


def fetch_text(address: str, most_bytes: int) -> bytes:
    """The content of a small file. Raises BadInput where it cannot be fetched, or is larger than `most_bytes`."""
    with explained(address), opened(address, Patience(ASKING_TIMEOUT_S, ASKING_DEADLINE_S)) as answer:
        content: bytes = answer.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ValueError(f"it is larger than {most_bytes / 2**20:.4g} MiB")
        return content


class Fetched:
    """A folder of fetched files, each of them as it was at one signature; `knows` says of a name whether it is of a kind
    that can be read, `kinds` names those kinds."""

    def __init__(self, folder: Path, knows: Callable[[str], bool], kinds: str) -> None:
        self._folder, self._knows, self._kinds = folder, knows, kinds

    def file(self, address: str, signature: str, largest: int) -> Path:
        """The local copy of the file; fetched only if there is none of that signature, as complete file or not at all.

        Raises BadInput where it cannot be fetched, is larger than `largest` bytes, a web page, or of no kind that is read.
        """
        present = sorted(self._folder.glob(f"{_digest(address, signature)}-*")) if signature else []
        if present:
            return present[0]
        with explained(address):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)
            unfinished = Path(name)
            patience = Patience(TIMEOUT_S, TIMEOUT_S)
            try:
                with os.fdopen(handle, "wb") as target, opened(address, patience) as answer:
                    patience.keep_up(SLOWEST_BYTES_PER_S, FIRST_S)
                    _copy(answer, target, largest)
                    names = [
                        *(urllib.parse.unquote(last_part(url)) for url in (address, answer.url)),
                        answer.headers.get_filename() or "",
                    ]
                    served_signature = _signature(answer)
                name = self._name(
                    unfinished, [re.sub(r"[^A-Za-z0-9._-]+", "_", Path(candidate).name) for candidate in names]
                )
                unfinished.chmod(0o644)
                file = self._folder / f"{_digest(address, served_signature)}-{name}"
                os.replace(unfinished, file)
            finally:
                unfinished.unlink(missing_ok=True)
        return file

    def keep_only(self, files: Sequence[Path]) -> None:
        """Removes copies that are no longer asked for, and what killed processes have left."""
        kept_names = {file.name for file in files}
        now = time.time()
        for file in self._folder.iterdir() if self._folder.is_dir() else ():
            unfinished = file.name.startswith(_UNFINISHED)
            if unfinished and now - file.stat().st_mtime > _ABANDONED_S:
                file.unlink(missing_ok=True)
            if not unfinished and file.name not in kept_names and re.match(r"[0-9a-f]{16}-", file.name):
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
        raise ValueError(f"neither its name nor what it sends is a table: one ends in {self._kinds}")


def _digest(address: str, signature: str) -> str:
    return hashlib.sha256(f"{address}\n{signature}".encode()).hexdigest()[:16]


def _signature(answer: Any) -> str:
    headers = [answer.headers.get(name) or "" for name in ("ETag", "Last-Modified", "Content-Length")]
    return " ".join(headers).strip()


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
def explained(address: str) -> Iterator[None]:
    """Turns what can go wrong with an address into BadInput that names it, without its secrets; Unreachable, if it may pass."""
    redacted = shown_address(address)
    if re.match(r"[^/]*//[^/?#]*@", address):
        raise BadInput(f"{redacted} is given with a user or password: download it, and give its path")
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        passing = isinstance(error, OSError | http.client.HTTPException)
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(error, urllib.error.HTTPError):
            passing = error.code >= 500 or error.code == 429
            reason = f"the server answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
        gone = isinstance(error, urllib.error.HTTPError) and error.code in (404, 410)
        raise (Unreachable if passing else BadInput)(
            f"{redacted} cannot be fetched: {reason}. Check the address (does it ask for a login?), or download the file and give its "
            f"path{'; if it is gone for good, take it out of the YAML or manifest' if gone else ''}"
        ) from error
