"""The texture probe: the class of a picture read from the vectors of its windows, the baseline beside every network.

A picture's probability is the mean over its windows. The probe itself belongs to `analysis.evaluation.linear_probe`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import TEXTURE_PROBE, StainingDataset
from synapse_assets.pipeline.staining.labelled import FOLDS, Labelled
from synapse_assets.pipeline.staining.tested import StainTest
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.image_scores import Judged
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """The windows of some pictures that have a vector, M of them, sorted by id.

    table: synapse_id and tile_hash. image: (M,) row of its picture among the pictures. vectors: float32 (M, D).
    """

    table: pa.Table
    image: Int64
    vectors: npt.NDArray[np.float32]

    @classmethod
    def of(cls, store: DatasetStore, images: Sequence[str], plate: str | None = None) -> "Windows":
        """Those of pictures by their ids, of one plate or of all, with the vectors of the encoder in use."""
        windows = store.synapses.read(plate, ["synapse_id", IMAGE_OF_WINDOW])
        windows = windows.filter(pc.is_in(windows.column(IMAGE_OF_WINDOW), value_set=pa.array(images, pa.string())))
        windows = windows.sort_by("synapse_id")
        stored = vectors_in_use(store).read(plate, ["synapse_id", "tile_hash", "vector"])
        place = pc.index_in(
            windows.column("synapse_id").combine_chunks(), value_set=stored.column("synapse_id").combine_chunks()
        )
        known = pc.is_valid(place)
        windows, rows = windows.filter(known), stored.take(place.filter(known))
        row_of = {image_id: row for row, image_id in enumerate(images)}
        image = np.array([row_of[i] for i in windows.column(IMAGE_OF_WINDOW).to_pylist()], dtype=np.int64)
        return cls(rows.select(["synapse_id", "tile_hash"]), image, vector_matrix(rows))


IMAGE_OF_WINDOW = "volume"
"""The column of a window that names its picture."""


def fit_texture_probe(labelled: Labelled, windows: Windows, dataset: StainingDataset, folder: Path) -> None:
    """Tests the probe under every split and writes it, its test and its thresholds into `folder`: one probe for each fold of the headline.

    `windows` are those of the labelled pictures, of two classes at least, with two folds at least under the headline.
    """
    from synapse_assets.analysis.evaluation.image_scores import thresholds

    started = time.perf_counter()
    test = _Test(labelled, windows, dataset.seed)
    tested, calibrated = [], []
    for split in dataset.grouping:
        answers = test.whole_groups(split, folder if split == dataset.grouping[0] else None)
        tested += test.levels(split, answers.tested)
        if split == dataset.grouping[0]:
            calibrated = test.levels(split, answers.calibrated)
    tested += test.levels(*test.random_crops())
    StainTest(
        labelled.classes,
        tested,
        calibrated,
        {one.level: thresholds(one, dataset.seed) for one in calibrated if len(one.truth)},
        dataset.grouping[0],
        labelled.fold_of_group(dataset.grouping[0]),
        time.perf_counter() - started,
    ).save(folder)


def probe_folder(folder: Path, fold: int) -> Path:
    """Where the probe of a fold lies in the folder of the classifier."""
    return folder / f"fold_{fold}"


def probabilities_of(probe: "LinearProbe", vectors: npt.NDArray[np.float32], classes: Sequence[str]) -> Float64:
    """Probabilities (M, K) of windows in the order of `classes`; a class that the probe was not fitted on has 0."""
    probabilities = np.zeros((len(vectors), len(classes)))
    probabilities[:, [classes.index(name) for name in probe.classes]] = probe.predict(vectors)[1]
    return probabilities


def means_by_image(image: Int64, probabilities: Float64) -> tuple[Int64, Float64]:
    """The pictures (n,) that windows (M,) belong to, ascending, and the mean (n, K) of the windows' probabilities of each."""
    rows, place, counts = np.unique(image, return_inverse=True, return_counts=True)
    sums = np.zeros((len(rows), probabilities.shape[1]))
    np.add.at(sums, place, probabilities)
    return rows, sums / counts[:, None]


@dataclass(frozen=True)
class _Answers:
    """Probabilities (M, K) of the windows under one split; NaN where there are none."""

    tested: Float64
    calibrated: Float64


class _Test:
    """The probe, fitted fold by fold on the same windows."""

    def __init__(self, labelled: Labelled, windows: Windows, seed: int) -> None:
        self.labelled, self.windows, self.seed = labelled, windows, seed
        self.targets = np.array(labelled.classes, dtype=str)[labelled.codes[windows.image]]

    def whole_groups(self, split: str, folder: Path | None) -> _Answers:
        """With whole groups held out; the probe of each fold is written into `folder`, where one is given."""
        answers = _Answers(*(np.full((len(self.targets), len(self.labelled.classes)), np.nan) for _ in range(2)))
        for fold, roles in self.labelled.roles(split, self.seed).items():
            train, calibration, test = (
                np.isin(self.windows.image, rows) for rows in (roles.train, roles.calibration, roles.test)
            )
            probe = self._fit(train)
            answers.tested[test] = self._ask(probe, test)
            answers.calibrated[calibration] = self._ask(probe, calibration)
            if folder is not None:
                probe.save(probe_folder(folder, fold))
        return answers

    def random_crops(self) -> tuple[str, Float64]:
        """With windows dealt to folds at random, by a hash of their ids: what a split by crops would claim."""
        from synapse_assets.analysis.evaluation.image_scores import RANDOM_CROPS
        from synapse_assets.analysis.evaluation.sampling import content_keys

        order = np.argsort(content_keys(self.windows.table.column("synapse_id").to_pylist(), self.seed), kind="stable")
        folds = np.empty(len(order), dtype=np.int64)
        folds[order] = np.arange(len(order)) % FOLDS
        answers = np.full((len(order), len(self.labelled.classes)), np.nan)
        for fold in range(FOLDS):
            test = folds == fold
            if test.any() and not test.all():
                answers[test] = self._ask(self._fit(~test), test)
        return RANDOM_CROPS, answers

    def levels(self, split: str, probabilities: Float64) -> "list[Judged]":
        """What was said under a split, by window and by picture."""
        asked = ~np.isnan(probabilities).any(axis=1)
        image, known = self.windows.image[asked], probabilities[asked]
        return [
            tested_rows(self.labelled, TEXTURE_PROBE, split, "window", image, known),
            tested_rows(self.labelled, TEXTURE_PROBE, split, "image", *means_by_image(image, known)),
        ]

    def _fit(self, rows: npt.NDArray[np.bool_]) -> "LinearProbe":
        from synapse_assets.analysis.evaluation.linear_probe import probe_of

        wells = self.labelled.wells[self.windows.image[rows]]
        return probe_of(
            self.windows.vectors[rows].astype(np.float64), self.targets[rows].tolist(), self.seed, wells.tolist()
        )

    def _ask(self, probe: "LinearProbe", rows: npt.NDArray[np.bool_]) -> Float64:
        return probabilities_of(probe, self.windows.vectors[rows], self.labelled.classes)


def tested_rows(
    labelled: Labelled, classifier: str, split: str, level: str, image: Int64, probabilities: Float64
) -> "Judged":
    """What a classifier says (M, K) of rows that belong to the labelled pictures `image` (M,)."""
    from synapse_assets.analysis.evaluation.image_scores import Judged

    ids, wells, truth = np.array(labelled.ids, dtype=str)[image], labelled.wells[image], labelled.codes[image]
    return Judged(classifier, "", split, level, labelled.classes, ids, wells, truth, probabilities)
