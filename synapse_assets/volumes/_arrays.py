"""Opening a volume of any kind as one tensorstore array of 8-bit grey values with axes z, y, x.

Here lives what differs between file formats: where the grid is written down, which axis is which, what a missing
chunk looks like. What is the same for all of them, cutting tiles, is in `volume.py`.
"""

import json
import os
import re
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import tifffile
from PIL import Image

from synapse_assets.datasets import VolumeSpec
from synapse_assets.schema import BadInput

_CACHE_BYTES = 256 * 2**20
_RETRIES = 6
_REMOTE_SCHEMES = ("http://", "https://", "gs://", "s3://")
_FORMAT_PREFIX = re.compile(r"^(precomputed|zarr3|zarr2|zarr|n5)://(?=[a-z0-9]+://|/)")
# Suffixes that cloud-files gives to compressed objects on file://; tensorstore looks for the bare name.
_COMPRESSED_SUFFIXES = (".gz", ".br", ".zstd", ".bz2", ".xz")
_FILES_LOOKED_AT = 20_000
# JPEG chunks take about half a byte a voxel: a 64x64x64 chunk of FAFB v14 is 127,808 bytes. Everything else is
# counted as raw, which is the upper bound.
_JPEG_BYTES_PER_VOXEL = 0.5


@dataclass(frozen=True)
class Array:
    """An opened volume. Shapes and origins are (z, y, x) in voxels; `where` is how messages name the volume."""

    store: ts.TensorStore
    origin: npt.NDArray[np.int64]
    shape: npt.NDArray[np.int64]
    grid_origin: npt.NDArray[np.int64]
    chunk_shape: npt.NDArray[np.int64]
    bytes_per_voxel: float
    remote: bool
    where: str


def open_array(spec: VolumeSpec) -> Array:
    """The array that `spec` describes, axes z, y, x, in voxel coordinates of the volume.

    Raises BadInput where nothing is there, or it is not one channel of 8-bit grey values.
    """
    url = _FORMAT_PREFIX.sub("", spec.url)
    remote = url.startswith(_REMOTE_SCHEMES)
    if not remote:
        url = str(_local_folder(url, spec.url))
    where = f"{spec.kind} volume '{spec.url}'"
    retries = {"max_retries": _RETRIES, "initial_delay": "500ms", "max_delay": "16s"}
    context = ts.Context(
        {
            "cache_pool": {"total_bytes_limit": _CACHE_BYTES},
            "http_request_retries": retries,
            "gcs_request_retries": retries,
            "s3_request_retries": retries,
        }
    )
    if spec.kind == "images":
        if remote:
            raise BadInput(
                f"{where}: a folder of images is read from this machine only; copy it here, or convert it to zarr"
            )
        store = _open_images(Path(url), spec, where, context)
        bytes_per_voxel = 1.0
    else:
        files = ts.KvStore.open(
            url.rstrip("/") + "/" if remote else {"driver": "file", "path": url.rstrip("/") + "/"}, context=context
        ).result()
        if spec.kind == "precomputed":
            store, bytes_per_voxel = _open_precomputed(files, url, remote, spec, where, context)
        else:
            store, bytes_per_voxel = _open_stored_array(files, spec, where, context), 1.0
    if store.dtype.name != "uint8":
        raise BadInput(
            f"{where}: its values are {store.dtype.name}, but a volume holds 8-bit grey values; convert it to uint8"
        )
    layout = store.chunk_layout
    shape = np.array(store.domain.shape, dtype=np.int64)
    chunks = layout.read_chunk.shape
    return Array(
        store=store,
        origin=np.array(store.domain.inclusive_min, dtype=np.int64),
        shape=shape,
        grid_origin=np.array(layout.grid_origin, dtype=np.int64),
        chunk_shape=np.maximum(np.array(chunks if chunks is not None else shape, dtype=np.int64), 1),
        bytes_per_voxel=bytes_per_voxel,
        remote=remote,
        where=where,
    )


def is_missing_chunk(error: Exception) -> bool:
    """Whether tensorstore raised `error` because a chunk is absent."""
    return str(error).startswith("NOT_FOUND")


def is_network_error(error: Exception) -> bool:
    """Whether tensorstore raised `error` because the other side could not be reached in time."""
    return str(error).startswith(("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED"))


def _local_folder(url: str, given: str) -> Path:
    if "://" in url and not url.startswith("file://"):
        raise BadInput(f"volume '{given}': its address starts with none of file://, http://, https://, gs://, s3://")
    text = url.removeprefix("file://")
    path = Path(text).expanduser()
    if not path.exists() and url.startswith("file://"):
        path = Path(unquote(text))
    if not path.is_dir():
        raise BadInput(
            f"volume '{given}': there is no folder {path.absolute()}; check the url of the volume in the dataset's YAML"
        )
    return path.absolute()


