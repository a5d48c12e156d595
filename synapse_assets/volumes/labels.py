"""One opened volume of labels: which object, neuron or region each voxel belongs to, for points and for boxes.

Ids are whole numbers up to 2^63 - 1 and never pass through floating point. What an id means, and whose table it ends up in, does
not belong here; nor do grey values (`volume.py`) and file formats (`_arrays.py`).
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import LabelVolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._arrays import Array, names_of_segments, open_array
from synapse_assets.volumes._context import Retries
from synapse_assets.volumes._grouping import chunk_id
from synapse_assets.volumes._opened import Ints, Opened, Reading
from synapse_assets.volumes._values import LABELS

_LARGEST_ID = 2**63 - 1
# From this many bits on the largest number of an unsigned type says that there is nothing; 255 and 65535 are what masks hold.
_BITS_WITH_NONE = 32


class LabelVolume(Opened):
    """An opened volume of ids. Points are (N, 3) float, x, y, z in nanometres.

    0 means that nothing is there, and so does the largest number of 32 and 64 bits without a sign, which CREMI writes.
    """

    spec: LabelVolumeSpec

    def __init__(self, array: Array, spec: LabelVolumeSpec, retries: Retries) -> None:
        """For `open_labels`, which is the way to one."""
        super().__init__(array, spec)
        self._retries = retries

    def at(self, points_nm: npt.ArrayLike) -> Ints:
        """The id at each point (N, 3), int64 (N,); 0 where nothing is, outside the volume and in absent chunks that may be absent.

        Each chunk is read once, however many points lie in it. Raises BadInput naming the first point that is not finite, an
        id that is negative or above 2^63 - 1, and a chunk that is damaged, or absent unless `missing_chunks` is 'black';
        ConnectionError where the network fails after retries, or takes longer than `timeout_s`.
        """
        voxels = self.voxel_of(points_nm)[:, ::-1]
        ids = np.zeros(len(voxels), dtype=np.int64)
        array = self.array
        rows = np.flatnonzero(((voxels >= array.origin) & (voxels < array.origin + array.shape)).all(axis=1))
        voxels = voxels[rows]
        chunks = (voxels - array.grid_origin) // array.chunk_shape
        number = chunk_id(array, *chunks.T)
        order = np.argsort(number, kind="stable")
        # Where the next point lies in another chunk, or there is none.
        ends = np.flatnonzero(np.diff(number[order], append=-1)) + 1

        def readings() -> Iterator[Reading[tuple[Ints, Ints]]]:
            first = 0
            for end in ends.tolist():
                members = order[first:end]
                low, high = voxels[members].min(axis=0), voxels[members].max(axis=0) + 1
                yield (members, low), low, high, 1, 1.0
                first = end

        with closing(self._ahead(readings())) as reads:
            for (members, low), future in reads:
                values = self._chunk(future, chunks[members[0]], f"{array.where}, at point {rows[members[0]]}")
                if values is not None:
                    ids[rows[members]] = self._ids(values[tuple((voxels[members] - low).T)]).astype(np.int64)
        return ids

    def read_box(self, low_xyz: npt.ArrayLike, high_xyz: npt.ArrayLike) -> npt.NDArray[np.uint64]:
        """The ids of the voxels [low, high), whole numbers x, y, z, as uint64 with axes z, y, x; 0 outside the volume.

        Raises BadInput where `low` exceeds `high`; otherwise as `at` does.
        """
        values, _ = self._box(low_xyz, high_xyz)
        return self._ids(values)

    def names(self) -> dict[int, str]:
        """What the volume itself calls its ids: the inline labels of a precomputed volume's `segment_properties`, else nothing.

        Raises BadInput where they cannot be read, ConnectionError where the network fails after retries.
        """
        return names_of_segments(self.spec, self.array.where, self._retries)

    def _ids(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
        """The values as ids, 0 for none. Raises BadInput for those that are none."""
        if values.dtype.kind == "i" and values.size and (lowest := int(values.min())) < 0:
            raise BadInput(
                f"{self.array.where}: it holds the number {lowest}, but ids are 0 (nothing) and above; write it with 0 where "
                "there is nothing"
            )
        ids = values.astype(np.uint64)
        if values.dtype.kind == "u" and values.dtype.itemsize * 8 >= _BITS_WITH_NONE:
            ids[values == np.iinfo(values.dtype).max] = 0
        if ids.size and (largest := int(ids.max())) > _LARGEST_ID:
            raise BadInput(
                f"{self.array.where}: it holds the id {largest}, above {_LARGEST_ID} (2^63 - 1), the largest that tables hold; "
                "give its objects smaller ids"
            )
        return ids


def open_labels(spec: LabelVolumeSpec, retries: Retries | None = None) -> LabelVolume:
    """The volume of labels that `spec` describes; its values are read when they are asked for.

    Kinds: as `open_volume`, with ids in place of grey values: `precomputed` (raw, compressed_segmentation or PNG), `zarr`, `n5`,
    `hdf5`, and `images` of 1, 8, 16 or 32 bits (TIFF: 64 too), whose palettes change no id. Any resolution.

    Raises BadInput where the volume is absent, has no such scale, or does not hold one channel of whole numbers.
    Raises ConnectionError where the network fails after retries, or gives no answer within `timeout_s`.
    """
    retries = retries or Retries()
    return LabelVolume(open_array(spec, LABELS, retries), spec, retries)
