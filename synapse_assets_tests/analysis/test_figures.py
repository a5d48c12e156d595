"""Pictures: what was planted is seen in their pixels, the same each time, and empty ones have something to say."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis import figures as f
from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.scores import Score
from synapse_assets.analysis.evaluation.splits import RANDOM
from synapse_assets.schema import CLUSTER_CARDS
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE, class_colours
from synapse_assets_tests.analysis.pixels import Mask, largest, of_colour, of_grey, opened, spots

DARKEST = "#08306b"
ONE_NEURON = "#B23A00"


def middle(where: Mask) -> tuple[float, float]:
    """The middle of the pixels: row, column."""
    assert where.any()
    row, column = np.argwhere(where).mean(axis=0)
    return float(row), float(column)


def test_the_map_shows_each_synapse_in_its_classs_colour_and_the_rest_in_grey() -> None:
    grid = np.array([[x, y] for x in range(4) for y in range(4)], dtype=float)
    labels: list[str | int | None] = ["gaba"] * 6 + ["glutamate"] * 4 + ["serotonin"] * 2 + [None] * 3 + [""]
    png = f.map_figure(grid, labels, "a map")
    pixels, colours = opened(png), class_colours(["gaba", "glutamate", "serotonin"])
    assert png == f.map_figure(grid, labels, "a map")
    # on the map transparent, in the legend not
    assert [spots(pixels, colours[name], alpha=0.8) for name in ("gaba", "glutamate", "serotonin")] == [6, 4, 2]
    assert spots(pixels, NOISE_COLOUR, alpha=0.6) == 4
    assert [spots(pixels, colour, least=15) for colour in (*colours.values(), NOISE_COLOUR)] == [1, 1, 1, 1]
    # x to the right, y upwards
    row, column = middle(of_colour(pixels, colours["gaba"], alpha=0.8))
    last_row, last_column = middle(of_colour(pixels, colours["serotonin"], alpha=0.8))
    assert last_column > column
    assert last_row < row


def test_clusters_of_the_map_are_those_from_zero_on_and_many_are_named_in_place() -> None:
    grid = np.array([[x, y] for x in range(5) for y in range(4)], dtype=float)
    few = opened(f.map_figure(grid, [-1, 0, 1, None] * 5, "clusters"))
    assert [spots(few, colour, alpha=0.8) for colour in PALETTE[:3]] == [5, 5, 0]
    assert spots(few, NOISE_COLOUR, alpha=0.6) == 10
    many = opened(f.map_figure(grid, list(range(20)), "clusters"))
    assert many.shape[1] == few.shape[1]
    assert sum(spots(many, colour, least=15) for colour in PALETTE) == 0, "no legend"
    assert of_colour(many, f.INK).sum() > 3 * of_colour(few, f.INK).sum(), "names instead"


def test_a_picture_too_large_for_a_log_gets_fewer_colours() -> None:
    figure, axes = f.new_figure(4.2, 4.2)
    axes.imshow(np.random.default_rng(0).random((420, 420, 3)))
    pixels = opened(f.as_png(figure))
    assert pixels.shape == (462, 462, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) <= 256


@pytest.mark.parametrize("rows", [0, 1, 20_000])
def test_maps_of_any_size(rows: int) -> None:
    xy = np.random.default_rng(0).normal(size=(rows, 2))
    pixels = opened(f.map_figure(xy, [(None, "gaba", "glutamate")[i % 3] for i in range(rows)], "a map"))
    assert of_colour(pixels, class_colours(["gaba"])["gaba"]).any() == (rows > 1)
    assert of_colour(pixels, f.FAINT).any(), "what the axes are, or that there are no synapses"


def test_confusions_are_shaded_by_share_of_the_known_class() -> None:
    right = of_colour(opened(f.confusion_figure([[9, 0], [0, 4000]], ["a", "b"])), DARKEST)
    places = np.argwhere(right)
    assert np.corrcoef(places.T)[0, 1] > 0.5, "the diagonal goes down to the right"
    assert right[:, : int(places[:, 1].mean())].sum() == pytest.approx(right.sum() / 2, rel=0.1), "9 weigh as 4000"
    # all of the second class are named as the first: below, left
    taken = of_colour(opened(f.confusion_figure([[5, 5], [4000, 0]], ["a", "b"])), DARKEST)
    row, column = middle(taken)
    assert (row > places[:, 0].mean(), column < places[:, 1].mean()) == (True, True)
    assert taken.sum() == pytest.approx(right.sum() / 2, rel=0.1)
    assert not of_colour(opened(f.confusion_figure(np.zeros((2, 2)), ["a", "b"])), DARKEST).any()


def test_the_training_curve_falls_and_its_running_median_is_bold() -> None:
    random = np.random.default_rng(0)
    loss = np.linspace(9, 1, 300) + np.where(random.random(300) < 0.2, 5.0, 0.0)
    pixels = opened(f.training_curve([{"step": float(i), "loss": float(one)} for i, one in enumerate(loss)]))
    bold = np.argwhere(of_colour(pixels, PALETTE[0]))
    left, right = bold[:, 1].min(), bold[:, 1].max()
    assert right - left > 0.8 * pixels.shape[1] * 0.9
    top = [bold[bold[:, 1] == column][:, 0].mean() for column in range(left + 5, right - 5)]
    assert np.corrcoef(top, np.arange(len(top)))[0, 1] > 0.99, "lower at each step, outliers or not"
    assert of_colour(pixels, PALETTE[0], alpha=0.35).sum() > 500, "what was recorded is there, faintly"


@pytest.mark.parametrize("length", [0, 1, 4])
def test_training_curves_of_any_length(length: int) -> None:
    pixels = opened(f.training_curve([{"step": i, "loss": 1 / (i + 1)} for i in range(length)]))
    assert of_colour(pixels, PALETTE[0]).any() == (length > 1)
    tall, wide, _ = pixels.shape
    words = pixels[2 * tall // 5 : 3 * tall // 5, 2 * wide // 5 : 3 * wide // 5].max(axis=2) < 180
    assert length or words.any(), "no training steps"


def evaluation(scores: dict[str, tuple[float, tuple[float, float] | None]], classes: int = 4) -> Evaluation:
    """An evaluation with that balanced accuracy by split, the first the headline."""
    names = tuple("abcdefgh"[:classes])
    confusion = np.eye(classes, dtype=np.int64)
    made = tuple(
        Score("probe", "vectors", name, 9, confusion, value, value, balanced_accuracy_interval=interval)
        for name, (value, interval) in scores.items()
    )
    return Evaluation(names, made, made[0])


def test_scores_lie_where_they_are_the_headline_first_and_the_random_split_last() -> None:
    found = evaluation({"neuron_id": (0.25, (0.15, 0.45)), RANDOM: (0.9, None), "brain_region": (0.65, None)}, 8)
    pixels = opened(f.score_figure(found))
    blue, grey = of_colour(pixels, PALETTE[0]), of_colour(pixels, "#8a8a8a")
    half = int(middle(blue)[0])
    upper, lower = blue.copy(), blue.copy()
    upper[half:], lower[:half] = False, False
    markers = [middle(largest(marker)) for marker in (upper, lower, grey)]
    (row, column), (row_region, column_region), (row_random, column_random) = markers
    assert row < row_region < row_random
    assert (column_random - column) / (column_region - column) == pytest.approx(0.65 / 0.4, abs=0.03)
    interval = np.argwhere(of_colour(pixels, PALETTE[0], alpha=0.35))
    assert abs(interval[:, 0].mean() - row) < 3, "of the headline, the only one with an interval"
    unit = (column_region - column) / 0.4
    assert (interval[:, 1].min() - column) / unit == pytest.approx(-0.1, abs=0.01)
    assert (interval[:, 1].max() - column) / unit == pytest.approx(0.2, abs=0.01)
    # chance, an eighth of eight classes, is a line of dashes
    left = int(column - 0.24 * unit)
    between = pixels[int(row) + 15 : int(row_region) - 15, left : int(column_region)]
    dashes = (between.max(axis=2) < 200).sum(axis=0)
    assert (left + int(dashes.argmax()) - column) / unit == pytest.approx(0.125 - 0.25, abs=0.005)
    assert dashes.max() >= 5


def test_a_headline_that_is_the_random_split_is_shown_once() -> None:
    pixels = opened(f.score_figure(evaluation({RANDOM: (0.5, None)})))
    assert spots(pixels, "#8a8a8a", least=20) == 1
    assert not of_colour(pixels, PALETTE[0]).any()


def card(cluster: int, synapses: int, **changes: Any) -> dict[str, Any]:
    """A row of `CLUSTER_CARDS`: three quarters gaba, the rest unknown; medoids c0, c1, ... of cluster c."""
    return {
        "cluster": cluster,
        "synapses": synapses,
        "share": synapses / 1000,
        "medoids": [f"{cluster}/{i}" for i in range(5)] if cluster >= 0 else [],
        "targets": json.dumps({"gaba": synapses * 3 // 4}),
        "regions": json.dumps({"EB": synapses}),
        "neurons": 3,
        "top_neuron_share": 0.4,
        "one_neuron": False,
        **changes,
    }


def test_a_card_shows_its_tiles_and_what_it_is_made_of() -> None:
    values = [10, 50, 90, 130, 170, 210]
    tiles = [np.full((60, 60), value, dtype=np.uint8) for value in values]
    pixels = opened(f.cluster_card_figure(card(0, 400, one_neuron=True), tiles))
    columns = [middle(of_grey(pixels, value))[1] for value in values[:5]]
    assert columns == sorted(columns)
    assert of_grey(pixels, 210).sum() < 100, "five at most"
    gaba = class_colours(["gaba"])["gaba"]
    known, unknown = (largest(of_colour(pixels, colour)) for colour in (gaba, NOISE_COLOUR))
    assert np.ptp(np.argwhere(known)[:, 1]) / np.ptp(np.argwhere(unknown)[:, 1]) == pytest.approx(3, abs=0.1)
    assert middle(known)[1] < middle(unknown)[1]
    assert of_colour(pixels, ONE_NEURON).any()
    several = opened(f.cluster_card_figure(card(0, 400), []))
    assert not of_colour(several, ONE_NEURON).any()
    assert max(of_grey(several, value).sum() for value in values) < 100


def test_a_sheet_has_the_largest_clusters_below_each_other_and_names_the_rest() -> None:
    cards = [card(number, 100 - number) for number in range(1, 14)] + [card(14, 300), card(-1, 500)]
    tiles = {f"{c['cluster']}/0": np.full((32, 32), 16 * c["cluster"] + 2, dtype=np.uint8) for c in cards[:-1]}
    tiles["99/0"] = np.full((32, 32), 250, dtype=np.uint8)

    def sheet(rows: list[dict[str, Any]]) -> np.ndarray:
        return opened(f.cluster_sheet(CLUSTER_CARDS.conform(pa.Table.from_pylist(rows, CLUSTER_CARDS.arrow)), tiles))

    def tile(pixels: np.ndarray, cluster: int) -> Mask:
        where = of_grey(pixels, 16 * cluster + 2)
        return where if where.sum() > 1000 else np.zeros_like(where)

    pixels = sheet(cards)
    rows = [middle(tile(pixels, number))[0] for number in (14, *range(1, 12))]
    assert rows == sorted(rows), "14 is the largest"
    assert np.diff(rows).min() > 100
    assert not tile(pixels, 12).any()
    assert not tile(pixels, 13).any()
    alone = sheet(cards[:1])
    assert tile(alone, 1).any()
    assert alone.shape[0] < pixels.shape[0] / 6
    assert of_colour(sheet(cards[-1:]), f.FAINT).any(), "no clusters; noise"
    assert of_colour(sheet([]), f.FAINT).any()
