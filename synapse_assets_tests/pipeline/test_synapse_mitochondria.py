"""The mitochondria around synapses, by maps and mitochondria of another dataset that are planted, so that every distance is known."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.stored import RULES_FILE
from synapse_assets.pipeline.em.mitochondria import look_around
from synapse_assets.pipeline.report import Report
from synapse_assets.query.points import Filters
from synapse_assets.query.warehouse import Warehouse
from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES
from synapse_assets.schema.detection import PROBABILITY_MAPS, SYNAPSE_MITOCHONDRIA
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.warehouse import build_warehouse
from synapse_assets_tests.conftest import tiny_dataset
from synapse_assets_tests.detected import DETECTOR, FINDER, VERSION, Box, Finder
from synapse_assets_tests.documentation import block_with
from synapse_assets_tests.stores.samples import synapses as sampled

LOG = logging.getLogger(__name__)
PIXEL_NM = (8.0, 8.0, 40.0)
LOW = (3, 10, 20)  # of the map, z, y, x
SHAPE = (20, 100, 900)
CHUNK = (8, 50, 150)
RADIUS_NM = 200.0
REGION = "EB"
# First pixel and one past the last of each mitochondrion from the low corner of the map, z, y, x.
BODIES = {
    "round": ((4, 20, 30), (9, 40, 60)),
    "long": ((12, 50, 100), (16, 75, 860)),
    "at_the_end": ((0, 90, 200), (5, 100, 220)),
}
TOO_SMALL = ((6, 22, 300), (7, 24, 302))


def filled(*boxes: Box) -> np.ndarray:
    """The map, uint8 (z, y, x): a probability of .6 in the boxes, of .4 elsewhere."""
    values = np.full(SHAPE, 102, np.uint8)
    for low, high in boxes:
        values[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 153
    return values


@dataclass
class Lab:
    """The dataset `tiny` with synapses, and `finder`, which has mapped its volume `em`."""

    root: Path
    dataset: EmDataset = field(default_factory=lambda: dataset_with())

    def __post_init__(self) -> None:
        self.store = DatasetStore(str(self.root), "tiny")
        self.finder = Finder(DatasetStore(str(self.root), FINDER), LOW, SHAPE, CHUNK, PIXEL_NM)
        self.other = self.finder.store

    def find(self, bodies: dict[str, Box]) -> None:
        self.finder.find(bodies)

    def put(self, *pixels: Sequence[float], volume: str = "em") -> None:
        """Synapses at these places, s0, s1, ..."""
        rows = sampled(REGION, [f"s{number}" for number in range(len(pixels))])
        for axis, values in zip(
            ("x_nm", "y_nm", "z_nm"), np.array([self.finder.place_nm(at) for at in pixels]).T, strict=True
        ):
            rows = rows.set_column(rows.column_names.index(axis), SYNAPSES.arrow.field(axis), pa.array(values))
        volumes = pa.array([volume] * len(pixels))
        rows = rows.set_column(rows.column_names.index("volume"), SYNAPSES.arrow.field("volume"), volumes)
        before = self.store.synapses.read(REGION, ["synapse_id"]).column("synapse_id").to_pylist()
        self.store.synapses.replace_region(
            REGION, rows, sorted(set(before) - set(rows.column("synapse_id").to_pylist()))
        )

    def look(self) -> tuple[list[dict[str, Any]], Report]:
        report = look_around(self.store, self.dataset, self.other, REGION, LOG)
        return self.store.results(SYNAPSE_MITOCHONDRIA).read(REGION).to_pylist(), report


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lab = Lab(tmp_path_factory.mktemp("planted"))
    lab.finder.plant(filled(*BODIES.values(), TOO_SMALL), BODIES)
    return lab.root


@pytest.fixture
def lab(planted: Path, tmp_path: Path) -> Lab:
    shutil.copytree(planted, tmp_path, dirs_exist_ok=True)
    return Lab(tmp_path)


def dataset_with(**changes: Any) -> EmDataset:
    values = {
        "volumes": {"em": {"kind": "images", "url": "nowhere", "voxel_size_nm": PIXEL_NM}},
        "mitochondria_from": "finder",
        "mitochondria_radius_nm": RADIUS_NM,
    }
    return tiny_dataset(Path(), Path("unused"), **{**values, **changes})


def around(pixel: Sequence[float], *boxes: Box) -> tuple[float, float]:
    """Distance to the nearest of the boxes, and their share of the ball: of the voxels whose centre lies in it."""
    axes = [(np.arange(size) + 0.5 - at) * nm for size, at, nm in zip(SHAPE, pixel, PIXEL_NM[::-1], strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    in_ball = z**2 + y**2 + x**2 <= RADIUS_NM**2
    marked = filled(*boxes) > 128
    away = [
        np.linalg.norm([max(a - at, at - b, 0) * nm for a, b, at, nm in zip(*box, pixel, PIXEL_NM[::-1], strict=True)])
        for box in boxes
    ]
    return float(min(away)), float(marked[in_ball].mean())


# What there is ------------------------------------------------------------------------------------------------------------------


def test_distance_share_id_and_volume_of_the_nearest(lab: Lab) -> None:
    places = [(6.5, 30.5, 80.25), (7.5, 30.5, 45.5), (10.5, 50.5, 40.5), (2.5, 80.0, 210.0)]
    lab.put(*places)
    rows, report = lab.look()
    for row, place, name in zip(rows, places, ("round", "round", "round", "at_the_end"), strict=True):
        distance, share = around(place, *BODIES.values())
        assert row["mitochondrion_id"] == name
        assert row["mitochondrion_distance_nm"] == pytest.approx(distance, abs=1e-6)
        assert row["mitochondria_near_share"] == pytest.approx(share, abs=1e-9)
        assert row["mitochondrion_nm3"] == np.prod(np.subtract(*BODIES[name][::-1])) * 2560
        assert row["detector_version"] == VERSION
    assert rows[1]["mitochondrion_distance_nm"] == 0
    assert (report.rows, report.details["near_a_mitochondrion"], report.details["not_searched"]) == (4, 4, 0)
    assert all(check.passed for check in report.checks)


def test_where_none_is_near_the_share_is_none(lab: Lab) -> None:
    lab.put((2.5, 30.5, 600.5))
    [row], report = lab.look()
    assert (row["mitochondrion_id"], row["mitochondrion_distance_nm"], row["mitochondrion_nm3"]) == (None, None, None)
    assert row["mitochondria_near_share"] == 0
    assert (report.details["none_near"], report.details["near_a_mitochondrion"]) == (1, 0)


def test_what_is_too_small_to_be_one_is_none(lab: Lab) -> None:
    lab.put((6.5, 23.0, 301.0))
    [row], _ = lab.look()
    assert row["mitochondrion_distance_nm"] is None
    assert row["mitochondria_near_share"] == 0


@pytest.mark.parametrize("x", [110.5, 480.5, 850.5])
def test_a_long_one_is_followed_to_know_which_it_is(lab: Lab, x: float) -> None:
    """It is 6 um long, and 3 um from its middle to its ends."""
    lab.put((11.0, 70.0, x))
    [row], report = lab.look()
    assert row["mitochondrion_id"] == "long"
    assert row["mitochondrion_distance_nm"] == pytest.approx(40)
    assert report.details["not_followed_to_its_end"] == 0


def test_one_that_is_followed_in_vain_is_near_without_a_name(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synapse_assets.pipeline.em.mitochondria._FOLLOWED_NM", (300.0,))
    lab.put((11.0, 70.0, 850.5))
    [row], report = lab.look()
    assert (row["mitochondrion_id"], row["mitochondrion_nm3"]) == (None, None)
    assert row["mitochondrion_distance_nm"] == pytest.approx(40)
    assert report.details["not_followed_to_its_end"] == 1


def test_of_parts_that_touch_the_nearest_is_named(lab: Lab) -> None:
    parts = {f"part_{x}": ((12, 60, x), (14, 75, x + 190)) for x in (100, 290, 480, 670)}
    lab.find(parts)
    lab.put((11.0, 70.0, 110.0), (11.0, 70.0, 850.0))
    rows, _ = lab.look()
    assert [row["mitochondrion_id"] for row in rows] == ["part_100", "part_670"]


def test_many_synapses_are_as_each_alone(lab: Lab) -> None:
    rng = np.random.default_rng(0)
    places = np.vstack([(2.5, 80.0, 210.0), rng.uniform((0, 0, 0), SHAPE, (60, 3))])
    lab.put(*places)
    together, _ = lab.look()
    by_id = {row["synapse_id"]: row for row in together}
    for at in (3, 17, 41):
        lab.put(places[at])
        [alone], _ = lab.look()
        assert {**alone, "synapse_id": f"s{at}"} == by_id[f"s{at}"]
    named = [row for row in together if row["mitochondrion_id"]]
    assert {row["mitochondrion_id"] for row in named} == set(BODIES)
    for row in together:
        distance, _ = around(places[int(row["synapse_id"][1:])], *BODIES.values())
        assert (row["mitochondrion_distance_nm"] is not None) == (distance <= RADIUS_NM)


def test_a_region_without_synapses_has_no_rows(lab: Lab) -> None:
    lab.put((5.0, 5.0, 5.0))
    lab.look()
    lab.store.synapses.replace_region(REGION, SYNAPSES.empty(), ["s0"])
    rows, report = lab.look()
    assert (rows, report.rows) == ([], 0)
    assert all(check.passed for check in report.checks)


def test_a_dataset_that_found_none_is_ordinary(lab: Lab) -> None:
    lab.finder.map(filled())
    lab.find({})
    lab.put((7.5, 30.5, 45.5))
    [row], _ = lab.look()
    assert (row["mitochondrion_id"], row["mitochondria_near_share"]) == (None, 0)


def test_the_same_content_is_the_same_version(lab: Lab) -> None:
    lab.put((6.5, 30.5, 80.25))
    _, first = lab.look()
    _, again = lab.look()
    lab.find({**BODIES, "round": ((4, 20, 30), (9, 40, 59))})
    _, other = lab.look()
    assert first.content_version == again.content_version != other.content_version


# What is released ----------------------------------------------------------------------------------------------------------


def test_points_and_the_query_of_the_guide_have_them(lab: Lab) -> None:
    lab.put((6.5, 30.5, 80.25), (11.0, 70.0, 480.5), (2.5, 30.5, 600.5))
    rows, _ = lab.look()
    labels = lab.store.results(SYNAPSE_LABELS)
    known = {"synapse_id": [row["synapse_id"] for row in rows], "brain_region": [REGION] * len(rows)}
    nothing = {column.name: pa.nulls(len(rows), column.type) for column in SYNAPSE_LABELS.columns if column.nullable}
    labels.write_partition(REGION, pa.table({**nothing, **known}))
    build_warehouse(lab.store, [lab.store.synapses, labels, lab.store.results(SYNAPSE_MITOCHONDRIA)], {})
    with Warehouse(lab.store) as warehouse:
        numbers = warehouse.points.numbers
        for name in ("mitochondrion_distance_nm", "mitochondrion_nm3", "mitochondria_near_share"):
            expected = [np.nan if row[name] is None else row[name] for row in rows]
            np.testing.assert_allclose(numbers[name], expected, rtol=1e-6)
        chosen = warehouse.points.select(Filters(least={"mitochondria_near_share": 1e-6}))
        assert chosen.tolist() == [True, True, False]
        query = block_with("sql", "synapse_mitochondria").text
        assert warehouse.sql(query).synapse_id.tolist() == ["s1"], "that beside the large one"


# Where nothing was looked for -----------------------------------------------------------------------------------------------


def test_outside_of_the_map_everything_is_empty_and_counted(lab: Lab) -> None:
    lab.put((6.5, 30.5, 80.25), (6.5, 30.5, -5.0), (25.0, 30.5, 80.25))
    rows, report = lab.look()
    assert [row["mitochondrion_id"] for row in rows] == ["round", None, None]
    assert [row["mitochondria_near_share"] is None for row in rows] == [False, True, True]
    assert {check.name: check.passed for check in report.checks} == {"rows_match_upstream": True, "mapped": False}
    assert report.details["not_searched"] == 2
    assert "2 of 3 synapses lie where finder has not looked for mitochondria" in report.checks[1].description


def test_at_a_chunk_that_is_absent_nothing_is_claimed(lab: Lab) -> None:
    [absent] = lab.finder.volume_map.folder.child("map").path.glob("170-320_10-60_3-11*")
    absent.unlink()
    # 200 nm are 25 pixels: the first ball ends before the absent chunk, the second in it, the third lies in it.
    lab.put((3.5, 30.0, 124.0), (3.5, 30.0, 126.0), (3.5, 30.0, 160.0))
    rows, report = lab.look()
    assert [row["mitochondria_near_share"] is None for row in rows] == [False, True, True]
    assert report.details["not_searched"] == 2


def test_a_volume_that_was_not_searched_is_counted(lab: Lab) -> None:
    both = {name: {"kind": "images", "url": "nowhere", "voxel_size_nm": PIXEL_NM} for name in ("em", "other")}
    lab.dataset = dataset_with(volumes=both)
    lab.put((6.5, 30.5, 80.25), volume="other")
    [row], report = lab.look()
    assert (row["mitochondrion_id"], row["mitochondria_near_share"]) == (None, None)
    assert report.details["not_searched"] == 1


# What is refused ------------------------------------------------------------------------------------------------------------


def refused(lab: Lab) -> str:
    lab.put((6.5, 30.5, 80.25))
    with pytest.raises(BadInput) as caught:
        lab.look()
    assert lab.store.results(SYNAPSE_MITOCHONDRIA).files() == []
    return str(caught.value)


def test_before_anything_was_found_it_says_what_to_make(lab: Lab) -> None:
    lab.other.folder.remove("tables")
    assert (
        "finder has found no mitochondria yet: materialise finder/probability_maps and finder/mitochondria"
        in refused(lab)
    )


def test_maps_of_other_structures_are_none_of_mitochondria(lab: Lab) -> None:
    rows = lab.other.results(PROBABILITY_MAPS).read().to_pylist()
    lab.finder.write(PROBABILITY_MAPS, [{**rows[0], "target": "cleft"}])
    assert "finder has found no mitochondria yet" in refused(lab)


def test_another_voxel_size_is_refused_with_both(lab: Lab) -> None:
    lab.finder.plan((8.0, 8.0, 50.0))
    told = refused(lab)
    assert "volume 'em' of tiny has voxels of (8.0, 8.0, 40.0) nm, that of finder" in told
    assert "(8.0, 8.0, 50.0) nm: is it the same volume?" in told


def test_volumes_of_other_names_are_told(lab: Lab) -> None:
    lab.finder.plan(PIXEL_NM, volume="nerve_cord")
    assert "tiny has the volumes ['em'], and finder, which mitochondria_from names, ['nerve_cord']" in refused(lab)


def test_a_detector_of_a_third_dataset_is_found(lab: Lab) -> None:
    lab.other.folder.remove("models")
    assert f"the detector dark {VERSION}, which finder made its maps with, is stored nowhere any more" in refused(lab)
    lab.finder.fit(DatasetStore(str(lab.root), "trained"))
    [row], _ = lab.look()
    assert row["mitochondrion_id"] == "round"


def test_a_map_that_is_gone_is_told(lab: Lab) -> None:
    lab.other.folder.remove("maps")
    assert "materialise finder/probability_maps again" in refused(lab)


def test_rules_that_are_damaged_are_told(lab: Lab) -> None:
    (lab.other.models("detector").path(VERSION) / DETECTOR / RULES_FILE).write_text('{"targets": ["mito')
    assert "rules.json is damaged: fit the detectors again" in refused(lab)


@pytest.mark.parametrize("radius", [0, -1, 5_001, float("nan")])
def test_a_radius_that_is_none_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match="mitochondria_radius_nm"):
        dataset_with(mitochondria_radius_nm=radius)


def test_a_dataset_does_not_look_in_itself() -> None:
    with pytest.raises(ValueError, match="mitochondria_from names tiny itself: name the detection dataset"):
        dataset_with(mitochondria_from="tiny")
