"""What another dataset's detector found around the synapses of a region: the nearest mitochondrion, and the share of the surroundings.

Maps of mitochondria and the mitochondria themselves belong to `pipeline.detection`, what is measured around a point to
`analysis.detection.surroundings`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.detector_maps import Corner, corner, in_most, map_in, pixels_of, rules_of
from synapse_assets.pipeline.report import Check, Report, Stopwatch, progress_logger
from synapse_assets.schema.detection import MITOCHONDRIA, PROBABILITY_MAPS, SYNAPSE_MITOCHONDRIA, VOLUME_BLOCKS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.analysis.detection.sites import Rules
    from synapse_assets.stores.volume_maps import VolumeMap

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Box = tuple[Corner, Corner]
_PLACES = ["synapse_id", "brain_region", "volume", "x_nm", "y_nm", "z_nm"]
_AXES = ("x_nm", "y_nm", "z_nm")
# Synapses in a box of this size are looked around together.
_BOX_NM = 2_000.0
# A mitochondrion that leaves the surroundings is followed so far, to find out which one it is; never into more voxels than these.
_FOLLOWED_NM = (1_000.0, 3_000.0, 8_000.0)
_MOST_VOXELS = 1 << 27
# A place so little, in pixels or nm, before an edge lies on it.
_SLACK = 1e-6


@dataclass(frozen=True)
class _Around:
    """What is around N points. row: int64 (N,), the nearest mitochondrion's row of the table; -1 where none is near, or it could not be
    followed. distance_nm: (N,), nan where none is near. share: (N,), nan where that cannot be said. mapped: bool (N,)."""

    row: Indices
    distance_nm: Floats
    share: Floats
    mapped: npt.NDArray[np.bool_]


def look_around(store: DatasetStore, dataset: EmDataset, other: DatasetStore, region: str, log: Logger) -> Report:
    """Writes what mitochondria there are around each synapse of a region, as the dataset stored in `other` found them.

    Raises BadInput where that dataset has found no mitochondria yet, has none of the volumes, or another voxel size of one.
    """
    watch = Stopwatch()
    synapses = store.synapses.read(region, _PLACES)
    found = _Found.read(other, dataset)
    points = np.stack([synapses.column(axis).to_numpy() for axis in _AXES], axis=1)
    volumes = synapses.column("volume").to_numpy(zero_copy_only=False)
    row, mapped = np.full(len(points), -1, np.int64), np.zeros(len(points), bool)
    distance, share = np.full(len(points), np.nan), np.full(len(points), np.nan)
    progress, done = progress_logger(log.info, f"{region}: synapses", len(points)), 0
    for volume, volume_map in found.maps.items():
        rows = np.flatnonzero(found.volumes == volume)
        for at in _boxes(points, np.flatnonzero(volumes == volume)):
            around = _around(points[at], volume_map, found.places_nm[rows], found.rules, dataset.mitochondria_radius_nm)
            row[at] = np.where(around.row < 0, -1, rows[around.row] if len(rows) else -1)
            distance[at], share[at], mapped[at] = around.distance_nm, around.share, around.mapped
            done += len(at)
            progress(done)
    table = _table(synapses, found, row, distance, share)
    results = store.results(SYNAPSE_MITOCHONDRIA)
    results.write_partition(region, table)
    near = np.isfinite(distance)
    return Report(
        details={
            "detector_version": found.version,
            "near_a_mitochondrion": int(near.sum()),
            "none_near": int((mapped & ~near).sum()),
            "not_searched": int((~mapped).sum()),
            "not_followed_to_its_end": int((near & (row < 0)).sum()),
            "mean_share": float(np.nanmean(share)) if np.isfinite(share).any() else None,
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table.drop_columns(["brain_region"])),
        checks=[
            Check(
                "rows_match_upstream",
                results.read(region, ["synapse_id"]).num_rows == synapses.num_rows,
                f"{table.num_rows:,} rows for {synapses.num_rows:,} synapses",
                numbers={"rows": table.num_rows, "upstream": synapses.num_rows},
            ),
            Check(
                "mapped",
                bool(mapped.all()),
                f"{int((~mapped).sum()):,} of {synapses.num_rows:,} synapses lie where {other.dataset} has not looked for mitochondria",
                warn=True,
                numbers={"not_searched": int((~mapped).sum())},
            ),
        ],
    )


@dataclass(frozen=True)
class _Found:
    """What another dataset has found. table: `schema.detection.MITOCHONDRIA`, N rows by rising x; volumes, places_nm: (N,) and (N, 3) of
    them. maps: by the volumes that both datasets have. version: of the detector; rules: how objects are made of its maps."""

    table: pa.Table
    volumes: npt.NDArray[np.object_]
    places_nm: Floats
    maps: Mapping[str, "VolumeMap"]
    rules: "Rules"
    version: str

    @classmethod
    def read(cls, other: DatasetStore, dataset: EmDataset) -> "_Found":
        """Raises BadInput as `look_around` does."""
        rows = other.results(PROBABILITY_MAPS).read(columns=["volume", "detector", "version", "target", "path"])
        rows = rows.filter(pc.equal(rows.column("target"), "mitochondria"))
        if not rows.num_rows or not other.results(MITOCHONDRIA).files():
            raise BadInput(
                f"{other.dataset} has found no mitochondria yet: materialise {other.dataset}/probability_maps and "
                f"{other.dataset}/mitochondria first, or take mitochondria_from out of the YAML of {dataset.name}"
            )
        _require_same_voxels(other, dataset)
        version, detector = in_most(rows)
        rows = rows.filter(pc.equal(rows.column("version"), version))
        table = other.results(MITOCHONDRIA).read()
        table = table.filter(pc.equal(table.column("version"), version)).sort_by("x_nm")
        places = {row["volume"]: row["path"] for row in rows.to_pylist()}
        return cls(
            table,
            table.column("volume").to_numpy(zero_copy_only=False),
            np.stack([table.column(axis).to_numpy() for axis in _AXES], axis=1),
            {volume: map_in(other, path) for volume, path in places.items() if volume in dataset.volumes},
            rules_of(other, version, detector),
            version,
        )


def _require_same_voxels(other: DatasetStore, dataset: EmDataset) -> None:
    columns = ["volume", *(f"voxel_{axis}_nm" for axis in "xyz")]
    sizes = {
        row.pop("volume"): tuple(row.values()) for row in other.results(VOLUME_BLOCKS).read(columns=columns).to_pylist()
    }
    shared = [name for name in dataset.volumes if name in sizes]
    if not shared:
        raise BadInput(
            f"{dataset.name} has the volumes {list(dataset.volumes)}, and {other.dataset}, which mitochondria_from names, {sorted(sizes)}: "
            "volumes are the same by their names, so name them alike in both YAML files"
        )
    for name in shared:
        own = dataset.volumes[name].voxel_size_nm
        if not np.allclose(own, sizes[name], rtol=1e-6):
            raise BadInput(
                f"volume '{name}' of {dataset.name} has voxels of {own} nm, that of {other.dataset}, which mitochondria_from names, of "
                f"{sizes[name]} nm: is it the same volume? Give it the same voxel_size_nm in both YAML files, or another name in one"
            )


def _boxes(points_nm: Floats, rows: Indices) -> Iterator[Indices]:
    """The rows of points (N, 3) that lie in one box, box by box."""
    if not len(rows):
        return
    _, box = np.unique(np.floor(points_nm[rows] / _BOX_NM).astype(np.int64), axis=0, return_inverse=True)
    order = np.argsort(box, kind="stable")
    yield from (rows[part] for part in np.split(order, np.flatnonzero(np.diff(box[order])) + 1))


def _around(points_nm: Floats, volume_map: "VolumeMap", places_nm: Floats, rules: "Rules", radius_nm: float) -> _Around:
    """What is around points (N, 3) near each other; places_nm (M, 3): a place in each of the volume's mitochondria, by rising x."""
    from synapse_assets.analysis.detection.surroundings import bodies_near

    count = len(points_nm)
    row, distance, share = np.full(count, -1, np.int64), np.full(count, np.nan), np.full(count, np.nan)
    mapped = _mapped(points_nm, volume_map, radius_nm)
    if mapped.any():
        points = points_nm[mapped]
        bodies = _followed(volume_map, points.min(axis=0) - radius_nm, points.max(axis=0) + radius_nm, places_nm, rules)
        around = bodies_near(points, bodies.labels, bodies.low[::-1], volume_map.pixel_size_nm, radius_nm)
        distance[mapped], share[mapped] = around.distance_nm, around.share
        row[mapped] = [bodies.row(label, place, places_nm) for label, place in zip(around.body, points, strict=True)]
    return _Around(row, distance, share, mapped)


