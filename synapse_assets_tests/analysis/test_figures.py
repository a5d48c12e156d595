"""Pictures: they are small PNGs, the same each time, and have something to say when there is nothing to draw."""

import io

import numpy as np
import pytest
from PIL import Image

from synapse_assets.analysis import figures as f
from synapse_assets.analysis.classification import Evaluation, evaluate
from synapse_assets.analysis.clustering import cluster_cards
from synapse_assets.analysis.splits import make_splits
from synapse_assets_tests.analysis.planted import styled


def opened(png: bytes) -> Image.Image:
    """The picture, if it is a small PNG."""
    assert len(png) <= 300_000
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return picture


@pytest.mark.parametrize("rows", [0, 1, 30, 20_000])
def test_maps_of_any_size(rows: int) -> None:
    random = np.random.default_rng(0)
    xy = random.normal(size=(rows, 2))
    png = f.map_figure(xy, [(None, "gaba", "glutamate")[i % 3] for i in range(rows)], "a map")
    opened(png)
    assert png == f.map_figure(xy, [(None, "gaba", "glutamate")[i % 3] for i in range(rows)], "a map")
    opened(f.map_figure(xy, [i % 20 - 1 for i in range(rows)], "clusters"))


def test_scores_and_curves() -> None:
    synapses, vectors = styled(neurons=12)
    splits, _ = make_splits(synapses, ["neuron_id", "brain_region"], 0)
    found = evaluate(synapses.column("synapse_id").to_pylist(), vectors, splits, "neuron_id", 0)
    assert isinstance(found, Evaluation)
    opened(f.score_figure(found))
    opened(f.confusion_figure(found.headline.confusion, found.classes))
    opened(f.confusion_figure(np.zeros((2, 2)), ["a", "b"]))
    for length in (0, 1, 4, 300):
        opened(f.training_curve([{"step": i, "loss": 1 / (i + 1)} for i in range(length)]))


def test_cluster_cards_with_and_without_tiles() -> None:
    synapses, vectors = styled(neurons=30)
    rows = synapses.append_column("cluster", [np.arange(360, dtype=np.int32) % 15 - 1])
    cards = cluster_cards(rows.append_column("reduced", [list(vectors[:, :3])]))
    random = np.random.default_rng(0)
    medoids = [m for row in cards.column("medoids").to_pylist() for m in row]
    tiles = {m: random.integers(0, 255, (256, 256), dtype=np.uint8) for m in medoids[3:]}
    opened(f.cluster_sheet(cards, tiles))
    opened(f.cluster_sheet(cards.slice(0, 1), {}))
    opened(f.cluster_sheet(cards.slice(0, 0), {}))
    card = cards.to_pylist()[1]
    opened(f.cluster_card_figure(card, [tiles[m] for m in card["medoids"] if m in tiles]))
    opened(f.cluster_card_figure(card, []))
