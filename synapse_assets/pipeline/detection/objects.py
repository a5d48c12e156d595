"""From maps to synapses and mitochondria of a block, so that the blocks together have what the whole volume has, each object once.

Steps from maps to objects are in `analysis.detection`, maps in `maps`. Here is decided how much of a map is looked at to know an object as
a whole, and which block it belongs to.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from logging import Logger
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import DetectionDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.pipeline.detection.blocks import Block, block_of, volume_keys
from synapse_assets.pipeline.detection.maps import Maps
from synapse_assets.pipeline.detection.stored import Detector, detector_in_use
from synapse_assets.pipeline.report import Check, Json, Report, Stopwatch, progress_logger
from synapse_assets.schema import Table
from synapse_assets.schema.detection import DETECTIONS, MITOCHONDRIA
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key
from synapse_assets.stores.volume_maps import Corner

if TYPE_CHECKING:
    from synapse_assets.analysis.detection.sites import Rules

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Box = tuple[Corner, Corner]

FOLLOWED_NM = 4_000.0
"""An object is followed so far beyond the piece of a volume that is looked at, at most; what is longer is cut at the piece's faces."""
# Nor further than half the side of a cube of so many pixels: 2.2 um where pixels are 4 x 4 x 40 nm.
_FOLLOWED_PX = 2**26
# A block is looked at in pieces of at most so many pixels, what is read around them included: 12 bytes each at most.
_PIECE_PX = 2**26
# First look around objects that need no partners; it grows where one goes on.
_FIRST_NM = 500.0


def detect_block(store: DatasetStore, dataset: DetectionDataset, key: str, device: str, log: Logger) -> Report:
    """Writes the synapses of a block, none being an ordinary outcome. Maps that are absent are made.

    A synapse belongs to the block that its position lies in, whatever was looked at to find it. Raises BadInput where no detector is
    fitted, or labels cannot be read.
    """
    watch = Stopwatch()
    block = block_of(store, dataset, key)
    results = store.results(DETECTIONS)
    if block is None:
        results.write_partition(key, DETECTIONS.empty())
        return Report({"block": "is no block any more"}, watch.seconds, 0, 0, "no block", _site_checks(0, 0))
    detector = detector_in_use(store, dataset, str(dataset.synapse_detector))
    maps = Maps.of(store, dataset, detector, block.volume, device)
    found = _sites(maps, block, log)
    rows = _synapse_rows(dataset, block, maps, found)
    table = _sorted(DETECTIONS, rows, "synapse_id")
    results.write_partition(key, table, _origins(dataset, detector))
    return Report(
        details=_details(detector, table),
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(table, detector.version),
        checks=_site_checks(table.num_rows, _outside(maps, block, table)),
    )


def find_mitochondria(store: DatasetStore, dataset: DetectionDataset, key: str, device: str, log: Logger) -> Report:
    """Writes the mitochondria whose first voxel, in the order z, y, x, lies in a block. Maps that are absent are made.

    What reaches far beyond (`FOLLOWED_NM`) is cut there, and what lies in each block is a row of its own. Raises BadInput as
    `detect_block` does.
    """
    watch = Stopwatch()
    block = block_of(store, dataset, key)
    results = store.results(MITOCHONDRIA)
    if block is None:
        results.write_partition(key, MITOCHONDRIA.empty())
        return Report({"block": "is no block any more"}, watch.seconds, 0, 0, "no block", _body_checks(0))
    detector = detector_in_use(store, dataset, str(dataset.mitochondria_detector))
    maps = Maps.of(store, dataset, detector, block.volume, device)
    rows = _body_rows(dataset, block, maps, _bodies(maps, block, log))
    table = _sorted(MITOCHONDRIA, rows, "mitochondrion_id")
    results.write_partition(key, table, _origins(dataset, detector))
    cut = table.column("cut_off").to_pylist()
    return Report(
        details={**_details(detector, table), "cut_off": sum(cut), "whole": len(cut) - sum(cut)},
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=table.num_rows,
        content_version=content_key(table, detector.version),
        checks=_body_checks(table.num_rows),
    )


