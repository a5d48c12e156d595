"""Which coarser scales a volume is said to have: those of its own files whose voxels are whole multiples, each read by its own name."""

import json
from pathlib import Path

import numpy as np
import pytest

from synapse_assets.datasets import VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import open_volume
from synapse_assets.volumes.scales import scales_of
from synapse_assets_tests.detection_release import write_precomputed


def values(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, shape, np.uint8)


def spec(folder: Path, voxel_size_nm: tuple[float, float, float] = (4, 4, 40)) -> VolumeSpec:
    return VolumeSpec(kind="precomputed", url=str(folder), voxel_size_nm=voxel_size_nm)


def test_coarser_scales_come_by_size_and_open_as_volumes(tmp_path: Path) -> None:
    flat = {(side, side, 40.0): seed for seed, side in enumerate((16.0, 4.0, 8.0, 2.0, 6.0))}
    sizes = {**flat, (8.0, 8.0, 80.0): 9}
    write_precomputed(tmp_path / "em", [(size, (0, 0, 0), values(seed, 2, 6, 5)) for size, seed in sizes.items()])
    found = scales_of(spec(tmp_path / "em"))
    assert [factor for factor, _ in found] == [(1, 1, 1), (2, 2, 1), (2, 2, 2), (4, 4, 1)]
    for (x, y, z), of_scale in found:
        size = (4.0 * x, 4.0 * y, 40.0 * z)
        assert of_scale.voxel_size_nm == size
        read = open_volume(of_scale).array.store.read().result()
        np.testing.assert_array_equal(read, values(sizes[size], 2, 6, 5))
    assert [factor for factor, _ in scales_of(spec(tmp_path / "em", (8, 8, 80)))] == [(1, 1, 1)]


def test_a_ratio_that_is_whole_but_for_its_digits_counts(tmp_path: Path) -> None:
    third = 4.6 / 3
    own, coarser = values(1, 1, 4, 4), values(2, 1, 4, 4)
    scales = [((third, third, 45.0), (0, 0, 0), own), ((4.6, 4.6, 45.0), (0, 0, 0), coarser)]
    write_precomputed(tmp_path / "em", scales)
    [_, (factor, coarse)] = scales_of(spec(tmp_path / "em", (third, third, 45.0)))
    assert factor == (3, 3, 1)
    np.testing.assert_array_equal(open_volume(coarse).array.store.read().result(), coarser)


def test_other_volumes_have_themselves_alone(tmp_path: Path) -> None:
    for kind, url in (
        ("images", str(tmp_path)),
        ("zarr", "gs://bucket/em.zarr"),
        ("precomputed", "graphene://https://server/em"),
    ):
        one = VolumeSpec.model_validate({"kind": kind, "url": url, "voxel_size_nm": (4, 4, 40)})
        assert scales_of(one) == [((1, 1, 1), one)], "nothing is asked for"


SIZES = (
    "4",
    [4, 4],
    ["4", 4, 40],
    [0, 0, 0],
    [-8, 8, 40],
    [float("inf"), 8, 40],
    [float("nan"), 8, 40],
    None,
    [1e300, 8, 40],
)


@pytest.mark.parametrize("scales", [None, "x", [], [1], [{}], *([{"resolution": size}] for size in SIZES)])
def test_an_odd_description_has_no_coarser_scales(tmp_path: Path, scales: object) -> None:
    (tmp_path / "info").write_text(json.dumps({"scales": scales}))
    assert [factor for factor, _ in scales_of(spec(tmp_path))] == [(1, 1, 1)]


def test_a_damaged_description_and_an_absent_volume_are_named(tmp_path: Path) -> None:
    (tmp_path / "info").write_text("{")
    with pytest.raises(BadInput, match="its file 'info' is not valid JSON"):
        scales_of(spec(tmp_path))
    with pytest.raises(BadInput, match="there is no file or folder"):
        scales_of(spec(tmp_path / "nothing"))
