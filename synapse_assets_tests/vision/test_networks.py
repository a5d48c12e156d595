"""What is made of a network: its feature map pooled, sections one by one, texture beside it, and the last step in closed form.

Published networks come from a cache that the tests fill, other weights from a file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import numpy.typing as npt
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from synapse_assets.datasets import EncoderChoice, TileSpec
from synapse_assets.errors import BadInput
from synapse_assets.vision.building import TrainingTiles, build_encoder
from synapse_assets.vision.encoder import Encoder, EncoderSpec, TileNetwork, encoder_from_checkpoint, encoder_from_hub
from synapse_assets.vision.head import Views, fit_head
from synapse_assets.vision.texture import TextureFeatures, texture_crop_px
from synapse_assets.vision.training.closed_form import NO_PARTNERS
from synapse_assets_tests.vision.conftest import planted_tiles

SIDE, CROP, PIXEL_NM = 72, 64, 8.0
TILE = TileSpec(size_px=SIDE, sections=3)
# timm's smallest of each form: how the output without pooling becomes (N, channels, rows, columns).
FORMS: dict[str, Any] = {
    "test_resnet": lambda output: output,
    "test_vit": lambda output: output[:, 1:].reshape(len(output), CROP // 16, CROP // 16, -1).transpose(0, 3, 1, 2),
    "test_mambaout": lambda output: np.moveaxis(output, -1, 1),
}
Tiles = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Weights of each architecture for three channels, with a classifier head."""
    folder = tmp_path_factory.mktemp("weights")
    for name in FORMS:
        torch.manual_seed(3)
        size = {"img_size": CROP} if name == "test_vit" else {}
        save_file(timm.create_model(name, num_classes=5, **size).state_dict(), folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in FORMS}


