"""What can be measured of a tile without training: vesicles, T-bar, cleft, membranes and mitochondria, in nanometres.

All is measured in the middle section. What is dark is judged against the section's own membranes, whose median depth is its `contrast`:
brightness and contrast of an image change neither which blobs and bodies are found nor how large they are. Darkness of vesicles is given in
that contrast, that of the T-bar by ranks; `membrane_contrast` alone is in grey values, since it is there to show differences of staining.

Blobs are found in scale space (Lindeberg, IJCV 30, 1998): extremes of the normalised Laplacian over place and scale; lines by the
larger eigenvalue of the Hessian (Steger, PAMI 20, 1998). Each blob has to show itself along rays from its centre: a clear vesicle is a dark
rim around something lighter, a dense core something dark in lighter surroundings, on nearly all sides. So lines and junctions are none.

Belongs here: measures of one tile. Does not belong here: how classes differ (`class_differences`), reading tiles (`pipeline`).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from synapse_assets.schema import ATTRIBUTES

Float64: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

# Below this width there is no room for a synapse and its surroundings, and above this pixel a rim is no longer seen.
SMALLEST_TILE_NM = 256.0
LARGEST_PIXEL_NM = 10.0
# Rims of clear vesicles from middle to middle, and dense cores. Vesicles of fly and mouse measure 30 to 60 nm on the outside, dense-core
# vesicles 60 to 100 nm; flattened ones are narrower one way.
RIM_NM = (16.0, 64.0)
CORE_NM = (30.0, 80.0)
# Not looked for so near to the centre, where T-bar and cleft are.
_CENTRE_NM = 56.0
_RAYS = 16
_SCALE_STEP = 1.22
# The rest in parts of the section's contrast. Found on the sample brain, whose vesicles are known: a stricter test misses small ones in
# noise, a laxer one counts the gaps between vesicles.
_LEAST_RESPONSE = 0.08
# On so many of the rays a blob has to show itself.
_ENCLOSED = 0.8
_CORE_ENCLOSED = 15 / 16
_LEAST_DEPTH = 0.2
# Of the rim of a blob at most so much belongs to others, which reach so many of their radii.
_LARGEST_COVERED, _RIM_REACH = 0.5, 1.3
_LEAST_CORE_DEPTH = 0.5
# A thin ring of radius R answers most as a light blob at R / sqrt(3 + sqrt(5)): the largest u (u - 1) exp(-u) of u = R² / 2 s².
_RING_SCALE = 1 / np.sqrt(3 + np.sqrt(5))
_DISC_SCALE = 1 / np.sqrt(2)
_SMOOTH_NM = 3.0
# Lines: the standard deviation of a membrane's profile; what counts as one, and what is surely one (a vesicle's rim is shorter).
_LINE_NM = 8.0
_SHORTEST_NM = 120.0
_LONG_NM = 250.0
_LEAST_LINE = 0.3
_CLEFT_NM = 40.0
_CLEFT_SMOOTH_NM = 6.0
_LEAST_CLEFT = 0.15
_TBAR_NM, _AROUND_NM = 36.0, (70.0, 180.0)
# Mitochondria: the smallest that counts, as the radius of a disc inside it, and how dark it is.
_BODY_NM = 40.0
_BODY_DEPTH = (0.2, 0.8)
_BODY_SMOOTH_NM, _FILLED_NM = 6.0, 24.0


@dataclass(frozen=True)
class Blob:
    """A vesicle-like blob: place in pixels, diameter in nm, and by how much its rim or core is darker than what is around, in the
    section's contrast."""

    y: float
    x: float
    diameter_nm: float
    darkness: float


