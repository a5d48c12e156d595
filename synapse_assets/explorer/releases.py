"""The open releases of a server: the current release of every entry, replaced as a whole when another is published."""

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
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files

# How often a new release is polled for.
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
    """All entries of the explorer of these datasets."""
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
    """Gives out the open releases. A holder keeps its release to the end of the request, whatever is published meanwhile."""

    def __init__(self, entries: Iterable[ExplorerEntry], data_root: str | Path) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self._data_root = data_root
        self._open: dict[str, Warehouse] = {}
        # The release before the current one, so that pages opened from it stay whole; and all releases that are still held.
        self._previous: dict[str, Warehouse] = {}
        self._held: WeakValueDictionary[tuple[str, str], Warehouse] = WeakValueDictionary()
        self._checked_at: dict[str, float] = {}
        self._locks = {name: threading.Lock() for name in self.entries}

    def __call__(self, name: str) -> Warehouse:
        """The release to use now. Raises BadInput for an unknown name, or if nothing was published yet.

        A new release is opened and read beside the current one, which stays until the new one is ready, and for good if that
        cannot be opened.
        """
        if name not in self.entries:
            raise BadInput(f"this explorer shows no dataset '{name}'; there are {', '.join(self.entries)}")
        held = self._open.get(name)
        if held is None:
            with self._locks[name]:
                held = self._open.get(name) or self._open_release(name)
                # Before others can see it, since they read the time of the check.
                self._checked_at[name] = time.monotonic()
                self._open[name] = held
            return held
        if time.monotonic() - self._checked_at[name] > POLL_SECONDS and self._locks[name].acquire(blocking=False):
            self._checked_at[name] = time.monotonic()
            threading.Thread(target=self._exchange, args=(name, held), daemon=True).start()
        return held

    def folder(self, name: str) -> Files:
        """The folder of an entry's dataset, with what lies beside its release."""
        return DatasetStore(str(self._data_root), self.entries[name].dataset.name).folder

    def of(self, name: str, release_id: str | None) -> Warehouse:
        """A certain release: the current one, the previous one, or any that an open map shows; None: the current one.

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
        """Replaces the held release if there is a newer one; releases the lock."""
        try:
            if held.is_outdated():
                # Never three releases in memory.
                self._previous.pop(name, None)
                opened = self._open_release(name)
                self._previous[name], self._open[name] = held, opened
        except Exception:
            _LOG.exception("the release of %s that was published cannot be opened; the one before is shown on", name)
        finally:
            self._locks[name].release()

    def _open_release(self, name: str) -> Warehouse:
        """The current release, with all that searches need already read."""
        entry = self.entries[name]
        opened = open_warehouse(entry.dataset, self._data_root, group=entry.group)
        if opened.has_pictures and len(opened.points):
            try:
                _ = opened.vectors
            except BadInput:
                # Pages that need them say so; the rest of the release can be viewed.
                _LOG.exception("the vectors of %s cannot be read", name)
        self._held[name, opened.release_id] = opened
        return opened

    def close(self) -> None:
        """Closes the current releases, when the server stops."""
        for name, held in self._open.items():
            with self._locks[name]:
                held.close()
