"""The named networks of a dataset: trained, tested on groups held out, and applied to the tiles of a region.

Networks and how one is trained live in `vision`; how they compare with other classifiers, in `classifier_comparison`.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import Dataset, EmDataset, NetworkChoice
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.classify import FOLDS, better_than_chance, untested_input
from synapse_assets.pipeline.em.labelling.decisions import untested_labels
from synapse_assets.pipeline.em.precision import precision_here
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import (
    Check,
    Detail,
    Json,
    Picture,
    Report,
    Stopwatch,
    progress_logger,
    report_progress,
)
from synapse_assets.schema import NETWORK_PREDICTIONS, SPLITS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import ModelStore, Provenance, fingerprint, installed_libraries, model_in_use
from synapse_assets.stores.parquet_table import ParquetTable
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.evaluation import Evaluation, OutOfSample
    from synapse_assets.analysis.evaluation.network_card import NetworkCard
    from synapse_assets.vision.classifier import SynapseNetwork
    from synapse_assets.vision.devices import Precision
    from synapse_assets.vision.encoder import Encoder
    from synapse_assets.vision.training.supervised import Training

MODEL = "synapse_network"
NETWORK_FILE = "network.safetensors"
# Tiles decoded at a time.
READ_ROWS = 256
# Decoded tiles of at most so many bytes are kept while networks are trained; else each batch is read and decoded.
_KEPT_BYTES = 512 * 2**20
_WATCH_SECONDS = 10.0
# One more whenever the same choice, tiles and splits make another stored network or test.
_METHOD = 1

_STARTS = {
    "scratch": "from random weights",
    "encoder": "from the dataset's own encoder",
    "hub": "from published weights",
    "checkpoint": "from a checkpoint",
}

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Tiles = npt.NDArray[np.uint8]
# Gets what is trained, in words, and numbers of its progress by name.
Watch: TypeAlias = Callable[[str, Mapping[str, float]], None]


@dataclass(frozen=True)
class Labelled:
    """The labelled synapses that have a tile.

    tiles: synapse_id and tile_hash, sorted by id. folds: `schema.SPLITS` of them. table: the tiles as they were when these were read.
    untested: ids of those that train and that no score counts.
    """

    tiles: pa.Table
    folds: pa.Table
    table: RegionTable
    untested: tuple[str, ...] = ()

    @classmethod
    def of(cls, store: DatasetStore) -> "Labelled":
        """Those of a dataset as they are now."""
        version = store.tiles.version
        table = store.tiles.at_version(version) if version else store.tiles
        folds = store.results(SPLITS).read()
        tiles = table.read_ids(sorted(set(folds.column("synapse_id").to_pylist())), ["synapse_id", "tile_hash"])
        folds = folds.filter(pc.is_in(folds.column("synapse_id"), tiles.column("synapse_id").combine_chunks()))
        untested = untested_labels(store) & set(tiles.column("synapse_id").to_pylist())
        return cls(tiles, folds, table, tuple(sorted(untested)))

    def of_splits(self, names: Sequence[str]) -> pa.Table:
        """Its folds under these splits."""
        return self.folds.filter(pc.is_in(self.folds.column("split"), pa.array(names, pa.string())))


def fit_networks(store: DatasetStore, dataset: EmDataset, device: str, log: Logger, watch: Watch) -> Report:
    """Trains every network that the dataset names, tests each on groups held out, and stores them as one model.

    A network that an earlier version of the model has, of the same choice, tiles and splits, is taken from there. A killed run goes on
    where it was. Without labels, or with one class, there is no model and the report says why. Raises BadInput where a network cannot
    start from what it is to start from, or does not fit the tiles.
    """
    labelled = Labelled.of(store)
    headline = dataset.grouping[0]
    tested = sorted({headline, *(split for choice in dataset.networks.values() for split in choice.splits)})
    inputs = {
        "tiles": content_key(labelled.tiles),
        "splits": content_key(labelled.of_splits(tested).drop_columns(["brain_region"])),
        **untested_input(labelled.untested),
    }
    if any(choice.origin == "encoder" for choice in dataset.networks.values()):
        inputs["encoder"] = model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    inputs |= {
        f"checkpoint_{name}": _checkpoint_hash(choice)
        for name, choice in dataset.networks.items()
        if choice.checkpoint is not None
    }
    keys = {
        name: _network_key(dataset, name, choice, labelled, inputs) for name, choice in sorted(dataset.networks.items())
    }
    report = fit_once(
        store,
        MODEL,
        log,
        inputs=inputs,
        parameters={"headline": headline, "folds": FOLDS, **_input_of(dataset), "networks": keys},
        seed=dataset.seed,
        fit=lambda folder: _fit_all(folder, store, dataset, labelled, keys, device, log, watch),
        fits_current_inputs=lambda provenance: takes_tiles_of(provenance, dataset),
    )
    store.clear_work(MODEL)
    return replace(report, checks=[better_than_chance(store, MODEL)])


def takes_tiles_of(provenance: Provenance, dataset: Dataset) -> bool:
    """Whether networks of that provenance take the tiles that the dataset has now."""
    now = _input_of(dataset)
    return {name: provenance.parameters.get(name) for name in now} == now


def train_without(
    store: DatasetStore,
    dataset: EmDataset,
    name: str,
    left_out: Sequence[str],
    seed: int,
    work: Path,
    device: str,
    log: Logger,
) -> "SynapseNetwork":
    """A network of the dataset trained as the one in use, but with another seed and without the synapses `left_out`.

    It costs as much as one fold. work: the folder of its unfinished work, from which a killed training goes on. Raises BadInput where it
    cannot be trained.
    """
    choice = dataset.networks.get(name)
    if choice is None:
        raise BadInput(f"{dataset.name} no longer names the network '{name}': materialise {MODEL} first")
    fit = _Fit.of(store, dataset, Labelled.of(store), device, log, lambda what, numbers: None)
    if choice.background_places:
        fit = fit._with_background(choice.background_places)
    test = _Test(replace(fit, dataset=dataset.model_copy(update={"seed": seed})), name, choice, work, work)
    rows = np.flatnonzero(~np.isin(np.array(fit.ids, dtype=str), np.array(left_out, dtype=str)))
    groups = np.full(len(fit.ids), -1, dtype=np.int64)
    groups[rows] = fit.groups[rows]
    return test.train("again, with another seed", "again", rows, groups)[0]


def classes_of(models: ModelStore, version: str) -> set[str]:
    """The classes that the networks of a version name; none where there are no networks."""
    from synapse_assets.analysis.evaluation.network_card import NetworkCard

    folder = models.path(version)
    if NoModel.found(folder) is not None:
        return set()
    return set(NetworkCard.load(folder / next(iter(models.provenance(version).parameters["networks"]))).classes)


def _input_of(dataset: Dataset) -> dict[str, object]:
    """What a tile of the dataset is. The size of a voxel is a part of it: networks know nanometres."""
    return {"tile": hashed_fields(dataset.tile_spec), "voxel_size_nm": list(_voxel_size_nm(dataset))}


def _voxel_size_nm(dataset: Dataset) -> tuple[float, float, float]:
    return next(iter(dataset.tile_volumes.values())).voxel_size_nm


def _network_key(
    dataset: EmDataset, name: str, choice: NetworkChoice, labelled: Labelled, inputs: Mapping[str, str]
) -> str:
    """What decides one network, whatever other networks there are. The encoder counts only where training starts from it."""
    splits = labelled.of_splits([dataset.grouping[0], *choice.splits]).drop_columns(["brain_region"])
    own = {"tiles": inputs["tiles"], "splits": content_key(splits), **untested_input(labelled.untested)}
    if choice.origin == "encoder":
        own["encoder"] = inputs["encoder"]
    if choice.checkpoint is not None:
        own["checkpoint"] = inputs[f"checkpoint_{name}"]
    choice_fields = hashed_fields(choice, exclude={"checkpoint"})
    return fingerprint(
        {
            "method": _METHOD,
            "choice": choice_fields,
            "headline": dataset.grouping[0],
            "seed": dataset.seed,
            **_input_of(dataset),
        },
        own,
    )


def _checkpoint_hash(choice: NetworkChoice) -> str:
    from synapse_assets.vision.building import checkpoint_hash

    return checkpoint_hash(choice)


# Fitting


def _fit_all(
    folder: Path,
    store: DatasetStore,
    dataset: EmDataset,
    labelled: Labelled,
    keys: Mapping[str, str],
    device: str,
    log: Logger,
    watch: Watch,
) -> Fitted:
    from synapse_assets.analysis.evaluation.network_card import NetworkCard

    models = store.models(MODEL)
    cards: dict[str, NetworkCard] = {}
    details: dict[str, Detail] = {}
    fit: _Fit | None = None
    for name, key in keys.items():
        earlier = _stored_before(models, key)
        if earlier is not None:
            log.info(f"{name}: of the same choice, tiles and splits as in {earlier[0]}, not trained again")
            shutil.copytree(models.path(earlier[0]) / earlier[1], folder / name)
            cards[name] = replace(NetworkCard.load(folder / name), name=name)
            cards[name].save(folder / name)
            continue
        fit = fit or _Fit.of(store, dataset, labelled, device, log, watch)
        missing = fit.network(name, dataset.networks[name], key, folder / name)
        if missing is not None:
            missing.save(folder)
            return Fitted(scores={"labelled_synapses": float(len(fit.ids))}, notes=[f"no networks: {missing.reason}"])
        cards[name] = NetworkCard.load(folder / name)
        details |= fit.details
    return Fitted(
        scores=_model_scores(cards),
        notes=[f"{name}: {warning}" for name, card in cards.items() for warning in card.warnings],
        details=details,
    )


def _stored_before(models: ModelStore, key: str) -> tuple[str, str] | None:
    """The newest version of the model that has a network of that key, and its name there."""
    for version in reversed(models.versions()):
        if NoModel.found(models.path(version)) is None:
            for name, stored in models.provenance(version).parameters["networks"].items():
                if stored == key:
                    return version, name
    return None


def _model_scores(cards: "Mapping[str, NetworkCard]") -> dict[str, float]:
    """Of each network under its name, and of the best one by itself, which is what versions are compared by."""
    best = max(cards.values(), key=lambda card: card.metrics["balanced_accuracy"])
    scores = {
        "labelled_synapses": float(sum(synapses for synapses, _ in best.classes.values())),
        "classes": float(len(best.classes)),
        "balanced_accuracy": best.metrics["balanced_accuracy"],
    }
    return scores | {f"{name}_{what}": value for name, card in cards.items() for what, value in card.metrics.items()}


@dataclass(frozen=True)
class _Trained:
    """A network of one fold; `present` (C,) are the classes that it was trained on. Of one class alone there is no network."""

    split: str
    fold: int
    network: "SynapseNetwork | None"
    present: npt.NDArray[np.bool_]


@dataclass
class _Fit:
    """Training and testing the networks of a dataset on the same labelled synapses.

    ids, codes, groups (N,): synapses sorted by id, their class among `classes`, and their group of the headline or, without one, a
    group of their own. tiles: gives the decoded tiles of rows. details: what the UI shows of the network that was fitted last.
    """

    store: DatasetStore
    dataset: EmDataset
    labelled: Labelled
    device: str
    log: Logger
    watch: Watch
    ids: list[str]
    classes: tuple[str, ...]
    codes: Int64
    groups: Int64
    tiles: Callable[[Int64], Tiles]
    details: dict[str, Detail] = field(default_factory=dict)

    @classmethod
    def of(
        cls, store: DatasetStore, dataset: EmDataset, labelled: Labelled, device: str, log: Logger, watch: Watch
    ) -> "_Fit":
        from synapse_assets.analysis.tables import targets_and_groups

        target_of, group_of = targets_and_groups(labelled.folds, dataset.grouping[0])
        ids = labelled.tiles.column("synapse_id").to_pylist()
        classes, codes = np.unique(np.array([target_of[i] for i in ids], dtype=str), return_inverse=True)
        named = np.array([f"g{group_of[i]}" if i in group_of else f"s{i}" for i in ids], dtype=str)
        groups = np.unique(named, return_inverse=True)[1]
        tiles = _tile_reader(labelled.table, ids, dataset)
        return cls(store, dataset, labelled, device, log, watch, ids, tuple(classes.tolist()), codes, groups, tiles)

    def network(self, name: str, choice: NetworkChoice, key: str, folder: Path) -> NoModel | None:
        """Trains and tests a network, and writes all of it into `folder`; why there is none, where there can be none."""
        fit = self._with_background(choice.background_places) if choice.background_places and self.ids else self
        missing = fit._train_and_test(name, choice, key, folder)
        self.details = fit.details
        return missing

    def _with_background(self, count: int) -> "_Fit":
        """The same with random places as one class more, each a group of its own, dealt to the folds of every split in turn."""
        from synapse_assets.pipeline.em.background import NOT_A_SYNAPSE, draw_background

        if NOT_A_SYNAPSE in self.classes:
            raise BadInput(
                f"synapses of class '{NOT_A_SYNAPSE}' are known: leave out background_places, or give that class another name"
            )
        drawn = draw_background(self.store, self.dataset, count)
        known, tiles = len(self.ids), self.tiles

        def read(rows: Int64) -> Tiles:
            found = np.empty((len(rows), *drawn.tiles.shape[1:]), np.uint8)
            of_synapse = rows < known
            if of_synapse.any():
                found[of_synapse] = tiles(rows[of_synapse])
            found[~of_synapse] = drawn.tiles[rows[~of_synapse] - known]
            return found

        classes = tuple(sorted([*self.classes, NOT_A_SYNAPSE]))
        code_of = np.array([classes.index(label) for label in self.classes], dtype=np.int64)
        dealt = _dealt(self.labelled.folds, drawn.ids, drawn.regions, NOT_A_SYNAPSE)
        return replace(
            self,
            labelled=replace(self.labelled, folds=pa.concat_tables([self.labelled.folds, dealt])),
            ids=[*self.ids, *drawn.ids],
            classes=classes,
            codes=np.concatenate([code_of[self.codes], np.full(count, classes.index(NOT_A_SYNAPSE), np.int64)]),
            groups=np.concatenate([self.groups, self.groups.max() + 1 + np.arange(count)]),
            tiles=read,
        )

    def _train_and_test(self, name: str, choice: NetworkChoice, key: str, folder: Path) -> NoModel | None:
        from synapse_assets.analysis.evaluation.tested_networks import NetworkTest

        test = _Test(self, name, choice, self.store.work_folder(MODEL, name, key), folder)
        evaluation = test.evaluate()
        if isinstance(evaluation, NoModel):
            return evaluation
        network, training = test.train("all labelled synapses", "all", np.arange(len(self.ids)), self.groups)
        network.save(folder / NETWORK_FILE)
        headline = test.headline
        NetworkTest(
            self.classes,
            {
                split: tested.in_classes(evaluation.classes, self.classes)
                for split, tested in evaluation.out_of_sample.items()
            },
            test.every(evaluation),
            {split: seconds + training.seconds for split, seconds in test.seconds.items()},
            np.array(self.ids, dtype=str)[headline.rows],
            np.array(self.classes)[self.codes[headline.rows]],
            headline.groups,
            headline.folds,
        ).save(folder)
        self._card(name, choice, network, training, test, evaluation).save(folder)
        self.details = _details(name, training, evaluation)
        return None

    def _card(
        self,
        name: str,
        choice: NetworkChoice,
        network: "SynapseNetwork",
        training: "Training",
        test: "_Test",
        evaluation: "Evaluation",
    ) -> "NetworkCard":
        from synapse_assets.analysis.evaluation.network_card import NetworkCard, split_scores

        spec = network.spec
        width_nm, depth_nm = spec.crop_px * spec.pixel_nm, spec.sections * spec.section_nm
        remark = f"; {training.remark}" if training.remark else ""
        counts = {
            label: (int((self.codes == code).sum()), len(np.unique(self.groups[self.codes == code])))
            for code, label in enumerate(self.classes)
        }
        return NetworkCard(
            name=name,
            dataset=self.dataset.name,
            title=self.dataset.title,
            about=f"{spec.architecture} {_STARTS[spec.origin]}, sees {width_nm:,.0f} nm x {depth_nm:,.0f} nm ({spec.sections} sections), "
            f"head {spec.head.replace('_', ' ')}, at most {choice.steps:,} steps",
            source=spec.source,
            input_text=f"tiles of {spec.sections} sections of {spec.tile_px} x {spec.tile_px} px, {spec.pixel_nm:g} nm a pixel and "
            f"{spec.section_nm:g} nm a section",
            headline=self.dataset.grouping[0],
            seed=self.dataset.seed,
            classes=counts,
            scores=split_scores(evaluation),
            metrics={**evaluation.metrics(), "steps": float(training.steps), "training_seconds": test.total_seconds},
            training=f"{_stop(training)} The weights of step {training.best_step:,} are used{remark}.",
            early_stopping=training.early_stopping,
            seconds=training.seconds,
            warnings=[*evaluation.warnings, *test.warnings],
            libraries=installed_libraries(),
        )


def _dealt(folds: pa.Table, ids: Sequence[str], regions: Sequence[str], target: str) -> pa.Table:
    """Rows of `schema.SPLITS` for the places `ids`: in every split of `folds`, each a group of its own, in its folds in turn."""
    parts = [SPLITS.empty()]
    for split in sorted(set(folds.column("split").to_pylist())):
        numbers = np.unique(folds.filter(pc.equal(folds.column("split"), split)).column("fold").to_numpy())
        columns = {
            "synapse_id": list(ids),
            "brain_region": list(regions),
            "split": [split] * len(ids),
            "group": list(ids),
            "fold": numbers[np.arange(len(ids)) % len(numbers)],
            "target": [target] * len(ids),
        }
        parts.append(SPLITS.conform(pa.table(columns)))
    return pa.concat_tables(parts)


@dataclass(frozen=True)
class _Headline:
    """The headline split: rows (n,) of the labelled synapses, ascending, their groups and folds."""

    rows: Int64
    groups: npt.NDArray[np.str_]
    folds: Int64


class _Test:
    """One network, trained for every fold of its splits. `seconds`: of training, by split; `warnings`: of trainings that went wrong."""

    def __init__(self, fit: _Fit, name: str, choice: NetworkChoice, work: Path, folder: Path) -> None:
        self.fit, self.name, self.choice, self.work, self.folder = fit, name, choice, work, folder
        self.splits = fit.labelled.of_splits([fit.dataset.grouping[0], *choice.splits])
        self.row_of = {synapse_id: row for row, synapse_id in enumerate(fit.ids)}
        self.headline = self._headline()
        self.place_of = self._places()
        self.seconds: dict[str, float] = {}
        self.total_seconds = 0.0
        self.warnings: list[str] = []
        self.number = 0
        self.without_group = np.setdiff1d(np.arange(len(fit.ids)), self.headline.rows)
        self.probabilities_without_group: Float64 | None = None
        self.encoder = _encoder(fit.store) if choice.origin == "encoder" else None

    def _headline(self) -> _Headline:
        rows, groups, folds = self._part(self.fit.dataset.grouping[0])
        return _Headline(rows, groups, folds)

    def _part(self, split: str) -> tuple[Int64, npt.NDArray[np.str_], Int64]:
        table = self.splits.filter(pc.equal(self.splits.column("split"), split))
        rows = np.array([self.row_of[i] for i in table.column("synapse_id").to_pylist()], dtype=np.int64)
        order = np.argsort(rows)
        groups = np.array(table.column("group").to_pylist(), dtype=str)
        return rows[order], groups[order], table.column("fold").to_numpy()[order].astype(np.int64)

    def _places(self) -> dict[bytes, tuple[str, int]]:
        """Split and fold by the rows that a fold is trained on; where those of two splits are the same, of the headline."""
        places: dict[bytes, tuple[str, int]] = {}
        names = sorted(set(self.splits.column("split").to_pylist()), key=lambda n: n == self.fit.dataset.grouping[0])
        for split in names:
            rows, _, folds = self._part(split)
            places |= {rows[folds != fold].tobytes(): (split, int(fold)) for fold in np.unique(folds)}
        return places

    def evaluate(self) -> "Evaluation | NoModel":
        """Its scores under every split."""
        from synapse_assets.analysis.evaluation.evaluation import evaluate_splits

        fit = self.fit
        if len(fit.classes) < 2:
            return NoModel(
                f"all labelled synapses are '{fit.classes[0]}'" if fit.classes else "no labelled synapses with a tile"
            )
        return evaluate_splits(
            fit.ids,
            self.splits,
            fit.dataset.grouping[0],
            fit.dataset.seed,
            classifier=self.name,
            inputs="tiles",
            fit=self._fit_fold,
            predict=self._predict_fold,
            untested=fit.labelled.untested,
        )

    def train(self, what: str, part: str, rows: Int64, groups: Int64) -> "tuple[SynapseNetwork, Training]":
        """A network of at least two classes; `groups` (N,) are of all labelled synapses, `part` names it among the unfinished work."""
        from synapse_assets.vision.training.supervised import LabelledTiles, train_network

        fit = self.fit
        self.number += 1
        total = len(self.place_of) + 1
        described = f"{self.name}, training {self.number} of {total} ({what})"
        fit.log.info(f"{described}: {len(rows):,} synapses")
        trained = train_network(
            self.choice,
            fit.classes,
            fit.dataset.tile,
            _voxel_size_nm(fit.dataset),
            LabelledTiles(fit.tiles, fit.codes, groups),
            rows,
            seed=fit.dataset.seed,
            device=fit.device,
            folder=self.work / part,
            progress=training_reporter(described, self.choice.steps, fit.log, fit.watch),
            encoder=self.encoder,
            log=fit.log.info,
        )
        if isinstance(trained, NoModel):
            raise BadInput(f"{described}: {trained.reason}")
        training = trained[1]
        self.total_seconds += training.seconds
        if training.bad_rows:
            tiles = ", ".join(fit.ids[row] for row in training.bad_rows[:10])
            self.warnings.append(
                f"{what}: the loss was not a number after {training.steps:,} steps, at synapses {tiles}"
            )
        return trained

    def _fit_fold(self, rows: Int64, targets: Sequence[str], groups: Sequence[str]) -> _Trained:
        split, fold = self.place_of[rows.tobytes()]
        present = np.isin(np.arange(len(self.fit.classes)), self.fit.codes[rows])
        if present.sum() < 2:
            return _Trained(split, fold, None, present)
        of_all = np.full(len(self.fit.ids), -1, dtype=np.int64)
        of_all[rows] = np.unique(np.array(groups, dtype=str), return_inverse=True)[1]
        network, training = self.train(f"{split}, fold {fold + 1}", f"{split}_{fold}", rows, of_all)
        self.seconds[split] = self.seconds.get(split, 0.0) + training.seconds
        return _Trained(split, fold, network, present)

    def _predict_fold(self, trained: _Trained, rows: Int64, classes: Sequence[str]) -> Float64:
        from synapse_assets.analysis.evaluation.tested_networks import save_features

        if trained.split == self.fit.dataset.grouping[0]:
            features, probabilities = self._answers(trained, self.headline.rows)
            save_features(self.folder, trained.fold, features)
            probabilities = probabilities[np.searchsorted(self.headline.rows, rows)]
            if self.probabilities_without_group is None:
                self.probabilities_without_group = self._answers(trained, self.without_group)[1]
        else:
            probabilities = self._answers(trained, rows)[1]
        return probabilities[:, [self.fit.classes.index(name) for name in classes]]

    def _answers(self, trained: _Trained, rows: Int64) -> tuple[npt.NDArray[np.float16], Float64]:
        """Features (n, D) and probabilities (n, C) of rows; a class that the network was not trained on has probability 0."""
        if trained.network is None:
            probabilities = np.tile(trained.present.astype(np.float64), (len(rows), 1))
            return np.zeros((len(rows), 1), dtype=np.float16), probabilities
        features = np.zeros((len(rows), trained.network.dimensions), dtype=np.float16)
        probabilities = np.zeros((len(rows), len(trained.present)))
        for start in range(0, len(rows), READ_ROWS):
            part = slice(start, start + READ_ROWS)
            features[part], logits = trained.network.answers(self.fit.tiles(rows[part]), self.fit.device)
            probabilities[part] = softmax(
                np.where(trained.present, logits, -np.inf), "; ".join([self.name, *self.warnings])
            )
        return features, probabilities

    def every(self, evaluation: "Evaluation") -> "OutOfSample":
        """Of every labelled synapse a prediction by a network that was trained without it and its group.

        Without a group under the headline split it is in no fold's training: the network of the first fold predicts it.
        """
        from synapse_assets.analysis.evaluation.evaluation import OutOfSample

        tested = evaluation.out_of_sample[self.fit.dataset.grouping[0]]
        headline = tested.in_classes(evaluation.classes, self.fit.classes)
        if self.probabilities_without_group is None or not len(self.without_group):
            return headline
        ids = np.array(self.fit.ids, dtype=str)[self.without_group]
        return OutOfSample.of(
            np.concatenate([headline.synapse_ids, ids]),
            np.concatenate([headline.probabilities, self.probabilities_without_group]),
        )


def _stop(training: "Training") -> str:
    if training.stopped == "steps":
        return f"All {training.steps:,} steps were made."
    if training.stopped == "early":
        return f"It was stopped after {training.steps:,} steps, as the score on the groups that were set aside no longer rose."
    return f"It ended early: {training.stopped}."


def softmax(logits: npt.NDArray[np.floating], name: str) -> Float64:
    """Probabilities (N, C) of the logits (N, C) of a network, in double precision. Raises BadInput, with its name, for logits that are
    no numbers."""
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: Float64 = odds / odds.sum(axis=1, keepdims=True)
    if not np.isfinite(probabilities).all():
        raise BadInput(f"{name}: its outputs are no finite numbers: train it again with a lower learning_rate")
    return probabilities


def _encoder(store: DatasetStore) -> "Encoder":
    from synapse_assets.vision.encoder import Encoder

    models = store.models("encoder")
    return Encoder.load(models.path(model_in_use(models, "materialise the asset 'encoder' first")))


def _tile_reader(table: RegionTable, ids: Sequence[str], dataset: EmDataset) -> Callable[[Int64], Tiles]:
    """Gives the decoded tiles of rows of `ids`, in their order. A few are decoded once, many as they are asked for."""
    from synapse_assets.volumes import decode_tiles

    numbers = table.numbers_of(pa.array(ids, pa.string()))

    def read(rows: Int64) -> Tiles:
        wanted, place = np.unique(numbers[rows], return_inverse=True)
        return decode_tiles(table.take(wanted.tolist(), ["image"]).column("image"))[place]

    size = dataset.tile.sections * dataset.tile.size_px**2
    if len(ids) * size > _KEPT_BYTES or not ids:
        return read
    kept = np.concatenate(
        [read(np.arange(start, min(start + READ_ROWS, len(ids)))) for start in range(0, len(ids), READ_ROWS)]
    )
    return lambda rows: kept[rows]


def training_reporter(what: str, steps: int, log: Logger, watch: Watch) -> Callable[[dict[str, float]], None]:
    """Gets every row of a training's history; tells of one at most every ten seconds, and of the last."""
    last = time.monotonic()

    def report(row: dict[str, float]) -> None:
        nonlocal last
        report_progress(f"{what}: steps", int(row["step"]), steps)
        if time.monotonic() - last < _WATCH_SECONDS and row["step"] < steps:
            return
        last = time.monotonic()
        validation = f", validation {row['validation']:.3f}" if "validation" in row else ""
        log.info(
            f"{what}: step {row['step']:.0f} of {steps}, loss {row['loss']:.3f}{validation}, {row['remaining_s']:.0f} s to go"
        )
        watch(what, {name: row[name] for name in ("step", "loss", "validation", "rate", "remaining_s") if name in row})

    return report


