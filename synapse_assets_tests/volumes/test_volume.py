"""Tiles of every kind of volume, held against the formula that the volume was written with."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import Volume, open_volume
from synapse_assets.volumes._grouping import ReadMode
from synapse_assets_tests.volumes.conftest import (
    KINDS,
    OFFSET,
    SHAPE,
    VOXEL_SIZE_NM,
    grey,
    smooth_grey,
    write_array,
    write_by_cloud_volume,
    write_images,
    write_kind,
    write_precomputed,
    zyx_values,
)

TILE = TileSpec(size_px=16, sections=3)


def centres_nm(voxels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return (np.asarray(voxels, dtype=np.float64) + 0.5) * np.array(VOXEL_SIZE_NM)


def read_all(
    volume: Volume, points_nm: npt.ArrayLike, tile: TileSpec
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    count = len(np.asarray(points_nm))
    tiles = np.zeros((count, tile.sections, tile.size_px, tile.size_px), dtype=np.uint8)
    valid, seen = np.full(count, np.nan), np.zeros(count, dtype=int)
    for batch in volume.read_tiles(points_nm, tile):
        assert batch.indices.dtype == np.int64
        assert batch.tiles.dtype == np.uint8
        tiles[batch.indices], valid[batch.indices] = batch.tiles, batch.valid_fraction
        seen[batch.indices] += 1
    assert (seen == 1).all()
    return tiles, valid


def expected(voxel: npt.ArrayLike, tile: TileSpec) -> tuple[npt.NDArray[np.uint8], float]:
    """Tile and valid fraction by the formula, voxel by voxel."""
    sizes = (tile.size_px, tile.size_px, tile.sections)
    x, y, z = (np.arange(v - n // 2, v - n // 2 + n) for v, n in zip(np.asarray(voxel), sizes, strict=True))
    zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
    inside = np.ones(zz.shape, dtype=bool)
    for axis, low, size in zip((xx, yy, zz), OFFSET, SHAPE, strict=True):
        inside &= (axis >= low) & (axis < low + size)
    return np.where(inside, grey(xx, yy, zz), 0).astype(np.uint8), float(inside.mean())


def check(volume: Volume, voxels: npt.NDArray[np.int64], tile: TileSpec) -> None:
    tiles, valid = read_all(volume, centres_nm(voxels), tile)
    for index, voxel in enumerate(voxels):
        pixels, fraction = expected(voxel, tile)
        np.testing.assert_array_equal(tiles[index], pixels)
        assert valid[index] == pytest.approx(fraction)


@pytest.mark.parametrize("kind", KINDS)
def test_every_voxel_is_where_the_file_says(kind: str, tmp_path: Path) -> None:
    volume = open_volume(write_kind(kind, tmp_path / "volume"))
    low, high = volume.bounds_voxels
    assert low.tolist() == list(OFFSET)
    assert (high - low).tolist() == list(SHAPE)
    voxels = np.random.default_rng(1).integers(low, high, size=(60, 3))
    corners = np.array([low, high - 1, [low[0], high[1] - 1, low[2]], (low + high) // 2])
    check(volume, np.concatenate([voxels, corners]), TILE)
    check(volume, corners, TileSpec(size_px=9, sections=4))
    check(volume, corners, TileSpec(size_px=120, sections=1))  # larger than the volume


def test_jpeg_is_close_and_axes_are_right(tmp_path: Path) -> None:
    volume = open_volume(
        write_precomputed(tmp_path / "volume", zyx_values(smooth_grey), encoding="jpeg", chunk=(64, 64, 16))
    )
    voxel = np.array([[OFFSET[0] + 40, OFFSET[1] + 30, OFFSET[2] + 9]])
    tiles, valid = read_all(volume, centres_nm(voxel), TILE)
    values = zyx_values(smooth_grey)[8:11, 22:38, 32:48].astype(int)
    assert valid.tolist() == [1.0]
    assert np.abs(tiles[0].astype(int) - values).max() <= 3


def test_dense_and_sparse_points_give_the_same_tiles(tmp_path: Path) -> None:
    volume = open_volume(write_kind("precomputed", tmp_path / "volume"))
    low, high = volume.bounds_voxels
    voxels = np.random.default_rng(2).integers(low, high, size=(700, 3))
    voxels[1] = voxels[0]
    check(volume, voxels, TILE)
    check(volume, voxels[:2], TILE)
    batches = list(volume.read_tiles(centres_nm(voxels), TILE))
    assert [len(batch.indices) for batch in batches] == [256, 256, 188]
    assert list(volume.read_tiles(np.empty((0, 3)), TILE)) == []


def test_many_points_are_cut_without_being_held(tmp_path: Path) -> None:
    volume = open_volume(write_kind("precomputed", tmp_path / "volume"))
    low, high = volume.bounds_voxels
    points = centres_nm(np.random.default_rng(5).integers(low, high, size=(40_000, 3)))
    seen = np.zeros(len(points), dtype=np.uint8)
    tracemalloc.start()
    for batch in volume.read_tiles(points, TileSpec(size_px=64, sections=1)):
        seen[batch.indices] += 1
        del batch
    # All the tiles would be 164 MB; a point is some 150 bytes.
    assert tracemalloc.get_traced_memory()[1] < 80e6
    tracemalloc.stop()
    assert (seen == 1).all()


def test_float_noise_does_not_move_a_point(tmp_path: Path) -> None:
    spec = write_kind("zarr3", tmp_path / "volume").model_copy(update={"voxel_size_nm": (4.6, 4.6, 45.0)})
    volume = open_volume(spec)
    voxels = np.arange(3 * 2000).reshape(-1, 3)
    exact = voxels * np.array([4.6, 4.6, 45.0])
    assert (np.floor(exact / np.array([4.6, 4.6, 45.0])) <= voxels).all()
    for noise in (-1e-9, 0.0, 1e-9):
        np.testing.assert_array_equal(volume.voxel_of(exact + noise), voxels)
    np.testing.assert_array_equal(volume.voxel_of(exact - 0.01), voxels - 1)
    np.testing.assert_array_equal(volume.voxel_of([[-1.0, -4.6, 44.9]]), [[-1, -1, 0]])


def test_points_outside_are_named(tmp_path: Path) -> None:
    volume = open_volume(write_kind("precomputed", tmp_path / "volume"))
    low, high = volume.bounds_voxels
    points = centres_nm([low, high - 1, high, low - 1])
    assert volume.contains(points).tolist() == [True, True, False, False]
    assert volume.contains([[np.nan, 0, 0]]).tolist() == [False]
    with pytest.raises(BadInput, match=r"point 2 lies at voxel \[190, 107, 32\].*2 of 4 points"):
        volume.read_tiles(points, TILE)
    with pytest.raises(BadInput, match="point 1 is"):
        volume.voxel_of([[1, 2, 3], [np.nan, 2, 3]])


@pytest.mark.parametrize(
    ("kind", "chunk"), [("precomputed", "4_5_40/132-164_53-69_19-27"), ("zarr2", "1.1.1"), ("zarr3", "c/1/1/1")]
)
def test_a_missing_chunk_is_an_error_or_black(kind: str, chunk: str, tmp_path: Path) -> None:
    spec = write_kind(kind, tmp_path / "volume")
    if kind == "precomputed":
        scale = json.loads((tmp_path / "volume/info").read_text())["scales"][1]["key"]
        chunk = f"{scale}/{chunk.split('/')[1]}"
    (tmp_path / "volume" / chunk).unlink()
    voxels = np.array([[133, 60, 20], [145, 61, 23], [150, 60, 18], [110, 90, 14]])
    with pytest.raises(
        BadInput, match=r"(?s)at point .*voxels \[132, 53, 19\] to \[164, 69, 27\].*missing_chunks: black"
    ):
        read_all(open_volume(spec), centres_nm(voxels), TILE)
    black = open_volume(spec.model_copy(update={"missing_chunks": "black"}))
    tiles, valid = read_all(black, centres_nm(voxels), TILE)
    for index, voxel in enumerate(voxels):
        x, y, z = (np.arange(v - n // 2, v - n // 2 + n) for v, n in zip(voxel, (16, 16, 3), strict=True))
        gone = ((z >= 19) & (z < 27))[:, None, None] & ((y >= 53) & (y < 69))[:, None] & ((x >= 132) & (x < 164))
        np.testing.assert_array_equal(tiles[index], np.where(gone, 0, expected(voxel, TILE)[0]))
        assert valid[index] == pytest.approx(1 - gone.mean())
    assert valid[1] == 0.0
    assert valid[3] == 1.0


def test_a_chunk_that_no_tile_touches_may_be_missing_or_damaged(tmp_path: Path) -> None:
    spec = write_kind("precomputed", tmp_path / "volume")
    volume = open_volume(spec)
    low, high = volume.bounds_voxels
    tile = TileSpec(size_px=8, sections=1)
    voxels = np.random.default_rng(4).integers(low, high, size=(600, 3))
    # Tiles that reach into the chunk of voxels 132 to 164, 53 to 69, 19 to 27.
    touching = ((voxels > (128, 49, 18)) & (voxels < (168, 73, 27))).all(axis=1)
    voxels = voxels[~touching]
    assert volume.reading_cost(centres_nm(voxels), tile).tiles[ReadMode.BLOCK] == len(voxels)
    (chunk,) = (tmp_path / "volume/4_5_40").glob("132-164_53-69_19-27")
    chunk.write_bytes(b"short")
    check(open_volume(spec), voxels, tile)
    chunk.unlink()
    check(open_volume(spec), voxels, tile)
    black = open_volume(spec.model_copy(update={"missing_chunks": "black"}))
    assert sum(batch.missing_chunks for batch in black.read_tiles(centres_nm(voxels), tile)) == 0


@pytest.mark.parametrize("size_px", [8, 24])
def test_an_absent_chunk_is_counted_once_however_many_batches_touch_it(size_px: int, tmp_path: Path) -> None:
    spec = write_kind("precomputed", tmp_path / "volume")
    gone = ["132-164_53-69_19-27", "164-190_53-69_19-27", "100-132_37-53_11-19"]
    for name in gone:
        (tmp_path / "volume/4_5_40" / name).unlink()
    volume = open_volume(spec.model_copy(update={"missing_chunks": "black"}))
    # Two of the three are touched, each by more tiles than a batch holds.
    voxels = np.random.default_rng(8).integers((140, 60, 20), (185, 66, 26), size=(1500, 3))
    batches = list(volume.read_tiles(centres_nm(voxels), TileSpec(size_px=size_px, sections=1)))
    assert len(batches) > 4
    assert all((batch.valid_fraction < 1).any() for batch in batches)
    assert sum(batch.missing_chunks for batch in batches) == 2
    again = volume.read_tiles(centres_nm(voxels), TileSpec(size_px=size_px, sections=1))
    assert sum(batch.missing_chunks for batch in again) == 2  # of one pass


def test_uncompressed_chunks_of_cloud_volume_are_read(tmp_path: Path) -> None:
    spec = write_by_cloud_volume(tmp_path / "volume", None).model_copy(
        update={"url": f"precomputed://file://{tmp_path / 'volume'}"}
    )
    check(open_volume(spec), np.array([[130, 60, 20], [100, 37, 11]]), TILE)


@pytest.mark.parametrize("kind", ["precomputed", "zarr2", "zarr3", "n5"])
def test_over_http_with_an_estimate(kind: str, http_folder: tuple[Path, str]) -> None:
    folder, address = http_folder
    local = write_kind(kind, folder / "volume")
    volume = open_volume(local.model_copy(update={"url": f"{address}/volume"}))
    voxels = np.array([[140, 61, 23], [140, 62, 23], [100, 37, 11]])
    check(volume, voxels, TILE)
    tile = TileSpec(size_px=8, sections=1)
    # The first two lie in one chunk: rows 57 to 66 are within 53 to 69 of a grid that starts at 37.
    estimate = volume.estimate_download(centres_nm(voxels), tile)
    assert (estimate.chunks, estimate.bytes, estimate.remote) == (2, 2 * 32 * 16 * 8, True)
    assert "0.0 MB over the network (2 chunks)" in str(estimate)
    at_home = open_volume(local).estimate_download(centres_nm(voxels), tile)
    assert (at_home.chunks, at_home.bytes, at_home.remote) == (2, 0, False)
    with pytest.raises(BadInput, match="/absent'"):
        open_volume(local.model_copy(update={"url": f"{address}/absent"}))


def test_estimate_counts_each_chunk_once(tmp_path: Path) -> None:
    volume = open_volume(write_kind("precomputed", tmp_path / "volume"))
    low, high = volume.bounds_voxels
    voxels = np.random.default_rng(3).integers(low, high, size=(40, 3))
    tile = TileSpec(size_px=40, sections=5)
    touched = set()
    for voxel in voxels:
        for x in range(voxel[0] - 20, voxel[0] + 20):
            for y in range(voxel[1] - 20, voxel[1] + 20):
                for z in range(voxel[2] - 2, voxel[2] + 3):
                    if ((low <= (x, y, z)) & ((x, y, z) < high)).all():
                        touched.add(((x - low[0]) // 32, (y - low[1]) // 16, (z - low[2]) // 8))
    assert volume.estimate_download(centres_nm(voxels), tile).chunks == len(touched)
    assert volume.estimate_download(np.empty((0, 3)), tile).chunks == 0


def test_jpeg_estimate_is_half_a_byte_a_voxel(http_folder: tuple[Path, str]) -> None:
    folder, address = http_folder
    spec = write_precomputed(folder / "volume", zyx_values(smooth_grey), encoding="jpeg", chunk=(16, 16, 8))
    volume = open_volume(spec.model_copy(update={"url": f"precomputed://{address}/volume"}))
    estimate = volume.estimate_download(centres_nm([[140, 60, 20]]), TileSpec(size_px=8, sections=1))
    assert estimate.bytes == estimate.chunks * 16 * 16 * 8 // 2 > 0


def test_wrong_volumes_are_refused_with_the_remedy(tmp_path: Path) -> None:
    values = zyx_values()
    spec = write_precomputed(tmp_path / "p", values)
    with pytest.raises(BadInput, match="no scale of voxel_size_nm 4x4x40; there are 8x10x40, 4x5x40"):
        open_volume(spec.model_copy(update={"voxel_size_nm": (4.0, 4.0, 40.0)}))
    with pytest.raises(BadInput, match="leave offset_voxels out"):
        open_volume(spec.model_copy(update={"offset_voxels": (1, 2, 3)}))
    with pytest.raises(BadInput, match=r"there is no file or folder"):
        open_volume(spec.model_copy(update={"url": str(tmp_path / "nowhere")}))
    with pytest.raises(BadInput, match="starts with none of"):
        open_volume(spec.model_copy(update={"url": "ftp://x/y"}))
    (tmp_path / "empty").mkdir()
    for kind, message in (
        ("precomputed", "no file 'info'"),
        ("zarr", "no zarr array"),
        ("n5", "no N5 array"),
        ("images", "no TIFF"),
    ):
        with pytest.raises(BadInput, match=message):
            open_volume(VolumeSpec.model_validate({**spec.model_dump(), "kind": kind, "url": str(tmp_path / "empty")}))


def test_wrong_types_and_channels_are_refused(tmp_path: Path) -> None:
    values = zyx_values()
    with pytest.raises(BadInput, match="uint16"):
        open_volume(write_precomputed(tmp_path / "p16", values.astype(np.uint16)))
    write_array(tmp_path / "z16", "zarr", values.astype(np.uint16), (8, 16, 32))
    write_array(tmp_path / "z4", "zarr3", np.stack([values, values]), (1, 8, 16, 32))
    for name, message in (("z16", "uint16"), ("z4", "extract one channel")):
        with pytest.raises(BadInput, match=message):
            open_volume(VolumeSpec(kind="zarr", url=str(tmp_path / name), voxel_size_nm=VOXEL_SIZE_NM))
    (tmp_path / "group").mkdir()
    (tmp_path / "group/.zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(BadInput, match="a zarr group"):
        open_volume(VolumeSpec(kind="zarr", url=str(tmp_path / "group"), voxel_size_nm=VOXEL_SIZE_NM))


def test_wrong_sections_are_refused(tmp_path: Path) -> None:
    values = zyx_values()
    for name, first, message in (
        ("rgb", np.zeros((5, 6, 3), dtype=np.uint8), "extract one channel"),
        ("deep", np.zeros((5, 6), dtype=np.uint16), "uint16|I;16"),
    ):
        for suffix in (".tif", ".png"):
            folder = tmp_path / f"{name}{suffix}"
            folder.mkdir()
            if suffix == ".png":
                Image.fromarray(first).save(folder / "0.png")
            else:
                tifffile.imwrite(folder / "0.tif", first)
            with pytest.raises(BadInput, match=message):
                open_volume(VolumeSpec(kind="images", url=str(folder), voxel_size_nm=VOXEL_SIZE_NM))
    spec = write_images(tmp_path / "gap", ".tif", values)
    (tmp_path / "gap/s12.tif").unlink()
    with pytest.raises(BadInput, match=r"jump from 's11\.tif' to 's13\.tif'"):
        open_volume(spec)
    spec = write_images(tmp_path / "sizes", ".tif", values)
    tifffile.imwrite(tmp_path / "sizes/s10.tif", values[0, :-1])
    volume = open_volume(spec)
    check(volume, np.array([[130, 60, 20]]), TILE)
    with pytest.raises(BadInput, match=r"s10\.tif' is \(69, 90\)"):
        read_all(volume, centres_nm([[130, 60, 13]]), TILE)
    (tmp_path / "sizes/s20.tif").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"s20\.tif' cannot be read"):
        read_all(volume, centres_nm([[130, 60, 23]]), TILE)


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    spec = write_precomputed(tmp_path / "volume", zyx_values())
    for chunk in (tmp_path / "volume").rglob("132-164_53-69_19-27"):
        chunk.write_bytes(b"short")
    with pytest.raises(BadInput, match="132-164_53-69_19-27"):
        read_all(open_volume(spec), centres_nm([[140, 60, 22]]), TILE)


def test_real_sections_of_the_nerve_cord() -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / "vnc_sstem" / "stack1" / "raw"
    if not folder.is_dir():
        pytest.skip("the nerve cord sections are not here")
    volume = open_volume(VolumeSpec(kind="images", url=str(folder), voxel_size_nm=(4.6, 4.6, 45)))
    assert volume.bounds_voxels[1].tolist() == [1024, 1024, 15]
    tiles, valid = read_all(
        volume, np.array([[500, 300, 7], [0, 0, 0]]) * np.array([4.6, 4.6, 45]), TileSpec(size_px=96)
    )
    section = tifffile.imread(folder / "07.tif")
    np.testing.assert_array_equal(tiles[0, 1], section[252:348, 452:548])
    assert valid[1] == pytest.approx(2 / 3 / 4)
