"""Clusters of tiles: typical members, and what each cluster is made of.

Does not belong here: choosing the members and counting the classes (`analysis.clustering`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.figures.style import (
    FAINT,
    INK,
    as_png,
    message_figure,
    new_figure,
    shortened,
    verdict_colour,
    write_message,
)
from synapse_assets.schema.colours import NOISE_COLOUR, class_colours

Tile = npt.NDArray[np.uint8]
# inches
_CARD, _HEADING, _FOOT = 1.5, 0.36, 0.35
_SHADES = ("#3b4a5a", "#5c6f82", "#8496a8", "#a9b7c5", "#cbd5de")


def cluster_card_figure(card: Mapping[str, Any], tiles: Sequence[Tile]) -> bytes:
    """One cluster: its typical members and what it is made of, under the verdict on the clustering. `card` is a row of
    `schema.CLUSTER_CARDS` as a dict."""
    figure, (line,) = _sheet(card.get("verdict"), [_CARD])
    _draw_card(line, card, tiles, _card_colours([card]))
    return as_png(figure)


def cluster_sheet(cards: pa.Table, tiles: Mapping[str, Tile]) -> bytes:
    """The largest clusters under each other, a line each, up to 12, under the verdict on the clustering; noise is named below.
    `tiles` by synapse id; one missing is left out."""
    rows = sorted((c for c in cards.to_pylist() if c["cluster"] >= 0), key=lambda c: (-c["synapses"], c["cluster"]))
    noise = next((c for c in cards.to_pylist() if c["cluster"] < 0), None)
    largest = rows[:12]
    foot = [f"noise: {noise['synapses']:,} synapses ({noise['share']:.0%})"] if noise else []
    if len(rows) > len(largest):
        foot.append(f"{len(rows) - len(largest)} smaller clusters are not shown")
    if not largest:
        return message_figure("no clusters; " + "; ".join(foot) if foot else "no clusters")
    figure, lines = _sheet(largest[0]["verdict"], [*[_CARD] * len(largest), _FOOT])
    colours = _card_colours(largest)
    for line, card in zip(lines, largest, strict=False):
        _draw_card(line, card, [tiles[m] for m in card["medoids"] if m in tiles], colours)
    lines[-1].text(0.02, 0.5, "; ".join(foot), fontsize=9, color=FAINT, va="center")
    return as_png(figure)


def _sheet(verdict: str | None, heights: Sequence[float]) -> tuple[Any, list[Any]]:
    """A figure with subfigures of those heights in inches under each other, below the verdict where there is one."""
    heads = [_HEADING] if verdict else []
    figure, _ = new_figure(10.4, sum(heads) + sum(heights), axes=False)
    lines = figure.subfigures(len(heads) + len(heights), 1, height_ratios=[*heads, *heights], squeeze=False)[:, 0]
    if verdict:
        lines[0].text(
            0.015, 0.45, f"The clustering is {verdict}", fontsize=12, fontweight="bold", color=verdict_colour(verdict), va="center"
        )  # fmt: skip
    return figure, list(lines[len(heads) :])


def _draw_card(line: Any, card: Mapping[str, Any], tiles: Sequence[Tile], colours: Mapping[str, str]) -> None:
    """Draws one card into a subfigure: text, five tiles, a bar of classes and one of regions.

    Of what explains the cluster, two are named.
    """
    grid = line.add_gridspec(
        1, 7, width_ratios=[1.15, 1, 1, 1, 1, 1, 2.3], wspace=0.05, left=0.01, right=0.98, top=0.97, bottom=0.04
    )
    words = line.add_subplot(grid[0, 0])
    words.axis("off")
    name = "noise" if card["cluster"] < 0 else f"cluster {card['cluster']}"
    words.text(0.05, 0.86, name, fontsize=11, fontweight="bold", color=INK, va="center")
    words.text(0.05, 0.64, f"{card['synapses']:,} synapses", fontsize=8.5, color=INK, va="center")
    words.text(0.05, 0.48, f"{card['share']:.1%} of all", fontsize=8.5, color=FAINT, va="center")
    if card["neurons"]:
        noun = "neuron" if card["neurons"] == 1 else "neurons"
        words.text(0.05, 0.32, f"{card['neurons']:,} {noun}", fontsize=8.5, color=FAINT, va="center")
    explained = json.loads(card["explained_by"] or "{}")
    for y, (name, covered) in zip((0.17, 0.03), explained.items(), strict=False):
        text = f"{covered / card['synapses']:.0%} {name}"
        words.text(0.05, y, text, fontsize=8, color="#B23A00", fontweight="bold", va="center")
    for i, tile in enumerate(tiles[:5]):
        axes = line.add_subplot(grid[0, 1 + i])
        axes.imshow(_downsampled(tile), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.axis("off")
    if not tiles:
        empty = line.add_subplot(grid[0, 1:6])
        empty.axis("off")
        write_message(empty, "no tiles")
    bars = line.add_subplot(grid[0, 6])
    bars.axis("off")
    bars.set_xlim(-0.05, 1.02)
    bars.set_ylim(0, 1)
    regions = json.loads(card["regions"])
    # regions in shades of one hue, so that no region looks like a class
    shades = {name: _SHADES[min(i, len(_SHADES) - 1)] for i, name in enumerate(regions)}
    _draw_bar(bars, 0.60, json.loads(card["targets"]), "known class", int(card["synapses"]), colours)
    _draw_bar(bars, 0.10, regions, "brain region", int(card["synapses"]), shades)


def _draw_bar(
    axes: Any, bottom: float, counts: Mapping[str, int], caption: str, total: int, colours: Mapping[str, str]
) -> None:
    """One bar of shares; what is unknown stays grey. The largest shares are named above it."""
    left = 0.0
    for name, count in counts.items():
        width = count / total
        axes.barh(bottom, width, height=0.16, left=left, align="edge", color=colours[name], linewidth=0)
        left += width
    if left < 0.999:
        axes.barh(bottom, 1 - left, height=0.16, left=left, align="edge", color=NOISE_COLOUR, linewidth=0)
    shares = [f"{shortened(n, 16)} {c / total:.0%}" for n, c in list(counts.items())[:2]]
    remainder = f", {len(counts) - 2} more" if len(counts) > 2 else ""
    text = ", ".join(shares) + remainder if shares else "unknown"
    axes.text(0, bottom + 0.21, text, fontsize=8, color=INK, va="bottom")
    axes.text(1, bottom - 0.03, caption, fontsize=7, color=FAINT, va="top", ha="right")


def _card_colours(cards: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Colours of all classes on a sheet."""
    return class_colours([name for card in cards for name in json.loads(card["targets"])])


def _downsampled(tile: Tile) -> Tile:
    """The tile at no more than 96 pixels a side (block means), in 64 greys: noise compresses badly."""
    step = max(1, -(-max(tile.shape) // 96))
    height, width = (n - n % step for n in tile.shape)
    blocks = (
        tile[:height, :width].astype(np.float64).reshape(height // step, step, width // step, step).mean(axis=(1, 3))
    )
    return (np.clip(blocks, 0, 255) // 4 * 4 + 2).astype(np.uint8)
