"""How well objects are detected: clefts, polarity masks and mitochondria as instances.

Belongs here: objects matched one to one by how much they overlap, average precision, objects that were split or merged. Does not
belong here: sites (`site_scores`), voxels regardless of objects (`voxel_scores`), making objects
(`analysis.detection.components`).

A rule that counts an object as found where anything overlaps it gives F1 1 to one blob that covers everything. Here a pair needs an
intersection over union (IoU), and no object is in two.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.one_to_one import Bool, Float64, Int64, Matches, match_edges
from synapse_assets.analysis.evaluation.scores import FEWEST_GROUPS, Interval, percentile_interval
from synapse_assets.errors import BadInput

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
""".5 to .95 in steps of .05: what COCO takes the mean over (Lin et al., ECCV 2014)."""
_REPLICATES = 2000
# Draws times objects that are held at once.
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Overlaps:
    """Which of F detected objects and T true ones overlap.

    found_ids, truth_ids        int64 (F,), (T,): their labels, ascending; a row of a result is a place in these
    found_voxels, truth_voxels  int64 (F,), (T,)
    found, truth, voxels        int64 (E,): row of a detected object, row of a true one, and the voxels that they share
    """

    found_ids: Int64
    truth_ids: Int64
    found_voxels: Int64
    truth_voxels: Int64
    found: Int64
    truth: Int64
    voxels: Int64

    @property
    def iou(self) -> Float64:
        """Intersection over union (E,) of each overlap."""
        return self.voxels / (self.found_voxels[self.found] + self.truth_voxels[self.truth] - self.voxels)


def overlaps(found: npt.NDArray[np.integer], truth: npt.NDArray[np.integer]) -> Overlaps:
    """The overlaps of detected and true objects, as labels of the same voxels; 0 is none.

    Raises BadInput for shapes that differ, labels below 0, or what are no labels.
    """
    if found.shape != truth.shape:
        raise BadInput(
            f"objects are compared in the same box; detected ones are of {found.shape} voxels, true ones of {truth.shape}"
        )
    for labels, name in ((found, "detected"), (truth, "true")):
        if not np.issubdtype(labels.dtype, np.integer):
            raise BadInput(
                f"{name} objects are integers, 0 for none; these are {labels.dtype}: of a mask take analysis.detection.components.labelled"
            )
        if labels.size and int(labels.min()) < 0:
            raise BadInput(f"{name} objects have labels above 0; the lowest is {int(labels.min())}")
    some = (found > 0) | (truth > 0)
    found_ids, found_row, found_voxels = _rows(found[some])
    truth_ids, truth_row, truth_voxels = _rows(truth[some])
    both = (found_row >= 0) & (truth_row >= 0)
    keys, voxels = np.unique(found_row[both] * max(1, len(truth_ids)) + truth_row[both], return_counts=True)
    found_of, truth_of = np.divmod(keys, max(1, len(truth_ids)))
    return Overlaps(found_ids, truth_ids, found_voxels, truth_voxels, found_of, truth_of, voxels.astype(np.int64))


def _rows(labels: npt.NDArray[np.integer]) -> tuple[Int64, Int64, Int64]:
    """The labels above 0, ascending; the place in these of each voxel's, -1 for 0; and their voxels."""
    ids, row, voxels = np.unique(labels, return_inverse=True, return_counts=True)
    none = int(len(ids) > 0 and ids[0] == 0)
    return ids[none:].astype(np.int64), row.astype(np.int64) - none, voxels[none:].astype(np.int64)


def match_objects(objects: Overlaps, iou: float = 0.5) -> Matches:
    """Detected and true objects one to one, where their IoU is at least that: as many pairs as there can be, and of those choices
    the one with the highest sum of IoU. The cost of a pair is 1 - IoU.

    From above .5 on nothing is left to choose. Raises BadInput for an IoU that is not above 0 and at most 1: any overlap is no match.
    """
    if not 0 < iou <= 1:
        raise BadInput(
            f"objects match from an IoU above 0 and up to 1; it is {iou:g}. If any overlap were enough, one "
            "blob over everything would find all"
        )
    enough = objects.iou >= iou - 1e-12
    return match_edges(
        objects.found[enough],
        objects.truth[enough],
        1 - objects.iou[enough],
        len(objects.found_ids),
        len(objects.truth_ids),
    )


@dataclass(frozen=True)
class SplitAndMerged:
    """Objects in pieces and objects in one.

    split    int64: rows of true objects in which two detected objects or more have most (more than half) of their voxels
    merged   int64: rows of detected objects in which two true objects or more have most of theirs
    """

    split: Int64
    merged: Int64


