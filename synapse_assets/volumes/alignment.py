"""The check of alignment: do the coordinates of some points mean, in this volume, what the dataset says?

Nothing is assumed of what a synapse looks like. Points that mean something share something that the places around
them lack, so the picture averaged over many points has something in its middle; the average over wrong places is grey.
One box is read around each of a sample of points, and grey level, darkness and edges are averaged at three scales for
every shift of the whole sample within the boxes. How far a shift's averages lie from those of the surroundings, in
standard deviations of single places (the Mahalanobis distance of the two means, what their expected distance by chance
subtracted), is its score: 0 where the places are like any around them. The shifts that are too far to show the same
object give the scores expected by chance; sections above and below and shifts in the plane are read off the same boxes; other orders
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

# Points whose surroundings are read; of a local volume so many times more where these do not decide, because points
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
# Points nearer than this show the same object; one point of each object is preferred.
_APART_NM = 200.0
# A systematic shift in the plane that leaves the synapse off the middle of its tile, and one worth reporting.
_FAR_NM, _REPORTED_NM = 100.0, 30.0
# Sections thinner than this are stepped over several at a time: one of them shows nothing new. Around the best step they are
# read one by one, or in so many parts of a step where it has more sections.
_STEP_NM, _PARTS = 30.0, 4
# So many windows of two steps, each about the end of the one before, if the best section lies at its end.
_WINDOWS = 3
# Voxel sizes of isotropic volumes, and of coarser and finer scales, whose numbers a table may count.
_ISOTROPIC_NM = (4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0)
_SCALE_FACTORS = (0.25, 0.5, 2.0, 4.0)
# Readings whose tiles are kept for display, and how many single tiles of each.
_MOST_DISPLAYED, EXAMPLES = 7, 5


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
    """The result of an examination.

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
        """Whether no tile is to be cut before the user has checked."""
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
    numbers, whose voxels are of `voxel_size_nm` (x, y, z; the volume's, if None). At most `sample` points are read, the
    same points for the same seed.

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
    alignment = _examined(volume, points, units, seed, sample, size)
    if alignment.verdict == "cannot tell" and alignment.sampled and sample < len(points) and not volume.array.remote:
        alignment = _examined(volume, points, units, seed, _MORE * sample, size)
    return alignment


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
    conventions = _conventions(units)
    positions = {
        convention: numbers[:, list(convention.order)] * (size if convention.units == "voxel" else 1.0)
        for convention in conventions
    }
    sized = _resized_conventions(units, table_voxel_nm)
    positions |= {convention: points / size * np.array(convention.voxel_nm) for convention in sized}
    inside = {convention: volume.contains(positions[convention]) for convention in positions}
    stated, alternatives = conventions[0], conventions[1:]
    shares = {convention: float(inside[convention].mean()) for convention in conventions}

    def measure(convention: _Convention, reach: int) -> "_Measurement | str":
        rng = np.random.default_rng([seed, (*conventions, *sized).index(convention)])
        return _measure(volume, positions[convention][inside[convention]], reach, sample, rng)

    measured = measure(stated, 2) if shares[stated] >= _FEW else "hardly a point lies inside the volume"
    doubtful = (
        isinstance(measured, str)
        or not measured.stands_out(measured.here, _BEYOND_DOUBT)
        or shares[stated] < _NEARLY_ALL
    )
    measurements: dict[_Convention, _Measurement | str] = {stated: measured}
    for convention in alternatives:
        if shares[convention] < _MOST:
            measurements[convention] = "too few points lie inside the volume"
        else:
            measurements[convention] = (
                measure(convention, 0) if doubtful else "not read, because the given reading stands out"
            )
    for convention in sized:
        # There are many sizes: only one that is beyond doubt is worth reporting.
        measurement = measure(convention, 0) if doubtful and inside[convention].mean() >= _MOST else ""
        if isinstance(measurement, _Measurement) and measurement.stands_out(measurement.here, _BEYOND_DOUBT):
            measurements[convention], shares[convention] = measurement, float(inside[convention].mean())
    scored = [
        _Rival(convention.name, convention.remedy, measurement, measurement.here)
        for convention, measurement in measurements.items()
        if isinstance(measurement, _Measurement)
    ]
    rivals = [rival for rival in scored if rival.measurement is not measured]
    if isinstance(measured, _Measurement):
        rivals = _rivals_in(measured, volume) + rivals
    finding = _judged(volume, positions, shares, measured, rivals)
    finer = next(
        (_finer(rival, volume) for rival in rivals if rival.name == finding.better and rival.in_sections), None
    )
    if finer is not None:
        rivals = [finer if rival.name == finding.better else rival for rival in rivals if rival.name != finer.name]
        rivals = rivals if finer in rivals else [finer, *rivals]
        finding = replace(finding, better=finer.name, sentence=_sentence_of(finer, measured, shares[stated]))
    readings = [_reading(convention.name, shares[convention], measurements[convention]) for convention in measurements]
    shifted = [
        Reading(rival.name, shares[stated], rival.score)
        for rival in rivals
        if rival.measurement is measured or rival is finer
    ]
    displayed = (
        measured
        if isinstance(measured, _Measurement)
        else max((r.measurement for r in rivals), key=_score_here, default=None)
    )
    elsewhere = () if displayed is None else np.quantile(displayed.elsewhere, np.linspace(0, 1, 201)).tolist()
    readings = [readings[0], *shifted, *readings[1:]]
    return Alignment(
        verdict=finding.verdict,
        sentence=finding.sentence,
        better=finding.better,
        readings=tuple(readings),
        random_shifts=tuple(elsewhere),
        sampled=0 if displayed is None else len(displayed.boxes),
        offset_nm=finding.offset_nm,
        tiles=_displayed_tiles(measured, rivals),
    )


@dataclass(frozen=True)
class _Convention:
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
            sources = ", ".join(f"{axis} from the column that is now {other}" for axis, other in moved)
            parts.append(f"in the source's columns take {sources}")
        if self.units != self.given:
            parts.append(f"set units: {self.units}")
        return " and ".join(parts)


def _plural(units: str) -> str:
    return "voxels" if units == "voxel" else "nm"


def _conventions(units: Units) -> list[_Convention]:
    """All unit and axis conventions, the stated one first."""
    other_unit: Units = "voxel" if units == "nm" else "nm"
    orders = list(itertools.permutations(range(3)))
    return [_Convention(unit, (a, b, c), units) for unit in (units, other_unit) for a, b, c in orders]


def _resized_conventions(units: Units, table_voxel_nm: tuple[float, float, float]) -> list[_Convention]:
    """Conventions in which the same numbers count voxels of other sizes."""
    x, y, z = table_voxel_nm
    if max(x, y, z) < 1.5 * min(x, y, z):
        sizes = [(size, size, size) for size in _ISOTROPIC_NM]
    else:
        sizes = [(x * factor, y * factor, z) for factor in _SCALE_FACTORS]
    return [
        _Convention(units, (0, 1, 2), units, size, (x / size[0], y / size[1], z / size[2]))
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
class _Measurement:
    """The boxes around n points, and their scores.

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


def _measure(volume: Volume, points: Floats, reach: int, sample: int, rng: np.random.Generator) -> _Measurement | str:
    """Measures a sample of the points, up to `reach` steps above and below them; or says why this is not possible."""
    scale = _Scale.of(volume)
    voxels = volume.voxel_of(points)
    low, high = volume.bounds_voxels
    # A thin volume is measured over fewer steps.
    for depth in range(reach, -1, -1):
        half = np.array([scale.box // 2, scale.box // 2, depth * scale.step])
        fits = ((voxels - half >= low) & (voxels + half < high)).all(axis=1)
        complete = np.flatnonzero(fits)
        if len(complete) >= MINIMUM_POINTS:
            break
    if len(complete) < MINIMUM_POINTS:
        return f"only {len(complete)} points lie far enough from the volume's edges; {MINIMUM_POINTS} are needed"
    chosen = _spread(points, rng.permutation(complete), scale, sample)
    return _measured_boxes(volume, points[chosen], depth * scale.step, scale.step, scale)


def _measured_boxes(volume: Volume, points: Floats, sections: int, step: int, scale: _Scale) -> _Measurement | str:
    """Measures all the points and, `step` by `step`, up to so many `sections` above and below them."""
    boxes = np.zeros((len(points), 2 * (sections // step) + 1, scale.box, scale.box), dtype=np.uint8)
    complete = np.zeros(len(points), dtype=np.bool_)
    try:
        for batch in volume.read_tiles(points, TileSpec(size_px=scale.box, sections=2 * sections + 1)):
            boxes[batch.indices] = batch.tiles[:, sections % step :: step]
            complete[batch.indices] = batch.valid_fraction == 1
    except BadInput as error:
        return f"the volume cannot be read there ({error})"
    # A box of one grey value has nothing to show.
    complete &= np.ptp(boxes.reshape(len(boxes), -1), axis=1) > 0
    if complete.sum() < MINIMUM_POINTS:
        return f"only {complete.sum()} of the points looked at show a complete picture that is not of one grey; {MINIMUM_POINTS} are needed"
    boxes, points = boxes[complete], points[complete]
    cells = np.floor(points / (_BOX_NM / 2 * scale.unit)).astype(np.int64)
    neighbourhood = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1)
    features, shifts_nm = _features(boxes, scale)
    elsewhere = np.maximum(np.abs(shifts_nm)[:, None], np.abs(shifts_nm)[None, :]) >= _ELSEWHERE_NM * scale.unit
    features = _whitened(features, elsewhere)
    squared = (features.mean(axis=0) ** 2).sum(axis=0)
    scores = np.sqrt(np.maximum(squared - squared[:, elsewhere].mean(), 0))
    return _Measurement(scale, points, boxes, features, scores, neighbourhood, shifts_nm)


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
    inner = slice(margin, 2 * middle + 1 - margin)
    features = []
    for picture in boxes:
        grey = picture.reshape(sections, side, scale.pixel, side, scale.pixel).mean(axis=(2, 4), dtype=np.float32)
        grey -= grey.mean(axis=(1, 2), keepdims=True)
        grey /= np.maximum(grey.std(axis=(1, 2), keepdims=True), 1)
        edges = np.hypot(*np.gradient(_blurred(grey, 0.7), axis=(1, 2)))
        dark = np.minimum(grey, 0) ** 2
        first = [_blurred(feature, finest)[:, ::2, ::2] for feature in (grey, dark, edges)]
        maps = first + [_blurred(feature, np.sqrt(s**2 - finest**2) / 2) for s in wider for feature in first]
        features.append(np.stack(maps)[:, :, inner, inner])
    shifts = np.arange(2 * middle + 1)[inner] - middle
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
    """A reading that was scored, with what is needed to compare it with the given one."""

    name: str
    remedy: str
    measurement: _Measurement
    at: tuple[int, int, int]

    @property
    def score(self) -> float:
        return float(self.measurement.scores[self.at])

    @property
    def in_sections(self) -> bool:
        """Whether it is the same points some sections above or below."""
        return self.name.startswith("z")

    def beats(self, measurement: _Measurement) -> bool:
        """Whether it stands out, by more than any random shift does, and not for the sake of a few places."""
        gain = self.score - float(measurement.scores[measurement.here])
        chance = max(self.measurement.elsewhere.max(), measurement.elsewhere.max())
        return (
            self.measurement.stands_out(self.at)
            and gain > chance
            and _surely_better(self.measurement, self.at, measurement)
        )


def _surely_better(measurement: _Measurement, at: tuple[int, int, int], stated: _Measurement) -> bool:
    """Whether the score at `at` is higher than the given one's in (nearly) every resample of the neighbourhoods."""
    if measurement.neighbourhoods < _MINIMUM_NEIGHBOURHOODS:
        return False
    # The same boxes are resampled together, so what they share cancels.
    mine = measurement.resampled(at, measurement.weights(1))
    theirs = stated.resampled(stated.here, stated.weights(1 if stated is measurement else 2))
    if stated.neighbourhoods < _MINIMUM_NEIGHBOURHOODS:
        # Other units crowd the points together. Its random shifts give what such a place scores by chance.
        theirs = np.full(_RESAMPLES, theirs.mean())
    return bool(mine.mean() - theirs.mean() > _DEVIATIONS * (mine - theirs).std())


def _rivals_in(measurement: _Measurement, volume: Volume) -> list[_Rival]:
    """Sections above and below; and, if nothing is to be seen at the points, the best shift in the plane."""
    rivals = []
    reach = measurement.scores.shape[0] // 2
    for k in (*range(-reach, 0), *range(1, reach + 1)):
        rivals.append(
            _Rival(
                f"z{k * measurement.scale.step:+d}",
                _z_remedy(k * measurement.scale.step, volume),
                measurement,
                measurement.step(k),
            )
        )
    peak = measurement.peak()
    x, y = measurement.shifts_nm[peak[2]], measurement.shifts_nm[peak[1]]
    if max(abs(x), abs(y)) >= _FAR_NM * measurement.scale.unit and not measurement.stands_out(measurement.here):
        voxels = np.round(np.array([x, y]) / np.array(volume.voxel_size_nm[:2])).astype(int)
        sections = (peak[0] - reach) * measurement.scale.step
        name = f"x{voxels[0]:+d}, y{voxels[1]:+d}" + (f", z{sections:+d}" if sections else "")
        remedy = (
            f"if the volume's offset_voxels are wrong, add ({-voxels[0]}, {-voxels[1]}, {-sections}) to them; otherwise "
            "the points are of another space"
        )
        rivals.append(_Rival(name, remedy, measurement, peak))
    return rivals


def _finer(rival: _Rival, volume: Volume) -> _Rival | None:
    """A reading some sections off, to the section where steps have several. None where nothing finer can be said."""
    step, parts = rival.measurement.scale.step, max(1, round(rival.measurement.scale.step / _PARTS))
    sections = step // parts * parts
    finer: _Rival | None = None
    best = int(rival.name[1:])
    for _ in range(_WINDOWS if step > 1 else 0):
        middle = best
        points = rival.measurement.points + np.array([0, 0, middle * volume.voxel_size_nm[2]])
        z = volume.voxel_of(points)[:, 2]
        low, high = (edge[2] for edge in volume.bounds_voxels)
        points = points[(z - sections >= low) & (z + sections < high)]
        near = (
            _measured_boxes(volume, points, sections, parts, rival.measurement.scale)
            if len(points) >= MINIMUM_POINTS
            else ""
        )
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
        finer = _Rival(f"z{best:+d}", _z_remedy(best, volume), near, (at, row, column)) if best else None
        if 0 < at < len(shifts) - 1:
            break
    return finer


def _z_remedy(sections: int, volume: Volume) -> str:
    text = (
        f"write offset_voxels: [0, 0, {-sections}] in the volume (or add {-sections:+d} to its third number), or fix z in the "
        f"table ({sections * volume.voxel_size_nm[2]:+g} nm)"
    )
    if sections == -1 and volume.spec.space in ("FAFB14", "local") and volume.voxel_size_nm[2] > _STEP_NM:
        text = (
            "if these are FAFB positions from CATMAID, which counts one section deeper than the public volumes, set "
            f"space: FAFB14_CATMAID and transform: catmaid_to_n5; otherwise {text}"
        )
    return text


def _score_here(measurement: _Measurement) -> float:
    return float(measurement.scores[measurement.here])


def _reading(name: str, share: float, measurement: _Measurement | str) -> Reading:
    return (
        Reading(name, share, None, measurement)
        if isinstance(measurement, str)
        else Reading(name, share, _score_here(measurement))
    )


@dataclass(frozen=True)
class _Finding:
    verdict: Verdict
    sentence: str
    better: str | None = None
    offset_nm: tuple[float, float] | None = None


def _judged(
    volume: Volume,
    positions: dict[_Convention, Floats],
    shares: dict[_Convention, float],
    measured: _Measurement | str,
    rivals: list[_Rival],
) -> _Finding:
    stated = next(iter(shares))
    if shares[stated] < _FEW:
        return _judged_by_place(volume, positions, shares, rivals)
    crowded = _judged_by_crowding(volume, positions, shares)
    if crowded is not None:
        return crowded
    outside = _outside(shares[stated])
    if isinstance(measured, str):
        # Where many points lie outside as well, a reading that has them inside and stands out is believed.
        firm = [rival for rival in rivals if rival.measurement.stands_out(rival.at)] if shares[stated] < _MOST else []
        if not firm:
            return _Finding("cannot tell", f"Cannot tell whether the coordinates fit: {measured}.{outside}")
        best = max(firm, key=lambda rival: rival.score)
        text = (
            f"The coordinates do not mean what the dataset says: as given, {measured}.{outside} {_description(best)}. "
        )
        return _Finding("contradicted", f"{text}Fix: {best.remedy}.", best.name)
    here, facts = _score_here(measured), _facts(measured)
    winners = [rival for rival in rivals if rival.beats(measured)]
    if winners:
        best = max(winners, key=lambda rival: rival.score)
        return _Finding("contradicted", _sentence_of(best, measured, shares[stated]), best.name)
    if not measured.stands_out(measured.here):
        text = (
            f"Cannot tell whether the coordinates fit: as given the places look like any others around them ({facts})."
        )
        highest_rival = max(rivals, key=lambda rival: rival.score, default=None)
        if highest_rival is not None and highest_rival.score > here:
            text += f" The best other reading is '{highest_rival.name}' ({highest_rival.score:.2f}), but it is not surely better."
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
    offset_nm = _offset(measured)
    if offset_nm is not None:
        text += f" What the points mark lies {_direction(offset_nm, measured.scale.voxel_nm)} them."
    return _Finding("fits", text + outside, None, offset_nm)


def _sentence_of(best: _Rival, measured: _Measurement | str, share_inside: float) -> str:
    """The sentence for a reading that beats the given one."""
    facts = "" if isinstance(measured, str) else f"; {_facts(measured)}"
    return (
        f"The coordinates do not mean what the dataset says. {_description(best)} (score {best.score:.2f}{facts}). "
        f"Fix: {best.remedy}.{_outside(share_inside)}"
    )


def _facts(measured: _Measurement) -> str:
    return f"score {_score_here(measured):.2f} as given, random shifts reach {measured.elsewhere.max():.2f}"


def _outside(share_inside: float) -> str:
    return f" {1 - share_inside:.1%} of the points lie outside the volume." if share_inside < 1 else ""


def _judged_by_crowding(
    volume: Volume, positions: dict[_Convention, Floats], shares: dict[_Convention, float]
) -> _Finding | None:
    """Whole numbers said to be nm that differ in z and yet lie in one section: they count voxels, if those fit the volume."""
    stated, *alternatives = positions
    depths = positions[stated][:, 2]
    as_voxels = next(
        (convention for convention in alternatives if convention.units == "voxel" and convention.order == stated.order),
        None,
    )
    if stated.units != "nm" or as_voxels is None or shares[as_voxels] < _NEARLY_ALL:
        return None
    is_whole = np.array_equal(positions[stated], np.floor(positions[stated]))
    if not is_whole or np.ptp(depths) >= volume.voxel_size_nm[2] or len(np.unique(depths)) < _MINIMUM_DEPTHS:
        return None
    text = (
        f"The coordinates do not mean what the dataset says: as given, points of {len(np.unique(depths))} different depths lie in "
        f"one section. Read as '{as_voxels.name}' they spread over {np.ptp(depths) + 1:.0f} sections of the volume. Fix: "
        f"{as_voxels.remedy}."
    )
    return _Finding("contradicted", text, as_voxels.name)


def _judged_by_place(
    volume: Volume, positions: dict[_Convention, Floats], shares: dict[_Convention, float], rivals: list[_Rival]
) -> _Finding:
    """Where hardly a point lies inside as given."""
    stated = next(iter(shares))
    voxels = volume.voxel_of(positions[stated])
    low, high = volume.bounds_voxels
    few = f"Only {shares[stated]:.1%} of the points lie" if shares[stated] else "None of the points lies"
    text = (
        f"{few} inside the volume: the points span voxels "
        f"{voxels.min(axis=0).tolist()} to {voxels.max(axis=0).tolist()} (xyz), the volume spans {low.tolist()} to "
        f"{(high - 1).tolist()}. "
    )
    fitting = {convention.name: convention.remedy for convention, share in shares.items() if share >= _NEARLY_ALL}
    if not fitting:
        text += (
            "No other order of the axes or unit puts them inside either. Is this the right volume, are its "
            "voxel_size_nm and offset_voxels right, and the space of the points?"
        )
        return _Finding("contradicted", text)
    firm = [rival for rival in rivals if rival.name in fitting and rival.measurement.stands_out(rival.at)]
    if firm:
        best = max(firm, key=lambda rival: rival.score).name
        text += f"Read as '{best}' they lie inside, and the tiles show something in their middle. Fix: {fitting[best]}."
    elif len(fitting) == 1:
        best = next(iter(fitting))
        text += f"Of all orders of axes and units only '{best}' puts them inside. Fix: {fitting[best]}."
    else:
        readings = "; or ".join(f"'{name}' ({remedy})" for name, remedy in fitting.items())
        return _Finding("contradicted", f"{text}They lie inside if read as {readings}.")
    return _Finding("contradicted", text, best)


def _description(rival: _Rival) -> str:
    if rival.in_sections:
        sections = int(rival.name[1:])
        count = "one section" if abs(sections) == 1 else f"{abs(sections)} sections"
        return f"The points look {count} too {'deep' if sections < 0 else 'shallow'}, read at {rival.name} the tiles stand out"
    if rival.name.startswith("x"):
        return f"What the points mark lies at {rival.name} voxels from them"
    return f"Read as '{rival.name}' the tiles stand out"


def _offset(measurement: _Measurement) -> tuple[float, float] | None:
    """Where the score has its peak in the points' own section, x, y in nm, if that is surely not at the points."""
    section, row, column = measurement.here
    near = np.where(measurement.far_nm < _ELSEWHERE_NM * measurement.scale.unit, measurement.scores[section], -1.0)
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(near)), near.shape))
    x, y = float(measurement.shifts_nm[column]), float(measurement.shifts_nm[row])
    if max(abs(x), abs(y)) < _REPORTED_NM * measurement.scale.unit or not _surely_better(
        measurement, (section, row, column), measurement
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


def _displayed_tiles(measured: _Measurement | str, rivals: list[_Rival]) -> tuple[ReadingTiles, ...]:
    """The tiles of the given reading, the sections around it in their order, then the best others."""
    stated = [] if isinstance(measured, str) else [_Rival("as given", "", measured, measured.here)]
    steps = [rival for rival in rivals if rival.in_sections]
    others = sorted((rival for rival in rivals if rival not in steps), key=lambda rival: -rival.score)
    return tuple(_tiles_of(rival) for rival in (sorted(stated + steps, key=_section) + others)[:_MOST_DISPLAYED])


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
    boxes, scale = rival.measurement.boxes, rival.measurement.scale
    side = boxes.shape[-1]
    x, y = (side // 4 + round(float(rival.measurement.shifts_nm[i]) / scale.voxel_nm) for i in reversed(at))
    return boxes[:, section, y : y + side // 2, x : x + side // 2].astype(np.float64)
