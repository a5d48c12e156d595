"""How far people agree who answered the same items: Cohen's kappa, over all pairs of them and class by class.

What is decided where they disagree is in `decisions`.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, percentile_interval
from synapse_assets.analysis.labelling.decisions import standing_answers
from synapse_assets.schema.labelling import ANNOTATOR_AGREEMENT, ANSWER, LABEL_AGREEMENT, NOT_A_SYNAPSE, SKIP, UNSURE

ALL = "all"

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
_REPLICATES = 2_000


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
    pairs, times = _pairs(annotations, names, renamed)
    items = int(times.sum())
    # Items that were answered alike are drawn as one, that many times: the same draws, and as few as there are ways to answer.
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(items, times / items, size=_REPLICATES).astype(np.float64) if items else np.empty((0, 0))
    of_class: list[dict[str, Any]] = []
    of_pair: list[dict[str, Any]] = []
    for number, name in enumerate([ALL, *names]):
        tallies = {people: pair.tally(number - 1, len(names)) for people, pair in pairs.items()}
        asked = np.unique([way for pair in tallies.values() for way in pair.ways[pair.counted]]).astype(np.int64)
        if name != ALL and not len(asked):
            continue
        of_class.append({"class": name, **_row(list(tallies.values()), int(times[asked].sum()), times, draws)})
        of_class[-1]["sentence"] = _sentence(of_class[-1], len({one for people in pairs for one in people}))
        for (first, second), pair in tallies.items():
            if count := int(times[pair.ways[pair.counted]].sum()):
                of_pair.append({"first": first, "second": second, "class": name, **_row([pair], count, times, draws)})
    of_pair.sort(key=lambda row: (row["first"], row["second"]))
    return (
        pa.Table.from_pylist(of_class, schema=LABEL_AGREEMENT.arrow),
        pa.Table.from_pylist(of_pair, schema=ANNOTATOR_AGREEMENT.arrow),
    )


@dataclass(frozen=True)
class _Tally:
    """What two people answered to the same items, as a square table of counts.

    ways (W,) numbers of the ways in which all people answered an item; cells (W,) cell of the flattened square (K x K); counted (W,)
    whether that is about the class; size: K.
    """

    ways: Int64
    cells: Int64
    counted: npt.NDArray[np.bool_]
    size: int

    def kappa(self, draws: Float64) -> tuple[Float64, Float64]:
        """Cohen's kappa (B,), NaN where it is not defined, and the number of items (B,). draws (B, all ways): how often each came."""
        cells = np.eye(self.size**2)[self.cells]
        counts = (draws[:, self.ways] @ cells).reshape(-1, self.size, self.size)
        total = counts.sum(axis=(1, 2))
        shares = counts / np.where(total > 0, total, 1)[:, None, None]
        observed = np.trace(shares, axis1=1, axis2=2)
        by_chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
        defined = (total > 0) & (1 - by_chance > 1e-12)
        return np.where(defined, (observed - by_chance) / np.where(defined, 1 - by_chance, 1), np.nan), total


@dataclass(frozen=True)
class _Pair:
    """What two people answered to the same items: numbers of the ways, and of the answers of each (W,)."""

    ways: Int64
    first: Int64
    second: Int64

    def tally(self, number: int, classes: int) -> _Tally:
        """Of all classes (number -1), or of naming one of them or not."""
        if number < 0:
            return _Tally(self.ways, self.first * classes + self.second, np.ones(len(self.ways), dtype=bool), classes)
        first, second = self.first == number, self.second == number
        return _Tally(self.ways, first * 2 + second, first | second, 2)


def _pairs(
    annotations: pa.Table, names: list[str], renamed: Mapping[str, str]
) -> tuple[dict[tuple[str, str], _Pair], Int64]:
    """The pairs of people with items in common, by name, and how many items were answered in each way, by two or more."""
    standing = standing_answers(annotations)
    standing = standing.filter(pc.and_(pc.equal(standing["kind"], ANSWER), pc.not_equal(standing["answer"], SKIP)))
    numbers = {name: number for number, name in enumerate(names)}
    by_item: dict[str, list[tuple[str, int]]] = {}
    for item, person, given in zip(*(standing[c].to_pylist() for c in ("item", "annotator", "answer")), strict=True):
        if (number := numbers.get(renamed.get(given, given))) is not None:
            by_item.setdefault(item, []).append((person, number))
    ways = Counter(tuple(sorted(answers)) for answers in by_item.values() if len(answers) > 1)
    found: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for way, answers in enumerate(ways):
        for (first, one), (second, other) in combinations(answers, 2):
            found.setdefault((first, second), []).append((way, one, other))
    pairs = {people: _Pair(*np.array(found[people], dtype=np.int64).T) for people in sorted(found)}
    return pairs, np.array(list(ways.values()), dtype=np.int64)


def _row(pairs: list[_Tally], items: int, times: Int64, draws: Float64) -> dict[str, Any]:
    """items, observed, kappa, low and high of these pairs."""
    counted = sum(int(times[pair.ways[pair.counted]].sum()) for pair in pairs)
    # The diagonal of the square: of a class only its last cell, where both named it.
    agreed = sum(int(times[pair.ways[pair.counted & (pair.cells % (pair.size + 1) == 0)]].sum()) for pair in pairs)
    kappa = _mean([pair.kappa(times[None].astype(np.float64)) for pair in pairs])
    interval = None
    if items >= FEWEST_GROUPS and not np.isnan(kappa).all():
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
