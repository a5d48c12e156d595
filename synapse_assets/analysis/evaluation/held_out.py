"""A detector tested part by part: which threshold and least volume are chosen, and what was found, missed and invented.

Each part of a volume has a map by a network that never saw it. Threshold and least volume for a part are chosen on the maps of the others,
so nothing is chosen on what is tested. Belongs here: that choice, matches of what it gives, and the measures of all parts together. Does
not belong here: matching itself (`one_to_one`), scores of objects and voxels (`object_scores`, `voxel_scores`), making maps (`vision`),
objects of maps (`analysis.detection`).

Objects of masks may be a pair where they overlap by an IoU of .1, or where their inner points are within the tolerance: a thin cleft that
is detected a few voxels aside has an IoU near 0, and half of a long one has its middle far from that of the whole. Points may be a pair
within the tolerance. An object counts in the part that its inner point lies in.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.detection.components import Components, Limits, components
from synapse_assets.analysis.detection.pairing import pair_objects, pair_sites
from synapse_assets.analysis.detection.peaks import peaks
from synapse_assets.analysis.detection.sites import Rules
from synapse_assets.analysis.detection.voxels import EDGE_SLACK_VOXELS
from synapse_assets.analysis.evaluation.object_scores import Overlaps, average_precision, overlaps
from synapse_assets.analysis.evaluation.one_to_one import Matches, detection_score, match_edges
from synapse_assets.analysis.evaluation.scores import Interval
from synapse_assets.analysis.evaluation.site_scores import middle_of_best
from synapse_assets.analysis.evaluation.voxel_scores import cleft_distances, voxel_score

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Those that one is chosen of."""
SAME_OBJECT_IOU = 0.1
UNCHOSEN = 0.5
"""The threshold where there is nothing to choose it by."""
# From 4 pixels to 27,000.
_LEAST_PIXELS, _LEAST_STEP, _LEAST_VOLUMES = 4, 1.8, 16

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Xyz = tuple[float, float, float]
Box = tuple[slice, slice, slice]


def part_of(position_nm: Floats, voxel_size_nm: Xyz, boxes: Mapping[int, Box]) -> Ints:
    """The number of the box (z, y, x) that each position (N, 3), x, y, z, lies in, -1 for none."""
    voxel = np.floor(position_nm / voxel_size_nm + EDGE_SLACK_VOXELS).astype(np.int64)[:, ::-1]
    part = np.full(len(voxel), -1, np.int64)
    for number, box in boxes.items():
        low, high = ([getattr(side, end) for side in box] for end in ("start", "stop"))
        part[((voxel >= low) & (voxel < high)).all(axis=1)] = number
    return part


@dataclass(frozen=True)
class Scene:
    """One target in one annotated volume.

    probability: uint8 (z, y, x), 0 where nothing is known. labels: of the true objects, row i of the others being i + 1; None for points.
    truth_nm: (N, 3), x, y, z from the low corner of the map. truth_nm3, truth_sections: (N,), nan and 0 for points. partner: (N,), of
    postsynaptic objects the row of the presynaptic one, else -1. boxes: the parts, by number.
    """

    probability: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint32] | None
    truth_nm: Floats
    truth_nm3: Floats
    truth_sections: Ints
    partner: Ints
    boxes: Mapping[int, Box]

    def part_of(self, position_nm: Floats, voxel_size_nm: Xyz) -> Ints:
        """The part that each position (N, 3) lies in, -1 for none."""
        return part_of(position_nm, voxel_size_nm, self.boxes)


@dataclass(frozen=True)
class Choice:
    """The probability from which a voxel counts, and the least volume; by what they were chosen, in words."""

    threshold: float
    min_nm3: float
    by: str


_OF_OBJECTS = ("scene", "position_nm", "part", "score", "volume_nm3", "sections", "size")


@dataclass(frozen=True)
class Truth:
    """The true objects of one target, of all scenes. voxels: in the pixels of the map, where a small object may have none."""

    scene: Ints
    position_nm: Floats
    part: Ints
    volume_nm3: Floats
    sections: Ints
    voxels: Ints

    def __len__(self) -> int:
        return len(self.scene)

    def rows(self, kept: Bools) -> "Truth":
        """Those that are kept."""
        return Truth(*(getattr(self, field.name)[kept] for field in fields(self)))


