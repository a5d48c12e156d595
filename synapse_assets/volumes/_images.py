"""Sections as images: a folder of TIFF or PNG files, or one TIFF file of many pages.

A grey value or id is what lies in the file, one rule for every compression. A tag that would have it read otherwise (a palette
of other colours, white as 0, another orientation, alpha) is refused by its name; gamma, colour profiles and the transparency of
a grey PNG say how to display a picture and change no value, and so do the palette of labels and white as 0 of masks.
"""

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts
import tifffile
from PIL import Image

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._chunked import Box, chunked
from synapse_assets.volumes._section_names import examine_order, natural_key
from synapse_assets.volumes._values import GREY, LABELS, Values

_TIFF = (".tif", ".tiff")
# Read at once from a stack whose pages lie in the file as they are.
_PIECE = (1, 1024, 1024)
# An image that lies compressed in its file is unpacked as a whole for each tile: those of more bytes are refused.
_MOST_BYTES = 1 << 29
# A TIFF's tiles may be larger than its picture, up to this.
_MOST_TILE_PIXELS = 1 << 26
_DEFLATE = (8, 32946)
# PackBits, LZW, those of faxes, LZMA and Zstandard; the others, such as JPEG, may change values.
_LOSSLESS = (1, 2, 3, 4, 5, *_DEFLATE, 32773, 34925, 50000)
# Types of values by pillow's modes of a PNG.
_PNG_TYPES = {"1": "bool", "L": "uint8", "P": "uint8", "I;16": "uint16", "I;16B": "uint16"}
_ORIENTATION, _PHOTOMETRIC = 274, 262
_LESSER = 1 | 4  # in NewSubfileType: a reduced copy, a mask
_Pixels = npt.NDArray[Any]
# Rows and columns, and the type of the values.
_Layout = tuple[tuple[int, int], str]
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
    path: Path, spec: ArraySpec, values: Values, where: str, context: ts.Context
) -> tuple[ts.TensorStore, tuple[str, ...]]:
    """The sections of a folder, in the order of the numbers in their names, or the pages of a TIFF file; and remarks.

    Raises BadInput where there are none, where by their names one is lost, or the first is not one 2-D image of `values`; a
    section that is damaged or of another size or type than the first raises it when it is read.
    """
    z, y, x = reversed(spec.offset_voxels or (0, 0, 0))
    if path.is_file():
        return _open_stack(path, (z, y, x), values, where, context), ()
    files = _section_files(path, where)
    number, remarks = examine_order([file.name for file in files], where)
    if number is not None and number > 1 and spec.offset_voxels is None:
        remarks += (
            f"the first section, '{files[0].name}', is taken as z = 0: if z counts the sections as their names do, write "
            f"offset_voxels: [0, 0, {number}] in the volume",
        )
    layout = _section_layout(files[0], values, where)
    shape, dtype = layout

    def read(box: Box) -> _Pixels:
        return np.stack([_read_section(file, layout, values, where)[box[1:]] for file in files[box[0]]])

    store = chunked(
        read,
        dtype=dtype,
        shape=(len(files), *shape),
        origin=(z, y, x),
        chunk_shape=(1, *shape),
        context=context,
    )
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


def _section_layout(path: Path, values: Values, where: str) -> _Layout:
    """The layout of a section, from its header; refuses what is not one 2-D image of `values`."""
    label = f"{where}: section '{path.name}'"
    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as image:
                return _png_layout(image, values, label)
        with tifffile.TiffFile(path) as tiff:
            if len(tiff.pages) > 1:
                _refuse_shape((len(tiff.pages), *tiff.pages.first.shape), label)
            if len(tiff.pages.first.shape) != 2:
                _refuse_shape(tiff.pages.first.shape, label)
            layout = _page_layout(tiff.pages.first, values, path.stat().st_size, label)
            _refuse_large(*layout, label)
            return layout
    except Image.DecompressionBombError as error:
        raise BadInput(f"{label} is too large for a PNG: convert the sections to TIFF or zarr") from error
    except _DAMAGED as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{label} cannot be read: {error}") from error


def _refuse_shape(shape: tuple[int, ...], label: str) -> None:
    raise BadInput(
        f"{label} has shape {shape}, but a section is one 2-D grey image; extract one channel (a file of many pages is given "
        "by its own url, not by its folder)"
    )


