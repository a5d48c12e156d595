"""The file-system layer: where a folder lies (a path or an s3:// or gs:// address), and how a file in it is replaced in one step.

Every store writes through `Files`, so object storage is a matter of another root: on a local disk a file appears by
rename after it was synced, elsewhere by one upload. What has to be built or read as local files is built in `scratch` and
read through `local_copy`. What a file holds does not belong here.
"""

import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from synapse_assets.errors import BadInput, StorageError, SynapseAssetsError, UnreachableStorageError
from synapse_assets.settings import local_root_of

_TEMPORARY = ".tmp-"
# By default 1 and 3 s, which a machine without a core to spare exceeds. Only a server that is named can be given them.
_CONNECT_SECONDS, _SILENCE_SECONDS = 5, 20
# Copies of a file that are kept: a reader may still be about to open the previous copy.
_COPIES = 2


def segment(name: str) -> str:
    """`name` as one safe part of a path: characters that a file system could misread are percent-encoded, as Hive does.

    Raises BadInput if it is empty.
    """
    if not name:
        raise BadInput("a name of a region, model or version is empty; it becomes a folder on disk, so give it a name")
    quoted = quote(name, safe="")
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def _temporary_name(name: str) -> str:
    return f"{_TEMPORARY}{segment(socket.gethostname())}+{os.getpid()}+{uuid.uuid4().hex[:8]}+{name}"


def is_leftover(name: str) -> bool | None:
    """Whether it is an unfinished file or folder of a process that has ended; None where that cannot be known from here.

    That is so for processes of another machine: only the age of the file can decide.
    """
    if not name.startswith(_TEMPORARY):
        return False
    parts = name.removeprefix(_TEMPORARY).split("+")
    if len(parts) < 4 or parts[0] != segment(socket.gethostname()) or not parts[1].isdigit():
        return None
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def sync(path: Path) -> None:
    """Returns once that file, or the names in that folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def storage_explained(where: str) -> Iterator[None]:
    """Around work on files in `where`: turns the many kinds of failure there into one OSError with the remedy.

    For a full disk (ENOSPC), a disk or folder that may not be written, and object storage that does not answer or refuses.
    """
    try:
        yield
    except (SynapseAssetsError, FileNotFoundError):
        raise
    except Exception as error:
        explained = _explanation(where, error)
        if explained is None:
            raise
        # Without its cause: the UI shows the last error of a chain, and this error says what to do.
        raise explained from None


def lost_race(error: Exception) -> bool:
    """Whether a commit to a Lance table failed because another one came first: repeated on what there is then, it may succeed.

    Lance calls it a commit conflict, or an incompatible transaction where a table is made by two at the same moment.
    """
    text = str(error).lower()
    return "commit conflict" in text or "incompatible transaction" in text


def _explanation(where: str, error: Exception) -> OSError | None:
    text = " ".join(str(error).split())
    number = getattr(error, "errno", None)
    whole = "what was stored before is whole"
    if number == errno.ENOSPC or "no space left on device" in text.lower():
        return StorageError(
            errno.ENOSPC, f"the disk that holds {where} is full: free some space and run again; {whole}"
        )
    if "://" in where:
        of_storage = isinstance(error, OSError | RuntimeError) or "LanceError(IO)" in text
        if not of_storage or lost_race(error):
            return None
        server = f" (endpoint {endpoint()})" if where.startswith("s3://") and endpoint() else ""
        return UnreachableStorageError(
            f"{where} cannot be reached or refuses{server}: check the address, the credentials and that the object "
            f"storage is up, and run again; {whole}. It says: {text[:500]}"
        )
    at = getattr(error, "filename", None)
    for code, sign in ((errno.EROFS, "read-only file system"), (errno.EACCES, "permission denied")):
        if (number == code or sign in text.lower()) and (at is None or str(at).startswith(where)):
            remedy = "give this user the right to write there, or set SYNAPSE_DATA_ROOT to another folder"
            return StorageError(code, f"{where} cannot be written ({sign}): {remedy}; {whole}")
    return None


def endpoint() -> str:
    """The server of s3:// addresses where it is not Amazon's; empty for Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