def _read_json(files: ts.KvStore, name: str, where: str) -> dict[str, Any] | None:
    try:
        answer = files.read(name).result()
    except ValueError as error:
        if is_network_error(error):
            raise ConnectionError(f"{where}: its file '{name}' could not be fetched: {error}") from error
        raise BadInput(f"{where}: its file '{name}' cannot be read: {error}") from error
    if answer.state != "value":
        return None
    try:
        content = json.loads(answer.value)
    except ValueError as error:
        raise BadInput(f"{where}: its file '{name}' is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{where}: its file '{name}' is not a JSON object")
    return content


def _open(spec: dict[str, Any], where: str, context: ts.Context) -> ts.TensorStore:
    try:
        return ts.open(
            {**spec, "fill_missing_data_reads": False, "recheck_cached_data": "open"},
            context=context,
            open=True,
            read=True,
        ).result()
    except ValueError as error:
        if is_network_error(error):
            raise ConnectionError(f"{where}: {error}") from error
        raise BadInput(f"{where}: it cannot be opened: {error}") from error


def _open_precomputed(
    files: ts.KvStore, url: str, remote: bool, spec: VolumeSpec, where: str, context: ts.Context
) -> tuple[ts.TensorStore, float]:
    info = _read_json(files, "info", where)
    if info is None:
        raise BadInput(f"{where}: there is no file 'info' in it, so no neuroglancer precomputed volume; check its url")
    try:
        dtype, channels = str(info["data_type"]), int(info["num_channels"])
        scales = [(tuple(float(v) for v in scale["resolution"]), scale) for scale in info["scales"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{where}: its file 'info' is not that of a neuroglancer precomputed volume: {error!r}"
        ) from error
    if dtype != "uint8":
        raise BadInput(f"{where}: its values are {dtype}, but a volume holds 8-bit grey values; convert it to uint8")
    if channels != 1:
        raise BadInput(f"{where}: it has {channels} channels, but a volume holds one grey channel; extract one")
    fits = [
        i for i, (resolution, _) in enumerate(scales) if np.allclose(resolution, spec.voxel_size_nm, rtol=1e-6, atol=0)
    ]
    if not fits:
        there = ", ".join("x".join(f"{v:g}" for v in resolution) for resolution, _ in scales)
        asked = "x".join(f"{v:g}" for v in spec.voxel_size_nm)
        raise BadInput(
            f"{where}: no scale of voxel_size_nm {asked}; there are {there}: set voxel_size_nm to one of them"
        )
    scale = scales[fits[0]][1]
    offset = tuple(int(v) for v in scale.get("voxel_offset", (0, 0, 0)))
    if any(spec.offset_voxels) and spec.offset_voxels != offset:
        raise BadInput(
            f"{where}: offset_voxels {spec.offset_voxels} in the dataset, but its file 'info' says {offset}: "
            "leave offset_voxels out, a precomputed volume says it itself"
        )
    if not remote:
        _refuse_compressed_names(Path(url) / str(scale["key"]), where)
    store = _open(
        {"driver": "neuroglancer_precomputed", "kvstore": files.spec().to_json(), "scale_index": fits[0]},
        where,
        context,
    )
    store = store[ts.d["channel"][0]].transpose(["z", "y", "x"])
    return store, _JPEG_BYTES_PER_VOXEL if scale.get("encoding") == "jpeg" else 1.0


def _refuse_compressed_names(folder: Path, where: str) -> None:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in islice(entries, _FILES_LOOKED_AT):
            if entry.name.endswith(_COMPRESSED_SUFFIXES):
                raise BadInput(
                    f"{where}: chunk file '{folder.name}/{entry.name}' is compressed under a name that the reader "
                    "does not look for "
                    "(cloud-volume writes gzip on file:// so): write the volume again with compress=False"
                )


def _open_stored_array(files: ts.KvStore, spec: VolumeSpec, where: str, context: ts.Context) -> ts.TensorStore:
    driver = "n5"
    if spec.kind == "n5":
        attributes = _read_json(files, "attributes.json", where)
        if attributes is None or "dimensions" not in attributes:
            raise BadInput(
                f"{where}: no N5 array there (a file attributes.json with dimensions); give the folder of the array "
                "itself"
            )
    else:
        version_3 = _read_json(files, "zarr.json", where)
        if version_3 is not None and version_3.get("node_type") == "array":
            driver = "zarr3"
        elif _read_json(files, ".zarray", where) is not None:
            driver = "zarr"
        elif version_3 is not None or _read_json(files, ".zgroup", where) is not None:
            raise BadInput(
                f"{where}: a zarr group, not an array; give the array inside it, often '{spec.url.rstrip('/')}/0'"
            )
        else:
            raise BadInput(f"{where}: no zarr array there (neither zarr.json nor .zarray); check the url of the volume")
    store = _open({"driver": driver, "kvstore": files.spec().to_json()}, where, context)
    extra = store.rank - 3
    surplus = range(extra) if spec.axis_order == "zyx" else range(3, store.rank)
    if extra < 0 or any(store.shape[axis] != 1 for axis in surplus):
        raise BadInput(
            f"{where}: an array of shape {store.shape}; a volume has three axes ({spec.axis_order}) and at most "
            f"further axes of length 1 {'before' if spec.axis_order == 'zyx' else 'after'} them: extract one channel"
        )
    store = store[tuple(0 if axis in surplus else slice(None) for axis in range(store.rank))]
    if spec.axis_order == "xyz":
        store = store.transpose([2, 1, 0])
    return store[ts.d[:].label["z", "y", "x"].translate_to[tuple(reversed(spec.offset_voxels))]]


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _section_files(folder: Path, where: str) -> list[Path]:
    files = [
        p for p in folder.iterdir() if p.suffix.lower() in (".tif", ".tiff", ".png") and not p.name.startswith(".")
    ]
    if not files:
        raise BadInput(f"{where}: no TIFF or PNG files in the folder; check its url")
    if len({p.suffix.lower() for p in files}) > 1:
        raise BadInput(
            f"{where}: sections of several file types {sorted({p.suffix for p in files})}; keep one type in the folder"
        )
    files.sort(key=lambda p: (_natural_key(p.stem), p.name))
    last_numbers = [re.search(r"(\d+)\D*$", p.stem) for p in files]
    steps = {int(b.group(1)) - int(a.group(1)) for a, b in pairwise(last_numbers) if a and b}
    if len(steps) > 1 and 1 in steps:
        gap = next(
            i for i, (a, b) in enumerate(pairwise(last_numbers)) if a and b and int(b.group(1)) - int(a.group(1)) != 1
        )
        raise BadInput(
            f"{where}: the section numbers jump from '{files[gap].name}' to '{files[gap + 1].name}', which would "
            "shift every later section along z: put a black image there, or number the sections without a gap"
        )
    return files


def _section_shape(path: Path, where: str) -> tuple[int, int]:
    """(rows, columns) of a section, from its header; refuses what is not one 2-D image of 8-bit grey values."""
    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as image:
                bands = len(image.getbands())
                shape: tuple[int, ...] = (image.height, image.width) + ((bands,) if bands > 1 else ())
                dtype = "uint8" if bands > 1 or image.mode == "L" else f"pixels of mode {image.mode}"
        else:
            with tifffile.TiffFile(path) as tiff:
                page = tiff.pages.first
                shape = tuple(page.shape) if len(tiff.pages) == 1 else (len(tiff.pages), *page.shape)
                dtype = str(page.dtype)
    except (OSError, SyntaxError, tifffile.TiffFileError) as error:
        raise BadInput(f"{where}: section '{path.name}' cannot be read: {error}") from error
    except Image.DecompressionBombError as error:
        raise BadInput(
            f"{where}: section '{path.name}' is too large for a PNG: convert the sections to TIFF or zarr"
        ) from error
    if len(shape) != 2:
        raise BadInput(
            f"{where}: section '{path.name}' has shape {shape}, but a section is one 2-D grey image; extract one "
            "channel"
        )
    if dtype != "uint8":
        raise BadInput(
            f"{where}: section '{path.name}' holds {dtype}, but a volume holds 8-bit grey values; convert it to uint8"
        )
    return shape[0], shape[1]


def _read_section(path: Path, shape: tuple[int, int], where: str) -> npt.NDArray[np.uint8]:
    found = _section_shape(path, where)
    if found != shape:
        raise BadInput(
            f"{where}: section '{path.name}' is {found} (rows, columns), but the first one is {shape}: make them "
            "one size"
        )
    try:
        if path.suffix.lower() != ".png":
            try:
                return np.asarray(tifffile.imread(path))
            except ValueError:  # tifffile needs a further package for LZW and JPEG compression; pillow has both
                pass
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, tifffile.TiffFileError) as error:
        raise BadInput(f"{where}: section '{path.name}' cannot be read: {error}") from error


def _open_images(folder: Path, spec: VolumeSpec, where: str, context: ts.Context) -> ts.TensorStore:
    files = _section_files(folder, where)
    first = _section_shape(files[0], where)
    origin = list(reversed(spec.offset_voxels))

    def read(domain: ts.IndexDomain, chunk: Any, _: Any) -> None:
        for z in range(domain[0].inclusive_min, domain[0].exclusive_max):
            section = _read_section(files[z - origin[0]], first, where)
            rows, columns = (
                slice(domain[i].inclusive_min - origin[i], domain[i].exclusive_max - origin[i]) for i in (1, 2)
            )
            chunk[z - domain[0].inclusive_min, ...] = section[rows, columns]

    return ts.virtual_chunked(
        read,
        dtype=ts.uint8,
        domain=ts.IndexDomain(inclusive_min=origin, shape=[len(files), *first], labels=["z", "y", "x"]),
        chunk_layout=ts.ChunkLayout(read_chunk=ts.ChunkLayout.Grid(shape=[1, *first]), grid_origin=origin),
        context=context,
    )