def _refuse_values(held: str, values: Values, label: str) -> None:
    raise BadInput(f"{label} holds {held}, but {values.asked}")


def _png_layout(image: Image.Image, values: Values, label: str) -> _Layout:
    """The layout of a PNG; refuses one whose values are not those in the file."""
    bands, frames = len(image.getbands()), getattr(image, "n_frames", 1)
    if bands > 1:
        _refuse_shape((image.height, image.width, bands), label)
    if frames > 1:
        _refuse_shape((frames, image.height, image.width), label)
    dtype = _PNG_TYPES.get(image.mode)
    if dtype is None or not values.accepts(dtype):
        _refuse_values(f"pixels of mode {image.mode}", values, label)
    if values is GREY and image.mode == "P":
        colours = np.array(image.getpalette("RGB"), dtype=np.int64).reshape(-1, 3)
        _refuse_palette(colours, label)
    raw_mode = next((str(part.args) for part in getattr(image, "tile", ())), "")
    if values is LABELS and raw_mode in ("L;2", "L;4"):
        raise BadInput(
            f"{label} holds {raw_mode[-1]}-bit grey values, which readers stretch to 8 bits: write it again with 8 bits, or with "
            "a palette"
        )
    shape = (image.height, image.width)
    _refuse_large(shape, str(dtype), label)
    return shape, str(dtype)


def _page_layout(page: tifffile.TiffPage, values: Values, file_bytes: int, label: str) -> _Layout:
    """The layout of one page of a TIFF; refuses one whose values are not those in the file, and a bomb."""
    bits = 1 if str(page.dtype) == "bool" else 8 * page.dtype.itemsize if page.dtype is not None else 0
    if not values.accepts(str(page.dtype)) or page.bitspersample != bits:
        _refuse_values(
            str(page.dtype) if page.bitspersample >= 8 else f"{page.bitspersample}-bit values", values, label
        )
    if values is LABELS:
        _refuse_changed(page, label)
    elif page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        colours = page.colormap.T.astype(np.int64)
        _refuse_palette(colours if colours.max() < 256 else colours >> 8, label)
    # Where the tag is absent, the values are taken as they are.
    elif page.photometric != tifffile.PHOTOMETRIC.MINISBLACK and _PHOTOMETRIC in page.tags:
        meaning = (
            "MinIsWhite: 0 is white" if page.photometric == 0 else getattr(page.photometric, "name", page.photometric)
        )
        raise BadInput(
            f"{label} has the PhotometricInterpretation {meaning}, but grey values of a volume rise from black to white "
            "(MinIsBlack): write it again as plain 8-bit grey, inverted if need be"
        )
    _refuse_turned(page.tags.valueof(_ORIENTATION, 1), label)
    rows, columns = page.shape[-2:]
    tile = page.tilewidth * page.tilelength * max(1, page.tiledepth) if page.is_tiled else 0
    if tile > max(_MOST_TILE_PIXELS, 2 * rows * columns):
        raise BadInput(
            f"{label} is {(rows, columns)} pixels (rows, columns) in tiles of {page.tilelength} x {page.tilewidth}, far larger than "
            "itself: write it again with smaller tiles"
        )
    if max(page.databytecounts, default=0) > file_bytes:
        raise BadInput(
            f"{label} says that a strip or tile of it takes {max(page.databytecounts):,} bytes, but the file has {file_bytes:,}: "
            "copy it again"
        )
    return (rows, columns), page.dtype.name


def _refuse_changed(page: tifffile.TiffPage, label: str) -> None:
    """Refuses a page of labels whose compression may have changed them, or cannot be undone. How they are shown is of no matter."""
    name = getattr(page.compression, "name", page.compression)
    if page.compression not in _LOSSLESS:
        raise BadInput(f"{label} is compressed with {name}, which may change labels: write it again with deflate")
    if page.dtype.itemsize == 8 and page.compression not in (1, *_DEFLATE):
        raise BadInput(
            f"{label} holds {page.dtype} compressed with {name}, which cannot be unpacked: write it again with deflate"
        )


