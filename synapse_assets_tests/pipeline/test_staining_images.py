"""The front of the staining chain as plain functions: pictures are listed and registered; what is wrong with them is said."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from synapse_assets.datasets import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.inputs import SOURCES_GONE, poll, watched_inputs
from synapse_assets.pipeline.report import Report
from synapse_assets.pipeline.staining.images import plate_versions, read_image_table, register_images
from synapse_assets.pipeline.staining.inputs import staining_inputs
from synapse_assets.schema.staining import IMAGE_TABLE, IMAGES, PLATES
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.stained import PIXEL_NM, noise, staining_dataset, write_plates

LOG = logging.getLogger(__name__)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two plates, `P1` and `P2`, of four pictures."""
    folder = tmp_path / "pictures"
    write_plates(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(str(tmp_path / "data"), "stained")


def outcomes(report: Report) -> dict[str, bool]:
    return {check.name: check.passed for check in report.checks}


def description(report: Report, name: str) -> str:
    return next(check.description for check in report.checks if check.name == name)


def registered(
    store: DatasetStore, dataset: StainingDataset, plate: str = "P1"
) -> tuple[Report, dict[str, dict[str, Any]]]:
    """The report, and the rows by file name, of a plate that is listed and registered anew."""
    read_image_table(store, dataset, [], LOG)
    report = register_images(store, dataset, plate, LOG)
    rows = store.results(IMAGES).read(plate).to_pylist()
    return report, {row["image_id"].rpartition("/")[2]: row for row in rows}


def test_pictures_are_listed_with_their_plates(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    report = read_image_table(store, dataset, [], LOG)
    assert (report.rows, outcomes(report)) == (8, {"labels_known": True})
    assert store.results(PLATES).read().to_pylist() == [
        {"plate": plate, "images": 4, "wells": 2, "labels": ["control", "treated"]} for plate in ("P1", "P2")
    ]
    first = store.results(IMAGE_TABLE).read("P1").to_pylist()[0]
    assert (first["image_id"], first["well"], first["field"], first["label"]) == (
        "control/P1_B02_0.tif", "B02", "0", "control",
    )  # fmt: skip
    assert read_image_table(store, dataset, [], LOG).content_version == report.content_version


def test_only_the_plate_whose_files_or_facts_changed_has_other_content(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)

    def versions() -> list[str]:
        read_image_table(store, dataset, [], LOG)
        return [plate_versions(store, plate)["plate_images"][0] for plate in ("P1", "P2", "P3")]

    first = versions()
    assert versions() == first
    assert first[2] == "no pictures"
    tifffile.imwrite(pictures / "control" / "P1_B02_0.tif", noise(99))
    assert [a == b for a, b in zip(first, versions(), strict=True)] == [False, True, True]
    first = versions()
    write_plates(pictures, ["P3"])
    second = versions()
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, True, False]
    assert plate_versions(store, "P3")["plate_images"][1] == 4


def test_without_a_label_of_the_classes_nothing_is_stored(store: DatasetStore, pictures: Path) -> None:
    with pytest.raises(
        BadInput, match=r"none of the 8 pictures is of one of the classes \['up', 'down'\]: the labels are \['control'"
    ):
        read_image_table(store, staining_dataset(pictures, classes=["up", "down"]), [], LOG)
    flat = staining_dataset(pictures / "control", source={"name_pattern": None})
    with pytest.raises(BadInput, match=r"no picture has a label\. A label is the first folder below a source"):
        read_image_table(store, flat, [], LOG)
    assert not store.results(IMAGE_TABLE).files()
    assert not store.results(PLATES).files()
    # A label that only the name tells is enough, and one of a class that the dataset does not have is kept.
    (pictures / "control").rename(pictures / "unknown")
    report = read_image_table(store, staining_dataset(pictures), [], LOG)
    assert outcomes(report) == {"labels_known": False}
    assert "{'unknown': 4}" in description(report, "labels_known")


def test_pictures_that_vanish_stay_until_that_is_meant(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    read_image_table(store, dataset, [], LOG)
    shutil.move(pictures, pictures.parent / "elsewhere")
    pictures.mkdir()
    with pytest.raises(BadInput, match="there is no file any more for the source plates"):
        read_image_table(store, dataset, [], LOG)
    assert store.results(IMAGE_TABLE).read().num_rows == 8
    report = read_image_table(store, dataset, ["plates"], LOG)
    assert (report.rows, report.details[SOURCES_GONE]) == (0, "plates")
    gone = register_images(store, dataset, "P1", LOG)
    assert (gone.rows, outcomes(gone)["has_images"]) == (0, False)


def test_the_folder_is_watched(pictures: Path) -> None:
    [source] = watched_inputs(staining_inputs(staining_dataset(pictures)))
    assert (source.asset, source.reader, source.metadata) == ("image_source", "image_table", {"plates": str(pictures)})
    state, version, _ = poll("stained", source, {})
    assert version is None
    state, version, _ = poll("stained", source, state)
    write_plates(pictures, ["P3"])
    state, _, note = poll("stained", source, state)
    assert "P3_B02_0.tif" in note
    assert poll("stained", source, state)[1] not in (None, version)
    drawn = staining_dataset(pictures, generate="sample_staining")
    assert staining_inputs(drawn)[0].fixed


def test_a_plate_is_registered(store: DatasetStore, pictures: Path) -> None:
    report, rows = registered(store, staining_dataset(pictures))
    assert (report.rows, report.details["usable"]) == (4, 4)
    assert all(outcomes(report).values())
    row = rows["P1_B02_0.tif"]
    assert (row["width_px"], row["height_px"], row["channels"], row["bits"], row["usable"]) == (70, 70, 1, 12, True)
    assert row["why_not"] is row["remarks"] is row["pixel_nm"] is None
    assert row["foreground_fraction"] == pytest.approx(100 / 4_900, abs=0.001)
    assert row["preview"].startswith(b"\x89PNG")
    assert len({row["image_hash"] for row in rows.values()}) == 4
    again, _ = registered(store, staining_dataset(pictures))
    assert again.content_version == report.content_version


def test_every_picture_that_cannot_be_used_says_why_and_the_others_go_on(store: DatasetStore, pictures: Path) -> None:
    folder = pictures / "control"
    whole = (folder / "P1_B02_0.tif").read_bytes()
    (folder / "P1_B04_0.tif").write_bytes(whole[: len(whole) // 2])
    tifffile.imwrite(folder / "P1_B05_0.tif", noise(5, side_px=31))
    tifffile.imwrite(folder / "P1_B06_0.tif", noise(6), ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.65})
    tifffile.imwrite(folder / "P1_B07_0.tif", np.full((70, 70), 300, np.uint16))
    tifffile.imwrite(folder / "P1_B08_0.tif", np.stack([noise(8)] * 3), imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "P1_B09_0.tif", noise(9, side_px=90))
    report, rows = registered(store, staining_dataset(pictures))
    why = {name[3:6]: row["why_not"] for name, row in rows.items() if not row["usable"]}
    assert list(why) == ["B04", "B05", "B06", "B07", "B08"]
    assert "P1_B04_0.tif ends at" in why["B04"]
    assert why["B05"] == "is 31 x 31 px, smaller than a window of 32 px"
    assert why["B06"] == "has pixels of 650 nm, but the dataset's are 325 nm: rescale it, or put it in another dataset"
    assert why["B07"] == "is blank: every pixel has the same value"
    assert "is a stack of 3 sections" in why["B08"]
    assert rows["P1_B04_0.tif"]["width_px"] is None
    assert (rows["P1_B05_0.tif"]["width_px"], rows["P1_B06_0.tif"]["pixel_nm"]) == (31, 650.0)
    assert rows["P1_B09_0.tif"]["usable"]
    assert outcomes(report) == {
        "one_row_per_picture": True, "has_images": True, "readable": False, "two_classes": True, "one_depth": True,
        "on_one_plate": True,
    }  # fmt: skip
    assert description(report, "readable").startswith("2 files cannot be read: P1_B04_0.tif, P1_B08_0.tif. First: ")
    assert report.details["usable"] == 5


def test_a_channel_that_is_missing_and_a_scale_that_the_table_says(store: DatasetStore, tmp_path: Path) -> None:
    both = np.stack([noise(1), noise(2)])
    tifffile.imwrite(tmp_path / "a.tif", both, imagej=True, metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "b.tif", noise(3))
    tifffile.imwrite(tmp_path / "c.tif", both[::-1].copy(), imagej=True, metadata={"axes": "CYX"})
    (tmp_path / "cells.csv").write_text(f"path,label,nm\na.tif,control,{PIXEL_NM}\nb.tif,treated,\nc.tif,treated,400\n")
    source = {
        "path": str(tmp_path / "cells.csv"),
        "columns": {"path": "path", "label": "label", "pixel_nm": "nm"},
        "name_pattern": None,
    }
    dataset = staining_dataset(tmp_path, source=source, channels=[1, 0])
    report, rows = registered(store, dataset, "plates")
    assert rows["a.tif"]["usable"]
    assert rows["b.tif"]["why_not"] == "has 1 channel, but the dataset uses channel 1, counted from 0"
    assert (
        rows["c.tif"]["why_not"]
        == "has pixels of 400 nm, but the dataset's are 325 nm: rescale it, or put it in another dataset"
    )
    assert not outcomes(report)["two_classes"]


def test_where_no_file_can_be_read_nothing_is_stored(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    registered(store, dataset)
    for file in pictures.rglob("P1_*.tif"):
        file.unlink()
    with pytest.raises(
        BadInput, match=r"plate P1: none of its 4 pictures can be read \(is the disk there\?\): there is no file"
    ):
        register_images(store, dataset, "P1", LOG)
    assert store.results(IMAGES).read("P1").num_rows == 4
    with pytest.raises(BadInput, match="materialise the asset 'image_table' first"):
        register_images(DatasetStore(store.data_root, "other"), dataset, "P1", LOG)


def test_what_is_odd_is_used_with_a_remark(store: DatasetStore, pictures: Path) -> None:
    rng = np.random.default_rng(0)
    folder = pictures / "treated"
    saturated = noise(5)
    saturated[:30] = 4_095
    tifffile.imwrite(folder / "P1_B05_0.tif", saturated)
    tifffile.imwrite(folder / "P1_B06_0.tif", rng.normal(300, 20, (70, 70)).astype(np.uint16))
    slope = np.linspace(300, 2_000, 70 * 70).reshape(70, 70)
    tifffile.imwrite(folder / "P1_B07_0.tif", slope.astype(np.uint16))
    _, rows = registered(store, staining_dataset(pictures))
    assert all(row["usable"] for row in rows.values())
    remarks = {name[3:6]: row["remarks"] for name, row in rows.items() if row["remarks"]}
    assert [(well, text.partition(":")[0]) for well, text in remarks.items()] == [
        ("B05", "saturated"), ("B06", "nearly empty"), ("B07", "blurred"),
    ]  # fmt: skip


def test_the_same_pixels_under_two_labels_are_used_for_neither(store: DatasetStore, pictures: Path) -> None:
    shutil.copy(pictures / "control" / "P1_B02_0.tif", pictures / "treated" / "P1_B05_0.tif")
    # The same pixels in another kind of file.
    Image.fromarray(tifffile.imread(pictures / "control" / "P1_B02_1.tif")).save(pictures / "treated" / "P1_B06_0.png")
    report, rows = registered(store, staining_dataset(pictures))
    assert [name for name, row in rows.items() if not row["usable"]] == [
        "P1_B02_0.tif", "P1_B02_1.tif", "P1_B05_0.tif", "P1_B06_0.png",
    ]  # fmt: skip
    assert rows["P1_B02_0.tif"]["why_not"] == (
        "the same pixels as treated/P1_B05_0.tif, of which another thing is said (treated, here control): one of them is wrong, and it "
        "is not known which"
    )
    assert "as control/P1_B02_0.tif" in rows["P1_B05_0.tif"]["why_not"]
    assert "repeated" in str(report.details["reasons"])


def test_the_same_pixels_twice_under_one_label_are_used_once(store: DatasetStore, pictures: Path) -> None:
    shutil.copy(pictures / "control" / "P1_B02_0.tif", pictures / "control" / "P1_B04_0.tif")
    shutil.copy(pictures / "control" / "P1_B02_1.tif", pictures / "P1_A01_0.tif")
    _, rows = registered(store, staining_dataset(pictures))
    assert rows["P1_B04_0.tif"]["why_not"] == "the same pixels as control/P1_B02_0.tif, which is used"
    assert rows["P1_B02_0.tif"]["remarks"] == "control/P1_B04_0.tif has the same pixels"
    # Of a copy without a label nothing is said that could be wrong.
    assert rows["P1_A01_0.tif"]["why_not"] == "the same pixels as control/P1_B02_1.tif, which is used"
    assert rows["P1_B02_1.tif"]["usable"]


def test_the_same_picture_on_two_plates_is_named(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    shutil.copy(pictures / "control" / "P1_B02_0.tif", pictures / "treated" / "P2_B05_0.tif")
    first, _ = registered(store, dataset, "P1")
    second, _ = registered(store, dataset, "P2")
    assert (outcomes(first)["on_one_plate"], outcomes(second)["on_one_plate"]) == (True, False)
    assert "treated/P2_B05_0.tif (control/P1_B02_0.tif)" in description(second, "on_one_plate")


def test_a_plate_of_one_class_or_of_two_depths_is_named(store: DatasetStore, pictures: Path) -> None:
    for file in (pictures / "treated").glob("P1_*"):
        file.unlink()
    Image.fromarray((noise(5) >> 4).astype(np.uint8)).save(pictures / "control" / "P1_B05_0.png")
    report, rows = registered(store, staining_dataset(pictures))
    assert (outcomes(report)["two_classes"], outcomes(report)["one_depth"]) == (False, False)
    assert "classes on the plate: control; a network" in description(report, "two_classes")
    assert "1 pictures are files of 8 bits and 2 of 16" in description(report, "one_depth")
    assert rows["P1_B05_0.png"]["remarks"] == "of 8 bits, where most of the plate have 16"
    assert rows["P1_B02_0.tif"]["remarks"] is None
