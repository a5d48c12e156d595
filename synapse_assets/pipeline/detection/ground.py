"""What a detector learns from and is tested on: annotated volumes in the pixels of its network, with parts that are held out.

What does not belong here: reading annotations (`annotated`), training (`vision`), choosing and scoring (`analysis.evaluation.held_out`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import DetectorChoice
from synapse_assets.pipeline.detection.annotated import Bools, Corner, Floats, Known, Numbers, Objects, Part, Xyz

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.held_out import Scene

Box: TypeAlias = tuple[slice, slice, slice]
Truth: TypeAlias = npt.NDArray[np.uint8]

FEWEST_SECTIONS = 10
"""Of a volume, for its last fifth to be held out."""


@dataclass(frozen=True)
class Ground:
    """What is known of one volume to one detector, in its pixels of factor x factor voxels. A pixel is the mean of its voxels, counted from
    voxel 0 of the volume's coordinates.

    low: its first pixel, z, y, x. known: bool (z, y, x), where all targets are annotated. marked: by target, uint8 (z, y, x). labels: by
    target the object, uint32 (z, y, x), row i of `objects` being i + 1; None where it learns from points.
    """

    volume: str
    low: Corner
    factor: int
    voxel_size_nm: Xyz
    ball_nm: float
    known: Bools
    marked: Mapping[str, Truth]
    labels: Mapping[str, Numbers] | None
    objects: Mapping[str, Objects]

    @property
    def pixel_size_nm(self) -> Xyz:
        """Size of a pixel, x, y, z."""
        x, y, z = self.voxel_size_nm
        return (x * self.factor, y * self.factor, z)

    @property
    def high(self) -> Corner:
        """One past its last pixel, z, y, x."""
        z, y, x = (low + size for low, size in zip(self.low, self.known.shape, strict=True))
        return (z, y, x)

    def corners(self, part: Part) -> tuple[Corner, Corner]:
        """The pixels of a part of it, z, y, x, counted from the volume's."""
        low, high = part.pixels(self.factor)
        (a, b, c), (d, e, f) = (
            tuple(int(place) for place in np.clip(edge, self.low, self.high)) for edge in (low, high)
        )
        return (a, b, c), (d, e, f)

    def box(self, part: Part) -> Box:
        """The pixels of a part of it in its arrays."""
        z, y, x = (slice(a - start, b - start) for a, b, start in zip(*self.corners(part), self.low, strict=True))
        return (z, y, x)

    def has(self, part: Part) -> bool:
        """Whether anything is known in a part."""
        return part.volume == self.volume and bool(self.known[self.box(part)].any())

    def without(self, part: Part) -> Bools:
        """Where something is known outside of a part and of every object that reaches into it."""
        if part.volume != self.volume:
            return self.known
        known, box = self.known.copy(), self.box(part)
        known[box] = False
        for target, objects in self.objects.items():
            if self.labels is not None:
                reaches = np.zeros(len(objects) + 1, np.bool_)
                reaches[self.labels[target][box]] = True
                reaches[0] = False
                known &= ~reaches[self.labels[target]]
            else:
                low, high = (np.array(edge)[::-1] * self.pixel_size_nm for edge in self.corners(part))
                away = np.maximum(0, np.maximum(low - objects.position_nm, objects.position_nm - high))
                near = np.sqrt((away**2).sum(axis=1)) <= self.ball_nm
                known &= ~_balls(objects.position_nm[near], self.low, known.shape, self.pixel_size_nm, self.ball_nm)
        return known

    def before(self, section: int) -> Bools:
        """Where something is known in the sections before one, counted from its first."""
        known = self.known.copy()
        known[section:] = False
        return known

    def scenes(
        self, maps: npt.NDArray[np.uint8], parts: Sequence[Part], sections: slice | None = None
    ) -> "dict[str, Scene]":
        """Its targets with a map of each, uint8 (T, z, y, x), to be tested in these parts; or, with `sections`, those sections alone, by
        themselves as part -1."""
        from synapse_assets.analysis.evaluation.held_out import Scene

        cut = slice(0, len(self.known)) if sections is None else sections
        known = self.known[cut]
        first = self.low[0] + cut.start
        corner_nm = np.array([self.low[2], self.low[1], first]) * self.pixel_size_nm
        boxes = (
            {part.number: self.box(part) for part in parts if part.volume == self.volume}
            if sections is None
            else {-1: (slice(0, known.shape[0]), slice(0, known.shape[1]), slice(0, known.shape[2]))}
        )
        chosen, scenes = {}, {}
        for target, objects in self.objects.items():
            chosen[target] = (
                self._in_sections(target, objects, cut) if sections is not None else np.arange(len(objects))
            )
        pre = chosen.get("presynaptic", np.zeros(0, np.int64))
        pre_ids = [] if not len(pre) else [self.objects["presynaptic"].ids[row] for row in pre.tolist()]
        row_of = {name: row for row, name in enumerate(pre_ids)}
        for place, (target, objects) in enumerate(self.objects.items()):
            rows = chosen[target]
            some = objects.rows(rows)
            labels = None if self.labels is None else _renumbered(self.labels[target][cut], rows, len(objects))
            scenes[target] = Scene(
                np.where(known, maps[place][cut], 0).astype(np.uint8),
                labels,
                some.position_nm - corner_nm,
                some.volume_nm3,
                some.sections,
                np.array([-1 if name is None else row_of.get(name, -1) for name in some.partners], np.int64),
                boxes,
            )
        return scenes

    def _in_sections(self, target: str, objects: Objects, sections: slice) -> npt.NDArray[np.int64]:
        """Rows of the objects that are seen in some sections."""
        if self.labels is not None:
            numbers = np.unique(self.labels[target][sections]).astype(np.int64)
            return numbers[numbers > 0] - 1
        section = np.floor(objects.position_nm[:, 2] / self.voxel_size_nm[2] + 1e-6) - self.low[0]
        return np.flatnonzero((section >= sections.start) & (section < sections.stop))


