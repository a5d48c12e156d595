"""One opened volume, and the tiles and boxes read from it.

Tiles that lie near each other are read together, in one of three ways that `_grouping.py` chooses between. Reads run
ahead of the batch being filled, as many as memory allows. What a tile shows depends on its point alone, never on the
grouping or the batch.

What does not belong here: file formats (`_arrays.py`), what volumes of labels share (`_opened.py`), the choice of reads
(`_grouping.py`), what they will cost (`plan.py`), the stored form of a tile (`tile_codec.py`), which synapses to cut.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._arrays import Array, open_array
from synapse_assets.volumes._context import Retries
from synapse_assets.volumes._grouping import Cost, Read, cost_of, grouped, reading_order
from synapse_assets.volumes._opened import Bools, Ints, Opened, voxel_of
from synapse_assets.volumes._values import GREY

__all__ = ["DownloadEstimate", "TileBatch", "Volume", "open_volume", "voxel_of"]

Bytes = npt.NDArray[np.uint8]

_BATCH_TILES = 256
# Below 32 MB the C library gives a batch memory that an earlier one has used, instead of fresh pages from the kernel.
_BATCH_BYTES = 16 * 2**20


@dataclass(frozen=True)
class TileBatch:
    """Tiles of some of the points that were asked for.

    `indices` int64 (n,): rows of the points asked for. `tiles` uint8 (n, sections, size_px, size_px): axes tile, z,
    y, x. `valid_fraction` float64 (n,): share of each tile's voxels that the volume has; the others are black (0).
    `missing_chunks`: chunks found absent since the batch before; over all batches of one pass every absent chunk that
    a tile touches is counted once.
    """

    indices: Ints
    tiles: Bytes
    valid_fraction: npt.NDArray[np.float64]
    missing_chunks: int


@dataclass(frozen=True)
class DownloadEstimate:
    """What cutting some tiles fetches: distinct `chunks` touched, `bytes` over the network (0 for a local volume)."""

    chunks: int
    bytes: int
    remote: bool

    def __str__(self) -> str:
        if not self.remote:
            return f"nothing over the network ({self.chunks:,} chunks from this machine)"
        size = f"{self.bytes / 1e9:,.1f} GB" if self.bytes >= 1e9 else f"{self.bytes / 1e6:.1f} MB"
        return f"about {size} over the network ({self.chunks:,} chunks)"


class Volume(Opened):
    """An opened volume of 8-bit grey values. Points are (N, 3) float, x, y, z in nanometres."""

    spec: VolumeSpec

    def __init__(self, array: Array, spec: VolumeSpec) -> None:
        """For `open_volume`, which is the way to one."""
        super().__init__(array, spec, spec.requests_per_second)

    def read_box(self, low_xyz: npt.ArrayLike, high_xyz: npt.ArrayLike) -> tuple[Bytes, Bools]:
        """The grey values of the voxels [low, high), whole numbers x, y, z, and which of them the volume has.

        Both arrays have axes z, y, x. What lies outside the volume, or in an absent chunk where `missing_chunks` is 'black', is
        0 and False. Raises BadInput where `low` exceeds `high`; otherwise as `read_tiles` does.
        """
        return self._box(low_xyz, high_xyz)

    def read_tiles(self, points_nm: npt.ArrayLike, tile: TileSpec) -> Iterator[TileBatch]:
        """The tile around each point (N, 3), lazily, in batches of at most 256 tiles and 16 MB, in spatial order.

        A tile covers the voxels [p - n // 2, p - n // 2 + n) around the point's voxel p, n being `size_px` along x
        and y and `sections` along z. What lies outside the volume is black and not valid. Every point is in exactly
        one batch.

        Raises BadInput naming the first point outside the volume, before anything is read; and naming the chunk where
        one is damaged, or absent unless the volume's `missing_chunks` is 'black': then its voxels are black and not
        valid. Raises ConnectionError where the network fails after retries, or takes longer than `timeout_s`.
        """
        return self._batches(*self.tile_boxes(points_nm, tile))

    def estimate_download(self, points_nm: npt.ArrayLike, tile: TileSpec) -> DownloadEstimate:
        """What cutting the tiles of these points would fetch. Raises BadInput for a point outside the volume.

        Bytes are the chunks' voxels, times 0.5 for JPEG (as FAFB's chunks are): an upper bound for other encodings.
        A chunk that falls out of memory between two tiles is counted again.
        """
        cost = self.reading_cost(points_nm, tile)
        return DownloadEstimate(cost.chunks, cost.bytes if self.array.remote else 0, self.array.remote)

    def reading_cost(self, points_nm: npt.ArrayLike, tile: TileSpec) -> Cost:
        """What `read_tiles` will do for these points, in chunks, bytes and tiles; nothing is read.

        Raises BadInput for a point outside the volume.
        """
        return cost_of(self.array, *self.tile_boxes(points_nm, tile))

    def reading_order(self, points_nm: npt.ArrayLike, tile: TileSpec) -> Ints:
        """The rows of the points (N,) in the order in which `read_tiles` comes to them: neighbours share chunks. Nothing is read.

        Raises BadInput for a point outside the volume.
        """
        start, size = self.tile_boxes(points_nm, tile)
        return reading_order(self.array, start, size)[0] if len(start) else np.empty(0, dtype=np.int64)

    def tile_boxes(self, points_nm: npt.ArrayLike, tile: TileSpec) -> tuple[Ints, Ints]:
        """First voxel (N, 3) of each point's tile, and the tile's shape (3,), z, y, x.

        Raises BadInput naming the first point outside the volume.
        """
        voxels = self.voxel_of(points_nm)
        low, high = self.bounds_voxels
        outside = np.flatnonzero(((voxels < low) | (voxels >= high)).any(axis=1))
        if len(outside):
            index = int(outside[0])
            raise BadInput(
                f"point {index} lies at voxel {voxels[index].tolist()} (xyz), outside the {self.array.where}, "
                "which spans "
                f"{low.tolist()} to {high.tolist()}; {len(outside)} of {len(voxels)} points do: check their units "
                "and the volume's voxel_size_nm and offset"
            )
        size = np.array([tile.sections, tile.size_px, tile.size_px], dtype=np.int64)
        return voxels[:, ::-1] - size // 2, size

    def _batches(self, start: Ints, size: Ints) -> Iterator[TileBatch]:
        shape = tuple(size.tolist())
        voxels = int(np.prod(size))
        capacity = max(1, min(_BATCH_TILES, _BATCH_BYTES // voxels))
        missing: set[int] = set()
        rows: list[int] = []
        reported = 0
        tiles, valid = np.empty((0, *shape), dtype=np.uint8), np.empty(0)
        for read, block, present in self._blocks(start, size, missing):
            # Plain numbers: a tile is copied in less time than numpy takes to add two of its small arrays.
            first = read.low.tolist()
            for row, corner, low, high in zip(
                read.rows.tolist(),
                start[read.rows].tolist(),
                read.tiles.low.tolist(),
                read.tiles.high.tolist(),
                strict=True,
            ):
                if not rows:
                    tiles, valid = np.empty((capacity, *shape), dtype=np.uint8), np.empty(capacity)
                tile = tiles[len(rows)]
                z, y, x = (slice(a - b, c - b) for a, b, c in zip(low, first, high, strict=True))
                voxels_inside = (high[0] - low[0]) * (high[1] - low[1]) * (high[2] - low[2])
                if voxels_inside == voxels:
                    tile[...] = block[z, y, x]
                else:
                    tile[...] = 0
                    tile[tuple(slice(a - b, c - b) for a, b, c in zip(low, corner, high, strict=True))] = block[z, y, x]
                if present is not None:
                    voxels_inside = int(np.count_nonzero(present[z, y, x]))
                valid[len(rows)] = voxels_inside / voxels
                rows.append(row)
                if len(rows) == capacity:
                    yield TileBatch(np.array(rows, dtype=np.int64), tiles, valid, len(missing) - reported)
                    rows, reported = [], len(missing)
        if rows:
            count = len(rows)
            yield TileBatch(np.array(rows, dtype=np.int64), tiles[:count], valid[:count], len(missing) - reported)

    def _blocks(self, start: Ints, size: Ints, missing: set[int]) -> Iterator[tuple[Read, Bytes, Bools | None]]:
        """One read after the other: its grey values, and which of them are there, or None for all."""
        readings = (
            (read, read.low, read.high, read.chunks, read.new_chunks)
            for groups in grouped(self.array, start, size)
            for read in groups.reads()
        )
        with closing(self._ahead(readings)) as reads:
            for read, future in reads:
                yield self._finished(read, future, missing)

    def _finished(self, read: Read, future: ts.Future, missing: set[int]) -> tuple[Read, Bytes, Bools | None]:
        place = self._place(read.rows)
        try:
            return read, self._answer(future, place), None
        except (BadInput, ConnectionError):
            raise
        except (ValueError, OSError):
            # Chunks that no tile touches stay black: what is asked for decides what fails, not the grouping.
            chunks = read.tiles.distinct_chunks(self.array)
            return read, *self._by_chunk(read.low, read.high, chunks, place, missing=missing)

    def _place(self, rows: Ints) -> str:
        near = f" or one of {len(rows) - 1} near it" if len(rows) > 1 else ""
        return f"{self.array.where}, at point {rows[0]}{near}"


def open_volume(spec: VolumeSpec, retries: Retries | None = None) -> Volume:
    """The volume that `spec` describes; its values are read when tiles are.

    Kinds: `precomputed` (neuroglancer; the scale whose resolution is `voxel_size_nm`; through cloud-volume where its
    chunks are compressed on disk, and for graphene://), `zarr` (2 or 3) and `n5` arrays, `hdf5` (one array in CREMI's
    layout), `images` (a folder of TIFF or PNG sections in the order of their names, numbers in them by value, or one TIFF
    file of many pages). The address is a path, `file://`, `http(s)://`, `gs://` or `s3://`, with or without `precomputed://` before
    it.

    Raises BadInput where the volume is absent, has no such scale, or is not 8-bit grey values of one channel.
    Raises ConnectionError where the network fails after retries, or gives no answer within `timeout_s`.
    """
    return Volume(open_array(spec, GREY, retries or Retries()), spec)
