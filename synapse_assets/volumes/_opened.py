"""What opened volumes share, whatever they hold: where they lie, reads that run ahead, and what is said where one fails.

A chunk that is absent is told apart from one that is damaged, and both from a network that fails: only the first may mean that
nothing is there. What does not belong here: file formats (`_arrays.py`), tiles (`volume.py`), ids (`labels.py`).
"""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._arrays import Array, is_missing_chunk, is_network_error
from synapse_assets.volumes._errors import is_refusal
from synapse_assets.volumes._grouping import Boxes, chunk_id

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_Key = TypeVar("_Key")
# What is read, its first voxel and one past its last (z, y, x), the chunks that it decodes, and requests that it adds.
Reading = tuple[_Key, Ints, Ints, int, float]

# A coordinate this far below a voxel's edge counts as on it: x_nm = voxel * 4.6 / 4.6 is not always >= voxel in
# floating point.
_EDGE_SLACK_VOXELS = 1e-6
# Bytes of the chunks that reads on their way will decode, whether or not they share them.
_IN_FLIGHT_BYTES = 64 * 2**20
_IN_FLIGHT_READS = 256


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


def slices(low: Ints, high: Ints) -> tuple[slice, ...]:
    """The box [low, high) as an index."""
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def voxel_of(points_nm: npt.NDArray[np.float64], voxel_size_nm: tuple[float, float, float]) -> Ints:
    """The voxel (N, 3) that each point (N, 3) lies in, x y z; a millionth of a voxel below an edge counts as on it."""
    return np.floor(points_nm / np.array(voxel_size_nm) + _EDGE_SLACK_VOXELS).astype(np.int64)


