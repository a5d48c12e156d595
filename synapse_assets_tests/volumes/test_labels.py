"""Volumes of labels in every format: ids are exact, each chunk is read once, and what is no volume of ids is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
import tifffile
from cloudvolume import CloudVolume
from PIL import Image

from synapse_assets.datasets import LabelVolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import LabelVolume, open_labels
from synapse_assets.volumes._context import Retries
from synapse_assets_tests.volumes.conftest import (
    OFFSET,
    SHAPE,
    SHARDING,
    VOXEL_SIZE_NM,
    write_array,
    write_hdf5,
    write_precomputed,
)
from synapse_assets_tests.volumes.faulty_server import faulty_server

Values = npt.NDArray[Any]
QUICK = Retries(times=1, first_delay_s=0.01, longest_delay_s=0.02)
LARGE = 2**62 + 1  # a double has no odd number there


def ids(dtype: npt.DTypeLike, *, largest: int | None = None) -> Values:
    """Ids of voxels, axes z, y, x, neighbours different: odd numbers as large as the type allows, a fifth of them 0."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.uint64) for n in SHAPE[::-1]), indexing="ij")
    place = x + 91 * y + 7000 * z
    if np.dtype(dtype) == bool:
        return place % 5 > 2
    top = largest or min(int(np.iinfo(np.dtype(dtype)).max) - 1, LARGE)
    return np.where(place % 5 == 0, 0, top - place % min(top, 200_000)).astype(dtype)


def spec_of(kind: str, url: Path | str, **fields: Any) -> LabelVolumeSpec:
    given = {"voxel_size_nm": VOXEL_SIZE_NM, "offset_voxels": OFFSET, **fields}
    return LabelVolumeSpec.model_validate({"kind": kind, "url": str(url), **given})


def precomputed(folder: Path, values: Values, encoding: str = "raw", **options: Any) -> LabelVolumeSpec:
    write_precomputed(folder, values, encoding, **options)
    return spec_of("precomputed", folder, offset_voxels=None)


def zipped(folder: Path, values: Values) -> LabelVolumeSpec:
    CloudVolume.from_numpy(
        values.transpose(2, 1, 0),
        vol_path=f"file://{folder}",
        resolution=VOXEL_SIZE_NM,
        voxel_offset=OFFSET,
        chunk_size=(32, 16, 8),
        encoding="compressed_segmentation",
        layer_type="segmentation",
        compress="gzip",
        progress=False,
    )
    return spec_of("precomputed", folder, offset_voxels=None)


def array(driver: str, values: Values, folder: Path, order: str = "zyx") -> LabelVolumeSpec:
    turned = values.transpose(2, 1, 0) if order == "xyz" else values
    write_array(folder, driver, turned, (32, 16, 8) if order == "xyz" else (8, 16, 32))
    return spec_of("n5" if driver == "n5" else "zarr", folder, axis_order=order)


def hdf5(folder: Path, values: Values, **options: Any) -> LabelVolumeSpec:
    spec = write_hdf5(folder / "labels.h5", values, **options)
    with h5py.File(spec.url, "a") as file:
        file.move("volumes/raw", "volumes/labels/neuron_ids")
    return spec_of("hdf5", spec.url, offset_voxels=None)


def sections(folder: Path, values: Values, suffix: str, **options: Any) -> LabelVolumeSpec:
    folder.mkdir()
    for number, section in enumerate(values):
        path = folder / f"{number:02d}{suffix}"
        if suffix == ".png" or "pillow" in options:
            Image.fromarray(section).save(path, compression=options.get("pillow"))
        else:
            tifffile.imwrite(path, section, **options)
    return spec_of("images", folder)


def white_is_0(spec: LabelVolumeSpec) -> LabelVolumeSpec:
    """The same numbers in the files, which now say that they be shown the other way round, as masks of ImageJ do."""
    for path in Path(spec.url).iterdir():
        with tifffile.TiffFile(path, mode="r+") as tiff:
            tiff.pages.first.tags[262].overwrite(0)
    return spec


def palette(folder: Path) -> LabelVolumeSpec:
    """As segmentations are painted: the number is the object, the palette its colour."""
    folder.mkdir()
    for number, section in enumerate(ids(np.uint8)):
        picture = Image.frombytes("P", section.shape[::-1], section.tobytes())
        picture.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tobytes())
        picture.save(folder / f"{number:02d}.png")
    return spec_of("images", folder)


