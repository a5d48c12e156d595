"""The picture of an alignment: tiles of the readings that were compared, and all scores.

Does not belong here: reading tiles, scores, the verdict (`volumes.alignment`).
"""

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from synapse_assets.figures.style import rendered
from synapse_assets.volumes.alignment import EXAMPLES, Alignment, Reading, ReadingTiles

_TITLES = {
    "fits": "The coordinates fit",
    "cannot tell": "Cannot tell whether the coordinates fit",
    "contradicted": "The coordinates do not fit",
}
_BLUE, _RED, _GREY, _INK = "#0072B2", "#D55E00", "#888888", "#333333"
_LARGEST_BYTES = 500_000


def alignment_figure(alignment: Alignment) -> bytes:
    """Mean and example tiles of the given reading, the sections around it and the best others; beside them all scores,
    or the shares of points inside where nothing was scored; as PNG below 500 kB. The best reading is red."""
    from matplotlib.figure import Figure

    rows = alignment.tiles
    text = textwrap.fill(alignment.sentence, 138)
    head = 0.5 + 0.17 * (text.count("\n") + 1)  # inches
    foot = 0.8
    height = head + foot + max(1.18 * len(rows), 2.4)
    figure = Figure(figsize=(10.6, height), dpi=96, facecolor="white")
    colour = {"fits": _BLUE, "cannot tell": _INK, "contradicted": _RED}[alignment.verdict]
    title = _TITLES[alignment.verdict] + (f" - '{alignment.better}' is better" if alignment.better else "")
    figure.text(0.01, 1 - 0.12 / height, title, va="top", fontsize=13, color=colour, fontweight="bold")
    figure.text(0.01, 1 - 0.4 / height, text, va="top", fontsize=9, color=_INK)
    vertical = {"top": 1 - (head + 0.2) / height, "bottom": foot / height}
    if rows:
        tiles = figure.add_gridspec(1, 1, left=0.1, right=0.66, **vertical)
        _draw_tiles(figure.add_subplot(tiles[0, 0]), rows, alignment.better)
    chart = figure.add_gridspec(1, 1, left=0.79 if rows else 0.2, right=0.985, **vertical)
    order = [row.name for row in rows]
    readings = sorted(alignment.readings, key=lambda r: order.index(r.name) if r.name in order else len(order))
    _draw_scores(figure.add_subplot(chart[0, 0]), readings, alignment.better, max(alignment.random_shifts, default=0.0))
    return _png(figure)


def _draw_tiles(axes: Any, rows: Sequence[ReadingTiles], better: str | None) -> None:
    """One row of tiles a reading: their mean first, then the same examples wherever the boxes are the same."""
    side = rows[0].mean.shape[-1]
    step = side + max(2, side // 16)
    sheet = np.ones((len(rows) * step, (EXAMPLES + 1) * step))
    for r, row in enumerate(rows):
        # An average over many tiles has less contrast than any of them.
        for c, tile in enumerate([row.mean / 0.6, *row.examples / 2.5]):
            sheet[r * step : r * step + side, c * step : c * step + side] = np.clip(tile / 2 + 0.5, 0, 1)
            middle = np.array([c * step, r * step]) + side / 2
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                ends = middle[:, None] + np.outer([dx, dy], [0.42 * side, 0.5 * side])
                axes.plot(*ends, color=_RED, linewidth=1)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    axes.set_anchor("NW")
    axes.set_xlim(-0.5, (EXAMPLES + 1) * step - 0.5)
    axes.set_ylim(len(rows) * step - 0.5, -0.5)
    axes.set_yticks([r * step + side / 2 for r in range(len(rows))], [_wrapped(row.name) for row in rows])
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().replace("\n", " ") in ("as given", better) else "normal")
    names = ["mean of all", *(f"example {c + 1}" for c in range(EXAMPLES))]
    axes.set_xticks([c * step + side / 2 for c in range(EXAMPLES + 1)], names)
    axes.tick_params(length=0, labelsize=9, top=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def _wrapped(name: str) -> str:
    return textwrap.fill(name, 13)


def _draw_scores(axes: Any, readings: list[Reading], better: str | None, chance: float) -> None:
    scored = [reading for reading in readings if reading.score is not None]
    plotted = scored or readings
    for y, reading in enumerate(plotted):
        colour = _RED if reading.name == better else _BLUE if reading.name == "as given" else _GREY
        value = reading.share_inside if reading.score is None else reading.score
        axes.plot([0, value], [y, y], color=colour, linewidth=1.2)
        axes.plot([value], [y], "o", color=colour, markersize=7)
    axes.set_yticks(range(len(plotted)), [_wrapped(reading.name) for reading in plotted], fontsize=9)
    axes.set_ylim(len(plotted) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0)
    if scored:
        axes.axvspan(0, chance, color="#dddddd", zorder=0, linewidth=0)
        label = "distance from the surroundings,\nstandard deviations\n(grey: random shifts)"
    else:
        label = "share of the points inside the volume"
        axes.set_xlim(0, 1.03)
    axes.set_xlabel(label, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _png(figure: Any) -> bytes:
    """The figure in 256 colours, smaller where that is too large."""
    from PIL import Image

    picture = rendered(figure)
    while True:
        buffer = io.BytesIO()
        picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            buffer, format="PNG", optimize=True
        )
        if buffer.tell() < _LARGEST_BYTES:
            return buffer.getvalue()
        picture = picture.resize((int(picture.width * 0.8), int(picture.height * 0.8)))
