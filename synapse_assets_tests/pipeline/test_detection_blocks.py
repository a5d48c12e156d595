"""Volumes in blocks, maps made chunk by chunk, and objects of blocks that are together those of the whole volume."""

import logging
import multiprocessing
import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.detection import components
from synapse_assets.datasets import DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection import maps as maps_module
from synapse_assets.pipeline.detection import objects
from synapse_assets.pipeline.detection.blocks import BLOCK_BOXES, block_versions, edges_of, find_blocks, plan_blocks
from synapse_assets.pipeline.detection.maps import Maps, detector_source, map_block
from synapse_assets.pipeline.detection.objects import detect_block, find_mitochondria
from synapse_assets.pipeline.detection.stored import detector_in_use
from synapse_assets.pipeline.report import Markdown
from synapse_assets.schema.detection import DETECTIONS, MITOCHONDRIA, PROBABILITY_MAPS, VOLUME_BLOCKS
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import open_volume
from synapse_assets_tests.pipeline import searched

LOG = logging.getLogger(__name__)
SPAWN = multiprocessing.get_context("spawn")
SHAPE = (12, 150, 200)
CHUNK = (6, 96, 96)
PAIR = ("presynaptic", "postsynaptic")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps_module, "_CHUNK", {"unet_2d": CHUNK})


def planted() -> np.ndarray:
    """A dark box with a bright one beside it in each of 60 cells, wherever blocks end, and large dark boxes across the ends of blocks."""
    pixels, rng = searched.grey_volume(SHAPE), np.random.default_rng(1)
    for z in (0, 4, 8):
        for y in range(2, 120, 30):
            for x in range(2, 170, 36):
                a, b, c = z + rng.integers(0, 2), y + rng.integers(0, 8), x + rng.integers(0, 8)
                depth, height, width = rng.integers(1, 3), rng.integers(6, 10), rng.integers(8, 13)
                pixels[a : a + depth, b : b + height, c : c + width] = searched.DARK
                pixels[a : a + depth, b + height + 2 : b + height + 7, c : c + width] = searched.BRIGHT
    # Beyond the cells: across the end of two blocks, and of eight.
    pixels[1:4, 131:147, 60:100] = searched.DARK
    pixels[2:10, 60:88, 62:90] = searched.GREY + 1
    pixels[3:9, 66:84, 66:86] = searched.DARK
    return pixels


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "em"
    searched.write_volume(folder, planted())
    return folder


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    store = DatasetStore(str(tmp_path / "data"), "searched")
    in_use(store)
    return store


def in_use(store: DatasetStore, version: str = "v1") -> None:
    searched.put_in_use(
        store,
        version,
        pairs=(searched.network(PAIR), searched.rules(PAIR)),
        dark=(searched.network(["mitochondria"], factor=2), searched.rules(["mitochondria"])),
    )


def search(store: DatasetStore, dataset: DetectionDataset, *kinds: Any) -> None:
    plan_blocks(store, dataset, LOG)
    for block in find_blocks(store):
        for kind in kinds or (map_block, detect_block, find_mitochondria):
            report = kind(store, dataset, block, "cpu", LOG)
            assert all(check.passed or check.warn for check in report.checks)


# Blocks


@pytest.mark.parametrize(
    ("low", "high", "size", "step", "edges"),
    [
        (0, 100, 100, 16, [0, 100]),
        (0, 200, 100, 16, [0, 96, 200]),
        (0, 219, 100, 16, [0, 96, 219]),
        (0, 220, 100, 16, [0, 96, 192, 220]),
        (37, 237, 80, 16, [37, 112, 192, 237]),
        (5, 45, 10, 16, [5, 15, 25, 35, 45]),
        (-20, 12, 16, 16, [-20, -16, 12]),
        (3, 4, 500, 1, [3, 4]),
        (3, 6, 1, 1, [3, 4, 5, 6]),
        (0, 1, 1, 16, [0, 1]),
    ],
)
def test_an_axis_is_cut_into_blocks_none_of_them_empty(
    low: int, high: int, size: int, step: int, edges: list[int]
) -> None:
    assert edges_of(low, high, size, step) == edges
    assert all(a < b for a, b in pairwise(edges))


