"""The open releases of a server: of everything it shows the one that is out, exchanged as a whole when another is published."""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.query import Warehouse, open_warehouse

# So often it is looked whether another release was published.
POLL_SECONDS = 2.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExplorerEntry:
    """What has pages of its own, under its name: a dataset, or one part of it, such as an investigation group."""

    name: str
    title: str
    dataset: Dataset
    group: str | None = None


def explorer_entries(datasets: Iterable[Dataset]) -> list[ExplorerEntry]:
    """Everything that the explorer of these datasets shows."""
    entries: list[ExplorerEntry] = []
    for dataset in datasets:
        if chain_of(dataset).page_by_part:
            entries += [
                ExplorerEntry(f"{dataset.name}.{part}", f"{dataset.title}: {part}", dataset, part)
                for part in dataset.parts or ()
            ]
        else:
            entries.append(ExplorerEntry(dataset.name, dataset.title, dataset))
    return entries


class Releases:
    """Hands out the open releases. Who holds one keeps it to the end of the question, whatever is published meanwhile."""

    def __init__(self, entries: Iterable[ExplorerEntry], data_root: str | Path) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self._data_root = data_root
        self._open: dict[str, Warehouse] = {}
        # The one before the one that is out, so that pages that were opened from it stay whole; and all that somebody holds.
        self._previous: dict[str, Warehouse] = {}
        self._held: WeakValueDictionary[tuple[str, str], Warehouse] = WeakValueDictionary()
        self._checked_at: dict[str, float] = {}
        self._locks = {name: threading.Lock() for name in self.entries}

    def __call__(self, name: str) -> Warehouse:
        """The release to use now. Raises BadInput for what is not shown, or if nothing was published yet.

        Another release is opened and read beside the one that is shown, which stays until the other is ready, and for good if
        that cannot be opened.
        """
        if name not in self.entries:
            raise BadInput(f"this explorer shows no dataset '{name}'; there are {', '.join(self.entries)}")
        held = self._open.get(name)
        if held is None:
            with self._locks[name]:
                held = self._open.get(name) or self._open_release(name)
                # Before it is there for others, who ask when it was looked for.
                self._checked_at[name] = time.monotonic()
                self._open[name] = held
            return held
        if time.monotonic() - self._checked_at[name] > POLL_SECONDS and self._locks[name].acquire(blocking=False):
            self._checked_at[name] = time.monotonic()
            threading.Thread(target=self._exchange, args=(name, held), daemon=True).start()
        return held

    def of(self, name: str, release_id: str | None) -> Warehouse:
        """A certain release: the one that is out, the one before, or any that an open map shows; None: the one that is out.

        Raises BadInput for any other, and like a call.
        """
        out = self(name)
        if release_id is None or out.release_id == release_id:
            return out
        held = self._held.get((name, release_id))
        if held is None:
            raise BadInput("this is of an older release, which is not open any more: open the page again")
        return held

    def _exchange(self, name: str, held: Warehouse) -> None:
        """Puts another release in the place of the held one if there is another; gives the lock back."""
        try:
            if held.is_outdated():
                # Never three of them in memory.
                self._previous.pop(name, None)
                opened = self._open_release(name)
                self._previous[name], self._open[name] = held, opened
        except Exception:
            _LOG.exception("the release of %s that was published cannot be opened; the one before is shown on", name)
        finally:
            self._locks[name].release()

    def _open_release(self, name: str) -> Warehouse:
        """The release that is out, with all that searches need already read."""
        entry = self.entries[name]
        opened = open_warehouse(entry.dataset, self._data_root, group=entry.group)
        if opened.has_pictures and len(opened.points):
            try:
                _ = opened.vectors
            except BadInput:
                # What needs them says so; the rest of the release can be looked at.
                _LOG.exception("the vectors of %s cannot be read", name)
        self._held[name, opened.release_id] = opened
        return opened

    def close(self) -> None:
        """Closes what is out, at the end of the server."""
        for name, held in self._open.items():
            with self._locks[name]:
                held.close()