@dataclass(frozen=True)
class _Bodies:
    """Mitochondria in a box of a map. labels: int32 (z, y, x), 0 for none, from the pixel `low` on; rows, row_label: int64 (K,), the known
    ones whose place lies in the box, and the label of each there; unknown: whether one is none of these, and goes on beyond the box."""

    low: Corner
    labels: npt.NDArray[np.int32]
    rows: Indices
    row_label: Indices
    unknown: bool

    def row(self, label: int, place_nm: Floats, places_nm: Floats) -> int:
        """Which of the known ones a label is; of several that touch there, the one whose place is nearest. -1 for none."""
        rows = self.rows[self.row_label == label] if label else []
        if len(rows) < 2:
            return int(rows[0]) if len(rows) else -1
        return int(rows[((places_nm[rows] - place_nm) ** 2).sum(axis=1).argmin()])


def _followed(
    volume_map: "VolumeMap", lowest_nm: Floats, highest_nm: Floats, places_nm: Floats, rules: "Rules"
) -> _Bodies:
    """The mitochondria in a box at least as large as that, each followed until it is known which it is, as far as is sensible."""
    inner = _box(volume_map, lowest_nm, highest_nm)
    bodies = _bodies(volume_map, inner, inner, places_nm, rules)
    for followed_nm in _FOLLOWED_NM:
        box = _box(volume_map, lowest_nm - followed_nm, highest_nm + followed_nm)
        if not bodies.unknown or math.prod(b - a for a, b in zip(*box, strict=True)) > _MOST_VOXELS:
            break
        bodies = _bodies(volume_map, inner, box, places_nm, rules)
    return bodies


