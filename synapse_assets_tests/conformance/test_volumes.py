"""One volume in every format and axis order that is claimed, and one expected cut.

Where a format can state axes, voxel size or scales, it does. What is particular to a format is tested in `volumes/`.
"""

import functools
import hashlib
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
from PIL import Image

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.volumes import open_volume, tile_hash
from synapse_assets_tests.volumes.conftest import (
    OFFSET,
    VOXEL_SIZE_NM,
    FolderHandler,
    served,
    write_array,
    write_by_cloud_volume,
    write_hdf5,
    write_kind,
    write_precomputed,
    zyx_values,
)

# In the middle, at a corner, beside an edge along each axis; x, y, z in voxels.
PLACES = np.array([[140, 70, 21], [100, 37, 11], [189, 70, 21], [140, 106, 21], [140, 70, 31]])
TILE = TileSpec(size_px=14, sections=4)
# The tiles of `PLACES` by the formula of the grey value, black outside; made once and written down.
EXPECTED = "f94dcd03a406de019172e8d26a8fda43f7cc7e5970e64d9d15015139a246c6fe"
HASH_OF_THE_FIRST = "4829163e211602e9b7d818dfda9e2cc6"
SHARE_INSIDE = [1.0, 1 / 8, 4 / 7, 4 / 7, 3 / 4]
Writer = Callable[[Path], VolumeSpec]


def spec_of(kind: str, url: Path | str, **fields: Any) -> VolumeSpec:
    given = {"voxel_size_nm": VOXEL_SIZE_NM, "offset_voxels": OFFSET, **fields}
    return VolumeSpec.model_validate({"kind": kind, "url": str(url), **given})


def add(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **content}))


def turned(order: str) -> npt.NDArray[np.uint8]:
    """The volume with its axes in that order; c and t are of length 1."""
    values = zyx_values().transpose(["zyx".index(axis) for axis in order if axis in "zyx"])
    for place, axis in enumerate(order):
        values = values if axis in "zyx" else np.expand_dims(values, place)
    return values


def array(folder: Path, driver: str, order: str) -> Path:
    write_array(folder, driver, turned(order), tuple(16 if axis in "zyx" else 1 for axis in order))
    return folder


def zarr3_named(folder: Path, order: str) -> VolumeSpec:
    values = turned(order)
    spec = {"driver": "zarr3", "kvstore": f"file://{folder}/", "metadata": {"dimension_names": list(order)}}
    ts.open(spec, dtype=ts.uint8, shape=values.shape, create=True).result()[...] = values
    return spec_of("zarr", folder, axis_order="xyz" if order.index("x") < order.index("z") else "zyx")


def n5_stated(folder: Path, order: str) -> VolumeSpec:
    array(folder, "n5", order)
    size = dict(zip("xyz", VOXEL_SIZE_NM, strict=True))
    add(folder / "attributes.json", axes=list(order), units=["nm"] * 3, resolution=[size[axis] for axis in order])
    return spec_of("n5", folder, axis_order=order)


def pyramid(folder: Path, version: str, inside: str, order: str, by_group: bool) -> VolumeSpec:
    """OME-NGFF: three scales, the position volume the second; by the group's url, or the array's."""
    driver = "zarr3" if version == "0.5" else "zarr"
    x, y, z = VOXEL_SIZE_NM
    datasets = []
    for level, factor in enumerate((0.5, 1, 2)):
        size = {"x": x * factor, "y": y * factor, "z": z, "c": 1, "t": 1}
        path = inside.format(level)
        if level == 1:
            array(folder / path, driver, order)
        else:
            write_array(folder / path, driver, np.zeros([4] * len(order), np.uint8), (4,) * len(order))
        scale = {"type": "scale", "scale": [size[axis] / (1000 if axis in "xyz" else 1) for axis in order]}
        datasets.append({"path": path, "coordinateTransformations": [scale]})
    axes = [{"name": a, "type": "space", "unit": "micrometer"} if a in "xyz" else {"name": a} for a in order]
    said = {"multiscales": [{"version": version, "axes": axes, "datasets": datasets}]}
    if version == "0.5":
        add(folder / "zarr.json", zarr_format=3, node_type="group", attributes={"ome": {"version": "0.5", **said}})
    else:
        add(folder / ".zgroup", zarr_format=2)
        add(folder / ".zattrs", **said)
    axis_order = "xyz" if order.index("x") < order.index("z") else "zyx"
    return spec_of("zarr", folder if by_group else folder / inside.format(1), axis_order=axis_order)


