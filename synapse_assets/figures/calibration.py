"""How far probabilities and pooled answers can be taken at their word.

Does not belong here: computing it (`analysis.evaluation.calibration`, `neuron_answers`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from synapse_assets.figures.style import FAINT, INK, as_png, new_figure, without_frame, write_message
from synapse_assets.schema.colours import PALETTE

_STAGES = {"before": FAINT, "after": PALETTE[0]}


def calibration_figure(reliability: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]]) -> bytes:
    """Left the reliability diagram of the most probable class before and after calibration, right the share of neurons that are named
    rightly against how many of their synapses are used, as PNG.

    `reliability` are rows of `schema.RELIABILITY`, `scores` of `schema.CALIBRATION_SCORES`.
    """
    figure, _ = new_figure(8.6, 3.6, axes=False)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08)
    left, right = figure.subplots(1, 2)
    _reliability_panel(left, [row for row in reliability if not row["class_name"]])
    _accuracy_panel(right, [row for row in scores if row["score"] == "neuron accuracy"])
    for axes in (left, right):
        without_frame(axes)
        axes.tick_params(labelsize=8, colors=INK)
    return as_png(figure)


def _reliability_panel(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
    for stage, colour in _STAGES.items():
        of_stage = [row for row in rows if row["stage"] == stage]
        x, y = ([row[name] for row in of_stage] for name in ("mean_probability", "share_right"))
        axes.plot(x, y, color=colour, marker="o", markersize=3.5, linewidth=1.2, label=f"{stage} calibration")
    lowest = min([row[name] for row in rows for name in ("mean_probability", "share_right")], default=0.0)
    axes.set_xlim(max(lowest - 0.05, 0.0), 1.02)
    axes.set_ylim(max(lowest - 0.05, 0.0), 1.02)
    axes.set_xlabel("probability of the most probable class", fontsize=9, color=INK)
    axes.set_ylabel("share of synapses that are right", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _accuracy_panel(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    axes.set_xlabel("synapses of the neuron", fontsize=9, color=INK)
    axes.set_ylabel("share of neurons named rightly", fontsize=9, color=INK)
    ordered = sorted(rows, key=lambda row: row["synapses_of_neuron"] or float("inf"))
    if not ordered:
        write_message(axes, "no neuron of known class")
        return
    places = range(len(ordered))
    axes.plot(places, [row["value"] for row in ordered], color=PALETTE[0], marker="o", markersize=4, linewidth=1.2)
    for place, row in zip(places, ordered, strict=True):
        if row["low"] is not None:
            axes.plot([place, place], [row["low"], row["high"]], color=PALETTE[0], linewidth=1)
    axes.set_xticks(list(places), [str(row["synapses_of_neuron"] or "all") for row in ordered])
    axes.set_ylim(top=1.01)
