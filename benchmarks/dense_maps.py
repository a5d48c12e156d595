"""What the map of all windows of a picture costs in one pass, against cutting window after window, and what training VGG19 costs.

    python -m benchmarks.dense_maps [--side 2048] [--windows 200] [--full-windows 40] [--device cuda] [--threads 1]

VGG19 as the staining study had it (windows of 331 px, here 336, a multiple of 16; three dense layers) and with a quarter of its maps, with
random weights. Nobody waits for 11,664 windows: the loop's cost is that of so many windows, timed, and the rest is multiplied out. Seconds
are those of the processors (of the clock on a GPU), so that a shared machine tells the same. Each figure is taken in a process of its own,
so that its peak of memory is its.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

WINDOW_PX, OLD_WINDOWS = 336, 49
CLASSES = ("control", "treated", "other")
SPAWN = multiprocessing.get_context("spawn")
LARGEST_LOGIT = 5.0
STUDY_PICTURES, PASSES, BATCH = 632, 100, 32


def picture(side: int) -> npt.NDArray[np.uint16]:
    """Noise that is stronger in some places than in others."""
    rng = np.random.default_rng(0)
    strength = ndimage.zoom(rng.uniform(0.2, 2, (1, side // 64, side // 64)), (1, 64, 64), order=1)
    return (rng.uniform(0, 2000, strength.shape) * strength).astype(np.uint16)


def network_of(name: str) -> Any:
    """A network with random weights: 'small_stain', 'vgg19', or 'quarter', VGG19 with a quarter of the maps."""
    import torch
    from timm.models.vgg import VGG, cfgs

    from synapse_assets.vision.networks.stain import build_body, halo_px
    from synapse_assets.vision.staining import StainNetwork, StainSpec, WindowNetwork

    torch.manual_seed(0)
    if name == "quarter":
        widths = [entry // 4 if isinstance(entry, int) else entry for entry in cfgs["vgg19"][:-1]]
        body = VGG(widths, in_chans=1, num_classes=0, global_pool="").features
    else:
        body = build_body(name, 1)
    halo = halo_px(body, 1, name)
    window = 128 if name == "small_stain" else WINDOW_PX
    spec = StainSpec(name, CLASSES, 1, window, halo, 325.0, 4095, (0.25,), (0.2,))
    network = StainNetwork(spec, WindowNetwork(spec, body))
    # Answers as large as those of trained networks, which rounding is measured against.
    last = network.network.head[-1]
    largest = float(np.abs(network.dense(picture(512), "cpu").logits).max())
    with torch.no_grad():
        last.weight *= LARGEST_LOGIT / largest
        last.bias *= LARGEST_LOGIT / largest
    return network


class Clock:
    """Seconds since it was made: of the processors, or on a GPU of the clock."""

    def __init__(self, device: str) -> None:
        self._now = time.process_time if device == "cpu" else time.perf_counter
        self._began = self._now()

    def seconds(self) -> float:
        return self._now() - self._began


def dense(name: str, side: int, block_px: int, device: str) -> dict[str, Any]:
    network, pixels = network_of(name), picture(side)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if device != "cpu":
        network.dense(pixels, device, block_px=block_px)
    clock = Clock(device)
    found = network.dense(pixels, device, block_px=block_px)
    return {"seconds": clock.seconds(), "before": before / 1024**2, "logits": found.logits}


def loop(name: str, side: int, count: int, with_halo: bool, device: str) -> dict[str, Any]:
    """Seconds a window, and the logits of `count` windows: the four corners and others at random."""
    from dataclasses import replace

    network, pixels = network_of(name), picture(side)
    if not with_halo:
        network.spec = network.network.spec = replace(network.spec, halo_px=0)
    last = (side - network.spec.window_px) // 16
    places = np.random.default_rng(1).integers(0, last + 1, (count, 2))
    places[:4] = [[0, 0], [0, last], [last, 0], [last, last]]
    network.windows(pixels, places[:1] * 16, device)
    clock = Clock(device)
    logits = network.windows(pixels, places * 16, device)
    return {"seconds": clock.seconds() / count, "logits": logits, "places": places}


def training(batch: int, device: str) -> dict[str, Any]:
    """Seconds of a step of VGG19, the first not counted."""
    from synapse_assets.datasets.staining import StainNetworkChoice
    from synapse_assets.vision.training.stain import train_stain_network

    pixels, ends = picture(704), []
    clock = Clock(device)
    with tempfile.TemporaryDirectory() as folder:
        train_stain_network(
            StainNetworkChoice(architecture="vgg19", steps=3, batch_size=batch, learning_rate=1e-4),
            CLASSES[:2],
            WINDOW_PX,
            325.0,
            4095,
            lambda row: pixels,
            np.array([0, 1]),
            np.array([0, 1]),
            np.array([0, 1]),
            seed=0,
            device=device,
            folder=Path(folder),
            progress=lambda row: ends.append(clock.seconds()),
        )
    return {"seconds": (ends[-1] - ends[0]) / 2}


def _measure(measure: Callable[..., dict[str, Any]], threads: int, arguments: tuple[Any, ...], results: Any) -> None:
    import torch

    torch.set_num_threads(threads)
    found = measure(*arguments)
    results.put(found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2})


def alone(measure: Callable[..., dict[str, Any]], threads: int, *arguments: Any) -> dict[str, Any]:
    """What it measures in a process of its own, and its peak of memory in GB."""
    results = SPAWN.Queue()
    process = SPAWN.Process(target=_measure, args=(measure, threads, arguments, results))
    process.start()
    found: dict[str, Any] = results.get(timeout=7200)
    process.join()
    return found


def against_the_loop(name: str, side: int, count: int, device: str, threads: int) -> None:
    """Prints what the dense map of VGG19 costs, in blocks and whole, and what the loop does."""
    blocks, whole = (alone(dense, threads, name, side, block_px, device) for block_px in (1024, side))
    rows, columns = blocks["logits"].shape[1:]
    print(
        f"{name}, {side} x {side} px, {rows} x {columns} windows of {WINDOW_PX} px\n"
        f"  dense in blocks of 1024 px: {blocks['seconds']:.1f} s, peak {blocks['peak']:.2f} GB ({blocks['before']:.2f} before it); "
        f"whole: {whole['seconds']:.1f} s, {whole['peak']:.2f} GB\n"
        f"  blocks against the whole: {np.abs(blocks['logits'] - whole['logits']).max():.1e} different at most; logits up to "
        f"{np.abs(blocks['logits']).max():.1f}, deviation {blocks['logits'].std((1, 2)).mean():.1e}",
        flush=True,
    )
    for with_halo in (True, False):
        found = alone(loop, threads, name, side, count, with_halo, device)
        at = blocks["logits"][:, found["places"][:, 0], found["places"][:, 1]].T
        few, all_windows = (
            " and ".join(f"x{windows * found['seconds'] / one['seconds']:.{digits}f}" for one in (blocks, whole))
            for windows, digits in ((OLD_WINDOWS, 2), (rows * columns, 0))
        )
        print(
            f"  window after window, {'with halo' if with_halo else 'without halo, as the older system'}: {found['seconds']:.2f} s each "
            f"(of {count}, the rest multiplied out), {np.abs(at - found['logits']).max():.1e} different at most\n"
            f"    dense in blocks and whole is so much faster: {OLD_WINDOWS} windows {few}; stride 16 {all_windows}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--windows", type=int, default=200, help="timed of the loop, VGG19 with a quarter of its maps")
    parser.add_argument("--full-windows", type=int, default=40, help="the same, of all of VGG19")
    parser.add_argument("--batch", type=int, default=2, help="windows of a step that is timed; 32 on a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    small = alone(dense, asked.threads, "small_stain", asked.side, 1024, asked.device)
    print(
        f"small_stain, {asked.side} x {asked.side} px: dense {small['seconds']:.2f} s, {1 / small['seconds']:.2f} pictures/s, peak "
        f"{small['peak']:.2f} GB ({small['before']:.2f} before it)",
        flush=True,
    )
    against_the_loop("quarter", asked.side, asked.windows, asked.device, asked.threads)
    step = alone(training, asked.threads, asked.batch, asked.device)
    a_window, steps = step["seconds"] / asked.batch, STUDY_PICTURES * PASSES / BATCH
    print(
        f"training VGG19, windows of {WINDOW_PX} px and halo: {step['seconds']:.1f} s a step of {asked.batch}, {1 / a_window:.2f} "
        f"windows/s, peak {step['peak']:.1f} GB; a step of {BATCH} {a_window * BATCH:.0f} s\n"
        f"  {PASSES} passes over {STUDY_PICTURES} pictures, a window of each: {steps:.0f} steps, {steps * a_window * BATCH / 3600:.1f} h",
        flush=True,
    )
    against_the_loop("vgg19", asked.side, asked.full_windows, asked.device, asked.threads)


if __name__ == "__main__":
    main()
