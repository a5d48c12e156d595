"""The folder that a site is written into: what may be there already, how a killed export goes on, and how a finished site appears.

A site is written beside the folder that was asked for and takes its place when it is whole, so that a visitor sees the old one or the new
one. What is written does not belong here.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from synapse_assets.errors import BadInput
from synapse_assets.stores.files import storage_explained

MARKER = "export.json"
"""Says what the site is of: format, dataset, release."""
SUMS = "SHA256SUMS"
"""Written last: a folder without it is not whole."""
FORMAT = 1
# In an unfinished site: what parts that are whole were made of.
_RECEIPTS = ".receipts"
_ASIDE = ".part"


@dataclass(frozen=True)
class SiteFolder:
    """A site that is being written. path: where its files go until it is finished."""

    path: Path

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """A file to write, by its path in the site; it appears whole, or not at all."""
        final = self.path / name
        final.parent.mkdir(parents=True, exist_ok=True)
        aside = final.with_name(final.name + _ASIDE)
        with aside.open("wb") as stream:
            yield stream
        aside.replace(final)

    def write(self, name: str, content: bytes | str) -> None:
        """Writes a file in one go, texts as UTF-8."""
        with self.file(name) as stream:
            stream.write(content.encode() if isinstance(content, str) else content)

    def write_json(self, name: str, value: Any) -> None:
        """Writes plain values as JSON without blanks. Raises ValueError for NaN and infinite numbers, which JSON lacks."""
        self.write(name, json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))

    def receipt(self, part: str) -> Any:
        """What `sign` kept of a part of the site that is whole already; None for one that is not."""
        try:
            return json.loads((self.path / _RECEIPTS / f"{part}.json").read_bytes())
        except FileNotFoundError:
            return None

    def sign(self, part: str, receipt: Any) -> None:
        """Keeps what a part was made of, for the next export if this one is killed; after its files."""
        self.write_json(f"{_RECEIPTS}/{part}.json", receipt)


@contextmanager
def site_folder(out: Path, dataset: str, release: str, made_as: str = "") -> Iterator[SiteFolder]:
    """The folder to write the site of a release of a dataset into; at the end it takes the place of `out`.

    made_as: what else decides its files, such as what is private: an unfinished site that was made otherwise is begun anew.

    If the export is killed or fails, `out` is as it was, and the next export of the same release goes on with what is there. Raises
    BadInput, and touches nothing, where `out` holds anything but an export of the same dataset, and while another export writes there;
    StorageError for a full disk.
    """
    out = out.absolute()
    work, previous = (out.with_name(out.name + ending) for ending in (".unfinished", ".previous"))
    _check_ours(work, dataset)
    _check_ours(previous, dataset)
    check_out(out if out.exists() or not previous.exists() else previous, dataset)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{work} cannot be made ({error.strerror}): a site is written beside its folder first; name a folder in one that can be "
            "written"
        ) from error
    with _alone(work, out), storage_explained(str(work)):
        if previous.exists() and not out.exists():
            previous.rename(out)
        content = {"format": FORMAT, "dataset": dataset, "release": release, "made_as": made_as}
        if _marker(work) != content:
            _empty(work)
        folder = SiteFolder(work)
        folder.write_json(MARKER, content)
        # Killed while it took its place.
        (work / SUMS).unlink(missing_ok=True)
        yield folder
        _finish(folder, out, previous)


def check_out(out: Path, dataset: str) -> None:
    """Raises BadInput unless a site of that dataset may be written to `out`: a new folder, an empty one, or its earlier export."""
    if not out.exists():
        return
    if not out.is_dir():
        raise BadInput(f"{out} is a file: name a folder for the site")
    names = _files(out)
    if not names and not any(out.iterdir()):
        return
    marker = _marker(out)
    if marker is None:
        first = min(entry.name for entry in out.iterdir())
        raise BadInput(f"{out} holds other files, such as {first}: name a new or an empty folder for the site")
    if marker.get("dataset") != dataset:
        raise BadInput(f"{out} holds the site of {marker.get('dataset')}, not of {dataset}: name another folder")
    try:
        sums = (out / SUMS).read_text()
    except FileNotFoundError:
        sums = ""
    own = {line.partition("  ")[2] for line in sums.splitlines()} | {SUMS, MARKER}
    if others := sorted(names - own):
        raise BadInput(
            f"{out} holds files that are not of its site, such as {others[0]}, and would be lost: move them, or name another folder"
        )


def _check_ours(folder: Path, dataset: str) -> None:
    """Raises BadInput for a folder beside the site's that is in the way: no export of that dataset left it."""
    if folder.exists() and any(folder.iterdir()) and (_marker(folder) or {}).get("dataset") != dataset:
        raise BadInput(f"{folder} is in the way: the export writes there first. Move it, or name another folder")


@contextmanager
def _alone(work: Path, out: Path) -> Iterator[None]:
    handle = os.open(work, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"another export is writing to {out}: wait until it has finished") from None
        yield
    finally:
        os.close(handle)


def _finish(folder: SiteFolder, out: Path, previous: Path) -> None:
    """Writes the sums, and puts the site in its place."""
    work = folder.path
    for leftover in work.rglob(f"*{_ASIDE}"):
        leftover.unlink()
    names = sorted(name for name in _files(work) if not name.startswith(f"{_RECEIPTS}/"))
    folder.write(SUMS, "".join(f"{_sha256(work / name)}  {name}\n" for name in names))
    shutil.rmtree(work / _RECEIPTS, ignore_errors=True)
    try:
        shutil.rmtree(previous, ignore_errors=True)
        if out.exists():
            out.rename(previous)
        work.rename(out)
    except OSError as error:
        raise BadInput(
            f"{out} cannot be replaced ({error.strerror}); the whole site lies in {work}: move it from there, or name a folder inside of "
            f"{out}"
        ) from error
    shutil.rmtree(previous, ignore_errors=True)


def _marker(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / MARKER).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "dataset" in content else None


def _files(folder: Path) -> set[str]:
    """Every file below a folder, by its path from there."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
