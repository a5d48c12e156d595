"""Where rows lie in a Lance table, found by the ids of their synapses: their numbers, and their places in its files.

Ids are compared as texts with 64-bit offsets, so there may be more than 2 GiB of them. The rows of the table are read in bundles, never
all: memory follows the ids that are looked for.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from lance import LanceDataset
    from lance.fragment import FragmentMetadata, LanceFragment

    Offsets = dict[int, npt.NDArray[np.int64]]

_KEY = "synapse_id"
_REGION = "brain_region"
_BATCH_ROWS = 65_536


def long_texts(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The texts with 64-bit offsets."""
    return texts.cast(pa.large_string())


def _bundles(reader: pa.RecordBatchReader, wanted: int) -> Iterator[pa.Table]:
    """The rows of the reader, about as many at once as there are ids to look for: these are indexed anew for every bundle."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        held.append(batch)
        rows += batch.num_rows
        if rows >= max(wanted, _BATCH_ROWS):
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held)


def row_numbers(
    dataset: "LanceDataset", ids: pa.Array | pa.ChunkedArray, region: str | None = None
) -> "npt.NDArray[np.int64]":
    """Numbers (n,) of the rows of those synapses, for `take`; -1 for one that is not there, or not in that region."""
    import numpy as np

    wanted = long_texts(ids)
    numbers = np.full(len(wanted), -1, dtype=np.int64)
    columns = [_KEY] if region is None else [_KEY, _REGION]
    scanner = dataset.scanner(columns=columns, batch_size=_BATCH_ROWS, scan_in_order=True)
    start = 0
    for rows in _bundles(scanner.to_reader(), len(wanted)):
        places = pc.index_in(long_texts(rows.column(_KEY)), value_set=wanted)
        found = places.is_valid()
        if region is not None:
            found = pc.and_(found, pc.equal(rows.column(_REGION), region))
        numbers[places.filter(found).to_numpy()] = start + pc.indices_nonzero(found).to_numpy().astype(np.int64)
        start += rows.num_rows
    # One that is asked for twice was found at its first place.
    return numbers[pc.index_in(wanted, value_set=wanted).to_numpy()]


class Search:
    """The rows that a commit to a region replaces or deletes.

    What was searched once is not searched again: another look, at a later version, reads only the files that came or lost rows.
    """

    def __init__(self, region: str, written: pa.Array | pa.ChunkedArray, gone: pa.Array | pa.ChunkedArray) -> None:
        self._region = region
        self._written = long_texts(written)
        self._gone = long_texts(gone)
        self._seen: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}

    def look(self, dataset: "LanceDataset") -> "tuple[Offsets, Offsets]":
        """Offsets, by fragment, of the rows that new rows replace, and of the deleted rows that are still in this region."""
        fragments = {_state(fragment.metadata): fragment for fragment in dataset.get_fragments()}
        unseen = {state: fragment for state, fragment in fragments.items() if state not in self._seen}
        if unseen:
            replaced, deleted = self._search(dataset, list(unseen.values()))
            for state, fragment in unseen.items():
                number = fragment.fragment_id
                self._seen[state] = (_of_fragment(replaced, number), _of_fragment(deleted, number))
        hits: tuple[Offsets, Offsets] = ({}, {})
        for state, fragment in fragments.items():
            for by_fragment, offsets in zip(hits, self._seen[state], strict=True):
                if len(offsets):
                    by_fragment[fragment.fragment_id] = offsets
        return hits

    def _search(
        self, dataset: "LanceDataset", fragments: "Sequence[LanceFragment]"
    ) -> "tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]":
        """Sorted row addresses of both kinds."""
        import numpy as np

        replaced = [np.empty(0, np.uint64)]
        deleted = [np.empty(0, np.uint64)]
        scanner = dataset.scanner(
            columns=[_KEY, _REGION], with_row_address=True, batch_size=_BATCH_ROWS, fragments=fragments
        )
        for rows in _bundles(scanner.to_reader(), max(len(self._written), len(self._gone))):
            ids, addresses = long_texts(rows.column(_KEY)), rows.column("_rowaddr")
            new = pc.is_in(ids, value_set=self._written)
            old = pc.and_(pc.is_in(ids, value_set=self._gone), pc.equal(rows.column(_REGION), self._region))
            for found, mask in ((replaced, new), (deleted, pc.and_not(old, new))):
                found.append(addresses.filter(mask).to_numpy())
        return np.sort(np.concatenate(replaced)), np.sort(np.concatenate(deleted))


def _state(fragment: "FragmentMetadata") -> str:
    """What the rows in a fragment follow from: its files, and which of its rows are deleted."""
    return f"{fragment.id} {[file.path for file in fragment.files]} {fragment.deletion_file}"


def _of_fragment(addresses: "npt.NDArray[np.uint64]", number: int) -> "npt.NDArray[np.int64]":
    """The offsets in that fragment of those of the sorted addresses that lie in it."""
    import numpy as np

    start, stop = np.searchsorted(addresses, np.array([number, number + 1], np.uint64) << np.uint64(32))
    return (addresses[start:stop] & np.uint64(0xFFFFFFFF)).astype(np.int64)
