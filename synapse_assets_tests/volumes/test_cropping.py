"""What decides a tile: the crop hash changes with all of it, and with nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from synapse_assets.datasets import EmDataset
from synapse_assets.volumes.cropping import crop_hashes
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
