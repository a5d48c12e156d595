"""Classifiers of other datasets on the synapses of this one.

What of a tile is another voxel size belongs to `volumes.resampling`, what is scored to `analysis.evaluation.transfer`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.encoder_vectors import embedder, vectors_from_tiles
from synapse_assets.pipeline.report import Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema import SPLITS, TRANSFER
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use, require_same
from synapse_assets.stores.rows import labelled_synapses

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.predictions import Classifier
    from synapse_assets.analysis.evaluation.transfer import TransferScore
    from synapse_assets.vision.encoder_spec import EncoderSpec

# Labelled synapses that every other classifier is tried on: minutes on two cores.
SYNAPSES = 5_000
_SAME_PIXEL = 1e-3  # as a share: the geometric mean of two sizes is rounded


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
class Other:
    """The encoder and the classifier that are in use in another dataset, and the voxel size that they were fitted at."""

    name: str
    store: DatasetStore
    voxel_size_nm: tuple[float, float, float]
    encoder: str
    version: str
    classifier: "Classifier | NoModel"
    spec: "EncoderSpec"


def try_others(
    store: DatasetStore, dataset: EmDataset, stores: Mapping[str, DatasetStore], device: str, log: Logger
) -> Report:
    """Tries the classifiers of other datasets on a sample of the labelled synapses; `stores` are theirs, by name.

    Raises BadInput where another dataset has no encoder or classifier, was fitted at another voxel size than the dataset file says, or
    sees more than the tiles show.
    """
    from synapse_assets.analysis.tables import labelled_sample

    watch = Stopwatch()
    grouping = dataset.grouping[0]
    others = [_other(name, stores[name], source.voxel_size_nm) for name, source in dataset.transfer_from.items()]
    rows = labelled_synapses(store, sorted({"target", grouping}))
    tried = Tried(*labelled_sample(rows, store.tiles.read(None, ["synapse_id"]), grouping, SYNAPSES, dataset.seed))
    found: list[dict[str, Any]] = []
    for other in others:
        found += _try(store, dataset, tried, other, device)
        log.info(found[-1]["sentence"])
    table = TRANSFER.conform(pa.Table.from_pylist(found, schema=TRANSFER.arrow))
    store.results(TRANSFER).write(table)
    return Report(
        details={
            "tried_synapses": len(tried.ids),
            "result": Markdown("\n".join(f"- {row['sentence']}" for row in found if row["class_name"] is None)),
            "scores": Markdown(_markdown(found)),
            **{
                f"balanced_accuracy_{row['from_dataset']}": row["value"]
                for row in found
                if row["class_name"] is None and row["value"] is not None
            },
        },
        seconds=watch.seconds,
        rows=table.num_rows,
    )


def _other(name: str, store: DatasetStore, voxel_size_nm: tuple[float, float, float]) -> Other:
    from synapse_assets.analysis.evaluation.predictions import Classifier
    from synapse_assets.vision.encoder_spec import read_spec

    encoders, classifiers = store.models("encoder"), store.models("synapse_classifier")
    encoder = model_in_use(encoders, f"materialise {name}/encoder, in the same data root, first")
    version = model_in_use(classifiers, f"materialise {name}/synapse_classifier, in the same data root, first")
    require_same(classifiers, version, "encoder", encoder)
    spec = read_spec(encoders.path(encoder))
    pixel_nm = math.sqrt(voxel_size_nm[0] * voxel_size_nm[1])
    if spec.pixel_nm and abs(spec.pixel_nm / pixel_nm - 1) > _SAME_PIXEL:
        raise BadInput(
            f"transfer_from {name}: its encoder was fitted at {spec.pixel_nm:g} nm a pixel, not at {pixel_nm:g} nm: write the "
            f"voxel_size_nm of the volumes of {name}"
        )
    classifier = load_or_no_model(classifiers.path(version), Classifier.load)
    return Other(name, store, voxel_size_nm, encoder, version, classifier, spec)


def _try(store: DatasetStore, dataset: EmDataset, tried: Tried, other: Other, device: str) -> list[dict[str, Any]]:
    """The rows of one other dataset."""
    from synapse_assets.analysis.evaluation.transfer import Probabilities, score_transfer, shared_classes

    there = () if isinstance(other.classifier, NoModel) else other.classifier.probe.classes
    here = tuple(sorted(set(tried.targets)))
    shared = shared_classes(there, here)
    resampled = _resampling(dataset, other)
    facts = {
        "from_dataset": other.name,
        "from_encoder": other.encoder,
        "from_classifier": other.version,
        "shared_classes": list(shared),
        "resampled": resampled,
    }
    if len(shared) < 2 or isinstance(other.classifier, NoModel):
        if isinstance(other.classifier, NoModel):
            why = other.classifier.reason
        else:
            why = f"it names {_list(there)}, here are known {_list(here)}: at least two classes must be shared, by name"
        return [
            {
                **facts,
                "class_name": None,
                "value": None,
                "synapses": 0,
                "groups": 0,
                "sentence": f"{other.name}: nothing could be tried, because {why}",
            }
        ]
    chosen = tried.of(shared)
    moved = Probabilities(there, other.classifier.probe.predict(_vectors(store, dataset, chosen.ids, other, device))[1])
    scores = score_transfer(shared, chosen.targets, chosen.groups, moved, _own(store, chosen.ids), dataset.seed)
    home = _at_home(other, shared)
    left_out = [name for name in here if name not in shared]
    return [_row(facts, score, home.get(score.class_name), dataset.grouping[0], left_out) for score in scores]


def _vectors(
    store: DatasetStore, dataset: EmDataset, ids: Sequence[str], other: Other, device: str
) -> npt.NDArray[np.float32]:
    """What the other encoder makes of the tiles of `ids`, brought to the voxel size that it knows."""
    from synapse_assets.volumes.resampling import resample_tiles

    embed = embedder(other.store, other.encoder, device)
    own_nm = _voxel_size_nm(dataset)

    def resampled(tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return embed(resample_tiles(tiles, own_nm, other.voxel_size_nm, other.spec.tile_shape))

    return vectors_from_tiles(store, ids, {other.name: resampled})[other.name]


def _own(store: DatasetStore, ids: Sequence[str]) -> Any:
    """What the own classifier says of those synapses, out of fold; None without a classifier."""
    from synapse_assets.analysis.evaluation.predictions import Classifier

    models = store.models("synapse_classifier")
    if models.current is None:
        return None
    classifier = load_or_no_model(models.path(models.current), Classifier.load)
    return None if isinstance(classifier, NoModel) else _out_of_fold(classifier, ids)


def _out_of_fold(classifier: "Classifier", ids: Sequence[str]) -> Any:
    from synapse_assets.analysis.evaluation.transfer import Probabilities

    row_of = {synapse: row for row, synapse in enumerate(classifier.synapse_ids.tolist())}
    values = np.full((len(ids), classifier.probabilities.shape[1]), np.nan)
    rows = [(i, row_of[synapse]) for i, synapse in enumerate(ids) if synapse in row_of]
    if rows:
        at, stored = np.array(rows).T
        values[at] = classifier.probabilities[stored]
    return Probabilities(classifier.probe.classes, values)


def _at_home(other: Other, shared: Sequence[str]) -> dict[str | None, float]:
    """The scores of the other classifier in its own dataset, out of fold over the shared classes: of each class, and under None of all."""
    from synapse_assets.analysis.evaluation.transfer import score_transfer
    from synapse_assets.analysis.tables import targets_and_groups

    if isinstance(other.classifier, NoModel):
        return {}
    target_of, _ = targets_and_groups(other.store.results(SPLITS).read(), "random")
    ids = [synapse for synapse in other.classifier.synapse_ids.tolist() if target_of.get(synapse) in shared]
    if not ids:
        return {}
    said = _out_of_fold(other.classifier, ids)
    scores = score_transfer(shared, [target_of[synapse] for synapse in ids], ["" for _ in ids], said, None, 0)
    return {score.class_name: score.value for score in scores}


def _row(
    facts: Mapping[str, Any], score: "TransferScore", home: float | None, grouping: str, left_out: Sequence[str]
) -> dict[str, Any]:
    low, high = score.interval or (None, None)
    drop_low, drop_high = score.drop_interval or (None, None)
    what = "balanced accuracy" if score.class_name is None else f"recall of {score.class_name}"
    sentence = f"{facts['from_dataset']}: {what} {score.value:.2f}{_interval(score.interval)}"
    if score.drop is not None:
        sentence += f", the own classifier has {score.own:.2f} out of fold: {score.drop:+.2f}{_interval(score.drop_interval)} are lost"
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


def _resampling(dataset: EmDataset, other: Other) -> str | None:
    own_nm = _voxel_size_nm(dataset)
    if tuple(own_nm) == tuple(other.voxel_size_nm):
        return None
    sizes = [" x ".join(f"{size:g}" for size in sizes_nm) for sizes_nm in (own_nm, other.voxel_size_nm)]
    return f"voxels of {sizes[0]} nm to {sizes[1]} nm"


def _voxel_size_nm(dataset: EmDataset) -> tuple[float, float, float]:
    """All volumes of a dataset have the same."""
    return next(iter(dataset.volumes.values())).voxel_size_nm


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    def digits(value: float | None) -> str | None:
        return None if value is None else f"{value:.3f}"

    lines = [
        [row["from_dataset"], row["class_name"] or "all", *(digits(row[name]) for name in ("value", "low", "high")),
         *(digits(row[name]) for name in ("own", "drop", "home")), f"{row['synapses']:,}", row["groups"]]
        for row in rows
        if row.get("value") is not None
    ]  # fmt: skip
    return markdown_table(["from", "class", "value", "low", "high", "own", "drop", "home", "synapses", "groups"], lines)


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
