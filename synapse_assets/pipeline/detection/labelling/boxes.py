"""A box of a volume that people look through, and what is marked in it, as rounds of `query_suggestions` store them.

Choosing boxes belongs to `suggestions`, what people said of them to `reviews`.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from synapse_assets.datasets import DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.inputs import without_files

Xyz = tuple[int, int, int]
Numbers = npt.NDArray[np.uint16]

BEYOND = 2**16 - 1
"""In what is marked in a box: an object whose site lies outside of the box, so that nobody was asked about it."""
MOST_SITES = BEYOND - 1
APART_FROM_TEST_NM = 500.0
"""So far from all that the dataset annotates a box lies at least: no object of it reaches into what detectors are tested on."""


@dataclass(frozen=True)
class Box:
    """The voxels [low, high), x, y, z, of a volume."""

    COLUMNS: ClassVar = (
        "box",
        "volume",
        *(f"{axis}_{side}_voxels" for axis, side in product("xyz", ("low", "high"))),
    )
    """The columns that `of` needs."""

    box: str
    volume: str
    low: Xyz
    high: Xyz

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Box":
        """Of a row of `BOX_SUGGESTIONS` or `REVIEWED_BOXES`."""
        low, high = (_xyz(row[f"{axis}_{side}_voxels"] for axis in "xyz") for side in ("low", "high"))
        return cls(row["box"], row["volume"], low, high)

    @property
    def columns(self) -> dict[str, Any]:
        """Its columns in these tables."""
        edges = {
            f"{axis}_{side}_voxels": edge
            for side, corner in (("low", self.low), ("high", self.high))
            for axis, edge in zip("xyz", corner, strict=True)
        }
        return {"box": self.box, "volume": self.volume, **edges}

    @property
    def shape(self) -> Xyz:
        """Of its voxels as an array, z, y, x."""
        return _xyz(b - a for a, b in zip(self.low[::-1], self.high[::-1], strict=True))

    def holds(self, position_nm: npt.ArrayLike, voxel_size_nm: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
        """Which of the positions (N, 3), x, y, z, lie in it."""
        voxels = np.floor(np.asarray(position_nm, np.float64).reshape(-1, 3) / voxel_size_nm + 1e-6)
        return np.asarray(((voxels >= self.low) & (voxels < self.high)).all(axis=1))

    def distance_nm(self, other: "Box", voxel_size_nm: tuple[float, float, float]) -> float:
        """How far the other one is from it, 0 where they touch or overlap, infinite in another volume."""
        if self.volume != other.volume:
            return np.inf
        gaps = np.maximum(0, np.maximum(np.subtract(other.low, self.high), np.subtract(self.low, other.high)))
        return float(np.sqrt(((gaps * np.array(voxel_size_nm)) ** 2).sum()))

    def overlaps(self, other: "Box") -> bool:
        """Whether they share a voxel."""
        return self.volume == other.volume and all(
            max(a, b) < min(c, d) for a, b, c, d in zip(self.low, other.low, self.high, other.high, strict=True)
        )


def packed(marked: Numbers) -> bytes:
    """What is marked in a box, uint16 (z, y, x), as `BOX_SUGGESTIONS` stores it."""
    return zlib.compress(np.ascontiguousarray(marked, "<u2").tobytes(), 6)


def unpacked(content: bytes, box: Box) -> Numbers:
    """What `packed` made. Raises BadInput for what is no such thing."""
    try:
        return np.frombuffer(zlib.decompress(content), "<u2").reshape(box.shape).astype(np.uint16)
    except (zlib.error, ValueError) as error:
        raise BadInput(
            f"what is marked in box {box.box} is damaged: bring tables/query_suggestions back from a copy ({error})"
        ) from error


def added_site(box: str, target: str, unique: str) -> str:
    """How a site that somebody adds to a box is called in answers: moved or taken out again, it is the same site."""
    return f"{box}/{target}/{unique}"


def added_to(item: str) -> tuple[str, str] | None:
    """The box and the target of what `added_site` named; None for another item."""
    box, _, rest = item.partition("/")
    target, _, unique = rest.partition("/")
    return (box, target) if unique else None


def asked_detector(dataset: DetectionDataset) -> str:
    """The detector whose sites people judge, and which learns from them."""
    assert dataset.synapse_detector is not None  # noqa: S101 -- a dataset that is labelled has one
    return dataset.synapse_detector


def asked_target(dataset: DetectionDataset) -> str:
    """The target that its sites are of: presynaptic, or cleft where it marks no presynaptic sites."""
    targets = dataset.detectors[asked_detector(dataset)].targets
    return "presynaptic" if "presynaptic" in targets else "cleft"


def annotated_boxes(dataset: DetectionDataset) -> list[Box]:
    """What the dataset's YAML says is annotated. No voxel is read. Raises BadInput for a volume that cannot be opened."""
    from synapse_assets.volumes import open_labels, open_volume

    boxes, gone = [], without_files(dataset)
    for annotation in dataset.annotations:
        if annotation.name in gone:
            continue
        opened = (
            open_volume(dataset.volumes[annotation.volume])
            if annotation.labels is None
            else open_labels(annotation.labels)
        )
        low, high = (edge.tolist() for edge in opened.bounds_voxels)
        if annotation.box_voxels is not None:
            low, high = np.maximum(low, annotation.box_voxels[0]), np.minimum(high, annotation.box_voxels[1])
        boxes.append(Box(annotation.name, annotation.volume, _xyz(low), _xyz(high)))
    return boxes


def near_test(box: Box, annotated: Iterable[Box], voxel_size_nm: tuple[float, float, float]) -> bool:
    """Whether a box is too near to what is annotated to be learnt from."""
    return any(one.distance_nm(box, voxel_size_nm) < APART_FROM_TEST_NM for one in annotated)


def _xyz(edges: Iterable[Any]) -> Xyz:
    x, y, z = (int(edge) for edge in edges)
    return x, y, z