@lru_cache(maxsize=16)
def _bucket(start: str, endpoint: str, region: str, small: bool = False) -> fs.FileSystem:
    """The file system of a bucket, such as s3://bucket; one per process, since each opens its own connections.

    `small`: a small file is written by one request, not three. Not for `fs.copy_files`, in which a failure is then lost (pyarrow 26).
    """
    if endpoint:
        return fs.S3FileSystem(
            endpoint_override=endpoint,
            region=region or "us-east-1",
            allow_delayed_open=small,
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_SILENCE_SECONDS,
        )
    delayed = "?allow_delayed_open=true" if small and start.startswith("s3://") else ""
    return fs.FileSystem.from_uri(start + delayed)[0]


@dataclass(frozen=True)
class Files:
    """One folder, by path or address (s3://, gs://, file://), and the files in it. Touches nothing by itself.

    `local_root` is the local folder for copies and unfinished work where `root` is an address; by default, see
    `settings.local_root_of`.
    """

    root: str
    local_root: str | None = None

    def child(self, *names: str) -> "Files":
        """The folder of that name inside this one. Names are taken as they are: see `segment`."""
        return Files("/".join([self.root.rstrip("/"), *names]), self.local_root)

    @property
    def _where(self) -> tuple[fs.FileSystem, str]:
        return self._located()

    def _located(self, small: bool = False) -> tuple[fs.FileSystem, str]:
        if "://" not in self.root:
            return fs.LocalFileSystem(), os.path.abspath(self.root)
        scheme, _, inside = self.root.partition("://")
        if scheme not in ("s3", "gs"):
            system, path = fs.FileSystem.from_uri(self.root)
            return system, path
        # Only the bucket is parsed as an address, since parsing would decode what `segment` encoded.
        start = f"{scheme}://{inside.split('/', 1)[0]}"
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        with storage_explained(self.root):
            return _bucket(start, endpoint() if scheme == "s3" else "", region, small), inside.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether the folder lies on a disk of this machine."""
        return "://" not in self.root or self.root.startswith("file://")

    @property
    def path(self) -> Path:
        """The local path of the folder. Raises BadInput where it lies on object storage."""
        if not self.is_local:
            raise BadInput(
                f"{self.root} is not on a local disk, as it must be here; set SYNAPSE_DATA_ROOT to a local folder"
            )
        return Path(self._where[1])

    @property
    def local_folder(self) -> Path:
        """The folder itself on a local disk, else the local folder for its copies and unfinished work; it may not exist yet."""
        if self.is_local:
            return self.path
        return Path(self.local_root or local_root_of(self.root)) / "cache" / self.root.replace("://", "/")

    def address(self, name: str) -> str:
        """The path or address of that file, to show or to hand to other programs."""
        return str(self.path / name) if self.is_local else f"{self.root.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Whether a file or folder of that name is there."""
        system, base = self._where
        with storage_explained(self.root):
            return bool(system.get_file_info(f"{base}/{name}").type != fs.FileType.NotFound)

    def names(self) -> list[str]:
        """Names of the files and folders inside, sorted, without unfinished ones; none if the folder does not exist."""
        return [name for name in self._all_names() if not name.startswith(_TEMPORARY)]

    def _all_names(self) -> list[str]:
        return [info.base_name for info in self.entries()]

    def entries(self) -> list[fs.FileInfo]:
        """The contents of the folder, unfinished files included, by name; none if the folder does not exist."""
        system, base = self._where
        with storage_explained(self.root):
            infos = system.get_file_info(fs.FileSelector(base, allow_not_found=True))
        return sorted(infos, key=lambda info: str(info.base_name))

    def size(self, name: str) -> int:
        """Bytes in that file, or in all files of that folder; 0 if it is not there."""
        return sum(int(info.size or 0) for info in self._files_in(name))

    def touched(self, name: str) -> datetime | None:
        """When that file, or any in that folder, was last written; None if there is none."""
        return max((info.mtime for info in self._files_in(name) if info.mtime is not None), default=None)

    def _files_in(self, name: str) -> list[fs.FileInfo]:
        """The file or folder itself and everything in it, as far as it is still there."""
        system, base = self._where
        with storage_explained(self.root):
            top = system.get_file_info(f"{base}/{name}")
            if top.type != fs.FileType.Directory:
                return [] if top.type == fs.FileType.NotFound else [top]
            inside = system.get_file_info(fs.FileSelector(f"{base}/{name}", allow_not_found=True, recursive=True))
        return [top, *inside]

    def open(self, name: str, mapped: bool = False) -> Any:
        """The file, open for random reading (a pyarrow file); `mapped`: not copied where it is local, for one that nobody writes any
        more. Raises FileNotFoundError."""
        if mapped and self.is_local:
            return pa.memory_map(str(self.path / name))
        system, base = self._where
        with storage_explained(self.root):
            return system.open_input_file(f"{base}/{name}")

    @contextmanager
    def replace(self, name: str, sweep: bool = True) -> Iterator[BinaryIO]:
        """Gives a stream for the new content of the file `name`: it appears when the block ends well, or not at all.

        What killed processes left in the folder is swept first, unless the folder has very many files.
        """
        if not self.is_local:
            # As large as a region: beside the copies, since the folder for small temporary files may have no room for it.
            folder = self.local_folder
            with storage_explained(str(folder)):
                folder.mkdir(parents=True, exist_ok=True)
                if sweep:
                    self.sweep()
                with tempfile.NamedTemporaryFile(prefix=_temporary_name("new"), dir=folder) as local:
                    yield local  # type: ignore[misc]
                    local.flush()
                    self._upload(Path(local.name), name)
            return
        folder = self.path
        temporary = folder / _temporary_name(name)
        with storage_explained(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
            if sweep:
                self.sweep()
            try:
                with open(temporary, "wb") as stream:
                    yield stream
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(temporary, folder / name)
                sync(folder)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise

    def touch(self, name: str) -> None:
        """Makes an empty file of that name in a folder that exists or lies on object storage; one that is there is emptied and renewed."""
        system, base = self._located(small=True)
        with storage_explained(self.root):
            system.open_output_stream(f"{base}/{name}").close()

    def put(self, file: Path, name: str) -> None:
        """Makes a local file of `scratch` the file `name` in here, in one step."""
        if not self.is_local:
            self._upload(file, name)
            return
        with storage_explained(str(self.path)):
            sync(file)
            os.replace(file, self.path / name)
            sync(self.path)

    def _upload(self, file: Path, name: str) -> None:
        system, base = self._where
        with storage_explained(self.root):
            fs.copy_files(str(file), f"{base}/{name}", fs.LocalFileSystem(), system)

    @contextmanager
    def new_folder(self, name: str, last: str) -> Iterator[Path]:
        """Gives an empty local folder, which appears as the folder `name` when the block ends well, or not at all: `adopt`."""
        with self.scratch() as temporary:
            yield temporary
            self.adopt(temporary, name, last)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Gives an empty local folder, for an address too; removed at the end, or after a kill by the next `sweep`."""
        folder = self.local_folder
        temporary = folder / _temporary_name("folder")
        with storage_explained(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
            self.sweep()
            temporary.mkdir()
        try:
            with storage_explained(str(folder)):
                yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def adopt(self, folder: Path, name: str, last: str | None = None) -> None:
        """Makes a scratch folder the folder `name` in here; an existing folder stays.

        On a local disk it is renamed, in one step. Object storage has no folders and no renaming: there the files appear
        one by one, and the file `last` at the end, so that a folder without it counts as missing. Without `last` it
        must be another file, written afterwards, that says the folder is there. Two that upload the same name at the same
        moment should bring the same content: the later wins file by file.
        """
        if not self.is_local:
            if last is not None and self.exists(f"{name}/{last}"):
                return
            files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            for path in sorted(files, key=lambda file: file == folder / (last or "")):
                self._upload(path, f"{name}/{path.relative_to(folder).as_posix()}")
            return
        with storage_explained(str(self.path)):
            for path in folder.rglob("*"):
                sync(path)
            try:
                os.rename(folder, self.path / name)
            except OSError:
                if not (self.path / name).is_dir():
                    raise
            sync(self.path)

    def local_copy(self, name: str, last: str | None = None) -> Path:
        """A local path of that file, or of the folder that was adopted with `last`: itself, or a complete copy of it.

        A copy is fetched when the content changed (by the entity tag of the file, or of `last`), and the previous copy
        is kept for those who have it open. Raises FileNotFoundError.
        """
        if self.is_local:
            path = self.path / name
            if not path.exists():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            return path
        copies = Files(str(self.local_folder / name))
        marker = name if last is None else f"{name}/{last}"
        while True:
            stamp = self._stamp(marker)
            if not copies.exists(stamp):
                with copies.scratch() as temporary:
                    self._download(name, temporary, whole=last is not None)
                    if self._stamp(marker) != stamp:
                        continue
                    copies.adopt(temporary, stamp)
                copies._keep_newest(_COPIES)
            return copies.path / stamp / ("" if last is not None else name.rsplit("/", 1)[-1])

    def _stamp(self, name: str) -> str:
        """Identifies the content of a file: its entity tag, or its size and time where there is no tag."""
        with self.open(name) as source, storage_explained(self.root):
            metadata = {key.lower(): value for key, value in (source.metadata() or {}).items()}
            size = source.size()
        tag = metadata.get("etag")
        if tag is None:
            system, base = self._where
            tag = str(system.get_file_info(f"{base}/{name}").mtime_ns).encode()
        return hashlib.sha256(tag + b"|" + str(size).encode()).hexdigest()[:16]

    def _download(self, name: str, into: Path, whole: bool) -> None:
        system, base = self._where
        here = fs.LocalFileSystem()
        with storage_explained(self.root):
            if not whole:
                fs.copy_files(f"{base}/{name}", str(into / name.rsplit("/", 1)[-1]), system, here)
                return
            for info in system.get_file_info(fs.FileSelector(f"{base}/{name}", recursive=True)):
                if info.type == fs.FileType.File:
                    target = into / info.path.removeprefix(f"{base}/{name}/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    fs.copy_files(info.path, str(target), system, here)

    def _keep_newest(self, count: int) -> None:
        newest_first = sorted(self.entries(), key=lambda info: int(info.mtime_ns or 0), reverse=True)
        finished = [info.base_name for info in newest_first if not info.base_name.startswith(_TEMPORARY)]
        for name in finished[count:]:
            self.remove(name)

    def remove(self, name: str, first: str | None = None) -> None:
        """Removes the file or folder of that name, if it is there. On a local disk it is gone in one step.

        Elsewhere its file `first` goes first: the file that marks the folder as complete.
        """
        system, base = self._where
        with suppress(FileNotFoundError), storage_explained(self.root):
            kind = system.get_file_info(f"{base}/{name}").type
            if kind == fs.FileType.Directory and self.is_local and not name.startswith(_TEMPORARY):
                hidden = _temporary_name("removed")
                os.rename(f"{base}/{name}", f"{base}/{hidden}")
                shutil.rmtree(f"{base}/{hidden}", ignore_errors=True)
            elif kind == fs.FileType.Directory:
                if first is not None:
                    self.remove(f"{name}/{first}")
                system.delete_dir(f"{base}/{name}")
            elif kind != fs.FileType.NotFound:
                system.delete_file(f"{base}/{name}")

    def sweep(self) -> None:
        """Removes what killed processes of this machine left unfinished in this folder."""
        here = Files(str(self.local_folder))
        for name in here._all_names():
            if is_leftover(name):
                with suppress(OSError):
                    here.remove(name)

    def write_json(self, name: str, value: object) -> None:
        """Replaces the file by that value as JSON, in one step."""
        with self.replace(name) as stream:
            stream.write(json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")

    def read_json(self, name: str) -> Any:
        """The value in that JSON file; None if there is no such file. Raises BadInput if it holds no JSON."""
        try:
            with self.open(name) as stream, storage_explained(self.root):
                return json.loads(stream.read())
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as error:
            raise BadInput(
                f"{self.address(name)} holds no JSON ({error}): bring it back from a copy, or remove it and materialise again"
            ) from error
