"""The alignment doctor: do the coordinates of some points mean, in this volume, what the dataset says?

Nothing is assumed of what a synapse looks like. Points that mean something share something that the places around
them lack, so the picture averaged over many points has something in its middle; the average over wrong places is grey.
One box is read around each of a sample of points, and grey level, darkness and edges are averaged at three scales for
every shift of the whole sample within the boxes. How far a shift's averages lie from those of the surroundings, in
standard deviations of single places (the Mahalanobis distance of the two means, what their expected distance by chance
subtracted), is its score: 0 where the places are like any around them. The shifts that are too far to show the same
object tell what chance does; sections above and below and shifts in the plane are read off the same boxes; other orders
of the axes and other units have boxes of their own, read only where the given reading is in doubt. Whether one reading
beats another is resampled over neighbourhoods, because points near each other show the same object. All of it is this
project's own method.

What does not belong here: transforming between spaces (`datasets/spaces.py`), blocking a run (`pipeline/`), drawing what was
seen (`figures/`).
"""

import itertools
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from synapse_assets.datasets import TileSpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes.volume import Volume

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Verdict = Literal["fits", "cannot tell", "contradicted"]
Units = Literal["nm", "voxel"]

# Points whose surroundings are read; of a volume on this machine so many times more where these cannot tell, because points
# that mark several kinds of structure share less and chance has to be averaged away further.
SAMPLE, _MORE = 128, 3
# Fewer points average away too little of what lies there by chance.
MINIMUM_POINTS = 30
# Share of points inside the volume: from `_MOST` on a reading is worth its download; below `_FEW` it is no reading at
# all, whatever the few show; below `_NEARLY_ALL` the given reading is in doubt, so the others are read too.
_MOST, _FEW, _NEARLY_ALL = 0.8, 0.05, 0.95
# Shares are known to a thousandth from this many.
_COUNTED = 200_000
# A reading stands out where it scores this much above the highest of the shifts that show something else. There are
# some thirty independent ones, so that a wrong reading is the highest of them one time in thirty.
_CLEARLY = 1.5
# Above this no other order of axes or unit need be fetched; below it a few points whose x and y happen to be alike may
# be all that is right.
_BEYOND_DOUBT = 3.0
# One reading beats another by this many standard deviations of the resampled difference: one in 30,000 by chance.
_DEVIATIONS = 4.0
_RESAMPLES = 400
# Resampling fewer neighbourhoods than this says little.
_MINIMUM_NEIGHBOURHOODS = 8
# Points of so many depths do not lie in one section by chance.
_MINIMUM_DEPTHS = 5
# Lengths in nm, for voxels up to `_COARSE_NM`; for larger ones they all grow with the voxel. A synapse (T-bar, cleft,
# vesicles at it) is within some 200 nm, so further shifts show something else; wider boxes would be dearer to fetch.
_COARSE_NM = 16.0
_BOX_NM, _ELSEWHERE_NM = 960.0, 200.0
_SCALES_NM = (16.0, 40.0, 80.0)
_PIXEL_NM = 8.0
# Points nearer than this show the same object; among them one is preferred.
_APART_NM = 200.0
# A systematic shift in the plane that leaves the synapse off the middle of its tile, and one worth a word.
_FAR_NM, _WORTH_A_WORD_NM = 100.0, 30.0
# Sections thinner than this are stepped over several at a time: one of them shows nothing new. Around the best step they are
# looked at one by one, or in so many parts of a step where it has more sections.
_STEP_NM, _PARTS = 30.0, 4
# So many windows of two steps, each about the end of the one before, if the best section lies at its end.
_WINDOWS = 3
# Voxel sizes of isotropic volumes, and of coarser and finer scales, whose numbers a table may count.
_ISOTROPIC_NM = (4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0)
_SCALE_FACTORS = (0.25, 0.5, 2.0, 4.0)
# Readings whose tiles are kept to be seen, and how many single tiles of each.
_SHOWN_READINGS, EXAMPLES = 7, 5


@dataclass(frozen=True)
class Reading:
    """One way to read the coordinates.

    `share_inside`: share of all points in the volume, 0 to 1. `score`: how far its places stand out from their
    surroundings, in standard deviations of single places, 0 for places like any; None where it was not scored, for
    the reason in `why_not`.
    """

    name: str
    share_inside: float
    score: float | None
    why_not: str = ""


@dataclass(frozen=True, eq=False)
class ReadingTiles:
    """What is in the middle of the boxes of one reading: the mean over all points, (side, side), and tiles of a few points,
    (EXAMPLES, side, side), float64, each less its mean and over its standard deviation. Sections show the same points."""

    name: str
    mean: Floats
    examples: Floats


