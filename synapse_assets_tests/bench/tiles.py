"""How fast tiles are cut and stored, as shares of what memory and other readers do in the same run.

    python -m synapse_assets_tests.bench.tiles [--tiles 2000]

Volumes of 2048 x 2048 x 64 voxels on this machine, page cache warm: raw in chunks of 128 x 128 x 16, JPEG in chunks
of 64^3 (as FAFB). Each reader runs in its own process, so that its peak memory is its own. Nothing here measures a
network.
"""

import argparse
import io
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorstore as ts
from PIL import Image
from scipy import ndimage

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.volumes import encode_tile, open_volume

SHAPE_ZYX = (64, 2048, 2048)
TILE = TileSpec(size_px=256, sections=3)
LAYOUTS = {"raw 128x128x16": ("raw", (128, 128, 16)), "jpeg 64x64x64": ("jpeg", (64, 64, 64))}
ONE_BY_ONE = 200  # cloud-volume is slow: this many tiles of the same points


def _texture(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Membrane-like ridges with grain: about as compressible as real sections."""
    sections = []
    for _ in range(SHAPE_ZYX[0]):
        smooth = ndimage.gaussian_filter(rng.standard_normal(SHAPE_ZYX[1:], dtype=np.float32), 9)
        ridges = np.exp(-np.square(smooth / smooth.std() * 4))
        sections.append(np.clip(160 - 100 * ridges + 14 * rng.standard_normal(SHAPE_ZYX[1:], dtype=np.float32), 0, 255))
    return np.stack(sections).astype(np.uint8)


def _write(folder: Path, values: npt.NDArray[np.uint8], encoding: str, chunk: tuple[int, int, int]) -> None:
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "resolution": [4, 4, 40],
                "size": SHAPE_ZYX[::-1],
                "chunk_size": chunk,
                "encoding": encoding,
                **({"jpeg_quality": 90} if encoding == "jpeg" else {}),
            },
        },
        create=True,
    ).result()
    store[..., 0] = values.transpose(2, 1, 0)


def _ours(folder: Path, voxels: npt.NDArray[np.int64]) -> int:
    volume = open_volume(VolumeSpec(kind="precomputed", url=str(folder), voxel_size_nm=(4, 4, 40)))
    points_nm = (voxels + 0.5) * np.array([4, 4, 40])
    return sum(int(batch.tiles[:, 1, 128, 128].sum()) for batch in volume.read_tiles(points_nm, TILE))


def _cloud_volume(folder: Path, voxels: npt.NDArray[np.int64]) -> int:
    from cloudvolume import CloudVolume

    volume = CloudVolume(f"file://{folder}", progress=False)
    total = 0
    for x, y, z in voxels.tolist():
        tile = np.asarray(volume[x - 128 : x + 128, y - 128 : y + 128, z - 1 : z + 2])[..., 0].transpose(2, 1, 0)
        total += int(np.ascontiguousarray(tile)[1, 128, 128])
    return total


def _memmap(file: Path, voxels: npt.NDArray[np.int64]) -> int:
    values = np.load(file, mmap_mode="r")
    total = 0
    for x, y, z in voxels.tolist():
        total += int(np.ascontiguousarray(values[z - 1 : z + 2, y - 128 : y + 128, x - 128 : x + 128])[1, 128, 128])
    return total


def _peak_megabytes() -> float:
    """Peak memory of this process by Linux's own count, which unlike getrusage starts afresh with the program."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _timed(
    reader: Callable[[Path, npt.NDArray[np.int64]], int],
    path: Path,
    voxels: npt.NDArray[np.int64],
    answer: "multiprocessing.Queue[tuple[float, float, int]]",
) -> None:
    reader(path, voxels[:1])
    before = time.perf_counter()
    checksum = reader(path, voxels)
    seconds = time.perf_counter() - before
    answer.put((len(voxels) / seconds, _peak_megabytes(), checksum))


