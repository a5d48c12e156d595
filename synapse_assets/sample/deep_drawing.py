"""How neuropil looks in many sections: the picture part of the deep sample.

What `drawing.py` draws alike in three sections runs on here: outlines shift slowly, vesicles are spheres that lie in one or two
sections and show as much as is cut of them, mitochondria begin and end, a T-bar with its cleft spans a few sections. Style and
grey values are those of the neuron in all of them.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from synapse_assets.sample.drawing import (
    Cells,
    Floats,
    Points,
    Site,
    Style,
    core_stamps,
    cytoplasm,
    draw_microtubules,
    draw_mitochondrion,
    draw_t_bar,
    free_spots,
    imaged,
    outlines,
    put,
    smooth_noise,
    vesicle_stamps,
)

_PX_A_SECTION = 10.0  # a section is as thick as ten pixels are wide
_WOBBLE_PITCH = 5  # sections over which outlines change their wobble
_T_BAR_REACH = 3  # sections before and behind its own in which a T-bar shows


def draw_deep_block(
    origin: tuple[int, int],
    size: tuple[int, int],
    cells: Cells,
    sites: list[Site],
    style: Style,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    """Grey values uint8 (sections, rows, columns) of the rectangle at `origin` (x, y) of `size` (width, height, both
    even); the radius of `cells` is (sections, n)."""
    here = np.array(origin, dtype=np.float64)
    local = _near(cells, here, here + size)
    local = replace(local, places=local.places - here)
    sites = [replace(site, x=site.x - origin[0], y=site.y - origin[1]) for site in sites]
    gap, owner = outlines(local, _wobble(len(cells.places), size, sites, rng))
    image = cytoplasm(owner, local, style, rng)
    for index in np.flatnonzero(local.kind == 1):
        _draw_mitochondrion(image, local.places[:, index], local.radius[:, index], rng)
    draw_microtubules(image, owner, gap, local, rng)
    stamps = vesicle_stamps(style.look, rng), core_stamps(style.look, rng)
    for site in sites:
        _draw_vesicles(image, owner, gap, local, site, style, stamps, rng)
        first = site.section - _T_BAR_REACH
        draw_t_bar(image[first : site.section + _T_BAR_REACH + 1], site, style.look, rng)
    return imaged(image, gap, style, rng)


def _near(cells: Cells, low: Points, high: Points) -> Cells:
    reach = np.maximum(cells.radius, 0)[:, :, None] + 60
    keep = ((cells.places > low - reach) & (cells.places < high + reach)).all(axis=2).any(axis=0)
    return Cells(cells.places[:, keep], cells.radius[:, keep], cells.level[keep], cells.kind[keep], cells.number[keep])


def _wobble(sections: int, size: tuple[int, int], sites: list[Site], rng: np.random.Generator) -> Floats:
    """How much outlines are moved, (2, sections, rows, columns) at half resolution: little near a T-bar."""
    width, height = size[0] // 2, size[1] // 2
    known = smooth_noise((2 * (sections // _WOBBLE_PITCH + 2), height, width), 13, rng).reshape(2, -1, height, width)
    before, along = np.divmod(np.arange(sections) / _WOBBLE_PITCH, 1)
    share = (along * np.pi / 2).astype(np.float32)[:, None, None]
    first = before.astype(int)
    wobble = known[:, first] * np.cos(share) + known[:, first + 1] * np.sin(share)
    grid_y, grid_x = np.meshgrid(np.arange(height) * 2.0, np.arange(width) * 2.0, indexing="ij")
    for site in sites:
        away = ((grid_x - site.x) ** 2 + (grid_y - site.y) ** 2).astype(np.float32)
        off = ((np.arange(sections) - site.section) * _PX_A_SECTION).astype(np.float32)
        wobble *= 1 - np.exp(-away / 800) * np.exp(-np.square(off) / 800)[:, None, None]
    return np.asarray(6 * wobble, dtype=np.float32)


def _draw_mitochondrion(image: Floats, places: Points, radii: Points, rng: np.random.Generator) -> None:
    """One that begins and ends somewhere in the cell, and is absent where the cell is narrow."""
    middle, half = rng.uniform(0, len(places)), rng.uniform(5, 12)
    taper = 1 - ((np.arange(len(places)) - middle) / half) ** 2
    radii = radii * np.sqrt(np.maximum(taper, 0))
    inside = np.flatnonzero(radii > 8)
    for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
        if len(run):
            part = slice(run[0], run[-1] + 1)
            draw_mitochondrion(image[part], places[part], radii[part], rng)


def _draw_vesicles(
    image: Floats,
    owner: npt.NDArray[np.int32],
    gap: Floats,
    cells: Cells,
    site: Site,
    style: Style,
    stamps: tuple[list[Floats], list[Floats]],
    rng: np.random.Generator,
) -> None:
    """Vesicles of one bouton in all sections: the nearer to the T-bar the more, and fewer where it is narrow."""
    look, (vesicles, cores) = style.look, stamps
    centre = (site.x - site.bouton * np.cos(site.angle), site.y - site.bouton * np.sin(site.angle))
    bouton = int(np.argmin(np.hypot(*(cells.places[site.section] - centre).T) + 1e3 * (cells.kind != 3)))
    thick_core = max(1.0, 2 * look.core_radius / _PX_A_SECTION)  # sections in which one shows
    crowd = look.vesicles * style.crowding * np.exp(rng.normal(0, 0.2))
    dense = look.cores * np.exp(rng.normal(0, 0.3)) / thick_core
    for section in range(len(image)):
        x, y = cells.places[section, bouton]
        spots = free_spots(owner[section], gap[section], bouton, (float(x), float(y)), site, look, rng)
        if not len(spots):
            continue
        wide = min(1.0, float((cells.radius[section, bouton] / site.bouton) ** 2))
        distance = np.hypot(*(spots - (site.x, site.y)).T)
        order = np.argsort(distance / 22 + rng.gumbel(0, 0.8, len(spots)))
        big = spots[rng.permutation(len(spots))[: rng.poisson(dense * wide)]]
        small = spots[order[: rng.poisson(crowd * wide)]]
        for at in small:
            if (np.hypot(*(big - at).T) > look.core_radius + look.vesicle_radius).all():
                stamp = vesicles[rng.integers(len(vesicles))]
                _put_sphere(image, owner, section, bouton, at, look.vesicle_radius, stamp, rng)
        for at in big:
            _put_sphere(image, owner, section, bouton, at, look.core_radius, cores[rng.integers(len(cores))], rng)


def _put_sphere(
    image: Floats,
    owner: npt.NDArray[np.int32],
    section: int,
    bouton: int,
    at: Points,
    radius: float,
    stamp: Floats,
    rng: np.random.Generator,
) -> None:
    """One whose centre lies somewhere in that section: each section shows it by the share of it, or of the section, that is cut."""
    centre, half = rng.uniform(-0.5, 0.5), radius / _PX_A_SECTION
    row, column = int(at[1]) // 2, int(at[0]) // 2
    for step in (-1, 0, 1):
        there = section + step
        cut = min(centre + half, step + 0.5) - max(centre - half, step - 0.5)
        share = min(1.0, 1.2 * cut / min(1.0, 2 * half))
        if share > 0.2 and 0 <= there < len(image) and owner[there, row, column] == bouton:
            put(image, there, at[0], at[1], np.float32(share) * stamp)
