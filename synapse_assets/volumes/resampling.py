"""Tiles brought to another voxel size, so that what was learnt at one resolution can be tried at another.

Reading volumes belongs to `volume`. Tiles of one dataset are never resampled: size in nanometres is part of what they show.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput

Float32 = npt.NDArray[np.float32]
Xyz = Sequence[float]
_TILES_AT_A_TIME = 64
# Nanometres of an axis that may be missing at a tile's edge, as a share of a voxel: rounding, no more.
_TOLERANCE = 1e-6


def resample_tiles(
    tiles: npt.NDArray[np.uint8], voxel_nm: Xyz, wanted_nm: Xyz, shape: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    """Tiles, uint8 (N, sections, height, width) of voxels of `voxel_nm` (x, y, z), as tiles of `shape` of voxels of `wanted_nm`.

    The voxel of the synapse, which is that at n // 2 along every axis, keeps its place. Along each axis linear interpolation; where voxels
    become larger, a triangle as wide as two of the new ones averages those that they cover. Raises BadInput where the tiles do not
    reach as far as `shape` needs, naming the size that would.
    """
    sizes, scales = tiles.shape[1:], list(zip(reversed(voxel_nm), reversed(wanted_nm), strict=True))
    axes = list(zip(sizes, shape, scales, strict=True))
    needed = [_needed(wanted, there / here) for _, wanted, (here, there) in axes]
    if any(need > size for need, size in zip(needed, sizes, strict=True)):
        raise BadInput(
            f"tiles of {sizes[0]} sections of {sizes[1]} px, voxels of {_by(voxel_nm)} nm, are smaller than {shape[0]} sections of "
            f"{shape[1]} px at {_by(wanted_nm)} nm: set tile: {{size_px: {max(needed[1:])}, sections: {needed[0]}}} in the dataset file, "
            "or more, and materialise tiles"
        )
    if all(size == wanted and here == there for size, wanted, (here, there) in axes):
        return tiles
    z, y, x = (_weights(size, wanted, there / here) for size, wanted, (here, there) in axes)
    parts = [np.empty((0, *shape), np.uint8)]
    for start in range(0, len(tiles), _TILES_AT_A_TIME):
        values = tiles[start : start + _TILES_AT_A_TIME].astype(np.float32)
        values = np.einsum("nzyx,wx->nzyw", values, x, optimize=True)
        values = np.einsum("nzyw,hy->nzhw", values, y, optimize=True)
        values = np.einsum("nzhw,sz->nshw", values, z, optimize=True)
        parts.append(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    return np.concatenate(parts)


def _needed(wanted: int, ratio: float) -> int:
    """Voxels along an axis that hold all that `wanted` voxels, `ratio` times as large, are interpolated from."""
    before, after = wanted // 2, wanted - 1 - wanted // 2
    if ratio == 1:
        return wanted
    # An even number has one voxel more before the middle than after it, an odd one as many.
    reach_before, reach_after = (int(np.ceil(steps * ratio - _TOLERANCE)) for steps in (before, after))
    size = max(2 * reach_before, 2 * reach_after + 1)
    return size if size // 2 >= reach_before and size - 1 - size // 2 >= reach_after else size + 1


def _weights(size: int, wanted: int, ratio: float) -> Float32:
    """What each new voxel along an axis takes of the old ones (wanted, size); rows sum to one."""
    places = (np.arange(wanted) - wanted // 2) * ratio + size // 2
    apart = np.abs(places[:, None] - np.arange(size)[None, :])
    weights = np.maximum(0.0, 1 - apart / max(1.0, ratio))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _by(voxel_nm: Xyz) -> str:
    return " x ".join(f"{size:g}" for size in voxel_nm)
