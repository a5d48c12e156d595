"""One opened volume, and the tiles cut from it.

Tiles that lie near each other are read together, in one of three ways that `_grouping.py` chooses between. Reads run
ahead of the batch being filled, as many as memory allows. What a tile shows depends on its point alone, never on the
grouping or the batch.

What does not belong here: file formats (`_arrays.py`), the choice of reads (`_grouping.py`), what they will cost
(`plan.py`), the stored form of a tile (`tile_codec.py`), which synapses to cut.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._arrays import Array, is_missing_chunk, is_network_error, open_array
from synapse_assets.volumes._context import Retries
from synapse_assets.volumes._errors import is_refusal
from synapse_assets.volumes._grouping import Cost, Read, chunk_id, cost_of, grouped

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

# A coordinate this far below a voxel's edge counts as on it: x_nm = voxel * 4.6 / 4.6 is not always >= voxel in
# floating point.
_EDGE_SLACK_VOXELS = 1e-6
_BATCH_TILES = 256
# Below 32 MB the C library gives a batch memory that an earlier one has used, instead of fresh pages from the kernel.
_BATCH_BYTES = 16 * 2**20
# Voxels of the chunks that reads on their way will decode, whether or not they share them.
_IN_FLIGHT_VOXELS = 64 * 2**20
_IN_FLIGHT_READS = 256


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


class _Pace:
    """Lets so many requests pass in a second, on average: who asks for many at once makes the next one wait."""

    def __init__(self, per_second: float | None) -> None:
        self._seconds = 1 / per_second if per_second else 0.0
        self._free_at = 0.0

    def wait(self, requests: float) -> None:
        if self._seconds:
            now = time.monotonic()
            if self._free_at > now:
                time.sleep(self._free_at - now)
            self._free_at = max(now, self._free_at) + requests * self._seconds


def _slices(low: Ints, high: Ints) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def voxel_of(points_nm: npt.NDArray[np.float64], voxel_size_nm: tuple[float, float, float]) -> Ints:
    """The voxel (N, 3) that each point (N, 3) lies in, x y z; a millionth of a voxel below an edge counts as on it."""
    return np.floor(points_nm / np.array(voxel_size_nm) + _EDGE_SLACK_VOXELS).astype(np.int64)


class Volume:
    """An opened volume of 8-bit grey values. Points are (N, 3) float, x, y, z in nanometres."""

    def __init__(self, array: Array, spec: VolumeSpec) -> None:
        """For `open_volume`, which is the way to one."""
        self.array = array
        self.spec = spec
        self._pace = _Pace(spec.requests_per_second if array.remote else None)

    def __repr__(self) -> str:
        low, high = self.bounds_voxels
        return f"<{self.array.where}, voxels {low.tolist()} to {high.tolist()} (xyz), {self.spec.voxel_size_nm} nm>"

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Size of one voxel along x, y, z in nanometres."""
        return self.spec.voxel_size_nm

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the volume's files leave open and the user has to judge, a sentence each."""
        return self.array.remarks

    @property
    def bounds_voxels(self) -> tuple[Ints, Ints]:
        """First voxel and one past the last, x, y, z."""
        return self.array.origin[::-1].copy(), (self.array.origin + self.array.shape)[::-1].copy()

    def voxel_of(self, points_nm: npt.ArrayLike) -> Ints:
        """The voxel (N, 3) x, y, z that each point (N, 3) lies in: floor(nm / voxel size).

        A point less than a millionth of a voxel below an edge counts as on it. Raises BadInput naming the first point
        that is not finite.
        """
        points = np.asarray(points_nm, dtype=np.float64)
        if points.size == 0:
            points = points.reshape(0, 3)
        if points.ndim != 2 or points.shape[1] != 3:
            raise BadInput(f"points have shape {points.shape}, but they are one row each of x, y, z in nanometres")
        bad = np.flatnonzero(~(np.abs(points) < 1e15).all(axis=1))
        if len(bad):
            raise BadInput(
                f"point {bad[0]} is {points[bad[0]].tolist()} nm (xyz), which is no place; {len(bad)} point(s) are "
                "like it"
            )
        return voxel_of(points, self.spec.voxel_size_nm)

    def contains(self, points_nm: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether the voxel of each point lies in the volume, bool (N,). A point that is not finite lies nowhere."""
        points = np.asarray(points_nm, dtype=np.float64)
        finite = (np.abs(points) < 1e15).all(axis=-1, keepdims=True)
        voxels = self.voxel_of(np.where(finite, points, 0.0))
        low, high = self.bounds_voxels
        return np.asarray(((voxels >= low) & (voxels < high)).all(axis=1) & finite.reshape(-1))

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
        waiting: deque[tuple[Read, ts.Future]] = deque()
        most_chunks = max(1, _IN_FLIGHT_VOXELS // int(np.prod(self.array.chunk_shape)))
        in_flight = 0
        try:
            for groups in grouped(self.array, start, size):
                for read in groups.reads():
                    self._pace.wait(read.new_chunks)
                    waiting.append((read, self.array.store[_slices(read.low, read.high)].read()))
                    in_flight += read.chunks
                    while len(waiting) > 1 and (len(waiting) > _IN_FLIGHT_READS or in_flight > most_chunks):
                        in_flight -= waiting[0][0].chunks
                        yield self._finished(*waiting.popleft(), missing)
            while waiting:
                yield self._finished(*waiting.popleft(), missing)
        finally:
            for _, future in waiting:
                future.cancel()

    def _answer(self, future: ts.Future, rows: Ints) -> Bytes:
        """What a read has brought. Raises ConnectionError where the network failed, else tensorstore's own error."""
        try:
            return np.asarray(future.result(timeout=self.spec.timeout_s if self.array.remote else None))
        except TimeoutError as error:
            raise ConnectionError(
                f"{self._place(rows)}: no answer within timeout_s = {self.spec.timeout_s:g} seconds. The other side or "
                "the connection is slow: run again later, or raise timeout_s of the volume in the dataset's YAML"
            ) from error
        except ValueError as error:
            if not is_network_error(error):
                raise
            raise ConnectionError(
                f"{self._place(rows)}: {error}. Run again later: what is cut already stays; if the other side asks for "
                "fewer requests (429), set requests_per_second of the volume in the dataset's YAML"
            ) from error

    def _finished(self, read: Read, future: ts.Future, missing: set[int]) -> tuple[Read, Bytes, Bools | None]:
        try:
            return read, self._answer(future, read.rows), None
        except (BadInput, ConnectionError):
            raise
        except (ValueError, OSError):
            return read, *self._chunk_by_chunk(read, missing)

    def _chunk_by_chunk(self, read: Read, missing: set[int]) -> tuple[Bytes, Bools]:
        """The box of a read that failed, and which of its voxels lie in a chunk that is there.

        Chunks that no tile touches stay black: what is asked for decides what fails, not the grouping.
        """
        array = self.array
        block = np.zeros(read.high - read.low, dtype=np.uint8)
        present = np.zeros(read.high - read.low, dtype=np.bool_)
        reads = []
        for chunk in read.tiles.distinct_chunks(array):
            corner = array.grid_origin + chunk * array.chunk_shape
            low, high = np.maximum(corner, read.low), np.minimum(corner + array.chunk_shape, read.high)
            part = _slices(low - read.low, high - read.low)
            reads.append((chunk, corner, part, array.store[_slices(low, high)].read()))
        for chunk, corner, part, future in reads:
            try:
                block[part] = self._answer(future, read.rows)
            except (BadInput, ConnectionError):
                raise
            except (ValueError, OSError) as error:
                if not is_missing_chunk(error) or self.spec.missing_chunks != "black":
                    raise self._explained(error, corner, read.rows) from error
                missing.add(chunk_id(array, *chunk.tolist()))
            else:
                present[part] = True
        return block, present

    def _place(self, rows: Ints) -> str:
        near = f" or one of {len(rows) - 1} near it" if len(rows) > 1 else ""
        return f"{self.array.where}, at point {rows[0]}{near}"

    def _explained(self, error: Exception, corner: Ints, rows: Ints) -> BadInput:
        """What is wrong with the chunk whose first voxel is `corner`, z, y, x."""
        low = np.maximum(corner, self.array.origin)[::-1]
        high = np.minimum(corner + self.array.chunk_shape, self.array.origin + self.array.shape)[::-1]
        chunk = f"{self._place(rows)}: the chunk of voxels {low.tolist()} to {high.tolist()} (xyz)"
        if is_missing_chunk(error):
            return BadInput(
                f"{chunk} is missing: {str(error).removeprefix('NOT_FOUND: ')}. Complete the volume, or set "
                "missing_chunks: black in the dataset if absent chunks mean black there"
            )
        if is_refusal(error):
            return BadInput(
                f"{chunk} may not be read: {error}. Check the url, and for a volume that is not public the credentials "
                "of this machine; some buckets answer so for absent chunks"
            )
        return BadInput(
            f"{chunk} cannot be read: {error}. It is damaged: copy or write this chunk again from its source, or leave "
            "out the synapses whose tiles touch it"
        )


def open_volume(spec: VolumeSpec, retries: Retries | None = None) -> Volume:
    """The volume that `spec` describes; its values are read when tiles are.

    Kinds: `precomputed` (neuroglancer; the scale whose resolution is `voxel_size_nm`; through cloud-volume where its
    chunks are compressed on disk, and for graphene://), `zarr` (2 or 3) and `n5` arrays, `hdf5` (one array in CREMI's
    layout), `images` (a folder of TIFF or PNG sections in the order of their names, numbers in them by value, or one TIFF
    file of many pages). The address is a path, file://, http(s)://, gs:// or s3://, with or without precomputed:// before
    it.

    Raises BadInput where the volume is absent, has no such scale, or is not 8-bit grey values of one channel.
    Raises ConnectionError where the network fails after retries, or gives no answer within `timeout_s`.
    """
    return Volume(open_array(spec, retries or Retries()), spec)
