"""How fast a table of synapses is read and split by region, against pyarrow doing the bare minimum with the same file.

    python -m benchmarks.ingest [millions of rows, default 2]

The table has FlyWire's columns, 79 regions of very uneven size, and is written as Feather and as CSV. The reference reads
the same columns of the same file with pyarrow, in batches, and writes the same partitions (`pyarrow.dataset`, Parquet, same
compression): no units, no ids, no checks, no hash of file or content. Each runs in a process of its own; times are wall
seconds, memory is the peak of the process.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.ipc

from synapse_assets.datasets import EmDataset, load_dataset
from synapse_assets.stores import DatasetStore

REGIONS = 79
BATCH = 65_536
_COLUMNS = {
    "id": pa.int64(),
    "pre_pt_root_id": pa.int64(),
    "post_pt_root_id": pa.int64(),
    "connection_score": pa.float64(),
    "cleft_score": pa.int64(),
    "neuropil": pa.string(),
    "pre_pt_position_x": pa.float64(),
    "pre_pt_position_y": pa.float64(),
    "pre_pt_position_z": pa.float64(),
}


def _write(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    names = pa.array([f"R{index:02d}" for index in range(REGIONS)])
    share = np.exp(-np.arange(REGIONS) / 15)
    share /= share.sum()
    schema = pa.schema(list(_COLUMNS.items()))
    options = pa.csv.WriteOptions(quoting_style="needed")
    with (
        pa.OSFile(str(folder / "table.feather"), "wb") as stream,
        pa.ipc.new_file(stream, schema) as feather,
        pa.csv.CSVWriter(folder / "table.csv", schema, write_options=options) as csv,
    ):
        for start in range(0, rows, BATCH):
            count = min(BATCH, rows - start)
            neurons = 720575940600000000 + rng.integers(0, 130_000, (2, count))
            place = rng.integers(0, (900_000, 500_000, 7_000), (count, 3)) * np.array([1.0, 1.0, 40.0])
            columns = [
                np.arange(start, start + count),
                *neurons,
                rng.random(count).round(3),
                rng.integers(50, 200, count),
                names.take(pa.array(rng.choice(REGIONS, count, p=share))),
                *place.T,
            ]
            batch = pa.record_batch([pa.array(column) for column in columns], schema=schema)
            feather.write_batch(batch)
            csv.write_batch(batch)


def _dataset(file: Path) -> EmDataset:
    """FlyWire's shipped mapping on that file; no voxel is read."""
    base = load_dataset("sample", str(file.parent))
    columns = {"x": "pre_pt_position_x", "y": "pre_pt_position_y", "z": "pre_pt_position_z", "synapse_id": "id"}
    columns |= {"neuron_id": "pre_pt_root_id", "partner_id": "post_pt_root_id", "brain_region": "neuropil"}
    source = {"name": "table", "format": "points", "volume": "sample", "path": str(file), "units": "nm"}
    source |= {"columns": {**columns, "score": "connection_score"}, "leave_out_autapses": True}
    values = base.model_dump() | {"name": "bench", "sources": [source], "neurons": [], "generate": None}
    return EmDataset.model_validate(values)


def _ours(file: Path, target: Path) -> None:
    from synapse_assets.sources import RegionNames, Tally, provenance, read_source

    dataset = _dataset(file)
    tally = Tally()
    names = RegionNames(dataset.missing_region, dataset.region_names, None)
    with DatasetStore(str(target), "bench").synapse_table.replace() as split:
        for batch in read_source(dataset.sources[0], dataset.volumes["sample"], names, tally):
            split.write(batch)
    provenance(dataset.sources[0], tally)


def _pyarrow(file: Path, target: Path) -> None:
    reader: Any
    if file.suffix == ".csv":
        reader = pa.csv.open_csv(file, convert_options=pa.csv.ConvertOptions(column_types=_COLUMNS))
    else:
        source = pa.ipc.open_file(pa.memory_map(str(file)))
        batches = (source.get_batch(index) for index in range(source.num_record_batches))
        reader = pa.RecordBatchReader.from_batches(source.schema, batches)
    pa.dataset.write_dataset(
        reader,
        target,
        format="parquet",
        partitioning=pa.dataset.partitioning(pa.schema([("neuropil", pa.string())]), flavor="hive"),
        file_options=pa.dataset.ParquetFileFormat().make_write_options(compression="zstd"),
    )


def _timed(work: Callable[[Path, Path], None], file: Path, target: Path, answer: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    work(file, target)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    answer.put((seconds, cpu, after.ru_maxrss / 1024))


def _run(work: Callable[[Path, Path], None], file: Path) -> tuple[float, float, float]:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    with tempfile.TemporaryDirectory(dir=file.parent) as target:
        process = context.Process(target=_timed, args=(work, file, Path(target), answer))
        process.start()
        found: tuple[float, float, float] = answer.get()
        process.join()
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", nargs="?", type=float, default=2.0)
    rows = round(parser.parse_args().millions * 1e6)
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name), rows)
        print(f"{rows:,} rows, {REGIONS} regions        wall s     CPU s   peak MB     rows/s")
        for file in (Path(name) / "table.feather", Path(name) / "table.csv"):
            _run(_pyarrow, file)  # warms the page cache for both
            reference, ours = _run(_pyarrow, file), _run(_ours, file)
            for what, (wall, cpu, peak) in (("pyarrow read and write", reference), ("synapse_table", ours)):
                print(f"  {file.suffix:9s}{what:23s}{wall:10.1f}{cpu:10.1f}{peak:10.0f}{rows / wall:11,.0f}")
            print(f"  {file.suffix:9s}ratio {ours[0] / reference[0]:.2f} by wall, {ours[1] / reference[1]:.2f} by CPU")


if __name__ == "__main__":
    main()
