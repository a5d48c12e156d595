"""The files that a path stands for, their signatures and versions, and files that are written while they are read."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from synapse_assets.datasets import NeuronTable, Workbook
from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_SOURCES, SYNAPSES
from synapse_assets.sources import RegionNames, Tally, listing, provenance, read_neurons, read_source
from synapse_assets.sources.listing import FilesAt, content_version, signatures
from synapse_assets_tests.conftest import Lab
from synapse_assets_tests.sources.tables import VOLUME, column, source

HEADER = "id,x,y,z,body,roi,nt\n"


def table(path: Path, *ids: str) -> Path:
    """A table of synapses with these ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(f"{one},1,2,3,5,EB,gaba\n" for one in ids))
    return path


def read(
    path: Path | str, raw: Path | None = None, **changes: Any
) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
    """Id and file of each row, and the rows of each file."""
    one, tally = source(Path("unused"), **changes).model_copy(update={"path": str(path)}), Tally()
    batches = list(read_source(one, VOLUME, RegionNames("U"), tally, raw))
    rows = [
        pair
        for batch in batches
        for pair in zip(column(batch, "synapse_id"), column(batch, "source_file"), strict=True)
    ]
    told = provenance(one, tally)
    assert told.schema.equals(SYNAPSE_SOURCES.arrow)
    assert tally.rows == len(rows)
    return rows, list(zip(column(told, "file"), column(told, "rows"), strict=True))


def version(path: Path | str, known: Any = None) -> tuple[str, dict[str, tuple[str, str]]]:
    return content_version(source(Path(path)), known)


# Folders, globs, manifests -------------------------------------------------------------------------------------------------


def test_a_folder_is_its_tables_in_order_without_what_is_hidden_or_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    for name in ("b.csv", "a.csv", ".hidden.csv", "~$a.csv", "c.csv.part", "d.tmp", "e.csv.crdownload", "notes.md"):
        table(folder / name, name[0])
    table(folder / "deeper" / "x.csv", "x")
    (folder / "folder.csv").mkdir()
    assert read(folder) == ([("a", "a.csv"), ("b", "b.csv")], [("a.csv", 1), ("b.csv", 1)])


def test_a_glob_is_what_it_matches_named_by_the_way_to_it(tmp_path: Path) -> None:
    table(tmp_path / "in" / "EB" / "points.csv", "e")
    table(tmp_path / "in" / "AL" / "points.csv", "a")
    table(tmp_path / "in" / "AL" / ".points.csv", "h")
    assert read(tmp_path / "in" / "*" / "*.csv")[0] == [("a", "AL/points.csv"), ("e", "EB/points.csv")]
    assert read(tmp_path / "**" / "points.csv")[0] == [("a", "in/AL/points.csv"), ("e", "in/EB/points.csv")]
    named = table(tmp_path / "in" / "a[1].csv", "n")
    assert read(named)[0] == [("n", "a[1].csv")]


def test_a_manifest_is_what_it_names(tmp_path: Path) -> None:
    table(tmp_path / "one" / "points.csv", "1")
    table(tmp_path / "two" / "points.csv", "2")
    absolute = table(tmp_path / "z.csv", "3")
    manifest = tmp_path / "one" / "all.manifest"
    manifest.write_text(f"# what counts\n\n{absolute}\n  points.csv  \r\n../two/points.csv\n")
    rows, files = read(manifest)
    assert [one for one, _ in rows] == ["2", "1", "3"]
    assert dict(files) == {
        f"{tmp_path}/one/points.csv": 1,
        f"{tmp_path}/one/../two/points.csv": 1,
        "z.csv": 1,
    }
    manifest.write_text("points.csv\nnowhere.csv\n")
    with pytest.raises(BadInput, match=r"all\.manifest, line 2: there is no file .*nowhere\.csv"):
        read(manifest)
    manifest.write_text("points.csv\npoints.csv\n")
    with pytest.raises(BadInput, match=r"names .*points\.csv twice"):
        read(manifest)
    manifest.write_bytes(b"points.csv\n\xff\xfe")
    with pytest.raises(BadInput, match="no UTF-8 text"):
        read(manifest)


def test_a_source_whose_files_have_all_gone_has_no_rows(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "none.manifest").write_text("# nothing yet\n")
    for path in (folder, folder / "*.csv", folder / "none.manifest"):
        assert read(path) == ([], [])
        neurons = NeuronTable.model_validate(
            {"name": "n", "format": "neurons", "path": str(path), "columns": {"neuron_id": "body"}}
        )
        assert read_neurons(neurons).num_rows == 0


