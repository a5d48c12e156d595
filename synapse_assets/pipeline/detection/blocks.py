"""Volumes divided into blocks, which are searched one by one, and what searching all of them will take.

Searching a block belongs to `maps` and `objects`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise, product
from logging import Logger
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synapse_assets.datasets import DetectionDataset, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema.detection import PROBABILITY_MAPS, VOLUME_BLOCKS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.volumes import Volume

BLOCK_BOXES = "block_boxes"
"""Content of `volume_blocks` by block."""
RATE = "voxels_per_second_core"
"""Under this name, a dot and the name of a detector, a partition of maps holds how fast the detector was on it."""
# What a core of a processor maps in a second before anything was measured here, in pixels of the network: `benchmarks.detection`, unet_2d
# with 16, 32, 64 and 128 channels, on a busy machine.
ASSUMED_PIXELS_PER_SECOND = 4e5
# Bytes of a map by pixel: of 2 % marked voxels, as PNG (see `stores.volume_maps`).
_BYTES_PER_PIXEL = 0.15
# In the plane blocks end on a multiple of so many voxels where they can, so that they end on the pixels of most networks too.
_STEP_VOXELS = 16
# A rest thinner than this share of a block joins its neighbour.
_SMALLEST_SHARE = 0.2
# Each is a partition, which Dagster keeps track of.
_MOST_BLOCKS = 100_000
_MOST_SHOWN = 20

Xyz = tuple[int, int, int]


@dataclass(frozen=True)
class Block:
    """A box of a volume: the voxels [low, high), x, y, z."""

    key: str
    volume: str
    low: Xyz
    high: Xyz

    @property
    def voxels(self) -> int:
        """How many there are in it."""
        x, y, z = (b - a for a, b in zip(self.low, self.high, strict=True))
        return x * y * z


def plan_blocks(store: DatasetStore, dataset: DetectionDataset, log: Logger) -> Report:
    """Divides the searched volumes into blocks and says what searching them takes. No voxel is read.

    Raises BadInput, and stores nothing, for a volume that cannot be opened, names of volumes that would become one, more blocks than can
    be kept track of, and more voxels than the dataset's ceiling; ConnectionError for an unreachable volume.
    """
    from synapse_assets.volumes import open_volume

    watch = Stopwatch()
    if dataset.generate is not None:
        draw_inputs(store, dataset)
    keys = volume_keys(dataset.searched)
    volumes = {name: open_volume(spec) for name, spec in dataset.searched.items()}
    _refuse_too_many(dataset, volumes)
    blocks = [block for name, volume in volumes.items() for block in _blocks(name, keys[name], volume, dataset)]
    log.info(f"{len(blocks):,} blocks in {len(volumes)} volumes")
    plan = _Plan.of(store, dataset, volumes)
    if plan.voxels > dataset.voxel_ceiling:
        raise BadInput(
            f"searching {', '.join(volumes)} means looking at {plan.voxels:.3g} voxels, above the ceiling of {dataset.voxel_ceiling:.3g}: "
            f"{plan.sentence} Name fewer volumes in detect_in of the dataset's YAML, or set voxel_ceiling: {_rounded_up(plan.voxels)}"
        )
    rows = [_row(block, dataset.volumes[block.volume]) for block in blocks]
    table = VOLUME_BLOCKS.conform(pa.Table.from_pylist(rows, schema=VOLUME_BLOCKS.arrow))
    store.results(VOLUME_BLOCKS).write(table)
    return Report(
        details={
            "plan": Markdown(f"{plan.sentence}\n\n{plan.markdown}\n\n{_blocks_markdown(blocks)}"),
            "voxels": plan.voxels,
            "core_hours": plan.core_hours,
            "gigabytes_to_fetch": plan.fetched_bytes / 1e9,
            "gigabytes_of_maps": plan.stored_bytes / 1e9,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(table),
    )


def draw_inputs(store: DatasetStore, dataset: DetectionDataset) -> None:
    """Draws what the pipeline draws itself where it is absent: the brain of the dataset `sample`, and what lies where in it."""
    from synapse_assets.sample import draw_sample_brain, draw_sample_detection

    draw_sample_brain(DatasetStore(store.data_root, "sample", store.local_root).raw, seed=dataset.seed)
    draw_sample_detection(store.raw, seed=dataset.seed)


def find_blocks(store: DatasetStore) -> list[str]:
    """The keys of all blocks as they were planned last."""
    return sorted(store.results(VOLUME_BLOCKS).read(columns=["block"]).column("block").to_pylist())


def block_versions(store: DatasetStore, block: str) -> dict[str, tuple[str, int]]:
    """Content version of what `volume_blocks` holds of a block, and 1; 0 for one that there is not any more (`BLOCK_BOXES`)."""
    rows = store.results(VOLUME_BLOCKS).read(block)
    return {BLOCK_BOXES: (content_key(rows) if rows.num_rows else "no block", rows.num_rows)}


def block_of(store: DatasetStore, dataset: DetectionDataset, key: str) -> Block | None:
    """The block of that key; None for one that there is not any more.

    Raises BadInput before the blocks were planned, and where they were planned for other volumes.
    """
    table = store.results(VOLUME_BLOCKS)
    if not table.files():
        raise BadInput(
            f"the volumes of {dataset.name} have not been divided into blocks: materialise volume_blocks first"
        )
    rows = table.read(key).to_pylist()
    return _planned(rows[0], dataset) if rows else None


def blocks_by_key(store: DatasetStore, dataset: DetectionDataset) -> dict[str, Block]:
    """All blocks as they were planned last, read at once. Raises BadInput where they were planned for other volumes."""
    rows = store.results(VOLUME_BLOCKS).read().to_pylist()
    return {row["block"]: _planned(row, dataset) for row in rows}


def _planned(row: dict[str, Any], dataset: DetectionDataset) -> Block:
    if row["volume"] not in dataset.searched:
        raise BadInput(
            f"block {row['block']} is of volume '{row['volume']}', but the volumes that are searched are {list(dataset.searched)}: "
            "materialise volume_blocks again"
        )
    low, high = (tuple(row[f"{axis}_{side}_voxels"] for axis in "xyz") for side in ("low", "high"))
    return Block(row["block"], row["volume"], low, high)


def volume_keys(volumes: Sequence[str] | dict[str, VolumeSpec]) -> dict[str, str]:
    """How keys of blocks and ids of objects name each volume: its name made safe. Raises BadInput where two become one."""
    from synapse_assets.sources.regions import safe_region_name

    keys: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in volumes:
        keys[name] = safe_region_name(name)
        other = taken.setdefault(keys[name].casefold(), name)
        if other != name:
            raise BadInput(
                f"the volumes '{other}' and '{name}' would both be called {keys[name]} in keys of blocks: give one of them another "
                "name, of letters, digits and underscores"
            )
    return keys


def edges_of(low: int, high: int, size: int, step: int) -> list[int]:
    """Where the voxels [low, high) of an axis are cut into blocks of `size` voxels, first and last edge included.

    Edges are moved down to a multiple of `step` where that leaves no block empty. A rest of less than a fifth of a block joins its
    neighbour.
    """
    cuts = list(range(low + size, high, size))
    if cuts and high - cuts[-1] < _SMALLEST_SHARE * size:
        cuts.pop()
    moved = [cut // step * step for cut in cuts]
    if all(a < b for a, b in pairwise([low, *moved, high])):
        cuts = moved
    return [low, *cuts, high]


def _blocks(name: str, key: str, volume: "Volume", dataset: DetectionDataset) -> Iterator[Block]:
    low, high = (edge.tolist() for edge in volume.bounds_voxels)
    sizes = [max(1, round(nm / voxel)) for nm, voxel in zip(dataset.block_nm, volume.voxel_size_nm, strict=True)]
    steps = (_STEP_VOXELS, _STEP_VOXELS, 1)
    axes = [list(pairwise(edges_of(*ends))) for ends in zip(low, high, sizes, steps, strict=True)]
    for (ix, x), (iy, y), (iz, z) in product(*map(enumerate, axes)):
        yield Block(f"{key}_{ix}_{iy}_{iz}", name, (x[0], y[0], z[0]), (x[1], y[1], z[1]))


def _refuse_too_many(dataset: DetectionDataset, volumes: "dict[str, Volume]") -> None:
    def blocks_at(times: int) -> int:
        total = 0
        for volume in volumes.values():
            low, high = (edge.tolist() for edge in volume.bounds_voxels)
            ends = zip(low, high, dataset.block_nm, volume.voxel_size_nm, strict=True)
            total += math.prod(-(-(b - a) // max(1, round(times * nm / size))) for a, b, nm, size in ends)
        return total

    if blocks_at(1) <= _MOST_BLOCKS:
        return
    times = next(2**doubled for doubled in count(1) if blocks_at(2**doubled) <= _MOST_BLOCKS)
    larger = ", ".join(f"{times * nm:g}" for nm in dataset.block_nm)
    raise BadInput(
        f"{', '.join(volumes)} would be divided into {blocks_at(1):,} blocks, more than {_MOST_BLOCKS:,}: set block_nm: [{larger}] in the "
        "dataset's YAML, or larger"
    )


def _row(block: Block, spec: VolumeSpec) -> dict[str, Any]:
    row: dict[str, Any] = {"block": block.key, "volume": block.volume, "url": spec.url}
    for axis, low, high, size in zip("xyz", block.low, block.high, spec.voxel_size_nm, strict=True):
        row |= {f"{axis}_low_voxels": low, f"{axis}_high_voxels": high, f"voxel_{axis}_nm": size}
    return row


@dataclass(frozen=True)
class _Plan:
    """What searching some volumes takes. voxels: of all of them, once. maps: by detector, voxels a second and core, whether that was
    measured here, and bytes of its maps."""

    voxels: int
    fetched_bytes: float
    detectors: dict[str, tuple[float, bool, float]]

    @classmethod
    def of(cls, store: DatasetStore, dataset: DetectionDataset, volumes: "dict[str, Volume]") -> "_Plan":
        voxels, fetched = 0, 0.0
        for volume in volumes.values():
            low, high = volume.bounds_voxels
            here = int((high - low).prod())
            voxels += here
            if volume.array.remote:
                fetched += here * volume.array.bytes_per_voxel
        measured = _measured_rates(store)
        names = list(dict.fromkeys(dataset.applied))
        detectors = {}
        for name in names:
            choice = dataset.detectors.get(name)
            # Of another dataset's detector no more is known here than that it makes a map.
            targets = len(choice.targets) if choice is not None else 1
            pixel_nm = (choice.pixel_nm if choice is not None else None) or dataset.voxel_size_nm[0]
            pixels = voxels * (dataset.voxel_size_nm[0] / pixel_nm) ** 2
            rate = measured.get(name, ASSUMED_PIXELS_PER_SECOND * voxels / pixels)
            detectors[name] = (rate, name in measured, pixels * targets * _BYTES_PER_PIXEL)
        return cls(voxels, fetched * len(names), detectors)

    @property
    def core_hours(self) -> float:
        return sum(self.voxels / rate for rate, _, _ in self.detectors.values()) / 3600

    @property
    def stored_bytes(self) -> float:
        return sum(stored for _, _, stored in self.detectors.values())

    @property
    def sentence(self) -> str:
        fetched = (
            f"{self.fetched_bytes / 1e9:,.2g} GB over the network" if self.fetched_bytes else "nothing over the network"
        )
        return (
            f"**{self.voxels:.3g} voxels**, seen by {len(self.detectors)} detector(s): about {self.core_hours:,.2g} core-hours, {fetched}, "
            f"about {self.stored_bytes / 1e9:,.2g} GB of maps."
        )

    @property
    def markdown(self) -> str:
        rows = [
            (
                name,
                f"{rate:,.3g}",
                "measured" if measured else "assumed",
                f"{self.voxels / rate / 3600:,.2g}",
                f"{stored / 1e9:,.2g}",
            )
            for name, (rate, measured, stored) in self.detectors.items()
        ]
        return markdown_table(["detector", "voxels a second and core", "", "core-hours", "GB of maps"], rows)


def _measured_rates(store: DatasetStore) -> dict[str, float]:
    """Voxels a second and core by detector, as stored maps were made: the median over blocks."""
    from statistics import median

    table = store.results(PROBABILITY_MAPS)
    rates: dict[str, list[float]] = {}
    for key in table.partitions():
        for name, value in (table.made_from(key) or {}).items():
            if name.startswith(f"{RATE}."):
                rates.setdefault(name.removeprefix(f"{RATE}."), []).append(float(value))
    return {name: median(values) for name, values in rates.items()}


def _blocks_markdown(blocks: Sequence[Block]) -> str:
    rows = [
        (block.key, *(f"{a:,} to {b:,}" for a, b in zip(block.low, block.high, strict=True)), f"{block.voxels:.3g}")
        for block in blocks[:_MOST_SHOWN]
    ]
    table = markdown_table(["block", "x", "y", "z", "voxels"], rows)
    left = len(blocks) - len(rows)
    return f"{table}\n\n{left:,} more" if left else table


def _rounded_up(voxels: int) -> str:
    """A number of two digits, as a YAML file has it, that is not below."""
    step = 10 ** max(0, len(str(voxels)) - 2)
    return f"{float(-(-voxels // step) * step):.1e}"
