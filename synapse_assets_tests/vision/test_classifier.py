"""A network that names classes: its answers, its file, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.classifier import (
    ClassifyingNetwork,
    NetworkSpec,
    SynapseNetwork,
    build_features,
    is_network_file,
)
from synapse_assets_tests.vision.conftest import planted_tiles

SPEC = NetworkSpec(
    architecture="em_resnet10",
    classes=("GABA", "acetylcholine", "unclear β"),
    sections=3,
    tile_px=48,
    crop_px=24,
    pixel_nm=4.0,
    section_nm=40.0,
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.25, 0.3),
    head="three_layers",
    origin="checkpoint",
    source="weights.pt",
)
TILES = planted_tiles(9, seed=2)[0]


def made(spec: NetworkSpec = SPEC) -> SynapseNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return SynapseNetwork(spec, ClassifyingNetwork(spec, build_features(spec)))


@pytest.fixture(scope="module")
def network() -> SynapseNetwork:
    return made()


@pytest.fixture
def file(network: SynapseNetwork, tmp_path: Path) -> Path:
    network.save(tmp_path / "models" / "network.safetensors")
    return tmp_path / "models" / "network.safetensors"


def rewritten(file: Path, **changes: str) -> Path:
    """The file with other metadata."""
    with safe_open(file, framework="pt") as stored:
        metadata, names = stored.metadata(), stored.keys()
        tensors = {name: stored.get_tensor(name) for name in names}
    save_file(tensors, file, metadata | changes)
    return file


def test_answers_are_what_the_layers_give_for_the_normalised_centre(network: SynapseNetwork) -> None:
    pixels = torch.from_numpy(TILES[:, :, 12:36, 12:36].astype(np.float32) / 255)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (SPEC.mean, SPEC.std))
    with torch.no_grad():
        features = network.network.backbone((pixels - mean) / std)
        first, _, _, second, _, _, last = network.network.head
        logits = last(torch.relu(second(torch.relu(first(features)))))
    np.testing.assert_allclose(network.features(TILES, "cpu", "float32"), features, atol=1e-5)
    np.testing.assert_allclose(network.logits(TILES, "cpu", "float32"), logits, atol=1e-5)
    assert (network.logits(TILES, "cpu").dtype, network.features(TILES, "cpu").shape) == (np.float32, (9, 256))


def test_answers_do_not_depend_on_companions(network: SynapseNetwork) -> None:
    together = network.logits(TILES, "cpu")
    alone = np.concatenate([network.logits(TILES[row : row + 1], "cpu") for row in range(9)])
    np.testing.assert_allclose(alone, together, atol=0.02 * together.std())
    assert network.logits(TILES[:0]).shape == (0, 3)
    assert network.features(TILES[:0]).shape == (0, network.dimensions)


def test_a_linear_head_is_one_layer() -> None:
    assert isinstance(made(replace(SPEC, head="linear")).network.head, nn.Linear)


@pytest.mark.parametrize(
    "tiles",
    [TILES[:, :2], TILES[..., 1:], TILES.astype(np.float32), TILES[0]],
    ids=["sections", "side", "type", "rank"],
)
def test_tiles_of_another_shape_are_refused(network: SynapseNetwork, tiles: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"em_resnet10 takes uint8 tiles \(N, 3, 48, 48\), not"):
        network.logits(tiles)


def test_one_file_holds_it_to_the_bit(network: SynapseNetwork, file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == ["network.safetensors"]
    loaded = SynapseNetwork.load(file)
    assert loaded.spec == SPEC
    assert is_network_file(file)
    assert np.array_equal(loaded.logits(TILES, "cpu"), network.logits(TILES, "cpu"))
    # Any other program can read what it is.
    length = int.from_bytes(file.read_bytes()[:8], "little")
    header = json.loads(file.read_bytes()[8 : 8 + length])
    assert json.loads(header["__metadata__"]["specification"])["classes"] == list(SPEC.classes)


def test_files_that_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no file .*nothing.safetensors"):
        SynapseNetwork.load(tmp_path / "nothing.safetensors")
    rewritten(file, version="2")
    with pytest.raises(BadInput, match=r"newer version of this program \(version 2 of the file; 1 is"):
        SynapseNetwork.load(file)
    fields = json.loads(json.dumps({**SPEC.__dict__, "architecture": "em_resnet18"}))
    rewritten(file, version="1", specification=json.dumps(fields))
    with pytest.raises(BadInput, match="does not hold the weights of the architecture 'em_resnet18' that it names"):
        SynapseNetwork.load(file)
    rewritten(file, specification=json.dumps(fields | {"architecture": "resnet_of_doom"}))
    with pytest.raises(BadInput, match="knows no architecture 'resnet_of_doom'"):
        SynapseNetwork.load(file)
    rewritten(file, specification="{}")
    with pytest.raises(BadInput, match="is damaged: its specification cannot be read"):
        SynapseNetwork.load(file)
    rewritten(file, format="something else")
    assert not is_network_file(file)
    with pytest.raises(BadInput, match="is not a network of this program"):
        SynapseNetwork.load(file)
    file.write_bytes(file.read_bytes()[:-1000])
    assert not is_network_file(file)
    with pytest.raises(BadInput, match=r"network.safetensors is damaged or no safetensors file"):
        SynapseNetwork.load(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("GABA",)}, "at least two different names"),
        ({"crop_px": 49}, r"crop of 49 px \(196 nm\) does not fit tiles of 48 px"),
        ({"mean": (0.5,)}, "3 sections need as many means"),
        ({"std": (0.1, 0.0, 0.1)}, "deviations above zero"),
        ({"head": "two_layers"}, "must be 'linear' or 'three_layers'"),
    ],
)
def test_specifications_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(SPEC, **changes)
