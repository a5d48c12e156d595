"""Maps of probabilities as neuroglancer precomputed volumes, chunk by chunk, so that what is there need not be computed again.

What the probabilities are of, and which chunks a block needs, does not belong here.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.errors import BadInput
from synapse_assets.stores.files import Files, endpoint, storage_explained

Corner = tuple[int, int, int]  # z, y, x
Bytes = npt.NDArray[np.uint8]

_INFO, _SCALE = "info", "map"
# Level 1 makes a map of 2 % marked pixels seven times smaller than raw at 190 million pixels a second; higher levels take five times as
# long for a fifth less.
_PNG_LEVEL = 1


# As many as all other files are tried with: a run is started again by itself.
_RETRIES = {f"{kind}_request_retries": {"max_retries": 3, "initial_delay": "0.5s"} for kind in ("s3", "gcs")}


@dataclass(frozen=True)
class VolumeMap:
    """One map, uint8 (255 is certain), in `folder`: its pixels [low, high), z, y, x, in chunks of the shape `chunk` counted from `low`.

    A pixel has the size `pixel_size_nm` (x, y, z), and pixel 0 begins at 0 nm, so that Neuroglancer shows the map where its volume is.
    made_from: what decides the values; a map that was made from something else, or has other bounds or chunks, is removed when this one is
    first written to. A chunk is there as a whole or not at all, also one of zeros.
    """

    folder: Files
    low: Corner
    high: Corner
    chunk: Corner
    pixel_size_nm: tuple[float, float, float]
    made_from: str
    _there: set[Corner] = field(default_factory=set, init=False, repr=False, compare=False)

    def read(self, low: Corner, high: Corner) -> Bytes:
        """The pixels [low, high), uint8 (z, y, x). Raises BadInput for a box that reaches beyond the map or into chunks that are absent."""
        if not all(a <= b <= c <= d for a, b, c, d in zip(self.low, low, high, self.high, strict=True)):
            raise BadInput(f"{self.folder.root} spans pixels {self.low} to {self.high} (z, y, x), not {low} to {high}")
        absent = self.missing_chunks(low, high)
        if absent:
            raise BadInput(
                f"{self.folder.root}: the map from {absent[0][0]} to {absent[0][1]} (z, y, x) is not there, and {len(absent) - 1} other "
                "chunks: materialise probability_maps of the block again"
            )
        with self._explained():
            return np.asarray(self._array[_slices(low, high)].read().result())

    def missing_chunks(self, low: Corner, high: Corner) -> list[tuple[Corner, Corner]]:
        """First pixel and one past the last of the chunks that the box [low, high) touches and that are absent, in the order z, y, x."""
        current = self.is_current
        return [box for box in self.chunks(low, high) if not (current and self._has(*box))]

    def chunks(self, low: Corner, high: Corner) -> Iterator[tuple[Corner, Corner]]:
        """First pixel and one past the last of all chunks that the box [low, high) touches, in the order z, y, x."""
        if any(a >= b for a, b in zip(low, high, strict=True)):
            return
        ranges = [
            range(start + (first - start) // side * side, end, side)
            for first, end, start, side in zip(low, high, self.low, self.chunk, strict=True)
        ]
        for z, y, x in product(*ranges):
            ends = (min(a + b, c) for a, b, c in zip((z, y, x), self.chunk, self.high, strict=True))
            yield (z, y, x), _corner(ends)

    def write_chunk(self, low: Corner, values: Bytes) -> None:
        """Writes the chunk whose first pixel is `low`: uint8 (z, y, x), as large as the chunk is. Raises BadInput for another shape."""
        ((first, end),) = self.chunks(low, _corner(edge + 1 for edge in low))
        shape = _corner(b - a for a, b in zip(first, end, strict=True))
        if first != low or values.shape != shape:
            raise BadInput(
                f"{self.folder.root}: the chunk at {first} has the shape {shape}, not {values.shape} at {low}"
            )
        if not self.is_current:
            if self.folder.exists(_INFO):
                # The pixels first: where this is interrupted, what is left is not taken for this map.
                self.folder.remove(_SCALE)
            self.folder.write_json(_INFO, self._info)
        with self._explained():
            self._array[_slices(first, end)].write(values).result()
        self._there.add(low)

    @property
    def is_current(self) -> bool:
        """Whether what the folder holds is of this map: made from the same, with the same bounds and chunks."""
        # Once it is, only a removal from outside could change that.
        if not self._there:
            return bool(self.folder.read_json(_INFO) == self._info)
        return True

    @property
    def _info(self) -> dict[str, Any]:
        """The file 'info' of the format, whose lists are x, y, z, and beside it what the map was made from."""
        scale = {
            "key": _SCALE,
            "size": [b - a for a, b in zip(self.low, self.high, strict=True)][::-1],
            "voxel_offset": list(self.low[::-1]),
            "chunk_sizes": [list(self.chunk[::-1])],
            "resolution": list(self.pixel_size_nm),
            "encoding": "png",
            "png_level": _PNG_LEVEL,
        }
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": "image",
            "data_type": "uint8",
            "num_channels": 1,
            "scales": [scale],
            "made_from": self.made_from,
        }

    @cached_property
    def _array(self) -> ts.TensorStore:
        """The array, z, y, x, once the file 'info' is there. Chunks of zeros are written like others; nothing is kept in memory."""
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": _kvstore(self.folder),
                "scale_index": 0,
                "fill_missing_data_reads": False,
                "store_data_equal_to_fill_value": True,
            },
            context=ts.Context({"cache_pool": {"total_bytes_limit": 0}, **_RETRIES}),
            open=True,
        ).result()
        return store[ts.d["channel"][0]].transpose(["z", "y", "x"])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Around work with tensorstore, whose errors are ValueErrors that begin with a kind."""
        with storage_explained(self.folder.root):
            try:
                yield
            except ValueError as error:
                if str(error).startswith(
                    ("DATA_LOSS", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND")
                ):
                    raise BadInput(
                        f"{self.folder.root} is damaged: remove this folder, and materialise probability_maps again. It says: {error}"
                    ) from error
                raise OSError(str(error)) from error

    def _has(self, low: Corner, high: Corner) -> bool:
        if low in self._there:
            return True
        name = "_".join(f"{a}-{b}" for a, b in zip(low[::-1], high[::-1], strict=True))
        there = self.folder.exists(f"{_SCALE}/{name}")
        if there:
            self._there.add(low)
        return there


def _kvstore(files: Files) -> dict[str, Any]:
    """tensorstore's description of the folder, which is reached with the same credentials and endpoint as all other files."""
    if files.is_local:
        return {"driver": "file", "path": f"{files.path}/"}
    scheme, _, rest = files.root.partition("://")
    bucket, _, path = rest.partition("/")
    spec: dict[str, Any] = {"driver": {"gs": "gcs"}.get(scheme, scheme), "bucket": bucket, "path": f"{path}/"}
    if scheme == "s3" and endpoint():
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        spec |= {"endpoint": endpoint().rstrip("/"), "aws_region": region}
    return spec


def _slices(low: Corner, high: Corner) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def _corner(edges: Iterable[int]) -> Corner:
    z, y, x = edges
    return z, y, x
