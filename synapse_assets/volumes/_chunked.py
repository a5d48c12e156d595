"""A tensorstore array whose chunks a Python function reads, for the formats that tensorstore itself does not know."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorstore as ts

Box = tuple[slice, slice, slice]


def chunked(
    read: Callable[[Box], npt.NDArray[Any]],
    *,
    dtype: npt.DTypeLike,
    shape: Sequence[int],
    origin: Sequence[int],
    chunk_shape: Sequence[int],
    context: ts.Context,
) -> ts.TensorStore:
    """An array of `dtype`, axes z, y, x, of `shape` with its first voxel at `origin`.

    `read` is asked for one chunk at a time, or what of it lies in the array, as slices counted from the first voxel;
    it is called from several threads, and what it returns is kept in the cache pool of `context`. What it raises is
    raised to the reader of the array.
    """

    def fill(domain: ts.IndexDomain, chunk: npt.NDArray[Any], _: Any) -> None:
        z, y, x = (
            slice(int(domain[i].inclusive_min) - origin[i], int(domain[i].exclusive_max) - origin[i]) for i in range(3)
        )
        chunk[...] = read((z, y, x))

    return ts.virtual_chunked(
        fill,
        dtype=ts.dtype(np.dtype(dtype).newbyteorder("=")),
        domain=ts.IndexDomain(inclusive_min=list(origin), shape=list(shape), labels=["z", "y", "x"]),
        chunk_layout=ts.ChunkLayout(read_chunk=ts.ChunkLayout.Grid(shape=list(chunk_shape)), grid_origin=list(origin)),
        context=context,
    )
