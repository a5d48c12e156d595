"""Training a network to find structures in a volume: which windows a step takes, how they are changed, and the loss.

A view may differ in what differs between serial sections and between places: orientation, scale, bends, jumps from section to section, one
that is lost, light and focus. What does not belong here: the loop itself (`loop`), splits and tests (what is given may be looked at), files
of volumes and masks, thresholds and what is made of maps.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets.detection import DetectorChoice
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.vision.detection import (
    Corner,
    DetectorNetwork,
    DetectorSpec,
    Flags,
    Grey,
    build,
    read_pixels,
    reflected,
)
from synapse_assets.vision.networks.volume_unet import VolumeUnet, reach
from synapse_assets.vision.training.augmentation import other_picture, spread, uniform
from synapse_assets.vision.training.labelled import Training
from synapse_assets.vision.training.loop import Batch, Inputs, Row, Settings, Task
from synapse_assets.vision.training.loop import train as train_on

_METHOD = 1  # one more whenever the same choice and volumes train another network
_SLAB_SECTIONS = 16  # of a volume that are made network pixels at once
_WHOLE = 0.01  # how far the quotient of pixel and voxel may be from a whole number
_OBJECT_SHARE = 0.5  # windows drawn around an object; the others lie anywhere
_OFF_CENTRE = 0.25  # how far from a window's centre the object's voxel lies at most, of its side
_SHARP_SHARE = 0.25  # views of which no grey value is interpolated: quarter turns, neither scaled nor bent
_SCALE = 1.2  # highest change of size, up and down
_BEND_PITCH_PX, _BEND = (
    32,
    0.12,
)  # points so far apart are displaced at random, along an axis by up to so much of that distance
_SLIP_SHARE, _SLIP_PX = (
    0.15,
    3.0,
)  # sections beside the middle one that lie askew on it, and by how much at most along an axis
_MISSING_SHARE = 0.05  # of sections other than the middle one
_GAMMA = 0.25  # exponent of grey values of 0 to 1: up to e to the power of +- this
_MOST_POSITIVE_WEIGHT = 10.0

Truth = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TrainingVolume:
    """A volume, or a part of one, with what is known to be in it. Axes are z, y, x.

    grey: uint8 (Z, Y, X), voxels. valid: bool (Z, Y, X), where there is a picture that may be seen; None for everywhere.
    truth: uint8 (T, Z, Y / factor, X / factor), sides rounded up, 0 or 1: which of the network's pixels belong to each target. The first
        pixel begins at the first voxel.
    known: bool (Z, Y / factor, X / factor), where truth is known, which is where the loss looks.
    targets_known: of each target whether its truth is known at all; of the others nothing is learnt. Empty: all are.
    """

    grey: Grey
    valid: Flags | None
    truth: Truth
    known: Flags
    targets_known: tuple[bool, ...] = ()


def factor_of(choice: DetectorChoice, voxel_size_nm: Sequence[float]) -> int:
    """How many voxels (x, y, z in nm) wide a pixel of the network is.

    Raises BadInput where `pixel_nm` is no whole multiple of the voxel (to 1 %), and for voxels that are not square in the plane.
    """
    x_nm, y_nm, z_nm = voxel_size_nm
    if not min(x_nm, y_nm, z_nm) > 0 or not math.isclose(x_nm, y_nm, rel_tol=0.05):
        raise BadInput(
            f"detection: voxels of {x_nm:g} x {y_nm:g} x {z_nm:g} nm (x, y, z): networks are trained on voxels that are as wide as high"
        )
    if choice.pixel_nm is None:
        return 1
    quotient = choice.pixel_nm / x_nm
    factor = round(quotient)
    if factor < 1 or not math.isclose(quotient, factor, rel_tol=_WHOLE):
        least = max(1, factor)
        raise BadInput(
            f"detection: pixel_nm is {choice.pixel_nm:g}, which is {quotient:.3g} voxels of {x_nm:g} nm; give a whole multiple, such as "
            f"pixel_nm: {least * x_nm:g}"
        )
    return factor


def train_detector(
    choice: DetectorChoice,
    volumes: Sequence[TrainingVolume],
    voxel_size_nm: Sequence[float],
    *,
    seed: int,
    device: str,
    folder: Path,
    progress: Callable[[Row], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[DetectorNetwork, Training] | NoModel:
    """The network of `choice` trained on volumes of one voxel size, x, y, z in nm. A run that was killed goes on from the checkpoint in
    `folder` (see `loop.train`).

    Half of the windows lie around a random voxel of a random object (what touches, corners too, is one), every object being as likely as
    every other; the others around any pixel that is known. All steps are made: nothing is set aside to stop early. The loss is binary
    cross-entropy, in which targets that are rare count more, and soft Dice (Milletari et al. 2016, doi 10.1109/3DV.2016.79), where truth
    is known. NoModel where a target has no known object. Raises BadInput for volumes that do not fit the choice or each other.
    """
    factor = factor_of(choice, voxel_size_nm)
    if not volumes:
        raise BadInput("detection: there is no volume to train on; give at least one")
    for number, volume in enumerate(volumes):
        _check(volume, number, choice, factor)
    prepared = [_Prepared(volume, factor) for volume in volumes]
    objects = [_objects(prepared, target) for target in range(len(choice.targets))]
    for target, of_target in zip(choice.targets, objects, strict=True):
        if not of_target:
            return NoModel(
                f"a detector of '{target}' needs at least one object to learn from, and there is none where truth is known"
            )
    spec, network = _untrained(choice, voxel_size_nm, factor, prepared, seed)
    singles = [target for target, of_target in zip(choice.targets, objects, strict=True) if len(of_target) == 1]
    remark = f"one object of {', '.join(singles)} only: what is learnt may hold for it alone" if singles else ""
    told = ", ".join(
        f"{len(of_target):,} of {target}" for target, of_target in zip(choice.targets, objects, strict=True)
    )
    learnt_from = f"{len(volumes):,} volume{'s' if len(volumes) > 1 else ''} with objects: {told}"
    spec = replace(spec, source=f"random weights; trained on {learnt_from}; seed {seed}")
    windows = _Windows(prepared, objects, choice, seed)
    outcome = train_on(
        network,
        Task(
            windows.read,
            _Loss(prepared),
            prepare=lambda inputs, generator: augmented(inputs, choice.window_px, spec.mean, spec.std, generator),
        ),
        Settings(steps=choice.steps, learning_rate=choice.learning_rate, seed=seed),
        folder=folder,
        fingerprint=_fingerprint(choice, spec, volumes, network),
        device=device,
        progress=progress,
        log=log,
    )
    return DetectorNetwork(spec, network), Training.of(outcome, np.empty(0, np.int64), remark, "windows")


@dataclass(frozen=True)
class _Held:
    """A volume in memory as a source of voxels."""

    grey: Grey
    valid: Flags | None

    @property
    def bounds(self) -> tuple[Corner, Corner]:
        return (0, 0, 0), cast(Corner, self.grey.shape)

    def read(self, low: Corner, high: Corner) -> tuple[Grey, Flags]:
        box = tuple(slice(start, end) for start, end in zip(low, high, strict=True))
        grey = self.grey[box]
        return grey, np.ones(grey.shape, bool) if self.valid is None else self.valid[box]


class _Prepared:
    """A training volume in network pixels. grey: float16 (Z, Y, X) of 0 to 255, the volume's mean where there is no picture. truth: bool
    (T, Z, Y, X), none where it is not known. known: bool (Z, Y, X), never where there is no picture. targets_known: bool (T,). total,
    squares: sums of what there is, of `count` pixels."""

    def __init__(self, volume: TrainingVolume, factor: int) -> None:
        source = _Held(volume.grey, volume.valid)
        _, rows, columns = volume.known.shape
        self.grey = np.empty(volume.known.shape, np.float16)
        self.there = np.empty(volume.known.shape, bool)
        self.total = self.squares = 0.0
        for first in range(0, len(self.grey), _SLAB_SECTIONS):
            slab = slice(first, min(len(self.grey), first + _SLAB_SECTIONS))
            grey, there = read_pixels(source, (slab.start, 0, 0), (slab.stop, rows, columns), factor)
            self.grey[slab], self.there[slab] = grey, there
            values = grey[there].astype(np.float64)
            self.total += float(values.sum())
            self.squares += float((values**2).sum())
        self.count = int(self.there.sum())
        self.known = volume.known & self.there
        self.targets_known = np.array(volume.targets_known or (True,) * len(volume.truth))
        self.truth = volume.truth.astype(bool) & self.known & self.targets_known[:, None, None, None]


def _check(volume: TrainingVolume, number: int, choice: DetectorChoice, factor: int) -> None:
    """Raises BadInput, naming the volume by its number, where its arrays do not fit each other or the choice."""
    grey, valid, truth, known = volume.grey, volume.valid, volume.truth, volume.known
    name = f"detection: training volume {number}"
    if grey.ndim != 3 or grey.dtype != np.uint8 or not grey.size:
        raise BadInput(f"{name} must be uint8 (z, y, x) with at least one voxel, not {grey.dtype} {grey.shape}")
    if valid is not None and (valid.shape != grey.shape or valid.dtype != bool):
        raise BadInput(f"{name}: valid must be bool {grey.shape} as its voxels, not {valid.dtype} {valid.shape}")
    sections, rows, columns = grey.shape
    shape = sections, -(-rows // factor), -(-columns // factor)
    if truth.shape != (len(choice.targets), *shape):
        raise BadInput(
            f"{name} of {grey.shape} voxels needs masks of {(len(choice.targets), *shape)}: targets ({', '.join(choice.targets)}), "
            f"sections, and pixels of {factor} x {factor} voxels; they are {truth.shape}"
        )
    if truth.dtype != np.uint8 or truth.max() > 1:
        raise BadInput(f"{name}: masks must be uint8 of 0 and 1, not {truth.dtype} up to {truth.max()}")
    if known.shape != shape or known.dtype != bool:
        raise BadInput(f"{name}: known must be bool {shape} as its masks, not {known.dtype} {known.shape}")
    if len(volume.targets_known) not in (0, len(choice.targets)):
        raise BadInput(
            f"{name}: targets_known must say it of each of {', '.join(choice.targets)}, not of {len(volume.targets_known)} targets"
        )


def _objects(volumes: Sequence[_Prepared], target: int) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """The objects of a target: number of the volume, and pixels (n, 3), z, y, x. What touches, at corners too, is one."""
    objects = []
    for number, volume in enumerate(volumes):
        labels, count = ndimage.label(volume.truth[target], np.ones((3, 3, 3)))
        places = np.flatnonzero(labels)
        labels_there = labels.ravel()[places]
        order = np.argsort(labels_there, kind="stable")
        ends = np.searchsorted(labels_there[order], np.arange(2, count + 1))
        pixels = np.stack(np.unravel_index(places[order], labels.shape), 1)
        objects += [(number, of_object) for of_object in np.split(pixels, ends) if len(of_object)]
    return objects


class _Windows:
    """The windows of a step, with so much around them as a turned, bent and enlarged view can touch."""

    def __init__(
        self,
        volumes: Sequence[_Prepared],
        objects: Sequence[Sequence[tuple[int, npt.NDArray[np.int64]]]],
        choice: DetectorChoice,
        seed: int,
    ) -> None:
        self._volumes, self._objects, self._choice, self._seed = volumes, objects, choice, seed
        # Ends of the volumes in a row of all known pixels.
        self._known = [np.flatnonzero(volume.known) for volume in volumes]
        self._ends = np.cumsum([len(places) for places in self._known])
        self._side = _seen_px(choice.window_px)

    def read(self, step: int) -> Batch:
        """Grey values float16 (N, sections, side, side), truth uint8 (N, T, D, side, side), known uint8 (N, D, side, side), and of which
        targets it is, uint8 (N, T); D is 1 for networks that answer for the middle section."""
        rng = np.random.default_rng([self._seed, step])
        count = self._choice.batch_size
        cut = [self._cut(*self._centre(rng)) for _ in range(count)]
        inputs = tuple(torch.from_numpy(np.stack(parts)) for parts in zip(*cut, strict=True))
        return Batch(inputs, np.arange(step * count, (step + 1) * count))

    def _centre(self, rng: np.random.Generator) -> tuple[int, npt.NDArray[np.int64]]:
        if rng.random() < _OBJECT_SHARE:
            of_target = self._objects[int(rng.integers(len(self._objects)))]
            number, pixels = of_target[int(rng.integers(len(of_target)))]
            away = rng.uniform(-1, 1, 3) * _OFF_CENTRE * self._choice.window_px * [0, 1, 1]
            return number, pixels[rng.integers(len(pixels))] + away.astype(np.int64)
        place = int(rng.integers(self._ends[-1]))
        number = int(np.searchsorted(self._ends, place, "right"))
        known = self._known[number]
        flat = known[place - self._ends[number]]  # counted from the end of the volume
        return number, np.array(np.unravel_index(flat, self._volumes[number].known.shape))

    def _cut(self, number: int, centre: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.generic], ...]:
        volume = self._volumes[number]
        sides = self._choice.sections, self._side, self._side
        lengths: tuple[int, ...] = volume.grey.shape
        where = [
            reflected(np.arange(middle - side // 2, middle - side // 2 + side), 0, length)
            for middle, side, length in zip(centre.tolist(), sides, lengths, strict=True)
        ]
        grey = volume.grey[np.ix_(*where)]
        if self._choice.architecture == "unet_2d":
            where[0] = where[0][self._choice.sections // 2 :][:1]
        box = np.ix_(*where)
        truth = np.stack([of_target[box] for of_target in volume.truth])
        return grey, truth.astype(np.uint8), volume.known[box].astype(np.uint8), volume.targets_known.astype(np.uint8)


def _seen_px(window_px: int) -> int:
    """Side of what a view of a window may touch: of its parity, so that quarter turns take pixels as they are."""
    reaches = window_px / 2 * math.sqrt(2) * _SCALE + math.sqrt(2) * (_BEND * _BEND_PITCH_PX + _SLIP_PX)
    return window_px + 2 * math.ceil(reaches - window_px / 2)


def augmented(inputs: Inputs, window_px: int, mean: float, std: float, generator: torch.Generator) -> Inputs:
    """Random views of windows as they were read: normalised grey values (N, S, W, W), and, of 0 and 1, truth (N, T, D, W, W), known
    (N, D, W, W) and of which targets (N, T); all float32. inputs: see `_Windows.read`.

    A view is turned, mirrored, scaled by up to 1.2, bent, its sections perhaps in reverse order; sections beside the middle one may lie
    askew or be lost, then a neighbour takes their place as in use; contrast, brightness, gamma, focus and noise differ.
    """
    grey, truth, known, targets = inputs
    count, sections, _, _ = grey.shape
    deep = truth.shape[2]
    grids = _grids(count, sections, window_px, grey.shape[-1], generator)
    middle = grids if deep == sections else grids[:, sections // 2 : sections // 2 + 1]
    views = _sampled(grey.float()[:, :, None] / 255, grids)[:, :, 0]
    marks = torch.cat([truth, known[:, None]], 1).float().swapaxes(1, 2)
    marks = _sampled(marks, middle).swapaxes(1, 2)
    reverse = uniform(generator, count) < 0.5
    views = torch.where(reverse[:, None, None, None], views.flip(1), views)
    marks = torch.where(reverse[:, None, None, None, None], marks.flip(2), marks)
    exponents = torch.exp(spread(generator, count, 1, 1, 1) * _GAMMA)
    views = _without_some_sections(other_picture(views.clamp(0, 1) ** exponents, generator), generator)
    # A pixel that is partly unknown is unknown.
    return (views * 255 - mean) / std, (marks[:, :-1] > 0.5).float(), (marks[:, -1] > 0.999).float(), targets.float()


def _grids(count: int, sections: int, window_px: int, side: int, generator: torch.Generator) -> Tensor:
    """Where each pixel of a view lies in its window: (count, sections, window_px, window_px, 2), x and y, -1 and 1 being the centres of
    the outermost pixels."""
    device = generator.device
    sharp = uniform(generator, count) < _SHARP_SHARE
    angle = uniform(generator, count) * 2 * math.pi
    angle = torch.where(sharp, (angle / (math.pi / 2)).floor() * (math.pi / 2), angle)
    scale = torch.where(sharp, 1.0, torch.exp(spread(generator, count) * math.log(_SCALE)))
    mirror = torch.where(uniform(generator, count) < 0.5, -1.0, 1.0)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    maps = torch.stack([torch.stack([cosine * mirror, -sine], 1), torch.stack([sine * mirror, cosine], 1)], 1)
    line = torch.arange(window_px, device=device) - (window_px - 1) / 2
    places = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    nodes = 2 + window_px // _BEND_PITCH_PX
    bends = spread(generator, count, 2, nodes, nodes) * _BEND * _BEND_PITCH_PX * ~sharp[:, None, None, None]
    bent = functional.interpolate(bends, (window_px, window_px), mode="bilinear", align_corners=True)
    slips = spread(generator, count, sections, 2) * _SLIP_PX
    slips = torch.where(sharp[:, None, None], slips.round(), slips)
    slips = slips * (uniform(generator, count, sections) < _SLIP_SHARE)[:, :, None]
    slips[:, sections // 2] = 0
    plane = torch.einsum("nij,yxj->nyxi", maps, places) + bent.permute(0, 2, 3, 1)
    return (plane[:, None] + slips[:, :, None, None, :]) * 2 / (side - 1)


def _sampled(stacks: Tensor, grids: Tensor) -> Tensor:
    """Stacks (N, D, C, side, side) at grids (N, D, W, W, 2): (N, D, C, W, W)."""
    count, deep = grids.shape[:2]
    at = functional.grid_sample(
        stacks.flatten(0, 1), grids.flatten(0, 1), mode="bilinear", padding_mode="border", align_corners=True
    )
    return at.unflatten(0, (count, deep))


def _without_some_sections(views: Tensor, generator: torch.Generator) -> Tensor:
    count, sections, _, _ = views.shape
    number = torch.arange(sections, device=views.device)
    missing = (uniform(generator, count, sections) < _MISSING_SHARE) & (number != sections // 2)
    return torch.where(missing[:, :, None, None], views[:, number + (sections // 2 - number).sign()], views)


class _Loss:
    """Binary cross-entropy, in which a pixel of a target of share p counts sqrt((1 - p) / p) times, but at most 10, and soft Dice, both
    over the pixels that are known; the mean over the targets."""

    def __init__(self, volumes: Sequence[_Prepared]) -> None:
        known = sum(volume.known.sum() * volume.targets_known for volume in volumes).clip(min=1)
        shares = sum(volume.truth.sum((1, 2, 3)) for volume in volumes) / known
        self._weights = torch.tensor(
            [min(_MOST_POSITIVE_WEIGHT, max(1.0, math.sqrt((1 - share) / share))) for share in shares.tolist()]
        ).view(-1, 1, 1, 1)

    def __call__(self, network: nn.Module, inputs: Inputs) -> Tensor:
        views, truth, known, targets = inputs
        logits = cast(Tensor, network(views)).float()
        counts = (known[:, None] * targets[:, :, None, None, None]).expand_as(truth)
        weights = counts * (1 + (self._weights.to(truth.device) - 1) * truth)
        over = (0, 2, 3, 4)
        entropy = (weights * functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")).sum(over)
        shares = logits.sigmoid() * counts
        overlap = (shares * truth).sum(over)
        dice = (2 * overlap + 1) / (shares.sum(over) + (truth * counts).sum(over) + 1)
        return (entropy / weights.sum(over).clamp(min=1) + 1 - dice).mean()


def _untrained(
    choice: DetectorChoice, voxel_size_nm: Sequence[float], factor: int, volumes: Sequence[_Prepared], seed: int
) -> tuple[DetectorSpec, VolumeUnet]:
    """The network as it starts, a function of the seed; volumes get their mean where they have no picture."""
    x_nm, y_nm, z_nm = voxel_size_nm
    count = sum(volume.count for volume in volumes)
    mean = sum(volume.total for volume in volumes) / count
    std = max(1.0, math.sqrt(max(0.0, sum(volume.squares for volume in volumes) / count - mean**2)))
    for volume in volumes:
        volume.grey[~volume.there] = mean
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(
            choice.architecture, choice.channels, len(choice.targets), choice.sections, z_nm / (x_nm * factor)
        )
    step = network.stride[1]
    if choice.window_px % step or choice.window_px < 2 * step:
        raise BadInput(
            f"detection: window_px is {choice.window_px}; {len(choice.channels)} levels of channels need a multiple of {step}, at least "
            f"{2 * step}"
        )
    spec = DetectorSpec(
        architecture=choice.architecture,
        targets=tuple(choice.targets),
        sections=choice.sections,
        channels=tuple(choice.channels),
        factor=factor,
        voxel_size_nm=(x_nm, y_nm, z_nm),
        mean=mean,
        std=std,
        halo=reach(network),
        stride=network.stride,
    )
    return spec, network


def _fingerprint(
    choice: DetectorChoice, spec: DetectorSpec, volumes: Sequence[TrainingVolume], network: nn.Module
) -> str:
    learning = hashed_fields(choice, include={"window_px", "steps", "batch_size", "learning_rate"})
    digest = hashlib.sha256(repr([_METHOD, learning, asdict(spec)]).encode())
    for volume in volumes:
        for values in (volume.grey, volume.valid, volume.truth, volume.known):
            digest.update(
                b"none" if values is None else repr(values.shape).encode() + np.ascontiguousarray(values).data
            )
        if volume.targets_known:
            digest.update(repr(volume.targets_known).encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
