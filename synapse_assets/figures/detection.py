"""How detectors trade what they miss against what they invent. Does not belong here: computing it (`analysis.evaluation`)."""

from collections.abc import Mapping, Sequence

import numpy as np

from synapse_assets.figures.style import FAINT, INK, as_png, message_figure, new_figure, without_frame
from synapse_assets.schema.colours import PALETTE

Curve = tuple[Sequence[float], Sequence[float | None], Sequence[float | None]]


def precision_recall_figure(curves: Mapping[str, Curve], chosen: float) -> bytes:
    """Precision over recall as PNG, a line for each target: its curve is probabilities, and precision and recall at each (None for none). A
    ring marks the chosen probability, or the nearest of those that were asked."""
    if not any(recall is not None for _, _, recalls in curves.values() for recall in recalls):
        return message_figure("no curve: there was nothing to find")
    figure, axes = new_figure(4.8, 4.2)
    for place, (target, (thresholds, precisions, recalls)) in enumerate(curves.items()):
        colour = PALETTE[place % len(PALETTE)]
        points = np.array(
            [(np.nan if r is None else r, np.nan if p is None else p) for p, r in zip(precisions, recalls, strict=True)]
        )
        axes.plot(*points.T, "o-", color=colour, linewidth=1.5, markersize=3, label=target)
        at = int(np.argmin(np.abs(np.array(thresholds) - chosen)))
        axes.plot(*points[at], "o", markersize=11, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.5)
        if np.isfinite(points[at]).all():
            axes.annotate(
                f"{thresholds[at]:.2f}", points[at], xytext=(8, 6), textcoords="offset points", fontsize=8, color=INK
            )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall: share of what is annotated that is found", fontsize=9)
    axes.set_ylabel("precision: share of what is found that is right", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    legend = axes.legend(loc="lower left", fontsize=8, frameon=False)
    for text in legend.get_texts():
        text.set_color(INK)
    axes.set_title("ring: the probability in use", loc="right", fontsize=8, color=FAINT)
    without_frame(axes)
    return as_png(figure)