def test_a_region_whose_file_goes_becomes_empty_and_one_whose_file_comes_is_registered(
    lab: Lab, tmp_path: Path
) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    points = pd.read_csv(lab.points)

    def write(region: str) -> None:
        points[points["region"] == region].to_csv(folder / f"{region}.csv", index=False)

    lab.use(
        lab.dataset.model_copy(update={"sources": [lab.dataset.sources[0].model_copy(update={"path": str(folder)})]})
    )
    write("EB")
    lab.materialize("synapse_table")
    lab.everywhere("synapses")
    assert lab.store.synapse_table.regions() == {"EB": 24}
    (folder / "EB.csv").unlink()
    write("LH_L")
    lab.materialize("synapse_table")
    lab.everywhere("synapses")
    assert lab.store.synapse_table.regions() == {"LH_L": 24}
    assert [lab.store.synapses.read(one, SYNAPSES.names).num_rows for one in ("EB", "LH_L")] == [0, 24]
    assert lab.store.results(SYNAPSE_SOURCES).read().column("file").to_pylist() == ["LH_L.csv"]
    (folder / "LH_L.csv").unlink()
    assert not lab.materialize("synapse_table", raises=False).success
    assert lab.store.synapse_table.regions() == {"LH_L": 24}
    gone = {"ops": {"tiny__synapse_table": {"config": {"gone": ["table"]}}}}
    assert lab.materialize("synapse_table", config=gone).success
    lab.everywhere("synapses")
    assert lab.store.synapses.read("LH_L", SYNAPSES.names).num_rows == 0


def test_a_file_without_rows_is_ordinary_among_others_and_wrong_alone(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", "1")
    empty = table(tmp_path / "b.csv")
    assert read(tmp_path)[1] == [("a.csv", 1), ("b.csv", 0)]
    with pytest.raises(BadInput, match="has a header but no rows"):
        read(empty)


@pytest.mark.parametrize("path", ["nowhere", "nowhere/*.csv", "nowhere.manifest", "", " "])
def test_a_path_that_is_nothing_is_refused(tmp_path: Path, path: str) -> None:
    one = source(Path("unused")).model_copy(update={"path": str(tmp_path / path) if path.strip() else path})
    for look in (lambda: read(one.path), lambda: signatures(one)):
        with pytest.raises(BadInput, match=r"there is no f|path of a source is empty"):
            look()


def test_a_file_of_another_kind_that_a_glob_names_is_told(tmp_path: Path) -> None:
    table(tmp_path / "a.md", "1")
    with pytest.raises(BadInput, match=r"a\.md: a table is a file that ends in one of \.csv"):
        read(tmp_path / "*")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 2)
    for name in "abc":
        table(tmp_path / f"{name}.csv", name)
    (tmp_path / "all.manifest").write_text("a.csv\nb.csv\nc.csv\n")
    for path in (tmp_path, tmp_path / "*.csv", tmp_path / "all.manifest"):
        with pytest.raises(BadInput, match="more than 2 files"):
            read(path)


def test_neurons_of_several_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,nt\n5,gaba\n6,\n")
    (tmp_path / "b.csv").write_text("id,nt\n6,dopamine\n7,gaba\n")
    columns = {"neuron_id": "id", "known_classes": "nt"}
    values = {"name": "n", "format": "neurons", "path": str(tmp_path), "columns": columns}
    neurons, tally = NeuronTable.model_validate(values), Tally()
    found = read_neurons(neurons, tally)
    assert column(found, "target") == ["gaba", "dopamine", "gaba"]
    assert column(found, "source_file") == ["a.csv", "a.csv, b.csv", "b.csv"]
    assert column(provenance(neurons, tally), "rows") == [2, 2]
    (tmp_path / "c.csv").write_text("id,nt\n7,dopamine\n")
    with pytest.raises(BadInput, match="rows of neuron 7 tell different things"):
        read_neurons(neurons)


# Addresses -----------------------------------------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path with an ETag; `asked` are the requests. A path may have an answer of its own in `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.status: dict[str, int] = {}
        self.heads = True
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        path = self.path.partition("?")[0]
        server.asked.append((self.command, path))
        body = server.files.get(path)
        status = 404 if body is None else server.status.get(path, 200)
        if self.command == "HEAD" and not server.heads:
            status = 403
        self.send_response(status)
        if body is not None and status == 200:
            self.send_header("ETag", f'"{hash(body)}"')
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is not None and status == 200 and self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def content(*ids: str) -> bytes:
    return (HEADER + "".join(f"{one},1,2,3,5,EB,gaba\n" for one in ids)).encode()


