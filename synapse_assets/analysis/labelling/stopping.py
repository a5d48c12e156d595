"""When labelling may stop: what a round gained, with its interval, and the rule over rounds.

Belongs here: both as pure functions. Does not belong here: fitting and predicting after each round (`pipeline`), whole curves of
simulated rounds (`benchmark`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.scores import group_draws, percentile_interval
from synapse_assets.errors import BadInput

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

ROUNDS_WITHOUT_GAIN = 3
"""So many rounds in a row whose gain is not above zero beyond its interval, and labelling may stop."""


def gain_interval(
    before: Bool, after: Bool, codes: Int64, groups: npt.NDArray[np.str_] | Int64, seed: int
) -> tuple[float, float | None, float | None]:
    """What a round gained in balanced accuracy, and the 95 % interval of that: (gain, low, high).

    before, after (M,) bool: whether the model without and with the round's labels is right about each test item. codes (M,): class
    numbers. groups (M,): what belongs together, such as neurons. Paired: both models are scored on the same items of 2,000 bootstrap
    samples of whole groups (Efron 1979; cluster bootstrap), a class that a sample lacks left out of both. No interval (None, None) below
    8 groups. The interval is over groups and takes the fitted models as they are. Raises BadInput for no items or unequal lengths.
    """
    lengths = {len(before), len(after), len(codes), len(groups)}
    if lengths == {0} or len(lengths) > 1:
        raise BadInput(
            f"a gain needs one entry an item, at least one, in each of its inputs; they have {sorted(lengths)}"
        )
    group = np.unique(groups, return_inverse=True)[1]
    group_count, classes = int(group.max()) + 1, int(codes.max()) + 1
    # by group and class: items, and how many more are right after the round than before
    items, more_right = np.zeros((2, group_count, classes))
    np.add.at(items, (group, codes), 1.0)
    np.add.at(more_right, (group, codes), after.astype(np.float64) - before)
    gain = float(_mean_over_classes(more_right.sum(axis=0)[None], items.sum(axis=0)[None])[0])
    draws = group_draws(group_count, seed)
    interval = None if draws is None else percentile_interval(_mean_over_classes(draws @ more_right, draws @ items))
    return gain, *(interval or (None, None))


def may_stop(gain_lows: Sequence[float | None]) -> bool:
    """Whether labelling may stop after rounds whose gains had these lower ends: the last three are known and none is above zero."""
    last = gain_lows[-ROUNDS_WITHOUT_GAIN:]
    return len(last) == ROUNDS_WITHOUT_GAIN and all(low is not None and low <= 0 for low in last)


def _mean_over_classes(more_right: Float64, items: Float64) -> Float64:
    """The mean (B,) over the classes that occur of `more_right` / `items`, both (B, C)."""
    occurs = items > 0
    shares = np.where(occurs, more_right / np.where(occurs, items, 1.0), 0.0)
    return np.asarray(shares.sum(axis=1) / np.maximum(occurs.sum(axis=1), 1), dtype=np.float64)
