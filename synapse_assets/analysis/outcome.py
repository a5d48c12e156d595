"""The outcome 'nothing was fitted'. Every fit of this room hands back its model or this."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

_FILE = "no_model.json"


@dataclass(frozen=True)
class NoModel:
    """Nothing was fitted, which is an ordinary outcome; `reason` says why in plain words."""

    reason: str

    def save(self, folder: Path) -> None:
        """Writes no_model.json into `folder` (made if absent)."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FILE).write_text(json.dumps({"reason": self.reason}))

    @classmethod
    def found(cls, folder: Path) -> Optional["NoModel"]:
        """What `save` wrote, or None if the folder holds no such outcome."""
        file = folder / _FILE
        return cls(json.loads(file.read_text())["reason"]) if file.exists() else None
