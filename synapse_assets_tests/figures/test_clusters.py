"""Cards of clusters: their tiles, and what they are made of."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.figures.clusters import cluster_card_figure, cluster_sheet
from synapse_assets.figures.style import FAINT, verdict_colour
from synapse_assets.schema import CLUSTER_CARDS
from synapse_assets.schema.colours import NOISE_COLOUR, class_colours
from synapse_assets_tests.figures.pixels import (
    Mask,
    Pixels,
    largest,
    middle,
    of_colour,
    of_grey,
    opened,
)
from synapse_assets_tests.figures.planted import VERDICTS

EXPLAINED = "#B23A00"


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
        "explained_by": "{}",
        **changes,
    }


def test_a_card_shows_its_tiles_and_what_it_is_made_of() -> None:
    values = [10, 50, 90, 130, 170, 210]
    tiles = [np.full((60, 60), value, dtype=np.uint8) for value in values]
    pixels = opened(cluster_card_figure(card(0, 400, explained_by='{"one section": 300}'), tiles))
    columns = [middle(of_grey(pixels, value))[1] for value in values[:5]]
    assert columns == sorted(columns)
    assert of_grey(pixels, 210).sum() < 100, "five at most"
    gaba = class_colours(["gaba"])["gaba"]
    known, unknown = (largest(of_colour(pixels, colour)) for colour in (gaba, NOISE_COLOUR))
    assert np.ptp(np.argwhere(known)[:, 1]) / np.ptp(np.argwhere(unknown)[:, 1]) == pytest.approx(3, abs=0.1)
    assert middle(known)[1] < middle(unknown)[1]
    assert of_colour(pixels, EXPLAINED).any()
    twice = opened(cluster_card_figure(card(0, 400, explained_by='{"one section": 300, "padded": 400, "x": 400}'), []))
    assert np.ptp(np.argwhere(of_colour(twice, EXPLAINED))[:, 0]) > 2 * np.ptp(
        np.argwhere(of_colour(pixels, EXPLAINED))[:, 0]
    ), "a line each"
    several = opened(cluster_card_figure(card(0, 400, explained_by=None), []))
    assert not of_colour(several, EXPLAINED).any()
    assert max(of_grey(several, value).sum() for value in values) < 100


@pytest.mark.parametrize("word", VERDICTS)
def test_cards_stand_under_the_verdict_on_the_clustering(word: str) -> None:
    def drawn(verdict: str | None) -> list[Pixels]:
        rows = [card(number, 100 - number, verdict=verdict) for number in (0, 1, -1)]
        table = CLUSTER_CARDS.conform(pa.Table.from_pylist(rows, CLUSTER_CARDS.arrow))
        return [opened(cluster_sheet(table, {})), opened(cluster_card_figure(rows[0], []))]

    for judged, unknown in zip(drawn(word), drawn(None), strict=True):
        words = np.argwhere(of_colour(judged, verdict_colour(word)))
        assert len(words) > 50
        added = len(judged) - len(unknown)
        assert words[:, 0].max() < added < 50
        assert not of_colour(unknown, verdict_colour(word)).any()
        assert not [said for said in VERDICTS if said != word and of_colour(judged, verdict_colour(said)).sum() > 50]


def test_a_sheet_has_the_largest_clusters_below_each_other_and_names_the_rest() -> None:
    cards = [card(number, 100 - number) for number in range(1, 14)] + [card(14, 300), card(-1, 500)]
    tiles = {f"{c['cluster']}/0": np.full((32, 32), 16 * c["cluster"] + 2, dtype=np.uint8) for c in cards[:-1]}
    tiles["99/0"] = np.full((32, 32), 250, dtype=np.uint8)

    def sheet(rows: list[dict[str, Any]]) -> np.ndarray:
        return opened(cluster_sheet(CLUSTER_CARDS.conform(pa.Table.from_pylist(rows, CLUSTER_CARDS.arrow)), tiles))

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
    assert of_colour(sheet(cards[-1:]), FAINT).any(), "no clusters; noise"
    assert of_colour(sheet([]), FAINT).any()
