"""What all figures share: sizes, colours, text, and encoding as PNG.

Belongs here: what at least two figures use. Does not belong here: legends (`legends`), three dimensions (`axes_3d`).
Matplotlib's object interface on the Agg canvas: no global state, no display. Colours are those of `schema.colours`.
"""

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE

LARGEST_BYTES = 300_000
# How many times the pixels of a screen.
_PIXELS: ContextVar[int] = ContextVar("pixels", default=1)
INK, FAINT = "#222222", "#777777"  # of text
# inches
SHEET_WIDTH = 12.0
MARKERS = ("o", "s", "D", "^")
# of text, by verdict
_VERDICT_COLOURS = {"stable": "#00694b", "fragile": "#9a5200", "not distinguishable from noise": "#7a1f1f"}
# how much of a cluster's colour becomes grey, by verdict
_MUTED = {"": 0.45, "fragile": 0.45, "not distinguishable from noise": 0.87}
_MUTED_GREY = "#a6a6a6"


@dataclass(frozen=True)
class Verdict:
    """How far the clusters of a picture can be trusted.

    verdict  'stable', 'fragile' or 'not distinguishable from noise'; '' where nobody has judged yet
    line     what the heading says of it: the verdict with its figures, or that there is none
    """

    verdict: str
    line: str


@contextmanager
def printed() -> Iterator[None]:
    """Figures that are drawn inside have twice the pixels and may have four times the bytes: paper shows more than a screen."""
    token = _PIXELS.set(2)
    try:
        yield
    finally:
        _PIXELS.reset(token)


def new_figure(width: float, height: float, axes: bool = True) -> tuple[Any, Any]:
    """A white Matplotlib figure of this many inches at 110 pixels each (`printed`: 220), and its only axes (None if `axes` is False)."""
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(width, height), dpi=110 * _PIXELS.get(), layout="constrained" if axes else None, facecolor="white"
    )
    return figure, figure.subplots() if axes else None


def halo() -> list[Any]:
    """A path effect that sets text off from what it is written on."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=2.5, foreground="white")]


def write_message(axes: Any, text: str) -> None:
    """Writes `text` into the middle of the axes, where there is nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=10, color=FAINT)


def without_frame(axes: Any) -> None:
    """Leaves only the lower edge of the axes' frame."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def shortened(name: str, length: int) -> str:
    """The name cut to `length` characters."""
    return name if len(name) <= length else name[: length - 1] + "…"


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` characters; never empty, so that its line stays."""
    return textwrap.fill(text, width) if text else " "


def heading_height(title: str, verdict: Verdict | None) -> float:
    """Inches that `write_heading` takes."""
    return 0.25 * len(_heading_lines(title, verdict))


def write_heading(figure: Any, title: str, verdict: Verdict | None, left: float, top: float) -> None:
    """Writes the title from so many inches left and below the top, and under it what is known of the clusters."""
    width, height = figure.get_size_inches()
    for line, (text, style) in enumerate(_heading_lines(title, verdict)):
        figure.text(left / width, 1 - (top + 0.25 * line) / height, text, va="top", **style)


def _heading_lines(title: str, verdict: Verdict | None) -> list[tuple[str, dict[str, Any]]]:
    """The lines of a heading with their style, as wide as a sheet."""
    lines = [(line, {"fontsize": 13, "color": INK}) for line in wrapped(title, 110).split("\n")]
    if verdict is not None:
        bold = {"fontsize": 11.5, "fontweight": "bold", "color": verdict_colour(verdict.verdict)}
        lines += [(line, bold) for line in wrapped(verdict.line, 115).split("\n")]
    return lines


def marker_area(points: int) -> float:
    """Area of each of so many markers, in square points."""
    return float(np.clip(9000 / max(1, points), 3.0, 24.0))


def verdict_colour(verdict: str) -> str:
    """The colour (#rrggbb) of text that says a verdict on clusters; that of other text where there is none."""
    return _VERDICT_COLOURS.get(verdict, INK)


def muted(colour: str, verdict: Verdict | None) -> str:
    """The colour (#rrggbb) of a cluster, the greyer the less the verdict on the clusters lets one take them for kinds."""
    return mixed(colour, _MUTED_GREY, _MUTED.get(verdict.verdict, 0.0)) if verdict else colour


def cluster_colour(cluster: int, verdict: Verdict | None = None) -> str:
    """The colour (#rrggbb) of a cluster in every picture, `muted` by the verdict; grey below 0. Colours repeat from cluster 18 on."""
    return NOISE_COLOUR if cluster < 0 else muted(PALETTE[cluster % len(PALETTE)], verdict)


def cluster_numbers(clusters: Sequence[int | None] | npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Cluster numbers; None and numbers below 0 become -1."""
    return np.array([-1 if c is None or c < 0 else int(c) for c in clusters], dtype=np.int64)


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """A sort key: cb2 before cb10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", name) if part]


def finite_or_none(value: float | None) -> float | None:
    """The number, None for NaN and infinity."""
    return float(value) if value is not None and np.isfinite(value) else None


def mixed(colour: str, other: str, share: float) -> str:
    """`colour` with that share (0 to 1) of `other`, all #rrggbb."""
    ends = [np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (colour, other)]
    return "#{:02x}{:02x}{:02x}".format(*np.rint((1 - share) * ends[0] + share * ends[1]).astype(int))


def darker(colour: str) -> str:
    """The colour (#rrggbb) a third darker, for edges."""
    return mixed(colour, "#000000", 0.35)


def edge_colour(colour: str) -> str:
    """The colour of a point's edge; that of a grey one is faint, so that clusters stand out."""
    return mixed(colour, "#000000", 0.15) if colour == NOISE_COLOUR else darker(colour)


def require_same_length(**inputs: Any) -> None:
    """Raises BadInput naming the lengths if they differ."""
    lengths = {name: len(values) for name, values in inputs.items()}
    if len(set(lengths.values())) > 1:
        raise BadInput(f"a map needs one entry a synapse in each of its inputs, but they have {lengths}")


def message_figure(text: str) -> bytes:
    """A PNG with `text` only, where there is nothing to draw."""
    figure, axes = new_figure(7.2, 1.4)
    axes.axis("off")
    write_message(axes, text)
    return as_png(figure)


def rendered(figure: Any) -> Any:
    """The Matplotlib figure as a PIL image in RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def as_png(figure: Any, *, shaded: bool = False) -> bytes:
    """The Matplotlib figure as PNG of at most `LARGEST_BYTES`: in 256 colours, then smaller, if it must. Shades of colour that would become
    bands then are `shaded` by mixing dots."""
    from PIL.Image import Dither

    picture = rendered(figure)
    data = _encoded(picture)
    scale = 1.0
    while len(data) > LARGEST_BYTES * _PIXELS.get() ** 2 and scale > 0.2:
        size = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
        resized = picture.resize(size)
        fewer = resized.quantize(256)
        if shaded:
            fewer = resized.quantize(palette=fewer, dither=Dither.FLOYDSTEINBERG)
        data = _encoded(fewer)
        scale *= 0.8
    return data


def _encoded(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
