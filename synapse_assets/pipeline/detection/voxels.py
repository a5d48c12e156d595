"""A volume as networks read it. Opening volumes belongs to `volumes`, networks to `vision.detection`."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from synapse_assets.volumes import Volume

Corner = tuple[int, int, int]


class VolumeVoxels:
    """The voxels of an opened volume with axes z, y, x (`vision.detection.VoxelSource`)."""

    def __init__(self, volume: "Volume") -> None:
        self._volume = volume

    @property
    def bounds(self) -> tuple[Corner, Corner]:
        """First voxel, and the one after the last."""
        (x, y, z), (x_end, y_end, z_end) = (edge.tolist() for edge in self._volume.bounds_voxels)
        return (z, y, x), (z_end, y_end, x_end)

    def read(self, low: Corner, high: Corner) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Grey values uint8 (z, y, x) of the voxels [low, high), and whether the volume has them."""
        return self._volume.read_box(low[::-1], high[::-1])