@dataclass(frozen=True)
class Detected:
    """What is detected of one target in all scenes at one threshold, whatever its size. size: voxels, 0 for points.

    found, truth, voxels: rows that overlap, and by how many voxels. may_found, may_truth, cost: rows that may be a pair.
    """

    scene: Ints
    position_nm: Floats
    part: Ints
    score: Floats
    volume_nm3: Floats
    sections: Ints
    size: Ints
    found: Ints
    truth: Ints
    voxels: Ints
    may_found: Ints
    may_truth: Ints
    cost: Floats

    def matches(self, kept: Bools, true: int) -> Matches:
        """What is kept of it (M,) with so many true objects, one to one."""
        edges = kept[self.may_found]
        matches = match_edges(self.may_found[edges], self.may_truth[edges], self.cost[edges], len(kept), true)
        return replace(matches, invented=matches.invented[kept[matches.invented]])

    def rows(self, kept: Bools, true_row: Ints) -> "Detected":
        """Those that are kept (M,), with the true objects called by their new rows (N,), -1 for those that are no longer there."""
        row = np.where(kept, np.cumsum(kept) - 1, -1)
        both = kept[self.found] & (true_row[self.truth] >= 0)
        may = kept[self.may_found] & (true_row[self.may_truth] >= 0)
        return Detected(
            **{name: getattr(self, name)[kept] for name in _OF_OBJECTS},
            found=row[self.found[both]],
            truth=true_row[self.truth[both]],
            voxels=self.voxels[both],
            may_found=row[self.may_found[may]],
            may_truth=true_row[self.may_truth[may]],
            cost=self.cost[may],
        )


@dataclass(frozen=True)
class Outcome:
    """What was found of one target in the parts that were tested, each by its own choice.

    truth: the true objects of these parts. every: what was detected there or is one of them, whatever its size. within: which of it is
    within the limits of its part. limited: detections within the limits with all true objects, one to one; unlimited: all detections
    with all.
    What lies in a part and was found to be an object of the next one is in neither.
    """

    truth: Truth
    every: Detected
    within: Bools
    limited: Matches
    unlimited: Matches


@dataclass(frozen=True)
class Measure:
    """One value. objects: what of the detected is compared with all true objects: all, or limited to the limits of size. low, high: its
    95 % interval over objects, or None."""

    target: str
    measure: str
    objects: str
    value: float | None
    low: float | None
    high: float | None
    annotated: int
    found: int


