"""A trained network as one safetensors file: its weights, with its specification as JSON in the metadata.

What does not belong here: what the kinds of networks are (`classifier`, `staining`), checkpoints of other programs (`weights`), and
those of a training that is not at its end (`training.checkpoints`).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from synapse_assets.errors import BadInput

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Spec = TypeVar("_Spec", bound="DataclassInstance")


@dataclass(frozen=True)
class NetworkFiles(Generic[_Spec]):
    """The files of one kind of network.

    format, version: what their metadata say. spec: the dataclass of their specification, whose lists are tuples.
    """

    format: str
    version: int
    spec: type[_Spec]

    def write(self, path: Path, spec: _Spec, network: nn.Module) -> None:
        """Writes the file, whole or not at all; its folder is made if need be."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        metadata = {"format": self.format, "version": str(self.version), "specification": json.dumps(asdict(spec))}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        save_file(tensors, partial, metadata)
        os.replace(partial, path)

    def are(self, path: Path) -> bool:
        """Whether the file is one of these, as far as its metadata tell."""
        try:
            return _metadata(path).get("format") == self.format
        except BadInput:
            return False

    def read(self, path: Path) -> tuple[_Spec, dict[str, Tensor]]:
        """Specification and weights, by name.

        Raises BadInput, naming the file, where there is none, it is damaged, of another kind, or of a newer version of this program.
        """
        metadata = _metadata(path)
        found = metadata.get("format", "")
        if found != self.format:
            if found.startswith("synapse_assets."):
                raise BadInput(f"{path} is a network of another kind: '{found}', where '{self.format}' is needed")
            raise BadInput(f"{path} is not a network of this program: it holds no specification of one")
        version = metadata.get("version", "")
        if version != str(self.version):
            raise BadInput(
                f"{path} was written by a newer version of this program (version {version} of the file; {self.version} is the newest "
                "known here): install that version"
            )
        try:
            stored = json.loads(metadata["specification"])
            values = cast(dict[str, Any], {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})
            spec = self.spec(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInput(f"{path} is damaged: its specification cannot be read ({error})") from error
        with safe_open(path, framework="pt") as opened:
            return spec, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 -- no mapping


def fill(network: nn.Module, weights: Mapping[str, Tensor], architecture: str, path: Path) -> None:
    """Puts weights, which were read from `path`, into a network. Raises BadInput where they are of another architecture."""
    expected = network.state_dict()
    different = [
        name
        for name in sorted(expected.keys() | weights.keys())
        if name not in expected or name not in weights or expected[name].shape != weights[name].shape
    ]
    if different:
        raise BadInput(
            f"{path} does not hold the weights of the architecture '{architecture}' that it names ({different[0]} and "
            f"{len(different) - 1} more differ): take it from a backup, or train the network again"
        )
    network.load_state_dict(weights)


def _metadata(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        raise BadInput(f"network: there is no file {path}")
    try:
        with safe_open(path, framework="pt") as opened:
            return cast(Mapping[str, str], opened.metadata() or {})
    except SafetensorError as error:
        raise BadInput(f"{path} is damaged or no safetensors file ({error}): take it from a backup") from error
