"""What decides a tile: the crop hash changes with all of it, and with nothing else. What is cut, and what a tile may lack."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.schema import TILE_PLAN, TILES
from synapse_assets.volumes import decode_tiles, tile_hash
from synapse_assets.volumes.cropping import (
    crop_hashes,
    crop_region,
    plan_in_use,
    plan_region,
    section_contrast,
    tiles_with_gaps,
    volume_remarks,
)
from synapse_assets_tests.conftest import tiny_dataset

PLACES = pa.table(
    {
        "synapse_id": ["a", "b"],
        "volume": ["em", "em"],
        "x_nm": [30.0, 50.0],
        "y_nm": [42.0, 62.0],
        "z_nm": [45.0, 85.0],
    }
)
VOLUME: dict[str, Any] = {"kind": "images", "url": "em", "voxel_size_nm": (4.0, 4.0, 40.0)}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders of sections, named without their place on the machine."""
    monkeypatch.chdir(tmp_path)
    for name in ("em", "em2"):
        Path(name).mkdir()
        for number in range(4):
            tifffile.imwrite(f"{name}/{number}.tif", np.full((40, 40), number, np.uint8))


def dataset(volume: dict[str, Any] | None = None, **changes: Any) -> EmDataset:
    return tiny_dataset(Path(), Path("points.csv"), volumes={"em": {**VOLUME, **(volume or {})}}, **changes)


def hashes(given: EmDataset, places: pa.Table = PLACES) -> list[str]:
    return crop_hashes(given, places).column("crop_hash").to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "changes",
    [
        {"tile": {"size_px": 32, "sections": 3}},
        {"tile": {"size_px": 24, "sections": 1}},
        {"tile": {"size_px": 24, "sections": 5}},
        {"volume": {"url": "em2"}},
        {"volume": {"offset_voxels": (0, 0, 1)}},
        {"volume": {"offset_voxels": (0, 0, 0)}},
        {"volume": {"voxel_size_nm": (4.0, 4.0, 41.0)}},
    ],
)
def test_what_may_change_a_pixel_changes_every_hash(changes: dict[str, Any]) -> None:
    before, after = hashes(dataset()), hashes(dataset(**changes))
    assert not set(before) & set(after)
    assert len(set(after)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"volume": {"space": "elsewhere"}},
        {"volume": {"timeout_s": 7.0, "requests_per_second": 3.0, "download_ceiling_gb": 1.0}},
        {"volume": {"missing_chunks": "black"}},
        {"title": "Another title"},
        {"tile": {"size_px": 24, "sections": 3, "codec": "zstd"}},
        {"trial_limit": 7},
    ],
)
def test_what_changes_no_pixel_changes_no_hash(changes: dict[str, Any]) -> None:
    assert hashes(dataset(**changes)) == hashes(dataset())


def test_a_synapse_is_cut_again_when_it_moves_to_another_voxel() -> None:
    before = hashes(dataset())
    for axis, step, moves in (("x_nm", 1.9, False), ("x_nm", 2.0, True), ("y_nm", -3.0, True), ("z_nm", 35.0, True)):
        column = PLACES.schema.get_field_index(axis)
        values = PLACES.column(axis).to_pylist()
        moved = PLACES.set_column(column, axis, pa.array([values[0] + step, values[1]]))
        after = hashes(dataset(), moved)
        assert (after[0] != before[0], after[1] != before[1]) == (moves, False)


def test_tiles_that_are_stored_keep_their_hash() -> None:
    """Stored tables hold these: another value cuts every tile of every installation again."""
    assert hashes(dataset()) == ["f15d88f80c6bba96", "3bbedc0ac60359cc"]


