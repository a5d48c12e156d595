"""Training a network to name the class of a window of a picture: what it starts from, which windows a step takes, and when it stops.

What does not belong here: the loop itself (`loop`), what it shares with other trainings (`labelled`), splits and tests (the pictures given
here are those that may be looked at), files of pictures, and thresholds.
"""

import hashlib
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import timm
import torch
from sklearn.metrics import recall_score
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.staining import StainNetworkChoice
from synapse_assets.errors import BadInput
from synapse_assets.vision.inference import BatchRunner
from synapse_assets.vision.networks.stain import SMALL_STAIN, build_body, fold_weights, halo_px, published_normalisation
from synapse_assets.vision.staining import (
    StainNetwork,
    StainSpec,
    WindowNetwork,
    check_picture,
    cut_windows,
    is_stain_network_file,
    read_stain_network,
)
from synapse_assets.vision.training.augmentation import spread
from synapse_assets.vision.training.labelled import ClassBalancedRows, Labels, Rows, Training, settings_of
from synapse_assets.vision.training.loop import Batch, Inputs, Row, Task
from synapse_assets.vision.training.loop import train as train_on
from synapse_assets.vision.weights import load_weights, read_weights

Picture = npt.NDArray[Any]

_METHOD = 1  # one more whenever the same choice and pictures train another network
_KEPT_BYTES = 2**30  # of decoded pictures
_NORMALISED_ON = 32  # pictures
# Validation windows stay in memory: no more of them than this, in number and in bytes, and so many of a picture.
_MOST_VALIDATED, _MOST_VALIDATED_BYTES, _OF_A_PICTURE = 256, 256 * 2**20, 16
_VALIDATION_BATCH = 8
_PLACES, _VALIDATION = range(1, 3)  # streams of random numbers
# Brightness of a window: values times up to e to the power of +- _GAIN, rising or falling across it by up to e to that of _RAMP.
_GAIN, _RAMP = 0.4, 0.5
_OFFSET = 0.1  # plus or minus this times the deviation of its channel


