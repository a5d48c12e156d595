"""Running any network over many inputs: device, precision, memory and batches.

What does not belong here: what a network is or which inputs it takes (`encoder`), training, and reading inputs or storing
outputs (the rooms that call this).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapse_assets.vision.devices import Precision, native_precision, pick_device

DEFAULT_BATCH = 256


@contextmanager
def computing(device: torch.device, precision: Precision) -> Iterator[None]:
    """In here networks on `device` are applied in this precision, without gradients."""
    cudnn = torch.backends.cudnn
    with (
        torch.inference_mode(),
        # By default convolutions on a GPU round float32 to 10 bits (TF32), about as coarse as bfloat16.
        cudnn.flags(cudnn.enabled, cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"),
    ):
        yield


class BatchRunner:
    """A network moved to a device: use one runner for many batches.

    Arithmetic is bfloat16 where the device supports it natively, else float32, unless `precision` is given. Results do not
    depend on which inputs share a batch, but for rounding. When the device's memory runs out the batch is halved
    permanently. Raises BadInput for a device that is not available.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str = "auto",
        precision: Precision | None = None,
        batch_size: int = DEFAULT_BATCH,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"embedding: batch_size must be at least 1, not {batch_size}")
        self.device = pick_device(device)
        self.precision = precision or native_precision(self.device)
        self.batch_size = batch_size
        self._network = network.to(self.device).eval()

    def run(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The outputs of the network for `inputs` (N, ...), a row each: float32 (N, ...). N is at least 1.

        Raises torch.OutOfMemoryError where not even one input fits.
        """
        parts: list[npt.NDArray[np.float32]] = []
        done = 0
        while done < len(inputs):
            chunk = inputs[done : done + self.batch_size]
            try:
                parts.append(self._forward(chunk))
            except torch.OutOfMemoryError:
                if len(chunk) == 1:
                    raise
                self.batch_size = max(1, len(chunk) // 2)
            else:
                done += len(chunk)
                continue
            if self.device.type == "cuda":  # outside the handler, whose traceback holds the failed batch
                torch.cuda.empty_cache()
        return np.concatenate(parts)

    def _forward(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        with computing(self.device, self.precision):
            outputs: Tensor = self._network(self._to_device(inputs))
            return outputs.float().cpu().numpy()

    def _to_device(self, inputs: npt.NDArray[Any]) -> Tensor:
        """Inputs in their own type: the bytes of tiles are a quarter of what floats would take."""
        tensor = torch.from_numpy(np.require(inputs, requirements=["C", "W"]))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)
