"""The deep sample: a brain like the sample's whose synapses each have room for a cube of tissue, for networks over volumes.

576 synapses of 72 neurons in a volume of 357 MB: each is alone in 176 x 176 pixels and twenty sections, so that a tile of
160 x 160 x 16 voxels shows one synapse whole, and nothing of another. Boutons swell and close along the sections, neighbours
make way for them. What such tissue looks like is in `deep_drawing.py`; tables and files are those of `brain.py`.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from synapse_assets.sample.brain import LAYOUT, Layout, SampleTruth, draw_brain
from synapse_assets.sample.deep_drawing import draw_deep_block
from synapse_assets.sample.drawing import Cells, Points, Site

DEEP_LAYOUT = Layout(
    version=1,
    pitch_px=176,
    sections=20,
    block=(4, 2),
    blocks=(3, 6, 4),
    chunk=(176, 176, 20),
    sections_off=1,
    hemilineages=tuple(
        (transmitter, names, count)
        for (transmitter, names, _), count in zip(LAYOUT.hemilineages, (7, 6, 6, 6, 6, 5), strict=True)
    ),
)


def draw_sample_deep_brain(folder: Path, seed: int = 0) -> SampleTruth:
    """Draw the deep sample into `folder`, unless it is there already.

    Files as those of `draw_sample_brain`; the volume has 2112 x 2112 x 80 voxels of 4 x 4 x 40 nm. Of each T-bar's section, eight
    before it and seven behind are its own. The same seed gives the same bytes.

    Raises BadInput where `folder` holds files that are not a sample brain.
    """
    return draw_brain(folder, DEEP_LAYOUT, _DeepTissue, seed)


class _DeepTissue:
    """Cells that run through all sections, drifting; boutons and the cells across their clefts swell around the T-bar."""

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._layout = layout
        step, (width, height, sections) = 50, layout.size
        x, y = np.meshgrid(np.arange(-150, width + 150, step), np.arange(-150, height + 150, step))
        start = np.stack([x, y], axis=-1).reshape(-1, 2) + rng.uniform(-0.42 * step, 0.42 * step, size=(x.size, 2))
        path = _path(len(start), sections, sections // 2, 0.7, 1.2, rng)
        large = rng.random(len(start)) < 0.12
        kind = np.where(large, 1, np.where(rng.random(len(start)) < 0.35, 2, 0)).astype(np.int8)
        radius = np.where(large, rng.uniform(20, 28, len(start)), rng.uniform(0, 12, len(start)))
        self._background = Cells(start + path, radius, rng.normal(0.64, 0.045, len(start)), kind, np.arange(len(start)))

    def cells(self, slab: int, sites: list[Site], rng: np.random.Generator) -> Cells:
        sections = self._layout.sections
        places = self._background.places[slab * sections : (slab + 1) * sections]
        radius = np.broadcast_to(self._background.radius, places.shape[:2]).copy()
        added = [one for site in sites for one in _around(site, sections, rng)]
        for cell in added:
            away = np.hypot(*np.moveaxis(places - cell.places, -1, 0)) - cell.radius
            np.minimum(radius, away - (6 if cell.kind[0] == 3 else 4), out=radius)
        return Cells(
            np.concatenate([places, *(cell.places for cell in added)], axis=1),
            np.concatenate([radius, *(cell.radius for cell in added)], axis=1),
            np.concatenate([self._background.level, *(cell.level for cell in added)]),
            np.concatenate([self._background.kind, *(cell.kind for cell in added)]),
            np.concatenate([self._background.number, *(cell.number for cell in added)]),
        )

    draw = staticmethod(draw_deep_block)


def _around(site: Site, sections: int, rng: np.random.Generator) -> list[Cells]:
    """The bouton of a synapse, and two to four cells across the cleft, one by one."""
    off = np.arange(sections)[:, None] - site.section
    point, out = np.array([site.x, site.y]), np.array([np.cos(site.angle), np.sin(site.angle)])
    neck, long = rng.uniform(10, 16), rng.uniform(4.5, 6.5)
    swelling = neck + (site.bouton - neck) * np.exp(-((off / long) ** 2))
    found = [_cell(point - site.bouton * out, swelling, 0.63, 3, site, rng)]
    across = int(rng.integers(2, 5))
    for turn in (np.arange(across) - (across - 1) / 2) * rng.uniform(0.75, 1.0) + rng.normal(0, 0.15):
        radius, angle = float(rng.uniform(13, 22)), site.angle + turn
        middle = point + 5 * turn * np.array([-out[1], out[0]]) + radius * np.array([np.cos(angle), np.sin(angle)])
        found.append(_cell(middle, radius * (0.5 + 0.5 * np.exp(-((off / 5.0) ** 2))), 0.68, 4, site, rng))
    return found


def _cell(middle: Points, radius: Points, level: float, kind: int, site: Site, rng: np.random.Generator) -> Cells:
    path = _path(1, len(radius), site.section, 1.0, 0.8, rng)
    return Cells(
        middle + path,
        radius,
        np.array([rng.normal(level, 0.04)]),
        np.array([kind], dtype=np.int8),
        np.array([site.id]),
    )


def _path(
    count: int, sections: int, still: int, drift: float, unrest: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """How far cells have moved (sections, count, 2) in pixels since the section `still`: a drift of their own, and unrest."""
    heading = rng.normal(0, drift, size=(count, 2))
    path = np.cumsum(heading + rng.normal(0, unrest, size=(sections, count, 2)), axis=0)
    return path - path[still]
