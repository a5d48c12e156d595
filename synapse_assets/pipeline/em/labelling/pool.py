"""The synapses that a round may ask about, read batch by batch: of a million no more is in memory than of fifty thousand.

Which of them a round asks about belongs to `suggestions`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.schema.labelling import ANNOTATIONS, LABEL_DECISIONS, OUTDATED, QUERY_SUGGESTIONS, SKIP
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import row_hashes, vector_matrix

Float32 = npt.NDArray[np.float32]
Hashes = npt.NDArray[np.uint64]

CANDIDATES = 50_000
"""A strategy sees so many synapses at most: a sample in which every one is equally likely, or those whose class is least sure."""
LABELLED = 20_000
"""Of the synapses whose class is known it sees so many at most, a sample likewise."""
_BATCH_ROWS = 8_192
_OF_A_VECTOR = ["synapse_id", "brain_region", "tile_hash", "vector"]


@dataclass(frozen=True)
class Pool:
    """What may be asked. Tables have synapse_id, brain_region, tile_hash and vector, at most `CANDIDATES` rows each.

    size: synapses that may be asked, of the `of` that have a tile and a vector of it. labelled: how many of these have a class.
    at_random: a sample, in random order. least_sure: those with the least certainty, the least sure first; None where it was not asked for.
    """

    size: int
    of: int
    labelled: int
    at_random: pa.Table
    least_sure: pa.Table | None


def read_pool(
    store: DatasetStore, vectors: RegionTable, seed: int, certainty: Callable[[Float32], npt.NDArray[np.float64]] | None
) -> Pool:
    """The synapses with a tile and a vector of it that have no class, no decision of people, and are in no earlier round whose answer is
    open.

    Those come back whose tile is another one since they were asked, and those that everybody has skipped who was asked. The sample is that
    of the lowest `content_keys` of the ids by this seed, as `drawn_by_chance` draws. certainty: from vectors (N, D) to (N,), how sure the
    class of each is.
    """
    tiles = _hashes(store.tiles.batches(None, ["synapse_id", "tile_hash"], _BATCH_ROWS))
    labels = store.results(SYNAPSE_LABELS).reader(["synapse_id", "brain_region", "target"])
    labelled = _hashes(batch.filter(_has_target(batch)).select(["synapse_id", "brain_region"]) for batch in labels)
    decided, asked = _decided(store), _asked(store)
    at_random, least_sure = _Least(CANDIDATES), _Least(CANDIDATES)
    size, of, with_class = 0, 0, 0
    for batch in vectors.batches(None, _OF_A_VECTOR, _BATCH_ROWS):
        rows = pa.Table.from_batches([batch])
        picture = row_hashes(rows.select(["synapse_id", "tile_hash"]))
        seen = _among(picture, tiles)
        known = _among(row_hashes(rows.select(["synapse_id", "brain_region"])), labelled)
        answered = _among(row_hashes(rows.select(["synapse_id"])), decided) | _among(picture, asked)
        of, with_class = of + int(seen.sum()), with_class + int((seen & known).sum())
        rows = rows.filter(pa.array(seen & ~known & ~answered))
        size += rows.num_rows
        at_random.add(_drawn(rows, seed), rows)
        if certainty is not None and rows.num_rows:
            least_sure.add(certainty(vector_matrix(rows)), rows)
    empty = vectors.table.empty().select(_OF_A_VECTOR)
    sure = least_sure.rows(empty) if certainty is not None else None
    return Pool(size, of, with_class, at_random.rows(empty), sure)


def labelled_sample(store: DatasetStore, vectors: RegionTable, seed: int) -> tuple[pa.Table, list[str]]:
    """Synapses whose class is known, with the columns of `Pool`, and their classes.

    At most `LABELLED`, a sample in which every one is equally likely, in random order. What has no vector is left out.
    """
    columns, sample = ["synapse_id", "brain_region", "target"], _Least(LABELLED)
    for batch in store.results(SYNAPSE_LABELS).reader(columns):
        rows = pa.Table.from_batches([batch.filter(_has_target(batch))])
        sample.add(_drawn(rows, seed), rows)
    ids, regions, targets = (one.to_pylist() for one in sample.rows(SYNAPSE_LABELS.empty().select(columns)).columns)
    target_of = dict(zip(zip(ids, regions, strict=True), targets, strict=True))
    rows = vectors.read_ids(list(dict.fromkeys(ids)), _OF_A_VECTOR)
    # A synapse that moved may still have a label in its old region: only the one in its own counts.
    own = [target_of.get((row["synapse_id"], row["brain_region"])) for row in rows.select(columns[:2]).to_pylist()]
    return rows.filter(pa.array([one is not None for one in own], pa.bool_())), [one for one in own if one is not None]


class _Least:
    """The rows with the smallest keys of all that were added, at most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._keys: list[npt.NDArray[np.generic]] = []
        self._rows: list[pa.Table] = []
        self._held = 0

    def add(self, keys: npt.NDArray[np.generic], rows: pa.Table) -> None:
        """Adds rows with a key each."""
        self._keys.append(keys)
        self._rows.append(rows)
        self._held += rows.num_rows
        if self._held >= 2 * self._most:
            self._drop()

    def rows(self, empty: pa.Table) -> pa.Table:
        """They, the smallest key first; `empty` where none were added."""
        if not self._rows:
            return empty
        self._drop()
        return self._rows[0]

    def _drop(self) -> None:
        keys, rows = np.concatenate(self._keys), pa.concat_tables(self._rows)
        least = np.argsort(keys, kind="stable")[: self._most]
        self._keys, self._rows, self._held = [keys[least]], [rows.take(pa.array(least))], len(least)


