"""Coloured maps, their legends, plates and curves: the right colour at the right pixel."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import ndimage

from synapse_assets.analysis.compounds import PICTURES, rank_compounds
from synapse_assets.analysis.evaluation.image_scores import RocCurve
from synapse_assets.errors import BadInput
from synapse_assets.figures.staining import (
    Palette,
    coloured_saliency,
    dose_curves_figure,
    full_brightness,
    plate_figure,
    roc_figure,
    saliency_colours,
    saliency_figure,
    saliency_legend,
    stain_scores_figure,
)
from synapse_assets.schema.colours import PALETTE
from synapse_assets.schema.staining import COMPOUND_WELLS, STAIN_SCORES
from synapse_assets_tests.figures.pixels import Mask, Pixels, middle, of_colour, opened, opened_sheet, spots

CLASSES = ("untreated", "treated")
# threshold, low and high of each class
THRESHOLDS = ((0.45, 0.25, 0.6), (0.55, 0.4, 0.75))
FIRST, STRIDE = 32.0, 16
SHAPE = (160, 192)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def near(pixels: Pixels, colour: str, most: int = 40) -> Mask:
    """Where the pixels have about that colour."""
    return np.asarray(np.abs(pixels.astype(int) - rgb(colour)).max(axis=2) <= most)


def ramp(rows: int = 7, columns: int = 9) -> npt.NDArray[np.float32]:
    """Windows whose probability of 'treated' rises from left to right, 0.1 a window."""
    treated = np.broadcast_to(0.1 * (np.arange(columns) + 1), (rows, columns)).astype(np.float32)
    return np.stack([1 - treated, treated])


def bright() -> npt.NDArray[np.float32]:
    return np.ones(SHAPE, dtype=np.float32)


def drawn(**changes: Any) -> Pixels:
    given: dict[str, Any] = {
        "picture": np.full(SHAPE, 100, dtype=np.uint8),
        "attribution": bright(),
        "probabilities": ramp(),
        "first_px": FIRST,
        "stride_px": STRIDE,
        "classes": CLASSES,
        "thresholds": THRESHOLDS,
    }
    return coloured_saliency(**(given | changes))


@pytest.mark.parametrize("palette", ["red_blue", "colour_blind"])
@pytest.mark.parametrize(("control", "treated"), [(0, 1), (1, 0)])
def test_colours_change_where_the_interpolated_probability_passes_the_interval(
    palette: Palette, control: int, treated: int
) -> None:
    order = [control, treated] if control < treated else [treated, control]
    probabilities = ramp()[[0, 1] if control == 0 else [1, 0]]
    classes = [CLASSES[0], CLASSES[1]] if control == 0 else [CLASSES[1], CLASSES[0]]
    thresholds = THRESHOLDS if control == 0 else THRESHOLDS[::-1]
    assert order == [0, 1]
    pixels = drawn(
        probabilities=probabilities, classes=classes, thresholds=thresholds, palette=palette, control=control,
        treated=treated,
    )  # fmt: skip
    colours = saliency_colours(classes, palette, control, treated)
    # the probability at a pixel, by its distance from the edge
    at = np.clip(0.1 + 0.1 * (np.arange(SHAPE[1]) + 0.5 - FIRST) / STRIDE, 0.1, 0.9)
    for x in range(SHAPE[1]):
        if min(abs(at[x] - 0.4), abs(at[x] - 0.75)) < 1e-4:
            continue
        name = "treated" if at[x] > 0.75 else "untreated" if at[x] < 0.4 else "uncertain"
        assert {tuple(pixel) for pixel in pixels[:, x].tolist()} == {rgb(colours[name])}, x


def test_there_are_pure_colours_only_however_sharp_the_map() -> None:
    """Colours that were interpolated would have a purple between red and blue; values have green."""
    treated = np.zeros((7, 9), dtype=np.float32)
    treated[:, 5:] = 1
    pixels = drawn(probabilities=np.stack([1 - treated, treated]))
    colours = saliency_colours(CLASSES)
    assert {tuple(pixel) for pixel in np.unique(pixels.reshape(-1, 3), axis=0).tolist()} == {
        rgb(colours[name]) for name in (*CLASSES, "uncertain")
    }
    red = of_colour(pixels, colours["treated"])
    # between the centres of windows 4 and 5, at three quarters of the way
    assert np.argwhere(red)[:, 1].min() == pytest.approx(FIRST + 4.75 * STRIDE, abs=1)


def test_brightness_is_the_attribution_over_the_faint_picture() -> None:
    attribution = np.zeros(SHAPE, dtype=np.float32)
    attribution[40:60] = 2.0
    attribution[60:80] = 1.0
    attribution[80:100] = -5.0
    treated = np.ones((2, 7, 9), dtype=np.float32) * np.array([0, 1], dtype=np.float32)[:, None, None]
    pixels = drawn(attribution=attribution, probabilities=treated)
    red = np.array(rgb(saliency_colours(CLASSES)["treated"]))
    assert full_brightness(attribution) == 2
    assert pixels[50, 5].tolist() == red.tolist()
    faint = pixels[10, 5]
    assert faint[0] == faint[1] == faint[2]
    assert 20 < faint[0] < 50
    assert pixels[70, 5] == pytest.approx((red + faint) / 2, abs=1)
    assert pixels[90, 5].tolist() == faint.tolist(), "what speaks against the class is dark"
    darker = drawn(attribution=attribution, probabilities=treated, picture=np.zeros(SHAPE, dtype=np.uint8))
    assert darker[10, 5].tolist() == [0, 0, 0]
    assert not drawn(attribution=np.zeros(SHAPE, dtype=np.float32)).std(axis=2).any()


def test_one_pixel_does_not_darken_the_others() -> None:
    attribution = bright()
    attribution[0, 0] = 1000
    assert full_brightness(attribution) == 1
    assert full_brightness(-attribution) == 0


def test_more_classes_have_a_colour_each_and_grey_between() -> None:
    names = ["control", "amyloid", "tau"]
    probabilities = np.full((3, 3, 3), 0.1, dtype=np.float32)
    for c in range(3):
        probabilities[c, c] = 0.9
    probabilities[:, :, 2] = 0.34
    probabilities[:2, 0, 0] = 0.7
    pixels = drawn(
        probabilities=probabilities, classes=names, thresholds=[(0.4, 0.3, 0.5)] * 3, first_px=20, stride_px=60
    )
    colours = saliency_colours(names)
    assert len(set(colours.values())) == 4
    assert colours == saliency_colours(names, "colour_blind")
    for c, name in enumerate(names):
        assert tuple(pixels[20 + 60 * c, 80]) == rgb(colours[name])
    assert tuple(pixels[80, 170]) == rgb(colours["uncertain"])
    assert tuple(pixels[5, 5]) == rgb(colours["uncertain"]), "two classes pass"


def simulated(colour: str, matrix: list[list[float]]) -> npt.NDArray[np.float64]:
    """A colour as a reader without one kind of cones sees it (Vienot et al. 1999, linear RGB)."""
    return np.array(matrix) @ (np.array(rgb(colour)) / 255) ** 2.2


@pytest.mark.parametrize(
    "matrix",
    [
        pytest.param([[0.112, 0.888, 0], [0.112, 0.888, 0], [0.004, -0.004, 1]], id="protanope"),
        pytest.param([[0.292, 0.708, 0], [0.292, 0.708, 0], [-0.022, 0.022, 1]], id="deuteranope"),
    ],
)
def test_hues_of_the_colour_blind_palette_differ_whatever_their_brightness(matrix: list[list[float]]) -> None:
    def hue(colour: str) -> float:
        seen = simulated(colour, matrix)
        return float(seen[2] / seen.sum())

    def least(palette: Palette) -> float:
        hues = [hue(colour) for colour in saliency_colours(CLASSES, palette).values()]
        return min(abs(a - b) for a, b in itertools.combinations(hues, 2))

    assert least("colour_blind") > 0.1
    assert least("red_blue") < least("colour_blind")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"picture": np.zeros((9, 9, 3), dtype=np.uint8)}, "grey picture"),
        ({"attribution": np.zeros((9, 9), dtype=np.float32)}, "of its size"),
        ({"probabilities": ramp()[:1]}, "a threshold a class"),
        ({"thresholds": THRESHOLDS[:1]}, "a threshold a class"),
        ({"attribution": np.full(SHAPE, np.nan, dtype=np.float32)}, "no numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        drawn(**changes)


@pytest.mark.parametrize("palette", ["red_blue", "colour_blind"])
def test_the_legend_shows_each_colour_as_far_as_its_probabilities_go(palette: Palette) -> None:
    pixels = opened(saliency_legend(CLASSES, THRESHOLDS, palette, 0.25, "drop of the probability"))
    colours = saliency_colours(CLASSES, palette)
    # a row of almost full brightness
    row = int(np.argwhere(near(pixels, colours["treated"], 20))[:, 0].min()) + 1
    widths = [
        int(near(pixels[row : row + 1], colours[name], 20).sum()) for name in ("untreated", "uncertain", "treated")
    ]
    assert np.array(widths) / sum(widths) == pytest.approx([0.4, 0.35, 0.25], abs=0.02)
    other = opened(saliency_legend(CLASSES, THRESHOLDS, palette, 0.5, "drop of the probability"))
    assert (other != pixels).any(), "the number at full brightness is written"


def test_the_legend_of_more_classes_has_a_ramp_each() -> None:
    names = ["control", "amyloid", "tau"]
    pixels = opened(saliency_legend(names, [(0.4, 0.3, 0.5)] * 3, "red_blue", 0.25, "gradient"))
    colours = saliency_colours(names)
    rows = [middle(near(pixels, colours[name], 10))[0] for name in names]
    assert rows[0] + 20 < rows[1]
    assert np.diff(rows) == pytest.approx(np.diff(rows)[0], abs=2)


@pytest.mark.parametrize("shape", [(160, 192), (60, 300)])
def test_the_figure_has_picture_map_scale_bar_and_legend(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 120, shape).astype(np.uint8)
    attribution = np.zeros(shape, dtype=np.float32)
    attribution[10:50, 10:50] = 1
    treated = np.ones((2, 7, 9), dtype=np.float32) * np.array([0, 1], dtype=np.float32)[:, None, None]
    coloured = coloured_saliency(picture, attribution, treated, FIRST, STRIDE, CLASSES, THRESHOLDS)

    def figure(pixel_nm: float) -> Pixels:
        return opened_sheet(
            saliency_figure(
                picture, coloured, title="P1/B03/1.tif", classes=CLASSES, thresholds=THRESHOLDS, largest=1.0,
                unit_text="drop of the probability", pixel_nm=pixel_nm, windows="63 windows of 64 px, every 16 px",
            )
        )  # fmt: skip

    pixels = figure(325)
    red = np.abs(pixels.astype(int) - rgb(saliency_colours(CLASSES)["treated"])).max(axis=2) < 40
    upper = red[: int(np.argwhere(red)[:, 0].min()) + 40]
    assert np.argwhere(upper)[:, 1].min() > pixels.shape[1] / 2, "the map stands on the right"
    assert (figure(3250) != pixels).sum() > 10, "the scale bar is another"


def test_roc_curves_and_their_dots() -> None:
    steps = np.linspace(0, 1, 5)
    curves = [
        RocCurve("treated", steps, np.array([0, 0.8, 0.9, 1, 1]), 0.81, (0.25, 0.8)),
        RocCurve("untreated", steps, steps, 0.5),
    ]
    pixels = opened(roc_figure(curves))
    assert of_colour(pixels, PALETTE[1]).any()
    without = opened(roc_figure([RocCurve("treated", steps, curves[0].true_positive, 0.81)]))
    dots = [ndimage.binary_erosion(of_colour(each, PALETTE[0]), iterations=4) for each in (pixels, without)]
    assert dots[0].any()
    assert not dots[1].any(), "a line is thinner than a dot"
    row, column = middle(dots[0])
    assert column < pixels.shape[1] / 2
    assert row < pixels.shape[0] / 2
    assert opened(roc_figure([])).shape[0] < 200


def wells(plates: int = 1, noise: float = 0.05) -> pa.Table:
    """A column of each control, and three compounds at two doses between them."""
    rng = np.random.default_rng(0)
    rows = []
    for plate, row, column in itertools.product(range(plates), range(6), range(1, 11)):
        facts: dict[str, Any] = {"label": "treated", "compound": f"c{row % 3}", "dose": 1.0 if row < 3 else 30.0}
        likeness = 0.8 - (0.25 * (row % 3) if row >= 3 else 0)
        if column in (1, 10):
            facts = {"label": "treated" if column == 10 else "untreated"}
            likeness = 0.8 if column == 10 else 0.2
        rows.append(
            {
                "plate": f"P{plate + 1}", "well": f"{'ABCDEF'[row]}{column:02d}", "compound": None, "dose": None,
                "classifier": "small", "version": "v1", "images": 2, "likeness": likeness + noise * rng.normal(), **facts,
            }
        )  # fmt: skip
    return COMPOUND_WELLS.conform(pa.Table.from_pylist(rows, schema=COMPOUND_WELLS.arrow))


def test_a_plate_has_its_wells_at_their_places() -> None:
    table = wells(noise=0.0)
    pixels = opened_sheet(plate_figure(table, "untreated", "treated"))
    # RdBu_r of .2 and .8
    blue, red = (np.abs(pixels.astype(int) - colour).max(axis=2) < 6 for colour in ((65, 147, 195), (214, 96, 77)))
    controls = blue[:, : int(0.85 * pixels.shape[1])]
    assert middle(controls)[1] < middle(red[:, : int(0.85 * pixels.shape[1])])[1]
    assert np.ptp(np.argwhere(controls)[:, 1]) < 60, "one column"
    assert ndimage.label(ndimage.binary_opening(controls, iterations=3))[1] == 6, "a row each"
    renamed = table.set_column(1, "well", pa.array([f"no place {i}" for i in range(table.num_rows)]))
    assert opened(plate_figure(renamed, "untreated", "treated")).shape[0] < 200
    assert plate_figure(table, "untreated", "treated") == plate_figure(table, "untreated", "treated")


def test_plates_of_all_sizes_fit() -> None:
    table = wells(plates=5)
    far = table.set_column(1, "well", pa.array(["AF48", *table.column("well").to_pylist()[1:]]))
    opened_sheet(plate_figure(far, "untreated", "treated"))


def test_dose_curves_stand_between_the_controls_by_rank() -> None:
    table = wells()
    pictures = pa.Table.from_pylist(
        [{**row, "image_id": f"{row['plate']}/{row['well']}"} for row in table.to_pylist()], schema=PICTURES
    )
    compounds = rank_compounds(table, pictures, "untreated", "treated", 0)
    pixels = opened_sheet(dose_curves_figure(compounds, table, "untreated", "treated", "µM"))
    lines = [near(pixels[: int(0.85 * len(pixels))], PALETTE[i], 60) for i in (0, 5)]
    assert ndimage.label(lines[0])[1] == 3, "a line a panel"
    assert np.ptp(np.argwhere(lines[1])[:, 1]) > 0.8 * pixels.shape[1]
    assert middle(lines[0])[0] > middle(lines[1])[0] + 50
    controls = compounds.slice(0, 2)
    assert opened(dose_curves_figure(controls, table, "untreated", "treated")).shape[0] < 200
    without = opened(dose_curves_figure(compounds.slice(2), table, "untreated", "treated"))
    assert not near(without, PALETTE[0], 60).any()


def test_scores_stand_by_split_with_random_crops_in_grey() -> None:
    def row(classifier: str, split: str, value: float | None, **changes: Any) -> dict[str, Any]:
        return {
            "classifier": classifier, "version": "v1", "split": split, "level": "image", "class_name": None,
            "score": "balanced_accuracy", "value": value, "low": 0.5, "high": 0.95, "images": 9, "wells": 9,
            "sentence": "", **changes,
        }  # fmt: skip

    rows = [
        row("small", "random_crops", 0.99, level="window"),
        row("texture_probe", "plate", 0.7),
        row("small", "plate", 0.9, low=None, high=None),
        row("small", "plate", 0.1, class_name="treated"),
        row("small", "well", None),
    ]
    table = pa.Table.from_pylist(rows, schema=STAIN_SCORES.arrow)
    pixels = opened(stain_scores_figure(table))
    grey = middle(of_colour(pixels, "#8a8a8a"))
    first, second = (of_colour(pixels, colour) for colour in PALETTE[:2])
    assert spots(pixels, PALETTE[0], least=30) == spots(pixels, PALETTE[1], least=30) == 1
    assert middle(first)[0] < middle(second)[0] < grey[0]
    assert middle(first)[1] < middle(second)[1] < grey[1]
    assert opened(stain_scores_figure(table, score="f1")).shape[0] < 200
