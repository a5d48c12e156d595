"""What there is to do in a dataset: tiles, chunks and bytes by region, counted by the walk that cuts the tiles. No voxel is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import Dataset
from synapse_assets.errors import BadInput
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import Volume, open_volume

PLACES = ["synapse_id", "volume", "x_nm", "y_nm", "z_nm"]
_AXES = ("x_nm", "y_nm", "z_nm")


@dataclass(frozen=True)
class Reading:
    """Reading some tiles: the distinct chunks that they touch, those that are fetched and decoded (again where one has left the memory
    meanwhile), the voxels of these, and the bytes and requests that go over the network, 0 for a volume on this machine."""

    chunks: int = 0
    decoded_chunks: int = 0
    decoded_voxels: int = 0
    fetched_bytes: int = 0
    requests: int = 0

    def __add__(self, other: "Reading") -> "Reading":
        return Reading(
            self.chunks + other.chunks,
            self.decoded_chunks + other.decoded_chunks,
            self.decoded_voxels + other.decoded_voxels,
            self.fetched_bytes + other.fetched_bytes,
            self.requests + other.requests,
        )


@dataclass(frozen=True)
class RegionWork:
    """What there is to do in a region.

    whole: cutting its tiles in one go, by volume. in_parts: in parts that share no memory, all volumes together; a chunk on the border of
    two is read twice. parts: how many these are. outside: synapses that lie outside their volume, and are counted nowhere else.
    """

    region: str
    tiles: int
    whole: Mapping[str, Reading]
    in_parts: Reading
    parts: int
    id_bytes: int
    outside: int = 0

    @property
    def reading(self) -> Reading:
        """In one go, all volumes together."""
        return sum(self.whole.values(), Reading())


@dataclass(frozen=True)
class Workload:
    """What there is to do in a dataset, or in some of its regions.

    tile_voxels: voxels of a tile. part_tiles: most tiles of a part. requests_per_second: the least that a volume of the dataset allows each
    process, None for no limit.
    """

    dataset: str
    regions: Sequence[RegionWork]
    tile_voxels: int
    part_tiles: int
    requests_per_second: float | None = None
    _total: Reading = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_total", sum((one.reading for one in self.regions), Reading()))

    @property
    def tiles(self) -> int:
        """Tiles of all regions."""
        return sum(one.tiles for one in self.regions)

    @property
    def parts(self) -> int:
        """Parts of all regions."""
        return sum(one.parts for one in self.regions)

    @property
    def whole(self) -> Reading:
        """Each region in one go."""
        return self._total

    @property
    def in_parts(self) -> Reading:
        """Each region in parts."""
        return sum((one.in_parts for one in self.regions), Reading())

    @property
    def id_bytes(self) -> int:
        """Bytes of all ids as text."""
        return sum(one.id_bytes for one in self.regions)

    @property
    def largest(self) -> RegionWork | None:
        """The region with the most tiles; None where there is no region."""
        return max(self.regions, key=lambda one: one.tiles, default=None)


def count_work(
    store: DatasetStore, dataset: Dataset, regions: Sequence[str] | None = None, part_tiles: int = 2048
) -> Workload:
    """What running the dataset takes, as its synapse table has it now, region after region; `regions` None for all.

    Chunks are exactly those that `tile_plan` counts where no tile is cut yet. Raises BadInput before there is a synapse table, for a region
    that it does not have, and for what is wrong with a volume; ConnectionError for one that cannot be reached.
    """
    chosen = known_regions(store, regions)
    volumes = {name: open_volume(spec) for name, spec in dataset.tile_volumes.items()}
    counted = [_region_work(store, dataset, volumes, region, part_tiles) for region in chosen]
    paces = [spec.requests_per_second for spec in dataset.tile_volumes.values() if spec.requests_per_second]
    tile = dataset.tile_spec
    return Workload(dataset.name, counted, tile.sections * tile.size_px**2, part_tiles, min(paces, default=None))


def known_regions(store: DatasetStore, regions: Sequence[str] | None) -> list[str]:
    """Those of the regions that the synapse table has, or all. Raises BadInput for one that it has not, and before there is a table."""
    if store.synapse_table.version is None:
        raise BadInput(
            f"{store.dataset}: its synapses are not known yet. This reads their tables, and cuts nothing: synapse-assets materialize "
            f"{store.dataset} --assets +synapse_table"
        )
    known = store.synapse_table.regions()
    for region in regions or ():
        if region not in known:
            near = get_close_matches(region, known, 3) or sorted(known)[:12]
            raise BadInput(f"--regions: {store.dataset} has no region '{region}'; there are {', '.join(near)}")
    return [name for name in known if regions is None or name in regions]


def places(rows: pa.Table) -> np.ndarray:
    """The places of synapses, float64 (N, 3): x, y, z in nanometres."""
    return np.stack([rows.column(axis).to_numpy() for axis in _AXES], axis=1)


def _region_work(
    store: DatasetStore, dataset: Dataset, volumes: Mapping[str, Volume], region: str, part_tiles: int
) -> RegionWork:
    rows = store.synapse_table.read(region, PLACES)
    whole: dict[str, Reading] = {}
    in_parts, parts, inside = Reading(), 0, 0
    for name, volume in volumes.items():
        points = places(rows.filter(pc.equal(rows.column("volume"), name)))
        points = points[volume.contains(points)]
        if not len(points):
            continue
        inside += len(points)
        whole[name] = _reading(volume, dataset, points)
        for part in _parts(volume, dataset, points, part_tiles):
            in_parts, parts = in_parts + _reading(volume, dataset, part), parts + 1
    id_bytes = int(pc.sum(pc.binary_length(rows.column("synapse_id"))).as_py() or 0)
    return RegionWork(region, inside, whole, in_parts, parts, id_bytes, rows.num_rows - inside)


def _reading(volume: Volume, dataset: Dataset, points: np.ndarray) -> Reading:
    cost, remote = volume.reading_cost(points, dataset.tile_spec), volume.array.remote
    return Reading(
        chunks=cost.chunks,
        decoded_chunks=cost.decoded_chunks,
        decoded_voxels=cost.decoded_chunks * cost.chunk_voxels,
        fetched_bytes=cost.bytes if remote else 0,
        requests=cost.decoded_chunks if remote else 0,
    )


def _parts(volume: Volume, dataset: Dataset, points: np.ndarray, part_tiles: int) -> Iterator[np.ndarray]:
    order = volume.reading_order(points, dataset.tile_spec)
    for start in range(0, len(order), part_tiles):
        yield points[order[start : start + part_tiles]]
