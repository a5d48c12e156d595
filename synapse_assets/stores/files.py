"""The file-system layer: where a folder lies (a path or a URL), and how a file in it is replaced in one step.

Every store writes through `Files`, so object storage is a matter of another root: on a local disk a file appears by
rename after it was synced, elsewhere by one upload. What a file holds does not belong here.
"""

import errno
import json
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from pyarrow import fs

from synapse_assets.schema import BadInput

_TEMPORARY = ".tmp-"


def segment(name: str) -> str:
    """`name` as one safe part of a path: what a file system could misread is percent-encoded, as Hive does.

    Raises BadInput if it is empty.
    """
    if not name:
        raise BadInput("a name of a region, model or version is empty; it becomes a folder on disk, so give it a name")
    quoted = quote(name, safe="")
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def _temporary_name(name: str) -> str:
    return f"{_TEMPORARY}{segment(socket.gethostname())}+{os.getpid()}+{uuid.uuid4().hex[:8]}+{name}"


def _abandoned(name: str) -> bool:
    """Whether a temporary file or folder belongs to a process of this machine that is no more."""
    parts = name.removeprefix(_TEMPORARY).split("+")
    if len(parts) < 4 or parts[0] != segment(socket.gethostname()) or not parts[1].isdigit():
        return False
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def full_disk_explained(where: str) -> Iterator[None]:
    """Around writing into `where`: turns the many ways of saying "no space left" into one OSError (ENOSPC) with the remedy."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and "no space left on device" not in str(error).lower():
            raise
        told = f"the disk that holds {where} is full: free some space and run again; what was stored before is whole"
        # Without its cause: the UI shows the last error of a chain, and this is the one that says what to do.
        raise OSError(errno.ENOSPC, told) from None


@dataclass(frozen=True)
class Files:
    """One folder, by path or URL (s3://, gs://, file://), and the files in it. Touches nothing by itself."""

    root: str

    def child(self, *names: str) -> "Files":
        """The folder of that name inside this one. Names are taken as they are: see `segment`."""
        return Files("/".join([self.root.rstrip("/"), *names]))

    @property
    def _where(self) -> tuple[fs.FileSystem, str]:
        if "://" in self.root:
            system, path = fs.FileSystem.from_uri(self.root)
            return system, path
        return fs.LocalFileSystem(), os.path.abspath(self.root)

    @property
    def is_local(self) -> bool:
        """Whether the folder lies on a disk of this machine."""
        return isinstance(self._where[0], fs.LocalFileSystem)

    @property
    def path(self) -> Path:
        """The local path of the folder. Raises BadInput where it lies on object storage."""
        if not self.is_local:
            raise BadInput(
                f"{self.root} is not on a local disk, as it must be here; set SYNAPSE_DATA_ROOT to a local folder"
            )
        return Path(self._where[1])

    def exists(self, name: str) -> bool:
        """Whether a file or folder of that name is there."""
        system, base = self._where
        return system.get_file_info(f"{base}/{name}").type != fs.FileType.NotFound

    def names(self) -> list[str]:
        """Names of the files and folders inside, sorted, without unfinished ones; none if the folder does not exist."""
        return [name for name in self._all_names() if not name.startswith(_TEMPORARY)]

    def _all_names(self) -> list[str]:
        system, base = self._where
        found = system.get_file_info(fs.FileSelector(base, allow_not_found=True))
        return sorted(info.base_name for info in found)

    def open(self, name: str) -> Any:
        """The file, open for random reading (a pyarrow file). Raises FileNotFoundError."""
        system, base = self._where
        return system.open_input_file(f"{base}/{name}")

    @contextmanager
    def replace(self, name: str, sweep: bool = True) -> Iterator[BinaryIO]:
        """Gives a stream for the new content of the file `name`: it appears when the block ends well, or not at all.

        What killed processes left in the folder is swept first, unless the folder is one of very many files.
        """
        if not self.is_local:
            system, base = self._where
            with tempfile.NamedTemporaryFile() as local:
                yield local  # type: ignore[misc]
                local.flush()
                fs.copy_files(local.name, f"{base}/{name}", fs.LocalFileSystem(), system)
            return
        folder = self.path
        folder.mkdir(parents=True, exist_ok=True)
        if sweep:
            self.sweep()
        temporary = folder / _temporary_name(name)
        try:
            with full_disk_explained(str(folder)), open(temporary, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, folder / name)
            _sync_folder(folder)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise

    @contextmanager
    def new_folder(self, name: str) -> Iterator[Path]:
        """Gives an empty local folder, which appears as the folder `name` when the block ends well, or not at all.

        If a folder of that name is there already, it stays and the new one is dropped.
        """
        with self.scratch() as temporary:
            yield temporary
            self.adopt(temporary, name)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Gives an empty local folder inside this one; removed at the end, or after a kill by the next `sweep`."""
        folder = self.path
        folder.mkdir(parents=True, exist_ok=True)
        self.sweep()
        temporary = folder / _temporary_name("folder")
        temporary.mkdir()
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def adopt(self, folder: Path, name: str) -> None:
        """Renames a local scratch folder to `name` in here, synced to disk; a folder that is there already stays."""
        for path in folder.rglob("*"):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        try:
            os.rename(folder, self.path / name)
        except OSError:
            if not (self.path / name).is_dir():
                raise
        _sync_folder(self.path)

    def remove(self, name: str) -> None:
        """Removes the file or folder of that name, if it is there."""
        system, base = self._where
        kind = system.get_file_info(f"{base}/{name}").type
        with suppress(FileNotFoundError):
            if kind == fs.FileType.Directory:
                system.delete_dir(f"{base}/{name}")
            elif kind != fs.FileType.NotFound:
                system.delete_file(f"{base}/{name}")

    def sweep(self) -> None:
        """Removes what killed processes of this machine left unfinished in this folder."""
        for name in self._all_names():
            if name.startswith(_TEMPORARY) and _abandoned(name):
                with suppress(OSError):
                    self.remove(name)

    def write_json(self, name: str, value: object) -> None:
        """Replaces the file by that value as JSON, in one step."""
        with self.replace(name) as stream:
            stream.write(json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")

    def read_json(self, name: str) -> Any:
        """The value in that JSON file; None if there is no such file."""
        try:
            with self.open(name) as stream:
                return json.loads(stream.read())
        except FileNotFoundError:
            return None
