"""What a release of the detection chain says: sections of its volumes with the maps of its detectors, what was found in them, and how well
detectors find what is annotated.

Only what a picture needs is read. Colours and pages belong to `explorer`.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import Dataset, VolumeSpec, load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.query.kept_pictures import KeptPictures
from synapse_assets.query.release_file import ReleaseFile
from synapse_assets.schema import detection
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.volumes import Volume

# The longer side of a picture of a section, unless a step is asked for.
SIDE_PX = 768
_MOST_PIXELS = 2**22
# Of one scale of a volume, for one picture.
MOST_VOXELS = 2**24
# Each keeps up to 256 MB of decoded chunks.
_KEPT_VOLUMES = 4
_KEPT_SECTIONS = 24
_READS_AT_ONCE = 4

Outcome = Literal["found", "missed", "invented"]
# What comes first of each: what the detector was least sure of, what it nearly found, and what it was surest of.
OUTCOMES: Mapping[Outcome, str] = {
    "found": "score nulls last",
    "missed": "distance_nm nulls last",
    "invented": "score desc nulls last",
}
Found = Literal["synapses", "mitochondria"]
Voxel = tuple[int, int, int]
Xyz = tuple[float, float, float]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Searched:
    """A volume that was divided into blocks: first voxel, one past the last, and size of a voxel, each x, y, z."""

    name: str
    low: Voxel
    high: Voxel
    voxel_size_nm: Xyz

    def voxel_of(self, place_nm: Sequence[float]) -> Voxel:
        """The voxel x, y, z that a place in nanometres lies in, as `volumes.Volume.voxel_of` counts; it may lie outside."""
        from synapse_assets.volumes.volume import voxel_of

        x, y, z = voxel_of(np.array([place_nm], dtype=np.float64), self.voxel_size_nm)[0].tolist()
        return x, y, z

    def middle_nm(self, voxel: Voxel) -> Xyz:
        """The place of the middle of a voxel, in nanometres."""
        x, y, z = ((one + 0.5) * size for one, size in zip(voxel, self.voxel_size_nm, strict=True))
        return x, y, z


@dataclass(frozen=True)
class MapBlock:
    """A block of a volume with the map of one detector and target: `low` to `high` in voxels of the volume, x, y, z.

    path: of the map below the dataset's folder. pixel_nm: side of its pixels in the plane. filled_sections: that were missing or black,
    and seen as their neighbours are.
    """

    block: str
    detector: str
    version: str
    target: str
    path: str
    pixel_nm: float
    filled_sections: int
    low: Voxel
    high: Voxel


@dataclass(frozen=True)
class Section:
    """A part of one section of a volume, as a picture whose pixels are `step` x `step` voxels, from voxel `x0`, `y0` on.

    grey: uint8 (H, W), the mean of a pixel's voxels. valid: bool (H, W), whether the volume has any of them. probability: uint8 (H, W), the
    highest in a pixel, 255 for certain; 0 where there is no map. mapped: bool (H, W), whether a map has been made there.
    """

    volume: str
    z: int
    x0: int
    y0: int
    step: int
    grey: Bytes
    valid: Bools
    probability: Bytes
    mapped: Bools

    @property
    def is_missing(self) -> bool:
        """Whether the volume has nothing of it."""
        return not self.valid.any()

    @property
    def is_black(self) -> bool:
        """Whether the volume has it, and all of it is black."""
        return not self.is_missing and not self.grey.any()


class DetectionResults:
    """What one release of the detection chain says, by the tables of its file. Tables that the release lacks have no rows."""

    def __init__(self, store: DatasetStore, file: ReleaseFile, dataset: Dataset | None, pictures: KeptPictures) -> None:
        self._store, self._file, self._dataset, self._pictures = store, file, dataset, pictures
        self._volumes: OrderedDict[str, Volume] = OrderedDict()
        self._sections: OrderedDict[tuple[Any, ...], Section] = OrderedDict()
        self._lock = threading.Lock()
        self._reading = threading.BoundedSemaphore(_READS_AT_ONCE)

    # Volumes and maps

    @cached_property
    def volumes(self) -> Mapping[str, Searched]:
        """The volumes that are searched, by name."""
        bounds = ", ".join(
            f"{side}({axis}_{end}_voxels) as {axis}_{end}"
            for axis in "xyz"
            for side, end in (("min", "low"), ("max", "high"))
        )
        query = f"select volume, {bounds}, voxel_x_nm, voxel_y_nm, voxel_z_nm from volume_blocks group by all order by volume"  # noqa: S608
        return {
            row["volume"]: Searched(
                row["volume"],
                (row["x_low"], row["y_low"], row["z_low"]),
                (row["x_high"], row["y_high"], row["z_high"]),
                (row["voxel_x_nm"], row["voxel_y_nm"], row["voxel_z_nm"]),
            )
            for row in self._rows("volume_blocks", query)
        }

    def volume(self, name: str) -> Searched:
        """The volume of that name. Raises BadInput for another one."""
        if name not in self.volumes:
            known = ", ".join(self.volumes) or "none"
            raise BadInput(f"no volume '{name[:60]}' was divided into blocks in this release; there are {known}")
        return self.volumes[name]

    def maps(self, volume: str) -> Sequence[MapBlock]:
        """The blocks of a volume that have maps, by detector, target and block."""
        return self._maps.get(volume, [])

    def block_at(self, volume: str, voxel: Voxel) -> str | None:
        """Name of the block that a voxel x, y, z of a volume lies in; None outside."""
        inside = " and ".join(f"{axis}_low_voxels <= ${axis} and ${axis} < {axis}_high_voxels" for axis in "xyz")
        query = f"select block from volume_blocks where volume = $volume and {inside}"  # noqa: S608
        rows = self._rows("volume_blocks", query, {"volume": volume, **dict(zip("xyz", voxel, strict=True))})
        return rows[0]["block"] if rows else None

    def section(
        self,
        volume: str,
        z: int,
        x0: int,
        y0: int,
        width: int,
        height: int,
        *,
        detector: str = "",
        target: str = "",
        step: int | None = None,
    ) -> Section:
        """A part of the section `z` of a volume, with the map of one detector and target; without one where they are "".

        All numbers are voxels of the volume, counted as its own coordinates are. step: voxels a side of a pixel; by default the smallest
        power of two that keeps the picture within 768 pixels. From a step on, a coarser scale is read where the volume has one.

        Raises BadInput for what lies outside the volume, for a part that would take too much to read or to show, and where the volume
        or map cannot be read.
        """
        searched = self.volume(volume)
        _check_inside(searched, z, x0, y0, width, height)
        if step is None:
            step = 1 << max(0, (-(-max(width, height) // SIDE_PX) - 1).bit_length())
        if step < 1 or -(-width // step) * -(-height // step) > _MOST_PIXELS:
            raise BadInput(
                f"{width:,} x {height:,} voxels in steps of {step:,} are no picture of 1 to {_MOST_PIXELS:,} pixels: choose another step"
            )
        key = volume, z, x0, y0, width, height, detector, target, step
        with self._lock:
            if key in self._sections:
                self._sections.move_to_end(key)
                return self._sections[key]
        try:
            with self._reading:
                grey, valid = self._grey(searched, z, x0, y0, width, height, step)
                blocks = [one for one in self.maps(volume) if (one.detector, one.target) == (detector, target)]
                probability, mapped = self._probability(searched, blocks, z, x0, y0, grey.shape, step)
        except ConnectionError as error:
            raise BadInput(str(error)) from error
        made = Section(volume, z, x0, y0, step, grey, valid, probability, mapped)
        with self._lock:
            self._sections[key] = made
            while len(self._sections) > _KEPT_SECTIONS:
                self._sections.popitem(last=False)
        return made

    def most_voxels(self, volume: str) -> int:
        """The longest side of a square part of a section of a volume that `section` reads, in voxels."""
        side = 1
        while side < 2**40 and self._scale(volume, 2 * side, 2 * side, max(1, 2 * side // SIDE_PX)) is not None:
            side *= 2
        return side

    def opened(self, volume: str, factor: Voxel = (1, 1, 1)) -> "Volume":
        """A volume, or its coarser scale of that factor (see `volumes.scales`), for reading; an absent chunk is not valid there.

        Raises BadInput where it cannot be opened, ConnectionError where the network fails.
        """
        spec = dict(self._scales(volume))[factor]
        return self._open(f"volume {volume} {factor}", spec)

    def opened_map(self, volume: str, block: MapBlock) -> "Volume":
        """The whole map that a block has a part in, as a volume of grey values whose voxels are its pixels. Raises as `opened`."""
        _, _, z_nm = self.volume(volume).voxel_size_nm
        spec = VolumeSpec(
            kind="precomputed",
            url=self.map_address(block),
            voxel_size_nm=(block.pixel_nm, block.pixel_nm, z_nm),
        )
        try:
            return self._open(f"map {block.path}", spec)
        except BadInput as error:
            name = self._store.dataset
            raise BadInput(
                f"the map {block.path} is damaged or gone since this release was built: materialise {name}/probability_maps of every "
                f"block, then {name}/warehouse"
            ) from error

    def map_address(self, block: MapBlock) -> str:
        """Path or address of the map that a block has a part in."""
        return self._store.folder.child(*block.path.split("/")).root

    def scales(self, volume: str) -> list[Voxel]:
        """The scales of a volume that can be `opened`, by their factors, the finest first."""
        return [factor for factor, _ in self._scales(volume)]

    def spec(self, volume: str) -> VolumeSpec:
        """What the dataset file says of a volume. Raises BadInput where it does not name it any more."""
        dataset = self._dataset or load_dataset(self._store.dataset, self._store.local_root or Settings().local_root)
        if volume not in dataset.tile_volumes:
            raise BadInput(
                f"the dataset file of {dataset.name} has no volume '{volume[:60]}', of which this release speaks: name it there, or "
                f"materialise {dataset.name}/volume_blocks and what follows"
            )
        return dataset.tile_volumes[volume]

    # What was found

    def found(
        self, what: Found, volume: str, low_nm: Sequence[float], high_nm: Sequence[float], limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """The synapses or mitochondria in the box [low, high) of a volume, x, y, z in nanometres: at most so many rows, the highest score
        first, and how many there are."""
        values: dict[str, Any] = {"volume": volume}
        for axis, low, high in zip("xyz", low_nm, high_nm, strict=True):
            values |= {f"{axis}_low": float(low), f"{axis}_high": float(high)}
        inside = " and ".join(f"{axis}_nm >= ${axis}_low and {axis}_nm < ${axis}_high" for axis in "xyz")
        return self._listed(what, f"volume = $volume and {inside}", "score desc, x_nm, y_nm, z_nm", values, limit, 0)

    # How well

    def scores(self) -> list[dict[str, Any]]:
        """The rows of `detector_scores`, in their order."""
        return self._rows("detector_scores", "select * from detector_scores")

    def examined_detectors(self) -> list[tuple[str, str]]:
        """Detector and target of what was examined."""
        query = "select distinct detector, target from examined_sites order by all"
        return [(row["detector"], row["target"]) for row in self._rows("examined_sites", query)]

    def examined(
        self, detector: str, target: str, outcome: Outcome, limit: int, offset: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """The rows of `examined_sites` of a detector and target with that outcome, without their tiles, and how many there are.

        What was found comes by score, the lowest first; what was invented by score, the highest first; what was missed by the distance to
        the nearest site that was found, the nearest first.
        """
        if outcome not in OUTCOMES:
            raise BadInput(f"outcome: '{outcome[:60]}' is none of {', '.join(OUTCOMES)}")
        condition = "detector = $detector and target = $target and outcome = $outcome"
        values = {"detector": detector, "target": target, "outcome": outcome}
        return self._listed("examined_sites", condition, f"{OUTCOMES[outcome]}, site_id", values, limit, offset)

    def examined_tile(self, site_id: str) -> bytes:
        """The middle section around an examined site, as PNG. Raises BadInput for an unknown id, and where the sites were examined anew."""
        query = "select * from examined_sites where site_id = $site_id"
        for row in self._rows("examined_sites", query, {"site_id": site_id}):
            tile = self._pictures.picture(detection.EXAMINED_SITES, "tile", row)
            if tile is not None:
                return tile
        raise BadInput(f"no examined site '{site_id[:200]}' in this release")

    # The parts

    def _rows(self, table: str, query: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a query; none where the release has no such table."""
        if table not in self._file.release["tables"]:
            return []
        rows: list[dict[str, Any]] = self._file.table(query, dict(values or {})).to_pylist()
        return rows

    def _listed(
        self, table: str, condition: str, order: str, values: Mapping[str, Any], limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        counted = self._rows(table, f"select count(*) as number from {table} where {condition}", values)  # noqa: S608
        query = f"select * from {table} where {condition} order by {order} limit {int(limit)} offset {int(offset)}"  # noqa: S608
        return self._rows(table, query, values), counted[0]["number"] if counted else 0

    def _open(self, name: str, spec: VolumeSpec) -> "Volume":
        from synapse_assets.volumes import open_volume

        with self._lock:
            if name in self._volumes:
                self._volumes.move_to_end(name)
                return self._volumes[name]
        # Not under the lock: a volume far away may take its time.
        opened = open_volume(spec.model_copy(update={"missing_chunks": "black"}))
        with self._lock:
            self._volumes[name] = opened
            while len(self._volumes) > _KEPT_VOLUMES:
                self._volumes.popitem(last=False)
        return opened

    @cached_property
    def _maps(self) -> dict[str, list[MapBlock]]:
        query = """select p.volume, p.block, p.detector, p.version, p.target, p.path, p.pixel_nm, p.filled_sections,
            b.x_low_voxels, b.y_low_voxels, b.z_low_voxels, b.x_high_voxels, b.y_high_voxels, b.z_high_voxels
            from probability_maps p join volume_blocks b using (block, volume) order by p.detector, p.target, p.block"""
        maps: dict[str, list[MapBlock]] = {}
        for row in self._rows("probability_maps", query):
            block = MapBlock(
                block=row["block"],
                detector=row["detector"],
                version=row["version"],
                target=row["target"],
                path=row["path"],
                pixel_nm=row["pixel_nm"],
                filled_sections=row["filled_sections"],
                low=(row["x_low_voxels"], row["y_low_voxels"], row["z_low_voxels"]),
                high=(row["x_high_voxels"], row["y_high_voxels"], row["z_high_voxels"]),
            )
            maps.setdefault(row["volume"], []).append(block)
        return maps

    @cached_property
    def _scales_of(self) -> dict[str, list[tuple[Voxel, VolumeSpec]]]:
        return {}

    def _scales(self, volume: str) -> list[tuple[Voxel, VolumeSpec]]:
        from synapse_assets.volumes.scales import scales_of

        if volume not in self._scales_of:
            self._scales_of[volume] = scales_of(self.spec(volume))
        return self._scales_of[volume]

    def _scale(self, volume: str, width: int, height: int, step: int) -> Voxel | None:
        """The coarsest scale that a picture in that step can be made of; one that joins sections only where no other is small enough."""
        fitting = [
            factor
            for factor in self.scales(volume)
            if step % factor[0] == 0
            and step % factor[1] == 0
            and -(-width // factor[0]) * -(-height // factor[1]) <= MOST_VOXELS
        ]
        flat = [factor for factor in fitting if factor[2] == 1]
        return flat[-1] if flat else (fitting[0] if fitting else None)

    def _grey(
        self, searched: Searched, z: int, x0: int, y0: int, width: int, height: int, step: int
    ) -> tuple[Bytes, Bools]:
        factor = self._scale(searched.name, width, height, step)
        if factor is None:
            raise BadInput(
                f"{width:,} x {height:,} voxels of {searched.name} are too much to read for one picture (at most {MOST_VOXELS:,} of a "
                "scale), and its files have no coarser scale for it: look at a smaller part"
            )
        fx, fy, fz = factor
        low = np.array([x0 // fx, y0 // fy, z // fz])
        high = np.array([-(-(x0 + width) // fx), -(-(y0 + height) // fy), z // fz + 1])
        grey, valid = self.opened(searched.name, factor).read_box(low, high)
        columns = (x0 + step * np.arange(-(-width // step))) // fx - low[0]
        rows = (y0 + step * np.arange(-(-height // step))) // fy - low[1]
        if step == fx == fy:
            return grey[0][np.ix_(rows, columns)], valid[0][np.ix_(rows, columns)]
        total = _in_pixels(np.add, grey[0].astype(np.uint32), rows, columns)
        count = _in_pixels(np.add, valid[0].astype(np.uint32), rows, columns)
        return np.rint(total / np.maximum(count, 1)).astype(np.uint8), count > 0

    def _probability(
        self,
        searched: Searched,
        blocks: Sequence[MapBlock],
        z: int,
        x0: int,
        y0: int,
        shape: tuple[int, ...],
        step: int,
    ) -> tuple[Bytes, Bools]:
        probability, mapped = np.zeros(shape, np.uint8), np.zeros(shape, np.bool_)
        xs, ys = x0 + step * np.arange(shape[1]), y0 + step * np.arange(shape[0])
        for block in blocks:
            across = np.flatnonzero((xs >= block.low[0]) & (xs < block.high[0]))
            down = np.flatnonzero((ys >= block.low[1]) & (ys < block.high[1]))
            if not (block.low[2] <= z < block.high[2] and len(across) and len(down)):
                continue
            fx, fy = (round(block.pixel_nm / size) for size in searched.voxel_size_nm[:2])
            columns, rows = xs[across] // fx, ys[down] // fy
            ends = min(xs[across[-1]] + step, block.high[0]), min(ys[down[-1]] + step, block.high[1])
            low = np.array([columns[0], rows[0], z])
            high = np.array([-(-ends[0] // fx), -(-ends[1] // fy), z + 1])
            values, there = self.opened_map(searched.name, block).read_box(low, high)
            at, begins = np.ix_(down, across), (rows - rows[0], columns - columns[0])
            probability[at] = _in_pixels(np.maximum, values[0], *begins)
            mapped[at] = _in_pixels(np.logical_or, there[0], *begins)
        return probability, mapped


def _in_pixels(
    join: np.ufunc, values: npt.NDArray[Any], rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """Values (h, w) joined in pixels that begin at those rows and columns and end where the next begins; a pixel smaller than a value has
    the value."""
    joined: npt.NDArray[Any] = join.reduceat(join.reduceat(values, rows, axis=0), columns, axis=1)
    return joined


def _check_inside(searched: Searched, z: int, x0: int, y0: int, width: int, height: int) -> None:
    spans = ", ".join(
        f"{axis} {low} to {high - 1}" for axis, low, high in zip("xyz", searched.low, searched.high, strict=True)
    )
    low, high = searched.low, searched.high
    if not low[2] <= z < high[2]:
        raise BadInput(f"{searched.name} has no section {z}; its voxels are {spans}")
    if width < 1 or height < 1 or x0 < low[0] or y0 < low[1] or x0 + width > high[0] or y0 + height > high[1]:
        raise BadInput(
            f"{width} x {height} voxels from x {x0}, y {y0} on do not lie in {searched.name}; its voxels are {spans}"
        )
