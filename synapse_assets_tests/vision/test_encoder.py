"""An encoder is stored and used as it was made, and refuses what it was not made for."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder import (
    Encoder,
    EncoderSpec,
    TileNetwork,
    encoder_from_checkpoint,
)
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets_tests.vision.conftest import CROP, SECTIONS, SIDE, planted_tiles

ARCHITECTURE = "test_resnet"  # timm's smallest, made for tests


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of ARCHITECTURE for three channels, with a classifier head."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(timm.create_model(ARCHITECTURE, num_classes=5).state_dict(), path)
    return path


def test_stored_and_read_again_gives_the_same_embeddings(trained, tiles, tmp_path):
    encoder, _ = trained
    encoder.save(tmp_path / "model")
    again = Encoder.load(tmp_path / "model")
    assert again.spec == encoder.spec
    assert again.dimensions == encoder.dimensions == encoder.embed(tiles[:2]).shape[1]
    np.testing.assert_array_equal(again.embed(tiles[:20]), encoder.embed(tiles[:20]))
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["encoder.json", "weights.safetensors"]
    # Mean and standard deviation stand in encoder.json alone: weights of either kind are read by the same names.
    assert set(load_file(tmp_path / "model" / "weights.safetensors")) == set(encoder.network.backbone.state_dict())


def test_normalisation_of_training_is_stored_and_used(trained, tiles, tmp_path):
    encoder, _ = trained
    assert encoder.spec.mean == pytest.approx([tiles.mean() / 255] * SECTIONS)
    assert encoder.spec.std == pytest.approx([tiles.std() / 255] * SECTIONS)
    encoder.save(tmp_path)
    path = tmp_path / "encoder.json"
    stored = json.loads(path.read_text())
    stored["mean"] = [value + 0.2 for value in stored["mean"]]
    path.write_text(json.dumps(stored))
    assert not np.allclose(Encoder.load(tmp_path).embed(tiles[:4]), encoder.embed(tiles[:4]), atol=1e-3)


def test_only_the_centre_crop_counts(trained, tiles):
    encoder, _ = trained
    edge = (SIDE - CROP) // 2
    changed = np.random.default_rng(0).integers(0, 255, tiles[:5].shape, dtype=np.uint8)
    changed[..., edge:-edge, edge:-edge] = tiles[:5, :, edge:-edge, edge:-edge]
    np.testing.assert_array_equal(encoder.embed(changed), encoder.embed(tiles[:5]))


def test_eight_views_make_orientation_irrelevant(trained, tiles):
    encoder, _ = trained
    turned = np.ascontiguousarray(np.rot90(tiles[:6], axes=(2, 3))[..., ::-1])
    found, plain = (encoder.embed(pictures, "cpu", "float32") for pictures in (turned, tiles[:6]))
    np.testing.assert_allclose(found, plain, atol=1e-4)
    single = Encoder(dataclasses.replace(encoder.spec, views=1), _with_views(encoder, 1))
    assert not np.allclose(single.embed(turned), single.embed(tiles[:6]), atol=1e-2)


def _with_views(encoder: Encoder, views: int) -> TileNetwork:
    return TileNetwork(dataclasses.replace(encoder.spec, views=views), encoder.network.backbone)


@pytest.mark.parametrize(
    ("shape", "found"), [((2, 3, 40, 40), "3 sections, 40x40 px"), ((2, 5, 48, 48), "5 sections, 48x48 px")]
)
def test_tiles_of_another_size_are_refused_naming_both(trained, shape, found):
    with pytest.raises(BadInput, match="3 sections, 48x48 px") as error:
        trained[0].embed(np.zeros(shape, dtype=np.uint8))
    assert found in str(error.value)


def test_float_tiles_are_refused(trained):
    with pytest.raises(BadInput, match="uint8"):
        trained[0].embed(np.zeros((1, 3, 48, 48), dtype=np.float32))  # type: ignore[arg-type]


def test_no_tiles_give_no_vectors(trained):
    vectors = trained[0].embed(np.zeros((0, 3, 48, 48), dtype=np.uint8))
    assert vectors.shape == (0, trained[0].dimensions)
    assert vectors.dtype == np.float32


def test_checkpoint_gives_what_the_network_gives(checkpoint):
    encoder = encoder_from_checkpoint(ARCHITECTURE, checkpoint, 3, 48, mean=(0.4,) * 3, std=(0.2,) * 3)
    plain = timm.create_model(ARCHITECTURE, num_classes=5)
    plain.load_state_dict(load_file(checkpoint))
    plain.reset_classifier(0)
    tiles = planted_tiles(4, seed=5)[0]
    with torch.inference_mode():
        wanted = plain.eval()((torch.from_numpy(tiles).float() / 255 - 0.4) / 0.2).numpy()
    found = {name: encoder.embed(tiles, "cpu", name) for name in ("float32", "bfloat16")}
    np.testing.assert_allclose(found["float32"], wanted, atol=1e-4)
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found["bfloat16"], axis=1)
    assert ((wanted * found["bfloat16"]).sum(1) / lengths).min() > 0.999
    assert encoder.spec.origin == "checkpoint"
    assert encoder.spec.source == "small.safetensors"


def test_wrapped_torch_checkpoint_and_other_number_of_sections(checkpoint, tmp_path):
    path = tmp_path / "training.pt"
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in load_file(checkpoint).items()}}, path)
    encoder = encoder_from_checkpoint(ARCHITECTURE, path, sections=5, tile_px=48)
    assert encoder.embed(np.zeros((2, 5, 48, 48), dtype=np.uint8)).shape == (2, encoder.dimensions)


WRAPPED = {
    "one key": lambda weights: {"state_dict": weights},
    "numbers beside it": lambda weights: {"epoch": 3, "model": weights},
    "a tensor beside it": lambda weights: {"loss": torch.tensor(0.1), "state_dict": weights},
    "a running mean beside it": lambda weights: {
        "model_state_dict": weights,
        "mean": torch.zeros(3),
        "std": torch.ones(3),
    },
    "an optimiser beside it": lambda weights: {"model": weights, "optimizer": {"state": {0: torch.ones(3)}}},
    "two keys": lambda weights: {"step": torch.tensor(5), "model": {"state_dict": weights}},
    "the model's name": lambda weights: {"model": ARCHITECTURE, "state_dict": weights},
    "the model's settings": lambda weights: {"model": {"depth": 4}, "model_state_dict": weights},
    "no key": lambda weights: weights,
    "numbers among the weights": lambda weights: {**weights, "epoch": 3, "model": ARCHITECTURE},
}


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
def test_weights_are_found_in_what_a_training_script_stores(checkpoint, tmp_path, wrapped):
    path = tmp_path / "training.pt"
    torch.save(wrapped(load_file(checkpoint)), path)
    tiles = planted_tiles(2, seed=5)[0]
    wanted = encoder_from_checkpoint(ARCHITECTURE, checkpoint, 3, 48).embed(tiles)
    np.testing.assert_array_equal(encoder_from_checkpoint(ARCHITECTURE, path, 3, 48).embed(tiles), wanted)


@pytest.mark.parametrize("stored", [{}, {"epoch": 3}, {"state_dict": {}}, {"model": {"depth": 4}}, [torch.ones(3)]])
def test_a_checkpoint_without_named_tensors(tmp_path, stored):
    path = tmp_path / "training.pt"
    torch.save(stored, path)
    with pytest.raises(BadInput, match=r"training\.pt holds no named tensors"):
        encoder_from_checkpoint(ARCHITECTURE, path, 3, 48)


def test_checkpoint_of_another_architecture_is_one_clear_error(checkpoint):
    with pytest.raises(BadInput, match=r"small\.safetensors does not hold weights") as error:
        encoder_from_checkpoint("em_resnet10", checkpoint, 3, 48)
    message = str(error.value)
    assert "em_resnet10" in message
    assert "missing: " in message
    assert "more" in message
    assert len(message) < 700


@pytest.mark.parametrize("architecture", ["em_resnet10", "em_resnet18"])
def test_our_networks_give_256_channels_at_a_sixteenth_of_the_side(architecture):
    """Weights that are stored fit no other network."""
    backbone = build_backbone(architecture, 3, 48, "centre").eval()
    with torch.inference_mode():
        assert backbone(torch.zeros(2, 3, 48, 48)).shape == (2, 256, 3, 3)


def test_sections_are_normalised_as_the_weights_were_trained(tmp_path):
    path = tmp_path / "colour.safetensors"
    colour = timm.create_model("resnet10t", num_classes=0)
    save_file(dict(colour.state_dict().items()), path)
    mean, std = (colour.pretrained_cfg[name] for name in ("mean", "std"))
    assert len({*mean, *std}) == 6
    found = {sections: encoder_from_checkpoint("resnet10t", path, sections, 48).spec for sections in (3, 5)}
    assert (found[3].mean, found[3].std) == (mean, std)
    assert found[5].mean == pytest.approx([sum(mean) / 3] * 5)
    assert found[5].std == pytest.approx([sum(std) / 3] * 5)


def test_checkpoint_of_another_width_names_the_shapes(tmp_path):
    path = tmp_path / "narrow.safetensors"
    save_file(dict(timm.create_model("resnet10t", num_classes=0).state_dict().items()), path)
    with pytest.raises(BadInput, match=r"of another shape: .* instead of"):
        encoder_from_checkpoint("resnet14t", path, 3, 48)


def test_checkpoint_with_objects_is_not_read(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"spec": EncoderSpec("x", 1, 8, 8, (0.0,), (1.0,), "hub")}, path)
    with pytest.raises(BadInput, match="more than tensors"):
        encoder_from_checkpoint(ARCHITECTURE, path, 3, 48)


def test_missing_checkpoint(tmp_path):
    with pytest.raises(BadInput, match=r"absent\.pt"):
        encoder_from_checkpoint(ARCHITECTURE, tmp_path / "absent.pt", 3, 48)


def test_unknown_architecture():
    with pytest.raises(BadInput, match="no architecture 'resnet_of_mine'"):
        build_backbone("resnet_of_mine", 3, 48, "native")


def test_a_crop_larger_than_the_tile_is_refused():
    with pytest.raises(BadInput, match="crop of 64 px does not fit a tile of 48 px"):
        EncoderSpec("em_resnet10", 3, 48, 64, (0.5,) * 3, (0.2,) * 3, "hub")


@pytest.mark.parametrize("std", [(0.2, 0.0, 0.2), (0.2, 0.2, -0.1), (0.0, 0.0, 0.0)])
def test_every_deviation_is_above_zero(std):
    with pytest.raises(BadInput, match="standard deviations must be above zero"):
        EncoderSpec("em_resnet10", 3, 48, 32, (0.5,) * 3, std, "hub")


def test_transformers_are_built_for_the_crop():
    torch.manual_seed(0)
    spec = EncoderSpec("test_vit", 3, 48, 32, (0.5,) * 3, (0.2,) * 3, "hub")
    encoder = Encoder(spec, TileNetwork(spec, build_backbone("test_vit", 3, 32, "native")))
    assert encoder.embed(planted_tiles(2, seed=0)[0]).shape == (2, encoder.dimensions)
