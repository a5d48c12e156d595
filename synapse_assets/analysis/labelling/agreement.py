"""How far people agree who answered the same items: Cohen's kappa, over all pairs of them and class by class.

What is decided where they disagree is in `decisions`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, group_draws, percentile_interval
from synapse_assets.analysis.labelling.decisions import standing_answers
from synapse_assets.schema.labelling import ANNOTATOR_AGREEMENT, ANSWER, LABEL_AGREEMENT, NOT_A_SYNAPSE, SKIP, UNSURE

ALL = "all"

Float64 = npt.NDArray[np.float64]


def agreement(
    annotations: pa.Table, classes: Collection[str], renamed: Mapping[str, str], seed: int
) -> tuple[pa.Table, pa.Table]:
    """LABEL_AGREEMENT, and ANNOTATOR_AGREEMENT with a row for every pair of people who answered the same items.

    Counted are standing answers, 'not a synapse' and 'unsure' like the classes, without skips, adjudications and what is no class now.
    kappa is Cohen's (1960, doi 10.1177/001316446002000104); of a class, of naming it or not; of several pairs their mean weighted by
    items. It is empty where it is not defined: both gave one and the same answer only. `observed` of a class: of the items that one of a
    pair named so, the share that both did. Intervals are 95 %, percentile bootstrap over items, all answers to an item together; none
    below 8 items. A class that nobody named in such an item has no row.
    """
    names = [*classes, NOT_A_SYNAPSE, UNSURE]
    pairs, items = _pairs(annotations, names, renamed)
    draws = group_draws(items, seed)
    of_class: list[dict[str, Any]] = []
    of_pair: list[dict[str, Any]] = []
    for number, name in enumerate([ALL, *names]):
        tallies = {people: pair.tally(number - 1, len(names)) for people, pair in pairs.items()}
        asked = np.unique([item for pair in tallies.values() for item in pair.items[pair.counted]])
        if name != ALL and not len(asked):
            continue
        of_class.append({"class": name, **_row(list(tallies.values()), len(asked), draws)})
        of_class[-1]["sentence"] = _sentence(of_class[-1], len({one for people in pairs for one in people}))
        for (first, second), pair in tallies.items():
            if count := int(pair.counted.sum()):
                of_pair.append({"first": first, "second": second, "class": name, **_row([pair], count, draws)})
    of_pair.sort(key=lambda row: (row["first"], row["second"]))
    return (
        pa.Table.from_pylist(of_class, schema=LABEL_AGREEMENT.arrow),
        pa.Table.from_pylist(of_pair, schema=ANNOTATOR_AGREEMENT.arrow),
    )


@dataclass(frozen=True)
class _Tally:
    """The answers of two people to the same items, as one square table of counts an item.

    items (I,) numbers of the items; cells (I,) cell of the flattened square (K x K); counted (I,) whether the item is about the class.
    """

    items: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]
    counted: npt.NDArray[np.bool_]
    size: int

    def kappa(self, draws: Float64 | None = None) -> tuple[Float64, Float64]:
        """Cohen's kappa (B,), NaN where it is not defined, and the number of items (B,), by draw (B, all items); without: of all once."""
        weights = np.ones((1, len(self.items))) if draws is None else draws[:, self.items]
        cells = np.eye(self.size**2)[self.cells]
        counts = (weights @ cells).reshape(-1, self.size, self.size)
        total = counts.sum(axis=(1, 2))
        shares = counts / np.where(total > 0, total, 1)[:, None, None]
        observed = np.trace(shares, axis1=1, axis2=2)
        by_chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
        defined = (total > 0) & (1 - by_chance > 1e-12)
        return np.where(defined, (observed - by_chance) / np.where(defined, 1 - by_chance, 1), np.nan), total


@dataclass(frozen=True)
class _Pair:
    """What two people answered to the same items: numbers of the items, and of the answers of each (I,)."""

    items: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]

    def tally(self, number: int, classes: int) -> _Tally:
        """Of all classes (number -1), or of naming one of them or not."""
        if number < 0:
            return _Tally(self.items, self.first * classes + self.second, np.ones(len(self.items), dtype=bool), classes)
        first, second = self.first == number, self.second == number
        return _Tally(self.items, first * 2 + second, first | second, 2)


def _pairs(
    annotations: pa.Table, names: list[str], renamed: Mapping[str, str]
) -> tuple[dict[tuple[str, str], _Pair], int]:
    """The pairs of people with items in common, by name, and the number of items that two or more answered."""
    standing = standing_answers(annotations)
    standing = standing.filter(pc.and_(pc.equal(standing["kind"], ANSWER), pc.not_equal(standing["answer"], SKIP)))
    by_item: dict[str, list[tuple[str, int]]] = {}
    for item, person, given in zip(*(standing[c].to_pylist() for c in ("item", "annotator", "answer")), strict=True):
        answer = renamed.get(given, given)
        if answer in names:
            by_item.setdefault(item, []).append((person, names.index(answer)))
    several = [sorted(answers) for answers in by_item.values() if len(answers) > 1]
    found: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for number, answers in enumerate(several):
        for (first, one), (second, other) in combinations(answers, 2):
            found.setdefault((first, second), []).append((number, one, other))
    return {people: _Pair(*np.array(found[people], dtype=np.int64).T) for people in sorted(found)}, len(several)


def _row(pairs: list[_Tally], items: int, draws: Float64 | None) -> dict[str, Any]:
    """items, observed, kappa, low and high of these pairs."""
    counted = sum(int(pair.counted.sum()) for pair in pairs)
    # The diagonal of the square: all cells of which number and transposed number are one. Of a class only the last.
    agreed = sum(int((pair.counted & (pair.cells % (pair.size + 1) == 0)).sum()) for pair in pairs)
    kappa = _mean([pair.kappa() for pair in pairs])
    interval = None
    if draws is not None and items >= FEWEST_GROUPS and not np.isnan(kappa).all():
        interval = percentile_interval(_mean([pair.kappa(draws) for pair in pairs]))
    low, high = interval or (None, None)
    return {
        "items": items,
        "observed": agreed / counted if counted else None,
        "kappa": None if np.isnan(kappa).all() else float(kappa[0]),
        "low": low,
        "high": high,
    }


def _mean(kappas: list[tuple[Float64, Float64]]) -> Float64:
    """The mean over pairs (B,), weighted by items; of pairs in which it is defined."""
    if not kappas:
        return np.array([np.nan])
    values, weights = (np.stack(arrays) for arrays in zip(*kappas, strict=True))
    weights = np.where(np.isnan(values), 0, weights)
    total = weights.sum(axis=0)
    return np.where(total > 0, (np.nan_to_num(values) * weights).sum(axis=0) / np.where(total > 0, total, 1), np.nan)


def _sentence(row: Mapping[str, Any], people: int) -> str:
    asked = f"{row['items']} {'item' if row['items'] == 1 else 'items'}"
    about = "" if row["class"] == ALL else f" about '{row['class']}'"
    if not row["items"]:
        return (
            "No item was answered by two people: give `twice_share` above 0, or `people: 2` or more, under `labelling`."
        )
    if row["kappa"] is None:
        return f"kappa is not defined for {asked}: all answers are the same."
    if row["kappa"] <= 0:
        return f"{people} people agree{about} no more than by chance (kappa {row['kappa']:.2f}, {asked}): say first what each class is."
    interval = "" if row["low"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{people} people agree{about} on {row['observed']:.0%} of {asked}, kappa {row['kappa']:.2f}{interval}."
