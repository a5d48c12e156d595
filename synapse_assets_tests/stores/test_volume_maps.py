"""Maps by chunk: what is there and what is not, exact places for other readers, and writers that are killed."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from synapse_assets.datasets import VolumeSpec
from synapse_assets.errors import BadInput, UnreachableStorageError
from synapse_assets.stores.files import Files
from synapse_assets.stores.volume_maps import VolumeMap
from synapse_assets.volumes import open_volume
from synapse_assets_tests.stores.object_store import ObjectStore, object_store  # noqa: F401 -- a fixture

LOW, HIGH, CHUNK = (5, 32, 16), (12, 61, 56), (4, 16, 16)
SPAWN = multiprocessing.get_context("spawn")


def volume_map(folder: Files, made_from: str = "network 1", chunk: tuple[int, int, int] = CHUNK) -> VolumeMap:
    return VolumeMap(folder, LOW, HIGH, chunk, (8.0, 8.0, 40.0), made_from)


def values(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, [b - a for a, b in zip(LOW, HIGH, strict=True)], np.uint8)


def write_all(into: VolumeMap, pixels: np.ndarray) -> None:
    for low, high in into.missing_chunks(into.low, into.high):
        box = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, LOW, strict=True))
        into.write_chunk(low, pixels[box])


def check_that_it_holds_what_was_written(folder: Files) -> None:
    written, pixels = volume_map(folder), values()
    assert len(written.missing_chunks(LOW, HIGH)) == 2 * 2 * 3
    assert written.missing_chunks((8, 47, 31), (10, 49, 33)) == list(written.chunks((8, 47, 31), (10, 49, 33)))
    assert len(written.missing_chunks((8, 47, 31), (10, 49, 33))) == 2 * 2 * 2
    assert written.missing_chunks((5, 32, 16), (9, 48, 32)) == [((5, 32, 16), (9, 48, 32))]
    assert written.missing_chunks((6, 40, 20), (6, 50, 30)) == []
    write_all(written, pixels)
    again = volume_map(folder)
    assert again.missing_chunks(LOW, HIGH) == []
    np.testing.assert_array_equal(again.read(LOW, HIGH), pixels)
    np.testing.assert_array_equal(again.read((6, 40, 20), (10, 60, 50)), pixels[1:5, 8:28, 4:34])


def test_what_is_written_is_read_again_and_known_to_be_there(tmp_path: Path) -> None:
    check_that_it_holds_what_was_written(Files(str(tmp_path / "a map" / "100%25")))


def test_the_same_on_object_storage(object_store: ObjectStore, tmp_path: Path) -> None:  # noqa: F811
    folder = object_store.store(tmp_path).folder.child("maps", "em%2F1")
    check_that_it_holds_what_was_written(folder)
    assert "info" in object_store.keys(folder.root)


def test_any_reader_of_the_format_finds_the_pixels_where_the_volume_has_them(tmp_path: Path) -> None:
    written, pixels = volume_map(Files(str(tmp_path / "map"))), values()
    write_all(written, pixels)
    spec = VolumeSpec(kind="precomputed", url=str(tmp_path / "map"), voxel_size_nm=(8, 8, 40))
    volume = open_volume(spec)
    assert [edge.tolist() for edge in volume.bounds_voxels] == [[16, 32, 5], [56, 61, 12]]
    box = volume.array.store[7:9, 40:50, 20:30].read().result()
    np.testing.assert_array_equal(box, pixels[2:4, 8:18, 4:14])


def test_a_chunk_of_zeros_is_there_and_an_absent_one_is_not_taken_for_it(tmp_path: Path) -> None:
    written = volume_map(Files(str(tmp_path)))
    written.write_chunk(LOW, np.zeros(CHUNK, np.uint8))
    again = volume_map(Files(str(tmp_path)))
    assert again.missing_chunks(LOW, (9, 48, 33)) == [((5, 32, 32), (9, 48, 48))]
    assert not again.read(LOW, (9, 48, 32)).any()
    with pytest.raises(BadInput, match=r"\(5, 32, 32\) to \(9, 48, 48\) \(z, y, x\) is not there"):
        again.read(LOW, (9, 48, 33))


@pytest.mark.parametrize("change", [{"made_from": "network 2"}, {"chunk": (7, 16, 16)}])
def test_a_map_that_was_made_from_something_else_is_none_and_goes_when_this_one_is_written(
    tmp_path: Path, change: dict[str, object]
) -> None:
    write_all(volume_map(Files(str(tmp_path))), values())
    other = volume_map(Files(str(tmp_path)), **change)
    assert len(other.missing_chunks(LOW, HIGH)) == len(list(other.chunks(LOW, HIGH)))
    (low, high), *_ = other.chunks(LOW, HIGH)
    other.write_chunk(low, np.full([b - a for a, b in zip(low, high, strict=True)], 7, np.uint8))
    assert len(other.missing_chunks(LOW, HIGH)) == len(list(other.chunks(LOW, HIGH))) - 1
    assert len(list((tmp_path / "map").iterdir())) == 1
    write_all(other, values(1))
    assert (other.read(low, high) == 7).all()
    assert other.read(LOW, HIGH)[0, 0, -1] == values(1)[0, 0, -1]


@pytest.mark.parametrize(
    ("low", "shape"), [(LOW, (4, 16, 15)), ((5, 32, 17), CHUNK), ((5, 48, 48), CHUNK), (LOW, (1, *CHUNK))]
)
def test_values_of_another_shape_than_the_chunk_are_refused(
    tmp_path: Path, low: tuple[int, int, int], shape: tuple[int, ...]
) -> None:
    with pytest.raises(BadInput, match="the chunk at"):
        volume_map(Files(str(tmp_path))).write_chunk(low, np.zeros(shape, np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_box_beyond_the_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="spans pixels"):
        volume_map(Files(str(tmp_path))).read(LOW, (13, 61, 56))


def test_a_damaged_info_says_so(tmp_path: Path) -> None:
    (tmp_path / "info").write_text('{"scales": [')
    with pytest.raises(BadInput, match="holds no JSON"):
        volume_map(Files(str(tmp_path))).missing_chunks(LOW, HIGH)


def test_a_damaged_chunk_names_the_folder_to_remove(tmp_path: Path) -> None:
    written = volume_map(Files(str(tmp_path)))
    write_all(written, values())
    chunk = tmp_path / "map" / "16-32_32-48_5-9"
    for damaged in (b"", chunk.read_bytes()[:100], b"no picture"):
        chunk.write_bytes(damaged)
        with pytest.raises(BadInput, match=f"{tmp_path} is damaged: remove this folder"):
            written.read(LOW, HIGH)


def test_storage_that_refuses_is_named(object_store: ObjectStore, tmp_path: Path) -> None:  # noqa: F811
    written = volume_map(object_store.store(tmp_path).folder.child("maps"))
    write_all(written, values())
    with (
        object_store.down(lambda method, path: "map/" in path),
        pytest.raises(UnreachableStorageError, match=r"endpoint http://127.*check the address, the credentials"),
    ):
        written.read(LOW, HIGH)


def write_for_ever(folder: str, started: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    written = VolumeMap(Files(folder), (0, 0, 0), (64, 512, 512), (16, 256, 256), (8.0, 8.0, 40.0), "x")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 256, 256), np.uint8)
    while True:
        for low, _ in written.chunks(written.low, written.high):
            written.write_chunk(low, pixels)
            started.set()


def test_a_killed_writer_leaves_whole_chunks_only(tmp_path: Path) -> None:
    started = SPAWN.Event()
    process = SPAWN.Process(target=write_for_ever, args=(str(tmp_path), started))
    process.start()
    assert started.wait(60)
    process.join(0.08)
    os.kill(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
    process.join()
    left = VolumeMap(Files(str(tmp_path)), (0, 0, 0), (64, 512, 512), (16, 256, 256), (8.0, 8.0, 40.0), "x")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 256, 256), np.uint8)
    missing = left.missing_chunks(left.low, left.high)
    there = [box for box in left.chunks(left.low, left.high) if box not in missing]
    assert there
    for low, high in there:
        np.testing.assert_array_equal(left.read(low, high), pixels)
    for low, _ in missing:
        left.write_chunk(low, pixels)
    assert left.missing_chunks(left.low, left.high) == []
    assert json.loads((tmp_path / "info").read_text())["scales"][0]["encoding"] == "png"
