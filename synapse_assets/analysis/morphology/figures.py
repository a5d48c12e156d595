"""Pictures of the chain without images, as PNG bytes for the Dagster UI and for files.

Belongs here: drawing what the other modules of this room found. Does not belong here: computing any of it, writing files,
turnable pictures (`pages`). Clusters have the same colour in all pictures (`drawing.cluster_colour`); grey is in no cluster.
The same input gives the same bytes.
"""

import textwrap
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.figures import (
    FAINT,
    INK,
    as_png,
    halo,
    new_figure,
    say,
    shortened,
    without_frame,
)
from synapse_assets.analysis.morphology.drawing import (
    MICROMETRE_AXES,
    SPACE_AXES,
    box_around,
    cluster_colour,
    cluster_numbers,
    darker,
    finite_or_none,
    limits_around,
    mixed,
    natural_order,
    neurons_around_their_soma,
    require_same_length,
)
from synapse_assets.errors import BadInput
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE

# Hennig (2007, Computational Statistics & Data Analysis 52), of the mean Jaccard index of a cluster
NO_GROUP_BELOW, VALID_FROM = 0.6, 0.75
_WIDTH = 12.0
_MOST_IN_LEGEND = 12
_MOST_PANELS = 30
# inches; a smaller cell of a confusion matrix holds no numbers
_SMALLEST_CELL = 0.26
# one hue a type of neuron, shades of it for the neurons
_TYPE_HUES = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#999933", "#661100")
_MARKERS = ("o", "s", "D", "^")
_VERDICT_COLOURS = {"stable": "#00694b", "fragile": "#9a5200"}


