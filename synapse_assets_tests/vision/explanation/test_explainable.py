"""The face of classifiers: logits as they are, on a copy, and the layer that Grad-CAM reads."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder import Encoder, TileNetwork
from synapse_assets.vision.encoder_spec import EncoderSpec
from synapse_assets.vision.explanation.explainable import explainable_network, explainable_probe
from synapse_assets.vision.explanation.feature_layer import open_feature_layer
from synapse_assets.vision.explanation.methods import logits_of
from synapse_assets.vision.head import Head
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets_tests.vision.explanation.planted import SPEC, planted_tiles, untrained

TILES = planted_tiles(5, seed=3)[0]
BESIDE = EncoderSpec(
    "em_resnet10", 1, 32, 24, (0.5,), (0.2,), "self_supervised", pooling="moments", views=8, texture_px=32, pixel_nm=8.0
)


def encoder(spec: EncoderSpec = BESIDE, dimensions: int = 6) -> Encoder:
    """With random weights and head."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        backbone = build_backbone(spec.architecture, spec.channels, spec.crop_px, spec.pooling)
        features = Encoder(spec, TileNetwork(spec, backbone)).dimensions
        head = Head(features, dimensions)
        head.matrix = torch.randn(features, dimensions) / features**0.5
        return Encoder(replace(spec, head_dimensions=dimensions), TileNetwork(spec, backbone, head))


def less_mean(logits: np.ndarray) -> np.ndarray:
    return logits - logits.mean(1, keepdims=True)


def test_a_network_is_explained_as_it_answers_and_is_not_touched() -> None:
    network = untrained(replace(SPEC, crop_px=24))
    before = {name: tensor.clone() for name, tensor in network.network.state_dict().items()}
    classifier = explainable_network(network)
    np.testing.assert_allclose(
        logits_of(classifier, TILES, "cpu"), less_mean(network.logits(TILES, "cpu", "float32")), atol=1e-5
    )
    assert all(parameter.requires_grad for parameter in network.network.parameters())
    assert any(getattr(module, "inplace", False) for module in network.network.modules())
    for tensor in classifier.network.state_dict().values():
        tensor += 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.network.state_dict().items())


@pytest.mark.parametrize("section_by_section", [False, True])
def test_a_probe_on_a_network_beside_texture_is_explained_as_it_answers(section_by_section: bool) -> None:
    spec = replace(BESIDE, sections=2, mean=(0.5,) * 2, std=(0.2,) * 2, section_by_section=section_by_section)
    whole, rng = encoder(spec), np.random.default_rng(0)
    weights, offsets = rng.standard_normal((3, whole.dimensions)), rng.standard_normal(3)
    tiles = np.concatenate([TILES, TILES[::-1]], 1)
    classifier = explainable_probe(whole, weights, offsets, ("a", "b", "c"))
    expected = less_mean(whole.embed(tiles, "cpu", "float32") @ weights.T + offsets)
    np.testing.assert_allclose(logits_of(classifier, tiles, "cpu"), expected, atol=1e-4)
    assert classifier.methods == ("grad_cam", "occlusion")


def test_a_probe_that_does_not_fit_is_refused() -> None:
    whole = encoder()
    with pytest.raises(BadInput, match=r"coefficients \(2, 6\)"):
        explainable_probe(whole, np.zeros((2, 5)), np.zeros(2), ("a", "b"))
    with pytest.raises(BadInput, match="no numbers"):
        explainable_probe(whole, np.zeros((2, 6)), [0, -np.inf], ("a", "b"))


@pytest.mark.parametrize(
    ("architecture", "crop_px", "name", "first_px", "stride_px"),
    [
        ("em_resnet18", 48, "layer2", 0, 4),  # its end has 3 x 3 cells
        ("em_resnet10", 32, "layer1", 0, 2),  # no stage has 12 x 12 but the first two
        ("em_resnet10", 16, "layer1", 0, 2),  # none at all: the deepest of the finest
        ("convnext_atto", 48, "stages.0", 1.5, 4),  # which begins with squares of 4 x 4
        ("vit_tiny_patch16_224", 48, "blocks.10", 7.5, 16),  # of the last only the class token is read
        ("swin_tiny_patch4_window7_224", 48, "layers.0", 1.5, 4),
    ],
)
def test_the_deepest_layer_that_is_fine_enough(
    architecture: str, crop_px: int, name: str, first_px: float, stride_px: float
) -> None:
    backbone = build_backbone(architecture, 1, crop_px, "native").eval()
    pixels = torch.rand(2, 1, crop_px, crop_px)
    before = backbone(pixels)
    layer = open_feature_layer(backbone, crop_px, lambda: backbone(pixels))
    assert (layer.name, layer.first_px, layer.stride_px) == (name, first_px, stride_px)
    seen: list[torch.Tensor] = []
    layer.module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    torch.testing.assert_close(backbone(pixels), before)
    assert seen[0].shape[2:] == (-(-crop_px // int(stride_px)),) * 2


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 3, 1, 1)],
        [nn.Conv2d(1, 1, 3, 1, 1), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3, 1, 1)],
        [nn.AvgPool2d(2), nn.AvgPool2d(2)],
    ],
)
def test_cells_are_drawn_where_they_look(layers: list[nn.Module]) -> None:
    """The pixels that a cell depends on lie about the place at which it is drawn."""
    network = nn.Sequential(*layers)
    for module in network:
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    pixels = torch.rand(1, 1, 48, 48, requires_grad=True)
    layer = open_feature_layer(network, 48, lambda: network(pixels), [str(len(layers) - 1)])
    maps = network(pixels)
    cell = torch.zeros_like(maps[0])
    cell[0, 5, 7] = 1
    seen = torch.autograd.functional.vjp(lambda x: nn.functional.avg_pool2d(network(x), 1), pixels, cell[None])[1][0, 0]
    if any(isinstance(module, nn.MaxPool2d) for module in layers):
        seen = torch.ones(48, 48) * 0
        seen[9:13, 13:17] = 1  # 3 x 3 cells of 2 x 2 pixels, less a pixel on each side, have this centre
    drawn = layer.in_pixels(cell, 48, 48)[0]
    place = torch.arange(48.0)
    for axis in (0, 1):
        expected = (seen.sum(1 - axis) * place).sum() / seen.sum()
        torch.testing.assert_close((drawn.sum(1 - axis) * place).sum() / drawn.sum(), expected, atol=1e-4, rtol=0)


def test_a_network_without_maps_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(BadInput, match="no feature map"):
        open_feature_layer(network, 8, lambda: network(torch.zeros(1, 1, 8, 8)))
