"""Rounds of boxes that people look through: which are asked about, what follows from the answers, and what a detector learns."""

import logging
import shutil
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
import yaml
from typer.testing import CliRunner

from synapse_assets.analysis.detection.components import components
from synapse_assets.cli import app
from synapse_assets.datasets import Annotation, DetectionDataset, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.annotated import read_annotations, register_annotations, registered_annotations
from synapse_assets.pipeline.detection.blocks import block_of, blocks_by_key, find_blocks
from synapse_assets.pipeline.detection.detector import fit_detectors, stored_detectors
from synapse_assets.pipeline.detection.labelling.boxes import (
    APART_FROM_TEST_NM,
    BEYOND,
    Box,
    added_site,
    added_to,
    packed,
    unpacked,
)
from synapse_assets.pipeline.detection.labelling.curve import score_rounds
from synapse_assets.pipeline.detection.labelling.export import DATASET_FILE, export_sites
from synapse_assets.pipeline.detection.labelling.lessons import Lesson, lessons_of, versions_by_round
from synapse_assets.pipeline.detection.labelling.reviews import review_boxes
from synapse_assets.pipeline.detection.labelling.suggestions import _chosen, _Grid, suggest_boxes
from synapse_assets.pipeline.detection.maps import Maps
from synapse_assets.pipeline.detection.stored import MODEL, detector_in_use
from synapse_assets.pipeline.detection.tested import BLOCK, DetectorTest
from synapse_assets.pipeline.labelling.rounds import answers_read
from synapse_assets.pipeline.report import Picture, Report
from synapse_assets.schema.detection import DETECTIONS
from synapse_assets.schema.labelling import (
    ACCEPT,
    ADD,
    BOX_SUGGESTIONS,
    BY_CHANCE,
    BY_STRATEGY,
    DONE,
    LABEL_CURVE,
    MOVE,
    REJECT,
    REVIEWED_BOXES,
    REVIEWED_SITES,
    SUGGESTED_SITES,
)
from synapse_assets.stores import DatasetStore, maintain
from synapse_assets_tests.pipeline import box_labelling as planted
from synapse_assets_tests.pipeline.searched import ORIGIN, VOXEL_NM

LOG = logging.getLogger(__name__)


@pytest.fixture(scope="session")
def searched_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The volume, and a store whose blocks were searched; for copying."""
    folder = tmp_path_factory.mktemp("looked_through")
    planted.plant(folder)
    planted.search(DatasetStore(str(folder / "data"), "own"), planted.dataset(folder))
    return folder


@pytest.fixture(scope="session")
def fitted_once(searched_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same store with detectors trained on what is annotated, those set by hand being in use; for copying."""
    folder = tmp_path_factory.mktemp("fitted")
    shutil.copytree(searched_once / "data", folder / "data")
    fit(DatasetStore(str(folder / "data"), "own"), planted.dataset(searched_once, labelling=None))
    return folder


@pytest.fixture
def fitted(fitted_once: Path, tmp_path: Path) -> DatasetStore:
    shutil.copytree(fitted_once / "data", tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "own")


@pytest.fixture
def store(searched_once: Path, tmp_path: Path) -> DatasetStore:
    shutil.copytree(searched_once / "data", tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "own")


@pytest.fixture
def dataset(searched_once: Path) -> DetectionDataset:
    return planted.dataset(searched_once)


def ask(store: DatasetStore, dataset: DetectionDataset, name: str = "round_001") -> Report:
    return suggest_boxes(store, dataset, name, "cpu", LOG)


def boxes_of(store: DatasetStore, name: str | None = None) -> list[Box]:
    rows = store.results(BOX_SUGGESTIONS).read(name).to_pylist()
    return [Box.of(row) for row in sorted(rows, key=lambda row: row["rank"])]


def bits(values: np.ndarray) -> float:
    p = np.clip(values / 255, 1e-12, 1 - 1e-12)
    return float(np.mean(-p * np.log2(p) - (1 - p) * np.log2(1 - p)))


# Asking


