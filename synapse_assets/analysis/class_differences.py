"""How classes differ in what was measured of their synapses, corrected for neuron.

The means of neurons are the independent values: a neuron has one class, so its synapses never count as independent of each other.
The effect is the difference of a class from all others in standard deviations of neurons (Cohen's d, pooled), its interval a
bootstrap of neurons within classes. The test deals the classes out among neurons anew, all attributes of a neuron together, and
compares each |t| with the largest of all rows in each deal (Westfall & Young 1993, single step, maxT): the chance that any row of a
data set without differences is said to differ is then 5 %, however the attributes are correlated. Neurons of one hemilineage
count as independent; where they resemble each other, p is too small.

Belongs here: numbers from numbers. Does not belong here: measuring tiles (`attributes`), drawing (`figures`).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.schema import CLASS_DIFFERENCES

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

DRAWS = 2_000
FEWEST_GROUPS = 3
"""Neurons that a class needs to be tested, and the others together."""
LARGEST_P = 0.05
EXAMPLES = 6
# Values that are resampled at a time.
_AT_A_TIME = 4_000_000


@dataclass(frozen=True)
class _Groups:
    """The independent groups. values: their means, (groups, attributes), NaN where nothing was measured; codes: their class among
    `classes`."""

    values: Float64
    codes: Int64
    classes: tuple[str, ...]


def class_differences(
    values: Mapping[str, Float64],
    targets: Sequence[str | None],
    groups: Sequence[Any] | None,
    ids: Sequence[str],
    *,
    seed: int,
    draws: int = DRAWS,
) -> pa.Table:
    """`schema.CLASS_DIFFERENCES`: every attribute of `values`, each float64 (N,), and every class, against all others.

    targets (N): the class of each synapse; groups (N): its neuron, None where that is not known; ids (N). Synapses without a class or
    a neuron do not count, nor those of another class than most of their neuron. Without `groups` each synapse is its own, and the
    sentences say that these are not independent. A class of fewer than 3 neurons with a value is not tested. No rows for fewer than two
    classes.
    """
    names = list(values)
    matrix = np.stack([np.asarray(values[name], dtype=np.float64) for name in names], axis=1)
    rows, codes, of_group, classes = _counted(targets, groups, ids)
    if len(classes) < 2:
        return CLASS_DIFFERENCES.empty()
    matrix, kept = matrix[rows], [ids[row] for row in rows]
    averaged = _means(matrix, of_group)
    of_class = np.zeros(len(averaged), dtype=np.int64)
    of_class[of_group] = codes
    found = _Groups(averaged, of_class, classes)
    rng = np.random.default_rng(seed)
    counts, effects, statistics = _effects(_sums(found, found.codes), len(classes))
    low, high = _intervals(found, rng, draws)
    p_values = _p_values(found, statistics, rng, draws)
    word = "synapse" if groups is None else "neuron"
    table = []
    for place, name in enumerate(names):
        for code, label in enumerate(classes):
            at = place, code
            own, others = int(counts[at]), int(counts[place].sum() - counts[at])
            tested = np.isfinite(effects[at])
            numbers = (effects[at], low[at], high[at], p_values[at])
            effect, lower, upper, p_value = (float(x) if tested and np.isfinite(x) else None for x in numbers)
            differs = p_value is not None and p_value <= LARGEST_P
            lowest, highest = _examples(matrix[:, place], codes == code, of_group, kept)
            table.append(
                {
                    "attribute": name,
                    "class_name": label,
                    "effect": effect,
                    "low": lower,
                    "high": upper,
                    "p_value": p_value,
                    "differs": differs,
                    "groups": own,
                    "other_groups": others,
                    "lowest": lowest,
                    "highest": highest,
                    "sentence": _sentence(name, label, numbers, (own, others), int(np.isfinite(effects).sum()), word),
                }
            )
    return pa.Table.from_pylist(table, schema=CLASS_DIFFERENCES.arrow)


def _counted(
    targets: Sequence[str | None], groups: Sequence[Any] | None, ids: Sequence[str]
) -> tuple[Int64, Int64, Int64, tuple[str, ...]]:
    """Rows that count, the class and group of each as numbers, and the classes."""
    names = list(ids) if groups is None else groups
    votes: dict[Any, Counter[str]] = defaultdict(Counter)
    for target, group in zip(targets, names, strict=True):
        if target and group is not None:
            votes[group][target] += 1
    class_of = {group: max(sorted(counts), key=counts.__getitem__) for group, counts in votes.items()}
    rows = [
        row
        for row, (target, group) in enumerate(zip(targets, names, strict=True))
        if target and class_of.get(group) == target
    ]
    classes, codes = np.unique(np.array([targets[row] for row in rows], dtype=str), return_inverse=True)
    number_of = {group: number for number, group in enumerate(sorted(class_of))}
    of_group = np.array([number_of[names[row]] for row in rows], dtype=np.int64)
    return np.array(rows, dtype=np.int64), codes.astype(np.int64), of_group, tuple(classes.tolist())


def _means(matrix: Float64, of_group: Int64) -> Float64:
    """Mean of each group, (groups, attributes), over what was measured."""
    count = int(of_group.max()) + 1
    measured = np.isfinite(matrix)
    sums = np.zeros((count, matrix.shape[1]))
    numbers = np.zeros_like(sums)
    np.add.at(sums, of_group, np.where(measured, matrix, 0))
    np.add.at(numbers, of_group, measured)
    return np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)


def _sums(groups: _Groups, codes: Int64) -> Float64:
    """Number, sum and sum of squares of the values by class, (3, attributes, classes), with these codes in place of the groups' own."""
    measured = np.isfinite(groups.values)
    centred = _centred(groups.values)
    one_hot = (codes[:, None] == np.arange(len(groups.classes))).astype(np.float64)
    return np.stack([part.T @ one_hot for part in (measured.astype(np.float64), centred, centred**2)])


