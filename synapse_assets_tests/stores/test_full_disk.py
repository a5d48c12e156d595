"""A disk that is full or may not be written: a real small one, which only root can mount."""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files, storage_explained
from synapse_assets_tests.stores import workers

KINDS = ["region", "parquet", "split", "model", "staging", "warehouse"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Fills the disk with one file, but for `left` bytes."""
    filler = disk / "filler"
    with filler.open("wb") as stream:
        for _ in range((shutil.disk_usage(disk).free - left) // 4096):
            stream.write(b"x" * 4096)
    return filler


@pytest.mark.parametrize("left", [0, 4_096])
@pytest.mark.parametrize("kind", [*KINDS, "answers"])
def test_a_full_disk_is_told_and_leaves_nothing_half(small_disk: Path, kind: str, left: int) -> None:
    store = DatasetStore(str(small_disk / "data"), "sample")
    workers.prepare(store, kind)
    workers.write(store, kind, 1)
    filler = fill(small_disk, left)
    with pytest.raises(
        OSError, match="is full: free some space and run again; what was stored before is whole"
    ) as caught:
        workers.write(store, kind, 2)
    assert caught.value.errno == errno.ENOSPC
    assert str(store.folder.path) in str(caught.value)
    filler.unlink()
    assert workers.stored_generations(store, kind) == {1}
    assert not list(small_disk.rglob(".tmp-*"))
    workers.write(store, kind, 2)
    assert workers.stored_generations(store, kind) == {2}


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_may_only_be_read_is_told(small_disk: Path, kind: str) -> None:
    store = DatasetStore(str(small_disk / "data"), "sample")
    workers.prepare(store, kind)
    workers.write(store, kind, 1)
    remount(small_disk, "ro")
    with pytest.raises(OSError, match=r"cannot be written .read-only file system.*set SYNAPSE_DATA_ROOT") as caught:
        workers.write(store, kind, 2)
    assert str(store.folder.path) in str(caught.value)
    assert workers.stored_generations(store, kind) == {1}
    remount(small_disk, "rw")
    workers.write(store, kind, 2)
    assert workers.stored_generations(store, kind) == {2}


def test_what_fails_elsewhere_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    folder = Files(str(tmp_path / "data"))
    with pytest.raises(PermissionError, match=r"/elsewhere/input\.csv"), folder.scratch():
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/input.csv")
    with pytest.raises(KeyError), storage_explained("s3://lab/x"):
        raise KeyError("a mistake of our own")