@pytest.fixture(scope="module")
def pictures() -> Tiles:
    """Sections that differ from each other, nine of them."""
    kinds = np.random.default_rng(0).integers(0, 256, (40, 9, SIDE // 4, SIDE // 4)).repeat(4, 2).repeat(4, 3)
    return (kinds // 2 + np.random.default_rng(1).integers(0, 128, kinds.shape)).astype(np.uint8)


def centred(tiles: Tiles, side: int) -> Tiles:
    start = (tiles.shape[-1] - side) // 2
    return tiles[..., start : start + side, start : start + side]


def unpooled(architecture: str, path: Path, tiles: Tiles) -> Floats:
    """What timm gives, as (N, channels, rows, columns)."""
    size = {"img_size": CROP} if architecture == "test_vit" else {}
    network = timm.create_model(architecture, num_classes=0, global_pool="", **size)
    network.load_state_dict({name: tensor for name, tensor in load_file(path).items() if name in network.state_dict()})
    mean, std = (torch.tensor(network.pretrained_cfg[name]).view(1, -1, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        output = network.eval()((torch.from_numpy(centred(tiles, CROP)).float() / 255 - mean) / std)
    maps: Floats = FORMS[architecture](output.numpy())
    return maps


@pytest.mark.parametrize("architecture", FORMS)
def test_moments_are_means_and_deviations_at_the_centre_and_everywhere(
    architecture: str, weights: Mapping[str, Path], pictures: Tiles
) -> None:
    tiles = pictures[:5, :3]
    maps = unpooled(architecture, weights[architecture], tiles).astype(np.float64)
    side = maps.shape[-1]
    assert maps.shape[-2] == side > 1
    offset = (np.arange(side) - (side - 1) / 2) / (0.2 * side)
    window = np.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / 2)
    centre = np.average(maps.reshape(*maps.shape[:2], -1), axis=2, weights=window.ravel())
    around = np.average((maps.reshape(*maps.shape[:2], -1) - centre[..., None]) ** 2, axis=2, weights=window.ravel())
    means = [centre, maps.mean((2, 3))]
    logs = [np.log(np.sqrt(variance + 1e-6)) for variance in (around, maps.var((2, 3)))]
    for pooling, wanted in (("centre", means), ("moments", [*means, *logs])):
        encoder = encoder_from_checkpoint(architecture, weights[architecture], 3, SIDE, crop_px=CROP, pooling=pooling)
        found = encoder.embed(tiles, "cpu", "float32")
        np.testing.assert_allclose(found, np.concatenate(wanted, 1), atol=2e-4, rtol=1e-3)


def test_a_map_of_a_single_place_has_no_spread(weights: Mapping[str, Path], pictures: Tiles) -> None:
    encoder = encoder_from_checkpoint("test_resnet", weights["test_resnet"], 3, SIDE, crop_px=16, pooling="moments")
    mean, logs = np.split(encoder.embed(pictures[:3, :3], "cpu", "float32"), 2, axis=1)
    assert np.ptp(mean) > 0
    np.testing.assert_allclose(logs, np.log(1e-3), rtol=1e-5)


def test_a_network_without_a_feature_map_is_told() -> None:
    spec = EncoderSpec("flat", 1, 8, 8, (0.5,), (0.2,), "checkpoint", pooling="moments")
    with pytest.raises(BadInput, match=r"flat gives no feature map.* choose another architecture"):
        Encoder(spec, TileNetwork(spec, nn.Flatten()))


@pytest.mark.parametrize("sections", [1, 3, 9])
@pytest.mark.parametrize("architecture", ["test_resnet", "test_vit"])
def test_section_by_section_is_a_loop_over_sections(
    architecture: str, sections: int, weights: Mapping[str, Path], pictures: Tiles, tmp_path: Path
) -> None:
    tiles, path = pictures[:4, :sections], weights[architecture]
    each = encoder_from_checkpoint(architecture, path, 1, SIDE, CROP, pooling="moments")
    rows = [each.embed(tiles[:, number : number + 1], "cpu", "float32") for number in range(sections)]
    encoder = encoder_from_checkpoint(
        architecture, path, sections, SIDE, CROP, pooling="moments", section_by_section=True
    )
    found = encoder.embed(tiles, "cpu", "float32")
    np.testing.assert_allclose(found, np.hstack([np.mean(rows, axis=0), rows[sections // 2]]), atol=1e-4)
    encoder.save(tmp_path)
    np.testing.assert_array_equal(Encoder.load(tmp_path).embed(tiles, "cpu", "float32"), found)


def test_a_section_alone_is_normalised_by_the_mean_of_the_colours(tmp_path: Path) -> None:
    colour = timm.create_model("resnet10t", num_classes=0)
    save_file(colour.state_dict(), tmp_path / "colour.safetensors")
    assert len(set(colour.pretrained_cfg["mean"])) == 3
    spec = encoder_from_checkpoint("resnet10t", tmp_path / "colour.safetensors", 3, 48, section_by_section=True).spec
    assert spec.mean == pytest.approx([sum(colour.pretrained_cfg["mean"]) / 3] * 3)
    assert spec.std == pytest.approx([sum(colour.pretrained_cfg["std"]) / 3] * 3)


def built(values: dict[str, Any], tiles: Tiles, **known: Any) -> Encoder:
    tile = TileSpec(size_px=SIDE, sections=tiles.shape[1])
    training = TrainingTiles(tiles, **known)
    return build_encoder(EncoderChoice.model_validate(values), tile, PIXEL_NM, training, 0, "cpu", print)[0]


def stored_again(encoder: Encoder, folder: Path, tiles: Tiles) -> list[str]:
    """The files of the encoder, after reading them gave the same vectors to the last bit."""
    encoder.save(folder)
    again = Encoder.load(folder)
    assert (again.spec, again.dimensions) == (encoder.spec, encoder.dimensions)
    np.testing.assert_array_equal(again.embed(tiles), encoder.embed(tiles))
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("architecture", FORMS)
def test_the_last_step_of_a_checkpoint(
    architecture: str, weights: Mapping[str, Path], pictures: Tiles, tmp_path: Path
) -> None:
    tiles = pictures[:, :3]
    given = {"origin": "checkpoint", "architecture": architecture, "checkpoint": str(weights[architecture])}
    encoder = built({**given, "crop_px": CROP, "dimensions": 8}, tiles)
    assert (encoder.spec.head_dimensions, encoder.spec.pooling, encoder.dimensions) == (8, "moments", 8)
    pooled = encoder_from_checkpoint(architecture, weights[architecture], 3, SIDE, CROP, pooling="moments")
    head = encoder.network.head
    assert head is not None
    with torch.inference_mode():
        wanted = head(torch.from_numpy(pooled.embed(tiles, "cpu", "float32"))).numpy()
    vectors = encoder.embed(tiles, "cpu", "float32")
    np.testing.assert_allclose(vectors, wanted, atol=1e-4)
    assert np.linalg.matrix_rank(vectors) == 8
    assert stored_again(encoder, tmp_path, tiles) == ["encoder.json", "head.safetensors", "weights.safetensors"]


def test_texture_beside_a_network_is_both_side_by_side(
    weights: Mapping[str, Path], pictures: Tiles, tmp_path: Path
) -> None:
    """The crop of the network is no crop of the texture, which is a matter of nanometres."""
    tiles, path = pictures[:, :3], weights["test_resnet"]
    given = {"origin": "checkpoint", "architecture": "test_resnet", "checkpoint": str(path)}
    encoder = built({**given, "crop_px": CROP, "beside_texture": True}, tiles)
    side = texture_crop_px(SIDE, PIXEL_NM)
    assert side < CROP
    network = encoder_from_checkpoint("test_resnet", path, 3, SIDE, CROP, pooling="moments")
    with torch.inference_mode():
        grey = torch.from_numpy(tiles[:4]).float() / 255
        texture = TextureFeatures(side, PIXEL_NM).eval()(torch.from_numpy(centred(tiles[:4], side)).float() / 255)
        found = encoder.network.unprojected(grey).numpy()
    np.testing.assert_allclose(found, np.hstack([network.embed(tiles[:4], "cpu", "float32"), texture]), atol=1e-4)
    assert encoder.dimensions == 32
    files = ["encoder.json", "head.safetensors", "texture.safetensors", "weights.safetensors"]
    assert stored_again(encoder, tmp_path, tiles) == files


@pytest.mark.parametrize("sections", [1, 9])
def test_a_network_trained_here_with_everything_beside_it(sections: int, pictures: Tiles, tmp_path: Path) -> None:
    tiles = pictures[:6, :sections]
    options = {"dimensions": 4, "beside_texture": True, "section_by_section": True, "positives": "neuron"}
    own = {"origin": "self_supervised", "architecture": "test_resnet", "crop_px": CROP, "training_steps": 1}
    partners = np.array([[0, 1], [2, 3]])
    encoder = built({**own, **options}, tiles, partners=partners, nuisances=[np.arange(6) % 2])
    vectors = encoder.embed(tiles)
    assert vectors.shape == (6, 4)
    assert np.isfinite(vectors).all()
    assert encoder.network.backbone is not None
    assert encoder.network.backbone.state_dict()["conv1.0.weight"].shape[1] == 1
    assert len(stored_again(encoder, tmp_path, tiles)) == 4


def test_partners_reach_the_training_and_the_last_step(weights: Mapping[str, Path]) -> None:
    """Vectors of partners, drawn at random, come closer to each other than they are without."""
    tiles = planted_tiles(24, seed=3)[0]
    tile, partners = TileSpec(size_px=48, sections=3), np.arange(24).reshape(12, 2)
    own = {"architecture": "em_resnet10", "crop_px": 24, "training_steps": 2, "positives": "neuron"}
    given = {"origin": "checkpoint", "architecture": "test_resnet", "checkpoint": str(weights["test_resnet"])}
    for values in (own, {**given, "positives": "neuron"}):
        choice = EncoderChoice.model_validate(values)
        encoders = [
            build_encoder(choice, tile, PIXEL_NM, TrainingTiles(tiles, **known), 0, "cpu", print)[0]
            for known in ({}, {"partners": partners})
        ]
        without, with_partners = (encoder.embed(tiles, "cpu", "float32") for encoder in encoders)
        assert apart(with_partners) < 0.9 * apart(without)


def apart(vectors: Floats) -> float:
    """Mean square distance of partners, as a share of that of any two tiles."""
    scaled = (vectors - vectors.mean(0)) / np.sqrt(vectors.var(0).sum())
    return float(((scaled[0::2] - scaled[1::2]) ** 2).sum(1).mean() / 2)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, torch.Tensor]:
    """Weights of test_resnet as they lie after they were fetched; nothing else can be."""
    torch.manual_seed(7)
    network = timm.create_model("test_resnet")
    folder = tmp_path / f"models--{str(network.pretrained_cfg['hf_hub_id']).replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(network.state_dict(), folder / "snapshots" / ("0" * 40) / "model.safetensors")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return network.state_dict()


def test_a_published_network(published: Mapping[str, torch.Tensor], pictures: Tiles, tmp_path: Path) -> None:
    plain = encoder_from_hub("test_resnet", 3, SIDE, CROP)
    assert plain.network.backbone is not None
    assert torch.equal(plain.network.backbone.state_dict()["conv1.0.weight"], published["conv1.0.weight"])
    assert (plain.spec.origin, plain.spec.pooling) == ("hub", "native")
    assert plain.spec.source.startswith(f"timm {timm.__version__} test_resnet.")
    for sections, section_by_section in ((1, False), (9, False), (9, True)):
        tiles = pictures[:12, :sections]
        choice = {"origin": "hub", "architecture": "test_resnet", "crop_px": CROP, "dimensions": 6}
        encoder = built({**choice, "section_by_section": section_by_section}, tiles)
        assert encoder.spec.channels == (1 if section_by_section else sections)
        assert encoder.embed(tiles).shape == (12, 6)
        files = stored_again(encoder, tmp_path / f"{sections} {section_by_section}", tiles)
        assert files == ["encoder.json", "head.safetensors", "weights.safetensors"]
    with pytest.raises(BadInput, match="no published weights for 'em_resnet10'"):
        encoder_from_hub("em_resnet10", 3, SIDE, CROP)


def test_compressed_features_count_by_their_leading_axes() -> None:
    """As if their principal components, each of variance one, had been given in their place. 30 tiles are too few for neighbours."""
    rng = np.random.default_rng(0)
    tiles = np.hstack([rng.uniform(-1, 1, (30, 10)) @ rng.normal(size=(10, 50)), rng.uniform(-1, 1, (30, 4))])
    seen = tiles[:, None] + rng.normal(size=(30, 2, 54)) * np.linspace(0.01, 0.3, 54)
    scaled, scaled_views = ((values - tiles.mean(0)) / tiles.std(0) for values in (tiles, seen))
    _, lengths, axes = np.linalg.svd(scaled[:, :50], full_matrices=False)
    axes = axes[:10].T * np.sqrt(30) / lengths[:10]
    given, given_views = (
        np.concatenate([values[..., :50] @ axes, values[..., 50:]], -1).astype(np.float32)
        for values in (scaled, scaled_views)
    )
    wanted = fit_head(given, Views(given_views, NO_PARTNERS), 5)(torch.from_numpy(given)).numpy()
    features, views = tiles.astype(np.float32), Views(seen.astype(np.float32), NO_PARTNERS)
    for compressed, is_the_same in ((50, True), (0, False)):
        found = fit_head(features, views, 5, compressed)(torch.from_numpy(features)).numpy()
        likeness = np.abs((found * wanted).sum(0)) / (wanted**2).sum(0)
        assert np.allclose(likeness, 1, atol=1e-3) == is_the_same, likeness


def test_of_compressed_features_no_more_than_128_axes_count() -> None:
    features = np.random.default_rng(0).normal(size=(160, 150)).astype(np.float32)
    views = Views(features[:, None].repeat(2, 1), NO_PARTNERS)
    assert fit_head(features, views, 150, 146).matrix.shape == (150, 128 + 4)
