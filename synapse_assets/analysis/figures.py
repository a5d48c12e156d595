"""Pictures of maps, scores and clusters, as PNG bytes for the Dagster UI and for reports.

Belongs here: drawing what the other modules of this room found. Does not belong here: computing any of it.

Matplotlib's object interface on the Agg canvas: no global state, no display. Colours are those of `schema.colours`. Every
picture is below 300 kB, because event logs keep it.
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE, class_colours

Tile = npt.NDArray[np.uint8]

LARGEST_BYTES = 300_000
INK, FAINT = "#222222", "#777777"
_SHADES = ("#3b4a5a", "#5c6f82", "#8496a8", "#a9b7c5", "#cbd5de")


def map_figure(xy: npt.ArrayLike, labels: Sequence[str | int | None], title: str) -> bytes:
    """Points (N, 2) coloured by label; None, '' and numbers below 0 are grey. Up to 12 labels have a legend, more are
    named in place."""
    places = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    names = np.array([_label(label) for label in labels], dtype=str)
    known = sorted({n for n in names.tolist() if n}, key=_natural)
    colours = class_colours(known)
    figure, axes = new_figure(7.2, 5.6)
    size = float(np.clip(9000 / max(1, len(places)), 2.0, 22))
    grey = names == ""
    axes.scatter(*places[grey].T, s=size, c=NOISE_COLOUR, linewidths=0, alpha=0.6, rasterized=True)
    # one scatter in a mixed order, so that no class lies on top of all the others
    shown = np.flatnonzero(~grey)
    shown = shown[np.random.default_rng(0).permutation(len(shown))]
    axes.scatter(*places[shown].T, s=size, c=[colours[n] for n in names[shown]], linewidths=0, alpha=0.8)
    if len(known) > 12:
        for name in known:
            centre = np.median(places[names == name], axis=0)
            text = axes.text(*centre, name, fontsize=8, ha="center", va="center", color=INK, fontweight="bold")
            text.set_path_effects(halo())
    elif known:
        entries = [(f"{n}  ({int((names == n).sum()):,})", colours[n]) for n in known]
        if grey.any():
            entries.append((f"none  ({int(grey.sum()):,})", NOISE_COLOUR))
        for text, colour in entries:
            axes.scatter([], [], s=36, c=colour, label=text)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, handletextpad=0.2)
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("UMAP 1", fontsize=9, color=FAINT)
    axes.set_ylabel("UMAP 2", fontsize=9, color=FAINT)
    if len(places):
        axes.set_aspect("equal", adjustable="datalim")
    else:
        say(axes, "no synapses")
    return as_png(figure)


def confusion_figure(matrix: npt.ArrayLike, names: Sequence[str]) -> bytes:
    """A confusion matrix (row: known class, column: named class): shares of the row as shade, with percent and
    counts."""
    counts = np.asarray(matrix, dtype=np.int64)
    rows = counts.sum(axis=1, keepdims=True)
    share = np.where(rows > 0, counts / np.maximum(rows, 1), 0.0)
    k = len(names)
    figure, axes = new_figure(2.6 + 0.75 * k, 1.9 + 0.62 * k)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i in range(k):
        for j in range(k):
            colour = "white" if share[i, j] > 0.55 else INK if counts[i, j] else "#bbbbbb"
            axes.text(j, i - 0.12, f"{share[i, j]:.0%}", ha="center", va="center", color=colour, fontsize=9)
            axes.text(j, i + 0.24, f"{counts[i, j]:,}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(k), [shortened(n, 14) for n in names], rotation=35, ha="right", fontsize=9)
    axes.set_yticks(
        range(k), [f"{shortened(n, 18)}  ({int(r):,})" for n, r in zip(names, rows[:, 0], strict=True)], fontsize=9
    )
    axes.set_xlabel("named by the classifier (out of fold)", fontsize=9, color=INK)
    axes.set_ylabel("known class (synapses)", fontsize=9, color=INK)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return as_png(figure)


def training_curve(history: Sequence[Mapping[str, float]]) -> bytes:
    """Loss by training step (`history` rows have 'step' and 'loss'), faint as recorded and bold as a running median."""
    figure, axes = new_figure(6.4, 3.4)
    steps = np.array([float(h["step"]) for h in history])
    loss = np.array([float(h["loss"]) for h in history])
    colour = PALETTE[0]
    if len(loss):
        window = len(loss) // 25
        smooth = [np.median(loss[max(0, i - window) : i + window + 1]) for i in range(len(loss))]
        axes.plot(steps, loss, color=colour, alpha=0.35 if window else 1.0, linewidth=1)
        if window:
            axes.plot(steps, smooth, color=colour, linewidth=2)
        axes.annotate(
            f"{smooth[-1]:.3g}", (steps[-1], smooth[-1]), xytext=(5, 0), textcoords="offset points", fontsize=9
        )
        axes.margins(x=0.06)
    else:
        say(axes, "no training steps")
    axes.set_xlabel("training step", fontsize=9)
    axes.set_ylabel("loss", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#eeeeee")
    without_frame(axes)
    return as_png(figure)


def score_figure(evaluation: Evaluation) -> bytes:
    """Balanced accuracy by split with 95 % intervals, the headline first, the random split in grey below, chance as a
    line."""
    order = [evaluation.headline_split]
    order += sorted(n for n in evaluation.splits if n not in (evaluation.headline_split, RANDOM))
    order += [RANDOM] if RANDOM in evaluation.splits and evaluation.headline_split != RANDOM else []
    figure, axes = new_figure(7.2, 1.5 + 0.5 * len(order))
    for at, name in enumerate(order):
        score = evaluation.splits[name]
        head = name == evaluation.headline_split
        colour = PALETTE[0] if name != RANDOM else "#8a8a8a"
        if score.balanced_accuracy_interval:
            axes.plot(
                score.balanced_accuracy_interval, [at, at], color=colour, linewidth=4, alpha=0.35, solid_capstyle="butt"
            )
        marker = "o" if name != RANDOM else "D"
        axes.plot(score.balanced_accuracy, at, marker, color=colour, markersize=9 if head else 7)
        low_high = score.balanced_accuracy_interval
        interval = f" [{low_high[0]:.2f}, {low_high[1]:.2f}]" if low_high else "  no interval: under 8 groups"
        text = f"{score.balanced_accuracy:.3f}{interval}"
        axes.text(1.02, at, text, va="center", fontsize=9, color=INK, transform=axes.get_yaxis_transform())
    chance = 1 / len(evaluation.classes)
    axes.axvline(chance, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
    axes.annotate("chance", (chance, 1), xycoords=("data", "axes fraction"), xytext=(3, 2), textcoords="offset points",
                  fontsize=8, color=FAINT)  # fmt: skip
    names = []
    for name in order:
        score = evaluation.splits[name]
        names.append("random split (overstates)" if name == RANDOM else f"held out by {name}\n{score.groups:,} groups")
    axes.set_yticks(range(len(order)), names, fontsize=9)
    axes.set_ylim(len(order) - 0.5, -0.6)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("balanced accuracy, out of fold", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
    return as_png(figure)


def cluster_card_figure(card: Mapping[str, Any], tiles: Sequence[Tile]) -> bytes:
    """One cluster: its typical members and what it is made of. `card` is a row of `schema.CLUSTER_CARDS` as a dict."""
    figure, _ = new_figure(10.4, 1.5, axes=False)
    rows = figure.subfigures(1, 1)
    _card(rows, card, tiles, _card_colours([card]))
    return as_png(figure)


def cluster_sheet(cards: pa.Table, tiles: Mapping[str, Tile]) -> bytes:
    """The largest clusters under each other, a line each, up to 12; noise is named below. `tiles` by synapse id; one
    missing is left out."""
    rows = sorted((c for c in cards.to_pylist() if c["cluster"] >= 0), key=lambda c: (-c["synapses"], c["cluster"]))
    noise = next((c for c in cards.to_pylist() if c["cluster"] < 0), None)
    shown = rows[:12]
    foot = [f"noise: {noise['synapses']:,} synapses ({noise['share']:.0%})"] if noise else []
    if len(rows) > len(shown):
        foot.append(f"{len(rows) - len(shown)} smaller clusters are not shown")
    if not shown:
        figure, axes = new_figure(7.2, 1.4)
        axes.axis("off")
        say(axes, "no clusters; " + "; ".join(foot) if foot else "no clusters")
        return as_png(figure)
    height = 1.5
    figure, _ = new_figure(10.4, height * len(shown) + 0.35, axes=False)
    lines = figure.subfigures(len(shown) + 1, 1, height_ratios=[height] * len(shown) + [0.35])
    colours = _card_colours(shown)
    for line, card in zip(lines, shown, strict=False):
        _card(line, card, [tiles[m] for m in card["medoids"] if m in tiles], colours)
    lines[-1].text(0.02, 0.5, "; ".join(foot), fontsize=9, color=FAINT, va="center")
    return as_png(figure)


def _card(line: Any, card: Mapping[str, Any], tiles: Sequence[Tile], colours: Mapping[str, str]) -> None:
    """Draws one card into a subfigure: words, five tiles, a bar of classes and one of regions."""
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
    if card["one_neuron"]:
        share = f"{card['top_neuron_share']:.0%} one neuron"
        words.text(0.05, 0.12, share, fontsize=8.5, color="#B23A00", fontweight="bold", va="center")
    for i, tile in enumerate(tiles[:5]):
        axes = line.add_subplot(grid[0, 1 + i])
        axes.imshow(_small(tile), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.axis("off")
    if not tiles:
        empty = line.add_subplot(grid[0, 1:6])
        empty.axis("off")
        say(empty, "no tiles")
    bars = line.add_subplot(grid[0, 6])
    bars.axis("off")
    bars.set_xlim(-0.05, 1.02)
    bars.set_ylim(0, 1)
    regions = json.loads(card["regions"])
    # regions in shades of one hue, so that no region looks like a class
    shades = {name: _SHADES[min(i, len(_SHADES) - 1)] for i, name in enumerate(regions)}
    _bar(bars, 0.60, json.loads(card["targets"]), "known class", int(card["synapses"]), colours)
    _bar(bars, 0.10, regions, "brain region", int(card["synapses"]), shades)


def _bar(
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
    named = [f"{shortened(n, 16)} {c / total:.0%}" for n, c in list(counts.items())[:2]]
    more = f", {len(counts) - 2} more" if len(counts) > 2 else ""
    text = ", ".join(named) + more if named else "unknown"
    axes.text(0, bottom + 0.21, text, fontsize=8, color=INK, va="bottom")
    axes.text(1, bottom - 0.03, caption, fontsize=7, color=FAINT, va="top", ha="right")


def _card_colours(cards: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Colours of all classes on a sheet."""
    return class_colours([name for card in cards for name in json.loads(card["targets"])])


