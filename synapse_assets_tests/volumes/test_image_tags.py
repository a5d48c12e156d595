"""TIFF and PNG tags that change what a pixel means: one rule for every compression, or a refusal that names the tag."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from synapse_assets.datasets import VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import open_volume

Grey = npt.NDArray[np.uint8]
PICTURE: Grey = ((np.arange(48)[:, None] * 5 + np.arange(64) * 3) % 251).astype(np.uint8)
# By what writes it: tifffile has deflate and no compression, pillow all.
COMPRESSIONS = (None, "tiff_adobe_deflate", "tiff_deflate", "tiff_lzw", "packbits")


def write_tiff(path: Path, compression: str | None, picture: Grey = PICTURE, **tags: int) -> Path:
    """A TIFF of one strip, with those tags instead of the usual ones."""
    numbers = {"photometric": 262, "orientation": 274, "fill_order": 266, "predictor": 317, "subfile_type": 254}
    info = {
        numbers[name]: value for name, value in tags.items() if name in ("orientation", "predictor", "subfile_type")
    }
    Image.fromarray(picture).save(
        path, compression=compression, tiffinfo={tag: value or 1 for tag, value in info.items()}
    )
    for name in tags.keys() - {"predictor", "subfile_type"}:
        set_tag(path, numbers[name], tags[name])
    return path


def set_tag(path: Path, code: int, value: int | None) -> None:
    """Overwrites the value of a tag of the first page, or with None its number."""
    with tifffile.TiffFile(path) as tiff:
        offset, order, kind = tiff.pages.first.tags[code].offset, tiff.byteorder, tiff.pages.first.tags[code].dtype
    content = bytearray(path.read_bytes())
    if value is None:
        struct.pack_into(f"{order}H", content, offset, 65000)
    else:
        struct.pack_into(f"{order}{'H' if kind == 3 else 'I'}", content, offset + 8, value)
    path.write_bytes(content)


def spec_of(url: Path) -> VolumeSpec:
    return VolumeSpec(kind="images", url=str(url), voxel_size_nm=(4, 4, 40))


def both_ways(path: Path) -> list[VolumeSpec]:
    """A TIFF as one section of a folder, and as a stack of one page."""
    return [spec_of(path.parent), spec_of(path)] if path.suffix != ".png" else [spec_of(path.parent)]


def values_of(spec: VolumeSpec) -> Grey:
    return np.asarray(open_volume(spec).array.store.read().result())[0]


def in_folder(tmp_path: Path, name: str = "0.tif") -> Path:
    (tmp_path / "em").mkdir()
    return tmp_path / "em" / name


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"photometric": 0}, "PhotometricInterpretation MinIsWhite: 0 is white"),
        ({"photometric": 4}, "PhotometricInterpretation MASK"),
        ({"photometric": 32803}, "PhotometricInterpretation CFA"),
        *(({"orientation": turn}, rf"Orientation tag is {turn}") for turn in (2, 3, 4, 5, 6, 7, 8)),
    ],
)
def test_what_a_tag_would_change_is_refused_by_name(
    compression: str | None, tags: dict[str, int], message: str, tmp_path: Path
) -> None:
    for spec in both_ways(write_tiff(in_folder(tmp_path), compression, **tags)):
        with pytest.raises(BadInput, match=message):
            values_of(spec)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    "tags", [{}, {"orientation": 1}, {"orientation": 0}, {"photometric": None}, {"subfile_type": 1}]
)
def test_what_changes_nothing_is_read_alike(compression: str | None, tags: dict[str, Any], tmp_path: Path) -> None:
    for spec in both_ways(write_tiff(in_folder(tmp_path), compression, **tags)):
        np.testing.assert_array_equal(values_of(spec), PICTURE)


def palette(how: str) -> Image.Image:
    image = Image.fromarray(PICTURE).convert("P")
    ramp = np.arange(256)
    colours = {
        "grey ramp": np.stack([ramp] * 3, axis=1),
        "inverted": np.stack([255 - ramp] * 3, axis=1),
        "fire": np.stack([np.minimum(2 * ramp, 255), ramp, ramp // 2], axis=1),
        "shuffled": np.stack([np.random.default_rng(0).permutation(256)] * 3, axis=1),
    }
    image.putpalette(colours[how].astype(np.uint8).tobytes())
    return image


@pytest.mark.parametrize("file", [*(f"tif {c}" for c in COMPRESSIONS), "png"])
@pytest.mark.parametrize("how", ["grey ramp", "inverted", "fire", "shuffled"])
def test_numbers_of_a_palette_are_grey_values_only_where_its_colours_are(how: str, file: str, tmp_path: Path) -> None:
    path = in_folder(tmp_path, f"0.{file[:3]}")
    image = palette(how)
    image.save(path, **({} if file == "png" else {"compression": None if "None" in file else file[4:]}))
    for spec in both_ways(path):
        if how == "grey ramp":
            np.testing.assert_array_equal(values_of(spec), np.asarray(image))
        else:
            with pytest.raises(BadInput, match=r"colours of a palette.*convert it to 8-bit grey"):
                values_of(spec)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: tifffile.imwrite(p, PICTURE.astype(np.int8)), "int8"),
        (lambda p: tifffile.imwrite(p, PICTURE.astype(np.uint16)), "uint16"),
        (lambda p: Image.fromarray(PICTURE > 99).save(p), "bool|1-bit"),
        (lambda p: write_4_bit(p), "4-bit values"),
        (
            lambda p: tifffile.imwrite(
                p, np.stack([PICTURE] * 2, -1), photometric="minisblack", extrasamples=["unassalpha"]
            ),
            "extract one channel",
        ),
        (lambda p: Image.fromarray(PICTURE).convert("LA").save(p), "extract one channel"),
        (lambda p: Image.fromarray(PICTURE).convert("RGBA").save(p, compression="tiff_lzw"), "extract one channel"),
        (
            lambda p: tifffile.imwrite(p, np.stack([PICTURE] * 3), photometric="rgb", planarconfig="separate"),
            "extract one channel",
        ),
        (lambda p: Image.fromarray(PICTURE).convert("YCbCr").save(p, compression="jpeg"), "extract one channel"),
        (lambda p: Image.fromarray(PICTURE).convert("CMYK").save(p), "extract one channel"),
    ],
)
def test_tiffs_of_other_samples_are_refused(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    write(path)
    for spec in both_ways(path):
        with pytest.raises(BadInput, match=message):
            values_of(spec)


def write_4_bit(path: Path) -> None:
    tifffile.imwrite(path, PICTURE[:, : PICTURE.shape[1] // 2])
    set_tag(path, 256, PICTURE.shape[1])
    set_tag(path, 258, 4)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("tile", [None, (16, 16), (128, 128)])
def test_a_predictor_is_undone(compression: str, tile: tuple[int, int] | None, tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    if tile is None:
        write_tiff(path, compression, predictor=2)
    elif compression == "tiff_lzw":
        pytest.skip("nothing here writes LZW in tiles")
    else:
        tifffile.imwrite(path, PICTURE, compression="zlib", predictor=True, tile=tile)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages.first.predictor == 2
    for spec in both_ways(path):
        np.testing.assert_array_equal(values_of(spec), PICTURE)


@pytest.mark.parametrize("options", [{"rowsperstrip": 7}, {"tile": (32, 16)}, {"rowsperstrip": 1}, {"byteorder": ">"}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_strips_and_tiles_are_put_together(compression: str | None, options: dict[str, Any], tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    tifffile.imwrite(path, PICTURE, compression=compression, **options)
    for spec in both_ways(path):
        np.testing.assert_array_equal(values_of(spec), PICTURE)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_reversed_bits_are_turned_back(compression: str | None, tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    write_tiff(path, compression)
    with tifffile.TiffFile(path) as tiff:
        (start,), (count,) = tiff.pages.first.dataoffsets, tiff.pages.first.databytecounts
    content = bytearray(path.read_bytes())
    turned = np.packbits(np.unpackbits(np.frombuffer(content[start : start + count], np.uint8), bitorder="little"))
    content[start : start + count] = turned.tobytes()
    path.write_bytes(content)
    # In place of the tag PlanarConfiguration, which has no meaning in one channel.
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.tags[284].offset
    struct.pack_into("<H", content, offset, 266)
    struct.pack_into("<H", content, offset + 8, 2)
    path.write_bytes(content)
    for spec in both_ways(path):
        np.testing.assert_array_equal(values_of(spec), PICTURE)


def test_pages_below_a_page_are_no_sections(tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    with tifffile.TiffWriter(path) as writer:
        writer.write(PICTURE, subifds=1, compression="zlib")
        writer.write(PICTURE[::2, ::2], subfiletype=1)
    for spec in both_ways(path):
        assert open_volume(spec).bounds_voxels[1].tolist() == [64, 48, 1]
        np.testing.assert_array_equal(values_of(spec), PICTURE)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photometric": "miniswhite"}, r"page 2 \(from 0\) has the PhotometricInterpretation MinIsWhite"),
        ({"extratags": [(274, "H", 1, 3, True)]}, r"page 2 \(from 0\) .*Orientation tag is 3"),
        ({"subfiletype": 1}, r"page 2 \(from 0\) is a reduced copy or a mask"),
    ],
)
def test_one_page_of_a_stack_that_is_meant_otherwise(
    compression: str | None, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = in_folder(tmp_path)
    with tifffile.TiffWriter(path) as writer:
        for number in range(5):
            meant = {"photometric": "minisblack", **(options if number == 2 else {})}
            writer.write(PICTURE, compression=compression, metadata=None, contiguous=False, **meant)
    with pytest.raises(BadInput, match=message):
        open_volume(spec_of(path))


def png(path: Path, mode: str = "L", **options: Any) -> Path:
    Image.fromarray(PICTURE).convert(mode).save(path, **options)
    return path


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(path: Path, name: bytes, content: bytes) -> Path:
    whole = path.read_bytes()
    head = 8 + 25  # signature and IHDR
    path.write_bytes(whole[:head] + chunk(name, content) + whole[head:])
    return path


def interlaced(path: Path) -> Path:
    """Adam7, which no library here writes."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = [b"\0" + row.tobytes() for y, x, dy, dx in passes for row in PICTURE[y::dy, x::dx]]
    head = struct.pack(">IIBBBBB", PICTURE.shape[1], PICTURE.shape[0], 8, 0, 0, 0, 1)
    content = zlib.compress(b"".join(rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b""))
    return path


