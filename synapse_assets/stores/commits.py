"""What a commit to a Lance table is made of: parts that were written before, and the step that shows them.

Which rows a part replaces is found by `row_search`; whose turn it is, and what is refused, is the table's affair.
"""

import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from synapse_assets.stores.files import lost_race

if TYPE_CHECKING:
    from lance import LanceDataset
    from lance.fragment import FragmentMetadata

    from synapse_assets.stores.row_search import Offsets

_ATTEMPTS = 20

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Commit:
    """What one `replace_region` did: rows written (new and changed), rows deleted, and the version afterwards."""

    rows_written: int
    rows_deleted: int
    version: int


@dataclass(frozen=True, eq=False)
class WrittenPart:
    """Some rows of a region in data files that no version of the table refers to yet: `write_part` gives it, `commit` shows its rows.

    ids: of the synapses in it (n,), text with 64-bit offsets. fragments: what Lance knows of the files, in its JSON form. `to_json`
    carries it to another machine.
    """

    region: str
    ids: pa.Array
    fragments: tuple[str, ...]

    @classmethod
    def of(cls, region: str, ids: pa.Array, fragments: "Iterable[FragmentMetadata]") -> "WrittenPart":
        """The part of those fragments as Lance gave them."""
        return cls(region, ids, tuple(json.dumps(fragment.to_json()) for fragment in fragments))

    def to_json(self) -> str:
        """The part as text."""
        return json.dumps({"region": self.region, "ids": self.ids.to_pylist(), "fragments": self.fragments})

    @classmethod
    def from_json(cls, text: str) -> "WrittenPart":
        """What `to_json` gave. Raises ValueError or KeyError for another text."""
        values = json.loads(text)
        return cls(values["region"], pa.array(values["ids"], pa.large_string()), tuple(values["fragments"]))

    def metadata(self) -> "list[FragmentMetadata]":
        """The fragments as Lance takes them."""
        from lance.fragment import FragmentMetadata

        return [FragmentMetadata.from_json(text) for text in self.fragments]


def retried(action: Callable[[], _Result]) -> _Result:
    """Repeats an action that lost a race against another commit, with growing random pauses, for about a minute."""
    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except (OSError, RuntimeError, ValueError) as error:
            if not lost_race(error) or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0.05, 0.2) * 2 ** min(attempt, 5))  # noqa: S311 -- a pause, not a secret
    raise AssertionError


def files_of(fragments: "Iterable[FragmentMetadata]") -> list[str]:
    """Names of the data files."""
    return [file.path for fragment in fragments for file in fragment.files]


def ids_of(parts: Sequence[WrittenPart]) -> pa.ChunkedArray:
    """Ids of all their rows, text with 64-bit offsets."""
    return pa.chunked_array([part.ids for part in parts], pa.large_string())


def not_shown(dataset: "LanceDataset", parts: Sequence[WrittenPart]) -> list[WrittenPart]:
    """Those of the parts of which the table has no file."""
    shown = set(files_of(fragment.metadata for fragment in dataset.get_fragments()))
    return [part for part in parts if shown.isdisjoint(files_of(part.metadata()))]


def replace_rows(dataset: "LanceDataset", fragments: "Sequence[FragmentMetadata]", hidden: "Sequence[Offsets]") -> int:
    """Adds the fragments and deletes the rows at those offsets, in one commit that conflicts with every other; gives the version."""
    import lance

    offsets: dict[int, list[int]] = {}
    for by_fragment in hidden:
        for number, places in by_fragment.items():
            offsets.setdefault(number, []).extend(places.tolist())
    first = next(iter(dataset.get_fragments()), None)
    updated, removed = [], []
    if first is not None and first.fragment_id not in offsets:
        updated.append(first.metadata)
    for number, rows in offsets.items():
        remaining = dataset.get_fragment(number).delete_rows(rows)
        if remaining is None:
            removed.append(number)
        else:
            updated.append(remaining)
    if first is None:
        operation = lance.LanceOperation.Merge(fragments, dataset.lance_schema)
    else:
        operation = lance.LanceOperation.Update(removed, updated, fragments)
    return int(lance.LanceDataset.commit(dataset, operation, read_version=dataset.version).version)