def _label(label: str | int | None) -> str:
    """The label as text; '' for unknown and noise."""
    if label is None or (not isinstance(label, str) and label < 0):
        return ""
    return str(label)


def _natural(name: str) -> tuple[bool, int, str]:
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def shortened(name: str, length: int) -> str:
    """The name cut to `length` characters."""
    return name if len(name) <= length else name[: length - 1] + "…"


def _small(tile: Tile) -> Tile:
    """The tile at no more than 96 pixels a side (block means), in 64 greys: noise compresses badly."""
    step = max(1, -(-max(tile.shape) // 96))
    height, width = (n - n % step for n in tile.shape)
    blocks = (
        tile[:height, :width].astype(np.float64).reshape(height // step, step, width // step, step).mean(axis=(1, 3))
    )
    return (np.clip(blocks, 0, 255) // 4 * 4 + 2).astype(np.uint8)


def new_figure(width: float, height: float, axes: bool = True) -> tuple[Any, Any]:
    """A white Matplotlib figure of this many inches at 110 pixels each, and its only axes (None if `axes` is False)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained" if axes else None, facecolor="white")
    return figure, figure.subplots() if axes else None


def halo() -> list[Any]:
    """A path effect that sets text off from what it is written on."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=2.5, foreground="white")]


def say(axes: Any, text: str) -> None:
    """Writes `text` into the middle of the axes, where there is nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=10, color=FAINT)


def without_frame(axes: Any) -> None:
    """Leaves only the lower edge of the axes' frame."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def as_png(figure: Any) -> bytes:
    """The Matplotlib figure as PNG of at most `LARGEST_BYTES`: in 256 colours, then smaller, if it must."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    data = _encoded(picture)
    scale = 1.0
    while len(data) > LARGEST_BYTES and scale > 0.2:
        size = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
        data = _encoded(picture.resize(size).quantize(256))
        scale *= 0.8
    return data


def _encoded(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
