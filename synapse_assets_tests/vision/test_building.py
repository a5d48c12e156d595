"""What decides an encoder: everything that does is among its parameters, and nothing else; and the encoder is what they say."""

import json
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.datasets import EncoderChoice, TileSpec
from synapse_assets.errors import BadInput
from synapse_assets.vision.building import TrainingTiles, build_encoder, checkpoint_hash, encoder_parameters
from synapse_assets_tests.vision.conftest import planted_tiles

TILE = TileSpec(size_px=48, sections=3)
PIXEL_NM = 8.0
OWN: dict[str, Any] = {"architecture": "em_resnet10", "crop_px": 24, "training_steps": 2}
GIVEN: dict[str, Any] = {"origin": "checkpoint", "architecture": "test_resnet", "checkpoint": "/a.pt", "crop_px": 24}


def parameters(
    values: dict[str, Any], tile: TileSpec = TILE, seed: int = 0, pixel_nm: float = 4.0
) -> dict[str, object]:
    return encoder_parameters(EncoderChoice.model_validate(values), tile, pixel_nm, seed)


def test_what_was_stored_before_there_was_a_last_step_is_named_as_it_was() -> None:
    """Each of these is in the version of an encoder that an installation holds."""
    hub = {"origin": "hub", "architecture": "test_resnet", "crop_px": None}
    training = {
        "architecture": "em_resnet10", "crop_px": 24, "batch_size": 128, "max_steps": 2, "max_seconds": None,
        "learning_rate": 0.001, "temperature": 0.2, "views": 8, "seed": 0,
    }  # fmt: skip
    for pixel_nm in (4.0, 8.0):
        assert parameters(OWN, pixel_nm=pixel_nm) == {"origin": "self_supervised", "training": training}
        assert parameters({"origin": "hub", "architecture": "test_resnet"}, pixel_nm=pixel_nm) == hub
        assert parameters(GIVEN, pixel_nm=pixel_nm) == {**hub, "origin": "checkpoint", "crop_px": 24}
    default = parameters({"origin": "self_supervised"}, TileSpec(size_px=64, sections=3))
    assert default["training"] == {**training, "architecture": "em_resnet18", "crop_px": 48, "max_steps": 600}


def test_each_choice_of_the_last_step_shows() -> None:
    texture = {"origin": "texture"}
    first = parameters(texture)
    assert "training" not in first
    others = [
        parameters(texture, pixel_nm=8.0),
        *(
            parameters({**texture, **changes})
            for changes in ({"dimensions": 8}, {"crop_px": 24}, {"positives": "neuron"}, {"invariant_to": ["section"]})
        ),
        *(
            parameters({"origin": "self_supervised", **changes})
            for changes in ({"dimensions": 8}, {"beside_texture": True}, {"section_by_section": True}, {})
        ),
    ]
    assert len({json.dumps(found, sort_keys=True) for found in (first, *others)}) == 10
    assert parameters({**texture, "dimensions": 32}) == first
    both = [parameters({**texture, "invariant_to": names}) for names in (["volume", "section"], ["section", "volume"])]
    assert both[0] == both[1]


def test_each_choice_of_the_training_shows() -> None:
    first = parameters(OWN)
    others = [
        parameters({**OWN, "architecture": "em_resnet18"}),
        parameters({**OWN, "crop_px": 32}),
        parameters({**OWN, "training_steps": 3}),
        parameters(OWN, seed=1),
        parameters({**GIVEN, "origin": "hub", "checkpoint": None}),
    ]
    assert all(other != first for other in others)
    # Which tiles are trained on counts by their content; a smaller tile leaves a crop of 24 px as it is.
    for same in (parameters({**OWN, "training_tiles": 5}), parameters(OWN, TileSpec(size_px=32, sections=3))):
        assert same == first
    bare = {"training_steps": 2}
    assert parameters(bare) != parameters(bare, TileSpec(size_px=32, sections=3)), (
        "the crop is the whole of a small tile"
    )


