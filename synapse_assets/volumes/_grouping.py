"""Which reads cut which tiles: the one choice that the reader follows and the plan counts.

The volume is divided into cells of whole chunks, about 8 million voxels each. The tiles whose centres share a cell
are a group, and groups follow one another along a curve that keeps neighbours together, so that chunks on the border
of two cells are still in memory when the second needs them. A group is cut in one of three ways:

    block    the box around all its tiles is read once, and the tiles are sliced from it in memory
    cached   tile after tile, in the order of their chunks, through the cache of decoded chunks
    single   the same, but no two of its tiles share a chunk: nothing is there to be saved

Costs are counted in voxels copied: a read costs as much as copying `_READ_COST` voxels, whatever its size, and
decoding a voxel as much as copying three (JPEG: 24). So a block is taken where it fits in memory, and copying the whole
box and decoding those of its chunks that no tile touches is cheaper than copying the tiles and paying for a read of
each. Over a network, where bytes are what costs, it is taken only if there are no such chunks.

Everything works on arrays over many cells at once, in memory that does not grow with the number of points. What does
not belong here: reading (`volume.py`), hours and gigabytes (`plan.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from synapse_assets.volumes._arrays import Array
from synapse_assets.volumes._context import CACHE_BYTES

Ints = npt.NDArray[np.int64]
_Number = TypeVar("_Number", int, Ints)

_CELL_VOXELS = 12 * 2**20
_BLOCK_VOXELS = 32 * 2**20
# In voxels copied, about 0.3 ns each: measured with benchmarks.tiles.
_READ_COST = 2**18
_DECODING_COST = 3
_JPEG_DECODING_COST = 24
# Pairs of a group and a chunk that are processed together: some 50 bytes each.
_PAIRS_AT_ONCE = 2**20


class ReadMode(IntEnum):
    """How the tiles of a group are cut."""

    SINGLE = 0
    CACHED = 1
    BLOCK = 2


@dataclass(frozen=True)
class Boxes:
    """Half-open boxes of voxels: `low` and `high` are int64 (n, 3), z, y, x."""

    low: Ints
    high: Ints

    def of(self, rows: Ints | npt.NDArray[np.bool_]) -> "Boxes":
        """Some of the boxes."""
        return Boxes(self.low[rows], self.high[rows])

    @property
    def voxels(self) -> Ints:
        """Voxels of each box (n,)."""
        return np.prod(self.high - self.low, axis=1)

    def clipped(self, array: Array) -> "Boxes":
        """Their parts inside the volume."""
        return Boxes(np.maximum(self.low, array.origin), np.minimum(self.high, array.origin + array.shape))

    def chunks(self, array: Array) -> "Boxes":
        """The chunks that they touch, as boxes of chunk numbers along each axis."""
        low, high = self.low - array.grid_origin, self.high - array.grid_origin
        return Boxes(low // array.chunk_shape, -(-high // array.chunk_shape))

    def distinct_chunks(self, array: Array) -> Ints:
        """Each chunk that any of the boxes touches, once: its number along each axis (m, 3)."""
        chunks = self.chunks(array)
        hull = Boxes(chunks.low.min(axis=0)[None], chunks.high.max(axis=0)[None])
        marks, _ = _touched_chunks(chunks, np.zeros(len(chunks.low), dtype=np.int64), hull)
        return np.argwhere(marks.reshape((hull.high - hull.low)[0])) + hull.low


@dataclass(frozen=True)
class Read:
    """One box of voxels [low, high), z, y, x, to be read for the tiles of `rows`, whose parts in the volume are `tiles`.

    It decodes `chunks` chunks, of which `new_chunks` were in no earlier read of its group (their mean over the group).
    """

    rows: Ints
    tiles: Boxes
    low: Ints
    high: Ints
    chunks: int
    new_chunks: float


@dataclass(frozen=True)
class Groups:
    """Some groups, in reading order. Group g has the tiles first[g] to first[g + 1] of `rows`, `tiles` and `touches`.

    `rows` (n,) are rows of the points asked for, `tiles` (n) their tiles' parts in the volume, `touches` (n,) the
    chunks of each. `mode` (g,) is the group's `ReadMode`, `hull` (g) the box around its tiles, `chunks` (g,) the
    distinct chunks that its reads decode, `chunk_ids` those chunks, group after group, each as one number, `needed`
    whether a tile touches it.
    """

    rows: Ints
    tiles: Boxes
    touches: Ints
    first: Ints
    mode: npt.NDArray[np.uint8]
    hull: Boxes
    chunks: Ints
    chunk_ids: Ints
    needed: npt.NDArray[np.bool_]

    def reads(self) -> Iterator[Read]:
        """What has to be read, one after the other."""
        first, touches, chunks = self.first.tolist(), self.touches.tolist(), self.chunks.tolist()
        for group, mode in enumerate(self.mode.tolist()):
            here = slice(first[group], first[group + 1])
            if mode == ReadMode.BLOCK:
                rows, tiles = self.rows[here], Boxes(self.tiles.low[here], self.tiles.high[here])
                yield Read(rows, tiles, self.hull.low[group], self.hull.high[group], chunks[group], chunks[group])
                continue
            new = chunks[group] / (here.stop - here.start)
            for i in range(here.start, here.stop):
                tiles = Boxes(self.tiles.low[i : i + 1], self.tiles.high[i : i + 1])
                yield Read(self.rows[i : i + 1], tiles, tiles.low[0], tiles.high[0], touches[i], new)


@dataclass(frozen=True)
class Cost:
    """What reading some tiles takes: `tiles` by the way they are read, and chunks.

    `chunks` are the distinct ones that tiles touch (above four million: within about 0.2 %); `decoded_chunks` are those
    fetched and decoded, with what a block takes along, and again where one has left the cache before the next tile
    needs it; `touches` is the sum of each tile's chunks, which is what fetching one tile after the other without a
    cache decodes. `chunk_voxels` is the size of one.
    """

    tiles: dict[ReadMode, int]
    chunks: int
    decoded_chunks: int
    touches: int
    chunk_voxels: int
    bytes_per_voxel: float

    @property
    def bytes(self) -> int:
        """Stored bytes of the chunks that are fetched."""
        return round(self.decoded_chunks * self.chunk_voxels * self.bytes_per_voxel)


def cost_of(array: Array, start: Ints, size: Ints) -> Cost:
    """What reading the tiles [start, start + size) takes; arguments as for `grouped`. Nothing is read."""
    chunk_voxels = int(np.prod(np.minimum(array.chunk_shape, array.shape)))
    cache = _Cache(CACHE_BYTES // chunk_voxels)
    distinct = _Distinct()
    tiles = np.zeros(len(ReadMode), dtype=np.int64)
    touches = decoded = 0
    for groups in grouped(array, start, size):
        count = np.diff(groups.first)
        tiles += np.bincount(groups.mode, weights=count, minlength=len(ReadMode)).astype(np.int64)
        touches += int(groups.touches.sum())
        distinct.add(groups.chunk_ids[groups.needed])
        decoded += cache.misses(groups.chunk_ids)
        # Tiles one by one whose chunks do not fit into the cache together: each decodes its own.
        thrashing = (groups.mode != ReadMode.BLOCK) & (groups.chunks > cache.capacity)
        again = np.add.reduceat(groups.touches, groups.first[:-1]) - groups.chunks
        decoded += int(again[thrashing].sum())
    return Cost(
        tiles={mode: int(tiles[mode]) for mode in ReadMode},
        chunks=distinct.count(),
        decoded_chunks=decoded,
        touches=touches,
        chunk_voxels=chunk_voxels,
        bytes_per_voxel=array.bytes_per_voxel,
    )


class _Cache:
    """The cache of decoded chunks, counted and not held: a chunk asked for within the last `capacity` ones is there."""

    _PLACES = 24  # bits

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._recent = np.empty(0, dtype=np.int64)

    def misses(self, ids: Ints) -> int:
        """How many of `ids`, requested one after the other, are not in it."""
        misses = 0
        for begin in range(0, len(ids), 2 ** (self._PLACES - 1)):
            part = np.concatenate([self._recent, ids[begin : begin + 2 ** (self._PLACES - 1)]])
            # Sorted by chunk and then by place, in one number: the last time before stands beside each.
            sorted_ = np.sort(((part % 2 ** (63 - self._PLACES)) << self._PLACES) | np.arange(len(part)))
            position, chunk = sorted_ & (2**self._PLACES - 1), sorted_ >> self._PLACES
            cached = (chunk[1:] == chunk[:-1]) & (position[1:] - position[:-1] <= self.capacity)
            new = position >= len(self._recent)
            misses += int(new.sum()) - int((cached & new[1:]).sum())
            self._recent = part[len(part) - min(len(part), self.capacity, 2 ** (self._PLACES - 1)) :]
        return misses


class _Distinct:
    """Counts distinct numbers in bounded memory: all of them at first, later a fixed share, chosen by their hash."""

    _MOST_HASHES = 2**22

    def __init__(self) -> None:
        self._parts: list[npt.NDArray[np.uint64]] = []
        self._share = 1.0

    def add(self, ids: Ints) -> None:
        """Count `ids` too."""
        key = ids.astype(np.uint64)
        # Odd factors and shifts lose nothing: different numbers have different hashes.
        for shift, factor in ((31, 0xD6E8FEB86659FD93), (29, 0xA5A3564E1F0B4C65), (32, 1)):
            key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
        self._parts.append(_sorted_once(self._chosen(key)))
        while sum(map(len, self._parts)) > 2 * self._MOST_HASHES:
            hashes = _sorted_once(np.concatenate(self._parts))
            if len(hashes) > self._MOST_HASHES:
                self._share /= 2
                hashes = self._chosen(hashes)
            self._parts = [hashes]

    def count(self) -> int:
        """How many there were."""
        return round(len(_sorted_once(np.concatenate(self._parts))) / self._share) if self._parts else 0

    def _chosen(self, key: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        return key if self._share == 1.0 else key[key < np.uint64(self._share * 2.0**64)]


def _sorted_once(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Sorted and each once: ten times faster here than numpy's unique, which hashes."""
    values = np.sort(values)
    return values[np.append(True, values[1:] != values[:-1])] if len(values) else values