def n5_viewer(folder: Path, how: str) -> VolumeSpec:
    x, y, z = VOXEL_SIZE_NM
    write_array(folder / "s0", "n5", np.zeros((4, 4, 4), np.uint8), (4, 4, 4))
    array(folder / "s1", "n5", "xyz")
    finest = {"dimensions": [x / 2, y / 2, z], "unit": "nm"}
    if how == "arrays":
        for name, factors in (("s0", [1, 1, 1]), ("s1", [2, 2, 1])):
            add(folder / name / "attributes.json", pixelResolution=finest, downsamplingFactors=factors)
    elif how == "group":
        add(folder / "attributes.json", pixelResolution=finest, scales=[[1, 1, 1], [2, 2, 1]])
    else:
        levels = [("s0", [z, y / 2, x / 2]), ("s1", [z, y, x])]
        said = [{"path": p, "transform": {"axes": [*"zyx"], "scale": s, "units": ["nm"] * 3}} for p, s in levels]
        add(folder / "attributes.json", multiscales=[{"datasets": said}])
    return spec_of("n5", folder, axis_order="xyz")


def sections(folder: Path, names: list[str], suffix: str, **options: Any) -> VolumeSpec:
    folder.mkdir()
    for name, section in zip(names, zyx_values(), strict=True):
        path = folder / f"{name}{suffix}"
        if suffix == ".png" or options.get("compression") in ("tiff_lzw", "packbits"):
            Image.fromarray(section).save(path, **options)
        else:
            tifffile.imwrite(path, section, **options)
    return spec_of("images", folder)


def numbered(pattern: str, step: int = 1, first: int = 0) -> list[str]:
    return [pattern.format(first + step * i) for i in range(21)]


WAFERS = [f"w{i // 8 + 1:02d}_s{i % 8 + 1:03d}" for i in range(21)]
DATED = [f"sec{i + 1:03d}_202103{4 + i // 5:02d}" for i in range(21)]


def stack(folder: Path, **options: Any) -> VolumeSpec:
    folder.mkdir()
    if str(options.get("compression", "")).startswith("tiff"):
        first, *others = (Image.fromarray(section) for section in zyx_values())
        first.save(folder / "em.tif", save_all=True, append_images=others, **options)
    else:
        tifffile.imwrite(folder / "em.tif", zyx_values(), **options)
    return spec_of("images", folder / "em.tif")


def hdf5(folder: Path, **options: Any) -> VolumeSpec:
    spec = write_hdf5(folder / "em.h5", zyx_values(), **options)
    with h5py.File(spec.url, "a") as file:
        file["volumes/raw"].attrs["element_size_um"] = [v / 1000 for v in VOXEL_SIZE_NM[::-1]]
    return spec


def kind(name: str) -> Writer:
    return lambda folder: write_kind(name, folder)