def test_blocks_cover_each_voxel_of_a_volume_once(store: DatasetStore, volume: Path) -> None:
    dataset = searched.dataset(volume)
    report = plan_blocks(store, dataset, LOG)
    rows = store.results(VOLUME_BLOCKS).read().to_pylist()
    assert report.rows == len(rows) == 3 * 2 * 2
    counts = np.zeros(SHAPE, int)
    for row in rows:
        box = [
            slice(row[f"{a}_low_voxels"] - o, row[f"{a}_high_voxels"] - o)
            for a, o in zip("xyz", searched.ORIGIN, strict=True)
        ]
        counts[tuple(box[::-1])] += 1
    assert (counts == 1).all()
    first = next(row for row in rows if row["block"] == "em_0_0_0")
    assert (first["x_high_voxels"], first["y_high_voxels"], first["z_high_voxels"]) == (112, 96, 9)
    assert first["url"] == str(volume)
    assert {row["voxel_z_nm"] for row in rows} == {40.0}


def test_the_plan_says_what_searching_takes(store: DatasetStore, volume: Path) -> None:
    report = plan_blocks(store, searched.dataset(volume), LOG)
    voxels = int(np.prod(SHAPE))
    assert report.details["voxels"] == voxels
    assert report.details["core_hours"] == pytest.approx(2 * voxels / 4e5 / 3600)
    assert report.details["gigabytes_to_fetch"] == 0
    plan = report.details["plan"]
    assert isinstance(plan, Markdown)
    assert plan.text.count("| assumed |") == 2
    assert "em_2_1_1" in plan.text


def test_more_voxels_than_the_ceiling_are_refused_with_what_to_do(store: DatasetStore, volume: Path) -> None:
    spec = {"kind": "precomputed", "url": str(volume), "voxel_size_nm": searched.VOXEL_NM}

    def of_two(**changes: Any) -> DetectionDataset:
        return searched.dataset(volume, volumes={"a": spec, "b": spec}, **changes)

    said = r"7.2e\+05 voxels, above the ceiling of 4e\+05.*core-hours.*detect_in.*voxel_ceiling: 7.2e\+05"
    with pytest.raises(BadInput, match=said) as error:
        plan_blocks(store, of_two(voxel_ceiling=4e5), LOG)
    assert not store.results(VOLUME_BLOCKS).files()
    advised = float(str(error.value).rpartition("voxel_ceiling: ")[2])
    plan_blocks(store, of_two(voxel_ceiling=advised), LOG)
    plan_blocks(store, of_two(voxel_ceiling=4e5, detect_in=["b"]), LOG)
    assert find_blocks(store)[0] == "b_0_0_0"


def test_more_blocks_than_can_be_kept_track_of_are_refused_with_a_size_that_is_taken(
    store: DatasetStore, volume: Path
) -> None:
    with pytest.raises(BadInput, match=r"em would be divided into 360,000 blocks, more than 100,000") as error:
        plan_blocks(store, searched.dataset(volume, block_nm=searched.VOXEL_NM), LOG)
    advised = str(error.value).partition("block_nm: [")[2].partition("]")[0]
    assert advised == "16, 16, 80"
    assert not store.results(VOLUME_BLOCKS).files()
    plan_blocks(store, searched.dataset(volume, block_nm=[float(nm) for nm in advised.split(", ")]), LOG)
    assert len(find_blocks(store)) == 100 * 75 * 6


@pytest.mark.parametrize("names", [("em 1", "em_1"), ("em", "EM"), ("a(R)", "a_R")])
def test_volumes_whose_blocks_would_have_one_name_are_refused(
    store: DatasetStore, volume: Path, names: tuple[str, str]
) -> None:
    spec = {"kind": "precomputed", "url": str(volume), "voxel_size_nm": searched.VOXEL_NM}
    with pytest.raises(BadInput, match="another name, of letters, digits and underscores"):
        plan_blocks(store, searched.dataset(volume, volumes=dict.fromkeys(names, spec)), LOG)