def _bodies(volume_map: "VolumeMap", inner: Box, box: Box, places_nm: Floats, rules: "Rules") -> _Bodies:
    """The mitochondria in a box of a map around an inner one: what is known to be one, and what goes on beyond the box."""
    from synapse_assets.analysis.detection.components import labelled
    from synapse_assets.analysis.detection.voxels import at_least

    low, high = map(np.array, box)
    mask = at_least(pixels_of(volume_map, *box), rules.threshold)
    labels = labelled(mask, volume_map.pixel_size_nm, split_nm=rules.split_nm)
    pixel_nm = np.array(volume_map.pixel_size_nm)
    rows = np.arange(*np.searchsorted(places_nm[:, 0], np.array([low[2] - 1, high[2] + 1]) * pixel_nm[0]))
    pixels = np.floor(places_nm[rows] / pixel_nm + _SLACK).astype(np.int64)[:, ::-1] - low
    inside = ((pixels >= 0) & (pixels < high - low)).all(axis=1)
    rows, row_label = rows[inside], labels[tuple(pixels[inside].T)].astype(np.int64)
    is_known = np.zeros(int(labels.max(initial=0)) + 1, bool)
    is_known[row_label] = True
    goes_on = np.zeros_like(is_known)
    for axis in range(3):
        for at, is_end in ((0, low[axis] == volume_map.low[axis]), (-1, high[axis] == volume_map.high[axis])):
            if not is_end:
                goes_on[np.unique(labels.take(at, axis=axis))] = True
    unknown = goes_on & ~is_known
    unknown[0] = False
    # What is neither is too small or too large to be one.
    labels[~(is_known | unknown)[labels]] = 0
    within = tuple(slice(a, b) for a, b in zip(inner[0] - low, inner[1] - low, strict=True))
    return _Bodies(box[0], labels, rows, row_label, bool(unknown[labels[within]].any()))


def _mapped(points_nm: Floats, volume_map: "VolumeMap", radius_nm: float) -> npt.NDArray[np.bool_]:
    """Whether each point (N, 3) lies in the map, and all chunks of it that its surroundings touch are there."""
    ends_nm = [np.array(corner[::-1]) * volume_map.pixel_size_nm for corner in (volume_map.low, volume_map.high)]
    mapped = np.asarray(((points_nm >= ends_nm[0] - _SLACK) & (points_nm < ends_nm[1])).all(axis=1))
    if mapped.any():
        around = _box(volume_map, points_nm[mapped].min(axis=0) - radius_nm, points_nm[mapped].max(axis=0) + radius_nm)
        for absent in volume_map.missing_chunks(*around):
            first, end = (np.array(corner[::-1]) * volume_map.pixel_size_nm for corner in absent)
            mapped &= ~((points_nm + radius_nm > first) & (points_nm - radius_nm < end)).all(axis=1)
    return mapped


def _box(volume_map: "VolumeMap", lowest_nm: Floats, highest_nm: Floats) -> Box:
    """First pixel and one past the last, z, y, x, of the part of the map between two places, x, y, z."""
    pixel_nm = np.array(volume_map.pixel_size_nm)
    low = np.floor(lowest_nm / pixel_nm)[::-1].clip(volume_map.low, volume_map.high)
    high = np.ceil(highest_nm / pixel_nm)[::-1].clip(volume_map.low, volume_map.high)
    return corner(low), corner(high)


def _table(synapses: pa.Table, found: _Found, row: Indices, distance_nm: Floats, share: Floats) -> pa.Table:
    """The rows of `schema.detection.SYNAPSE_MITOCHONDRIA`, in the order of their ids."""
    at = pa.array(row, mask=row < 0)
    columns = {
        "synapse_id": synapses.column("synapse_id"),
        "brain_region": synapses.column("brain_region"),
        "mitochondrion_id": found.table.column("mitochondrion_id").take(at),
        "mitochondrion_distance_nm": pa.array(distance_nm, from_pandas=True),
        "mitochondrion_nm3": found.table.column("volume_nm3").take(at),
        "mitochondria_near_share": pa.array(share, from_pandas=True),
        "detector_version": pa.repeat(pa.scalar(found.version), len(row)),
    }
    return SYNAPSE_MITOCHONDRIA.conform(pa.table(columns)).sort_by("synapse_id")
