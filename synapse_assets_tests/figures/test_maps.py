"""Maps: what was planted is seen in their pixels, the same each time, and empty ones have something to say."""

import numpy as np
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.figures.interactive_3d import space_page
from synapse_assets.figures.maps import _push_apart, map_figure, maps_sheet, space_figure
from synapse_assets.figures.style import FAINT, INK, Verdict, cluster_colour, verdict_colour
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE, class_colours
from synapse_assets_tests.figures.pixels import (
    Pixels,
    middle,
    of_colour,
    opened,
    opened_sheet,
    spots,
    vividness,
)
from synapse_assets_tests.figures.planted import CORNERS, SENTENCE, VERDICTS


def test_the_map_shows_each_synapse_in_its_classs_colour_and_the_rest_in_grey() -> None:
    grid = np.array([[x, y] for x in range(4) for y in range(4)], dtype=float)
    labels: list[str | int | None] = ["gaba"] * 6 + ["glutamate"] * 4 + ["serotonin"] * 2 + [None] * 3 + [""]
    png = map_figure(grid, labels, "a map")
    pixels, colours = opened(png), class_colours(["gaba", "glutamate", "serotonin"])
    assert png == map_figure(grid, labels, "a map")
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
    few = opened(map_figure(grid, [-1, 0, 1, None] * 5, "clusters"))
    assert [spots(few, colour, alpha=0.8) for colour in PALETTE[:3]] == [5, 5, 0]
    assert spots(few, NOISE_COLOUR, alpha=0.6) == 10
    many = opened(map_figure(grid, list(range(20)), "clusters"))
    assert many.shape[1] == few.shape[1]
    assert sum(spots(many, colour, least=15) for colour in PALETTE) == 0, "no legend"
    assert of_colour(many, INK).sum() > 3 * of_colour(few, INK).sum(), "names instead"


@pytest.mark.parametrize("rows", [0, 1, 20_000])
def test_maps_of_any_size(rows: int) -> None:
    xy = np.random.default_rng(0).normal(size=(rows, 2))
    pixels = opened(map_figure(xy, [(None, "gaba", "glutamate")[i % 3] for i in range(rows)], "a map"))
    assert of_colour(pixels, class_colours(["gaba"])["gaba"]).any() == (rows > 1)
    assert of_colour(pixels, FAINT).any(), "what the axes are, or that there are no synapses"


GRID = np.array([[x, y] for x in range(4) for y in range(4)], dtype=float)


