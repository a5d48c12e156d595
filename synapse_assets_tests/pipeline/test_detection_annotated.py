"""Masks and points as objects of a volume: what fits, what does not, and the parts that are held out."""

import logging
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.annotated import (
    measured,
    part_of,
    parts_of,
    read_annotations,
    register_annotations,
    registered_annotations,
)
from synapse_assets.pipeline.inputs import content_of, poll
from synapse_assets.schema.detection import ANNOTATED_OBJECTS
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.planted_volumes import (
    POST_PX,
    SHAPE,
    TINY,
    VOXEL_NM,
    mask,
    plant,
    planted_dataset,
    points,
    write_planted,
)

LOG = logging.getLogger(__name__)
CLEFTS = {"clefts": {"targets": ["cleft"], **TINY}}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is planted, as files; for reading only."""
    folder = tmp_path_factory.mktemp("written")
    write_planted(folder, plant())
    return folder


@pytest.fixture
def files(written: Path, tmp_path: Path) -> Path:
    """The files in a folder of their own."""
    return Path(shutil.copytree(written, tmp_path / "files"))


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(str(tmp_path / "data"), "planted")


def add(files: Path, name: str, values: np.ndarray, **attributes: Any) -> None:
    """Another array in the file of the volume."""
    with h5py.File(files / "volume.h5", "a") as file:
        file.create_dataset(name, data=values)
        file[name].attrs["resolution"] = VOXEL_NM[::-1]
        for key, value in attributes.items():
            file[name].attrs[key] = value


def read(store: DatasetStore, files: Path, *annotations: dict[str, Any]) -> Any:
    dataset = planted_dataset(files, annotations=[mask(files, "clefts", "cleft"), *annotations], detectors=CLEFTS)
    return read_annotations(store, dataset, dataset.annotations[1:] if annotations else dataset.annotations, LOG)


def test_objects_are_tabled_with_place_size_part_and_partner(store: DatasetStore, files: Path) -> None:
    planted = plant()
    report = register_annotations(store, planted_dataset(files, hold_out=(2, 2, 1)), [], LOG)
    assert (report.rows, report.details["parts"], [check.passed for check in report.checks]) == (64, 4, [True, True])
    rows = {row["object_id"]: row for row in store.results(ANNOTATED_OBJECTS).read().to_pylist()}
    for number, (z, y, x) in enumerate(planted.sites.tolist(), start=1):
        cleft, pre, post = rows[f"clefts_{number}"], rows[f"pre_{number}"], rows[f"post_{100 + number}"]
        voxels = planted.clefts == number
        assert cleft["volume_nm3"] == voxels.sum() * 8 * 8 * 40
        assert cleft["sections"] == voxels.any(axis=(1, 2)).sum() == 3
        centre = ((x + 0.5) * 8, (y + 0.5) * 8, (z + 0.5) * 40)
        assert (cleft["x_nm"], cleft["y_nm"], cleft["z_nm"]) == centre
        assert (pre["x_nm"], pre["y_nm"], pre["z_nm"]) == centre
        assert post["x_nm"] == centre[0] + POST_PX * 8
        assert (post["partner"], pre["partner"], cleft["partner"]) == (f"pre_{number}", None, None)
        assert (pre["volume_nm3"], pre["sections"]) == (None, None)
        # Parts are quadrants of 64 voxels, x first.
        assert cleft["fold"] == pre["fold"] == 2 * (y >= 64) + (x >= 64)


def test_content_changes_with_a_voxel_and_not_with_another_run(store: DatasetStore, files: Path) -> None:
    dataset = planted_dataset(files)
    before = register_annotations(store, dataset, [], LOG).content_version
    assert register_annotations(store, dataset, [], LOG).content_version == before
    with h5py.File(files / "volume.h5", "a") as file:
        file["clefts"][0, 0, 0] = 1
    with pytest.raises(BadInput, match=r"\['clefts'\] are other ones than were registered: materialise"):
        registered_annotations(store, dataset, LOG)
    assert register_annotations(store, dataset, [], LOG).content_version != before
    assert len(registered_annotations(store, dataset, LOG)) == 4


def test_annotations_are_registered_before_anything_is_fitted(store: DatasetStore, files: Path) -> None:
    with pytest.raises(BadInput, match="materialise the asset 'annotated_objects' first"):
        registered_annotations(store, planted_dataset(files), LOG)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"voxel_size_nm": (16, 16, 40)}, r"16 x 16 x 40 nm.*volume 'block' of 8 x 8 x 40 nm"),
        ({"voxel_size_nm": (8, 8, 50)}, r"8 x 8 x 50 nm"),
        (
            {"offset_voxels": (1, 0, 0)},
            r"from voxel \[1, 0, 0\] to \[129, 128, 12\].*spans \[0, 0, 0\] to \[128, 128, 12\]",
        ),
        ({"offset_voxels": (0, -3, 0)}, r"from voxel \[0, -3, 0\]"),
        ({"offset_voxels": (0, 0, 500)}, r"outside of volume 'block'"),
        ({"dataset": "no_such"}, r"no_such"),
        ({"dataset": "raw_float"}, r"whole numbers|float"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(
    store: DatasetStore, files: Path, changed: dict[str, Any], message: str
) -> None:
    add(files, "raw_float", np.zeros(SHAPE, np.float32))
    with h5py.File(files / "volume.h5", "a") as file:
        del file["clefts"].attrs["resolution"]
    bad = mask(files, "clefts", "cleft", **changed) | {"name": "bad"}
    with pytest.raises(BadInput, match=message):
        read(store, files, bad)


def test_a_mask_of_another_shape_has_to_say_where_it_lies(store: DatasetStore, files: Path, tmp_path: Path) -> None:
    import tifffile

    sections = tmp_path / "sections.tif"
    part = plant().clefts[2:9, 10:100, 20:120]
    tifffile.imwrite(sections, part.astype(np.uint16), photometric="minisblack")
    labels = {"kind": "images", "url": str(sections), "voxel_size_nm": VOXEL_NM}
    annotation = {"name": "cut", "target": "cleft", "volume": "block", "labels": labels}
    with pytest.raises(
        BadInput, match=r"is 100 x 90 x 7 voxels \(x, y, z\), volume 'block' 128 x 128 x 12 .*offset_voxels"
    ):
        read(store, files, annotation)
    [known] = read(store, files, annotation | {"labels": labels | {"offset_voxels": (20, 10, 2)}})
    assert (known.low, known.high) == ((2, 10, 20), (9, 100, 120))
    assert np.array_equal(known.labels > 0, part > 0)
    number = int(np.unique(part[part > 0])[0])
    voxels = np.argwhere(plant().clefts == number)
    inside = voxels[((voxels >= known.low) & (voxels < known.high)).all(axis=1)]
    assert known.objects.volume_nm3[0] == len(inside) * 8 * 8 * 40


@pytest.mark.parametrize(("ids", "numbers"), [("odd", [1, 3]), ("even", [2, 4]), ("all", [1, 2, 3, 4])])
def test_ids_are_odd_or_even(store: DatasetStore, files: Path, ids: str, numbers: list[int]) -> None:
    values = np.zeros(SHAPE, np.uint64)
    for number in (1, 2, 3, 4):
        values[number, 5 * number : 5 * number + 3, 7] = number
    add(files, "numbered", values)
    [known] = read(store, files, mask(files, "numbered", "presynaptic") | {"ids": ids})
    assert known.objects.ids == tuple(f"numbered_{number}" for number in numbers)
    assert known.objects.volume_nm3.tolist() == [3 * 8 * 8 * 40] * len(numbers)


def test_partners_are_of_one_id_or_the_next_even_one(store: DatasetStore, files: Path) -> None:
    both, alike = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    for number in (1, 2, 3, 4, 6):
        both[2, 10 * number, 4:8] = number
    alike[2, [10, 30, 90], 20] = 1, 3, 5
    add(files, "both", both)
    add(files, "alike", alike)
    pre = mask(files, "both", "presynaptic") | {"name": "pre", "ids": "odd"}
    post = mask(files, "both", "postsynaptic") | {"name": "post", "ids": "even"}
    _, known = read(store, files, pre, post)
    assert dict(zip(known.objects.ids, known.objects.partners, strict=True)) == {
        "post_2": "pre_1",
        "post_4": "pre_3",
        "post_6": None,
    }
    _, known = read(store, files, pre, mask(files, "alike", "postsynaptic"))
    assert known.objects.partners == ("pre_1", "pre_3", None)


def test_a_mask_of_one_value_is_told_apart_by_what_is_connected(store: DatasetStore, files: Path) -> None:
    values = np.zeros(SHAPE, np.uint8)
    values[3, 10, 10] = 255  # a voxel by itself
    values[3, 40:42, 40:42] = values[4, 42, 42] = 255  # touches at a corner
    add(files, "marked", values)
    [known] = read(store, files, mask(files, "marked", "cleft"))
    assert sorted(known.objects.volume_nm3.tolist()) == [2560, 5 * 2560]
    assert sorted(known.objects.sections.tolist()) == [1, 2]
    values[:] = 0
    add(files, "empty", values)
    [known] = read(store, files, mask(files, "empty", "cleft"))
    assert len(known.objects) == 0


def test_only_the_box_that_is_annotated_is_known(store: DatasetStore, files: Path) -> None:
    (sections, rows, columns), planted = SHAPE, plant()
    box = [[columns // 2, 0, 1], [columns, rows, sections]]
    [whole] = read(store, files, points(files, "pre"))
    [sites] = read(store, files, points(files, "pre") | {"box_voxels": box})
    inside = (planted.sites[:, 2] >= columns // 2) & (planted.sites[:, 0] >= 1)
    assert 0 < inside.sum() < len(planted.sites)
    assert (len(whole.objects), len(sites.objects)) == (len(planted.sites), inside.sum())
    [cut] = read(store, files, mask(files, "clefts", "cleft") | {"name": "corner", "box_voxels": box})
    for known in (sites, cut):
        assert (known.low, known.high) == ((1, 0, columns // 2), (sections, rows, columns))
    assert cut.labels.shape == (sections - 1, rows, columns - columns // 2)
    assert cut.version != read(store, files)[0].version
    with pytest.raises(BadInput, match=r"box_voxels .* lies outside of what is annotated of volume 'block'"):
        read(store, files, points(files, "pre") | {"box_voxels": [[10_000, 0, 0], [10_001, 1, 1]]})
    with pytest.raises(ValueError, match="holds no voxel: give its first one, and one past its last"):
        read(store, files, points(files, "pre") | {"box_voxels": [[5, 0, 0], [5, 1, 1]]})


def test_nothing_annotated_is_said(store: DatasetStore, files: Path) -> None:
    add(files, "empty", np.zeros(SHAPE, np.uint8))
    dataset = planted_dataset(files, annotations=[mask(files, "empty", "cleft")], detectors=CLEFTS)
    report = register_annotations(store, dataset, [], LOG)
    [check] = [check for check in report.checks if check.name == "has_objects"]
    assert (report.rows, check.passed) == (0, False)
    assert "nothing is annotated in empty" in check.description


def test_places_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 6, (4, 9, 7)).astype(np.uint32)
    low, size = (2, 5, 11), (4.0, 4.0, 30.0)
    objects = measured(labels, [str(number) for number in range(1, 7)], low, size)
    for number in range(1, 6):
        voxels = np.argwhere(labels == number)
        away = (((voxels - voxels.mean(axis=0)) * size[::-1]) ** 2).sum(axis=1)
        place = (voxels[np.argmin(away)] + low + 0.5) * size[::-1]
        assert objects.position_nm[number - 1].tolist() == place[::-1].tolist()
        assert objects.sections[number - 1] == len(set(voxels[:, 0]))
        assert objects.volume_nm3[number - 1] == len(voxels) * 480
    # A number that has no voxel.
    assert (objects.volume_nm3[5], objects.sections[5]) == (0, 0)


def test_points_outside_are_counted_and_left_out(store: DatasetStore, files: Path) -> None:
    with (files / "pre.csv").open("a") as stream:
        stream.write("98,500,4,4\n99,3,4,-1\n")
    report = register_annotations(store, planted_dataset(files), [], LOG)
    [check] = [check for check in report.checks if check.name == "points_inside_volume"]
    assert (check.passed, check.numbers) == (False, {"outside": 2})
    assert "pre: 2 points lie outside of the volume" in check.description
    assert {"pre_98", "pre_99"}.isdisjoint(store.results(ANNOTATED_OBJECTS).read().column("object_id").to_pylist())


def test_points_of_other_units_are_refused(store: DatasetStore, files: Path) -> None:
    (files / "pre.csv").write_text("id,x,y,z\n1,400,4000,40\n2,800,3000,20\n")
    with pytest.raises(BadInput, match=r"all of its 2 points lie outside of volume 'block'.*units"):
        read(store, files, points(files, "pre"))


def test_a_site_has_a_row_for_each_partner_but_one_place(store: DatasetStore, files: Path) -> None:
    (files / "pre.csv").write_text("id,x,y,z\n1,40,40,4\n1,40,40,4\n2,80,30,2\n")
    [known] = read(store, files, points(files, "pre"))
    assert known.objects.ids == ("pre_1", "pre_2")
    (files / "pre.csv").write_text("id,x,y,z\n1,40,40,4\n1,41,40,4\n")
    with pytest.raises(BadInput, match=r"1 is at \[324.0, 324.0, 180.0\] and at \[332.0, 324.0, 180.0\] nm"):
        read(store, files, points(files, "pre"))


def test_volumes_too_large_to_hold_are_refused_before_they_are_read(store: DatasetStore, tmp_path: Path) -> None:
    files = tmp_path / "large"
    files.mkdir()
    with h5py.File(files / "volume.h5", "w") as file:
        for name, kind in (("raw", np.uint8), ("clefts", np.uint32)):
            file.create_dataset(name, (2_000, 4_000, 4_000), kind, chunks=(64, 64, 64))[0, 0, 0] = 1
            file[name].attrs["resolution"] = VOXEL_NM[::-1]
    with pytest.raises(BadInput, match=r"32,000,000,000 annotated voxels need 160.0 GB of memory, and at most 8 GB"):
        read(store, files)


def test_parts_divide_what_is_annotated_and_are_numbered_over_all_volumes(store: DatasetStore, files: Path) -> None:
    every = read(store, files)
    parts = parts_of(every, (3, 1, 2))
    assert [part.number for part in parts] == list(range(6))
    assert [(part.low, part.high) for part in parts[:3]] == [
        ((0, 0, 0), (6, 128, 42)),
        ((0, 0, 42), (6, 128, 85)),
        ((0, 0, 85), (6, 128, 128)),
    ]
    assert sum(int(np.prod(np.subtract(part.high, part.low))) for part in parts) == np.prod(SHAPE)
    assert len(parts_of(every, (1, 1, 50))) == SHAPE[0], "no part is empty"
    places = np.array([[41.9 * 8, 0, 0], [42.1 * 8, 8, 6.1 * 40]])
    assert part_of(places, "block", parts, VOXEL_NM).tolist() == [0, 4]
    assert part_of(places, "another", parts, VOXEL_NM).tolist() == [-1, -1]


def test_files_that_are_gone_have_to_be_meant(store: DatasetStore, files: Path) -> None:
    dataset = planted_dataset(files)
    register_annotations(store, dataset, [], LOG)
    (files / "pre.csv").rename(files / "elsewhere.csv")
    with pytest.raises(BadInput, match="there is no file"):
        register_annotations(store, dataset, [], LOG)
    (files / "elsewhere.csv").rename(files / "pre.csv")
    moved = mask(files, "clefts", "cleft", url=str(files / "gone.h5"))
    dataset = planted_dataset(
        files, annotations=[moved, *dataset.model_dump(mode="json", exclude_none=True)["annotations"][1:]]
    )
    config = "ops: {planted__annotated_objects: {config: {gone: [clefts]}}}"
    with pytest.raises(BadInput, match=re.escape(config)):
        register_annotations(store, dataset, [], LOG)
    report = register_annotations(store, dataset, ["clefts"], LOG)
    assert report.details["sources_gone"] == "clefts"
    assert len(registered_annotations(store, dataset, LOG)) == 3
    with pytest.raises(BadInput, match=r"gone names \['cleft'\]"):
        register_annotations(store, dataset, ["cleft"], LOG)


def test_files_of_annotations_are_watched(files: Path, tmp_path: Path) -> None:
    from synapse_assets.pipeline.detection.inputs import annotation_source, detection_inputs

    chunks = tmp_path / "seg"
    (chunks / "8_8_40").mkdir(parents=True)
    (chunks / "info").write_text("{}")
    chunked = {"kind": "precomputed", "url": f"precomputed://file://{chunks}", "voxel_size_nm": VOXEL_NM}
    remote = {"kind": "precomputed", "url": "gs://bucket/seg", "voxel_size_nm": VOXEL_NM}
    annotations = [
        mask(files, "clefts", "cleft"),
        points(files, "pre"),
        {"name": "chunked", "target": "cleft", "volume": "block", "labels": chunked},
        {"name": "remote", "target": "cleft", "volume": "block", "labels": remote},
    ]
    source = annotation_source(planted_dataset(files, annotations=annotations, detectors=CLEFTS))
    assert [watched.name for watched in source.sources] == ["clefts", "pre", "chunked"]
    version, known = content_of(source)
    assert [len(known[name]) for name in ("clefts", "pre", "chunked")] == [1, 1, 1]
    (chunks / "8_8_40" / "0-64").write_text("a chunk")
    assert content_of(source)[0] == version
    (chunks / "info").write_text('{"type": "segmentation"}')
    assert content_of(source)[0] != version
    only_remote = planted_dataset(files, annotations=[annotations[3]], detectors=CLEFTS)
    [volume, unwatched] = detection_inputs(only_remote)
    assert volume.asset == "em_volume"
    assert poll("planted", unwatched, {})[1] == unwatched.fixed is not None
