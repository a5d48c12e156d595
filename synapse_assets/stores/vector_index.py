"""The index over the vectors of one encoder: built where exact search is too slow, kept up to date, searched, and measured.

Lance keeps the index as part of the table's versions, so a reader of a released version reads the index of that moment.
Which vectors there are belongs to `region_table`; search among vectors in memory belongs to `query`.
"""

import functools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.errors import BadInput
from synapse_assets.stores.commits import retried
from synapse_assets.stores.files import storage_explained
from synapse_assets.stores.region_table import RegionTable, sql_text
from synapse_assets.stores.rows import vector_matrix

if TYPE_CHECKING:
    from lance import LanceDataset

Float32 = npt.NDArray[np.float32]

# Statistics give the number of lists; their centroids would be read and included otherwise.
os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")

# Below so many rows no index is built. In memory, one query against all of 100,000 vectors of 384 numbers takes as long as
# through the index (6 ms, `benchmarks.search`), and a batch of queries far less; at 300,000 that is 17 ms and half a gigabyte for
# an answer that is exact under every filter.
EXACT_BELOW = 300_000
# A filter that leaves fewer rows is searched exactly, in up to 20 ms: the fewer rows of a list fulfil it, the less the list says.
EXACT_SELECTED = 50_000
EXACT = "exact"
INDEXED = "IVF_RQ, 5 bits"

_BITS = 5
_VECTORS = "vector_index"
_REGIONS = "brain_region_index"
# Rows in a list, times the square root of all: 80 lists for 100,000 rows, 250 for a million. As many lists as the square root
# find the same in the same time, but take 4.5 times as long to train: in float16 that is what costs.
_LIST_ROWS = 4
# Rows in the training sample for each list. Lance's 256 take twice as long and find no more.
_SAMPLED = 64
# Trained again when the table has grown so much since; until then Lance splits and joins single lists.
_GROWN = 2
_ROUNDS = 3
# Probed: this share of the lists (a tenth finds 998 in 1000, a twentieth 957), and at least so many.
_PROBED = 0.2
_LEAST_PROBES = 16
# Candidates that are compared exactly, as a multiple of k.
_CANDIDATES = 8
_NEIGHBOURS = 10
_READ_ROWS = 8192
_QUERIES_AT_ONCE = 512
# By how much equal distances may differ: another order of summation, in float32.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class IndexState:
    """What `build_or_refresh` left behind: how the table's version is searched.

    `lists` is the number of inverted lists, 0 without an index. Rows that are not in the index are found as well, only more slowly.
    """

    rows: int
    indexed_rows: int
    lists: int
    kind: str
    version: int

    @property
    def unindexed_rows(self) -> int:
        """Rows that an existing index does not hold; 0 where there is none."""
        return 0 if self.kind == EXACT else self.rows - self.indexed_rows


def build_or_refresh(vectors: RegionTable, exact_below: int = EXACT_BELOW) -> IndexState:
    """Makes sure that a large table has an index with all its rows, and gives the state afterwards.

    Nothing is built below `exact_below` rows. An index that is there is kept up to date whatever the number: new rows are
    added to its lists, and it is trained anew when the table has doubled. May run while regions are written. Rows in
    the index are left alone: without new rows there is no commit. Raises BadInput for a table at a pinned version.
    """
    if vectors.pinned is not None:
        raise BadInput(f"{vectors.uri}: version {vectors.pinned} is for reading; index the table itself")
    for _ in range(_ROUNDS):
        with storage_explained(vectors.uri):
            retried(lambda: _bring_up_to_date(vectors, exact_below))
        state = index_state(vectors)
        # There are some only where a region was written meanwhile.
        if not state.unindexed_rows:
            break
    return state


def index_state(vectors: RegionTable) -> IndexState:
    """How the table is searched in its current state, or at its pinned version."""
    dataset = vectors.lance()
    return _NOTHING if dataset is None else _state(dataset)


def nearest(
    vectors: RegionTable, query: Float32, k: int, where: str | None = None, *, selected_rows: int | None = None
) -> pa.Table:
    """The `k` rows nearest to a vector (D,) by cosine distance, nearest first: columns synapse_id and distance (0 to 2).

    `where` is an SQL condition on the table's columns, applied before the search, so `k` rows come back wherever that many
    fulfil it; `selected_rows` is how many do, counted if not given. The distances are exact. Which rows are the
    nearest is exact without an index and for a filter that leaves fewer than `EXACT_SELECTED` rows, and otherwise right for
    about 99 in 100. A table at a pinned version is kept open for the next call, with its index in memory. Raises BadInput
    for a query of another width, or that is zero or not finite.
    """
    opened = _open(vectors)
    if opened is None or k < 1:
        return pa.table({"synapse_id": pa.array([], pa.string()), "distance": pa.array([], pa.float32())})
    unit = _unit_query(opened[0], query, vectors.uri)
    # Compared here, as Lance rounds the query to float16, the type of the column, and an index knows the vectors roughly.
    rows = _search(opened, unit, k * _CANDIDATES, ["synapse_id", "vector"], where, selected_rows)
    distances = np.float32(1) - _unit(vector_matrix(rows)) @ unit
    order = np.argsort(distances, kind="stable")[:k]
    return pa.table({"synapse_id": rows.column("synapse_id").take(order), "distance": distances[order]})


