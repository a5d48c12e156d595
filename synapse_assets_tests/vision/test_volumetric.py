"""Networks over volumes: their sizes, that sections are pooled last, and that a tile's features are its own."""

import pytest
import torch
from torch import Tensor, nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.networks.volumetric import build_volumetric

LEAST = {"vgg_3d": (2, 16), "resnet18_3d": (3, 17)}
FEATURES = {"vgg_3d": 96, "resnet18_3d": 512}


def built(architecture: str, sections: int, crop_px: int) -> nn.Module:
    torch.manual_seed(0)
    return build_volumetric(architecture, sections, crop_px).eval()


def volumes(count: int, sections: int, crop_px: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, sections, crop_px, crop_px, generator=torch.Generator().manual_seed(seed))


def outputs(network: nn.Module, seen: Tensor) -> list[tuple[nn.Module, torch.Size]]:
    """What each innermost module gave, in order."""
    shapes: list[tuple[nn.Module, torch.Size]] = []
    hooks = [
        module.register_forward_hook(lambda module, _, output: shapes.append((module, output.shape)))
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.inference_mode():
        network(seen)
    for hook in hooks:
        hook.remove()
    return [(module, shape) for module, shape in shapes if len(shape) == 5]


@pytest.mark.parametrize("architecture", LEAST)
def test_features_of_the_smallest_and_of_odd_inputs(architecture: str) -> None:
    for sections, crop_px in (LEAST[architecture], (5, 33), (16, 40)):
        network = built(architecture, sections, crop_px)
        with torch.inference_mode():
            features = network(volumes(2, sections, crop_px))
        assert features.shape == (2, FEATURES[architecture])
        assert features.isfinite().all()
        assert features.dtype == torch.float32


def test_the_vgg_has_the_maps_of_the_paper() -> None:
    """Maps and grids of each level at the paper's input; 27 weights a pair of maps, and two of batch norm a map."""
    network = built("vgg_3d", 16, 160)
    poolings = [
        shape[1:] for module, shape in outputs(network, volumes(1, 16, 160)) if isinstance(module, nn.MaxPool3d)
    ]
    assert [tuple(shape) for shape in poolings] == [
        (12, 16, 80, 80),
        (24, 16, 40, 40),
        (48, 16, 20, 20),
        (96, 8, 10, 10),
    ]
    pairs = [(1, 12), (12, 12), (12, 24), (24, 24), (24, 48), (48, 48), (48, 96), (96, 96)]
    expected = sum(27 * inputs * outputs + 2 * outputs for inputs, outputs in pairs)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_the_resnet_has_eighteen_layers_less_the_head() -> None:
    network = built("resnet18_3d", 8, 32)
    widths = [64, 128, 256, 512]
    expected = 3 * 7 * 7 * 64 + 2 * 64
    for before, width in zip([64, *widths], widths, strict=False):
        expected += 27 * before * width + 3 * 27 * width**2 + 4 * 2 * width
        if before != width:
            expected += before * width + 2 * width
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
    large = [module for module in network.modules() if isinstance(module, nn.Conv3d) and module.kernel_size[-1] > 1]
    assert len(large) == 17


@pytest.mark.parametrize("architecture", LEAST)
def test_sections_stay_apart_until_a_voxel_is_as_wide_as_thick(architecture: str) -> None:
    """40 nm sections of 4 nm pixels: of 16 sections all are there until the plane has been halved three times."""
    shapes = [shape for _, shape in outputs(built(architecture, 16, 64), volumes(1, 16, 64))]
    assert all(shape[2] == 16 for shape in shapes if shape[3] > 64 // 8)
    assert all(shape[3] <= 64 // 8 for shape in shapes if shape[2] < 16)
    assert any(shape[2] == 16 and shape[3] == 64 // 8 for shape in shapes)
    assert shapes[-1][2] < 16


@pytest.mark.parametrize("architecture", LEAST)
def test_every_section_and_corner_counts(architecture: str) -> None:
    sections, crop_px = 6, 32
    network = built(architecture, sections, crop_px)
    seen = volumes(1, sections, crop_px).requires_grad_()
    network(seen).square().sum().backward()
    assert seen.grad is not None
    reached = seen.grad[0, 0].abs().amax(dim=(1, 2))
    assert (reached > 0).all()
    assert seen.grad[0, 0, :, 0, 0].abs().max() > 0


@pytest.mark.parametrize("architecture", LEAST)
def test_features_do_not_depend_on_the_companions(architecture: str) -> None:
    network = built(architecture, 4, 32)
    tiles = volumes(5, 4, 32)
    with torch.inference_mode():
        together, alone = network(tiles), torch.cat([network(tile[None]) for tile in tiles])
        turned = network(tiles.flip(0)).flip(0)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, turned, rtol=1e-4, atol=1e-5)
    assert together.std(0).max() > 1e-4


@pytest.mark.parametrize("architecture", LEAST)
def test_an_input_too_small_is_told_the_smallest(architecture: str) -> None:
    sections, crop_px = LEAST[architecture]
    for given in ((sections - 1, 64), (16, crop_px - 1)):
        with pytest.raises(
            BadInput, match=rf"{architecture} needs at least {sections} sections of {crop_px} x {crop_px} px"
        ):
            build_volumetric(architecture, *given)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'vgg_4d'.*vgg_3d, resnet18_3d"):
        build_volumetric("vgg_4d", 16, 160)