class HeldOut:
    """The maps of one detector, each part by a network that never saw it, and what is to be found in them.

    scenes: of each target, one for each annotated volume. rules: those of the detector but for what is chosen: a threshold of one of
    `thresholds`, and a least volume where `least` is None.
    """

    def __init__(
        self,
        scenes: Mapping[str, Sequence[Scene]],
        rules: Rules,
        voxel_size_nm: Xyz,
        tolerance_nm: float,
        thresholds: Sequence[float] = THRESHOLDS,
        least: float | None = None,
    ) -> None:
        self.scenes, self.rules, self.voxel_size_nm, self.tolerance_nm = scenes, rules, voxel_size_nm, tolerance_nm
        self.thresholds = list(thresholds)
        self.truth = {target: self._truth(of_target) for target, of_target in scenes.items()}
        self.least = [least] if least is not None else self._least_volumes()
        self._detected: dict[tuple[str, float], Detected] = {}
        self._matches: dict[tuple[str, float, float], tuple[Bools, Matches]] = {}
        self._lowest: dict[int, tuple[Floats, Floats]] = {}

    def choose(self, parts: Collection[int], by: str) -> Choice:
        """The threshold and least volume with the best score in these parts: F1, or Dice for mitochondria; the mean over the targets.

        Of several that are equally good, the middle one. Where nothing is true there, .5 and no least volume.
        """
        members = np.array(sorted(parts), np.int64)
        tables = []
        for target, truth in self.truth.items():
            if np.isin(truth.part, members).any():
                tables.append(
                    np.array([[self._score(target, t, v, members) for v in self.least] for t in self.thresholds])
                )
        if not tables or not np.isfinite(np.mean(tables, axis=0)).any():
            threshold = self.thresholds[0] if len(self.thresholds) == 1 else UNCHOSEN
            return Choice(threshold, self.least[0], "nothing, as there is no object to choose by")
        row, column = middle_of_best(np.mean(tables, axis=0))
        return Choice(self.thresholds[row], float(self.least[column]), by)

    def curve(self, target: str, parts: Collection[int], min_nm3: float) -> tuple[Floats, Floats]:
        """Precision and recall (T,) of a target in these parts at each of the thresholds; nan where there is none."""
        members = np.array(sorted(parts), np.int64)
        counts = np.array([self._counts(target, t, min_nm3, members) for t in self.thresholds], np.float64)
        right, missed, invented = counts.T
        with np.errstate(invalid="ignore"):
            return right / (right + invented), right / (right + missed)

    def outcome(self, target: str, choices: Mapping[int, Choice]) -> Outcome:
        """What was found, each part by its choice, of the parts that have one."""
        truth = self.truth[target]
        tested = np.isin(truth.part, list(choices))
        true_row = np.where(tested, np.cumsum(tested) - 1, -1)
        kept, fitting, before = [], [], 0
        matched: dict[str, list[Matches]] = {"limited": [], "unlimited": []}
        for part, choice in choices.items():
            detected = self._at(target, choice.threshold)
            fits, limited = self._matched(target, choice.threshold, choice.min_nm3)
            unlimited = detected.matches(np.ones(len(fits), np.bool_), len(truth))
            own = truth.part == part
            elsewhere = _of_other_parts(limited, own, ~fits) & _of_other_parts(unlimited, own, np.zeros_like(fits))
            here = (detected.part == part) & ~elsewhere
            for matches in (limited, unlimited):
                here[matches.pairs[own[matches.pairs[:, 1]], 0]] = True
            row = np.where(here, before + np.cumsum(here) - 1, -1)
            for name, matches in (("limited", limited), ("unlimited", unlimited)):
                pairs = own[matches.pairs[:, 1]]
                invented = matches.invented[detected.part[matches.invented] == part]
                matched[name].append(
                    Matches(
                        np.stack([row[matches.pairs[pairs, 0]], true_row[matches.pairs[pairs, 1]]], axis=1),
                        matches.cost[pairs],
                        true_row[matches.missed[own[matches.missed]]],
                        row[invented],
                    )
                )
            kept.append(detected.rows(here, true_row))
            fitting.append(fits[here])
            before += int(here.sum())
        return Outcome(
            truth.rows(tested),
            _joined(kept),
            np.concatenate([np.zeros(0, np.bool_), *fitting]),
            _all_matches(matched["limited"]),
            _all_matches(matched["unlimited"]),
        )

    def measures(self, choices: Mapping[int, Choice], seed: int) -> tuple[list[Measure], dict[str, Outcome]]:
        """All measures of all targets over the parts that have a choice, and what they are of."""
        outcomes = {target: self.outcome(target, choices) for target in self.scenes}
        every: list[Measure] = []
        for target, outcome in outcomes.items():
            every += self._of_objects(target, outcome, seed)
            if not self.rules.balls:
                every += self._of_voxels(target, outcome, choices, seed)
        if {"presynaptic", "postsynaptic"} <= set(self.scenes):
            every += self._of_pairs(choices, seed)
        return every, outcomes

    # What is detected

    def _truth(self, scenes: Sequence[Scene]) -> Truth:
        parts = [scene.part_of(scene.truth_nm, self.voxel_size_nm) for scene in scenes]
        sizes = [
            np.zeros(len(scene.truth_nm), np.int64)
            if scene.labels is None
            else np.bincount(scene.labels.ravel(), minlength=len(scene.truth_nm) + 1)[1:].astype(np.int64)
            for scene in scenes
        ]
        return Truth(
            np.concatenate([np.full(len(scene.truth_nm), number) for number, scene in enumerate(scenes)]),
            np.concatenate([scene.truth_nm for scene in scenes]),
            np.concatenate(parts),
            np.concatenate([scene.truth_nm3 for scene in scenes]),
            np.concatenate([scene.truth_sections for scene in scenes]),
            np.concatenate(sizes),
        )

    def _least_volumes(self) -> list[float]:
        """None, and from a few pixels on up to what only large objects have, below the largest that an object may have. Not by the objects
        themselves: some are tested."""
        if self.rules.balls:
            return [0.0]
        pixel_nm3 = float(np.prod(self.voxel_size_nm))
        volumes = [_LEAST_PIXELS * pixel_nm3 * _LEAST_STEP**step for step in range(_LEAST_VOLUMES)]
        return [0.0, *(volume for volume in volumes if volume < self.rules.limits.max_nm3)]

    def _at(self, target: str, threshold: float) -> Detected:
        key = (target, threshold)
        if key not in self._detected:
            parts, offset = [], 0
            for number, scene in enumerate(self.scenes[target]):
                parts.append(self._in_scene(number, scene, threshold, offset))
                offset += len(scene.truth_nm)
            self._detected[key] = _joined(parts)
        return self._detected[key]

    def _in_scene(self, number: int, scene: Scene, threshold: float, truth_before: int) -> Detected:
        size, tolerance = self.voxel_size_nm, self.tolerance_nm
        nothing = np.zeros(0, np.int64)
        if self.rules.balls:
            position, score = self._peaks(scene)
            high = score >= threshold
            position, score = position[high], score[high]
            count = len(score)
            found, truth, voxels = nothing, nothing, nothing
            volume, sections, sizes = np.full(count, np.nan), np.zeros(count, np.int64), np.zeros(count, np.int64)
        else:
            objects = components(scene.probability, threshold, size, split_nm=self.rules.split_nm)
            position, score, volume, sections = objects.inside_nm, objects.score, objects.volume_nm3, objects.sections
            sizes = objects.voxels
            assert scene.labels is not None  # noqa: S101 -- what is no ball has labels
            common = overlaps(objects.labels, scene.labels)
            found, truth = common.found_ids[common.found] - 1, common.truth_ids[common.truth] - 1
            voxels = common.voxels
        near_found, near_truth, distance = _near(position, scene.truth_nm, tolerance)
        cost = 1 + distance / tolerance
        if not self.rules.balls:
            true_size = np.bincount(scene.labels.ravel(), minlength=len(scene.truth_nm) + 1)[1:]  # type: ignore[union-attr]
            iou = voxels / (sizes[found] + true_size[truth] - voxels)
            same = iou >= SAME_OBJECT_IOU
            overlapping = set(zip(found[same].tolist(), truth[same].tolist(), strict=True))
            apart = np.array(
                [pair not in overlapping for pair in zip(near_found.tolist(), near_truth.tolist(), strict=True)],
                np.bool_,
            )
            near_found = np.concatenate([found[same], near_found[apart]])
            near_truth = np.concatenate([truth[same], near_truth[apart]])
            cost = np.concatenate([1 - iou[same], cost[apart]])
        return Detected(
            np.full(len(score), number),
            position,
            scene.part_of(position, size),
            score,
            volume,
            sections,
            sizes,
            found,
            truth + truth_before,
            voxels,
            near_found,
            near_truth + truth_before,
            cost,
        )

    def _peaks(self, scene: Scene) -> tuple[Floats, Floats]:
        """Those at the lowest threshold: a higher one leaves out the lowest of them, and changes nothing else."""
        if id(scene) not in self._lowest:
            self._lowest[id(scene)] = peaks(
                scene.probability,
                self.voxel_size_nm,
                radius_nm=self.rules.ball_nm,
                threshold=min(self.thresholds),
                apart_nm=self.rules.apart_nm,
            )
        return self._lowest[id(scene)]

    def _matched(self, target: str, threshold: float, min_nm3: float) -> tuple[Bools, Matches]:
        key = (target, threshold, min_nm3)
        if key not in self._matches:
            detected = self._at(target, threshold)
            fits = self._fits(detected, min_nm3)
            self._matches[key] = fits, detected.matches(fits, len(self.truth[target]))
        return self._matches[key]

    def _fits(self, objects: Detected, min_nm3: float) -> Bools:
        """Which objects are within the limits with that least volume; all of them where they are points."""
        if self.rules.balls:
            return np.ones(len(objects.part), np.bool_)
        return _within(objects.volume_nm3, objects.sections, replace(self.rules.limits, min_nm3=min_nm3))

    def _counts(self, target: str, threshold: float, min_nm3: float, parts: Ints) -> tuple[int, int, int]:
        """Right, missed and invented in these parts."""
        _, matches = self._matched(target, threshold, min_nm3)
        truth, detected = self.truth[target], self._at(target, threshold)
        return (
            int(np.isin(truth.part[matches.pairs[:, 1]], parts).sum()),
            int(np.isin(truth.part[matches.missed], parts).sum()),
            int(np.isin(detected.part[matches.invented], parts).sum()),
        )

    def _score(self, target: str, threshold: float, min_nm3: float, parts: Ints) -> float:
        if target != "mitochondria":
            right, missed, invented = self._counts(target, threshold, min_nm3, parts)
            return 2 * right / (2 * right + missed + invented)
        truth, detected = self.truth[target], self._at(target, threshold)
        fits, _ = self._matched(target, threshold, min_nm3)
        here = fits & np.isin(detected.part, parts)
        both = detected.voxels[here[detected.found]].sum()
        return float(2 * both / (detected.size[here].sum() + truth.voxels[np.isin(truth.part, parts)].sum()))

    # Measures

    def _of_objects(self, target: str, outcome: Outcome, seed: int) -> list[Measure]:
        rows = []
        for objects, matches in (("all", outcome.unlimited), ("limited", outcome.limited)):
            score = detection_score(matches, seed=seed)
            for name in ("f1", "precision", "recall"):
                interval = getattr(score, f"{name}_interval")
                rows.append(
                    _measure(target, name, objects, getattr(score, name), interval, matches.true, matches.detected)
                )
        return rows

    def _of_voxels(self, target: str, outcome: Outcome, choices: Mapping[int, Choice], seed: int) -> list[Measure]:
        """Dice, IoU, average precision; of clefts CREMI's distances. True objects are all there are, whatever their size."""
        rows = []
        for objects in ("all", "limited"):
            masks = [self._masks(scene, choices, objects == "limited") for scene in self.scenes[target]]
            kept = outcome.within if objects == "limited" else np.ones(len(outcome.within), np.bool_)
            counts = len(outcome.truth), int(kept.sum())
            agreement = voxel_score(*_stacked(masks), seed=seed)
            for name in ("dice", "iou"):
                interval = getattr(agreement, f"{name}_interval")
                rows.append(_measure(target, name, objects, getattr(agreement, name), interval, *counts))
            common, score = _overlaps(outcome, kept)
            precision = average_precision(common, score, seed=seed)
            rows.append(
                _measure(target, "average_precision", objects, precision.at_50, precision.at_50_interval, *counts)
            )
            if target == "cleft":
                names = ("adgt_nm", "adf_nm", "cremi_score")
                for name, value in zip(names, _distances(masks, self.voxel_size_nm), strict=True):
                    rows.append(_measure(target, name, objects, value, None, *counts))
        return rows

    def _masks(self, scene: Scene, choices: Mapping[int, Choice], limited: bool) -> tuple[Bools, Bools]:
        """What was marked of a scene, each part by its choice, and what is true, both within the parts that have one."""
        assert scene.labels is not None  # noqa: S101 -- what is no ball has labels
        marked, true = np.zeros(scene.labels.shape, np.bool_), np.zeros(scene.labels.shape, np.bool_)
        here = {part: choice for part, choice in choices.items() if part in scene.boxes}
        for choice in set(here.values()):
            objects = self._components(scene, choice, limited)
            for box in (scene.boxes[part] for part, by in here.items() if by == choice):
                marked[box], true[box] = objects.labels[box] > 0, scene.labels[box] > 0
        return marked, true

    def _components(self, scene: Scene, choice: Choice, limited: bool) -> Components:
        objects = components(scene.probability, choice.threshold, self.voxel_size_nm, split_nm=self.rules.split_nm)
        if not limited:
            return objects
        limits = replace(self.rules.limits, min_nm3=choice.min_nm3)
        return objects.chosen(_within(objects.volume_nm3, objects.sections, limits))

    def _of_pairs(self, choices: Mapping[int, Choice], seed: int) -> list[Measure]:
        """How many pairs of a presynaptic and a postsynaptic site are right: both sites are, and are a true pair.

        A pair is in the part of its presynaptic site.
        """
        true_pairs = self._true_pairs()
        part_of_pre = self.truth["presynaptic"].part
        with_partner = {post for _, post in true_pairs}
        right = missed = invented = 0
        for part, choice in choices.items():
            pre, post = (
                dict(self._matched(target, choice.threshold, choice.min_nm3)[1].pairs.tolist())
                for target in ("presynaptic", "postsynaptic")
            )
            part_of_found = self._at("presynaptic", choice.threshold).part
            here = {pair for pair in true_pairs if part_of_pre[pair[0]] == part}
            found = [(pre.get(a), post.get(b), part_of_found[a]) for a, b in self._pairs_found(choice)]
            met = {(a, b) for a, b, _ in found} & here
            right, missed = right + len(met), missed + len(here) - len(met)
            # Of a true postsynaptic site whose partner is not known no pair is wrong.
            invented += sum(
                of_part == part and (a, b) not in true_pairs and (b is None or b in with_partner)
                for a, b, of_part in found
            )
        if not true_pairs:
            return []
        rows = np.arange(right)
        matches = Matches(np.stack([rows, rows], axis=1), np.zeros(right), np.arange(missed), np.arange(invented))
        score = detection_score(matches, seed=seed)
        counts = matches.true, matches.detected
        return [_measure("postsynaptic", "pair_f1", "limited", score.f1, score.f1_interval, *counts)]

    def _true_pairs(self) -> set[tuple[int, int]]:
        pairs, pre_before, post_before = set(), 0, 0
        for pre, post in zip(self.scenes["presynaptic"], self.scenes["postsynaptic"], strict=True):
            rows = np.flatnonzero(post.partner >= 0)
            pairs |= set(zip((post.partner[rows] + pre_before).tolist(), (rows + post_before).tolist(), strict=True))
            pre_before, post_before = pre_before + len(pre.truth_nm), post_before + len(post.truth_nm)
        return pairs

    def _pairs_found(self, choice: Choice) -> list[tuple[int, int]]:
        """Rows of what was detected at both sides, as `analysis.detection.sites` pairs them."""
        pairs: list[tuple[int, int]] = []
        of_target = {}
        for target in ("presynaptic", "postsynaptic"):
            fits, _ = self._matched(target, choice.threshold, choice.min_nm3)
            of_target[target] = self._at(target, choice.threshold), fits
        (pre, pre_fits), (post, post_fits) = of_target["presynaptic"], of_target["postsynaptic"]
        for number, (pre_scene, post_scene) in enumerate(
            zip(self.scenes["presynaptic"], self.scenes["postsynaptic"], strict=True)
        ):
            a, b = np.flatnonzero(pre_fits & (pre.scene == number)), np.flatnonzero(post_fits & (post.scene == number))
            if self.rules.balls:
                rows = pair_sites(pre.position_nm[a], post.position_nm[b], self.rules.pair_nm)
            else:
                sides = [self._components(scene, choice, True) for scene in (pre_scene, post_scene)]
                rows, _ = pair_objects(sides[0], sides[1], self.voxel_size_nm, self.rules.pair_nm)
            pairs += zip(a[rows[:, 0]].tolist(), b[rows[:, 1]].tolist(), strict=True)
        return pairs