def grounds_of(choice: DetectorChoice, every: Sequence[Known], factor: int, voxel_size_nm: Xyz) -> list[Ground]:
    """What is known to a detector, a ground for each volume in which all of its targets are annotated in the way that it learns from."""
    points = choice.learns_from == "points"
    usable = [
        known for known in every if (known.labels is None) == points and known.annotation.target in choice.targets
    ]
    volumes = list(dict.fromkeys(known.annotation.volume for known in usable))
    grounds = []
    for volume in volumes:
        there = [known for known in usable if known.annotation.volume == volume]
        if {known.annotation.target for known in there} == set(choice.targets):
            grounds.append(_ground(choice, volume, there, factor, voxel_size_nm))
    return grounds


def _ground(choice: DetectorChoice, volume: str, every: Sequence[Known], factor: int, voxel_size_nm: Xyz) -> Ground:
    first, last = (np.array([getattr(known, end) for known in every]) for end in ("low", "high"))
    (z, y, x), (z_end, y_end, x_end) = first.min(axis=0).tolist(), last.max(axis=0).tolist()
    low = (z, y // factor, x // factor)
    shape = (z_end - z, -(-y_end // factor) - low[1], -(-x_end // factor) - low[2])
    pixel_nm = (voxel_size_nm[0] * factor, voxel_size_nm[1] * factor, voxel_size_nm[2])
    known = np.ones(shape, np.bool_)
    marked: dict[str, Truth] = {}
    labels: dict[str, Numbers] = {}
    objects: dict[str, Objects] = {}
    for target in choice.targets:
        of_target = [one for one in every if one.annotation.target == target]
        objects[target] = Objects.joined([one.objects for one in of_target])
        known_here = np.zeros(shape, np.bool_)
        if choice.learns_from == "points":
            known_here[:] = True
            marked[target] = _balls(objects[target].position_nm, low, shape, pixel_nm, choice.ball_nm).astype(np.uint8)
        else:
            labels[target] = np.zeros(shape, np.uint32)
            before = 0
            for one in of_target:
                there, numbers = _in_pixels(one, low, shape, factor)
                known_here |= there
                np.copyto(labels[target], numbers + np.uint32(before), where=numbers > 0)
                before += len(one.objects)
            marked[target] = (labels[target] > 0).astype(np.uint8)
        known &= known_here
    return Ground(
        volume,
        low,
        factor,
        voxel_size_nm,
        choice.ball_nm,
        known,
        marked,
        None if choice.learns_from == "points" else labels,
        objects,
    )


def _in_pixels(known: Known, low: Corner, shape: tuple[int, int, int], factor: int) -> tuple[Bools, Numbers]:
    """Where a mask is known, and its objects, in pixels: one is known where all of its voxels are, and belongs to an object where at least
    half of them do; of several that meet in it, to the last."""
    assert known.labels is not None  # noqa: S101 -- a mask has labels
    tall = (shape[0], shape[1] * factor, shape[2] * factor)
    start = [known.low[0] - low[0], known.low[1] - low[1] * factor, known.low[2] - low[2] * factor]
    numbers, there = np.zeros(tall, np.uint32), np.zeros(tall, np.bool_)
    box = tuple(slice(a, a + size) for a, size in zip(start, known.labels.shape, strict=True))
    numbers[box], there[box] = known.labels, True
    if factor == 1:
        return there, numbers
    split = (shape[0], shape[1], factor, shape[2], factor)
    voxels = there.reshape(split).sum((2, 4))
    marked = (numbers.reshape(split) > 0).sum((2, 4))
    # At the edge of what is annotated a pixel may have fewer voxels than factor x factor.
    edge = np.zeros(shape, np.bool_)
    edge[:, [0, -1]] = edge[:, :, [0, -1]] = True
    whole = (voxels == factor**2) | (edge & (voxels > 0))
    return whole, np.where(2 * marked >= np.maximum(voxels, 1), numbers.reshape(split).max((2, 4)), 0).astype(np.uint32)


def _balls(position_nm: Floats, low: Corner, shape: Sequence[int], pixel_nm: Xyz, radius_nm: float) -> Bools:
    from synapse_assets.analysis.detection.balls import ball_mask

    z, y, x = shape
    return ball_mask(position_nm, (low[2], low[1], low[0]), (z, y, x), pixel_nm, radius_nm)


def _renumbered(labels: Numbers, rows: npt.NDArray[np.int64], count: int) -> Numbers:
    number = np.zeros(count + 1, np.uint32)
    number[rows + 1] = np.arange(1, len(rows) + 1)
    return number[labels]


def last_fifth(grounds: Iterable[Ground]) -> dict[str, int]:
    """The section, counted from its first, with which the last fifth of each volume begins; none of volumes with too few sections."""
    return {
        ground.volume: len(ground.known) - len(ground.known) // 5
        for ground in grounds
        if len(ground.known) >= FEWEST_SECTIONS
    }
