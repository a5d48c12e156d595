"""A round of boxes that people are asked to look through: where the map of the detector in use is least sure, and some at random.

The measure belongs to `analysis.labelling.uncertainty`, what people say to `reviews`. Whatever chose a box, it is learnt from and never
tested on: detectors are tested on what the dataset's YAML annotates, which no box comes near.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from logging import Logger
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.detection.blocks import Block, blocks_by_key, edges_of, volume_keys
from synapse_assets.pipeline.detection.labelling.boxes import (
    APART_FROM_TEST_NM,
    BEYOND,
    MOST_SITES,
    Box,
    annotated_boxes,
    asked_detector,
    packed,
)
from synapse_assets.pipeline.detection.maps import Maps
from synapse_assets.pipeline.detection.stored import Detector, detector_in_use
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema.detection import DETECTIONS, PROBABILITY_MAPS
from synapse_assets.schema.labelling import BOX_SUGGESTIONS, BY_CHANCE, BY_STRATEGY, SUGGESTED_SITES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key
from synapse_assets.stores.volume_maps import Corner

_LOOKED_NM = 500.0
"""So far around a box its objects are followed, to know which of them is whose."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def suggest_boxes(store: DatasetStore, dataset: DetectionDataset, round_name: str, device: str, log: Logger) -> Report:
    """Writes the boxes of a round and what was detected in them; a round that was written stays as it is, unless it asks nothing.

    A box is asked about once, and only where maps and detections are those of the detector in use. There may be fewer than a round has
    boxes, or none: the report says why. Raises BadInput where no detector is in use, or none of the volumes was searched by it.
    """
    watch = Stopwatch()
    choice = dataset.labelling
    assert choice is not None  # noqa: S101 -- only a dataset that is labelled has this asset
    boxes, sites = store.results(BOX_SUGGESTIONS), store.results(SUGGESTED_SITES)
    if boxes.partitions().get(round_name):
        return _report(boxes.read(round_name), sites.read(round_name), choice.batch, "as it was asked before", 0, watch)
    detector = detector_in_use(store, dataset, asked_detector(dataset))
    asked = [Box.of(row) for row in boxes.read(columns=list(Box.COLUMNS)).to_pylist()]
    annotated = annotated_boxes(dataset)
    size = dataset.voxel_size_nm
    searched = list(_searched(store, dataset, detector))
    if not searched:
        raise BadInput(
            f"nothing was searched by the detector in use ({detector.version}): materialise probability_maps and detections of "
            f"{dataset.name} first"
        )
    pool: list[_Grid] = []
    left_out = {"asked before": 0, "near what is annotated": 0, "not searched by the detector in use": 0}
    for volume in dataset.searched:
        maps = Maps.of(store, dataset, detector, volume, device)
        grid = _grid(dataset, maps, volume, [block for block in searched if block.volume == volume])
        for why, unfit in (
            ("not searched by the detector in use", np.isnan(grid.uncertainty)),
            ("asked before", grid.overlapping(asked)),
            ("near what is annotated", grid.nearer(annotated, APART_FROM_TEST_NM)),
        ):
            left_out[why] += grid.leave_out(unfit)
        pool.append(grid)
    free = sum(int(grid.free.sum()) for grid in pool)
    log.info(f"{round_name}: {free:,} boxes to choose from; left out: {left_out}")
    chosen = _in_order(_chosen(pool, dataset, round_name), size)
    rows, site_rows = [], []
    for rank, (candidate, origin) in enumerate(chosen):
        maps = Maps.of(store, dataset, detector, candidate.box.volume, device)
        found = _Found.of(candidate.box, _detections(store, candidate.box, searched), maps, dataset)
        rows.append(
            {
                "round": round_name,
                "rank": rank,
                **candidate.box.columns,
                "origin": origin,
                "strategy": "uncertainty" if origin == BY_STRATEGY else "random",
                "uncertainty": candidate.uncertainty,
                "model_version": detector.version,
                "marked": found.marked,
            }
        )
        site_rows += [{"round": round_name, "box": candidate.box.box, **site} for site in found.sites]
    table = BOX_SUGGESTIONS.conform(pa.Table.from_pylist(rows, schema=BOX_SUGGESTIONS.arrow))
    site_table = SUGGESTED_SITES.conform(pa.Table.from_pylist(site_rows, schema=SUGGESTED_SITES.arrow))
    # Sites first: a round is there once its boxes are.
    sites.write_partition(round_name, site_table, {detector.name: detector.version})
    boxes.write_partition(round_name, table, {detector.name: detector.version})
    said = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
    return _report(table, site_table, choice.batch, f"left out: {said}" if said else "all boxes", free, watch)


