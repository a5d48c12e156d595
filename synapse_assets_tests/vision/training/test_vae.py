"""Training of autoencoders: pictures come out better, the same twice, and labels pull classes apart."""

from pathlib import Path

import numpy as np
import pytest
import torch

from synapse_assets.datasets.labelling import VaeChoice
from synapse_assets.errors import BadInput
from synapse_assets.vision.training import loop
from synapse_assets.vision.training.vae import class_contrast, fine_tune_vae, train_vae
from synapse_assets.vision.vae import TileVae

CHOICE = VaeChoice(
    width=16, hidden_dims=[8, 16], latent_dim=4, steps=120, batch_size=16, learning_rate=0.005, fine_tune_steps=40
)


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 16, 16) of a bright bar somewhere, lying or standing, and which: a few numbers say all but the noise."""
    rng = np.random.default_rng(seed)
    pictures, kinds = rng.normal(80, 4, (count, 16, 16)), rng.integers(0, 2, count)
    for picture, kind in zip(pictures, kinds, strict=True):
        y, x = rng.integers(2, 8, 2)
        high, wide = ((3, 7), (7, 3))[kind]
        picture[y : y + high, x : x + wide] += 100
    return pictures.clip(0, 255).astype(np.uint8), kinds


def trained(pictures: np.ndarray, folder: Path, **changes: object) -> TileVae:
    torch.set_num_threads(1)
    return train_vae(CHOICE.model_copy(update=changes), pictures, seed=3, device="cpu", folder=folder)[0]


def error(vae: TileVae, pictures: np.ndarray) -> float:
    return float(((vae.drawn_again(pictures) - pictures / 255) ** 2).mean())


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> TileVae:
    return trained(drawn(120, 0)[0], tmp_path_factory.mktemp("vae"))


def test_it_draws_pictures_that_it_has_not_seen_better_than_untrained(vae: TileVae, tmp_path: Path) -> None:
    pictures = drawn(60, 1)[0]
    mean_alone = float((pictures / 255).var(axis=0).mean())
    assert error(trained(pictures, tmp_path, steps=1), pictures) > 0.9 * mean_alone
    assert error(vae, pictures) < 0.75 * mean_alone


def test_the_same_seed_trains_the_same_to_the_bit_and_another_does_not(tmp_path: Path) -> None:
    pictures = drawn(40, 0)[0]
    one, same = (trained(pictures, tmp_path / name, steps=4) for name in "ab")
    other = train_vae(CHOICE.model_copy(update={"steps": 4}), pictures, seed=4, device="cpu", folder=tmp_path / "c")[0]
    np.testing.assert_array_equal(one.encode(pictures, "cpu"), same.encode(pictures, "cpu"))
    assert not np.allclose(one.encode(pictures, "cpu"), other.encode(pictures, "cpu"))


def test_a_run_that_was_broken_off_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    pictures = drawn(40, 0)[0]
    lines: list[str] = []
    choice = CHOICE.model_copy(update={"steps": 8})

    def breaks(row: dict[str, float]) -> None:
        if row["step"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_vae(choice, pictures, seed=3, device="cpu", folder=tmp_path / "a", progress=breaks)
    again, _ = train_vae(choice, pictures, seed=3, device="cpu", folder=tmp_path / "a", log=lines.append)
    assert any("goes on from step 4 of 8" in line for line in lines)
    whole = trained(pictures, tmp_path / "b", steps=8)
    np.testing.assert_array_equal(again.encode(pictures, "cpu"), whole.encode(pictures, "cpu"))


def test_labels_pull_classes_apart(vae: TileVae, tmp_path: Path) -> None:
    pictures, kinds = drawn(120, 2)
    codes = np.where(np.arange(120) < 60, kinds, -1)
    vae.save(tmp_path / "network.safetensors")

    def apart(tuned: TileVae) -> float:
        """How much nearer unlabelled pictures lie to those of their kind than to others."""
        vectors = tuned.encode(pictures, "cpu")[60:]
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        same = kinds[60:, None] == kinds[60:]
        return float((unit @ unit.T)[same].mean() - (unit @ unit.T)[~same].mean())

    tuned, outcome = fine_tune_vae(
        TileVae.load(tmp_path / "network.safetensors"),
        CHOICE,
        pictures,
        codes,
        seed=0,
        device="cpu",
        folder=tmp_path / "work",
    )
    assert outcome.steps == 40
    assert "60 labels of 2 classes" in tuned.spec.source
    assert apart(tuned) > apart(vae) + 0.1
    with pytest.raises(BadInput, match="pulls classes apart, and the labelled pictures have 1"):
        fine_tune_vae(vae, CHOICE, pictures, np.minimum(codes, 0), seed=0, device="cpu", folder=tmp_path / "none")


def test_the_contrast_is_that_of_the_formula() -> None:
    vectors, codes = torch.randn(6, 4), torch.tensor([0, 1, 0, -1, 1, 2])
    unit = [(one / one.norm()).numpy() for one in vectors]
    terms = []
    for row in (0, 1, 2, 4):
        others = [other for other in (0, 1, 2, 4, 5) if other != row]
        total = sum(np.exp(unit[row] @ unit[other] / 0.5) for other in others)
        partners = [other for other in others if codes[other] == codes[row]]
        terms.append(-np.mean([np.log(np.exp(unit[row] @ unit[other] / 0.5) / total) for other in partners]))
    assert float(class_contrast(vectors, codes, 0.5)) == pytest.approx(np.mean(terms), rel=1e-5)
    assert float(class_contrast(vectors, torch.arange(6), 0.5)) == 0.0


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    pictures = drawn(2, 0)[0]
    with pytest.raises(BadInput, match="at least 2 pictures, not 1"):
        trained(pictures[:1], tmp_path)
    with pytest.raises(BadInput, match="takes uint8 pictures"):
        trained(pictures[:, :8], tmp_path)
    assert trained(pictures, tmp_path, steps=1).encode(pictures, "cpu").shape == (2, 4)


def test_the_published_names_of_fields_are_taken() -> None:
    published = {"LATENT_DIM": 16, "HIDDEN_DIMS": [4, 8], "WIDTH": 32, "KLD_WEIGHT": 1e-3}
    assert VaeChoice.model_validate(published) == VaeChoice(
        latent_dim=16, hidden_dims=[4, 8], width=32, kld_weight=1e-3
    )
    with pytest.raises(ValueError, match="given twice"):
        VaeChoice.model_validate({"WIDTH": 32, "width": 64})
