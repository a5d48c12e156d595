"""Which pictures are held out together, and how well their classes are told.

Belongs here: folds of pictures and what each fold is for, rows of `schema.staining.IMAGE_SPLITS`, `STAIN_SCORES` and `STAIN_THRESHOLDS`.
Does not belong here: training (`vision`), the threshold itself (`youden`), how folds are dealt (`splits`).

Crops of one picture, pictures of one well and wells of one plate resemble each other, so whole groups are held out, and every interval is
over wells, whatever is held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.sampling import content_keys
from synapse_assets.analysis.evaluation.scores import (
    confusion_by_group,
    confusion_scores,
    group_draws,
    percentile_interval,
)
from synapse_assets.analysis.evaluation.splits import SplitReport, group_warnings, stratified_group_folds
from synapse_assets.analysis.evaluation.youden import Threshold, youden_threshold
from synapse_assets.datasets.staining import TEXTURE_PROBE
from synapse_assets.errors import BadInput
from synapse_assets.schema.staining import IMAGE_SPLITS, STAIN_SCORES, STAIN_THRESHOLDS

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Text = npt.NDArray[np.str_]

RANDOM_CROPS = "random_crops"
"""The split that shows the leak: windows of one picture are in several folds."""
# Training, calibration and test.
_ROLES = 3
_SCORES = {"f1": "F1", "balanced_accuracy": "balanced accuracy", "roc_auc": "area under ROC"}


class Roles(NamedTuple):
    """What the rows of a fold are for: masks (N,), of which each row is in one."""

    train: Bool
    calibration: Bool
    test: Bool


@dataclass(frozen=True)
class Judged:
    """What a classifier says of N rows that it was not trained on: whole pictures, or windows of them.

    split          what was held out together: plate, well, culture, or random_crops
    level          image or window
    classes        K names, in the order of the probabilities
    images, wells  (N,) the picture of each row and its well (`well_groups`)
    truth          (N,) int64, position of the known class
    probabilities  (N, K) float64
    """

    classifier: str
    version: str
    split: str
    level: str
    classes: tuple[str, ...]
    images: Text
    wells: Text
    truth: Int64
    probabilities: Float64

    def of_images(self, images: Text) -> "Judged":
        """The rows of those pictures."""
        kept = np.isin(self.images, images)
        rows = (self.images[kept], self.wells[kept], self.truth[kept], self.probabilities[kept])
        return Judged(self.classifier, self.version, self.split, self.level, self.classes, *rows)


@dataclass(frozen=True)
class RocCurve:
    """The curve of one class against the rest: shares (n,) of the others and of the class above each possible threshold, from 0 to 1;
    the area below it, and where the threshold in use lies, if there is one."""

    name: str
    false_positive: Float64
    true_positive: Float64
    area: float
    at: tuple[float, float] | None = None


def well_groups(images: pa.Table) -> Text:
    """The independent group (N,) of each picture: its plate and well; where the well is unknown, the picture itself, which may claim more
    independence than there is.

    `images` has image_id, plate and well.
    """
    columns = (images.column(name).to_pylist() for name in ("image_id", "plate", "well"))
    return np.array([f"{plate}/{well}" if well else image for image, plate, well in zip(*columns, strict=True)], str)


def image_splits(images: pa.Table, grouping: Sequence[str], seed: int, folds: int = 5) -> tuple[pa.Table, SplitReport]:
    """`schema.staining.IMAGE_SPLITS` for each of `grouping` (plate, well, culture) and for random crops, with what to know of the folds.

    `images` are rows of `schema.staining.IMAGES` with a label, usable and without a compound. Groups stay whole, and each class is spread
    over the folds as evenly as they allow. There are as many folds as the class with the fewest groups has groups, so that each has every
    class, but at least three as long as there are three groups, so that training, calibration and test are apart, and at most `folds`. A
    well is one of its plate. Pictures whose group is unknown are not in that split, and a single group makes no folds: a warning says so.
    For random crops the fold is -1, as each window has its own. The table depends on content and seed alone.

    Raises BadInput for a missing column, a picture that occurs twice, or one without a label.
    """
    for name in ("image_id", "plate", "well", "label", *grouping):
        if name not in images.column_names:
            raise BadInput(f"image splits: column '{name}' is missing; there are {images.column_names}")
    rows = images.select(list(dict.fromkeys(["image_id", "plate", "well", "label", *grouping]))).sort_by("image_id")
    facts = rows.to_pylist()
    ids = [row["image_id"] for row in facts]
    twice = next((a for a, b in pairwise(ids) if a == b), None)
    if twice is not None:
        raise BadInput(f"image splits: picture '{twice}' occurs more than once; list each picture once")
    unlabelled = next((row["image_id"] for row in facts if not row["label"]), None)
    if unlabelled is not None:
        raise BadInput(f"image splits: picture '{unlabelled}' has no label; only labelled pictures can be split")
    parts, counts, warnings = [], {}, []
    for split in grouping:
        group_of = [f"{row['plate']}/{row['well']}" if split == "well" and row["well"] else row[split] for row in facts]
        chosen = [i for i, group in enumerate(group_of) if group]
        if len(chosen) < len(facts):
            warnings.append(f"{split}: {len(facts) - len(chosen)} labelled pictures have no {split} and are not tested")
        groups = np.array([group_of[i] for i in chosen], dtype=str)
        labels = np.array([facts[i]["label"] for i in chosen], dtype=str)
        fold = _folds(groups, labels, folds, seed)
        counts[split] = 0 if fold is None else int(fold.max()) + 1
        warnings += group_warnings(split, groups, labels, fold)
        if fold is None:
            warnings.append(
                f"{split}: no folds, because there are {len(np.unique(groups))} groups of labelled pictures"
            )
            continue
        if counts[split] < _ROLES:
            warnings.append(
                f"{split}: only two folds, so calibration wells are set aside from the other fold's training"
            )
        parts.append(_split_rows([facts[i] for i in chosen], split, groups.tolist(), fold.tolist()))
    parts.append(_split_rows(facts, RANDOM_CROPS, ids, [-1] * len(ids)))
    if len({row["label"] for row in facts}) == 1:
        warnings.append(f"all labelled pictures are '{facts[0]['label']}': nothing to tell apart")
    return IMAGE_SPLITS.conform(pa.concat_tables(parts)), SplitReport(counts, tuple(warnings))


def _folds(groups: Text, labels: Text, folds: int, seed: int) -> npt.NDArray[np.int32] | None:
    """Fold of each row (N,), sorted by id; None for fewer than two groups."""
    names, index = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return None
    fewest = min(len(np.unique(groups[labels == name])) for name in np.unique(labels))
    count = min(folds, len(names), max(_ROLES, fewest))
    return index.astype(np.int32) if count == len(names) else stratified_group_folds(groups, labels, count, seed)[0]


def _split_rows(facts: Sequence[dict[str, Any]], split: str, groups: Sequence[str], fold: Sequence[int]) -> pa.Table:
    rows = [
        {**row, "split": split, "group": group, "fold": number}
        for row, group, number in zip(facts, groups, fold, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=IMAGE_SPLITS.arrow)


def fold_roles(folds: npt.NDArray[np.integer], k: int, wells: Sequence[str], labels: Sequence[str], seed: int) -> Roles:
    """What each of N rows is for when fold `k` is tested: calibration is the next fold, training all others.

    With two folds that would leave nothing to train on: then a third of the wells of each class of the other fold, at least one as long
    as one is left to train on, are set aside for calibration, chosen by a hash of their name and the seed. They may share a plate with
    wells that are trained on, so thresholds come out surer than they are. `wells` (N,) are `well_groups`. What early stopping needs is
    set aside within training.

    Raises BadInput for fewer than two folds, or a fold that there is not.
    """
    names = np.unique(folds)
    if len(names) < 2 or k not in names:
        raise BadInput(f"fold {k} cannot be tested: there are the folds {names.tolist()}, and it takes two at least")
    at = names.tolist().index(k)
    test = np.asarray(folds == k)
    if len(names) >= _ROLES:
        calibration = np.asarray(folds == names[(at + 1) % len(names)])
        return Roles(~(test | calibration), calibration, test)
    of_row, label_of_row = np.asarray(wells, dtype=str), np.asarray(labels, dtype=str)
    aside: list[str] = []
    for label in np.unique(label_of_row[~test]):
        of_class = np.unique(of_row[~test & (label_of_row == label)])
        order = np.argsort(content_keys(of_class, seed), kind="stable")
        count = max(1, len(of_class) // 3) if len(of_class) > 1 else 0
        aside += of_class[order[:count]].tolist()
    calibration = ~test & np.isin(of_row, aside)
    return Roles(~(test | calibration), calibration, test)


def score_rows(judged: Sequence[Judged], seed: int) -> pa.Table:
    """`schema.staining.STAIN_SCORES` of every classifier, way of splitting and level; no rows for one that was not tested.

    A row is called by its most probable class. Of each class, against the rest: F1, the mean of sensitivity and specificity, and the area
    under the ROC curve. Over the classes that occur (no class name): mean F1, mean recall (Brodersen et al., ICPR 2010), and mean area.
    Pooled over folds, whose networks may differ in how sure they are, so the area is a little lower than that of each fold. Intervals
    (95 %) are a percentile bootstrap over whole wells, whatever was held out, and empty below 8 wells. The rows of a mean say how much
    a network differs from the texture probe on the pictures that both were tested on, both resampled by the same draws of wells.

    Raises BadInput where a classifier and the texture probe have other classes.
    """
    probes = {(one.split, one.level): one for one in judged if one.classifier == TEXTURE_PROBE}
    rows: list[dict[str, Any]] = []
    for one in judged:
        if not len(one.images):
            continue
        probe = None if one.classifier == TEXTURE_PROBE else probes.get((one.split, one.level))
        rows += _rows_of(one, probe, seed)
    return STAIN_SCORES.conform(pa.Table.from_pylist(rows, schema=STAIN_SCORES.arrow))


def _rows_of(one: Judged, probe: Judged | None, seed: int) -> list[dict[str, Any]]:
    point, draws, wells = _scored(one, seed)
    differences = {} if probe is None else _differences(one, probe, seed)
    facts = {
        "classifier": one.classifier,
        "version": one.version,
        "split": one.split,
        "level": one.level,
        "images": len(np.unique(one.images)),
        "wells": wells,
    }
    rows = []
    for (name, score), values in point.items():
        value = None if np.isnan(values[0]) else float(values[0])
        interval = None if draws is None or value is None else percentile_interval(draws[name, score])
        low, high = interval or (None, None)
        row = {**facts, "class_name": name, "score": score, "value": value, "low": low, "high": high}
        rows.append({**row, "sentence": _sentence(row, None if name else differences.get(score))})
    return rows


Values = dict[tuple[str | None, str], Float64]


def _scored(one: Judged, seed: int) -> tuple[Values, Values | None, int]:
    """All scores as they are (1,), by class (None: mean) and score; of the draws (B,), None below 8 wells; and the number of wells."""
    names, group = np.unique(one.wells, return_inverse=True)
    count, k = len(names), len(one.classes)
    predicted = one.probabilities.argmax(axis=1)
    confusion = confusion_by_group(one.truth, predicted, group, k)
    pairs = [_concordant(one.probabilities[:, c], one.truth == c, group, count) for c in range(k)]
    draws = group_draws(count, seed)
    of = (confusion, pairs, one.classes)
    return _values(*of, np.ones((1, count))), None if draws is None else _values(*of, draws), count


def _concordant(scores: Float64, positive: Bool, group: Int64, count: int) -> tuple[Float64, Float64, Float64]:
    """Pairs (G, G) of a row of the class in one group and one of the others in another where the first has the higher score, equal ones
    counting half; and rows (G,) of the class and of the others in each group."""
    totals = [np.bincount(group[chosen], minlength=count).astype(np.float64) for chosen in (positive, ~positive)]
    above = np.zeros((count, count))
    for other in range(count):
        rest = np.sort(scores[~positive & (group == other)])
        if not len(rest):
            continue
        below = np.searchsorted(rest, scores[positive], "left") + np.searchsorted(rest, scores[positive], "right")
        above[:, other] = np.bincount(group[positive], weights=below / 2, minlength=count)
    return above, totals[0], totals[1]


def _values(
    confusion: Float64, pairs: Sequence[tuple[Float64, Float64, Float64]], classes: Sequence[str], weights: Float64
) -> Values:
    """Every score (B,) of samples that hold each group so many times (B, G)."""
    k = len(classes)
    matrices = (weights @ confusion.reshape(len(confusion), -1)).reshape(-1, k, k)
    scores = confusion_scores(matrices)
    total, hits = matrices.sum(axis=(1, 2)), np.diagonal(matrices, axis1=1, axis2=2)
    called, true = matrices.sum(axis=1), matrices.sum(axis=2)
    others = total[:, None] - true
    refused = np.where(others > 0, others - called + hits, np.nan)
    specificity = refused / np.where(others > 0, others, 1)
    areas = np.stack([_areas(*pair, weights) for pair in pairs], axis=1)
    defined = ~np.isnan(areas)
    mean_area = np.where(defined.any(axis=1), np.nansum(areas, axis=1) / np.maximum(defined.sum(axis=1), 1), np.nan)
    values: Values = {
        (None, "f1"): scores["macro_f1"],
        (None, "balanced_accuracy"): scores["balanced_accuracy"],
        (None, "roc_auc"): mean_area,
    }
    for c, name in enumerate(classes):
        values[name, "f1"] = scores["f1"][:, c]
        values[name, "balanced_accuracy"] = (scores["recall"][:, c] + specificity[:, c]) / 2
        values[name, "roc_auc"] = areas[:, c]
    return values


def _areas(above: Float64, positives: Float64, negatives: Float64, weights: Float64) -> Float64:
    """Area under the ROC curve (B,): the share of pairs in which the row of the class has the higher score (Hanley & McNeil 1982)."""
    pairs = (weights @ positives) * (weights @ negatives)
    concordant = ((weights @ above) * weights).sum(axis=1)
    return np.where(pairs > 0, concordant / np.where(pairs > 0, pairs, 1), np.nan)


def _differences(one: Judged, probe: Judged, seed: int) -> dict[str, tuple[float, float | None, float | None]]:
    """By score, how much the mean over classes differs from the texture probe's on the same pictures, with its interval."""
    if one.classes != probe.classes:
        raise BadInput(f"{one.classifier} tells {list(one.classes)} apart, but {TEXTURE_PROBE} {list(probe.classes)}")
    shared = np.intersect1d(one.images, probe.images)
    if not len(shared):
        return {}
    own, own_draws, _ = _scored(one.of_images(shared), seed)
    its, its_draws, _ = _scored(probe.of_images(shared), seed)
    found = {}
    for score in _SCORES:
        difference = float(own[None, score][0] - its[None, score][0])
        if np.isnan(difference):
            continue
        interval = None
        if own_draws is not None and its_draws is not None:
            interval = percentile_interval(own_draws[None, score] - its_draws[None, score])
        found[score] = (difference, *(interval or (None, None)))
    return found


