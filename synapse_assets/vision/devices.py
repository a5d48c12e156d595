"""Which device computes, and which precision it supports natively."""

from dataclasses import dataclass
from typing import Literal

import torch

from synapse_assets.errors import BadInput

Precision = Literal["float32", "bfloat16"]


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`, "auto" being the first of cuda, mps and cpu that is available; BadInput if it is not."""
    is_available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, available in is_available.items() if available))
    device = torch.device(name)
    if not is_available.get(device.type, False):
        raise BadInput(
            f"embedding: device '{name}' is not available here; there is {[k for k, v in is_available.items() if v]}"
        )
    return device


def has_native_bf16(device: torch.device) -> bool:
    """Whether `device` is known to compute in bfloat16 natively; emulating it made a processor about ten times slower.

    Of processors those of x86 with AVX512-BF16 or AMX, on which it was measured to help.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        return any(bool(abilities.get(name, False)) for name in ("avx512_bf16", "amx_bf16"))
    return False


def native_precision(device: torch.device, requested: Precision | None = None) -> Precision:
    """The precision to compute in: `requested` where `device` supports it natively, by default bfloat16; else float32."""
    return "bfloat16" if requested != "float32" and has_native_bf16(device) else "float32"


@dataclass(frozen=True)
class DeviceFacts:
    """A device: what torch calls it and what it is, its memory and what of it is free in bytes (None for a processor), whether bfloat16
    is native and so the precision that is computed in, and the CUDA version that torch was built for (None: without CUDA)."""

    device: str
    name: str
    memory_bytes: int | None
    free_bytes: int | None
    precision: Precision
    cuda_build: str | None


def describe_device(name: str = "auto") -> DeviceFacts:
    """What `pick_device` gives for that name. Raises BadInput as it does."""
    device = pick_device(name)
    shown, free, memory = device.type, None, None
    if device.type == "cuda":
        shown = torch.cuda.get_device_name(device)
        free, memory = torch.cuda.mem_get_info(device)
    return DeviceFacts(str(device), shown, memory, free, native_precision(device), torch.version.cuda)
