"""Folds of pictures, what each is for, and scores, thresholds and curves against those of scikit-learn and a few lines."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from synapse_assets.analysis.evaluation.image_scores import (
    Judged,
    fold_roles,
    image_splits,
    roc_curves,
    score_rows,
    thresholds,
    thresholds_table,
    well_groups,
)
from synapse_assets.analysis.evaluation.youden import youden_threshold
from synapse_assets.errors import BadInput
from synapse_assets.schema.staining import IMAGE_SPLITS, STAIN_SCORES, STAIN_THRESHOLDS


def pictures(plates: int = 6, wells: int = 4, fields: int = 3, **changes: Any) -> pa.Table:
    """Pictures of plates on which every other well is treated; a culture is two plates."""
    rows = [
        {
            "image_id": f"P{plate}/{'AB'[well % 2]}{well + 1:02d}/{field}.tif",
            "plate": f"P{plate}",
            "well": f"{'AB'[well % 2]}{well + 1:02d}",
            "culture": f"c{plate // 2}",
            "label": ("control", "treated")[well % 2],
            **changes,
        }
        for plate in range(plates)
        for well in range(wells)
        for field in range(fields)
    ]
    text = pa.schema([(name, pa.string()) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema=text)


def folds_by_group(table: pa.Table, split: str) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for row in table.to_pylist():
        if row["split"] == split:
            found.setdefault(row["group"], set()).add(row["fold"])
    return found


def test_groups_stay_whole_and_every_fold_has_both_classes() -> None:
    images = pictures()
    table, report = image_splits(images, ["plate", "well", "culture"], seed=0)
    assert table.schema == IMAGE_SPLITS.arrow
    assert report.folds == {"plate": 5, "well": 5, "culture": 3}
    assert report.warnings == ()
    for split, groups in (("plate", 6), ("well", 24), ("culture", 3)):
        found = folds_by_group(table, split)
        assert len(found) == groups
        assert {len(folds) for folds in found.values()} == {1}
        classes: dict[int, set[str]] = {}
        for row in table.to_pylist():
            if row["split"] == split:
                classes.setdefault(row["fold"], set()).add(row["label"])
        assert classes == {fold: {"control", "treated"} for fold in range(report.folds[split])}
    crops = [row for row in table.to_pylist() if row["split"] == "random_crops"]
    assert {(row["fold"], row["group"] == row["image_id"]) for row in crops} == {(-1, True)}
    assert len(crops) == images.num_rows
    shuffled = images.take(np.random.default_rng(0).permutation(images.num_rows))
    assert image_splits(shuffled, ["plate", "well", "culture"], seed=0)[0].equals(table)
    assert not image_splits(images, ["plate", "well", "culture"], seed=1)[0].equals(table)


def test_a_well_is_one_of_its_plate() -> None:
    table, _ = image_splits(pictures(), ["well"], seed=0)
    names = folds_by_group(table, "well")
    assert "P0/A01" in names
    assert "P1/A01" in names
    groups = well_groups(pictures())
    assert set(groups) == set(names)
    assert well_groups(pictures(well=None)).tolist() == pictures().column("image_id").to_pylist()


def test_few_groups_make_few_folds_and_a_class_of_one_well_is_told() -> None:
    two, report = image_splits(pictures(plates=2), ["plate", "culture"], seed=0)
    assert report.folds == {"plate": 2, "culture": 0}
    assert "plate: only two folds, so calibration wells are set aside from the other fold's training" in report.warnings
    assert "culture: no folds, because there are 1 groups of labelled pictures" in report.warnings
    assert {row["split"] for row in two.to_pylist()} == {"plate", "random_crops"}
    rows = pictures(plates=1, wells=12).to_pylist()
    for row in rows:
        row["label"] = "treated" if row["well"] == "B02" else "control"
    table, report = image_splits(pa.Table.from_pylist(rows), ["well"], seed=0)
    assert report.folds == {"well": 3}
    assert any("class 'treated' has 1 group: where it is tested" in warning for warning in report.warnings)
    assert len(folds_by_group(table, "well")) == 12
    _, report = image_splits(pictures(label="control"), ["plate"], seed=0)
    assert "all labelled pictures are 'control': nothing to tell apart" in report.warnings


def test_folds_are_as_many_as_the_rarer_class_has_wells() -> None:
    """Eight wells, as many of each class: a fold of each well would have one class only."""
    table, report = image_splits(pictures(plates=1, wells=8), ["well"], seed=0)
    assert report.folds == {"well": 4}
    rows = [row for row in table.to_pylist() if row["split"] == "well"]
    assert len({(row["fold"], row["label"]) for row in rows}) == 8


def test_pictures_of_unknown_group_are_not_tested() -> None:
    rows = pictures().to_pylist()
    for row in rows[:5]:
        row["culture"] = None
        row["well"] = None
    table, report = image_splits(pa.Table.from_pylist(rows), ["well", "culture"], seed=0)
    assert "culture: 5 labelled pictures have no culture and are not tested" in report.warnings
    assert "well: 5 labelled pictures have no well and are not tested" in report.warnings
    assert {row["image_id"] for row in table.to_pylist() if row["split"] == "well"} == {
        row["image_id"] for row in rows[5:]
    }


def test_what_cannot_be_split_is_refused() -> None:
    images = pictures()
    with pytest.raises(BadInput, match="occurs more than once"):
        image_splits(pa.concat_tables([images, images.slice(0, 1)]), ["plate"], 0)
    with pytest.raises(BadInput, match="has no label"):
        image_splits(pictures(label=None), ["plate"], 0)
    with pytest.raises(BadInput, match="column 'culture' is missing"):
        image_splits(images.drop(["culture"]), ["culture"], 0)


def test_each_fold_has_its_training_calibration_and_test() -> None:
    folds = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    names = [str(i) for i in range(8)]
    for k in range(4):
        train, calibration, test = fold_roles(folds, k, names, ["a", "b"] * 4, 0)
        assert (train.astype(int) + calibration + test == 1).all()
        assert set(folds[test]) == {k}
        assert set(folds[calibration]) == {(k + 1) % 4}
    for folds_given, k in ((folds, 4), (np.zeros(8, dtype=int), 0), (folds, -1)):
        with pytest.raises(BadInput, match="cannot be tested"):
            fold_roles(folds_given, k, names, ["a"] * 8, 0)


def test_with_two_folds_a_third_of_the_other_folds_wells_calibrates() -> None:
    images = pictures(plates=2, wells=12)
    plates, labels = (np.array(images.column(name).to_pylist()) for name in ("plate", "label"))
    wells = well_groups(images)
    for k in (0, 1):
        train, calibration, test = fold_roles((plates == "P1").astype(int), k, wells, labels, 3)
        assert (train.astype(int) + calibration + test == 1).all()
        assert set(plates[test]) == {f"P{k}"}
        assert not set(wells[train]) & set(wells[calibration])
        for label in ("control", "treated"):
            assert len(set(wells[calibration & (labels == label)])) == 2
            assert len(set(wells[train & (labels == label)])) == 4
    one_well = np.where(labels == "treated", "P0/B02", wells)
    train, calibration, _ = fold_roles((plates == "P1").astype(int), 1, one_well, labels, 3)
    assert set(labels[train]) == {"control", "treated"}, "a class of one well is trained on"
    assert set(labels[calibration]) == {"control"}


def judged(name: str, noise: float, wells: int = 20, level: str = "image", split: str = "plate") -> Judged:
    """Three classes by turns of wells, four pictures each; the larger the noise, the worse."""
    rng = np.random.default_rng(7)
    well = np.repeat(np.arange(wells), 4)
    truth = well % 3
    logits = 2.0 * np.eye(3)[truth] + noise * (rng.normal(size=(len(well), 3)) + rng.normal(size=(wells, 3))[well])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.array([f"i{i:03d}" for i in range(len(well))])
    return Judged(name, "v1", split, level, ("a", "b", "c"), ids, well.astype(str), truth, probabilities)


def by_hand(one: Judged, rows: npt.NDArray[np.int64] | slice = slice(None)) -> dict[tuple[str | None, str], float]:
    """All scores by scikit-learn."""
    truth, probabilities = one.truth[rows], one.probabilities[rows]
    called = probabilities.argmax(axis=1)
    found: dict[tuple[str | None, str], float] = {
        (None, "f1"): f1_score(truth, called, average="macro"),
        (None, "balanced_accuracy"): balanced_accuracy_score(truth, called),
        (None, "roc_auc"): float(np.mean([roc_auc_score(truth == c, probabilities[:, c]) for c in np.unique(truth)])),
    }
    for c, name in enumerate(one.classes):
        found[name, "f1"] = f1_score(truth == c, called == c)
        found[name, "balanced_accuracy"] = balanced_accuracy_score(truth == c, called == c)
        found[name, "roc_auc"] = roc_auc_score(truth == c, probabilities[:, c])
    return found


def test_scores_are_those_of_scikit_learn_and_intervals_those_of_resampled_wells() -> None:
    one = judged("small_stain", 1.2)
    one.probabilities[:] = np.round(one.probabilities, 2)
    table = score_rows([one], seed=0)
    assert table.schema == STAIN_SCORES.arrow
    rows = {(row["class_name"], row["score"]): row for row in table.to_pylist()}
    expected = by_hand(one)
    assert rows.keys() == expected.keys()
    assert {key: row["value"] for key, row in rows.items()} == pytest.approx(expected)
    assert {(row["images"], row["wells"]) for row in rows.values()} == {(80, 20)}
    rng = np.random.default_rng(9)
    drawn: dict[tuple[str | None, str], list[float]] = {}
    for _ in range(400):
        wells = rng.integers(20, size=20).astype(str)
        of_wells = np.concatenate([np.flatnonzero(one.wells == well) for well in wells])
        truth, called = one.truth[of_wells], one.probabilities[of_wells].argmax(axis=1)
        if len(set(truth)) < 3:
            continue
        f1 = [2 * ((truth == c) & (called == c)).sum() / ((truth == c).sum() + (called == c).sum()) for c in range(3)]
        drawn.setdefault((None, "f1"), []).append(float(np.mean(f1)))
        right = [(called[truth == c] == c).mean() for c in range(3)]
        drawn.setdefault((None, "balanced_accuracy"), []).append(float(np.mean(right)))
        refused = (called[truth != 1] != 1).mean()
        drawn.setdefault(("b", "balanced_accuracy"), []).append((right[1] + refused) / 2)
        score = one.probabilities[of_wells, 2]
        above = score[truth == 2][:, None] - score[truth != 2]
        drawn.setdefault(("c", "roc_auc"), []).append(((above > 0) + (above == 0) / 2).mean())
    for key, values in drawn.items():
        expected_ends = tuple(np.percentile(values, [2.5, 97.5]))
        assert (rows[key]["low"], rows[key]["high"]) == pytest.approx(expected_ends, abs=0.03), key
    assert score_rows([one], seed=0).equals(table)


def test_under_eight_wells_there_is_no_interval() -> None:
    rows = score_rows([judged("small_stain", 1.0, wells=7)], seed=0).to_pylist()
    assert {(row["low"], row["high"]) for row in rows} == {(None, None)}
    assert all("no interval: under 8 wells" in row["sentence"] for row in rows)


def test_a_class_without_pictures_has_no_score() -> None:
    one = judged("small_stain", 0.5)
    two = one.of_images(one.images[one.truth < 2])
    rows = {(row["class_name"], row["score"]): row for row in score_rows([two], seed=0).to_pylist()}
    for score in ("f1", "balanced_accuracy", "roc_auc"):
        assert rows["c", score]["value"] is None
        assert "cannot be told" in rows["c", score]["sentence"]
        assert rows[None, score]["value"] > 0.8
    assert score_rows([one.of_images(np.array(["none"]))], seed=0).num_rows == 0


def test_a_network_is_compared_with_the_texture_probe_on_the_same_pictures() -> None:
    probe, good, alike = judged("texture_probe", 3.0), judged("good", 0.3), judged("alike", 3.0)
    rows = {
        row["classifier"]: row["sentence"]
        for row in score_rows([good, alike, probe], seed=0).to_pylist()
        if row["class_name"] is None and row["score"] == "balanced_accuracy"
    }
    difference = by_hand(good)[None, "balanced_accuracy"] - by_hand(probe)[None, "balanced_accuracy"]
    assert f"That differs from texture_probe by {difference:+.3f} [+" in rows["good"]
    assert rows["good"].endswith("better.")
    assert "by +0.000 [+0.000, +0.000], which may be chance." in rows["alike"]
    assert "differs" not in rows["texture_probe"]
    [worse] = [
        row["sentence"]
        for row in score_rows([good, judged("texture_probe", 0.0), judged("bad", 6.0)], seed=0).to_pylist()
        if (row["classifier"], row["class_name"], row["score"]) == ("bad", None, "f1")
    ]
    assert worse.endswith("worse.")
    fair = judged("fair", 1.2)
    shared = slice(0, 40)
    of_part = score_rows([fair, probe.of_images(probe.images[shared])], seed=0).to_pylist()[0]["sentence"]
    assert by_hand(fair, shared)[None, "f1"] != pytest.approx(by_hand(fair)[None, "f1"], abs=0.01)
    assert f"by {by_hand(fair, shared)[None, 'f1'] - by_hand(probe, shared)[None, 'f1']:+.3f}" in of_part
    other_level = score_rows([good, judged("texture_probe", 3.0, level="window")], seed=0).to_pylist()
    assert not any("differs" in row["sentence"] for row in other_level)
    with pytest.raises(BadInput, match="apart, but texture_probe"):
        score_rows([good, Judged(**{**vars(probe), "classes": ("a", "c", "b")})], seed=0)


def test_random_crops_are_said_to_overstate() -> None:
    rows = score_rows([judged("good", 0.3, level="window", split="random_crops")], seed=0).to_pylist()
    assert all("It overstates" in row["sentence"] and "dealt out at random" in row["sentence"] for row in rows)


def test_each_class_has_its_threshold() -> None:
    one = judged("good", 1.0)
    table = thresholds_table([one], seed=4)
    assert table.schema == STAIN_THRESHOLDS.arrow
    rows = table.to_pylist()
    assert [row["class_name"] for row in rows] == ["a", "b", "c"]
    for c, row in enumerate(rows):
        found = youden_threshold(one.probabilities[:, c], one.truth == c, one.wells, seed=4)
        assert (row["threshold"], row["low"], row["high"]) == (found.threshold, found.low, found.high)
        assert (row["youden_j"], row["images"], row["wells"]) == (found.j, 80, 20)


def test_curves_have_the_area_of_the_scores_and_the_point_of_the_threshold() -> None:
    one = judged("good", 1.5)
    chosen = thresholds(one, 0)
    curves = roc_curves(one, chosen)
    expected = by_hand(one)
    for curve, threshold in zip(curves, chosen, strict=True):
        assert curve.area == pytest.approx(expected[curve.name, "roc_auc"])
        assert curve.at is not None
        assert curve.at[1] - curve.at[0] == pytest.approx(threshold.j)
        assert (np.diff(curve.false_positive) >= 0).all()
    assert roc_curves(one)[0].at is None
    assert [curve.name for curve in roc_curves(one.of_images(one.images[one.truth < 2]))] == ["a", "b"]
