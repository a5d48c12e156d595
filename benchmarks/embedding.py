"""How fast tiles become vectors: our path against a plain eager float32 loop of batch 16, in one run.

    python -m benchmarks.embedding --architecture resnet18 --tile 224

Random weights and tiles. The two take turns, so that both meet the same load from other programs; the ratio is taken
in each round, its median printed with the range. Rates are worth little on a shared machine, the ratios more.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synapse_assets.vision.devices import has_native_bf16, pick_device
from synapse_assets.vision.encoder import Encoder, EncoderSpec, TileNetwork
from synapse_assets.vision.networks.backbone import build_backbone


def plain_loop(encoder: Encoder, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What a first script does: floats made on the host, 16 tiles at a time, torch's own layout and precision."""
    backbone = encoder.network.backbone.to(memory_format=torch.contiguous_format).eval()
    device = next(backbone.parameters()).device
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (encoder.spec.mean, encoder.spec.std))
    found: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(tiles), 16):
            pixels = torch.from_numpy(tiles[start : start + 16].astype(np.float32) / 255)
            found.append(backbone(((pixels - mean) / std).to(device)).cpu())
    return torch.cat(found).numpy()


def our_path(encoder: Encoder, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The pipeline's."""
    encoder.network.backbone.to(memory_format=torch.channels_last)
    return encoder.embed(tiles)


def rate(path: Callable[[], npt.NDArray[np.float32]], count: int) -> float:
    """Tiles a second."""
    started = time.perf_counter()
    path()
    return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--tile", type=int, default=128, help="pixels")
    parser.add_argument("--tiles", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (arguments.tiles, 3, arguments.tile, arguments.tile), dtype=np.uint8)
    torch.manual_seed(0)
    backbone = build_backbone(arguments.architecture, 3, arguments.tile, "native")
    spec = EncoderSpec(
        arguments.architecture, 3, arguments.tile, arguments.tile, (0.5,) * 3, (0.25,) * 3, "hub", "random weights"
    )
    encoder = Encoder(spec, TileNetwork(spec, backbone))
    device = pick_device()
    plain, ours = plain_loop(encoder, tiles[:32]), our_path(encoder, tiles[:32])  # also warms both up
    cosine = (plain * ours).sum(1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(ours, axis=1)
    rates = []
    for number in range(arguments.rounds):
        turns = [lambda: plain_loop(encoder, tiles), lambda: our_path(encoder, tiles)]
        measured = [rate(turn, len(tiles)) for turn in (turns if number % 2 == 0 else turns[::-1])]
        rates.append(measured if number % 2 == 0 else measured[::-1])
    table = np.array(rates)
    ratio = table[:, 1] / table[:, 0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform != "darwin" else 1024**3)
    print(
        f"{arguments.architecture}, {arguments.tile} px, {device}, {torch.get_num_threads()} threads, "
        f"bfloat16 {'on' if has_native_bf16(device) else 'off (not native here)'}\n"
        f"plain eager float32, batch 16: {np.median(table[:, 0]):.1f} tiles/s\n"
        f"ours:                          {np.median(table[:, 1]):.1f} tiles/s, x{np.median(ratio):.2f} "
        f"(x{ratio.min():.2f} to x{ratio.max():.2f} over {len(ratio)} rounds)\n"
        f"lowest cosine to the plain loop {cosine.min():.5f}; peak memory of the process {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
