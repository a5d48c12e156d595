"""One small volume whose grey value tells its position, written in every format."""

import functools
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
import tifffile
from cloudvolume import CloudVolume
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


SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 2,
    "shard_bits": 2,
    "hash": "identity",
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}


def write_precomputed(
    folder: Path,
    values_zyx: npt.NDArray[Any],
    encoding: str = "raw",
    chunk: tuple[int, int, int] = (32, 16, 8),
    sharding: dict[str, Any] | None = None,
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
        if sharding is not None:
            scale["sharding"] = sharding
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


def write_by_cloud_volume(folder: Path, compress: str | None) -> VolumeSpec:
    """The position volume as cloud-volume itself writes it; with `compress`, under names that tell the compression."""
    CloudVolume.from_numpy(
        zyx_values().transpose(2, 1, 0),
        vol_path=f"file://{folder}",
        resolution=VOXEL_SIZE_NM,
        voxel_offset=OFFSET,
        chunk_size=(32, 16, 8),
        encoding="raw",
        layer_type="image",
        compress=compress or False,
        progress=False,
    )
    return VolumeSpec(kind="precomputed", url=str(folder), voxel_size_nm=VOXEL_SIZE_NM)


def write_images(folder: Path, suffix: str, values_zyx: npt.NDArray[Any], bigtiff: bool = False) -> VolumeSpec:
    """Sections s8.tif, s9.tif, s10.tif, ...: in the order of their numbers, not of their letters."""
    folder.mkdir()
    for number, section in enumerate(values_zyx, start=8):
        path = folder / f"s{number}{suffix}"
        if suffix.lower() == ".png":
            Image.fromarray(section).save(path)
        else:
            tifffile.imwrite(path, section, compression="zlib" if number % 2 else None, bigtiff=bigtiff)
    return VolumeSpec(kind="images", url=f"file://{folder}", voxel_size_nm=VOXEL_SIZE_NM, offset_voxels=OFFSET)


def write_stack(folder: Path, how: str) -> VolumeSpec:
    """The position volume as the pages of one TIFF file."""
    folder.mkdir()
    path, values = folder / ("stack.TIF" if how == "bigtiff" else "stack.tif"), zyx_values()
    if how == "lzw":  # by pillow, page by page
        first, *others = (Image.fromarray(section) for section in values)
        first.save(path, save_all=True, append_images=others, compression="tiff_lzw")
    elif how == "appended":
        with tifffile.TiffWriter(path) as writer:
            for section in values:
                writer.write(section, contiguous=False)
    else:
        options: dict[str, dict[str, Any]] = {
            "plain": {},
            "imagej": {"imagej": True},
            "bigtiff": {"bigtiff": True, "tile": (16, 16), "compression": "zlib", "photometric": "minisblack"},
        }
        tifffile.imwrite(path, values, **options[how])
    return VolumeSpec(kind="images", url=str(path), voxel_size_nm=VOXEL_SIZE_NM, offset_voxels=OFFSET)


def write_hdf5(path: Path, values_zyx: npt.NDArray[Any], **options: Any) -> VolumeSpec:
    """A file in the layout of the CREMI challenge; `options` are those of the dataset."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("volumes/raw", data=values_zyx, **options)
        dataset.attrs["resolution"] = VOXEL_SIZE_NM[::-1]
        dataset.attrs["offset"] = np.multiply(OFFSET, VOXEL_SIZE_NM)[::-1]
    return VolumeSpec(kind="hdf5", url=str(path), voxel_size_nm=VOXEL_SIZE_NM)


KINDS = (
    "precomputed",
    "precomputed sharded",
    "precomputed png",
    "precomputed gzip",
    "precomputed by cloud-volume",
    "zarr2",
    "zarr3",
    "zarr3 xyz",
    "zarr2 channel",
    "n5",
    "n5 xyz",
    "hdf5 gzip",
    "hdf5 plain",
    "tiff",
    "tiff big",
    "tiff capitals",
    "png",
    "stack plain",
    "stack imagej",
    "stack bigtiff",
    "stack lzw",
    "stack appended",
)


def write_kind(kind: str, folder: Path) -> VolumeSpec:
    """The position volume in one of `KINDS`."""
    values = zyx_values()
    if kind == "precomputed gzip":
        return write_by_cloud_volume(folder, "gzip")
    if kind.startswith("precomputed"):
        sharding = SHARDING if kind.endswith("sharded") else None
        spec = write_precomputed(folder, values, "png" if kind.endswith("png") else "raw", sharding=sharding)
        return spec.model_copy(update={"reader": "cloud-volume"}) if kind.endswith("by cloud-volume") else spec
    if kind.startswith("hdf5"):
        return write_hdf5(
            folder / "volume.hdf",
            values,
            **({"chunks": (8, 16, 32), "compression": "gzip"} if kind.endswith("gzip") else {}),
        )
    if kind.startswith("stack"):
        return write_stack(folder, kind.split()[1])
    if kind.startswith(("tiff", "png")):
        suffix = ".png" if kind == "png" else ".TIFF" if kind.endswith("capitals") else ".tif"
        return write_images(folder, suffix, values, bigtiff=kind.endswith("big"))
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


class FolderHandler(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder, whole or in ranges, as buckets do.

    What is stored as NAME.gz it serves as NAME, with its encoding in the header.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet

    def __init__(self, *args: Any, directory: Path, **options: Any) -> None:
        self.directory = directory
        super().__init__(*args, **options)

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer_with_file(unquote(urlsplit(self.path).path))

    def answer_with_file(self, path: str, absent: int = 404) -> None:
        file = self.directory / path.lstrip("/")
        packed = file.with_name(file.name + ".gz")
        if packed.is_file():
            self.answer(200, packed.read_bytes(), **{"Content-Encoding": "gzip"})
        elif file.is_file():
            self.answer(200, file.read_bytes())
        else:
            self.answer(absent)

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if code == 200 and asked:
            first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
            code, headers["Content-Range"] = 206, f"bytes {first}-{last}/{len(body)}"
            body = body[first : last + 1]
        self.send_response(code)
        for name, value in {**headers, "ETag": '"1"', "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512  # connections that a reader opens at once


@contextmanager
def served(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The http:// address of a loopback server that answers with `handler`."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def http_folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the http:// address that a loopback server gives it."""
    with served(functools.partial(FolderHandler, directory=tmp_path)) as address:
        yield tmp_path, address