@dataclass(frozen=True)
class _Window:
    """A part of a map around a piece of a block, in which every object that touches the piece is as a whole, but for the long ones.

    low: its first pixel. probability: uint8 (z, y, x); long objects are cut at the faces of the piece. cut: what is left of them, bool
    (z, y, x).
    """

    low: Corner
    probability: Bytes
    cut: Bools

    @property
    def high(self) -> Corner:
        return _corner(np.add(self.low, self.probability.shape))


@dataclass(frozen=True)
class _Site:
    """A synapse. position_nm, post_nm: x, y, z; post_nm is the nearest postsynaptic site, None for none; partners: None where none are
    looked for. volume_nm3, sections: None for a peak."""

    position_nm: Floats
    score: float
    volume_nm3: float | None
    sections: int | None
    post_nm: Floats | None
    partners: int | None


@dataclass(frozen=True)
class _Body:
    """A mitochondrion. position_nm: of a voxel in it, x, y, z."""

    position_nm: Floats
    volume_nm3: float
    sections: int
    score: float
    cut_off: bool


def _sites(maps: Maps, block: Block, log: Logger) -> list[_Site]:
    from synapse_assets.analysis.detection.sites import find_sites

    rules = maps.detector.rules
    margin = _pixels(_margin_nm(rules), maps)
    pieces = list(_pieces(maps.pixels_of(block), margin))
    progress = progress_logger(log.info, f"{block.key}: pieces searched for synapses", len(pieces))
    sites: list[_Site] = []
    for done, piece in enumerate(pieces, start=1):
        if rules.balls:
            low, high = _around(maps, piece, margin, margin)
            seen = {rules.main_target: maps.read(rules.main_target, low, high)}
        else:
            window = _whole_objects(maps, rules.main_target, piece, margin)
            low, high = window.low, window.high
            seen = {rules.main_target: window.probability}
        if "postsynaptic" in rules.targets:
            seen["postsynaptic"] = maps.read("postsynaptic", low, high)
        found = find_sites(seen, rules, maps.pixel_size_nm)
        for row in np.flatnonzero(_inside(found.position_nm, low, piece, maps)):
            posts = np.flatnonzero(found.post_of == row)
            away = ((found.post_nm[posts] - found.position_nm[row]) ** 2).sum(axis=1)
            corner = _nm(low, maps)
            sites.append(
                _Site(
                    position_nm=corner + found.position_nm[row],
                    score=float(found.score[row]),
                    volume_nm3=None if rules.balls else float(found.volume_nm3[row]),
                    sections=None if rules.balls else int(found.sections[row]),
                    post_nm=corner + found.post_nm[posts[away.argmin()]] if len(posts) else None,
                    partners=len(posts) if "postsynaptic" in rules.targets else None,
                )
            )
        progress(done)
    return sites


def _bodies(maps: Maps, block: Block, log: Logger) -> list[_Body]:
    from synapse_assets.analysis.detection.sites import find_bodies

    margin = _pixels(_FIRST_NM, maps)
    pieces = list(_pieces(maps.pixels_of(block), margin))
    progress = progress_logger(log.info, f"{block.key}: pieces searched for mitochondria", len(pieces))
    bodies: list[_Body] = []
    for done, piece in enumerate(pieces, start=1):
        window = _whole_objects(maps, "mitochondria", piece, margin)
        found = find_bodies(window.probability, maps.detector.rules, maps.pixel_size_nm)
        for row in range(len(found)):
            first = _first_pixel(found.labels, row + 1, found.box[row])
            if not all(a <= b + c < d for a, b, c, d in zip(piece[0], first, window.low, piece[1], strict=True)):
                continue
            bodies.append(
                _Body(
                    position_nm=_nm(window.low, maps) + found.inside_nm[row],
                    volume_nm3=float(found.volume_nm3[row]),
                    sections=int(found.sections[row]),
                    score=float(found.score[row]),
                    # What begins here and reaches a face of the window is at the end of the volume.
                    cut_off=bool(found.touches_edge[row] or window.cut[first]),
                )
            )
        progress(done)
    return bodies