def train_stain_network(
    choice: StainNetworkChoice,
    classes: Sequence[str],
    window_px: int,
    pixel_nm: float,
    white_level: int,
    pictures: Callable[[int], Picture],
    codes: Rows,
    groups: Rows,
    train: Rows,
    *,
    seed: int,
    device: str,
    folder: Path,
    progress: Callable[[Row], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
    allowed: Callable[[int], Rows] | None = None,
) -> tuple[StainNetwork, Training] | NoModel:
    """The network of `choice` trained on the pictures `train`, of which about a fifth of the groups decide when it stops; no other picture
    is looked at. A run that was killed goes on from the checkpoint in `folder` (see `loop.train`).

    pictures: gives one of N pictures by its number from 0, uint8 or uint16 (channels, H, W), all of one scale and as many channels; called
        from other threads. Decoded pictures are kept, up to 1 GiB.
    codes: int64 (N,), the class of each picture, by its place among `classes`. groups: int64 (N,), what is independent of each other.
    window_px, pixel_nm, white_level: see `StainSpec`; training sees windows at the scale, and with the halo, that they are used at.
    allowed: the windows of a picture that may be seen at all, as corners y and x in pixels, int64 (n, 2) with n at least 1; every window
        if not given. It serves splits of windows, which are compared with honest ones.

    Each step takes as many windows of each class, give or take one; within a class every picture is equally likely, and in it every place
    (or every allowed window). Windows are turned by quarters and mirrored, their brightness and contrast change a little; nothing is ever
    rescaled. Where a class has fewer than 5 groups none is set aside: all steps are made. NoModel where the pictures have fewer than two
    classes. Raises BadInput for rows, codes or pictures that do not fit, an architecture of which no dense map can be made, and weights to
    start from that are of another architecture or input.
    """
    labels = Labels(codes, groups, classes)
    labels.check(train)
    if (none := labels.why_none(train, "pictures")) is not None:
        return none
    fitted, validation, remark = labels.set_aside(np.sort(train), seed)
    kept = KeptPictures(pictures, window_px)
    network = _untrained(choice, classes, window_px, pixel_nm, white_level, kept, fitted, seed)
    learnt_from = f"trained on {len(fitted):,} pictures of {len(np.unique(groups[fitted])):,} groups, seed {seed}"
    network.spec = replace(network.spec, source=f"{network.spec.source}; {learnt_from}")
    # Pictures count by the normalisation, which is taken from them.
    places = _hash_of(allowed, np.concatenate([fitted, validation])) if allowed is not None else ""
    started_as = [_METHOD, hashed_fields(choice), asdict(network.spec), places]
    windows = Windows(kept, network.spec, allowed)
    draw = ClassBalancedRows(codes, fitted, choice.batch_size, seed)

    def read(step: int) -> Batch:
        rows = draw(step)
        rng = np.random.default_rng([seed, step, _PLACES])
        views = np.stack([windows.view(int(row), rng) for row in rows])
        return Batch((torch.from_numpy(views), torch.from_numpy(codes[rows])), rows)

    outcome = train_on(
        network,
        Task(
            read,
            _loss,
            prepare=lambda inputs, generator: (_other_light(network, inputs[0], generator), inputs[1]),
            validate=_validation(windows, labels, validation, seed, device) if len(validation) else None,
            frozen=[network.body],
        ),
        settings_of(choice.steps, choice.learning_rate, seed, choice.frozen_steps, choice.later_learning_rate),
        folder=folder,
        fingerprint=labels.fingerprint(started_as, network, fitted, validation),
        device=device,
        progress=progress,
        log=log,
    )
    return StainNetwork(network.spec, network), Training.of(outcome, validation, remark, "pictures")


class KeptPictures:
    """Pictures by their number, the last ones that were asked for in memory, up to a bound. Serves several threads."""

    def __init__(self, pictures: Callable[[int], Picture], window_px: int, most_bytes: int = _KEPT_BYTES) -> None:
        self._pictures, self._window_px, self._most_bytes = pictures, window_px, most_bytes
        self._kept: OrderedDict[int, Picture] = OrderedDict()
        self._channels: int | None = None
        self._lock = Lock()

    def __call__(self, row: int) -> Picture:
        """Raises BadInput, naming the row, for a picture that does not fit a window or the others."""
        with self._lock:
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
        picture = self._pictures(row)
        channels = picture.shape[0] if self._channels is None else self._channels
        check_picture(picture, channels, self._window_px, f"picture {row}")
        with self._lock:
            self._channels = channels
            self._kept[row] = picture
            while sum(kept.nbytes for kept in self._kept.values()) > self._most_bytes:
                self._kept.popitem(last=False)
        return picture


class Windows:
    """Random windows of pictures, with their halo."""

    def __init__(self, pictures: KeptPictures, spec: StainSpec, allowed: Callable[[int], Rows] | None) -> None:
        self.spec, self._pictures, self._allowed = spec, pictures, allowed

    def drawn(self, row: int, count: int, rng: np.random.Generator) -> Picture:
        """So many of a picture, (n, channels, seen_px, seen_px); fewer than `count` where no more are allowed."""
        picture = self._pictures(row)
        last = np.array(picture.shape[1:]) - self.spec.window_px
        if self._allowed is None:
            return cut_windows(picture, rng.integers(0, last + 1, (count, 2)), self.spec)
        corners = np.asarray(self._allowed(row))
        if (
            corners.ndim != 2
            or corners.shape[1:] != (2,)
            or not len(corners)
            or ((corners < 0) | (corners > last)).any()
        ):
            raise BadInput(
                f"network: the allowed windows of picture {row} must be corners (n, 2), at least one, from 0 to {last.tolist()}"
            )
        return cut_windows(picture, rng.permutation(corners)[:count], self.spec)

    def view(self, row: int, rng: np.random.Generator) -> Picture:
        """One of a picture, (channels, seen_px, seen_px), by some number of quarter turns and perhaps mirrored."""
        turned: Picture = np.rot90(self.drawn(row, 1, rng)[0], int(rng.integers(4)), (1, 2))
        return turned[:, :, ::-1] if rng.integers(2) else turned


def _other_light(network: WindowNetwork, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Windows as they were read, scaled, as if the lamp were brighter or fell on the plate from another side, and the ground lighter.

    Light falls unevenly on a plate, and the same way on wells that are treated alike: a network should not learn it.
    """
    count, side = len(pixels), pixels.shape[-1]
    across = torch.linspace(-1, 1, side, device=pixels.device)
    slope_x, slope_y = (spread(generator, count, 1, 1, 1) * _RAMP / 2 for _ in range(2))
    light = spread(generator, count, 1, 1, 1) * _GAIN + slope_x * across + slope_y * across[:, None]
    offset = spread(generator, count, 1, 1, 1) * _OFFSET * cast(Tensor, network.std)
    return network.scaled(pixels) * light.exp() + offset


def _loss(network: nn.Module, inputs: Inputs) -> Tensor:
    scaled, codes = inputs
    return functional.cross_entropy(cast(WindowNetwork, network).of_scaled(scaled), codes)


def _validation(windows: Windows, labels: Labels, rows: Rows, seed: int, device: str) -> Callable[[nn.Module], float]:
    """Balanced accuracy over windows of these pictures, up to sixteen of each, or of as many pictures of each class as fit into memory."""
    codes = labels.codes[rows]
    rng = np.random.default_rng([seed, 0, _VALIDATION])
    first = windows.drawn(int(rows[0]), 1, rng)
    most = max(1, min(_MOST_VALIDATED, _MOST_VALIDATED_BYTES // first.nbytes) // len(np.unique(codes)))
    shuffled = rng.permutation(rows)
    chosen = [shuffled[labels.codes[shuffled] == code][:most] for code in np.unique(codes)]
    pixels: list[Picture] = []
    truth: list[int] = []
    for of_class in chosen:
        each = max(1, min(_OF_A_PICTURE, most // len(of_class)))
        for row in np.sort(of_class):
            drawn = windows.drawn(int(row), each, rng)
            pixels.append(drawn)
            truth += [int(labels.codes[row])] * len(drawn)
    held = np.concatenate(pixels)

    def validate(network: nn.Module) -> float:
        answers = BatchRunner(network, device, "float32", _VALIDATION_BATCH).run(held)
        return float(recall_score(truth, answers.argmax(1), average="macro", labels=np.unique(truth)))

    return validate


def _untrained(
    choice: StainNetworkChoice,
    classes: Sequence[str],
    window_px: int,
    pixel_nm: float,
    white_level: int,
    pictures: KeptPictures,
    rows: Rows,
    seed: int,
) -> WindowNetwork:
    """The network as it starts; its head, and from scratch all of it, is a function of the seed."""
    mean, std = _normalisation(pictures, rows, white_level, seed)
    spec = StainSpec(
        architecture=choice.architecture,
        classes=tuple(classes),
        channels=len(mean),
        window_px=window_px,
        halo_px=0,
        pixel_nm=pixel_nm,
        white_level=white_level,
        mean=mean,
        std=std,
        head=choice.head,
        origin=choice.origin,
        source="random weights",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec, body = _started(choice, spec)
        return WindowNetwork(replace(spec, halo_px=halo_px(body, spec.channels, spec.architecture)), body)


def _normalisation(
    pictures: KeptPictures, rows: Rows, white_level: int, seed: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, of values scaled as the network scales them, over some of the pictures."""
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:_NORMALISED_ON])
    sums = [
        (scaled.mean((1, 2)), (scaled**2).mean((1, 2)))
        for scaled in (np.minimum(pictures(int(row)) / white_level, 1.0) for row in chosen)
    ]
    mean, square = (np.mean(values, axis=0) for values in zip(*sums, strict=True))
    deviation = np.sqrt(np.maximum(square - mean**2, (1 / white_level) ** 2))
    return tuple(mean.tolist()), tuple(deviation.tolist())


