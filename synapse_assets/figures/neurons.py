"""The synapses of each neuron around its soma: the coordinates that are drawn, and their figure.

Does not belong here: the same as a page that can be turned (`interactive_3d`).
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synapse_assets.figures.axes_3d import MICROMETRE_AXES, equal_axes, fit_into_cell, scatter_by_cluster, space_axes
from synapse_assets.figures.legends import Entry, cluster_entries, figure_legend, legend_shape
from synapse_assets.figures.style import (
    INK,
    SHEET_WIDTH,
    as_png,
    finite_or_none,
    message_figure,
    natural_order,
    new_figure,
    shortened,
)
from synapse_assets.schema.colours import PALETTE

_MOST_PANELS = 30


class Neuron:
    """The synapses of one neuron that have coordinates: these, their clusters, whether they were fitted, and hover texts."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], clusters: Mapping[str, int] | None, area_unit: str) -> None:
        self.places = np.array([[row[f"{a}_from_soma_um"] for a in "xyz"] for row in rows], dtype=np.float64)
        cluster_of = clusters or {}
        self.clusters = np.array([max(-1, cluster_of.get(row["synapse_id"], -1)) for row in rows], dtype=np.int64)
        self.fitted = np.array([row["used_for"] != "prediction" for row in rows], dtype=bool)
        self.words = [
            ", ".join(
                (
                    row["synapse_id"],
                    *([f"cluster {c}" if c >= 0 else "in no cluster"] if clusters is not None else []),
                    f"{np.linalg.norm(position):.1f} µm from the soma",
                    f"synapse area {row['synapse_area']:.3g} {area_unit}".rstrip(),
                )
            )
            for row, position, c in zip(rows, self.places, self.clusters, strict=True)
        ]


def neurons_around_their_soma(
    features: pa.Table, clusters: Mapping[str, int] | None, area_unit: str = ""
) -> dict[str, Neuron]:
    """The neurons of the table in natural order (cb2 before cb10); synapses without finite coordinates are left out."""
    columns = ["synapse_id", "neuron_id", "used_for", "synapse_area", *(f"{a}_from_soma_um" for a in "xyz")]
    by_neuron: dict[str, list[dict[str, Any]]] = {}
    for row in features.select(columns).to_pylist():
        if all(finite_or_none(row[f"{a}_from_soma_um"]) is not None for a in "xyz"):
            by_neuron.setdefault(row["neuron_id"], []).append(row)
    return {name: Neuron(by_neuron[name], clusters, area_unit) for name in sorted(by_neuron, key=natural_order)}


def neuron_positions_figure(features: pa.Table, clusters: Mapping[str, int] | None) -> bytes:
    """The synapses of each neuron around its soma, in micrometres, one panel a neuron, as PNG.

    `features` has the columns of `schema.morphology.FEATURES`; `clusters` gives the cluster by synapse id: one that is not
    in it or below 0 is grey; None colours nothing. Newly observed synapses are hollow. Scales are equal on the axes of a
    panel, not between panels. Of more than 30 neurons, the 30 with most synapses are drawn.
    """
    neurons = neurons_around_their_soma(features, clusters)
    if not neurons:
        return message_figure("no synapses, so no neuron to draw")
    most = sorted(neurons, key=lambda name: -len(neurons[name].places))[:_MOST_PANELS]
    drawn_names = [name for name in neurons if name in most]
    columns = min(len(drawn_names), 3 if len(drawn_names) <= 9 else 4 if len(drawn_names) <= 16 else 5)
    rows = -(-len(drawn_names) // columns)
    cell = (SHEET_WIDTH / max(columns, 2), 0.8 * SHEET_WIDTH / max(columns, 2))
    width = cell[0] * columns
    numbers = np.concatenate([neurons[name].clusters for name in drawn_names])
    entries: list[Entry] = [("soma", INK, "*")]
    entries += cluster_entries(numbers) if clusters is not None else [("synapse", PALETTE[0], "o")]
    if any(not neurons[name].fitted.all() for name in drawn_names):
        entries.append(("newly observed", "hollow", "o"))
    per_line, legend = legend_shape(len(entries), max(2, int(width / 1.5)))
    text = "Synapses around the soma, in micrometres; the axes of a panel have one scale"
    text += ", panels have different ones" if len(drawn_names) > 1 else ""
    if len(drawn_names) < len(neurons):
        text += f"; drawn are the {len(drawn_names)} neurons with most synapses of {len(neurons)}"
    heading = textwrap.fill(text, int(width * 9.5))
    head = 0.2 + 0.24 * (1 + heading.count("\n"))
    height = head + rows * cell[1] + legend
    figure, _ = new_figure(width, height, axes=False)
    figure.text(0.1 / width, 1 - 0.12 / height, heading, fontsize=12, color=INK, va="top")
    for i, name in enumerate(drawn_names):
        neuron = neurons[name]
        corner = ((i % columns) * cell[0], height - head - (1 + i // columns) * cell[1])
        count = len(neuron.places)
        text = f"{shortened(name, 24)}  ({count:,} {'synapse' if count == 1 else 'synapses'})"
        axes = space_axes(figure, corner, cell, text)
        cluster_of_point = neuron.clusters if clusters is not None else np.zeros(count, dtype=np.int64)
        scatter_by_cluster(
            axes, neuron.places, cluster_of_point, float(np.clip(3000 / count, 7, 22)), filled=neuron.fitted
        )
        axes.scatter(0, 0, 0, s=190, marker="*", c=INK, edgecolors="white", linewidths=0.8, depthshade=False, zorder=9)
        axes.computed_zorder = False
        axes.view_init(elev=20, azim=-60)
        equal_axes(axes, np.vstack([neuron.places, np.zeros((1, 3))]), cube=False)
        _ticks_in_space(axes, narrow=columns > 3)
        fit_into_cell(axes, corner, cell, (0.2, 0.72, 0.55, 0.35))
    figure_legend(figure, entries, per_line)
    return as_png(figure)


def _ticks_in_space(axes: Any, *, narrow: bool) -> None:
    """Few ticks in micrometres, close to the box."""
    from matplotlib.ticker import MaxNLocator

    sides = [np.ptp(limits) for limits in (axes.get_xlim(), axes.get_ylim(), axes.get_zlim())]
    for axis, side, label in zip((axes.xaxis, axes.yaxis, axes.zaxis), sides, MICROMETRE_AXES, strict=True):
        axis.set_major_locator(MaxNLocator((2 if narrow else 4) if side > 0.6 * max(sides) else 1 if narrow else 2))
        axis.set_tick_params(labelsize=6.5 if narrow else 7.5, pad=-1.5, colors="#444444")
        axis.set_label_text(label, fontsize=7.5 if narrow else 8.5, color=INK)
        axis.labelpad = -2 if narrow else 1
