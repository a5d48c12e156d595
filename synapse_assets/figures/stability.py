"""How stable clusters are: over the settings of HDBSCAN, between runs, and each by itself.

Does not belong here: the stabilities and the verdict, which `analysis.clustering` computes.
"""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.clustering.verdict_power import DETECTED, Cell
from synapse_assets.analysis.evaluation.scores import wilson_interval
from synapse_assets.errors import BadInput
from synapse_assets.figures.legends import legend_handle
from synapse_assets.figures.style import (
    FAINT,
    INK,
    MARKERS,
    SHEET_WIDTH,
    as_png,
    cluster_colour,
    darker,
    finite_or_none,
    message_figure,
    mixed,
    new_figure,
    verdict_colour,
    without_frame,
    write_message,
)
from synapse_assets.schema.colours import PALETTE

# Hennig (2007, Computational Statistics & Data Analysis 52), of the mean Jaccard index of a cluster
_NO_GROUP_BELOW, _VALID_FROM = 0.6, 0.75
_CHOSEN: dict[str, Any] = {
    "marker": "o", "markersize": 15, "markerfacecolor": "none", "markeredgecolor": "#D55E00", "markeredgewidth": 2.2,
}  # fmt: skip
_PUBLISHED: dict[str, Any] = {
    "marker": "s", "markersize": 11, "markerfacecolor": "none", "markeredgecolor": "#222222", "markeredgewidth": 1.4,
}  # fmt: skip


