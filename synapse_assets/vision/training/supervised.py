"""Training a network to name the class of a synapse: what it starts from, which tiles a step takes, and when it stops.

What does not belong here: the loop itself (`loop`), what augmentation may change, folds and tests (the rows given here are those that may
be looked at), and calibration.
"""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import recall_score
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import NetworkChoice, TileSpec
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.vision.classifier import (
    ClassifyingNetwork,
    NetworkSpec,
    SynapseNetwork,
    build_features,
    is_network_file,
    read_network,
)
from synapse_assets.vision.encoder import Encoder, encoder_from_checkpoint, encoder_from_hub
from synapse_assets.vision.inference import BatchRunner
from synapse_assets.vision.training.loop import Batch, Inputs, Row, Settings, Task
from synapse_assets.vision.training.loop import train as train_on
from synapse_assets.vision.training.section_augmentation import augment_sections
from synapse_assets.vision.weights import load_weights, read_weights

Rows = npt.NDArray[np.int64]
Tiles = npt.NDArray[np.uint8]

_METHOD = 1  # one more whenever the same choice and data train another network
_FEWEST_GROUPS = 5  # of a class, for some of them to be set aside for early stopping
_VALIDATIONS = 20  # in a training
_PATIENCE = 6  # validations without a better score
# Validation tiles stay in memory, decoded: no more of them than this, in number and in bytes.
_MOST_VALIDATED, _MOST_VALIDATED_BYTES = 2048, 256 * 2**20
_NORMALISED_ON = 256  # tiles


@dataclass(frozen=True)
class LabelledTiles:
    """All tiles of a dataset that have a class. They are numbered from 0 to N - 1.

    tiles: gives those of some rows, uint8 (n, sections, H, W), in the rows' order; called from other threads, beside a GPU from
        several at once.
    codes: int64 (N,), the class of each, by its place among the class names. groups: int64 (N,), what is independent of each other.
    """

    tiles: Callable[[Rows], Tiles]
    codes: Rows
    groups: Rows


@dataclass(frozen=True)
class Training:
    """How a training went.

    history: see `loop.Outcome`; `validation` is balanced accuracy. best_step: whose weights were kept. score: of that step, None without
        early stopping.
    stopped: "steps", "early", or "not a number at step k, tiles ..."; those tiles are `bad_rows`.
    early_stopping: whether groups were set aside for it, and `validation` the rows of them; if not, `remark` says why.
    """

    history: list[Row]
    steps: int
    best_step: int
    score: float | None
    stopped: str
    seconds: float
    early_stopping: bool
    remark: str
    validation: Rows
    bad_rows: list[int]


