"""Reading a checkpoint, and putting what it holds into a network.

No pickled object is ever read. What does not belong here: which checkpoint a dataset names (`building`), and what is made of the
network (`encoder`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from synapse_assets.errors import BadInput


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a weight file by name, without the wrappers that training scripts add.

    safetensors, or a torch file that holds tensors only. Raises BadInput naming a file that does not exist or is neither.
    """
    if not path.is_file():
        raise BadInput(f"encoder: there is no weight file {path}")
    try:
        stored = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise BadInput(f"{path} is not a weight file: {error}") from error
    except Exception as error:  # pickle.UnpicklingError: the file holds objects other than tensors
        raise BadInput(f"{path} holds more than tensors, so it is not read: {error}") from error
    weights = _named_tensors(stored)
    if not weights:
        raise BadInput(f"{path} holds no named tensors")
    return {name.removeprefix("module."): weight for name, weight in weights.items()}


def _named_tensors(stored: object) -> dict[str, Tensor]:
    """The tensors in the first wrapper that has any. Where none has, those that `stored` itself names."""
    if not isinstance(stored, dict):
        return {}
    wrapped = (_named_tensors(stored.get(key)) for key in ("state_dict", "model", "model_state_dict"))
    return next(filter(None, wrapped), {str(k): v for k, v in stored.items() if isinstance(v, Tensor)})


def load_weights(backbone: nn.Module, weights: dict[str, Tensor], architecture: str, path: Path) -> None:
    """Puts `weights`, which were read from `path`, into `backbone`, all of them.

    A classifier head is left out, as `backbone` has none; a stem for another number of channels is adapted. Raises
    BadInput with the first names that differ, for weights of another architecture.
    """
    card = cast(Mapping[str, object], getattr(backbone, "pretrained_cfg", None) or {})
    expected = backbone.state_dict()
    heads = _names(card.get("classifier"))
    weights = {k: v for k, v in weights.items() if k in expected or k.rpartition(".")[0] not in heads}
    for stem in _names(card.get("first_conv")):
        name = f"{stem}.weight"
        if name in weights and name in expected and weights[name].shape[1] != expected[name].shape[1]:
            weights[name] = adapt_input_conv(expected[name].shape[1], weights[name])
    missing = [k for k in expected if k not in weights]
    foreign = [k for k in weights if k not in expected]
    shapes = [
        f"{k} {tuple(weights[k].shape)} instead of {tuple(expected[k].shape)}"
        for k in expected
        if k in weights and weights[k].shape != expected[k].shape
    ]
    if missing or foreign or shapes:
        differences = "; ".join(
            f"{kind}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
            for kind, names in (("missing", missing), ("not in it", foreign), ("of another shape", shapes))
            if names
        )
        raise BadInput(f"{path} does not hold weights of the architecture '{architecture}' ({differences})")
    backbone.load_state_dict(weights)


def _names(value: object) -> tuple[str, ...]:
    """Module names as timm's cards give them: none, one or several."""
    if isinstance(value, str):
        return (value,)
    return tuple(str(v) for v in value) if isinstance(value, (tuple, list)) else ()