def test_addresses_of_a_manifest_are_fetched_and_again_only_when_changed(server: Server, tmp_path: Path) -> None:
    server.files = {"/a/points.csv": content("1"), "/b/points.csv": content("2"), "/c.csv": content("3")}
    server.files["/lists/all.manifest"] = (
        b"../a/points.csv\n/b/points.csv?token=s3cret\n" + f"{server.url}/c.csv".encode()
    )
    manifest = f"{server.url}/lists/all.manifest?key=s3cret"
    one = source(Path("unused")).model_copy(update={"path": manifest})
    rows, files = read(manifest, tmp_path / "raw")
    assert [one for one, _ in rows] == ["3", "1", "2"]
    assert [name for name, _ in files] == ["c.csv", f"{server.url}/a/points.csv", f"{server.url}/b/points.csv?..."]
    assert len(list((tmp_path / "raw" / "table").iterdir())) == 3
    before = signatures(one)
    assert "s3cret" not in json.dumps(before)
    assert set(before) == {f"{server.url}/a/points.csv", f"{server.url}/b/points.csv?...", f"{server.url}/c.csv"}
    server.asked.clear()
    assert read(manifest, tmp_path / "raw") == (rows, files)
    assert [path for command, path in server.asked if command == "GET"] == ["/lists/all.manifest"]
    server.files["/c.csv"] = content("4")
    server.asked.clear()
    after = signatures(one)
    assert [name for name in before if before[name] != after[name]] == [f"{server.url}/c.csv"]
    assert [path for command, path in server.asked if command == "GET"] == ["/lists/all.manifest"]
    assert read(manifest, tmp_path / "raw")[0][0] == ("4", "c.csv")
    assert len(list((tmp_path / "raw" / "table").iterdir())) == 3


def test_a_fetch_that_fails_leaves_what_was_there(server: Server, tmp_path: Path) -> None:
    server.files = {"/a.csv": content("1"), "/all.manifest": b"a.csv\nb.csv\n"}
    with pytest.raises(BadInput, match=r"b\.csv cannot be fetched: the server answers 404") as error:
        read(f"{server.url}/all.manifest", tmp_path)
    assert "\n" not in str(error.value)
    server.files["/b.csv"] = b"<!doctype html>Sign in"
    with pytest.raises(BadInput, match=r"b\.csv cannot be fetched: it is a web page"):
        read(f"{server.url}/all.manifest", tmp_path)
    (kept,) = (tmp_path / "table").iterdir()
    assert kept.read_bytes() == content("1")


def test_a_server_that_refuses_head_is_asked_for_the_file_and_left(server: Server) -> None:
    server.heads = False
    server.files = {"/a.csv": content("1")}
    one = source(Path("unused")).model_copy(update={"path": f"{server.url}/a.csv"})
    before = signatures(one)
    server.files = {"/a.csv": content("2")}
    assert signatures(one) != before


@pytest.mark.parametrize("line", ["file:///etc/passwd", "ftp://127.0.0.1/a.csv", "http://[/a.csv"])
def test_a_manifest_at_an_address_names_no_files_of_this_machine(server: Server, tmp_path: Path, line: str) -> None:
    server.files["/all.manifest"] = line.encode()
    with pytest.raises(BadInput, match=r"all\.manifest, line 1"):
        read(f"{server.url}/all.manifest", tmp_path)
    server.files["/all.manifest"] = b"/etc/passwd"
    with pytest.raises(BadInput, match=rf"{server.url}/etc/passwd cannot be fetched"):
        read(f"{server.url}/all.manifest", tmp_path)


def test_a_page_is_no_manifest(server: Server, tmp_path: Path) -> None:
    server.files["/all.manifest"] = b"<html>Sign in</html>"
    with pytest.raises(BadInput, match="line 1 is no path or address"):
        read(f"{server.url}/all.manifest", tmp_path)


