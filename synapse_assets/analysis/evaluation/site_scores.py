"""How well synapses are detected as points: sites, pairs of sites, and the threshold that detects them best.

Belongs here: matches at a tolerance in nm. Does not belong here: objects (`object_scores`), voxels (`voxel_scores`), the
assignment itself and its scores (`one_to_one`), finding sites (`analysis.detection`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.voxels import length_of, points_of
from synapse_assets.analysis.evaluation.one_to_one import Float64, Int64, Matches, match_edges
from synapse_assets.errors import BadInput


def match_sites(found_nm: npt.ArrayLike, truth_nm: npt.ArrayLike, tolerance_nm: float) -> Matches:
    """Detected and true sites (N, 3) and (M, 3), x, y, z in nm, one to one within the tolerance (included): as many pairs as
    there can be, and of those choices the one with the least sum of distances.

    That a site may match but once is what makes two detections of one synapse an error, and one detection between two synapses a miss.
    Raises BadInput for points that are no numbers, or a tolerance that is no length.
    """
    from scipy.spatial import cKDTree

    found, truth = points_of(found_nm, "detected sites"), points_of(truth_nm, "true sites")
    tolerance = length_of(tolerance_nm, "the tolerance of a match")
    if not len(found) or not len(truth):
        none = np.zeros(0, dtype=np.int64)
        return match_edges(none, none, np.zeros(0), len(found), len(truth))
    near = cKDTree(found).sparse_distance_matrix(cKDTree(truth), tolerance, output_type="ndarray")
    return match_edges(near["i"].astype(np.int64), near["j"].astype(np.int64), near["v"], len(found), len(truth))


def match_pairs(
    found_pairs: npt.ArrayLike, truth_pairs: npt.ArrayLike, pre_sites: Matches, post_sites: Matches
) -> Matches:
    """Detected and true pairs (P, 2) and (Q, 2), row of the presynaptic and row of the postsynaptic site: a detected pair is
    right when both of its sites are matched, by `match_sites`, to the sites of one true pair. The cost of a match is the larger
    of the two distances.

    Raises BadInput for a pair that is there twice, or of a site that is not there.
    """
    found = _pairs(found_pairs, "detected", pre_sites.detected, post_sites.detected)
    truth = _pairs(truth_pairs, "true", pre_sites.true, post_sites.true)
    pre, pre_distance = _truth_of(pre_sites)
    post, post_distance = _truth_of(post_sites)
    row_of = {tuple(pair): row for row, pair in enumerate(truth.tolist())}
    as_truth = np.stack([pre[found[:, 0]], post[found[:, 1]]], axis=1)
    rows = np.array([row_of.get(tuple(pair), -1) for pair in as_truth.tolist()], dtype=np.int64)
    right = np.flatnonzero(rows >= 0)
    distance = np.maximum(pre_distance[found[right, 0]], post_distance[found[right, 1]])
    return match_edges(right, rows[right], distance, len(found), len(truth))


@dataclass(frozen=True)
class Candidates:
    """What is detected at one threshold: positions (N, 3), x, y, z in nm, and the volumes of the objects (N,) in nm³, where they
    are objects."""

    threshold: float
    position_nm: npt.ArrayLike
    volume_nm3: npt.ArrayLike | None = None


@dataclass(frozen=True)
class BestThreshold:
    """The threshold, and least volume, at which F1 is best.

    f1  at that choice, on the sites that it was chosen on: too high for others
    table  float64 (T, V): F1 at every threshold and least volume; NaN where nothing is detected and nothing is true
    """

    threshold: float
    min_nm3: float
    f1: float
    table: Float64


def by_score(position_nm: npt.ArrayLike, score: npt.ArrayLike, thresholds: Sequence[float]) -> list[Candidates]:
    """The candidates at each threshold of sites (N, 3) that have a score (N,): those of at least the threshold.

    Of `analysis.detection.peaks` these are what it gives at that threshold, from one run at the lowest.
    """
    positions, scores = points_of(position_nm, "detected sites"), np.asarray(score, dtype=np.float64)
    return [Candidates(threshold, positions[scores >= threshold]) for threshold in thresholds]


def best_threshold(
    candidates: Sequence[Candidates],
    truth_nm: npt.ArrayLike,
    tolerance_nm: float,
    min_nm3: Sequence[float] = (0.0,),
) -> BestThreshold:
    """The threshold, and of those `min_nm3` the least volume, with the best F1 of sites matched within the tolerance.

    Where several are equally good it is the one in the middle of them, which is least upset by other data. To be asked with data for
    calibration: the F1 of what it was chosen on flatters. Raises BadInput for no candidates, candidates without volumes where a least
    volume is to be chosen, or truth without a site.
    """
    truth = points_of(truth_nm, "true sites")
    if not len(candidates) or not len(min_nm3):
        raise BadInput("a threshold is chosen of one at least, and a least volume of one at least: there are none")
    if not len(truth):
        raise BadInput(
            "a threshold is chosen by sites that are known, and there is none: take a part of the volume with some"
        )
    table = np.empty((len(candidates), len(min_nm3)))
    for i, candidate in enumerate(candidates):
        positions = points_of(candidate.position_nm, "detected sites")
        for j, least in enumerate(min_nm3):
            large = _at_least(candidate, least, len(positions))
            matches = match_sites(positions[large], truth, tolerance_nm)
            table[i, j] = 2 * len(matches.pairs) / (matches.detected + matches.true)
    row, column = middle_of_best(table)
    return BestThreshold(candidates[row].threshold, float(min_nm3[column]), float(table[row, column]), table)


def middle_of_best(table: Float64) -> tuple[int, ...]:
    """The place of the highest value of a table of any number of axes: of several the one nearest to their middle, of those the first.

    Raises BadInput where no value is a number.
    """
    if not np.isfinite(table).any():
        raise BadInput("none of these choices has a score: nothing was detected with any of them")
    best = np.argwhere(table >= np.nanmax(table) - 1e-12)
    distance = ((best - best.mean(axis=0)) ** 2).sum(axis=1)
    return tuple(int(place) for place in best[int(np.argmin(distance))])


def _at_least(candidate: Candidates, least: float, count: int) -> npt.NDArray[np.bool_]:
    if candidate.volume_nm3 is None:
        if least > 0:
            raise BadInput(
                f"a least volume of {least:g} nm³ needs the volumes of the candidates, and those of threshold {candidate.threshold:g} "
                "have none"
            )
        return np.ones(count, dtype=bool)
    volumes = np.asarray(candidate.volume_nm3, dtype=np.float64)
    if volumes.shape != (count,):
        raise BadInput(
            f"candidates of threshold {candidate.threshold:g}: {count} positions, but {volumes.shape} volumes"
        )
    large: npt.NDArray[np.bool_] = volumes >= least
    return large


def _truth_of(sites: Matches) -> tuple[Int64, Float64]:
    """The true site of each detected one (-1: none), and how far it is away."""
    truth, distance = np.full(sites.detected, -1, dtype=np.int64), np.full(sites.detected, np.nan)
    truth[sites.pairs[:, 0]], distance[sites.pairs[:, 0]] = sites.pairs[:, 1], sites.cost
    return truth, distance


def _pairs(pairs: npt.ArrayLike, name: str, pre: int, post: int) -> Int64:
    rows = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if len(np.unique(rows, axis=0)) < len(rows):
        raise BadInput(
            f"of {len(rows)} {name} pairs {len(rows) - len(np.unique(rows, axis=0))} are there twice: leave them out"
        )
    if len(rows) and (rows.min() < 0 or (rows.max(axis=0) >= (pre, post)).any()):
        raise BadInput(
            f"the {name} pairs name rows up to {rows.max(axis=0).tolist()}, but there are {pre} presynaptic and {post} postsynaptic sites"
        )
    return rows
