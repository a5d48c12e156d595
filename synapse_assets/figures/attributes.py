"""How classes differ in what was measured of their synapses.

Does not belong here: measuring and comparing (`analysis.attributes`, `analysis.class_differences`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from synapse_assets.figures.style import FAINT, INK, as_png, new_figure, shortened, without_frame, write_message
from synapse_assets.schema.colours import PALETTE

_COLUMNS = 4
# Classes above this number are left out of the picture, those that differ least first.
_MOST_CLASSES = 12


def difference_figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A panel for each attribute, a line for each class: its difference from all others with its interval, filled where it stands after
    correction, as PNG. `rows` are of `schema.CLASS_DIFFERENCES`."""
    attributes = list(dict.fromkeys(row["attribute"] for row in rows))
    largest: dict[str, float] = {}
    for row in rows:
        largest[row["class_name"]] = max(largest.get(row["class_name"], 0.0), abs(row["effect"] or 0.0))
    classes = sorted(sorted(largest, key=largest.__getitem__, reverse=True)[:_MOST_CLASSES])
    lines = max(1, -(-len(attributes) // _COLUMNS))
    figure, _ = new_figure(11.0, lines * (0.9 + 0.24 * max(len(classes), 1)), axes=False)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    panels = figure.subplots(lines, _COLUMNS, sharey=True, squeeze=False).ravel()
    reach = max([0.5, *(abs(row[end]) for row in rows for end in ("low", "high") if row[end] is not None)])
    for axes, attribute in zip(panels, attributes, strict=False):
        found = {row["class_name"]: row for row in rows if row["attribute"] == attribute}
        axes.axvline(0, color=FAINT, linewidth=0.8, linestyle=":")
        for place, label in enumerate(classes):
            _mark(axes, place, found.get(label))
        axes.set_title(attribute.replace("_", " "), fontsize=9, color=INK, loc="left")
        axes.set_yticks(range(len(classes)), [shortened(label, 20) for label in classes])
        axes.set_xlim(-1.05 * reach, 1.05 * reach)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        without_frame(axes)
        axes.tick_params(labelsize=8, colors=INK)
        axes.tick_params(axis="y", length=0)
    for axes in panels[len(attributes) :]:
        axes.set_axis_off()
    if not attributes:
        write_message(panels[0], "nothing to compare")
    figure.supxlabel(
        "less or more than all other classes, in standard deviations of neurons (filled: stands after correction for all)",
        fontsize=9,
        color=INK,
    )
    return as_png(figure)


def _mark(axes: Any, place: int, row: Mapping[str, Any] | None) -> None:
    """The effect of one class with its interval; a cross where it was not tested."""
    if row is None or row["effect"] is None:
        axes.plot([0], [place], color=FAINT, marker="x", markersize=4)
        return
    colour = PALETTE[0] if row["differs"] else FAINT
    if row["low"] is not None:
        axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.2)
    axes.plot(
        [row["effect"]],
        [place],
        color=colour,
        marker="o",
        markersize=5,
        markerfacecolor=colour if row["differs"] else "white",
    )
