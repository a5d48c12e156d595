"""The classifiers of pictures: the texture probe and the networks that the dataset names, tested on groups held out, stored as one model.

Each is trained once for every fold of the headline split: test is the fold, calibration the next one, training all others. These are the
ones that are applied, too: a picture is asked of the one that never saw its group. A group that came later is new to all of them, and the
one of the first fold is asked, whose thresholds hold as for any other. Networks and how one is trained live in `vision`.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import TEXTURE_PROBE, StainingDataset, StainNetworkChoice
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.classify import better_than_chance
from synapse_assets.pipeline.em.networks import Watch, softmax, training_reporter
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Detail, Picture, Report
from synapse_assets.pipeline.staining.labelled import FOLDS, Labelled, Roles
from synapse_assets.pipeline.staining.pictures import Pictures, white_level_of
from synapse_assets.pipeline.staining.probe import Windows, fit_texture_probe, tested_rows
from synapse_assets.pipeline.staining.tested import StainTest
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import ModelStore, Provenance, fingerprint, model_in_use
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.image_scores import Judged
    from synapse_assets.vision.staining import DenseMap, StainNetwork
    from synapse_assets.vision.training.labelled import Training

MODEL = "stain_network"
# One more whenever the same choice, pictures and splits make another stored classifier or test.
_METHOD = 1

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def fit_classifiers(store: DatasetStore, dataset: StainingDataset, device: str, log: Logger, watch: Watch) -> Report:
    """Fits the texture probe and every network that the dataset names, tests each on groups held out, and stores them as one model.

    A classifier that an earlier version of the model has, of the same choice, pictures and splits, is taken from there. A killed run goes
    on where it was. With one class, or without folds, there is no model and the report says why. Raises BadInput if no encoder is fitted,
    and where a network cannot start from what it is to start from.
    """
    encoder = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    labelled = Labelled.of(store, dataset)
    windows = Windows.of(store, labelled.ids)
    if len(np.unique(windows.image)) < len(labelled.ids):
        labelled = labelled.of_rows(np.unique(windows.image))
        windows = Windows.of(store, labelled.ids)
    fit = _Fit(store, dataset, labelled, windows, device, log, watch)
    inputs = {
        "encoder": encoder,
        "embeddings": content_key(windows.table),
        "images": content_key(labelled.images.select(["image_id", "image_hash", "label", "plate", "well"])),
        "splits": content_key(labelled.folds),
    }
    inputs |= {
        f"checkpoint_{name}": _checkpoint_hash(choice)
        for name, choice in dataset.networks.items()
        if choice.checkpoint is not None
    }
    keys = {TEXTURE_PROBE: _probe_key(dataset, inputs)} | {
        name: _network_key(fit, name, choice, inputs) for name, choice in sorted(dataset.networks.items())
    }
    report = fit_once(
        store,
        MODEL,
        log,
        inputs=inputs,
        parameters={"headline": dataset.grouping[0], **input_of(store, dataset), "classifiers": keys},
        seed=dataset.seed,
        fit=lambda folder: _fit_all(folder, fit, keys),
        fits_current_inputs=lambda provenance: (
            takes_windows_of(provenance, store, dataset) and provenance.inputs["encoder"] == encoder
        ),
    )
    store.clear_work(MODEL)
    return replace(report, checks=[better_than_chance(store, MODEL)])


def takes_windows_of(provenance: Provenance, store: DatasetStore, dataset: StainingDataset) -> bool:
    """Whether classifiers of that provenance take the pictures that the dataset has now."""
    now = input_of(store, dataset)
    return {name: provenance.parameters.get(name) for name in now} == now


def input_of(store: DatasetStore, dataset: StainingDataset) -> dict[str, object]:
    """What decides how a window of the dataset looks to a network."""
    return {
        "classes": list(dataset.classes),
        "window_px": dataset.window_px,
        "pixel_nm": dataset.pixel_nm,
        "channels": list(dataset.channels),
        "white_level": white_level_of(store, dataset),
    }


def stored_classifiers(store: DatasetStore, version: str) -> dict[str, str]:
    """The classifiers of a version of the model, by name, and the key of each; none where there is no model."""
    models = store.models(MODEL)
    if NoModel.found(models.path(version)) is not None:
        return {}
    keys: dict[str, str] = models.provenance(version).parameters["classifiers"]
    return keys


def network_file(folder: Path, fold: int) -> Path:
    """Where the network of a fold lies in the folder of the classifier."""
    return folder / f"fold_{fold}.safetensors"


def _probe_key(dataset: StainingDataset, inputs: Mapping[str, str]) -> str:
    own = {name: inputs[name] for name in ("encoder", "embeddings", "images", "splits")}
    return fingerprint({"method": _METHOD, "headline": dataset.grouping[0], "seed": dataset.seed}, own)


def _network_key(fit: "_Fit", name: str, choice: StainNetworkChoice, inputs: Mapping[str, str]) -> str:
    """What decides one network, whatever other classifiers there are. Only the folds of the headline count: of others there are none."""
    headline = fit.dataset.grouping[0]
    own = {"images": inputs["images"], "splits": content_key(fit.labelled.folds_of(headline))}
    if choice.checkpoint is not None:
        own["checkpoint"] = inputs[f"checkpoint_{name}"]
    return fingerprint(
        {
            "method": _METHOD,
            "choice": hashed_fields(choice, exclude={"checkpoint"}),
            "headline": headline,
            "seed": fit.dataset.seed,
            **input_of(fit.store, fit.dataset),
        },
        own,
    )


def _checkpoint_hash(choice: StainNetworkChoice) -> str:
    from synapse_assets.vision.building import checkpoint_hash

    return checkpoint_hash(choice)


# Fitting


def _fit_all(folder: Path, fit: "_Fit", keys: Mapping[str, str]) -> Fitted:
    models, labelled = fit.store.models(MODEL), fit.labelled
    counts = {"labelled_images": float(len(labelled.ids)), "labelled_wells": float(len(np.unique(labelled.wells)))}
    missing = fit.why_none()
    if missing is not None:
        missing.save(folder)
        return Fitted(scores=counts, notes=[f"no classifier: {missing.reason}"])
    tests: dict[str, StainTest] = {}
    for name, key in keys.items():
        earlier = _stored_before(models, key)
        if earlier is not None:
            fit.log.info(f"{name}: of the same choice, pictures and splits as in {earlier[0]}, not fitted again")
            shutil.copytree(models.path(earlier[0]) / earlier[1], folder / name)
        elif name == TEXTURE_PROBE:
            fit_texture_probe(labelled, fit.windows, fit.dataset, folder / name)
        else:
            fit.network(name, key, folder / name)
        tests[name] = StainTest.load(folder / name, name, "")
    accuracies = {name: test.balanced_accuracy() for name, test in tests.items()}
    return Fitted(
        scores={
            **counts,
            "classes": float(len(labelled.classes)),
            # The best one is what versions are compared by.
            "balanced_accuracy": max(accuracies.values()),
            **{f"{name}_balanced_accuracy": value for name, value in accuracies.items()},
            **{f"{name}_seconds": test.seconds for name, test in tests.items()},
        },
        notes=[f"{name}: {remark}" for name, test in tests.items() for remark in test.remarks],
        details=fit.details,
    )


def _stored_before(models: ModelStore, key: str) -> tuple[str, str] | None:
    """The newest version of the model that has a classifier of that key, and its name there."""
    for version in reversed(models.versions()):
        if NoModel.found(models.path(version)) is None:
            for name, stored in models.provenance(version).parameters["classifiers"].items():
                if stored == key:
                    return version, name
    return None


@dataclass
class _Fit:
    """Training and testing the classifiers of a dataset on the same labelled pictures. details: what the UI shows of those fitted now."""

    store: DatasetStore
    dataset: StainingDataset
    labelled: Labelled
    windows: Windows
    device: str
    log: Logger
    watch: Watch
    details: dict[str, Detail] = field(default_factory=dict)

    def why_none(self) -> NoModel | None:
        """Why no classifier can be fitted and tested, if so."""
        classes, headline = self.labelled.classes, self.dataset.grouping[0]
        if len(classes) < 2:
            return NoModel(
                f"all labelled pictures are '{classes[0]}'" if classes else "no labelled pictures that have vectors"
            )
        roles = self.labelled.roles(headline, self.dataset.seed)
        if not roles:
            groups = len(self.labelled.fold_of_group(headline))
            return NoModel(
                f"labelled pictures are of {groups} {headline}{'' if groups == 1 else 's'}, so none can be held out: add another, or name "
                "a finer grouping, such as well, in the dataset's YAML"
            )
        group_of = {fold: group for group, fold in self.labelled.fold_of_group(headline).items()}
        for fold, of_fold in roles.items():
            left = np.unique(self.labelled.codes[of_fold.train])
            if len(left) < len(classes):
                gone = ", ".join(name for code, name in enumerate(classes) if code not in left)
                return NoModel(
                    f"without {headline} {group_of[fold]} and those it is calibrated on, no picture of {gone} is left to train on: each "
                    f"class is needed in three {headline}s, or name a finer grouping, such as well, in the dataset's YAML"
                )
        return None

    def network(self, name: str, key: str, folder: Path) -> None:
        """Trains and tests a network, and writes all of it into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        _NetworkFit(self, name, key, folder).run()


