"""One scene, written in every kind of picture file, depth and order of channels, is read as the same pixels."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from synapse_assets.errors import BadInput
from synapse_assets.sources.pictures import read_picture

HEIGHT, WIDTH = 20, 30
Values = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def scene(dtype: type, channels: int) -> Values:
    """(channels, height, width); no two channels or corners alike."""
    return np.random.default_rng(channels).integers(0, np.iinfo(dtype).max, (channels, HEIGHT, WIDTH), dtype=dtype)


DEEP, SHALLOW = scene(np.uint16, 3), scene(np.uint8, 3)


def png(path: Path, samples: Values, colours: int) -> None:
    """A PNG as the specification has it, of `samples` (height, width, n): pillow writes no 16-bit colours."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    big = samples.astype(samples.dtype.newbyteorder(">"))
    # Filter 1: of each byte the one a pixel to the left is taken away.
    step = samples.shape[2] * samples.dtype.itemsize
    lines = np.frombuffer(big.tobytes(), np.uint8).reshape(samples.shape[0], -1)
    filtered = lines.copy()
    filtered[:, step:] -= lines[:, :-step]
    rows = b"".join(b"\x01" + line.tobytes() for line in filtered)
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 8 * samples.dtype.itemsize, colours, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def last(values: Values) -> Values:
    """Channels last, and an alpha channel beside them."""
    alpha = np.full((HEIGHT, WIDTH, 1), 7, values.dtype)
    return np.concatenate([np.moveaxis(values, 0, 2), alpha], axis=2)


def by_pillow(values: Values, **options: object) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values).save(path, **options)


def by_tifffile(values: Values, **options: object) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, values, **options)


