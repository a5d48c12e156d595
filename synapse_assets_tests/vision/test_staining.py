"""Dense maps: the map of the whole picture is that of single windows, everywhere; files, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from scipy import ndimage
from timm.models.vgg import VGG
from torch import nn
from torch.nn import functional

from synapse_assets.errors import BadInput
from synapse_assets.vision.classifier import ClassifyingNetwork, NetworkSpec, SynapseNetwork, build_features
from synapse_assets.vision.networks.stain import build_body, fold_weights, halo_px
from synapse_assets.vision.staining import (
    DenseMap,
    StainNetwork,
    StainSpec,
    WindowNetwork,
    is_stain_network_file,
    picture_probabilities,
)

SPEC = StainSpec(
    architecture="small_stain",
    classes=("control", "treated", "unclear β"),
    channels=2,
    window_px=48,
    halo_px=32,
    pixel_nm=325.0,
    white_level=4095,
    mean=(0.4, 0.5),
    std=(0.2, 0.3),
    origin="checkpoint",
    source="weights.pt",
)


def blotched(channels: int, height: int, width: int, seed: int) -> np.ndarray:
    """Noise that is stronger in some places than in others, with some values above white."""
    rng = np.random.default_rng(seed)
    strength = ndimage.gaussian_filter(rng.normal(size=(channels, height, width)), (0, 12, 12))
    strength = 1 + strength / strength.std()
    return (rng.uniform(0, 2500, strength.shape) * strength.clip(0.05)).astype(np.uint16)


PICTURE = blotched(2, 75, 107, seed=3)  # no side is a multiple of the stride
VGG19 = (2, 2, "M", 4, 4, "M", 8, 8, 8, 8, "M", 16, 16, 16, 16, "M", 16, 16, 16, 16)


def narrow_vgg19(channels: int) -> nn.Module:
    """The convolutions of VGG19, few maps wide and without the last pooling."""
    widths = [8 * entry if isinstance(entry, int) else entry for entry in VGG19]
    return VGG(widths, in_chans=channels, num_classes=0, global_pool="").features


def awake(body: nn.Module) -> nn.Module:
    """With running statistics and scales as training leaves them, of which none is zero or one."""
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.5)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return body


def made(spec: StainSpec = SPEC, body: nn.Module | None = None) -> StainNetwork:
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = WindowNetwork(spec, awake(body or build_body(spec.architecture, spec.channels)))
        for parameter in network.head.parameters():  # so that classes differ by more than rounding
            parameter.data *= 2
    return StainNetwork(spec, network)


def corners_of(dense_map: DenseMap) -> np.ndarray:
    rows, columns = dense_map.logits.shape[1:]
    step = dense_map.stride_px
    return np.array([(row * step, column * step) for row in range(rows) for column in range(columns)])


def mirrored(index: np.ndarray, side: int) -> np.ndarray:
    """Where a pixel outside of 0 .. side - 1 comes from: there and back again without end, no edge twice."""
    period = 2 * (side - 1)
    return np.minimum(index % period, period - index % period)


def by_hand(network: StainNetwork, picture: np.ndarray, y: int, x: int) -> np.ndarray:
    """Logits of one window with nothing but the plain body: cut, scaled, cropped and averaged in numpy."""
    spec = network.spec
    rows = mirrored(np.arange(y - spec.halo_px, y + spec.window_px + spec.halo_px), picture.shape[1])
    columns = mirrored(np.arange(x - spec.halo_px, x + spec.window_px + spec.halo_px), picture.shape[2])
    values = np.minimum(picture[:, rows][:, :, columns].astype(np.float32) / spec.white_level, 1)
    values = (values - np.array(spec.mean)[:, None, None]) / np.array(spec.std)[:, None, None]
    with torch.no_grad():
        features = network.network.body(torch.from_numpy(values.astype(np.float32))[None])[0].numpy()
        first, cells = spec.halo_px // 16, spec.window_px // 16
        mean = features[:, first : first + cells, first : first + cells].mean((1, 2), dtype=np.float64)
        return network.network.head(torch.from_numpy(mean.astype(np.float32))).numpy()


@pytest.fixture(scope="module")
def network() -> StainNetwork:
    return made()


def equal_everywhere(network: StainNetwork, picture: np.ndarray) -> None:
    dense_map = network.dense(picture, "cpu")
    corners = corners_of(dense_map)
    in_order = dense_map.logits.reshape(len(network.spec.classes), -1).T
    np.testing.assert_allclose(network.windows(picture, corners, "cpu"), in_order, atol=1e-5)
    for number in {0, len(corners) // 2, len(corners) - 1}:
        np.testing.assert_allclose(by_hand(network, picture, *corners[number]), in_order[number], atol=1e-5)
    assert in_order.std(0).min() > 1e-3  # else there was nothing to tell apart
    np.testing.assert_allclose(
        dense_map.probabilities, functional.softmax(torch.from_numpy(dense_map.logits), 0), atol=1e-6
    )


def test_the_map_is_that_of_single_windows_everywhere(network: StainNetwork) -> None:
    equal_everywhere(network, PICTURE)
    dense_map = network.dense(PICTURE, "cpu")
    assert (dense_map.logits.shape, dense_map.logits.dtype) == ((3, 2, 4), np.float32)
    assert (dense_map.first_px, dense_map.stride_px) == (24.0, 16)


def test_so_it_is_for_a_vgg19_in_a_picture_smaller_than_its_halo() -> None:
    """Its halo is 128 px, so what is reflected is reflected again."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        body = narrow_vgg19(1)
    assert halo_px(body, 1, "vgg19") == 128
    spec = replace(SPEC, channels=1, halo_px=128, white_level=255, mean=(0.2,), std=(0.1,), head="linear")
    equal_everywhere(made(spec, body), (blotched(1, 70, 90, seed=4) // 16).clip(0, 255).astype(np.uint8))


def test_so_it_is_for_a_residual_network() -> None:
    spec = replace(SPEC, architecture="resnet18", halo_px=112, head="linear")
    equal_everywhere(made(spec), PICTURE[:, :70, :70])


def test_with_less_than_its_halo_the_edges_would_differ(network: StainNetwork) -> None:
    """What the tests above would show."""
    narrow = StainNetwork(replace(SPEC, halo_px=16), network.network)
    narrow.network.spec = narrow.spec
    try:
        dense_map = narrow.dense(PICTURE, "cpu")
        logits = narrow.windows(PICTURE, corners_of(dense_map), "cpu")
    finally:
        network.network.spec = SPEC
    assert np.abs(logits.T.reshape(dense_map.logits.shape) - dense_map.logits).max() > 1e-3


@pytest.mark.parametrize("block_px", [16, 48, 1000])
def test_blocks_are_equal_to_the_whole(network: StainNetwork, block_px: int) -> None:
    whole, blocks = network.dense(PICTURE, "cpu", block_px=4096), network.dense(PICTURE, "cpu", block_px=block_px)
    np.testing.assert_allclose(blocks.logits, whole.logits, rtol=1e-6, atol=1e-6)


def test_a_wider_stride_takes_some_of_the_windows(network: StainNetwork) -> None:
    fine, coarse = network.dense(PICTURE, "cpu"), network.dense(PICTURE, "cpu", stride_px=32)
    np.testing.assert_allclose(coarse.logits, fine.logits[:, ::2, ::2], rtol=1e-6, atol=1e-6)
    assert coarse.stride_px == 32


def test_bfloat16_is_close(network: StainNetwork) -> None:
    exact, coarse = network.dense(PICTURE, "cpu"), network.dense(PICTURE, "cpu", "bfloat16")
    assert 0 < np.abs(exact.probabilities - coarse.probabilities).max() < 0.05


def test_what_is_brighter_than_white_is_white(network: StainNetwork) -> None:
    dense_map = network.dense(np.minimum(PICTURE, 4095), "cpu")
    assert PICTURE.max() > 4095
    assert np.array_equal(network.dense(PICTURE, "cpu").logits, dense_map.logits)
    assert not np.array_equal(network.dense(np.minimum(PICTURE, 3000), "cpu").logits, dense_map.logits)


def test_a_picture_is_the_mean_of_its_windows() -> None:
    probabilities = np.array([[[0.2, 0.4, 0.9]], [[0.8, 0.6, 0.1]]], np.float32)
    assert picture_probabilities(DenseMap(probabilities, probabilities, 24.0, 16)) == pytest.approx([0.5, 0.5])


def test_no_windows(network: StainNetwork) -> None:
    assert network.windows(PICTURE, np.empty((0, 2), np.int64)).shape == (0, 3)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (PICTURE[:, :47], r"the picture of 47 x 107 px is smaller than a window of 48 px"),
        (PICTURE[:1], "the picture has 1 channels, and the network sees 2"),
        (PICTURE.astype(np.float32), "must be uint8 or uint16"),
        (PICTURE.astype(np.int32), "must be uint8 or uint16"),
        (PICTURE[0], r"must be uint8 or uint16 \(channels, height, width\), not uint16 \(75, 107\)"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(network: StainNetwork, picture: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        network.dense(picture)
    with pytest.raises(BadInput, match=message):
        network.windows(picture, np.array([[0, 0]]))


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([[0, 0], [32, 0]], r"y, x = \[32, 0\] does not lie in the picture"),
        ([[0, -16]], r"y, x = \[0, -16\] does not lie"),
        ([[0, 8]], r"not on the stride of 16 px: corners go from 0 to \[27, 59\]"),
        ([[0.0, 16.0]], "must be whole numbers"),
        ([0, 16], r"must be whole numbers \(N, 2\)"),
    ],
)
def test_corners_that_do_not_fit_are_refused(network: StainNetwork, corners: list, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        network.windows(PICTURE, np.array(corners))


@pytest.mark.parametrize("stride_px", [0, 24, -16])
def test_a_stride_between_features_is_refused(network: StainNetwork, stride_px: int) -> None:
    with pytest.raises(BadInput, match="choose a multiple of that"):
        network.dense(PICTURE, stride_px=stride_px)


# --- bodies


@pytest.mark.parametrize(
    ("architecture", "field_px"),
    [("small_stain", 78), ("resnet18", 211)],  # by the usual sum over layers
)
def test_the_halo_holds_the_field_of_a_feature(architecture: str, field_px: int) -> None:
    halo = halo_px(build_body(architecture, 1), 1, architecture)
    assert (field_px - 16) / 2 <= halo < (field_px + 16) / 2 + 16


@pytest.mark.parametrize(
    "architecture", ["seresnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto"]
)
def test_networks_that_see_the_whole_picture_are_refused(architecture: str) -> None:
    with pytest.raises(BadInput, match=f"'{architecture}' gives no features 16 px apart that depend on their surr"):
        halo_px(build_body(architecture, 1), 1, architecture)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(BadInput, match="knows no architecture 'vgg_of_doom', and it is not ours"):
        build_body("vgg_of_doom", 1)


def test_weights_of_a_whole_network_become_those_of_a_body() -> None:
    whole = timm.create_model("resnet18", num_classes=4)
    weights = whole.state_dict()
    body = build_body("resnet18", 1)
    folded = fold_weights(body, weights)
    assert folded.keys() == body.state_dict().keys()
    assert torch.equal(folded["layers.conv1.weight"], weights["conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(folded["layers.layer3.1.conv2.weight"], weights["layer3.1.conv2.weight"])
    with torch.no_grad():
        body.load_state_dict(folded)
        grey = torch.rand(1, 1, 48, 32)
        expected = whole.eval().forward_intermediates(grey.expand(1, 3, 48, 32), intermediates_only=True)[3]
        torch.testing.assert_close(body.eval()(grey), expected)
    assert build_body("resnet18", 2).layers.conv1.weight.shape[1] == 2


# --- files


@pytest.fixture
def file(network: StainNetwork, tmp_path: Path) -> Path:
    network.save(tmp_path / "models" / "stain.safetensors")
    return tmp_path / "models" / "stain.safetensors"


def rewritten(file: Path, **changes: str) -> Path:
    """The file with other metadata."""
    with safe_open(file, framework="pt") as stored:
        metadata, names = stored.metadata(), stored.keys()
        tensors = {name: stored.get_tensor(name) for name in names}
    save_file(tensors, file, metadata | changes)
    return file


def test_one_file_holds_it_to_the_bit(network: StainNetwork, file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == ["stain.safetensors"]
    loaded = StainNetwork.load(file)
    assert loaded.spec == SPEC
    assert is_stain_network_file(file)
    assert np.array_equal(loaded.dense(PICTURE, "cpu").logits, network.dense(PICTURE, "cpu").logits)


def test_files_that_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no file .*nothing.safetensors"):
        StainNetwork.load(tmp_path / "nothing.safetensors")
    fields = json.loads(json.dumps(SPEC.__dict__))
    rewritten(file, specification=json.dumps(fields | {"architecture": "resnet18"}))
    with pytest.raises(BadInput, match=r"stain.safetensors does not hold the weights of the architecture 'resnet18'"):
        StainNetwork.load(file)
    rewritten(file, specification=json.dumps(fields | {"window_px": 50}))
    with pytest.raises(BadInput, match=r"stain.safetensors is damaged: .* must be multiples of 16"):
        StainNetwork.load(file)
    rewritten(file, specification="[]")
    with pytest.raises(BadInput, match=r"stain.safetensors is damaged: its specification cannot be read"):
        StainNetwork.load(file)
    rewritten(file, specification=json.dumps(fields), version="2")
    with pytest.raises(BadInput, match=r"stain.safetensors was written by a newer version"):
        StainNetwork.load(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BadInput, match=r"stain.safetensors is damaged or no safetensors file"):
        StainNetwork.load(file)
    assert not is_stain_network_file(file)


def test_a_network_of_another_kind_is_refused(tmp_path: Path) -> None:
    spec = NetworkSpec("em_resnet10", ("a", "b"), 1, 48, 24, 4.0, 40.0, (0.5,), (0.2,))
    SynapseNetwork(spec, ClassifyingNetwork(spec, build_features(spec))).save(tmp_path / "other.safetensors")
    assert not is_stain_network_file(tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match=r"other.safetensors is a network of another kind"):
        StainNetwork.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("control",)}, "at least two different names"),
        ({"window_px": 50}, r"window_px \(50\) and halo_px \(32\) must be multiples of 16"),
        ({"halo_px": 30}, r"halo_px \(30\) must be multiples of 16"),
        ({"window_px": 0}, "windows are at least as large"),
        ({"halo_px": -16}, "a halo is 0 or more"),
        ({"stride_px": 8}, "features lie 16 px apart"),
        ({"mean": (0.5,)}, "2 channels need as many means"),
        ({"std": (0.1, 0.0)}, "deviations above zero"),
        ({"white_level": 0}, r"white_level \(0\) must be at least 1"),
        ({"head": "two_layers"}, "must be 'linear' or 'three_layers'"),
    ],
)
def test_specifications_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(SPEC, **changes)
