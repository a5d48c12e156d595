"""The pixels of one picture file: TIFF, OME-TIFF, PNG or JPEG, of 8 or 16 bits, as `read_picture` gives them.

A value is what the file means by it: palettes become colours, white-is-zero is turned over, a picture that is to be turned is. Gamma
and colour profiles say how to display it and change nothing. Which channels are used, and whether the picture is any good, is decided
elsewhere.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from synapse_assets.errors import BadInput
from synapse_assets.sources.checks import existing_file
from synapse_assets.sources.tiff_pictures import ORIENTATION, Values, read_tiff, refuse_large, turned

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_START = b"\x89PNG\r\n\x1a\n"
# What the decoders raise for damaged files.
_DAMAGED = (
    ArithmeticError,
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


@dataclass(frozen=True)
class Picture:
    """One picture. pixels: uint8 or uint16 (channels, height, width), of those requested channels that the file has, in the order of
    the request. pixel_nm: side of a pixel along x in nanometres, where the file states it with a unit. file_channels: channels of
    the file, alpha not counted."""

    pixels: Values
    pixel_nm: float | None
    file_channels: int


def read_picture(path: str | Path, channels: Sequence[int]) -> Picture:
    """The picture at `path`, with those of `channels` (counted from 0) that it has; `file_channels` tells whether it has all.

    TIFF and OME-TIFF: axes YX, CYX or YXC, planar or interleaved. Grey, colours and palettes (which become colours) of PNG and JPEG.
    8-bit files give uint8, 16-bit files uint16, 1-bit files 0 and 255. Alpha is dropped, and EXIF and TIFF orientation applied.
    Raises BadInput naming the file: one that is damaged, no picture, of several sections, times or pictures, of numbers other than
    unsigned 8 or 16 bits, CMYK, or larger than 2^28 values.
    """
    file = existing_file(str(path))
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_PNG_START))
        if start.startswith(_TIFF_STARTS):
            values, pixel_nm = read_tiff(file)
        else:
            values, pixel_nm = _read_png_or_jpeg(file, start == _PNG_START), None
    except BadInput:
        raise
    except Image.DecompressionBombError as error:
        raise BadInput(f"{path} is larger than a picture may be: {error}; cut it into fields") from error
    except _DAMAGED as error:
        raise BadInput(
            f"{path} cannot be read: {_reason(error)}; copy it again, or save it again as TIFF or PNG"
        ) from error
    chosen = values[[channel for channel in channels if channel < len(values)]]
    return Picture(np.ascontiguousarray(chosen), pixel_nm, len(values))


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is neither TIFF, PNG nor JPEG, whatever its name says, or its beginning is damaged"
    return " ".join(str(error).split())[:200] or type(error).__name__


# PNG and JPEG --------------------------------------------------------------------------------------------------------------


def _read_png_or_jpeg(file: Path, is_png: bool) -> Values:
    with Image.open(file, formats=("PNG", "JPEG")) as image:
        refuse_large((len(image.getbands()), *image.size), file)
        if getattr(image, "n_frames", 1) > 1:
            raise BadInput(f"{file} holds {getattr(image, 'n_frames', 1)} pictures: save each as a file of its own")
        orientation = image.getexif().get(ORIENTATION, 1)
        values = _deep_colours(file) if is_png else None
        if values is None:
            values = _shallow(image, file)
    planes = values[None] if values.ndim == 2 else np.moveaxis(values, 2, 0)
    return turned(planes, orientation)


def _shallow(image: Image.Image, file: Path) -> Values:
    """The values of an open picture, without alpha: what Pillow keeps as it is in the file."""
    if image.mode == "P":
        return np.asarray(image.convert("RGB"))
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8) * np.uint8(255)
    if image.mode in ("LA", "RGBA"):
        return np.asarray(image)[..., :-1].squeeze() if image.mode == "LA" else np.asarray(image)[..., :3]
    if image.mode in ("L", "RGB"):
        return np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    meaning = "colours for a printer (CMYK)" if image.mode == "CMYK" else f"values of mode {image.mode}"
    raise BadInput(f"{file} holds {meaning}, from which no stain is read: save it as grey or RGB")


def _deep_colours(file: Path) -> Values | None:
    """The values (height, width, channels) of a PNG of 16-bit colours, or of 16-bit grey with alpha; None for any other.

    Pillow (13) has no mode for these and gives the upper 8 bits without a word. Told that a value's bytes come in the other order, it
    gives the lower 8, by the same decoder.
    """
    with file.open("rb") as stream:
        header = stream.read(26)
    depth, colours = header[24], header[25]
    if depth != 16 or colours not in (2, 4, 6):
        return None
    if colours == 4:
        # Grey and alpha, of two bytes each, are four bytes, as a pixel of RGBA has.
        parts = _unpacked(file, "RGBA").astype(np.uint16)
        return parts[..., 0] << 8 | parts[..., 1]
    kind = "RGB" if colours == 2 else "RGBA"
    upper, lower = (_unpacked(file, f"{kind};16{order}").astype(np.uint16) for order in "BL")
    return (upper << 8 | lower)[..., :3]


def _unpacked(file: Path, raw_mode: str) -> npt.NDArray[np.uint8]:
    with Image.open(file, formats=("PNG",)) as image:
        image.tile = [part._replace(args=raw_mode) for part in image.tile]
        return np.asarray(image)