GREY = {"photometric": "minisblack"}
# What is written, and the channels that are in it.
KINDS: dict[str, tuple[Callable[[Path], None], Values]] = {
    "grey8.png": (by_pillow(SHALLOW[0]), SHALLOW[:1]),
    "rgb8.png": (by_pillow(last(SHALLOW)[..., :3]), SHALLOW),
    "rgba8.png": (by_pillow(last(SHALLOW)), SHALLOW),
    "grey_alpha8.png": (lambda path: png(path, last(SHALLOW)[..., [0, 3]], 4), SHALLOW[:1]),
    "grey16.png": (by_pillow(DEEP[0]), DEEP[:1]),
    "rgb16.png": (lambda path: png(path, last(DEEP)[..., :3], 2), DEEP),
    "rgba16.png": (lambda path: png(path, last(DEEP), 6), DEEP),
    "grey_alpha16.png": (lambda path: png(path, last(DEEP)[..., [0, 3]], 4), DEEP[:1]),
    "grey8.tif": (by_tifffile(SHALLOW[0]), SHALLOW[:1]),
    "grey16.TIF": (by_tifffile(DEEP[0]), DEEP[:1]),
    "big_endian16.tif": (by_tifffile(DEEP[0], byteorder=">"), DEEP[:1]),
    "bigtiff16.tif": (by_tifffile(DEEP[0], bigtiff=True), DEEP[:1]),
    "deflate16.tif": (by_tifffile(DEEP[0], compression="zlib", predictor=True, rowsperstrip=7), DEEP[:1]),
    "tiled16.tif": (by_tifffile(DEEP[0], tile=(16, 16), compression="zlib"), DEEP[:1]),
    "lzw8.tif": (by_pillow(SHALLOW[0], compression="tiff_lzw"), SHALLOW[:1]),
    "lzw16.tif": (by_pillow(DEEP[0], compression="tiff_lzw"), DEEP[:1]),
    "lzw_rgb8.tif": (by_pillow(last(SHALLOW)[..., :3], compression="tiff_lzw"), SHALLOW),
    "packbits8.tif": (by_pillow(SHALLOW[0], compression="packbits"), SHALLOW[:1]),
    "rgb8.tif": (by_tifffile(last(SHALLOW)[..., :3], photometric="rgb"), SHALLOW),
    "rgb16.tif": (by_tifffile(last(DEEP)[..., :3], photometric="rgb"), DEEP),
    "rgba16.tif": (by_tifffile(last(DEEP), photometric="rgb", extrasamples=["unassalpha"]), DEEP),
    "planar16.tif": (by_tifffile(DEEP, photometric="rgb", planarconfig="separate"), DEEP),
    "planar_deflate16.tif": (
        by_tifffile(DEEP, photometric="rgb", planarconfig="separate", compression="zlib"),
        DEEP,
    ),
    "cyx16.tif": (by_tifffile(DEEP, metadata={"axes": "CYX"}, **GREY), DEEP),
    "yxc16.tif": (by_tifffile(np.moveaxis(DEEP, 0, 2), metadata={"axes": "YXC"}, **GREY), DEEP),
    "imagej16.tif": (by_tifffile(DEEP, imagej=True, metadata={"axes": "CYX"}), DEEP),
    "cyx16.ome.tif": (by_tifffile(DEEP, ome=True, metadata={"axes": "CYX"}, **GREY), DEEP),
    "deflate16.ome.tif": (by_tifffile(DEEP, ome=True, metadata={"axes": "CYX"}, compression="zlib", **GREY), DEEP),
    "one_section16.ome.tif": (by_tifffile(DEEP[:, None], ome=True, metadata={"axes": "CZYX"}, **GREY), DEEP),
    "rgb8.ome.tif": (by_tifffile(last(SHALLOW)[..., :3], ome=True, photometric="rgb"), SHALLOW),
    "white_is_zero16.tif": (by_tifffile(65_535 - DEEP[0], photometric="miniswhite"), DEEP[:1]),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_scene_is_the_same_from_every_kind_of_file(name: str, tmp_path: Path) -> None:
    write, expected = KINDS[name]
    write(tmp_path / name)
    picture = read_picture(tmp_path / name, range(len(expected)))
    assert (picture.file_channels, picture.pixels.dtype) == (len(expected), expected.dtype)
    np.testing.assert_array_equal(picture.pixels, expected)
    if len(expected) == 3:
        np.testing.assert_array_equal(read_picture(tmp_path / name, [2, 0, 5]).pixels, expected[[2, 0]])


def test_a_jpeg_is_nearly_the_scene(tmp_path: Path) -> None:
    smooth = np.linspace(0, 250, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.JPG", quality=95)
    grey = read_picture(tmp_path / "a.JPG", [0])
    assert grey.file_channels == 1
    assert abs(grey.pixels[0].astype(int) - smooth).max() <= 4
    Image.fromarray(np.stack([smooth, smooth.T.reshape(HEIGHT, WIDTH), smooth], axis=2)).save(tmp_path / "b.jpeg")
    assert read_picture(tmp_path / "b.jpeg", [0, 1, 2]).pixels.shape == (3, HEIGHT, WIDTH)


def test_palettes_become_colours_and_bits_become_black_and_white(tmp_path: Path) -> None:
    colours = np.array([[10, 20, 30], [200, 0, 5], [0, 255, 9]], np.uint8)
    numbers = np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)
    palette = Image.fromarray(numbers, mode="P")
    palette.putpalette(colours.tobytes())
    palette.save(tmp_path / "a.png")
    table = np.zeros((3, 256), np.uint16)
    table[:, :3] = colours.T.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", numbers, photometric="palette", colormap=table)
    for name in ("a.png", "a.tif"):
        picture = read_picture(tmp_path / name, [0, 1, 2])
        np.testing.assert_array_equal(np.moveaxis(picture.pixels, 0, 2), colours[numbers])
    bits = numbers > 1
    Image.fromarray(bits).save(tmp_path / "bits.png")
    tifffile.imwrite(tmp_path / "bits.tif", bits, **GREY)
    for name in ("bits.png", "bits.tif"):
        np.testing.assert_array_equal(read_picture(tmp_path / name, [0]).pixels[0], bits * np.uint8(255))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_it_is_to_be_seen(orientation: int, tmp_path: Path) -> None:
    """The eight ways by the words of the TIFF specification: where the first row and the first column of the file are."""
    stored = SHALLOW[0]
    seen = {
        1: stored,
        2: np.fliplr(stored),
        3: np.rot90(stored, 2),
        4: np.flipud(stored),
        5: stored.T,
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).T,
        8: np.rot90(stored, 1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    tifffile.imwrite(tmp_path / "a.tif", stored, extratags=[(274, 3, 1, orientation, True)])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_picture(tmp_path / name, [0]).pixels[0], seen)


@pytest.mark.parametrize(
    ("options", "pixel_nm"),
    [
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 0.325, "PhysicalSizeXUnit": "µm"}}, 325.0),
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 325, "PhysicalSizeXUnit": "nm"}}, 325.0),
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 3, "PhysicalSizeXUnit": "pixel"}}, None),
        ({"ome": True, "metadata": {"axes": "YX"}}, None),
        ({"imagej": True, "resolution": (1 / 0.325, 1 / 0.325), "metadata": {"unit": "micron"}}, 325.0),
        ({"imagej": True, "resolution": (2, 2), "metadata": {"unit": "pixel"}}, None),
        ({"resolution": (1e4 / 0.325, 1e4 / 0.325), "resolutionunit": "centimeter"}, 325.0),
        ({"resolution": (72, 72), "resolutionunit": "inch"}, None),
        ({"resolution": (3, 3), "resolutionunit": "none"}, None),
        ({}, None),
    ],
)
def test_a_scale_is_known_where_a_file_says_it_with_a_unit(
    options: dict[str, object], pixel_nm: float | None, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DEEP[0], **options)
    assert read_picture(tmp_path / "a.tif", [0]).pixel_nm == (pixel_nm and pytest.approx(pixel_nm, rel=1e-4))


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as error:
        read_picture(path, [0])
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("values", "options", "why"),
    [
        (DEEP, {"metadata": {"axes": "ZYX"}, **GREY}, "is a stack of 3 sections: save one of them"),
        (DEEP, {"imagej": True, "metadata": {"axes": "TYX"}}, "is a series of 3 times"),
        (scene(np.uint8, 5), GREY, "holds 5 pictures and does not say what they are: if they are channels"),
        (DEEP[0].astype(np.float32), {}, "holds float32 values: save it as unsigned 8 or 16 bit"),
        (DEEP[0].astype(np.int16), {}, "holds int16 values"),
        (DEEP[0].astype(np.uint32), {}, "holds uint32 values"),
        (np.stack([SHALLOW[0]] * 4, 2), {"photometric": "separated"}, "colours of the kind SEPARATED"),
        (
            np.stack([SHALLOW] * 2),
            {"photometric": "rgb", "planarconfig": "separate", "metadata": {"axes": "CSYX"}},
            "2 pictures of 3 colours",
        ),
    ],
)  # fmt: skip
def test_a_tiff_that_is_no_single_picture_is_refused(
    values: Values, options: dict[str, object], why: str, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    assert why in refused(tmp_path / "a.tif")


def test_several_pictures_in_a_file_are_refused_and_a_smaller_copy_is_not(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.tif") as writer:
        writer.write(SHALLOW[0])
        writer.write(SHALLOW[0][:9])
    assert "holds 2 pictures of different sizes" in refused(tmp_path / "two.tif")
    with tifffile.TiffWriter(tmp_path / "thumb.tif") as writer:
        writer.write(SHALLOW[0])
        writer.write(SHALLOW[0][::2, ::2].copy(), subfiletype=1)
    np.testing.assert_array_equal(read_picture(tmp_path / "thumb.tif", [0]).pixels, SHALLOW[:1])
    frames = [Image.fromarray(plane) for plane in SHALLOW]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert "holds 3 pictures" in refused(tmp_path / "a.png")


def test_colours_for_a_printer_are_refused(tmp_path: Path) -> None:
    Image.fromarray(last(SHALLOW), mode="CMYK").save(tmp_path / "a.jpg")
    assert "colours for a printer (CMYK)" in refused(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "name", ["grey8.png", "rgb16.png", "grey16.TIF", "deflate16.tif", "cyx16.ome.tif", "lzw16.tif"]
)
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    KINDS[name][0](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for part in (whole[: len(whole) // 2], whole[: -len(whole) // 3], whole[:6], b"no picture at all", b""):
        (tmp_path / name).write_bytes(part)
        refused(tmp_path / name)


def test_a_small_file_of_a_huge_picture_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    png(tmp_path / "a.png", SHALLOW[0][..., None], 0)
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", 100_000, 100_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    assert "larger than a picture may be" in refused(tmp_path / "a.png")

    tifffile.imwrite(tmp_path / "wide.tif", SHALLOW[0], compression="zlib")
    with tifffile.TiffFile(tmp_path / "wide.tif", mode="r+") as tiff:
        tiff.pages[0].tags["ImageWidth"].overwrite(100_000_000)
    assert "more than the 268,435,456 of the largest picture" in refused(tmp_path / "wide.tif")


def test_a_strip_that_unpacks_to_more_than_its_part_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", SHALLOW[0], compression="zlib")
    bomb = zlib.compress(bytes(1 << 24), 9)
    end = (tmp_path / "a.tif").stat().st_size
    with (tmp_path / "a.tif").open("ab") as stream:
        stream.write(bomb)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[0].tags["StripOffsets"].overwrite(end)
        tiff.pages[0].tags["StripByteCounts"].overwrite(len(bomb))
    assert "unpacks to more than its picture" in refused(tmp_path / "a.tif")


def test_false_colours_of_imagej_are_no_colours(tmp_path: Path) -> None:
    table = np.zeros((3, 256), np.uint16)
    table[1] = np.arange(256) * 257
    tifffile.imwrite(
        tmp_path / "green.tif",
        SHALLOW[0],
        photometric="palette",
        colormap=table,
        description="ImageJ=1.54f\nunit=micron\n",
        metadata=None,
    )
    picture = read_picture(tmp_path / "green.tif", [0])
    assert picture.file_channels == 1
    np.testing.assert_array_equal(picture.pixels, SHALLOW[:1])