PLAIN_PNG = {
    "plain": png,
    "gamma": lambda p: with_chunk(png(p), b"gAMA", struct.pack(">I", 45455)),
    "sRGB": lambda p: with_chunk(png(p), b"sRGB", b"\0"),
    "one grey is transparent": lambda p: png(p, transparency=int(PICTURE[0, 0])),
    "interlaced": interlaced,
    "text": lambda p: png(p, pnginfo=text()),
    "orientation 1": lambda p: png(p, exif=orientation(1)),
}


def text() -> PngInfo:
    info = PngInfo()
    info.add_text("Software", "a microscope")
    return info


def orientation(turn: int) -> bytes:
    exif = Image.Exif()
    exif[274] = turn
    return exif.tobytes()


@pytest.mark.parametrize("how", PLAIN_PNG)
def test_what_tells_how_to_show_a_png_changes_no_value(how: str, tmp_path: Path) -> None:
    path = PLAIN_PNG[how](in_folder(tmp_path, "0.png"))
    np.testing.assert_array_equal(values_of(spec_of(path.parent)), PICTURE)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: png(p, exif=orientation(6)), "Orientation tag is 6"),
        (lambda p: png(p, "LA"), "extract one channel"),
        (lambda p: png(p, "RGBA"), "extract one channel"),
        (lambda p: png(p, "RGB"), "extract one channel"),
        (lambda p: png(p, "1"), "mode 1"),
        (lambda p: Image.fromarray(PICTURE.astype(np.uint16)).save(p), "mode I;16"),
        (
            lambda p: png(p, save_all=True, append_images=[Image.fromarray(255 - PICTURE)]),
            r"has shape \(2, 48, 64\), but a section is one 2-D grey image",
        ),
    ],
)
def test_a_png_that_is_meant_otherwise_is_refused(write: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    path = in_folder(tmp_path, "0.png")
    write(path)
    with pytest.raises(BadInput, match=message):
        values_of(spec_of(path.parent))


# Small files that claim much


def huge_tile(path: Path) -> None:
    tifffile.imwrite(path, PICTURE, compression="zlib", tile=(64, 64))
    for code in (322, 323):
        set_tag(path, code, 60_000)


def long_strip(path: Path) -> None:
    tifffile.imwrite(path, PICTURE, compression="zlib")
    set_tag(path, 279, 2**32 - 1)


def long_plain_strip(path: Path) -> None:
    tifffile.imwrite(path, PICTURE, tile=(16, 16), metadata=None)
    with tifffile.TiffFile(path) as tiff:
        counts = tiff.pages.first.tags[325]
        where, kind = counts.valueoffset, counts.dtype
    content = bytearray(path.read_bytes())
    struct.pack_into("<H" if kind == 3 else "<I", content, where, 65535 if kind == 3 else 2**32 - 1)
    path.write_bytes(content)


def large_page(path: Path) -> None:
    write_tiff(path, "tiff_lzw")
    for code in (256, 257):
        set_tag(path, code, 60_000)


BOMBS = {
    "tile": (huge_tile, "in tiles of 60000 x 60000, far larger than itself"),
    "strip": (long_strip, "a strip or tile of it takes 4,294,967,295 bytes, but the file has"),
    "plain strip": (long_plain_strip, "a strip or tile of it takes .* bytes, but the file has"),
    "page": (large_page, r"is \(60000, 60000\) pixels"),
}


@pytest.mark.parametrize("how", BOMBS)
def test_a_small_file_that_claims_gigabytes_is_refused_with_one_sentence(how: str, tmp_path: Path) -> None:
    write, message = BOMBS[how]
    path = in_folder(tmp_path)
    write(path)
    for spec in both_ways(path):
        tracemalloc.start()
        with pytest.raises(BadInput, match=message):
            values_of(spec)
        assert tracemalloc.get_traced_memory()[1] < 50e6
        tracemalloc.stop()


def test_a_strip_that_unpacks_to_far_more_than_its_pixels_takes_only_those(tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    packer = zlib.compressobj(9)
    strip = packer.compress(PICTURE.tobytes())
    strip += b"".join(packer.compress(bytes(2**20)) for _ in range(200)) + packer.flush()
    shape = {"shape": PICTURE.shape, "dtype": np.uint8, "rowsperstrip": 48}
    tifffile.imwrite(path, iter([strip]), compression="zlib", **shape)
    assert path.stat().st_size < 1e6
    for spec in both_ways(path):
        tracemalloc.start()
        np.testing.assert_array_equal(values_of(spec), PICTURE)
        assert tracemalloc.get_traced_memory()[1] < 20e6
        tracemalloc.stop()


def test_a_strip_that_is_too_short_is_damaged(tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    shape = {"shape": PICTURE.shape, "dtype": np.uint8, "rowsperstrip": 48}
    tifffile.imwrite(path, iter([zlib.compress(PICTURE[:40].tobytes())]), compression="zlib", **shape)
    for spec in both_ways(path):
        with pytest.raises(BadInput, match="cannot be read: strip or tile 0 is cut off"):
            values_of(spec)