def _report(boxes: pa.Table, sites: pa.Table, batch: int, said: str, pool: int, watch: Stopwatch) -> Report:
    listed = [(row["rank"], row["box"], row["strategy"], f"{row['uncertainty']:.4f}") for row in boxes.to_pylist()[:20]]
    short = f"{boxes.num_rows} of {batch} boxes ({said})"
    return Report(
        details={
            "boxes": Markdown(markdown_table(["rank", "box", "chosen by", "mean entropy, bits"], listed)),
            "sites": sites.num_rows,
            "pool": pool,
            "said": said,
        },
        seconds=watch.seconds,
        rows=boxes.num_rows,
        computed_rows=boxes.num_rows if pool else 0,
        content_version=content_key(boxes.drop_columns(["marked"]), content_key(sites)),
        checks=[
            Check(
                "round_is_full",
                boxes.num_rows == batch,
                short
                if boxes.num_rows
                else f"there is no box to ask about any more ({said}): set another labelling.box_nm, or search more blocks, and "
                "materialise this round again: it is chosen anew",
                warn=True,
                numbers={"boxes": boxes.num_rows},
            )
        ],
    )


@dataclass(frozen=True)
class _Candidate:
    """A box of a grid. uncertainty: mean entropy of the map in bits."""

    box: Box
    uncertainty: float


@dataclass(frozen=True)
class _Grid:
    """All boxes of a volume side by side, of which there may be millions; arrays are (Z, Y, X).

    edges: along z, y and x the first voxels of the boxes, and one past the last. uncertainty: mean entropy of the map in bits, nan where
    not all of a box was searched. free: which may be chosen.
    """

    volume: str
    key: str
    edges: tuple[Ints, Ints, Ints]
    voxel_size_nm: tuple[float, float, float]
    uncertainty: Floats
    free: Bools

    def candidate(self, number: int) -> _Candidate:
        """The box of that number, x running fastest."""
        at = np.unravel_index(number, self.free.shape)
        z, y, x = ((int(along[place]), int(along[place + 1])) for along, place in zip(self.edges, at, strict=True))
        box = Box(f"{self.key}_box_{x[0]}_{y[0]}_{z[0]}", self.volume, (x[0], y[0], z[0]), (x[1], y[1], z[1]))
        return _Candidate(box, float(self.uncertainty[at]))

    def leave_out(self, unfit: Bools) -> int:
        """These are not free any more; gives how many were until now."""
        now = int((self.free & unfit).sum())
        self.free[unfit] = False
        return now

    def overlapping(self, others: Iterable[Box]) -> Bools:
        """Which share a voxel with one of the others."""
        found = np.zeros(self.free.shape, np.bool_)
        for other in others:
            if other.volume == self.volume:
                found[
                    tuple(
                        slice(int((along[1:] <= low).sum()), int((along[:-1] < high).sum()))
                        for along, low, high in zip(self.edges, other.low[::-1], other.high[::-1], strict=True)
                    )
                ] = True
        return found

    def nearer(self, others: Iterable[Box], apart_nm: float) -> Bools:
        """Which lie nearer than that to one of the others; see `Box.distance_nm`."""
        found = np.zeros(self.free.shape, np.bool_)
        for other in others:
            if other.volume == self.volume:
                z, y, x = (
                    (np.maximum(0, np.maximum(low - along[1:], along[:-1] - high)) * nm) ** 2
                    for along, low, high, nm in zip(
                        self.edges, other.low[::-1], other.high[::-1], self.voxel_size_nm[::-1], strict=True
                    )
                )
                found |= z[:, None, None] + y[:, None] + x < apart_nm**2
        return found


def _searched(store: DatasetStore, dataset: DetectionDataset, detector: Detector) -> Iterator[Block]:
    """The blocks whose map and sites are of that version of the detector."""
    rows = store.results(PROBABILITY_MAPS).read(columns=["block", "detector", "version"]).to_pylist()
    mapped = {row["block"] for row in rows if (row["detector"], row["version"]) == (detector.name, detector.version)}
    blocks = blocks_by_key(store, dataset)
    for key in sorted(mapped & blocks.keys()):
        made_from = store.results(DETECTIONS).made_from(key) or {}
        if made_from.get(detector.name) == detector.version:
            yield blocks[key]


