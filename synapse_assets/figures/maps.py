"""Maps of synapses in two and three dimensions, coloured by class, cluster, neuron or area.

Does not belong here: computing the coordinates or the clusters, turnable maps (`interactive_3d`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.figures.axes_3d import (
    SPACE_AXES,
    box_around,
    equal_axes,
    fit_into_cell,
    scatter_by_cluster,
    space_axes,
)
from synapse_assets.figures.legends import Entry, cluster_entries, figure_legend, in_rows, legend_below, legend_shape
from synapse_assets.figures.style import (
    FAINT,
    INK,
    MARKERS,
    SHEET_WIDTH,
    Verdict,
    as_png,
    cluster_colour,
    cluster_numbers,
    edge_colour,
    halo,
    heading_height,
    marker_area,
    mixed,
    muted,
    natural_order,
    new_figure,
    require_same_length,
    shortened,
    verdict_colour,
    write_heading,
    write_message,
)
from synapse_assets.schema.colours import NOISE_COLOUR, class_colours

_MOST_IN_LEGEND = 12
# one hue a type of neuron, shades of it for the neurons
_TYPE_HUES = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#999933", "#661100")


def map_figure(
    xy: npt.ArrayLike, labels: Sequence[str | int | None], title: str, verdict: Verdict | None = None
) -> bytes:
    """Points (N, 2) coloured by label; None, '' and numbers below 0 are grey. Up to 12 labels have a legend, more are
    named in place. With a verdict the labels are clusters: it stands under the title, and their colours are muted by it."""
    points = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    names = np.array([_label_text(label) for label in labels], dtype=str)
    categories = sorted({n for n in names.tolist() if n}, key=_numeric_first)
    colours = {name: muted(colour, verdict) for name, colour in class_colours(categories).items()}
    figure, axes = new_figure(7.2, 5.6)
    size = float(np.clip(9000 / max(1, len(points)), 2.0, 22))
    grey = names == ""
    axes.scatter(*points[grey].T, s=size, c=NOISE_COLOUR, linewidths=0, alpha=0.6, rasterized=True)
    # one scatter in a mixed order, so that no class lies on top of all the others
    labelled = np.flatnonzero(~grey)
    labelled = labelled[np.random.default_rng(0).permutation(len(labelled))]
    axes.scatter(*points[labelled].T, s=size, c=[colours[n] for n in names[labelled]], linewidths=0, alpha=0.8)
    if len(categories) > 12:
        for name in categories:
            centre = np.median(points[names == name], axis=0)
            text = axes.text(*centre, name, fontsize=8, ha="center", va="center", color=INK, fontweight="bold")
            text.set_path_effects(halo())
    elif categories:
        entries = [(f"{n}  ({int((names == n).sum()):,})", colours[n]) for n in categories]
        if grey.any():
            entries.append((f"none  ({int(grey.sum()):,})", NOISE_COLOUR))
        for text, colour in entries:
            axes.scatter([], [], s=36, c=colour, label=text)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, handletextpad=0.2)
    axes.set_title(title + ("\n " if verdict else ""), loc="left", fontsize=11, color=INK)
    if verdict:
        colour = verdict_colour(verdict.verdict)
        line = axes.annotate(
            verdict.line, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", fontsize=10, color=colour,
            fontweight="bold",
        )  # fmt: skip
        line.set_in_layout(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("UMAP 1", fontsize=9, color=FAINT)
    axes.set_ylabel("UMAP 2", fontsize=9, color=FAINT)
    if len(points):
        axes.set_aspect("equal", adjustable="datalim")
    else:
        write_message(axes, "no synapses")
    return as_png(figure)


def maps_sheet(
    map_xy: npt.ArrayLike,
    clusters: Sequence[int | None] | npt.NDArray[np.integer[Any]] | None,
    neuron_types: Sequence[str],
    neuron_ids: Sequence[str],
    synapse_areas: npt.ArrayLike,
    title: str,
    *,
    verdict: Verdict | None = None,
    area_unit: str = "",
) -> bytes:
    """The two-dimensional map (N, 2) three times as one PNG: by cluster (None or below 0: grey), by neuron (a hue for each
    type, a shade and a shape for each neuron) and by area of the synapse (colours end at the 2nd and 98th percentile).

    Up to 12 clusters have a legend, more are named in place; their verdict stands under the title and mutes their colours.
    `clusters` None: nothing has been clustered, so there is no panel by cluster. `area_unit` '' is that of the workbook.
    Raises BadInput if the inputs differ in length.
    """
    points = np.asarray(map_xy, dtype=np.float64).reshape(-1, 2)
    numbers = cluster_numbers([-1] * len(points) if clusters is None else clusters)
    areas = np.asarray(synapse_areas, dtype=np.float64).reshape(-1)
    require_same_length(map_xy=points, clusters=numbers, types=neuron_types, neurons=neuron_ids, areas=areas)
    cluster_ids = sorted(set(numbers[numbers >= 0].tolist()))
    numbered = len(cluster_ids) > _MOST_IN_LEGEND
    cluster_legend = [] if clusters is None else cluster_entries(numbers, verdict)
    if numbered:
        cluster_legend = [
            (f"{len(cluster_ids)} clusters, numbered in the map", "none", "o"),
            *cluster_legend[len(cluster_ids) :],
        ]
    styles = _neuron_styles(neuron_types, neuron_ids)
    neuron_keys = list(zip(neuron_types, neuron_ids, strict=True))
    neuron_legend, columns, heads = _neuron_entries(styles, Counter(neuron_keys))

    names = (*([] if clusters is None else ["by cluster"]), "by neuron", "by area of the synapse")
    head = 0.5 + heading_height(title, verdict)
    left, between = 0.32, 0.34
    side = (SHEET_WIDTH - 0.14 - left + between) / len(names) - between
    lines = max(-(-len(cluster_legend) // 2), -(-len(neuron_legend) // columns), 4)
    foot = 0.42 + 0.2 * lines
    height = head + side + foot
    figure, _ = new_figure(SHEET_WIDTH, height, axes=False)
    write_heading(figure, title, verdict, 0.1, 0.12)
    low, high = box_around(points, 0.06)
    panels = []
    for i, name in enumerate(names):
        left_edge = left + i * (side + between)
        axes = figure.add_axes((left_edge / SHEET_WIDTH, foot / height, side / SHEET_WIDTH, side / height))
        axes.set_title(name, loc="left", fontsize=11, color=INK)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
        axes.set_xlabel("UMAP 1", fontsize=9, color=FAINT)
        axes.set_ylabel("UMAP 2", fontsize=9, color=FAINT)
        for spine in axes.spines.values():
            spine.set_color("#bbbbbb")
        if not len(points):
            write_message(axes, "no synapses")
        panels.append(axes)
    *by_cluster, by_neuron, by_area = panels
    size = marker_area(len(points))

    for axes in by_cluster:
        grey = numbers < 0
        for part in (grey, ~grey):
            colours = [cluster_colour(c, verdict) for c in numbers[part]]
            _scatter(axes, points[part], colours, ["o"] * int(part.sum()), size)
        if numbered:
            _number_in_place(axes, points, numbers)
        legend_below(axes, in_rows(cluster_legend, 2), 1 if numbered else 2)
    _scatter(by_neuron, points, [styles[n][0] for n in neuron_keys], [styles[n][1] for n in neuron_keys], size)
    legend_below(by_neuron, neuron_legend, columns, bold=heads)
    _area_panel(figure, by_area, points, areas, size, area_unit or "unit of the workbook")
    return as_png(figure)


def space_figure(
    space_xyz: npt.ArrayLike,
    clusters: Sequence[int | None] | npt.NDArray[np.integer[Any]] | None,
    title: str,
    *,
    verdict: Verdict | None = None,
) -> bytes:
    """The three-dimensional map (N, 3) by cluster, from two sides that are a quarter turn apart, as PNG.

    The verdict on the clusters stands under the title and mutes their colours. `clusters` None: nothing has been clustered, so
    all points have one colour and there is no legend. Raises BadInput if the inputs differ in length.
    """
    points = np.asarray(space_xyz, dtype=np.float64).reshape(-1, 3)
    numbers = cluster_numbers([0] * len(points) if clusters is None else clusters)
    require_same_length(space_xyz=points, clusters=numbers)
    entries = [] if clusters is None else cluster_entries(numbers, verdict)
    columns, legend = legend_shape(len(entries), 8) if entries else (1, 0.1)
    head = 0.35 + heading_height(title, verdict)
    cell = (SHEET_WIDTH / 2, 5.2)
    height = head + cell[1] + legend
    figure, _ = new_figure(SHEET_WIDTH, height, axes=False)
    write_heading(figure, title, verdict, 0.15, 0.15)
    for i, (turn, name) in enumerate(((-60, "from one side"), (30, "a quarter turn further"))):
        axes = space_axes(figure, (i * cell[0], legend), cell, name)
        size, filled = 1.8 * marker_area(len(points)), np.ones(len(points), dtype=bool)
        scatter_by_cluster(axes, points, numbers, size, filled=filled, verdict=verdict)
        axes.view_init(elev=20, azim=turn)
        equal_axes(axes, points, cube=True)
        for axis, label in zip((axes.xaxis, axes.yaxis, axes.zaxis), SPACE_AXES, strict=True):
            axis.set_ticklabels([])
            axis.set_label_text(label, fontsize=9, color=FAINT)
            axis.labelpad = -9
        fit_into_cell(axes, (i * cell[0], legend), cell, (0.35, 0.35, 0.35, 0.35))
        if not len(points):
            axes.text2D(0.5, 0.5, "no synapses", transform=axes.transAxes, ha="center", fontsize=10, color=FAINT)
    figure_legend(figure, entries, columns)
    return as_png(figure)


def _label_text(label: str | int | None) -> str:
    """The label as text; '' for unknown and noise."""
    if label is None or (not isinstance(label, str) and label < 0):
        return ""
    return str(label)


def _numeric_first(name: str) -> tuple[bool, int, str]:
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def _scatter(
    axes: Any, points: npt.NDArray[np.float64], colours: Sequence[str], markers: Sequence[str], size: float
) -> None:
    """Points in a mixed order, so that no class lies on top of all the others."""
    order = np.random.default_rng(0).permutation(len(points))
    shapes = np.array(markers, dtype=str)
    for part in np.array_split(order, max(1, min(10, len(order)))):
        for marker in sorted(set(shapes[part].tolist())):
            subset = part[shapes[part] == marker]
            face = [colours[i] for i in subset]
            axes.scatter(*points[subset].T, s=size, c=face, marker=marker, edgecolors=[edge_colour(c) for c in face],
                         linewidths=0.35)  # fmt: skip


def _number_in_place(axes: Any, points: npt.NDArray[np.float64], numbers: npt.NDArray[np.int64]) -> None:
    """Writes the number of each cluster into its middle, none over another."""
    cluster_ids = sorted(set(numbers[numbers >= 0].tolist()))
    centres = np.array([np.median(points[numbers == cluster], axis=0) for cluster in cluster_ids])
    low, high = axes.get_xlim()
    for cluster, position in zip(cluster_ids, _push_apart(centres, 0.052 * float(high - low)), strict=True):
        text = axes.text(*position, str(cluster), fontsize=9, fontweight="bold", color=INK, ha="center", va="center")
        text.set_path_effects(halo())


def _push_apart(positions: npt.NDArray[np.float64], distance: float) -> npt.NDArray[np.float64]:
    """Positions of labels, pushed apart until none is nearer to another than `distance`, in at most 200 steps."""
    moved = positions.copy()
    for _ in range(200):
        gap = moved[:, None, :] - moved[None, :, :]
        length = np.linalg.norm(gap, axis=2)
        np.fill_diagonal(length, np.inf)
        if length.min() >= distance:
            break
        # labels at the same position move in different directions
        angle = np.arange(len(moved)) * 2.4
        push = np.where((length > 0)[..., None], gap / np.maximum(length, 1e-12)[..., None], 0.0)
        push[length == 0] = np.column_stack([np.cos(angle), np.sin(angle)])[np.nonzero(length == 0)[0]]
        moved += 0.3 * (push * np.clip(distance - length, 0, None)[..., None]).sum(axis=1)
    return moved


def _neuron_styles(types: Sequence[str], neurons: Sequence[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Colour and marker of each (type, neuron): a hue for the type, from dark to light in it."""
    styles = {}
    for i, kind in enumerate(sorted(set(types))):
        names = sorted({n for t, n in zip(types, neurons, strict=True) if t == kind}, key=natural_order)
        hue = _TYPE_HUES[i % len(_TYPE_HUES)]
        for j, name in enumerate(names):
            share = j / (len(names) - 1) if len(names) > 1 else 0.5
            colour = (
                mixed(hue, "#000000", 0.45 - 0.9 * share) if share <= 0.5 else mixed(hue, "#ffffff", 1.1 * share - 0.55)
            )
            styles[kind, name] = (colour, MARKERS[j % len(MARKERS)])
    return styles