def split_and_merged(objects: Overlaps) -> SplitAndMerged:
    """Which true objects were split, and which detected ones are several."""
    piece = 2 * objects.voxels > objects.found_voxels[objects.found]
    part = 2 * objects.voxels > objects.truth_voxels[objects.truth]
    pieces = np.bincount(objects.truth[piece], minlength=len(objects.truth_ids))
    parts = np.bincount(objects.found[part], minlength=len(objects.found_ids))
    return SplitAndMerged(np.flatnonzero(pieces > 1), np.flatnonzero(parts > 1))


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision with 95 % intervals, which are None for fewer than 8 objects; NaN without a true object.

    at_50  at an IoU of .5
    mean   of those at .5, .55 to .95
    """

    at_50: float
    mean: float
    at_50_interval: Interval | None
    mean_interval: Interval | None


def average_precision(objects: Overlaps, score: npt.ArrayLike, *, seed: int) -> AveragePrecision:
    """The average precision of detected objects with a score (F,), in the order of their labels.

    Of all detections, the highest score first, each takes the true object that it overlaps most of those that no other has taken,
    if the IoU is at least the threshold; else it is false. The area under precision and recall is taken with the envelope: at
    each recall the highest precision at that recall or any above (PASCAL VOC from 2010 on: Everingham et al., IJCV 111:98, 2015;
    COCO reads the same curve at 101 recalls). Detections of one score come together.

    Intervals are a percentile bootstrap over objects, of which those that overlap are drawn together; who took which is not done again.

    Raises BadInput unless there is a score, which is a number, for each detected object.
    """
    scores = np.asarray(score, dtype=np.float64)
    if scores.shape != objects.found_ids.shape or np.isnan(scores).any():
        raise BadInput(
            f"each of {len(objects.found_ids)} detected objects needs a score that is a number; there are {scores.shape}"
        )
    order = np.argsort(-scores, kind="stable")
    # the last detection of each score
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(order) else order
    hits = np.stack([_taken(objects, scores, iou)[order] for iou in IOU_THRESHOLDS])
    unit_of_found, unit_of_truth, units = _units(objects)
    unit_of_found = unit_of_found[order]
    once = np.ones((1, units))
    point = _areas(hits, last, once[:, unit_of_found], np.array([float(len(unit_of_truth))]))[:, 0]
    if units < FEWEST_GROUPS:
        return AveragePrecision(float(point[0]), float(point.mean()), None, None)
    rng = np.random.default_rng(seed)
    parts = []
    step = max(1, _AT_ONCE // units)
    for start in range(0, _REPLICATES, step):
        times = rng.multinomial(units, np.full(units, 1 / units), size=min(step, _REPLICATES - start))
        true = times[:, unit_of_truth].sum(axis=1).astype(np.float64)
        parts.append(_areas(hits, last, times[:, unit_of_found].astype(np.float64), true))
    areas = np.concatenate(parts, axis=1)
    return AveragePrecision(
        at_50=float(point[0]),
        mean=float(point.mean()),
        at_50_interval=percentile_interval(areas[0]),
        mean_interval=percentile_interval(areas.mean(axis=0)),
    )


def _units(objects: Overlaps) -> tuple[Int64, Int64, int]:
    """The group of each detected (F,) and each true object (T,), where what overlaps is one group, and their number."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    detected, nodes = len(objects.found_ids), len(objects.found_ids) + len(objects.truth_ids)
    edges = (np.ones(len(objects.found)), (objects.found, detected + objects.truth))
    units, unit = connected_components(sparse.coo_array(edges, shape=(nodes, nodes)), directed=False)
    return unit[:detected].astype(np.int64), unit[detected:].astype(np.int64), int(units)


def _taken(objects: Overlaps, scores: Float64, iou: float) -> Bool:
    """Whether each detection (F,) takes a true object."""
    edges = np.flatnonzero(objects.iou >= iou - 1e-12)
    edges = edges[np.lexsort((-objects.iou[edges], objects.found[edges], -scores[objects.found[edges]]))]
    takes = np.zeros(len(objects.found_ids), dtype=bool)
    free = np.ones(len(objects.truth_ids), dtype=bool)
    for found, truth in zip(objects.found[edges].tolist(), objects.truth[edges].tolist(), strict=True):
        if free[truth] and not takes[found]:
            takes[found], free[truth] = True, False
    return takes


def _areas(hits: Bool, last: Int64, times: Float64, true: Float64) -> Float64:
    """The area under precision and recall (I, B), for the detections that hit (I, F) at each IoU, the highest score first.

    `last` (L,) are the last ones of each score, `times` (B, F) how often each is drawn, `true` (B,) how many true objects are.
    """
    areas = np.empty((len(hits), len(times)))
    detected = np.cumsum(times, axis=1)[:, last]
    for row, hit in enumerate(hits):
        right = np.cumsum(times * hit, axis=1)[:, last]
        precision = np.divide(right, detected, out=np.zeros_like(right), where=detected > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        gained = np.diff(right, prepend=0.0, axis=1)
        area = (gained * envelope).sum(axis=1)
        areas[row] = np.divide(area, true, out=np.full(len(times), np.nan), where=true > 0)
    return areas