def test_what_is_fetched_is_bounded(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files = {"/a.csv": content("1"), "/b.csv": content("2"), "/all.manifest": b"a.csv\nb.csv\n"}
    monkeypatch.setattr(listing, "MOST_FETCHED_BYTES", len(content("1")) + 1)
    with pytest.raises(BadInput, match=r"b\.csv cannot be fetched: it is larger than"):
        read(f"{server.url}/all.manifest", tmp_path)
    monkeypatch.setattr(listing, "MOST_ADDRESSES", 1)
    with pytest.raises(BadInput, match="more than 1 addresses"):
        read(f"{server.url}/all.manifest", tmp_path)
    monkeypatch.setattr(listing, "_LARGEST_MANIFEST", 5)
    with pytest.raises(BadInput, match=r"all\.manifest cannot be fetched: it is larger"):
        read(f"{server.url}/all.manifest", tmp_path)


# Versions ------------------------------------------------------------------------------------------------------------------


def test_a_version_follows_names_and_contents_and_nothing_else(tmp_path: Path) -> None:
    one = table(tmp_path / "a.csv", "1")
    table(tmp_path / "b.csv", "2")
    first, known = version(tmp_path)
    os.utime(one, ns=(1, 1))
    again, touched = version(tmp_path, known)
    assert (again, touched[str(one)][0] == known[str(one)][0]) == (first, False)
    one.write_text(one.read_text().replace("1,1,", "1,9,"))
    changed, known = version(tmp_path, touched)
    assert changed != first
    one.rename(tmp_path / "aa.csv")
    renamed, known = version(tmp_path, known)
    assert renamed not in (first, changed)
    (tmp_path / "aa.csv").unlink()
    assert version(tmp_path, known)[0] not in (first, changed, renamed)
    assert list(version(tmp_path)[1]) == list(signatures(source(tmp_path))) == [str(tmp_path / "b.csv")]


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    one, other = table(tmp_path / "a.csv", "1"), table(tmp_path / "b.csv", "2")
    known = {name: (signature, "planted") for name, signature in signatures(source(tmp_path)).items()}
    # JSON, as a cursor keeps it.
    planted, told = version(tmp_path, json.loads(json.dumps(known)))
    assert told == known
    table(one, "1", "3")
    changed, told = version(tmp_path, known)
    assert changed != planted
    assert told[str(other)][1] == "planted"
    assert told[str(one)][1] != "planted"


@pytest.mark.parametrize("limit", ["LARGEST_HASHED", "MOST_HASHED"])
def test_what_is_too_large_to_be_read_counts_by_its_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    one = table(tmp_path / "a.csv", "1")
    monkeypatch.setattr(listing, limit, one.stat().st_size - 1)
    first, known = version(one)
    os.utime(one, ns=(1, 1))
    assert version(one, known)[0] != first
    assert known[str(one)][1] == f"signature {known[str(one)][0]}"


def test_a_workbook_is_watched_like_a_table(tmp_path: Path) -> None:
    book = Workbook(name="book", path=str(tmp_path))
    table(tmp_path / "a.csv", "1")
    table(tmp_path / "b.parquet", "2")
    assert list(signatures(book)) == [str(tmp_path / "a.csv")]


# Written while read --------------------------------------------------------------------------------------------------------


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", *map(str, range(200_000)))
    batches = read_source(source(path), VOLUME, RegionNames("U"))
    next(batches)
    with path.open("a") as stream:
        stream.write("x,1,2,3,5,EB,gaba\n")
    with pytest.raises(BadInput, match=r"a\.csv changed while it was being read: wait until it is written"):
        list(batches)


def test_half_a_row_of_a_file_that_is_being_written_is_no_mistake_in_it(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", *map(str, range(200_000)))
    with path.open("a") as stream:
        stream.write("x,1,2")
    batches = read_source(source(path), VOLUME, RegionNames("U"))
    next(batches)
    with path.open("a") as stream:
        stream.write(",3,5,EB,gaba\n")
    with pytest.raises(BadInput, match="changed while it was being read"):
        list(batches)


def test_a_file_that_changed_after_it_was_read_is_told(tmp_path: Path) -> None:
    one, tally = source(table(tmp_path / "a.csv", "1")), Tally()
    pa.concat_tables(read_source(one, VOLUME, RegionNames("U"), tally))
    table(tmp_path / "a.csv", "1", "2")
    with pytest.raises(BadInput, match=r"a\.csv changed after it was read"):
        provenance(one, tally)


def test_files_of_any_kind_are_watched_where_they_lie(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    (folder / "deeper").mkdir(parents=True)
    for name in ("000.png", "001.png", ".hidden", "deeper/002.png"):
        (folder / name).write_bytes(name.encode())
    everything, one = FilesAt("masks", f"file://{folder}"), FilesAt("masks", str(folder / "000.png"))
    assert sorted(signatures(everything)) == [str(folder / "000.png"), str(folder / "001.png")]
    assert list(signatures(one)) == [str(folder / "000.png")]
    assert list(signatures(FilesAt("masks", str(folder), (".hidden", "info")))) == [str(folder / ".hidden")]
    before = content_version(everything)[0]
    (folder / "001.png").write_bytes(b"other")
    assert content_version(everything)[0] != before
    assert signatures(FilesAt("masks", str(tmp_path / "gone"))) == {}
