"""What a detector learns from boxes that people looked through, in the pixels of its network.

A box teaches the target that was asked about and no other one, and only the detector whose sites were judged. Where a site beyond the box
may reach into it nothing is learnt. Boxes never test: they are apart from all that is annotated, which detectors are tested on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import DetectionDataset, DetectorChoice
from synapse_assets.pipeline.detection.annotated import Known, refuse_more_than_fits
from synapse_assets.pipeline.detection.labelling.boxes import (
    BEYOND,
    Box,
    asked_detector,
    asked_target,
    near_test,
    unpacked,
)
from synapse_assets.schema.labelling import (
    ACCEPT,
    ADD,
    BOX_SUGGESTIONS,
    MOVE,
    REVIEWED_BOXES,
    REVIEWED_SITES,
    SUGGESTED_SITES,
)
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.vision.training.detector import TrainingVolume
    from synapse_assets.volumes import Volume

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Xyz = tuple[float, float, float]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Lesson:
    """A box with so much of the volume around it as a window sees. Arrays as `vision.training.detector.TrainingVolume` has them.

    round: in which it was asked. sites: synapses in it.
    """

    box: str
    round: str
    sites: int
    grey: Bytes
    valid: Bools
    truth: Bytes
    known: Bools
    targets_known: tuple[bool, ...]

    @property
    def volume(self) -> "TrainingVolume":
        """It as networks are trained on it."""
        from synapse_assets.vision.training.detector import TrainingVolume

        return TrainingVolume(self.grey, self.valid, self.truth, self.known, self.targets_known)


def lessons_of(store: DatasetStore, dataset: DetectionDataset, every: Sequence[Known], log: Logger) -> list[Lesson]:
    """What the boxes that were looked through teach the detector that was asked about; none where nobody is asked, or no box is done.

    every: what the dataset annotates. A box that is too near to it, which the YAML may annotate since, or too small for anything in it to
    be sure, teaches nothing, and the log says so. Raises BadInput for more boxes than can be held in memory.
    """
    from synapse_assets.volumes import open_volume

    if dataset.labelling is None:
        return []
    annotated = [
        Box(known.annotation.name, known.annotation.volume, known.low[::-1], known.high[::-1]) for known in every
    ]
    rows = store.results(REVIEWED_BOXES).read().to_pylist()
    kept = [row for row in rows if not near_test(Box.of(row), annotated, dataset.voxel_size_nm)]
    if len(kept) < len(rows):
        log.warning(
            f"{len(rows) - len(kept)} boxes that were looked through lie near what is annotated, and are not learnt from"
        )
    if not kept:
        return []
    teacher = Teacher.of(dataset, every)
    voxels = sum(int(np.prod(teacher.window(Box.of(row))[2])) for row in kept)
    # Grey values and where there are any, and these again as pixels, with truth.
    refuse_more_than_fits(4 * voxels, voxels)
    marked, sites = marked_by_box(store, kept), sites_by_box(store)
    volumes = {name: open_volume(dataset.volumes[name]) for name in {row["volume"] for row in kept}}
    lessons = [
        teacher.lesson(row, sites.get(row["box"], []), marked.get(row["box"]), volumes[row["volume"]]) for row in kept
    ]
    small = [lesson.box for lesson in lessons if not lesson.known.any()]
    if small:
        log.warning(
            f"{len(small)} boxes are so small that a site beyond them may reach anywhere in them: set a larger labelling.box_nm"
        )
    return [lesson for lesson in lessons if lesson.known.any()]


def versions_by_round(store: DatasetStore, lessons: Sequence[Lesson]) -> dict[str, str]:
    """The content version of what each round teaches, by the round's name, of every round with boxes that were looked through."""
    rounds = store.results(REVIEWED_BOXES).read(columns=["round"]).column("round").to_pylist()
    digests: dict[str, Any] = {name: hashlib.sha256() for name in rounds}
    for lesson in lessons:
        digest = digests[lesson.round]
        digest.update(repr((lesson.box, lesson.grey.shape, lesson.truth.shape, lesson.targets_known)).encode())
        for values in (lesson.grey, lesson.valid, lesson.truth, lesson.known):
            digest.update(np.ascontiguousarray(values).data)
    return {name: digest.hexdigest()[:16] for name, digest in sorted(digests.items())}


def sites_by_box(store: DatasetStore) -> dict[str, list[Row]]:
    """The sites of each box that was looked through."""
    by_box: dict[str, list[Row]] = {}
    for row in store.results(REVIEWED_SITES).read().to_pylist():
        by_box.setdefault(row["box"], []).append(row)
    return by_box


def marked_by_box(store: DatasetStore, boxes: Sequence[Row]) -> dict[str, tuple[npt.NDArray[np.uint16], list[str]]]:
    """What the map marked in these boxes (rows of `REVIEWED_BOXES`) when people were asked, by box, and which sites its numbers, from 1,
    are of. No box in which sites are peaks."""
    wanted = {row["box"]: Box.of(row) for row in boxes}
    found = {}
    for name in sorted({row["round"] for row in boxes}):
        rows = store.results(SUGGESTED_SITES).read(name, ["box", "site"]).to_pylist()
        for row in store.results(BOX_SUGGESTIONS).read(name, ["box", "marked"]).to_pylist():
            if row["marked"] is not None and row["box"] in wanted:
                own = [site["site"] for site in rows if site["box"] == row["box"]]
                found[row["box"]] = unpacked(row["marked"], wanted[row["box"]]), own
    return found