def _whole_objects(maps: Maps, target: str, piece: Box, margin: Corner) -> _Window:
    """Reads a map around a piece of a block, and further where an object that touches the piece goes on, until it ends.

    An object that is longer along an axis than objects are followed is cut at the faces of the piece, unless it lies in the piece as a
    whole. Each piece that it touches sees that it is so long, whatever else it sees, and cuts it: so that each of its voxels is in one
    piece's object. Pieces would else disagree on where a long object begins.
    """
    from scipy import ndimage

    from synapse_assets.analysis.detection.components import labelled
    from synapse_assets.analysis.detection.voxels import at_least

    most = np.array(_pixels(_followed_nm(maps), maps))
    below, above = np.array(margin), np.array(margin)
    while True:
        low, high = _around(maps, piece, _corner(below), _corner(above))
        probability = maps.read(target, low, high)
        labels = labelled(at_least(probability, maps.detector.rules.threshold), maps.pixel_size_nm)
        core = tuple(slice(a - c, b - c) for a, b, c in zip(*piece, low, strict=True))
        places = ndimage.find_objects(labels)
        touching = (np.flatnonzero(np.bincount(labels[core].ravel())[1:]) + 1).tolist()
        ends = np.array([[(part.start, part.stop) for part in places[label - 1]] for label in touching]).reshape(
            -1, 3, 2
        )
        # What reaches a face of the map ends there; it may go on only beyond the other faces.
        goes_below = ((ends[:, :, 0] == 0) & (np.array(low) > maps.low)).any(axis=0) & (below < most)
        goes_above = ((ends[:, :, 1] == labels.shape) & (np.array(high) < maps.high)).any(axis=0) & (above < most)
        if not (goes_below.any() or goes_above.any()):
            break
        below = np.where(goes_below, np.minimum(2 * below, most), below)
        above = np.where(goes_above, np.minimum(2 * above, most), above)
    starts, stops = np.array([[part.start, part.stop] for part in core]).T
    beyond = ((ends[:, :, 0] < starts) | (ends[:, :, 1] > stops)).any(axis=1)
    is_long = np.zeros(int(labels.max(initial=0)) + 1, np.bool_)
    is_long[
        [
            label
            for label, far in zip(touching, beyond & (ends[:, :, 1] - ends[:, :, 0] > most).any(axis=1), strict=True)
            if far
        ]
    ] = True
    cut = is_long[labels] if is_long.any() else np.zeros(labels.shape, np.bool_)
    if is_long.any():
        outside = np.ones(labels.shape, np.bool_)
        outside[core] = False
        probability[cut & outside] = 0
        cut &= ~outside
    return _Window(low, probability, cut)


def _pieces(box: Box, margin: Corner) -> Iterator[Box]:
    """Boxes that cover a box, as few as can be halved until one and what is read around it are no more pixels than are looked at at
    once."""
    low, high = box
    sides = [b - a for a, b in zip(low, high, strict=True)]
    if min(sides) < 1:
        return
    if math.prod(side + 2 * more for side, more in zip(sides, margin, strict=True)) <= _PIECE_PX or max(sides) == 1:
        yield box
        return
    # Where a cut adds least to what is read twice.
    axis = max(range(3), key=lambda axis: sides[axis] / (margin[axis] + 1) if sides[axis] > 1 else 0)
    middle = low[axis] + sides[axis] // 2
    for first, end in ((low[axis], middle), (middle, high[axis])):
        corners = (list(low), list(high))
        corners[0][axis], corners[1][axis] = first, end
        yield from _pieces((_corner(corners[0]), _corner(corners[1])), margin)


def _around(maps: Maps, piece: Box, below: Corner, above: Corner) -> Box:
    low = _corner(max(a - b, c) for a, b, c in zip(piece[0], below, maps.low, strict=True))
    return low, _corner(min(a + b, c) for a, b, c in zip(piece[1], above, maps.high, strict=True))


def _margin_nm(rules: "Rules") -> float:
    """How far around a piece is looked, to know what is in it."""
    if "postsynaptic" in rules.targets:
        return rules.reach_nm
    return 2 * (rules.apart_nm + rules.ball_nm) if rules.balls else _FIRST_NM