def _grid(dataset: DetectionDataset, maps: Maps, volume: str, ready: Sequence[Block]) -> _Grid:
    """The boxes of a volume, all of them free. Its map is read chunk by chunk."""
    from synapse_assets.analysis.labelling.uncertainty import mean_entropy

    assert dataset.labelling is not None  # noqa: S101 -- see `suggest_boxes`
    factor = maps.detector.network.spec.factor
    low, high = maps.volume_bounds
    sizes = [
        max(1, round(nm / voxel))
        for nm, voxel in zip(dataset.labelling.box_nm[::-1], dataset.voxel_size_nm[::-1], strict=True)
    ]
    edges = [edges_of(*ends, 1) for ends in zip(low, high, sizes, strict=True)]
    # A pixel belongs to the box that its first voxel lies in, one that begins before the volume to the first.
    pixels = [
        np.array([first, *(-(-edge // side) for edge in along[1:-1]), last], np.int64)
        for along, side, first, last in zip(edges, (1, factor, factor), maps.low, maps.high, strict=True)
    ]
    if any((np.diff(along) < 1).any() for along in pixels):
        raise BadInput(
            f"labelling.box_nm {list(dataset.labelling.box_nm)} is smaller than a pixel of the detector "
            f"({maps.pixel_size_nm[0]:g} nm) somewhere in volume '{volume}': set larger boxes in the dataset's YAML"
        )
    means = mean_entropy(_parts(maps, ready), (pixels[0], pixels[1], pixels[2]))
    z, y, x = (np.array(along, np.int64) for along in edges)
    key, free = volume_keys(dataset.searched)[volume], np.ones(means.shape, np.bool_)
    return _Grid(volume, key, (z, y, x), dataset.voxel_size_nm, means, free)


def _parts(maps: Maps, ready: Sequence[Block]) -> Iterator[tuple[Corner, npt.NDArray[np.uint8]]]:
    """The map of the target that sites are of, each pixel of the blocks once."""
    target = maps.detector.rules.main_target
    for block in ready:
        low, high = maps.pixels_of(block)
        for first, end in maps.chunks(low, high):
            start, stop = (
                _corner(pick(pair) for pair in zip(*corners, strict=True))
                for pick, corners in ((max, (first, low)), (min, (end, high)))
            )
            yield start, maps.read(target, start, stop)


def _chosen(pool: Sequence[_Grid], dataset: DetectionDataset, round_name: str) -> list[tuple[_Candidate, str]]:
    """The boxes of a round, and why each was chosen: the least sure first, then others at random. They are not free any more."""
    choice = dataset.labelling
    assert choice is not None  # noqa: S101 -- see `suggest_boxes`
    by_chance = choice.batch if choice.strategy == "random" else round(choice.batch * choice.random_share)
    numbers = [np.flatnonzero(grid.free) for grid in pool]
    number, of = np.concatenate(numbers), np.repeat(np.arange(len(pool)), [len(one) for one in numbers])
    uncertainty = np.concatenate([grid.uncertainty.ravel()[one] for grid, one in zip(pool, numbers, strict=True)])
    rng = np.random.default_rng([dataset.seed, *round_name.encode()])
    taken: list[tuple[_Candidate, str]] = []
    for order, most, origin in (
        (np.argsort(-uncertainty, kind="stable"), choice.batch - by_chance, BY_STRATEGY),
        (rng.permutation(len(number)), choice.batch, BY_CHANCE),
    ):
        for row in order:
            if len(taken) >= most:
                break
            grid = pool[of[row]]
            if grid.free.flat[number[row]]:
                candidate = grid.candidate(number[row])
                taken.append((candidate, origin))
                grid.leave_out(grid.nearer([candidate.box], choice.apart_nm) | grid.overlapping([candidate.box]))
    return taken


def _in_order(
    chosen: Sequence[tuple[_Candidate, str]], voxel_size_nm: tuple[float, float, float]
) -> list[tuple[_Candidate, str]]:
    """Each followed by the nearest of those that are left, volume by volume."""
    left = sorted(chosen, key=lambda one: (one[0].box.volume, one[0].box.low))
    ordered = left[:1]
    left = left[1:]
    while left:
        last = ordered[-1][0].box
        nearest = min(left, key=lambda one: last.distance_nm(one[0].box, voxel_size_nm))
        ordered.append(nearest)
        left.remove(nearest)
    return ordered


@dataclass(frozen=True)
class _Found:
    """What was detected in a box. sites: columns of `SUGGESTED_SITES`. marked: voxels of each, by its place among them from 1, packed; None
    where sites are peaks of balls."""

    sites: list[dict[str, Any]]
    marked: bytes | None

    @classmethod
    def of(cls, box: Box, rows: Sequence[dict[str, Any]], maps: Maps, dataset: DetectionDataset) -> "_Found":
        here = [row for row in rows if box.holds(_place(row), dataset.voxel_size_nm)[0]]
        if len(here) > MOST_SITES:
            raise BadInput(
                f"box {box.box} has {len(here):,} sites: set a smaller labelling.box_nm in the dataset's YAML"
            )
        sites = [
            {
                "site": row["synapse_id"],
                "target": maps.detector.rules.main_target,
                "volume": box.volume,
                **{f"{axis}_nm": row[f"{axis}_nm"] for axis in "xyz"},
                "score": row["score"],
            }
            for row in here
        ]
        return cls(sites, None if maps.detector.rules.balls else packed(_marked(maps, box, here)))


def _detections(store: DatasetStore, box: Box, searched: Sequence[Block]) -> list[dict[str, Any]]:
    """What was detected in the blocks that a box touches."""
    keys = [block.key for block in searched if box.overlaps(Box(block.key, block.volume, block.low, block.high))]
    table = store.results(DETECTIONS).of(keys).read(columns=["synapse_id", "x_nm", "y_nm", "z_nm", "score"])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _marked(maps: Maps, box: Box, sites: Sequence[dict[str, Any]]) -> npt.NDArray[np.uint16]:
    """What the map marks in a box, uint16 (z, y, x) of its voxels: the place among the sites from 1, or `BEYOND` for what may be a site of
    another box. What is outside the limits of size is 0: nobody is asked about it, and whoever looks through the box adds what is one."""
    from synapse_assets.analysis.detection.components import components, limited

    rules, factor = maps.detector.rules, maps.detector.network.spec.factor
    low, high = _looked_at(box, maps)
    probability = maps.read(rules.main_target, low, high)
    found = components(probability, rules.threshold, maps.pixel_size_nm, split_nm=rules.split_nm)
    inside = limited(found, rules.limits).labels > 0
    number = np.zeros(len(found) + 1, np.uint16)
    number[np.unique(found.labels[inside])] = BEYOND
    number[1:][found.touches_edge] = BEYOND
    for own, row in enumerate(sites, start=1):
        at = np.floor(_place(row) / maps.pixel_size_nm + 1e-6).astype(int)[::-1] - low
        number[found.labels[tuple(np.clip(at, 0, np.subtract(found.labels.shape, 1)))]] = own
    number[0] = 0
    # From pixels to the voxels of the box.
    voxels = [
        np.clip(np.arange(a, b) // side - first, 0, length - 1)
        for a, b, side, first, length in zip(
            box.low[::-1], box.high[::-1], (1, factor, factor), low, found.labels.shape, strict=True
        )
    ]
    return number[found.labels[np.ix_(*voxels)]]


def _looked_at(box: Box, maps: Maps) -> tuple[Corner, Corner]:
    """The pixels of a box, z, y, x, with so much around them as its objects are followed, as far as the map goes."""
    factor = maps.detector.network.spec.factor
    more = [int(np.ceil(_LOOKED_NM / size)) for size in maps.pixel_size_nm[::-1]]
    sides = (1, factor, factor)
    low = (max(a // side - m, c) for a, side, m, c in zip(box.low[::-1], sides, more, maps.low, strict=True))
    high = (min(-(-b // side) + m, c) for b, side, m, c in zip(box.high[::-1], sides, more, maps.high, strict=True))
    return _corner(low), _corner(high)


def _place(row: dict[str, Any]) -> Floats:
    return np.array([row[f"{axis}_nm"] for axis in "xyz"])


def _corner(edges: Any) -> Corner:
    z, y, x = (int(edge) for edge in edges)
    return z, y, x
