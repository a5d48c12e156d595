"""Windows of registered pictures as tiles, the value that is white in all of them, and pictures read again."""

import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from synapse_assets.datasets import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Picture
from synapse_assets.pipeline.staining.images import read_image_table, register_images
from synapse_assets.pipeline.staining.pictures import Pictures, white_level_of
from synapse_assets.pipeline.staining.windows import corners_of, cut_windows
from synapse_assets.schema import SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import decode_tiles, tile_hash
from synapse_assets_tests.stained import PIXEL_NM, WINDOW_PX, noise, staining_dataset, write_plates

LOG = logging.getLogger(__name__)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two plates, `P1` and `P2`, of four pictures with four windows each."""
    folder = tmp_path / "pictures"
    write_plates(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(str(tmp_path / "data"), "stained")


def register(store: DatasetStore, dataset: StainingDataset, *plates: str) -> None:
    read_image_table(store, dataset, [], LOG)
    for plate in plates:
        register_images(store, dataset, plate, LOG)


@pytest.mark.parametrize(
    ("shape", "corners"),
    [
        ((32, 32), [(0, 0)]),
        ((33, 66), [(0, 1), (0, 33)]),
        ((70, 95), [(3, 15), (3, 47), (35, 15), (35, 47)]),
        ((31, 90), []),
    ],
)
def test_windows_lie_side_by_side_in_the_middle(shape: tuple[int, int], corners: list[tuple[int, int]]) -> None:
    assert corners_of(*shape, 32) == corners


def test_windows_are_cut_and_stored_with_places_and_labels(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures, grouping=["well"])
    register(store, dataset, "P1", "P2")
    report = cut_windows(store, dataset, "P1", LOG)
    assert (report.rows, report.computed_rows, report.details["white_level"]) == (16, 16, 4_095)
    assert isinstance(report.details["tile_sheet"], Picture)
    assert [check.passed for check in report.checks] == [True]
    assert store.synapses.regions() == store.tiles.regions() == {"P1": 16}

    ids = [f"control/P1_B02_0.tif@{y}_{x}" for y in (3, 35) for x in (3, 35)]
    place = store.synapses.read_ids(ids[1:2], store.synapses.table.names).to_pylist()[0]
    assert (place["volume"], place["object_id"], place["source"]) == ("control/P1_B02_0.tif", "P1/B02", "plates")
    assert (place["x_nm"], place["y_nm"], place["z_nm"]) == ((35 + 16) * PIXEL_NM, (3 + 16) * PIXEL_NM, 0)
    pixels = tifffile.imread(pictures / "control" / "P1_B02_0.tif").astype(float)
    rows = store.tiles.read_ids(ids, ["image", "tile_hash", "valid_fraction"])
    tiles = decode_tiles(rows.column("image"))
    expected = np.floor(np.clip(pixels * 255 / 4_095, 0, 255) + 0.5).astype(np.uint8)
    for tile, digest, (y, x) in zip(
        tiles, rows.column("tile_hash").to_pylist(), corners_of(70, 70, WINDOW_PX), strict=True
    ):
        np.testing.assert_array_equal(tile, expected[None, y : y + 32, x : x + 32])
        assert tile_hash(tile) == digest
    assert set(rows.column("valid_fraction").to_pylist()) == {1.0}
    labels = store.results(SYNAPSE_LABELS).read("P1").to_pylist()
    assert {(row["synapse_id"].partition("/")[0], row["target"]) for row in labels} == {
        ("control", "control"), ("treated", "treated"),
    }  # fmt: skip


def test_only_windows_that_changed_are_cut_again(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    register(store, dataset, "P1", "P2")
    first = cut_windows(store, dataset, "P1", LOG)
    again = cut_windows(store, dataset, "P1", LOG)
    assert (again.computed_rows, again.content_version) == (0, first.content_version)

    tifffile.imwrite(pictures / "control" / "P1_B02_0.tif", noise(77, side_px=64))
    (pictures / "treated" / "P1_B03_1.tif").unlink()
    register(store, dataset, "P1")
    changed = cut_windows(store, dataset, "P1", LOG)
    assert (changed.rows, changed.computed_rows, changed.details["removed_rows"]) == (12, 4, 8)
    assert changed.content_version != first.content_version
    ids = store.tiles.read("P1", ["synapse_id"]).column("synapse_id").to_pylist()
    assert "control/P1_B02_0.tif@0_32" in ids
    assert not [window_id for window_id in ids if window_id.startswith(("control/P1_B02_0.tif@3_", "treated/P1_B03_1"))]
    assert store.synapses.read("P1", ["synapse_id"]).column("synapse_id").to_pylist() == ids

    brighter = staining_dataset(pictures, white_level=2_000)
    assert cut_windows(store, brighter, "P1", LOG).computed_rows == 12
    for file in pictures.rglob("P1_*"):
        file.unlink()
    register(store, dataset, "P1")
    emptied = cut_windows(store, dataset, "P1", LOG)
    assert (emptied.rows, emptied.details["removed_rows"], emptied.checks[0].passed) == (0, 12, True)
    assert store.synapses.count() == 0


def test_another_label_changes_no_tile_and_the_content(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    register(store, dataset, "P1", "P2")
    first = cut_windows(store, dataset, "P1", LOG)
    swapped = staining_dataset(pictures, source={"class_names": {"control": "treated", "treated": "control"}})
    register(store, swapped, "P1")
    second = cut_windows(store, swapped, "P1", LOG)
    assert second.computed_rows == 0
    assert second.content_version != first.content_version


def test_a_killed_run_goes_on_where_it_stopped(store: DatasetStore, pictures: Path) -> None:
    """A run that ends in the middle, here at a picture that is gone, leaves what it cut for the next, and nothing in the tables."""
    dataset = staining_dataset(pictures)
    register(store, dataset, "P1", "P2")
    last = pictures / "treated" / "P1_B03_1.tif"
    content = last.read_bytes()
    last.unlink()
    with pytest.raises(BadInput, match=r"there is no file .*P1_B03_1.tif.* materialise 'images' of plate P1 again"):
        cut_windows(store, dataset, "P1", LOG)
    assert store.tiles.count() == store.synapses.count() == 0
    assert not store.results(SYNAPSE_LABELS).files()
    last.write_bytes(content)
    report = cut_windows(store, dataset, "P1", LOG)
    assert (report.rows, report.computed_rows, report.details["resumed_rows"]) == (16, 4, 12)
    fresh = DatasetStore(store.data_root, "fresh")
    register(fresh, dataset, "P1", "P2")
    assert cut_windows(fresh, dataset, "P1", LOG).content_version == report.content_version


def test_a_picture_with_a_compound_has_no_label_and_channels_are_sections(store: DatasetStore, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    for number, picture in enumerate(colours):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    (tmp_path / "cells.csv").write_text(
        "path,label,plate,culture,compound\n0.png,treated,A,,rescuer\n1.png,treated,A,c7,\n"
    )
    columns = {name: name for name in ("path", "label", "plate", "culture", "compound")}
    source = {"path": str(tmp_path / "cells.csv"), "columns": columns, "name_pattern": None}
    dataset = staining_dataset(tmp_path, source=source, channels=[2, 0], grouping=["culture"])
    register(store, dataset, "A")
    report = cut_windows(store, dataset, "A", LOG)
    assert (report.rows, report.details["white_level"]) == (2, 255)
    labels = store.results(SYNAPSE_LABELS).read("A").sort_by("synapse_id").to_pylist()
    assert [(row["synapse_id"], row["target"], row["known_classes"]) for row in labels] == [
        ("0.png@4_4", None, None), ("1.png@4_4", "treated", ["treated"]),
    ]  # fmt: skip
    groups = store.synapses.read("A", ["object_id"]).column("object_id").to_pylist()
    assert groups == [None, "c7"]
    tiles = decode_tiles(store.tiles.read("A", ["image"]).column("image"))
    np.testing.assert_array_equal(tiles, np.moveaxis(colours[:, 4:36, 4:36][..., [2, 0]], 3, 1))


def test_white_is_the_same_value_in_all_plates(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    with pytest.raises(BadInput, match="stained has no usable pictures yet: materialise the asset 'images'"):
        white_level_of(store, dataset)
    assert white_level_of(store, staining_dataset(pictures, white_level=3_000)) == 3_000
    # 16-bit files of which 12 bits are used, though one of the pictures is darker.
    tifffile.imwrite(pictures / "control" / "P1_B02_0.tif", noise(5) // 8)
    register(store, dataset, "P1", "P2")
    assert white_level_of(store, dataset) == 4_095
    tifffile.imwrite(pictures / "control" / "P2_B02_0.tif", noise(6) * 4)
    register(store, dataset, "P2")
    message = (
        "the pictures of plate P2 use 14 bits and those of plate P1 only 12, so it is not known which value is white in both: if all were "
        "taken alike, say white_level: 16383 in the dataset's YAML"
    )
    with pytest.raises(BadInput, match=message):
        cut_windows(store, dataset, "P1", LOG)
    assert cut_windows(store, staining_dataset(pictures, white_level=16_383), "P1", LOG).rows == 16


def test_pictures_are_read_again_as_they_were_registered(store: DatasetStore, pictures: Path) -> None:
    dataset = staining_dataset(pictures)
    assert Pictures.of(store, dataset).rows.num_rows == 0
    tifffile.imwrite(pictures / "control" / "P1_B05_0.tif", noise(5, side_px=20))
    register(store, dataset, "P1", "P2")
    found = Pictures.of(store, dataset, "P1")
    ids = found.rows.column("image_id").to_pylist()
    assert ids == sorted(ids)
    assert len(ids) == 4
    assert Pictures.of(store, dataset).rows.num_rows == 8
    pixels = found.pixels(ids[0])
    np.testing.assert_array_equal(pixels[0], tifffile.imread(pictures / ids[0]))
    assert found.pixels(ids[0]) is pixels
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0, 0] = 1

    tifffile.imwrite(pictures / ids[1], noise(123))
    with pytest.raises(
        BadInput, match=rf"{ids[1]} has changed since it was registered: materialise 'images' of plate P1 again"
    ):
        found.pixels(ids[1])


def test_memory_for_pictures_is_bounded(store: DatasetStore, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = staining_dataset(pictures)
    register(store, dataset, "P1")
    found = Pictures.of(store, dataset, "P1")
    monkeypatch.setattr("synapse_assets.pipeline.staining.pictures._CACHE_BYTES", 2 * 70 * 70 * 2)
    first, second, third, _ = found.rows.column("image_id").to_pylist()
    kept = {image_id: found.pixels(image_id) for image_id in (first, second)}
    assert found.pixels(first) is kept[first]
    found.pixels(third)
    assert found.pixels(first) is kept[first]
    assert found.pixels(second) is not kept[second]
