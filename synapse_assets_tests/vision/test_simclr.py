"""Training without labels: views keep what must stay, training finds planted kinds, and repeats itself."""

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder import Encoder, TileNetwork
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets.vision.training import simclr
from synapse_assets.vision.training.augmentation import augment
from synapse_assets.vision.training.simclr import (
    PretrainingSettings,
    contrastive_loss,
    effective_rank,
    pretrain,
    untrained_encoder,
)
from synapse_assets_tests.vision.conftest import CROP, SECTIONS, planted_tiles


def test_views_keep_shape_and_differ():
    tiles = torch.from_numpy(planted_tiles(20, seed=2)[0])
    generator = torch.Generator().manual_seed(0)
    first, second = (augment(tiles, CROP, generator) for _ in range(2))
    assert first.shape == (20, SECTIONS, CROP, CROP)
    assert first.dtype == torch.float32
    assert (first - second).abs().mean() > 0.05
    again = augment(tiles, CROP, torch.Generator().manual_seed(0))
    assert torch.equal(first, again)


@pytest.mark.parametrize("side", [48, 49, 64, 33])
def test_views_are_never_rescaled(side):
    """A disc of radius 8 px at the centre keeps its area in every view, and stays within a pixel or so."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    disc = np.where(np.hypot(rows, columns) < 8, 230, 30).astype(np.uint8)
    tiles = torch.from_numpy(np.broadcast_to(disc, (200, SECTIONS, side, side)).copy())
    views = augment(tiles, CROP, torch.Generator().manual_seed(1)).numpy()[:, SECTIONS // 2]
    middle = (views.min((1, 2)) + views.max((1, 2))) / 2
    inside = views > middle[:, None, None]
    assert inside.sum((1, 2)) == pytest.approx((disc > 130).sum(), rel=0.08)
    grid = np.arange(CROP) - (CROP - 1) / 2
    for axis in (1, 2):
        centre = (inside.sum(axis) * grid).sum(1) / inside.sum((1, 2))
        assert np.abs(centre).max() < 2.1


def test_half_of_the_views_keep_their_pixels():
    """Quarter turns do not interpolate: a checkerboard of single pixels keeps its contrast in about half of them."""
    board = np.indices((64, 64)).sum(0) % 2 * 200 + 20
    tiles = torch.from_numpy(np.broadcast_to(board, (300, 1, 64, 64)).astype(np.uint8))
    views = augment(tiles, CROP, torch.Generator().manual_seed(2))
    sharp = (views.std((1, 2, 3)) > 0.25).float().mean()
    assert 0.25 < sharp < 0.55  # half, less the blurred ones


def test_no_view_is_much_brighter_or_darker():
    tiles = torch.full((200, SECTIONS, 48, 48), 128, dtype=torch.uint8)
    grey = augment(tiles, CROP, torch.Generator().manual_seed(3)).mean((2, 3))
    assert (grey - 0.5).abs().max() < 0.09
    assert (grey - 0.5).abs().max() > 0.04


def test_any_section_may_be_lost_and_the_middle_one_stands_there():
    tiles = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (600, 5, 48, 48), dtype=np.uint8))
    views = augment(tiles, CROP, torch.Generator().manual_seed(4))
    lost = (views == views[:, 2:3]).all(3).all(2)
    assert lost[:, 2].all()
    assert lost.sum(1).max() == 2
    share = lost.float().mean(0)[[0, 1, 3, 4]]
    assert ((share > 0.005) & (share < 0.045)).all(), "a tenth of the views, shared by five sections"


def test_one_section_is_enough():
    tiles = torch.from_numpy(planted_tiles(4, seed=2)[0][:, :1])
    assert augment(tiles, CROP, torch.Generator()).shape == (4, 1, CROP, CROP)


def test_training_lowers_the_loss_and_keeps_its_budget(trained):
    encoder, history = trained
    assert [row["step"] for row in history] == list(range(10, 91, 10))
    blind = np.log(63)  # the loss of guessing among the 63 other views of a batch
    assert np.mean([row["loss"] for row in history[-3:]]) < blind - 0.3
    assert np.mean([row["matched"] for row in history[-3:]]) > 3 / 63
    assert encoder.spec.origin == "self_supervised"
    assert not encoder.network.training


def test_training_finds_planted_kinds_better_than_a_random_network(trained):
    encoder, _ = trained
    known, kinds = planted_tiles(150, seed=11)
    asked, truth = planted_tiles(150, seed=12)
    torch.manual_seed(0)
    spec = encoder.spec
    untrained = Encoder(spec, TileNetwork(spec, build_backbone(spec.architecture, SECTIONS, CROP, spec.pooling)))
    right = {}
    for name, candidate in (("trained", encoder), ("random", untrained)):
        votes = KNeighborsClassifier(5, metric="cosine").fit(candidate.embed(known), kinds)
        right[name] = votes.score(candidate.embed(asked), truth)
    assert right["trained"] > max(0.65, right["random"] + 0.05), right


class Watched:
    """Trains for two steps of eight tiles, and keeps what the views were made of and what they became."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._calls: list[tuple[torch.Tensor, torch.Tensor]] = []
        monkeypatch.setattr(simclr, "augment", self._augment)

    def _augment(self, tiles: torch.Tensor, crop_px: int, generator: torch.Generator) -> torch.Tensor:
        self._calls.append((tiles, augment(tiles, crop_px, generator)))
        return self._calls[-1][1]

    def run(
        self, tiles: np.ndarray, seed: int, learning_rate: float = 1e-3, partners: np.ndarray | None = None
    ) -> tuple[Encoder, torch.Tensor, torch.Tensor]:
        """The encoder, the tiles (4, 8, ...) of the four calls, and their views."""
        self._calls.clear()
        settings = PretrainingSettings("em_resnet10", 24, 8, max_steps=2, seed=seed, learning_rate=learning_rate)
        encoder, _ = pretrain(tiles, settings, partners=partners)
        given, views = zip(*self._calls, strict=True)
        return encoder, torch.stack(given), torch.stack(views)