def test_the_hash_is_of_the_voxel_alone_however_many_rows_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synapse_assets.volumes.cropping._HASHED_ROWS", 3)
    given = two_volumes()
    at = np.random.default_rng(0).integers(0, [SIDE_PX, SIDE_PX, SECTIONS], (20, 3)).tolist()
    rows = synapses(*((f"s{row}", ("other", "grey")[row % 3 == 0], *voxel) for row, voxel in enumerate(at)))
    expected = []
    for row in rows.to_pylist():
        about = given.volumes[row["volume"]].model_dump_json(include={"kind", "url", "voxel_size_nm"})
        voxel = [int(row[axis] // size) for axis, size in zip(("x_nm", "y_nm", "z_nm"), SIZE_NM, strict=True)]
        text = f'{about}|{{"size_px":8,"sections":3}}|png-1|{voxel}'
        expected.append(hashlib.sha256(text.encode()).hexdigest()[:16])
    assert hashes(given, rows) == expected
    assert hashes(given, rows.slice(0, 0)) == []


# What is cut ------------------------------------------------------------------------------------------------------------------

SIDE_PX, SECTIONS = 40, 4
# Another grey value at each neighbour, and at each exchange of axes.
Z, Y, X = np.indices((SECTIONS, SIDE_PX, SIDE_PX))
GREY = ((3 * X + 7 * Y + 31 * Z) % 251).astype(np.uint8)
SIZE_NM = (4.0, 4.0, 40.0)
TILE = {"size_px": 8, "sections": 3}


def synapses(*voxels: tuple[str, str, int, int, int]) -> pa.Table:
    """Rows of (id, volume, x, y, z in voxels), each in the middle of its voxel."""
    ids, volumes, *axes = zip(*voxels, strict=True)
    columns = {
        name: [(voxel + 0.5) * size for voxel in axis]
        for name, axis, size in zip(("x_nm", "y_nm", "z_nm"), axes, SIZE_NM, strict=True)
    }
    return pa.table({"synapse_id": ids, "volume": volumes, **columns})


def two_volumes(codec: str = "png", **fields: Any) -> EmDataset:
    """The volume `grey`, and `other`, whose grey values are its complement."""
    for name, values in (("grey", GREY), ("other", 255 - GREY)):
        Path(name).mkdir()
        for number, section in enumerate(values):
            tifffile.imwrite(f"{name}/{number}.tif", section)
    volumes = {name: {**VOLUME, "url": name, **fields} for name in ("grey", "other")}
    source = {"name": "table", "format": "points", "volume": "grey", "path": "points.csv", "units": "nm"}
    changes = {"volumes": volumes, "sources": [source], "grouping": ["volume"], "has_neurons": False}
    changes["tile"] = {**TILE, "codec": codec}
    return tiny_dataset(Path(), Path("points.csv"), **changes)


ROWS = synapses(
    ("a", "grey", 10, 21, 1), ("b", "other", 30, 7, 2), ("c", "grey", 2, 20, 1), ("d", "grey", 5, 5, 1), ("e", "grey", 20, 37, 0)
)  # fmt: skip


@pytest.mark.parametrize(("codec", "start"), [("png", b"\x89PNG"), ("zstd", b"ZTL1")])
def test_each_tile_is_cut_around_its_point_from_its_volume(codec: str, start: bytes) -> None:
    given = two_volumes(codec)
    crops = crop_hashes(given, ROWS).take([3, 1, 4, 0, 2])
    batches = list(crop_region(given, "EB", ROWS, crops, pa.array(["e", "c", "a", "b"])))
    assert sum(batch.missing_chunks for batch in batches) == 0
    assert all(batch.rows.schema.equals(TILES.arrow) for batch in batches)
    rows = {row["synapse_id"]: row for batch in batches for row in batch.rows.to_pylist()}
    assert sorted(rows) == ["a", "b", "c", "e"]
    expected_crops = dict(zip(*(crops.column(name).to_pylist() for name in crops.column_names), strict=True))
    beside = 10
    for name, values, x, y, z, share in (
        ("a", GREY, 10, 21, 1, 1.0),
        ("b", 255 - GREY, 30, 7, 2, 1.0),
        ("c", GREY, 2, 20, 1, 6 / 8),
        ("e", GREY, 20, 37, 0, 7 / 8 * 2 / 3),
    ):
        padded = np.pad(values, ((1, 1), (beside, beside), (beside, beside)))
        y, x = y + beside, x + beside
        expected = padded[z : z + 3, y - 4 : y + 4, x - 4 : x + 4]
        row = rows[name]
        assert row["image"].startswith(start)
        np.testing.assert_array_equal(decode_tiles(pa.array([row["image"]]))[0], expected)
        assert row["tile_hash"] == tile_hash(expected)
        assert row["crop_hash"] == expected_crops[name]
        assert row["brain_region"] == "EB"
        assert row["valid_fraction"] == pytest.approx(share)
        assert row["section_contrast"] == pytest.approx(expected.std(axis=(1, 2)))


@pytest.mark.parametrize(("sections", "size_px"), [(1, 8), (9, 96), (3, 256), (2, 301)])
def test_the_contrast_is_the_standard_deviation(sections: int, size_px: int) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (40, sections, size_px, size_px), dtype=np.uint8)
    tiles[0], tiles[1] = 255, 0
    tiles[2] = np.where(np.indices(tiles.shape[1:]).sum(axis=0) % 2, 255, 0)
    tiles[3, -1], tiles[3, -1, -1, -1] = 254, 255
    contrast = section_contrast(tiles)
    np.testing.assert_allclose(contrast, tiles.std(axis=(2, 3), dtype=np.float64), rtol=1e-12, atol=1e-12)
    assert contrast[:2].tolist() == [[0.0] * sections] * 2


def test_no_tile_is_an_empty_array() -> None:
    assert decode_tiles(pa.array([], pa.binary())).shape == (0, 0, 0, 0)
    assert not list(crop_region(two_volumes(), "EB", ROWS, crop_hashes(dataset(), PLACES), pa.array([], pa.string())))


def test_a_volume_that_the_dataset_has_no_more() -> None:
    gone = synapses(("a", "grey", 10, 21, 1), ("b", "gone", 30, 7, 2))
    with pytest.raises(BadInput, match=r"synapses lie in volume \['gone'\], but the dataset has \['grey', 'other'\]"):
        crop_hashes(two_volumes(), gone)


def test_the_plan_counts_the_tiles_to_be_cut_in_each_volume() -> None:
    given = two_volumes()
    plan = plan_region(given, "EB", ROWS, pa.array(["e", "c", "b"]))
    assert plan.schema.equals(TILE_PLAN.arrow)
    assert set(plan.column("brain_region").to_pylist()) == {"EB"}
    used = plan_in_use(plan)
    assert [(row["volume"], row["tiles"]) for row in used] == [("grey", 2), ("other", 1)]
    assert plan_region(given, "EB", ROWS, pa.array([], pa.string())).num_rows == 0
    with pytest.raises(BadInput, match="outside"):
        plan_region(given, "EB", synapses(("far", "grey", 400, 5, 1)), pa.array(["far"]))


def test_of_a_plan_the_first_row_of_each_volume_is_used() -> None:
    row = dict.fromkeys(TILE_PLAN.names)
    names = ["grey", "other", "grey", "other"]
    rows = [{**row, "brain_region": "EB", "volume": name, "tiles": number} for number, name in enumerate(names)]
    used = plan_in_use(pa.Table.from_pylist(rows, schema=TILE_PLAN.arrow))
    assert [(row["volume"], row["tiles"]) for row in used] == [("grey", 0), ("other", 1)]


def test_only_a_tile_that_lacks_what_its_volume_holds_has_a_gap() -> None:
    """`c` and `e` lie at an edge: the volume has 6/8 and 7/12 of their tiles."""
    stored = {"a": 1.0, "b": 0.5, "c": 6 / 8, "d": 0.999, "e": 0.58}

    def gaps(given: EmDataset, **changed: float | None) -> list[str]:
        shares = {**stored, **changed}
        tiles = pa.table({"synapse_id": [*shares], "valid_fraction": pa.array(shares.values(), pa.float64())})
        return sorted(tiles_with_gaps(given, ROWS, tiles).to_pylist())

    black = two_volumes(missing_chunks="black")
    assert gaps(black) == ["b", "d", "e"]
    assert gaps(black, c=0.7499, e=7 / 12) == ["b", "c", "d"]
    # A stored tile of a synapse that is not there any more is none of its business.
    assert gaps(black, gone=0.1) == ["b", "d", "e"]
    one_black = black.model_copy(
        update={
            "volumes": {**black.volumes, "grey": black.volumes["grey"].model_copy(update={"missing_chunks": "error"})}
        }
    )
    assert gaps(one_black) == ["b"]


def test_only_volumes_with_remarks_are_told() -> None:
    assert volume_remarks(two_volumes()) == {}
