"""A network of a few hundred weights with everything that makes resuming hard, what it learns, and a process that learns it."""

import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.vision.training.loop import Batch, Inputs, Settings, Task, train

ROWS, SIDE = 64, 8
SETTINGS = Settings(
    steps=40, learning_rate=3e-3, seed=5, frozen_steps=6, warm_up_steps=4, validate_every=4, patience=50
)


class Small(nn.Module):
    """Convolution, batch norm, dropout and a linear layer."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.2))
        self.last = nn.Linear(width, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.last(self.body(pixels).mean((-2, -1)))


def small(seed: int = 0, width: int = 6) -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Small(width).to(memory_format=torch.channels_last)


def pixels_and_kinds() -> tuple[Tensor, Tensor]:
    """Rows of two kinds, which differ in the contrast of their first channel."""
    generator = torch.Generator().manual_seed(1)
    kinds = torch.arange(ROWS) % 2
    pixels = torch.randn(ROWS, 2, SIDE, SIDE, generator=generator)
    pixels[:, 0] *= (1 + kinds)[:, None, None]
    return pixels, kinds


def rows_of(step: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng([9, step]).integers(0, ROWS, size)


def noisy(inputs: Inputs, generator: torch.Generator) -> Inputs:
    return inputs[0] + 0.1 * torch.randn(inputs[0].shape, generator=generator), inputs[1]


def loss(network: nn.Module, inputs: Inputs) -> Tensor:
    return functional.cross_entropy(network(inputs[0]), inputs[1])


def task_of(network: Small, *, size: int = 16, validated: bool = True) -> Task:
    pixels, kinds = pixels_and_kinds()

    def read(step: int) -> Batch:
        rows = rows_of(step, size)
        return Batch((pixels[rows], kinds[rows]), rows)

    def validate(average: Small) -> float:
        """Best at step 16, which is neither the first nor the last."""
        return -abs(float(average.body[1].num_batches_tracked) - (16 - SETTINGS.frozen_steps))

    return Task(read, loss, prepare=noisy, validate=validate if validated else None, frozen=[network.body])


def learn(folder: Path, result: Path, told: Connection) -> None:
    """Trains with a checkpoint after every step, tells each step, and writes the weights that come out."""
    torch.set_num_threads(1)
    network = small()
    train(
        network,
        task_of(network),
        SETTINGS,
        folder=folder,
        fingerprint="small",
        device="cpu",
        progress=lambda row: told.send(int(row["step"])),
        checkpoint_seconds=0,
    )
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, result)
    sys.stdout.flush()