def _refuse_palette(colours: npt.NDArray[np.int64], label: str) -> None:
    """`colours` (n, 3), 0 to 255: those of the values 0, 1, 2, ..."""
    if (colours != np.arange(len(colours))[:, None]).any():
        raise BadInput(
            f"{label} holds colours of a palette, and their numbers are no grey values: convert it to 8-bit grey without a palette"
        )


def _refuse_turned(orientation: object, label: str) -> None:
    if orientation not in (0, 1):  # 0 is what some writers put for none
        raise BadInput(
            f"{label} is to be turned or mirrored when shown (its Orientation tag is {orientation}): write it again as it is to be "
            "seen, with Orientation 1"
        )


def _refuse_large(shape: tuple[int, int], dtype: str, label: str) -> None:
    most_pixels = _MOST_BYTES // np.dtype(dtype).itemsize
    if math.prod(shape) > most_pixels:
        raise BadInput(
            f"{label} is {shape} pixels (rows, columns), more than {most_pixels:,}, and has to be unpacked as a whole for each tile: "
            "convert the volume to zarr or precomputed, which are read in pieces"
        )


def _read_section(path: Path, layout: _Layout, values: Values, where: str) -> _Pixels:
    shape, dtype = layout
    actual_shape, actual_dtype = _section_layout(path, values, where)
    if actual_shape != shape:
        raise BadInput(
            f"{where}: section '{path.name}' is {actual_shape} (rows, columns), but the first one is {shape}: make them "
            "one size"
        )
    if actual_dtype != dtype:
        raise BadInput(
            f"{where}: section '{path.name}' holds {actual_dtype}, but the first one {dtype}: make them one type"
        )
    return _decoded(path, 0, f"{where}: section '{path.name}'")


def _decoded(path: Path, number: int, label: str) -> _Pixels:
    """The values of a PNG, or of one page of a TIFF, in memory that its size in pixels bounds."""
    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as image:
                values = np.asarray(image)
                _refuse_turned(image.getexif().get(_ORIENTATION, 1), label)
                return values
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages[number]
            if page.compression == 1:
                return np.asarray(page.asarray())
            if page.compression in _DEFLATE and page.predictor in (1, 2) and page.fillorder == 1:
                return _inflated(page)
            white_is_0, dtype = page.tags.valueof(_PHOTOMETRIC, 0) == 0, page.dtype.newbyteorder("=")
        with Image.open(path) as image:  # libtiff has LZW, JPEG, PackBits and more
            image.seek(number)
            values = np.asarray(image)
            if values.dtype != dtype:  # pillow knows few types, and shows an unsigned number of 32 bits as a signed one
                values = values.astype(values.dtype.newbyteorder("="))
                same_size = values.dtype.itemsize == dtype.itemsize and dtype.kind != "b"
                values = values.view(dtype) if same_size else values.astype(dtype)
            # Where white is 0, and where the tag is absent, pillow turns these round.
            turned_round = white_is_0 and image.mode in ("1", "L")
            return np.invert(values) if turned_round else values
    except Image.DecompressionBombError as error:
        raise BadInput(
            f"{label} is too large for its compression: write it again with deflate, or convert to zarr"
        ) from error
    except _DAMAGED as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{label} cannot be read: {error}") from error


