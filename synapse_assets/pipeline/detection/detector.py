"""The detectors that a dataset names: trained, tested on parts of the annotated volumes that were held out, stored as one model.

Each is trained once for every part, on all others and without the objects that reach into it; these networks map their parts, and so every
part has a map by a network that never saw it. What is applied is trained on everything, by the threshold and least volume that are best on
all of these maps; for the test of a part they are chosen on the maps of the others. Networks and how one is trained live in `vision`.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import DetectionDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.pipeline.detection.annotated import Corner, Known, Part, extents, parts_of, registered_annotations
from synapse_assets.pipeline.detection.ground import Ground, grounds_of, last_fifth
from synapse_assets.pipeline.detection.labelling.boxes import asked_detector
from synapse_assets.pipeline.detection.labelling.lessons import Lesson, lessons_of, versions_by_round
from synapse_assets.pipeline.detection.stored import MODEL, NETWORK_FILE, write_rules
from synapse_assets.pipeline.detection.tested import (
    BLOCK,
    FOUND,
    INVENTED,
    MISSED,
    NEXT_SECTIONS,
    DetectorTest,
    TestedSites,
)
from synapse_assets.pipeline.detection.voxels import VolumeVoxels
from synapse_assets.pipeline.em.networks import Watch, training_reporter
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Check, Detail, Picture, Report
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import ModelStore, Provenance, fingerprint

if TYPE_CHECKING:
    from synapse_assets.analysis.detection.sites import Rules
    from synapse_assets.analysis.evaluation.held_out import Choice, HeldOut, Measure, Outcome
    from synapse_assets.vision.detection import DetectorNetwork
    from synapse_assets.vision.training.labelled import Training

SCORE = "score"
REVIEWED = "reviewed_"
"""Before the name of a round, the input of a version that stands for the boxes of the round that it learnt from."""
# One more whenever the same choice, annotations and volumes make another stored detector or test.
_METHOD = 1
_BY_OTHER_PARTS = "the other parts, each mapped by a network that never saw it"
_BY_ALL_PARTS = "all parts, each mapped by a network that never saw it"
_BY_TRAINED_ON = "what it was trained on, as nothing else is annotated"
_BY_FIRST_SECTIONS = "the sections that it was trained on"
_BY_YAML = "the dataset's YAML"


def fit_detectors(store: DatasetStore, dataset: DetectionDataset, device: str, log: Logger, watch: Watch) -> Report:
    """Trains every detector that the dataset names, tests each on parts held out, and stores them as one model.

    The detector whose sites people judge learns from the boxes that they looked through too; what it is tested on stays the same. A
    detector that an earlier version of the model has, of the same choice, annotations and volumes, is taken from there. A killed run goes
    on where it was. Where nothing is annotated that a detector could learn from it is left out, and where all are, there is no model.
    Raises BadInput where the annotations are not those that were registered, and for a pixel that is no multiple of the volume's.
    """
    every = registered_annotations(store, dataset, log)
    voxels = {volume: _Voxels.of(dataset, volume, *box) for volume, box in extents(every).items()}
    lessons = lessons_of(store, dataset, every, log)
    fit = _Fit(store, dataset, every, voxels, parts_of(every, dataset.hold_out), lessons, device, log, watch)
    inputs = {f"annotation_{known.annotation.name}": known.version for known in every}
    inputs |= {f"volume_{name}": held.version for name, held in voxels.items()}
    if dataset.labelling is not None:
        inputs |= {f"{REVIEWED}{name}": version for name, version in versions_by_round(store, lessons).items()}
    keys = {name: _key(fit, name, inputs) for name in sorted(dataset.detectors)}
    report = fit_once(
        store,
        MODEL,
        log,
        inputs=inputs,
        parameters={"detectors": keys, **takes_of(dataset)},
        seed=dataset.seed,
        fit=lambda folder: _fit_all(folder, fit, keys),
        fits_current_inputs=lambda provenance: fits(provenance, dataset),
    )
    store.clear_work(MODEL)
    return replace(report, checks=[_finds(store)])


def takes_of(dataset: DetectionDataset) -> dict[str, object]:
    """What decides whether detectors can be applied to the volumes of a dataset, and give what it asks for."""
    return {
        "voxel_size_nm": list(dataset.voxel_size_nm),
        "targets": {name: list(choice.targets) for name, choice in sorted(dataset.detectors.items())},
    }


def fits(provenance: Provenance, dataset: DetectionDataset) -> bool:
    """Whether detectors of that provenance take voxels of the dataset's size, and mark what its applied detectors are to mark."""
    stored = provenance.parameters
    same = np.allclose(stored["voxel_size_nm"], dataset.voxel_size_nm, rtol=1e-3)
    return same and all(
        stored["targets"].get(name) == list(dataset.detectors[name].targets) for name in dataset.applied
    )


