"""What Neuroglancer in the browser of the same machine may fetch from here: the volumes and maps of a release, in its precomputed format.

Nothing is copied and no file is named in an address: a chunk is read as any box of a volume is, so that volumes of every kind on this
machine are the same. Which pages of other sites are answered at all belongs to `web`; links, to `neuroglancer`.
"""

import hashlib
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from synapse_assets.errors import BadInput
from synapse_assets.explorer import neuroglancer
from synapse_assets.query.detection import DetectionResults, MapBlock, Voxel
from synapse_assets.stores.files import endpoint

if TYPE_CHECKING:
    from synapse_assets.volumes import Volume

# What `web.Guard` lends to Neuroglancer's pages, and nothing else.
LENT = re.compile(r"/[a-z0-9_]+/precomputed/[0-9a-f]{16}/(info|s[0-9]/-?\d+--?\d+_-?\d+--?\d+_-?\d+--?\d+)", re.ASCII)
_BOX = re.compile(r"(-?\d{1,15})-(-?\d{1,15})", re.ASCII)
# Voxels, and bytes, of a chunk that is sent.
_CHUNK_VOXELS = 2**20
# Of a chunk that is decoded for it, perhaps again for each of its parts.
_MOST_DECODED = 2**26
_SCALES = 8
_AT_ONCE = threading.BoundedSemaphore(4)


@dataclass(frozen=True)
class Layer:
    """A volume of a release, or the whole map that `block` has a part in."""

    results: DetectionResults
    volume: str
    block: MapBlock | None = None

    @cached_property
    def key(self) -> str:
        """Its name in addresses: 16 hexadecimal digits."""
        parts = [self.volume] if self.block is None else [self.volume, self.block.path]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def scales(self) -> list[Voxel]:
        """Its scales, the finest first; a map has one."""
        return self.results.scales(self.volume)[:_SCALES] if self.block is None else [(1, 1, 1)]

    def opened(self, number: int) -> "Volume":
        """A scale of it. Raises BadInput where it cannot be opened."""
        if self.block is not None:
            return self.results.opened_map(self.volume, self.block)
        return self.results.opened(self.volume, self.scales[number])

    def info(self) -> dict[str, Any]:
        """The file `info` of the format: 8-bit values of one channel in raw chunks. Raises BadInput where it cannot be opened."""
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": "image",
            "data_type": "uint8",
            "num_channels": 1,
            "scales": [self._scale(number) for number in range(len(self.scales))],
        }

    def chunk(self, scale: str, name: str) -> bytes | None:
        """The bytes of a chunk, x fastest; None where there is no chunk of that name, or nothing in it.

        Raises BadInput where it cannot be read, ConnectionError where the network fails.
        """
        boxes = [_BOX.fullmatch(part) for part in name.split("_")]
        if scale not in (f"s{number}" for number in range(len(self.scales))) or len(boxes) != 3 or None in boxes:
            return None
        number = int(scale[1:])
        low = np.array([int(box[1]) for box in boxes if box])
        high = np.array([int(box[2]) for box in boxes if box])
        volume = self.opened(number)
        first, last = volume.bounds_voxels
        size = np.array(_chunk_size(volume))
        is_chunk = (low >= first) & (low < last) & ((low - first) % size == 0) & (high == np.minimum(low + size, last))
        if not is_chunk.all():
            return None
        with _AT_ONCE:
            values, there = volume.read_box(low, high)
            return values.tobytes() if there.any() else None

    def why_not(self) -> str:
        """Why it is not served, if so: decoding it would take too much for each chunk that is sent."""
        decoded = int(np.prod(self.opened(0).array.chunk_shape))
        if decoded <= _MOST_DECODED:
            return ""
        return f"its files are read in pieces of {decoded:,} voxels, too large to be cut into chunks while a page waits: write it as zarr"

    def _scale(self, number: int) -> dict[str, Any]:
        volume = self.opened(number)
        low, high = volume.bounds_voxels
        return {
            "key": f"s{number}",
            "size": (high - low).tolist(),
            "voxel_offset": low.tolist(),
            "chunk_sizes": [_chunk_size(volume)],
            "resolution": list(volume.voxel_size_nm),
            "encoding": "raw",
        }


def layers_of(results: DetectionResults) -> dict[str, Layer]:
    """The volumes and maps of a release that lie on this machine, by their keys."""
    layers = []
    for volume in results.volumes:
        # A dataset file may have lost one since.
        with suppress(BadInput):
            if not is_far(results.spec(volume).url):
                layers.append(Layer(results, volume))
        maps = {block.path: block for block in results.maps(volume) if not is_far(results.map_address(block))}
        layers += [Layer(results, volume, block) for block in maps.values()]
    return {layer.key: layer for layer in layers}


def is_far(address: str) -> bool:
    """Whether an address is not a place on this machine."""
    return "://" in address and not address.startswith("file://")


def source(layer: Layer, dataset: str, base: str) -> str:
    """How Neuroglancer is told of a layer that is served here. base: address of this server, dataset: the explorer's entry."""
    return f"precomputed://{base}/{quote(dataset, safe='')}/precomputed/{layer.key}"


def source_of_map(results: DetectionResults, volume: str, block: MapBlock, dataset: str, base: str) -> str | None:
    """How Neuroglancer is told of the map that a block has a part in; None where it cannot reach it. base: "" for a server that is not
    of this machine."""
    address = results.map_address(block)
    if is_far(address):
        # An address on object storage of one's own means another place to a browser.
        return None if address.startswith("s3://") and endpoint() else f"precomputed://{address}"
    return source(Layer(results, volume, block), dataset, base) if base else None


def source_of_volume(results: DetectionResults, volume: str, dataset: str, base: str) -> tuple[str | None, str]:
    """The same for a volume, and why not if it cannot reach it."""
    spec = results.spec(volume)
    if is_far(spec.url):
        remote = neuroglancer.source_of(spec)
        return remote, "" if remote else f"Neuroglancer does not read volumes of kind {spec.kind}"
    if not base:
        return None, (
            "the volume lies on the server's machine, and is given to Neuroglancer only in a browser there, at 127.0.0.1"
        )
    layer = Layer(results, volume)
    reason = layer.why_not()
    return (None, reason) if reason else (source(layer, dataset, base), "")


def _chunk_size(volume: "Volume") -> list[int]:
    """Size of the chunks that are sent, x, y, z: those that are decoded, halved until they are small enough."""
    size = [int(side) for side in volume.array.chunk_shape[::-1]]
    while np.prod(size) > _CHUNK_VOXELS:
        longest = size.index(max(size))
        size[longest] = -(-size[longest] // 2)
    return size