def _followed_nm(maps: Maps) -> float:
    return min(FOLLOWED_NM, (_FOLLOWED_PX * math.prod(maps.pixel_size_nm)) ** (1 / 3) / 2)


def _pixels(length_nm: float, maps: Maps) -> Corner:
    """So many pixels, z, y, x, are at least that long."""
    return _corner(max(1, math.ceil(length_nm / size)) for size in maps.pixel_size_nm[::-1])


def _nm(pixel: Corner, maps: Maps) -> Floats:
    """The low corner of a pixel, x, y, z."""
    return np.array(pixel[::-1]) * np.array(maps.pixel_size_nm)


def _inside(position_nm: Floats, low: Corner, piece: Box, maps: Maps) -> Bools:
    """Whether the pixel of each position (N, 3), from the corner `low` of a window, lies in the piece."""
    # Positions are middles of pixels or means of such: far from the edges between them, but for rounding.
    pixels = np.floor(position_nm / np.array(maps.pixel_size_nm) + 1e-6).astype(np.int64)[:, ::-1] + np.array(low)
    return np.asarray(((pixels >= piece[0]) & (pixels < piece[1])).all(axis=1))


def _first_pixel(labels: npt.NDArray[np.int32], label: int, box: Ints) -> Corner:
    """The first pixel of an object in the order z, y, x; `box`: first voxel and one past the last, x, y, z."""
    (x, y, z), (x_end, y_end, _) = box.tolist()
    at = int((labels[z, y:y_end, x:x_end] == label).argmax())
    return z, y + at // (x_end - x), x + at % (x_end - x)


def _places(
    dataset: DetectionDataset, block: Block, maps: Maps, positions_nm: Sequence[Floats]
) -> tuple[Floats, list[str]]:
    """Positions (N, 3) inside the volume, and an id of each: the volume and the voxel, x, y, z."""
    size = np.array(dataset.voxel_size_nm)
    low, high = maps.volume_bounds
    # The middle of a pixel at the end of a volume may lie beyond it.
    first, last = (np.array(low[::-1]) + 0.5) * size, (np.array(high[::-1]) - 0.5) * size
    places = np.clip(np.array(positions_nm, dtype=np.float64).reshape(-1, 3), first, last)
    key = volume_keys(dataset.searched)[block.volume]
    voxels = np.floor(places / size + 1e-6).astype(np.int64)
    return places, [f"{key}_{x}_{y}_{z}" for x, y, z in voxels.tolist()]


def _synapse_rows(dataset: DetectionDataset, block: Block, maps: Maps, sites: Sequence[_Site]) -> list[dict[str, Any]]:
    places, ids = _places(dataset, block, maps, [site.position_nm for site in sites])
    with_post = [row for row, site in enumerate(sites) if site.post_nm is not None]
    posts, _ = _places(dataset, block, maps, [site.post_nm for site in sites if site.post_nm is not None])
    labels = _Labels(dataset, block)
    regions, neurons = labels.at(places)
    _, partners = labels.at(posts)
    post_of = dict(zip(with_post, zip(posts.tolist(), partners, strict=True), strict=True))
    rows = []
    for row, site in enumerate(sites):
        post, partner = post_of.get(row, ([None] * 3, None))
        rows.append(
            {
                "synapse_id": ids[row],
                "brain_region": regions[row],
                **_about(block, maps, places[row]),
                "neuron_id": neurons[row],
                **{f"post_{axis}_nm": value for axis, value in zip("xyz", post, strict=True)},
                "partner_id": partner,
                "partners": site.partners,
                "score": site.score,
                "volume_nm3": site.volume_nm3,
                "sections": site.sections,
            }
        )
    return rows


def _body_rows(dataset: DetectionDataset, block: Block, maps: Maps, bodies: Sequence[_Body]) -> list[dict[str, Any]]:
    places, ids = _places(dataset, block, maps, [body.position_nm for body in bodies])
    _, neurons = _Labels(dataset, block).at(places)
    return [
        {
            "mitochondrion_id": ids[row],
            **_about(block, maps, places[row]),
            "volume_nm3": body.volume_nm3,
            "sections": body.sections,
            "score": body.score,
            "cut_off": body.cut_off,
            "neuron_id": neurons[row],
        }
        for row, body in enumerate(bodies)
    ]