def test_the_map_shows_each_synapse_in_its_clusters_colour() -> None:
    clusters = [0] * 7 + [1] * 5 + [None] * 3 + [-1]
    png = maps_sheet(GRID, clusters, ["calbindin"] * 16, ["cb1"] * 16, np.ones(16), "as")
    pixels = opened_sheet(png)
    assert png == maps_sheet(GRID, clusters, ["calbindin"] * 16, ["cb1"] * 16, np.ones(16), "as")
    left = pixels[:, : pixels.shape[1] // 3]
    # one more of each is in the legend
    assert [spots(left, cluster_colour(c)) for c in (0, 1, 2, -1)] == [8, 6, 0, 5]


def test_the_map_by_neuron_has_a_hue_a_type_and_a_shade_a_neuron() -> None:
    neurons = ["cb1"] * 6 + ["cb2"] * 4 + ["pv1"] * 6
    types = ["calbindin"] * 10 + ["parvalbumin"] * 6
    pixels = opened_sheet(maps_sheet(GRID, [None] * 16, types, neurons, np.full(16, np.nan), "as"))
    wide = pixels.shape[1]
    middle = pixels[:, wide // 3 + 15 : 2 * wide // 3]
    flat = middle.reshape(-1, 3)
    coloured, counts = np.unique(flat[np.ptp(flat, axis=1) > 20], axis=0, return_counts=True)
    faces = ["#{:02x}{:02x}{:02x}".format(*c) for c in coloured[counts > 150]]
    assert sorted(spots(middle, face) for face in faces) == [5, 7, 7]
    # unknown areas are grey
    assert spots(pixels[:, 2 * wide // 3 + 15 :], NOISE_COLOUR) == 17


def test_larger_synapses_are_darker_on_the_map() -> None:
    areas = GRID[:, 0] + 1.0
    pixels = opened_sheet(maps_sheet(GRID, [None] * 16, ["t"] * 16, ["n"] * 16, areas, "as"))
    tall, wide, _ = pixels.shape
    panel = pixels[int(0.2 * tall) : int(0.75 * tall), 2 * wide // 3 + 40 : wide - 25].astype(float)
    columns = np.array_split(panel, 4, axis=1)
    light = [column[np.ptp(column, axis=2) > 20].mean() for column in columns]
    assert light == sorted(light, reverse=True)
    assert light[0] > light[3] + 40


def test_inputs_of_different_length_are_told() -> None:
    with pytest.raises(BadInput, match="'clusters': 2"):
        maps_sheet(GRID, [0, 1], ["t"] * 16, ["n"] * 16, np.ones(16), "as")
    with pytest.raises(BadInput, match="'hover': 1"):
        space_page(CORNERS, [0] * 8, ["one"], "as")


@pytest.mark.parametrize("draw", ["map", "sheet", "space"])
def test_the_less_clusters_can_be_trusted_the_greyer_they_are_under_their_verdict(draw: str) -> None:
    def drawn(verdict: Verdict | None) -> Pixels:
        if draw == "space":
            return opened_sheet(space_figure(CORNERS, [0, 0, 0, 0, 1, 1, 1, -1], "as", verdict=verdict))
        labels = [0] * 7 + [1] * 5 + [-1] * 4
        if draw == "map":
            return opened(map_figure(GRID, labels, "as", verdict))
        sheet = maps_sheet(GRID, labels, ["t"] * 16, ["n"] * 16, np.ones(16), "as", verdict=verdict)
        # the panel by cluster
        return opened_sheet(sheet)[:, : 1310 // 3]

    plain, unjudged = drawn(None), drawn(Verdict("", "not judged yet"))
    judged = {word: drawn(verdict) for word, verdict in VERDICTS.items()}
    head = 70
    vivid = {word: vividness(pixels[head:]) for word, pixels in judged.items()}
    assert vivid["stable"] == vividness(plain[head:])
    assert vivid["stable"] - 50 > vivid["fragile"] > 2 * vivid["not distinguishable from noise"] > 20
    assert vividness(unjudged[head:]) == vivid["fragile"]
    alpha = 0.8 if draw == "map" else 1.0
    crisp = [spots(plain, cluster_colour(c), alpha=alpha) for c in (0, 1)]
    assert min(crisp) >= 4
    for word, pixels in judged.items():
        where = [said for said in VERDICTS if of_colour(pixels[:head], verdict_colour(said)).sum() > 50]
        assert where == [word]
        counts = [spots(pixels, cluster_colour(c, VERDICTS[word]), alpha=alpha) for c in (0, 1)]
        assert counts == crisp, "each synapse in its cluster, as ever"
    assert of_colour(unjudged[:head], INK).sum() > of_colour(plain[:head], INK).sum() + 50


def test_what_is_not_clustered_has_no_panel_and_no_legend_of_clusters() -> None:
    types, neurons, areas = ["t"] * 16, ["n"] * 16, GRID[:, 0] + 1
    pixels = opened_sheet(maps_sheet(GRID, None, types, neurons, areas, "as"))
    wide = pixels.shape[1]
    # sixteen synapses and the legend of the neuron, at the left where clusters would be
    (hue,) = {colour for colour in PALETTE if spots(pixels[:, : wide // 2], colour) == 17}
    assert spots(pixels[:, wide // 2 :], hue) == 0
    assert spots(pixels, NOISE_COLOUR) == 0
    with_clusters = opened_sheet(maps_sheet(GRID, [None] * 16, types, neurons, areas, "as"))
    assert spots(with_clusters, NOISE_COLOUR) == 17, "clustered, and in no cluster"
    space = opened_sheet(space_figure(CORNERS, None, "as"))
    assert [spots(space, colour) for colour in (PALETTE[0], NOISE_COLOUR)] == [16, 0]


def test_areas_are_in_the_unit_that_the_dataset_gives() -> None:
    def right(unit: str) -> Pixels:
        sheet = maps_sheet(GRID, None, ["t"] * 16, ["n"] * 16, GRID[:, 0] + 1, "as", area_unit=unit)
        return opened_sheet(sheet)

    usual = right("")
    assert np.array_equal(usual, right("unit of the workbook"))
    metric, formula = right("µm²"), right(r"$\frac$")
    assert not np.array_equal(metric, usual)
    assert not np.array_equal(formula, metric), "no formula, so none that could be wrong"


@pytest.mark.parametrize("clusters", [0, 1, 40])
@pytest.mark.parametrize("synapses", [0, 1, 300])
def test_sheets_of_maps_of_any_size(synapses: int, clusters: int) -> None:
    random = np.random.default_rng(0)
    xy = random.normal(size=(synapses, 2))
    numbers = [i % clusters if clusters else None for i in range(synapses)]
    neurons = [f"n{i % 60}" for i in range(synapses)]
    types = [f"type {i % 60 % 5}" for i in range(synapses)]
    opened_sheet(maps_sheet(xy, numbers, types, neurons, random.lognormal(size=synapses), SENTENCE))


def test_names_of_clusters_in_the_same_place_are_pushed_apart() -> None:
    moved = _push_apart(np.zeros((12, 2)), 0.5)
    gaps = np.linalg.norm(moved[:, None] - moved[None], axis=2) + 9 * np.eye(12)
    assert gaps.min() > 0.4
    assert np.abs(moved).max() < 3


def test_the_space_is_seen_from_two_sides() -> None:
    clusters = [0, 0, 0, 1, 1, None, None, 20]
    pixels = opened_sheet(space_figure(CORNERS, clusters, "as"))
    assert [spots(pixels, cluster_colour(c)) for c in (0, 1, -1, 20)] == [7, 5, 5, 3]
    half = pixels.shape[1] // 2
    assert spots(pixels[:600, :half], cluster_colour(0)) == spots(pixels[:600, half:], cluster_colour(0)) == 3


def test_spaces_of_any_size() -> None:
    opened_sheet(space_figure(np.zeros((0, 3)), [], SENTENCE))
    opened_sheet(space_figure([[1, 2, 3]], [None], "one"))
    opened_sheet(space_figure(np.random.default_rng(0).normal(size=(200, 3)), [i % 40 for i in range(200)], "many"))
