"""What is known of the volumes: masks and points as objects, the parts that are held out, and what a detector can learn from them.

An object of a mask is an id of it, or what is connected where it has one id only; of a table of points, a point. Of postsynaptic objects
the partner is known where a table names it, where a mask numbers both sides of a synapse alike, and where one mask numbers presynaptic
sides odd and each postsynaptic one by the next even number (EM-R50).

What does not belong here: training and testing (`detector`), scores (`analysis.evaluation`), file formats (`volumes`, `sources`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from logging import Logger
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import Annotation, DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.blocks import draw_inputs
from synapse_assets.pipeline.detection.inputs import annotation_source, watched_files, without_files
from synapse_assets.pipeline.inputs import confirm_removed
from synapse_assets.pipeline.report import Check, Json, Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema.detection import ANNOTATED_OBJECTS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

MOST_BYTES = 8 * 10**9
"""Annotated volumes are held in memory, up to so many bytes together."""
_SLAB_VOXELS = 32 * 2**20
_SAME_SIZE = 1e-3

Corner: TypeAlias = tuple[int, int, int]
"""z, y, x."""
Bools: TypeAlias = npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[np.uint32]
Floats: TypeAlias = npt.NDArray[np.float64]
Xyz: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Objects:
    """N objects. ids: unique in the dataset. position_nm: (N, 3), x, y, z: a voxel's centre in the object, that nearest to its middle.

    volume_nm3, sections: (N,); nan and 0 for points. partners: ids of the presynaptic objects of postsynaptic ones, as far as known.
    """

    ids: tuple[str, ...]
    position_nm: Floats
    volume_nm3: Floats
    sections: npt.NDArray[np.int64]
    partners: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, numbers: npt.NDArray[Any]) -> "Objects":
        """Those of these rows, in their order."""
        rows = np.asarray(numbers)
        chosen = (np.flatnonzero(rows) if rows.dtype == bool else rows).tolist()
        return Objects(
            tuple(self.ids[row] for row in chosen),
            self.position_nm[chosen],
            self.volume_nm3[chosen],
            self.sections[chosen],
            tuple(self.partners[row] for row in chosen),
        )

    @classmethod
    def joined(cls, parts: Sequence["Objects"]) -> "Objects":
        """All of several, one after the other; none of none."""
        return cls(
            tuple(name for part in parts for name in part.ids),
            np.concatenate([np.zeros((0, 3)), *(part.position_nm for part in parts)]),
            np.concatenate([np.zeros(0), *(part.volume_nm3 for part in parts)]),
            np.concatenate([np.zeros(0, np.int64), *(part.sections for part in parts)]),
            tuple(partner for part in parts for partner in part.partners),
        )


@dataclass(frozen=True)
class Known:
    """One annotation as it was read.

    low, high: the voxels, z, y, x, within which everything is annotated. labels: uint32 (z, y, x) of them, row i of `objects` being
    i + 1; None for points. outside: points that were left out, as they lie outside of the volume.
    """

    annotation: Annotation
    low: Corner
    high: Corner
    labels: Numbers | None
    objects: Objects
    outside: int = 0

    @cached_property
    def version(self) -> str:
        """Content version."""
        digest = hashlib.sha256(repr((self.annotation.target, self.annotation.volume, self.low, self.high)).encode())
        digest.update(repr((self.objects.ids, self.objects.partners)).encode())
        digest.update(np.ascontiguousarray(self.objects.position_nm).data)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Part:
    """A box of a volume that is held out as a whole. low, high: voxels, z, y, x. begin: the first voxel of all parts of the volume."""

    number: int
    volume: str
    low: Corner
    high: Corner
    begin: Corner = (0, 0, 0)

    def holds(self, position_nm: Floats, voxel_size_nm: Xyz) -> Bools:
        """Which of the positions (N, 3), x, y, z, lie in it."""
        voxels = position_nm[:, ::-1] / np.array(voxel_size_nm[::-1])
        inside: Bools = ((voxels >= self.low) & (voxels < self.high)).all(axis=1)
        return inside

    def pixels(self, factor: int) -> tuple[Corner, Corner]:
        """The network pixels of `factor` voxels that belong to it, z, y, x: each belongs to the part that its first voxel lies in, one that
        begins before all parts to the first of them."""

        def pixel(edge: int, begin: int) -> int:
            return edge // factor if edge == begin else -(-edge // factor)

        low, high = (
            (edge[0], pixel(edge[1], self.begin[1]), pixel(edge[2], self.begin[2])) for edge in (self.low, self.high)
        )
        return low, high


# Reading


def register_annotations(store: DatasetStore, dataset: DetectionDataset, gone: Sequence[str], log: Logger) -> Report:
    """Reads all annotations of a dataset and tables their objects.

    gone: the annotations whose files are gone and are meant to be. Nothing is stored unless all others could be read. Raises BadInput for
    masks that do not fit their volume, points that all lie outside of it, and more than `MOST_BYTES` of annotated voxels.
    """
    watch = Stopwatch()
    if dataset.generate is not None:
        draw_inputs(store, dataset)
    stored = store.results(ANNOTATED_OBJECTS)
    absent = without_files(dataset)
    removed = confirm_removed(annotation_source(dataset), dataset.name, absent, list(stored.made_from() or {}), gone)
    left_out = set(absent) & set(gone)
    every = read_annotations(store, dataset, [one for one in dataset.annotations if one.name not in left_out], log)
    parts = parts_of(every, dataset.hold_out)
    table = _table(every, parts, dataset)
    stored.write(table, made_from={known.annotation.name: known.version for known in every})
    outside = {known.annotation.name: known.outside for known in every if known.outside}
    single = [known.annotation.name for known in every if len(known.objects) == 1]
    none = [known.annotation.name for known in every if not len(known.objects)]
    return Report(
        details={
            "annotations": Markdown(_summary(every)),
            "parts": len(parts),
            "points_outside": Json(outside),
            "single_objects": ", ".join(single) or "none",
            **removed,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(table, *(known.version for known in every)),
        checks=[
            Check(
                "points_inside_volume",
                not outside,
                "; ".join(f"{name}: {count:,} points lie outside of the volume" for name, count in outside.items())
                or "all points lie in their volume",
                warn=True,
                numbers={"outside": sum(outside.values())},
            ),
            Check(
                "has_objects",
                not none,
                f"nothing is annotated in {', '.join(none)}: what a detector learns there is that there is none"
                if none
                else "every annotation has objects",
                warn=True,
            ),
        ],
    )


def read_annotations(
    store: DatasetStore, dataset: DetectionDataset, annotations: Iterable[Annotation], log: Logger
) -> list[Known]:
    """These annotations, in their order. Raises BadInput as `register_annotations`."""
    every, voxels = [], 0
    for annotation in annotations:
        known = _points(store, dataset, annotation) if annotation.labels is None else _mask(dataset, annotation, voxels)
        voxels += 0 if known.labels is None else known.labels.size
        log.info(f"annotation {annotation.name}: {len(known.objects):,} objects of {annotation.target}")
        every.append(known)
    _check_memory(every)
    return [_with_partners(known, every) for known in every]


def registered_annotations(store: DatasetStore, dataset: DetectionDataset, log: Logger) -> list[Known]:
    """The annotations that `register_annotations` read, read again.

    Raises BadInput where it has not, and where one is another now.
    """
    stored = store.results(ANNOTATED_OBJECTS)
    if not stored.files():
        raise BadInput("the annotations have not been read: materialise the asset 'annotated_objects' first")
    versions = stored.made_from() or {}
    every = read_annotations(store, dataset, [one for one in dataset.annotations if one.name in versions], log)
    changed = [known.annotation.name for known in every if known.version != versions[known.annotation.name]]
    if changed:
        raise BadInput(
            f"the annotations {changed} are other ones than were registered: materialise the asset 'annotated_objects' again"
        )
    return every


def _mask(dataset: DetectionDataset, annotation: Annotation, voxels_before: int) -> Known:
    from synapse_assets.volumes import open_labels, open_volume

    assert annotation.labels is not None  # noqa: S101 -- a mask has labels
    labels = open_labels(annotation.labels)
    spec, volume = annotation.labels, open_volume(dataset.volumes[annotation.volume])
    name, size = f"annotation '{annotation.name}'", volume.voxel_size_nm
    if not np.allclose(labels.voxel_size_nm, size, rtol=_SAME_SIZE):
        raise BadInput(
            f"{name} has voxels of {_by(labels.voxel_size_nm)} nm (x, y, z), volume '{annotation.volume}' of {_by(size)} nm: write the "
            "mask at the resolution of the volume, or name the scale of the volume that has the mask's"
        )
    (low, high), (first, last) = (
        tuple(tuple(edge[::-1].tolist()) for edge in one.bounds_voxels) for one in (labels, volume)
    )
    says_where = spec.offset_voxels is not None or spec.kind == "precomputed" or any(low)
    if (low, high) != (first, last) and not says_where:
        raise BadInput(
            f"{name} is {_by(np.subtract(high, low)[::-1])} voxels (x, y, z), volume '{annotation.volume}' "
            f"{_by(np.subtract(last, first)[::-1])} from voxel {list(first[::-1])}: where the mask is of a part of the volume, say with "
            "offset_voxels where its first voxel lies"
        )
    if any(a < b for a, b in zip(low, first, strict=True)) or any(a > b for a, b in zip(high, last, strict=True)):
        raise BadInput(
            f"{name} reaches from voxel {list(low[::-1])} to {list(high[::-1])} (x, y, z), outside of volume '{annotation.volume}', which "
            f"spans {list(first[::-1])} to {list(last[::-1])}: check its offset_voxels and that of the volume"
        )
    low, high = _annotated(annotation, low, high)
    voxels = int(np.prod(np.subtract(high, low)))
    # Ids are 8 bytes while they are read, and grey values are held beside.
    refuse_more_than_fits((voxels_before + voxels) * 5, voxels_before + voxels)
    numbers, ids = _numbered(labels, low, high, annotation.ids)
    if len(ids) == 1:
        numbers, ids = _connected(numbers)
    names = tuple(f"{annotation.name}_{number}" for number in ids)
    return Known(annotation, low, high, numbers, measured(numbers, names, low, size))


def _annotated(annotation: Annotation, low: Corner, high: Corner) -> tuple[Corner, Corner]:
    """What of the box [low, high) (z, y, x) is annotated. Raises BadInput where that is nothing."""
    if annotation.box_voxels is None:
        return low, high
    first, last = (edge[::-1] for edge in annotation.box_voxels)
    low, high = (
        (max(low[0], first[0]), max(low[1], first[1]), max(low[2], first[2])),
        (min(high[0], last[0]), min(high[1], last[1]), min(high[2], last[2])),
    )
    if any(a >= b for a, b in zip(low, high, strict=True)):
        raise BadInput(
            f"annotation '{annotation.name}': box_voxels {[list(edge) for edge in annotation.box_voxels]} lies outside of what is "
            f"annotated of volume '{annotation.volume}': check it, and the offset_voxels of both"
        )
    return low, high


def _numbered(labels: Any, low: Corner, high: Corner, which: str) -> tuple[Numbers, list[int]]:
    """The ids that are meant, in ascending order, and the box as their places among them, from 1."""
    import pandas as pd

    numbers = np.zeros(np.subtract(high, low), np.uint32)
    met: dict[int, int] = {}
    step = max(1, _SLAB_VOXELS // int(np.prod(numbers.shape[1:])))
    for start in range(low[0], high[0], step):
        end = min(start + step, high[0])
        slab = labels.read_box((low[2], low[1], start), (high[2], high[1], end))
        marked = slab > 0
        # By a table of what was met: most voxels are of nothing, and sorting the others would take ten times as long.
        place, ids = pd.factorize(np.ones(int(marked.sum()), np.uint64) if which == "mask" else slab[marked])
        wanted = (ids % 2 == (which == "odd")) | (which in ("all", "mask"))
        here = [
            met.setdefault(number, len(met) + 1) if meant else 0
            for number, meant in zip(ids.tolist(), wanted.tolist(), strict=True)
        ]
        numbers[start - low[0] : end - low[0]][marked] = np.array(here, np.uint32)[place]
    ids_met = sorted(met)
    order = np.zeros(len(met) + 1, np.uint32)
    for place_now, number in enumerate(ids_met, start=1):
        order[met[number]] = place_now
    return order[numbers], ids_met


def _connected(mask: Numbers) -> tuple[Numbers, list[int]]:
    """What is connected in a mask, at corners too, as objects 1, 2, ..."""
    from synapse_assets.analysis.detection.components import labelled

    connected = labelled(mask > 0, (1.0, 1.0, 1.0)).astype(np.uint32)
    return connected, list(range(1, int(connected.max(initial=0)) + 1))


def measured(labels: Numbers, ids: Sequence[str], low: Corner, voxel_size_nm: Xyz) -> Objects:
    """The objects of labels (z, y, x), of which row i is i + 1, whose first voxel is `low`."""
    count, spacing = len(ids), np.array(voxel_size_nm[::-1])
    flat = np.flatnonzero(labels)
    row = labels.ravel()[flat].astype(np.int64) - 1
    places = np.stack(np.unravel_index(flat, labels.shape), axis=1)
    voxels = np.bincount(row, minlength=count)
    sums = np.stack([np.bincount(row, places[:, axis], count) for axis in range(3)], axis=1)
    middle = sums / np.maximum(voxels, 1)[:, None]
    away = (((places - middle[row]) * spacing) ** 2).sum(axis=1)
    order = np.lexsort((away, row))
    nearest = np.zeros((count, 3))
    present = voxels > 0
    nearest[present] = places[order[(np.cumsum(voxels) - voxels)[present]]]
    levels = np.unique(row * labels.shape[0] + places[:, 0]) // max(1, labels.shape[0])
    return Objects(
        tuple(ids),
        ((nearest + low + 0.5) * spacing)[:, ::-1],
        (voxels * float(spacing.prod())).astype(np.float64),
        np.bincount(levels, minlength=count).astype(np.int64),
        (None,) * count,
    )


def _points(store: DatasetStore, dataset: DetectionDataset, annotation: Annotation) -> Known:
    from synapse_assets.sources import RegionNames, read_source
    from synapse_assets.volumes import open_volume

    assert annotation.points is not None  # noqa: S101 -- without labels there are points
    spec = dataset.volumes[annotation.volume]
    volume = open_volume(spec)
    source = watched_files(annotation)
    batches = list(read_source(source, spec, RegionNames(dataset.missing_region), raw=store.raw))
    table = pa.concat_tables(batches) if batches else None
    ids = [] if table is None else table.column("synapse_id").to_pylist()
    position = np.zeros((0, 3))
    partners: list[str | None] = []
    if table is not None:
        position = np.stack([table.column(f"{axis}_nm").to_numpy() for axis in "xyz"], axis=1).astype(np.float64)
        partners = [None if value is None else str(value) for value in table.column("object_id").to_pylist()]
    rows = _one_row_each(annotation, ids, position)
    inside = volume.contains(position[rows]) if len(rows) else np.zeros(0, np.bool_)
    low, high = (tuple(edge[::-1].tolist()) for edge in volume.bounds_voxels)
    if len(rows) and not inside.any():
        raise BadInput(
            f"annotation '{annotation.name}': all of its {len(rows):,} points lie outside of volume '{annotation.volume}', the first at "
            f"{position[rows[0]].tolist()} nm (x, y, z); its voxels span {list(low[::-1])} to {list(high[::-1])}: check units, columns and "
            "the volume's voxel_size_nm"
        )
    low, high = _annotated(annotation, low, high)
    at = volume.voxel_of(position[rows])[:, ::-1]
    kept = rows[inside & ((at >= low) & (at < high)).all(axis=1)]
    count = len(kept)
    objects = Objects(
        tuple(f"{annotation.name}_{ids[row]}" for row in kept.tolist()),
        position[kept],
        np.full(count, np.nan),
        np.zeros(count, np.int64),
        # By the id in its table; `_with_partners` finds the object.
        tuple(partners[row] for row in kept.tolist()),
    )
    return Known(annotation, low, high, None, objects, int((~inside).sum()))


def _one_row_each(annotation: Annotation, ids: Sequence[str], position: Floats) -> npt.NDArray[np.int64]:
    """The first row of each id: a table may have a row for each partner of a site. Raises BadInput where an id is at two places."""
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        before = first.setdefault(name, row)
        if before != row and not np.array_equal(position[before], position[row]):
            raise BadInput(
                f"annotation '{annotation.name}': {name} is at {position[before].tolist()} and at {position[row].tolist()} nm: give each "
                "site an id of its own, or leave out columns.synapse_id"
            )
    return np.array(sorted(first.values()), np.int64)


def _with_partners(known: Known, every: Sequence[Known]) -> Known:
    """With the presynaptic objects of postsynaptic ones, as far as they are known."""
    if known.annotation.target != "postsynaptic":
        return replace(known, objects=replace(known.objects, partners=(None,) * len(known.objects)))
    partners: list[str | None] = [None] * len(known.objects)
    for other in every:
        same_kind = (other.labels is None) == (known.labels is None)
        if (
            other.annotation.target != "presynaptic"
            or other.annotation.volume != known.annotation.volume
            or not same_kind
        ):
            continue
        there = set(other.objects.ids)
        for row, name in enumerate(known.objects.ids):
            partner = _partner(known, row, name, other)
            if partners[row] is None and partner in there:
                partners[row] = partner
    return replace(known, objects=replace(known.objects, partners=tuple(partners)))


def _partner(known: Known, row: int, name: str, other: Known) -> str | None:
    """What the presynaptic object of a postsynaptic one would be called in another annotation."""
    if known.labels is None:
        return None if known.objects.partners[row] is None else f"{other.annotation.name}_{known.objects.partners[row]}"
    if min(len(known.objects), len(other.objects)) < 2:
        return None
    number = int(name.removeprefix(f"{known.annotation.name}_"))
    if (other.annotation.ids, known.annotation.ids) == ("odd", "even"):
        number -= 1
    return f"{other.annotation.name}_{number}"


def _check_memory(every: Sequence[Known]) -> None:
    """Raises BadInput where the boxes of the volumes that are annotated, and their labels, are too large together."""
    labels = sum(4 * known.labels.size for known in every if known.labels is not None)
    voxels = sum(int(np.prod(np.subtract(high, low))) for low, high in extents(every).values())
    refuse_more_than_fits(labels + 2 * voxels, voxels)


def refuse_more_than_fits(needed: int, voxels: int) -> None:
    """Raises BadInput where what is known of so many voxels needs more bytes than are taken."""
    if needed > MOST_BYTES:
        raise BadInput(
            f"{voxels:,} annotated voxels need {needed / 1e9:.1f} GB of memory, and at most {MOST_BYTES / 1e9:.0f} GB are taken: annotate "
            "a smaller box, cut out volume and annotation as a dataset of their own, or name a coarser scale of both"
        )


# Parts


def extents(every: Sequence[Known]) -> dict[str, tuple[Corner, Corner]]:
    """The box, z, y, x in voxels, of each volume that its annotations lie in, by the volume's name in the order of the annotations."""
    boxes: dict[str, tuple[Corner, Corner]] = {}
    for known in every:
        low, high = boxes.get(known.annotation.volume, (known.low, known.high))
        boxes[known.annotation.volume] = (
            tuple(np.minimum(low, known.low).tolist()),
            tuple(np.maximum(high, known.high).tolist()),
        )
    return boxes


