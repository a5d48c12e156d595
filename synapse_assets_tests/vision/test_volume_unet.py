"""U-Nets over volumes: how far they see, that folding changes nothing, and which numbers are refused."""

import pytest
import torch

from synapse_assets.errors import BadInput
from synapse_assets.vision.networks.volume_unet import VolumeUnet, folded, reach, unet_2d, unet_3d

BUILT = {
    "2-D": (lambda: unet_2d([4, 8, 8], 2, 3), 3),
    "2-D, five levels": (lambda: unet_2d([2, 2, 4, 4, 4], 1, 1), 1),
    "3-D, thick sections": (lambda: unet_3d([2, 2, 4], 2, 8.0), 11),
    "3-D, cubes": (lambda: unet_3d([2, 2, 2], 1, 1.0), 21),
}


def built(name: str) -> tuple[VolumeUnet, int]:
    """A network whose statistics are not those it was made with, and sections that it can see."""
    torch.manual_seed(0)
    make, sections = BUILT[name]
    network = make()
    for tensor_name, tensor in network.state_dict().items():
        if "running" in tensor_name:
            tensor.uniform_(0.5, 2)
    return network.eval(), sections


@pytest.mark.parametrize("name", BUILT)
def test_it_sees_as_far_as_its_reach_and_no_further(name: str) -> None:
    network, sections = built(name)
    network.double()
    far = reach(network)
    side = 2 * (far[1] + network.stride[1])
    picture = torch.rand(1, sections, side, side, dtype=torch.float64)

    def answer(seen: torch.Tensor, axis: int, place: int) -> torch.Tensor:
        logits = network(seen)
        return logits.select(axis + 2, 0 if logits.shape[axis + 2] == 1 else place)

    with torch.inference_mode():
        for axis, (length, step) in enumerate(zip(far, network.stride, strict=True)):
            assert length % step == 0
            middle = picture.shape[axis + 1] // 2 // step * step
            sees = {"beyond": False, "within": False}
            for place in range(middle, middle + step):
                before = answer(picture, axis, place)
                for kind, nearer in (("beyond", 0), ("within", step)):
                    for part in (slice(0, place - length + nearer), slice(place + length + 1 - nearer, None)):
                        other = picture.clone()
                        other[(slice(None),) * (axis + 1) + (part,)] += 1e6
                        sees[kind] |= bool((answer(other, axis, place) - before).abs().max() > 1e-9)
            assert sees == {"beyond": False, "within": True}, (axis, far)


def test_how_far_is_a_matter_of_levels_and_of_how_thick_sections_are() -> None:
    assert reach(built("2-D")[0]) == (1, 20, 20)
    assert reach(built("2-D, five levels")[0]) == (0, 96, 96)
    assert reach(built("3-D, thick sections")[0]) == (4, 20, 20)
    assert reach(built("3-D, cubes")[0]) == (10, 20, 20)


@pytest.mark.parametrize("name", BUILT)
def test_folding_leaves_the_function_and_the_network_as_they_are(name: str) -> None:
    network, sections = built(name)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    light = folded(network)
    picture = torch.randn(2, sections, 32, 48)
    with torch.inference_mode():
        torch.testing.assert_close(light(picture), network(picture), rtol=1e-4, atol=1e-5)
        assert light(picture).shape == (
            2,
            before["unet.1.conv.conv.bias"].numel(),
            1 if network.sections else sections,
            32,
            48,
        )
    assert not [key for key in light.state_dict() if "running" in key]
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_every_weight_has_one_name() -> None:
    tensors = built("2-D")[0].state_dict().values()
    assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: unet_2d([4, 8], 1, 3), "at least 3 levels"),
        (lambda: unet_2d([4, 8, 0], 1, 3), "at least 3 levels"),
        (lambda: unet_2d([4, 8, 8], 0, 3), "0 targets"),
        (lambda: unet_2d([4, 8, 8], 1, 4), "an odd number of sections"),
        (lambda: unet_2d([4, 8, 8], 1, 0), "an odd number of sections"),
        (lambda: unet_2d([4, 8, 8], 1, -1), "an odd number of sections"),
        (lambda: unet_3d([], 1, 5.0), "at least 3 levels"),
        (lambda: unet_3d([4, 8, 8], 1, 0.0), "thicker than 0"),
        (lambda: unet_3d([4, 8, 8], 1, float("nan")), "thicker than 0"),
    ],
)
def test_numbers_of_which_no_network_can_be_built_are_refused(make, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        make()