def test_the_least_sure_boxes_are_asked_about_and_some_at_random(
    store: DatasetStore, dataset: DetectionDataset
) -> None:
    report = ask(store, dataset)
    assert (report.rows, [check.passed for check in report.checks]) == (5, [True])
    rows = store.results(BOX_SUGGESTIONS).read("round_001").to_pylist()
    assert sorted(row["rank"] for row in rows) == [0, 1, 2, 3, 4]
    assert [row["origin"] for row in rows].count(BY_CHANCE) == 2
    assert {row["strategy"] for row in rows if row["origin"] == BY_CHANCE} == {"random"}
    # All boxes by themselves: a grid of 35 x 35 x 6 voxels from the first of the volume, by the map as a whole.
    detector = detector_in_use(store, dataset, "pairs")
    maps = Maps.of(store, dataset, detector, "em", "cpu")
    whole = maps.read("presynaptic", maps.low, maps.high)
    entropies = {}
    for row in rows:
        box = Box.of(row)
        (x, y, z), (x_end, y_end, z_end) = box.low, box.high
        assert ((x - ORIGIN[0]) % 35, (y - ORIGIN[1]) % 35, (z - ORIGIN[2]) % 6) == (0, 0, 0)
        first = [-(-edge // 2) if edge != begin else edge // 2 for edge, begin in ((y, ORIGIN[1]), (x, ORIGIN[0]))]
        part = whole[
            z - maps.low[0] : z_end - maps.low[0],
            first[0] - maps.low[1] : -(-y_end // 2) - maps.low[1],
            first[1] - maps.low[2] : -(-x_end // 2) - maps.low[2],
        ]
        assert row["uncertainty"] == pytest.approx(bits(part), abs=1e-6)
        entropies[row["box"]] = row["uncertainty"]
    by_strategy = [row for row in rows if row["origin"] == BY_STRATEGY]
    every = planted.dataset(
        Path(dataset.volumes["em"].url).parent, labelling={"batch": 1000, "box_nm": (280, 280, 240)}
    )
    rest = DatasetStore(store.data_root, "own")
    rest.results(BOX_SUGGESTIONS).remove_partition("round_001")
    suggest_boxes(rest, every, "all", "cpu", LOG)
    others = store.results(BOX_SUGGESTIONS).read("all").to_pylist()
    least = sorted((row["uncertainty"] for row in others), reverse=True)[:3]
    assert sorted((row["uncertainty"] for row in by_strategy), reverse=True) == pytest.approx(least)


def test_no_box_comes_near_what_detectors_are_tested_on(store: DatasetStore, dataset: DetectionDataset) -> None:
    everything = dataset.model_copy(update={"labelling": dataset.labelling.model_copy(update={"batch": 1000})})  # type: ignore[union-attr]
    report = ask(store, everything)
    assert [check.passed for check in report.checks] == [False]
    assert "near what is annotated" in report.checks[0].description
    low, high = (np.array(edge) * VOXEL_NM for edge in planted.ANNOTATED)
    boxes = boxes_of(store)
    assert boxes
    for box in boxes:
        away = np.maximum(0, np.maximum(low - np.array(box.high) * VOXEL_NM, np.array(box.low) * VOXEL_NM - high))
        assert np.sqrt((away**2).sum()) >= APART_FROM_TEST_NM


def test_sites_of_a_box_are_those_detected_in_it(store: DatasetStore, dataset: DetectionDataset) -> None:
    ask(store, dataset)
    detected = store.results(DETECTIONS).read().to_pylist()
    asked = store.results(SUGGESTED_SITES).read("round_001").to_pylist()
    assert asked
    for box in boxes_of(store):
        inside = {
            row["synapse_id"]
            for row in detected
            if all(
                a <= row[f"{axis}_nm"] / size < b
                for axis, size, a, b in zip("xyz", VOXEL_NM, box.low, box.high, strict=True)
            )
        }
        assert {row["site"] for row in asked if row["box"] == box.box} == inside
    assert {row["target"] for row in asked} == {"presynaptic"}


def test_what_is_marked_in_a_box_is_by_site_and_the_rest_is_beyond(
    store: DatasetStore, dataset: DetectionDataset
) -> None:
    everything = dataset.model_copy(update={"labelling": dataset.labelling.model_copy(update={"batch": 1000})})  # type: ignore[union-attr]
    ask(store, everything)
    maps = Maps.of(store, dataset, detector_in_use(store, dataset, "pairs"), "em", "cpu")
    objects = components(maps.read("presynaptic", maps.low, maps.high), 0.5, maps.pixel_size_nm)
    whole = np.repeat(np.repeat(objects.labels, 2, axis=1), 2, axis=2)
    seen = set()
    for row in store.results(BOX_SUGGESTIONS).read().to_pylist():
        box = Box.of(row)
        marked = unpacked(row["marked"], box)
        starts = (box.low[2] - maps.low[0], box.low[1] - 2 * maps.low[1], box.low[0] - 2 * maps.low[2])
        here = whole[tuple(slice(a, a + length) for a, length in zip(starts, box.shape, strict=True))]
        assert np.array_equal(marked > 0, here > 0)
        sites = [site for site in store.results(SUGGESTED_SITES).read().to_pylist() if site["box"] == box.box]
        for number, site in enumerate(sites, start=1):
            z, y, x = (
                int(site[f"{axis}_nm"] / size + 1e-6) - low
                for axis, size, low in zip("zyx", VOXEL_NM[::-1], box.low[::-1], strict=True)
            )
            label = here[z, y, x]
            assert label
            assert np.array_equal(marked == number, here == label)
        assert set(np.unique(marked).tolist()) <= {0, BEYOND, *range(1, len(sites) + 1)}
        seen |= set(np.unique(marked).tolist())
    assert BEYOND in seen, "some object of another box reaches into one"


def test_a_round_stays_as_it_was_asked_and_no_box_is_asked_about_twice(
    store: DatasetStore, dataset: DetectionDataset
) -> None:
    first = ask(store, dataset)
    before = store.results(BOX_SUGGESTIONS).read("round_001").to_pylist()
    everything = dataset.model_copy(update={"labelling": dataset.labelling.model_copy(update={"batch": 1000})})  # type: ignore[union-attr]
    assert ask(store, everything).content_version == first.content_version
    assert store.results(BOX_SUGGESTIONS).read("round_001").to_pylist() == before
    ask(store, everything, "round_002")
    first_boxes, others = boxes_of(store, "round_001"), boxes_of(store, "round_002")
    assert others
    assert not any(box.overlaps(other) for box in first_boxes for other in others)
    # Of another size they lie otherwise, and may not reach into one that was asked about either.
    smaller = everything.labelling.model_copy(update={"box_nm": (200.0, 200.0, 240.0)})  # type: ignore[union-attr]
    ask(store, dataset.model_copy(update={"labelling": smaller}), "round_003")
    last = boxes_of(store, "round_003")
    assert not any(box.overlaps(other) for box in last for other in (*first_boxes, *others))
    report = ask(store, dataset.model_copy(update={"labelling": smaller}), "round_004")
    assert (report.rows, report.checks[0].passed) == (0, False)
    assert "there is no box to ask about" in report.checks[0].description
    # Once there is one, as after another box_nm, the round that asked nothing is chosen anew.
    store.results(BOX_SUGGESTIONS).remove_partition("round_003")
    assert (ask(store, dataset.model_copy(update={"labelling": smaller}), "round_004").rows or 0) > 0
    assert store.results(BOX_SUGGESTIONS).made_from("round_004") is not None, "an empty round was asked too"


def test_a_round_that_was_interrupted_is_asked_again(store: DatasetStore, dataset: DetectionDataset) -> None:
    ask(store, dataset)
    sites = store.results(SUGGESTED_SITES).read().to_pylist()
    store.results(BOX_SUGGESTIONS).remove_partition("round_001")
    planted.write_answers(store, person := planted.Person("Ada"))
    assert not person.given
    assert review_boxes(store, dataset, LOG).rows == 0
    ask(store, dataset)
    assert store.results(SUGGESTED_SITES).read().to_pylist() == sites


def test_boxes_are_as_far_apart_as_they_should_be(store: DatasetStore, dataset: DetectionDataset) -> None:
    choice = dataset.labelling.model_copy(update={"apart_nm": 300.0, "batch": 6})  # type: ignore[union-attr]
    ask(store, dataset.model_copy(update={"labelling": choice}))
    boxes = boxes_of(store)
    assert len(boxes) >= 2
    assert all(a.distance_nm(b, VOXEL_NM) >= 300 for a in boxes for b in boxes if a != b)


def test_blocks_are_read_at_once_as_one_by_one(store: DatasetStore, dataset: DetectionDataset) -> None:
    keys = find_blocks(store)
    assert len(keys) > 1
    assert blocks_by_key(store, dataset) == {key: block_of(store, dataset, key) for key in keys}
    renamed = dataset.model_copy(update={"volumes": {"other": dataset.volumes["em"]}})
    for read in (lambda: blocks_by_key(store, renamed), lambda: block_of(store, renamed, keys[0])):
        with pytest.raises(BadInput, match=r"is of volume 'em', .* materialise volume_blocks again"):
            read()


def test_a_grid_knows_what_its_boxes_know_one_by_one() -> None:
    rng = np.random.default_rng(0)
    z, y, x = (np.cumsum(rng.integers(3, 9, length)) for length in (4, 6, 8))
    shape, nowhere = (3, 5, 7), Box("other", "elsewhere", (0, 0, 0), (99, 99, 99))
    grid = _Grid("em", "em", (z, y, x), VOXEL_NM, rng.random(shape), np.ones(shape, np.bool_))
    boxes = [grid.candidate(number).box for number in range(grid.free.size)]
    assert (boxes[-1].low, boxes[-1].high) == ((x[-2], y[-2], z[-2]), (x[-1], y[-1], z[-1]))
    assert [grid.candidate(number).uncertainty for number in (0, 104)] == grid.uncertainty.ravel()[[0, 104]].tolist()
    for _ in range(20):
        low = rng.integers(-5, 40, 3)
        others = [Box("a", "em", tuple(low.tolist()), tuple((low + rng.integers(1, 20, 3)).tolist())), nowhere]
        overlapping = [any(box.overlaps(other) for other in others) for box in boxes]
        assert grid.overlapping(others).ravel().tolist() == overlapping
        nearer = [any(box.distance_nm(other, VOXEL_NM) < 100 for other in others) for box in boxes]
        assert grid.nearer(others, 100).ravel().tolist() == nearer
    assert (grid.leave_out(grid.uncertainty < 0.5), int(grid.free.sum())) == (
        int((grid.uncertainty < 0.5).sum()), int((grid.uncertainty >= 0.5).sum())
    )  # fmt: skip
    assert grid.leave_out(np.ones(shape, np.bool_)) == int((grid.uncertainty >= 0.5).sum())


def test_boxes_of_a_million_are_chosen_in_seconds(dataset: DetectionDataset) -> None:
    edges = np.arange(101) * 50
    uncertainty = np.random.default_rng(0).random((100, 100, 100))
    grid = _Grid("em", "em", (edges, edges, edges), VOXEL_NM, uncertainty, np.ones(uncertainty.shape, np.bool_))
    began = time.process_time()
    asked = [grid.candidate(number).box for number in range(0, 1_000_000, 10_000)]
    assert grid.leave_out(grid.overlapping(asked)) == 100
    assert grid.leave_out(grid.nearer(asked[:1], APART_FROM_TEST_NM)) > 0
    open_ones = np.sort(uncertainty[grid.free])[::-1]
    chosen = _chosen([grid], dataset, "round_001")
    assert time.process_time() - began < 10
    assert [one.uncertainty for one, origin in chosen if origin == BY_STRATEGY] == open_ones[:3].tolist()
    assert len({one.box.box for one, _ in chosen}) == 5


def test_only_what_the_detector_in_use_has_searched_is_asked_about(
    store: DatasetStore, dataset: DetectionDataset, searched_once: Path
) -> None:
    keys = store.results(DETECTIONS).partitions()
    store.results(DETECTIONS).remove_partition(next(iter(keys)))
    report = ask(store, dataset)
    assert "not searched by the detector in use" in str(report.details["said"])
    for key in keys:
        store.results(DETECTIONS).remove_partition(key)
    with pytest.raises(BadInput, match=r"nothing was searched by the detector in use \(by_hand\): materialise prob"):
        ask(store, dataset, "round_002")
    assert store.results(BOX_SUGGESTIONS).made_from("round_002") is None
    fresh = DatasetStore(str(searched_once / "nothing"), "own")
    with pytest.raises(BadInput, match="materialise own/detector first"):
        ask(fresh, dataset)


def test_boxes_smaller_than_a_pixel_are_refused(store: DatasetStore, dataset: DetectionDataset) -> None:
    choice = dataset.labelling.model_copy(update={"box_nm": (8.0, 8.0, 40.0)})  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="smaller than a pixel of the detector"):
        ask(store, dataset.model_copy(update={"labelling": choice}))


def test_what_is_marked_is_read_as_it_was_packed() -> None:
    box = Box("b", "em", (0, 0, 0), (4, 3, 2))
    marked = np.arange(24, dtype=np.uint16).reshape(box.shape) * 2000
    assert np.array_equal(unpacked(packed(marked), box), marked)
    for broken in (packed(marked)[:-3], packed(marked[:1]), b"nothing"):
        with pytest.raises(BadInput, match="what is marked in box b is damaged"):
            unpacked(broken, box)


# Reviewing


def with_sites(store: DatasetStore, fewest: int = 1) -> tuple[Box, list[dict[str, object]]]:
    """A box of the round with so many sites, and these."""
    for box in boxes_of(store):
        sites = [row for row in store.results(SUGGESTED_SITES).read().to_pylist() if row["box"] == box.box]
        if len(sites) >= fewest:
            return box, sites
    raise AssertionError("no box has so many sites")


def middle(box: Box, *more: float) -> list[float]:
    """A place in nm in the middle of a box, or that many voxels beside it."""
    return ((np.add(box.low, box.high) / 2 + (more or (0, 0, 0))) * VOXEL_NM).tolist()


def look_through(person: planted.Person, store: DatasetStore, box: Box, answer: str = ACCEPT) -> None:
    """Gives the same answer to all sites of a box, and marks it as done."""
    for row in store.results(SUGGESTED_SITES).read().to_pylist():
        if row["box"] == box.box:
            person.says(str(row["site"]), answer)
    person.says(box.box, DONE)


def test_a_box_that_is_done_has_sites_accepted_moved_rejected_and_added(
    store: DatasetStore, dataset: DetectionDataset
) -> None:
    ask(store, dataset)
    box, sites = with_sites(store, 2)
    ada = planted.Person("Ada")
    place = middle(box)
    ada.says(str(sites[0]["site"]), REJECT)
    ada.says(str(sites[0]["site"]), MOVE, place)
    ada.says(str(sites[1]["site"]), ACCEPT)
    ada.takes_back(str(sites[1]["site"]), ada.says(str(sites[1]["site"]), REJECT))
    added = added_site(box.box, "presynaptic", "one")
    ada.says(added, ADD, middle(box, 2, 2, 1))
    ada.says(added, ADD, middle(box, 3, 3, 1))
    taken_out = added_site(box.box, "presynaptic", "two")
    ada.says(taken_out, ADD, place)
    ada.says(taken_out, REJECT)
    for site in sites[2:]:
        ada.says(str(site["site"]), REJECT)
    planted.write_answers(store, ada)
    assert review_boxes(store, dataset, LOG).rows == 0, "nothing counts before a box is done"
    ada.says(box.box, DONE)
    planted.write_answers(store, ada)
    report = review_boxes(store, dataset, LOG)
    assert [check.passed for check in report.checks] == [True, True]
    # The taken back REJECT leaves the ACCEPT before it.
    [row] = store.results(REVIEWED_BOXES).read().to_pylist()
    assert Box.of(row) == box
    assert (row["accepted"], row["moved"], row["rejected"], row["added"]) == (1, 1, len(sites) - 2, 1)
    by_id = {site["site"]: site for site in store.results(REVIEWED_SITES).read().to_pylist()}
    assert by_id.keys() == {*(site["site"] for site in sites), added}
    assert [by_id[sites[0]["site"]][f"{axis}_nm"] for axis in "xyz"] == place
    assert [by_id[sites[1]["site"]][f"{axis}_nm"] for axis in "xyz"] == [sites[1][f"{axis}_nm"] for axis in "xyz"]
    assert [by_id[added][f"{axis}_nm"] for axis in "xyz"] == middle(box, 3, 3, 1)
    assert (by_id[added]["outcome"], by_id[added]["target"]) == (ADD, "presynaptic")
    ada.takes_back(box.box, str(ada.given[-1]["answer_id"]))
    planted.write_answers(store, ada)
    assert review_boxes(store, dataset, LOG).rows == 0, "what is not done any more does not count"


def test_the_content_changes_with_what_people_say_and_not_with_another_run(
    store: DatasetStore, dataset: DetectionDataset
) -> None:
    ask(store, dataset)
    box, _ = with_sites(store)
    ada = planted.Person("Ada")
    look_through(ada, store, box)
    planted.write_answers(store, ada)
    first = review_boxes(store, dataset, LOG).content_version
    assert review_boxes(store, dataset, LOG).content_version == first
    ada.says(added_site(box.box, "presynaptic", "one"), ADD, middle(box))
    planted.write_answers(store, ada)
    assert review_boxes(store, dataset, LOG).content_version != first


def test_a_box_without_all_answers_or_with_a_site_outside_does_not_count(
    store: DatasetStore, dataset: DetectionDataset
) -> None:
    ask(store, dataset)
    box, sites = with_sites(store)
    ada = planted.Person("Ada")
    ada.says(box.box, DONE)
    planted.write_answers(store, ada)
    report = review_boxes(store, dataset, LOG)
    assert (report.rows, report.checks[0].passed) == (0, False)
    assert f"{box.box}: {len(sites)} of its sites have no answer" in report.checks[0].description
    look_through(ada, store, box)
    outside = (np.array(box.high) + 1) * VOXEL_NM
    for answer, item in ((MOVE, str(sites[0]["site"])), (ADD, added_site(box.box, "presynaptic", "far"))):
        for place, volume in ((outside, "em"), (middle(box), "another"), (None, "em")):
            bob = planted.Person("Bob", ada)
            bob.given = list(ada.given)
            bob.says(item, answer, place, volume)
            planted.write_answers(store, planted.Person("all", bob))
            [done] = [row for row in bob.given if row["answer"] == DONE][-1:]
            bob.given = [row | ({"annotator": "Ada"} if row is bob.given[-1] else {}) for row in bob.given]
            planted.write_answers(store, bob)
            report = review_boxes(store, dataset, LOG)
            assert done["item"] == box.box
            assert report.rows == 0
            assert f"{item} lies outside of it" in report.checks[0].description


def test_two_people_in_one_box_and_the_last_counts(store: DatasetStore, dataset: DetectionDataset) -> None:
    ask(store, dataset)
    box, sites = with_sites(store)
    ada = planted.Person("Ada")
    bob = planted.Person("Bob", ada)
    look_through(ada, store, box)
    look_through(bob, store, box)
    planted.write_answers(store, ada)
    assert [check.passed for check in review_boxes(store, dataset, LOG).checks] == [True, True]
    bob.says(str(sites[0]["site"]), REJECT)
    planted.write_answers(store, ada)
    report = review_boxes(store, dataset, LOG)
    assert [check.passed for check in report.checks] == [True, False]
    assert f"1 boxes were looked through with other outcomes: what was said last counts: {box.box}" in str(
        report.checks[1].description
    )
    [row] = store.results(REVIEWED_BOXES).read().to_pylist()
    assert row["rejected"] == 1
    # Who has not finished does not count, whenever it was.
    bob.takes_back(
        box.box, next(one["answer_id"] for one in bob.given if (one["annotator"], one["answer"]) == ("Bob", DONE))
    )
    planted.write_answers(store, ada)
    report = review_boxes(store, dataset, LOG)
    assert [check.passed for check in report.checks] == [True, True]
    [row] = store.results(REVIEWED_BOXES).read().to_pylist()
    assert row["rejected"] == 0


def test_answers_to_nothing_are_counted_and_otherwise_ignored(store: DatasetStore, dataset: DetectionDataset) -> None:
    ask(store, dataset)
    box, _ = with_sites(store)
    ada = planted.Person("Ada")
    for item in ("em_1_2_3", "no/box/x", "em_box_9_9_9", "/", '"<b>"'):
        ada.says(item, ACCEPT)
    look_through(ada, store, box)
    planted.write_answers(store, ada)
    report = review_boxes(store, dataset, LOG)
    assert (report.details["answers_to_nothing"], report.rows) == (5, 1)
    assert review_boxes(DatasetStore(store.data_root, "never_asked"), dataset, LOG).rows == 0
    assert added_to("a/b/c/d") == ("a", "b")
    assert added_to("a/b") is None


# Learning


def everything_done(store: DatasetStore, dataset: DetectionDataset, *names: str) -> planted.Person:
    """Rounds in which all boxes were looked through and everything accepted."""
    ada = planted.Person("Ada")
    for name in names:
        ask(store, dataset, name)
        ada.round = name
        for box in boxes_of(store, name):
            look_through(ada, store, box)
    planted.write_answers(store, ada)
    review_boxes(store, dataset, LOG)
    return ada


def learnt(store: DatasetStore, dataset: DetectionDataset) -> dict[str, Lesson]:
    register_annotations(store, dataset, [], LOG)
    every = registered_annotations(store, dataset, LOG)
    return {lesson.box: lesson for lesson in lessons_of(store, dataset, every, LOG)}


def radius_voxels(searched_once: Path) -> list[int]:
    """Of a ball of the median volume of what is annotated, x, y, z, rounded down."""
    _, labels = planted.planted()
    (x, y, _), (x_end, y_end, _) = (np.subtract(edge, ORIGIN) for edge in planted.ANNOTATED)
    sizes = np.unique(labels[:, y:y_end, x:x_end], return_counts=True)[1][1:]
    radius = (3 * np.median(sizes) * np.prod(VOXEL_NM) / (4 * np.pi)) ** (1 / 3)
    return [int(radius // size) for size in VOXEL_NM]


def test_accepted_sites_keep_their_voxels_and_rejected_ones_are_nothing(
    store: DatasetStore, dataset: DetectionDataset, searched_once: Path
) -> None:
    ask(store, dataset)
    box, sites = with_sites(store)
    row = next(row for row in store.results(BOX_SUGGESTIONS).read().to_pylist() if row["box"] == box.box)
    marked = unpacked(row["marked"], box)
    away = radius_voxels(searched_once)
    for answer in (ACCEPT, REJECT):
        ada = planted.Person("Ada")
        look_through(ada, store, box, answer)
        planted.write_answers(store, ada)
        review_boxes(store, dataset, LOG)
        lesson = learnt(store, dataset)[box.box]
        assert lesson.targets_known == (True, False)
        assert not lesson.truth[1].any(), "nobody was asked about postsynaptic sites"
        # Windows of 16 pixels of 2 x 2 voxels see 8 of them around the box, and a section above and below.
        z0, y0, x0 = box.low[2] - 1, (box.low[1] // 2 - 8) * 2, (box.low[0] // 2 - 8) * 2
        assert lesson.grey.shape == (lesson.known.shape[0], *(2 * side for side in lesson.known.shape[1:]))
        pixels, _ = planted.planted()
        inside = lesson.grey[1:-1, 16:-16, 16:-16]
        at = np.subtract((z0 + 1, y0 + 16, x0 + 16), ORIGIN[::-1])
        shown = pixels[tuple(slice(a, a + length) for a, length in zip(at, inside.shape, strict=True))]
        assert np.array_equal(inside[: shown.shape[0], : shown.shape[1], : shown.shape[2]], shown)
        for z, y, x in np.ndindex(lesson.known.shape):
            voxels = [(z0 + z, y0 + 2 * y + b, x0 + 2 * x + c) for b in (0, 1) for c in (0, 1)]
            sure = all(
                all(a + r <= at < e - r for at, a, e, r in zip(v[::-1], box.low, box.high, away, strict=True))
                for v in voxels
            )
            of = [marked[tuple(np.subtract(v, box.low[::-1]))] for v in voxels] if sure else []
            assert lesson.known[z, y, x] == (sure and BEYOND not in of)
            is_site = answer == ACCEPT and sum(0 < number < BEYOND for number in of) >= 2
            assert lesson.truth[0, z, y, x] == is_site
    assert len(sites) >= 1


def test_moved_and_added_sites_are_balls(store: DatasetStore, dataset: DetectionDataset, searched_once: Path) -> None:
    ask(store, dataset)
    box, sites = with_sites(store)
    ada = planted.Person("Ada")
    look_through(ada, store, box, REJECT)
    place = middle(box)
    ada.says(str(sites[0]["site"]), MOVE, place)
    ada.says(added_site(box.box, "presynaptic", "one"), ADD, place)
    planted.write_answers(store, ada)
    review_boxes(store, dataset, LOG)
    lesson = learnt(store, dataset)[box.box]
    low = np.array([box.low[2] - 1, box.low[1] // 2 - 8, box.low[0] // 2 - 8])
    away = [length * size for length, size in zip(radius_voxels(searched_once), VOXEL_NM, strict=True)]
    size = np.array([40.0, 16.0, 16.0])
    found = (np.argwhere(lesson.truth[0]) + low + 0.5) * size
    reach = np.abs(found - np.array(place)[::-1])
    assert len(found)
    assert (reach[:, 0] <= away[2] + 40).all()
    assert (np.hypot(reach[:, 1], reach[:, 2]) <= away[0] + 16).all()
    assert lesson.known[lesson.truth[0] > 0].all()


def test_points_are_balls_and_what_a_ball_from_beyond_may_reach_is_not_learnt(
    store: DatasetStore, searched_once: Path
) -> None:
    points = {
        "name": "p", "format": "points", "volume": "em", "path": str(searched_once / "points.csv"), "units": "voxel",
        "columns": {"synapse_id": "id"},
    }  # fmt: skip
    (searched_once / "points.csv").write_text("id,x,y,z\na,50,40,5\nb,70,50,7\n")
    annotations = [
        {"name": side, "target": f"{side}synaptic", "volume": "em", "points": points, "box_voxels": planted.ANNOTATED}
        for side in ("pre", "post")
    ]
    detectors = {
        "pairs": {
            "targets": ["presynaptic", "postsynaptic"], "learns_from": "points", "ball_nm": 45, "apart_nm": 60, **planted.TINY,
        }
    }  # fmt: skip
    dataset = planted.dataset(searched_once, annotations=annotations, detectors=detectors)
    planted.search(store, dataset, "of_balls", balls=True)
    ask(store, dataset)
    assert store.results(BOX_SUGGESTIONS).read().column("marked").null_count == 5
    box, sites = with_sites(store)
    ada = planted.Person("Ada")
    look_through(ada, store, box)
    planted.write_answers(store, ada)
    review_boxes(store, dataset, LOG)
    lesson = learnt(store, dataset)[box.box]
    low = np.array([box.low[2] - 1, box.low[1] - 8, box.low[0] - 8])
    places = np.array([[site["z_nm"], site["y_nm"], site["x_nm"]] for site in sites], float)
    for z, y, x in np.ndindex(lesson.known.shape):
        at = low + np.array([z, y, x])
        # 45 nm are 5 voxels in the plane and one section.
        sure = all(a + r <= v < b - r for v, a, b, r in zip(at[::-1], box.low, box.high, (5, 5, 1), strict=True))
        assert lesson.known[z, y, x] == sure
        centre = (at + 0.5) * np.array(VOXEL_NM[::-1])
        # Within 45 nm of a site, and the voxel that it lies in.
        near = (np.sqrt(((places - centre) ** 2).sum(axis=1)) <= 45) | (places // VOXEL_NM[::-1] == at).all(axis=1)
        assert lesson.truth[0, z, y, x] == (near.any() and sure)


def test_what_is_annotated_since_is_not_learnt_from_boxes(
    store: DatasetStore, dataset: DetectionDataset, searched_once: Path, caplog: pytest.LogCaptureFixture
) -> None:
    everything_done(store, dataset, "round_001")
    assert len(learnt(store, dataset)) == 5
    whole = [
        {**annotation.model_dump(mode="json"), "box_voxels": None} if annotation.name == "known" else annotation
        for annotation in dataset.annotations
    ]
    wider = planted.dataset(searched_once, annotations=whole)
    assert learnt(store, wider) == {}
    assert "5 boxes that were looked through lie near what is annotated" in caplog.text


def test_boxes_in_which_nothing_is_sure_are_left_out(
    store: DatasetStore, dataset: DetectionDataset, caplog: pytest.LogCaptureFixture
) -> None:
    flat = dataset.labelling.model_copy(update={"box_nm": (280.0, 280.0, 80.0)})  # type: ignore[union-attr]
    everything_done(store, dataset.model_copy(update={"labelling": flat}), "round_001")
    assert learnt(store, dataset) == {}
    assert "5 boxes are so small that a site beyond them may reach anywhere" in caplog.text


def fit(store: DatasetStore, dataset: DetectionDataset) -> Report:
    register_annotations(store, dataset, [], LOG)
    return fit_detectors(store, dataset, "cpu", LOG, lambda *_: None)


def test_the_detector_that_was_asked_about_learns_and_is_tested_as_before(
    fitted: DatasetStore, dataset: DetectionDataset
) -> None:
    store, models = fitted, fitted.models(MODEL)
    before = str(models.candidate)
    report = fit(store, dataset)
    assert (report.details["version"], report.details["fitted_now"]) == (before, False), "to be asked changes nothing"
    keys = stored_detectors(models, before)
    everything_done(store, dataset, "round_001")
    lessons = learnt(store, dataset)
    assert any(lesson.truth[0].any() for lesson in lessons.values())
    models.promote(before)
    after = str(fit(store, dataset).details["version"])
    assert (models.candidate, models.current) == (after, before)
    changed = stored_detectors(models, after)
    assert changed["bodies"] == keys["bodies"]
    assert changed["pairs"] != keys["pairs"]
    inputs = models.provenance(after).inputs
    assert {name for name in inputs if name.startswith("reviewed_")} == {"reviewed_round_001"}
    assert inputs["reviewed_round_001"] == versions_by_round(store, list(lessons.values()))["round_001"]
    tests = [DetectorTest.load(models.path(version) / "pairs") for version in (before, after)]
    objects = [
        {name for name in test.sites["presynaptic"].object_id.tolist() if name.startswith("known_")} for test in tests
    ]
    assert objects[0] == objects[1]
    assert all(name == "" or name.startswith("known_") for name in tests[1].sites["presynaptic"].object_id.tolist())
    annotated = [
        next(m.annotated for m in test.measures[BLOCK] if (m.target, m.measure) == ("presynaptic", "f1"))
        for test in tests
    ]
    assert annotated[0] == annotated[1] > 0
    assert fit(store, dataset).details["fitted_now"] is False


def test_the_curve_has_a_row_for_each_round_by_the_newest_detector_that_knew_it(
    fitted: DatasetStore, dataset: DetectionDataset
) -> None:
    store, models = fitted, fitted.models(MODEL)
    curve, first_fitted = store.results(LABEL_CURVE), str(models.candidate)
    everything_done(store, dataset, "round_001", "round_002")
    score_rounds(store, dataset, LOG)
    assert curve.made_from() == {}, "no detector has learnt from these answers yet"
    later = str(fit(store, dataset).details["version"])
    report = score_rounds(store, dataset, LOG)
    rows = curve.read().to_pylist()
    assert [row["round"] for row in rows] == ["before", "round_001", "round_002"]
    assert [row["number"] for row in rows] == [0, 1, 2]
    tests = [DetectorTest.load(models.path(version) / "pairs") for version in (first_fitted, later)]
    assert [rows[0]["score"], rows[2]["score"]] == [test.value("presynaptic", "f1") for test in tests]
    assert rows[1]["score"] is None, "no detector was trained between the rounds"
    assert "no detector was trained" in rows[1]["sentence"]
    sites = store.results(REVIEWED_SITES).read().num_rows
    boxes = store.results(REVIEWED_BOXES).read()
    first = boxes.filter(pc.equal(boxes.column("round"), "round_001"))
    assert rows[2]["labels"] == sites
    assert rows[1]["labels"] == sum(
        pc.sum(first.column(name)).as_py() for name in ("accepted", "moved", "rejected", "added")
    )
    assert rows[2]["gain"] == pytest.approx(rows[2]["score"] - rows[0]["score"])
    assert rows[2]["tested"] == rows[0]["tested"] > 0
    assert not any(row["stop"] for row in rows)
    assert [check.passed for check in report.checks] == [True]
    assert isinstance(report.details["curve"], Picture)
    assert (report.details["f1"], report.details["labels"]) == (rows[2]["score"], sites)
    made_from = curve.made_from() or {}
    assert made_from == answers_read(store), "the newest detector knows all answers"
    assert f"F1 {rows[0]['score']:.3f}" in rows[0]["sentence"]

    assert maintain(store, timedelta(0))["model versions removed"]
    assert first_fitted not in models.versions(), "nothing uses it any more"
    score_rounds(store, dataset, LOG)
    assert curve.read().to_pylist() == rows, "what is known of it stays in the curve"
    assert curve.made_from() == made_from


def test_a_detector_that_was_never_tested_has_no_score(store: DatasetStore, dataset: DetectionDataset) -> None:
    score_rounds(store, dataset, LOG)
    [row] = store.results(LABEL_CURVE).read().to_pylist()
    assert (row["round"], row["score"], row["labels"], row["tested"], row["stop"]) == ("before", None, 0, 0, False)


# Exporting


def exported(store: DatasetStore, dataset: DetectionDataset, folder: Path) -> DetectionDataset:
    """What was exported, loaded as any dataset is."""
    register_annotations(store, dataset, [], LOG)
    export_sites(store, dataset, folder, LOG)
    loaded = load_dataset(str(folder / DATASET_FILE), store.data_root)
    assert isinstance(loaded, DetectionDataset)
    return loaded


def test_an_export_is_a_dataset_of_the_sites_that_people_left(
    store: DatasetStore, dataset: DetectionDataset, tmp_path: Path, searched_once: Path
) -> None:
    ask(store, dataset)
    box, sites = with_sites(store, 2)
    ada = planted.Person("Ada")
    look_through(ada, store, box)
    ada.says(str(sites[1]["site"]), REJECT)
    added = added_site(box.box, "presynaptic", "one")
    ada.says(added, ADD, middle(box))
    planted.write_answers(store, ada)
    review_boxes(store, dataset, LOG)
    loaded = exported(store, dataset, tmp_path / "out" / "boxes")
    [known] = read_annotations(DatasetStore(str(tmp_path / "other"), loaded.name), loaded, loaded.annotations, LOG)
    away = radius_voxels(searched_once)
    low = tuple(a + r for a, r in zip(box.low, away, strict=True))
    high = tuple(b - r for b, r in zip(box.high, away, strict=True))
    assert (known.annotation.target, known.low, known.high) == ("presynaptic", low[::-1], high[::-1])
    # By voxels: what was accepted as the map had it, the ball, what is beyond, and not what was rejected.
    row = next(row for row in store.results(BOX_SUGGESTIONS).read().to_pylist() if row["box"] == box.box)
    marked = unpacked(row["marked"], box)[
        tuple(slice(r, b - a - r) for r, a, b in zip(away[::-1], box.low[::-1], box.high[::-1], strict=True))
    ]
    names = [site["site"] for site in store.results(SUGGESTED_SITES).read().to_pylist() if site["box"] == box.box]
    rejected = names.index(sites[1]["site"]) + 1
    at = np.floor(np.array(middle(box)) / VOXEL_NM).astype(int)[::-1] - known.low
    assert known.labels is not None
    ball = known.labels == known.labels[tuple(at)]
    assert known.labels[tuple(at)]
    assert np.array_equal((known.labels > 0) & ~ball, (marked > 0) & (marked != rejected) & ~ball)
    table = pd.read_csv(tmp_path / "out" / "boxes" / "sites_em.csv")
    assert set(table["site"]) == {name for name in [*names, added] if name != sites[1]["site"]}
    [row] = table[table["site"] == added].to_dict("records")
    assert [row[f"{axis}_nm"] for axis in "xyz"] == middle(box)


def test_an_export_trains(store: DatasetStore, dataset: DetectionDataset, tmp_path: Path) -> None:
    everything_done(store, dataset, "round_001")
    loaded = exported(store, dataset, tmp_path / "boxes")
    assert {annotation.name for annotation in loaded.annotations} == {box.box for box in boxes_of(store)}
    other = DatasetStore(str(tmp_path / "other"), loaded.name)
    report = fit(other, loaded)
    assert set(stored_detectors(other.models(MODEL), str(report.details["version"]))) == {"pairs"}


def test_an_export_of_points_has_the_sites_as_points(
    store: DatasetStore, dataset: DetectionDataset, tmp_path: Path
) -> None:
    everything_done(store, dataset, "round_001")
    points = {"name": "p", "format": "points", "volume": "em", "path": str(tmp_path / "p.csv"), "units": "voxel"}
    (tmp_path / "p.csv").write_text("x,y,z\n50,40,5\n")
    by_points = dataset.model_copy(
        update={
            "annotations": [
                Annotation.model_validate({"name": side, "target": f"{side}synaptic", "volume": "em", "points": points})
                for side in ("pre", "post")
            ],
            "detectors": {
                "pairs": dataset.detectors["pairs"].model_copy(update={"learns_from": "points", "ball_nm": 45})
            },
        }
    )
    loaded = exported(store, by_points, tmp_path / "boxes")
    other = DatasetStore(str(tmp_path / "other"), loaded.name)
    read = read_annotations(other, loaded, loaded.annotations, LOG)
    kept = store.results(REVIEWED_SITES).read().to_pylist()
    assert not (tmp_path / "boxes" / "masks").exists()
    for known in read:
        box = next(box for box in boxes_of(store) if box.box == known.annotation.name)
        inner = Box("inner", "em", known.low[::-1], known.high[::-1])
        inside = [row for row in kept if inner.holds([row[f"{axis}_nm"] for axis in "xyz"], VOXEL_NM)[0]]
        assert {f"{box.box}_{row['site']}" for row in inside} == set(known.objects.ids)


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    store: DatasetStore, dataset: DetectionDataset, tmp_path: Path
) -> None:
    with pytest.raises(
        BadInput, match=r"found no site in the boxes of own .*\(0 boxes\).*materialise own/reviewed_boxes"
    ):
        export_sites(store, dataset, tmp_path / "none", LOG)
    everything_done(store, dataset, "round_001")
    with pytest.raises(BadInput, match="materialise the asset 'annotated_objects' first"):
        export_sites(store, dataset, tmp_path / "none", LOG)
    assert not (tmp_path / "none").exists()
    (tmp_path / "taken").mkdir()
    with pytest.raises(BadInput, match="taken exists: name a folder that does not"):
        export_sites(store, dataset, tmp_path / "taken", LOG)


def test_the_command_exports(
    store: DatasetStore, dataset: DetectionDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_done(store, dataset, "round_001")
    register_annotations(store, dataset, [], LOG)
    described = tmp_path / "own.yaml"
    described.write_text(yaml.safe_dump(dataset.model_dump(mode="json", exclude_unset=True)))
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", store.data_root)
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(app, ["labels", "export-sites", str(described), "boxes"])
    sites = store.results(REVIEWED_SITES).read().num_rows
    assert run.output == f"5 boxes with {sites} sites: boxes/dataset.yaml\n"
    assert load_dataset("boxes/dataset.yaml", store.data_root).name == "own_boxes"
    unlabelled = dataset.model_copy(update={"labelling": None})
    described.write_text(yaml.safe_dump(unlabelled.model_dump(mode="json", exclude_unset=True)))
    refused = CliRunner().invoke(app, ["labels", "export-sites", str(described), "others"])
    assert (refused.exit_code, Path("others").exists()) == (2, False)
    assert "own: people look through volumes of datasets with chain: detection and labelling" in refused.output
