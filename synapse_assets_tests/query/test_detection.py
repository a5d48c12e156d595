"""Sections with their maps, what was found in a box, and what was examined: what stands in the planted volume, maps and tables."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.query import Warehouse, detection, open_warehouse
from synapse_assets.query.detection import DetectionResults
from synapse_assets.schema import detection as tables
from synapse_assets_tests.detection_release import (
    BLACK,
    BLOCKS,
    MISSING,
    OFFSET,
    SHAPE,
    VERSION,
    detection_dataset,
    planted,
)

CLEFT = {"detector": "clefts", "target": "cleft"}
WHOLE = (*OFFSET[:2], *SHAPE[:2])


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    found = planted(tmp_path_factory.mktemp("detected"))
    with open_warehouse(found.dataset, found.root) as warehouse:
        found.results = warehouse.detection
        yield found


def grey_at(release: SimpleNamespace, z: int, x0: int, y0: int, width: int, height: int) -> np.ndarray:
    x, y = x0 - OFFSET[0], y0 - OFFSET[1]
    return release.volumes["em"][z - OFFSET[2], y : y + height, x : x + width]


@pytest.mark.parametrize(
    "box", [(6, 96, 64, 700, 300), (5, 401, 333, 97, 61), (16, 1095, 871, 1, 1), (10, 96, 64, 1, 768)]
)
def test_a_section_has_the_voxels_of_the_volume(release: SimpleNamespace, box: tuple[int, ...]) -> None:
    section = release.results.section("em", *box)
    np.testing.assert_array_equal(section.grey, grey_at(release, *box))
    assert section.valid.all()
    assert section.step == 1
    assert not section.mapped.any(), "no map was asked for"


def test_a_large_part_is_shown_in_steps_by_the_coarser_scale(release: SimpleNamespace, tmp_path: Path) -> None:
    section = release.results.section("em", 6, *WHOLE)
    assert section.step == 2
    quarters = release.volumes["em"][1].astype(int)
    quarters = quarters[::2, ::2] + quarters[1::2, ::2] + quarters[::2, 1::2] + quarters[1::2, 1::2]
    np.testing.assert_array_equal(section.grey, (quarters + 2) // 4)
    # In steps of 4 it is the mean of those, and the finest scale is not read at all.
    folder = tmp_path / "em"
    shutil.copytree(release.folder / "em", folder)
    shutil.rmtree(folder / "4_4_40")
    volumes = {"em": {"kind": "precomputed", "url": str(folder), "voxel_size_nm": (4, 4, 40)}}
    dataset = detection_dataset(release.folder, volumes=volumes)
    with open_warehouse(dataset, release.root) as warehouse:
        fourth = warehouse.detection.section("em", 6, 100, 64, 400, 200, step=4)
        halved = ((quarters + 2) // 4)[:100, 2:202]
        expected = halved.reshape(50, 2, 100, 2).mean(axis=(1, 3))
        np.testing.assert_array_equal(fourth.grey, np.rint(expected))
        assert fourth.valid.all()


def test_the_map_lies_where_the_volume_has_it(release: SimpleNamespace) -> None:
    """Of every voxel the pixel of the map that it lies in, across the blocks; pixels are 3 voxels wide."""
    made = release.maps["cleft"]
    x0, y0, width, height = 500, 101, 300, 200
    section = release.results.section("em", 7, x0, y0, width, height, **CLEFT)
    rows = (y0 + np.arange(height)) // made.pixel - made.first[1]
    columns = (x0 + np.arange(width)) // made.pixel - made.first[0]
    np.testing.assert_array_equal(section.probability, made.values[7 - OFFSET[2]][np.ix_(rows, columns)])
    assert section.mapped.all()
    assert section.probability.max() > 100


@pytest.mark.parametrize("step", [2, 4, 5, 8])
def test_a_pixel_has_the_highest_probability_in_it(release: SimpleNamespace, step: int) -> None:
    made = release.maps["cleft"]
    x0, y0, width, height = 120, 64, 480, 240
    section = release.results.section("em", 6, x0, y0, width, height, step=step, **CLEFT)
    assert section.probability.shape == (-(-height // step), -(-width // step))
    values = made.values[6 - OFFSET[2]]
    for row, column in ((0, 0), (3, 7), (11, 20), (17, 31)):
        x, y = x0 + column * step, y0 + row * step
        first = x // made.pixel, y // made.pixel
        last = max((x + step) // made.pixel, first[0] + 1), max((y + step) // made.pixel, first[1] + 1)
        (a, b), (c, d) = first - made.first[:2], last - made.first[:2]
        assert section.probability[row, column] == values[b:d, a:c].max(), (row, column)


def test_where_no_map_was_made_there_is_none(release: SimpleNamespace) -> None:
    mitochondria = release.results.section("em", 6, *WHOLE, detector="mito", target="mitochondria", step=1)
    edge = BLOCKS["em.0"][1][0] - OFFSET[0]
    assert mitochondria.mapped[:, :edge].all()
    assert not mitochondria.mapped[:, edge:].any()
    assert not mitochondria.probability[:, edge:].any()
    assert not release.results.section("em", 12, *WHOLE, **CLEFT).mapped.any(), "between blocks that are not made yet"
    assert not release.results.section("em", 6, *WHOLE, detector="nobody", target="cleft").mapped.any()


def test_a_black_section_and_a_missing_one_say_so(release: SimpleNamespace) -> None:
    black, missing = (release.results.section("em", z, *WHOLE) for z in (BLACK, MISSING))
    assert (black.is_black, black.is_missing) == (True, False)
    assert (missing.is_black, missing.is_missing) == (False, True)
    seen = release.results.section("em", 6, *WHOLE)
    assert (seen.is_black, seen.is_missing) == (False, False)
    assert not missing.grey.any()


@pytest.mark.parametrize(
    ("box", "options", "words"),
    [
        (("nothing", 6, *WHOLE), {}, "no volume 'nothing' .*; there are em, photographs"),
        (("em", 4, *WHOLE), {}, "em has no section 4; its voxels are x 96 to 1095, y 64 to 871, z 5 to 16"),
        (("em", 17, *WHOLE), {}, "em has no section 17"),
        (("em", 6, 95, 64, 10, 10), {}, "do not lie in em"),
        (("em", 6, 96, 64, 1001, 10), {}, "do not lie in em"),
        (("em", 6, 96, 64, 0, 10), {}, "do not lie in em"),
        (("em", 6, 96, 64, 10, -1), {}, "do not lie in em"),
        (("em", 6, 2**62, 64, 10, 10), {}, "do not lie in em"),
        (("em", 6, *WHOLE), {"step": 0}, "choose another step"),
        (("em", 6, *WHOLE), {"step": -3}, "choose another step"),
    ],
)
def test_what_is_not_there_is_refused(release: SimpleNamespace, box: tuple, options: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        release.results.section(*box, **options)


def test_a_part_that_is_too_large_is_refused_before_it_is_read(
    release: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "MOST_VOXELS", 300 * 300)
    monkeypatch.setattr(detection, "SIDE_PX", 128)
    results = DetectionResults(release.store, release.results._file, release.dataset, release.results._pictures)
    assert results.most_voxels("em") == 512, "by the coarser scale, which has 256 of them"
    assert results.section("em", 6, 96, 64, 600, 600).grey.shape == (75, 75)
    with pytest.raises(BadInput, match=r"too much to read for one picture .* look at a smaller part"):
        results.section("em", 6, 96, 64, 800, 700)
    monkeypatch.setattr(detection, "_MOST_PIXELS", 100)
    with pytest.raises(BadInput, match="are no picture of 1 to 100 pixels"):
        results.section("em", 6, 96, 64, 20, 20)


def test_a_damaged_chunk_and_a_volume_that_is_gone_are_named(release: SimpleNamespace, tmp_path: Path) -> None:
    shutil.copytree(release.folder, tmp_path / "copy")
    dataset = detection_dataset(tmp_path / "copy")
    chunk = next((tmp_path / "copy" / "em" / "4_4_40").glob("96-*_64-*_8-9"))
    chunk.write_bytes(b"short")
    with open_warehouse(dataset, release.root) as warehouse:
        with pytest.raises(BadInput, match="It is damaged"):
            warehouse.detection.section("em", 8, 96, 64, 10, 10)
        assert warehouse.detection.section("em", 7, 96, 64, 10, 10).valid.all(), "others are read"
    shutil.rmtree(tmp_path / "copy" / "em")
    with (
        open_warehouse(dataset, release.root) as warehouse,
        pytest.raises(BadInput, match="there is no file or folder"),
    ):
        warehouse.detection.section("em", 6, 96, 64, 10, 10)
    fewer = dataset.model_copy(update={"volumes": {"photographs": dataset.volumes["photographs"]}})
    with (
        open_warehouse(fewer, release.root) as warehouse,
        pytest.raises(BadInput, match="has no volume 'em', of which"),
    ):
        warehouse.detection.section("em", 6, 96, 64, 10, 10)


def test_what_was_found_in_a_box_comes_by_score(release: SimpleNamespace) -> None:
    synapses = release.rows["synapses"]
    low, high = (400.0, 400.0, 200.0), (2400.0, 2800.0, 320.0)
    inside = [
        row for row in synapses if all(a <= row[f"{axis}_nm"] < b for axis, a, b in zip("xyz", low, high, strict=True))
    ]
    assert 5 < len(inside) < len(synapses)
    rows, count = release.results.found("synapses", "em", low, high, 4)
    assert count == len(inside)
    assert [row["score"] for row in rows] == sorted((row["score"] for row in inside), reverse=True)[:4]
    assert release.results.found("synapses", "photographs", low, high, 4) == ([], 0)
    first = synapses[0]
    place = [first[f"{axis}_nm"] for axis in "xyz"]
    above = [np.nextafter(one, np.inf) for one in place]
    assert [row["synapse_id"] for row in release.results.found("synapses", "em", place, above, 9)[0]] == [
        first["synapse_id"]
    ]
    assert release.results.found("synapses", "em", above, [one + 1 for one in place], 9)[1] == 0
    bodies, count = release.results.found("mitochondria", "em", (0, 0, 0), (1e6, 1e6, 1e6), 99)
    assert count == len(bodies) == 4


def test_examined_sites_come_in_the_order_in_which_they_are_worth_a_look(release: SimpleNamespace) -> None:
    rows = release.rows["examined_sites"]

    def ids(outcome: str, key: str, falling: bool = False) -> list[str]:
        def order(row: dict) -> tuple:
            value = row[key]
            return (value is None, (-value if falling else value) if value is not None else 0, row["site_id"])

        return [row["site_id"] for row in sorted((one for one in rows if one["outcome"] == outcome), key=order)]

    expected = {
        "found": ids("found", "score"),
        "missed": ids("missed", "distance_nm"),
        "invented": ids("invented", "score", True),
    }
    for outcome, ordered in expected.items():
        pages = [release.results.examined("clefts", "cleft", outcome, 6, 6 * page) for page in range(3)]
        assert [row["site_id"] for page, _ in pages for row in page] == ordered
        assert {count for _, count in pages} == {15}
    assert release.results.examined("mito", "mitochondria", "found", 6) == ([], 0)
    assert release.results.examined_detectors() == [("clefts", "cleft")]
    for row in rows:
        assert release.results.examined_tile(row["site_id"]) == row["tile"]
    with pytest.raises(BadInput, match="outcome: 'lost' is none of found, missed, invented"):
        release.results.examined("clefts", "cleft", "lost", 6)
    with pytest.raises(BadInput, match="no examined site 'nobody'"):
        release.results.examined_tile("nobody")


def test_volumes_are_as_large_as_their_blocks_together(release: SimpleNamespace) -> None:
    em = release.results.volume("em")
    assert (em.low, em.high) == (OFFSET, tuple(a + b for a, b in zip(OFFSET, SHAPE, strict=True)))
    assert em.voxel_of((400.0, 399.9, 200.0)) == (100, 99, 5)
    assert em.middle_nm((100, 99, 5)) == (402.0, 398.0, 220.0)
    assert release.results.block_at("em", (602, 100, 10)) == "em.0"
    assert release.results.block_at("em", (603, 100, 10)) == "em.1"
    assert release.results.block_at("em", (603, 100, 11)) == "em.2"
    assert release.results.block_at("em", (0, 0, 0)) is None
    assert [(one.block, one.target, one.version) for one in release.results.maps("em")] == [
        ("em.0", "cleft", VERSION), ("em.1", "cleft", VERSION), ("em.0", "mitochondria", VERSION)
    ]  # fmt: skip
    assert list(release.results.maps("photographs")) == []


def test_what_was_made_again_since_the_release_is_not_shown_as_if_it_were_of_it(tmp_path: Path) -> None:
    found = planted(tmp_path)
    rows = [{**row, "version": "v2"} for row in found.rows["examined_sites"]]
    found.store.results(tables.EXAMINED_SITES).write(pa.Table.from_pylist(rows, schema=tables.EXAMINED_SITES.arrow))
    shutil.rmtree(found.maps["cleft"].path)
    with Warehouse(found.store, dataset=found.dataset) as warehouse:
        with pytest.raises(BadInput, match="examined_sites of 'site 3' was made again, or removed"):
            warehouse.detection.examined_tile("site 3")
        with pytest.raises(BadInput, match="the map maps/em/clefts/v1/cleft is damaged or gone since this release"):
            warehouse.detection.section("em", 6, 96, 64, 10, 10, **CLEFT)
        assert warehouse.detection.section("em", 6, 96, 64, 10, 10).valid.all(), "without the map it is shown"


def test_a_release_without_these_tables_has_no_rows(tmp_path: Path) -> None:
    optional = (
        tables.PROBABILITY_MAPS,
        tables.DETECTIONS,
        tables.MITOCHONDRIA,
        tables.DETECTOR_SCORES,
        tables.EXAMINED_SITES,
    )
    found = planted(tmp_path, *optional)
    with open_warehouse(found.dataset, found.root) as warehouse:
        results = warehouse.detection
        assert list(results.volumes) == ["em", "photographs"]
        assert results.scores() == results.examined_detectors() == list(results.maps("em")) == []
        assert results.found("synapses", "em", (0, 0, 0), (1e9, 1e9, 1e9), 9) == ([], 0)
        np.testing.assert_array_equal(
            results.section("photographs", 2, 0, 0, 90, 70).grey, found.volumes["photographs"][2]
        )
