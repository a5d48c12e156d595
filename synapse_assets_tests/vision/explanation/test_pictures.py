"""Explanations of whole pictures: the mean of those of all windows, whatever the blocks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from synapse_assets.errors import BadInput
from synapse_assets.vision.explanation import pictures
from synapse_assets.vision.explanation.explainable import explainable_stain
from synapse_assets.vision.explanation.methods import EmptyMapError, explain
from synapse_assets.vision.explanation.pictures import explain_picture
from synapse_assets.vision.networks.stain import build_body
from synapse_assets.vision.staining import StainNetwork, StainSpec, WindowNetwork, cut_windows

SPEC = StainSpec("small_stain", ("control", "treated", "other"), 2, 64, 32, 300.0, 4095, (0.4, 0.5), (0.2, 0.2))


def made(spec: StainSpec = SPEC) -> StainNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return StainNetwork(spec, WindowNetwork(spec, build_body(spec.architecture, spec.channels)))


def picture(height: int, width: int) -> np.ndarray:
    values = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((2, height, width)), (0, 2, 2))
    return (values / values.std() * 700 + 2000).clip(0, 4095).astype(np.uint16)


@pytest.mark.parametrize("head", ["linear", "three_layers"])
def test_a_place_has_the_mean_of_the_maps_of_its_windows(head: str) -> None:
    network, image = made(replace(SPEC, head=head)), picture(128, 112)
    corners = np.array([(y, x) for y in range(0, 65, 16) for x in range(0, 49, 16)])
    windows = explain(explainable_stain(network), cut_windows(image, corners, SPEC), "treated", device="cpu")
    assert not windows[:, :32].any()  # the halo says nothing
    total, count = np.zeros((2, 128, 112))
    for (y, x), window in zip(corners, windows, strict=True):
        total[y : y + 64, x : x + 64] += window[32:96, 32:96]
        count[y : y + 64, x : x + 64] += 1
    found = explain_picture(network, image, "treated", device="cpu")
    assert (found.dtype, found.shape) == (np.float32, (128, 112))
    # At the centres of cells nothing is interpolated: between the pixels 7 and 8 of each 16.
    centres = [
        (of[7::16, 7::16] + of[8::16, 8::16] + of[7::16, 8::16] + of[8::16, 7::16]) / 4 for of in (found, total / count)
    ]
    np.testing.assert_allclose(centres[0][1:-1, 1:-1], centres[1][1:-1, 1:-1], atol=0.02 * np.abs(found).max())
    assert np.corrcoef(centres[0].ravel(), centres[1].ravel())[0, 1] > 0.999


def test_blocks_give_the_map_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network, image = made(), picture(152, 200)
    whole = explain_picture(network, image, device="cpu")
    monkeypatch.setattr(pictures, "_WINDOWS_AT_ONCE", 5)
    blocks = explain_picture(network, image, device="cpu", block_px=64)
    np.testing.assert_allclose(blocks, whole, atol=1e-6 * np.abs(whole).max())


def test_bad_input_is_refused() -> None:
    network, image = made(), picture(64, 64)
    with pytest.raises(BadInput, match="no class 'x'"):
        explain_picture(network, image, "x", device="cpu")
    with pytest.raises(BadInput, match="not by 'occlusion'"):
        explain_picture(network, image, method="occlusion", device="cpu")
    with pytest.raises(BadInput, match="smaller than a window"):
        explain_picture(network, image[:, :48], device="cpu")
    silent = made()
    torch.nn.init.zeros_(silent.network.head[0].weight)
    with pytest.raises(EmptyMapError, match="is empty"):
        explain_picture(silent, image, device="cpu")