def _sentence(row: dict[str, Any], difference: tuple[float, float | None, float | None] | None) -> str:
    """The outcome in words."""
    what = f"{_SCORES[row['score']]} of {row['class_name'] or 'all classes'}"
    how = "windows dealt out at random" if row["split"] == RANDOM_CROPS else f"whole {row['split']}s held out"
    rows = f"{row['images']} pictures of {row['wells']} wells"
    if row["value"] is None:
        return f"{row['classifier']}, {how}, by {row['level']}: {what} cannot be told from {rows}."
    interval = " (no interval: under 8 wells)" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    text = f"{row['classifier']}, {how}, by {row['level']}: {what} {row['value']:.3f}{interval} on {rows}."
    if row["split"] == RANDOM_CROPS:
        text += " It overstates: other windows of the same pictures were trained on."
    if difference is None:
        return text
    value, low, high = difference
    text += f" That differs from {TEXTURE_PROBE} by {value:+.3f}"
    if low is None or high is None:
        return text + ", with too few wells to tell it from chance."
    outcome = "better" if low > 0 else "worse" if high < 0 else "which may be chance"
    return text + f" [{low:+.3f}, {high:+.3f}], {outcome}."


def thresholds(calibrated: Judged, seed: int) -> list[Threshold]:
    """The threshold of every class against the rest, by Youden's J, with its interval over wells."""
    return [
        youden_threshold(calibrated.probabilities[:, c], calibrated.truth == c, calibrated.wells, seed=seed)
        for c in range(len(calibrated.classes))
    ]


