"""Components of planted objects: what they measure, by loops over voxels; which are limited out; both ranges of maps."""

import time

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from synapse_assets.analysis.detection.components import Components, Limits, components, labelled, limited
from synapse_assets.errors import BadInput

SIZE = (4.6, 4.6, 45.0)


@pytest.fixture(scope="module")
def probability() -> npt.NDArray[np.float32]:
    """Blobs of noise: objects of all shapes, some of them at a face."""
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(9, 60, 70)), (0.7, 2, 2))
    return np.clip(noise * 4 + 0.3, 0, 1).astype(np.float32)


def by_hand(probability: npt.NDArray[np.floating], threshold: float, size: tuple) -> list[dict]:
    """The objects by a flood over the 26 neighbours, and what they measure by loops."""
    inside = {tuple(voxel) for voxel in np.argwhere(probability >= threshold).tolist()}
    objects = []
    while inside:
        front, voxels = [inside.pop()], []
        while front:
            z, y, x = front.pop()
            voxels.append((z, y, x))
            near = {(z + a, y + b, x + c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)} & inside
            inside -= near
            front += near
        places = np.array(voxels)[:, ::-1]
        values = [float(probability[voxel]) for voxel in voxels]
        centre = (places.mean(axis=0) + 0.5) * size
        away = np.sqrt((((places + 0.5) * size - centre) ** 2).sum(axis=1))
        shape = np.array(probability.shape[::-1])
        objects.append(
            {
                "position_nm": centre,
                "away": away.min(),
                "voxels": len(voxels),
                "volume_nm3": len(voxels) * np.prod(size),
                "sections": len(set(places[:, 2])),
                "score": np.mean(values),
                "peak": max(values),
                "box": np.array([places.min(axis=0), places.max(axis=0) + 1]),
                "touches": np.array([places.min(axis=0) == 0, places.max(axis=0) + 1 == shape]),
                "first": min(voxels),
            }
        )
    return sorted(objects, key=lambda item: item["first"])


def test_what_objects_measure_is_what_loops_measure(probability: npt.NDArray[np.float32]) -> None:
    expected = by_hand(probability, 0.6, SIZE)
    objects = components(probability, 0.6, SIZE)
    assert len(objects) == len(expected) > 20
    assert objects.labels.dtype == np.int32
    assert ((objects.labels > 0) == (probability >= np.float32(0.6))).all()
    assert np.unique(objects.labels).tolist() == list(range(len(objects) + 1))
    for row, item in enumerate(expected):
        assert objects.labels[item["first"]] == row + 1, "labels come in the order of the first voxel"
        for name in ("position_nm", "voxels", "volume_nm3", "sections", "score", "peak", "box", "touches"):
            assert getattr(objects, name)[row] == pytest.approx(item[name]), name
        assert objects.touches_edge[row] == item["touches"].any()
        inside = objects.inside_nm[row]
        x, y, z = np.floor(inside / SIZE).astype(int)
        assert objects.labels[z, y, x] == row + 1, "the representative point lies in the object"
        assert np.linalg.norm(inside - objects.position_nm[row]) == pytest.approx(item["away"])
    assert objects.touches_edge.any()
    assert not objects.touches_edge.all()


def test_both_ranges_give_the_same(probability: npt.NDArray[np.float32]) -> None:
    grey = np.rint(probability * 255).astype(np.uint8)
    of_grey = components(grey, 0.6, SIZE)
    of_floats = components((grey / 255).astype(np.float64), 0.6, SIZE)
    assert len(of_grey) == len(of_floats) > 20
    assert (of_grey.labels == of_floats.labels).all()
    assert of_grey.score == pytest.approx(of_floats.score)
    assert of_grey.peak == pytest.approx(of_floats.peak)
    assert of_grey.score.max() <= 1
    mask = components(probability >= 0.6, 0.5, SIZE)
    assert (mask.labels == labelled(probability >= 0.6, SIZE)).all()
    assert mask.score.tolist() == [1.0] * len(mask)


def test_any_layout_and_half_precision_are_read() -> None:
    block = np.zeros((4, 20, 20), dtype=np.float16)
    block[1:3, 4:9, 5:12] = 0.75
    whole = components(block, 0.7, SIZE)
    turned = components(np.asfortranarray(block)[:, ::1, ::1], 0.7, SIZE)
    strided = components(np.repeat(block, 2, axis=2)[:, :, ::2], 0.7, SIZE)
    for other in (turned, strided):
        assert (other.labels == whole.labels).all()
        assert other.position_nm.tolist() == whole.position_nm.tolist()
    assert whole.voxels.tolist() == [70]
    assert whole.score.tolist() == [0.75]
    assert whole.position_nm[0].tolist() == pytest.approx([8.5 * 4.6, 6.5 * 4.6, 90])