def _details(name: str, training: "Training", evaluation: "Evaluation") -> dict[str, Detail]:
    from synapse_assets.figures.scores import confusion_figure, score_figure, training_curve

    confusion = confusion_figure(evaluation.splits[evaluation.headline_split].confusion, evaluation.classes)
    return {
        f"{name}_training": Picture(training_curve(training.history), f"{name}: training on all labelled synapses"),
        f"{name}_scores": Picture(score_figure(evaluation), f"{name}: score by split"),
        f"{name}_confusion": Picture(confusion, f"{name}: confusion"),
    }


# Applying


def predict_networks(store: DatasetStore, dataset: EmDataset, region: str, device: str, log: Logger) -> Report:
    """Names the class of the synapses of a region with every network in use, in one pass over the tiles.

    Predictions are staged, so the next call continues one that was killed. Raises BadInput if no networks are trained, or they take
    other tiles than the dataset has now.
    """
    watch = Stopwatch()
    models = store.models(MODEL)
    version = model_in_use(models, f"materialise the asset '{MODEL}' first")
    provenance, folder = models.provenance(version), models.path(version)
    results = store.results(NETWORK_PREDICTIONS)
    missing = NoModel.found(folder)
    if missing is not None:
        results.write_partition(region, NETWORK_PREDICTIONS.empty())
        return Report({"networks": missing.reason}, watch.seconds, rows=0, content_version=version, checks=[_sums([])])
    if not takes_tiles_of(provenance, dataset):
        raise BadInput(
            f"{MODEL} {version} was trained on tiles of another size, depth or voxel than {dataset.name} has now: materialise {MODEL} "
            "again"
        )
    tiles = store.tiles.read(region, ["synapse_id", "tile_hash"])
    staging = store.staging("network_predictions", region, content_key(tiles, version))
    staged = staging.done_ids()
    to_predict = [i for i in tiles.column("synapse_id").to_pylist() if i not in staged]
    names = list(provenance.parameters["networks"])
    networks = _load_networks(folder, names) if to_predict else {}
    first_use, remark = None, ""
    if to_predict:
        first_use, remark = precision_here(
            models, version, True, device, lambda: bool(staged) or _have_predicted(results, version)
        )
    if remark:
        log.warning(
            f"{region}: predictions are computed in {first_use}; earlier ones of these networks were not, or in a precision that was not "
            "recorded, so they may differ by rounding"
        )
    precision = first_use.precision if first_use else None
    progress = progress_logger(log.info, f"{region}: network predictions", len(to_predict))
    done = 0
    for rows in answers(store.tiles, region, to_predict, networks, device, precision):
        staging.append(rows)
        done += rows.num_rows
        progress(done)
    table = _prediction_rows(staging.reader(), region, folder, names, version)
    results.write_partition(region, table)
    staging.clear()
    return Report(
        details={
            "networks": ", ".join(names),
            "version": version,
            "resumed_rows": len(staged),
            "precision": str(first_use or "nothing computed"),
            "out_of_fold_rows": sum(table.column("out_of_fold").to_pylist()),
            "predicted_classes": Json({name: _named(table, name) for name in names}),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=len(to_predict) * len(names),
        content_version=f"{version}-{content_key(tiles)}",
        checks=[_sums(results.read(region).column("probabilities").to_pylist())],
    )


def _load_networks(folder: Path, names: Sequence[str]) -> "dict[str, SynapseNetwork]":
    from synapse_assets.vision.classifier import SynapseNetwork

    return {name: SynapseNetwork.load(folder / name / NETWORK_FILE) for name in names}


def _have_predicted(results: ParquetTable, version: str) -> bool:
    """Whether any region has predictions of those networks."""
    return any(version in pc.unique(batch.column(0)).to_pylist() for batch in results.reader([MODEL]))


def answers(
    tiles: RegionTable,
    region: str,
    ids: Sequence[str],
    networks: "Mapping[str, SynapseNetwork]",
    device: str,
    precision: "Precision | None" = None,
) -> Iterator[pa.Table]:
    """The probabilities of the synapses `ids` of a region by each network, some hundred synapses at a time; by default in the precision
    that the device has.

    Columns: synapse_id, and for each network its name: lists of float64, an entry for each of its classes.
    """
    from synapse_assets.volumes import decode_tiles

    for batch in tiles.batches_of(region, ids, ["synapse_id", "image"], READ_ROWS):
        pictures = decode_tiles(batch.column("image"))
        columns = {"synapse_id": batch.column("synapse_id")}
        for name, network in networks.items():
            probabilities = softmax(network.logits(pictures, device, precision), name)
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), probabilities.shape[1])
        yield pa.table(columns)