def _about(block: Block, maps: Maps, place_nm: Floats) -> dict[str, Any]:
    return {
        "block": block.key,
        "volume": block.volume,
        **{f"{axis}_nm": value for axis, value in zip("xyz", place_nm.tolist(), strict=True)},
        "detector": maps.detector.name,
        "version": maps.detector.version,
    }


class _Labels:
    """Brain regions and neurons of places in a block, as the dataset's volumes of labels say."""

    def __init__(self, dataset: DetectionDataset, block: Block) -> None:
        from synapse_assets.pipeline.em.label_volumes import LabelLookUp
        from synapse_assets.sources import RegionNames

        named = any(
            entry.of == "brain_region" and entry.volume in (None, block.volume) for entry in dataset.labels_from
        )
        self._region = dataset.missing_region if named else block.key
        self._look_up = LabelLookUp(dataset, RegionNames(dataset.missing_region))
        self._volume = block.volume

    def at(self, places_nm: Floats) -> tuple[list[str], list[int | None]]:
        """Region and neuron at each place (N, 3)."""
        count = len(places_nm)
        columns: dict[str, Any] = {f"{axis}_nm": places_nm[:, index] for index, axis in enumerate("xyz")}
        columns["brain_region"] = pa.array([self._region] * count, pa.string())
        columns["neuron_id"] = pa.nulls(count, pa.int64())
        filled = self._look_up.fill(pa.table(columns), self._volume)
        return filled.column("brain_region").to_pylist(), filled.column("neuron_id").to_pylist()


def _sorted(table: Table, rows: list[dict[str, Any]], by: str) -> pa.Table:
    return table.conform(pa.Table.from_pylist(rows, schema=table.arrow).sort_by(by))


def _origins(dataset: DetectionDataset, detector: Detector) -> dict[str, str]:
    rules = {name: value for name, value in asdict(detector.rules).items() if name != "limits"}
    limits = {name: str(value) for name, value in asdict(detector.rules.limits).items()}
    labels = hashed_fields(dataset, include={"labels_from", "missing_region"})
    # Readers of the table tell by it where its rows come from (`schema.SYNAPSE_SOURCES`).
    return {
        "dataset": dataset.name,
        detector.name: detector.version,
        "rules": fingerprint({**rules, **limits}, {}),
        "labels": fingerprint(labels, {}),
    }


def _details(detector: Detector, table: pa.Table) -> dict[str, Any]:
    scores = table.column("score").to_numpy()
    return {
        "detector": detector.name,
        "detector_version": detector.version,
        "threshold": detector.rules.threshold,
        "scores": Json(
            {f"{share:.0%}": float(np.quantile(scores, share)) for share in (0.1, 0.5, 0.9)} if len(scores) else {}
        ),
        "without_neuron": table.column("neuron_id").null_count,
    }


def _outside(maps: Maps, block: Block, table: pa.Table) -> int:
    """Rows that lie in no pixel of their block."""
    low, high = maps.pixels_of(block)
    places = np.stack([table.column(f"{axis}_nm").to_numpy() for axis in "xyz"], axis=1)
    return int((~_inside(places, (0, 0, 0), (low, high), maps)).sum())


def _site_checks(rows: int, outside: int) -> list[Check]:
    return [
        Check(
            "inside_their_block",
            not outside,
            f"{outside:,} of {rows:,} synapses lie outside their block",
            numbers={"outside": outside},
        ),
        Check(
            "has_synapses",
            rows > 0,
            f"{rows:,} synapses in the block"
            if rows
            else "no synapse was found in the block: is there neuropil in it?",
            warn=True,
            numbers={"synapses": rows},
        ),
    ]


def _body_checks(rows: int) -> list[Check]:
    return [
        Check(
            "has_mitochondria",
            rows > 0,
            f"{rows:,} mitochondria begin in the block" if rows else "no mitochondrion begins in the block",
            warn=True,
            numbers={"mitochondria": rows},
        )
    ]


def _corner(edges: Any) -> Corner:
    z, y, x = (int(edge) for edge in edges)
    return z, y, x