def test_the_seed_decides_on_starting_weights(tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    # Without a learning rate the weights stay as they begin.
    first, again, other = (
        dict(watched.run(tiles, seed, learning_rate=0.0)[0].network.named_parameters()) for seed in (0, 0, 1)
    )
    convolutions = [name for name, weights in first.items() if weights.ndim == 4]
    assert len(convolutions) > 5
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in convolutions)


def test_an_untrained_encoder_is_what_training_starts_from(tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    started = dict(Watched(monkeypatch).run(tiles, 3, learning_rate=0.0)[0].network.named_parameters())
    settings = PretrainingSettings(architecture="em_resnet10", crop_px=CROP, seed=3)
    untrained = dict(untrained_encoder(tiles, settings).network.named_parameters())
    assert started.keys() == untrained.keys()
    assert all(torch.equal(started[name], untrained[name]) for name in started)


@pytest.mark.parametrize(("count", "sections", "side"), [(1, 1, 8), (2, 9, 24)])
def test_an_untrained_encoder_takes_few_small_and_constant_tiles(count: int, sections: int, side: int) -> None:
    constant = np.full((count, sections, side, side), 90, dtype=np.uint8)
    settings = PretrainingSettings(architecture="em_resnet10", crop_px=side)
    vectors = untrained_encoder(constant, settings).embed(constant, "cpu")
    assert vectors.shape == (count, 512)
    assert np.isfinite(vectors).all()


def test_the_seed_decides_on_views(tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one and the same tile, so that its place in the order tells nothing."""
    watched = Watched(monkeypatch)
    same = np.repeat(tiles[:1], 8, axis=0)
    first, again, other = (watched.run(same, seed)[2] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    everything = torch.cat([first, other]).flatten(0, 1).flatten(1)
    assert len(torch.unique(everything, dim=0)) == 2 * 4 * 8, (
        "no view comes twice, in a step, from step to step or by another seed"
    )


def test_the_seed_decides_on_the_order_of_tiles_and_so_on_the_encoder(
    tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    state = torch.get_rng_state()
    first, again, other = (watched.run(tiles[:16], seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are left alone
    vectors = [encoder.embed(tiles[:5]) for encoder, *_ in (first, again, other)]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])
    for _, given, _ in (first, other):
        assert torch.equal(given[0::2], given[1::2]), "both views are of the same tiles"
        epoch = given[0::2].flatten(0, 1).numpy()
        assert not np.array_equal(epoch, tiles[:16])
        assert sorted(one.tobytes() for one in epoch) == sorted(one.tobytes() for one in tiles[:16]), "each once"


def test_stops_by_seconds_and_reports(tiles):
    rows = []
    settings = PretrainingSettings(
        architecture="em_resnet10", crop_px=24, batch_size=16, max_steps=None, max_seconds=0.5
    )
    _, history = pretrain(tiles, settings, rows.append)
    assert rows == history
    assert 0.5 <= history[-1]["seconds"] < 10


@pytest.mark.parametrize("count", [2, 5])
def test_fewer_tiles_than_a_batch(tiles, count):
    settings = PretrainingSettings(architecture="em_resnet10", crop_px=24, max_steps=2)
    encoder, history = pretrain(tiles[:count], settings)
    assert np.isfinite(encoder.embed(tiles[:3])).all()
    assert np.isfinite(history[-1]["loss"])


def test_one_tile_or_wrong_tiles_are_refused(tiles):
    with pytest.raises(BadInput, match="at least 2"):
        pretrain(tiles[:1], PretrainingSettings())
    with pytest.raises(BadInput, match="uint8"):
        pretrain(tiles[:, 0], PretrainingSettings())
    with pytest.raises(BadInput, match="max_steps or max_seconds"):
        PretrainingSettings(max_steps=None)
    for nothing in ({"max_steps": 0}, {"max_steps": 5, "max_seconds": 0.0}, {"max_steps": None, "max_seconds": -1.0}):
        with pytest.raises(BadInput, match="the budget must be above zero"):
            PretrainingSettings(**nothing)
    with pytest.raises(BadInput, match="batch_size must be at least 2, not 1"):
        PretrainingSettings(batch_size=1)


def test_equal_tiles_do_not_break_it():
    same = np.full((8, 1, 32, 32), 7, dtype=np.uint8)
    settings = PretrainingSettings(architecture="em_resnet10", crop_px=24, max_steps=2)
    encoder, _ = pretrain(same, settings)
    assert np.isfinite(encoder.embed(same)).all()


def test_effective_rank_counts_directions():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(300, 1, generator=generator) @ torch.randn(1, 40, generator=generator)
    full = torch.linalg.qr(torch.randn(300, 40, generator=generator))[0]
    assert effective_rank(flat) == pytest.approx(1, abs=0.01)
    assert effective_rank(full) == pytest.approx(40, abs=0.01)


def test_the_loss_follows_its_equation():
    """SimCLR equation 1, term by term, on random views."""
    rows = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    unit = rows / rows.norm(dim=1, keepdim=True)
    terms = []
    for i in range(10):
        likeness = [math.exp(float(unit[i] @ unit[k]) / 0.2) for k in range(10)]
        terms.append(-math.log(likeness[(i + 5) % 10] / (sum(likeness) - likeness[i])))
    assert float(contrastive_loss(rows, 0.2)) == pytest.approx(sum(terms) / 10, rel=1e-5)


def numbered(tiles: torch.Tensor) -> list[int]:
    """Which tiles these are: the tests below give them their number as grey value."""
    return [int(tile.flatten()[0]) for tile in tiles]


def test_the_second_view_is_of_a_partner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three synapses of one neuron, two of another, three without; the rest of the training is as before."""
    tiles = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None, None, None], (8, 1, 32, 32)).copy()
    partners = {0: {1, 2}, 1: {0, 2}, 2: {0, 1}, 3: {4}, 4: {3}, 5: {5}, 6: {6}, 7: {7}}
    pairs = np.array([[0, 1], [2, 1], [0, 2], [4, 3]])
    watched = Watched(monkeypatch)
    drawn: dict[int, set[int]] = {number: set() for number in range(8)}
    for seed in range(6):
        _, given, _ = watched.run(tiles, seed, partners=pairs)
        for chosen, second in zip(given[0::2], given[1::2], strict=True):
            assert sorted(numbered(chosen)) == list(range(8))
            for tile, partner in zip(numbered(chosen), numbered(second), strict=True):
                drawn[tile].add(partner)
    assert drawn == partners


def test_no_partners_change_nothing(tiles: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    encoders = [watched.run(tiles[:20], 0, partners=none)[0] for none in (None, np.empty((0, 2), np.int64))]
    first, second = (encoder.network.state_dict() for encoder in encoders)
    assert all(torch.equal(first[name], second[name]) for name in first)
