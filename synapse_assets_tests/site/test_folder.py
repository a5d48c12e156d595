"""The folder of a site: what may be there, and that a site is there whole or as it was."""

import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from synapse_assets.errors import BadInput, StorageError
from synapse_assets.site.folder import MARKER, SUMS, site_folder


def write(out: Path, dataset: str = "a", release: str = "1", **files: str) -> None:
    with site_folder(out, dataset, release) as folder:
        for name, content in files.items():
            folder.write(f"{name}/file", content)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_site_is_there_when_it_is_whole_with_sums_of_all_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with site_folder(out, "a", "1") as folder:
        folder.write("x/file", "content")
        folder.sign("part", {"key": 1})
        assert not out.exists()
    assert set(content_of(out)) == {"x/file", MARKER, SUMS}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    checked = subprocess.run(["sha256sum", "-c", SUMS], cwd=out, capture_output=True, text=True, check=True)
    assert checked.stdout.splitlines() == [f"{MARKER}: OK", "x/file: OK"]


def test_an_earlier_site_of_the_dataset_is_replaced_without_leftovers(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, release="1", old="1", both="1")
    write(out, release="2", new="2", both="2")
    assert {name for name in content_of(out) if name.endswith("/file")} == {"new/file", "both/file"}
    assert (out / "both/file").read_text() == "2"


def note(out: Path) -> None:
    out.mkdir()
    (out / "thesis.docx").write_text("years of work")


def earlier_with_more(out: Path) -> None:
    write(out, x="1")
    (out / "CNAME").write_text("brain.example.org")


def marked_but_empty(out: Path) -> None:
    out.mkdir()
    (out / MARKER).write_text("{}")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (note, r"out holds other files, such as thesis.docx: name a new or an empty folder"),
        (earlier_with_more, r"files that are not of its site, such as CNAME, and would be lost"),
        (marked_but_empty, r"out holds other files, such as export.json"),
        (lambda out: write(out, dataset="b"), r"out holds the site of b, not of a: name another folder"),
        (lambda out: out.write_text("text"), r"out is a file: name a folder"),
        (lambda out: note(out.with_name("out.unfinished")), r"out.unfinished is in the way"),
        (lambda out: note(out.with_name("out.previous")), r"out.previous is in the way"),
    ],
)
def test_what_is_not_an_earlier_site_stays_untouched(
    make: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    make(tmp_path / "out")
    before = content_of(tmp_path)
    with pytest.raises(BadInput, match=sentence):
        write(tmp_path / "out", x="2")
    assert content_of(tmp_path) == before


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", x="1")
    assert (tmp_path / "out/x/file").exists()


def test_a_failed_export_leaves_the_site_as_it_was_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, release="1", x="1")
    before = content_of(out)
    with suppress(ZeroDivisionError), site_folder(out, "a", "2") as folder:
        folder.write("x/file", "2")
        folder.sign("x", {"key": "2"})
        with folder.file("half") as stream:
            stream.write(b"ha")
            raise ZeroDivisionError
    assert content_of(out) == before
    with site_folder(out, "a", "2") as folder:
        assert folder.receipt("x") == {"key": "2"}
        assert (folder.path / "x/file").read_text() == "2"
        assert not (folder.path / "half").exists()
    assert set(content_of(out)) == {"x/file", MARKER, SUMS}


@pytest.mark.parametrize(("release", "made_as"), [("2", ""), ("1", "other")])
def test_unfinished_files_of_something_else_are_not_taken_over(release: str, made_as: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with suppress(ZeroDivisionError), site_folder(out, "a", "1") as folder:
        folder.write("x/file", "1")
        folder.sign("x", 1)
        raise ZeroDivisionError
    with site_folder(out, "a", release, made_as) as folder:
        assert folder.receipt("x") is None
    assert set(content_of(out)) == {MARKER, SUMS}


def test_killed_between_the_two_renames_the_earlier_site_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, release="1", x="1")
    out.rename(tmp_path / "out.previous")
    with suppress(ZeroDivisionError), site_folder(out, "a", "2"):
        assert (out / "x/file").read_text() == "1"
        raise ZeroDivisionError
    write(out, release="2", x="2")
    assert (out / "x/file").read_text() == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_two_exports_to_one_folder_do_not_mix(tmp_path: Path) -> None:
    with site_folder(tmp_path / "out", "a", "1") as folder:
        folder.write("x/file", "1")
        with pytest.raises(BadInput, match="another export is writing"):
            write(tmp_path / "out", x="2")
    assert (tmp_path / "out/x/file").read_text() == "1"


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot be made \(Not a directory\)"):
        write(tmp_path / "file/out", x="1")


def test_a_full_disk_is_told_and_the_earlier_site_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, release="1", x="1")
    with pytest.raises(StorageError, match="is full: free some space and run again"):
        write_to_a_full_disk(out)
    assert (out / "x/file").read_text() == "1"
    write(out, release="2", x="2")


def write_to_a_full_disk(out: Path) -> None:
    with site_folder(out, "a", "2") as folder:
        (folder.path / "big.part").symlink_to("/dev/full")
        folder.write("big", "x" * 10**6)
