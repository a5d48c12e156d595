"""Maps of probabilities: what a detector says of every pixel of a volume, made chunk by chunk, once, and kept.

The network itself lives in `vision.detection`, the stored form of a map in `stores.volume_maps`; what is made of maps belongs to `objects`.
"""

import math
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import DetectionDataset, VolumeSpec
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.blocks import RATE, Block, block_of, find_blocks
from synapse_assets.pipeline.detection.stored import MODEL, Detector, detector_in_use
from synapse_assets.pipeline.report import Check, Report, Stopwatch, report_progress
from synapse_assets.schema.detection import PROBABILITY_MAPS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files, segment
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key
from synapse_assets.stores.volume_maps import Corner, VolumeMap

if TYPE_CHECKING:
    from synapse_assets.vision.detection import VoxelSource
    from synapse_assets.volumes import Volume

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

FOLDER = "maps"
MARKED = 128
"""From this value on, a half, a pixel counts as marked where maps are described; objects have thresholds of their own."""
# Computed and stored at once, z, y, x in pixels: what a network computes as one tile, so that its halo is computed as seldom as can be.
_CHUNK: dict[str, Corner] = {"unet_2d": (16, 512, 512), "unet_3d": (24, 256, 256)}
_GAPS = "gaps"
_SECONDS_BETWEEN_LOG_LINES = 10.0


