"""What a detector learns from, in the pixels of its network, and what is kept from it."""

import numpy as np

from synapse_assets.datasets import Annotation, DetectorChoice
from synapse_assets.pipeline.detection.annotated import Known, Objects, Part, measured, part_of, parts_of
from synapse_assets.pipeline.detection.ground import grounds_of, last_fifth

SIZE = (4.0, 4.0, 40.0)


def known_mask(labels: np.ndarray, low: tuple[int, int, int], target: str = "cleft", volume: str = "v") -> Known:
    """A mask whose first voxel is `low`."""
    spec = {"kind": "hdf5", "url": "x.h5", "voxel_size_nm": SIZE}
    annotation = Annotation.model_validate({"name": target, "target": target, "volume": volume, "labels": spec})
    numbers = labels.astype(np.uint32)
    ids = [f"{target}_{number}" for number in range(1, int(numbers.max()) + 1)]
    high = tuple(np.add(low, labels.shape).tolist())
    return Known(annotation, low, high, numbers, measured(numbers, ids, low, SIZE))


def known_points(position_nm: list[list[float]], high: tuple[int, int, int], target: str) -> Known:
    source = {"name": "p", "format": "points", "volume": "v", "path": "x.csv", "units": "nm"}
    annotation = Annotation.model_validate({"name": target, "target": target, "volume": "v", "points": source})
    count = len(position_nm)
    objects = Objects(
        tuple(f"{target}_{number}" for number in range(count)),
        np.array(position_nm, float).reshape(-1, 3),
        np.full(count, np.nan),
        np.zeros(count, np.int64),
        (None,) * count,
    )
    return Known(annotation, (0, 0, 0), high, None, objects)


def test_a_pixel_is_marked_where_half_of_its_voxels_are() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((2, 9, 11)) < 0.5).astype(np.uint32)
    low = (3, 5, 7)  # the first pixel of 2 x 2 begins at voxel 4, 6: a column and a row are not annotated
    [ground] = grounds_of(DetectorChoice(targets=["cleft"]), [known_mask(labels, low)], 2, SIZE)
    assert ground.low == (3, 2, 3)
    assert ground.pixel_size_nm == (8, 8, 40)
    assert ground.known.shape == (2, 5, 6)
    for z, y, x in np.ndindex(2, 4, 5):
        # Voxels 2 j and 2 j + 1 of the volume; the inner pixels have all of theirs.
        voxels = labels[z, 2 * (y + 3) - 5 : 2 * (y + 3) - 3, 2 * (x + 4) - 7 : 2 * (x + 4) - 5]
        assert ground.marked["cleft"][z, y + 1, x + 1] == (voxels.sum() >= 2)


def test_every_pixel_is_of_one_part_wherever_what_is_annotated_begins() -> None:
    labels = np.zeros((2, 9, 11), np.uint32)
    labels[0, :2, :2] = 1  # in pixels of 4 x 4 that begin at voxel 4, before the first annotated one
    labels[1, 7:9, 9:11] = 2
    known = known_mask(labels, (3, 5, 7))
    parts = parts_of([known], (2, 2, 1))
    for factor in (1, 2, 3, 4):
        [ground] = grounds_of(DetectorChoice(targets=["cleft"]), [known], factor, SIZE)
        times = np.zeros(ground.known.shape, int)
        for part in parts:
            times[ground.box(part)] += 1
        assert (times == 1).all()
        scene = ground.scenes(np.zeros((1, *ground.known.shape), np.uint8), parts)["cleft"]
        folds = part_of(known.objects.position_nm, "v", parts, SIZE)
        assert scene.part_of(scene.truth_nm, ground.pixel_size_nm).tolist() == folds.tolist() == [0, 3]


def test_targets_are_known_where_all_of_them_are() -> None:
    whole, half = np.zeros((4, 8, 8), np.uint32), np.zeros((4, 8, 4), np.uint32)
    whole[1, 2, 2], half[1, 2, 2] = 1, 1
    choice = DetectorChoice(targets=["presynaptic", "postsynaptic"])
    both = [known_mask(whole, (0, 0, 0), "presynaptic"), known_mask(half, (0, 0, 4), "postsynaptic")]
    [ground] = grounds_of(choice, both, 1, SIZE)
    assert ground.known[:, :, 4:].all()
    assert not ground.known[:, :, :4].any()
    assert grounds_of(choice, both[:1], 1, SIZE) == [], "a volume with one of the two targets teaches nothing"
    other = known_mask(half, (0, 0, 0), "postsynaptic", "w")
    assert grounds_of(choice, [both[0], other], 1, SIZE) == []


