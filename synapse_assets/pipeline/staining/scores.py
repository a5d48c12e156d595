"""How well the classifiers in use tell the classes: scores with intervals, and the thresholds of their answers.

Testing and calibrating belongs to `networks` and `probe`, which store what they found; scoring to `analysis.evaluation.image_scores`.
"""

from collections.abc import Mapping
from logging import Logger

import pyarrow as pa

from synapse_assets.datasets import StainingDataset
from synapse_assets.pipeline.report import Detail, Markdown, Picture, Report, Stopwatch
from synapse_assets.pipeline.staining.networks import MODEL, stored_classifiers
from synapse_assets.pipeline.staining.tested import StainTest
from synapse_assets.schema.staining import STAIN_SCORES, STAIN_THRESHOLDS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.rows import content_key


def score_classifiers(store: DatasetStore, dataset: StainingDataset, log: Logger) -> Report:
    """Scores every classifier in use on pictures that it never saw, beside the split by crops, and tables the thresholds of its answers.

    Raises BadInput if no classifiers are fitted. Where none could be, both tables are empty.
    """
    from synapse_assets.analysis.evaluation.image_scores import score_rows, thresholds_table

    watch = Stopwatch()
    version = model_in_use(store.models(MODEL), f"materialise the asset '{MODEL}' first")
    tests = tests_in_use(store, version)
    tested = [one for test in tests.values() for one in test.tested]
    calibrated = [one for test in tests.values() for one in test.calibrated if len(one.truth)]
    scores, limits = score_rows(tested, dataset.seed), thresholds_table(calibrated, dataset.seed)
    store.results(STAIN_SCORES).write(scores)
    store.results(STAIN_THRESHOLDS).write(limits)
    sentences = [
        row["sentence"]
        for row in scores.to_pylist()
        if row["class_name"] is None and row["level"] == "image" and row["score"] == "balanced_accuracy"
    ]
    for sentence in sentences:
        log.info(sentence)
    return Report(
        details={
            "version": version,
            "scores": Markdown("\n".join(f"- {sentence}" for sentence in sentences) or "none"),
            **_figures(tests, scores),
        },
        seconds=watch.seconds,
        rows=scores.num_rows,
        content_version=content_key(scores.select(["classifier", "split", "level", "score", "sentence"]), version),
    )


def tests_in_use(store: DatasetStore, version: str) -> dict[str, StainTest]:
    """How every classifier of a version of the model was tested, by name; none where there is no model."""
    folder = store.models(MODEL).path(version)
    return {name: StainTest.load(folder / name, name, version) for name in stored_classifiers(store, version)}


def _figures(tests: Mapping[str, StainTest], scores: pa.Table) -> dict[str, Detail]:
    """The scores, and the ROC curves of every classifier with the thresholds of its answers; nothing without a classifier."""
    from synapse_assets.analysis.evaluation.image_scores import roc_curves
    from synapse_assets.figures.staining import roc_figure, stain_scores_figure

    details: dict[str, Detail] = {}
    if tests:
        details["scores_figure"] = Picture(stain_scores_figure(scores), "balanced accuracy of pictures by split")
    for name, test in tests.items():
        curves = roc_curves(test.of("image"), test.thresholds.get("image"))
        details[f"roc_{name}"] = Picture(roc_figure(curves), f"{name}: pictures, {test.headline} held out")
    return details
