"""Large published files over http(s): fetched in as many parts as it takes, checked, and there whole or not at all.

What has come stays on disk beside the file's place, so that a fetch that was broken off goes on where it stopped. Tables of a
dataset that change at their address belong to `fetching`.
"""

import errno
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synapse_assets.datasets import PublishedFile
from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.sources.fetching import FIRST_S, SLOWEST_BYTES_PER_S, TIMEOUT_S, explained
from synapse_assets.sources.web import Patience, opened, shown_address

# Tries one after the other that bring no byte, and the wait before each.
_TRIES = 4
WAIT_S = 5.0
_BLOCK = 1 << 20


def fetched_bytes(file: PublishedFile) -> int:
    """How much of a file is on this machine already."""
    path = Path(file.path)
    return next((one.stat().st_size for one in (path, _unfinished(path)) if one.is_file()), 0)


def fetch_published(file: PublishedFile, progress: Callable[[int], None]) -> None:
    """Puts a published file in its place, unless it is there. `progress` is told how many bytes there are.

    Raises BadInput where the server gives something else than was published, or something else lies in its place; Unreachable
    where it gives nothing now: what has come is kept, and the next call goes on there.
    """
    path = Path(file.path)
    if path.is_file():
        if (difference := _difference(file, path)) is not None:
            raise BadInput(f"{path} {difference}: move it away, and it is fetched from {shown_address(file.url)}")
        progress(file.bytes)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    _fetch(file, unfinished, progress)
    if (difference := _difference(file, unfinished)) is not None:
        unfinished.unlink()
        raise BadInput(
            f"what {shown_address(file.url)} sent {difference}; it was removed. Start again if the connection may have failed; if it "
            f"is the same again, the file was changed or the mirror is wrong: get the published one, and put it at {path}"
        )
    os.replace(unfinished, path)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _fetch(file: PublishedFile, unfinished: Path, progress: Callable[[int], None]) -> None:
    failures = 0
    while (before := unfinished.stat().st_size if unfinished.exists() else 0) < file.bytes:
        try:
            with explained(file.url):
                _fetch_rest(file, unfinished, before, progress)
        except Unreachable as error:
            if getattr(error.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise BadInput(
                    f"{unfinished.parent} is full: make room there, or set SYNAPSE_DATA_ROOT to a folder on a larger disk. What has come "
                    "is kept in it, and the same command goes on there"
                ) from error
            size = unfinished.stat().st_size if unfinished.exists() else 0
            failures = 0 if size > before else failures + 1
            if failures == _TRIES:
                raise Unreachable(
                    f"{error}. {size:,} of {file.bytes:,} bytes are here: start the same command again, and it goes on there"
                ) from error
            time.sleep(WAIT_S)


def _fetch_rest(file: PublishedFile, unfinished: Path, first_byte: int, progress: Callable[[int], None]) -> None:
    """Adds what the server sends from that byte on. Raises OSError where it ends early, ValueError where its file is another one."""
    patience = Patience(TIMEOUT_S, TIMEOUT_S)
    with opened(file.url, patience, first_byte=first_byte) as answer:
        if answer.status != 206:
            first_byte = 0
        _require_size(answer, first_byte, file.bytes)
        patience.keep_up(SLOWEST_BYTES_PER_S, FIRST_S)
        with unfinished.open("r+b" if first_byte else "wb") as target:
            target.seek(first_byte)
            while block := answer.read(_BLOCK):
                target.write(block)
                if target.tell() > file.bytes:
                    raise ValueError(f"it sends more than the {file.bytes:,} bytes that were published")
                progress(target.tell())
            size = target.tell()
            target.flush()
            os.fsync(target.fileno())
    if size < file.bytes:
        raise ConnectionError(f"the connection ended after {size:,} of {file.bytes:,} bytes")


def _require_size(answer: Any, first_byte: int, published: int) -> None:
    length = answer.headers.get("Content-Length", "")
    whole = first_byte + int(length) if length.isdigit() else published
    begins = (answer.headers.get("Content-Range") or "").startswith(f"bytes {first_byte}-") or not first_byte
    if whole != published or not begins:
        raise ValueError(f"it has {whole:,} bytes there, and {published:,} were published")


def _difference(file: PublishedFile, path: Path) -> str | None:
    """In which way a local file is not the published one; None where it is, as far as is known of that."""
    size = path.stat().st_size
    if size != file.bytes:
        return f"has {size:,} bytes, and {file.bytes:,} were published"
    for name, published in (("md5", file.md5), ("sha256", file.sha256)):
        if published is not None:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, name).hexdigest()
            if digest != published:
                return f"has the {name} {digest}, and {published} was published"
    return None