def test_the_version_of_a_block_is_that_of_its_box(store: DatasetStore, volume: Path) -> None:
    plan_blocks(store, searched.dataset(volume), LOG)
    before = {key: block_versions(store, key)[BLOCK_BOXES] for key in find_blocks(store)}
    assert len({version for version, _ in before.values()}) == 12
    plan_blocks(store, searched.dataset(volume, block_nm=(640, 640, 1000)), LOG)
    assert find_blocks(store) == [key for key in before if key.endswith("_0")]
    assert block_versions(store, "em_0_0_1")[BLOCK_BOXES] == ("no block", 0)
    assert block_versions(store, "em_0_0_0")[BLOCK_BOXES][0] != before["em_0_0_0"][0]
    plan_blocks(store, searched.dataset(volume), LOG)
    assert {key: block_versions(store, key)[BLOCK_BOXES] for key in find_blocks(store)} == before


# Maps


def whole_map(store: DatasetStore, dataset: DetectionDataset, name: str) -> np.ndarray:
    """What the network says of all of the volume in one pass, 0 to 255, not rounded."""
    network = detector_in_use(store, dataset, name).network
    source = detector_source(open_volume(dataset.volumes["em"]))
    return network.map_box(source, *network.spec.pixel_bounds(source.bounds), "cpu") * 255


@pytest.mark.parametrize("name", ["pairs", "dark"])
def test_maps_of_blocks_are_that_of_the_whole(store: DatasetStore, volume: Path, name: str) -> None:
    dataset = searched.dataset(volume)
    search(store, dataset, map_block)
    detector = detector_in_use(store, dataset, name)
    maps = Maps.of(store, dataset, detector, "em", "cpu")
    assert maps.missing_chunks(maps.low, maps.high) == []
    for target, expected in zip(detector.network.spec.targets, whole_map(store, dataset, name), strict=True):
        np.testing.assert_allclose(maps.read(target, maps.low, maps.high), expected, atol=0.5 + 255e-5)
    rows = store.results(PROBABILITY_MAPS).read().to_pylist()
    of_it = [row for row in rows if row["detector"] == name]
    assert len(of_it) == 12 * len(detector.network.spec.targets)
    assert sum(row["voxels"] for row in of_it) == np.prod(SHAPE) * len(detector.network.spec.targets)
    assert {row["pixel_nm"] for row in of_it} == {8.0 * detector.network.spec.factor}
    path = store.folder.path / of_it[0]["path"]
    assert (path / "info").is_file()


def test_a_chunk_is_computed_once_whichever_block_needs_it(store: DatasetStore, volume: Path) -> None:
    dataset = searched.dataset(volume, mitochondria_from=None)
    plan_blocks(store, dataset, LOG)
    factor_voxels = [
        map_block(store, dataset, key, "cpu", LOG).details["voxels_computed"] for key in find_blocks(store)
    ]
    assert sum(factor_voxels) == np.prod(SHAPE)
    again = map_block(store, dataset, "em_0_0_0", "cpu", LOG)
    assert (again.details["voxels_computed"], again.computed_rows, again.rows) == (0, 0, 2)
    assert again.checks[0].passed
    # How fast it was is known from before, and the next plan uses it.
    plan = plan_blocks(store, dataset, LOG).details["plan"]
    assert isinstance(plan, Markdown)
    assert "| measured |" in plan.text


def test_missing_and_black_sections_are_seen_as_their_neighbours_are(
    store: DatasetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps_module, "_CHUNK", {"unet_2d": (4, 96, 96)})
    pixels = planted()
    pixels[5] = 0
    searched.write_volume(tmp_path / "em", pixels)
    for chunk in (tmp_path / "em").glob("*/*_11-15"):
        chunk.unlink()
    dataset = searched.dataset(tmp_path / "em", block_nm=(1e6, 1e6, 1e6), mitochondria_from=None)
    spec = dataset.volumes["em"]
    dataset = dataset.model_copy(update={"volumes": {"em": spec.model_copy(update={"missing_chunks": "black"})}})
    search(store, dataset, map_block)
    (pre, post) = store.results(PROBABILITY_MAPS).read().to_pylist()
    assert pre["filled_sections"] == post["filled_sections"] == 1 + 4
    maps = Maps.of(store, dataset, detector_in_use(store, dataset, "pairs"), "em", "cpu")
    probability = maps.read("presynaptic", maps.low, maps.high)
    assert (probability[5] > 127).any()
    np.testing.assert_array_equal(probability[5], probability[4])

    # The volume is completed: what was computed without is computed again, and no more.
    complete = planted()
    searched.write_volume(tmp_path / "em", complete)
    report = map_block(store, dataset, "em_0_0_0", "cpu", LOG)
    assert report.details["filled_sections"] == 0
    assert 0 < report.details["voxels_computed"] < np.prod(SHAPE)
    expected = whole_map(store, dataset, "pairs")[0]
    again = Maps.of(store, dataset, maps.detector, "em", "cpu").read("presynaptic", maps.low, maps.high)
    np.testing.assert_allclose(again[4:], expected[4:], atol=0.51)