def roughly_nearest(vectors: RegionTable, query: Float32, k: int) -> "tuple[npt.NDArray[np.uint64], Float32]":
    """About the `k` rows nearest to a vector (D,), for a caller that compares them itself: their Lance row ids and distances.

    Through an index that takes milliseconds for thousands of rows, because no vector is read; the distances are rough then, and
    fewer rows come where the probed lists hold fewer. Without one every vector is read. Raises like `nearest`.
    """
    opened = _open(vectors)
    if opened is None or k < 1:
        return np.empty(0, np.uint64), np.empty(0, np.float32)
    rows = _search(opened, _unit_query(opened[0], query, vectors.uri), k, ["_distance"], None, None)
    return rows.column("_rowid").to_numpy(), rows.column("_distance").to_numpy()


def row_ids(vectors: RegionTable) -> "npt.NDArray[np.uint64]":
    """The Lance row id of each row, in the order of their numbers (see `RegionTable.numbers_of`)."""
    dataset = vectors.lance()
    if dataset is None:
        return np.empty(0, np.uint64)
    return np.asarray(dataset.scanner(columns=[], with_row_id=True, scan_in_order=True).to_table().column(0))


def _unit_query(dataset: "LanceDataset", query: Float32, where: str) -> Float32:
    values = np.asarray(query, np.float32)
    width = dataset.schema.field("vector").type.list_size
    if values.shape != (width,) or not np.isfinite(values).all() or not values.any():
        raise BadInput(f"{where}: a query is {width} finite numbers, not all zero; this one is {values.shape}")
    return _unit(values[None])[0]


def _search(
    opened: "tuple[LanceDataset, IndexState]",
    unit: Float32,
    k: int,
    columns: list[str],
    where: str | None,
    selected_rows: int | None,
) -> pa.Table:
    dataset, state = opened
    options = {"column": "vector", "q": unit, "k": k, "metric": "cosine", "use_index": False}
    if state.kind != EXACT:
        selected = state.rows if where is None else selected_rows
        if selected is None:
            selected = dataset.count_rows(filter=where)
        if where is None or selected >= EXACT_SELECTED:
            # The least number: Lance probes more lists where these hold too few rows that fulfil the filter.
            options |= {"use_index": True, "minimum_nprobes": _probes(state, selected)}
    return dataset.to_table(
        columns=sorted({*columns, "_distance"}), nearest=options, filter=where, prefilter=True, with_row_id=True
    )


def recall_at_10(vectors: RegionTable, regions: Sequence[str], queries: int = 50, seed: int = 0) -> dict[str, float]:
    """The share of the ten exact nearest neighbours that `nearest` finds, by region: of `queries` of its rows, chosen by `seed`.

    Neighbours are searched in the whole table and, where a region is large enough for the index, in the region alone;
    the result is the lower share. A neighbour counts by its distance, so one of several equal pictures is as good as the other. Reads
    the vectors once for all regions, in batches, and those of large regions once more. A region without rows is left out.
    """
    if vectors.lance() is None:
        return {}
    table = vectors if vectors.pinned is not None else vectors.at_version(vectors.version)
    counts = {region: table.count(region) for region in regions}
    chosen = {region: _sample(table, region, queries, seed) for region in regions if counts[region]}
    if not chosen:
        return {}
    query_rows = table.read_ids([synapse_id for ids in chosen.values() for synapse_id in ids], ["synapse_id", "vector"])
    names, units = np.array(query_rows.column("synapse_id").to_pylist()), _unit(vector_matrix(query_rows))
    limits = _distance_of_tenth(table, None, units)
    recall, start, rows = {}, 0, table.count()
    for region, ids in chosen.items():
        part = slice(start, start := start + len(ids))
        shares = [_mean_recall(table, names[part], units[part], limits[part], None, rows)]
        if counts[region] >= EXACT_SELECTED:
            condition = f"brain_region = {sql_text(region)}"
            inside = _distance_of_tenth(table, region, units[part])
            shares.append(_mean_recall(table, names[part], units[part], inside, condition, counts[region]))
        recall[region] = min(shares)
    return recall


_NOTHING = IndexState(0, 0, 0, EXACT, 0)