class Maps:
    """The maps of one detector of one volume, all targets. Boxes are in network pixels, z, y, x (`vision.detection`)."""

    def __init__(
        self,
        folder: Files,
        path: str,
        detector: Detector,
        source: "VoxelSource",
        voxel_size_nm: tuple[float, float, float],
        about: str,
        device: str,
    ) -> None:
        """For `of`, which is the way to them."""
        self.detector = detector
        self.path = path
        spec = detector.network.spec
        self.low, self.high = spec.pixel_bounds(source.bounds)
        self.gaps = _Gaps(folder.child(_GAPS))
        self._source, self._device = _LastBox(source), device
        # Not those that it was trained on, which may differ a little: far from the origin that would be micrometres.
        x, y, z = voxel_size_nm
        self.pixel_size_nm = (x * spec.factor, y * spec.factor, z)
        chunk = _CHUNK[spec.architecture]
        # From the grid of the network's coarsest level on: a chunk is then one tile of the network.
        first = _corner(low // step * step for low, step in zip(self.low, spec.stride, strict=True))
        self._maps = {
            target: VolumeMap(folder.child(target), first, self.high, chunk, self.pixel_size_nm, about)
            for target in spec.targets
        }
        self.work = Work()

    @classmethod
    def of(cls, store: DatasetStore, dataset: DetectionDataset, detector: Detector, volume: str, device: str) -> "Maps":
        """Those of a volume of a dataset. Raises BadInput for a volume of another voxel size, or that cannot be opened."""
        from synapse_assets.volumes import open_volume

        spec = dataset.volumes[volume]
        path = map_path(volume, detector.name, detector.version)
        source = detector_source(open_volume(spec))
        folder = store.folder.child(*path.split("/"))
        return cls(folder, path, detector, source, spec.voxel_size_nm, made_from(detector, spec), device)

    def read(self, target: str, low: Corner, high: Corner) -> Bytes:
        """The pixels [low, high) of a target's map, uint8 (z, y, x), 255 is certain; chunks that are absent are computed and stored."""
        self.complete(low, high)
        return self._maps[target].read(low, high)

    @property
    def volume_bounds(self) -> tuple[Corner, Corner]:
        """First voxel of the volume and one past its last, z, y, x."""
        return self._source.bounds

    def missing_chunks(self, low: Corner, high: Corner) -> list[tuple[Corner, Corner]]:
        """First pixel and one past the last of the chunks that the box touches and that are absent for any target."""
        absent = {box for stored in self._maps.values() for box in stored.missing_chunks(low, high)}
        return sorted(absent)

    def complete(self, low: Corner, high: Corner, progress: Callable[[], None] = lambda: None) -> None:
        """Computes and stores the chunks that the box touches and that are absent; calls `progress` after each.

        Raises BadInput for a chunk of the volume that is damaged, or absent where it may not be; ConnectionError where the network fails.
        """
        for first, end in self.missing_chunks(low, high):
            self._compute(first, end)
            progress()

    def look_again_at_gaps(self, low: Corner, high: Corner) -> int:
        """Computes anew the chunks that the box touches in which sections were missing that are there now; gives how many these were."""
        again = 0
        for first, end in self.chunks(low, high):
            known = self.gaps.read(first)
            if known and self._missing_sections(first, end) != known:
                self._compute(first, end)
                again += 1
        return again

    def chunks(self, low: Corner, high: Corner) -> list[tuple[Corner, Corner]]:
        """First pixel and one past the last of the chunks that the box touches."""
        return list(next(iter(self._maps.values())).chunks(low, high))

    def pixels_of(self, block: Block) -> tuple[Corner, Corner]:
        """The pixels of a block, z, y, x: those whose first voxel lies in it. One that begins before its volume is of the first block."""
        factor = self.detector.network.spec.factor
        low, high = (
            _corner(
                first if edge == begin else min(-(-edge // side), last)
                for edge, begin, side, first, last in zip(
                    edges[::-1], self._source.bounds[0], (1, factor, factor), self.low, self.high, strict=True
                )
            )
            for edges in (block.low, block.high)
        )
        return low, high

    def _compute(self, first: Corner, end: Corner) -> None:
        """One chunk, which may begin before the volume does: there is nothing."""
        started, used = time.perf_counter(), time.process_time()
        low = _corner(map(max, zip(first, self.low, strict=True)))
        network = self.detector.network
        found = network.map_box(self._source, low, end, self._device)
        gaps = self._missing_sections(first, end)
        # Before the maps, so that a chunk that is there has all that is known of it.
        self.gaps.write(first, gaps)
        before = [(a - b, 0) for a, b in zip(low, first, strict=True)]
        for target, probability in zip(network.spec.targets, found, strict=True):
            self._maps[target].write_chunk(first, np.pad(np.rint(probability * 255).astype(np.uint8), before))
        factor = network.spec.factor
        voxels = math.prod(b - a for a, b in zip(low, end, strict=True)) * factor**2
        self.work.add(voxels, time.perf_counter() - started, time.process_time() - used)

    def _missing_sections(self, first: Corner, end: Corner) -> list[int]:
        """Those of a chunk, and of what the network sees above and below it."""
        halo = self.detector.network.spec.halo[0]
        z, y, x = map(max, zip(first, self.low, strict=True))
        low, high = max(z - halo, self.low[0]), min(end[0] + halo, self.high[0])
        return self.detector.network.missing(self._source, (low, y, x), (high, end[1], end[2]))


@dataclass
class Work:
    """What was computed: voxels of the volume, seconds of the clock and of the processors."""

    voxels: int = 0
    seconds: float = 0.0
    core_seconds: float = 0.0

    def add(self, voxels: int, seconds: float, core_seconds: float) -> None:
        """Counts one more chunk."""
        self.voxels += voxels
        self.seconds += seconds
        self.core_seconds += core_seconds


def map_block(store: DatasetStore, dataset: DetectionDataset, key: str, device: str, log: Logger) -> Report:
    """Maps a block with each detector that is applied: the chunks that are not there yet, so that the next call continues one that was
    killed.

    Then maps of versions that no block's row names any more, nor the last release, are removed. Raises BadInput where no detector is
    fitted, for a volume of another voxel size, and where more would be fetched than the volume's ceiling.
    """
    watch = Stopwatch()
    results = store.results(PROBABILITY_MAPS)
    block = block_of(store, dataset, key)
    if block is None:
        results.write_partition(key, PROBABILITY_MAPS.empty())
        return Report({"block": "is no block any more"}, watch.seconds, 0, 0, "no block", [_complete(0, 0)])
    before = results.made_from(key) or {}
    detectors = [detector_in_use(store, dataset, name) for name in dict.fromkeys(dataset.applied)]
    all_maps = [Maps.of(store, dataset, detector, block.volume, device) for detector in detectors]
    _refuse_to_fetch(dataset.volumes[block.volume], block, all_maps)
    rows: list[dict[str, Any]] = []
    origins: dict[str, str] = {}
    done, absent = Work(), 0
    for maps in all_maps:
        name, (low, high) = maps.detector.name, maps.pixels_of(block)
        maps.look_again_at_gaps(low, high)
        maps.complete(low, high, _progress(log, f"{key}: {name}", maps, low, high))
        absent += len(maps.missing_chunks(low, high))
        rows += _rows(block, maps, low, high)
        origins[name] = maps.detector.version
        rate = f"{RATE}.{name}"
        if maps.work.core_seconds:
            origins[rate] = f"{maps.work.voxels / maps.work.core_seconds:.4g}"
        elif rate in before:
            origins[rate] = before[rate]
        done.add(maps.work.voxels, maps.work.seconds, maps.work.core_seconds)
    table = PROBABILITY_MAPS.conform(pa.Table.from_pylist(rows, schema=PROBABILITY_MAPS.arrow))
    results.write_partition(key, table, origins)
    removed = remove_old_maps(store, dataset, [maps.detector for maps in all_maps])
    return Report(
        details={
            "voxels_computed": done.voxels,
            "voxels_per_second": done.voxels / done.seconds if done.seconds else None,
            "voxels_per_second_core": done.voxels / done.core_seconds if done.core_seconds else None,
            "peak_memory_gb": peak_memory_gb(),
            "filled_sections": max((row["filled_sections"] for row in rows), default=0),
            "removed_maps": ", ".join(removed) or None,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows if done.voxels else 0,
        content_version=content_key(
            table.drop_columns(["path"]), *sorted(made_from(d, dataset.volumes[block.volume]) for d in detectors)
        ),
        checks=[_complete(len(rows), absent)],
    )


def detector_source(volume: "Volume") -> "VoxelSource":
    """A volume as networks read it."""
    from synapse_assets.pipeline.detection.voxels import VolumeVoxels

    return VolumeVoxels(volume)


def map_path(volume: str, detector: str, version: str) -> str:
    """Where the maps of a detector are, below the dataset's folder; inside, a folder for each target."""
    return "/".join([FOLDER, segment(volume), segment(detector), segment(version)])


def made_from(detector: Detector, volume: VolumeSpec) -> str:
    """Stands for what decides the pixels of a map: the detector, and which voxels are meant."""
    return fingerprint({"volume": hashed_fields(volume, exclude=PATIENCE)}, {detector.name: detector.version})


def remove_old_maps(store: DatasetStore, dataset: DetectionDataset, in_use: Sequence[Detector]) -> list[str]:
    """Removes the maps of detectors in other versions than those in use that no row of a block names any more, nor the last release;
    gives their paths."""
    blocks = find_blocks(store)
    stored = store.results(PROBABILITY_MAPS).of(blocks).read(columns=["detector", "version"])
    needed = {(row["detector"], row["version"]) for row in stored.to_pylist()}
    needed |= {(detector.name, detector.version) for detector in in_use}
    released = ((store.release() or {}).get("models") or {}).get(MODEL)
    removed = []
    maps = store.folder.child(FOLDER)
    for volume in maps.names():
        for name in maps.child(volume).names():
            for version in maps.child(volume, name).names():
                used = {(segment(of), segment(version_of)) for of, version_of in needed}
                if (name, version) not in used and version != segment(released or "none"):
                    maps.child(volume, name).remove(version)
                    removed.append(f"{FOLDER}/{volume}/{name}/{version}")
    return removed


def peak_memory_gb() -> float:
    """The most memory that this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


class _Gaps:
    """The sections that were missing when a chunk was computed, by the first pixel of the chunk; no file where none was."""

    def __init__(self, folder: Files) -> None:
        self._folder = folder

    @cached_property
    def _names(self) -> set[str]:
        return set(self._folder.names())

    def read(self, chunk: Corner) -> list[int]:
        if _gap_file(chunk) not in self._names:
            return []
        sections: list[int] = self._folder.read_json(_gap_file(chunk)) or []
        return sections

    def write(self, chunk: Corner, sections: list[int]) -> None:
        name = _gap_file(chunk)
        if sections:
            self._folder.write_json(name, sections)
            self._names.add(name)
        elif name in self._names:
            self._folder.remove(name)
            self._names.discard(name)


class _LastBox:
    """A volume that holds on to the box that was read last, in which missing sections are looked for once it was mapped."""

    def __init__(self, source: "VoxelSource") -> None:
        self._source = source
        self.bounds = source.bounds
        self._low: Corner = (0, 0, 0)
        self._grey: Bytes = np.empty((0, 0, 0), np.uint8)
        self._there: Bools = np.empty((0, 0, 0), np.bool_)

    def read(self, low: Corner, high: Corner) -> tuple[Bytes, Bools]:
        """As the volume does."""
        box = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, self._low, strict=True))
        if all(part.start >= 0 and part.stop <= side for part, side in zip(box, self._grey.shape, strict=True)):
            return self._grey[box], self._there[box]
        grey, there = self._source.read(low, high)
        self._low, self._grey, self._there = low, grey, there
        return grey, there


def _gap_file(chunk: Corner) -> str:
    return "_".join(map(str, chunk[::-1])) + ".json"


def _progress(log: Logger, what: str, maps: Maps, low: Corner, high: Corner) -> Callable[[], None]:
    """Logs, at most every ten seconds and at the end, the share of a block that is done, its rate, what remains, and memory."""
    total, todo = len(maps.chunks(low, high)), len(maps.missing_chunks(low, high))
    done, began, last = 0, time.perf_counter(), time.perf_counter()
    if total > todo:
        log.info(f"{what}: {total - todo:,} of {total:,} chunks are there already")

    def report() -> None:
        nonlocal done, last
        done += 1
        report_progress(f"{what}: chunks", done, todo)
        now = time.perf_counter()
        if now - last < _SECONDS_BETWEEN_LOG_LINES and done < todo:
            return
        last = now
        remaining = (todo - done) * (now - began) / done
        rate = maps.work.voxels / max(maps.work.seconds, 1e-9)
        log.info(
            f"{what}: {(total - todo + done) / total:.0%} ({rate:,.3g} voxels a second, {remaining:,.0f} s to go, at most "
            f"{peak_memory_gb():.1f} GB of memory)"
        )

    return report


def _rows(block: Block, maps: Maps, low: Corner, high: Corner) -> list[dict[str, Any]]:
    """Rows of `schema.detection.PROBABILITY_MAPS`, once the maps are there."""
    gaps: set[int] = set()
    marked = dict.fromkeys(maps.detector.network.spec.targets, 0)
    for first, end in maps.chunks(low, high):
        start = _corner(map(max, zip(first, low, strict=True)))
        stop = _corner(map(min, zip(end, high, strict=True)))
        gaps.update(section for section in maps.gaps.read(first) if low[0] <= section < high[0])
        for target in marked:
            marked[target] += int((maps.read(target, start, stop) >= MARKED).sum())
    pixels = math.prod(b - a for a, b in zip(low, high, strict=True))
    return [
        {
            "block": block.key,
            "volume": block.volume,
            "detector": maps.detector.name,
            "version": maps.detector.version,
            "target": target,
            "path": f"{maps.path}/{target}",
            "pixel_nm": maps.pixel_size_nm[0],
            "voxels": block.voxels,
            "marked_share": count / pixels if pixels else 0.0,
            "filled_sections": len(gaps),
        }
        for target, count in marked.items()
    ]


def _refuse_to_fetch(spec: VolumeSpec, block: Block, all_maps: Sequence[Maps]) -> None:
    from synapse_assets.volumes import open_volume

    array = open_volume(spec).array
    if not array.remote:
        return
    voxels = sum(
        math.prod(b - a for a, b in zip(first, end, strict=True)) * maps.detector.network.spec.factor**2
        for maps in all_maps
        for first, end in maps.missing_chunks(*maps.pixels_of(block))
    )
    fetched = voxels * array.bytes_per_voxel
    if fetched > spec.download_ceiling_gb * 1e9:
        raise BadInput(
            f"block {block.key}: searching it would fetch about {fetched / 1e9:,.1f} GB from '{block.volume}', above its ceiling of "
            f"{spec.download_ceiling_gb:g} GB. Set a smaller block_nm in the dataset's YAML, or raise download_ceiling_gb of the volume"
        )


def _complete(rows: int, absent: int) -> Check:
    return Check(
        "block_complete",
        not absent,
        f"{rows} maps, {absent:,} chunks of them are absent" if absent else f"{rows} maps cover the block",
        numbers={"maps": rows, "absent_chunks": absent},
    )


def _corner(edges: Iterable[int]) -> Corner:
    z, y, x = edges
    return z, y, x
