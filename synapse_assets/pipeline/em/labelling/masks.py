"""What another dataset's detector marks at synapses, as pictures that an autoencoder learns from.

Maps belong to `pipeline.detection`, how a mask is turned to `analysis.labelling.masks`, the autoencoder to `vae`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.detector_maps import corner, in_most, map_in, pixels_of, rules_of
from synapse_assets.schema.detection import PROBABILITY_MAPS
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.stores.volume_maps import VolumeMap

_TARGETS = ("presynaptic", "cleft", "postsynaptic", "mitochondria")
_PLACES = ["synapse_id", "volume", "x_nm", "y_nm", "z_nm"]


@dataclass(frozen=True)
class Masks:
    """The maps that masks are taken from. version: of the detector. target: what it marks. threshold: from which a pixel is marked.

    maps: by volume. side_nm: width of a picture, that of a tile.
    """

    version: str
    target: str
    threshold: float
    maps: Mapping[str, "VolumeMap"]
    side_nm: float

    @property
    def px(self) -> int:
        """Pixels of a picture along each side."""
        return max(1, round(self.side_nm / next(iter(self.maps.values())).pixel_size_nm[0]))

    def pictures(self, store: DatasetStore, ids: Sequence[str]) -> npt.NDArray[np.uint8]:
        """The mask of each synapse, uint8 (N, px, px), as `aligned_mask` makes it of the section that the synapse lies in.

        It is all 0 where nothing is marked, there is no map, or the synapse is gone.
        """
        from synapse_assets.analysis.detection.voxels import at_least
        from synapse_assets.analysis.labelling.masks import aligned_mask

        rows = {row["synapse_id"]: row for row in store.synapses.read_ids(list(ids), _PLACES).to_pylist()}
        pictures = np.zeros((len(ids), self.px, self.px), np.uint8)
        for picture, synapse_id in zip(pictures, ids, strict=True):
            row = rows.get(synapse_id)
            if row is not None and row["volume"] in self.maps:
                around = self._around(self.maps[row["volume"]], (row["x_nm"], row["y_nm"], row["z_nm"]))
                picture[:] = aligned_mask(at_least(around, self.threshold))
        return pictures

    def _around(self, volume_map: "VolumeMap", place_nm: tuple[float, ...]) -> npt.NDArray[np.uint8]:
        """The map about a place, uint8 (px, px), 0 beyond its ends."""
        at = np.floor(np.array(place_nm) / volume_map.pixel_size_nm).astype(np.int64)[::-1]
        first = at - np.array([0, self.px // 2, self.px // 2])
        end = first + np.array([1, self.px, self.px])
        low, high = np.maximum(first, volume_map.low), np.minimum(end, volume_map.high)
        around = np.zeros((1, self.px, self.px), np.uint8)
        if (low < high).all():
            inside = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
            around[inside] = pixels_of(volume_map, corner(low), corner(high))
        return around[0]


def masks_of(store: DatasetStore, dataset: EmDataset, other_name: str) -> Masks:
    """The maps that the detection dataset of that name has of the volumes of `dataset`: of presynaptic sites where it marks them, else of
    clefts, postsynaptic sites or mitochondria.

    Raises BadInput where it has made no maps yet, or of none of the volumes.
    """
    other = DatasetStore(store.data_root, other_name, store.local_root)
    rows = other.results(PROBABILITY_MAPS).read(columns=["volume", "detector", "version", "target", "path"])
    found = set(rows.column("target").to_pylist())
    target = next((one for one in _TARGETS if one in found), None)
    if target is None:
        raise BadInput(
            f"{other_name} has made no maps yet: materialise {other_name}/probability_maps first, or take learns_from: mask out of the "
            f"YAML of {dataset.name}"
        )
    rows = rows.filter(pc.equal(rows.column("target"), target))
    version, detector = in_most(rows)
    rows = rows.filter(pc.equal(rows.column("version"), version))
    paths = {row["volume"]: row["path"] for row in rows.to_pylist() if row["volume"] in dataset.volumes}
    if not paths:
        raise BadInput(
            f"{dataset.name} has the volumes {list(dataset.volumes)}, and {other_name}, which masks_from names, has maps of "
            f"{sorted(set(rows.column('volume').to_pylist()))}: volumes are the same by their names, so name them alike in both YAML files"
        )
    maps = {volume: map_in(other, path) for volume, path in paths.items()}
    side_nm = dataset.tile_spec.size_px * dataset.tile_pixel_nm
    return Masks(version, target, rules_of(other, version, detector).threshold, maps, side_nm)