def stack(folder: Path, values: Values, **options: Any) -> LabelVolumeSpec:
    folder.mkdir()
    with tifffile.TiffWriter(folder / "labels.tif", byteorder=options.pop("byteorder", None)) as writer:
        for section in values if options.pop("appended", False) else [values]:
            writer.write(section, contiguous=False, photometric="minisblack", **options)
    return spec_of("images", folder / "labels.tif")


# By name: the type of the ids, and what writes them.
FORMATS: dict[str, tuple[npt.DTypeLike, Callable[[Path, Values], LabelVolumeSpec]]] = {
    "precomputed": (np.uint64, precomputed),
    "precomputed sharded": (np.uint64, lambda f, v: precomputed(f, v, sharding=SHARDING)),
    "compressed segmentation": (np.uint64, lambda f, v: precomputed(f, v, "compressed_segmentation")),
    "compressed segmentation of 32 bits": (np.uint32, lambda f, v: precomputed(f, v, "compressed_segmentation")),
    "compressed segmentation gzipped": (np.uint64, zipped),
    "precomputed png": (np.uint16, lambda f, v: precomputed(f, v, "png")),
    "zarr 2": (np.uint64, lambda f, v: array("zarr", v, f)),
    "zarr 2 mask": (np.bool_, lambda f, v: array("zarr", v, f)),
    "zarr 3 xyz": (np.int64, lambda f, v: array("zarr3", v, f, "xyz")),
    "n5 xyz": (np.uint32, lambda f, v: array("n5", v, f, "xyz")),
    "hdf5": (np.uint64, hdf5),
    "hdf5 gzip": (np.uint64, lambda f, v: hdf5(f, v, chunks=(8, 16, 32), compression="gzip")),
    "hdf5 big-endian": (">i8", lambda f, v: hdf5(f, v, chunks=(8, 16, 32))),
    "hdf5 mask": (np.bool_, hdf5),
    "png mask": (np.bool_, lambda f, v: sections(f, v, ".png")),
    "png": (np.uint8, lambda f, v: sections(f, v, ".png")),
    "png of 16 bits": (np.uint16, lambda f, v: sections(f, v, ".png")),
    "png palette": (np.uint8, lambda f, _: palette(f)),
    "tiff mask": (np.bool_, lambda f, v: sections(f, v, ".tif")),
    "tiff mask deflate": (np.bool_, lambda f, v: sections(f, v, ".tif", compression="zlib")),
    "tiff mask of a fax": (np.bool_, lambda f, v: sections(f, v, ".tif", pillow="group4")),
    "tiff mask of a fax, white is 0": (
        np.bool_,
        lambda f, v: white_is_0(sections(f, v, ".tif", pillow="group4")),
    ),
    "tiff lzw, white is 0": (np.uint8, lambda f, v: white_is_0(sections(f, v, ".tif", pillow="tiff_lzw"))),
    "tiff of 16 bits, lzw": (np.uint16, lambda f, v: sections(f, v, ".tif", pillow="tiff_lzw")),
    "tiff of 32 bits": (np.uint32, lambda f, v: sections(f, v, ".tif", byteorder=">")),
    "tiff of 32 bits, lzw": (np.int32, lambda f, v: sections(f, v, ".tif", pillow="tiff_lzw")),
    "tiff of 32 bits, predictor": (
        np.uint32,
        lambda f, v: sections(f, v, ".tif", compression="zlib", predictor=True, byteorder=">"),
    ),
    "tiff of 64 bits, tiled": (np.uint64, lambda f, v: sections(f, v, ".tif", compression="zlib", tile=(16, 32))),
    "stack": (np.uint64, stack),
    "stack big-endian": (np.uint32, lambda f, v: stack(f, v, byteorder=">")),
    "stack mask": (np.bool_, stack),
    "stack deflate": (np.int16, lambda f, v: stack(f, v, compression="zlib")),
    "stack appended": (np.uint32, lambda f, v: stack(f, v, appended=True)),
}


def truth(values: Values, voxels_xyz: Values) -> Values:
    """By numpy alone: the id of each voxel, 0 outside."""
    at = voxels_xyz - np.array(OFFSET)
    inside = ((at >= 0) & (at < SHAPE)).all(axis=1)
    x, y, z = np.where(inside[:, None], at, 0).T
    return np.where(inside, values[z, y, x].astype(np.uint64), np.uint64(0)).astype(np.int64)


