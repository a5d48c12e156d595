"""What labels are worth: the score by the number of labels, as rounds are added, and by the strategy that asks for them.

Does not belong here: computing any of it (`analysis.labelling`, `pipeline.em.labelling`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.figures.style import FAINT, INK, as_png, mixed, new_figure, without_frame, write_message
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


def label_curves_figure(
    labels: npt.ArrayLike, scores: Mapping[str, npt.ArrayLike], recommended: str, full: float, split: str
) -> bytes:
    """Balanced accuracy by number of labels (R,) under each query strategy, `scores` (R,) by its name, as PNG: the recommended one bold and
    in blue, random in black and dashed, the others pale; the score with all labels as a line. Names stand at the ends of the curves,
    from the best to the worst."""
    figure, axes = new_figure(7.6, 4.2)
    number = np.asarray(labels, dtype=np.float64)
    curves = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    pale = [mixed(colour, "#ffffff", 0.35) for colour in PALETTE[1:]]
    colours = {name: pale[place % len(pale)] for place, name in enumerate(sorted(curves))}
    colours |= {"random": INK, recommended: PALETTE[0]}
    for name, values in curves.items():
        line = {"linewidth": 3.0, "zorder": 3} if name == recommended else {"linewidth": 1.3, "zorder": 2}
        dashes = "--" if name == "random" else "-"
        axes.plot(number, values, dashes, color=colours[name], **line)
    low, high = min(values.min() for values in curves.values()), max(full, *(v.max() for v in curves.values()))
    best_first = sorted(curves, key=lambda name: -curves[name][-1])
    # names a line of text apart, in the order of the curves' ends
    for place, name in enumerate(best_first):
        text = f"{name}, recommended" if name == recommended else name
        style = {"fontweight": "bold"} if name == recommended else {}
        axes.annotate(
            text,
            (number[-1], curves[name][-1]),
            xytext=(1.04, 0.95 - 0.085 * place),
            textcoords="axes fraction",
            fontsize=9,
            va="center",
            color=INK,
            arrowprops={
                "arrowstyle": "-",
                "color": colours[name],
                "linewidth": 1.2,
                "relpos": (0.0, 0.5),
                "shrinkA": 2,
            },
            **style,
        )
    axes.axhline(full, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
    axes.annotate("all labels", (number[0], full), xytext=(2, 3), textcoords="offset points", fontsize=8, color=FAINT)
    axes.set_ylim(low - 0.03 * (high - low + 0.01), high + 0.1 * (high - low + 0.01))
    axes.set_xlabel("labels, of a simulated annotator", fontsize=9)
    axes.set_ylabel(f"balanced accuracy, held out by {split}", fontsize=9, color=FAINT)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
    return as_png(figure)
