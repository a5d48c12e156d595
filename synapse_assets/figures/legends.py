"""Legends: their entries, and where they stand. What an entry stands for belongs to the modules that draw it."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from synapse_assets.figures.style import MARKERS, Verdict, cluster_colour, darker
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE

# Text, colour and marker. Colour 'none' leaves the mark out, 'hollow' leaves it empty.
Entry: TypeAlias = tuple[str, str, str]


def cluster_entries(numbers: npt.NDArray[np.int64], verdict: Verdict | None = None) -> list[Entry]:
    """Legend entries (text, colour, marker) of the clusters that occur, grey last; colours muted by the verdict."""
    sizes = Counter(numbers.tolist())
    entries = [
        (f"cluster {c} ({sizes[c]:,})", cluster_colour(c, verdict), MARKERS[c // len(PALETTE) % len(MARKERS)])
        for c in sorted(sizes)
        if c >= 0
    ]
    if sizes[-1]:
        entries.append((f"in no cluster ({sizes[-1]:,})", NOISE_COLOUR, "o"))
    return entries


def legend_handle(text: str, colour: str, marker: str, *, line: bool = False) -> Any:
    """Matplotlib's handle of one entry; with a line through the marker if `line`."""
    from matplotlib.lines import Line2D

    edge = {"none": "none", "hollow": "#444444"}.get(
        colour, "white" if marker == "*" else darker(colour) if colour[0] == "#" else ""
    )
    face = "none" if colour == "hollow" else colour
    return Line2D(
        [], [], linestyle="-" if line else "none", color=face, linewidth=1.6, marker=marker, label=text, markeredgecolor=edge,
        markersize=12 if marker == "*" else 6 if line else 7, markerfacecolor=face,
        markeredgewidth=1.4 if colour == "hollow" else 0.5,
    )  # fmt: skip


def legend_below(
    axes: Any, entries: Sequence[Entry], columns: int, bold: Collection[str] = (), down: float = 0.27
) -> None:
    """A legend so many inches under the axes, from their left edge, filled column by column."""
    if not entries:
        return
    width, height = axes.get_figure().get_size_inches() * axes.get_position().size
    legend = axes.legend(
        handles=[legend_handle(*entry) for entry in entries], loc="upper left", ncols=columns, frameon=False,
        bbox_to_anchor=(-0.11 / width, -down / height), fontsize=9, handletextpad=0.2, columnspacing=0.9, borderaxespad=0,
        labelspacing=0.35,
    )  # fmt: skip
    for text in legend.get_texts():
        if text.get_text() in bold:
            text.set_fontweight("bold")


def in_rows(entries: Sequence[Entry], columns: int) -> list[Entry]:
    """Entries in the order that makes a legend, which is filled column by column, read row by row."""
    rows = -(-len(entries) // columns)
    order = [r * columns + c for c in range(columns) for r in range(rows) if r * columns + c < len(entries)]
    return [entries[i] for i in order]


def legend_shape(entries: int, most: int) -> tuple[int, float]:
    """Columns of a legend with even rows, and its height in inches."""
    rows = max(1, -(-entries // most))
    return max(1, -(-entries // rows)), 0.24 * rows + 0.2


def figure_legend(figure: Any, entries: Sequence[Entry], columns: int) -> None:
    """A legend along the lower edge of the picture."""
    if entries:
        figure.legend(
            handles=[legend_handle(*entry) for entry in in_rows(entries, columns)], loc="lower center", ncols=columns, frameon=False,
            fontsize=9.5, handletextpad=0.2, columnspacing=1.3,
        )  # fmt: skip