@dataclass(frozen=True)
class Teacher:
    """How boxes are turned into lessons for one detector. factor: voxels in the side of a pixel. radius_nm: of the ball that stands for a
    site of which no voxel is known, and so far a site beyond a box reaches into it: of its balls, or the median annotated object."""

    choice: DetectorChoice
    target: str
    factor: int
    voxel_size_nm: Xyz
    radius_nm: float

    @classmethod
    def of(cls, dataset: DetectionDataset, every: Sequence[Known]) -> "Teacher":
        """For the detector that people are asked about. every: what the dataset annotates."""
        from synapse_assets.vision.training.detector import factor_of

        choice, target = dataset.detectors[asked_detector(dataset)], asked_target(dataset)
        radius_nm = choice.ball_nm
        if choice.learns_from == "masks":
            sizes = [
                known.objects.volume_nm3
                for known in every
                if known.annotation.target == target and known.labels is not None and len(known.objects)
            ]
            if sizes:
                radius_nm = float((3 * np.median(np.concatenate(sizes)) / (4 * np.pi)) ** (1 / 3))
        return cls(choice, target, factor_of(choice, dataset.voxel_size_nm), dataset.voxel_size_nm, radius_nm)

    def window(self, box: Box) -> tuple[list[int], list[int], list[int]]:
        """First pixel of what is seen of a box, z, y, x; first voxel; and how many voxels along each."""
        sides = (1, self.factor, self.factor)
        more = (self.choice.sections // 2, self.choice.window_px // 2, self.choice.window_px // 2)
        first = [edge // side - extra for edge, side, extra in zip(box.low[::-1], sides, more, strict=True)]
        last = [-(-edge // side) + extra for edge, side, extra in zip(box.high[::-1], sides, more, strict=True)]
        voxels = [(b - a) * side for a, b, side in zip(first, last, sides, strict=True)]
        return first, [a * side for a, side in zip(first, sides, strict=True)], voxels

    def lesson(
        self,
        row: Row,
        sites: Sequence[Row],
        marked: tuple[npt.NDArray[np.uint16], list[str]] | None,
        volume: "Volume",
    ) -> Lesson:
        """What a box teaches. marked: voxels of what was detected in it, and which sites their numbers are of."""
        box = Box.of(row)
        first, low, voxels = self.window(box)
        grey, valid = volume.read_box(low[::-1], np.add(low, voxels)[::-1])
        shape = (voxels[0], voxels[1] // self.factor, voxels[2] // self.factor)
        inside = self._sure(box, first, shape)
        known = inside.copy()
        outcomes = {site["site"]: site["outcome"] for site in sites}
        as_balls = [site for site in sites if site["outcome"] in (ACCEPT, MOVE, ADD)]
        present = np.zeros(shape, np.bool_)
        if self.choice.learns_from == "masks" and marked is not None:
            numbers, names = marked
            right = [place for place, name in enumerate(names, start=1) if outcomes.get(name) == ACCEPT]
            # Where a site that was moved was marked nobody said what there is.
            unclear = [place for place, name in enumerate(names, start=1) if outcomes.get(name) == MOVE]
            present = self._pixels(np.isin(numbers, right), box, low, shape) * 2 >= self.factor**2
            known &= self._pixels(np.isin(numbers, [*unclear, BEYOND]), box, low, shape) == 0
            shown = {names[place - 1] for place in right if (numbers == place).any()}
            as_balls = [site for site in as_balls if site["site"] not in shown]
        balls = self._balls(as_balls, first, shape) & inside
        truth = np.zeros((len(self.choice.targets), *shape), np.uint8)
        truth[list(map(str, self.choice.targets)).index(self.target)] = (present | balls) & inside
        count = sum(outcome in (ACCEPT, MOVE, ADD) for outcome in outcomes.values())
        taught = tuple(target == self.target for target in self.choice.targets)
        return Lesson(box.box, row["round"], count, grey, valid, truth, known | balls, taught)

    def sure_voxels(self, box: Box) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The voxels of a box, x, y, z, that no site beyond it reaches: the first and one past the last; where there are none, the second
        are not above the first."""
        x, y, z = (int(self.radius_nm // size) for size in self.voxel_size_nm)
        (a, b, c), (d, e, f) = box.low, box.high
        return (a + x, b + y, c + z), (d - x, e - y, f - z)

    def _sure(self, box: Box, first: Sequence[int], shape: tuple[int, int, int]) -> Bools:
        """The pixels all of whose voxels are sure."""
        inside = np.zeros(shape, np.bool_)
        low, high = (edge[::-1] for edge in self.sure_voxels(box))
        edges = zip(low, high, (1, self.factor, self.factor), first, strict=True)
        inside[tuple(slice(-(-a // side) - start, max(0, b // side - start)) for a, b, side, start in edges)] = True
        return inside

    def _pixels(
        self, voxels: Bools, box: Box, low: Sequence[int], shape: tuple[int, int, int]
    ) -> npt.NDArray[np.int64]:
        """How many voxels of each pixel are of a mask of the box."""
        tall = np.zeros((shape[0], shape[1] * self.factor, shape[2] * self.factor), np.bool_)
        starts = np.subtract(box.low[::-1], low).tolist()
        tall[tuple(slice(a, a + length) for a, length in zip(starts, voxels.shape, strict=True))] = voxels
        return tall.reshape(shape[0], shape[1], self.factor, shape[2], self.factor).sum((2, 4))

    def _balls(self, sites: Sequence[Row], first: Sequence[int], shape: tuple[int, int, int]) -> Bools:
        from synapse_assets.analysis.detection.balls import ball_mask

        places = np.array([[site[f"{axis}_nm"] for axis in "xyz"] for site in sites]).reshape(-1, 3)
        x_nm, y_nm, z_nm = self.voxel_size_nm
        pixel_nm = (x_nm * self.factor, y_nm * self.factor, z_nm)
        z, y, x = first
        return ball_mask(places, (x, y, z), shape, pixel_nm, self.radius_nm)