class _NetworkFit:
    """One network, trained for every fold of the headline, and once more with windows dealt out at random."""

    def __init__(self, fit: _Fit, name: str, key: str, folder: Path) -> None:
        self.fit, self.name, self.key, self.folder = fit, name, key, folder
        self.choice = fit.dataset.networks[name]
        self.roles = fit.labelled.roles(fit.dataset.grouping[0], fit.dataset.seed)
        self.usable, self.ids = Pictures.of(fit.store, fit.dataset), fit.labelled.ids
        self.seconds = 0.0
        self.remarks: list[str] = []
        self.number = 0
        self.total = len(self.roles) + 1

    def pictures(self, row: int) -> npt.NDArray[Any]:
        """The pixels of a labelled picture, uint8 or uint16 (channels, H, W)."""
        return self.usable.pixels(self.ids[row])

    def run(self) -> None:
        """Trains, tests and stores it."""
        from synapse_assets.analysis.evaluation.image_scores import thresholds

        fit, headline = self.fit, self.fit.dataset.grouping[0]
        parts = [self._fold(fold, roles) for fold, roles in self.roles.items()]
        tested = self._levels(headline, [test for test, _ in parts])
        calibrated = self._levels(headline, [calibration for _, calibration in parts])
        crops = self._random_crops()
        StainTest(
            fit.labelled.classes,
            [*tested, *crops],
            calibrated,
            {one.level: thresholds(one, fit.dataset.seed) for one in calibrated if len(one.truth)},
            headline,
            fit.labelled.fold_of_group(headline),
            self.seconds,
            self.remarks,
        ).save(self.folder)

    def _fold(self, fold: int, roles: Roles) -> "tuple[list[_Answer], list[_Answer]]":
        """What the network of a fold says of the pictures that are tested in it, and of those that calibrate it."""
        what = f"{self.fit.dataset.grouping[0]}s, fold {fold + 1}"
        network = self._train(what, f"fold_{fold}", roles.train)
        network.save(network_file(self.folder, fold))
        answers = self._answers(f"fold_{fold}", network, np.concatenate([roles.test, roles.calibration]))
        return answers[: len(roles.test)], answers[len(roles.test) :]

    def _random_crops(self) -> "list[Judged]":
        """What it says where windows, not groups, are dealt out, of the windows of one fold: what a split by crops would claim."""
        from synapse_assets.analysis.evaluation.image_scores import RANDOM_CROPS

        every = np.arange(len(self.fit.labelled.ids))
        dealt = [self._deal_windows(row) for row in every.tolist()]
        network = self._train("windows dealt out at random", RANDOM_CROPS, every, allowed=lambda row: dealt[row][0])
        answers = []
        for row, (_, tested) in enumerate(dealt):
            if len(tested):
                logits = network.windows(self.pictures(row), tested, self.fit.device)
                of_windows = softmax(logits, f"{self.name}, {RANDOM_CROPS}")
                answers.append(_Answer(row, of_windows.mean(axis=0), of_windows))
        return self._levels(RANDOM_CROPS, [answers])

    def _deal_windows(self, row: int) -> tuple[Int64, Int64]:
        """Of the windows of a picture side by side those that are trained on, one at least, and those that are tested: a fifth, by a hash.

        Upper left pixels (n, 2), y and x.
        """
        from synapse_assets.analysis.evaluation.sampling import content_keys

        size, image_id = self.fit.dataset.window_px, self.ids[row]
        height, width = self.pictures(row).shape[1:]
        corners = np.array(
            [(y, x) for y in range(0, height - size + 1, size) for x in range(0, width - size + 1, size)],
            dtype=np.int64,
        )
        keys = content_keys([f"{image_id} {y} {x}" for y, x in corners.tolist()], self.fit.dataset.seed)
        tested = keys % np.uint64(FOLDS) == 0
        tested[int(keys.argmax())] = False
        return corners[~tested], corners[tested]

    def _train(
        self, what: str, part: str, rows: Int64, allowed: Callable[[int], Int64] | None = None
    ) -> "StainNetwork":
        """The network trained on these labelled pictures, or on the `allowed` windows of each; `part` names its unfinished work."""
        from synapse_assets.vision.training.stain import train_stain_network

        fit = self.fit
        self.number += 1
        described = f"{self.name}, training {self.number} of {self.total} ({what})"
        fit.log.info(f"{described}: {len(rows):,} pictures")
        trained = train_stain_network(
            self.choice,
            fit.labelled.classes,
            fit.dataset.window_px,
            fit.dataset.pixel_nm,
            white_level_of(fit.store, fit.dataset),
            self.pictures,
            fit.labelled.codes,
            np.unique(fit.labelled.wells, return_inverse=True)[1],
            rows,
            seed=fit.dataset.seed,
            device=fit.device,
            folder=fit.store.work_folder(MODEL, f"{self.name}_{part}", self.key),
            progress=training_reporter(described, self.choice.steps, fit.log, fit.watch),
            log=fit.log.info,
            allowed=allowed,
        )
        if isinstance(trained, NoModel):
            raise BadInput(f"{described}: {trained.reason}")
        network, training = trained
        self._note(what, training)
        return network

    def _answers(self, part: str, network: "StainNetwork", rows: Int64) -> "list[_Answer]":
        """What a network says of pictures, in their order. A killed run goes on after the last picture."""
        staging = self.fit.store.staging(MODEL, f"{self.name}_{part}_answers", self.key)
        done, ids = staging.done_ids(), self.ids
        for row in rows.tolist():
            if ids[row] not in done:
                staging.append(_Answer.of(row, network.dense(self.pictures(row), self.fit.device)).staged(ids[row]))
        stored = staging.reader()
        by_id = {} if stored is None else {one["synapse_id"]: one for one in stored.read_all().to_pylist()}
        return [_Answer.read(row, by_id[ids[row]]) for row in rows.tolist()]

    def _levels(self, split: str, parts: "Sequence[Sequence[_Answer]]") -> "list[Judged]":
        """What was said of pictures, each by one network, by window and by picture."""
        answers = sorted((answer for part in parts for answer in part), key=lambda answer: answer.row)
        rows = np.array([answer.row for answer in answers], dtype=np.int64)
        counts = np.array([len(answer.windows) for answer in answers], dtype=np.int64)
        nothing = np.zeros((0, len(self.fit.labelled.classes)))
        of_images = np.stack([answer.image for answer in answers]) if answers else nothing
        of_windows = np.concatenate([nothing, *(answer.windows for answer in answers)])
        return [
            tested_rows(self.fit.labelled, self.name, split, "window", np.repeat(rows, counts), of_windows),
            tested_rows(self.fit.labelled, self.name, split, "image", rows, of_images),
        ]

    def _note(self, what: str, training: "Training") -> None:
        from synapse_assets.figures.scores import training_curve

        self.seconds += training.seconds
        if training.bad_rows:
            pictures = ", ".join(self.ids[row] for row in training.bad_rows[:10])
            self.remarks.append(f"{what}: the loss was not a number after {training.steps:,} steps, at {pictures}")
        caption = f"{self.name}: training, {what}"
        self.fit.details[f"{self.name}_training"] = Picture(training_curve(training.history), caption)


@dataclass(frozen=True)
class _Answer:
    """Probabilities of a labelled picture (K,), and of its windows side by side (n, K), float64. row: its place among the labelled."""

    row: int
    image: Float64
    windows: Float64

    @classmethod
    def of(cls, row: int, dense: "DenseMap") -> "_Answer":
        """From the map of all its windows, which overlap: those side by side alone are counted one by one."""
        from synapse_assets.vision.staining import picture_probabilities

        step = max(1, round(2 * dense.first_px / dense.stride_px))
        apart = dense.probabilities[:, ::step, ::step]
        return cls(row, picture_probabilities(dense), apart.reshape(len(apart), -1).T.astype(np.float64))

    def staged(self, image_id: str) -> pa.Table:
        """As a row of unfinished work."""
        return pa.table(
            {
                "synapse_id": [image_id],
                "image": pa.array([self.image.tolist()], pa.list_(pa.float64())),
                "windows": pa.array([self.windows.ravel().tolist()], pa.list_(pa.float64())),
            }
        )

    @classmethod
    def read(cls, row: int, staged: Mapping[str, list[float]]) -> "_Answer":
        """From such a row."""
        image = np.array(staged["image"])
        return cls(row, image, np.array(staged["windows"]).reshape(-1, len(image)))
