"""The values of a TIFF or OME-TIFF file: which of its numbers are the picture, and what they mean. The face of it is `pictures`."""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from synapse_assets.errors import BadInput

# A picture is unpacked as a whole; numbers in all of its channels together.
MOST_VALUES = 1 << 28
ORIENTATION = 274
# Resolutions below are for printers (72 dpi is 352,778 nm), which many programs write without being asked.
_LARGEST_PIXEL_NM = 10_000.0
_PHOTOMETRIC = 262
_DEFLATE = (8, 32946)
_ALPHA = (1, 2)  # of ExtraSamples: associated and unassociated
_TILE_VALUES = 1 << 26
_UNITS_NM = {
    "pm": 1e-3,
    "Å": 0.1,
    "nm": 1.0,
    "µm": 1e3,
    "μm": 1e3,
    "um": 1e3,
    "\\u00b5m": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "m": 1e9,
}

# uint8 or uint16.
Values: TypeAlias = npt.NDArray[Any]


def refuse_large(shape: Sequence[int], path: Path) -> None:
    """Raises BadInput where a picture of that shape has more than 2^28 values."""
    if math.prod(shape) > MOST_VALUES:
        raise BadInput(
            f"{path} is {tuple(shape)} values, more than the {MOST_VALUES:,} of the largest picture: cut it into fields"
        )


