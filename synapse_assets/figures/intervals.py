"""Scores beside each other, each with its interval.

Does not belong here: computing them, and scores with more to show than an interval (`scores`, `staining`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from synapse_assets.figures.style import FAINT, INK, as_png, message_figure, new_figure, shortened, without_frame
from synapse_assets.schema.colours import PALETTE


@dataclass(frozen=True)
class Line:
    """One score: its name, the value, the ends of its interval (None where there is none), and whether it is only there to compare with."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    compared: bool = False


def interval_figure(lines: Sequence[Line], title: str) -> bytes:
    """A line for each score, from 0 to 1 (or as far as the scores reach), in their order from the top, as PNG; those that are only there to
    compare with are grey. title: what the scores are."""
    if not lines:
        return message_figure("no score")
    figure, axes = new_figure(7.2, 0.8 + 0.26 * len(lines))
    for place, line in enumerate(lines):
        colour = FAINT if line.compared else PALETTE[0]
        if line.low is not None and line.high is not None:
            axes.plot([line.low, line.high], [place, place], color=colour, linewidth=1.6)
        axes.plot([line.value], [place], "o", color=colour, markersize=6)
        axes.annotate(
            f"{line.value:.2f}", (line.value, place), xytext=(0, 5), textcoords="offset points", fontsize=8, ha="center", color=INK
        )  # fmt: skip
    axes.set_yticks(range(len(lines)), [shortened(line.name, 44) for line in lines], fontsize=8.5)
    axes.set_ylim(len(lines) - 0.4, -0.8)
    axes.set_xlim(min(0.0, *(line.value if line.low is None else line.low for line in lines)), 1.02)
    axes.set_xlabel(title, fontsize=9, color=INK)
    axes.tick_params(axis="x", labelsize=8, colors=INK)
    axes.tick_params(axis="y", length=0, colors=INK)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
    return as_png(figure)