FORMATS: dict[str, Writer] = {
    # neuroglancer precomputed
    "precomputed raw": kind("precomputed"),
    "precomputed png": kind("precomputed png"),
    "precomputed sharded": kind("precomputed sharded"),
    "precomputed gzip on disk": lambda f: write_by_cloud_volume(f, "gzip"),
    "precomputed brotli on disk": lambda f: write_by_cloud_volume(f, "br"),
    "precomputed through cloud-volume": kind("precomputed by cloud-volume"),
    # zarr
    **{
        f"zarr 2 {order}": lambda f, o=order: spec_of("zarr", array(f, "zarr", o), axis_order=o)
        for order in ("zyx", "xyz")
    },
    "zarr 2 czyx": lambda f: spec_of("zarr", array(f, "zarr", "czyx")),
    "zarr 2 xyzc": lambda f: spec_of("zarr", array(f, "zarr", "xyzc"), axis_order="xyz"),
    **{
        f"zarr 3 {order}": lambda f, o=order: spec_of("zarr", array(f, "zarr3", o), axis_order=o)
        for order in ("zyx", "xyz")
    },
    **{
        f"zarr 3 named {order}": lambda f, o=order: zarr3_named(f, o)
        for order in ("zyx", "xyz", "czyx", "zyxc", "tczyx", "xyzc", "zcyx")
    },
    **{
        f"OME {version} {order} by {'group' if by_group else 'array'}": lambda f, v=version, o=order, b=by_group: (
            pyramid(f, v, "s{}", o, b)
        )
        for version in ("0.4", "0.5")
        for order in ("zyx", "tczyx", "xyz")
        for by_group in (True, False)
    },
    "OME 0.5 of nested arrays": lambda f: pyramid(f, "0.5", "scale{}/image", "zyx", False),
    # N5
    **{f"n5 {order}": lambda f, o=order: spec_of("n5", array(f, "n5", o), axis_order=o) for order in ("zyx", "xyz")},
    **{f"n5 stated {order}": lambda f, o=order: n5_stated(f, o) for order in ("zyx", "xyz")},
    "n5 xyzc": lambda f: spec_of("n5", array(f, "n5", "xyzc"), axis_order="xyz"),
    **{f"n5-viewer, {how}": lambda f, h=how: n5_viewer(f, h) for how in ("arrays", "group", "COSEM")},
    # HDF5
    "hdf5 plain": hdf5,
    "hdf5 gzip": lambda f: hdf5(f, chunks=(8, 16, 32), compression="gzip"),
    "hdf5 lzf": lambda f: hdf5(f, chunks=(8, 16, 32), compression="lzf", shuffle=True),
    # sections
    "tiff plain": lambda f: sections(f, numbered("s{}", first=8), ".tif"),
    "tiff deflate": lambda f: sections(f, numbered("{:03d}"), ".tif", compression="zlib", predictor=True),
    "tiff tiled": lambda f: sections(f, numbered("{:03d}"), ".tiff", compression="zlib", tile=(16, 16)),
    "tiff lzw": lambda f: sections(f, numbered("{:03d}"), ".TIF", compression="tiff_lzw"),
    "tiff packbits": lambda f: sections(f, numbered("{:03d}"), ".tif", compression="packbits"),
    "png": lambda f: sections(f, numbered("{:03d}"), ".png"),
    "numbers in nm": lambda f: sections(f, numbered("em_z{:05d}", 40), ".png"),
    "numbers of wafers": lambda f: sections(f, WAFERS, ".png"),
    "numbers and dates": lambda f: sections(f, DATED, ".png"),
    # stacks
    "stack plain": stack,
    "stack of ImageJ": lambda f: stack(f, imagej=True),
    "stack big": lambda f: stack(f, bigtiff=True, tile=(16, 16), compression="zlib", photometric="minisblack"),
    "stack lzw": lambda f: stack(f, compression="tiff_lzw"),
    "stack appended": kind("stack appended"),
}
SERVED = (
    "precomputed raw",
    "precomputed sharded",
    "zarr 2 zyx",
    "zarr 3 named xyz",
    "OME 0.4 zyx by group",
    "n5 stated xyz",
)


def cut(spec: VolumeSpec) -> tuple[npt.NDArray[np.uint8], list[float]]:
    points_nm = (PLACES + 0.5) * np.array(VOXEL_SIZE_NM)
    tiles = np.zeros((len(PLACES), TILE.sections, TILE.size_px, TILE.size_px), np.uint8)
    share = np.zeros(len(PLACES))
    for batch in open_volume(spec).read_tiles(points_nm, TILE):
        tiles[batch.indices], share[batch.indices] = batch.tiles, batch.valid_fraction
    return tiles, share.tolist()


def check(spec: VolumeSpec) -> None:
    tiles, share = cut(spec)
    assert share == pytest.approx(SHARE_INSIDE)
    assert hashlib.sha256(tiles.tobytes()).hexdigest() == EXPECTED
    assert tile_hash(tiles[0]) == HASH_OF_THE_FIRST


@pytest.mark.parametrize("name", FORMATS)
def test_one_volume_in_every_format_gives_one_cut(name: str, tmp_path: Path) -> None:
    check(FORMATS[name](tmp_path / "em"))


@pytest.mark.parametrize("name", SERVED)
def test_the_same_over_http(name: str, tmp_path: Path) -> None:
    spec = FORMATS[name](tmp_path / "em")
    with served(functools.partial(FolderHandler, directory=tmp_path)) as address:
        check(spec.model_copy(update={"url": spec.url.replace(str(tmp_path), address)}))


def test_what_is_expected_is_what_the_formula_says() -> None:
    """By numpy alone: the tiles are slices of the volume within a black frame."""
    frame = 20
    framed = np.pad(zyx_values(), frame)
    tiles = []
    for x, y, z in PLACES - np.array(OFFSET) + frame:
        tiles.append(framed[z - 2 : z + 2, y - 7 : y + 7, x - 7 : x + 7])
    assert hashlib.sha256(np.stack(tiles).tobytes()).hexdigest() == EXPECTED


def test_jpeg_keeps_the_place_and_nearly_the_grey(tmp_path: Path) -> None:
    flat = np.full(zyx_values().shape, 90, np.uint8)
    flat[:, :, 40:] = 200  # from x = 140
    tiles, share = cut(write_precomputed(tmp_path / "em", flat, encoding="jpeg", chunk=(64, 64, 16)))
    assert share == pytest.approx(SHARE_INSIDE)
    assert np.abs(tiles[0, :, :, :7].astype(int) - 90).max() <= 12
    assert np.abs(tiles[0, :, :, 7:].astype(int) - 200).max() <= 12
