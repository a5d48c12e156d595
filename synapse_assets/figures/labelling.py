"""What labels are worth: the score by the number of labels, as rounds are added.

Does not belong here: computing any of it (`analysis.labelling`, `pipeline.em.labelling`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synapse_assets.figures.style import FAINT, INK, as_png, new_figure, without_frame, write_message
from synapse_assets.schema.colours import PALETTE


def growing_curve_figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The label curve (`schema.LABEL_CURVE`, in the order of the rounds) as PNG: the score by labels with its 95 % interval, a point a
    round, rings where labelling may stop. A row without a score is not drawn."""
    figure, axes = new_figure(6.4, 3.4)
    scored = [row for row in rows if row["score"] is not None]
    colour = PALETTE[0]
    if scored:
        labels = np.array([float(row["labels"]) for row in scored])
        score = np.array([float(row["score"]) for row in scored])
        with_interval = [row for row in scored if row["low"] is not None]
        axes.vlines(
            [row["labels"] for row in with_interval],
            [row["low"] for row in with_interval],
            [row["high"] for row in with_interval],
            color=colour,
            alpha=0.35,
            linewidth=4,
        )
        axes.plot(labels, score, "o-", color=colour, linewidth=1.5, markersize=6)
        stop = np.array([bool(row["stop"]) for row in scored])
        axes.plot(labels[stop], score[stop], "o", markersize=13, fillstyle="none", color=PALETTE[1], markeredgewidth=2)
        if stop.any():
            axes.set_title("ringed: labelling may stop", loc="right", fontsize=9, color=INK)
        axes.annotate(
            f"{score[-1]:.3f}", (labels[-1], score[-1]), xytext=(9, -3), textcoords="offset points", fontsize=9
        )
        axes.margins(x=0.1)
    else:
        write_message(axes, "no round was scored yet")
    axes.set_ylim(0, 1.02)
    measure = scored[-1]["measure"] if scored else "score"
    axes.set_xlabel("labels that train", fontsize=9)
    axes.set_ylabel(f"{measure}, held out by {scored[-1]['split']}" if scored else measure, fontsize=9, color=FAINT)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
    return as_png(figure)
