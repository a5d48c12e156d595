"""Volumes over a network that fails: a server on this machine answers as it is told, tensorstore reads from it."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from synapse_assets.datasets import TileSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import open_volume
from synapse_assets.volumes._context import Retries
from synapse_assets_tests.volumes.conftest import OFFSET, SHAPE
from synapse_assets_tests.volumes.faulty_server import FaultyServer, faulty_server, served_spec
from synapse_assets_tests.volumes.test_volume import centres_nm, expected, read_all

TILE = TileSpec(size_px=8, sections=3)
INSIDE = np.array([[140, 60, 22]])  # its tile lies in one chunk, and so does that of the next one
ELSEWHERE = np.array([[110, 90, 14]])
CHUNK = "132-164_53-69_19-27"
ITS_VOXELS = r"chunk of voxels \[132, 53, 19\] to \[164, 69, 27\] \(xyz\)"
QUICK = Retries(times=3, first_delay_s=0.02, longest_delay_s=0.2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    with faulty_server(tmp_path) as server:
        yield server


def test_an_absent_chunk_is_an_error_or_black_and_counted_once(server: FaultyServer) -> None:
    server.fault, server.only = 404, CHUNK
    voxels = np.array([*INSIDE, [150, 61, 23], [132, 60, 22], *ELSEWHERE])
    with pytest.raises(BadInput, match=rf"at point \d.*{ITS_VOXELS} is missing.*missing_chunks: black"):
        read_all(open_volume(served_spec(server)), centres_nm(voxels), TILE)
    volume = open_volume(served_spec(server, missing_chunks="black"))
    for _ in range(2):  # each pass counts for itself
        assert sum(batch.missing_chunks for batch in volume.read_tiles(centres_nm(voxels), TILE)) == 1
    assert sum(batch.missing_chunks for batch in volume.read_tiles(centres_nm(ELSEWHERE), TILE)) == 0
    tiles, valid = read_all(volume, centres_nm(voxels), TILE)
    assert valid.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert not tiles[:2].any()
    np.testing.assert_array_equal(tiles[2, :, :, :4], expected(voxels[2], TILE)[0][:, :, :4])
    np.testing.assert_array_equal(tiles[3], expected(voxels[3], TILE)[0])


@pytest.mark.parametrize("fault", [429, 500, 503, "dropped", "cut short"])
def test_a_passing_fault_is_tried_again_later_and_later(server: FaultyServer, fault: int | str) -> None:
    spec = served_spec(server)
    server.fault, server.times = fault, 3
    tiles, valid = read_all(open_volume(spec, QUICK), centres_nm(INSIDE), TILE)
    np.testing.assert_array_equal(tiles[0], expected(INSIDE[0], TILE)[0])
    assert valid.tolist() == [1.0]
    # libcurl itself asks once more, at once, where a connection that it had used before is dropped.
    waited = [seconds for seconds in server.tries(CHUNK) if seconds > 0.015]
    assert len(waited) in ((3,) if fault != "dropped" else (2, 3))
    assert all(seconds >= least for seconds, least in zip(waited, (0.02, 0.04, 0.08), strict=False))


def test_the_delays_are_not_those_of_every_other_process(server: FaultyServer) -> None:
    spec = served_spec(server)
    server.fault, server.times = 503, 1
    slow = Retries(times=2, first_delay_s=0.1, longest_delay_s=0.1)
    read_all(open_volume(spec, slow), centres_nm([[x, y, 22] for x in (110, 140, 170) for y in (60, 80)]), TILE)
    waited = [times[1] - times[0] for times in server.requests.values() if len(times) == 2]
    assert len(waited) >= 6
    assert min(waited) >= 0.1
    assert np.ptp(waited) > 0.02


@pytest.mark.parametrize("fault", [429, 500, 503, "dropped", "cut short"])
def test_a_lasting_fault_says_what_to_do(server: FaultyServer, fault: int | str) -> None:
    spec = served_spec(server, missing_chunks="black")  # a network that fails is not black
    server.fault = fault
    with pytest.raises(ConnectionError, match=rf"{server.url}'.*at point 0.*Run again later.*requests_per_second"):
        read_all(open_volume(spec, QUICK), centres_nm(INSIDE), TILE)
    assert len(server.tries(CHUNK)) in (QUICK.times, QUICK.times + 1)


def test_a_server_that_does_not_answer_is_given_up(server: FaultyServer) -> None:
    spec = served_spec(server, timeout_s=0.3)
    server.fault, server.only = "slow", CHUNK
    volume = open_volume(spec)
    read_all(volume, centres_nm(ELSEWHERE), TILE)
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match=rf"{server.url}'.*timeout_s = 0\.3 seconds.*raise timeout_s"):
        read_all(volume, centres_nm(INSIDE), TILE)
    assert 0.25 < time.monotonic() - begin < 5


def test_a_server_that_does_not_answer_when_the_volume_is_opened(server: FaultyServer) -> None:
    server.fault, server.only = "slow", "info"
    with pytest.raises(ConnectionError, match=r"its file 'info' was not answered within timeout_s = 0\.3 seconds"):
        open_volume(served_spec(server, timeout_s=0.3))


@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_a_damaged_chunk_is_named_with_the_remedy(server: FaultyServer, encoding: str) -> None:
    spec = served_spec(server, encoding, missing_chunks="black")
    server.fault, server.only = "garbage", CHUNK
    volume = open_volume(spec, QUICK)
    with pytest.raises(BadInput, match=rf"{ITS_VOXELS} cannot be read: .*{CHUNK}.*copy or write this chunk again"):
        read_all(volume, centres_nm([*INSIDE, *ELSEWHERE, [132, 60, 22]]), TILE)
    assert read_all(volume, centres_nm(ELSEWHERE), TILE)[1].tolist() == [1.0]


def test_a_refusal_is_no_damage(server: FaultyServer) -> None:
    spec = served_spec(server)
    server.fault = 403
    with pytest.raises(BadInput, match=rf"{ITS_VOXELS} may not be read: .*credentials"):
        read_all(open_volume(spec, QUICK), centres_nm(INSIDE), TILE)


def test_no_more_requests_than_allowed(server: FaultyServer) -> None:
    cells = [(x, y, z) for x in range(3) for y in range(5) for z in range(3) if (x + y + z) % 2]
    voxels = np.minimum(np.array(OFFSET) + np.array(cells) * (32, 16, 8) + (16, 8, 4), np.array(OFFSET) + SHAPE - 1)
    tile = TileSpec(size_px=8, sections=1)
    spans = {}
    for allowed in (None, 40.0):
        server.requests.clear()
        read_all(open_volume(served_spec(server, requests_per_second=allowed)), centres_nm(voxels), tile)
        times = sorted(time for times in server.requests.values() for time in times)
        assert len(times) == len(voxels) == 22
        spans[allowed] = times[-1] - times[0]
    assert 0.8 * 21 / 40 < spans[40.0] < 3 * 21 / 40
    assert spans[None] < spans[40.0] / 2