def stored_detectors(models: ModelStore, version: str) -> dict[str, str]:
    """The detectors of a version of the model by name, and the key of each; none where there is no model."""
    folder = models.path(version)
    if NoModel.found(folder) is not None:
        return {}
    keys: dict[str, str] = models.provenance(version).parameters["detectors"]
    return {name: key for name, key in keys.items() if (folder / name / NETWORK_FILE).is_file()}


def _key(fit: "_Fit", name: str, inputs: Mapping[str, str]) -> str:
    """What decides one detector, whatever others there are."""
    choice = fit.dataset.detectors[name]
    used = [known for known in fit.every if known.annotation.target in choice.targets]
    names = {f"annotation_{known.annotation.name}" for known in used}
    names |= {f"volume_{known.annotation.volume}" for known in used}
    dataset = fit.dataset
    if fit.lessons and name == asked_detector(dataset):
        names |= {f"{REVIEWED}{lesson.round}" for lesson in fit.lessons}
    return fingerprint(
        {
            "method": _METHOD,
            "choice": hashed_fields(choice),
            "voxel_size_nm": list(dataset.voxel_size_nm),
            # Parts are numbered over all annotated volumes, and their boxes are those of all annotations.
            "parts": [[part.number, part.volume, *part.low, *part.high] for part in fit.parts],
            "tolerance_nm": dataset.tolerance_nm,
            "seed": dataset.seed,
        },
        {one: inputs[one] for one in sorted(names)},
    )


def _finds(store: DatasetStore) -> Check:
    models = store.models(MODEL)
    version = str(models.candidate or models.current)
    folder = models.path(version)
    name = "finds_what_it_never_saw"
    none = NoModel.found(folder)
    if none is not None:
        return Check(name, False, none.reason, warn=True)
    scores = {one: DetectorTest.load(folder / one).score() for one in stored_detectors(models, version)}
    blind = [one for one, score in scores.items() if score == 0]
    unknown = [one for one, score in scores.items() if score is None]
    sentences = [
        *(f"{one} finds nothing in parts that it never saw: train it for longer, or annotate more" for one in blind),
        *(f"{one} could not be tested in parts that it never saw" for one in unknown),
    ]
    numbers = {one: score for one, score in scores.items() if score is not None}
    return Check(name, not sentences, "; ".join(sentences) or "all do", warn=True, numbers=numbers)


# Fitting


