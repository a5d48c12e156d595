"""One opened volume, and the tiles cut from it.

Points are grouped by local density before anything is read. Where tiles lie densely, the box around a group is read
once and the tiles are sliced from it in memory; where they lie apart, each is read by itself, in spatial order,
through a cache of decoded chunks. Reads run concurrently ahead of the batch being filled. What a tile shows depends
on its point alone, never on the grouping or the batch.

What does not belong here: file formats (`_arrays.py`), the stored form of a tile (`tile_codec.py`), which synapses to
cut.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.datasets import TileSpec, VolumeSpec
from synapse_assets.schema import BadInput
from synapse_assets.volumes._arrays import Array, is_missing_chunk, is_network_error, open_array

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

# A coordinate this far below a voxel's edge counts as on it: x_nm = voxel * 4.6 / 4.6 is not always >= voxel in
# floating point.
_EDGE_SLACK_VOXELS = 1e-6
_BATCH_TILES = 256
_BATCH_BYTES = 64 * 2**20
_BLOCK_VOXELS = 24 * 2**20
_IN_FLIGHT_VOXELS = 64 * 2**20
_IN_FLIGHT_READS = 32
# A read by itself costs about as much as copying this many voxels; measured with synapse_assets_tests.bench.tiles.
_READ_COST_VOXELS = 2**19
# Share of a block's chunks that no tile touches, above which the block is split: decoding is dearer than a further
# read.
_WASTED_CHUNKS = 0.15


@dataclass(frozen=True)
class TileBatch:
    """Tiles of some of the points that were asked for.

    `indices` int64 (n,): rows of the points asked for. `tiles` uint8 (n, sections, size_px, size_px): axes tile, z,
    y, x. `valid_fraction` float64 (n,): share of each tile's voxels that the volume has; the others are black (0).
    """

    indices: Ints
    tiles: Bytes
    valid_fraction: Floats


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


@dataclass(frozen=True)
class _Boxes:
    """Half-open boxes (n, 3), zyx voxels."""

    low: Ints
    high: Ints

    def of(self, rows: Ints) -> "_Boxes":
        return _Boxes(self.low[rows], self.high[rows])

    @property
    def hull(self) -> tuple[Ints, Ints]:
        return self.low.min(axis=0), self.high.max(axis=0)


def _slices(low: Ints, high: Ints) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


class Volume:
    """An opened volume of 8-bit grey values. Points are (N, 3) float, x, y, z in nanometres."""

    def __init__(self, array: Array, voxel_size_nm: tuple[float, float, float], black_for_missing: bool) -> None:
        """For `open_volume`, which is the way to one."""
        self._array = array
        self._black_for_missing = black_for_missing
        self.voxel_size_nm = voxel_size_nm

    def __repr__(self) -> str:
        low, high = self.bounds_voxels
        return f"<{self._array.where}, voxels {low.tolist()} to {high.tolist()} (xyz), {self.voxel_size_nm} nm>"

    @property
    def bounds_voxels(self) -> tuple[Ints, Ints]:
        """First voxel and one past the last, x, y, z."""
        return self._array.origin[::-1].copy(), (self._array.origin + self._array.shape)[::-1].copy()

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
        return np.floor(points / np.array(self.voxel_size_nm) + _EDGE_SLACK_VOXELS).astype(np.int64)

    def contains(self, points_nm: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether the voxel of each point lies in the volume, bool (N,). A point that is not finite lies nowhere."""
        points = np.asarray(points_nm, dtype=np.float64)
        finite = (np.abs(points) < 1e15).all(axis=-1, keepdims=True)
        voxels = self.voxel_of(np.where(finite, points, 0.0))
        low, high = self.bounds_voxels
        return np.asarray(((voxels >= low) & (voxels < high)).all(axis=1) & finite.reshape(-1))

    def read_tiles(self, points_nm: npt.ArrayLike, tile: TileSpec) -> Iterator[TileBatch]:
        """The tile around each point (N, 3), lazily, in batches of at most 256 tiles and 64 MB, in spatial order.

        A tile covers the voxels [p - n // 2, p - n // 2 + n) around the point's voxel p, n being `size_px` along x
        and y and `sections` along z. What lies outside the volume is black and not valid. Every point is in exactly
        one batch.

        Raises BadInput naming the first point outside the volume, before anything is read; and naming the chunk where
        one is absent, unless the volume's `missing_chunks` is 'black': then its voxels are black and not valid.
        Raises ConnectionError where the network fails after retries.
        """
        boxes = self._boxes(points_nm, tile)
        size = (tile.sections, tile.size_px, tile.size_px)
        capacity = max(1, min(_BATCH_TILES, _BATCH_BYTES // int(np.prod(size))))
        return self._batches(boxes, size, capacity)

    def estimate_download(self, points_nm: npt.ArrayLike, tile: TileSpec) -> DownloadEstimate:
        """What cutting the tiles of these points would fetch. Raises BadInput for a point outside the volume.

        Bytes are the chunks' voxels, times 0.5 for JPEG (as FAFB's chunks are): an upper bound for other encodings,
        if nothing is fetched twice.
        """
        low, high = self._chunks_of(self._clipped(self._boxes(points_nm, tile)))
        array = self._array
        grid = -(-(array.origin + array.shape - array.grid_origin) // array.chunk_shape) + 1
        distinct = np.empty(0, dtype=np.int64)
        for start in range(0, len(low), 100_000):
            part_low, part_high = low[start : start + 100_000], high[start : start + 100_000]
            keys = [distinct]
            for step in np.ndindex(*(part_high - part_low).max(axis=0)):
                cell = part_low + step
                z, y, x = cell[(cell < part_high).all(axis=1)].T
                keys.append(np.unique((z * grid[1] + y) * grid[2] + x))
            distinct = np.unique(np.concatenate(keys))
        bytes_per_chunk = float(np.prod(np.minimum(array.chunk_shape, array.shape))) * array.bytes_per_voxel
        return DownloadEstimate(
            len(distinct), round(len(distinct) * bytes_per_chunk) if array.remote else 0, array.remote
        )

    def _boxes(self, points_nm: npt.ArrayLike, tile: TileSpec) -> _Boxes:
        voxels = self.voxel_of(points_nm)
        low, high = self.bounds_voxels
        outside = np.flatnonzero(((voxels < low) | (voxels >= high)).any(axis=1))
        if len(outside):
            index = int(outside[0])
            raise BadInput(
                f"point {index} lies at voxel {voxels[index].tolist()} (xyz), outside the {self._array.where}, "
                "which spans "
                f"{low.tolist()} to {high.tolist()}; {len(outside)} of {len(voxels)} points do: check their units "
                "and the volume's voxel_size_nm and offset"
            )
        size = np.array([tile.sections, tile.size_px, tile.size_px], dtype=np.int64)
        start = voxels[:, ::-1] - size // 2
        return _Boxes(start, start + size)

    def _clipped(self, boxes: _Boxes) -> _Boxes:
        low, high = self._array.origin, self._array.origin + self._array.shape
        return _Boxes(np.maximum(boxes.low, low), np.minimum(boxes.high, high))

    def _chunks_of(self, boxes: _Boxes) -> tuple[Ints, Ints]:
        array = self._array
        return (boxes.low - array.grid_origin) // array.chunk_shape, -(
            -(boxes.high - array.grid_origin) // array.chunk_shape
        )

    def _batches(self, boxes: _Boxes, size: tuple[int, int, int], capacity: int) -> Iterator[TileBatch]:
        inside = self._clipped(boxes)
        rows: list[int] = []
        tiles = np.zeros((0, *size), dtype=np.uint8)
        valid = np.zeros(0)
        for group, start, block, present in self._blocks(inside):
            for row in group:
                if not rows:
                    tiles, valid = np.zeros((capacity, *size), dtype=np.uint8), np.zeros(capacity)
                low, high = inside.low[row], inside.high[row]
                into = _slices(low - boxes.low[row], high - boxes.low[row])
                source = _slices(low - start, high - start)
                tiles[len(rows)][into] = block[source]
                there = int(np.prod(high - low)) if present is None else int(np.count_nonzero(present[source]))
                valid[len(rows)] = there / float(np.prod(size))
                rows.append(int(row))
                if len(rows) == capacity:
                    yield TileBatch(np.array(rows, dtype=np.int64), tiles, valid)
                    rows = []
        if rows:
            yield TileBatch(np.array(rows, dtype=np.int64), tiles[: len(rows)], valid[: len(rows)])

    def _blocks(self, boxes: _Boxes) -> Iterator[tuple[Ints, Ints, Bytes, npt.NDArray[np.bool_] | None]]:
        """(rows, first voxel, grey values, which of them are there or None for all) of one group after the other."""
        waiting: deque[tuple[Ints, Ints, Ints, ts.Future]] = deque()
        in_flight = 0
        for group in self._groups(boxes):
            low, high = boxes.of(group).hull
            waiting.append((group, low, high, self._array.store[_slices(low, high)].read()))
            in_flight += int(np.prod(high - low))
            while len(waiting) > _IN_FLIGHT_READS or (in_flight > _IN_FLIGHT_VOXELS and len(waiting) > 1):
                in_flight -= int(np.prod(waiting[0][2] - waiting[0][1]))
                yield self._finished(*waiting.popleft())
        while waiting:
            yield self._finished(*waiting.popleft())

    def _finished(
        self, group: Ints, low: Ints, high: Ints, future: ts.Future
    ) -> tuple[Ints, Ints, Bytes, npt.NDArray[np.bool_] | None]:
        try:
            return group, low, future.result(), None
        except BadInput:
            raise
        except Exception as error:
            if not is_missing_chunk(error) or not self._black_for_missing:
                raise self._explained(error, group) from error
        return group, low, *self._with_gaps(group, low, high)

    def _with_gaps(self, group: Ints, low: Ints, high: Ints) -> tuple[Bytes, npt.NDArray[np.bool_]]:
        """The box [low, high) chunk by chunk, and which of its voxels lie in a chunk that is there."""
        block = np.zeros(high - low, dtype=np.uint8)
        present = np.zeros(high - low, dtype=np.bool_)
        chunk_low, chunk_high = self._chunks_of(_Boxes(low, high))
        for cell in np.ndindex(*(chunk_high - chunk_low)):
            corner = self._array.grid_origin + (chunk_low + cell) * self._array.chunk_shape
            a, b = np.maximum(corner, low), np.minimum(corner + self._array.chunk_shape, high)
            part = _slices(a - low, b - low)
            try:
                block[part] = self._array.store[_slices(a, b)].read().result()
            except ValueError as error:
                if not is_missing_chunk(error):
                    raise self._explained(error, group) from error
            else:
                present[part] = True
        return block, present

    def _explained(self, error: Exception, group: Ints) -> Exception:
        where = f"{self._array.where}, at point {group[0]}" + (
            f" or one of {len(group) - 1} near it" if len(group) > 1 else ""
        )
        if is_missing_chunk(error):
            return BadInput(
                f"{where}: {str(error).removeprefix('NOT_FOUND: ')}. Complete the volume, or set missing_chunks: "
                "black in the dataset if absent chunks mean black there"
            )
        if is_network_error(error):
            return ConnectionError(f"{where}: {error}")
        return BadInput(f"{where}: a chunk cannot be read: {error}")

    def _groups(self, boxes: _Boxes) -> Iterator[Ints]:
        """Rows that are read together, each row once, neighbours one after the other."""
        if len(boxes.low) == 0:
            return
        stack = [np.arange(len(boxes.low))]
        while stack:
            rows = stack.pop()
            part = boxes.of(rows)
            if len(rows) == 1 or self._is_dense(part):
                yield rows
                continue
            first, last = part.low.min(axis=0), part.low.max(axis=0)
            axis = int(np.argmax((last - first) / self._array.chunk_shape))
            before = part.low[:, axis] < (first[axis] + last[axis] + 1) // 2
            stack += [rows[~before], rows[before]]

    def _is_dense(self, boxes: _Boxes) -> bool:
        """Whether one read of the box around all of `boxes` is cheaper than reading each of them."""
        low, high = boxes.hull
        voxels = int(np.prod(high - low))
        if (boxes.low == low).all() and (boxes.high == high).all():
            return True
        wanted = int(np.prod(boxes.high - boxes.low, axis=1).sum())
        if voxels > _BLOCK_VOXELS or voxels > wanted + len(boxes.low) * _READ_COST_VOXELS:
            return False
        chunk_low, chunk_high = self._chunks_of(boxes)
        first = chunk_low.min(axis=0)
        # How many boxes touch each chunk, from marks at the boxes' corners summed along the three axes.
        touched = np.zeros(chunk_high.max(axis=0) - first + 1, dtype=np.int32)
        for corner in np.ndindex(2, 2, 2):
            z, y, x = np.where(np.array(corner, dtype=bool), chunk_high, chunk_low).T - first[:, None]
            np.add.at(touched, (z, y, x), -1 if sum(corner) % 2 else 1)
        touched = touched.cumsum(0).cumsum(1).cumsum(2)[:-1, :-1, :-1]
        return float(np.mean(touched == 0)) <= (0.0 if self._array.remote else _WASTED_CHUNKS)


def open_volume(spec: VolumeSpec) -> Volume:
    """The volume that `spec` describes; its values are read when tiles are.

    Kinds: `precomputed` (neuroglancer; the scale whose resolution is `voxel_size_nm`), `zarr` (2 or 3) and `n5`
    arrays, `images` (a folder of TIFF or PNG sections in the order of their names, numbers in them by value). The
    address is a path, file://, http(s)://, gs:// or s3://, with or without precomputed:// before it.

    Raises BadInput where the volume is absent, has no such scale, is not 8-bit or not of one channel, or holds chunks
    compressed under names that would read as absent. Raises ConnectionError where the network fails after retries.
    """
    return Volume(open_array(spec), spec.voxel_size_nm, spec.missing_chunks == "black")