def probabilities_of(rows: pa.Table, name: str) -> Float64:
    """What `answers` gives of one network as an array (N, C)."""
    column = rows.column(name).combine_chunks()
    values: Float64 = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
    return values


def _prediction_rows(
    reader: pa.RecordBatchReader | None, region: str, folder: Path, names: Sequence[str], version: str
) -> pa.Table:
    """`schema.NETWORK_PREDICTIONS`, by synapse and network, of what `answers` gave."""
    from synapse_assets.analysis.evaluation.predictions import named_rows, with_out_of_sample
    from synapse_assets.analysis.evaluation.tested_networks import NetworkTest

    if reader is None:
        return NETWORK_PREDICTIONS.empty()
    rows = reader.read_all()
    ids = rows.column("synapse_id").to_pylist()
    regions, versions = (pa.array([text] * len(ids), pa.string()) for text in (region, version))
    parts = []
    for name in names:
        test = NetworkTest.load(folder / name)
        probabilities, out_of_fold = with_out_of_sample(ids, probabilities_of(rows, name), test.every)
        table = named_rows(ids, regions, test.classes, probabilities)
        table = table.append_column("network", pa.array([name] * len(ids), pa.string()))
        table = table.append_column("out_of_fold", pa.array(out_of_fold))
        parts.append(NETWORK_PREDICTIONS.conform(table.append_column(MODEL, versions)))
    order = [("synapse_id", "ascending"), ("network", "ascending")]
    joined = pa.concat_tables(parts)
    return joined.take(pc.sort_indices(joined.select(["synapse_id", "network"]), sort_keys=order))


def _named(table: pa.Table, network: str) -> dict[str, int]:
    predicted = table.filter(pc.equal(table.column("network"), network)).column("predicted")
    return {entry["values"]: entry["counts"] for entry in predicted.value_counts().to_pylist()}


def _sums(probabilities: Sequence[Sequence[tuple[str, float]]]) -> Check:
    wrong = sum(abs(sum(value for _, value in pairs) - 1) > 1e-6 for pairs in probabilities)
    return Check(
        "probabilities_add_up",
        wrong == 0,
        f"{wrong:,} of {len(probabilities):,} rows do not",
        numbers={"wrong": wrong},
    )