def _of_other_parts(matches: Matches, own: Bools, without: Bools) -> Bools:
    """Which detections were found to be true objects that are not `own` (N,), and those that are `without` (M,) a match anyway."""
    found = without.copy()
    found[matches.pairs[~own[matches.pairs[:, 1]], 0]] = True
    return found


def _within(volume_nm3: Floats, sections: Ints, limits: Limits) -> Bools:
    fits: Bools = (volume_nm3 >= limits.min_nm3) & (volume_nm3 <= limits.max_nm3) & (sections >= limits.min_sections)
    return fits


def _near(found_nm: Floats, truth_nm: Floats, tolerance_nm: float) -> tuple[Ints, Ints, Floats]:
    """Rows of what lies within the tolerance of each other, and how far apart."""
    from scipy.spatial import cKDTree

    if not len(found_nm) or not len(truth_nm):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    near = cKDTree(found_nm).sparse_distance_matrix(cKDTree(truth_nm), tolerance_nm, output_type="ndarray")
    return near["i"].astype(np.int64), near["j"].astype(np.int64), near["v"]


def _joined(parts: Sequence[Detected]) -> Detected:
    """What was detected in several places; true objects are called by the same rows in all of them."""
    before = np.cumsum([0, *(len(part.scene) for part in parts)])
    shifted = [
        replace(part, found=part.found + first, may_found=part.may_found + first)
        for part, first in zip(parts, before[:-1].tolist(), strict=True)
    ]
    return Detected(
        **{field.name: np.concatenate([getattr(part, field.name) for part in shifted]) for field in fields(Detected)}
    )


