"""Tiles of random places that are no synapse, for networks that shall know such places.

They are cut for one training and stored nowhere. Tiles of synapses belong to `tiles`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.tiles import PLACES
from synapse_assets.stores import DatasetStore

NOT_A_SYNAPSE = "not a synapse"
# A place lies at most so many sides and depths of a tile from the synapse that it is drawn near.
_REACH = 2.0
# Places tried at most for each that is wanted.
_TRIES = 50
_ROUND = 256

Float64 = npt.NDArray[np.float64]
Tiles = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Background:
    """Places without a synapse: ids, brain regions of the synapses that they were drawn near, tiles uint8 (N, sections, H, W)."""

    ids: list[str]
    regions: list[str]
    tiles: Tiles


def draw_background(store: DatasetStore, dataset: EmDataset, count: int) -> Background:
    """So many random places, drawn by the dataset's seed near its synapses but half a tile's side or more from every one of them, whose
    whole tile lies in the volume. Volumes get places as they have synapses.

    A synapse that nobody has found may lie in one. Raises BadInput where there are not so many such places, ConnectionError for an
    unreachable volume.
    """
    synapses = store.synapses.read(None, [*PLACES, "brain_region"]).sort_by("synapse_id")
    position_nm = np.stack([synapses.column(axis).to_numpy() for axis in ("x_nm", "y_nm", "z_nm")], axis=1)
    volumes, regions = (np.array(synapses.column(name).to_pylist(), str) for name in ("volume", "brain_region"))
    rng = np.random.default_rng([dataset.seed, count])
    tiles, near = [], []
    for name, share in _shares(volumes, count).items():
        here = np.flatnonzero(volumes == name)
        for tile, synapse in islice(_places(dataset, name, position_nm[here], rng, share * _TRIES), share):
            tiles.append(tile)
            near.append(str(regions[here[synapse]]))
    if len(tiles) < count:
        half_nm = _half_side_nm(dataset)
        raise BadInput(
            f"{dataset.name}: only {len(tiles)} of {count} places were found that lie {half_nm:.0f} nm (half a tile's side) or more from "
            "every synapse and whose tile lies in the volume: set a lower background_places, or none"
        )
    return Background([f"background {number}" for number in range(count)], near, np.stack(tiles))


def _shares(volumes: npt.NDArray[np.str_], count: int) -> dict[str, int]:
    """How many of the places lie in each volume, by the number of its synapses; the last one gets what rounding leaves."""
    names, synapses = np.unique(volumes, return_counts=True)
    ends = np.round(np.cumsum(synapses) / max(1, len(volumes)) * count).astype(int)
    return {str(name): int(end - start) for name, start, end in zip(names, [0, *ends[:-1]], ends, strict=True)}


def _places(
    dataset: EmDataset, name: str, synapses_nm: Float64, rng: np.random.Generator, tries: int
) -> Iterator[tuple[Tiles, int]]:
    """Tiles of random places in a volume, each with the row of the synapse (N, 3) that it was drawn near."""
    from scipy.spatial import KDTree

    from synapse_assets.volumes import open_volume

    spec = dataset.volumes[name]
    volume, tree = open_volume(spec), KDTree(synapses_nm)
    tile_px = np.array([dataset.tile.size_px, dataset.tile.size_px, dataset.tile.sections])
    reach_nm = _REACH * tile_px * np.array(spec.voxel_size_nm)
    for start in range(0, tries, _ROUND):
        drawn = rng.integers(len(synapses_nm), size=min(_ROUND, tries - start))
        points_nm = synapses_nm[drawn] + rng.uniform(-reach_nm, reach_nm, (len(drawn), 3))
        apart_nm, _ = tree.query(points_nm)
        usable = np.flatnonzero((apart_nm >= _half_side_nm(dataset)) & volume.contains(points_nm))
        cut: dict[int, Tiles] = {}
        for batch in volume.read_tiles(points_nm[usable], dataset.tile):
            whole = batch.valid_fraction == 1
            cut |= dict(zip(batch.indices[whole].tolist(), batch.tiles[whole].copy(), strict=True))
        # In the order in which they were drawn, however they were read.
        yield from ((cut[row], int(drawn[usable[row]])) for row in sorted(cut))


def _half_side_nm(dataset: EmDataset) -> float:
    return dataset.tile.size_px * min(next(iter(dataset.volumes.values())).voxel_size_nm[:2]) / 2
