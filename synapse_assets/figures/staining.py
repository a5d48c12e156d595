"""Pictures of stained neurons with what a network sees in them, and the scores, plates and dose curves of the staining chain.

Does not belong here: attributions, dense maps (`vision`), thresholds and scores (`analysis.evaluation`), ranks (`analysis.compounds`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.compounds import dose_curve, worth
from synapse_assets.analysis.dense_maps import at_pixels
from synapse_assets.analysis.evaluation.image_scores import RANDOM_CROPS, RocCurve
from synapse_assets.analysis.evaluation.youden import UNCERTAIN
from synapse_assets.errors import BadInput
from synapse_assets.figures.style import (
    FAINT,
    INK,
    as_png,
    halo,
    message_figure,
    natural_order,
    new_figure,
    shortened,
    without_frame,
    wrapped,
)
from synapse_assets.schema.colours import PALETTE, class_colours

Float32 = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Palette: TypeAlias = Literal["red_blue", "colour_blind"]
# threshold of a class and the ends of its interval
Interval: TypeAlias = tuple[float, float, float]

# Of untreated, treated and uncertain. Brightness says something else, so the hues alone have to differ: of blue, orange and grey they
# do for every kind of colour-blindness (Okabe & Ito 2008).
_PALETTES: Mapping[str, tuple[str, str, str]] = {
    "red_blue": ("#3d6bff", "#ff3b30", "#35c759"),
    "colour_blind": ("#56b4e9", "#e69f00", "#d0d0d0"),
}
_NEUTRAL = "#d0d0d0"
# Of white, as far as the picture shines through where the attribution is nothing.
_FAINT_PICTURE = 0.35
# Percentile of the values above 0 that is drawn at full brightness.
_FULL = 99.5
_PLATES = {(4, 6): 24, (8, 12): 96, (16, 24): 384, (32, 48): 1536}
_PANELS = 12


def saliency_colours(
    classes: Sequence[str], palette: Palette = "red_blue", control: int = 0, treated: int = 1
) -> dict[str, str]:
    """The colour (#rrggbb) of each class, and of 'uncertain': of two classes those of the palette, of more Okabe & Ito's, which serve
    readers with colour-blindness anyway, and grey."""
    if len(classes) != 2:
        return {**class_colours(classes), UNCERTAIN: _NEUTRAL}
    of_control, of_treated, uncertain = _PALETTES[palette]
    return {classes[control]: of_control, classes[treated]: of_treated, UNCERTAIN: uncertain}


def full_brightness(attribution: npt.NDArray[np.floating]) -> float:
    """The attribution that is drawn at full brightness: the 99.5th percentile of the values above 0; 0 where there are none.

    A maximum alone would let one pixel darken all others.
    """
    positive = attribution[attribution > 0]
    return float(np.percentile(positive, _FULL)) if positive.size else 0.0


def coloured_saliency(
    picture: Pixels,
    attribution: Float32,
    probabilities: Float32,
    first_px: float,
    stride_px: float,
    classes: Sequence[str],
    thresholds: Sequence[Interval],
    palette: Palette = "red_blue",
    control: int = 0,
    treated: int = 1,
) -> Pixels:
    """What a network sees and how it names it, as colours (H, W, 3) over the faint picture (H, W).

    Brightness is the attribution (H, W), from 0 to `full_brightness`; what speaks against the class (below 0) is dark. The colour is that
    of the class that the dense map (K, rows, columns) names at the pixel: the probabilities, not colours, are interpolated to pixels
    first (`analysis.dense_maps.at_pixels`, which says what `first_px` and `stride_px` are). `thresholds` are threshold, low and high of
    each class. Of two classes the treated one is named above the upper end of its interval, the untreated one below its lower end, and
    it is uncertain in between; of more, a class above the upper end of its own, if no other is.

    Raises BadInput for shapes that do not fit, or an attribution with values that are no numbers.
    """
    k = len(classes)
    if picture.ndim != 2 or picture.shape != attribution.shape:
        raise BadInput(
            f"a coloured map needs a grey picture and an attribution of its size, not {picture.shape} and {attribution.shape}"
        )
    if np.ndim(probabilities) != 3 or len(probabilities) != k or len(thresholds) != k or k < 2:
        raise BadInput(
            f"a coloured map of {list(classes)} needs probabilities (classes, rows, columns) and a threshold a class, not "
            f"{np.shape(probabilities)} and {len(thresholds)}"
        )
    if not np.isfinite(attribution).all():
        raise BadInput("the attribution has values that are no numbers: it cannot be drawn")
    values = at_pixels(probabilities, first_px, stride_px, picture.shape)
    if k == 2:
        _, low, high = thresholds[treated]
        named = np.select([values[treated] > high, values[treated] < low], [treated, control], k)
    else:
        passed = values > np.array([high for _, _, high in thresholds], dtype=np.float32)[:, None, None]
        named = np.where(passed.sum(axis=0) == 1, passed.argmax(axis=0), k)
    colours = saliency_colours(classes, palette, control, treated)
    table = np.array([_rgb(colours[name]) for name in (*classes, UNCERTAIN)], dtype=np.float32)
    largest = full_brightness(attribution)
    bright = np.clip(attribution / largest, 0, 1) if largest else np.zeros_like(attribution)
    under = _FAINT_PICTURE * picture.astype(np.float32)
    mixed = (1 - bright)[..., None] * under[..., None] + bright[..., None] * table[named]
    return np.rint(mixed).astype(np.uint8)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def saliency_legend(
    classes: Sequence[str],
    thresholds: Sequence[Interval],
    palette: Palette,
    largest: float,
    unit_text: str,
    control: int = 0,
    treated: int = 1,
) -> bytes:
    """The legend of a coloured map as PNG: colour against probability with threshold and interval, brightness against the attribution.

    `largest` is the attribution at full brightness, `unit_text` says of what, such as 'drop of the probability when covered'.
    """
    figure, axes = new_figure(6.2, _legend_height(classes))
    _draw_legend(axes, classes, thresholds, palette, largest, unit_text, (control, treated))
    return as_png(figure)


def _legend_height(classes: Sequence[str]) -> float:
    return 2.2 if len(classes) == 2 else 1.1 + 0.34 * (len(classes) + 1)


def _draw_legend(
    axes: Any,
    classes: Sequence[str],
    thresholds: Sequence[Interval],
    palette: Palette,
    largest: float,
    unit_text: str,
    which: tuple[int, int],
) -> None:
    control, treated = which
    colours = saliency_colours(classes, palette, control, treated)
    axes.tick_params(labelsize=8, colors=INK)
    if len(classes) == 2:
        threshold, low, high = thresholds[treated]
        place = np.linspace(0, 1, 512)
        names = np.select([place > high, place < low], [classes[treated], classes[control]], UNCERTAIN)
        row = np.array([_rgb(colours[str(name)]) for name in names]) / 255
        ramp = np.linspace(1, 0, 64)[:, None, None] * row[None]
        axes.imshow(ramp, extent=(0, 1, 0, 1), aspect="auto", interpolation="nearest")
        axes.axvline(threshold, color="white", linewidth=1.4, linestyle=(0, (3, 2)))
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_xlabel(f"probability of {classes[treated]} in the window around the pixel", fontsize=9, color=INK)
        spans = ((classes[control], 0.0, low), (UNCERTAIN, low, high), (classes[treated], high, 1.0))
        for name, start, end in spans:
            if end - start > 0.015 * len(name):
                axes.text((start + end) / 2, 1.03, name, fontsize=8.5, color=INK, ha="center", va="bottom")
        text = f"threshold by Youden's J (dashed) {threshold:.2f}, uncertain within its 95 % interval over wells, {low:.2f} to {high:.2f}"
        axes.set_title(wrapped(text, 66), loc="left", fontsize=8.5, color=INK, pad=18)
        _brightness_ticks(axes.set_yticks, largest)
        axes.set_ylabel(wrapped(unit_text, 22), fontsize=8.5, color=INK)
        return
    names_in_order = [*classes, UNCERTAIN]
    for place_of_row, name in enumerate(names_in_order):
        ramp = np.linspace(0, 1, 256)[None, :, None] * (np.array(_rgb(colours[name])) / 255)
        axes.imshow(
            ramp, extent=(0, 1, place_of_row + 0.42, place_of_row - 0.42), aspect="auto", interpolation="nearest"
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(len(names_in_order) - 0.5, -0.5)
    texts = [
        f"{shortened(name, 18)}: above {high:.2f} (threshold {threshold:.2f} [{low:.2f}, {high:.2f}])"
        for name, (threshold, low, high) in zip(classes, thresholds, strict=True)
    ]
    axes.set_yticks(range(len(names_in_order)), [*texts, "uncertain: no class, or several"], fontsize=8)
    axes.tick_params(axis="y", length=0)
    _brightness_ticks(axes.set_xticks, largest)
    axes.set_xlabel(unit_text, fontsize=8.5, color=INK)
    axes.set_title("by Youden's J, 95 % intervals over wells", loc="left", fontsize=8.5, color=INK)


def _brightness_ticks(set_ticks: Any, largest: float) -> None:
    set_ticks([0, 0.5, 1], ["0", f"{largest / 2:.2g}", f"{largest:.2g}+"], fontsize=8)


def saliency_figure(
    picture: Pixels,
    coloured: Pixels,
    *,
    title: str,
    classes: Sequence[str],
    thresholds: Sequence[Interval],
    largest: float,
    unit_text: str,
    pixel_nm: float,
    windows: str,
    palette: Palette = "red_blue",
    control: int = 0,
    treated: int = 1,
) -> bytes:
    """A picture (H, W) and its coloured map (H, W, 3) beside each other with a scale bar, above the map's legend, as PNG.

    `windows` says how many there are and how large, in words; the others are as in `coloured_saliency` and `saliency_legend`.
    """
    height, width = picture.shape
    # a strip stands upright, a wide one lies flat, neither without end
    tall = float(np.clip(5.2 * height / width, 1.5, 9.0))
    heading = wrapped(title, 115)
    head = 0.3 + 0.24 * (1 + heading.count("\n"))
    below = _legend_height(classes)
    figure, _ = new_figure(11.0, head + tall + 0.45 + below, axes=False)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    figure.suptitle(heading, x=0.012, ha="left", fontsize=12, color=INK)
    upper, lower = figure.subfigures(2, 1, height_ratios=[tall + 0.45, below])
    left, right = upper.subplots(1, 2)
    left.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    right.imshow(coloured, interpolation="antialiased")
    left.set_title("picture", loc="left", fontsize=9.5, color=INK)
    right.set_title(windows, loc="left", fontsize=9.5, color=INK)
    for axes in (left, right):
        axes.set_xticks([])
        axes.set_yticks([])
        _scale_bar(axes, width, height, pixel_nm)
    of_legend = lower.subplots(1, 2, gridspec_kw={"width_ratios": [3, 1]})
    of_legend[1].axis("off")
    of_legend[1].text(
        0.0,
        0.95,
        wrapped("Colour: what the windows around a pixel are named. Brightness: how much the pixel counts for it.", 34),
        fontsize=8.5, color=FAINT, va="top", transform=of_legend[1].transAxes,
    )  # fmt: skip
    _draw_legend(of_legend[0], classes, thresholds, palette, largest, unit_text, (control, treated))
    return as_png(figure, shaded=True)


def _scale_bar(axes: Any, width: int, height: int, pixel_nm: float) -> None:
    """A bar of a round length, about a fifth of the picture, in its lower right corner."""
    wanted_um = 0.2 * width * pixel_nm / 1000
    power = 10.0 ** np.floor(np.log10(wanted_um))
    length_um = power * max(step for step in (1, 2, 5) if step * power <= wanted_um * 1.0001)
    length_px = length_um * 1000 / pixel_nm
    end, y = 0.96 * width, 0.95 * height
    axes.plot([end - length_px, end], [y, y], color="black", linewidth=5, solid_capstyle="butt")
    axes.plot([end - length_px, end], [y, y], color="white", linewidth=3, solid_capstyle="butt")
    axes.text(
        end - length_px / 2, y - 0.02 * height, f"{length_um:g} µm", fontsize=9, color=INK, ha="center", va="bottom",
        path_effects=halo(),
    )  # fmt: skip
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def roc_figure(curves: Sequence[RocCurve]) -> bytes:
    """ROC curves with the area below each and a dot where the threshold in use lies, as PNG."""
    if not curves:
        return message_figure("no ROC curve: it takes held-out pictures of two classes")
    figure, axes = new_figure(5.6, 5.2)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
    for index, curve in enumerate(curves):
        colour, style = PALETTE[index % len(PALETTE)], ("-", "--", ":", "-.")[index % 4]
        text = f"{shortened(curve.name, 30)}: area {curve.area:.3f}"
        axes.plot(
            curve.false_positive, curve.true_positive, color=colour, linewidth=2, linestyle=style, label=text,
            drawstyle="steps-post",
        )  # fmt: skip
        if curve.at:
            axes.plot(*curve.at, "o", color=colour, markersize=9, markeredgecolor="white", markeredgewidth=1.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel("share of the others that is called the class", fontsize=9, color=INK)
    axes.set_ylabel("share of the class that is called so", fontsize=9, color=INK)
    dotted = any(curve.at for curve in curves)
    axes.legend(
        fontsize=8.5, frameon=False, loc="lower right", title="dot: threshold in use" if dotted else None,
        title_fontsize=8.5, alignment="left",
    )  # fmt: skip
    axes.tick_params(labelsize=8)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
    return as_png(figure)


def stain_scores_figure(scores: pa.Table, score: str = "balanced_accuracy", level: str = "image") -> bytes:
    """That score, as the mean over the classes, of every classifier and way of splitting, with 95 % intervals, as PNG.

    `scores` are rows of `schema.staining.STAIN_SCORES`; random crops stand in grey below the others.
    """
    rows = [
        row
        for row in scores.to_pylist()
        if row["class_name"] is None
        and row["score"] == score
        and row["level"] in (level, "window" if row["split"] == RANDOM_CROPS else level)
        and row["value"] is not None
    ]
    if not rows:
        return message_figure("no score: no classifier was tested")
    splits = sorted(dict.fromkeys(row["split"] for row in rows), key=lambda split: split == RANDOM_CROPS)
    rows.sort(key=lambda row: splits.index(row["split"]))
    names = list(dict.fromkeys(row["classifier"] for row in rows))
    figure, axes = new_figure(8.2, 1.4 + 0.46 * len(rows))
    for place, row in enumerate(rows):
        leaks = row["split"] == RANDOM_CROPS
        colour = "#8a8a8a" if leaks else PALETTE[names.index(row["classifier"]) % len(PALETTE)]
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=4, alpha=0.35, solid_capstyle="butt")  # fmt: skip
        axes.plot(row["value"], place, "D" if leaks else "o", color=colour, markersize=8)
        low_high = "  no interval: under 8 wells" if row["low"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]"
        text = f"{row['value']:.3f}{low_high}"
        axes.text(1.03, place, text, va="center", fontsize=9, color=INK, transform=axes.get_yaxis_transform())
        if place and row["split"] != rows[place - 1]["split"]:
            axes.axhline(place - 0.5, color="#dddddd", linewidth=0.8)
    texts = [
        f"{row['classifier']}\n"
        + ("random crops (overstates)" if row["split"] == RANDOM_CROPS else f"held out by {row['split']}")
        for row in rows
    ]
    axes.set_yticks(range(len(rows)), texts, fontsize=8.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel(f"{score.replace('_', ' ')}, mean of the classes, by {level}", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
    return as_png(figure)


def _well_place(name: str) -> tuple[int, int] | None:
    """Row and column of a well such as B03, from 0; None for any other name."""
    found = re.fullmatch(r"([A-Z]|A[A-F])0*([1-9][0-9]?)", name.strip().upper())
    if found is None:
        return None
    letters, number = found.groups()
    row = ord(letters) - ord("A") if len(letters) == 1 else 26 + ord(letters[1]) - ord("A")
    return (row, int(number) - 1) if int(number) <= 48 else None


def plate_figure(wells: pa.Table, control: str, treated: str) -> bytes:
    """Each plate as a grid of wells, coloured by their likeness to the treated class, as PNG.

    `wells` are rows of `schema.staining.COMPOUND_WELLS`. Wells whose name is no place on a plate (B03) are counted, not drawn; twelve
    plates at most.
    """
    rows = wells.to_pylist()
    by_plate: dict[str, list[tuple[tuple[int, int], dict[str, Any]]]] = {}
    for row in rows:
        place = _well_place(row["well"])
        if place is not None:
            by_plate.setdefault(row["plate"], []).append((place, row))
    if not by_plate:
        return message_figure("no plate to draw: no well is named by its place, such as B03")
    plates = sorted(by_plate, key=natural_order)[:_PANELS]
    drawn = [each for plate in plates for each in by_plate[plate]]
    size = next(size for size in _PLATES if all(place[0] < size[0] and place[1] < size[1] for place, _ in drawn))
    columns = 1 if len(plates) == 1 else 2 if len(plates) <= 4 else 3
    lines = -(-len(plates) // columns)
    wide = min(6.0, 11.0 / columns)
    tall = 0.62 * wide + 0.3
    figure, _ = new_figure(columns * wide + 1.0, lines * tall + 0.8, axes=False)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    grid = figure.subplots(lines, columns, squeeze=False)
    # a marker is as wide as three quarters of a well, in points
    area = (0.72 * 72 * (wide - 0.5) / size[1]) ** 2
    shapes = {control: "s", treated: "D"}
    shown = None
    for index, axes in enumerate(grid.flat):
        if index >= len(plates):
            axes.axis("off")
            continue
        _plate_grid(axes, size, plates[index])
        for kind in (control, treated, None):
            of_kind = [
                (place, row)
                for place, row in by_plate[plates[index]]
                if (row["label"] if not row["compound"] and row["label"] in shapes else None) == kind
            ]
            shown = axes.scatter(
                [place[1] for place, _ in of_kind], [place[0] for place, _ in of_kind],
                c=[row["likeness"] for _, row in of_kind], cmap="RdBu_r", vmin=0, vmax=1,
                s=area * (0.62 if kind == treated else 0.85), marker=shapes.get(str(kind), "o"),
                edgecolors=INK if kind else "#9a9a9a", linewidths=1.3 if kind else 0.6,
            )  # fmt: skip
    bar = figure.colorbar(shown, ax=grid.ravel().tolist(), shrink=0.85, aspect=30)
    bar.set_label(f"likeness to {treated}, mean of the well", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8)
    notes = [f"square: {control}, no compound", f"diamond: {treated}, no compound", "circle: given a compound"]
    left_out = len(rows) - len(drawn)
    figure.supxlabel(
        ", ".join(notes) + (f"; {left_out:,} wells are not drawn" if left_out else ""), fontsize=8.5, color=FAINT
    )
    return as_png(figure)


def _plate_grid(axes: Any, size: tuple[int, int], name: str) -> None:
    """The empty wells of a plate with its rows and columns named."""
    rows, columns = size
    step = 1 if rows <= 16 else 4
    letters = [chr(65 + i) if i < 26 else f"A{chr(65 + i - 26)}" for i in range(rows)]
    axes.set_yticks(range(0, rows, step), letters[::step], fontsize=7 if rows <= 8 else 5.5)
    every = 1 if columns <= 12 else 2 if columns <= 24 else 4
    axes.set_xticks(range(0, columns, every), [str(i + 1) for i in range(0, columns, every)], fontsize=7)
    axes.set_xlim(-0.6, columns - 0.4)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_aspect("equal")
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=1)
    axes.set_facecolor("#f4f4f4")
    axes.set_title(name, loc="left", fontsize=9.5, color=INK)
    for spine in axes.spines.values():
        spine.set_color("#cccccc")


def dose_curves_figure(compounds: pa.Table, wells: pa.Table, control: str, treated: str, dose_unit: str = "") -> bytes:
    """Likeness against dose of the best compounds, a panel each, between the bands of the controls, as PNG.

    `compounds` are rows of `schema.staining.COMPOUNDS`, `wells` of `COMPOUND_WELLS`, of one classifier: dots are wells, the line their
    mean with its 95 % interval. Twelve compounds at most, by rank.
    """
    rows = compounds.to_pylist()
    controls = {row["compound"]: row for row in rows if row["rank"] is None and row["compound"] in (control, treated)}
    others = [row for row in rows if row["compound"] not in controls]
    names = list(dict.fromkeys(row["compound"] for row in others))
    if not names:
        return message_figure("no dose curve: no well was given a compound")
    shown = names[:_PANELS]
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    figure, _ = new_figure(max(4.6, 2.9 * columns + 0.6), 2.5 * lines + 0.9, axes=False)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.08)
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(shown):
            axes.axis("off")
            continue
        for name, colour in ((control, PALETTE[0]), (treated, PALETTE[5])):
            if name in controls:
                _control_band(axes, controls[name], colour)
        of_compound = [row for row in others if row["compound"] == shown[index]]
        _dose_panel(axes, of_compound, wells, index % columns == 0)
    unit = f" ({dose_unit})" if dose_unit else ""
    more = f"; {len(names) - len(shown)} more compounds are not drawn" if len(names) > len(shown) else ""
    bands = f"blue: {control}, orange: {treated}, mean and 95 % interval of their wells; dots: wells of the compound"
    figure.supxlabel(f"dose{unit}\n{bands}{more}", fontsize=8.5, color=INK)
    figure.supylabel(f"likeness to {treated}", fontsize=9, color=INK)
    return as_png(figure)


def _control_band(axes: Any, row: Mapping[str, Any], colour: str) -> None:
    axes.axhline(row["likeness"], color=colour, linewidth=1.2)
    if row["low"] is not None:
        axes.axhspan(row["low"], row["high"], color=colour, alpha=0.15, linewidth=0)


def _dose_panel(axes: Any, rows: Sequence[Mapping[str, Any]], wells: pa.Table, first: bool) -> None:
    """One compound: its wells and their means, over a logarithmic axis where doses span more than a factor of five."""
    row_of = {row["dose"]: row for row in rows}
    doses = dose_curve(wells, rows[0]["compound"])
    known = [dose.dose for dose in doses if dose.dose is not None]
    logarithmic = bool(known) and min(known) > 0 and max(known) > 5 * min(known)
    if logarithmic:
        axes.set_xscale("log")
    lowest = min(known, default=1.0)
    at = [dose.dose if dose.dose is not None else lowest / 3 if logarithmic else lowest - 1 for dose in doses]
    for x, dose in zip(at, doses, strict=True):
        axes.plot(np.full(len(dose.likeness), x), dose.likeness, "o", color="#9a9a9a", markersize=3.5, alpha=0.7)
    axes.plot(at, [dose.likeness.mean() for dose in doses], "-o", color=INK, linewidth=1.5, markersize=5)
    for x, dose in zip(at, doses, strict=True):
        row = row_of.get(dose.dose)
        if row is not None and row["low"] is not None:
            axes.plot([x, x], [row["low"], row["high"]], color=INK, linewidth=1.5)
    from matplotlib.ticker import NullLocator

    axes.set_xticks(at, [f"{dose.dose:g}" if dose.dose is not None else "unknown" for dose in doses], fontsize=7.5)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.12)
    axes.set_ylim(-0.03, 1.03)
    axes.tick_params(axis="y", labelsize=8, length=3 if first else 0)
    rank = rows[0]["rank"]
    best = max((row for row in rows if row["rescue"] is not None), key=worth, default=None)
    text = "no rescue can be told"
    if best is not None:
        low_high = "" if best["rescue_low"] is None else f" [{best['rescue_low']:.2f}, {best['rescue_high']:.2f}]"
        text = f"rescue {best['rescue']:.2f}{low_high}"
    head = shortened(rows[0]["compound"], 24)
    axes.set_title(f"{head if rank is None else f'{rank}. {head}'}\n{text}", loc="left", fontsize=8.5, color=INK)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    without_frame(axes)
