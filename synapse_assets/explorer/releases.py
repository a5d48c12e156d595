"""The open releases of a server: of every dataset the one that is out, exchanged as a whole when another is published."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from synapse_assets.datasets import EmDataset, MorphologyDataset
from synapse_assets.query import Warehouse, open_warehouse
from synapse_assets.schema import BadInput

# So often it is looked whether another release was published.
LOOK_SECONDS = 2.0


class Releases:
    """Hands out the open release of each dataset. Who holds one keeps it to the end of the question, whatever is published."""

    def __init__(self, datasets: Sequence[EmDataset | MorphologyDataset], data_root: str | Path) -> None:
        self.datasets = {one.name: one for one in datasets}
        self._data_root = data_root
        self._open: dict[str, Warehouse] = {}
        self._looked: dict[str, float] = {}
        self._locks = {name: threading.Lock() for name in self.datasets}

    def __call__(self, name: str) -> Warehouse:
        """The release of a dataset that is out now. Raises BadInput for an unknown dataset, or if nothing was published yet."""
        if name not in self.datasets:
            raise BadInput(f"this explorer shows no dataset '{name}'; there are {', '.join(self.datasets)}")
        with self._locks[name]:
            now = time.monotonic()
            held = self._open.get(name)
            if held is None or now - self._looked[name] > LOOK_SECONDS:
                self._looked[name] = now
                if held is None or held.is_outdated():
                    held = self._open[name] = open_warehouse(self.datasets[name], self._data_root)
            return held
