"""Large published files from a server on this machine: broken off and gone on with, checked, and never there in part."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.datasets import PublishedFile
from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.sources import downloads
from synapse_assets.sources.downloads import fetch_published, fetched_bytes
from synapse_assets_tests.published import PublicServer, public_server

CONTENT = bytes(range(256)) * 4_000


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublicServer]:
    monkeypatch.setattr(downloads, "WAIT_S", 0.0)
    folder = tmp_path_factory.mktemp("published")
    (folder / "table.feather").write_bytes(CONTENT)
    with public_server(folder) as running:
        yield running


def digests() -> dict[str, str]:
    return {name: hashlib.new(name, CONTENT).hexdigest() for name in ("md5", "sha256")}


def published(server: PublicServer, folder: Path, **changes: Any) -> PublishedFile:
    values = {
        "url": f"{server.url}/table.feather",
        "path": str(folder / "new" / "table.feather"),
        "bytes": len(CONTENT),
        "licence": "-",
        "cite": "-",
    }
    return PublishedFile.model_validate({**values, "md5": digests()["md5"], **changes})


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once(server: PublicServer, tmp_path: Path) -> None:
    file, told = published(server, tmp_path), list[int]()
    fetch_published(file, told.append)
    assert Path(file.path).read_bytes() == CONTENT
    assert files(tmp_path) == ["table.feather"]
    assert told[-1] == fetched_bytes(file) == len(CONTENT)
    fetch_published(file, told.append)
    assert server.asked == [None]


def test_a_broken_connection_goes_on_where_it_broke(server: PublicServer, tmp_path: Path) -> None:
    server.breaks = [300_000, 1, 500_000]
    file, told = published(server, tmp_path), list[int]()
    fetch_published(file, told.append)
    assert Path(file.path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=300001-", "bytes=800001-"]
    assert told == sorted(told)


def test_the_next_call_goes_on_where_the_last_one_gave_up(server: PublicServer, tmp_path: Path) -> None:
    server.breaks = [400_000, 0, 0, 0, 0]
    file = published(server, tmp_path)
    with pytest.raises(Unreachable, match=r"400,000 of 1,024,000 bytes are here: start the same command again"):
        fetch_published(file, lambda _: None)
    assert (fetched_bytes(file), files(tmp_path)) == (400_000, [".table.feather.part"])
    server.asked.clear()
    fetch_published(file, lambda _: None)
    assert server.asked == ["bytes=400000-"]
    assert files(tmp_path) == ["table.feather"]
    assert Path(file.path).read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(server: PublicServer, tmp_path: Path) -> None:
    server.breaks, server.ranges = [300_000], False
    file = published(server, tmp_path)
    fetch_published(file, lambda _: None)
    assert Path(file.path).read_bytes() == CONTENT


@pytest.mark.parametrize("digest", ["md5", "sha256"])
def test_another_content_is_refused_and_leaves_nothing(server: PublicServer, tmp_path: Path, digest: str) -> None:
    right = digests()
    (server.folder / "table.feather").write_bytes(CONTENT[:-1] + b"x")
    file = published(server, tmp_path, **{**right, ("sha256" if digest == "md5" else "md5"): None})
    with pytest.raises(
        BadInput, match=rf"has the {digest} [0-9a-f]+, and {right[digest]} was published; it was removed"
    ):
        fetch_published(file, lambda _: None)
    assert files(tmp_path) == []


def test_a_full_disk_is_called_one(server: PublicServer, tmp_path: Path) -> None:
    file = published(server, tmp_path)
    unfinished = Path(file.path).with_name(".table.feather.part")
    unfinished.parent.mkdir()
    unfinished.symlink_to("/dev/full")
    with pytest.raises(BadInput, match=f"{unfinished.parent} is full: make room there"):
        fetch_published(file, lambda _: None)
    assert len(server.asked) == 1


def test_another_size_is_refused_before_it_is_fetched(server: PublicServer, tmp_path: Path) -> None:
    (server.folder / "table.feather").write_bytes(CONTENT + b"more")
    with pytest.raises(BadInput, match=r"it has 1,024,004 bytes there, and 1,024,000 were published"):
        fetch_published(published(server, tmp_path), lambda _: None)
    assert files(tmp_path) == []


def test_a_file_that_was_put_in_its_place_is_taken_if_it_is_the_published_one(
    server: PublicServer, tmp_path: Path
) -> None:
    file = published(server, tmp_path)
    Path(file.path).parent.mkdir()
    Path(file.path).write_bytes(CONTENT)
    fetch_published(file, lambda _: None)
    Path(file.path).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(BadInput, match=r"table\.feather has the md5 .* move it away"):
        fetch_published(file, lambda _: None)
    assert Path(file.path).read_bytes().endswith(b"x")
    assert server.asked == []


def test_an_address_without_the_file_is_named_at_once(server: PublicServer, tmp_path: Path) -> None:
    (server.folder / "table.feather").unlink()
    with pytest.raises(
        BadInput, match=r"http://127\.0\.0\.1:\d+/table\.feather cannot be fetched: the server answers 404"
    ):
        fetch_published(published(server, tmp_path), lambda _: None)
    assert server.asked == []


def test_without_a_known_checksum_the_size_decides(server: PublicServer, tmp_path: Path) -> None:
    file = published(server, tmp_path, md5=None)
    fetch_published(file, lambda _: None)
    assert Path(file.path).read_bytes() == CONTENT
