"""Classifiers of other datasets on the synapses of this one.

What of a tile is another voxel size belongs to `volumes.resampling`, what is scored to `analysis.evaluation.transfer`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.classifier_comparison import network_cards_in_use
from synapse_assets.pipeline.em.encoder_vectors import embedder, vectors_from_tiles
from synapse_assets.pipeline.em.labelling.decisions import tested_labels, without_untested
from synapse_assets.pipeline.em.networks import MODEL, NETWORK_FILE, softmax
from synapse_assets.pipeline.report import Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema import SPLITS, TRANSFER
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use, require_same
from synapse_assets.stores.rows import labelled_synapses

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.transfer import Probabilities, TransferScore
    from synapse_assets.vision.classifier import SynapseNetwork

# Labelled synapses that every other classifier is tried on: minutes on two cores.
SYNAPSES = 5_000
PROBE = "linear probe"
_SAME_SIZE = 1e-3  # as a share: the geometric mean of two sizes is rounded


@dataclass(frozen=True)
class Tried:
    """The synapses that are tried: ids, known classes, groups, in the same order."""

    ids: list[str]
    targets: list[str]
    groups: list[str]

    def of(self, classes: Sequence[str]) -> "Tried":
        """Those of these classes."""
        rows = [i for i, name in enumerate(self.targets) if name in classes]
        return Tried(*([values[i] for i in rows] for values in (self.ids, self.targets, self.groups)))


@dataclass(frozen=True)
class Judge:
    """The linear probe of another dataset, or one of its networks, in use there.

    answer: probabilities (n, C) of its classes, from tiles (n, *tile_shape) of voxels of `voxel_size_nm`. home: ids of its own labelled
    synapses, and out-of-fold probabilities (M, C) of them.
    """

    dataset: str
    name: str
    encoder: str
    version: str
    voxel_size_nm: tuple[float, float, float]
    tile_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    answer: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.floating]]
    home: "Probabilities"
    home_ids: list[str]


def try_others(
    store: DatasetStore, dataset: EmDataset, stores: Mapping[str, DatasetStore], device: str, log: Logger
) -> Report:
    """Tries the linear probes and networks of other datasets on a sample of the labelled synapses; `stores` are theirs, by name.

    Raises BadInput where another dataset has no encoder or classifier, was fitted at another voxel size than the dataset file says, or
    sees more than the tiles show.
    """
    from synapse_assets.analysis.tables import labelled_sample

    watch = Stopwatch()
    grouping = dataset.grouping[0]
    judges = {
        name: _judges(name, stores[name], source.voxel_size_nm, device)
        for name, source in dataset.transfer_from.items()
    }
    rows = tested_labels(store, labelled_synapses(store, sorted({"target", grouping})))
    tried = Tried(*labelled_sample(rows, store.tiles.read(None, ["synapse_id"]), grouping, SYNAPSES, dataset.seed))
    found: list[dict[str, Any]] = []
    for of_dataset in judges.values():
        for judge in of_dataset:
            found += [judge] if isinstance(judge, dict) else _try(store, dataset, tried, stores[judge.dataset], judge)
            log.info(found[-1]["sentence"])
    table = TRANSFER.conform(pa.Table.from_pylist(found, schema=TRANSFER.arrow))
    store.results(TRANSFER).write(table)
    totals = [row for row in found if row["class_name"] is None]
    return Report(
        details={
            "tried_synapses": len(tried.ids),
            "result": Markdown("\n".join(f"- {row['sentence']}" for row in totals)),
            "scores": Markdown(_markdown(found)),
            **{
                f"balanced_accuracy_{row['from_dataset']}_{row['model'].replace(' ', '_')}": row["value"]
                for row in totals
                if row["value"] is not None
            },
        },
        seconds=watch.seconds,
        rows=table.num_rows,
    )


def _judges(
    name: str, store: DatasetStore, voxel_size_nm: tuple[float, float, float], device: str
) -> list[Judge | dict[str, Any]]:
    """The probe and every network in use in another dataset; a row of the table in the place of a probe that there is not."""
    from synapse_assets.analysis.evaluation.predictions import Classifier
    from synapse_assets.analysis.evaluation.transfer import Probabilities
    from synapse_assets.vision.encoder_spec import read_spec

    encoders, classifiers = store.models("encoder"), store.models("synapse_classifier")
    encoder = model_in_use(encoders, f"materialise {name}/encoder, in the same data root, first")
    version = model_in_use(classifiers, f"materialise {name}/synapse_classifier, in the same data root, first")
    require_same(classifiers, version, "encoder", encoder)
    spec = read_spec(encoders.path(encoder))
    _require_size(name, "encoder", "pixel", spec.pixel_nm, math.sqrt(voxel_size_nm[0] * voxel_size_nm[1]))
    classifier = load_or_no_model(classifiers.path(version), Classifier.load)
    if isinstance(classifier, NoModel):
        facts = {"from_dataset": name, "model": PROBE, "from_encoder": encoder, "from_classifier": version}
        return [_nothing(facts, classifier.reason), *_networks(name, store, voxel_size_nm, encoder, device)]
    embed, probe = embedder(store, encoder, device), classifier.probe
    judge = Judge(
        name,
        PROBE,
        encoder,
        version,
        voxel_size_nm,
        spec.tile_shape,
        probe.classes,
        lambda tiles: probe.predict(embed(tiles))[1],
        Probabilities(probe.classes, classifier.probabilities),
        classifier.synapse_ids.tolist(),
    )
    return [judge, *_networks(name, store, voxel_size_nm, encoder, device)]


def _networks(
    name: str, store: DatasetStore, voxel_size_nm: tuple[float, float, float], encoder: str, device: str
) -> Iterator[Judge]:
    from synapse_assets.analysis.evaluation.tested_networks import NetworkTest
    from synapse_assets.analysis.evaluation.transfer import Probabilities
    from synapse_assets.vision.classifier import SynapseNetwork

    if store.models(MODEL).current is None:
        return
    for network_name, version, folder, _ in network_cards_in_use(store):
        network, test = SynapseNetwork.load(folder / NETWORK_FILE), NetworkTest.load(folder)
        pixel_nm = math.sqrt(voxel_size_nm[0] * voxel_size_nm[1])
        _require_size(name, f"network {network_name}", "pixel", network.spec.pixel_nm, pixel_nm)
        _require_size(name, f"network {network_name}", "section", network.spec.section_nm, voxel_size_nm[2])
        yield Judge(
            name,
            network_name,
            encoder,
            version,
            voxel_size_nm,
            network.spec.tile_shape,
            network.spec.classes,
            partial(_named, network, f"{name}, network {network_name}", device),
            Probabilities(test.classes, test.every.probabilities),
            test.every.synapse_ids.tolist(),
        )


def _named(network: "SynapseNetwork", what: str, device: str, tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return softmax(network.logits(tiles, device), what)


def _require_size(name: str, what: str, of_what: str, fitted_nm: float, said_nm: float) -> None:
    """Raises BadInput where a model was fitted at another size than the dataset file says; 0 is not known."""
    if fitted_nm and abs(fitted_nm / said_nm - 1) > _SAME_SIZE:
        raise BadInput(
            f"transfer_from {name}: its {what} was fitted at {fitted_nm:g} nm a {of_what}, not at {said_nm:g} nm: write the "
            f"voxel_size_nm of the volumes of {name}"
        )


def _try(
    store: DatasetStore, dataset: EmDataset, tried: Tried, other: DatasetStore, judge: Judge
) -> list[dict[str, Any]]:
    """The rows of one probe or network of another dataset, whose store `other` is."""
    from synapse_assets.analysis.evaluation.transfer import Probabilities, score_transfer, shared_classes

    here = tuple(sorted(set(tried.targets)))
    shared = shared_classes(judge.classes, here)
    facts = {
        "from_dataset": judge.dataset,
        "model": judge.name,
        "from_encoder": judge.encoder,
        "from_classifier": judge.version,
        "shared_classes": list(shared),
        "resampled": _resampling(dataset, judge),
    }
    if len(shared) < 2:
        classes = f"it names {_list(judge.classes)}, here are known {_list(here)}"
        return [_nothing(facts, f"{classes}: at least two classes must be shared, by name")]
    chosen = tried.of(shared)
    moved = Probabilities(judge.classes, _answers(store, dataset, chosen.ids, judge))
    scores = score_transfer(shared, chosen.targets, chosen.groups, moved, _own(store, chosen.ids), dataset.seed)
    home = _at_home(other, judge, shared)
    left_out = [name for name in here if name not in shared]
    return [_row(facts, score, home.get(score.class_name), dataset.grouping[0], left_out) for score in scores]


def _nothing(facts: Mapping[str, Any], why: str) -> dict[str, Any]:
    """The row of a judge that could not be tried."""
    sentence = f"{facts['from_dataset']}, {facts['model']}: nothing could be tried, because {why}"
    return {
        "shared_classes": [],
        "resampled": None,
        **facts,
        "class_name": None,
        "value": None,
        "synapses": 0,
        "groups": 0,
        "sentence": sentence,
    }


def _answers(store: DatasetStore, dataset: EmDataset, ids: Sequence[str], judge: Judge) -> npt.NDArray[np.float64]:
    """What a judge says (M, C) of the tiles of `ids`, brought to the voxel size that it knows."""
    from synapse_assets.volumes.resampling import resample_tiles

    own_nm = _voxel_size_nm(dataset)

    def of_resampled(tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return judge.answer(resample_tiles(tiles, own_nm, judge.voxel_size_nm, judge.tile_shape)).astype(np.float32)

    return vectors_from_tiles(store, ids, {judge.name: of_resampled})[judge.name].astype(np.float64)


def _own(store: DatasetStore, ids: Sequence[str]) -> "Probabilities | None":
    """What the own classifier says of those synapses, out of fold; None without a classifier."""
    from synapse_assets.analysis.evaluation.predictions import Classifier
    from synapse_assets.analysis.evaluation.transfer import Probabilities

    models = store.models("synapse_classifier")
    if models.current is None:
        return None
    classifier = load_or_no_model(models.path(models.current), Classifier.load)
    if isinstance(classifier, NoModel):
        return None
    said = Probabilities(classifier.probe.classes, classifier.probabilities)
    return _of(said, classifier.synapse_ids.tolist(), ids)


def _of(said: "Probabilities", known: Sequence[str], ids: Sequence[str]) -> "Probabilities":
    """What was said of the synapses `known`, in the order of `ids`; NaN of those that are not among them."""
    from synapse_assets.analysis.evaluation.transfer import Probabilities

    row_of = {synapse: row for row, synapse in enumerate(known)}
    values = np.full((len(ids), said.values.shape[1]), np.nan)
    rows = [(i, row_of[synapse]) for i, synapse in enumerate(ids) if synapse in row_of]
    if rows:
        at, stored = np.array(rows).T
        values[at] = said.values[stored]
    return Probabilities(said.classes, values)


def _at_home(other: DatasetStore, judge: Judge, shared: Sequence[str]) -> dict[str | None, float]:
    """The scores of a judge in its own dataset, out of fold over the shared classes: of each class, and under None of all."""
    from synapse_assets.analysis.evaluation.transfer import score_transfer
    from synapse_assets.analysis.tables import targets_and_groups

    target_of, _ = targets_and_groups(without_untested(other, other.results(SPLITS).read()), "random")
    ids = [synapse for synapse in judge.home_ids if target_of.get(synapse) in shared]
    if not ids or not set(shared) <= set(judge.home.classes):
        return {}
    said = _of(judge.home, judge.home_ids, ids)
    scores = score_transfer(shared, [target_of[synapse] for synapse in ids], ["" for _ in ids], said, None, 0)
    return {score.class_name: score.value for score in scores}


def _row(
    facts: Mapping[str, Any], score: "TransferScore", home: float | None, grouping: str, left_out: Sequence[str]
) -> dict[str, Any]:
    low, high = score.interval or (None, None)
    drop_low, drop_high = score.drop_interval or (None, None)
    what = "balanced accuracy" if score.class_name is None else f"recall of {score.class_name}"
    sentence = f"{facts['from_dataset']}, {facts['model']}: {what} {score.value:.2f}{_interval(score.interval)}"
    if score.drop is not None:
        sentence += f", the own linear probe has {score.own:.2f} out of fold: {score.drop:+.2f}{_interval(score.drop_interval)} are lost"
    if home is not None:
        sentence += f"; at home it has {home:.2f}"
    sentence += f"; {score.synapses:,} synapses of {score.groups:,} groups ({grouping})"
    if score.class_name is None and left_out:
        sentence += f", without {_list(left_out)}, which it does not know"
    return {
        **facts,
        "class_name": score.class_name,
        "value": score.value,
        "low": low,
        "high": high,
        "own": score.own,
        "drop": score.drop,
        "drop_low": drop_low,
        "drop_high": drop_high,
        "home": home,
        "synapses": score.synapses,
        "groups": score.groups,
        "sentence": sentence,
    }


def _resampling(dataset: EmDataset, judge: Judge) -> str | None:
    own_nm = _voxel_size_nm(dataset)
    if tuple(own_nm) == tuple(judge.voxel_size_nm):
        return None
    sizes = [" x ".join(f"{size:g}" for size in sizes_nm) for sizes_nm in (own_nm, judge.voxel_size_nm)]
    return f"voxels of {sizes[0]} nm to {sizes[1]} nm"


def _voxel_size_nm(dataset: EmDataset) -> tuple[float, float, float]:
    """All volumes of a dataset have the same."""
    return next(iter(dataset.volumes.values())).voxel_size_nm


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    def digits(value: float | None) -> str | None:
        return None if value is None else f"{value:.3f}"

    lines = [
        [row["from_dataset"], row["model"], row["class_name"] or "all", *(digits(row[name]) for name in ("value", "low", "high")),
         *(digits(row[name]) for name in ("own", "drop", "home")), f"{row['synapses']:,}", row["groups"]]
        for row in rows
        if row.get("value") is not None
    ]  # fmt: skip
    return markdown_table(
        ["from", "model", "class", "value", "low", "high", "own", "drop", "home", "synapses", "groups"], lines
    )


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
