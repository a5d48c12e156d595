"""Contributions of places to a probe of texture: they add up, and lie where the texture differs."""

import copy
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch

from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder import Encoder
from synapse_assets.vision.explanation.contributions import baseline_logits, texture_contributions
from synapse_assets.vision.explanation.explainable import Explainable, explainable_probe
from synapse_assets.vision.explanation.methods import explain, logits_of
from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec
from synapse_assets_tests.vision.conftest import planted_tiles
from synapse_assets_tests.vision.explanation.test_explainable import encoder

Tiles = npt.NDArray[np.uint8]


@cache
def planted() -> tuple[Tiles, npt.NDArray[np.int64]]:
    tiles, kinds = planted_tiles(45, seed=4)
    return np.ascontiguousarray(tiles[..., 8:40, 8:40]), kinds


@pytest.fixture
def some() -> tuple[Tiles, npt.NDArray[np.int64]]:
    return planted()


@cache
def fitted(pixel_nm: float, crop_px: int | None = None) -> Encoder:
    return fit_with_head(texture_spec(3, 32, pixel_nm, crop_px), None, planted()[0], 8, device="cpu")


def probe(encoder: Encoder, tiles: Tiles, kinds: npt.NDArray[np.int64]) -> Explainable:
    """Towards the mean vector of each kind, with logits of usual size."""
    vectors = encoder.embed(tiles, "cpu")
    means = np.stack([vectors[kinds == kind].mean(0) for kind in range(3)])
    means /= (vectors @ means.T).std() / 4
    return explainable_probe(encoder, means, np.arange(3), ("fine", "coarse", "blotches"))


@pytest.mark.parametrize(("pixel_nm", "crop_px"), [(4.0, 25), (2.0, None)])
def test_contributions_add_up_to_the_logit(
    some: tuple[Tiles, npt.NDArray[np.int64]], pixel_nm: float, crop_px: int | None
) -> None:
    """Also where voxels are averaged (2 nm), and of an odd crop."""
    tiles, kinds = some
    classifier = probe(fitted(pixel_nm, crop_px), tiles, kinds)
    assert classifier.methods == ("contribution", "occlusion")
    odd = tiles[:3].copy()
    odd[0, 0] = 90  # a section that shows nothing
    odd[1, 1] = 90  # the middle one
    odd[2, 2, :, 20:] = 90  # one that ends within the tile
    logits = logits_of(classifier, odd, "cpu")
    maps = explain(classifier, odd, "blotches", device="cpu")
    expected = logits[:, 2] - baseline_logits(classifier.network)[2].item()
    np.testing.assert_allclose(maps.sum((1, 2), dtype=np.float64), expected, atol=1e-3)
    assert np.abs(expected).max() > 0.5
    outside = (32 - classifier.network.seen_px) // 2
    assert not maps[:, :outside].any()


def test_the_average_tile_has_no_contribution_to_give(some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    """The baseline is the average of features: the mean of the logits of tiles whose features are not clipped."""
    tiles, kinds = some
    encoder = copy.deepcopy(fitted(4.0, 25))
    encoder.network.head.clip.fill_(1e6)
    classifier = probe(encoder, tiles, kinds)
    np.testing.assert_allclose(
        logits_of(classifier, tiles, "cpu").mean(0), baseline_logits(classifier.network).numpy(), atol=1e-3
    )


def test_the_place_that_was_changed_contributes(some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    tiles, kinds = some
    classifier = probe(fitted(8.0), tiles, kinds)
    mixed = tiles[kinds == 2][:4].copy()
    mixed[..., 16:] = tiles[kinds == 0][:4][..., 16:]
    maps = explain(classifier, mixed, "fine", device="cpu")
    assert (maps[..., 18:].mean((1, 2)) > maps[..., :14].mean((1, 2))).all()


def test_two_classes_of_which_one_has_no_weights(some: tuple[Tiles, npt.NDArray[np.int64]]) -> None:
    """As a probe of two classes is stored."""
    tiles, _ = some
    weights = np.stack([np.zeros(8), np.arange(8.0)])
    classifier = explainable_probe(fitted(4.0, 25), weights, [0, 1], ("a", "b"))
    first, second = (explain(classifier, tiles[:2], name, device="cpu") for name in ("a", "b"))
    np.testing.assert_allclose(first, -second, atol=1e-6)


def test_of_a_network_there_are_none() -> None:
    classifier = explainable_probe(encoder(), np.eye(6), np.zeros(6), tuple("abcdef"))
    with pytest.raises(BadInput, match="choose grad_cam or occlusion"):
        texture_contributions(classifier.network, torch.zeros(1, 1, 32, 32), torch.tensor([0]))
