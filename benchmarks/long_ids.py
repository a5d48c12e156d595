"""More than 2 GiB of ids in one dataset, through what reads whole datasets: 32-bit offsets do not hold them.

    python -m benchmarks.long_ids

Few rows with very long ids, so that it takes two minutes and ten gigabytes of disk instead of a night: to an array of texts it is the same
as 110 million ids of 20 characters. Everything that is read is compared with what was written.
"""

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.tables import current_rows, stratified_rows
from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.rows import content_key, labelled_synapses

ROWS, ID_BYTES, PART = 110_000, 20_000, 1_000
REGIONS = ("A", "B")


def _ids(region: str, start: int) -> pa.Array:
    return pa.array(f"{region}{number:07d}".ljust(ID_BYTES, "x") for number in range(start, start + PART))


def _synapses(region: str) -> Iterator[pa.RecordBatch]:
    for start in range(0, ROWS // len(REGIONS), PART):
        places = pa.array([float(number) for number in range(start, start + PART)])
        constant = {"brain_region": region, "volume": "em", "source": "bench", "source_file": "bench"}
        columns = {name: pa.repeat(pa.scalar(value), PART) for name, value in constant.items()}
        columns |= {"synapse_id": _ids(region, start), **dict.fromkeys(("x_nm", "y_nm", "z_nm"), places)}
        empty = [column for column in SYNAPSES.columns if column.name not in columns]
        columns |= {column.name: pa.nulls(PART, column.type) for column in empty}
        yield from pa.table({name: columns[name] for name in SYNAPSES.names}, schema=SYNAPSES.arrow).to_batches()


def _labels(region: str) -> pa.Table:
    parts = []
    for start in range(0, ROWS // len(REGIONS), PART):
        columns = {column.name: pa.nulls(PART, column.type) for column in SYNAPSE_LABELS.columns}
        columns |= {"synapse_id": _ids(region, start), "brain_region": pa.repeat(pa.scalar(region), PART)}
        columns["target"] = pa.array([f"t{number % 7}" for number in range(start, start + PART)])
        parts.append(pa.table(columns, schema=SYNAPSE_LABELS.arrow))
    return pa.concat_tables(parts)


@contextmanager
def _timed(name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:24s}{time.perf_counter() - began:8.1f} s{peak:8.1f} GB at most so far", flush=True)


def _check_reading(store: DatasetStore) -> None:
    with _timed("synapses"):
        rows = store.synapses.read(None, ["synapse_id", "brain_region"])
    assert rows.column("synapse_id").type == pa.large_string()
    assert rows.column("synapse_id").nbytes > 2**31
    numbers = pc.utf8_slice_codeunits(rows.column("synapse_id"), 0, 8).to_pylist()
    assert numbers == [f"{region}{number:07d}" for region in REGIONS for number in range(ROWS // len(REGIONS))]
    with _timed("content key"):
        key = content_key(rows)
    assert key == content_key(store.synapses.reader(["synapse_id", "brain_region"]))
    with _timed("labels"):
        labels = store.results(SYNAPSE_LABELS).read(columns=["synapse_id", "brain_region"])
    with _timed("current rows"):
        assert current_rows(labels, rows).num_rows == ROWS
    del labels
    with _timed("sample"):
        sample = stratified_rows(rows, 100, 0)
    del rows
    with _timed("rows of ids"):
        ids = sample.column("synapse_id").combine_chunks()
        assert store.synapses.read_ids(ids, ["x_nm"]).num_rows == len(ids)
    with _timed("labelled synapses"):
        labelled = labelled_synapses(store, ["target"])
    assert labelled.column("target").to_pylist() == [f"t{number % 7}" for number in range(ROWS // 2)] * 2


def main() -> None:
    """Write, read whole, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        store = DatasetStore(folder, "bench")
        for region in REGIONS:
            with _timed(f"written, region {region}"):
                reader = pa.RecordBatchReader.from_batches(SYNAPSES.arrow, _synapses(region))
                store.synapses.replace_region(region, reader, [])
                store.results(SYNAPSE_LABELS).write_partition(region, _labels(region))
        _check_reading(store)
        with _timed("warehouse"):
            build_warehouse(store, [store.synapses, store.results(SYNAPSE_LABELS)], {})
        released = (store.release() or {})["tables"]
        assert {name: entry["rows"] for name, entry in released.items()} == {"synapses": ROWS, "synapse_labels": ROWS}


if __name__ == "__main__":
    main()
