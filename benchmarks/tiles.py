"""How fast tiles are cut and stored, as shares of what memory and other readers do in the same run.

    python -m benchmarks.tiles [--tiles 2000] [--rounds 3] [--sections FOLDER]

Volumes of 2048 x 2048 x 64 voxels on this machine, page cache warm: raw in chunks of 128 x 128 x 16, JPEG in chunks
of 64^3 (as FAFB). Then the JPEG volume once more through a server on this machine that lets every request wait for
50 ms, as a distant one does; and a million points. Each reader runs in its own process, so that its peak memory is
its own; the readers that are compared take turns, and the median of the rounds is printed.
"""

import argparse
import asyncio
import io
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorstore as ts
import tifffile
from PIL import Image
from scipy import ndimage

from benchmarks.commits import encoded_and_committed
from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.datasets.volumes import TileCodec
from synapse_assets.volumes import decode_tiles, encode_tiles, open_volume
from synapse_assets.volumes.plan import plan_tiles

SHAPE_ZYX = (64, 2048, 2048)
TILE = TileSpec(size_px=256, sections=3)
LAYOUTS = {"raw 128x128x16": ("raw", (128, 128, 16)), "jpeg 64x64x64": ("jpeg", (64, 64, 64))}
ONE_BY_ONE = 200  # cloud-volume is slow: this many tiles of the same points
ONE_BY_ONE_REMOTE = 40
LATENCY_S = 0.05
MILLION = 1_000_000