def test_masks_of_one_target_are_joined() -> None:
    first, second = np.zeros((4, 8, 4), np.uint32), np.zeros((4, 8, 4), np.uint32)
    first[0, 0, 0], second[2, 3, 1] = 1, 1
    masks = [known_mask(first, (0, 0, 0)), known_mask(second, (0, 0, 4))]
    [ground] = grounds_of(DetectorChoice(targets=["cleft"]), masks, 1, SIZE)
    assert np.argwhere(ground.labels["cleft"]).tolist() == [[0, 0, 0], [2, 3, 5]]  # type: ignore[index]
    assert ground.labels["cleft"].max() == len(ground.objects["cleft"]) == 2  # type: ignore[index]
    assert ground.known.all()


def test_an_object_that_reaches_into_a_part_is_kept_from_its_training() -> None:
    labels = np.zeros((3, 8, 16), np.uint32)
    labels[1, 2, 5:11] = 1  # reaches from the one half into the other
    labels[1, 5, 2:5] = 2
    labels[1, 6, 12:15] = 3
    [ground] = grounds_of(DetectorChoice(targets=["cleft"]), [known_mask(labels, (0, 0, 0))], 1, SIZE)
    known = ground.without(Part(0, "v", (0, 0, 8), (3, 8, 16)))
    assert not known[:, :, 8:].any()
    assert not known[1, 2, 5:8].any()
    assert known[:, :, :8].sum() == 3 * 8 * 8 - 3
    assert ground.without(Part(1, "w", (0, 0, 0), (3, 8, 8))).all(), "a part of another volume keeps nothing from it"


def test_a_ball_that_reaches_into_a_part_is_kept_from_its_training() -> None:
    near, far = [7.5 * 4, 16.0, 60.0], [2.5 * 4, 16.0, 60.0]
    choice = DetectorChoice(targets=["presynaptic"], learns_from="points", ball_nm=10)
    [ground] = grounds_of(choice, [known_points([near, far], (3, 8, 16), "presynaptic")], 1, SIZE)
    assert ground.marked["presynaptic"][1, 4, 7] == ground.marked["presynaptic"][1, 4, 2] == 1
    known = ground.without(Part(0, "v", (0, 0, 8), (3, 8, 16)))
    assert not known[1, 4, 7]
    assert known[1, 4, 2]
    assert (known[:, :, :5] == 1).all()


def test_sections_are_cut_where_there_are_enough() -> None:
    labels = np.zeros((12, 8, 8), np.uint32)
    labels[9:12, 4, 4] = 1
    labels[3, 2, 2] = 2
    [ground] = grounds_of(DetectorChoice(targets=["cleft"]), [known_mask(labels, (0, 0, 0))], 1, SIZE)
    assert last_fifth([ground]) == {"v": 10}
    assert ground.before(10)[:10].all()
    assert not ground.before(10)[10:].any()
    maps = np.full((1, 12, 8, 8), 200, np.uint8)
    scene = ground.scenes(maps, [], slice(10, 12))["cleft"]
    # Of the two objects one is there, by its number among those and its place from the corner of the sections.
    assert scene.labels is not None
    assert np.argwhere(scene.labels).tolist() == [[0, 4, 4], [1, 4, 4]]
    assert scene.truth_nm.tolist() == [[18.0, 18.0, 20.0]]
    [short] = grounds_of(DetectorChoice(targets=["cleft"]), [known_mask(labels[:9], (0, 0, 0))], 1, SIZE)
    assert last_fifth([short]) == {}


def test_what_is_not_known_has_no_probability() -> None:
    labels = np.zeros((2, 8, 8), np.uint32)
    labels[0, 3, 3] = 1
    [ground] = grounds_of(DetectorChoice(targets=["cleft"]), [known_mask(labels[:, :, :5], (0, 0, 0))], 2, SIZE)
    part = Part(4, "v", (0, 0, 0), (2, 8, 5))
    scene = ground.scenes(np.full((1, *ground.known.shape), 255, np.uint8), [part])["cleft"]
    assert scene.boxes == {4: (slice(0, 2), slice(0, 4), slice(0, 3))}
    assert (scene.probability == np.where(ground.known, 255, 0)).all()
