"""The maps of another dataset's detectors where an electron-microscopy dataset reads them: which there are, their rules, their pixels.

What is made of them belongs to those who ask: the mitochondria around synapses (`mitochondria`), masks of synapses (`labelling.masks`).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.stored import MODEL, read_rules
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files

if TYPE_CHECKING:
    from synapse_assets.analysis.detection.sites import Rules
    from synapse_assets.stores.volume_maps import VolumeMap

Corner = tuple[int, int, int]  # z, y, x


def in_most(rows: pa.Table) -> tuple[str, str]:
    """Version and name of the detector that most of the maps (`schema.detection.PROBABILITY_MAPS`) were made with."""
    counts = rows.group_by(["version", "detector"]).aggregate([("path", "count")]).sort_by("path_count").to_pylist()
    return counts[-1]["version"], counts[-1]["detector"]


def rules_of(other: DatasetStore, version: str, detector: str) -> "Rules":
    """The rules of a detector, which a dataset may have from a third one: versions are unique in a data root.

    Raises BadInput where no dataset has it any more.
    """
    for name in dict.fromkeys([other.dataset, *Files(other.data_root, other.local_root).names()]):
        models = DatasetStore(other.data_root, name, other.local_root).models(MODEL)
        if models.exists(version):
            return read_rules(models.path(version) / detector)
    raise BadInput(
        f"the detector {detector} {version}, which {other.dataset} made its maps with, is stored nowhere any more: materialise "
        f"{other.dataset}/probability_maps again, and what is made of them"
    )


def map_in(other: DatasetStore, path: str) -> "VolumeMap":
    """The map at a path below the folder of a dataset. Raises BadInput where there is none."""
    from synapse_assets.stores.volume_maps import VolumeMap

    folder = other.folder.child(*path.split("/"))
    info = folder.read_json("info")
    if info is None:
        raise BadInput(f"{folder.root} is not there: materialise {other.dataset}/probability_maps again")
    [scale] = info["scales"]
    low = np.array(scale["voxel_offset"][::-1])
    high = low + scale["size"][::-1]
    corners = (corner(low), corner(high), corner(scale["chunk_sizes"][0][::-1]))
    return VolumeMap(folder, *corners, tuple(scale["resolution"]), info["made_from"])


def pixels_of(volume_map: "VolumeMap", low: Corner, high: Corner) -> npt.NDArray[np.uint8]:
    """The pixels [low, high) of a map, 0 where a chunk is absent."""
    absent = set(volume_map.missing_chunks(low, high))
    if not absent:
        return volume_map.read(low, high)
    values = np.zeros(np.subtract(high, low), np.uint8)
    for first, end in set(volume_map.chunks(low, high)) - absent:
        a, b = corner(np.maximum(first, low)), corner(np.minimum(end, high))
        values[tuple(slice(*ends) for ends in zip(np.subtract(a, low), np.subtract(b, low), strict=True))] = (
            volume_map.read(a, b)
        )
    return values


def corner(edges: Iterable[float]) -> Corner:
    """A corner of numbers z, y, x, each cut to a whole one."""
    z, y, x = (int(edge) for edge in edges)
    return z, y, x