def _centred(values: Float64) -> Float64:
    """Values less the mean of their attribute, 0 where nothing was measured: squares of large numbers lose digits."""
    measured = np.isfinite(values)
    filled = np.where(measured, values, 0)
    centred: Float64 = np.where(measured, filled - filled.sum(axis=0) / np.maximum(measured.sum(axis=0), 1), 0)
    return centred


def _effects(sums: Float64, classes: int) -> tuple[Float64, Float64, Float64]:
    """Of `_sums` (3, ..., attributes, classes): numbers, effects and t of each class against the others; NaN where there are too few."""
    number, total, squares = sums
    other, other_total, other_squares = (part.sum(axis=-1, keepdims=True) - part for part in sums)
    enough = (number >= FEWEST_GROUPS) & (other >= FEWEST_GROUPS)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = squares - total**2 / number + other_squares - other_total**2 / other
        spread = np.sqrt(np.maximum(within, 0) / (number + other - 2))
        # What differs by rounding alone does not vary.
        varies = spread > 1e-9 * np.sqrt(squares.sum(axis=-1, keepdims=True))
        effect = np.where(enough & varies, (total / number - other_total / other) / spread, np.nan)
        statistic = effect / np.sqrt(1 / number + 1 / other)
    return number, effect, statistic


def _intervals(groups: _Groups, rng: np.random.Generator, draws: int) -> tuple[Float64, Float64]:
    """95 % intervals of the effects, (attributes, classes): groups are drawn anew within each class."""
    centred = _centred(groups.values)
    shape = groups.values.shape[1], len(groups.classes)
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    for place in range(shape[0]):
        sums = np.zeros((3, draws, shape[1]))
        for code in range(shape[1]):
            own = centred[(groups.codes == code) & np.isfinite(groups.values[:, place]), place]
            if len(own):
                step = max(1, _AT_A_TIME // len(own))
                for start in range(0, draws, step):
                    drawn = own[rng.integers(0, len(own), (min(step, draws - start), len(own)))]
                    part = slice(start, start + step)
                    sums[:, part, code] = np.full(len(drawn), len(own)), drawn.sum(axis=1), (drawn**2).sum(axis=1)
        effect = _effects(sums, shape[1])[1]
        for code in range(shape[1]):
            known = effect[np.isfinite(effect[:, code]), code]
            if len(known) > draws / 2:
                low[place, code], high[place, code] = np.quantile(known, [0.025, 0.975])
    return low, high


def _p_values(groups: _Groups, statistics: Float64, rng: np.random.Generator, draws: int) -> Float64:
    """Corrected for all rows: how often the largest |t| of all is as large, where classes are dealt out anew."""
    largest = np.zeros(draws)
    for draw in range(draws):
        dealt = _effects(_sums(groups, rng.permutation(groups.codes)), len(groups.classes))[2]
        dealt = dealt[np.isfinite(dealt)]
        largest[draw] = np.abs(dealt).max() if len(dealt) else 0.0
    above = (largest >= np.abs(statistics)[..., None] * (1 - 1e-12)).sum(axis=-1)
    return np.where(np.isfinite(statistics), (1 + above) / (1 + draws), np.nan)


def _examples(
    values: Float64, own: npt.NDArray[np.bool_], of_group: Int64, ids: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Synapses of the class with the lowest and the highest values, each of another group."""
    rows = np.flatnonzero(own & np.isfinite(values)).tolist()
    found = []
    for sign in (1, -1):
        chosen: dict[int, str] = {}
        for row in sorted(rows, key=lambda row: (sign * values[row], ids[row])):
            chosen.setdefault(int(of_group[row]), ids[row])
            if len(chosen) == EXAMPLES:
                break
        found.append(list(chosen.values()))
    return found[0], found[1]


def _sentence(
    name: str, label: str, numbers: tuple[float, float, float, float], groups: tuple[int, int], rows: int, word: str
) -> str:
    """The outcome in words. numbers: effect, low, high, p; groups: of the class and of all others."""
    what = name.replace("_", " ")
    effect, low, high, p_value = numbers
    if min(groups) < FEWEST_GROUPS:
        return f"{what} of {label}: {groups[0]} {word}s against {groups[1]}, not tested: {FEWEST_GROUPS} of each are needed"
    if not np.isfinite(effect):
        return f"{what} of {label}: the same in all {word}s, so there is nothing to compare"
    outcome = "differs" if p_value <= LARGEST_P else "no difference found"
    interval = f" (95 % {low:+.2f} to {high:+.2f})" if np.isfinite(low) else ""
    sentence = (
        f"{what} of {label}: {outcome}, {effect:+.2f} standard deviations of {word}s{interval}, {groups[0]:,} {word}s against "
        f"{groups[1]:,}, p = {p_value:.2g} corrected for {rows} comparisons"
    )
    return (
        sentence
        if word == "neuron"
        else f"{sentence}; synapses of one neuron are not independent, so this claims too much"
    )
