"""The picture of recipes: a line each, every synapse a column."""

import numpy as np

from synapse_assets.figures.recipes import RecipeRow, recipes_figure
from synapse_assets.schema.colours import NOISE_COLOUR, PALETTE
from synapse_assets_tests.figures.pixels import opened

NEURONS = ["pv1"] * 40 + ["pv2"] * 40
SHARES = {"place": 0.9, "shape": None, "neuron": 0.1}


def row(name: str, groups: list[int], verdict: str | None = "stable") -> RecipeRow:
    return RecipeRow(name, np.array(groups, dtype=np.int64), verdict, "2 clusters", SHARES)


def drawn(rows: list[RecipeRow], names: list[str], kept: list[bool]) -> np.ndarray:
    return opened(recipes_figure(rows, NEURONS, names, kept, "Planted: two recipes", "So read none of it."))


def has(picture: np.ndarray, colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(picture[..., :3].astype(int) - rgb).max(axis=-1) <= 2).sum() > 400)


def test_a_group_that_every_recipe_finds_has_the_strong_colour_in_every_line() -> None:
    lines = [row("ours", [0] * 40 + [1] * 40), row("published", [0] * 40 + [2] * 30 + [-1] * 10, None)]
    picture = drawn(lines, ["both", "ours alone", "published alone"], [True, False, False])
    assert has(picture, PALETTE[0])
    assert has(picture, NOISE_COLOUR)
    assert not has(picture, PALETTE[1])
    assert not has(picture, PALETTE[2])


def test_no_group_no_synapse_and_many_groups_are_drawn() -> None:
    none = recipes_figure([row("ours", [])], [], [], [], "Nobody", "Nothing is known.")
    assert opened(none).shape[0] > 100
    many = [row("ours", [number % 20 for number in range(80)])]
    assert (
        opened(recipes_figure(many, NEURONS, [str(n) for n in range(20)], [False] * 20, "Many", "So.")).shape[0] > 100
    )
    neurons = [f"n{number}" for number in range(80)]
    assert (
        opened(recipes_figure(many, neurons, [str(n) for n in range(20)], [False] * 20, "Many", "So.")).shape[0] > 100
    )
