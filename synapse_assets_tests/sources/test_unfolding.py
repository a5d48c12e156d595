"""Files of few bytes that stand for billions of rows are refused in a sentence and in bounded memory; large real ones are read."""

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from synapse_assets.datasets import Columns
from synapse_assets.datasets.sources import NeuronColumns, NeuronTable
from synapse_assets.errors import BadInput
from synapse_assets.sources import Tally, read_neurons, unfolding
from synapse_assets.sources.files import open_table
from synapse_assets_tests.sources.tables import read, source
from synapse_assets_tests.test_hostile_input import MIB, told_of

_PEAK_MIB = 1_000
# One process reads them all; its peak is that of the largest.
_READ = """
import re
from synapse_assets.datasets import Columns
from synapse_assets.datasets.sources import NeuronColumns, NeuronTable
from synapse_assets.sources import RegionNames, read_neurons, read_source, unfolding
from synapse_assets_tests.sources.tables import VOLUME, source
unfolding.ALWAYS_TAKEN, unfolding.ROWS_ALWAYS_TAKEN = 64 << 20, 500_000
for one in sorted(file.rglob("*.*")):
    place = dict(position="p", x=None, y=None, z=None) if one.name.startswith("position") else {}
    try:
        if one.name.startswith("neurons"):
            read_neurons(NeuronTable(name="n", format="neurons", path=str(one), columns=NeuronColumns(neuron_id="id")))
        else:
            for batch in read_source(source(one, columns=Columns(synapse_id="id", **place)), VOLUME, RegionNames("U")): pass
    except BadInput as error:
        print(error)
print(re.search("VmHWM: *([0-9]+)", Path("/proc/self/status").read_text().replace("\t", " "))[1])
"""


def _gzipped(start: bytes, block: bytes, times: int = 3) -> Callable[[Path], None]:
    """Gzip of 192 MiB, in a MB; members of a gzip file are one text."""
    return lambda file: file.write_bytes(  # type: ignore[return-value]
        gzip.compress(start) + gzip.compress(block * (64 * MIB // len(block)), 1) * times
    )


def _zeros(rows: int, text: str = "a") -> pa.Table:
    ids = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))
    return pa.table({"id": ids, **{axis: np.zeros(rows) for axis in "xyz"}})


def _parquet(file: Path, table: pa.Table, groups: int, **options: object) -> None:
    with pq.ParquetWriter(file, table.schema, compression="zstd", **options) as writer:
        for _ in range(groups):
            writer.write_table(table)


def _feather(file: Path, table: pa.Table, batches: int, compression: str) -> None:
    with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for _ in range(batches):
            writer.write_table(table)


def _position(file: Path) -> None:
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(3_000_000)), 3)
    _parquet(file, pa.table({"id": _zeros(1_000_000).column("id"), "p": values}), 4)


def _view(file: Path, text: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(
            "CREATE VIEW v AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "  # noqa: S608
            f"SELECT {text} AS id, 1.0 AS x, 1.0 AS y, 1.0 AS z FROM c"
        )
    connection.close()


ROW = b"1,2,3,4\n"
OBJECT = b',{"id":"a","x":1,"y":1,"z":1}'
BOMBS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "rows of CSV": ("t.csv.gz", _gzipped(b"id,x,y,z\n", ROW), "more rows than its file has bytes"),
    "rows of TSV": ("t.tsv.gz", _gzipped(b"id\tx\ty\tz\n", b"1\t2\t3\t4\n"), "more rows than its file has bytes"),
    "neurons": ("neurons.csv.gz", _gzipped(b"id,type\n", b"1,a\n", 1), "more rows than its file has bytes"),
    "wide rows": ("t.csv.gz", _gzipped(b"id,x,y,z,w\n", ROW[:-1] + b"," + b"w" * 900 + b"\n"), "100 times as large"),
    "blank lines": ("t.csv.gz", _gzipped(b"id,x,y,z\n1,2,3,4\n", b"\n"), "100 times as large"),
    "objects of JSON": ("t.json.gz", _gzipped(b"[" + OBJECT[1:], b" " * 4000 + OBJECT), "100 times as large"),
    "fields of one object": ("t.json.gz", _gzipped(b"[" + OBJECT[1:-1], b',"k":"k"'), "one object or list longer than"),
    "a list in an object": (
        "t.json.gz",
        _gzipped(b"[" + OBJECT[1:-1] + b',"l":[""', b',""'),
        "one object or list longer",
    ),
    "long texts of JSON": (
        "t.json.gz",
        _gzipped(b"[" + OBJECT[1:], b',{"id":"' + b"a" * (2 * MIB) + OBJECT[8:]),
        "100 times as large",
    ),
    "rows of Parquet": ("t.parquet", lambda file: _parquet(file, _zeros(1_000_000), 20), "unfolds to 560 MB"),
    "a long text many times": ("t.parquet", lambda file: _parquet(file, _zeros(100_000, "a" * MIB), 1), "100 times as"),
    "long texts of Parquet": (
        "t.parquet",
        lambda file: _parquet(file, _zeros(64, "a" * MIB).cast(_plain_schema()), 4, use_dictionary=False),
        "unfolds to 268 MB",
    ),
    "positions of Parquet": ("position.parquet", _position, "unfolds to 112 MB"),
    "Feather with LZ4": ("t.feather", lambda file: _feather(file, _zeros(1_000_000), 9, "lz4"), "unfolds to 252 MB"),
    "Feather with zstd": ("t.feather", lambda file: _feather(file, _zeros(1_000_000), 9, "zstd"), "unfolds to 252 MB"),
    "a text of Feather many times": (
        "t.feather",
        lambda file: _feather(file, _zeros(100_000, "a" * MIB), 1, "zstd"),
        "100 times as large",
    ),
    "a view without end": ("t.db", lambda file: _view(file, "n"), "unfolds to "),
    "a view of long texts": ("t.db", lambda file: _view(file, "hex(zeroblob(1000000))"), "unfolds to "),
    "a view of one longer text": ("t.db", lambda file: _view(file, "hex(zeroblob(3000000))"), "longer than 4 MiB"),
}


