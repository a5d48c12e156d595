"""Choosing which synapses a model is fitted on.

Belongs here: seeded, content-based samples. Does not belong here: folds for scoring (`splits`).
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def content_keys(ids: Sequence[str] | npt.NDArray[np.str_], seed: int) -> npt.NDArray[np.uint64]:
    """One pseudo-random 64-bit number an id, the same wherever and in whatever order the id occurs.

    BLAKE2b (RFC 7693) of the id, keyed by the seed. Two ids collide with probability 2**-64.
    """
    key = str(int(seed)).encode()
    digests = b"".join(hashlib.blake2b(str(i).encode(), digest_size=8, key=key).digest() for i in ids)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def stratified_sample(
    strata: Sequence[str] | npt.NDArray[np.str_],
    size: int,
    seed: int,
    ids: Sequence[str] | npt.NDArray[np.str_] | None = None,
) -> npt.NDArray[np.int64]:
    """Indices (sorted, int64) of about-proportional sample of `size` rows, every stratum represented if `size` allows.

    Seats are dealt by the largest remainder (Hamilton's method), after one seat for each stratum (the largest strata
    first when there are more strata than seats). All rows if there are no more than `size`; none for `size` <= 0.

    With `ids` a row is taken because of its id (bottom-k sampling by hash, Cohen & Kaplan 2007): row order does not
    matter, and adding rows to a table replaces only about as many members as the new rows themselves displace. Without
    ids, the row number is the id.
    """
    names = np.asarray(strata, dtype=str)
    rows = len(names)
    if ids is not None and len(ids) != rows:
        raise ValueError(f"{rows} strata but {len(ids)} ids")
    if size >= rows:
        return np.arange(rows, dtype=np.int64)
    if size <= 0:
        return np.zeros(0, dtype=np.int64)
    return sample_by_key(names, content_keys([str(i) for i in range(rows)] if ids is None else ids, seed), size)


def sample_by_key(
    strata: npt.NDArray[np.str_] | npt.NDArray[np.int64], keys: npt.NDArray[np.uint64], size: int
) -> npt.NDArray[np.int64]:
    """What `stratified_sample` gives, of rows whose `content_keys` are known; there are more than `size`, and that is at least 1."""
    rows = len(keys)
    _, stratum, counts = np.unique(strata, return_inverse=True, return_counts=True)
    seats = _seats(counts, size)
    order = np.lexsort((keys, stratum))
    start = np.cumsum(counts) - counts
    rank = np.empty(rows, dtype=np.int64)
    rank[order] = np.arange(rows) - start[stratum[order]]
    return np.flatnonzero(rank < seats[stratum]).astype(np.int64)


def _seats(counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Seats for each stratum (at most its count, `size` in all)."""
    largest_first = np.lexsort((np.arange(len(counts)), -counts))
    seats = np.zeros(len(counts), dtype=np.int64)
    seats[largest_first[:size]] = 1
    free_seats = size - int(seats.sum())
    if free_seats:
        remaining = counts - seats
        quota = free_seats * remaining / remaining.sum()
        seats += np.floor(quota).astype(np.int64)
        for stratum in np.lexsort((np.arange(len(counts)), -(quota - np.floor(quota))))[: size - int(seats.sum())]:
            seats[stratum] += 1
    return seats