def test_maps_of_old_versions_go_when_no_block_needs_them(store: DatasetStore, volume: Path) -> None:
    dataset = searched.dataset(volume, block_nm=(1e6, 1e6, 240), mitochondria_from=None)
    search(store, dataset, map_block)
    in_use(store, "v2")
    folder = store.folder.path / "maps" / "em" / "pairs"
    first = map_block(store, dataset, "em_0_0_0", "cpu", LOG)
    assert first.details["removed_maps"] is None
    assert {path.name for path in folder.iterdir()} == {"v1", "v2"}
    second = map_block(store, dataset, "em_0_0_1", "cpu", LOG)
    assert second.details["removed_maps"] == "maps/em/pairs/v1"
    assert {path.name for path in folder.iterdir()} == {"v2"}
    assert set(store.results(PROBABILITY_MAPS).read().column("version").to_pylist()) == {"v2"}


def test_a_detector_of_another_voxel_size_is_refused(store: DatasetStore, volume: Path) -> None:
    searched.put_in_use(store, "coarse", pairs=(searched.network(PAIR, voxel_nm=(4, 4, 40)), searched.rules(PAIR)))
    dataset = searched.dataset(volume, mitochondria_from=None)
    plan_blocks(store, dataset, LOG)
    for step in (map_block, detect_block):
        with pytest.raises(BadInput, match=r"8 x 8 x 40.*4 x 4 x 40"):
            step(store, dataset, "em_0_0_0", "cpu", LOG)
    assert not store.results(PROBABILITY_MAPS).files()


def test_what_comes_first_is_named(tmp_path: Path, volume: Path) -> None:
    store, dataset = DatasetStore(str(tmp_path / "data"), "searched"), searched.dataset(volume)
    for step in (map_block, detect_block, find_mitochondria):
        with pytest.raises(BadInput, match="materialise volume_blocks first"):
            step(store, dataset, "em_0_0_0", "cpu", LOG)
    plan_blocks(store, dataset, LOG)
    for step in (map_block, detect_block, find_mitochondria):
        with pytest.raises(BadInput, match="materialise own/detector first"):
            step(store, dataset, "em_0_0_0", "cpu", LOG)


# Objects


@pytest.fixture(scope="session")
def found_whole(tmp_path_factory: pytest.TempPathFactory, volume: Path) -> DatasetStore:
    """The volume searched as one block. For reading only."""
    store = DatasetStore(str(tmp_path_factory.mktemp("whole")), "searched")
    in_use(store)
    search(store, searched.dataset(volume, block_nm=(1e6, 1e6, 1e6)), detect_block, find_mitochondria)
    return store


def test_positions_are_those_of_the_volume_not_of_what_the_detector_was_trained_on(
    store: DatasetStore, volume: Path, found_whole: DatasetStore
) -> None:
    dataset = searched.dataset(volume, block_nm=(1e6, 1e6, 1e6), mitochondria_from=None)
    exact = found_whole.results(DETECTIONS).read().drop_columns(["version"])
    near = searched.network(PAIR, voxel_nm=(8.2, 8.2, 41))
    searched.put_in_use(store, "near", pairs=(near, searched.rules(PAIR)))
    search(store, dataset, detect_block)
    assert exact.num_rows > 50
    assert store.results(DETECTIONS).read().drop_columns(["version"]).equals(exact)


def without_block(rows: pa.Table, key: str) -> list[dict[str, Any]]:
    return (
        rows.drop_columns([name for name in ("block", "brain_region") if name in rows.column_names])
        .sort_by(key)
        .to_pylist()
    )