def maps_sheet(
    map_xy: npt.ArrayLike,
    clusters: Sequence[int | None] | npt.NDArray[np.integer[Any]],
    neuron_types: Sequence[str],
    neuron_ids: Sequence[str],
    synapse_areas: npt.ArrayLike,
    title: str,
) -> bytes:
    """The two-dimensional map (N, 2) three times as one PNG: by cluster (None or below 0: grey), by neuron (a hue for each
    type, a shade and a shape for each neuron) and by area of the synapse (colours end at the 2nd and 98th percentile).

    Up to 12 clusters have a legend, more are named in place. Raises BadInput if the inputs differ in length.
    """
    places = np.asarray(map_xy, dtype=np.float64).reshape(-1, 2)
    numbers, areas = cluster_numbers(clusters), np.asarray(synapse_areas, dtype=np.float64).reshape(-1)
    require_same_length(map_xy=places, clusters=numbers, types=neuron_types, neurons=neuron_ids, areas=areas)
    found = sorted(set(numbers[numbers >= 0].tolist()))
    numbered = len(found) > _MOST_IN_LEGEND
    clusters_named = _cluster_entries(numbers)
    if numbered:
        clusters_named = [(f"{len(found)} clusters, numbered in the map", "none", "o"), *clusters_named[len(found) :]]
    styles = _neuron_styles(neuron_types, neuron_ids)
    named = list(zip(neuron_types, neuron_ids, strict=True))
    neurons_named, columns, heads = _neuron_entries(styles, Counter(named))

    heading = _wrapped(title, 110)
    head = 0.5 + 0.25 * (1 + heading.count("\n"))
    side, left, between = 3.62, 0.32, 0.34
    lines = max(-(-len(clusters_named) // 2), -(-len(neurons_named) // columns), 4)
    foot = 0.42 + 0.2 * lines
    height = head + side + foot
    figure, _ = new_figure(_WIDTH, height, axes=False)
    figure.text(0.1 / _WIDTH, 1 - 0.12 / height, heading, fontsize=13, color=INK, va="top")
    low, high = box_around(places, 0.06)
    panels = []
    for i, name in enumerate(("by cluster", "by neuron", "by area of the synapse")):
        at = left + i * (side + between)
        axes = figure.add_axes((at / _WIDTH, foot / height, side / _WIDTH, side / height))
        axes.set_title(name, loc="left", fontsize=11, color=INK)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
        axes.set_xlabel("UMAP 1", fontsize=9, color=FAINT)
        axes.set_ylabel("UMAP 2", fontsize=9, color=FAINT)
        for spine in axes.spines.values():
            spine.set_color("#bbbbbb")
        if not len(places):
            say(axes, "no synapses")
        panels.append(axes)
    by_cluster, by_neuron, by_area = panels
    size = _size(len(places))

    grey = numbers < 0
    for part in (grey, ~grey):
        _scatter(by_cluster, places[part], [cluster_colour(c) for c in numbers[part]], ["o"] * int(part.sum()), size)
    if numbered:
        centres = np.array([np.median(places[numbers == cluster], axis=0) for cluster in found])
        for cluster, place in zip(found, _apart(centres, 0.052 * float(high[0] - low[0])), strict=True):
            text = by_cluster.text(
                *place, str(cluster), fontsize=9, fontweight="bold", color=INK, ha="center", va="center"
            )
            text.set_path_effects(halo())
    _legend_below(by_cluster, _in_rows(clusters_named, 2), 1 if numbered else 2)
    _scatter(by_neuron, places, [styles[n][0] for n in named], [styles[n][1] for n in named], size)
    _legend_below(by_neuron, neurons_named, columns, bold=heads)
    _area_panel(figure, by_area, places, areas, size)
    return as_png(figure)


def space_figure(
    space_xyz: npt.ArrayLike, clusters: Sequence[int | None] | npt.NDArray[np.integer[Any]], title: str
) -> bytes:
    """The three-dimensional map (N, 3) by cluster, from two sides that are a quarter turn apart, as PNG.

    Raises BadInput if the inputs differ in length.
    """
    places, numbers = np.asarray(space_xyz, dtype=np.float64).reshape(-1, 3), cluster_numbers(clusters)
    require_same_length(space_xyz=places, clusters=numbers)
    entries = _cluster_entries(numbers)
    columns, legend = _legend_shape(len(entries), 8)
    heading = _wrapped(title, 110)
    head = 0.35 + 0.25 * (1 + heading.count("\n"))
    cell = (_WIDTH / 2, 5.2)
    height = head + cell[1] + legend
    figure, _ = new_figure(_WIDTH, height, axes=False)
    figure.text(0.015, 1 - 0.15 / height, heading, fontsize=13, color=INK, va="top")
    for i, (turn, name) in enumerate(((-60, "from one side"), (30, "a quarter turn further"))):
        axes = _space_axes(figure, (i * cell[0], legend), cell, name)
        _scatter_in_space(axes, places, numbers, 1.8 * _size(len(places)), filled=np.ones(len(places), dtype=bool))
        axes.view_init(elev=20, azim=turn)
        _equal_axes(axes, places, cube=True)
        for axis, label in zip((axes.xaxis, axes.yaxis, axes.zaxis), SPACE_AXES, strict=True):
            axis.set_ticklabels([])
            axis.set_label_text(label, fontsize=9, color=FAINT)
            axis.labelpad = -9
        _fit(axes, (i * cell[0], legend), cell, (0.35, 0.35, 0.35, 0.35))
        if not len(places):
            axes.text2D(0.5, 0.5, "no synapses", transform=axes.transAxes, ha="center", fontsize=10, color=FAINT)
    _figure_legend(figure, entries, columns)
    return as_png(figure)


def neuron_positions_figure(features: pa.Table, clusters: Mapping[str, int] | None) -> bytes:
    """The synapses of each neuron around its soma, in micrometres, one panel a neuron, as PNG.

    `features` has the columns of `schema.morphology.FEATURES`; `clusters` gives the cluster by synapse id: one that is not
    in it or below 0 is grey; None colours nothing. Newly observed synapses are hollow. Scales are equal on the axes of a
    panel, not between panels. Of more than 30 neurons, the 30 with most synapses are drawn.
    """
    neurons = neurons_around_their_soma(features, clusters)
    if not neurons:
        figure, axes = new_figure(7.2, 1.4)
        axes.axis("off")
        say(axes, "no synapses, so no neuron to draw")
        return as_png(figure)
    most = sorted(neurons, key=lambda name: -len(neurons[name].places))[:_MOST_PANELS]
    shown = [name for name in neurons if name in most]
    columns = min(len(shown), 3 if len(shown) <= 9 else 4 if len(shown) <= 16 else 5)
    rows = -(-len(shown) // columns)
    cell = (_WIDTH / max(columns, 2), 0.8 * _WIDTH / max(columns, 2))
    width = cell[0] * columns
    numbers = np.concatenate([neurons[name].clusters for name in shown])
    entries: list[tuple[str, str, str]] = [("soma", INK, "*")]
    entries += _cluster_entries(numbers) if clusters is not None else [("synapse", PALETTE[0], "o")]
    if any(not neurons[name].fitted.all() for name in shown):
        entries.append(("newly observed", "hollow", "o"))
    per_line, legend = _legend_shape(len(entries), max(2, int(width / 1.5)))
    words = "Synapses around the soma, in micrometres; the axes of a panel have one scale"
    words += ", panels have different ones" if len(shown) > 1 else ""
    if len(shown) < len(neurons):
        words += f"; drawn are the {len(shown)} neurons with most synapses of {len(neurons)}"
    heading = textwrap.fill(words, int(width * 9.5))
    head = 0.2 + 0.24 * (1 + heading.count("\n"))
    height = head + rows * cell[1] + legend
    figure, _ = new_figure(width, height, axes=False)
    figure.text(0.1 / width, 1 - 0.12 / height, heading, fontsize=12, color=INK, va="top")
    for i, name in enumerate(shown):
        neuron = neurons[name]
        corner = ((i % columns) * cell[0], height - head - (1 + i // columns) * cell[1])
        count = len(neuron.places)
        words = f"{shortened(name, 24)}  ({count:,} {'synapse' if count == 1 else 'synapses'})"
        axes = _space_axes(figure, corner, cell, words)
        drawn = neuron.clusters if clusters is not None else np.zeros(count, dtype=np.int64)
        _scatter_in_space(axes, neuron.places, drawn, float(np.clip(3000 / count, 7, 22)), filled=neuron.fitted)
        axes.scatter(0, 0, 0, s=190, marker="*", c=INK, edgecolors="white", linewidths=0.8, depthshade=False, zorder=9)
        axes.computed_zorder = False
        axes.view_init(elev=20, azim=-60)
        _equal_axes(axes, np.vstack([neuron.places, np.zeros((1, 3))]), cube=False)
        _ticks_in_space(axes, narrow=columns > 3)
        _fit(axes, corner, cell, (0.2, 0.72, 0.55, 0.35))
    _figure_legend(figure, entries, per_line)
    return as_png(figure)


def sweep_figure(sweep: pa.Table) -> bytes:
    """What each setting of HDBSCAN finds: stability with its standard error, clusters, share of noise and membership
    probability over min_cluster_size, a line for each min_samples; the chosen and the published setting marked; as PNG.

    `sweep` has the columns of `schema.morphology.PARAMETER_SWEEP`, for one investigation group; raises BadInput for several.
    """
    rows = sweep.to_pylist()
    groups = sorted({row["investigation_group"] for row in rows})
    if len(groups) > 1:
        raise BadInput(f"sweep_figure draws one investigation group, but was given {groups}: filter the table first")
    if not rows:
        figure, axes = new_figure(7.2, 1.4)
        axes.axis("off")
        say(axes, "no setting was tried")
        return as_png(figure)
    chosen = next((row for row in rows if row["chosen"]), None)
    published = next((row for row in rows if row["published"]), None)
    why = textwrap.fill(
        f"Chosen: {_setting(chosen)}. {chosen['why'][:1].upper()}{chosen['why'][1:]}"
        if chosen
        else "No setting was chosen.",
        160,
    )
    foot = 0.16 + 0.19 * (1 + why.count("\n"))
    figure, _ = new_figure(_WIDTH, 7.6 + foot, axes=False)
    upper, lower = figure.subfigures(2, 1, height_ratios=[7.6, foot])
    lower.text(0.015, 0.98, why, fontsize=9.5, color=INK, va="top")
    upper.suptitle(f"{groups[0]}: settings of HDBSCAN", x=0.015, y=0.985, ha="left", fontsize=13, color=INK)
    panels = upper.subplots(2, 2, sharex=True)
    upper.subplots_adjust(left=0.07, right=0.985, top=0.84, bottom=0.075, wspace=0.16, hspace=0.2)
    densities = sorted({row["min_samples"] for row in rows})
    colours = _ordered_colours(len(densities))
    widths = sorted({row["min_cluster_size"] for row in rows})
    place = {width: float(at) for at, width in enumerate(widths)}
    # lines are moved apart, so that error bars do not lie on each other
    step = 0.3 / max(1, len(densities))
    labelled = widths[:: -(-len(widths) // 16)]
    measures = (
        ("stability_ari", "stability (adjusted Rand index between runs, standard error)"),
        ("clusters", "clusters (median over runs)"),
        ("noise_fraction", "share of synapses in no cluster"),
        ("mean_probability", "mean membership probability"),
    )
    for axes, (column, label) in zip(panels.flat, measures, strict=True):
        for i, (density, colour) in enumerate(zip(densities, colours, strict=True)):
            line = sorted((r for r in rows if r["min_samples"] == density), key=lambda r: r["min_cluster_size"])
            move = (i - (len(densities) - 1) / 2) * step
            x = [place[r["min_cluster_size"]] + move for r in line]
            y = [r[column] for r in line]
            axes.plot(
                x, y, "-" + _MARKERS[i % 4], color=colour, linewidth=1.4, markersize=4.5, label=f"{density}", zorder=3
            )
            if column == "stability_ari":
                error = [r["stability_error"] for r in line]
                axes.errorbar(x, y, yerr=error, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2.5, zorder=2)
            for row, mark in ((published, _PUBLISHED), (chosen, _CHOSEN)):
                if row is not None and row["min_samples"] == density:
                    axes.plot(place[row["min_cluster_size"]] + move, row[column], linestyle="none", zorder=5, **mark)
        axes.set_title(label, loc="left", fontsize=10.5, color=INK)
        axes.set_xticks([place[w] for w in labelled], [str(w) for w in labelled])
        axes.tick_params(labelsize=8.5, labelbottom=True)
        axes.grid(axis="y", color="#eeeeee")
        axes.set_axisbelow(True)
        without_frame(axes)
        axes.margins(x=0.05)
        if column == "clusters":
            axes.yaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.set_ylim(bottom=0, top=max(1.0, axes.get_ylim()[1]) * 1.06)
        else:
            axes.set_ylim(min(-0.03, axes.get_ylim()[0]), 1.06)
    for axes in panels[1]:
        axes.set_xlabel("min_cluster_size (as tried, not to scale)", fontsize=9.5, color=INK)
    lines = [_handle(f"{d}", c, _MARKERS[i % 4], line=True) for i, (d, c) in enumerate(zip(densities, colours, strict=True))]  # fmt: skip
    upper.legend(
        handles=lines, title="min_samples", loc="upper left", bbox_to_anchor=(0.008, 0.955), ncols=max(1, min(14, len(lines))),
        frameon=False, fontsize=9, title_fontsize=9, alignment="left", columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], linestyle="none", label=f"{name}: {_setting(row)}", **mark)
             for name, row, mark in (("chosen", chosen, _CHOSEN), ("published", published, _PUBLISHED)) if row is not None]  # fmt: skip
    if marks:
        upper.legend(handles=marks, loc="upper right", bbox_to_anchor=(0.99, 0.995), frameon=False, fontsize=9.5,
                     labelspacing=0.9, alignment="left")  # fmt: skip
    return as_png(figure)


def stability_figure(
    pair_aris: npt.ArrayLike,
    null_aris: npt.ArrayLike,
    cluster_stability: Mapping[int, float],
    interval: tuple[float | None, float | None] | None,
    independent_ari: float | None,
    verdict: str,
    sentence: str,
) -> bytes:
    """How far the clusters of a group can be trusted, as PNG with the verdict as title.

    Left: the adjusted Rand indices of pairs of runs (k,) with their mean and its 95 % `interval`, above those of redrawn
    features (m,), and that of two independent halves of the runs. Right: the stability (mean Jaccard index) of each cluster,
    with Hennig's (2007) limits: below 0.6 it should not be read as a group, from 0.75 on it is valid. What is None or NaN is
    left out, or said to be unknown.
    """
    pairs, nulls = (_finite(values) for values in (pair_aris, null_aris))
    bars = sorted(cluster_stability.items(), key=lambda item: (item[0] < 0, item[0]))
    words = textwrap.fill(sentence, 160)
    head = 0.55 + 0.19 * (1 + words.count("\n"))
    above, below = 0.6, 1.1
    tall = max(2.6, 0.27 * len(bars))
    height = head + above + tall + below
    figure, _ = new_figure(_WIDTH, height, axes=False)
    figure.text(0.015, 1 - 0.12 / height, verdict, fontsize=14, fontweight="bold", va="top",
                color=_VERDICT_COLOURS.get(verdict, "#7a1f1f" if verdict else INK))  # fmt: skip
    figure.text(0.015, 1 - 0.46 / height, words, fontsize=9.5, color=INK, va="top")
    wide = min(tall, 3.4)
    left = figure.add_axes((0.06, (below + tall - wide) / height, 0.48, wide / height))
    right = figure.add_axes((0.625, below / height, 0.36, tall / height))
    _agreement_panel(left, pairs, nulls, interval, independent_ari)
    _jaccard_panel(right, bars)
    return as_png(figure)


def confusions_sheet(matrices: Mapping[str, npt.ArrayLike], class_names: Sequence[str]) -> bytes:
    """Confusion matrices beside each other, up to three a line, each under its key, as PNG.

    A matrix is (C, C + 1) counts: a row for each known cluster, a column for each named one, the last for synapses that were
    rejected as outliers. Shade and percent are shares of the row. Raises BadInput for a matrix of another shape.
    """
    k = len(class_names)
    counts = {key: np.asarray(matrix, dtype=np.int64) for key, matrix in matrices.items()}
    for key, matrix in counts.items():
        if matrix.shape != (k, k + 1):
            raise BadInput(
                f"confusion matrix '{key}' is {matrix.shape}, but {k} classes and a column for outliers make {(k, k + 1)}"
            )
    if not counts or not k:
        figure, axes = new_figure(7.2, 1.4)
        axes.axis("off")
        say(axes, "no confusion matrix: no classifier was tested")
        return as_png(figure)
    columns = len(counts) if len(counts) <= 3 else 2 if len(counts) == 4 else 3
    rows = -(-len(counts) // columns)
    cell = float(np.clip(_WIDTH / columns - 1.3, 1.0, 0.78 * (k + 1))) / (k + 1)
    width = max(5.0, min(_WIDTH, columns * (cell * (k + 1) + 1.3)))
    tall = max(0.42, cell * 0.72) if k <= 12 else cell
    titles = {key: textwrap.fill(key, max(18, int(width / columns * 8.5))) for key in counts}
    lines = 2 + max(text.count("\n") for text in titles.values())
    figure, _ = new_figure(width, rows * (tall * k + 0.95 + 0.2 * lines) + 0.35, axes=False)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    grid = figure.subplots(rows, columns, squeeze=False)
    for at, axes in enumerate(grid.flat):
        if at >= len(counts):
            axes.axis("off")
            continue
        key = list(counts)[at]
        _confusion_panel(axes, counts[key], list(class_names), titles[key], cell, first=at % columns == 0)
    shown = "percent of the row, and synapses" if cell >= _SMALLEST_CELL else "shade: share of the row"
    figure.supxlabel(f"named by the classifier ({shown})", fontsize=9.5, color=INK)
    return as_png(figure)


_CHOSEN: dict[str, Any] = {
    "marker": "o", "markersize": 15, "markerfacecolor": "none", "markeredgecolor": "#D55E00", "markeredgewidth": 2.2,
}  # fmt: skip


_PUBLISHED: dict[str, Any] = {
    "marker": "s", "markersize": 11, "markerfacecolor": "none", "markeredgecolor": "#222222", "markeredgewidth": 1.4,
}  # fmt: skip


def _setting(row: Mapping[str, Any]) -> str:
    return f"min_cluster_size {row['min_cluster_size']}, min_samples {row['min_samples']}"


def _agreement_panel(
    axes: Any,
    pairs: npt.NDArray[np.float64],
    nulls: npt.NDArray[np.float64],
    interval: tuple[float | None, float | None] | None,
    independent: float | None,
) -> None:
    """Two histograms of shares over the same bins, the mean with its interval above them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.set_title("agreement between runs", loc="left", fontsize=11, color=INK, pad=22)
    axes.set_xlabel("adjusted Rand index (0: as by chance, 1: the same clusters)", fontsize=9.5, color=INK)
    axes.set_ylabel("share of the values", fontsize=9.5, color=INK)
    lowest = min([0.0, *pairs.tolist(), *nulls.tolist()])
    low = -0.05 if lowest > -0.05 else max(-1.0, np.floor(lowest * 20) / 20)
    edges = np.linspace(low, 1.0, round((1.0 - low) / 0.025) + 1)
    handles: list[Any] = []
    top = 0.0
    for values, colour, name in ((nulls, "#8a8a8a", "features without groups"), (pairs, PALETTE[0], "pairs of runs")):
        if not len(values):
            handles.insert(0, Patch(facecolor="none", edgecolor=colour, label=f"{name}: none"))
            continue
        share = np.histogram(values, edges)[0] / len(values)
        top = max(top, float(share.max()))
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.45)
        axes.stairs(share, edges, color=colour, linewidth=1.3)
        handles.insert(0, Patch(facecolor=colour, alpha=0.6, label=f"{name} (n = {len(values):,})"))
    top = top or 1.0
    if len(pairs):
        level = top * 1.1
        ends = [finite_or_none(end) for end in interval] if interval is not None else [None, None]
        text = "mean of pairs"
        if ends[0] is not None and ends[1] is not None:
            axes.plot(ends, [level, level], color=INK, linewidth=2.4, solid_capstyle="butt")
            text = f"mean of pairs {pairs.mean():.2f}, 95 % interval {ends[0]:.2f} to {ends[1]:.2f}"
        else:
            text = f"mean of pairs {pairs.mean():.2f}, no interval"
        axes.plot(pairs.mean(), level, "o", color=INK, markersize=7)
        handles.append(Line2D([], [], color=INK, marker="o", markersize=6, linewidth=2.2, label=text))
    if (agreed := finite_or_none(independent)) is not None:
        axes.axvline(agreed, color="#D55E00", linewidth=1.8, linestyle=(0, (4, 2)))
        label = f"two independent consensus clusterings {agreed:.2f}"
        handles.append(Line2D([], [], color="#D55E00", linewidth=1.8, linestyle=(0, (4, 2)), label=label))
    if not len(pairs) and not len(nulls):
        say(axes, "no runs to compare")
        axes.set_yticks([])
    axes.set_xlim(edges[0], 1.025)
    axes.set_ylim(0, top * 1.2)
    axes.tick_params(labelsize=8.5)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
    inches = axes.get_position().height * axes.get_figure().get_figheight()
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.52 / inches), ncols=2, frameon=False, fontsize=9
    )


def _jaccard_panel(axes: Any, bars: Sequence[tuple[int, float]]) -> None:
    """A bar for each cluster, with the limits and what they mean."""
    axes.set_title("stability of each cluster", loc="left", fontsize=11, color=INK, pad=22)
    axes.set_xlabel("mean Jaccard index with the most similar cluster of a run", fontsize=9.5, color=INK)
    axes.set_xlim(0, 1.1)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.75, 1], ["0", "0.2", "0.4", "0.6", "0.75", "1"])
    axes.tick_params(labelsize=8.5)
    axes.tick_params(axis="y", length=0)
    for limit in (NO_GROUP_BELOW, VALID_FROM):
        axes.axvline(limit, color=INK, linewidth=1.1, linestyle=(0, (4, 2)), zorder=4)
    spans = (
        (0.0, NO_GROUP_BELOW, "not to be read as a group"),
        (NO_GROUP_BELOW, VALID_FROM, "pattern"),
        (VALID_FROM, 1.1, "valid"),
    )
    for low, high, name in spans:
        axes.annotate(name, ((low + high) / 2, 1), xycoords=("data", "axes fraction"), xytext=(0, 4), ha="center",
                      textcoords="offset points", fontsize=8.5, color="#555555")  # fmt: skip
    without_frame(axes)
    if not bars:
        axes.set_yticks([])
        axes.text(0.27, 0.5, "no clusters", transform=axes.transAxes, ha="center", fontsize=10, color=FAINT)
        return
    for at, (cluster, value) in enumerate(bars):
        known = finite_or_none(value)
        if known is None:
            axes.text(0.01, at, "unknown", va="center", fontsize=8.5, color=FAINT, style="italic")
            continue
        colour = cluster_colour(cluster)
        axes.barh(at, known, height=0.72, color=colour, edgecolor=darker(colour), linewidth=0.6, zorder=2)
        axes.text(known + 0.012, at, f"{known:.2f}", va="center", fontsize=8.5, color=INK, zorder=6,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    axes.set_yticks(range(len(bars)), [f"cluster {cluster}" for cluster, _ in bars], fontsize=8.5)
    axes.set_ylim(max(len(bars), 4) - 0.4, -0.6)


def _confusion_panel(
    axes: Any, counts: npt.NDArray[np.int64], names: list[str], title: str, cell: float, *, first: bool
) -> None:
    """One matrix; numbers as far as the cells hold them."""
    k = len(names)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.where(totals > 0, counts / np.maximum(totals, 1), 0.0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.axvline(k - 0.5, color=INK, linewidth=1.2)
    right, total = int(np.trace(counts[:, :k])), int(counts.sum())
    if cell >= _SMALLEST_CELL and total:
        large = 9.0 if cell >= 0.5 else 7.5 if cell >= 0.36 else 6.0
        for i in range(k):
            for j in range(k + 1):
                colour = "white" if share[i, j] > 0.55 else INK if counts[i, j] else "#a8a8a8"
                text = f"{share[i, j]:.0%}"
                axes.text(j, i - 0.17, text, ha="center", va="center", color=colour, fontsize=large)
                axes.text(
                    j, i + 0.25, f"{counts[i, j]:,}", ha="center", va="center", color=colour, fontsize=large - 1.5
                )
    size = 9.0 if cell >= 0.3 else 7.0
    turned = {"rotation": 90} if cell < 0.3 else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    # of very many clusters, as many are named as there is room for
    named = range(0, k, -(-k // 24))
    columns = [*(shortened(names[i], 14) for i in named), "outlier"]
    axes.set_xticks([*named, k], columns, fontsize=size, **turned)
    axes.get_xticklabels()[-1].set_style("italic")
    axes.set_yticks(named, [f"{shortened(names[i], 16)}  ({int(totals[i, 0]):,})" for i in named], fontsize=size)
    if first:
        axes.set_ylabel("known cluster (synapses)", fontsize=9.5, color=INK)
    words = f"{title}\n{right:,} of {total:,} right ({right / total:.0%})" if total else title
    axes.set_title(words, loc="left", fontsize=10, color=INK)
    if not total:
        say(axes, "no synapse was tested")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    return array[np.isfinite(array)]


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width) if text else " "


def _size(points: int) -> float:
    """Area of a marker in square points."""
    return float(np.clip(9000 / max(1, points), 3.0, 24.0))


def _edge(colour: str) -> str:
    """The colour of a point's edge; that of a grey one is faint, so that clusters stand out."""
    return mixed(colour, "#000000", 0.15) if colour == NOISE_COLOUR else darker(colour)


def _ordered_colours(count: int) -> list[str]:
    """Colours from light blue to dark, for values that have an order."""
    light, middle, dark = "#74b3dc", "#0072B2", "#0b1f33"
    shares = np.linspace(0, 2, count) if count > 1 else np.array([1.0])
    return [mixed(light, middle, s) if s <= 1 else mixed(middle, dark, s - 1) for s in shares.tolist()]


def _scatter(
    axes: Any, places: npt.NDArray[np.float64], colours: Sequence[str], markers: Sequence[str], size: float
) -> None:
    """Points in a mixed order, so that no class lies on top of all the others."""
    order = np.random.default_rng(0).permutation(len(places))
    shapes = np.array(markers, dtype=str)
    for part in np.array_split(order, max(1, min(10, len(order)))):
        for marker in sorted(set(shapes[part].tolist())):
            drawn = part[shapes[part] == marker]
            face = [colours[i] for i in drawn]
            axes.scatter(*places[drawn].T, s=size, c=face, marker=marker, edgecolors=[_edge(c) for c in face],
                         linewidths=0.35)  # fmt: skip


def _scatter_in_space(
    axes: Any,
    places: npt.NDArray[np.float64],
    numbers: npt.NDArray[np.int64],
    size: float,
    *,
    filled: npt.NDArray[np.bool_],
) -> None:
    """Points by cluster; each 18 clusters, the shape changes with the colours' next round; not filled: hollow."""
    rounds = np.where(numbers < 0, 0, numbers // len(PALETTE)) % len(_MARKERS)
    for solid in (True, False):
        for marker in sorted(set(rounds[filled == solid].tolist())):
            chosen = (rounds == marker) & (filled == solid)
            colours = [cluster_colour(c) for c in numbers[chosen].tolist()]
            edges = [_edge(c) for c in colours]
            look = {"c": colours, "edgecolors": edges, "linewidths": 0.35}
            if not solid:
                look = {"facecolors": "none", "edgecolors": edges, "linewidths": 1.4}
            axes.scatter(*places[chosen].T, s=size * (1 if solid else 1.4), marker=_MARKERS[marker], depthshade=False, **look)  # fmt: skip


def _equal_axes(axes: Any, places: npt.NDArray[np.float64], *, cube: bool) -> None:
    """Limits of three-dimensional axes around the places, with one scale for all three."""
    low, high = limits_around(places, cube=cube)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_zlim(low[2], high[2])
    axes.set_box_aspect(tuple(high - low))
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0.97, 0.97, 0.97, 1.0))
        axis._axinfo["grid"].update(color="#dddddd", linewidth=0.6)


def _space_axes(figure: Any, corner: tuple[float, float], cell: tuple[float, float], title: str) -> Any:
    """Three-dimensional axes over a cell of the figure (its corner and size in inches), with a title at its upper left."""
    width, height = figure.get_size_inches()
    figure.text((corner[0] + 0.15) / width, (corner[1] + cell[1]) / height, title, fontsize=10.5, color=INK, va="top")
    square = max(cell)
    box = (corner[0] / width, corner[1] / height, square / width, square / height)
    axes = figure.add_axes(box, projection="3d")
    axes.patch.set_visible(False)
    return axes


def _fit(
    axes: Any, corner: tuple[float, float], cell: tuple[float, float], margins: tuple[float, float, float, float]
) -> None:
    """Scales and moves the drawn box so that it fills the cell but for the margins (left, right, lower, upper, inches)."""
    from mpl_toolkits.mplot3d import proj3d

    figure = axes.get_figure()
    lows, highs = np.array([axes.get_xlim(), axes.get_ylim(), axes.get_zlim()]).T
    corners = np.array(np.meshgrid(*zip(lows, highs, strict=True))).reshape(3, -1)

    def drawn() -> npt.NDArray[np.float64]:
        x, y, _ = proj3d.proj_transform(*corners, axes.get_proj())
        return np.asarray(axes.transData.transform(np.column_stack([x, y]))) / figure.dpi

    left, right, lower, upper = margins
    room = np.array([cell[0] - left - right, cell[1] - lower - upper])
    axes.set_box_aspect(tuple(highs - lows), zoom=float((room / np.ptp(drawn(), axis=0)).min()))
    places = drawn()
    wanted = np.array([corner[0] + left, corner[1] + lower]) + room / 2
    move = (wanted - (places.min(axis=0) + places.max(axis=0)) / 2) / figure.get_size_inches()
    box = axes.get_position(original=True)
    axes.set_position((box.x0 + move[0], box.y0 + move[1], box.width, box.height))


def _apart(places: npt.NDArray[np.float64], distance: float) -> npt.NDArray[np.float64]:
    """Places of labels, pushed apart until none is nearer to another than `distance`, as far as that is done soon."""
    moved = places.copy()
    for _ in range(200):
        gap = moved[:, None, :] - moved[None, :, :]
        length = np.linalg.norm(gap, axis=2)
        np.fill_diagonal(length, np.inf)
        if length.min() >= distance:
            break
        # labels in the very same place part along different directions
        angle = np.arange(len(moved)) * 2.4
        push = np.where((length > 0)[..., None], gap / np.maximum(length, 1e-12)[..., None], 0.0)
        push[length == 0] = np.column_stack([np.cos(angle), np.sin(angle)])[np.nonzero(length == 0)[0]]
        moved += 0.3 * (push * np.clip(distance - length, 0, None)[..., None]).sum(axis=1)
    return moved


def _ticks_in_space(axes: Any, *, narrow: bool) -> None:
    """Few ticks in micrometres, close to the box."""
    from matplotlib.ticker import MaxNLocator

    sides = [np.ptp(limits) for limits in (axes.get_xlim(), axes.get_ylim(), axes.get_zlim())]
    for axis, side, label in zip((axes.xaxis, axes.yaxis, axes.zaxis), sides, MICROMETRE_AXES, strict=True):
        axis.set_major_locator(MaxNLocator((2 if narrow else 4) if side > 0.6 * max(sides) else 1 if narrow else 2))
        axis.set_tick_params(labelsize=6.5 if narrow else 7.5, pad=-1.5, colors="#444444")
        axis.set_label_text(label, fontsize=7.5 if narrow else 8.5, color=INK)
        axis.labelpad = -2 if narrow else 1


def _cluster_entries(numbers: npt.NDArray[np.int64]) -> list[tuple[str, str, str]]:
    """Legend entries (text, colour, marker) of the clusters that occur, grey last."""
    sizes = Counter(numbers.tolist())
    entries = [
        (f"cluster {c} ({sizes[c]:,})", cluster_colour(c), _MARKERS[c // len(PALETTE) % len(_MARKERS)])
        for c in sorted(sizes)
        if c >= 0
    ]
    if sizes[-1]:
        entries.append((f"in no cluster ({sizes[-1]:,})", NOISE_COLOUR, "o"))
    return entries


def _handle(text: str, colour: str, marker: str, *, line: bool = False) -> Any:
    """A legend entry; colour 'none' leaves the mark out, 'hollow' leaves it empty."""
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


def _legend_below(
    axes: Any, entries: Sequence[tuple[str, str, str]], columns: int, bold: Collection[str] = (), down: float = 0.075
) -> None:
    """A legend under the axes, from their left edge, filled column by column."""
    if not entries:
        return
    legend = axes.legend(
        handles=[_handle(*entry) for entry in entries], loc="upper left", bbox_to_anchor=(-0.03, -down), ncols=columns,
        frameon=False, fontsize=9, handletextpad=0.2, columnspacing=0.9, borderaxespad=0, labelspacing=0.35,
    )  # fmt: skip
    for text in legend.get_texts():
        if text.get_text() in bold:
            text.set_fontweight("bold")


def _in_rows(entries: Sequence[tuple[str, str, str]], columns: int) -> list[tuple[str, str, str]]:
    """Entries in the order that makes a legend, which is filled column by column, read row by row."""
    rows = -(-len(entries) // columns)
    order = [r * columns + c for c in range(columns) for r in range(rows) if r * columns + c < len(entries)]
    return [entries[i] for i in order]


def _legend_shape(entries: int, most: int) -> tuple[int, float]:
    """Columns of a legend with even rows, and its height in inches."""
    rows = max(1, -(-entries // most))
    return max(1, -(-entries // rows)), 0.24 * rows + 0.2


def _figure_legend(figure: Any, entries: Sequence[tuple[str, str, str]], columns: int) -> None:
    """A legend along the lower edge of the picture."""
    if entries:
        figure.legend(
            handles=[_handle(*entry) for entry in _in_rows(entries, columns)], loc="lower center", ncols=columns, frameon=False,
            fontsize=9.5, handletextpad=0.2, columnspacing=1.3,
        )  # fmt: skip


def _neuron_styles(types: Sequence[str], neurons: Sequence[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Colour and marker of each (type, neuron): a hue for the type, from dark to light in it."""
    styles = {}
    for i, kind in enumerate(sorted(set(types))):
        names = sorted({n for t, n in zip(types, neurons, strict=True) if t == kind}, key=natural_order)
        hue = _TYPE_HUES[i % len(_TYPE_HUES)]
        for j, name in enumerate(names):
            at = j / (len(names) - 1) if len(names) > 1 else 0.5
            colour = mixed(hue, "#000000", 0.45 - 0.9 * at) if at <= 0.5 else mixed(hue, "#ffffff", 1.1 * at - 0.55)
            styles[kind, name] = (colour, _MARKERS[j % len(_MARKERS)])
    return styles


def _neuron_entries(
    styles: Mapping[tuple[str, str], tuple[str, str]], counts: Mapping[tuple[str, str], int]
) -> tuple[list[tuple[str, str, str]], int, set[str]]:
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
    return _in_rows(entries, 3), 3, set()


def _area_panel(
    figure: Any, axes: Any, places: npt.NDArray[np.float64], areas: npt.NDArray[np.float64], size: float
) -> None:
    """Points by area, larger is darker; unknown areas are grey."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize, to_hex

    known = np.isfinite(areas)
    if not known.any():
        _scatter(axes, places, [NOISE_COLOUR] * len(places), ["o"] * len(places), size)
        _legend_below(axes, [(f"unknown ({len(places):,})", NOISE_COLOUR, "o")] if len(places) else [], 1)
        return
    # without the lightest yellow, which white paper swallows
    scale = ListedColormap(colormaps["viridis"](np.linspace(0.93, 0.0, 256)))
    low, high = np.percentile(areas[known], [2, 98])
    if high <= low:
        low, high = low - (0.1 * abs(low) or 0.5), low + (0.1 * abs(low) or 0.5)
    norm = Normalize(low, high)
    colours = [to_hex(scale(norm(a))) if ok else NOISE_COLOUR for a, ok in zip(areas, known, strict=True)]
    _scatter(axes, places, colours, ["o"] * len(places), size)
    beyond = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    ends = (bool((areas[known] < low).any()), bool((areas[known] > high).any()))
    frame = axes.get_position()
    height = figure.get_figheight()
    place = (frame.x0 + 0.05 * frame.width, frame.y0 - 0.45 / height, 0.9 * frame.width, 0.13 / height)
    bar = figure.colorbar(ScalarMappable(norm, scale), cax=figure.add_axes(place), orientation="horizontal",
                          extend=beyond[ends])  # fmt: skip
    bar.set_label("area of the synapse (unit of the workbook)", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8.5)
    bar.outline.set_visible(False)
    if not known.all():
        _legend_below(axes, [(f"unknown ({int((~known).sum()):,})", NOISE_COLOUR, "o")], 1, down=0.92 / 3.62)
