"""Recipes side by side: which synapses each puts together, and what its clusters are made of.

Does not belong here: comparing them (`analysis.morphology.recipe_comparison`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.figures.style import (
    FAINT,
    INK,
    SHEET_WIDTH,
    as_png,
    mixed,
    natural_order,
    new_figure,
    verdict_colour,
    wrapped,
)
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE

_ABSENT_COLOUR = "#ffffff"
_MOST_GROUPS = 10
_ROW = 0.62


@dataclass(frozen=True)
class RecipeRow:
    """One recipe's line: the number of the group of each synapse (n,), from 0, -1 noise, -2 left out; what stands beside it."""

    name: str
    groups: npt.NDArray[np.int64]
    verdict: str | None
    facts: str
    shares: Mapping[str, float | None]


def recipes_figure(
    rows: Sequence[RecipeRow],
    neurons: Sequence[str],
    group_names: Sequence[str],
    kept: Sequence[bool],
    title: str,
    conclusion: str,
) -> bytes:
    """A line for each recipe, in which every synapse is a column that has the colour of the group that it is in, as PNG.

    Synapses stand in the same order in every line, those of one group together, so that a block that goes through all lines is a
    group which appears whatever the choices. `group_names` are of the groups, for the legend, and `kept` says which of them every
    recipe finds: these have strong colours. Below stands the neuron of each synapse (`neurons`); to the right, how much of the variance
    of place, shape and neuron lies between the clusters of each recipe.
    """
    heading = wrapped(title, 110)
    neuron_names = sorted(set(neurons), key=natural_order)
    shown = min(len(group_names), _MOST_GROUPS)
    below = wrapped(conclusion, 150)
    head, foot = (
        0.8 + 0.25 * heading.count("\n") + 0.2 * below.count("\n"),
        0.75 + 0.22 * (-(-shown // 2)) + 0.22 * (-(-len(neuron_names) // 8)),
    )
    height = head + _ROW * (len(rows) + 0.7) + foot
    figure, _ = new_figure(SHEET_WIDTH, height, axes=False)
    figure.text(0.012, 1 - 0.12 / height, heading, fontsize=13, color=INK, va="top")
    figure.text(0.012, 1 - (0.42 + 0.25 * heading.count("\n")) / height, below, fontsize=10, color=FAINT, va="top")
    left, width, bars_left = 2.75, 6.6, 9.65
    colours = [_group_colour(number, strong) for number, strong in enumerate(kept)]
    order = _column_order(rows, neurons)
    axes = figure.add_axes((left / SHEET_WIDTH, foot / height, width / SHEET_WIDTH, (height - head - foot) / height))
    axes.set_xlim(0, max(1, len(neurons)))
    axes.set_ylim(len(rows) + 0.7, 0)
    for line, row in enumerate(rows):
        _draw_line(axes, line + 0.1, 0.8, [_colour(int(group), colours) for group in row.groups[order]])
        _write_recipe(axes, line, row)
    shades = [mixed("#30475e", "#ffffff", 0.75 * i / max(1, len(neuron_names) - 1)) for i in range(len(neuron_names))]
    shade_of = dict(zip(neuron_names, shades, strict=True))
    _draw_line(axes, len(rows) + 0.25, 0.35, [shade_of[neurons[column]] for column in order])
    axes.text(
        -0.01,
        len(rows) + 0.43,
        "neuron",
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="center",
        fontsize=9,
        color=FAINT,
    )
    axes.axis("off")
    _draw_shares(figure, rows, bars_left, foot, height)
    entries = [(name, colour) for name, colour in zip(group_names[:shown], colours, strict=False)]
    if len(group_names) > shown:
        entries.append((f"and {len(group_names) - shown} more, in paler colours", "none"))
    entries.append(("in no cluster", NOISE_COLOUR))
    _legend(figure, entries, 2, (foot - 0.18) / height, height)
    _legend(figure, list(shade_of.items()), 8, (0.22 * (-(-len(neuron_names) // 8)) + 0.08) / height, height)
    return as_png(figure)


def _group_colour(number: int, strong: bool) -> str:
    """Strong where every recipe finds the group."""
    colour = PALETTE[number % len(PALETTE)]
    return colour if strong else mixed(colour, "#ffffff", 0.55 if number < _MOST_GROUPS else 0.75)


def _colour(group: int, colours: Sequence[str]) -> str:
    return colours[group] if group >= 0 else NOISE_COLOUR if group == -1 else _ABSENT_COLOUR


def _column_order(rows: Sequence[RecipeRow], neurons: Sequence[str]) -> npt.NDArray[np.int64]:
    """The synapses (n,) sorted by their group in the recipes, those groups first that most recipes agree on; then by neuron."""
    table = np.stack([row.groups for row in rows]) if rows else np.zeros((0, len(neurons)), dtype=np.int64)
    main = [_most_frequent(column) for column in table.T]
    keys = [(main[i], *table[:, i].tolist(), neurons[i]) for i in range(len(neurons))]
    return np.array(sorted(range(len(neurons)), key=lambda i: keys[i]), dtype=np.int64)


def _most_frequent(column: npt.NDArray[np.int64]) -> int:
    """The group that most recipes put a synapse in, the first of equals; beyond all groups for one in none."""
    inside = column[column >= 0]
    return int(np.bincount(inside).argmax()) if len(inside) else np.iinfo(np.int32).max


def _draw_line(axes: Any, top: float, height: float, colours: Sequence[str]) -> None:
    """One rectangle a run of equal colours."""
    start = 0
    for column in range(1, len(colours) + 1):
        if column == len(colours) or colours[column] != colours[start]:
            axes.barh(top, column - start, left=start, height=height, align="edge", color=colours[start], linewidth=0)
            start = column


def _write_recipe(axes: Any, line: int, row: RecipeRow) -> None:
    place = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
    axes.text(-0.01, line + 0.27, row.name, fontsize=10.5, fontweight="bold", color=INK, **place)
    axes.text(-0.01, line + 0.5, row.facts, fontsize=8.5, color=INK, **place)
    colour = verdict_colour(row.verdict) if row.verdict else FAINT
    axes.text(-0.01, line + 0.72, row.verdict or "not judged", fontsize=8.5, color=colour, **place)


def _draw_shares(figure: Any, rows: Sequence[RecipeRow], left: float, foot: float, height: float) -> None:
    """Bars: how much of the variance of place, shape and neuron lies between the clusters."""
    lines = _ROW * (len(rows) + 0.7)
    axes = figure.add_axes((left / SHEET_WIDTH, foot / height, 2.05 / SHEET_WIDTH, lines / height))
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) + 0.7, 0)
    for line, row in enumerate(rows):
        for part, (name, share) in enumerate(row.shares.items()):
            top = line + 0.12 + 0.26 * part
            axes.barh(top, 1, height=0.2, align="edge", color="#f0f0f0", linewidth=0)
            axes.barh(top, share or 0.0, height=0.2, align="edge", color="#6b7a8f", linewidth=0)
            text = f"{name} {share:.0%}" if share is not None else f"{name} -"
            axes.text(0.02, top + 0.1, text, fontsize=7.5, color=INK, va="center")
    axes.text(0, len(rows) + 0.12, "variance between clusters", fontsize=8.5, color=FAINT, va="top")
    axes.axis("off")


def _legend(figure: Any, entries: Sequence[tuple[str, str]], columns: int, top: float, height: float) -> None:
    """Squares with names, row by row, from `top` (a share of the figure) downwards."""
    step = (SHEET_WIDTH - 0.4) / columns
    for i, (name, colour) in enumerate(entries):
        x, y = (0.3 + step * (i % columns)) / SHEET_WIDTH, top - 0.22 * (i // columns) / height
        if colour != "none":
            figure.patches.append(_square(figure, x, y, height, colour))
        figure.text(x + 0.2 / SHEET_WIDTH, y, name, fontsize=9, color=INK, va="center")


def _square(figure: Any, x: float, y: float, height: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    size = 0.12
    return Rectangle(
        (x, y - size / 2 / height),
        size / SHEET_WIDTH,
        size / height,
        color=colour,
        transform=figure.transFigure,
        linewidth=0,
    )
