"""How a piece of neuropil with synapses looks: the picture part of the sample brain.

A block is a few sections of one neuron's surroundings. Cell outlines are an additively weighted Voronoi diagram (the
distance to a centre less a radius, as soap bubbles lie), membranes are where the two nearest cells are equally near.
Each synapse has a presynaptic bouton with a T-bar, a dark cleft, clear vesicles (rings of about 40 nm) and dense-core
vesicles. Sizes follow what is seen in fly neuropil in order of magnitude (vesicles 35 to 50 nm, dense cores 60 to 100
nm, T-bar platforms 50 to 100 nm); the differences between transmitters are planted, chosen so that they are modest,
and claim nothing. What is drawn says which pixels it covers: the true masks (`mark_block`) come of the same strokes as the picture.

What does not belong here: where neurons and synapses lie, tables, files (`brain.py`).
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint32]

_SITE_PX = 10.0  # from the T-bar into each cell across the cleft: the middle of the density
_SITE_GAP_PX = 6.0  # of `outlines`: about three pixels from the membrane
_SITE_REACH = 24  # pixels of the outlines around the T-bar in which it is looked for


@dataclass(frozen=True)
class Look:
    """What synapses of a transmitter look like on average; lengths in pixels of 4 nm, counts per section.

    `cytoplasm` is how much brighter the bouton is than its surroundings, of a range of 1.
    """

    vesicle_radius: float
    vesicle_stretch: float
    vesicles: float
    cores: float
    core_radius: float
    platform: float
    cleft: float
    cytoplasm: float


LOOKS = {
    "acetylcholine": Look(5.0, 1.05, 24, 0.15, 6.5, 19, 0.75, 0.0),
    "gaba": Look(4.1, 1.50, 22, 0.15, 6.5, 25, 0.40, -0.06),
    "glutamate": Look(6.5, 1.05, 16, 0.25, 6.5, 14, 0.95, 0.04),
    "dopamine": Look(4.7, 1.10, 14, 2.0, 6.6, 12, 0.50, -0.02),
    "octopamine": Look(5.4, 1.10, 8, 3.4, 9.8, 10, 0.60, -0.08),
    "serotonin": Look(4.2, 1.15, 10, 3.2, 7.8, 17, 0.30, 0.03),
}


@dataclass(frozen=True)
class Style:
    """How one neuron's surroundings were stained and imaged, and how its synapses differ from the average of its
    class."""

    brightness: float
    contrast: float
    blur_px: float
    grain: float
    membrane: float
    mottle: float
    crowding: float
    look: Look


def draw_style(transmitter: str, rng: np.random.Generator) -> Style:
    """A style for one neuron of that transmitter."""
    average = LOOKS[transmitter]

    def vary(value: float, spread: float) -> float:
        return float(value * np.exp(rng.normal(0, spread)))

    return Style(
        brightness=float(rng.normal(0.55, 0.06)),
        contrast=float(rng.uniform(0.7, 1.25)),
        blur_px=float(rng.uniform(0.45, 1.05)),
        grain=float(rng.uniform(0.04, 0.13)),
        membrane=float(rng.uniform(0.32, 0.55)),
        mottle=float(rng.uniform(0.015, 0.07)),
        crowding=vary(1.0, 0.12),
        look=Look(
            vesicle_radius=vary(average.vesicle_radius, 0.045),
            vesicle_stretch=1 + (average.vesicle_stretch - 1) * vary(1, 0.2),
            vesicles=vary(average.vesicles, 0.18),
            cores=vary(average.cores, 0.28),
            core_radius=vary(average.core_radius, 0.06),
            platform=vary(average.platform, 0.12),
            cleft=vary(average.cleft, 0.2),
            cytoplasm=average.cytoplasm + float(rng.normal(0, 0.02)),
        ),
    )


@dataclass(frozen=True)
class Cells:
    """Cell centres of a slab, and what each of its n cells is.

    `places` (sections, n, 2): x, y in pixels. `radius` (n,), or (sections, n) where it changes: pixels. `level` (n,): grey level,
    0 to 1.
    `kind`: 0 background, 1 background with a mitochondrion, 2 with microtubules, 3 presynaptic, 4 postsynaptic.
    `number` (n,): which cell of the background it is, the same in all slabs; of those of a synapse the site's id.
    """

    places: Points
    radius: Points
    level: Points
    kind: npt.NDArray[np.int8]
    number: npt.NDArray[np.int64]

    def near(self, low: Points, high: Points) -> "Cells":
        """The cells whose outlines may reach the rectangle from `low` to `high` (x, y)."""
        reach = self.radius[:, None] + 60
        middle = self.places[len(self.places) // 2]
        keep = ((middle > low - reach) & (middle < high + reach)).all(axis=1)
        return Cells(self.places[:, keep], self.radius[keep], self.level[keep], self.kind[keep], self.number[keep])


@dataclass(frozen=True)
class Site:
    """A synapse: place of its T-bar (x, y pixels), direction (radians) from it into the postsynaptic side, bouton
    radius, the T-bar's section of the slab, and the synapse's id."""

    x: float
    y: float
    angle: float
    bouton: float
    section: int = 1
    id: int = 0


class Mask(NamedTuple):
    """The pixels of one section that a structure covers: `covered` (bool) is of those rows and columns."""

    section: int
    rows: slice
    columns: slice
    covered: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SynapseMasks:
    """What is drawn at one T-bar."""

    presynaptic: list[Mask]
    cleft: list[Mask]
    postsynaptic: list[Mask]


@dataclass(frozen=True)
class Marks:
    """What is where in a block; uint32 (sections, rows, columns), 0 where nothing is.

    presynaptic (pedestal and platform), cleft and postsynaptic (the density) hold the synapse's id, mitochondria the number of the
    cell; boutons, at half resolution, the synapse's id. sites: (synapse's id, x, y, section) of each postsynaptic cell across a
    cleft, x and y in pixels of the block.
    """

    presynaptic: Labels
    cleft: Labels
    postsynaptic: Labels
    mitochondria: Labels
    boutons: Labels
    sites: list[tuple[int, int, int, int]]


@dataclass(frozen=True)
class _Scene:
    """A block whose structures are drawn: the picture without membranes and noise, and what covers what."""

    image: Floats
    gap: Floats
    owner: npt.NDArray[np.int32]
    cells: Cells
    sites: list[Site]
    synapses: list[SynapseMasks]
    mitochondria: list[tuple[int, list[Mask]]]


def draw_block(
    origin: tuple[int, int],
    size: tuple[int, int],
    cells: Cells,
    sites: list[Site],
    style: Style,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    """Grey values uint8 (sections, rows, columns) of the rectangle at `origin` (x, y) of `size` (width, height, both
    even)."""
    scene = _scene(origin, size, cells, sites, style, rng)
    return imaged(scene.image, scene.gap, style, rng)


def mark_block(
    origin: tuple[int, int],
    size: tuple[int, int],
    cells: Cells,
    sites: list[Site],
    style: Style,
    rng: np.random.Generator,
) -> Marks:
    """What is where in the picture that `draw_block` gives for the same arguments, of numbers and ids above 0.

    A pixel belongs to a structure that covers more than half of it; where two mitochondria overlap, to the one drawn later.
    """
    scene = _scene(origin, size, cells, sites, style, rng)
    empty = [np.zeros(scene.image.shape, dtype=np.uint32) for _ in range(4)]
    presynaptic, cleft, postsynaptic, mitochondria = empty
    for number, masks in scene.mitochondria:
        _mark(mitochondria, masks, number)
    for site, synapse in zip(scene.sites, scene.synapses, strict=True):
        _mark(presynaptic, synapse.presynaptic, site.id)
        _mark(cleft, synapse.cleft, site.id)
        _mark(postsynaptic, synapse.postsynaptic, site.id)
    bouton = np.where(scene.cells.kind == 3, scene.cells.number, 0).astype(np.uint32)
    across = [(site.id, x, y, site.section) for site in scene.sites for x, y in _postsynaptic_sites(scene, site)]
    return Marks(presynaptic, cleft, postsynaptic, mitochondria, bouton[scene.owner], across)


def _mark(labels: Labels, masks: list[Mask], label: int) -> None:
    for section, rows, columns, covered in masks:
        labels[section, rows, columns][covered] = label


def _postsynaptic_sites(scene: _Scene, site: Site) -> list[tuple[int, int]]:
    """A pixel (x, y) in each cell across the cleft that is in the picture: at the density, a little inside the membrane."""
    window = _window(scene.gap, site.x / 2, site.y / 2, _SITE_REACH)
    sites: list[tuple[int, int]] = []
    if window is None:
        return sites
    rows, columns, dy, dx = window
    owner, gap = scene.owner[site.section, rows, columns], scene.gap[site.section, rows, columns]
    outside = 1e3 * np.maximum(_SITE_GAP_PX - gap, 0)
    for index in np.flatnonzero((scene.cells.kind == 4) & (scene.cells.number == site.id)):
        toward = scene.cells.places[site.section, index] - (site.x, site.y)
        across, down = toward * (_SITE_PX / np.hypot(*toward))
        away = np.where(owner == index, np.hypot(2 * dx - across, 2 * dy - down) + outside, np.inf)
        row, column = np.unravel_index(np.argmin(away), away.shape)
        if np.isfinite(away[row, column]):
            sites.append((2 * (columns.start + int(column)), 2 * (rows.start + int(row))))
    return sites


def _scene(
    origin: tuple[int, int],
    size: tuple[int, int],
    cells: Cells,
    sites: list[Site],
    style: Style,
    rng: np.random.Generator,
) -> _Scene:
    sections, (width, height) = len(cells.places), size
    here = np.array(origin, dtype=np.float64)
    local = cells.near(here, here + size)
    local = replace(local, places=local.places - here)
    sites = [replace(site, x=site.x - origin[0], y=site.y - origin[1]) for site in sites]
    quiet = np.ones((height // 2, width // 2), dtype=np.float32)
    grid_y, grid_x = np.meshgrid(np.arange(height // 2) * 2.0, np.arange(width // 2) * 2.0, indexing="ij")
    for site in sites:  # membranes wobble, but not below a T-bar
        quiet *= 1 - np.exp(-((grid_x - site.x) ** 2 + (grid_y - site.y) ** 2).astype(np.float32) / 800)
    wobble = 6 * quiet * smooth_noise((2, height // 2, width // 2), 13, rng)
    gap, owner = outlines(local, wobble)
    image = cytoplasm(owner, local, style, rng)
    mitochondria = []
    for index in np.flatnonzero(local.kind == 1):
        radii = np.repeat(local.radius[index], sections)
        mitochondria.append((int(local.number[index]), draw_mitochondrion(image, local.places[:, index], radii, rng)))
    draw_microtubules(image, owner, gap, local, rng)
    stamps = vesicle_stamps(style.look, rng), core_stamps(style.look, rng)
    synapses = [_draw_synapse(image, owner, gap, local, site, style, stamps, rng) for site in sites]
    return _Scene(image, gap, owner, local, sites, synapses, mitochondria)


def cytoplasm(owner: npt.NDArray[np.int32], cells: Cells, style: Style, rng: np.random.Generator) -> Floats:
    """Mottled grey of the cells, (sections, rows, columns), from `owner` at half resolution."""
    level = (cells.level + np.where(cells.kind == 3, style.look.cytoplasm, 0)).astype(np.float32)
    image = np.repeat(np.repeat(level[owner], 2, axis=1), 2, axis=2)
    image += np.float32(style.mottle) * smooth_noise(image.shape, 9, rng)
    return image


def imaged(image: Floats, gap: Floats, style: Style, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The drawn cells with membranes where `gap` (half resolution) is small, stained, blurred and noisy; changes `image`."""
    image -= np.float32(style.membrane) * np.exp(-np.square(_doubled(gap) / np.float32(5.0)))
    image += np.float32(style.grain) * rng.standard_normal(image.shape, dtype=np.float32)
    radius = 1 if style.blur_px < 0.8 else 2
    for axis in (1, 2):
        image = ndimage.gaussian_filter1d(image, style.blur_px, axis=axis, radius=radius, mode="nearest")
    image += np.float32(0.025) * rng.standard_normal(image.shape, dtype=np.float32)
    image = (image - 0.56) * style.contrast + style.brightness
    return np.clip(image * 255, 0, 255).astype(np.uint8)


