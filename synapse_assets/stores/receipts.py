"""What parts of a region's work leave when they are done: which rows lie in data files of a table, to be shown by one commit.

A receipt lies beside the table, not with whoever ordered the part: it survives the node, the process and the connection of both. Writing
the rows and committing them belongs to `region_table`.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.stores.commits import WrittenPart, ids_of
from synapse_assets.stores.files import Files
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.row_search import long_texts

# Receipts that are read at the same time.
_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Receipt:
    """A part that is written and not yet committed.

    hashes: of what each of its rows was made from, in the order of `part.ids` (n,). facts: numbers that the report of the step needs.
    """

    part: WrittenPart
    hashes: pa.Array
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipts:
    """The receipts in one folder, of one region and one way of making its rows."""

    folder: Files

    def leave(self, name: str, receipt: Receipt) -> None:
        """Adds a receipt, in one step; the same part gives it the same name, so that it has one receipt however often it is made."""
        content = {"part": receipt.part.to_json(), "hashes": receipt.hashes.to_pylist(), "facts": dict(receipt.facts)}
        with self.folder.replace(f"{name}.json", sweep=False) as stream:
            stream.write(json.dumps(content).encode())

    def ids(self, wanted: pa.Table) -> pa.Array:
        """Ids of the rows that `whole` would give, whatever has become of their files. Removes nothing."""
        found = [receipt for receipt in self._found().values() if receipt is not None]
        return ids_of([receipt.part for receipt in _right(found, wanted)]).combine_chunks()

    def whole(self, table: RegionTable, wanted: pa.Table) -> list[Receipt]:
        """Receipts of which every row is wanted as it is, and every file is there; of two with an id in common the newest. Others are
        removed.

        wanted: the rows that are to be made, by id and hash of what they are made from.
        """
        found = self._found()
        right = _right([receipt for receipt in found.values() if receipt is not None], wanted)
        with ThreadPoolExecutor(_AT_ONCE) as lookers:
            lost = list(lookers.map(table.missing_files, [receipt.part for receipt in right]))
        kept = [receipt for receipt, paths in zip(right, lost, strict=True) if not paths]
        for name, receipt in found.items():
            if not any(receipt is other for other in kept):
                self.folder.remove(name)
        return kept

    def clear(self) -> None:
        """Removes them all."""
        for name in self.folder.names():
            self.folder.remove(name)

    def _found(self) -> dict[str, Receipt | None]:
        """All receipts by name, the newest first; None for one that was removed meanwhile."""
        newest_first = sorted(self.folder.entries(), key=lambda info: int(info.mtime_ns or 0), reverse=True)
        names = [info.base_name for info in newest_first if not info.base_name.startswith(".")]
        with ThreadPoolExecutor(_AT_ONCE) as readers:
            return dict(zip(names, readers.map(self._read, names), strict=True))

    def _read(self, name: str) -> Receipt | None:
        content = self.folder.read_json(name)
        if content is None:
            return None
        part = WrittenPart.from_json(content["part"])
        return Receipt(part, pa.array(content["hashes"], pa.string()), content["facts"])


def _right(receipts: list[Receipt], wanted: pa.Table) -> list[Receipt]:
    """Those whose rows are all wanted; of two with an id in common the first."""
    if not receipts:
        return []
    ids = ids_of([receipt.part for receipt in receipts])
    hashes = pa.chunked_array([receipt.hashes for receipt in receipts], pa.string())
    # All at once: the value set is indexed at each call.
    at = pc.index_in(ids, value_set=long_texts(wanted.column(0).combine_chunks()))
    same = pc.fill_null(pc.equal(wanted.column(1).combine_chunks().take(at.combine_chunks()), hashes), False)
    rows = at.to_numpy(zero_copy_only=False)
    taken = np.zeros(wanted.num_rows, dtype=bool)
    right, start = [], 0
    for receipt in receipts:
        here = slice(start, start + len(receipt.part.ids))
        start = here.stop
        if same[here].to_numpy().all():
            places = rows[here].astype(np.int64)
            if not taken[places].any():
                taken[places] = True
                right.append(receipt)
    return right
