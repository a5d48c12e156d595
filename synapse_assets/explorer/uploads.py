"""Pictures that people upload to search with: read carefully, kept in memory for a while, known by their content."""

import hashlib
import io
import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from synapse_assets.schema import BadInput

LARGEST_BYTES = 20 * 2**20
# Far above any tile: 64 sections of 2048 pixels squared would be refused for their number of bytes first.
_MOST_PIXELS = 64 * 2**20
_FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "WEBP")
_KEPT = 200
# Where a PNG says how many bits its values have.
_PNG_DEPTH_AT = 24


def read_picture(data: bytes, sections: int) -> npt.NDArray[np.uint8]:
    """A tile, uint8 (sections, height, width), of an image file: its sections side by side, or as pages of a TIFF.

    Raises BadInput for what is no image, is too large, has other than 8-bit grey values, or another number of sections.
    """
    if len(data) > LARGEST_BYTES:
        raise BadInput(
            f"the file has {len(data) / 2**20:.0f} MB; a tile is far smaller, at most {LARGEST_BYTES >> 20} MB are read"
        )
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            pages = getattr(image, "n_frames", 1)
            if image.width * image.height * pages > _MOST_PIXELS:
                raise BadInput(f"the image has {image.width} x {image.height} pixels on {pages} pages: that is no tile")
            if pages not in (1, sections):
                raise BadInput(f"the image has {pages} pages; the encoder of this dataset takes {sections} sections")
            size = image.size
            read = [_grey(page, size, _bits(page, data)) for page in ImageSequence.Iterator(image)]
    except BadInput:
        raise
    except Exception as error:
        # Damaged files make the readers of the formats fail in many ways.
        raise BadInput("the file is no image that can be read here; give a PNG or TIFF") from error
    if pages == sections:
        return np.stack(read)
    height, width = read[0].shape
    if width % sections or width // sections != height:
        raise BadInput(
            f"the image has {width} x {height} pixels; this dataset's tiles have {sections} sections: give them side by side, "
            f"{sections} squares in a row, as this explorer's own tiles can be downloaded, or as pages of a TIFF"
        )
    return np.ascontiguousarray(read[0].reshape(height, sections, height).transpose(1, 0, 2))


def _bits(page: Image.Image, data: bytes) -> int:
    """How many bits each value of a page has in the file: Pillow makes 8 of the 16 of colours without a word."""
    if isinstance(page, PngImageFile):
        return data[_PNG_DEPTH_AT]
    if isinstance(page, TiffImageFile):
        return int(max(page.tag_v2.get(BITSPERSAMPLE, (1,))))
    return 8  # at most, in the other formats


def _grey(page: Image.Image, size: tuple[int, int], bits: int) -> npt.NDArray[np.uint8]:
    if page.size != size:
        raise BadInput(f"the pages of the image differ in size: {size} and {page.size} pixels")
    if bits > 8:
        raise BadInput(
            f"the image has {bits} bits a channel; tiles have 8-bit grey values (0 to 255): convert it first"
        )
    return np.asarray(page.convert("L"))


class Uploads:
    """The pictures uploaded last, by a name that stands for their content."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, npt.NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, picture: npt.NDArray[np.uint8]) -> str:
        """Keeps a picture; gives its name."""
        name = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()[:16]
        with self._lock:
            self._pictures[name] = picture
            self._pictures.move_to_end(name)
            while len(self._pictures) > _KEPT:
                self._pictures.popitem(last=False)
        return name

    def picture(self, name: str) -> npt.NDArray[np.uint8]:
        """A kept picture. Raises BadInput if it is not kept any more."""
        with self._lock:
            if name not in self._pictures:
                raise BadInput(
                    f"this uploaded picture is not kept any more (of all uploads the last {_KEPT}, and none when the server is "
                    "started anew): upload it again"
                )
            return self._pictures[name]