@dataclass(frozen=True)
class _Voxels:
    """Grey values of a box of a volume. low: its first voxel, z, y, x."""

    low: Corner
    grey: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_]
    version: str

    @classmethod
    def of(cls, dataset: DetectionDataset, volume: str, low: Corner, high: Corner) -> "_Voxels":
        from synapse_assets.volumes import open_volume

        grey, valid = VolumeVoxels(open_volume(dataset.volumes[volume])).read(low, high)
        digest = hashlib.sha256(repr((low, high)).encode())
        digest.update(np.ascontiguousarray(grey).data)
        digest.update(np.packbits(valid).data)
        return cls(low, grey, valid, digest.hexdigest()[:16])

    def of_ground(self, ground: Ground) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Those of a ground, whose first pixel may begin before the first voxel: what is beyond is not valid."""
        factor = ground.factor
        low = (ground.low[0], ground.low[1] * factor, ground.low[2] * factor)
        start = np.subtract(low, self.low)
        end = np.minimum(start + np.array(ground.known.shape) * (1, factor, factor), self.grey.shape)
        before = np.maximum(0, -start)
        box = tuple(slice(int(a), int(b)) for a, b in zip(start + before, end, strict=True))
        pad = [(int(edge), 0) for edge in before]
        return np.pad(self.grey[box], pad), np.pad(self.valid[box], pad)


@dataclass
class _Fit:
    """Training and testing the detectors of a dataset. details: what the UI shows of those trained now."""

    store: DatasetStore
    dataset: DetectionDataset
    every: Sequence[Known]
    voxels: Mapping[str, _Voxels]
    parts: Sequence[Part]
    lessons: Sequence[Lesson]
    device: str
    log: Logger
    watch: Watch
    details: dict[str, Detail] = field(default_factory=dict)


def _fit_all(folder: Path, fit: _Fit, keys: Mapping[str, str]) -> Fitted:
    models = fit.store.models(MODEL)
    scores: dict[str, float] = {}
    notes: list[str] = []
    reached: list[float] = []
    for name, key in keys.items():
        earlier = _stored_before(models, key)
        if earlier is not None:
            fit.log.info(f"{name}: of the same choice, annotations and volumes as in {earlier[0]}, not trained again")
            shutil.copytree(models.path(earlier[0]) / earlier[1], folder / name)
        else:
            missing = _DetectorFit(fit, name, key, folder / name).run()
            if missing is not None:
                notes.append(f"no detector {name}: {missing.reason}")
                continue
        test = DetectorTest.load(folder / name)
        notes += [f"{name}: {remark}" for remark in test.remarks]
        scores[f"{name}_seconds"] = test.seconds
        for target in test.targets:
            measure = "dice" if target == "mitochondria" else "f1"
            value = test.value(target, measure)
            if value is not None:
                scores[f"{name}_{target}_{measure}"] = value
        score = test.score()
        if score is not None:
            scores[f"{name}_score"] = score
            reached.append(score)
    if not any((folder / name).is_dir() for name in keys):
        NoModel("; ".join(notes)).save(folder)
        return Fitted(notes=notes)
    if reached:
        # What versions are compared by.
        scores[SCORE] = float(np.mean(reached))
    return Fitted(scores=scores, notes=notes, details=fit.details)


def _stored_before(models: ModelStore, key: str) -> tuple[str, str] | None:
    """The newest version of the model that has a detector of that key, and its name there."""
    for version in reversed(models.versions()):
        for name, stored in stored_detectors(models, version).items():
            if stored == key:
                return version, name
    return None


class _DetectorFit:
    """One detector, trained for every part, for what is applied, and for the last sections."""

    def __init__(self, fit: _Fit, name: str, key: str, folder: Path) -> None:
        from synapse_assets.vision.training.detector import factor_of
        from synapse_assets.volumes import open_volume

        self.fit, self.name, self.key, self.folder = fit, name, key, folder
        self.choice = fit.dataset.detectors[name]
        self.size = fit.dataset.voxel_size_nm
        self.grounds = grounds_of(self.choice, fit.every, factor_of(self.choice, self.size), self.size)
        self.grey = {ground.volume: fit.voxels[ground.volume].of_ground(ground) for ground in self.grounds}
        self.sources = {
            ground.volume: VolumeVoxels(open_volume(fit.dataset.volumes[ground.volume])) for ground in self.grounds
        }
        self.parts = [part for part in fit.parts if any(ground.has(part) for ground in self.grounds)]
        self.cuts = last_fifth(self.grounds)
        self.lessons = fit.lessons if fit.lessons and name == asked_detector(fit.dataset) else []
        self.seconds = 0.0
        self.remarks: list[str] = []
        self.number = 0
        self.total = (len(self.parts) if len(self.parts) > 1 else 0) + 1 + bool(self.cuts)

    def run(self) -> NoModel | None:
        """Trains, tests and stores it; or says why it cannot be."""
        if not self.grounds:
            return NoModel(
                f"no volume has {self.choice.learns_from} of all of {list(self.choice.targets)}: annotate all targets of a detector in one "
                "volume"
            )
        applied = self._train("applied", "on everything", {ground.volume: ground.known for ground in self.grounds})
        if isinstance(applied, NoModel):
            return applied
        maps, tested = self._mapped_parts()
        choices: dict[int, Choice] = {}
        held_out = None
        if tested:
            held_out = self._held_out(maps, tested)
            choices = {part: self._chosen(held_out, set(tested) - {part}, _BY_OTHER_PARTS) for part in tested}
            in_use = self._chosen(held_out, tested, _BY_ALL_PARTS)
        else:
            seen = {ground.volume: self._map(applied, ground, ground.low, ground.high) for ground in self.grounds}
            numbers = [part.number for part in self.parts]
            in_use = self._chosen(self._held_out(seen, numbers), numbers, _BY_TRAINED_ON)
            self.remarks.append("it was not tested, as nothing that is annotated could be held out")
        measures, outcomes = ([], {}) if held_out is None else held_out.measures(choices, self.fit.dataset.seed)
        contrast, by_sections = self._next_sections()
        self.folder.mkdir(parents=True, exist_ok=True)
        applied.save(self.folder / NETWORK_FILE)
        write_rules(self.folder, self._rules(in_use))
        test = DetectorTest(
            targets=tuple(self.choice.targets),
            balls=self.choice.learns_from == "points",
            measures={BLOCK: measures, NEXT_SECTIONS: contrast},
            choices={BLOCK: choices, NEXT_SECTIONS: by_sections},
            applied=in_use,
            sites={target: self._sites(target, outcome, choices) for target, outcome in outcomes.items()},
            curves={} if held_out is None else self._curves(held_out, tested, in_use),
            parts=(len(tested), len(self.parts)),
            seconds=self.seconds,
            tolerance_nm=self.fit.dataset.tolerance_nm,
            seed=self.fit.dataset.seed,
            remarks=self.remarks,
        )
        test.save(self.folder)
        self._show(test)
        return None

    def _mapped_parts(self) -> tuple[dict[str, npt.NDArray[np.uint8]], list[int]]:
        """A map of each volume, uint8 (T, z, y, x), each part by a network that never saw it; and the parts that have one."""
        maps = {
            ground.volume: np.zeros((len(self.choice.targets), *ground.known.shape), np.uint8)
            for ground in self.grounds
        }
        tested = []
        for part in self.parts if len(self.parts) > 1 else []:
            known = {ground.volume: ground.without(part) for ground in self.grounds}
            network = self._train(f"part_{part.number}", f"without part {part.number} of {part.volume}", known)
            if isinstance(network, NoModel):
                self.remarks.append(f"part {part.number} was not tested: without it {network.reason}")
                continue
            ground = next(ground for ground in self.grounds if ground.volume == part.volume)
            maps[part.volume][:, *ground.box(part)] = self._map(network, ground, *ground.corners(part))
            tested.append(part.number)
        return maps, tested

    def _next_sections(self) -> "tuple[Sequence[Measure], dict[int, Choice]]":
        """What it does where the last sections are held out, which show the objects that it was trained on."""
        grounds = [ground for ground in self.grounds if ground.volume in self.cuts]
        if not grounds:
            return [], {}
        known = {ground.volume: ground.before(self.cuts[ground.volume]) for ground in grounds}
        network = self._train(NEXT_SECTIONS, "without the last fifth of the sections", known)
        if isinstance(network, NoModel):
            self.remarks.append(f"the last sections were not tested: without them {network.reason}")
            return [], {}
        maps = {ground.volume: self._map(network, ground, ground.low, ground.high) for ground in grounds}
        first = self._held_out(maps, [], {name: slice(0, cut) for name, cut in self.cuts.items()})
        choice = self._chosen(first, [-1], _BY_FIRST_SECTIONS)
        last = {ground.volume: slice(self.cuts[ground.volume], len(ground.known)) for ground in grounds}
        tested = self._held_out(maps, [], last, choice)
        measures, _ = tested.measures({-1: choice}, self.fit.dataset.seed)
        return measures, {-1: choice}

    def _train(self, part: str, what: str, known: Mapping[str, npt.NDArray[np.bool_]]) -> "DetectorNetwork | NoModel":
        from synapse_assets.vision.training.detector import TrainingVolume, train_detector

        fit = self.fit
        self.number += 1
        described = f"{self.name}, training {self.number} of {self.total} ({what})"
        volumes = [
            TrainingVolume(
                *self.grey[ground.volume],
                np.stack([ground.marked[target] for target in self.choice.targets]),
                known[ground.volume],
            )
            for ground in self.grounds
            if ground.volume in known and known[ground.volume].any()
        ]
        if not volumes:
            return NoModel("nothing that is annotated is left to train on")
        volumes += [lesson.volume for lesson in self.lessons]
        fit.log.info(f"{described}: {sum(int(volume.known.sum()) for volume in volumes):,} pixels")
        trained = train_detector(
            self.choice,
            volumes,
            self.size,
            seed=fit.dataset.seed,
            device=fit.device,
            folder=fit.store.work_folder(MODEL, f"{self.name}_{part}", self.key),
            progress=training_reporter(described, self.choice.steps, fit.log, fit.watch),
            log=fit.log.info,
        )
        if isinstance(trained, NoModel):
            return trained
        network, training = trained
        self._note(what, training)
        return network

    def _map(self, network: "DetectorNetwork", ground: Ground, low: Corner, high: Corner) -> npt.NDArray[np.uint8]:
        """Probabilities of these pixels, as maps are stored: uint8 (T, z, y, x), 255 is certain."""
        maps = network.map_box(self.sources[ground.volume], low, high, self.fit.device)
        return np.rint(maps * 255).astype(np.uint8)

    def _note(self, what: str, training: "Training") -> None:
        from synapse_assets.figures.scores import training_curve

        self.seconds += training.seconds
        if training.remark:
            self.remarks.append(f"{what}: {training.remark}")
        if training.stopped != "steps":
            self.remarks.append(f"{what}: {training.stopped}")
        if what == "on everything":
            caption = f"{self.name}: training, {what}"
            self.fit.details[f"{self.name}_training"] = Picture(training_curve(training.history), caption)

    # Choosing and testing

    def _rules(self, choice: "Choice") -> "Rules":
        from synapse_assets.analysis.detection.components import Limits
        from synapse_assets.analysis.detection.sites import Rules

        chosen = self.choice
        limits = Limits(choice.min_nm3, np.inf if chosen.max_nm3 is None else chosen.max_nm3, chosen.min_sections)
        return Rules(
            targets=tuple(chosen.targets),
            balls=chosen.learns_from == "points",
            threshold=choice.threshold,
            limits=limits,
            split_nm=chosen.split_nm,
            apart_nm=chosen.apart_nm,
            pair_nm=chosen.pair_nm,
            ball_nm=chosen.ball_nm,
        )

    def _held_out(
        self,
        maps: Mapping[str, npt.NDArray[np.uint8]],
        parts: Sequence[int],
        sections: Mapping[str, slice] | None = None,
        choice: "Choice | None" = None,
    ) -> "HeldOut":
        """The maps with what is to be found in them: in these parts, or in some sections of each volume.

        choice: what is not chosen any more.
        """
        from synapse_assets.analysis.evaluation.held_out import THRESHOLDS, Choice, HeldOut

        chosen = self.choice
        grounds = [ground for ground in self.grounds if ground.volume in maps]
        members = [part for part in self.parts if part.number in parts]
        of_grounds = [
            ground.scenes(maps[ground.volume], members, None if sections is None else sections[ground.volume])
            for ground in grounds
        ]
        scenes = {str(target): [of_ground[target] for of_ground in of_grounds] for target in chosen.targets}
        if choice is None:
            thresholds = THRESHOLDS if chosen.threshold is None else (chosen.threshold,)
            least = chosen.min_nm3
        else:
            thresholds, least = (choice.threshold,), choice.min_nm3
        rules = self._rules(Choice(thresholds[0], least or 0.0, ""))
        return HeldOut(scenes, rules, grounds[0].pixel_size_nm, self.fit.dataset.tolerance_nm, thresholds, least)

    def _chosen(self, held_out: "HeldOut", parts: "Sequence[int] | set[int]", by: str) -> "Choice":
        given = self.choice.threshold is not None and (
            self.choice.min_nm3 is not None or self.choice.learns_from == "points"
        )
        return held_out.choose(parts, _BY_YAML if given else by)

    def _curves(
        self, held_out: "HeldOut", tested: Sequence[int], in_use: "Choice"
    ) -> dict[str, tuple[Sequence[float], Sequence[float | None], Sequence[float | None]]]:
        curves = {}
        for target in self.choice.targets:
            precision, recall = held_out.curve(target, tested, in_use.min_nm3)
            curves[target] = (
                held_out.thresholds,
                *([float(value) if np.isfinite(value) else None for value in values] for values in (precision, recall)),
            )
        return curves  # type: ignore[return-value]

    def _sites(self, target: str, outcome: "Outcome", choices: "Mapping[int, Choice]") -> TestedSites:
        """The sites of the test: what is annotated, found or missed, then what was invented."""
        truth, every, matches = outcome.truth, outcome.every, outcome.limited
        parts = np.array(list(choices))
        ids = np.array(
            [
                name
                for ground in self.grounds
                for name, part in zip(ground.objects[target].ids, self._parts_of_objects(ground, target), strict=True)
                if part in parts
            ],
            dtype=str,
        )
        corners = np.array([np.array(ground.low[::-1]) * ground.pixel_size_nm for ground in self.grounds])
        volumes = np.array([ground.volume for ground in self.grounds], dtype=str)
        true_nm, found_nm = truth.position_nm + corners[truth.scene], every.position_nm + corners[every.scene]
        outcomes = np.full(len(truth), MISSED, dtype="U8")
        score, distance = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
        rows, true_rows = matches.pairs.T
        outcomes[true_rows], score[true_rows] = FOUND, every.score[rows]
        distance[true_rows] = np.sqrt(((found_nm[rows] - true_nm[true_rows]) ** 2).sum(axis=1))
        delivered = outcome.within
        distance[matches.missed] = _nearest(
            true_nm[matches.missed], truth.scene[matches.missed], found_nm[delivered], every.scene[delivered]
        )
        invented = matches.invented
        return TestedSites(
            np.concatenate([true_nm, found_nm[invented]]),
            np.concatenate([outcomes, np.full(len(invented), INVENTED, dtype="U8")]),
            np.concatenate([score, every.score[invented]]),
            np.concatenate([distance, _nearest(found_nm[invented], every.scene[invented], true_nm, truth.scene)]),
            np.concatenate([ids, np.full(len(invented), "", dtype=ids.dtype if len(ids) else "U1")]),
            np.concatenate([truth.part, every.part[invented]]),
            np.concatenate([volumes[truth.scene], volumes[every.scene[invented]]]),
        )

    def _parts_of_objects(self, ground: Ground, target: str) -> list[int]:
        from synapse_assets.analysis.evaluation.held_out import part_of

        corner = np.array(ground.low[::-1]) * ground.pixel_size_nm
        boxes = {part.number: ground.box(part) for part in self.parts if part.volume == ground.volume}
        return part_of(ground.objects[target].position_nm - corner, ground.pixel_size_nm, boxes).tolist()

    def _show(self, test: DetectorTest) -> None:
        from synapse_assets.figures.detection import precision_recall_figure

        if test.curves:
            caption = f"{self.name}: precision and recall by probability, parts held out"
            picture = precision_recall_figure(test.curves, test.applied.threshold)
            self.fit.details[f"{self.name}_precision_recall"] = Picture(picture, caption)


def _nearest(
    position_nm: npt.NDArray[np.float64],
    scene: npt.NDArray[np.int64],
    others_nm: npt.NDArray[np.float64],
    other_scene: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """How far the nearest of the others of the same scene is from each position (N, 3); nan for none."""
    from scipy.spatial import cKDTree

    distance = np.full(len(position_nm), np.nan)
    for number in np.unique(scene):
        there = others_nm[other_scene == number]
        if len(there):
            distance[scene == number] = cKDTree(there).query(position_nm[scene == number])[0]
    return distance
