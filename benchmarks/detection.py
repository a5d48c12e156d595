"""What searching a volume costs: voxels a second and core, and memory, which must not grow with the volume.

    python -m benchmarks.detection [--side 1024] [--sections 64] [--device cuda] [--threads 1]

A detector with random weights (unet_2d, the channels of `DetectorChoice`, three sections, pixels of 2 x 2 voxels) maps noise of that size,
then of twice as many sections, in blocks of 16 sections; then the maps, of which a few per cent are marked, are searched for synapses.
Seconds are those of the processors (of the clock on a GPU), so that a shared machine tells the same. Each figure is taken in a process of
its own, so that its peak of memory is its.
"""

import argparse
import logging
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

VOXEL_NM = (8.0, 8.0, 40.0)
FACTOR = 2
SPAWN = multiprocessing.get_context("spawn")
LOG = logging.getLogger(__name__)


def write_volume(folder: Path, side: int, sections: int) -> None:
    """Smooth noise as a precomputed volume, written slab by slab."""
    import tensorstore as ts
    from scipy import ndimage

    scale = {
        "size": [side, side, sections],
        "encoding": "raw",
        "chunk_size": [128, 128, 16],
        "resolution": list(VOXEL_NM),
    }
    store = (
        ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": f"file://{folder}/",
                "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
                "scale_metadata": scale,
            },
            create=True,
        )
        .result()[ts.d["channel"][0]]
        .transpose(["z", "y", "x"])
    )
    rng = np.random.default_rng(0)
    for z in range(0, sections, 16):
        noise = ndimage.gaussian_filter(
            rng.normal(size=(min(16, sections - z), side, side)).astype(np.float32), (1, 6, 6)
        )
        store[z : z + 16].write(np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)).result()


def detector(folder: Path) -> None:
    """Random weights, and a threshold that leaves a few per cent marked; in use in the dataset `own` of that data root."""
    import torch

    from synapse_assets.analysis.detection.components import Limits
    from synapse_assets.analysis.detection.sites import Rules
    from synapse_assets.datasets import DetectorChoice
    from synapse_assets.pipeline.detection.stored import MODEL, NETWORK_FILE, write_rules
    from synapse_assets.stores import DatasetStore, Provenance
    from synapse_assets.vision.detection import DetectorNetwork, DetectorSpec, build
    from synapse_assets.vision.networks.volume_unet import reach

    torch.manual_seed(0)
    channels = tuple(DetectorChoice(targets=["cleft"]).channels)
    unet = build("unet_2d", channels, 1, 3, VOXEL_NM[2] / (FACTOR * VOXEL_NM[0]))
    spec = DetectorSpec("unet_2d", ("cleft",), 3, channels, FACTOR, VOXEL_NM, 128.0, 40.0, reach(unet), unet.stride)
    network = DetectorNetwork(spec, unet)
    rng = np.random.default_rng(1)

    class Sample:
        bounds = ((0, 0, 0), (3, 256, 256))

        def read(self, low: Any, high: Any) -> Any:
            pixels = rng.integers(0, 256, np.subtract(high, low), np.uint8)
            return pixels, np.ones(pixels.shape, bool)

    threshold = float(
        np.clip(
            np.quantile(network.map_box(Sample(), (0, 0, 0), (3, 256 // FACTOR, 256 // FACTOR), "cpu"), 0.97),
            0.01,
            0.99,
        )
    )
    rules = Rules(("cleft",), False, threshold, Limits(min_nm3=1e5), None, 150.0, 300.0, 100.0)

    def write(into: Path) -> None:
        (into / "clefts").mkdir()
        network.save(into / "clefts" / NETWORK_FILE)
        write_rules(into / "clefts", rules)

    models = DatasetStore(str(folder), "own").models(MODEL)
    models.save("v1", write, Provenance(MODEL, "v1", {}, {}, 0))
    models.promote("v1")


def search(folder: str, step: str, threads: int, device: str, results: Any) -> None:
    """Maps or searches all blocks; puts seconds, voxels computed or rows, and the peak of memory in GB."""
    import torch

    from synapse_assets.datasets import DetectionDataset
    from synapse_assets.pipeline.detection.blocks import find_blocks, plan_blocks
    from synapse_assets.pipeline.detection.maps import map_block
    from synapse_assets.pipeline.detection.objects import detect_block
    from synapse_assets.pipeline.detection.stored import detector_in_use
    from synapse_assets.stores import DatasetStore

    torch.set_num_threads(threads)
    store = DatasetStore(folder, "searched")
    dataset = DetectionDataset.model_validate(
        {
            "name": "searched", "title": "Searched", "description": "Noise.", "chain": "detection", "detector_from": "own",
            "volumes": {"em": {"kind": "precomputed", "url": f"{folder}/em", "voxel_size_nm": VOXEL_NM}},
            "synapses_from": "clefts", "block_nm": (1e6, 1e6, 16 * VOXEL_NM[2]),
        }
    )  # fmt: skip
    plan_blocks(store, dataset, LOG)
    # What networks are built with is imported before anything is timed.
    detector_in_use(store, dataset, "clefts")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock = time.process_time if device == "cpu" else time.perf_counter
    began, count = clock(), 0
    for block in find_blocks(store):
        report = {"maps": map_block, "synapses": detect_block}[step](store, dataset, block, device, LOG)
        count += int(report.details["voxels_computed"]) if step == "maps" else int(report.rows or 0)  # type: ignore[arg-type]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results.put({"seconds": clock() - began, "count": count, "peak": peak / 1024**2, "before": before / 1024**2})


def alone(*arguments: Any) -> dict[str, float]:
    """What `search` puts, in a process of its own."""
    results = SPAWN.Queue()
    process = SPAWN.Process(target=search, args=(*arguments, results))
    process.start()
    found: dict[str, float] = results.get(timeout=7200)
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument(
        "--sections", type=int, default=64, help="at least 48: blocks in the middle are looked around on both sides"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    peaks: dict[str, list[float]] = {}
    for sections in (asked.sections, 2 * asked.sections):
        with tempfile.TemporaryDirectory() as folder:
            write_volume(Path(folder) / "em", asked.side, sections)
            detector(Path(folder))
            voxels = asked.side**2 * sections
            for step in ("maps", "synapses"):
                found = alone(folder, step, asked.threads, asked.device)
                peaks.setdefault(step, []).append(found["peak"])
                what = f"{found['count']:,.0f} voxels" if step == "maps" else f"{found['count']:,.0f} found"
                print(
                    f"{step} of {asked.side} x {asked.side} x {sections} voxels: {found['seconds']:.1f} s, "
                    f"{voxels / found['seconds'] / 1e6:.2f} million voxels a second ({what}), peak {found['peak']:.2f} GB "
                    f"({found['before']:.2f} before it)",
                    flush=True,
                )
            stored = sum(file.stat().st_size for file in Path(folder).glob("searched/maps/**/*") if file.is_file())
            print(f"  maps on disk: {stored / voxels:.3f} bytes a voxel", flush=True)
    for step, (small, large) in peaks.items():
        print(f"{step}: twice the volume has {large / small - 1:+.0%} peak of memory", flush=True)


if __name__ == "__main__":
    main()
