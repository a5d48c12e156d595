"""Layers as OME-TIFF: read back with their names and the size of a pixel, whole or not at all, on both kinds of storage."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from synapse_assets.errors import BadInput
from synapse_assets.stores.files import Files
from synapse_assets.stores.layers import write_layers
from synapse_assets_tests.stores.object_store import ObjectStore, object_store  # noqa: F401 -- a fixture

NAME = "explanations/plate=P 1/b03 (2).ome.tif"


def layers(height: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {title: rng.random((height, 30)).astype(np.float32) for title in ("attribution (occlusion)", "treated", "β")}


def test_layers_are_read_back_with_names_and_pixel_size(tmp_path: Path) -> None:
    given = layers()
    assert write_layers(Files(str(tmp_path)), NAME, given, 325.0) == NAME
    with tifffile.TiffFile(tmp_path / NAME) as tiff:
        assert tiff.is_ome
        series = tiff.series[0]
        assert series.axes == "CYX"
        assert np.array_equal(series.asarray(), np.stack(list(given.values())))
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        assert [channel["Name"] for channel in pixels["Channel"]] == list(given)
        assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"]) == pytest.approx((0.325, 0.325))
        assert (pixels["PhysicalSizeXUnit"], pixels["Type"]) == ("µm", "float")
        page = tiff.pages[0]
        assert page.compression.name == "ADOBE_DEFLATE"
        numerator, denominator = page.tags["XResolution"].value
        assert 1e4 / (numerator / denominator) == pytest.approx(0.325)
    assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == ["b03 (2).ome.tif"]


def test_the_same_layers_are_the_same_bytes_and_replace_others(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    write_layers(files, "a.ome.tif", layers(), 100)
    first = (tmp_path / "a.ome.tif").read_bytes()
    write_layers(files, "a.ome.tif", layers(50), 100)
    assert tifffile.imread(tmp_path / "a.ome.tif").shape == (3, 50, 30)
    write_layers(files, "a.ome.tif", layers(), 100)
    assert (tmp_path / "a.ome.tif").read_bytes() == first
    one = dict(list(layers().items())[:1])
    write_layers(files, "a.ome.tif", one, 100)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]["Channel"]["Name"] == next(iter(one))


def test_layers_at_an_address(object_store: ObjectStore, tmp_path: Path) -> None:  # noqa: F811
    folder = object_store.store(tmp_path).folder
    write_layers(folder, NAME, layers(), 325.0)
    with folder.open(NAME) as stream:
        assert np.array_equal(tifffile.imread(stream), np.stack(list(layers().values())))


@pytest.mark.parametrize("name", ["../a.ome.tif", "/a.ome.tif", "a//b.ome.tif", "a.tif", ""])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"below the folder that ends in \.ome\.tif"):
        write_layers(Files(str(tmp_path / "root")), name, layers(), 325.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "pixel_nm", "message"),
    [
        ({}, 1.0, "there are none"),
        ({"a": np.zeros((3, 4)), "b": np.zeros((4, 3))}, 1.0, "of one size"),
        ({"a": np.zeros((3, 4, 3))}, 1.0, "pictures"),
        ({"a": np.zeros((3, 4))}, 0.0, "side of a pixel"),
    ],
)
def test_layers_that_do_not_fit_are_refused(
    tmp_path: Path, given: dict[str, np.ndarray], pixel_nm: float, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        write_layers(Files(str(tmp_path)), "a.ome.tif", given, pixel_nm)
    assert not list(tmp_path.iterdir())