def grouped(array: Array, start: Ints, size: Ints) -> Iterator[Groups]:
    """The groups of the tiles [start, start + size), z, y, x in voxels: `start` (n, 3), `size` (3,); each row in one.

    Every tile's voxel at `size // 2` lies in the volume.
    """
    if len(start) == 0:
        return
    order, new_cell, new_boxes = reading_order(array, start, size)
    cell_first = np.append(np.flatnonzero(new_cell), len(order))
    touches = _touches(array, start, size, order)
    # Tiles that touch the same chunks as the tile before them add no pair.
    pairs = np.add.reduceat(np.where(new_boxes, touches, 0), cell_first[:-1]).cumsum()
    cells_done = 0
    while cells_done < len(pairs):
        already = int(pairs[cells_done - 1]) if cells_done else 0
        end = max(cells_done + 1, int(np.searchsorted(pairs, already + _PAIRS_AT_ONCE, side="right")))
        part = slice(cell_first[cells_done], cell_first[end])
        yield _decided(
            array,
            start,
            size,
            order[part],
            cell_first[cells_done : end + 1] - cell_first[cells_done],
            touches[part],
            new_boxes[part],
        )
        cells_done = end


def reading_order(array: Array, start: Ints, size: Ints) -> tuple[Ints, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The rows in reading order; where a new cell begins; where a tile's chunks differ from those of the one before."""
    cell = (start + size // 2 - array.grid_origin) // _cell_shape(array, size)
    cell -= cell.min(axis=0)
    curve = np.zeros(len(start), dtype=np.int64)
    for bit in range(min(int(cell.max()).bit_length(), 21)):
        for axis in range(3):
            curve |= ((cell[:, axis] >> bit) & 1) << (3 * bit + 2 - axis)
    del cell
    chunks = Boxes(start, start + size).clipped(array).chunks(array)
    grid = chunks.high.max(axis=0) + 1
    first, last = (np.ravel_multi_index(tuple(c.T), tuple(grid)) for c in (chunks.low, chunks.high))
    del chunks
    order = np.lexsort((last, first, curve))
    curve, first, last = curve[order], first[order], last[order]
    new_cell = np.ones(len(order), dtype=np.bool_)
    new_cell[1:] = curve[1:] != curve[:-1]
    new_boxes = new_cell.copy()
    new_boxes[1:] |= (first[1:] != first[:-1]) | (last[1:] != last[:-1])
    return order, new_cell, new_boxes


def _cell_shape(array: Array, size: Ints) -> Ints:
    """Whole chunks, doubled along the axis where a cell is shortest in tiles, as long as it has not too many voxels."""
    cell = array.chunk_shape.copy()
    while 2 * int(np.prod(cell)) <= _CELL_VOXELS:
        open_axes = np.flatnonzero(cell < array.shape)
        if len(open_axes) == 0:
            break
        cell[open_axes[np.argmin(cell[open_axes] / size[open_axes])]] *= 2
    return cell


def _touches(array: Array, start: Ints, size: Ints, order: Ints) -> Ints:
    touches = np.empty(len(order), dtype=np.int64)
    for part in np.array_split(np.arange(len(order)), len(order) // 2**17 + 1):
        rows = order[part]
        touches[part] = Boxes(start[rows], start[rows] + size).clipped(array).chunks(array).voxels
    return touches


def _decided(
    array: Array,
    start: Ints,
    size: Ints,
    rows: Ints,
    first: Ints,
    touches: Ints,
    new_boxes: npt.NDArray[np.bool_],
) -> Groups:
    tiles = Boxes(start[rows], start[rows] + size).clipped(array)
    hull = Boxes(np.minimum.reduceat(tiles.low, first[:-1]), np.maximum.reduceat(tiles.high, first[:-1]))
    chunk_hull = hull.chunks(array)
    group = np.repeat(np.arange(len(first) - 1), np.diff(first))
    marks, offset = _touched_chunks(tiles.of(new_boxes).chunks(array), group[new_boxes], chunk_hull)
    distinct = np.add.reduceat(marks, offset, dtype=np.int64)
    count, tile_voxels = np.diff(first), np.add.reduceat(tiles.voxels, first[:-1])
    wasted = chunk_hull.voxels - distinct
    decoding = _JPEG_DECODING_COST if array.bytes_per_voxel < 1 else _DECODING_COST
    box_cost = hull.voxels + wasted * int(np.prod(array.chunk_shape)) * decoding
    block = (count > 1) & (hull.voxels <= _BLOCK_VOXELS) & (box_cost <= tile_voxels + count * _READ_COST)
    if array.remote:
        block &= wasted == 0
    shared = np.add.reduceat(touches, first[:-1]) > distinct
    mode = np.where(block, ReadMode.BLOCK, np.where(shared, ReadMode.CACHED, ReadMode.SINGLE)).astype(np.uint8)
    decoded = marks | np.repeat(block, chunk_hull.voxels)
    chunks = np.where(block, chunk_hull.voxels, distinct)
    return Groups(
        rows=rows,
        tiles=tiles,
        touches=touches,
        first=first,
        mode=mode,
        hull=hull,
        chunks=chunks,
        chunk_ids=_chunk_ids(array, decoded, offset, chunks, chunk_hull),
        needed=marks[decoded],
    )


def _touched_chunks(tiles: Boxes, group: Ints, hull: Boxes) -> tuple[npt.NDArray[np.bool_], Ints]:
    """One mark for every chunk of every group's hull, whether a tile of the group touches it; where each group begins.

    `tiles` (n) and `hull` (g) count in chunks; `group` (n,) is the group of each tile.
    """
    extent = hull.high - hull.low
    size = np.prod(extent, axis=1)
    offset = np.cumsum(size) - size
    row_step = extent[group, 2]
    layer_step = row_step * extent[group, 1]
    z, y, x = (tiles.low - hull.low[group]).T
    corner = offset[group] + z * layer_step + y * row_step + x
    # One line of chunks along x after the other, each from its first chunk to its last.
    shape = tiles.high - tiles.low
    tile, line = _counted(shape[:, 0] * shape[:, 1])
    line_z, line_y = np.divmod(line, shape[tile, 1])
    begin = corner[tile] + line_z * layer_step[tile] + line_y * row_step[tile]
    of_line, step = _counted(shape[tile, 2])
    marks = np.zeros(int(size.sum()), dtype=np.bool_)
    marks[begin[of_line] + step] = True
    return marks, offset


def _counted(counts: Ints) -> tuple[Ints, Ints]:
    """For counts 2, 3: the numbers 0 0 1 1 1 and 0 1 0 1 2."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _chunk_ids(array: Array, marks: npt.NDArray[np.bool_], offset: Ints, counts: Ints, hull: Boxes) -> Ints:
    """The marked chunks, of which each group has `counts` (g,), numbered over the whole volume."""
    group = np.repeat(np.arange(len(counts)), counts)
    extent = (hull.high - hull.low)[group]
    position = np.flatnonzero(marks) - offset[group]
    line = position // extent[:, 2]
    layer = line // extent[:, 1]
    low = hull.low[group]
    z, y, x = low[:, 0] + layer, low[:, 1] + line - layer * extent[:, 1], low[:, 2] + position - line * extent[:, 2]
    return chunk_id(array, z, y, x)


def chunk_id(array: Array, z: _Number, y: _Number, x: _Number) -> _Number:
    """One number for the chunk that has these numbers along the axes, for one or for many chunks."""
    _, rows, columns = (-(-(array.origin + array.shape - array.grid_origin) // array.chunk_shape)).tolist()
    return (z * rows + y) * columns + x
