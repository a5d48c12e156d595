"""Training a network to name the class of a synapse: what it starts from, which tiles a step takes, and when it stops.

What does not belong here: the loop itself (`loop`), what augmentation may change, folds and tests (the rows given here are those that may
be looked at), and calibration.
"""

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
from synapse_assets.vision.training.labelled import ClassBalancedRows, Labels, Rows, Training, settings_of
from synapse_assets.vision.training.loop import Batch, Inputs, Row, Task
from synapse_assets.vision.training.loop import train as train_on
from synapse_assets.vision.training.section_augmentation import augment_sections
from synapse_assets.vision.weights import load_weights, read_weights

Tiles = npt.NDArray[np.uint8]

_METHOD = 1  # one more whenever the same choice and data train another network
# Validation tiles stay in memory, decoded: no more of them than this, in number and in bytes.
_MOST_VALIDATED, _MOST_VALIDATED_BYTES = 2048, 256 * 2**20
_NORMALISED_ON = 256  # tiles


@dataclass(frozen=True)
class LabelledTiles:
    """All tiles of a dataset that have a class. They are numbered from 0 to N - 1.

    tiles: gives those of some rows, which ascend, uint8 (n, sections, H, W), in the rows' order; called from other threads, beside a
        GPU from several at once.
    codes: int64 (N,), the class of each, by its place among the class names. groups: int64 (N,), what is independent of each other.
    """

    tiles: Callable[[Rows], Tiles]
    codes: Rows
    groups: Rows


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
    labels = Labels(data.codes, data.groups, classes)
    labels.check(train)
    if (none := labels.why_none(train, "synapses")) is not None:
        return none
    fitted, validation, remark = labels.set_aside(np.sort(train), seed)
    network = _untrained(choice, classes, tile, voxel_size_nm, data, fitted, seed, encoder)
    groups = len(np.unique(data.groups[fitted]))
    learnt_from = f"trained on {len(fitted):,} tiles of {groups:,} groups, seed {seed}"
    network.spec = replace(network.spec, source=f"{network.spec.source}; {learnt_from}")
    # The tiles count by the normalisation, which is taken from them.
    started_as = [_METHOD, hashed_fields(choice), asdict(network.spec)]
    fingerprint = labels.fingerprint(started_as, network, fitted, validation)
    draw = ClassBalancedRows(data.codes, fitted, choice.batch_size, seed)

    def read(step: int) -> Batch:
        rows = draw(step)
        each, place = np.unique(rows, return_inverse=True)  # few rows of a rare class are drawn often
        return Batch((torch.from_numpy(data.tiles(each)[place]), torch.from_numpy(data.codes[rows])), rows)

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
        settings_of(choice.steps, choice.learning_rate, seed, choice.frozen_steps),
        folder=folder,
        fingerprint=fingerprint,
        device=device,
        progress=progress,
        log=log,
    )
    return SynapseNetwork(network.spec, network), Training.of(outcome, validation, remark, "tiles")


def _validation(data: LabelledTiles, rows: Rows, seed: int, device: str) -> Callable[[nn.Module], float]:
    """Balanced accuracy of a network on these rows, or on as many of each class as fit into memory."""
    codes = data.codes[rows]
    first = data.tiles(rows[:1])
    most = max(1, min(_MOST_VALIDATED, _MOST_VALIDATED_BYTES // first.nbytes) // len(np.unique(codes)))
    shuffled = np.random.default_rng(seed).permutation(rows)
    chosen = np.sort(np.concatenate([shuffled[data.codes[shuffled] == code][:most] for code in np.unique(codes)]))
    tiles, truth = data.tiles(chosen), data.codes[chosen]

    def validate(network: nn.Module) -> float:
        classifying = cast(ClassifyingNetwork, network)
        answers = SynapseNetwork(classifying.spec, classifying).logits(tiles, device)
        return float(recall_score(truth, answers.argmax(1), average="macro", labels=np.unique(truth)))

    return validate


def _loss(network: nn.Module, inputs: Inputs) -> Tensor:
    views, codes = inputs
    classifying = cast(ClassifyingNetwork, network)
    return functional.cross_entropy(classifying.logits_of(classifying.features_of(views)), codes)


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
