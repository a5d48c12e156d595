"""The plan against counting by hand, against a server's own count of requests, and for a million points."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import _context, _grouping, _opened, open_volume, plan
from synapse_assets.volumes._grouping import ReadMode, cost_of, grouped
from synapse_assets.volumes.plan import plan_tiles
from synapse_assets_tests.volumes.conftest import VOXEL_SIZE_NM, smooth_grey, write_kind, write_precomputed, zyx_values
from synapse_assets_tests.volumes.faulty_server import FaultyServer, faulty_server, served_spec
from synapse_assets_tests.volumes.test_volume import centres_nm, read_all

TILE = TileSpec(size_px=16, sections=3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    with faulty_server(tmp_path) as server:
        yield server


def chunks_touched(spec: VolumeSpec, voxels: npt.NDArray[np.int64], tile: TileSpec) -> list[set[tuple[int, ...]]]:
    """The chunks of every tile, voxel by voxel."""
    low, high = open_volume(spec).bounds_voxels
    size = np.array([tile.size_px, tile.size_px, tile.sections])
    found = []
    for start in voxels - size // 2:
        x, y, z = (
            {(int(v) - low[i]) // c for v in range(max(start[i], low[i]), min(start[i] + size[i], high[i]))}
            for i, c in enumerate((32, 16, 8))
        )
        found.append({(a, b, c) for a in x for b in y for c in z})
    return found


@pytest.mark.parametrize("count", [1, 12, 700])
def test_counts_are_those_of_a_count_by_hand(count: int, tmp_path: Path) -> None:
    spec = write_kind("precomputed", tmp_path / "volume")
    low, high = open_volume(spec).bounds_voxels
    voxels = np.random.default_rng(count).integers(low, high, size=(count, 3))
    touched = chunks_touched(spec, voxels, TILE)
    here = plan_tiles(spec, centres_nm(voxels), TILE).scales[0]
    assert here.cost.chunks == len(set.union(*touched))
    assert here.cost.touches == sum(map(len, touched))
    assert here.cost.chunks <= here.cost.decoded_chunks <= 45  # of which the volume has 45, and all fit into memory
    assert here.cost.chunk_voxels == 32 * 16 * 8
    assert sum(here.cost.tiles.values()) == count
    assert (here.bytes, here.one_by_one_bytes) == (0, 0)  # nothing over the network


def test_how_tiles_are_read_follows_their_density(tmp_path: Path) -> None:
    spec = write_kind("precomputed", tmp_path / "volume")
    volume = open_volume(spec)
    low, high = volume.bounds_voxels

    def modes(voxels: npt.ArrayLike, tile: TileSpec) -> list[int]:
        return list(volume.reading_cost(centres_nm(voxels), tile).tiles.values())

    everywhere = np.random.default_rng(0).integers(low, high, size=(500, 3))
    assert modes(everywhere, TILE) == [0, 0, 500]
    small = TileSpec(size_px=8, sections=1)
    corners = np.array([low + 4, high - 5])
    assert modes(corners, small) == [2, 0, 0]  # all chunks between them would be decoded for nothing
    assert modes([corners[0], *corners], small) == [0, 0, 3]  # cheaper than a third read
    assert modes([corners[0], corners[0]], small) == [0, 0, 2]
    assert modes(np.empty((0, 3)), small) == [0, 0, 0]


def test_over_a_network_a_block_holds_no_chunk_that_no_tile_needs(server: FaultyServer) -> None:
    spec = served_spec(server)
    low, high = open_volume(spec).bounds_voxels
    tile = TileSpec(size_px=8, sections=1)
    voxels = np.random.default_rng(1).integers(low, high, size=(900, 3))
    voxels = voxels[~((voxels > (128, 49, 18)) & (voxels < (168, 73, 27))).all(axis=1)]
    local = spec.model_copy(update={"url": str(server.folder / "volume")})
    assert open_volume(local).reading_cost(centres_nm(voxels), tile).tiles[ReadMode.BLOCK] == len(voxels)
    assert open_volume(spec).reading_cost(centres_nm(voxels), tile).tiles[ReadMode.CACHED] == len(voxels)


@pytest.mark.parametrize("count", [5, 60, 700])
def test_the_server_sees_the_requests_that_the_plan_foretells(count: int, server: FaultyServer) -> None:
    spec = served_spec(server)
    low, high = open_volume(spec).bounds_voxels
    points = centres_nm(np.random.default_rng(count).integers(low, high, size=(count, 3)))
    here = plan_tiles(spec, points, TILE).scales[0]
    assert not server.requests
    read_all(open_volume(spec), points, TILE)
    assert sum(map(len, server.requests.values())) == here.cost.decoded_chunks == here.cost.chunks
    # Chunks at the far faces of the volume are cut off, so that a little less than the plan says is sent.
    sent = sum((server.folder / path.lstrip("/")).stat().st_size for path in server.requests)
    assert 0.6 * here.bytes < sent <= here.bytes == here.cost.chunks * 32 * 16 * 8


def test_chunks_that_do_not_fit_into_memory_together_are_counted_for_each_tile(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = served_spec(server)
    low, high = open_volume(spec).bounds_voxels
    tile = TileSpec(size_px=8, sections=1)
    voxels = np.random.default_rng(1).integers(low, high, size=(300, 3))
    voxels = voxels[~((voxels > (128, 49, 18)) & (voxels < (168, 73, 27))).all(axis=1)]  # one by one, not as a block
    touched = chunks_touched(spec, voxels, tile)
    distinct = len(set.union(*touched))
    assert plan_tiles(spec, centres_nm(voxels), tile).scales[0].cost.decoded_chunks == distinct
    for module in (_grouping, _context):
        monkeypatch.setattr(module, "CACHE_BYTES", 4 * 32 * 16 * 8)
    cost = plan_tiles(spec, centres_nm(voxels), tile).scales[0].cost
    assert cost.tiles[ReadMode.CACHED] == len(voxels)
    assert cost.chunks == distinct
    assert cost.decoded_chunks == cost.touches == sum(map(len, touched))
    # Tiles are read in the order of their chunks, so that the server sees less.
    monkeypatch.setattr(_opened, "_IN_FLIGHT_READS", 0)
    read_all(open_volume(spec), centres_nm(voxels), tile)
    assert distinct < sum(map(len, server.requests.values())) <= cost.decoded_chunks


def test_every_scale_shows_the_same_field_of_view(tmp_path: Path) -> None:
    spec = write_precomputed(tmp_path / "volume", zyx_values(smooth_grey), encoding="jpeg")
    low, high = open_volume(spec).bounds_voxels
    points = centres_nm(np.random.default_rng(2).integers(low, (low + high) // 2, size=(50, 3)))
    found = plan_tiles(spec, points, TILE)
    assert [(scale.voxel_size_nm, scale.size_px) for scale in found.scales] == [
        (VOXEL_SIZE_NM, 16),
        ((8.0, 10.0, 40.0), 8),
    ]
    rows = found.rows()
    assert [(row["voxel_size_nm"], row["reader"]) for row in rows] == [
        ("4x5x40", "grouped"),
        ("4x5x40", "one by one"),
        ("8x10x40", "grouped"),
        ("8x10x40", "one by one"),
    ]
    assert len({tuple(row) for row in rows}) == 1
    assert all(row["single_tiles"] + row["cached_tiles"] + row["block_tiles"] == row["tiles"] for row in rows)
    assert rows[0]["decoded_gigavoxels"] < rows[1]["decoded_gigavoxels"]
    assert rows[0]["hours"] < rows[1]["hours"]
    assert "50 tiles from the precomputed volume" in str(found)
    # The coarser scale would need tiles of 6 voxels, narrower than any tile may be.
    assert len(plan_tiles(spec, points, TileSpec(size_px=12)).scales) == 1
    assert len(plan_tiles(write_kind("zarr3", tmp_path / "zarr"), points, TILE).scales) == 1
    with pytest.raises(BadInput, match="point 1 lies at voxel"):
        plan_tiles(spec, [points[0], points[0] + 1e6], TILE)


def test_hours_follow_the_stated_rates(server: FaultyServer) -> None:
    spec = served_spec(server)
    low, high = open_volume(spec).bounds_voxels
    points = centres_nm(np.random.default_rng(3).integers(low, high, size=(300, 3)))
    free = plan_tiles(spec, points, TILE).scales[0]
    assert free.hours * 3600 == pytest.approx(free.cost.chunks * plan.LATENCY_S / plan.REQUESTS_AT_ONCE)
    # At most 12 chunks a tile, fewer than are asked for at once: every tile waits for the server once.
    waiting = 300 * plan.LATENCY_S + free.one_by_one_bytes / plan.BYTES_PER_SECOND
    decoding = free.cost.touches * free.cost.chunk_voxels / plan.RAW_VOXELS_PER_SECOND
    assert free.one_by_one_hours * 3600 == pytest.approx(waiting + decoding)
    capped = plan_tiles(spec.model_copy(update={"requests_per_second": 2}), points, TILE).scales[0]
    assert capped.hours * 3600 == pytest.approx(free.cost.chunks / 2)
    assert capped.one_by_one_hours * 3600 == pytest.approx(free.cost.touches / 2 + decoding)


def test_a_chunk_that_left_the_cache_is_counted_again() -> None:
    rng = np.random.default_rng(6)
    ids = rng.integers(0, 60, size=3000)
    for capacity in (0, 1, 7, 40, 100):
        cache = _grouping._Cache(capacity)
        counted = sum(cache.misses(part) for part in np.split(ids, [10, 11, 500, 501, 2000]))
        last: dict[int, int] = {}
        by_hand = 0
        for place, chunk in enumerate(ids.tolist()):
            by_hand += place - last.get(chunk, -(10**9)) > capacity
            last[chunk] = place
        assert counted == by_hand


def test_distinct_numbers_are_exact_first_and_close_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.arange(300_000)[np.random.default_rng(7).integers(0, 300_000, size=400_000)] * 64
    exact = len(np.unique(ids))
    for kept, allowed in ((2**22, 0.0), (2**15, 0.02)):
        monkeypatch.setattr(_grouping._Distinct, "_MOST_HASHES", kept)
        distinct = _grouping._Distinct()
        for part in np.array_split(ids, 30):
            distinct.add(part)
            assert sum(map(len, distinct._parts)) <= 2 * kept
        assert distinct.count() == pytest.approx(exact, rel=allowed, abs=0)


def test_groups_hold_every_row_once_in_slices_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = open_volume(write_kind("precomputed", tmp_path / "volume"))
    low, high = volume.bounds_voxels
    points = centres_nm(np.random.default_rng(8).integers(low, high, size=(400, 3)))
    boxes = volume.tile_boxes(points, TILE)
    whole = cost_of(volume.array, *boxes)
    monkeypatch.setattr(_grouping, "_CELL_VOXELS", 32 * 16 * 8)
    monkeypatch.setattr(_grouping, "_PAIRS_AT_ONCE", 50)
    parts = list(grouped(volume.array, *boxes))
    assert len(parts) > 5
    assert sorted(np.concatenate([part.rows for part in parts]).tolist()) == list(range(400))
    small = cost_of(volume.array, *boxes)
    assert (small.chunks, small.touches) == (whole.chunks, whole.touches)
    np.testing.assert_array_equal(read_all(volume, points, TILE)[0][7], read_all(volume, points[7:8], TILE)[0][0])


def test_a_million_points_in_bounded_memory(tmp_path: Path) -> None:
    spec = write_kind("precomputed", tmp_path / "volume")
    volume = open_volume(spec)
    low, high = volume.bounds_voxels
    points = centres_nm(np.random.default_rng(9).integers(low, high, size=(1_000_000, 3)))
    boxes = volume.tile_boxes(points, TileSpec(size_px=8, sections=1))
    tracemalloc.start()
    cost = cost_of(volume.array, *boxes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(cost.tiles.values()) == 1_000_000
    assert cost.chunks == 45
    assert peak < 500e6