def _doubled(values: Floats) -> Floats:
    """(sections, h, w) -> (sections, 2h, 2w), linear between the values."""
    for axis in (1, 2):
        shifted = np.concatenate([values.take(range(1, values.shape[axis]), axis), values.take([-1], axis)], axis)
        shape = list(values.shape)
        shape[axis] *= 2
        values = np.stack([values, (values + shifted) / 2], axis=axis + 1).reshape(shape)
    return values


def smooth_noise(shape: tuple[int, int, int], step: int, rng: np.random.Generator) -> Floats:
    """Noise of unit size that changes over about `step` pixels."""
    sections, height, width = shape
    coarse = rng.standard_normal((sections, height // step + 3, width // step + 3), dtype=np.float32)
    y, x = np.arange(height) / step, np.arange(width) / step
    iy, ix = y.astype(int), x.astype(int)
    wy, wx = (y - iy).astype(np.float32)[:, None], (x - ix).astype(np.float32)
    rows = coarse[:, iy] * (1 - wy) + coarse[:, iy + 1] * wy
    return rows[:, :, ix] * (1 - wx) + rows[:, :, ix + 1] * wx


def outlines(cells: Cells, wobble: Floats) -> tuple[Floats, npt.NDArray[np.int32]]:
    """At half resolution: how much nearer the nearest cell is than the second (pixels), and which cell is nearest.

    `wobble` (2, rows, columns), or (2, sections, rows, columns): by how much x and y of the outlines are moved.
    """
    sections, (height, width) = len(cells.places), wobble.shape[-2:]
    grid_y, grid_x = np.meshgrid(np.arange(height) * 2.0, np.arange(width) * 2.0, indexing="ij")
    x, y = (grid_x + wobble[0]).astype(np.float32), (grid_y + wobble[1]).astype(np.float32)
    nearest = np.full((sections, height, width), 1e4, dtype=np.float32)
    second = nearest.copy()
    owner = np.zeros(nearest.shape, dtype=np.int32)
    radius = np.broadcast_to(cells.radius, cells.places.shape[:2])
    for index in range(radius.shape[1]):
        centre, reach = cells.places[:, index], radius[:, index].max() + 62
        x0, y0 = np.maximum((centre.min(axis=0) - reach) // 2, 0).astype(int)
        x1, y1 = np.minimum((centre.max(axis=0) + reach) // 2, (width, height)).astype(int)
        if x0 >= x1 or y0 >= y1:
            continue
        at = (slice(None), slice(y0, y1), slice(x0, x1))
        away = np.square(x[..., y0:y1, x0:x1] - centre[:, 0, None, None].astype(np.float32))
        away += np.square(y[..., y0:y1, x0:x1] - centre[:, 1, None, None].astype(np.float32))
        np.sqrt(away, out=away)
        away -= radius[:, index, None, None].astype(np.float32)
        first = nearest[at]
        closer = away < first
        second[at] = np.minimum(second[at], np.maximum(first, away))
        owner[at][closer] = index
        nearest[at] = np.minimum(first, away)
    return np.minimum(second - nearest, 100), owner


def _window(image: Floats, x: float, y: float, half: int) -> tuple[slice, slice, Floats, Floats] | None:
    """Rows, columns and the coordinates from (x, y) of a square around it, cut at the image's edge."""
    x0, x1 = max(int(x) - half, 0), min(int(x) + half + 1, image.shape[-1])
    y0, y1 = max(int(y) - half, 0), min(int(y) + half + 1, image.shape[-2])
    if x0 >= x1 or y0 >= y1:
        return None
    dy, dx = np.meshgrid(np.arange(y0, y1) - y, np.arange(x0, x1) - x, indexing="ij")
    return slice(y0, y1), slice(x0, x1), dy.astype(np.float32), dx.astype(np.float32)


def _inside(value: npt.NDArray[Any], sharpness: float) -> Floats:
    """1 where value is well above 0, 0 well below, smooth between."""
    return np.asarray(0.5 + 0.5 * np.tanh(value * (sharpness / 2)), dtype=np.float32)


def _turned(dx: npt.NDArray[Any], dy: npt.NDArray[Any], angle: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The coordinates along a direction (radians) and across it."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return dx * c + dy * s, dy * c - dx * s


def draw_mitochondrion(image: Floats, places: Points, radii: Points, rng: np.random.Generator) -> list[Mask]:
    """A mitochondrion along `places` (sections, 2), as wide as the cell's `radii` (sections,) allow; gives what it covers."""
    angle, long, short = rng.uniform(0, np.pi), rng.uniform(0.9, 1.1), rng.uniform(0.55, 0.75)
    wave, phase = rng.uniform(0.8, 1.1), rng.uniform(0, 6)
    masks = []
    for section, ((x, y), radius) in enumerate(zip(places, radii, strict=True)):
        window = _window(image, x, y, int(radius * 1.3) + 4)
        if window is None:
            continue
        rows, columns, dy, dx = window
        u, v = _turned(dx, dy, angle)
        depth = (1 - np.sqrt((u / (radius * long)) ** 2 + (v / (radius * short)) ** 2)) * (radius * short)
        stripes = 0.07 * np.sin(wave * u + 1.5 * np.sin(0.18 * v + phase + section * 0.4)) - 0.15 * np.exp(
            -(((depth - 1) / 2.0) ** 2)
        )
        cover = _inside(depth, 1.2)
        image[section, rows, columns] *= 1 - cover
        image[section, rows, columns] += cover * (0.45 + stripes)
        masks.append(Mask(section, rows, columns, cover > 0.5))
    return masks


def put(image: Floats, section: int, x: float, y: float, stamp: Floats) -> None:
    """Add `stamp` (odd size) at the pixel of (x, y), cut at the image's edge."""
    half = stamp.shape[0] // 2
    column, row = int(x), int(y)
    top, left = max(half - row, 0), max(half - column, 0)
    bottom, right = min(image.shape[1] - row + half, 2 * half + 1), min(image.shape[2] - column + half, 2 * half + 1)
    if top < bottom and left < right:
        image[section, row - half + top : row - half + bottom, column - half + left : column - half + right] += stamp[
            top:bottom, left:right
        ]


def draw_microtubules(
    image: Floats, owner: npt.NDArray[np.int32], gap: Floats, cells: Cells, rng: np.random.Generator
) -> None:
    """Dots at places that each cell of that kind keeps through its sections, wherever they lie well inside it."""
    dy, dx = np.meshgrid(np.arange(-4, 5), np.arange(-4, 5), indexing="ij")
    dot = (-0.22 * np.exp(-((np.hypot(dx, dy) - 1.6) ** 2) / 1.6)).astype(np.float32)
    for index in np.flatnonzero(cells.kind == 2):
        offsets = rng.normal(0, cells.radius[..., index].max() * 0.35 + 5, size=(rng.integers(3, 9), 2))
        for section, centre in enumerate(cells.places[:, index]):
            for x, y in centre + offsets:
                column, row = int(x) // 2, int(y) // 2
                if not (0 <= column < gap.shape[2] and 0 <= row < gap.shape[1]):
                    continue
                if owner[section, row, column] == index and gap[section, row, column] > 14:
                    put(image, section, x, y, dot)


def vesicle_stamps(look: Look, rng: np.random.Generator) -> list[Floats]:
    """Clear vesicles, each to be added to a picture."""
    dy, dx = np.meshgrid(np.arange(-9, 10), np.arange(-9, 10), indexing="ij")
    stamps = []
    for _ in range(40):
        radius, angle = look.vesicle_radius * rng.normal(1, 0.09), rng.uniform(0, np.pi)
        stretch = np.sqrt(max(1.0, look.vesicle_stretch * rng.normal(1, 0.06)))
        u, v = _turned(dx, dy, angle)
        edge = np.hypot(u / stretch, v * stretch) - (radius - 1.2)
        stamps.append(
            (0.05 * _inside(-edge, 1.5) - rng.uniform(0.24, 0.38) * np.exp(-((edge / 1.5) ** 2))).astype(np.float32)
        )
    return stamps


def core_stamps(look: Look, rng: np.random.Generator) -> list[Floats]:
    """Dense-core vesicles, each to be added to a picture."""
    dy, dx = np.meshgrid(np.arange(-17, 18), np.arange(-17, 18), indexing="ij")
    stamps = []
    for _ in range(24):
        radius = look.core_radius * rng.normal(1, 0.12)
        away = np.hypot(dx - rng.normal(0, 0.4), dy - rng.normal(0, 0.4))
        halo = 0.08 * _inside(radius - away, 1.5)
        rim = -0.10 * np.exp(-(((away - radius) / 1.2) ** 2))
        stamps.append((halo + rim - rng.uniform(0.36, 0.5) * _inside(radius * 0.72 - away, 1.1)).astype(np.float32))
    return stamps


def free_spots(
    owner: npt.NDArray[np.int32],
    gap: Floats,
    bouton: int,
    centre: tuple[float, float],
    site: Site,
    look: Look,
    rng: np.random.Generator,
) -> Points:
    """Where vesicles find room in one section of the cell `bouton`, (n, 2): x, y in pixels, away from membranes and T-bar."""
    pitch = 2 * look.vesicle_radius * 1.12 + 0.8
    reach = int(2.2 * site.bouton / pitch) + 2
    step_y, step_x = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), indexing="ij")
    lattice = np.stack([step_x + 0.5 * (step_y % 2), step_y * 0.87], axis=-1).reshape(-1, 2) * pitch
    turn = rng.uniform(0, np.pi)
    spots = lattice @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    spots = spots + rng.normal(0, 1.3, size=spots.shape) + centre
    column, row = (spots // 2).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < owner.shape[1]) & (row < owner.shape[0])
    spots, column, row = spots[inside], column[inside], row[inside]
    free = (owner[row, column] == bouton) & (gap[row, column] > 2 * look.vesicle_radius + 3)
    return spots[free & (np.hypot(*(spots - (site.x, site.y)).T) > 15)]


def _draw_synapse(
    image: Floats,
    owner: npt.NDArray[np.int32],
    gap: Floats,
    cells: Cells,
    site: Site,
    style: Style,
    stamps: tuple[list[Floats], list[Floats]],
    rng: np.random.Generator,
) -> SynapseMasks:
    look, (vesicles, cores) = style.look, stamps
    sections = len(image)
    centre_x, centre_y = site.x - site.bouton * np.cos(site.angle), site.y - site.bouton * np.sin(site.angle)
    bouton = int(np.argmin(np.hypot(*(cells.places[sections // 2] - (centre_x, centre_y)).T) + 1e3 * (cells.kind != 3)))
    crowd = look.vesicles * style.crowding * np.exp(rng.normal(0, 0.2))
    dense = look.cores * np.exp(rng.normal(0, 0.3))
    for section in range(sections):
        spots = free_spots(owner[section], gap[section], bouton, (centre_x, centre_y), site, look, rng)
        if len(spots):
            distance = np.hypot(*(spots - (site.x, site.y)).T)
            order = np.argsort(distance / 22 + rng.gumbel(0, 0.8, len(spots)))
            many = min(len(spots), rng.poisson(dense))
            big = [spots[i] for i in rng.permutation(len(spots))[:many]]
            small = [spots[i] for i in order[: rng.poisson(crowd)]]
            for x, y in small:
                if all((x - a) ** 2 + (y - b) ** 2 > (look.core_radius + look.vesicle_radius) ** 2 for a, b in big):
                    put(image, section, x, y, vesicles[rng.integers(len(vesicles))])
            for x, y in big:
                put(image, section, x, y, cores[rng.integers(len(cores))])
    return draw_t_bar(image, site, look, rng)


def draw_t_bar(image: Floats, site: Site, look: Look, rng: np.random.Generator) -> SynapseMasks:
    """Pedestal and platform on the presynaptic side, darkened cleft and postsynaptic density beyond the membrane.

    Gives what each covers in the sections where they show at more than half of their strength.
    """
    masks = SynapseMasks([], [], [])
    window = _window(image, site.x, site.y, 32)
    if window is None:
        return masks
    rows, columns, dy, dx = window
    outward, along = _turned(dx, dy, site.angle)
    inward = -outward
    half = float(look.platform / 2 * rng.normal(1, 0.12))
    height = float(rng.uniform(8, 11))
    bow = inward + along**2 * float(rng.uniform(0.0024, 0.012))
    middle = (len(image) - 1) / 2
    for section in range(len(image)):
        strength = float(np.exp(-((section - middle) ** 2) / 2.2) * rng.uniform(0.85, 1.1))
        wide = half * (1.0 if section == round(middle) else float(rng.uniform(0.6, 0.95)))
        pedestal = _inside(3.2 - np.abs(along), 1.5) * _inside(inward + 1, 1.2) * _inside(height - inward, 1.2)
        platform = _inside(wide - np.abs(along), 0.9) * _inside(2.6 - np.abs(bow - height), 1.3)
        cleft = _inside(half * 1.5 + 3 - np.abs(along), 0.6) * np.exp(-(((bow + 2) / 3.6) ** 2))
        density = _inside(half * 1.3 + 2 - np.abs(along), 0.4) * np.exp(-(((bow + 8) / 4.0) ** 2))
        t_bar = np.maximum(pedestal, platform)
        dark = 0.40 * t_bar + look.cleft * (0.26 * cleft + 0.17 * density)
        image[section, rows, columns] -= strength * dark
        if strength > 0.5:
            masks.presynaptic.append(Mask(section, rows, columns, t_bar > 0.5))
            masks.cleft.append(Mask(section, rows, columns, cleft > 0.5))
            masks.postsynaptic.append(Mask(section, rows, columns, density > 0.5))
    return masks
