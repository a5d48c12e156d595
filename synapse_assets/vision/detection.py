"""A network that says of every voxel of a volume whether it belongs to a synaptic cleft, a mitochondrion or another target.

Maps are made in boxes, and no box shows in the result: a box is read with so much around it as its outputs depend on (the halo) and on the
same grid as every other, and only its core is kept. Beyond the volume the picture is reflected. Sections that are missing or of one value
are replaced by a neighbour before the network sees them.

What does not belong here: training (see `training.detector`), architectures (`networks.volume_unet`), where volumes are read from and maps
are stored (`source` is given), and what is made of maps (thresholds, components, sites).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, Self, cast

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import Precision
from synapse_assets.vision.inference import BatchRunner
from synapse_assets.vision.network_files import NetworkFiles, fill
from synapse_assets.vision.networks.volume_unet import VolumeUnet, folded, unet_2d, unet_3d

DetectorArchitecture = Literal["unet_2d", "unet_3d"]
Corner = tuple[int, int, int]  # z, y, x
Grey = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

FILL_SECTIONS = 2
"""A missing section is replaced by the nearest one that is there, if there is one so near."""

# What is computed at once, without halo, z, y, x in pixels. Maps of 16 channels of it: unet_2d, a section at a time, 24 MB; unet_3d 350 MB.
_TILE: dict[str, Corner] = {"unet_2d": (16, 512, 512), "unet_3d": (24, 256, 256)}
_STACKS_ON_A_GPU = 8
_SQUARE_VOXELS = 64  # side of the squares of a section that count as missing where they have one grey value
_SAME_SIZE = 0.05  # voxels that differ by less count as of one size: scales are stated with two digits at times


class VoxelSource(Protocol):
    """Grey values of a volume, by absolute voxels, z, y, x."""

    @property
    def bounds(self) -> tuple[Corner, Corner]:
        """First voxel, and the one after the last, along each axis."""
        ...

    def read(self, low: Corner, high: Corner) -> tuple[Grey, Flags]:
        """Voxels [low, high), which lie inside the bounds: grey values uint8 (z, y, x), and whether there is a picture, bool (z, y, x)."""
        ...


@dataclass(frozen=True)
class DetectorSpec:
    """Everything about a detector but its weights.

    architecture: 'unet_2d' or 'unet_3d' (see `networks.volume_unet`), with `channels` at each level. targets: names of the maps.
    sections: which a training window has; unet_2d sees as many at once, of which the middle one is the output's.
    factor: side of a network pixel in voxels of the volume, in the plane; a pixel is the mean of factor x factor voxels.
    voxel_size_nm: of the volume, x, y, z, in training as in use. mean, std: normalisation of grey values of 0 to 255.
    halo: how far an output depends on its surroundings at most, z, y, x in pixels. stride: of the coarsest level, z, y, x in pixels.
    source: what it was trained on.
    """

    architecture: DetectorArchitecture
    targets: tuple[str, ...]
    sections: int
    channels: tuple[int, ...]
    factor: int
    voxel_size_nm: tuple[float, float, float]
    mean: float
    std: float
    halo: Corner
    stride: Corner
    source: str = ""

    def __post_init__(self) -> None:
        if not self.targets or len(set(self.targets)) != len(self.targets):
            raise BadInput(f"detection: targets must be different names, at least one, not {list(self.targets)}")
        if self.factor < 1 or len(self.voxel_size_nm) != 3 or not min(self.voxel_size_nm) > 0:
            raise BadInput(
                f"detection: a factor ({self.factor}) of 1 or more and three sides of a voxel above 0 nm ({self.voxel_size_nm}) are needed"
            )
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0):
            raise BadInput(
                f"detection: grey values have a mean and a deviation above zero, not {self.mean} and {self.std}"
            )

    def pixel_bounds(self, bounds: tuple[Corner, Corner]) -> tuple[Corner, Corner]:
        """The network pixels, z, y, x, that have voxels within these bounds: the first, and the one after the last, along each axis."""
        (z, y, x), (z_end, y_end, x_end) = bounds
        return (z, y // self.factor, x // self.factor), (z_end, -(-y_end // self.factor), -(-x_end // self.factor))


class DetectorNetwork:
    """A trained network with its specification. Made by `load` or by `training.detector.train_detector`."""

    def __init__(self, spec: DetectorSpec, network: VolumeUnet) -> None:
        self.spec = spec
        self.network = network.eval()

    def map_box(
        self,
        source: VoxelSource,
        low: Corner,
        high: Corner,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> npt.NDArray[np.float32]:
        """Probabilities of the network pixels [low, high), z, y, x: float32 (targets, z, y, x).

        Pixel j of an axis in the plane covers the voxels j x factor to (j + 1) x factor of the volume, section k is section k. In float32
        a map in boxes, however they are cut, equals the map in one to 1e-5; bfloat16 is coarser by a thousand times. Where there is no
        picture, nor one within `FILL_SECTIONS` sections above or below, probabilities are 0; missing sections nearer to one are answered
        for by it (the lower of two).

        Memory does not grow with the box but for the map itself: it is computed in tiles. device: "auto" (the best one here), "cuda",
        "mps" or "cpu". Raises BadInput for a box that is empty or not within `pixel_bounds` of the source, and a device that is not
        available.
        """
        self._check(source, low, high)
        spec = self.spec
        runner = BatchRunner(self._light, device, precision, _STACKS_ON_A_GPU)
        if runner.device.type == "cpu":
            runner.batch_size = 1
        maps = np.empty((len(spec.targets), *(end - start for start, end in zip(low, high, strict=True))), np.float32)
        for first, last in _tiles(low, high, spec.stride, _TILE[spec.architecture]):
            place = tuple(
                slice(start - origin, end - origin) for start, end, origin in zip(first, last, low, strict=True)
            )
            maps[:, *place] = self._tile(runner, source, first, last)
        return maps

    def missing(self, source: VoxelSource, low: Corner, high: Corner) -> list[int]:
        """The sections of which no voxel of these network pixels, a box as in `map_box`, is there, or not one that differs in its grey."""
        self._check(source, low, high)
        (z, y, x), (z_end, y_end, x_end) = low, high
        first, last = source.bounds
        factor = self.spec.factor
        start = max(first[1], y * factor), max(first[2], x * factor)
        end = min(last[1], y_end * factor), min(last[2], x_end * factor)
        return [
            section for section in range(z, z_end) if not _read(source, (section, *start), (section + 1, *end))[1].any()
        ]

    def check_voxel_size(self, voxel_size_nm: Sequence[float]) -> None:
        """Raises BadInput unless voxels of a volume, x, y, z in nanometres, are of the size that the network was trained on, to 5 %."""
        trained_on = self.spec.voxel_size_nm
        if len(voxel_size_nm) != 3 or any(
            not abs(theirs - ours) <= _SAME_SIZE * ours for theirs, ours in zip(voxel_size_nm, trained_on, strict=True)
        ):
            raise BadInput(
                f"detection: the volume has voxels of {_by(voxel_size_nm)} nm (x, y, z), and the detector was trained on voxels of "
                f"{_by(trained_on)} nm: choose a resolution of the volume that has those, or train a detector on this one"
            )

    def save(self, path: Path) -> None:
        """Writes one safetensors file, whole or not at all: the weights, with the specification as JSON in its metadata."""
        _FILES.write(path, self.spec, self.network)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The network that `save` wrote, to the bit.

        Raises BadInput, naming the file, where there is none, it is damaged, of another kind, of a newer version of this program, or holds
        the weights of another architecture than it says.
        """
        spec, weights = _FILES.read(path)
        network = build(spec.architecture, spec.channels, len(spec.targets), spec.sections, thickness_px(spec))
        fill(network, weights, spec.architecture, path)
        return cls(spec, network)

    @cached_property
    def _light(self) -> nn.Module:
        return _Probabilities(folded(self.network), self.spec.mean, self.spec.std)

    def _check(self, source: VoxelSource, low: Corner, high: Corner) -> None:
        first, last = self.spec.pixel_bounds(source.bounds)
        if any(not a <= b < c <= d for a, b, c, d in zip(first, low, high, last, strict=True)):
            raise BadInput(
                f"detection: the box from {list(low)} to {list(high)} (pixels, z, y, x) is empty or not within the volume, whose pixels go "
                f"from {list(first)} to {list(last)}"
            )

    def _tile(self, runner: BatchRunner, source: VoxelSource, low: Corner, high: Corner) -> npt.NDArray[np.float32]:
        """As `map_box`, of so few pixels that they are computed at once."""
        spec = self.spec
        # What is read begins and ends on the grid of the coarsest level, wherever the tile does.
        first, last = (
            tuple(step * (edge // step) for edge, step in zip(edges, spec.stride, strict=True))
            for edges in (
                [start - halo for start, halo in zip(low, spec.halo, strict=True)],
                [end + halo + step - 1 for end, halo, step in zip(high, spec.halo, spec.stride, strict=True)],
            )
        )
        pixels = read_pixels(source, cast(Corner, first), cast(Corner, last), spec.factor)
        grey = np.where(pixels.known, pixels.grey, np.float32(spec.mean))
        core = tuple(slice(start - begin, end - begin) for start, end, begin in zip(low, high, first, strict=True))
        if spec.architecture == "unet_2d":
            stacks = np.moveaxis(np.lib.stride_tricks.sliding_window_view(grey, spec.sections, 0), 3, 1)
            maps = runner.run(stacks)[:, :, 0, core[1], core[2]].swapaxes(0, 1)
        else:
            maps = runner.run(grey[None])[0][:, *core]
        return maps * pixels.known[core]


_FILES = NetworkFiles("synapse_assets.detector", 1, DetectorSpec)


def is_detector_file(path: Path) -> bool:
    """Whether `DetectorNetwork.save` wrote this file, as far as its metadata tell."""
    return _FILES.are(path)


def build(
    architecture: DetectorArchitecture, channels: Sequence[int], targets: int, sections: int, thickness: float
) -> VolumeUnet:
    """An untrained network. thickness: of a section, in network pixels. Raises BadInput for numbers of which no network can be built."""
    if architecture == "unet_2d":
        return unet_2d(channels, targets, sections)
    if architecture == "unet_3d":
        return unet_3d(channels, targets, thickness)
    raise BadInput(f"detection: no architecture '{architecture}'; choose unet_2d or unet_3d")


def thickness_px(spec: DetectorSpec) -> float:
    """How thick a section is, in network pixels."""
    return spec.voxel_size_nm[2] / (spec.voxel_size_nm[0] * spec.factor)


class Pixels(NamedTuple):
    """Network pixels of a volume. grey: float32 (z, y, x), means of voxels of 0 to 255. known: bool (z, y, x), whether there is a picture
    there, its own or that of a section near it, at all voxels of the pixel; elsewhere `grey` is anything."""

    grey: npt.NDArray[np.float32]
    known: Flags


def read_pixels(source: VoxelSource, low: Corner, high: Corner, factor: int) -> Pixels:
    """Network pixels [low, high) as a network sees them, z, y, x, inside the volume or not, whatever block they are read with.

    Missing pixels (not valid, or in a square of 64 x 64 voxels of a section that has one grey value) come from the nearest section within
    `FILL_SECTIONS` that has them, the lower one of two; then, beyond its bounds, the volume is reflected.
    """
    first, last = source.bounds
    ranges = [
        reflected(np.arange(start * side, end * side), begin, stop)
        for start, end, side, begin, stop in zip(low, high, (1, factor, factor), first, last, strict=True)
    ]
    begin = cast(Corner, tuple(int(where.min()) for where in ranges))
    end = cast(Corner, tuple(int(where.max()) + 1 for where in ranges))
    grey, known = _read(source, begin, end)
    if not known.all():
        # What a missing section is filled from may lie beyond what was asked for.
        begin = max(first[0], begin[0] - FILL_SECTIONS), begin[1], begin[2]
        end = min(last[0], end[0] + FILL_SECTIONS), end[1], end[2]
        grey, known = _filled(*_read(source, begin, end))
    places = np.ix_(*(where - start for where, start in zip(ranges, begin, strict=True)))
    grey, known = grey[places], known[places]
    if factor == 1:
        return Pixels(grey.astype(np.float32), known)
    split = grey.shape[0], grey.shape[1] // factor, factor, grey.shape[2] // factor, factor
    # Sums of whole numbers are exact, in whatever order.
    sums = grey.reshape(split).sum(4, dtype=np.uint32).sum(2, dtype=np.uint32)
    return Pixels(sums.astype(np.float32) / np.float32(factor**2), cast(Flags, known.reshape(split).all((2, 4))))


class _Probabilities(nn.Module):
    """From stacks of grey values, float32 (N, D, H, W), to probabilities (N, targets, D', H, W)."""

    def __init__(self, network: VolumeUnet, mean: float, std: float) -> None:
        super().__init__()
        self.network, self.mean, self.std = network, mean, std

    def forward(self, grey: Tensor) -> Tensor:
        return cast(Tensor, self.network((grey - self.mean) / self.std)).float().sigmoid()


def _tiles(low: Corner, high: Corner, stride: Corner, most: Corner) -> Iterator[tuple[Corner, Corner]]:
    """Boxes that cover [low, high), none larger than `most`, about as large as each other, cut where the stride is."""
    cuts = []
    for start, end, step, side in zip(low, high, stride, most, strict=True):
        begin = start // step * step
        parts = math.ceil((end - begin) / side)
        width = math.ceil((end - begin) / parts / step) * step
        cuts.append([start, *range(begin + width, end, width), end])
    sides = [list(pairwise(places)) for places in cuts]
    for corners in product(*sides):
        (z, z_end), (y, y_end), (x, x_end) = corners
        yield (z, y, x), (z_end, y_end, x_end)


def reflected(places: npt.NDArray[np.int64], first: int, end: int) -> npt.NDArray[np.int64]:
    """Where a volume that is reflected at its bounds, without repeating its edge, has its places on an axis."""
    length = end - first
    if length == 1:
        return np.full_like(places, first)
    period = 2 * (length - 1)
    folded_back = (places - first) % period
    return cast(npt.NDArray[np.int64], first + np.minimum(folded_back, period - folded_back))


def _read(source: VoxelSource, low: Corner, high: Corner) -> tuple[Grey, Flags]:
    """Voxels [low, high), and which of them are there: valid, and not in a square of a section that has one grey value.

    Squares are counted from the volume's first voxel, and the last ones reach to its end.
    """
    first, last = source.bounds
    rows, columns = (_cuts(first[axis], last[axis], low[axis], high[axis]) for axis in (1, 2))
    grey, valid = source.read((low[0], rows[0], columns[0]), (high[0], rows[-1], columns[-1]))
    there = valid & ~_of_one_value(grey, valid, np.subtract(rows, rows[0]), np.subtract(columns, columns[0]))
    inside = (
        slice(None),
        slice(low[1] - rows[0], high[1] - rows[0]),
        slice(low[2] - columns[0], high[2] - columns[0]),
    )
    return grey[inside], there[inside]


def _cuts(first: int, end: int, low: int, high: int) -> list[int]:
    """Where the squares that [low, high) lies in begin, and where the last of them ends."""
    cuts = [*range(first, max(first + 1, end - _SQUARE_VOXELS + 1), _SQUARE_VOXELS), end]
    return [
        cut for cut, following in zip(cuts, [*cuts[1:], end + 1], strict=True) if following > low and cut < high
    ] + [next(cut for cut in cuts if cut >= high)]


def _of_one_value(grey: Grey, valid: Flags, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Flags:
    """Which voxels lie in a square, between these rows and columns, whose valid voxels have one grey value."""
    lowest, highest = np.where(valid, grey, 255), np.where(valid, grey, 0)
    for axis, cuts in ((1, rows), (2, columns)):
        lowest = np.minimum.reduceat(lowest, cuts[:-1], axis)
        highest = np.maximum.reduceat(highest, cuts[:-1], axis)
    plain = lowest >= highest
    if not plain.any():
        return np.zeros_like(valid)
    return plain.repeat(np.diff(rows), 1).repeat(np.diff(columns), 2)


def _filled(grey: Grey, there: Flags) -> tuple[Grey, Flags]:
    """Grey values with those that are missing taken from near sections, and where there are any now."""
    grey_filled, known = grey.copy(), there.copy()
    count = len(grey)
    for distance in range(1, FILL_SECTIONS + 1):
        for step in (-distance, distance):  # the lower one first
            into = slice(max(0, -step), count - max(0, step))
            out_of = slice(max(0, step), count - max(0, -step))
            if into.start >= into.stop:
                continue
            taken = ~known[into] & there[out_of]
            np.copyto(grey_filled[into], grey[out_of], where=taken)
            known[into] |= taken
    return grey_filled, known


def _by(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