class Opened:
    """An opened volume. Points are (N, 3) float, x, y, z in nanometres."""

    def __init__(self, array: Array, spec: ArraySpec, requests_per_second: float | None = None) -> None:
        self.array = array
        self.spec = spec
        self._pace = _Pace(requests_per_second if array.remote else None)

    def __repr__(self) -> str:
        low, high = self.bounds_voxels
        return f"<{self.array.where}, voxels {low.tolist()} to {high.tolist()} (xyz), {self.voxel_size_nm} nm>"

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
        return voxel_of(points, self.voxel_size_nm)

    def contains(self, points_nm: npt.ArrayLike) -> Bools:
        """Whether the voxel of each point lies in the volume, bool (N,). A point that is not finite lies nowhere."""
        points = np.asarray(points_nm, dtype=np.float64)
        finite = (np.abs(points) < 1e15).all(axis=-1, keepdims=True)
        voxels = self.voxel_of(np.where(finite, points, 0.0))
        low, high = self.bounds_voxels
        return np.asarray(((voxels >= low) & (voxels < high)).all(axis=1) & finite.reshape(-1))

    def _ahead(self, readings: Iterable[Reading[_Key]]) -> Generator[tuple[_Key, ts.Future]]:
        """The readings in their order, begun before they are asked for, as many as memory allows."""
        waiting: deque[tuple[_Key, int, ts.Future]] = deque()
        chunk_bytes = int(np.prod(self.array.chunk_shape)) * self.array.store.dtype.numpy_dtype.itemsize
        most_chunks = max(1, _IN_FLIGHT_BYTES // chunk_bytes)
        in_flight = 0
        try:
            for key, low, high, chunks, requests in readings:
                self._pace.wait(requests)
                waiting.append((key, chunks, self.array.store[slices(low, high)].read()))
                in_flight += chunks
                while len(waiting) > 1 and (len(waiting) > _IN_FLIGHT_READS or in_flight > most_chunks):
                    key, chunks, future = waiting.popleft()
                    in_flight -= chunks
                    yield key, future
            while waiting:
                key, _, future = waiting.popleft()
                yield key, future
        finally:
            for _, _, future in waiting:
                future.cancel()

    def _answer(self, future: ts.Future, place: str) -> npt.NDArray[Any]:
        """What a read has brought. Raises ConnectionError where the network failed, else tensorstore's own error."""
        timeout_s = self.spec.timeout_s
        try:
            return np.asarray(future.result(timeout=timeout_s if self.array.remote else None))
        except TimeoutError as error:
            raise ConnectionError(
                f"{place}: no answer within timeout_s = {timeout_s:g} seconds. The other side or "
                "the connection is slow: run again later, or raise timeout_s of the volume in the dataset's YAML"
            ) from error
        except ValueError as error:
            if not is_network_error(error):
                raise
            raise ConnectionError(f"{place}: {error}. Run again later: {self.array.values.again}") from error

    def _box(self, low_xyz: npt.ArrayLike, high_xyz: npt.ArrayLike) -> tuple[npt.NDArray[Any], Bools]:
        """The values of the voxels [low, high), axes z, y, x, and which of them the volume has; the others are 0."""
        low, high = (np.asarray(corner, dtype=np.int64)[::-1] for corner in (low_xyz, high_xyz))
        place = f"{self.array.where}, in the box of voxels {low[::-1].tolist()} to {high[::-1].tolist()} (xyz)"
        if low.shape != (3,) or high.shape != (3,) or (low > high).any():
            raise BadInput(f"{place}: a box has a first voxel x, y, z and one past its last, which is no smaller")
        array = self.array
        block = np.zeros(high - low, dtype=array.store.dtype.numpy_dtype)
        present = np.zeros(high - low, dtype=np.bool_)
        inside = Boxes(low[None], high[None]).clipped(array)
        first, end = inside.low[0], inside.high[0]
        if (first >= end).any():
            return block, present
        part = slices(first - low, end - low)
        if not array.remote:
            try:
                block[part] = self._answer(array.store[slices(first, end)].read(), place)
            except (BadInput, ConnectionError):
                raise
            except (ValueError, OSError):
                pass
            else:
                present[part] = True
                return block, present
        block[part], present[part] = self._by_chunk(
            first, end, inside.distinct_chunks(array), place, requests=1.0 if array.remote else 0.0
        )
        return block, present

    def _by_chunk(
        self,
        low: Ints,
        high: Ints,
        chunks: Ints,
        place: str,
        *,
        missing: set[int] | None = None,
        requests: float = 0.0,
    ) -> tuple[npt.NDArray[Any], Bools]:
        """The box [low, high) of the volume, read one of `chunks` (numbers along z, y, x; (m, 3)) after the other, and which of
        its voxels lie in one that is there. Where `missing_chunks` is black, the ids of absent chunks are added to `missing`."""
        array = self.array
        block = np.zeros(high - low, dtype=array.store.dtype.numpy_dtype)
        present = np.zeros(high - low, dtype=np.bool_)

        def readings() -> Iterator[Reading[tuple[Ints, tuple[slice, ...]]]]:
            for chunk in chunks:
                corner = array.grid_origin + chunk * array.chunk_shape
                first, end = np.maximum(corner, low), np.minimum(corner + array.chunk_shape, high)
                yield (chunk, slices(first - low, end - low)), first, end, 1, requests

        with closing(self._ahead(readings())) as reads:
            for (chunk, part), future in reads:
                values = self._chunk(future, chunk, place)
                if values is not None:
                    block[part], present[part] = values, True
                elif missing is not None:
                    missing.add(chunk_id(array, *chunk.tolist()))
        return block, present

    def _chunk(self, future: ts.Future, chunk: Ints, place: str) -> npt.NDArray[Any] | None:
        """What a read within one chunk (its number along z, y, x) has brought; None where the chunk is absent and may be."""
        try:
            return self._answer(future, place)
        except (BadInput, ConnectionError):
            raise
        except (ValueError, OSError) as error:
            if not is_missing_chunk(error) or self.spec.missing_chunks != "black":
                raise self._explained(error, chunk, place) from error
            return None

    def _explained(self, error: Exception, number: Ints, place: str) -> BadInput:
        """What is wrong with the chunk of that number along z, y, x."""
        array = self.array
        corner = array.grid_origin + number * array.chunk_shape
        low = np.maximum(corner, array.origin)[::-1]
        high = np.minimum(corner + array.chunk_shape, array.origin + array.shape)[::-1]
        chunk = f"{place}: the chunk of voxels {low.tolist()} to {high.tolist()} (xyz)"
        if is_missing_chunk(error):
            return BadInput(
                f"{chunk} is missing: {str(error).removeprefix('NOT_FOUND: ')}. Complete the volume, or set "
                f"missing_chunks: black in the dataset if absent chunks mean {array.values.absent} there"
            )
        if is_refusal(error):
            return BadInput(
                f"{chunk} may not be read: {error}. Check the url, and for a volume that is not public the credentials "
                "of this machine; some buckets answer so for absent chunks"
            )
        return BadInput(
            f"{chunk} cannot be read: {error}. It is damaged: copy or write this chunk again from its source, or "
            f"{array.values.avoided}"
        )
