"""What the tests of a method of explanation need: how far maps of other networks agree with the classifier's, and what hiding does.

What does not belong here: intervals, thresholds and the verdict (`analysis.evaluation.explanation_checks`).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from synapse_assets.errors import BadInput
from synapse_assets.vision.explanation.explainable import Explainable
from synapse_assets.vision.explanation.methods import Maps, Targets, Tiles, logits_of, maps_of
from synapse_assets.vision.explanation.randomised import random_weights, shuffled_head, shuffled_weights

BY_SIGN = frozenset({"grad_cam", "contribution", "occlusion"})
NOT_OFFERED = "guided_backpropagation"
"""Has to fail the tests, which shows what they are worth."""

Float64 = npt.NDArray[np.float64]

_CELLS = 8  # along a side, which are hidden or shown one after the other
_SHARES = 7  # between nothing and everything


def measure_method(
    classifier: Explainable,
    retrained: Explainable,
    method: str,
    tiles: Tiles,
    *,
    draws: int = 3,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays by name, of tiles (N, sections, H, W) that neither network was trained on. A map is that of the class which the
    classifier names.

    retrained, other_picture, other_class (N,)  Spearman correlation of the classifier's map with that of a network trained again with
                                   another seed, with the next tile's, and with that of the class which it finds second most likely
    all_random, all_shuffled, head_shuffled (draws, N)  the same with the maps of copies of the classifier (see `randomised`)
    deletion, insertion (N,)       mean probability of the class while the places that speak most for it are hidden, or shown, first
    random_order (draws, N); centre_deletion, centre_insertion (N,)  the same in a random order, and from the centre outwards
    maps (N, H, W)                 the classifier's

    Maps of `BY_SIGN` are compared as they are, those of other methods by size: the sign of a pixel's gradient, or of its share in an
    integral, follows whether the pixel is darker or brighter than others. Two maps of which one is the same everywhere or no number agree
    by 0. Raises BadInput for networks of other classes or tiles, and for a method that cannot explain them.
    """
    if set(retrained.classes) != set(classifier.classes) or retrained.tile_shape != classifier.tile_shape:
        raise BadInput(
            f"explanation: the retrained network tells {', '.join(retrained.classes)} in tiles {retrained.tile_shape}, the classifier "
            f"{', '.join(classifier.classes)} in {classifier.tile_shape}; retrain it on the same classes and tiles"
        )
    if method not in (*classifier.methods, NOT_OFFERED) or method not in (*retrained.methods, NOT_OFFERED):
        raise BadInput(
            f"explanation: '{method}' cannot explain this classifier; choose one of {', '.join(classifier.methods)}"
        )
    logits = logits_of(classifier, tiles, device)
    first, second = np.argsort(-logits, 1, kind="stable")[:, :2].T.astype(np.int64)

    def maps(of: Explainable, targets: Targets = first) -> Maps:
        found = maps_of(of, tiles, targets, method, device)
        return found if method in BY_SIGN else np.abs(found)

    own = maps(classifier)
    ranks = _ranks(own)

    def agreement(copy: Explainable) -> Float64:
        return _agreement(ranks, _ranks(maps(copy)))

    again = maps(retrained, np.array([retrained.classes.index(name) for name in classifier.classes])[first])
    seeds = range(seed, seed + draws)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "retrained": _agreement(ranks, _ranks(again)),
        "other_picture": _agreement(ranks, np.roll(ranks, 1, 0)),
        "all_random": np.stack([agreement(random_weights(classifier, tiles, draw)) for draw in seeds]),
        "all_shuffled": np.stack([agreement(shuffled_weights(classifier, tiles, draw)) for draw in seeds]),
        "head_shuffled": np.stack([agreement(shuffled_head(classifier, draw)) for draw in seeds]),
        "other_class": _agreement(ranks, _ranks(maps(classifier, second))),
        "maps": own,
    }
    return arrays | _hiding(classifier, tiles, first, own, draws, seed, device)


def _ranks(maps: Maps) -> Float64:
    """Ranks (N, H x W) of maps, of mean 0 and length 1; all 0 where a map is the same everywhere or has values that are no number."""
    flat = maps.reshape(len(maps), -1)
    usable = np.isfinite(flat).all(1, keepdims=True)
    ranks = rankdata(np.where(usable, flat, 0), axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return ranks / np.where(length > 0, length, 1)


def _agreement(first: Float64, second: Float64) -> Float64:
    """Spearman correlations (N,) of maps whose ranks these are."""
    return np.einsum("np,np->n", first, second)


def _hiding(
    classifier: Explainable, tiles: Tiles, targets: Targets, maps: Maps, draws: int, seed: int, device: str
) -> dict[str, npt.NDArray[np.generic]]:
    """Deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421), cell by cell: single pixels in a random order would be noise, which
    destroys more than any region. A hidden place shows the mean of its section."""
    start = [(side - classifier.network.seen_px) // 2 for side in tiles.shape[-2:]]
    cell = np.full(tiles.shape[-2:], -1)
    place = np.arange(classifier.network.seen_px) * _CELLS // classifier.network.seen_px
    cell[start[0] : start[0] + len(place), start[1] : start[1] + len(place)] = place[:, None] * _CELLS + place
    inside = cell >= 0
    count = np.bincount(cell[inside], minlength=_CELLS**2)
    # Cells that speak most for the class come first.
    value = np.stack([np.bincount(cell[inside], of[inside], _CELLS**2) for of in np.nan_to_num(maps)]) / count
    row, column = np.divmod(np.arange(_CELLS**2), _CELLS)
    outwards = np.hypot(row - (_CELLS - 1) / 2, column - (_CELLS - 1) / 2)
    mean = np.rint(tiles.mean((-2, -1), keepdims=True)).astype(tiles.dtype)
    shares = np.rint(np.arange(1, _SHARES + 1) / (_SHARES + 1) * _CELLS**2).astype(int)

    def area(
        order: npt.NDArray[np.int64], hides: Callable[[npt.NDArray[np.int64], int], npt.NDArray[np.bool_]]
    ) -> Float64:
        """Mean probability (N,) over the shares; order (N, cells)."""
        rank = np.argsort(order, 1)
        total = np.zeros(len(tiles))
        for share in shares:
            hidden = np.zeros(maps.shape, bool)
            hidden[:, inside] = hides(rank, share)[:, cell[inside]]
            logits = logits_of(classifier, np.where(hidden[:, None], mean, tiles), device).astype(np.float64)
            odds = np.exp(logits - logits.max(1, keepdims=True))
            total += odds[np.arange(len(tiles)), targets] / odds.sum(1)
        return total / len(shares)

    rng = np.random.default_rng(seed)
    by_map = np.argsort(-value, 1, kind="stable")
    by_centre = np.broadcast_to(np.argsort(outwards, kind="stable"), by_map.shape)
    orders = [rng.permuted(by_map, axis=1) for _ in range(draws)]
    return {
        "deletion": area(by_map, np.less),
        "insertion": area(by_map, np.greater_equal),
        "centre_deletion": area(by_centre, np.less),
        "centre_insertion": area(by_centre, np.greater_equal),
        "random_order": np.stack([area(order, np.less) for order in orders]),
    }