def measure_tiles(tiles: npt.NDArray[np.uint8], pixel_nm: float) -> dict[str, Float64]:
    """The columns of `schema.ATTRIBUTES` of tiles uint8 (N, sections, H, W) of `pixel_nm` nanometres a pixel, float64 (N,) each.

    vesicle_number       blobs in the middle section; small, flattened vesicles in noisy sections are not all found
    vesicle_diameter_nm  median over them: of a rim from middle to middle, of a core where it is half as dark
    vesicle_darkness     median over them: rim or core against the lightest around, in the section's contrast
    tbar_darkness        share of pixels 70 to 180 nm from the centre that are lighter than one within 36 nm, less the share that is
                         darker (Cliff's delta)
    cleft_length_nm      longest extent of what is darker at the centre than half-way between the tile's membranes and its darkest there;
                         the T-bar is a part of it
    membrane_contrast    mean depth of dark lines of 120 nm and more, 112 nm and more from the centre, of the range of grey values
    mitochondria_share   share of bodies between cytosol and membrane in darkness that a disc of 40 nm radius fits into

    NaN where it cannot be measured: tiles of less than 256 nm, and a section that is flat or half outside the volume (all); pixels above
    10 nm (vesicles, cleft and membranes); no blobs (their diameter and darkness); nothing at the centre that is darker than membrane (the
    cleft's length); no membrane (its contrast). Raises ValueError for tiles of another shape.
    """
    if tiles.ndim != 4 or pixel_nm <= 0:
        raise ValueError(
            f"tiles of shape {tiles.shape} and {pixel_nm} nm: (N, sections, H, W) and a positive size are needed"
        )
    names = [column.name for column in ATTRIBUTES]
    found = np.full((len(tiles), len(names)), np.nan)
    for row, tile in enumerate(tiles):
        values = _measured(tile[len(tile) // 2], pixel_nm)
        found[row] = [values.get(name, np.nan) for name in names]
    return {name: found[:, place].copy() for place, name in enumerate(names)}


def _measured(section: npt.NDArray[np.uint8], pixel_nm: float) -> dict[str, float]:
    seen = _Section.of(section, pixel_nm)
    if seen is None:
        return {}
    bodies = seen.bodies()
    values = {"tbar_darkness": seen.tbar_darkness(), "mitochondria_share": float(bodies[seen.valid].mean())}
    if pixel_nm > LARGEST_PIXEL_NM:
        return values
    blobs = [blob for blob in seen.blobs() if not bodies[round(blob.y), round(blob.x)]]
    values["vesicle_number"] = float(len(blobs))
    if blobs:
        values["vesicle_diameter_nm"] = float(np.median([blob.diameter_nm for blob in blobs]))
        values["vesicle_darkness"] = float(np.median([blob.darkness for blob in blobs]))
    return values | seen.lines(blobs, bodies)


@dataclass(frozen=True)
class _Section:
    """A section to be measured. grey: 0 to 1; smooth: the same without the finest grain; valid: inside the volume; level: the median;
    contrast: see above; away_nm: distance from the centre; depth and middle: of dark lines, as `_ridges` gives them."""

    grey: Float64
    smooth: Float64
    valid: Mask
    contrast: float
    level: float
    away_nm: Float64
    pixel_nm: float
    depth: Float64
    middle: Mask

    @classmethod
    def of(cls, section: npt.NDArray[np.uint8], pixel_nm: float) -> "_Section | None":
        """None where nothing can be measured."""
        if min(section.shape) * pixel_nm < SMALLEST_TILE_NM:
            return None
        # What lies outside the volume is zero in whole rows or columns.
        valid: Mask = np.outer(section.any(axis=1), section.any(axis=0))
        if valid.mean() < 0.5:
            return None
        grey = section / 255.0
        level = float(np.median(grey[valid]))
        grey[~valid] = level
        smooth = ndimage.gaussian_filter(grey, max(_SMOOTH_NM / pixel_nm, 0.5))
        depth, middle = _ridges(grey, valid, pixel_nm)
        spread = level - float(np.quantile(smooth[valid], 0.05))
        if spread < 1 / 255:
            return None
        lengths, labels = _lengths(middle & (depth > _LEAST_LINE * spread), pixel_nm)
        long = lengths[labels] >= _LONG_NM
        contrast = float(np.median(depth[long])) if long.any() else spread
        y, x = (np.arange(size) - (size - 1) / 2 for size in section.shape)
        return cls(
            grey, smooth, valid, contrast, level, np.hypot(y[:, None], x[None, :]) * pixel_nm, pixel_nm, depth, middle
        )

    def tbar_darkness(self) -> float:
        """How surely a pixel at the centre is darker than one around it, -1 to 1 (Cliff's delta)."""
        centre = self.smooth[(self.away_nm < _TBAR_NM) & self.valid]
        around = self.smooth[(self.away_nm > _AROUND_NM[0]) & (self.away_nm < _AROUND_NM[1]) & self.valid]
        if not len(centre) or not len(around):
            return float("nan")
        around = np.sort(around)
        darker = np.searchsorted(around, centre, side="left") / len(around)
        lighter = 1 - np.searchsorted(around, centre, side="right") / len(around)
        return float((lighter - darker).mean())

    def bodies(self) -> Mask:
        """Bodies between cytosol and membrane in darkness that a disc of `_BODY_NM` radius fits into, away from the T-bar."""
        smooth = ndimage.gaussian_filter(self.grey, _BODY_SMOOTH_NM / self.pixel_nm)
        # What is dark in lines only, as membranes and rims of vesicles, is filled.
        closed = ndimage.grey_closing(smooth, size=2 * round(_FILLED_NM / 2 / self.pixel_nm) + 1)
        depth = (np.median(closed) - closed) / self.contrast
        dark = (depth > _BODY_DEPTH[0]) & (depth < _BODY_DEPTH[1]) & self.valid
        if not dark.any():
            return dark
        inner = ndimage.distance_transform_edt(np.pad(dark, 1))[1:-1, 1:-1] >= _BODY_NM / self.pixel_nm
        inner &= self.away_nm > _CENTRE_NM
        if not inner.any():
            return inner
        return dark & (ndimage.distance_transform_edt(~inner) <= _BODY_NM / self.pixel_nm)

    # Blobs

    def blobs(self) -> list[Blob]:
        """Clear vesicles and dense cores, the clearest first; none lies inside another."""
        rims, cores = self._rims(), self._cores()
        kept: list[Blob] = []
        for blob in [*sorted(rims, key=lambda blob: -blob.darkness), *sorted(cores, key=lambda blob: -blob.darkness)]:
            if not kept or self._covered(blob, kept) <= _LARGEST_COVERED:
                kept.append(blob)
        return kept

    def _covered(self, blob: Blob, others: list[Blob]) -> float:
        """The share of the rim of a blob that belongs to others: of the light gap between vesicles it is all."""
        angle = np.arange(_RAYS) * 2 * np.pi / _RAYS
        radius = blob.diameter_nm / 2 / self.pixel_nm
        y, x = blob.y + radius * np.sin(angle), blob.x + radius * np.cos(angle)
        places = np.array([(other.y, other.x, other.diameter_nm / 2 / self.pixel_nm) for other in others])
        if (np.hypot(blob.y - places[:, 0], blob.x - places[:, 1]) < radius).any():
            return 1.0
        away = np.hypot(y[:, None] - places[:, 0], x[:, None] - places[:, 1])
        return float((away < _RIM_REACH * places[:, 2]).any(axis=1).mean())

    def _candidates(self, response: Float64, sigmas: Float64, reach: float) -> tuple[Float64, Float64]:
        """Places (n, 2) and scales (n,) in pixels of the maxima of a response (scales, H, W) over place and scale, further from the
        edge than `reach` times the scale. The first and the last scale are there to be compared with."""
        highest = response
        for axis in range(3):
            padded = np.pad(highest, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode="edge")
            first, last = (np.take(padded, range(step, step + highest.shape[axis]), axis) for step in (0, 2))
            highest = np.maximum(np.maximum(highest, first), last)
        peak = (response == highest) & (response > _LEAST_RESPONSE * self.contrast)
        peak &= self.valid & (self.away_nm > _CENTRE_NM)
        peak[[0, -1]] = False
        scale, y, x = np.nonzero(peak)
        height, width = self.grey.shape
        edge = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x))
        inside = edge > reach * sigmas[scale]
        return np.stack([y, x], axis=1)[inside].astype(np.float64), sigmas[scale][inside]

    def _rays(self, places: Float64, reach: Float64, steps: int) -> Float64:
        """Grey values (n, rays, steps) from each place outward to `reach` (n,) pixels."""
        angle = np.arange(_RAYS) * 2 * np.pi / _RAYS
        away = reach[:, None, None] * np.linspace(0, 1, steps)
        y = places[:, 0, None, None] + np.sin(angle)[:, None] * away
        x = places[:, 1, None, None] + np.cos(angle)[:, None] * away
        values: Float64 = ndimage.map_coordinates(self.smooth, [y, x], order=1, mode="nearest")
        return values

    def _laplacians(self, widths_nm: tuple[float, float], scale: float) -> tuple[Float64, Float64]:
        """Normalised Laplacians (scales, H, W) for blobs of these widths, and the scales in pixels: `scale` times the radius."""
        low, high = (width / 2 * scale / self.pixel_nm for width in widths_nm)
        count = int(np.ceil(np.log(high / low) / np.log(_SCALE_STEP))) + 1
        sigmas = low * _SCALE_STEP ** np.arange(-1.0, count + 1)
        return np.stack([sigma**2 * _laplacian(self.grey, sigma) for sigma in sigmas]), sigmas

    def _rims(self) -> list[Blob]:
        laplacian, sigmas = self._laplacians(RIM_NM, _RING_SCALE)
        places, scales = self._candidates(-laplacian, sigmas, 1.3 / _RING_SCALE)
        if not len(places):
            return []
        away, radius = np.linspace(0, 2.2, 23), scales / _RING_SCALE
        rays = self._rays(places, 2.2 * radius, len(away))
        profile = rays.mean(axis=1)
        between = (away >= 0.5) & (away <= 1.6)
        at = np.flatnonzero(between)[profile[:, between].argmin(axis=1)]
        rows = np.arange(len(places))
        inside, rim = profile[:, away < 0.3].mean(axis=1), profile[rows, at]
        beyond = np.where(np.arange(len(away)) > at[:, None], profile, -np.inf).max(axis=1)
        depth = np.minimum(inside, beyond) - rim
        near = np.abs(away - away[at][:, None]) <= 0.35
        darkest = np.where(near[:, None, :], rays, np.inf).min(axis=2)
        outside = np.where((away > away[at][:, None] + 0.2)[:, None, :], rays, -np.inf).max(axis=2)
        enclosed = np.minimum(inside[:, None], outside) - darkest > 0.5 * depth[:, None]
        width = 2 * _vertex(profile, at, away) * radius * self.pixel_nm
        keep = (depth > _LEAST_DEPTH * self.contrast) & (enclosed.mean(axis=1) >= _ENCLOSED)
        keep &= (width >= RIM_NM[0]) & (width <= RIM_NM[1])
        darkness = (beyond - darkest.mean(axis=1)) / self.contrast
        return [Blob(places[i, 0], places[i, 1], width[i], darkness[i]) for i in np.flatnonzero(keep)]

    def _cores(self) -> list[Blob]:
        places, scales = self._candidates(*self._laplacians(CORE_NM, _DISC_SCALE), 1.3 / _DISC_SCALE)
        if not len(places):
            return []
        away, radius = np.linspace(0, 2.0, 21), scales / _DISC_SCALE
        rays = self._rays(places, 2.0 * radius, len(away))
        profile = rays.mean(axis=1)
        core, middle = profile[:, away < 0.6].mean(axis=1), profile[:, away < 0.3].mean(axis=1)
        around = profile[:, away > 1.0].max(axis=1)
        depth = around - core
        lighter = rays[:, :, away > 1.0].max(axis=2) - core[:, None] > 0.6 * depth[:, None]
        at = np.argmax(profile > ((core + around) / 2)[:, None], axis=1)
        width = 2 * away[at] * radius * self.pixel_nm
        keep = (depth > _LEAST_CORE_DEPTH * self.contrast) & (lighter.mean(axis=1) >= _CORE_ENCLOSED)
        # The middle of a core is as dark as the rest of it; that of a clear vesicle is not.
        keep &= (middle < core + 0.2 * depth) & (width >= CORE_NM[0]) & (width <= CORE_NM[1])
        return [Blob(places[i, 0], places[i, 1], width[i], depth[i] / self.contrast) for i in np.flatnonzero(keep)]

    # Lines

    def lines(self, blobs: list[Blob], bodies: Mask) -> dict[str, float]:
        """`membrane_contrast` and `cleft_length_nm`, where they can be measured."""
        depth, middle = self.depth, self.middle
        outside = ~bodies
        y, x = np.indices(self.grey.shape)
        for blob in blobs:
            outside &= np.hypot(y - blob.y, x - blob.x) * self.pixel_nm > 0.9 * blob.diameter_nm
        drawn = middle & (depth > _LEAST_LINE * self.contrast) & outside
        lengths, labels = _lengths(drawn, self.pixel_nm)
        membranes = (lengths[labels] >= _SHORTEST_NM) & (self.away_nm > 2 * _CENTRE_NM)
        found = {}
        if membranes.any():
            found["membrane_contrast"] = float(depth[membranes].mean())
        cleft = self._cleft_nm(membranes)
        return found if cleft is None else {**found, "cleft_length_nm": cleft}

    def _cleft_nm(self, membranes: Mask) -> float | None:
        """Longest extent of what is darker at the centre than half-way between ordinary membrane and the darkest there; None where that
        is hardly darker than membrane, and a section without membrane is compared with its median."""
        grey = ndimage.gaussian_filter(self.grey, _CLEFT_SMOOTH_NM / self.pixel_nm)
        ordinary = float(np.median(grey[membranes])) if membranes.any() else self.level
        near = self.away_nm < _CLEFT_NM
        darkest = float(grey[near].min())
        if darkest > ordinary - _LEAST_CLEFT * self.contrast:
            return None
        labels, _ = ndimage.label((grey < (darkest + ordinary) / 2) & self.valid, structure=np.ones((3, 3)))
        place = np.unravel_index(np.argmin(np.where(labels > 0, self.away_nm, np.inf)), labels.shape)
        points = np.argwhere(labels == labels[place])
        if len(points) < 3:
            return None
        along = (points - points.mean(axis=0)) @ np.linalg.eigh(np.cov(points.T))[1][:, -1]
        return float((along.max() - along.min() + 1) * self.pixel_nm)


