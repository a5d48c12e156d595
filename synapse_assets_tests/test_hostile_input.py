"""Input made to do harm, or as odd as a lab's can be: refused in words or taken safely, in bounded memory, writing nowhere else.

What is merely broken is tested with the readers (`sources/test_bad_tables`, `sources/test_workbooks`, `volumes/test_formats`).
"""

import gzip
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from synapse_assets.datasets import EncoderChoice, TileSpec, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSES
from synapse_assets_tests.conftest import Lab, failure_reason
from synapse_assets_tests.sources.test_workbooks import excel, rows

MIB = 1 << 20
SQL = "'; DROP TABLE synapses; --"
ODD = {
    "quotes": "a'b\"c`d",
    "sql": SQL,
    "a way out": "../../etc/passwd",
    "a line end": "a\nb",
    "control characters": "a\x01\x1b[31mb\x7f",
    "dots": "a...b",
    "a bar": "a|b | --- |",
    "letters of many alphabets": "naïve Größe 突触 🧠",
    "300 letters": "x" * 300,
    "markup": "<script>alert(1)</script>",
    "a formula": "=cmd|' /C calc'!A0",
    "percent signs": "%2e%2e%2f",
}


def everything_under(folder: Path, but: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all files in `folder`, without those in `but`."""
    return {
        str(file): (file.stat().st_size, file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file() and but not in file.parents
    }


def failure(lab: Lab) -> str:
    """What a failing run of the first step says."""
    return failure_reason(lab.materialize("synapse_table", raises=False))


def rows_of(lab: Lab, region: str) -> pa.Table:
    return lab.store.synapses.read(region, SYNAPSES.names).sort_by("synapse_id")


def stored(lab: Lab) -> dict[str, pa.Table]:
    """What is in the tables now."""
    return {region: rows_of(lab, region) for region in lab.store.synapse_table.regions()}


# Names ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_odd_names_of_regions_synapses_and_files_are_only_names(lab: Lab, tmp_path: Path, name: str) -> None:
    points = pd.read_csv(lab.points).iloc[:6].copy()
    points["id"] = [f"{name}{index}" for index in range(6)]
    points["region"] = [name] * 3 + ["EB"] * 3
    folder = tmp_path / "tables"
    folder.mkdir()
    file = folder / f"t {name.replace('/', '_')[:200]}.csv"
    points.to_csv(file, index=False)
    lab.use(
        lab.dataset.model_copy(update={"sources": [lab.dataset.sources[0].model_copy(update={"path": str(folder)})]})
    )
    before = everything_under(tmp_path, lab.root)
    lab.materialize("synapse_table")
    (region,) = set(lab.store.synapse_table.regions()) - {"EB"}
    assert region.replace("_", "").isalnum() or region == "UNNAMED"
    assert region.isascii()
    for _ in range(2):
        lab.materialize("synapses", region=region)
    assert rows_of(lab, region).column("synapse_id").to_pylist() == points["id"].tolist()[:3]
    # A synapse of that name moves, and one goes.
    points = points.iloc[1:].copy()
    points["region"] = ["EB", *points["region"].tolist()[1:]]
    points.to_csv(file, index=False)
    lab.materialize("synapse_table")
    lab.everywhere("synapses")
    assert rows_of(lab, region).column("synapse_id").to_pylist() == [f"{name}2"]
    assert len(rows_of(lab, "EB")) == 4
    before.pop(str(file))
    after = everything_under(tmp_path, lab.root)
    after.pop(str(file))
    assert after == before


def test_a_file_name_that_is_no_text_is_refused(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "a.csv").write_bytes(lab.points.read_bytes())
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.csv")).write_bytes(lab.points.read_bytes())
    lab.use(
        lab.dataset.model_copy(update={"sources": [lab.dataset.sources[0].model_copy(update={"path": str(folder)})]})
    )
    assert r"\udcff.csv is no UTF-8 text: rename it" in failure(lab)


@pytest.mark.parametrize(
    "path", ["../" * 30 + "etc/passwd", "/dev/zero", "a\x00b.csv", "x" * 300 + ".csv", "/proc/self/mem"]
)
def test_a_path_to_something_else_is_refused(lab: Lab, path: str) -> None:
    lab.use(lab.dataset.model_copy(update={"sources": [lab.dataset.sources[0].model_copy(update={"path": path})]}))
    told = failure(lab)
    assert any(text in told for text in ("there is no file", "a table is a file that ends in", "cannot be read: "))
    assert path[:20] in told or "a\\x00b" in told


# Dataset files -------------------------------------------------------------------------------------------------------------


def laughs(levels: int) -> str:
    lines = ["title: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: !!python/object/apply:os.system ['touch h-was-here']", "could not determine a constructor"),
        ("title: !!python/name:os.system", "could not determine a constructor"),
        (laughs(12), "its aliases .* stand for more than 100,000 values"),
        ("sources: &a [*a]", "its aliases .* stand for more than 100,000 values"),
        ("title: " + "[" * 100_000, "it nests too deep"),
        ("title: " + "x" * (2 * MIB), "larger than 1 MiB"),
        ("title: \x00", "not valid YAML"),
        ("title: \ud800", "not valid YAML"),
    ],
    ids=["code", "a function", "billion laughs", "itself", "nested", "large", "NUL", "no UTF-8"],
)
def test_a_dataset_file_runs_nothing_and_fills_no_memory(
    tmp_path: Path, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "lab.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput, match=rf"lab\.yaml: .*{message}"):
        load_dataset(str(file), str(tmp_path))
    assert not (tmp_path / "h-was-here").exists()


# Weights -------------------------------------------------------------------------------------------------------------------


class Harm:
    """Unpickled, it writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("kind", ["weights.pt", "weights.pth", "weights.safetensors", "zipped.pt"])
def test_weights_that_run_code_are_refused(tiny_inputs: Path, tmp_path: Path, kind: str) -> None:
    from synapse_assets.vision.building import TrainingTiles, build_encoder

    file, harm = tmp_path / kind, tmp_path / "harm"
    if kind == "zipped.pt":
        torch.save({"state_dict": {"a": torch.zeros(1)}, "extra": Harm(harm)}, file)
    else:
        file.write_bytes(pickle.dumps({"state_dict": Harm(harm)}))
    choice = EncoderChoice(origin="checkpoint", architecture="test_resnet", checkpoint=str(file))
    no_tiles = TrainingTiles(np.zeros((0, 3, 24, 24), np.uint8))
    with pytest.raises(BadInput, match=kind.replace(".", r"\.")):
        build_encoder(choice, TileSpec(size_px=24, sections=3), 4.0, no_tiles, 0, "cpu", print)
    assert not harm.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [kind]


def test_a_pickle_among_the_arrays_of_a_model_is_not_run(tmp_path: Path) -> None:
    from synapse_assets.artifacts import read_artifact, write_artifact

    write_artifact(tmp_path, "model", 1, facts={}, arrays={})
    np.savez(tmp_path / "model.npz", a=np.array([Harm(tmp_path / "harm")], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="allow_pickle=False"):
        read_artifact(tmp_path, "model", 1)
    assert not (tmp_path / "harm").exists()


# Bombs: a child process with little memory reads them ----------------------------------------------------------------------

LIMIT = 3072 * MIB
_POINTS = """
from synapse_assets.sources import RegionNames, read_source
from synapse_assets_tests.sources.tables import VOLUME, source
from synapse_assets.datasets import Columns
for batch in read_source(source(file, columns=Columns(synapse_id="id")), VOLUME, RegionNames("U")): pass
"""
_SYNISTER = """
from synapse_assets.datasets import SynisterSource
from synapse_assets.sources import RegionNames, read_source
from synapse_assets_tests.sources.tables import VOLUME
version = "synister_v3" if file.read_bytes()[:1] == b"{" else "synister_v4"
for batch in read_source(SynisterSource(name="s", format=version, path=str(file), volume="em"), VOLUME, RegionNames("U")): pass
"""
_SKELETONS = """
from synapse_assets.datasets import SynisterNeurons
from synapse_assets.sources import read_neurons
read_neurons(SynisterNeurons(name="s", format="synister_v3_skeletons", path=str(file), hemi_lineages=str(file)))
"""
_INSPECT = """
from synapse_assets.sources.inspect import inspect_file
inspect_file(str(file))
"""
_WORKBOOK = """
from synapse_assets.sources.workbooks import read_workbooks
from synapse_assets_tests.sources.test_workbooks import dataset
read_workbooks(dataset(file), file.parent)
"""
_VOLUME = """
from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.volumes import open_volume
url = file if file.name.startswith("stack") else file.parent
volume = open_volume(VolumeSpec(kind="images", url=str(url), voxel_size_nm=(4, 4, 40)))
for batch in volume.read_tiles([[100, 100, 60], [100, 100, 20]], TileSpec(size_px=16, sections=1)): pass
"""


def told_of(file: Path, reader: str) -> str:
    """What the reader says of the file in a process that may hold 3 GiB of addresses, 2.5 GiB more than it needs."""
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))\n"
        "from pathlib import Path; file = Path(sys.argv[1])\n"
        "from synapse_assets.schema import BadInput\n"
        f"try:\n    exec({reader!r})\nexcept BadInput as error:\n    print('BadInput', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def endless(file: Path, start: bytes, block: bytes) -> None:
    """4 GiB in few bytes: packed, or with a hole."""
    if file.suffix == ".gz":
        # Members of a gzip file are one text.
        member = gzip.compress(block * (64 * MIB // len(block)), 1)
        file.write_bytes(gzip.compress(start) + member * 64)
        return
    with file.open("wb") as stream:
        stream.write(start)
        stream.truncate(4096 * MIB)


@pytest.mark.parametrize(
    ("name", "start", "block", "message"),
    [
        ("points.csv", b"id,x,y,z\n", b"", "a line, or a text in quotes, is longer than 2 MiB"),
        ("points.csv.gz", b"id,x,y,z\n", b"1", "a line, or a text in quotes, is longer than 2 MiB"),
        ("points.csv.gz", b'id,x,y,z\n"', b"1\n", "a line, or a text in quotes, is longer than 2 MiB"),
        ("points.csv.gz", b"", b"a", "field larger than field limit"),
        ("points.json.gz", b'[{"id":"', b"a", "a text or number longer than 4 MiB"),
        ("points.json.gz", b'[{"id":1', b"1", "a text or number longer than 4 MiB"),
    ],
    ids=["hole", "line", "quote", "header", "text", "number"],
)
def test_a_table_without_end_is_refused(tmp_path: Path, name: str, start: bytes, block: bytes, message: str) -> None:
    endless(tmp_path / name, start, block)
    told = told_of(tmp_path / name, _POINTS)
    assert told.startswith(f"BadInput {tmp_path / name} ")
    assert message in told


@pytest.mark.parametrize(
    ("text", "reader"),
    [
        ("[" * 100_000 + "]" * 100_000, _POINTS),
        ('[{"id":' + "[" * 100_000 + "]" * 100_000 + ',"x":1,"y":1,"z":1}]', _POINTS),
        ('[{"id":"\\"]","x":' + '{"[":' * 100_000 + "1" + "}" * 100_000 + "}]", _SYNISTER),
        ('{"1":' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", _SYNISTER),
        ('{"1":' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", _SKELETONS),
        ('{"1":' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", _INSPECT),
    ],
    ids=["lists", "in a field", "with texts like brackets", "synister", "skeletons", "inspect"],
)
def test_json_that_nests_without_end_is_refused(tmp_path: Path, text: str, reader: str) -> None:
    file = tmp_path / "deep.json"
    file.write_text(text)
    told = told_of(file, reader)
    assert told.startswith(f"BadInput {file} nests ")


def test_brackets_in_texts_are_no_nesting(lab: Lab, tmp_path: Path) -> None:
    points = pd.read_csv(lab.points)
    points["id"] = [f'[{{"\\[[[{{{index}' for index in range(len(points))]
    file = tmp_path / "points.json"
    # One line end each in a text of many blocks of reading.
    file.write_text(json.dumps(points.to_dict("records"), indent=900))
    assert file.stat().st_size > 4 * 64 * 1024
    source = lab.dataset.sources[0].model_copy(update={"path": str(file)})
    lab.use(lab.dataset.model_copy(update={"sources": [source]}))
    lab.materialize("synapse_table")
    assert sum(lab.store.synapse_table.regions().values()) == len(points)


_SHEET = "xl/worksheets/sheet1.xml"
_HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
_TAIL = b"".join(b"</%s>" % name for name in (b"sheetData", b"worksheet"))


def _entities() -> Iterator[bytes]:
    yield b'<!DOCTYPE l [<!ENTITY a0 "lol">'
    yield from (f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">'.encode() for n in range(1, 12))
    yield b"]>" + _HEAD + b'<row r="1"><c r="A1" t="str"><v>&a11;</v></c></row>' + _TAIL


SHEETS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "blanks": (lambda: iter([_HEAD, *[b" " * MIB] * 512, _TAIL]), "unpacks to more than 256 MiB"),
    "wide": (
        lambda: iter(
            [_HEAD, *(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(1, 50_000)), _TAIL]
        ),
        "more than 200,000 rows or 20,000,000 cells",
    ),
    "far down": (
        lambda: iter([_HEAD, b'<row r="1"/><row r="4000000000"><c r="A4000000000"><v>1</v></c></row>', _TAIL]),
        "more than 200,000 rows",
    ),
    "far right": (
        lambda: iter([_HEAD, b'<row r="1"><c r="ZZZZZZZ1"><v>1</v></c></row>', _TAIL]),
        "beyond Excel's last",
    ),
    "entities": (_entities, "amplification"),
}


@pytest.mark.parametrize("kind", SHEETS)
def test_a_workbook_that_unpacks_without_end_is_refused(tmp_path: Path, kind: str) -> None:
    sheet, message = SHEETS[kind]
    file = tmp_path / "book.xlsx"
    with (
        zipfile.ZipFile(excel(tmp_path / "plain.xlsx", rows())) as plain,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb,
    ):
        for name in plain.namelist():
            if name != _SHEET:
                bomb.writestr(name, plain.read(name))
        with bomb.open(_SHEET, "w") as part:
            for block in sheet():
                part.write(block)
    assert file.stat().st_size < 8 * MIB
    told = told_of(file, _WORKBOOK)
    assert told.startswith(f"BadInput {file}")
    assert message in told


def test_a_workbook_with_a_hole_of_gigabytes_is_refused(tmp_path: Path) -> None:
    endless(tmp_path / "book.csv", b"NeuronId", b"")
    assert "is larger than 200 MiB" in told_of(tmp_path / "book.csv", _WORKBOOK)


def write_png(file: Path, side: int) -> None:
    """A PNG that says it has that many rows and columns."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes((side + 1) * min(side, 1000)))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def write_tiff(file: Path, side: int, packed: bool) -> None:
    """A TIFF of that many rows and columns: packed zeros, or a hole in the file."""
    member = zlib.compress(bytes(min(side * side, MIB)))
    start, size = 8 + 2 + 9 * 12 + 4, len(member) if packed else side * side
    tags = [(256, side), (257, side), (258, 8), (259, 8 if packed else 1), (262, 1), (273, start), (277, 1)]
    tags += [(278, side), (279, size)]
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (256, 257, 273, 278, 279) else 3, 1, v) for tag, v in tags)
    file.write_bytes(b"II*\0" + struct.pack("<IH", 8, 9) + entries + bytes(4) + (member if packed else b""))
    if not packed:
        os.truncate(file, start + size)


@pytest.mark.parametrize(
    ("name", "packed", "message"),
    [
        ("s2.png", True, "is too large for a PNG: convert the sections to TIFF or zarr"),
        ("s2.tif", True, "has to be unpacked as a whole for each tile: convert the volume to zarr"),
        ("s2.tif", False, "has to be unpacked as a whole for each tile: convert the volume to zarr"),
        ("stack.tif", True, "has to be unpacked as a whole for each tile: convert the volume to zarr"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_image_larger_than_memory_is_refused(
    tmp_path: Path, name: str, packed: bool, message: str, first: bool
) -> None:
    folder = tmp_path / "em"
    folder.mkdir()
    file = folder / name
    if name.startswith("s2") and not first:
        # Found only when the section is read.
        small = folder / f"s1{file.suffix}"
        write_png(small, 64) if file.suffix == ".png" else write_tiff(small, 64, packed)
        message = message if file.suffix == ".png" else f"section '{name}'"
    write_png(file, 60_000) if file.suffix == ".png" else write_tiff(file, 60_000, packed)
    told = told_of(file, _VOLUME)
    assert told.startswith(f"BadInput images volume '{folder}")
    assert name in told
    assert message in told


def test_a_stack_of_gigabytes_that_lies_in_the_file_as_it_is_is_read_in_pieces(tmp_path: Path) -> None:
    write_tiff(tmp_path / "stack.tif", 46_000, packed=False)
    assert "lies at voxel [25, 25, 1]" in told_of(tmp_path / "stack.tif", _VOLUME)


def test_a_bomb_leaves_what_is_stored_as_it_was(lab: Lab, tmp_path: Path) -> None:
    lab.materialize("synapse_table")
    lab.everywhere("synapses")
    before, version = stored(lab), lab.store.synapse_table.version
    around = everything_under(tmp_path, lab.root)
    good = lab.points.read_bytes()
    for bad in (
        good + b'"' + b"\n" * (4 * MIB),
        good + b"s,1,1,1," + b"9" * 5000 + b",EB,gaba\n",
        good[:-20] + b"\x00" * 4 * MIB,
    ):
        lab.points.write_bytes(bad)
        assert "points.csv" in failure(lab)
    lab.points.write_bytes(good)
    around.pop(str(lab.points))
    after = everything_under(tmp_path, lab.root)
    after.pop(str(lab.points))
    assert after == around
    assert lab.store.synapse_table.version == version
    assert all(stored(lab)[region].equals(table) for region, table in before.items())
    assert set(stored(lab)) == set(before)
    assert sum(table.num_rows for table in before.values()) == 72