def parts_of(every: Sequence[Known], hold_out: tuple[int, int, int]) -> list[Part]:
    """The parts of every annotated volume, as many along x, y, z as `hold_out` says, numbered over all volumes."""
    parts: list[Part] = []
    for volume, (low, high) in extents(every).items():
        edges = [
            [a + (b - a) * step // count for step in range(count + 1)]
            for a, b, count in zip(
                low, high, (min(n, b - a) for n, a, b in zip(hold_out[::-1], low, high, strict=True)), strict=True
            )
        ]
        for z, y, x in product(*(range(len(along) - 1) for along in edges)):
            corners = [
                tuple(along[place + more] for along, place in zip(edges, (z, y, x), strict=True)) for more in (0, 1)
            ]
            parts.append(Part(len(parts), volume, corners[0], corners[1], low))  # type: ignore[arg-type]
    return parts


def part_of(position_nm: Floats, volume: str, parts: Sequence[Part], voxel_size_nm: Xyz) -> npt.NDArray[np.int32]:
    """The number of the part that each position (N, 3), x, y, z, in the annotated box of a volume lies in, int32 (N,)."""
    numbers = np.full(len(position_nm), -1, np.int32)
    for part in parts:
        if part.volume == volume:
            numbers[part.holds(position_nm, voxel_size_nm)] = part.number
    return numbers


def _table(every: Sequence[Known], parts: Sequence[Part], dataset: DetectionDataset) -> pa.Table:
    """`schema.detection.ANNOTATED_OBJECTS`."""
    tables = [ANNOTATED_OBJECTS.empty()]
    for known in every:
        objects, annotation = known.objects, known.annotation
        point = known.labels is None
        count = len(objects)
        columns = {
            "object_id": list(objects.ids),
            "annotation": [annotation.name] * count,
            "target": [annotation.target] * count,
            "volume": [annotation.volume] * count,
            **{f"{axis}_nm": objects.position_nm[:, place] for place, axis in enumerate("xyz")},
            "volume_nm3": [None] * count if point else objects.volume_nm3,
            "sections": [None] * count if point else objects.sections,
            "fold": part_of(objects.position_nm, annotation.volume, parts, dataset.voxel_size_nm),
            "partner": list(objects.partners),
        }
        tables.append(
            ANNOTATED_OBJECTS.conform(
                pa.table(
                    {column.name: pa.array(columns[column.name], column.type) for column in ANNOTATED_OBJECTS.columns}
                )
            )
        )
    return pa.concat_tables(tables)


def _summary(every: Sequence[Known]) -> str:
    rows = []
    for known in every:
        kind = "points" if known.labels is None else "mask"
        size = _by(np.subtract(known.high, known.low)[::-1])
        rows.append(
            [
                known.annotation.name,
                known.annotation.volume,
                known.annotation.target,
                kind,
                size,
                f"{len(known.objects):,}",
            ]
        )
    return markdown_table(["annotation", "volume", "target", "kind", "voxels annotated", "objects"], rows)


def _by(sizes: Iterable[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
