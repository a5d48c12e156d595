"""The open releases of a server: of everything it shows the one that is out, exchanged as a whole when another is published."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from synapse_assets.datasets import EmDataset, MorphologyDataset
from synapse_assets.query import Warehouse, open_warehouse
from synapse_assets.schema import BadInput

# So often it is looked whether another release was published.
LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Shown:
    """What has pages of its own, under its name: a dataset, or one investigation group of a dataset without images."""

    name: str
    title: str
    dataset: EmDataset | MorphologyDataset
    group: str | None = None


def shown_of(datasets: Iterable[EmDataset | MorphologyDataset]) -> list[Shown]:
    """Everything that the explorer of these datasets shows."""
    return [
        one
        for dataset in datasets
        for one in (
            [Shown(dataset.name, dataset.title, dataset)]
            if isinstance(dataset, EmDataset)
            else [
                Shown(f"{dataset.name}.{group}", f"{dataset.title}: {group}", dataset, group)
                for group in dataset.groups
            ]
        )
    ]


class Releases:
    """Hands out the open releases. Who holds one keeps it to the end of the question, whatever is published meanwhile."""

    def __init__(self, shown: Iterable[Shown], data_root: str | Path) -> None:
        self.shown = {one.name: one for one in shown}
        self._data_root = data_root
        self._open: dict[str, Warehouse] = {}
        self._looked: dict[str, float] = {}
        self._locks = {name: threading.Lock() for name in self.shown}

    def __call__(self, name: str) -> Warehouse:
        """The release to use now. Raises BadInput for what is not shown, or if nothing was published yet."""
        if name not in self.shown:
            raise BadInput(f"this explorer shows no dataset '{name}'; there are {', '.join(self.shown)}")
        one = self.shown[name]
        with self._locks[name]:
            now = time.monotonic()
            held = self._open.get(name)
            if held is None or now - self._looked[name] > LOOK_SECONDS:
                self._looked[name] = now
                if held is None or held.is_outdated():
                    held = self._open[name] = open_warehouse(one.dataset, self._data_root, group=one.group)
            return held

    def close(self) -> None:
        """Closes what is open; nothing is handed out afterwards."""
        for name, held in self._open.items():
            with self._locks[name]:
                held.close()
