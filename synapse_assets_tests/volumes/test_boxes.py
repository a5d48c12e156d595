"""Boxes of grey values: what lies outside or is absent is 0 and said to be so, what is damaged or out of reach is an error."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.volumes import open_volume
from synapse_assets.volumes._context import Retries
from synapse_assets_tests.volumes.conftest import OFFSET, SHAPE, write_kind, zyx_values
from synapse_assets_tests.volumes.faulty_server import faulty_server, served_spec

QUICK = Retries(times=1, first_delay_s=0.01, longest_delay_s=0.02)
FRAME = 30
# First voxel and one past the last, x, y, z: within a chunk, across chunks, over each face, the whole, an edge, and beyond.
BOXES = (
    ((101, 38, 12), (104, 41, 13)),
    ((110, 45, 13), (180, 100, 30)),
    ((90, 30, 5), (195, 110, 35)),
    ((100, 37, 11), (190, 107, 32)),
    ((189, 106, 31), (199, 116, 41)),
    ((190, 107, 32), (192, 109, 34)),
)


def framed(
    low: tuple[int, ...], high: tuple[int, ...], values: npt.NDArray[np.uint8] | None = None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """By numpy alone: a slice of the volume within a black frame, and of the same of ones."""
    values = zyx_values() if values is None else values
    at = tuple(slice(a - o + FRAME, b - o + FRAME) for a, b, o in zip(low, high, OFFSET, strict=True))[::-1]
    return np.pad(values, FRAME)[at], np.pad(np.ones(values.shape, bool), FRAME)[at]


@pytest.mark.parametrize("kind", ["precomputed", "zarr3 xyz", "hdf5 plain", "tiff", "stack lzw"])
def test_a_box_is_a_slice_of_the_volume_in_a_black_frame(kind: str, tmp_path: Path) -> None:
    volume = open_volume(write_kind(kind, tmp_path / "em"))
    for low, high in BOXES:
        grey, there = volume.read_box(low, high)
        assert (grey.dtype, there.dtype) == (np.uint8, np.bool_)
        expected = framed(low, high)
        np.testing.assert_array_equal(grey, expected[0])
        np.testing.assert_array_equal(there, expected[1])


def test_an_empty_box_is_empty_and_one_turned_round_is_refused(tmp_path: Path) -> None:
    volume = open_volume(write_kind("zarr2", tmp_path / "em"))
    assert [part.shape for part in volume.read_box((110, 50, 20), (113, 50, 20))] == [(0, 0, 3)] * 2
    with pytest.raises(BadInput, match=r"voxels \[110, 50, 20\] to \[113, 49, 21\] \(xyz\).* one past its last"):
        volume.read_box((110, 50, 20), (113, 49, 21))
    with pytest.raises(BadInput, match="a box has a first voxel x, y, z"):
        volume.read_box((110, 50), (113, 51))


@pytest.mark.parametrize("remote", [False, True])
def test_an_absent_chunk_is_black_and_not_there_or_an_error(remote: bool, tmp_path: Path) -> None:
    low, high = BOXES[2]
    with faulty_server(tmp_path) as server:
        spec = served_spec(server)
        spec = spec if remote else spec.model_copy(update={"url": str(tmp_path / "volume")})
        [chunk] = (tmp_path / "volume").glob("4*/132-164_53-69_19-27")
        chunk.unlink()
        with pytest.raises(
            BadInput, match=r"voxels \[132, 53, 19\] to \[164, 69, 27\] \(xyz\) is missing.*missing_chunks: black"
        ):
            open_volume(spec, QUICK).read_box(low, high)
        volume = open_volume(spec.model_copy(update={"missing_chunks": "black"}), QUICK)
        grey, there = volume.read_box(low, high)
        values = zyx_values()
        hole = np.s_[8:16, 16:32, 32:64]
        values[hole] = 0
        expected, inside = framed(low, high, values)
        np.testing.assert_array_equal(grey, expected)
        np.testing.assert_array_equal(there, inside & (expected > 0))  # no grey value is 0
        beside = volume.read_box((100, 37, 11), (132, 107, 32))
        np.testing.assert_array_equal(beside[0], framed((100, 37, 11), (132, 107, 32))[0])
        assert beside[1].all()


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (503, ConnectionError, "in the box of voxels .*Run again later"),
        ("slow", ConnectionError, "no answer within timeout_s = 0.3 seconds"),
        ("garbage", BadInput, r"chunk of voxels \[132, 53, 11\] to \[164, 69, 19\] \(xyz\) cannot be read.*damaged"),
    ],
)
def test_what_fails_on_the_way_is_an_error_and_nothing_else(
    fault: int | str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    with faulty_server(tmp_path) as server:
        spec = served_spec(server, timeout_s=0.3, missing_chunks="black")
        server.fault, server.only = fault, "132-164_53-69_11-19"
        volume = open_volume(spec, QUICK)
        assert volume.read_box((100, 37, 11), (132, 53, 19))[1].all()
        with pytest.raises(error, match=f"(?s){words}"):
            volume.read_box((130, 50, 11), (140, 60, 15))


def test_a_box_over_the_network_takes_each_chunk_once_at_the_pace_asked_for(tmp_path: Path) -> None:
    with faulty_server(tmp_path) as server:
        volume = open_volume(served_spec(server, requests_per_second=100), QUICK)
        first, end = volume.bounds_voxels
        grey, there = volume.read_box(first, end)
        np.testing.assert_array_equal(grey, zyx_values())
        assert there.all()
        assert len(server.requests) == np.prod(-(-np.array(SHAPE) // (32, 16, 8))) == 45
        times = sorted(time for times in server.requests.values() for time in times)
        assert len(times) == 45
        assert times[-1] - times[0] > 0.4  # 44 intervals of a hundredth of a second