def _inflated(page: tifffile.TiffPage) -> _Pixels:
    """A page compressed with deflate. What a strip or tile holds beyond its pixels is not unpacked."""
    rows, columns = page.shape
    height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, rows), columns)
    across = -(-columns // width)
    picture = np.zeros((rows, columns), dtype=page.dtype)
    is_mask = page.dtype.kind == "b"
    stored = np.dtype(np.uint8) if is_mask else page.dtype.newbyteorder(page.parent.byteorder)
    row_bytes = -(-width // 8) if is_mask else width * stored.itemsize
    file = page.parent.filehandle
    for i, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        y, x = i // across * height, i % across * width
        if y >= rows:
            break
        strip_height = height if page.is_tiled else min(height, rows - y)
        if not count:  # a sparse file leaves out what is black
            continue
        file.seek(offset)
        data = zlib.decompressobj().decompress(file.read(count), strip_height * row_bytes)
        if len(data) < strip_height * row_bytes:
            raise ValueError(f"strip or tile {i} is cut off")
        values = np.frombuffer(data, dtype=stored).reshape(strip_height, -1)
        if is_mask:
            values = np.unpackbits(values, axis=1, count=width)
        elif page.predictor == 2:
            values = np.cumsum(values, axis=1, dtype=page.dtype)
        picture[y : y + strip_height, x : x + width] = values[: rows - y, : columns - x]
    return picture


def _open_stack(
    path: Path, origin: tuple[int, int, int], values: Values, where: str, context: ts.Context
) -> ts.TensorStore:
    if path.suffix.lower() not in _TIFF:
        raise BadInput(f"{where}: it is a file but no TIFF; give a folder of sections or one TIFF file of many pages")
    try:
        with tifffile.TiffFile(path) as tiff:
            pages, dtype = len(tiff.pages), str(tiff.pages.first.dtype)
            axes, shape, start = _layout(tiff)
            _refuse_stack(axes, shape, dtype, values, where)
            stored = np.dtype(dtype).newbyteorder(tiff.byteorder)
            if start is not None and path.stat().st_size < start + math.prod(shape) * stored.itemsize:
                raise BadInput(f"{where}: it is cut off, pages are missing at its end; copy it again")
            lesser = [bool(page.subfiletype & _LESSER) for page in tiff.pages]
            for number, page in enumerate(tiff.pages):
                label = f"{where}: page {number} (from 0)"
                size, its_dtype = _page_layout(page, values, path.stat().st_size, label)
                if start is None:
                    _refuse_large(size, its_dtype, label)
                if its_dtype != dtype:
                    raise BadInput(f"{label} holds {its_dtype}, but the first one {dtype}: make them one type")
                if lesser[number] and not all(lesser):
                    raise BadInput(
                        f"{where}: page {number} (from 0) is a reduced copy or a mask of another by its NewSubfileType: write the "
                        "file again without it"
                    )
    except _DAMAGED as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{where}: it cannot be read as TIFF, it is another kind of file or cut off: {error}") from error
    if start is not None:
        stack = np.memmap(path, dtype=stored, mode="r", offset=start, shape=shape)
        piece = tuple(min(a, b) for a, b in zip(_PIECE, shape, strict=True))
        return chunked(
            lambda box: stack[box], dtype=dtype, shape=shape, origin=origin, chunk_shape=piece, context=context
        )
    if pages != shape[0]:
        raise BadInput(f"{where}: it has {pages} pages, but says it holds {shape[0]} sections; write it again")

    def read(box: Box) -> _Pixels:
        numbers = range(box[0].start, box[0].stop)
        return np.stack([_decoded(path, n, f"{where}: page {n} (from 0)")[box[1:]] for n in numbers])

    return chunked(read, dtype=dtype, shape=shape, origin=origin, chunk_shape=(1, *shape[1:]), context=context)


def _refuse_stack(axes: str, shape: tuple[int, ...], dtype: str, values: Values, where: str) -> None:
    if len(shape) != 3 or axes[1:] != "YX" or axes[0] == "S":
        raise BadInput(
            f"{where}: its pages have shape {shape} (axes {axes}), but they are 2-D grey images of one size; extract "
            "one channel"
        )
    if not values.accepts(dtype):
        _refuse_values(dtype, values, f"{where}: it")


def _layout(tiff: tifffile.TiffFile) -> tuple[str, tuple[int, ...], int | None]:
    """Letters of the axes, shape, and the byte at which the values lie one after the other if they do.

    Axes of length 1 are left out, but a single page is a stack of one.
    """
    if len(tiff.series) > 1:  # sections that were added to the file one by one
        sizes = {tuple(page.shape) for page in tiff.pages}
        return "ZYX", (len(tiff.pages), *(sizes.pop() if len(sizes) == 1 else ())), None
    series = tiff.series[0]
    dimensions = [(letter, n) for letter, n in zip(series.axes, series.shape, strict=True) if n > 1 or letter in "YX"]
    axes, shape = "".join(letter for letter, _ in dimensions), tuple(int(n) for _, n in dimensions)
    return ("Z" + axes, (1, *shape), series.dataoffset) if axes == "YX" else (axes, shape, series.dataoffset)