def thresholds_table(calibrated: Sequence[Judged], seed: int) -> pa.Table:
    """`schema.staining.STAIN_THRESHOLDS` from what classifiers say of calibration wells: neither trained on nor tested by that network.

    With three folds or more each picture is in the calibration fold once, so the rows of all folds together can be given: they are of
    every well.
    """
    rows = [
        {
            "classifier": one.classifier,
            "version": one.version,
            "level": one.level,
            "class_name": name,
            "threshold": threshold.threshold,
            "low": threshold.low,
            "high": threshold.high,
            "youden_j": threshold.j,
            "images": len(np.unique(one.images)),
            "wells": threshold.groups,
        }
        for one in calibrated
        for name, threshold in zip(one.classes, thresholds(one, seed), strict=True)
    ]
    return STAIN_THRESHOLDS.conform(pa.Table.from_pylist(rows, schema=STAIN_THRESHOLDS.arrow))


def roc_curves(judged: Judged, chosen: Sequence[Threshold] | None = None) -> list[RocCurve]:
    """The ROC curve of every class that there is, and of others to tell it from, with the threshold in use if `chosen` are given."""
    from sklearn.metrics import auc, roc_curve

    curves = []
    for c, name in enumerate(judged.classes):
        positive, scores = judged.truth == c, judged.probabilities[:, c]
        if positive.all() or not positive.any():
            continue
        false, true, _ = roc_curve(positive, scores)
        at = None
        if chosen is not None:
            above = scores > chosen[c].threshold
            at = float(above[~positive].mean()), float(above[positive].mean())
        curves.append(RocCurve(name, false, true, float(auc(false, true)), at))
    return curves
