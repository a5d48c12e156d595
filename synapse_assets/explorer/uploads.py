"""Pictures that users upload to search with: read carefully, kept in memory for a while, named by their content.

A small file can unpack to gigabytes, or take minutes to decode. So its size, pages and encoding are checked against what the
dataset takes before anything is decoded, and pictures are decoded one at a time.
"""

import hashlib
import io
import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    TILELENGTH,
    TILEWIDTH,
    TiffImageFile,
)

from synapse_assets.errors import BadInput

# Sections, height and width in pixels.
Shape = tuple[int, int, int]

# Not WebP: its reader allocates memory for the size that a file claims before that can be checked.
_FORMATS = ("PNG", "TIFF", "JPEG", "BMP")
# Of TIFF: none, LZW, deflate (two numbers) and PackBits. Others hold pictures of formats with risks of their own.
_COMPRESSIONS = (1, 5, 8, 32946, 32773)
_LARGEST_TIFF_TILE_PX = 1024
# A file may have so many bytes a pixel (four channels of 16 bits, which are then refused by a message), and some more besides.
_BYTES_A_PIXEL, _BYTES_BESIDE = 8, 2**18
_KEPT, _KEPT_BYTES = 200, 64 * 2**20
# Where a PNG says how many bits its values have.
_PNG_DEPTH_AT = 24
_DECODING = threading.Lock()


def most_bytes(shape: Shape) -> int:
    """Largest size in bytes of a file with a tile of that shape."""
    sections, height, width = shape
    return _BYTES_BESIDE + _BYTES_A_PIXEL * sections * height * width


def read_picture(data: bytes, shape: Shape) -> npt.NDArray[np.uint8]:
    """A tile, uint8 of that shape, of an image file: its sections side by side, or as pages of a TIFF.

    Raises BadInput for what is no image, is too large, has other than 8-bit grey values, another size or number of sections,
    or is stored in a way that can take long to read.
    """
    if len(data) > most_bytes(shape):
        raise BadInput(
            f"the file has {len(data) / 2**20:.1f} MB, too large for a tile: at most {most_bytes(shape) / 2**20:.1f} MB are read"
        )
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        raise BadInput("WebP is not read here: save the picture as PNG or TIFF")
    try:
        with _DECODING, Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _tile(image, data, shape)
    except BadInput:
        raise
    except Exception as error:
        # Damaged files make the readers of the formats fail in many ways.
        raise BadInput("the file is no image that can be read here; give a PNG or TIFF") from error


def _tile(image: Image.Image, data: bytes, shape: Shape) -> npt.NDArray[np.uint8]:
    sections, height, width = shape
    # Pages that are needed, by the size of the first.
    needed = {(width, height): sections, (sections * width, height): 1}.get(image.size)
    pages = None if needed is None else _pages(image, sections)
    if pages is None or pages != needed:
        page_count = (
            "" if pages is None else f" on {pages} pages" if pages <= sections else f" on more than {sections} pages"
        )
        raise BadInput(
            f"the image has {image.width} x {image.height} pixels{page_count}; this dataset's tiles have {width} x {height} pixels and "
            f"{sections} sections: give them side by side, {sections * width} x {height} pixels, as this explorer's own tiles can be "
            f"downloaded, or as {sections} pages of a TIFF"
        )
    size, page_arrays = image.size, []
    for page in range(pages):
        image.seek(page)
        if image.size != size:
            raise BadInput(f"the pages of the image differ in size: {size} and {image.size} pixels")
        _check_storage(image, data)
        page_arrays.append(np.asarray(image.convert("L")))
    side_by_side = np.concatenate(page_arrays, axis=1)
    return np.ascontiguousarray(side_by_side.reshape(height, sections, width).transpose(1, 0, 2))


def _pages(image: Image.Image, most: int) -> int:
    """Number of pages; counting stops at one above `most`."""
    count = 1
    try:
        while count <= most:
            image.seek(count)
            count += 1
    except EOFError:
        pass
    image.seek(0)
    return count


def _check_storage(page: Image.Image, data: bytes) -> None:
    """Raises BadInput for a page that must not be decoded; only its header was read until now."""
    if page.info.get("progressive"):
        raise BadInput("progressive JPEG is not read here: save the picture as PNG or TIFF")
    if isinstance(page, TiffImageFile):
        if page.tag_v2.get(COMPRESSION, 1) not in _COMPRESSIONS:
            raise BadInput("this compression of TIFF is not read here: save it uncompressed, or with LZW or deflate")
        if max(page.tag_v2.get(TILEWIDTH, 0), page.tag_v2.get(TILELENGTH, 0)) > _LARGEST_TIFF_TILE_PX:
            raise BadInput(
                f"the TIFF is stored in tiles of more than {_LARGEST_TIFF_TILE_PX} pixels: save it in strips"
            )
    bits = _bits(page, data)
    if bits > 8:
        raise BadInput(
            f"the image has {bits} bits a channel; tiles have 8-bit grey values (0 to 255): convert it first"
        )


def _bits(page: Image.Image, data: bytes) -> int:
    """How many bits each value of a page has in the file: Pillow silently reduces colours from 16 to 8."""
    if isinstance(page, PngImageFile):
        if data[12:16] != b"IHDR":
            raise BadInput("the PNG does not begin with its header: save it anew")
        return data[_PNG_DEPTH_AT]
    if isinstance(page, TiffImageFile):
        return int(max(page.tag_v2.get(BITSPERSAMPLE, (1,))))
    return 8  # at most, in the other formats


class Uploads:
    """The pictures uploaded last, by a hash of their content."""

    def __init__(self) -> None:
        self._bytes = 0
        self._pictures: OrderedDict[str, npt.NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, picture: npt.NDArray[np.uint8]) -> str:
        """Keeps a picture; gives its name."""
        name = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()[:16]
        with self._lock:
            self._bytes += 0 if name in self._pictures else picture.nbytes
            self._pictures[name] = picture
            self._pictures.move_to_end(name)
            while len(self._pictures) > 1 and (len(self._pictures) > _KEPT or self._bytes > _KEPT_BYTES):
                self._bytes -= self._pictures.popitem(last=False)[1].nbytes
        return name

    def picture(self, name: str) -> npt.NDArray[np.uint8]:
        """A kept picture. Raises BadInput if it is not kept any more."""
        with self._lock:
            if name not in self._pictures:
                raise BadInput(
                    f"this uploaded picture is not kept any more (of all uploads at most the last {_KEPT}, and none when the server "
                    "is started anew): upload it again"
                )
            return self._pictures[name]