def sweep_figure(sweep: pa.Table) -> bytes:
    """What each setting of HDBSCAN finds: stability with its standard error, clusters, share of noise and membership
    probability over min_cluster_size, a line for each min_samples; the chosen and the published setting marked; as PNG.

    `sweep` has the columns of `schema.morphology.PARAMETER_SWEEP`, for one investigation group; raises BadInput for several.
    """
    from matplotlib.lines import Line2D

    rows = sweep.to_pylist()
    groups = sorted({row["investigation_group"] for row in rows})
    if len(groups) > 1:
        raise BadInput(f"sweep_figure draws one investigation group, but was given {groups}: filter the table first")
    if not rows:
        return message_figure("no setting was tried")
    chosen = next((row for row in rows if row["chosen"]), None)
    published = next((row for row in rows if row["published"]), None)
    caption = textwrap.fill(
        f"Chosen: {_describe_setting(chosen)}. {chosen['why'][:1].upper()}{chosen['why'][1:]}"
        if chosen
        else "No setting was chosen.",
        160,
    )
    foot_inches = 0.16 + 0.19 * (1 + caption.count("\n"))
    figure, _ = new_figure(SHEET_WIDTH, 7.6 + foot_inches, axes=False)
    upper, lower = figure.subfigures(2, 1, height_ratios=[7.6, foot_inches])
    lower.text(0.015, 0.98, caption, fontsize=9.5, color=INK, va="top")
    upper.suptitle(f"{groups[0]}: settings of HDBSCAN", x=0.015, y=0.985, ha="left", fontsize=13, color=INK)
    panels = upper.subplots(2, 2, sharex=True)
    upper.subplots_adjust(left=0.07, right=0.985, top=0.84, bottom=0.075, wspace=0.16, hspace=0.2)
    densities = sorted({row["min_samples"] for row in rows})
    colours = _ordered_colours(len(densities))
    widths = sorted({row["min_cluster_size"] for row in rows})
    x_of = {width: float(index) for index, width in enumerate(widths)}
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
            offset = (i - (len(densities) - 1) / 2) * step
            x = [x_of[r["min_cluster_size"]] + offset for r in line]
            y = [r[column] for r in line]
            axes.plot(
                x, y, "-" + MARKERS[i % 4], color=colour, linewidth=1.4, markersize=4.5, label=f"{density}", zorder=3
            )
            if column == "stability_ari":
                error = [r["stability_error"] for r in line]
                axes.errorbar(x, y, yerr=error, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2.5, zorder=2)
            for row, mark in ((published, _PUBLISHED), (chosen, _CHOSEN)):
                if row is not None and row["min_samples"] == density:
                    axes.plot(x_of[row["min_cluster_size"]] + offset, row[column], linestyle="none", zorder=5, **mark)
        axes.set_title(label, loc="left", fontsize=10.5, color=INK)
        axes.set_xticks([x_of[w] for w in labelled], [str(w) for w in labelled])
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
    lines = [
        legend_handle(f"{density}", colour, MARKERS[i % 4], line=True)
        for i, (density, colour) in enumerate(zip(densities, colours, strict=True))
    ]
    upper.legend(
        handles=lines, title="min_samples", loc="upper left", bbox_to_anchor=(0.008, 0.955), ncols=max(1, min(14, len(lines))),
        frameon=False, fontsize=9, title_fontsize=9, alignment="left", columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip
    marks = [Line2D([], [], linestyle="none", label=f"{name}: {_describe_setting(row)}", **mark)
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
    power: str = "",
) -> bytes:
    """How far the clusters of a group can be trusted, as PNG with the verdict as title, and below it in small what separation of
    groups could have been seen (`power`, a sentence).

    Left: the adjusted Rand indices of pairs of runs (k,) with their mean and its 95 % `interval`, above those of redrawn
    features (m,), and that of two independent halves of the runs. Right: the stability (mean Jaccard index) of each cluster,
    with Hennig's (2007) limits: below 0.6 it should not be read as a group, from 0.75 on it is valid. What is None or NaN is
    left out, or said to be unknown.
    """
    pairs, nulls = (_finite(values) for values in (pair_aris, null_aris))
    bars = sorted(cluster_stability.items(), key=lambda item: (item[0] < 0, item[0]))
    caption = textwrap.fill(sentence, 160)
    head = 0.55 + 0.19 * (1 + caption.count("\n"))
    foot = textwrap.fill(power, 180)
    above, below = 0.6, 1.1 + (0.17 * (1 + foot.count("\n")) if foot else 0.0)
    panel_height = max(2.6, 0.27 * len(bars))
    height = head + above + panel_height + below
    figure, _ = new_figure(SHEET_WIDTH, height, axes=False)
    figure.text(
        0.015, 1 - 0.12 / height, verdict, fontsize=14, fontweight="bold", va="top", color=verdict_colour(verdict)
    )
    figure.text(0.015, 1 - 0.46 / height, caption, fontsize=9.5, color=INK, va="top")
    figure.text(0.015, 0.08 / height, foot, fontsize=8.5, color="#555555", va="bottom")
    agreement_height = min(panel_height, 3.4)
    left = figure.add_axes((0.06, (below + panel_height - agreement_height) / height, 0.48, agreement_height / height))
    right = figure.add_axes((0.625, below / height, 0.36, panel_height / height))
    _agreement_panel(left, pairs, nulls, interval, independent_ari)
    _jaccard_panel(right, bars)
    return as_png(figure)


def power_figure(cells: Sequence[Cell]) -> bytes:
    """What separation of two planted groups verdicts see, as PNG: a line for each number of synapses over the separation, with
    95 % Wilson intervals as bands. Left the share of data sets that were called stable or fragile, right of those called stable.
    At 0 there are no groups: what is called more than noise there is a false alarm.
    """
    if not cells:
        return message_figure("nothing was measured")
    figure, _ = new_figure(SHEET_WIDTH, 4.6, axes=False)
    panels = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.065, right=0.985, top=0.8, bottom=0.13, wspace=0.06)
    sizes = sorted({cell.synapses for cell in cells})
    looks = list(zip(sizes, _ordered_colours(len(sizes)), itertools.cycle(MARKERS)))
    for axes, title in zip(panels, ("called stable or fragile", "called stable"), strict=True):
        for size, colour, marker in looks:
            line = sorted((cell for cell in cells if cell.synapses == size), key=lambda cell: cell.separation_sd)
            counts = [cell.stable if axes is panels[1] else cell.above_noise for cell in line]
            x = [cell.separation_sd for cell in line]
            intervals = [wilson_interval(count, cell.repeats) for count, cell in zip(counts, line, strict=True)]
            low, high = zip(*intervals, strict=True)
            axes.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0)
            shares = [count / cell.repeats for count, cell in zip(counts, line, strict=True)]
            axes.plot(x, shares, "-" + marker, color=colour, linewidth=1.6, markersize=5.5)
        axes.axhline(DETECTED, color=FAINT, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
        axes.set_title(title, loc="left", fontsize=11, color=INK)
        axes.set_xlabel("separation of two planted groups (within-group standard deviations)", fontsize=9.5, color=INK)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks(sorted({cell.separation_sd for cell in cells}))
        axes.tick_params(labelsize=8.5)
        axes.grid(axis="y", color="#eeeeee")
        axes.set_axisbelow(True)
        without_frame(axes)
    panels[0].set_ylabel("share of the data sets", fontsize=9.5, color=INK)
    handles = [legend_handle(f"{size:,}", colour, marker, line=True) for size, colour, marker in looks]
    figure.legend(handles=handles, title="synapses", loc="upper left", bbox_to_anchor=(0.008, 1.0), ncols=len(sizes),
                  frameon=False, fontsize=9, title_fontsize=9, alignment="left", columnspacing=1.4)  # fmt: skip
    return as_png(figure)


def _describe_setting(row: Mapping[str, Any]) -> str:
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
        write_message(axes, "no runs to compare")
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
    for limit in (_NO_GROUP_BELOW, _VALID_FROM):
        axes.axvline(limit, color=INK, linewidth=1.1, linestyle=(0, (4, 2)), zorder=4)
    spans = (
        (0.0, _NO_GROUP_BELOW, "not to be read as a group"),
        (_NO_GROUP_BELOW, _VALID_FROM, "pattern"),
        (_VALID_FROM, 1.1, "valid"),
    )
    for low, high, name in spans:
        axes.annotate(name, ((low + high) / 2, 1), xycoords=("data", "axes fraction"), xytext=(0, 4), ha="center",
                      textcoords="offset points", fontsize=8.5, color="#555555")  # fmt: skip
    without_frame(axes)
    if not bars:
        axes.set_yticks([])
        axes.text(0.27, 0.5, "no clusters", transform=axes.transAxes, ha="center", fontsize=10, color=FAINT)
        return
    for row, (cluster, value) in enumerate(bars):
        finite_value = finite_or_none(value)
        if finite_value is None:
            axes.text(0.01, row, "unknown", va="center", fontsize=8.5, color=FAINT, style="italic")
            continue
        colour = cluster_colour(cluster)
        axes.barh(row, finite_value, height=0.72, color=colour, edgecolor=darker(colour), linewidth=0.6, zorder=2)
        axes.text(finite_value + 0.012, row, f"{finite_value:.2f}", va="center", fontsize=8.5, color=INK, zorder=6,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    axes.set_yticks(range(len(bars)), [f"cluster {cluster}" for cluster, _ in bars], fontsize=8.5)
    axes.set_ylim(max(len(bars), 4) - 0.4, -0.6)


def _finite(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    return array[np.isfinite(array)]


def _ordered_colours(count: int) -> list[str]:
    """Colours from light blue to dark, for values that have an order."""
    light, middle, dark = "#74b3dc", "#0072B2", "#0b1f33"
    shares = np.linspace(0, 2, count) if count > 1 else np.array([1.0])
    return [mixed(light, middle, s) if s <= 1 else mixed(middle, dark, s - 1) for s in shares.tolist()]