def _all_matches(parts: Sequence[Matches]) -> Matches:
    return Matches(
        np.concatenate([part.pairs for part in parts]),
        np.concatenate([part.cost for part in parts]),
        np.sort(np.concatenate([part.missed for part in parts])),
        np.sort(np.concatenate([part.invented for part in parts])),
    )


def _overlaps(outcome: Outcome, kept: Bools) -> tuple[Overlaps, Floats]:
    """What overlaps in an outcome, of the detections that are kept, and their scores."""
    every = outcome.every.rows(kept, np.arange(len(outcome.truth)))
    common = Overlaps(
        np.arange(len(every.size)),
        np.arange(len(outcome.truth)),
        every.size,
        outcome.truth.voxels,
        every.found,
        every.truth,
        every.voxels,
    )
    return common, every.score


def _stacked(masks: Sequence[tuple[Bools, Bools]]) -> tuple[Bools, Bools]:
    """Masks of several scenes as one, with an empty section between them."""
    rows, columns = (max(marked.shape[axis] for marked, _ in masks) for axis in (1, 2))
    sides: tuple[list[Bools], list[Bools]] = ([], [])
    for pair in masks:
        for side, mask in zip(sides, pair, strict=True):
            side.append(np.pad(mask, ((0, 1), (0, rows - mask.shape[1]), (0, columns - mask.shape[2]))))
    return np.concatenate(sides[0]), np.concatenate(sides[1])


def _distances(masks: Sequence[tuple[Bools, Bools]], voxel_size_nm: Xyz) -> tuple[float, float, float]:
    """ADGT, ADF and the mean of both over all scenes: each voxel counts once. nan where a scene has marked or true voxels alone."""
    sums = np.zeros((2, 2))
    for marked, true in masks:
        if marked.any() or true.any():
            distances = cleft_distances(marked, true, voxel_size_nm)
            for row, (mean, mask) in enumerate(((distances.adgt_nm, marked), (distances.adf_nm, true))):
                sums[row] += mean * mask.sum(), mask.sum()
    with np.errstate(invalid="ignore"):
        adgt, adf = (float(total / count) if count else np.nan for total, count in sums)
    return adgt, adf, (adgt + adf) / 2


def _measure(
    target: str, name: str, objects: str, value: float, interval: Interval | None, annotated: int, found: int
) -> Measure:
    low, high = (None, None) if interval is None else (float(interval[0]), float(interval[1]))
    return Measure(target, name, objects, float(value) if np.isfinite(value) else None, low, high, annotated, found)
