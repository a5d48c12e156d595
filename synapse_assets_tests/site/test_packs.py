"""Pictures in packs: every number is the picture of its synapse, neighbours lie together, and what is random is random."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from synapse_assets.query import Warehouse, open_warehouse
from synapse_assets.site import packs
from synapse_assets.site.folder import site_folder
from synapse_assets.site.packs import hilbert_index, picture_order, write_packs
from synapse_assets_tests.site.planted import SIZE_PX, plant, planted_dataset, planted_tiles
from synapse_assets_tests.site.reader import ReadEntry

LOG = logging.getLogger(__name__)
IDS = [f"s{number:03d}" for number in range(90)]
WITHOUT = (3, 40)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """90 synapses, two of them without a picture."""
    root = tmp_path_factory.mktemp("packs")
    plant(root, IDS, without_picture=WITHOUT)
    with open_warehouse(planted_dataset(root), root) as opened:
        yield opened


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of 16 pictures, so that there are several."""
    monkeypatch.setattr(packs, "PER_PACK", 16)
    monkeypatch.setattr(packs, "SECTIONS_PER_PACK", 8)


def test_the_curve_goes_through_every_cell_to_its_neighbour() -> None:
    x, y = np.meshgrid(np.arange(16), np.arange(16))
    place = hilbert_index(x.ravel(), y.ravel(), 4)
    assert sorted(place) == list(range(256))
    order = np.argsort(place)
    steps = np.abs(np.diff(x.ravel()[order])) + np.abs(np.diff(y.ravel()[order]))
    assert (steps == 1).all()


def test_pictures_of_a_class_and_of_neighbours_on_the_map_lie_together(warehouse: Warehouse) -> None:
    points = warehouse.points
    order = picture_order(points, warehouse.pictured)
    assert sorted(order) == [row for row in range(len(IDS)) if row not in WITHOUT]
    # The known class, else the predicted one: gaba for the synapses without.
    names = [points.categories["target"].value(row) or points.categories["predicted"].value(row) for row in order]
    assert names == sorted(names, key=str)
    of_class = order[[name == "gaba" for name in names]]
    steps = np.linalg.norm(np.diff(points.map[of_class], axis=0), axis=1)
    by_id = np.linalg.norm(np.diff(points.map[np.sort(of_class)], axis=0), axis=1)
    assert steps.mean() < 0.5 * by_id.mean()


@pytest.mark.usefixtures("small_packs")
def test_every_number_is_the_picture_of_its_synapse(warehouse: Warehouse, tmp_path: Path) -> None:
    with site_folder(tmp_path / "out", "planted", "1") as folder:
        written = write_packs(folder, "browse", warehouse, 0, LOG)
        folder.write_json("browse/site.json", written.described())
    entry, tiles = ReadEntry(tmp_path / "out/browse"), planted_tiles(len(IDS))
    assert (written.numbers[list(WITHOUT)] == -1).all()
    assert sorted(written.numbers) == [-1, -1, *range(88)]
    for row, number in enumerate(written.numbers.tolist()):
        if number >= 0:
            assert np.abs(entry.picture(number).astype(int) - tiles[row, 1]).max() < 4
            assert np.abs(entry.sections(number).astype(int) - tiles[row]).max() < 4
    assert 0 < entry.content["tiles"]["mean_error"] < 2
    # The neighbouring tiles differ by more than compression changes: a number off by one is seen.
    assert np.abs(tiles[1:].astype(int) - tiles[:-1]).mean() > 1.5
    random = entry.random_rows
    assert len(set(random.tolist())) == len(random) == 22
    assert written.random_start == 96
    for place, row in enumerate(random):
        assert np.abs(entry.picture(written.random_start + place).astype(int) - tiles[row, 1]).max() < 4
    assert len(list((entry.folder / "tiles").iterdir())) == 6 + 2
    assert len(list((entry.folder / "sections").iterdir())) == 11


def test_a_tile_of_one_section_is_not_stored_twice(tmp_path: Path) -> None:
    plant(tmp_path, IDS, sections=1)
    with (
        open_warehouse(planted_dataset(tmp_path), tmp_path) as warehouse,
        site_folder(tmp_path / "out", "planted", "1") as folder,
    ):
        written = write_packs(folder, "browse", warehouse, 0, LOG)
    assert written.described()["sections"] is None
    assert not list((tmp_path / "out/browse").glob("sections*"))
    assert written.size_px == SIZE_PX


@pytest.mark.usefixtures("small_packs")
def test_packs_of_a_killed_export_are_kept_if_they_hold_the_same(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written() -> dict[Path, tuple[int, bytes]]:
        with suppress(KeyboardInterrupt), site_folder(tmp_path / "out", "planted", "1") as folder:
            write_packs(folder, "browse", warehouse, 0, LOG)
            raise KeyboardInterrupt
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.path.rglob("*.jpgs")}

    first = written()
    assert written() == first
    gone = next(path for path in first if path.parent.name == "tiles")
    number = gone.name.removesuffix(".jpgs")
    (tmp_path / f"out.unfinished/.receipts/browse/pictures/{number}.json").unlink()
    gone.write_bytes(b"half")
    again = written()
    assert {path: content for path, (_, content) in again.items()} == {
        path: content for path, (_, content) in first.items()
    }
    assert 0 < sum(again[path] == first[path] for path in first) < len(first)
    monkeypatch.setattr(packs, "QUALITY", 60)
    assert all(content != first[path][1] for path, (_, content) in written().items())