def _decided(store: DatasetStore) -> Hashes:
    """Those that people have decided about, but for those whose tile is another one since."""
    rows = store.results(LABEL_DECISIONS).read(columns=["synapse_id", "decision"])
    return np.sort(row_hashes(rows.filter(pc.not_equal(rows.column("decision"), OUTDATED)).select(["synapse_id"])))


def _asked(store: DatasetStore) -> Hashes:
    """Synapses and tiles of earlier rounds in which nobody has skipped them, or that somebody has answered."""
    from synapse_assets.analysis.labelling.decisions import standing_answers

    asked = store.results(QUERY_SUGGESTIONS).read(columns=["synapse_id", "tile_hash", "round"])
    given = store.results(ANNOTATIONS).read().sort_by("given_at")
    undone = given.column("undoes").combine_chunks().drop_null()
    is_skip = pc.and_(
        pc.equal(given.column("answer"), SKIP), pc.invert(pc.is_in(given.column("answer_id"), value_set=undone))
    )
    standing = standing_answers(given)
    skipped = np.sort(row_hashes(given.filter(is_skip).select(["item", "round"])))
    answered = np.sort(row_hashes(standing.filter(pc.not_equal(standing.column("answer"), SKIP)).select(["item"])))
    open_still = ~_among(row_hashes(asked.select(["synapse_id", "round"])), skipped)
    open_still |= _among(row_hashes(asked.select(["synapse_id"])), answered)
    return np.sort(row_hashes(asked.select(["synapse_id", "tile_hash"]))[open_still])


def _drawn(rows: pa.Table, seed: int) -> Hashes:
    """A random number for each row that depends on nothing but its synapse_id and the seed."""
    from synapse_assets.analysis.evaluation.sampling import content_keys

    return content_keys(rows.column("synapse_id").to_pylist(), seed)


def _hashes(batches: Iterable[pa.RecordBatch]) -> Hashes:
    """Of all rows, sorted: eight bytes a row, whatever is in it."""
    parts = [row_hashes(pa.Table.from_batches([batch])) for batch in batches]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.uint64)


def _among(values: Hashes, sorted_hashes: Hashes) -> npt.NDArray[np.bool_]:
    if not len(sorted_hashes):
        return np.zeros(len(values), bool)
    at = np.searchsorted(sorted_hashes, values).clip(max=len(sorted_hashes) - 1)
    return np.asarray(sorted_hashes[at] == values)


def _has_target(batch: pa.RecordBatch) -> pa.Array:
    return pc.fill_null(pc.not_equal(batch.column("target"), ""), False)
