"""Scores of classifiers and of training: confusion matrices, accuracy by split, the curve of the loss.

Does not belong here: computing any of them (`analysis.evaluation`).
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.errors import BadInput
from synapse_assets.figures.style import (
    FAINT,
    INK,
    SHEET_WIDTH,
    Verdict,
    as_png,
    message_figure,
    new_figure,
    shortened,
    verdict_colour,
    without_frame,
    write_message,
)
from synapse_assets.schema.colours import PALETTE

# inches; a smaller cell of a confusion matrix holds no numbers
_SMALLEST_CELL = 0.26
# and one of this size has a name beside each row and column, however many there are
_LARGE_CELL = 0.5
# of a matrix by itself
_CELL = 0.75


def confusion_figure(matrix: npt.ArrayLike, names: Sequence[str]) -> bytes:
    """A confusion matrix (C, C) of counts (row: known class, column: predicted class) as PNG: shares of the row as shade, with
    percent and counts."""
    k = len(names)
    figure, axes = new_figure(2.6 + _CELL * k, 1.9 + 0.62 * k)
    _confusion_panel(axes, np.asarray(matrix, dtype=np.int64), names, _CELL)
    axes.set_xlabel("named by the classifier (out of fold)", fontsize=9, color=INK)
    axes.set_ylabel("known class (synapses)", fontsize=9, color=INK)
    return as_png(figure)


def confusions_sheet(
    matrices: Mapping[str, npt.ArrayLike], class_names: Sequence[str], verdict: Verdict | None = None
) -> bytes:
    """Confusion matrices beside each other, up to three a line, each under its key, as PNG.

    A matrix is (C, C + 1) counts: a row for each known cluster, a column for each predicted one, the last for synapses that were
    rejected as outliers. Shade and percent are shares of the row. The verdict on the clusters stands above them. Raises BadInput for
    a matrix of another shape.
    """
    k = len(class_names)
    counts = {key: np.asarray(matrix, dtype=np.int64) for key, matrix in matrices.items()}
    for key, matrix in counts.items():
        if matrix.shape != (k, k + 1):
            raise BadInput(
                f"confusion matrix '{key}' is {matrix.shape}, but {k} classes and a column for outliers make {(k, k + 1)}"
            )
    if not counts or not k:
        return message_figure("no confusion matrix: no classifier was tested")
    columns = len(counts) if len(counts) <= 3 else 2 if len(counts) == 4 else 3
    rows = -(-len(counts) // columns)
    cell = float(np.clip(SHEET_WIDTH / columns - 1.3, 1.0, 0.78 * (k + 1))) / (k + 1)
    width = max(5.0, min(SHEET_WIDTH, columns * (cell * (k + 1) + 1.3)))
    cell_height = max(0.42, cell * 0.72) if k <= 12 else cell
    titles = {key: textwrap.fill(key, max(18, int(width / columns * 8.5))) for key in counts}
    lines = 2 + max(text.count("\n") for text in titles.values())
    heading = textwrap.fill(verdict.line, int(width * 9.5)) if verdict else ""
    head = 0.1 + 0.22 * (1 + heading.count("\n")) if heading else 0
    figure, _ = new_figure(width, head + rows * (cell_height * k + 0.95 + 0.2 * lines) + 0.35, axes=False)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    if verdict:
        colour = verdict_colour(verdict.verdict)
        figure.suptitle(heading, x=0.1 / width, ha="left", fontsize=11.5, fontweight="bold", color=colour)
    grid = figure.subplots(rows, columns, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index >= len(counts):
            axes.axis("off")
            continue
        key = list(counts)[index]
        _confusion_panel(axes, counts[key], class_names, cell)
        correct, total = int(np.trace(counts[key])), int(counts[key].sum())
        title = f"{titles[key]}\n{correct:,} of {total:,} right ({correct / total:.0%})" if total else titles[key]
        axes.set_title(title, loc="left", fontsize=10, color=INK)
        if index % columns == 0:
            axes.set_ylabel("known cluster (synapses)", fontsize=9.5, color=INK)
        if not total:
            write_message(axes, "no synapse was tested")
    cell_text = "percent of the row, and synapses" if cell >= _SMALLEST_CELL else "shade: share of the row"
    figure.supxlabel(f"named by the classifier ({cell_text})", fontsize=9.5, color=INK)
    return as_png(figure)


def _confusion_panel(axes: Any, counts: npt.NDArray[np.int64], names: Sequence[str], cell: float) -> None:
    """A matrix (C, C), or (C, C + 1) with a last column of outliers; numbers as far as cells of so many inches hold them."""
    k, columns = counts.shape
    totals = counts.sum(axis=1, keepdims=True)
    share = np.where(totals > 0, counts / np.maximum(totals, 1), 0.0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if columns > k:
        axes.axvline(k - 0.5, color=INK, linewidth=1.2)
    if cell >= _SMALLEST_CELL and counts.any():
        large = 9.0 if cell >= _LARGE_CELL else 7.5 if cell >= 0.36 else 6.0
        for i, j in np.ndindex(counts.shape):
            colour = "white" if share[i, j] > 0.55 else INK if counts[i, j] else "#a8a8a8"
            style = {"ha": "center", "va": "center", "color": colour}
            axes.text(j, i - 0.17, f"{share[i, j]:.0%}", fontsize=large, **style)
            axes.text(j, i + 0.25, f"{counts[i, j]:,}", fontsize=large - 1.5, **style)
    size = 9.0 if cell >= 0.3 else 7.0
    turned = {"rotation": 90} if cell < 0.3 else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    # of very many classes, as many are named as there is room for
    labelled = range(0, k, 1 if cell >= _LARGE_CELL else -(-k // 24))
    outliers = [k] if columns > k else []
    texts = [*(shortened(names[i], 14) for i in labelled), *("outlier" for _ in outliers)]
    axes.set_xticks([*labelled, *outliers], texts, fontsize=size, **turned)
    if outliers:
        axes.get_xticklabels()[-1].set_style("italic")
    axes.set_yticks(labelled, [f"{shortened(names[i], 18)}  ({int(totals[i, 0]):,})" for i in labelled], fontsize=size)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def score_figure(evaluation: Evaluation) -> bytes:
    """Balanced accuracy by split with 95 % intervals, the headline first, the random split in grey below, chance as a
    line."""
    order = [evaluation.headline_split]
    order += sorted(n for n in evaluation.splits if n not in (evaluation.headline_split, RANDOM))
    order += [RANDOM] if RANDOM in evaluation.splits and evaluation.headline_split != RANDOM else []
    figure, axes = new_figure(7.2, 1.5 + 0.5 * len(order))
    for row, name in enumerate(order):
        score = evaluation.splits[name]
        head = name == evaluation.headline_split
        colour = PALETTE[0] if name != RANDOM else "#8a8a8a"
        if score.balanced_accuracy_interval:
            axes.plot(
                score.balanced_accuracy_interval,
                [row, row],
                color=colour,
                linewidth=4,
                alpha=0.35,
                solid_capstyle="butt",
            )
        marker = "o" if name != RANDOM else "D"
        axes.plot(score.balanced_accuracy, row, marker, color=colour, markersize=9 if head else 7)
        low_high = score.balanced_accuracy_interval
        interval = f" [{low_high[0]:.2f}, {low_high[1]:.2f}]" if low_high else "  no interval: under 8 groups"
        text = f"{score.balanced_accuracy:.3f}{interval}"
        axes.text(1.02, row, text, va="center", fontsize=9, color=INK, transform=axes.get_yaxis_transform())
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


def training_curve(history: Sequence[Mapping[str, float]]) -> bytes:
    """Loss by training step (`history` rows have 'step' and 'loss'), faint as recorded and bold as a running median; where rows have a
    score of 'validation', that too, on an axis of its own."""
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
        _validation_line(axes, history)
    else:
        write_message(axes, "no training steps")
    axes.set_xlabel("training step", fontsize=9)
    axes.set_ylabel("loss", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#eeeeee")
    without_frame(axes)
    return as_png(figure)


def _validation_line(axes: Any, history: Sequence[Mapping[str, float]]) -> None:
    validated = [(float(row["step"]), float(row["validation"])) for row in history if "validation" in row]
    if not validated:
        return
    own = axes.twinx()
    own.plot(*zip(*validated, strict=True), "o-", color=PALETTE[1], linewidth=1.5, markersize=3)
    own.set_ylim(0, 1)
    own.set_ylabel("validation: balanced accuracy", fontsize=9, color=PALETTE[1])
    own.tick_params(labelsize=8)
    without_frame(own)