def _started(choice: StainNetworkChoice, spec: StainSpec) -> tuple[StainSpec, nn.Module]:
    """The body with random weights or those of the choice's origin, and the specification with the normalisation that belongs to them."""
    if choice.origin == "scratch":
        return spec, build_body(spec.architecture, spec.channels)
    if choice.origin == "hub":
        try:
            body = build_body(spec.architecture, spec.channels, pretrained=True)
        except (OSError, RuntimeError) as error:
            raise BadInput(
                f"network: timm has no published weights for '{spec.architecture}', or they cannot be fetched here: {error}"
            ) from error
        return _as_published(spec, body, f"timm {timm.__version__} {spec.architecture}"), body
    path = Path(os.path.expanduser(str(choice.checkpoint)))
    if is_stain_network_file(path):
        return _from_network(spec, path)
    body = build_body(spec.architecture, spec.channels)
    load_weights(body, fold_weights(body, read_weights(path)), spec.architecture, path)
    return _as_published(spec, body, path.name), body


def _as_published(spec: StainSpec, body: nn.Module, source: str) -> StainSpec:
    if spec.architecture == SMALL_STAIN:
        return replace(spec, source=source)
    mean, std = (published_normalisation(body, name, spec.channels) for name in ("mean", "std"))
    return replace(spec, mean=mean, std=std, source=source)


def _from_network(spec: StainSpec, path: Path) -> tuple[StainSpec, nn.Module]:
    """All of a network that was trained before but its head."""
    stored, weights = read_stain_network(path)
    for name in ("architecture", "channels", "pixel_nm"):
        theirs, ours = getattr(stored, name), getattr(spec, name)
        if theirs != ours and not (isinstance(ours, float) and math.isclose(theirs, ours, rel_tol=0.01)):
            raise BadInput(
                f"{path} was trained on another input: {name} is {theirs}, here {ours}; choose another checkpoint, or pictures like its own"
            )
    body = build_body(spec.architecture, spec.channels)
    of_body = {name.removeprefix("body."): w for name, w in weights.items() if name.startswith("body.")}
    load_weights(body, of_body, spec.architecture, path)
    return replace(spec, mean=stored.mean, std=stored.std, source=path.name), body


def _hash_of(allowed: Callable[[int], Rows], rows: Rows) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(np.ascontiguousarray(allowed(int(row)), np.int64).tobytes() + b"|")
    return digest.hexdigest()
