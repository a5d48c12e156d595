"""What a round gained in finding sites: the difference of F1 of two detectors on the same annotated objects, with its interval.

Belongs here: that difference. Does not belong here: matching (`analysis.evaluation.one_to_one`), when labelling may stop (`stopping`).
"""

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, percentile_interval
from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
_REPLICATES = 2000


def f1_gain(
    found_before: Bool, found_after: Bool, invented_before: int, invented_after: int, seed: int
) -> tuple[float, float | None, float | None]:
    """F1 after less F1 before, and the 95 % interval of that: (gain, low, high).

    found_before, found_after (N,) bool: whether each annotated object was found, in the same order. invented: detections without an object.
    Percentile bootstrap (Efron 1979) over objects: an annotated one is one unit, with what both detectors made of it, and each invented one
    is a unit of its own. No interval (None, None) below 8 units. Raises BadInput for other objects before than after, and where there are
    none.
    """
    if len(found_before) != len(found_after) or not len(found_after):
        raise BadInput(
            f"a gain is of the same annotated objects before and after, at least one: there are {len(found_before)} and {len(found_after)}"
        )
    both, lost, won = found_before & found_after, found_before & ~found_after, ~found_before & found_after
    kinds = [int(kind.sum()) for kind in (both, lost, won, ~(found_before | found_after))]
    counts = np.array([*kinds, invented_before, invented_after], np.float64)
    gain = float(_gains(counts[None])[0])
    units = int(counts.sum())
    if units < FEWEST_GROUPS:
        return gain, None, None
    draws = np.random.default_rng(seed).multinomial(units, counts / units, size=_REPLICATES).astype(np.float64)
    interval = percentile_interval(_gains(draws))
    return gain, *(interval or (None, None))


def _gains(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of counts (B, 6): found by both, by the first, by the second, by neither, invented by the first, by the second."""
    both, lost, won, neither, invented_before, invented_after = counts.T
    true = both + lost + won + neither
    scores = []
    for right, invented in ((both + won, invented_after), (both + lost, invented_before)):
        scores.append(2 * right / np.maximum(right + true + invented, 1))
    return np.asarray(scores[0] - scores[1])
