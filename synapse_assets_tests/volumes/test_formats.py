"""What is particular to a format or a server: its reader, its errors, its credentials."""

import functools
import gzip
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import cloudvolume.secrets
import h5py
import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
import tifffile
from pydantic import ValidationError

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes import Volume, open_volume
from synapse_assets_tests.volumes.conftest import (
    OFFSET,
    SHAPE,
    SHARDING,
    VOXEL_SIZE_NM,
    FolderHandler,
    served,
    smooth_grey,
    write_array,
    write_by_cloud_volume,
    write_hdf5,
    write_kind,
    write_precomputed,
    write_stack,
    zyx_values,
)
from synapse_assets_tests.volumes.test_volume import TILE, centres_nm, check, read_all

CENTRE = np.array([[o + n // 2 for o, n in zip(OFFSET, SHAPE, strict=True)]])
KEY = "4.0_5.0_40.0"
GONE = "132-164_53-69_19-27"


def some_voxels(volume: Volume, count: int = 40) -> npt.NDArray[np.int64]:
    low, high = volume.bounds_voxels
    return np.random.default_rng(5).integers(low, high, size=(count, 3))


def changed(spec: VolumeSpec, **fields: Any) -> VolumeSpec:
    return VolumeSpec.model_validate({**spec.model_dump(), **fields})


# Precomputed


@pytest.mark.parametrize("compress", ["gzip", "br"])
def test_chunks_compressed_under_other_names_are_read(compress: str, tmp_path: Path) -> None:
    spec = write_by_cloud_volume(tmp_path / "volume", compress)
    names = [path.name for path in (tmp_path / "volume" / KEY).iterdir()]
    assert all(name.endswith((".gz", ".br")) for name in names)
    volume = open_volume(spec)
    assert volume.bounds_voxels[0].tolist() == list(OFFSET)
    check(volume, some_voxels(volume), TILE)
    with pytest.raises(BadInput, match=r"\.(gz|br)' is compressed.*leave reader out.*compress=False"):
        open_volume(changed(spec, reader="tensorstore"))


def test_compressed_and_plain_chunks_beside_each_other(tmp_path: Path) -> None:
    spec = write_by_cloud_volume(tmp_path / "volume", "gzip")
    packed = sorted((tmp_path / "volume" / KEY).iterdir())
    for path in packed[1::2]:
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    volume = open_volume(spec)
    check(volume, some_voxels(volume), TILE)


@pytest.mark.parametrize("compress", ["gzip", None])
def test_a_chunk_that_cloud_volume_misses_is_an_error_or_black(compress: str | None, tmp_path: Path) -> None:
    spec = changed(write_by_cloud_volume(tmp_path / "volume", compress), reader=None if compress else "cloud-volume")
    (tmp_path / "volume" / KEY / (GONE + (".gz" if compress else ""))).unlink()
    # In the absent chunk, at its edge, and away from it.
    voxels = np.array([[145, 61, 23], [133, 60, 20], [110, 90, 14]])
    with pytest.raises(BadInput, match=rf"at point .*{KEY}/{GONE} \(xyz\) is missing.*missing_chunks: black"):
        read_all(open_volume(spec), centres_nm(voxels), TILE)
    tiles, valid = read_all(open_volume(changed(spec, missing_chunks="black")), centres_nm(voxels), TILE)
    assert not tiles[0].any()
    there = np.ones((3, 16, 16), dtype=bool)
    there[:, 1:, 7:] = False  # rows 52 to 67, columns 125 to 140, sections 19 to 21
    x, y, z = (np.arange(v - n // 2, v - n // 2 + n) for v, n in zip(voxels[1], (16, 16, 3), strict=True))
    whole = zyx_values()[np.ix_(z - OFFSET[2], y - OFFSET[1], x - OFFSET[0])]
    np.testing.assert_array_equal(tiles[1], np.where(there, whole, 0))
    assert valid.tolist() == [0.0, pytest.approx(there.mean()), 1.0]


def test_a_damaged_chunk_that_cloud_volume_reads_is_named(tmp_path: Path) -> None:
    spec = write_by_cloud_volume(tmp_path / "volume", "gzip")
    (tmp_path / f"volume/{KEY}/{GONE}.gz").write_bytes(b"short")
    for missing in ("error", "black"):  # damaged is not missing
        with pytest.raises(BadInput, match=rf"cannot be read: chunk {KEY}/{GONE}"):
            read_all(open_volume(changed(spec, missing_chunks=missing)), centres_nm([[140, 60, 22]]), TILE)


@pytest.mark.parametrize("sharding", [None, SHARDING])
def test_both_readers_agree(sharding: dict[str, Any] | None, http_folder: tuple[Path, str]) -> None:
    folder, address = http_folder
    spec = write_precomputed(folder / "volume", zyx_values(), sharding=sharding)
    tile = TileSpec(size_px=max(SHAPE), sections=SHAPE[2])
    whole = [
        read_all(open_volume(changed(spec, url=url, reader=reader)), centres_nm(CENTRE), tile)[0]
        for url in (spec.url, f"{address}/volume")
        for reader in ("tensorstore", "cloud-volume")
    ]
    assert np.count_nonzero(whole[0]) == zyx_values().size  # no value is 0, so this is all of it
    for other in whole[1:]:
        np.testing.assert_array_equal(other, whole[0])


def test_both_readers_agree_on_jpeg(tmp_path: Path) -> None:
    spec = write_precomputed(tmp_path / "volume", zyx_values(smooth_grey), encoding="jpeg", chunk=(64, 64, 16))
    one, other = (
        read_all(open_volume(changed(spec, reader=reader)), centres_nm(CENTRE), TILE)[0].astype(int)
        for reader in ("tensorstore", "cloud-volume")
    )
    assert one.min() > 20
    assert np.abs(one - other).max() <= 1


def test_estimates_do_not_depend_on_the_reader(http_folder: tuple[Path, str]) -> None:
    folder, address = http_folder
    spec = changed(write_precomputed(folder / "v", zyx_values(smooth_grey), encoding="jpeg"), url=f"{address}/v")
    volume = open_volume(spec)
    points = centres_nm(some_voxels(volume))
    estimate = volume.estimate_download(points, TILE)
    assert estimate.remote
    assert estimate.bytes > 0
    assert open_volume(changed(spec, reader="cloud-volume")).estimate_download(points, TILE) == estimate


class _Slow(FolderHandler):
    """A far server; says how many chunks it was asked for, and how many of them at once."""

    asked: ClassVar[Counter[str]]
    at_once: ClassVar[list[int]]
    now: ClassVar[set[int]]

    def do_GET(self) -> None:  # noqa: N802 -- the name that http.server looks for
        if KEY.replace(".0", "") in self.path:
            self.asked[self.path] += 1
            self.now.add(threading.get_ident())
            self.at_once.append(len(self.now))
            time.sleep(0.05)
            self.now.discard(threading.get_ident())
        super().do_GET()


@pytest.mark.parametrize("reader", ["tensorstore", "cloud-volume"])
def test_a_far_server_is_asked_for_several_chunks_at_once_and_once_for_each(reader: str, tmp_path: Path) -> None:
    spec = write_precomputed(tmp_path / "volume", zyx_values())
    handler: Any = type("Handler", (_Slow,), {"asked": Counter(), "at_once": [], "now": set()})
    with served(functools.partial(handler, directory=tmp_path)) as address:
        volume = open_volume(changed(spec, url=f"{address}/volume", reader=reader))
        voxels = some_voxels(volume, 200)
        check(volume, voxels, TILE)
        check(volume, voxels, TILE)
        chunks = volume.estimate_download(centres_nm(voxels), TILE).chunks
    assert set(handler.asked.values()) == {1}
    assert len(handler.asked) == chunks > 20
    assert max(handler.at_once) >= 4


@pytest.mark.parametrize("reader", ["tensorstore", "cloud-volume"])
def test_gzip_objects_of_a_server_are_unpacked(reader: str, http_folder: tuple[Path, str]) -> None:
    folder, address = http_folder
    spec = write_by_cloud_volume(folder / "volume", "gzip")
    volume = open_volume(changed(spec, url=f"{address}/volume", reader=reader))
    check(volume, some_voxels(volume), TILE)


@pytest.mark.parametrize(
    ("fields", "scale", "message"),
    [
        ({"data_type": "uint64", "type": "segmentation"}, {}, r"segmentation \(uint64 labels\).*image layer"),
        ({"data_type": "uint64"}, {"encoding": "compressed_segmentation"}, "labels encoded as compressed_segmentation"),
        ({}, {"encoding": "compresso"}, "labels encoded as compresso"),
        ({"data_type": "uint16"}, {}, "uint16, but a volume holds 8-bit grey"),
        ({"data_type": "float32"}, {}, "float32, but a volume holds 8-bit grey"),
        ({"num_channels": 3}, {}, "3 channels"),
        ({}, {"encoding": "jxl"}, "encoded as jxl; raw, jpeg, png"),
        ({}, {"chunk_sizes": []}, "scale 1 in its file 'info'"),
        ({"scales": 5}, {}, "'info' is not that of"),
    ],
)
@pytest.mark.parametrize("reader", [None, "cloud-volume"])
def test_precomputed_of_other_values_is_refused(
    reader: str | None, fields: dict[str, Any], scale: dict[str, Any], message: str, tmp_path: Path
) -> None:
    spec = changed(write_precomputed(tmp_path / "volume", zyx_values()), reader=reader)
    path = tmp_path / "volume/info"
    info = json.loads(path.read_text())
    for one in info["scales"]:
        one.update(scale)
    path.write_text(json.dumps({**info, **fields}))
    # Of a scale without chunk sizes or no list of scales, cloud-volume says so itself.
    own = reader and ("scale 1" in message or "is not that" in message)
    with pytest.raises(BadInput, match="cloud-volume cannot open it|not that of" if own else message):
        open_volume(spec)


def test_without_cloud_volume_the_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = write_by_cloud_volume(tmp_path / "volume", "gzip")
    monkeypatch.setitem(sys.modules, "cloudvolume", None)
    with pytest.raises(BadInput, match=r"not installed: pip install 'synapse-assets\[cloud-volume\]'"):
        open_volume(spec)


def test_cloud_volume_is_imported_only_when_needed() -> None:
    script = "import sys, synapse_assets.volumes; sys.exit('cloudvolume' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_reader_and_axes_that_do_not_fit_the_kind_are_refused() -> None:
    common = {"url": "/nowhere", "voxel_size_nm": VOXEL_SIZE_NM}
    with pytest.raises(ValidationError, match="reader cloud-volume is for precomputed volumes, not for zarr"):
        VolumeSpec.model_validate({**common, "kind": "zarr", "reader": "cloud-volume"})
    with pytest.raises(ValidationError, match="axis_order is for zarr and n5, not for hdf5"):
        VolumeSpec.model_validate({**common, "kind": "hdf5", "axis_order": "xyz"})


# graphene://


class _Graph(FolderHandler):
    """A server of graphene:// for one volume `em`, for who shows the token; the chunks lie in the folder it serves."""

    token: ClassVar[str] = "0123abcd"  # noqa: S105

    def do_GET(self) -> None:  # noqa: N802 -- the name that http.server looks for
        if not self.path.startswith("/segmentation/table/"):
            return super().do_GET()
        if self.headers.get("Authorization") != f"Bearer {self.token}":
            return self.answer(401)
        if self.path != "/segmentation/table/em/info":
            return self.answer(404)
        info = json.loads((self.directory / "volume/info").read_text())
        info |= {"data_dir": f"http://{self.headers['Host']}/volume", "app": {"supported_api_versions": [0, 1]}}
        return self.answer(200, json.dumps(info | {"graph": {"chunk_size": [64, 64, 8]}}).encode())


def test_graphene_goes_through_cloud_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = zyx_values()
    spec = write_precomputed(tmp_path / "volume", values)
    with served(functools.partial(_Graph, directory=tmp_path)) as address:
        here = changed(spec, url=f"graphene://{address}/segmentation/table/em")
        host = address.removeprefix("http://")
        tokens = cloudvolume.secrets.CAVE_CREDENTIALS_CACHE
        monkeypatch.setitem(tokens, host, {})
        with pytest.raises(BadInput, match=r"(?i)no graphene authentication token.*credentials in ~/\.cloudvolume"):
            open_volume(here)
        monkeypatch.setitem(tokens, host, {"token": "ffff"})
        with pytest.raises(BadInput, match="401"):
            open_volume(here)
        monkeypatch.setitem(tokens, host, {"token": _Graph.token})
        volume = open_volume(here)
        check(volume, some_voxels(volume), TILE)
        assert volume.estimate_download(centres_nm(CENTRE), TILE).remote
        with pytest.raises(BadInput, match="404"):
            open_volume(changed(here, url=f"graphene://{address}/segmentation/table/other"))
        with pytest.raises(BadInput, match="Unable to parse Graphene URL"):
            open_volume(changed(here, url=f"graphene://{address}/nothing"))
        with pytest.raises(BadInput, match="leave reader out"):
            open_volume(changed(here, reader="tensorstore"))
        info = json.loads((tmp_path / "volume/info").read_text())
        (tmp_path / "volume/info").write_text(json.dumps(info | {"data_type": "uint64", "type": "segmentation"}))
        with pytest.raises(BadInput, match=r"segmentation \(uint64 labels\)"):
            open_volume(here)
    with pytest.raises(ConnectionError, match="cloud-volume cannot reach it"):
        open_volume(here)


# gs:// and s3://


class _Bucket(FolderHandler):
    """A bucket's server: the objects of its folder as /BUCKET/KEY, and at Google's JSON address.

    `token`: what the Authorization header has to begin with. `absent`: the answer for what is not there.
    """

    def __init__(self, *args: Any, token: str | None, absent: int, seen: list[str], **options: Any) -> None:
        self.token, self.absent, self.seen = token, absent, seen
        super().__init__(*args, **options)

    def do_GET(self) -> None:  # noqa: N802 -- the name that http.server looks for
        given = self.headers.get("Authorization")
        self.seen.append(self.path)
        if (given is None) != (self.token is None) or (self.token and not str(given).startswith(self.token)):
            return self.answer(403)
        path = unquote(urlsplit(self.path).path)
        return self.answer_with_file(re.sub("^/storage/v1/b/(.*?)/o/", r"/\1/", path), self.absent)


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A user without credentials; what the machine's metadata server is asked."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "GCE_", "TENSORSTORE_GCS")):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    asked: list[str] = []
    with served(functools.partial(_Bucket, directory=tmp_path, token=None, absent=404, seen=asked)) as address:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        yield asked


SERVER = {"gs": "TENSORSTORE_GCS_HTTP_URL", "s3": "AWS_ENDPOINT_URL"}


@pytest.mark.parametrize("scheme", ["gs", "s3"])
@pytest.mark.parametrize("kind", ["precomputed", "precomputed sharded", "zarr2", "zarr3", "n5"])
def test_public_buckets_need_no_credentials(
    kind: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: list[str]
) -> None:
    seen: list[str] = []
    (tmp_path / "bucket").mkdir()
    spec = write_kind(kind, tmp_path / "bucket/em v1")
    with served(functools.partial(_Bucket, directory=tmp_path, token=None, absent=404, seen=seen)) as address:
        monkeypatch.setenv(SERVER[scheme], address)
        volume = open_volume(changed(spec, url=f"{scheme}://bucket/em v1/"))
        check(volume, some_voxels(volume), TILE)
        assert volume.estimate_download(centres_nm(CENTRE), TILE).remote
        with pytest.raises(BadInput, match="/absent'"):
            open_volume(changed(spec, url=f"{scheme}://bucket/absent"))
    assert seen
    assert not [path for path in seen if path.startswith("/storage/")]  # where Google wants to know who asks
    assert nobody == []  # the metadata server is not waited for


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_buckets_that_hide_what_is_absent(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: list[str]
) -> None:
    spec = write_kind("zarr2", tmp_path / "bucket")
    seen: list[str] = []
    with served(functools.partial(_Bucket, directory=tmp_path, token=None, absent=403, seen=seen)) as address:
        monkeypatch.setenv(SERVER[scheme], address)
        volume = open_volume(changed(spec, url=f"{scheme}://bucket"))  # though zarr.json is refused
        check(volume, some_voxels(volume), TILE)
        for kind in ("zarr", "precomputed", "n5"):
            with pytest.raises(BadInput, match=r"may not be read, or is not there.*AWS_PROFILE"):
                open_volume(changed(spec, kind=kind, url=f"{scheme}://bucket/absent"))


def test_credentials_of_s3_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: list[str]) -> None:
    spec = write_kind("precomputed", tmp_path / "bucket")
    token, seen = "AWS4-HMAC-SHA256 Credential=me/", list[str]()
    with served(functools.partial(_Bucket, directory=tmp_path, token=token, absent=404, seen=seen)) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        here = changed(spec, url="precomputed://s3://bucket")
        with pytest.raises(BadInput, match="may not be read"):
            open_volume(here)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        volume = open_volume(here)
        check(volume, some_voxels(volume), TILE)


def test_credentials_of_google_are_shown(tmp_path: Path, nobody: list[str]) -> None:
    spec = write_kind("precomputed", tmp_path / "bucket")
    seen: list[str] = []
    script = (
        "import sys; from synapse_assets.datasets import VolumeSpec; from synapse_assets.volumes import open_volume\n"
        "volume = open_volume(VolumeSpec.model_validate_json(sys.argv[1])); print(volume.bounds_voxels[0].tolist())"
    )
    handler = functools.partial(_Bucket, directory=tmp_path, token="Bearer abc", absent=404, seen=seen)  # noqa: S106
    with served(handler) as address:
        environment = os.environ | {SERVER["gs"]: address, "GOOGLE_AUTH_TOKEN_FOR_TESTING": "abc"}
        command = [sys.executable, "-c", script, changed(spec, url="gs://bucket").model_dump_json()]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == str(list(OFFSET)), result.stderr
    assert any(line.startswith("/storage/v1/b/bucket/o/info") for line in seen)


# HDF5


def test_hdf5_says_its_offset_unless_the_dataset_does(tmp_path: Path) -> None:
    spec = write_hdf5(tmp_path / "volume.h5", zyx_values())
    assert open_volume(spec).bounds_voxels[0].tolist() == list(OFFSET)
    for offset in ((0, 0, 0), (5, 6, 7)):
        assert open_volume(changed(spec, offset_voxels=offset)).bounds_voxels[0].tolist() == list(offset)
    with h5py.File(spec.url, "a") as file:
        file["volumes/raw"].attrs["offset"] = (440.0, 185.0, 401.0)
    with pytest.raises(BadInput, match=r"'offset' is \[401.0, 185.0, 440.0\] nm.*set offset_voxels"):
        open_volume(spec)
    with h5py.File(spec.url, "a") as file:
        del file["volumes/raw"].attrs["offset"], file["volumes/raw"].attrs["resolution"]
    assert open_volume(spec).bounds_voxels[0].tolist() == [0, 0, 0]


def test_hdf5_that_contradicts_the_dataset_is_refused(tmp_path: Path) -> None:
    spec = write_hdf5(tmp_path / "volume.h5", zyx_values())
    with pytest.raises(
        BadInput, match=r"resolution' is \[4.0, 5.0, 40.0\] nm \(xyz\), but voxel_size_nm is \[8.0, 5.0, 40.0\]"
    ):
        open_volume(changed(spec, voxel_size_nm=(8.0, 5.0, 40.0)))
    for size, fits in (((0.04, 0.005, 0.004), True), ((0.04, 0.005, 0.008), False)):
        with h5py.File(spec.url, "a") as file:
            file["volumes/raw"].attrs["element_size_um"] = size
        if fits:
            open_volume(spec)
        else:
            with pytest.raises(BadInput, match=r"'element_size_um' is \[8.0, 5.0, 40.0\] nm"):
                open_volume(spec)
    for value, message in ((np.array([1.0, 2.0]), "three numbers"), ("forty", "no numbers")):
        with h5py.File(spec.url, "a") as file:
            file["volumes/raw"].attrs["resolution"] = value
        with pytest.raises(BadInput, match=message):
            open_volume(spec)


def test_hdf5_that_is_no_volume_is_refused(tmp_path: Path) -> None:
    values = zyx_values()
    spec = write_hdf5(tmp_path / "volume.h5", values, chunks=(8, 16, 32))
    content = (tmp_path / "volume.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    (tmp_path / "other.h5").write_bytes(b"no HDF5 at all")
    (tmp_path / "empty.h5").write_bytes(b"")
    for name in ("cut", "other", "empty"):
        with pytest.raises(BadInput, match="another kind of file or cut off"):
            open_volume(changed(spec, url=str(tmp_path / f"{name}.h5")))
    with pytest.raises(BadInput, match="is a folder"):
        open_volume(changed(spec, url=str(tmp_path)))
    with pytest.raises(BadInput, match=r"there is no file or folder .*absent\.h5"):
        open_volume(changed(spec, url=str(tmp_path / "absent.h5")))
    with pytest.raises(BadInput, match="from this machine only"):
        open_volume(changed(spec, url="https://example.org/volume.h5"))
    with h5py.File(spec.url, "a") as file:
        file["flat"] = values[0]
        file["deep"] = values.astype(np.uint16)
        file.create_dataset("never", shape=values.shape, dtype="u1")
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((8, 16, 32))
        created.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        packed = h5py.h5d.create(
            file.id, b"packed", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple(values.shape), created
        )
        h5py.Dataset(packed)[...] = values
    for name, message in (
        ("volumes/labels", r"no dataset 'volumes/labels' in it; it holds .*'volumes/raw' \(21, 70, 90\) uint8"),
        ("volumes", "no dataset 'volumes' in it"),
        ("volumes/raw/more", "no dataset"),
        ("flat", r"'flat' has shape \(70, 90\).*the file holds .*'volumes/raw'"),
        ("deep", "'deep' holds uint16.*'volumes/raw'"),
        ("never", "'never' holds no values"),
        ("packed", "HDF5 filter 32001"),
    ):
        with pytest.raises(BadInput, match=message):
            open_volume(changed(spec, dataset=name))


def test_hdf5_never_leads_out_of_its_file(tmp_path: Path) -> None:
    values = zyx_values()
    spec = write_hdf5(tmp_path / "volume.h5", values)
    write_hdf5(tmp_path / "secret.h5", values)
    (tmp_path / "secret.raw").write_bytes(values.tobytes())
    layout = h5py.VirtualLayout(shape=values.shape, dtype="u1")
    layout[...] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "volumes/raw", shape=values.shape)
    with h5py.File(spec.url, "a") as file:
        file["inside"] = h5py.SoftLink("/volumes/raw")
        file["volumes/up"] = h5py.SoftLink("raw")
        file["loop"] = h5py.SoftLink("/loop")
        file["out"] = h5py.ExternalLink("secret.h5", "/volumes/raw")
        file["group_out"] = h5py.ExternalLink("secret.h5", "/volumes")
        file["soft_out"] = h5py.SoftLink("/group_out/raw")
        file.create_virtual_dataset("assembled", layout)
        file.create_dataset("stored_out", shape=values.shape, dtype="u1", external=[("secret.raw", 0, values.size)])
    for name in ("inside", "volumes/up", "/volumes/raw"):
        volume = open_volume(changed(spec, dataset=name))
        check(volume, some_voxels(volume, 5), TILE)
    for name, message in (
        ("out", "link into another file"),
        ("group_out/raw", "link into another file"),
        ("soft_out", "link into another file"),
        ("assembled", "from other files"),
        ("stored_out", "from other files"),
        ("loop", "no dataset 'loop'"),
    ):
        with pytest.raises(BadInput, match=message):
            open_volume(changed(spec, dataset=name))


def test_hdf5_chunks_never_written_are_missing(tmp_path: Path) -> None:
    spec = write_hdf5(tmp_path / "volume.h5", zyx_values())
    with h5py.File(spec.url, "a") as file:
        part = file.create_dataset("part", shape=SHAPE[::-1], dtype="u1", chunks=(8, 16, 32))
        part[:8] = 9
    spec = changed(spec, dataset="part", offset_voxels=OFFSET)
    voxels = np.array([[130, 60, 14], [130, 60, 25]])
    with pytest.raises(BadInput, match=r"at \[8, .* \(zyx\) of dataset 'part' is missing.*missing_chunks: black"):
        read_all(open_volume(spec), centres_nm(voxels), TILE)
    tiles, valid = read_all(open_volume(changed(spec, missing_chunks="black")), centres_nm(voxels), TILE)
    assert (tiles[0] == 9).all()
    assert not tiles[1].any()
    assert valid.tolist() == [1.0, 0.0]


def test_a_damaged_chunk_of_hdf5_is_named(tmp_path: Path) -> None:
    spec = write_hdf5(tmp_path / "volume.h5", zyx_values(), chunks=(8, 16, 32), compression="gzip")
    with h5py.File(spec.url) as file:
        chunk = file["volumes/raw"].id.get_chunk_info_by_coord((8, 16, 32))
    with open(spec.url, "r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    with pytest.raises(BadInput, match=r"chunk at \[8, 16, 32\] \(zyx\) of dataset 'volumes/raw'"):
        read_all(open_volume(changed(spec, missing_chunks="black")), centres_nm([[140, 60, 22]]), TILE)


@pytest.mark.parametrize("kind", ["hdf5 gzip", "precomputed gzip", "stack plain", "stack lzw"])
def test_tiles_are_read_from_several_threads(kind: str, tmp_path: Path) -> None:
    spec = write_kind(kind, tmp_path / "volume")
    shared = open_volume(spec)
    voxels = some_voxels(shared, 60)

    def read(turn: int) -> None:
        check(shared if turn % 2 else open_volume(spec), np.roll(voxels, turn, axis=0), TILE)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(read, range(12)))


# Images and arrays


def test_a_stack_that_is_no_volume_is_refused(tmp_path: Path) -> None:
    values = zyx_values()
    spec = write_stack(tmp_path / "stack", "plain")
    for name, pages, message in (
        ("rgb", np.zeros((5, 6, 7, 3), dtype=np.uint8), "2-D grey images of one size"),
        ("one_rgb", np.zeros((6, 7, 3), dtype=np.uint8), "2-D grey images of one size"),
        ("rgb_planes", np.zeros((3, 6, 7), dtype=np.uint8), r"axes SYX.*2-D grey images of one size"),
        ("deep", values.astype(np.uint16), "holds uint16"),
    ):
        kind: dict[str, Any] = {"photometric": "rgb"} if "rgb" in name else {"photometric": "minisblack"}
        tifffile.imwrite(tmp_path / f"{name}.tif", pages, **kind, planarconfig="separate" if "planes" in name else None)
        with pytest.raises(BadInput, match=message):
            open_volume(changed(spec, url=str(tmp_path / f"{name}.tif")))
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as writer:
        for section in (values[0], values[1, 1:]):
            writer.write(section, contiguous=False)
    with pytest.raises(BadInput, match="of one size"):
        open_volume(changed(spec, url=str(tmp_path / "sizes.tif")))
    content = Path(spec.url).read_bytes()
    for name, part, message in (
        ("cut.tif", content[: len(content) // 2], "cut off"),
        ("none.tif", b"x" * 99, "cut off"),
    ):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(BadInput, match=message):
            open_volume(changed(spec, url=str(tmp_path / name)))
    (tmp_path / "stack.png").write_bytes(b"")
    with pytest.raises(BadInput, match="no TIFF"):
        open_volume(changed(spec, url=str(tmp_path / "stack.png")))
    with pytest.raises(BadInput, match="is a file"):
        open_volume(changed(spec, kind="zarr", url=spec.url))
    with pytest.raises(BadInput, match="given by its own url"):
        open_volume(changed(spec, url=str(Path(spec.url).parent)))


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    spec = write_stack(tmp_path / "stack", "bigtiff")
    with tifffile.TiffFile(spec.url) as tiff:
        start, size = tiff.pages[4].dataoffsets[0], tiff.pages[4].databytecounts[0]
    with open(spec.url, "r+b") as raw:
        raw.seek(start)
        raw.write(b"\xff" * size)
    volume = open_volume(spec)
    check(volume, np.array([[130, 60, OFFSET[2] + 10]]), TILE)
    with pytest.raises(BadInput, match=r"page 4 \(from 0\) cannot be read"):
        read_all(volume, centres_nm([[130, 60, OFFSET[2] + 4]]), TILE)


def test_one_page_is_a_volume_of_one_section(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "one.tif", zyx_values()[0])
    spec = VolumeSpec(kind="images", url=str(tmp_path / "one.tif"), voxel_size_nm=VOXEL_SIZE_NM)
    assert open_volume(spec).bounds_voxels[1].tolist() == [SHAPE[0], SHAPE[1], 1]


def test_zarr_in_shards_is_read(tmp_path: Path) -> None:
    codec = {"name": "sharding_indexed", "configuration": {"chunk_shape": [8, 16, 32], "codecs": [{"name": "bytes"}]}}
    store = ts.open(
        {
            "driver": "zarr3",
            "kvstore": f"file://{tmp_path}/volume/",
            "metadata": {
                "shape": list(SHAPE[::-1]),
                "data_type": "uint8",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16, 32, 64]}},
                "codecs": [codec],
            },
        },
        create=True,
    ).result()
    store[...] = zyx_values()
    spec = VolumeSpec(kind="zarr", url=str(tmp_path / "volume"), voxel_size_nm=VOXEL_SIZE_NM, offset_voxels=OFFSET)
    volume = open_volume(spec)
    check(volume, some_voxels(volume), TILE)


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("precomputed", "precomputed"), ("zarr2", "zarr"), ("zarr2", "zarr2"), ("zarr3", "zarr3"), ("n5", "n5")],
)
def test_the_format_may_stand_before_the_address(kind: str, prefix: str, tmp_path: Path) -> None:
    spec = write_kind(kind, tmp_path / "volume")
    for address in (f"file://{spec.url}", spec.url):
        volume = open_volume(changed(spec, url=f"{prefix}://{address}"))
        check(volume, some_voxels(volume, 3), TILE)


def test_an_n5_array_of_one_channel_after_the_axes(tmp_path: Path) -> None:
    write_array(tmp_path / "volume", "n5", zyx_values().transpose(2, 1, 0)[..., None], (32, 16, 8, 1))
    spec = VolumeSpec(
        kind="n5", url=str(tmp_path / "volume"), voxel_size_nm=VOXEL_SIZE_NM, offset_voxels=OFFSET, axis_order="xyz"
    )
    check(open_volume(spec), CENTRE, TILE)