def turned(values: Values, orientation: object) -> Values:
    """`values` (channels, height, width) as they are to be seen, by TIFF's Orientation tag, which EXIF shares."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(1, 2)
    if orientation in (2, 3, 6, 7):
        values = values[:, :, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[:, ::-1]
    return values


def read_tiff(file: Path) -> tuple[Values, float | None]:
    """The values of a TIFF, uint8 or uint16 (channels, height, width) without alpha, and the side of a pixel in nanometres where the
    file states it with a unit.

    Raises BadInput for what is no single picture of unsigned 8 or 16 bits, and whatever tifffile and Pillow raise for damaged files.
    """
    with tifffile.TiffFile(file) as tiff:
        _refuse_torn(tiff, file)
        series = _only_series(tiff, file)
        page = series.keyframe
        _refuse_numbers(page, file)
        refuse_large(series.shape, file)
        arranged = _arrangement(series, file)
        values = series.asarray() if _lies_open(tiff, series, file) else _by_pillow(file, series)
        planes = arranged(values.reshape(series.shape))
        return turned(_meant(planes, tiff, page), page.tags.valueof(ORIENTATION, 1)), _pixel_nm(tiff, page)


def _refuse_torn(tiff: tifffile.TiffFile, file: Path) -> None:
    """Raises BadInput where a list of tags, or the next one that it names, lies beyond the end of the file, as in one that was copied
    in part: tifffile passes over that, and of a picture of three channels the first would be left."""
    form, stream, size = tiff.tiff, tiff.filehandle, file.stat().st_size
    at, seen = tiff.pages.first.offset, set()
    while at and at not in seen:
        seen.add(at)
        _refuse_short(at + form.tagnosize, size, file)
        stream.seek(at)
        (tags,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
        end = at + form.tagnosize + tags * form.tagsize
        _refuse_short(end + form.offsetsize, size, file)
        stream.seek(end)
        (at,) = struct.unpack(form.offsetformat, stream.read(form.offsetsize))


def _only_series(tiff: tifffile.TiffFile, file: Path) -> tifffile.TiffPageSeries:
    """The one picture of a file, beside smaller copies of it."""
    found = [series for series in tiff.series if not series.keyframe.is_reduced]
    if len(found) != 1:
        raise BadInput(
            f"{file} holds {len(found) or 'no'} pictures of different sizes or kinds: save each as a file of its own"
        )
    series = found[0]
    if series.is_multifile or any(page is None for page in series.pages):
        raise BadInput(f"{file} holds only a part of its picture, the rest lies in other files: save it as one file")
    return series


def _refuse_numbers(page: tifffile.TiffPage, file: Path) -> None:
    if str(page.dtype) not in ("uint8", "uint16", "bool") or page.bitspersample not in (1, 8, 16):
        held = (
            f"{page.bitspersample}-bit values" if page.bitspersample in (2, 4, 10, 12, 14) else f"{page.dtype} values"
        )
        raise BadInput(
            f"{file} holds {held}: save it as unsigned 8 or 16 bit, with one scale for all pictures (not stretched one by one)"
        )
    # Where the tag is absent, values are taken as they are.
    if _PHOTOMETRIC in page.tags and page.photometric not in (0, 1, 2, 3, 6):
        name = getattr(page.photometric, "name", page.photometric)
        raise BadInput(f"{file} holds colours of the kind {name}, from which no stain is read: save it as grey or RGB")


def _arrangement(series: tifffile.TiffPageSeries, file: Path) -> "_Arrangement":
    sizes = dict(zip(series.axes, series.shape, strict=True))
    for axis, size in sizes.items():
        if axis in "YXCS" or size == 1:
            continue
        if axis == "Z":
            raise BadInput(
                f"{file} is a stack of {size} sections: save one of them, or their projection, as a file of its own"
            )
        if axis == "T":
            raise BadInput(f"{file} is a series of {size} times: save each as a file of its own")
        raise BadInput(
            f"{file} holds {size} pictures and does not say what they are: if they are channels, save it with axes CYX (OME-TIFF), "
            "else each as a file of its own"
        )
    if not {"Y", "X"} <= set(sizes):
        raise BadInput(f"{file} has the axes {series.axes}: a picture has rows and columns (YX), and may have channels")
    if sizes.get("C", 1) > 1 and sizes.get("S", 1) > 1:
        raise BadInput(
            f"{file} holds {sizes['C']} pictures of {sizes['S']} colours each: save each as a file of its own"
        )
    return _Arrangement(series.axes, _colour_samples(series.keyframe) if "S" in sizes else None)


def _colour_samples(page: tifffile.TiffPage) -> list[int]:
    """The samples of a pixel that are not alpha."""
    count = page.samplesperpixel
    extra = tuple(page.extrasamples)
    return [sample for sample in range(count) if sample < count - len(extra) or extra[sample - count] not in _ALPHA]


@dataclass(frozen=True)
class _Arrangement:
    """From the axes of a file to (channels, height, width), without alpha."""

    axes: str
    samples: list[int] | None

    def __call__(self, values: Values) -> Values:
        if self.samples is not None:
            values = values.take(self.samples, axis=self.axes.index("S"))
        order = [self.axes.index(axis) for axis in self.axes if axis not in "YX"]
        values = values.transpose(*order, self.axes.index("Y"), self.axes.index("X"))
        return values.reshape(-1, *values.shape[-2:])


def _lies_open(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, file: Path) -> bool:
    """Whether tifffile reads the picture itself: uncompressed, or by deflate, of which it is checked that no part unpacks to more than
    belongs there. Raises BadInput for a file that ends before its picture does, and for tiles far larger than it."""
    page, size = series.keyframe, file.stat().st_size
    if page.is_tiled and page.tilewidth * page.tilelength > max(_TILE_VALUES, 2 * math.prod(page.shape)):
        raise BadInput(f"{file} has tiles far larger than its picture: save it again")
    if series.dataoffset is not None:
        _refuse_short(series.dataoffset + series.nbytes, size, file)
        return True
    for part in series.pages:
        for offset, count in zip(part.dataoffsets, part.databytecounts, strict=True):
            _refuse_short(offset + count, size, file)
    if page.compression not in (1, *_DEFLATE):
        return False
    if page.compression in _DEFLATE:
        largest = _part_bytes(page)
        for part in series.pages:
            for offset, count in zip(part.dataoffsets, part.databytecounts, strict=True):
                tiff.filehandle.seek(offset)
                unpacked = zlib.decompressobj().decompress(tiff.filehandle.read(count), largest + 1)
                if len(unpacked) > largest:
                    raise BadInput(f"{file} unpacks to more than its picture: save it again")
    return True


def _part_bytes(page: tifffile.TiffPage) -> int:
    """Bytes of a strip or tile, unpacked."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    high, wide = (
        (page.tilelength, page.tilewidth)
        if page.is_tiled
        else (min(page.rowsperstrip, page.imagelength), page.imagewidth)
    )
    return int(-(-wide * samples * page.bitspersample // 8) * high * max(1, page.imagedepth))


def _refuse_short(end: int, size: int, file: Path) -> None:
    if end > size:
        raise BadInput(f"{file} ends at {size:,} bytes, before its picture does ({end:,}): copy it again")


def _by_pillow(file: Path, series: tifffile.TiffPageSeries) -> Values:
    """The values of a picture whose compression libtiff has (LZW, JPEG, PackBits), in the shape of its pages."""
    page = series.keyframe
    odd = page.tags.valueof(ORIENTATION, 1) not in (0, 1) or _PHOTOMETRIC not in page.tags or page.photometric == 0
    colours = page.bitspersample == 16 and page.samplesperpixel > 1
    if odd or page.bitspersample == 1 or (colours and page.samplesperpixel != 3):
        name = getattr(page.compression, "name", page.compression)
        raise BadInput(
            f"{file} is compressed by {name} in a way that is not read: save it again without compression, or with deflate"
        )
    planes = []
    for part in series.pages:
        if colours:
            upper, lower = (_tiff_page(file, part.index, f"RGB;16{order}").astype(np.uint16) for order in "LB")
            planes.append(upper << 8 | lower)
        else:
            planes.append(_tiff_page(file, part.index, None))
    values = np.stack(planes)
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        values = np.moveaxis(values, -1, 1)
    if values.size != math.prod(series.shape) or values.dtype != page.dtype:
        raise BadInput(
            f"{file} is compressed in a way that is not read: save it again without compression, or with deflate"
        )
    return values


def _tiff_page(file: Path, index: int, raw_mode: str | None) -> Values:
    with Image.open(file, formats=("TIFF",)) as image:
        image.seek(index)
        if raw_mode is not None:  # as in `pictures._deep_colours`
            parts: list[Any] = image.tile
            image.tile = [part._replace(args=(raw_mode, *part.args[1:])) for part in parts]
        values = np.asarray(image)
        return values.astype(np.uint16) if image.mode.startswith("I;16") else values


def _meant(planes: Values, tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Values:
    """What the values of a TIFF mean: bits as 0 and 255, white-is-zero turned over, the colours of a palette.

    ImageJ writes the false colours that it shows a grey picture in as a palette: there the values stay.
    """
    if planes.dtype == np.bool_:
        planes = planes.astype(np.uint8) * np.uint8(255)
    if _PHOTOMETRIC in page.tags and page.photometric == 0:
        return np.iinfo(planes.dtype).max - planes
    if page.photometric == 3 and page.colormap is not None and len(planes) == 1 and not tiff.is_imagej:
        colours = page.colormap.astype(np.uint16)
        return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)[:, planes[0]]
    return planes


def _pixel_nm(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> float | None:
    """Side of a pixel along x, as OME's or ImageJ's metadata, or TIFF's resolution, say it with a unit; None where none does."""
    if tiff.is_ome:
        return _ome_pixel_nm(tiff.ome_metadata or "")
    across, below = page.tags.valueof("XResolution", (0, 1))
    if not across or not below:
        return None
    if tiff.is_imagej:
        unit = str((tiff.imagej_metadata or {}).get("unit", "")).strip()
        return _UNITS_NM[unit.casefold()] * below / across if unit.casefold() in _UNITS_NM else None
    unit_nm = {2: 2.54e7, 3: 1e7}.get(int(page.tags.valueof("ResolutionUnit", 2)))
    side_nm = unit_nm * below / across if unit_nm else None
    return side_nm if side_nm is not None and side_nm < _LARGEST_PIXEL_NM else None


def _ome_pixel_nm(text: str) -> float | None:
    for element in ElementTree.fromstring(text).iter():  # noqa: S314 -- expat bounds what entities expand to
        if element.tag.rpartition("}")[2] == "Pixels":
            size, unit = element.get("PhysicalSizeX"), element.get("PhysicalSizeXUnit", "µm")
            return float(size) * _UNITS_NM[unit] if size and unit in _UNITS_NM else None
    return None