def scattered(count: int = 400) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Points in nanometres, a third of them outside the volume, and their voxels."""
    rng = np.random.default_rng(7)
    voxels = rng.integers(np.array(OFFSET) - 12, np.array(OFFSET) + SHAPE + 12, (count, 3))
    return (voxels + rng.uniform(0.01, 0.99, voxels.shape)) * VOXEL_SIZE_NM, voxels


def opened(spec: LabelVolumeSpec) -> LabelVolume:
    return open_labels(spec, QUICK)


@pytest.mark.parametrize("name", FORMATS)
def test_ids_are_exact_in_every_format(name: str, tmp_path: Path) -> None:
    dtype, write = FORMATS[name]
    values = ids(dtype)
    volume = opened(write(tmp_path / "labels", values))
    assert [corner.tolist() for corner in volume.bounds_voxels] == [list(OFFSET), [100 + 90, 37 + 70, 11 + 21]]

    points_nm, voxels = scattered()
    at = volume.at(points_nm)
    assert at.dtype == np.int64
    np.testing.assert_array_equal(at, truth(values, voxels))

    low, high = np.array([95, 60, 15]), np.array([180, 110, 25])
    z, y, x = np.meshgrid(*(np.arange(a, b) for a, b in zip(low[::-1], high[::-1], strict=True)), indexing="ij")
    box = volume.read_box(low, high)
    assert (box.dtype, box.shape) == (np.uint64, (10, 50, 85))
    np.testing.assert_array_equal(box.ravel(), truth(values, np.stack([x, y, z], -1).reshape(-1, 3)))


@pytest.mark.parametrize(
    ("dtype", "largest_is_an_object"), [(np.uint64, False), (np.uint32, False), (np.uint16, True), (np.uint8, True)]
)
def test_the_largest_number_is_none_but_in_masks(
    dtype: npt.DTypeLike, largest_is_an_object: bool, tmp_path: Path
) -> None:
    """CREMI writes the largest number where there is no cleft; masks write 255 or 65535 where there is something."""
    top = np.iinfo(np.dtype(dtype)).max
    values = np.zeros((3, 4, 5), dtype)
    values[1, 2], values[2] = top, 7
    volume = opened(hdf5(tmp_path / "clefts", values))
    expected = np.where(values == top, top if largest_is_an_object else 0, values).astype(np.uint64)
    first, end = volume.bounds_voxels
    np.testing.assert_array_equal(volume.read_box(first, end), expected)
    points_nm = (np.array([[2, 2, 1], [2, 2, 2]]) + OFFSET + 0.5) * VOXEL_SIZE_NM
    assert volume.at(points_nm).tolist() == [int(top) if largest_is_an_object else 0, 7]


def test_an_id_that_no_table_holds_is_named(tmp_path: Path) -> None:
    values = ids(np.uint64)
    values[2, 3, 4], values[2, 3, 5] = 2**63 - 1, 2**63
    volume = opened(array("zarr", values, tmp_path / "labels"))
    point_nm = (np.array([[4, 3, 2]]) + OFFSET + 0.5) * VOXEL_SIZE_NM
    assert volume.at(point_nm).tolist() == [2**63 - 1]
    with pytest.raises(BadInput, match=r"holds the id 9223372036854775808, above 9223372036854775807 .* smaller ids"):
        volume.at(point_nm + np.array([VOXEL_SIZE_NM[0], 0, 0]))
    with pytest.raises(BadInput, match="holds the id 9223372036854775808"):
        volume.read_box(OFFSET, np.add(OFFSET, 8))


def test_a_negative_number_is_no_id(tmp_path: Path) -> None:
    values = ids(np.int32)
    values[2, 3, 4] = -1
    volume = opened(array("zarr3", values, tmp_path / "labels"))
    with pytest.raises(BadInput, match=r"holds the number -1, but ids are 0 \(nothing\) and above; write it with 0"):
        volume.read_box(OFFSET, np.add(OFFSET, 8))


def test_points_that_are_no_place_are_named_and_none_are_no_error(tmp_path: Path) -> None:
    volume = opened(precomputed(tmp_path / "labels", ids(np.uint64)))
    assert volume.at(np.empty((0, 3))).tolist() == []
    assert volume.at([[-1e9, 1e9, 0.0]]).tolist() == [0]
    with pytest.raises(BadInput, match=r"point 1 is \[nan, 0.0, 0.0\] nm"):
        volume.at([[0, 0, 0], [np.nan, 0, 0]])
    assert volume.read_box((500, 500, 500), (502, 503, 504)).tolist() == np.zeros((4, 3, 2)).tolist()
    assert volume.read_box(OFFSET, OFFSET).shape == (0, 0, 0)
    with pytest.raises(BadInput, match="one past its last, which is no smaller"):
        volume.read_box((5, 5, 5), (9, 4, 9))


def test_other_voxels_than_those_of_the_tissue_are_counted_by_their_own_size(tmp_path: Path) -> None:
    """A map of regions of 512 x 512 x 400 nm, by formula."""
    values = np.arange(1, 61, dtype=np.uint64).reshape(3, 4, 5)
    write_array(tmp_path / "regions", "zarr", values, (2, 2, 2))
    volume = opened(spec_of("zarr", tmp_path / "regions", voxel_size_nm=(512, 512, 400), offset_voxels=(-1, 0, 2)))
    points_nm = np.array(
        [[-512.0, 0, 800], [-0.01, 511.99, 1199.99], [0, 512, 1200], [2047, 2047, 1999], [2048, 0, 800]]
    )
    assert volume.at(points_nm).tolist() == [1, 1, 1 + 1 + 5 + 20, 60, 0]


# --- over the network ---------------------------------------------------------------------------------------------


def served(server: Any, values: Values, **fields: Any) -> LabelVolumeSpec:
    precomputed(server.folder / "volume", values, "compressed_segmentation")
    return spec_of("precomputed", server.url, offset_voxels=None, **fields)


def test_each_chunk_of_a_remote_volume_is_fetched_once(tmp_path: Path) -> None:
    values = ids(np.uint64)
    points_nm, voxels = scattered(2000)
    inside = ((voxels >= OFFSET) & (voxels < np.add(OFFSET, SHAPE))).all(axis=1)
    near = inside & (voxels[:, 0] < OFFSET[0] + 64)  # the first two of three columns of chunks
    with faulty_server(tmp_path) as server:
        volume = opened(served(server, values))
        np.testing.assert_array_equal(volume.at(points_nm[near]), truth(values, voxels[near]))
        assert len({tuple(v) for v in ((voxels[near] - OFFSET) // (32, 16, 8)).tolist()}) == len(server.requests) == 30
        assert {len(times) for times in server.requests.values()} == {1}


def test_an_absent_chunk_is_none_unless_it_has_to_be_there(tmp_path: Path) -> None:
    values = ids(np.uint64)
    points_nm, voxels = scattered()
    absent = ((voxels >= OFFSET) & (voxels < np.add(OFFSET, (32, 16, 8)))).all(axis=1)
    assert truth(values, voxels[absent]).any()
    with faulty_server(tmp_path) as server:
        spec = served(server, values)
        [chunk] = (tmp_path / "volume").glob("4*/100-132_37-53_11-19")
        chunk.unlink()
        values[:8, :16, :32] = 0
        np.testing.assert_array_equal(opened(spec).at(points_nm), truth(values, voxels))
        assert (opened(spec).read_box(OFFSET, np.add(OFFSET, SHAPE)) == values).all()
        strict = opened(spec.model_copy(update={"missing_chunks": "error"}))
        with pytest.raises(BadInput, match=r"voxels \[100, 37, 11\] to \[132, 53, 19\].*missing_chunks: black"):
            strict.at(points_nm)
        with pytest.raises(BadInput, match=r"voxels \[100, 37, 11\] to \[132, 53, 19\].*missing_chunks: black"):
            strict.read_box(OFFSET, np.add(OFFSET, SHAPE))


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (503, ConnectionError, "Run again later: nothing was stored"),
        ("slow", ConnectionError, "no answer within timeout_s = 0.3 seconds"),
        (
            "garbage",
            BadInput,
            r"voxels \[132, 53, 11\] to \[164, 69, 19\] .*damaged.*give a volume of labels without it",
        ),
        (403, BadInput, "may not be read"),
    ],
)
def test_what_fails_on_the_way_is_said(fault: int | str, error: type[Exception], words: str, tmp_path: Path) -> None:
    with faulty_server(tmp_path) as server:
        volume = opened(served(server, ids(np.uint64), timeout_s=0.3))
        server.fault, server.only = fault, "132-164_53-69_11-19"
        point_nm = (np.array([[140, 60, 12]]) + 0.5) * VOXEL_SIZE_NM
        with pytest.raises(error, match=words):
            volume.at(point_nm)
        with pytest.raises(error, match=words):
            volume.read_box((140, 60, 12), (142, 61, 13))
        assert volume.read_box((100, 37, 11), (110, 40, 19)).any()


# --- what is refused ----------------------------------------------------------------------------------------------


def floats(values: Values) -> Values:
    return values.astype(np.float32)


def picture(folder: Path, image: Image.Image, name: str = "00.png", **options: Any) -> LabelVolumeSpec:
    folder.mkdir()
    image.save(folder / name, **options)
    return spec_of("images", folder)


def four_bits(folder: Path) -> LabelVolumeSpec:
    """A grey PNG of four bits, which pillow does not write: header, one row of two pixels (1 and 2), end."""
    import struct
    import zlib

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    folder.mkdir()
    header = struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)
    content = part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0\x12")) + part(b"IEND", b"")
    (folder / "00.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return spec_of("images", folder)


def of_two_types(folder: Path) -> LabelVolumeSpec:
    spec = sections(folder, ids(np.uint16), ".tif")
    tifffile.imwrite(folder / "07.tif", ids(np.uint32)[7])
    return spec


def channels(folder: Path) -> LabelVolumeSpec:
    write_array(folder, "zarr", np.stack([BYTES] * 2), (1, 8, 16, 32))
    return spec_of("zarr", folder)


BYTES = ids(np.uint8)[:4, :5, :6]
REFUSED: dict[str, tuple[Callable[[Path], LabelVolumeSpec], str]] = {
    "zarr of floats": (
        lambda f: array("zarr", floats(BYTES), f),
        "values are float32, but a volume of labels holds whole numbers, .*convert it to unsigned integers",
    ),
    "n5 of floats": (lambda f: array("n5", floats(BYTES), f), "values are float32"),
    "precomputed of floats": (lambda f: precomputed(f, floats(BYTES)), "values are float32"),
    "hdf5 of floats": (
        lambda f: hdf5(f, floats(BYTES)),
        "holds float32, but a volume of labels .*the file holds 'volumes/labels/neuron_ids'",
    ),
    "tiff of floats": (lambda f: sections(f, floats(BYTES), ".tif"), "00.tif' holds float32"),
    "stack of floats": (lambda f: stack(f, floats(BYTES)), "it holds float32"),
    "bfloat16": (
        lambda f: array("zarr3", BYTES.astype(ts.bfloat16.numpy_dtype), f),
        "values are bfloat16, but a volume of labels",
    ),
    "two channels": (
        lambda f: channels(f),
        "at most further axes of length 1",
    ),
    "colours": (
        lambda f: picture(f, Image.fromarray(np.zeros((4, 5, 3), np.uint8))),
        r"has shape \(4, 5, 3\).* extract one channel",
    ),
    "jpeg": (
        lambda f: precomputed(f, BYTES, "jpeg"),
        "chunks are encoded as jpeg; raw, compressed_segmentation, png can be read",
    ),
    "tiff with jpeg": (
        lambda f: picture(f, Image.fromarray(BYTES[0]), "00.tif", compression="jpeg"),
        "compressed with JPEG, which may change labels: write it again with deflate",
    ),
    "four bits": (four_bits, "4-bit grey values, which readers stretch to 8 bits: write it again with 8 bits"),
    "scale that is not there": (
        lambda f: precomputed(f, BYTES).model_copy(update={"voxel_size_nm": (16.0, 16.0, 40.0)}),
        "no scale of voxel_size_nm 16x16x40; there are 8x10x40, 4x5x40: set voxel_size_nm to one of them",
    ),
    "hdf5 of other voxels": (
        lambda f: hdf5(f, BYTES).model_copy(update={"voxel_size_nm": (8.0, 8.0, 40.0)}),
        r"'resolution' is \[4.0, 5.0, 40.0\] nm \(xyz\), but voxel_size_nm is \[8.0, 8.0, 40.0\]",
    ),
    "other hdf5": (
        lambda f: hdf5(f, BYTES).model_copy(update={"dataset": "volumes/labels/clefts"}),
        "no dataset 'volumes/labels/clefts' in it; it holds 'volumes/labels/neuron_ids'",
    ),
    "graphene": (
        lambda _: spec_of("precomputed", "graphene://https://server/segmentation", offset_voxels=None),
        "a piece of a neuron, and which neuron that is changes",
    ),
    "nothing": (lambda f: spec_of("zarr", f / "nothing"), "there is no file or folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_ids_is_refused(name: str, tmp_path: Path) -> None:
    write, words = REFUSED[name]
    with pytest.raises(BadInput, match=f"(?s){words}"):
        open_labels(write(tmp_path / "labels"))


def test_sections_of_two_types_are_refused(tmp_path: Path) -> None:
    volume = opened(of_two_types(tmp_path / "labels"))
    assert volume.read_box(OFFSET, np.add(OFFSET, (4, 4, 7))).any()
    with pytest.raises(BadInput, match=r"section '07\.tif' holds uint32, but the first one uint16: make them one type"):
        volume.read_box(OFFSET, np.add(OFFSET, (4, 4, 8)))


# --- what is damaged ----------------------------------------------------------------------------------------------


def cut(path: Path, share: float = 0.6) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("name", ["hdf5 gzip", "stack"])
def test_a_file_that_is_cut_off_is_refused(name: str, tmp_path: Path) -> None:
    dtype, write = FORMATS[name]
    spec = write(tmp_path / "labels", ids(dtype))
    cut(Path(spec.url))
    with pytest.raises(BadInput, match="cut off"):
        open_labels(spec)


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("png mask", "03.png", "section '03.png' cannot be read"),
        ("tiff of 64 bits, tiled", "03.tif", "section '03.tif'"),
        ("compressed segmentation", "*/132-164_53-69_11-19", r"voxels \[132, 53, 11\] to \[164, 69, 19\].* damaged"),
        ("zarr 2", "0.1.1", r"voxels \[132, 53, 11\] to \[164, 69, 19\].* damaged"),
    ],
)
def test_a_damaged_chunk_is_named(name: str, file: str, words: str, tmp_path: Path) -> None:
    dtype, write = FORMATS[name]
    spec = write(tmp_path / "labels", ids(dtype))
    for path in (tmp_path / "labels").glob(file):
        cut(path)
    volume = opened(spec)
    with pytest.raises(BadInput, match=f"(?s){words}"):
        volume.at((np.array([[140, 60, 14]]) + 0.5) * VOXEL_SIZE_NM)
    with pytest.raises(BadInput, match=f"(?s){words}"):
        volume.read_box((140, 60, 14), (142, 61, 15))


# --- names --------------------------------------------------------------------------------------------------------


def with_properties(folder: Path, name: str, content: Any) -> LabelVolume:
    spec = precomputed(folder, BYTES)
    info = json.loads((folder / "info").read_text())
    (folder / "info").write_text(json.dumps({**info, "segment_properties": name}))
    if content is not None:
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "info").write_text(json.dumps(content))
    return opened(spec)


def test_a_precomputed_volume_may_name_its_ids(tmp_path: Path) -> None:
    inline = {
        "ids": ["1", str(2**60 + 1)],
        "properties": [
            {"id": "group", "type": "tags", "tags": ["x"], "values": [[0], []]},
            {"id": "label", "type": "label", "values": ["ME(R)", "left medulla"]},
        ],
    }
    content = {"@type": "neuroglancer_segment_properties", "inline": inline}
    assert with_properties(tmp_path / "a", "names", content).names() == {1: "ME(R)", 2**60 + 1: "left medulla"}
    inline["properties"] = inline["properties"][:1]
    assert with_properties(tmp_path / "b", "names", content).names() == {}
    assert opened(precomputed(tmp_path / "c", BYTES)).names() == {}
    assert opened(array("zarr", BYTES, tmp_path / "d")).names() == {}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("names", None, "lie in 'names/info', which is not there"),
        ("../names", None, "lie outside its folder and are not read; give names in the dataset"),
        (
            "names",
            {"inline": {"ids": ["1"], "properties": [{"type": "label", "values": []}]}},
            "does not hold the segment",
        ),
        ("names", {"inline": {"ids": ["one"], "properties": []}}, "does not hold the segment"),
        ("names", {"segments": {}}, "does not hold the segment properties"),
    ],
)
def test_names_that_cannot_be_read_are_an_error(name: str, content: Any, words: str, tmp_path: Path) -> None:
    volume = with_properties(tmp_path / "labels", name, content)
    with pytest.raises(BadInput, match=words):
        volume.names()


def test_what_a_volume_of_labels_may_say_is_checked() -> None:
    with pytest.raises(ValueError, match="reader cloud-volume is for precomputed volumes, not for zarr"):
        spec_of("zarr", "labels", reader="cloud-volume")
    with pytest.raises(ValueError, match="axis_order is for zarr and n5, not for hdf5"):
        spec_of("hdf5", "labels", axis_order="xyz")
    assert spec_of("hdf5", "labels").missing_chunks == "black"
    assert spec_of("hdf5", "labels").dataset == "volumes/labels/neuron_ids"
