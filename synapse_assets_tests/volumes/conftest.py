"""One small volume whose grey value tells its position, written in every format."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
import tifffile
from PIL import Image

from synapse_assets.datasets import VolumeSpec

VOXEL_SIZE_NM = (4.0, 5.0, 40.0)
OFFSET = (100, 37, 11)
SHAPE = (90, 70, 21)  # x, y, z: three different lengths, so that swapped axes show


def grey(x: npt.NDArray[Any], y: npt.NDArray[Any], z: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Grey value of the voxel (x, y, z); neighbours along every axis differ, and no value is 0."""
    return (1 + (3 * x + 7 * y + 31 * z + (x * y + 5 * y * z) % 17) % 255).astype(np.uint8)


def smooth_grey(x: npt.NDArray[Any], y: npt.NDArray[Any], z: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A ramp that JPEG keeps within a few grey values, steeper along z than y than x."""
    return (20 + (x - OFFSET[0]) * 0.4 + (y - OFFSET[1]) * 1.1 + (z - OFFSET[2]) * 4.5).astype(np.uint8)


def zyx_values(function: Callable[..., npt.NDArray[np.uint8]] = grey) -> npt.NDArray[np.uint8]:
    """The whole volume, axes z, y, x."""
    z, y, x = np.meshgrid(*(np.arange(o, o + n) for o, n in zip(OFFSET[::-1], SHAPE[::-1], strict=True)), indexing="ij")
    return function(x, y, z)


def write_precomputed(
    folder: Path, values_zyx: npt.NDArray[Any], encoding: str = "raw", chunk: tuple[int, int, int] = (32, 16, 8)
) -> VolumeSpec:
    """A precomputed volume of two scales, of which the second is the one asked for."""
    for resolution in ((8.0, 10.0, 40.0), VOXEL_SIZE_NM):
        scale: dict[str, Any] = {
            "resolution": resolution,
            "size": values_zyx.shape[::-1],
            "voxel_offset": OFFSET,
            "chunk_size": chunk,
            "encoding": encoding,
        }
        if encoding == "jpeg":
            scale["jpeg_quality"] = 98
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": f"file://{folder}/",
                "multiscale_metadata": {"type": "image", "data_type": values_zyx.dtype.name, "num_channels": 1},
                "scale_metadata": scale,
            },
            create=True,
            open=True,
        ).result()
        store[..., 0] = values_zyx.transpose(2, 1, 0) if resolution == VOXEL_SIZE_NM else np.uint8(0)
    return VolumeSpec(kind="precomputed", url=str(folder), voxel_size_nm=VOXEL_SIZE_NM)


def write_array(folder: Path, driver: str, values: npt.NDArray[Any], chunk: tuple[int, ...]) -> None:
    """A zarr, zarr3 or n5 array."""
    store = ts.open(
        {"driver": driver, "kvstore": f"file://{folder}/"},
        dtype=ts.dtype(values.dtype),
        shape=values.shape,
        chunk_layout=ts.ChunkLayout(chunk_shape=chunk),
        create=True,
    ).result()
    store[...] = values


def write_images(folder: Path, suffix: str, values_zyx: npt.NDArray[Any]) -> VolumeSpec:
    """Sections s8.tif, s9.tif, s10.tif, ...: in the order of their numbers, not of their letters."""
    folder.mkdir()
    for number, section in enumerate(values_zyx, start=8):
        path = folder / f"s{number}{suffix}"
        if suffix == ".png":
            Image.fromarray(section).save(path)
        else:
            tifffile.imwrite(path, section, compression="zlib" if number % 2 else None)
    return VolumeSpec(kind="images", url=f"file://{folder}", voxel_size_nm=VOXEL_SIZE_NM, offset_voxels=OFFSET)


KINDS = ("precomputed", "zarr2", "zarr3", "zarr3 xyz", "zarr2 channel", "n5", "n5 xyz", "tiff", "png")


def write_kind(kind: str, folder: Path) -> VolumeSpec:
    """The position volume in one of `KINDS`."""
    values = zyx_values()
    if kind == "precomputed":
        return write_precomputed(folder, values)
    if kind in ("tiff", "png"):
        return write_images(folder, ".tif" if kind == "tiff" else ".png", values)
    driver = {"zarr2": "zarr", "zarr3": "zarr3", "n5": "n5"}[kind.split()[0]]
    xyz = kind.endswith("xyz")
    if kind.endswith("channel"):
        write_array(folder, driver, values[None], (1, 8, 16, 32))
    else:
        write_array(folder, driver, values.transpose(2, 1, 0) if xyz else values, (32, 16, 8) if xyz else (8, 16, 32))
    return VolumeSpec(
        kind="n5" if driver == "n5" else "zarr",
        url=str(folder),
        voxel_size_nm=VOXEL_SIZE_NM,
        offset_voxels=OFFSET,
        axis_order="xyz" if xyz else "zyx",
    )


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def http_folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the http:// address that a loopback server gives it."""
    handler = functools.partial(_QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