def _run(
    reader: Callable[[Path, npt.NDArray[np.int64]], int], path: Path, voxels: npt.NDArray[np.int64]
) -> tuple[float, float, int]:
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[tuple[float, float, int]] = context.Queue()
    process = context.Process(target=_timed, args=(reader, path, voxels, answer))
    process.start()
    result = answer.get()
    process.join()
    return result


def _codecs(values: npt.NDArray[np.uint8], voxels: npt.NDArray[np.int64]) -> None:
    tiles = [values[z - 1 : z + 2, y - 128 : y + 128, x - 128 : x + 128] for x, y, z in voxels[:60].tolist()]
    wide = [np.ascontiguousarray(tile.transpose(1, 0, 2)).reshape(256, 768) for tile in tiles]

    def save(image: npt.NDArray[np.uint8], **how: object) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, **how)  # type: ignore[arg-type]
        return buffer.getvalue()

    print("\ncodec, 256x256x3 tiles        encode/s  decode/s  kB a tile  mean error (grey values)   [CPU seconds]")
    for name, encode in {
        "PNG": lambda image: save(image, format="PNG"),
        "PNG run-length (stored)": lambda image: save(image, format="PNG", compress_type=3),
        "WebP lossless m0": lambda image: save(image, format="WEBP", lossless=True, method=0, quality=20),
        "JPEG q90": lambda image: save(image, format="JPEG", quality=90),
    }.items():
        start = time.process_time()
        data = [encode(image) for image in wide]
        middle = time.process_time()
        back = [np.asarray(Image.open(io.BytesIO(item)).convert("L")) for item in data]
        end = time.process_time()
        error = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(back, wide, strict=True)])
        size = np.mean([len(item) for item in data]) / 1e3
        print(
            "  "
            f"{name:26s}{len(wide) / (middle - start):10.0f}{len(wide) / (end - middle):10.0f}{size:11.1f}{error:10.2f}"
        )
    start = time.process_time()
    size = np.mean([len(encode_tile(tile)) for tile in tiles]) / 1e3
    print(f"  {'encode_tile':26s}{len(tiles) / (time.process_time() - start):10.0f}{'':10s}{size:11.1f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=2000)
    count = parser.parse_args().tiles
    rng = np.random.default_rng(0)
    values = _texture(rng)
    low, high = np.array([128, 128, 1]), np.array([2048 - 128, 2048 - 128, 62])
    voxels = rng.integers(low, high, size=(count, 3))
    with tempfile.TemporaryDirectory() as name:
        np.save(Path(name) / "all.npy", values)
        for layout, (encoding, chunk) in LAYOUTS.items():
            folder = Path(name) / encoding
            _write(folder, values, encoding, chunk)
            print(f"\n{layout}                tiles/s  share of memmap   peak MB")
            limit, megabytes, check = _run(_memmap, Path(name) / "all.npy", voxels)
            print(f"  numpy memmap slice, {count:<9}{limit:10.0f}{1:13.1%}{megabytes:13.0f}")
            rate, megabytes, ours = _run(_ours, folder, voxels)
            print(f"  read_tiles, {count} dense    {rate:10.0f}{rate / limit:13.1%}{megabytes:13.0f}")
            assert encoding == "jpeg" or ours == check, "the readers disagree"
            few = voxels[:ONE_BY_ONE]
            sparse, megabytes, ours = _run(_ours, folder, few)
            print(f"  read_tiles, {ONE_BY_ONE} sparse    {sparse:10.0f}{sparse / limit:13.1%}{megabytes:13.0f}")
            slow, megabytes, theirs = _run(_cloud_volume, folder, few)
            print(f"  cloud-volume one by one, {ONE_BY_ONE}{slow:8.0f}{slow / limit:13.1%}{megabytes:13.0f}")
            # Decoders of JPEG may round differently.
            assert abs(ours - theirs) <= len(few), "the readers disagree"
            print(
                f"  read_tiles is {rate / slow:.0f} times cloud-volume where dense, {sparse / slow:.1f} times where "
                "sparse"
            )
    _codecs(values, voxels)


if __name__ == "__main__":
    main()
