"""In which precision, on which kind of device, a stored network was first applied: later uses follow it.

The same network gives slightly different numbers in bfloat16 than in float32, and its outputs are stored in one table.
What does not belong here: which precision a device has (`devices`), and what is done where a record is missing (the steps).
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import Precision

# Beside the files of the network, in a folder of its own, which appears in one step and never changes.
FIRST_USE_FOLDER = "first_use"
FIRST_USE_FILE = "precision.json"


@dataclass(frozen=True)
class FirstUse:
    """How a network was first applied. `device` is its kind: "cuda", "mps" or "cpu"."""

    precision: Precision
    device: str

    def __str__(self) -> str:
        return f"{self.precision} on {self.device}"

    def save(self, folder: Path) -> None:
        """Writes precision.json into `folder`, which must exist."""
        (folder / FIRST_USE_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """What `save` wrote into `folder`, None if nothing did. Raises BadInput, naming the file, if it is damaged."""
        file = folder / FIRST_USE_FILE
        if not file.exists():
            return None
        try:
            stored = json.loads(file.read_text())
            return cls(stored["precision"], stored["device"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{file} is damaged ({error}): take it from a backup, or remove its folder") from error