OPTIONS: list[dict[str, Any]] = [
    {"dimensions": 32},
    {"dimensions": 16},
    {"dimensions": 32, "beside_texture": True},
    {"dimensions": 32, "section_by_section": True},
    {"dimensions": 32, "positives": "neuron"},
    {"dimensions": 32, "invariant_to": ["contrast", "section"]},
]


@pytest.mark.parametrize("base", [OWN, GIVEN], ids=["trained here", "checkpoint"])
def test_each_choice_of_the_last_step_of_a_network_shows(base: dict[str, Any]) -> None:
    told = [parameters(base), *(parameters({**base, **options}) for options in OPTIONS)]
    assert len({json.dumps(one, sort_keys=True) for one in told}) == len(told)
    assert "head" not in told[0]
    # 32 is what is left unsaid, and what is ignored has no order.
    assert parameters({**base, "beside_texture": True}) == told[3]
    turned = {"dimensions": 32, "invariant_to": ["section", "contrast"]}
    assert parameters({**base, **turned}) == told[6]


def test_without_the_last_step_a_network_is_what_it_was() -> None:
    """Where this changes, every installation trains its encoder again."""
    assert parameters(OWN) == {
        "origin": "self_supervised",
        "training": {
            "architecture": "em_resnet10", "crop_px": 24, "batch_size": 128, "max_steps": 2, "max_seconds": None,
            "learning_rate": 0.001, "temperature": 0.2, "views": 8, "seed": 0,
        },
    }  # fmt: skip
    assert parameters({**GIVEN, "origin": "hub", "checkpoint": None}) == {
        "origin": "hub",
        "architecture": "test_resnet",
        "crop_px": 24,
    }


def test_what_is_said_is_what_is_trained(tiles: Any) -> None:
    choice = EncoderChoice.model_validate(OWN)
    lines: list[str] = []
    encoder, history = build_encoder(choice, TILE, 4.0, TrainingTiles(tiles[:8]), 5, "cpu", lines.append)
    told = encoder_parameters(choice, TILE, 4.0, 5)
    training = told["training"]
    assert isinstance(training, dict)
    assert (encoder.spec.origin, encoder.spec.architecture) == (told["origin"], training["architecture"])
    assert (encoder.spec.crop_px, encoder.spec.views) == (training["crop_px"], training["views"]) == (24, 8)
    assert (history[-1]["step"], training["max_steps"], training["seed"]) == (2, 2, 5)
    assert "seed 5" in encoder.spec.source
    assert lines[-1].startswith("training: step 2 of 2")


def test_a_checkpoint_counts_by_its_bytes(tmp_path: Path) -> None:
    first = parameters(GIVEN)
    assert first == {"origin": "checkpoint", "architecture": "test_resnet", "crop_px": 24}
    assert parameters({**GIVEN, "checkpoint": "/b.pt"}) == parameters(GIVEN, seed=1) == first
    assert parameters({**GIVEN, "crop_px": 32}) != first
    hashes = []
    for name, content in (("a.pt", b"one"), ("b.pt", b"one"), ("a.pt", b"two")):
        (tmp_path / name).write_bytes(content)
        hashes.append(checkpoint_hash(EncoderChoice.model_validate({**GIVEN, "checkpoint": str(tmp_path / name)})))
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(BadInput, match=r"there is no weight file .*absent\.pt"):
        checkpoint_hash(EncoderChoice.model_validate({**GIVEN, "checkpoint": str(tmp_path / "absent.pt")}))


def test_what_cannot_be_built_is_told(tmp_path: Path) -> None:
    tiles = planted_tiles(2, seed=0)[0]
    for values, reason in (
        ({**OWN, "architecture": "resnet_of_mine"}, "no architecture 'resnet_of_mine'"),
        ({**GIVEN, "checkpoint": str(tmp_path / "absent.pt")}, "there is no weight file"),
    ):
        with pytest.raises(BadInput, match=reason):
            build_encoder(EncoderChoice.model_validate(values), TILE, 4.0, TrainingTiles(tiles), 0, "cpu", print)