def _plain_schema() -> pa.Schema:
    return pa.schema([("id", pa.string()), *((axis, pa.float64()) for axis in "xyz")])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each bomb, and the peak of the process that read them, in kB."""
    folder = tmp_path_factory.mktemp("bombs")
    for number, (name, write, _) in enumerate(BOMBS.values()):
        (folder / f"{number:02}").mkdir()
        write(folder / f"{number:02}" / name)
    assert sum(file.stat().st_size for file in folder.rglob("*.*")) < 32 * MIB
    *lines, peak = told_of(folder, _READ).split("\n")
    return {**dict(zip(BOMBS, lines, strict=True)), "peak": peak}


@pytest.mark.parametrize("kind", BOMBS)
def test_what_unfolds_without_end_is_refused(told: dict[str, str], kind: str) -> None:
    name, _, message = BOMBS[kind]
    assert f"/{list(BOMBS).index(kind):02}/{name} " in told[kind]
    assert message in told[kind]


def test_memory_is_bounded_meanwhile(told: dict[str, str]) -> None:
    assert int(told["peak"]) < _PEAK_MIB << 10


def test_a_neuron_that_repeats_itself_is_one_however_many_rows_are_joined_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synapse_assets.sources import neurons

    rows = [f"{number % 7},{'t' * (number % 7) if number < 35 else ''}" for number in range(7, 70)]
    rows = [row.replace("0,", "7,", 1) for row in rows]
    (tmp_path / "neurons.csv").write_text("\n".join(["id,type", *rows]))
    table = NeuronTable(
        name="n",
        format="neurons",
        path=str(tmp_path / "neurons.csv"),
        columns=NeuronColumns(neuron_id="id", cell_type="type"),
    )
    tally = Tally()
    whole = read_neurons(table, tally)
    monkeypatch.setattr(neurons, "_JOINED_ROWS", 5)
    monkeypatch.setattr("synapse_assets.sources.files.BATCH_ROWS", 2)
    in_parts = Tally()
    assert read_neurons(table, in_parts).equals(whole)
    assert in_parts.left_out == tally.left_out == {"repeats a neuron": 56}
    with (tmp_path / "neurons.csv").open("a") as stream:
        stream.write("\n3,other\n")
    with pytest.raises(BadInput, match="rows of neuron 3 tell different things of its cell_type"):
        read_neurons(table)


def test_what_is_advised_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfolding, "ALWAYS_TAKEN", MIB)
    monkeypatch.setattr(unfolding, "ROWS_ALWAYS_TAKEN", 1_000)
    text = b"id,x,y,z\n" + b"1,2,3,4\n" * 200_000
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text))
    with pytest.raises(BadInput, match=r"unpack it \(gunzip\), and name the file that comes out"):
        read(source(tmp_path / "t.csv.gz", columns=Columns(synapse_id="id")))
    (tmp_path / "t.csv").write_bytes(text)
    assert read(source(tmp_path / "t.csv", columns=Columns(synapse_id="id"))).num_rows == 200_000
    _parquet(tmp_path / "t.parquet", _zeros(200_000), 1)
    with pytest.raises(BadInput, match="write it as CSV that is not compressed, and name that"):
        read(source(tmp_path / "t.parquet", columns=Columns(synapse_id="id")))


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet", "t.feather"])
def test_a_large_real_table_is_read_in_batches(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows as a lab has them, and no limit below which everything is taken."""
    monkeypatch.setattr(unfolding, "ALWAYS_TAKEN", 0)
    monkeypatch.setattr(unfolding, "ROWS_ALWAYS_TAKEN", 0)
    draw = np.random.default_rng(1)
    rows = 300_000
    order = np.sort(draw.integers(0, 1_000_000, rows))
    table = pa.table(
        {
            "id": np.arange(rows),
            "x": order,
            "y": draw.integers(0, 4_000, rows) + order // 1_000,
            "z": draw.integers(0, 7_000, rows),
            # Sorted by region and neuron, and empty columns: all that packs best.
            "region": np.repeat(["ME_R", "FB"], rows // 2),
            "neuron": np.sort(720575940600000000 + draw.integers(0, 500, rows)),
            **{f"empty_{number}": pa.nulls(rows, pa.string()) for number in range(30)},
        }
    )
    file = tmp_path / name
    if name.endswith(".gz"):
        with gzip.open(file, "wb", 9) as stream:
            pa.csv.write_csv(table, stream)
    elif name.endswith(".parquet"):
        pq.write_table(table, file, compression="zstd", compression_level=9)
    else:
        pyarrow.feather.write_feather(table, file, compression="zstd")
    batches = list(open_table(str(file)).batches(["id", "x", "y", "z", "region", "neuron"], ["x", "y", "z"]))
    assert sum(batch.num_rows for batch in batches) == rows
    assert max(batch.num_rows for batch in batches) <= 131_072
    assert batches[-1].column("region").type == pa.string()
    assert batches[-1].column("region")[-1].as_py() == "FB"
    sums = [sum(int(float(value)) for value in batch.column("x").to_pylist()) for batch in batches]
    assert sum(sums) == int(order.sum())
