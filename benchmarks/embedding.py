"""How fast tiles become vectors, for every origin of an encoder: our path against a plain eager float32 loop of batch 16, in one run.

    python -m benchmarks.embedding --tile 128

Random weights and tiles. The two take turns, so that both meet the same load from other programs; the ratio is taken
in each round, its median printed with the range. Rates are worth little on a shared machine, those a core and the ratios more:
a core's rate is tiles by seconds of processor time. Each origin is measured in a process of its own, so that the peak of memory is its.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synapse_assets.vision.devices import has_native_bf16, pick_device
from synapse_assets.vision.encoder import Encoder, EncoderSpec, TileNetwork
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets.vision.texture import texture_crop_px
from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec
from synapse_assets.vision.training.simclr import PretrainingSettings

SECTIONS, PIXEL_NM, DIMENSIONS = 3, 4.0, 32
FITTED_TILES = 64
ORIGINS = ("texture", "self_supervised", "self_supervised beside texture", "hub")


def make_encoder(origin: str, architecture: str, tiles: npt.NDArray[np.uint8]) -> Encoder:
    """As the pipeline makes it, but for the weights; the last step, where there is one, is fitted on a few of the tiles."""
    side = tiles.shape[-1]
    torch.manual_seed(0)
    if origin == "texture":
        return fit_with_head(texture_spec(SECTIONS, side, PIXEL_NM), None, tiles[:FITTED_TILES], DIMENSIONS)
    grey = {"mean": (0.5,) * SECTIONS, "std": (0.25,) * SECTIONS}
    if origin == "hub":
        spec = EncoderSpec(architecture, SECTIONS, side, side, **grey, origin="hub", source="random weights")
        return Encoder(spec, TileNetwork(spec, build_backbone(architecture, SECTIONS, side, "native")))
    settings = PretrainingSettings()
    crop = min(settings.crop_px, side)
    spec = EncoderSpec(
        settings.architecture, SECTIONS, side, crop, **grey, origin="self_supervised", pooling="centre", views=8
    )
    backbone = build_backbone(spec.architecture, SECTIONS, crop, spec.pooling)
    if origin == "self_supervised":
        return Encoder(spec, TileNetwork(spec, backbone))
    spec = replace(spec, pooling="moments", texture_px=texture_crop_px(side, PIXEL_NM), pixel_nm=PIXEL_NM)
    return fit_with_head(spec, backbone, tiles[:FITTED_TILES], DIMENSIONS)


def plain_loop(encoder: Encoder, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What a first script does: 16 tiles at a time, torch's own layout and precision, floats of a timm network made on the host."""
    network, device = encoder.network.eval(), pick_device()
    network.to(device=device, memory_format=torch.contiguous_format)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (encoder.spec.mean, encoder.spec.std))
    vectors: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(tiles), 16):
            batch = torch.from_numpy(tiles[start : start + 16])
            if encoder.spec.origin == "hub":
                vectors.append(network.backbone(((batch.float() / 255 - mean) / std).to(device)).cpu())
            else:
                vectors.append(network(batch.to(device)).cpu())
    return torch.cat(vectors).numpy()


def our_path(encoder: Encoder, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The pipeline's."""
    if encoder.network.backbone is not None:
        encoder.network.backbone.to(memory_format=torch.channels_last)
    return encoder.embed(tiles)


def rates(path: Callable[[], npt.NDArray[np.float32]], count: int) -> tuple[float, float]:
    """Tiles a second, and tiles a second of one core's time."""
    started, processor = time.perf_counter(), time.process_time()
    path()
    return count / (time.perf_counter() - started), count / (time.process_time() - processor)


def measure(origin: str, architecture: str, tile_px: int, count: int, rounds: int) -> None:
    """One line."""
    tiles = np.random.default_rng(0).integers(0, 256, (count, SECTIONS, tile_px, tile_px), dtype=np.uint8)
    encoder = make_encoder(origin, architecture, tiles)
    plain, ours = plain_loop(encoder, tiles[:32]), our_path(encoder, tiles[:32])  # also warms both up
    cosine = (plain * ours).sum(1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(ours, axis=1)
    table = []
    for number in range(rounds):
        turns = [lambda: plain_loop(encoder, tiles), lambda: our_path(encoder, tiles)]
        measured = [rates(turn, len(tiles)) for turn in (turns if number % 2 == 0 else turns[::-1])]
        table.append(measured if number % 2 == 0 else measured[::-1])
    wall, core = np.array(table).transpose(2, 0, 1)  # each (rounds, plain and ours)
    # Of threads on a processor the time counts; where another device computes, the wall does.
    counted = core if pick_device().type == "cpu" else wall
    ratio = counted[:, 1] / counted[:, 0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform != "darwin" else 1024**3)
    name = f"{origin} ({encoder.spec.architecture})" if encoder.spec.has_network else origin
    print(
        f"{name:46s}{np.median(core[:, 1]):8.1f}{np.median(wall[:, 1]):8.1f}{np.median(core[:, 0]):10.1f}"
        f"   x{np.median(ratio):.2f} (x{ratio.min():.2f} to x{ratio.max():.2f}){cosine.min():10.5f}{peak:7.2f} GB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--origins", nargs="+", choices=ORIGINS, default=ORIGINS)
    parser.add_argument("--architecture", default="resnet18", help="of origin hub")
    parser.add_argument("--tile", type=int, default=128, help="pixels")
    parser.add_argument("--tiles", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="in this process, and without the heading")
    arguments = parser.parse_args()
    if arguments.alone:
        for origin in arguments.origins:
            measure(origin, arguments.architecture, arguments.tile, arguments.tiles, arguments.rounds)
        return
    device = pick_device()
    print(
        f"{arguments.tiles} tiles of {SECTIONS} x {arguments.tile} px, {device}, {torch.get_num_threads()} threads, "
        f"bfloat16 {'on' if has_native_bf16(device) else 'off (not native here)'}; medians of {arguments.rounds} rounds\n"
        f"{'':46s}{'ours, tiles/s':>16s}{'plain':>10s}   {'ratio':21s}{'cosine':>10s}{'peak':>10s}\n"
        f"{'':46s}{'a core':>8s}{'wall':>8s}{'a core':>10s}   {'':21s}{'lowest':>10s}{'memory':>10s}",
        flush=True,
    )
    for origin in arguments.origins:
        options = ["--architecture", arguments.architecture, "--tile", str(arguments.tile)]
        options += ["--tiles", str(arguments.tiles), "--rounds", str(arguments.rounds)]
        command = [sys.executable, "-m", "benchmarks.embedding", "--alone", "--origins", origin, *options]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
