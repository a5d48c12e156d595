"""The nearest neighbours of a vector: exactly in memory, exactly from the Lance table, and through its index.

    python -m benchmarks.search [--million]

100,000 vectors of 384 numbers (with --million, ten times as many), float16 as they are stored, in clusters that overlap; the
queries are new vectors of the same clusters. Every way of searching runs in a process of its own, one query after the
other, and is asked without a filter and inside brain regions that hold a certain share of all rows.

median ms   of one query, k = 10          times       as long as a product of matrices in memory takes for the same question
recall      share of the ten exact nearest neighbours found                    memory      peak of the process, in MB
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
import pyarrow.compute as pc

from synapse_assets.schema import embedding_table
from synapse_assets.stores import vector_index
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import vector_matrix, vector_rows

WIDTH = 384
QUERIES = 100
K = 10
# Name of the region and the share of all rows in it; None asks in all of them.
REGIONS: dict[str | None, float] = {None: 1.0, "half": 0.5, "fifth": 0.2, "tenth": 0.1, "25th": 0.04, "100th": 0.01}
BATCH = 20_000

Answers = dict[str | None, tuple[list[float], list[list[str]]]]


def drawn(count: int, seed: int) -> np.ndarray:
    """Vectors float32 (count, WIDTH): 300 clusters of unequal size that overlap, each spread along 24 directions of its own."""
    fixed, random = np.random.default_rng(0), np.random.default_rng([1, seed])
    centres = fixed.normal(size=(300, WIDTH)).astype(np.float32)
    directions = fixed.normal(size=(300, 24, WIDTH)).astype(np.float32) / np.sqrt(24)
    cluster = random.choice(300, count, p=(weights := 1 / np.arange(1, 301)) / weights.sum())
    vectors = centres[cluster] + 0.2 * random.normal(size=(count, WIDTH)).astype(np.float32)
    along = random.normal(size=(count, 24)).astype(np.float32)
    for one in range(300):
        mine = cluster == one
        vectors[mine] += along[mine] @ directions[one]
    return vectors


def table_at(folder: str) -> RegionTable:
    return RegionTable(f"{folder}/vectors.lance", embedding_table(WIDTH))


def _write(folder: str, rows: int, answer: Any) -> None:
    table, done = table_at(folder), 0
    began = time.perf_counter()
    sizes = {name: int(share * rows) for name, share in REGIONS.items() if name is not None}
    sizes["rest"] = rows - sum(sizes.values())

    def batches(region: str, count: int) -> Any:
        nonlocal done
        for start in range(0, count, BATCH):
            ids = [f"{region}{number}" for number in range(start, min(start + BATCH, count))]
            found = vector_rows(table.table, ids, region, ["h"] * len(ids), "m", drawn(len(ids), done := done + 1))
            yield from found.to_batches()

    for region, count in sizes.items():
        table.replace_region(region, pa.RecordBatchReader.from_batches(table.table.arrow, batches(region, count)), [])
    answer.put((time.perf_counter() - began, table.version))


def _index(folder: str, answer: Any) -> None:
    began = time.perf_counter()
    state = vector_index.build_or_refresh(table_at(folder), 0)
    answer.put((time.perf_counter() - began, state.lists, _peak_mb()))


def _in_memory(folder: str, answer: Any) -> None:
    """One product of matrices and vector per query; a region's rows lie side by side."""
    rows = table_at(folder).read(None, ["synapse_id", "brain_region", "vector"])
    rows = rows.take(pc.sort_indices(rows.column("brain_region")))
    vectors = vector_matrix(rows)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids, regions = (rows.column(name).to_numpy(zero_copy_only=False) for name in ("synapse_id", "brain_region"))
    places: dict[str | None, slice] = {
        name: slice(*(int(np.searchsorted(regions, name, side)) for side in ("left", "right")))
        for name in REGIONS
        if name is not None
    }
    places[None] = slice(0, len(ids))

    def search(query: np.ndarray, region: str | None) -> list[str]:
        place = places[region]
        alike = vectors[place] @ (query / np.linalg.norm(query))
        best = np.argpartition(alike, -K)[-K:]
        return list(ids[place][best[np.argsort(-alike[best])]])

    _ask(search, answer)


