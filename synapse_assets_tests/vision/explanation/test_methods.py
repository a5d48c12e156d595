"""Maps of single tiles: against formulas of a few lines, and as tiles are turned, cropped and empty."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder import Encoder, TileNetwork
from synapse_assets.vision.explanation.explainable import (
    Explainable,
    ExplainedNetwork,
    explainable_network,
    explainable_probe,
)
from synapse_assets.vision.explanation.methods import EmptyMapError, explain, logits_of
from synapse_assets_tests.vision.explanation.planted import SPEC, planted_tiles, untrained
from synapse_assets_tests.vision.explanation.test_explainable import BESIDE, encoder

TILES = planted_tiles(4, seed=3)[0]


@pytest.fixture(scope="module")
def classifier() -> Explainable:
    return explainable_network(untrained())


class _Brightest(ExplainedNetwork):
    """Class 1 where some square of 8 px is bright."""

    crop_px = seen_px = 32

    def forward(self, tiles: Tensor) -> Tensor:
        brightest = functional.avg_pool2d(tiles, 8, 1).amax((1, 2, 3))
        return torch.stack([128 - brightest, brightest - 128], 1)


def test_grad_cam_is_that_of_its_formula(classifier: Explainable) -> None:
    network = untrained().network
    seen: list[Tensor] = []
    network.backbone.layer1.register_forward_hook(lambda module, inputs, output: seen.append(output))
    logits = network(torch.from_numpy(TILES))[:, network.dimensions :]
    explained = (logits[:, 2] - logits.mean(1)).sum()
    gradient = torch.autograd.grad(explained, seen[0])[0].numpy()
    cells = (gradient.mean((2, 3))[:, :, None, None] * seen[0].detach().numpy()).sum(1)
    found = explain(classifier, TILES, "dark", "grad_cam", "cpu")
    assert found.dtype == np.float32
    # Every second pixel is the centre of a cell.
    np.testing.assert_allclose(found[:, ::2, ::2], cells, atol=1e-6)
    np.testing.assert_allclose(found[:, 1:-1:2, ::2], (cells[:, 1:] + cells[:, :-1]) / 2, atol=1e-6)


def test_integrated_gradients_add_up(classifier: Explainable) -> None:
    flat = np.rint(TILES.mean((-2, -1), keepdims=True)).astype(np.uint8) + np.zeros_like(TILES)
    logits, at_flat = logits_of(classifier, TILES, "cpu"), logits_of(classifier, flat, "cpu")
    found = explain(classifier, TILES, [0, 1, 2, 0], "integrated_gradients", "cpu").sum((1, 2))
    expected = (logits - at_flat)[np.arange(4), [0, 1, 2, 0]]
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_all_eight_views_are_explained_and_turned_back() -> None:
    whole = encoder()
    weights = np.random.default_rng(1).standard_normal((2, whole.dimensions))
    eight = explainable_probe(whole, weights, np.zeros(2), ("a", "b"))
    maps = explain(eight, TILES, "a", "grad_cam", "cpu")
    for turn in (
        lambda t: np.rot90(t, 1, (-2, -1)),
        lambda t: t[..., ::-1],
        lambda t: np.rot90(t[..., ::-1], 3, (-2, -1)),
    ):
        turned = explain(eight, np.ascontiguousarray(turn(TILES)), "a", "grad_cam", "cpu")
        np.testing.assert_allclose(turned, turn(maps), atol=1e-5 * np.abs(maps).max())
    # One view alone is not the mean of all.
    one = Encoder(
        replace(whole.spec, views=1), TileNetwork(replace(BESIDE, views=1), whole.network.backbone, whole.network.head)
    )
    alone = explain(explainable_probe(one, weights, np.zeros(2), ("a", "b")), TILES, "a", "grad_cam", "cpu")
    assert np.abs(alone - maps).max() > 0.1 * np.abs(maps).max()
    assert not maps[:, :4].any()  # beyond the crop of the network
    assert maps[:, 4:-4, 4:-4].any()


def test_occlusion_finds_the_planted_square() -> None:
    tiles = np.full((3, 1, 32, 32), 100, np.uint8)
    for tile, (y, x) in zip(tiles, [(2, 3), (14, 20), (22, 9)], strict=True):
        tile[0, y : y + 8, x : x + 8] = 250
    classifier = Explainable(("none", "bright"), (1, 32, 32), _Brightest(), ("occlusion",))
    maps = explain(classifier, tiles, device="cpu")
    inside = tiles[:, 0] == 250
    assert maps[inside].mean() > 10 * np.abs(maps[~inside]).mean()
    assert inside.reshape(3, -1)[np.arange(3), maps.reshape(3, -1).argmax(1)].all()
    # The darkest class loses by what the other gains.
    np.testing.assert_allclose(explain(classifier, tiles, "none", device="cpu"), -maps, atol=1e-4)


@pytest.mark.parametrize("method", ["grad_cam", "occlusion", "gradients", "integrated_gradients", "smooth_grad"])
def test_a_map_does_not_depend_on_its_companions(classifier: Explainable, method: str) -> None:
    together = explain(classifier, TILES[:2], [2, 1], method, "cpu")
    alone = explain(classifier, TILES[1:2], [1], method, "cpu")
    np.testing.assert_allclose(together[1:], alone, atol=1e-4 * np.abs(alone).max())
    assert (together >= 0).all() == (method in ("gradients", "smooth_grad"))


def test_by_default_the_class_that_is_named(classifier: Explainable) -> None:
    named = logits_of(classifier, TILES, "cpu").argmax(1).tolist()
    np.testing.assert_array_equal(
        explain(classifier, TILES, device="cpu"), explain(classifier, TILES, named, "grad_cam", "cpu")
    )
    assert explain(classifier, TILES[:0], device="cpu").shape == (0, 32, 32)


def test_an_empty_map_is_never_silent(classifier: Explainable) -> None:
    tiles = TILES.copy()
    tiles[2] = 77
    with pytest.raises(EmptyMapError, match="1 of 4 tiles, the first is number 2") as raised:
        explain(classifier, tiles, "dark", "occlusion", "cpu")
    assert raised.value.rows == [2]
    assert raised.value.maps[[0, 1, 3]].any((1, 2)).all()


def _refused(classifier: Explainable, match: str, tiles: npt.NDArray[np.uint8] = TILES, **arguments: object) -> None:
    with pytest.raises(BadInput, match=match):
        explain(classifier, tiles, device="cpu", **arguments)  # type: ignore[arg-type]


def test_bad_input_is_refused_by_name(classifier: Explainable) -> None:
    _refused(classifier, r"takes uint8 tiles \(N, 1, 32, 32\), not float32", TILES.astype(np.float32))
    _refused(classifier, r"not uint8 \(4, 1, 16, 32\)", TILES[:, :, :16])
    _refused(classifier, "no class 'brigth'; the classes are bright, checked, dark", target="brigth")
    _refused(classifier, "one class a tile, from 0 to 2", target=[0, 1, 2, 3])
    _refused(classifier, "choose one of grad_cam, occlusion", method="contribution")
    _refused(classifier, "'guided_backpropagation' cannot explain", method="guided_backpropagation")


def test_a_volume_is_explained_in_its_plane() -> None:
    spec = replace(SPEC, architecture="vgg_3d", sections=4, mean=(0.5,) * 4, std=(0.2,) * 4)
    tiles = np.repeat(TILES, 4, 1)
    for method in ("grad_cam", "gradients"):
        assert explain(explainable_network(untrained(spec)), tiles, "dark", method, "cpu").shape == (4, 32, 32)
