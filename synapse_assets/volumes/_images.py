"""Sections as images: a folder of TIFF or PNG files, or one TIFF file of many pages."""

import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import tifffile
from PIL import Image

from synapse_assets.datasets import VolumeSpec
from synapse_assets.schema import BadInput
from synapse_assets.volumes._chunked import Box, chunked
from synapse_assets.volumes._section_names import examine_order, natural_key

_TIFF = (".tif", ".tiff")
# Read at once from a stack whose pages lie in the file as they are.
_PIECE = (1, 1024, 1024)
# An image that lies compressed in its file is unpacked as a whole for each tile: larger ones are refused.
_MOST_PIXELS = 1 << 29
_Bytes = npt.NDArray[np.uint8]
# What the decoders raise for damaged files.
_DAMAGED = (
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tifffile.TiffFileError,
    zlib.error,
)


def open_images(
    path: Path, spec: VolumeSpec, where: str, context: ts.Context
) -> tuple[ts.TensorStore, tuple[str, ...]]:
    """The sections of a folder, in the order of the numbers in their names, or the pages of a TIFF file; and remarks.

    Raises BadInput where there are none, where by their names one is lost, or the first is not one 8-bit grey image; a
    section that is damaged or of another size than the first raises it when it is read.
    """
    z, y, x = reversed(spec.offset_voxels or (0, 0, 0))
    if path.is_file():
        return _open_stack(path, (z, y, x), where, context), ()
    files = _section_files(path, where)
    number, remarks = examine_order([file.name for file in files], where)
    if number is not None and number > 1 and spec.offset_voxels is None:
        remarks += (
            f"the first section, '{files[0].name}', is taken as z = 0: if z counts the sections as their names do, write "
            f"offset_voxels: [0, 0, {number}] in the volume",
        )
    first = _section_shape(files[0], where)

    def read(box: Box) -> _Bytes:
        return np.stack([_read_section(file, first, where)[box[1:]] for file in files[box[0]]])

    store = chunked(read, shape=(len(files), *first), origin=(z, y, x), chunk_shape=(1, *first), context=context)
    return store, remarks


def _section_files(folder: Path, where: str) -> list[Path]:
    files = [p for p in folder.iterdir() if p.suffix.lower() in (*_TIFF, ".png") and not p.name.startswith(".")]
    if not files:
        raise BadInput(f"{where}: no TIFF or PNG files in the folder; check its url")
    if len({p.suffix.lower() for p in files}) > 1:
        raise BadInput(
            f"{where}: sections of several file types {sorted({p.suffix for p in files})}; keep one type in the folder"
        )
    return sorted(files, key=lambda p: (natural_key(p.stem), p.name))


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
    except Image.DecompressionBombError as error:
        raise BadInput(
            f"{where}: section '{path.name}' is too large for a PNG: convert the sections to TIFF or zarr"
        ) from error
    except _DAMAGED as error:
        raise BadInput(f"{where}: section '{path.name}' cannot be read: {error}") from error
    if len(shape) != 2:
        raise BadInput(
            f"{where}: section '{path.name}' has shape {shape}, but a section is one 2-D grey image; extract one "
            "channel (a file of many pages is given by its own url, not by its folder)"
        )
    if dtype != "uint8":
        raise BadInput(
            f"{where}: section '{path.name}' holds {dtype}, but a volume holds 8-bit grey values; convert it to uint8"
        )
    _refuse_large(shape, f"{where}: section '{path.name}'")
    return shape[0], shape[1]


def _refuse_large(shape: tuple[int, ...], what: str) -> None:
    if math.prod(shape[-2:]) > _MOST_PIXELS:
        raise BadInput(
            f"{what} is {shape[-2:]} pixels (rows, columns), more than {_MOST_PIXELS:,}, and has to be unpacked as a whole for each tile: "
            "convert the volume to zarr or precomputed, which are read in pieces"
        )


def _read_section(path: Path, shape: tuple[int, int], where: str) -> _Bytes:
    found = _section_shape(path, where)
    if found != shape:
        raise BadInput(
            f"{where}: section '{path.name}' is {found} (rows, columns), but the first one is {shape}: make them "
            "one size"
        )
    try:
        return _decoded(path, 0)
    except _DAMAGED as error:
        raise BadInput(f"{where}: section '{path.name}' cannot be read: {error}") from error


def _decoded(path: Path, page: int) -> _Bytes:
    if path.suffix.lower() != ".png":
        try:
            return np.asarray(tifffile.imread(path, key=page))
        except ValueError:  # tifffile needs a further package for LZW and JPEG compression; pillow has both
            pass
    with Image.open(path) as image:
        image.seek(page)
        return np.asarray(image)


def _open_stack(path: Path, origin: tuple[int, int, int], where: str, context: ts.Context) -> ts.TensorStore:
    if path.suffix.lower() not in _TIFF:
        raise BadInput(f"{where}: it is a file but no TIFF; give a folder of sections or one TIFF file of many pages")
    try:
        with tifffile.TiffFile(path) as tiff:
            pages, dtype = len(tiff.pages), str(tiff.pages.first.dtype)
            axes, shape, start = _layout(tiff)
    except _DAMAGED as error:
        raise BadInput(f"{where}: it cannot be read as TIFF, it is another kind of file or cut off: {error}") from error
    if len(shape) != 3 or axes[1:] != "YX" or axes[0] == "S":
        raise BadInput(
            f"{where}: its pages have shape {shape} (axes {axes}), but they are 2-D grey images of one size; extract "
            "one channel"
        )
    if dtype != "uint8":
        raise BadInput(f"{where}: it holds {dtype}, but a volume holds 8-bit grey values; convert it to uint8")
    if start is not None:
        if path.stat().st_size < start + math.prod(shape):
            raise BadInput(f"{where}: it is cut off, pages are missing at its end; copy it again")
        values = np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=shape)
        piece = tuple(min(a, b) for a, b in zip(_PIECE, shape, strict=True))
        return chunked(lambda box: values[box], shape=shape, origin=origin, chunk_shape=piece, context=context)
    if pages != shape[0]:
        raise BadInput(f"{where}: it has {pages} pages, but says it holds {shape[0]} sections; write it again")

    _refuse_large(shape, where)

    def read(box: Box) -> _Bytes:
        try:
            return np.stack([_decoded(path, page)[box[1:]] for page in range(box[0].start, box[0].stop)])
        except _DAMAGED as error:
            raise BadInput(f"{where}: page {box[0].start} (from 0) cannot be read: {error}") from error

    return chunked(read, shape=shape, origin=origin, chunk_shape=(1, *shape[1:]), context=context)


def _layout(tiff: tifffile.TiffFile) -> tuple[str, tuple[int, ...], int | None]:
    """Letters of the axes, shape, and the byte at which the values lie one after the other if they do.

    Axes of length 1 are left out, but a single page is a stack of one.
    """
    if len(tiff.series) > 1:  # sections that were added to the file one by one
        sizes = {tuple(page.shape) for page in tiff.pages}
        return "ZYX", (len(tiff.pages), *(sizes.pop() if len(sizes) == 1 else ())), None
    series = tiff.series[0]
    kept = [(letter, n) for letter, n in zip(series.axes, series.shape, strict=True) if n > 1 or letter in "YX"]
    axes, shape = "".join(letter for letter, _ in kept), tuple(int(n) for _, n in kept)
    return ("Z" + axes, (1, *shape), series.dataoffset) if axes == "YX" else (axes, shape, series.dataoffset)