def _from_lance(folder: str, version: int | None, settings: dict[str, float], answer: Any) -> None:
    """Of that version of the table, None the latest, with other constants in `vector_index`."""
    for name, value in settings.items():
        setattr(vector_index, name, value)
    table = table_at(folder)
    table = table.at_version(version or table.version)
    counts = {name: table.count(name) for name in REGIONS}

    def search(query: np.ndarray, region: str | None) -> list[str]:
        where = None if region is None else f"brain_region = '{region}'"
        found = vector_index.nearest(table, query, K, where, selected_rows=counts[region])
        return list(found.column("synapse_id").to_pylist())

    assert (vector_index.index_state(table).kind == vector_index.EXACT) is (version is not None)
    _ask(search, answer)


def _ask(search: Callable[[np.ndarray, str | None], list[str]], answer: Any) -> None:
    queries, found = drawn(QUERIES, 10**6), {}
    for region in REGIONS:
        search(queries[0], region)
        seconds, answers = [], []
        for query in queries:
            began = time.perf_counter()
            answers.append(search(query, region))
            seconds.append(time.perf_counter() - began)
        found[region] = seconds, answers
    answer.put((found, _peak_mb()))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_own_process(function: Callable[..., None], *arguments: Any) -> Any:
    spawn = multiprocessing.get_context("spawn")
    answer = spawn.Queue()
    process = spawn.Process(target=function, args=(*arguments, answer))
    process.start()
    found = answer.get(timeout=3600)
    process.join()
    return found


def _print(name: str, found: Answers, exact: Answers, peak: float) -> None:
    print(f"{name:34s}", end="")
    for region, (seconds, answers) in found.items():
        median, base = float(np.median(seconds)), float(np.median(exact[region][0]))
        shares = [len(set(a) & set(b)) / K for a, b in zip(answers, exact[region][1], strict=True)]
        print(f"{median * 1000:8.1f}{median / base:7.1f}{np.mean(shares):7.3f}", end="")
    print(f"{peak:8.0f}", flush=True)


def measure(rows: int) -> None:
    """Print the table for that many rows."""
    with tempfile.TemporaryDirectory() as folder:
        written, plain = _in_own_process(_write, folder, rows)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.*"))
        built, lists, peak = _in_own_process(_index, folder)
        more = sum(path.stat().st_size for path in Path(folder).rglob("*.*")) - size
        print(
            f"\n{rows:,} x {WIDTH}: written in {written:.1f} s, {size / 1e6:.0f} MB; index of {lists} lists built in",
            end="",
        )
        print(f" {built:.1f} s, {more / 1e6:.0f} MB more, {peak:.0f} MB of memory")
        print(f"{'':34s}" + "".join(f"{region or 'all':>22s}" for region in REGIONS) + f"{'memory':>8s}")
        print(f"{'':34s}" + f"{'ms':>8s}{'times':>7s}{'recall':>7s}" * len(REGIONS))
        exact, used = _in_own_process(_in_memory, folder)
        _print("in memory, exact", exact, exact, used)
        found, used = _in_own_process(_from_lance, folder, plain, {})
        _print("Lance, exact", found, exact, used)
        found, used = _in_own_process(_from_lance, folder, None, {})
        _print("index, as it is used", found, exact, used)
        for probed in (0.05, 0.1, 0.2, 0.4):
            settings = {"_PROBED": probed, "_LEAST_PROBES": 1, "EXACT_SELECTED": 0}
            found, used = _in_own_process(_from_lance, folder, None, settings)
            _print(f"index whatever the filter, {probed:g} probed", found, exact, used)
        settings = {"_CANDIDATES": 2, "EXACT_SELECTED": 0}
        found, used = _in_own_process(_from_lance, folder, None, settings)
        _print("index, 2 candidates a neighbour", found, exact, used)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true", help="a million vectors as well")
    measure(100_000)
    if parser.parse_args().million:
        measure(1_000_000)


if __name__ == "__main__":
    main()