def _texture(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Membrane-like ridges with grain: about as compressible as real sections."""
    sections = []
    for _ in range(SHAPE_ZYX[0]):
        smooth = ndimage.gaussian_filter(rng.standard_normal(SHAPE_ZYX[1:], dtype=np.float32), 9)
        ridges = np.exp(-np.square(smooth / smooth.std() * 4))
        sections.append(np.clip(160 - 100 * ridges + 14 * rng.standard_normal(SHAPE_ZYX[1:], dtype=np.float32), 0, 255))
    return np.stack(sections).astype(np.uint8)


def _write(folder: Path, values: npt.NDArray[np.uint8], encoding: str, chunk: tuple[int, int, int]) -> None:
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "resolution": [4, 4, 40],
                "size": values.shape[::-1],
                "chunk_size": chunk,
                "encoding": encoding,
                **({"jpeg_quality": 90} if encoding == "jpeg" else {}),
            },
        },
        create=True,
    ).result()
    store[..., 0] = values.transpose(2, 1, 0)


def _ours(url: str, voxels: npt.NDArray[np.int64]) -> int:
    volume = open_volume(VolumeSpec(kind="precomputed", url=url, voxel_size_nm=(4, 4, 40)))
    points_nm = (voxels + 0.5) * np.array([4, 4, 40])
    return sum(int(batch.tiles[:, 1, 128, 128].sum()) for batch in volume.read_tiles(points_nm, TILE))


def _many(url: str, voxels: npt.NDArray[np.int64]) -> int:
    volume = open_volume(VolumeSpec(kind="precomputed", url=url, voxel_size_nm=(4, 4, 40)))
    points_nm = (voxels + 0.5) * np.array([4, 4, 40])
    small = TileSpec(size_px=8, sections=1)
    return sum(int(batch.tiles[:, 0, 4, 4].sum()) for batch in volume.read_tiles(points_nm, small))


def _plan(url: str, voxels: npt.NDArray[np.int64]) -> int:
    spec = VolumeSpec(kind="precomputed", url=url, voxel_size_nm=(4, 4, 40))
    return plan_tiles(spec, (voxels + 0.5) * np.array([4, 4, 40]), TILE).scales[0].cost.chunks


def _cloud_volume(url: str, voxels: npt.NDArray[np.int64]) -> int:
    from cloudvolume import CloudVolume

    volume = CloudVolume(url if "://" in url else f"file://{url}", progress=False)
    total = 0
    for x, y, z in voxels.tolist():
        tile = np.asarray(volume[x - 128 : x + 128, y - 128 : y + 128, z - 1 : z + 2])[..., 0].transpose(2, 1, 0)
        total += int(np.ascontiguousarray(tile)[1, 128, 128])
    return total


def _tensorstore(url: str, voxels: npt.NDArray[np.int64]) -> int:
    kvstore = f"{url}/" if "://" in url else {"driver": "file", "path": f"{url}/"}
    volume = ts.open({"driver": "neuroglancer_precomputed", "kvstore": kvstore}, open=True, read=True).result()
    total = 0
    for x, y, z in voxels.tolist():
        tile = volume[x - 128 : x + 128, y - 128 : y + 128, z - 1 : z + 2, 0].read().result().transpose(2, 1, 0)
        total += int(np.ascontiguousarray(tile)[1, 128, 128])
    return total


def _memmap(file: str, voxels: npt.NDArray[np.int64]) -> int:
    values = np.load(file, mmap_mode="r")
    total = 0
    for x, y, z in voxels.tolist():
        total += int(np.ascontiguousarray(values[z - 1 : z + 2, y - 128 : y + 128, x - 128 : x + 128])[1, 128, 128])
    return total


def _peak_megabytes() -> float:
    """Peak memory of this process by Linux's own count, which unlike getrusage starts afresh with the program."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


Reader = Callable[[str, npt.NDArray[np.int64]], int]


@dataclass(frozen=True)
class Measured:
    """Median over the rounds: tiles a second, CPU seconds, peak memory in MB; and the readers' own checksum."""

    rate: float
    cpu_s: float
    megabytes: float
    checksum: int


def _timed(reader: Reader, path: str, voxels: npt.NDArray[np.int64], answer: "multiprocessing.Queue[Measured]") -> None:
    reader(path, voxels[:1])
    before, cpu = time.perf_counter(), time.process_time()
    checksum = reader(path, voxels)
    seconds = time.perf_counter() - before
    answer.put(Measured(len(voxels) / seconds, time.process_time() - cpu, _peak_megabytes(), checksum))


def _once(reader: Reader, path: str, voxels: npt.NDArray[np.int64]) -> Measured:
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[Measured] = context.Queue()
    process = context.Process(target=_timed, args=(reader, path, voxels, answer))
    process.start()
    result = answer.get(timeout=600)
    process.join()
    return result


def _compared(
    readers: dict[str, tuple[Reader, str, npt.NDArray[np.int64]]], rounds: int, first: str
) -> dict[str, Measured]:
    """Prints one line for each reader; shares are of the reader `first` in the same round."""
    found: dict[str, list[Measured]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, what in readers.items():
            found[name].append(_once(*what))
    middle = {
        name: Measured(
            statistics.median(m.rate for m in all_),
            statistics.median(m.cpu_s for m in all_),
            max(m.megabytes for m in all_),
            all_[0].checksum,
        )
        for name, all_ in found.items()
    }
    for name, m in middle.items():
        shares = [a.rate / b.rate for a, b in zip(found[name], found[first], strict=True)]
        print(
            f"  {name:36s}{m.rate:9.1f}{statistics.median(shares):10.1%}"
            f"{f'{min(shares):.1%} to {max(shares):.1%}':>22s}{m.cpu_s:9.2f}{m.megabytes:9.0f}"
        )
    return middle


def _heading(what: str, first: str) -> None:
    print(f"\n{what}\n  {'':36s}{'tiles/s':>9s}{f'share of {first}':>32s}{'CPU s':>9s}{'peak MB':>9s}")


def _serve(folder: str, port: "multiprocessing.Queue[int]") -> None:
    """Answers GET requests for the files of `folder`, each after LATENCY_S; never returns."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                await asyncio.sleep(LATENCY_S)
                file = Path(folder) / line.split()[1].decode().lstrip("/")
                body = file.read_bytes() if file.is_file() else b""
                status = "200 OK" if body else "404 Not Found"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(one, "127.0.0.1", 0, backlog=512)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def _distant(folder: Path) -> Iterator[str]:
    """The address at which a process of its own serves `folder`."""
    context = multiprocessing.get_context("spawn")
    port: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=_serve, args=(str(folder), port), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=60)}"
    finally:
        process.terminate()
        process.join()


def _codecs(tiles: npt.NDArray[np.uint8], rounds: int) -> None:
    """Prints, of real or drawn tiles (N, 3, 256, 256), what each codec takes; ratios are to the stored PNG in the same round."""
    wide = [np.ascontiguousarray(tile.transpose(1, 0, 2)).reshape(256, 768) for tile in tiles]

    def pictures(**how: object) -> pa.Array:
        data = []
        for image in wide:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, **how)  # type: ignore[arg-type]
            data.append(buffer.getvalue())
        return pa.array(data, pa.binary())

    def opened(data: pa.Array) -> object:
        return [np.asarray(Image.open(io.BytesIO(item.as_buffer())).convert("L")) for item in data]

    codecs: dict[str, tuple[Callable[[], pa.Array], Callable[[pa.Array], object]]] = {
        "png (stored)": (lambda: encode_tiles(tiles, "png"), decode_tiles),
        "zstd (stored)": (lambda: encode_tiles(tiles, "zstd"), decode_tiles),
        "PNG, zlib's matching": (lambda: pictures(format="PNG"), opened),
        "WebP lossless m0": (lambda: pictures(format="WEBP", lossless=True, method=0, quality=20), opened),
        "JPEG q90": (lambda: pictures(format="JPEG", quality=90), opened),
    }
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in codecs}
    for _ in range(rounds):
        for name, (encode, decode) in codecs.items():
            start = time.process_time()
            data = encode()
            middle = time.process_time()
            decode(data)
            end = time.process_time()
            measured[name].append(
                (len(data) / (middle - start), len(data) / (end - middle), data.nbytes / len(data) / 1e3)
            )
    print("\ncodec, 256x256x3 tiles     encode/s  times png  decode/s  times png  kB a tile   [CPU seconds, medians]")
    first = measured["png (stored)"]
    for name, rows in measured.items():
        cells = []
        for at in (0, 1):
            ratios = [row[at] / png[at] for row, png in zip(rows, first, strict=True)]
            cells += [f"{statistics.median(row[at] for row in rows):10.0f}", f"{statistics.median(ratios):11.1f}"]
        print(f"  {name:25s}{''.join(cells)}{rows[0][2]:11.1f}")
    print("\ngrey values to the commit   tiles/s  times png  bytes a tile   [CPU seconds, medians]")
    commits: dict[TileCodec, list[tuple[float, float]]] = {"png": [], "zstd": []}
    for _ in range(rounds):
        commits["png"].append(encoded_and_committed(tiles, 170, "png"))
        commits["zstd"].append(encoded_and_committed(tiles, 2040, "zstd"))
    for codec, found in commits.items():
        ratios = [png[0] / one[0] for png, one in zip(commits["png"], found, strict=True)]
        rate = 1e6 / statistics.median(one[0] for one in found)
        print(f"  {codec:25s}{rate:8.0f}{statistics.median(ratios):11.1f}{found[0][1]:14.0f}")


def _real_tiles(folder: Path, count: int) -> npt.NDArray[np.uint8]:
    """Tiles (count, 3, 256, 256) at random places of the sections in `folder`, TIFF files in the order of their names."""
    volume = np.stack([tifffile.imread(path) for path in sorted(folder.glob("*.tif"))])
    rng = np.random.default_rng(0)
    depth, height, width = volume.shape
    starts = rng.integers(0, (depth - 2, height - 255, width - 255), (count, 3))
    return np.stack([volume[z : z + 3, y : y + 256, x : x + 256] for z, y, x in starts])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sections", type=Path, help="only the codecs, on tiles of the TIFF sections in this folder")
    asked = parser.parse_args()
    if asked.sections:
        _codecs(_real_tiles(asked.sections, 85), asked.rounds)
        return
    rng = np.random.default_rng(0)
    values = _texture(rng)
    low, high = np.array([128, 128, 1]), np.array([2048 - 128, 2048 - 128, 62])
    voxels = rng.integers(low, high, size=(asked.tiles, 3))
    few = voxels[:ONE_BY_ONE]
    with tempfile.TemporaryDirectory() as name:
        np.save(Path(name) / "all.npy", values)
        for layout, (encoding, chunk) in LAYOUTS.items():
            folder = Path(name) / encoding
            _write(folder, values, encoding, chunk)
            _heading(f"{layout}, {asked.tiles} tiles dense, {len(few)} sparse", "memmap")
            found = _compared(
                {
                    "numpy memmap slice, dense": (_memmap, f"{name}/all.npy", voxels),
                    "read_tiles, dense": (_ours, str(folder), voxels),
                    "read_tiles, sparse": (_ours, str(folder), few),
                    "tensorstore one by one, sparse": (_tensorstore, str(folder), few),
                    "cloud-volume one by one, sparse": (_cloud_volume, str(folder), few),
                },
                asked.rounds,
                "numpy memmap slice, dense",
            )
            memory, dense, sparse, _, slow = found.values()
            # Decoders of JPEG may round differently.
            assert encoding == "jpeg" or dense.checksum == memory.checksum, "the readers disagree"
            assert abs(sparse.checksum - slow.checksum) <= len(few), "the readers disagree"
            print(
                f"  read_tiles is {dense.rate / slow.rate:.0f} times cloud-volume where dense, "
                f"{sparse.rate / slow.rate:.1f} times where sparse; it decoded "
                f"{values.size / dense.cpu_s / 1e6:.0f} million voxels per CPU second"
            )
        with _distant(Path(name) / "jpeg") as url:
            fewer = voxels[:ONE_BY_ONE_REMOTE]
            _heading(f"jpeg 64x64x64 over http, {LATENCY_S * 1e3:.0f} ms a request", "cloud-volume")
            found = _compared(
                {
                    f"cloud-volume one by one, {len(fewer)}": (_cloud_volume, url, fewer),
                    f"tensorstore one by one, {len(fewer)}": (_tensorstore, url, fewer),
                    f"read_tiles, {len(few)}": (_ours, url, few),
                    f"read_tiles, {asked.tiles}": (_ours, url, voxels),
                },
                asked.rounds,
                f"cloud-volume one by one, {len(fewer)}",
            )
        million = rng.integers(low, high, size=(MILLION, 3))
        _heading("a million points, raw; share of 100,000 points", "100,000")
        raw = str(Path(name) / "raw")
        _compared(
            {
                "8 x 8 x 1, 100,000 points": (_many, raw, million[: MILLION // 10]),
                "8 x 8 x 1, a million points": (_many, raw, million),
                "plan_tiles 256 x 256 x 3, 100,000": (_plan, raw, million[: MILLION // 10]),
                "plan_tiles 256 x 256 x 3, a million": (_plan, raw, million),
            },
            1,
            "8 x 8 x 1, 100,000 points",
        )
    _codecs(
        np.stack([values[z - 1 : z + 2, y - 128 : y + 128, x - 128 : x + 128] for x, y, z in voxels[:85]]), asked.rounds
    )


if __name__ == "__main__":
    main()
