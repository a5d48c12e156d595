"""What the voxels of a volume may hold, and how its refusals say so: grey values, or the ids of what is in each voxel.

Every reader of a file format asks here, so that the formats are read by the same code for both. What does not belong here: the
formats themselves, and what ids mean (`labels.py`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_WHOLE = frozenset({"bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))})


@dataclass(frozen=True)
class Values:
    """A kind of values, and what messages say of a volume of them.

    `volume`: what it is called; `asked`: what it holds, and what to do where it does not; `channel`: the one that it has;
    `encodings`: those of a precomputed volume that keep the values and can be read; `absent`: what an absent chunk means
    where `missing_chunks` is black; `avoided`: how to go on without a damaged chunk; `again`: what to do when the network fails.
    """

    types: frozenset[str]
    volume: str
    asked: str
    channel: str
    encodings: tuple[str, ...]
    absent: str
    avoided: str
    again: str

    def accepts(self, dtype: npt.DTypeLike | str) -> bool:
        """Whether values of that type, in either byte order, are of this kind."""
        try:
            return np.dtype(dtype).name in self.types
        except TypeError:  # bfloat16 and other types that numpy does not know
            return False


GREY = Values(
    types=frozenset({"uint8"}),
    volume="volume",
    asked="a volume holds 8-bit grey values; convert it to uint8",
    channel="one grey channel",
    encodings=("raw", "jpeg", "png"),
    absent="black",
    avoided="leave out the synapses whose tiles touch it",
    again="what is cut already stays; if the other side asks for fewer requests (429), set requests_per_second of the volume in the "
    "dataset's YAML",
)
LABELS = Values(
    types=_WHOLE,
    volume="volume of labels",
    asked="a volume of labels holds whole numbers, 0 where there is nothing; convert it to unsigned integers",
    channel="one",
    encodings=("raw", "compressed_segmentation", "png"),
    absent="that there is nothing",
    avoided="give a volume of labels without it",
    again="nothing was stored",
)
