"""Running an encoder over tiles: device, precision, memory and batches.

What does not belong here: what an encoder is (`encoder`), reading tiles or storing vectors (the rooms that call this).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from synapse_assets.vision.encoder import Encoder

Precision = Literal["auto", "float32", "bfloat16"]
DEFAULT_BATCH = 256


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`, "auto" being the first of cuda, mps and cpu that is there; ValueError if it is not."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, available in there.items() if available))
    device = torch.device(name)
    if not there.get(device.type, False):
        raise ValueError(
            f"embedding: device '{name}' is not available here; there is {[k for k, v in there.items() if v]}"
        )
    return device


def has_native_bf16(device: torch.device) -> bool:
    """Whether `device` is known to compute in bfloat16 by itself; emulating it made a processor about ten times slower.

    Of processors those of x86 with AVX512-BF16 or AMX, on which it was measured to help.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        return any(bool(abilities.get(name, False)) for name in ("avx512_bf16", "amx_bf16"))
    return False


class Embedder:
    """An encoder made ready on a device: use one for many batches.

    Arithmetic is bfloat16 where the device has it by itself, else float32, unless `precision` says which; in
    channels-last layout. Results do not depend on which tiles share a batch, but for rounding. When the device's memory
    runs out the batch is halved, for good.
    """

    def __init__(
        self,
        encoder: "Encoder",
        device: str = "auto",
        batch_size: int = DEFAULT_BATCH,
        precision: Precision = "auto",
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"embedding: batch_size must be at least 1, not {batch_size}")
        self.device = pick_device(device)
        self.batch_size = batch_size
        self._encoder = encoder
        self._network = encoder.network.to(self.device).eval()
        self._bf16 = has_native_bf16(self.device) if precision == "auto" else precision == "bfloat16"

    def embed(self, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embeddings, float32 (N, D), of uint8 tiles (N, sections, tile_px, tile_px); N may be 0.

        Raises ValueError for tiles of another type, size or number of sections, and torch.OutOfMemoryError where not
        even one tile fits.
        """
        self._check(tiles)
        vectors = np.empty((len(tiles), self._encoder.dimensions), dtype=np.float32)
        done = 0
        while done < len(tiles):
            chunk = tiles[done : done + self.batch_size]
            try:
                vectors[done : done + len(chunk)] = self._run(chunk)
            except torch.OutOfMemoryError:
                if len(chunk) == 1:
                    raise
                self.batch_size = max(1, len(chunk) // 2)
            else:
                done += len(chunk)
                continue
            if self.device.type == "cuda":  # outside the handler, whose traceback holds the failed batch
                torch.cuda.empty_cache()
        return vectors

    def _check(self, tiles: npt.NDArray[np.uint8]) -> None:
        spec = self._encoder.spec
        wanted = (spec.sections, spec.tile_px, spec.tile_px)
        if tiles.dtype != np.uint8 or tiles.ndim != 4:
            raise ValueError(
                f"embedding: tiles must be uint8 (N, sections, height, width), not {tiles.dtype} {tiles.shape}"
            )
        if tiles.shape[1:] != wanted:
            raise ValueError(
                f"embedding: the encoder ({spec.architecture}, {spec.origin}) takes tiles of {wanted[0]} sections, "
                f"{wanted[1]}x{wanted[2]} px; these have {tiles.shape[1]} sections, "
                f"{tiles.shape[2]}x{tiles.shape[3]} px"
            )

    def _run(self, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            vectors: Tensor = self._network(self._to_device(tiles))
            return vectors.float().cpu().numpy()

    def _to_device(self, tiles: npt.NDArray[np.uint8]) -> Tensor:
        """The bytes themselves go to the device, a quarter of what floats would take."""
        tensor = torch.from_numpy(np.require(tiles, requirements=["C", "W"]))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


def embed_batches(
    encoder: "Encoder",
    batches: Iterator[tuple[list[str], npt.NDArray[np.uint8]]],
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
) -> Iterator[tuple[list[str], npt.NDArray[np.float32]]]:
    """For each (ids, uint8 tiles (N, sections, H, W)) of `batches`, in order: the same ids and their embeddings,
    float32 (N, D).

    Works through `batches` one at a time, so a stream of any length fits; `batch_size` is the most tiles on the device
    at once. `device` is "auto", "cuda", "mps" or "cpu". Raises ValueError for tiles that the encoder does not take, or
    where ids and tiles differ in number.
    """
    embedder = Embedder(encoder, device, batch_size)
    for ids, tiles in batches:
        if len(ids) != len(tiles):
            raise ValueError(f"embedding: {len(ids)} ids came with {len(tiles)} tiles")
        yield ids, embedder.embed(tiles)
