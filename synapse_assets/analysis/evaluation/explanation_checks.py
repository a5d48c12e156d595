"""Whether a method of explanation can be trusted for a classifier: intervals of what was measured, the tests, and the verdict in words.

No absolute agreement tells sane maps from insane ones. Guided backpropagation's maps change when all weights are random, and do not when
only the last layer is; sizes of gradients hardly depend on the class. So maps are compared with those of a network that was trained again.

Belongs here: numbers of maps, by picture and draw. Does not belong here: making maps (`vision.explanation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.localisation import places_reached, pointing_game, precision_recall_area
from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, Interval
from synapse_assets.errors import BadInput
from synapse_assets.schema import EXPLANATION_CHECKS

Verdict = Literal["trustworthy", "partly", "not"]
Float64 = npt.NDArray[np.float64]

LEAST_GAIN = 0.1
"""By how much more a map has to agree with a retrained network's than with random weights'."""
NECESSARY = ("randomisation", "head")
"""Tests that a method has to pass for its maps to say anything of the classifier."""

_REPLICATES = 2000
_PLACE_TESTS = ("pointing_game", "area_under_precision")
_FAILURES = {
    "randomisation": "maps hardly agree more with a retrained network's than with those of random weights",
    "head": "maps stay when the last layer is shuffled, as much as when the network is trained again",
    "other_class": "maps of another class are as much alike as those of a retrained network",
    "deletion": "hiding what the map names first costs the class no more than hiding places at random, or the centre",
    "insertion": "showing what the map names first helps the class no more than showing places at random, or the centre",
    "pointing_game": "the brightest place of a map is a planted one no more often than by chance",
    "area_under_precision": "bright places are planted ones no more often than by chance",
}


@dataclass(frozen=True)
class PlantedPlaces:
    """The places that are known to matter.

    places: of each picture (n, 2), y and x in pixels. tolerance_px: how far from one a map may be bright.
    """

    places: Sequence[npt.ArrayLike]
    tolerance_px: float


@dataclass(frozen=True)
class CheckRow:
    """One measurement; fields as in `schema.EXPLANATION_CHECKS`."""

    check: str
    value: float
    interval: Interval | None
    chance: float | None = None
    passed: bool | None = None


@dataclass(frozen=True)
class MethodCheck:
    """What the tests of a method came to."""

    method: str
    rows: tuple[CheckRow, ...]
    pictures: int
    draws: int
    verdict: Verdict
    sentence: str

    def row(self, check: str) -> CheckRow:
        """The measurement of that name; KeyError if there is none."""
        return {row.check: row for row in self.rows}[check]


def judge(
    method: str, measured: Mapping[str, npt.NDArray[Any]], planted: PlantedPlaces | None = None, seed: int = 0
) -> MethodCheck:
    """The tests of a method, of what `vision.explanation.sanity.measure_method` gives.

    randomisation  retrained less all_random: passed if its lower end is above .10
    head           retrained less head_shuffled: passed if its lower end is not below 0
    other_class    agreement with the map of another class: passed if a retrained network's is higher, by its interval
    deletion, insertion  how much better than a random order, in probability: passed if the lower end is above 0, and the map not worse
                   than an order from the centre outwards (its chance)
    pointing_game, area_under_precision  against planted places, where they are given: passed if the lower end is above chance

    Intervals are 95 %, by bootstrap over pictures and draws (Efron 1979), None below 8 pictures, and then nothing is passed. "not" is the
    verdict where randomisation or head fails, "partly" where another test does. Raises BadInput for planted places of other pictures.
    """
    values = {name: np.atleast_2d(np.asarray(array, float)) for name, array in measured.items() if name != "maps"}
    draws, pictures = values["all_random"].shape
    resample = _Resampling(pictures, draws, seed)

    def row(check: str, *terms: tuple[str, float], chance: float | None = None) -> CheckRow:
        found = resample(np.asarray(sum(sign * values[name] for name, sign in terms)))
        return CheckRow(check, found[0], found[1], chance)

    def gain(check: str, sign: float) -> CheckRow:
        better = row(check, (check, sign), ("random_order", -sign))
        centre = row(check, (f"centre_{check}", sign), ("random_order", -sign)).value
        against_centre = row(check, (check, sign), (f"centre_{check}", -sign)).interval
        passed = _low(better) > 0 and against_centre is not None and against_centre[1] >= 0
        return CheckRow(check, better.value, better.interval, centre, passed)

    randomisation = row("randomisation", ("retrained", 1), ("all_random", -1), chance=0.0)
    head = row("head", ("retrained", 1), ("head_shuffled", -1), chance=0.0)
    sensitivity = row("", ("retrained", 1), ("other_class", -1))
    rows = [
        row("retrained", ("retrained", 1), chance=row("", ("other_picture", 1)).value),
        *(row(name, (name, 1)) for name in ("other_picture", "all_random", "all_shuffled", "head_shuffled")),
        _with(randomisation, _low(randomisation) > LEAST_GAIN),
        _with(head, _low(head) >= 0),
        _with(row("other_class", ("other_class", 1)), _low(sensitivity) > 0),
        gain("deletion", -1),
        gain("insertion", 1),
        *(_localisation(measured["maps"], planted, resample) if planted is not None else ()),
    ]
    verdict = _verdict(rows)
    return MethodCheck(method, tuple(rows), pictures, draws, verdict, _sentence(method, rows, pictures, verdict))


def check_rows(classifier: str, version: str, checks: Sequence[MethodCheck]) -> pa.Table:
    """The checks as `schema.EXPLANATION_CHECKS`, of a classifier by its name and version."""
    rows = [
        {
            "classifier": classifier,
            "version": version,
            "method": check.method,
            "check": row.check,
            "value": row.value,
            "low": row.interval[0] if row.interval else None,
            "high": row.interval[1] if row.interval else None,
            "chance": row.chance,
            "passed": row.passed,
            "pictures": check.pictures,
            "draws": check.draws,
            "verdict": check.verdict,
            "sentence": check.sentence,
        }
        for check in checks
        for row in check.rows
    ]
    return pa.Table.from_pylist(rows, schema=EXPLANATION_CHECKS.arrow)


class _Resampling:
    """Means of values by draw and picture, with intervals; every value resamples the same draws and pictures."""

    def __init__(self, pictures: int, draws: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._enough = pictures >= FEWEST_GROUPS
        self._pictures = rng.multinomial(pictures, np.full(pictures, 1 / pictures), _REPLICATES) / pictures
        self._draws = rng.multinomial(draws, np.full(draws, 1 / draws), _REPLICATES) / draws

    def __call__(self, values: Float64) -> tuple[float, Interval | None]:
        """Of values (draws, pictures), or (1, pictures) without draws."""
        if not self._enough:
            return float(values.mean()), None
        weights = self._draws if len(values) > 1 else np.ones((_REPLICATES, 1))
        means = ((weights @ values) * self._pictures).sum(1)
        low, high = np.percentile(means, (2.5, 97.5))
        return float(values.mean()), (float(low), float(high))


def _localisation(maps: npt.NDArray[Any], planted: PlantedPlaces, resample: _Resampling) -> list[CheckRow]:
    """Against planted places. Chance of the area under precision is that of the map of the next picture: a map's peaks keep apart, so some
    come near a place more often than single pixels do."""
    if len(planted.places) != len(maps):
        raise BadInput(
            f"explanation: there are {len(maps)} maps and the planted places of {len(planted.places)} pictures"
        )
    tolerance = planted.tolerance_px
    shape = (int(maps.shape[1]), int(maps.shape[2]))

    def areas(of: npt.NDArray[Any]) -> Float64:
        return np.array([precision_recall_area(m, at, tolerance)[0] for m, at in zip(of, planted.places, strict=True)])

    hits = pointing_game(maps, planted.places, tolerance)
    reached = np.array([places_reached(shape, at, tolerance) for at in planted.places])
    rows = []
    pairs = ((hits, reached), (areas(maps), areas(np.roll(maps, 1, 0))))
    for check, (found, chance) in zip(_PLACE_TESTS, pairs, strict=True):
        value, interval = resample(found[None])
        better = resample((found - chance)[None])[1]
        rows.append(CheckRow(check, value, interval, float(chance.mean()), better is not None and better[0] > 0))
    return rows


def _with(row: CheckRow, passed: bool) -> CheckRow:
    return CheckRow(row.check, row.value, row.interval, row.chance, passed)


def _low(row: CheckRow) -> float:
    return row.interval[0] if row.interval else -np.inf


def _verdict(rows: Sequence[CheckRow]) -> Verdict:
    failed = {row.check for row in rows if row.passed is False}
    if failed.intersection(NECESSARY):
        return "not"
    return "partly" if failed else "trustworthy"


def _sentence(method: str, rows: Sequence[CheckRow], pictures: int, verdict: Verdict) -> str:
    by_name = {row.check: row for row in rows}
    agreement = (
        f"maps of {pictures} pictures agree by {by_name['retrained'].value:.2f} with a retrained network's, by "
        f"{by_name['all_random'].value:.2f} with those of random weights, by {by_name['head_shuffled'].value:.2f} with the last layer "
        "shuffled (1 is the same order of places)"
    )
    failed = [row.check for row in rows if row.passed is False]
    if pictures < FEWEST_GROUPS:
        return f"{method}: {agreement}; with fewer than {FEWEST_GROUPS} pictures nothing can be said of it"
    why = "; ".join(_FAILURES[check] for check in failed)
    if verdict == "trustworthy":
        return f"{method} passes every test: {agreement}"
    if verdict == "partly":
        return f"{method} passes the tests of randomised weights, but {why}: {agreement}"
    return f"{method} says little of this classifier: {why}: {agreement}"
