"""From many features to a short vector: the directions in which tiles differ, and views of one tile do not.

The generalised eigenproblem S_between w = lambda S_within w is the optimum of a linear contrastive loss (Balestriero & LeCun 2022, arXiv
2205.11508), found in closed form. Views of a tile are its random augmentations, and, once there are vectors, the tiles that are most
like it (as in nearest-neighbour contrastive learning, Dwibedi et al. 2021, arXiv 2104.14548). The map is linear but for the clipping of
outliers, so it makes no clusters of what has none. What does not belong here: features, and views of pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor, nn

from synapse_assets.errors import BadInput

Floats = npt.NDArray[np.float32]

_CLIP = 3.0  # standard deviations; a feature beyond them counts as much as one at them
_NEIGHBOURS = 15
_ROUNDS = 3
# A property to be ignored counts as much as this many views: what tells its groups apart hardly remains.
_NUISANCE_WEIGHT = 20.0
_SHRINKAGE = 0.05  # of the scatter within, towards a multiple of the identity
_AXES = 128  # of features that are compressed
_BLOCK = 1024  # rows whose similarities to all others are in memory at a time


class Head(nn.Module):
    """Vectors, float32 (N, dimensions), of features (N, D): standardised, clipped at three deviations, multiplied by a matrix, and centred
    on the tiles that it was fitted on."""

    mean: Tensor
    deviation: Tensor
    matrix: Tensor
    offset: Tensor
    clip: Tensor

    def __init__(self, features: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.register_buffer("matrix", torch.zeros(features, dimensions))
        self.register_buffer("offset", torch.zeros(dimensions))
        self.register_buffer("clip", torch.tensor(_CLIP))

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return self.matrix.shape[1]

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        with torch.autocast(features.device.type, enabled=False):
            standardised = ((features.float() - self.mean) / self.deviation).clamp(-self.clip, self.clip)
            return standardised @ self.matrix - self.offset


@dataclass(frozen=True)
class Views:
    """What a vector should not tell apart, each by rows of the tiles that the head is fitted on.

    augmented: features of random views of some tiles, float32 (tiles, views, D).
    partners: pairs of tiles (P, 2) that count as views of each other, empty (0, 2) for none.
    nuisances: for each property that is to be ignored the group of every tile, as numbers (N,); negative: of no group.
    """

    augmented: Floats
    partners: npt.NDArray[np.int64]
    nuisances: Sequence[npt.NDArray[np.int64]] = ()


def fit_head(features: Floats, views: Views, dimensions: int, compressed: int = 0) -> Head:
    """The head for features, float32 (N, D), to at most `dimensions` numbers, in falling order of how well they tell tiles apart.

    There are fewer dimensions where there are fewer features, or fewer than `dimensions` + 1 tiles. Each number has as much variance as
    tiles have in that direction beyond their views, in units of the scatter of views. Deterministic. Raises BadInput below two tiles,
    and where all are alike.

    The first `compressed` features count only by their leading principal axes, at most 128 and of equal variance: among thousands that
    say the same thing, noise finds its way between the few that say another.
    """
    if len(features) < 2:
        raise BadInput(f"encoder: telling tiles apart needs at least 2 of them, not {len(features)}")
    mean, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    varies = deviation > 1e-6 * np.maximum(1, np.abs(mean))
    if not varies.any():
        raise BadInput(
            f"encoder: all {len(features)} tiles that it is fitted on look the same. Is there anything in the volume where they lie? "
            "The picture 'tile_sheet' of the asset tiles shows some of them"
        )
    mean, deviation = mean.astype(np.float32), np.where(varies, deviation, np.inf).astype(np.float32)

    def standardised(values: Floats) -> npt.NDArray[np.float64]:
        return np.clip((values - mean) / deviation, -_CLIP, _CLIP)[..., varies].astype(np.float64)

    tiles = standardised(features)
    centre = tiles.mean(0)
    tiles -= centre
    first = int(varies[:compressed].sum())
    axes = _leading_axes(tiles[:, :first])

    def projected(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.concatenate([values[..., :first] @ axes, values[..., first:]], -1)

    tiles = projected(tiles)
    between = tiles.T @ tiles / (len(tiles) - 1)
    within = _scatter_of_views(projected(standardised(views.augmented)))
    if len(views.partners):
        within += _scatter_of_pairs(tiles, views.partners)
    for groups in views.nuisances:
        within += _NUISANCE_WEIGHT * _scatter_between_groups(tiles, groups)
    kept = min(dimensions, tiles.shape[1], len(tiles) - 1)
    directions = _directions(between, within, kept)
    for _ in range(_ROUNDS if len(tiles) > 2 * _NEIGHBOURS else 0):
        neighbours = _mutual_neighbours(tiles @ directions)
        if not len(neighbours):
            break
        directions = _directions(between, within + _scatter_of_pairs(tiles, neighbours), kept)
    head = Head(features.shape[1], directions.shape[1])
    matrix = np.zeros((features.shape[1], directions.shape[1]))
    matrix[varies] = np.concatenate([axes @ directions[: axes.shape[1]], directions[axes.shape[1] :]])
    head.mean = torch.from_numpy(mean)
    head.deviation = torch.from_numpy(deviation)
    head.matrix = torch.from_numpy(matrix.astype(np.float32))
    head.offset = torch.from_numpy((centre @ matrix[varies]).astype(np.float32))
    return head


def _leading_axes(tiles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The leading principal axes (D, at most 128) of centred tiles (N, D), scaled so that tiles have a variance of one along each."""
    variances, axes = np.linalg.eigh(tiles.T @ tiles / len(tiles))
    variances, axes = variances[::-1][:_AXES], axes[:, ::-1][:, :_AXES]
    kept = variances > 1e-9 * variances.max(initial=0)
    return cast(npt.NDArray[np.float64], axes[:, kept] / np.sqrt(variances[kept]))