@dataclass(frozen=True)
class Alignment:
    """What the doctor found.

    `verdict`: 'fits', 'cannot tell' (the given places look like random ones: warn) or 'contradicted' (block).
    `better`: name of the reading that beats the given one, or None. `readings`: the given one first.
    `random_shifts`: scores of shifts of the whole sample to where the same objects cannot be seen. `offset_nm`: where
    the picture has its middle, x, y from the points, where that differs from 0 by more than chance. `tiles`: of the given
    reading, the sections around it and the best others.
    """

    verdict: Verdict
    sentence: str
    better: str | None
    readings: tuple[Reading, ...]
    random_shifts: tuple[float, ...]
    sampled: int
    offset_nm: tuple[float, float] | None
    tiles: tuple[ReadingTiles, ...] = field(compare=False)

    @property
    def blocks(self) -> bool:
        """Whether no tile is to be cut before somebody has looked."""
        return self.verdict == "contradicted"


def examine_alignment(
    volume: Volume,
    points_nm: npt.ArrayLike,
    units: Units,
    seed: int,
    sample: int = SAMPLE,
    voxel_size_nm: tuple[float, float, float] | None = None,
) -> Alignment:
    """Whether `points_nm` (N, 3), x, y, z in nm as the dataset's YAML has them converted, mean places in `volume`.

    `units` is what the YAML says the table's numbers are: axes are exchanged, and units mistaken, in the table's own
    numbers, whose voxels are of `voxel_size_nm` (x, y, z; the volume's, if None). At most `sample` points are looked at, the
    same ones for the same seed.

    Raises BadInput for points that are no (N, 3) finite numbers, and ConnectionError where the network fails after
    retries. Of more than 200,000 points that many are drawn first.
    """
    points = np.asarray(points_nm, dtype=np.float64)
    volume.voxel_of(points)
    if len(points) == 0:
        raise BadInput("there are no points to examine; is the table empty?")
    if len(points) > _COUNTED:
        points = points[np.random.default_rng(seed).choice(len(points), _COUNTED, replace=False)]
    size = voxel_size_nm or volume.voxel_size_nm
    found = _examined(volume, points, units, seed, sample, size)
    if found.verdict == "cannot tell" and found.sampled and sample < len(points) and not volume.array.remote:
        found = _examined(volume, points, units, seed, _MORE * sample, size)
    return found


def _examined(
    volume: Volume,
    points: Floats,
    units: Units,
    seed: int,
    sample: int,
    table_voxel_nm: tuple[float, float, float],
) -> Alignment:
    """As `examine_alignment`, from at most `sample` points."""
    size = np.array(table_voxel_nm)
    numbers = points if units == "nm" else points / size
    ways = _ways(units)
    places = {way: numbers[:, list(way.order)] * (size if way.units == "voxel" else 1.0) for way in ways}
    sized = _sized_ways(units, table_voxel_nm)
    places |= {way: points / size * np.array(way.voxel_nm) for way in sized}
    inside = {way: volume.contains(places[way]) for way in places}
    given, others = ways[0], ways[1:]
    shares = {way: float(inside[way].mean()) for way in ways}

    def look(way: _Way, reach: int) -> "_Look | str":
        rng = np.random.default_rng([seed, (*ways, *sized).index(way)])
        return _look(volume, places[way][inside[way]], reach, sample, rng)

    seen = look(given, 2) if shares[given] >= _FEW else "hardly a point lies inside the volume"
    doubtful = isinstance(seen, str) or not seen.stands_out(seen.here, _BEYOND_DOUBT) or shares[given] < _NEARLY_ALL
    looks: dict[_Way, _Look | str] = {given: seen}
    for way in others:
        if shares[way] < _MOST:
            looks[way] = "too few points lie inside the volume"
        else:
            looks[way] = look(way, 0) if doubtful else "not read, because the given reading stands out"
    for way in sized:
        # There are many sizes: only one that is beyond doubt is a reading worth a word.
        at = look(way, 0) if doubtful and inside[way].mean() >= _MOST else ""
        if isinstance(at, _Look) and at.stands_out(at.here, _BEYOND_DOUBT):
            looks[way], shares[way] = at, float(inside[way].mean())
    scored = [_Rival(way.name, way.remedy, at, at.here) for way, at in looks.items() if isinstance(at, _Look)]
    rivals = [rival for rival in scored if rival.look is not seen]
    if isinstance(seen, _Look):
        rivals = _rivals_in(seen, volume) + rivals
    found = _judged(volume, places, shares, seen, rivals)
    finer = next((_finer(rival, volume) for rival in rivals if rival.name == found.better and rival.in_sections), None)
    if finer is not None:
        rivals = [finer if rival.name == found.better else rival for rival in rivals if rival.name != finer.name]
        rivals = rivals if finer in rivals else [finer, *rivals]
        found = replace(found, better=finer.name, sentence=_sentence_of(finer, seen, shares[given]))
    readings = [_reading(way.name, shares[way], looks[way]) for way in looks]
    moved = [
        Reading(rival.name, shares[given], rival.score) for rival in rivals if rival.look is seen or rival is finer
    ]
    shown = seen if isinstance(seen, _Look) else max((r.look for r in rivals), key=_score_here, default=None)
    elsewhere = () if shown is None else np.quantile(shown.elsewhere, np.linspace(0, 1, 201)).tolist()
    readings = [readings[0], *moved, *readings[1:]]
    return Alignment(
        verdict=found.verdict,
        sentence=found.sentence,
        better=found.better,
        readings=tuple(readings),
        random_shifts=tuple(elsewhere),
        sampled=0 if shown is None else len(shown.boxes),
        offset_nm=found.offset_nm,
        tiles=_shown_tiles(seen, rivals),
    )