def train_network(
    choice: NetworkChoice,
    classes: Sequence[str],
    tile: TileSpec,
    voxel_size_nm: tuple[float, float, float],
    data: LabelledTiles,
    train: Rows,
    *,
    seed: int,
    device: str,
    folder: Path,
    progress: Callable[[Row], None] | None = None,
    encoder: Encoder | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[SynapseNetwork, Training] | NoModel:
    """The network of `choice` trained on `train` of `data`, of which about a fifth of the groups decide when it stops; no other row is
    looked at. A run that was killed goes on from the checkpoint in `folder` (see `loop.train`).

    voxel_size_nm: x, y, z. encoder: the dataset's own, for origin "encoder". Each step takes as many tiles of each class, give or take one,
    and within a class every row is equally likely. Where a class has fewer than 5 groups none is set aside: all steps are made.
    NoModel where the rows have fewer than two classes. Raises BadInput for rows, codes or tiles that do not fit, a crop larger than the
    tile, an unknown architecture, and weights to start from that are of another architecture or input.
    """
    _check(data, train, len(classes))
    present = np.unique(data.codes[train])
    if len(present) < 2:
        named = f"only '{classes[present[0]]}'" if len(present) else "none"
        return NoModel(
            f"a network needs synapses of at least two classes to tell apart; of those to train on there is {named}"
        )
    train = np.sort(train)
    fitted, validation, remark = _set_aside(data, train, classes, seed)
    network = _untrained(choice, classes, tile, voxel_size_nm, data, fitted, seed, encoder)
    groups = len(np.unique(data.groups[fitted]))
    learnt_from = f"trained on {len(fitted):,} tiles of {groups:,} groups, seed {seed}"
    network.spec = replace(network.spec, source=f"{network.spec.source}; {learnt_from}")
    fingerprint = _fingerprint(choice, network, data, fitted, validation)
    draw = ClassBalancedRows(data.codes, fitted, choice.batch_size, seed)

    def read(step: int) -> Batch:
        rows = draw(step)
        return Batch((torch.from_numpy(data.tiles(rows)), torch.from_numpy(data.codes[rows])), rows)

    task = Task(
        read,
        _loss,
        prepare=lambda inputs, generator: (augment_sections(inputs[0], network.spec.crop_px, generator), inputs[1]),
        validate=_validation(data, validation, seed, device) if len(validation) else None,
        frozen=[network.backbone],
    )
    outcome = train_on(
        network,
        task,
        _settings(choice, seed),
        folder=folder,
        fingerprint=fingerprint,
        device=device,
        progress=progress,
        log=log,
    )
    training = Training(
        history=outcome.history,
        steps=outcome.steps,
        best_step=outcome.best_step,
        score=outcome.best_score,
        stopped=outcome.stopped if outcome.stopped != "not_a_number" else outcome.reason.replace(", rows ", ", tiles "),
        seconds=outcome.seconds,
        early_stopping=bool(len(validation)),
        remark=remark,
        validation=validation,
        bad_rows=outcome.rows,
    )
    return SynapseNetwork(network.spec, network), training


class ClassBalancedRows:
    """Rows of a step, int64 (batch_size,), drawn from `rows`: as many of each class as of the others, give or take one, and within a class
    each equally likely. A function of seed and step."""

    def __init__(self, codes: Rows, rows: Rows, batch_size: int, seed: int) -> None:
        of_rows = codes[rows]
        self._classes = [rows[of_rows == code] for code in np.unique(of_rows)]
        self._batch_size, self._seed = batch_size, seed

    def __call__(self, step: int) -> Rows:
        """Those of a step, counted from 0."""
        rng = np.random.default_rng([self._seed, step])
        # Where the classes do not divide the batch, other ones get the rest at each step.
        order = rng.permutation(len(self._classes))
        members = (self._classes[order[place % len(order)]] for place in range(self._batch_size))
        return np.array([rows[rng.integers(len(rows))] for rows in members], np.int64)


def _check(data: LabelledTiles, rows: Rows, classes: int) -> None:
    count = len(data.codes)
    if len(data.groups) != count:
        raise BadInput(f"network: {count} codes came with {len(data.groups)} groups; give one of each for every tile")
    if len(np.unique(rows)) != len(rows) or (len(rows) and not 0 <= rows.min() <= rows.max() < count):
        raise BadInput(f"network: rows to train on must be different numbers from 0 to {count - 1}")
    wrong = rows[(data.codes[rows] < 0) | (data.codes[rows] >= classes)]
    if len(wrong):
        raise BadInput(
            f"network: row {wrong[0]} has class {data.codes[wrong[0]]}, but there are {classes} class names; leave out what has no class"
        )


def _set_aside(data: LabelledTiles, rows: Rows, classes: Sequence[str], seed: int) -> tuple[Rows, Rows, str]:
    """Rows to fit on, rows of whole other groups to validate on, and why there are none where that cannot be."""
    codes, groups = data.codes[rows], data.groups[rows]
    present = np.unique(codes)
    nothing = np.empty(0, np.int64)
    for code in present:
        count = len(np.unique(groups[codes == code]))
        if count < _FEWEST_GROUPS:
            return (
                rows,
                nothing,
                f"'{classes[code]}' has only {count} groups, fewer than {_FEWEST_GROUPS}: no early stopping",
            )
    folds = StratifiedGroupKFold(_FEWEST_GROUPS, shuffle=True, random_state=seed % 2**32)
    for fitted, held in folds.split(codes, codes, groups):
        if all(len(np.unique(codes[part])) == len(present) for part in (fitted, held)):
            return rows[fitted], rows[held], ""
    return rows, nothing, "no fifth of the groups has every class: no early stopping"


def _validation(data: LabelledTiles, rows: Rows, seed: int, device: str) -> Callable[[nn.Module], float]:
    """Balanced accuracy of a network on these rows, or on as many of each class as fit into memory."""
    codes = data.codes[rows]
    first = data.tiles(rows[:1])
    most = max(1, min(_MOST_VALIDATED, _MOST_VALIDATED_BYTES // first.nbytes) // len(np.unique(codes)))
    shuffled = np.random.default_rng(seed).permutation(rows)
    chosen = np.sort(np.concatenate([shuffled[data.codes[shuffled] == code][:most] for code in np.unique(codes)]))
    tiles, truth = data.tiles(chosen), data.codes[chosen]

    def validate(network: nn.Module) -> float:
        answers = BatchRunner(network, device).run(tiles)[:, cast(ClassifyingNetwork, network).dimensions :]
        return float(recall_score(truth, answers.argmax(1), average="macro", labels=np.unique(truth)))

    return validate


def _loss(network: nn.Module, inputs: Inputs) -> Tensor:
    views, codes = inputs
    classifying = cast(ClassifyingNetwork, network)
    return functional.cross_entropy(classifying.logits_of(classifying.features_of(views)), codes)


def _settings(choice: NetworkChoice, seed: int) -> Settings:
    return Settings(
        steps=choice.steps,
        learning_rate=choice.learning_rate,
        seed=seed,
        frozen_steps=choice.frozen_steps,
        validate_every=max(1, choice.steps // _VALIDATIONS),
        patience=_PATIENCE,
    )


def _untrained(
    choice: NetworkChoice,
    classes: Sequence[str],
    tile: TileSpec,
    voxel_size_nm: tuple[float, float, float],
    data: LabelledTiles,
    rows: Rows,
    seed: int,
    encoder: Encoder | None,
) -> ClassifyingNetwork:
    """The network as it starts; its head, and from scratch all of it, is a function of the seed."""
    pixel_nm = math.sqrt(voxel_size_nm[0] * voxel_size_nm[1])
    crop_px = round(choice.crop_nm / pixel_nm) if choice.crop_nm else tile.size_px
    sample = data.tiles(np.sort(np.random.default_rng(seed).permutation(rows)[:_NORMALISED_ON]))
    expected = (tile.sections, tile.size_px, tile.size_px)
    if sample.dtype != np.uint8 or sample.shape[1:] != expected:
        raise BadInput(
            f"network: tiles must be uint8 (N, {expected}), as the dataset says, not {sample.dtype} {sample.shape}"
        )
    spec = NetworkSpec(
        architecture=choice.architecture,
        classes=tuple(classes),
        sections=tile.sections,
        tile_px=tile.size_px,
        crop_px=crop_px,
        pixel_nm=pixel_nm,
        section_nm=float(voxel_size_nm[2]),
        # One for all sections, whose order augmentation may reverse.
        mean=(float(sample.mean()) / 255,) * tile.sections,
        std=(max(float(sample.std()), 1.0) / 255,) * tile.sections,
        head=choice.head,
        origin=choice.origin,
        source="random weights",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _started(choice, spec, encoder)


def _started(choice: NetworkChoice, spec: NetworkSpec, encoder: Encoder | None) -> ClassifyingNetwork:
    """Random weights or those of the choice's origin, with the normalisation that belongs to them."""
    if choice.origin == "scratch":
        return ClassifyingNetwork(spec, build_features(spec))
    if choice.origin == "encoder":
        return _from_encoder(spec, encoder)
    path = Path(os.path.expanduser(str(choice.checkpoint)))
    if choice.origin == "checkpoint" and is_network_file(path):
        return _from_network(spec, path)
    if spec.sees_volume:
        backbone = build_features(spec)
        load_weights(backbone, read_weights(path), spec.architecture, path)
        return ClassifyingNetwork(replace(spec, source=path.name), backbone)
    shape = (spec.sections, spec.tile_px, spec.crop_px)
    if choice.origin == "hub":
        published = encoder_from_hub(spec.architecture, *shape)
    else:
        published = encoder_from_checkpoint(spec.architecture, path, *shape)
    spec = replace(spec, mean=published.spec.mean, std=published.spec.std, source=published.spec.source)
    return ClassifyingNetwork(spec, cast(nn.Module, published.network.backbone))


def _from_encoder(spec: NetworkSpec, encoder: Encoder | None) -> ClassifyingNetwork:
    if encoder is None or encoder.network.backbone is None:
        raise BadInput(
            "network: its origin is 'encoder', but the encoder in use has no network; choose another origin, or train an encoder "
            "(encoder: origin: self_supervised) and promote it"
        )
    known = encoder.spec
    if (known.architecture, known.channels) != (spec.architecture, spec.sections):
        raise BadInput(
            f"network: its origin is 'encoder', but the encoder in use is {known.architecture} that sees {known.channels} sections at "
            f"once, not {spec.architecture} that sees {spec.sections}; name that architecture or choose another origin"
        )
    backbone = build_features(spec)
    backbone.load_state_dict(encoder.network.backbone.state_dict())
    return ClassifyingNetwork(replace(spec, mean=known.mean, std=known.std, source=known.source), backbone)


def _from_network(spec: NetworkSpec, path: Path) -> ClassifyingNetwork:
    """All of a network that was trained before but its head."""
    stored, weights = read_network(path)
    for name in ("architecture", "sections", "crop_px", "pixel_nm", "section_nm"):
        theirs, ours = getattr(stored, name), getattr(spec, name)
        if theirs != ours and not (isinstance(ours, float) and math.isclose(theirs, ours, rel_tol=0.01)):
            raise BadInput(
                f"{path} was trained on another input: {name} is {theirs}, here {ours}; choose another checkpoint, or tiles and a crop "
                "like its own"
            )
    backbone = build_features(spec)
    of_backbone = {n.removeprefix("backbone."): w for n, w in weights.items() if n.startswith("backbone.")}
    load_weights(backbone, of_backbone, spec.architecture, path)
    return ClassifyingNetwork(replace(spec, mean=stored.mean, std=stored.std, source=path.name), backbone)


def _fingerprint(choice: NetworkChoice, network: ClassifyingNetwork, data: LabelledTiles, *parts: Rows) -> str:
    """Of all that decides the training but the loop's own settings; the tiles count by the normalisation, which is taken from them."""
    digest = hashlib.sha256(repr([_METHOD, hashed_fields(choice), asdict(network.spec)]).encode())
    for rows in parts:
        for values in (rows, data.codes[rows], data.groups[rows]):
            digest.update(np.ascontiguousarray(values, np.int64).tobytes() + b"|")
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