def _bring_up_to_date(vectors: RegionTable, exact_below: int) -> None:
    dataset = vectors.lance()
    if dataset is None:
        return
    rows, trained_on = dataset.count_rows(), _trained_on(dataset)
    if trained_on is None and rows < max(exact_below, 1):
        return
    if _REGIONS not in _indices(dataset):
        dataset.create_scalar_index("brain_region", "BITMAP", name=_REGIONS)
    if trained_on is None or rows > _GROWN * trained_on:
        # Not `num_partitions`: the next optimisation then joins lists of less than 1024 rows, as Lance wants 4096 in each
        # unless a size is given here.
        dataset.create_index(
            "vector",
            "IVF_RQ",
            name=_VECTORS,
            metric="cosine",
            replace=True,
            target_partition_size=_LIST_ROWS * math.isqrt(rows),
            num_bits=_BITS,
            sample_rate=_SAMPLED,
        )
    if any(dataset.stats.index_stats(name)["num_unindexed_rows"] for name in (_REGIONS, _VECTORS)):
        dataset.optimize.optimize_indices()


def _indices(dataset: "LanceDataset") -> dict[str, dict[str, object]]:
    return {index.name: index.details for index in dataset.describe_indices()}


def _trained_on(dataset: "LanceDataset") -> int | None:
    """About how many rows the table had when its index was trained; None if there is none."""
    details = _indices(dataset).get(_VECTORS)
    return None if details is None else (int(str(details.get("target_partition_size", 0))) // _LIST_ROWS) ** 2


def _state(dataset: "LanceDataset") -> IndexState:
    rows, version = int(dataset.count_rows()), int(dataset.version)
    if _trained_on(dataset) is None:
        return IndexState(rows, 0, 0, EXACT, version)
    statistics = dataset.stats.index_stats(_VECTORS)
    lists = max((int(index["num_partitions"]) for index in statistics["indices"]), default=0)
    return IndexState(rows, rows - int(statistics["num_unindexed_rows"]), lists, INDEXED, version)


def _open(vectors: RegionTable) -> "tuple[LanceDataset, IndexState] | None":
    if vectors.pinned is not None:
        return _open_pinned(vectors)
    dataset = vectors.lance()
    return None if dataset is None else (dataset, _state(dataset))


@functools.lru_cache(maxsize=2)
def _open_pinned(vectors: RegionTable) -> "tuple[LanceDataset, IndexState] | None":
    dataset = vectors.lance() if vectors.pinned else None
    return None if dataset is None else (dataset, _state(dataset))


def _probes(state: IndexState, selected: int) -> int:
    """Number of lists to probe: the fewer of their rows fulfil the filter, the more."""
    share = min(1.0, max(selected, 1) / max(state.rows, 1))
    probes = max(_LEAST_PROBES, state.lists * _PROBED) / math.sqrt(share)
    return max(1, min(state.lists, math.ceil(probes)))


def _sample(table: RegionTable, region: str, queries: int, seed: int) -> list[str]:
    ids = table.read(region, ["synapse_id"]).column(0)
    chosen = np.random.default_rng(seed).permutation(len(ids))[:queries]
    return list(ids.take(np.sort(chosen)).to_pylist())


def _distance_of_tenth(table: RegionTable, region: str | None, units: Float32) -> Float32:
    """Exact distance (N,) of the tenth other row of a region (None: of all) from each of the rows `units` (N, D).

    Of the last row where there are fewer.
    """
    # The row itself is the first of the eleven.
    best = np.full((len(units), _NEIGHBOURS + 1), -np.inf, np.float32)
    for batch in table.batches(region, ["vector"], _READ_ROWS):
        others = _unit(vector_matrix(pa.Table.from_batches([batch])))
        for start in range(0, len(units), _QUERIES_AT_ONCE):
            top = best[start : start + _QUERIES_AT_ONCE]
            alike = units[start : start + _QUERIES_AT_ONCE] @ others.T
            better = np.flatnonzero(alike.max(axis=1) > top.min(axis=1))
            both = np.hstack([top[better], alike[better]])
            top[better] = np.partition(both, both.shape[1] - top.shape[1], axis=1)[:, -top.shape[1] :]
    return (1.0 - np.where(np.isfinite(best), best, np.inf).min(axis=1)).astype(np.float32)


def _mean_recall(
    table: RegionTable,
    names: npt.NDArray[np.str_],
    units: Float32,
    limits: Float32,
    where: str | None,
    selected_rows: int,
) -> float:
    """Mean share of the ten nearest other rows, none farther than `limits`, that the search returns."""
    most = min(_NEIGHBOURS, selected_rows - 1)
    if most < 1:
        return 1.0
    shares = []
    for name, unit, limit in zip(names, units, limits, strict=True):
        neighbours = nearest(table, unit, _NEIGHBOURS + 1, where, selected_rows=selected_rows)
        own = np.array(neighbours.column("synapse_id").to_pylist()) == name
        distances = neighbours.column("distance").to_numpy()[~own][:most]
        shares.append(float((distances <= limit + _TOLERANCE).sum()) / most)
    return float(np.mean(shares))


def _unit(vectors: Float32) -> Float32:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
