"""What a file says of its axes, voxel size and scales is read and held against the dataset."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts

from synapse_assets.datasets import VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import open_volume
from synapse_assets_tests.volumes.conftest import OFFSET, VOXEL_SIZE_NM, write_array, zyx_values
from synapse_assets_tests.volumes.test_volume import TILE, check

CENTRE = np.array([[o + n // 2 for o, n in zip(OFFSET, (90, 70, 21), strict=True)]])
ZYX = ["z", "y", "x"]


def spec_of(kind: str, url: Path, **fields: Any) -> VolumeSpec:
    given = {"voxel_size_nm": VOXEL_SIZE_NM, "offset_voxels": OFFSET, **fields}
    return VolumeSpec.model_validate({"kind": kind, "url": str(url), **given})


def n5(folder: Path, order: str = "xyz", **attributes: Any) -> Path:
    """An N5 array with its dimensions in that order, and further attributes."""
    write_array(folder, "n5", zyx_values().transpose(["zyx".index(axis) for axis in order]), (16, 16, 16))
    add(folder / "attributes.json", **attributes)
    return folder


def zarr3(folder: Path, order: str = "zyx", names: list[str | None] | None = None, **attributes: Any) -> Path:
    values = zyx_values().transpose(["zyx".index(axis) for axis in order if axis in "zyx"])
    for i, axis in enumerate(order):
        values = values if axis in "zyx" else np.expand_dims(values, i)
    metadata = {"attributes": attributes, **({"dimension_names": names} if names else {})}
    spec = {"driver": "zarr3", "kvstore": f"file://{folder}/", "metadata": metadata}
    ts.open(spec, dtype=ts.uint8, shape=values.shape, create=True).result()[...] = values
    return folder


def zarr2(folder: Path, order: str = "zyx", **attributes: Any) -> Path:
    write_array(folder, "zarr", zyx_values().transpose(["zyx".index(axis) for axis in order]), (16, 16, 16))
    if attributes:
        (folder / ".zattrs").write_text(json.dumps(attributes))
    return folder


def add(path: Path, **attributes: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **attributes}))


def ome(
    scales: dict[str, list[float]], unit: str | None = "nanometer", axes: list[str] | None = None, **image: Any
) -> list[dict[str, Any]]:
    """OME-NGFF multiscales with the scale of each path, in the order of `axes`."""
    space = {"type": "space", **({"unit": unit} if unit else {})}
    return [
        {
            "version": "0.4",
            "axes": [{"name": a, **(space if a in "xyz" else {"type": "channel"})} for a in axes or ZYX],
            "datasets": [
                {"path": path, "coordinateTransformations": [{"type": "scale", "scale": scale}]}
                for path, scale in scales.items()
            ],
            **image,
        }
    ]


def pyramid(folder: Path, version: str, multiscales: list[dict[str, Any]], chosen: str, order: str = "zyx") -> Path:
    """A group whose array `chosen` is the position volume, and its other arrays black."""
    for dataset in multiscales[0]["datasets"]:
        array = folder / dataset["path"]
        if dataset["path"] == chosen:
            (zarr2 if version == "0.4" else zarr3)(array, order)
        else:
            write_array(array, "zarr" if version == "0.4" else "zarr3", np.zeros((5, 30, 40), np.uint8), (5, 16, 16))
    if version == "0.4":
        add(folder / ".zgroup", zarr_format=2)
        add(folder / ".zattrs", multiscales=multiscales)
    else:
        attributes = {"ome": {"version": "0.5", "multiscales": multiscales}}
        add(folder / "zarr.json", zarr_format=3, node_type="group", attributes=attributes)
    return folder


AXES_CONTRADICTED = {
    "n5 axes": lambda f: spec_of("n5", n5(f, axes=["x", "y", "z"])),
    "n5 axes, capitals": lambda f: spec_of("n5", n5(f, axes=["X", "Y", "Z"])),
    "n5 axes the other way": lambda f: spec_of("n5", n5(f, "zyx", axes=ZYX), axis_order="xyz"),
    "n5 axes in part": lambda f: spec_of("n5", n5(f, axes=["x", "", ""])),
    "zarr 3 names": lambda f: spec_of("zarr", zarr3(f, "xyz", ["x", "y", "z"])),
    "zarr 3 names the other way": lambda f: spec_of("zarr", zarr3(f, "zyx", ["z", "y", "x"]), axis_order="xyz"),
    "zarr 3 names in part": lambda f: spec_of("zarr", zarr3(f, "xyz", ["x", None, None])),
    "zarr 3 names and a channel": lambda f: spec_of("zarr", zarr3(f, "cxyz", ["c", "x", "y", "z"])),
    "zarr 2, xarray's names": lambda f: spec_of("zarr", zarr2(f, "xyz", _ARRAY_DIMENSIONS=["x", "y", "z"])),
    "zarr 2, funlib's names": lambda f: spec_of("zarr", zarr2(f, "xyz", axis_names=["x", "y", "z"])),
    "OME 0.4": lambda f: spec_of(
        "zarr", pyramid(f, "0.4", ome({"0": [4, 5, 40]}, axes=["x", "y", "z"]), "0", "xyz") / "0"
    ),
    "OME 0.5": lambda f: spec_of(
        "zarr", pyramid(f, "0.5", ome({"0": [4, 5, 40]}, axes=["x", "y", "z"]), "0", "xyz") / "0"
    ),
    "OME 0.3": lambda f: spec_of(
        "zarr",
        pyramid(f, "0.4", [{"version": "0.3", "axes": ["x", "y", "z"], "datasets": [{"path": "0"}]}], "0", "xyz") / "0",
    ),
    "OME 0.4, by its group": lambda f: spec_of(
        "zarr", pyramid(f, "0.4", ome({"0": [4, 5, 40]}, axes=["x", "y", "z"]), "0", "xyz")
    ),
}


@pytest.mark.parametrize("case", AXES_CONTRADICTED)
def test_axes_that_the_file_contradicts_are_refused_and_the_advice_works(case: str, tmp_path: Path) -> None:
    spec = AXES_CONTRADICTED[case](tmp_path / "em")
    right = "zyx" if spec.axis_order == "xyz" else "xyz"
    said = rf"says that its axes are .*, but axis_order is {spec.axis_order}: write axis_order: {right} in the volume"
    with pytest.raises(BadInput, match=said):
        open_volume(spec)
    volume = open_volume(spec.model_copy(update={"axis_order": right}))
    check(volume, CENTRE, TILE)


@pytest.mark.parametrize("axis_order", ["zyx", "xyz"])
def test_axes_in_an_order_that_the_dataset_cannot_say(axis_order: str, tmp_path: Path) -> None:
    for name, array in (
        ("n5", n5(tmp_path / "n5", "yxz", axes=["y", "x", "z"])),
        ("zarr", zarr3(tmp_path / "z3", "yxz", ["y", "x", "z"])),
    ):
        with pytest.raises(
            BadInput, match=r"axes are y, x, z, but .*write the array again with its axes in the order z"
        ):
            open_volume(spec_of(name, array, axis_order=axis_order))


@pytest.mark.parametrize("order", ["czyx", "zyxc", "zcyx", "tczyx"])
def test_a_named_axis_of_length_one_may_lie_anywhere(order: str, tmp_path: Path) -> None:
    spec = spec_of("zarr", zarr3(tmp_path / "em", order, list(order)))
    volume = open_volume(spec)
    assert volume.remarks == ()
    check(volume, CENTRE, TILE)
    write_array(tmp_path / "two", "zarr3", np.stack([zyx_values()] * 2), (1, 16, 16, 16))
    path = tmp_path / "two/zarr.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "dimension_names": ["c", "z", "y", "x"]}))
    with pytest.raises(BadInput, match=r"\(axes c, z, y, x\).*extract one channel"):
        open_volume(spec_of("zarr", tmp_path / "two"))


N5 = {"axis_order": "xyz"}
OTHER_SIZE = {
    "n5 resolution": (lambda f: spec_of("n5", n5(f, resolution=[8, 10, 40]), **N5), "8 x 10 x 40 nm"),
    "n5 resolution and units": (
        lambda f: spec_of("n5", n5(f, resolution=[8, 10, 40], units=["nm"] * 3), **N5),
        "8 x 10 x 40 nm",
    ),
    "n5 micrometres": (
        lambda f: spec_of("n5", n5(f, resolution=[0.008, 0.005, 0.04], units=["um"] * 3, axes=["x", "y", "z"]), **N5),
        "8 x 5 x 40 nm",
    ),
    "n5 pixelResolution": (
        lambda f: spec_of("n5", n5(f, pixelResolution={"dimensions": [8, 10, 40], "unit": "nm"}), **N5),
        "8 x 10 x 40 nm",
    ),
    "n5 pixelResolution without unit": (
        lambda f: spec_of("n5", n5(f, pixelResolution=[3.36, 5, 40]), **N5),
        r"3.36 x 5 x 40 \(no unit\)",
    ),
    "n5 transform": (
        lambda f: spec_of("n5", n5(f, transform={"axes": ZYX, "scale": [40, 10, 8], "units": ["nm"] * 3}), **N5),
        "8 x 10 x 40 nm",
    ),
    "zarr 2 resolution": (lambda f: spec_of("zarr", zarr2(f, resolution=[40, 10, 8])), "8 x 10 x 40 nm"),
    "zarr 3 voxel_size": (
        lambda f: spec_of("zarr", zarr3(f, voxel_size=[0.04, 0.01, 0.008], units=["um"] * 3)),
        "8 x 10 x 40 nm",
    ),
    "zarr 3 units": (
        lambda f: spec_of("zarr", zarr3(f, dimension_units=["40 nm", "10 nm", "8 nm"])),
        "8 x 10 x 40 nm",
    ),
    "OME 0.4": (
        lambda f: spec_of("zarr", pyramid(f, "0.4", ome({"0": [40, 10, 8]}), "0") / "0"),
        "8 x 10 x 40 nm",
    ),
    "OME 0.4, micrometres": (
        lambda f: spec_of("zarr", pyramid(f, "0.4", ome({"0": [0.04, 0.01, 0.008]}, "micrometer"), "0") / "0"),
        "8 x 10 x 40 nm",
    ),
    "OME 0.5, scale of the image": (
        lambda f: spec_of(
            "zarr",
            pyramid(
                f,
                "0.5",
                ome({"0": [1, 1, 1]}, coordinateTransformations=[{"type": "scale", "scale": [40, 10, 8]}]),
                "0",
            )
            / "0",
        ),
        "8 x 10 x 40 nm",
    ),
    "OME 0.5, two folders up": (
        lambda f: spec_of(
            "zarr", pyramid(f, "0.5", ome({"scale0/image": [40, 10, 8]}), "scale0/image") / "scale0/image"
        ),
        "8 x 10 x 40 nm",
    ),
    "OME 0.4, no unit, other shape": (
        lambda f: spec_of("zarr", pyramid(f, "0.4", ome({"0": [30, 3, 3]}, None), "0") / "0"),
        r"3 x 3 x 30 \(no unit\)",
    ),
}


@pytest.mark.parametrize("case", OTHER_SIZE)
def test_another_voxel_size_than_the_files_is_refused_with_both(case: str, tmp_path: Path) -> None:
    write, said = OTHER_SIZE[case]
    spec = write(tmp_path / "em")
    with pytest.raises(
        BadInput, match=rf"{said} \(x, y, z\), but voxel_size_nm is \[4, 5, 40\]: write voxel_size_nm: \["
    ):
        open_volume(spec)


def test_the_voxel_size_that_is_advised_is_taken(tmp_path: Path) -> None:
    for case in ("n5 micrometres", "zarr 3 voxel_size", "OME 0.4, micrometres", "n5 pixelResolution without unit"):
        spec = OTHER_SIZE[case][0](tmp_path / case.replace(" ", "_"))
        with pytest.raises(BadInput) as refused:
            open_volume(spec)
        advised = json.loads(str(refused.value).split("write voxel_size_nm: ")[1].split(" in the volume")[0])
        assert open_volume(spec.model_copy(update={"voxel_size_nm": tuple(advised)})).remarks == ()


SAME_SIZE = {
    "n5 resolution": lambda f: spec_of("n5", n5(f, axes=["x", "y", "z"], resolution=[4, 5, 40]), **N5),
    "n5 micrometres": lambda f: spec_of(
        "n5", n5(f, axes=["x", "y", "z"], resolution=[0.004, 0.005, 0.04], units=["um"] * 3), **N5
    ),
    "n5 pixelResolution": lambda f: spec_of("n5", n5(f, pixelResolution={"dimensions": [0.004, 0.005, 0.04]}), **N5),
    "n5 transform, reversed axes": lambda f: spec_of(
        "n5", n5(f, transform={"axes": ZYX, "scale": [40, 5, 4], "units": ["nm"] * 3}), **N5
    ),
    "n5 not calibrated": lambda f: spec_of(
        "n5", n5(f, pixelResolution={"dimensions": [1, 1, 1], "unit": "pixel"}), **N5
    ),
    "n5 of z, y, x": lambda f: spec_of("n5", n5(f, "zyx", axes=ZYX, resolution=[40, 5, 4])),
    "zarr 2 resolution": lambda f: spec_of("zarr", zarr2(f, resolution=[40, 5, 4], _ARRAY_DIMENSIONS=ZYX)),
    "zarr 3 names without meaning": lambda f: spec_of("zarr", zarr3(f, names=["dim_0", "dim_1", "dim_2"])),
    "OME 0.4": lambda f: spec_of("zarr", pyramid(f, "0.4", ome({"0": [40, 5, 4]}), "0") / "0"),
    "OME 0.4, no unit": lambda f: spec_of("zarr", pyramid(f, "0.4", ome({"0": [0.04, 0.005, 0.004]}, None), "0") / "0"),
    "OME not calibrated": lambda f: spec_of("zarr", pyramid(f, "0.5", ome({"0": [1, 1, 1]}, None), "0") / "0"),
    "OME of another array": lambda f: spec_of("zarr", zarr2(pyramid(f, "0.4", ome({"0": [9, 9, 9]}), "0") / "raw")),
    "junk beside it": lambda f: spec_of("zarr", zarr2(f, resolution="fine", multiscales=7, units=3, offset=["?"])),
}


@pytest.mark.parametrize("case", SAME_SIZE)
def test_what_agrees_is_read_without_a_word(case: str, tmp_path: Path) -> None:
    volume = open_volume(SAME_SIZE[case](tmp_path / "em"))
    assert volume.remarks == ()
    check(volume, CENTRE, TILE)


REMARKED = {
    "n5 without axes": (lambda f: spec_of("n5", n5(f, "zyx")), "N5 array is mostly written .* write axis_order: xyz"),
    "OME factors": (
        lambda f: spec_of("zarr", pyramid(f, "0.4", ome({"1": [1, 2, 2]}, None), "1") / "1"),
        r"2 x 2 x 1 \(x, y, z\) of a unit that it does not name; voxel_size_nm is \[4, 5, 40\]",
    ),
    "unknown unit, same shape": (
        lambda f: spec_of("n5", n5(f, pixelResolution={"dimensions": [0.4, 0.5, 4], "unit": "px"}), **N5),
        "of a unit that it does not name",
    ),
    "rounded": (
        lambda f: spec_of("zarr", zarr2(f, resolution=[40, 5, 4.002])),
        r"4.002 x 5 x 40 nm .*at voxel 2,000 the two differ by a whole voxel",
    ),
    "translation": (
        lambda f: spec_of(
            "zarr",
            pyramid(
                f,
                "0.4",
                ome({"0": [40, 5, 4]}, coordinateTransformations=[{"type": "translation", "translation": [80, 50, 4]}]),
                "0",
            )
            / "0",
            offset_voxels=None,
        ),
        r"first voxel lies at 4 x 50 x 80 nm, .*offset_voxels: \[1, 10, 2\] in the volume",
    ),
    "funlib's offset": (
        lambda f: spec_of("zarr", zarr2(f, resolution=[40, 5, 4], offset=[440, 185, 400]), offset_voxels=None),
        r"write offset_voxels: \[100, 37, 11\]",
    ),
}


@pytest.mark.parametrize("case", REMARKED)
def test_what_the_files_leave_open_is_remarked(case: str, tmp_path: Path) -> None:
    write, said = REMARKED[case]
    (remark,) = open_volume(write(tmp_path / "em")).remarks
    assert re.search(said, remark), remark


def n5_viewer(folder: Path, how: str) -> Path:
    """s0 (black) at half the voxel size of s1, the position volume; dimensions x, y, z."""
    finest = {"dimensions": [2.0, 2.5, 40.0], "unit": "nm"}
    write_array(folder / "s0", "n5", np.zeros((40, 30, 5), np.uint8), (16, 16, 5))
    n5(folder / "s1")
    if how == "group":
        add(folder / "attributes.json", pixelResolution=finest, scales=[[1, 1, 1], [2, 2, 1]])
    elif how == "group factors":
        add(folder / "attributes.json", pixelResolution=finest, downsamplingFactors=[[1, 1, 1], [2, 2, 1]])
    elif how == "arrays":
        add(folder / "s0/attributes.json", pixelResolution=finest, downsamplingFactors=[1, 1, 1])
        add(folder / "s1/attributes.json", pixelResolution=finest, downsamplingFactors=[2, 2, 1])
    elif how == "arrays, micrometres without unit":
        for name, factors in (("s0", [1, 1, 1]), ("s1", [2, 2, 1])):
            add(folder / name / "attributes.json", pixelResolution=[0.002, 0.0025, 0.04], downsamplingFactors=factors)
    elif how == "factors of s1, resolution of s0":
        add(folder / "s0/attributes.json", pixelResolution=finest)
        add(folder / "s1/attributes.json", downsamplingFactors=[2, 2, 1])
    elif how == "each its own":
        add(folder / "s0/attributes.json", pixelResolution=finest)
        own = {"dimensions": [4.0, 5.0, 40.0], "unit": "nm"}
        add(folder / "s1/attributes.json", pixelResolution=own, downsamplingFactors=[2, 2, 1])
    elif how == "COSEM":
        levels = {"s0": [40, 2.5, 2], "s1": [40, 5, 4]}
        datasets = [
            {"path": path, "transform": {"axes": ZYX, "scale": scale, "translate": [0, 0, 0], "units": ["nm"] * 3}}
            for path, scale in levels.items()
        ]
        add(folder / "attributes.json", multiscales=[{"name": "em", "datasets": datasets}])
    return folder


N5_VIEWERS = (
    "group",
    "group factors",
    "arrays",
    "arrays, micrometres without unit",
    "factors of s1, resolution of s0",
    "each its own",
    "COSEM",
)


@pytest.mark.parametrize("how", N5_VIEWERS)
def test_the_voxel_size_chooses_the_scale_of_an_n5_pyramid(how: str, tmp_path: Path) -> None:
    folder = n5_viewer(tmp_path / "em", how)
    volume = open_volume(spec_of("n5", folder, **N5))
    assert volume.remarks == ()
    check(volume, CENTRE, TILE)
    check(open_volume(spec_of("n5", folder / "s1", **N5)), CENTRE, TILE)
    finest = spec_of("n5", folder / "s0", **N5)
    with pytest.raises(BadInput, match=r"voxel is .*but voxel_size_nm is \[4, 5, 40\]"):
        open_volume(finest)
    assert open_volume(finest.model_copy(update={"voxel_size_nm": (2, 2.5, 40)})).array.shape.tolist() == [5, 30, 40]
    with pytest.raises(BadInput, match=r"no array of voxel_size_nm 9 x 9 x 9; there are .*\('s0'\), .*\('s1'\)"):
        open_volume(spec_of("n5", folder, voxel_size_nm=(9, 9, 9), **N5))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("unit", "factor"), [("nanometer", 1), ("micrometer", 1e-3), (None, 1), (None, 1e-3)])
def test_the_voxel_size_chooses_the_scale_of_an_ome_pyramid(
    version: str, unit: str | None, factor: float, tmp_path: Path
) -> None:
    sizes = {"s0": [40, 2.5, 2], "s1": [40, 5, 4], "s2": [80, 10, 8]}
    multiscales = ome({path: [v * factor for v in size] for path, size in sizes.items()}, unit)
    folder = pyramid(tmp_path / "em", version, multiscales, "s1")
    volume = open_volume(spec_of("zarr", folder))
    assert volume.remarks == ()
    check(volume, CENTRE, TILE)
    if unit:
        with pytest.raises(BadInput, match=r"but voxel_size_nm is \[4, 5, 40\]: its array 's1' has such voxels"):
            open_volume(spec_of("zarr", folder / "s2"))
    with pytest.raises(BadInput, match=r"no array of voxel_size_nm 4 x 4 x 40; there are .*\('s0'\), .*\('s2'\)"):
        open_volume(spec_of("zarr", folder, voxel_size_nm=(4, 4, 40)))


def test_a_group_that_does_not_say_its_sizes_or_names_absent_arrays(tmp_path: Path) -> None:
    folder = pyramid(tmp_path / "em", "0.4", [{"axes": ZYX, "datasets": [{"path": "a"}, {"path": "b"}]}], "a")
    with pytest.raises(BadInput, match=r"arrays \['a', 'b'\], of which it does not say the voxel sizes; give .*em/a'"):
        open_volume(spec_of("zarr", folder))
    check(open_volume(spec_of("zarr", folder / "a")), CENTRE, TILE)
    add(tmp_path / "gone/.zgroup", zarr_format=2)
    add(tmp_path / "gone/.zattrs", multiscales=ome({"0": [40, 5, 4]}))
    with pytest.raises(BadInput, match="no zarr array"):
        open_volume(spec_of("zarr", tmp_path / "gone"))


def test_sizes_that_agree_in_the_other_order_of_axes_name_it(tmp_path: Path) -> None:
    """An N5 array that names no axes, but has its voxel size along x, y, z."""
    spec = spec_of("n5", n5(tmp_path / "em", resolution=[4, 5, 40]))
    with pytest.raises(BadInput, match=r"40 x 5 x 4 nm .*: the two agree if its axes are xyz: write axis_order: xyz"):
        open_volume(spec)
    check(open_volume(spec.model_copy(update={"axis_order": "xyz"})), CENTRE, TILE)


def test_a_pyramid_is_read_over_http(http_folder: tuple[Path, str]) -> None:
    folder, address = http_folder
    pyramid(folder / "em", "0.5", ome({"s0": [40, 2.5, 2], "s1": [40, 5, 4]}), "s1")
    n5_viewer(folder / "n5", "arrays")
    for kind, url, fields in (("zarr", "em", {}), ("zarr", "em/s1", {}), ("n5", "n5", N5), ("n5", "n5/s1", N5)):
        spec = spec_of(kind, folder, **fields)
        check(open_volume(spec.model_copy(update={"url": f"{address}/{url}"})), CENTRE, TILE)
