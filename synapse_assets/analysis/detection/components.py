"""From a map to objects: connected components, what they measure, and which are too small or too large.

Belongs here: clefts, polarity masks and mitochondria as objects of one block. Does not belong here: sites as peaks (`peaks`), which objects
belong together (`pairing`), where touching objects are split (`splitting`).
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from synapse_assets.analysis.detection.splitting import split_touching
from synapse_assets.analysis.detection.voxels import (
    Bool,
    Float64,
    Int32,
    Int64,
    Map,
    Xyz,
    at_least,
    length_of,
    require_map,
    require_threshold,
    spacing_of,
)
from synapse_assets.errors import BadInput


@dataclass(frozen=True)
class Limits:
    """How large an object may be: its volume in nm³, both ends included, and the least number of sections that it is seen in."""

    min_nm3: float = 0
    max_nm3: float = np.inf
    min_sections: int = 1

    def __post_init__(self) -> None:
        """Raises BadInput for limits that nothing can lie between."""
        if not 0 <= self.min_nm3 <= self.max_nm3:
            raise BadInput(
                f"the limits of an object's volume are 0 <= min_nm3 <= max_nm3; they are {self.min_nm3:g} and {self.max_nm3:g}"
            )
        if self.min_sections < 1:
            raise BadInput(f"an object is seen in one section at least; min_sections is {self.min_sections}")


@dataclass(frozen=True)
class Components:
    """The N objects of a map (z, y, x). Row i is of label i + 1.

    labels       int32 (z, y, x): 1 to N, 0 for none
    position_nm  float64 (N, 3): the centre of mass, x, y, z in nm from the low corner of the map
    inside_nm    float64 (N, 3): the centre of the object's voxel that is nearest to the centre of mass, which need not lie in the object
    voxels       int64 (N,)
    volume_nm3   float64 (N,)
    sections     int64 (N,): in how many sections it is seen
    score        float64 (N,): the mean probability of its voxels, 0 to 1
    peak         float64 (N,): the highest
    box          int64 (N, 2, 3): its first voxel and one past its last, x, y, z
    touches      bool (N, 2, 3): whether it reaches the low and the high face of the map, x, y, z
    """

    labels: Int32
    position_nm: Float64
    inside_nm: Float64
    voxels: Int64
    volume_nm3: Float64
    sections: Int64
    score: Float64
    peak: Float64
    box: Int64
    touches: Bool

    def __len__(self) -> int:
        return len(self.voxels)

    @property
    def touches_edge(self) -> Bool:
        """Whether (N,) an object reaches a face of the map, so that it may go on beyond."""
        sides = self.touches.reshape(len(self), 6)
        return np.logical_or.reduce(sides, axis=1, dtype=np.bool_)

    def chosen(self, kept: Bool) -> "Components":
        """The objects where `kept` (N,) is true, labelled anew from 1 in the same order."""
        new = np.zeros(len(self) + 1, dtype=np.int32)
        new[1:][kept] = np.arange(1, int(kept.sum()) + 1)
        rows = {field.name: getattr(self, field.name)[kept] for field in fields(self) if field.name != "labels"}
        return Components(labels=new[self.labels], **rows)


def components(probability: Map, threshold: float, voxel_size_nm: Xyz, *, split_nm: float | None = None) -> Components:
    """The connected components of the voxels of at least that probability.

    The map (z, y, x) is floating point from 0 to 1, uint8 from 0 to 255 or bool; the threshold is a probability for each of them. Voxels
    are connected by faces, edges and corners (26): a cleft is a few voxels thin and shifts by as much from one thick section to the next,
    so that its parts often meet at an edge or a corner only. What touches although it is not one is for `split_nm` to part, which is how
    far apart the middles of two objects are at least (`splitting`). Without it nothing is split.

    Labels come in the order of the first voxel; parts that were split off come last.

    Raises BadInput for a map with NaN, one of another range than its type says, a threshold outside of 0 to 1, or lengths that are none.
    """
    require_map(probability)
    require_threshold(threshold)
    spacing = spacing_of(voxel_size_nm)
    if split_nm is not None:
        length_of(split_nm, "split_nm")
    return _measured(probability, labelled(at_least(probability, threshold), voxel_size_nm, split_nm=split_nm), spacing)


def labelled(mask: Bool, voxel_size_nm: Xyz, *, split_nm: float | None = None) -> Int32:
    """The connected components of a mask (z, y, x) as labels 1 to N, connected and split as by `components`."""
    import cc3d

    if not mask.size:
        return np.zeros(mask.shape, dtype=np.int32)
    labels = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=26, out_dtype=np.uint32).view(np.int32)
    if split_nm is not None:
        split_touching(labels, _boxes(_statistics(labels)), voxel_size_nm, split_nm)
    return labels


def limited(objects: Components, limits: Limits) -> Components:
    """The objects within the limits, labelled anew. One that is cut off by a face of the map counts with the part that is seen."""
    volume_fits = (objects.volume_nm3 >= limits.min_nm3) & (objects.volume_nm3 <= limits.max_nm3)
    return objects.chosen(volume_fits & (objects.sections >= limits.min_sections))


def _statistics(labels: Int32) -> dict[str, Any]:
    """Voxels, centre (z, y, x) and first and last voxel of each label, 0 included."""
    import cc3d

    statistics: dict[str, Any] = cc3d.statistics(labels.view(np.uint32), no_slice_conversion=True)
    return statistics


def _boxes(statistics: dict[str, Any]) -> Int64:
    """The first voxel and one past the last (N, 2, 3), x, y, z, of each label above 0."""
    box = statistics["bounding_boxes"][1:].astype(np.int64)
    # first and last of z, of y, of x
    first_last = box.reshape(-1, 3, 2)[:, ::-1].transpose(0, 2, 1)
    return first_last + np.array([[0], [1]])


def _measured(probability: Map, labels: Int32, spacing: Float64) -> Components:
    if not labels.any():
        none, three = np.zeros(0), np.zeros((0, 3))
        whole = np.zeros(0, dtype=np.int64)
        box = np.zeros((0, 2, 3), dtype=np.int64)
        return Components(labels, three, three, whole, none, whole, none, none, box, box.astype(bool))
    statistics = _statistics(labels)
    voxels = statistics["voxel_counts"][1:].astype(np.int64)
    centre = statistics["centroids"][1:].astype(np.float64)  # z, y, x
    count = len(voxels)
    total, peak, sections = np.zeros(count + 1), np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    nearest, inside = np.full(count + 1, np.inf), np.zeros((count + 1, 3))
    mass = np.concatenate([np.zeros((1, 3)), centre])
    # section by section, so that objects that fill the map need no more memory than a section of it
    for z, section in enumerate(labels):
        y, x = np.nonzero(section)
        label = section[y, x]
        here, label_index = np.unique(label, return_inverse=True)
        values = probability[z][y, x].astype(np.float64)
        total[here] += np.bincount(label_index, values)
        np.maximum.at(peak, label, values)
        sections[here] += 1
        away = ((np.stack([np.full(len(y), z), y, x], axis=1) - mass[label]) * spacing[::-1]) ** 2
        distance = away.sum(axis=1)
        least = np.full(len(here), np.inf)
        np.minimum.at(least, label_index, distance)
        # from the last to the first, so that of several the first stays
        at = np.flatnonzero(distance == least[label_index])[::-1]
        first = np.zeros(len(here), dtype=np.int64)
        first[label_index[at]] = at
        better = least < nearest[here]
        nearest[here[better]] = least[better]
        inside[here[better]] = np.stack([np.full(len(first), z), y[first], x[first]], axis=1)[better]
    scale = 255.0 if probability.dtype == np.uint8 else 1.0
    box = _boxes(statistics)
    size = np.asarray(labels.shape[::-1])
    return Components(
        labels=labels,
        position_nm=(centre[:, ::-1] + 0.5) * spacing,
        inside_nm=(inside[1:, ::-1] + 0.5) * spacing,
        voxels=voxels,
        volume_nm3=voxels * float(np.prod(spacing)),
        sections=sections[1:],
        score=total[1:] / scale / voxels,
        peak=peak[1:] / scale,
        box=box,
        touches=np.stack([box[:, 0] == 0, box[:, 1] == size], axis=1),
    )