@dataclass(frozen=True)
class _Way:
    """The numbers of the table read as `units`, x, y and z taken from what the dataset calls `order` of x, y, z.

    With a `voxel_nm` the numbers count voxels of that size, or were made nanometres with a size `factor` times too large.
    """

    units: Units
    order: tuple[int, int, int]
    given: Units
    voxel_nm: tuple[float, float, float] | None = None
    factor: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def name(self) -> str:
        if self.voxel_nm:
            return f"voxels of {' x '.join(f'{v:g}' for v in self.voxel_nm)} nm"
        parts = [] if self.units == self.given else [f"numbers are {_plural(self.units)}"]
        if self.order != (0, 1, 2):
            parts.append(f"axes {self._axes}")
        return ", ".join(parts) or "as given"

    @property
    def _axes(self) -> str:
        return "".join("xyz"[i] for i in self.order)

    @property
    def remedy(self) -> str:
        """What to change in the dataset's YAML."""
        if self.voxel_nm and self.given == "voxel":
            x_nm, y_nm, z_nm = self.voxel_nm
            return f"set voxel_size_nm: [{x_nm:g}, {y_nm:g}, {z_nm:g}] in the source"
        if self.voxel_nm:
            return (
                "the table's nanometres were made with another voxel size: multiply its x, y and z by "
                f"{', '.join(f'{1 / f:g}' for f in self.factor)}"
            )
        parts = []
        moved = [(axis, "xyz"[i]) for axis, i in zip("xyz", self.order, strict=True) if axis != "xyz"[i]]
        if len(moved) == 2:
            parts.append(f"exchange {moved[0][0]} and {moved[1][0]} in the source's columns")
            if self.order == (2, 1, 0):
                parts[0] += (
                    " (axis_order: zyx for a position column; for a zarr or N5 volume look at its axis_order too)"
                )
        elif moved:
            taken = ", ".join(f"{axis} from the column that is now {other}" for axis, other in moved)
            parts.append(f"in the source's columns take {taken}")
        if self.units != self.given:
            parts.append(f"set units: {self.units}")
        return " and ".join(parts)


def _plural(units: str) -> str:
    return "voxels" if units == "voxel" else "nm"


def _ways(units: Units) -> list[_Way]:
    """The given way first."""
    other: Units = "voxel" if units == "nm" else "nm"
    orders = list(itertools.permutations(range(3)))
    return [_Way(unit, (a, b, c), units) for unit in (units, other) for a, b, c in orders]


def _sized_ways(units: Units, table_voxel_nm: tuple[float, float, float]) -> list[_Way]:
    """The same numbers, of voxels of other sizes."""
    x, y, z = table_voxel_nm
    if max(x, y, z) < 1.5 * min(x, y, z):
        sizes = [(size, size, size) for size in _ISOTROPIC_NM]
    else:
        sizes = [(x * factor, y * factor, z) for factor in _SCALE_FACTORS]
    return [
        _Way(units, (0, 1, 2), units, size, (x / size[0], y / size[1], z / size[2]))
        for size in sizes
        if abs(size[0] / x - 1) > 0.02
    ]


@dataclass(frozen=True)
class _Scale:
    """Lengths of one volume: `pixel` voxels are averaged to a pixel in the plane, `box` voxels wide (a
    multiple of four pixels), `step` sections are one step along z. `unit`: what a nm of the constants above is."""

    pixel: int
    box: int
    step: int
    unit: float
    voxel_nm: float

    @classmethod
    def of(cls, volume: Volume) -> "_Scale":
        x, y, z = volume.voxel_size_nm
        plane = float(np.sqrt(x * y))
        unit = max(1.0, plane / _COARSE_NM)
        pixel = max(1, round(_PIXEL_NM * unit / plane))
        box = 4 * pixel * round(_BOX_NM * unit / plane / (4 * pixel))
        return cls(pixel, box, int(np.clip(round(_STEP_NM / z), 1, 15)), unit, plane)

    def pixels(self, nm: float) -> float:
        return nm * self.unit / (self.voxel_nm * self.pixel)


