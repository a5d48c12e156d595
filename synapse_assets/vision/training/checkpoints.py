"""The one checkpoint of a training in a folder: tensors and plain values in a safetensors file that appears whole or not at all.

What does not belong here: what a run needs to go on (`loop`), and finished networks.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

CHECKPOINT_FILE = "checkpoint.safetensors"
_PARTIAL_FILE = "checkpoint.partial"
_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """values: what JSON can hold. tensors: on any device, by name."""

    values: dict[str, Any]
    tensors: dict[str, Tensor]


class Checkpoints:
    """Those of one training in `folder`, which is made if need be. `configuration`: plain values that say which training it is."""

    def __init__(self, folder: Path, configuration: object, log: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self._partial, self._log = folder / CHECKPOINT_FILE, folder / _PARTIAL_FILE, log
        text = json.dumps([_FORMAT, configuration], sort_keys=True)
        self._training = hashlib.sha256(text.encode()).hexdigest()[:16]

    def read(self) -> Checkpoint | None:
        """The checkpoint of this training. One of another, or a damaged one, is removed, and the log says so."""
        self._partial.unlink(missing_ok=True)
        if not self.file.exists():
            return None
        try:
            with safe_open(self.file, framework="pt") as stored:
                metadata = stored.metadata() or {}
                if metadata.get("training") == self._training:
                    tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 -- no mapping
                    return Checkpoint(json.loads(metadata["values"]), tensors)
                fault = "is of another training"
        except (SafetensorError, ValueError, KeyError) as error:
            fault = f"is damaged ({error})"
        self._log(f"training: {self.file} {fault}: removed, training begins anew")
        self.file.unlink()
        return None

    def write(self, checkpoint: Checkpoint) -> bool:
        """Puts it in the place of the last one, and says whether that succeeded. If not, the last one stays and the log has a warning."""
        metadata = {"training": self._training, "values": json.dumps(checkpoint.values)}
        try:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
            save_file(tensors, self._partial, metadata)
            _flush(self._partial)
            os.replace(self._partial, self.file)
            _flush(self.file.parent)
        except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
            self._log(f"training: WARNING, no checkpoint could be written to {self.file.parent} ({error}); goes on")
            self._partial.unlink(missing_ok=True)
            return False
        return True


def _flush(path: Path) -> None:
    """To the disk, whatever the operating system still keeps of a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