def test_synapses_of_blocks_are_those_of_the_whole(
    store: DatasetStore, volume: Path, found_whole: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_PIECE_PX", 800_000)
    search(store, searched.dataset(volume), detect_block)
    expected, found = (one.results(DETECTIONS).read() for one in (found_whole, store))
    assert without_block(found, "synapse_id") == without_block(expected, "synapse_id")
    assert found.column("brain_region").to_pylist() == found.column("block").to_pylist()
    assert found.column("partners").to_pylist().count(1) >= 50
    boxes = {row["block"]: row for row in store.results(VOLUME_BLOCKS).read().to_pylist()}
    planted_at = {
        tuple(place) for place in (np.argwhere(planted() == searched.DARK)[:, ::-1] + searched.ORIGIN).tolist()
    }
    for row in found.to_pylist():
        voxel = tuple(int(row[f"{axis}_nm"] // size) for axis, size in zip("xyz", searched.VOXEL_NM, strict=True))
        assert voxel in planted_at
        assert row["synapse_id"] == "em_" + "_".join(map(str, voxel))
        box = boxes[row["block"]]
        assert all(box[f"{a}_low_voxels"] <= at < box[f"{a}_high_voxels"] for a, at in zip("xyz", voxel, strict=True))


def test_synapses_as_peaks_of_balls_are_those_of_the_whole_too(store: DatasetStore, volume: Path) -> None:
    searched.put_in_use(store, "balls", pairs=(searched.network(PAIR), searched.rules(PAIR, balls=True)))
    whole = DatasetStore(store.data_root, "whole")
    search(whole, searched.dataset(volume, name="whole", block_nm=(1e6, 1e6, 1e6)), detect_block)
    search(store, searched.dataset(volume), detect_block)
    expected, found = (one.results(DETECTIONS).read() for one in (whole, store))
    assert found.num_rows >= 60
    assert without_block(found, "synapse_id") == without_block(expected, "synapse_id")
    assert found.column("volume_nm3").null_count == found.column("sections").null_count == found.num_rows


def components_of(store: DatasetStore, dataset: DetectionDataset) -> list[tuple[float, int]]:
    """Volume in nm³ and sections of the connected parts of the whole map, by cc3d alone."""
    labels = cc3d.connected_components(np.rint(whole_map(store, dataset, "dark")[0]) >= 128, connectivity=26)
    stats = cc3d.statistics(labels)
    sections = [box[0].stop - box[0].start for box in stats["bounding_boxes"][1:]]
    return sorted(zip((stats["voxel_counts"][1:] * 16.0 * 16 * 40).tolist(), sections, strict=True))


def test_mitochondria_of_blocks_are_the_components_of_the_whole(
    store: DatasetStore, volume: Path, found_whole: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_FIRST_NM", 16.0)
    monkeypatch.setattr(objects, "_PIECE_PX", 2_000)
    dataset = searched.dataset(volume)
    search(store, dataset, find_mitochondria)
    rows = store.results(MITOCHONDRIA).read()
    assert without_block(rows, "mitochondrion_id") == without_block(
        found_whole.results(MITOCHONDRIA).read(), "mitochondrion_id"
    )
    expected = components_of(store, dataset)
    assert sorted((row["volume_nm3"], row["sections"]) for row in rows.to_pylist()) == expected
    assert len(expected) >= 60
    # The two large ones: across the end of two blocks, and of eight; each is of the block that it begins in.
    large = sorted((row["volume_nm3"], row["block"]) for row in rows.to_pylist())[-2:]
    assert {block for _, block in large} == {"em_0_1_0", "em_0_0_0"}


def test_what_reaches_the_end_of_the_volume_is_cut_off_there(store: DatasetStore, tmp_path: Path) -> None:
    pixels = searched.grey_volume(SHAPE)
    pixels[0:2, 20:40, 20:40] = pixels[6:8, 20:40, 20:40] = pixels[6:8, 130:, 60:100] = searched.DARK
    searched.write_volume(tmp_path / "em", pixels)
    search(store, searched.dataset(tmp_path / "em"), find_mitochondria)
    rows = store.results(MITOCHONDRIA).read().to_pylist()
    assert len(rows) == 3
    # By whether it lies in the first sections, and at the far end.
    cut_off = {(row["z_nm"] < 5 * 40, row["y_nm"] > 121 * 8): row["cut_off"] for row in rows}
    assert cut_off == {(True, False): True, (False, False): False, (False, True): True}


@pytest.mark.parametrize("target", ["mitochondria", "presynaptic"])
def test_what_is_longer_than_objects_are_followed_is_divided_between_blocks(
    store: DatasetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setattr(objects, "FOLLOWED_NM", 320.0)
    pixels = searched.grey_volume(SHAPE)
    # A bent bar through three blocks with an end of its own in each, a short one through two, and a short and a long one within one.
    pixels[4:6, 30:36, 10:190] = pixels[4:6, 30:60, 150:156] = pixels[2:6, 30:36, 60:66] = searched.DARK
    pixels[7:8, 100:106, 60:90] = searched.DARK
    pixels[7:8, 100:106, 172:198] = pixels[7:8, 80:145, 160:166] = searched.DARK
    searched.write_volume(tmp_path / "em", pixels)
    store_whole = DatasetStore(store.data_root, "whole")
    searched.put_in_use(store, "bars", dark=(searched.network([target]), searched.rules([target])))
    step, table = (find_mitochondria, MITOCHONDRIA) if target == "mitochondria" else (detect_block, DETECTIONS)
    changes: dict[str, Any] = {
        "mitochondria_from": "dark",
        "synapses_from": None if target == "mitochondria" else "dark",
    }
    search(store_whole, searched.dataset(tmp_path / "em", name="whole", block_nm=(1e6, 1e6, 1e6), **changes), step)
    search(store, searched.dataset(tmp_path / "em", **changes), step)
    whole, divided = (one.results(table).read().to_pylist() for one in (store_whole, store))
    assert len(whole) == 4
    # Three parts of the bent bar; the others are whole, whatever they cross.
    assert len(divided) == 3 + 3
    assert sum(row["volume_nm3"] for row in divided) == pytest.approx(sum(row["volume_nm3"] for row in whole))
    largest = max(whole, key=lambda row: row["volume_nm3"])["volume_nm3"]
    same = {row["volume_nm3"] for row in whole} & {row["volume_nm3"] for row in divided}
    assert len(same) == 3
    assert largest not in same
    if target == "mitochondria":
        assert sorted(row["cut_off"] for row in divided) == [False] * 3 + [True] * 3


def test_a_block_without_anything_is_an_ordinary_outcome(store: DatasetStore, tmp_path: Path) -> None:
    searched.write_volume(tmp_path / "em", searched.grey_volume(SHAPE))
    dataset = searched.dataset(tmp_path / "em", block_nm=(1e6, 1e6, 1e6))
    plan_blocks(store, dataset, LOG)
    for step, table in ((detect_block, DETECTIONS), (find_mitochondria, MITOCHONDRIA)):
        report = step(store, dataset, "em_0_0_0", "cpu", LOG)
        assert report.rows == 0
        assert [(check.passed, check.warn) for check in report.checks][-1] == (False, True)
        assert store.results(table).partitions() == {"em_0_0_0": 0}
    maps = store.results(PROBABILITY_MAPS)
    map_block(store, dataset, "em_0_0_0", "cpu", LOG)
    assert maps.read().column("marked_share").to_pylist() == [0.0, 0.0, 0.0]


def test_a_volume_of_one_section_is_searched_like_others(store: DatasetStore, tmp_path: Path) -> None:
    pixels = searched.grey_volume((1, 70, 90))
    pixels[0, 20:30, 40:52], pixels[0, 32:37, 40:52] = searched.DARK, searched.BRIGHT
    searched.write_volume(tmp_path / "em", pixels, chunk=(1, 64, 64))
    search(store, searched.dataset(tmp_path / "em", block_nm=(300, 300, 40)))
    (synapse,) = store.results(DETECTIONS).read().to_pylist()
    assert (synapse["sections"], synapse["partners"], synapse["z_nm"]) == (1, 1, 3.5 * 40)
    assert abs(synapse["x_nm"] / 8 - 37 - 46) <= 0.5
    assert abs(synapse["y_nm"] / 8 - 21 - 25) <= 0.5
    assert 32 <= synapse["post_y_nm"] / 8 - 21 <= 37
    (body,) = store.results(MITOCHONDRIA).read().to_pylist()
    assert body["cut_off"]


def test_a_block_that_there_is_not_any_more_loses_its_rows(store: DatasetStore, volume: Path) -> None:
    search(store, searched.dataset(volume, block_nm=(1e6, 1e6, 240)))
    dataset = searched.dataset(volume, block_nm=(1e6, 1e6, 1e6))
    plan_blocks(store, dataset, LOG)
    for step, table in ((map_block, PROBABILITY_MAPS), (detect_block, DETECTIONS), (find_mitochondria, MITOCHONDRIA)):
        assert store.results(table).partitions()["em_0_0_1"] > 0
        assert step(store, dataset, "em_0_0_1", "cpu", LOG).rows == 0
        assert store.results(table).partitions()["em_0_0_1"] == 0


def detect_until_killed(store: DatasetStore, dataset: DetectionDataset) -> None:
    """Ends like a loss of power among the components of the first piece of a block, for which it has mapped a part of the volume."""
    maps_module._CHUNK = {"unet_2d": CHUNK}
    objects._PIECE_PX = 900_000

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    components.labelled = die  # type: ignore[assignment]
    detect_block(store, dataset, "em_0_0_0", "cpu", LOG)


def test_a_killed_run_leaves_the_table_of_before_and_the_next_computes_only_the_rest(
    store: DatasetStore, volume: Path
) -> None:
    dataset = searched.dataset(volume, block_nm=(1e6, 1e6, 1e6), mitochondria_from=None)
    plan_blocks(store, dataset, LOG)
    detect_block(store, dataset, "em_0_0_0", "cpu", LOG)
    before = store.results(DETECTIONS).read()
    strict = searched.rules(PAIR, limits=components.Limits(min_nm3=1e12))
    searched.put_in_use(store, "strict", pairs=(searched.network(PAIR), strict))
    process = SPAWN.Process(target=detect_until_killed, args=(store, dataset))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert before.num_rows
    assert store.results(DETECTIONS).read().equals(before)
    maps = Maps.of(store, dataset, detector_in_use(store, dataset, "pairs"), "em", "cpu")
    left = maps.missing_chunks(maps.low, maps.high)
    assert 0 < len(left) < len(maps.chunks(maps.low, maps.high)) == 2 * 2 * 3
    sizes = [np.prod(np.subtract(end, np.maximum(first, maps.low))) for first, end in left]
    report = map_block(store, dataset, "em_0_0_0", "cpu", LOG)
    assert report.details["voxels_computed"] == sum(sizes)
    expected = whole_map(store, dataset, "pairs")[0]
    np.testing.assert_allclose(maps.read("presynaptic", maps.low, maps.high), expected, atol=0.51)
    assert detect_block(store, dataset, "em_0_0_0", "cpu", LOG).rows == 0


def test_regions_and_neurons_are_those_of_the_label_volumes(store: DatasetStore, volume: Path, tmp_path: Path) -> None:
    _z, y, x = np.indices(SHAPE)
    # Regions 7 and 8 from left to right and none at the right end; neurons by y, none in the first 30 rows.
    searched.write_labels(tmp_path / "regions", np.select([x < 80, x < 160], [7, 8], 0))
    searched.write_labels(tmp_path / "neurons", np.where(y < 30, 0, 1000 + y // 10))
    layers = [
        {
            "of": of,
            "labels": {"kind": "precomputed", "url": str(tmp_path / name), "voxel_size_nm": searched.VOXEL_NM},
            **more,
        }
        for of, name, more in (("brain_region", "regions", {"names": {7: "AL(L)"}}), ("neuron_id", "neurons", {}))
    ]
    dataset = searched.dataset(volume, labels_from=layers, missing_region="NONE", block_nm=(1e6, 1e6, 1e6))
    search(store, dataset, detect_block, find_mitochondria)
    rows = store.results(DETECTIONS).read().to_pylist()

    def neuron(y_nm: float) -> int | None:
        row = int(y_nm // 8) - searched.ORIGIN[1]
        return None if row < 30 else 1000 + row // 10

    for row in rows:
        column = int(row["x_nm"] // 8) - searched.ORIGIN[0]
        assert row["brain_region"] == ("AL_L" if column < 80 else "region_8" if column < 160 else "NONE")
        assert row["neuron_id"] == neuron(row["y_nm"])
        assert row["partner_id"] == (None if row["post_y_nm"] is None else neuron(row["post_y_nm"]))
    assert {row["brain_region"] for row in rows} >= {"AL_L", "region_8"}
    assert {row["neuron_id"] is None for row in rows} == {True, False}
    for body in store.results(MITOCHONDRIA).read().to_pylist():
        assert body["neuron_id"] == neuron(body["y_nm"])