def test_one_voxel_is_an_object_wherever_it_is() -> None:
    for z, y, x in [(0, 0, 0), (2, 7, 9), (1, 3, 4)]:
        probability = np.zeros((3, 8, 10), dtype=np.float32)
        probability[z, y, x] = 0.9
        objects = components(probability, 0.5, SIZE)
        centre = [(x + 0.5) * 4.6, (y + 0.5) * 4.6, (z + 0.5) * 45]
        assert objects.position_nm.tolist() == [pytest.approx(centre)]
        assert objects.inside_nm.tolist() == [pytest.approx(centre)]
        assert objects.box.tolist() == [[[x, y, z], [x + 1, y + 1, z + 1]]]
        assert objects.touches.tolist() == [[[x == 0, y == 0, z == 0], [x == 9, y == 7, z == 2]]]
        assert objects.volume_nm3[0] == pytest.approx(4.6 * 4.6 * 45)
        assert components(probability, 0.5, SIZE, split_nm=10).voxels.tolist() == [1]


def test_the_representative_point_of_a_ring_is_on_the_ring() -> None:
    y, x = np.mgrid[:41, :41]
    radius = np.hypot(y - 20, x - 20)
    ring = ((radius > 12) & (radius < 16))[None].astype(np.float32)
    objects = components(ring, 0.5, (4, 4, 40))
    assert objects.position_nm[0].tolist() == pytest.approx([82, 82, 20])
    away = np.hypot(*(objects.inside_nm[0, :2] - 82))
    assert 12 * 4 < away < 14 * 4


def test_corners_connect_from_section_to_section() -> None:
    """A thin cleft that shifts by its own width between sections."""
    cleft = np.zeros((5, 12, 30), dtype=np.float32)
    for z in range(5):
        cleft[z, 2 + 2 * z : 4 + 2 * z, 3 + 5 * z : 8 + 5 * z] = 1
    assert components(cleft, 0.5, SIZE).sections.tolist() == [5]
    assert ndimage.label(cleft)[1] == 5, "by faces alone it would be five"


def test_empty_maps_have_no_objects() -> None:
    for empty in (
        np.zeros((3, 4, 5), dtype=np.float32),
        np.zeros((3, 4, 5), dtype=np.uint8),
        np.zeros((0, 4, 5), dtype=np.float32),
        np.full((3, 4, 5), 0.49),
        np.zeros((3, 4, 5), dtype=bool),
    ):
        objects = components(empty, 0.5, SIZE, split_nm=100)
        assert len(objects) == 0
        assert objects.labels.shape == empty.shape
        assert objects.position_nm.shape == objects.inside_nm.shape == (0, 3)
        assert objects.box.shape == objects.touches.shape == (0, 2, 3)
        assert objects.touches_edge.shape == (0,)
        assert len(limited(objects, Limits())) == 0


def test_a_blob_over_everything_is_one_object() -> None:
    objects = components(np.ones((4, 50, 60), dtype=np.float32), 0.5, SIZE, split_nm=40)
    assert objects.voxels.tolist() == [4 * 50 * 60]
    assert objects.touches.all()


def small_and_large() -> Components:
    """Objects of 1, 8, 30 and 200 voxels; that of 30 in one section, the others of the last two in several."""
    probability = np.zeros((6, 40, 40), dtype=np.float32)
    probability[0, 0, 0] = 1
    probability[1:3, 4:6, 4:6] = 1
    probability[4, 10:15, 10:16] = 1
    probability[1:6, 20:28, 20:25] = 1
    return components(probability, 0.5, (10, 10, 40))


def test_limits_leave_out_and_label_anew() -> None:
    objects = small_and_large()
    assert objects.voxels.tolist() == [1, 8, 200, 30]
    assert limited(objects, Limits()).voxels.tolist() == [1, 8, 200, 30]
    assert limited(objects, Limits(min_nm3=32_000)).voxels.tolist() == [8, 200, 30]
    assert limited(objects, Limits(min_nm3=32_001)).voxels.tolist() == [200, 30]
    assert limited(objects, Limits(max_nm3=120_000)).voxels.tolist() == [1, 8, 30]
    several = limited(objects, Limits(min_sections=2, max_nm3=1e6))
    assert several.voxels.tolist() == [8, 200]
    assert np.bincount(several.labels.ravel()).tolist() == [9600 - 208, 8, 200]
    assert several.labels.dtype == np.int32
    assert several.position_nm.tolist() == objects.position_nm[[1, 2]].tolist()
    assert len(limited(objects, Limits(min_nm3=1e9))) == 0


@pytest.mark.parametrize(
    "limits",
    [
        {"min_nm3": -1},
        {"min_nm3": 10, "max_nm3": 9},
        {"max_nm3": np.nan},
        {"min_nm3": np.nan},
        {"min_sections": 0},
        {"min_sections": -3},
    ],
)
def test_limits_between_which_nothing_lies_are_refused(limits: dict) -> None:
    with pytest.raises(BadInput, match=r"limits of an object's volume|one section at least"):
        Limits(**limits)


def test_a_megapixel_map_takes_seconds() -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((16, 256, 256), dtype=np.float32), (0, 2, 2))
    probability = np.tile((noise - noise.min()) / np.ptp(noise), (1, 4, 4))
    started = time.process_time()
    objects = components(probability, 0.7, SIZE)
    assert time.process_time() - started < 3
    assert len(objects) > 1000