def _neuron_entries(
    styles: Mapping[tuple[str, str], tuple[str, str]], counts: Mapping[tuple[str, str], int]
) -> tuple[list[Entry], int, set[str]]:
    """Legend entries, in how many columns, and which of them are headings: a column for each type of neuron. With more than
    three types or ten neurons of one, a plain list of as many as there is room for."""
    kinds = sorted({kind for kind, _ in styles})
    of_kind = [[(f"{shortened(n, 12)} ({counts[t, n]:,})", *styles[t, n]) for t, n in styles if t == k] for k in kinds]
    tallest = max((len(column) for column in of_kind), default=0)
    if len(kinds) <= 3 and tallest <= 10:
        heads = [shortened(kind, 14) for kind in kinds]
        entries = []
        for name, column in zip(heads, of_kind, strict=True):
            entries += [(name, "none", "o"), *column, *[("", "none", "o")] * (tallest - len(column))]
        return entries, max(1, len(kinds)), set(heads)
    entries = [entry for column in of_kind for entry in column]
    if len(entries) > 24:
        entries = [*entries[:23], (f"{len(entries) - 23} more", "none", "o")]
    return in_rows(entries, 3), 3, set()


def _area_panel(
    figure: Any, axes: Any, points: npt.NDArray[np.float64], areas: npt.NDArray[np.float64], size: float, unit: str
) -> None:
    """Points by area, larger is darker; unknown areas are grey."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize, to_hex

    finite = np.isfinite(areas)
    if not finite.any():
        _scatter(axes, points, [NOISE_COLOUR] * len(points), ["o"] * len(points), size)
        legend_below(axes, [(f"unknown ({len(points):,})", NOISE_COLOUR, "o")] if len(points) else [], 1)
        return
    # without the lightest yellow, which white paper swallows
    scale = ListedColormap(colormaps["viridis"](np.linspace(0.93, 0.0, 256)))
    low, high = np.percentile(areas[finite], [2, 98])
    if high <= low:
        low, high = low - (0.1 * abs(low) or 0.5), low + (0.1 * abs(low) or 0.5)
    norm = Normalize(low, high)
    colours = [to_hex(scale(norm(a))) if ok else NOISE_COLOUR for a, ok in zip(areas, finite, strict=True)]
    _scatter(axes, points, colours, ["o"] * len(points), size)
    beyond = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    ends = (bool((areas[finite] < low).any()), bool((areas[finite] > high).any()))
    frame = axes.get_position()
    height = figure.get_figheight()
    bar_box = (frame.x0 + 0.05 * frame.width, frame.y0 - 0.45 / height, 0.9 * frame.width, 0.13 / height)
    bar = figure.colorbar(ScalarMappable(norm, scale), cax=figure.add_axes(bar_box), orientation="horizontal",
                          extend=beyond[ends])  # fmt: skip
    bar.set_label(f"area of the synapse ({unit})", fontsize=9, color=INK, parse_math=False)
    bar.ax.tick_params(labelsize=8.5)
    bar.outline.set_visible(False)
    if not finite.all():
        legend_below(axes, [(f"unknown ({int((~finite).sum()):,})", NOISE_COLOUR, "o")], 1, down=0.92)