@dataclass(frozen=True, eq=False)
class _Look:
    """What was seen at n points.

    `points` (n, 3), x, y, z in nm. `boxes` uint8 (n, sections, box, box): those of the steps along z. `features` float64
    (n, features, sections, rows, columns): for every shift, less their mean over shifts elsewhere, in a frame where single places elsewhere
    have unit variance. `scores` (sections, rows, columns). `neighbourhood` int64 (n,). `here`: index of no shift.
    `far_nm` (rows, columns): the larger of a shift's |x| and |y|.
    """

    scale: _Scale
    points: Floats
    boxes: Bytes
    features: Floats
    scores: Floats
    neighbourhood: npt.NDArray[np.int64]
    shifts_nm: Floats

    @property
    def here(self) -> tuple[int, int, int]:
        sections, rows, columns = self.scores.shape
        return sections // 2, rows // 2, columns // 2

    @property
    def neighbourhoods(self) -> int:
        return int(self.neighbourhood.max()) + 1

    @property
    def far_nm(self) -> Floats:
        return np.maximum(np.abs(self.shifts_nm)[:, None], np.abs(self.shifts_nm)[None, :])

    @property
    def elsewhere(self) -> Floats:
        """Scores of all shifts that show something else."""
        return self.scores[:, self.far_nm >= _ELSEWHERE_NM * self.scale.unit].ravel()

    def stands_out(self, at: tuple[int, int, int], factor: float = _CLEARLY) -> bool:
        return bool(self.scores[at] > factor * self.elsewhere.max())

    def peak(self) -> tuple[int, int, int]:
        """The highest score near the points."""
        near = np.where(self.far_nm < _ELSEWHERE_NM * self.scale.unit, self.scores, -1.0)
        section, row, column = np.unravel_index(int(np.argmax(near)), near.shape)
        return int(section), int(row), int(column)

    def step(self, k: int) -> tuple[int, int, int]:
        section, row, column = self.here
        return section + k, row, column

    def resampled(self, at: tuple[int, int, int], weights: Floats) -> Floats:
        """The score at a shift with the points weighted, (resamples,) for weights (resamples, n)."""
        means = weights @ self.features[:, :, at[0], at[1], at[2]]
        return np.sqrt((means**2).sum(axis=1))

    def weights(self, seed: int) -> Floats:
        """(resamples, n), rows of sum 1: neighbourhoods drawn with replacement."""
        rng = np.random.default_rng(seed)
        count = self.neighbourhoods
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)[:, self.neighbourhood]
        return np.asarray(drawn / drawn.sum(axis=1, keepdims=True), dtype=np.float64)


def box_of(volume: Volume) -> TileSpec:
    """The box that is read around each point of the given reading."""
    scale = _Scale.of(volume)
    return TileSpec(size_px=scale.box, sections=4 * scale.step + 1)