def _ridges(grey: Float64, valid: Mask, pixel_nm: float) -> tuple[Float64, Mask]:
    """Depth of dark lines in grey values of 0 to 1 (that of a Gaussian line of `_LINE_NM` is its own), and their middle pixels."""
    sigma = _LINE_NM / pixel_nm
    yy, xx, yx = (ndimage.gaussian_filter(grey, sigma, order=order) for order in ((2, 0), (0, 2), (1, 1)))
    root = np.hypot((yy - xx) / 2, yx)
    across, along = (yy + xx) / 2 + root, (yy + xx) / 2 - root
    # A line of depth D and standard deviation w answers D w / (w² + s²)^(3/2) at scale s; here w is s.
    depth = np.maximum(across - np.abs(along), 0) * sigma**2 * 2**1.5
    angle = np.arctan2(yx, (xx - yy) / 2 + root)
    y, x = np.indices(depth.shape).astype(np.float64)
    sides = [
        ndimage.map_coordinates(depth, [y + sign * np.sin(angle), x + sign * np.cos(angle)], order=1, mode="nearest")
        for sign in (1, -1)
    ]
    return depth, (depth > 0) & (depth >= sides[0]) & (depth >= sides[1]) & valid


def _lengths(drawn: Mask, pixel_nm: float) -> tuple[Float64, npt.NDArray[np.int32]]:
    """Length in nm of every line (0 of what is none), and the lines by number: steps between its pixels, diagonal ones longer."""
    labels, count = ndimage.label(drawn, structure=np.ones((3, 3)))
    straight = np.zeros(count + 1)
    for (dy, dx), step in (((0, 1), 1.0), ((1, 0), 1.0), ((1, 1), np.sqrt(2)), ((1, -1), np.sqrt(2))):
        moved = np.zeros_like(drawn)
        moved[: drawn.shape[0] - dy, max(-dx, 0) : drawn.shape[1] - max(dx, 0)] = drawn[
            dy:, max(dx, 0) : drawn.shape[1] + min(dx, 0)
        ]
        joined = drawn & moved
        if dy and dx:  # a corner of three pixels is no longer way
            corner = np.zeros_like(drawn)
            corner[: drawn.shape[0] - dy] = drawn[dy:]
            beside = np.zeros_like(drawn)
            beside[:, max(-dx, 0) : drawn.shape[1] - max(dx, 0)] = drawn[:, max(dx, 0) : drawn.shape[1] + min(dx, 0)]
            joined &= ~corner & ~beside
        straight += np.bincount(labels[joined], minlength=count + 1) * step
    straight[0] = 0
    return straight * pixel_nm, labels


def _laplacian(image: Float64, sigma: float) -> Float64:
    """The Laplacian of an image smoothed by `sigma` pixels."""
    result: Float64 = ndimage.laplace(
        ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0), mode="nearest"
    )
    return result


def _vertex(profile: Float64, at: npt.NDArray[np.int64], away: Float64) -> Float64:
    """Where the parabola through the minimum `at` (n,) of each profile (n, steps) and its neighbours is lowest."""
    rows, inner = np.arange(len(at)), np.clip(at, 1, profile.shape[1] - 2)
    low, middle, high = (profile[rows, inner + step] for step in (-1, 0, 1))
    bend = low - 2 * middle + high
    shift = np.where(bend > 0, (low - high) / np.where(bend > 0, 2 * bend, 1), 0)
    place: Float64 = away[inner] + np.clip(shift, -0.5, 0.5) * (away[1] - away[0])
    return place
