"""How cultured neurons with a stain for dendrites (MAP2-like) look in a fluorescence microscope: the picture part of the staining sample.

Somata, smooth neurites that branch, out-of-focus haze, debris, shot noise. What is planted: beads, swellings of a few pixels that sit on
stretches of a neurite like pearls. Sizes follow cultured neurons in order of magnitude at a pixel of 325 nm (somata 12 um wide, neurites 1
to 2 um, beads about 2 um) and claim nothing. What does not belong here: wells, compounds, illumination of plates, files (`staining.py`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float64]

_MARGIN_PX = 40  # drawn around the picture and cut off, so that its edge is like its middle
_STEP_PX = 0.5  # between points that a neurite is drawn by
_AREA_PX = 512**2  # counts below are for a picture of this area
_WIDTHS_PX = (0.8, 1.15, 1.9)  # standard deviations across a neurite: thin, middling, next to its soma
BEAD_RADIUS_PX = (2.2, 3.5)
_GLOW = 0.08  # of the medium, where 1 is a bright soma
_BETWEEN_BEADS_PX = (8.0, 13.0)
_BEADS_A_STRETCH = (4, 8)


@dataclass(frozen=True)
class Preparation:
    """What the pictures of one well have in common.

    beaded      stretches of a neurite with beads on them, in a picture of 512 x 512 pixels, on average
    density     neurons, as a multiple of the usual
    stain       brightness of what is stained, as a multiple of the usual
    haze        brightness of what is out of focus, as a multiple of the usual
    focus_px    standard deviation of the microscope's blur
    """

    beaded: float
    density: float
    stain: float
    haze: float
    focus_px: float


@dataclass(frozen=True)
class _Neurite:
    """Points (n, 2) x, y at every half pixel, and how bright and how wide it is there, by index into `_WIDTHS_PX`."""

    points: Floats
    brightness: Floats
    width: npt.NDArray[np.int64]


def draw_neurons(side_px: int, well: Preparation, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """What is stained, float64 (side_px, side_px), rows first, about 1 in a soma; and the beads (n, 3): x, y, radius.

    Pixels; the middle of the upper left one is (0, 0). Beads lie within the picture, whole.
    """
    whole = side_px + 2 * _MARGIN_PX
    share = whole**2 / _AREA_PX
    somata = _somata(whole, max(2, rng.poisson(3.4 * well.density * share)), rng)
    neurites = _neurites(whole, somata, max(1, rng.poisson(3 * share)), rng)
    beads = _beads(side_px, neurites, somata, rng.poisson(well.beaded * side_px**2 / _AREA_PX), rng)
    image = _lines(whole, neurites)
    for x, y, radius in somata:
        _add_soma(image, x, y, radius, rng)
    for x, y, radius, brightness in beads:
        _add_disc(image, x, y, radius, brightness)
    for _ in range(rng.poisson(9 * share)):
        _add_debris(image, rng)
    image = well.stain * image + well.haze * _haze(whole, share, rng)
    image = ndimage.gaussian_filter(image, well.focus_px)
    inside = slice(_MARGIN_PX, _MARGIN_PX + side_px)
    return image[inside, inside], beads[:, :3] - np.array([_MARGIN_PX, _MARGIN_PX, 0.0])


def exposed(light: Floats, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """What a camera of 12 bits makes of `light` (1: a bright soma): shot noise, readout noise, an offset of 100; 4095 is the most."""
    electrons = rng.poisson(700.0 * np.clip(light, 0, None))
    values = 100.0 + 3.2 * electrons + rng.normal(0, 6.0, light.shape)
    return np.clip(np.rint(values), 0, 4095).astype(np.uint16)


def _somata(whole: int, count: int, rng: np.random.Generator) -> Floats:
    """x, y and radius (n, 3) of somata that do not overlap."""
    found: list[tuple[float, float, float]] = []
    for _ in range(20 * count):
        x, y = rng.uniform(0, whole, 2)
        radius = rng.uniform(14, 20)
        if len(found) < count and all(np.hypot(x - u, y - v) > radius + r + 12 for u, v, r in found):
            found.append((x, y, radius))
    return np.array(found)


def _neurites(whole: int, somata: Floats, passing: int, rng: np.random.Generator) -> list[_Neurite]:
    """Those of the somata with their branches, and some that come in from elsewhere."""
    found: list[_Neurite] = []
    for x, y, radius in somata:
        count = int(rng.integers(3, 6))
        turn = rng.uniform(0, 2 * np.pi)
        for index in range(count):
            angle = turn + 2 * np.pi * index / count + rng.normal(0, 0.25)
            start = np.array([x, y]) + 0.8 * radius * np.array([np.cos(angle), np.sin(angle)])
            found += _tree(start, angle, rng.uniform(150, 380), 0, rng)
    for _ in range(passing):
        side, along = int(rng.integers(4)), rng.uniform(0.1, 0.9) * whole
        start = np.array([(along, 0.0), (whole, along), (along, whole), (0.0, along)][side])
        inwards = (np.pi / 2, np.pi, -np.pi / 2, 0.0)[side] + rng.normal(0, 0.4)
        found += _tree(start, inwards, rng.uniform(250, 600), 1, rng)
    return found


def _tree(start: Floats, angle: float, length: float, order: int, rng: np.random.Generator) -> list[_Neurite]:
    """A neurite of that length and its branches; the higher the order, the thinner."""
    count = max(20, int(length / _STEP_PX))
    bend = ndimage.gaussian_filter1d(rng.normal(0, 1, count), 40, mode="nearest")
    heading = angle + np.cumsum(0.05 * bend)
    points = start + np.cumsum(_STEP_PX * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    along = np.arange(count) * _STEP_PX
    brightness = rng.uniform(0.30, 0.55) * (1 - 0.35 * along / along[-1])
    brightness = brightness * (1 + 0.1 * ndimage.gaussian_filter1d(rng.normal(0, 8, count), 30, mode="nearest"))
    thin = 1 if order < 2 else 0
    width = np.where((along < rng.uniform(25, 60)) & (order == 0), 2, np.where(along < 0.7 * length, thin, 0))
    found = [_Neurite(points, brightness, width)]
    if order < 3:
        for _ in range(rng.poisson((2.2, 1.2, 0.5)[order])):
            at = int(rng.uniform(0.15, 0.85) * count)
            away = rng.uniform(0.5, 1.1) * rng.choice([-1.0, 1.0])
            found += _tree(points[at], heading[at] + away, length * rng.uniform(0.25, 0.5), order + 1, rng)
    return found


def _beads(side_px: int, neurites: list[_Neurite], somata: Floats, stretches: int, rng: np.random.Generator) -> Floats:
    """x, y, radius, brightness (n, 4) of beads on so many stretches; between them the neurites, which are changed, are dim."""
    found: list[tuple[float, float, float, float]] = []
    drawn = 0
    for _ in range(40 * stretches):
        if drawn == stretches:
            break
        neurite = neurites[int(rng.integers(len(neurites)))]
        spacing = rng.uniform(*_BETWEEN_BEADS_PX, int(rng.integers(*_BEADS_A_STRETCH)))
        places = int(rng.integers(len(neurite.points))) + np.cumsum(spacing / _STEP_PX).astype(int)
        if places[-1] + 12 >= len(neurite.points) or (neurite.width[places] == 2).any():
            continue
        points = neurite.points[places]
        low, high = _MARGIN_PX + 6, _MARGIN_PX + side_px - 7
        if (points < low).any() or (points > high).any() or _near(points, found, somata):
            continue
        radius = rng.uniform(*BEAD_RADIUS_PX, len(places))
        bright = neurite.brightness[places] * rng.uniform(1.1, 1.7, len(places))
        found += zip(*points.T.tolist(), radius.tolist(), bright.tolist(), strict=True)
        neurite.brightness[places[0] - 12 : places[-1] + 12] *= 0.6
        drawn += 1
    return np.array(found).reshape(-1, 4)


def _near(points: Floats, beads: list[tuple[float, float, float, float]], somata: Floats) -> bool:
    """Whether any of the points lies in a soma, or so near to a bead that both would be one."""
    apart = np.hypot(*(points[:, None] - somata[None, :, :2]).transpose(2, 0, 1)) - somata[:, 2]
    if (apart < 6).any():
        return True
    if not beads:
        return False
    others = np.array(beads)[:, :2]
    return bool((np.hypot(*(points[:, None] - others[None]).transpose(2, 0, 1)) < 8).any())


def _lines(whole: int, neurites: list[_Neurite]) -> Floats:
    """Neurites as ridges whose height is their brightness."""
    points = np.concatenate([neurite.points for neurite in neurites])
    height = np.concatenate([neurite.brightness for neurite in neurites])
    width = np.concatenate([neurite.width for neurite in neurites])
    image = np.zeros((whole, whole))
    for index, sigma in enumerate(_WIDTHS_PX):
        chosen = width == index
        density = height[chosen] * _STEP_PX * sigma * np.sqrt(2 * np.pi)
        image += ndimage.gaussian_filter(_splat(whole, points[chosen], density), sigma)
    return image


def _splat(whole: int, points: Floats, weight: Floats) -> Floats:
    """Weights at points, shared out among the four pixels around each; what lies outside is lost."""
    first = np.floor(points).astype(np.int64)
    share = points - first
    image = np.zeros(whole * whole)
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = first[:, 0] + dx, first[:, 1] + dy
            part = np.abs(1 - dx - share[:, 0]) * np.abs(1 - dy - share[:, 1]) * weight
            inside = (x >= 0) & (x < whole) & (y >= 0) & (y < whole)
            image += np.bincount(y[inside] * whole + x[inside], part[inside], minlength=whole * whole)
    return image.reshape(whole, whole)


def _patch(image: Floats, x: float, y: float, reach: float) -> tuple[Floats, Floats, Floats]:
    """The part of the image (a view) around a place, and how far its pixels are from the place along x and y."""
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    part = image[top : max(top, int(y + reach) + 2), left : max(left, int(x + reach) + 2)]
    rows, columns = part.shape
    return part, np.arange(left, left + columns)[None, :] - x, np.arange(top, top + rows)[:, None] - y


def _add_disc(image: Floats, x: float, y: float, radius: float, brightness: float) -> None:
    part, dx, dy = _patch(image, x, y, radius + 5)
    part += brightness / (1 + np.exp((np.hypot(dx, dy) - radius) / 0.4))


def _add_soma(image: Floats, x: float, y: float, radius: float, rng: np.random.Generator) -> None:
    part, dx, dy = _patch(image, x, y, 1.5 * radius + 10)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.3)
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    away = np.hypot(along / stretch, across * stretch)
    bright = rng.uniform(0.7, 1.1) * (1 + 0.06 * ndimage.gaussian_filter(rng.normal(0, 6, part.shape), 2.5))
    part += bright / (1 + np.exp((away - radius) / 1.5))
    part -= 0.35 / (1 + np.exp((np.hypot(dx - 2, dy - 1) - 0.45 * radius) / 1.2))


def _add_debris(image: Floats, rng: np.random.Generator) -> None:
    """Something bright that lies anywhere: as large as beads, but alone and of no certain shape."""
    x, y = rng.uniform(0, image.shape[0], 2)
    brightness, radius = rng.uniform(0.25, 0.9), rng.uniform(1.2, 3.0)
    for _ in range(int(rng.integers(1, 4))):
        _add_disc(image, x, y, radius, brightness)
        x, y = x + rng.normal(0, 2.5), y + rng.normal(0, 2.5)


def _haze(whole: int, share: float, rng: np.random.Generator) -> Floats:
    """Cells above and below the plane of focus, and an even glow."""
    coarse = np.zeros((-(-whole // 4), -(-whole // 4)))
    for _ in range(max(1, rng.poisson(5 * share))):
        x, y = rng.uniform(0, len(coarse), 2)
        _add_disc(coarse, x, y, rng.uniform(5, 9), rng.uniform(0.08, 0.2))
    somata = ndimage.zoom(ndimage.gaussian_filter(coarse, 6), 4, order=1, grid_mode=True, mode="nearest")
    starts = rng.uniform(0, whole, (max(1, rng.poisson(5 * share)), 2))
    away = [one for start in starts for one in _tree(start, rng.uniform(0, 2 * np.pi), rng.uniform(200, 400), 1, rng)]
    return _GLOW + somata[:whole, :whole] + 1.6 * ndimage.gaussian_filter(_lines(whole, away), 5)