def _look(volume: Volume, points: Floats, reach: int, sample: int, rng: np.random.Generator) -> _Look | str:
    """What is at a sample of the points and up to `reach` steps above and below them; or why nothing can be said."""
    scale = _Scale.of(volume)
    voxels = volume.voxel_of(points)
    low, high = volume.bounds_voxels
    # A thin volume is looked at less deeply.
    for depth in range(reach, -1, -1):
        half = np.array([scale.box // 2, scale.box // 2, depth * scale.step])
        fits = ((voxels - half >= low) & (voxels + half < high)).all(axis=1)
        whole = np.flatnonzero(fits)
        if len(whole) >= MINIMUM_POINTS:
            break
    if len(whole) < MINIMUM_POINTS:
        return f"only {len(whole)} points lie far enough from the volume's edges; {MINIMUM_POINTS} are needed"
    chosen = _spread(points, rng.permutation(whole), scale, sample)
    return _look_at(volume, points[chosen], depth * scale.step, scale.step, scale)


def _look_at(volume: Volume, points: Floats, sections: int, step: int, scale: _Scale) -> _Look | str:
    """What is at the points and, `step` by `step`, up to so many `sections` above and below them."""
    boxes = np.zeros((len(points), 2 * (sections // step) + 1, scale.box, scale.box), dtype=np.uint8)
    there = np.zeros(len(points), dtype=np.bool_)
    try:
        for batch in volume.read_tiles(points, TileSpec(size_px=scale.box, sections=2 * sections + 1)):
            boxes[batch.indices] = batch.tiles[:, sections % step :: step]
            there[batch.indices] = batch.valid_fraction == 1
    except BadInput as error:
        return f"the volume cannot be read there ({error})"
    # A box of one grey value has nothing to show.
    there &= np.ptp(boxes.reshape(len(boxes), -1), axis=1) > 0
    if there.sum() < MINIMUM_POINTS:
        return f"only {there.sum()} of the points looked at show a complete picture that is not of one grey; {MINIMUM_POINTS} are needed"
    boxes, points = boxes[there], points[there]
    cells = np.floor(points / (_BOX_NM / 2 * scale.unit)).astype(np.int64)
    neighbourhood = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)
    features, shifts_nm = _features(boxes, scale)
    elsewhere = np.maximum(np.abs(shifts_nm)[:, None], np.abs(shifts_nm)[None, :]) >= _ELSEWHERE_NM * scale.unit
    features = _whitened(features, elsewhere)
    squared = (features.mean(axis=0) ** 2).sum(axis=0)
    scores = np.sqrt(np.maximum(squared - squared[:, elsewhere].mean(), 0))
    return _Look(scale, points, boxes, features, scores, neighbourhood, shifts_nm)


def _spread(points: Floats, rows: npt.NDArray[np.int64], scale: _Scale, sample: int) -> npt.NDArray[np.int64]:
    """At most `sample` of the rows, first one of each place."""
    cells = np.floor(points[rows] / (_APART_NM * scale.unit)).astype(np.int64)
    first = np.zeros(len(rows), dtype=np.bool_)
    first[np.unique(cells, axis=0, return_index=True)[1]] = True
    return np.sort(np.concatenate([rows[first], rows[~first]])[:sample])


def _features(boxes: Bytes, scale: _Scale) -> tuple[Floats, Floats]:
    """Features (n, features, sections, rows, columns) and the shifts in nm of their rows and columns: grey level,
    darkness and edges at three scales, in each section in units of its own contrast."""
    sections, box = boxes.shape[1:3]
    side = box // scale.pixel
    finest, *wider = (scale.pixels(nm) for nm in _SCALES_NM)
    # Every other pixel is enough once the finest scale is blurred; what the blur brings in from the rim is left out.
    middle, margin = side // 4, round(wider[-1])
    kept = slice(margin, 2 * middle + 1 - margin)
    features = []
    for picture in boxes:
        grey = picture.reshape(sections, side, scale.pixel, side, scale.pixel).mean(axis=(2, 4), dtype=np.float32)
        grey -= grey.mean(axis=(1, 2), keepdims=True)
        grey /= np.maximum(grey.std(axis=(1, 2), keepdims=True), 1)
        edges = np.hypot(*np.gradient(_blurred(grey, 0.7), axis=(1, 2)))
        dark = np.minimum(grey, 0) ** 2
        first = [_blurred(each, finest)[:, ::2, ::2] for each in (grey, dark, edges)]
        maps = first + [_blurred(each, np.sqrt(s**2 - finest**2) / 2) for s in wider for each in first]
        features.append(np.stack(maps)[:, :, kept, kept])
    shifts = np.arange(2 * middle + 1)[kept] - middle
    return np.stack(features), shifts * 2 * scale.pixel * scale.voxel_nm


def _blurred(picture: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    return np.asarray(ndimage.gaussian_filter(picture, (0, sigma, sigma), mode="nearest", truncate=3.0))


def _whitened(features: Floats, elsewhere: npt.NDArray[np.bool_]) -> Floats:
    """Features less their mean elsewhere in the same section of the same box, in a frame where their covariance
    elsewhere is the unit matrix."""
    outside = features[..., elsewhere]
    centred = features - outside.mean(axis=-1)[..., None, None]
    count = features.shape[1]
    single = (outside - outside.mean(axis=-1, keepdims=True)).transpose(0, 2, 3, 1).reshape(-1, count)
    covariance = single.T @ single / len(single)
    # Features that hardly vary on their own must not decide.
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    correlation = covariance / np.outer(deviation, deviation) + 1e-3 * np.eye(count)
    frame = np.linalg.inv(np.linalg.cholesky(correlation)) / deviation
    return np.einsum("ab,nbsij->nasij", frame, centred, optimize=True)


@dataclass(frozen=True, eq=False)
class _Rival:
    """A reading that was scored, with what is needed to hold it against the given one."""

    name: str
    remedy: str
    look: _Look
    at: tuple[int, int, int]

    @property
    def score(self) -> float:
        return float(self.look.scores[self.at])

    @property
    def in_sections(self) -> bool:
        """Whether it is the same points some sections above or below."""
        return self.name.startswith("z")

    def beats(self, look: _Look) -> bool:
        """Whether it stands out, by more than any random shift does, and not for the sake of a few places."""
        gain = self.score - float(look.scores[look.here])
        chance = max(self.look.elsewhere.max(), look.elsewhere.max())
        return self.look.stands_out(self.at) and gain > chance and _surely_better(self.look, self.at, look)


def _surely_better(look: _Look, at: tuple[int, int, int], given: _Look) -> bool:
    """Whether the score at `at` is higher than the given one's in (nearly) every resample of the neighbourhoods."""
    if look.neighbourhoods < _MINIMUM_NEIGHBOURHOODS:
        return False
    # The same boxes are resampled together, so what they share cancels.
    mine = look.resampled(at, look.weights(1))
    theirs = given.resampled(given.here, given.weights(1 if given is look else 2))
    if given.neighbourhoods < _MINIMUM_NEIGHBOURHOODS:
        # Other units crowd the points together. What such a place scores by chance, its random shifts tell.
        theirs = np.full(_RESAMPLES, theirs.mean())
    return bool(mine.mean() - theirs.mean() > _DEVIATIONS * (mine - theirs).std())


def _rivals_in(look: _Look, volume: Volume) -> list[_Rival]:
    """Sections above and below; and, if nothing is to be seen at the points, the best shift in the plane."""
    found = []
    reach = look.scores.shape[0] // 2
    for k in (*range(-reach, 0), *range(1, reach + 1)):
        found.append(_Rival(f"z{k * look.scale.step:+d}", _z_remedy(k * look.scale.step, volume), look, look.step(k)))
    peak = look.peak()
    x, y = look.shifts_nm[peak[2]], look.shifts_nm[peak[1]]
    if max(abs(x), abs(y)) >= _FAR_NM * look.scale.unit and not look.stands_out(look.here):
        voxels = np.round(np.array([x, y]) / np.array(volume.voxel_size_nm[:2])).astype(int)
        sections = (peak[0] - reach) * look.scale.step
        name = f"x{voxels[0]:+d}, y{voxels[1]:+d}" + (f", z{sections:+d}" if sections else "")
        remedy = (
            f"if the volume's offset_voxels are wrong, add ({-voxels[0]}, {-voxels[1]}, {-sections}) to them; otherwise "
            "the points are of another space"
        )
        found.append(_Rival(name, remedy, look, peak))
    return found


def _finer(rival: _Rival, volume: Volume) -> _Rival | None:
    """A reading some sections off, to the section where steps have several. None where nothing finer can be said."""
    step, parts = rival.look.scale.step, max(1, round(rival.look.scale.step / _PARTS))
    sections = step // parts * parts
    found: _Rival | None = None
    best = int(rival.name[1:])
    for _ in range(_WINDOWS if step > 1 else 0):
        middle = best
        points = rival.look.points + np.array([0, 0, middle * volume.voxel_size_nm[2]])
        z = volume.voxel_of(points)[:, 2]
        low, high = (edge[2] for edge in volume.bounds_voxels)
        points = points[(z - sections >= low) & (z + sections < high)]
        near = _look_at(volume, points, sections, parts, rival.look.scale) if len(points) >= MINIMUM_POINTS else ""
        if isinstance(near, str):
            break
        _, row, column = near.here
        # The top of a parabola through the scores: one section's own depends on chance.
        shifts = np.arange(-sections, sections + 1, parts)
        scores = near.scores[:, row, column]
        bend, slope, _ = np.polyfit(shifts, scores, 2)
        top = -slope / (2 * bend) if bend < 0 else shifts[np.argmax(scores)]
        at = int(np.argmin(np.abs(shifts - top)))
        best = middle + int(shifts[at])
        found = _Rival(f"z{best:+d}", _z_remedy(best, volume), near, (at, row, column)) if best else None
        if 0 < at < len(shifts) - 1:
            break
    return found


def _z_remedy(sections: int, volume: Volume) -> str:
    text = (
        f"write offset_voxels: [0, 0, {-sections}] in the volume (or add {-sections:+d} to its third number), or mend z in the "
        f"table ({sections * volume.voxel_size_nm[2]:+g} nm)"
    )
    if sections == -1 and volume.spec.space in ("FAFB14", "local") and volume.voxel_size_nm[2] > _STEP_NM:
        text = (
            "if these are FAFB positions from CATMAID, which counts one section deeper than the public volumes, set "
            f"space: FAFB14_CATMAID and transform: catmaid_to_n5; otherwise {text}"
        )
    return text


def _score_here(look: _Look) -> float:
    return float(look.scores[look.here])


def _reading(name: str, share: float, look: _Look | str) -> Reading:
    return Reading(name, share, None, look) if isinstance(look, str) else Reading(name, share, _score_here(look))


@dataclass(frozen=True)
class _Finding:
    verdict: Verdict
    sentence: str
    better: str | None = None
    offset_nm: tuple[float, float] | None = None


def _judged(
    volume: Volume, places: dict[_Way, Floats], shares: dict[_Way, float], seen: _Look | str, rivals: list[_Rival]
) -> _Finding:
    given = next(iter(shares))
    if shares[given] < _FEW:
        return _judged_by_place(volume, places, shares, rivals)
    crowded = _judged_by_crowding(volume, places, shares)
    if crowded is not None:
        return crowded
    outside = _outside(shares[given])
    if isinstance(seen, str):
        # Where many points lie outside as well, a reading that has them inside and stands out is believed.
        firm = [rival for rival in rivals if rival.look.stands_out(rival.at)] if shares[given] < _MOST else []
        if not firm:
            return _Finding("cannot tell", f"Cannot tell whether the coordinates fit: {seen}.{outside}")
        best = max(firm, key=lambda rival: rival.score)
        text = f"The coordinates do not mean what the dataset says: as given, {seen}.{outside} {_in_words(best)}. "
        return _Finding("contradicted", f"{text}To mend it: {best.remedy}.", best.name)
    here, facts = _score_here(seen), _facts(seen)
    winners = [rival for rival in rivals if rival.beats(seen)]
    if winners:
        best = max(winners, key=lambda rival: rival.score)
        return _Finding("contradicted", _sentence_of(best, seen, shares[given]), best.name)
    if not seen.stands_out(seen.here):
        text = (
            f"Cannot tell whether the coordinates fit: as given the places look like any others around them ({facts})."
        )
        other = max(rivals, key=lambda rival: rival.score, default=None)
        if other is not None and other.score > here:
            text += f" The best other reading is '{other.name}' ({other.score:.2f}), but it is not surely better."
        text += (
            " Points that mark several kinds of structure, that lie in another space, or that are further off than is tried "
            "here give this result: look at the picture before cutting many tiles."
        )
        return _Finding("cannot tell", text + outside)
    text = f"The coordinates fit: the middle of the tiles stands out from its surroundings ({facts})."
    highest = max(rivals, key=lambda rival: rival.score, default=None)
    if highest is not None and highest.score > here:
        text += (
            f" '{highest.name}' scores {highest.score:.2f}, which is higher, but not by more than chance allows: see "
            "whether the pictures agree."
        )
    offset_nm = _offset(seen)
    if offset_nm is not None:
        text += f" What the points mark lies {_direction(offset_nm, seen.scale.voxel_nm)} them."
    return _Finding("fits", text + outside, None, offset_nm)


def _sentence_of(best: _Rival, seen: _Look | str, share_inside: float) -> str:
    """What is said where a reading beats the given one."""
    facts = "" if isinstance(seen, str) else f"; {_facts(seen)}"
    return (
        f"The coordinates do not mean what the dataset says. {_in_words(best)} (score {best.score:.2f}{facts}). "
        f"To mend it: {best.remedy}.{_outside(share_inside)}"
    )


def _facts(seen: _Look) -> str:
    return f"score {_score_here(seen):.2f} as given, random shifts reach {seen.elsewhere.max():.2f}"


def _outside(share_inside: float) -> str:
    return f" {1 - share_inside:.1%} of the points lie outside the volume." if share_inside < 1 else ""


def _judged_by_crowding(volume: Volume, places: dict[_Way, Floats], shares: dict[_Way, float]) -> _Finding | None:
    """Whole numbers said to be nm that differ in z and yet lie in one section: they count voxels, if those fit the volume."""
    given, *others = places
    depths = places[given][:, 2]
    as_voxels = next((way for way in others if way.units == "voxel" and way.order == given.order), None)
    if given.units != "nm" or as_voxels is None or shares[as_voxels] < _NEARLY_ALL:
        return None
    whole = np.array_equal(places[given], np.floor(places[given]))
    if not whole or np.ptp(depths) >= volume.voxel_size_nm[2] or len(np.unique(depths)) < _MINIMUM_DEPTHS:
        return None
    text = (
        f"The coordinates do not mean what the dataset says: as given, points of {len(np.unique(depths))} different depths lie in "
        f"one section. Read as '{as_voxels.name}' they spread over {np.ptp(depths) + 1:.0f} sections of the volume. To mend it: "
        f"{as_voxels.remedy}."
    )
    return _Finding("contradicted", text, as_voxels.name)


def _judged_by_place(
    volume: Volume, places: dict[_Way, Floats], shares: dict[_Way, float], rivals: list[_Rival]
) -> _Finding:
    """Where hardly a point lies inside as given."""
    given = next(iter(shares))
    voxels = volume.voxel_of(places[given])
    low, high = volume.bounds_voxels
    few = f"Only {shares[given]:.1%} of the points lie" if shares[given] else "None of the points lies"
    text = (
        f"{few} inside the volume: the points span voxels "
        f"{voxels.min(axis=0).tolist()} to {voxels.max(axis=0).tolist()} (xyz), the volume spans {low.tolist()} to "
        f"{(high - 1).tolist()}. "
    )
    fitting = {way.name: way.remedy for way, share in shares.items() if share >= _NEARLY_ALL}
    if not fitting:
        text += (
            "No other order of the axes or unit puts them inside either. Is this the right volume, are its "
            "voxel_size_nm and offset_voxels right, and the space of the points?"
        )
        return _Finding("contradicted", text)
    firm = [rival for rival in rivals if rival.name in fitting and rival.look.stands_out(rival.at)]
    if firm:
        best = max(firm, key=lambda rival: rival.score).name
        text += f"Read as '{best}' they lie inside, and the tiles show something in their middle. To mend it: {fitting[best]}."
    elif len(fitting) == 1:
        best = next(iter(fitting))
        text += f"Of all orders of axes and units only '{best}' puts them inside. To mend it: {fitting[best]}."
    else:
        ways = "; or ".join(f"'{name}' ({remedy})" for name, remedy in fitting.items())
        return _Finding("contradicted", f"{text}They lie inside if read as {ways}.")
    return _Finding("contradicted", text, best)


def _in_words(rival: _Rival) -> str:
    if rival.in_sections:
        sections = int(rival.name[1:])
        count = "one section" if abs(sections) == 1 else f"{abs(sections)} sections"
        return f"The points look {count} too {'deep' if sections < 0 else 'shallow'}, read at {rival.name} the tiles stand out"
    if rival.name.startswith("x"):
        return f"What the points mark lies at {rival.name} voxels from them"
    return f"Read as '{rival.name}' the tiles stand out"


def _offset(look: _Look) -> tuple[float, float] | None:
    """Where the score has its peak in the points' own section, x, y in nm, if that is surely not at the points."""
    section, row, column = look.here
    near = np.where(look.far_nm < _ELSEWHERE_NM * look.scale.unit, look.scores[section], -1.0)
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(near)), near.shape))
    x, y = float(look.shifts_nm[column]), float(look.shifts_nm[row])
    if max(abs(x), abs(y)) < _WORTH_A_WORD_NM * look.scale.unit or not _surely_better(
        look, (section, row, column), look
    ):
        return None
    return x, y


def _direction(offset_nm: tuple[float, float], voxel_nm: float) -> str:
    words = [
        f"{abs(nm) / voxel_nm:.0f} px {names[nm > 0]}"
        for nm, names in zip(offset_nm, (("left of", "right of"), ("above", "below")), strict=True)
        if abs(nm) >= voxel_nm
    ]
    return " and ".join(words)


def _shown_tiles(seen: _Look | str, rivals: list[_Rival]) -> tuple[ReadingTiles, ...]:
    """The tiles of the given reading, the sections around it in their order, then the best others."""
    given = [] if isinstance(seen, str) else [_Rival("as given", "", seen, seen.here)]
    steps = [rival for rival in rivals if rival.in_sections]
    others = sorted((rival for rival in rivals if rival not in steps), key=lambda rival: -rival.score)
    return tuple(_tiles_of(rival) for rival in (sorted(given + steps, key=_section) + others)[:_SHOWN_READINGS])


def _section(rival: _Rival) -> int:
    return int(rival.name[1:]) if rival.in_sections else 0


def _tiles_of(rival: _Rival) -> ReadingTiles:
    contrast = _tiles(rival)
    contrast -= contrast.mean(axis=(1, 2), keepdims=True)
    contrast /= np.maximum(contrast.std(axis=(1, 2), keepdims=True), 1.0)
    examples = np.linspace(0, len(contrast) - 1, EXAMPLES).round().astype(int)
    return ReadingTiles(rival.name, contrast.mean(axis=0), contrast[examples])


def _tiles(rival: _Rival) -> Floats:
    """The middle half of each box at that shift, float64 (n, side, side); no shift leads over a box's edge."""
    section, *at = rival.at
    boxes, scale = rival.look.boxes, rival.look.scale
    side = boxes.shape[-1]
    x, y = (side // 4 + round(float(rival.look.shifts_nm[i]) / scale.voxel_nm) for i in reversed(at))
    return boxes[:, section, y : y + side // 2, x : x + side // 2].astype(np.float64)