def _scatter_of_views(views: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Covariance (D, D) of views (tiles, views, D) about the mean of their tile; zero where a tile has only one."""
    if views.shape[0] == 0 or views.shape[1] < 2:
        return np.zeros((views.shape[-1],) * 2)
    rest = (views - views.mean(1, keepdims=True)).reshape(-1, views.shape[-1])
    return rest.T @ rest / (views.shape[0] * (views.shape[1] - 1))


def _scatter_of_pairs(tiles: npt.NDArray[np.float64], pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The same for pairs of tiles (P, 2)."""
    total = np.zeros((tiles.shape[1],) * 2)
    for start in range(0, len(pairs), 8 * _BLOCK):
        first, second = pairs[start : start + 8 * _BLOCK].T
        difference = tiles[first] - tiles[second]
        total += difference.T @ difference
    return total / (2 * len(pairs))


def _scatter_between_groups(tiles: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Covariance (D, D) of the means of groups of centred tiles, weighted by size, less what groups drawn by chance would have."""
    members = groups >= 0
    names, group = np.unique(groups[members], return_inverse=True)
    count, size = len(group), np.bincount(group)
    if len(names) < 2 or count == len(names):
        return np.zeros((tiles.shape[1],) * 2)
    means = np.stack([tiles[groups == name].mean(0) for name in names])
    between = (means.T * size) @ means / count
    rest = tiles[members] - means[group]
    by_chance = len(names) / count * (rest.T @ rest) / (count - len(names))
    values, vectors = scipy.linalg.eigh(between - by_chance)
    return cast(npt.NDArray[np.float64], (vectors * values.clip(0)) @ vectors.T)


def _directions(
    between: npt.NDArray[np.float64], within: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.float64]:
    """The `count` best directions (D, count), scaled, those without any variance left out but for the first."""
    size = len(within)
    spread = np.trace(within) / size or np.trace(between) / size
    ridge = within + _SHRINKAGE * spread * np.eye(size)
    values, vectors = scipy.linalg.eigh(between, ridge, subset_by_index=(size - count, size - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = max(1, int((values > 1e-9 * values[0]).sum()))
    # `within` is regularised, so a value is the ratio of variances at most.
    share = np.maximum(values - 1, 1e-3 * values) / values
    signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(count)])
    return cast(npt.NDArray[np.float64], vectors * signs * np.sqrt(share))[:, :kept]


def _mutual_neighbours(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Pairs (P, 2) of rows of which each is among the nearest of the other, by cosine about the mean."""
    centred = (vectors - vectors.mean(0)).astype(np.float32)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    nearest = np.empty((len(unit), _NEIGHBOURS), np.int64)
    for start in range(0, len(unit), _BLOCK):
        similarity = unit[start : start + _BLOCK] @ unit.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        nearest[start : start + _BLOCK] = np.argpartition(-similarity, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    first = np.repeat(np.arange(len(unit)), _NEIGHBOURS)
    code = first * len(unit) + nearest.ravel()
    mirrored = nearest.ravel() * len(unit) + first
    mutual = code[np.isin(code, mirrored) & (first < nearest.ravel())]
    return np.stack([mutual // len(unit), mutual % len(unit)], 1)
